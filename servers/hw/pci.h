/* SPDX-License-Identifier: MIT */
/*
 * PCI: finding functions, their base address registers and capabilities.
 *
 * Works on any configuration space that can be read and written (struct pci_access), so it is
 * tested on the host. Bus numbers and BARs are those that the firmware has assigned; nothing is
 * moved, and what has no address may get one (pci-assign.h). Whatever a device says is data: walks
 * over capabilities end after PCI_CAPABILITIES_MAX steps, offsets stay in the space.
 */
#ifndef HW_PCI_H
#define HW_PCI_H

#include <base/types.h>

#define PCI_BARS_MAX         6
#define PCI_CAPABILITIES_MAX 32
#define PCI_BUSES_MAX        256 /* of a segment */
#define PCI_MSIX_ENTRY_SIZE  16 /* bytes */
#define PCI_CONFIG_SIZE \
	256 /* the part with the capabilities we look at; the extended one has 4096 */

/* offsets in the configuration space */
enum pci_register {
	PCI_VENDOR = 0x00,
	PCI_DEVICE = 0x02,
	PCI_COMMAND = 0x04,
	PCI_STATUS = 0x06,
	PCI_REVISION = 0x08,
	PCI_INTERFACE = 0x09,
	PCI_SUBCLASS = 0x0a,
	PCI_CLASS = 0x0b,
	PCI_HEADER_TYPE = 0x0e,
	PCI_BARS = 0x10,
	PCI_SECONDARY_BUS = 0x19,
	PCI_SUBORDINATE_BUS = 0x1a,
	PCI_IO_WINDOW = 0x1c, /* base and limit, a byte each */
	PCI_MEMORY_WINDOW = 0x20, /* the same, of two bytes each */
	PCI_PREFETCHABLE_WINDOW = 0x24,
	PCI_PREFETCHABLE_BASE_UPPER = 0x28,
	PCI_PREFETCHABLE_LIMIT_UPPER = 0x2c,
	PCI_IO_BASE_UPPER = 0x30,
	PCI_IO_LIMIT_UPPER = 0x32,
	PCI_SUBSYSTEM_VENDOR = 0x2c,
	PCI_SUBSYSTEM_DEVICE = 0x2e,
	PCI_CAPABILITIES = 0x34,
	PCI_INTERRUPT_LINE = 0x3c,
	PCI_INTERRUPT_PIN = 0x3d,
	PCI_FIRST_FREE = 0x40, /* behind the registers that all devices have */
};

enum pci_command {
	PCI_COMMAND_IO = 1u << 0,
	PCI_COMMAND_MEMORY = 1u << 1,
	PCI_COMMAND_BUS_MASTER = 1u << 2,
	PCI_COMMAND_NO_INTX = 1u << 10,
};

enum pci_capability_id {
	PCI_CAPABILITY_MSI = 0x05,
	PCI_CAPABILITY_VENDOR = 0x09,
	PCI_CAPABILITY_EXPRESS = 0x10,
	PCI_CAPABILITY_MSIX = 0x11,
	PCI_CAPABILITY_ADVANCED_FEATURES = 0x13,
};

/* A function's address. */
struct pci_address {
	uint16_t segment;
	uint8_t bus, device, function;
};

/* How to get at configuration spaces; @width is 1, 2 or 4, @offset a multiple of it, below 4096. */
struct pci_access {
	uint32_t (*read)(const struct pci_access *access, struct pci_address address,
		uint32_t offset, uint32_t width);
	void (*write)(const struct pci_access *access, struct pci_address address, uint32_t offset,
		uint32_t width, uint32_t value);
};

enum pci_bar_kind {
	PCI_BAR_NONE, /* or the upper half of the one before */
	PCI_BAR_MEMORY,
	PCI_BAR_IO,
};

struct pci_bar {
	enum pci_bar_kind kind;
	enum pci_bar_kind wanted; /* what it is, also if it has no address yet: pci-assign.h */
	bool is_prefetchable, is_wide;
	uint64_t address;
	uint64_t size_bytes; /* a power of two */
	uint8_t flags; /* the register's low bits */
};

struct pci_capability {
	uint8_t id;
	uint8_t offset;
	uint8_t size_bytes; /* of vendor-specific ones, else 0 */
};

struct pci_msix {
	uint8_t offset; /* of the capability, 0: none */
	uint16_t n_vectors;
	uint8_t table_bar;
	uint32_t table_offset;
};

struct pci_function {
	struct pci_address address;
	uint16_t vendor, device, subsystem_vendor, subsystem_device;
	uint8_t class, subclass, interface, revision;
	uint8_t interrupt_pin; /* 1 to 4: A to D; 0: no line */
	uint8_t compatible_channels; /* bits, see pci_ide_is_compatible() */
	bool is_bridge;
	/* of a bridge: the first and last behind it, which come after its own; 0: it has none */
	uint8_t secondary_bus, subordinate_bus;
	struct pci_bar bars[PCI_BARS_MAX];
	struct pci_capability capabilities[PCI_CAPABILITIES_MAX];
	uint32_t n_capabilities;
	struct pci_msix msix;
};

/* Buses of a segment. */
struct pci_buses {
	uint16_t segment;
	uint8_t first, last;
};

/**
 * pci_scan() - find all functions on some buses, and behind the bridges there
 * @buses: the first is that of a host bridge; others are if no bridge before leads there
 * @found: called for each, in the order of discovery; @function is valid during the call
 */
void pci_scan(const struct pci_access *access, const struct pci_buses *buses,
	void (*found)(void *context, const struct pci_function *function), void *context);

/** pci_settle() - addresses are final: what lies in a BAR that has none is not there */
void pci_settle(struct pci_function *function);

/** pci_find_capability() - offset of the first capability @id, 0 if the function has none */
uint8_t pci_find_capability(const struct pci_function *function, uint8_t id);

/* A piece of the machine's addresses, of whole pages. */
struct pci_range {
	uint64_t start, end;
};

/**
 * pci_bar_pages() - the pages of memory BAR @index that its driver may have
 * @page_size: a power of two
 *
 * Those from the table of MSI-X on are not among them, whichever BAR that is in: who writes there
 * interrupts anybody. Devices have it behind their registers, or in a BAR of its own.
 *
 * Return: the range; empty if nothing of the BAR is left.
 */
struct pci_range pci_bar_pages(
	const struct pci_function *function, uint32_t index, uint64_t page_size);

/** PCI_IDE_CHANNELS - of an IDE controller */
#define PCI_IDE_CHANNELS 2

/**
 * pci_ide_is_compatible() - whether a channel of an IDE controller is where the ISA bus had it
 *
 * In compatibility mode (PCI IDE Controller Specification 1.0) the first channel has the ports 1f0
 * to 1f7 and 3f6 and the ISA interrupt 14, the second one 170 to 177, 376 and 15, whatever the
 * function's registers say. The ports are in `bars` as if they were the channel's two BARs.
 */
static inline bool pci_ide_is_compatible(const struct pci_function *function, uint32_t channel)
{
	return channel < PCI_IDE_CHANNELS && (function->compatible_channels >> channel & 1) != 0;
}

/**
 * pci_config_is_writable() - whether a driver may write a register of its own function
 *
 * Not the command register, the BARs and other registers of the header, and not MSI and MSI-X.
 */
bool pci_config_is_writable(const struct pci_function *function, uint32_t offset, uint32_t width);

#endif

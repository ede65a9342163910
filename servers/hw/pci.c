/* SPDX-License-Identifier: MIT */
/* Finding PCI functions: see pci.h. */
#include "pci.h"

#define HEADER_TYPE_MASK        0x7f
#define HEADER_TYPE_DEVICE      0
#define HEADER_TYPE_BRIDGE      1
#define HEADER_MANY_FUNCTIONS   0x80
#define STATUS_HAS_CAPABILITIES (1u << 4)
#define CLASS_STORAGE           1
#define SUBCLASS_IDE            1
#define MSI_SIZE                24
#define MSIX_SIZE               12

/* Bus numbers that are still to be looked at, each once. */
struct scan {
	const struct pci_access *access;
	uint16_t segment;
	void (*found)(void *context, const struct pci_function *function);
	void *context;
	uint8_t buses[256];
	size_t n_buses, n_scanned;
	bool is_known[256];
};

static uint32_t pci_read(const struct pci_access *access, struct pci_address address,
	uint32_t offset, uint32_t width)
{
	return access->read(access, address, offset, width);
}

static void pci_write(const struct pci_access *access, struct pci_address address, uint32_t offset,
	uint32_t width, uint32_t value)
{
	access->write(access, address, offset, width, value);
}

/* ---- base address registers ------------------------------------------------------------------ */

/* Write all ones, read what sticks, and put the old value back. */
static uint32_t bar_probe(
	const struct pci_access *access, struct pci_address address, uint32_t offset)
{
	uint32_t old = pci_read(access, address, offset, 4);

	pci_write(access, address, offset, 4, 0xffffffff);
	uint32_t mask = pci_read(access, address, offset, 4);

	pci_write(access, address, offset, 4, old);
	return mask;
}

/* Read BAR @index; returns how many registers it takes. */
static unsigned bar_read(const struct pci_access *access, struct pci_address address,
	unsigned index, unsigned n_bars, struct pci_bar *bar)
{
	uint32_t offset = PCI_BARS + 4 * index;
	uint32_t low = pci_read(access, address, offset, 4);
	uint64_t mask = bar_probe(access, address, offset);

	if ((low & 1) != 0) {
		uint32_t io_mask = (uint32_t)mask & 0xfffcu;

		bar->address = low & 0xfffcu;
		bar->flags = low & 3;
		bar->size_bytes = io_mask != 0 ? (uint16_t)-io_mask : 0;
		bar->wanted = is_power_of_two(bar->size_bytes) ? PCI_BAR_IO : PCI_BAR_NONE;
		bar->kind = bar->address != 0 ? bar->wanted : PCI_BAR_NONE;
		return 1;
	}
	bool is_wide = (low & 6) == 4 && index + 1 < n_bars;

	bar->address = low & ~0xfu;
	bar->flags = low & 0xf;
	mask &= ~UINT64_C(0xf);
	if (is_wide) {
		bar->address |= (uint64_t)pci_read(access, address, offset + 4, 4) << 32;
		mask |= (uint64_t)bar_probe(access, address, offset + 4) << 32;
	} else if (mask != 0) {
		mask |= UINT64_C(0xffffffff00000000);
	}
	bar->is_prefetchable = (low & 8) != 0;
	bar->size_bytes = -mask;
	bar->is_wide = is_wide;
	bar->wanted = mask != 0 && is_power_of_two(bar->size_bytes) ? PCI_BAR_MEMORY : PCI_BAR_NONE;
	bar->kind = bar->address != 0 ? bar->wanted : PCI_BAR_NONE;
	return is_wide ? 2 : 1;
}

/* While registers hold nonsense, the function must not answer to addresses. */
static void function_read_bars(const struct pci_access *access, struct pci_function *function)
{
	unsigned n_bars = function->is_bridge ? 2 : PCI_BARS_MAX;
	uint32_t command = pci_read(access, function->address, PCI_COMMAND, 2);

	pci_write(access, function->address, PCI_COMMAND, 2,
		command & ~(PCI_COMMAND_IO | PCI_COMMAND_MEMORY));
	for (unsigned i = 0; i < n_bars;) {
		i += bar_read(access, function->address, i, n_bars, &function->bars[i]);
	}
	pci_write(access, function->address, PCI_COMMAND, 2, command);
}

/* The ports of channels in compatibility mode; bits 0 and 2 of the interface say which are not. */
static void function_add_compatible_ports(struct pci_function *function)
{
	static const uint16_t ports[PCI_IDE_CHANNELS][2] = { { 0x1f0, 0x3f6 }, { 0x170, 0x376 } };

	for (uint32_t i = 0; i < PCI_IDE_CHANNELS; i++) {
		if ((function->interface >> (2 * i) & 1) != 0) {
			continue;
		}
		function->compatible_channels |= (uint8_t)(1u << i);
		function->bars[2 * i] = (struct pci_bar){
			.kind = PCI_BAR_IO,
			.address = ports[i][0],
			.size_bytes = 8,
			.flags = 1,
		};
		function->bars[2 * i + 1] = (struct pci_bar){
			.kind = PCI_BAR_IO,
			.address = ports[i][1],
			.size_bytes = 1,
			.flags = 1,
		};
	}
}

static struct pci_range range_of_pages(uint64_t address, uint64_t size_bytes, uint64_t page_size)
{
	return (struct pci_range){
		.start = align_down(address, page_size),
		.end = align_up(address + size_bytes, page_size),
	};
}

struct pci_range pci_bar_pages(
	const struct pci_function *function, uint32_t index, uint64_t page_size)
{
	const struct pci_bar *bar = &function->bars[index];
	const struct pci_msix *msix = &function->msix;
	struct pci_range pages = range_of_pages(bar->address, bar->size_bytes, page_size);

	if (msix->n_vectors == 0) {
		return pages;
	}
	struct pci_range table =
		range_of_pages(function->bars[msix->table_bar].address + msix->table_offset,
			(uint64_t)PCI_MSIX_ENTRY_SIZE * msix->n_vectors, page_size);

	if (table.start < pages.end && pages.start < table.end) {
		pages.end = table.start > pages.start ? table.start : pages.start;
	}
	bool is_empty = pages.end <= bar->address;

	return is_empty ? (struct pci_range){ .start = pages.start, .end = pages.start } : pages;
}

/* ---- capabilities ---------------------------------------------------------------------------- */

static void function_read_msix(
	const struct pci_access *access, struct pci_function *function, uint8_t offset)
{
	uint32_t control = pci_read(access, function->address, offset + 2u, 2);
	uint32_t table = pci_read(access, function->address, offset + 4u, 4);
	struct pci_msix msix = {
		.offset = offset,
		.n_vectors = (uint16_t)((control & 0x7ff) + 1),
		.table_bar = table & 7,
		.table_offset = table & ~7u,
	};

	if (msix.table_bar >= PCI_BARS_MAX) {
		return;
	}
	const struct pci_bar *bar = &function->bars[msix.table_bar];
	uint64_t table_end = msix.table_offset + (uint64_t)PCI_MSIX_ENTRY_SIZE * msix.n_vectors;

	if (bar->wanted == PCI_BAR_MEMORY && table_end <= bar->size_bytes) {
		function->msix = msix;
	}
}

void pci_settle(struct pci_function *function)
{
	if (function->bars[function->msix.table_bar].kind != PCI_BAR_MEMORY) {
		function->msix = (struct pci_msix){};
	}
}

static void function_read_capabilities(
	const struct pci_access *access, struct pci_function *function)
{
	struct pci_address address = function->address;

	if ((pci_read(access, address, PCI_STATUS, 2) & STATUS_HAS_CAPABILITIES) == 0) {
		return;
	}
	uint32_t offset = pci_read(access, address, PCI_CAPABILITIES, 1) & 0xfc;

	while (offset >= PCI_FIRST_FREE && function->n_capabilities < PCI_CAPABILITIES_MAX) {
		struct pci_capability *capability =
			&function->capabilities[function->n_capabilities++];

		capability->id = (uint8_t)pci_read(access, address, offset, 1);
		capability->offset = (uint8_t)offset;
		if (capability->id == PCI_CAPABILITY_VENDOR) {
			capability->size_bytes = (uint8_t)pci_read(access, address, offset + 2, 1);
		} else if (capability->id == PCI_CAPABILITY_MSIX &&
			offset <= PCI_CONFIG_SIZE - 12) {
			function_read_msix(access, function, (uint8_t)offset);
		}
		offset = pci_read(access, address, offset + 1, 1) & 0xfc;
	}
}

uint8_t pci_find_capability(const struct pci_function *function, uint8_t id)
{
	for (uint32_t i = 0; i < function->n_capabilities; i++) {
		if (function->capabilities[i].id == id) {
			return function->capabilities[i].offset;
		}
	}
	return 0;
}

static bool ranges_overlap(uint32_t a, uint32_t a_size, uint32_t b, uint32_t b_size)
{
	return a < b + b_size && b < a + a_size;
}

bool pci_config_is_writable(const struct pci_function *function, uint32_t offset, uint32_t width)
{
	if (offset < PCI_FIRST_FREE) {
		return false;
	}
	for (uint32_t i = 0; i < function->n_capabilities; i++) {
		const struct pci_capability *capability = &function->capabilities[i];
		uint32_t size = capability->id == PCI_CAPABILITY_MSI ? MSI_SIZE
			: capability->id == PCI_CAPABILITY_MSIX      ? MSIX_SIZE
								     : 2;

		/* of other capabilities, the links */
		if (ranges_overlap(offset, width, capability->offset, size)) {
			return false;
		}
	}
	return true;
}

/* ---- scanning -------------------------------------------------------------------------------- */

static void scan_add_bus(struct scan *scan, uint8_t bus)
{
	if (!scan->is_known[bus]) {
		scan->is_known[bus] = true;
		scan->buses[scan->n_buses++] = bus;
	}
}

static void scan_function(struct scan *scan, struct pci_address address, uint8_t header_type)
{
	const struct pci_access *access = scan->access;
	struct pci_function function = {
		.address = address,
		.vendor = (uint16_t)pci_read(access, address, PCI_VENDOR, 2),
		.device = (uint16_t)pci_read(access, address, PCI_DEVICE, 2),
		.class = (uint8_t)pci_read(access, address, PCI_CLASS, 1),
		.subclass = (uint8_t)pci_read(access, address, PCI_SUBCLASS, 1),
		.interface = (uint8_t)pci_read(access, address, PCI_INTERFACE, 1),
		.revision = (uint8_t)pci_read(access, address, PCI_REVISION, 1),
		.interrupt_pin = (uint8_t)pci_read(access, address, PCI_INTERRUPT_PIN, 1),
		.is_bridge = (header_type & HEADER_TYPE_MASK) == HEADER_TYPE_BRIDGE,
	};

	if (function.is_bridge) {
		function.secondary_bus = (uint8_t)pci_read(access, address, PCI_SECONDARY_BUS, 1);
		function.subordinate_bus =
			(uint8_t)pci_read(access, address, PCI_SUBORDINATE_BUS, 1);
		if (function.secondary_bus > address.bus) {
			scan_add_bus(scan, function.secondary_bus);
		} else {
			function.secondary_bus = function.subordinate_bus = 0;
		}
		if (function.subordinate_bus < function.secondary_bus) {
			function.subordinate_bus = function.secondary_bus;
		}
	} else if ((header_type & HEADER_TYPE_MASK) == HEADER_TYPE_DEVICE) {
		function.subsystem_vendor =
			(uint16_t)pci_read(access, address, PCI_SUBSYSTEM_VENDOR, 2);
		function.subsystem_device =
			(uint16_t)pci_read(access, address, PCI_SUBSYSTEM_DEVICE, 2);
	} else {
		return; /* a CardBus bridge, or something from the future */
	}
	function_read_bars(access, &function);
	if (function.class == CLASS_STORAGE && function.subclass == SUBCLASS_IDE &&
		!function.is_bridge) {
		function_add_compatible_ports(&function);
	}
	function_read_capabilities(access, &function);
	scan->found(scan->context, &function);
}

static void scan_device(struct scan *scan, struct pci_address address)
{
	unsigned n_functions = 1;

	for (unsigned i = 0; i < n_functions; i++) {
		address.function = (uint8_t)i;
		if (pci_read(scan->access, address, PCI_VENDOR, 2) == 0xffff) {
			if (i == 0) {
				return;
			}
			continue;
		}
		uint8_t header_type = (uint8_t)pci_read(scan->access, address, PCI_HEADER_TYPE, 1);

		if (i == 0 && (header_type & HEADER_MANY_FUNCTIONS) != 0) {
			n_functions = 8;
		}
		scan_function(scan, address, header_type);
	}
}

static void scan_buses(struct scan *scan)
{
	for (; scan->n_scanned < scan->n_buses; scan->n_scanned++) {
		for (uint8_t device = 0; device < 32; device++) {
			scan_device(scan,
				(struct pci_address){
					.segment = scan->segment,
					.bus = scan->buses[scan->n_scanned],
					.device = device,
				});
		}
	}
}

void pci_scan(const struct pci_access *access, const struct pci_buses *buses,
	void (*found)(void *context, const struct pci_function *function), void *context)
{
	struct scan scan = {
		.access = access,
		.segment = buses->segment,
		.found = found,
		.context = context,
	};

	for (uint32_t bus = buses->first; bus <= buses->last; bus++) {
		scan_add_bus(&scan, (uint8_t)bus);
		scan_buses(&scan);
	}
}

/* SPDX-License-Identifier: MIT */
/* The ACPI tables that thor itself reads. */
#ifndef X86_64_ACPI_H
#define X86_64_ACPI_H

#include <base/types.h>

struct PACKED acpi_header {
	char signature[4];
	uint32_t length;
	uint8_t revision;
	uint8_t checksum;
	char oem[6];
	char oem_table[8];
	uint32_t oem_revision;
	uint32_t creator;
	uint32_t creator_revision;
};
static_assert(sizeof(struct acpi_header) == 36);

/* "APIC": processors and interrupt controllers */
struct PACKED madt {
	struct acpi_header header;
	uint32_t lapic_phys;
	uint32_t flags;
};

enum madt_type : uint8_t {
	MADT_LAPIC = 0,
	MADT_IOAPIC = 1,
	MADT_OVERRIDE = 2, /* how an ISA interrupt is wired */
	MADT_LAPIC_ADDRESS = 5,
	MADT_X2APIC = 9,
};

enum madt_flags : uint32_t {
	MADT_ENABLED = 1,
	MADT_ONLINE_CAPABLE = 2,
};

enum madt_override_flags : uint16_t {
	MADT_POLARITY_MASK = 3,
	MADT_POLARITY_LOW = 3,
	MADT_TRIGGER_MASK = 12,
	MADT_TRIGGER_LEVEL = 12,
};

enum madt_length : uint8_t {
	MADT_IOAPIC_LENGTH = 12,
	MADT_OVERRIDE_LENGTH = 10,
};

struct PACKED madt_entry {
	uint8_t type;
	uint8_t length;
	union {
		struct PACKED {
			uint8_t processor_id;
			uint8_t lapic_id;
			uint32_t flags;
		} lapic;
		struct PACKED {
			uint8_t id;
			uint8_t reserved;
			uint32_t phys;
			uint32_t first_gsi;
		} ioapic;
		struct PACKED {
			uint8_t bus; /* always ISA */
			uint8_t source;
			uint32_t gsi;
			uint16_t flags;
		} override;
		struct PACKED {
			uint16_t reserved;
			uint64_t phys;
		} lapic_address;
		struct PACKED {
			uint16_t reserved;
			uint32_t lapic_id;
			uint32_t flags;
			uint32_t processor_id;
		} x2apic;
	};
};

/**
 * madt_next() - the entry after @entry, the first for NULL; NULL at the end or where the table is
 * broken
 */
const struct madt_entry *madt_next(const struct madt *madt, const struct madt_entry *entry);

/* "HPET" */
struct PACKED acpi_hpet {
	struct acpi_header header;
	uint32_t block_id;
	uint8_t address_space; /* 0: memory */
	uint8_t bit_width;
	uint8_t bit_offset;
	uint8_t access_size;
	uint64_t phys;
};

/* "FACP" */
struct PACKED acpi_fadt {
	struct acpi_header header;
	uint8_t ignored0[40];
	uint32_t pm_timer_port; /* 0: none */
	uint8_t ignored1[32];
	uint32_t flags;
};
static_assert(offsetof(struct acpi_fadt, pm_timer_port) == 76);
static_assert(offsetof(struct acpi_fadt, flags) == 112);

/* enum-like: the timer counts 32 bits, not 24 */
#define ACPI_FADT_TIMER_32 (1u << 8)

#endif

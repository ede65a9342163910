/* SPDX-License-Identifier: MIT */
/*
 * Finding ACPI tables: only those that say where interrupt controllers and clocks are.  The hw
 * server does the rest.
 *
 * Tables come from the firmware; lengths are checked for sanity, the tables themselves are
 * believed.
 */
#include "acpi.h"

#include <base/string.h>
#include <thor/arch.h>
#include <thor/init/init.h>
#include <thor/panic.h>

#include "machine.h"

struct PACKED acpi_rsdp {
	char signature[8];
	uint8_t checksum;
	char oem[6];
	uint8_t revision;
	uint32_t rsdt_phys;
	uint32_t length;
	uint64_t xsdt_phys;
};

#define ACPI_TABLE_SIZE_MAX MIB(1)
#define MADT_ENTRY_HEAD     2 /* type and length */

static const struct acpi_header *acpi_root;
static size_t acpi_root_entry_size;

static const struct acpi_header *acpi_table_at(uint64_t phys)
{
	const struct acpi_header *table = arch_phys_to_virt(phys);

	if (phys == 0 || table->length < sizeof(*table) || table->length > ACPI_TABLE_SIZE_MAX) {
		return NULL;
	}
	return table;
}

static void acpi_start(const struct boot_info *boot)
{
	uint64_t rsdp_phys = boot->rsdp_phys;

	const struct acpi_rsdp *rsdp = arch_phys_to_virt(rsdp_phys);

	if (rsdp_phys == 0 || memcmp(rsdp->signature, "RSD PTR ", 8) != 0) {
		klog("thor: no ACPI tables");
		return;
	}
	if (rsdp->revision >= 2 && rsdp->xsdt_phys != 0) {
		acpi_root = acpi_table_at(rsdp->xsdt_phys);
		acpi_root_entry_size = sizeof(uint64_t);
	} else {
		acpi_root = acpi_table_at(rsdp->rsdt_phys);
		acpi_root_entry_size = sizeof(uint32_t);
	}
}
INIT_TASK(acpi, "acpi", .run = acpi_start, .needs = { "memory" });

const void *acpi_find(const char signature[4])
{
	if (acpi_root == NULL) {
		return NULL;
	}
	size_t n_tables = (acpi_root->length - sizeof(*acpi_root)) / acpi_root_entry_size;
	const uint8_t *entries = (const uint8_t *)(acpi_root + 1);

	for (size_t i = 0; i < n_tables; i++) {
		uint64_t phys = 0;

		memcpy(&phys, &entries[i * acpi_root_entry_size], acpi_root_entry_size);
		const struct acpi_header *table = acpi_table_at(phys);

		if (table != NULL && memcmp(table->signature, signature, 4) == 0) {
			return table;
		}
	}
	return NULL;
}

const struct madt_entry *madt_next(const struct madt *madt, const struct madt_entry *entry)
{
	const uint8_t *end = (const uint8_t *)madt + madt->header.length;
	const uint8_t *next = entry == NULL ? (const uint8_t *)(madt + 1)
					    : (const uint8_t *)entry + entry->length;

	entry = (const struct madt_entry *)next;
	if (next + MADT_ENTRY_HEAD > end || entry->length < MADT_ENTRY_HEAD ||
		next + entry->length > end) {
		return NULL;
	}
	return entry;
}

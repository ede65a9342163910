/* SPDX-License-Identifier: MIT */
/*
 * The DMAR table of the firmware: section 8 of the VT-d specification. Lengths are checked, what is
 * in the structures is believed.
 */
#include <base/string.h>
#include <thor/panic.h>

#include "acpi.h"
#include "machine.h"
#include "pci-config.h"
#include "vtd.h"

enum dmar_type : uint16_t {
	DMAR_UNIT = 0, /* DRHD */
	DMAR_RESERVED_MEMORY = 1, /* RMRR */
};

struct PACKED dmar {
	struct acpi_header header;
	uint8_t address_width;
	uint8_t flags;
	uint8_t reserved[10];
};
static_assert(sizeof(struct dmar) == 48);

struct PACKED dmar_entry {
	uint16_t type;
	uint16_t length;
	uint8_t flags; /* DRHD */
	uint8_t reserved;
	uint16_t segment;
	uint64_t address; /* DRHD: of the registers, RMRR: where the memory begins */
};
static_assert(sizeof(struct dmar_entry) == 16);

/* In an RMRR, behind the address of the last byte. */
struct PACKED dmar_scope {
	uint8_t type;
	uint8_t length;
	uint8_t reserved[2];
	uint8_t enumeration_id;
	uint8_t bus;
	uint8_t path[]; /* device and function, for each bridge on the way and the device */
};

#define DMAR_RESERVED_SCOPES 24

static const struct dmar_entry *dmar_next(const struct dmar *dmar, const struct dmar_entry *entry)
{
	const uint8_t *end = (const uint8_t *)dmar + dmar->header.length;
	const uint8_t *next = entry == NULL ? (const uint8_t *)(dmar + 1)
					    : (const uint8_t *)entry + entry->length;

	entry = (const struct dmar_entry *)next;
	if (next + sizeof(*entry) > end || entry->length < sizeof(*entry) ||
		next + entry->length > end) {
		return NULL;
	}
	return entry;
}

uint32_t vtd_find_units(struct vtd_unit *units, uint32_t n_units_max)
{
	const struct dmar *dmar = acpi_find("DMAR");
	const struct dmar_entry *entry = NULL;
	uint32_t n_units = 0;

	while (dmar != NULL && (entry = dmar_next(dmar, entry)) != NULL) {
		if (entry->type != DMAR_UNIT) {
			continue;
		}
		if (entry->segment != 0 || n_units == n_units_max) {
			klog("iommu: the unit at 0x%llx of segment %u is not used",
				(unsigned long long)entry->address, entry->segment);
			continue;
		}
		units[n_units++] = (struct vtd_unit){ .registers_phys = entry->address };
	}
	return n_units;
}

/* Follow a path over bridges; false: it leads nowhere. */
static bool dmar_scope_device(const struct dmar_scope *scope, uint16_t *out_device)
{
	size_t n_steps = (scope->length - sizeof(*scope)) / 2;
	uint8_t bus = scope->bus;

	for (size_t i = 0; i < n_steps; i++) {
		uint16_t device = (uint16_t)(bus << 8 | (scope->path[2 * i] & 31) << 3 |
			(scope->path[2 * i + 1] & 7));

		if (i + 1 == n_steps) {
			*out_device = device;
			return true;
		}
		if (!pci_config_secondary_bus(device, &bus)) {
			return false;
		}
	}
	return false;
}

static void dmar_reserve(const struct dmar_entry *entry)
{
	const uint8_t *end = (const uint8_t *)entry + entry->length;
	const uint8_t *next = (const uint8_t *)entry + DMAR_RESERVED_SCOPES;

	while (next + sizeof(struct dmar_scope) <= end) {
		const struct dmar_scope *scope = (const struct dmar_scope *)next;
		uint16_t device;

		if (scope->length < sizeof(*scope) || next + scope->length > end) {
			return;
		}
		if (dmar_scope_device(scope, &device)) {
			iommu_devices_reserve(device, device);
		}
		next += scope->length;
	}
}

void vtd_find_reserved(void)
{
	const struct dmar *dmar = acpi_find("DMAR");
	const struct dmar_entry *entry = NULL;

	while (dmar != NULL && (entry = dmar_next(dmar, entry)) != NULL) {
		if (entry->type == DMAR_RESERVED_MEMORY && entry->segment == 0 &&
			entry->length > DMAR_RESERVED_SCOPES) {
			dmar_reserve(entry);
		}
	}
}

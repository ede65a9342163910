/* SPDX-License-Identifier: MIT */
/*
 * The IVRS table of the firmware: section 5 of the AMD specification. Lengths are checked, what is
 * in the blocks is believed.
 */
#include <base/string.h>
#include <thor/panic.h>

#include "acpi.h"
#include "amdvi.h"
#include "machine.h"

enum ivrs_type : uint8_t {
	IVRS_UNIT = 0x10, /* IVHD; the newer ones describe the same units in more detail */
	IVRS_UNIT_11 = 0x11,
	IVRS_UNIT_40 = 0x40,
	IVRS_MEMORY_ALL = 0x20, /* IVMD */
	IVRS_MEMORY_DEVICE = 0x21,
	IVRS_MEMORY_RANGE = 0x22,
};

struct PACKED ivrs {
	struct acpi_header header;
	uint32_t info;
	uint8_t reserved[8];
};
static_assert(sizeof(struct ivrs) == 48);

struct PACKED ivrs_block {
	uint8_t type;
	uint8_t flags;
	uint16_t length;
	uint16_t device; /* IVHD: the unit's own; IVMD: the first one */
	union {
		struct PACKED {
			uint16_t capability_offset;
			uint64_t registers_phys;
			uint16_t segment;
		} unit;
		struct PACKED {
			uint16_t last_device;
		} memory;
	};
};

#define IVRS_UNIT_SIZE   24
#define IVRS_MEMORY_SIZE 32

static const struct ivrs_block *ivrs_next(const struct ivrs *ivrs, const struct ivrs_block *block)
{
	const uint8_t *end = (const uint8_t *)ivrs + ivrs->header.length;
	const uint8_t *next = block == NULL ? (const uint8_t *)(ivrs + 1)
					    : (const uint8_t *)block + block->length;

	block = (const struct ivrs_block *)next;
	if (next + IVRS_UNIT_SIZE > end || block->length < IVRS_UNIT_SIZE ||
		next + block->length > end) {
		return NULL;
	}
	return block;
}

static bool ivrs_is_known(const struct amdvi_unit *units, uint32_t n_units, uint64_t phys)
{
	for (uint32_t i = 0; i < n_units; i++) {
		if (units[i].registers_phys == phys) {
			return true;
		}
	}
	return false;
}

uint32_t amdvi_find_units(struct amdvi_unit *units, uint32_t n_units_max)
{
	const struct ivrs *ivrs = acpi_find("IVRS");
	const struct ivrs_block *block = NULL;
	uint32_t n_units = 0;

	while (ivrs != NULL && (block = ivrs_next(ivrs, block)) != NULL) {
		bool is_unit = block->type == IVRS_UNIT || block->type == IVRS_UNIT_11 ||
			block->type == IVRS_UNIT_40;

		if (!is_unit || ivrs_is_known(units, n_units, block->unit.registers_phys)) {
			continue;
		}
		if (block->unit.segment != 0 || n_units == n_units_max) {
			klog("iommu: the unit at 0x%llx of segment %u is not used",
				(unsigned long long)block->unit.registers_phys,
				block->unit.segment);
			continue;
		}
		units[n_units++] = (struct amdvi_unit){
			.registers_phys = block->unit.registers_phys,
			.device = block->device,
			.capability_offset = block->unit.capability_offset,
		};
	}
	return n_units;
}

void amdvi_find_reserved(void)
{
	const struct ivrs *ivrs = acpi_find("IVRS");
	const struct ivrs_block *block = NULL;

	while (ivrs != NULL && (block = ivrs_next(ivrs, block)) != NULL) {
		if (block->length < IVRS_MEMORY_SIZE) {
			continue;
		}
		if (block->type == IVRS_MEMORY_ALL) {
			iommu_devices_reserve(0, UINT16_MAX);
		} else if (block->type == IVRS_MEMORY_DEVICE) {
			iommu_devices_reserve(block->device, block->device);
		} else if (block->type == IVRS_MEMORY_RANGE) {
			iommu_devices_reserve(block->device, block->memory.last_device);
		}
	}
}

/* SPDX-License-Identifier: MIT */
/*
 * Reading the memory map of UEFI.
 *
 * It has many more entries than there are kinds of memory: what belongs to the loader (which is
 * eir, which says itself where it is) and to boot services is free once these have been left, so
 * neighbours become one.
 */
#include "map.h"

#include <base/string.h>

#include "uefi.h"

struct map_descriptor {
	uint32_t type;
	uint32_t reserved;
	uint64_t address_phys;
	uint64_t address_virt;
	uint64_t n_pages;
	uint64_t attributes;
};

static uint32_t map_type(uint32_t type)
{
	switch (type) {
	case UEFI_LOADER_CODE:
	case UEFI_LOADER_DATA:
	case UEFI_BOOT_CODE:
	case UEFI_BOOT_DATA:
	case UEFI_FREE: return BOOT_MEMORY_FREE;
	case UEFI_ACPI: return BOOT_MEMORY_ACPI;
	default: return BOOT_MEMORY_RESERVED;
	}
}

const char *map_read(
	const void *map, size_t size_bytes, size_t descriptor_size, struct boot_source *source)
{
	struct map_descriptor descriptor;

	if (descriptor_size < sizeof(descriptor)) {
		return "descriptors of the memory map are too short";
	}
	for (size_t at = 0; size_bytes - at >= descriptor_size; at += descriptor_size) {
		memcpy(&descriptor, (const uint8_t *)map + at, sizeof(descriptor));
		uint64_t n_pages = min_u64(descriptor.n_pages, UINT64_MAX / UEFI_PAGE_SIZE);

		if (!boot_source_add(source, descriptor.address_phys, n_pages * UEFI_PAGE_SIZE,
			    map_type(descriptor.type))) {
			return "the memory map has too many entries";
		}
	}
	return NULL;
}

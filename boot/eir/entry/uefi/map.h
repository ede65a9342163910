/* SPDX-License-Identifier: MIT */
/* The memory map of UEFI. */
#ifndef EIR_ENTRY_UEFI_MAP_H
#define EIR_ENTRY_UEFI_MAP_H

#include <base/types.h>
#include <eir/core/source.h>

/**
 * map_read() - what the memory is once the firmware has been left
 * @map: descriptors, @size_bytes of them in all; nothing in them is believed
 * @descriptor_size: from one to the next
 *
 * Return: NULL, or what is wrong
 */
MUST_USE const char *map_read(
	const void *map, size_t size_bytes, size_t descriptor_size, struct boot_source *source);

#endif

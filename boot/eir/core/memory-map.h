/* SPDX-License-Identifier: MIT */
/*
 * The memory map that thor gets, and eir's allocator at the same time.
 *
 * Entries are sorted, disjoint, page-aligned; neighbours of one type are merged.  Marking a range
 * replaces whatever was there, so the most binding marks come last.  Allocating marks free
 * memory.
 */
#ifndef EIR_CORE_MEMORY_MAP_H
#define EIR_CORE_MEMORY_MAP_H

#include <abi/boot/boot-info.h>
#include <base/types.h>

#define MEMORY_PAGE_SIZE 4096u

struct memory_map {
	uint32_t n_entries;
	struct boot_memory entries[BOOT_MEMORY_MAX];
};

/**
 * memory_map_mark() - [start, end), which is page-aligned, becomes @type; stops the boot if the
 * table overflows
 */
void memory_map_mark(
	struct memory_map *map, uint64_t start, uint64_t end, enum boot_memory_type type);

/**
 * memory_map_allocate() - free pages between 1 MiB and 4 GiB become @type; contents undefined;
 * stops the boot if there are none
 */
uint64_t memory_map_allocate(struct memory_map *map, uint64_t size, enum boot_memory_type type);

/** memory_map_top() - end of the highest entry that is RAM of any use */
uint64_t memory_map_top(const struct memory_map *map);

#endif

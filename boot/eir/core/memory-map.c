/* SPDX-License-Identifier: MIT */
/* The memory map: marking and allocating. */

#include <eir/core/memory-map.h>

#include <base/string.h>
#include <eir/core/boot.h>

static uint64_t memory_end(const struct boot_memory *entry)
{
	return entry->address + entry->size_bytes;
}

static void memory_map_insert(struct memory_map *map, uint32_t index, uint64_t start, uint64_t end,
	enum boot_memory_type type)
{
	if (map->n_entries == BOOT_MEMORY_MAX) {
		boot_fail("the memory map has more than %u entries", BOOT_MEMORY_MAX);
	}
	memmove(&map->entries[index + 1], &map->entries[index],
		(map->n_entries - index) * sizeof(map->entries[0]));
	map->entries[index] =
		(struct boot_memory){ .address = start, .size_bytes = end - start, .type = type };
	map->n_entries++;
}

static void memory_map_remove(struct memory_map *map, uint32_t index)
{
	map->n_entries--;
	memmove(&map->entries[index], &map->entries[index + 1],
		(map->n_entries - index) * sizeof(map->entries[0]));
}

/* Cut [start, end) out of all entries. */
static void memory_map_clear(struct memory_map *map, uint64_t start, uint64_t end)
{
	for (uint32_t i = 0; i < map->n_entries;) {
		struct boot_memory *entry = &map->entries[i];
		uint64_t entry_end = memory_end(entry);

		if (entry_end <= start || entry->address >= end) {
			i++;
		} else if (entry->address < start && entry_end > end) {
			memory_map_insert(
				map, i + 1, end, entry_end, (enum boot_memory_type)entry->type);
			map->entries[i].size_bytes = start - map->entries[i].address;
			return;
		} else if (entry->address < start) {
			entry->size_bytes = start - entry->address;
			i++;
		} else if (entry_end > end) {
			entry->address = end;
			entry->size_bytes = entry_end - end;
			i++;
		} else {
			memory_map_remove(map, i);
		}
	}
}

void memory_map_mark(
	struct memory_map *map, uint64_t start, uint64_t end, enum boot_memory_type type)
{
	uint32_t index = 0;

	if (start >= end) {
		return;
	}
	memory_map_clear(map, start, end);
	while (index < map->n_entries && map->entries[index].address < start) {
		index++;
	}
	struct boot_memory *before = index > 0 ? &map->entries[index - 1] : NULL;
	struct boot_memory *after = index < map->n_entries ? &map->entries[index] : NULL;
	bool joins_before = before != NULL && memory_end(before) == start && before->type == type;
	bool joins_after = after != NULL && after->address == end && after->type == type;

	if (joins_before && joins_after) {
		before->size_bytes += end - start + after->size_bytes;
		memory_map_remove(map, index);
	} else if (joins_before) {
		before->size_bytes += end - start;
	} else if (joins_after) {
		after->address = start;
		after->size_bytes += end - start;
	} else {
		memory_map_insert(map, index, start, end, type);
	}
}

uint64_t memory_map_allocate(struct memory_map *map, uint64_t size, enum boot_memory_type type)
{
	size = align_up(size, MEMORY_PAGE_SIZE);
	for (uint32_t i = 0; i < map->n_entries; i++) {
		const struct boot_memory *entry = &map->entries[i];
		uint64_t start = max_u64(entry->address, MIB(1));
		uint64_t end = min_u64(memory_end(entry), GIB(4));

		if (entry->type == BOOT_MEMORY_FREE && start < end && end - start >= size) {
			memory_map_mark(map, start, start + size, type);
			return start;
		}
	}
	boot_fail("no %llu KiB of memory free", (unsigned long long)(size >> 10));
}

uint64_t memory_map_top(const struct memory_map *map)
{
	uint64_t top = 0;

	for (uint32_t i = 0; i < map->n_entries; i++) {
		if (map->entries[i].type != BOOT_MEMORY_RESERVED) {
			top = memory_end(&map->entries[i]);
		}
	}
	return top;
}

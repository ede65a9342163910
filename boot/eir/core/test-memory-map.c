/* SPDX-License-Identifier: MIT */
/* Tests of the memory map: whatever is marked in whatever order, it stays sorted and disjoint. */
#include <eir/core/memory-map.h>

#include <base/random.h>
#include <base/testing.h>
#include <eir/core/boot.h>

#include <setjmp.h>
#include <string.h>

static jmp_buf failed;

void boot_fail(UNUSED const char *format, ...)
{
	longjmp(failed, 1);
}

#define PAGE(n) ((uint64_t)(n) * MEMORY_PAGE_SIZE)

static enum boot_memory_type type_at(const struct memory_map *map, uint64_t address)
{
	for (uint32_t i = 0; i < map->n_entries; i++) {
		const struct boot_memory *entry = &map->entries[i];

		if (address >= entry->address && address - entry->address < entry->size_bytes) {
			return (enum boot_memory_type)entry->type;
		}
	}
	return (enum boot_memory_type)0;
}

static bool is_well_formed(const struct memory_map *map)
{
	for (uint32_t i = 0; i < map->n_entries; i++) {
		const struct boot_memory *entry = &map->entries[i];
		const struct boot_memory *next = i + 1 < map->n_entries ? entry + 1 : NULL;
		uint64_t end = entry->address + entry->size_bytes;

		if (entry->size_bytes == 0 || entry->address % MEMORY_PAGE_SIZE != 0) {
			return false;
		}
		if (next != NULL &&
			(next->address < end ||
				(next->address == end && next->type == entry->type))) {
			return false;
		}
	}
	return true;
}

TEST(mark_merges_neighbours)
{
	struct memory_map map = { 0 };

	memory_map_mark(&map, PAGE(1), PAGE(2), BOOT_MEMORY_FREE);
	memory_map_mark(&map, PAGE(3), PAGE(4), BOOT_MEMORY_FREE);
	CHECK_EQ(map.n_entries, 2u);
	memory_map_mark(&map, PAGE(2), PAGE(3), BOOT_MEMORY_FREE);
	CHECK_EQ(map.n_entries, 1u);
	CHECK_EQ(map.entries[0].size_bytes, PAGE(3));
	memory_map_mark(&map, PAGE(4), PAGE(5), BOOT_MEMORY_RESERVED);
	CHECK_EQ(map.n_entries, 2u);
}

TEST(mark_splits_what_it_covers)
{
	struct memory_map map = { 0 };

	memory_map_mark(&map, PAGE(0), PAGE(100), BOOT_MEMORY_FREE);
	memory_map_mark(&map, PAGE(10), PAGE(20), BOOT_MEMORY_RESERVED);
	CHECK_EQ(map.n_entries, 3u);
	CHECK_EQ(type_at(&map, PAGE(9)), BOOT_MEMORY_FREE);
	CHECK_EQ(type_at(&map, PAGE(10)), BOOT_MEMORY_RESERVED);
	CHECK_EQ(type_at(&map, PAGE(20)), BOOT_MEMORY_FREE);
	memory_map_mark(&map, PAGE(5), PAGE(50), BOOT_MEMORY_ACPI);
	CHECK_EQ(map.n_entries, 3u);
	memory_map_mark(&map, PAGE(0), PAGE(200), BOOT_MEMORY_FREE);
	CHECK_EQ(map.n_entries, 1u);
	memory_map_mark(&map, PAGE(7), PAGE(7), BOOT_MEMORY_RESERVED);
	CHECK_EQ(map.n_entries, 1u);
}

TEST(random_marks_agree_with_a_plain_array)
{
	enum { N_PAGES = 300 };
	struct random random;

	for (uint64_t seed = 0; seed < 50; seed++) {
		struct memory_map map = { 0 };
		uint8_t types[N_PAGES] = { 0 };

		random_init(&random, seed);
		for (unsigned step = 0; step < 100; step++) {
			uint64_t start = random_below(&random, N_PAGES);
			uint64_t size = random_below(&random, N_PAGES - start) / (1 + step % 8);
			uint8_t type = (uint8_t)(1 + random_below(&random, 6));

			memory_map_mark(
				&map, PAGE(start), PAGE(start + size), (enum boot_memory_type)type);
			memset(&types[start], type, size);
			CHECK(is_well_formed(&map));
		}
		for (unsigned page = 0; page < N_PAGES; page++) {
			CHECK_EQ((unsigned)type_at(&map, PAGE(page)), types[page]);
		}
	}
}

TEST(allocate_takes_free_memory_above_one_megabyte)
{
	struct memory_map map = { 0 };

	memory_map_mark(&map, 0, MIB(2), BOOT_MEMORY_FREE);
	memory_map_mark(&map, MIB(1), MIB(1) + PAGE(3), BOOT_MEMORY_RECLAIM);
	CHECK_EQ(memory_map_allocate(&map, 1, BOOT_MEMORY_KERNEL), MIB(1) + PAGE(3));
	CHECK_EQ(memory_map_allocate(&map, PAGE(2), BOOT_MEMORY_KERNEL), MIB(1) + PAGE(4));
	CHECK_EQ(type_at(&map, MIB(1) + PAGE(5)), BOOT_MEMORY_KERNEL);
	CHECK_EQ(type_at(&map, MIB(1) + PAGE(6)), BOOT_MEMORY_FREE);
	CHECK_EQ(type_at(&map, MIB(1) - 1), BOOT_MEMORY_FREE);
	CHECK(is_well_formed(&map));
}

TEST(allocate_keeps_below_four_gigabytes)
{
	struct memory_map map = { 0 };

	memory_map_mark(&map, GIB(4) - PAGE(1), GIB(6), BOOT_MEMORY_FREE);
	CHECK_EQ(memory_map_allocate(&map, PAGE(1), BOOT_MEMORY_KERNEL), GIB(4) - PAGE(1));
	if (setjmp(failed) == 0) {
		memory_map_allocate(&map, PAGE(1), BOOT_MEMORY_KERNEL);
		CHECK(false);
	}
}

TEST(overflow_stops_the_boot)
{
	static struct memory_map map;
	static volatile uint32_t n_marks;

	if (setjmp(failed) == 0) {
		for (n_marks = 0; n_marks <= BOOT_MEMORY_MAX; n_marks++) {
			memory_map_mark(
				&map, PAGE(2 * n_marks), PAGE(2 * n_marks + 1), BOOT_MEMORY_FREE);
		}
		CHECK(false);
	}
	CHECK_EQ(n_marks, BOOT_MEMORY_MAX);
}

TEST(top_ignores_reserved_ranges)
{
	struct memory_map map = { 0 };

	CHECK_EQ(memory_map_top(&map), 0u);
	memory_map_mark(&map, MIB(1), MIB(64), BOOT_MEMORY_FREE);
	memory_map_mark(&map, MIB(64), MIB(65), BOOT_MEMORY_ACPI);
	memory_map_mark(&map, GIB(3), GIB(4), BOOT_MEMORY_RESERVED);
	CHECK_EQ(memory_map_top(&map), MIB(65));
}

TEST_MAIN()

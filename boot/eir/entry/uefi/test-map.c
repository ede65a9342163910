/* SPDX-License-Identifier: MIT */
/* Tests of UEFI's memory map: what becomes free, and that nothing in it is believed. */
#include "map.h"

#include <base/random.h>
#include <base/testing.h>

#include <stdlib.h>
#include <string.h>

#include "uefi.h"

#define DESCRIPTOR_SIZE 48 /* as most firmwares have it: longer than what is known */

/* A descriptor at the end of a map. */
static size_t put(uint8_t *map, size_t size, uint32_t type, uint64_t address, uint64_t n_pages)
{
	const uint64_t words[5] = { type, address, 0, n_pages, 15 };

	memset(&map[size], 0xa5, DESCRIPTOR_SIZE);
	memcpy(&map[size], words, sizeof(words));
	return size + DESCRIPTOR_SIZE;
}

static size_t fill(uint8_t *map)
{
	size_t size = put(map, 0, UEFI_BOOT_CODE, 0, 1);

	size = put(map, size, UEFI_FREE, 0x1000, 0x9f);
	size = put(map, size, UEFI_LOADER_CODE, 0x100000, 0x10);
	size = put(map, size, UEFI_BOOT_DATA, 0x110000, 0x10);
	size = put(map, size, UEFI_LOADER_DATA, 0x120000, 0x10);
	size = put(map, size, UEFI_ACPI, 0x130000, 2);
	size = put(map, size, 5, 0x132000, 2);  /* runtime services */
	size = put(map, size, 10, 0x134000, 2); /* ACPI's own */
	size = put(map, size, UEFI_FREE, 0x136000, 0x1000);
	return put(map, size, 11, 0xb0000000, 0x10000); /* devices */
}

static void check_range(
	const struct boot_memory *memory, uint64_t start, uint64_t end, enum boot_memory_type type)
{
	CHECK_EQ(memory->address, start);
	CHECK_EQ(memory->address + memory->size_bytes, end);
	CHECK_EQ(memory->type, (uint32_t)type);
}

TEST(what_the_firmware_leaves_is_free)
{
	static struct boot_source source;
	static uint8_t map[1024];
	size_t size = fill(map);

	CHECK(map_read(map, size, DESCRIPTOR_SIZE, &source) == NULL);
	CHECK_EQ(source.n_memory, 6u);
	check_range(&source.memory[0], 0, 0xa0000, BOOT_MEMORY_FREE);
	check_range(&source.memory[1], 0x100000, 0x130000, BOOT_MEMORY_FREE);
	check_range(&source.memory[2], 0x130000, 0x132000, BOOT_MEMORY_ACPI);
	check_range(&source.memory[3], 0x132000, 0x136000, BOOT_MEMORY_RESERVED);
	check_range(&source.memory[4], 0x136000, 0x1136000, BOOT_MEMORY_FREE);
	check_range(&source.memory[5], 0xb0000000, 0xc0000000, BOOT_MEMORY_RESERVED);
}

TEST(sizes_of_descriptors_are_checked)
{
	static struct boot_source source;
	static uint8_t map[1024];
	size_t size = fill(map);

	for (size_t wrong = 0; wrong < 40; wrong++) {
		CHECK(map_read(map, size, wrong, &source) != NULL);
	}
	CHECK(map_read(map, 0, DESCRIPTOR_SIZE, &source) == NULL);
	CHECK(map_read(map, 47, DESCRIPTOR_SIZE, &source) == NULL);
	CHECK(map_read(map, size, SIZE_MAX, &source) == NULL);
	CHECK_EQ(source.n_memory, 0u);
}

TEST(too_many_ranges_are_refused)
{
	static struct boot_source source;
	static uint8_t map[DESCRIPTOR_SIZE * (BOOT_MEMORY_MAX + 1)];
	size_t size = 0;

	for (uint64_t i = 0; i <= BOOT_MEMORY_MAX; i++) {
		size = put(map, size, UEFI_FREE, MIB(2) * i, 1);
	}
	CHECK(map_read(map, size, DESCRIPTOR_SIZE, &source) != NULL);
}

TEST(random_bytes_do_no_harm)
{
	static uint8_t whole[1024];
	struct random random;

	for (uint64_t seed = 0; seed < 5000; seed++) {
		struct boot_source source = { 0 };
		size_t size = fill(whole);
		uint8_t *map;

		random_init(&random, seed);
		for (uint64_t n = 1 + random_below(&random, 8); n > 0; n--) {
			whole[random_below(&random, size)] = (uint8_t)random_below(&random, 256);
		}
		size -= random_below(&random, size);
		map = malloc(size);
		memcpy(map, whole, size);
		(void)!map_read(map, size, 40 + random_below(&random, 64), &source);
		free(map);
		for (uint32_t i = 0; i < source.n_memory; i++) {
			const struct boot_memory *memory = &source.memory[i];

			CHECK(memory->size_bytes > 0);
			CHECK(memory->address + memory->size_bytes > memory->address);
		}
	}
}

TEST_MAIN()

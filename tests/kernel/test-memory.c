/* SPDX-License-Identifier: MIT */
/* Memory objects and spaces. */
#include "test.h"

static uint64_t map_memory(hel_handle memory, uint64_t size_bytes, uint32_t flags)
{
	struct hel_map_args args = {
		.space = HEL_THIS,
		.memory = memory,
		.size_bytes = size_bytes,
		.flags = flags,
	};
	uint64_t address;

	return hel_space_map(&args, &address) == 0 ? address : 0;
}

TEST(memory_allocate_checks_arguments)
{
	hel_handle memory;

	CHECK_EQ(hel_memory_allocate(100, 0, &memory), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_memory_allocate(4096, 0x100, &memory), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_memory_allocate(MIB(8), HEL_ALLOCATE_CONTIGUOUS, &memory), -ERR_ILLEGAL_ARGS);
}

TEST(memory_reads_what_was_written)
{
	hel_handle memory;
	struct hel_memory_info info;
	char text[8] = {};

	CHECK_EQ(hel_memory_allocate(3 * 4096, 0, &memory), 0);
	CHECK_EQ(hel_memory_write(memory, 4094, "hello", 6), 0);
	CHECK_EQ(hel_memory_read(memory, 4094, text, 6), 0);
	CHECK(str_equal(text, "hello"));
	CHECK_EQ(hel_memory_read(memory, 3 * 4096 - 1, text, 2), -ERR_OUT_OF_BOUNDS);
	CHECK_EQ(hel_memory_read(memory, ~(uint64_t)0, text, 2), -ERR_OUT_OF_BOUNDS);
	CHECK_EQ(hel_memory_read(memory, 0, (void *)16, 2), -ERR_FAULT);
	CHECK_EQ(hel_memory_write(memory, 0, (void *)0xffff'8000'0000'0000, 2), -ERR_FAULT);
	CHECK_EQ(hel_memory_info(memory, &info), 0);
	CHECK_EQ(info.size_bytes, 3 * 4096);
	CHECK_EQ(info.kind, HEL_MEMORY_ALLOCATED);
	CHECK_EQ(hel_close(HEL_THIS, memory), 0);
}

TEST(memory_needs_rights)
{
	hel_handle memory, read_only;
	struct hel_map_args args = {
		.space = HEL_THIS, .size_bytes = 4096, .flags = HEL_MAP_READ | HEL_MAP_WRITE
	};
	uint64_t address;

	CHECK_EQ(hel_memory_allocate(4096, 0, &memory), 0);
	CHECK_EQ(hel_transfer(
			 HEL_THIS, memory, HEL_THIS, HEL_RIGHT_READ | HEL_RIGHT_MAP, &read_only),
		0);
	CHECK_EQ(hel_memory_write(read_only, 0, "x", 1), -ERR_NO_RIGHTS);
	CHECK_EQ(hel_memory_resize(read_only, 8192), -ERR_NO_RIGHTS);
	args.memory = read_only;
	CHECK_EQ(hel_space_map(&args, &address), -ERR_NO_RIGHTS);
	args.flags = HEL_MAP_READ;
	CHECK_EQ(hel_space_map(&args, &address), 0);
	CHECK_EQ(hel_space_protect(HEL_THIS, address, 4096, HEL_MAP_READ | HEL_MAP_WRITE),
		-ERR_NO_RIGHTS);
	CHECK_EQ(hel_space_unmap(HEL_THIS, address, 4096), 0);
	hel_close(HEL_THIS, memory);
	hel_close(HEL_THIS, read_only);
}

TEST(memory_mappings_share)
{
	hel_handle memory;

	CHECK_EQ(hel_memory_allocate(8192, 0, &memory), 0);
	volatile uint32_t *a = (uint32_t *)map_memory(memory, 8192, HEL_MAP_READ | HEL_MAP_WRITE);
	volatile uint32_t *b = (uint32_t *)map_memory(memory, 8192, HEL_MAP_READ);

	CHECK(a != NULL);
	CHECK(b != NULL);
	a[1024] = 4711;
	CHECK_EQ(b[1024], 4711);
	unmap_pages((uint64_t)a, 8192);
	unmap_pages((uint64_t)b, 8192);
	hel_close(HEL_THIS, memory);
}

TEST(memory_large_ranges_go_in_slices)
{
	constexpr uint64_t size_bytes = MIB(16);
	struct hel_mapping_info info;
	uint64_t address =
		map_memory(HEL_NULL, size_bytes, HEL_MAP_READ | HEL_MAP_WRITE | HEL_MAP_FORK_COPY);

	CHECK(address != 0);
	CHECK_EQ(hel_space_populate(HEL_THIS, address, size_bytes, HEL_POPULATE_WRITE), 0);
	CHECK_EQ(hel_space_query(HEL_THIS, address, &info), 0);
	CHECK_EQ(info.resident_bytes, size_bytes);
	CHECK_EQ(hel_space_protect(HEL_THIS, address, size_bytes, HEL_MAP_READ), 0);
	CHECK_EQ(hel_space_populate(HEL_THIS, address, size_bytes, HEL_POPULATE_WRITE),
		-ERR_NO_RIGHTS);
	CHECK_EQ(hel_space_protect(HEL_THIS, address, size_bytes, HEL_MAP_READ | HEL_MAP_WRITE), 0);
	((volatile uint8_t *)address)[size_bytes - 1] = 1;
	CHECK_EQ(hel_space_query(HEL_THIS, address, &info), 0);
	CHECK_EQ(info.address, address);
	CHECK_EQ(info.size_bytes, size_bytes);
	unmap_pages(address, size_bytes);
}

TEST(memory_has_large_pages)
{
	constexpr uint64_t size_bytes = MIB(4);
	struct hel_mapping_info info;
	hel_handle memory;
	uint64_t address = map_memory(HEL_NULL, size_bytes,
		HEL_MAP_READ | HEL_MAP_WRITE | HEL_MAP_FORK_COPY | HEL_MAP_LARGE);
	volatile uint8_t *bytes = (volatile uint8_t *)address;

	CHECK(address != 0 && address % MIB(2) == 0);
	bytes[5000] = 1;
	CHECK_EQ(hel_space_query(HEL_THIS, address, &info), 0);
	CHECK_EQ(info.large_bytes, MIB(2));
	CHECK_EQ(info.resident_bytes, MIB(2));
	CHECK_EQ(hel_space_populate(HEL_THIS, address, size_bytes, HEL_POPULATE_WRITE), 0);
	CHECK_EQ(hel_space_query(HEL_THIS, address, &info), 0);
	CHECK_EQ(info.large_bytes, size_bytes);
	/* Part of one goes: the rest of it stays. */
	bytes[MIB(2) + 8192] = 2;
	CHECK_EQ(hel_space_discard(HEL_THIS, address + MIB(2) + 4096, 4096), 0);
	CHECK_EQ(hel_space_query(HEL_THIS, address, &info), 0);
	CHECK_EQ(info.large_bytes, MIB(2));
	CHECK_EQ(bytes[MIB(2) + 4096], 0);
	CHECK_EQ(bytes[MIB(2) + 8192], 2);
	CHECK_EQ(bytes[5000], 1);
	unmap_pages(address, size_bytes);
	/* Contiguous memory is always mapped so. */
	CHECK_EQ(hel_memory_allocate(size_bytes, HEL_ALLOCATE_CONTIGUOUS, &memory), 0);
	address = map_memory(memory, size_bytes, HEL_MAP_READ | HEL_MAP_WRITE);
	*(volatile uint8_t *)(address + MIB(2)) = 3;
	CHECK_EQ(hel_space_query(HEL_THIS, address, &info), 0);
	CHECK_EQ(info.large_bytes, MIB(2));
	unmap_pages(address, size_bytes);
	hel_close(HEL_THIS, memory);
}

TEST(memory_slices_show_a_part)
{
	hel_handle memory, slice;

	CHECK_EQ(hel_memory_allocate(4 * 4096, 0, &memory), 0);
	CHECK_EQ(hel_memory_slice(memory, 4096, 2 * 4096, &slice), 0);
	CHECK_EQ(hel_memory_write(memory, 8192, "hello", 6), 0);
	CHECK_EQ(map_memory(slice, 3 * 4096, HEL_MAP_READ), 0);
	uint64_t address = map_memory(slice, 2 * 4096, HEL_MAP_READ | HEL_MAP_WRITE);

	CHECK(address != 0);
	CHECK(str_equal((const char *)address + 4096, "hello"));
	unmap_pages(address, 2 * 4096);
	hel_close(HEL_THIS, memory);
	hel_close(HEL_THIS, slice);
}

TEST(memory_indirect_shows_other_memory)
{
	hel_handle memories[2], indirect;

	CHECK_EQ(
		hel_memory_indirect_create(4, 8192, HEL_MAP_READ | HEL_MAP_WRITE, 1, &indirect), 0);
	uint64_t address = map_memory(indirect, 4 * 8192, HEL_MAP_READ | HEL_MAP_WRITE);

	CHECK(address != 0);
	for (uint32_t i = 0; i < 2; i++) {
		CHECK_EQ(hel_memory_allocate(4 * 4096, 0, &memories[i]), 0);
		CHECK_EQ(hel_memory_write(memories[i], 8192, i == 0 ? "first" : "other", 6), 0);
	}
	/* Each time a translation of the old page is there. */
	for (uint32_t i = 0; i < 8; i++) {
		CHECK_EQ(hel_memory_indirect_set(indirect, 1, memories[i % 2], 8192, 8192), 0);
		CHECK(str_equal((const char *)address + 8192, i % 2 == 0 ? "first" : "other"));
	}
	CHECK_EQ(hel_memory_indirect_set(indirect, 3, memories[0], 0, 4 * 4096), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_memory_indirect_set(indirect, 1, indirect, 0, 4096), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_memory_indirect_set(indirect, 1, HEL_NULL, 0, 0), 0);
	CHECK_EQ(hel_space_populate(HEL_THIS, address + 8192, 4096, 0), -ERR_OUT_OF_BOUNDS);
	unmap_pages(address, 4 * 8192);
	hel_close(HEL_THIS, indirect);
	hel_close(HEL_THIS, memories[0]);
	hel_close(HEL_THIS, memories[1]);
}

TEST(memory_resizes)
{
	hel_handle memory;
	uint8_t byte = 1;

	CHECK_EQ(hel_memory_allocate(4096, 0, &memory), 0);
	CHECK_EQ(hel_memory_resize(memory, 8192), 0);
	CHECK_EQ(hel_memory_write(memory, 8191, &byte, 1), 0);
	CHECK_EQ(hel_memory_resize(memory, 4096), 0);
	CHECK_EQ(hel_memory_write(memory, 8191, &byte, 1), -ERR_OUT_OF_BOUNDS);
	CHECK_EQ(hel_memory_resize(memory, 8192), 0);
	CHECK_EQ(hel_memory_read(memory, 8191, &byte, 1), 0);
	CHECK_EQ(byte, 0);
	CHECK_EQ(hel_memory_resize(memory, 100), -ERR_ILLEGAL_ARGS);
	hel_close(HEL_THIS, memory);
}

TEST(memory_copy_on_write_is_private)
{
	hel_handle source, copy;
	char text[4] = {};

	CHECK_EQ(hel_memory_allocate(8192, 0, &source), 0);
	CHECK_EQ(hel_memory_write(source, 4096, "old", 4), 0);
	CHECK_EQ(hel_memory_copy_on_write(source, 4096, 4096, &copy), 0);
	CHECK_EQ(hel_memory_read(copy, 0, text, 4), 0);
	CHECK(str_equal(text, "old"));
	CHECK_EQ(hel_memory_write(copy, 0, "new", 4), 0);
	CHECK_EQ(hel_memory_read(source, 4096, text, 4), 0);
	CHECK(str_equal(text, "old"));
	CHECK_EQ(hel_memory_copy_on_write(source, 1, 4096, &copy), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_memory_copy_on_write(source, 4096, 8192, &copy), -ERR_OUT_OF_BOUNDS);
	hel_close(HEL_THIS, source);
	hel_close(HEL_THIS, copy);
}

TEST(memory_pin_gives_contiguous_addresses)
{
	hel_handle memory;
	uint64_t phys = 0, second = 0;

	CHECK_EQ(hel_memory_allocate(
			 16384, HEL_ALLOCATE_CONTIGUOUS | HEL_ALLOCATE_BELOW_4G, &memory),
		0);
	CHECK_EQ(hel_memory_pin(memory, 0, 16384, &phys), 0);
	CHECK_EQ(hel_memory_pin(memory, 8192, 4096, &second), 0);
	CHECK_EQ(second, phys + 8192);
	CHECK(phys + 16384 <= GIB(4));
	CHECK_EQ(hel_memory_pin(memory, 0, 20480, &phys), -ERR_OUT_OF_BOUNDS);
	CHECK_EQ(hel_memory_pin(memory, 1, 4096, &phys), -ERR_ILLEGAL_ARGS);
	hel_close(HEL_THIS, memory);
}

TEST(memory_physical_needs_authority)
{
	hel_handle memory, token;

	CHECK_EQ(hel_token_create(&token), 0);
	CHECK_EQ(hel_memory_physical(token, 0xfee00000, 4096, HEL_CACHE_UNCACHED, &memory),
		-ERR_BAD_TYPE);
	CHECK_EQ(hel_memory_physical(HEL_NULL, 0xfee00000, 4096, HEL_CACHE_UNCACHED, &memory),
		-ERR_BAD_HANDLE);
	hel_close(HEL_THIS, token);
	if (test_authority == HEL_NULL) {
		return;
	}
	CHECK_EQ(hel_memory_physical(test_authority, 0xfed00000, 100, HEL_CACHE_UNCACHED, &memory),
		-ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_memory_physical(
			 test_authority, 0xfed00000, 4096, (enum hel_caching)77, &memory),
		-ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_memory_physical(test_authority, MIB(32), 4096, HEL_CACHE_WRITE_BACK, &memory),
		-ERR_OUT_OF_BOUNDS);
	CHECK_EQ(hel_memory_physical(test_authority, 0xfed00000, 4096, HEL_CACHE_UNCACHED, &memory),
		0);
	hel_close(HEL_THIS, memory);
}

TEST(space_map_checks_arguments)
{
	struct hel_map_args args = { .space = HEL_THIS, .size_bytes = 0, .flags = HEL_MAP_READ };
	uint64_t address;

	CHECK_EQ(hel_space_map((void *)8, &address), -ERR_FAULT);
	CHECK_EQ(hel_space_map(&args, &address), -ERR_ILLEGAL_ARGS);
	args.size_bytes = 4097;
	CHECK_EQ(hel_space_map(&args, &address), -ERR_ILLEGAL_ARGS);
	args.size_bytes = 4096;
	args.flags = 0x80000000;
	CHECK_EQ(hel_space_map(&args, &address), -ERR_ILLEGAL_ARGS);
	args.flags = HEL_MAP_READ | HEL_MAP_FIXED;
	args.address = 0xffff'8000'0000'0000;
	CHECK_EQ(hel_space_map(&args, &address), -ERR_ILLEGAL_ARGS);
	args.flags = HEL_MAP_READ;
	args.size_bytes = (uint64_t)1 << 60;
	CHECK(hel_space_map(&args, &address) != 0);
	args.size_bytes = 4096;
	args.memory = 99999;
	CHECK_EQ(hel_space_map(&args, &address), -ERR_BAD_HANDLE);
	args.memory = HEL_NULL;
	args.space = 99999;
	CHECK_EQ(hel_space_map(&args, &address), -ERR_BAD_HANDLE);
}

TEST(space_fixed_mappings)
{
	uint64_t address = map_pages(3 * 4096);
	struct hel_map_args args = {
		.space = HEL_THIS,
		.address = address + 4096,
		.size_bytes = 4096,
		.flags = HEL_MAP_READ | HEL_MAP_FIXED_NOREPLACE,
	};
	uint64_t at;

	CHECK(address != 0);
	*(volatile uint8_t *)(address + 4096) = 9;
	CHECK_EQ(hel_space_map(&args, &at), -ERR_EXISTS);
	args.flags = HEL_MAP_READ | HEL_MAP_FIXED;
	CHECK_EQ(hel_space_map(&args, &at), 0);
	CHECK_EQ(at, address + 4096);
	CHECK_EQ(*(volatile uint8_t *)at, 0);
	unmap_pages(address, 3 * 4096);
	args.flags = HEL_MAP_READ | HEL_MAP_FIXED_NOREPLACE;
	CHECK_EQ(hel_space_map(&args, &at), 0);
	unmap_pages(at, 4096);
}

TEST(space_query_and_protect)
{
	uint64_t address = map_pages(4 * 4096);
	struct hel_mapping_info info;

	CHECK(address != 0);
	CHECK_EQ(hel_space_protect(HEL_THIS, address + 4096, 4096, HEL_MAP_READ), 0);
	CHECK_EQ(hel_space_query(HEL_THIS, address + 4096, &info), 0);
	CHECK_EQ(info.address, address + 4096);
	CHECK_EQ(info.size_bytes, 4096);
	CHECK_EQ(info.flags & 7, HEL_MAP_READ);
	CHECK_EQ(hel_space_query(HEL_THIS, ARRAY_SIZE("") + 0x7fff'ffff'f000, &info),
		-ERR_NOT_FOUND);
	CHECK_EQ(hel_space_protect(HEL_THIS, address + 1, 4096, HEL_MAP_READ), -ERR_ILLEGAL_ARGS);
	unmap_pages(address + 8192, 4096);
	CHECK_EQ(hel_space_protect(HEL_THIS, address, 4 * 4096, HEL_MAP_READ), -ERR_NOT_FOUND);
	unmap_pages(address, 4 * 4096);
}

TEST(space_discard_reads_zero)
{
	uint64_t address = map_pages(8192);

	CHECK(address != 0);
	*(volatile uint32_t *)address = 77;
	CHECK_EQ(hel_space_discard(HEL_THIS, address, 4096), 0);
	CHECK_EQ(*(volatile uint32_t *)address, 0);
	CHECK_EQ(hel_space_discard(HEL_THIS, address + 5, 4096), -ERR_ILLEGAL_ARGS);
	unmap_pages(address, 8192);
}

TEST(space_move_keeps_contents)
{
	uint64_t from = map_pages(8192);
	uint64_t to = map_pages(16384);

	CHECK(from != 0);
	CHECK(to != 0);
	*(volatile uint32_t *)(from + 4096) = 1234;
	CHECK_EQ(hel_space_move(HEL_THIS, from, 8192, to, 16384), 0);
	CHECK_EQ(*(volatile uint32_t *)(to + 4096), 1234);
	CHECK_EQ(*(volatile uint32_t *)(to + 12288), 0);
	CHECK_EQ(hel_space_move(HEL_THIS, to, 8192, to + 4096, 8192), -ERR_ILLEGAL_ARGS);
	unmap_pages(to, 16384);
}

TEST(space_fork_copies)
{
	uint64_t address = map_pages(4096);
	hel_handle space;
	uint32_t value = 0;
	size_t size = 0;

	CHECK(address != 0);
	*(volatile uint32_t *)address = 1;
	CHECK_EQ(hel_space_fork(HEL_THIS, HEL_THIS, &space), 0);
	*(volatile uint32_t *)address = 2;
	CHECK_EQ(hel_space_read(space, address, &value, 4, &size), 0);
	CHECK_EQ(size, 4);
	CHECK_EQ(value, 1);
	value = 3;
	CHECK_EQ(hel_space_write(space, address, &value, 4, &size), 0);
	CHECK_EQ(*(volatile uint32_t *)address, 2);
	CHECK_EQ(hel_space_read(space, 0x10, &value, 4, &size), -ERR_FAULT);
	CHECK_EQ(size, 0);
	CHECK_EQ(hel_space_read(space, address, (void *)0x10, 4, &size), -ERR_FAULT);
	CHECK_EQ(hel_close(HEL_THIS, space), 0);
	unmap_pages(address, 4096);
}

TEST(space_fork_is_charged_to_its_payer)
{
	constexpr uint64_t N_PAGES = 64;
	struct hel_limits limits = { HEL_UNLIMITED, N_PAGES, HEL_UNLIMITED, HEL_UNLIMITED };
	struct hel_account_info info;
	uint64_t address = map_pages(N_PAGES * HEL_PAGE_SIZE);
	hel_handle payer, space;

	CHECK(address != 0);
	for (uint64_t i = 0; i < N_PAGES; i++) {
		*(volatile uint8_t *)(address + i * HEL_PAGE_SIZE) = 1;
	}
	CHECK_EQ(hel_universe_create(&payer), 0);
	CHECK_EQ(hel_universe_set_limits(payer, &limits), 0);
	CHECK_EQ(hel_space_fork(HEL_THIS, payer, &space), -ERR_NO_MEMORY);
	limits.n_pages = HEL_UNLIMITED;
	CHECK_EQ(hel_universe_set_limits(payer, &limits), 0);
	CHECK_EQ(hel_space_fork(HEL_THIS, payer, &space), 0);
	CHECK_EQ(hel_universe_account(payer, &info), 0);
	/* With page tables, and what else the program has. */
	CHECK(info.used.n_pages > N_PAGES);
	CHECK_EQ(hel_close(HEL_THIS, space), 0);
	CHECK_EQ(hel_close(HEL_THIS, payer), 0);
	CHECK_EQ(hel_space_unmap(HEL_THIS, address, N_PAGES * HEL_PAGE_SIZE), 0);
}

TEST(space_needs_rights)
{
	hel_handle space, weak, out;
	uint32_t value = 0;
	struct hel_map_args args = { .size_bytes = 4096, .flags = HEL_MAP_READ };
	uint64_t address;

	CHECK_EQ(hel_space_create(HEL_THIS, &space), 0);
	CHECK_EQ(hel_transfer(HEL_THIS, space, HEL_THIS, HEL_RIGHT_DERIVE, &weak), 0);
	args.space = weak;
	CHECK_EQ(hel_space_map(&args, &address), -ERR_NO_RIGHTS);
	CHECK_EQ(hel_space_fork(weak, HEL_THIS, &out), -ERR_NO_RIGHTS);
	CHECK_EQ(hel_space_read(weak, 0x1000, &value, 4, NULL), -ERR_NO_RIGHTS);
	CHECK_EQ(hel_space_write(weak, 0x1000, &value, 4, NULL), -ERR_NO_RIGHTS);
	CHECK_EQ(hel_space_unmap(weak, 0x1000, 4096), -ERR_NO_RIGHTS);
	args.space = space;
	CHECK_EQ(hel_space_map(&args, &address), 0);
	hel_close(HEL_THIS, space);
	hel_close(HEL_THIS, weak);
}

/* SPDX-License-Identifier: MIT */
/*
 * Long calls in slices: whatever happens between two of them, each page and each mapping ends as
 * the call says, and a call that was given up leaves nothing.
 */
#include "machine.h"

#include <base/string.h>
#include <thor/memory/memory-object.h>
#include <thor/sched/sched.h>

constexpr uint64_t PAGE = HEL_PAGE_SIZE;

static uint64_t n_pauses;
static bool always_pauses;

bool __real_sched_should_pause(uint64_t since_ns);
bool __wrap_sched_should_pause(uint64_t since_ns);

bool __wrap_sched_should_pause(uint64_t since_ns)
{
	if (!always_pauses) {
		return __real_sched_should_pause(since_ns);
	}
	n_pauses++;
	return true;
}

static void begin(uint32_t n_pages)
{
	memory__slice_pages = n_pages;
	always_pauses = true;
	n_pauses = 0;
}

static void end(void)
{
	CHECK(n_pauses > 0);
	memory__slice_pages = 160;
	always_pauses = false;
}

static uint8_t read_byte(uint64_t address)
{
	uint8_t byte;

	sim_load(&byte, address, 1);
	return byte;
}

static void write_byte(uint64_t address, uint8_t byte)
{
	sim_store(address, &byte, 1);
}

static void fill(uint64_t address, uint64_t n_pages)
{
	for (uint64_t i = 0; i < n_pages; i++) {
		write_byte(address + i * PAGE, (uint8_t)(i + 1));
	}
}

static uint64_t count_mappings(uint64_t address, uint64_t end_address)
{
	struct hel_mapping_info info;
	uint64_t n_mappings = 0;

	while (hel_space_query(HEL_THIS, address, &info) == 0 && info.address < end_address) {
		n_mappings++;
		address = info.address + info.size_bytes;
	}
	return n_mappings;
}

USER_TEST(slices_protect_goes_on_where_it_was)
{
	uint64_t address = user_map(40);

	fill(address, 40);
	begin(4);
	CHECK_OK(hel_space_protect(HEL_THIS, address + PAGE, 38 * PAGE, HEL_MAP_READ));
	CHECK_EQ(count_mappings(address, address + 40 * PAGE), 3);
	for (uint64_t i = 0; i < 40; i++) {
		CHECK_EQ(read_byte(address + i * PAGE), i + 1);
	}
	CHECK_OK(hel_space_protect(HEL_THIS, address, 40 * PAGE, HEL_MAP_READ | HEL_MAP_WRITE));
	CHECK_EQ(count_mappings(address, address + 40 * PAGE), 1);
	write_byte(address + 20 * PAGE, 7);
	end();
	CHECK_OK(hel_space_unmap(HEL_THIS, address, 40 * PAGE));
}

USER_TEST(slices_protect_finds_holes_first)
{
	uint64_t address = user_map(40);

	fill(address, 40);
	CHECK_OK(hel_space_unmap(HEL_THIS, address + 39 * PAGE, PAGE));
	begin(4);
	CHECK_EQ(hel_space_protect(HEL_THIS, address, 40 * PAGE, HEL_MAP_READ), -ERR_NOT_FOUND);
	write_byte(address, 1);
	CHECK_EQ(n_pauses, 0);
	CHECK_OK(hel_space_protect(HEL_THIS, address, 39 * PAGE, HEL_MAP_READ));
	end();
	CHECK_OK(hel_space_unmap(HEL_THIS, address, 39 * PAGE));
}

USER_TEST(slices_copies_pause_and_go_on)
{
	constexpr uint64_t N_PAGES = 40;
	uint64_t from = user_map(N_PAGES), to = user_map(N_PAGES);
	hel_handle memory;
	size_t n_bytes;

	fill(from, N_PAGES);
	CHECK_OK(hel_memory_allocate(N_PAGES * PAGE, 0, &memory));
	begin(160);
	CHECK_OK(hel_memory_write(memory, 0, (void *)from, N_PAGES * PAGE));
	CHECK_OK(hel_memory_read(memory, 0, (void *)to, N_PAGES * PAGE));
	for (uint64_t i = 0; i < N_PAGES; i++) {
		CHECK_EQ(read_byte(to + i * PAGE), i + 1);
		write_byte(to + i * PAGE, 0);
	}
	CHECK_OK(hel_space_write(HEL_THIS, to, (void *)from, N_PAGES * PAGE, &n_bytes));
	CHECK_EQ(n_bytes, N_PAGES * PAGE);
	CHECK_EQ(read_byte(to + 39 * PAGE), 40);
	CHECK_OK(hel_space_unmap(HEL_THIS, from + 30 * PAGE, PAGE));
	CHECK_EQ(hel_space_read(HEL_THIS, from, (void *)to, N_PAGES * PAGE, &n_bytes), -ERR_FAULT);
	CHECK_EQ(n_bytes, 30 * PAGE);
	end();
	CHECK_OK(hel_close(HEL_THIS, memory));
	CHECK_OK(hel_space_unmap(HEL_THIS, from, N_PAGES * PAGE));
	CHECK_OK(hel_space_unmap(HEL_THIS, to, N_PAGES * PAGE));
}

USER_TEST(slices_shrunk_memory_is_zero_when_it_grows)
{
	hel_handle memory, view;
	uint8_t byte = 9;

	CHECK_OK(hel_memory_allocate(64 * PAGE, 0, &memory));
	for (uint64_t i = 0; i < 64; i++) {
		CHECK_OK(hel_memory_write(memory, i * PAGE, &byte, 1));
	}
	CHECK_OK(hel_memory_copy_on_write(memory, 0, 64 * PAGE, &view));
	begin(4);
	CHECK_OK(hel_memory_resize(memory, 8 * PAGE));
	CHECK_EQ(hel_memory_read(view, 8 * PAGE, &byte, 1), -ERR_OUT_OF_BOUNDS);
	CHECK_OK(hel_memory_resize(memory, 64 * PAGE));
	for (uint64_t i = 0; i < 64; i++) {
		CHECK_OK(hel_memory_read(view, i * PAGE, &byte, 1));
		CHECK_EQ(byte, i < 8 ? 9 : 0);
	}
	end();
	CHECK_OK(hel_close(HEL_THIS, memory));
	CHECK_OK(hel_close(HEL_THIS, view));
}

USER_TEST(slices_populate_makes_pages_present)
{
	struct hel_mapping_info info;
	uint64_t address = user_map(64);

	begin(8);
	CHECK_OK(hel_space_populate(HEL_THIS, address, 64 * PAGE, 0));
	CHECK_OK(hel_space_query(HEL_THIS, address, &info));
	CHECK_EQ(info.resident_bytes, 0);
	CHECK_OK(hel_space_populate(HEL_THIS, address, 64 * PAGE, HEL_POPULATE_WRITE));
	CHECK_OK(hel_space_query(HEL_THIS, address, &info));
	CHECK_EQ(info.resident_bytes, 64 * PAGE);
	CHECK_EQ(hel_space_populate(HEL_THIS, address, 64 * PAGE, 2), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_space_populate(HEL_THIS, address, 0, 0), -ERR_ILLEGAL_ARGS);
	CHECK_OK(hel_space_protect(HEL_THIS, address + 60 * PAGE, 4 * PAGE, HEL_MAP_READ));
	CHECK_EQ(hel_space_populate(HEL_THIS, address, 64 * PAGE, HEL_POPULATE_WRITE),
		-ERR_NO_RIGHTS);
	CHECK_OK(hel_space_unmap(HEL_THIS, address + 63 * PAGE, PAGE));
	CHECK_EQ(hel_space_populate(HEL_THIS, address, 64 * PAGE, 0), -ERR_FAULT);
	end();
	CHECK_OK(hel_space_unmap(HEL_THIS, address, 64 * PAGE));
}

TEST_MAIN()

/* SPDX-License-Identifier: MIT */
/* What hel_space_pages() tells of pages. */
#include "slices.h"
#include "swap-server.h"

constexpr uint8_t COVERED = HEL_PAGE_COVERED;
constexpr uint8_t RESIDENT = COVERED | HEL_PAGE_RESIDENT;
constexpr uint8_t ENTERED = RESIDENT | HEL_PAGE_ENTERED;

static uint8_t state_of(uint64_t address)
{
	uint8_t state = 0xff;

	CHECK_OK(hel_space_pages(HEL_THIS, address, &state, 1));
	return state;
}

static uint64_t map_memory(hel_handle memory, uint64_t size_bytes, uint32_t flags)
{
	struct hel_map_args args = {
		.space = HEL_THIS,
		.memory = memory,
		.size_bytes = size_bytes,
		.flags = flags,
	};
	uint64_t address = 0;

	CHECK_OK(hel_space_map(&args, &address));
	return address;
}

USER_TEST(pages_that_were_touched_are_there)
{
	uint64_t address = user_map(4);
	uint8_t states[4];

	write_byte(address + PAGE, 1);
	CHECK_OK(hel_space_unmap(HEL_THIS, address + 3 * PAGE, PAGE));
	CHECK_OK(hel_space_pages(HEL_THIS, address, states, 4));
	CHECK_EQ(states[0], COVERED);
	CHECK_EQ(states[1], ENTERED | HEL_PAGE_OWN);
	CHECK_EQ(states[2], COVERED);
	CHECK_EQ(states[3], 0);
	/* Out of the page table, but still there. */
	CHECK_OK(hel_space_protect(HEL_THIS, address, 3 * PAGE, 0));
	CHECK_EQ(state_of(address + PAGE), RESIDENT | HEL_PAGE_OWN);
	CHECK_OK(hel_space_discard(HEL_THIS, address, 3 * PAGE));
	CHECK_EQ(state_of(address + PAGE), COVERED);
	CHECK_OK(hel_space_unmap(HEL_THIS, address, 3 * PAGE));
}

USER_TEST(pages_of_a_view_are_its_own_or_its_sources)
{
	hel_handle memory, view;
	uint8_t byte = 1;

	CHECK_OK(hel_memory_allocate(4 * PAGE, 0, &memory));
	CHECK_OK(hel_memory_write(memory, 2 * PAGE, &byte, 1));
	CHECK_OK(hel_memory_copy_on_write(memory, PAGE, 3 * PAGE, &view));
	uint64_t shared = map_memory(memory, 4 * PAGE, HEL_MAP_READ);
	uint64_t private = map_memory(view, 3 * PAGE, HEL_MAP_READ | HEL_MAP_WRITE);

	CHECK_EQ(state_of(shared + PAGE), COVERED);
	CHECK_EQ(state_of(shared + 2 * PAGE), RESIDENT);
	CHECK_EQ(state_of(private), COVERED);
	CHECK_EQ(state_of(private + PAGE), RESIDENT);
	write_byte(private + PAGE, 2);
	CHECK_EQ(state_of(private + PAGE), ENTERED | HEL_PAGE_OWN);
	CHECK_EQ(state_of(shared + 2 * PAGE), RESIDENT);
	CHECK_EQ(read_byte(shared + 2 * PAGE), 1);
	CHECK_EQ(state_of(shared + 2 * PAGE), ENTERED);
	/* Beyond the end there is nothing. */
	CHECK_OK(hel_memory_resize(view, PAGE));
	CHECK_EQ(state_of(private + PAGE), COVERED);
	CHECK_OK(hel_space_unmap(HEL_THIS, private, 3 * PAGE));
	CHECK_OK(hel_space_unmap(HEL_THIS, shared, 4 * PAGE));
	CHECK_OK(hel_close(HEL_THIS, view));
	CHECK_OK(hel_close(HEL_THIS, memory));
}

USER_TEST(pages_of_guards_and_windows)
{
	hel_handle memory, indirect;
	uint64_t guard = map_memory(HEL_NULL, PAGE, HEL_MAP_GUARD);

	CHECK_EQ(state_of(guard), COVERED);
	CHECK_OK(hel_space_unmap(HEL_THIS, guard, PAGE));
	CHECK_OK(hel_memory_allocate(PAGE, 0, &memory));
	CHECK_OK(hel_memory_indirect_create(1, PAGE, HEL_MAP_READ, 1, &indirect));
	CHECK_OK(hel_memory_indirect_set(indirect, 0, memory, 0, PAGE));
	uint64_t address = map_memory(indirect, PAGE, HEL_MAP_READ);

	CHECK_EQ(state_of(address), COVERED);
	CHECK_EQ(read_byte(address), 0);
	CHECK_EQ(state_of(address), ENTERED);
	CHECK_OK(hel_space_unmap(HEL_THIS, address, PAGE));
	CHECK_OK(hel_close(HEL_THIS, indirect));
	CHECK_OK(hel_close(HEL_THIS, memory));
}

USER_TEST(pages_that_were_swapped_out)
{
	swap_begin();
	uint64_t address = swap_map(64);

	swap_fill(address, 64, 1);
	CHECK_EQ(state_of(address), ENTERED | HEL_PAGE_OWN);
	swap_press();
	CHECK_EQ(state_of(address), COVERED | HEL_PAGE_OUT | HEL_PAGE_OWN);
	swap_check(address, 64, 1);
	CHECK_EQ(state_of(address), ENTERED | HEL_PAGE_OWN);
	swap_unmap(address, 64);
	swap_end();
}

static uint32_t n_writable(hel_handle memory)
{
	struct hel_memory_info info;

	CHECK_OK(hel_memory_info(memory, &info));
	return info.n_writable;
}

/* Also those that could be made so, in each space; parts that were split count as mappings. */
USER_TEST(mappings_that_may_be_written_are_counted)
{
	hel_handle memory, reader, child;

	CHECK_OK(hel_memory_allocate(4 * PAGE, 0, &memory));
	CHECK_OK(hel_transfer(HEL_THIS, memory, HEL_THIS, HEL_RIGHT_READ | HEL_RIGHT_MAP, &reader));
	uint64_t shown = map_memory(reader, 4 * PAGE, HEL_MAP_READ);

	CHECK_EQ(n_writable(memory), 0);
	uint64_t address = map_memory(memory, 4 * PAGE, HEL_MAP_READ);

	CHECK_EQ(n_writable(memory), 1);
	CHECK_OK(hel_space_protect(HEL_THIS, address + PAGE, PAGE, HEL_MAP_READ | HEL_MAP_WRITE));
	CHECK_EQ(n_writable(memory), 3);
	CHECK_OK(hel_space_protect(HEL_THIS, address + PAGE, PAGE, HEL_MAP_READ));
	CHECK_EQ(n_writable(memory), 1);
	CHECK_OK(hel_space_fork(HEL_THIS, HEL_THIS, &child));
	CHECK_EQ(n_writable(memory), 2);
	CHECK_OK(hel_space_unmap(HEL_THIS, address, 4 * PAGE));
	CHECK_EQ(n_writable(memory), 1);
	CHECK_OK(hel_space_unmap(child, address, 4 * PAGE));
	CHECK_EQ(n_writable(memory), 0);
	CHECK_OK(hel_close(HEL_THIS, child));
	CHECK_OK(hel_space_unmap(HEL_THIS, shown, 4 * PAGE));
	CHECK_OK(hel_close(HEL_THIS, reader));
	CHECK_OK(hel_close(HEL_THIS, memory));
}

USER_TEST(other_parts_of_what_is_mapped)
{
	hel_handle memory, reader, slice;
	uint64_t private = user_map(1);

	CHECK_OK(hel_memory_allocate(4 * PAGE, 0, &memory));
	for (uint64_t i = 0; i < 4; i++) {
		uint8_t byte = (uint8_t)(i + 1);

		CHECK_OK(hel_memory_write(memory, i * PAGE, &byte, 1));
	}
	CHECK_OK(hel_transfer(HEL_THIS, memory, HEL_THIS, HEL_RIGHT_READ | HEL_RIGHT_MAP, &reader));
	CHECK_OK(hel_memory_slice(memory, 0, PAGE, &slice));
	uint64_t shown = map_memory(reader, 2 * PAGE, HEL_MAP_READ);
	uint64_t part = map_memory(slice, PAGE, HEL_MAP_READ);

	CHECK_OK(hel_space_remap(HEL_THIS, shown + PAGE, PAGE, shown, 3 * PAGE));
	CHECK_EQ(read_byte(shown), 1);
	CHECK_EQ(read_byte(shown + PAGE), 4);
	/* It gives no right that the mapping had not. */
	CHECK_EQ(hel_space_protect(HEL_THIS, shown + PAGE, PAGE, HEL_MAP_READ | HEL_MAP_WRITE),
		-ERR_NO_RIGHTS);
	CHECK_OK(hel_space_remap(HEL_THIS, private, PAGE, shown + PAGE, 2 * PAGE));
	CHECK_EQ(read_byte(private), 3);
	CHECK_EQ(hel_space_remap(HEL_THIS, shown, PAGE, shown, 4 * PAGE), -ERR_OUT_OF_BOUNDS);
	CHECK_EQ(hel_space_remap(HEL_THIS, shown, PAGE, shown, 1), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_space_remap(HEL_THIS, shown, 0, shown, 0), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_space_remap(HEL_THIS, shown, PAGE, 0, 0), -ERR_NOT_FOUND);
	CHECK_EQ(hel_space_remap(HEL_THIS, shown, PAGE, part, 0), -ERR_UNSUPPORTED);
	CHECK_OK(hel_space_unmap(HEL_THIS, private, PAGE));
	private = user_map(1);
	CHECK_EQ(hel_space_remap(HEL_THIS, shown, PAGE, private, 0), -ERR_UNSUPPORTED);
	fixture_fail_after(0);
	CHECK_EQ(hel_space_remap(HEL_THIS, shown, PAGE, shown, 0), -ERR_NO_MEMORY);
	fixture_fail_after(~(uint64_t)0);
	CHECK_EQ(read_byte(shown), 1);
	CHECK_OK(hel_space_unmap(HEL_THIS, private, PAGE));
	CHECK_OK(hel_space_unmap(HEL_THIS, part, PAGE));
	CHECK_OK(hel_space_unmap(HEL_THIS, shown, 2 * PAGE));
	CHECK_OK(hel_close(HEL_THIS, slice));
	CHECK_OK(hel_close(HEL_THIS, reader));
	CHECK_OK(hel_close(HEL_THIS, memory));
}

/* One page in seven, in a range with a hole and with two mappings. */
USER_TEST(pages_of_a_large_range_in_slices)
{
	uint8_t states[400];
	uint64_t address = user_map(400);

	for (uint64_t i = 0; i < 400; i += 7) {
		write_byte(address + i * PAGE, 1);
	}
	CHECK_OK(hel_space_unmap(HEL_THIS, address + 100 * PAGE, 50 * PAGE));
	CHECK_OK(hel_space_protect(HEL_THIS, address + 200 * PAGE, 3 * PAGE, HEL_MAP_READ));
	begin(8);
	CHECK_OK(hel_space_pages(HEL_THIS, address, states, 400));
	CHECK(n_pauses >= 5);
	end();
	for (uint64_t i = 0; i < 400; i++) {
		bool is_hole = i >= 100 && i < 150;
		uint8_t touched = i % 7 == 0 ? ENTERED | HEL_PAGE_OWN : COVERED;

		CHECK_EQ(states[i], is_hole ? 0 : touched);
	}
	CHECK_OK(hel_space_unmap(HEL_THIS, address, 400 * PAGE));
}

USER_TEST(pages_outside_of_what_can_be_told)
{
	uint8_t states[1];
	uint64_t address = user_map(1);

	CHECK_EQ(hel_space_pages(HEL_THIS, address + 1, states, 1), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_space_pages(HEL_THIS, 0, states, 1), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_space_pages(HEL_THIS, ~(PAGE - 1), states, 1), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_space_pages(HEL_THIS, address, states, 65537), -ERR_ILLEGAL_ARGS);
	CHECK_OK(hel_space_pages(HEL_THIS, address, states, 0));
	CHECK_OK(hel_space_unmap(HEL_THIS, address, PAGE));
}

TEST_MAIN()

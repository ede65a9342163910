/* SPDX-License-Identifier: MIT */
/* Large pages: when they are made, and what splits them; one behaviour per case. */
#include "support.h"

#include <thor/object/account.h>

constexpr uint64_t PAGE = 4096;
constexpr uint64_t LARGE = ARCH_LARGE_SIZE;
constexpr uint64_t BASE = 0x40000000;
constexpr uint32_t RW_LARGE = RW_COPY | HEL_MAP_LARGE;

static struct space *space_new(void)
{
	struct space *space = NULL;

	CHECK_OK(space_create(&space));
	space_activate(space);
	return space;
}

static int map_at(struct space *space, struct memory *memory, uint64_t address, uint64_t size_bytes,
	uint32_t flags)
{
	struct hel_map_args args = {
		.address = address,
		.size_bytes = size_bytes,
		.flags = flags | HEL_MAP_FIXED,
	};

	return space_map(space, memory, &args, &address);
}

/* A space with a large page at BASE, every page of which has its number. */
static struct space *space_with_large(uint64_t size_bytes)
{
	struct space *space = space_new();

	CHECK_OK(map_at(space, NULL, BASE, size_bytes, RW_LARGE));
	for (uint64_t i = 0; i < LARGE / PAGE; i++) {
		CHECK_OK(poke(BASE + i * PAGE, (uint8_t)i));
	}
	CHECK_EQ(large_bytes(space), LARGE);
	return space;
}

/* Pages [first, end) have their numbers. */
static bool has_numbers(uint64_t first, uint64_t end)
{
	for (uint64_t i = first; i < end; i++) {
		if (peek(BASE + i * PAGE) != (uint8_t)i) {
			return false;
		}
	}
	return true;
}

static bool is_mapped(struct space *space, uint64_t address)
{
	return arch_page_lookup(&space->page_table, address).is_present;
}

static void advise(struct space *space, uint64_t advice)
{
	uint64_t position = 0;

	CHECK_OK(space_advise_slice(space, BASE, 2 * LARGE, advice, &position));
}

/* What is touched after the advice follows it; what is there stays. */
TEST(large_page_where_it_was_advised)
{
	fixture_begin(1, 64, 1);
	struct space *space = space_new();

	CHECK_OK(map_at(space, NULL, BASE, 2 * LARGE, RW_COPY));
	CHECK_OK(poke(BASE + 3 * PAGE, 7));
	CHECK_EQ(large_bytes(space), 0);
	advise(space, HEL_SPACE_LARGE);
	CHECK_OK(poke(BASE + 4 * PAGE, 8));
	CHECK_EQ(large_bytes(space), 0);
	CHECK_OK(poke(BASE + LARGE, 9));
	CHECK_EQ(large_bytes(space), LARGE);
	advise(space, HEL_SPACE_SMALL);
	CHECK(arch_page_lookup(&space->page_table, BASE + LARGE).is_large);
	CHECK_EQ(peek(BASE + LARGE), 9);
	CHECK_EQ(peek(BASE + 3 * PAGE), 7);
	object_unref(&space->object);
	CHECK(fixture_end());
}

TEST(large_page_where_all_of_it_is_mapped)
{
	struct hel_mapping_info info;

	fixture_begin(1, 64, 1);
	struct space *space = space_new();

	CHECK_OK(map_at(space, NULL, BASE + PAGE, 3 * LARGE, RW_LARGE));
	CHECK_OK(poke(BASE + LARGE + 5 * PAGE, 7));
	CHECK_EQ(large_bytes(space), LARGE);
	CHECK_EQ(peek(BASE + LARGE), 0);
	CHECK_EQ(peek(BASE + LARGE + 5 * PAGE), 7);
	CHECK(is_mapped(space, BASE + LARGE + LARGE - PAGE));
	CHECK_OK(space_query(space, BASE + LARGE, &info));
	CHECK_EQ(info.resident_bytes, LARGE);
	CHECK_EQ(info.large_bytes, LARGE);
	CHECK((info.flags & HEL_MAP_LARGE) != 0);
	/* At the ends the mapping has less than a large page. */
	CHECK_OK(poke(BASE + PAGE, 1));
	CHECK_OK(poke(BASE + 3 * LARGE, 1));
	CHECK_EQ(large_bytes(space), LARGE);
	/* Nor is one made of what is only read, but it is in the place of pages that were. */
	CHECK_EQ(peek(BASE + 2 * LARGE + 9 * PAGE), 0);
	CHECK_EQ(large_bytes(space), LARGE);
	CHECK_OK(poke(BASE + 2 * LARGE + 9 * PAGE, 3));
	CHECK_EQ(large_bytes(space), 2 * LARGE);
	CHECK_EQ(sim_check_tlbs(), 0);
	object_unref(&space->object);
	CHECK(fixture_end());
}

TEST(large_page_only_if_asked_for)
{
	fixture_begin(1, 64, 1);
	struct space *space = space_new();

	CHECK_OK(map_at(space, NULL, BASE, 2 * LARGE, RW_COPY));
	CHECK_OK(poke(BASE, 1));
	CHECK_OK(map_at(space, NULL, BASE + 2 * LARGE, LARGE, RW_LARGE | HEL_MAP_EXECUTE));
	CHECK_OK(poke(BASE + 2 * LARGE, 1));
	CHECK_EQ(large_bytes(space), 0);
	CHECK_EQ(
		map_at(space, NULL, BASE, LARGE, HEL_MAP_GUARD | HEL_MAP_LARGE), -ERR_ILLEGAL_ARGS);
	object_unref(&space->object);
	CHECK(fixture_end());
}

TEST(large_page_is_prepared_in_slices)
{
	unsigned n_faults = 0;

	fixture_begin(1, 64, 1);
	struct space *space = space_new();

	CHECK_OK(map_at(space, NULL, BASE, 2 * LARGE, RW_LARGE));
	while (!is_mapped(space, BASE)) {
		CHECK_OK(space_fault(space, BASE, SPACE_ACCESS_WRITE | SPACE_ACCESS_SLICES));
		n_faults++;
	}
	CHECK_EQ(n_faults, 33);
	CHECK_EQ(large_bytes(space), LARGE);
	/* Somebody who has not got the time. */
	CHECK_OK(space_fault(space, BASE + LARGE, SPACE_ACCESS_WRITE));
	CHECK(is_mapped(space, BASE + LARGE));
	CHECK_EQ(large_bytes(space), LARGE);
	object_unref(&space->object);
	CHECK(fixture_end());
}

TEST(large_page_that_nobody_takes_is_given_back)
{
	fixture_begin(1, 64, 1);
	struct space *space = space_new();

	CHECK_OK(map_at(space, NULL, BASE, LARGE, RW_LARGE));
	CHECK_OK(map_at(space, NULL, BASE + LARGE, GIB(1), RW_COPY));
	CHECK_OK(space_fault(space, BASE, SPACE_ACCESS_WRITE | SPACE_ACCESS_SLICES));
	CHECK(!is_mapped(space, BASE));
	for (uint64_t i = 0; poke(BASE + LARGE + i * PAGE, 1) == 0; i++) {
	}
	CHECK(sim_cpu->frames.large_phys == 0);
	/* Now there is none to spare. */
	CHECK_OK(space_discard(space, BASE + LARGE, 20 * PAGE));
	CHECK_OK(poke(BASE, 1));
	CHECK_EQ(large_bytes(space), 0);
	object_unref(&space->object);
	CHECK(fixture_end());
}

TEST(large_page_is_split_by_unmapping)
{
	fixture_begin(2, 64, 1);
	struct space *space = space_with_large(LARGE);

	sim_switch_cpu(1);
	space_activate(space);
	CHECK(has_numbers(0, 512));
	sim_switch_cpu(0);
	CHECK_OK(space_unmap(space, BASE + 10 * PAGE, 3 * PAGE));
	CHECK_EQ(sim_check_tlbs(), 0);
	CHECK_EQ(large_bytes(space), 0);
	CHECK(is_mapped(space, BASE + 9 * PAGE));
	CHECK(!is_mapped(space, BASE + 10 * PAGE));
	CHECK(is_mapped(space, BASE + 13 * PAGE));
	CHECK(has_numbers(0, 10) && has_numbers(13, 512));
	CHECK_EQ(peek(BASE + 12 * PAGE), 256);
	object_unref(&space->object);
	CHECK(fixture_end());
}

TEST(large_page_is_split_by_protecting)
{
	fixture_begin(1, 64, 1);
	struct space *space = space_with_large(LARGE);

	CHECK_OK(space_protect(space, BASE, LARGE, HEL_MAP_READ));
	CHECK_EQ(large_bytes(space), LARGE);
	CHECK_EQ(poke(BASE, 1), -ERR_NO_RIGHTS);
	CHECK_OK(space_protect(space, BASE, LARGE, HEL_MAP_READ | HEL_MAP_WRITE));
	CHECK_OK(poke(BASE, 0));
	CHECK_EQ(large_bytes(space), LARGE);
	CHECK_OK(space_protect(space, BASE + 100 * PAGE, PAGE, HEL_MAP_READ));
	CHECK_EQ(sim_check_tlbs(), 0);
	CHECK_EQ(large_bytes(space), 0);
	CHECK_EQ(poke(BASE + 100 * PAGE, 1), -ERR_NO_RIGHTS);
	CHECK(has_numbers(0, 512));
	CHECK_OK(poke(BASE + 99 * PAGE, 99));
	object_unref(&space->object);
	space = space_with_large(LARGE);
	CHECK_OK(space_protect(space, BASE, LARGE, HEL_MAP_READ | HEL_MAP_EXECUTE));
	CHECK_EQ(large_bytes(space), 0);
	CHECK(has_numbers(0, 512));
	object_unref(&space->object);
	CHECK(fixture_end());
}

TEST(large_page_goes_where_it_cannot_be_split)
{
	fixture_begin(1, 64, 1);
	struct space *space = space_with_large(LARGE);

	fixture_fail_after(0);
	CHECK_OK(space_discard(space, BASE + 7 * PAGE, PAGE));
	fixture_fail_after(~0ull);
	CHECK_EQ(sim_check_tlbs(), 0);
	CHECK_EQ(large_bytes(space), 0);
	CHECK(!is_mapped(space, BASE));
	CHECK_EQ(peek(BASE + 7 * PAGE), 0);
	CHECK(has_numbers(0, 7) && has_numbers(8, 512));
	object_unref(&space->object);
	CHECK(fixture_end());
}

TEST(large_page_is_copied_on_write)
{
	fixture_begin(1, 64, 1);
	struct space *parent = space_with_large(LARGE);
	struct space *child = NULL;

	CHECK_OK(space_fork(parent, &child));
	CHECK_EQ(sim_check_tlbs(), 0);
	CHECK_EQ(sim_check_space(parent), 0);
	CHECK_EQ(large_bytes(parent), LARGE);
	CHECK_OK(poke(BASE + 3 * PAGE, 200));
	CHECK_EQ(large_bytes(parent), 0);
	space_activate(child);
	CHECK(has_numbers(0, 512));
	CHECK_OK(poke(BASE + 4 * PAGE, 201));
	space_activate(parent);
	CHECK_EQ(peek(BASE + 3 * PAGE), 200);
	CHECK_EQ(peek(BASE + 4 * PAGE), 4);
	object_unref(&child->object);
	object_unref(&parent->object);
	CHECK(fixture_end());
}

TEST(large_page_is_not_made_of_pages_that_others_have)
{
	fixture_begin(1, 64, 1);
	struct space *parent = space_with_large(LARGE);
	struct space *child = NULL;

	CHECK_OK(space_fork(parent, &child));
	space_activate(child);
	CHECK_OK(poke(BASE, 201)); /* now the first page is the parent's alone */
	space_activate(parent);
	CHECK_OK(poke(BASE, 202));
	CHECK_EQ(large_bytes(parent), 0);
	CHECK_OK(poke(BASE + PAGE, 203));
	space_activate(child);
	CHECK_EQ(peek(BASE), 201);
	CHECK_EQ(peek(BASE + PAGE), 1);
	object_unref(&child->object);
	object_unref(&parent->object);
	CHECK(fixture_end());
}

TEST(large_page_of_a_view_is_seen_by_all_its_mappings)
{
	struct memory *view = NULL;

	fixture_begin(1, 64, 1);
	struct space *space = space_new();

	CHECK_OK(memory_create_copy_on_write(NULL, 0, LARGE, &view));
	CHECK_OK(map_at(space, view, BASE, LARGE, RW_LARGE));
	CHECK_OK(map_at(space, view, BASE + LARGE, LARGE, RW_LARGE));
	CHECK_EQ(peek(BASE + 5 * PAGE), 0);
	CHECK_OK(poke(BASE + LARGE + 5 * PAGE, 5));
	CHECK_EQ(large_bytes(space), LARGE);
	CHECK_EQ(peek(BASE + 5 * PAGE), 5);
	CHECK_EQ(large_bytes(space), 2 * LARGE);
	object_unref(&view->object);
	object_unref(&space->object);
	CHECK(fixture_end());
}

TEST(large_page_of_a_parent_is_whole_again_without_the_child)
{
	fixture_begin(1, 64, 1);
	struct space *parent = space_with_large(LARGE);
	struct space *child = NULL;

	CHECK_OK(space_fork(parent, &child));
	object_unref(&child->object);
	fixture_reap();
	CHECK_OK(poke(BASE + 3 * PAGE, 3));
	CHECK_EQ(large_bytes(parent), LARGE);
	CHECK(has_numbers(0, 512));
	object_unref(&parent->object);
	CHECK(fixture_end());
}

TEST(large_page_moves)
{
	fixture_begin(1, 64, 1);
	struct space *space = space_with_large(LARGE);

	CHECK_OK(space_move(space, BASE, LARGE, BASE + LARGE, LARGE));
	CHECK_EQ(sim_check_tlbs(), 0);
	CHECK_OK(poke(BASE + LARGE, 0));
	CHECK_EQ(large_bytes(space), LARGE);
	CHECK_OK(space_move(space, BASE + LARGE, LARGE, BASE + 3 * LARGE + PAGE, LARGE));
	CHECK_EQ(sim_check_tlbs(), 0);
	for (uint64_t i = 0; i < 512; i++) {
		CHECK_EQ(peek(BASE + 3 * LARGE + (i + 1) * PAGE), (uint8_t)i);
	}
	CHECK_EQ(large_bytes(space), 0);
	CHECK_OK(space_move(space, BASE + 3 * LARGE + PAGE, LARGE, BASE, LARGE));
	CHECK(has_numbers(0, 512));
	object_unref(&space->object);
	CHECK(fixture_end());
}

TEST(large_pages_of_physical_memory)
{
	struct memory *memory = NULL;
	uint64_t address;

	fixture_begin(1, 64, 1);
	struct space *space = space_new();

	CHECK_OK(memory_create_physical(GIB(64) + PAGE, 5 * LARGE, HEL_CACHE_UNCACHED, &memory));
	struct hel_map_args args = {
		.size_bytes = 4 * LARGE,
		.offset = LARGE - PAGE,
		.flags = RW_SHARE,
	};

	CHECK_OK(space_map(space, memory, &args, &address));
	CHECK_EQ((address + PAGE) % LARGE, 0);
	CHECK_OK(space_fault(space, address + LARGE + 77, SPACE_ACCESS_READ));
	CHECK_EQ(large_bytes(space), 0);
	CHECK_OK(space_unmap(space, address, 4 * LARGE));
	args.offset = 2 * LARGE - PAGE;
	args.address = BASE;
	args.size_bytes = 3 * LARGE;
	args.flags |= HEL_MAP_FIXED;
	CHECK_OK(space_map(space, memory, &args, &address));
	CHECK_OK(space_fault(space, BASE + LARGE + 5 * PAGE, SPACE_ACCESS_READ));
	CHECK_EQ(large_bytes(space), LARGE);
	struct arch_page_entry entry = arch_page_lookup(&space->page_table, BASE + LARGE + PAGE);

	CHECK_EQ(entry.phys, GIB(64) + 3 * LARGE + PAGE);
	CHECK((entry.flags & ARCH_PAGE_UNCACHED) != 0);
	CHECK_OK(space_unmap(space, BASE + LARGE, PAGE));
	entry = arch_page_lookup(&space->page_table, BASE + LARGE + PAGE);
	CHECK(entry.is_present && !entry.is_large && entry.phys == GIB(64) + 3 * LARGE + PAGE);
	object_unref(&memory->object);
	object_unref(&space->object);
	CHECK(fixture_end());
}

TEST(large_pages_of_contiguous_memory)
{
	struct memory *memory = NULL;
	uint64_t address;

	fixture_begin(1, 64, 1);
	struct space *space = space_new();

	CHECK_OK(memory_create_allocated(2 * LARGE, HEL_ALLOCATE_CONTIGUOUS, &memory));
	struct hel_map_args args = { .size_bytes = 2 * LARGE, .flags = RW_SHARE };

	CHECK_OK(space_map(space, memory, &args, &address));
	CHECK_EQ(address % LARGE, 0);
	CHECK_EQ(peek(address + LARGE), 0);
	CHECK_OK(poke(address + 5, 5));
	CHECK_EQ(large_bytes(space), 2 * LARGE);
	CHECK_EQ(memory_resize(memory, LARGE + PAGE), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(memory_resize(memory, 2 * LARGE), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(large_bytes(space), 2 * LARGE);
	object_unref(&memory->object);
	object_unref(&space->object);
	CHECK(fixture_end());
}

TEST(large_pages_of_memory_that_shrinks)
{
	struct memory *memory = NULL;
	uint64_t address;

	fixture_begin(1, 64, 1);
	struct space *space = space_new();

	CHECK_OK(memory_create_allocated(2 * LARGE, HEL_ALLOCATE_LARGE, &memory));
	struct hel_map_args args = { .size_bytes = 2 * LARGE, .flags = RW_SHARE };

	CHECK_OK(space_map(space, memory, &args, &address));
	CHECK_OK(poke(address + 5, 5));
	CHECK_OK(poke(address + LARGE, 5));
	CHECK_EQ(large_bytes(space), 2 * LARGE);
	CHECK_OK(memory_resize(memory, LARGE + PAGE));
	CHECK_EQ(sim_check_tlbs(), 0);
	CHECK_EQ(large_bytes(space), LARGE);
	CHECK_EQ(peek(address + LARGE), 5);
	CHECK_EQ(peek(address + LARGE + PAGE), 256);
	object_unref(&memory->object);
	object_unref(&space->object);
	CHECK(fixture_end());
}

TEST(large_pages_of_shared_memory)
{
	struct memory *memory = NULL;
	uint8_t byte = 0;

	fixture_begin(1, 64, 1);
	struct space *a = space_new();
	struct space *b = space_new();

	CHECK_OK(memory_create_allocated(2 * LARGE, HEL_ALLOCATE_LARGE, &memory));
	CHECK_OK(map_at(a, memory, BASE, 2 * LARGE, RW_SHARE));
	CHECK_OK(map_at(b, memory, BASE + 4 * LARGE, 2 * LARGE, RW_SHARE));
	space_activate(a);
	CHECK_EQ(peek(BASE + PAGE), 0);
	CHECK_EQ(large_bytes(a), LARGE);
	CHECK_OK(poke(BASE + PAGE, 9));
	space_activate(b);
	CHECK_EQ(peek(BASE + 4 * LARGE + PAGE), 9);
	CHECK_EQ(large_bytes(b), LARGE);
	CHECK_OK(memory_read(memory, PAGE, &byte, 1));
	CHECK_EQ(byte, 9);
	/* A copy shows the same pages, but not for writing. */
	struct space *child = NULL;
	struct memory *view = NULL;

	CHECK_OK(memory_create_copy_on_write(memory, 0, 2 * LARGE, &view));
	CHECK_OK(map_at(b, view, BASE + 8 * LARGE, 2 * LARGE, RW_LARGE));
	CHECK_EQ(peek(BASE + 8 * LARGE + PAGE), 9);
	CHECK_OK(poke(BASE + 8 * LARGE + PAGE, 10));
	CHECK_EQ(peek(BASE + 4 * LARGE + PAGE), 9);
	CHECK_OK(space_fork(b, &child));
	CHECK_EQ(large_bytes(child), LARGE);
	object_unref(&child->object);
	object_unref(&view->object);
	object_unref(&memory->object);
	object_unref(&a->object);
	object_unref(&b->object);
	CHECK(fixture_end());
}

TEST(large_pages_are_populated)
{
	uint64_t position = 0;
	unsigned n_slices = 1;
	int error;

	fixture_begin(1, 64, 1);
	struct space *space = space_new();

	CHECK_OK(map_at(space, NULL, BASE, 2 * LARGE, RW_LARGE));
	while ((error = space_populate_slice(
			space, BASE, 2 * LARGE, HEL_POPULATE_WRITE, &position)) == MEMORY_MORE) {
		n_slices++;
	}
	CHECK_OK(error);
	CHECK(n_slices >= 65);
	CHECK_EQ(large_bytes(space), 2 * LARGE);
	object_unref(&space->object);
	CHECK(fixture_end());
}

TEST(large_page_without_memory_for_it_is_a_page)
{
	fixture_begin(1, 64, 1);
	struct space *space = space_new();

	CHECK_OK(map_at(space, NULL, BASE, 64 * LARGE, RW_LARGE));
	/* No run, no tables, no nodes of the tree: whatever fails, it is a page, or no memory. */
	for (uint64_t n_allocations = 0; n_allocations < 24; n_allocations++) {
		uint64_t address = BASE + 2 * n_allocations * LARGE;

		fixture_fail_after(n_allocations);
		int error = poke(address, 1);

		fixture_fail_after(~0ull);
		CHECK(error == 0 || error == -ERR_NO_MEMORY);
		CHECK_EQ(sim_check_tlbs(), 0);
		CHECK_OK(poke(address + PAGE, 2));
		CHECK_EQ(peek(address), error == 0 ? 1 : 0);
		CHECK_OK(space_unmap(space, address, 2 * LARGE));
	}
	object_unref(&space->object);
	CHECK(fixture_end());
}

TEST_MAIN()

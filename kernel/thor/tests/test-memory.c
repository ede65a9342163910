/* SPDX-License-Identifier: MIT */
/* Memory objects: kinds, views, resizing, contents. */
#include "support.h"

#include <thor/memory/memory-object.h>
#include <thor/memory/space.h>

static struct memory *allocated(uint64_t n_pages)
{
	struct memory *memory = NULL;

	CHECK_OK(memory_create_allocated(n_pages * FRAME_SIZE, 0, &memory));
	return memory;
}

static struct memory *view_of(struct memory *source, uint64_t first, uint64_t n_pages)
{
	struct memory *memory = NULL;

	CHECK_OK(memory_create_copy_on_write(
		source, first * FRAME_SIZE, n_pages * FRAME_SIZE, &memory));
	return memory;
}

static uint8_t get(struct memory *memory, uint64_t offset)
{
	uint8_t byte;

	CHECK_OK(memory_read(memory, offset, &byte, 1));
	return byte;
}

static void put(struct memory *memory, uint64_t offset, uint8_t byte)
{
	CHECK_OK(memory_write(memory, offset, &byte, 1));
}

TEST(memory_reads_zero_and_keeps_writes)
{
	uint8_t buffer[3 * 4096];

	fixture_begin(1, 16, 1);
	struct memory *memory = allocated(4);

	memset(buffer, 0x5a, sizeof(buffer));
	CHECK_OK(memory_write(memory, 1000, buffer, sizeof(buffer)));
	CHECK_EQ(get(memory, 999), 0);
	CHECK_EQ(get(memory, 1000), 0x5a);
	CHECK_EQ(get(memory, 1000 + sizeof(buffer) - 1), 0x5a);
	CHECK_EQ(get(memory, 1000 + sizeof(buffer)), 0);
	CHECK_EQ(memory_read(memory, 4 * 4096 - 1, buffer, 2), -ERR_OUT_OF_BOUNDS);
	CHECK_EQ(memory_read(memory, ~0ull, buffer, 2), -ERR_OUT_OF_BOUNDS);
	CHECK_OK(memory_read(memory, 4 * 4096, buffer, 0));
	object_unref(&memory->object);
	CHECK(fixture_end());
}

TEST(memory_bad_arguments_are_refused)
{
	struct memory *memory = NULL;

	fixture_begin(1, 16, 1);
	CHECK_EQ(memory_create_allocated(100, 0, &memory), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(memory_create_allocated(~0ull & ~4095ull, 0, &memory), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(memory_create_allocated(4096, 1u << 30, &memory), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(memory_create_allocated(4096, HEL_ALLOCATE_BELOW_4G, &memory), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(memory_create_allocated(4096, HEL_ALLOCATE_BITS(24), &memory), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(memory_create_allocated(
			 4096, HEL_ALLOCATE_CONTIGUOUS | HEL_ALLOCATE_BITS(12), &memory),
		-ERR_ILLEGAL_ARGS);
	CHECK_EQ(memory_create_allocated(
			 4096, HEL_ALLOCATE_CONTIGUOUS | HEL_ALLOCATE_BITS(53), &memory),
		-ERR_ILLEGAL_ARGS);
	CHECK_EQ(memory_create_allocated(MIB(8), HEL_ALLOCATE_CONTIGUOUS, &memory),
		-ERR_ILLEGAL_ARGS);
	CHECK_EQ(memory_create_allocated(0, HEL_ALLOCATE_CONTIGUOUS, &memory), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(memory_create_physical(5, 4096, HEL_CACHE_UNCACHED, &memory), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(memory_create_physical(~0ull & ~4095ull, 8192, HEL_CACHE_UNCACHED, &memory),
		-ERR_ILLEGAL_ARGS);
	CHECK_EQ(memory_create_physical(0, 4096, (enum hel_caching)7, &memory), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(memory_create_copy_on_write(NULL, 0, 77, &memory), -ERR_ILLEGAL_ARGS);
	memory = allocated(2);
	struct memory *view = NULL;

	CHECK_EQ(memory_create_copy_on_write(memory, 4096, 8192, &view), -ERR_OUT_OF_BOUNDS);
	CHECK_EQ(memory_create_copy_on_write(memory, MIB(1), 0, &view), -ERR_OUT_OF_BOUNDS);
	object_unref(&memory->object);
	CHECK(fixture_end());
}

TEST(memory_contiguous_is_one_run)
{
	struct memory *memory = NULL;
	struct hel_memory_info info;

	fixture_begin(1, 32, 1);
	CHECK_OK(memory_create_allocated(
		5 * 4096, HEL_ALLOCATE_CONTIGUOUS | HEL_ALLOCATE_BELOW_4G, &memory));
	memory_get_info(memory, &info);
	CHECK_EQ(info.resident_bytes, 5 * 4096);
	uint64_t first = 0;

	for (uint64_t i = 0; i < 5; i++) {
		uint64_t phys;

		CHECK_OK(memory_get_frame(memory, i * 4096, true, &phys));
		first = i == 0 ? phys : first;
		CHECK_EQ(phys, first + i * 4096);
		CHECK_EQ(frame_owners(phys), 2);
		frame_unref(phys);
	}
	object_unref(&memory->object);
	CHECK(fixture_end());
}

/* All that there is below 2^22, and not a page more. */
TEST(memory_contiguous_fits_an_address_width)
{
	constexpr uint64_t flags = HEL_ALLOCATE_CONTIGUOUS | HEL_ALLOCATE_BITS(22);
	struct memory *memories[64];
	unsigned n_memories = 0;

	fixture_begin(1, 32, 1);
	while (memory_create_allocated(16 * 4096, flags, &memories[n_memories]) == 0) {
		uint64_t phys;

		CHECK_OK(memory_get_frame(memories[n_memories], 15 * 4096, true, &phys));
		CHECK(phys < MIB(4));
		frame_unref(phys);
		n_memories++;
		CHECK(n_memories < 64);
	}
	CHECK(n_memories > 20);
	while (n_memories > 0) {
		object_unref(&memories[--n_memories]->object);
	}
	CHECK(fixture_end());
}

TEST(memory_view_copies_on_write)
{
	fixture_begin(1, 16, 1);
	struct memory *source = allocated(4);

	put(source, 4096, 11);
	struct memory *view = view_of(source, 1, 3);

	CHECK_EQ(get(view, 0), 11);
	put(source, 4096, 12);
	CHECK_EQ(get(view, 0), 12);
	put(view, 1, 99);
	CHECK_EQ(get(view, 0), 12);
	put(source, 4096, 13);
	CHECK_EQ(get(view, 0), 12);
	CHECK_EQ(get(view, 1), 99);
	CHECK_EQ(get(source, 4097), 0);
	object_unref(&source->object);
	CHECK_EQ(get(view, 4096), 0);
	object_unref(&view->object);
	CHECK(fixture_end());
}

TEST(memory_view_of_view_is_a_fork)
{
	fixture_begin(1, 16, 1);
	struct memory *source = allocated(8);
	struct memory *view = view_of(source, 0, 8);

	put(source, 2 * 4096, 1);
	put(view, 3 * 4096, 2);
	struct memory *fork = view_of(view, 2, 4);

	CHECK_EQ(get(fork, 0), 1);
	CHECK_EQ(get(fork, 4096), 2);
	put(view, 3 * 4096, 3);
	CHECK_EQ(get(fork, 4096), 2);
	put(fork, 4096, 4);
	CHECK_EQ(get(view, 3 * 4096), 3);
	put(source, 4 * 4096, 9);
	CHECK_EQ(get(fork, 2 * 4096), 9);
	CHECK(fork->source == source);
	object_unref(&view->object);
	object_unref(&source->object);
	CHECK_EQ(get(fork, 4096), 4);
	object_unref(&fork->object);
	CHECK(fixture_end());
}

/* RAM that nobody owns, as the boot archive is: four pages, each full of its number. */
static struct memory *physical(uint64_t *out_phys)
{
	struct memory *memory = NULL;

	*out_phys = frame_allocate_run(2, ~(uint64_t)0);
	for (uint8_t i = 0; i < 4; i++) {
		memset((uint8_t *)arch_phys_to_virt(*out_phys) + i * FRAME_SIZE, i + 1, FRAME_SIZE);
	}
	CHECK_OK(memory_create_physical(*out_phys, 4 * FRAME_SIZE, HEL_CACHE_WRITE_BACK, &memory));
	return memory;
}

TEST(memory_view_of_physical_memory)
{
	uint64_t phys, page_phys;

	fixture_begin(1, 16, 1);
	struct memory *source = physical(&phys);
	struct memory *view = view_of(source, 1, 3);

	CHECK_EQ(get(view, 0), 2);
	CHECK_OK(memory_get_frame(view, FRAME_SIZE, false, &page_phys));
	CHECK_EQ(page_phys, phys + 2 * FRAME_SIZE);
	frame_unref(page_phys);
	put(view, 5, 77);
	CHECK_EQ(get(view, 5), 77);
	CHECK_EQ(get(view, 6), 2);
	CHECK_EQ(get(source, FRAME_SIZE + 5), 2);
	CHECK(!memory__is_of_zeros(view));

	/* it does not need its source, and a fork of it does not need it */
	object_unref(&source->object);
	struct memory *fork = view_of(view, 0, 3);

	CHECK_OK(memory_resize(view, FRAME_SIZE));
	CHECK_OK(memory_resize(view, 4 * FRAME_SIZE));
	CHECK_EQ(get(view, 5), 77);
	CHECK_EQ(get(view, FRAME_SIZE), 0);
	CHECK_EQ(get(view, 3 * FRAME_SIZE), 0);
	object_unref(&view->object);
	CHECK_EQ(get(fork, 5), 77);
	CHECK_EQ(get(fork, 2 * FRAME_SIZE), 4);
	put(fork, 2 * FRAME_SIZE, 9);
	CHECK_EQ(((uint8_t *)arch_phys_to_virt(phys))[3 * FRAME_SIZE], 4);
	object_unref(&fork->object);
	frame_free_run(phys, 2);
	CHECK(fixture_end());
}

/* It counts as resident, though none of it is the view's own. */
TEST(memory_view_of_physical_memory_is_there)
{
	struct hel_map_args args = {
		.address = 0x10000000,
		.size_bytes = 6 * FRAME_SIZE,
		.flags = HEL_MAP_READ | HEL_MAP_WRITE | HEL_MAP_FIXED,
	};
	struct hel_mapping_info info;
	struct space *space = NULL;
	uint64_t phys, address;

	fixture_begin(1, 16, 1);
	struct memory *source = physical(&phys);
	struct memory *view = view_of(source, 1, 3);

	CHECK_OK(space_create(&space));
	CHECK_OK(memory_resize(view, 6 * FRAME_SIZE));
	CHECK_OK(space_map(space, view, &args, &address));
	space_activate(space);
	CHECK_OK(poke(address + FRAME_SIZE, 77));
	CHECK_OK(poke(address + 4 * FRAME_SIZE, 77));
	CHECK_OK(space_query(space, address, &info));
	CHECK_EQ(info.resident_bytes, 4 * FRAME_SIZE);
	CHECK_EQ(peek(address), 2);
	CHECK_EQ(arch_page_lookup(&space->page_table, address).phys, phys + FRAME_SIZE);
	space_activate(NULL);
	object_unref(&source->object);
	object_unref(&view->object);
	object_unref(&space->object);
	frame_free_run(phys, 2);
	CHECK(fixture_end());
}

TEST(memory_view_of_device_memory_is_refused)
{
	struct memory *memory = NULL, *view = NULL;
	uint64_t phys;

	fixture_begin(1, 16, 1);
	CHECK_OK(memory_create_physical(GIB(64), FRAME_SIZE, HEL_CACHE_WRITE_BACK, &memory));
	CHECK_EQ(memory_create_copy_on_write(memory, 0, FRAME_SIZE, &view), -ERR_ILLEGAL_ARGS);
	object_unref(&memory->object);
	CHECK_OK(memory_create_physical(0, FRAME_SIZE, HEL_CACHE_UNCACHED, &memory));
	CHECK_EQ(memory_create_copy_on_write(memory, 0, FRAME_SIZE, &view), -ERR_ILLEGAL_ARGS);
	object_unref(&memory->object);
	memory = physical(&phys);
	CHECK_EQ(memory_create_copy_on_write(memory, 2 * FRAME_SIZE, 3 * FRAME_SIZE, &view),
		-ERR_OUT_OF_BOUNDS);
	fixture_fail_after(0);
	CHECK_EQ(memory_create_copy_on_write(memory, 0, FRAME_SIZE, &view), -ERR_NO_MEMORY);
	fixture_fail_after(~(uint64_t)0);
	object_unref(&memory->object);
	frame_free_run(phys, 2);
	CHECK(fixture_end());
}

TEST(memory_resize_frees_and_zeroes)
{
	struct hel_memory_info info;

	fixture_begin(1, 16, 1);
	struct memory *memory = allocated(4);

	put(memory, 0, 1);
	put(memory, 3 * 4096, 2);
	CHECK_OK(memory_resize(memory, 4096));
	memory_get_info(memory, &info);
	CHECK_EQ(info.size_bytes, 4096);
	CHECK_EQ(info.resident_bytes, 4096);
	CHECK_OK(memory_resize(memory, 8 * 4096));
	CHECK_EQ(get(memory, 3 * 4096), 0);
	CHECK_EQ(get(memory, 0), 1);
	CHECK_OK(memory_resize(memory, 0));
	CHECK_EQ(memory_resize(memory, 5), -ERR_ILLEGAL_ARGS);
	object_unref(&memory->object);
	CHECK(fixture_end());
}

TEST(memory_shrunk_source_is_out_of_bounds_in_views)
{
	uint8_t byte;

	fixture_begin(1, 16, 1);
	struct memory *source = allocated(4);
	struct memory *view = view_of(source, 0, 4);

	put(view, 4096, 7);
	CHECK_OK(memory_resize(source, 4096));
	CHECK_EQ(memory_read(view, 2 * 4096, &byte, 1), -ERR_OUT_OF_BOUNDS);
	CHECK_EQ(get(view, 4096), 7);
	object_unref(&source->object);
	object_unref(&view->object);
	CHECK(fixture_end());
}

static uint64_t borrowed_page(struct object *owner, uint64_t page_index)
{
	return page_tree_get(&container_of(owner, struct memory, object)->pages, page_index);
}

TEST(memory_borrowed_shows_its_owner)
{
	struct memory *memory = NULL;
	struct memory *view = NULL;

	fixture_begin(1, 16, 1);
	struct memory *owner = NULL;

	CHECK_OK(memory_create_allocated(8192, HEL_ALLOCATE_CONTIGUOUS, &owner));
	CHECK_OK(memory_create_borrowed(&owner->object, 8192, borrowed_page, &memory));
	put(memory, 5000, 3);
	CHECK_EQ(get(owner, 5000), 3);
	CHECK_EQ(memory_create_copy_on_write(memory, 0, 4096, &view), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(memory_resize(memory, 4096), -ERR_ILLEGAL_ARGS);
	object_unref(&owner->object);
	CHECK_EQ(get(memory, 5000), 3);
	object_unref(&memory->object);
	CHECK(fixture_end());
}

TEST(memory_survives_no_memory)
{
	uint8_t bytes[2] = { 1, 2 };

	fixture_begin(1, 16, 1);
	for (uint64_t n_allocations = 0; n_allocations < 40; n_allocations++) {
		struct memory *source = NULL;
		struct memory *view = NULL;
		struct memory *run = NULL;

		fixture_fail_after(n_allocations);
		if (memory_create_allocated(MIB(64), 0, &source) == 0) {
			for (uint64_t at = 4095; at < MIB(64); at = at * 8 + 7) {
				(void)memory_write(source, at, bytes, 2);
			}
			if (memory_create_copy_on_write(source, 0, MIB(64), &view) == 0) {
				(void)memory_write(view, 4095, bytes, 2);
			}
			(void)memory_create_allocated(65 * 4096, HEL_ALLOCATE_CONTIGUOUS, &run);
		}
		fixture_fail_after(~0ull);
		object_unref(source != NULL ? &source->object : NULL);
		object_unref(view != NULL ? &view->object : NULL);
		object_unref(run != NULL ? &run->object : NULL);
	}
	CHECK(fixture_end());
}

TEST_MAIN()

/* SPDX-License-Identifier: MIT */
/*
 * Who takes a page away from an object locks the object, not the spaces that show it, and looks
 * into page tables. So what changes a page table otherwise has to have flushed all TLBs before it
 * unlocks the object; else the page is somebody else's while a processor still uses it.
 */
#include "support.h"

#include <thor/memory/space.h>

constexpr uint64_t PAGE = HEL_PAGE_SIZE;
constexpr uint64_t PAGES = 200;
constexpr uint64_t AREA = 0x4000'0000;
constexpr uint64_t ELSEWHERE = 0x8000'0000;

static struct memory *watched;
static uint64_t n_flushes;

void __real_shootdown_batch_flush(struct shootdown_batch *batch);
void __wrap_shootdown_batch_flush(struct shootdown_batch *batch);

void __wrap_shootdown_batch_flush(struct shootdown_batch *batch)
{
	if (watched != NULL && batch->request.n_pages > 0 && !batch->request.frees_tables) {
		CHECK(spinlock_is_held(&watched->lock));
		n_flushes++;
	}
	__real_shootdown_batch_flush(batch);
}

static void map(struct space *space, struct memory *memory, uint64_t address)
{
	const struct hel_map_args args = {
		.address = address,
		.size_bytes = PAGES * PAGE,
		.flags = HEL_MAP_READ | HEL_MAP_WRITE | HEL_MAP_FIXED,
	};
	uint64_t at;

	CHECK_OK(space_map(space, memory, &args, &at));
	for (uint64_t i = 0; i < PAGES; i++) {
		CHECK_OK(space_fault(space, address + i * PAGE,
			i % 2 == 0 ? SPACE_ACCESS_READ : SPACE_ACCESS_WRITE));
	}
}

static void change_mappings(struct memory *memory)
{
	struct space *space;

	CHECK_OK(space_create(&space));
	space_activate(space);
	sim_switch_cpu(1);
	space_activate(space);
	for (uint32_t i = 0; i < 6; i++) {
		map(space, memory, AREA);
		n_flushes = 0;
		watched = memory;
		switch (i) {
		case 0: break;
		case 1: CHECK_OK(space_protect(space, AREA, PAGES * PAGE, HEL_MAP_READ)); break;
		case 2: CHECK_OK(space_move(space, AREA, PAGE, ELSEWHERE, PAGE)); break;
		case 3:
			CHECK_OK(space_move(space, AREA, PAGES * PAGE, ELSEWHERE, PAGES * PAGE));
			break;
		case 4: CHECK_OK(space_discard(space, AREA, PAGES * PAGE)); break;
		case 5:
			while (space_thin(space, AREA, PAGES * PAGE)) {
			}
			break;
		}
		CHECK(i == 0 || i == 4 || n_flushes > 0);
		CHECK_OK(space_unmap(space, AREA, PAGES * PAGE));
		CHECK_OK(space_unmap(space, ELSEWHERE, PAGES * PAGE));
		CHECK(n_flushes > 0 || i == 4);
		watched = NULL;
	}
	space_activate(NULL);
	sim_switch_cpu(0);
	space_activate(NULL);
	object_unref(&space->object);
}

TEST(pages_of_others_are_flushed_while_they_stay)
{
	struct memory *memory, *view;

	fixture_begin(2, 32, 1);
	CHECK_OK(memory_create_allocated(PAGES * PAGE, 0, &memory));
	CHECK_OK(memory_create_copy_on_write(memory, 0, PAGES * PAGE, &view));
	change_mappings(memory);
	change_mappings(view);
	object_unref(&view->object);
	object_unref(&memory->object);
	CHECK(fixture_end());
}

TEST_MAIN()

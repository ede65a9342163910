/* SPDX-License-Identifier: MIT */
/*
 * Several CPUs in two spaces at once, as fibres whose order is drawn from a seed. Each goes from
 * one space to the other, and changes either, loaded or not.
 *
 * Page number p is only ever written with the value p + 1. A CPU that sees another value than
 * that or zero has used a translation that should have been shot down: the frame belongs to
 * another page by now.
 */
#include "support.h"

#include <base/random.h>

constexpr uint64_t PAGE = 4096;
constexpr uint64_t BASE = 0x40000000;
constexpr unsigned PAGES = 48;
constexpr unsigned CPUS = 4;
constexpr unsigned STEPS = 150;

static struct space *spaces[2];
static struct memory *shared;
static struct random random_state;
static unsigned n_bad;

static uint64_t pick(uint64_t limit)
{
	return random_u64(&random_state) % limit;
}

/*
 * Read or write a page of the active space; the first PAGES are private, the next ones shared
 * memory.
 */
static void visit(unsigned page, bool is_write)
{
	uint8_t value = (uint8_t)(page + 1);
	uint8_t byte = value;
	int error = sim_user_access(
		BASE + page * PAGE, is_write ? SPACE_ACCESS_WRITE : SPACE_ACCESS_READ, &byte);

	if (error == 0 && !is_write && byte != 0 && byte != value) {
		n_bad++;
	}
}

static void remap(struct space *space, unsigned page, unsigned n_pages)
{
	struct hel_map_args args = {
		.address = BASE + page * PAGE,
		.size_bytes = n_pages * PAGE,
		.offset = page >= PAGES ? (page - PAGES) * PAGE : 0,
		.flags = HEL_MAP_READ | HEL_MAP_WRITE | HEL_MAP_FIXED |
			(pick(4) != 0 ? HEL_MAP_FORK_COPY : HEL_MAP_FORK_DROP),
	};
	uint64_t address;

	(void)space_map(space, page >= PAGES ? shared : NULL, &args, &address);
}

/* A child that is looked at and dropped. */
static void fork_and_visit(struct space *space)
{
	struct space *child = NULL;

	if (space_fork(space, &child) != 0) {
		return;
	}
	space_activate(child);
	for (unsigned i = 0; i < 4; i++) {
		visit((unsigned)pick(2 * PAGES), pick(2) == 0);
	}
	space_activate(space);
	object_unref(&child->object);
}

static void change(struct space *space)
{
	unsigned page = (unsigned)pick(2 * PAGES);
	unsigned n_pages = 1 + (unsigned)pick(12);
	uint64_t address = BASE + page * PAGE;

	if (page < PAGES && page + n_pages > PAGES) {
		n_pages = PAGES - page;
	} else if (page + n_pages > 2 * PAGES) {
		n_pages = 2 * PAGES - page;
	}
	switch (pick(8)) {
	case 0:
	case 1: remap(space, page, n_pages); break;
	case 2: (void)space_unmap(space, address, n_pages * PAGE); break;
	case 3: (void)space_protect(space, address, n_pages * PAGE, HEL_MAP_READ); break;
	case 4:
		(void)space_protect(space, address, n_pages * PAGE, HEL_MAP_READ | HEL_MAP_WRITE);
		break;
	case 5: (void)space_discard(space, address, n_pages * PAGE); break;
	case 6: fork_and_visit(space); break;
	case 7:
		(void)memory_resize(shared, pick(PAGES + 1) * PAGE);
		(void)memory_resize(shared, PAGES * PAGE);
		break;
	}
}

static void run_cpu(void *context UNUSED)
{
	for (unsigned i = 0; i < STEPS; i++) {
		if (i % 8 == 0) {
			space_activate(spaces[pick(2)]);
		}
		if (pick(4) == 0) {
			change(spaces[pick(2)]);
		} else {
			visit((unsigned)pick(2 * PAGES), pick(2) == 0);
		}
		sim_point(true);
	}
}

TEST(interleaved_changes_leave_no_stale_translations)
{
	uint64_t seed = test_seed(3);
	const char *n_programs = getenv("TEST_PROGRAMS");

	for (unsigned i = 0; i < (n_programs != NULL ? (unsigned)atoi(n_programs) : 40); i++) {
		random_init(&random_state, seed + i);
		fixture_begin(CPUS, 32, seed + i);
		n_bad = 0;
		CHECK_OK(memory_create_allocated(PAGES * PAGE, 0, &shared));
		for (unsigned j = 0; j < 2; j++) {
			CHECK_OK(space_create(&spaces[j]));
			remap(spaces[j], 0, PAGES);
			remap(spaces[j], PAGES, PAGES);
		}
		sim_run(run_cpu, NULL);
		CHECK_EQ(n_bad, 0);
		CHECK_EQ(sim_check_tlbs(), 0);
		for (unsigned j = 0; j < 2; j++) {
			CHECK_EQ(sim_check_space(spaces[j]), 0);
			object_unref(&spaces[j]->object);
		}
		object_unref(&shared->object);
		CHECK(fixture_end());
	}
}

/* ---- two CPUs that copy between two spaces in opposite directions ------------------ */

static struct space *others[2];

static void run_copies(void *context UNUSED)
{
	unsigned self = sim_cpu->index % 2;

	for (unsigned i = 0; i < 60; i++) {
		(void)space_copy_between(
			others[self], BASE + 100, others[!self], BASE + 900, 3 * PAGE);
		(void)space_discard(others[!self], BASE + (i % 4) * PAGE, PAGE);
		sim_point(true);
	}
}

TEST(interleaved_copies_do_not_deadlock)
{
	fixture_begin(4, 16, test_seed(9));
	for (unsigned i = 0; i < 2; i++) {
		struct hel_map_args args = {
			.address = BASE,
			.size_bytes = 8 * PAGE,
			.flags = RW_COPY | HEL_MAP_FIXED,
		};
		uint64_t address;

		CHECK_OK(space_create(&others[i]));
		CHECK_OK(space_map(others[i], NULL, &args, &address));
	}
	sim_run(run_copies, NULL);
	object_unref(&others[0]->object);
	object_unref(&others[1]->object);
	CHECK(fixture_end());
}

TEST_MAIN()

/* SPDX-License-Identifier: MIT */
/*
 * Examinations of large sets: each step of one takes some time here, so they are done in slices,
 * and what they cost can be counted in universes that were visited.
 */
#include "machine.h"

#include <thor/object/cycle.h>
#include <thor/sched/sched.h>

constexpr uint64_t STEP_NS = 50;
constexpr uint32_t RING = 100'000;
constexpr uint32_t SMALLER = 20'000;
constexpr uint64_t LARGE_MIB = 1024;
constexpr uint64_t MS = 1'000'000;

static hel_handle universes[RING];
static struct user_queue queue;
static struct completion completion;
static uint64_t n_visits;
static uint64_t n_pauses;

bool __real_sched_should_pause(uint64_t since_ns);
bool __wrap_sched_should_pause(uint64_t since_ns);
bool __real_universe_visit(struct universe *universe, uint64_t *position);
bool __wrap_universe_visit(struct universe *universe, uint64_t *position);

bool __wrap_sched_should_pause(uint64_t since_ns)
{
	sim_time_ns += STEP_NS;
	bool is_due = __real_sched_should_pause(since_ns);

	n_pauses += is_due;
	return is_due;
}

bool __wrap_universe_visit(struct universe *universe, uint64_t *position)
{
	n_visits++;
	return __real_universe_visit(universe, position);
}

static void give(hel_handle handle, hel_handle universe)
{
	hel_handle ignored;

	CHECK_OK(hel_transfer(HEL_THIS, handle, universe, 0, &ignored));
}

/* Universes of which each holds the next, and the last the first. */
static void make_ring(uint32_t first, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		CHECK_OK(hel_universe_create(&universes[first + i]));
	}
	for (uint32_t i = 0; i < n; i++) {
		give(universes[first + (i + 1) % n], universes[first + i]);
	}
}

static void close_some(uint32_t first, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		CHECK_OK(hel_close(HEL_THIS, universes[first + i]));
	}
}

/* It loses a handle, and has others. */
static void make_suspect(hel_handle universe)
{
	hel_handle other;

	CHECK_OK(hel_transfer(HEL_THIS, universe, HEL_THIS, 0, &other));
	CHECK_OK(hel_close(HEL_THIS, other));
}

static void run(void (*main)(void *context))
{
	machine_begin_with(1, LARGE_MIB, 1);
	n_visits = 0;
	n_pauses = 0;
	CHECK(machine_run(main, NULL));
	CHECK(machine_end());
}

/* ---- garbage ------------------------------------------------------------------------ */

static void ring_main(UNUSED void *context)
{
	make_ring(0, RING);
	close_some(0, RING);
}

TEST(a_ring_of_100000)
{
	run(ring_main);
	CHECK(n_pauses > 1000);
	CHECK(n_visits < 8ull * RING);
}

/* One universe that holds all others, which hold it. */
static void star_main(UNUSED void *context)
{
	for (uint32_t i = 0; i < RING; i++) {
		CHECK_OK(hel_universe_create(&universes[i]));
	}
	for (uint32_t i = 1; i < RING; i++) {
		give(universes[i], universes[0]);
		give(universes[0], universes[i]);
	}
	close_some(0, RING);
}

TEST(a_star_of_100000)
{
	run(star_main);
	CHECK(n_visits < 8ull * RING);
}

/* ---- what lives ----------------------------------------------------------------------- */

/* It is a suspect every millisecond for ten seconds. */
static void living_main(UNUSED void *context)
{
	make_ring(0, RING);
	close_some(1, RING - 1);
	n_visits = 0;
	for (uint32_t i = 0; i < 10'000; i++) {
		make_suspect(universes[0]);
		sim_compute(MS);
	}
	CHECK(n_visits > RING);
	CHECK(n_visits < 20ull * RING);
	close_some(0, 1);
}

TEST(a_living_ring_is_not_examined_again_and_again)
{
	run(living_main);
}

/* Many suspects that can all reach a large set are examined together. */
static void reaching_main(UNUSED void *context)
{
	constexpr uint32_t n_reaching = 1000;
	constexpr uint32_t n_others = SMALLER - n_reaching;

	make_ring(0, n_others);
	close_some(1, n_others - 1);
	for (uint32_t i = n_others; i < SMALLER; i++) {
		CHECK_OK(hel_universe_create(&universes[i]));
		give(universes[0], universes[i]);
		make_suspect(universes[i]);
	}
	sim_compute(10'000 * MS);
	CHECK(n_visits >= SMALLER);
	CHECK(n_visits < 5ull * SMALLER);
	close_some(n_others, n_reaching);
	close_some(0, 1);
}

TEST(suspects_with_the_same_surroundings)
{
	run(reaching_main);
}

/* Other garbage is found all the same, if later: what it held has ended. */
static void beside_main(UNUSED void *context)
{
	constexpr uint32_t n_small = 50;
	struct hel_stream_lanes lanes;
	struct hel_action receive = RECEIVE_INLINE(8);

	CHECK_OK(queue_open(&queue, 4, 4096, 4096));
	make_ring(0, SMALLER - n_small);
	close_some(1, SMALLER - n_small - 1);
	make_ring(SMALLER - n_small, n_small);
	CHECK_OK(hel_stream_create(&lanes));
	give(lanes.lane[1], universes[SMALLER - 1]);
	CHECK_OK(hel_close(HEL_THIS, lanes.lane[1]));
	close_some(SMALLER - n_small, n_small);
	make_suspect(universes[0]);
	uint64_t context_of_it = submit_exchange(&queue, lanes.lane[0], &receive, 1);

	CHECK_OK(queue_drive(&queue));
	sim_compute(10'000 * MS);
	CHECK(queue_await(&queue, context_of_it, &completion));
	CHECK_EQ(completion.results[0].error, -ERR_END_OF_LANE);
	CHECK_OK(hel_close(HEL_THIS, lanes.lane[0]));
	close_some(0, 1);
	queue_close(&queue);
}

TEST(a_small_ring_beside_a_living_one)
{
	run(beside_main);
}

/* ---- without memory ------------------------------------------------------------------- */

/* Whichever allocation of an examination fails: it is done again, with half of the suspects. */
static void failing_main(void *context)
{
	uint64_t *n_allocations = context;

	make_ring(0, 2000);
	close_some(0, 2000);
	fixture_fail_only(*n_allocations);
	sim_compute(1000 * MS);
	*n_allocations = fixture_has_failed() ? *n_allocations + 1 : 0;
	fixture_fail_after(~(uint64_t)0);
}

TEST(examinations_without_memory)
{
	uint64_t n_allocations = 0;
	uint32_t n_rounds = 0;

	do {
		machine_begin(1, 1);
		CHECK(machine_run(failing_main, &n_allocations));
		CHECK(machine_end());
		n_rounds++;
	} while (n_allocations != 0);
	CHECK(n_rounds > 20);
}

TEST_MAIN()

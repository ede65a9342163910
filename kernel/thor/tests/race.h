/* SPDX-License-Identifier: MIT */
/*
 * Two threads that do two things to one object at the same time, many times, from points that
 * differ: the harness of test-ipc-race.c and test-thread-race.c.
 *
 * The first thread prepares, both act, the first checks. A CPU may be left at every atomic access.
 * Whoever wins, there is one result, and who lost hears so.
 */
#ifndef THOR_TESTS_RACE_H
#define THOR_TESTS_RACE_H

#include "machine.h"

constexpr uint32_t TURNS = 300;
constexpr uint32_t SECOND = 2, WAITER = 3; /* the numbers of threads, for locks */

struct race {
	void (*prepare)(void);
	void (*first)(void);
	void (*second)(void);
	void (*check)(void);
};

static const struct race *race;
static struct user_queue queues[2];
static struct random random_state;
static uint32_t turn, n_turns_done;
static const char *failure;
static struct completion completion;
static hel_handle event;
static hel_handle lanes[2];
static uint64_t sequence, word, page;
static uint64_t contexts[2];
static int results[2];
static uint32_t n_woken;

static void expect(bool is_true, const char *what)
{
	if (!is_true && failure == NULL) {
		failure = what;
	}
}

static void wait_for_turn(uint32_t *counter, uint32_t value)
{
	while (*counter != value && failure == NULL) {
		sim_compute(100);
	}
}

static void stagger(void)
{
	if (random_chance(&random_state, 2)) {
		sim_compute(random_below(&random_state, 800));
	}
}

static void second_main(UNUSED void *context)
{
	expect(queue_open(&queues[1], 8, 8192, 4096) == 0, "no queue");
	for (uint32_t i = 1; i <= TURNS && failure == NULL; i++) {
		wait_for_turn(&turn, i);
		stagger();
		race->second();
		n_turns_done = i;
	}
	/* The first checks with this queue, too. */
	wait_for_turn(&turn, TURNS + 1);
	queue_close(&queues[1]);
}

static void first_main(UNUSED void *context)
{
	uint32_t zero = 0;

	word = user_map(2);
	page = word + 4096;
	sim_store(word, &zero, sizeof(zero));
	sim_store(page, &zero, sizeof(zero));
	expect(queue_open(&queues[0], 8, 8192, 4096) == 0, "no queue");
	expect(hel_event_create(0, &event) == 0, "no event");
	hel_handle second = user_start(second_main, NULL);

	expect(second != HEL_NULL, "no thread");
	expect(hel_futex_name(second, SECOND) == 0, "no name");
	sequence = 0;
	for (uint32_t i = 1; i <= TURNS && failure == NULL; i++) {
		race->prepare();
		turn = i;
		stagger();
		race->first();
		wait_for_turn(&n_turns_done, i);
		race->check();
	}
	turn = TURNS + 1;
	queue_close(&queues[0]);
}

static void run(const struct race *what)
{
	uint64_t seed = test_seed(1);

	race = what;
	for (uint32_t round = 0; round < 4; round++) {
		failure = NULL;
		turn = 0;
		n_turns_done = 0;
		random_init(&random_state, seed + round);
		machine_begin(2 + round % 2, seed + round);
		sim_interleave(2u << 2 * round);
		CHECK(machine_run(first_main, NULL));
		if (failure != NULL) {
			test_fail(
				__FILE__, __LINE__, "round %u, turn %u: %s", round, turn, failure);
		}
		CHECK_EQ(n_turns_done, TURNS);
		CHECK(machine_end());
	}
}

/* The one completion of the operation of queue @index; its error. */
static int collect(unsigned index)
{
	expect(queue_await(&queues[index], contexts[index], &completion), "no completion");
	expect(queue_is_quiet(&queues[index]), "more than one completion");
	return completion.error;
}

#endif

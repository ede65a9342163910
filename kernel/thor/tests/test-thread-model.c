/* SPDX-License-Identifier: MIT */
/*
 * Random programs of calls on threads, compared with a model of their states after each call.
 *
 * Each thread waits for a word that nobody wakes, again and again, so it is where the model says as
 * soon as the program has slept. An interrupt or a kick that comes when the thread does not wait is
 * kept until it would.
 */
#include "machine.h"

constexpr uint32_t THREADS_MAX = 48;
constexpr uint32_t STEPS = 300;

enum model_state : uint32_t {
	STATE_STOPPED = 0, /* new, or after an observation */
	STATE_WAITING = 3,
	STATE_TERMINATED = 4,
};

struct model_thread {
	hel_handle handle;
	enum model_state state;
	bool is_started, is_interrupted, is_kicked;
	uint64_t n_kicks;
	uint64_t sequence, known_sequence; /* observations; those that were looked at */
	enum hel_observation observation; /* the last */
};

static struct model_thread threads[THREADS_MAX];
static uint64_t n_kicks_seen[THREADS_MAX]; /* by the threads themselves */
static uint32_t n_threads;
static struct user_queue queue;
static uint64_t word_address;
static struct random random_state;

static uint32_t pick(uint32_t bound)
{
	return (uint32_t)random_below(&random_state, bound);
}

/* ---- the model ------------------------------------------------------------------------------- */

static void model_observe(struct model_thread *thread, enum hel_observation observation)
{
	thread->sequence++;
	thread->observation = observation;
}

/* A thread that may run goes on to its wait, unless something is in its way. */
static void model_run(struct model_thread *thread)
{
	if (thread->is_interrupted) {
		thread->is_interrupted = false;
		thread->state = STATE_STOPPED;
		model_observe(thread, HEL_OBSERVE_INTERRUPTED);
		return;
	}
	thread->n_kicks += thread->is_kicked;
	thread->is_kicked = false;
	thread->state = STATE_WAITING;
}

static int model_start(struct model_thread *thread)
{
	if (thread->is_started) {
		return -ERR_ILLEGAL_STATE;
	}
	thread->is_started = true;
	model_run(thread);
	return 0;
}

static int model_resume(struct model_thread *thread)
{
	if (thread->state == STATE_TERMINATED) {
		return -ERR_THREAD_TERMINATED;
	}
	if (!thread->is_started || thread->state != STATE_STOPPED) {
		return -ERR_ILLEGAL_STATE;
	}
	model_run(thread);
	return 0;
}

static int model_interrupt(struct model_thread *thread)
{
	if (thread->state == STATE_TERMINATED) {
		return -ERR_THREAD_TERMINATED;
	}
	thread->is_interrupted = true;
	if (thread->state == STATE_WAITING) {
		model_run(thread);
	}
	return 0;
}

static int model_kick(struct model_thread *thread)
{
	if (thread->state == STATE_TERMINATED) {
		return -ERR_THREAD_TERMINATED;
	}
	thread->is_kicked = true;
	if (thread->state == STATE_WAITING) {
		model_run(thread);
	}
	return 0;
}

static int model_kill(struct model_thread *thread)
{
	if (thread->state != STATE_TERMINATED) {
		model_observe(thread, HEL_OBSERVE_TERMINATED);
	}
	thread->is_started = true;
	thread->state = STATE_TERMINATED;
	return 0;
}

/* ---- the program ----------------------------------------------------------------------------- */

static void wait_for_ever(void *context)
{
	uint64_t *n_kicks = context;

	for (;;) {
		if (hel_futex_wait((const uint32_t *)word_address, 0, HEL_DEADLINE_NEVER, ~0u) ==
			-ERR_KICKED) {
			(*n_kicks)++;
		}
	}
}

static void create(void)
{
	struct model_thread *thread = &threads[n_threads];

	*thread = (struct model_thread){ .state = STATE_STOPPED };
	n_kicks_seen[n_threads] = 0;
	CHECK_OK(user_create(wait_for_ever, &n_kicks_seen[n_threads], &thread->handle));
	n_threads++;
}

/* Everybody gets where he can. */
static void settle(void)
{
	struct completion completion;

	CHECK(queue_await(&queue, submit_clock(&queue, sim_time_ns + 100'000), &completion));
}

static void observe(struct model_thread *thread)
{
	struct completion completion;

	if (thread->sequence == thread->known_sequence) {
		return;
	}
	CHECK(queue_await(&queue, submit_observe(&queue, thread->handle, thread->known_sequence),
		&completion));
	CHECK_OK(completion.error);
	CHECK_EQ(completion_observation(&completion)->sequence, thread->sequence);
	CHECK_EQ(completion_observation(&completion)->observation, thread->observation);
	thread->known_sequence = thread->sequence;
}

static void step(struct model_thread *thread)
{
	switch (pick(12)) {
	case 0:
	case 1: CHECK_EQ(hel_thread_start(thread->handle), model_start(thread)); break;
	case 2:
	case 3:
	case 4: CHECK_EQ(hel_thread_interrupt(thread->handle), model_interrupt(thread)); break;
	case 5:
	case 6:
	case 7: CHECK_EQ(hel_thread_resume(thread->handle), model_resume(thread)); break;
	case 8:
	case 9: CHECK_EQ(hel_thread_kick(thread->handle), model_kick(thread)); break;
	case 10: observe(thread); break;
	default:
		if (pick(4) == 0) {
			CHECK_EQ(hel_thread_kill(thread->handle), model_kill(thread));
		}
		break;
	}
}

static void check(uint32_t index)
{
	struct hel_thread_stats stats;

	CHECK_OK(hel_thread_stats(threads[index].handle, &stats));
	CHECK_EQ(stats.state, threads[index].state);
	CHECK_EQ(n_kicks_seen[index], threads[index].n_kicks);
}

static void play(UNUSED void *context)
{
	CHECK_OK(queue_open(&queue, 4, 4096, 1024));
	word_address = user_map(1);
	for (uint32_t i = 0; i < STEPS; i++) {
		if (n_threads < THREADS_MAX && (n_threads == 0 || pick(8) == 0)) {
			create();
		}
		uint32_t index = pick(n_threads);

		step(&threads[index]);
		settle();
		check(index);
		check(pick(n_threads));
	}
	for (uint32_t i = 0; i < n_threads; i++) {
		(void)hel_thread_kill(threads[i].handle);
	}
	queue_close(&queue);
}

TEST(random_threads_follow_the_model)
{
	uint64_t seed = test_seed(1);

	for (uint64_t round = 0; round < 60; round++) {
		random_init(&random_state, seed + round);
		n_threads = 0;
		machine_begin((uint32_t)(round % 2 + 1), seed + round);
		CHECK(machine_run(play, NULL));
		CHECK(machine_end());
	}
}

TEST_MAIN()

/* SPDX-License-Identifier: MIT */
/* Futexes: waiting, waking, moving, deadlines, kicks. */
#include "machine.h"

constexpr unsigned WORKERS = 8;

static uint64_t word; /* address of two words, far from each other */
static uint64_t other;
static struct worker {
	hel_handle thread;
	uint64_t address;
	uint32_t bitset;
	uint64_t deadline_ns;
	int result;
	bool is_done;
} workers[WORKERS];

static void wait_once(void *context)
{
	struct worker *worker = context;

	worker->result = hel_futex_wait(
		(const uint32_t *)worker->address, 0, worker->deadline_ns, worker->bitset);
	worker->is_done = true;
}

static void start_worker(unsigned index, uint64_t address, uint32_t bitset, uint64_t deadline_ns)
{
	workers[index] = (struct worker){
		.address = address,
		.bitset = bitset,
		.deadline_ns = deadline_ns,
		.result = 99,
	};
	workers[index].thread = user_start(wait_once, &workers[index]);
	CHECK(workers[index].thread != HEL_NULL);
}

static void pass_time(void)
{
	sim_compute(100'000'000);
}

static unsigned count_done(void)
{
	unsigned n_done = 0;

	for (unsigned i = 0; i < WORKERS; i++) {
		n_done += workers[i].is_done;
	}
	return n_done;
}

static uint32_t wake(uint64_t address, uint32_t n_max, uint32_t bitset)
{
	uint32_t n_woken = 99;

	CHECK_OK(hel_futex_wake((const uint32_t *)address, n_max, bitset, &n_woken));
	return n_woken;
}

static void start_all(unsigned n_workers)
{
	uint32_t zero = 0;

	memset(workers, 0, sizeof(workers));
	word = user_map(2);
	other = word + 4096 + 128;
	sim_store(word, &zero, sizeof(zero));
	sim_store(other, &zero, sizeof(zero));
	for (unsigned i = 0; i < n_workers; i++) {
		start_worker(i, word, 1u << i, HEL_DEADLINE_NEVER);
	}
	pass_time();
	CHECK_EQ(count_done(), 0);
}

USER_TEST(futex_wakes_in_order)
{
	start_all(WORKERS);
	CHECK_EQ(wake(word, 0, ~0u), 0);
	CHECK_EQ(wake(word + 4, 100, ~0u), 0);
	CHECK_EQ(wake(word, 1, ~0u), 1);
	pass_time();
	CHECK(workers[0].is_done);
	CHECK_EQ(count_done(), 1);
	CHECK_EQ(wake(word, 3, ~0u), 3);
	pass_time();
	CHECK(workers[3].is_done);
	CHECK_EQ(count_done(), 4);
	CHECK_EQ(wake(word, 100, ~0u), 4);
	CHECK_EQ(wake(word, 100, ~0u), 0);
	pass_time();
	for (unsigned i = 0; i < WORKERS; i++) {
		CHECK_EQ(workers[i].result, 0);
	}
}

USER_TEST(futex_bitsets_choose)
{
	start_all(WORKERS);
	CHECK_EQ(wake(word, 100, 0x22), 2);
	pass_time();
	CHECK(workers[1].is_done);
	CHECK(workers[5].is_done);
	CHECK_EQ(count_done(), 2);
	CHECK_EQ(wake(word, 100, 0x22), 0);
	CHECK_EQ(wake(word, 100, ~0u), 6);
}

USER_TEST(futex_arguments)
{
	uint32_t n_woken;

	start_all(0);
	const uint32_t *pointer = (const uint32_t *)word;

	CHECK_EQ(hel_futex_wait(pointer, 1, HEL_DEADLINE_NEVER, ~0u), -ERR_RETRY);
	CHECK_EQ(hel_futex_wait(pointer, 0, 0, ~0u), -ERR_TIMED_OUT);
	CHECK_EQ(hel_futex_wait(pointer, 0, HEL_DEADLINE_NEVER, 0), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_futex_wait((const uint32_t *)(word + 2), 0, 0, 1), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_futex_wait((const uint32_t *)0x40, 0, 0, 1), -ERR_FAULT);
	CHECK_EQ(hel_futex_wait((const uint32_t *)~3ull, 0, 0, 1), -ERR_FAULT);
	CHECK_EQ(hel_futex_wake(pointer, 1, 0, &n_woken), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_futex_wake((const uint32_t *)(word + 1), 1, 1, &n_woken), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_futex_wake((const uint32_t *)0x40, 1, 1, &n_woken), -ERR_FAULT);
}

USER_TEST(futex_is_woken_from_another_space)
{
	uint32_t n_woken = 99;

	start_all(2);
	CHECK_EQ(hel_futex_wake_in(HEL_THIS, word, 1, 0, &n_woken), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_futex_wake_in(HEL_THIS, word + 1, 1, 1, &n_woken), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_futex_wake_in(HEL_THIS, 0x40, 1, 1, &n_woken), -ERR_FAULT);
	CHECK_EQ(count_done(), 0);
	CHECK_OK(hel_futex_wake_in(HEL_THIS, word, 5, 2, &n_woken));
	CHECK_EQ(n_woken, 1);
	pass_time();
	CHECK(workers[1].is_done);
	CHECK_EQ(wake(word, 5, ~0u), 1);
	pass_time();
}

USER_TEST(futex_deadline)
{
	uint64_t start_ns;

	start_all(0);
	start_ns = sim_time_ns;
	CHECK_EQ(hel_futex_wait((const uint32_t *)word, 0, start_ns + 3'000'000, ~0u),
		-ERR_TIMED_OUT);
	CHECK(sim_time_ns >= start_ns + 3'000'000 && sim_time_ns < start_ns + 3'100'000);
	/* Woken in time: the timer is gone. */
	start_worker(0, word, 1, sim_time_ns + 500'000'000);
	pass_time();
	CHECK_EQ(wake(word, 1, 1), 1);
	sim_compute(1'000'000'000);
	CHECK_EQ(workers[0].result, 0);
	/* Those that gave up are no longer there to be woken. */
	start_worker(0, word, 1, sim_time_ns + 1'000'000);
	start_worker(1, word, 1, HEL_DEADLINE_NEVER);
	pass_time();
	CHECK_EQ(workers[0].result, -ERR_TIMED_OUT);
	CHECK_EQ(wake(word, 1, 1), 1);
	pass_time();
	CHECK_EQ(workers[1].result, 0);
}

USER_TEST(futex_requeue_moves)
{
	uint32_t n_threads;

	start_all(6);
	const uint32_t *from = (const uint32_t *)word, *to = (const uint32_t *)other;

	CHECK_EQ(hel_futex_requeue(from, 1, to, 1, 100, &n_threads), -ERR_RETRY);
	CHECK_OK(hel_futex_requeue(from, 0, to, 1, 3, &n_threads));
	CHECK_EQ(n_threads, 4);
	pass_time();
	CHECK(workers[0].is_done);
	CHECK_EQ(count_done(), 1);
	CHECK_EQ(wake(word, 100, ~0u), 2);
	CHECK_EQ(wake(other, 1, ~0u), 1);
	pass_time();
	CHECK(workers[1].is_done);
	/* to itself: nobody is lost */
	CHECK_OK(hel_futex_requeue(to, ~0ull, to, 0, 100, &n_threads));
	CHECK_EQ(n_threads, 2);
	CHECK_EQ(wake(other, 100, ~0u), 2);
	pass_time();
	CHECK_EQ(count_done(), 6);
	CHECK_EQ(hel_futex_requeue(from, ~0ull, (const uint32_t *)0x40, 1, 1, &n_threads),
		-ERR_FAULT);
	CHECK_EQ(hel_futex_requeue((const uint32_t *)(word + 2), ~0ull, to, 1, 1, &n_threads),
		-ERR_ILLEGAL_ARGS);
}

/* Deadlines, kicks and kills find a waiter that was moved. */
USER_TEST(futex_requeued_waiters_end_otherwise)
{
	uint32_t n_threads;

	start_all(0);
	start_worker(0, word, 1, sim_time_ns + 300'000'000);
	start_worker(1, word, 1, HEL_DEADLINE_NEVER);
	start_worker(2, word, 1, HEL_DEADLINE_NEVER);
	pass_time();
	CHECK_OK(hel_futex_requeue(
		(const uint32_t *)word, ~0ull, (const uint32_t *)other, 0, 100, &n_threads));
	CHECK_EQ(n_threads, 3);
	CHECK_OK(hel_thread_kick(workers[1].thread));
	CHECK_OK(hel_thread_kill(workers[2].thread));
	sim_compute(600'000'000);
	CHECK_EQ(workers[0].result, -ERR_TIMED_OUT);
	CHECK_EQ(workers[1].result, -ERR_KICKED);
	CHECK(!workers[2].is_done);
	CHECK_EQ(wake(other, 100, ~0u), 0);
}

/* A kick before the wait is kept; it ends exactly one wait. */
USER_TEST(futex_kick_is_latched)
{
	hel_handle self;

	start_all(0);
	start_worker(0, word, 1, HEL_DEADLINE_NEVER);
	self = workers[0].thread;
	CHECK_OK(hel_thread_kick(self)); /* it has not run yet */
	pass_time();
	CHECK_EQ(workers[0].result, -ERR_KICKED);
	CHECK_EQ(hel_thread_kick(self), -ERR_THREAD_TERMINATED);
}

/* A word in shared memory is one word in all places; a private one is not shared after a fork. */
USER_TEST(futex_in_shared_memory)
{
	struct hel_map_args args = {
		.space = HEL_THIS,
		.size_bytes = 4096,
		.flags = HEL_MAP_READ | HEL_MAP_WRITE,
	};
	uint64_t first, second;

	start_all(0);
	CHECK_OK(hel_memory_allocate(4096, 0, &args.memory));
	CHECK_OK(hel_space_map(&args, &first));
	CHECK_OK(hel_space_map(&args, &second));
	CHECK(first != second);
	start_worker(0, first + 64, 1, HEL_DEADLINE_NEVER);
	start_worker(1, second + 68, 1, HEL_DEADLINE_NEVER);
	pass_time();
	CHECK_EQ(wake(first + 68, 100, ~0u), 1);
	pass_time();
	CHECK(workers[1].is_done);
	CHECK_EQ(wake(second + 64, 100, ~0u), 1);
	pass_time();
	CHECK(workers[0].is_done);
}

/* The page under a waiter goes away: only a kick or a kill ends that. */
USER_TEST(futex_waiter_without_memory)
{
	start_all(0);
	uint64_t gone = user_map(1);
	uint32_t zero = 0;

	sim_store(gone, &zero, sizeof(zero));
	start_worker(0, gone, 1, HEL_DEADLINE_NEVER);
	pass_time();
	CHECK_OK(hel_space_unmap(HEL_THIS, gone, 4096));
	pass_time();
	CHECK(!workers[0].is_done);
	CHECK_OK(hel_thread_kick(workers[0].thread));
	pass_time();
	CHECK_EQ(workers[0].result, -ERR_KICKED);
}

TEST_MAIN()

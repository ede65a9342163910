/* SPDX-License-Identifier: MIT */
/* Futexes. */
#include "test.h"

static _Atomic uint32_t word, other_word;
static _Atomic uint32_t n_awake;

static const uint32_t *plain(_Atomic uint32_t *atomic)
{
	return (const uint32_t *)atomic;
}

static void wait_for_word(struct worker *worker)
{
	worker->counter = 1;
	int error = hel_futex_wait(
		plain(&word), 0, HEL_DEADLINE_NEVER, (uint32_t)(uint64_t)worker->argument);

	n_awake++;
	worker->counter = error == 0 ? 2 : (uint32_t)(100 - error);
}

/*
 * Until so many threads wait: woken with a mask that nobody has, they count as nothing; so just
 * give them time.
 */
static bool let_them_wait(struct worker *workers, size_t n_workers)
{
	for (size_t i = 0; i < n_workers; i++) {
		if (!wait_until(&workers[i].counter, 1)) {
			return false;
		}
	}
	for (size_t i = 0; i < n_workers; i++) {
		uint64_t deadline_ns = test_deadline_ms(2000);
		struct hel_thread_stats stats = {};

		while (stats.state != 3) {
			if (hel_thread_stats(workers[i].thread, &stats) != 0 ||
				test_now() > deadline_ns) {
				return false;
			}
			hel_thread_yield();
		}
	}
	return true;
}

TEST(futex_wait_checks_arguments)
{
	word = 5;
	CHECK_EQ(hel_futex_wait(plain(&word), 4, HEL_DEADLINE_NEVER, ~0u), -ERR_RETRY);
	CHECK_EQ(hel_futex_wait(plain(&word), 5, HEL_DEADLINE_NEVER, 0), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_futex_wait((void *)((uint64_t)&word + 1), 5, HEL_DEADLINE_NEVER, ~0u),
		-ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_futex_wait((void *)0x10, 5, HEL_DEADLINE_NEVER, ~0u), -ERR_FAULT);
	CHECK_EQ(hel_futex_wait((void *)0xffff'8000'0000'0000, 5, HEL_DEADLINE_NEVER, ~0u),
		-ERR_FAULT);
	CHECK_EQ(hel_futex_wake((void *)0x10, 1, ~0u, NULL), -ERR_FAULT);
	CHECK_EQ(hel_futex_wake(plain(&word), 1, 0, NULL), -ERR_ILLEGAL_ARGS);
}

TEST(futex_wait_times_out)
{
	uint64_t start_ns = test_now();

	word = 5;
	CHECK_EQ(hel_futex_wait(plain(&word), 5, test_deadline_ms(15), ~0u), -ERR_TIMED_OUT);
	CHECK(test_now() - start_ns >= 15'000'000);
	CHECK_EQ(hel_futex_wait(plain(&word), 5, 1, ~0u), -ERR_TIMED_OUT);
}

TEST(futex_wakes_as_many_as_asked)
{
	struct worker workers[4];
	uint32_t n_woken = 99;

	word = 0;
	n_awake = 0;
	CHECK_EQ(hel_futex_wake(plain(&word), 10, ~0u, &n_woken), 0);
	CHECK_EQ(n_woken, 0);
	for (size_t i = 0; i < ARRAY_SIZE(workers); i++) {
		CHECK(worker_start(&workers[i], wait_for_word, (void *)1));
	}
	CHECK(let_them_wait(workers, ARRAY_SIZE(workers)));
	CHECK_EQ(hel_futex_wake(plain(&word), 10, 2, &n_woken), 0);
	CHECK_EQ(n_woken, 0);
	CHECK_EQ(hel_futex_wake(plain(&word), 3, 3, &n_woken), 0);
	CHECK_EQ(n_woken, 3);
	CHECK(wait_until(&n_awake, 3));
	CHECK_EQ(hel_futex_wake(plain(&word), 3, ~0u, &n_woken), 0);
	CHECK_EQ(n_woken, 1);
	for (size_t i = 0; i < ARRAY_SIZE(workers); i++) {
		CHECK(worker_join(&workers[i]));
		CHECK_EQ(workers[i].counter, 2);
	}
}

TEST(futex_requeues)
{
	struct worker workers[3];
	uint32_t n_threads;

	word = 0;
	n_awake = 0;
	for (size_t i = 0; i < ARRAY_SIZE(workers); i++) {
		CHECK(worker_start(&workers[i], wait_for_word, (void *)~0ull));
	}
	CHECK(let_them_wait(workers, ARRAY_SIZE(workers)));
	CHECK_EQ(hel_futex_requeue(plain(&word), 7, plain(&other_word), 1, 10, &n_threads),
		-ERR_RETRY);
	CHECK_EQ(hel_futex_requeue(plain(&word), 0, plain(&other_word), 1, 10, &n_threads), 0);
	CHECK_EQ(n_threads, 3);
	CHECK(wait_until(&n_awake, 1));
	CHECK_EQ(hel_futex_wake(plain(&word), 10, ~0u, &n_threads), 0);
	CHECK_EQ(n_threads, 0);
	CHECK_EQ(hel_futex_wake(plain(&other_word), 10, ~0u, &n_threads), 0);
	CHECK_EQ(n_threads, 2);
	for (size_t i = 0; i < ARRAY_SIZE(workers); i++) {
		CHECK(worker_join(&workers[i]));
	}
}

TEST(futex_wait_is_kicked)
{
	struct worker worker;

	word = 0;
	CHECK(worker_start(&worker, wait_for_word, (void *)1));
	CHECK(let_them_wait(&worker, 1));
	CHECK_EQ(hel_thread_kick(worker.thread), 0);
	CHECK(worker_join(&worker));
	CHECK_EQ(worker.counter, 100 + ERR_KICKED);
}

static _Atomic uint32_t *shared_word;

static void wait_for_shared_word(struct worker *worker)
{
	worker->counter = 1;
	(void)hel_futex_wait(plain(shared_word), 0, HEL_DEADLINE_NEVER, ~0u);
}

TEST(futex_works_through_two_mappings)
{
	struct hel_map_args args = {
		.space = HEL_THIS, .size_bytes = 4096, .flags = HEL_MAP_READ | HEL_MAP_WRITE
	};
	struct worker worker;
	uint64_t first, second;
	uint32_t n_woken = 0;

	CHECK_EQ(hel_memory_allocate(4096, 0, &args.memory), 0);
	CHECK_EQ(hel_space_map(&args, &first), 0);
	CHECK_EQ(hel_space_map(&args, &second), 0);
	shared_word = (_Atomic uint32_t *)(first + 64);
	CHECK(worker_start(&worker, wait_for_shared_word, NULL));
	CHECK(let_them_wait(&worker, 1));
	CHECK_EQ(hel_futex_wake((const uint32_t *)(second + 60), 1, ~0u, &n_woken), 0);
	CHECK_EQ(n_woken, 0);
	CHECK_EQ(hel_futex_wake((const uint32_t *)(second + 64), 1, ~0u, &n_woken), 0);
	CHECK_EQ(n_woken, 1);
	CHECK(worker_join(&worker));
	unmap_pages(first, 4096);
	unmap_pages(second, 4096);
	hel_close(HEL_THIS, args.memory);
}

/*
 * The page of a waiting thread's word is copied by the fork and the write after it: the wake-up
 * must find it all the same.
 */
TEST(futex_survives_fork)
{
	struct worker worker;
	hel_handle space;
	uint32_t n_woken = 0;

	word = 0;
	CHECK(worker_start(&worker, wait_for_word, (void *)1));
	CHECK(let_them_wait(&worker, 1));
	CHECK_EQ(hel_space_fork(HEL_THIS, HEL_THIS, &space), 0);
	word = 1;
	CHECK_EQ(hel_futex_wake(plain(&word), 1, ~0u, &n_woken), 0);
	CHECK_EQ(n_woken, 1);
	CHECK(worker_join(&worker));
	hel_close(HEL_THIS, space);
}

struct mutex_test {
	_Atomic uint32_t lock; /* 0 free, 1 taken, 2 taken and waited for */
	uint64_t total;
};

static void mutex_acquire(_Atomic uint32_t *lock)
{
	uint32_t value = 0;

	if (atomic_compare_exchange_strong(lock, &value, 1)) {
		return;
	}
	while (atomic_exchange(lock, 2) != 0) {
		(void)hel_futex_wait(plain(lock), 2, HEL_DEADLINE_NEVER, ~0u);
	}
}

static void mutex_release(_Atomic uint32_t *lock)
{
	if (atomic_exchange(lock, 0) == 2) {
		hel_futex_wake(plain(lock), 1, ~0u, NULL);
	}
}

static void add_often(struct worker *worker)
{
	struct mutex_test *test = worker->argument;

	for (unsigned i = 0; i < 3000; i++) {
		mutex_acquire(&test->lock);
		test->total++;
		if (i % 64 == 0) {
			hel_thread_yield();
		}
		mutex_release(&test->lock);
	}
}

TEST(futex_mutex_between_threads)
{
	static struct mutex_test test;
	struct worker workers[6];

	test = (struct mutex_test){};
	for (size_t i = 0; i < ARRAY_SIZE(workers); i++) {
		CHECK(worker_start(&workers[i], add_often, &test));
	}
	for (size_t i = 0; i < ARRAY_SIZE(workers); i++) {
		CHECK(worker_join(&workers[i]));
	}
	CHECK_EQ(test.total, 6 * 3000);
}

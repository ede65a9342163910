/* SPDX-License-Identifier: MIT */
/* Threads: their whole life, and a change from one to the other. */
#include "bench.h"

constexpr uint64_t THREADS = 500;
constexpr uint64_t YIELDS = 2'000;
constexpr uint64_t STACK_BYTES = 16 * 1024;

static NORETURN void end(void)
{
	hel_thread_exit();
}

/* Of higher priority: it begins and ends before hel_thread_start() returns. */
static void create_exit(void)
{
	uint64_t stack = bench_map(STACK_BYTES, HEL_MAP_FORK_COPY);
	struct hel_thread_args args = {
		.universe = HEL_THIS,
		.space = HEL_THIS,
		.ip = (uint64_t)end,
		.sp = stack + STACK_BYTES - 8,
	};
	struct bench_sample sample;

	bench_begin(&sample);
	for (uint64_t i = 0; i < THREADS; i++) {
		hel_handle thread;

		bench_require(hel_thread_create(&args, &thread), "thread_create");
		bench_require(hel_thread_set_priority(thread, 1), "thread_set_priority");
		bench_require(hel_thread_start(thread), "thread_start");
		hel_close(HEL_THIS, thread);
	}
	bench_end(&sample, "thread.create_exit", THREADS);
	bench_unmap(stack, STACK_BYTES);
}

static _Atomic bool is_ending;

static void yield_always(UNUSED void *argument)
{
	while (!atomic_load(&is_ending)) {
		hel_thread_yield();
	}
}

static void yield_pair(void)
{
	struct bench_place place = { .cpu = -1 };
	struct bench_thread other;
	struct bench_sample sample;

	atomic_store(&is_ending, false);
	bench_thread_start(&other, &place, yield_always, NULL);
	hel_thread_yield();
	bench_begin(&sample);
	for (uint64_t i = 0; i < YIELDS; i++) {
		hel_thread_yield();
	}
	bench_end(&sample, "thread.yield_pair", YIELDS);
	atomic_store(&is_ending, true);
	bench_thread_join(&other);
}

void bench_threads(void)
{
	create_exit();
	yield_pair();
}

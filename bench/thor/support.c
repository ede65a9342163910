/* SPDX-License-Identifier: MIT */
/* What the kernel's benchmarks share: figures, queues, memory, threads. See bench.h. */
#include "bench.h"

#include <base/assert.h>

constexpr uint64_t BENCH_STACK = 64 * 1024;
constexpr uint64_t BENCH_LOOP_TURNS = 1000;

/* ---- figures --------------------------------------------------------------------------------- */

void bench_stats(struct hel_kernel_stats *out_stats)
{
	bench_require(hel_kernel_stats(bench_authority, out_stats), "kernel_stats");
}

static uint64_t bench_entries(const struct hel_kernel_stats *stats)
{
	return stats->n_calls + stats->n_interrupts + stats->n_faults;
}

void bench_begin(struct bench_sample *sample)
{
	struct hel_kernel_stats stats;

	bench_stats(&stats);
	sample->n_entries = bench_entries(&stats);
	sample->n_loads = stats.n_space_loads;
	__asm__ volatile("xchg %rcx, %rcx"); /* a mark for tools/profile */
	sample->ticks = bench_ticks();
}

void bench_end(const struct bench_sample *sample, const char *name, uint64_t n_operations)
{
	uint64_t n_ticks = bench_ticks() - sample->ticks;
	struct hel_kernel_stats stats;

	bench_stats(&stats);
	/* The second call for the counters is no part of it. */
	uint64_t n_entries = bench_entries(&stats) - sample->n_entries - 1;
	uint64_t n_loads = stats.n_space_loads - sample->n_loads;
	uint64_t value = n_ticks * 100 / n_operations;
	uint64_t entries = n_entries * 100 / n_operations;
	uint64_t loads = n_loads * 100 / n_operations;

	bench_print("thor-bench: %s %llu.%02u instructions %llu.%02u %llu.%02u", name,
		(unsigned long long)(value / 100), (unsigned)(value % 100),
		(unsigned long long)(entries / 100), (unsigned)(entries % 100),
		(unsigned long long)(loads / 100), (unsigned)(loads % 100));
}

void bench_report(const char *name, uint64_t value_hundredths, const char *unit)
{
	bench_print("thor-bench: %s %llu.%02u %s - -", name,
		(unsigned long long)(value_hundredths / 100), (unsigned)(value_hundredths % 100),
		unit);
}

uint64_t bench_memory_bytes(void)
{
	struct hel_kernel_stats stats;

	bench_stats(&stats);
	return stats.memory_total_bytes - stats.memory_free_bytes;
}

uint64_t bench_loop_ticks(void)
{
	uint64_t start = bench_ticks();

	for (uint64_t i = 0; i < BENCH_LOOP_TURNS; i++) {
		__asm__ volatile("nop; nop; nop; nop; nop; nop; nop; nop; nop; nop; nop; nop; nop");
	}
	return bench_ticks() - start;
}

/* ---- queues ---------------------------------------------------------------------------------- */

void bench_queue_open(struct hel_queue_client *queue)
{
	struct hel_queue_params params = {
		.n_chunks = 4,
		.chunk_size = 16384,
		.submit_size = 8192,
	};
	struct hel_map_args args = {
		.space = HEL_THIS,
		.size_bytes = hel_queue_memory_size(&params),
		.flags = HEL_MAP_READ | HEL_MAP_WRITE,
	};
	uint64_t address;

	bench_require(hel_queue_create(&params, &args.memory), "queue_create");
	bench_require(hel_space_map(&args, &address), "map a queue");
	hel_queue_client_init(queue, args.memory, (void *)address, &params);
}

void bench_queue_close(struct hel_queue_client *queue)
{
	bench_unmap((uint64_t)queue->header, hel_queue_memory_size(&queue->params));
	hel_close(HEL_THIS, queue->handle);
}

void bench_await_event(struct hel_queue_client *queue, hel_handle event, uint64_t sequence)
{
	struct hel_await_event_record *record =
		bench_record(queue, HEL_SUBMIT_AWAIT_EVENT, sizeof(*record));

	record->event = event;
	record->sequence = sequence;
	hel_queue_commit(queue);
}

/* ---- memory and threads ---------------------------------------------------------------------- */

uint64_t bench_map(uint64_t size_bytes, uint32_t flags)
{
	struct hel_map_args args = {
		.space = HEL_THIS,
		.size_bytes = size_bytes,
		.flags = HEL_MAP_READ | HEL_MAP_WRITE | flags,
	};
	uint64_t address;

	if (flags == HEL_MAP_FORK_SHARE) {
		bench_require(hel_memory_allocate(size_bytes, 0, &args.memory), "memory_allocate");
	}
	bench_require(hel_space_map(&args, &address), "space_map");
	if (args.memory != HEL_NULL) {
		hel_close(HEL_THIS, args.memory);
	}
	return address;
}

void bench_unmap(uint64_t address, uint64_t size_bytes)
{
	bench_require(hel_space_unmap(HEL_THIS, address, size_bytes), "space_unmap");
}

void bench_pin(int32_t cpu)
{
	uint64_t mask = cpu < 0 ? ~(uint64_t)0 : (uint64_t)1 << cpu;

	bench_require(hel_thread_set_affinity(HEL_THIS, mask), "thread_set_affinity");
}

void bench_priority(int32_t priority)
{
	bench_require(hel_thread_set_priority(HEL_THIS, priority), "thread_set_priority");
}

static NORETURN void bench_thread_main(struct bench_thread *thread)
{
	/* Its memory may go as soon as it says that it is done. */
	_Atomic uint32_t *is_done = thread->is_done;

	thread->run(thread->argument);
	atomic_store(is_done, 1);
	hel_futex_wake((const uint32_t *)is_done, 1, ~0u, NULL);
	hel_thread_exit();
}

void bench_thread_start(struct bench_thread *thread, const struct bench_place *place,
	void (*run)(void *argument), void *argument)
{
	*thread = (struct bench_thread){
		.run = run,
		.argument = argument,
		.stack = bench_map(BENCH_STACK, HEL_MAP_FORK_COPY),
		.is_done = (_Atomic uint32_t *)bench_map(HEL_PAGE_SIZE, HEL_MAP_FORK_SHARE),
		.space = HEL_NULL,
	};
	struct hel_thread_args args = {
		.universe = HEL_THIS,
		.space = HEL_THIS,
		.ip = (uint64_t)bench_thread_main,
		.sp = thread->stack + BENCH_STACK - 8,
		.argument = (uint64_t)thread,
	};

	if (place->is_in_own_space) {
		bench_require(hel_space_fork(HEL_THIS, HEL_THIS, &thread->space), "space_fork");
		args.space = thread->space;
	}
	bench_require(hel_thread_create(&args, &thread->thread), "thread_create");
	bench_require(hel_thread_set_priority(thread->thread, place->priority), "set_priority");
	if (place->cpu >= 0) {
		bench_require(hel_thread_set_affinity(thread->thread, (uint64_t)1 << place->cpu),
			"thread_set_affinity");
	}
	bench_require(hel_thread_start(thread->thread), "thread_start");
}

void bench_thread_join(struct bench_thread *thread)
{
	while (atomic_load(thread->is_done) == 0) {
		(void)!hel_futex_wait(
			(const uint32_t *)thread->is_done, 0, HEL_DEADLINE_NEVER, ~0u);
	}
	hel_close(HEL_THIS, thread->thread);
	if (thread->space != HEL_NULL) {
		hel_close(HEL_THIS, thread->space);
	}
	bench_unmap(thread->stack, BENCH_STACK);
	bench_unmap((uint64_t)thread->is_done, HEL_PAGE_SIZE);
}

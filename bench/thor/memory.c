/* SPDX-License-Identifier: MIT */
/* Faults, mappings, forks; and how much memory kernel objects take. */
#include "bench.h"

constexpr uint64_t FAULT_PAGES = 2'048;
constexpr uint64_t ROUNDS = 500;
constexpr uint64_t FORK_BYTES = MIB(16);
constexpr uint64_t FORKS = 20;
constexpr uint64_t OBJECTS = 256;
constexpr uint64_t OPERATIONS = 2'048;

static void touch(uint64_t address, uint64_t size_bytes)
{
	for (uint64_t offset = 0; offset < size_bytes; offset += HEL_PAGE_SIZE) {
		*(volatile uint8_t *)(address + offset) = 1;
	}
}

static void faults(void)
{
	uint64_t size_bytes = FAULT_PAGES * HEL_PAGE_SIZE;
	uint64_t address = bench_map(size_bytes, HEL_MAP_FORK_COPY);
	struct bench_sample sample;

	bench_begin(&sample);
	touch(address, size_bytes);
	bench_end(&sample, "fault.anon", FAULT_PAGES);
	bench_unmap(address, size_bytes);
}

/* The same pages by large ones. */
static void large_faults(void)
{
	uint64_t size_bytes = FAULT_PAGES * HEL_PAGE_SIZE;
	uint64_t address = bench_map(size_bytes, HEL_MAP_FORK_COPY | HEL_MAP_LARGE);
	struct bench_sample sample;

	bench_begin(&sample);
	touch(address, size_bytes);
	bench_end(&sample, "fault.large", FAULT_PAGES / 512);
	bench_unmap(address, size_bytes);
}

static void map_unmap(const char *name, uint64_t size_bytes)
{
	struct bench_sample sample;

	bench_begin(&sample);
	for (uint64_t i = 0; i < ROUNDS; i++) {
		bench_unmap(bench_map(size_bytes, HEL_MAP_FORK_COPY), size_bytes);
	}
	bench_end(&sample, name, ROUNDS);
}

static void forks(void)
{
	uint64_t address = bench_map(FORK_BYTES, HEL_MAP_FORK_COPY);
	struct bench_sample sample;

	touch(address, FORK_BYTES);
	bench_begin(&sample);
	for (uint64_t i = 0; i < FORKS; i++) {
		hel_handle space;

		bench_require(hel_space_fork(HEL_THIS, HEL_THIS, &space), "space_fork");
		hel_close(HEL_THIS, space);
	}
	bench_end(&sample, "space.fork_16m", FORKS);
	bench_unmap(address, FORK_BYTES);
}

/* ---- sizes ----------------------------------------------------------------------------------- */

static void report_bytes(const char *name, uint64_t before, uint64_t n_objects)
{
	bench_report(name, (bench_memory_bytes() - before) * 100 / n_objects, "bytes");
}

static void thread_bytes(void)
{
	static hel_handle threads[OBJECTS];
	struct hel_thread_args args = { .universe = HEL_THIS, .space = HEL_THIS };
	uint64_t before = bench_memory_bytes();

	for (uint64_t i = 0; i < OBJECTS; i++) {
		bench_require(hel_thread_create(&args, &threads[i]), "thread_create");
	}
	report_bytes("memory.thread", before, OBJECTS);
	for (uint64_t i = 0; i < OBJECTS; i++) {
		(void)!hel_thread_kill(threads[i]);
		hel_close(HEL_THIS, threads[i]);
	}
}

static void queue_bytes(void)
{
	static hel_handle queues[OBJECTS];
	struct hel_queue_params params = {
		.n_chunks = 1,
		.chunk_size = 4096,
		.submit_size = 512,
	};
	uint64_t before = bench_memory_bytes();

	for (uint64_t i = 0; i < OBJECTS; i++) {
		bench_require(hel_queue_create(&params, &queues[i]), "queue_create");
	}
	report_bytes("memory.queue", before, OBJECTS);
	for (uint64_t i = 0; i < OBJECTS; i++) {
		hel_close(HEL_THIS, queues[i]);
	}
}

static void operation_bytes(void)
{
	struct hel_queue_client queue;
	hel_handle event;

	bench_queue_open(&queue);
	bench_require(hel_event_create(0, &event), "event_create");
	uint64_t before = bench_memory_bytes();

	for (uint64_t i = 0; i < OPERATIONS; i++) {
		bench_await_event(&queue, event, 0);
		if (i % 64 == 63) {
			hel_drive(queue.handle, 0, 0, 0, NULL);
		}
	}
	report_bytes("memory.operation", before, OPERATIONS);
	bench_queue_close(&queue);
	hel_close(HEL_THIS, event);
}

void bench_memory(void)
{
	faults();
	large_faults();
	map_unmap("map_unmap.page", HEL_PAGE_SIZE);
	map_unmap("map_unmap.1g", GIB(1));
	forks();
	thread_bytes();
	queue_bytes();
	operation_bytes();
}

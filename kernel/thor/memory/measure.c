/* SPDX-License-Identifier: MIT */
/*
 * What the memory subsystem costs: `thor.measure` on the command line.
 *
 * Run with `./hati run --icount`, where the clock counts instructions, one nanosecond each: the
 * figures are then instructions per operation, without the entry into the kernel. bench/
 * measures the same from user mode.
 */
#include <thor/memory/measure.h>

#include <thor/cpu.h>
#include <thor/memory/space.h>
#include <thor/panic.h>

constexpr uint64_t MEASURE_ADDRESS = 0x10000000;
constexpr uint64_t MEASURE_FAR = 0x700000000000;
constexpr unsigned MEASURE_ROUNDS = 200;

static uint64_t measure_map(struct space *space, uint64_t address, uint64_t n_pages)
{
	struct hel_map_args args = {
		.address = address,
		.size_bytes = n_pages * FRAME_SIZE,
		.flags = HEL_MAP_READ | HEL_MAP_WRITE | HEL_MAP_FORK_COPY |
			(address != 0 ? HEL_MAP_FIXED : 0),
		.limit_high = MEASURE_FAR,
	};
	int error = space_map(space, NULL, &args, &address);

	ASSERT(error == 0);
	return address;
}

static void measure_reap(void)
{
	while (object_reap(arch_this_cpu(), 1000, arch_clock_ns())) {
	}
}

static void measure_touch(struct space *space, uint64_t address, uint64_t n_pages, uint32_t access)
{
	for (uint64_t i = 0; i < n_pages; i++) {
		int error = space_fault(space, address + i * FRAME_SIZE, access);

		ASSERT(error == 0);
	}
}

static void measure_report(const char *what, uint64_t started_ns, uint64_t n_operations)
{
	klog("measure: %s: %llu ns", what,
		(unsigned long long)((arch_clock_ns() - started_ns) / n_operations));
}

/* Functions of their own, so that a profile can tell them apart. */
#define MEASURE __attribute__((noinline)) static void

MEASURE measure_write_faults(struct space *space)
{
	uint64_t started_ns = arch_clock_ns();

	measure_touch(space, MEASURE_ADDRESS, 1000, SPACE_ACCESS_WRITE);
	measure_report("anonymous fault, write", started_ns, 1000);
}

MEASURE measure_read_faults(struct space *space)
{
	uint64_t started_ns = arch_clock_ns();

	measure_touch(space, MEASURE_ADDRESS + 1000 * FRAME_SIZE, 1000, SPACE_ACCESS_READ);
	measure_report("anonymous fault, read", started_ns, 1000);
	started_ns = arch_clock_ns();
	(void)space_discard(space, MEASURE_ADDRESS, 1000 * FRAME_SIZE);
	measure_report("discard, each page of 1000", started_ns, 1000);
}

MEASURE measure_map_unmap(struct space *space)
{
	uint64_t started_ns = arch_clock_ns();

	for (unsigned i = 0; i < MEASURE_ROUNDS; i++) {
		(void)space_unmap(space, measure_map(space, 0, 16), 16 * FRAME_SIZE);
		measure_reap();
	}
	measure_report("map and unmap 16 pages", started_ns, MEASURE_ROUNDS);
}

MEASURE measure_map_touch_unmap(struct space *space)
{
	uint64_t started_ns = arch_clock_ns();

	for (unsigned i = 0; i < MEASURE_ROUNDS; i++) {
		uint64_t address = measure_map(space, 0, 16);

		measure_touch(space, address, 16, SPACE_ACCESS_WRITE);
		(void)space_unmap(space, address, 16 * FRAME_SIZE);
		measure_reap();
	}
	measure_report("map, touch and unmap 16 pages", started_ns, MEASURE_ROUNDS);
}

MEASURE measure_protect(struct space *space)
{
	measure_touch(space, MEASURE_ADDRESS, 1, SPACE_ACCESS_WRITE);
	uint64_t started_ns = arch_clock_ns();

	for (unsigned i = 0; i < MEASURE_ROUNDS; i++) {
		(void)space_protect(space, MEASURE_ADDRESS, FRAME_SIZE,
			i % 2 == 0 ? HEL_MAP_READ : HEL_MAP_READ | HEL_MAP_WRITE);
	}
	measure_report("protect one page", started_ns, MEASURE_ROUNDS);
}

MEASURE measure_fork(struct space *space, struct space **out_child)
{
	uint64_t started_ns = arch_clock_ns();
	int error = space_fork(space, out_child);

	ASSERT(error == 0);
	measure_report("fork, 12 mappings, 60 pages", started_ns, 1);
}

MEASURE measure_exit(struct space *child)
{
	uint64_t started_ns = arch_clock_ns();

	object_unref(&child->object);
	measure_reap();
	measure_report("exit of the child", started_ns, 1);
}

/* A small process: text, data, heap, stack, a few libraries; 60 private pages present. */
static void measure_process(struct space *space)
{
	struct space *child = NULL;

	for (uint64_t i = 0; i < 12; i++) {
		uint64_t address = measure_map(space, MEASURE_FAR + i * 0x100000, 32);

		measure_touch(space, address, 5, SPACE_ACCESS_WRITE);
	}
	measure_fork(space, &child);
	uint64_t started_ns = arch_clock_ns();

	measure_touch(child, MEASURE_FAR, 4, SPACE_ACCESS_WRITE);
	measure_report("fault, copy after fork", started_ns, 4);
	measure_exit(child);
	started_ns = arch_clock_ns();
	measure_touch(space, MEASURE_FAR, 4, SPACE_ACCESS_WRITE);
	measure_report("fault, last owner", started_ns, 4);
}

static void measure_copies(struct space *space)
{
	uint64_t started_ns = arch_clock_ns();
	uint64_t word = 0;

	for (unsigned i = 0; i < MEASURE_ROUNDS; i++) {
		(void)space_copy_in(space, &word, MEASURE_FAR, sizeof(word));
	}
	measure_report("copy in 8 bytes", started_ns, MEASURE_ROUNDS);
	started_ns = arch_clock_ns();
	for (unsigned i = 0; i < MEASURE_ROUNDS; i++) {
		(void)space_copy_between(
			space, MEASURE_FAR, space, MEASURE_FAR + 0x100000, 4 * FRAME_SIZE);
	}
	measure_report("copy between, 16 KiB", started_ns, MEASURE_ROUNDS);
	started_ns = arch_clock_ns();
	for (unsigned i = 0; i < MEASURE_ROUNDS; i++) {
		heap_free(heap_allocate(100));
	}
	measure_report("heap, 100 bytes", started_ns, MEASURE_ROUNDS);
	started_ns = arch_clock_ns();
	for (unsigned i = 0; i < MEASURE_ROUNDS; i++) {
		frame_unref(frame_allocate());
	}
	measure_report("frame", started_ns, MEASURE_ROUNDS);
}

void memory_measure(void)
{
	struct space *space = NULL;
	int error = space_create(&space);

	ASSERT(error == 0);
	(void)measure_map(space, MEASURE_ADDRESS, 2000);
	measure_write_faults(space);
	measure_read_faults(space);
	measure_map_unmap(space);
	(void)measure_map(space, MEASURE_FAR - 0x10000, 1);
	measure_map_touch_unmap(space);
	measure_protect(space);
	(void)space_unmap(space, MEASURE_ADDRESS, 2000 * FRAME_SIZE);
	measure_process(space);
	measure_copies(space);
	object_unref(&space->object);
	measure_reap();
}

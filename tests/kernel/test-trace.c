/* SPDX-License-Identifier: MIT */
/* The trace: what user mode reads of the kernel's rings while the code is switched on and off. */
#include "test.h"

#include <abi/hel/trace.h>

constexpr uint32_t RING_EVENTS = 1024;
constexpr uint32_t CPUS_MAX = 64;

static struct rings {
	const struct hel_trace_ring *ring[CPUS_MAX];
	uint64_t address[CPUS_MAX];
	uint64_t size_bytes;
	uint32_t n_rings;
} rings;

static const struct hel_trace_event *slot_of(uint32_t cpu, uint64_t index)
{
	const uint8_t *first = (const uint8_t *)rings.ring[cpu] + rings.ring[cpu]->first_offset;

	return (const struct hel_trace_event *)first + index % RING_EVENTS;
}

static bool rings_open(uint32_t mask)
{
	if (hel_trace_control(test_authority, mask, RING_EVENTS, 0) != 0) {
		return false;
	}
	rings = (struct rings){ .n_rings = test_start->n_cpus };
	for (uint32_t cpu = 0; cpu < rings.n_rings; cpu++) {
		struct hel_map_args args = { .space = HEL_THIS, .flags = HEL_MAP_READ };
		struct hel_memory_info info;

		if (hel_trace_ring(test_authority, cpu, &args.memory) != 0 ||
			hel_memory_info(args.memory, &info) != 0) {
			return false;
		}
		args.size_bytes = info.size_bytes;
		rings.size_bytes = info.size_bytes;
		if (hel_space_map(&args, &rings.address[cpu]) != 0) {
			return false;
		}
		hel_close(HEL_THIS, args.memory);
		rings.ring[cpu] = (const void *)rings.address[cpu];
	}
	return true;
}

static void rings_close(void)
{
	(void)!hel_trace_control(test_authority, 0, 0, 0);
	for (uint32_t cpu = 0; cpu < rings.n_rings; cpu++) {
		unmap_pages(rings.address[cpu], rings.size_bytes);
	}
}

/* Events of a kind of all CPUs that are still there, with this first word. */
static uint32_t count_events(enum hel_trace_kind kind, uint64_t word)
{
	uint32_t n_events = 0;

	for (uint32_t cpu = 0; cpu < rings.n_rings; cpu++) {
		for (uint64_t i = 0; i < RING_EVENTS; i++) {
			const struct hel_trace_event *event = slot_of(cpu, i);

			n_events += event->kind == kind && event->words[0] == word;
		}
	}
	return n_events;
}

static uint64_t count_begun(void)
{
	uint64_t n_events = 0;

	for (uint32_t cpu = 0; cpu < rings.n_rings; cpu++) {
		n_events += *(const volatile uint64_t *)&rings.ring[cpu]->n_begun;
	}
	return n_events;
}

TEST(trace_records_calls)
{
	if (test_authority == HEL_NULL) {
		return;
	}
	CHECK(rings_open(HEL_TRACE_CALLS));
	for (unsigned i = 0; i < 10; i++) {
		CHECK_EQ(hel_nop(), 0);
	}
	CHECK_EQ(hel_trace_control(test_authority, 0, RING_EVENTS / 2, 0), 0);
	CHECK_EQ(count_events(HEL_TRACE_CALL, HEL_CALL_nop - HEL_CALL_BASE), 10);
	CHECK_EQ(count_events(HEL_TRACE_CALL_END, HEL_CALL_nop - HEL_CALL_BASE), 10);
	/* Those are other rings: nothing is written into ours any more. */
	uint64_t n_begun = count_begun();

	CHECK_EQ(hel_trace_control(test_authority, HEL_TRACE_ALL, 0, 0), 0);
	CHECK_EQ(hel_nop(), 0);
	CHECK_EQ(count_begun(), n_begun);
	rings_close();
}

TEST(trace_is_silent_when_off)
{
	if (test_authority == HEL_NULL) {
		return;
	}
	CHECK(rings_open(0));
	uint64_t address = map_pages(HEL_PAGE_SIZE);

	*(volatile uint8_t *)address = 1;
	unmap_pages(address, HEL_PAGE_SIZE);
	hel_thread_yield();
	CHECK_EQ(count_begun(), 0);
	rings_close();
}

TEST(trace_cannot_be_written)
{
	struct hel_map_args args = {
		.space = HEL_THIS,
		.size_bytes = HEL_PAGE_SIZE,
		.flags = HEL_MAP_READ | HEL_MAP_WRITE,
	};
	uint64_t address;
	uint8_t byte = 1;

	if (test_authority == HEL_NULL) {
		return;
	}
	CHECK_EQ(hel_trace_control(test_authority, 0, RING_EVENTS, 0), 0);
	CHECK_EQ(hel_trace_ring(test_authority, 0, &args.memory), 0);
	CHECK_EQ(hel_space_map(&args, &address), -ERR_NO_RIGHTS);
	args.flags = HEL_MAP_READ | HEL_MAP_EXECUTE;
	CHECK_EQ(hel_space_map(&args, &address), -ERR_NO_RIGHTS);
	CHECK_EQ(hel_memory_write(args.memory, 0, &byte, 1), -ERR_NO_RIGHTS);
	CHECK_EQ(hel_memory_resize(args.memory, 0), -ERR_NO_RIGHTS);
	CHECK_EQ(hel_close(HEL_THIS, args.memory), 0);
	CHECK_EQ(hel_trace_control(test_authority, 0, 0, 0), 0);
	CHECK_EQ(hel_trace_control(HEL_NULL, 0, 0, 0), -ERR_BAD_HANDLE);
	CHECK_EQ(hel_trace_control(test_log, 0, 0, 0), -ERR_NO_RIGHTS);
	CHECK_EQ(hel_trace_control(test_authority, HEL_TRACE_ALL, 0, 0), -ERR_ILLEGAL_STATE);
	CHECK_EQ(hel_trace_control(test_authority, HEL_TRACE_ALL, 65, 0), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_trace_ring(test_authority, 0, &args.memory), -ERR_ILLEGAL_STATE);
	CHECK_EQ(hel_trace_ring(test_authority, 64, &args.memory), -ERR_OUT_OF_BOUNDS);
}

static void call_until_told(struct worker *worker)
{
	while (atomic_load(&worker->counter) == 0) {
		hel_nop();
		hel_thread_yield();
	}
}

/* Code is rewritten while other CPUs run it. */
TEST(trace_is_switched_under_load)
{
	static struct worker workers[4];

	if (test_authority == HEL_NULL) {
		return;
	}
	CHECK(rings_open(0));
	for (size_t i = 0; i < ARRAY_SIZE(workers); i++) {
		CHECK(worker_start(&workers[i], call_until_told, NULL));
	}
	for (uint32_t i = 0; i < 30; i++) {
		CHECK_EQ(hel_trace_control(test_authority,
				 i % 3 == 0 ? HEL_TRACE_FAULTS : HEL_TRACE_ALL, 0, 0),
			0);
		hel_thread_yield();
	}
	for (size_t i = 0; i < ARRAY_SIZE(workers); i++) {
		atomic_store(&workers[i].counter, 1);
	}
	for (size_t i = 0; i < ARRAY_SIZE(workers); i++) {
		CHECK(worker_join(&workers[i]));
	}
	CHECK(count_begun() > 30);
	for (uint32_t cpu = 0; cpu < rings.n_rings; cpu++) {
		uint64_t n_begun = rings.ring[cpu]->n_begun;

		CHECK_EQ(hel_trace_control(test_authority, 0, 0, 0), 0);
		for (uint64_t i = n_begun > RING_EVENTS ? n_begun - RING_EVENTS : 0; i < n_begun;
			i++) {
			CHECK_EQ(slot_of(cpu, i)->cpu, cpu);
			CHECK(slot_of(cpu, i)->kind != HEL_TRACE_NONE);
		}
	}
	rings_close();
}

/* Samples come by NMI: they see also what runs with interrupts off. */
TEST(trace_samples_user_mode_and_the_kernel)
{
	uint32_t n_user = 0, n_kernel = 0;

	if (test_authority == HEL_NULL) {
		return;
	}
	CHECK(rings_open(0));
	CHECK_EQ(hel_trace_control(test_authority, HEL_TRACE_SAMPLES, 0, 1), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_trace_control(test_authority, 0, 0, 1'000'000), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_trace_control(test_authority, HEL_TRACE_SAMPLES, 0, HEL_TRACE_SAMPLE_NS_MIN),
		0);
	for (uint64_t i = 0; i < 2'000'000 && (n_user == 0 || n_kernel == 0); i++) {
		hel_nop();
		if (i % 1000 != 0) {
			continue;
		}
		for (uint32_t slot = 0; slot < rings.n_rings * RING_EVENTS; slot++) {
			const struct hel_trace_event *event = slot_of(slot / RING_EVENTS, slot);

			if (event->kind == HEL_TRACE_SAMPLE && event->thread != 0) {
				n_user += event->words[0] >> 63 == 0;
				n_kernel += event->words[0] >= 0xffff'ffff'8000'0000;
			}
		}
	}
	CHECK(n_user > 0);
	CHECK(n_kernel > 0);
	rings_close();
}

static uint64_t ticks(void)
{
	uint32_t low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return (uint64_t)high << 32 | low;
}

static uint64_t ticks_per_call(void)
{
	uint64_t start = ticks();

	for (unsigned i = 0; i < 200; i++) {
		hel_nop();
	}
	return (ticks() - start) / 200;
}

/* With --icount a tick is an instruction; else the figure says little, and is not checked. */
TEST(trace_costs_little)
{
	if (test_authority == HEL_NULL) {
		return;
	}
	CHECK(rings_open(0));
	ticks_per_call();
	uint64_t without = ticks_per_call();

	CHECK_EQ(hel_trace_control(test_authority, HEL_TRACE_CALLS, 0, 0), 0);
	ticks_per_call();
	uint64_t with = ticks_per_call();

	native_print("figure: %u ticks a call without trace, %u an event", (unsigned)without,
		(unsigned)((with - without) / 2));
	rings_close();
}

/* SPDX-License-Identifier: MIT */
/* The trace: its rings, what a reader sees of them, and what is written when. */
#include "machine.h"

#include <thor/memory/memory.h>
#include <thor/trace/control.h>
#include <thor/trace/trace.h>

constexpr uint32_t SLOTS = 64;

static int control(uint32_t mask, uint32_t n_events)
{
	int error;

	do {
		error = trace_control(mask, n_events, 0);
	} while (error == THREAD_WAIT_RESTART);
	return error;
}

/* The simulated machine has none. */
static int control_samples(void)
{
	int error;

	do {
		error = trace_control(HEL_TRACE_SAMPLES, SLOTS, HEL_TRACE_SAMPLE_NS_MIN);
	} while (error == THREAD_WAIT_RESTART);
	return error;
}

static const struct hel_trace_ring *ring_of(uint32_t cpu)
{
	return cpu_table[cpu]->trace.ring;
}

static const struct hel_trace_event *slot_of(const struct hel_trace_ring *ring, uint64_t index)
{
	const uint8_t *first = (const uint8_t *)ring + ring->first_offset;

	return (const struct hel_trace_event *)first + index % ring->n_events;
}

/* What a reader concludes: negative: not written yet, 0: there, positive: overwritten. */
static int32_t state_of(const struct hel_trace_ring *ring, uint64_t index)
{
	return (int32_t)(slot_of(ring, index)->sequence - (uint32_t)(index + 1));
}

TEST(trace_refuses_nonsense)
{
	struct memory *memory;

	machine_begin(2, 1);
	CHECK_EQ(trace_control(HEL_TRACE_ALL + 1, SLOTS, 0), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(trace_control(UINT64_C(1) << 32, SLOTS, 0), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(trace_control(HEL_TRACE_ALL, SLOTS + 1, 0), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(trace_control(HEL_TRACE_ALL, HEL_TRACE_EVENTS_MIN / 2, 0), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(trace_control(HEL_TRACE_ALL, HEL_TRACE_EVENTS_MAX * 2, 0), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(trace_control(HEL_TRACE_ALL, 0, 0), -ERR_ILLEGAL_STATE);
	CHECK_EQ(trace_control(HEL_TRACE_SAMPLES, SLOTS, 0), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(trace_control(HEL_TRACE_ALL, SLOTS, 1'000'000), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(trace_control(HEL_TRACE_SAMPLES, SLOTS, HEL_TRACE_SAMPLE_NS_MIN - 1),
		-ERR_ILLEGAL_ARGS);
	CHECK_EQ(trace_control(HEL_TRACE_SAMPLES, SLOTS, HEL_TRACE_SAMPLE_NS_MAX + 1),
		-ERR_ILLEGAL_ARGS);
	CHECK_EQ(control_samples(), -ERR_UNSUPPORTED);
	CHECK_EQ(control(0, 0), 0);
	CHECK_EQ(trace_ring(0, &memory), -ERR_ILLEGAL_STATE);
	CHECK_EQ(trace_ring(2, &memory), -ERR_OUT_OF_BOUNDS);
	CHECK_EQ(control(0, 0), 0);
	CHECK(machine_end());
}

/* One ring a call, so that clearing many is cut into pieces. */
TEST(trace_makes_rings_one_by_one)
{
	machine_begin(3, 1);
	CHECK_EQ(trace_control(0, SLOTS, 0), THREAD_WAIT_RESTART);
	CHECK_EQ(trace_control(0, SLOTS, 0), THREAD_WAIT_RESTART);
	CHECK(ring_of(0) == NULL);
	/* Somebody else wants another size: it begins anew. */
	CHECK_EQ(trace_control(0, 2 * SLOTS, 0), THREAD_WAIT_RESTART);
	CHECK_EQ(trace_control(0, 2 * SLOTS, 0), THREAD_WAIT_RESTART);
	CHECK_EQ(trace_control(0, 2 * SLOTS, 0), 0);
	for (uint32_t cpu = 0; cpu < 3; cpu++) {
		CHECK(ring_of(cpu) != NULL);
		CHECK_EQ(ring_of(cpu)->magic, HEL_TRACE_MAGIC);
		CHECK_EQ(ring_of(cpu)->cpu, cpu);
		CHECK_EQ(ring_of(cpu)->n_events, 2 * SLOTS);
		CHECK_EQ(ring_of(cpu)->event_size, sizeof(struct hel_trace_event));
	}
	CHECK_EQ(control(0, 0), 0);
	CHECK(ring_of(0) == NULL);
	CHECK(machine_end());
}

TEST(trace_fails_without_memory)
{
	machine_begin(2, 1);
	for (uint64_t n = 0; n < 20; n++) {
		fixture_fail_after(n);
		int error = control(HEL_TRACE_ALL, SLOTS);

		fixture_fail_after(~(uint64_t)0);
		CHECK(error == 0 || error == -ERR_NO_MEMORY);
		CHECK_EQ(control(0, 0), 0);
		CHECK(machine_is_clean());
	}
	CHECK(machine_end());
}

TEST(trace_overwrites_the_oldest)
{
	machine_begin(1, 1);
	CHECK_EQ(control(0, SLOTS), 0);
	const struct hel_trace_ring *ring = ring_of(0);

	CHECK(state_of(ring, 0) < 0);
	CHECK(state_of(ring, SLOTS - 1) < 0);
	for (uint64_t i = 0; i < 5 * SLOTS / 2; i++) {
		trace_write(HEL_TRACE_IDLE, i, 2 * i, 3 * i);
		CHECK_EQ(ring->n_begun, i + 1);
		CHECK_EQ(state_of(ring, i), 0);
		CHECK_EQ(slot_of(ring, i)->kind, HEL_TRACE_IDLE);
		CHECK_EQ(slot_of(ring, i)->words[0], i);
		CHECK_EQ(slot_of(ring, i)->words[1], 2 * i);
		CHECK_EQ(slot_of(ring, i)->words[2], 3 * i);
		CHECK(state_of(ring, i + 1) < 0);
		if (i >= SLOTS) {
			CHECK(state_of(ring, i - SLOTS) > 0);
			CHECK_EQ(state_of(ring, i - SLOTS + 1), 0);
		}
	}
	CHECK_EQ(control(0, 0), 0);
	CHECK(machine_end());
}

/* What a reader has mapped stays, with what was written last. */
TEST(trace_memory_outlives_the_trace)
{
	struct memory *memory;
	struct hel_trace_ring ring = {};
	struct hel_trace_event event = {};

	machine_begin(1, 1);
	CHECK_EQ(control(0, SLOTS), 0);
	CHECK_EQ(trace_ring(0, &memory), 0);
	trace_write(HEL_TRACE_IDLE, 5, 6, 7);
	CHECK_EQ(control(0, 0), 0);
	trace_write(HEL_TRACE_IDLE, 8, 9, 10);
	CHECK_OK(memory_read(memory, 0, &ring, sizeof(ring)));
	CHECK_EQ(ring.n_begun, 1);
	CHECK_OK(memory_read(memory, ring.first_offset, &event, sizeof(event)));
	CHECK_EQ(event.words[0], 5);
	object_unref((struct object *)memory);
	CHECK(machine_end());
}

/* ---- what is written */

static uint32_t count_events(enum hel_trace_kind kind)
{
	const struct hel_trace_ring *ring = ring_of(0);
	uint32_t n_events = 0;

	for (uint64_t i = 0; i < ring->n_begun; i++) {
		n_events += state_of(ring, i) == 0 && slot_of(ring, i)->kind == kind;
	}
	return n_events;
}

USER_TEST(trace_needs_rights)
{
	hel_handle ring, weak;

	CHECK_EQ(hel_trace_control(HEL_NULL, 0, SLOTS, 0), -ERR_BAD_HANDLE);
	CHECK_EQ(hel_trace_ring(HEL_NULL, 0, &ring), -ERR_BAD_HANDLE);
	CHECK_OK(hel_transfer(
		HEL_THIS, machine_authority, HEL_THIS, HEL_RIGHT_READ | HEL_RIGHT_WRITE, &weak));
	CHECK_EQ(hel_trace_control(weak, 0, SLOTS, 0), -ERR_NO_RIGHTS);
	CHECK_OK(hel_trace_control(machine_authority, 0, SLOTS, 0));
	CHECK_OK(hel_trace_ring(weak, 0, &ring));
	CHECK_OK(hel_close(HEL_THIS, ring));
	CHECK_OK(hel_close(HEL_THIS, weak));
	CHECK_OK(hel_transfer(HEL_THIS, machine_authority, HEL_THIS, HEL_RIGHT_MANAGE, &weak));
	CHECK_EQ(hel_trace_ring(weak, 0, &ring), -ERR_NO_RIGHTS);
	CHECK_OK(hel_trace_control(weak, 0, 0, 0));
	CHECK_EQ(hel_trace_ring(machine_authority, 0, &ring), -ERR_ILLEGAL_STATE);
	CHECK_EQ(hel_trace_ring(machine_authority, 1, &ring), -ERR_OUT_OF_BOUNDS);
	CHECK_OK(hel_close(HEL_THIS, weak));
}

USER_TEST(trace_shows_only_what_is_on)
{
	uint64_t address = user_map(1);
	uint8_t byte = 1;

	CHECK_OK(hel_trace_control(machine_authority, HEL_TRACE_CALLS, SLOTS, 0));
	CHECK_OK(hel_nop());
	CHECK_EQ(count_events(HEL_TRACE_CALL), 1);
	/* The end of the call that switched it on, too. */
	CHECK_EQ(count_events(HEL_TRACE_CALL_END), 2);
	sim_store(address, &byte, 1);
	CHECK_EQ(count_events(HEL_TRACE_FAULT), 0);
	CHECK_OK(hel_trace_control(machine_authority, HEL_TRACE_FAULTS, 0, 0));
	sim_store(address + 1, &byte, 1);
	CHECK_EQ(count_events(HEL_TRACE_FAULT), 0);
	CHECK_OK(hel_space_discard(HEL_THIS, address, HEL_PAGE_SIZE));
	sim_store(address, &byte, 1);
	CHECK_EQ(count_events(HEL_TRACE_FAULT), 1);
	CHECK_EQ(count_events(HEL_TRACE_FAULT_END), 1);
	CHECK_EQ(count_events(HEL_TRACE_CALL), 2);
	CHECK_OK(hel_trace_control(machine_authority, 0, 0, 0));
	CHECK_OK(hel_space_unmap(HEL_THIS, address, HEL_PAGE_SIZE));
}

static void wait_shortly(UNUSED void *context)
{
	hel_thread_yield();
}

USER_TEST(trace_shows_scheduling_and_messages)
{
	struct user_queue queue;
	struct completion completion;

	CHECK_OK(queue_open(&queue, 2, 4096, 4096));
	CHECK_OK(hel_trace_control(
		machine_authority, HEL_TRACE_SCHEDULING | HEL_TRACE_IPC, 1024, 0));
	hel_handle thread = user_start(wait_shortly, NULL);
	uint64_t context = submit_clock(&queue, sim_time_ns + 1'000'000);

	CHECK(queue_await(&queue, context, &completion));
	CHECK(count_events(HEL_TRACE_SWITCH) >= 2);
	CHECK_EQ(count_events(HEL_TRACE_SUBMIT), 1);
	CHECK_EQ(count_events(HEL_TRACE_COMPLETE), 1);
	CHECK(count_events(HEL_TRACE_WAKE) >= 2);
	CHECK(count_events(HEL_TRACE_LEAVE) >= 2);
	CHECK_EQ(count_events(HEL_TRACE_STOP), 1);
	CHECK(count_events(HEL_TRACE_DRIVE) >= 1);
	CHECK_OK(hel_trace_control(machine_authority, 0, 0, 0));
	CHECK_OK(hel_close(HEL_THIS, thread));
	queue_close(&queue);
}

TEST_MAIN()

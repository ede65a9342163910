/* SPDX-License-Identifier: MIT */
/*
 * Errors that need a certain state: a full universe, no memory, a thread that runs or has ended,
 * ranges that do not fit. Those that follow from the arguments alone are in test-arguments.c; the
 * test hel/complete checks that none is forgotten.
 */
#include "machine.h"

#include <abi/hel/trace.h>

constexpr uint64_t PAGE = HEL_PAGE_SIZE;
constexpr uint64_t AREA = 0x1000'0000;
constexpr uint32_t LINE = 5;

static struct user_queue queue;
static struct completion completion;

/* ---- a caller's universe that takes no more -------------------------------------------------- */

/* What calls that make descriptors are given and give; it has to stand on the program's stack. */
struct given {
	hel_handle memory, dma_space;
	struct hel_queue_params params;
	struct hel_thread_args thread;
	struct hel_stream_lanes lanes;
	struct hel_managed_handles managed;
	struct hel_msi_info message;
	struct hel_grant_handles granted;
};

struct maker {
	uint32_t number;
	uint64_t arguments[6];
};

constexpr uint32_t MAKERS_MAX = 32;

static uint32_t makers_list(struct given *given, struct maker *makers)
{
	const hel_handle authority = machine_authority;
	const struct maker all[] = {
		{ HEL_CALL_transfer, { HEL_THIS, given->memory, HEL_THIS } },
		{ HEL_CALL_universe_create, {} },
		{ HEL_CALL_token_create, {} },
		{ HEL_CALL_memory_allocate, { PAGE } },
		{ HEL_CALL_memory_physical, { authority, GIB(8), PAGE } },
		{ HEL_CALL_memory_copy_on_write, { given->memory, 0, PAGE } },
		{ HEL_CALL_memory_slice, { given->memory, 0, PAGE } },
		{ HEL_CALL_memory_indirect_create, { 1, PAGE, HEL_MAP_READ, 1 } },
		{ HEL_CALL_memory_create_managed, { PAGE, 0, (uint64_t)&given->managed } },
		{ HEL_CALL_memory_create_swap, { authority, PAGE } },
		{ HEL_CALL_space_create, { HEL_THIS } },
		{ HEL_CALL_space_fork, { HEL_THIS, HEL_THIS } },
		{ HEL_CALL_space_lend, { HEL_THIS, PAGE, PAGE } },
		{ HEL_CALL_thread_create, { (uint64_t)&given->thread } },
		{ HEL_CALL_queue_create, { (uint64_t)&given->params } },
		{ HEL_CALL_stream_create, { (uint64_t)&given->lanes } },
		{ HEL_CALL_event_create, {} },
		{ HEL_CALL_clock_page, {} },
		{ HEL_CALL_io_create, { authority, 0x80, 1 } },
		{ HEL_CALL_irq_create_msi, { authority, (uint64_t)&given->message } },
		{ HEL_CALL_irq_create_line, { authority, LINE, HEL_IRQ_LINE_LEVEL } },
		{ HEL_CALL_dma_space_create, {} },
		{ HEL_CALL_dma_space_event, { given->dma_space } },
		{ HEL_CALL_trace_ring, { authority, 0 } },
		{ HEL_CALL_grant_create,
			{ HEL_NULL, given->memory, 0, 0, (uint64_t)&given->granted } },
	};

	static_assert(ARRAY_SIZE(all) <= MAKERS_MAX);
	memcpy(makers, all, sizeof(all));
	return ARRAY_SIZE(all);
}

static bool given_prepare(struct given *given)
{
	*given = (struct given){
		.params = { .n_chunks = 1, .chunk_size = 4096, .submit_size = 512 },
		.thread = {
			.universe = HEL_THIS,
			.space = HEL_THIS,
			.ip = SIM_IP,
		},
	};
	return hel_memory_allocate(PAGE, 0, &given->memory) == 0 &&
		hel_dma_space_create(&given->dma_space) == 0 &&
		hel_trace_control(machine_authority, 1, HEL_TRACE_EVENTS_MIN, 0) == 0;
}

/* Duplicate a descriptor until that fails. */
static int fill_universe(hel_handle handle)
{
	hel_handle copy;
	int error;

	do {
		error = hel_transfer(HEL_THIS, handle, HEL_THIS, 0, &copy);
	} while (error == 0);
	return error;
}

/* All makers fail with @error, which comes back with the first that does not. */
static uint32_t makers_fail(struct given *given, int64_t error)
{
	struct maker makers[MAKERS_MAX];
	uint32_t n_makers = makers_list(given, makers);

	for (uint32_t i = 0; i < n_makers; i++) {
		if (hel_sim_call(makers[i].number, makers[i].arguments).error != error) {
			return makers[i].number;
		}
	}
	return 0;
}

USER_TEST(full_universe_takes_nothing)
{
	struct given given;

	CHECK(given_prepare(&given));
	CHECK_EQ(fill_universe(given.memory), -ERR_NO_SPACE);
	CHECK_EQ(makers_fail(&given, -ERR_NO_SPACE), 0);
	CHECK_OK(hel_trace_control(machine_authority, 0, 0, 0));
}

USER_TEST(no_memory_for_the_table)
{
	struct given given;

	CHECK(given_prepare(&given));
	fixture_fail_after(0);
	CHECK_EQ(fill_universe(given.memory), -ERR_NO_MEMORY);
	CHECK_EQ(makers_fail(&given, -ERR_NO_MEMORY), 0);
	fixture_fail_after(~(uint64_t)0);
	CHECK_OK(hel_trace_control(machine_authority, 0, 0, 0));
}

/* The results of actions that bring a handle to a full universe. */
USER_TEST(full_universe_takes_nothing_from_lanes)
{
	struct hel_stream_lanes lanes;
	struct hel_action offer = OFFER(HEL_ACTION_WANT_LANE);
	struct hel_action accept = ACCEPT(HEL_ACTION_WANT_LANE);
	struct hel_action accept_only = ACCEPT(0);
	struct hel_action push, pull = PULL();
	uint64_t contexts[2];

	CHECK_OK(queue_open(&queue, 4, 4096, 4096));
	CHECK_OK(hel_stream_create(&lanes));
	push = PUSH(lanes.lane[0]);
	CHECK_EQ(fill_universe(lanes.lane[0]), -ERR_NO_SPACE);
	contexts[0] = submit_exchange(&queue, lanes.lane[0], &push, 1);
	contexts[1] = submit_exchange(&queue, lanes.lane[1], &pull, 1);
	CHECK(queue_await(&queue, contexts[0], &completion));
	CHECK_EQ(completion.results[0].error, -ERR_DISMISSED);
	CHECK(queue_await(&queue, contexts[1], &completion));
	CHECK_EQ(completion.results[0].error, -ERR_NO_SPACE);
	contexts[0] = submit_exchange(&queue, lanes.lane[0], &offer, 1);
	contexts[1] = submit_exchange(&queue, lanes.lane[1], &accept, 1);
	CHECK(queue_await(&queue, contexts[0], &completion));
	CHECK_EQ(completion.results[0].error, -ERR_DISMISSED);
	CHECK(queue_await(&queue, contexts[1], &completion));
	CHECK_EQ(completion.results[0].error, -ERR_NO_SPACE);
	contexts[0] = submit_exchange(&queue, lanes.lane[0], &offer, 1);
	contexts[1] = submit_exchange(&queue, lanes.lane[1], &accept_only, 1);
	CHECK(queue_await(&queue, contexts[0], &completion));
	CHECK_EQ(completion.results[0].error, -ERR_NO_SPACE);
	CHECK(queue_await(&queue, contexts[1], &completion));
	CHECK_EQ(completion.results[0].error, 0);
	queue_close(&queue);
}

/* The offerer's table cannot grow when its offer is accepted. */
USER_TEST(no_memory_for_the_handle_of_an_offer)
{
	struct hel_stream_lanes lanes;
	struct hel_action offer = OFFER(HEL_ACTION_WANT_LANE);
	struct hel_action accept = ACCEPT(0);
	bool has_failed = false;

	CHECK_OK(queue_open(&queue, 4, 4096, 4096));
	CHECK_OK(hel_stream_create(&lanes));
	for (uint64_t n_allocations = 0; n_allocations < 8 && !has_failed; n_allocations++) {
		uint64_t context = submit_exchange(&queue, lanes.lane[0], &offer, 1);

		CHECK_OK(queue_drive(&queue));
		fixture_fail_after(0);
		CHECK_EQ(fill_universe(lanes.lane[0]), -ERR_NO_MEMORY);
		uint64_t peer = submit_exchange(&queue, lanes.lane[1], &accept, 1);

		fixture_fail_after(n_allocations);
		(void)queue_drive(&queue);
		fixture_fail_after(~(uint64_t)0);
		CHECK(queue_await(&queue, peer, &completion));
		if (completion.error != 0) {
			submit_cancel(&queue, context);
		}
		CHECK(queue_await(&queue, context, &completion));
		has_failed = completion.results[0].error == -ERR_NO_MEMORY;
	}
	CHECK(has_failed);
	queue_close(&queue);
}

/* ---- memory ---------------------------------------------------------------------------------- */

USER_TEST(memory_that_is_not_there)
{
	hel_handle memory, contiguous, physical, other;
	uint64_t phys;

	CHECK_OK(hel_memory_allocate(4 * PAGE, 0, &memory));
	CHECK_OK(hel_memory_allocate(4 * PAGE, HEL_ALLOCATE_CONTIGUOUS, &contiguous));
	CHECK_EQ(hel_memory_resize(contiguous, 4 * PAGE), -ERR_ILLEGAL_ARGS);
	CHECK_OK(hel_memory_physical(machine_authority, GIB(8), PAGE, 0, &physical));
	CHECK_EQ(hel_memory_copy_on_write(memory, PAGE, 4 * PAGE, &other), -ERR_OUT_OF_BOUNDS);
	CHECK_EQ(hel_memory_copy_on_write(memory, 8 * PAGE, PAGE, &other), -ERR_OUT_OF_BOUNDS);
	CHECK_EQ(hel_memory_resize(physical, PAGE), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_memory_physical(machine_authority, 0, PAGE, 0, &other), -ERR_OUT_OF_BOUNDS);
	CHECK_EQ(hel_memory_pin(contiguous, 0, 0, &phys), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_memory_pin(contiguous, 1, PAGE, &phys), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_memory_pin(contiguous, PAGE, 4 * PAGE, &phys), -ERR_OUT_OF_BOUNDS);
	CHECK_EQ(hel_memory_pin(physical, 0, PAGE, &phys), -ERR_UNSUPPORTED);
	fixture_fail_after(0);
	CHECK_EQ(hel_memory_pin(memory, 0, PAGE, &phys), -ERR_NO_MEMORY);
	CHECK_EQ(hel_memory_physical(machine_authority, GIB(8), PAGE, 0, &other), -ERR_NO_MEMORY);
	fixture_fail_after(~(uint64_t)0);
}

USER_TEST(no_memory_for_locked_pages)
{
	hel_handle memory;
	bool has_failed = false;

	CHECK_OK(queue_open(&queue, 4, 4096, 4096));
	for (uint64_t n_allocations = 0; n_allocations < 8 && !has_failed; n_allocations++) {
		CHECK_OK(hel_memory_allocate(4 * PAGE, 0, &memory));
		uint64_t context = submit_lock(&queue, memory, 0, 4 * PAGE, 0);

		fixture_fail_after(n_allocations);
		(void)queue_drive(&queue);
		fixture_fail_after(~(uint64_t)0);
		CHECK(queue_await(&queue, context, &completion));
		has_failed = completion.error == -ERR_NO_MEMORY;
	}
	CHECK(has_failed);
	queue_close(&queue);
}

/* ---- spaces ---------------------------------------------------------------------------------- */

static int map_fixed(hel_handle memory, uint64_t n_pages, uint32_t flags)
{
	struct hel_map_args args = {
		.space = HEL_THIS,
		.memory = memory,
		.address = AREA,
		.size_bytes = n_pages * PAGE,
		.flags = HEL_MAP_READ | HEL_MAP_WRITE | flags,
	};
	uint64_t address;

	return hel_space_map(&args, &address);
}

USER_TEST(mappings_that_do_not_fit)
{
	struct hel_map_args args = {
		.space = HEL_THIS,
		.size_bytes = 3 * PAGE,
		.flags = HEL_MAP_READ,
		.limit_low = AREA,
		.limit_high = AREA + 2 * PAGE,
	};
	hel_handle memory;
	uint64_t address;

	CHECK_OK(hel_memory_allocate(2 * PAGE, 0, &memory));
	CHECK_EQ(hel_space_map(&args, &address), -ERR_NO_SPACE);
	args.reserved = 1;
	CHECK_EQ(hel_space_map(&args, &address), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(map_fixed(memory, 0, 0), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(map_fixed(memory, 1, 1u << 30), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(map_fixed(memory, 3, HEL_MAP_FIXED), -ERR_OUT_OF_BOUNDS);
	CHECK_OK(map_fixed(memory, 2, HEL_MAP_FIXED));
	CHECK_EQ(map_fixed(memory, 2, HEL_MAP_FIXED_NOREPLACE), -ERR_EXISTS);
	fixture_fail_after(0);
	CHECK_EQ(hel_space_populate(HEL_THIS, AREA, PAGE, 0), -ERR_NO_MEMORY);
	fixture_fail_after(~(uint64_t)0);
	CHECK_OK(hel_memory_resize(memory, PAGE));
	CHECK_EQ(hel_space_populate(HEL_THIS, AREA, 2 * PAGE, 0), -ERR_OUT_OF_BOUNDS);
}

USER_TEST(moves_that_do_not_fit)
{
	hel_handle memory;

	CHECK_OK(hel_memory_allocate(2 * PAGE, 0, &memory));
	CHECK_OK(map_fixed(memory, 2, HEL_MAP_FIXED));
	CHECK_EQ(hel_space_move(HEL_THIS, AREA, 2 * PAGE, AREA, 3 * PAGE), -ERR_OUT_OF_BOUNDS);
	CHECK_EQ(hel_space_move(HEL_THIS, AREA, 3 * PAGE, 2 * AREA, 3 * PAGE), -ERR_NOT_FOUND);
	CHECK_EQ(hel_space_move(HEL_THIS, AREA, PAGE, AREA, 2 * PAGE), -ERR_EXISTS);
	CHECK_EQ(hel_space_discard(HEL_THIS, AREA, 3 * PAGE), -ERR_NOT_FOUND);
	fixture_fail_after(0);
	CHECK_EQ(hel_space_move(HEL_THIS, AREA, PAGE, 2 * AREA, PAGE), -ERR_NO_MEMORY);
	fixture_fail_after(~(uint64_t)0);
	CHECK_OK(hel_space_move(HEL_THIS, AREA, PAGE, 2 * AREA, PAGE));
}

/* Pages that have to be made for a copy, and cannot. */
USER_TEST(no_memory_for_pages)
{
	uint64_t from = user_map(2), to = user_map(2);
	uint32_t count;
	size_t size;

	CHECK(from != 0 && to != 0);
	fixture_fail_after(0);
	CHECK_EQ(hel_space_read(HEL_THIS, from, (void *)to, 16, &size), -ERR_NO_MEMORY);
	CHECK_EQ(hel_space_try_read(HEL_THIS, from, (void *)to, 16, &size), -ERR_NO_MEMORY);
	CHECK_EQ(hel_futex_requeue((const uint32_t *)from, 0, (const uint32_t *)to, 1, 1, &count),
		-ERR_NO_MEMORY);
	fixture_fail_after(~(uint64_t)0);
}

/* ---- threads --------------------------------------------------------------------------------- */

static void endless_main(UNUSED void *context)
{
	for (;;) {
		hel_thread_yield();
	}
}

USER_TEST(threads_in_the_wrong_state)
{
	struct hel_registers registers = {};
	hel_handle stopped, running;

	CHECK_OK(user_create(endless_main, NULL, &stopped));
	running = user_start(endless_main, NULL);
	CHECK(running != HEL_NULL);
	CHECK_EQ(hel_thread_write_registers(running, 0, &registers, sizeof(registers)),
		-ERR_ILLEGAL_STATE);
	CHECK_EQ(hel_thread_set_priority(running, INT32_MAX), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_thread_set_affinity(running, 0), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_thread_set_weight(running, 0), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_thread_set_weight(running, HEL_WEIGHT_MAX + 1), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_thread_step(running), -ERR_ILLEGAL_STATE);
	fixture_fail_after(0);
	CHECK_EQ(hel_thread_write_registers(stopped, 0, &registers, sizeof(registers)),
		-ERR_NO_MEMORY);
	fixture_fail_after(~(uint64_t)0);
	CHECK_OK(queue_open(&queue, 1, 4096, 512));
	CHECK_OK(hel_thread_kill(stopped));
	CHECK_OK(hel_thread_kill(running));
	CHECK(queue_await(&queue, submit_observe(&queue, stopped, 0), &completion));
	queue_close(&queue);
	CHECK_EQ(hel_thread_write_registers(stopped, 0, &registers, sizeof(registers)),
		-ERR_THREAD_TERMINATED);
	CHECK_EQ(hel_thread_step(stopped), -ERR_THREAD_TERMINATED);
}

/* ---- devices --------------------------------------------------------------------------------- */

USER_TEST(ports_that_are_not_there)
{
	hel_handle io;
	uint32_t value;

	CHECK_OK(hel_io_create(machine_authority, 0x80, 4, &io));
	CHECK_EQ(hel_io_read(io, 0, 3, &value), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_io_write(io, 0, 8, 0), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_io_read(io, 4, 1, &value), -ERR_OUT_OF_BOUNDS);
	CHECK_EQ(hel_io_write(io, 2, 4, 0), -ERR_OUT_OF_BOUNDS);
	/* The simulated machine has none at all. */
	CHECK_EQ(hel_io_read(io, 0, 1, &value), -ERR_UNSUPPORTED);
	CHECK_EQ(hel_io_write(io, 0, 4, 0), -ERR_UNSUPPORTED);
}

static void irq_main(UNUSED void *context)
{
	struct hel_msi_info info;
	hel_handle irq, line, other;

	CHECK_OK(hel_irq_create_line(machine_authority, LINE, HEL_IRQ_LINE_LEVEL, &line));
	CHECK_EQ(hel_irq_create_line(machine_authority, LINE, 0, &other), -ERR_BUSY);
	CHECK_EQ(hel_irq_create_line(machine_authority, 9999, 0, &other), -ERR_NOT_FOUND);
	fixture_fail_after(0);
	CHECK_EQ(hel_irq_create_line(machine_authority, LINE, HEL_IRQ_LINE_LEVEL, &other),
		-ERR_NO_MEMORY);
	fixture_fail_after(~(uint64_t)0);
	CHECK_OK(hel_irq_create_msi(machine_authority, &info, &irq));
	CHECK_EQ(hel_irq_set_affinity(irq, 0, &info), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_irq_set_affinity(irq, 4, &info), -ERR_ILLEGAL_ARGS);
	CHECK_OK(hel_irq_set_affinity(irq, 1, &info));
	CHECK_OK(hel_irq_settle(irq));
	CHECK_OK(hel_irq_set_affinity(irq, 2, &info));
	CHECK_EQ(hel_irq_set_affinity(irq, 1, &info), -ERR_BUSY);
	CHECK_OK(hel_irq_settle(irq));
	while (hel_irq_create_msi(machine_authority, &info, &other) == 0) {
		continue;
	}
	CHECK_EQ(hel_irq_set_affinity(irq, 1, &info), -ERR_NO_SPACE);
}

TEST(interrupts_that_cannot_be_moved)
{
	machine_begin(2, 1);
	CHECK(machine_run(irq_main, NULL));
	CHECK(machine_end());
}

USER_TEST(devices_of_no_machine)
{
	struct hel_dma_device device = { .reserved = 1 };
	hel_handle space;

	CHECK_OK(hel_dma_space_create(&space));
	CHECK_EQ(hel_dma_space_attach(machine_authority, space, &device), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_dma_space_detach(machine_authority, space, &device), -ERR_ILLEGAL_ARGS);
}

USER_TEST(traces_that_cannot_be)
{
	hel_handle authority = machine_authority;

	CHECK_EQ(hel_trace_control(authority, 1, 0, 0), -ERR_ILLEGAL_STATE);
	CHECK_EQ(hel_trace_control(authority, HEL_TRACE_SAMPLES, HEL_TRACE_EVENTS_MIN,
			 HEL_TRACE_SAMPLE_NS_MIN),
		-ERR_UNSUPPORTED);
	CHECK_OK(hel_trace_control(authority, 0, 0, 0));
	fixture_fail_after(0);
	CHECK_EQ(hel_trace_control(authority, 1, HEL_TRACE_EVENTS_MIN, 0), -ERR_NO_MEMORY);
	fixture_fail_after(~(uint64_t)0);
}

/* ---- actions --------------------------------------------------------------------------------- */

USER_TEST(segments_on_a_lane_that_ended)
{
	struct hel_stream_lanes lanes;
	struct hel_action send = SEND_SG(0, 0);

	CHECK_OK(queue_open(&queue, 4, 4096, 4096));
	CHECK_OK(hel_stream_create(&lanes));
	CHECK_OK(hel_lane_shutdown(lanes.lane[0]));
	CHECK(queue_await(&queue, submit_exchange(&queue, lanes.lane[0], &send, 1), &completion));
	CHECK_EQ(completion.results[0].error, -ERR_LANE_SHUTDOWN);
	CHECK(queue_await(&queue, submit_exchange(&queue, lanes.lane[1], &send, 1), &completion));
	CHECK_EQ(completion.results[0].error, -ERR_END_OF_LANE);
	queue_close(&queue);
}

USER_TEST(buffers_beyond_the_limit)
{
	struct hel_stream_lanes lanes;
	struct hel_action receive = RECEIVE(0, HEL_ACTION_BYTES_MAX + 1);

	CHECK_OK(queue_open(&queue, 4, 4096, 4096));
	CHECK_OK(hel_stream_create(&lanes));
	CHECK(queue_await(
		&queue, submit_exchange(&queue, lanes.lane[0], &receive, 1), &completion));
	CHECK_EQ(completion.error, -ERR_ILLEGAL_ARGS);
	queue_close(&queue);
}

USER_TEST(rights_that_do_not_exist)
{
	struct hel_stream_lanes lanes;
	struct hel_action push;
	hel_handle token, copy;

	CHECK_OK(queue_open(&queue, 4, 4096, 4096));
	CHECK_OK(hel_stream_create(&lanes));
	CHECK_OK(hel_token_create(&token));
	CHECK_EQ(hel_transfer(HEL_THIS, token, HEL_THIS, HEL_RIGHTS_ALL + 1, &copy),
		-ERR_ILLEGAL_ARGS);
	push = PUSH(token);
	push.length = (uint64_t)1 << 32 | HEL_RIGHT_READ;
	CHECK(queue_await(&queue, submit_exchange(&queue, lanes.lane[0], &push, 1), &completion));
	CHECK_EQ(completion.error, -ERR_ILLEGAL_ARGS);
	queue_close(&queue);
}

USER_TEST(flags_that_mean_nothing)
{
	struct hel_stream_lanes lanes;
	struct hel_action actions[] = { DISMISS(), DISMISS(), OFFER(0), DISMISS() };

	CHECK_OK(queue_open(&queue, 4, 4096, 4096));
	CHECK_OK(hel_stream_create(&lanes));
	actions[0].flags = HEL_ACTION_WANT_LANE;
	actions[1].flags = HEL_ACTION_ANCILLARY;
	actions[2].flags = 4;
	actions[3].reserved = 1;
	for (uint32_t i = 0; i < ARRAY_SIZE(actions); i++) {
		CHECK(queue_await(&queue, submit_exchange(&queue, lanes.lane[0], &actions[i], 1),
			&completion));
		CHECK_EQ(completion.error, -ERR_ILLEGAL_ARGS);
	}
	queue_close(&queue);
}

/* ---- actions of a universe that has ended ---------------------------------------------------- */

static struct {
	hel_handle queue, lane; /* in the other universe */
	uint64_t contexts[3];
} other;

static void other_main(UNUSED void *context)
{
	const struct hel_action actions[] = { PULL(), ACCEPT(HEL_ACTION_WANT_LANE),
		OFFER(HEL_ACTION_WANT_LANE) };

	for (uint32_t i = 0; i < ARRAY_SIZE(actions); i++) {
		other.contexts[i] = submit_exchange(&queue, other.lane, &actions[i], 1);
	}
	hel_drive(other.queue, 0, 0, 0, NULL);
}

/* Let other_main() submit, and everything of it but its actions end. */
static void run_other(hel_handle lane)
{
	struct hel_thread_args args = { .space = HEL_THIS, .ip = SIM_IP };
	hel_handle thread;

	args.tls_base = sim_program_create(other_main, NULL);
	CHECK_OK(hel_universe_create(&args.universe));
	CHECK_OK(hel_transfer(HEL_THIS, queue.client.handle, args.universe, 0, &other.queue));
	CHECK_OK(hel_transfer(HEL_THIS, lane, args.universe, 0, &other.lane));
	CHECK_OK(hel_thread_create(&args, &thread));
	CHECK_OK(hel_thread_start(thread));
	CHECK(queue_await(&queue, submit_observe(&queue, thread, 0), &completion));
	CHECK_OK(hel_close(HEL_THIS, thread));
	CHECK_OK(hel_close(HEL_THIS, args.universe));
	CHECK_OK(hel_thread_yield());
}

USER_TEST(actions_outlive_their_universe)
{
	struct hel_stream_lanes lanes;
	struct hel_action peers[3];

	CHECK_OK(queue_open(&queue, 4, 4096, 4096));
	CHECK_OK(hel_stream_create(&lanes));
	run_other(lanes.lane[1]);
	peers[0] = PUSH(lanes.lane[0]);
	peers[1] = OFFER(0);
	peers[2] = ACCEPT(0);
	for (uint32_t i = 0; i < ARRAY_SIZE(peers); i++) {
		(void)submit_exchange(&queue, lanes.lane[0], &peers[i], 1);
	}
	for (uint32_t i = 0; i < ARRAY_SIZE(peers); i++) {
		CHECK(queue_await(&queue, other.contexts[i], &completion));
		CHECK_OK(completion.error);
		CHECK_EQ(completion.results[0].error, -ERR_ILLEGAL_STATE);
	}
	queue_close(&queue);
}

TEST_MAIN()

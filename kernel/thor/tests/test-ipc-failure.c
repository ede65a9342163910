/* SPDX-License-Identifier: MIT */
/*
 * Allocations that fail: each scenario is played with the first, the second, ... allocation
 * failing, alone and with all behind it, until none is left to fail. Every time all calls end with
 * a defined error, records complete once there is memory again, and nothing is lost.
 */
#include "machine.h"

static struct user_queue queue;
static uint64_t memory; /* four present pages */
static void (*scenario)(void);
static uint64_t n_allocations;
static bool is_only_one;
static bool has_failed;
static const char *failure;

static bool is_defined(int error)
{
	/* A user pointer whose page could not be made present is a fault, says arch.h. */
	return error == 0 || error == -ERR_NO_MEMORY || error == -ERR_FAULT;
}

static void expect(bool is_true, const char *what)
{
	if (!is_true && failure == NULL) {
		failure = what;
	}
}

/* End the scenario when something did not work, as a program would. */
#define TRY(call_) \
	do { \
		int error_ = (call_); \
		expect(is_defined(error_), #call_); \
		if (error_ != 0) { \
			return; \
		} \
	} while (0)

static void restore_memory(void)
{
	has_failed |= fixture_has_failed();
	fixture_fail_after(~(uint64_t)0);
}

static void touch(uint64_t address, uint64_t n_pages)
{
	uint32_t zero = 0;

	for (uint64_t i = 0; i < n_pages; i++) {
		sim_store(address + i * 4096, &zero, sizeof(zero));
	}
}

static void scenario_main(UNUSED void *context)
{
	if (queue_open(&queue, 8, 32768, 8192) != 0) {
		failure = "no queue";
		return;
	}
	memory = user_map(4);
	touch(memory, 4);
	if (is_only_one) {
		fixture_fail_only(n_allocations);
	} else {
		fixture_fail_after(n_allocations);
	}
	scenario();
	restore_memory();
}

static void play(void (*played)(void))
{
	uint64_t n_played = 0;

	scenario = played;
	for (int mode = 0; mode < 2; mode++) {
		is_only_one = mode == 0;
		n_allocations = 0;
		do {
			failure = NULL;
			has_failed = false;
			machine_begin(1, 1);
			CHECK(machine_run(scenario_main, NULL));
			if (failure != NULL) {
				test_fail(__FILE__, __LINE__, "allocation %llu: %s",
					(unsigned long long)n_allocations, failure);
			}
			CHECK(machine_end());
			n_allocations++;
			n_played++;
		} while (has_failed);
	}
	printf("# %llu failures\n", (unsigned long long)n_played - 2);
	CHECK(n_played > 2);
}

#define FAILURE_TEST(name_) \
	static void scenario_##name_(void); \
	TEST(name_##_without_memory) \
	{ \
		play(scenario_##name_); \
	} \
	static void scenario_##name_(void)

/* ---- objects --------------------------------------------------------------------------------- */

FAILURE_TEST(objects)
{
	hel_handle handle;
	struct hel_stream_lanes lanes;

	TRY(hel_universe_create(&handle));
	TRY(hel_token_create(&handle));
	TRY(hel_event_create(1, &handle));
	TRY(hel_stream_create(&lanes));
	TRY(hel_space_create(HEL_THIS, &handle));
	TRY(hel_memory_allocate(65536, 0, &handle));
	TRY(hel_memory_allocate(65536, HEL_ALLOCATE_CONTIGUOUS, &handle));
	TRY(hel_memory_copy_on_write(handle, 0, 65536, &handle));
	TRY(hel_memory_copy_on_write(HEL_NULL, 0, 65536, &handle));
}

FAILURE_TEST(universe_growth)
{
	hel_handle universe, token, there;

	TRY(hel_token_create(&token));
	TRY(hel_universe_create(&universe));
	for (unsigned i = 0; i < 600; i++) {
		TRY(hel_transfer(HEL_THIS, token, universe, 0, &there));
	}
}

FAILURE_TEST(queue)
{
	struct hel_queue_params params = { 16, 4096, 4096, 0 };
	struct hel_map_args args = {
		.space = HEL_THIS,
		.size_bytes = hel_queue_memory_size(&params),
		.flags = HEL_MAP_READ | HEL_MAP_WRITE,
	};
	uint64_t address;

	TRY(hel_queue_create(&params, &args.memory));
	TRY(hel_space_map(&args, &address));
	TRY(hel_space_unmap(HEL_THIS, address, args.size_bytes));
}

FAILURE_TEST(space)
{
	hel_handle child, grandchild;
	uint64_t address = user_map(600);
	const void *bytes = (const void *)memory; /* between spaces: not the program's stack */

	if (address == 0) {
		return;
	}
	for (unsigned i = 0; i < 8; i++) {
		TRY(hel_space_write(HEL_THIS, address + i * 300'000, bytes, 128, NULL));
	}
	TRY(hel_space_protect(HEL_THIS, address + 4096, 4096, HEL_MAP_READ));
	TRY(hel_space_fork(HEL_THIS, HEL_THIS, &child));
	TRY(hel_space_write(child, address + 600'000, bytes, 128, NULL));
	TRY(hel_space_try_write(child, address + 700'000, bytes, 128, NULL));
	TRY(hel_space_fork(child, HEL_THIS, &grandchild));
	TRY(hel_space_discard(HEL_THIS, address, 4096 * 100));
	TRY(hel_space_unmap(HEL_THIS, address + 8192, 4096));
}

FAILURE_TEST(memory)
{
	hel_handle object, view;
	uint8_t bytes[64] = { 1 };

	TRY(hel_memory_allocate(GIB(1), 0, &object));
	for (uint64_t offset = 0; offset < GIB(1); offset += MIB(300)) {
		TRY(hel_memory_write(object, offset, bytes, sizeof(bytes)));
	}
	TRY(hel_memory_copy_on_write(object, MIB(300), MIB(4), &view));
	TRY(hel_memory_write(view, 0, bytes, sizeof(bytes)));
	TRY(hel_memory_read(view, 4096, bytes, sizeof(bytes)));
	TRY(hel_memory_try_write(object, MIB(901), bytes, sizeof(bytes)));
	TRY(hel_memory_try_read(view, 8192, bytes, sizeof(bytes)));
	TRY(hel_memory_resize(object, MIB(1)));
}

/* ---- threads --------------------------------------------------------------------------------- */

static void do_nothing(UNUSED void *context)
{
}

FAILURE_TEST(threads)
{
	hel_handle thread, memory_handle;
	struct hel_bounce bounce = {};
	struct hel_registers registers;
	size_t size;
	struct hel_thread_args args = {
		.universe = HEL_THIS,
		.space = HEL_THIS,
		.bounce_address = 0x60000,
		.bounce = (uint64_t)&bounce,
	};

	TRY(user_create(do_nothing, NULL, &thread));
	int error = hel_thread_read_registers(
		thread, HEL_REGISTERS_GENERAL, &registers, sizeof(registers), &size);

	expect(is_defined(error), "read registers");
	TRY(hel_thread_start(thread));
	TRY(hel_memory_allocate(4096, 0, &args.bounce_page));
	memory_handle = args.bounce_page;
	TRY(hel_thread_create(&args, &thread));
	TRY(hel_close(HEL_THIS, memory_handle));
	TRY(hel_close(HEL_THIS, thread));
}

/* ---- operations ------------------------------------------------------------------------------ */

/* Drive until all records are taken; memory comes back when it has to. */
static void drive_all(void)
{
	while (hel_queue_has_submissions(&queue.client)) {
		int error = queue_drive(&queue);

		expect(error == 0 || error == -ERR_NO_MEMORY, "drive");
		if (error != 0) {
			restore_memory();
			expect(has_failed, "drive failed without a reason");
		}
	}
}

/* The one completion of @context, whatever it says. */
static void await_defined(uint64_t context, struct completion *out_completion)
{
	drive_all();
	if (!queue_await(&queue, context, out_completion)) {
		expect(false, "a record did not complete");
		*out_completion = (struct completion){ .error = -ERR_NO_MEMORY };
	}
	expect(is_defined(out_completion->error), "a completion's error");
	expect(out_completion->context == context, "another completion");
}

static void check_results(const struct completion *completion)
{
	for (uint32_t i = 0; i < completion->n_results; i++) {
		int error = completion->results[i].error;

		/* When one side cannot, the other is dismissed; what hangs on it finds no lane. */
		expect(is_defined(error) || error == -ERR_DISMISSED || error == -ERR_END_OF_LANE ||
				error == -ERR_LANE_SHUTDOWN || error == -ERR_CANCELLED,
			"an action's error");
	}
}

/* Both sides; what is still pending because the peer was refused is cancelled. */
static void exchange_both(const struct hel_stream_lanes *lanes, const struct hel_action *a,
	uint32_t n_a, const struct hel_action *b, uint32_t n_b)
{
	struct completion left, right;
	uint64_t context_a = submit_exchange(&queue, lanes->lane[0], a, n_a);
	uint64_t context_b = submit_exchange(&queue, lanes->lane[1], b, n_b);

	drive_all();
	/* Contexts are numbers in order: cancelling takes one, so the next ones move on. */
	submit_cancel(&queue, context_a);
	submit_cancel(&queue, context_b);
	await_defined(context_a, &left);
	await_defined(context_b, &right);
	check_results(&left);
	check_results(&right);
	expect(queue_is_quiet(&queue), "more completions than records");
}

FAILURE_TEST(operations)
{
	struct completion completion;
	hel_handle event, thread;
	uint64_t context;

	TRY(hel_event_create(0, &event));
	TRY(user_create(do_nothing, NULL, &thread));
	await_defined(submit_nop(&queue), &completion);
	context = submit_event(&queue, event, 0);
	drive_all();
	hel_event_raise(event, 1);
	await_defined(context, &completion);
	await_defined(submit_clock(&queue, sim_time_ns + 1000), &completion);
	context = submit_observe(&queue, thread, 0);
	drive_all();
	(void)hel_thread_kill(thread);
	await_defined(context, &completion);
	(void)submit_event(&queue, HEL_NULL, 0);
	drive_all();
	expect(queue_take(&queue, &completion), "a refusal did not complete");
	expect(completion.error == -ERR_BAD_HANDLE, "a bad handle");
}

/* One question and its answer; whether the server goes on. */
static bool converse(uint64_t server, hel_handle lane)
{
	struct hel_action ask[3] = {
		OFFER(0),
		ancillary(SEND(memory, 8)),
		ancillary(RECEIVE_INLINE(8)),
	};
	struct hel_action answer = SEND(memory, 8);
	struct completion completion;
	uint64_t client = submit_exchange(&queue, lane, ask, ARRAY_SIZE(ask));
	bool goes_on = true;

	drive_all();
	if (queue_await(&queue, server, &completion)) {
		check_results(&completion);
		goes_on = completion.has_more;
		if (goes_on && completion.results[0].error == 0) {
			(void)submit_exchange_with(&queue, completion.results[0].value, &answer, 1,
				HEL_EXCHANGE_CLOSE_LANE | HEL_EXCHANGE_QUIET);
			drive_all();
		}
	}
	submit_cancel(&queue, client);
	await_defined(client, &completion);
	check_results(&completion);
	return goes_on;
}

/* The first time asks are exchanges like all others, then what that has left is used again. */
FAILURE_TEST(conversations_with_who_repeats)
{
	struct hel_action serve[2] = {
		ACCEPT(HEL_ACTION_WANT_LANE),
		ancillary(RECEIVE_INLINE(8)),
	};
	struct hel_stream_lanes lanes;
	struct completion completion = { .has_more = true };
	bool goes_on = true;

	TRY(hel_stream_create(&lanes));
	uint64_t server = submit_exchange_with(
		&queue, lanes.lane[1], serve, ARRAY_SIZE(serve), HEL_EXCHANGE_REPEAT);

	drive_all();
	for (unsigned i = 0; i < 3 && goes_on; i++) {
		goes_on = converse(server, lanes.lane[0]);
	}
	submit_cancel(&queue, server);
	while (goes_on && completion.has_more) {
		await_defined(server, &completion);
	}
}

FAILURE_TEST(messages)
{
	struct hel_stream_lanes lanes;
	struct hel_sg segments[2] = { { memory, 4000 }, { memory + 4096, 96 } };
	uint64_t fresh = user_map(4); /* pages that are made by the copy */

	TRY(hel_stream_create(&lanes));
	sim_store(memory + 8192, segments, sizeof(segments));
	struct hel_action sends[5] = { SEND(memory, 10), SEND(memory, 4096),
		SEND_SG(memory + 8192, 2), SEND(memory, 90), SEND(fresh + 4096, 5000) };
	struct hel_action receives[5] = { RECEIVE_INLINE(96), RECEIVE_INLINE(4096),
		RECEIVE_INLINE(4096), RECEIVE_INLINE(96), RECEIVE(fresh + 100, 8000) };

	exchange_both(&lanes, sends, 5, receives, 5);
	exchange_both(&lanes, receives, 5, sends, 5);
}

FAILURE_TEST(descriptors_and_conversations)
{
	struct hel_stream_lanes lanes;
	hel_handle event, full[70];

	TRY(hel_stream_create(&lanes));
	TRY(hel_event_create(0, &event));
	/* The universe has to grow for what comes in. */
	for (unsigned i = 0; i < 55; i++) {
		TRY(hel_transfer(HEL_THIS, event, HEL_THIS, 0, &full[i]));
	}
	struct hel_action client[7] = { OFFER(HEL_ACTION_WANT_LANE), ancillary(SEND(memory, 200)),
		ancillary(PUSH(event)), ancillary(OFFER(HEL_ACTION_WANT_LANE)),
		ancillary(IMBUE(HEL_THIS)), PUSH(lanes.lane[0]), PUSH(event) };
	struct hel_action server[7] = { ACCEPT(HEL_ACTION_WANT_LANE),
		ancillary(RECEIVE_INLINE(200)), ancillary(PULL()),
		ancillary(ACCEPT(HEL_ACTION_WANT_LANE)), ancillary(EXTRACT()), PULL(), PULL() };

	for (unsigned i = 0; i < 3; i++) {
		exchange_both(&lanes, client, 7, server, 7);
		exchange_both(&lanes, server, 7, client, 7);
	}
}

FAILURE_TEST(interrupts)
{
	struct hel_msi_info info;
	hel_handle irq;
	struct completion completion;

	TRY(hel_irq_create_msi(machine_authority, &info, &irq));
	uint64_t context = submit_event(&queue, irq, 0);

	drive_all();
	sim_raise_vector(0, info.data);
	await_defined(context, &completion);
	TRY(hel_irq_acknowledge(irq, HEL_IRQ_ACK, 1));
}

TEST_MAIN()

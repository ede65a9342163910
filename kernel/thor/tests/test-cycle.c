/* SPDX-License-Identifier: MIT */
/*
 * Cycles of descriptors. Each case leaves some behind, and at its end the machine has to be clean:
 * no objects, no threads, and the accounts as they were before.
 */
#include "machine.h"

static struct user_queue queue;
static struct completion completion;

static hel_handle make_universe(void)
{
	hel_handle universe;

	return hel_universe_create(&universe) == 0 ? universe : HEL_NULL;
}

static int give(hel_handle handle, hel_handle universe)
{
	hel_handle ignored;

	return hel_transfer(HEL_THIS, handle, universe, 0, &ignored);
}

static struct hel_stream_lanes make_stream(void)
{
	struct hel_stream_lanes lanes = {};

	return hel_stream_create(&lanes) == 0 ? lanes : (struct hel_stream_lanes){};
}

/* ---- threads --------------------------------------------------------------------------------- */

static void idle_main(UNUSED void *context)
{
}

/* A thread that was never started, in the universe that it would run in. */
static int make_thread_in(hel_handle universe, hel_handle *out_thread)
{
	struct hel_thread_args args = {
		.universe = universe,
		.space = HEL_THIS,
		.ip = SIM_IP,
	};
	int error = hel_thread_create(&args, out_thread);

	return error != 0 ? error : give(*out_thread, universe);
}

USER_TEST(a_thread_in_its_own_universe)
{
	hel_handle universe = make_universe(), thread;

	CHECK_OK(make_thread_in(universe, &thread));
	CHECK_OK(hel_close(HEL_THIS, thread));
	CHECK_OK(hel_close(HEL_THIS, universe));
}

USER_TEST(a_thread_whose_universe_is_closed_first)
{
	hel_handle universe = make_universe(), thread;

	CHECK_OK(make_thread_in(universe, &thread));
	CHECK_OK(hel_close(HEL_THIS, universe));
	CHECK_OK(hel_close(HEL_THIS, thread));
}

USER_TEST(two_threads_in_two_universes)
{
	hel_handle universes[2] = { make_universe(), make_universe() }, threads[2];

	for (int i = 0; i < 2; i++) {
		CHECK_OK(make_thread_in(universes[i], &threads[i]));
		CHECK_OK(give(universes[1 - i], universes[i]));
	}
	for (int i = 0; i < 2; i++) {
		CHECK_OK(hel_close(HEL_THIS, threads[i]));
		CHECK_OK(hel_close(HEL_THIS, universes[i]));
	}
}

/* A thread that runs keeps its universe, and can do so for ever. */
USER_TEST(a_thread_that_runs)
{
	hel_handle thread;

	CHECK_OK(user_create(idle_main, NULL, &thread));
	CHECK_OK(give(thread, HEL_THIS));
	CHECK_OK(hel_thread_start(thread));
	CHECK_OK(hel_close(HEL_THIS, thread));
	CHECK_OK(hel_thread_yield());
}

/* ---- universes ------------------------------------------------------------------------------- */

constexpr uint32_t RING = 50;

/* Universes of which each holds the next, and the last the first. */
static void make_ring(hel_handle *universes, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		universes[i] = make_universe();
	}
	for (uint32_t i = 0; i < n; i++) {
		CHECK_OK(give(universes[(i + 1) % n], universes[i]));
	}
}

static void close_all(const hel_handle *handles, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		CHECK_OK(hel_close(HEL_THIS, handles[i]));
	}
}

USER_TEST(universes_that_hold_each_other)
{
	hel_handle universes[2];

	make_ring(universes, 2);
	close_all(universes, 2);
}

USER_TEST(a_ring_of_universes)
{
	hel_handle universes[RING];

	make_ring(universes, RING);
	close_all(universes, RING);
}

/* What garbage holds ends like everything that nobody has any more. */
USER_TEST(lanes_in_a_ring_end)
{
	struct hel_stream_lanes lanes = make_stream();
	struct hel_action receive = RECEIVE_INLINE(8);
	hel_handle universes[3];

	CHECK_OK(queue_open(&queue, 4, 4096, 4096));
	make_ring(universes, 3);
	CHECK_OK(give(lanes.lane[1], universes[1]));
	CHECK_OK(hel_close(HEL_THIS, lanes.lane[1]));
	uint64_t context = submit_exchange(&queue, lanes.lane[0], &receive, 1);

	CHECK_OK(queue_drive(&queue));
	close_all(universes, 3);
	CHECK(queue_await(&queue, context, &completion));
	CHECK_EQ(completion.results[0].error, -ERR_END_OF_LANE);
	queue_close(&queue);
}

/* As long as one is held from outside all are there. */
USER_TEST(a_ring_with_a_holder)
{
	hel_handle universes[RING], token;
	struct hel_descriptor_info info;

	CHECK_OK(hel_token_create(&token));
	make_ring(universes, RING);
	for (uint32_t i = 0; i < RING; i++) {
		CHECK_OK(give(token, universes[i]));
	}
	close_all(universes, RING - 1);
	CHECK_OK(hel_nop());
	/* Walk around: the first descriptor of each is the next universe. */
	hel_handle at = universes[RING - 1];

	for (uint32_t i = 0; i < RING; i++) {
		hel_handle next;

		CHECK_OK(hel_descriptor_info(at, (uint64_t)1 << 32 | 1, &info));
		CHECK_EQ(info.type, HEL_TYPE_TOKEN);
		CHECK_OK(hel_transfer(at, (uint64_t)1 << 32, HEL_THIS, 0, &next));
		CHECK_OK(hel_close(HEL_THIS, at));
		at = next;
	}
	CHECK_OK(hel_close(HEL_THIS, at));
}

/* ---- queues and lanes ------------------------------------------------------------------------ */

/* A queue that nobody has mapped, driven by a copy of its memory. */
static uint64_t push_on(hel_handle lane, const hel_handle *handles, uint32_t n)
{
	struct hel_action push[4];

	for (uint32_t i = 0; i < n; i++) {
		push[i] = PUSH(handles[i]);
	}
	return submit_exchange(&queue, lane, push, n);
}

USER_TEST(a_queue_and_both_lanes_on_a_lane)
{
	struct hel_stream_lanes lanes = make_stream();

	CHECK_OK(queue_open(&queue, 4, 4096, 4096));
	const hel_handle handles[3] = { queue.client.handle, lanes.lane[0], lanes.lane[1] };

	(void)push_on(lanes.lane[0], handles, 3);
	CHECK_OK(queue_drive(&queue));
	CHECK_OK(hel_close(HEL_THIS, lanes.lane[0]));
	CHECK_OK(hel_close(HEL_THIS, lanes.lane[1]));
	queue_close(&queue);
}

USER_TEST(two_streams_that_carry_each_other)
{
	struct hel_stream_lanes one = make_stream(), other = make_stream();

	CHECK_OK(queue_open(&queue, 4, 4096, 4096));
	const hel_handle first[3] = { queue.client.handle, other.lane[0], other.lane[1] };
	const hel_handle second[2] = { one.lane[0], one.lane[1] };

	(void)push_on(one.lane[1], first, 3);
	(void)push_on(other.lane[0], second, 2);
	CHECK_OK(queue_drive(&queue));
	close_all(first + 1, 2);
	close_all(second, 2);
	queue_close(&queue);
}

/* A universe that waits on a lane that is in it. */
USER_TEST(a_universe_on_its_own_lane)
{
	struct hel_stream_lanes lanes = make_stream();
	hel_handle universe = make_universe();

	CHECK_OK(queue_open(&queue, 4, 4096, 4096));
	const hel_handle handles[2] = { universe, queue.client.handle };

	CHECK_OK(give(lanes.lane[0], universe));
	CHECK_OK(give(lanes.lane[1], universe));
	CHECK_OK(give(queue.client.handle, universe));
	(void)push_on(lanes.lane[0], handles, 2);
	CHECK_OK(queue_drive(&queue));
	CHECK_OK(hel_close(HEL_THIS, lanes.lane[0]));
	CHECK_OK(hel_close(HEL_THIS, lanes.lane[1]));
	CHECK_OK(hel_close(HEL_THIS, universe));
	queue_close(&queue);
}

/* The queue is not in the cycle, so its owner can end it; and the peer can pull. */
USER_TEST(carried_lanes_that_can_be_reached)
{
	struct hel_stream_lanes lanes = make_stream();
	struct hel_action pull = PULL();

	CHECK_OK(queue_open(&queue, 4, 4096, 4096));
	uint64_t context = push_on(lanes.lane[0], lanes.lane, 2);

	CHECK_OK(queue_drive(&queue));
	CHECK_OK(hel_close(HEL_THIS, lanes.lane[0]));
	CHECK_OK(hel_nop());
	uint64_t pulled = submit_exchange(&queue, lanes.lane[1], &pull, 1);

	CHECK(queue_await(&queue, pulled, &completion));
	CHECK_EQ(completion.results[0].error, 0);
	CHECK_OK(hel_close(HEL_THIS, completion.results[0].value));
	CHECK_OK(hel_close(HEL_THIS, lanes.lane[1]));
	CHECK_OK(hel_nop());
	submit_cancel(&queue, context);
	CHECK(queue_await(&queue, context, &completion));
	CHECK_EQ(completion.results[0].error, 0);
	CHECK_EQ(completion.results[1].error, -ERR_CANCELLED);
	queue_close(&queue);
}

/* Its queue keeps a lane, also if it has too many operations to name it. */
USER_TEST(lanes_of_a_queue_with_many_operations)
{
	constexpr uint32_t n_others = 300;
	constexpr uint64_t context = 1 << 20;
	struct hel_stream_lanes lanes = make_stream();
	struct hel_action push[2] = { PUSH(lanes.lane[0]), PUSH(lanes.lane[1]) };

	CHECK_OK(queue_open(&queue, 8, 4096, 65536));
	for (uint32_t i = 0; i < n_others; i++) {
		struct hel_await_clock_record *record =
			queue_record(&queue, HEL_SUBMIT_AWAIT_CLOCK, sizeof(*record));

		record->header.context = context;
		record->deadline_ns = sim_time_ns + 1'000'000'000;
		hel_queue_commit(&queue.client);
	}
	queue.next_context = context;
	CHECK_EQ(submit_exchange(&queue, lanes.lane[0], push, 2), context);
	CHECK_OK(queue_drive(&queue));
	close_all(lanes.lane, 2);
	sim_compute(100'000'000);
	/* What was condemned would have ended with another error. */
	submit_cancel(&queue, context);
	for (uint32_t i = 0; i < n_others + 1; i++) {
		CHECK(queue_await(&queue, context, &completion));
		CHECK_EQ(completion.opcode == HEL_SUBMIT_EXCHANGE ? completion.results[0].error
								  : completion.error,
			-ERR_CANCELLED);
	}
	queue_close(&queue);
}

/* ---- at random ------------------------------------------------------------------------------- */

/*
 * Threads move universes from one to the other, and close what they have. Some are pinned, by a
 * descriptor that nobody closes; with a token in each, which has to be there whatever cycles they
 * are part of.
 */
constexpr uint32_t PINNED = 3;
constexpr uint32_t SHARED = 6;
constexpr hel_handle FIRST = (uint64_t)1 << 32;

static struct random random_state;
static hel_handle pinned[PINNED];
static hel_handle shared[SHARED]; /* each thread takes what it finds */
static uint32_t n_walkers;
static bool has_failed;

static void check_pinned(void)
{
	struct hel_descriptor_info info;

	for (uint32_t i = 0; i < PINNED; i++) {
		has_failed |= hel_descriptor_info(pinned[i], FIRST, &info) != 0 ||
			info.type != HEL_TYPE_TOKEN;
	}
}

static uint32_t any_shared(void)
{
	return (uint32_t)random_below(&random_state, SHARED);
}

static void walk(void)
{
	hel_handle pin = pinned[random_below(&random_state, PINNED)];
	hel_handle *place = &shared[any_shared()];
	hel_handle taken;

	switch (random_below(&random_state, 6)) {
	case 0: *place = make_universe(); break;
	case 1:
		if (hel_transfer(HEL_THIS, pin, HEL_THIS, 0, &taken) == 0) {
			*place = taken;
		}
		break;
	case 2: (void)!give(shared[any_shared()], shared[any_shared()]); break;
	case 3: (void)!give(shared[any_shared()], pin); break;
	case 4:
		/* Out of one: what was put there among the first. */
		if (hel_transfer(shared[any_shared()], FIRST | (1 + random_below(&random_state, 3)),
			    HEL_THIS, 0, &taken) == 0) {
			*place = taken;
		}
		break;
	default: (void)!hel_close(HEL_THIS, *place); break;
	}
}

static void walker_main(UNUSED void *context)
{
	for (uint32_t i = 0; i < 400 && !has_failed; i++) {
		walk();
	}
	n_walkers--;
}

static bool pin_all(void)
{
	hel_handle token;
	bool is_done = hel_token_create(&token) == 0;

	for (uint32_t i = 0; i < PINNED; i++) {
		pinned[i] = make_universe();
		is_done = is_done && give(token, pinned[i]) == 0;
	}
	return is_done && hel_close(HEL_THIS, token) == 0;
}

static void walkers_main(UNUSED void *context)
{
	n_walkers = 2;
	memset(shared, 0, sizeof(shared));
	CHECK(pin_all());
	for (uint32_t i = 0; i < 2; i++) {
		CHECK(user_start(walker_main, NULL) != HEL_NULL);
	}
	while (n_walkers > 0 && !has_failed) {
		check_pinned();
		sim_compute(random_below(&random_state, 300));
	}
	check_pinned();
	CHECK(!has_failed);
}

TEST(living_universes_keep_what_they_have)
{
	uint64_t seed = test_seed(1);

	for (uint32_t round = 0; round < 10; round++) {
		has_failed = false;
		random_init(&random_state, seed + round);
		machine_begin(3, seed + round);
		sim_interleave(2u << round % 8);
		CHECK(machine_run(walkers_main, NULL));
		CHECK(machine_end());
	}
}

/* ---- what a queue keeps for the next exchange ------------------------------------------------ */

static bool has_exchanged;

/* Leaves a queue behind that keeps an exchange, which has a reference to this universe. */
static void exchange_main(UNUSED void *context)
{
	struct hel_stream_lanes lanes = make_stream();
	struct hel_action dismiss = DISMISS();

	CHECK_OK(queue_open(&queue, 4, 4096, 4096));
	for (uint32_t i = 0; i < 2; i++) {
		(void)submit_exchange(&queue, lanes.lane[i], &dismiss, 1);
	}
	CHECK_OK(queue_drive(&queue));
	CHECK_OK(hel_space_unmap(HEL_THIS, queue.address, queue.size_bytes));
	has_exchanged = true;
}

USER_TEST(a_queue_that_keeps_an_exchange_of_its_universe)
{
	hel_handle universes[2], thread;

	make_ring(universes, 2);
	struct hel_thread_args args = {
		.universe = universes[0],
		.space = HEL_THIS,
		.ip = SIM_IP,
		.tls_base = sim_program_create(exchange_main, NULL),
	};

	has_exchanged = false;
	CHECK_OK(hel_thread_create(&args, &thread));
	CHECK_OK(hel_thread_start(thread));
	for (uint32_t i = 0; i < 1000 && !has_exchanged; i++) {
		sim_compute(10'000);
	}
	CHECK(has_exchanged);
	CHECK_OK(hel_close(HEL_THIS, thread));
	close_all(universes, 2);
}

TEST_MAIN()

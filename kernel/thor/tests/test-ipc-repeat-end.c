/* SPDX-License-Identifier: MIT */
/* Exchanges that repeat: how they stall, and how they end, in each of their states. */
#include "repeat.h"

constexpr uint32_t MESSAGE_ELEMENT = 24 + 16 + 8; /* of a message of up to 8 bytes */
constexpr uint32_t MESSAGES_IN_CHUNK = (1024 - 8) / MESSAGE_ELEMENT;

/* ---- no chunk -------------------------------------------------------------------------------- */

/* Messages 0 … @n_messages - 1, with one chunk: some are written, one stalls, the others wait. */
static uint64_t listen_and_send(uint32_t n_messages)
{
	uint64_t context = repeat_one(RECEIVE_INLINE(8));

	for (uint64_t i = 0; i < n_messages; i++) {
		send_quietly(i);
	}
	CHECK(queue_is_quiet(&client));
	return context;
}

USER_TEST(peers_wait_for_a_chunk_in_order)
{
	constexpr uint32_t n_messages = 3 * MESSAGES_IN_CHUNK + 1;

	open_with(1, 1024);
	uint64_t context = listen_and_send(n_messages);

	for (uint64_t i = 0; i < n_messages; i++) {
		check_number(context, i);
	}
	CHECK(queue_is_quiet(&server));
	send_quietly(77);
	check_number(context, 77);
	end_by_cancel(context);
	close_all();
}

USER_TEST(a_cancel_while_an_element_stalls)
{
	open_with(1, 1024);
	uint64_t context = listen_and_send(MESSAGES_IN_CHUNK + 3);

	cancel_server(context);
	/* The one that stalls is taken, the two behind it are not. */
	for (uint64_t i = 0; i <= MESSAGES_IN_CHUNK; i++) {
		check_number(context, i);
	}
	CHECK_EQ(await_last(context), -ERR_CANCELLED);
	CHECK_EQ(completion.results[0].inline_size, 0);
	context = repeat_one(RECEIVE_INLINE(8));
	check_number(context, MESSAGES_IN_CHUNK + 1);
	check_number(context, MESSAGES_IN_CHUNK + 2);
	end_by_cancel(context);
	close_all();
}

static void check_end_while_stalled(bool is_client, bool is_shutdown, int error)
{
	open_with(1, 1024);
	uint64_t context = listen_and_send(MESSAGES_IN_CHUNK + 1);
	hel_handle lane = lanes.lane[is_client ? 0 : 1];

	if (is_shutdown) {
		CHECK_OK(hel_lane_shutdown(lane));
	} else {
		CHECK_OK(hel_close(HEL_THIS, lane));
	}
	for (uint64_t i = 0; i <= MESSAGES_IN_CHUNK; i++) {
		check_number(context, i);
	}
	CHECK_EQ(await_last(context), error);
	close_all();
}

USER_TEST(a_lane_ends_while_an_element_stalls)
{
	check_end_while_stalled(true, false, -ERR_END_OF_LANE);
	check_end_while_stalled(true, true, -ERR_END_OF_LANE);
	check_end_while_stalled(false, true, -ERR_LANE_SHUTDOWN);
	check_end_while_stalled(false, false, -ERR_LANE_SHUTDOWN);
}

USER_TEST(a_queue_ends_while_elements_stall)
{
	open_with(1, 1024);
	for (uint32_t i = 0; i < 40; i++) {
		(void)repeat_one(RECEIVE_INLINE(8));
	}
	for (uint64_t i = 0; i < MESSAGES_IN_CHUNK + 60; i++) {
		send_quietly(i);
	}
	queue_close(&server);
	CHECK_OK(queue_open(&server, 1, 1024, 512));
	/* What was not taken waits still. */
	uint64_t context = repeat_one(RECEIVE_INLINE(8));

	CHECK_OK(await_round(context, 1));
	CHECK_OK(hel_lane_shutdown(lanes.lane[0]));
	while (queue_await(&server, context, &completion) && completion.has_more) {
	}
	CHECK(!completion.has_more);
	close_all();
}

/* ---- ends ------------------------------------------------------------------------------------ */

/* An offer without a message: the round waits. Its lane is the client's. */
static hel_handle begin_round(void)
{
	CHECK_OK(try_one(OFFER(HEL_ACTION_WANT_LANE)));
	CHECK(queue_is_quiet(&server));
	return completion.results[0].value;
}

static void check_round(uint64_t context, int error)
{
	CHECK_OK(await_round(context, 2));
	CHECK_EQ(completion.results[1].error, error);
	CHECK_OK(hel_close(HEL_THIS, completion.results[0].value));
}

USER_TEST(a_cancel_within_a_round)
{
	open_all();
	uint64_t context = serve();
	hel_handle lane = begin_round();

	cancel_server(context);
	check_round(context, -ERR_CANCELLED);
	CHECK_EQ(await_last(context), -ERR_CANCELLED);
	CHECK_EQ(completion.results[1].error, -ERR_CANCELLED);
	CHECK_EQ(completion.results[0].value, 0);
	CHECK_OK(hel_close(HEL_THIS, lane));
	close_all();
}

/* In one drive: the second round is to come when the kernel is left. */
USER_TEST(a_cancel_between_rounds)
{
	struct hel_action action = RECEIVE_INLINE(8);

	open_all();
	send_quietly(1);
	send_quietly(2);
	uint64_t context =
		submit_exchange_with(&server, lanes.lane[1], &action, 1, HEL_EXCHANGE_REPEAT);

	cancel_server(context);
	check_number(context, 1);
	CHECK_EQ(await_last(context), -ERR_CANCELLED);
	context = repeat_one(action);
	check_number(context, 2);
	end_by_cancel(context);
	close_all();
}

USER_TEST(a_queue_ends_between_rounds)
{
	open_all();
	for (uint32_t i = 0; i < 200; i++) {
		send_quietly(i);
	}
	(void)repeat_one(RECEIVE_INLINE(8));
	queue_close(&server);
	CHECK_OK(queue_open(&server, 1, 1024, 512));
	close_all();
}

USER_TEST(a_queue_ends_while_it_is_armed_or_in_a_round)
{
	struct hel_action round[2] = { ACCEPT(0), ancillary(RECEIVE_INLINE(8)) };

	open_all();
	(void)repeat(round, 2);
	hel_handle lane = begin_round();

	(void)repeat_one(PULL());
	(void)repeat_one(RECEIVE_INLINE(8));
	queue_close(&server);
	CHECK_OK(queue_open(&server, 1, 1024, 512));
	/* Nobody listens, and nobody is at the other end of the conversation. */
	struct hel_action action = SEND(memory, 8);
	uint64_t context = submit_exchange(&client, lane, &action, 1);

	CHECK_EQ(client_result(context), -ERR_END_OF_LANE);
	CHECK_OK(hel_close(HEL_THIS, lane));
	close_all();
}

USER_TEST(a_lane_ends_within_a_round)
{
	for (uint32_t side = 0; side < 2; side++) {
		open_all();
		uint64_t context = serve();
		hel_handle lane = begin_round();

		CHECK_OK(hel_lane_shutdown(lanes.lane[side]));
		CHECK(queue_is_quiet(&server));
		/* The conversation goes on, and is the last. */
		struct hel_action action = SEND(memory, 8);
		uint64_t sent = submit_exchange(&client, lane, &action, 1);

		CHECK_OK(client_result(sent));
		check_round(context, 0);
		CHECK_EQ(await_last(context), side == 0 ? -ERR_END_OF_LANE : -ERR_LANE_SHUTDOWN);
		CHECK_OK(hel_close(HEL_THIS, lane));
		close_all();
	}
}

USER_TEST(a_lane_ends_while_it_is_armed)
{
	for (uint32_t how = 0; how < 4; how++) {
		open_all();
		uint64_t context = how % 2 == 0 ? serve() : repeat_one(PULL());
		uint32_t side = how / 2;

		CHECK_OK(hel_close(HEL_THIS, lanes.lane[side]));
		CHECK_EQ(await_last(context), side == 0 ? -ERR_END_OF_LANE : -ERR_LANE_SHUTDOWN);
		close_all();
	}
}

USER_TEST(a_lane_that_has_ended_takes_none)
{
	open_all();
	CHECK_OK(hel_lane_shutdown(lanes.lane[0]));
	CHECK_EQ(await_last(serve()), -ERR_END_OF_LANE);
	CHECK_EQ(await_last(repeat_one(RECEIVE_INLINE(8))), -ERR_END_OF_LANE);
	close_all();
}

/* More wait than are ended at once: none of them takes a message any more. */
USER_TEST(a_closed_lane_takes_nothing_while_it_is_being_ended)
{
	constexpr uint32_t n_listeners = 100;
	uint64_t contexts[n_listeners];
	struct hel_action action = RECEIVE_INLINE(8);

	open_all();
	for (uint32_t i = 0; i < n_listeners; i++) {
		contexts[i] = repeat_one(action);
	}
	/* The end of the drive that gives it away is the first that ends some of them. */
	action = SEND(memory, 8);
	CHECK_OK(hel_lane_shutdown(lanes.lane[0]));
	CHECK_EQ(client_result(submit_exchange(&client, lanes.lane[0], &action, 1)),
		-ERR_LANE_SHUTDOWN);
	for (uint32_t i = 0; i < n_listeners; i++) {
		CHECK_EQ(await_last(contexts[i]), -ERR_END_OF_LANE);
	}
	close_all();
}

USER_TEST(a_granted_lane_is_revoked)
{
	struct hel_grant_handles granted;

	for (uint32_t state = 0; state < 3; state++) {
		open_with(1, 1024);
		hel_handle own = lanes.lane[1];

		CHECK_OK(hel_grant_create(HEL_NULL, own, 0, 0, &granted));
		lanes.lane[1] = granted.handle;
		uint64_t context =
			state == 2 ? serve() : listen_and_send(state * (MESSAGES_IN_CHUNK + 1));
		hel_handle lane = state == 2 ? begin_round() : HEL_NULL;

		CHECK_OK(hel_grant_revoke(granted.grant));
		if (state == 1) {
			for (uint64_t i = 0; i <= MESSAGES_IN_CHUNK; i++) {
				check_number(context, i);
			}
		} else if (state == 2) {
			CHECK_OK(await_round(context, 2));
			CHECK_EQ(completion.results[1].error, -ERR_END_OF_LANE);
			CHECK_OK(hel_close(HEL_THIS, lane));
		}
		CHECK_EQ(await_last(context), -ERR_END_OF_LANE);
		CHECK_OK(hel_close(HEL_THIS, own));
		close_all();
	}
}

/* ---- the server's universe ------------------------------------------------------------------- */

static void set_handles_limit(hel_handle universe, uint64_t n_handles)
{
	struct hel_limits limits = { HEL_UNLIMITED, HEL_UNLIMITED, HEL_UNLIMITED, HEL_UNLIMITED };

	limits.n_handles = n_handles;
	CHECK_OK(hel_universe_set_limits(universe, &limits));
}

struct distant {
	hel_handle lane; /* in its universe */
	hel_handle queue;
	uint64_t context;
	struct hel_action actions[2];
	uint32_t n_actions;
	bool is_done;
};

/* Repeats over a queue that is mapped in this space, then ends. */
static void distant_main(void *context)
{
	struct distant *distant = context;
	hel_handle own = server.client.handle;

	server.client.handle = distant->queue;
	distant->context = submit_exchange_with(
		&server, distant->lane, distant->actions, distant->n_actions, HEL_EXCHANGE_REPEAT);
	CHECK_OK(queue_drive(&server));
	server.client.handle = own;
	distant->is_done = true;
}

/* A thread in a universe of its own, which has nothing but the lane and the queue. */
static hel_handle run_distant(struct distant *distant, hel_handle *out_thread)
{
	hel_handle universe;

	CHECK_OK(hel_universe_create(&universe));
	CHECK_OK(hel_transfer(HEL_THIS, lanes.lane[1], universe, 0, &distant->lane));
	CHECK_OK(hel_transfer(HEL_THIS, server.client.handle, universe, 0, &distant->queue));
	struct hel_thread_args args = {
		.universe = universe,
		.space = HEL_THIS,
		.ip = SIM_IP,
		.tls_base = sim_program_create(distant_main, distant),
	};

	CHECK_OK(hel_thread_create(&args, out_thread));
	CHECK_OK(hel_thread_start(*out_thread));
	for (uint32_t i = 0; i < 1000 && !distant->is_done; i++) {
		sim_compute(10'000);
	}
	CHECK(distant->is_done);
	return universe;
}

static struct distant distant_server(void)
{
	return (struct distant){
		.actions = { ACCEPT(HEL_ACTION_WANT_LANE), ancillary(RECEIVE_INLINE(64)) },
		.n_actions = 2,
	};
}

static uint64_t offer_number(void)
{
	struct hel_action ask[2] = { OFFER(0), ancillary(SEND(memory, 8)) };
	uint64_t context = submit_exchange(&client, lanes.lane[0], ask, 2);

	CHECK_OK(queue_drive(&client));
	return context;
}

USER_TEST(a_server_has_no_more_handles)
{
	struct distant distant = distant_server();
	hel_handle thread;

	open_all();
	hel_handle universe = run_distant(&distant, &thread);

	CHECK_OK(client_result(offer_number()));
	CHECK_OK(await_round(distant.context, 2));
	set_handles_limit(universe, 3);
	CHECK_EQ(client_result(offer_number()), -ERR_DISMISSED);
	CHECK_EQ(await_last(distant.context), -ERR_NO_MEMORY);
	CHECK_OK(hel_close(HEL_THIS, thread));
	CHECK_OK(hel_close(HEL_THIS, universe));
	close_all();
}

/* Its thread has ended, and nobody has its universe: what it repeats has nowhere to put a lane. */
USER_TEST(a_server_is_gone)
{
	struct distant distant = distant_server();
	hel_handle thread;

	open_all();
	hel_handle universe = run_distant(&distant, &thread);

	CHECK_OK(hel_thread_kill(thread));
	CHECK_OK(hel_close(HEL_THIS, thread));
	/* The universe is still there: it goes on without the thread. */
	CHECK_OK(client_result(offer_number()));
	CHECK_OK(await_round(distant.context, 2));
	CHECK_OK(hel_close(HEL_THIS, universe));
	sim_compute(1'000'000);
	CHECK_EQ(client_result(offer_number()), -ERR_DISMISSED);
	CHECK_EQ(await_last(distant.context), -ERR_ILLEGAL_STATE);
	close_all();
}

TEST_MAIN()

/* SPDX-License-Identifier: MIT */
/*
 * Requests and answers: quick asks, what they keep for the next one, quiet sends, and all that may
 * go wrong between a client and a server that repeats.
 */
#include "managed-server.h"

#include <thor/memory/memory.h>

constexpr uint32_t NOP_ELEMENTS = (1024 - 8) / 24; /* fill a chunk of 1024 bytes */

static struct user_queue server_queue, client;
static struct hel_stream_lanes lanes; /* the client's and the server's */
static struct completion completion;
static uint64_t memory; /* two pages, and nothing behind them */
static uint64_t context; /* what the server repeats */
static uint64_t answer_max;

/* ---- both sides ------------------------------------------------------------------------------ */

static uint64_t serve(void)
{
	struct hel_action actions[2] = {
		ACCEPT(HEL_ACTION_WANT_LANE),
		ancillary(RECEIVE_INLINE(96)),
	};
	uint64_t served =
		submit_exchange_with(&server_queue, lanes.lane[1], actions, 2, HEL_EXCHANGE_REPEAT);

	CHECK_OK(queue_drive(&server_queue));
	return served;
}

static void open_with(uint32_t n_server_chunks, uint32_t n_client_chunks, uint32_t chunk_size)
{
	struct hel_stream_lanes made; /* on the stack: calls know no other memory of the host */

	CHECK_OK(queue_open(&server_queue, n_server_chunks, chunk_size, 512));
	CHECK_OK(queue_open(&client, n_client_chunks, chunk_size, 512));
	CHECK_OK(hel_stream_create(&made));
	lanes = made;
	memory = user_map(3);
	CHECK(memory != 0);
	CHECK_OK(hel_space_unmap(HEL_THIS, memory + 8192, 4096));
	answer_max = chunk_size / 4;
	user_store_string(memory, "a question");
	user_store_string(memory + 128, "an answer");
	context = serve();
}

static void open_all(void)
{
	open_with(8, 8, 4096);
}

static void close_all(void)
{
	(void)hel_close(HEL_THIS, lanes.lane[0]);
	CHECK(queue_await(&server_queue, context, &completion));
	CHECK(!completion.has_more);
	CHECK(queue_is_quiet(&server_queue));
	CHECK(queue_is_quiet(&client));
	(void)hel_close(HEL_THIS, lanes.lane[1]);
	queue_close(&server_queue);
	queue_close(&client);
}

static uint64_t ask_for(uint64_t room)
{
	struct hel_action actions[3] = {
		OFFER(0),
		ancillary(SEND(memory, 11)),
		ancillary(RECEIVE_INLINE(room)),
	};
	uint64_t asked = submit_exchange(&client, lanes.lane[0], actions, 3);

	CHECK_OK(queue_drive(&client));
	return asked;
}

static uint64_t ask(void)
{
	return ask_for(answer_max);
}

/* The lane of the next request. */
static hel_handle await_request(void)
{
	CHECK(queue_await(&server_queue, context, &completion));
	CHECK(completion.has_more);
	CHECK_EQ(completion.n_results, 2);
	CHECK_EQ(completion.results[0].error, 0);
	CHECK_EQ(completion.results[1].error, 0);
	CHECK_EQ(completion.results[1].inline_size, 11);
	CHECK(memcmp(completion.inline_data[1], "a question", 11) == 0);
	return completion.results[0].value;
}

constexpr uint32_t LAST = HEL_EXCHANGE_CLOSE_LANE;
constexpr uint32_t QUIET = HEL_EXCHANGE_QUIET;

static uint64_t reply_with(hel_handle lane, struct hel_action action, uint32_t flags)
{
	uint64_t replied = submit_exchange_with(&server_queue, lane, &action, 1, flags);

	CHECK_OK(queue_drive(&server_queue));
	return replied;
}

static void reply(hel_handle lane)
{
	(void)reply_with(lane, SEND(memory + 128, 10), LAST | QUIET);
}

/* The error of the last action of an ask whose others went well. */
static int await_answer(uint64_t asked)
{
	CHECK(queue_await(&client, asked, &completion));
	CHECK_EQ(completion.error, 0);
	CHECK(!completion.has_more);
	CHECK_EQ(completion.n_results, 3);
	CHECK_EQ(completion.results[0].error, 0);
	CHECK_EQ(completion.results[0].value, HEL_NULL);
	CHECK_EQ(completion.results[1].error, 0);
	CHECK_EQ(completion.results[1].value, 11);
	return completion.results[2].error;
}

static void check_answer(uint64_t asked)
{
	CHECK_OK(await_answer(asked));
	CHECK_EQ(completion.results[2].inline_size, 10);
	CHECK_EQ(completion.results[2].value, 10);
	CHECK(memcmp(completion.inline_data[2], "an answer", 10) == 0);
}

static void converse(void)
{
	uint64_t asked = ask();

	reply(await_request());
	check_answer(asked);
}

/* After the first what the queue keeps is enough: nothing is allocated. */
static void converse_quickly(void)
{
	converse();
	fixture_fail_after(0);
	for (uint32_t i = 0; i < 3; i++) {
		converse();
	}
	CHECK(!fixture_has_failed());
	fixture_fail_after(~(uint64_t)0);
}

/* The answer to an ask in the quick way was something else; the next ones are as always. */
static hel_handle begin_odd(uint64_t *out_asked)
{
	open_all();
	converse_quickly();
	*out_asked = ask();
	return await_request();
}

static void end_odd(void)
{
	converse_quickly();
	close_all();
}

static int await_reply(uint64_t replied)
{
	CHECK(queue_await(&server_queue, replied, &completion));
	return completion.error != 0 ? completion.error : completion.results[0].error;
}

USER_TEST(conversations_allocate_nothing)
{
	open_all();
	for (uint32_t i = 0; i < 20; i++) {
		converse_quickly();
	}
	close_all();
}

USER_TEST(requests_and_rooms_of_all_sizes)
{
	open_all();
	for (uint32_t i = 0; i < 200; i++) {
		uint64_t asked = ask_for(10 + i % 7);

		reply(await_request());
		check_answer(asked);
	}
	close_all();
}

/* ---- other answers --------------------------------------------------------------------------- */

USER_TEST(a_large_answer)
{
	uint64_t asked;
	hel_handle lane = begin_odd(&asked);

	CHECK_OK(await_reply(reply_with(lane, SEND(memory + 128, 1000), LAST)));
	CHECK_OK(await_answer(asked));
	CHECK_EQ(completion.results[2].inline_size, 1000);
	end_odd();
}

USER_TEST(an_answer_that_is_too_large)
{
	uint64_t asked;
	hel_handle lane = begin_odd(&asked);

	CHECK_EQ(await_reply(reply_with(lane, SEND(memory + 128, 1025), LAST)),
		-ERR_BUFFER_TOO_SMALL);
	CHECK_EQ(await_answer(asked), -ERR_BUFFER_TOO_SMALL);
	end_odd();
}

USER_TEST(an_answer_of_segments)
{
	uint64_t asked;
	hel_handle lane = begin_odd(&asked);
	struct hel_sg segments[2] = { { memory + 128, 3 }, { memory + 131, 7 } };

	sim_store(memory + 256, segments, sizeof(segments));
	CHECK_OK(await_reply(reply_with(lane, SEND_SG(memory + 256, 2), LAST)));
	check_answer(asked);
	end_odd();
}

USER_TEST(an_answer_that_is_none)
{
	struct hel_action actions[4] = { PULL(), DISMISS(), RECEIVE_INLINE(8), ACCEPT(0) };
	const int errors[4] = { -ERR_TRANSMISSION_MISMATCH, -ERR_DISMISSED,
		-ERR_TRANSMISSION_MISMATCH, -ERR_TRANSMISSION_MISMATCH };

	for (uint32_t i = 0; i < 8; i++) {
		uint64_t asked;
		hel_handle lane = begin_odd(&asked);

		(void)await_reply(reply_with(lane, actions[i % 4], i < 4 ? LAST : 0));
		CHECK_EQ(await_answer(asked), errors[i % 4]);
		(void)hel_close(HEL_THIS, lane);
		end_odd();
	}
}

USER_TEST(an_answer_that_cannot_be_read)
{
	uint64_t asked;
	hel_handle lane = begin_odd(&asked);

	/* Refused as a whole, and still it was the last word. */
	CHECK_EQ(await_reply(reply_with(lane, SEND(memory + 8190, 8), LAST | QUIET)), -ERR_FAULT);
	CHECK_EQ(await_answer(asked), -ERR_END_OF_LANE);
	CHECK_EQ(hel_close(HEL_THIS, lane), -ERR_BAD_HANDLE);
	asked = ask();
	CHECK_EQ(
		await_reply(reply_with(await_request(), SEND(memory + 8190, 8), LAST)), -ERR_FAULT);
	CHECK_EQ(await_answer(asked), -ERR_DISMISSED);
	end_odd();
}

USER_TEST(a_server_that_hangs_up)
{
	for (uint32_t how = 0; how < 2; how++) {
		uint64_t asked;
		hel_handle lane = begin_odd(&asked);

		if (how == 0) {
			CHECK_OK(hel_lane_shutdown(lane));
			CHECK_EQ(await_answer(asked), -ERR_END_OF_LANE);
		}
		CHECK_OK(hel_close(HEL_THIS, lane));
		if (how == 1) {
			CHECK_EQ(await_answer(asked), -ERR_END_OF_LANE);
		}
		end_odd();
	}
}

USER_TEST(a_server_that_answers_twice)
{
	uint64_t asked;
	hel_handle lane = begin_odd(&asked);

	CHECK_OK(await_reply(reply_with(lane, SEND(memory + 128, 10), 0)));
	check_answer(asked);
	/* The stream is in use still: the next ask has another. */
	asked = ask();
	hel_handle next = await_request();

	CHECK_EQ(await_reply(reply_with(lane, SEND(memory, 10), 0)), -ERR_END_OF_LANE);
	CHECK_EQ(await_reply(reply_with(lane, SEND(memory, 10), LAST | QUIET)), -ERR_END_OF_LANE);
	reply(next);
	check_answer(asked);
	end_odd();
}

/* Whoever has a copy of the lane has it of that conversation, and of no later one. */
USER_TEST(a_server_that_keeps_a_copy)
{
	uint64_t asked;
	hel_handle lane = begin_odd(&asked), copy;

	CHECK_OK(hel_transfer(HEL_THIS, lane, HEL_THIS, 0, &copy));
	reply(lane);
	check_answer(asked);
	for (uint32_t i = 0; i < 3; i++) {
		asked = ask();
		lane = await_request();
		CHECK_EQ(await_reply(reply_with(copy, SEND(memory, 10), 0)), -ERR_END_OF_LANE);
		reply(lane);
		check_answer(asked);
	}
	CHECK_OK(hel_close(HEL_THIS, copy));
	end_odd();
}

USER_TEST(a_lane_that_is_passed_on)
{
	uint64_t asked;
	hel_handle lane = begin_odd(&asked), universe, there, back;

	CHECK_OK(hel_universe_create(&universe));
	CHECK_OK(hel_transfer(HEL_THIS, lane, universe, 0, &there));
	CHECK_OK(hel_close(HEL_THIS, lane));
	for (uint32_t i = 0; i < 3; i++) {
		uint64_t other = ask();

		reply(await_request());
		check_answer(other);
	}
	CHECK_OK(hel_transfer(universe, there, HEL_THIS, 0, &back));
	reply(back);
	check_answer(asked);
	/* A copy is in the other universe still, and goes with it. */
	CHECK_OK(hel_close(HEL_THIS, universe));
	end_odd();
}

/* ---- clients that do not wait ---------------------------------------------------------------- */

USER_TEST(a_client_that_cancels)
{
	uint64_t asked;
	hel_handle lane = begin_odd(&asked);

	submit_cancel(&client, asked);
	CHECK_EQ(await_answer(asked), -ERR_CANCELLED);
	CHECK_EQ(await_reply(reply_with(lane, SEND(memory + 128, 10), LAST | QUIET)),
		-ERR_END_OF_LANE);
	end_odd();
}

USER_TEST(a_client_whose_queue_ends)
{
	uint64_t asked;
	hel_handle lane = begin_odd(&asked);

	queue_close(&client);
	CHECK_OK(queue_open(&client, 8, 4096, 512));
	CHECK_EQ(await_reply(reply_with(lane, SEND(memory + 128, 10), LAST | QUIET)),
		-ERR_END_OF_LANE);
	end_odd();
}

/* The conversation has a stream of its own. */
USER_TEST(a_client_that_closes_the_lane_to_the_server)
{
	uint64_t asked;
	hel_handle lane = begin_odd(&asked);

	CHECK_OK(hel_close(HEL_THIS, lanes.lane[0]));
	reply(lane);
	check_answer(asked);
	close_all();
}

USER_TEST(a_server_whose_queue_ends)
{
	uint64_t asked;
	hel_handle lane = begin_odd(&asked);

	queue_close(&server_queue);
	CHECK_OK(queue_open(&server_queue, 8, 4096, 512));
	/* Nobody repeats any more: this one waits. */
	uint64_t other = ask();

	context = serve();
	reply(await_request());
	check_answer(other);
	reply(lane);
	check_answer(asked);
	end_odd();
}

/* ---- chunks ---------------------------------------------------------------------------------- */

static uint64_t fill(struct user_queue *queue)
{
	uint64_t first = 0;

	for (uint32_t i = 0; i < NOP_ELEMENTS; i++) {
		uint64_t nop = submit_nop(queue);

		first = i == 0 ? nop : first;
		CHECK_OK(queue_drive(queue));
	}
	return first;
}

static void empty(struct user_queue *queue, uint64_t first)
{
	for (uint64_t i = 0; i < NOP_ELEMENTS; i++) {
		CHECK(queue_await(queue, first + i, &completion));
	}
}

USER_TEST(requests_wait_for_a_chunk_of_the_server)
{
	open_with(1, 8, 1024);
	converse_quickly();
	uint64_t first = fill(&server_queue), asked[3];

	for (uint32_t i = 0; i < 3; i++) {
		asked[i] = ask();
	}
	CHECK(queue_is_quiet(&client));
	empty(&server_queue, first);
	for (uint32_t i = 0; i < 3; i++) {
		reply(await_request());
		check_answer(asked[i]);
	}
	converse_quickly();
	close_all();
}

USER_TEST(answers_wait_for_a_chunk_of_the_client)
{
	open_with(8, 1, 1024);
	converse_quickly();
	uint64_t asked = ask();
	hel_handle lane = await_request();
	uint64_t first = fill(&client);

	reply(lane);
	user_store_string(memory + 128, "something");
	empty(&client, first);
	check_answer(asked);
	user_store_string(memory + 128, "an answer");
	converse_quickly();
	close_all();
}

/* ---- who submits ----------------------------------------------------------------------------- */

static struct asker {
	hel_handle queue, lane, universe, space;
	bool is_done;
} asker;
static uint64_t other_asked;

/* Asks over our queue, which is mapped here. */
static void asker_main(UNUSED void *arguments)
{
	hel_handle own[2] = { client.client.handle, lanes.lane[0] };

	client.client.handle = asker.queue;
	lanes.lane[0] = asker.lane;
	other_asked = ask();
	client.client.handle = own[0];
	lanes.lane[0] = own[1];
	asker.is_done = true;
}

static void run_asker(void)
{
	hel_handle thread;
	struct hel_thread_args args = {
		.universe = asker.universe,
		.space = asker.space,
		.ip = SIM_IP,
		.tls_base = sim_program_create(asker_main, NULL),
	};

	asker.is_done = false;
	CHECK_OK(hel_thread_create(&args, &thread));
	CHECK_OK(hel_thread_start(thread));
	for (uint32_t i = 0; i < 1000 && !asker.is_done; i++) {
		sim_compute(10'000);
	}
	CHECK(asker.is_done);
	CHECK_OK(hel_close(HEL_THIS, thread));
	reply(await_request());
	check_answer(other_asked);
}

USER_TEST(another_thread_submits)
{
	open_all();
	asker = (struct asker){ client.client.handle, lanes.lane[0], HEL_THIS, HEL_THIS, false };
	for (uint32_t i = 0; i < 3; i++) {
		converse_quickly();
		run_asker();
	}
	close_all();
}

USER_TEST(a_thread_of_another_universe_submits)
{
	hel_handle universe;
	struct asker made;

	open_all();
	CHECK_OK(hel_universe_create(&universe));
	made = (struct asker){ .universe = universe, .space = HEL_THIS };
	CHECK_OK(hel_transfer(HEL_THIS, client.client.handle, universe, 0, &made.queue));
	CHECK_OK(hel_transfer(HEL_THIS, lanes.lane[0], universe, 0, &made.lane));
	asker = made;
	for (uint32_t i = 0; i < 3; i++) {
		converse_quickly();
		run_asker();
	}
	CHECK_OK(hel_close(HEL_THIS, universe));
	end_odd();
}

USER_TEST(a_thread_of_another_space_submits)
{
	hel_handle space;

	open_all();
	CHECK_OK(hel_space_fork(HEL_THIS, HEL_THIS, &space));
	asker = (struct asker){ client.client.handle, lanes.lane[0], HEL_THIS, space, false };
	for (uint32_t i = 0; i < 3; i++) {
		converse_quickly();
		run_asker();
	}
	CHECK_OK(hel_close(HEL_THIS, space));
	end_odd();
}

USER_TEST(two_queues_take_turns)
{
	struct user_queue other;

	open_all();
	CHECK_OK(queue_open(&other, 8, 4096, 512));
	for (uint32_t i = 0; i < 10; i++) {
		converse();
		struct user_queue swap = client;

		client = other;
		other = swap;
	}
	queue_close(&other);
	close_all();
}

/* ---- limits ---------------------------------------------------------------------------------- */

static void set_handles_limit(hel_handle universe, uint64_t n_handles)
{
	struct hel_limits limits = { HEL_UNLIMITED, HEL_UNLIMITED, HEL_UNLIMITED, HEL_UNLIMITED };

	limits.n_handles = n_handles;
	CHECK_OK(hel_universe_set_limits(universe, &limits));
}

static void repeat_elsewhere(UNUSED void *arguments)
{
	hel_handle own[2] = { server_queue.client.handle, lanes.lane[1] };

	server_queue.client.handle = asker.queue;
	lanes.lane[1] = asker.lane;
	context = serve();
	server_queue.client.handle = own[0];
	lanes.lane[1] = own[1];
	asker.is_done = true;
}

/* The server's exchange is of a universe that can have @n_handles. */
static hel_handle serve_elsewhere(uint64_t n_handles)
{
	struct asker made = {};
	hel_handle universe, thread;

	CHECK_OK(hel_universe_create(&universe));
	CHECK_OK(hel_transfer(HEL_THIS, server_queue.client.handle, universe, 0, &made.queue));
	CHECK_OK(hel_transfer(HEL_THIS, lanes.lane[1], universe, 0, &made.lane));
	asker = made;
	set_handles_limit(universe, n_handles);
	struct hel_thread_args args = {
		.universe = universe,
		.space = HEL_THIS,
		.ip = SIM_IP,
		.tls_base = sim_program_create(repeat_elsewhere, NULL),
	};

	CHECK_OK(hel_thread_create(&args, &thread));
	CHECK_OK(hel_thread_start(thread));
	for (uint32_t i = 0; i < 1000 && !asker.is_done; i++) {
		sim_compute(10'000);
	}
	CHECK(asker.is_done);
	CHECK_OK(hel_close(HEL_THIS, thread));
	return universe;
}

/* The request is undone, goes the usual way, and hears why. */
USER_TEST(a_server_without_room_for_the_lane)
{
	uint64_t asked[3], ended = 0;

	open_all();
	converse_quickly();
	submit_cancel(&server_queue, context);
	CHECK_OK(queue_drive(&server_queue));
	CHECK(queue_await(&server_queue, context, &completion));
	hel_handle universe = serve_elsewhere(4);

	for (uint32_t i = 0; i < 2; i++) {
		asked[i] = ask();
		(void)await_request();
	}
	asked[2] = ask();
	CHECK(queue_await(&client, asked[2], &completion));
	CHECK_EQ(completion.results[0].error, -ERR_DISMISSED);
	CHECK_EQ(completion.results[1].error, -ERR_END_OF_LANE);
	CHECK_EQ(completion.results[2].error, -ERR_END_OF_LANE);
	CHECK(queue_await(&server_queue, context, &completion));
	CHECK_EQ(completion.results[0].error, -ERR_NO_MEMORY);
	CHECK(!completion.has_more);
	/* With the universe go the lanes that it has got. */
	CHECK_OK(hel_close(HEL_THIS, universe));
	for (uint32_t i = 0; i < 2; i++) {
		ended += await_answer(asked[i]) == -ERR_END_OF_LANE;
	}
	CHECK_EQ(ended, 2);
	context = serve();
	converse_quickly();
	close_all();
}

/* ---- grants ---------------------------------------------------------------------------------- */

USER_TEST(a_granted_lane_to_the_server_is_revoked)
{
	struct hel_grant_handles granted;

	open_all();
	converse_quickly();
	hel_handle own = lanes.lane[0];

	CHECK_OK(hel_grant_create(HEL_NULL, own, 0, 0, &granted));
	lanes.lane[0] = granted.handle;
	converse();
	uint64_t asked = ask();
	hel_handle lane = await_request();

	CHECK_OK(hel_grant_revoke(granted.grant));
	CHECK_EQ(await_answer(asked), -ERR_END_OF_LANE);
	CHECK_EQ(await_reply(reply_with(lane, SEND(memory, 8), LAST | QUIET)), -ERR_END_OF_LANE);
	asked = ask();
	CHECK(queue_await(&client, asked, &completion));
	CHECK_EQ(completion.error, -ERR_REVOKED);
	CHECK_OK(hel_close(HEL_THIS, granted.handle));
	lanes.lane[0] = own;
	end_odd();
}

/* ---- pages that have to be brought ----------------------------------------------------------- */

USER_TEST(the_answer_has_to_be_brought_first)
{
	open_all();
	converse_quickly();
	server_begin(16);
	server_start();
	for (uint32_t i = 0; i < 4; i++) {
		uint64_t word = server_word(i), asked = ask();
		struct hel_action action = SEND(server.frontal_address + i * HEL_PAGE_SIZE, 8);
		uint32_t flags = LAST | (i % 2 == 0 ? QUIET : 0);
		uint64_t replied = reply_with(await_request(), action, flags);

		CHECK_OK(await_answer(asked));
		CHECK_EQ(completion.results[2].inline_size, 8);
		CHECK(memcmp(completion.inline_data[2], &word, 8) == 0);
		if (i % 2 != 0) {
			CHECK_OK(await_reply(replied));
		}
	}
	server_end();
	end_odd();
}

USER_TEST(the_request_has_to_be_brought_first)
{
	open_all();
	converse_quickly();
	uint64_t own = memory;

	server_begin(16);
	server_start();
	for (uint32_t i = 0; i < 3; i++) {
		uint64_t word = server_word(i);

		memory = server.frontal_address + i * HEL_PAGE_SIZE;
		uint64_t asked = ask();

		CHECK(queue_await(&server_queue, context, &completion));
		CHECK_EQ(completion.results[1].inline_size, 11);
		CHECK(memcmp(completion.inline_data[1], &word, 8) == 0);
		memory = own;
		reply(completion.results[0].value);
		check_answer(asked);
	}
	server_end();
	end_odd();
}

USER_TEST(the_answer_never_comes)
{
	open_all();
	converse_quickly();
	server_begin(16);
	server_start();
	server.fails_reads = true;
	uint64_t asked = ask();
	struct hel_action action = SEND(server.frontal_address, 8);

	CHECK_EQ(await_reply(reply_with(await_request(), action, LAST | QUIET)), -ERR_FAULT);
	CHECK_EQ(await_answer(asked), -ERR_END_OF_LANE);
	server_end();
	end_odd();
}

TEST_MAIN()

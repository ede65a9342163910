/* SPDX-License-Identifier: MIT */
/*
 * Messages that find somebody waiting: quick sends, data that go straight into a completion, and
 * the ways out when there is no chunk, no page or more to wait for.
 */
#include "machine.h"

#include <thor/ipc/stream.h>

constexpr uint32_t NOP_ELEMENTS = (1024 - 8) / 24; /* fill a chunk of 1024 bytes */

static struct user_queue sender, receiver;
static struct hel_stream_lanes lanes;
static struct completion sent, received;
static uint64_t memory; /* a page, and nothing behind it */

static void open_all(void)
{
	struct hel_stream_lanes made; /* on the stack: calls know no other memory of the host */

	CHECK_OK(queue_open(&sender, 1, 1024, 512));
	CHECK_OK(queue_open(&receiver, 1, 1024, 512));
	CHECK_OK(hel_stream_create(&made));
	lanes = made;
	memory = user_map(2);
	CHECK(memory != 0);
	CHECK_OK(hel_space_unmap(HEL_THIS, memory + 4096, 4096));
	user_store_string(memory, "a message");
}

static void close_all(void)
{
	CHECK(queue_is_quiet(&sender));
	CHECK(queue_is_quiet(&receiver));
	(void)hel_close(HEL_THIS, lanes.lane[0]);
	(void)hel_close(HEL_THIS, lanes.lane[1]);
	queue_close(&sender);
	queue_close(&receiver);
}

static uint64_t receive(uint64_t size)
{
	struct hel_action action = RECEIVE_INLINE(size);
	uint64_t context = submit_exchange(&receiver, lanes.lane[1], &action, 1);

	CHECK_OK(queue_drive(&receiver));
	return context;
}

static uint64_t send(uint64_t address, uint64_t size)
{
	struct hel_action action = SEND(address, size);
	uint64_t context = submit_exchange(&sender, lanes.lane[0], &action, 1);

	CHECK_OK(queue_drive(&sender));
	return context;
}

/* No completion of the queue finds a chunk until the first of these is taken. */
static uint64_t fill(struct user_queue *queue)
{
	uint64_t first = 0;

	for (uint32_t i = 0; i < NOP_ELEMENTS; i++) {
		uint64_t context = submit_nop(queue);

		first = i == 0 ? context : first;
		CHECK_OK(queue_drive(queue));
	}
	return first;
}

static void empty(struct user_queue *queue, uint64_t first)
{
	for (uint64_t i = 0; i < NOP_ELEMENTS; i++) {
		CHECK(queue_await(queue, first + i, &sent));
	}
}

static void check_received(uint64_t context, const char *text, uint32_t size)
{
	CHECK(queue_await(&receiver, context, &received));
	CHECK_EQ(received.error, 0);
	CHECK_EQ(received.n_results, 1);
	CHECK_EQ(received.results[0].error, 0);
	CHECK_EQ(received.results[0].inline_size, size);
	CHECK_EQ(received.results[0].value, size);
	CHECK(size == 0 || memcmp(received.inline_data[0], text, size) == 0);
}

static void check_sent(uint64_t context, uint64_t size)
{
	CHECK(queue_await(&sender, context, &sent));
	CHECK_EQ(sent.error, 0);
	CHECK_EQ(sent.n_results, 1);
	CHECK_EQ(sent.results[0].error, 0);
	CHECK_EQ(sent.results[0].value, size);
}

USER_TEST(a_message_reaches_who_waits)
{
	open_all();
	for (uint32_t size = 0; size <= 10; size++) {
		uint64_t first = receive(64);
		uint64_t second = send(memory, size);

		check_received(first, "a message", size);
		check_sent(second, size);
	}
	close_all();
}

USER_TEST(a_message_waits_for_the_chunk_of_its_receiver)
{
	open_all();
	uint64_t first = fill(&receiver);
	uint64_t context = receive(64);

	check_sent(send(memory, 10), 10);
	/* What the sender does with its memory now is its business. */
	user_store_string(memory, "different");
	empty(&receiver, first);
	check_received(context, "a message", 10);
	close_all();
}

USER_TEST(a_completion_waits_for_the_chunk_of_its_sender)
{
	uint64_t contexts[3], answers[3];

	open_all();
	uint64_t first = fill(&sender);

	/* The first takes what is in reserve, the others operations. */
	for (int i = 0; i < 3; i++) {
		contexts[i] = receive(64);
		answers[i] = send(memory, 10);
		check_received(contexts[i], "a message", 10);
	}
	empty(&sender, first);
	for (int i = 0; i < 3; i++) {
		check_sent(answers[i], 10);
	}
	/* And it is there again. */
	first = fill(&sender);
	contexts[0] = receive(64);
	answers[0] = send(memory, 10);
	check_received(contexts[0], "a message", 10);
	empty(&sender, first);
	check_sent(answers[0], 10);
	close_all();
}

USER_TEST(a_queue_ends_with_its_reserve_in_use)
{
	open_all();
	(void)fill(&sender);
	uint64_t context = receive(64);

	(void)send(memory, 10);
	check_received(context, "a message", 10);
	queue_close(&sender);
	CHECK_OK(queue_open(&sender, 1, 1024, 512));
	close_all();
}

USER_TEST(a_message_that_cannot_be_read)
{
	open_all();
	for (uint64_t at = 4090; at <= 4096; at += 6) {
		uint64_t context = receive(64);
		uint64_t answer = send(memory + at, 10);

		CHECK(queue_await(&receiver, context, &received));
		CHECK_EQ(received.results[0].error, -ERR_DISMISSED);
		CHECK(queue_await(&sender, answer, &sent));
		CHECK_EQ(sent.results[0].error, -ERR_FAULT);
	}
	close_all();
}

USER_TEST(a_message_that_is_too_long)
{
	open_all();
	uint64_t context = receive(9);
	uint64_t answer = send(memory, 10);

	CHECK(queue_await(&receiver, context, &received));
	CHECK_EQ(received.results[0].error, -ERR_BUFFER_TOO_SMALL);
	CHECK(queue_await(&sender, answer, &sent));
	CHECK_EQ(sent.results[0].error, -ERR_BUFFER_TOO_SMALL);
	close_all();
}

USER_TEST(the_last_message_closes_its_lane)
{
	struct hel_action action;

	open_all();
	uint64_t context = receive(64);

	action = SEND(memory, 10);
	uint64_t answer =
		submit_exchange_with(&sender, lanes.lane[0], &action, 1, HEL_EXCHANGE_CLOSE_LANE);

	check_sent(answer, 10);
	check_received(context, "a message", 10);
	CHECK_EQ(hel_close(HEL_THIS, lanes.lane[0]), -ERR_BAD_HANDLE);
	context = receive(64);
	CHECK(queue_await(&receiver, context, &received));
	CHECK_EQ(received.results[0].error, -ERR_END_OF_LANE);
	/* A handle that is no lane, and one that is refused, stay what they are. */
	answer = submit_exchange_with(
		&sender, sender.client.handle, &action, 1, HEL_EXCHANGE_CLOSE_LANE);
	CHECK(queue_await(&sender, answer, &sent));
	CHECK_EQ(sent.error, -ERR_BAD_TYPE);
	close_all();
}

USER_TEST(two_messages_for_one_exchange)
{
	struct hel_action both[2] = { RECEIVE_INLINE(64), RECEIVE_INLINE(64) };

	open_all();
	uint64_t context = submit_exchange(&receiver, lanes.lane[1], both, 2);

	CHECK_OK(queue_drive(&receiver));
	check_sent(send(memory, 9), 9);
	CHECK(queue_is_quiet(&receiver));
	check_sent(send(memory + 2, 8), 8);
	CHECK(queue_await(&receiver, context, &received));
	CHECK_EQ(received.n_results, 2);
	CHECK(memcmp(received.inline_data[0], "a message", 9) == 0);
	CHECK(memcmp(received.inline_data[1], "message", 8) == 0);
	close_all();
}

/* The request and the answer go straight into completions of several results. */
USER_TEST(a_conversation)
{
	struct hel_action ask[3] = {
		OFFER(0),
		ancillary(SEND(0, 9)),
		ancillary(RECEIVE_INLINE(64)),
	};
	struct hel_action listen[2] = {
		ACCEPT(HEL_ACTION_WANT_LANE),
		ancillary(RECEIVE_INLINE(64)),
	};

	open_all();
	ask[1].address = memory;
	uint64_t request = submit_exchange(&receiver, lanes.lane[1], listen, 2);

	CHECK_OK(queue_drive(&receiver));
	uint64_t question = submit_exchange(&sender, lanes.lane[0], ask, 3);

	CHECK_OK(queue_drive(&sender));
	CHECK(queue_await(&receiver, request, &received));
	CHECK_EQ(received.n_results, 2);
	CHECK(memcmp(received.inline_data[1], "a message", 9) == 0);
	struct hel_action reply = SEND(memory + 2, 8);
	uint64_t answer = submit_exchange_with(
		&receiver, received.results[0].value, &reply, 1, HEL_EXCHANGE_CLOSE_LANE);

	CHECK_OK(queue_drive(&receiver));
	CHECK(queue_await(&sender, question, &sent));
	CHECK_EQ(sent.n_results, 3);
	CHECK_EQ(sent.results[1].value, 9);
	CHECK_EQ(sent.results[2].value, 8);
	CHECK(memcmp(sent.inline_data[2], "message", 8) == 0);
	CHECK(queue_await(&receiver, answer, &received));
	CHECK_EQ(received.results[0].value, 8);
	close_all();
}

/* ---- quietly --------------------------------------------------------------------------------- */

static uint64_t send_quietly(uint64_t address, uint64_t size)
{
	struct hel_action action = SEND(address, size);
	uint64_t context =
		submit_exchange_with(&sender, lanes.lane[0], &action, 1, HEL_EXCHANGE_QUIET);

	CHECK_OK(queue_drive(&sender));
	return context;
}

static int quiet_error(uint64_t context)
{
	CHECK(queue_await(&sender, context, &sent));
	return sent.error != 0 ? sent.error : sent.results[0].error;
}

static int receive_with(struct hel_action action)
{
	uint64_t context = submit_exchange(&receiver, lanes.lane[1], &action, 1);

	CHECK(queue_await(&receiver, context, &received));
	CHECK_EQ(received.error, 0);
	return received.results[0].error;
}

USER_TEST(quiet_data_are_given_away_at_once)
{
	open_all();
	for (uint32_t i = 0; i < 4; i++) {
		user_store_string(memory, i % 2 == 0 ? "even data" : "other data");
		(void)send_quietly(memory, 11);
	}
	(void)send_quietly(memory, 0);
	(void)send_quietly(memory, 96);
	user_store_string(memory, "nothing");
	CHECK_OK(receive_with(RECEIVE_INLINE(11)));
	CHECK(memcmp(received.inline_data[0], "even data", 10) == 0);
	CHECK_OK(receive_with(RECEIVE(memory + 512, 300)));
	CHECK(user_has_string(memory + 512, "other data"));
	struct hel_action both[2] = { RECEIVE_INLINE(200), RECEIVE_INLINE(11) };
	uint64_t context = submit_exchange(&receiver, lanes.lane[1], both, 2);

	CHECK(queue_await(&receiver, context, &received));
	CHECK(memcmp(received.inline_data[0], "even data", 10) == 0);
	CHECK(memcmp(received.inline_data[1], "other data", 11) == 0);
	CHECK_OK(receive_with(RECEIVE_INLINE(0)));
	CHECK_OK(receive_with(RECEIVE_INLINE(96)));
	CHECK_EQ(received.results[0].inline_size, 96);
	CHECK(memcmp(received.inline_data[0], "other data", 11) == 0);
	close_all();
}

USER_TEST(quiet_data_that_go_wrong_are_heard_of)
{
	open_all();
	CHECK_EQ(quiet_error(send_quietly(memory + 4090, 10)), -ERR_FAULT);
	CHECK_EQ(quiet_error(send_quietly(1, 4)), -ERR_FAULT);
	uint64_t context = send_quietly(memory, 10);

	CHECK_EQ(receive_with(RECEIVE_INLINE(9)), -ERR_BUFFER_TOO_SMALL);
	CHECK_EQ(quiet_error(context), -ERR_BUFFER_TOO_SMALL);
	context = send_quietly(memory, 10);
	CHECK_EQ(receive_with(RECEIVE(memory + 4090, 10)), -ERR_FAULT);
	CHECK_EQ(quiet_error(context), -ERR_DISMISSED);
	context = send_quietly(memory, 10);
	CHECK_EQ(receive_with(PULL()), -ERR_TRANSMISSION_MISMATCH);
	CHECK_EQ(quiet_error(context), -ERR_TRANSMISSION_MISMATCH);
	context = send_quietly(memory, 10);
	submit_cancel(&sender, context);
	CHECK_EQ(quiet_error(context), -ERR_CANCELLED);
	context = send_quietly(memory, 10);
	CHECK_OK(hel_lane_shutdown(lanes.lane[1]));
	CHECK_EQ(quiet_error(context), -ERR_END_OF_LANE);
	CHECK_EQ(quiet_error(send_quietly(memory, 10)), -ERR_END_OF_LANE);
	close_all();
}

/* It is refused, and has closed its lane all the same. */
USER_TEST(the_last_word_is_the_last_also_if_it_is_refused)
{
	constexpr uint32_t flags = HEL_EXCHANGE_CLOSE_LANE | HEL_EXCHANGE_QUIET;
	struct hel_action action;

	open_all();
	action = SEND(memory, 97);
	uint64_t context = submit_exchange_with(&sender, lanes.lane[0], &action, 1, flags);

	CHECK_EQ(quiet_error(context), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_close(HEL_THIS, lanes.lane[0]), -ERR_BAD_HANDLE);
	close_all();
}

TEST_MAIN()

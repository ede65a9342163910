/* SPDX-License-Identifier: MIT */
/* Streams and exchanges: what each action does with each other one, and how lanes end. */
#include "machine.h"

#include <thor/ipc/stream.h>

static struct user_queue queue;
static struct hel_stream_lanes lanes;
static struct completion left, right;
static uint64_t memory; /* four pages */

static void open_stream(void)
{
	struct hel_stream_lanes made; /* on the stack: calls know no other memory of the host */

	CHECK_OK(hel_stream_create(&made));
	lanes = made;
}

static void open_all(void)
{
	CHECK_OK(queue_open(&queue, 8, 32768, 16384));
	open_stream();
	memory = user_map(5);
	CHECK(memory != 0);
	CHECK_OK(hel_space_unmap(HEL_THIS, memory + 4 * 4096, 4096));
}

static void close_all(void)
{
	CHECK(queue_is_quiet(&queue));
	(void)hel_close(HEL_THIS, lanes.lane[0]);
	(void)hel_close(HEL_THIS, lanes.lane[1]);
	queue_close(&queue);
}

/* One exchange on each lane; whose comes first is @is_right_first. */
static void exchange_both(bool is_right_first, const struct hel_action *a, uint32_t n_a,
	const struct hel_action *b, uint32_t n_b)
{
	uint64_t context_a = 0, context_b = 0;

	if (is_right_first) {
		context_b = submit_exchange(&queue, lanes.lane[1], b, n_b);
		CHECK_OK(queue_drive(&queue));
		CHECK(queue_is_quiet(&queue));
	}
	context_a = submit_exchange(&queue, lanes.lane[0], a, n_a);
	if (!is_right_first) {
		context_b = submit_exchange(&queue, lanes.lane[1], b, n_b);
	}
	CHECK(queue_await(&queue, context_a, &left));
	CHECK(queue_await(&queue, context_b, &right));
	CHECK_EQ(left.error, 0);
	CHECK_EQ(right.error, 0);
	CHECK_EQ(left.n_results, n_a);
	CHECK_EQ(right.n_results, n_b);
}

static void check_pair(struct hel_action a, int error_a, struct hel_action b, int error_b)
{
	for (int order = 0; order < 2; order++) {
		exchange_both(order, &a, 1, &b, 1);
		CHECK_EQ(left.results[0].error, error_a);
		CHECK_EQ(right.results[0].error, error_b);
	}
}

/* ---- all pairs ------------------------------------------------------------------------------- */

static struct hel_action action_of(uint16_t type, hel_handle token)
{
	switch (type) {
	case HEL_ACTION_SEND: return SEND(memory, 16);
	case HEL_ACTION_SEND_SG: return SEND_SG(memory + 256, 1);
	case HEL_ACTION_RECEIVE: return RECEIVE(memory + 4096, 16);
	case HEL_ACTION_RECEIVE_INLINE: return RECEIVE_INLINE(16);
	case HEL_ACTION_PUSH: return PUSH(token);
	default: return (struct hel_action){ .type = type };
	}
}

static bool matches(uint16_t a, uint16_t b)
{
	bool is_send = a == HEL_ACTION_SEND || a == HEL_ACTION_SEND_SG;
	bool is_receive = b == HEL_ACTION_RECEIVE || b == HEL_ACTION_RECEIVE_INLINE;

	return (is_send && is_receive) || (a == HEL_ACTION_OFFER && b == HEL_ACTION_ACCEPT) ||
		(a == HEL_ACTION_PUSH && b == HEL_ACTION_PULL) ||
		(a == HEL_ACTION_IMBUE_CREDENTIALS && b == HEL_ACTION_EXTRACT_CREDENTIALS);
}

static int expected_of(uint16_t own, uint16_t peer)
{
	if (own == HEL_ACTION_DISMISS || matches(own, peer) || matches(peer, own)) {
		return 0;
	}
	return peer == HEL_ACTION_DISMISS ? -ERR_DISMISSED : -ERR_TRANSMISSION_MISMATCH;
}

USER_TEST(every_pair_of_actions)
{
	hel_handle token;

	open_all();
	CHECK_OK(hel_token_create(&token));
	struct hel_sg segment = { memory, 16 };

	sim_store(memory + 256, &segment, sizeof(segment));
	for (uint16_t a = HEL_ACTION_DISMISS; a <= HEL_ACTION_EXTRACT_CREDENTIALS; a++) {
		for (uint16_t b = HEL_ACTION_DISMISS; b <= HEL_ACTION_EXTRACT_CREDENTIALS; b++) {
			check_pair(action_of(a, token), expected_of(a, b), action_of(b, token),
				expected_of(b, a));
		}
	}
	close_all();
}

/* ---- data ------------------------------------------------------------------------------------ */

USER_TEST(send_to_receive)
{
	struct hel_action send = SEND(memory, 8);
	struct hel_action receive;

	open_all();
	send = SEND(memory, 8);
	receive = RECEIVE(memory + 4090, 16); /* over a page's end, more room than needed */
	user_store_string(memory, "message");
	for (int order = 0; order < 2; order++) {
		user_store_string(memory + 4090, "-------");
		exchange_both(order, &send, 1, &receive, 1);
		CHECK_EQ(left.results[0].value, 8);
		CHECK_EQ(right.results[0].value, 8);
		CHECK(user_has_string(memory + 4090, "message"));
	}
	close_all();
}

USER_TEST(send_to_receive_inline)
{
	struct hel_action send[4], receive[4];

	open_all();
	for (unsigned i = 0; i < 4; i++) {
		static const uint32_t sizes[] = { 1, 96, 97, 4096 };

		send[i] = SEND(memory + i, sizes[i]);
		receive[i] = RECEIVE_INLINE(4096);
	}
	for (uint32_t i = 0; i < 8192; i++) {
		uint8_t byte = (uint8_t)(i * 7);

		sim_store(memory + i, &byte, 1);
	}
	for (int order = 0; order < 2; order++) {
		exchange_both(order, send, 4, receive, 4);
		for (uint32_t i = 0; i < 4; i++) {
			CHECK_EQ(right.results[i].error, 0);
			CHECK_EQ(right.results[i].value, send[i].length);
			CHECK_EQ(right.results[i].inline_size, send[i].length);
			for (uint32_t j = 0; j < send[i].length; j++) {
				CHECK_EQ(right.inline_data[i][j], (uint8_t)((i + j) * 7));
			}
		}
	}
	close_all();
}

USER_TEST(empty_messages)
{
	open_all();
	check_pair(SEND(0, 0), 0, RECEIVE(0, 0), 0);
	check_pair(SEND(~0ull, 0), 0, RECEIVE_INLINE(0), 0);
	check_pair(SEND_SG(~0ull, 0), 0, RECEIVE_INLINE(8), 0);
	CHECK_EQ(right.results[0].inline_size, 0);
	CHECK_EQ(right.results[0].value, 0);
	close_all();
}

USER_TEST(scattered_messages)
{
	struct hel_action send, receive;
	struct hel_sg segments[4];

	open_all();
	user_store_string(memory, "scattered");
	segments[0] = (struct hel_sg){ memory, 4 };
	segments[1] = (struct hel_sg){ ~0ull, 0 };
	segments[2] = (struct hel_sg){ memory + 4, 5 };
	segments[3] = (struct hel_sg){ memory + 9, 1 };
	sim_store(memory + 512, segments, sizeof(segments));
	send = SEND_SG(memory + 512, 4);
	receive = RECEIVE(memory + 4091, 10);
	exchange_both(false, &send, 1, &receive, 1);
	CHECK_EQ(right.results[0].value, 10);
	CHECK(user_has_string(memory + 4091, "scattered"));
	receive = RECEIVE_INLINE(10);
	exchange_both(true, &send, 1, &receive, 1);
	CHECK_MEM_EQ(right.inline_data[0], "scattered", 10);
	close_all();
}

USER_TEST(buffers_that_are_too_small)
{
	struct hel_sg segments[2];

	open_all();
	segments[0] = segments[1] = (struct hel_sg){ memory, 8 };
	sim_store(memory + 512, segments, sizeof(segments));
	user_store_string(memory + 4096, "unchanged");
	check_pair(SEND(memory, 17), -ERR_BUFFER_TOO_SMALL, RECEIVE(memory + 4096, 16),
		-ERR_BUFFER_TOO_SMALL);
	check_pair(SEND_SG(memory + 512, 2), -ERR_BUFFER_TOO_SMALL, RECEIVE(memory + 4096, 15),
		-ERR_BUFFER_TOO_SMALL);
	check_pair(
		SEND(memory, 1), -ERR_BUFFER_TOO_SMALL, RECEIVE_INLINE(0), -ERR_BUFFER_TOO_SMALL);
	CHECK(user_has_string(memory + 4096, "unchanged"));
	close_all();
}

/* Whose buffer it is gets ERR_FAULT, the other ERR_DISMISSED. */
USER_TEST(faults_on_either_side)
{
	struct hel_sg segments[2];

	open_all();
	CHECK_OK(hel_space_protect(HEL_THIS, memory + 3 * 4096, 4096, HEL_MAP_READ));
	segments[0] = (struct hel_sg){ memory, 8 };
	segments[1] = (struct hel_sg){ 0x1000, 8 };
	sim_store(memory + 512, segments, sizeof(segments));
	check_pair(SEND(0x10, 8), -ERR_FAULT, RECEIVE(memory, 8), -ERR_DISMISSED);
	check_pair(SEND(0xffff'8000'0000'0000, 8), -ERR_FAULT, RECEIVE(memory, 8), -ERR_DISMISSED);
	check_pair(SEND(~0ull - 3, 8), -ERR_FAULT, RECEIVE_INLINE(8), -ERR_DISMISSED);
	check_pair(SEND_SG(memory + 512, 2), -ERR_FAULT, RECEIVE_INLINE(16), -ERR_DISMISSED);
	check_pair(SEND(memory, 8), -ERR_DISMISSED, RECEIVE(0x10, 8), -ERR_FAULT);
	check_pair(SEND(memory, 8), -ERR_DISMISSED, RECEIVE(~0ull - 3, 8), -ERR_FAULT);
	check_pair(SEND(memory, 8), -ERR_DISMISSED, RECEIVE(memory + 3 * 4096, 8), -ERR_FAULT);
	/* only the end of the buffer is bad */
	check_pair(
		SEND(memory, 16), -ERR_DISMISSED, RECEIVE(memory + 3 * 4096 - 8, 16), -ERR_FAULT);
	check_pair(
		SEND(memory + 4 * 4096 - 8, 16), -ERR_FAULT, RECEIVE(memory, 16), -ERR_DISMISSED);
	close_all();
}

/* ---- records that are refused ---------------------------------------------------------------- */

static void check_refused(hel_handle lane, const struct hel_action *actions, uint32_t n, int error)
{
	CHECK(queue_await(&queue, submit_exchange(&queue, lane, actions, n), &left));
	CHECK_EQ(left.error, error);
	CHECK_EQ(left.n_results, 0);
	CHECK_EQ(left.size, 0);
}

USER_TEST(exchanges_that_are_refused)
{
	struct hel_action action = DISMISS();
	struct hel_action many[17] = {};
	hel_handle weak, event;

	open_all();
	CHECK_OK(hel_event_create(0, &event));
	CHECK_OK(hel_transfer(HEL_THIS, lanes.lane[0], HEL_THIS, HEL_RIGHT_DERIVE, &weak));
	check_refused(HEL_NULL, &action, 1, -ERR_BAD_HANDLE);
	check_refused(event, &action, 1, -ERR_BAD_TYPE);
	check_refused(weak, &action, 1, -ERR_NO_RIGHTS);
	check_refused(lanes.lane[0], &action, 0, -ERR_ILLEGAL_ARGS);
	for (unsigned i = 0; i < 17; i++) {
		many[i] = DISMISS();
	}
	check_refused(lanes.lane[0], many, 17, -ERR_ILLEGAL_ARGS);
	for (uint16_t type = 0; type < 20; type += 12) {
		action = (struct hel_action){ .type = type };
		check_refused(lanes.lane[0], &action, 1, -ERR_ILLEGAL_ARGS);
	}
	action = (struct hel_action){ .type = HEL_ACTION_PULL, .flags = 4 };
	check_refused(lanes.lane[0], &action, 1, -ERR_ILLEGAL_ARGS);
	action = (struct hel_action){ .type = HEL_ACTION_PULL, .reserved = 1 };
	check_refused(lanes.lane[0], &action, 1, -ERR_ILLEGAL_ARGS);
	action = ancillary(PULL());
	check_refused(lanes.lane[0], &action, 1, -ERR_ILLEGAL_ARGS);
	action = RECEIVE_INLINE(HEL_INLINE_MAX + 1);
	check_refused(lanes.lane[0], &action, 1, -ERR_ILLEGAL_ARGS);
	action = SEND_SG(memory, HEL_SG_MAX + 1);
	check_refused(lanes.lane[0], &action, 1, -ERR_ILLEGAL_ARGS);
	action = SEND_SG(0x10, 2);
	check_refused(lanes.lane[0], &action, 1, -ERR_FAULT);
	action = PUSH(12345);
	check_refused(lanes.lane[0], &action, 1, -ERR_BAD_HANDLE);
	action = IMBUE(event);
	check_refused(lanes.lane[0], &action, 1, -ERR_BAD_TYPE);
	CHECK_OK(hel_transfer(HEL_THIS, event, HEL_THIS, HEL_RIGHT_WAIT, &weak));
	action = PUSH(weak);
	check_refused(lanes.lane[0], &action, 1, -ERR_NO_RIGHTS);
	/* A refusal in the middle undoes what came before it. */
	many[0] = OFFER(HEL_ACTION_WANT_LANE);
	many[1] = PUSH(event);
	many[2] = SEND_SG(memory, 8);
	many[3] = PUSH(HEL_NULL);
	check_refused(lanes.lane[0], many, 4, -ERR_BAD_HANDLE);
	close_all();
}

/* What could not be reported in one chunk is refused. */
USER_TEST(results_have_to_fit_a_chunk)
{
	struct hel_action actions[2] = { RECEIVE_INLINE(900), RECEIVE_INLINE(100) };

	CHECK_OK(queue_open(&queue, 4, 1024, 4096));
	open_stream();
	check_refused(lanes.lane[0], actions, 2, -ERR_ILLEGAL_ARGS);
	uint64_t pending = submit_exchange(&queue, lanes.lane[0], actions, 1);

	CHECK_OK(queue_drive(&queue));
	submit_cancel(&queue, pending);
	CHECK(queue_await(&queue, pending, &left));
	CHECK_EQ(left.results[0].error, -ERR_CANCELLED);
	close_all();
}

/* ---- descriptors and credentials ------------------------------------------------------------- */

USER_TEST(push_to_pull)
{
	struct hel_descriptor_info info, pulled;
	hel_handle event;
	struct hel_action push, pull = PULL();

	open_all();
	CHECK_OK(hel_event_create(0, &event));
	CHECK_OK(hel_descriptor_info(HEL_THIS, event, &info));
	push = PUSH(event);
	for (int order = 0; order < 2; order++) {
		exchange_both(order, &push, 1, &pull, 1);
		CHECK_EQ(right.results[0].error, 0);
		CHECK_OK(hel_descriptor_info(HEL_THIS, right.results[0].value, &pulled));
		CHECK_EQ(pulled.identity, info.identity);
		CHECK_EQ(pulled.rights, info.rights);
		CHECK_OK(hel_close(HEL_THIS, right.results[0].value));
	}
	push.length = HEL_RIGHT_SIGNAL | HEL_RIGHT_PIN;
	exchange_both(false, &push, 1, &pull, 1);
	CHECK_OK(hel_descriptor_info(HEL_THIS, right.results[0].value, &pulled));
	CHECK_EQ(pulled.rights, HEL_RIGHT_SIGNAL);
	/* In flight it stays alive without a handle. */
	push.length = 0;
	uint64_t context = submit_exchange(&queue, lanes.lane[0], &push, 1);

	CHECK_OK(queue_drive(&queue));
	CHECK_OK(hel_close(HEL_THIS, event));
	CHECK(queue_await(&queue, submit_exchange(&queue, lanes.lane[1], &pull, 1), &right));
	CHECK_OK(hel_event_raise(right.results[0].value, 1));
	CHECK(queue_await(&queue, context, &left));
	close_all();
}

USER_TEST(credentials_cannot_be_forged)
{
	hel_handle token, other;
	struct hel_action imbue[3], extract[3] = { EXTRACT(), EXTRACT(), EXTRACT() };
	uint8_t first[16];

	open_all();
	CHECK_OK(hel_token_create(&token));
	CHECK_OK(hel_token_create(&other));
	imbue[0] = IMBUE(token);
	imbue[1] = IMBUE(other);
	imbue[2] = IMBUE(HEL_NULL);
	exchange_both(false, imbue, 3, extract, 3);
	for (unsigned i = 0; i < 3; i++) {
		CHECK_EQ(right.results[i].error, 0);
		CHECK_EQ(right.results[i].inline_size, 16);
	}
	memcpy(first, right.inline_data[0], 16);
	CHECK(memcmp(right.inline_data[0], right.inline_data[1], 16) != 0);
	CHECK(memcmp(right.inline_data[0], right.inline_data[2], 16) != 0);
	imbue[1] = IMBUE(token);
	imbue[0] = IMBUE(HEL_THIS);
	uint8_t own[16];

	memcpy(own, right.inline_data[2], 16);
	exchange_both(true, imbue, 2, extract, 2);
	CHECK_MEM_EQ(right.inline_data[0], own, 16);
	CHECK_MEM_EQ(right.inline_data[1], first, 16);
	close_all();
}

/* ---- conversations --------------------------------------------------------------------------- */

/* Offer, request and answer in one exchange; the server accepts and serves in two. */
USER_TEST(conversation_on_an_ancillary_stream)
{
	for (int order = 0; order < 2; order++) {
		struct hel_action client[3], server[2], answer;

		if (order == 0) {
			open_all();
		}
		user_store_string(memory, "request");
		user_store_string(memory + 64, "answer");
		client[0] = OFFER(0);
		client[1] = ancillary(SEND(memory, 8));
		client[2] = ancillary(RECEIVE(memory + 4096, 64));
		server[0] = ACCEPT(HEL_ACTION_WANT_LANE);
		server[1] = ancillary(RECEIVE_INLINE(64));
		answer = SEND(memory + 64, 7);
		uint64_t request = 0, served;

		if (order == 0) {
			request = submit_exchange(&queue, lanes.lane[0], client, 3);
		}
		served = submit_exchange(&queue, lanes.lane[1], server, 2);
		if (order == 1) {
			request = submit_exchange(&queue, lanes.lane[0], client, 3);
		}
		CHECK(queue_await(&queue, served, &right));
		CHECK_EQ(right.results[0].error, 0);
		CHECK_EQ(right.results[1].error, 0);
		CHECK_MEM_EQ(right.inline_data[1], "request", 8);
		CHECK(queue_is_quiet(&queue));
		hel_handle lane = right.results[0].value;

		CHECK(queue_await(&queue, submit_exchange(&queue, lane, &answer, 1), &right));
		CHECK(queue_await(&queue, request, &left));
		for (unsigned i = 0; i < 3; i++) {
			CHECK_EQ(left.results[i].error, 0);
		}
		CHECK_EQ(left.results[0].value, HEL_NULL);
		CHECK_EQ(left.results[2].value, 7);
		CHECK(user_has_string(memory + 4096, "answer"));
		/* The client's lane was closed with its exchange. */
		CHECK(queue_await(&queue, submit_exchange(&queue, lane, &answer, 1), &right));
		CHECK_EQ(right.results[0].error, -ERR_END_OF_LANE);
		CHECK_OK(hel_close(HEL_THIS, lane));
	}
	close_all();
}

/* Both sides chain without waiting, also through streams made on streams. */
USER_TEST(chains_through_nested_streams)
{
	struct hel_action client[6], server[6];

	open_all();
	user_store_string(memory, "deep");
	client[0] = OFFER(0);
	client[1] = ancillary(OFFER(0));
	client[2] = ancillary(OFFER(HEL_ACTION_WANT_LANE));
	client[3] = ancillary(SEND(memory, 5));
	client[4] = SEND(memory, 3);
	client[5] = ancillary(EXTRACT());
	server[0] = ACCEPT(0);
	server[1] = ancillary(ACCEPT(0));
	server[2] = ancillary(ACCEPT(HEL_ACTION_WANT_LANE));
	server[3] = ancillary(RECEIVE_INLINE(16));
	server[4] = RECEIVE_INLINE(16);
	server[5] = ancillary(IMBUE(HEL_THIS));
	for (int order = 0; order < 2; order++) {
		exchange_both(order, client, 6, server, 6);
		for (unsigned i = 0; i < 6; i++) {
			CHECK_EQ(left.results[i].error, 0);
			CHECK_EQ(right.results[i].error, 0);
		}
		CHECK_MEM_EQ(right.inline_data[3], "deep", 5);
		CHECK_MEM_EQ(right.inline_data[4], "dee", 3);
		/* The innermost lanes are a stream between the two. */
		struct hel_action send = SEND(memory, 4), receive = RECEIVE_INLINE(4);
		uint64_t sent = submit_exchange(&queue, left.results[2].value, &send, 1);
		hel_handle theirs = right.results[2].value, ours = left.results[2].value;

		CHECK(queue_await(&queue, submit_exchange(&queue, theirs, &receive, 1), &right));
		CHECK_EQ(right.results[0].error, 0);
		CHECK(queue_await(&queue, sent, &left));
		CHECK_OK(hel_close(HEL_THIS, ours));
		CHECK_OK(hel_close(HEL_THIS, theirs));
	}
	close_all();
}

/* What hangs on an OFFER or ACCEPT that fails, fails. */
USER_TEST(chains_behind_failures)
{
	struct hel_action client[3], server[3];

	open_all();
	client[0] = OFFER(HEL_ACTION_WANT_LANE);
	client[1] = ancillary(SEND(memory, 5));
	client[2] = ancillary(RECEIVE_INLINE(8));
	server[0] = DISMISS();
	for (int order = 0; order < 2; order++) {
		exchange_both(order, client, 3, server, 1);
		CHECK_EQ(left.results[0].error, -ERR_DISMISSED);
		CHECK_EQ(left.results[1].error, -ERR_END_OF_LANE);
		CHECK_EQ(left.results[2].error, -ERR_END_OF_LANE);
	}
	server[0] = ACCEPT(HEL_ACTION_WANT_LANE);
	server[1] = ancillary(ACCEPT(0));
	server[2] = ancillary(RECEIVE_INLINE(8));
	client[0] = SEND(memory, 1);
	for (int order = 0; order < 2; order++) {
		exchange_both(order, client, 1, server, 3);
		for (unsigned i = 0; i < 3; i++) {
			CHECK_EQ(right.results[i].error, -ERR_TRANSMISSION_MISMATCH);
		}
	}
	/* Neither side keeps its lane: what the peer has not done yet ends. */
	client[0] = OFFER(0);
	client[1] = ancillary(RECEIVE_INLINE(8));
	server[0] = ACCEPT(0);
	for (int order = 0; order < 2; order++) {
		exchange_both(order, client, 2, server, 1);
		CHECK_EQ(left.results[0].error, 0);
		CHECK_EQ(left.results[1].error, -ERR_END_OF_LANE);
		CHECK_EQ(right.results[0].error, 0);
	}
	close_all();
}

USER_TEST(exchange_is_cancelled_halfway)
{
	struct hel_action client[4], server[1];
	uint64_t request;

	open_all();
	client[0] = SEND(memory, 4);
	client[1] = OFFER(HEL_ACTION_WANT_LANE);
	client[2] = ancillary(RECEIVE_INLINE(8));
	client[3] = RECEIVE_INLINE(8);
	server[0] = RECEIVE_INLINE(4);
	request = submit_exchange(&queue, lanes.lane[0], client, 4);
	CHECK(queue_await(&queue, submit_exchange(&queue, lanes.lane[1], server, 1), &right));
	CHECK(queue_is_quiet(&queue));
	submit_cancel(&queue, request);
	CHECK(queue_await(&queue, request, &left));
	CHECK_EQ(left.error, 0);
	CHECK_EQ(left.results[0].error, 0);
	for (unsigned i = 1; i < 4; i++) {
		CHECK_EQ(left.results[i].error, -ERR_CANCELLED);
	}
	/* Nothing of it is left on the lane. */
	client[0] = SEND(memory, 4);
	exchange_both(true, client, 1, server, 1);
	CHECK_EQ(right.results[0].error, 0);
	close_all();
}

/* Cancelling while an ACCEPT has been served and what follows it waits. */
USER_TEST(accepted_chain_is_cancelled)
{
	struct hel_action client = OFFER(HEL_ACTION_WANT_LANE);
	struct hel_action server[3] = { ACCEPT(0), ancillary(RECEIVE_INLINE(8)),
		ancillary(ACCEPT(0)) };
	uint64_t served;

	open_all();
	served = submit_exchange(&queue, lanes.lane[1], server, 3);
	CHECK(queue_await(&queue, submit_exchange(&queue, lanes.lane[0], &client, 1), &left));
	CHECK_EQ(left.results[0].error, 0);
	submit_cancel(&queue, served);
	CHECK(queue_await(&queue, served, &right));
	CHECK_EQ(right.results[0].error, 0);
	CHECK_EQ(right.results[1].error, -ERR_CANCELLED);
	CHECK_EQ(right.results[2].error, -ERR_CANCELLED);
	/* Cancelled before the accept: all of it. */
	served = submit_exchange(&queue, lanes.lane[1], server, 3);
	submit_cancel(&queue, served);
	CHECK(queue_await(&queue, served, &right));
	for (unsigned i = 0; i < 3; i++) {
		CHECK_EQ(right.results[i].error, -ERR_CANCELLED);
	}
	close_all();
}

/* ---- the end of lanes ------------------------------------------------------------------------ */

/* What is pending on a lane that goes, on the other one, and what comes later. */
static void check_hang_up(bool is_shutdown, unsigned pending_side)
{
	struct hel_action receive = RECEIVE_INLINE(8);
	uint64_t pending[3];

	open_stream();
	for (unsigned i = 0; i < 3; i++) {
		pending[i] = submit_exchange(&queue, lanes.lane[pending_side], &receive, 1);
	}
	CHECK_OK(queue_drive(&queue));
	CHECK(queue_is_quiet(&queue));
	CHECK_OK(is_shutdown ? hel_lane_shutdown(lanes.lane[0])
			     : hel_close(HEL_THIS, lanes.lane[0]));
	for (unsigned i = 0; i < 3; i++) {
		CHECK(queue_await(&queue, pending[i], &left));
		CHECK_EQ(left.results[0].error,
			pending_side == 0 ? -ERR_LANE_SHUTDOWN : -ERR_END_OF_LANE);
	}
	CHECK(queue_await(&queue, submit_exchange(&queue, lanes.lane[1], &receive, 1), &right));
	CHECK_EQ(right.results[0].error, -ERR_END_OF_LANE);
	CHECK(queue_await(&queue, submit_exchange(&queue, lanes.lane[0], &receive, 1), &right));
	if (is_shutdown) {
		CHECK_EQ(right.results[0].error, -ERR_LANE_SHUTDOWN);
		CHECK_OK(hel_lane_shutdown(lanes.lane[0]));
		CHECK_OK(hel_lane_shutdown(lanes.lane[1]));
		CHECK(queue_await(
			&queue, submit_exchange(&queue, lanes.lane[1], &receive, 1), &right));
		CHECK_EQ(right.results[0].error, -ERR_LANE_SHUTDOWN);
	} else {
		CHECK_EQ(right.error, -ERR_BAD_HANDLE);
	}
	(void)hel_close(HEL_THIS, lanes.lane[0]);
	(void)hel_close(HEL_THIS, lanes.lane[1]);
}

USER_TEST(lanes_end_in_every_state)
{
	open_all();
	hel_close(HEL_THIS, lanes.lane[0]);
	hel_close(HEL_THIS, lanes.lane[1]);
	for (unsigned i = 0; i < 4; i++) {
		check_hang_up((i & 1) != 0, i >> 1);
	}
	close_all();
}

/* A lane lives while it is in flight, and ends when its carrier does. */
USER_TEST(lane_in_flight_keeps_its_stream)
{
	struct hel_stream_lanes carrier;
	struct hel_action push, pull = PULL(), receive = RECEIVE_INLINE(8);
	uint64_t pushed, pending;

	open_all();
	CHECK_OK(hel_stream_create(&carrier));
	push = PUSH(lanes.lane[1]);
	pushed = submit_exchange(&queue, carrier.lane[0], &push, 1);
	pending = submit_exchange(&queue, lanes.lane[0], &receive, 1);
	CHECK_OK(queue_drive(&queue));
	CHECK_OK(hel_close(HEL_THIS, lanes.lane[1]));
	CHECK_OK(queue_drive(&queue));
	CHECK(queue_is_quiet(&queue));
	CHECK(queue_await(&queue, submit_exchange(&queue, carrier.lane[1], &pull, 1), &right));
	CHECK(queue_await(&queue, pushed, &left));
	CHECK(queue_is_quiet(&queue));
	push = PUSH(right.results[0].value);
	pushed = submit_exchange(&queue, carrier.lane[0], &push, 1);
	CHECK_OK(queue_drive(&queue));
	CHECK_OK(hel_close(HEL_THIS, right.results[0].value));
	CHECK(queue_is_quiet(&queue));
	CHECK_OK(hel_close(HEL_THIS, carrier.lane[1]));
	CHECK(queue_await(&queue, pushed, &left));
	CHECK_EQ(left.results[0].error, -ERR_END_OF_LANE);
	CHECK(queue_await(&queue, pending, &right));
	CHECK_EQ(right.results[0].error, -ERR_END_OF_LANE);
	hel_close(HEL_THIS, carrier.lane[0]);
	close_all();
}

/*
 * A lane that is in flight on its own peer: nobody can ever get it, so all of it ends with the
 * peer.
 */
USER_TEST(lane_pushed_through_its_own_stream)
{
	struct hel_action push;

	open_all();
	push = PUSH(lanes.lane[1]);
	(void)submit_exchange(&queue, lanes.lane[0], &push, 1);
	CHECK_OK(queue_drive(&queue));
	CHECK_OK(hel_close(HEL_THIS, lanes.lane[1]));
	CHECK(queue_is_quiet(&queue));
	CHECK_OK(hel_close(HEL_THIS, lanes.lane[0]));
	CHECK_OK(queue_drive(&queue));
	CHECK(queue_take(&queue, &left));
	CHECK_EQ(left.results[0].error, -ERR_LANE_SHUTDOWN);
	close_all();
}

USER_TEST(actions_of_a_lane_are_limited)
{
	struct hel_action sends[16];
	unsigned n_refused = 0;

	open_all();
	for (unsigned i = 0; i < 16; i++) {
		sends[i] = SEND(memory, 1);
	}
	for (unsigned i = 0; i < LANE_PENDING_MAX / 16; i++) {
		(void)submit_exchange(&queue, lanes.lane[0], sends, 16);
	}
	CHECK_OK(queue_drive(&queue));
	CHECK(queue_is_quiet(&queue));
	CHECK(queue_await(&queue, submit_exchange(&queue, lanes.lane[0], sends, 16), &left));
	for (unsigned i = 0; i < 16; i++) {
		n_refused += left.results[i].error == -ERR_NO_MEMORY;
	}
	CHECK_EQ(n_refused, 16);
	CHECK_OK(hel_close(HEL_THIS, lanes.lane[1]));
	for (unsigned i = 0; i < LANE_PENDING_MAX / 16; i++) {
		CHECK(queue_take(&queue, &left) ||
			(queue_drive(&queue) == 0 && queue_take(&queue, &left)));
		CHECK_EQ(left.results[15].error, -ERR_END_OF_LANE);
	}
	close_all();
}

/* An operation outlives the thread that submitted it, and its space. */
static void submit_and_exit(UNUSED void *context)
{
	struct hel_action send = SEND(memory, 8);

	(void)submit_exchange(&queue, lanes.lane[0], &send, 1);
	(void)queue_drive(&queue);
}

USER_TEST(exchange_outlives_its_thread)
{
	struct hel_action receive = RECEIVE_INLINE(8);

	open_all();
	user_store_string(memory, "outlive");
	CHECK(user_start(submit_and_exit, NULL) != HEL_NULL);
	sim_compute(10'000'000);
	CHECK(queue_await(&queue, submit_exchange(&queue, lanes.lane[1], &receive, 1), &right));
	CHECK_MEM_EQ(right.inline_data[0], "outlive", 8);
	CHECK(queue_take(&queue, &left));
	close_all();
}

TEST_MAIN()

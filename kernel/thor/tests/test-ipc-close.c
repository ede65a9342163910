/* SPDX-License-Identifier: MIT */
/* HEL_EXCHANGE_CLOSE_LANE: an exchange that is the last word on its lane. */
#include "machine.h"

static struct user_queue queue;
static struct hel_stream_lanes lanes;
static struct completion left, right;
static uint64_t memory; /* a page */

static void open_all(void)
{
	struct hel_stream_lanes made; /* on the stack: calls know no other memory of the host */

	CHECK_OK(queue_open(&queue, 8, 32768, 16384));
	CHECK_OK(hel_stream_create(&made));
	lanes = made;
	memory = user_map(1);
	CHECK(memory != 0);
}

static void close_all(void)
{
	CHECK(queue_is_quiet(&queue));
	(void)hel_close(HEL_THIS, lanes.lane[0]);
	(void)hel_close(HEL_THIS, lanes.lane[1]);
	queue_close(&queue);
}

USER_TEST(close_lane_keeps_the_lane_until_the_exchange_is_complete)
{
	struct hel_action send = SEND(0, 4);
	struct hel_action receive = RECEIVE_INLINE(4);

	open_all();
	send.address = memory;
	uint64_t context =
		submit_exchange_with(&queue, lanes.lane[0], &send, 1, HEL_EXCHANGE_CLOSE_LANE);

	CHECK_OK(queue_drive(&queue));
	CHECK_EQ(hel_close(HEL_THIS, lanes.lane[0]), -ERR_BAD_HANDLE);
	CHECK(queue_is_quiet(&queue));
	CHECK(queue_await(&queue, submit_exchange(&queue, lanes.lane[1], &receive, 1), &right));
	CHECK_EQ(right.results[0].error, 0);
	CHECK(queue_await(&queue, context, &left));
	CHECK_EQ(left.results[0].error, 0);
	CHECK(queue_await(&queue, submit_exchange(&queue, lanes.lane[1], &receive, 1), &right));
	CHECK_EQ(right.results[0].error, -ERR_END_OF_LANE);
	close_all();
}

USER_TEST(close_lane_closes_when_an_action_is_refused)
{
	struct hel_action bad = { .type = 0xffff };
	struct hel_action receive = RECEIVE_INLINE(4);

	open_all();
	CHECK(queue_await(&queue,
		submit_exchange_with(&queue, lanes.lane[0], &bad, 1, HEL_EXCHANGE_CLOSE_LANE),
		&left));
	CHECK_EQ(left.error, -ERR_ILLEGAL_ARGS);
	CHECK(queue_await(&queue, submit_exchange(&queue, lanes.lane[1], &receive, 1), &right));
	CHECK_EQ(right.results[0].error, -ERR_END_OF_LANE);
	/* An unknown flag closes nothing. */
	CHECK(queue_await(
		&queue, submit_exchange_with(&queue, lanes.lane[1], &receive, 1, 8), &right));
	CHECK_EQ(right.error, -ERR_ILLEGAL_ARGS);
	CHECK_OK(hel_close(HEL_THIS, lanes.lane[1]));
	close_all();
}

USER_TEST(close_lane_ends_a_pending_exchange_that_is_cancelled)
{
	struct hel_action receive = RECEIVE_INLINE(4);

	open_all();
	uint64_t context =
		submit_exchange_with(&queue, lanes.lane[0], &receive, 1, HEL_EXCHANGE_CLOSE_LANE);

	submit_cancel(&queue, context);
	CHECK(queue_await(&queue, context, &left));
	CHECK_EQ(left.results[0].error, -ERR_CANCELLED);
	CHECK(queue_await(&queue, submit_exchange(&queue, lanes.lane[1], &receive, 1), &right));
	CHECK_EQ(right.results[0].error, -ERR_END_OF_LANE);
	close_all();
}

TEST_MAIN()

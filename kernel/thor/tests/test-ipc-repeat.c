/* SPDX-License-Identifier: MIT */
/* Exchanges that repeat: which may, their rounds, and what peers do that ends nothing. */
#include "repeat.h"

#include <thor/ipc/stream.h>

/* ---- which may ------------------------------------------------------------------------------- */

struct combination {
	uint32_t n_actions;
	struct hel_action actions[3];
	uint32_t flags;
	bool is_allowed;
};

#define ALONE(action_) \
	1, \
	{ \
		action_ \
	}
#define BEHIND_ACCEPT(action_) \
	2, \
	{ \
		ACCEPT(0), ancillary(action_) \
	}

/* Of those that are allowed none can be complete: nobody is at the other end. */
static void check_combination(const struct combination *wanted)
{
	uint64_t context = submit_exchange_with(
		&server, lanes.lane[1], wanted->actions, wanted->n_actions, wanted->flags);

	CHECK_OK(queue_drive(&server));
	if (wanted->is_allowed) {
		CHECK(queue_is_quiet(&server));
		end_by_cancel(context);
		CHECK_EQ(completion.n_results, wanted->n_actions);
	} else {
		CHECK(queue_await(&server, context, &completion));
		CHECK_EQ(completion.error, -ERR_ILLEGAL_ARGS);
		CHECK(!completion.has_more);
	}
	CHECK(queue_is_quiet(&server));
}

USER_TEST(only_actions_that_take_repeat)
{
	open_all();
	const struct combination combinations[] = {
		{ ALONE(RECEIVE_INLINE(64)), HEL_EXCHANGE_REPEAT, true },
		{ ALONE(RECEIVE_INLINE(0)), HEL_EXCHANGE_REPEAT, true },
		{ ALONE(PULL()), HEL_EXCHANGE_REPEAT, true },
		{ ALONE(ACCEPT(0)), HEL_EXCHANGE_REPEAT, true },
		{ ALONE(ACCEPT(HEL_ACTION_WANT_LANE)), HEL_EXCHANGE_REPEAT, true },
		{ BEHIND_ACCEPT(RECEIVE_INLINE(64)), HEL_EXCHANGE_REPEAT, true },
		{ BEHIND_ACCEPT(PULL()), HEL_EXCHANGE_REPEAT, true },
		{ BEHIND_ACCEPT(EXTRACT()), HEL_EXCHANGE_REPEAT, true },
		{ BEHIND_ACCEPT(DISMISS()), HEL_EXCHANGE_REPEAT, true },
		{ 3, { ACCEPT(0), ancillary(RECEIVE_INLINE(8)), ancillary(PULL()) },
			HEL_EXCHANGE_REPEAT, true },

		{ ALONE(RECEIVE(memory, 64)), HEL_EXCHANGE_REPEAT, false },
		{ ALONE(SEND(memory, 8)), HEL_EXCHANGE_REPEAT, false },
		{ ALONE(SEND_SG(memory, 0)), HEL_EXCHANGE_REPEAT, false },
		{ ALONE(OFFER(0)), HEL_EXCHANGE_REPEAT, false },
		{ ALONE(PUSH(lanes.lane[0])), HEL_EXCHANGE_REPEAT, false },
		{ ALONE(IMBUE(HEL_THIS)), HEL_EXCHANGE_REPEAT, false },
		{ ALONE(EXTRACT()), HEL_EXCHANGE_REPEAT, false },
		{ ALONE(DISMISS()), HEL_EXCHANGE_REPEAT, false },
		{ 2, { RECEIVE_INLINE(8), RECEIVE_INLINE(8) }, HEL_EXCHANGE_REPEAT, false },
		{ 2, { PULL(), PULL() }, HEL_EXCHANGE_REPEAT, false },
		{ 2, { ACCEPT(0), RECEIVE_INLINE(8) }, HEL_EXCHANGE_REPEAT, false },
		{ 2, { ACCEPT(0), ACCEPT(0) }, HEL_EXCHANGE_REPEAT, false },
		{ 3, { OFFER(0), ancillary(SEND(memory, 8)), ancillary(RECEIVE_INLINE(8)) },
			HEL_EXCHANGE_REPEAT, false },
		{ BEHIND_ACCEPT(SEND(memory, 8)), HEL_EXCHANGE_REPEAT, false },
		{ BEHIND_ACCEPT(SEND_SG(memory, 0)), HEL_EXCHANGE_REPEAT, false },
		{ BEHIND_ACCEPT(RECEIVE(memory, 8)), HEL_EXCHANGE_REPEAT, false },
		{ BEHIND_ACCEPT(PUSH(lanes.lane[0])), HEL_EXCHANGE_REPEAT, false },
		{ BEHIND_ACCEPT(OFFER(0)), HEL_EXCHANGE_REPEAT, false },
		{ BEHIND_ACCEPT(ACCEPT(0)), HEL_EXCHANGE_REPEAT, false },
		{ BEHIND_ACCEPT(IMBUE(HEL_THIS)), HEL_EXCHANGE_REPEAT, false },
		{ 0, {}, HEL_EXCHANGE_REPEAT, false },

		{ ALONE(RECEIVE_INLINE(8)), HEL_EXCHANGE_REPEAT | HEL_EXCHANGE_CLOSE_LANE, false },
		{ ALONE(RECEIVE_INLINE(8)), HEL_EXCHANGE_REPEAT | HEL_EXCHANGE_QUIET, false },
		{ ALONE(SEND(memory, 8)), HEL_EXCHANGE_REPEAT | HEL_EXCHANGE_QUIET, false },
		{ ALONE(RECEIVE_INLINE(8)), 8, false },
		{ ALONE(SEND(memory, 97)), HEL_EXCHANGE_QUIET, false },
		{ ALONE(SEND_SG(memory, 0)), HEL_EXCHANGE_QUIET, false },
		{ ALONE(RECEIVE_INLINE(8)), HEL_EXCHANGE_QUIET, false },
		{ ALONE(PUSH(lanes.lane[0])), HEL_EXCHANGE_QUIET, false },
		{ ALONE(DISMISS()), HEL_EXCHANGE_QUIET, false },
		{ 2, { SEND(memory, 8), SEND(memory, 8) }, HEL_EXCHANGE_QUIET, false },
		{ 3, { OFFER(0), ancillary(SEND(memory, 8)), ancillary(RECEIVE_INLINE(8)) },
			HEL_EXCHANGE_QUIET, false },
	};

	for (uint32_t i = 0; i < ARRAY_SIZE(combinations); i++) {
		check_combination(&combinations[i]);
	}
	close_all();
}

/* The same memory of an exchange serves one after the other. */
USER_TEST(what_an_exchange_was_before_does_not_matter)
{
	struct hel_action ask[3] = {
		OFFER(0),
		ancillary(SEND(0, 8)),
		ancillary(RECEIVE_INLINE(8)),
	};
	uint64_t context;

	open_all();
	ask[1].address = memory;
	for (uint32_t i = 0; i < 3; i++) {
		struct hel_action once = RECEIVE_INLINE(64);

		context = submit_exchange(&server, lanes.lane[1], &once, 1);
		CHECK_OK(queue_drive(&server));
		end_by_cancel(context);
		context = repeat_one(RECEIVE_INLINE(64));
		send_quietly(i);
		check_number(context, i);
		end_by_cancel(context);
		context = submit_exchange(&server, lanes.lane[1], ask, 3);
		CHECK_OK(queue_drive(&server));
		end_by_cancel(context);
		for (uint32_t flags = 2; flags <= 4; flags += 2) {
			context = submit_exchange_with(&server, lanes.lane[1], ask, 3, flags);
			CHECK_OK(queue_drive(&server));
			CHECK(queue_await(&server, context, &completion));
			CHECK_EQ(completion.error, -ERR_ILLEGAL_ARGS);
		}
	}
	close_all();
}

/* ---- rounds ---------------------------------------------------------------------------------- */

USER_TEST(one_record_takes_all_messages)
{
	open_all();
	uint64_t context = repeat_one(RECEIVE_INLINE(64));

	for (uint64_t i = 0; i < 400; i++) {
		send_number(i, i % 2 == 0 ? HEL_EXCHANGE_QUIET : 0);
		check_number(context, i);
	}
	for (uint64_t i = 1; i < 400; i += 2) {
		CHECK(queue_take(&client, &completion));
		CHECK_EQ(completion.results[0].value, 8);
	}
	end_by_cancel(context);
	/* Nobody listens any more. */
	uint64_t left = submit_one(SEND(memory, 8), 0);

	CHECK(queue_is_quiet(&client));
	submit_cancel(&client, left);
	CHECK_EQ(client_result(left), -ERR_CANCELLED);
	close_all();
}

static void check_line(uint32_t n_messages)
{
	open_with(8, 65536);
	for (uint64_t i = 0; i < n_messages; i++) {
		send_quietly(i);
	}
	CHECK(queue_is_quiet(&client));
	uint64_t context = repeat_one(RECEIVE_INLINE(64));

	for (uint64_t i = 0; i < n_messages; i++) {
		check_number(context, i);
	}
	send_quietly(n_messages);
	check_number(context, n_messages);
	end_by_cancel(context);
	close_all();
}

USER_TEST(a_line_of_messages_waits_already)
{
	check_line(10);
}

USER_TEST(a_long_line_of_messages_waits_already)
{
	check_line(LANE_PENDING_MAX);
}

USER_TEST(descriptors_are_pulled_one_after_the_other)
{
	open_all();
	uint64_t before = submit_one(PUSH(client.client.handle), 0);
	uint64_t context = repeat_one(PULL());

	CHECK_OK(await_round(context, 1));
	CHECK_OK(hel_close(HEL_THIS, completion.results[0].value));
	CHECK_OK(client_result(before));
	for (uint32_t i = 0; i < 10; i++) {
		CHECK_OK(try_one(PUSH(client.client.handle)));
		CHECK_OK(await_round(context, 1));
		CHECK_OK(hel_close(HEL_THIS, completion.results[0].value));
	}
	end_by_cancel(context);
	CHECK_EQ(completion.results[0].value, 0);
	close_all();
}

USER_TEST(conversations_of_all_kinds)
{
	struct hel_action rounds[5] = {
		ACCEPT(0),
		ancillary(RECEIVE_INLINE(200)),
		ancillary(PULL()),
		ancillary(EXTRACT()),
		ancillary(DISMISS()),
	};
	struct hel_action asks[5] = {
		OFFER(0),
		ancillary(SEND(0, 200)),
		ancillary(PUSH(HEL_NULL)),
		ancillary(IMBUE(HEL_THIS)),
		ancillary(SEND(0, 8)),
	};

	open_all();
	asks[1].address = memory;
	asks[2].handle = client.client.handle;
	uint64_t context = repeat(rounds, 5);

	for (uint32_t i = 0; i < 20; i++) {
		uint64_t asked = submit_exchange(&client, lanes.lane[0], asks, 5);

		CHECK_OK(client_result(asked));
		CHECK_EQ(completion.results[4].error, -ERR_DISMISSED);
		CHECK_OK(await_round(context, 5));
		for (uint32_t action = 1; action < 5; action++) {
			CHECK_EQ(completion.results[action].error, 0);
		}
		CHECK_EQ(completion.results[1].inline_size, 200);
		CHECK_EQ(completion.results[3].inline_size, sizeof(struct thread_credentials));
		CHECK_OK(hel_close(HEL_THIS, completion.results[2].value));
	}
	end_by_cancel(context);
	for (uint32_t action = 0; action < 5; action++) {
		CHECK_EQ(completion.results[action].error, -ERR_CANCELLED);
		CHECK_EQ(completion.results[action].inline_size, 0);
	}
	close_all();
}

/* ---- mistakes of peers ----------------------------------------------------------------------- */

USER_TEST(mistakes_of_senders_end_nothing)
{
	open_all();
	uint64_t context = repeat_one(RECEIVE_INLINE(8));
	const struct mistake {
		struct hel_action action;
		int theirs, ours;
	} mistakes[] = {
		{ SEND(memory, 9), -ERR_BUFFER_TOO_SMALL, -ERR_BUFFER_TOO_SMALL },
		{ SEND(memory + 8190, 4), -ERR_FAULT, -ERR_DISMISSED },
		{ DISMISS(), 0, -ERR_DISMISSED },
		{ OFFER(0), -ERR_TRANSMISSION_MISMATCH, -ERR_TRANSMISSION_MISMATCH },
		{ PUSH(lanes.lane[0]), -ERR_TRANSMISSION_MISMATCH, -ERR_TRANSMISSION_MISMATCH },
		{ PULL(), -ERR_TRANSMISSION_MISMATCH, -ERR_TRANSMISSION_MISMATCH },
		{ RECEIVE_INLINE(8), -ERR_TRANSMISSION_MISMATCH, -ERR_TRANSMISSION_MISMATCH },
		{ ACCEPT(0), -ERR_TRANSMISSION_MISMATCH, -ERR_TRANSMISSION_MISMATCH },
	};

	for (uint32_t i = 0; i < ARRAY_SIZE(mistakes); i++) {
		CHECK_EQ(try_one(mistakes[i].action), mistakes[i].theirs);
		CHECK_EQ(await_round(context, 1), mistakes[i].ours);
		send_quietly(i);
		check_number(context, i);
	}
	end_by_cancel(context);
	close_all();
}

USER_TEST(mistakes_of_askers_end_nothing)
{
	open_all();
	uint64_t context = serve();
	struct hel_action asks[5][2] = {
		{ SEND(memory, 8), DISMISS() },
		{ DISMISS(), DISMISS() },
		{ OFFER(0), ancillary(SEND(memory, 65)) },
		{ OFFER(0), ancillary(PULL()) },
		{ OFFER(0), ancillary(SEND(memory + 8190, 4)) },
	};
	const int errors[5][2] = {
		{ -ERR_TRANSMISSION_MISMATCH, -ERR_TRANSMISSION_MISMATCH },
		{ -ERR_DISMISSED, -ERR_DISMISSED },
		{ 0, -ERR_BUFFER_TOO_SMALL },
		{ 0, -ERR_TRANSMISSION_MISMATCH },
		{ 0, -ERR_DISMISSED },
	};

	for (uint32_t i = 0; i < 5; i++) {
		uint64_t asked = submit_exchange(&client, lanes.lane[0], asks[i], i < 2 ? 1 : 2);

		(void)client_result(asked);
		CHECK_EQ(await_round(context, 2), errors[i][0]);
		CHECK_EQ(completion.results[1].error, errors[i][1]);
		if (errors[i][0] == 0) {
			CHECK_OK(hel_close(HEL_THIS, completion.results[0].value));
		}
	}
	/* An offer, and nothing behind it: the conversation is over before it began. */
	CHECK_OK(try_one(OFFER(0)));
	CHECK_OK(await_round(context, 2));
	CHECK_EQ(completion.results[1].error, -ERR_END_OF_LANE);
	CHECK_OK(hel_close(HEL_THIS, completion.results[0].value));
	end_by_cancel(context);
	close_all();
}

/* Two that repeat would keep each other going for ever: of these one goes on. */
USER_TEST(two_that_repeat_meet_once)
{
	open_all();
	uint64_t context = repeat_one(RECEIVE_INLINE(8));
	uint64_t other = submit_one(RECEIVE_INLINE(8), HEL_EXCHANGE_REPEAT);

	CHECK_EQ(client_result(other), -ERR_TRANSMISSION_MISMATCH);
	CHECK_EQ(await_round(context, 1), -ERR_TRANSMISSION_MISMATCH);
	send_quietly(5);
	check_number(context, 5);
	/* It is the older one also if it comes back to its lane later. */
	uint64_t sent = submit_one(PULL(), 0);

	other = submit_one(ACCEPT(0), HEL_EXCHANGE_REPEAT);
	CHECK_EQ(client_result(sent), -ERR_TRANSMISSION_MISMATCH);
	CHECK_EQ(await_round(context, 1), -ERR_TRANSMISSION_MISMATCH);
	CHECK_EQ(client_result(other), -ERR_TRANSMISSION_MISMATCH);
	CHECK_EQ(await_round(context, 1), -ERR_TRANSMISSION_MISMATCH);
	end_by_cancel(context);
	close_all();
}

/* The grant is of what the peer gives away, not of our lane. */
USER_TEST(a_descriptor_that_was_revoked_ends_nothing)
{
	struct hel_grant_handles granted;
	hel_handle token;

	open_all();
	CHECK_OK(hel_token_create(&token));
	CHECK_OK(hel_grant_create(HEL_NULL, token, 0, 0, &granted));
	uint64_t pushed = submit_one(PUSH(granted.handle), 0);

	CHECK_OK(hel_grant_revoke(granted.grant));
	uint64_t context = repeat_one(PULL());

	CHECK_EQ(client_result(pushed), -ERR_REVOKED);
	CHECK_EQ(await_round(context, 1), -ERR_REVOKED);
	CHECK_OK(try_one(PUSH(token)));
	CHECK_OK(await_round(context, 1));
	CHECK_OK(hel_close(HEL_THIS, completion.results[0].value));
	end_by_cancel(context);
	close_all();
}

TEST_MAIN()

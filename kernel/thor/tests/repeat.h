/* SPDX-License-Identifier: MIT */
/*
 * For tests of exchanges that repeat: a server that repeats on lane 1, and clients on lane 0. Both
 * have queues of their own, so that either can be short of chunks.
 */
#ifndef THOR_TESTS_REPEAT_H
#define THOR_TESTS_REPEAT_H

#include "machine.h"

static struct user_queue server, client;
static struct hel_stream_lanes lanes;
static struct completion completion;
static uint64_t memory; /* two pages: numbers, and nothing behind them */

static inline void open_with(uint32_t n_chunks, uint32_t chunk_size)
{
	struct hel_stream_lanes made; /* on the stack: calls know no other memory of the host */

	CHECK_OK(queue_open(&server, n_chunks, chunk_size, 512));
	CHECK_OK(queue_open(&client, 64, 8192, 8192));
	CHECK_OK(hel_stream_create(&made));
	lanes = made;
	memory = user_map(3);
	CHECK(memory != 0);
	CHECK_OK(hel_space_unmap(HEL_THIS, memory + 8192, 4096));
}

static inline void open_all(void)
{
	open_with(8, 8192);
}

static inline void close_lanes(void)
{
	(void)hel_close(HEL_THIS, lanes.lane[0]);
	(void)hel_close(HEL_THIS, lanes.lane[1]);
}

static inline void close_all(void)
{
	CHECK(queue_is_quiet(&server));
	CHECK(queue_is_quiet(&client));
	close_lanes();
	queue_close(&server);
	queue_close(&client);
}

/* ---- the server ------------------------------------------------------------------------------ */

static inline uint64_t repeat(const struct hel_action *actions, uint32_t n_actions)
{
	uint64_t context = submit_exchange_with(
		&server, lanes.lane[1], actions, n_actions, HEL_EXCHANGE_REPEAT);

	CHECK_OK(queue_drive(&server));
	return context;
}

static inline uint64_t repeat_one(struct hel_action action)
{
	return repeat(&action, 1);
}

static inline uint64_t serve(void)
{
	struct hel_action actions[2] = {
		ACCEPT(HEL_ACTION_WANT_LANE),
		ancillary(RECEIVE_INLINE(64)),
	};

	return repeat(actions, 2);
}

/* A round with the results of @n_results actions; the error of the first. */
static inline int await_round(uint64_t context, uint32_t n_results)
{
	CHECK(queue_await(&server, context, &completion));
	CHECK_EQ(completion.error, 0);
	CHECK_EQ(completion.n_results, n_results);
	CHECK(completion.has_more);
	return completion.results[0].error;
}

/* The last element; the error of its first action. */
static inline int await_last(uint64_t context)
{
	CHECK(queue_await(&server, context, &completion));
	CHECK_EQ(completion.error, 0);
	CHECK(!completion.has_more);
	return completion.results[0].error;
}

static inline void check_number(uint64_t context, uint64_t number)
{
	uint64_t got = ~0ull;

	CHECK_OK(await_round(context, 1));
	CHECK_EQ(completion.results[0].inline_size, sizeof(got));
	CHECK_EQ(completion.results[0].value, sizeof(got));
	memcpy(&got, completion.inline_data[0], sizeof(got));
	CHECK_EQ(got, number);
}

static inline void cancel_server(uint64_t context)
{
	submit_cancel(&server, context);
	CHECK_OK(queue_drive(&server));
}

static inline void end_by_cancel(uint64_t context)
{
	cancel_server(context);
	CHECK_EQ(await_last(context), -ERR_CANCELLED);
}

/* ---- the client ------------------------------------------------------------------------------ */

static inline uint64_t submit_one(struct hel_action action, uint32_t flags)
{
	uint64_t context = submit_exchange_with(&client, lanes.lane[0], &action, 1, flags);

	CHECK_OK(queue_drive(&client));
	return context;
}

static inline int client_result(uint64_t context)
{
	CHECK(queue_await(&client, context, &completion));
	CHECK(!completion.has_more);
	return completion.error != 0 ? completion.error : completion.results[0].error;
}

static inline int try_one(struct hel_action action)
{
	return client_result(submit_one(action, 0));
}

static inline void send_number(uint64_t number, uint32_t flags)
{
	sim_store(memory, &number, sizeof(number));
	(void)submit_one(SEND(memory, sizeof(number)), flags);
}

static inline void send_quietly(uint64_t number)
{
	send_number(number, HEL_EXCHANGE_QUIET);
}

#endif

/* SPDX-License-Identifier: MIT */
/* The arguments of all calls, operations and actions, wrong in every way: one case for each. */
#include "machine.h"

static int check_make_thread(hel_handle *out_thread);

static uint64_t check_make_buffer(void)
{
	return user_map(1);
}

#define check_authority machine_authority
#include <tests/kernel/argument-checks.h>

static void idle_main(UNUSED void *context)
{
}

static int check_make_thread(hel_handle *out_thread)
{
	return user_create(idle_main, NULL, out_thread);
}

static struct completion completion;

/* Submit a copy of @record and wait for its completion. */
static bool check_submit(
	struct user_queue *queue, uint32_t opcode, const void *record, uint32_t size)
{
	struct hel_record *copy = queue_record(queue, opcode, size);
	struct hel_record header = *copy;

	memcpy(copy, record, size);
	*copy = header;
	hel_queue_commit(&queue->client);
	return queue_await(queue, header.context, &completion) && completion.opcode == opcode &&
		completion.context == header.context;
}

static int32_t check_refusal(uint32_t opcode, const void *record, uint32_t size)
{
	struct user_queue queue;
	int32_t error = INT32_MIN;

	if (queue_open(&queue, 2, 4096, 1024) == 0) {
		if (check_submit(&queue, opcode, record, size)) {
			error = completion.error;
		}
		queue_close(&queue);
	}
	return check_end() ? error : INT32_MIN;
}

static int32_t check_exchange(hel_handle lane, struct hel_action action)
{
	struct user_queue queue;
	int32_t error = INT32_MIN;

	if (queue_open(&queue, 2, 4096, 1024) == 0) {
		uint64_t context = submit_exchange(&queue, lane, &action, 1);

		if (queue_await(&queue, context, &completion)) {
			error = completion.error;
		}
		queue_close(&queue);
	}
	return check_end() ? error : INT32_MIN;
}

static int32_t check_meeting(struct hel_action action, struct hel_action peer)
{
	struct user_queue queue;
	struct hel_stream_lanes lanes;
	int32_t error = INT32_MIN;

	if (hel_stream_create(&lanes) == 0 && queue_open(&queue, 2, 4096, 1024) == 0) {
		uint64_t context = submit_exchange(&queue, lanes.lane[0], &action, 1);

		(void)submit_exchange(&queue, lanes.lane[1], &peer, 1);
		if (queue_await(&queue, context, &completion) && completion.error == 0) {
			error = completion.results[0].error;
		}
		queue_close(&queue);
	}
	return check_end() ? error : INT32_MIN;
}

#define CALL_CHECK(name_, call_, error_, ...) \
	USER_TEST(name_) \
	{ \
		CHECK(user_map(1) != 0); \
		const uint64_t arguments[6] = { __VA_ARGS__ }; \
		int64_t error = hel_sim_call(HEL_CALL_##call_, arguments).error; \
		CHECK(check_end()); \
		CHECK_EQ(error, -ERR_##error_); \
	}
#define OPERATION_CHECK(name_, opcode_, error_, record_, ...) \
	USER_TEST(name_) \
	{ \
		const record_ record = { __VA_ARGS__ }; \
		CHECK_EQ(check_refusal(HEL_SUBMIT_##opcode_, &record, sizeof(record)), \
			-ERR_##error_); \
	}
#define REFUSAL_CHECK(name_, error_, lane_, ...) \
	USER_TEST(name_) \
	{ \
		CHECK_EQ(check_exchange((lane_), (struct hel_action){ __VA_ARGS__ }), \
			-ERR_##error_); \
	}
#define ACTION_CHECK(name_, error_, peer_, ...) \
	USER_TEST(name_) \
	{ \
		CHECK_EQ(check_meeting((struct hel_action){ __VA_ARGS__ }, PEER_ACTION(peer_)), \
			-ERR_##error_); \
	}

#include <tests/kernel/argument-checks.gen.h>

TEST_MAIN()

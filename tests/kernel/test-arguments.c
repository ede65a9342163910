/* SPDX-License-Identifier: MIT */
/* The arguments of all calls, operations and actions, wrong in every way: one case for each. */
#include "test.h"

static int check_make_thread(hel_handle *out_thread);

static uint64_t check_make_buffer(void)
{
	static uint64_t buffer[64];

	memset(buffer, 0, sizeof(buffer));
	return (uint64_t)buffer;
}

#define check_authority test_authority
#include "argument-checks.h"

static int check_make_thread(hel_handle *out_thread)
{
	struct hel_thread_args args = { .universe = HEL_THIS, .space = HEL_THIS, .ip = 0x400000 };

	return hel_thread_create(&args, out_thread);
}

static struct completion completion;

static int32_t check_refusal(uint32_t opcode, const void *record, uint32_t size)
{
	struct hel_record *copy = submit(opcode, size);
	struct hel_record header = *copy;
	int32_t error = INT32_MIN;

	memcpy(copy, record, size);
	*copy = header;
	commit();
	if (await(header.context, &completion) && completion.opcode == opcode) {
		error = completion.error;
	}
	return check_end() ? error : INT32_MIN;
}

static int32_t check_exchange(hel_handle lane, struct hel_action action)
{
	uint64_t context = submit_exchange(lane, &action, 1);
	int32_t error = await(context, &completion) ? completion.error : INT32_MIN;

	return check_end() ? error : INT32_MIN;
}

static int32_t check_meeting(struct hel_action action, struct hel_action peer)
{
	hel_handle lane = check_make(HEL_TYPE_LANE);
	hel_handle peer_lane = n_check_made > 1 ? check_made[n_check_made - 2] : HEL_NULL;
	uint64_t context = submit_exchange(lane, &action, 1);
	uint64_t peer_context = submit_exchange(peer_lane, &peer, 1);
	int32_t error = INT32_MIN;

	if (await(context, &completion) && result_of(&completion, 0) != NULL) {
		error = result_of(&completion, 0)->error;
	}
	(void)await(peer_context, &completion);
	return check_end() ? error : INT32_MIN;
}

#define CALL(number, a, b, c, d, e, f) hel_call5(number, a, b, c, d, e)
#define CALL_CHECK(name_, call_, error_, ...) \
	TEST(name_) \
	{ \
		int64_t error = CALL(HEL_CALL_##call_, __VA_ARGS__).error; \
		CHECK(check_end()); \
		CHECK_EQ(error, -ERR_##error_); \
	}
#define OPERATION_CHECK(name_, opcode_, error_, record_, ...) \
	TEST(name_) \
	{ \
		const record_ record = { __VA_ARGS__ }; \
		CHECK_EQ(check_refusal(HEL_SUBMIT_##opcode_, &record, sizeof(record)), \
			-ERR_##error_); \
	}
#define REFUSAL_CHECK(name_, error_, lane_, ...) \
	TEST(name_) \
	{ \
		CHECK_EQ(check_exchange((lane_), (struct hel_action){ __VA_ARGS__ }), \
			-ERR_##error_); \
	}
#define ACTION_CHECK(name_, error_, peer_, ...) \
	TEST(name_) \
	{ \
		CHECK_EQ(check_meeting((struct hel_action){ __VA_ARGS__ }, PEER_ACTION(peer_)), \
			-ERR_##error_); \
	}

#include "argument-checks.gen.h"

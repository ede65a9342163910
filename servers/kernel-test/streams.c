/* SPDX-License-Identifier: MIT */
/* Streams: both ends in this program, so each exchange meets its peer's on the same queue. */
#include "kernel-test.h"

#include <base/string.h>

constexpr uint64_t NEAR = 1;	/* context of exchanges on lane 0 */
constexpr uint64_t FAR = 2;	/* and on lane 1 */

/* What one exchange has come to. */
struct outcome {
	int error;
	uint32_t n_results;
	struct hel_result results[HEL_ACTIONS_MAX];
	uint8_t data[128];	/* of the first inline result */
};

static void take_outcome(const struct hel_element *element, struct outcome *out)
{
	struct hel_results results = hel_results_begin(element);
	const struct hel_result *result;
	bool has_data = false;

	*out = (struct outcome){ .error = element->error };
	while ((result = hel_results_next(&results)) != NULL && out->n_results < HEL_ACTIONS_MAX) {
		if (result->inline_size > 0 && !has_data) {
			memcpy(out->data, hel_result_data(result),
				min_u64(result->inline_size, sizeof(out->data)));
			has_data = true;
		}
		out->results[out->n_results++] = *result;
	}
}

/* Collect the two exchanges of a case, in whatever order they complete. */
static bool both_complete(struct outcome *out_near, struct outcome *out_far)
{
	unsigned seen = 0;

	for (int i = 0; i < 2; i++) {
		const struct hel_element *element = ktest_wait(ktest_queue(), KTEST_LONG_NS);

		if (element == NULL) {
			return false;
		}
		take_outcome(element, element->context == NEAR ? out_near : out_far);
		seen |= 1u << element->context;
		hel_queue_release(ktest_queue(), element);
	}
	return seen == (1u << NEAR | 1u << FAR);
}

static struct hel_action send(const void *data, size_t size)
{
	return (struct hel_action){
		.type = HEL_ACTION_SEND,
		.address = (uint64_t)data,
		.length = size,
	};
}

static struct hel_action receive(void *data, size_t size)
{
	return (struct hel_action){
		.type = HEL_ACTION_RECEIVE,
		.address = (uint64_t)data,
		.length = size,
	};
}

static struct hel_action receive_inline(size_t size)
{
	return (struct hel_action){ .type = HEL_ACTION_RECEIVE_INLINE, .length = size };
}

static struct hel_action plain(uint16_t type)
{
	return (struct hel_action){ .type = type };
}

/* One action on each end; false if not both complete. */
static bool meet(const struct hel_stream_lanes *stream, struct hel_action near,
	struct hel_action far, struct outcome *out_near, struct outcome *out_far)
{
	return ktest_exchange(stream->lane[0], NEAR, &near, 1) == 0 &&
		ktest_exchange(stream->lane[1], FAR, &far, 1) == 0 &&
		both_complete(out_near, out_far);
}

static void close_stream(const struct hel_stream_lanes *stream)
{
	hel_close(HEL_THIS, stream->lane[0]);
	hel_close(HEL_THIS, stream->lane[1]);
}

static void bytes_arrive(void)
{
	struct hel_stream_lanes stream;
	struct outcome near, far;
	char buffer[16] = "";

	CHECK_EQ(hel_stream_create(&stream), 0);
	CHECK(meet(&stream, send("hello", 5), receive(buffer, sizeof(buffer)), &near, &far));
	CHECK_EQ(near.error, 0);
	CHECK_EQ(near.results[0].error, 0);
	CHECK_EQ(far.results[0].error, 0);
	CHECK_EQ(far.results[0].value, 5);
	CHECK(memcmp(buffer, "hello", 6) == 0);
	CHECK(meet(&stream, receive(buffer, sizeof(buffer)), send("back", 4), &near, &far));
	CHECK_EQ(near.results[0].value, 4);
	CHECK(memcmp(buffer, "backo", 5) == 0);
	close_stream(&stream);
}

static void inline_bytes_come_with_the_completion(void)
{
	struct hel_stream_lanes stream;
	struct outcome near, far;

	CHECK_EQ(hel_stream_create(&stream), 0);
	CHECK(meet(&stream, receive_inline(100), send("inline", 6), &near, &far));
	CHECK_EQ(near.results[0].error, 0);
	CHECK_EQ(near.results[0].inline_size, 6);
	CHECK(memcmp(near.data, "inline", 6) == 0);
	CHECK(meet(&stream, receive_inline(0), send("", 0), &near, &far));
	CHECK_EQ(near.results[0].error, 0);
	CHECK_EQ(far.results[0].error, 0);
	close_stream(&stream);
}

static void large_transfers_are_whole(void)
{
	const size_t size = 3u << 20;
	uint32_t *from = ktest_map(HEL_NULL, size, HEL_MAP_READ | HEL_MAP_WRITE);
	uint32_t *to = ktest_map(HEL_NULL, size, HEL_MAP_READ | HEL_MAP_WRITE);
	struct hel_stream_lanes stream;
	struct outcome near, far;

	CHECK(from != NULL && to != NULL);
	for (size_t i = 0; i < size / 4; i++) {
		from[i] = (uint32_t)i * 2654435761u;
	}
	CHECK_EQ(hel_stream_create(&stream), 0);
	CHECK(meet(&stream, send(from, size), receive(to, size), &near, &far));
	CHECK_EQ(far.results[0].error, 0);
	CHECK_EQ(far.results[0].value, size);
	CHECK(memcmp(from, to, size) == 0);
	close_stream(&stream);
	CHECK_EQ(hel_space_unmap(HEL_THIS, (uint64_t)from, size), 0);
	CHECK_EQ(hel_space_unmap(HEL_THIS, (uint64_t)to, size), 0);
}

static void small_buffers_are_told_to_both(void)
{
	struct hel_stream_lanes stream;
	struct outcome near, far;
	char buffer[4] = "";

	CHECK_EQ(hel_stream_create(&stream), 0);
	CHECK(meet(&stream, send("too long", 8), receive(buffer, 4), &near, &far));
	CHECK_EQ(near.results[0].error, -ERR_BUFFER_TOO_SMALL);
	CHECK_EQ(far.results[0].error, -ERR_BUFFER_TOO_SMALL);
	CHECK(meet(&stream, send("ok", 2), receive(buffer, 4), &near, &far));
	CHECK_EQ(far.results[0].error, 0);
	close_stream(&stream);
}

static void mismatches_are_told_to_both(void)
{
	struct hel_stream_lanes stream;
	struct outcome near, far;

	CHECK_EQ(hel_stream_create(&stream), 0);
	CHECK(meet(&stream, send("x", 1), send("y", 1), &near, &far));
	CHECK_EQ(near.results[0].error, -ERR_TRANSMISSION_MISMATCH);
	CHECK_EQ(far.results[0].error, -ERR_TRANSMISSION_MISMATCH);
	CHECK(meet(&stream, plain(HEL_ACTION_OFFER), plain(HEL_ACTION_PULL), &near, &far));
	CHECK_EQ(near.results[0].error, -ERR_TRANSMISSION_MISMATCH);
	CHECK_EQ(far.results[0].error, -ERR_TRANSMISSION_MISMATCH);
	close_stream(&stream);
}

static void dismissed_actions_are_told(void)
{
	struct hel_stream_lanes stream;
	struct outcome near, far;

	CHECK_EQ(hel_stream_create(&stream), 0);
	CHECK(meet(&stream, plain(HEL_ACTION_DISMISS), send("x", 1), &near, &far));
	CHECK_EQ(near.results[0].error, 0);
	CHECK_EQ(far.results[0].error, -ERR_DISMISSED);
	close_stream(&stream);
}

static void descriptors_travel(void)
{
	struct hel_action push = { .type = HEL_ACTION_PUSH };
	struct hel_descriptor_info sent, received;
	struct hel_stream_lanes stream;
	struct outcome near, far;

	CHECK_EQ(hel_event_create(0, &push.handle), 0);
	push.length = HEL_RIGHT_SIGNAL;
	CHECK_EQ(hel_stream_create(&stream), 0);
	CHECK(meet(&stream, push, plain(HEL_ACTION_PULL), &near, &far));
	CHECK_EQ(near.results[0].error, 0);
	CHECK_EQ(far.results[0].error, 0);
	CHECK_EQ(hel_descriptor_info(HEL_THIS, push.handle, &sent), 0);
	CHECK_EQ(hel_descriptor_info(HEL_THIS, far.results[0].value, &received), 0);
	CHECK(sent.identity == received.identity);
	CHECK_EQ(received.rights, HEL_RIGHT_SIGNAL);
	CHECK_EQ(hel_close(HEL_THIS, far.results[0].value), 0);
	CHECK_EQ(hel_close(HEL_THIS, push.handle), 0);
	close_stream(&stream);
}

static void bad_descriptors_do_not_travel(void)
{
	struct hel_action push = { .type = HEL_ACTION_PUSH, .handle = 0xdeadbeef };
	struct hel_stream_lanes stream;
	struct outcome near, far;
	hel_handle event;

	CHECK_EQ(hel_stream_create(&stream), 0);
	CHECK(meet(&stream, push, plain(HEL_ACTION_PULL), &near, &far));
	CHECK(near.error == -ERR_BAD_HANDLE || near.results[0].error == -ERR_BAD_HANDLE);
	CHECK(far.error != 0 || far.results[0].error != 0);
	close_stream(&stream);
	CHECK_EQ(hel_stream_create(&stream), 0);
	CHECK_EQ(hel_event_create(0, &event), 0);
	CHECK_EQ(hel_transfer(HEL_THIS, event, HEL_THIS, HEL_RIGHT_WAIT, &push.handle), 0);
	CHECK(meet(&stream, push, plain(HEL_ACTION_PULL), &near, &far));
	CHECK(near.error == -ERR_NO_RIGHTS || near.results[0].error == -ERR_NO_RIGHTS);
	CHECK_EQ(hel_close(HEL_THIS, push.handle), 0);
	CHECK_EQ(hel_close(HEL_THIS, event), 0);
	close_stream(&stream);
}

static void a_conversation_is_one_exchange_on_each_side(void)
{
	char request[16] = "", reply[16] = "";
	struct hel_action client[] = { plain(HEL_ACTION_OFFER), send("ping", 4),
		receive(reply, sizeof(reply)) };
	struct hel_action server[] = { plain(HEL_ACTION_ACCEPT), receive(request, sizeof(request)),
		send("pong!", 5) };
	struct hel_stream_lanes stream;
	struct outcome near, far;

	for (int i = 1; i < 3; i++) {
		client[i].flags = HEL_ACTION_ANCILLARY;
		server[i].flags = HEL_ACTION_ANCILLARY;
	}
	CHECK_EQ(hel_stream_create(&stream), 0);
	for (int i = 0; i < 100; i++) {
		CHECK_EQ(ktest_exchange(stream.lane[0], NEAR, client, 3), 0);
		CHECK_EQ(ktest_exchange(stream.lane[1], FAR, server, 3), 0);
		CHECK(both_complete(&near, &far));
		for (int k = 0; k < 3; k++) {
			CHECK_EQ(near.results[k].error, 0);
			CHECK_EQ(far.results[k].error, 0);
		}
		CHECK_EQ(near.results[2].value, 5);
		CHECK(memcmp(request, "ping", 4) == 0);
		CHECK(memcmp(reply, "pong!", 5) == 0);
	}
	close_stream(&stream);
}

static void lanes_of_a_conversation_can_be_kept(void)
{
	struct hel_action offer = { .type = HEL_ACTION_OFFER, .flags = HEL_ACTION_WANT_LANE };
	struct hel_action accept = { .type = HEL_ACTION_ACCEPT, .flags = HEL_ACTION_WANT_LANE };
	struct hel_stream_lanes stream, inner;
	struct outcome near, far;
	char buffer[8] = "";

	CHECK_EQ(hel_stream_create(&stream), 0);
	CHECK(meet(&stream, offer, accept, &near, &far));
	CHECK_EQ(near.results[0].error, 0);
	CHECK_EQ(far.results[0].error, 0);
	inner = (struct hel_stream_lanes){ .lane = { near.results[0].value,
						   far.results[0].value } };
	close_stream(&stream);
	CHECK(meet(&inner, send("kept", 4), receive(buffer, 8), &near, &far));
	CHECK_EQ(far.results[0].value, 4);
	close_stream(&inner);
}

static void closing_a_lane_tells_the_peer(void)
{
	struct hel_action action = receive_inline(16);
	struct hel_stream_lanes stream;
	const struct hel_element *element;
	struct outcome far;

	CHECK_EQ(hel_stream_create(&stream), 0);
	CHECK_EQ(ktest_exchange(stream.lane[1], FAR, &action, 1), 0);
	CHECK_EQ(hel_close(HEL_THIS, stream.lane[0]), 0);
	element = ktest_wait(ktest_queue(), KTEST_LONG_NS);
	CHECK(element != NULL);
	take_outcome(element, &far);
	hel_queue_release(ktest_queue(), element);
	CHECK_EQ(far.results[0].error, -ERR_END_OF_LANE);
	CHECK_EQ(ktest_exchange(stream.lane[1], FAR, &action, 1), 0);
	element = ktest_wait(ktest_queue(), KTEST_LONG_NS);
	CHECK(element != NULL);
	take_outcome(element, &far);
	hel_queue_release(ktest_queue(), element);
	CHECK_EQ(far.results[0].error, -ERR_END_OF_LANE);
	CHECK_EQ(hel_close(HEL_THIS, stream.lane[1]), 0);
}

static void shutdown_ends_both_sides(void)
{
	struct hel_stream_lanes stream;
	struct hel_action action = receive_inline(16);
	struct outcome near, far;

	CHECK_EQ(hel_stream_create(&stream), 0);
	CHECK_EQ(ktest_exchange(stream.lane[0], NEAR, &action, 1), 0);
	CHECK_EQ(hel_lane_shutdown(stream.lane[0]), 0);
	CHECK_EQ(ktest_exchange(stream.lane[1], FAR, &action, 1), 0);
	CHECK(both_complete(&near, &far));
	CHECK_EQ(near.results[0].error, -ERR_LANE_SHUTDOWN);
	CHECK_EQ(far.results[0].error, -ERR_END_OF_LANE);
	close_stream(&stream);
}

static void exchanges_can_be_cancelled(void)
{
	struct hel_action action = receive_inline(16);
	struct hel_stream_lanes stream;
	struct outcome near, far;
	char buffer[8];

	CHECK_EQ(hel_stream_create(&stream), 0);
	CHECK_EQ(ktest_exchange(stream.lane[0], 77, &action, 1), 0);
	CHECK_EQ(ktest_submit(ktest_queue(), HEL_SUBMIT_CANCEL, 77, NULL, 0), 0);
	const struct hel_element *element = ktest_wait(ktest_queue(), KTEST_LONG_NS);
	CHECK(element != NULL);
	CHECK_EQ(element->context, 77);
	take_outcome(element, &near);
	hel_queue_release(ktest_queue(), element);
	CHECK(near.error == -ERR_CANCELLED || near.results[0].error == -ERR_CANCELLED);
	CHECK(meet(&stream, receive(buffer, 8), send("next", 4), &near, &far));
	CHECK_EQ(near.results[0].error, 0);
	CHECK_EQ(near.results[0].value, 4);
	close_stream(&stream);
}

static void wild_buffers_are_faults(void)
{
	struct hel_stream_lanes stream;
	struct outcome near, far;
	char buffer[8];

	CHECK_EQ(hel_stream_create(&stream), 0);
	CHECK(meet(&stream, send((void *)16, 4), receive(buffer, 8), &near, &far));
	CHECK_EQ(near.results[0].error, -ERR_FAULT);
	CHECK(far.results[0].error != 0);
	close_stream(&stream);
	CHECK_EQ(hel_stream_create(&stream), 0);
	CHECK(meet(&stream, send("abcd", 4), receive((void *)0xffffffff80000000, 8), &near, &far));
	CHECK_EQ(far.results[0].error, -ERR_FAULT);
	close_stream(&stream);
}

static void senseless_actions_are_refused(void)
{
	struct hel_action bad[] = { { .type = 0 }, { .type = 999 }, { .type = HEL_ACTION_SEND,
		.flags = 0x8000 }, receive_inline(HEL_INLINE_MAX + 1), send("x", ~0ull) };
	struct hel_stream_lanes stream;

	CHECK_EQ(hel_stream_create(&stream), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		CHECK_EQ(ktest_exchange(stream.lane[0], NEAR, &bad[i], 1), 0);
		const struct hel_element *element = ktest_wait(ktest_queue(), KTEST_LONG_NS);
		CHECK(element != NULL);
		CHECK(element->error != 0);
		hel_queue_release(ktest_queue(), element);
	}
	close_stream(&stream);
}

const struct ktest_case stream_cases[] = {
	KTEST(bytes_arrive),
	KTEST(inline_bytes_come_with_the_completion),
	KTEST(large_transfers_are_whole),
	KTEST(small_buffers_are_told_to_both),
	KTEST(mismatches_are_told_to_both),
	KTEST(dismissed_actions_are_told),
	KTEST(descriptors_travel),
	KTEST(bad_descriptors_do_not_travel),
	KTEST(a_conversation_is_one_exchange_on_each_side),
	KTEST(lanes_of_a_conversation_can_be_kept),
	KTEST(closing_a_lane_tells_the_peer),
	KTEST(shutdown_ends_both_sides),
	KTEST(exchanges_can_be_cancelled),
	KTEST(wild_buffers_are_faults),
	KTEST(senseless_actions_are_refused),
	KTEST_END,
};

/* SPDX-License-Identifier: MIT */
/* Streams: all actions, their errors, conversations, the ends of lanes. */
#include "test.h"

static struct completion left, right;

/* One exchange on each lane, both awaited. */
static bool exchange_both(const struct hel_stream_lanes *lanes, const struct hel_action *a,
	uint32_t n_a, const struct hel_action *b, uint32_t n_b)
{
	uint64_t context_a = submit_exchange(lanes->lane[0], a, n_a);
	uint64_t context_b = submit_exchange(lanes->lane[1], b, n_b);

	return await(context_a, &left) && await(context_b, &right) && left.error == 0 &&
		right.error == 0 && left.n_results == n_a && right.n_results == n_b;
}

static bool open_stream(struct hel_stream_lanes *lanes)
{
	return hel_stream_create(lanes) == 0;
}

static void close_stream(const struct hel_stream_lanes *lanes)
{
	hel_close(HEL_THIS, lanes->lane[0]);
	hel_close(HEL_THIS, lanes->lane[1]);
}

TEST(stream_send_receive)
{
	struct hel_stream_lanes lanes;
	char buffer[16] = {};
	struct hel_action send = SEND("message", 8);
	struct hel_action receive = RECEIVE(buffer, sizeof(buffer));

	CHECK(open_stream(&lanes));
	CHECK(exchange_both(&lanes, &send, 1, &receive, 1));
	CHECK_EQ(result_of(&left, 0)->error, 0);
	CHECK_EQ(result_of(&right, 0)->error, 0);
	CHECK_EQ(result_of(&right, 0)->value, 8);
	CHECK(str_equal(buffer, "message"));
	/* The other way round, receiver first. */
	CHECK(exchange_both(&lanes, &receive, 1, &send, 1));
	CHECK_EQ(result_of(&left, 0)->value, 8);
	close_stream(&lanes);
}

TEST(stream_receive_inline)
{
	struct hel_stream_lanes lanes;
	static uint8_t data[4096];
	struct hel_action send[3] = { SEND("abc", 3), SEND(data, 4096), SEND(NULL, 0) };
	struct hel_action receive[3] = { RECEIVE_INLINE(100), RECEIVE_INLINE(4096),
		RECEIVE_INLINE(0) };

	for (size_t i = 0; i < sizeof(data); i++) {
		data[i] = (uint8_t)(i * 7);
	}
	CHECK(open_stream(&lanes));
	CHECK(exchange_both(&lanes, send, 3, receive, 3));
	CHECK_EQ(result_of(&right, 0)->inline_size, 3);
	CHECK_EQ(memcmp(hel_result_data(result_of(&right, 0)), "abc", 3), 0);
	CHECK_EQ(result_of(&right, 1)->inline_size, 4096);
	CHECK_EQ(memcmp(hel_result_data(result_of(&right, 1)), data, 4096), 0);
	CHECK_EQ(result_of(&right, 2)->inline_size, 0);
	CHECK_EQ(result_of(&right, 2)->error, 0);
	close_stream(&lanes);
}

TEST(stream_send_gathers)
{
	struct hel_stream_lanes lanes;
	char buffer[16] = {};
	struct hel_sg segments[3] = {
		{ (uint64_t)"ab", 2 },
		{ (uint64_t)"", 0 },
		{ (uint64_t)"cde", 4 },
	};
	struct hel_action send = {
		.type = HEL_ACTION_SEND_SG, .address = (uint64_t)segments, .length = 3
	};
	struct hel_action receive = RECEIVE(buffer, sizeof(buffer));

	CHECK(open_stream(&lanes));
	CHECK(exchange_both(&lanes, &send, 1, &receive, 1));
	CHECK_EQ(result_of(&right, 0)->value, 6);
	CHECK(str_equal(buffer, "abcde"));
	close_stream(&lanes);
}

TEST(stream_large_transfer)
{
	struct hel_stream_lanes lanes;
	constexpr uint64_t size = MIB(5) + 8;
	uint64_t from = map_pages(MIB(6));
	uint64_t to = map_pages(MIB(6));
	struct hel_action send = SEND(from, size);
	struct hel_action receive = RECEIVE(to, size);

	CHECK(from != 0);
	CHECK(to != 0);
	for (uint64_t i = 0; i < size; i += 8) {
		*(uint64_t *)(from + i) = i * 0x9e3779b97f4a7c15;
	}
	CHECK(open_stream(&lanes));
	CHECK(exchange_both(&lanes, &send, 1, &receive, 1));
	CHECK_EQ(result_of(&right, 0)->error, 0);
	CHECK_EQ(result_of(&right, 0)->value, size);
	CHECK_EQ(memcmp((void *)from, (void *)to, size), 0);
	close_stream(&lanes);
	unmap_pages(from, MIB(6));
	unmap_pages(to, MIB(6));
}

/* ---- transfers of 4 GiB, which take long enough to be met under way */

constexpr uint64_t HUGE_BYTES = GIB(4) - 1;
constexpr uint64_t PIECE_BYTES = MIB(2);

static uint64_t huge_from; /* all zero, but for the first word */
static uint64_t huge_to; /* behind its first piece another one again and again */
static struct hel_stream_lanes huge_lanes;
static struct hel_queue_client huge_queue;

static bool open_huge(void)
{
	struct hel_map_args args = {
		.space = HEL_THIS,
		.size_bytes = PIECE_BYTES,
		.flags = HEL_MAP_READ | HEL_MAP_WRITE | HEL_MAP_FIXED | HEL_MAP_FORK_DROP,
	};
	bool is_mapped = hel_memory_allocate(PIECE_BYTES, 0, &args.memory) == 0;

	huge_from = map_pages(GIB(4));
	huge_to = map_pages(GIB(4));
	for (uint64_t offset = PIECE_BYTES; is_mapped && offset < GIB(4); offset += PIECE_BYTES) {
		args.address = huge_to + offset;
		is_mapped = hel_space_map(&args, &args.address) == 0;
	}
	hel_close(HEL_THIS, args.memory);
	return is_mapped && open_stream(&huge_lanes) && make_queue(&huge_queue, 1, 4096, 4096);
}

static void close_huge(void)
{
	drop_queue(&huge_queue);
	close_stream(&huge_lanes);
	unmap_pages(huge_from, GIB(4));
	unmap_pages(huge_to, GIB(4));
}

static void submit_huge(uint32_t side, struct hel_action action)
{
	struct hel_exchange_record *record = hel_queue_reserve(
		&huge_queue, HEL_SUBMIT_EXCHANGE, sizeof(*record) + sizeof(action), side);

	record->lane = huge_lanes.lane[side];
	record->n_actions = 1;
	record->flags = 0;
	record->actions[0] = action;
	hel_queue_commit(&huge_queue);
}

/* The kernel works here for a long time, unless somebody ends it. */
static void transfer_huge(struct worker *worker)
{
	*(uint64_t *)huge_from = 1;
	submit_huge(0, SEND(huge_from, HUGE_BYTES));
	submit_huge(1, RECEIVE(huge_to, HUGE_BYTES));
	(void)hel_drive(huge_queue.handle, 0, 0, 0, NULL);
	worker->counter = 1;
}

static bool is_under_way(void)
{
	uint64_t deadline_ns = test_deadline_ms(2000);

	while (atomic_load((_Atomic uint64_t *)huge_to) == 0 && test_now() < deadline_ns) {
		hel_thread_yield();
	}
	return test_now() < deadline_ns;
}

/* The next completion, as the first result says. */
static int32_t take_huge(uint64_t *out_context)
{
	const struct hel_element *element;
	struct hel_results results;

	while ((element = hel_queue_take(&huge_queue)) == NULL) {
		if (hel_drive(huge_queue.handle, HEL_DRIVE_WAIT, huge_queue.n_taken,
			    test_deadline_ms(2000), NULL) != 0) {
			return 0;
		}
	}
	*out_context = element->context;
	results = hel_results_begin(element);
	int32_t error = hel_results_next(&results)->error;

	hel_queue_release(&huge_queue, element);
	return error;
}

static void check_huge_ends(void)
{
	static const int32_t errors[2] = { -ERR_LANE_SHUTDOWN, -ERR_END_OF_LANE };
	uint64_t context = 2;

	for (uint32_t i = 0; i < 2; i++) {
		int32_t error = take_huge(&context);

		CHECK(context < 2);
		CHECK_EQ(error, errors[context]);
	}
}

TEST(stream_huge_transfer_is_shut_down)
{
	struct worker worker;

	CHECK(open_huge());
	CHECK(worker_start(&worker, transfer_huge, NULL));
	CHECK(is_under_way());
	CHECK_EQ(hel_lane_shutdown(huge_lanes.lane[0]), 0);
	CHECK(worker_join(&worker));
	CHECK_EQ(worker.counter, 1);
	check_huge_ends();
	close_huge();
}

TEST(stream_huge_transfer_outlives_its_thread)
{
	struct hel_observe_result result;
	struct worker worker;

	CHECK(open_huge());
	CHECK(worker_start(&worker, transfer_huge, NULL));
	CHECK(is_under_way());
	uint64_t context = observe(worker.thread, 0);

	CHECK_EQ(hel_thread_kill(worker.thread), 0);
	CHECK(await_observation(context, &result));
	CHECK_EQ(result.observation, HEL_OBSERVE_TERMINATED);
	worker_forget(&worker);
	CHECK_EQ(hel_drive(huge_queue.handle, HEL_DRIVE_WAIT, 0, test_deadline_ms(20), NULL),
		-ERR_TIMED_OUT);
	CHECK_EQ(hel_lane_shutdown(huge_lanes.lane[0]), 0);
	check_huge_ends();
	close_huge();
}

TEST(stream_buffer_too_small)
{
	struct hel_stream_lanes lanes;
	char buffer[4];
	struct hel_action send[2] = { SEND("12345", 5), SEND("12345", 5) };
	struct hel_action receive[2] = { RECEIVE(buffer, 4), RECEIVE_INLINE(4) };

	CHECK(open_stream(&lanes));
	CHECK(exchange_both(&lanes, send, 2, receive, 2));
	for (uint32_t i = 0; i < 2; i++) {
		CHECK_EQ(result_of(&left, i)->error, -ERR_BUFFER_TOO_SMALL);
		CHECK_EQ(result_of(&right, i)->error, -ERR_BUFFER_TOO_SMALL);
	}
	close_stream(&lanes);
}

TEST(stream_mismatch_and_dismiss)
{
	struct hel_stream_lanes lanes;
	char buffer[4];
	struct hel_action a[5] = { SEND("x", 1), RECEIVE(buffer, 4), PUSH(test_queue.handle),
		DISMISS(), DISMISS() };
	struct hel_action b[5] = { SEND("x", 1), PULL(), DISMISS(), RECEIVE_INLINE(8), DISMISS() };

	CHECK(open_stream(&lanes));
	CHECK(exchange_both(&lanes, a, 5, b, 5));
	CHECK_EQ(result_of(&left, 0)->error, -ERR_TRANSMISSION_MISMATCH);
	CHECK_EQ(result_of(&right, 0)->error, -ERR_TRANSMISSION_MISMATCH);
	CHECK_EQ(result_of(&left, 1)->error, -ERR_TRANSMISSION_MISMATCH);
	CHECK_EQ(result_of(&right, 1)->error, -ERR_TRANSMISSION_MISMATCH);
	CHECK_EQ(result_of(&left, 2)->error, -ERR_DISMISSED);
	CHECK_EQ(result_of(&right, 2)->error, 0);
	CHECK_EQ(result_of(&left, 3)->error, 0);
	CHECK_EQ(result_of(&right, 3)->error, -ERR_DISMISSED);
	CHECK_EQ(result_of(&left, 4)->error, 0);
	CHECK_EQ(result_of(&right, 4)->error, 0);
	close_stream(&lanes);
}

TEST(stream_faults_blame_the_right_side)
{
	struct hel_stream_lanes lanes;
	char buffer[16];
	struct hel_action a[3] = { SEND(0x10, 8), SEND("12345678", 8),
		SEND(0xffff'8000'0000'0000, 8) };
	struct hel_action b[3] = { RECEIVE(buffer, 8), RECEIVE(0x10, 8), RECEIVE_INLINE(8) };

	CHECK(open_stream(&lanes));
	CHECK(exchange_both(&lanes, a, 3, b, 3));
	CHECK_EQ(result_of(&left, 0)->error, -ERR_FAULT);
	CHECK_EQ(result_of(&right, 0)->error, -ERR_DISMISSED);
	CHECK_EQ(result_of(&left, 1)->error, -ERR_DISMISSED);
	CHECK_EQ(result_of(&right, 1)->error, -ERR_FAULT);
	CHECK_EQ(result_of(&left, 2)->error, -ERR_FAULT);
	CHECK_EQ(result_of(&right, 2)->error, -ERR_DISMISSED);
	close_stream(&lanes);
}

TEST(stream_push_pull)
{
	struct hel_stream_lanes lanes;
	struct hel_descriptor_info info, original;
	hel_handle token;

	CHECK(open_stream(&lanes));
	CHECK_EQ(hel_token_create(&token), 0);
	CHECK_EQ(hel_descriptor_info(HEL_THIS, token, &original), 0);
	struct hel_action push[2] = { PUSH(token), PUSH(token) };
	struct hel_action pull[2] = { PULL(), PULL() };

	push[1].length = HEL_RIGHT_READ;
	CHECK(exchange_both(&lanes, push, 2, pull, 2));
	CHECK_EQ(result_of(&right, 0)->error, 0);
	CHECK_EQ(hel_descriptor_info(HEL_THIS, result_of(&right, 0)->value, &info), 0);
	CHECK_EQ(info.identity, original.identity);
	CHECK_EQ(info.rights, original.rights);
	CHECK_EQ(hel_descriptor_info(HEL_THIS, result_of(&right, 1)->value, &info), 0);
	CHECK_EQ(info.rights, HEL_RIGHT_READ);
	/* Without the right to derive it cannot be pushed on. */
	push[0].handle = result_of(&right, 1)->value;
	uint64_t context = submit_exchange(lanes.lane[0], push, 1);

	CHECK(await(context, &left));
	CHECK_EQ(left.error, -ERR_NO_RIGHTS);
	push[0].handle = 123456;
	context = submit_exchange(lanes.lane[0], push, 1);
	CHECK(await(context, &left));
	CHECK_EQ(left.error, -ERR_BAD_HANDLE);
	hel_close(HEL_THIS, result_of(&right, 0)->value);
	hel_close(HEL_THIS, result_of(&right, 1)->value);
	hel_close(HEL_THIS, token);
	close_stream(&lanes);
}

TEST(stream_credentials)
{
	struct hel_stream_lanes lanes;
	uint8_t own[16], of_token[16];
	hel_handle token;

	CHECK(open_stream(&lanes));
	CHECK_EQ(hel_token_create(&token), 0);
	struct hel_action imbue[3] = { IMBUE(HEL_NULL), IMBUE(token), IMBUE(HEL_THIS) };
	struct hel_action extract[3] = { EXTRACT(), EXTRACT(), EXTRACT() };

	CHECK(exchange_both(&lanes, imbue, 3, extract, 3));
	CHECK_EQ(result_of(&right, 0)->inline_size, 16);
	memcpy(own, hel_result_data(result_of(&right, 0)), 16);
	memcpy(of_token, hel_result_data(result_of(&right, 1)), 16);
	CHECK(memcmp(own, of_token, 16) != 0);
	CHECK_EQ(memcmp(own, hel_result_data(result_of(&right, 2)), 16), 0);
	imbue[0].handle = test_queue.handle;
	uint64_t context = submit_exchange(lanes.lane[0], imbue, 1);

	CHECK(await(context, &left));
	CHECK_EQ(left.error, -ERR_BAD_TYPE);
	hel_close(HEL_THIS, token);
	close_stream(&lanes);
}

/*
 * The usual request: the client offers, sends and waits for the answer in one exchange; so does
 * the server in two.
 */
TEST(stream_conversation)
{
	struct hel_stream_lanes lanes;
	struct hel_action client[3] = { OFFER(0), ancillary(SEND("request", 8)),
		ancillary(RECEIVE_INLINE(64)) };
	struct hel_action server[2] = { ACCEPT(HEL_ACTION_WANT_LANE),
		ancillary(RECEIVE_INLINE(64)) };
	struct hel_action answer = SEND("answer", 7);

	CHECK(open_stream(&lanes));
	for (unsigned round = 0; round < 2; round++) {
		uint64_t client_context = 0, server_context;

		if (round == 0) {
			client_context = submit_exchange(lanes.lane[0], client, 3);
			server_context = submit_exchange(lanes.lane[1], server, 2);
		} else {
			server_context = submit_exchange(lanes.lane[1], server, 2);
			client_context = submit_exchange(lanes.lane[0], client, 3);
		}
		CHECK(await(server_context, &right));
		CHECK_EQ(right.error, 0);
		CHECK_EQ(result_of(&right, 0)->error, 0);
		CHECK_EQ(result_of(&right, 1)->inline_size, 8);
		hel_handle lane = result_of(&right, 0)->value;

		CHECK(!is_complete(client_context));
		CHECK(await(submit_exchange(lane, &answer, 1), &right));
		CHECK_EQ(result_of(&right, 0)->error, 0);
		CHECK(await(client_context, &left));
		CHECK_EQ(result_of(&left, 0)->error, 0);
		CHECK_EQ(result_of(&left, 2)->inline_size, 7);
		CHECK(str_equal(hel_result_data(result_of(&left, 2)), "answer"));
		/* The client did not want its lane, so it is closed with its exchange. */
		CHECK(await(submit_exchange(lane, &answer, 1), &right));
		CHECK_EQ(result_of(&right, 0)->error, -ERR_END_OF_LANE);
		CHECK_EQ(hel_close(HEL_THIS, lane), 0);
	}
	close_stream(&lanes);
}

TEST(stream_offer_wants_lane)
{
	struct hel_stream_lanes lanes, fresh;
	struct hel_action offer = OFFER(HEL_ACTION_WANT_LANE);
	struct hel_action accept = ACCEPT(HEL_ACTION_WANT_LANE);
	struct hel_action send = SEND("hi", 3);
	struct hel_action receive = RECEIVE_INLINE(3);

	CHECK(open_stream(&lanes));
	CHECK(exchange_both(&lanes, &offer, 1, &accept, 1));
	fresh.lane[0] = result_of(&left, 0)->value;
	fresh.lane[1] = result_of(&right, 0)->value;
	CHECK(exchange_both(&fresh, &send, 1, &receive, 1));
	CHECK_EQ(result_of(&right, 0)->inline_size, 3);
	close_stream(&fresh);
	close_stream(&lanes);
}

/* An offer in an offer: each ancillary action goes to the newest stream. */
TEST(stream_nested_offers)
{
	struct hel_stream_lanes lanes;
	struct hel_action a[5] = { OFFER(0), ancillary(SEND("one", 4)), ancillary(OFFER(0)),
		ancillary(SEND("two", 4)), SEND("three", 6) };
	struct hel_action b[5] = { ACCEPT(0), ancillary(RECEIVE_INLINE(8)), ancillary(ACCEPT(0)),
		ancillary(RECEIVE_INLINE(8)), RECEIVE_INLINE(8) };

	CHECK(open_stream(&lanes));
	for (unsigned round = 0; round < 2; round++) {
		CHECK(round == 0 ? exchange_both(&lanes, a, 5, b, 5)
				 : exchange_both(&lanes, b, 5, a, 5));
		const struct completion *receiver = round == 0 ? &right : &left;

		for (uint32_t i = 0; i < 5; i++) {
			CHECK_EQ(result_of(&left, i)->error, 0);
			CHECK_EQ(result_of(&right, i)->error, 0);
		}
		CHECK(str_equal(hel_result_data(result_of(receiver, 1)), "one"));
		CHECK(str_equal(hel_result_data(result_of(receiver, 3)), "two"));
		CHECK(str_equal(hel_result_data(result_of(receiver, 4)), "three"));
	}
	close_stream(&lanes);
}

TEST(stream_dismissed_offer)
{
	struct hel_stream_lanes lanes;
	struct hel_action a[3] = { OFFER(HEL_ACTION_WANT_LANE), ancillary(SEND("x", 1)),
		ancillary(RECEIVE_INLINE(8)) };
	struct hel_action dismiss = DISMISS();

	CHECK(open_stream(&lanes));
	CHECK(exchange_both(&lanes, a, 3, &dismiss, 1));
	CHECK_EQ(result_of(&left, 0)->error, -ERR_DISMISSED);
	CHECK_EQ(result_of(&left, 1)->error, -ERR_END_OF_LANE);
	CHECK_EQ(result_of(&left, 2)->error, -ERR_END_OF_LANE);
	/*
	 * An ACCEPT that is dismissed takes what is behind it along, an OFFER's own stream
	 * included.
	 */
	struct hel_action b[5] = { ACCEPT(0), ancillary(RECEIVE_INLINE(8)), ancillary(OFFER(0)),
		ancillary(SEND("y", 1)), SEND("z", 1) };
	struct hel_action c[2] = { DISMISS(), RECEIVE_INLINE(4) };

	CHECK(exchange_both(&lanes, b, 5, c, 2));
	CHECK_EQ(result_of(&left, 0)->error, -ERR_DISMISSED);
	CHECK_EQ(result_of(&left, 1)->error, -ERR_DISMISSED);
	CHECK_EQ(result_of(&left, 2)->error, -ERR_DISMISSED);
	CHECK_EQ(result_of(&left, 3)->error, -ERR_END_OF_LANE);
	CHECK_EQ(result_of(&left, 4)->error, 0);
	close_stream(&lanes);
}

TEST(stream_exchange_checks_record)
{
	struct hel_stream_lanes lanes;
	uint8_t byte;
	const struct {
		struct hel_action actions[2];
		uint32_t n_actions;
		int error;
	} cases[] = {
		{ { SEND(&byte, 1) }, 0, -ERR_ILLEGAL_ARGS },
		{ { { .type = 0 } }, 1, -ERR_ILLEGAL_ARGS },
		{ { { .type = 99 } }, 1, -ERR_ILLEGAL_ARGS },
		{ { { .type = HEL_ACTION_SEND, .flags = 8 } }, 1, -ERR_ILLEGAL_ARGS },
		{ { { .type = HEL_ACTION_SEND, .reserved = 8 } }, 1, -ERR_ILLEGAL_ARGS },
		{ { ancillary(SEND(&byte, 1)) }, 1, -ERR_ILLEGAL_ARGS },
		{ { SEND(&byte, HEL_ACTION_BYTES_MAX + 1) }, 1, -ERR_ILLEGAL_ARGS },
		{ { RECEIVE(&byte, ~(uint64_t)0) }, 1, -ERR_ILLEGAL_ARGS },
		{ { RECEIVE_INLINE(4097) }, 1, -ERR_ILLEGAL_ARGS },
		{ { { .type = HEL_ACTION_SEND_SG, .address = (uint64_t)&byte, .length = 65 } }, 1,
			-ERR_ILLEGAL_ARGS },
		{ { { .type = HEL_ACTION_SEND_SG, .address = 0x10, .length = 2 } }, 1, -ERR_FAULT },
	};

	CHECK(open_stream(&lanes));
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t context =
			submit_exchange(lanes.lane[0], cases[i].actions, cases[i].n_actions);

		CHECK(await(context, &left));
		CHECK_EQ(left.error, cases[i].error);
		CHECK_EQ(left.n_results, 0);
	}
	uint64_t context = submit_exchange(test_queue.handle, cases[0].actions, 1);

	CHECK(await(context, &left));
	CHECK_EQ(left.error, -ERR_BAD_TYPE);
	close_stream(&lanes);
}

TEST(stream_needs_right_to_invoke)
{
	struct hel_stream_lanes lanes;
	hel_handle weak;
	struct hel_action dismiss = DISMISS();

	CHECK(open_stream(&lanes));
	CHECK_EQ(hel_transfer(HEL_THIS, lanes.lane[0], HEL_THIS, HEL_RIGHT_DERIVE, &weak), 0);
	CHECK(await(submit_exchange(weak, &dismiss, 1), &left));
	CHECK_EQ(left.error, -ERR_NO_RIGHTS);
	CHECK_EQ(hel_lane_shutdown(weak), -ERR_NO_RIGHTS);
	hel_close(HEL_THIS, weak);
	close_stream(&lanes);
}

TEST(stream_close_ends_the_peer)
{
	struct hel_stream_lanes lanes;
	hel_handle second;
	struct hel_action receive = RECEIVE_INLINE(8);

	CHECK(open_stream(&lanes));
	CHECK_EQ(hel_transfer(HEL_THIS, lanes.lane[1], HEL_THIS, 0, &second), 0);
	uint64_t context = submit_exchange(lanes.lane[0], &receive, 1);

	CHECK_EQ(hel_close(HEL_THIS, lanes.lane[1]), 0);
	CHECK(!is_complete(context));
	CHECK_EQ(hel_close(HEL_THIS, second), 0);
	CHECK(await(context, &left));
	CHECK_EQ(result_of(&left, 0)->error, -ERR_END_OF_LANE);
	CHECK(await(submit_exchange(lanes.lane[0], &receive, 1), &left));
	CHECK_EQ(result_of(&left, 0)->error, -ERR_END_OF_LANE);
	CHECK_EQ(hel_close(HEL_THIS, lanes.lane[0]), 0);
}

TEST(stream_shutdown_ends_both)
{
	struct hel_stream_lanes lanes;
	struct hel_action receive = RECEIVE_INLINE(8);
	struct hel_action pull = PULL();

	CHECK(open_stream(&lanes));
	uint64_t context = submit_exchange(lanes.lane[0], &receive, 1);

	CHECK(!is_complete(context));
	CHECK_EQ(hel_lane_shutdown(lanes.lane[0]), 0);
	CHECK(await(context, &left));
	CHECK_EQ(result_of(&left, 0)->error, -ERR_LANE_SHUTDOWN);
	CHECK(await(submit_exchange(lanes.lane[0], &pull, 1), &left));
	CHECK_EQ(result_of(&left, 0)->error, -ERR_LANE_SHUTDOWN);
	CHECK(await(submit_exchange(lanes.lane[1], &pull, 1), &left));
	CHECK_EQ(result_of(&left, 0)->error, -ERR_END_OF_LANE);
	close_stream(&lanes);
}

TEST(stream_cancel_takes_what_is_pending)
{
	struct hel_stream_lanes lanes;
	struct hel_action a[3] = { SEND("x", 1), RECEIVE_INLINE(8), ACCEPT(0) };
	struct hel_action b = RECEIVE_INLINE(8);

	CHECK(open_stream(&lanes));
	uint64_t context = submit_exchange(lanes.lane[0], a, 3);

	CHECK(await(submit_exchange(lanes.lane[1], &b, 1), &right));
	CHECK(!is_complete(context));
	struct hel_cancel_record *cancel = submit(HEL_SUBMIT_CANCEL, sizeof(*cancel));

	cancel->header.context = context;
	commit();
	CHECK(await(context, &left));
	CHECK_EQ(left.error, 0);
	CHECK_EQ(result_of(&left, 0)->error, 0);
	CHECK_EQ(result_of(&left, 1)->error, -ERR_CANCELLED);
	CHECK_EQ(result_of(&left, 2)->error, -ERR_CANCELLED);
	close_stream(&lanes);
}

TEST(stream_pending_actions_are_limited)
{
	struct hel_stream_lanes lanes;
	struct hel_action receive[16];
	unsigned n_refused = 0;
	uint64_t contexts[260];

	for (size_t i = 0; i < ARRAY_SIZE(receive); i++) {
		receive[i] = RECEIVE(NULL, 0);
	}
	CHECK(open_stream(&lanes));
	for (size_t i = 0; i < ARRAY_SIZE(contexts); i++) {
		contexts[i] = submit_exchange(lanes.lane[0], receive, 16);
		(void)is_complete(contexts[i]);
	}
	CHECK_EQ(hel_close(HEL_THIS, lanes.lane[1]), 0);
	for (size_t i = 0; i < ARRAY_SIZE(contexts); i++) {
		CHECK(await(contexts[i], &left));
		for (uint32_t j = 0; j < 16; j++) {
			n_refused += result_of(&left, j)->error == -ERR_NO_MEMORY;
		}
	}
	CHECK_EQ(n_refused, 4 * 16);
	CHECK_EQ(hel_close(HEL_THIS, lanes.lane[0]), 0);
}

/*
 * A lane in flight on itself is released with its queue at the latest; here by the close of the
 * other end.
 */
TEST(stream_descriptor_in_flight)
{
	struct hel_stream_lanes outer, inner;
	struct hel_action push, receive = RECEIVE_INLINE(8);

	CHECK(open_stream(&outer));
	CHECK(open_stream(&inner));
	push = PUSH(inner.lane[1]);
	uint64_t push_context = submit_exchange(outer.lane[0], &push, 1);

	CHECK(!is_complete(push_context));
	CHECK_EQ(hel_close(HEL_THIS, inner.lane[1]), 0);
	uint64_t context = submit_exchange(inner.lane[0], &receive, 1);

	CHECK(!is_complete(context));
	CHECK_EQ(hel_close(HEL_THIS, outer.lane[1]), 0);
	CHECK(await(push_context, &left));
	CHECK_EQ(result_of(&left, 0)->error, -ERR_END_OF_LANE);
	CHECK(await(context, &left));
	CHECK_EQ(result_of(&left, 0)->error, -ERR_END_OF_LANE);
	hel_close(HEL_THIS, outer.lane[0]);
	hel_close(HEL_THIS, inner.lane[0]);
}

TEST(stream_create_checks_pointer)
{
	CHECK_EQ(hel_stream_create((void *)24), -ERR_FAULT);
}

/* A server on another thread: many round trips through blocking drives. */
struct echo {
	struct hel_queue_client client;
	hel_handle lane;
};

static const struct hel_element *drive_one(struct hel_queue_client *client)
{
	const struct hel_element *element;

	while ((element = hel_queue_take(client)) == NULL) {
		hel_drive(
			client->handle, HEL_DRIVE_WAIT, client->n_taken, HEL_DEADLINE_NEVER, NULL);
	}
	return element;
}

static void put_exchange(struct hel_queue_client *client, hel_handle lane,
	const struct hel_action *actions, uint32_t n_actions)
{
	struct hel_exchange_record *record = hel_queue_reserve(client, HEL_SUBMIT_EXCHANGE,
		(uint32_t)(sizeof(*record) + n_actions * sizeof(actions[0])), 1);

	record->lane = lane;
	record->n_actions = n_actions;
	record->flags = 0;
	memcpy(record->actions, actions, n_actions * sizeof(actions[0]));
	hel_queue_commit(client);
}

static void echo_serve(struct worker *worker)
{
	struct echo *echo = worker->argument;
	struct hel_action accept[2] = { ACCEPT(HEL_ACTION_WANT_LANE),
		ancillary(RECEIVE_INLINE(64)) };

	put_exchange(&echo->client, echo->lane, accept, 2);
	for (;;) {
		const struct hel_element *element = drive_one(&echo->client);
		struct hel_results results = hel_results_begin(element);
		const struct hel_result *accepted = hel_results_next(&results);
		const struct hel_result *received = hel_results_next(&results);

		if (accepted == NULL || accepted->error != 0) {
			hel_queue_release(&echo->client, element);
			return;
		}
		struct hel_action answer = SEND(hel_result_data(received), received->inline_size);
		hel_handle lane = accepted->value;

		put_exchange(&echo->client, lane, &answer, 1);
		hel_queue_release(&echo->client, drive_one(&echo->client));
		hel_queue_release(&echo->client, element);
		hel_close(HEL_THIS, lane);
		put_exchange(&echo->client, echo->lane, accept, 2);
		worker->counter++;
	}
}

TEST(stream_round_trips_between_threads)
{
	static struct echo echo;
	struct hel_stream_lanes lanes;
	struct worker worker;
	uint64_t start_ns;

	CHECK(open_stream(&lanes));
	CHECK(make_queue(&echo.client, 4, 4096, 4096));
	echo.lane = lanes.lane[1];
	CHECK(worker_start(&worker, echo_serve, &echo));
	struct hel_kernel_stats before = {}, after = {};

	(void)hel_kernel_stats(test_authority, &before);
	start_ns = test_now();
	for (uint32_t i = 0; i < 2000; i++) {
		struct hel_action client[3] = { OFFER(0), ancillary(SEND(&i, 4)),
			ancillary(RECEIVE_INLINE(64)) };
		uint32_t answer;

		CHECK(await(submit_exchange(lanes.lane[0], client, 3), &left));
		CHECK_EQ(result_of(&left, 2)->inline_size, 4);
		memcpy(&answer, hel_result_data(result_of(&left, 2)), 4);
		CHECK_EQ(answer, i);
	}
	uint64_t passed_ns = test_now() - start_ns;

	(void)hel_kernel_stats(test_authority, &after);
	native_print("# round trip %llu ns, %llu switches, %llu interrupts",
		(unsigned long long)(passed_ns / 2000),
		(unsigned long long)(after.n_switches - before.n_switches),
		(unsigned long long)(after.n_interrupts - before.n_interrupts));
	hel_close(HEL_THIS, lanes.lane[0]);
	CHECK(worker_join(&worker));
	drop_queue(&echo.client);
	hel_close(HEL_THIS, lanes.lane[1]);
}

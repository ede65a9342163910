/* SPDX-License-Identifier: MIT */
/* Races about events, messages and descriptors. */
#include "race.h"

static void cancel(unsigned index)
{
	submit_cancel(&queues[index], contexts[index]);
	expect(queue_drive(&queues[index]) == 0, "drive");
}

/* ---- events and the clock --------------------------------------------------------------- */

static void await_event(void)
{
	contexts[0] = submit_event(&queues[0], event, sequence);
	expect(queue_drive(&queues[0]) == 0, "drive");
}

static void cancel_first(void)
{
	cancel(0);
}

static void raise_event(void)
{
	expect(hel_event_raise(event, 1) == 0, "raise");
}

static void check_event(void)
{
	int error = collect(0);

	expect(error == 0 || error == -ERR_CANCELLED, "an await's error");
	sequence++;
	expect(error != 0 || completion_event(&completion)->sequence == sequence, "sequence");
}

TEST(event_cancel_against_raise)
{
	run(&(const struct race){ await_event, cancel_first, raise_event, check_event });
}

static void drive_first(void)
{
	uint64_t start_ns = sim_time_ns;

	expect(hel_drive(queues[0].client.handle, HEL_DRIVE_WAIT, queues[0].client.n_taken,
		       sim_time_ns + 100'000'000, NULL) == 0,
		"a wake-up was lost");
	expect(sim_time_ns < start_ns + 10'000'000, "a wake-up came late");
}

TEST(drive_waits_against_raise)
{
	run(&(const struct race){ await_event, drive_first, raise_event, check_event });
}

static void await_clock(void)
{
	contexts[0] =
		submit_clock(&queues[0], sim_time_ns + 300 + random_below(&random_state, 2000));
	expect(queue_drive(&queues[0]) == 0, "drive");
}

static void check_cancelled_or_done(void)
{
	int error = collect(0);

	expect(error == 0 || error == -ERR_CANCELLED, "an await's error");
}

/* The timer is on the first thread's CPU; the cancel comes from where that is by then. */
static void wander(void)
{
	(void)hel_thread_set_affinity(HEL_THIS, 1u << random_below(&random_state, 2));
	cancel(0);
}

static void compute_some(void)
{
	sim_compute(random_below(&random_state, 2000));
}

TEST(clock_cancel_against_deadline)
{
	run(&(const struct race){ await_clock, wander, compute_some, check_cancelled_or_done });
}

/* ---- messages --------------------------------------------------------------------------- */

static void open_stream(void)
{
	struct hel_stream_lanes made;

	expect(hel_stream_create(&made) == 0, "no stream");
	lanes[0] = made.lane[0];
	lanes[1] = made.lane[1];
}

static void close_lanes(void)
{
	(void)hel_close(HEL_THIS, lanes[0]);
	(void)hel_close(HEL_THIS, lanes[1]);
}

static void submit(unsigned index, struct hel_action action)
{
	contexts[index] = submit_exchange(&queues[index], lanes[index], &action, 1);
	expect(queue_drive(&queues[index]) == 0, "drive");
}

static void prepare_receive(void)
{
	open_stream();
	submit(0, RECEIVE_INLINE(8));
}

static void send_second(void)
{
	submit(1, SEND(word, 8));
}

static void check_message(void)
{
	int errors[2];

	expect(collect(0) == 0, "receive");
	errors[0] = completion.results[0].error;
	if (errors[0] != 0) {
		expect(errors[0] == -ERR_CANCELLED, "receive's error");
		cancel(1);
	}
	expect(collect(1) == 0, "send");
	errors[1] = completion.results[0].error;
	expect(errors[0] == errors[1], "one side thinks otherwise");
	close_lanes();
}

TEST(message_cancel_against_peer)
{
	run(&(const struct race){ prepare_receive, cancel_first, send_second, check_message });
}

static void close_first_lane(void)
{
	expect(hel_close(HEL_THIS, lanes[0]) == 0, "close");
}

static void check_closed(void)
{
	expect(collect(0) == 0, "receive");
	int first = completion.results[0].error;

	expect(collect(1) == 0, "send");
	int second = completion.results[0].error;

	expect((first == 0 && second == 0) ||
			(first == -ERR_LANE_SHUTDOWN && second == -ERR_END_OF_LANE),
		"errors of a closed lane");
	close_lanes();
}

TEST(lane_close_against_peer)
{
	run(&(const struct race){ prepare_receive, close_first_lane, send_second, check_closed });
}

static void close_second_lane(void)
{
	expect(hel_close(HEL_THIS, lanes[1]) == 0, "close");
}

static void check_hang_up(void)
{
	expect(collect(0) == 0, "receive");
	int error = completion.results[0].error;

	expect(error == -ERR_LANE_SHUTDOWN || error == -ERR_END_OF_LANE, "hang-up");
}

TEST(both_lanes_close)
{
	run(&(const struct race){
		prepare_receive, close_first_lane, close_second_lane, check_hang_up });
}

/* A conversation that is cancelled while the peer serves it. */
static void prepare_conversation(void)
{
	struct hel_action actions[4] = { ACCEPT(0), ancillary(RECEIVE_INLINE(8)),
		ancillary(ACCEPT(0)), ancillary(PULL()) };

	open_stream();
	contexts[0] = submit_exchange(&queues[0], lanes[0], actions, 4);
	expect(queue_drive(&queues[0]) == 0, "drive");
}

/* The peer keeps its lane and leaves the rest unanswered: only the cancel ends that. */
static void serve_conversation(void)
{
	struct hel_action actions[2] = { OFFER(HEL_ACTION_WANT_LANE), ancillary(SEND(word, 8)) };

	contexts[1] = submit_exchange(&queues[1], lanes[1], actions, 2);
	expect(queue_drive(&queues[1]) == 0, "drive");
}

static void check_conversation(void)
{
	expect(collect(0) == 0, "accepting side");
	for (unsigned i = 0; i < 4; i++) {
		int error = completion.results[i].error;

		expect(error == -ERR_CANCELLED || (i < 2 && error == 0), "an action's error");
	}
	cancel(1);
	expect(collect(1) == 0, "offering side");
	if (completion.results[0].error == 0) {
		expect(hel_close(HEL_THIS, completion.results[0].value) == 0, "close");
	}
	close_lanes();
}

TEST(conversation_cancel_against_peer)
{
	run(&(const struct race){
		prepare_conversation, cancel_first, serve_conversation, check_conversation });
}

/* A descriptor in flight, whose lane closes while the peer pulls. */
static void prepare_push(void)
{
	open_stream();
	submit(0, PUSH(event));
}

static void pull_second(void)
{
	submit(1, PULL());
}

static void check_pull(void)
{
	expect(collect(0) == 0, "push");
	int first = completion.results[0].error;

	expect(collect(1) == 0, "pull");
	expect((completion.results[0].error == 0) == (first == 0), "one side thinks otherwise");
	if (first == 0) {
		expect(hel_close(HEL_THIS, completion.results[0].value) == 0, "pulled");
	}
	close_lanes();
}

TEST(push_against_close)
{
	run(&(const struct race){ prepare_push, close_first_lane, pull_second, check_pull });
}

/* The buffer of a message goes away while it is copied. */
static uint64_t buffer;

static void prepare_buffer(void)
{
	open_stream();
	buffer = user_map(3);
	submit(0, RECEIVE(buffer, 3 * 4096));
}

static void unmap_buffer(void)
{
	expect(hel_space_unmap(HEL_THIS, buffer, 3 * 4096) == 0, "unmap");
}

static void send_much(void)
{
	submit(1, SEND(word, 8192));
}

static void check_copy(void)
{
	expect(collect(0) == 0, "receive");
	int first = completion.results[0].error;

	expect(collect(1) == 0, "send");
	int second = completion.results[0].error;

	expect((first == 0 && second == 0) || (first == -ERR_FAULT && second == -ERR_DISMISSED),
		"who is to blame");
	close_lanes();
}

TEST(message_against_unmap)
{
	run(&(const struct race){ prepare_buffer, unmap_buffer, send_much, check_copy });
}

/* ---- descriptors ------------------------------------------------------------------------ */

static hel_handle token, copy;

static void make_token(void)
{
	expect(hel_token_create(&token) == 0, "no token");
}

static void close_token(void)
{
	results[1] = hel_close(HEL_THIS, token);
}

static void check_transfer(void)
{
	struct hel_descriptor_info info;

	expect(results[1] == 0, "close");
	expect(results[0] == 0 || results[0] == -ERR_BAD_HANDLE, "transfer");
	if (results[0] == 0) {
		expect(hel_descriptor_info(HEL_THIS, copy, &info) == 0, "the copy");
		expect(info.type == HEL_TYPE_TOKEN, "another object");
		expect(hel_close(HEL_THIS, copy) == 0, "close the copy");
	}
}

static void transfer_token(void)
{
	hel_handle made = HEL_NULL;

	results[0] = hel_transfer(HEL_THIS, token, HEL_THIS, 0, &made);
	copy = made;
}

TEST(transfer_against_close)
{
	run(&(const struct race){ make_token, transfer_token, close_token, check_transfer });
}

static void close_token_first(void)
{
	results[0] = hel_close(HEL_THIS, token);
}

static void check_one_closed(void)
{
	expect((results[0] == 0) != (results[1] == 0), "closed twice");
}

TEST(close_against_close)
{
	run(&(const struct race){ make_token, close_token_first, close_token, check_one_closed });
}

TEST_MAIN()

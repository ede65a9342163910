/* SPDX-License-Identifier: MIT */
/*
 * Two threads that do two things to one object at the same time, many times, from points that
 * differ.
 *
 * The first thread prepares, both act, the first checks. A CPU may be left at every atomic access.
 * Whoever wins, there is one result, and who lost hears so.
 */
#include "machine.h"

constexpr uint32_t TURNS = 300;

struct race {
	void (*prepare)(void);
	void (*first)(void);
	void (*second)(void);
	void (*check)(void);
};

static const struct race *race;
static struct user_queue queues[2];
static struct random random_state;
static uint32_t turn, n_turns_done;
static const char *failure;
static struct completion completion;
static hel_handle event;
static hel_handle lanes[2];
static uint64_t sequence, word, page;
static uint64_t contexts[2];
static int results[2];
static uint32_t n_woken;

static void expect(bool is_true, const char *what)
{
	if (!is_true && failure == NULL) {
		failure = what;
	}
}

static void wait_for_turn(uint32_t *counter, uint32_t value)
{
	while (*counter != value && failure == NULL) {
		sim_compute(100);
	}
}

static void stagger(void)
{
	if (random_chance(&random_state, 2)) {
		sim_compute(random_below(&random_state, 800));
	}
}

static void second_main(UNUSED void *context)
{
	expect(queue_open(&queues[1], 8, 8192, 4096) == 0, "no queue");
	for (uint32_t i = 1; i <= TURNS && failure == NULL; i++) {
		wait_for_turn(&turn, i);
		stagger();
		race->second();
		n_turns_done = i;
	}
	/* The first checks with this queue, too. */
	wait_for_turn(&turn, TURNS + 1);
	queue_close(&queues[1]);
}

static void first_main(UNUSED void *context)
{
	uint32_t zero = 0;

	word = user_map(2);
	page = word + 4096;
	sim_store(word, &zero, sizeof(zero));
	sim_store(page, &zero, sizeof(zero));
	expect(queue_open(&queues[0], 8, 8192, 4096) == 0, "no queue");
	expect(hel_event_create(0, &event) == 0, "no event");
	hel_handle second = user_start(second_main, NULL);

	expect(second != HEL_NULL, "no thread");
	sequence = 0;
	for (uint32_t i = 1; i <= TURNS && failure == NULL; i++) {
		race->prepare();
		turn = i;
		stagger();
		race->first();
		wait_for_turn(&n_turns_done, i);
		race->check();
	}
	turn = TURNS + 1;
	queue_close(&queues[0]);
}

static void run(const struct race *what)
{
	uint64_t seed = test_seed(1);

	race = what;
	for (uint32_t round = 0; round < 4; round++) {
		failure = NULL;
		turn = 0;
		n_turns_done = 0;
		random_init(&random_state, seed + round);
		machine_begin(2 + round % 2, seed + round);
		sim_interleave(2u << 2 * round);
		CHECK(machine_run(first_main, NULL));
		if (failure != NULL) {
			test_fail(
				__FILE__, __LINE__, "round %u, turn %u: %s", round, turn, failure);
		}
		CHECK_EQ(n_turns_done, TURNS);
		CHECK(machine_end());
	}
}

static void nothing(void)
{
}

/* The one completion of the operation of queue @index; its error. */
static int collect(unsigned index)
{
	expect(queue_await(&queues[index], contexts[index], &completion), "no completion");
	expect(queue_is_quiet(&queues[index]), "more than one completion");
	return completion.error;
}

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

/* ---- futexes ---------------------------------------------------------------------------- */

static void wait_briefly(void)
{
	results[0] = hel_futex_wait((const uint32_t *)word, 0,
		sim_time_ns + 200 + random_below(&random_state, 1500), 1);
}

static void wake_word(void)
{
	n_woken = 0;
	expect(hel_futex_wake((const uint32_t *)word, 1, 1, &n_woken) == 0, "wake");
}

static void check_wake(void)
{
	expect(results[0] == (n_woken == 1 ? 0 : -ERR_TIMED_OUT), "woken or not");
}

TEST(futex_wake_against_deadline)
{
	run(&(const struct race){ nothing, wait_briefly, wake_word, check_wake });
}

static hel_handle waiter;
static int waiter_result;
static bool is_waiter_done;

static void waiter_main(UNUSED void *context)
{
	waiter_result = hel_futex_wait((const uint32_t *)word, 0, HEL_DEADLINE_NEVER, 1);
	is_waiter_done = true;
}

static void start_waiter(void)
{
	is_waiter_done = false;
	waiter_result = 1;
	waiter = user_start(waiter_main, NULL);
	expect(waiter != HEL_NULL, "no thread");
	sim_compute(random_below(&random_state, 1000));
}

static void kick_waiter(void)
{
	int error = hel_thread_kick(waiter);

	expect(error == 0 || error == -ERR_THREAD_TERMINATED, "kick");
}

static void check_waiter_ended(void)
{
	contexts[0] = submit_observe(&queues[0], waiter, 0);
	expect(collect(0) == 0, "the waiter did not end");
	expect(completion_observation(&completion)->observation == HEL_OBSERVE_TERMINATED,
		"an observation");
	expect(hel_close(HEL_THIS, waiter) == 0, "close");
}

static void check_kicked(void)
{
	check_waiter_ended();
	expect(waiter_result == (n_woken == 1 ? 0 : -ERR_KICKED), "kicked or woken");
}

TEST(futex_wake_against_kick)
{
	run(&(const struct race){ start_waiter, wake_word, kick_waiter, check_kicked });
}

static void requeue_word(void)
{
	uint32_t n_threads;

	expect(hel_futex_requeue((const uint32_t *)word, ~0ull, (const uint32_t *)page, 0, 1,
		       &n_threads) == 0,
		"requeue");
}

static void check_requeued(void)
{
	uint32_t n_more = 0;

	/* It sits on one of the two, or has not come to that yet. */
	for (uint32_t i = 0; i < 10'000 && !is_waiter_done; i++) {
		(void)hel_futex_wake((const uint32_t *)page, 1, 1, &n_more);
		(void)hel_futex_wake((const uint32_t *)word, 1, 1, &n_more);
		sim_compute(1000);
	}
	check_waiter_ended();
	expect(waiter_result == 0, "woken");
}

TEST(futex_wake_against_requeue)
{
	run(&(const struct race){ start_waiter, requeue_word, wake_word, check_requeued });
}

/* ---- alerts ----------------------------------------------------------------------------- */

static int drive_queue(uint64_t deadline_ns)
{
	return hel_drive(queues[0].client.handle, HEL_DRIVE_WAIT, queues[0].client.n_taken,
		deadline_ns, NULL);
}

static void drive_briefly(void)
{
	results[0] = drive_queue(sim_time_ns + 200 + random_below(&random_state, 1500));
}

static void alert_queue(void)
{
	expect(hel_queue_alert(queues[0].client.handle) == 0, "alert");
}

/* The alert has ended one wait: that one or the next. */
static void expect_one_alert(int result, int otherwise)
{
	expect(result == -ERR_ALERTED || result == otherwise, "how a wait ends");
	expect(drive_queue(0) == (result == -ERR_ALERTED ? -ERR_TIMED_OUT : -ERR_ALERTED),
		"alerts that are left");
	expect(drive_queue(0) == -ERR_TIMED_OUT, "an alert twice");
}

static void check_alerted(void)
{
	expect_one_alert(results[0], -ERR_TIMED_OUT);
}

TEST(alert_against_deadline)
{
	run(&(const struct race){ nothing, drive_briefly, alert_queue, check_alerted });
}

static void driver_main(UNUSED void *context)
{
	waiter_result = drive_queue(HEL_DEADLINE_NEVER);
	is_waiter_done = true;
}

static void start_driver(void)
{
	is_waiter_done = false;
	waiter_result = 1;
	waiter = user_start(driver_main, NULL);
	expect(waiter != HEL_NULL, "no thread");
	sim_compute(random_below(&random_state, 1000));
}

static void check_alerted_or_kicked(void)
{
	for (uint32_t i = 0; i < 10'000 && !is_waiter_done; i++) {
		sim_compute(1000);
	}
	expect(is_waiter_done, "the waiter did not end");
	expect_one_alert(waiter_result, -ERR_KICKED);
	expect(hel_close(HEL_THIS, waiter) == 0, "close");
}

TEST(alert_against_kick)
{
	run(&(const struct race){
		start_driver, alert_queue, kick_waiter, check_alerted_or_kicked });
}

static void complete_nop(void)
{
	contexts[0] = submit_nop(&queues[0]);
	expect(queue_drive(&queues[0]) == 0, "drive");
}

static void check_alerted_or_complete(void)
{
	for (uint32_t i = 0; i < 10'000 && !is_waiter_done; i++) {
		sim_compute(1000);
	}
	expect(collect(0) == 0, "no completion");
	expect_one_alert(waiter_result, 0);
	expect(hel_close(HEL_THIS, waiter) == 0, "close");
}

TEST(alert_against_completion)
{
	run(&(const struct race){
		start_driver, complete_nop, alert_queue, check_alerted_or_complete });
}

/* ---- threads ---------------------------------------------------------------------------- */

static void kill_waiter(void)
{
	expect(hel_thread_kill(waiter) == 0, "kill");
}

static void check_killed(void)
{
	check_waiter_ended();
	expect(!is_waiter_done || n_woken == 1, "killed, and still it went on");
}

TEST(kill_against_wake)
{
	run(&(const struct race){ start_waiter, wake_word, kill_waiter, check_killed });
}

TEST(kill_against_wait)
{
	n_woken = 0;
	run(&(const struct race){ start_waiter, nothing, kill_waiter, check_waiter_ended });
}

static void interrupt_waiter(void)
{
	results[1] = hel_thread_interrupt(waiter);
}

/* Whatever came first: it stops, goes on, and ends; every observation comes once and in order. */
static void check_interrupted(void)
{
	contexts[0] = submit_observe(&queues[0], waiter, 0);
	if (results[1] == 0) {
		expect(collect(0) == 0, "no observation");
		if (completion_observation(&completion)->observation == HEL_OBSERVE_INTERRUPTED) {
			/* It may have been killed meanwhile. */
			(void)!hel_thread_resume(waiter);
			contexts[0] = submit_observe(&queues[0], waiter, 1);
			expect(hel_thread_kill(waiter) == 0, "kill");
			expect(collect(0) == 0, "no end");
		}
	} else {
		expect(results[1] == -ERR_THREAD_TERMINATED, "interrupt");
		expect(collect(0) == 0, "no observation");
	}
	expect(completion_observation(&completion)->observation == HEL_OBSERVE_TERMINATED,
		"no end");
	expect(hel_close(HEL_THIS, waiter) == 0, "close");
}

TEST(interrupt_against_wake)
{
	run(&(const struct race){ start_waiter, wake_word, interrupt_waiter, check_interrupted });
}

TEST(interrupt_against_kill)
{
	run(&(const struct race){ start_waiter, kill_waiter, interrupt_waiter, check_interrupted });
}

static void create_thread(void)
{
	hel_handle made = HEL_NULL;

	expect(user_create(waiter_main, NULL, &made) == 0, "no thread");
	waiter = made;
	is_waiter_done = false;
}

static void start_first(void)
{
	results[0] = hel_thread_start(waiter);
}

static void check_started_or_killed(void)
{
	expect(results[0] == 0 || results[0] == -ERR_ILLEGAL_STATE, "start");
	check_waiter_ended();
}

TEST(start_against_kill)
{
	run(&(const struct race){
		create_thread, start_first, kill_waiter, check_started_or_killed });
}

static void set_affinity(void)
{
	expect(hel_thread_set_affinity(waiter, 1u << random_below(&random_state, 2)) == 0,
		"affinity");
}

static void check_moved(void)
{
	for (uint32_t i = 0; i < 10'000 && !is_waiter_done; i++) {
		(void)hel_futex_wake((const uint32_t *)word, 1, 1, NULL);
		sim_compute(1000);
	}
	check_waiter_ended();
	expect(waiter_result == 0, "woken");
}

TEST(affinity_against_wake)
{
	run(&(const struct race){ start_waiter, wake_word, set_affinity, check_moved });
}

TEST_MAIN()

/* SPDX-License-Identifier: MIT */
/* Races about futexes, alerts, and starts and ends of threads. */
#include "race.h"

static void nothing(void)
{
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

/*
 * A waiter that the second thread, which has the lock, moves there and perhaps hands it over to at
 * once.
 */
static uint32_t waiter_state, n_moved;

static void moved_main(UNUSED void *context)
{
	waiter_result = hel_futex_wait_requeue((const uint32_t *)word, 0, HEL_DEADLINE_NEVER,
		(const uint32_t *)page, &waiter_state);
}

static void start_moved(void)
{
	const uint32_t owned = SECOND | HEL_LOCK_WAITERS;

	sim_store(page, &owned, sizeof(owned));
	waiter_result = 1;
	waiter_state = 0;
	expect(user_create(moved_main, NULL, &waiter) == 0, "no thread");
	expect(hel_futex_name(waiter, WAITER) == 0, "no name");
	expect(hel_thread_start(waiter) == 0, "no start");
	sim_compute(random_below(&random_state, 1000));
}

static void move_waiter(void)
{
	expect(hel_futex_requeue_lock((const uint32_t *)word, 0, (const uint32_t *)page,
		       SECOND | HEL_LOCK_WAITERS, 1, &n_moved) == 0,
		"move");
	if (turn % 2 == 0) {
		expect(hel_futex_unlock((const uint32_t *)page) == 0, "unlock");
	}
}

static void check_moved_waiter(void)
{
	uint32_t value;

	check_waiter_ended();
	sim_load(&value, page, sizeof(value));
	expect(waiter_result == 0 || waiter_result == -ERR_KICKED, "handed over or kicked");
	expect(waiter_state == (n_moved == 1 ? HEL_FUTEX_MOVED : 0), "moved or not");
	expect((waiter_result == 0) == (value == WAITER), "whose lock it is");
	expect(turn % 2 == 0 || waiter_result == -ERR_KICKED, "nobody gave it");
}

TEST(futex_move_against_kick)
{
	run(&(const struct race){ start_moved, kick_waiter, move_waiter, check_moved_waiter });
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

/* ---- two who kill ----------------------------------------------------------------------- */

static hel_handle killed_by[2];

static void create_unstarted(void)
{
	expect(user_create(waiter_main, NULL, &killed_by[0]) == 0, "create");
	expect(hel_transfer(HEL_THIS, killed_by[0], HEL_THIS, HEL_RIGHTS_ALL, &killed_by[1]) == 0,
		"transfer");
}

static void kill_it(void)
{
	int error = hel_thread_kill(killed_by[0]);

	expect(error == 0 || error == -ERR_BAD_HANDLE, "kill");
}

static void kill_and_forget_it(void)
{
	expect(hel_thread_kill(killed_by[1]) == 0, "kill");
	expect(hel_close(HEL_THIS, killed_by[0]) == 0, "close");
	expect(hel_close(HEL_THIS, killed_by[1]) == 0, "close");
	sim_compute(random_below(&random_state, 1000)); /* it may end meanwhile */
}

/* Whoever is first starts it; it may have gone, but for his reference, before he is done. */
TEST(kill_against_kill)
{
	run(&(const struct race){ create_unstarted, kill_it, kill_and_forget_it, nothing });
}

TEST_MAIN()

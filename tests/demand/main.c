/* SPDX-License-Identifier: MIT */
/*
 * A client of servers on demand (server.c), which sees when they are started, and lets them crash.
 * tests/system/demand.py boots this. How often a server has started is in the kernel's log.
 */
#include <base/errors.h>
#include <base/string.h>
#include <helix/helix.h>
#include <protocols/mbus/mbus-client.h>
#include <tests/native/task-tests.h>

constexpr uint8_t ECHO = 'e', CRASH = 'c';
constexpr uint64_t PATIENCE_NS = 20'000'000'000;
constexpr uint64_t MOMENT_NS = 20'000'000;
constexpr uint64_t BACKOFF_NS = 100'000'000; /* of svrctl, the first */
constexpr uint32_t WAITING_MAX = 32;         /* clients of one service, in svrctl */
constexpr uint32_t CROWD = WAITING_MAX + 8;

/* How often @text is in the log; UINT32_MAX: it cannot be read. */
static uint32_t log_count(const char *text)
{
	static char log[64 * 1024 + 1];
	uint64_t offset = 0;
	size_t size;
	uint32_t count = 0;

	if (hel_log_read(helix_start_handle("statistics"), &offset, log, sizeof(log) - 1, &size) !=
		0) {
		return UINT32_MAX;
	}
	log[size] = '\0';
	for (const char *at = strstr(log, text); at != NULL; at = strstr(at + 1, text)) {
		count++;
	}
	return count;
}

static hel_handle ask(struct task *task, const char *service)
{
	hel_handle lane = HEL_NULL;
	int error = mbus_open_service(task, helix_start_handle("mbus"), service, &lane);

	task_tests_check(error == 0, "mbus_open_service", __LINE__);
	return lane;
}

static int send_and_receive(struct task *task, hel_handle lane, uint8_t byte)
{
	struct helix_exchange exchange;
	uint8_t answer = 0;

	helix_exchange_init(&exchange, lane);
	helix_exchange_add_send(&exchange, &byte, 1);
	helix_exchange_add_receive(&exchange, &answer, 1);
	int error = helix_exchange_await(task, &exchange);

	helix_exchange_release(&exchange);
	return error == 0 && answer != byte ? -ERR_PROTOCOL : error;
}

/* What comes of sending @byte; -ERR_TIMED_OUT: nothing. */
static int outcome_within(struct task *task, hel_handle lane, uint8_t byte, uint64_t timeout_ns)
{
	struct scope scope;

	scope_begin(task, &scope);
	scope_set_deadline(&scope, task_now_ns(task) + timeout_ns);
	int error = send_and_receive(task, lane, byte);

	(void)!scope_join(&scope);
	return error;
}

static int outcome(struct task *task, hel_handle lane, uint8_t byte)
{
	return outcome_within(task, lane, byte, PATIENCE_NS);
}

/* ---- the cases ------------------------------------------------------------------------------- */

static void test_starts_when_asked(struct task *task)
{
	CHECK(log_count("serve: started") == 0);
	CHECK(log_count(" is kernletcc") == 0); /* that is on demand, too, and nobody asks */
	hel_handle first = ask(task, "demand-serve");

	CHECK(outcome(task, first, ECHO) == 0);
	CHECK(log_count("serve: started") == 1);
	hel_handle second = ask(task, "demand-serve");

	CHECK(outcome(task, second, ECHO) == 0);
	CHECK(outcome(task, first, ECHO) == 0);
	CHECK(log_count("serve: started") == 1);
	/* It goes on without clients. */
	hel_close(HEL_THIS, first);
	hel_close(HEL_THIS, second);
}

/* Each crash is seen by all clients, and the next one that asks waits a little longer. */
static void test_starts_again_after_a_crash(struct task *task)
{
	for (uint32_t i = 0; i < 3; i++) {
		hel_handle first = ask(task, "demand-serve");
		hel_handle second = ask(task, "demand-serve");

		CHECK(outcome(task, second, ECHO) == 0);
		CHECK(log_count("serve: started") == i + 1);
		uint64_t crashed_ns = task_now_ns(task);

		CHECK(outcome(task, first, CRASH) == -ERR_END_OF_LANE);
		CHECK(outcome(task, second, ECHO) == -ERR_END_OF_LANE);
		hel_close(HEL_THIS, first);
		hel_close(HEL_THIS, second);
		/* Until svrctl has noticed, a client may still be sent to the dead server. */
		int error = -ERR_END_OF_LANE;

		while (error == -ERR_END_OF_LANE) {
			hel_handle next = ask(task, "demand-serve");

			error = outcome(task, next, ECHO);
			hel_close(HEL_THIS, next);
		}
		CHECK(error == 0);
		CHECK(task_now_ns(task) - crashed_ns >= BACKOFF_NS << i);
	}
}

static void test_death_at_start_is_an_error(struct task *task)
{
	hel_handle lanes[3];

	for (size_t i = 0; i < ARRAY_SIZE(lanes); i++) {
		lanes[i] = ask(task, "demand-die");
	}
	for (size_t i = 0; i < ARRAY_SIZE(lanes); i++) {
		CHECK(outcome(task, lanes[i], ECHO) == -ERR_END_OF_LANE);
		hel_close(HEL_THIS, lanes[i]);
	}
	CHECK(log_count("die: started") >= 1);
}

/* Those for whom there is no room see the end of their lanes; the others wait. */
static void test_waiting_clients_are_bounded(struct task *task)
{
	hel_handle lanes[CROWD];

	for (uint32_t i = 0; i < CROWD; i++) {
		lanes[i] = ask(task, "demand-mute");
	}
	for (uint32_t i = WAITING_MAX; i < CROWD; i++) {
		CHECK(outcome(task, lanes[i], ECHO) == -ERR_END_OF_LANE);
	}
	CHECK(outcome_within(task, lanes[0], ECHO, MOMENT_NS) == -ERR_TIMED_OUT);
	CHECK(outcome_within(task, lanes[WAITING_MAX - 1], ECHO, MOMENT_NS) == -ERR_TIMED_OUT);
	for (uint32_t i = 0; i < CROWD; i++) {
		hel_close(HEL_THIS, lanes[i]);
	}
	CHECK(log_count("does not get demand-mute") == CROWD - WAITING_MAX);
}

static const struct task_test tests[] = {
	TASK_TEST(starts_when_asked),
	TASK_TEST(starts_again_after_a_crash),
	TASK_TEST(death_at_start_is_an_error),
	TASK_TEST(waiting_clients_are_bounded),
};

int main(int n_arguments UNUSED, char **arguments UNUSED)
{
	return task_tests_main(tests, ARRAY_SIZE(tests));
}

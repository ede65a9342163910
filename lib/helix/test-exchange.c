/* SPDX-License-Identifier: MIT */
/* Tests of the loop, exchanges and waits on the small kernel of tests/. */
#include <base/errors.h>
#include <base/testing.h>
#include <helix/await.h>
#include <helix/call.h>
#include <helix/exchange.h>
#include <helix/tests/sim-kernel.h>

static struct helix_loop loop;
static hel_handle client_lane, server_lane;
static size_t n_handles_before;
static int n_jobs;

void sim_kernel_deadlocked(void)
{
	test_fail(__FILE__, __LINE__, "nothing can happen any more");
}

static void setup(const struct helix_loop_config *config)
{
	struct hel_stream_lanes lanes;

	CHECK_EQ(helix_loop_init(&loop, config), 0);
	CHECK_EQ(hel_stream_create(&lanes), 0);
	client_lane = lanes.lane[0];
	server_lane = lanes.lane[1];
	n_handles_before = sim_kernel_handles();
	n_jobs = 0;
}

static void teardown(void)
{
	hel_close(HEL_THIS, client_lane);
	hel_close(HEL_THIS, server_lane);
	helix_loop_deinit(&loop);
	CHECK_EQ(sim_kernel_handles(), 0);
}

/* What runs in a job; the loop stops when the last one has ended. */
struct test_job {
	struct job job;
	void (*run)(struct task *task);
};

static int run_test_job(struct task *task, void *argument)
{
	((struct test_job *)argument)->run(task);
	n_jobs--;
	if (n_jobs == 0) {
		loop_stop(task->loop);
	}
	return 0;
}

static void run_jobs(void (*first)(struct task *task), void (*second)(struct task *task))
{
	static struct test_job jobs[2];

	jobs[0].run = first;
	jobs[1].run = second;
	n_jobs = second != NULL ? 2 : 1;
	for (int i = 0; i < (second != NULL ? 2 : 1); i++) {
		job_init(&jobs[i].job, "test", run_test_job, &jobs[i]);
		job_submit(&loop.loop, &jobs[i].job);
	}
	helix_loop_run(&loop);
	CHECK_EQ(sim_kernel_handles(), n_handles_before);
}

/* ---- conversations --------------------------------------------------------------------------- */

static void call_twice(struct task *task)
{
	char reply[16];
	struct helix_call call = {
		.lane = client_lane,
		.request = "ping",
		.request_size = 4,
		.reply = reply,
		.reply_size_max = sizeof(reply),
		.wants_pull = true,
	};

	CHECK_EQ(helix_call(task, &call), 0);
	CHECK_EQ(call.reply_size, 5);
	CHECK_MEM_EQ(reply, "pong!", 5);
	CHECK(call.pulled != HEL_NULL);
	hel_close(HEL_THIS, call.pulled);
	/* the server answers, but gives nothing */
	CHECK_EQ(helix_call(task, &call), 0);
	CHECK_EQ(call.reply_size, 2);
	CHECK(call.pulled == HEL_NULL);
}

static void serve_twice(struct task *task)
{
	struct helix_exchange exchange;
	const void *data;
	size_t size;

	for (int i = 0; i < 2; i++) {
		hel_handle lane;
		hel_handle token;

		helix_exchange_init(&exchange, server_lane);
		helix_exchange_add_accept(&exchange, true);
		helix_exchange_add_receive_inline(&exchange, 64);
		CHECK_EQ(helix_exchange_await(task, &exchange), 0);
		CHECK_EQ(helix_exchange_next_handle(&exchange, &lane), 0);
		CHECK_EQ(helix_exchange_next_inline(&exchange, &data, &size), 0);
		CHECK_EQ(size, 4);
		CHECK_MEM_EQ(data, "ping", 4);
		CHECK_EQ(helix_exchange_next(&exchange), -ERR_PROTOCOL);
		helix_exchange_release(&exchange);
		helix_exchange_release(&exchange);

		helix_exchange_init(&exchange, lane);
		if (i == 0) {
			CHECK_EQ(hel_token_create(&token), 0);
			helix_exchange_add_send(&exchange, "pong!", 5);
			helix_exchange_add_push(&exchange, token, 0);
		} else {
			helix_exchange_add_send(&exchange, "no", 2);
		}
		CHECK_EQ(helix_exchange_await(task, &exchange), 0);
		helix_exchange_release(&exchange);
		if (i == 0) {
			hel_close(HEL_THIS, token);
		}
		hel_close(HEL_THIS, lane);
	}
}

TEST(exchange_conversation)
{
	setup(NULL);
	run_jobs(call_twice, serve_twice);
	run_jobs(serve_twice, call_twice);
	teardown();
}

/* ---- what goes wrong ------------------------------------------------------------------------- */

static void offer_and_leave(struct task *task)
{
	struct helix_exchange exchange;

	helix_exchange_init(&exchange, client_lane);
	helix_exchange_add_offer(&exchange, true);
	helix_exchange_add_send(&exchange, "12345678", 8);
	CHECK_EQ(helix_exchange_await(task, &exchange), -ERR_BUFFER_TOO_SMALL);
	CHECK_EQ(helix_exchange_next(&exchange), 0); /* the lane is taken, but not by us */
	helix_exchange_release(&exchange);
}

static void accept_too_small(struct task *task)
{
	struct helix_exchange exchange;

	helix_exchange_init(&exchange, server_lane);
	helix_exchange_add_accept(&exchange, true);
	helix_exchange_add_receive_inline(&exchange, 4);
	CHECK_EQ(helix_exchange_await(task, &exchange), -ERR_BUFFER_TOO_SMALL);
	helix_exchange_release(&exchange); /* closes our lane */
}

static void close_offered_lane(struct task *task)
{
	struct helix_exchange exchange;
	hel_handle lane;

	helix_exchange_init(&exchange, client_lane);
	helix_exchange_add_offer(&exchange, true);
	helix_exchange_add_receive_inline(&exchange, 8);
	CHECK_EQ(helix_exchange_await(task, &exchange), -ERR_END_OF_LANE);
	CHECK_EQ(helix_exchange_next_handle(&exchange, &lane), 0);
	helix_exchange_release(&exchange);
	hel_close(HEL_THIS, lane);
}

static void accept_and_close(struct task *task)
{
	struct helix_exchange exchange;

	helix_exchange_init(&exchange, server_lane);
	helix_exchange_add_accept(&exchange, false);
	CHECK_EQ(helix_exchange_await(task, &exchange), 0);
	helix_exchange_release(&exchange);
}

static void receive_mismatched(struct task *task)
{
	struct helix_exchange exchange;

	helix_exchange_init(&exchange, client_lane);
	helix_exchange_add_receive_inline(&exchange, 8);
	CHECK_EQ(helix_exchange_await(task, &exchange), -ERR_TRANSMISSION_MISMATCH);
	helix_exchange_release(&exchange);
	helix_exchange_init(&exchange, HEL_NULL);
	helix_exchange_add_receive_inline(&exchange, 8);
	CHECK_EQ(helix_exchange_await(task, &exchange), -ERR_BAD_HANDLE);
	CHECK_EQ(helix_exchange_next(&exchange), -ERR_PROTOCOL);
	helix_exchange_release(&exchange);
}

static void pull_mismatched(struct task *task)
{
	struct helix_exchange exchange;

	helix_exchange_init(&exchange, server_lane);
	helix_exchange_add_pull(&exchange);
	CHECK_EQ(helix_exchange_await(task, &exchange), -ERR_TRANSMISSION_MISMATCH);
	helix_exchange_release(&exchange);
}

TEST(exchange_errors)
{
	setup(NULL);
	run_jobs(offer_and_leave, accept_too_small);
	run_jobs(close_offered_lane, accept_and_close);
	run_jobs(receive_mismatched, pull_mismatched);
	teardown();
}

/* ---- cancelling ------------------------------------------------------------------------------ */

static void wait_in_vain(struct task *task)
{
	struct helix_exchange exchange;
	uint64_t started_ns = task_now_ns(task);

	helix_exchange_init(&exchange, client_lane);
	helix_exchange_add_receive_inline(&exchange, 8);
	CHECK_EQ(await_until(task, &exchange.operation.op, started_ns + 5000), -ERR_TIMED_OUT);
	CHECK_EQ(task_now_ns(task), started_ns + 5000);
	helix_exchange_release(&exchange);
}

TEST(exchange_timeout_cancels)
{
	setup(NULL);
	run_jobs(wait_in_vain, NULL);
	teardown();
}

/* ---- many at once ---------------------------------------------------------------------------- */

#define N_MANY 300

static struct helix_exchange many[N_MANY];
static int n_many_done;
static int n_many_cancelled;

static void many_done(struct op *op)
{
	struct helix_exchange *exchange = helix_exchange_of(op);

	CHECK(op->owner == exchange);
	n_many_done++;
	n_many_cancelled += op->error == -ERR_CANCELLED;
	helix_exchange_release(exchange);
	if (n_many_done == N_MANY) {
		loop_stop(op->loop);
	}
}

static const struct helix_loop_config small_queue = {
	.n_tasks_max = 4,
	.queue = { .n_chunks = 2, .chunk_size = 1024, .submit_size = 512 },
};

TEST(exchange_many_through_a_small_queue)
{
	setup(&small_queue);
	n_many_done = 0;
	for (int i = 0; i < N_MANY; i++) {
		helix_exchange_init(&many[i], i % 2 == 0 ? client_lane : server_lane);
		if (i % 2 == 0) {
			helix_exchange_add_send(&many[i], &many[i], 100);
		} else {
			helix_exchange_add_receive_inline(&many[i], 100);
		}
		helix_exchange_start(&many[i], &loop.loop, many_done, &many[i]);
	}
	helix_loop_run(&loop);
	CHECK_EQ(n_many_done, N_MANY);
	CHECK(sim_kernel_drives() > 0);
	teardown();
}

TEST(exchange_cancel_many)
{
	setup(&small_queue);
	n_many_done = 0;
	n_many_cancelled = 0;
	for (int i = 0; i < N_MANY; i++) {
		helix_exchange_init(&many[i], client_lane);
		helix_exchange_add_receive_inline(&many[i], 8);
		helix_exchange_start(&many[i], &loop.loop, many_done, &many[i]);
	}
	for (int i = 0; i < N_MANY; i++) {
		helix_exchange_cancel(&many[i]);
	}
	helix_loop_run(&loop);
	CHECK_EQ(n_many_done, N_MANY);
	CHECK_EQ(n_many_cancelled, N_MANY);
	teardown();
}

/* ---- events and the clock -------------------------------------------------------------------- */

static hel_handle event;

static void raise_event(struct task *task)
{
	CHECK_EQ(helix_await_clock(task, task_now_ns(task) + 1000), 0);
	CHECK_EQ(hel_event_raise(event, 6), 0);
	CHECK_EQ(hel_event_raise(event, 1), 0);
}

static void await_event(struct task *task)
{
	uint64_t sequence = 0;
	uint32_t bits;

	CHECK_EQ(helix_await_event(task, event, &sequence, &bits), 0);
	CHECK_EQ(bits, 7);
	CHECK_EQ(sequence, 2);
}

static void alert_many(struct task *task)
{
	size_t n_before = sim_kernel_alerts(), n_drives = sim_kernel_drives();

	for (int i = 0; i < 100; i++) {
		helix_loop_alert(&loop, HEL_NULL);
	}
	CHECK_EQ(task_sleep_until(task, task_now_ns(task) + 1000), 0);
	CHECK_EQ(sim_kernel_alerts(), n_before + 100);
	CHECK(sim_kernel_drives() < n_drives + 20);
}

TEST(alerts_go_with_the_next_drive)
{
	setup(&small_queue);
	run_jobs(alert_many, NULL);
	teardown();
}

TEST(await_event_and_clock)
{
	setup(NULL);
	CHECK_EQ(hel_event_create(0, &event), 0);
	n_handles_before = sim_kernel_handles();
	run_jobs(await_event, raise_event);
	hel_close(HEL_THIS, event);
	teardown();
}

/* ---- bells ----------------------------------------------------------------------------------- */

static struct helix_bell bells[3];
static int n_looks[3];

static void look(struct helix_bell *bell)
{
	n_looks[bell - bells]++;
}

/* The next one, and itself when it is looked at again. */
static void look_and_remove(struct helix_bell *bell)
{
	look(bell);
	helix_bell_remove(n_looks[0] == 1 ? bell + 1 : bell);
}

static void wait_thrice(struct task *task)
{
	helix_bell_add(&loop, &bells[0], look_and_remove);
	helix_bell_add(&loop, &bells[1], look);
	helix_bell_add(&loop, &bells[2], look);
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(helix_await_clock(task, task_now_ns(task) + 1000), 0);
	}
}

TEST(bells_are_looked_at_after_each_wait)
{
	setup(NULL);
	run_jobs(wait_thrice, NULL);
	CHECK_EQ(n_looks[0], 2);
	CHECK_EQ(n_looks[1], 0);
	CHECK(n_looks[2] >= 3);
	for (int i = 0; i < 3; i++) {
		helix_bell_remove(&bells[i]);
	}
	teardown();
}

/* ---- timers of the loop ---------------------------------------------------------------------- */

static void sleep_until(struct task *task, uint64_t when_ns)
{
	CHECK_EQ(task_sleep_until(task, when_ns), 0);
	CHECK_EQ(task_now_ns(task), when_ns);
}

static void sleep_long(struct task *task)
{
	sleep_until(task, task_now_ns(task) + 1'000'000);
}

/* Other things come while a timer is armed, also timers before it. */
static void sleep_often(struct task *task)
{
	size_t n_before = sim_kernel_timed_waits();

	for (int i = 0; i < 50; i++) {
		CHECK_EQ(helix_await_clock(task, task_now_ns(task) + 1000), 0);
	}
	CHECK(sim_kernel_timed_waits() <= n_before + 1);
	for (int i = 0; i < 10; i++) {
		sleep_until(task, task_now_ns(task) + 500);
	}
}

TEST(timer_is_told_to_the_kernel_once)
{
	setup(NULL);
	run_jobs(sleep_long, sleep_often);
	run_jobs(sleep_often, sleep_long);
	teardown();
}

static void cancel_timer(struct task *task)
{
	uint64_t begin_ns = task_now_ns(task);
	struct scope scope;

	scope_begin(task, &scope);
	scope_set_deadline(&scope, begin_ns + 1'000'000);
	for (int i = 0; i < 5; i++) {
		CHECK_EQ(helix_await_clock(task, task_now_ns(task) + 1000), 0);
	}
	CHECK_EQ(scope_join(&scope), 0);
	sleep_until(task, begin_ns + 10'000);
	sleep_until(task, begin_ns + 2'000'000);
	sleep_until(task, begin_ns + 2'000'001);
	scope_begin(task, &scope);
	scope_set_deadline(&scope, begin_ns + 3'000'000);
	for (int i = 0; i < 5; i++) {
		CHECK_EQ(helix_await_clock(task, task_now_ns(task) + 1000), 0);
	}
	CHECK_EQ(scope_join(&scope), 0); /* and the loop ends with that */
}

TEST(timer_that_is_cancelled_changes_nothing)
{
	setup(NULL);
	run_jobs(cancel_timer, NULL);
	teardown();
	setup(NULL);
	run_jobs(sleep_long, NULL);
	teardown();
}

TEST_MAIN()

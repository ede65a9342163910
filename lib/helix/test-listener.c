/* SPDX-License-Identifier: MIT */
/* Tests of listeners and quiet messages on the small kernel of tests/. */
#include <base/errors.h>
#include <base/string.h>
#include <base/testing.h>
#include <helix/call.h>
#include <helix/listener.h>
#include <helix/tests/sim-kernel.h>

static struct helix_loop loop;
static hel_handle client_lane, server_lane;
static size_t n_handles_before;
static int n_tasks;

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
}

/* The client's lane is closed by the test. */
static void teardown(void)
{
	hel_close(HEL_THIS, server_lane);
	helix_loop_deinit(&loop);
	CHECK_EQ(sim_kernel_handles(), 0);
}

struct test_task {
	struct job job;
	void (*run)(struct task *task);
};

static int run_test_task(struct task *task, void *argument)
{
	((struct test_task *)argument)->run(task);
	n_tasks--;
	if (n_tasks == 0) {
		loop_stop(task->loop);
	}
	return 0;
}

static void run_tasks(void (*client)(struct task *task), void (*server)(struct task *task))
{
	static struct test_task tasks[2];

	n_tasks = 2;
	tasks[0].run = client;
	tasks[1].run = server;
	for (int i = 0; i < n_tasks; i++) {
		job_init(&tasks[i].job, "test", run_test_task, &tasks[i]);
		job_submit(&loop.loop, &tasks[i].job);
	}
	helix_loop_run(&loop);
	CHECK_EQ(sim_kernel_handles() + 1, n_handles_before);
}

static void send_quietly(hel_handle lane, bool closes_lane, const char *text)
{
	const struct hel_sg segments[2] = { { (uint64_t)"= ", 2 }, { (uint64_t)text, 3 } };

	CHECK(helix_send_quietly(&loop.loop, lane, closes_lane, segments, 2));
}

/* ---- conversations --------------------------------------------------------------------------- */

constexpr int N_CALLS = 200;

static void call_often(struct task *task)
{
	char request[8] = "n";

	for (int i = 0; i < N_CALLS; i++) {
		char reply[8];
		struct helix_call call = {
			.lane = client_lane,
			.request = request,
			.request_size = 3,
			.reply = reply,
			.reply_size_max = sizeof(reply),
		};

		request[1] = (char)('a' + i % 26);
		CHECK_EQ(helix_call(task, &call), 0);
		CHECK_EQ(call.reply_size, 5);
		CHECK_MEM_EQ(reply, "= n", 3);
		CHECK_EQ(reply[3], request[1]);
	}
	hel_close(HEL_THIS, client_lane);
}

static void serve_all(struct task *task)
{
	struct helix_listener listener;
	int n_served = 0;

	helix_listener_init(&listener, server_lane);
	helix_exchange_add_accept(&listener.round, true);
	helix_exchange_add_receive_inline(&listener.round, 64);
	helix_listener_start(&listener, task->loop);
	for (;;) {
		int error = helix_exchange_await(task, &listener.round);
		const void *data;
		hel_handle lane;
		size_t size;

		if (listener.is_over) {
			CHECK_EQ(error, -ERR_END_OF_LANE);
			break;
		}
		CHECK_EQ(error, 0);
		CHECK_EQ(helix_exchange_next_handle(&listener.round, &lane), 0);
		CHECK_EQ(helix_exchange_next_inline(&listener.round, &data, &size), 0);
		CHECK_EQ(size, 3);
		send_quietly(lane, true, data);
		helix_exchange_release(&listener.round);
		n_served++;
	}
	helix_exchange_release(&listener.round);
	CHECK_EQ(helix_exchange_await(task, &listener.round), -ERR_END_OF_LANE);
	CHECK_EQ(n_served, N_CALLS);
}

TEST(listener_serves_conversations)
{
	setup(NULL);
	run_tasks(call_often, serve_all);
	teardown();
}

/* ---- messages that come before anybody asks -------------------------------------------------- */

static const struct helix_loop_config small_queue = {
	.n_tasks_max = 4,
	.queue = { .n_chunks = 2, .chunk_size = 1024, .submit_size = 512 },
};

constexpr int N_MESSAGES = 100;

static void send_many(struct task *task)
{
	for (int i = 0; i < N_MESSAGES; i++) {
		char text[4] = { (char)('0' + i / 100), (char)('0' + i / 10 % 10),
			(char)('0' + i % 10) };

		send_quietly(client_lane, false, text);
	}
	CHECK_EQ(task_sleep_until(task, task_now_ns(task) + 1000), 0);
	hel_close(HEL_THIS, client_lane);
}

static void receive_many_late(struct task *task)
{
	struct helix_listener listener;
	int n_received = 0;

	helix_listener_init(&listener, server_lane);
	helix_exchange_add_receive_inline(&listener.round, 64);
	helix_listener_start(&listener, task->loop);
	CHECK_EQ(task_sleep_until(task, task_now_ns(task) + 500), 0);
	while (helix_exchange_await(task, &listener.round) == 0) {
		const void *data;
		size_t size;

		CHECK_EQ(helix_exchange_next_inline(&listener.round, &data, &size), 0);
		CHECK_EQ(size, 5);
		const char *text = data;

		CHECK_EQ((text[2] - '0') * 100 + (text[3] - '0') * 10 + text[4] - '0', n_received);
		helix_exchange_release(&listener.round);
		n_received++;
	}
	CHECK(listener.is_over);
	helix_exchange_release(&listener.round);
	CHECK_EQ(n_received, N_MESSAGES);
}

TEST(listener_keeps_the_order_of_what_waits)
{
	setup(NULL);
	run_tasks(send_many, receive_many_late);
	teardown();
	setup(&small_queue);
	run_tasks(send_many, receive_many_late);
	teardown();
}

/* ---- what goes wrong, and the end ------------------------------------------------------------ */

static void send_too_much(struct task *task)
{
	struct helix_exchange exchange;
	char large[HEL_QUIET_BYTES_MAX + 1] = {};
	const struct hel_sg segment = { (uint64_t)large, sizeof(large) };

	CHECK_EQ(task_sleep_until(task, task_now_ns(task) + 1000), 0);
	CHECK(!helix_send_quietly(&loop.loop, client_lane, false, &segment, 1));
	helix_exchange_init(&exchange, client_lane);
	helix_exchange_add_send(&exchange, large, sizeof(large));
	CHECK_EQ(helix_exchange_await(task, &exchange), -ERR_BUFFER_TOO_SMALL);
	helix_exchange_release(&exchange);
	send_quietly(HEL_NULL, false, "bad"); /* the error is nobody's */
	send_quietly(client_lane, true, "end");
}

static void receive_until_cancelled(struct task *task)
{
	struct helix_listener listener;

	helix_listener_init(&listener, server_lane);
	helix_exchange_add_receive_inline(&listener.round, 64);
	helix_listener_start(&listener, task->loop);
	CHECK_EQ(await_until(task, &listener.round.operation.op, task_now_ns(task) + 500),
		-ERR_TIMED_OUT);
	helix_exchange_release(&listener.round);
	CHECK_EQ(helix_exchange_await(task, &listener.round), -ERR_BUFFER_TOO_SMALL);
	CHECK(!listener.is_over);
	helix_exchange_release(&listener.round);
	CHECK_EQ(helix_exchange_await(task, &listener.round), 0);
	helix_exchange_release(&listener.round);
	helix_listener_cancel(&listener);
	CHECK(helix_exchange_await(task, &listener.round) != 0);
	CHECK(listener.is_over);
	helix_exchange_release(&listener.round);
	helix_listener_cancel(&listener);
}

TEST(listener_survives_errors_and_is_cancelled)
{
	setup(NULL);
	run_tasks(send_too_much, receive_until_cancelled);
	teardown();
}

static void wait_a_while(struct task *task)
{
	CHECK_EQ(task_sleep_until(task, task_now_ns(task) + 1000), 0);
	hel_close(HEL_THIS, client_lane);
}

static void cancel_while_waiting(struct task *task)
{
	struct helix_listener listener;

	for (int i = 0; i < 2; i++) {
		helix_listener_init(&listener, server_lane);
		helix_exchange_add_accept(&listener.round, true);
		helix_listener_start(&listener, task->loop);
		if (i == 1) {
			CHECK_EQ(
				await_until(task, &listener.round.operation.op, 1), -ERR_TIMED_OUT);
		}
		helix_listener_cancel(&listener);
		CHECK_EQ(helix_exchange_await(task, &listener.round), -ERR_CANCELLED);
		CHECK(listener.is_over);
		helix_exchange_release(&listener.round);
	}
}

TEST(listener_is_cancelled_while_nobody_comes)
{
	setup(NULL);
	run_tasks(wait_a_while, cancel_while_waiting);
	teardown();
}

TEST_MAIN()

/* SPDX-License-Identifier: MIT */
/* Tests of services on demand: the server is a listener on the same loop. Time is virtual. */
#include "demand.h"

#include <base/errors.h>
#include <base/testing.h>
#include <helix/tests/sim-kernel.h>
#include <protocols/svrctl/connect.h>

constexpr size_t CLIENTS = DEMAND_CLIENTS_MAX + 4;

static struct helix_loop loop;
static struct demand demand;
static struct job stop_job;
static hel_handle clients[CLIENTS]; /* their ends */
static size_t n_clients;

/* The server that the demand starts. */
static struct {
	struct connect_listener listener;
	hel_handle control;
	bool is_listening;
	bool listens;   /* from the start */
	int start_error;
	uint32_t n_starts;
	uint64_t started_ns;
	hel_handle lanes[CLIENTS]; /* that have come */
	size_t n_lanes;
} server;

void sim_kernel_deadlocked(void)
{
	test_fail(__FILE__, __LINE__, "nothing can happen any more");
}

/* ---- the server ------------------------------------------------------------------------------ */

static void server_connected(
	struct connect_listener *listener UNUSED, const char *client, hel_handle lane)
{
	CHECK_STR_EQ(client, "somebody");
	server.lanes[server.n_lanes++] = lane;
}

static void server_control_ended(struct connect_listener *listener UNUSED)
{
	server.is_listening = false;
}

static const struct connect_listener_ops server_ops = {
	.connected = server_connected,
	.ended = server_control_ended,
};

static int server_start(struct demand *started, hel_handle *out_control)
{
	struct hel_stream_lanes lanes;

	CHECK(started == &demand);
	server.n_starts++;
	server.started_ns = loop_now_ns(&loop.loop);
	if (server.start_error != 0) {
		return server.start_error;
	}
	CHECK_EQ(hel_stream_create(&lanes), 0);
	server.control = lanes.lane[1];
	server.is_listening = server.listens;
	if (server.listens) {
		connect_listen(&server.listener, &server_ops, &loop.loop, server.control);
	}
	*out_control = lanes.lane[0];
	return 0;
}

static const struct demand_ops ops = { .start = server_start };

/* It dies: all that it has is closed. */
static void server_die(struct task *task)
{
	for (size_t i = 0; i < server.n_lanes; i++) {
		hel_close(HEL_THIS, server.lanes[i]);
	}
	server.n_lanes = 0;
	hel_close(HEL_THIS, server.control);
	demand_ended(&demand);
	while (demand.n_clients > 0 || server.is_listening) {
		CHECK_EQ(task_yield(task), 0);
	}
}

/* ---- clients --------------------------------------------------------------------------------- */

static int ask(void)
{
	struct hel_stream_lanes lanes;

	CHECK_EQ(hel_stream_create(&lanes), 0);
	int error = demand_connect(&demand, "somebody", lanes.lane[0]);

	if (error == 0) {
		clients[n_clients++] = lanes.lane[1];
	} else {
		hel_close(HEL_THIS, lanes.lane[0]);
		hel_close(HEL_THIS, lanes.lane[1]);
	}
	return error;
}

/* Whether nobody is behind a client's lane any more. */
static bool is_refused(struct task *task, hel_handle lane)
{
	struct helix_exchange exchange;
	struct scope scope;
	uint8_t byte;

	helix_exchange_init(&exchange, lane);
	helix_exchange_add_receive(&exchange, &byte, 1);
	scope_begin(task, &scope);
	scope_set_deadline(&scope, task_now_ns(task) + 1000);
	int error = helix_exchange_await(task, &exchange);

	helix_exchange_release(&exchange);
	(void)!scope_join(&scope);
	return error == -ERR_END_OF_LANE;
}

static void check_refused_and_forget(struct task *task)
{
	for (size_t i = 0; i < n_clients; i++) {
		CHECK(is_refused(task, clients[i]));
		hel_close(HEL_THIS, clients[i]);
	}
	n_clients = 0;
}

static void wait_until_introduced(struct task *task, size_t n_lanes)
{
	while (server.n_lanes < n_lanes) {
		CHECK_EQ(task_sleep_until(task, task_now_ns(task) + 1'000'000), 0);
	}
}

/* ---- the frame of each case ------------------------------------------------------------------ */

static int run_case(struct task *task, void *argument)
{
	void (*run)(struct task *task) = (void (*)(struct task *))argument;

	run(task);
	for (size_t i = 0; i < n_clients; i++) {
		hel_close(HEL_THIS, clients[i]);
	}
	n_clients = 0;
	if (demand.is_running) {
		server_die(task);
	}
	job_cancel(&demand.job, -ERR_CANCELLED);
	while (demand.job.task != NULL) {
		CHECK_EQ(task_yield(task), 0);
	}
	loop_stop(task->loop);
	return 0;
}

static void with_demand(void (*run)(struct task *task))
{
	memset(&server, 0, sizeof(server));
	server.listens = true;
	CHECK_EQ(helix_loop_init(&loop, NULL), 0);
	demand_init(&demand, &ops, &loop.loop, "demand");
	job_init(&stop_job, "case", run_case, (void *)run);
	job_submit(&loop.loop, &stop_job);
	helix_loop_run(&loop);
	helix_loop_deinit(&loop);
	CHECK_EQ(sim_kernel_handles(), 0);
	CHECK_EQ(helix_memory_stats().n_blocks, 0);
}

/* ---- the cases ------------------------------------------------------------------------------- */

static void first_client_starts_it(struct task *task)
{
	uint64_t asked_ns = task_now_ns(task) + 5'000'000'000;

	CHECK_EQ(task_sleep_until(task, asked_ns), 0);
	CHECK_EQ(server.n_starts, 0);
	CHECK_EQ(ask(), 0);
	CHECK_EQ(ask(), 0);
	wait_until_introduced(task, 2);
	CHECK_EQ(server.n_starts, 1);
	CHECK(server.started_ns - asked_ns < 1'000'000);
	CHECK_EQ(ask(), 0);
	wait_until_introduced(task, 3);
	CHECK_EQ(server.n_starts, 1);
	CHECK_EQ(demand.n_clients, 0);
	CHECK(!is_refused(task, clients[0]));
}

TEST(demand_first_client_starts_the_server)
{
	with_demand(first_client_starts_it);
}

static void start_fails(struct task *task)
{
	uint64_t last_ns = 0;

	server.start_error = -ERR_NO_MEMORY;
	for (uint32_t i = 0; i < 10; i++) {
		uint64_t delay_ns = DEMAND_BACKOFF_MIN_NS << i;

		CHECK_EQ(ask(), 0);
		CHECK_EQ(ask(), 0);
		while (demand.n_clients > 0) {
			CHECK_EQ(task_sleep_until(task, task_now_ns(task) + 1'000'000), 0);
		}
		check_refused_and_forget(task);
		CHECK_EQ(server.n_starts, i + 1);
		CHECK_EQ(demand.backoff_ns,
			delay_ns < DEMAND_BACKOFF_MAX_NS ? delay_ns : DEMAND_BACKOFF_MAX_NS);
		CHECK(i == 0 || server.started_ns - last_ns >= DEMAND_BACKOFF_MIN_NS << (i - 1) ||
			server.started_ns - last_ns >= DEMAND_BACKOFF_MAX_NS);
		last_ns = server.started_ns;
	}
}

TEST(demand_refuses_when_the_server_cannot_start)
{
	with_demand(start_fails);
}

static void too_many_ask(struct task *task)
{
	server.listens = false;
	for (uint32_t i = 0; i < DEMAND_CLIENTS_MAX; i++) {
		CHECK_EQ(ask(), 0);
	}
	CHECK_EQ(ask(), -ERR_NO_SPACE);
	while (server.n_starts == 0) {
		CHECK_EQ(task_yield(task), 0);
	}
	/* It runs, and does not listen: still nobody was taken. */
	CHECK(!is_refused(task, clients[0]));
	CHECK_EQ(ask(), -ERR_NO_SPACE);
	server_die(task);
	check_refused_and_forget(task);
	CHECK_EQ(server.n_starts, 1); /* those were not tried again */
	server.listens = true;
	CHECK_EQ(ask(), 0);
	wait_until_introduced(task, 1);
	CHECK_EQ(server.n_starts, 2);
}

TEST(demand_is_bounded)
{
	with_demand(too_many_ask);
}

static void server_dies(struct task *task)
{
	CHECK_EQ(ask(), 0);
	wait_until_introduced(task, 1);
	uint64_t died_ns = task_now_ns(task);

	server_die(task);
	check_refused_and_forget(task);
	CHECK_EQ(task_sleep_until(task, died_ns + DEMAND_BACKOFF_MIN_NS / 2), 0);
	CHECK_EQ(server.n_starts, 1); /* nobody asks */
	CHECK_EQ(ask(), 0);
	wait_until_introduced(task, 1);
	CHECK(server.started_ns >= died_ns + DEMAND_BACKOFF_MIN_NS);
	/* Much later a start is at once, and a server that has run for long begins anew. */
	server_die(task);
	CHECK_EQ(demand.backoff_ns, 2 * DEMAND_BACKOFF_MIN_NS);
	check_refused_and_forget(task);
	CHECK_EQ(task_sleep_until(task, task_now_ns(task) + DEMAND_BACKOFF_MAX_NS), 0);
	uint64_t asked_ns = task_now_ns(task);

	CHECK_EQ(ask(), 0);
	wait_until_introduced(task, 1);
	CHECK(server.started_ns - asked_ns < 1'000'000);
	CHECK_EQ(task_sleep_until(task, task_now_ns(task) + DEMAND_STABLE_NS), 0);
	server_die(task);
	CHECK_EQ(demand.backoff_ns, DEMAND_BACKOFF_MIN_NS);
}

TEST(demand_starts_again_after_the_end)
{
	with_demand(server_dies);
}

static void late_end(struct task *task)
{
	demand_ended(&demand); /* late, of one that was given up */
	CHECK_EQ(ask(), 0);
	wait_until_introduced(task, 1);
	CHECK_EQ(demand.backoff_ns, 0);
}

TEST(demand_ignores_a_late_end)
{
	with_demand(late_end);
}

TEST_MAIN()

/* SPDX-License-Identifier: MIT */
/* Tests of calls over lanes: both ends on one loop, with mbus' messages. */
#include <async/sync.h>
#include <base/errors.h>
#include <base/random.h>
#include <base/testing.h>
#include <helix/tests/sim-kernel.h>
#include <protocols/mbus/mbus.gen.h>
#include <protocols/svrctl/connect.h>
#include <protocols/transport/client.h>
#include <protocols/transport/service.h>

static struct helix_loop loop;
static struct transport_service service;
static struct transport_client client;
static bool is_closed;
static int n_parked;
static uint64_t served[64];
static size_t n_served;
static struct wait_queue parked;

void sim_kernel_deadlocked(void)
{
	test_fail(__FILE__, __LINE__, "nothing can happen any more");
}

/* ---- the server ------------------------------------------------------------------------------ */

/* Needs a descriptor; says how many properties came. */
static int serve_create(struct bragi_call *call, const struct mbus_create_request *request,
	struct mbus_create_reply *out_reply)
{
	hel_handle handle = bragi_handles_take(&call->received, 0);

	if (handle == HEL_NULL) {
		return -ERR_ILLEGAL_ARGS;
	}
	hel_close(HEL_THIS, handle);
	out_reply->id = request->properties.count;
	return 0;
}

/* Waits until somebody wakes it. */
static int serve_watch(struct bragi_call *call, const struct mbus_watch_request *request,
	struct mbus_watch_reply *out_reply)
{
	n_parked++;
	int error = wait_on(call->task, &parked);

	n_parked--;
	out_reply->sequence = request->sequence + 1;
	return error;
}

/* Gives a descriptor, and keeps the order. */
static int serve_bind(struct bragi_call *call, const struct mbus_bind_request *request,
	struct mbus_bind_reply *out_reply)
{
	hel_handle token;

	(void)out_reply;
	served[n_served++ % 64] = request->id;
	if (request->id == 0) {
		return -ERR_NOT_FOUND;
	}
	CHECK_EQ(hel_token_create(&token), 0);
	CHECK(bragi_handles_add(&call->to_send, token));
	return task_yield(call->task);
}

static const struct mbus_bus_ops ops = {
	.create = serve_create,
	.watch = serve_watch,
	.bind = serve_bind,
};

static void dispatch(struct bragi_call *call)
{
	(void)!mbus_bus_dispatch(&ops, call);
}

static void closed(struct transport_service *ended)
{
	CHECK(ended == &service);
	is_closed = true;
}

/* ---- the frame of each case ------------------------------------------------------------------ */

static struct job jobs[16];
static int n_jobs;

static int run_job(struct task *task, void *argument)
{
	void (*run)(struct task *task) = (void (*)(struct task *))argument;

	run(task);
	n_jobs--;
	if (n_jobs == 0) {
		hel_close(HEL_THIS, client.lane);
	}
	return 0;
}

/* When the last job has ended, the client goes, and the service with it. */
static int stop_when_closed(struct task *task, void *argument)
{
	(void)argument;
	while (!is_closed) {
		CHECK_EQ(task_sleep_until(task, task_now_ns(task) + 1000), 0);
	}
	loop_stop(task->loop);
	return 0;
}

static void start_service(hel_handle lane)
{
	const struct transport_service_config config = {
		.loop = &loop.loop,
		.lane = lane,
		.name = "test call",
		.dispatch = dispatch,
		.closed = closed,
		.n_calls_max = 2,
		.request_size_max = 512,
		.reply_size_max = 512,
		.arena_size = 512,
	};

	is_closed = false;
	n_served = 0;
	n_parked = 0;
	wait_queue_init(&parked);
	CHECK_EQ(transport_service_start(&service, &config), 0);
}

static void run_clients(void (*run)(struct task *task), int n_clients)
{
	static struct job stop;
	struct hel_stream_lanes lanes;

	CHECK_EQ(helix_loop_init(&loop, NULL), 0);
	CHECK_EQ(hel_stream_create(&lanes), 0);
	start_service(lanes.lane[0]);
	transport_client_init(&client, lanes.lane[1], 1);
	n_jobs = n_clients;
	for (int i = 0; i < n_clients; i++) {
		job_init(&jobs[i], "client", run_job, (void *)run);
		job_submit(&loop.loop, &jobs[i]);
	}
	job_init(&stop, "stop", stop_when_closed, NULL);
	job_submit(&loop.loop, &stop);
	helix_loop_run(&loop);
	helix_loop_deinit(&loop);
	CHECK_EQ(sim_kernel_handles(), 0);
	CHECK_EQ(helix_memory_stats().n_blocks, 0);
}

/* ---- calls ----------------------------------------------------------------------------------- */

static int call_bind(struct task *task, uint64_t id, hel_handle *out_handle)
{
	struct bragi_exchange exchange;
	struct mbus_bind_request request;
	struct mbus_bind_reply reply;
	uint8_t buffer[256];

	bragi_exchange_init(&exchange, buffer, sizeof(buffer));
	mbus_bind_request_init(&request);
	request.id = id;
	int error = mbus_bus_bind(task, &client.client, &exchange, &request, &reply);

	*out_handle = bragi_handles_take(&exchange.received, 0);
	return error;
}

static int call_create(struct task *task, hel_handle handle, uint64_t *out_id)
{
	static const struct mbus_property properties[] = {
		{ .name = BRAGI_LITERAL("class"), .value = BRAGI_LITERAL("test") },
		{ .name = BRAGI_LITERAL("name"), .value = BRAGI_LITERAL("") },
	};
	struct bragi_exchange exchange;
	struct mbus_create_request request;
	struct mbus_create_reply reply;
	uint8_t buffer[512];

	bragi_exchange_init(&exchange, buffer, sizeof(buffer));
	mbus_create_request_init(&request);
	request.properties = (struct mbus_property_span){ .items = properties, .count = 2 };
	if (handle != HEL_NULL) {
		CHECK(bragi_handles_add(&exchange.to_send, handle));
	}
	int error = mbus_bus_create(task, &client.client, &exchange, &request, &reply);

	if (error == 0) {
		*out_id = reply.id;
	}
	return error;
}

static void use_handles(struct task *task)
{
	hel_handle token;
	hel_handle handle;
	uint64_t id;

	CHECK_EQ(hel_token_create(&token), 0);
	CHECK_EQ(call_create(task, token, &id), 0);
	CHECK_EQ(id, 2);
	hel_close(HEL_THIS, token);
	CHECK_EQ(call_create(task, HEL_NULL, &id), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(call_bind(task, 7, &handle), 0);
	CHECK(handle != HEL_NULL);
	hel_close(HEL_THIS, handle);
	CHECK_EQ(call_bind(task, 0, &handle), -ERR_NOT_FOUND);
	CHECK_EQ(handle, HEL_NULL);
}

TEST(transport_handles_go_both_ways)
{
	run_clients(use_handles, 1);
}

/* ---- order and limits ------------------------------------------------------------------------ */

static void bind_often(struct task *task)
{
	static uint64_t next_id;
	hel_handle handle;

	for (int i = 0; i < 6; i++) {
		uint64_t id = 1 + next_id++;

		CHECK_EQ(call_bind(task, id, &handle), 0);
		hel_close(HEL_THIS, handle);
	}
}

TEST(transport_many_callers_in_order)
{
	run_clients(bind_often, 10);
	CHECK_EQ(n_served, 60);
	for (size_t i = 0; i < 60; i++) {
		CHECK_EQ(served[i], i + 1);
	}
}

/* A call whose message is late: offered before the others, sent after them. */
static void bind_late(struct task *task)
{
	struct helix_exchange offer, rest;
	struct mbus_bind_request request;
	hel_handle conversation, token;
	uint8_t message[64] = {}, reply[64];
	size_t size;

	mbus_bind_request_init(&request);
	request.id = 1;
	helix_exchange_init(&offer, client.lane);
	helix_exchange_add_offer(&offer, true);
	CHECK_EQ(helix_exchange_await(task, &offer), 0);
	CHECK_EQ(helix_exchange_next_handle(&offer, &conversation), 0);
	helix_exchange_release(&offer);
	CHECK_EQ(task_sleep_until(task, task_now_ns(task) + 1000), 0);
	CHECK_EQ(n_served, 0);
	CHECK_EQ(mbus_bind_request_encode(&request, message, sizeof(message) - 8, &size), 0);
	helix_exchange_init(&rest, conversation);
	helix_exchange_add_send(&rest, message, size + 8); /* with a frame */
	helix_exchange_add_receive(&rest, reply, sizeof(reply));
	helix_exchange_add_pull(&rest);
	CHECK_EQ(helix_exchange_await(task, &rest), 0);
	CHECK_EQ(helix_exchange_next(&rest), 0);
	CHECK_EQ(helix_exchange_next_size(&rest, &size), 0);
	CHECK_EQ(helix_exchange_next_handle(&rest, &token), 0);
	helix_exchange_release(&rest);
	hel_close(HEL_THIS, token);
	hel_close(HEL_THIS, conversation);
}

static void bind_late_and_others(struct task *task)
{
	static bool is_other;
	hel_handle handle;

	if (!is_other) {
		is_other = true;
		bind_late(task);
	} else {
		CHECK_EQ(call_bind(task, 2, &handle), 0);
		hel_close(HEL_THIS, handle);
	}
}

TEST(transport_late_message_is_not_overtaken)
{
	run_clients(bind_late_and_others, 3);
	CHECK_EQ(n_served, 3);
	CHECK_EQ(served[0], 1);
}

/* ---- clients that go away -------------------------------------------------------------------- */

static void watch_and_give_up(struct task *task)
{
	struct bragi_exchange exchange;
	struct mbus_watch_request request;
	struct mbus_watch_reply reply;
	struct scope scope;
	uint8_t buffer[512];

	bragi_exchange_init(&exchange, buffer, sizeof(buffer));
	mbus_watch_request_init(&request);
	scope_begin(task, &scope);
	scope_set_deadline(&scope, task_now_ns(task) + 10000);
	CHECK_EQ(mbus_bus_watch(task, &client.client, &exchange, &request, &reply), -ERR_TIMED_OUT);
	CHECK_EQ(scope_join(&scope), -ERR_TIMED_OUT);
	CHECK_EQ(n_parked, 1);
	/* the lane is closed now, and that ends the call at the server */
}

TEST(transport_end_of_client_cancels_calls)
{
	run_clients(watch_and_give_up, 1);
	CHECK_EQ(n_parked, 0);
}

/* ---- nonsense -------------------------------------------------------------------------------- */

static void send_nonsense(struct task *task)
{
	struct random random;
	uint8_t message[600];

	random_init(&random, 77);
	for (int i = 0; i < 300; i++) {
		struct helix_exchange exchange;
		size_t size = random_below(&random, sizeof(message));

		for (size_t k = 0; k < size; k++) {
			message[k] =
				(uint8_t)random_below(&random, random_chance(&random, 2) ? 6 : 256);
		}
		if (size >= 8 && random_chance(&random, 2)) {
			memset(message + size - 8, 0, 8); /* a frame without descriptors */
		}
		helix_exchange_init(&exchange, client.lane);
		if (random_chance(&random, 20)) {
			helix_exchange_add_send(&exchange, message, size); /* not even an offer */
		} else {
			helix_exchange_add_offer(&exchange, false);
			helix_exchange_add_send(&exchange, message, size);
			helix_exchange_add_receive(&exchange, message, sizeof(message));
		}
		(void)helix_exchange_await(task, &exchange);
		helix_exchange_release(&exchange);
	}
	use_handles(task); /* and it still works */
}

TEST(transport_survives_nonsense)
{
	run_clients(send_nonsense, 1);
}

/* ---- connecting ------------------------------------------------------------------------------ */

static int n_connected;

static void connected(struct connect_listener *listener, const char *name, hel_handle lane)
{
	(void)listener;
	if (n_connected == 0) {
		CHECK_STR_EQ(name, "first");
	} else {
		CHECK_EQ(strlen(name), CONNECT_NAME_MAX - 1);
	}
	n_connected++;
	hel_close(HEL_THIS, lane);
}

static void ended(struct connect_listener *listener)
{
	loop_stop(listener->loop);
}

static int close_control(struct task *task, void *argument)
{
	CHECK_EQ(task_sleep_until(task, task_now_ns(task) + 1000), 0);
	hel_close(HEL_THIS, *(hel_handle *)argument);
	return 0;
}

TEST(connect_introduces_clients)
{
	static const struct connect_listener_ops listener_ops = {
		.connected = connected,
		.ended = ended,
	};
	static struct job job;
	struct connect_listener listener;
	struct hel_stream_lanes control, first, second;

	CHECK_EQ(helix_loop_init(&loop, NULL), 0);
	CHECK_EQ(hel_stream_create(&control), 0);
	CHECK_EQ(hel_stream_create(&first), 0);
	CHECK_EQ(hel_stream_create(&second), 0);
	CHECK_EQ(connect_send(&loop.loop, control.lane[0], "first", first.lane[0]), 0);
	CHECK_EQ(connect_send(&loop.loop, control.lane[0],
			 "a name that is much too long for what there is room for in a message",
			 second.lane[0]),
		0);
	connect_listen(&listener, &listener_ops, &loop.loop, control.lane[1]);
	job_init(&job, "close", close_control, &control.lane[0]);
	job_submit(&loop.loop, &job);
	helix_loop_run(&loop);
	CHECK_EQ(n_connected, 2);
	hel_close(HEL_THIS, control.lane[1]);
	hel_close(HEL_THIS, first.lane[1]);
	hel_close(HEL_THIS, second.lane[1]);
	helix_loop_deinit(&loop);
	CHECK_EQ(sim_kernel_handles(), 0);
	CHECK_EQ(helix_memory_stats().n_blocks, 0);
}

TEST_MAIN()

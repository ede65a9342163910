/* SPDX-License-Identifier: MIT */
/* Tests of drivers: the driver is a listener on the same loop. Time is virtual. */
#include "driver.h"

#include <base/errors.h>
#include <base/testing.h>
#include <helix/tests/sim-kernel.h>
#include <protocols/svrctl/connect.h>

constexpr size_t LANES_MAX = 8;

static struct helix_loop loop;
static struct driver driver;
static struct job case_job;
static hel_handle device_lanes[LANES_MAX]; /* the devices' ends, of all lives */
static size_t n_device_lanes;
static uint64_t missing_id; /* this one has vanished, which only binding shows */

/* The server that is started. */
static struct {
	struct connect_listener listeners[2]; /* by turns: one life's ends in the next one's time */
	hel_handle control;
	uint32_t n_listening;
	int start_error;
	uint64_t started_ns;
	hel_handle lanes[LANES_MAX];
	char names[LANES_MAX][CONNECT_NAME_MAX];
	size_t n_lanes; /* in this life */
} server;

void sim_kernel_deadlocked(void)
{
	test_fail(__FILE__, __LINE__, "nothing can happen any more");
}

/* ---- the server ------------------------------------------------------------------------------ */

static void server_connected(
	struct connect_listener *listener UNUSED, const char *device, hel_handle lane)
{
	snprintf(server.names[server.n_lanes], CONNECT_NAME_MAX, "%s", device);
	server.lanes[server.n_lanes++] = lane;
}

static void server_control_ended(struct connect_listener *listener UNUSED)
{
	server.n_listening--;
}

static const struct connect_listener_ops server_ops = {
	.connected = server_connected,
	.ended = server_control_ended,
};

static int server_start(struct driver *started, hel_handle *out_control)
{
	struct hel_stream_lanes lanes;

	CHECK(started == &driver);
	server.started_ns = loop_now_ns(&loop.loop);
	server.n_lanes = 0;
	if (server.start_error != 0) {
		return server.start_error;
	}
	CHECK_EQ(hel_stream_create(&lanes), 0);
	server.control = lanes.lane[1];
	CHECK(server.n_listening++ < 2);
	connect_listen(
		&server.listeners[started->n_starts % 2], &server_ops, &loop.loop, server.control);
	*out_control = lanes.lane[0];
	return 0;
}

static int device_bind(struct task *task, struct driver *bound, uint64_t id, hel_handle *out_lane)
{
	struct hel_stream_lanes lanes;

	CHECK(bound == &driver);
	CHECK_EQ(task_yield(task), 0);
	if (id == missing_id) {
		return -ERR_NOT_FOUND;
	}
	CHECK_EQ(hel_stream_create(&lanes), 0);
	CHECK(n_device_lanes < LANES_MAX);
	device_lanes[n_device_lanes++] = lanes.lane[0];
	*out_lane = lanes.lane[1];
	return 0;
}

static const struct driver_ops ops = { .start = server_start, .bind = device_bind };

static void server_die(struct task *task)
{
	for (size_t i = 0; i < server.n_lanes; i++) {
		hel_close(HEL_THIS, server.lanes[i]);
	}
	server.n_lanes = 0;
	hel_close(HEL_THIS, server.control);
	driver_ended(&driver);
	for (uint32_t n_lives = server.n_listening; server.n_listening == n_lives;) {
		CHECK_EQ(task_yield(task), 0);
	}
}

static void wait_for_lanes(struct task *task, size_t n_lanes)
{
	while (server.n_lanes < n_lanes) {
		CHECK_EQ(task_sleep_until(task, task_now_ns(task) + 100'000), 0);
	}
}

static void sleep_for(struct task *task, uint64_t duration_ns)
{
	CHECK_EQ(task_sleep_until(task, task_now_ns(task) + duration_ns), 0);
}

/* ---- the frame of each case ------------------------------------------------------------------ */

static int run_case(struct task *task, void *argument)
{
	void (*run)(struct task *task) = (void (*)(struct task *))argument;

	run(task);
	if (driver.is_running) {
		server_die(task);
	}
	job_cancel(&driver.job, -ERR_CANCELLED);
	while (driver.job.task != NULL) {
		CHECK_EQ(task_yield(task), 0);
	}
	for (size_t i = 0; i < n_device_lanes; i++) {
		hel_close(HEL_THIS, device_lanes[i]);
	}
	n_device_lanes = 0;
	loop_stop(task->loop);
	return 0;
}

static void with_driver(void (*run)(struct task *task))
{
	memset(&server, 0, sizeof(server));
	missing_id = 0;
	CHECK_EQ(helix_loop_init(&loop, NULL), 0);
	driver_init(&driver, &ops, &loop.loop, "driver");
	job_init(&case_job, "case", run_case, (void *)run);
	job_submit(&loop.loop, &case_job);
	helix_loop_run(&loop);
	helix_loop_deinit(&loop);
	CHECK_EQ(sim_kernel_handles(), 0);
	CHECK_EQ(helix_memory_stats().n_blocks, 0);
}

/* ---- the cases ------------------------------------------------------------------------------- */

static void first_device_starts_it(struct task *task)
{
	sleep_for(task, 3'000'000'000);
	CHECK_EQ(driver.n_starts, 0);
	CHECK_EQ(driver_add(&driver, 17, "pci"), 0);
	wait_for_lanes(task, 1);
	CHECK_STR_EQ(server.names[0], "pci 17");
	CHECK_EQ(driver_add(&driver, 18, "pci"), 0);
	wait_for_lanes(task, 2);
	CHECK_STR_EQ(server.names[1], "pci 18");
	CHECK_EQ(driver.n_starts, 1);
	/* devices that go do not end it */
	driver_remove(&driver, 17);
	driver_remove(&driver, 18);
	driver_remove(&driver, 18);
	sleep_for(task, 1'000'000'000);
	CHECK(driver.is_running);
	CHECK_EQ(driver.n_devices, 0);
}

TEST(driver_starts_with_its_first_device)
{
	with_driver(first_device_starts_it);
}

static void dies_and_gets_them_again(struct task *task)
{
	CHECK_EQ(driver_add(&driver, 1, "pci"), 0);
	CHECK_EQ(driver_add(&driver, 2, "pci"), 0);
	CHECK_EQ(driver_add(&driver, 3, "pci"), 0);
	wait_for_lanes(task, 3);
	sleep_for(task, DRIVER_STABLE_NS);
	uint64_t died_ns = task_now_ns(task);

	driver_remove(&driver, 2);
	server_die(task);
	wait_for_lanes(task, 2);
	CHECK(server.started_ns - died_ns < 1'000'000); /* at once */
	CHECK_STR_EQ(server.names[0], "pci 1");
	CHECK_STR_EQ(server.names[1], "pci 3");
	CHECK_EQ(driver.n_starts, 2);
}

TEST(driver_gets_its_devices_again)
{
	with_driver(dies_and_gets_them_again);
}

static void dies_at_once(struct task *task)
{
	CHECK_EQ(driver_add(&driver, 1, "pci"), 0);
	for (uint32_t i = 0; i < 4; i++) {
		wait_for_lanes(task, 1);
		uint64_t died_ns = task_now_ns(task);

		server_die(task);
		wait_for_lanes(task, 1);
		CHECK(server.started_ns >= died_ns + (DRIVER_BACKOFF_MIN_NS << i));
		CHECK_EQ(driver.backoff_ns, DRIVER_BACKOFF_MIN_NS << i);
	}
	sleep_for(task, DRIVER_STABLE_NS);
	server_die(task);
	wait_for_lanes(task, 1);
	CHECK_EQ(driver.backoff_ns, 0);
}

TEST(driver_backs_off)
{
	with_driver(dies_at_once);
}

static void cannot_be_started(struct task *task)
{
	server.start_error = -ERR_NO_MEMORY;
	CHECK_EQ(driver_add(&driver, 1, "pci"), 0);
	sleep_for(task, 60'000'000'000);
	CHECK(driver.n_starts > 10 && driver.n_starts < 20);
	CHECK_EQ(driver.backoff_ns, DRIVER_BACKOFF_MAX_NS);
	/* without devices it is not tried any more */
	driver_remove(&driver, 1);
	sleep_for(task, 20'000'000'000);
	uint32_t n_starts = driver.n_starts;

	sleep_for(task, 60'000'000'000);
	CHECK_EQ(driver.n_starts, n_starts);
	server.start_error = 0;
	CHECK_EQ(driver_add(&driver, 2, "pci"), 0);
	wait_for_lanes(task, 1);
}

TEST(driver_that_cannot_start_is_tried_again)
{
	with_driver(cannot_be_started);
}

static void device_is_missing(struct task *task)
{
	missing_id = 5;
	CHECK_EQ(driver_add(&driver, 5, "pci"), 0);
	CHECK_EQ(driver_add(&driver, 6, "pci"), 0);
	wait_for_lanes(task, 1);
	CHECK_STR_EQ(server.names[0], "pci 6");
	CHECK_EQ(driver.n_devices, 1);
}

TEST(driver_forgets_a_device_that_is_not_there)
{
	with_driver(device_is_missing);
}

static void too_many(struct task *task UNUSED)
{
	missing_id = 1;
	for (uint32_t i = 0; i < DRIVER_DEVICES_MAX; i++) {
		CHECK_EQ(driver_add(&driver, 1, "pci"), 0);
	}
	CHECK_EQ(driver_add(&driver, 1, "pci"), -ERR_NO_SPACE);
	driver_ended(&driver); /* late, of one that was given up */
}

TEST(driver_is_bounded)
{
	with_driver(too_many);
}

TEST_MAIN()

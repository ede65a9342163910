/* SPDX-License-Identifier: MIT */
/* Tests of what hw's clients may wait for. Their lanes are not there. */
#include "device.h"

#include <base/errors.h>
#include <base/testing.h>
#include <helix/tests/sim-kernel.h>
#include <protocols/transport/service.h>

static struct helix_loop loop;
static struct hw_object object;
static struct job case_job;
static struct transport_service *started; /* of the last client */
static uint32_t n_gone;

void sim_kernel_deadlocked(void)
{
	test_fail(__FILE__, __LINE__, "nothing can happen any more");
}

/* ---- what the clients' code calls ------------------------------------------------------------ */

int transport_service_start(
	struct transport_service *service, const struct transport_service_config *config)
{
	service->config = *config;
	started = service;
	return 0;
}

void transport_service_close(struct transport_service *service)
{
	service->config.closed(service);
}

void owner_client_gone(struct hw_object *left, const struct hw_client *client UNUSED)
{
	CHECK(left == &object);
	n_gone++;
}

/* ---- cases ----------------------------------------------------------------------------------- */

/* A call that asks for the removal, served by a task of its own. */
struct wait {
	struct job job;
	struct transport_service *service;
	int error; /* 1: not yet */
};

static int wait_run(struct task *task, void *argument)
{
	struct wait *wait = argument;
	const struct bragi_call call = { .server = wait->service, .task = task };

	wait->error = hw_client_await_removal(&call);
	return 0;
}

static void wait_start(struct task *task, struct wait *wait, struct transport_service *service)
{
	*wait = (struct wait){ .service = service, .error = 1 };
	job_init(&wait->job, "wait", wait_run, wait);
	job_submit(&loop.loop, &wait->job);
	CHECK_EQ(task_sleep_until(task, task_now_ns(task) + 1000), 0);
}

static struct transport_service *connect(const char *name)
{
	hw_client_start(&object, name, HEL_NULL, NULL);
	return started;
}

static void one_call_waits(struct task *task)
{
	struct transport_service *driver = connect("nvme"), *other = connect("lspci");
	struct wait first, second, third;

	wait_start(task, &first, driver);
	wait_start(task, &second, driver);
	wait_start(task, &third, other);
	CHECK_EQ(first.error, 1);
	CHECK_EQ(second.error, -ERR_BUSY); /* or no slot would be left for the lane's end */
	CHECK_EQ(third.error, 1);
	/* it may ask again when the first call is over */
	job_cancel(&first.job, -ERR_CANCELLED);
	CHECK_EQ(task_sleep_until(task, task_now_ns(task) + 1000), 0);
	CHECK_EQ(first.error, -ERR_CANCELLED);
	wait_start(task, &second, driver);
	CHECK_EQ(second.error, 1);
	object.is_leaving = true;
	wait_queue_wake(&object.departed);
	CHECK_EQ(task_sleep_until(task, task_now_ns(task) + 1000), 0);
	CHECK_EQ(second.error, 0);
	CHECK_EQ(third.error, 0);
	transport_service_close(driver);
	transport_service_close(other);
	CHECK_EQ(n_gone, 2);
	CHECK(list_is_empty(&object.clients));
}

static int run_case(struct task *task, void *argument)
{
	void (*run)(struct task *task) = (void (*)(struct task *))argument;

	run(task);
	loop_stop(task->loop);
	return 0;
}

TEST(client_waits_for_the_removal_with_one_call)
{
	CHECK_EQ(helix_loop_init(&loop, NULL), 0);
	object = (struct hw_object){ .loop = &loop, .name = "0000:00:10.0" };
	list_init(&object.clients);
	wait_queue_init(&object.departed);
	job_init(&case_job, "case", run_case, (void *)one_call_waits);
	job_submit(&loop.loop, &case_job);
	helix_loop_run(&loop);
	helix_loop_deinit(&loop);
}

TEST_MAIN()

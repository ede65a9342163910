/* SPDX-License-Identifier: MIT */
/* Tests of who drives a device. Time is virtual; the device itself is not there. */
#include "device.h"
#include "reset.h"

#include <base/errors.h>
#include <base/testing.h>
#include <helix/tests/sim-kernel.h>
#include <protocols/mbus/mbus-client.h>

constexpr uint64_t STOPPING_NS = 50'000'000;

struct hw_client {
	const char *name;
	uint64_t since_ns;
};

static struct helix_loop loop;
static struct hw_object object;
static struct job case_job;
static uint32_t n_stopped;

void sim_kernel_deadlocked(void)
{
	test_fail(__FILE__, __LINE__, "nothing can happen any more");
}

/* ---- what the owner's code calls ------------------------------------------------------------- */

const char *hw_client_name(const struct hw_client *client)
{
	return client->name;
}

uint64_t hw_client_since_ns(const struct hw_client *client)
{
	return client->since_ns;
}

int mbus_set(struct task *task, hel_handle mbus UNUSED, uint64_t id UNUSED, const char *name UNUSED,
	const char *value UNUSED)
{
	return task_yield(task);
}

void interrupts_release(struct hw_object *released, const struct hw_client *client UNUSED)
{
	CHECK(released == &object);
}

void interrupts_restore(struct hw_object *restored UNUSED)
{
}

void reset_stop(struct task *task, const struct pci_access *access UNUSED,
	const struct pci_function *function UNUSED)
{
	n_stopped++;
	CHECK_EQ(task_sleep_until(task, task_now_ns(task) + STOPPING_NS), 0);
}

bool reset_is_possible(
	const struct pci_access *access UNUSED, const struct pci_function *function UNUSED)
{
	return false;
}

int reset_function(struct task *task UNUSED, const struct pci_access *access UNUSED,
	const struct pci_function *function UNUSED)
{
	return -ERR_UNSUPPORTED;
}

/* ---- the frame of each case ------------------------------------------------------------------ */

static int run_case(struct task *task, void *argument)
{
	void (*run)(struct task *task) = (void (*)(struct task *))argument;

	run(task);
	loop_stop(task->loop);
	return 0;
}

static void with_object(void (*run)(struct task *task))
{
	CHECK_EQ(helix_loop_init(&loop, NULL), 0);
	object = (struct hw_object){ .loop = &loop, .name = "0000:00:10.0" };
	wait_queue_init(&object.departed);
	n_stopped = 0;
	owner_init(&object);
	job_init(&case_job, "case", run_case, (void *)run);
	job_submit(&loop.loop, &case_job);
	helix_loop_run(&loop);
	helix_loop_deinit(&loop);
}

static struct hw_client client_now(const struct task *task, const char *name)
{
	return (struct hw_client){ .name = name, .since_ns = task_now_ns(task) };
}

/* A claim by a task of its own: of a driver that is started before the former's end is seen. */
struct claim {
	struct job job;
	struct hw_client client;
	int error; /* 1: not yet */
	uint64_t done_ns;
};

static int claim_run(struct task *task, void *argument)
{
	struct claim *claim = argument;

	claim->error = owner_claim(task, &object, &claim->client);
	claim->done_ns = task_now_ns(task);
	return 0;
}

static void claim_start(struct task *task, struct claim *claim, const char *name)
{
	*claim = (struct claim){ .client = client_now(task, name), .error = 1 };
	job_init(&claim->job, "claim", claim_run, claim);
	job_submit(&loop.loop, &claim->job);
}

static void sleep_for(struct task *task, uint64_t duration_ns)
{
	CHECK_EQ(task_sleep_until(task, task_now_ns(task) + duration_ns), 0);
}

/* ---- cases ----------------------------------------------------------------------------------- */

static void others_are_refused(struct task *task)
{
	struct hw_client driver = client_now(task, "nvme"), other = client_now(task, "kernlet");
	uint64_t started_ns = task_now_ns(task);

	CHECK_EQ(owner_claim(task, &object, &driver), 0);
	CHECK_EQ(owner_claim(task, &object, &driver), 0);
	CHECK_EQ(owner_claim(task, &object, &other), -ERR_BUSY);
	CHECK_EQ(task_now_ns(task), started_ns);
}

TEST(owner_refuses_others_at_once)
{
	with_object(others_are_refused);
}

static void successor_waits(struct task *task)
{
	struct hw_client driver = client_now(task, "nvme");
	struct claim next;

	CHECK_EQ(owner_claim(task, &object, &driver), 0);
	claim_start(task, &next, "nvme");
	sleep_for(task, OWNER_SUCCESSION_NS / 2);
	CHECK_EQ(next.error, 1);
	owner_client_gone(&object, &driver);
	uint64_t gone_ns = task_now_ns(task);

	sleep_for(task, OWNER_SUCCESSION_NS);
	CHECK_EQ(next.error, 0);
	CHECK(object.owner == &next.client);
	CHECK_EQ(n_stopped, 1);
	CHECK_EQ(next.done_ns - gone_ns, STOPPING_NS);
}

TEST(owner_is_succeeded_when_its_end_is_seen_late)
{
	with_object(successor_waits);
}

static void namesake_is_refused(struct task *task)
{
	struct hw_client driver = client_now(task, "nvme");
	struct claim next;

	CHECK_EQ(owner_claim(task, &object, &driver), 0);
	claim_start(task, &next, "nvme");
	sleep_for(task, 2 * OWNER_SUCCESSION_NS);
	CHECK_EQ(next.error, -ERR_BUSY);
	CHECK_EQ(next.done_ns - next.client.since_ns, OWNER_SUCCESSION_NS);
	/* it has waited once */
	CHECK_EQ(owner_claim(task, &object, &next.client), -ERR_BUSY);
	CHECK_EQ(task_now_ns(task) - next.client.since_ns, 2 * OWNER_SUCCESSION_NS);
}

TEST(owner_of_the_same_name_that_lives_on_stays)
{
	with_object(namesake_is_refused);
}

static void claims_wait_for_quiet(struct task *task)
{
	struct hw_client driver = client_now(task, "nvme");
	struct claim next, third;

	CHECK_EQ(owner_claim(task, &object, &driver), 0);
	owner_client_gone(&object, &driver);
	claim_start(task, &next, "kernlet");
	claim_start(task, &third, "other");
	sleep_for(task, 2 * STOPPING_NS);
	CHECK_EQ(next.error, 0);
	CHECK_EQ(third.error, -ERR_BUSY);
}

TEST(owner_claims_wait_until_the_device_is_quiet)
{
	with_object(claims_wait_for_quiet);
}

static void taken_out(struct task *task)
{
	struct hw_client driver = client_now(task, "nvme");
	struct claim next;

	CHECK_EQ(owner_claim(task, &object, &driver), 0);
	claim_start(task, &next, "nvme");
	sleep_for(task, STOPPING_NS);
	object.is_leaving = object.is_gone = true;
	wait_queue_wake(&object.ownership.freed);
	owner_client_gone(&object, &driver);
	sleep_for(task, 2 * STOPPING_NS);
	CHECK_EQ(next.error, -ERR_NOT_FOUND);
	CHECK(!object.ownership.is_stopping);
	CHECK_EQ(n_stopped, 0); /* there is nothing to be stopped */
}

TEST(owner_of_what_is_taken_out_has_no_successor)
{
	with_object(taken_out);
}

TEST_MAIN()

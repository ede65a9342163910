/* SPDX-License-Identifier: MIT */
/*
 * A driver is killed in the middle of its work, and the next one goes on with the same devices:
 * tests/system/edu.py boots this with three `edu` devices.
 */
#include <async/sync.h>
#include <base/errors.h>
#include <base/string.h>
#include <helix/helix.h>
#include <protocols/mbus/mbus-client.h>
#include <protocols/svrctl/svrctl.gen.h>
#include <protocols/transport/client.h>
#include <tests/native/task-tests.h>

constexpr uint32_t N_DEVICES = 3;
constexpr uint32_t N_KILLS = 8;
constexpr uint64_t PATIENCE_NS = 60'000'000'000;
constexpr size_t IDS_MAX = 256;

/* What mbus says, kept by a task of its own. */
static struct {
	struct job job;
	struct wait_queue changes;
	uint64_t working[IDS_MAX]; /* objects of class=edu */
	size_t n_working;
	uint32_t n_lines, n_msi;  /* that have appeared, by interrupts */
	uint32_t n_driven; /* times that an edu device got driver=edu-driver */
	uint32_t n_left;   /* times that one lost it */
	uint32_t n_devices;
	uint64_t driven[IDS_MAX]; /* edu devices that have it now; 0: none */
} seen;

static struct transport_client svrctl;

/* The place of @id; 0: the first free one. */
static uint64_t *driven_place(uint64_t id)
{
	for (size_t i = 0; i < IDS_MAX; i++) {
		if (seen.driven[i] == id) {
			return &seen.driven[i];
		}
	}
	return NULL;
}

/* Other properties change, too. */
static void note_device(const struct mbus_object *object)
{
	const char *driver = mbus_object_property(object, "driver");
	bool is_driven = driver != NULL && str_equal(driver, "edu-driver");
	uint64_t *place = driven_place(object->id);

	seen.n_devices += object->is_known == 0;
	if (is_driven && place == NULL) {
		place = driven_place(0);
		if (place != NULL) {
			*place = object->id;
		}
		seen.n_driven++;
	} else if (!is_driven && place != NULL) {
		*place = 0;
		seen.n_left++;
	}
}

static int object_appeared(
	struct task *task UNUSED, void *context UNUSED, const struct mbus_object *object)
{
	const char *class = mbus_object_property(object, "class");
	const char *device = mbus_object_property(object, "pci-device");

	if (class != NULL && str_equal(class, "edu") && seen.n_working < IDS_MAX) {
		const char *interrupts = mbus_object_property(object, "interrupts");

		seen.working[seen.n_working++] = object->id;
		seen.n_lines += str_equal(interrupts, "line");
		seen.n_msi += str_equal(interrupts, "msi");
	} else if (device != NULL && str_equal(device, "11e8")) {
		note_device(object);
	}
	wait_queue_wake(&seen.changes);
	return 0;
}

static int object_vanished(struct task *task UNUSED, void *context UNUSED, uint64_t id)
{
	for (size_t i = 0; i < seen.n_working; i++) {
		if (seen.working[i] == id) {
			seen.working[i] = seen.working[--seen.n_working];
			break;
		}
	}
	wait_queue_wake(&seen.changes);
	return 0;
}

static int watch(struct task *task, void *argument UNUSED)
{
	static const struct mbus_watch_ops ops = {
		.appeared = object_appeared,
		.vanished = object_vanished,
	};

	return mbus_watch(task, helix_start_handle("mbus"), NULL, 0, &ops, NULL);
}

/* Wait until so many devices work. */
static bool await_working(struct task *task, size_t n_working)
{
	struct scope scope;
	int error = 0;

	scope_begin(task, &scope);
	scope_set_deadline(&scope, task_now_ns(task) + PATIENCE_NS);
	while (error == 0 && seen.n_working != n_working) {
		error = wait_on(task, &seen.changes);
	}
	(void)!scope_join(&scope);
	return seen.n_working == n_working;
}

static int kill_driver(struct task *task)
{
	struct svrctl_kill_request request;
	struct svrctl_kill_reply reply;
	struct bragi_exchange exchange;
	uint8_t buffer[256];

	bragi_exchange_init(&exchange, buffer, sizeof(buffer));
	svrctl_kill_request_init(&request);
	request.name = bragi_string_of("edu-driver");
	return svrctl_control_kill(task, &svrctl.client, &exchange, &request, &reply);
}

static void read_driver_status(struct task *task, struct svrctl_server *out_server)
{
	static uint8_t buffer[8192];
	struct svrctl_list_request request;
	struct svrctl_list_reply reply;
	struct bragi_exchange exchange;

	*out_server = (struct svrctl_server){};
	bragi_exchange_init(&exchange, buffer, sizeof(buffer));
	svrctl_list_request_init(&request);
	if (svrctl_control_list(task, &svrctl.client, &exchange, &request, &reply) != 0) {
		return;
	}
	for (uint32_t i = 0; i < reply.servers.count; i++) {
		if (str_equal(reply.servers.items[i].name.text, "edu-driver")) {
			*out_server = reply.servers.items[i];
		}
	}
}

/* ---- the cases ------------------------------------------------------------------------------- */

static void test_driver_is_started_for_its_devices(struct task *task)
{
	static const struct mbus_pair filter = { "class", "svrctl" };
	struct svrctl_server status;
	hel_handle lane;

	CHECK(mbus_find(task, helix_start_handle("mbus"), &filter, 1, &lane) == 0);
	transport_client_init(&svrctl, lane, 0);
	wait_queue_init(&seen.changes);
	job_init(&seen.job, "watch", watch, NULL);
	job_submit(task->loop, &seen.job);
	CHECK(await_working(task, N_DEVICES));
	CHECK(seen.n_lines == 2 && seen.n_msi == 1);
	read_driver_status(task, &status);
	CHECK(status.is_running != 0 && status.n_starts == 1 && status.n_devices == N_DEVICES);
}

static void test_unknown_servers_cannot_be_killed(struct task *task)
{
	struct svrctl_kill_request request;
	struct svrctl_kill_reply reply;
	struct bragi_exchange exchange;
	uint8_t buffer[256];

	bragi_exchange_init(&exchange, buffer, sizeof(buffer));
	svrctl_kill_request_init(&request);
	request.name = bragi_string_of("nobody");
	CHECK(svrctl_control_kill(task, &svrctl.client, &exchange, &request, &reply) ==
		-ERR_NOT_FOUND);
}

static void test_killed_driver_is_replaced(struct task *task)
{
	uint64_t slowest_ns = 0;

	for (uint32_t i = 0; i < N_KILLS; i++) {
		uint64_t killed_ns = task_now_ns(task);

		CHECK(kill_driver(task) == 0);
		CHECK(await_working(task, 0));
		CHECK(await_working(task, N_DEVICES));
		slowest_ns = max_u64(slowest_ns, task_now_ns(task) - killed_ns);
		/* Somewhere in its work, and some of them soon after the start. */
		CHECK(task_sleep_until(task, task_now_ns(task) + i % 4 * 150'000'000) == 0);
	}
	helix_log(HEL_LOG_INFO, "all devices worked again after at most %llu ms",
		(unsigned long long)(slowest_ns / 1'000'000));
}

static void test_mbus_says_who_drives_a_device(struct task *task)
{
	struct svrctl_server status;

	read_driver_status(task, &status);
	CHECK(status.n_starts == 1 + N_KILLS && status.n_devices == N_DEVICES);
	CHECK(seen.n_devices == N_DEVICES);
	/* of changes in quick succession a watcher may see the last one only */
	CHECK(seen.n_left >= 1 && seen.n_left <= N_DEVICES * N_KILLS);
	CHECK(seen.n_driven == seen.n_left + N_DEVICES);
}

static const struct task_test tests[] = {
	TASK_TEST(driver_is_started_for_its_devices),
	TASK_TEST(unknown_servers_cannot_be_killed),
	TASK_TEST(killed_driver_is_replaced),
	TASK_TEST(mbus_says_who_drives_a_device),
};

int main(int n_arguments UNUSED, char **arguments UNUSED)
{
	return task_tests_main(tests, ARRAY_SIZE(tests));
}

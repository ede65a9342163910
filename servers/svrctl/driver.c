/* SPDX-License-Identifier: MIT */
/* Drivers: see driver.h. */
#include "driver.h"

#include <base/errors.h>
#include <base/string.h>
#include <protocols/svrctl/connect.h>

struct driver_device {
	struct list_node node;
	uint64_t id;
	bool is_handed_over; /* to the driver that runs */
	char name[CONNECT_NAME_MAX];
};

static struct driver_device *driver_find(const struct driver *driver, uint64_t id)
{
	LIST_FOR_EACH(device, &driver->devices, struct driver_device, node) {
		if (device->id == id) {
			return device;
		}
	}
	return NULL;
}

static struct driver_device *driver_find_waiting(const struct driver *driver)
{
	LIST_FOR_EACH(device, &driver->devices, struct driver_device, node) {
		if (!device->is_handed_over) {
			return device;
		}
	}
	return NULL;
}

static void driver_drop(struct driver *driver, struct driver_device *device)
{
	list_remove(&device->node);
	helix_free(device);
	driver->n_devices--;
}

/* While this waits the device may vanish, so it is only known by its id. */
static int driver_hand_over(struct task *task, struct driver *driver, uint64_t id, const char *name)
{
	hel_handle lane;
	int error = driver->ops->bind(task, driver, id, &lane);

	if (error == -ERR_NOT_FOUND) {
		driver_remove(driver, id);
	}
	if (error != 0) {
		return task_check(task);
	}
	/* If that fails, the driver has ended: the next one gets the device. */
	(void)connect_introduce(task, driver->control, name, lane);
	hel_close(HEL_THIS, lane);
	return task_check(task);
}

/* Bring devices to the driver until it has ended; 0, or why the task is cancelled. */
static int driver_hand_over_all(struct task *task, struct driver *driver)
{
	int error = 0;

	while (error == 0 && driver->is_running) {
		struct driver_device *device = driver_find_waiting(driver);

		if (device == NULL) {
			error = wait_on(task, &driver->changes);
			continue;
		}
		char name[CONNECT_NAME_MAX];

		str_copy(name, sizeof(name), device->name);
		device->is_handed_over = true;
		error = driver_hand_over(task, driver, device->id, name);
	}
	return error;
}

static void driver_back_off(struct driver *driver, uint64_t started_ns, uint64_t ended_ns)
{
	bool is_stable = ended_ns - started_ns >= DRIVER_STABLE_NS;
	uint64_t longer_ns = max_u64(2 * driver->backoff_ns, DRIVER_BACKOFF_MIN_NS);

	driver->backoff_ns = is_stable ? 0 : min_u64(longer_ns, DRIVER_BACKOFF_MAX_NS);
	driver->not_before_ns = ended_ns + driver->backoff_ns;
}

/* One life of the driver. */
static int driver_live(struct task *task, struct driver *driver)
{
	uint64_t started_ns = task_now_ns(task);
	int error = 0;

	driver->n_starts++;
	if (driver->ops->start(driver, &driver->control) == 0) {
		driver->is_running = true;
		error = driver_hand_over_all(task, driver);
		driver->is_running = false;
		hel_close(HEL_THIS, driver->control);
	}
	LIST_FOR_EACH(device, &driver->devices, struct driver_device, node) {
		device->is_handed_over = false;
	}
	driver_back_off(driver, started_ns, task_now_ns(task));
	return error;
}

static int driver_run(struct task *task, void *argument)
{
	struct driver *driver = argument;
	int error = 0;

	while (error == 0) {
		if (list_is_empty(&driver->devices)) {
			error = wait_on(task, &driver->changes);
			continue;
		}
		error = task_sleep_until(task, driver->not_before_ns);
		if (error == 0) {
			error = driver_live(task, driver);
		}
	}
	while (!list_is_empty(&driver->devices)) {
		driver_drop(driver, LIST_FIRST(&driver->devices, struct driver_device, node));
	}
	return error;
}

void driver_init(
	struct driver *driver, const struct driver_ops *ops, struct loop *loop, const char *name)
{
	*driver = (struct driver){ .ops = ops };
	list_init(&driver->devices);
	wait_queue_init(&driver->changes);
	job_init(&driver->job, name, driver_run, driver);
	job_submit(loop, &driver->job);
}

int driver_add(struct driver *driver, uint64_t id, const char *class)
{
	if (driver->n_devices == DRIVER_DEVICES_MAX) {
		return -ERR_NO_SPACE;
	}
	struct driver_device *device = helix_calloc(1, sizeof(*device));

	if (device == NULL) {
		return -ERR_NO_MEMORY;
	}
	device->id = id;
	format_to(device->name, sizeof(device->name), "%s %llu", class, (unsigned long long)id);
	list_push_back(&driver->devices, &device->node);
	driver->n_devices++;
	wait_queue_wake(&driver->changes);
	return 0;
}

void driver_remove(struct driver *driver, uint64_t id)
{
	struct driver_device *device = driver_find(driver, id);

	if (device != NULL) {
		driver_drop(driver, device);
	}
}

/* A handing over that is under way ends with the stream, whoever else may have the other end. */
void driver_ended(struct driver *driver)
{
	if (driver->is_running) {
		driver->is_running = false;
		hel_lane_shutdown(driver->control);
		wait_queue_wake(&driver->changes);
	}
}

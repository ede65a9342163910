/* SPDX-License-Identifier: MIT */
/* virtio-console: drives every console device that hw publishes. */
#include "console.h"

#include <base/errors.h>
#include <protocols/mbus/mbus-client.h>

static struct helix_loop loop;

/* A device that is being driven. */
struct drive {
	struct console *console;
	hel_handle lane;
};

static int drive_console(struct task *task, void *argument)
{
	struct drive drive = *(struct drive *)argument;

	helix_free(argument);
	int error = console_run(task, drive.console, drive.lane);

	/* The device may still know our memory: it stays. */
	helix_log(HEL_LOG_ERROR, "device is given up: %s", error_text(error));
	return 0;
}

static int device_found(struct task *task UNUSED, void *context UNUSED, hel_handle lane)
{
	struct console *console = helix_calloc(1, sizeof(*console));
	struct drive *drive = helix_malloc(sizeof(*drive));

	if (console == NULL || drive == NULL) {
		helix_free(console);
		helix_free(drive);
		hel_close(HEL_THIS, lane);
		return 0;
	}
	console->loop = &loop;
	console->mbus = helix_start_handle("mbus");
	*drive = (struct drive){ .console = console, .lane = lane };
	job_init(&console->job, "device", drive_console, drive);
	job_submit(&loop.loop, &console->job);
	return 0;
}

static int find_devices(struct task *task, void *argument UNUSED)
{
	static const struct mbus_pair filter[] = {
		{ "pci-vendor", "1af4" },
		{ "pci-device",
			"1043" }, /* modern; 1003 is the same with the legacy interface, too */
	};
	static const struct mbus_pair transitional[] = {
		{ "pci-vendor", "1af4" },
		{ "pci-device", "1003" },
	};
	const struct mbus_pair *wanted = argument != NULL ? transitional : filter;
	int error = mbus_for_each(
		task, helix_start_handle("mbus"), wanted, ARRAY_SIZE(filter), device_found, NULL);

	helix_log(HEL_LOG_ERROR, "no more devices: %s", error_text(error));
	return 0;
}

int main(int n_arguments UNUSED, char **arguments UNUSED)
{
	static struct job jobs[2];
	int error = helix_loop_init(&loop, NULL);

	if (error != 0) {
		return error;
	}
	job_init(&jobs[0], "modern devices", find_devices, NULL);
	job_submit(&loop.loop, &jobs[0]);
	job_init(&jobs[1], "transitional devices", find_devices, &loop);
	job_submit(&loop.loop, &jobs[1]);
	helix_loop_run(&loop);
	return 0;
}

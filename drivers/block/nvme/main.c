/* SPDX-License-Identifier: MIT */
/* nvme: drives every NVMe controller that hw publishes. See nvme.h. */
#include "nvme.h"

#include <base/errors.h>
#include <base/format.h>
#include <protocols/mbus/mbus-client.h>

static struct helix_loop loop;

/* A controller that is being driven. */
struct drive {
	struct nvme *nvme;
	hel_handle lane;
};

static int drive_nvme(struct task *task, void *argument)
{
	struct drive drive = *(struct drive *)argument;

	helix_free(argument);
	int error = nvme_run(task, drive.nvme, drive.lane);

	/* The controller may still know our memory: it stays. */
	helix_log(HEL_LOG_ERROR, "%s is given up: %s", drive.nvme->name, error_text(error));
	return 0;
}

static int device_found(struct task *task UNUSED, void *context UNUSED, hel_handle lane)
{
	static uint32_t n_found;
	struct nvme *nvme = helix_calloc(1, sizeof(*nvme));
	struct drive *drive = helix_malloc(sizeof(*drive));

	if (nvme == NULL || drive == NULL) {
		helix_free(nvme);
		helix_free(drive);
		hel_close(HEL_THIS, lane);
		return 0;
	}
	nvme->loop = &loop;
	format_to(nvme->name, sizeof(nvme->name), "nvme%u", n_found++);
	*drive = (struct drive){ .nvme = nvme, .lane = lane };
	job_init(&nvme->job, "controller", drive_nvme, drive);
	job_submit(&loop.loop, &nvme->job);
	return 0;
}

static int find_devices(struct task *task, void *argument UNUSED)
{
	static const struct mbus_pair filter[] = {
		{ "pci-class", "01" },
		{ "pci-subclass", "08" },
		{ "pci-interface", "02" },
	};
	int error = mbus_for_each(
		task, helix_start_handle("mbus"), filter, ARRAY_SIZE(filter), device_found, NULL);

	helix_log(HEL_LOG_ERROR, "no more controllers: %s", error_text(error));
	return 0;
}

int main(int n_arguments UNUSED, char **arguments UNUSED)
{
	static struct job job;
	int error = helix_loop_init(&loop, NULL);

	if (error != 0) {
		return error;
	}
	job_init(&job, "controllers", find_devices, NULL);
	job_submit(&loop.loop, &job);
	helix_loop_run(&loop);
	return 0;
}

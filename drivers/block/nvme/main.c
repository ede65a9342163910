/* SPDX-License-Identifier: MIT */
/* nvme: drives the NVMe controllers that svrctl hands over. See nvme.h. */
#include "nvme.h"

#include <base/errors.h>
#include <protocols/svrctl/provide.h>

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

	if (drive.nvme->is_removed) {
		nvme_leave(task, drive.nvme);
		return 0;
	}
	/* The controller may still know our memory: it stays. */
	helix_log(HEL_LOG_ERROR, "%s is given up: %s", drive.nvme->name, error_text(error));
	return 0;
}

static void device_connected(const char *name UNUSED, hel_handle lane)
{
	struct nvme *nvme = helix_calloc(1, sizeof(*nvme));
	struct drive *drive = helix_malloc(sizeof(*drive));

	if (nvme == NULL || drive == NULL) {
		helix_free(nvme);
		helix_free(drive);
		hel_close(HEL_THIS, lane);
		return;
	}
	nvme->loop = &loop;
	*drive = (struct drive){ .nvme = nvme, .lane = lane };
	job_init(&nvme->job, "controller", drive_nvme, drive);
	job_submit(&loop.loop, &nvme->job);
}

int main(int n_arguments UNUSED, char **arguments UNUSED)
{
	return provide_run(&loop, NULL, device_connected);
}

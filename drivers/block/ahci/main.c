/* SPDX-License-Identifier: MIT */
/* ahci: drives the AHCI controllers that svrctl hands over. See ahci.h. */
#include "ahci.h"

#include <base/errors.h>
#include <protocols/svrctl/provide.h>

static struct helix_loop loop;

/* A controller that is being driven. */
struct drive {
	struct ahci *ahci;
	hel_handle lane;
};

static int drive_ahci(struct task *task, void *argument)
{
	struct drive drive = *(struct drive *)argument;

	helix_free(argument);
	int error = ahci_run(task, drive.ahci, drive.lane);

	if (drive.ahci->is_removed) {
		helix_log(HEL_LOG_INFO, "%s is taken out", drive.ahci->name);
		return 0;
	}
	/* The controller may still know our memory: it stays. */
	helix_log(HEL_LOG_ERROR, "%s is given up: %s", drive.ahci->name, error_text(error));
	return 0;
}

static void device_connected(const char *name UNUSED, hel_handle lane)
{
	struct ahci *ahci = helix_calloc(1, sizeof(*ahci));
	struct drive *drive = helix_malloc(sizeof(*drive));

	if (ahci == NULL || drive == NULL) {
		helix_free(ahci);
		helix_free(drive);
		hel_close(HEL_THIS, lane);
		return;
	}
	ahci->loop = &loop;
	*drive = (struct drive){ .ahci = ahci, .lane = lane };
	job_init(&ahci->job, "controller", drive_ahci, drive);
	job_submit(&loop.loop, &ahci->job);
}

int main(int n_arguments UNUSED, char **arguments UNUSED)
{
	return provide_run(&loop, NULL, device_connected);
}

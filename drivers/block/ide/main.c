/* SPDX-License-Identifier: MIT */
/* ide: drives the IDE controllers that svrctl hands over. See ide.h. */
#include "ide.h"

#include <base/errors.h>
#include <protocols/svrctl/provide.h>

static struct helix_loop loop;

/* A controller that is being driven. */
struct drive {
	struct ide *ide;
	hel_handle lane;
};

static int drive_ide(struct task *task, void *argument)
{
	struct drive drive = *(struct drive *)argument;

	helix_free(argument);
	int error = ide_run(task, drive.ide, drive.lane);

	/* Else its channels have tasks. Memory stays: the controller may know of it. */
	if (error != 0) {
		helix_log(HEL_LOG_ERROR, "%s is given up: %s", drive.ide->name, error_text(error));
	}
	return 0;
}

static void device_connected(const char *name UNUSED, hel_handle lane)
{
	struct ide *ide = helix_calloc(1, sizeof(*ide));
	struct drive *drive = helix_malloc(sizeof(*drive));

	if (ide == NULL || drive == NULL) {
		helix_free(ide);
		helix_free(drive);
		hel_close(HEL_THIS, lane);
		return;
	}
	ide->loop = &loop;
	*drive = (struct drive){ .ide = ide, .lane = lane };
	job_init(&ide->job, "controller", drive_ide, drive);
	job_submit(&loop.loop, &ide->job);
}

int main(int n_arguments UNUSED, char **arguments UNUSED)
{
	return provide_run(&loop, NULL, device_connected);
}

/* SPDX-License-Identifier: MIT */
/*
 * fs: file systems on block devices, for the Linux layer (protocols/fs).
 *
 * svrctl starts it for each name that a block device has, which is its argument, so that what goes
 * wrong with one disk does not concern the others. A name outlasts the driver
 * (protocols/block/block-client.h): a device of the same name is the same one, with a new driver.
 * If a disk was taken out, it is another disk, though somebody may still hold on to the former.
 */
#include "contents.h"
#include "direct.h"
#include "disk.h"
#include "session.h"

#include <base/errors.h>
#include <base/string.h>
#include <drivers/lib/blockfs/memory.h>
#include <protocols/mbus/mbus-client.h>
#include <protocols/svrctl/provide.h>

/* Those of the pager are for ever; the others serve calls, which wait until one is free. */
#define TASKS_MAX (PAGER_TASKS + DIRECT_TASKS + 8 * SESSION_CALLS_MAX)

static struct helix_loop loop;
static struct list disks = LIST_INIT(disks); /* struct disk.node */
static struct job watch;
static const char *disk_name; /* NULL: whatever there is */

void *blockfs_allocate(size_t size)
{
	return helix_calloc(1, size);
}

void blockfs_free(void *block)
{
	helix_free(block);
}

static bool is_served(const char *name)
{
	LIST_FOR_EACH(disk, &disks, struct disk, node) {
		if (!disk->is_gone && str_equal(disk->name, name)) {
			return true;
		}
	}
	return false;
}

static int block_appeared(
	struct task *task UNUSED, void *context UNUSED, const struct mbus_object *object)
{
	const char *name = mbus_object_property(object, "name");

	if (name != NULL && !is_served(name)) {
		int error = disk_create(&loop.loop, helix_start_handle("mbus"), name, &disks);

		if (error != 0) {
			helix_log(HEL_LOG_ERROR, "%s is not served: %s", name, error_text(error));
		}
	}
	return 0;
}

static const struct mbus_watch_ops block_ops = { .appeared = block_appeared };

static int watch_run(struct task *task, void *argument UNUSED)
{
	const struct mbus_pair filter[] = { { "class", "block" }, { "name", disk_name } };
	int error = mbus_watch(task, helix_start_handle("mbus"), filter,
		disk_name != NULL ? ARRAY_SIZE(filter) : 1, &block_ops, NULL);

	helix_log(HEL_LOG_WARNING, "no more disks will be found: %s", error_text(error));
	return 0;
}

/* The lane to a device by which svrctl says that it is time to look. */
static void device_connected(const char *name UNUSED, hel_handle lane)
{
	hel_close(HEL_THIS, lane);
	if (watch.run == NULL) {
		pager_start(&loop.loop);
		job_init(&watch, "watch", watch_run, NULL);
		job_submit(&loop.loop, &watch);
	}
}

int main(int n_arguments, char **arguments)
{
	const struct helix_loop_config config = { .n_tasks_max = TASKS_MAX };

	disk_name = n_arguments > 1 ? arguments[1] : NULL;
	return provide_run(&loop, &config, device_connected);
}

/* SPDX-License-Identifier: MIT */
/*
 * Loop devices: files as disks.
 *
 *	      LOOP_SET_FD, LOOP_CONFIGURE        its volume is shown
 *	FREE ---------------------------> CHANGING ---------------> BOUND
 *	  ^                                  ^                        |
 *	  |     nobody knows the disk        |   LOOP_CLR_FD, or with |
 *	  +---------- CHANGING <-------------+-- AUTOCLEAR the last --+
 *	                                         close or unmount
 *
 * A bound device is a disk on mbus whose driver is posix (loop-driver.h). The file server finds it
 * as any other disk, and its volumes become block devices: that of the whole disk has the number
 * of the loop device. So a file that is open of /dev/loopN answers the ioctls of loop devices
 * itself, and has an open file of the block device for everything else while there is one.
 *
 * Who changes a device waits until it is not CHANGING any more; so there is one at a time.
 */
#ifndef POSIX_FS_LOOP_H
#define POSIX_FS_LOOP_H

#include <abi/linux/loop.h>
#include <posix/server/file/file.h>

/** LOOP_MAJOR - of their device numbers */
#define LOOP_MAJOR 7

struct loop_driver;
struct volume;

enum loopdev_state : uint8_t { LOOP_FREE, LOOP_CHANGING, LOOP_BOUND };

struct loopdev {
	struct list_node node; /* by number */
	uint32_t number;
	enum loopdev_state state;
	struct wait_queue changed;
	uint32_t n_files; /* open files of the device */
	bool is_late; /* its volume does not come */
	bool is_clearing; /* a job is about to clear it */
	struct file *backing; /* referenced; while it is not FREE */
	struct loop_driver *driver;
	uint64_t generation; /* how often it was bound */
	uint32_t block_bytes;
	struct linux_loop_info info; /* offset, size_limit, flags, names */
	char backing_name[256]; /* as who bound it saw it */
};

/** loops_init() - make /dev/loop-control; 0 or -LINUX_ENOMEM */
int64_t loops_init(void);

/** loopdev_find() - the loop device behind a device number, NULL: it is none */
struct loopdev *loopdev_find(uint64_t rdev);

/** loopdev_open() - the open hook of nodes of loop devices */
int64_t loopdev_open(struct loopdev *loop, struct file *file);

/** loopdev_of_file() - the loop device that a file is an open one of, NULL: it is something else */
struct loopdev *loopdev_of_file(const struct file *file);

/** loopdev_released() - what was mounted from a volume is not any more, or a file was closed */
void loopdev_released(const struct volume *volume);

/* ---- binding: loop-bind.c -------------------------------------------------------------------- */

/** loopdev_bind() - make @file what is behind a FREE device; 0, REQUEST_TASK, -LINUX_E... */
int64_t loopdev_bind(struct loopdev *loop, struct process *process, struct file *file,
	const struct linux_loop_config *config);

/** loopdev_rebind() - the same file with other limits */
int64_t loopdev_rebind(
	struct loopdev *loop, const struct linux_loop_info *info, uint32_t block_bytes);

/** loopdev_unbind() - 0, REQUEST_TASK, -LINUX_ENXIO: it is not bound */
int64_t loopdev_unbind(struct loopdev *loop);

/** loopdev_check_unused() - clear it, in a job, if it is to be and nobody uses it */
void loopdev_check_unused(struct loopdev *loop);

/** loopdev_volume() - the volume that it is, NULL: it is not shown */
struct volume *loopdev_volume(const struct loopdev *loop);

#endif

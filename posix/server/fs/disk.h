/* SPDX-License-Identifier: MIT */
/*
 * File systems on disks, as Linux programs see them: what the rest of posix uses. How they work is
 * said in disk-internal.h and docs/internals/disk-files.md.
 */
#ifndef POSIX_FS_DISK_H
#define POSIX_FS_DISK_H

#include <posix/server/vfs/mount.h>

/**
 * disk_mount_create() - for the table of file system types: what is on a block device
 * @type: that the volume holds
 * @rdev: of the block device
 * @options: as mount(2) has them, but for what became flags
 * @out_super: referenced; the same one for all mounts of the device
 *
 * Return: 0; REQUEST_TASK; -LINUX_ENXIO: no such device, -LINUX_EINVAL: an unknown option, or the
 * volume holds something else; -LINUX_EBUSY: it is mounted as another type, or is not read-only
 * there and is to be here (or the other way round), or it is open to be written; -LINUX_EROFS,
 * -LINUX_EUCLEAN, -LINUX_EIO, -LINUX_ENOMEM.
 */
int64_t disk_mount_create(const char *type, uint64_t rdev, const char *options, bool is_read_only,
	struct super **out_super);

/** disk_sync_all() - all that was written to any disk's file system is there; 0 or REQUEST_TASK */
int64_t disk_sync_all(void);

#endif

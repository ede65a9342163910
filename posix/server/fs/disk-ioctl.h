/* SPDX-License-Identifier: MIT */
/* ioctls of files and directories on disks. */
#ifndef POSIX_FS_DISK_IOCTL_H
#define POSIX_FS_DISK_IOCTL_H

#include <abi/linux/fs.h>
#include <posix/server/fs/disk-internal.h>

/**
 * disk_ioctl() - flags of files, and where their bytes are
 * @buffer, @size: as file_ops.ioctl
 *
 * Return: as that; -LINUX_ENOTTY: another one's.
 */
int64_t disk_ioctl(
	struct file *file, struct request *request, uint32_t command, void *buffer, size_t size);

#endif

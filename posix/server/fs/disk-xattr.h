/* SPDX-License-Identifier: MIT */
/*
 * Extended attributes of files on disks. They are all read when an inode is found, so that access
 * control lists are there for whoever checks, and are written through.
 */
#ifndef POSIX_FS_DISK_XATTR_H
#define POSIX_FS_DISK_XATTR_H

#include <posix/server/fs/disk-internal.h>

/**
 * disk_xattrs_load() - make the inode's list what the disk has, unless that was done before
 * @are_there: false: the server has said that there are none
 *
 * Return: 0, REQUEST_TASK, -LINUX_EUCLEAN: a list that cannot be; -LINUX_ENOMEM, -LINUX_EIO.
 */
int64_t disk_xattrs_load(struct disk_inode *node, bool are_there);

/** disk_store_xattr() - the super's hook */
int64_t disk_store_xattr(
	struct inode *inode, const char *name, const void *value, size_t size, uint32_t flags);

#endif

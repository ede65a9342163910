/* SPDX-License-Identifier: MIT */
/*
 * Shares: file systems that a host lends, which have a tag instead of a device number. A server
 * (servers/ninep) publishes them on mbus, and `mount -t 9p TAG` mounts them; from then on they are
 * like file systems on disks (disk-internal.h), but that others change them, too (share-file.c).
 */
#ifndef POSIX_FS_SHARE_H
#define POSIX_FS_SHARE_H

#include <abi/hel/types.h>
#include <posix/server/vfs/mount.h>

/** share_add() - there is a share; @lane speaks `volume`, taken on success; false: no memory */
bool share_add(const char *tag, uint64_t object, hel_handle lane);

/** share_vanished() - the object of that number is gone, which perhaps was a share */
void share_vanished(uint64_t object);

/**
 * share_mount_create() - for the table of file system types
 * @source: the tag
 *
 * Return: 0; REQUEST_TASK; -LINUX_ENOENT: there is no such share; -LINUX_EINVAL: options;
 * -LINUX_EIO, -LINUX_ENOMEM.
 */
int64_t share_mount_create(const char *source, const char *options, struct super **out_super);

#endif

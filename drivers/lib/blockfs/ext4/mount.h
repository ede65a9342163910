/* SPDX-License-Identifier: MIT */
/* Mounting and unmounting; the whole file system. */
#ifndef BLOCKFS_EXT4_MOUNT_H
#define BLOCKFS_EXT4_MOUNT_H

#include <drivers/lib/blockfs/ext4/ext4.h>

/* The table for struct blockfs, in ops.c. */
extern const struct blockfs_ops ext4_ops;

/** ext4_sync() - blockfs_ops.sync */
int ext4_sync(struct task *task, struct blockfs *fs);

/** ext4_tick() - blockfs_ops.tick */
int ext4_tick(struct task *task, struct blockfs *fs);

/** ext4_remount() - blockfs_ops.remount */
int ext4_remount(struct task *task, struct blockfs *fs, bool is_read_only);

/** ext4_unmount() - blockfs_ops.unmount */
int ext4_unmount(struct task *task, struct blockfs *fs);

#endif

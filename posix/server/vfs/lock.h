/* SPDX-License-Identifier: MIT */
/*
 * Who changes names holds their directory, so that what a handler has found there is still so when
 * the file system's hook acts, and when the dentries follow it.
 *
 * Only on file systems whose hooks may wait (SUPER_WAITS): elsewhere what lies between two waits is
 * atomic, and these functions do nothing. The order is: the file system (renames between two of its
 * directories), then directories, those of a rename by address. Nobody holds one of these and waits
 * for what is not the file server's answer.
 */
#ifndef POSIX_VFS_LOCK_H
#define POSIX_VFS_LOCK_H

#include <posix/server/vfs/inode.h>

struct vfs_lock {
	const void *what; /* an inode or a super; NULL: it is not held */
	struct list_node node;
};

/**
 * vfs_lock_directory() - be the only one who changes names in @directory
 * @lock: caller's, where it stays until vfs_unlock(), which must follow after success
 *
 * Return: 0; REQUEST_TASK: somebody else is, and there is no task to wait in.
 */
int64_t vfs_lock_directory(struct vfs_lock *lock, const struct inode *directory);

/** vfs_lock_renames() - be the only one who moves between directories of @super; likewise */
int64_t vfs_lock_renames(struct vfs_lock *lock, const struct super *super);

/** vfs_unlock() - let the next one; harmless if it is not held */
void vfs_unlock(struct vfs_lock *lock);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Namespaces as files: what /proc/PID/ns leads to, and what setns() is given.
 *
 * There is one namespace of each kind but for mounts, of which a process can have a tree of its own
 * (vfs/unshare.c). An inode tells which it is by its number, as on Linux; an inode of a tree of
 * mounts keeps it, as a process would that sees it.
 */
#ifndef POSIX_FS_NSFS_H
#define POSIX_FS_NSFS_H

#include <posix/server/process/process.h>
#include <posix/server/vfs/vfs.h>

/**
 * nsfs_path() - the namespace of @process that has the name of a file of /proc/PID/ns
 * @out_path: referenced; its name is "mnt:[4026531841]" and the like
 *
 * Return: 0, -LINUX_ENOENT: no such kind, -LINUX_ENOMEM.
 */
int64_t nsfs_path(const struct process *process, const char *name, struct path *out_path);

/** nsfs_is_namespace() - whether @inode is a namespace's */
bool nsfs_is_namespace(const struct inode *inode);
/** nsfs_tree_of() - the tree of mounts that @inode stands for, else NULL */
const struct mount_tree *nsfs_tree_of(const struct inode *inode);

#endif

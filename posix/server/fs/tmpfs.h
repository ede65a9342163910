/* SPDX-License-Identifier: MIT */
/*
 * tmpfs: files in memory, and the base of the other file systems that live there (devtmpfs, devpts,
 * sysfs).
 *
 * Names are the dentry cache's; a dentry with an inode is pinned. The contents of files are struct
 * contents.
 */
#ifndef POSIX_FS_TMPFS_H
#define POSIX_FS_TMPFS_H

#include <posix/server/fs/contents.h>
#include <posix/server/vfs/mount.h>

struct tmpfs_options {
	const char *type; /* static */
	uint64_t size_max_bytes, n_files_max;
	uint32_t mode, uid, gid; /* of the root directory */
};

/** tmpfs_default_options() - half of the memory, a root directory that everybody may write to */
struct tmpfs_options tmpfs_default_options(void);

/** tmpfs_create() - an empty file system with one reference */
int64_t tmpfs_create(const struct tmpfs_options *options, struct super **out_super);

/** tmpfs_mount_create() - for the table of file system types: parses mount options */
int64_t tmpfs_mount_create(const char *source, const char *options, struct super **out_super);

/**
 * tmpfs_make() - the system makes a node itself, without permission checks
 * @name: one component
 * @target: of a symbolic link
 * @out_dentry: referenced; may be NULL
 *
 * Return: 0, -LINUX_EEXIST (@out_dentry is what is there), -LINUX_ENOMEM.
 */
int64_t tmpfs_make(struct dentry *parent, const char *name, const struct node_spec *spec,
	const char *target, struct dentry **out_dentry);

/** tmpfs_make_path() - tmpfs_make() at a path below @root, making directories (0755) on the way */
int64_t tmpfs_make_path(struct dentry *root, const char *name, const struct node_spec *spec,
	const char *target, struct dentry **out_dentry);

/**
 * tmpfs_find_path() - what is at a path below @root, links not followed
 * @out_dentry: referenced
 *
 * Return: 0, -LINUX_ENOENT, -LINUX_ENOMEM.
 */
int64_t tmpfs_find_path(struct dentry *root, const char *name, struct dentry **out_dentry);

/** tmpfs_make_link() - give a file of this file system a further name */
int64_t tmpfs_make_link(struct dentry *parent, const char *name, struct inode *inode);

/** tmpfs_remove() - the system takes a name away; harmless if it is not there */
void tmpfs_remove(struct dentry *parent, const char *name);

/** tmpfs_remove_path() - the same for a path, with all that is below it */
void tmpfs_remove_path(struct dentry *root, const char *name);

/** tmpfs_write() - append-less write of the system's own (unpacking) */
int64_t tmpfs_write(struct inode *inode, const void *data, size_t size, uint64_t offset);

/** TMPFS_SHOWN_MIN - smaller contents are better copied: they are on the heap */
#define TMPFS_SHOWN_MIN CONTENTS_SHOWN_MIN

/**
 * tmpfs_show() - give an empty file contents that are already in some memory, without a copy
 * @memory, @offset, @size: see contents_show()
 *
 * Return: 0, -LINUX_ENOSPC.
 */
int64_t tmpfs_show(struct inode *inode, hel_handle memory, uint64_t offset, uint64_t size);

/** tmpfs_anonymous_inode() - a file without a name (memfd), with one reference */
int64_t tmpfs_anonymous_inode(
	struct super *super, const struct node_spec *spec, struct inode **out_inode);

/** tmpfs_seals() - where the F_SEAL_ bits of a file are; NULL if it is not a file of tmpfs */
uint32_t *tmpfs_seals(struct inode *inode);

/** tmpfs_is_mapped_writable() - of such a file: whether a program maps it and may write */
bool tmpfs_is_mapped_writable(struct inode *inode);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Extended attributes: names with values that hang on an inode.
 *
 * File systems that keep them (SUPER_XATTRS) leave it to this list, which the inode owns, and are
 * asked for the memory by their `charge` hook; those of disks, which fill it when they find the
 * inode, also to store what changes (`store_xattr`, which may need a task). Who may see and change
 * which attribute is the business of the calls (xattr-calls.c); here everything goes.
 *
 * The names of one inode fit into one answer of listxattr(): more are -LINUX_ENOSPC. So the list is
 * short, and is searched from its start.
 */
#ifndef POSIX_VFS_XATTR_H
#define POSIX_VFS_XATTR_H

#include <posix/server/vfs/inode.h>

/** XATTR_NAME_MAX - the longest name, without terminator */
#define XATTR_NAME_MAX 255
/** XATTR_SIZE_MAX - the largest value, and the most that listxattr() answers */
#define XATTR_SIZE_MAX 65536

/**
 * xattr_get() - the value of an attribute
 * @out_value: borrowed until the next change
 *
 * Return: its size; -LINUX_ENODATA.
 */
int64_t xattr_get(const struct inode *inode, const char *name, const void **out_value);

/** xattr_get_to_change() - the same, to be changed in place */
int64_t xattr_get_to_change(const struct inode *inode, const char *name, void **out_value);

/**
 * xattr_set() - make or replace an attribute
 * @flags: enum linux_xattr_flags
 *
 * Return: 0; -LINUX_EEXIST, -LINUX_ENODATA (as @flags ask), -LINUX_ENOSPC, -LINUX_ENOMEM.
 */
int64_t xattr_set(
	struct inode *inode, const char *name, const void *value, size_t size, uint32_t flags);

/** xattr_learn() - the disk has that attribute */
int64_t xattr_learn(struct inode *inode, const char *name, const void *value, size_t size);

/** xattr_changed() - a value was changed in place: keep that */
int64_t xattr_changed(struct inode *inode, const char *name);

/** xattr_remove() - 0 or -LINUX_ENODATA */
int64_t xattr_remove(struct inode *inode, const char *name);

/**
 * xattr_list() - the names, each terminated, access control lists first, then the newest first
 * @has_trusted: also those that only the superuser sees
 * @buffer: NULL to learn the size
 *
 * Return: bytes; -LINUX_ERANGE if they are more than @size.
 */
int64_t xattr_list(const struct inode *inode, bool has_trusted, char *buffer, size_t size);

/** xattr_free_all() - the inode goes */
void xattr_free_all(struct inode *inode);

/** xattr_remove_capability() - what was written to is no longer the program that was trusted */
void xattr_remove_capability(struct inode *inode);

#endif

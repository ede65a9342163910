/* SPDX-License-Identifier: MIT */
/* sysfs: folders and read-only texts, as far as there is something to say. */
#ifndef POSIX_FS_SYSFS_H
#define POSIX_FS_SYSFS_H

#include <base/types.h>

struct dentry;
struct super;

int64_t sysfs_init(void);
int64_t sysfs_mount_create(const char *source, const char *options, struct super **out_super);

/** sysfs_make_file() - a file that the system writes, or writes anew, making folders on the way */
int64_t sysfs_make_file(const char *path, const void *data, size_t size, uint32_t mode);

/** sysfs_make_link() - a symbolic link, making folders on the way; @target: as it is read */
int64_t sysfs_make_link(const char *path, const char *target);

/** sysfs_remove() - take a file or link away; harmless if it is not there */
void sysfs_remove(const char *path);

/** sysfs_make_text() - a file with a constant text, making folders on the way */
int64_t sysfs_make_text(const char *path, const char *text);
int64_t sysfs_make_folder(const char *path);

/**
 * sysfs_make_node() - the node of memory, below the root of sysfs, with all processors
 * @list, @mask: of the processors, as sysfs writes them
 */
int64_t sysfs_make_node(struct dentry *root, uint32_t n_cpus, const char *list, const char *mask);

#endif

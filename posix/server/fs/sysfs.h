/* SPDX-License-Identifier: MIT */
/* sysfs: folders and read-only texts, as far as there is something to say. */
#ifndef POSIX_FS_SYSFS_H
#define POSIX_FS_SYSFS_H

#include <base/types.h>

struct dentry;
struct inode;
struct super;

int64_t sysfs_init(void);
int64_t sysfs_mount_create(const char *source, const char *options, struct super **out_super);

/** sysfs_make_file() - a file that the system writes, or writes anew, making folders on the way */
int64_t sysfs_make_file(const char *path, const void *data, size_t size, uint32_t mode);

/** sysfs_make_link() - a symbolic link, making folders on the way; @target: as it is read */
int64_t sysfs_make_link(const char *path, const char *target);

/** sysfs_link() - a link from @path to @target, which is below sysfs, too; made relative */
int64_t sysfs_link(const char *path, const char *target);

/** sysfs_print_fn - write a text, at most @size bytes; its size, or -LINUX_E... */
typedef int64_t (*sysfs_print_fn)(uint64_t key, char *buffer, size_t size);

/**
 * sysfs_make_live() - a file whose text is made anew for each read, making folders on the way
 * @print: gives at most SYSFS_LIVE_TEXT_MAX bytes, whenever somebody who has the file open reads
 * @key: for @print; what it names may be gone
 */
int64_t sysfs_make_live(const char *path, sysfs_print_fn print, uint64_t key);

/** SYSFS_LIVE_TEXT_MAX - of files that are made anew */
#define SYSFS_LIVE_TEXT_MAX 2048

/** sysfs_live_init() - make an empty file of tmpfs such a file; 0 or -LINUX_ENOMEM */
int64_t sysfs_live_init(struct inode *inode, sysfs_print_fn print, uint64_t key);

/** sysfs_remove() - take a name away, with all that is below it; harmless if it is not there */
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

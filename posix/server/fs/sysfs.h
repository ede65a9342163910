/* SPDX-License-Identifier: MIT */
/* sysfs: folders and read-only texts, as far as there is something to say. */
#ifndef POSIX_FS_SYSFS_H
#define POSIX_FS_SYSFS_H

#include <base/types.h>

struct super;

int64_t sysfs_init(void);
int64_t sysfs_mount_create(const char *source, const char *options, struct super **out_super);

/** sysfs_make_text() - a file with a constant text, making folders on the way */
int64_t sysfs_make_text(const char *path, const char *text);
int64_t sysfs_make_folder(const char *path);

#endif

/* SPDX-License-Identifier: MIT */
/* From cpio archives to files. */
#ifndef POSIX_FS_UNPACK_H
#define POSIX_FS_UNPACK_H

#include <base/types.h>

struct dentry;

/**
 * unpack_archives() - make the files of the archives in memory below a directory of tmpfs
 * @archive: may contain anything; what is no archive ends the unpacking
 *
 * Return: 0, -LINUX_ENOMEM, -LINUX_ENOSPC.
 */
int64_t unpack_archives(struct dentry *root, const void *archive, size_t size);

#endif

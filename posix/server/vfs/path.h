/* SPDX-License-Identifier: MIT */
/* Questions about places in the tree. */
#ifndef POSIX_VFS_PATH_H
#define POSIX_VFS_PATH_H

#include <posix/server/vfs/vfs.h>

/** path_is_deleted() - whether the name has been removed since it was walked to */
bool path_is_deleted(const struct path *path);

#endif

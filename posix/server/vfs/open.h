/* SPDX-License-Identifier: MIT */
/* open(2), for requests and for the system itself. */
#ifndef POSIX_VFS_OPEN_H
#define POSIX_VFS_OPEN_H

#include <posix/server/vfs/inode.h>

/**
 * open_path() - open what is at @path, as /proc and ptys do: no walk, no creation, but all
 * permissions
 */
int64_t open_path(
	struct process *process, const struct path *path, uint32_t flags, struct file **out_file);

#endif

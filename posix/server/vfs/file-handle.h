/* SPDX-License-Identifier: MIT */
/*
 * File handles: names of files that need no path, name_to_handle_at() and open_by_handle_at().
 *
 * A handle says which file system and which inode. A dentry for which one was given out is in a
 * table as long as it has its name in the tree; the handle means nothing afterwards (ESTALE), and
 * numbers of inodes are not used again. So who asks for no handles pays for none. Handles of disks
 * last longer: the file system finds the file by its number and generation (`find` of the super).
 */
#ifndef POSIX_VFS_FILE_HANDLE_H
#define POSIX_VFS_FILE_HANDLE_H

#include <posix/server/vfs/dentry.h>

/** file_handle_forget() - a dentry with `has_handle` is about to lose its name */
void file_handle_forget(struct dentry *dentry);

#endif

/* SPDX-License-Identifier: MIT */
/* What the handlers of calls on names share. */
#ifndef POSIX_VFS_CALL_H
#define POSIX_VFS_CALL_H

#include <abi/linux/errno.h>
#include <abi/linux/fcntl.h>
#include <posix/server/file/access.h>
#include <posix/server/file/handlers.h>
#include <posix/server/file/inotify.h>
#include <posix/server/process/process.h>
#include <posix/server/vfs/lock.h>
#include <posix/server/vfs/walk.h>

/**
 * call_lookup() - walk to an existing place; flags: LINUX_AT_SYMLINK_NOFOLLOW and _EMPTY_PATH are
 * honoured
 */
static inline int64_t call_lookup(struct request *request, uint64_t dirfd, const char *name,
	uint32_t at_flags, struct path *out_path)
{
	uint32_t flags = (at_flags & LINUX_AT_SYMLINK_NOFOLLOW) ? 0 : VFS_FOLLOW;

	if (at_flags & LINUX_AT_EMPTY_PATH) {
		flags |= VFS_EMPTY_PATH;
	}
	return vfs_lookup(request->process, (int)(uint32_t)dirfd, name, flags, out_path);
}

/* ---- changes of names, with all checks (names.c, rename.c) --------------------------------- */

/** name_may_create() - whether a name may be made in the directory @at */
int64_t name_may_create(const struct credentials *credentials, const struct path *at);

/** name_may_delete() - whether the positive @dentry may be taken out of the directory @at */
int64_t name_may_delete(
	const struct credentials *credentials, const struct path *at, const struct dentry *dentry);

/** name_remove() - with that check, take the name of a file, no folder, out of the directory @at */
int64_t name_remove(
	const struct credentials *credentials, const struct path *at, struct dentry *dentry);

/**
 * name_make_socket() - bind() to a path: make an inode of the type S_IFSOCK
 * @mode: permissions, before the umask
 * @out_path: referenced
 */
int64_t name_make_socket(
	struct request *request, const char *text, uint32_t mode, struct path *out_path);

/** node_create() - the create hook, and the access control lists that the directory hands down */
int64_t node_create(struct inode *directory, struct dentry *dentry, const struct node_spec *spec,
	const char *target);
/** name_spec() - mode, owner and group of a new inode: umask and set-group-id directories */
struct node_spec name_spec(
	const struct process *process, const struct inode *directory, uint32_t mode, uint64_t rdev);

#endif

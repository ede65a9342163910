/* SPDX-License-Identifier: MIT */
/* Making and removing names: mkdir, mknod, symlink, link, unlink, rmdir. */
#include <base/string.h>
#include <posix/server/vfs/acl.h>
#include <posix/server/vfs/call.h>

/* tmpfs has no limit of its own: its inodes are limited, and each name counts as one. */
constexpr uint32_t LINKS_MAX = UINT32_MAX;

int64_t name_may_create(const struct credentials *credentials, const struct path *at)
{
	struct inode *directory = at->dentry->inode;

	if (directory->nlink == 0) {
		return -LINUX_ENOENT; /* removed */
	}
	int64_t error = mount_may_write(at);

	return error < 0 ? error
			 : inode_permission(credentials, directory, ACCESS_WRITE | ACCESS_EXECUTE);
}

int64_t name_may_delete(
	const struct credentials *credentials, const struct path *at, const struct dentry *dentry)
{
	struct inode *directory = at->dentry->inode;
	const struct inode *inode = dentry->inode;
	int64_t error = mount_may_write(at);

	if (error == 0) {
		error = inode_permission(credentials, directory, ACCESS_WRITE | ACCESS_EXECUTE);
	}
	if (error < 0) {
		return error;
	}
	if ((directory->mode & LINUX_S_ISVTX) && credentials->fsuid != inode->uid &&
		credentials->fsuid != directory->uid &&
		!credentials_has(credentials, LINUX_CAP_FOWNER)) {
		return -LINUX_EPERM;
	}
	return 0;
}

struct node_spec name_spec(
	const struct process *process, const struct inode *directory, uint32_t mode, uint64_t rdev)
{
	struct node_spec spec = {
		.mode = mode,
		.uid = process->credentials.fsuid,
		.gid = process->credentials.fsgid,
		.rdev = rdev,
	};

	if (!linux_is_type(mode, LINUX_S_IFLNK)) {
		spec.mode = acl_mode_in(directory, mode, process->fs->umask);
	}
	if (directory->mode & LINUX_S_ISGID) {
		spec.gid = directory->gid;
		if (linux_is_type(mode, LINUX_S_IFDIR)) {
			spec.mode |= LINUX_S_ISGID;
		} else if ((mode & (LINUX_S_ISGID | LINUX_S_IXGRP)) ==
				(LINUX_S_ISGID | LINUX_S_IXGRP) &&
			!credentials_is_in_group(&process->credentials, spec.gid) &&
			!credentials_has(&process->credentials, LINUX_CAP_FSETID)) {
			spec.mode &= ~LINUX_S_ISGID;
		}
	}
	return spec;
}

int64_t node_create(struct inode *directory, struct dentry *dentry, const struct node_spec *spec,
	const char *target)
{
	int64_t error = directory->ops->create(directory, dentry, spec, target);

	if (error < 0 || directory->xattrs == NULL) {
		return error;
	}
	error = acl_inherit(directory, dentry->inode, spec->mode);
	if (error < 0) {
		(void)directory->ops->unlink(directory, dentry);
		dentry_drop(dentry);
	}
	return error;
}

/* ---- making -------------------------------------------------------------------------------- */

/*
 * A name that is to be made: the walk stands in its directory, which is locked; the dentry is
 * negative.
 */
struct new_name {
	struct walk walk;
	struct dentry *dentry;
	struct vfs_lock lock;
};

static void new_name_end(struct new_name *name)
{
	dentry_unref(name->dentry);
	vfs_unlock(&name->lock);
	walk_end(&name->walk);
}

static int64_t new_name_find(struct new_name *name, bool is_directory)
{
	int64_t error = walk_to_parent(&name->walk);

	if (error < 0) {
		return error;
	}
	if (name->walk.last_kind != WALK_LAST_NAME) {
		return -LINUX_EEXIST;
	}
	error = vfs_lock_directory(&name->lock, name->walk.at.dentry->inode);
	if (error == 0) {
		error = walk_find_last(&name->walk, true, &name->dentry);
	}
	if (error < 0) {
		return error;
	}
	if (name->dentry->inode != NULL) {
		return -LINUX_EEXIST;
	}
	if (name->walk.has_trailing_slash && !is_directory) {
		return -LINUX_ENOENT;
	}
	return name_may_create(name->walk.credentials, &name->walk.at);
}

/* new_name_end() must follow after success. */
static int64_t new_name_begin(struct new_name *name, struct request *request, uint64_t dirfd,
	const char *text, bool is_directory)
{
	struct process *process = request->process;

	name->dentry = NULL;
	name->lock.what = NULL;
	int64_t error =
		walk_begin(&name->walk, process, &process->credentials, (int)(uint32_t)dirfd, text);

	if (error < 0) {
		return error;
	}
	error = new_name_find(name, is_directory);
	if (error < 0) {
		new_name_end(name);
	}
	return error;
}

static int64_t new_name_create(struct new_name *name, struct process *process, uint32_t mode,
	uint64_t rdev, const char *target)
{
	struct inode *directory = name->walk.at.dentry->inode;
	struct node_spec spec = name_spec(process, directory, mode, rdev);

	int64_t error = node_create(directory, name->dentry, &spec, target);

	if (error == 0) {
		notify_child(name->dentry, LINUX_IN_CREATE);
	}
	return error;
}

int64_t posix_mkdirat(struct request *request)
{
	struct new_name name;
	uint32_t mode = (uint32_t)request->args[2] & (0777 | LINUX_S_ISVTX);
	int64_t error =
		new_name_begin(&name, request, request->args[0], request_path(request, 1), true);

	if (error < 0) {
		return error;
	}
	if (name.walk.at.dentry->inode->nlink >= LINKS_MAX) {
		error = -LINUX_EMLINK;
	} else {
		error = new_name_create(&name, request->process, LINUX_S_IFDIR | mode, 0, NULL);
	}
	new_name_end(&name);
	return error;
}

int64_t posix_mknodat(struct request *request)
{
	struct new_name name;
	uint32_t mode = (uint32_t)request->args[2];
	uint64_t rdev = 0;

	switch (mode & LINUX_S_IFMT) {
	case 0: mode |= LINUX_S_IFREG; break;
	case LINUX_S_IFREG:
	case LINUX_S_IFIFO:
	case LINUX_S_IFSOCK: break;
	case LINUX_S_IFCHR:
		if ((uint32_t)request->args[3] == 0) {
			break; /* a whiteout is no device */
		}
		[[fallthrough]];
	case LINUX_S_IFBLK:
		if (!credentials_has(&request->process->credentials, LINUX_CAP_MKNOD)) {
			return -LINUX_EPERM;
		}
		rdev = (uint32_t)request->args[3];
		break;
	case LINUX_S_IFDIR: return -LINUX_EPERM;
	default: return -LINUX_EINVAL;
	}
	int64_t error =
		new_name_begin(&name, request, request->args[0], request_path(request, 1), false);

	if (error < 0) {
		return error;
	}
	error = new_name_create(&name, request->process, mode & (LINUX_S_IFMT | 07777), rdev, NULL);
	new_name_end(&name);
	return error;
}

int64_t name_make_socket(
	struct request *request, const char *text, uint32_t mode, struct path *out_path)
{
	struct new_name name;
	int64_t error = new_name_begin(&name, request, (uint32_t)LINUX_AT_FDCWD, text, false);

	if (error < 0) {
		return error;
	}
	error = new_name_create(&name, request->process, LINUX_S_IFSOCK | mode, 0, NULL);
	if (error == 0) {
		*out_path = (struct path){ name.walk.at.mount, name.dentry };
		path_ref(out_path);
	}
	new_name_end(&name);
	return error;
}

int64_t posix_symlinkat(struct request *request)
{
	struct new_name name;
	const char *target = request_path(request, 0);

	if (target[0] == '\0') {
		return -LINUX_ENOENT;
	}
	int64_t error =
		new_name_begin(&name, request, request->args[1], request_path(request, 2), false);

	if (error < 0) {
		return error;
	}
	error = new_name_create(&name, request->process, LINUX_S_IFLNK | 0777, 0, target);
	new_name_end(&name);
	return error;
}

/* The sysctl protected_hardlinks of Linux. */
static int64_t link_check_source(const struct credentials *credentials, struct inode *inode)
{
	uint32_t runs_as_group = LINUX_S_ISGID | LINUX_S_IXGRP;

	if (credentials_owns(credentials, inode)) {
		return 0;
	}
	if (!inode_is_type(inode, LINUX_S_IFREG) || (inode->mode & LINUX_S_ISUID) ||
		(inode->mode & runs_as_group) == runs_as_group ||
		inode_permission(credentials, inode, ACCESS_READ | ACCESS_WRITE) < 0) {
		return -LINUX_EPERM;
	}
	return 0;
}

static int64_t link_to(struct new_name *name, const struct path *source)
{
	struct inode *inode = source->dentry->inode;
	struct inode *directory = name->walk.at.dentry->inode;

	if (name->walk.at.mount != source->mount) {
		return -LINUX_EXDEV;
	}
	int64_t error = link_check_source(name->walk.credentials, inode);

	if (error < 0) {
		return error;
	}
	if (inode_is_directory(inode)) {
		return -LINUX_EPERM;
	}
	if (inode->nlink == 0 && !inode->is_linkable) {
		return -LINUX_ENOENT;
	}
	if (inode->nlink >= LINKS_MAX) {
		return -LINUX_EMLINK;
	}
	error = directory->ops->link(directory, name->dentry, inode);
	if (error == 0) {
		inode->is_linkable = false;
		notify_inode(inode, LINUX_IN_ATTRIB);
		notify_child(name->dentry, LINUX_IN_CREATE);
	}
	return error;
}

int64_t posix_linkat(struct request *request)
{
	uint32_t flags = (uint32_t)request->args[4];
	struct new_name name;
	struct path source;

	if (flags & ~(LINUX_AT_SYMLINK_FOLLOW | LINUX_AT_EMPTY_PATH)) {
		return -LINUX_EINVAL;
	}
	if ((flags & LINUX_AT_EMPTY_PATH) &&
		!credentials_has(&request->process->credentials, LINUX_CAP_DAC_READ_SEARCH)) {
		return -LINUX_ENOENT;
	}
	int64_t error = call_lookup(request, request->args[0], request_path(request, 1),
		(flags & LINUX_AT_EMPTY_PATH) |
			((flags & LINUX_AT_SYMLINK_FOLLOW) ? 0 : LINUX_AT_SYMLINK_NOFOLLOW),
		&source);

	if (error < 0) {
		return error;
	}
	error = new_name_begin(&name, request, request->args[2], request_path(request, 3), false);
	if (error == 0) {
		error = link_to(&name, &source);
		new_name_end(&name);
	}
	path_unref(&source);
	return error;
}

/* ---- removing ------------------------------------------------------------------------------ */

static int64_t unlink_check(const struct walk *walk, const struct dentry *dentry, bool is_rmdir)
{
	bool is_directory = dentry->inode != NULL && inode_is_directory(dentry->inode);

	if (dentry->inode == NULL) {
		return -LINUX_ENOENT;
	}
	if (!is_rmdir && walk->has_trailing_slash) {
		return is_directory ? -LINUX_EISDIR : -LINUX_ENOTDIR;
	}
	int64_t error = name_may_delete(walk->credentials, &walk->at, dentry);

	if (error < 0) {
		return error;
	}
	if (is_rmdir != is_directory) {
		return is_rmdir ? -LINUX_ENOTDIR : -LINUX_EISDIR;
	}
	return dentry->n_mounts > 0 ? -LINUX_EBUSY : 0;
}

/* In the order of Linux: the file hears of it before the folder. */
static void unlink_notify(struct dentry *dentry, bool is_rmdir)
{
	if (!is_rmdir) {
		notify_inode(dentry->inode, LINUX_IN_ATTRIB);
	}
	if (dentry->inode->nlink == 0 && dentry->references == 1) {
		notify_gone(dentry->inode, LINUX_IN_DELETE_SELF);
	}
	notify_child(dentry, LINUX_IN_DELETE);
}

/* What was found may go. */
static int64_t unlink_found(struct inode *directory, struct dentry *dentry, bool is_rmdir)
{
	int64_t error = directory->ops->unlink(directory, dentry);

	if (error == 0) {
		unlink_notify(dentry, is_rmdir);
		dentry_vanish(dentry);
	}
	return error;
}

int64_t name_remove(
	const struct credentials *credentials, const struct path *at, struct dentry *dentry)
{
	int64_t error = name_may_delete(credentials, at, dentry);

	if (error == 0 && dentry->n_mounts > 0) {
		error = -LINUX_EBUSY;
	}
	return error < 0 ? error : unlink_found(at->dentry->inode, dentry, false);
}

static int64_t unlink_locked(struct walk *walk, bool is_rmdir)
{
	struct dentry *dentry;
	int64_t error = walk_find_last(walk, false, &dentry);

	if (error < 0) {
		return error;
	}
	error = unlink_check(walk, dentry, is_rmdir);
	if (error == 0) {
		error = unlink_found(walk->at.dentry->inode, dentry, is_rmdir);
	}
	dentry_unref(dentry);
	return error;
}

static int64_t unlink_last(struct walk *walk, bool is_rmdir)
{
	struct vfs_lock lock;
	int64_t error = vfs_lock_directory(&lock, walk->at.dentry->inode);

	if (error == 0) {
		error = unlink_locked(walk, is_rmdir);
		vfs_unlock(&lock);
	}
	return error;
}

static int64_t unlink_special_name(enum walk_last kind, bool is_rmdir)
{
	if (!is_rmdir) {
		return -LINUX_EISDIR;
	}
	switch (kind) {
	case WALK_LAST_DOT: return -LINUX_EINVAL;
	case WALK_LAST_DOT_DOT: return -LINUX_ENOTEMPTY;
	default: return -LINUX_EBUSY;
	}
}

int64_t posix_unlinkat(struct request *request)
{
	struct process *process = request->process;
	uint32_t flags = (uint32_t)request->args[2];
	bool is_rmdir = (flags & LINUX_AT_REMOVEDIR) != 0;
	struct walk walk;

	if (flags & ~LINUX_AT_REMOVEDIR) {
		return -LINUX_EINVAL;
	}
	int64_t error = walk_begin(&walk, process, &process->credentials,
		(int)(uint32_t)request->args[0], request_path(request, 1));

	if (error < 0) {
		return error;
	}
	error = walk_to_parent(&walk);
	if (error == 0) {
		error = walk.last_kind == WALK_LAST_NAME
			? unlink_last(&walk, is_rmdir)
			: unlink_special_name(walk.last_kind, is_rmdir);
	}
	walk_end(&walk);
	return error;
}

/* SPDX-License-Identifier: MIT */
/* mount and umount2, and the table of file system types. */
#include <base/format.h>
#include <base/string.h>
#include <posix/server/file/views.h>
#include <posix/server/fs/device.h>
#include <posix/server/fs/disk.h>
#include <posix/server/fs/nsfs.h>
#include <posix/server/fs/procfs.h>
#include <posix/server/fs/share.h>
#include <posix/server/fs/sysfs.h>
#include <posix/server/fs/tmpfs.h>
#include <posix/server/mqueue/mqueue.h>
#include <posix/server/process/mapped-files.h>
#include <posix/server/task.h>
#include <posix/server/tty/pty.h>
#include <posix/server/vfs/call.h>

enum linux_mount_flags : uint64_t {
	LINUX_MS_RDONLY = 1,
	LINUX_MS_NOSUID = 2,
	LINUX_MS_NODEV = 4,
	LINUX_MS_NOEXEC = 8,
	LINUX_MS_REMOUNT = 32,
	LINUX_MS_NOATIME = 1024,
	LINUX_MS_NODIRATIME = 2048,
	LINUX_MS_BIND = 4096,
	LINUX_MS_MOVE = 8192,
	LINUX_MS_REC = 16384,
	LINUX_MS_SILENT = 32768,
	LINUX_MS_UNBINDABLE = 1 << 17,
	LINUX_MS_PRIVATE = 1 << 18,
	LINUX_MS_SLAVE = 1 << 19,
	LINUX_MS_SHARED = 1 << 20,
};

enum linux_umount_flags : uint64_t {
	LINUX_MNT_FORCE = 1,
	LINUX_MNT_DETACH = 2,
	LINUX_MNT_EXPIRE = 4,
	LINUX_UMOUNT_NOFOLLOW = 8,
};

static const struct file_system_type types[] = {
	{ "sysfs", sysfs_mount_create },
	{ "tmpfs", tmpfs_mount_create },
	{ "ramfs", tmpfs_mount_create },
	{ "proc", procfs_mount_create },
	{ "devtmpfs", devtmpfs_mount_create },
	{ "devpts", devpts_mount_create },
	{ "mqueue", mqueue_mount_create },
	{ "9p", share_mount_create },
	{ "ext3", NULL },
	{ "ext2", NULL },
	{ "ext4", NULL },
	{ "vfat", NULL },
	{ "iso9660", NULL },
};

const struct file_system_type *file_system_type_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		if (str_equal(types[i].name, name)) {
			return &types[i];
		}
	}
	return NULL;
}

size_t file_system_types_print(char *buffer, size_t size)
{
	size_t used = 0;

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		used += format_to(buffer + min_size(used, size), size - min_size(used, size),
			"%s\t%s\n", types[i].create == NULL ? "" : "nodev", types[i].name);
	}
	return used;
}

static uint32_t mount_flags_from(uint64_t flags)
{
	uint64_t same = LINUX_MS_RDONLY | LINUX_MS_NOSUID | LINUX_MS_NODEV | LINUX_MS_NOEXEC |
		LINUX_MS_NOATIME | LINUX_MS_NODIRATIME;

	return (uint32_t)(flags & same) | ((flags & LINUX_MS_NOATIME) ? 0 : MOUNT_RELATIVE_ATIME);
}

/* A directory on a directory, a file on a file. */
static int64_t mount_check_kinds(const struct path *at, const struct dentry *root)
{
	return inode_is_directory(at->dentry->inode) == inode_is_directory(root->inode)
		? 0
		: -LINUX_ENOTDIR;
}

static int64_t mount_graft_or_dissolve(struct mount *mount, const struct path *at)
{
	int64_t error = mount_graft(mount, at);

	if (error < 0) {
		mount_dissolve(mount);
	}
	return error;
}

static int64_t mount_find_device(struct request *request, const char *source, uint64_t *out_rdev)
{
	struct path path;
	int64_t error = vfs_lookup(request->process, LINUX_AT_FDCWD, source, VFS_FOLLOW, &path);

	if (error < 0) {
		return error;
	}
	if (!inode_is_type(path.dentry->inode, LINUX_S_IFBLK)) {
		error = -LINUX_ENOTBLK;
	} else if (path.mount->flags & MOUNT_NO_DEVICES) {
		error = -LINUX_EACCES;
	}
	*out_rdev = path.dentry->inode->rdev;
	path_unref(&path);
	return error;
}

static int64_t mount_find_super(struct request *request, const struct file_system_type *type,
	uint64_t flags, struct super **out_super)
{
	const char *source = request_path(request, 0);
	const char *options = request_path(request, 3);
	uint64_t rdev;

	if (type->create != NULL) {
		return type->create(source, options, out_super);
	}
	int64_t error = mount_find_device(request, source, &rdev);

	return error < 0 ? error
			 : disk_mount_create(type->name, rdev, options,
				   (flags & LINUX_MS_RDONLY) != 0, out_super);
}

static int64_t mount_new(struct request *request, struct path *at, uint64_t flags)
{
	const char *source = request_path(request, 0);
	const struct file_system_type *type = file_system_type_find(request_path(request, 2));
	struct super *super;
	struct mount *mount;

	if (type == NULL) {
		return -LINUX_ENODEV;
	}
	int64_t error = mount_find_super(request, type, flags, &super);

	if (error < 0) {
		return error;
	}
	mount_step_down(at); /* something may have been mounted there meanwhile */
	error = at->mount->tree != request->process->fs->tree ? -LINUX_EINVAL
							      : mount_check_kinds(at, super->root);
	if (error == 0) {
		error = mount_create(super, super->root, source[0] == '\0' ? "none" : source,
			mount_flags_from(flags), &mount);
	}
	if (error == 0) {
		error = mount_graft_or_dissolve(mount, at);
	} else if (super->n_mounts == 0) {
		super->ops->unmount(super); /* made for nothing */
	}
	super_unref(super);
	return error;
}

/*
 * What is not in this tree of mounts cannot be bound, but for a namespace; and of those no tree
 * that is not younger than this one, or trees would hold each other.
 */
static int64_t mount_check_source(const struct path *source, const struct path *at)
{
	const struct mount_tree *tree = nsfs_tree_of(source->dentry->inode);

	if (tree != NULL) {
		return tree->id > at->mount->tree->id ? 0 : -LINUX_EINVAL;
	}
	if (source->mount->is_unbindable) {
		return -LINUX_EINVAL;
	}
	return source->mount->tree == at->mount->tree || nsfs_is_namespace(source->dentry->inode)
		? 0
		: -LINUX_EINVAL;
}

static int64_t mount_bind(struct request *request, const struct path *at, uint64_t flags)
{
	struct path source;
	struct mount *mount;
	int64_t error = vfs_lookup(
		request->process, LINUX_AT_FDCWD, request_path(request, 0), VFS_FOLLOW, &source);

	if (error < 0) {
		return error;
	}
	error = mount_check_source(&source, at);
	if (error == 0) {
		error = mount_check_kinds(at, source.dentry);
	}
	if (error == 0) {
		/* the flags are those of the source; they change by a remount */
		error = mount_copy(source.mount, source.dentry,
			(flags & LINUX_MS_REC) != 0 ? 0 : MOUNT_COPY_ONE, &mount);
	}
	if (error == 0) {
		error = mount_graft_or_dissolve(mount, at);
	}
	path_unref(&source);
	return error;
}

/* Whether @path is on @mount, or on something that is mounted on it. */
static bool mount_is_above(const struct mount *mount, const struct path *path)
{
	for (const struct mount *at = path->mount; at != NULL; at = at->parent) {
		if (at == mount) {
			return true;
		}
	}
	return false;
}

static bool mount_has_unbindable(struct mount *top)
{
	for (const struct mount *at = top; at != NULL; at = mount_next(at, top)) {
		if (at->is_unbindable) {
			return true;
		}
	}
	return false;
}

static int64_t mount_check_move(const struct path *source, const struct path *at)
{
	if (source->dentry != source->mount->root || source->mount->parent == NULL ||
		source->mount->tree != at->mount->tree || source->mount->parent->peers != NULL ||
		(at->mount->peers != NULL && mount_has_unbindable(source->mount))) {
		return -LINUX_EINVAL;
	}
	int64_t error = mount_check_kinds(at, source->dentry);

	if (error < 0) {
		return -LINUX_EINVAL;
	}
	return mount_is_above(source->mount, at) ? -LINUX_ELOOP : 0;
}

static int64_t mount_move_to(struct request *request, const struct path *at)
{
	struct path source;
	int64_t error = vfs_lookup(
		request->process, LINUX_AT_FDCWD, request_path(request, 0), VFS_FOLLOW, &source);

	if (error < 0) {
		return error;
	}
	error = mount_check_move(&source, at);
	if (error == 0) {
		error = mount_move(source.mount, at);
	}
	path_unref(&source);
	return error;
}

static int64_t mount_set_kind(struct mount *mount, uint64_t kind)
{
	switch (kind) {
	case LINUX_MS_SHARED: return mount_make_shared(mount);
	case LINUX_MS_SLAVE: mount_make_slave(mount); return 0;
	default: mount_make_private(mount); break;
	}
	mount->is_unbindable = kind == LINUX_MS_UNBINDABLE;
	return 0;
}

static int64_t mount_set_propagation(const struct path *at, uint64_t flags)
{
	uint64_t kind = flags & ~(uint64_t)(LINUX_MS_REC | LINUX_MS_SILENT);
	int64_t error = 0;

	if (at->dentry != at->mount->root || (kind & (kind - 1)) != 0) {
		return -LINUX_EINVAL;
	}
	if ((flags & LINUX_MS_REC) == 0) {
		return mount_set_kind(at->mount, kind);
	}
	for (struct mount *mount = at->mount; mount != NULL && error == 0;
		mount = mount_next(mount, at->mount)) {
		error = mount_set_kind(mount, kind);
	}
	return error;
}

static int64_t mount_change(struct request *request, const struct path *at, uint64_t flags)
{
	struct super *super = at->mount->super;

	if (at->dentry != at->mount->root) {
		return -LINUX_EINVAL;
	}
	if ((super->flags & SUPER_WAITS) && !(flags & LINUX_MS_BIND)) {
		int64_t error = super->ops->remount(
			super, request_path(request, 3), (flags & LINUX_MS_RDONLY) != 0);

		if (error < 0) {
			return error;
		}
	}
	views_all_changed(); /* MOUNT_NO_ACCESS_TIME */
	at->mount->flags = mount_flags_from(flags);
	return 0;
}

/* What comes new to a place covers what is there, also where the walk ends in what is covered. */
static int64_t mount_add(struct request *request, struct path *at, uint64_t flags)
{
	mount_step_down(at);
	if (flags & LINUX_MS_BIND) {
		return mount_bind(request, at, flags);
	}
	return (flags & LINUX_MS_MOVE) ? mount_move_to(request, at) : mount_new(request, at, flags);
}

int64_t posix_mount(struct request *request)
{
	uint64_t flags = request->args[0];
	uint64_t propagation =
		LINUX_MS_PRIVATE | LINUX_MS_SLAVE | LINUX_MS_UNBINDABLE | LINUX_MS_SHARED;
	struct path at;
	int64_t error;

	if ((flags & 0xffff0000) == 0xc0ed0000) {
		flags &= 0xffff; /* what old programs put there */
	}
	error = vfs_lookup(
		request->process, LINUX_AT_FDCWD, request_path(request, 1), VFS_FOLLOW, &at);
	if (error < 0) {
		return error;
	}
	if (!credentials_has(&request->process->credentials, LINUX_CAP_SYS_ADMIN)) {
		error = -LINUX_EPERM;
	} else if (at.mount->tree != request->process->fs->tree) {
		error = -LINUX_EINVAL; /* reached through a descriptor, but not in our tree */
	} else if (flags & LINUX_MS_REMOUNT) {
		error = mount_change(request, &at, flags);
	} else if (!(flags & LINUX_MS_BIND) && (flags & propagation)) {
		error = mount_set_propagation(&at, flags);
	} else {
		error = mount_add(request, &at, flags);
	}
	path_unref(&at);
	return error;
}

static int64_t umount_detach(struct mount *mount, uint64_t flags)
{
	bool is_lazy = (flags & LINUX_MNT_DETACH) != 0;

	if (!(flags & LINUX_MNT_EXPIRE)) {
		return mount_detach(mount, is_lazy);
	}
	if (!mount->is_expiring && mount->parent != NULL && mount->references <= 2) {
		mount->is_expiring = true; /* the next time, if nobody uses it before */
		return -LINUX_EAGAIN;
	}
	return mount_detach(mount, false);
}

/* Takes the caller's reference; of a disk's file system, what was written is there then. */
static int64_t umount_run(struct mount *mount, uint64_t flags)
{
	struct super *super = mount->super;
	bool waits = (super->flags & SUPER_WAITS) != 0;
	int64_t error;

	if (waits && request_task() == NULL) {
		mount_unref(mount);
		return REQUEST_TASK;
	}
	if (waits) {
		mapped_files_forget_unused();
	}
	super_ref(super);
	error = umount_detach(mount, flags);
	mount_unref(mount);
	if (error == 0 && waits) {
		error = super->ops->settle(super);
	}
	super_unref(super);
	return error;
}

int64_t posix_umount2(struct request *request)
{
	uint64_t flags = (uint32_t)request->args[1];
	uint32_t lookup = VFS_UNASKED | ((flags & LINUX_UMOUNT_NOFOLLOW) ? 0 : VFS_FOLLOW);
	uint64_t forcing = LINUX_MNT_FORCE | LINUX_MNT_DETACH;
	struct path at;

	if (flags & ~(forcing | LINUX_MNT_EXPIRE | LINUX_UMOUNT_NOFOLLOW)) {
		return -LINUX_EINVAL;
	}
	int64_t error =
		vfs_lookup(request->process, LINUX_AT_FDCWD, request_path(request, 0), lookup, &at);

	if (error < 0) {
		return error;
	}
	mount_step_down(&at); /* from a directory that is covered, such as "." */

	struct mount *mount = at.mount;
	bool is_root = at.dentry == mount->root;
	bool was_expiring = mount->is_expiring;

	/* keep the mount only, not the place in it */
	mount_ref(mount);
	path_unref(&at);
	mount->is_expiring = was_expiring;
	if (!credentials_has(&request->process->credentials, LINUX_CAP_SYS_ADMIN)) {
		error = -LINUX_EPERM;
	} else if (!is_root || mount->tree != request->process->fs->tree ||
		((flags & LINUX_MNT_EXPIRE) && (flags & forcing))) {
		error = -LINUX_EINVAL;
	} else {
		return umount_run(mount, flags);
	}
	mount_unref(mount);
	return error;
}

/* SPDX-License-Identifier: MIT */
/* mount and umount2, and the table of file system types. */
#include <base/format.h>
#include <base/string.h>
#include <posix/server/fs/device.h>
#include <posix/server/fs/procfs.h>
#include <posix/server/fs/sysfs.h>
#include <posix/server/fs/tmpfs.h>
#include <posix/server/tty/pty.h>
#include <posix/server/vfs/call.h>

enum linux_mount_flags : uint64_t {
	LINUX_MS_RDONLY = 1,
	LINUX_MS_NOSUID = 2,
	LINUX_MS_NODEV = 4,
	LINUX_MS_NOEXEC = 8,
	LINUX_MS_REMOUNT = 32,
	LINUX_MS_BIND = 4096,
	LINUX_MS_MOVE = 8192,
	LINUX_MS_REC = 16384,
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
	{ "sysfs", false, sysfs_mount_create },
	{ "tmpfs", false, tmpfs_mount_create },
	{ "ramfs", false, tmpfs_mount_create },
	{ "proc", false, procfs_mount_create },
	{ "devtmpfs", false, devtmpfs_mount_create },
	{ "devpts", false, devpts_mount_create },
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
			"%s\t%s\n", types[i].needs_device ? "" : "nodev", types[i].name);
	}
	return used;
}

static uint32_t mount_flags_from(uint64_t flags)
{
	return (uint32_t)(flags &
		       (LINUX_MS_RDONLY | LINUX_MS_NOSUID | LINUX_MS_NODEV | LINUX_MS_NOEXEC)) |
		MOUNT_RELATIVE_ATIME;
}

/* A directory on a directory, a file on a file. */
static int64_t mount_check_kinds(const struct path *at, const struct dentry *root)
{
	return inode_is_directory(at->dentry->inode) == inode_is_directory(root->inode)
		? 0
		: -LINUX_ENOTDIR;
}

static int64_t mount_new(struct request *request, const struct path *at, uint64_t flags)
{
	const char *source = request_path(request, 0);
	const struct file_system_type *type = file_system_type_find(request_path(request, 2));
	struct super *super;
	struct mount *mount;

	if (type == NULL) {
		return -LINUX_ENODEV;
	}
	int64_t error = type->create(source, request_path(request, 3), &super);

	if (error < 0) {
		return error;
	}
	error = mount_check_kinds(at, super->root);
	if (error == 0) {
		error = mount_create(super, super->root, source[0] == '\0' ? "none" : source, at,
			mount_flags_from(flags), &mount);
	}
	if (super->n_mounts == 0) {
		super->ops->unmount(super); /* made for nothing */
	}
	super_unref(super);
	return error;
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
	error = mount_check_kinds(at, source.dentry);
	if (error == 0) {
		error = mount_create(source.dentry->super, source.dentry, source.mount->source, at,
			source.mount->flags | mount_flags_from(flags), &mount);
	}
	path_unref(&source);
	return error;
}

static int64_t mount_change(const struct path *at, uint64_t flags)
{
	if (at->dentry != at->mount->root) {
		return -LINUX_EINVAL;
	}
	at->mount->flags = mount_flags_from(flags);
	return 0;
}

int64_t posix_mount(struct request *request)
{
	uint64_t flags = request->args[0];
	uint64_t propagation = LINUX_MS_PRIVATE | LINUX_MS_SLAVE | LINUX_MS_UNBINDABLE;
	struct path at;
	int64_t error;

	if ((flags & 0xffff0000) == 0xc0ed0000) {
		flags &= 0xffff; /* what old programs put there */
	}
	if (!credentials_is_privileged(&request->process->credentials)) {
		return -LINUX_EPERM;
	}
	error = vfs_lookup(
		request->process, LINUX_AT_FDCWD, request_path(request, 1), VFS_FOLLOW, &at);
	if (error < 0) {
		return error;
	}
	if (flags & LINUX_MS_REMOUNT) {
		error = mount_change(&at, flags);
	} else if (flags & LINUX_MS_BIND) {
		error = mount_bind(request, &at, flags);
	} else if (flags & propagation) {
		error = 0; /* nothing propagates here: every mount is private already */
	} else if (flags & (LINUX_MS_SHARED | LINUX_MS_MOVE)) {
		error = -LINUX_EINVAL;
	} else {
		error = mount_new(request, &at, flags);
	}
	path_unref(&at);
	return error;
}

int64_t posix_umount2(struct request *request)
{
	uint64_t flags = request->args[1];
	uint32_t lookup = (flags & LINUX_UMOUNT_NOFOLLOW) ? 0 : VFS_FOLLOW;
	struct path at;

	if (flags & ~(LINUX_MNT_FORCE | LINUX_MNT_DETACH | LINUX_UMOUNT_NOFOLLOW)) {
		return -LINUX_EINVAL;
	}
	if (!credentials_is_privileged(&request->process->credentials)) {
		return -LINUX_EPERM;
	}
	int64_t error =
		vfs_lookup(request->process, LINUX_AT_FDCWD, request_path(request, 0), lookup, &at);

	if (error < 0) {
		return error;
	}
	struct mount *mount = at.mount;
	bool is_root = at.dentry == mount->root;

	/* keep the mount only, not the place in it */
	mount_ref(mount);
	path_unref(&at);
	error = is_root ? mount_detach(mount, (flags & LINUX_MNT_DETACH) != 0) : -LINUX_EINVAL;
	mount_unref(mount);
	return error;
}

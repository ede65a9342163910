/* SPDX-License-Identifier: MIT */
/* Calls that describe: stat, statx, access, readlink, statfs. */
#include <base/string.h>
#include <helix/memory.h>
#include <posix/server/file/views.h>
#include <posix/server/vfs/call.h>

static struct linux_timespec stat_time(int64_t ns)
{
	int64_t seconds = ns / 1000000000;
	int64_t rest = ns % 1000000000;

	if (rest < 0) {
		rest += 1000000000;
		seconds--;
	}
	return (struct linux_timespec){ .seconds = seconds, .nanoseconds = rest };
}

static struct linux_statx_time statx_time(int64_t ns)
{
	struct linux_timespec time = stat_time(ns);

	return (struct linux_statx_time){ .seconds = time.seconds,
		.nanoseconds = (uint32_t)time.nanoseconds };
}

void stat_fill(struct inode *inode, struct linux_stat *out)
{
	struct inode_stat stat;

	inode_get_stat(inode, &stat);
	*out = (struct linux_stat){
		.dev = stat.dev,
		.ino = stat.ino,
		.nlink = stat.nlink,
		.mode = stat.mode,
		.uid = stat.uid,
		.gid = stat.gid,
		.rdev = stat.rdev,
		.size = (int64_t)stat.size_bytes,
		.block_size = stat.block_size,
		.blocks = (int64_t)stat.blocks,
		.atime = stat_time(stat.atime_ns),
		.mtime = stat_time(stat.mtime_ns),
		.ctime = stat_time(stat.ctime_ns),
	};
}

/* What a call describes: an inode (referenced), and where it is mounted. */
struct stat_place {
	struct inode *inode;
	uint64_t mount_id; /* 0: nowhere */
	bool is_mount_root;
};

static void statx_fill(const struct stat_place *place, struct linux_statx *out)
{
	struct inode_stat stat;

	inode_get_stat(place->inode, &stat);
	*out = (struct linux_statx){
		.mask = LINUX_STATX_BASIC_STATS | LINUX_STATX_BTIME | LINUX_STATX_MNT_ID,
		.block_size = stat.block_size,
		.nlink = stat.nlink,
		.uid = stat.uid,
		.gid = stat.gid,
		.mode = (uint16_t)stat.mode,
		.ino = stat.ino,
		.size = stat.size_bytes,
		.blocks = stat.blocks,
		.atime = statx_time(stat.atime_ns),
		.btime = statx_time(place->inode->birth_ns),
		.ctime = statx_time(stat.ctime_ns),
		.mtime = statx_time(stat.mtime_ns),
		.rdev_major = linux_major(stat.rdev),
		.rdev_minor = linux_minor(stat.rdev),
		.dev_major = linux_major(stat.dev),
		.dev_minor = linux_minor(stat.dev),
		.mount_id = place->mount_id,
		.attributes = place->is_mount_root ? LINUX_STATX_ATTR_MOUNT_ROOT : 0,
		.attributes_mask = LINUX_STATX_ATTR_AUTOMOUNT | LINUX_STATX_ATTR_MOUNT_ROOT |
			LINUX_STATX_ATTR_DAX,
	};
}

static void stat_place_set(struct stat_place *place, const struct path *path, struct inode *inode)
{
	*place = (struct stat_place){ .inode = inode };
	inode_ref(inode);
	if (path->dentry != NULL) {
		place->mount_id = path->mount->id;
		place->is_mount_root = path->dentry == path->mount->root;
	}
}

/* What a name with AT_ flags means. */
static int64_t stat_find(
	struct request *request, const char *name, uint32_t flags, struct stat_place *out_place)
{
	struct path path;

	if (name[0] == '\0' && (flags & LINUX_AT_EMPTY_PATH) &&
		(int)(uint32_t)request->args[0] != LINUX_AT_FDCWD) {
		struct file *file =
			fd_table_get(request->process->files, (int)(uint32_t)request->args[0]);

		if (file == NULL) {
			return -LINUX_EBADF;
		}
		int64_t error = inode_check(file->inode);

		if (unlikely(error < 0)) {
			return error;
		}
		/* the check may have waited, and the file may be closed by now */
		file = fd_table_get(request->process->files, (int)(uint32_t)request->args[0]);
		if (file == NULL) {
			return -LINUX_EBADF;
		}
		stat_place_set(out_place, &file->path, file->inode);
		if (!(file->flags & LINUX_O_PATH)) {
			view_note(request, file, &(struct view_use){ 0 });
		}
		return 0;
	}
	int64_t error = call_lookup(request, request->args[0], name, flags, &path);

	if (error == 0) {
		stat_place_set(out_place, &path, path.dentry->inode);
		path_unref(&path);
	}
	return error;
}

constexpr uint32_t STAT_FLAGS =
	LINUX_AT_SYMLINK_NOFOLLOW | LINUX_AT_NO_AUTOMOUNT | LINUX_AT_EMPTY_PATH;

int64_t posix_newfstatat(struct request *request)
{
	uint32_t flags = (uint32_t)request->args[3];
	struct stat_place place;

	if (flags & ~STAT_FLAGS) {
		return -LINUX_EINVAL;
	}
	int64_t error = stat_find(request, request_path(request, 1), flags, &place);

	if (error < 0) {
		return error;
	}
	struct linux_stat *out = request_out(request, 2, NULL);

	if (out != NULL) {
		stat_fill(place.inode, out);
	}
	inode_unref(place.inode);
	return out == NULL ? -LINUX_EFAULT : 0;
}

int64_t posix_statx(struct request *request)
{
	uint32_t sync = LINUX_AT_STATX_FORCE_SYNC | LINUX_AT_STATX_DONT_SYNC;
	uint32_t flags = (uint32_t)request->args[2];
	struct stat_place place;

	if ((flags & ~(STAT_FLAGS | sync)) || (flags & sync) == sync ||
		(request->args[3] & 0x80000000)) {
		return -LINUX_EINVAL;
	}
	int64_t error = stat_find(request, request_path(request, 1), flags, &place);

	if (error < 0) {
		return error;
	}
	struct linux_statx *out = request_out(request, 4, NULL);

	if (out != NULL) {
		statx_fill(&place, out);
	}
	inode_unref(place.inode);
	return out == NULL ? -LINUX_EFAULT : 0;
}

/* ---- access -------------------------------------------------------------------------------- */

static int64_t access_check(
	const struct credentials *credentials, const struct path *path, uint32_t access)
{
	struct inode *inode = path->dentry->inode;

	inode->ops->refresh(inode);
	if ((access & ACCESS_EXECUTE) && inode_is_type(inode, LINUX_S_IFREG) &&
		(path->mount->flags & MOUNT_NO_EXECUTE)) {
		return -LINUX_EACCES;
	}
	int64_t error = inode_permission(credentials, inode, access);
	uint32_t special = inode->mode & LINUX_S_IFMT;

	if (error == 0 && (access & ACCESS_WRITE) && special != LINUX_S_IFCHR &&
		special != LINUX_S_IFBLK && special != LINUX_S_IFIFO && special != LINUX_S_IFSOCK) {
		error = mount_may_write(path);
	}
	return error;
}

int64_t posix_faccessat2(struct request *request)
{
	uint32_t access = (uint32_t)request->args[2];
	uint32_t flags = (uint32_t)request->args[3];
	struct credentials credentials = request->process->credentials;
	uint32_t lookup_flags = (flags & LINUX_AT_SYMLINK_NOFOLLOW) ? 0 : VFS_FOLLOW;
	struct path path;

	if ((access & ~7u) ||
		(flags & ~(LINUX_AT_EACCESS | LINUX_AT_SYMLINK_NOFOLLOW | LINUX_AT_EMPTY_PATH))) {
		return -LINUX_EINVAL;
	}
	if (!(flags & LINUX_AT_EACCESS)) {
		credentials.fsuid = credentials.uid;
		credentials.fsgid = credentials.gid;
		/* and with the capabilities that a program of that user would have */
		if ((credentials.capabilities.securebits & LINUX_SECBIT_NO_SETUID_FIXUP) == 0) {
			credentials.capabilities.effective =
				credentials.uid == 0 ? credentials.capabilities.permitted : 0;
		}
	}
	if (flags & LINUX_AT_EMPTY_PATH) {
		lookup_flags |= VFS_EMPTY_PATH;
	}
	int64_t error = walk_path(request->process, &credentials, (int)(uint32_t)request->args[0],
		request_path(request, 1), lookup_flags, &path);

	if (error == 0) {
		error = access_check(&credentials, &path, access);
		path_unref(&path);
	}
	return error;
}

/* ---- readlink ------------------------------------------------------------------------------ */

static int64_t readlink_copy(struct request *request, const char *text)
{
	size_t size = min_size((size_t)request->args[3], strlen(text));
	char *out = request_bulk_buffer(request, size);

	if (out == NULL) {
		return -LINUX_ENOMEM;
	}
	memcpy(out, text, size);
	return (int64_t)size;
}

int64_t posix_readlinkat(struct request *request)
{
	const char *name = request_path(request, 1);
	struct link_target target = { 0 };
	struct path path;

	if ((int32_t)request->args[3] <= 0) {
		return -LINUX_EINVAL;
	}
	int64_t error = call_lookup(request, request->args[0], name,
		LINUX_AT_SYMLINK_NOFOLLOW | LINUX_AT_EMPTY_PATH, &path);

	if (error < 0) {
		return error;
	}
	struct inode *inode = path.dentry->inode;

	if (!inode_is_type(inode, LINUX_S_IFLNK)) {
		error = name[0] == '\0' ? -LINUX_ENOENT : -LINUX_EINVAL;
	} else {
		error = inode->ops->follow(inode, request->process, &target);
	}
	if (error == 0) {
		inode_touch_accessed(inode);
		error = readlink_copy(request, target.text);
		helix_free(target.owned);
		path_unref(&target.jump);
	}
	path_unref(&path);
	return error;
}

/* ---- statfs -------------------------------------------------------------------------------- */

static int64_t statfs_fill(struct request *request, struct mount *mount, struct super *super)
{
	struct linux_statfs *out = request_out(request, 1, NULL);
	struct super_info info;

	if (out == NULL) {
		return -LINUX_EFAULT;
	}
	int64_t error = super->ops->info(super, &info);

	if (error < 0) {
		return error;
	}
	*out = (struct linux_statfs){
		.type = (int64_t)info.magic,
		.block_size = super->block_size,
		.blocks = info.n_blocks,
		.blocks_free = info.n_blocks_free,
		.blocks_available =
			info.n_blocks_available != 0 ? info.n_blocks_available : info.n_blocks_free,
		.files = info.n_files,
		.files_free = info.n_files_free,
		.id = { (int32_t)(info.id != 0 ? info.id : super->dev), (int32_t)(info.id >> 32) },
		.name_max = info.name_size_max != 0 ? info.name_size_max : NAME_SIZE_MAX,
		.fragment_size = super->block_size,
		.flags = 0x20 /* ST_VALID */ | (mount == NULL ? 0 : mount_shown_flags(mount)),
	};
	return 0;
}

int64_t posix_statfs(struct request *request)
{
	struct path path;
	int64_t error = vfs_lookup(
		request->process, LINUX_AT_FDCWD, request_path(request, 0), VFS_FOLLOW, &path);

	if (error == 0) {
		error = statfs_fill(request, path.mount, path.dentry->super);
		path_unref(&path);
	}
	return error;
}

int64_t posix_fstatfs(struct request *request)
{
	struct file *file = fd_table_get(request->process->files, (int)(uint32_t)request->args[0]);

	if (file == NULL) {
		return -LINUX_EBADF;
	}
	return statfs_fill(
		request, file->path.dentry == NULL ? NULL : file->path.mount, file->inode->super);
}

/* SPDX-License-Identifier: MIT */
/* Open regular files of file systems on disks. */
#include <abi/linux/errno.h>
#include <abi/linux/fcntl.h>
#include <abi/linux/xattr.h>
#include <posix/server/file/access.h>
#include <posix/server/fs/disk-direct.h>
#include <posix/server/fs/disk-ioctl.h>
#include <posix/server/process/process.h>
#include <posix/server/vfs/xattr.h>

constexpr uint32_t CALL_FDATASYNC = 75;

static int64_t disk_file_read(struct file *file, UNUSED struct request *request, void *buffer,
	size_t size, uint64_t *offset)
{
	int64_t n_bytes = disk_direct_check(file, *offset, size);

	if (n_bytes == 0) {
		n_bytes = (file->flags & LINUX_O_DIRECT) != 0
			? disk_direct_read(disk_inode_of(file->inode), buffer, size, *offset)
			: disk_contents_read(file->inode, buffer, size, *offset);
	}
	if (n_bytes >= 0) {
		*offset += (uint64_t)n_bytes;
		file_touch_accessed(file);
	}
	return n_bytes;
}

/* ---- writing --------------------------------------------------------------------------------- */

int64_t disk_write_limit(struct request *request, uint64_t offset, size_t *in_out_size)
{
	uint64_t limit = INT64_MAX;

	if (request != NULL) {
		int64_t error = file_check_size_limit(request, offset);

		if (error < 0) {
			return error;
		}
		limit = min_u64(limit, request->process->limits[LIMIT_FSIZE][0]);
	}
	if (offset >= limit) {
		return -LINUX_EFBIG;
	}
	*in_out_size = (size_t)min_u64(*in_out_size, limit - offset);
	return 0;
}

bool disk_write_appends(const struct file *file, const struct request *request)
{
	return (file->flags & LINUX_O_APPEND) ||
		(request != NULL && (request->flags & POSIX_REQUEST_APPEND));
}

/* Whether it has to be done in a task anyway: then it begins there. */
static bool write_needs_task(const struct file *file)
{
	const void *unused;

	return (file->flags & LINUX_O_DSYNC) != 0 ||
		(file->inode->xattrs != NULL &&
			xattr_get(file->inode, LINUX_XATTR_CAPABILITY, &unused) >= 0);
}

static int64_t write_locked(struct file *file, struct request *request, const void *buffer,
	size_t size, uint64_t *offset)
{
	struct inode *inode = file->inode;
	uint64_t at = disk_write_appends(file, request) ? inode->size_bytes : *offset;
	int64_t result = disk_direct_check(file, at, size);

	if (result == 0) {
		result = disk_write_limit(request, at, &size);
	}
	if (result == 0) {
		result = (file->flags & LINUX_O_DIRECT) != 0
			? disk_direct_write(disk_inode_of(inode), buffer, size, at)
			: disk_contents_write(disk_inode_of(inode), buffer, size, at);
	}
	if (result > 0) {
		*offset = at + (uint64_t)result;
		if (request != NULL) {
			inode_remove_privileges(inode, &request->process->credentials);
		}
	}
	return result;
}

static int64_t disk_file_write(struct file *file, struct request *request, const void *buffer,
	size_t size, uint64_t *offset)
{
	struct disk_inode *node = disk_inode_of(file->inode);

	if (size == 0) {
		return 0;
	}
	if (request_task() == NULL && write_needs_task(file)) {
		return REQUEST_TASK;
	}
	int64_t result = disk_inode_lock(node);

	if (result < 0) {
		return result;
	}
	result = write_locked(file, request, buffer, size, offset);
	disk_inode_unlock(node);
	if (result > 0 && (file->flags & LINUX_O_DSYNC) != 0) {
		bool is_data_only = (file->flags & LINUX_O_SYNC) != LINUX_O_SYNC;
		int64_t error = disk_sync_file(file, is_data_only);

		result = error < 0 ? error : result;
	}
	return result;
}

/* ---- the rest -------------------------------------------------------------------------------- */

static int64_t disk_file_seek(struct file *file, int64_t offset, int whence)
{
	if (whence == LINUX_SEEK_DATA || whence == LINUX_SEEK_HOLE) {
		return offset < 0
			? -LINUX_ENXIO
			: disk_seek_data(file, (uint64_t)offset, whence == LINUX_SEEK_DATA);
	}
	return file_seek_to(file, offset, whence, file->inode->size_bytes);
}

static int64_t disk_file_truncate(struct file *file, uint64_t size)
{
	return disk_truncate(file->inode, size);
}

static int64_t disk_file_sync(struct file *file, struct request *request)
{
	bool is_data_only = request != NULL && request->number == CALL_FDATASYNC;

	return disk_sync_file(file, is_data_only);
}

static int64_t disk_file_map(struct file *file, hel_handle *out_memory)
{
	return disk_contents_memory(file->inode, file->inode->size_bytes, out_memory);
}

static int64_t disk_file_ioctl(struct file *file, struct request *request, uint32_t command,
	UNUSED uint64_t value, void *buffer, size_t size)
{
	int64_t result = disk_ioctl(file, request, command, buffer, size);

	return result != -LINUX_ENOTTY ? result : file_ioctl_regular(file, command, buffer, size);
}

static const struct file_ops disk_file_ops = {
	FILE_OPS_DEFAULT,
	.name = "file on a disk",
	.view_kind = POSIX_VIEW_FILE,
	.read = disk_file_read,
	.write = disk_file_write,
	.seek = disk_file_seek,
	.ioctl = disk_file_ioctl,
	.truncate = disk_file_truncate,
	.fallocate = disk_fallocate,
	.sync = disk_file_sync,
	.map = disk_file_map,
};

/* chattr +i and +a. */
static int64_t check_flags(const struct disk_inode *node, const struct file *file)
{
	if (!file_is_writable(file) && (file->flags & LINUX_O_TRUNC) == 0) {
		return 0;
	}
	if ((node->flags & LINUX_FS_IMMUTABLE_FL) != 0) {
		return -LINUX_EPERM;
	}
	return (node->flags & LINUX_FS_APPEND_FL) != 0 &&
			((file->flags & LINUX_O_APPEND) == 0 || (file->flags & LINUX_O_TRUNC) != 0)
		? -LINUX_EPERM
		: 0;
}

int64_t disk_file_open(struct inode *inode, struct file *file, UNUSED struct request *request)
{
	int64_t error = check_flags(disk_inode_of(inode), file);

	if (error == 0) {
		file->n_errors_seen = disk_inode_of(inode)->n_errors;
		file->ops = &disk_file_ops;
	}
	return error;
}

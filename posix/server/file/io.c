/* SPDX-License-Identifier: MIT */
/* Calls that move bytes and positions: read, write, lseek, truncation, directories. */
#include <abi/linux/errno.h>
#include <base/string.h>
#include <posix/server/file/access.h>
#include <posix/server/file/handlers.h>
#include <posix/server/file/inotify.h>
#include <posix/server/file/views.h>
#include <posix/server/fs/block.h>
#include <posix/server/fs/disk.h>
#include <posix/server/process/process.h>
#include <posix/server/socket/family.h>
#include <posix/server/task.h>
#include <posix/server/tty/port.h>
#include <posix/server/vfs/inode.h>
#include <posix/server/vfs/mount.h>

/* A port that nobody reads at the other end does not hold up sync() for longer. */
constexpr uint64_t SYNC_TIME_MAX_NS = UINT64_C(5000000000);

/* What all reads end with. */
static int64_t file_end_read(
	struct request *request, struct file *file, uint64_t offset, int64_t result)
{
	if (result > 0) {
		notify_file(file, LINUX_IN_ACCESS);
	}
	if (result >= 0) {
		view_note(request, file,
			&(struct view_use){ .offset = offset, .size = (uint64_t)result });
	}
	return file_end_call(request, file, result);
}

int64_t posix_read(struct request *request)
{
	struct file *file = file_of_call(request, request->args[0]);

	if (file == NULL || !file_is_readable(file)) {
		return -LINUX_EBADF;
	}
	uint64_t offset = file->offset;
	int64_t result =
		file->ops->read_bulk(file, request, (size_t)request->args[2], &file->offset);

	return file_end_read(request, file, offset, result);
}

int64_t posix_pread64(struct request *request)
{
	struct file *file = file_of_call(request, request->args[0]);
	uint64_t offset = request->args[3];

	if (file == NULL || !file_is_readable(file)) {
		return -LINUX_EBADF;
	}
	if ((int64_t)offset < 0) {
		return -LINUX_EINVAL;
	}
	if (!file_can_seek(file)) {
		return -LINUX_ESPIPE;
	}
	int64_t result = file->ops->read_bulk(file, request, (size_t)request->args[2], &offset);

	return file_end_read(request, file, request->args[3], result);
}

/* A write that made the file longer says nothing of the next one. */
static void file_note_write(
	struct request *request, struct file *file, uint64_t offset, uint64_t size_before)
{
	if (view_can_write(file) && file->inode->size_bytes <= size_before) {
		view_note(request, file,
			&(struct view_use){
				.offset = offset, .size = request->args[2], .is_write = true });
	}
}

static int64_t file_write(struct request *request, struct file *file, uint64_t *offset)
{
	size_t size;
	const void *data = request_in(request, 1, &size);

	if (data == NULL && request->args[2] != 0) {
		return -LINUX_EFAULT;
	}
	uint64_t size_before = file->inode->size_bytes;
	int64_t result = file->ops->write(
		file, request, data, data == NULL ? 0 : (size_t)request->args[2], offset);

	if (result > 0) {
		notify_file(file, LINUX_IN_MODIFY);
		file_note_write(request, file, *offset - (uint64_t)result, size_before);
	} else if (result == -LINUX_EPIPE) {
		socket_signal_pipe(request, file, 0);
	}
	return file_end_call(request, file, result);
}

int64_t posix_write(struct request *request)
{
	struct file *file = file_of_call(request, request->args[0]);

	if (file == NULL || !file_is_writable(file)) {
		return -LINUX_EBADF;
	}
	return file_write(request, file, &file->offset);
}

int64_t posix_pwrite64(struct request *request)
{
	struct file *file = file_of_call(request, request->args[0]);
	uint64_t offset = request->args[3];

	if (file == NULL || !file_is_writable(file)) {
		return -LINUX_EBADF;
	}
	if ((int64_t)offset < 0) {
		return -LINUX_EINVAL;
	}
	if (!file_can_seek(file)) {
		return -LINUX_ESPIPE;
	}
	return file_write(request, file, &offset);
}

int64_t posix_lseek(struct request *request)
{
	struct file *file = file_of_fd(request, request->args[0]);

	if (file == NULL) {
		return -LINUX_EBADF;
	}
	return file->ops->seek(file, (int64_t)request->args[1], (int)request->args[2]);
}

int64_t posix_getdents64(struct request *request)
{
	struct file *file = file_of_fd(request, request->args[0]);
	size_t size = (size_t)request->args[2];

	if (file == NULL) {
		return -LINUX_EBADF;
	}
	if (file->ops->readdir == file_default_readdir) {
		return -LINUX_ENOTDIR;
	}
	void *buffer = request_bulk_buffer(request, size);

	if (buffer == NULL) {
		return -LINUX_ENOMEM;
	}
	int64_t result = file->ops->readdir(file, buffer, size);

	if (result >= 0) {
		notify_file(file, LINUX_IN_ACCESS);
	}
	return result;
}

/* ---- sizes --------------------------------------------------------------------------------- */

int64_t posix_ftruncate(struct request *request)
{
	struct file *file = file_of_fd(request, request->args[0]);
	int64_t size = (int64_t)request->args[1];

	if (size < 0) {
		return -LINUX_EINVAL;
	}
	if (file == NULL) {
		return -LINUX_EBADF;
	}
	if (!inode_is_type(file->inode, LINUX_S_IFREG) || !file_is_writable(file)) {
		return -LINUX_EINVAL;
	}
	if ((uint64_t)size > file->inode->size_bytes) {
		int64_t error = file_check_size_limit(request, (uint64_t)size - 1);

		if (error < 0) {
			return error;
		}
	}
	int64_t result = file->ops->truncate(file, (uint64_t)size);

	if (result == 0) {
		inode_remove_privileges(file->inode, &request->process->credentials);
		notify_file(file, LINUX_IN_MODIFY);
	}
	return result;
}

/* What Linux refuses whatever the file is. */
static int64_t fallocate_check_mode(uint32_t mode)
{
	uint32_t known = LINUX_FALLOC_FL_KEEP_SIZE | LINUX_FALLOC_FL_PUNCH_HOLE |
		LINUX_FALLOC_FL_COLLAPSE_RANGE | LINUX_FALLOC_FL_ZERO_RANGE |
		LINUX_FALLOC_FL_INSERT_RANGE | LINUX_FALLOC_FL_UNSHARE_RANGE;
	uint32_t alone = LINUX_FALLOC_FL_COLLAPSE_RANGE | LINUX_FALLOC_FL_INSERT_RANGE;

	if (mode & ~known) {
		return -LINUX_EOPNOTSUPP;
	}
	if ((mode & LINUX_FALLOC_FL_PUNCH_HOLE) &&
		(!(mode & LINUX_FALLOC_FL_KEEP_SIZE) || (mode & LINUX_FALLOC_FL_ZERO_RANGE))) {
		return -LINUX_EOPNOTSUPP;
	}
	return (mode & alone) && (mode & (mode - 1)) ? -LINUX_EINVAL : 0;
}

int64_t posix_fallocate(struct request *request)
{
	struct file *file = file_of_fd(request, request->args[0]);
	uint32_t mode = (uint32_t)request->args[1];
	int64_t offset = (int64_t)request->args[2];
	int64_t size = (int64_t)request->args[3];

	if (file == NULL) {
		return -LINUX_EBADF;
	}
	if (offset < 0 || size <= 0) {
		return -LINUX_EINVAL;
	}
	int64_t error = fallocate_check_mode(mode);

	if (error < 0) {
		return error;
	}
	if (!file_is_writable(file)) {
		return -LINUX_EBADF;
	}
	if (size > INT64_MAX - offset) {
		return -LINUX_EFBIG;
	}
	if (file->ops->fallocate == file_default_fallocate && !file_can_seek(file)) {
		return -LINUX_ESPIPE;
	}
	uint64_t end = (uint64_t)offset + (uint64_t)size;

	if (!(mode & LINUX_FALLOC_FL_KEEP_SIZE) && end > file->inode->size_bytes) {
		error = file_check_size_limit(request, end - 1);
		if (error < 0) {
			return error;
		}
	}
	int64_t result =
		file->ops->fallocate(file, (int)request->args[1], (uint64_t)offset, (uint64_t)size);

	if (result == 0) {
		notify_file(file, LINUX_IN_MODIFY);
	}
	return result;
}

int64_t posix_fadvise64(struct request *request)
{
	struct file *file = file_of_fd(request, request->args[0]);

	if (file == NULL) {
		return -LINUX_EBADF;
	}
	if (!file_can_seek(file)) {
		return -LINUX_ESPIPE;
	}
	if ((int64_t)request->args[2] < 0 || (uint32_t)request->args[3] > 5) {
		return -LINUX_EINVAL;
	}
	return 0; /* all files are in memory */
}

int64_t posix_readahead(struct request *request)
{
	struct file *file = file_of_fd(request, request->args[0]);

	if (file == NULL || !file_is_readable(file)) {
		return -LINUX_EBADF;
	}
	return inode_is_type(file->inode, LINUX_S_IFREG) ? 0 : -LINUX_EINVAL;
}

/* ---- durability ---------------------------------------------------------------------------- */

int64_t posix_fsync(struct request *request)
{
	struct file *file = file_of_call(request, request->args[0]);

	if (file == NULL) {
		return -LINUX_EBADF;
	}
	return file_end_call(request, file, file->ops->sync(file, request));
}

int64_t posix_fdatasync(struct request *request)
{
	return posix_fsync(request);
}

/*
 * The disks, and the bytes on their way through ports: whoever calls sync() before the machine
 * stops wants them to arrive.
 */
int64_t posix_sync(struct request *request)
{
	if (request->is_timed_out) {
		return 0;
	}
	if (request->state[0] == 0) {
		if (disk_sync_all() == REQUEST_TASK || block_sync_all() == REQUEST_TASK) {
			return REQUEST_TASK;
		}
		request->state[0] = 1;
		request->deadline_ns = clock_monotonic_ns() + SYNC_TIME_MAX_NS;
	}
	return ports_wait_drained(request);
}

int64_t posix_sync_file_range(struct request *request)
{
	struct file *file = file_of_fd(request, request->args[0]);
	int64_t offset = (int64_t)request->args[1];
	int64_t size = (int64_t)request->args[2];

	if (file == NULL) {
		return -LINUX_EBADF;
	}
	if (((uint32_t)request->args[3] & ~LINUX_SYNC_FILE_RANGE_ALL) || offset < 0 || size < 0 ||
		size > INT64_MAX - offset) {
		return -LINUX_EINVAL;
	}
	return file_can_seek(file) ? 0 : -LINUX_ESPIPE;
}

int64_t posix_syncfs(struct request *request)
{
	struct file *file = file_of_fd(request, request->args[0]);

	if (file == NULL) {
		return -LINUX_EBADF;
	}
	struct super *super = file->inode->super;

	return (super->flags & SUPER_WAITS) ? super->ops->sync(super) : 0;
}

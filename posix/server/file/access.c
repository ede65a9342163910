/* SPDX-License-Identifier: MIT */
/* What handlers and kinds of files share; see access.h. */
#include <abi/linux/errno.h>
#include <abi/linux/signal.h>
#include <abi/linux/termios.h>
#include <base/string.h>
#include <posix/server/file/access.h>
#include <posix/server/process/process.h>
#include <posix/server/vfs/mount.h>

static struct file *file_find(struct request *request, uint64_t fd)
{
	/* the upper half of the register is not the program's to set */
	return fd_table_get(request->process->files, (int)(uint32_t)fd);
}

struct file *file_of_fd(struct request *request, uint64_t fd)
{
	struct file *file = file_find(request, fd);

	return file != NULL && (file->flags & LINUX_O_PATH) ? NULL : file;
}

struct file *file_of_call(struct request *request, uint64_t fd)
{
	if (request->state[0] != 0) {
		return (struct file *)request->state[0];
	}
	return file_of_fd(request, fd);
}

static void file_release_call(struct request *request)
{
	file_unref((struct file *)request->state[0]);
	request->state[0] = 0;
}

int64_t file_end_call(struct request *request, struct file *file, int64_t result)
{
	if (result == REQUEST_PARK && request->state[0] == 0) {
		file_ref(file);
		request->state[0] = (uintptr_t)file;
		request->release = file_release_call;
	}
	return result;
}

bool file_must_not_wait(const struct file *file, const struct request *request)
{
	return (file->flags & LINUX_O_NONBLOCK) || request == NULL ||
		(request->flags & POSIX_REQUEST_NOWAIT);
}

int64_t file_wait(struct file *file, struct request *request, struct wait_queue *queue)
{
	if (file_must_not_wait(file, request)) {
		return -LINUX_EAGAIN;
	}
	int64_t error = request_wait_on(request, queue);

	return error < 0 ? error : REQUEST_PARK;
}

bool file_can_seek(const struct file *file)
{
	return file->ops->seek != file_default_seek;
}

static bool file_has_no_access_time(const struct file *file)
{
	return (file->flags & LINUX_O_NOATIME) != 0 ||
		(file->path.dentry != NULL &&
			(file->path.mount->flags & MOUNT_NO_ACCESS_TIME) != 0);
}

void file_touch_accessed(struct file *file)
{
	if (!file_has_no_access_time(file)) {
		inode_touch_accessed(file->inode);
	}
}

uint64_t file_quiet_ns(const struct file *file)
{
	return file_has_no_access_time(file) ? UINT64_MAX : inode_quiet_ns(file->inode);
}

int64_t file_check_size_limit(struct request *request, uint64_t offset)
{
	if (offset < request->process->limits[LIMIT_FSIZE][0]) {
		return 0;
	}
	signal_send_process(request->process,
		&(struct signal_info){ .signal = LINUX_SIGXFSZ, .code = LINUX_SI_KERNEL });
	return -LINUX_EFBIG;
}

int64_t file_seek_to(struct file *file, int64_t offset, int whence, uint64_t size)
{
	int64_t base = 0;
	int64_t position;

	if (whence == LINUX_SEEK_CUR) {
		base = (int64_t)file->offset;
	} else if (whence == LINUX_SEEK_END) {
		base = (int64_t)size;
	} else if (whence != LINUX_SEEK_SET) {
		return -LINUX_EINVAL;
	}
	if (__builtin_add_overflow(base, offset, &position) || position < 0) {
		return -LINUX_EINVAL;
	}
	file->offset = (uint64_t)position;
	return position;
}

int64_t file_ioctl_regular(struct file *file, uint32_t command, void *buffer, size_t size)
{
	if (command != LINUX_FIONREAD || size < sizeof(int32_t)) {
		return -LINUX_ENOTTY;
	}
	uint64_t end = file->inode->size_bytes;
	int32_t left = file->offset < end ? (int32_t)min_u64(end - file->offset, INT32_MAX) : 0;

	memcpy(buffer, &left, sizeof(left));
	return 0;
}

int64_t file_install(struct request *request, struct file *file, bool is_cloexec)
{
	struct process *process = request->process;
	int fd =
		fd_table_add(process->files, file, 0, is_cloexec, process->limits[LIMIT_NOFILE][0]);

	file_unref(file);
	return fd;
}

int64_t file_create_anonymous(const struct process *maker, const struct file_ops *ops,
	const char *kind, void *data, uint32_t flags, struct file **out_file)
{
	struct inode *inode = anonymous_inode_create(0600, kind);

	if (inode == NULL) {
		return -LINUX_ENOMEM;
	}
	int64_t error = file_create(maker, ops, inode, flags, out_file);

	inode_unref(inode);
	if (error == 0) {
		(*out_file)->data = data;
	}
	return error;
}

int64_t file_contents_memory(struct file *file, uint64_t size_needed, hel_handle *out_memory)
{
	if (file->ops->map == file_default_map) {
		return -LINUX_ENODEV;
	}
	if (file->inode->ops->contents == inode_default_contents) {
		return file->ops->map(file, out_memory); /* of a device: not its node's */
	}
	return file->inode->ops->contents(file->inode, size_needed, out_memory);
}

void file_contents_mapped(struct file *file)
{
	file->inode->ops->contents_mapped(file->inode);
}

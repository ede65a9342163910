/* SPDX-License-Identifier: MIT */
/* Open file descriptions: made, referenced, released; and the answers of kinds that lack a hook. */
#include <abi/linux/errno.h>
#include <abi/linux/poll.h>
#include <base/assert.h>
#include <base/string.h>
#include <helix/memory.h>
#include <posix/server/file/access.h>
#include <posix/server/file/epoll.h>
#include <posix/server/file/inotify.h>
#include <posix/server/file/lock.h>
#include <posix/server/file/views.h>
#include <posix/server/process/process.h>
#include <posix/server/vfs/inode.h>
#include <posix/server/vfs/memory-size.h>

/* As Linux: what takes a tenth of memory if a file costs 1 KiB, which it hardly does. */
constexpr uint64_t MEMORY_PER_FILE = KIB(10);
constexpr uint32_t FILES_MIN = 8192, FILES_MAX = 1 << 20;
constexpr uint32_t FILES_RESERVED_PART = 16; /* of all, for administrators and posix */

static uint32_t n_files;

uint32_t file_count(void)
{
	return n_files;
}

uint32_t file_limit(void)
{
	static uint32_t limit;

	if (limit == 0) {
		uint64_t n = memory_size_bytes() / MEMORY_PER_FILE;

		limit = (uint32_t)min_u64(max_u64(n, FILES_MIN), FILES_MAX);
	}
	return limit;
}

/* Whoever may do everything else is not kept out by others, nor is posix by anybody. */
static bool has_room_for(const struct process *maker)
{
	uint32_t limit = file_limit();

	if (maker == NULL) {
		return true;
	}
	if (!credentials_has(&maker->credentials, LINUX_CAP_SYS_ADMIN)) {
		limit -= limit / FILES_RESERVED_PART;
	}
	return n_files < limit;
}

int file_create(const struct process *maker, const struct file_ops *ops, struct inode *inode,
	uint32_t flags, struct file **out_file)
{
	if (!has_room_for(maker)) {
		return -LINUX_ENFILE;
	}
	struct file *file = helix_malloc(sizeof(*file));

	if (file == NULL) {
		return -LINUX_ENOMEM;
	}
	*file = (struct file){ .ops = ops, .references = 1, .flags = flags, .inode = inode };
	list_init(&file->watches);
	inode_ref(inode);
	n_files++;
	*out_file = file;
	return 0;
}

void file_ref(struct file *file)
{
	ASSERT(file->references > 0);
	file_take_position(file);
	file->references++;
}

void file_unref(struct file *file)
{
	if (file == NULL) {
		return;
	}
	ASSERT(file->references > 0);
	if (--file->references > 0) {
		return;
	}
	if (file->is_announced) {
		notify_file(file,
			file_is_writable(file) ? LINUX_IN_CLOSE_WRITE : LINUX_IN_CLOSE_NOWRITE);
	}
	epoll_forget_file(file);
	lock_forget_file(file);
	file->ops->release(file);
	path_unref(&file->path);
	if (file->is_writer) {
		inode_end_writing(file->inode);
	}
	inode_unref(file->inode);
	helix_free(file);
	n_files--;
}

/* ---- defaults ------------------------------------------------------------------------------ */

int64_t file_default_read(UNUSED struct file *file, UNUSED struct request *request,
	UNUSED void *buffer, UNUSED size_t size, UNUSED uint64_t *offset)
{
	return -LINUX_EINVAL;
}

int64_t file_default_write(UNUSED struct file *file, UNUSED struct request *request,
	UNUSED const void *buffer, UNUSED size_t size, UNUSED uint64_t *offset)
{
	return -LINUX_EINVAL;
}

int64_t file_default_read_bulk(
	struct file *file, struct request *request, size_t size, uint64_t *offset)
{
	void *buffer = request_bulk_buffer(request, size);

	if (buffer == NULL) {
		return -LINUX_ENOMEM;
	}
	return file->ops->read(file, request, buffer, size, offset);
}

int64_t file_default_seek(UNUSED struct file *file, UNUSED int64_t offset, UNUSED int whence)
{
	return -LINUX_ESPIPE;
}

uint32_t file_default_poll(UNUSED struct file *file,
	UNUSED void (*queue_of)(void *context, struct wait_queue *queue), UNUSED void *context)
{
	return LINUX_POLLIN | LINUX_POLLRDNORM | LINUX_POLLOUT | LINUX_POLLWRNORM;
}

int64_t file_default_ioctl(UNUSED struct file *file, UNUSED struct request *request,
	UNUSED uint32_t command, UNUSED uint64_t value, UNUSED void *buffer, UNUSED size_t size)
{
	return -LINUX_ENOTTY;
}

int64_t file_default_readdir(UNUSED struct file *file, UNUSED void *buffer, UNUSED size_t size)
{
	return -LINUX_ENOTDIR;
}

int64_t file_default_truncate(UNUSED struct file *file, UNUSED uint64_t size)
{
	return -LINUX_EINVAL;
}

int64_t file_default_fallocate(
	UNUSED struct file *file, UNUSED int mode, UNUSED uint64_t offset, UNUSED uint64_t size)
{
	return -LINUX_ENODEV;
}

int64_t file_default_sync(UNUSED struct file *file, UNUSED struct request *request)
{
	return -LINUX_EINVAL;
}

int64_t file_default_map(UNUSED struct file *file, UNUSED hel_handle *out_memory)
{
	return -LINUX_ENODEV;
}

void file_default_flush(UNUSED struct file *file, UNUSED struct process *process)
{
}

void file_default_release(UNUSED struct file *file)
{
}

const struct file_ops file_ops_default = { FILE_OPS_DEFAULT, .name = "file" };

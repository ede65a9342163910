/* SPDX-License-Identifier: MIT */
/*
 * O_DIRECT: past the page cache.
 *
 * The bytes of a call are in posix' memory, which no device reaches, so they go over memory that is
 * made for the call. What is no multiple of the file system's blocks goes through the cache, and is
 * stored before the call ends, as Linux' file systems do it with what they cannot do directly.
 */
#include <abi/linux/errno.h>
#include <base/errors.h>
#include <helix/helix.h>
#include <posix/server/file/views.h>
#include <posix/server/fs/disk-direct.h>

constexpr uint64_t ALIGNMENT =
	512; /* of offsets and sizes: a sector, as the disk has it or smaller */

int64_t disk_transfer(
	struct disk_inode *node, hel_handle memory, uint64_t offset, uint64_t length, bool is_write)
{
	struct fs_transfer_request request;
	struct fs_transfer_reply reply;
	struct disk_call call;
	int64_t error = disk_call_begin(&call, disk_of(node));

	if (error < 0) {
		return error;
	}
	fs_transfer_request_init(&request);
	request.node = node->id;
	request.offset = offset;
	request.length = length;
	request.is_write = is_write;
	int result = bragi_handles_add(&call.exchange.to_send, memory)
		? fs_session_transfer(call.task, DISK_CLIENT(&call), &request, &reply)
		: -ERR_NO_MEMORY;

	error = disk_call_end(&call, result);
	return error < 0 ? error : (int64_t)min_u64(reply.n_bytes, length);
}

static bool is_whole_blocks(const struct disk_inode *node, uint64_t value)
{
	return value % max_u64(node->inode.super->block_size, ALIGNMENT) == 0;
}

int64_t disk_direct_check(const struct file *file, uint64_t offset, uint64_t size)
{
	return (file->flags & LINUX_O_DIRECT) != 0 && ((offset | size) % ALIGNMENT) != 0
		? -LINUX_EINVAL
		: 0;
}

int64_t disk_direct_read(struct disk_inode *node, void *buffer, size_t size, uint64_t offset)
{
	hel_handle memory;

	if (offset >= node->inode.size_bytes) {
		return 0;
	}
	if (!is_whole_blocks(node, offset)) {
		return disk_contents_read(&node->inode, buffer, size, offset);
	}
	if (request_task() == NULL) {
		return REQUEST_TASK;
	}
	int64_t error = disk_need_contents(node);
	uint64_t length = align_up(size, max_u64(node->inode.super->block_size, ALIGNMENT));

	if (error < 0) {
		return error;
	}
	if (hel_memory_allocate(align_up(length, HEL_PAGE_SIZE), 0, &memory) != 0) {
		return -LINUX_ENOMEM;
	}
	int64_t n_bytes = disk_transfer(node, memory, offset, length, false);

	if (n_bytes > 0) {
		n_bytes = (int64_t)min_u64((uint64_t)n_bytes, size);
		error = fs_errno(hel_memory_read(memory, 0, buffer, (size_t)n_bytes));
	}
	hel_close(HEL_THIS, memory);
	return error < 0 ? error : n_bytes;
}

/* In a task, with room. */
static int64_t direct_write(
	struct disk_inode *node, const void *buffer, size_t size, uint64_t offset)
{
	hel_handle memory;

	if (hel_memory_allocate(align_up(size, HEL_PAGE_SIZE), 0, &memory) != 0) {
		return -LINUX_ENOMEM;
	}
	int64_t n_bytes = fs_errno(hel_memory_write(memory, 0, buffer, size));

	if (n_bytes == 0) {
		n_bytes = disk_transfer(node, memory, offset, size, true);
	}
	hel_close(HEL_THIS, memory);
	return n_bytes;
}

int64_t disk_direct_write(struct disk_inode *node, const void *buffer, size_t size, uint64_t offset)
{
	if (request_task() == NULL) {
		return REQUEST_TASK;
	}
	if (!is_whole_blocks(node, offset) || !is_whole_blocks(node, size)) {
		int64_t n_bytes = disk_contents_write(node, buffer, size, offset);
		int64_t error = n_bytes > 0 ? disk_sync_node(node, true) : 0;

		return error < 0 ? error : n_bytes;
	}
	return disk_write_with(node, buffer, size, offset, direct_write);
}

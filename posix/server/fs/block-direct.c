/* SPDX-License-Identifier: MIT */
/*
 * Reads and writes of volumes past the page cache.
 *
 * They go through memory of their own, in whole blocks of the disk. Where a write begins or ends
 * inside a block, the block is read before; the node's lock keeps two such writes apart.
 */
#include <abi/linux/errno.h>
#include <base/assert.h>
#include <base/errors.h>
#include <hel/hel-calls.h>
#include <posix/server/fs/block-session.h>
#include <posix/server/fs/disk-internal.h>

constexpr uint64_t PIECE_BYTES = MIB(1);

/* A range in whole blocks, and the memory that its bytes go through. */
struct direct {
	struct block_session *session;
	hel_handle memory;
	uint64_t offset, length;
};

static int64_t direct_begin(
	struct direct *direct, struct block_session *session, size_t size, uint64_t offset)
{
	uint32_t unit = session->block->volume.info.logical_block_bytes;
	uint64_t start = align_down(offset, unit);
	uint64_t end = align_up(offset + min_u64(size, PIECE_BYTES), unit);

	if (request_task() == NULL) {
		return REQUEST_TASK;
	}
	*direct = (struct direct){ .session = session, .offset = start, .length = end - start };
	if (hel_memory_allocate(align_up(end - start, HEL_PAGE_SIZE), 0, &direct->memory) != 0) {
		return -LINUX_ENOMEM;
	}
	return 0;
}

static void direct_end(struct direct *direct)
{
	hel_close(HEL_THIS, direct->memory);
}

/* Between the memory and the disk; @out_n_bytes: how many were transferred. */
static int64_t direct_transfer(const struct direct *direct, bool is_write, uint64_t *out_n_bytes)
{
	struct fs_transfer_request request;
	struct fs_transfer_reply reply;
	struct disk_call call;
	int64_t error = disk_call_begin(&call, disk_of(direct->session->node));

	if (error < 0) {
		return error;
	}
	/* room for one is always there */
	bool has_room = bragi_handles_add(&call.exchange.to_send, direct->memory);

	ASSERT(has_room);
	fs_transfer_request_init(&request);
	request.node = direct->session->node->id;
	request.offset = direct->offset;
	request.length = direct->length;
	request.is_write = is_write;
	error = disk_call_end(
		&call, fs_session_transfer(call.task, DISK_CLIENT(&call), &request, &reply));
	if (error == 0) {
		*out_n_bytes = min_u64(reply.n_bytes, direct->length);
	}
	return error;
}

/* Of what was transferred, how much is behind `offset`, and wanted. */
static size_t direct_usable(
	const struct direct *direct, uint64_t n_bytes, size_t size, uint64_t offset)
{
	uint64_t inside = offset - direct->offset;

	return n_bytes <= inside ? 0 : (size_t)min_u64(size, n_bytes - inside);
}

int64_t block_direct_read(struct block_session *session, void *buffer, size_t size, uint64_t offset)
{
	struct direct direct;
	uint64_t n_bytes;
	int64_t result = direct_begin(&direct, session, size, offset);

	if (result < 0) {
		return result;
	}
	result = direct_transfer(&direct, false, &n_bytes);
	if (result == 0) {
		size = direct_usable(&direct, n_bytes, size, offset);
		result = size == 0 ? -LINUX_EIO : (int64_t)size;
	}
	if (result > 0 &&
		hel_memory_read(direct.memory, offset - direct.offset, buffer, size) != 0) {
		result = -LINUX_ENOMEM;
	}
	direct_end(&direct);
	return result;
}

static int64_t direct_write(struct direct *direct, const void *buffer, size_t size, uint64_t offset)
{
	uint64_t end = direct->offset + direct->length;
	uint64_t n_bytes;
	int64_t result = 0;

	size = (size_t)min_u64(size, end - offset);
	if (offset != direct->offset || offset + size != end) {
		result = direct_transfer(direct, false, &n_bytes);
		if (result == 0 && n_bytes < direct->length) {
			result = -LINUX_EIO;
		}
	}
	if (result == 0 &&
		hel_memory_write(direct->memory, offset - direct->offset, buffer, size) != 0) {
		result = -LINUX_ENOMEM;
	}
	if (result == 0) {
		result = direct_transfer(direct, true, &n_bytes);
	}
	if (result == 0) {
		size = direct_usable(direct, n_bytes, size, offset);
		result = size == 0 ? -LINUX_EIO : (int64_t)size;
	}
	return result;
}

int64_t block_direct_write(
	struct block_session *session, const void *buffer, size_t size, uint64_t offset)
{
	struct direct direct;
	int64_t result = direct_begin(&direct, session, size, offset);

	if (result < 0) {
		return result;
	}
	result = disk_inode_lock(session->node);
	if (result == 0) {
		result = direct_write(&direct, buffer, size, offset);
		disk_inode_unlock(session->node);
	}
	direct_end(&direct);
	return result;
}

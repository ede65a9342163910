/* SPDX-License-Identifier: MIT */
/* Open block devices as files. */
#include <abi/linux/errno.h>
#include <abi/linux/fcntl.h>
#include <helix/memory.h>
#include <posix/server/file/access.h>
#include <posix/server/fs/block-session.h>
#include <posix/server/fs/disk-internal.h>
#include <posix/server/fs/loop.h>

static uint64_t block_size(const struct file *file)
{
	return block_of_file(file)->volume.info.size_bytes;
}

/* O_DIRECT of the program, or of necessity. */
static bool is_past_cache(const struct file *file)
{
	return (file->flags & LINUX_O_DIRECT) != 0 || block_of_file(file)->volume.super != NULL;
}

static int64_t check_alignment(const struct file *file, size_t size, uint64_t offset)
{
	uint32_t unit = block_of_file(file)->volume.info.logical_block_bytes;

	return (file->flags & LINUX_O_DIRECT) != 0 && (size | offset) % unit != 0 ? -LINUX_EINVAL
										  : 0;
}

/* ---- reading and writing --------------------------------------------------------------------- */

static int64_t block_read(struct file *file, UNUSED struct request *request, void *buffer,
	size_t size, uint64_t *offset)
{
	struct block_session *session = block_file_of(file)->session;
	uint64_t at = *offset;
	int64_t result = check_alignment(file, size, at);

	if (result < 0 || size == 0 || at >= block_size(file)) {
		return result;
	}
	size = (size_t)min_u64(size, block_size(file) - at);
	result = is_past_cache(file) ? block_direct_read(session, buffer, size, at)
				     : disk_contents_read(&session->node->inode, buffer, size, at);
	if (result > 0) {
		*offset = at + (uint64_t)result; /* others may have read the same meanwhile */
		file_touch_accessed(file);
	}
	return result;
}

static int64_t write_cached(
	struct block_session *session, const void *buffer, size_t size, uint64_t offset)
{
	int64_t result = disk_inode_lock(session->node);

	if (result == 0) {
		result = disk_contents_write(session->node, buffer, size, offset);
		disk_inode_unlock(session->node);
	}
	return result;
}

static int64_t block_write(struct file *file, struct request *request, const void *buffer,
	size_t size, uint64_t *offset)
{
	struct block *block = block_of_file(file);
	struct block_session *session = block_file_of(file)->session;
	bool is_appending = (file->flags & LINUX_O_APPEND) ||
		(request != NULL && (request->flags & POSIX_REQUEST_APPEND));
	uint64_t at = is_appending ? block_size(file) : *offset;
	bool is_durable = (file->flags & LINUX_O_DSYNC) != 0;
	int64_t result = check_alignment(file, size, at);

	if (block_is_read_only(block)) {
		return -LINUX_EPERM;
	}
	if (result < 0 || size == 0) {
		return result;
	}
	if (at >= block_size(file)) {
		return -LINUX_ENOSPC;
	}
	if (is_durable && request_task() == NULL) {
		return REQUEST_TASK;
	}
	size = (size_t)min_u64(size, block_size(file) - at);
	result = is_past_cache(file) ? block_direct_write(session, buffer, size, at)
				     : write_cached(session, buffer, size, at);
	if (result > 0) {
		*offset = at + (uint64_t)result;
	}
	if (result > 0 && is_durable) {
		int64_t error = disk_sync_volume(session->node);

		result = error < 0 ? error : result;
	}
	return result;
}

static int64_t block_sync(struct file *file, UNUSED struct request *request)
{
	return block_file_sync(file);
}

int64_t block_file_sync(struct file *file)
{
	return disk_sync_volume(block_file_of(file)->session->node);
}

/* ---- positions, ranges ----------------------------------------------------------------------- */

static int64_t block_seek(struct file *file, int64_t offset, int whence)
{
	uint64_t size = block_size(file);

	if (whence != LINUX_SEEK_DATA && whence != LINUX_SEEK_HOLE) {
		return file_seek_to(file, offset, whence, size);
	}
	if (offset < 0 || (uint64_t)offset >= size) {
		return -LINUX_ENXIO;
	}
	file->offset = whence == LINUX_SEEK_DATA ? (uint64_t)offset : size;
	return (int64_t)file->offset;
}

/* Holes and zeros are alike: zeros are written, and the disk may give the space back. */
static int64_t block_fallocate(struct file *file, int mode, uint64_t offset, uint64_t size)
{
	constexpr int HOLE = LINUX_FALLOC_FL_PUNCH_HOLE | LINUX_FALLOC_FL_KEEP_SIZE;
	constexpr int ZERO = LINUX_FALLOC_FL_ZERO_RANGE;
	struct block *block = block_of_file(file);
	uint32_t unit = block->volume.info.logical_block_bytes;
	uint64_t device_size = block_size(file);

	if (mode != HOLE && mode != ZERO && mode != (ZERO | LINUX_FALLOC_FL_KEEP_SIZE)) {
		return -LINUX_EOPNOTSUPP;
	}
	if (offset >= device_size) {
		return -LINUX_EINVAL;
	}
	if (size > device_size - offset) {
		if (!(mode & LINUX_FALLOC_FL_KEEP_SIZE)) {
			return -LINUX_EINVAL;
		}
		size = device_size - offset;
	}
	if ((offset | size) % unit != 0) {
		return -LINUX_EINVAL;
	}
	return block_is_read_only(block) ? -LINUX_EPERM : block_clear(block, offset, size, false);
}

static int64_t block_map(struct file *file, hel_handle *out_memory)
{
	struct inode *inode = &block_file_of(file)->session->node->inode;

	return disk_contents_memory(inode, inode->size_bytes, out_memory);
}

/* ---- opening --------------------------------------------------------------------------------- */

static void block_release(struct file *file)
{
	struct block_file *own = block_file_of(file);
	struct block *block = block_of_file(file);

	if (own->is_exclusive) {
		block_unclaim(block);
	}
	block->n_opens--;
	block_session_put(own->session);
	helix_free(own);
}

static const struct file_ops block_file_ops = {
	FILE_OPS_DEFAULT,
	.name = "block device",
	.view_kind = POSIX_VIEW_DIRECT,
	.read = block_read,
	.write = block_write,
	.seek = block_seek,
	.ioctl = block_ioctl,
	.fallocate = block_fallocate,
	.sync = block_sync,
	.map = block_map,
	.release = block_release,
};

bool block_file_is_exclusive(const struct file *file)
{
	return block_file_of(file)->is_exclusive;
}

int64_t block_open_volume(struct volume *volume, struct file *file)
{
	bool is_exclusive = (file->flags & LINUX_O_EXCL) != 0;
	struct block *block = block_of(volume);
	struct block_file *own = helix_malloc(sizeof(*own));

	if (own == NULL) {
		return -LINUX_ENOMEM;
	}
	*own = (struct block_file){ .is_exclusive = is_exclusive };
	volume_ref(volume);
	int64_t error = block_session_get(block, file_is_writable(file), &own->session);

	if (error == 0 && is_exclusive) {
		error = block_claim(block);
		if (error < 0) {
			block_session_put(own->session);
		}
	}
	if (error == 0) {
		block->n_opens++;
		file->data = own;
		file->ops = &block_file_ops;
	} else {
		helix_free(own);
	}
	volume_unref(volume);
	return error;
}

int64_t block_open(struct inode *inode, struct file *file, UNUSED struct request *request)
{
	struct loopdev *loop = loopdev_find(inode->rdev);

	if (loop != NULL) {
		return loopdev_open(loop, file);
	}
	struct volume *volume = volume_find(inode->rdev);

	return volume == NULL ? -LINUX_ENXIO : block_open_volume(volume, file);
}

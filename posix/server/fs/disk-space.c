/* SPDX-License-Identifier: MIT */
/* Where files on disks have data and holes, and changing that. */
#include <abi/linux/errno.h>
#include <abi/linux/fcntl.h>
#include <base/errors.h>
#include <posix/server/file/views.h>
#include <posix/server/fs/disk-internal.h>

int64_t disk_map(struct disk_inode *node, uint64_t offset, struct fs_map_reply *out_reply)
{
	struct fs_map_request request;
	struct disk_call call;
	int64_t error = disk_call_begin(&call, disk_of(node));

	if (error < 0) {
		return error;
	}
	fs_map_request_init(&request);
	request.node = node->id;
	request.offset = offset;
	error = disk_call_end(
		&call, fs_session_map(call.task, DISK_CLIENT(&call), &request, out_reply));
	if (error == 0 &&
		(out_reply->offset > offset || out_reply->length == 0 ||
			out_reply->length > UINT64_MAX - out_reply->offset ||
			out_reply->offset + out_reply->length <= offset)) {
		return -LINUX_EUCLEAN;
	}
	return error;
}

/* Data, or room that was made for some, counts as data until it is known to be none. */
static bool kind_is_data(enum fs_extent_kind kind)
{
	return kind != FS_EXTENT_KIND_HOLE && kind != FS_EXTENT_KIND_UNWRITTEN;
}

int64_t disk_seek_data(struct file *file, uint64_t offset, bool is_data)
{
	struct disk_inode *node = disk_inode_of(file->inode);
	struct fs_map_reply extent;

	if (request_task() == NULL) {
		return REQUEST_TASK;
	}
	for (uint64_t at = offset; at < file->inode->size_bytes;
		at = extent.offset + extent.length) {
		int64_t error = disk_map(node, at, &extent);

		if (error == -LINUX_ENOENT) {
			break;
		}
		if (error < 0) {
			return error;
		}
		if (kind_is_data(extent.kind) == is_data) {
			file->offset = at;
			return (int64_t)at;
		}
	}
	if (is_data || offset >= file->inode->size_bytes) {
		return -LINUX_ENXIO;
	}
	file->offset = file->inode->size_bytes; /* there always is a hole at the end */
	return (int64_t)file->offset;
}

/* ---- fallocate ------------------------------------------------------------------------------- */

static bool allocate_mode_of(int mode, enum fs_allocate_mode *out_mode)
{
	switch ((uint32_t)mode) {
	case 0: *out_mode = FS_ALLOCATE_MODE_GROW; return true;
	case LINUX_FALLOC_FL_KEEP_SIZE: *out_mode = FS_ALLOCATE_MODE_KEEP_SIZE; return true;
	case LINUX_FALLOC_FL_PUNCH_HOLE | LINUX_FALLOC_FL_KEEP_SIZE:
		*out_mode = FS_ALLOCATE_MODE_PUNCH_HOLE;
		return true;
	case LINUX_FALLOC_FL_ZERO_RANGE: *out_mode = FS_ALLOCATE_MODE_ZERO; return true;
	case LINUX_FALLOC_FL_ZERO_RANGE | LINUX_FALLOC_FL_KEEP_SIZE:
		*out_mode = FS_ALLOCATE_MODE_ZERO_KEEP_SIZE;
		return true;
	default: return false;
	}
}

static int64_t allocate_locked(
	struct disk_inode *node, enum fs_allocate_mode mode, uint64_t offset, uint64_t size)
{
	struct inode *inode = &node->inode;
	struct fs_allocate_request request;
	struct fs_allocate_reply reply;
	struct disk_call call;
	int64_t error = disk_call_begin(&call, disk_of(node));

	if (error < 0) {
		return error;
	}
	views_inode_changed(inode);
	if (mode != FS_ALLOCATE_MODE_GROW && mode != FS_ALLOCATE_MODE_KEEP_SIZE) {
		disk_room_forget(node, offset);
	}
	fs_allocate_request_init(&request);
	request.node = node->id;
	request.offset = offset;
	request.length = size;
	request.mode = mode;
	error = disk_call_end(
		&call, fs_session_allocate(call.task, DISK_CLIENT(&call), &request, &reply));
	if (error == 0) {
		inode->blocks = reply.attributes.n_sectors;
		inode->size_bytes = reply.attributes.size;
		inode_touch_modified(inode);
	}
	return error;
}

int64_t disk_fallocate(struct file *file, int linux_mode, uint64_t offset, uint64_t size)
{
	struct disk_inode *node = disk_inode_of(file->inode);
	enum fs_allocate_mode mode;

	if (!allocate_mode_of(linux_mode, &mode)) {
		return -LINUX_EOPNOTSUPP;
	}
	if (request_task() == NULL) {
		return REQUEST_TASK;
	}
	int64_t error = disk_inode_lock(node);

	if (error == 0) {
		error = allocate_locked(node, mode, offset, size);
		disk_inode_unlock(node);
	}
	return error;
}

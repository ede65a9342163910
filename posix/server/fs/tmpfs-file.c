/* SPDX-License-Identifier: MIT */
/* Regular files of tmpfs. */
#include <abi/linux/errno.h>
#include <abi/linux/fcntl.h>
#include <abi/linux/signal.h>
#include <base/string.h>
#include <posix/server/file/access.h>
#include <posix/server/file/views.h>
#include <posix/server/fs/tmpfs-inode.h>
#include <posix/server/process/process.h>

void tmpfs_update_blocks(struct inode *inode)
{
	inode->blocks = tmpfs_inode_of(inode)->contents.n_pages * (HEL_PAGE_SIZE / 512);
}

uint32_t *tmpfs_seals(struct inode *inode)
{
	return inode->ops == &tmpfs_file_inode_ops ? &tmpfs_inode_of(inode)->seals : NULL;
}

bool tmpfs_is_mapped_writable(struct inode *inode)
{
	return contents_are_mapped_writable(&tmpfs_inode_of(inode)->contents);
}

int64_t tmpfs_set_size(struct inode *inode, uint64_t size)
{
	struct tmpfs_inode *node = tmpfs_inode_of(inode);

	if (size > CONTENTS_SIZE_MAX) {
		return -LINUX_EFBIG;
	}
	if ((size < inode->size_bytes && (node->seals & LINUX_F_SEAL_SHRINK)) ||
		(size > inode->size_bytes && (node->seals & LINUX_F_SEAL_GROW))) {
		return -LINUX_EPERM;
	}
	if (size != inode->size_bytes) {
		views_inode_changed(inode);
		int64_t error = contents_truncate(&node->contents, size);

		if (error < 0) {
			return error;
		}
		tmpfs_update_blocks(inode);
	}
	inode->size_bytes = size;
	inode_touch_modified(inode);
	return 0;
}

/* ---- reading ------------------------------------------------------------------------------- */

static size_t tmpfs_bytes_from(const struct inode *inode, uint64_t offset, size_t size)
{
	return offset >= inode->size_bytes ? 0 : (size_t)min_u64(size, inode->size_bytes - offset);
}

static int64_t tmpfs_read(struct file *file, UNUSED struct request *request, void *buffer,
	size_t size, uint64_t *offset)
{
	size = tmpfs_bytes_from(file->inode, *offset, size);
	contents_read(&tmpfs_inode_of(file->inode)->contents, buffer, size, *offset);
	*offset += size;
	file_touch_accessed(file);
	return (int64_t)size;
}

/* Answers from where the bytes are. What lies behind the capacity is copied: it is rare. */
static int64_t tmpfs_read_bulk(
	struct file *file, struct request *request, size_t size, uint64_t *offset)
{
	struct contents *contents = &tmpfs_inode_of(file->inode)->contents;
	size_t n_bytes = tmpfs_bytes_from(file->inode, *offset, size);
	size_t n_in_a_row = n_bytes;
	struct contents_view *view;

	if (n_bytes == 0) {
		file_touch_accessed(file);
		return 0;
	}
	const void *bytes = contents_peek(contents, *offset, &n_in_a_row, &view);

	if (n_in_a_row < n_bytes) {
		contents_view_unref(view);
		return file_default_read_bulk(file, request, n_bytes, offset);
	}
	request_bulk(request, bytes, n_bytes, contents_view_unref, view);
	*offset += n_bytes;
	file_touch_accessed(file);
	return (int64_t)n_bytes;
}

/* ---- writing ------------------------------------------------------------------------------- */

static int64_t tmpfs_write_limit(
	const struct file *file, struct request *request, uint64_t offset, size_t *in_out_size)
{
	const struct tmpfs_inode *node = container_of(file->inode, struct tmpfs_inode, inode);
	uint64_t limit = CONTENTS_SIZE_MAX;

	if (node->seals & (LINUX_F_SEAL_WRITE | LINUX_F_SEAL_FUTURE_WRITE)) {
		return -LINUX_EPERM;
	}
	if (node->seals & LINUX_F_SEAL_GROW) {
		if (offset >= file->inode->size_bytes) {
			return -LINUX_EPERM;
		}
		limit = file->inode->size_bytes;
	}
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

int64_t tmpfs_write(struct inode *inode, const void *data, size_t size, uint64_t offset)
{
	struct tmpfs_inode *node = tmpfs_inode_of(inode);
	int64_t n_bytes = contents_write(&node->contents, data, size, offset);

	if (n_bytes < 0) {
		return n_bytes;
	}
	inode->size_bytes = max_u64(inode->size_bytes, offset + (uint64_t)n_bytes);
	tmpfs_update_blocks(inode);
	inode_touch_modified(inode);
	return n_bytes;
}

int64_t tmpfs_show(struct inode *inode, hel_handle memory, uint64_t offset, uint64_t size)
{
	int64_t error = contents_show(&tmpfs_inode_of(inode)->contents, memory, offset, size);

	if (error == 0) {
		inode->size_bytes = size;
		tmpfs_update_blocks(inode);
	}
	return error;
}

static int64_t tmpfs_file_write(struct file *file, struct request *request, const void *buffer,
	size_t size, uint64_t *offset)
{
	bool is_appending = (file->flags & LINUX_O_APPEND) ||
		(request != NULL && (request->flags & POSIX_REQUEST_APPEND));
	uint64_t at = is_appending ? file->inode->size_bytes : *offset;

	if (size == 0) {
		return 0;
	}
	int64_t result = tmpfs_write_limit(file, request, at, &size);

	if (result == 0) {
		result = tmpfs_write(file->inode, buffer, size, at);
	}
	if (result > 0) {
		*offset = at + (uint64_t)result;
		if (request != NULL) {
			inode_remove_privileges(file->inode, &request->process->credentials);
		}
	}
	return result;
}

/* ---- positions and sizes ------------------------------------------------------------------- */

static int64_t tmpfs_seek_data(struct file *file, uint64_t offset, bool is_data)
{
	struct inode *inode = file->inode;

	if (offset >= inode->size_bytes) {
		return -LINUX_ENXIO;
	}
	uint64_t page =
		contents_next(&tmpfs_inode_of(inode)->contents, offset / HEL_PAGE_SIZE, is_data);

	if (page == UINT64_MAX) {
		return -LINUX_ENXIO;
	}
	uint64_t found = max_u64(page * HEL_PAGE_SIZE, offset);

	if (found >= inode->size_bytes) {
		if (is_data) {
			return -LINUX_ENXIO;
		}
		found = inode->size_bytes;
	}
	file->offset = found;
	return (int64_t)found;
}

static int64_t tmpfs_seek(struct file *file, int64_t offset, int whence)
{
	if (whence == LINUX_SEEK_DATA || whence == LINUX_SEEK_HOLE) {
		return offset < 0
			? -LINUX_ENXIO
			: tmpfs_seek_data(file, (uint64_t)offset, whence == LINUX_SEEK_DATA);
	}
	return file_seek_to(file, offset, whence, file->inode->size_bytes);
}

static int64_t tmpfs_truncate(struct file *file, uint64_t size)
{
	return tmpfs_set_size(file->inode, size);
}

static int64_t tmpfs_punch(struct inode *inode, uint64_t offset, uint64_t size)
{
	struct tmpfs_inode *node = tmpfs_inode_of(inode);

	if (node->seals & (LINUX_F_SEAL_WRITE | LINUX_F_SEAL_FUTURE_WRITE)) {
		return -LINUX_EPERM;
	}
	if (offset < inode->size_bytes) {
		uint64_t end = min_u64(offset + size, inode->size_bytes);

		if (end == inode->size_bytes) {
			end = align_up(end, HEL_PAGE_SIZE); /* nothing is behind it */
		}
		views_inode_changed(inode);
		int64_t error = contents_zero(&node->contents, offset, end - offset);

		if (error < 0) {
			return error;
		}
		tmpfs_update_blocks(inode);
		inode_touch_modified(inode);
	}
	return 0;
}

static int64_t tmpfs_fallocate(struct file *file, int mode, uint64_t offset, uint64_t size)
{
	struct inode *inode = file->inode;
	struct tmpfs_inode *node = tmpfs_inode_of(inode);
	uint64_t end = offset + size;

	if (mode == (LINUX_FALLOC_FL_PUNCH_HOLE | LINUX_FALLOC_FL_KEEP_SIZE)) {
		return tmpfs_punch(inode, offset, size);
	}
	if ((uint32_t)mode & ~LINUX_FALLOC_FL_KEEP_SIZE) {
		return -LINUX_EOPNOTSUPP;
	}
	if (end > CONTENTS_SIZE_MAX) {
		return -LINUX_EFBIG;
	}
	if (end > inode->size_bytes && (node->seals & LINUX_F_SEAL_GROW)) {
		return -LINUX_EPERM;
	}
	int64_t error = contents_allocate(&node->contents, offset, size);

	if (error == 0 && mode == 0) {
		inode->size_bytes = max_u64(inode->size_bytes, end);
	}
	tmpfs_update_blocks(inode);
	inode_touch_changed(inode);
	return error;
}

static int64_t tmpfs_sync(UNUSED struct file *file, UNUSED struct request *request)
{
	return 0;
}

static int64_t tmpfs_map(struct file *file, hel_handle *out_memory)
{
	return file->inode->ops->contents(file->inode, file->inode->size_bytes, out_memory);
}

static int64_t tmpfs_ioctl(struct file *file, UNUSED struct request *request, uint32_t command,
	UNUSED uint64_t value, void *buffer, size_t size)
{
	return file_ioctl_regular(file, command, buffer, size);
}

const struct file_ops tmpfs_file_ops = {
	FILE_OPS_DEFAULT,
	.name = "tmpfs file",
	.view_kind = POSIX_VIEW_FILE,
	.read = tmpfs_read,
	.write = tmpfs_file_write,
	.read_bulk = tmpfs_read_bulk,
	.seek = tmpfs_seek,
	.ioctl = tmpfs_ioctl,
	.truncate = tmpfs_truncate,
	.fallocate = tmpfs_fallocate,
	.sync = tmpfs_sync,
	.map = tmpfs_map,
};

int64_t tmpfs_file_open(
	UNUSED struct inode *inode, struct file *file, UNUSED struct request *request)
{
	file->ops = &tmpfs_file_ops;
	return 0;
}

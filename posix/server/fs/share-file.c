/* SPDX-License-Identifier: MIT */
/*
 * Files that others change, too: those of a file system that is shared (docs/protocols/fs.md).
 *
 * What is known is asked for again when it is used: names when a walk comes by, attributes by
 * whoever looks at them. Reads and writes are transfers past the page cache, which only mappings
 * use; the server keeps the two alike, and drops pages when it sees that the file has changed. So
 * there are no views, and no times of our own.
 *
 * A file that is open when its last name goes is still there: `prepare` has the server hold it.
 */
#include <abi/linux/errno.h>
#include <abi/linux/fcntl.h>
#include <posix/server/file/access.h>
#include <posix/server/fs/disk-direct.h>
#include <posix/server/fs/disk-ioctl.h>
#include <posix/server/fs/disk-xattr.h>
#include <posix/server/process/process.h>
#include <posix/server/vfs/xattr.h>

constexpr uint32_t CALL_FDATASYNC = 75;
constexpr uint32_t LOOKS_MAX = 4; /* at a name in a directory that is being changed */

/* ---- is it still so? ------------------------------------------------------------------------- */

int64_t share_check_inode(struct inode *inode)
{
	struct disk_inode *node = disk_inode_of(inode);
	struct fs_get_attributes_request request;
	struct fs_get_attributes_reply reply;
	struct disk_call call;
	int64_t error = disk_call_begin(&call, disk_of(node));

	if (error < 0) {
		return error;
	}
	inode_ref(inode); /* who has it open may close it meanwhile */
	fs_get_attributes_request_init(&request);
	request.node = node->id;
	error = disk_call_end(
		&call, fs_session_get_attributes(call.task, DISK_CLIENT(&call), &request, &reply));
	if (error == 0) {
		disk_inode_learn(node, &reply.attributes);
	}
	inode_unref(inode);
	return error;
}

static int64_t look_up(struct dentry *dentry, struct disk_inode **out_node)
{
	struct inode *directory = dentry->parent->inode;
	struct disk_super *disk = disk_super_of(directory->super);
	uint64_t n_gone = disk->n_gone;
	struct fs_lookup_request request;
	struct fs_lookup_reply reply;
	struct disk_call call;
	int64_t error = disk_call_begin(&call, disk);

	if (error < 0) {
		return error;
	}
	fs_lookup_request_init(&request);
	request.directory = disk_inode_of(directory)->id;
	request.name = (struct bragi_string){ .text = dentry->name, .length = dentry->name_size };
	error = disk_call_end(
		&call, fs_session_lookup(call.task, DISK_CLIENT(&call), &request, &reply));
	return error < 0 ? error : disk_inode_take(disk, &reply.node, n_gone, out_node);
}

/* An answer from before a change of our own tells nothing: ask again. */
int64_t share_check_name(struct dentry *dentry)
{
	struct disk_inode *directory = disk_inode_of(dentry->parent->inode);

	for (uint32_t i = 0; i < LOOKS_MAX; i++) {
		uint32_t n_changes = directory->n_name_changes;
		struct disk_inode *node = NULL;
		int64_t error = look_up(dentry, &node);

		if (error < 0 && error != -LINUX_ENOENT) {
			return error;
		}
		bool is_same =
			dentry->is_hashed && dentry->inode == (node != NULL ? &node->inode : NULL);

		if (node != NULL) {
			inode_unref(&node->inode);
		}
		if (is_same) {
			return 0;
		}
		if (!dentry->is_hashed || n_changes == directory->n_name_changes) {
			break;
		}
	}
	return 1;
}

int64_t share_check_xattrs(struct inode *inode)
{
	struct disk_inode *node = disk_inode_of(inode);
	int64_t error = request_task() == NULL ? REQUEST_TASK : disk_inode_lock(node);

	if (error < 0) {
		return error;
	}
	inode_ref(inode);
	xattr_free_all(inode);
	node->has_xattrs = false;
	error = disk_xattrs_load(node, true);
	if (error == -LINUX_EOPNOTSUPP) {
		error = 0; /* the host has none at all */
	}
	disk_inode_unlock(node);
	inode_unref(inode);
	return error;
}

/* ---- contents -------------------------------------------------------------------------------- */

static int64_t share_contents_read(struct inode *inode, void *buffer, size_t size, uint64_t offset)
{
	hel_handle memory;

	if (size == 0) {
		return 0;
	}
	if (request_task() == NULL) {
		return REQUEST_TASK;
	}
	if (hel_memory_allocate(align_up(size, HEL_PAGE_SIZE), 0, &memory) != 0) {
		return -LINUX_ENOMEM;
	}
	int64_t n_bytes = disk_transfer(disk_inode_of(inode), memory, offset, size, false);

	if (n_bytes > 0) {
		int64_t error = fs_errno(hel_memory_read(memory, 0, buffer, (size_t)n_bytes));

		n_bytes = error < 0 ? error : n_bytes;
	}
	hel_close(HEL_THIS, memory);
	return n_bytes;
}

static int64_t share_file_read(struct file *file, UNUSED struct request *request, void *buffer,
	size_t size, uint64_t *offset)
{
	int64_t n_bytes = share_contents_read(file->inode, buffer, size, *offset);

	if (n_bytes > 0) {
		*offset += (uint64_t)n_bytes;
	}
	return n_bytes;
}

static int64_t write_bytes(struct inode *inode, const void *buffer, size_t size, uint64_t offset)
{
	hel_handle memory;

	if (hel_memory_allocate(align_up(size, HEL_PAGE_SIZE), 0, &memory) != 0) {
		return -LINUX_ENOMEM;
	}
	int64_t n_bytes = fs_errno(hel_memory_write(memory, 0, buffer, size));

	if (n_bytes == 0) {
		n_bytes = disk_transfer(disk_inode_of(inode), memory, offset, size, true);
	}
	hel_close(HEL_THIS, memory);
	if (n_bytes > 0) {
		inode->size_bytes = max_u64(inode->size_bytes, offset + (uint64_t)n_bytes);
		inode_touch_modified(inode);
	}
	return n_bytes;
}

/* An append has the lock: it has to know where the end is until it has written there. */
static int64_t write_somewhere(struct file *file, struct request *request, const void *buffer,
	size_t size, uint64_t *offset)
{
	struct inode *inode = file->inode;
	bool is_append = disk_write_appends(file, request);
	uint64_t at = *offset;
	int64_t result = is_append ? disk_inode_lock(disk_inode_of(inode)) : 0;

	if (result < 0) {
		return result;
	}
	if (is_append) {
		result = inode_check(inode);
		at = inode->size_bytes;
	}
	if (result == 0) {
		result = disk_write_limit(request, at, &size);
	}
	if (result == 0) {
		result = write_bytes(inode, buffer, size, at);
	}
	if (is_append) {
		disk_inode_unlock(disk_inode_of(inode));
	}
	*offset = result > 0 ? at + (uint64_t)result : *offset;
	return result;
}

static int64_t share_file_write(struct file *file, struct request *request, const void *buffer,
	size_t size, uint64_t *offset)
{
	struct disk_inode *node = disk_inode_of(file->inode);
	int64_t error = 0;

	if (size == 0) {
		return 0;
	}
	if (request_task() == NULL) {
		return REQUEST_TASK;
	}
	int64_t result = write_somewhere(file, request, buffer, size, offset);

	if (result > 0 && request != NULL) {
		inode_remove_privileges(file->inode, &request->process->credentials);
		error = disk_inode_tell(node);
	}
	if (result > 0 && (file->flags & LINUX_O_DSYNC) != 0) {
		error = disk_sync_node(node, (file->flags & LINUX_O_SYNC) != LINUX_O_SYNC);
	}
	return error < 0 ? error : result;
}

/* ---- size ------------------------------------------------------------------------------------ */

static int64_t share_truncate(struct inode *inode, uint64_t size)
{
	struct disk_inode *node = disk_inode_of(inode);
	struct fs_set_attributes_request request;
	struct fs_set_attributes_reply reply;
	struct disk_call call;
	int64_t error = disk_call_begin(&call, disk_of(node));

	if (error < 0) {
		return error;
	}
	fs_set_attributes_request_init(&request);
	request.node = node->id;
	request.what = FS_SET_SIZE;
	request.attributes.size = size;
	error = disk_call_end(
		&call, fs_session_set_attributes(call.task, DISK_CLIENT(&call), &request, &reply));
	if (error == 0) {
		disk_inode_learn(node, &reply.attributes);
	}
	return error;
}

static int64_t share_file_truncate(struct file *file, uint64_t size)
{
	return share_truncate(file->inode, size);
}

/* Where holes are the host does not tell: all of a file is data. */
static int64_t share_file_seek(struct file *file, int64_t offset, int whence)
{
	bool is_data = whence == LINUX_SEEK_DATA;
	int64_t error =
		whence == LINUX_SEEK_SET || whence == LINUX_SEEK_CUR ? 0 : inode_check(file->inode);

	if (error < 0) {
		return error;
	}
	uint64_t size = file->inode->size_bytes;

	if (is_data || whence == LINUX_SEEK_HOLE) {
		if (offset < 0 || (uint64_t)offset >= size) {
			return -LINUX_ENXIO;
		}
		file->offset = is_data ? (uint64_t)offset : size;
		return (int64_t)file->offset;
	}
	return file_seek_to(file, offset, whence, size);
}

/* ---- the rest -------------------------------------------------------------------------------- */

static int64_t share_file_sync(struct file *file, struct request *request)
{
	bool is_data_only = request != NULL && request->number == CALL_FDATASYNC;

	return disk_sync_node(disk_inode_of(file->inode), is_data_only);
}

static int64_t share_file_map(struct file *file, hel_handle *out_memory)
{
	int64_t error = inode_check(file->inode);

	return error < 0 ? error
			 : disk_contents_memory(file->inode, file->inode->size_bytes, out_memory);
}

static int64_t share_file_fallocate(
	UNUSED struct file *file, UNUSED int mode, UNUSED uint64_t offset, UNUSED uint64_t size)
{
	return -LINUX_EOPNOTSUPP; /* 9P has no such message */
}

static int64_t share_file_ioctl(struct file *file, UNUSED struct request *request, uint32_t command,
	UNUSED uint64_t value, void *buffer, size_t size)
{
	int64_t error = inode_check(file->inode);

	return error < 0 ? error : file_ioctl_regular(file, command, buffer, size);
}

static const struct file_ops share_file_ops = {
	FILE_OPS_DEFAULT,
	.name = "shared file",
	.read = share_file_read,
	.write = share_file_write,
	.seek = share_file_seek,
	.ioctl = share_file_ioctl,
	.truncate = share_file_truncate,
	.fallocate = share_file_fallocate,
	.sync = share_file_sync,
	.map = share_file_map,
};

/* The server keeps what it has prepared as long as we have the node. */
static int64_t share_file_open(
	struct inode *inode, struct file *file, UNUSED struct request *request)
{
	struct disk_inode *node = disk_inode_of(inode);
	bool is_read = file_is_readable(file);
	bool is_write = file_is_writable(file);
	struct fs_prepare_request prepare;
	struct fs_prepare_reply reply;
	struct disk_call call;

	if ((is_read && !node->can_read) || (is_write && !node->can_write)) {
		int64_t error = disk_call_begin(&call, disk_of(node));

		if (error < 0) {
			return error;
		}
		fs_prepare_request_init(&prepare);
		prepare.node = node->id;
		prepare.is_read = is_read;
		prepare.is_write = is_write;
		error = disk_call_end(
			&call, fs_session_prepare(call.task, DISK_CLIENT(&call), &prepare, &reply));
		if (error < 0) {
			return error;
		}
		node->can_read |= is_read;
		node->can_write |= is_write;
	}
	file->ops = &share_file_ops;
	return 0;
}

const struct inode_ops share_file_inode_ops = {
	INODE_OPS_DEFAULT,
	.name = "shared file",
	.open = share_file_open,
	.truncate = share_truncate,
	.change = disk_inode_change,
	.contents = disk_contents_memory,
	.read = disk_contents_read, /* of programs, which are mapped then */
	.release = disk_inode_release,
};

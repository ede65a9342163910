/* SPDX-License-Identifier: MIT */
/* Open directories; see directory.h. */
#include <abi/linux/errno.h>
#include <abi/linux/fcntl.h>
#include <base/string.h>
#include <posix/server/vfs/dentry.h>
#include <posix/server/vfs/directory.h>

bool dirent_write(struct dirent_writer *writer, uint64_t cookie, uint64_t ino, uint8_t type,
	const char *name, size_t name_size)
{
	size_t header_size = offsetof(struct linux_dirent64, name);
	size_t size = align_up_size(header_size + name_size + 1, 8);

	if (writer->size - writer->used < size) {
		writer->is_full = true;
		return false;
	}
	uint8_t *at = writer->buffer + writer->used;
	struct linux_dirent64 *record = (struct linux_dirent64 *)at;

	record->ino = ino;
	record->offset = (int64_t)cookie;
	record->record_size = (uint16_t)size;
	record->type = type;
	memcpy(at + header_size, name, name_size);
	memset(at + header_size + name_size, 0, size - header_size - name_size);
	writer->used += size;
	writer->position = cookie;
	return true;
}

static bool directory_list_dots(struct file *file, struct dirent_writer *writer)
{
	struct dentry *dentry = file->path.dentry;
	struct dentry *parent = dentry->parent != NULL ? dentry->parent : dentry;

	if (writer->position < 1 &&
		!dirent_write(writer, 1, file->inode->ino, LINUX_DT_DIR, ".", 1)) {
		return false;
	}
	return writer->position >= DIRECTORY_COOKIE_DOTS ||
		dirent_write(
			writer, DIRECTORY_COOKIE_DOTS, parent->inode->ino, LINUX_DT_DIR, "..", 2);
}

int64_t directory_read(struct file *file, void *buffer, size_t size, directory_list_fn list)
{
	struct dirent_writer writer = { .buffer = buffer, .size = size, .position = file->offset };

	if (file->inode->nlink == 0) {
		return -LINUX_ENOENT; /* removed */
	}
	if (directory_list_dots(file, &writer)) {
		int64_t error = list(file, &writer);

		if (error < 0) {
			return error;
		}
	}
	if (writer.used == 0 && writer.is_full) {
		return -LINUX_EINVAL; /* not even one fits */
	}
	file->offset = writer.position;
	inode_touch_accessed(file->inode);
	return (int64_t)writer.used;
}

int64_t directory_seek(struct file *file, int64_t offset, int whence)
{
	if (whence == LINUX_SEEK_CUR) {
		offset += (int64_t)file->offset;
	} else if (whence != LINUX_SEEK_SET) {
		return -LINUX_EINVAL;
	}
	if (offset < 0) {
		return -LINUX_EINVAL;
	}
	file->offset = (uint64_t)offset;
	return offset;
}

int64_t directory_read_bytes(UNUSED struct file *file, UNUSED struct request *request,
	UNUSED void *buffer, UNUSED size_t size, UNUSED uint64_t *offset)
{
	return -LINUX_EISDIR;
}

int64_t directory_read_bulk(UNUSED struct file *file, UNUSED struct request *request,
	UNUSED size_t size, UNUSED uint64_t *offset)
{
	return -LINUX_EISDIR;
}

int64_t directory_sync(UNUSED struct file *file, UNUSED struct request *request)
{
	return 0;
}

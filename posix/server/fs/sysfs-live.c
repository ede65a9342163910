/* SPDX-License-Identifier: MIT */
/*
 * Files of sysfs whose text is made anew for each read.
 *
 * They are files of sysfs' tmpfs with operations of their own, and have no contents there.
 */
#include <abi/linux/errno.h>
#include <base/string.h>
#include <helix/memory.h>
#include <posix/server/file/access.h>
#include <posix/server/fs/sysfs.h>
#include <posix/server/fs/tmpfs-inode.h>

struct live {
	sysfs_print_fn print;
	uint64_t key;
};

static int64_t live_read(struct file *file, UNUSED struct request *request, void *buffer,
	size_t size, uint64_t *offset)
{
	const struct live *live = file->inode->data;
	char text[SYSFS_LIVE_TEXT_MAX];
	int64_t length = live->print(live->key, text, sizeof(text));

	if (length < 0) {
		return length;
	}
	if (*offset >= (uint64_t)length) {
		return 0;
	}
	size = min_size(size, (size_t)length - (size_t)*offset);
	memcpy(buffer, text + *offset, size);
	*offset += size;
	return (int64_t)size;
}

static int64_t live_seek(struct file *file, int64_t offset, int whence)
{
	return file_seek_to(file, offset, whence, HEL_PAGE_SIZE);
}

static const struct file_ops live_file_ops = {
	FILE_OPS_DEFAULT,
	.name = "sysfs text",
	.read = live_read,
	.seek = live_seek,
};

static int64_t live_open(
	UNUSED struct inode *inode, struct file *file, UNUSED struct request *request)
{
	file->ops = &live_file_ops;
	return 0;
}

static void live_release(struct inode *inode)
{
	helix_free(inode->data);
	tmpfs_file_inode_ops.release(inode);
}

static const struct inode_ops live_inode_ops = {
	INODE_OPS_DEFAULT,
	.name = "sysfs text",
	.open = live_open,
	.release = live_release,
};

int64_t sysfs_live_init(struct inode *inode, sysfs_print_fn print, uint64_t key)
{
	struct live *live = helix_malloc(sizeof(*live));

	if (live == NULL) {
		return -LINUX_ENOMEM;
	}
	*live = (struct live){ .print = print, .key = key };
	inode->data = live;
	inode->ops = &live_inode_ops;
	inode->size_bytes = HEL_PAGE_SIZE;
	return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * The one node of memory in sysfs: devices/system/node.
 *
 * Its meminfo is made anew for each read. It is a file of sysfs' tmpfs with operations of its own,
 * and has no contents there.
 */
#include <abi/linux/errno.h>
#include <base/format.h>
#include <base/string.h>
#include <posix/server/file/access.h>
#include <posix/server/fs/sysfs.h>
#include <posix/server/fs/tmpfs.h>
#include <posix/server/vfs/dentry.h>
#include <posix/server/vfs/vfs.h>

constexpr size_t NODE_TEXT_MAX = 2048;

static int64_t node_meminfo_read(UNUSED struct file *file, UNUSED struct request *request,
	void *buffer, size_t size, uint64_t *offset)
{
	char text[NODE_TEXT_MAX];
	int64_t length = system_print("node0/meminfo", text, sizeof(text));

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

static int64_t node_meminfo_seek(struct file *file, int64_t offset, int whence)
{
	return file_seek_to(file, offset, whence, HEL_PAGE_SIZE);
}

static const struct file_ops node_meminfo_file_ops = {
	FILE_OPS_DEFAULT,
	.name = "sysfs text",
	.read = node_meminfo_read,
	.seek = node_meminfo_seek,
};

static int64_t node_meminfo_open(
	UNUSED struct inode *inode, struct file *file, UNUSED struct request *request)
{
	file->ops = &node_meminfo_file_ops;
	return 0;
}

static struct inode_ops node_meminfo_ops = {
	INODE_OPS_DEFAULT,
	.name = "sysfs text",
	.open = node_meminfo_open,
};

static int64_t sysfs_make_node_meminfo(struct dentry *root)
{
	const struct node_spec spec = { .mode = LINUX_S_IFREG | 0444 };
	struct dentry *dentry;
	int64_t error =
		tmpfs_make_path(root, "devices/system/node/node0/meminfo", &spec, NULL, &dentry);

	if (error < 0) {
		return error;
	}
	node_meminfo_ops.release = dentry->inode->ops->release;
	dentry->inode->ops = &node_meminfo_ops;
	dentry->inode->size_bytes = HEL_PAGE_SIZE;
	dentry_unref(dentry);
	return 0;
}

int64_t sysfs_make_node(struct dentry *root, uint32_t n_cpus, const char *list, const char *mask)
{
	const struct {
		const char *name, *text;
	} files[] = {
		{ "has_cpu", "0\n" },
		{ "has_memory", "0\n" },
		{ "has_normal_memory", "0\n" },
		{ "online", "0\n" },
		{ "possible", "0\n" },
		{ "node0/cpulist", list },
		{ "node0/cpumap", mask },
		{ "node0/distance", "10\n" },
	};
	const struct node_spec link = { .mode = LINUX_S_IFLNK | 0777 };
	int64_t error = sysfs_make_folder("devices/system/node/node0");
	char path[64], target[32];

	for (size_t i = 0; i < ARRAY_SIZE(files) && error == 0; i++) {
		format_to(path, sizeof(path), "devices/system/node/%s", files[i].name);
		error = sysfs_make_text(path, files[i].text);
	}
	for (uint32_t cpu = 0; cpu < n_cpus && error == 0; cpu++) {
		format_to(path, sizeof(path), "devices/system/node/node0/cpu%u", cpu);
		format_to(target, sizeof(target), "../../cpu/cpu%u", cpu);
		error = tmpfs_make_path(root, path, &link, target, NULL);
	}
	return error == 0 ? sysfs_make_node_meminfo(root) : error;
}

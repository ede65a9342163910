/* SPDX-License-Identifier: MIT */
/* Device numbers and the file system on /dev. */
#include <abi/linux/errno.h>
#include <posix/server/file/access.h>
#include <posix/server/fs/block.h>
#include <posix/server/fs/device.h>
#include <posix/server/fs/loop.h>
#include <posix/server/fs/tmpfs.h>
#include <posix/server/tty/pty.h>
#include <posix/server/vfs/dentry.h>
#include <posix/server/vfs/mount.h>

constexpr uint32_t DEVICE_FILES_MAX = 65536;

static struct list devices = LIST_INIT(devices);
static struct super *devtmpfs;

struct device *device_find(uint64_t rdev)
{
	LIST_FOR_EACH(device, &devices, struct device, node) {
		if (device->rdev == rdev) {
			return device;
		}
	}
	return NULL;
}

struct device *device_next(struct device *device)
{
	struct list_node *node =
		device == NULL ? list_first(&devices) : list_next(&devices, &device->node);

	return LIST_ENTRY(node, struct device, node);
}

int64_t device_register(struct device *device)
{
	list_push_back(&devices, &device->node);
	return devtmpfs_make_node(device->name, LINUX_S_IFCHR | device->mode, device->rdev);
}

int64_t devtmpfs_link(const char *name, const char *target)
{
	struct node_spec spec = { .mode = LINUX_S_IFLNK | 0777 };

	return tmpfs_make_path(devtmpfs->root, name, &spec, target, NULL);
}

int64_t devtmpfs_make_node(const char *name, uint32_t mode, uint64_t rdev)
{
	struct node_spec spec = { .mode = mode, .rdev = rdev };

	return tmpfs_make_path(devtmpfs->root, name, &spec, NULL, NULL);
}

void devtmpfs_remove(const char *name, uint64_t rdev)
{
	struct dentry *dentry;

	if (tmpfs_find_path(devtmpfs->root, name, &dentry) < 0) {
		return;
	}
	bool is_node = inode_is_type(dentry->inode, LINUX_S_IFBLK) && dentry->inode->rdev == rdev;
	bool is_ours = is_node || inode_is_type(dentry->inode, LINUX_S_IFLNK);

	dentry_unref(dentry);
	if (is_ours) {
		tmpfs_remove_path(devtmpfs->root, name);
	}
}

struct super *devtmpfs_super(void)
{
	return devtmpfs;
}

int64_t devtmpfs_mount_create(
	UNUSED const char *source, UNUSED const char *options, struct super **out_super)
{
	super_ref(devtmpfs);
	*out_super = devtmpfs;
	return 0;
}

static int64_t devtmpfs_make_links(void)
{
	static const char *const links[][2] = {
		{ "fd", "/proc/self/fd" },
		{ "stdin", "/proc/self/fd/0" },
		{ "stdout", "/proc/self/fd/1" },
		{ "stderr", "/proc/self/fd/2" },
	};
	static const char *const folders[] = { "pts", "shm" };
	int64_t error = 0;

	for (size_t i = 0; i < ARRAY_SIZE(links) && error == 0; i++) {
		error = devtmpfs_link(links[i][0], links[i][1]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(folders) && error == 0; i++) {
		error = tmpfs_make(devtmpfs->root, folders[i],
			&(struct node_spec){ .mode = LINUX_S_IFDIR | 0755 }, NULL, NULL);
	}
	return error;
}

int64_t devtmpfs_init(void)
{
	struct tmpfs_options options = tmpfs_default_options();

	options.type = "devtmpfs";
	options.mode = 0755;
	options.n_files_max = DEVICE_FILES_MAX;
	int64_t error = tmpfs_create(&options, &devtmpfs);

	if (error == 0) {
		devtmpfs->n_mounts++; /* it stays when nobody mounts it */
		error = devtmpfs_make_links();
	}
	if (error == 0) {
		error = memory_devices_init();
	}
	if (error == 0) {
		error = loops_init();
	}
	return error;
}

/* ---- opening nodes ------------------------------------------------------------------------- */

int64_t device_inode_open(struct inode *inode, struct file *file, struct request *request)
{
	if (pty_is_slave_number(inode->rdev)) {
		return pty_open_slave(inode->rdev, file, request);
	}
	struct device *device = device_find(inode->rdev);

	return device == NULL ? -LINUX_ENXIO : device->open(device, file, request);
}

int64_t inode_open_special(struct inode *inode, struct file *file, struct request *request)
{
	switch (inode->mode & LINUX_S_IFMT) {
	case LINUX_S_IFIFO: return pipe_inode_open(inode, file, request);
	case LINUX_S_IFCHR: return device_inode_open(inode, file, request);
	case LINUX_S_IFBLK: return block_open(inode, file, request);
	default: return -LINUX_ENXIO; /* sockets */
	}
}

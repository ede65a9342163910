/* SPDX-License-Identifier: MIT */
/*
 * The tree at the start: tmpfs on /, filled from the boot archive; proc, sys, dev, dev/pts, dev/shm
 * and dev/mqueue.
 *
 * The archive (several cpio archives after each other) is unpacked in order, a later entry
 * replacing an earlier one of the same name. What is below boot/hati/ belongs to the system itself
 * and is not a file of Linux programs, but for boot/hati/init, which /sbin/init is a link to.
 */
#include <abi/linux/errno.h>
#include <base/cpio.h>
#include <base/string.h>
#include <helix/log.h>
#include <posix/server/fs/device.h>
#include <posix/server/fs/procfs.h>
#include <posix/server/fs/sysfs.h>
#include <posix/server/fs/tmpfs.h>
#include <posix/server/fs/unpack.h>
#include <posix/server/mqueue/mqueue.h>
#include <posix/server/tty/channel.h>
#include <posix/server/tty/pty.h>
#include <posix/server/tty/tty.h>
#include <posix/server/vfs/mount.h>

static struct path vfs_root_path;

const struct path *vfs_root(void)
{
	return &vfs_root_path;
}

static int64_t vfs_mount_root(void)
{
	struct tmpfs_options options = tmpfs_default_options();
	struct super *super;
	struct mount *mount;

	options.mode = 0755;
	int64_t error = tmpfs_create(&options, &super);

	if (error == 0) {
		error = mount_create(super, super->root, "root", MOUNT_RELATIVE_ATIME, &mount);
		super_unref(super);
	}
	if (error == 0 && mount_tree_create(mount) == NULL) {
		mount_dissolve(mount);
		error = -LINUX_ENOMEM;
	}
	if (error == 0) {
		vfs_root_path = (struct path){ .mount = mount, .dentry = mount->root };
		path_ref(&vfs_root_path);
	}
	return error;
}

/*
 * Mounts a file system on a folder of `parent`, which is made if need be; takes the reference of
 * @super.
 */
static int64_t vfs_mount_on(const struct path *parent, const char *folder, struct super *super,
	const char *source, uint32_t mode, struct path *out_root)
{
	struct path at = { .mount = parent->mount };
	struct node_spec spec = { .mode = LINUX_S_IFDIR | mode };
	struct mount *mount;
	int64_t error = tmpfs_make(parent->dentry, folder, &spec, NULL, &at.dentry);

	if (error == 0 || error == -LINUX_EEXIST) {
		error = mount_create(super, super->root, source, MOUNT_RELATIVE_ATIME, &mount);
		if (error == 0) {
			error = mount_graft(mount, &at);
		}
		dentry_unref(at.dentry);
	}
	super_unref(super);
	if (error == 0 && out_root != NULL) {
		*out_root = (struct path){ .mount = mount, .dentry = mount->root };
	}
	return error;
}

static int64_t vfs_mount_type(const struct path *parent, const char *folder, const char *type,
	uint32_t mode, struct path *out_root)
{
	struct super *super;
	int64_t error = file_system_type_find(type)->create(type, "", &super);

	return error < 0 ? error : vfs_mount_on(parent, folder, super, type, mode, out_root);
}

static int64_t vfs_mount_all(void)
{
	struct path dev;
	int64_t error = vfs_mount_type(&vfs_root_path, "proc", "proc", 0555, NULL);

	if (error == 0) {
		error = vfs_mount_type(&vfs_root_path, "sys", "sysfs", 0555, NULL);
	}
	if (error == 0) {
		error = vfs_mount_type(&vfs_root_path, "dev", "devtmpfs", 0755, &dev);
	}
	if (error == 0) {
		error = vfs_mount_type(&dev, "pts", "devpts", 0755, NULL);
	}
	if (error == 0) {
		error = vfs_mount_type(&dev, "shm", "tmpfs", 01777, NULL);
	}
	if (error == 0) {
		error = vfs_mount_type(&dev, "mqueue", "mqueue", 01777, NULL);
	}
	return error;
}

int vfs_init(const struct boot_archive *initrd)
{
	int64_t error = dentry_cache_init();

	if (error == 0) {
		error = vfs_mount_root();
	}
	if (error == 0) {
		error = unpack_archives(vfs_root_path.dentry, initrd);
	}
	if (error == 0) {
		error = sysfs_init();
	}
	if (error == 0) {
		error = devtmpfs_init();
	}
	if (error == 0) {
		error = terminals_init();
	}
	if (error == 0) {
		error = mqueue_init();
	}
	if (error == 0) {
		error = vfs_mount_all();
	}
	if (error == 0) {
		channels_start();
	}
	return (int)error;
}

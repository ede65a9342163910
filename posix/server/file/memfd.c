/* SPDX-License-Identifier: MIT */
/* memfd_create: files of a tmpfs that is mounted nowhere. */
#include <abi/linux/errno.h>
#include <base/format.h>
#include <base/string.h>
#include <posix/server/file/access.h>
#include <posix/server/file/handlers.h>
#include <posix/server/fs/tmpfs.h>
#include <posix/server/process/process.h>
#include <posix/server/vfs/dentry.h>

constexpr size_t MEMFD_NAME_MAX = 249;

static struct mount *memfd_mount(void)
{
	static struct mount *mount;
	struct super *super;

	if (mount == NULL) {
		struct tmpfs_options options = tmpfs_default_options();

		if (tmpfs_create(&options, &super) < 0) {
			return NULL;
		}
		if (mount_create(super, super->root, "memfd", 0, &mount) == 0) {
			list_remove(&mount->node); /* not part of the tree */
		}
		super_unref(super);
	}
	return mount;
}

static int64_t memfd_open(const struct process *maker, struct mount *mount, struct inode *inode,
	const char *name, struct file **out_file)
{
	char text[MEMFD_NAME_MAX + sizeof("/memfd:") + sizeof(" (deleted)")];

	format_to(text, sizeof(text), "/memfd:%s (deleted)", name);
	struct dentry *dentry = dentry_create_root(inode->super, inode, text);
	int64_t error = dentry == NULL ? -LINUX_ENOMEM
				       : file_create(maker, &file_ops_default, inode,
						 LINUX_O_RDWR | LINUX_O_LARGEFILE, out_file);

	if (error == 0) {
		(*out_file)->path = (struct path){ .mount = mount, .dentry = dentry };
		mount_ref(mount);
		error = inode->ops->open(inode, *out_file, NULL);
		if (error < 0) {
			file_unref(*out_file);
		}
	} else if (dentry != NULL) {
		dentry_unref(dentry);
	}
	return error;
}

int64_t posix_memfd_create(struct request *request)
{
	uint32_t flags = (uint32_t)request->args[1];
	const char *name = request_path(request, 0);
	struct mount *mount = memfd_mount();
	struct node_spec spec = {
		.mode = LINUX_S_IFREG | 0777,
		.uid = request->process->credentials.fsuid,
		.gid = request->process->credentials.fsgid,
	};
	struct inode *inode;
	struct file *file;

	if ((flags & ~(LINUX_MFD_CLOEXEC | LINUX_MFD_ALLOW_SEALING)) ||
		strlen(name) > MEMFD_NAME_MAX) {
		return -LINUX_EINVAL;
	}
	if (mount == NULL) {
		return -LINUX_ENOMEM;
	}
	int64_t error = tmpfs_anonymous_inode(mount->super, &spec, &inode);

	if (error < 0) {
		return error;
	}
	if (flags & LINUX_MFD_ALLOW_SEALING) {
		*tmpfs_seals(inode) = 0;
	}
	error = memfd_open(request->process, mount, inode, name, &file);
	inode_unref(inode);
	if (error < 0) {
		return error;
	}
	return file_install(request, file, (flags & LINUX_MFD_CLOEXEC) != 0);
}

/* SPDX-License-Identifier: MIT */
/* sysfs: a tmpfs that the system fills. */
#include <abi/linux/errno.h>
#include <base/string.h>
#include <posix/server/fs/sysfs.h>
#include <posix/server/fs/tmpfs.h>
#include <posix/server/vfs/dentry.h>

static struct super *sysfs;

int64_t sysfs_make_folder(const char *path)
{
	return tmpfs_make_path(
		sysfs->root, path, &(struct node_spec){ .mode = LINUX_S_IFDIR | 0755 }, NULL, NULL);
}

int64_t sysfs_make_text(const char *path, const char *text)
{
	struct node_spec spec = { .mode = LINUX_S_IFREG | 0444 };
	struct dentry *dentry;
	int64_t error = tmpfs_make_path(sysfs->root, path, &spec, NULL, &dentry);

	if (error < 0 && error != -LINUX_EEXIST) {
		return error;
	}
	int64_t n_bytes = tmpfs_write(dentry->inode, text, strlen(text), 0);

	dentry_unref(dentry);
	return n_bytes < 0 ? n_bytes : 0;
}

int64_t sysfs_mount_create(
	UNUSED const char *source, UNUSED const char *options, struct super **out_super)
{
	super_ref(sysfs);
	*out_super = sysfs;
	return 0;
}

/* What thor does: where it was asked for, and only from the start. */
static int64_t sysfs_make_large_pages(void)
{
	static const struct {
		const char *path, *text;
	} files[] = {
		{ "kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n" },
		{ "kernel/mm/transparent_hugepage/defrag",
			"always defer defer+madvise madvise [never]\n" },
		{ "kernel/mm/transparent_hugepage/hpage_pmd_size", "2097152\n" },
		{ "kernel/mm/transparent_hugepage/shmem_enabled",
			"always within_size [advise] never deny force\n" },
	};
	int64_t error = sysfs_make_folder("kernel/mm/transparent_hugepage");

	for (size_t i = 0; i < ARRAY_SIZE(files) && error == 0; i++) {
		error = sysfs_make_text(files[i].path, files[i].text);
	}
	return error;
}

int64_t sysfs_init(void)
{
	static const char *const folders[] = {
		"block",
		"bus",
		"class/net",
		"class/tty",
		"class/block",
		"class/input",
		"dev/char",
		"dev/block",
		"devices/system/cpu",
		"firmware",
		"fs",
		"kernel/mm",
		"module",
		"power",
	};
	struct tmpfs_options options = tmpfs_default_options();

	options.type = "sysfs";
	options.mode = 0555;
	int64_t error = tmpfs_create(&options, &sysfs);

	if (error < 0) {
		return error;
	}
	sysfs->n_mounts++; /* it stays when nobody mounts it */
	for (size_t i = 0; i < ARRAY_SIZE(folders) && error == 0; i++) {
		error = sysfs_make_folder(folders[i]);
	}
	return error == 0 ? sysfs_make_large_pages() : error;
}

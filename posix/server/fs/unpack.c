/* SPDX-License-Identifier: MIT */
/*
 * From cpio archives to files.
 *
 * Hard links share an inode number within one archive; the first name makes the inode, the others
 * link to it, and the one that carries the data fills it.
 *
 * The archive stays in memory, as a part of it. The pages of large files, which the launcher puts
 * on pages of the archive, are shown in place; only what is written to them is copied.
 */
#include <abi/linux/errno.h>
#include <base/cpio.h>
#include <base/list.h>
#include <base/string.h>
#include <helix/log.h>
#include <helix/memory.h>
#include <posix/server/fs/tmpfs.h>
#include <posix/server/fs/unpack.h>
#include <posix/server/vfs/dentry.h>

/* The system's own part of the archive, and the one file in it that programs see. */
static const char system_folder[] = "boot/hati/";
static const char system_init[] = "boot/hati/init";

struct unpack_link {
	struct list_node node;
	uint32_t ino, dev_major, dev_minor;
	struct inode *inode; /* referenced */
};

struct unpack {
	struct dentry *root;
	const struct boot_archive *archive;
	struct list links;
};

static const char *unpack_name(const char *name)
{
	for (;;) {
		if (name[0] == '/') {
			name++;
		} else if (name[0] == '.' && name[1] == '/') {
			name += 2;
		} else {
			return name;
		}
	}
}

static struct inode *unpack_find_link(const struct unpack *unpack, const struct cpio_entry *entry)
{
	LIST_FOR_EACH(link, &unpack->links, struct unpack_link, node) {
		if (link->ino == entry->ino && link->dev_major == entry->dev_major &&
			link->dev_minor == entry->dev_minor) {
			return link->inode;
		}
	}
	return NULL;
}

static int64_t unpack_remember_link(
	struct unpack *unpack, const struct cpio_entry *entry, struct inode *inode)
{
	struct unpack_link *link = helix_malloc(sizeof(*link));

	if (link == NULL) {
		return -LINUX_ENOMEM;
	}
	*link = (struct unpack_link){
		.ino = entry->ino,
		.dev_major = entry->dev_major,
		.dev_minor = entry->dev_minor,
		.inode = inode,
	};
	inode_ref(inode);
	list_push_back(&unpack->links, &link->node);
	return 0;
}

static void unpack_forget_links(struct unpack *unpack)
{
	LIST_FOR_EACH_SAFE(link, &unpack->links, struct unpack_link, node) {
		list_remove(&link->node);
		inode_unref(link->inode);
		helix_free(link);
	}
}

/* The directory of a path, made if need be, and its last component. */
static int64_t unpack_parent(
	struct dentry *root, const char *path, struct dentry **out_parent, const char **out_last)
{
	const char *slash = strrchr(path, '/');
	char folder[CPIO_NAME_MAX];
	struct node_spec spec = { .mode = LINUX_S_IFDIR | 0755 };

	*out_last = slash == NULL ? path : slash + 1;
	if (slash == NULL) {
		*out_parent = root;
		dentry_ref(root);
		return 0;
	}
	memcpy(folder, path, (size_t)(slash - path));
	folder[slash - path] = '\0';
	int64_t error = tmpfs_make_path(root, folder, &spec, NULL, out_parent);

	return error == -LINUX_EEXIST ? 0 : error;
}

static void unpack_set_owner(struct inode *inode, const struct cpio_entry *entry)
{
	int64_t mtime_ns = (int64_t)entry->mtime * 1000000000;

	inode->ops->change(inode,
		&(struct inode_change){
			.mask = INODE_CHANGE_MODE | INODE_CHANGE_UID | INODE_CHANGE_GID |
				INODE_CHANGE_MTIME | INODE_CHANGE_ATIME,
			.mode = entry->mode,
			.uid = entry->uid,
			.gid = entry->gid,
			.mtime_ns = mtime_ns,
			.atime_ns = mtime_ns,
		});
}

static int64_t unpack_contents(
	const struct unpack *unpack, struct inode *inode, const struct cpio_entry *entry)
{
	const struct boot_archive *archive = unpack->archive;
	size_t offset = (size_t)((const uint8_t *)entry->data - (const uint8_t *)archive->data);

	if (archive->memory != HEL_NULL && is_aligned(offset, HEL_PAGE_SIZE) &&
		inode->size_bytes == 0 && entry->size >= TMPFS_SHOWN_MIN) {
		return tmpfs_show(inode, archive->memory, offset, entry->size);
	}
	int64_t n_bytes = tmpfs_write(inode, entry->data, entry->size, 0);

	return n_bytes < 0 ? n_bytes : n_bytes == (int64_t)entry->size ? 0 : -LINUX_ENOSPC;
}

static int64_t unpack_fill(
	const struct unpack *unpack, struct inode *inode, const struct cpio_entry *entry)
{
	int64_t error = 0;

	if (linux_is_type(entry->mode, LINUX_S_IFREG) && entry->size > 0) {
		error = unpack_contents(unpack, inode, entry);
	}
	if (error == 0) {
		unpack_set_owner(inode, entry);
	}
	return error;
}

/* The target of a symbolic link in the archive is not terminated. */
static int64_t unpack_make_node(struct dentry *parent, const char *name,
	const struct cpio_entry *entry, struct dentry **out_dentry)
{
	char target[CPIO_NAME_MAX] = "";
	struct node_spec spec = {
		.mode = entry->mode,
		.uid = entry->uid,
		.gid = entry->gid,
		.rdev = linux_makedev(entry->rdev_major, entry->rdev_minor),
	};

	if (linux_is_type(entry->mode, LINUX_S_IFLNK)) {
		memcpy(target, entry->data, min_size(entry->size, sizeof(target) - 1));
	}
	return tmpfs_make(parent, name, &spec, target, out_dentry);
}

/* Makes the entry; what is there is replaced, but directories are merged. */
static int64_t unpack_make(struct unpack *unpack, struct dentry *parent, const char *name,
	const struct cpio_entry *entry)
{
	bool is_linked = entry->nlink > 1 && linux_is_type(entry->mode, LINUX_S_IFREG);
	struct inode *linked = is_linked ? unpack_find_link(unpack, entry) : NULL;
	bool is_directory = linux_is_type(entry->mode, LINUX_S_IFDIR);
	struct dentry *dentry;

	if (!is_directory) {
		tmpfs_remove(parent, name);
	}
	if (linked != NULL) {
		int64_t error = tmpfs_make_link(parent, name, linked);

		return error < 0 ? error : unpack_fill(unpack, linked, entry);
	}
	int64_t error = unpack_make_node(parent, name, entry, &dentry);

	if (error == -LINUX_EEXIST && is_directory && inode_is_directory(dentry->inode)) {
		error = 0;
	} else if (error == -LINUX_EEXIST) {
		dentry_unref(dentry);
		return 0; /* a folder stands where a file is to be: it stays */
	}
	if (error < 0) {
		return error;
	}
	error = unpack_fill(unpack, dentry->inode, entry);
	if (error == 0 && is_linked) {
		error = unpack_remember_link(unpack, entry, dentry->inode);
	}
	dentry_unref(dentry);
	return error;
}

static int64_t unpack_entry(struct unpack *unpack, const struct cpio_entry *entry)
{
	const char *path = unpack_name(entry->name);
	struct dentry *parent;
	const char *last;

	if (path[0] == '\0' || str_equal(path, ".")) {
		unpack_set_owner(unpack->root->inode, entry);
		return 0;
	}
	if (str_starts_with(path, system_folder) && !str_equal(path, system_init)) {
		return 0;
	}
	int64_t error = unpack_parent(unpack->root, path, &parent, &last);

	if (error == -LINUX_ENOTDIR || error == -LINUX_ENAMETOOLONG) {
		return 0;
	}
	if (error < 0) {
		return error;
	}
	if (last[0] != '\0' && strlen(last) <= NAME_SIZE_MAX && !str_equal(last, ".") &&
		!str_equal(last, "..") && inode_is_directory(parent->inode)) {
		error = unpack_make(unpack, parent, last, entry);
	}
	dentry_unref(parent);
	return error;
}

int64_t unpack_archives(struct dentry *root, const struct boot_archive *archive)
{
	struct unpack unpack = { .root = root, .archive = archive };
	struct cpio_iterator iterator;
	struct cpio_entry entry;
	enum cpio_result result;
	int64_t error = 0;

	list_init(&unpack.links);
	cpio_begin(&iterator, archive->data, archive->size);
	do {
		bool was_in_archive = iterator.is_in_archive;

		result = cpio_iterate(&iterator, &entry);
		if (result == CPIO_ENTRY) {
			if (!was_in_archive) {
				unpack_forget_links(&unpack); /* another archive, other numbers */
			}
			error = unpack_entry(&unpack, &entry);
		}
	} while (result == CPIO_ENTRY && error == 0);
	unpack_forget_links(&unpack);
	if (result == CPIO_MALFORMED) {
		helix_log(HEL_LOG_WARNING, "boot archive broken at byte %zu", iterator.offset);
	}
	return error;
}

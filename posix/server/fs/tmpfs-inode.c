/* SPDX-License-Identifier: MIT */
/* Inodes of tmpfs: made, changed, released; and the directory operations. */
#include <abi/linux/errno.h>
#include <abi/linux/fcntl.h>
#include <base/assert.h>
#include <base/string.h>
#include <helix/memory.h>
#include <posix/server/fs/tmpfs-inode.h>
#include <posix/server/vfs/directory.h>

constexpr uint64_t TMPFS_ENTRY_BYTES = 20; /* what Linux counts for an entry of a directory */

static const struct inode_ops *tmpfs_ops_of(uint32_t mode)
{
	switch (mode & LINUX_S_IFMT) {
	case LINUX_S_IFREG: return &tmpfs_file_inode_ops;
	case LINUX_S_IFDIR: return &tmpfs_directory_inode_ops;
	case LINUX_S_IFLNK: return &tmpfs_link_inode_ops;
	default: return &tmpfs_special_inode_ops;
	}
}

static bool tmpfs_init_kind(struct tmpfs_super *super, struct tmpfs_inode *node, const char *target)
{
	if (inode_is_directory(&node->inode)) {
		ram_directory_init(&node->directory);
		node->inode.nlink = 2;
		node->inode.size_bytes = 2 * TMPFS_ENTRY_BYTES;
	} else if (inode_is_type(&node->inode, LINUX_S_IFREG)) {
		contents_init(&node->contents, &super->account);
	} else if (inode_is_type(&node->inode, LINUX_S_IFLNK)) {
		size_t size = strlen(target);

		node->target = helix_malloc(size + 1);
		if (node->target == NULL) {
			return false;
		}
		memcpy(node->target, target, size + 1);
		node->inode.size_bytes = size;
	}
	return true;
}

int64_t tmpfs_inode_create(struct tmpfs_super *super, const struct node_spec *spec,
	const char *target, struct tmpfs_inode **out_inode)
{
	if (super->n_files >= super->n_files_max) {
		return -LINUX_ENOSPC;
	}
	struct tmpfs_inode *node = helix_malloc(sizeof(*node));

	if (node == NULL) {
		return -LINUX_ENOSPC;
	}
	*node = (struct tmpfs_inode){ .seals = LINUX_F_SEAL_SEAL };
	inode_init(&node->inode, tmpfs_ops_of(spec->mode), &super->super, spec);
	if (!tmpfs_init_kind(super, node, target)) {
		helix_free(node);
		return -LINUX_ENOSPC;
	}
	super->n_files++;
	super_ref(&super->super);
	*out_inode = node;
	return 0;
}

static void tmpfs_release(struct inode *inode)
{
	struct tmpfs_inode *node = tmpfs_inode_of(inode);
	struct super *super = inode->super;

	if (inode_is_type(inode, LINUX_S_IFREG)) {
		contents_deinit(&node->contents);
	} else if (inode_is_type(inode, LINUX_S_IFLNK)) {
		helix_free(node->target);
	}
	tmpfs_super_of(super)->n_files--;
	helix_free(node);
	super_unref(super);
}

/* ---- directories --------------------------------------------------------------------------- */

static void tmpfs_add_name(struct inode *directory, struct dentry *dentry, struct inode *inode)
{
	dentry_set_inode(dentry, inode);
	ram_directory_add(&tmpfs_inode_of(directory)->directory, dentry);
	if (inode_is_directory(inode)) {
		directory->nlink++;
	}
	directory->size_bytes += TMPFS_ENTRY_BYTES;
	inode_touch_modified(directory);
}

static int64_t tmpfs_create_node(struct inode *directory, struct dentry *dentry,
	const struct node_spec *spec, const char *target)
{
	struct tmpfs_inode *node;
	int64_t error = tmpfs_inode_create(tmpfs_super_of(directory->super), spec, target, &node);

	if (error < 0) {
		return error;
	}
	tmpfs_add_name(directory, dentry, &node->inode);
	inode_unref(&node->inode);
	return 0;
}

/* A further name takes as much memory as a file, and is counted as one. */
static int64_t tmpfs_link(struct inode *directory, struct dentry *dentry, struct inode *inode)
{
	struct tmpfs_super *super = tmpfs_super_of(directory->super);

	if (inode->nlink > 0) {
		if (super->n_files >= super->n_files_max) {
			return -LINUX_ENOSPC;
		}
		super->n_files++;
	}
	inode->nlink++;
	inode_touch_changed(inode);
	tmpfs_add_name(directory, dentry, inode);
	return 0;
}

static void tmpfs_take_name(struct inode *directory, struct dentry *dentry)
{
	struct inode *inode = dentry->inode;

	ram_directory_remove(&tmpfs_inode_of(directory)->directory, dentry);
	directory->size_bytes -= TMPFS_ENTRY_BYTES;
	if (inode_is_directory(inode)) {
		directory->nlink--;
		inode->nlink = 0;
	} else if (--inode->nlink > 0) {
		tmpfs_super_of(directory->super)->n_files--;
	}
	inode_touch_changed(inode);
	inode_touch_modified(directory);
	dentry_unpin(dentry);
}

static bool tmpfs_is_empty(const struct inode *inode)
{
	const struct tmpfs_inode *node = container_of(inode, struct tmpfs_inode, inode);

	return !inode_is_directory(inode) || node->directory.n_entries == 0;
}

static int64_t tmpfs_unlink(struct inode *directory, struct dentry *dentry)
{
	if (!tmpfs_is_empty(dentry->inode)) {
		return -LINUX_ENOTEMPTY;
	}
	tmpfs_take_name(directory, dentry);
	return 0;
}

/* Two names trade places; each stays listed in the directory where it then is. */
static void tmpfs_exchange(struct inode *from_directory, struct dentry *from,
	struct inode *to_directory, struct dentry *to)
{
	ram_directory_remove(&tmpfs_inode_of(from_directory)->directory, from);
	ram_directory_remove(&tmpfs_inode_of(to_directory)->directory, to);
	if (inode_is_directory(from->inode) != inode_is_directory(to->inode)) {
		int32_t moved = inode_is_directory(from->inode) ? 1 : -1;

		from_directory->nlink = (uint32_t)((int32_t)from_directory->nlink - moved);
		to_directory->nlink = (uint32_t)((int32_t)to_directory->nlink + moved);
	}
	ram_directory_add(&tmpfs_inode_of(to_directory)->directory, from);
	ram_directory_add(&tmpfs_inode_of(from_directory)->directory, to);
}

static int64_t tmpfs_rename(struct inode *from_directory, struct dentry *from,
	struct inode *to_directory, struct dentry *to, uint32_t flags)
{
	if (flags & LINUX_RENAME_EXCHANGE) {
		tmpfs_exchange(from_directory, from, to_directory, to);
		inode_touch_changed(to->inode);
	} else {
		if (to->inode != NULL) {
			if (!tmpfs_is_empty(to->inode)) {
				return -LINUX_ENOTEMPTY;
			}
			tmpfs_take_name(to_directory, to);
		}
		ram_directory_remove(&tmpfs_inode_of(from_directory)->directory, from);
		ram_directory_add(&tmpfs_inode_of(to_directory)->directory, from);
		if (inode_is_directory(from->inode)) {
			from_directory->nlink--;
			to_directory->nlink++;
		}
		from_directory->size_bytes -= TMPFS_ENTRY_BYTES;
		to_directory->size_bytes += TMPFS_ENTRY_BYTES;
	}
	inode_touch_changed(from->inode);
	inode_touch_modified(from_directory);
	inode_touch_modified(to_directory);
	return 0;
}

static int64_t tmpfs_list(struct file *file, struct dirent_writer *writer)
{
	ram_directory_list(&tmpfs_inode_of(file->inode)->directory, writer);
	return 0;
}

static int64_t tmpfs_readdir(struct file *file, void *buffer, size_t size)
{
	return directory_read(file, buffer, size, tmpfs_list);
}

const struct file_ops tmpfs_directory_ops = {
	FILE_OPS_DEFAULT,
	DIRECTORY_FILE_OPS,
	.name = "directory",
	.readdir = tmpfs_readdir,
};

int64_t tmpfs_directory_open(
	UNUSED struct inode *inode, struct file *file, UNUSED struct request *request)
{
	file->ops = &tmpfs_directory_ops;
	return 0;
}

/* ---- symbolic links ------------------------------------------------------------------------ */

static int64_t tmpfs_follow(
	struct inode *inode, UNUSED struct process *process, struct link_target *out_target)
{
	*out_target = (struct link_target){ .text = tmpfs_inode_of(inode)->target };
	return 0;
}

/* ---- the kinds ----------------------------------------------------------------------------- */

const struct inode_ops tmpfs_directory_inode_ops = {
	INODE_OPS_DEFAULT,
	.name = "tmpfs directory",
	.create = tmpfs_create_node,
	.link = tmpfs_link,
	.unlink = tmpfs_unlink,
	.rename = tmpfs_rename,
	.open = tmpfs_directory_open,
	.release = tmpfs_release,
};

const struct inode_ops tmpfs_link_inode_ops = {
	INODE_OPS_DEFAULT,
	.name = "tmpfs link",
	.follow = tmpfs_follow,
	.release = tmpfs_release,
};

const struct inode_ops tmpfs_special_inode_ops = {
	INODE_OPS_DEFAULT,
	.name = "tmpfs special",
	.open = inode_open_special,
	.release = tmpfs_release,
};

static int64_t tmpfs_contents(struct inode *inode, uint64_t size_needed, hel_handle *out_memory)
{
	/* all of the file, of which a part is to be mapped: it then is of exact size */
	uint64_t size = max_u64(size_needed, inode->size_bytes);
	int64_t error = contents_memory(&tmpfs_inode_of(inode)->contents, size, out_memory);

	tmpfs_update_blocks(inode);
	return error;
}

static void tmpfs_contents_mapped(struct inode *inode)
{
	contents_settle(&tmpfs_inode_of(inode)->contents, inode->size_bytes);
}

static int64_t tmpfs_window(struct inode *inode, hel_handle *out_memory, uint64_t *out_size)
{
	struct contents *contents = &tmpfs_inode_of(inode)->contents;

	if (contents->n_pages < div_round_up(inode->size_bytes, HEL_PAGE_SIZE)) {
		return -LINUX_ENODEV; /* there are holes */
	}
	int64_t error = contents_memory(contents, inode->size_bytes, out_memory);

	*out_size = contents->memory_size;
	return error;
}

/* A file that can be sealed has no writers but those who ask. */
static int64_t tmpfs_room(struct inode *inode, uint64_t *out_start, uint64_t *out_end)
{
	if ((tmpfs_inode_of(inode)->seals & LINUX_F_SEAL_SEAL) == 0) {
		return -LINUX_EPERM;
	}
	*out_start = 0;
	*out_end = inode->size_bytes;
	return 0;
}

static int64_t tmpfs_inode_read(struct inode *inode, void *buffer, size_t size, uint64_t offset)
{
	if (offset >= inode->size_bytes) {
		return 0;
	}
	size = (size_t)min_u64(size, inode->size_bytes - offset);
	contents_read(&tmpfs_inode_of(inode)->contents, buffer, size, offset);
	return (int64_t)size;
}

const struct inode_ops tmpfs_file_inode_ops = {
	INODE_OPS_DEFAULT,
	.name = "tmpfs file",
	.open = tmpfs_file_open,
	.truncate = tmpfs_set_size,
	.contents = tmpfs_contents,
	.contents_mapped = tmpfs_contents_mapped,
	.window = tmpfs_window,
	.room = tmpfs_room,
	.read = tmpfs_inode_read,
	.release = tmpfs_release,
};

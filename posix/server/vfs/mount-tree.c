/* SPDX-License-Identifier: MIT */
/*
 * Copies of mount trees: for recursive bind mounts, and for processes that want a tree of their
 * own.
 *
 * A copy is made of what was there when it began, told by the numbers of mounts, so that a tree can
 * be bound into itself. While it is made each original knows its copy. Mounts that show a tree of
 * mounts as a file are left out, for a copy is younger than that tree may be.
 */
#include <abi/linux/errno.h>
#include <base/list.h>
#include <helix/memory.h>
#include <posix/server/fs/nsfs.h>
#include <posix/server/vfs/dentry.h>
#include <posix/server/vfs/mount.h>

static int64_t mount_copy_one(struct mount *mount)
{
	struct path at = { .mount = mount->parent->copy, .dentry = mount->mountpoint };

	return mount_create(
		mount->super, mount->root, mount->source, &at, mount->flags, &mount->copy);
}

static bool mount_is_to_copy(const struct mount *mount, const struct mount *from,
	const struct dentry *root, uint32_t last_id)
{
	if (mount->id > last_id || mount->copy != NULL || mount->parent == NULL ||
		mount->parent->copy == NULL || nsfs_tree_of(mount->root->inode) != NULL) {
		return false;
	}
	return mount->parent != from || dentry_is_below(mount->mountpoint, root);
}

/* One round for each level of the tree, since a mount may stand before its parent in the list. */
static int64_t mount_copy_children(struct mount *from, const struct dentry *root)
{
	uint32_t last_id = from->copy->id - 1;
	bool is_done = false;
	int64_t error = 0;

	while (!is_done && error == 0) {
		is_done = true;
		LIST_FOR_EACH(mount, mount_all(), struct mount, node) {
			if (!mount_is_to_copy(mount, from, root, last_id)) {
				continue;
			}
			error = mount_copy_one(mount);
			if (error < 0) {
				break;
			}
			is_done = false;
		}
	}
	return error;
}

static void mount_forget_copies(void)
{
	LIST_FOR_EACH(mount, mount_all(), struct mount, node) {
		mount->copy = NULL;
	}
}

int64_t mount_copy_below(struct mount *from, const struct dentry *root, struct mount *to)
{
	from->copy = to;
	int64_t error = mount_copy_children(from, root);

	mount_forget_copies();
	return error;
}

static void path_follow_copy(struct path *path)
{
	struct mount *copy = path->mount->copy;

	if (copy != NULL) {
		mount_ref(copy);
		mount_unref(path->mount);
		path->mount = copy;
	}
}

int64_t mount_tree_copy(struct fs_context *context)
{
	struct mount *from = context->tree;
	struct mount *to;
	int64_t error = mount_create(from->super, from->root, from->source, NULL, from->flags, &to);

	if (error < 0) {
		return error;
	}
	to->is_copied_tree = true;
	from->copy = to;
	error = mount_copy_children(from, from->root);
	if (error == 0) {
		path_follow_copy(&context->root);
		path_follow_copy(&context->cwd);
	}
	mount_forget_copies();
	if (error < 0) {
		mount_tree_end(to);
		return error;
	}
	mount_tree_unref(from);
	to->n_contexts = 1;
	context->tree = to;
	return 0;
}

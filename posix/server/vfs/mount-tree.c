/* SPDX-License-Identifier: MIT */
/*
 * Copies of mounts with what is mounted on them, and trees of mounts.
 *
 * A copy is nowhere until it is grafted, so a tree can be bound into itself. While it is made each
 * original knows its copy. Mounts that show a tree of mounts as a file are left out, for a copy is
 * younger than that tree may be.
 */
#include <abi/linux/errno.h>
#include <base/list.h>
#include <helix/memory.h>
#include <posix/server/fs/nsfs.h>
#include <posix/server/vfs/dentry.h>
#include <posix/server/vfs/mount.h>

/* ---- copies ---------------------------------------------------------------------------------- */

static int64_t mount_copy_one(struct mount *from, struct dentry *root, uint32_t flags)
{
	struct mount *copy;
	int64_t error = mount_create(from->super, root, from->source, from->flags, &copy);

	if (error < 0) {
		return error;
	}
	error = mount_copy_relations(copy, from, flags);
	if (error < 0) {
		mount_dissolve(copy);
		return error;
	}
	from->copy = copy;
	return 0;
}

static bool mount_is_left_out(const struct mount *mount, const struct mount *from,
	const struct dentry *root, uint32_t flags)
{
	return (mount->is_unbindable && (flags & MOUNT_COPY_UNBINDABLE) == 0) ||
		nsfs_tree_of(mount->root->inode) != NULL ||
		(mount->parent == from && !dentry_is_below(mount->mountpoint, root));
}

static int64_t mount_copy_below(struct mount *from, const struct dentry *root, uint32_t flags)
{
	struct mount *at = mount_next(from, from);

	while (at != NULL) {
		if (mount_is_left_out(at, from, root, flags)) {
			at = mount_next_beside(at, from);
			continue;
		}
		int64_t error = mount_copy_one(at, at->root, flags);

		if (error < 0) {
			return error;
		}
		mount_attach(at->copy, at->parent->copy, at->mountpoint);
		at = mount_next(at, from);
	}
	return 0;
}

int64_t mount_copy(struct mount *from, struct dentry *root, uint32_t flags, struct mount **out_top)
{
	int64_t error = mount_copy_one(from, root, flags);

	if (error == 0 && (flags & MOUNT_COPY_ONE) == 0) {
		error = mount_copy_below(from, root, flags);
		if (error < 0) {
			mount_dissolve(from->copy);
		}
	}
	if (error == 0) {
		*out_top = from->copy;
	}
	return error;
}

/* ---- trees ----------------------------------------------------------------------------------- */

struct mount_tree *mount_tree_create(struct mount *top)
{
	static uint32_t n_trees_ever;
	struct mount_tree *tree = helix_malloc(sizeof(*tree));

	if (tree != NULL) {
		*tree = (struct mount_tree){ .top = top, .id = n_trees_ever++ };
		list_init(&tree->mounts);
		mount_enter(top, tree);
	}
	return tree;
}

void mount_tree_ref(struct mount_tree *tree)
{
	if (tree != NULL) {
		tree->n_users++;
	}
}

void mount_tree_unref(struct mount_tree *tree)
{
	if (tree != NULL && --tree->n_users == 0 && tree->is_copy) {
		mount_tree_end(tree);
	}
}

void mount_tree_end(struct mount_tree *tree)
{
	mount_dissolve(tree->top);
	helix_free(tree);
}

/* The same place in the copy, where it was left out: in the original. */
static void path_follow_copy(struct path *path, const struct mount_tree *tree)
{
	struct mount *copy = path->mount->tree == tree ? path->mount->copy : NULL;

	if (copy != NULL) {
		mount_ref(copy);
		mount_unref(path->mount);
		path->mount = copy;
	}
}

int64_t mount_tree_copy(struct fs_context *context)
{
	struct mount_tree *from = context->tree, *tree;
	struct mount *top;

	LIST_FOR_EACH(mount, &from->mounts, struct mount, node) {
		mount->copy = NULL;
	}
	int64_t error = mount_copy(from->top, from->top->root, MOUNT_COPY_UNBINDABLE, &top);

	if (error < 0) {
		return error;
	}
	tree = mount_tree_create(top);
	if (tree == NULL) {
		mount_dissolve(top);
		return -LINUX_ENOMEM;
	}
	tree->is_copy = true;
	path_follow_copy(&context->root, from);
	path_follow_copy(&context->cwd, from);
	mount_tree_ref(tree);
	mount_tree_unref(from);
	context->tree = tree;
	return 0;
}

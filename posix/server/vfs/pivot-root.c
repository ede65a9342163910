/* SPDX-License-Identifier: MIT */
/*
 * pivot_root: a mount becomes the root of its tree, and what was the root is mounted in it. Every
 * process whose root or working directory was the old root is taken along to the new one.
 */
#include <posix/server/vfs/call.h>

static bool path_equals(const struct path *a, const struct path *b)
{
	return a->mount == b->mount && a->dentry == b->dentry;
}

/* Whether @path is @above, or is reached through it. */
static bool path_is_below(const struct path *path, const struct path *above)
{
	const struct mount *mount = path->mount;
	const struct dentry *dentry = path->dentry;

	while (mount != above->mount && mount->parent != NULL) {
		dentry = mount->mountpoint;
		mount = mount->parent;
	}
	return mount == above->mount && dentry_is_below(dentry, above->dentry);
}

static bool is_shared(const struct mount *mount)
{
	return mount != NULL && mount->peers != NULL;
}

static int64_t pivot_check(
	const struct fs_context *context, const struct path *new, const struct path *put_old)
{
	const struct mount *root = context->root.mount;

	if (is_shared(put_old->mount) || is_shared(new->mount->parent) || is_shared(root->parent) ||
		root->tree != context->tree || new->mount->tree != context->tree ||
		put_old->mount->tree != context->tree) {
		return -LINUX_EINVAL;
	}
	if (new->mount == root || put_old->mount == root) {
		return -LINUX_EBUSY;
	}
	if (context->root.dentry != root->root || new->dentry != new->mount->root ||
		new->mount->parent == NULL || !path_is_below(put_old, new) ||
		!path_is_below(new, &context->root)) {
		return -LINUX_EINVAL;
	}
	return 0;
}

static void follow_root(struct path *path, const struct path *old, const struct path *new)
{
	if (path_equals(path, old)) {
		path_ref(new);
		path_unref(path);
		*path = *new;
	}
}

static void pivot(struct fs_context *context, const struct path *new, const struct path *put_old)
{
	struct path old = context->root;
	struct path above = { .mount = old.mount->parent, .dentry = old.mount->mountpoint };

	path_ref(&old);
	mount_disconnect(new->mount);
	if (above.mount != NULL) {
		path_ref(&above);
		mount_disconnect(old.mount);
		mount_attach(new->mount, above.mount, above.dentry);
		path_unref(&above);
	} else {
		context->tree->top = new->mount;
	}
	mount_attach(old.mount, put_old->mount, put_old->dentry);
	for (struct process *process = process_first(); process != NULL;
		process = process_next(process)) {
		if (process->fs != NULL) {
			follow_root(&process->fs->root, &old, new);
			follow_root(&process->fs->cwd, &old, new);
		}
	}
	path_unref(&old);
}

int64_t posix_pivot_root(struct request *request)
{
	struct process *process = request->process;
	struct path new, put_old;

	if (!credentials_has(&process->credentials, LINUX_CAP_SYS_ADMIN)) {
		return -LINUX_EPERM;
	}
	int64_t error = vfs_lookup(process, LINUX_AT_FDCWD, request_path(request, 0),
		VFS_FOLLOW | VFS_DIRECTORY, &new);

	if (error < 0) {
		return error;
	}
	error = vfs_lookup(process, LINUX_AT_FDCWD, request_path(request, 1),
		VFS_FOLLOW | VFS_DIRECTORY, &put_old);
	if (error == 0) {
		error = pivot_check(process->fs, &new, &put_old);
		if (error == 0) {
			pivot(process->fs, &new, &put_old);
		}
		path_unref(&put_old);
	}
	path_unref(&new);
	return error;
}

/* SPDX-License-Identifier: MIT */
/* From a place in the tree back to its name; and what a process knows of the tree. */
#include <abi/linux/errno.h>
#include <base/string.h>
#include <helix/memory.h>
#include <posix/server/process/process.h>
#include <posix/server/vfs/dentry.h>
#include <posix/server/vfs/mount.h>
#include <posix/server/vfs/path.h>

struct path_writer {
	char *buffer;
	size_t start; /* what is written is in [start, size) */
	size_t size;
};

static bool path_prepend(struct path_writer *writer, const char *text, size_t size)
{
	if (writer->start < size) {
		return false;
	}
	writer->start -= size;
	memcpy(writer->buffer + writer->start, text, size);
	return true;
}

bool path_is_deleted(const struct path *path)
{
	const struct dentry *dentry = path->dentry;

	return dentry->parent != NULL && !dentry->is_hashed;
}

/* The mount in which `mount` is mounted, going on from its mount point; false at the top of all. */
static bool path_leave_mount(const struct mount **mount, const struct dentry **dentry)
{
	if ((*mount)->parent == NULL) {
		return false;
	}
	*dentry = (*mount)->mountpoint;
	*mount = (*mount)->parent;
	return true;
}

static bool path_prepend_all(
	struct path_writer *writer, const struct path *path, const struct path *root)
{
	const struct mount *mount = path->mount;
	const struct dentry *dentry = path->dentry;
	bool is_empty = true;

	while (root == NULL || mount != root->mount || dentry != root->dentry) {
		if (dentry == mount->root || dentry->parent == NULL) {
			if (path_leave_mount(&mount, &dentry)) {
				continue;
			}
			if (dentry->name_size > 0) { /* a file without a place */
				return path_prepend(writer, dentry->name, dentry->name_size);
			}
			break;
		}
		if (!path_prepend(writer, dentry->name, dentry->name_size) ||
			!path_prepend(writer, "/", 1)) {
			return false;
		}
		is_empty = false;
		dentry = dentry->parent;
	}
	return !is_empty || path_prepend(writer, "/", 1);
}

int64_t path_print(struct process *process, const struct path *path, char *buffer, size_t size)
{
	static const char deleted[] = " (deleted)";
	struct path_writer writer = { .buffer = buffer, .start = size, .size = size };
	const struct path *root =
		process == NULL || process->fs == NULL ? NULL : &process->fs->root;
	bool fits = path_prepend(&writer, "", 1);

	if (path_is_deleted(path)) {
		fits = fits && path_prepend(&writer, deleted, sizeof(deleted) - 1);
	}
	if (!fits || !path_prepend_all(&writer, path, root)) {
		return -LINUX_ENAMETOOLONG;
	}
	size_t used = size - writer.start;

	memmove(buffer, buffer + writer.start, used);
	return (int64_t)used;
}

/* ---- contexts ------------------------------------------------------------------------------ */

static struct fs_context *fs_context_make(
	const struct path *root, const struct path *cwd, struct mount_tree *tree, uint32_t umask)
{
	struct fs_context *context = helix_malloc(sizeof(*context));

	if (context == NULL) {
		return NULL;
	}
	*context = (struct fs_context){
		.references = 1, .root = *root, .cwd = *cwd, .tree = tree, .umask = umask
	};
	mount_tree_ref(tree);
	path_ref(&context->root);
	path_ref(&context->cwd);
	return context;
}

struct fs_context *fs_context_create(const struct path *root)
{
	return fs_context_make(root, root, root->mount->tree, 022);
}

struct fs_context *fs_context_copy(struct fs_context *context)
{
	return fs_context_make(&context->root, &context->cwd, context->tree, context->umask);
}

void fs_context_unref(struct fs_context *context)
{
	if (context == NULL || --context->references > 0) {
		return;
	}
	path_unref(&context->root);
	path_unref(&context->cwd);
	mount_tree_unref(context->tree);
	helix_free(context);
}

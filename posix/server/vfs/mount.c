/* SPDX-License-Identifier: MIT */
/* The mount tree. There are few mounts, so one list does. */
#include <abi/linux/errno.h>
#include <base/assert.h>
#include <base/format.h>
#include <base/string.h>
#include <helix/memory.h>
#include <posix/server/process/process.h>
#include <posix/server/vfs/dentry.h>
#include <posix/server/vfs/mount.h>

/* All trees together; what is in the list is searched by walks. */
constexpr size_t MOUNTS_MAX = 4096;

static struct list mounts = LIST_INIT(mounts);
static size_t n_mounts;

struct list *mount_all(void)
{
	return &mounts;
}

void path_ref(const struct path *path)
{
	if (path->dentry != NULL) {
		mount_ref(path->mount);
		dentry_ref(path->dentry);
	}
}

void path_unref(struct path *path)
{
	struct path old = *path;

	*path = (struct path){ 0 };
	if (old.dentry != NULL) {
		old.mount->is_expiring = false;
		dentry_unref(old.dentry);
		mount_unref(old.mount);
	}
}

void mount_ref(struct mount *mount)
{
	ASSERT(mount->references > 0);
	mount->references++;
}

void mount_unref(struct mount *mount)
{
	ASSERT(mount->references > 0);
	if (--mount->references > 0) {
		return;
	}
	dentry_unref(mount->root);
	super_put_mount(mount->super);
	helix_free(mount);
	n_mounts--;
}

static void mount_put_on(struct mount *mount, const struct path *at)
{
	mount->parent = at->mount;
	mount->mountpoint = at->dentry;
	mount->tree = at->mount->tree;
	path_ref(at);
	at->dentry->n_mounts++;
}

int64_t mount_create(struct super *super, struct dentry *root, const char *source,
	const struct path *at, uint32_t flags, struct mount **out_mount)
{
	if (n_mounts >= MOUNTS_MAX) {
		return -LINUX_ENOSPC;
	}
	static uint32_t n_mounts_ever = 20;
	struct mount *mount = helix_malloc(sizeof(*mount));

	if (mount == NULL) {
		return -LINUX_ENOMEM;
	}
	*mount = (struct mount){
		.references = 1,
		.id = ++n_mounts_ever,
		.flags = flags,
		.super = super,
		.root = root,
	};
	str_copy(mount->source, sizeof(mount->source), source);
	super_get_mount(super);
	dentry_ref(root);
	n_mounts++;
	mount->tree = mount;
	if (at != NULL) {
		mount_put_on(mount, at);
	}
	list_push_back(&mounts, &mount->node);
	*out_mount = mount;
	return 0;
}

static struct mount *mount_find(const struct path *at)
{
	/* the last one covers those before it */
	for (struct list_node *node = list_last(&mounts); node != NULL;
		node = list_prev(&mounts, node)) {
		struct mount *mount = container_of(node, struct mount, node);

		if (mount->mountpoint == at->dentry && mount->parent == at->mount) {
			return mount;
		}
	}
	return NULL;
}

void mount_step_down(struct path *path)
{
	while (path->dentry->n_mounts > 0) {
		struct mount *mount = mount_find(path);

		if (mount == NULL) {
			return;
		}
		struct path top = { .mount = mount, .dentry = mount->root };

		path_ref(&top);
		path_unref(path);
		*path = top;
	}
}

bool mount_step_up(struct path *path)
{
	struct mount *mount = path->mount;

	if (mount->parent == NULL) {
		return false;
	}
	struct path below = { .mount = mount->parent, .dentry = mount->mountpoint };

	path_ref(&below);
	path_unref(path);
	*path = below;
	return true;
}

static bool mount_has_children(const struct mount *mount)
{
	LIST_FOR_EACH(other, &mounts, struct mount, node) {
		if (other->parent == mount) {
			return true;
		}
	}
	return false;
}

/* Leaves the place where it is mounted. */
static void mount_leave(struct mount *mount)
{
	struct path at = { .mount = mount->parent, .dentry = mount->mountpoint };

	at.dentry->n_mounts--;
	mount->parent = NULL;
	mount->mountpoint = NULL;
	path_unref(&at);
}

static void mount_take_off(struct mount *mount)
{
	list_remove(&mount->node);
	mount_leave(mount);
	mount->tree = NULL;
	mount_unref(mount);
}

void mount_move(struct mount *mount, const struct path *at)
{
	mount_leave(mount);
	mount_put_on(mount, at);
	/* what is mounted last covers what was there before */
	list_remove(&mount->node);
	list_push_back(&mounts, &mount->node);
}

static void mount_detach_children(struct mount *mount)
{
	while (mount_has_children(mount)) {
		LIST_FOR_EACH_SAFE(child, &mounts, struct mount, node) {
			if (child->parent == mount) {
				mount_detach(child, true);
				break;
			}
		}
	}
}

int64_t mount_detach(struct mount *mount, bool is_lazy)
{
	if (mount->parent == NULL) {
		return list_node_is_linked(&mount->node) ? -LINUX_EBUSY : -LINUX_EINVAL;
	}
	if (!is_lazy) {
		/* one reference is the tree's, one the caller's */
		if (mount->references > 2) {
			return -LINUX_EBUSY;
		}
		mount_take_off(mount);
		return 0;
	}
	mount_detach_children(mount);
	mount_take_off(mount);
	return 0;
}

void mount_tree_ref(struct mount *top)
{
	if (top != NULL) {
		top->n_contexts++;
	}
}

void mount_tree_unref(struct mount *top)
{
	if (top != NULL && --top->n_contexts == 0 && top->is_copied_tree) {
		mount_tree_end(top);
	}
}

void mount_tree_end(struct mount *top)
{
	mount_detach_children(top);
	list_remove(&top->node);
	top->tree = NULL;
	mount_unref(top);
}

int64_t mount_may_write(const struct path *path)
{
	return (path->mount->flags & MOUNT_READ_ONLY) ? -LINUX_EROFS : 0;
}

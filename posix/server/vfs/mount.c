/* SPDX-License-Identifier: MIT */
/*
 * Mounts and their places: a hash finds what is mounted at a place, each mount knows its children.
 */
#include <abi/linux/errno.h>
#include <base/assert.h>
#include <base/format.h>
#include <base/hash.h>
#include <base/string.h>
#include <helix/memory.h>
#include <posix/server/process/process.h>
#include <posix/server/vfs/dentry.h>
#include <posix/server/vfs/mount.h>

constexpr uint32_t MOUNTS_MAX = 100000; /* of all trees together */
constexpr size_t PLACE_BUCKETS = 4096;

static struct hash_node *buckets[PLACE_BUCKETS];
static struct hash_table places;
static uint32_t n_mounts;

uint32_t mount_limit(void)
{
	return MOUNTS_MAX;
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
	list_remove(&mount->super_node);
	dentry_unref(mount->root);
	super_put_mount(mount->super);
	helix_free(mount);
	n_mounts--;
}

int64_t mount_create(struct super *super, struct dentry *root, const char *source, uint32_t flags,
	struct mount **out_mount)
{
	static uint32_t n_mounts_ever = 20;

	if (n_mounts >= MOUNTS_MAX) {
		return -LINUX_ENOSPC;
	}
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
	list_init(&mount->children);
	list_node_init(&mount->sibling_node);
	list_node_init(&mount->node);
	list_node_init(&mount->peer_node);
	list_node_init(&mount->slave_node);
	list_node_init(&mount->visit_node);
	list_push_back(&super->mounts, &mount->super_node);
	super_get_mount(super);
	dentry_ref(root);
	n_mounts++;
	*out_mount = mount;
	return 0;
}

/* ---- places ---------------------------------------------------------------------------------- */

struct place {
	const struct mount *parent;
	const struct dentry *mountpoint;
};

static uint64_t hash_of_place(const struct mount *parent, const struct dentry *mountpoint)
{
	return hash_combine(hash_u64((uintptr_t)parent), (uintptr_t)mountpoint);
}

static bool is_at(const struct hash_node *node, const void *key)
{
	const struct mount *mount = container_of(node, const struct mount, place_node);
	const struct place *place = key;

	return mount->parent == place->parent && mount->mountpoint == place->mountpoint;
}

struct mount *mount_find(const struct mount *parent, const struct dentry *mountpoint)
{
	const struct place place = { parent, mountpoint };
	struct hash_node *node = places.buckets == NULL
		? NULL
		: hash_table_find(&places, hash_of_place(parent, mountpoint), is_at, &place);

	return node == NULL ? NULL : container_of(node, struct mount, place_node);
}

void mount_attach(struct mount *mount, struct mount *parent, struct dentry *mountpoint)
{
	const struct path at = { .mount = parent, .dentry = mountpoint };

	if (places.buckets == NULL) {
		hash_table_init(&places, buckets, PLACE_BUCKETS, NULL);
	}
	mount->parent = parent;
	mount->mountpoint = mountpoint;
	path_ref(&at);
	mountpoint->n_mounts++;
	list_push_back(&parent->children, &mount->sibling_node);
	hash_table_insert(&places, &mount->place_node, hash_of_place(parent, mountpoint));
}

void mount_disconnect(struct mount *mount)
{
	struct path at = { .mount = mount->parent, .dentry = mount->mountpoint };

	hash_table_remove(&places, &mount->place_node);
	list_remove(&mount->sibling_node);
	at.dentry->n_mounts--;
	mount->parent = NULL;
	mount->mountpoint = NULL;
	path_unref(&at);
}

void mount_step_down(struct path *path)
{
	while (path->dentry->n_mounts > 0) {
		struct mount *mount = mount_find(path->mount, path->dentry);

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

/* ---- what is below --------------------------------------------------------------------------- */

struct mount *mount_next_beside(const struct mount *at, const struct mount *top)
{
	for (; at != top; at = at->parent) {
		struct mount *next = LIST_ENTRY(list_next(&at->parent->children, &at->sibling_node),
			struct mount, sibling_node);

		if (next != NULL) {
			return next;
		}
	}
	return NULL;
}

struct mount *mount_next(const struct mount *at, const struct mount *top)
{
	struct mount *child = LIST_FIRST(&at->children, struct mount, sibling_node);

	return child != NULL ? child : mount_next_beside(at, top);
}

void mount_enter(struct mount *mount, struct mount_tree *tree)
{
	for (struct mount *at = mount; at != NULL; at = mount_next(at, mount)) {
		list_remove(&at->node);
		list_push_back(&tree->mounts, &at->node);
		at->tree = tree;
	}
}

/* One without children. */
static void mount_take_off(struct mount *mount)
{
	ASSERT(list_is_empty(&mount->children));
	list_remove(&mount->node);
	list_remove(&mount->visit_node);
	mount_make_private(mount);
	mount->tree = NULL;
	if (mount->parent != NULL) {
		mount_disconnect(mount);
	}
	mount_unref(mount);
}

static struct mount *mount_deepest(struct mount *mount)
{
	while (!list_is_empty(&mount->children)) {
		mount = LIST_FIRST(&mount->children, struct mount, sibling_node);
	}
	return mount;
}

void mount_dissolve(struct mount *mount)
{
	bool is_last;

	do {
		struct mount *leaf = mount_deepest(mount);

		is_last = leaf == mount;
		mount_take_off(leaf);
	} while (!is_last);
}

/* From the leaves on, so that what goes elsewhere has nothing on it either. */
static void mount_detach_lazily(struct mount *mount)
{
	bool is_last;

	do {
		struct mount *leaf = mount_deepest(mount);

		is_last = leaf == mount;
		mount_umount_elsewhere(leaf);
		mount_take_off(leaf);
	} while (!is_last);
}

int64_t mount_detach(struct mount *mount, bool is_lazy)
{
	if (mount->parent == NULL) {
		return mount->tree != NULL ? -LINUX_EBUSY : -LINUX_EINVAL;
	}
	/* one reference is the tree's, one the caller's */
	if (!is_lazy && (mount->references > 2 || mount_is_busy_elsewhere(mount))) {
		return -LINUX_EBUSY;
	}
	mount_detach_lazily(mount);
	return 0;
}

int64_t mount_move(struct mount *mount, const struct path *at)
{
	struct path old = { .mount = mount->parent, .dentry = mount->mountpoint };
	struct mount_tree *tree = mount->tree;
	int64_t error;

	path_ref(&old);
	mount_disconnect(mount);
	for (struct mount *below = mount; below != NULL; below = mount_next(below, mount)) {
		list_remove(&below->node);
		below->tree = NULL;
	}
	error = mount_graft(mount, at);
	if (error < 0) {
		mount_attach(mount, old.mount, old.dentry);
		mount_enter(mount, tree);
	}
	path_unref(&old);
	return error;
}

int64_t mount_may_write(const struct path *path)
{
	return (mount_shown_flags(path->mount) & MOUNT_READ_ONLY) ? -LINUX_EROFS : 0;
}

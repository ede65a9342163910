/* SPDX-License-Identifier: MIT */
/* The dentry cache: one table of all names, and a list of those that nobody uses at the moment. */
#include <abi/linux/errno.h>
#include <base/assert.h>
#include <base/hash.h>
#include <base/string.h>
#include <helix/memory.h>
#include <posix/server/file/inotify.h>
#include <posix/server/task.h>
#include <posix/server/vfs/dentry.h>
#include <posix/server/vfs/file-handle.h>

/* Unused dentries beyond this are freed, the longest unused first. */
constexpr size_t DENTRY_UNUSED_MAX = 4096;
constexpr size_t DENTRY_BUCKETS = 1024;

static struct hash_table dentry_table;
static struct list dentry_unused;
static size_t n_dentries_unused;
static size_t n_dentries;

static struct hash_node **dentry_allocate_buckets(UNUSED struct hash_table *table, size_t n_buckets)
{
	return helix_malloc(n_buckets * sizeof(struct hash_node *));
}

static void dentry_release_buckets(
	UNUSED struct hash_table *table, struct hash_node **buckets, UNUSED size_t n_buckets)
{
	helix_free(buckets);
}

static const struct hash_table_hooks dentry_table_hooks = {
	.allocate = dentry_allocate_buckets,
	.release = dentry_release_buckets,
};

int64_t dentry_cache_init(void)
{
	struct hash_node **buckets = helix_malloc(DENTRY_BUCKETS * sizeof(*buckets));

	if (buckets == NULL) {
		return -LINUX_ENOMEM;
	}
	hash_table_init(&dentry_table, buckets, DENTRY_BUCKETS, &dentry_table_hooks);
	list_init(&dentry_unused);
	return 0;
}

size_t dentry_cache_size(void)
{
	return n_dentries;
}

/* ---- the table ----------------------------------------------------------------------------- */

struct dentry_key {
	const struct dentry *parent;
	const char *name;
	size_t name_size;
};

static uint64_t dentry_hash(const struct dentry *parent, const char *name, size_t name_size)
{
	return hash_bytes(name, name_size, (uintptr_t)parent);
}

static bool dentry_equal(const struct hash_node *node, const void *argument)
{
	const struct dentry *dentry = container_of(node, struct dentry, hash_node);
	const struct dentry_key *key = argument;

	return dentry->parent == key->parent && dentry->name_size == key->name_size &&
		memcmp(dentry->name, key->name, key->name_size) == 0;
}

static struct dentry *dentry_find_cached(
	const struct dentry *parent, const char *name, size_t name_size)
{
	struct dentry_key key = { .parent = parent, .name = name, .name_size = name_size };
	struct hash_node *node = hash_table_find(
		&dentry_table, dentry_hash(parent, name, name_size), dentry_equal, &key);

	return node == NULL ? NULL : container_of(node, struct dentry, hash_node);
}

static void dentry_insert(struct dentry *dentry)
{
	hash_table_insert(&dentry_table, &dentry->hash_node,
		dentry_hash(dentry->parent, dentry->name, dentry->name_size));
	dentry->is_hashed = true;
}

/* Of a name that is not there, or that has another dentry: else dentry_lose(). */
static void dentry_unhash(struct dentry *dentry)
{
	if (dentry->is_hashed) {
		hash_table_remove(&dentry_table, &dentry->hash_node);
		dentry->is_hashed = false;
	}
}

/* A name leaves the cache and may be there all the same. */
static void dentry_lose(struct dentry *dentry)
{
	if (dentry->is_hashed && dentry->parent != NULL) {
		dentry->parent->has_all_names = false;
	}
	dentry_unhash(dentry);
}

/* ---- making and freeing -------------------------------------------------------------------- */

static bool dentry_set_name(struct dentry *dentry, const char *name, size_t name_size)
{
	char *memory = dentry->inline_name;

	if (name_size >= DENTRY_INLINE_NAME) {
		memory = helix_malloc(name_size + 1);
		if (memory == NULL) {
			return false;
		}
	}
	memcpy(memory, name, name_size);
	memory[name_size] = '\0';
	dentry->name = memory;
	dentry->name_size = (uint16_t)name_size;
	return true;
}

static void dentry_free_name(struct dentry *dentry)
{
	if (dentry->name != dentry->inline_name) {
		helix_free(dentry->name);
	}
}

static struct dentry *dentry_allocate(struct super *super, const char *name, size_t name_size)
{
	struct dentry *dentry = helix_malloc(sizeof(*dentry));

	if (dentry == NULL) {
		return NULL;
	}
	*dentry = (struct dentry){ .super = super, .references = 1 };
	if (!dentry_set_name(dentry, name, name_size)) {
		helix_free(dentry);
		return NULL;
	}
	list_init(&dentry->children);
	n_dentries++;
	return dentry;
}

struct dentry *dentry_create_root(struct super *super, struct inode *inode, const char *name)
{
	struct dentry *dentry = dentry_allocate(super, name, strlen(name));

	if (dentry != NULL) {
		dentry_set_inode(dentry, inode);
	}
	return dentry;
}

static struct dentry *dentry_create(struct dentry *parent, const char *name, size_t name_size)
{
	struct dentry *dentry = dentry_allocate(parent->super, name, name_size);

	if (dentry == NULL) {
		return NULL;
	}
	dentry->parent = parent;
	dentry_ref(parent);
	list_push_back(&parent->children, &dentry->sibling);
	dentry_insert(dentry);
	return dentry;
}

static void dentry_let_inode_go(struct dentry *dentry)
{
	struct inode *inode = dentry->inode;

	if (dentry->has_handle) {
		file_handle_forget(dentry);
	}
	if (inode != NULL && inode->nlink == 0) {
		notify_gone(inode, LINUX_IN_DELETE_SELF);
	}
	dentry->inode = NULL;
	dentry->has_all_names = false;
	inode_unref(inode);
}

/* Frees a dentry without references; its reference to the parent becomes the caller's. */
static void dentry_free(struct dentry *dentry)
{
	ASSERT(list_is_empty(&dentry->children));
	if (dentry->inode != NULL) {
		dentry_lose(dentry);
	}
	dentry_unhash(dentry);
	list_remove(&dentry->sibling);
	dentry_let_inode_go(dentry);
	dentry_free_name(dentry);
	helix_free(dentry);
	n_dentries--;
}

static void dentry_free_unused(struct dentry *dentry)
{
	struct dentry *parent = dentry->parent;

	list_remove(&dentry->unused_node);
	n_dentries_unused--;
	dentry_free(dentry);
	dentry_unref(parent);
}

static void dentry_trim_unused(void)
{
	while (n_dentries_unused > DENTRY_UNUSED_MAX) {
		dentry_free_unused(LIST_FIRST(&dentry_unused, struct dentry, unused_node));
	}
}

void dentry_ref(struct dentry *dentry)
{
	if (dentry->references++ == 0) {
		list_remove(&dentry->unused_node);
		n_dentries_unused--;
	}
}

static bool dentry_is_worth_keeping(const struct dentry *dentry, bool is_negative)
{
	uint32_t not_kept = SUPER_VOLATILE | SUPER_PINNED | SUPER_SHARED |
		(is_negative ? SUPER_FOLDS_NAMES : 0);

	/* a name of a pinned file system that nobody pins is negative or gone */
	return dentry->is_hashed && (dentry->super->flags & not_kept) == 0;
}

void dentry_unref(struct dentry *dentry)
{
	while (dentry != NULL) {
		ASSERT(dentry->references > 0);
		if (--dentry->references > 0) {
			return;
		}
		if (dentry_is_worth_keeping(dentry, dentry->inode == NULL)) {
			list_push_back(&dentry_unused, &dentry->unused_node);
			n_dentries_unused++;
			dentry_trim_unused();
			return;
		}
		/* not by recursion: a removed tree may be deep */
		struct dentry *parent = dentry->parent;

		dentry_free(dentry);
		dentry = parent;
	}
}

/* ---- what the walk and the file systems do ------------------------------------------------- */

static struct wait_queue dentry_shown = { .entries = LIST_INIT(dentry_shown.entries) };

/* A dentry that is in the cache, and known; 0 with NULL if there is none. */
static int64_t dentry_find_known(
	const struct dentry *parent, const char *name, size_t name_size, struct dentry **out_dentry)
{
	for (;;) {
		struct dentry *dentry = dentry_find_cached(parent, name, name_size);

		if (dentry == NULL || likely(!dentry->is_hidden)) {
			*out_dentry = dentry;
			return 0;
		}
		if (request_task() == NULL) {
			return REQUEST_TASK;
		}
		task_wait_on(&dentry_shown);
	}
}

void dentry_hide(struct dentry *dentry)
{
	ASSERT(!dentry->is_hidden);
	dentry->is_hidden = true;
}

void dentry_show(struct dentry *dentry)
{
	dentry->is_hidden = false;
	wait_queue_wake(&dentry_shown);
}

static int64_t dentry_look_up(struct dentry *dentry)
{
	struct inode *directory = dentry->parent->inode;

	if ((dentry->super->flags & SUPER_WAITS) == 0) {
		return directory->ops->lookup(directory, dentry);
	}
	dentry_hide(dentry);
	int64_t error = directory->ops->lookup(directory, dentry);

	dentry_show(dentry);
	return error;
}

/* Whether names that are not in the cache are none. */
static bool dentry_knows_all(const struct dentry *directory)
{
	return directory->has_all_names || (directory->super->flags & SUPER_PINNED) != 0;
}

/*
 * Where case is no difference a name that was asked for may be one that has another spelling in the
 * cache: there is one dentry for both, or what becomes of one would not be known of the other.
 */
static struct dentry *dentry_find_spelling(const struct dentry *dentry)
{
	const struct inode *inode = dentry->inode;

	if ((dentry->super->flags & SUPER_FOLDS_NAMES) == 0 || inode == NULL ||
		inode->references == 1) {
		return NULL;
	}
	LIST_FOR_EACH(other, &dentry->parent->children, struct dentry, sibling) {
		if (other != dentry && other->inode == inode && other->is_hashed) {
			return other;
		}
	}
	return NULL;
}

/* A dentry that was not there; its file system has been asked about it if it has to be. */
static int64_t dentry_make(struct dentry *parent, const char *name, size_t name_size,
	bool is_wanted, struct dentry **out_dentry)
{
	bool is_made_by_hand = (parent->super->flags & SUPER_VOLATILE) == 0;
	struct dentry *dentry = dentry_create(parent, name, name_size);

	if (dentry == NULL) {
		return -LINUX_ENOMEM;
	}
	if (!dentry_knows_all(parent)) {
		int64_t error = dentry_look_up(dentry);

		if (error < 0 && (error != -LINUX_ENOENT || !is_wanted || !is_made_by_hand)) {
			if (error != -LINUX_ENOENT) {
				dentry_drop(dentry);
			}
			dentry_unref(dentry);
			return error;
		}
	}
	struct dentry *other = dentry_find_spelling(dentry);

	if (unlikely(other != NULL)) {
		dentry_ref(other);
		dentry_drop(dentry);
		dentry_unref(dentry);
		dentry = other;
	}
	*out_dentry = dentry;
	return 0;
}

/* Whether a dentry of a SUPER_SHARED file system, which is referenced, still is what it was. */
static int64_t dentry_check(struct dentry *dentry)
{
	/* what is mounted on it covers it anyway */
	int64_t result = dentry->n_mounts > 0 ? 0 : dentry->super->ops->check_name(dentry);

	if (result > 0) {
		dentry_drop(dentry);
	}
	if (result != 0) {
		dentry_unref(dentry);
	}
	return result;
}

int64_t dentry_find(struct dentry *parent, const char *name, size_t name_size, bool is_wanted,
	struct dentry **out_dentry)
{
	bool is_shared = (parent->super->flags & SUPER_SHARED) != 0;
	struct dentry *dentry;
	int64_t error;

	do {
		error = dentry_find_known(parent, name, name_size, &dentry);
		if (unlikely(error < 0)) {
			return error;
		}
		if (dentry != NULL) {
			dentry_ref(dentry);
			error = unlikely(is_shared) ? dentry_check(dentry) : 0;
		}
	} while (unlikely(error > 0));
	if (unlikely(error < 0)) {
		return error;
	}
	if (dentry != NULL) {
		*out_dentry = dentry;
		return 0;
	}
	if (dentry_knows_all(parent) && !is_wanted) {
		return -LINUX_ENOENT;
	}
	return dentry_make(parent, name, name_size, is_wanted, out_dentry);
}

void dentry_set_inode(struct dentry *dentry, struct inode *inode)
{
	ASSERT(dentry->inode == NULL);
	inode_ref(inode);
	dentry->inode = inode;
}

void dentry_made_directory(struct dentry *dentry)
{
	uint32_t by_others = SUPER_PINNED | SUPER_VOLATILE | SUPER_SHARED | SUPER_FOLDS_NAMES;

	dentry->has_all_names = (dentry->super->flags & by_others) == 0;
}

void dentry_pin(struct dentry *dentry)
{
	ASSERT(!dentry->is_pinned);
	dentry->is_pinned = true;
	dentry_ref(dentry);
}

void dentry_unpin(struct dentry *dentry)
{
	if (dentry->is_pinned) {
		dentry->is_pinned = false;
		dentry_unref(dentry);
	}
}

static void dentry_is_dropped(struct dentry *dentry)
{
	if (dentry->has_handle) {
		file_handle_forget(dentry);
	}
	if (dentry->references == 0) {
		dentry_free_unused(dentry);
	}
}

void dentry_drop(struct dentry *dentry)
{
	dentry_lose(dentry);
	dentry_is_dropped(dentry);
}

bool dentry_may_vanish(const struct dentry *dentry)
{
	return dentry->references == 1 && dentry_is_worth_keeping(dentry, true);
}

void dentry_vanish(struct dentry *dentry)
{
	dentry_forget_children(dentry); /* of a directory: names that were not there */
	if (dentry_may_vanish(dentry)) {
		dentry_let_inode_go(dentry);
	} else {
		dentry_unhash(dentry);
		dentry_is_dropped(dentry);
	}
}

void dentry_forget_children(struct dentry *dentry)
{
	LIST_FOR_EACH_SAFE(child, &dentry->children, struct dentry, sibling) {
		dentry_ref(child);
		dentry_forget_children(child);
		if (child->inode != NULL) {
			dentry_lose(child);
		}
		dentry_unhash(child);
		dentry_unref(child);
	}
}

void dentry_forget_super(const struct super *super)
{
	struct list kept = LIST_INIT(kept);
	struct list rest = LIST_INIT(rest);

	for (;;) {
		/* parents that nobody uses any more have come since */
		list_append_all(&rest, &dentry_unused);
		struct dentry *dentry = LIST_FIRST(&rest, struct dentry, unused_node);

		if (dentry == NULL) {
			break;
		}
		if (dentry->super == super) {
			dentry_free_unused(dentry);
		} else {
			list_remove(&dentry->unused_node);
			list_push_back(&kept, &dentry->unused_node);
		}
	}
	list_append_all(&dentry_unused, &kept);
}

int64_t dentry_prepare_move(const struct dentry *to, char **out_memory)
{
	*out_memory = NULL;
	if (to->name_size >= DENTRY_INLINE_NAME) {
		*out_memory = helix_malloc((size_t)to->name_size + 1);
		if (*out_memory == NULL) {
			return -LINUX_ENOMEM;
		}
	}
	return 0;
}

void dentry_move(struct dentry *dentry, struct dentry *to, char *memory)
{
	struct dentry *old_parent = dentry->parent;
	struct dentry *new_parent = to->parent;

	dentry_forget_children(to); /* of a directory: names that were not there */
	dentry_lose(dentry); /* there may be a whiteout */
	dentry_unhash(to);
	dentry_free_name(dentry);
	if (memory == NULL) {
		memory = dentry->inline_name;
	}
	memcpy(memory, to->name, (size_t)to->name_size + 1);
	dentry->name = memory;
	dentry->name_size = to->name_size;
	dentry_ref(new_parent);
	dentry->parent = new_parent;
	list_remove(&dentry->sibling);
	list_push_back(&new_parent->children, &dentry->sibling);
	dentry_insert(dentry);
	dentry_unref(old_parent);
}

static void dentry_exchange_names(struct dentry *a, struct dentry *b)
{
	char inline_name[DENTRY_INLINE_NAME];
	char *name_a = a->name;
	char *name_b = b->name;
	uint16_t size_a = a->name_size;
	bool is_inline_a = name_a == a->inline_name;
	bool is_inline_b = name_b == b->inline_name;

	memcpy(inline_name, a->inline_name, sizeof(inline_name));
	memcpy(a->inline_name, b->inline_name, sizeof(inline_name));
	memcpy(b->inline_name, inline_name, sizeof(inline_name));
	a->name = is_inline_b ? a->inline_name : name_b;
	b->name = is_inline_a ? b->inline_name : name_a;
	a->name_size = b->name_size;
	b->name_size = size_a;
}

void dentry_exchange(struct dentry *a, struct dentry *b)
{
	struct dentry *parent = a->parent;

	dentry_unhash(a);
	dentry_unhash(b);
	dentry_exchange_names(a, b);
	a->parent = b->parent;
	b->parent = parent;
	list_remove(&a->sibling);
	list_remove(&b->sibling);
	list_push_back(&a->parent->children, &a->sibling);
	list_push_back(&b->parent->children, &b->sibling);
	dentry_insert(a);
	dentry_insert(b);
}

bool dentry_is_below(const struct dentry *dentry, const struct dentry *ancestor)
{
	for (; dentry != NULL; dentry = dentry->parent) {
		if (dentry == ancestor) {
			return true;
		}
	}
	return false;
}

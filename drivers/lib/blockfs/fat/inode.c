/* SPDX-License-Identifier: MIT */
/*
 * Inodes: what slots say, in memory.
 *
 * The inode of a slot exists once; it is found by its *place*, which is the first cluster of its
 * directory and the slot. It holds its parent, so nobody's inodes wait on a list with their parents
 * held, and the longest unused goes first. A number is made of the place where the inode was
 * first seen and stays its own until it is destroyed, wherever it moves meanwhile.
 *
 * Directories are also found by their first cluster: two that have the same are a corrupt disk, and
 * so no directory is ever below itself.
 */
#include <base/assert.h>
#include <base/hash.h>
#include <base/string.h>
#include <drivers/lib/blockfs/fat/fat.h>

#define UNUSED_MAX       512u
#define N_BUCKETS_FIRST  64u
#define NUMBERS_OF_MOVED (1ull << 52) /* from here on: whose usual one is taken */

/* ---- tables ---------------------------------------------------------------------------------- */

static struct hash_node **buckets_allocate(UNUSED struct hash_table *table, size_t n_buckets)
{
	return blockfs_allocate(n_buckets * sizeof(struct hash_node *));
}

static void buckets_release(
	UNUSED struct hash_table *table, struct hash_node **buckets, UNUSED size_t n_buckets)
{
	blockfs_free(buckets);
}

static const struct hash_table_hooks table_hooks = {
	.allocate = buckets_allocate,
	.release = buckets_release,
};

static uint64_t place_of(const struct fat_inode *parent, uint32_t slot)
{
	return (uint64_t)parent->start << 16 | slot;
}

static bool place_is(const struct hash_node *node, const void *key)
{
	const struct fat_inode *inode = container_of(node, struct fat_inode, place_node);

	return place_of(inode->parent, inode->slot) == *(const uint64_t *)key;
}

static bool number_is(const struct hash_node *node, const void *key)
{
	const struct fat_inode *inode = container_of(node, struct fat_inode, number_node);

	return inode->node.number == *(const uint64_t *)key;
}

static bool start_is(const struct hash_node *node, const void *key)
{
	const struct fat_inode *inode = container_of(node, struct fat_inode, start_node);

	return inode->start == *(const uint32_t *)key;
}

static struct fat_inode *find_place(const struct fat *fs, uint64_t place)
{
	struct hash_node *node = hash_table_find(&fs->places, hash_u64(place), place_is, &place);

	return node != NULL ? container_of(node, struct fat_inode, place_node) : NULL;
}

static struct fat_inode *find_number(const struct fat *fs, uint64_t number)
{
	struct hash_node *node =
		hash_table_find(&fs->numbers, hash_u64(number), number_is, &number);

	return node != NULL ? container_of(node, struct fat_inode, number_node) : NULL;
}

static struct fat_inode *find_start(const struct fat *fs, uint32_t start)
{
	struct hash_node *node = hash_table_find(&fs->starts, hash_u64(start), start_is, &start);

	return node != NULL ? container_of(node, struct fat_inode, start_node) : NULL;
}

int fat_inodes_init(struct fat *fs)
{
	struct hash_table *tables[] = { &fs->places, &fs->numbers, &fs->starts };

	list_init(&fs->unused);
	for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
		struct hash_node **buckets = buckets_allocate(tables[i], N_BUCKETS_FIRST);

		if (buckets == NULL) {
			return -ERR_NO_MEMORY; /* fat_inodes_deinit() frees the others */
		}
		hash_table_init(tables[i], buckets, N_BUCKETS_FIRST, &table_hooks);
	}
	fs->next_number = NUMBERS_OF_MOVED;
	return 0;
}

void fat_inodes_deinit(struct fat *fs)
{
	blockfs_free(fs->places.buckets);
	blockfs_free(fs->numbers.buckets);
	blockfs_free(fs->starts.buckets);
}

static void place_insert(struct fat_inode *inode)
{
	hash_table_insert(&inode->fs->places, &inode->place_node,
		hash_u64(place_of(inode->parent, inode->slot)));
	inode->is_placed = true;
}

static void place_remove(struct fat_inode *inode)
{
	if (inode->is_placed) {
		hash_table_remove(&inode->fs->places, &inode->place_node);
		inode->is_placed = false;
	}
}

static void start_insert(struct fat_inode *inode)
{
	hash_table_insert(&inode->fs->starts, &inode->start_node, hash_u64(inode->start));
	inode->is_started = true;
}

static void start_remove(struct fat_inode *inode)
{
	if (inode->is_started) {
		hash_table_remove(&inode->fs->starts, &inode->start_node);
		inode->is_started = false;
	}
}

/* ---- slots ----------------------------------------------------------------------------------- */

static void inode_decode(struct fat_inode *inode, const struct fat_slot *slot)
{
	inode->attributes = slot->attributes;
	inode->start = fat_get_16(slot->start_low);
	if (inode->fs->bits == 32) {
		inode->start |= (uint32_t)(fat_get_16(slot->start_high) & 0x0fff) << 16;
	}
	inode->size = fat_is_directory(inode) ? 0 : fat_get_32(slot->size);
	inode->disk_size = inode->size;
	inode->n_clusters = fat_clusters_of(inode->fs, inode->size);
	inode->mtime = fat_time_decode(fat_get_16(slot->date), fat_get_16(slot->time), 0);
	inode->atime = fat_time_decode(fat_get_16(slot->access_date), 0, 0);
	inode->birth = fat_time_decode(fat_get_16(slot->birth_date), fat_get_16(slot->birth_time),
		slot->birth_centiseconds);
}

void fat_inode_encode(const struct fat_inode *inode, struct fat_slot *slot)
{
	uint64_t size = min_u64(inode->size, inode->disk_size);

	slot->attributes = inode->attributes;
	fat_put_16(slot->start_low, inode->start);
	if (inode->fs->bits == 32) {
		fat_put_16(slot->start_high, inode->start >> 16);
	}
	fat_put_32(slot->size, fat_is_directory(inode) ? 0 : (uint32_t)size);
	fat_time_encode(inode->mtime, slot->date, slot->time, NULL);
	fat_time_encode(inode->atime, slot->access_date, NULL, NULL);
	fat_time_encode(
		inode->birth, slot->birth_date, slot->birth_time, &slot->birth_centiseconds);
}

void fat_inode_touch(struct fat_inode *inode)
{
	struct blockfs_host *host = inode->fs->fs.host;

	inode->mtime = host->now(host);
	inode->mtime.nanoseconds = 0;
	inode->mtime.seconds &= ~1ll;
	inode->attributes |= fat_is_directory(inode) ? 0 : FAT_ATTR_ARCHIVE;
	if (!inode->is_removed && inode->parent != NULL) {
		fat_inode_set_dirty(inode);
	}
}

/* ---- life ------------------------------------------------------------------------------------ */

static void inode_destroy(struct fat_inode *inode)
{
	struct fat *fs = inode->fs;

	ASSERT(!list_node_is_linked(&inode->dirty_node));
	place_remove(inode);
	start_remove(inode);
	if (inode->is_numbered) {
		hash_table_remove(&fs->numbers, &inode->number_node);
	}
	fs->n_reserved -= inode->n_reserved;
	fat_chain_drop(&inode->chain);
	fat_index_destroy(inode->index);
	blockfs_free(inode);
}

void fat_inode_destroy_dead(struct fat_inode *inode)
{
	inode_destroy(inode);
}

static struct fat_inode *inode_create(struct fat *fs)
{
	struct fat_inode *inode = blockfs_allocate(sizeof(*inode));

	if (inode != NULL) {
		inode->node.fs = &fs->fs;
		inode->fs = fs;
		inode->n_holders = 1;
		rwlock_init(&inode->lock);
	}
	return inode;
}

static void number_insert(struct fat_inode *inode, uint64_t number)
{
	inode->node.number = number;
	inode->node.generation = 1;
	hash_table_insert(&inode->fs->numbers, &inode->number_node, hash_u64(number));
	inode->is_numbered = true;
}

int fat_inode_root(struct task *task, struct fat *fs)
{
	struct fat_inode *root = inode_create(fs);

	if (root == NULL) {
		return -ERR_NO_MEMORY;
	}
	root->attributes = FAT_ATTR_DIRECTORY;
	root->start = fs->root_cluster;
	root->mtime = root->atime = root->birth = fat_time_decode(0, 0, 0);
	number_insert(root, FAT_NODE_ROOT);
	if (root->start != 0) {
		start_insert(root);
	}
	fs->root = root;
	return fat_index_load(task, root);
}

static struct fat_inode *inode_use(struct fat_inode *inode)
{
	if (inode->n_holders++ == 0) {
		list_remove(&inode->unused_node);
		inode->fs->n_unused--;
	}
	return inode;
}

struct fat_inode *fat_inode_get(struct fat_inode *inode)
{
	return inode_use(inode);
}

static uint64_t usual_number(const struct fat_inode *parent, uint32_t slot)
{
	return place_of(parent, slot) + FAT_NODE_ROOT + 1;
}

uint64_t fat_inode_number(struct fat_inode *parent, uint32_t slot)
{
	const struct fat_inode *inode = find_place(parent->fs, place_of(parent, slot));

	return inode != NULL ? inode->node.number : usual_number(parent, slot);
}

struct fat_inode *fat_inode_find(struct fat *fs, uint64_t number)
{
	struct fat_inode *inode = find_number(fs, number);

	return inode != NULL && !inode->is_removed ? inode_use(inode) : NULL;
}

/* A directory's links are in the directory. */
static int directory_load(struct task *task, struct fat_inode *inode)
{
	struct fat *fs = inode->fs;

	if (!fat_is_cluster(fs, inode->start)) {
		return fat_corrupt(fs, "a directory begins with cluster %u", inode->start);
	}
	if (find_start(fs, inode->start) != NULL) {
		return fat_corrupt(fs, "two directories begin with cluster %u", inode->start);
	}
	return fat_index_load(task, inode);
}

static int inode_load(struct task *task, struct fat_inode *parent, uint32_t slot,
	const struct fat_slot *data, struct fat_inode **out_inode)
{
	struct fat *fs = parent->fs;
	struct fat_inode *inode = inode_create(fs);

	if (inode == NULL) {
		return -ERR_NO_MEMORY;
	}
	inode->slot = slot;
	inode_decode(inode, data);
	int error = fat_is_directory(inode) ? directory_load(task, inode) : 0;
	struct fat_inode *other = find_place(fs, place_of(parent, slot));

	if (error == 0 && other == NULL && fat_is_directory(inode) &&
		find_start(fs, inode->start) != NULL) {
		error = fat_corrupt(fs, "two directories begin with cluster %u", inode->start);
	}
	if (error != 0 || other != NULL) { /* another task was faster */
		inode_destroy(inode);
		*out_inode = other != NULL ? inode_use(other) : NULL;
		return other != NULL ? 0 : error;
	}
	inode->parent = inode_use(parent);
	place_insert(inode);
	if (fat_is_directory(inode)) {
		start_insert(inode);
	}
	uint64_t number = usual_number(parent, slot);

	number_insert(inode, find_number(fs, number) == NULL ? number : fs->next_number++);
	*out_inode = inode;
	return 0;
}

int fat_inode_hold(struct task *task, struct fat_inode *parent, uint32_t slot,
	const struct fat_slot *slot_data, struct fat_inode **out_inode)
{
	struct fat_inode *inode = find_place(parent->fs, place_of(parent, slot));

	if (inode != NULL) {
		*out_inode = inode_use(inode);
		return 0;
	}
	return inode_load(task, parent, slot, slot_data, out_inode);
}

/* Nobody's any more: kept for later, or if it has no name, for the commit to free its clusters. */
static void inode_release(struct fat_inode *inode)
{
	struct fat *fs = inode->fs;

	if (!inode->is_removed) {
		list_push_back(&fs->unused, &inode->unused_node);
		fs->n_unused++;
		return;
	}
	if (fat_is_directory(inode)) {
		fat_directory_forget(inode);
		inode->n_clusters = inode->chain.n_known;
	}
	start_remove(inode);
	fs->n_removed--;
	fs->n_reserved -= inode->n_reserved;
	inode->n_reserved = 0;
	fs->n_going += inode->n_clusters;
	list_push_back(&fs->dead_inodes, &inode->dead_node);
}

/* Give back one that may be the last; its parent, if that has to be given back, too. */
static struct fat_inode *inode_unhold(struct fat_inode *inode)
{
	ASSERT(inode->n_holders > 0);
	if (--inode->n_holders > 0) {
		return NULL;
	}
	struct fat_inode *parent = inode->is_removed ? inode->parent : NULL;

	inode_release(inode);
	if (parent != NULL) {
		inode->parent = NULL;
	}
	return parent;
}

void fat_inode_unhold(struct fat_inode *inode)
{
	while (inode != NULL) {
		inode = inode_unhold(inode);
	}
}

void fat_inodes_trim(struct fat *fs, uint32_t n_left)
{
	while (fs->n_unused > n_left) {
		struct fat_inode *inode =
			LIST_POP_FRONT(&fs->unused, struct fat_inode, unused_node);
		struct fat_inode *parent = inode->parent;

		fs->n_unused--;
		inode_destroy(inode);
		fat_inode_unhold(parent);
	}
}

void fat_inode_put_held(struct fat_inode *inode)
{
	ASSERT(inode->n_holders > 1);
	inode->n_holders--;
}

void fat_inode_put(struct task *task, struct fat_inode *inode)
{
	if (inode == NULL) {
		return;
	}
	struct fat *fs = inode->fs;
	uint32_t n_lists = (list_node_is_linked(&inode->dirty_node) ? 1u : 0) +
		(list_node_is_linked(&inode->cut_node) ? 1u : 0);

	if (inode->n_holders == 1 + n_lists && !inode->is_removed &&
		inode->size > inode->disk_size && !fs->fs.is_read_only && fs->fs.error == 0) {
		int error = fat_settle(task, inode);

		if (error != 0) {
			fs->fs.host->complain(
				fs->fs.host, "the end of a file that was not written is lost");
		}
	}
	fat_inode_unhold(inode);
	fat_inodes_trim(fs, UNUSED_MAX);
}

/* ---- changes --------------------------------------------------------------------------------- */

void fat_inode_move(struct fat_inode *inode, struct fat_inode *parent, uint32_t slot)
{
	struct fat_inode *old = inode->parent;

	place_remove(inode);
	inode->parent = inode_use(parent);
	inode->slot = slot;
	place_insert(inode);
	fat_inode_put_held(old); /* the caller holds it, too */
}

void fat_inode_set_removed(struct fat_inode *inode)
{
	place_remove(inode);
	inode->is_removed = true;
	inode->fs->n_removed++;
	if (list_node_is_linked(&inode->dirty_node)) {
		list_remove(&inode->dirty_node);
		fat_inode_put_held(inode); /* the caller holds it, too */
	}
}

void fat_inode_set_dirty(struct fat_inode *inode)
{
	if (!list_node_is_linked(&inode->dirty_node)) {
		list_push_back(&inode->fs->dirty_inodes, &inode->dirty_node);
		inode_use(inode);
	}
}

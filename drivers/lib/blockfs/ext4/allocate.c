/* SPDX-License-Identifier: MIT */
/*
 * Allocating blocks.
 *
 * In two steps, because data are written before the file system says where they are: *choosing*
 * finds free blocks and marks them busy, in memory only; *claiming* sets their bits, in the handle
 * that also puts them into a file. After a power cut between the two the blocks are simply free.
 * Freed blocks are busy, too, until their freeing is committed.
 *
 * Where. The group of the goal first, then a few behind it. Groups are kept on lists by an upper
 * bound of their longest run of free blocks (a power of two), so finding one that may have a run of
 * a length is a look at 18 lists, however many groups there are. Scanning a group makes its bound
 * exact, so a group that disappoints is not looked at again for that length; freeing raises it.
 */
#include <base/assert.h>
#include <base/bitmap.h>
#include <base/string.h>
#include <drivers/lib/blockfs/ext4/change.h>

#define NEAR_GROUPS 4 /* behind the goal's that are tried first */

/* ---- bounds ---------------------------------------------------------------------------------- */

static uint8_t order_of(uint32_t n_blocks)
{
	uint32_t order = n_blocks > 1 ? 31 - (uint32_t)__builtin_clz(n_blocks) : 0;

	return (uint8_t)(order < EXT4_N_ORDERS ? order : EXT4_N_ORDERS - 1);
}

static void group_set_longest(struct ext4 *fs, struct ext4_group *group, uint32_t n_blocks)
{
	list_remove(&group->order_node);
	group->order = order_of(n_blocks);
	if (n_blocks > 0 && !group->is_bad) {
		list_push_back(&fs->orders[group->order], &group->order_node);
	}
}

/* More blocks may be free now: nothing is known but their number. */
static void group_forget_longest(struct ext4 *fs, struct ext4_group *group)
{
	uint32_t n_free =
		group->n_free_blocks - (uint32_t)min_u64(group->n_busy, group->n_free_blocks);

	group_set_longest(fs, group, n_free);
}

/* ---- what is busy ---------------------------------------------------------------------------- */

static int busy_compare(const struct tree_node *a, const struct tree_node *b)
{
	uint32_t first_a = container_of(a, struct ext4_busy, node)->first;
	uint32_t first_b = container_of(b, struct ext4_busy, node)->first;

	return first_a < first_b ? -1 : first_a > first_b;
}

/* Where in relation to the range a block is. */
static int busy_compare_key(const void *key, const struct tree_node *node)
{
	const struct ext4_busy *busy = container_of(node, struct ext4_busy, node);
	uint32_t block = *(const uint32_t *)key;

	return block < busy->first ? -1 : block >= busy->first + busy->n_blocks;
}

static struct ext4_busy *busy_create(uint32_t group, uint32_t first, uint32_t n_blocks)
{
	struct ext4_busy *busy = blockfs_allocate(sizeof(*busy));

	if (busy != NULL) {
		busy->group = group;
		busy->first = first;
		busy->n_blocks = n_blocks;
	}
	return busy;
}

static void busy_insert(struct ext4 *fs, struct ext4_busy *busy)
{
	struct ext4_group *group = &fs->groups[busy->group];

	tree_insert(&group->busy, &busy->node, busy_compare);
	group->n_busy += busy->n_blocks;
}

static void busy_destroy(struct ext4 *fs, struct ext4_busy *busy, bool becomes_free)
{
	struct ext4_group *group = &fs->groups[busy->group];

	tree_remove(&group->busy, &busy->node);
	group->n_busy -= busy->n_blocks;
	list_remove(&busy->freed_node);
	if (becomes_free) {
		group_forget_longest(fs, group);
	}
	blockfs_free(busy);
}

/* ---- bitmaps --------------------------------------------------------------------------------- */

static void bitmap_set_range(uint64_t *map, uint32_t first, uint32_t n, bool value)
{
	uint32_t end = first + n;

	for (; first < end && first % 8 != 0; first++) {
		bitmap_assign(map, first, value);
	}
	memset((uint8_t *)map + first / 8, value ? 0xff : 0, (end - first) / 8);
	for (first += (end - first) / 8 * 8; first < end; first++) {
		bitmap_assign(map, first, value);
	}
}

/* The bitmap of a group that has never had any: only its own metadata. */
static void bitmap_make(const struct ext4 *fs, uint32_t index, uint64_t *map)
{
	const struct ext4_group *group = &fs->groups[index];
	uint64_t start = ext4_group_start(fs, index);
	uint32_t size = ext4_group_size(fs, index);
	uint32_t n_table = (uint32_t)div_round_up(
		(uint64_t)fs->inodes_per_group * fs->inode_size, fs->block_size);

	memset(map, 0, fs->block_size);
	bitmap_set_range(map, 0, (uint32_t)min_u64(ext4_group_n_metadata(fs, index), size), true);
	if (group->block_bitmap >= start && group->block_bitmap - start < size) {
		bitmap_set(map, group->block_bitmap - start);
	}
	if (group->inode_bitmap >= start && group->inode_bitmap - start < size) {
		bitmap_set(map, group->inode_bitmap - start);
	}
	for (uint32_t i = 0; i < n_table; i++) {
		uint64_t block = group->inode_table + i;

		if (block >= start && block - start < size) {
			bitmap_set(map, block - start);
		}
	}
	bitmap_set_range(map, size, fs->block_size * 8 - size, true);
}

int ext4_read_block_bitmap(
	struct task *task, struct ext4 *fs, uint32_t index, struct buffer **out_buffer)
{
	struct ext4_group *group = &fs->groups[index];

	if ((group->flags & EXT4_GROUP_BLOCKS_UNINIT) == 0) {
		return ext4_read(
			task, fs, group->block_bitmap, EXT4_KIND_BLOCK_BITMAP, index, out_buffer);
	}
	int error = cache_create(task, &fs->cache, group->block_bitmap, out_buffer);

	if (error == 0 && (*out_buffer)->kind != EXT4_KIND_BLOCK_BITMAP) {
		bitmap_make(fs, index, (uint64_t *)(*out_buffer)->data);
		(*out_buffer)->kind = EXT4_KIND_BLOCK_BITMAP;
		(*out_buffer)->seed = index;
	}
	return error;
}

/* Have the group's bitmap and descriptor in the handle. The counters change with the bits. */
static int group_open(
	struct handle *handle, struct ext4 *fs, uint32_t index, struct buffer **out_bitmap)
{
	BUFFER_AUTO struct buffer *bitmap = NULL;
	int error = ext4_read_block_bitmap(handle->task, fs, index, &bitmap);

	if (error == 0) {
		error = handle_access(handle, bitmap);
	}
	if (error == 0) {
		error = ext4_group_write(handle, fs, index);
	}
	if (error == 0) {
		*out_bitmap = buffer_move(&bitmap);
	}
	return error;
}

static int group_close(struct handle *handle, struct ext4 *fs, uint32_t index)
{
	fs->groups[index].flags &= (uint16_t)~EXT4_GROUP_BLOCKS_UNINIT;
	return ext4_group_write(handle, fs, index);
}

int ext4_init_block_bitmap(struct handle *handle, struct ext4 *fs, uint32_t index)
{
	BUFFER_AUTO struct buffer *bitmap = NULL;

	if ((fs->groups[index].flags & EXT4_GROUP_BLOCKS_UNINIT) == 0) {
		return 0;
	}
	int error = group_open(handle, fs, index, &bitmap);

	return error != 0 ? error : group_close(handle, fs, index);
}

/* ---- searching a group ----------------------------------------------------------------------- */

struct run {
	uint32_t first;
	uint32_t n_blocks;
};

/* The next run of blocks that may be taken, at or behind @from. */
static bool run_next(const struct ext4_group *group, const uint64_t *map, uint32_t n_bits,
	uint32_t from, struct run *out_run)
{
	for (;;) {
		size_t first = bitmap_find_clear(map, n_bits, from);

		if (first == BITMAP_NONE) {
			return false;
		}
		size_t end = bitmap_find_set(map, n_bits, first);
		uint32_t key = (uint32_t)first;
		const struct ext4_busy *busy =
			TREE_ENTRY(tree_lower_bound(&group->busy, &key, busy_compare_key),
				struct ext4_busy, node);

		end = end == BITMAP_NONE ? n_bits : end;
		if (busy != NULL && busy->first <= first) {
			from = busy->first + busy->n_blocks;
			continue;
		}
		if (busy != NULL && busy->first < end) {
			end = busy->first;
		}
		*out_run = (struct run){ (uint32_t)first, (uint32_t)(end - first) };
		return true;
	}
}

/* The run at @goal if there is one; else the first of @n_wanted blocks; else the longest. */
static struct run group_search(struct ext4 *fs, struct ext4_group *group, const uint64_t *map,
	uint32_t n_bits, uint32_t goal, uint32_t n_wanted)
{
	struct run best = { 0 };
	struct run run;
	uint32_t n_longest = 0;

	if (goal < n_bits && run_next(group, map, n_bits, goal, &run) &&
		(run.first == goal || run.n_blocks >= n_wanted)) {
		return run;
	}
	for (uint32_t from = 0; run_next(group, map, n_bits, from, &run);
		from = run.first + run.n_blocks) {
		if (run.n_blocks > n_longest) {
			n_longest = run.n_blocks;
			best = run;
			if (n_longest >= n_wanted) {
				return best;
			}
		}
	}
	group_set_longest(fs, group, n_longest);
	return best;
}

/* Try one group. NO_SPACE: nothing as long as @n_min. */
static int group_choose(struct task *task, struct ext4 *fs, uint32_t index, uint32_t goal,
	uint32_t n_min, uint32_t n_wanted, struct ext4_busy **out_busy)
{
	struct ext4_group *group = &fs->groups[index];
	BUFFER_AUTO struct buffer *bitmap = NULL;
	int error = ext4_read_block_bitmap(task, fs, index, &bitmap);

	if (error == BLOCKFS_E_CORRUPT) {
		group->is_bad = true;
		group_set_longest(fs, group, 0);
		return fs->fs.error != 0 ? error : BLOCKFS_E_NO_SPACE;
	}
	if (error != 0) {
		return error;
	}
	struct run run = group_search(fs, group, (const uint64_t *)bitmap->data,
		ext4_group_size(fs, index), goal, n_wanted);

	if (run.n_blocks < n_min || run.n_blocks == 0) {
		return BLOCKFS_E_NO_SPACE;
	}
	struct ext4_busy *busy =
		busy_create(index, run.first, (uint32_t)min_u64(run.n_blocks, n_wanted));

	if (busy == NULL) {
		return -ERR_NO_MEMORY;
	}
	busy_insert(fs, busy);
	fs->n_busy_new += busy->n_blocks;
	*out_busy = busy;
	return 0;
}

static bool group_may_have(const struct ext4_group *group, uint32_t n_blocks)
{
	return list_node_is_linked(&group->order_node) && group->order >= order_of(n_blocks);
}

static int choose_near(struct task *task, struct ext4 *fs, uint64_t goal, uint32_t n_wanted,
	struct ext4_busy **out_busy)
{
	uint32_t index = (uint32_t)((goal - fs->first_data_block) / fs->blocks_per_group);
	uint32_t inside = (uint32_t)((goal - fs->first_data_block) % fs->blocks_per_group);
	int error = BLOCKFS_E_NO_SPACE;

	/* in the goal's own group a shorter run at the right place is as good */
	if (list_node_is_linked(&fs->groups[index].order_node)) {
		error = group_choose(task, fs, index, inside, (uint32_t)min_u64(n_wanted, 8),
			n_wanted, out_busy);
	}
	for (uint32_t i = 1; i <= NEAR_GROUPS && error == BLOCKFS_E_NO_SPACE; i++) {
		uint32_t near = (index + i) % fs->n_groups;

		if (group_may_have(&fs->groups[near], n_wanted)) {
			error = group_choose(task, fs, near, 0, n_wanted, n_wanted, out_busy);
		}
	}
	return error;
}

/* A group from the lists: each look either succeeds or lowers the bound of a group. */
static int choose_anywhere(
	struct task *task, struct ext4 *fs, uint32_t n_wanted, struct ext4_busy **out_busy)
{
	for (uint32_t order = order_of(n_wanted) + 1; order-- > 0;) {
		uint32_t n_min = (uint32_t)min_u64(1u << order, n_wanted);

		for (uint32_t i = order; i < EXT4_N_ORDERS;) {
			struct ext4_group *group =
				LIST_FIRST(&fs->orders[i], struct ext4_group, order_node);

			if (group == NULL) {
				i++;
				continue;
			}
			int error = group_choose(task, fs, (uint32_t)(group - fs->groups),
				UINT32_MAX, n_min, n_wanted, out_busy);

			if (error != BLOCKFS_E_NO_SPACE) {
				return error;
			}
			if (list_node_is_linked(&group->order_node) && group->order == i) {
				i++; /* its longest run is just below the length that was wanted */
			}
		}
	}
	return BLOCKFS_E_NO_SPACE;
}

uint64_t ext4_available(const struct ext4 *fs)
{
	uint64_t n_taken = fs->n_busy_new + fs->n_reserved + fs->n_spare;

	return fs->n_free_blocks > n_taken ? fs->n_free_blocks - n_taken : 0;
}

int ext4_choose(struct task *task, struct ext4 *fs, uint64_t goal, uint32_t n_wanted,
	bool is_reserved, struct ext4_busy **out_busy)
{
	if (!is_reserved && ext4_available(fs) < n_wanted) {
		if (ext4_available(fs) == 0) {
			return BLOCKFS_E_NO_SPACE;
		}
		n_wanted = (uint32_t)min_u64(n_wanted, ext4_available(fs));
	}
	if (goal < fs->first_data_block || goal >= fs->n_blocks) {
		goal = fs->first_data_block;
	}
	int error = choose_near(task, fs, goal, n_wanted, out_busy);

	return error == BLOCKFS_E_NO_SPACE ? choose_anywhere(task, fs, n_wanted, out_busy) : error;
}

void ext4_unchoose(struct ext4 *fs, struct ext4_busy *busy)
{
	if (busy != NULL) {
		fs->n_busy_new -= busy->n_blocks;
		busy_destroy(fs, busy, true);
	}
}

/* ---- in handles ------------------------------------------------------------------------------ */

int ext4_claim(struct handle *handle, struct ext4 *fs, struct ext4_busy *busy)
{
	struct ext4_group *group = &fs->groups[busy->group];
	BUFFER_AUTO struct buffer *bitmap = NULL;
	uint32_t n = busy->n_blocks;
	int error = group_open(handle, fs, busy->group, &bitmap);

	if (error != 0) {
		return error;
	}
	if (group->n_free_blocks < n) {
		return ext4_corrupt(
			fs, "group %u has more free blocks than it counts", busy->group);
	}
	bitmap_set_range((uint64_t *)bitmap->data, busy->first, n, true);
	group->n_free_blocks -= n;
	fs->n_free_blocks -= n;
	fs->n_busy_new -= n;
	uint32_t index = busy->group;

	busy_destroy(fs, busy, false);
	return group_close(handle, fs, index);
}

int ext4_allocate_block(struct handle *handle, struct ext4 *fs, uint64_t goal, uint64_t *out_block)
{
	struct ext4_busy *busy;
	int error = ext4_choose(handle->task, fs, goal, 1, true, &busy);

	if (error != 0) {
		return error;
	}
	uint64_t block = ext4_busy_start(fs, busy);

	error = ext4_claim(handle, fs, busy);
	if (error != 0) {
		ext4_unchoose(fs, busy);
		return error;
	}
	*out_block = block;
	return 0;
}

static int free_in_group(
	struct handle *handle, struct ext4 *fs, uint32_t index, uint32_t first, uint32_t n)
{
	struct ext4_group *group = &fs->groups[index];
	struct transaction *transaction = handle->transaction;
	BUFFER_AUTO struct buffer *bitmap = NULL;
	struct ext4_busy *busy = transaction != NULL ? busy_create(index, first, n) : NULL;
	int error = transaction != NULL && busy == NULL ? -ERR_NO_MEMORY
							: group_open(handle, fs, index, &bitmap);

	if (error == 0) {
		const uint64_t *map = (const uint64_t *)bitmap->data;
		size_t clear = bitmap_find_clear(map, first + n, first);

		if (clear != BITMAP_NONE || group->n_free_blocks + n > fs->blocks_per_group) {
			error = ext4_corrupt(
				fs, "freed blocks of group %u are free already", index);
		}
	}
	if (error != 0) {
		blockfs_free(busy);
		return error;
	}
	bitmap_set_range((uint64_t *)bitmap->data, first, n, false);
	group->n_free_blocks += n;
	fs->n_free_blocks += n;
	if (busy != NULL) {
		busy_insert(fs, busy);
		fs->n_busy_freed += n;
		list_push_back(&transaction->freed, &busy->freed_node);
	} else {
		group_forget_longest(fs, group);
	}
	return group_close(handle, fs, index);
}

int ext4_free_blocks(struct handle *handle, struct ext4 *fs, uint64_t start, uint32_t n_blocks)
{
	if (!ext4_is_data_block(fs, start, n_blocks)) {
		return ext4_corrupt(fs, "freed blocks do not exist");
	}
	while (n_blocks > 0) {
		uint64_t index = (start - fs->first_data_block) / fs->blocks_per_group;
		uint32_t first = (uint32_t)((start - fs->first_data_block) % fs->blocks_per_group);
		uint32_t n = (uint32_t)min_u64(n_blocks, fs->blocks_per_group - first);
		int error = free_in_group(handle, fs, (uint32_t)index, first, n);

		if (error != 0) {
			return error;
		}
		start += n;
		n_blocks -= n;
	}
	return 0;
}

int ext4_free_metadata(struct handle *handle, struct ext4 *fs, uint64_t block)
{
	BUFFER_AUTO struct buffer *buffer = cache_find(&fs->cache, block);
	int error = ext4_free_blocks(handle, fs, block, 1);

	return error != 0 ? error : handle_forget(handle, block, buffer);
}

int ext4_free_contents(
	struct handle *handle, struct ext4_inode *inode, uint64_t start, uint32_t n_blocks)
{
	int error = ext4_free_blocks(handle, inode->fs, start, n_blocks);

	if (!ext4_log_knows_contents(inode)) {
		return error;
	}
	for (uint32_t i = 0; error == 0 && i < n_blocks; i++) {
		BUFFER_AUTO struct buffer *buffer = cache_find(&inode->fs->cache, start + i);

		error = handle_forget(handle, start + i, buffer);
	}
	return error;
}

void ext4_release_freed(struct ext4 *fs, struct list *freed)
{
	struct ext4_busy *busy;

	while ((busy = LIST_FIRST(freed, struct ext4_busy, freed_node)) != NULL) {
		fs->n_busy_freed -= busy->n_blocks;
		busy_destroy(fs, busy, true);
	}
}

void ext4_allocator_deinit(struct ext4 *fs)
{
	for (uint32_t i = 0; i < fs->n_groups && fs->groups != NULL; i++) {
		struct tree_node *node;

		while ((node = tree_first(&fs->groups[i].busy)) != NULL) {
			busy_destroy(fs, container_of(node, struct ext4_busy, node), true);
		}
	}
}

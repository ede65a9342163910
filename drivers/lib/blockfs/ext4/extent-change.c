/* SPDX-License-Identifier: MIT */
/*
 * Changing extent trees. map_lock is held alone.
 *
 * Room first: before an entry is added its leaf has room for all that the change can add, by
 * splitting full nodes one at a time, from the top down; each split leaves a good tree. Then the
 * change itself cannot fail. The key of a node in its parent is always the first block of the node.
 */
#include <base/assert.h>
#include <base/string.h>
#include <drivers/lib/blockfs/ext4/change.h>
#include <drivers/lib/blockfs/ext4/extent.h>

#define ROOT_MAX   4
#define SPLITS_MAX (EXT4_EXTENT_DEPTH_MAX * 2 + 2)

static int level_access(struct handle *handle, struct ext4_path_level *level)
{
	return level->buffer != NULL ? handle_access(handle, level->buffer) : 0;
}

static int path_access(struct handle *handle, struct ext4_path *path)
{
	for (uint32_t i = 0; i <= path->depth; i++) {
		int error = level_access(handle, &path->levels[i]);

		if (error != 0) {
			return error;
		}
	}
	return 0;
}

void ext4_extent_init(struct ext4_inode *inode)
{
	struct ext4_extent_header header = {
		.magic = EXT4_EXTENT_MAGIC,
		.n_entries_max = ROOT_MAX,
	};

	memset(inode->block, 0, sizeof(inode->block));
	memcpy(inode->block, &header, sizeof(header));
	inode->flags |= EXT4_FLAG_EXTENTS;
}

static void extent_set(struct ext4_extent *extent, uint32_t block, uint64_t start, uint32_t length,
	bool is_unwritten)
{
	extent->block = block;
	extent->length = (uint16_t)(length + (is_unwritten ? EXT4_EXTENT_LENGTH_MAX : 0));
	extent->start_lo = (uint32_t)start;
	extent->start_hi = (uint16_t)(start >> 32);
}

static void index_set(struct ext4_extent_index *index, uint32_t block, uint64_t child)
{
	*index = (struct ext4_extent_index){
		.block = block,
		.child_lo = (uint32_t)child,
		.child_hi = (uint16_t)(child >> 32),
	};
}

/* Room for an entry at @slot (indexes have the same size). */
static void entries_open(struct ext4_extent_header *header, uint32_t slot)
{
	struct ext4_extent *entries = extent_leaves(header);

	ASSERT(header->n_entries < header->n_entries_max);
	memmove(&entries[slot + 1], &entries[slot],
		(header->n_entries - slot) * sizeof(entries[0]));
	header->n_entries++;
}

static void entries_close(struct ext4_extent_header *header, uint32_t slot)
{
	struct ext4_extent *entries = extent_leaves(header);

	header->n_entries--;
	memmove(&entries[slot], &entries[slot + 1],
		(header->n_entries - slot) * sizeof(entries[0]));
}

/* The first entry of the leaf has changed: so have the keys above, as far as it is the first. */
static void path_correct_keys(struct ext4_path *path, uint32_t depth)
{
	for (uint32_t i = depth; i > 0; i--) {
		struct ext4_path_level *above = &path->levels[i - 1];

		if (path->levels[i].header->n_entries > 0) {
			extent_indexes(above->header)[above->slot].block =
				extent_leaves(path->levels[i].header)[0].block;
		}
		if (above->slot != 0) {
			return;
		}
	}
}

/* ---- room ------------------------------------------------------------------------------------ */

static int new_node(struct handle *handle, struct ext4_inode *inode, uint64_t goal,
	uint64_t *out_block, struct buffer **out_buffer)
{
	struct ext4 *fs = inode->fs;
	int error = ext4_allocate_block(handle, fs, goal, out_block);

	if (error != 0) {
		return error;
	}
	error = ext4_create_block(
		handle, fs, *out_block, EXT4_KIND_EXTENTS, inode->seed, out_buffer);
	if (error != 0) {
		ext4_fail(fs, error, "a new node of extents");
		return error;
	}
	inode->n_sectors += fs->block_size / 512;
	return 0;
}

/* The root's entries move into a block, to which the root then points. */
static int grow_depth(struct handle *handle, struct ext4_inode *inode, struct ext4_path *path)
{
	struct ext4_extent_header *root = path->levels[0].header;
	BUFFER_AUTO struct buffer *buffer = NULL;
	uint64_t block;

	if (root->depth == EXT4_EXTENT_DEPTH_MAX) {
		return BLOCKFS_E_TOO_LARGE;
	}
	int error = new_node(handle, inode, inode->goal, &block, &buffer);

	if (error != 0) {
		return error;
	}
	struct ext4_extent_header *node = (struct ext4_extent_header *)buffer->data;

	*node = *root;
	node->n_entries_max = (uint16_t)extent_node_max(inode->fs);
	memcpy(node + 1, root + 1, root->n_entries * sizeof(struct ext4_extent));
	uint32_t first = extent_leaves(node)[0].block;

	root->n_entries = 1;
	root->depth++;
	index_set(extent_indexes(root), first, block);
	return 0;
}

/* The node at @depth is full and the one above is not: the later entries move to a new one. */
static int split_node(
	struct handle *handle, struct ext4_inode *inode, struct ext4_path *path, uint32_t depth)
{
	struct ext4_path_level *level = &path->levels[depth];
	struct ext4_path_level *above = &path->levels[depth - 1];
	BUFFER_AUTO struct buffer *buffer = NULL;
	uint64_t block;
	int error = path_access(handle, path);

	if (error == 0) {
		error = new_node(handle, inode, level->buffer->block, &block, &buffer);
	}
	if (error != 0) {
		return error;
	}
	struct ext4_extent_header *old = level->header;
	struct ext4_extent_header *node = (struct ext4_extent_header *)buffer->data;
	/* files grow at their end: then the old node stays full */
	uint32_t n_stay =
		level->slot + 1u >= old->n_entries ? old->n_entries - 1u : old->n_entries / 2u;
	uint32_t n_move = old->n_entries - n_stay;

	*node = *old;
	node->n_entries = (uint16_t)n_move;
	memcpy(node + 1, extent_leaves(old) + n_stay, n_move * sizeof(struct ext4_extent));
	old->n_entries = (uint16_t)n_stay;
	entries_open(above->header, above->slot + 1);
	index_set(&extent_indexes(above->header)[above->slot + 1], extent_leaves(node)[0].block,
		block);
	return 0;
}

/* One split, at the deepest full node that has one with room above. */
static int make_room_once(struct handle *handle, struct ext4_inode *inode, struct ext4_path *path)
{
	uint32_t depth = path->depth;

	while (depth > 0 &&
		path->levels[depth - 1].header->n_entries ==
			path->levels[depth - 1].header->n_entries_max) {
		depth--;
	}
	return depth == 0 ? grow_depth(handle, inode, path)
			  : split_node(handle, inode, path, depth);
}

/* The path to where @block is or would be, with room for @n_room entries in the leaf. */
static int path_with_room(struct handle *handle, struct ext4_inode *inode, uint32_t block,
	uint32_t n_room, struct ext4_path *out_path)
{
	for (uint32_t i = 0; i < SPLITS_MAX; i++) {
		int error = ext4_path_find(handle->task, inode, block, out_path);

		if (error != 0) {
			return error;
		}
		const struct ext4_extent_header *leaf = out_path->levels[out_path->depth].header;

		if (leaf->n_entries + n_room <= leaf->n_entries_max) {
			error = path_access(handle, out_path);
		} else {
			error = make_room_once(handle, inode, out_path);
			if (error == 0) {
				ext4_path_release(out_path);
				continue;
			}
		}
		if (error != 0) {
			ext4_path_release(out_path);
		}
		return error;
	}
	return ext4_corrupt(inode->fs, "inode %u: extents", inode->number);
}

/* ---- inserting ------------------------------------------------------------------------------- */

static bool extents_join(const struct ext4_extent *left, const struct ext4_extent *right)
{
	uint32_t length = extent_length(left) + extent_length(right);
	uint32_t max =
		extent_is_unwritten(left) ? EXT4_UNWRITTEN_LENGTH_MAX : EXT4_EXTENT_LENGTH_MAX;

	return extent_is_unwritten(left) == extent_is_unwritten(right) && length <= max &&
		left->block + (uint64_t)extent_length(left) == right->block &&
		extent_start(left) + extent_length(left) == extent_start(right);
}

/* Join the entry at @slot with the one behind it, if they are one. */
static void join_next(struct ext4_extent_header *leaf, uint32_t slot)
{
	struct ext4_extent *extents = extent_leaves(leaf);

	if (slot + 1 < leaf->n_entries && extents_join(&extents[slot], &extents[slot + 1])) {
		extent_set(&extents[slot], extents[slot].block, extent_start(&extents[slot]),
			extent_length(&extents[slot]) + extent_length(&extents[slot + 1]),
			extent_is_unwritten(&extents[slot]));
		entries_close(leaf, slot + 1);
	}
}

static void join_around(struct ext4_extent_header *leaf, uint32_t slot)
{
	join_next(leaf, slot);
	if (slot > 0) {
		join_next(leaf, slot - 1);
	}
}

static int insert_one(struct handle *handle, struct ext4_inode *inode, uint32_t block,
	uint64_t place, uint32_t n_blocks, bool is_unwritten)
{
	struct ext4_path path;
	int error = path_with_room(handle, inode, block, 1, &path);

	if (error != 0) {
		return error;
	}
	struct ext4_path_level *level = &path.levels[path.depth];
	struct ext4_extent *extents = extent_leaves(level->header);
	uint32_t slot = level->slot;

	if (ext4_path_extent(&path, block) != NULL ||
		ext4_path_next_block(&path, block) < (uint64_t)block + n_blocks) {
		ext4_path_release(&path);
		return BLOCKFS_E_RETRY; /* it is no hole any more */
	}
	if (level->header->n_entries > 0 && extents[slot].block <= block) {
		slot++;
	}
	entries_open(level->header, slot);
	extent_set(&extents[slot], block, place, n_blocks, is_unwritten);
	if (slot == 0) {
		path_correct_keys(&path, path.depth);
	}
	join_around(level->header, slot);
	ext4_path_release(&path);
	return 0;
}

int ext4_extent_insert(struct handle *handle, struct ext4_inode *inode, uint32_t block,
	uint64_t place, uint32_t n_blocks, bool is_unwritten)
{
	uint32_t max = is_unwritten ? EXT4_UNWRITTEN_LENGTH_MAX : EXT4_EXTENT_LENGTH_MAX;

	ASSERT(n_blocks <= max);
	return insert_one(handle, inode, block, place, n_blocks, is_unwritten);
}

/* ---- changing a part of an extent ------------------------------------------------------------ */

/*
 * [@block, @block + @n_blocks), which the extent at the path's end holds, goes or becomes written.
 * The leaf has room for two more entries.
 */
static void replace_part(struct ext4_path *path, uint32_t block, uint32_t n_blocks, bool is_removed)
{
	struct ext4_path_level *level = &path->levels[path->depth];
	struct ext4_extent *extents = extent_leaves(level->header);
	uint32_t slot = level->slot;
	const struct ext4_extent old = extents[slot];
	bool is_unwritten = extent_is_unwritten(&old);
	uint32_t n_before = block - old.block;
	uint32_t n_after = extent_length(&old) - n_before - n_blocks;
	uint64_t start = extent_start(&old);

	entries_close(level->header, slot);
	if (n_after > 0) {
		entries_open(level->header, slot);
		extent_set(&extents[slot], block + n_blocks, start + n_before + n_blocks, n_after,
			is_unwritten);
	}
	if (!is_removed) {
		entries_open(level->header, slot);
		extent_set(&extents[slot], block, start + n_before, n_blocks, false);
	}
	if (n_before > 0) {
		entries_open(level->header, slot);
		extent_set(&extents[slot], old.block, start, n_before, is_unwritten);
	}
	if (slot == 0) {
		path_correct_keys(path, path->depth);
	}
	if (!is_removed) {
		join_around(level->header, slot + (n_before > 0 ? 1 : 0));
	}
}

int ext4_extent_convert(
	struct handle *handle, struct ext4_inode *inode, uint32_t block, uint32_t n_blocks)
{
	struct ext4_path path;
	int error = path_with_room(handle, inode, block, 2, &path);

	if (error != 0) {
		return error;
	}
	const struct ext4_extent *extent = ext4_path_extent(&path, block);

	if (extent == NULL || !extent_is_unwritten(extent) ||
		extent_length(extent) - (block - extent->block) < n_blocks) {
		error = BLOCKFS_E_RETRY;
	} else {
		replace_part(&path, block, n_blocks, false);
	}
	ext4_path_release(&path);
	return error;
}

/* ---- removing -------------------------------------------------------------------------------- */

/* Empty nodes go, from the leaf up. */
static int drop_empty_nodes(struct handle *handle, struct ext4_inode *inode, struct ext4_path *path)
{
	uint32_t depth = path->depth;

	for (; depth > 0 && path->levels[depth].header->n_entries == 0; depth--) {
		struct ext4_path_level *above = &path->levels[depth - 1];
		uint64_t block = path->levels[depth].buffer->block;

		entries_close(above->header, above->slot);
		if (above->slot == 0) {
			path_correct_keys(path, depth - 1);
		}
		buffer_put(path->levels[depth].buffer);
		path->levels[depth].buffer = NULL;
		int error = ext4_free_metadata(handle, inode->fs, block);

		if (error != 0) {
			return error;
		}
		inode->n_sectors -= min_u64(inode->n_sectors, inode->fs->block_size / 512);
	}
	if (path->levels[0].header->n_entries == 0) {
		path->levels[0].header->depth = 0;
	}
	return 0;
}

/* A tree of one leaf that fits into the root is the root again. */
static int shrink_depth(struct handle *handle, struct ext4_inode *inode, struct ext4_path *path)
{
	struct ext4_extent_header *root = path->levels[0].header;
	const struct ext4_extent_header *leaf = path->levels[1].header;

	if (path->depth != 1 || root->depth != 1 || root->n_entries != 1 ||
		leaf->n_entries > ROOT_MAX) {
		return 0;
	}
	uint64_t block = path->levels[1].buffer->block;

	memcpy(root + 1, leaf + 1, leaf->n_entries * sizeof(struct ext4_extent));
	root->n_entries = leaf->n_entries;
	root->depth = 0;
	buffer_put(path->levels[1].buffer);
	path->levels[1].buffer = NULL;
	int error = ext4_free_metadata(handle, inode->fs, block);

	inode->n_sectors -= min_u64(inode->n_sectors, inode->fs->block_size / 512);
	return error;
}

/* What of [@first, @end) the path's extent holds, as far as one step frees; false: nothing. */
static bool removable_part(const struct ext4_inode *inode, const struct ext4_path *path,
	uint64_t first, uint64_t *end, uint64_t *out_low)
{
	uint32_t n_max = ext4_log_knows_contents(inode) ? EXT4_FREE_METADATA_MAX
							: inode->fs->blocks_per_group;
	const struct ext4_path_level *level = &path->levels[path->depth];

	if (level->header->n_entries == 0) {
		*end = first;
		return false;
	}
	const struct ext4_extent *extent = &extent_leaves(level->header)[level->slot];

	if (extent->block >= *end) { /* nothing of this leaf: look before it */
		uint64_t key = path->depth == 0
			? 0
			: extent_indexes(path->levels[path->depth - 1]
					  .header)[path->levels[path->depth - 1].slot]
				  .block;

		*end = max_u64(first, min_u64(key, *end - 1));
		return false;
	}
	uint64_t extent_end = (uint64_t)extent->block + extent_length(extent);

	if (extent_end <= first) {
		*end = first;
		return false;
	}
	*end = min_u64(*end, extent_end);
	*out_low = max_u64(first, extent->block);
	if (*end - *out_low > n_max) {
		*out_low = *end - n_max;
	}
	return true;
}

int ext4_extent_remove_some(
	struct handle *handle, struct ext4_inode *inode, uint64_t first, uint64_t *end)
{
	struct ext4 *fs = inode->fs;
	struct ext4_path path;
	uint64_t low;
	int error = ext4_path_find(handle->task, inode, (uint32_t)(*end - 1), &path);

	if (error != 0) {
		return error;
	}
	bool is_any = removable_part(inode, &path, first, end, &low);

	ext4_path_release(&path);
	if (!is_any) {
		return 0;
	}
	const struct ext4_extent *extent;
	uint32_t n_blocks = (uint32_t)(*end - low);

	error = path_with_room(handle, inode, (uint32_t)low, 1, &path);
	if (error != 0) {
		return error;
	}
	extent = ext4_path_extent(&path, (uint32_t)low);
	if (extent == NULL || extent_length(extent) - (low - extent->block) < n_blocks) {
		ext4_path_release(&path);
		return ext4_corrupt(fs, "inode %u: extents", inode->number);
	}
	uint64_t place = extent_start(extent) + (low - extent->block);

	error = ext4_free_contents(handle, inode, place, n_blocks);
	if (error == 0) {
		replace_part(&path, (uint32_t)low, n_blocks, true);
		inode->n_sectors -=
			min_u64(inode->n_sectors, (uint64_t)n_blocks * (fs->block_size / 512));
		error = drop_empty_nodes(handle, inode, &path);
		if (error == 0 && path.levels[path.depth].buffer != NULL) {
			error = shrink_depth(handle, inode, &path);
		}
		if (error != 0) {
			ext4_fail(fs, error, "removing extents");
		}
		*end = low;
	}
	ext4_path_release(&path);
	return error;
}

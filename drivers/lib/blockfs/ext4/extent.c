/* SPDX-License-Identifier: MIT */
/* Walking extent trees; extent-change.c changes them. */
#include <drivers/lib/blockfs/ext4/extent.h>

bool ext4_extent_check(const struct ext4 *fs, const struct ext4_extent_header *header,
	uint32_t n_max, uint32_t depth)
{
	const struct ext4_extent *extents = (const struct ext4_extent *)(header + 1);
	uint64_t next = 0;

	if (header->magic != EXT4_EXTENT_MAGIC || header->depth != depth ||
		header->n_entries > header->n_entries_max || header->n_entries_max > n_max) {
		return false;
	}
	if (depth > 0 && header->n_entries == 0) {
		return false;
	}
	for (uint32_t i = 0; i < header->n_entries; i++) {
		if (extents[i].block < next) {
			return false;
		}
		if (depth > 0) {
			const struct ext4_extent_index *index =
				(const struct ext4_extent_index *)&extents[i];

			if (!ext4_is_data_block(fs, extent_child(index), 1)) {
				return false;
			}
			next = (uint64_t)extents[i].block + 1;
		} else {
			uint32_t length = extent_length(&extents[i]);

			if (length == 0 ||
				!ext4_is_data_block(fs, extent_start(&extents[i]), length)) {
				return false;
			}
			next = (uint64_t)extents[i].block + length;
		}
	}
	return next <= (uint64_t)UINT32_MAX + 1;
}

/* The last entry that begins at or before @block; 0 if none does. */
static uint32_t extent_search(const struct ext4_extent_header *header, uint32_t block)
{
	const struct ext4_extent *entries = (const struct ext4_extent *)(header + 1);
	uint32_t low = 0, high = header->n_entries;

	while (low + 1 < high) {
		uint32_t middle = (low + high) / 2;

		if (entries[middle].block <= block) {
			low = middle;
		} else {
			high = middle;
		}
	}
	return low;
}

void ext4_path_release(struct ext4_path *path)
{
	for (uint32_t i = 0; i <= EXT4_EXTENT_DEPTH_MAX; i++) {
		buffer_put(path->levels[i].buffer);
		path->levels[i].buffer = NULL;
	}
}

static int extent_read_node(struct task *task, struct ext4_inode *inode, uint64_t block,
	uint32_t depth, struct ext4_path_level *out_level)
{
	struct ext4 *fs = inode->fs;
	int error = ext4_read(task, fs, block, EXT4_KIND_EXTENTS, inode->seed, &out_level->buffer);

	if (error != 0) {
		return error;
	}
	out_level->header = (struct ext4_extent_header *)out_level->buffer->data;
	if (!ext4_extent_check(fs, out_level->header, extent_node_max(fs), depth)) {
		return ext4_corrupt(fs, "inode %u: extents in block %llu", inode->number,
			(unsigned long long)block);
	}
	return 0;
}

int ext4_path_find(
	struct task *task, struct ext4_inode *inode, uint32_t block, struct ext4_path *out_path)
{
	*out_path = (struct ext4_path){ 0 };
	struct ext4_path_level *level = &out_path->levels[0];

	level->header = (struct ext4_extent_header *)inode->block;
	if (level->header->depth > EXT4_EXTENT_DEPTH_MAX ||
		!ext4_extent_check(inode->fs, level->header, 4, level->header->depth)) {
		return ext4_corrupt(inode->fs, "inode %u: extents", inode->number);
	}
	out_path->depth = level->header->depth;
	for (uint32_t i = 0;; i++, level++) {
		level->slot = extent_search(level->header, block);
		if (i == out_path->depth) {
			return 0;
		}
		const struct ext4_extent_index *index = &extent_indexes(level->header)[level->slot];
		int error = extent_read_node(
			task, inode, extent_child(index), out_path->depth - i - 1, level + 1);

		if (error != 0) {
			ext4_path_release(out_path);
			return error;
		}
	}
}

/* The block where the next leaf begins, UINT32_MAX + 1 if there is none. */
static uint64_t extent_next_leaf(const struct ext4_path *path)
{
	for (uint32_t i = path->depth; i-- > 0;) {
		const struct ext4_path_level *level = &path->levels[i];

		if (level->slot + 1 < level->header->n_entries) {
			return extent_indexes(level->header)[level->slot + 1].block;
		}
	}
	return (uint64_t)UINT32_MAX + 1;
}

uint64_t ext4_path_next_block(const struct ext4_path *path, uint32_t block)
{
	const struct ext4_path_level *leaf = &path->levels[path->depth];
	const struct ext4_extent *extents = extent_leaves(leaf->header);

	for (uint32_t i = leaf->slot; i < leaf->header->n_entries && i <= leaf->slot + 1; i++) {
		if (extents[i].block > block) {
			return extents[i].block;
		}
	}
	return extent_next_leaf(path);
}

const struct ext4_extent *ext4_path_extent(const struct ext4_path *path, uint32_t block)
{
	const struct ext4_path_level *leaf = &path->levels[path->depth];

	if (leaf->slot >= leaf->header->n_entries) {
		return NULL;
	}
	const struct ext4_extent *extent = &extent_leaves(leaf->header)[leaf->slot];

	return block >= extent->block && block - extent->block < extent_length(extent) ? extent
										       : NULL;
}

int ext4_extent_map(struct task *task, struct ext4_inode *inode, uint64_t block,
	struct ext4_mapping *out_mapping)
{
	struct ext4_path path;
	uint32_t block32 = (uint32_t)block;
	int error = ext4_path_find(task, inode, block32, &path);

	if (error != 0) {
		return error;
	}
	const struct ext4_extent *extent = ext4_path_extent(&path, block32);

	if (extent != NULL) {
		*out_mapping = (struct ext4_mapping){
			.kind = extent_is_unwritten(extent) ? BLOCKFS_UNWRITTEN : BLOCKFS_DATA,
			.n_blocks = extent->block + (uint64_t)extent_length(extent) - block,
			.place = extent_start(extent) + (block32 - extent->block),
		};
	} else {
		uint64_t next = ext4_path_next_block(&path, block32);

		*out_mapping = (struct ext4_mapping){
			.kind = BLOCKFS_HOLE,
			.n_blocks = next > block ? next - block : 1,
		};
	}
	ext4_path_release(&path);
	return 0;
}

/* SPDX-License-Identifier: MIT */
/* Extent trees: a way from the root in the inode down to a leaf. */
#ifndef BLOCKFS_EXT4_EXTENT_H
#define BLOCKFS_EXT4_EXTENT_H

#include <drivers/lib/blockfs/ext4/ext4.h>

struct ext4_path_level {
	struct buffer *buffer; /* NULL: the root, in the inode */
	struct ext4_extent_header *header;
	uint32_t slot; /* the last entry that begins at or before the block, or 0 */
};

struct ext4_path {
	uint32_t depth; /* levels[depth] is the leaf */
	struct ext4_path_level levels[EXT4_EXTENT_DEPTH_MAX + 1];
};

static inline struct ext4_extent *extent_leaves(struct ext4_extent_header *header)
{
	return (struct ext4_extent *)(header + 1);
}

static inline struct ext4_extent_index *extent_indexes(struct ext4_extent_header *header)
{
	return (struct ext4_extent_index *)(header + 1);
}

static inline bool extent_is_unwritten(const struct ext4_extent *extent)
{
	return extent->length > EXT4_EXTENT_LENGTH_MAX;
}

static inline uint32_t extent_length(const struct ext4_extent *extent)
{
	return extent_is_unwritten(extent) ? extent->length - EXT4_EXTENT_LENGTH_MAX
					   : extent->length;
}

static inline uint64_t extent_start(const struct ext4_extent *extent)
{
	return extent->start_lo | (uint64_t)extent->start_hi << 32;
}

static inline uint64_t extent_child(const struct ext4_extent_index *index)
{
	return index->child_lo | (uint64_t)index->child_hi << 32;
}

/** extent_node_max() - entries of a node that is a block */
static inline uint32_t extent_node_max(const struct ext4 *fs)
{
	return (fs->block_size - (uint32_t)sizeof(struct ext4_extent_header)) /
		(uint32_t)sizeof(struct ext4_extent);
}

/** ext4_path_find() - go down to where @block is or would be; to be released */
MUST_USE int ext4_path_find(
	struct task *task, struct ext4_inode *inode, uint32_t block, struct ext4_path *out_path);

/** ext4_path_release() - put the path's buffers */
void ext4_path_release(struct ext4_path *path);

/** ext4_path_extent() - the extent that holds @block, or NULL */
const struct ext4_extent *ext4_path_extent(const struct ext4_path *path, uint32_t block);

/** ext4_path_next_block() - the first mapped block after @block, 2^32 if there is none */
uint64_t ext4_path_next_block(const struct ext4_path *path, uint32_t block);

#endif

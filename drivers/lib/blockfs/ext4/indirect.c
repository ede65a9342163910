/* SPDX-License-Identifier: MIT */
/*
 * Block pointers, as ext2 and ext3 have them (Documentation/filesystems/ext4/ifork.rst, "Direct/
 * Indirect Block Addressing"): twelve direct ones, then one each of trees one, two and three blocks
 * deep. indirect-change.c changes them.
 */
#include <drivers/lib/blockfs/ext4/indirect.h>

bool ext4_indirect_way(const struct ext4 *fs, uint64_t block, struct ext4_indirect_way *out_way)
{
	uint64_t per_block = fs->block_size / 4;
	uint64_t span = per_block;

	*out_way = (struct ext4_indirect_way){ 0 };
	if (block < EXT4_N_DIRECT) {
		out_way->slots[0] = (uint32_t)block;
		return true;
	}
	block -= EXT4_N_DIRECT;
	for (uint32_t depth = 1; depth <= 3; depth++, span *= per_block) {
		if (block >= span) {
			block -= span;
			continue;
		}
		out_way->depth = depth;
		out_way->slots[0] = EXT4_N_DIRECT + depth - 1;
		for (uint32_t i = depth; i > 0; i--) {
			out_way->slots[i] = (uint32_t)(block % per_block);
			block /= per_block;
		}
		return true;
	}
	return false;
}

/* Blocks that a pointer at level @level of @depth stands for. */
static uint64_t pointer_span(const struct ext4 *fs, uint32_t depth, uint32_t level)
{
	uint64_t span = 1;

	for (uint32_t i = level; i < depth; i++) {
		span *= fs->block_size / 4;
	}
	return span;
}

/* How many pointers from @slot on are consecutive (or zero, like the first). */
static uint64_t pointers_alike(const uint32_t *pointers, uint32_t slot, uint32_t n_slots)
{
	uint32_t first = pointers[slot];
	uint32_t n = 1;

	while (slot + n < n_slots && pointers[slot + n] == (first == 0 ? 0 : first + n)) {
		n++;
	}
	return n;
}

int ext4_indirect_map(struct task *task, struct ext4_inode *inode, uint64_t block,
	struct ext4_mapping *out_mapping)
{
	struct ext4 *fs = inode->fs;
	BUFFER_AUTO struct buffer *buffer = NULL;
	const uint32_t *pointers = (const uint32_t *)inode->block;
	struct ext4_indirect_way way;
	uint32_t n_slots = EXT4_N_DIRECT;

	if (!ext4_indirect_way(fs, block, &way)) {
		return BLOCKFS_E_TOO_LARGE;
	}
	for (uint32_t level = 0;; level++) {
		uint32_t pointer = pointers[way.slots[level]];

		if (pointer != 0 && !ext4_is_data_block(fs, pointer, 1)) {
			return ext4_corrupt(fs, "inode %u: block pointer", inode->number);
		}
		if (pointer == 0 && level < way.depth) {
			uint64_t span = pointer_span(fs, way.depth, level);
			uint64_t inside = 0;

			for (uint32_t i = level + 1; i <= way.depth; i++) {
				inside += way.slots[i] * pointer_span(fs, way.depth, i);
			}
			*out_mapping = (struct ext4_mapping){
				.kind = BLOCKFS_HOLE,
				.n_blocks = span - inside,
			};
			return 0;
		}
		if (level == way.depth) {
			*out_mapping = (struct ext4_mapping){
				.kind = pointer == 0 ? BLOCKFS_HOLE : BLOCKFS_DATA,
				.n_blocks = pointers_alike(pointers, way.slots[level], n_slots),
				.place = pointer,
			};
			break;
		}
		struct buffer *next = NULL;
		int error = ext4_read(task, fs, pointer, EXT4_KIND_PLAIN, 0, &next);

		if (error != 0) {
			return error;
		}
		buffer_put(buffer);
		buffer = next;
		pointers = (const uint32_t *)buffer->data;
		n_slots = fs->block_size / 4;
	}
	if (out_mapping->kind == BLOCKFS_DATA &&
		!ext4_is_data_block(fs, out_mapping->place, out_mapping->n_blocks)) {
		return ext4_corrupt(fs, "inode %u: block pointers", inode->number);
	}
	return 0;
}

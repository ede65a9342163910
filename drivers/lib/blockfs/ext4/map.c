/* SPDX-License-Identifier: MIT */
/* From blocks of a file to blocks of the disk: extents or block pointers. */
#include <drivers/lib/blockfs/ext4/ext4.h>

int ext4_map(struct task *task, struct ext4_inode *inode, uint64_t block,
	struct ext4_mapping *out_mapping)
{
	if (block >= inode->fs->max_file_blocks) {
		return BLOCKFS_E_TOO_LARGE;
	}
	return ext4_has_flag(inode, EXT4_FLAG_EXTENTS)
		? ext4_extent_map(task, inode, block, out_mapping)
		: ext4_indirect_map(task, inode, block, out_mapping);
}

int ext4_map_shared(struct task *task, struct ext4_inode *inode, uint64_t block,
	struct ext4_mapping *out_mapping)
{
	int error = rwlock_read(task, &inode->map_lock);

	if (error == 0) {
		error = ext4_map(task, inode, block, out_mapping);
		rwlock_read_done(&inode->map_lock);
	}
	return error;
}

int ext4_file_block(struct task *task, struct ext4_inode *inode, uint64_t block,
	enum ext4_kind kind, struct buffer **out_buffer)
{
	struct ext4_mapping mapping;
	int error = ext4_map_shared(task, inode, block, &mapping);

	if (error != 0) {
		return error;
	}
	if (mapping.kind != BLOCKFS_DATA) {
		return ext4_corrupt(inode->fs, "inode %u: no block %llu", inode->number,
			(unsigned long long)block);
	}
	return ext4_read(task, inode->fs, mapping.place, kind, inode->seed, out_buffer);
}

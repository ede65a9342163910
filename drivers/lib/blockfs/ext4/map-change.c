/* SPDX-License-Identifier: MIT */
/* Changing the map of a file, whatever kind it is. */
#include <drivers/lib/blockfs/ext4/change.h>

static bool has_extents(const struct ext4_inode *inode)
{
	return ext4_has_flag(inode, EXT4_FLAG_EXTENTS);
}

int ext4_map_insert(struct handle *handle, struct ext4_inode *inode, uint64_t block, uint64_t place,
	uint32_t n_blocks, bool is_unwritten)
{
	int error = rwlock_write(handle->task, &inode->map_lock);

	if (error != 0) {
		return error;
	}
	error = has_extents(inode)
		? ext4_extent_insert(handle, inode, (uint32_t)block, place, n_blocks, is_unwritten)
		: ext4_indirect_insert(handle, inode, block, place, n_blocks);
	if (error == 0) {
		inode->n_sectors += (uint64_t)n_blocks * (inode->fs->block_size / 512);
		inode->goal = place + n_blocks;
	}
	rwlock_write_done(&inode->map_lock);
	return error;
}

int ext4_map_convert(
	struct handle *handle, struct ext4_inode *inode, uint64_t block, uint32_t n_blocks)
{
	int error = rwlock_write(handle->task, &inode->map_lock);

	if (error == 0) {
		error = ext4_extent_convert(handle, inode, (uint32_t)block, n_blocks);
		rwlock_write_done(&inode->map_lock);
	}
	return error;
}

static int remove_some(
	struct handle *handle, struct ext4_inode *inode, uint64_t *first, uint64_t *end)
{
	int error = rwlock_write(handle->task, &inode->map_lock);

	if (error == 0) {
		error = has_extents(inode) ? ext4_extent_remove_some(handle, inode, *first, end)
					   : ext4_indirect_remove_some(handle, inode, first, *end);
		rwlock_write_done(&inode->map_lock);
	}
	return error;
}

int ext4_map_remove(struct handle *handle, struct ext4_inode *inode, uint64_t first, uint64_t end)
{
	end = min_u64(end, inode->fs->max_file_blocks);
	while (first < end) {
		int error = 0;

		if (!handle_extend(handle, EXT4_CREDITS_MAP + EXT4_CREDITS_FREE)) {
			error = ext4_inode_write(handle, inode);
			error = error != 0
				? error
				: handle_restart(handle, EXT4_CREDITS_MAP + EXT4_CREDITS_FREE);
		}
		error = error != 0 ? error : remove_some(handle, inode, &first, &end);
		if (error != 0) {
			return error;
		}
	}
	return ext4_inode_write(handle, inode);
}

uint64_t ext4_goal(struct task *task, struct ext4_inode *inode, uint64_t block)
{
	struct ext4_mapping mapping;
	struct ext4 *fs = inode->fs;

	if (block > 0 && ext4_map_shared(task, inode, block - 1, &mapping) == 0 &&
		mapping.kind != BLOCKFS_HOLE) {
		return mapping.place + 1;
	}
	if (inode->goal == 0) {
		/* files of a group begin at different places of it, so that they can grow */
		uint32_t group = (inode->number - 1) / fs->inodes_per_group;

		inode->goal = ext4_group_start(fs, group) +
			(inode->number % 16) * (ext4_group_size(fs, group) / 16);
	}
	return inode->goal;
}

/* SPDX-License-Identifier: MIT */
/* Changing block pointers. map_lock is held alone. */
#include <base/string.h>
#include <drivers/lib/blockfs/ext4/change.h>
#include <drivers/lib/blockfs/ext4/indirect.h>

/* The blocks of pointers on the way to one; [0] is unused: those in the inode. */
struct indirect_path {
	struct ext4_indirect_way way;
	struct buffer *buffers[4];
};

static void path_release(struct indirect_path *path)
{
	for (uint32_t i = 1; i < 4; i++) {
		buffer_put(path->buffers[i]);
		path->buffers[i] = NULL;
	}
}

static uint32_t *path_pointers(struct ext4_inode *inode, struct indirect_path *path, uint32_t level)
{
	return level == 0 ? (uint32_t *)inode->block : (uint32_t *)path->buffers[level]->data;
}

/* Make the block of pointers below @level that is missing. */
static int add_level(
	struct handle *handle, struct ext4_inode *inode, struct indirect_path *path, uint32_t level)
{
	struct ext4 *fs = inode->fs;
	uint64_t block;
	int error = level > 0 ? handle_access(handle, path->buffers[level]) : 0;

	if (error == 0) {
		error = ext4_allocate_block(handle, fs, inode->goal, &block);
	}
	if (error != 0) {
		return error;
	}
	if (block > UINT32_MAX) {
		error = ext4_free_blocks(handle, fs, block, 1);
		return error != 0 ? error : BLOCKFS_E_NO_SPACE;
	}
	error = ext4_create_block(handle, fs, block, EXT4_KIND_PLAIN, 0, &path->buffers[level + 1]);
	if (error != 0) {
		ext4_fail(fs, error, "a new block of pointers");
		return error;
	}
	path_pointers(inode, path, level)[path->way.slots[level]] = (uint32_t)block;
	inode->n_sectors += fs->block_size / 512;
	return 0;
}

/* Go down to the pointer of @block; what is missing is made if there is a handle, else END. */
static int path_open(struct task *task, struct handle *handle, struct ext4_inode *inode,
	uint64_t block, struct indirect_path *out_path)
{
	struct ext4 *fs = inode->fs;

	*out_path = (struct indirect_path){ 0 };
	if (!ext4_indirect_way(fs, block, &out_path->way)) {
		return BLOCKFS_E_TOO_LARGE;
	}
	for (uint32_t level = 0; level < out_path->way.depth; level++) {
		uint32_t pointer =
			path_pointers(inode, out_path, level)[out_path->way.slots[level]];
		int error;

		if (pointer == 0) {
			error = handle != NULL ? add_level(handle, inode, out_path, level)
					       : BLOCKFS_E_END;
		} else if (!ext4_is_data_block(fs, pointer, 1)) {
			error = ext4_corrupt(fs, "inode %u: block pointer", inode->number);
		} else {
			error = ext4_read(task, fs, pointer, EXT4_KIND_PLAIN, 0,
				&out_path->buffers[level + 1]);
		}
		if (error != 0) {
			path_release(out_path);
			return error;
		}
	}
	return 0;
}

/* Set consecutive pointers as far as one block of them goes; *out_n: how many. */
static int set_run(struct handle *handle, struct ext4_inode *inode, uint64_t block, uint64_t place,
	uint32_t n_blocks, uint32_t *out_n)
{
	struct indirect_path path;
	int error = path_open(handle->task, handle, inode, block, &path);

	if (error != 0) {
		return error;
	}
	uint32_t depth = path.way.depth;
	uint32_t slot = path.way.slots[depth];
	uint32_t n_slots = depth == 0 ? EXT4_N_DIRECT : inode->fs->block_size / 4;
	uint32_t *pointers = path_pointers(inode, &path, depth);
	uint32_t n = (uint32_t)min_u64(n_blocks, n_slots - slot);

	error = depth > 0 ? handle_access(handle, path.buffers[depth]) : 0;
	for (uint32_t i = 0; error == 0 && i < n; i++) {
		pointers[slot + i] = place != 0 ? (uint32_t)place + i : 0;
	}
	*out_n = n;
	path_release(&path);
	return error;
}

/* Take back what was set before there was no room for more blocks of pointers. */
static void unset_range(
	struct handle *handle, struct ext4_inode *inode, uint64_t block, uint32_t n_blocks)
{
	while (n_blocks > 0) {
		uint32_t n;
		int error = set_run(handle, inode, block, 0, n_blocks, &n);

		if (error != 0) {
			ext4_fail(inode->fs, error, "taking back block pointers");
			return;
		}
		block += n;
		n_blocks -= n;
	}
}

int ext4_indirect_insert(struct handle *handle, struct ext4_inode *inode, uint64_t block,
	uint64_t place, uint32_t n_blocks)
{
	if (place + n_blocks > (uint64_t)UINT32_MAX + 1) {
		return BLOCKFS_E_NO_SPACE;
	}
	for (uint32_t done = 0; done < n_blocks;) {
		uint32_t n;
		int error = set_run(handle, inode, block + done, place + done, n_blocks - done, &n);

		if (error != 0) {
			unset_range(handle, inode, block, done);
			return error;
		}
		done += n;
	}
	return 0;
}

static bool is_all_zero(const uint32_t *pointers, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		if (pointers[i] != 0) {
			return false;
		}
	}
	return true;
}

/* Blocks of pointers that have none left go, from the bottom up. */
static int drop_empty(struct handle *handle, struct ext4_inode *inode, struct indirect_path *path)
{
	struct ext4 *fs = inode->fs;

	for (uint32_t level = path->way.depth; level > 0; level--) {
		struct buffer *buffer = path->buffers[level];

		if (!is_all_zero((const uint32_t *)buffer->data, fs->block_size / 4)) {
			return 0;
		}
		int error = level > 1 ? handle_access(handle, path->buffers[level - 1]) : 0;

		error = error != 0 ? error : ext4_free_metadata(handle, fs, buffer->block);
		if (error != 0) {
			return error;
		}
		path_pointers(inode, path, level - 1)[path->way.slots[level - 1]] = 0;
		inode->n_sectors -= min_u64(inode->n_sectors, fs->block_size / 512);
	}
	return 0;
}

/* Clear a run of consecutive pointers in one block of them. */
static int clear_run(struct handle *handle, struct ext4_inode *inode, struct indirect_path *path,
	uint64_t n_max, uint32_t *out_n)
{
	struct ext4 *fs = inode->fs;
	uint32_t depth = path->way.depth;
	uint32_t *pointers = path_pointers(inode, path, depth) + path->way.slots[depth];
	uint32_t n_slots =
		(depth == 0 ? EXT4_N_DIRECT : fs->block_size / 4) - path->way.slots[depth];
	uint32_t first = pointers[0];
	uint32_t n = 1;

	if (ext4_log_knows_contents(inode)) {
		n_max = min_u64(n_max, EXT4_FREE_METADATA_MAX);
	}
	while (n < n_slots && n < n_max && pointers[n] == first + n) {
		n++;
	}
	int error = depth > 0 ? handle_access(handle, path->buffers[depth]) : 0;

	error = error != 0 ? error : ext4_free_contents(handle, inode, first, n);
	if (error != 0) {
		return error;
	}
	memset(pointers, 0, n * sizeof(*pointers));
	inode->n_sectors -= min_u64(inode->n_sectors, (uint64_t)n * (fs->block_size / 512));
	*out_n = n;
	error = drop_empty(handle, inode, path);
	if (error != 0) {
		ext4_fail(fs, error, "removing blocks of pointers");
	}
	return error;
}

int ext4_indirect_remove_some(
	struct handle *handle, struct ext4_inode *inode, uint64_t *first, uint64_t end)
{
	struct ext4_mapping mapping;
	int error = ext4_indirect_map(handle->task, inode, *first, &mapping);

	if (error == BLOCKFS_E_TOO_LARGE) {
		*first = end;
		return 0;
	}
	if (error != 0) {
		return error;
	}
	if (mapping.kind == BLOCKFS_HOLE) {
		*first = min_u64(end, *first + mapping.n_blocks);
		return 0;
	}
	struct indirect_path path;
	uint32_t n = 0;

	error = path_open(handle->task, NULL, inode, *first, &path);
	if (error != 0) {
		return error;
	}
	error = clear_run(handle, inode, &path, end - *first, &n);
	path_release(&path);
	*first += n;
	return error;
}

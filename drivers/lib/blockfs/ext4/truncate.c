/* SPDX-License-Identifier: MIT */
/*
 * Taking blocks away and giving them without contents: sizes, holes, fallocate, freeing inodes.
 *
 * Cutting a file: first, in one handle, the new size and the inode on the orphan list; then blocks
 * go in as many transactions as that takes; last, the inode leaves the list. A power cut in between
 * is continued by the next mount.
 */
#include <base/string.h>
#include <drivers/lib/blockfs/ext4/change.h>

uint64_t ext4_max_size(const struct ext4_inode *inode)
{
	const struct ext4 *fs = inode->fs;

	return ext4_has_flag(inode, EXT4_FLAG_EXTENTS | EXT4_FLAG_INLINE_DATA)
		? (uint64_t)fs->max_file_blocks << fs->block_bits
		: fs->max_size_indirect;
}

/* ---- parts of blocks ------------------------------------------------------------------------- */

static int zero_part_journaled(struct task *task, struct ext4_inode *inode, struct buffer *buffer,
	uint64_t offset, uint64_t length)
{
	struct handle handle;
	int error = handle_begin(task, inode->fs, 1, &handle);

	if (error != 0) {
		return error;
	}
	error = handle_access(&handle, buffer);
	if (error == 0) {
		memset(buffer->data + offset, 0, length);
	}
	handle_end(&handle);
	return error;
}

/*
 * Zeros into a part of a block of data. The block comes into the cache for that, and is forgotten:
 * the server's pages hold nothing newer (see blockfs.h).
 */
static int zero_part(struct task *task, struct ext4_inode *inode, uint64_t offset, uint64_t length)
{
	struct ext4 *fs = inode->fs;
	struct ext4_mapping mapping;
	BUFFER_AUTO struct buffer *buffer = NULL;

	if (length == 0 || ext4_has_flag(inode, EXT4_FLAG_INLINE_DATA)) {
		return 0;
	}
	int error = ext4_map_shared(task, inode, offset >> fs->block_bits, &mapping);

	if (error != 0 || mapping.kind != BLOCKFS_DATA) {
		return error;
	}
	error = cache_read(task, &fs->cache, mapping.place, &buffer);
	if (error != 0) {
		return error;
	}
	if (ext4_journals_data(inode)) {
		return zero_part_journaled(task, inode, buffer, offset % fs->block_size, length);
	}
	error = cache_wait_written(task, buffer);
	if (error == 0 && buffer->running == NULL && buffer->checkpoint == NULL) {
		memset(buffer->data + offset % fs->block_size, 0, length);
		cache_write_start(buffer);
		error = cache_wait_written(task, buffer);
		error = error != 0 ? error : buffer->error;
	}
	cache_discard(buffer);
	return error;
}

/* ---- sizes ----------------------------------------------------------------------------------- */

static int begin_cut(struct handle *handle, struct ext4_inode *inode, uint64_t size)
{
	int error = ext4_orphan_add(handle, inode);

	if (error != 0) {
		return error;
	}
	inode->size = size;
	inode->disk_size = size;
	ext4_inode_touch(inode, true);
	return ext4_inode_write(handle, inode);
}

static int cut(struct task *task, struct ext4_inode *inode, uint64_t size)
{
	struct ext4 *fs = inode->fs;
	struct handle handle;
	int error = zero_part(task, inode, size, align_up(size, fs->block_size) - size);

	if (error == 0) {
		error = handle_begin(task, fs, EXT4_CREDITS_MAP + EXT4_CREDITS_FREE, &handle);
	}
	if (error != 0) {
		return error;
	}
	error = begin_cut(&handle, inode, size);
	if (error == 0 && ext4_has_flag(inode, EXT4_FLAG_INLINE_DATA)) {
		error = ext4_inline_cut(&handle, inode, size);
	} else if (error == 0) {
		error = ext4_map_remove(
			&handle, inode, div_round_up(size, fs->block_size), UINT64_MAX);
	}
	if (error == 0 && inode->n_links > 0) {
		error = ext4_orphan_remove(&handle, inode);
		error = error != 0 ? error : ext4_inode_write(&handle, inode);
	}
	inode->datasync_id = inode->sync_id;
	handle_end(&handle);
	return error;
}

/* Room for what the server still keeps behind the new end is not needed any more. */
static int grow_with_hole(struct task *task, struct ext4_inode *inode, uint64_t size)
{
	struct handle handle;
	int error = handle_begin(task, inode->fs, EXT4_CREDITS_MAP, &handle);

	if (error != 0) {
		return error;
	}
	if (ext4_has_flag(inode, EXT4_FLAG_INLINE_DATA)) {
		error = ext4_inline_cut(&handle, inode, size);
	}
	if (error == 0) {
		inode->size = size;
		inode->disk_size = size;
		ext4_inode_touch(inode, true);
		error = ext4_inode_write(&handle, inode);
	}
	inode->datasync_id = inode->sync_id;
	handle_end(&handle);
	return error;
}

int ext4_set_size(struct task *task, struct ext4_inode *inode, uint64_t size)
{
	if (size > ext4_max_size(inode)) {
		return BLOCKFS_E_TOO_LARGE;
	}
	if (size > inode->size) {
		return grow_with_hole(task, inode, size);
	}
	ext4_unreserve(inode, div_round_up(size, inode->fs->block_size), UINT64_MAX);
	return cut(task, inode, size);
}

/* ---- fallocate ------------------------------------------------------------------------------- */

static int allocate_piece(struct task *task, struct ext4_inode *inode, uint64_t block,
	uint64_t n_blocks, uint64_t *out_n)
{
	struct ext4 *fs = inode->fs;
	struct ext4_busy *busy;
	struct handle handle;
	uint32_t n = (uint32_t)min_u64(n_blocks, EXT4_UNWRITTEN_LENGTH_MAX);
	int error = ext4_choose(
		task, fs, ext4_goal(task, inode, block), n, ext4_is_reserved(inode, block), &busy);

	if (error == BLOCKFS_E_NO_SPACE && fs->n_busy_freed > 0 && fs->journal != NULL) {
		error = journal_commit_all(task, fs->journal);
		error = error != 0
			? error
			: ext4_choose(task, fs, 0, n, ext4_is_reserved(inode, block), &busy);
	}
	if (error != 0) {
		return error;
	}
	n = busy->n_blocks;
	error = handle_begin(task, fs, EXT4_CREDITS_MAP + EXT4_CREDITS_FREE, &handle);
	if (error != 0) {
		ext4_unchoose(fs, busy);
		return error;
	}
	error = ext4_map_insert(&handle, inode, block, ext4_busy_start(fs, busy), n, true);
	if (error == 0) {
		error = ext4_claim(&handle, fs, busy);
		if (error != 0) {
			ext4_fail(fs, error, "claiming blocks");
		}
		error = error != 0 ? error : ext4_inode_write(&handle, inode);
	} else {
		ext4_unchoose(fs, busy);
	}
	inode->datasync_id = inode->sync_id;
	handle_end(&handle);
	*out_n = n;
	return error;
}

/* Unwritten blocks for all holes of a range. */
static int allocate_range(struct task *task, struct ext4_inode *inode, uint64_t block, uint64_t end)
{
	while (block < end) {
		struct ext4_mapping mapping;
		int error = ext4_map_shared(task, inode, block, &mapping);
		uint64_t n = mapping.n_blocks;

		if (error == 0 && mapping.kind == BLOCKFS_HOLE) {
			error = allocate_piece(task, inode, block, min_u64(n, end - block), &n);
		}
		if (error != 0) {
			return error;
		}
		block += n;
	}
	return 0;
}

static int punch(struct task *task, struct ext4_inode *inode, uint64_t offset, uint64_t end)
{
	struct ext4 *fs = inode->fs;
	uint64_t size = fs->block_size;
	uint64_t first = align_up(offset, size), last = align_down(end, size);
	struct handle handle;
	int error;

	if (first > last) { /* inside one block */
		error = zero_part(task, inode, offset, end - offset);
	} else {
		error = zero_part(task, inode, offset, first - offset);
		error = error != 0 ? error : zero_part(task, inode, last, end - last);
	}
	if (error != 0) {
		return error;
	}
	error = handle_begin(task, fs, EXT4_CREDITS_MAP + EXT4_CREDITS_FREE, &handle);
	if (error != 0) {
		return error;
	}
	ext4_inode_touch(inode, true);
	if (first < last) {
		ext4_unreserve(inode, first >> fs->block_bits, (last - first) >> fs->block_bits);
		error = ext4_map_remove(
			&handle, inode, first >> fs->block_bits, last >> fs->block_bits);
	} else {
		error = ext4_inode_write(&handle, inode);
	}
	inode->datasync_id = inode->sync_id;
	handle_end(&handle);
	return error;
}

/* Inline contents become blocks: those modes are about blocks. */
static int leave_inode(struct task *task, struct ext4_inode *inode)
{
	struct handle handle;

	if (!ext4_has_flag(inode, EXT4_FLAG_INLINE_DATA)) {
		return 0;
	}
	if (inode->size > 0) {
		return BLOCKFS_E_UNSUPPORTED;
	}
	int error = handle_begin(task, inode->fs, EXT4_CREDITS_XATTR + EXT4_CREDITS_MAP, &handle);

	if (error == 0) {
		error = ext4_inline_leave(&handle, inode);
		error = error != 0 ? error : ext4_inode_write(&handle, inode);
		handle_end(&handle);
	}
	return error;
}

int ext4_allocate(struct task *task, struct ext4_inode *inode, enum blockfs_allocate_mode mode,
	uint64_t offset, uint64_t length)
{
	struct ext4 *fs = inode->fs;
	bool grows = mode == BLOCKFS_ALLOCATE || mode == BLOCKFS_ZERO_RANGE;
	bool punches = mode == BLOCKFS_PUNCH_HOLE || mode == BLOCKFS_ZERO_RANGE ||
		mode == BLOCKFS_ZERO_RANGE_KEEP_SIZE;
	uint64_t max = ext4_max_size(inode);

	if (length == 0) {
		return -ERR_ILLEGAL_ARGS;
	}
	if (offset > max || length > max - offset) {
		return BLOCKFS_E_TOO_LARGE;
	}
	int error = leave_inode(task, inode);

	if (error == 0 && mode != BLOCKFS_PUNCH_HOLE && !ext4_has_flag(inode, EXT4_FLAG_EXTENTS)) {
		error = BLOCKFS_E_UNSUPPORTED; /* pointers cannot say "unwritten" */
	}
	if (error == 0 && punches) {
		error = punch(task, inode, offset, offset + length);
	}
	if (error == 0 && mode != BLOCKFS_PUNCH_HOLE) {
		error = allocate_range(task, inode, offset >> fs->block_bits,
			div_round_up(offset + length, fs->block_size));
	}
	if (error == 0 && grows && offset + length > inode->size) {
		error = grow_with_hole(task, inode, offset + length);
	}
	return error;
}

/* ---- the end of inodes ----------------------------------------------------------------------- */

int ext4_inode_flush(struct task *task, struct ext4_inode *inode)
{
	struct handle handle;

	if (!inode->is_dirty) {
		return 0;
	}
	int error = handle_begin(task, inode->fs, 4, &handle);

	if (error == 0) {
		error = ext4_inode_write(&handle, inode);
		handle_end(&handle);
	}
	return error;
}

static int free_inode(struct handle *handle, struct ext4_inode *inode)
{
	int error = ext4_orphan_add(handle, inode);
	uint32_t type = ext4_type_of(inode);
	bool has_map = type == EXT4_S_IFREG || type == EXT4_S_IFDIR ||
		(type == EXT4_S_IFLNK && !ext4_is_fast_symlink(inode));

	if (error == 0 && has_map && !ext4_has_flag(inode, EXT4_FLAG_INLINE_DATA)) {
		inode->size = 0;
		inode->disk_size = 0;
		error = ext4_inode_write(handle, inode);
		error = error != 0 ? error : ext4_map_remove(handle, inode, 0, UINT64_MAX);
	}
	if (error == 0 && !handle_extend(handle, EXT4_CREDITS_INODE + EXT4_CREDITS_XATTR)) {
		error = ext4_inode_write(handle, inode);
		error = error != 0
			? error
			: handle_restart(handle, EXT4_CREDITS_INODE + EXT4_CREDITS_XATTR);
	}
	error = error != 0 ? error : ext4_xattr_drop_block(handle, inode);
	error = error != 0 ? error : ext4_orphan_remove(handle, inode);
	if (error != 0) {
		return error;
	}
	inode->dtime = (uint32_t)inode->fs->fs.host->now(inode->fs->fs.host).seconds;
	inode->size = 0;
	inode->disk_size = 0;
	error = ext4_inode_write(handle, inode);
	inode->is_dead = true;
	return error != 0 ? error : ext4_release_inode(handle, inode);
}

void ext4_inode_last_put(struct task *task, struct ext4_inode *inode)
{
	struct ext4 *fs = inode->fs;
	struct scope shield;
	struct handle handle;

	ext4_unreserve(inode, 0, UINT64_MAX);
	if (fs->fs.is_read_only || fs->fs.error != 0 || (inode->n_links > 0 && !inode->is_dirty)) {
		return;
	}
	scope_begin_shield(task, &shield);
	if (inode->n_links > 0) {
		(void)ext4_inode_flush(task, inode); /* the error stays in fs->fs.error */
	} else if (handle_begin(task, fs, EXT4_CREDITS_MAP + EXT4_CREDITS_FREE, &handle) == 0) {
		int error = free_inode(&handle, inode);

		if (error != 0 && error != BLOCKFS_E_CORRUPT) {
			ext4_fail(fs, error, "freeing an inode");
		}
		handle_end(&handle);
	}
	(void)scope_join(&shield);
}

/* SPDX-License-Identifier: MIT */
/*
 * Contents inside the inode (feature inline_data): the first 60 bytes where the block map would be,
 * the rest as the value of the attribute system.data, which is in the inode, too.
 */
#include <base/string.h>
#include <drivers/lib/blockfs/ext4/change.h>

int ext4_inline_read(struct task *task, struct ext4_inode *inode, uint8_t *out_data, size_t size,
	size_t *out_size)
{
	size_t n_head = min_size(size, EXT4_INODE_BLOCK_SIZE);
	size_t n_rest = 0;

	memcpy(out_data, inode->block, n_head);
	if (inode->size > EXT4_INODE_BLOCK_SIZE || ext4_is_directory(inode)) {
		int error = ext4_xattr_get(task, inode, EXT4_XATTR_SYSTEM,
			(struct blockfs_name){ "data", 4 }, out_data + n_head, size - n_head,
			&n_rest);

		if (error != 0 && error != BLOCKFS_E_NO_ATTRIBUTE) {
			return error;
		}
	}
	*out_size = n_head + n_rest;
	return 0;
}

/* ---- leaving the inode ----------------------------------------------------------------------- */

int ext4_inline_leave(struct handle *handle, struct ext4_inode *inode)
{
	int error = ext4_xattr_set(handle, inode, EXT4_XATTR_SYSTEM,
		(struct blockfs_name){ "data", 4 }, NULL, 0, BLOCKFS_XATTR_ANY);

	if (error != 0 && error != BLOCKFS_E_NO_ATTRIBUTE) {
		return error;
	}
	inode->flags &= ~EXT4_FLAG_INLINE_DATA;
	memset(inode->block, 0, sizeof(inode->block));
	if (inode->fs->has_extents) {
		ext4_extent_init(inode);
	}
	return 0;
}

/* Put entries of an inline area into a block. */
static int move_entries(const struct ext4 *fs, uint8_t *to, uint8_t *area, size_t size)
{
	for (size_t offset = 0; offset < size;) {
		const struct ext4_entry *entry = ext4_entry_at(area, size, offset);

		if (entry == NULL) {
			return BLOCKFS_E_CORRUPT;
		}
		if (entry->inode != 0) {
			int error = ext4_area_add(fs, to,
				(struct blockfs_name){ entry->name, entry->name_length },
				entry->inode, entry->type);

			if (error != 0) {
				return error;
			}
		}
		offset += entry->length;
	}
	return 0;
}

static int directory_leave(
	struct handle *handle, struct ext4_inode *directory, uint8_t *data, size_t size)
{
	BUFFER_AUTO struct buffer *buffer = NULL;
	uint32_t parent;

	memcpy(&parent, data, sizeof(parent));
	directory->size = directory->disk_size = 0;
	int error = ext4_directory_init(handle, directory, parent);

	error = error != 0
		? error
		: ext4_file_block(handle->task, directory, 0, EXT4_KIND_DIRECTORY, &buffer);
	error = error != 0 ? error : handle_access(handle, buffer);
	error = error != 0
		? error
		: move_entries(directory->fs, buffer->data, data + 4, EXT4_INODE_BLOCK_SIZE - 4);
	if (error == 0 && size > EXT4_INODE_BLOCK_SIZE) {
		error = move_entries(directory->fs, buffer->data, data + EXT4_INODE_BLOCK_SIZE,
			size - EXT4_INODE_BLOCK_SIZE);
	}
	return error;
}

int ext4_inline_directory_leave(struct handle *handle, struct ext4_inode *directory)
{
	struct ext4 *fs = directory->fs;
	uint8_t *data = blockfs_allocate(EXT4_INLINE_MAX);
	size_t size = 0;
	int error = data == NULL ? -ERR_NO_MEMORY : 0;

	if (error == 0 && ext4_available(fs) == 0) {
		error = BLOCKFS_E_NO_SPACE;
	}
	error = error != 0
		? error
		: ext4_inline_read(handle->task, directory, data, EXT4_INLINE_MAX, &size);
	if (error == 0 && size < EXT4_INODE_BLOCK_SIZE) {
		error = ext4_corrupt(fs, "directory %u: inline", directory->number);
	}
	error = error != 0 ? error : ext4_inline_leave(handle, directory);
	if (error == 0) {
		error = directory_leave(handle, directory, data, size);
		if (error != 0) { /* the entries are in memory only */
			ext4_fail(fs, error, "a directory that leaves its inode");
		}
	}
	blockfs_free(data);
	return error;
}

/*
 * A size that fits: the bytes behind it become zeros. Contents that would outgrow the inode must
 * have left it before; only an empty file just does.
 */
int ext4_inline_cut(struct handle *handle, struct ext4_inode *inode, uint64_t size)
{
	uint8_t *data;
	size_t n_data = 0;

	if (size == 0 || inode->size == 0) {
		return ext4_inline_leave(handle, inode);
	}
	if (size > EXT4_INODE_BLOCK_SIZE || inode->size > EXT4_INODE_BLOCK_SIZE) {
		data = blockfs_allocate(EXT4_INLINE_MAX);
		if (data == NULL) {
			return -ERR_NO_MEMORY;
		}
		int error = ext4_inline_read(handle->task, inode, data, EXT4_INLINE_MAX, &n_data);

		if (error == 0 && size > n_data) {
			error = BLOCKFS_E_UNSUPPORTED;
		}
		if (error == 0 && n_data > EXT4_INODE_BLOCK_SIZE) {
			size_t keep = max_size((size_t)size, EXT4_INODE_BLOCK_SIZE);

			memset(data + size, 0, keep - size);
			error = ext4_xattr_set(handle, inode, EXT4_XATTR_SYSTEM,
				(struct blockfs_name){ "data", 4 }, data + EXT4_INODE_BLOCK_SIZE,
				keep - EXT4_INODE_BLOCK_SIZE, BLOCKFS_XATTR_ANY);
		}
		blockfs_free(data);
		if (error != 0) {
			return error;
		}
	}
	if (size < EXT4_INODE_BLOCK_SIZE) {
		memset(inode->block + size, 0, EXT4_INODE_BLOCK_SIZE - size);
	}
	return 0;
}

/* Write contents to a chosen block; the cache lends a buffer for that. */
static int write_first_block(
	struct task *task, struct ext4 *fs, uint64_t block, const uint8_t *data, size_t size)
{
	BUFFER_AUTO struct buffer *buffer = NULL;
	int error = cache_create(task, &fs->cache, block, &buffer);

	error = error != 0 ? error : cache_wait_written(task, buffer);
	if (error != 0) {
		return error;
	}
	memset(buffer->data, 0, fs->block_size);
	memcpy(buffer->data, data, min_size(size, fs->block_size));
	cache_write_start(buffer);
	error = cache_wait_written(task, buffer);
	error = error != 0 ? error : buffer->error;
	cache_discard(buffer);
	return error;
}

static int file_leave(struct task *task, struct ext4_inode *inode, const uint8_t *data, size_t size)
{
	struct ext4 *fs = inode->fs;
	struct ext4_busy *busy = NULL;
	struct handle handle;
	int error = 0;

	if (size > 0) {
		error = ext4_choose(task, fs, inode->goal, 1, ext4_is_reserved(inode, 0), &busy);
		error = error != 0
			? error
			: write_first_block(task, fs, ext4_busy_start(fs, busy), data, size);
	}
	error = error != 0 ? error
			   : handle_begin(task, fs, EXT4_CREDITS_MAP + EXT4_CREDITS_XATTR, &handle);
	if (error != 0) {
		ext4_unchoose(fs, busy);
		return error;
	}
	error = ext4_inline_leave(&handle, inode);
	if (error == 0 && busy != NULL) {
		error = ext4_map_insert(&handle, inode, 0, ext4_busy_start(fs, busy), 1, false);
		error = error != 0 ? error : ext4_claim(&handle, fs, busy);
	}
	error = error != 0 ? error : ext4_inode_write(&handle, inode);
	if (error != 0) {
		ext4_fail(fs, error, "contents that leave their inode");
	} else {
		ext4_unreserve(inode, 0, 1);
	}
	handle_end(&handle);
	return error;
}

int ext4_inline_file_leave(struct task *task, struct ext4_inode *inode)
{
	uint8_t *data = blockfs_allocate(EXT4_INLINE_MAX);
	size_t size = 0;
	struct scope shield;

	if (data == NULL) {
		return -ERR_NO_MEMORY;
	}
	scope_begin_shield(task, &shield);
	int error = rwlock_write(task, &inode->lock);

	if (error == 0) {
		if (ext4_has_flag(inode, EXT4_FLAG_INLINE_DATA)) {
			error = ext4_inline_read(task, inode, data, EXT4_INLINE_MAX, &size);
			error = error != 0
				? error
				: file_leave(task, inode, data, min_size(size, inode->disk_size));
		}
		rwlock_write_done(&inode->lock);
	}
	(void)scope_join(&shield);
	blockfs_free(data);
	return error;
}

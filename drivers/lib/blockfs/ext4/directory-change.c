/* SPDX-License-Identifier: MIT */
/*
 * Changing directories. The directory's lock is held alone.
 *
 * A new entry goes into an unused one or into what another one leaves free behind its name. A
 * removed one is joined with the one before it, so that the unused part stays in one piece.
 */
#include <base/assert.h>
#include <base/string.h>
#include <drivers/lib/blockfs/ext4/change.h>

uint8_t ext4_entry_type(const struct ext4 *fs, uint32_t mode)
{
	if (!ext4_has_incompat(fs, EXT4_INCOMPAT_FILETYPE)) {
		return EXT4_TYPE_UNKNOWN;
	}
	switch (mode & EXT4_S_IFMT) {
	case EXT4_S_IFREG: return EXT4_TYPE_REGULAR;
	case EXT4_S_IFDIR: return EXT4_TYPE_DIRECTORY;
	case EXT4_S_IFCHR: return EXT4_TYPE_CHARACTER;
	case EXT4_S_IFBLK: return EXT4_TYPE_BLOCK;
	case EXT4_S_IFIFO: return EXT4_TYPE_FIFO;
	case EXT4_S_IFSOCK: return EXT4_TYPE_SOCKET;
	case EXT4_S_IFLNK: return EXT4_TYPE_SYMLINK;
	default: return EXT4_TYPE_UNKNOWN;
	}
}

/* ---- areas ----------------------------------------------------------------------------------- */

static void tail_init(const struct ext4 *fs, uint8_t *data)
{
	if (fs->has_sums) {
		struct ext4_entry_tail *tail =
			(struct ext4_entry_tail *)(data + ext4_directory_area(fs));

		*tail = (struct ext4_entry_tail){
			.length = sizeof(*tail),
			.type = EXT4_TAIL_TYPE,
		};
	}
}

void ext4_area_init(const struct ext4 *fs, uint8_t *data)
{
	struct ext4_entry *entry = (struct ext4_entry *)data;

	memset(data, 0, fs->block_size);
	entry->length = (uint16_t)ext4_directory_area(fs);
	tail_init(fs, data);
}

static void entry_fill(
	struct ext4_entry *entry, struct blockfs_name name, uint32_t number, uint8_t type)
{
	entry->inode = number;
	entry->name_length = (uint8_t)name.length;
	entry->type = type;
	memcpy(entry->name, name.text, name.length);
}

int ext4_area_add(const struct ext4 *fs, uint8_t *data, struct blockfs_name name, uint32_t number,
	uint8_t type)
{
	size_t area = ext4_directory_area(fs);
	uint32_t need = ext4_entry_size(name.length);

	for (size_t offset = 0; offset < area;) {
		struct ext4_entry *entry = ext4_entry_at(data, area, offset);

		if (entry == NULL) {
			return BLOCKFS_E_CORRUPT;
		}
		uint32_t used = entry->inode != 0 ? ext4_entry_size(entry->name_length) : 0;

		if (entry->length - used >= need) {
			if (used > 0) {
				struct ext4_entry *behind =
					(struct ext4_entry *)(data + offset + used);

				behind->length = (uint16_t)(entry->length - used);
				entry->length = (uint16_t)used;
				entry = behind;
			}
			entry_fill(entry, name, number, type);
			return 0;
		}
		offset += entry->length;
	}
	return BLOCKFS_E_NO_SPACE;
}

/* Whether a name fits, without changing anything: 0, NO_SPACE, CORRUPT. */
static int area_find_room(const struct ext4 *fs, uint8_t *data, size_t name_length)
{
	size_t area = ext4_directory_area(fs);

	for (size_t offset = 0; offset < area;) {
		const struct ext4_entry *entry = ext4_entry_at(data, area, offset);

		if (entry == NULL) {
			return BLOCKFS_E_CORRUPT;
		}
		uint32_t used = entry->inode != 0 ? ext4_entry_size(entry->name_length) : 0;

		if (entry->length - used >= ext4_entry_size(name_length)) {
			return 0;
		}
		offset += entry->length;
	}
	return BLOCKFS_E_NO_SPACE;
}

/* ---- blocks ---------------------------------------------------------------------------------- */

int ext4_directory_append(struct handle *handle, struct ext4_inode *directory, uint32_t *out_block,
	struct buffer **out_buffer)
{
	struct ext4 *fs = directory->fs;
	uint64_t n_blocks = ext4_n_file_blocks(directory);
	uint64_t block;
	uint64_t limit = ext4_has_incompat(fs, EXT4_INCOMPAT_LARGEDIR)
		? (uint64_t)0x0fffffff
		: MIB(2048) >> fs->block_bits;

	if (n_blocks >= limit) {
		return BLOCKFS_E_NO_SPACE;
	}
	int error = ext4_allocate_block(
		handle, fs, ext4_goal(handle->task, directory, n_blocks), &block);

	if (error != 0) {
		return error;
	}
	error = ext4_map_insert(handle, directory, n_blocks, block, 1, false);
	if (error != 0) {
		int freed = ext4_free_blocks(handle, fs, block, 1);

		return freed != 0 ? freed : error;
	}
	directory->size += fs->block_size;
	directory->disk_size = directory->size;
	error = ext4_create_block(
		handle, fs, block, EXT4_KIND_DIRECTORY, directory->seed, out_buffer);
	if (error == 0) {
		error = ext4_inode_write(handle, directory);
	}
	if (error != 0) {
		ext4_fail(fs, error, "a new block of a directory");
		return error;
	}
	ext4_area_init(fs, (*out_buffer)->data);
	*out_block = (uint32_t)n_blocks;
	return 0;
}

int ext4_directory_init(struct handle *handle, struct ext4_inode *directory, uint32_t parent)
{
	BUFFER_AUTO struct buffer *buffer = NULL;
	struct ext4 *fs = directory->fs;
	uint8_t type = ext4_entry_type(fs, EXT4_S_IFDIR);
	uint32_t block;
	int error = ext4_directory_append(handle, directory, &block, &buffer);

	if (error != 0) {
		return error;
	}
	struct ext4_entry *dot = (struct ext4_entry *)buffer->data;
	struct ext4_entry *dots = (struct ext4_entry *)(buffer->data + 12);

	dots->length = (uint16_t)(dot->length - 12);
	dot->length = 12;
	entry_fill(dot, (struct blockfs_name){ ".", 1 }, directory->number, type);
	entry_fill(dots, (struct blockfs_name){ "..", 2 }, parent, type);
	return 0;
}

/* ---- adding ---------------------------------------------------------------------------------- */

static int add_in_block(struct handle *handle, struct ext4_inode *directory, uint32_t block,
	struct blockfs_name name, uint32_t number, uint8_t type)
{
	BUFFER_AUTO struct buffer *buffer = NULL;
	int error = ext4_file_block(handle->task, directory, block, EXT4_KIND_DIRECTORY, &buffer);

	if (error == 0) {
		error = area_find_room(directory->fs, buffer->data, name.length);
	}
	if (error == 0) {
		error = handle_access(handle, buffer);
	}
	if (error == 0) {
		error = ext4_area_add(directory->fs, buffer->data, name, number, type);
	}
	if (error == BLOCKFS_E_CORRUPT) {
		error = ext4_corrupt(directory->fs, "directory %u: entries", directory->number);
	}
	return error;
}

static int add_in_row(struct handle *handle, struct ext4_inode *directory, struct blockfs_name name,
	uint32_t number, uint8_t type)
{
	struct ext4 *fs = directory->fs;
	uint32_t n_blocks = (uint32_t)ext4_n_file_blocks(directory);
	int error = BLOCKFS_E_NO_SPACE;

	/* from the end: the last block is the one with room, as a rule */
	for (uint32_t block = n_blocks; block-- > 0 && error == BLOCKFS_E_NO_SPACE;) {
		error = add_in_block(handle, directory, block, name, number, type);
	}
	if (error != BLOCKFS_E_NO_SPACE) {
		return error;
	}
	if (n_blocks == 1 && ext4_has_compat(fs, EXT4_COMPAT_DIR_INDEX)) {
		error = ext4_index_make(handle, directory);
		return error != 0 ? error : ext4_index_add(handle, directory, name, number, type);
	}
	BUFFER_AUTO struct buffer *buffer = NULL;
	uint32_t block;

	error = ext4_directory_append(handle, directory, &block, &buffer);
	return error != 0 ? error : ext4_area_add(fs, buffer->data, name, number, type);
}

int ext4_entry_add(struct handle *handle, struct ext4_inode *directory, struct blockfs_name name,
	uint32_t number, uint32_t mode)
{
	uint8_t type = ext4_entry_type(directory->fs, mode);
	int error = 0;

	if (ext4_has_flag(directory, EXT4_FLAG_INLINE_DATA)) {
		error = ext4_inline_directory_leave(handle, directory);
	}
	if (error == 0) {
		error = ext4_is_indexed(directory)
			? ext4_index_add(handle, directory, name, number, type)
			: add_in_row(handle, directory, name, number, type);
	}
	if (error != 0) {
		return error;
	}
	ext4_inode_touch(directory, true);
	return ext4_inode_write(handle, directory);
}

/* ---- changing and removing ------------------------------------------------------------------- */

int ext4_entry_remove(
	struct handle *handle, struct ext4_inode *directory, const struct ext4_found *found)
{
	int error = handle_access(handle, found->buffer);

	if (error != 0) {
		return error;
	}
	struct ext4_entry *entry = ext4_entry_at(found->area, found->area_size, found->offset);
	struct ext4_entry *previous = found->previous == UINT32_MAX
		? NULL
		: ext4_entry_at(found->area, found->area_size, found->previous);

	if (entry == NULL || entry->inode != found->number) {
		return ext4_corrupt(directory->fs, "directory %u: entries", directory->number);
	}
	if (previous != NULL && found->previous + previous->length == found->offset) {
		previous->length = (uint16_t)(previous->length + entry->length);
		memset(entry, 0, ext4_entry_size(entry->name_length));
	} else {
		entry->inode = 0;
	}
	ext4_inode_touch(directory, true);
	return ext4_inode_write(handle, directory);
}

int ext4_entry_set(struct handle *handle, struct ext4_inode *directory,
	const struct ext4_found *found, uint32_t number, uint32_t mode)
{
	int error = handle_access(handle, found->buffer);

	if (error != 0) {
		return error;
	}
	struct ext4_entry *entry = ext4_entry_at(found->area, found->area_size, found->offset);

	if (entry == NULL || entry->inode != found->number) {
		return ext4_corrupt(directory->fs, "directory %u: entries", directory->number);
	}
	entry->inode = number;
	entry->type = ext4_entry_type(directory->fs, mode);
	ext4_inode_touch(directory, true);
	return ext4_inode_write(handle, directory);
}

int ext4_parent_set(struct handle *handle, struct ext4_inode *directory, uint32_t number)
{
	BUFFER_AUTO struct buffer *buffer = NULL;
	struct ext4_found found;

	if (ext4_has_flag(directory, EXT4_FLAG_INLINE_DATA)) {
		memcpy(directory->block, &number, sizeof(number));
		return ext4_inode_write(handle, directory);
	}
	int error = ext4_file_block(handle->task, directory, 0, EXT4_KIND_DIRECTORY, &buffer);

	if (error == 0) {
		error = handle_access(handle, buffer);
	}
	if (error == 0) {
		error = ext4_area_find(buffer->data, directory->fs->block_size,
			(struct blockfs_name){ "..", 2 }, &found);
	}
	if (error == -ERR_NOT_FOUND || error == BLOCKFS_E_CORRUPT) {
		return ext4_corrupt(directory->fs, "directory %u: no ..", directory->number);
	}
	if (error == 0) {
		ext4_entry_at(buffer->data, directory->fs->block_size, found.offset)->inode =
			number;
	}
	return error;
}

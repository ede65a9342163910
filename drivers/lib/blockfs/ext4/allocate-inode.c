/* SPDX-License-Identifier: MIT */
/*
 * Allocating inodes.
 *
 * A file goes into the group of its directory, or if that is full into one found by steps of 1, 2,
 * 4, ..., then any. Directories spread: those in the root over groups that have more free inodes
 * and blocks and fewer directories than the average (Orlov's idea), others stay near their parent
 * unless it is crowded.
 */
#include <base/assert.h>
#include <base/bitmap.h>
#include <base/string.h>
#include <drivers/lib/blockfs/ext4/change.h>

#define SPREAD_TRIES 32 /* groups that are looked at for a directory */

/* ---- which group ----------------------------------------------------------------------------- */

static uint32_t group_of_inode(const struct ext4 *fs, uint32_t number)
{
	return (number - 1) / fs->inodes_per_group;
}

/* At least as good as the average, and with few directories. */
static bool group_suits_directory(const struct ext4 *fs, const struct ext4_group *group)
{
	uint32_t n_inodes = fs->n_free_inodes / fs->n_groups;
	uint64_t n_blocks = fs->n_free_blocks / fs->n_groups;

	return group->n_free_inodes > 0 && group->n_free_inodes >= n_inodes - n_inodes / 4 &&
		group->n_free_blocks >= n_blocks - n_blocks / 4;
}

static uint32_t choose_directory_group(struct ext4 *fs, const struct ext4_inode *directory)
{
	bool is_top =
		directory->number == EXT4_ROOT_INODE || ext4_has_flag(directory, EXT4_FLAG_TOPDIR);
	uint32_t parent = group_of_inode(fs, directory->number);
	uint32_t start = is_top ? fs->next_directory_group : parent;
	uint32_t best = UINT32_MAX;

	for (uint32_t i = 0; i < SPREAD_TRIES && i < fs->n_groups; i++) {
		uint32_t index = (start + i) % fs->n_groups;
		const struct ext4_group *group = &fs->groups[index];

		if (!group_suits_directory(fs, group)) {
			continue;
		}
		if (!is_top) {
			return index;
		}
		if (best == UINT32_MAX || group->n_directories < fs->groups[best].n_directories) {
			best = index;
		}
	}
	if (is_top) {
		fs->next_directory_group = (start + 1) % fs->n_groups;
	}
	return best != UINT32_MAX ? best : parent;
}

/* The next group to look at after @index, the @n_tried-th; false: all have been. */
static bool next_group(const struct ext4 *fs, uint32_t *index, uint32_t n_tried)
{
	if (n_tried >= fs->n_groups + 32) {
		return false;
	}
	*index = n_tried < 32 && 1u << n_tried < fs->n_groups
		? (*index + (1u << n_tried)) % fs->n_groups
		: (*index + 1) % fs->n_groups;
	return true;
}

/* ---- bitmaps --------------------------------------------------------------------------------- */

static int read_inode_bitmap(
	struct task *task, struct ext4 *fs, uint32_t index, struct buffer **out_buffer)
{
	struct ext4_group *group = &fs->groups[index];

	if ((group->flags & EXT4_GROUP_INODES_UNINIT) == 0) {
		return ext4_read(
			task, fs, group->inode_bitmap, EXT4_KIND_INODE_BITMAP, index, out_buffer);
	}
	int error = cache_create(task, &fs->cache, group->inode_bitmap, out_buffer);

	if (error == 0 && (*out_buffer)->kind != EXT4_KIND_INODE_BITMAP) {
		uint8_t *data = (*out_buffer)->data;

		memset(data, 0, fs->inodes_per_group / 8);
		memset(data + fs->inodes_per_group / 8, 0xff,
			fs->block_size - fs->inodes_per_group / 8);
		(*out_buffer)->kind = EXT4_KIND_INODE_BITMAP;
		(*out_buffer)->seed = index;
	}
	return error;
}

static uint32_t first_usable(const struct ext4 *fs, uint32_t index)
{
	uint32_t first = index * fs->inodes_per_group + 1;

	return fs->super.first_inode > first ? fs->super.first_inode - first : 0;
}

/* Take a free inode of a group. NO_SPACE if it has none. */
static int take_in_group(struct handle *handle, struct ext4 *fs, uint32_t index, bool is_directory,
	uint32_t *out_number)
{
	struct ext4_group *group = &fs->groups[index];
	BUFFER_AUTO struct buffer *bitmap = NULL;

	if (group->n_free_inodes == 0) {
		return BLOCKFS_E_NO_SPACE;
	}
	int error = read_inode_bitmap(handle->task, fs, index, &bitmap);

	if (error != 0) {
		return error;
	}
	size_t bit = bitmap_find_clear(
		(const uint64_t *)bitmap->data, fs->inodes_per_group, first_usable(fs, index));

	if (bit == BITMAP_NONE) {
		return BLOCKFS_E_NO_SPACE;
	}
	error = handle_access(handle, bitmap);
	error = error != 0 ? error : ext4_init_block_bitmap(handle, fs, index);
	error = error != 0 ? error : ext4_group_write(handle, fs, index);
	if (error != 0) {
		return error;
	}
	/* others may have come while this waited */
	if (bitmap_test((const uint64_t *)bitmap->data, bit)) {
		return BLOCKFS_E_RETRY;
	}
	bitmap_set((uint64_t *)bitmap->data, bit);
	group->n_free_inodes--;
	fs->n_free_inodes--;
	group->n_directories += is_directory ? 1 : 0;
	group->flags &= (uint16_t)~EXT4_GROUP_INODES_UNINIT;
	if (group->table_unused > fs->inodes_per_group - (uint32_t)bit - 1) {
		group->table_unused = fs->inodes_per_group - (uint32_t)bit - 1;
	}
	*out_number = index * fs->inodes_per_group + (uint32_t)bit + 1;
	return ext4_group_write(handle, fs, index);
}

static int take_inode(struct handle *handle, struct ext4_inode *directory, bool is_directory,
	uint32_t *out_number)
{
	struct ext4 *fs = directory->fs;
	uint32_t index = is_directory ? choose_directory_group(fs, directory)
				      : group_of_inode(fs, directory->number);
	int error;

	for (uint32_t n_tried = 0;;) {
		error = take_in_group(handle, fs, index, is_directory, out_number);
		if (error == BLOCKFS_E_RETRY) {
			continue;
		}
		if (error != BLOCKFS_E_NO_SPACE || fs->n_free_inodes == 0 ||
			!next_group(fs, &index, n_tried++)) {
			return error;
		}
	}
}

/*
 * The table's block of a new inode. Where no inode of the block is in use it may never have been
 * written (lazy initialisation): it begins as zeros.
 */
static int open_table(struct handle *handle, struct ext4 *fs, uint32_t number)
{
	uint32_t group = group_of_inode(fs, number);
	uint32_t bit = (number - 1) % fs->inodes_per_group;
	uint32_t per_block = fs->block_size / fs->inode_size;
	uint32_t first = bit - bit % per_block;
	uint64_t block = fs->groups[group].inode_table + first / per_block;
	BUFFER_AUTO struct buffer *bitmap = NULL;
	BUFFER_AUTO struct buffer *table = NULL;
	int error = read_inode_bitmap(handle->task, fs, group, &bitmap);

	if (error != 0) {
		return error;
	}
	const uint64_t *map = (const uint64_t *)bitmap->data;
	bool is_first = true;

	for (uint32_t i = first; i < first + per_block && i < fs->inodes_per_group; i++) {
		is_first = is_first && (i == bit || !bitmap_test(map, i));
	}
	struct buffer *cached = cache_find(&fs->cache, block);
	bool is_known = cached != NULL && cached->kind == EXT4_KIND_INODE_TABLE;

	buffer_put(cached);
	if (is_first && !is_known) {
		return ext4_create_block(handle, fs, block, EXT4_KIND_INODE_TABLE, 0, &table);
	}
	error = ext4_read(handle->task, fs, block, EXT4_KIND_INODE_TABLE, 0, &table);
	if (error == 0) {
		error = handle_access(handle, table);
	}
	if (error == 0) {
		memset(table->data + (size_t)(bit - first) * fs->inode_size, 0, fs->inode_size);
	}
	return error;
}

/* ---- a new one ------------------------------------------------------------------------------- */

static void set_extra(struct ext4_inode *inode)
{
	const struct ext4 *fs = inode->fs;
	uint32_t room = fs->inode_size - EXT4_INODE_SIZE_OLD;
	uint32_t extra = sizeof(struct ext4_inode_disk) - EXT4_INODE_SIZE_OLD;

	if (fs->super.want_extra_isize > extra && fs->super.want_extra_isize % 4 == 0) {
		extra = fs->super.want_extra_isize;
	}
	inode->extra_isize = (uint16_t)min_u64(extra, room);
}

static void set_owner_and_flags(struct ext4_inode *inode, const struct ext4_inode *directory,
	const struct blockfs_create_options *options)
{
	uint32_t type = options->mode & EXT4_S_IFMT;
	uint32_t inherited = directory->flags & EXT4_FLAGS_INHERITED;

	inode->mode = (uint16_t)options->mode;
	inode->uid = options->uid;
	inode->gid = options->gid;
	if (type == EXT4_S_IFREG) {
		inherited &= ~(EXT4_FLAG_DIRSYNC | EXT4_FLAG_PROJINHERIT);
	} else if (type != EXT4_S_IFDIR) {
		inherited &= 0x40u | 0x80u; /* no dump, no atime */
	}
	inode->flags = inherited;
	if (ext4_has_flag(directory, EXT4_FLAG_PROJINHERIT)) {
		inode->project = directory->project;
	}
	bool has_map = type == EXT4_S_IFREG || type == EXT4_S_IFDIR ||
		(type == EXT4_S_IFLNK && options->target_size >= EXT4_INODE_BLOCK_SIZE);

	if (inode->fs->has_extents && has_map) {
		ext4_extent_init(inode);
	}
}

static void set_device_number(struct ext4_inode *inode, uint64_t number)
{
	uint32_t major = (uint32_t)(number >> 32), minor = (uint32_t)number;
	uint32_t words[2] = { 0 };

	if (major < 256 && minor < 256) {
		words[0] = major << 8 | minor;
	} else {
		words[1] = (minor & 0xff) | (major & 0xfff) << 8 | (minor & ~0xffu) << 12;
	}
	memcpy(inode->block, words, sizeof(words));
}

int ext4_create_inode(struct handle *handle, struct ext4_inode *directory,
	const struct blockfs_create_options *options, struct ext4_inode **out_inode)
{
	struct ext4 *fs = directory->fs;
	uint32_t type = options->mode & EXT4_S_IFMT;
	uint32_t number;
	int error = take_inode(handle, directory, type == EXT4_S_IFDIR, &number);

	if (error == 0) {
		error = open_table(handle, fs, number);
	}
	if (error != 0) {
		return error;
	}
	struct ext4_inode *inode;

	error = ext4_inode_new(fs, number, &inode);
	if (error != 0) {
		return error;
	}
	ext4_inode_set_generation(inode, (uint32_t)fs->fs.host->random(fs->fs.host));
	inode->crtime = fs->fs.host->now(fs->fs.host);
	inode->atime = inode->mtime = inode->ctime = inode->crtime;
	inode->n_links = 1;
	set_extra(inode);
	set_owner_and_flags(inode, directory, options);
	if (type == EXT4_S_IFCHR || type == EXT4_S_IFBLK) {
		set_device_number(inode, options->device_number);
	}
	*out_inode = inode;
	return 0;
}

int ext4_release_inode(struct handle *handle, struct ext4_inode *inode)
{
	struct ext4 *fs = inode->fs;
	uint32_t index = group_of_inode(fs, inode->number);
	uint32_t bit = (inode->number - 1) % fs->inodes_per_group;
	struct ext4_group *group = &fs->groups[index];
	BUFFER_AUTO struct buffer *bitmap = NULL;
	int error = read_inode_bitmap(handle->task, fs, index, &bitmap);

	error = error != 0 ? error : handle_access(handle, bitmap);
	error = error != 0 ? error : ext4_group_write(handle, fs, index);
	if (error != 0) {
		return error;
	}
	if (!bitmap_test((const uint64_t *)bitmap->data, bit)) {
		return ext4_corrupt(fs, "freed inode %u is free already", inode->number);
	}
	bitmap_clear((uint64_t *)bitmap->data, bit);
	group->n_free_inodes++;
	fs->n_free_inodes++;
	if (ext4_is_directory(inode) && group->n_directories > 0) {
		group->n_directories--;
	}
	return ext4_group_write(handle, fs, index);
}

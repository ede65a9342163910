/* SPDX-License-Identifier: MIT */
/*
 * Indexes of directories: a tree of hashes, the leaves of which are ordinary blocks of entries.
 *
 * Block 0 is the root: "." and ".." (which reaches to the block's end, so a reader that knows of no
 * index sees nothing else), then index_info, then pairs of hash and block. Index nodes are one
 * unused entry, then pairs. The first pair has no hash; limit and count are in its place. A leaf
 * whose first hash is odd goes on with names of the even hash before it.
 */
#include <drivers/lib/blockfs/ext4/ext4.h>

#define INDEX_ROOT_OFFSET 32
#define INDEX_BLOCK_MASK  0x0fffffffu

static const struct ext4_index_info *index_info(const struct buffer *root)
{
	return (const struct ext4_index_info *)(root->data + 24);
}

static int index_bad(struct ext4_inode *directory)
{
	return ext4_corrupt(directory->fs, "directory %u: index", directory->number);
}

/* Read block 0 and see whether it can be the root of an index. */
static int index_read_root(
	struct task *task, struct ext4_inode *directory, struct buffer **out_root)
{
	const struct ext4 *fs = directory->fs;
	uint32_t levels_max = ext4_has_incompat(fs, EXT4_INCOMPAT_LARGEDIR) ? 2 : 1;
	int error = ext4_file_block(task, directory, 0, EXT4_KIND_DIRECTORY, out_root);

	if (error != 0) {
		return error;
	}
	const struct ext4_index_info *info = index_info(*out_root);
	const struct ext4_entry *dot = ext4_entry_at((*out_root)->data, fs->block_size, 0);
	const struct ext4_entry *dots = ext4_entry_at((*out_root)->data, fs->block_size, 12);

	if (dot == NULL || dot->length != 12 || dots == NULL ||
		dots->length != fs->block_size - 12 || info->zero != 0 ||
		info->info_length != sizeof(*info) || info->n_levels > levels_max) {
		buffer_put(*out_root);
		*out_root = NULL;
		return index_bad(directory);
	}
	return 0;
}

int ext4_index_version(struct task *task, struct ext4_inode *directory, uint8_t *out_version)
{
	BUFFER_AUTO struct buffer *root = NULL;
	int error = index_read_root(task, directory, &root);

	if (error == 0) {
		*out_version = index_info(root)->hash_version;
		if (*out_version <= EXT4_HASH_TEA) {
			*out_version += directory->fs->hash_unsigned;
		}
	}
	return error;
}

/* Point a level at the pairs of its block. */
static bool index_set_level(const struct ext4 *fs, struct ext4_index_level *level, uint32_t offset)
{
	uint32_t n_max = (fs->block_size - offset -
				 (fs->has_sums ? (uint32_t)sizeof(struct ext4_index_tail) : 0)) /
		(uint32_t)sizeof(struct ext4_index_entry);
	const struct ext4_index_count *count =
		(const struct ext4_index_count *)(level->buffer->data + offset);

	level->entries = (struct ext4_index_entry *)(level->buffer->data + offset);
	level->limit = count->limit;
	level->count = count->count;
	level->slot = 0;
	return level->limit == n_max && level->count >= 1 && level->count <= level->limit;
}

static bool index_set_node(const struct ext4 *fs, struct ext4_index_level *level)
{
	const struct ext4_entry *unused = (const struct ext4_entry *)level->buffer->data;

	return unused->inode == 0 && unused->length == fs->block_size &&
		index_set_level(fs, level, EXT4_ENTRY_HEADER);
}

/* The last pair whose hash is not above. */
static uint32_t index_search(const struct ext4_index_level *level, uint32_t hash)
{
	uint32_t low = 0, high = level->count;

	while (low + 1 < high) {
		uint32_t middle = (low + high) / 2;

		if (level->entries[middle].hash <= hash) {
			low = middle;
		} else {
			high = middle;
		}
	}
	return low;
}

static uint32_t index_child(const struct ext4_index_level *level)
{
	return level->entries[level->slot].block & INDEX_BLOCK_MASK;
}

/* Read the node that the level above points to. */
static int index_read_node(
	struct task *task, struct ext4_inode *directory, struct ext4_index_path *path, uint32_t at)
{
	struct ext4_index_level *level = &path->levels[at];
	uint32_t block = index_child(level - 1);

	buffer_put(level->buffer);
	level->buffer = NULL;
	if (block == 0 || block >= ext4_n_file_blocks(directory)) {
		return index_bad(directory);
	}
	int error = ext4_file_block(task, directory, block, EXT4_KIND_DIRECTORY, &level->buffer);

	if (error != 0) {
		return error;
	}
	return index_set_node(directory->fs, level) ? 0 : index_bad(directory);
}

void ext4_index_release(struct ext4_index_path *path)
{
	for (uint32_t i = 0; i < EXT4_INDEX_LEVELS_MAX; i++) {
		buffer_put(path->levels[i].buffer);
		path->levels[i].buffer = NULL;
	}
}

static int index_check_leaf(struct ext4_inode *directory, const struct ext4_index_path *path)
{
	uint32_t leaf = ext4_index_leaf(path);

	return leaf != 0 && leaf < ext4_n_file_blocks(directory) ? 0 : index_bad(directory);
}

int ext4_index_descend(struct task *task, struct ext4_inode *directory, uint32_t hash,
	struct ext4_index_path *out_path)
{
	*out_path = (struct ext4_index_path){ 0 };
	struct ext4_index_level *root = &out_path->levels[0];
	int error = index_read_root(task, directory, &root->buffer);

	if (error != 0) {
		return error;
	}
	out_path->hash_version = index_info(root->buffer)->hash_version;
	out_path->n_levels = index_info(root->buffer)->n_levels + 1u;
	if (!index_set_level(directory->fs, root, INDEX_ROOT_OFFSET)) {
		error = index_bad(directory);
	}
	if (error == 0) {
		root->slot = index_search(root, hash);
	}
	for (uint32_t i = 1; error == 0 && i < out_path->n_levels; i++) {
		error = index_read_node(task, directory, out_path, i);
		if (error == 0) {
			out_path->levels[i].slot = index_search(&out_path->levels[i], hash);
		}
	}
	if (error == 0) {
		error = index_check_leaf(directory, out_path);
	}
	if (error != 0) {
		ext4_index_release(out_path);
	}
	return error;
}

uint32_t ext4_index_leaf(const struct ext4_index_path *path)
{
	return index_child(&path->levels[path->n_levels - 1]);
}

int ext4_index_next(struct task *task, struct ext4_inode *directory, struct ext4_index_path *path,
	uint32_t *out_hash)
{
	uint32_t at = path->n_levels - 1;

	while (path->levels[at].slot + 1 >= path->levels[at].count) {
		if (at == 0) {
			return BLOCKFS_E_END;
		}
		at--;
	}
	path->levels[at].slot++;
	*out_hash = path->levels[at].entries[path->levels[at].slot].hash;
	while (++at < path->n_levels) {
		int error = index_read_node(task, directory, path, at);

		if (error != 0) {
			return error;
		}
	}
	return index_check_leaf(directory, path);
}

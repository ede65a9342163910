/* SPDX-License-Identifier: MIT */
/*
 * Changing indexes of directories. The directory's lock is held alone.
 *
 * As with extents, room comes first: full index nodes are split from the top down, one at a time
 * (or the tree becomes deeper), then the full leaf is. A leaf is split where half of its bytes are;
 * if that is between two names of the same hash, the new leaf's hash is made odd.
 */
#include <base/assert.h>
#include <base/string.h>
#include <drivers/lib/blockfs/ext4/change.h>

#define ROOT_OFFSET  32
#define ENTRIES_MAX  (4096 / 12)
#define ADD_TRIES    12
#define LEVELS_LARGE 3
#define LEVELS_USUAL 2

/* ---- nodes ----------------------------------------------------------------------------------- */

static uint32_t entries_max(const struct ext4 *fs, uint32_t offset)
{
	uint32_t tail = fs->has_sums ? (uint32_t)sizeof(struct ext4_index_tail) : 0;

	return (fs->block_size - offset - tail) / (uint32_t)sizeof(struct ext4_index_entry);
}

static void entries_set_count(struct ext4_index_entry *entries, uint32_t count)
{
	((struct ext4_index_count *)entries)->count = (uint16_t)count;
}

static void entries_init(
	const struct ext4 *fs, struct ext4_index_entry *entries, uint32_t offset, uint32_t count)
{
	struct ext4_index_count *counts = (struct ext4_index_count *)entries;

	counts->limit = (uint16_t)entries_max(fs, offset);
	counts->count = (uint16_t)count;
}

/* A pair behind the one at the level's slot. */
static void entries_insert(struct ext4_index_level *level, uint32_t hash, uint32_t block)
{
	struct ext4_index_entry *entries = level->entries;
	uint32_t slot = level->slot + 1;

	ASSERT(level->count < level->limit);
	memmove(&entries[slot + 1], &entries[slot], (level->count - slot) * sizeof(entries[0]));
	entries[slot] = (struct ext4_index_entry){ .hash = hash, .block = block };
	level->count++;
	entries_set_count(entries, level->count);
}

/* A new block of the directory that is an index node without pairs. */
static int new_node(struct handle *handle, struct ext4_inode *directory, uint32_t *out_block,
	struct buffer **out_buffer, struct ext4_index_entry **out_entries)
{
	const struct ext4 *fs = directory->fs;
	int error = ext4_directory_append(handle, directory, out_block, out_buffer);

	if (error != 0) {
		return error;
	}
	struct ext4_entry *unused = (struct ext4_entry *)(*out_buffer)->data;

	memset(unused, 0, fs->block_size);
	unused->length = (uint16_t)fs->block_size;
	*out_entries = (struct ext4_index_entry *)((*out_buffer)->data + EXT4_ENTRY_HEADER);
	return 0;
}

/* The root's pairs move into a node of their own. */
static int add_level(
	struct handle *handle, struct ext4_inode *directory, struct ext4_index_path *path)
{
	const struct ext4 *fs = directory->fs;
	struct ext4_index_level *root = &path->levels[0];
	uint32_t n_max =
		ext4_has_incompat(fs, EXT4_INCOMPAT_LARGEDIR) ? LEVELS_LARGE : LEVELS_USUAL;
	BUFFER_AUTO struct buffer *buffer = NULL;
	struct ext4_index_entry *entries;
	uint32_t block;

	if (path->n_levels >= n_max) {
		return BLOCKFS_E_NO_SPACE;
	}
	int error = handle_access(handle, root->buffer);

	if (error == 0) {
		error = new_node(handle, directory, &block, &buffer, &entries);
	}
	if (error != 0) {
		return error;
	}
	memcpy(entries, root->entries, root->count * sizeof(entries[0]));
	entries_init(fs, entries, EXT4_ENTRY_HEADER, root->count);
	entries_set_count(root->entries, 1);
	root->entries[0].block = block;
	((struct ext4_index_info *)(root->buffer->data + 24))->n_levels++;
	return 0;
}

/* The later half of a full node moves to a new one; the level above has room. */
static int split_node(struct handle *handle, struct ext4_inode *directory,
	struct ext4_index_path *path, uint32_t at)
{
	const struct ext4 *fs = directory->fs;
	struct ext4_index_level *level = &path->levels[at];
	struct ext4_index_level *above = &path->levels[at - 1];
	BUFFER_AUTO struct buffer *buffer = NULL;
	struct ext4_index_entry *entries;
	uint32_t block;
	int error = handle_access(handle, level->buffer);

	error = error != 0 ? error : handle_access(handle, above->buffer);
	error = error != 0 ? error : new_node(handle, directory, &block, &buffer, &entries);
	if (error != 0) {
		return error;
	}
	uint32_t n_stay = level->count / 2;
	uint32_t n_move = level->count - n_stay;
	uint32_t hash = level->entries[n_stay].hash;

	memcpy(entries, &level->entries[n_stay], n_move * sizeof(entries[0]));
	entries_init(fs, entries, EXT4_ENTRY_HEADER, n_move);
	entries_set_count(level->entries, n_stay);
	entries_insert(above, hash, block);
	return 0;
}

/* One split that brings the lowest index node closer to having room. */
static int make_room_once(
	struct handle *handle, struct ext4_inode *directory, struct ext4_index_path *path)
{
	uint32_t at = path->n_levels - 1;

	while (at > 0 && path->levels[at - 1].count == path->levels[at - 1].limit) {
		at--;
	}
	return at == 0 ? add_level(handle, directory, path)
		       : split_node(handle, directory, path, at);
}

/* ---- leaves ---------------------------------------------------------------------------------- */

struct leaf_entry {
	uint32_t hash;
	uint16_t offset;
	uint16_t size;
};

static void leaf_sift(struct leaf_entry *entries, size_t root, size_t n)
{
	for (size_t child = root * 2 + 1; child < n; child = root * 2 + 1) {
		if (child + 1 < n && entries[child + 1].hash > entries[child].hash) {
			child++;
		}
		if (entries[root].hash >= entries[child].hash) {
			return;
		}
		struct leaf_entry swapped = entries[root];

		entries[root] = entries[child];
		entries[child] = swapped;
		root = child;
	}
}

static void leaf_sort(struct leaf_entry *entries, size_t n_entries)
{
	for (size_t i = n_entries / 2; i-- > 0;) {
		leaf_sift(entries, i, n_entries);
	}
	for (size_t n = n_entries; n > 1;) {
		struct leaf_entry swapped = entries[0];

		entries[0] = entries[--n];
		entries[n] = swapped;
		leaf_sift(entries, 0, n);
	}
}

/* All entries of a leaf by hash; false if they make no sense. */
static bool leaf_read(const struct ext4 *fs, uint8_t *data, size_t first, uint8_t version,
	struct leaf_entry *out_entries, size_t *out_n)
{
	size_t area = ext4_directory_area(fs);
	size_t n = 0;

	for (size_t offset = first; offset < area;) {
		const struct ext4_entry *entry = ext4_entry_at(data, area, offset);
		struct ext4_hash hash;

		if (entry == NULL || n == ENTRIES_MAX) {
			return false;
		}
		if (entry->inode != 0 && entry->name_length != 0) {
			if (!ext4_hash_name(fs->super.hash_seed, version, entry->name,
				    entry->name_length, &hash)) {
				return false;
			}
			out_entries[n++] = (struct leaf_entry){
				.hash = hash.major,
				.offset = (uint16_t)offset,
				.size = (uint16_t)ext4_entry_size(entry->name_length),
			};
		}
		offset += entry->length;
	}
	leaf_sort(out_entries, n);
	*out_n = n;
	return true;
}

/* Put entries of @from one behind the other into the area of @to; the last one gets the rest. */
static void leaf_pack(const struct ext4 *fs, uint8_t *to, const uint8_t *from,
	const struct leaf_entry *entries, size_t n_entries)
{
	size_t area = ext4_directory_area(fs);
	size_t offset = 0;

	ext4_area_init(fs, to);
	for (size_t i = 0; i < n_entries; i++) {
		struct ext4_entry *entry = (struct ext4_entry *)(to + offset);

		memcpy(entry, from + entries[i].offset, entries[i].size);
		entry->length = i + 1 == n_entries ? (uint16_t)(area - offset) : entries[i].size;
		offset += entry->length;
	}
}

/* How many of the entries stay: about half of the bytes, and at least one goes. */
static size_t leaf_half(const struct leaf_entry *entries, size_t n_entries)
{
	size_t n_bytes = 0, half = 0;

	for (size_t i = 0; i < n_entries; i++) {
		n_bytes += entries[i].size;
	}
	size_t n_stay = 0;

	while (n_stay + 1 < n_entries && half + entries[n_stay].size <= n_bytes / 2) {
		half += entries[n_stay++].size;
	}
	return n_stay > 0 ? n_stay : 1;
}

/* Scratch memory for a split. */
struct split {
	uint8_t *copy;
	struct leaf_entry *entries;
	size_t n_entries;
};

static int split_begin(const struct ext4 *fs, struct split *out_split)
{
	out_split->copy = blockfs_allocate(fs->block_size);
	out_split->entries = blockfs_allocate(ENTRIES_MAX * sizeof(struct leaf_entry));
	return out_split->copy == NULL || out_split->entries == NULL ? -ERR_NO_MEMORY : 0;
}

static void split_end(struct split *split)
{
	blockfs_free(split->copy);
	blockfs_free(split->entries);
}

/* Split the leaf that the path leads to; the lowest index node has room. */
static int split_leaf(struct handle *handle, struct ext4_inode *directory,
	struct ext4_index_path *path, uint8_t version)
{
	struct ext4 *fs = directory->fs;
	struct ext4_index_level *lowest = &path->levels[path->n_levels - 1];
	BUFFER_AUTO struct buffer *old = NULL;
	BUFFER_AUTO struct buffer *new = NULL;
	struct split split;
	uint32_t block;
	int error = split_begin(fs, &split);

	error = error != 0 ? error
			   : ext4_file_block(handle->task, directory, ext4_index_leaf(path),
				     EXT4_KIND_DIRECTORY, &old);
	if (error == 0 &&
		(!leaf_read(fs, old->data, 0, version, split.entries, &split.n_entries) ||
			split.n_entries < 2)) {
		error = ext4_corrupt(fs, "directory %u: a leaf", directory->number);
	}
	error = error != 0 ? error : handle_access(handle, old);
	error = error != 0 ? error : handle_access(handle, lowest->buffer);
	error = error != 0 ? error : ext4_directory_append(handle, directory, &block, &new);
	if (error == 0) {
		size_t n_stay = leaf_half(split.entries, split.n_entries);
		const struct leaf_entry *moved = &split.entries[n_stay];
		uint32_t is_continued = moved[-1].hash == moved->hash ? 1 : 0;

		memcpy(split.copy, old->data, fs->block_size);
		leaf_pack(fs, new->data, split.copy, moved, split.n_entries - n_stay);
		leaf_pack(fs, old->data, split.copy, split.entries, n_stay);
		entries_insert(lowest, moved->hash | is_continued, block);
	}
	split_end(&split);
	return error;
}

/* ---- adding ---------------------------------------------------------------------------------- */

/* Try to add to the leaf; NO_SPACE if it is full. */
static int add_to_leaf(struct handle *handle, struct ext4_inode *directory,
	const struct ext4_index_path *path, struct blockfs_name name, uint32_t number, uint8_t type)
{
	BUFFER_AUTO struct buffer *leaf = NULL;
	int error = ext4_file_block(
		handle->task, directory, ext4_index_leaf(path), EXT4_KIND_DIRECTORY, &leaf);

	if (error == 0) {
		error = handle_access(handle, leaf);
	}
	if (error == 0) {
		error = ext4_area_add(directory->fs, leaf->data, name, number, type);
	}
	if (error == BLOCKFS_E_CORRUPT) {
		error = ext4_corrupt(directory->fs, "directory %u: entries", directory->number);
	}
	return error;
}

int ext4_index_add(struct handle *handle, struct ext4_inode *directory, struct blockfs_name name,
	uint32_t number, uint8_t type)
{
	struct ext4_hash hash;
	uint8_t version;
	int error = ext4_index_version(handle->task, directory, &version);

	if (error != 0) {
		return error;
	}
	if (!ext4_hash_name(
		    directory->fs->super.hash_seed, version, name.text, name.length, &hash)) {
		return BLOCKFS_E_UNSUPPORTED;
	}
	for (uint32_t i = 0; i < ADD_TRIES; i++) {
		struct ext4_index_path path;

		error = ext4_index_descend(handle->task, directory, hash.major, &path);
		if (error != 0) {
			return error;
		}
		const struct ext4_index_level *lowest = &path.levels[path.n_levels - 1];
		bool has_room = lowest->count < lowest->limit;

		error = add_to_leaf(handle, directory, &path, name, number, type);
		bool is_full = error == BLOCKFS_E_NO_SPACE;

		if (is_full) {
			error = has_room ? split_leaf(handle, directory, &path, version)
					 : make_room_once(handle, directory, &path);
		}
		ext4_index_release(&path);
		if (error != 0 || !is_full) {
			return error;
		}
	}
	return BLOCKFS_E_NO_SPACE;
}

/* ---- a first index --------------------------------------------------------------------------- */

static void root_init(struct ext4_inode *directory, uint8_t *data, uint32_t leaf)
{
	const struct ext4 *fs = directory->fs;
	struct ext4_entry *dots = (struct ext4_entry *)(data + 12);
	struct ext4_index_info *info = (struct ext4_index_info *)(data + 24);
	struct ext4_index_entry *entries = (struct ext4_index_entry *)(data + ROOT_OFFSET);

	memset(data + 24, 0, fs->block_size - 24);
	dots->length = (uint16_t)(fs->block_size - 12);
	info->hash_version = fs->super.hash_version;
	info->info_length = sizeof(*info);
	entries_init(fs, entries, ROOT_OFFSET, 1);
	entries[0].block = leaf;
}

int ext4_index_make(struct handle *handle, struct ext4_inode *directory)
{
	struct ext4 *fs = directory->fs;
	BUFFER_AUTO struct buffer *root = NULL;
	BUFFER_AUTO struct buffer *leaf = NULL;
	struct split split = { 0 };
	uint32_t block;
	int error = ext4_file_block(handle->task, directory, 0, EXT4_KIND_DIRECTORY, &root);

	if (error != 0) {
		return error;
	}
	const struct ext4_entry *dot = ext4_entry_at(root->data, fs->block_size, 0);
	const struct ext4_entry *dots = ext4_entry_at(root->data, fs->block_size, 12);

	if (dot == NULL || dots == NULL || dot->length != 12 || dots->name_length != 2 ||
		memcmp(dots->name, "..", 2) != 0 || fs->super.hash_version > EXT4_HASH_TEA) {
		return ext4_corrupt(fs, "directory %u: . and ..", directory->number);
	}
	error = split_begin(fs, &split);
	if (error == 0 &&
		!leaf_read(fs, root->data, 12u + dots->length, fs->super.hash_version,
			split.entries, &split.n_entries)) {
		error = ext4_corrupt(fs, "directory %u: entries", directory->number);
	}
	error = error != 0 ? error : handle_access(handle, root);
	error = error != 0 ? error : ext4_directory_append(handle, directory, &block, &leaf);
	if (error == 0) {
		leaf_pack(fs, leaf->data, root->data, split.entries, split.n_entries);
		root_init(directory, root->data, block);
		directory->flags |= EXT4_FLAG_INDEX;
		error = ext4_inode_write(handle, directory);
	}
	split_end(&split);
	return error;
}

/* SPDX-License-Identifier: MIT */
/*
 * Directories: finding and listing entries.
 *
 * Entries lie one behind the other in blocks, each saying where the next one is. A directory may
 * have an index by hashes of names (index.c); then its blocks that are no leaves look like unused
 * entries, and it can still be read in a row. A tiny one may be inside its inode (inline.c).
 *
 * Listing. A cookie must mean the same place as long as the directory is open, whatever is created
 * and removed meanwhile, and also when a split moves half of a block elsewhere. With the feature
 * dir_index the order is therefore that of the hashes, and the cookie the hash; without, entries
 * never move and the cookie is the offset. 0 and 1 stand for "." and "..", the others are shifted
 * by 2.
 */
#include <base/string.h>
#include <drivers/lib/blockfs/ext4/ext4.h>

#define COOKIE_PARENT 1u
#define COOKIE_FIRST  2u
#define RUN_MAX       16 /* names with the same hash that are listed again rather than lost */
#define LEAVES_MAX    8  /* with the same hash, that are sorted together */

/* ---- entries --------------------------------------------------------------------------------- */

struct ext4_entry *ext4_entry_at(uint8_t *area, size_t area_size, size_t offset)
{
	if (offset + EXT4_ENTRY_HEADER > area_size || offset % 4 != 0) {
		return NULL;
	}
	struct ext4_entry *entry = (struct ext4_entry *)(area + offset);

	if (entry->length < 12 || entry->length % 4 != 0 || entry->length > area_size - offset ||
		ext4_entry_size(entry->name_length) > entry->length) {
		return NULL;
	}
	return entry;
}

static bool entry_is(const struct ext4_entry *entry, struct blockfs_name name)
{
	return entry->inode != 0 && entry->name_length == name.length &&
		memcmp(entry->name, name.text, name.length) == 0;
}

int ext4_area_find(
	uint8_t *area, size_t area_size, struct blockfs_name name, struct ext4_found *out_found)
{
	uint32_t previous = UINT32_MAX;

	for (size_t offset = 0; offset < area_size;) {
		struct ext4_entry *entry = ext4_entry_at(area, area_size, offset);

		if (entry == NULL) {
			return BLOCKFS_E_CORRUPT;
		}
		if (entry_is(entry, name)) {
			*out_found = (struct ext4_found){
				.area = area,
				.area_size = area_size,
				.offset = (uint32_t)offset,
				.previous = previous,
				.number = entry->inode,
				.type = entry->type,
			};
			return 0;
		}
		previous = (uint32_t)offset;
		offset += entry->length;
	}
	return -ERR_NOT_FOUND;
}

size_t ext4_directory_area(const struct ext4 *fs)
{
	return fs->block_size - (fs->has_sums ? sizeof(struct ext4_entry_tail) : 0);
}

bool ext4_is_indexed(const struct ext4_inode *directory)
{
	return ext4_has_flag(directory, EXT4_FLAG_INDEX) &&
		!ext4_has_flag(directory, EXT4_FLAG_INLINE_DATA) &&
		ext4_has_compat(directory->fs, EXT4_COMPAT_DIR_INDEX);
}

/* ---- finding --------------------------------------------------------------------------------- */

static int find_in_block(struct task *task, struct ext4_inode *directory, uint32_t block,
	struct blockfs_name name, struct ext4_found *out_found)
{
	BUFFER_AUTO struct buffer *buffer = NULL;
	int error = ext4_file_block(task, directory, block, EXT4_KIND_DIRECTORY, &buffer);

	if (error != 0) {
		return error;
	}
	error = ext4_area_find(buffer->data, directory->fs->block_size, name, out_found);
	if (error == BLOCKFS_E_CORRUPT) {
		return ext4_corrupt(directory->fs, "directory %u: entries of block %u",
			directory->number, block);
	}
	if (error == 0) {
		out_found->buffer = buffer_move(&buffer);
	}
	return error;
}

static int find_in_row(struct task *task, struct ext4_inode *directory, struct blockfs_name name,
	struct ext4_found *out_found)
{
	uint32_t n_blocks = (uint32_t)ext4_n_file_blocks(directory);
	int error = -ERR_NOT_FOUND;

	for (uint32_t block = 0; block < n_blocks && error == -ERR_NOT_FOUND; block++) {
		error = find_in_block(task, directory, block, name, out_found);
	}
	return error;
}

static int find_by_index(struct task *task, struct ext4_inode *directory, struct blockfs_name name,
	struct ext4_found *out_found)
{
	struct ext4_index_path path;
	struct ext4_hash hash;
	uint8_t version;
	int error = ext4_index_version(task, directory, &version);

	if (error != 0) {
		return error;
	}
	if (!ext4_hash_name(
		    directory->fs->super.hash_seed, version, name.text, name.length, &hash)) {
		return BLOCKFS_E_UNSUPPORTED;
	}
	error = ext4_index_descend(task, directory, hash.major, &path);
	if (error != 0) {
		return error;
	}
	for (;;) {
		uint32_t next_hash;

		error = find_in_block(task, directory, ext4_index_leaf(&path), name, out_found);
		if (error != -ERR_NOT_FOUND) {
			break;
		}
		error = ext4_index_next(task, directory, &path, &next_hash);
		/* an odd hash: names of the hash are in this leaf, too */
		if (error == BLOCKFS_E_END || (error == 0 && next_hash != (hash.major | 1))) {
			error = -ERR_NOT_FOUND;
		}
		if (error != 0) {
			break;
		}
	}
	ext4_index_release(&path);
	return error;
}

/* The inline entries: 56 bytes in the inode, the rest in an attribute. */
static int find_inline(struct task *task, struct ext4_inode *directory, struct blockfs_name name,
	struct ext4_found *out_found)
{
	uint8_t *data = blockfs_allocate(EXT4_INLINE_MAX);
	size_t size;
	int error = data == NULL ? -ERR_NO_MEMORY : 0;

	if (error == 0) {
		error = ext4_inline_read(task, directory, data, EXT4_INLINE_MAX, &size);
	}
	if (error == 0 && size < EXT4_INODE_BLOCK_SIZE) {
		error = BLOCKFS_E_CORRUPT;
	}
	if (error == 0) {
		error = ext4_area_find(data + 4, EXT4_INODE_BLOCK_SIZE - 4, name, out_found);
		if (error == -ERR_NOT_FOUND && size > EXT4_INODE_BLOCK_SIZE) {
			error = ext4_area_find(data + EXT4_INODE_BLOCK_SIZE,
				size - EXT4_INODE_BLOCK_SIZE, name, out_found);
		}
	}
	if (error == BLOCKFS_E_CORRUPT) {
		error = ext4_corrupt(directory->fs, "directory %u: inline", directory->number);
	}
	if (error == 0) {
		out_found->area = NULL;
	}
	blockfs_free(data);
	return error;
}

int ext4_directory_find(struct task *task, struct ext4_inode *directory, struct blockfs_name name,
	struct ext4_found *out_found)
{
	*out_found = (struct ext4_found){ 0 };
	if (ext4_has_flag(directory, EXT4_FLAG_INLINE_DATA)) {
		return find_inline(task, directory, name, out_found);
	}
	if (ext4_is_indexed(directory)) {
		int error = find_by_index(task, directory, name, out_found);

		if (error != BLOCKFS_E_UNSUPPORTED) {
			return error;
		}
	}
	return find_in_row(task, directory, name, out_found);
}

int ext4_directory_parent(struct task *task, struct ext4_inode *directory, uint32_t *out_number)
{
	struct ext4_found found = { 0 };
	struct blockfs_name dots = { "..", 2 };

	if (ext4_has_flag(directory, EXT4_FLAG_INLINE_DATA)) {
		memcpy(out_number, directory->block, sizeof(*out_number));
		return 0;
	}
	int error = find_in_block(task, directory, 0, dots, &found);

	if (error == 0) {
		*out_number = found.number;
		buffer_put(found.buffer);
	} else if (error == -ERR_NOT_FOUND) {
		error = ext4_corrupt(directory->fs, "directory %u: no ..", directory->number);
	}
	return error;
}

/* ---- listing --------------------------------------------------------------------------------- */

static uint8_t linux_type(uint8_t type)
{
	static const uint8_t types[] = {
		[EXT4_TYPE_UNKNOWN] = 0,
		[EXT4_TYPE_REGULAR] = 8,
		[EXT4_TYPE_DIRECTORY] = 4,
		[EXT4_TYPE_CHARACTER] = 2,
		[EXT4_TYPE_BLOCK] = 6,
		[EXT4_TYPE_FIFO] = 1,
		[EXT4_TYPE_SOCKET] = 12,
		[EXT4_TYPE_SYMLINK] = 10,
	};

	return type < ARRAY_SIZE(types) ? types[type] : 0;
}

static bool entry_is_dots(const struct ext4_entry *entry)
{
	return entry->name[0] == '.' &&
		(entry->name_length == 1 || (entry->name_length == 2 && entry->name[1] == '.'));
}

/* Entries of one or more areas, to be sorted by hash. */
struct listed {
	uint64_t key;
	const struct ext4_entry *entry;
};

struct listing {
	struct ext4_inode *directory;
	uint8_t hash_version;
	uint64_t first_key;
	struct listed *entries;
	size_t n_entries, n_max;
	uint8_t *areas[LEAVES_MAX]; /* copies, which the entries point into */
	size_t n_areas;
	blockfs_emit_fn emit;
	void *context;
	bool is_full;
};

static uint64_t hash_key(struct ext4_hash hash)
{
	return (uint64_t)(hash.major >> 1) << 32 | hash.minor;
}

static int listing_add(struct listing *listing, const struct ext4_entry *entry)
{
	struct ext4_hash hash;

	if (entry->inode == 0 || entry->name_length == 0 || entry_is_dots(entry) ||
		!ext4_hash_name(listing->directory->fs->super.hash_seed, listing->hash_version,
			entry->name, entry->name_length, &hash) ||
		hash_key(hash) < listing->first_key) {
		return 0;
	}
	if (listing->n_entries == listing->n_max) {
		size_t n_max = listing->n_max * 2 + 64;
		struct listed *entries = blockfs_allocate(n_max * sizeof(*entries));

		if (entries == NULL) {
			return -ERR_NO_MEMORY;
		}
		memcpy(entries, listing->entries, listing->n_entries * sizeof(*entries));
		blockfs_free(listing->entries);
		listing->entries = entries;
		listing->n_max = n_max;
	}
	listing->entries[listing->n_entries++] =
		(struct listed){ .key = hash_key(hash), .entry = entry };
	return 0;
}

/* Add the entries of a copy of an area. */
static int listing_add_area(struct listing *listing, uint8_t *area, size_t size)
{
	for (size_t offset = 0; offset < size;) {
		const struct ext4_entry *entry = ext4_entry_at(area, size, offset);

		if (entry == NULL) {
			return ext4_corrupt(listing->directory->fs, "directory %u: entries",
				listing->directory->number);
		}
		int error = listing_add(listing, entry);

		if (error != 0) {
			return error;
		}
		offset += entry->length;
	}
	return 0;
}

/* Heap sort: no stack, no worst case. */
static void sift(struct listed *entries, size_t root, size_t n)
{
	for (size_t child = root * 2 + 1; child < n; child = root * 2 + 1) {
		if (child + 1 < n && entries[child + 1].key > entries[child].key) {
			child++;
		}
		if (entries[root].key >= entries[child].key) {
			return;
		}
		struct listed swapped = entries[root];

		entries[root] = entries[child];
		entries[child] = swapped;
		root = child;
	}
}

static void listing_sort(struct listing *listing)
{
	struct listed *entries = listing->entries;

	for (size_t i = listing->n_entries / 2; i-- > 0;) {
		sift(entries, i, listing->n_entries);
	}
	for (size_t n = listing->n_entries; n > 1;) {
		struct listed swapped = entries[0];

		entries[0] = entries[--n];
		entries[n] = swapped;
		sift(entries, 0, n);
	}
}

static bool listing_emit_one(struct listing *listing, const struct ext4_entry *entry, uint64_t next)
{
	struct blockfs_entry out = {
		.node_number = entry->inode,
		.type = linux_type(entry->type),
		.name = entry->name,
		.name_length = entry->name_length,
		.next_cookie = next,
	};

	listing->is_full = !listing->emit(listing->context, &out);
	return !listing->is_full;
}

/* Sort what was gathered, give it out, and begin anew. */
static void listing_flush(struct listing *listing)
{
	listing_sort(listing);
	for (size_t i = 0, run_end = 0; i < listing->n_entries && !listing->is_full; i++) {
		const struct listed *listed = &listing->entries[i];

		if (i >= run_end) {
			run_end = i + 1;
			while (run_end < listing->n_entries &&
				listing->entries[run_end].key == listed->key) {
				run_end++;
			}
		}
		bool again = i + 1 < run_end && run_end - i <= RUN_MAX;

		(void)listing_emit_one(
			listing, listed->entry, listed->key + (again ? 0 : 1) + COOKIE_FIRST);
	}
	listing->n_entries = 0;
	while (listing->n_areas > 0) {
		blockfs_free(listing->areas[--listing->n_areas]);
	}
}

static int listing_add_leaf(struct task *task, struct listing *listing, uint32_t block)
{
	size_t size = listing->directory->fs->block_size;
	BUFFER_AUTO struct buffer *buffer = NULL;
	int error = ext4_file_block(task, listing->directory, block, EXT4_KIND_DIRECTORY, &buffer);

	if (error != 0) {
		return error;
	}
	uint8_t *copy = blockfs_allocate(size);

	if (copy == NULL) {
		return -ERR_NO_MEMORY;
	}
	listing->areas[listing->n_areas++] = copy;
	memcpy(copy, buffer->data, size);
	return listing_add_area(listing, copy, size);
}

static int list_index(struct task *task, struct listing *listing)
{
	struct ext4_inode *directory = listing->directory;
	struct ext4_index_path path;
	uint32_t hash = (uint32_t)(listing->first_key >> 32) << 1;
	int error = ext4_index_descend(task, directory, hash, &path);

	if (error != 0) {
		return error;
	}
	while (error == 0 && !listing->is_full) {
		uint32_t next_hash;

		error = listing_add_leaf(task, listing, ext4_index_leaf(&path));
		if (error != 0) {
			break;
		}
		error = ext4_index_next(task, directory, &path, &next_hash);
		if (error != 0 || (next_hash & 1) == 0 || listing->n_areas == LEAVES_MAX) {
			listing_flush(listing);
		}
	}
	ext4_index_release(&path);
	return error == BLOCKFS_E_END ? 0 : error;
}

static int list_inline(struct task *task, struct listing *listing)
{
	struct ext4_inode *directory = listing->directory;
	uint8_t *data = blockfs_allocate(EXT4_INLINE_MAX);
	size_t size = 0;

	if (data == NULL) {
		return -ERR_NO_MEMORY;
	}
	listing->areas[listing->n_areas++] = data;
	int error = ext4_inline_read(task, directory, data, EXT4_INLINE_MAX, &size);

	if (error == 0 && size < EXT4_INODE_BLOCK_SIZE) {
		error = ext4_corrupt(directory->fs, "directory %u: inline", directory->number);
	}
	if (error == 0) {
		error = listing_add_area(listing, data + 4, EXT4_INODE_BLOCK_SIZE - 4);
	}
	if (error == 0 && size > EXT4_INODE_BLOCK_SIZE) {
		error = listing_add_area(
			listing, data + EXT4_INODE_BLOCK_SIZE, size - EXT4_INODE_BLOCK_SIZE);
	}
	return error;
}

/* In the order of the blocks; the cookie is where the next entry is. */
static int list_in_row(struct task *task, struct listing *listing, uint64_t start)
{
	struct ext4_inode *directory = listing->directory;
	uint32_t size = directory->fs->block_size;

	for (uint64_t at = start & ~(uint64_t)(size - 1); at < directory->size; at += size) {
		BUFFER_AUTO struct buffer *buffer = NULL;
		int error = ext4_file_block(task, directory, at >> directory->fs->block_bits,
			EXT4_KIND_DIRECTORY, &buffer);

		if (error != 0) {
			return error;
		}
		for (uint32_t offset = 0; offset < size;) {
			const struct ext4_entry *entry = ext4_entry_at(buffer->data, size, offset);

			if (entry == NULL) {
				return ext4_corrupt(
					directory->fs, "directory %u: entries", directory->number);
			}
			uint64_t here = at + offset;

			offset += entry->length;
			if (here >= start && entry->inode != 0 && entry->name_length != 0 &&
				!entry_is_dots(entry) &&
				!listing_emit_one(listing, entry, at + offset + COOKIE_FIRST)) {
				return 0;
			}
		}
	}
	return 0;
}

/* "." and "..", as far as the cookie is before them. */
static int list_dots(struct task *task, struct listing *listing, uint64_t cookie)
{
	struct ext4_inode *directory = listing->directory;
	struct blockfs_entry out = {
		.node_number = directory->number,
		.type = 4,
		.name = "..",
		.name_length = 1,
		.next_cookie = COOKIE_PARENT,
	};
	uint32_t parent;

	if (cookie < COOKIE_PARENT && !listing->emit(listing->context, &out)) {
		listing->is_full = true;
		return 0;
	}
	int error = ext4_directory_parent(task, directory, &parent);

	if (error == 0) {
		out.node_number = parent;
		out.name_length = 2;
		out.next_cookie = COOKIE_FIRST;
		listing->is_full = !listing->emit(listing->context, &out);
	}
	return error;
}

/* By hash: through the index, or the one block or inode that has all entries. */
static int list_by_hash(struct task *task, struct listing *listing)
{
	struct ext4_inode *directory = listing->directory;

	if (ext4_is_indexed(directory)) {
		return list_index(task, listing);
	}
	return ext4_has_flag(directory, EXT4_FLAG_INLINE_DATA) ? list_inline(task, listing)
							       : listing_add_leaf(task, listing, 0);
}

/* Whether the listing goes by hash, and by which. */
static int listing_choose(struct task *task, struct listing *listing, bool *out_by_hash)
{
	struct ext4_inode *directory = listing->directory;
	const struct ext4 *fs = directory->fs;

	*out_by_hash = false;
	if (!ext4_has_compat(fs, EXT4_COMPAT_DIR_INDEX)) {
		return 0;
	}
	listing->hash_version = fs->super.hash_version;
	if (listing->hash_version <= EXT4_HASH_TEA) {
		listing->hash_version += fs->hash_unsigned;
	}
	if (ext4_is_indexed(directory)) {
		int error = ext4_index_version(task, directory, &listing->hash_version);

		if (error != 0) {
			return error;
		}
	} else if (directory->size > fs->block_size) {
		return 0;
	}
	*out_by_hash = listing->hash_version <= EXT4_HASH_TEA_UNSIGNED;
	return 0;
}

int ext4_directory_read(struct task *task, struct ext4_inode *directory, uint64_t cookie,
	blockfs_emit_fn emit, void *context)
{
	struct listing listing = {
		.directory = directory,
		.first_key = cookie > COOKIE_FIRST ? cookie - COOKIE_FIRST : 0,
		.emit = emit,
		.context = context,
	};
	bool by_hash;
	int error = listing_choose(task, &listing, &by_hash);

	if (error == 0 && cookie < COOKIE_FIRST) {
		error = list_dots(task, &listing, cookie);
	}
	if (error == 0 && !listing.is_full) {
		if (by_hash) {
			error = list_by_hash(task, &listing);
		} else if (ext4_has_flag(directory, EXT4_FLAG_INLINE_DATA)) {
			error = list_inline(task, &listing);
		} else {
			error = list_in_row(task, &listing, listing.first_key);
		}
	}
	if (error != 0) {
		listing.is_full = true; /* what was gathered is dropped */
	}
	listing_flush(&listing);
	blockfs_free(listing.entries);
	return error;
}

int ext4_directory_is_empty(struct task *task, struct ext4_inode *directory)
{
	struct listing listing = { .directory = directory };
	uint32_t size = directory->fs->block_size;

	if (ext4_has_flag(directory, EXT4_FLAG_INLINE_DATA)) {
		listing.hash_version = EXT4_HASH_HALF_MD4;
		int error = list_inline(task, &listing);

		bool is_empty = listing.n_entries == 0;

		listing.is_full = true;
		listing_flush(&listing);
		blockfs_free(listing.entries);
		return error != 0 ? error : is_empty ? 0 : BLOCKFS_E_NOT_EMPTY;
	}
	for (uint64_t at = 0; at < directory->size; at += size) {
		BUFFER_AUTO struct buffer *buffer = NULL;
		int error = ext4_file_block(task, directory, at >> directory->fs->block_bits,
			EXT4_KIND_DIRECTORY, &buffer);

		for (uint32_t offset = 0; error == 0 && offset < size;) {
			const struct ext4_entry *entry = ext4_entry_at(buffer->data, size, offset);

			if (entry == NULL) {
				error = ext4_corrupt(
					directory->fs, "directory %u: entries", directory->number);
				break;
			}
			if (entry->inode != 0 && !entry_is_dots(entry)) {
				error = BLOCKFS_E_NOT_EMPTY;
			}
			offset += entry->length;
		}
		if (error != 0) {
			return error;
		}
	}
	return 0;
}

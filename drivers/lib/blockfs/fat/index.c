/* SPDX-License-Identifier: MIT */
/*
 * What is known of a directory: which slots are used, and where names are.
 *
 * The directory is read once, when its inode is made, since how many links it has must be known
 * anyway. Names are in a hash table with open addressing: the hash of a name and the slot of its
 * short name; an entry with a long name is there with its short name, too. The table says where
 * to look; what is there is read again, so a wrong index finds nothing or too little, never more.
 */
#include <base/assert.h>
#include <base/string.h>
#include <drivers/lib/blockfs/fat/fat.h>

#define WORD_BITS   64u
#define SLOT_NONE   0u          /* never used */
#define SLOT_GONE   UINT32_MAX  /* used once */
#define TABLE_FIRST 16u

struct place {
	uint32_t hash;
	uint32_t slot; /* + 1, or SLOT_X */
};

struct fat_index {
	uint64_t *used;
	uint32_t n_slots;
	struct place *table;
	uint32_t n_table;  /* a power of two */
	uint32_t n_filled; /* not SLOT_NONE */
	uint32_t n_entries, n_directories;
};

void fat_index_destroy(struct fat_index *index)
{
	if (index != NULL) {
		blockfs_free(index->used);
		blockfs_free(index->table);
		blockfs_free(index);
	}
}

uint32_t fat_index_n_entries(const struct fat_inode *directory)
{
	return directory->index->n_entries;
}

uint32_t fat_index_n_directories(const struct fat_inode *directory)
{
	return directory->index->n_directories;
}

uint32_t fat_index_n_slots(const struct fat_inode *directory)
{
	return directory->index->n_slots;
}

/* ---- slots ----------------------------------------------------------------------------------- */

static bool slot_is_used(const struct fat_index *index, uint32_t slot)
{
	return (index->used[slot / WORD_BITS] >> (slot % WORD_BITS) & 1) != 0;
}

static void slots_set(struct fat_index *index, uint32_t first, uint32_t last, bool is_used)
{
	for (uint32_t slot = first; slot <= last; slot++) {
		uint64_t bit = 1ull << (slot % WORD_BITS);
		uint64_t *word = &index->used[slot / WORD_BITS];

		*word = is_used ? *word | bit : *word & ~bit;
	}
}

static int index_grow(struct fat_index *index, uint32_t n_slots)
{
	size_t n_old = div_round_up(index->n_slots, WORD_BITS);
	size_t n_new = div_round_up(n_slots, WORD_BITS);

	if (n_new > n_old || index->used == NULL) {
		uint64_t *used = blockfs_allocate((n_new + 1) * sizeof(uint64_t));

		if (used == NULL) {
			return -ERR_NO_MEMORY;
		}
		if (n_old > 0) {
			memcpy(used, index->used, n_old * sizeof(uint64_t));
		}
		blockfs_free(index->used);
		index->used = used;
	}
	index->n_slots = n_slots;
	return 0;
}

int fat_index_grow(struct fat_inode *directory, uint32_t n_slots)
{
	return index_grow(directory->index, n_slots);
}

/* A power cut tears between sectors, so an entry should be in one. */
bool fat_index_find_room(const struct fat_inode *directory, uint32_t n_slots, uint32_t *out_slot)
{
	const struct fat_index *index = directory->index;
	uint32_t n_sector = directory->fs->sector_size / FAT_SLOT_SIZE;
	uint32_t n_free = 0;

	for (uint32_t slot = 0; slot < index->n_slots; slot++) {
		if (slot % WORD_BITS == 0 && index->used[slot / WORD_BITS] == UINT64_MAX) {
			slot += WORD_BITS - 1;
			n_free = 0;
			continue;
		}
		if (slot % n_sector == 0 && n_slots <= n_sector) {
			n_free = 0;
		}
		n_free = slot_is_used(index, slot) ? 0 : n_free + 1;
		if (n_free == n_slots) {
			*out_slot = slot + 1 - n_slots;
			return true;
		}
	}
	return false;
}

/* ---- names ----------------------------------------------------------------------------------- */

static void table_put(struct fat_index *index, uint32_t hash, uint32_t slot)
{
	uint32_t at = hash & (index->n_table - 1);

	while (index->table[at].slot != SLOT_NONE) {
		at = (at + 1) & (index->n_table - 1);
	}
	index->table[at] = (struct place){ hash, slot + 1 };
	index->n_filled++;
}

/* At least two more names fit. */
static int table_make_room(struct fat_index *index)
{
	if ((index->n_filled + 2) * 4 <= index->n_table * 3) {
		return 0;
	}
	struct place *old = index->table;
	uint32_t n_old = index->n_table, n_live = 0;

	for (uint32_t i = 0; i < n_old; i++) {
		n_live += old[i].slot != SLOT_NONE && old[i].slot != SLOT_GONE ? 1 : 0;
	}
	uint32_t n_table = TABLE_FIRST;

	while (n_table < (n_live + 2) * 2) {
		n_table *= 2;
	}
	struct place *table = blockfs_allocate(n_table * sizeof(*table));

	if (table == NULL) {
		return -ERR_NO_MEMORY;
	}
	index->table = table;
	index->n_table = n_table;
	index->n_filled = 0;
	for (uint32_t i = 0; i < n_old; i++) {
		if (old[i].slot != SLOT_NONE && old[i].slot != SLOT_GONE) {
			table_put(index, old[i].hash, old[i].slot - 1);
		}
	}
	blockfs_free(old);
	return 0;
}

static void table_remove(struct fat_index *index, uint32_t hash, uint32_t slot)
{
	for (uint32_t at = hash & (index->n_table - 1); index->table[at].slot != SLOT_NONE;
		at = (at + 1) & (index->n_table - 1)) {
		if (index->table[at].hash == hash && index->table[at].slot == slot + 1) {
			index->table[at].slot = SLOT_GONE;
			return;
		}
	}
}

bool fat_index_walk(
	const struct fat_inode *directory, uint32_t hash, uint32_t *at, uint32_t *out_slot)
{
	const struct fat_index *index = directory->index;

	for (uint32_t n = *at; n < index->n_table; n++) {
		const struct place *place = &index->table[(hash + n) & (index->n_table - 1)];

		if (place->slot == SLOT_NONE) {
			break;
		}
		if (place->hash == hash && place->slot != SLOT_GONE) {
			*at = n + 1;
			*out_slot = place->slot - 1;
			return true;
		}
	}
	return false;
}

static struct blockfs_name long_name(const struct fat_entry *entry)
{
	return (struct blockfs_name){ entry->name, entry->length };
}

static struct blockfs_name short_name(const struct fat_entry *entry)
{
	return (struct blockfs_name){ entry->short_name, entry->short_length };
}

static int index_add(struct fat_index *index, const struct fat_entry *entry)
{
	int error = table_make_room(index);

	if (error != 0) {
		return error;
	}
	table_put(index, fat_name_hash(fat_name_trim(long_name(entry))), entry->slot);
	if (entry->has_long) {
		table_put(index, fat_name_hash(short_name(entry)), entry->slot);
	}
	slots_set(index, entry->first_slot, entry->slot, true);
	index->n_entries++;
	index->n_directories += (entry->data.attributes & FAT_ATTR_DIRECTORY) != 0 ? 1 : 0;
	return 0;
}

int fat_index_add(struct fat_inode *directory, const struct fat_entry *entry)
{
	return index_add(directory->index, entry);
}

void fat_index_remove(struct fat_inode *directory, const struct fat_entry *entry)
{
	struct fat_index *index = directory->index;

	table_remove(index, fat_name_hash(fat_name_trim(long_name(entry))), entry->slot);
	if (entry->has_long) {
		table_remove(index, fat_name_hash(short_name(entry)), entry->slot);
	}
	slots_set(index, entry->first_slot, entry->slot, false);
	index->n_entries -= index->n_entries > 0 ? 1 : 0;
	if ((entry->data.attributes & FAT_ATTR_DIRECTORY) != 0 && index->n_directories > 0) {
		index->n_directories--;
	}
}

/* ---- loading --------------------------------------------------------------------------------- */

static int count_slots(struct task *task, struct fat_inode *directory, uint32_t *out_n)
{
	struct fat *fs = directory->fs;

	if (directory->start == 0) {
		*out_n = fs->root_slots;
		return 0;
	}
	uint32_t n_cluster = fs->cluster_size / FAT_SLOT_SIZE;
	uint32_t n_max = FAT_SLOTS_MAX / n_cluster;
	int error = fat_chain_walk(task, directory, n_max + 1);

	if (error != 0) {
		return error;
	}
	if (directory->chain.n_known > max_u64(n_max, 1)) {
		return fat_corrupt(fs, "the directory at cluster %u is too long", directory->start);
	}
	*out_n = directory->chain.n_known * n_cluster;
	return 0;
}

static int index_fill(struct task *task, struct fat_inode *directory, struct fat_index *index,
	struct fat_entry *entry)
{
	int error = 0;

	for (uint32_t slot = 0; slot < index->n_slots && error == 0; slot++) {
		BUFFER_AUTO struct buffer *buffer = NULL;
		struct fat_slot *data;

		error = fat_slot_hold(task, directory, slot, &buffer, &data);
		if (error != 0) {
			break;
		}
		if (data->name[0] == 0 || data->name[0] == FAT_SLOT_FREE) {
			continue;
		}
		/* parts of long names, labels, "." and "..", too */
		slots_set(index, slot, slot, true);
		error = fat_entry_read(task, directory, slot, entry);
		if (error == 0) {
			error = index_add(index, entry);
		} else if (error == -ERR_NOT_FOUND) {
			error = 0;
		}
	}
	return error;
}

int fat_index_load(struct task *task, struct fat_inode *directory)
{
	struct fat_index *index = blockfs_allocate(sizeof(*index));
	struct fat_entry *entry = blockfs_allocate(sizeof(*entry));
	uint32_t n_slots = 0;
	int error = index == NULL || entry == NULL ? -ERR_NO_MEMORY : 0;

	error = error != 0 ? error : count_slots(task, directory, &n_slots);
	error = error != 0 ? error : index_grow(index, n_slots);
	error = error != 0 ? error : table_make_room(index);
	error = error != 0 ? error : index_fill(task, directory, index, entry);
	blockfs_free(entry);
	if (error != 0) {
		fat_index_destroy(index);
		return error;
	}
	directory->index = index;
	return 0;
}

/* SPDX-License-Identifier: MIT */
/* Changing directories: see directory.c; what is written when is in commit.c. */
#include <base/assert.h>
#include <base/string.h>
#include <drivers/lib/blockfs/fat/fat.h>

#define TAIL_NUMBERS 10u /* that are tried one after the other */
#define TAIL_TRIES   4096u

void fat_mark(struct buffer *buffer, uint8_t kind)
{
	buffer->kind = kind;
	cache_mark_dirty(buffer);
}

int fat_hold_slot(struct fat *fs, struct buffer *buffer, const void *slot,
	const struct fat_slot *before, bool is_early)
{
	struct fat_hold *hold = blockfs_allocate(sizeof(*hold));

	if (hold == NULL) {
		return -ERR_NO_MEMORY;
	}
	hold->block = buffer->block;
	hold->offset = (uint32_t)((const uint8_t *)slot - buffer->data);
	hold->is_early = is_early;
	memcpy(hold->before, before, FAT_SLOT_SIZE);
	list_push_front(&fs->holds, &hold->node);
	fs->n_holds++;
	buffer->seed = FAT_SEED_STAGED;
	return 0;
}

/* ---- the short name of a new one ------------------------------------------------------------- */

/* Whether a short name is some entry's, or its long name looks like it. */
static int short_is_taken(struct task *task, struct fat_inode *directory, const uint8_t *name,
	struct fat_entry *scratch, bool *out_is_taken)
{
	struct fat_slot slot = { 0 };
	char text[40];

	memcpy(slot.name, name, FAT_SHORT_SIZE);
	struct blockfs_name shown = { text, fat_short_decode(&slot, text) };
	int error = fat_entry_find(task, directory, shown, scratch);

	*out_is_taken = error == 0;
	return error == -ERR_NOT_FOUND ? 0 : error;
}

static int choose_short(struct task *task, struct fat_inode *directory, struct fat_new_name *name,
	struct fat_entry *scratch)
{
	size_t base_length;
	enum fat_short_kind kind =
		fat_short_make(name->units, name->n_units, name->short_name, &base_length);
	uint32_t n_parts = (uint32_t)div_round_up(name->n_units, FAT_LONG_UNITS);
	bool is_taken = false;

	name->n_slots = kind == FAT_SHORT_EXACT ? 1 : n_parts + 1;
	int error = short_is_taken(task, directory, name->short_name, scratch, &is_taken);

	if (error != 0 || (kind != FAT_SHORT_LOSSY && !is_taken)) {
		return error;
	}
	name->n_slots = n_parts + 1;
	for (uint32_t number = 1; number < TAIL_TRIES; number++) {
		struct blockfs_host *host = directory->fs->fs.host;
		uint32_t random = number < TAIL_NUMBERS ? 0 : (uint32_t)host->random(host);

		fat_short_number(name->short_name, base_length, number, random & 0xffff);
		error = short_is_taken(task, directory, name->short_name, scratch, &is_taken);
		if (error != 0 || !is_taken) {
			return error;
		}
	}
	return BLOCKFS_E_NO_SPACE;
}

int fat_new_name(struct task *task, struct fat_inode *directory, struct blockfs_name name,
	struct fat_new_name *out_name)
{
	name = fat_name_trim(name);
	int error = fat_name_encode(name, out_name->units, &out_name->n_units);

	if (error != 0) {
		return error;
	}
	struct fat_entry *scratch = blockfs_allocate(sizeof(*scratch));

	if (scratch == NULL) {
		return -ERR_NO_MEMORY;
	}
	error = choose_short(task, directory, out_name, scratch);
	blockfs_free(scratch);
	return error;
}

/* ---- adding ---------------------------------------------------------------------------------- */

static int directory_grow(struct task *task, struct fat_inode *directory)
{
	struct fat *fs = directory->fs;
	uint32_t n_slots = fat_index_n_slots(directory);
	uint32_t n_more = fs->cluster_size / FAT_SLOT_SIZE;
	uint32_t cluster;

	if (directory->start == 0 || n_slots + n_more > FAT_SLOTS_MAX ||
		fs->n_free <= fs->n_reserved) {
		return BLOCKFS_E_NO_SPACE;
	}
	int error = fat_chain_walk(task, directory, FAT_SLOTS_MAX);

	if (error == 0 && !directory->chain.is_whole) {
		error = BLOCKFS_E_NO_SPACE;
	}
	if (error != 0) {
		return error;
	}
	if (fat_choose(fs, directory->chain.tail + 1, 1, &cluster) == 0) {
		return BLOCKFS_E_NO_SPACE;
	}
	error = fat_zero_cluster(task, fs, cluster);
	error = error != 0 ? error : fat_index_grow(directory, n_slots + n_more);
	if (error != 0) {
		fat_unchoose(fs, cluster, 1);
		return error;
	}
	/* the zeros have to be there before the table says whose they are */
	fs->must_flush = true;
	error = fat_chain_extend(task, directory, cluster, 1);
	if (error != 0) {
		fat_fail(fs, error, "a directory grows");
	}
	return error;
}

int fat_directory_make_room(struct task *task, struct fat_inode *directory, uint32_t n_slots)
{
	uint32_t slot;
	int error = 0;

	while (error == 0 && !fat_index_find_room(directory, n_slots, &slot)) {
		error = directory_grow(task, directory);
	}
	return error;
}

static void put_units(uint8_t *bytes, const uint16_t *units, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		fat_put_16(bytes + i * 2, units[i]);
	}
}

static void part_encode(
	struct fat_long_slot *part, const struct fat_new_name *name, uint32_t number)
{
	uint16_t units[FAT_LONG_UNITS];

	for (size_t i = 0; i < FAT_LONG_UNITS; i++) {
		size_t at = (number - 1) * FAT_LONG_UNITS + i;

		units[i] = at < name->n_units ? name->units[at] : at == name->n_units ? 0 : 0xffff;
	}
	*part = (struct fat_long_slot){
		.number = (uint8_t)number,
		.attributes = FAT_ATTR_LONG,
		.sum = fat_short_sum(name->short_name),
	};
	if (number == name->n_slots - 1) {
		part->number |= FAT_LONG_LAST;
	}
	put_units(part->units_1, units, 5);
	put_units(part->units_2, units + 5, 6);
	put_units(part->units_3, units + 11, 2);
}

/* The new contents of one slot of an entry. */
static void slot_encode(const struct fat_new_name *name, uint32_t i, const struct fat_slot *data,
	struct fat_slot *out_slot)
{
	if (i < name->n_slots - 1) {
		part_encode((struct fat_long_slot *)out_slot, name, name->n_slots - 1 - i);
	} else {
		*out_slot = *data;
		out_slot->lower_case = 0;
		memcpy(out_slot->name, name->short_name, FAT_SHORT_SIZE);
	}
}

static int write_slots(struct task *task, struct fat_inode *directory, uint32_t first,
	const struct fat_new_name *name, const struct fat_slot *data, bool is_moved)
{
	for (uint32_t i = 0; i < name->n_slots; i++) {
		BUFFER_AUTO struct buffer *buffer = NULL;
		struct fat_slot *slot, before;
		int error = fat_slot_hold(task, directory, first + i, &buffer, &slot);

		if (error == 0 && is_moved) {
			before = *slot;
			before.name[0] = FAT_SLOT_FREE;
			error = fat_hold_slot(directory->fs, buffer, slot, &before, false);
		}
		if (error != 0) {
			return error;
		}
		slot_encode(name, i, data, slot);
		fat_mark(buffer, FAT_KIND_DIRECTORY);
	}
	return 0;
}

/*
 * Slots before the new ones that were never used would end the directory for those who stop at the
 * first such slot.
 */
static int mark_skipped(struct task *task, struct fat_inode *directory, uint32_t first)
{
	while (first > 0) {
		BUFFER_AUTO struct buffer *buffer = NULL;
		struct fat_slot *slot;
		int error = fat_slot_hold(task, directory, --first, &buffer, &slot);

		if (error != 0 || slot->name[0] != 0) {
			return error;
		}
		slot->name[0] = FAT_SLOT_FREE;
		fat_mark(buffer, FAT_KIND_DIRECTORY);
	}
	return 0;
}

int fat_entry_add(struct task *task, struct fat_inode *directory, const struct fat_new_name *name,
	const struct fat_slot *data, bool is_moved, struct fat_entry *out_entry)
{
	uint32_t first;

	if (!fat_index_find_room(directory, name->n_slots, &first)) {
		return BLOCKFS_E_NO_SPACE;
	}
	int error = write_slots(task, directory, first, name, data, is_moved);

	error = error != 0 ? error : mark_skipped(task, directory, first);
	if (error == 0) {
		error = fat_entry_read(task, directory, first + name->n_slots - 1, out_entry);
	}
	if (error == 0) {
		out_entry->first_slot = first;
		error = fat_index_add(directory, out_entry);
	}
	if (error != 0) {
		fat_fail(directory->fs, error, "adding a name");
	}
	return error;
}

int fat_entry_remove(struct task *task, struct fat_inode *directory, const struct fat_entry *entry)
{
	for (uint32_t i = entry->first_slot; i <= entry->slot; i++) {
		BUFFER_AUTO struct buffer *buffer = NULL;
		struct fat_slot *slot;
		int error = fat_slot_hold(task, directory, i, &buffer, &slot);

		if (error != 0) {
			if (i > entry->first_slot) {
				fat_fail(directory->fs, error, "removing a name");
			}
			return error;
		}
		slot->name[0] = FAT_SLOT_FREE;
		fat_mark(buffer, FAT_KIND_DIRECTORY);
	}
	fat_index_remove(directory, entry);
	return 0;
}

/* ---- clusters of directories ----------------------------------------------------------------- */

/* What the cache has of a cluster, as something else or as another directory, is void. */
static int cluster_reset(struct task *task, struct fat *fs, uint32_t cluster)
{
	uint64_t sector = fat_cluster_sector(fs, cluster);

	for (uint32_t i = 0; i < fs->cluster_sectors; i++) {
		BUFFER_AUTO struct buffer *buffer = cache_find(&fs->cache, sector + i);

		if (buffer == NULL) {
			continue;
		}
		if (buffer->state == BUFFER_READING) { /* ahead */
			struct buffer *again;
			int error = cache_read(task, &fs->cache, buffer->block, &again);

			if (error != 0) {
				return error;
			}
			buffer_put(again);
		}
		cache_mark_clean(buffer);
		buffer->seed = 0;
		memset(buffer->data, 0, fs->sector_size);
	}
	return 0;
}

static void dots_encode(const struct fat_inode *parent, uint32_t cluster,
	const struct fat_slot *data, struct fat_slot *slots)
{
	uint32_t above = parent->parent != NULL ? parent->start : 0;

	for (int i = 0; i < 2; i++) {
		uint32_t start = i == 0 ? cluster : above;

		slots[i] = *data;
		slots[i].lower_case = 0;
		memset(slots[i].name, ' ', FAT_SHORT_SIZE);
		memset(slots[i].name, '.', (size_t)i + 1);
		fat_put_16(slots[i].start_low, start);
		fat_put_16(slots[i].start_high, start >> 16);
	}
}

int fat_zero_cluster(struct task *task, struct fat *fs, uint32_t cluster)
{
	int error =
		fat_zero_sectors(task, fs, fat_cluster_sector(fs, cluster), fs->cluster_sectors);

	return error != 0 ? error : cluster_reset(task, fs, cluster);
}

int fat_directory_init(
	struct task *task, struct fat_inode *parent, uint32_t cluster, const struct fat_slot *data)
{
	BUFFER_AUTO struct buffer *buffer = NULL;
	struct fat *fs = parent->fs;
	uint64_t sector = fat_cluster_sector(fs, cluster);
	int error = fat_zero_cluster(task, fs, cluster);

	error = error != 0 ? error : cache_create(task, &fs->cache, sector, &buffer);
	if (error != 0) {
		return error;
	}
	memset(buffer->data, 0, fs->sector_size);
	dots_encode(parent, cluster, data, (struct fat_slot *)buffer->data);
	return device_transfer(
		task, fs->device, DEVICE_WRITE, sector << fs->sector_bits, &buffer->where, 0);
}

void fat_directory_forget(struct fat_inode *directory)
{
	const struct fat_chain *chain = &directory->chain;
	struct fat *fs = directory->fs;

	for (size_t i = 0; i < chain->n_runs; i++) {
		uint64_t sector = fat_cluster_sector(fs, chain->runs[i].cluster);
		uint64_t n = (uint64_t)chain->runs[i].n_clusters * fs->cluster_sectors;

		for (uint64_t j = 0; j < n; j++) {
			BUFFER_AUTO struct buffer *buffer = cache_find(&fs->cache, sector + j);

			if (buffer != NULL && buffer->kind == FAT_KIND_DIRECTORY) {
				cache_mark_clean(buffer);
				buffer->seed = 0;
			}
		}
	}
}

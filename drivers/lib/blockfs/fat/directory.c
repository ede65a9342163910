/* SPDX-License-Identifier: MIT */
/*
 * Directories: what their slots say.
 *
 * An entry is a slot with a short name and, before it, the parts of its long name, the last part
 * first. Parts belong to it if they are numbered without a gap and have the short name's checksum;
 * otherwise the short name is all there is. A long name that is more than 255 bytes of UTF-8 is
 * shown as its short one.
 */
#include <base/assert.h>
#include <base/string.h>
#include <drivers/lib/blockfs/fat/fat.h>
#include <drivers/lib/blockfs/utf16.h>

#define READ_AHEAD_SECTORS 16u
#define TYPE_DIRECTORY     4u
#define TYPE_FILE          8u
#define COOKIE_FIRST_SLOT  2u /* "." and ".." are before */

int fat_slot_hold(struct task *task, struct fat_inode *directory, uint32_t slot,
	struct buffer **out_buffer, struct fat_slot **out_slot)
{
	struct fat *fs = directory->fs;
	uint64_t offset = (uint64_t)slot * FAT_SLOT_SIZE;
	uint32_t inside = (uint32_t)offset & (fs->sector_size - 1);
	uint64_t sector = offset >> fs->sector_bits;
	uint64_t n_ahead = 0;

	if (directory->start == 0) {
		if (slot >= fs->root_slots) {
			return BLOCKFS_E_END;
		}
		sector += fs->root_start;
	} else {
		struct fat_run run;
		int error = fat_chain_find(
			task, directory, (uint32_t)(offset >> fs->cluster_bits), &run);

		if (error != 0) {
			return error;
		}
		sector &= fs->cluster_sectors - 1;
		n_ahead = min_u64(READ_AHEAD_SECTORS, fs->cluster_sectors - sector);
		sector += fat_cluster_sector(fs, run.cluster);
	}
	if (inside == 0 && sector % READ_AHEAD_SECTORS == 0) {
		cache_read_ahead(&fs->cache, sector, n_ahead);
	}
	int error = cache_read(task, &fs->cache, sector, out_buffer);

	if (error == 0) {
		*out_slot = (struct fat_slot *)((*out_buffer)->data + inside);
	}
	return error;
}

static void take_units(const uint8_t *bytes, size_t n, uint16_t *out_units)
{
	for (size_t i = 0; i < n; i++) {
		out_units[i] = fat_get_16(bytes + i * 2);
	}
}

/* One part of a long name, if it is the one that is expected; whether it is the last one. */
static bool take_part(const struct fat_slot *slot, uint32_t number, uint8_t sum,
	uint16_t *out_units, bool *out_is_last)
{
	const struct fat_long_slot *part = (const struct fat_long_slot *)slot;

	if (part->number == FAT_SLOT_FREE || (part->attributes & FAT_ATTR_MASK) != FAT_ATTR_LONG ||
		(part->number & ~FAT_LONG_LAST) != number || part->sum != sum) {
		return false;
	}
	out_units += (number - 1) * FAT_LONG_UNITS;
	take_units(part->units_1, 5, out_units);
	take_units(part->units_2, 6, out_units + 5);
	take_units(part->units_3, 2, out_units + 11);
	*out_is_last = (part->number & FAT_LONG_LAST) != 0;
	return true;
}

static size_t count_units(const uint16_t *units, size_t n_max)
{
	size_t n = 0;

	while (n < n_max && units[n] != 0) {
		n++;
	}
	return n;
}

/* The long name, from the slots before the short one. */
static int read_long(
	struct task *task, struct fat_inode *directory, struct fat_entry *entry, uint16_t *units)
{
	uint8_t sum = fat_short_sum(entry->data.name);
	bool is_last = false;

	for (uint32_t number = 1; number <= FAT_LONG_PARTS && number <= entry->slot && !is_last;
		number++) {
		BUFFER_AUTO struct buffer *buffer = NULL;
		struct fat_slot *slot;
		int error = fat_slot_hold(task, directory, entry->slot - number, &buffer, &slot);

		if (error != 0) {
			return error;
		}
		if (!take_part(slot, number, sum, units, &is_last)) {
			return 0;
		}
		if (is_last) {
			size_t n_units = count_units(units, (size_t)number * FAT_LONG_UNITS);

			entry->first_slot = entry->slot - number;
			entry->length =
				utf16_decode(units, n_units, entry->name, sizeof(entry->name));
			entry->has_long = entry->length > 0;
		}
	}
	return 0;
}

int fat_entry_read(
	struct task *task, struct fat_inode *directory, uint32_t slot, struct fat_entry *out_entry)
{
	BUFFER_AUTO struct buffer *buffer = NULL;
	struct fat_slot *data;
	int error = fat_slot_hold(task, directory, slot, &buffer, &data);

	if (error != 0) {
		return error;
	}
	if (data->name[0] == 0 || data->name[0] == FAT_SLOT_FREE ||
		(data->attributes & FAT_ATTR_VOLUME) != 0) {
		return -ERR_NOT_FOUND;
	}
	*out_entry = (struct fat_entry){ .slot = slot, .first_slot = slot, .data = *data };
	out_entry->short_length = fat_short_decode(&out_entry->data, out_entry->short_name);
	if (out_entry->short_length == 0) { /* "." and "..", or none */
		return -ERR_NOT_FOUND;
	}
	uint16_t *units = blockfs_allocate(FAT_LONG_PARTS * FAT_LONG_UNITS * sizeof(uint16_t));

	if (units == NULL) {
		return -ERR_NO_MEMORY;
	}
	error = read_long(task, directory, out_entry, units);
	blockfs_free(units);
	if (error == 0 && !out_entry->has_long) {
		out_entry->length = out_entry->short_length;
		memcpy(out_entry->name, out_entry->short_name, out_entry->length + 1);
	}
	return error;
}

int fat_entry_find(struct task *task, struct fat_inode *directory, struct blockfs_name name,
	struct fat_entry *out_entry)
{
	uint32_t at = 0, slot;

	name = fat_name_trim(name);
	uint32_t hash = fat_name_hash(name);

	while (fat_index_walk(directory, hash, &at, &slot)) {
		int error = fat_entry_read(task, directory, slot, out_entry);
		struct blockfs_name found = { out_entry->name, out_entry->length };
		struct blockfs_name alias = { out_entry->short_name, out_entry->short_length };

		if (error == 0 &&
			(fat_name_equals(fat_name_trim(found), name) ||
				fat_name_equals(alias, name))) {
			return 0;
		}
		if (error != 0 && error != -ERR_NOT_FOUND) {
			return error;
		}
	}
	return -ERR_NOT_FOUND;
}

/* ---- listing --------------------------------------------------------------------------------- */

static bool emit_dots(
	struct fat_inode *directory, uint64_t *cookie, blockfs_emit_fn emit, void *context)
{
	const struct fat_inode *parent = directory->parent != NULL ? directory->parent : directory;

	for (; *cookie < COOKIE_FIRST_SLOT; (*cookie)++) {
		struct blockfs_entry entry = {
			.node_number = *cookie == 0 ? directory->node.number : parent->node.number,
			.type = TYPE_DIRECTORY,
			.name = "..",
			.name_length = (size_t)*cookie + 1,
			.next_cookie = *cookie + 1,
		};

		if (!emit(context, &entry)) {
			return false;
		}
	}
	return true;
}

static int list_entries(struct task *task, struct fat_inode *directory, uint32_t slot,
	struct fat_entry *entry, blockfs_emit_fn emit, void *context)
{
	for (uint32_t n_slots = fat_index_n_slots(directory); slot < n_slots; slot++) {
		int error = fat_entry_read(task, directory, slot, entry);

		if (error == -ERR_NOT_FOUND) {
			continue;
		}
		if (error != 0) {
			return error;
		}
		struct blockfs_entry emitted = {
			.node_number = fat_inode_number(directory, slot),
			.type = (entry->data.attributes & FAT_ATTR_DIRECTORY) != 0 ? TYPE_DIRECTORY
										   : TYPE_FILE,
			.name = entry->name,
			.name_length = entry->length,
			.next_cookie = (uint64_t)slot + 1 + COOKIE_FIRST_SLOT,
		};

		if (!emit(context, &emitted)) {
			break;
		}
	}
	return 0;
}

int fat_directory_list(struct task *task, struct fat_inode *directory, uint64_t cookie,
	blockfs_emit_fn emit, void *context)
{
	if (!emit_dots(directory, &cookie, emit, context) ||
		cookie - COOKIE_FIRST_SLOT >= FAT_SLOTS_MAX) {
		return 0;
	}
	struct fat_entry *entry = blockfs_allocate(sizeof(*entry));

	if (entry == NULL) {
		return -ERR_NO_MEMORY;
	}
	int error = list_entries(
		task, directory, (uint32_t)(cookie - COOKIE_FIRST_SLOT), entry, emit, context);

	blockfs_free(entry);
	return error;
}

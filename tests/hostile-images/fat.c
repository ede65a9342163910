/* SPDX-License-Identifier: MIT */
/* The structures of FAT images. What is repaired: the copies of the table, sums of long names. */
#include "hostile.h"

#include <drivers/lib/blockfs/fat/format.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 8

struct layout {
	uint32_t n_bits; /* of an entry of the table: 12, 16 or 32 */
	uint32_t table_offset;
	uint32_t table_size;
	uint32_t n_tables;
	uint32_t root_offset, root_size; /* not FAT32 */
	uint32_t root_cluster;           /* FAT32 */
	uint32_t data_offset;
	uint32_t cluster_size;
	uint32_t n_clusters;
};

static uint32_t next_cluster(const struct base *base, uint32_t cluster)
{
	const struct layout *layout = base->layout;
	const uint8_t *table = base->image + layout->table_offset;

	switch (layout->n_bits) {
	case 12: {
		uint32_t pair = fat_get_16(table + cluster + cluster / 2);

		return cluster % 2 != 0 ? pair >> 4 : pair & 0xfff;
	}
	case 16: return fat_get_16(table + (size_t)cluster * 2);
	default: return fat_get_32(table + (size_t)cluster * 4) & 0x0fffffff;
	}
}

static bool is_cluster(const struct layout *layout, uint32_t cluster)
{
	return cluster >= FAT_FIRST_CLUSTER && cluster < layout->n_clusters + FAT_FIRST_CLUSTER;
}

static uint8_t short_name_sum(const uint8_t *name)
{
	uint8_t sum = 0;

	for (size_t i = 0; i < FAT_SHORT_SIZE; i++) {
		sum = (uint8_t)((sum << 7 | sum >> 1) + name[i]);
	}
	return sum;
}

/* A long name belongs to the next short one. */
static void repair_slot(uint8_t *image, uint64_t size, uint64_t offset)
{
	uint64_t place = offset;

	while (place + 2 * FAT_SLOT_SIZE <= size && place < offset + 20 * FAT_SLOT_SIZE &&
		(image[place + 11] & FAT_ATTR_MASK) == FAT_ATTR_LONG) {
		place += FAT_SLOT_SIZE;
	}
	uint8_t sum = short_name_sum(image + place);

	for (; place >= FAT_SLOT_SIZE; place -= FAT_SLOT_SIZE) {
		uint8_t *before = image + place - FAT_SLOT_SIZE;

		if ((before[11] & FAT_ATTR_MASK) != FAT_ATTR_LONG) {
			break;
		}
		before[13] = sum;
	}
}

static void repair(const struct base *base, uint8_t *image, const struct structure *structure)
{
	const struct layout *layout = base->layout;
	uint8_t *table = image + layout->table_offset;

	if (structure->kind == STRUCTURE_FAT) {
		for (uint32_t i = 1; i < layout->n_tables; i++) {
			memcpy(table + (size_t)i * layout->table_size, table, layout->table_size);
		}
	} else if (structure->kind == STRUCTURE_SLOT || structure->kind == STRUCTURE_LONG_SLOT) {
		repair_slot(image, base->size, structure->offset);
	}
}

/* ---- directories ----------------------------------------------------------------------------- */

static void scan_chain(struct base *base, uint32_t cluster, int depth);

/* False: the directory ends here. */
/* NOLINTNEXTLINE(misc-no-recursion): as deep as the folders of bases.c */
static bool scan_slots(struct base *base, uint64_t offset, uint32_t size, int depth)
{
	for (uint32_t at = 0; at < size; at += FAT_SLOT_SIZE) {
		const struct fat_slot *slot = (const void *)(base->image + offset + at);
		bool is_long = (slot->attributes & FAT_ATTR_MASK) == FAT_ATTR_LONG;
		uint32_t cluster =
			fat_get_16(slot->start_low) | (uint32_t)fat_get_16(slot->start_high) << 16;

		if (slot->name[0] == 0) {
			return false;
		}
		base_add(base,
			(struct structure){ is_long ? STRUCTURE_LONG_SLOT : STRUCTURE_SLOT,
				offset + at, FAT_SLOT_SIZE,
				is_long ? "122222111222222"
					  "22"
					  "2"
					: "11111111111111122222224",
				cluster, cluster });
		if (is_long || cluster == 0) {
			continue;
		}
		base_add_number(base, cluster);
		if ((slot->attributes & FAT_ATTR_DIRECTORY) != 0 && slot->name[0] != '.') {
			scan_chain(base, cluster, depth + 1);
		}
	}
	return true;
}

/* NOLINTNEXTLINE(misc-no-recursion): as above */
static void scan_chain(struct base *base, uint32_t cluster, int depth)
{
	const struct layout *layout = base->layout;

	while (depth < DEPTH_MAX && is_cluster(layout, cluster)) {
		uint64_t offset = layout->data_offset +
			(uint64_t)(cluster - FAT_FIRST_CLUSTER) * layout->cluster_size;

		if (!scan_slots(base, offset, layout->cluster_size, depth)) {
			break;
		}
		cluster = next_cluster(base, cluster);
	}
}

/* ---- all of it ------------------------------------------------------------------------------- */

static void layout_read(struct base *base, struct layout *layout)
{
	const uint8_t *boot = base->image;
	uint32_t sector = fat_get_16(boot + FAT_BOOT_SECTOR_SIZE);
	uint32_t n_sectors = fat_get_16(boot + FAT_BOOT_N_SECTORS_16);
	uint32_t n_fat_sectors = fat_get_16(boot + FAT_BOOT_FAT_SECTORS_16);

	n_sectors = n_sectors != 0 ? n_sectors : fat_get_32(boot + FAT_BOOT_N_SECTORS_32);
	n_fat_sectors =
		n_fat_sectors != 0 ? n_fat_sectors : fat_get_32(boot + FAT_BOOT_FAT_SECTORS_32);
	layout->n_tables = boot[FAT_BOOT_N_FATS];
	layout->table_offset = fat_get_16(boot + FAT_BOOT_RESERVED) * sector;
	layout->table_size = n_fat_sectors * sector;
	layout->root_offset = layout->table_offset + layout->n_tables * layout->table_size;
	layout->root_size = fat_get_16(boot + FAT_BOOT_ROOT_ENTRIES) * FAT_SLOT_SIZE;
	layout->data_offset = layout->root_offset + layout->root_size;
	layout->cluster_size = boot[FAT_BOOT_CLUSTER_SECTORS] * sector;
	layout->n_clusters = (n_sectors * sector - layout->data_offset) / layout->cluster_size;
	layout->n_bits = layout->root_size == 0           ? 32
		: layout->n_clusters > FAT12_CLUSTERS_MAX ? 16
							  : 12;
	layout->root_cluster = layout->n_bits == 32 ? fat_get_32(boot + FAT_BOOT_ROOT_CLUSTER) : 0;
}

/* The part of the table that says anything. */
static uint32_t table_used(const struct base *base)
{
	const struct layout *layout = base->layout;
	uint32_t size = layout->table_size;

	while (size > 16 && base->image[layout->table_offset + size - 1] == 0) {
		size--;
	}
	return min_size(size + 16, layout->table_size);
}

void fat_base_scan(struct base *base)
{
	struct layout *layout = calloc(1, sizeof(*layout));

	base->layout = layout;
	base->repair = repair;
	layout_read(base, layout);
	bool is_32 = layout->n_bits == 32;

	base_add(base,
		(struct structure){ STRUCTURE_BOOT, FAT_BOOT_SECTOR_SIZE, is_32 ? 60 : 32,
			is_32 ? "2121221222444"
				"422422"
				"444"
				"1114"
			      : "2121221222444"
				"1114",
			0, 0 });
	base_add(base, (struct structure){ STRUCTURE_BOOT_END, FAT_BOOT_SIGNATURE, 2, "11", 0, 0 });
	if (is_32) {
		uint64_t info = (uint64_t)fat_get_16(base->image + FAT_BOOT_INFO_SECTOR) * 512;

		base_add(base, (struct structure){ STRUCTURE_FAT_INFO, info, 4, "4", 0, 1 });
		base_add(base,
			(struct structure){
				STRUCTURE_FAT_INFO, info + FAT_INFO_AT_STRUCT, 12, "444", 0, 1 });
	}
	base_add(base,
		(struct structure){ STRUCTURE_FAT, layout->table_offset, table_used(base),
			layout->n_bits == 12           ? "12"
				: layout->n_bits == 16 ? "2"
						       : "4",
			0, FAT_FIRST_CLUSTER });
	base_add_number(base, layout->n_clusters);
	base_add_number(base, layout->n_clusters + 1);
	base_add_number(base, layout->n_clusters + 2);
	base_add_number(base, UINT32_MAX >> (32 - layout->n_bits) & 0x0ffffff7);
	if (is_32) {
		scan_chain(base, layout->root_cluster, 0);
	} else {
		(void)scan_slots(base, layout->root_offset, layout->root_size, 0);
	}
}

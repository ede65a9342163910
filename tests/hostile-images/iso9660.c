/* SPDX-License-Identifier: MIT */
/* The structures of ISO 9660 images: descriptors, records, what Rock Ridge puts into records. */
#include "hostile.h"

#include <drivers/lib/blockfs/iso9660/format.h>
#include <string.h>

#define DEPTH_MAX 12
#define FIELDS_OF_RECORD \
	"1144447" \
	"1112" \
	"21"

static const struct {
	uint32_t offset, size;
	const char *layout;
} volume_fields[] = {
	{ 0, 1, "1" },
	{ ISO_VOLUME_ID, 6, "111111" },
	{ ISO_VOLUME_N_BLOCKS, 8, "44" },
	{ ISO_VOLUME_ESCAPES, 3, "111" },
	{ ISO_VOLUME_BLOCK_SIZE, 4, "22" },
	{ ISO_VOLUME_ROOT, 33, FIELDS_OF_RECORD },
	{ ISO_VOLUME_CREATED, 17, "1" },
};

static void add(struct base *base, enum structure_kind kind, uint64_t offset, uint32_t size,
	const char *layout)
{
	base_add(base,
		(struct structure){ kind, offset, size, layout, offset / ISO_SECTOR_SIZE,
			offset / ISO_SECTOR_SIZE });
}

/* Entries of a system use field or of an area that continues one. */
/* NOLINTNEXTLINE(misc-no-recursion): an area that is continued is continued once or twice */
static void scan_system_use(struct base *base, uint64_t offset, uint32_t size)
{
	for (uint32_t at = 0; at + 4 <= size;) {
		const uint8_t *entry = base->image + offset + at;
		uint32_t length = entry[2];

		if (length < 4 || at + length > size) {
			return;
		}
		add(base, STRUCTURE_SYSTEM_USE, offset + at, min_size(length, 4), "1");
		if (memcmp(entry, "CE", 2) == 0) {
			add(base, STRUCTURE_SYSTEM_USE, offset + at + 4, 24, "4");
			scan_system_use(base,
				(uint64_t)iso_get_32(entry + 4) * ISO_SECTOR_SIZE +
					iso_get_32(entry + 12),
				iso_get_32(entry + 20));
		} else if (length > 8) {
			add(base, STRUCTURE_SYSTEM_USE, offset + at + 4, length - 4,
				memcmp(entry, "NM", 2) == 0 || memcmp(entry, "SL", 2) == 0 ? "1"
											   : "4");
		}
		at += length;
	}
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as the folders of bases.c */
static void scan_directory(struct base *base, uint64_t offset, uint32_t size, int depth)
{
	for (uint32_t at = 0; at + sizeof(struct iso_record) <= size;) {
		const struct iso_record *record = (const void *)(base->image + offset + at);
		bool is_dot = record->name_length == 1 && ((const uint8_t *)(record + 1))[0] <= 1;
		uint32_t system_use = sizeof(*record) + (record->name_length | 1u);
		uint32_t block = iso_get_32(record->block);

		if (record->length == 0) {
			at = (uint32_t)align_down(at, ISO_SECTOR_SIZE) + ISO_SECTOR_SIZE;
			continue;
		}
		add(base, STRUCTURE_RECORD, offset + at, sizeof(*record), FIELDS_OF_RECORD);
		add(base, STRUCTURE_RECORD, offset + at + sizeof(*record), record->name_length,
			"1");
		base_add_number(base, block);
		if (record->length > system_use) {
			scan_system_use(
				base, offset + at + system_use, record->length - system_use);
		}
		if ((record->flags & ISO_FLAG_DIRECTORY) != 0 && !is_dot && depth < DEPTH_MAX) {
			scan_directory(base, (uint64_t)block * ISO_SECTOR_SIZE,
				iso_get_32(record->size), depth + 1);
		}
		at += record->length;
	}
}

void iso9660_base_scan(struct base *base)
{
	base_add_number(base, base->size / ISO_SECTOR_SIZE);
	base_add_number(base, base->size / ISO_SECTOR_SIZE - 1);
	for (uint32_t sector = ISO_FIRST_DESCRIPTOR;; sector++) {
		uint64_t offset = (uint64_t)sector * ISO_SECTOR_SIZE;
		const struct iso_record *root =
			(const void *)(base->image + offset + ISO_VOLUME_ROOT);
		uint8_t type = base->image[offset];

		for (size_t i = 0; i < ARRAY_SIZE(volume_fields); i++) {
			add(base, STRUCTURE_VOLUME, offset + volume_fields[i].offset,
				volume_fields[i].size, volume_fields[i].layout);
		}
		if (type == ISO_TYPE_END) {
			return;
		}
		if (type == ISO_TYPE_PRIMARY || type == ISO_TYPE_SUPPLEMENTARY) {
			scan_directory(base, (uint64_t)iso_get_32(root->block) * ISO_SECTOR_SIZE,
				iso_get_32(root->size), 0);
		}
	}
}

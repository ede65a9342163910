/* SPDX-License-Identifier: MIT */
/*
 * The structures of ext2, ext3 and ext4 images, and their checksums.
 *
 * The images are good, so nothing here is checked; what is repaired afterwards may be anything, so
 * the layout is always that of the good image.
 */
#include "hostile.h"

#include <drivers/lib/blockfs/checksum.h>
#include <drivers/lib/blockfs/ext4/format.h>
#include <drivers/lib/blockfs/ext4/journal/format.h>
#include <stdlib.h>
#include <string.h>

#define BLOCKS_MAX 8192 /* of a file that is looked at */

#define LAYOUT_SUPER \
	"444444444444422222244442242244488888888888841128844444441124" \
	"444444444444444444444422422841128444444448888844448888888888" \
	"8884444448844411111111224"
#define LAYOUT_INODE_OLD   "2244444224444444444444444444444222222"
#define LAYOUT_DESCRIPTOR  "444222242222"
#define LAYOUT_DESCRIPTOR2 LAYOUT_DESCRIPTOR "44422224224"

struct layout {
	struct ext4_super_block super;
	uint32_t block_size;
	uint32_t n_groups;
	uint32_t desc_size;
	uint32_t inode_size;
	uint32_t seed;
	bool has_sums, has_gdt_sums;
	/* the journal */
	struct journal_super journal;
	uint32_t journal_seed;
	int journal_sums; /* the version: 0, 2 or 3 */
	uint32_t tag_size;
};

/* A file while it is looked at. */
struct file {
	struct base *base;
	uint32_t number;
	uint64_t blocks[BLOCKS_MAX]; /* by their place in the file */
	bool is_seen; /* its map is all that is wanted */
};

static uint8_t *block_of(const struct base *base, uint64_t block)
{
	const struct layout *layout = base->layout;

	return base->image + block * layout->block_size;
}

static uint64_t desc_offset(const struct layout *layout, uint32_t group)
{
	return (uint64_t)(layout->super.first_data_block + 1) * layout->block_size +
		(uint64_t)group * layout->desc_size;
}

static uint64_t inode_offset(const struct base *base, uint32_t number)
{
	const struct layout *layout = base->layout;
	uint32_t group = (number - 1) / layout->super.inodes_per_group;
	uint32_t index = (number - 1) % layout->super.inodes_per_group;
	const struct ext4_group_desc *desc =
		(const void *)(base->image + desc_offset(layout, group));

	return (uint64_t)desc->inode_table_lo * layout->block_size +
		(uint64_t)index * layout->inode_size;
}

static const struct ext4_inode_disk *inode_of(const struct base *base, uint32_t number)
{
	return (const void *)(base->image + inode_offset(base, number));
}

/* ---- checksums ------------------------------------------------------------------------------- */

static uint32_t inode_seed(const struct base *base, uint32_t number, uint32_t generation)
{
	const struct layout *layout = base->layout;
	uint32_t sum = checksum_crc32c(layout->seed, &number, sizeof(number));

	return checksum_crc32c(sum, &generation, sizeof(generation));
}

static void repair_inode(const struct base *base, uint8_t *image, uint32_t number)
{
	const struct layout *layout = base->layout;
	struct ext4_inode_disk *inode = (void *)(image + inode_offset(base, number));
	bool has_high = layout->inode_size > EXT4_INODE_SIZE_OLD && inode->extra_isize >= 4;

	inode->checksum_lo = 0;
	if (has_high) {
		inode->checksum_hi = 0;
	}
	uint32_t sum = checksum_crc32c(
		inode_seed(base, number, inode->generation), inode, layout->inode_size);

	inode->checksum_lo = (uint16_t)sum;
	if (has_high) {
		inode->checksum_hi = (uint16_t)(sum >> 16);
	}
}

static void repair_descriptor(const struct base *base, uint8_t *image, uint32_t group)
{
	const struct layout *layout = base->layout;
	const size_t at = offsetof(struct ext4_group_desc, checksum);
	uint8_t *place = image + desc_offset(layout, group);
	const uint16_t zero = 0;
	uint16_t result;

	if (layout->has_sums) {
		uint32_t sum = checksum_crc32c(layout->seed, &group, sizeof(group));

		sum = checksum_crc32c(sum, place, at);
		sum = checksum_crc32c(sum, &zero, sizeof(zero));
		result = (uint16_t)checksum_crc32c(sum, place + at + 2, layout->desc_size - at - 2);
	} else {
		result = checksum_crc16(0xffff, layout->super.uuid, sizeof(layout->super.uuid));
		result = checksum_crc16(result, &group, sizeof(group));
		result = checksum_crc16(result, place, at);
		result = checksum_crc16(result, place + at + 2, layout->desc_size - at - 2);
	}
	memcpy(place + at, &result, sizeof(result));
}

static void repair_bitmap(const struct base *base, uint8_t *image, const struct structure *bitmap)
{
	const struct layout *layout = base->layout;
	struct ext4_group_desc *desc =
		(void *)(image + desc_offset(layout, (uint32_t)bitmap->owner));
	bool is_large = layout->desc_size >= sizeof(*desc);
	bool is_of_inodes = bitmap->kind == STRUCTURE_INODE_BITMAP;
	uint32_t n_bits =
		is_of_inodes ? layout->super.inodes_per_group : layout->super.clusters_per_group;
	uint32_t sum = checksum_crc32c(
		layout->seed, image + bitmap->block * layout->block_size, n_bits / 8);

	if (is_of_inodes) {
		desc->inode_bitmap_sum_lo = (uint16_t)sum;
	} else {
		desc->block_bitmap_sum_lo = (uint16_t)sum;
	}
	if (is_large && is_of_inodes) {
		desc->inode_bitmap_sum_hi = (uint16_t)(sum >> 16);
	} else if (is_large) {
		desc->block_bitmap_sum_hi = (uint16_t)(sum >> 16);
	}
}

static void repair_extents(const struct base *base, uint8_t *block, uint32_t seed)
{
	const struct layout *layout = base->layout;
	uint32_t n = (layout->block_size - 12) / 12;
	uint32_t sum = checksum_crc32c(seed, block, 12 + n * 12);

	memcpy(block + 12 + n * 12, &sum, sizeof(sum));
}

/* Where the limit of a block of an index stands; 0: it is a leaf. */
static uint32_t index_place(const struct base *base, const uint8_t *block)
{
	const struct layout *layout = base->layout;
	const struct ext4_entry *first = (const void *)block;
	const struct ext4_entry *second = (const void *)(block + 12);
	const struct ext4_index_info *info = (const void *)(block + 24);

	if (first->inode == 0 && first->length == layout->block_size) {
		return 8;
	}
	return first->length == 12 && second->length == layout->block_size - 12 &&
			info->zero == 0 && info->info_length == 8
		? 32
		: 0;
}

static void repair_directory(
	const struct base *base, uint8_t *image, const struct structure *structure, uint32_t seed)
{
	const struct layout *layout = base->layout;
	uint8_t *block = image + structure->block * layout->block_size;
	uint32_t place = index_place(base, block_of(base, structure->block));
	const struct ext4_index_count *count = (const void *)(block + place);
	size_t end = place + (size_t)count->limit * 8;

	if (place == 0) {
		uint32_t sum = checksum_crc32c(seed, block, layout->block_size - 12);

		memcpy(block + layout->block_size - 4, &sum, sizeof(sum));
	} else if (count->count <= count->limit && end + 8 <= layout->block_size) {
		const uint32_t zero = 0;
		uint32_t sum = checksum_crc32c(seed, block, place + (size_t)count->count * 8);

		sum = checksum_crc32c(sum, block + end, 4);
		sum = checksum_crc32c(sum, &zero, sizeof(zero));
		memcpy(block + end + 4, &sum, sizeof(sum));
	}
}

static void repair_xattrs(const struct base *base, uint8_t *image, uint64_t number)
{
	const struct layout *layout = base->layout;
	struct ext4_xattr_header *header = (void *)(image + number * layout->block_size);

	header->checksum = 0;
	uint32_t sum = checksum_crc32c(layout->seed, &number, sizeof(number));

	header->checksum = checksum_crc32c(sum, header, layout->block_size);
}

static void repair_orphans(const struct base *base, uint8_t *image, uint64_t number, uint32_t seed)
{
	const struct layout *layout = base->layout;
	uint8_t *block = image + number * layout->block_size;
	uint32_t sum = checksum_crc32c(seed, &number, sizeof(number));

	sum = checksum_crc32c(sum, block, layout->block_size - 8);
	memcpy(block + layout->block_size - 4, &sum, sizeof(sum));
}

static void put_be32(uint8_t *place, uint32_t value)
{
	struct be32 big = be32_of(value);

	memcpy(place, &big, sizeof(big));
}

static void repair_log_tail(const struct layout *layout, uint8_t *block)
{
	put_be32(block + layout->block_size - 4, 0);
	put_be32(block + layout->block_size - 4,
		checksum_crc32c(layout->journal_seed, block, layout->block_size));
}

/* A block in the log: its checksum is in its tag, which `owner` is the offset of. */
static void repair_log_data(
	const struct layout *layout, uint8_t *image, uint64_t block, uint64_t tag)
{
	uint8_t *descriptor = image + align_down(tag, layout->block_size);
	uint32_t sum = checksum_crc32c(layout->journal_seed, descriptor + 8, 4);

	sum = checksum_crc32c(sum, image + block * layout->block_size, layout->block_size);
	if (layout->journal_sums == 3) {
		put_be32(image + tag + 12, sum);
	} else {
		struct be16 half = be16_of((uint16_t)sum);

		memcpy(image + tag + 4, &half, sizeof(half));
	}
	repair_log_tail(layout, descriptor);
}

static void repair_log(const struct base *base, uint8_t *image, const struct structure *structure)
{
	const struct layout *layout = base->layout;
	uint8_t *block = image + structure->block * layout->block_size;

	if (layout->journal_sums == 0) {
		return;
	}
	switch (structure->kind) {
	case STRUCTURE_JOURNAL_SUPER: {
		const size_t at = offsetof(struct journal_super, checksum);

		put_be32(block + at, 0);
		put_be32(block + at, checksum_crc32c(~0u, block, sizeof(struct journal_super)));
		break;
	}
	case STRUCTURE_JOURNAL_COMMIT: {
		const size_t at = offsetof(struct journal_commit_block, checksum);

		put_be32(block + at, 0);
		put_be32(block + at,
			checksum_crc32c(layout->journal_seed, block, layout->block_size));
		break;
	}
	case STRUCTURE_JOURNAL_DATA:
		repair_log_data(layout, image, structure->block, structure->owner);
		break;
	default: repair_log_tail(layout, block); break;
	}
}

static bool is_in_inode(const struct base *base, const struct structure *structure)
{
	const struct layout *layout = base->layout;
	uint64_t start = inode_offset(base, (uint32_t)structure->owner);

	return structure->offset >= start && structure->offset < start + layout->inode_size;
}

/* What belongs to an inode: in it, or in a block with a checksum made of its number. */
static void repair_part(const struct base *base, uint8_t *image, const struct structure *structure)
{
	const struct layout *layout = base->layout;
	uint32_t number = (uint32_t)structure->owner;
	uint32_t seed = inode_seed(base, number, inode_of(base, number)->generation);

	if (is_in_inode(base, structure)) {
		repair_inode(base, image, number);
		return;
	}
	switch (structure->kind) {
	case STRUCTURE_EXTENT_HEADER:
	case STRUCTURE_EXTENT:
	case STRUCTURE_EXTENT_INDEX:
		repair_extents(base, image + structure->block * layout->block_size, seed);
		break;
	case STRUCTURE_ENTRY:
	case STRUCTURE_INDEX_INFO:
	case STRUCTURE_INDEX_ENTRIES: repair_directory(base, image, structure, seed); break;
	case STRUCTURE_XATTR_HEADER:
	case STRUCTURE_XATTR_ENTRY: repair_xattrs(base, image, structure->block); break;
	case STRUCTURE_ORPHANS: repair_orphans(base, image, structure->block, seed); break;
	default: break;
	}
}

static void repair(const struct base *base, uint8_t *image, const struct structure *structure)
{
	const struct layout *layout = base->layout;

	if (structure->kind >= STRUCTURE_JOURNAL_SUPER) {
		repair_log(base, image, structure);
	} else if (structure->kind == STRUCTURE_DESCRIPTOR) {
		repair_descriptor(base, image, (uint32_t)structure->owner);
	} else if (!layout->has_sums) {
		return;
	} else if (structure->kind == STRUCTURE_SUPER) {
		const size_t at = offsetof(struct ext4_super_block, checksum);
		uint32_t sum = checksum_crc32c(~0u, image + EXT4_SUPER_OFFSET, at);

		memcpy(image + EXT4_SUPER_OFFSET + at, &sum, sizeof(sum));
	} else if (structure->kind == STRUCTURE_BLOCK_BITMAP ||
		structure->kind == STRUCTURE_INODE_BITMAP) {
		repair_bitmap(base, image, structure);
		repair_descriptor(base, image, (uint32_t)structure->owner);
	} else {
		repair_part(base, image, structure);
	}
}

/* ---- maps of files --------------------------------------------------------------------------- */

static void add(struct file *file, enum structure_kind kind, const uint8_t *place, uint32_t size,
	const char *layout)
{
	const struct layout *geometry = file->base->layout;
	uint64_t offset = (uint64_t)(place - file->base->image);

	if (!file->is_seen) {
		base_add(file->base,
			(struct structure){ kind, offset, size, layout, file->number,
				offset / geometry->block_size });
	}
}

static void put_block(struct file *file, uint64_t index, uint64_t block)
{
	if (index < BLOCKS_MAX) {
		file->blocks[index] = block;
	}
}

/* NOLINTNEXTLINE(misc-no-recursion): the trees of a good image are a few levels deep */
static void scan_extents(struct file *file, const uint8_t *place)
{
	const struct ext4_extent_header *header = (const void *)place;

	add(file, STRUCTURE_EXTENT_HEADER, place, sizeof(*header), "22224");
	for (uint32_t i = 0; i < header->n_entries; i++) {
		const uint8_t *entry = place + 12 + (size_t)i * 12;
		const struct ext4_extent *extent = (const void *)entry;
		const struct ext4_extent_index *index = (const void *)entry;

		if (header->depth > 0) {
			add(file, STRUCTURE_EXTENT_INDEX, entry, 12, "4422");
			base_add_number(file->base, index->child_lo);
			scan_extents(file, block_of(file->base, index->child_lo));
			continue;
		}
		add(file, STRUCTURE_EXTENT, entry, 12, "4224");
		for (uint32_t j = 0; j < extent->length % 32768u; j++) {
			put_block(file, extent->block + j, extent->start_lo + j);
		}
	}
}

/* NOLINTNEXTLINE(misc-no-recursion): three levels */
static uint64_t scan_pointers(
	struct file *file, const uint8_t *place, uint32_t n, uint32_t level, uint64_t index)
{
	const struct layout *layout = file->base->layout;
	uint32_t n_pointers = layout->block_size / 4;
	uint64_t span = level == 0 ? 1
		: level == 1       ? n_pointers
				   : (uint64_t)n_pointers * n_pointers;

	add(file, STRUCTURE_POINTERS, place, n * 4, "4");
	for (uint32_t i = 0; i < n; i++, index += span) {
		uint32_t block;

		memcpy(&block, place + (size_t)i * 4, sizeof(block));
		if (block == 0) {
			continue;
		}
		if (level == 0) {
			put_block(file, index, block);
		} else {
			base_add_number(file->base, block);
			scan_pointers(
				file, block_of(file->base, block), n_pointers, level - 1, index);
		}
	}
	return index;
}

static void scan_map(struct file *file, const struct ext4_inode_disk *inode)
{
	uint64_t index;

	memset(file->blocks, 0, sizeof(file->blocks));
	if ((inode->flags & EXT4_FLAG_EXTENTS) != 0) {
		scan_extents(file, inode->block);
		return;
	}
	index = scan_pointers(file, inode->block, 12, 0, 0);
	for (uint32_t level = 1; level <= 3; level++) {
		index = scan_pointers(file, inode->block + 44 + (size_t)level * 4, 1, level, index);
	}
}

/* ---- directories, attributes ----------------------------------------------------------------- */

static void scan_entries(struct file *file, const uint8_t *place, uint32_t size)
{
	for (uint32_t at = 0; at + 12 <= size;) {
		const struct ext4_entry *entry = (const void *)(place + at);

		add(file, STRUCTURE_ENTRY, place + at, 9, "42111");
		if (entry->length < 12) {
			break;
		}
		at += entry->length;
	}
}

static void scan_directory_block(struct file *file, uint64_t block)
{
	const struct layout *layout = file->base->layout;
	const uint8_t *place = block_of(file->base, block);
	uint32_t at = index_place(file->base, place);

	base_add_number(file->base, block);
	if (at == 0) {
		scan_entries(file, place, layout->block_size);
		return;
	}
	const struct ext4_index_count *count = (const void *)(place + at);

	if (at == 32) {
		add(file, STRUCTURE_ENTRY, place, 9, "42111");
		add(file, STRUCTURE_ENTRY, place + 12, 9, "42111");
		add(file, STRUCTURE_INDEX_INFO, place + 24, 8, "41111");
	}
	add(file, STRUCTURE_INDEX_INFO, place + at, 8, "224");
	if (count->count > 1) {
		add(file, STRUCTURE_INDEX_ENTRIES, place + at + 8, (count->count - 1u) * 8, "44");
	}
}

static void scan_xattrs(struct file *file, const uint8_t *entries, const uint8_t *end)
{
	while (entries + 16 <= end && (entries[0] != 0 || entries[1] != 0)) {
		add(file, STRUCTURE_XATTR_ENTRY, entries, 16, "112444");
		entries += align_up(16u + entries[0], 4);
	}
}

static void scan_attributes(struct file *file, const struct ext4_inode_disk *inode)
{
	const struct layout *layout = file->base->layout;
	const uint8_t *raw = (const uint8_t *)inode;
	const uint8_t *inside = raw + EXT4_INODE_SIZE_OLD + inode->extra_isize;
	const uint32_t magic = EXT4_XATTR_MAGIC;

	if (layout->inode_size > EXT4_INODE_SIZE_OLD && memcmp(inside, &magic, 4) == 0) {
		add(file, STRUCTURE_XATTR_HEADER, inside, 4, "4");
		scan_xattrs(file, inside + 4, raw + layout->inode_size);
	}
	if (inode->xattr_block_lo != 0) {
		const uint8_t *block = block_of(file->base, inode->xattr_block_lo);

		base_add_number(file->base, inode->xattr_block_lo);
		add(file, STRUCTURE_XATTR_HEADER, block, 20, "44444");
		scan_xattrs(file, block + 32, block + layout->block_size);
	}
}

/* ---- the journal ----------------------------------------------------------------------------- */

/* A descriptor and the blocks behind it; how many those are. */
static uint64_t scan_descriptor(struct file *file, const uint8_t *block, uint64_t index)
{
	const struct layout *layout = file->base->layout;
	const char *tag_layout = layout->journal_sums == 3 ? "4444"
		: layout->tag_size == 8                    ? "422"
							   : "4224";
	uint32_t offset = 12, flags = 0;
	uint64_t n = 0;

	add(file, STRUCTURE_JOURNAL_DESCRIPTOR, block, 12, "444");
	while ((flags & JOURNAL_TAG_LAST) == 0 && offset + layout->tag_size < layout->block_size) {
		const uint8_t *tag = block + offset;
		uint64_t data = file->blocks[index + ++n];

		flags = tag[7];
		add(file, STRUCTURE_JOURNAL_DESCRIPTOR, tag, layout->tag_size, tag_layout);
		base_add(file->base,
			(struct structure){ STRUCTURE_JOURNAL_DATA, data * layout->block_size,
				layout->block_size, "4", (uint64_t)(tag - file->base->image),
				data });
		offset += layout->tag_size + ((flags & JOURNAL_TAG_SAME_UUID) != 0 ? 0 : 16);
	}
	return n;
}

static void scan_journal(struct file *file)
{
	struct layout *layout = file->base->layout;
	bool is_64 = (be32_get(layout->journal.incompat) & JOURNAL_INCOMPAT_64BIT) != 0;
	const uint8_t *super = block_of(file->base, file->blocks[0]);

	add(file, STRUCTURE_JOURNAL_SUPER, super, 92, "444444444444884444111144");
	for (uint64_t i = 1; i < BLOCKS_MAX && file->blocks[i] != 0; i++) {
		const uint8_t *block = block_of(file->base, file->blocks[i]);
		struct journal_header header;

		memcpy(&header, block, sizeof(header));
		if (be32_get(header.magic) != JOURNAL_MAGIC) {
			continue;
		}
		switch (be32_get(header.type)) {
		case JOURNAL_DESCRIPTOR: i += scan_descriptor(file, block, i); break;
		case JOURNAL_COMMIT:
			add(file, STRUCTURE_JOURNAL_COMMIT, block, 60, "44411114444444484");
			break;
		case JOURNAL_REVOKE:
			add(file, STRUCTURE_JOURNAL_REVOKES, block, 16, "4444");
			add(file, STRUCTURE_JOURNAL_REVOKES, block + 16, 80, is_64 ? "8" : "4");
			break;
		default: break;
		}
	}
}

static void load_journal(struct base *base, const uint8_t *super)
{
	struct layout *layout = base->layout;

	memcpy(&layout->journal, super, sizeof(layout->journal));
	uint32_t incompat = be32_get(layout->journal.incompat);

	layout->journal_seed = checksum_crc32c(~0u, layout->journal.uuid, 16);
	layout->journal_sums = (incompat & JOURNAL_INCOMPAT_CSUM_V3) != 0 ? 3
		: (incompat & JOURNAL_INCOMPAT_CSUM_V2) != 0              ? 2
									  : 0;
	layout->tag_size = layout->journal_sums == 3
		? 16
		: 8 + ((incompat & JOURNAL_INCOMPAT_64BIT) != 0 ? 4 : 0) +
			(layout->journal_sums == 2 ? 2 : 0);
}

/* ---- all of it ------------------------------------------------------------------------------- */

static void scan_inode(struct base *base, uint32_t number)
{
	static struct file file;
	const struct layout *layout = base->layout;
	const struct ext4_inode_disk *inode = inode_of(base, number);
	uint32_t type = inode->mode & EXT4_S_IFMT;
	bool is_inline = (inode->flags & EXT4_FLAG_INLINE_DATA) != 0;
	bool has_map = (type == EXT4_S_IFREG || type == EXT4_S_IFDIR ||
			       (type == EXT4_S_IFLNK && inode->size_lo >= EXT4_INODE_BLOCK_SIZE)) &&
		!is_inline;

	file = (struct file){ .base = base, .number = number };
	base_add_number(base, number);
	add(&file, STRUCTURE_INODE, (const uint8_t *)inode, layout->inode_size > 128 ? 160 : 128,
		layout->inode_size > 128 ? LAYOUT_INODE_OLD "224444444" : LAYOUT_INODE_OLD);
	scan_attributes(&file, inode);
	if (has_map) {
		scan_map(&file, inode);
	}
	if (type == EXT4_S_IFDIR && is_inline) {
		scan_entries(&file, inode->block + 4, EXT4_INODE_BLOCK_SIZE - 4);
	} else if (type == EXT4_S_IFDIR) {
		for (size_t i = 0; i < BLOCKS_MAX && file.blocks[i] != 0; i++) {
			scan_directory_block(&file, file.blocks[i]);
		}
	} else if (number == layout->super.journal_inode && has_map) {
		load_journal(base, block_of(base, file.blocks[0]));
		scan_journal(&file);
	} else if (number == layout->super.orphan_file_inode && has_map) {
		for (size_t i = 0; i < BLOCKS_MAX && file.blocks[i] != 0; i++) {
			add(&file, STRUCTURE_ORPHANS, block_of(base, file.blocks[i]),
				layout->block_size, "4");
		}
	}
}

static void scan_group(struct base *base, uint32_t group)
{
	const struct layout *layout = base->layout;
	uint64_t offset = desc_offset(layout, group);
	const struct ext4_group_desc *desc = (const void *)(base->image + offset);
	const uint64_t bitmaps[2] = { desc->block_bitmap_lo, desc->inode_bitmap_lo };
	const uint32_t uninit[2] = { EXT4_GROUP_BLOCKS_UNINIT, EXT4_GROUP_INODES_UNINIT };

	base_add(base,
		(struct structure){ STRUCTURE_DESCRIPTOR, offset, layout->desc_size,
			layout->desc_size >= 64 ? LAYOUT_DESCRIPTOR2 : LAYOUT_DESCRIPTOR, group,
			offset / layout->block_size });
	for (size_t i = 0; i < 2; i++) {
		base_add_number(base, bitmaps[i]);
		if ((desc->flags & uninit[i]) != 0) {
			continue; /* nobody reads it */
		}
		base_add(base,
			(struct structure){
				i == 0 ? STRUCTURE_BLOCK_BITMAP : STRUCTURE_INODE_BITMAP,
				bitmaps[i] * layout->block_size,
				i == 0 ? layout->super.blocks_per_group / 8
				       : layout->super.inodes_per_group / 8,
				"4", group, bitmaps[i] });
	}
	base_add_number(base, desc->inode_table_lo);
}

void ext4_base_scan(struct base *base)
{
	struct layout *layout = calloc(1, sizeof(*layout));

	base->layout = layout;
	memcpy(&layout->super, base->image + EXT4_SUPER_OFFSET, sizeof(layout->super));
	const struct ext4_super_block *super = &layout->super;
	bool is_64 = (super->incompat & EXT4_INCOMPAT_64BIT) != 0;

	layout->block_size = 1024u << super->log_block_size;
	layout->n_groups = (uint32_t)div_round_up(
		super->blocks_count_lo - super->first_data_block, super->blocks_per_group);
	layout->desc_size = is_64 ? super->desc_size : EXT4_DESC_SIZE_MIN;
	layout->inode_size = super->inode_size;
	layout->seed = (super->incompat & EXT4_INCOMPAT_CSUM_SEED) != 0
		? super->checksum_seed
		: checksum_crc32c(~0u, super->uuid, sizeof(super->uuid));
	layout->has_sums = (super->ro_compat & EXT4_RO_COMPAT_METADATA_CSUM) != 0;
	layout->has_gdt_sums = (super->ro_compat & EXT4_RO_COMPAT_GDT_CSUM) != 0;
	base->repair = layout->has_sums || layout->has_gdt_sums ? repair : NULL;
	base_add(base,
		(struct structure){ STRUCTURE_SUPER, EXT4_SUPER_OFFSET, 0x284, LAYOUT_SUPER, 0,
			EXT4_SUPER_OFFSET / layout->block_size });
	base_add_number(base, super->blocks_count_lo);
	base_add_number(base, super->blocks_count_lo - 1);
	base_add_number(base, super->inodes_count);
	base_add_number(base, super->inodes_count + 1);
	for (uint32_t i = 0; i < layout->n_groups; i++) {
		scan_group(base, i);
	}
	for (uint32_t i = 1; i <= super->inodes_count; i++) {
		if (inode_of(base, i)->mode != 0) {
			scan_inode(base, i);
		}
	}
}

/* SPDX-License-Identifier: MIT */
/*
 * Changing extended attributes. The inode's lock is held alone.
 *
 * An area is put together anew: its entries in order, its values from the end. The inode is tried
 * first, then the block. A block that other inodes share is not changed: the inode gets one of its
 * own.
 */
#include <base/string.h>
#include <drivers/lib/blockfs/ext4/change.h>
#include <drivers/lib/blockfs/ext4/xattr.h>

struct attribute {
	uint8_t index;
	struct blockfs_name name;
	const uint8_t *value;
	size_t size;
};

/* The attributes of an area, in a copy of it. */
struct attributes {
	uint8_t *copy;
	struct attribute *items;
	size_t n_items;
	size_t size;       /* of the area */
	size_t first;
	bool exists;       /* the area does */
	bool has_target;   /* the attribute that is to be changed was there; it is left out */
};

/* ---- gathering ------------------------------------------------------------------------------- */

static int gather_items(const struct ext4_xattr_area *area, struct attributes *set, uint8_t index,
	struct blockfs_name name)
{
	struct ext4_xattr_area copy = *area;

	copy.base = set->copy;
	for (size_t offset = area->first; !ext4_xattr_area_end(&copy, offset);) {
		const struct ext4_xattr_entry *entry = ext4_xattr_at(&copy, offset);

		if (entry == NULL) {
			return BLOCKFS_E_CORRUPT;
		}
		if (entry->value_inode != 0) {
			return BLOCKFS_E_UNSUPPORTED;
		}
		if (entry->name_index == index && entry->name_length == name.length &&
			memcmp(entry->name, name.text, name.length) == 0) {
			set->has_target = true;
		} else {
			set->items[set->n_items++] = (struct attribute){
				.index = entry->name_index,
				.name = { entry->name, entry->name_length },
				.value = copy.base + entry->value_offset,
				.size = entry->value_size,
			};
		}
		offset += ext4_xattr_entry_size(entry->name_length);
	}
	return 0;
}

/* Copy an opened area; room for one more item. The area is put. */
static int gather(struct ext4_xattr_area *area, struct attributes *set, uint8_t index,
	struct blockfs_name name)
{
	int error = 0;

	set->size = area->size;
	set->first = area->first;
	set->exists = true;
	set->copy = blockfs_allocate(area->size);
	set->items = blockfs_allocate((area->size / 16 + 2) * sizeof(struct attribute));
	if (set->copy == NULL || set->items == NULL) {
		error = -ERR_NO_MEMORY;
	} else {
		memcpy(set->copy, area->base, area->size);
		if (!area->is_empty) {
			error = gather_items(area, set, index, name);
		}
	}
	ext4_xattr_area_put(area);
	return error;
}

static void attributes_free(struct attributes *set)
{
	blockfs_free(set->copy);
	blockfs_free(set->items);
}

/* ---- putting together ------------------------------------------------------------------------ */

static size_t attribute_need(const struct attribute *attribute)
{
	return ext4_xattr_entry_size(attribute->name.length) + align_up_size(attribute->size, 4);
}

/* Whether one more fits. */
static bool attributes_fit(const struct attributes *set, const struct attribute *attribute)
{
	size_t need = set->first + 4 + attribute_need(attribute);

	for (size_t i = 0; i < set->n_items; i++) {
		need += attribute_need(&set->items[i]);
	}
	return set->exists && need <= set->size;
}

static int attribute_compare(const struct attribute *a, const struct attribute *b)
{
	if (a->index != b->index) {
		return a->index < b->index ? -1 : 1;
	}
	if (a->name.length != b->name.length) {
		return a->name.length < b->name.length ? -1 : 1;
	}
	return memcmp(a->name.text, b->name.text, a->name.length);
}

/* An attribute more; the order is that of blocks, which readers search by. */
static void attributes_add(struct attributes *set, const struct attribute *attribute)
{
	size_t at = set->n_items++;

	while (at > 0 && attribute_compare(&set->items[at - 1], attribute) > 0) {
		set->items[at] = set->items[at - 1];
		at--;
	}
	set->items[at] = *attribute;
}

/* The hash of an entry: over its name, then its value as padded words. */
static uint32_t attribute_hash(const struct attribute *attribute)
{
	uint32_t hash = 0;

	for (size_t i = 0; i < attribute->name.length; i++) {
		hash = (hash << 5 | hash >> 27) ^ (uint8_t)attribute->name.text[i];
	}
	for (size_t done = 0; done < attribute->size; done += 4) {
		uint32_t word = 0;

		memcpy(&word, attribute->value + done, min_size(4, attribute->size - done));
		hash = (hash << 16 | hash >> 16) ^ word;
	}
	return hash;
}

/* Write the attributes into an area. @return: the hash of all, for a block's header. */
static uint32_t attributes_write(const struct attributes *set, uint8_t *base)
{
	size_t offset = set->first, end = set->size;
	uint32_t hash = 0;

	memset(base + offset, 0, set->size - offset);
	for (size_t i = 0; i < set->n_items; i++) {
		const struct attribute *attribute = &set->items[i];
		struct ext4_xattr_entry *entry = (struct ext4_xattr_entry *)(base + offset);

		end -= align_up_size(attribute->size, 4);
		entry->name_length = (uint8_t)attribute->name.length;
		entry->name_index = attribute->index;
		entry->value_offset = attribute->size > 0 ? (uint16_t)end : 0;
		entry->value_size = (uint32_t)attribute->size;
		entry->hash = attribute_hash(attribute);
		memcpy(entry->name, attribute->name.text, attribute->name.length);
		if (attribute->size > 0) {
			memcpy(base + end, attribute->value, attribute->size);
		}
		offset += ext4_xattr_entry_size(attribute->name.length);
		hash = (hash << 16 | hash >> 16) ^ entry->hash;
	}
	return hash;
}

/* ---- the two places -------------------------------------------------------------------------- */

static int write_inode_area(
	struct handle *handle, struct ext4_inode *inode, const struct attributes *set)
{
	size_t start = EXT4_INODE_SIZE_OLD + (size_t)inode->extra_isize;
	BUFFER_AUTO struct buffer *buffer = NULL;
	const uint32_t magic = EXT4_XATTR_MAGIC;
	struct ext4_inode_disk *disk;
	int error = ext4_inode_buffer(handle->task, inode->fs, inode->number, &buffer, &disk);

	error = error != 0 ? error : handle_access(handle, buffer);
	if (error == 0) {
		uint8_t *place = (uint8_t *)disk + start;

		(void)attributes_write(set, place + sizeof(magic));
		memcpy(place, &magic, sizeof(magic));
		inode->has_inode_xattrs = true;
	}
	return error;
}

int ext4_xattr_drop_block(struct handle *handle, struct ext4_inode *inode)
{
	struct ext4 *fs = inode->fs;
	struct ext4_xattr_area area;
	int error = ext4_xattr_open_block(handle->task, inode, &area);

	if (error != 0) {
		return error == BLOCKFS_E_NO_ATTRIBUTE ? 0 : error;
	}
	struct ext4_xattr_header *header = (struct ext4_xattr_header *)area.base;

	if (header->n_references > 1) {
		error = handle_access(handle, area.buffer);
		if (error == 0) {
			header->n_references--;
		}
	} else {
		error = ext4_free_metadata(handle, fs, inode->xattr_block);
	}
	ext4_xattr_area_put(&area);
	if (error == 0) {
		inode->xattr_block = 0;
		inode->n_sectors -= min_u64(inode->n_sectors, fs->block_size / 512);
	}
	return error;
}

static int write_new_block(
	struct handle *handle, struct ext4_inode *inode, const struct attributes *set)
{
	struct ext4 *fs = inode->fs;
	BUFFER_AUTO struct buffer *buffer = NULL;
	uint64_t block;
	int error = ext4_allocate_block(handle, fs, ext4_goal(handle->task, inode, 0), &block);

	if (error == 0 && block > UINT32_MAX && !ext4_has_incompat(fs, EXT4_INCOMPAT_64BIT)) {
		error = BLOCKFS_E_NO_SPACE;
	}
	error = error != 0 ? error
			   : ext4_create_block(handle, fs, block, EXT4_KIND_XATTRS, 0, &buffer);
	error = error != 0 ? error : ext4_xattr_drop_block(handle, inode);
	if (error != 0) {
		return error;
	}
	struct ext4_xattr_header *header = (struct ext4_xattr_header *)buffer->data;

	header->magic = EXT4_XATTR_MAGIC;
	header->n_references = 1;
	header->n_blocks = 1;
	header->hash = attributes_write(set, buffer->data);
	inode->xattr_block = block;
	inode->n_sectors += fs->block_size / 512;
	return 0;
}

static int write_block(
	struct handle *handle, struct ext4_inode *inode, const struct attributes *set)
{
	struct ext4_xattr_area area;

	if (set->n_items == 0) {
		return ext4_xattr_drop_block(handle, inode);
	}
	if (inode->xattr_block == 0) {
		return write_new_block(handle, inode, set);
	}
	int error = ext4_xattr_open_block(handle->task, inode, &area);

	if (error != 0) {
		return error;
	}
	struct ext4_xattr_header *header = (struct ext4_xattr_header *)area.base;

	if (header->n_references > 1) {
		ext4_xattr_area_put(&area);
		return write_new_block(handle, inode, set);
	}
	error = handle_access(handle, area.buffer);
	if (error == 0) {
		header->hash = attributes_write(set, area.base);
	}
	ext4_xattr_area_put(&area);
	return error;
}

/* ---- setting --------------------------------------------------------------------------------- */

static int gather_both(struct task *task, struct ext4_inode *inode, uint8_t index,
	struct blockfs_name name, struct attributes *in_inode, struct attributes *in_block)
{
	struct ext4_xattr_area area;
	int error = ext4_xattr_open_inode(task, inode, &area);

	if (error == 0) {
		error = gather(&area, in_inode, index, name);
	}
	if (error != 0 && error != BLOCKFS_E_NO_ATTRIBUTE) {
		return error;
	}
	in_block->size = inode->fs->block_size;
	in_block->first = sizeof(struct ext4_xattr_header);
	error = ext4_xattr_open_block(task, inode, &area);
	if (error == 0) {
		return gather(&area, in_block, index, name);
	}
	if (error != BLOCKFS_E_NO_ATTRIBUTE) {
		return error;
	}
	in_block->exists = true;
	in_block->items = blockfs_allocate(sizeof(struct attribute));
	return in_block->items == NULL ? -ERR_NO_MEMORY : 0;
}

static int set_or_remove(struct handle *handle, struct ext4_inode *inode,
	struct attributes *in_inode, struct attributes *in_block, const struct attribute *attribute)
{
	bool changes_inode = in_inode->has_target;
	bool changes_block = in_block->has_target;
	int error = 0;

	if (attribute->value != NULL && attributes_fit(in_inode, attribute)) {
		attributes_add(in_inode, attribute);
		changes_inode = true;
	} else if (attribute->value != NULL) {
		if (!attributes_fit(in_block, attribute)) {
			return BLOCKFS_E_NO_SPACE;
		}
		attributes_add(in_block, attribute);
		changes_block = true;
	}
	if (changes_block) {
		error = write_block(handle, inode, in_block);
	}
	if (error == 0 && changes_inode) {
		error = write_inode_area(handle, inode, in_inode);
	}
	return error;
}

int ext4_xattr_set(struct handle *handle, struct ext4_inode *inode, uint8_t index,
	struct blockfs_name name, const void *value, size_t size, enum blockfs_xattr_mode mode)
{
	static const uint8_t nothing;
	struct attributes in_inode = { 0 }, in_block = { 0 };
	struct attribute attribute = {
		.index = index,
		.name = name,
		.value = value != NULL && size == 0 ? &nothing : value,
		.size = size,
	};

	if (size > inode->fs->block_size) {
		return BLOCKFS_E_NO_SPACE;
	}
	int error = gather_both(handle->task, inode, index, name, &in_inode, &in_block);
	bool exists = in_inode.has_target || in_block.has_target;

	if (error == 0 && !exists && (value == NULL || mode == BLOCKFS_XATTR_REPLACE)) {
		error = BLOCKFS_E_NO_ATTRIBUTE;
	}
	if (error == 0 && exists && mode == BLOCKFS_XATTR_CREATE) {
		error = -ERR_EXISTS;
	}
	if (error == 0) {
		error = set_or_remove(handle, inode, &in_inode, &in_block, &attribute);
	}
	attributes_free(&in_inode);
	attributes_free(&in_block);
	if (error != 0) {
		return error;
	}
	ext4_inode_touch(inode, false);
	return ext4_inode_write(handle, inode);
}

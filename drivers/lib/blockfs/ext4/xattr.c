/* SPDX-License-Identifier: MIT */
/*
 * Extended attributes: reading them. xattr-change.c changes them.
 *
 * They are in two places: behind the fields of a large inode, and in a block of their own, which
 * inodes with the same attributes may share. A large value may have an inode of its own (feature
 * ea_inode). An entry gives its value's offset from the area's base.
 */
#include <base/string.h>
#include <drivers/lib/blockfs/ext4/xattr.h>

static const struct {
	uint8_t index;
	const char *prefix;
	bool is_whole; /* the name has no rest */
} prefixes[] = {
	{ EXT4_XATTR_USER, "user.", false },
	{ EXT4_XATTR_TRUSTED, "trusted.", false },
	{ EXT4_XATTR_SECURITY, "security.", false },
	{ EXT4_XATTR_ACL_ACCESS, "system.posix_acl_access", true },
	{ EXT4_XATTR_ACL_DEFAULT, "system.posix_acl_default", true },
};

bool ext4_xattr_split(struct blockfs_name name, uint8_t *out_index, struct blockfs_name *out_rest)
{
	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++) {
		size_t length = strlen(prefixes[i].prefix);

		if (name.length < length || memcmp(name.text, prefixes[i].prefix, length) != 0 ||
			(name.length == length) != prefixes[i].is_whole) {
			continue;
		}
		*out_index = prefixes[i].index;
		*out_rest = (struct blockfs_name){ name.text + length, name.length - length };
		return true;
	}
	return false;
}

static const char *prefix_of(uint8_t index, bool *out_is_whole)
{
	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++) {
		if (prefixes[i].index == index) {
			*out_is_whole = prefixes[i].is_whole;
			return prefixes[i].prefix;
		}
	}
	return NULL;
}

/* ---- areas ----------------------------------------------------------------------------------- */

bool ext4_xattr_area_end(const struct ext4_xattr_area *area, size_t offset)
{
	uint32_t word;

	if (offset + sizeof(word) > area->size) {
		return true;
	}
	memcpy(&word, area->base + offset, sizeof(word));
	return word == 0;
}

struct ext4_xattr_entry *ext4_xattr_at(const struct ext4_xattr_area *area, size_t offset)
{
	struct ext4_xattr_entry *entry = (struct ext4_xattr_entry *)(area->base + offset);

	if (offset + sizeof(*entry) > area->size ||
		offset + ext4_xattr_entry_size(entry->name_length) > area->size) {
		return NULL;
	}
	if (entry->value_inode == 0 && entry->value_size != 0 &&
		(entry->value_size > area->size ||
			entry->value_offset > area->size - entry->value_size)) {
		return NULL;
	}
	return entry;
}

static bool area_is_good(const struct ext4_xattr_area *area)
{
	for (size_t offset = area->first; !ext4_xattr_area_end(area, offset);) {
		const struct ext4_xattr_entry *entry = ext4_xattr_at(area, offset);

		if (entry == NULL) {
			return false;
		}
		offset += ext4_xattr_entry_size(entry->name_length);
	}
	return true;
}

struct ext4_xattr_entry *ext4_xattr_find(
	const struct ext4_xattr_area *area, uint8_t index, struct blockfs_name name)
{
	for (size_t offset = area->first; !ext4_xattr_area_end(area, offset);) {
		struct ext4_xattr_entry *entry = ext4_xattr_at(area, offset);

		if (entry == NULL) {
			return NULL;
		}
		if (entry->name_index == index && entry->name_length == name.length &&
			memcmp(entry->name, name.text, name.length) == 0) {
			return entry;
		}
		offset += ext4_xattr_entry_size(entry->name_length);
	}
	return NULL;
}

void ext4_xattr_area_put(struct ext4_xattr_area *area)
{
	buffer_put(area->buffer);
	*area = (struct ext4_xattr_area){ 0 };
}

int ext4_xattr_open_inode(
	struct task *task, struct ext4_inode *inode, struct ext4_xattr_area *out_area)
{
	struct ext4 *fs = inode->fs;
	size_t start = EXT4_INODE_SIZE_OLD + (size_t)inode->extra_isize;
	struct ext4_inode_disk *disk;
	uint32_t magic;

	*out_area = (struct ext4_xattr_area){ 0 };
	if (start + 8 > fs->inode_size || inode->extra_isize == 0) {
		return BLOCKFS_E_NO_ATTRIBUTE;
	}
	int error = ext4_inode_buffer(task, fs, inode->number, &out_area->buffer, &disk);

	if (error != 0) {
		return error;
	}
	memcpy(&magic, (uint8_t *)disk + start, sizeof(magic));
	out_area->base = (uint8_t *)disk + start + sizeof(magic);
	out_area->size = fs->inode_size - start - sizeof(magic);
	out_area->is_empty = magic != EXT4_XATTR_MAGIC;
	if (!out_area->is_empty && !area_is_good(out_area)) {
		ext4_xattr_area_put(out_area);
		return ext4_corrupt(fs, "inode %u: attributes", inode->number);
	}
	return 0;
}

int ext4_xattr_open_block(
	struct task *task, struct ext4_inode *inode, struct ext4_xattr_area *out_area)
{
	struct ext4 *fs = inode->fs;

	*out_area = (struct ext4_xattr_area){ 0 };
	if (inode->xattr_block == 0) {
		return BLOCKFS_E_NO_ATTRIBUTE;
	}
	if (!ext4_is_data_block(fs, inode->xattr_block, 1)) {
		return ext4_corrupt(fs, "inode %u: place of attributes", inode->number);
	}
	int error = ext4_read(task, fs, inode->xattr_block, EXT4_KIND_XATTRS, 0, &out_area->buffer);

	if (error != 0) {
		return error;
	}
	out_area->base = out_area->buffer->data;
	out_area->size = fs->block_size;
	out_area->first = sizeof(struct ext4_xattr_header);
	if (((struct ext4_xattr_header *)out_area->base)->magic != EXT4_XATTR_MAGIC ||
		!area_is_good(out_area)) {
		ext4_xattr_area_put(out_area);
		return ext4_corrupt(fs, "inode %u: attributes' block", inode->number);
	}
	return 0;
}

/* ---- values ---------------------------------------------------------------------------------- */

static int read_value_inode(
	struct task *task, struct ext4_inode *value, uint8_t *out_value, size_t size)
{
	size_t block_size = value->fs->block_size;

	for (size_t done = 0; done < size; done += block_size) {
		BUFFER_AUTO struct buffer *buffer = NULL;
		int error =
			ext4_file_block(task, value, done / block_size, EXT4_KIND_PLAIN, &buffer);

		if (error != 0) {
			return error;
		}
		memcpy(out_value + done, buffer->data, min_size(block_size, size - done));
	}
	return 0;
}

/* The value that has an inode of its own. */
static int get_value_inode(struct task *task, struct ext4_inode *owner, uint32_t number,
	uint8_t *out_value, size_t size)
{
	struct ext4 *fs = owner->fs;
	struct ext4_inode *value;

	if (!ext4_has_incompat(fs, EXT4_INCOMPAT_EA_INODE) || number == owner->number) {
		return ext4_corrupt(fs, "inode %u: value in an inode", owner->number);
	}
	int error = ext4_inode_hold(task, fs, number, &value);

	if (error != 0) {
		return error;
	}
	if (!ext4_has_flag(value, EXT4_FLAG_EA_INODE) || value->size != size ||
		ext4_has_flag(value, EXT4_FLAG_INLINE_DATA)) {
		error = ext4_corrupt(fs, "inode %u: value in inode %u", owner->number, number);
	} else {
		error = read_value_inode(task, value, out_value, size);
	}
	ext4_inode_put(task, value);
	return error;
}

static int get_from(struct task *task, struct ext4_inode *inode, const struct ext4_xattr_area *area,
	uint8_t index, struct blockfs_name name, void *out_value, size_t size, size_t *out_size)
{
	const struct ext4_xattr_entry *entry =
		area->is_empty ? NULL : ext4_xattr_find(area, index, name);

	if (entry == NULL) {
		return BLOCKFS_E_NO_ATTRIBUTE;
	}
	size_t value_size = entry->value_size;

	if (value_size > EXT4_XATTR_VALUE_MAX) {
		return ext4_corrupt(inode->fs, "inode %u: size of an attribute", inode->number);
	}
	*out_size = value_size;
	if (size == 0 && out_value == NULL) {
		return 0;
	}
	if (size < value_size) {
		return BLOCKFS_E_BUFFER_TOO_SMALL;
	}
	if (entry->value_inode != 0) {
		return get_value_inode(task, inode, entry->value_inode, out_value, value_size);
	}
	if (value_size > 0) {
		memcpy(out_value, area->base + entry->value_offset, value_size);
	}
	return 0;
}

int ext4_xattr_get(struct task *task, struct ext4_inode *inode, uint8_t index,
	struct blockfs_name name, void *out_value, size_t size, size_t *out_size)
{
	struct ext4_xattr_area area;
	int error = ext4_xattr_open_inode(task, inode, &area);

	if (error == 0) {
		error = get_from(task, inode, &area, index, name, out_value, size, out_size);
		ext4_xattr_area_put(&area);
	}
	if (error != BLOCKFS_E_NO_ATTRIBUTE) {
		return error;
	}
	error = ext4_xattr_open_block(task, inode, &area);
	if (error == 0) {
		error = get_from(task, inode, &area, index, name, out_value, size, out_size);
		ext4_xattr_area_put(&area);
	}
	return error;
}

/* ---- listing --------------------------------------------------------------------------------- */

struct names {
	char *out;
	size_t size;
	size_t used;
};

static int names_add(struct names *names, const struct ext4_xattr_entry *entry)
{
	bool is_whole;
	const char *prefix = prefix_of(entry->name_index, &is_whole);

	if (prefix == NULL) {
		return 0; /* the library's own: system.data */
	}
	size_t n_prefix = strlen(prefix);
	size_t n_name = is_whole ? 0 : entry->name_length;

	if (names->size != 0) {
		if (names->size - names->used < n_prefix + n_name + 1) {
			return BLOCKFS_E_BUFFER_TOO_SMALL;
		}
		memcpy(names->out + names->used, prefix, n_prefix);
		memcpy(names->out + names->used + n_prefix, entry->name, n_name);
		names->out[names->used + n_prefix + n_name] = 0;
	}
	names->used += n_prefix + n_name + 1;
	return 0;
}

static int list_area(const struct ext4_xattr_area *area, struct names *names)
{
	for (size_t offset = area->first; !area->is_empty && !ext4_xattr_area_end(area, offset);) {
		const struct ext4_xattr_entry *entry = ext4_xattr_at(area, offset);
		int error = entry == NULL ? BLOCKFS_E_CORRUPT : names_add(names, entry);

		if (error != 0) {
			return error;
		}
		offset += ext4_xattr_entry_size(entry->name_length);
	}
	return 0;
}

int ext4_xattr_list(
	struct task *task, struct ext4_inode *inode, char *out_names, size_t size, size_t *out_size)
{
	struct names names = { .out = out_names, .size = size };
	struct ext4_xattr_area area;
	int error = ext4_xattr_open_inode(task, inode, &area);

	if (error == 0) {
		error = list_area(&area, &names);
		ext4_xattr_area_put(&area);
	}
	if (error == 0 || error == BLOCKFS_E_NO_ATTRIBUTE) {
		error = ext4_xattr_open_block(task, inode, &area);
		if (error == 0) {
			error = list_area(&area, &names);
			ext4_xattr_area_put(&area);
		}
	}
	*out_size = names.used;
	return error == BLOCKFS_E_NO_ATTRIBUTE ? 0 : error;
}

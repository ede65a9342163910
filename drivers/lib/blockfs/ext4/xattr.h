/* SPDX-License-Identifier: MIT */
/* Extended attributes: the areas that hold them. */
#ifndef BLOCKFS_EXT4_XATTR_H
#define BLOCKFS_EXT4_XATTR_H

#include <drivers/lib/blockfs/ext4/ext4.h>

/** EXT4_XATTR_VALUE_MAX - bytes of a value, as Linux limits it */
#define EXT4_XATTR_VALUE_MAX 65536u

/* Entries from the front, values from the back. */
struct ext4_xattr_area {
	struct buffer *buffer;
	uint8_t *base;   /* offsets of values count from here */
	size_t size;
	size_t first;    /* offset of the first entry */
	bool is_empty;   /* the inode has room for attributes, but none are there */
};

/** ext4_xattr_entry_size() - bytes of an entry with such a name */
static inline size_t ext4_xattr_entry_size(size_t name_length)
{
	return align_up_size(sizeof(struct ext4_xattr_entry) + name_length, 4);
}

/** ext4_xattr_open_inode() - the area in the inode; NO_ATTRIBUTE: it has none. To be put. */
MUST_USE int ext4_xattr_open_inode(
	struct task *task, struct ext4_inode *inode, struct ext4_xattr_area *out_area);

/** ext4_xattr_open_block() - the block of attributes; NO_ATTRIBUTE: it has none. To be put. */
MUST_USE int ext4_xattr_open_block(
	struct task *task, struct ext4_inode *inode, struct ext4_xattr_area *out_area);

/** ext4_xattr_area_put() - give back an opened area */
void ext4_xattr_area_put(struct ext4_xattr_area *area);

/** ext4_xattr_area_end() - whether no entry is at @offset */
bool ext4_xattr_area_end(const struct ext4_xattr_area *area, size_t offset);

/** ext4_xattr_at() - the entry at @offset, NULL if it makes no sense */
struct ext4_xattr_entry *ext4_xattr_at(const struct ext4_xattr_area *area, size_t offset);

/** ext4_xattr_find() - the entry of a name, or NULL */
struct ext4_xattr_entry *ext4_xattr_find(
	const struct ext4_xattr_area *area, uint8_t index, struct blockfs_name name);

#endif

/* SPDX-License-Identifier: MIT */
/* Changing the file system: what is called inside handles, and what begins them. */
#ifndef BLOCKFS_EXT4_CHANGE_H
#define BLOCKFS_EXT4_CHANGE_H

#include <drivers/lib/blockfs/ext4/ext4.h>

/* Credits, at most: blocks that one step changes. */
#define EXT4_CREDITS_FREE   12u /* bitmaps and descriptors of the groups of one extent */
#define EXT4_CREDITS_MAP    28u /* a range into or out of a map, with splits */
#define EXT4_CREDITS_ENTRY  36u /* a name into a directory, with splits of its index */
#define EXT4_CREDITS_INODE  12u /* a new one: bitmaps, descriptors, table, orphan list */
#define EXT4_CREDITS_XATTR  10u
#define EXT4_CREDITS_CREATE (EXT4_CREDITS_ENTRY + EXT4_CREDITS_INODE + EXT4_CREDITS_MAP)
#define EXT4_CREDITS_RENAME (EXT4_CREDITS_ENTRY * 2 + EXT4_CREDITS_INODE)

/* ---- inode.c --------------------------------------------------------------------------------- */

/** ext4_inode_seal() - set the checksum of a raw inode */
void ext4_inode_seal(const struct ext4_inode *inode, struct ext4_inode_disk *place);

/** ext4_inode_set_generation() - and what depends on it */
void ext4_inode_set_generation(struct ext4_inode *inode, uint32_t generation);

/* ---- allocate.c: blocks ---------------------------------------------------------------------- */

/**
 * ext4_choose() - find up to @n_wanted free blocks in a row and keep others from taking them
 * @goal: where they should be
 * @is_reserved: they were reserved, so no promise is broken by taking them
 * @out_busy: to be given to ext4_claim() or ext4_unchoose()
 *
 * Return: 0, BLOCKFS_E_NO_SPACE, -ERR_X.
 */
MUST_USE int ext4_choose(struct task *task, struct ext4 *fs, uint64_t goal, uint32_t n_wanted,
	bool is_reserved, struct ext4_busy **out_busy);

/** ext4_busy_start() - the first block on the disk */
static inline uint64_t ext4_busy_start(const struct ext4 *fs, const struct ext4_busy *busy)
{
	return ext4_group_start(fs, busy->group) + busy->first;
}

/** ext4_claim() - chosen blocks become allocated, as part of the handle; @busy is taken */
MUST_USE int ext4_claim(struct handle *handle, struct ext4 *fs, struct ext4_busy *busy);

/** ext4_unchoose() - chosen blocks are free again; accepts NULL */
void ext4_unchoose(struct ext4 *fs, struct ext4_busy *busy);

/** ext4_allocate_block() - one block of metadata, near @goal */
MUST_USE int ext4_allocate_block(
	struct handle *handle, struct ext4 *fs, uint64_t goal, uint64_t *out_block);

/** ext4_free_blocks() - blocks are not used any more; reused only after the commit */
MUST_USE int ext4_free_blocks(
	struct handle *handle, struct ext4 *fs, uint64_t start, uint32_t n_blocks);

/** ext4_free_metadata() - one block of metadata, which the log may know */
MUST_USE int ext4_free_metadata(struct handle *handle, struct ext4 *fs, uint64_t block);

/**
 * ext4_log_knows_contents() - whether the log may have contents of this inode: it is a directory or
 * a symlink, or the contents of files go through the journal
 */
bool ext4_log_knows_contents(const struct ext4_inode *inode);

/** EXT4_FREE_METADATA_MAX - blocks that the log may know which are freed in one step */
#define EXT4_FREE_METADATA_MAX 64u

/** ext4_free_contents() - blocks of a file, which the log may know */
MUST_USE int ext4_free_contents(
	struct handle *handle, struct ext4_inode *inode, uint64_t start, uint32_t n_blocks);

/** ext4_read_block_bitmap() - hold the bitmap of a group */
MUST_USE int ext4_read_block_bitmap(
	struct task *task, struct ext4 *fs, uint32_t index, struct buffer **out_buffer);

/** ext4_init_block_bitmap() - the bitmap exists on the disk from now on, as part of the handle */
MUST_USE int ext4_init_block_bitmap(struct handle *handle, struct ext4 *fs, uint32_t index);

/** ext4_release_freed() - what a transaction freed is committed */
void ext4_release_freed(struct ext4 *fs, struct list *freed);

/** ext4_allocator_deinit() - forget what is busy */
void ext4_allocator_deinit(struct ext4 *fs);

/** ext4_available() - free blocks that are not promised to anybody */
uint64_t ext4_available(const struct ext4 *fs);

/* ---- allocate-inode.c ------------------------------------------------------------------------ */

/** ext4_create_inode() - a new inode, held, written; no name yet */
MUST_USE int ext4_create_inode(struct handle *handle, struct ext4_inode *directory,
	const struct blockfs_create_options *options, struct ext4_inode **out_inode);

/** ext4_release_inode() - the number is free again, as part of the handle */
MUST_USE int ext4_release_inode(struct handle *handle, struct ext4_inode *inode);

/* ---- map-change.c, extent-change.c, indirect-change.c ---------------------------------------- */

/* These take map_lock alone themselves. */

/**
 * ext4_map_insert() - allocated blocks become blocks of the file, where it has a hole
 *
 * Return: 0, BLOCKFS_E_NO_SPACE (nothing has changed), or an error.
 */
MUST_USE int ext4_map_insert(struct handle *handle, struct ext4_inode *inode, uint64_t block,
	uint64_t place, uint32_t n_blocks, bool is_unwritten);

/** ext4_map_convert() - unwritten blocks are written now; within one extent */
MUST_USE int ext4_map_convert(
	struct handle *handle, struct ext4_inode *inode, uint64_t block, uint32_t n_blocks);

/**
 * ext4_map_remove() - take blocks [@first, @end) out of the file and free them
 *
 * In as many transactions as it takes; the handle is one that may be restarted. Writes the inode.
 */
MUST_USE int ext4_map_remove(
	struct handle *handle, struct ext4_inode *inode, uint64_t first, uint64_t end);

int ext4_extent_insert(struct handle *handle, struct ext4_inode *inode, uint32_t block,
	uint64_t place, uint32_t n_blocks, bool is_unwritten);
int ext4_extent_convert(
	struct handle *handle, struct ext4_inode *inode, uint32_t block, uint32_t n_blocks);
/* Frees at most one piece below *end and lowers it; *end == first: done. */
int ext4_extent_remove_some(
	struct handle *handle, struct ext4_inode *inode, uint64_t first, uint64_t *end);
/** ext4_extent_init() - an empty tree in the inode */
void ext4_extent_init(struct ext4_inode *inode);

int ext4_indirect_insert(struct handle *handle, struct ext4_inode *inode, uint64_t block,
	uint64_t place, uint32_t n_blocks);
int ext4_indirect_remove_some(
	struct handle *handle, struct ext4_inode *inode, uint64_t *first, uint64_t end);

/** ext4_goal() - where a block of a file should be */
uint64_t ext4_goal(struct task *task, struct ext4_inode *inode, uint64_t block);

/* ---- directory-change.c, index-change.c ------------------------------------------------------ */

/** ext4_entry_add() - a name that is not there yet */
MUST_USE int ext4_entry_add(struct handle *handle, struct ext4_inode *directory,
	struct blockfs_name name, uint32_t number, uint32_t mode);

/** ext4_entry_remove() - take a found entry out; the directory is not inline */
MUST_USE int ext4_entry_remove(
	struct handle *handle, struct ext4_inode *directory, const struct ext4_found *found);

/** ext4_entry_set() - let a found entry mean another inode */
MUST_USE int ext4_entry_set(struct handle *handle, struct ext4_inode *directory,
	const struct ext4_found *found, uint32_t number, uint32_t mode);

/** ext4_parent_set() - let ".." mean another directory */
MUST_USE int ext4_parent_set(struct handle *handle, struct ext4_inode *directory, uint32_t number);

/** ext4_directory_init() - the first block of a new directory */
MUST_USE int ext4_directory_init(
	struct handle *handle, struct ext4_inode *directory, uint32_t parent);

/** ext4_directory_append() - a new last block, with one unused entry */
MUST_USE int ext4_directory_append(struct handle *handle, struct ext4_inode *directory,
	uint32_t *out_block, struct buffer **out_buffer);

/** ext4_area_init() - one unused entry in a block, and the checksum's tail */
void ext4_area_init(const struct ext4 *fs, uint8_t *data);

/** ext4_area_add() - put an entry where there is room; NO_SPACE, CORRUPT */
MUST_USE int ext4_area_add(const struct ext4 *fs, uint8_t *data, struct blockfs_name name,
	uint32_t number, uint8_t type);

/** ext4_entry_type() - enum ext4_file_type of a mode; 0 if entries have no types */
uint8_t ext4_entry_type(const struct ext4 *fs, uint32_t mode);

/** ext4_index_add() - a name into a directory with an index */
MUST_USE int ext4_index_add(struct handle *handle, struct ext4_inode *directory,
	struct blockfs_name name, uint32_t number, uint8_t type);

/** ext4_index_make() - give an index to a directory of one block, which is full */
MUST_USE int ext4_index_make(struct handle *handle, struct ext4_inode *directory);

/* ---- xattr-change.c, inline.c ---------------------------------------------------------------- */

/** ext4_xattr_set() - set an attribute, or remove it (@value NULL) */
MUST_USE int ext4_xattr_set(struct handle *handle, struct ext4_inode *inode, uint8_t index,
	struct blockfs_name name, const void *value, size_t size, enum blockfs_xattr_mode mode);

/** ext4_xattr_drop_block() - the inode lets go of its block of attributes */
MUST_USE int ext4_xattr_drop_block(struct handle *handle, struct ext4_inode *inode);

/** ext4_inline_leave() - the contents are elsewhere: the inode has a map again, an empty one */
MUST_USE int ext4_inline_leave(struct handle *handle, struct ext4_inode *inode);

/** ext4_inline_cut() - a new size of inline contents; the caller sets it */
MUST_USE int ext4_inline_cut(struct handle *handle, struct ext4_inode *inode, uint64_t size);

/** ext4_inline_file_leave() - put inline contents of a file into a block; takes its lock */
MUST_USE int ext4_inline_file_leave(struct task *task, struct ext4_inode *inode);

/** ext4_inline_directory_leave() - put the entries of an inline directory into a block */
MUST_USE int ext4_inline_directory_leave(struct handle *handle, struct ext4_inode *directory);

/* ---- orphan.c -------------------------------------------------------------------------------- */

/** ext4_orphan_add() - should the power fail now, the mount goes on with this inode */
MUST_USE int ext4_orphan_add(struct handle *handle, struct ext4_inode *inode);

/** ext4_orphan_remove() - it is in order again */
MUST_USE int ext4_orphan_remove(struct handle *handle, struct ext4_inode *inode);

/** ext4_orphans_recover() - go on with what a power cut interrupted */
MUST_USE int ext4_orphans_recover(struct task *task, struct ext4 *fs, bool has_file_orphans);

/** ext4_orphan_file_open() - find the orphan file, if the file system has one */
MUST_USE int ext4_orphan_file_open(struct task *task, struct ext4 *fs);

/* ---- reserve.c ------------------------------------------------------------------------------- */

int ext4_reserve(struct task *task, struct ext4_inode *inode, uint64_t first, uint64_t n_blocks);
/** ext4_unreserve() - give back what is reserved of a range */
void ext4_unreserve(struct ext4_inode *inode, uint64_t first, uint64_t n_blocks);
/** ext4_reserved_run() - whether the block is reserved, and for how many it is the same */
bool ext4_reserved_run(const struct ext4_inode *inode, uint64_t block, uint64_t *out_n);

/** ext4_is_reserved() - whether the block is reserved */
bool ext4_is_reserved(const struct ext4_inode *inode, uint64_t block);

/* ---- file.c, truncate.c ---------------------------------------------------------------------- */

int ext4_file_read(struct task *task, struct ext4_inode *inode, uint64_t offset, uint64_t length,
	const struct device_buffer *buffers, size_t n_buffers);
int ext4_file_write(struct task *task, struct ext4_inode *inode, uint64_t offset, uint64_t length,
	const struct device_buffer *buffers, size_t n_buffers);
int ext4_file_map(struct task *task, struct ext4_inode *inode, uint64_t offset,
	struct blockfs_extent *out_extent);

/** ext4_set_size() - cut the file or let it grow with a hole; its lock is held alone */
MUST_USE int ext4_set_size(struct task *task, struct ext4_inode *inode, uint64_t size);

/** ext4_allocate() - blockfs_ops.allocate; its lock is held alone */
MUST_USE int ext4_allocate(struct task *task, struct ext4_inode *inode,
	enum blockfs_allocate_mode mode, uint64_t offset, uint64_t length);

/** ext4_inode_last_put() - the last holder goes: free the inode if it has no links */
void ext4_inode_last_put(struct task *task, struct ext4_inode *inode);

/** ext4_inode_flush() - write an inode whose times or size are newer than the disk's */
MUST_USE int ext4_inode_flush(struct task *task, struct ext4_inode *inode);

/** ext4_max_size() - bytes that the file may have */
uint64_t ext4_max_size(const struct ext4_inode *inode);

/* ---- name.c, rename.c ------------------------------------------------------------------------ */

int ext4_make(struct task *task, struct ext4_inode *directory, struct blockfs_name name,
	const struct blockfs_create_options *options, struct ext4_inode **out_inode);
int ext4_make_unnamed(struct task *task, struct ext4_inode *directory,
	const struct blockfs_create_options *options, struct ext4_inode **out_inode);
/** ext4_make_in_handle() - an inode without a name, an orphan; to be put, also on failure */
MUST_USE int ext4_make_in_handle(struct handle *handle, struct ext4_inode *directory,
	const struct blockfs_create_options *options, struct ext4_inode **out_inode);

int ext4_link(struct task *task, struct ext4_inode *directory, struct blockfs_name name,
	struct ext4_inode *inode);
int ext4_unlink(struct task *task, struct ext4_inode *directory, struct blockfs_name name);
int ext4_remove_directory(
	struct task *task, struct ext4_inode *directory, struct blockfs_name name);
int ext4_rename(struct task *task, struct ext4_inode *from, struct blockfs_name from_name,
	struct ext4_inode *to, struct blockfs_name to_name,
	const struct blockfs_rename_options *options);

/** ext4_directory_lock() - have a directory alone to change it; an inline one leaves its inode */
MUST_USE int ext4_directory_lock(struct task *task, struct ext4_inode *directory);

/** ext4_links_change() - one more or less, as directories count: 1 stands for too many */
void ext4_links_change(struct ext4_inode *inode, int change);

/** ext4_check_name() - 0, or what is wrong with a name */
int ext4_check_name(struct blockfs_name name);

#endif

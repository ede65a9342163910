/* SPDX-License-Identifier: MIT */
/*
 * ext2, ext3 and ext4 inside: the objects, and who may touch what.
 *
 * Locks, in the order in which they are taken:
 *
 *   fs->rename_lock        one task that moves directories between directories at a time
 *   inode->lock            directories before what is in them; two directories: see rename.c.
 *                          Shared: lookups, reads, write-back. Alone: changes of a directory's
 *                          entries or attributes' place, and whatever takes blocks away.
 *   the journal            handle_begin() may wait for a commit, so it comes before ...
 *   inode->map_lock        the map from blocks of the file to blocks of the disk, for as long as it
 *                          is walked or changed; with it held nobody begins a handle
 *
 * Everything else lies between two waits of the one loop and needs no lock: fields of inodes and
 * counters of groups change in memory together with the buffers that say so. All handles that are
 * open at a time belong to the same transaction, so what is changed inside a handle is committed
 * with it.
 *
 * Nothing read from the disk is trusted: counts and offsets are checked where they are used, also
 * in blocks whose checksum is right, and each loop over on-disk data has a bound of its own.
 */
#ifndef BLOCKFS_EXT4_EXT4_H
#define BLOCKFS_EXT4_EXT4_H

#include <base/tree.h>
#include <drivers/lib/blockfs/blockfs.h>
#include <drivers/lib/blockfs/cache.h>
#include <drivers/lib/blockfs/ext4/format.h>
#include <drivers/lib/blockfs/ext4/journal/journal.h>
#include <drivers/lib/blockfs/lock.h>

/* What a block of metadata was found to be: how it is checked and sealed. */
enum ext4_kind {
	EXT4_KIND_NONE,
	EXT4_KIND_SUPER,
	EXT4_KIND_DESCRIPTORS,
	EXT4_KIND_BLOCK_BITMAP, /* seed: the group */
	EXT4_KIND_INODE_BITMAP, /* seed: the group */
	EXT4_KIND_INODE_TABLE,  /* each inode is sealed when it is written */
	EXT4_KIND_EXTENTS,      /* seed: the inode's; the same for the next two */
	EXT4_KIND_DIRECTORY,
	EXT4_KIND_ORPHANS,
	EXT4_KIND_XATTRS,
	EXT4_KIND_PLAIN,        /* no checksum: indirect blocks, symlinks, values of attributes */
};

#define EXT4_N_ORDERS 18 /* runs of 1, 2, ... 2^17 or more clear blocks in a group */

struct ext4_group {
	uint64_t block_bitmap;
	uint64_t inode_bitmap;
	uint64_t inode_table;
	uint32_t n_free_blocks;
	uint32_t n_free_inodes;
	uint32_t n_directories;
	uint32_t table_unused;
	uint32_t block_bitmap_sum;
	uint32_t inode_bitmap_sum;
	uint16_t flags;
	uint8_t order;     /* no run of free blocks is 2^(order + 1) or longer */
	bool is_bad;       /* its bitmaps contradict it: nothing is allocated there */
	struct list_node order_node; /* on fs->orders, unless it is full */
	struct tree busy;  /* of struct ext4_busy: free in the bitmap, but not to be taken */
	uint32_t n_busy;
};

/*
 * Blocks that the bitmap calls free but nobody may take: new ones of files, whose map and bitmap
 * change when the data are there, and freed ones, until what freed them is committed.
 */
struct ext4_busy {
	struct tree_node node;        /* in its group's tree */
	struct list_node freed_node;  /* on the transaction's list, if it was freed */
	uint32_t group;
	uint32_t first; /* in the group */
	uint32_t n_blocks;
};

struct ext4 {
	struct blockfs fs;
	struct loop *loop;
	struct device *device;
	struct blockfs_arena arena;
	struct cache cache;
	struct ext4_super_block super; /* as it will be written next */
	uint64_t super_block;          /* the block that holds it */

	/* geometry, immutable */
	uint32_t block_size;
	uint32_t block_bits;
	uint64_t n_blocks;
	uint32_t first_data_block;
	uint32_t blocks_per_group;
	uint32_t inodes_per_group;
	uint32_t n_inodes;
	uint32_t n_groups;
	uint32_t desc_size;
	uint32_t inode_size;
	uint32_t cluster_bits; /* blocks of a cluster, 2^this: 0 but with bigalloc */
	bool has_sums;      /* metadata_csum */
	bool has_gdt_sums;  /* uninit_bg */
	bool has_extents;
	uint32_t seed;      /* of metadata checksums */
	uint8_t hash_unsigned; /* what to add to a signed hash version: 0 or 3 */
	uint32_t max_file_blocks;
	uint64_t max_size_indirect; /* bytes that block pointers reach */

	struct ext4_group *groups;
	struct list orders[EXT4_N_ORDERS];
	uint64_t n_free_blocks;
	uint64_t n_busy_new;   /* blocks chosen for new data, free in the bitmaps */
	uint64_t n_busy_freed; /* freed, not committed */
	uint64_t n_reserved;   /* promised by reserve() */
	uint64_t n_reserved_for_root;
	uint64_t n_spare;      /* kept for maps of reserved blocks */
	uint32_t n_free_inodes;
	uint32_t next_directory_group;

	struct hash_table inodes;
	struct list unused_inodes; /* nobody's, kept for later, the longest unused first */
	uint32_t n_unused_inodes;
	struct list dirty_inodes;
	struct list orphans; /* of struct ext4_inode; the list on the disk has the same order */
	struct mutex orphan_lock;
	struct ext4_inode *orphan_file;
	struct mutex rename_lock;

	struct journal *journal; /* NULL: none */
	struct rwlock plain_lock; /* without one: handles share it, who writes has it alone */
	enum ext4_errors_policy on_error;
	enum blockfs_data_mode data_mode;
	bool must_not_write; /* whatever a remount asks for */
};

/* Reserved blocks of a file: an interval of its `reserved` tree. */
struct ext4_reserved {
	struct tree_node node;
	uint64_t first;
	uint64_t n_blocks;
};

struct ext4_inode {
	struct blockfs_node node;
	struct ext4 *fs;
	struct hash_node hash_node;
	struct list_node unused_node;
	uint32_t n_holders;
	uint32_t number;
	bool is_loading;
	int load_error;
	struct wait_queue loaded;
	struct rwlock lock;
	struct rwlock map_lock;

	uint16_t mode;
	uint32_t uid, gid, project;
	uint32_t n_links;
	uint64_t size;      /* as seen */
	uint64_t disk_size; /* as written: of `size`, what the data of reach */
	uint64_t n_sectors; /* of 512 bytes */
	uint32_t flags;
	uint32_t generation;
	uint64_t version;
	uint32_t dtime;
	uint64_t xattr_block;
	bool has_inode_xattrs; /* behind its fields: it may have some */
	uint16_t extra_isize;
	struct blockfs_time atime, mtime, ctime, crtime;
	uint8_t block[EXT4_INODE_BLOCK_SIZE] ALIGNED(8);
	uint32_t seed; /* of its checksums */

	bool is_dirty;        /* times or size differ from the disk; a handle will write them */
	struct list_node dirty_node; /* on fs->dirty_inodes */
	bool is_orphan;
	bool is_dead;         /* being freed: nobody finds it any more */
	struct list_node orphan_node;
	uint32_t orphan_slot; /* in the orphan file, UINT32_MAX: on the list */
	struct tree reserved;
	uint64_t n_reserved;
	uint64_t goal;        /* where its next block should be */
	uint64_t sync_id;     /* the transactions that a sync has to wait for */
	uint64_t datasync_id;
};

/* ---- features -------------------------------------------------------------------------------- */

static inline bool ext4_has_compat(const struct ext4 *fs, uint32_t feature)
{
	return (fs->super.compat & feature) != 0;
}

static inline bool ext4_has_incompat(const struct ext4 *fs, uint32_t feature)
{
	return (fs->super.incompat & feature) != 0;
}

static inline bool ext4_has_ro_compat(const struct ext4 *fs, uint32_t feature)
{
	return (fs->super.ro_compat & feature) != 0;
}

static inline struct ext4 *ext4_of(struct blockfs *fs)
{
	return container_of(fs, struct ext4, fs);
}

static inline struct ext4_inode *ext4_inode_of(struct blockfs_node *node)
{
	return container_of(node, struct ext4_inode, node);
}

/* ---- super.c: the superblock, errors --------------------------------------------------------- */

/** ext4_super_is_of_kind() - whether it has no feature that the kind lacks, and what it needs */
bool ext4_super_is_of_kind(const struct ext4 *fs, enum blockfs_ext_kind kind, bool is_read_only);
/** ext4_super_load() - read and check the superblock, fill in the geometry */
MUST_USE int ext4_super_load(struct task *task, struct ext4 *fs, bool *out_must_not_write);

/** ext4_super_write() - put fs->super into its buffer, as part of a handle */
MUST_USE int ext4_super_write(struct handle *handle, struct ext4 *fs);

/** ext4_super_seal() - make the checksum of a superblock true */
void ext4_super_seal(const struct ext4 *fs, struct ext4_super_block *super);

/** ext4_super_encode() - fs->super with fresh counters and checksum, into its block */
void ext4_super_encode(struct ext4 *fs, uint8_t *block_data);

/**
 * ext4_corrupt() - the disk contradicts itself: complain, and go on as errors= says
 * @what: format, as printf
 *
 * Return: BLOCKFS_E_CORRUPT.
 */
int ext4_corrupt(struct ext4 *fs, const char *what, ...) PRINTF_LIKE(2, 3);

/** ext4_fail() - an error that leaves a change half done: the file system stops writing */
void ext4_fail(struct ext4 *fs, int error, const char *where);

/* ---- block.c: reading, checking, sealing blocks ---------------------------------------------- */

/** ext4_read() - cache_read(), with the checks of the kind */
MUST_USE int ext4_read(struct task *task, struct ext4 *fs, uint64_t block, enum ext4_kind kind,
	uint32_t seed, struct buffer **out_buffer);

/**
 * ext4_create_block() - a zeroed buffer for a block that was just allocated, part of the handle
 */
MUST_USE int ext4_create_block(struct handle *handle, struct ext4 *fs, uint64_t block,
	enum ext4_kind kind, uint32_t seed, struct buffer **out_buffer);

/** ext4_seal() - make the checksum of a changed block true; the cache's and the journal's hook */
void ext4_seal(void *context, struct buffer *buffer);

/** ext4_is_data_block() - whether files may have the @n_blocks from @block */
bool ext4_is_data_block(const struct ext4 *fs, uint64_t block, uint64_t n_blocks);

/* ---- group.c: descriptors -------------------------------------------------------------------- */

/** ext4_groups_load() - read and check all descriptors */
MUST_USE int ext4_groups_load(struct task *task, struct ext4 *fs);

/** ext4_group_write() - put a group's descriptor into its block, as part of the handle */
MUST_USE int ext4_group_write(struct handle *handle, struct ext4 *fs, uint32_t group);

/** ext4_group_encode() - put a group's descriptor into the buffer of its block, which is held */
void ext4_group_encode(struct ext4 *fs, uint32_t group, uint8_t *block_data);

/** ext4_group_desc_block() - the block with the descriptor of a group */
uint64_t ext4_group_desc_block(const struct ext4 *fs, uint32_t group);

/** ext4_group_has_super() - whether a copy of the superblock begins the group */
bool ext4_group_has_super(const struct ext4 *fs, uint32_t group);

/** ext4_group_start() - its first block */
static inline uint64_t ext4_group_start(const struct ext4 *fs, uint32_t group)
{
	return fs->first_data_block + (uint64_t)group * fs->blocks_per_group;
}

/** ext4_group_size() - blocks of a group; the last one may be short */
static inline uint32_t ext4_group_size(const struct ext4 *fs, uint32_t group)
{
	return (uint32_t)min_u64(fs->blocks_per_group, fs->n_blocks - ext4_group_start(fs, group));
}

/** ext4_group_n_metadata() - blocks of copies of superblock and descriptors at a group's start */
uint32_t ext4_group_n_metadata(const struct ext4 *fs, uint32_t group);

/* ---- inode.c --------------------------------------------------------------------------------- */

/** ext4_inode_hold() - the inode of a number, loaded; to be put */
MUST_USE int ext4_inode_hold(
	struct task *task, struct ext4 *fs, uint32_t number, struct ext4_inode **out_inode);

/** ext4_inode_hold_internal() - the same for those that have no name: the journal, orphans */
MUST_USE int ext4_inode_hold_internal(
	struct task *task, struct ext4 *fs, uint32_t number, struct ext4_inode **out_inode);

/** ext4_inode_get() - hold a held inode once more */
struct ext4_inode *ext4_inode_get(struct ext4_inode *inode);

/** ext4_inode_put() - give back; the last holder of one without links frees it. Accepts NULL */
void ext4_inode_put(struct task *task, struct ext4_inode *inode);

/** ext4_inode_new() - an object for a number that was just allocated, held */
MUST_USE int ext4_inode_new(struct ext4 *fs, uint32_t number, struct ext4_inode **out_inode);

/** ext4_inode_buffer() - hold the block of the inode table with an inode */
MUST_USE int ext4_inode_buffer(struct task *task, struct ext4 *fs, uint32_t number,
	struct buffer **out_buffer, struct ext4_inode_disk **out_disk);

/** ext4_inode_write() - the inode's fields are part of the handle's transaction */
MUST_USE int ext4_inode_write(struct handle *handle, struct ext4_inode *inode);

/** ext4_inode_touch() - ctime (and mtime) become now; the caller writes the inode */
void ext4_inode_touch(struct ext4_inode *inode, bool is_modified);

/** ext4_inodes_init() - an empty table; 0 or -ERR_NO_MEMORY */
MUST_USE int ext4_inodes_init(struct ext4 *fs);

/** ext4_inode_set_dirty() - times or size are newer than the disk's; ext4_inode_flush() */
void ext4_inode_set_dirty(struct ext4_inode *inode);

/** ext4_inodes_drop() - forget all that nobody holds; at the end of the file system */
void ext4_inodes_drop(struct ext4 *fs);

/** EXT4_INODE_AUTO would need a task; ext4_type_of() - EXT4_S_IFDIR and so on */
static inline uint32_t ext4_type_of(const struct ext4_inode *inode)
{
	return inode->mode & EXT4_S_IFMT;
}

static inline bool ext4_is_directory(const struct ext4_inode *inode)
{
	return ext4_type_of(inode) == EXT4_S_IFDIR;
}

static inline bool ext4_has_flag(const struct ext4_inode *inode, uint32_t flag)
{
	return (inode->flags & flag) != 0;
}

/** ext4_is_fast_symlink() - whether the target is in the inode */
bool ext4_is_fast_symlink(const struct ext4_inode *inode);

/** ext4_n_file_blocks() - blocks that hold the size */
static inline uint64_t ext4_n_file_blocks(const struct ext4_inode *inode)
{
	return div_round_up(inode->size, inode->fs->block_size);
}

/* ---- map.c, extent.c, indirect.c: where the blocks of a file are ----------------------------- */

struct ext4_mapping {
	enum blockfs_extent_kind kind; /* HOLE, DATA or UNWRITTEN */
	uint64_t n_blocks; /* that are alike; at least 1 */
	uint64_t place; /* the first block on the disk, unless a hole */
};

/** ext4_map() - what is at a block of the file; map_lock is held */
MUST_USE int ext4_map(struct task *task, struct ext4_inode *inode, uint64_t block,
	struct ext4_mapping *out_mapping);

/** ext4_map_locked() - ext4_map() with map_lock taken and given back */
MUST_USE int ext4_map_shared(struct task *task, struct ext4_inode *inode, uint64_t block,
	struct ext4_mapping *out_mapping);

int ext4_extent_map(struct task *task, struct ext4_inode *inode, uint64_t block,
	struct ext4_mapping *out_mapping);
int ext4_indirect_map(struct task *task, struct ext4_inode *inode, uint64_t block,
	struct ext4_mapping *out_mapping);

/** ext4_extent_check() - whether a node of an extent tree makes sense */
bool ext4_extent_check(const struct ext4 *fs, const struct ext4_extent_header *header,
	uint32_t n_max, uint32_t depth);

/** ext4_file_block() - read a block of a directory or other metadata file; CORRUPT for a hole */
MUST_USE int ext4_file_block(struct task *task, struct ext4_inode *inode, uint64_t block,
	enum ext4_kind kind, struct buffer **out_buffer);

/* ---- hash.c ---------------------------------------------------------------------------------- */

/** ext4_journals_data() - whether contents of this file go through the journal */
bool ext4_journals_data(const struct ext4_inode *inode);

struct ext4_hash {
	uint32_t major; /* even */
	uint32_t minor;
};

/** ext4_hash_name() - the place of a name in an indexed directory; false: unknown version */
bool ext4_hash_name(const uint32_t seed[4], uint8_t version, const char *name, size_t length,
	struct ext4_hash *out_hash);

/* ---- directory.c, index.c, inline.c ---------------------------------------------------------- */

/* A found entry: its block is held, or it is in the inode. */
struct ext4_found {
	struct buffer *buffer; /* NULL: inline */
	uint8_t *area; /* where the entries of the block begin */
	size_t area_size;
	uint32_t offset; /* of the entry in the area */
	uint32_t previous; /* of the one before it, UINT32_MAX: none */
	uint32_t number;
	uint8_t type;
};

/** ext4_directory_find() - look a name up; -ERR_NOT_FOUND. The lock is held. */
MUST_USE int ext4_directory_find(struct task *task, struct ext4_inode *directory,
	struct blockfs_name name, struct ext4_found *out_found);

/** ext4_directory_read() - blockfs_ops.read_directory; the lock is held */
MUST_USE int ext4_directory_read(struct task *task, struct ext4_inode *directory, uint64_t cookie,
	blockfs_emit_fn emit, void *context);

/** ext4_directory_parent() - the number in ".." */
MUST_USE int ext4_directory_parent(
	struct task *task, struct ext4_inode *directory, uint32_t *out_number);

/** ext4_directory_is_empty() - 0, BLOCKFS_E_NOT_EMPTY or an error */
MUST_USE int ext4_directory_is_empty(struct task *task, struct ext4_inode *directory);

/** ext4_entry_at() - the entry at an offset of an area, or NULL if it does not make sense */
struct ext4_entry *ext4_entry_at(uint8_t *area, size_t area_size, size_t offset);

/** ext4_entry_size() - bytes that an entry with such a name needs */
static inline uint32_t ext4_entry_size(size_t name_length)
{
	return (uint32_t)align_up(EXT4_ENTRY_HEADER + name_length, 4);
}

/** ext4_area_find() - look a name up in entries; 0, -ERR_NOT_FOUND, BLOCKFS_E_CORRUPT */
int ext4_area_find(
	uint8_t *area, size_t area_size, struct blockfs_name name, struct ext4_found *out_found);

/** ext4_directory_area() - bytes of a leaf block for entries: without the checksum's tail */
size_t ext4_directory_area(const struct ext4 *fs);

/** ext4_is_indexed() - whether the directory has an index that is used */
bool ext4_is_indexed(const struct ext4_inode *directory);

/* One step down an index. */
struct ext4_index_level {
	struct buffer *buffer;
	struct ext4_index_entry *entries; /* entries[0] holds limit and count */
	uint32_t count;
	uint32_t limit;
	uint32_t slot;
};

#define EXT4_INDEX_LEVELS_MAX 4 /* the root and three below, with large_dir */

struct ext4_index_path {
	struct ext4_index_level levels[EXT4_INDEX_LEVELS_MAX];
	uint32_t n_levels;
	uint8_t hash_version;
};

/** ext4_index_descend() - go down to where a hash is; the path is to be released */
MUST_USE int ext4_index_descend(struct task *task, struct ext4_inode *directory, uint32_t hash,
	struct ext4_index_path *out_path);

/** ext4_index_open() - read the root of an index: its hash version */
MUST_USE int ext4_index_version(
	struct task *task, struct ext4_inode *directory, uint8_t *out_version);

/** ext4_index_next() - step to the next leaf; END if there is none. @out_hash: its first hash */
MUST_USE int ext4_index_next(struct task *task, struct ext4_inode *directory,
	struct ext4_index_path *path, uint32_t *out_hash);

/** ext4_index_leaf() - the block of the directory that the path leads to */
uint32_t ext4_index_leaf(const struct ext4_index_path *path);

/** ext4_index_release() - put the path's buffers */
void ext4_index_release(struct ext4_index_path *path);

/* ---- xattr.c --------------------------------------------------------------------------------- */

/** ext4_xattr_get() - the value of an attribute */
MUST_USE int ext4_xattr_get(struct task *task, struct ext4_inode *inode, uint8_t index,
	struct blockfs_name name, void *out_value, size_t size, size_t *out_size);

/** ext4_xattr_list() - blockfs_ops.list_xattrs */
MUST_USE int ext4_xattr_list(struct task *task, struct ext4_inode *inode, char *out_names,
	size_t size, size_t *out_size);

/** ext4_xattr_split() - "user.x" into index and rest; false: no such name space */
bool ext4_xattr_split(struct blockfs_name name, uint8_t *out_index, struct blockfs_name *out_rest);

/* ---- inline.c: contents inside the inode ----------------------------------------------------- */

/** ext4_inline_read() - the contents, up to @size bytes; @out_size: how many there are */
MUST_USE int ext4_inline_read(struct task *task, struct ext4_inode *inode, uint8_t *out_data,
	size_t size, size_t *out_size);

/** EXT4_INLINE_MAX - no inode holds more: 60 bytes, and an attribute in an inode of a block */
#define EXT4_INLINE_MAX (60 + 4096)

#endif

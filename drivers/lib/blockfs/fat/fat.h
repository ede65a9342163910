/* SPDX-License-Identifier: MIT */
/*
 * FAT12, FAT16 and FAT32 with long names.
 *
 * A FAT file system is a table with an entry for each cluster (free, the next one of the file, or
 * the end), and directories, whose 32-byte *slots* hold names, sizes and first clusters. There are
 * no inodes and no journal. What makes it keep its order when the power goes is the order in which
 * a *batch* of changes is written; see commit.c. For that, changes are made in memory so:
 *
 * - Entries of the table that make a chain longer go into the buffers of the table at once: a chain
 *   that is longer than its file is harmless. Where the link from the old end is in another sector
 *   than the new clusters, it is noted as a *link*, and written when they are durable.
 * - Directories are changed in their buffers. They are written after the table and the data.
 * - What takes clusters away (removed files, cut ones) is only noted: `dead_inodes`, `cut_inodes`.
 *   The commit does it last, and only then can the clusters be used again. So a file that was cut
 *   in the middle must not be made longer before the next commit.
 * - An entry that has moved from one sector to another is noted as a *hold*: its new place is
 *   written when the old one is durable.
 *
 * An inode is what a slot says, in memory. It holds its parent, so paths need no look-ups and a
 * directory that is its own ancestor is found. A directory has an index of its names (index.c).
 *
 * Locks, in this order: `rename_lock`; `inode->lock`, a parent before its child; `batch_lock`,
 * shared by changes, alone for the commit (fat_begin(), fat_commit()).
 */
#ifndef BLOCKFS_FAT_FAT_H
#define BLOCKFS_FAT_FAT_H

#include <base/hash-table.h>
#include <drivers/lib/blockfs/blockfs.h>
#include <drivers/lib/blockfs/cache.h>
#include <drivers/lib/blockfs/fat/format.h>
#include <drivers/lib/blockfs/lock.h>

#define FAT_NODE_ROOT    1u
#define FAT_SCRATCH_SIZE KIB(64)
#define FAT_SIZE_MAX     UINT32_MAX
#define FAT_KEPT_MAX     16u
#define FAT_END          UINT32_MAX /* of a chain */

struct fat_options {
	uint32_t uid, gid;
	uint32_t file_mask, directory_mask;
	bool is_quiet; /* chown and chmod that cannot be kept say nothing */
};

/* Consecutive clusters of a file. */
struct fat_run {
	uint32_t first; /* in the file */
	uint32_t cluster;
	uint32_t n_clusters;
};

/*
 * What is known of a chain: its first n_known clusters have been walked. Runs are in order; when
 * there are too many, every second one is dropped, and what is between is walked again.
 */
struct fat_chain {
	struct fat_run *runs;
	size_t n_runs, n_runs_max;
	uint32_t stride; /* a new run begins at least so far behind the last one */
	uint32_t n_known;
	uint32_t tail; /* the cluster n_known - 1 */
	bool is_whole; /* n_known is all there is */
};

struct fat_index;

struct fat_inode {
	struct blockfs_node node;
	struct fat *fs;
	uint32_t n_holders;
	struct fat_inode *parent; /* held; NULL: the root */
	uint32_t slot;            /* of the short name, in the parent */
	uint8_t attributes;
	bool is_removed;
	uint32_t start; /* 0: no clusters, or the fixed root */
	uint64_t size;
	uint64_t disk_size; /* so much has arrived on the disk; what is behind reads as zeros */
	uint32_t n_clusters; /* of a file */
	uint32_t n_reserved; /* clusters that were promised */
	struct blockfs_time atime, mtime, birth;
	uint64_t batch;        /* in which its name was made */
	uint64_t growth_batch; /* in which its chain became longer */
	struct rwlock lock;
	struct fat_chain chain;
	struct fat_index *index; /* of a directory */

	/* A part, or all of what was before, goes with the next commit; on `cut_inodes` then. */
	bool is_cut;
	uint32_t cut_first; /* the first cluster that goes */
	uint32_t cut_after; /* the last one that stays; 0: none */
	uint32_t n_cut;

	struct hash_node place_node, number_node, start_node;
	struct list_node unused_node, dirty_node, cut_node, dead_node;
	bool is_placed, is_numbered, is_started; /* in which tables it is */
};

/* A slot that is written late, and what is there until then. */
struct fat_hold {
	struct list_node node;
	uint64_t block;
	uint32_t offset;
	bool is_early; /* of a moved directory's "..": behind the removals, before the rest */
	uint8_t before[FAT_SLOT_SIZE];
};

/* A cluster that was the last of a chain on the disk: what follows it is written late. */
struct fat_link {
	struct list_node node;
	uint32_t cluster;
};

struct fat {
	struct blockfs fs;
	struct loop *loop;
	struct device *device;
	struct blockfs_arena scratch; /* FAT_SCRATCH_SIZE; the commit's, or the mount's */
	struct cache cache;           /* its blocks are sectors */
	struct fat_options options;
	enum blockfs_on_error on_error;
	bool must_not_write;
	bool was_dirty;

	/* geometry, immutable */
	uint32_t sector_size, sector_bits;
	uint32_t cluster_size, cluster_bits, cluster_sectors;
	uint32_t bits; /* 12, 16, 32 */
	uint32_t n_fats, active_fat;
	bool is_mirrored;
	uint64_t fat_start, fat_sectors; /* sectors */
	uint64_t root_start;
	uint32_t root_slots;   /* of the fixed root, 0: it is a chain */
	uint32_t root_cluster;
	uint64_t data_start;
	uint64_t n_sectors;
	uint32_t n_clusters; /* their numbers begin at 2 */
	uint32_t info_sector; /* 0: none */
	uint32_t id;

	/* clusters */
	uint64_t *used; /* a bit for each cluster number */
	uint32_t n_free, n_reserved;
	uint32_t n_going; /* that the commit will free */
	uint32_t next;    /* where to look next */
	uint32_t kept[FAT_KEPT_MAX]; /* FAT12: those with entries in two sectors are used last */
	uint32_t n_kept;
	uint32_t info_free, info_next; /* what the info sector says */

	/* inodes */
	struct hash_table places, numbers, starts;
	struct list unused;
	uint32_t n_unused;
	uint32_t n_removed; /* held, without a name */
	uint64_t next_number;
	struct fat_inode *root; /* held */

	/* the batch */
	uint64_t batch;
	struct list dirty_inodes; /* each is held */
	struct list cut_inodes;   /* each is held */
	struct list dead_inodes;  /* nobody's */
	struct list holds;        /* the newest first */
	struct list links;
	size_t n_holds, n_links;
	bool must_flush; /* before the table: clusters of directories were zeroed */
	bool has_data;   /* contents were written */
	struct mutex rename_lock;
	struct rwlock batch_lock;
};

static inline struct fat *fat_of(struct blockfs *fs)
{
	return container_of(fs, struct fat, fs);
}

static inline struct fat_inode *fat_inode_of(struct blockfs_node *node)
{
	return container_of(node, struct fat_inode, node);
}

static inline bool fat_is_directory(const struct fat_inode *inode)
{
	return (inode->attributes & FAT_ATTR_DIRECTORY) != 0;
}

static inline bool fat_is_cluster(const struct fat *fs, uint32_t cluster)
{
	return cluster >= FAT_FIRST_CLUSTER && cluster - FAT_FIRST_CLUSTER < fs->n_clusters;
}

static inline uint64_t fat_cluster_sector(const struct fat *fs, uint32_t cluster)
{
	return fs->data_start + (uint64_t)(cluster - FAT_FIRST_CLUSTER) * fs->cluster_sectors;
}

static inline uint32_t fat_clusters_of(const struct fat *fs, uint64_t size)
{
	return (uint32_t)((size + fs->cluster_size - 1) >> fs->cluster_bits);
}

/* ---- mount.c, boot.c, options.c -------------------------------------------------------------- */

/** fat_corrupt() - complain, and stop writing if so configured; BLOCKFS_E_CORRUPT */
MUST_USE int fat_corrupt(struct fat *fs, const char *what, ...) PRINTF_LIKE(2, 3);

/** fat_fail() - stop writing */
void fat_fail(struct fat *fs, int error, const char *where);

/** fat_boot_load() - read the geometry; 0, BLOCKFS_E_NOT_THIS, _UNSUPPORTED, _CORRUPT, -ERR_X */
MUST_USE int fat_boot_load(struct task *task, struct fat *fs);

/** fat_boot_set_dirty() - say on the disk whether it is in use */
MUST_USE int fat_boot_set_dirty(struct task *task, struct fat *fs, bool is_dirty);

/** fat_info_write() - tell the info sector how much is free */
MUST_USE int fat_info_write(struct task *task, struct fat *fs);

/** fat_options_parse() - false: one is unknown */
MUST_USE bool fat_options_parse(struct blockfs_name text, struct fat_options *out_options);

int fat_sync(struct task *task, struct blockfs *blockfs);
int fat_tick(struct task *task, struct blockfs *blockfs);
int fat_remount(struct task *task, struct blockfs *blockfs, bool is_read_only);
int fat_unmount(struct task *task, struct blockfs *blockfs);

extern const struct blockfs_ops fat_ops; /* ops.c */

/* ---- table.c --------------------------------------------------------------------------------- */

/** fat_table_load() - count what is free */
MUST_USE int fat_table_load(struct task *task, struct fat *fs);

/** fat_next() - the cluster behind a cluster, or FAT_END; BLOCKFS_E_CORRUPT if it is neither */
MUST_USE int fat_next(struct task *task, struct fat *fs, uint32_t cluster, uint32_t *out_next);

/** fat_set() - set an entry: a cluster, FAT_END, or 0; in a change or in the commit */
MUST_USE int fat_set(struct task *task, struct fat *fs, uint32_t cluster, uint32_t value);

/** fat_is_used() - whether a cluster is not free */
bool fat_is_used(const struct fat *fs, uint32_t cluster);

/**
 * fat_choose() - take free clusters, in memory
 * @goal: would be best
 * @n_wanted: at most
 *
 * Return: how many, from *out_first on; 0: none is free.
 */
uint32_t fat_choose(struct fat *fs, uint32_t goal, uint32_t n_wanted, uint32_t *out_first);

/** fat_unchoose() - give clusters back, in memory */
void fat_unchoose(struct fat *fs, uint32_t first, uint32_t n_clusters);

/** fat_set_link() - as fat_set(), for the last cluster of a chain that the disk may have */
MUST_USE int fat_set_link(struct task *task, struct fat *fs, uint32_t cluster, uint32_t next);

/** fat_mask_links() - let a sector of the table have ends where links are held */
void fat_mask_links(const struct fat *fs, uint64_t block, uint8_t *data);

/** fat_free_chain() - free a chain, in the commit; writes what gets too much */
MUST_USE int fat_free_chain(struct task *task, struct fat *fs, uint32_t first);

/* ---- chain.c --------------------------------------------------------------------------------- */

/** fat_chain_drop() - forget what is known */
void fat_chain_drop(struct fat_chain *chain);

/**
 * fat_chain_find() - where a cluster of a file is
 * @out_run: from @index on, as far as is known
 *
 * Return: 0, BLOCKFS_E_END, BLOCKFS_E_CORRUPT, -ERR_X.
 */
MUST_USE int fat_chain_find(
	struct task *task, struct fat_inode *inode, uint32_t index, struct fat_run *out_run);

/** fat_chain_walk() - walk to the end, but not further than @n_max clusters */
MUST_USE int fat_chain_walk(struct task *task, struct fat_inode *inode, uint32_t n_max);

/** fat_chain_cut() - the chain has only @n_clusters, the last of which is @tail */
void fat_chain_cut(struct fat_inode *inode, uint32_t n_clusters, uint32_t tail);

/** fat_chain_extend() - append clusters that were chosen: links and chain; in a change */
MUST_USE int fat_chain_extend(
	struct task *task, struct fat_inode *inode, uint32_t cluster, uint32_t n_clusters);

/* ---- commit.c -------------------------------------------------------------------------------- */

struct fat_change {
	struct task *task;
	struct fat *fs;
	struct scope shield;
};

/**
 * fat_begin() - begin a change; it cannot be cancelled from then on
 *
 * Not inside another one. Return: 0, BLOCKFS_E_READ_ONLY, _ABORTED, -ERR_X.
 */
MUST_USE int fat_begin(struct task *task, struct fat *fs, struct fat_change *out_change);

/** fat_end() - end a change */
void fat_end(struct fat_change *change);

/** fat_commit() - write the batch and make it durable; not in a change */
MUST_USE int fat_commit(struct task *task, struct fat *fs);

/** fat_commit_last() - the same, and say on the disk that it is in order; read-only from then on */
MUST_USE int fat_commit_last(struct task *task, struct fat *fs);

/** fat_write_table() - write the dirty buffers of the table, to all copies; in the commit */
MUST_USE int fat_write_table(struct task *task, struct fat *fs);

/** fat_drop_batch() - forget everything that was not written */
void fat_drop_batch(struct task *task, struct fat *fs);

/* ---- inode.c --------------------------------------------------------------------------------- */

MUST_USE int fat_inodes_init(struct fat *fs);
void fat_inodes_deinit(struct fat *fs);

/** fat_inode_root() - make the root */
MUST_USE int fat_inode_root(struct task *task, struct fat *fs);

/** fat_inode_hold() - the inode of a slot, made from @slot_data if need be */
MUST_USE int fat_inode_hold(struct task *task, struct fat_inode *parent, uint32_t slot,
	const struct fat_slot *slot_data, struct fat_inode **out_inode);

/** fat_inode_number() - the number that fat_inode_hold()'s would have */
uint64_t fat_inode_number(struct fat_inode *parent, uint32_t slot);

/** fat_inode_find() - the inode with a number, if it is in memory; held */
struct fat_inode *fat_inode_find(struct fat *fs, uint64_t number);

/** fat_inode_get() - hold it once more */
struct fat_inode *fat_inode_get(struct fat_inode *inode);

/** fat_inode_put() - accepts NULL; not in a change */
void fat_inode_put(struct task *task, struct fat_inode *inode);

/** fat_inode_unhold() - as fat_inode_put(), but does not wait for what has not arrived */
void fat_inode_unhold(struct fat_inode *inode);

/** fat_inode_put_held() - one that somebody else holds, too */
void fat_inode_put_held(struct fat_inode *inode);

/** fat_inode_move() - it has another place; @parent is held by it from then on */
void fat_inode_move(struct fat_inode *inode, struct fat_inode *parent, uint32_t slot);

/** fat_inode_set_removed() - it has no name any more */
void fat_inode_set_removed(struct fat_inode *inode);

/** fat_inode_set_dirty() - its slot has to be written */
void fat_inode_set_dirty(struct fat_inode *inode);

/** fat_inode_encode() - put its fields into its slot */
void fat_inode_encode(const struct fat_inode *inode, struct fat_slot *slot);

/** fat_inode_touch() - mtime becomes now */
void fat_inode_touch(struct fat_inode *inode);

/** fat_inode_destroy_dead() - the commit has freed its clusters */
void fat_inode_destroy_dead(struct fat_inode *inode);

/** fat_inodes_trim() - destroy unused ones */
void fat_inodes_trim(struct fat *fs, uint32_t n_left);

/* ---- time.c ---------------------------------------------------------------------------------- */

/** fat_time_decode() - 0 of a date is the epoch of FAT */
struct blockfs_time fat_time_decode(uint16_t date, uint16_t time, uint8_t centiseconds);

/** fat_time_encode() - @out_time, @out_centiseconds may be NULL */
void fat_time_encode(
	struct blockfs_time from, uint8_t *out_date, uint8_t *out_time, uint8_t *out_centiseconds);

/* ---- name.c ---------------------------------------------------------------------------------- */

/** fat_name_encode() - UTF-8 to UTF-16; -ERR_ILLEGAL_ARGS, BLOCKFS_E_NAME_TOO_LONG */
MUST_USE int fat_name_encode(struct blockfs_name name, uint16_t *out_units, size_t *out_n_units);

/** fat_short_decode() - a short name as it is shown; up to 40 bytes, 0 if it is no name */
size_t fat_short_decode(const struct fat_slot *slot, char *out_name);

/** fat_short_sum() - what the parts of a long name have of the short one */
uint8_t fat_short_sum(const uint8_t *name);

enum fat_short_kind {
	FAT_SHORT_EXACT, /* says it all: no long name is needed */
	FAT_SHORT_CASE, /* but for the case */
	FAT_SHORT_LOSSY, /* needs a number */
};

/** fat_short_make() - the short name for a long one, without a number */
enum fat_short_kind fat_short_make(
	const uint16_t *units, size_t n_units, uint8_t *out_name, size_t *out_base_length);

/** fat_short_number() - put "~" and a number into it; from 10 on with a random part */
void fat_short_number(uint8_t *name, size_t base_length, uint32_t number, uint32_t random);

/** fat_name_trim() - without the dots at its end */
struct blockfs_name fat_name_trim(struct blockfs_name name);

/** fat_name_equals() - as users compare names */
bool fat_name_equals(struct blockfs_name a, struct blockfs_name b);

/** fat_name_hash() - the same for names that are equal so */
uint32_t fat_name_hash(struct blockfs_name name);

/* ---- directory.c, index.c, directory-change.c ------------------------------------------------ */

/* An entry: slots first_slot to slot. */
struct fat_entry {
	uint32_t slot, first_slot;
	struct fat_slot data;
	bool has_long;
	size_t length, short_length;
	char name[BLOCKFS_NAME_MAX + 1];
	char short_name[40];
};

/** fat_slot_hold() - the buffer with a slot; BLOCKFS_E_END behind the last one */
MUST_USE int fat_slot_hold(struct task *task, struct fat_inode *directory, uint32_t slot,
	struct buffer **out_buffer, struct fat_slot **out_slot);

/** fat_entry_read() - the entry whose short name is in a slot; -ERR_NOT_FOUND: there is none */
MUST_USE int fat_entry_read(
	struct task *task, struct fat_inode *directory, uint32_t slot, struct fat_entry *out_entry);

/** fat_entry_find() - by a name; the directory is locked */
MUST_USE int fat_entry_find(struct task *task, struct fat_inode *directory,
	struct blockfs_name name, struct fat_entry *out_entry);

/** fat_directory_list() - as read_directory() */
MUST_USE int fat_directory_list(struct task *task, struct fat_inode *directory, uint64_t cookie,
	blockfs_emit_fn emit, void *context);

/** fat_index_load() - look at a whole directory, once */
MUST_USE int fat_index_load(struct task *task, struct fat_inode *directory);
void fat_index_destroy(struct fat_index *index);
uint32_t fat_index_n_entries(const struct fat_inode *directory);
uint32_t fat_index_n_directories(const struct fat_inode *directory);

/** fat_index_walk() - slots that may have a name with this hash, until false; *at begins as 0 */
bool fat_index_walk(
	const struct fat_inode *directory, uint32_t hash, uint32_t *at, uint32_t *out_slot);

/** fat_index_add() - an entry is new; -ERR_NO_MEMORY changes nothing */
MUST_USE int fat_index_add(struct fat_inode *directory, const struct fat_entry *entry);
void fat_index_remove(struct fat_inode *directory, const struct fat_entry *entry);

/** fat_index_find_room() - @n_slots free slots, in one sector if possible; false: none */
bool fat_index_find_room(const struct fat_inode *directory, uint32_t n_slots, uint32_t *out_slot);

/** fat_index_grow() - the directory has more slots; -ERR_NO_MEMORY */
MUST_USE int fat_index_grow(struct fat_inode *directory, uint32_t n_slots);
uint32_t fat_index_n_slots(const struct fat_inode *directory);

/** fat_directory_make_room() - let there be room for an entry of @n_slots; in a change */
MUST_USE int fat_directory_make_room(
	struct task *task, struct fat_inode *directory, uint32_t n_slots);

/* A name that is to be made. */
struct fat_new_name {
	uint16_t units[FAT_LONG_MAX + 5];
	size_t n_units;
	uint8_t short_name[FAT_SHORT_SIZE];
	uint32_t n_slots;
};

/** fat_new_name() - choose the short name of a name that is free */
MUST_USE int fat_new_name(struct task *task, struct fat_inode *directory, struct blockfs_name name,
	struct fat_new_name *out_name);

/**
 * fat_entry_add() - write slots, in a change; there is room (fat_directory_make_room())
 * @data: of the short slot, but for the name
 * @is_moved: it had a place that is still on the disk
 * @out_entry: where it is
 */
MUST_USE int fat_entry_add(struct task *task, struct fat_inode *directory,
	const struct fat_new_name *name, const struct fat_slot *data, bool is_moved,
	struct fat_entry *out_entry);

/** fat_entry_remove() - free the slots of an entry, in a change */
MUST_USE int fat_entry_remove(
	struct task *task, struct fat_inode *directory, const struct fat_entry *entry);

/** fat_hold_slot() - let the commit write a slot late; @before: what is there until then */
MUST_USE int fat_hold_slot(struct fat *fs, struct buffer *buffer, const void *slot,
	const struct fat_slot *before, bool is_early);

/** fat_directory_init() - the first cluster of a new directory, on the disk; in a change */
MUST_USE int fat_directory_init(
	struct task *task, struct fat_inode *parent, uint32_t cluster, const struct fat_slot *data);

/** fat_zero_cluster() - zeros on the disk and in the cache: a cluster that becomes a directory's */
MUST_USE int fat_zero_cluster(struct task *task, struct fat *fs, uint32_t cluster);

/** fat_directory_forget() - its clusters are not a directory's any more */
void fat_directory_forget(struct fat_inode *directory);

/** fat_mark() - a buffer has changed; in a change */
void fat_mark(struct buffer *buffer, uint8_t kind);

/* Buffers with holds or links have this `seed`: they are written in stages. */
#define FAT_SEED_STAGED 1u

#define FAT_KIND_TABLE     1u
#define FAT_KIND_DIRECTORY 2u

/* ---- file.c, resize.c ------------------------------------------------------------------------ */

MUST_USE int fat_file_read(struct task *task, struct fat_inode *inode, uint64_t offset,
	uint64_t length, const struct device_buffer *buffers, size_t n_buffers);
MUST_USE int fat_file_write(struct task *task, struct fat_inode *inode, uint64_t offset,
	uint64_t length, const struct device_buffer *buffers, size_t n_buffers);
MUST_USE int fat_file_map(struct task *task, struct fat_inode *inode, uint64_t offset,
	struct blockfs_extent *out_extent);

/** fat_zero_sectors() - write zeros */
MUST_USE int fat_zero_sectors(
	struct task *task, struct fat *fs, uint64_t sector, uint64_t n_sectors);

/** fat_set_size() - cut a file or let it grow, with zeros on the disk; locked alone */
MUST_USE int fat_set_size(struct task *task, struct fat_inode *inode, uint64_t size);

/** fat_settle() - let the size on the disk be the file's; takes its lock */
MUST_USE int fat_settle(struct task *task, struct fat_inode *inode);

/** fat_extend_clusters() - let a file have so many clusters; locked alone */
MUST_USE int fat_extend_clusters(struct task *task, struct fat_inode *inode, uint32_t n_clusters);

/** fat_zero_range() - zeros on the disk, in clusters that the file has; locked alone */
MUST_USE int fat_zero_range(struct task *task, struct fat_inode *inode, uint64_t from, uint64_t to);

/** fat_reserve() - promise clusters up to @end; fat_unreserve() takes back what is too much */
MUST_USE int fat_reserve(struct task *task, struct fat_inode *inode, uint64_t end);
void fat_unreserve(struct fat_inode *inode);

/* ---- change.c, rename.c ---------------------------------------------------------------------- */

MUST_USE int fat_make(struct task *task, struct fat_inode *directory, struct blockfs_name name,
	uint32_t mode, struct fat_inode **out_inode);
MUST_USE int fat_remove(struct task *task, struct fat_inode *directory, struct blockfs_name name,
	bool is_directory);
MUST_USE int fat_rename(struct task *task, struct fat_inode *from, struct blockfs_name from_name,
	struct fat_inode *to, struct blockfs_name to_name, uint32_t flags);

/** fat_lock_directory() - alone; -ERR_NOT_FOUND if it was removed */
MUST_USE int fat_lock_directory(struct task *task, struct fat_inode *directory);

#endif

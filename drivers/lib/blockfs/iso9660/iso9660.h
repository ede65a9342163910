/* SPDX-License-Identifier: MIT */
/*
 * ISO 9660, read-only, with Rock Ridge or Joliet.
 *
 * A directory is an extent full of records; a record says where a file's contents are, and is all
 * there is of an inode. Rock Ridge puts what Linux knows into the records' system use fields
 * (rock.c). Joliet is a second tree with names in UTF-16. Rock Ridge is preferred.
 *
 * A node is known by the position of its record in bytes: of a directory, by that of its ".". It
 * holds its parent, and a directory that is found in two places is a corrupt disk, so no tree is
 * infinite. Nothing changes, so there are no locks.
 */
#ifndef BLOCKFS_ISO9660_ISO9660_H
#define BLOCKFS_ISO9660_ISO9660_H

#include <base/hash-table.h>
#include <drivers/lib/blockfs/blockfs.h>
#include <drivers/lib/blockfs/cache.h>
#include <drivers/lib/blockfs/iso9660/format.h>

#define ISO_TARGET_MAX   4095u
#define ISO_SECTIONS_MAX 256u
#define ISO_MODE_UNSET   UINT32_MAX

enum iso_names { ISO_NAMES_PLAIN, ISO_NAMES_JOLIET, ISO_NAMES_ROCK };

struct iso_options {
	bool skips_rock, skips_joliet;
	bool has_uid, has_gid;
	uint32_t uid, gid;
	uint32_t file_mode, directory_mode; /* without Rock Ridge; or ISO_MODE_UNSET */
};

/* A part of a file's contents, bytes. */
struct iso_section {
	uint64_t place;
	uint64_t size;
};

/* What Rock Ridge says in one record. */
struct iso_rock {
	bool has_attributes; /* PX */
	uint32_t mode, n_links, uid, gid;
	uint64_t device_number;
	bool has_time[4]; /* birth, mtime, atime, ctime */
	struct blockfs_time times[4];
	bool has_child; /* CL: the directory is elsewhere */
	uint32_t child_block;
	bool is_relocated; /* RE: hidden, reached by a CL */
	size_t name_length;
	char name[BLOCKFS_NAME_MAX + 1];
	char *target; /* room for ISO_TARGET_MAX bytes, or NULL: only the length is wanted */
	size_t target_length;
	bool has_target;
	bool adds_to_component; /* the next component of the target continues the last one */
};

/* A record that was read. */
struct iso_entry {
	uint64_t position;      /* bytes, on the disk */
	uint64_t next_position; /* of what comes behind it and its further sections */
	struct iso_record record;
	uint8_t rest[ISO_RECORD_MAX]; /* name and system use */
	size_t name_length;
	char name[BLOCKFS_NAME_MAX + 1];
	bool is_hidden; /* "." and "..", associated, relocated, or without a name */
	struct iso_rock rock;
	size_t n_sections;
	struct iso_section sections[ISO_SECTIONS_MAX];
};

struct iso_inode {
	struct blockfs_node node;
	struct iso *fs;
	uint32_t n_holders;
	struct iso_inode *parent; /* held; NULL: the root */
	uint64_t record; /* its position: for a symlink's target */
	struct blockfs_attributes attributes;
	struct iso_section *sections;
	size_t n_sections;
	struct hash_node hash_node;
	struct list_node unused_node;
};

struct iso {
	struct blockfs fs;
	struct loop *loop;
	struct device *device;
	struct cache cache; /* its blocks are sectors */
	struct iso_options options;
	enum iso_names names;
	uint32_t block_size;
	uint64_t n_blocks;
	uint32_t rock_skip; /* bytes before the system use entries */
	uint64_t id;
	struct hash_table inodes;
	struct list unused;
	uint32_t n_unused;
	struct iso_inode *root; /* held */
};

static inline struct iso *iso_of(struct blockfs *fs)
{
	return container_of(fs, struct iso, fs);
}

static inline struct iso_inode *iso_inode_of(struct blockfs_node *node)
{
	return container_of(node, struct iso_inode, node);
}

static inline bool iso_is_directory(const struct iso_inode *inode)
{
	return (inode->attributes.mode & 0170000) == 0040000;
}

/* mount.c */
MUST_USE int iso_corrupt(struct iso *fs, const char *what, ...) PRINTF_LIKE(2, 3);
bool iso_options_parse(struct blockfs_name text, struct iso_options *out_options);
int iso_unmount(struct task *task, struct blockfs *blockfs);

/* time.c */
struct blockfs_time iso_time_short(const uint8_t *bytes);
struct blockfs_time iso_time_long(const uint8_t *bytes);

/** iso_rock_read() - what the system use field of a record says; @rock->target is the caller's */
MUST_USE int iso_rock_read(struct task *task, struct iso *fs, const uint8_t *field, size_t size,
	struct iso_rock *rock);

/** iso_rock_find() - whether the root's "." begins the protocol, and how many bytes to skip */
bool iso_rock_find(const struct iso_entry *dot, uint32_t *out_skip);

/**
 * iso_entry_read() - the record at a position, and its further sections
 * @end: where the directory ends, bytes on the disk
 *
 * Return: 0, BLOCKFS_E_END, BLOCKFS_E_CORRUPT, -ERR_X.
 */
MUST_USE int iso_entry_read(struct task *task, struct iso *fs, uint64_t position, uint64_t end,
	struct iso_entry *out_entry);

/** iso_entry_field() - the system use field of a record; its size */
size_t iso_entry_field(
	const struct iso *fs, const struct iso_entry *entry, const uint8_t **out_field);

/** iso_find() - an entry by its name */
MUST_USE int iso_find(struct task *task, struct iso_inode *directory, struct blockfs_name name,
	struct iso_entry *entry);

/** iso_list() - as read_directory() */
MUST_USE int iso_list(struct task *task, struct iso_inode *directory, uint64_t cookie,
	blockfs_emit_fn emit, void *context);

/* inode.c */
MUST_USE int iso_inodes_init(struct iso *fs);
void iso_inodes_trim(struct iso *fs, uint32_t n_left);

/** iso_inode_hold() - the inode of an entry; it may use @entry for another record */
MUST_USE int iso_inode_hold(struct task *task, struct iso *fs, struct iso_inode *parent,
	struct iso_entry *entry, struct iso_inode **out_inode);

/** iso_inode_key() - the number of an entry's node */
uint64_t iso_inode_key(const struct iso *fs, const struct iso_entry *entry);
struct iso_inode *iso_inode_find(struct iso *fs, uint64_t number);
struct iso_inode *iso_inode_get(struct iso_inode *inode);
void iso_inode_put(struct iso_inode *inode);

extern const struct blockfs_ops iso_ops;

#endif

/* SPDX-License-Identifier: MIT */
/*
 * File systems on disks, as a library for the servers that serve them.
 *
 * A mounted file system is a `struct blockfs` with a table of operations; an object in it is a
 * `struct blockfs_node`, which whoever holds it gives back with node_put(). All operations are
 * called from tasks of one loop, hundreds at a time; the file system does its own locking (the page
 * docs/internals/blockfs.md says which). An operation that changes something is atomic: after a
 * power cut all of it has happened or nothing (large truncations go on at the next mount). It is
 * durable when sync_node() or sync() has returned. Once it has begun to change things, a cancel no
 * longer stops it.
 *
 * Contents of files are not kept here. The server has them in its page cache and asks for ranges:
 *
 *   fault, read-ahead:  read()     disk -> pages
 *   a page gets dirty:  reserve()  there will be room for it, or NO_SPACE now
 *   write-back:         write()    blocks are chosen now (so they are long runs), pages -> disk,
 *                                  then the map and the size follow in one transaction
 *   fsync:              the server's write-back of the file, then sync_node()
 *
 * so nothing of a file that was not written can become visible, whatever is lost. The size that
 * get_attributes() tells is grow()'s, the one on the disk follows the data.
 *
 * The server promises: no two write()s of the same block at a time, no read() of a block that is
 * being written for the first time, and before it cuts a file (set_attributes with a size, or
 * allocate() with a hole) it has dropped its pages there and starts no write() behind the new end.
 */
#ifndef BLOCKFS_BLOCKFS_H
#define BLOCKFS_BLOCKFS_H

#include <async/task.h>
#include <drivers/lib/blockfs/device.h>
#include <drivers/lib/blockfs/errors.h>
#include <drivers/lib/blockfs/memory.h>

#define BLOCKFS_NAME_MAX 255

struct blockfs_time {
	int64_t seconds; /* since 1970 */
	uint32_t nanoseconds;
};

/* What the library asks the program for. */
struct blockfs_host {
	/* The wall clock. */
	struct blockfs_time (*now)(struct blockfs_host *host);
	/*
	 * Put bytes into a buffer without an address, from @offset of it; @data NULL: zeros (holes
	 * of files). May be NULL if all buffers have an address.
	 */
	void (*fill)(struct blockfs_host *host, const struct device_buffer *buffer, uint64_t offset,
		const void *data, uint64_t length);
	/* Get bytes from such a buffer (contents that go into an inode). */
	void (*fetch)(struct blockfs_host *host, const struct device_buffer *buffer,
		uint64_t offset, void *out_data, uint64_t length);
	/* Something is wrong with the file system; one line of text, no end of line. */
	void (*complain)(struct blockfs_host *host, const char *text);
	/* 64 random bits: seeds of hashes, generations of inodes. */
	uint64_t (*random)(struct blockfs_host *host);
};

enum blockfs_on_error {
	BLOCKFS_ON_ERROR_SUPER,
	BLOCKFS_ON_ERROR_CONTINUE,
	BLOCKFS_ON_ERROR_READ_ONLY,
	BLOCKFS_ON_ERROR_PANIC
};

/* ext4: whether contents of files go through the journal, as metadata does. */
enum blockfs_data_mode {
	BLOCKFS_DATA_SUPER,   /* as the superblock says */
	BLOCKFS_DATA_ORDERED, /* they are at home before the journal knows of them */
	BLOCKFS_DATA_JOURNAL,
};

struct blockfs_name {
	const char *text; /* not terminated; not empty, no slash, not "." or ".." */
	size_t length;
};

/* What ext2, ext3 and ext4 share is one format; the older ones lack features. */
enum blockfs_ext_kind : uint8_t {
	BLOCKFS_EXT4, /* and the others */
	BLOCKFS_EXT3,
	BLOCKFS_EXT2,
};

struct blockfs_mount_options {
	struct loop *loop;
	struct device *device;
	struct blockfs_host *host;
	struct blockfs_arena arena; /* page-aligned; at least 4 MiB; borrowed until unmount */
	bool is_read_only;
	bool skips_journal;  /* noload: read-only, as it is */
	enum blockfs_on_error on_error;
	enum blockfs_data_mode data_mode;
	enum blockfs_ext_kind ext_kind;
	struct blockfs_name text; /* FAT, ISO 9660: further options, with commas between them */
};

struct blockfs_node {
	struct blockfs *fs;
	uint64_t number;
	uint32_t generation;
};

struct blockfs_attributes {
	uint32_t mode; /* type and permissions, as Linux has them */
	uint32_t n_links;
	uint32_t uid;
	uint32_t gid;
	uint32_t project;
	uint32_t flags; /* FS_..._FL of Linux */
	uint64_t size;
	uint64_t n_sectors; /* of 512 bytes, allocated and reserved */
	uint64_t device_number; /* major << 32 | minor */
	uint64_t version;
	struct blockfs_time atime, mtime, ctime, birth;
	bool has_birth;
	bool has_xattrs; /* it may have some; false: it has none */
};

/* What set_attributes() is to change. The ctime becomes now, unless it is given. */
#define BLOCKFS_SET_MODE    0x1u /* the permissions only */
#define BLOCKFS_SET_UID     0x2u
#define BLOCKFS_SET_GID     0x4u
#define BLOCKFS_SET_SIZE    0x8u
#define BLOCKFS_SET_ATIME   0x10u
#define BLOCKFS_SET_MTIME   0x20u
#define BLOCKFS_SET_CTIME   0x40u
#define BLOCKFS_SET_FLAGS   0x80u
#define BLOCKFS_SET_PROJECT 0x100u

struct blockfs_create_options {
	uint32_t mode; /* type and permissions */
	uint32_t uid;
	uint32_t gid;
	uint64_t device_number;
	const char *target; /* of a symlink, not terminated */
	size_t target_size;
};

struct blockfs_entry {
	uint64_t node_number;
	uint8_t type; /* as d_type of Linux: DT_DIR is 4, ... */
	const char *name; /* valid during the call */
	size_t name_length;
	uint64_t next_cookie; /* where to go on behind this entry */
};

/** blockfs_emit_fn - take an entry; false if there is no room: it comes again next time */
typedef bool (*blockfs_emit_fn)(void *context, const struct blockfs_entry *entry);

#define BLOCKFS_RENAME_NO_REPLACE 1u
#define BLOCKFS_RENAME_EXCHANGE   2u
#define BLOCKFS_RENAME_WHITEOUT   4u /* the old name then means a character device 0:0 */

struct blockfs_rename_options {
	uint32_t flags;
	uint32_t uid, gid; /* of the whiteout */
};

enum blockfs_xattr_mode { BLOCKFS_XATTR_ANY, BLOCKFS_XATTR_CREATE, BLOCKFS_XATTR_REPLACE };

enum blockfs_allocate_mode {
	BLOCKFS_ALLOCATE,           /* and let the file grow */
	BLOCKFS_ALLOCATE_KEEP_SIZE,
	BLOCKFS_PUNCH_HOLE,
	BLOCKFS_ZERO_RANGE,         /* and let the file grow */
	BLOCKFS_ZERO_RANGE_KEEP_SIZE,
};

enum blockfs_extent_kind {
	BLOCKFS_HOLE,
	BLOCKFS_DATA,
	BLOCKFS_UNWRITTEN, /* allocated, reads as zeros */
	BLOCKFS_DELAYED,   /* reserved, not allocated */
	BLOCKFS_INLINE,    /* in the inode */
};

struct blockfs_extent {
	enum blockfs_extent_kind kind;
	uint64_t offset; /* in the file */
	uint64_t length;
	uint64_t place;  /* bytes on the device */
};

struct blockfs_statistics {
	uint32_t block_size;
	uint64_t n_blocks; /* without what the file system needs itself */
	uint64_t n_blocks_free;
	uint64_t n_blocks_available; /* to those who are not root */
	uint64_t n_nodes;
	uint64_t n_nodes_free;
	uint64_t id;
	uint32_t magic;
	uint32_t name_max;
};

struct blockfs;

struct blockfs_ops {
	const char *name;

	/* Nodes. */
	int (*root)(struct task *task, struct blockfs *fs, struct blockfs_node **out_node);
	/* A node by its number, for handles; -ERR_NOT_FOUND if it is free or of another generation
	 * (0: any). */
	int (*find)(struct task *task, struct blockfs *fs, uint64_t number, uint32_t generation,
		struct blockfs_node **out_node);
	struct blockfs_node *(*node_get)(struct blockfs_node *node);
	/* The last one of a node without links frees it, which takes a while. */
	void (*node_put)(struct task *task, struct blockfs_node *node);
	void (*get_attributes)(struct blockfs_node *node, struct blockfs_attributes *out);
	int (*set_attributes)(struct task *task, struct blockfs_node *node, uint32_t what,
		const struct blockfs_attributes *attributes);

	/* Names. */
	int (*lookup)(struct task *task, struct blockfs_node *directory, struct blockfs_name name,
		struct blockfs_node **out_node);
	int (*parent)(
		struct task *task, struct blockfs_node *directory, struct blockfs_node **out_node);
	/* @cookie: 0 to begin; then next_cookie of the last entry that was taken. */
	int (*read_directory)(struct task *task, struct blockfs_node *directory, uint64_t cookie,
		blockfs_emit_fn emit, void *context);
	int (*create)(struct task *task, struct blockfs_node *directory, struct blockfs_name name,
		const struct blockfs_create_options *options, struct blockfs_node **out_node);
	/* A file without a name (O_TMPFILE); link() may give it one. */
	int (*create_unnamed)(struct task *task, struct blockfs_node *directory,
		const struct blockfs_create_options *options, struct blockfs_node **out_node);
	int (*link)(struct task *task, struct blockfs_node *directory, struct blockfs_name name,
		struct blockfs_node *node);
	int (*unlink)(struct task *task, struct blockfs_node *directory, struct blockfs_name name);
	int (*remove_directory)(
		struct task *task, struct blockfs_node *directory, struct blockfs_name name);
	/* -ERR_ILLEGAL_ARGS: flags that the file system does not know, or not together. */
	int (*rename)(struct task *task, struct blockfs_node *from, struct blockfs_name from_name,
		struct blockfs_node *to, struct blockfs_name to_name,
		const struct blockfs_rename_options *options);
	int (*read_link)(struct task *task, struct blockfs_node *node, char *out_target,
		size_t size, size_t *out_size);

	/* Extended attributes; names as user programs write them, "user.x". A size of 0 asks. */
	int (*get_xattr)(struct task *task, struct blockfs_node *node, struct blockfs_name name,
		void *out_value, size_t size, size_t *out_size);
	int (*set_xattr)(struct task *task, struct blockfs_node *node, struct blockfs_name name,
		const void *value, size_t size, enum blockfs_xattr_mode mode);
	int (*remove_xattr)(struct task *task, struct blockfs_node *node, struct blockfs_name name);
	/* Terminated names one after the other. */
	int (*list_xattrs)(struct task *task, struct blockfs_node *node, char *out_names,
		size_t size, size_t *out_size);

	/* Contents. Offsets and lengths are multiples of the block size; a length may reach behind
	 * the end of the file: what is read there is zero, what is written there is not
	 * looked at. */
	int (*read)(struct task *task, struct blockfs_node *node, uint64_t offset, uint64_t length,
		const struct device_buffer *buffers, size_t n_buffers);
	int (*write)(struct task *task, struct blockfs_node *node, uint64_t offset, uint64_t length,
		const struct device_buffer *buffers, size_t n_buffers);
	/* Blocks that have room anyway cost nothing. write() uses reservations up. */
	int (*reserve)(
		struct task *task, struct blockfs_node *node, uint64_t offset, uint64_t length);
	/* The dirty pages there were dropped without being written. */
	void (*unreserve)(struct blockfs_node *node, uint64_t offset, uint64_t length);
	/* The file has this size, as its pages have; the times become now. Never shrinks. */
	int (*grow)(struct task *task, struct blockfs_node *node, uint64_t size);
	int (*allocate)(struct task *task, struct blockfs_node *node,
		enum blockfs_allocate_mode mode, uint64_t offset, uint64_t length);
	/* What is at @offset, as far as it is alike; behind the end: -ERR_NOT_FOUND. */
	int (*map)(struct task *task, struct blockfs_node *node, uint64_t offset,
		struct blockfs_extent *out_extent);

	/* Durability. The data-only form leaves out what only times say. */
	int (*sync_node)(struct task *task, struct blockfs_node *node, bool data_only);
	int (*sync)(struct task *task, struct blockfs *fs);
	/* To be called every few seconds: bounds what a power cut loses. */
	int (*tick)(struct task *task, struct blockfs *fs);

	void (*statistics)(struct blockfs *fs, struct blockfs_statistics *out);
	int (*remount)(struct task *task, struct blockfs *fs, bool is_read_only);
	/* No node is held but by the library; ends the file system whatever it returns. */
	int (*unmount)(struct task *task, struct blockfs *fs);
};

struct blockfs {
	const struct blockfs_ops *ops;
	struct blockfs_host *host;
	bool is_read_only;
	int error; /* what made it stop writing, 0 while nothing did */
};

/**
 * blockfs_ext4_mount() - mount ext2, ext3 or ext4
 * @out_fs: until its unmount()
 *
 * Replays the journal and frees orphans unless read-only.
 * Return: 0, BLOCKFS_E_NOT_THIS (also: it has features that an older kind lacks, or no journal and
 * is to be ext3), _UNSUPPORTED (an unknown feature), _CORRUPT, _READ_ONLY (the
 * journal has to be replayed and must not be written), -ERR_ILLEGAL_ARGS (a mode of data, and there
 * is no journal), -ERR_X.
 */
MUST_USE int blockfs_ext4_mount(
	struct task *task, const struct blockfs_mount_options *options, struct blockfs **out_fs);

/**
 * blockfs_fat_mount() - mount FAT12, FAT16 or FAT32
 * @out_fs: until its unmount()
 *
 * Reads the whole table. Return: 0, BLOCKFS_E_NOT_THIS, _UNSUPPORTED, _CORRUPT, -ERR_ILLEGAL_ARGS
 * (an unknown option), -ERR_X.
 */
MUST_USE int blockfs_fat_mount(
	struct task *task, const struct blockfs_mount_options *options, struct blockfs **out_fs);

/** blockfs_fat_accepts() - whether all of the options are known */
bool blockfs_fat_accepts(struct blockfs_name options);

/**
 * blockfs_iso9660_mount() - mount ISO 9660, with Rock Ridge or Joliet; read-only
 * @out_fs: until its unmount()
 *
 * Return: 0, BLOCKFS_E_NOT_THIS, _UNSUPPORTED, _CORRUPT, -ERR_ILLEGAL_ARGS (an unknown option),
 * -ERR_X.
 */
MUST_USE int blockfs_iso9660_mount(
	struct task *task, const struct blockfs_mount_options *options, struct blockfs **out_fs);

/** blockfs_iso9660_accepts() - whether all of the options are known */
bool blockfs_iso9660_accepts(struct blockfs_name options);

#endif

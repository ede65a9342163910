/* SPDX-License-Identifier: MIT */
/*
 * What ext2, ext3 and ext4 have on the disk.
 *
 * The layout is that of Linux' Documentation/filesystems/ext4 (the sections are named). All numbers
 * are little-endian, as all machines that this runs on are.
 */
#ifndef BLOCKFS_EXT4_FORMAT_H
#define BLOCKFS_EXT4_FORMAT_H

#include <base/types.h>

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__);

/* ---- the superblock (globals.rst, "Super Block") --------------------------------------------- */

#define EXT4_SUPER_OFFSET 1024
#define EXT4_SUPER_MAGIC  0xef53

#define EXT4_STATE_CLEAN   1 /* unmounted, or the journal tells */
#define EXT4_STATE_ERRORS  2
#define EXT4_STATE_ORPHANS 4 /* being recovered */

enum ext4_errors_policy {
	EXT4_ERRORS_CONTINUE = 1,
	EXT4_ERRORS_READ_ONLY = 2,
	EXT4_ERRORS_PANIC = 3,
};

#define EXT4_COMPAT_HAS_JOURNAL   0x4u
#define EXT4_COMPAT_EXT_ATTR      0x8u
#define EXT4_COMPAT_RESIZE_INODE  0x10u
#define EXT4_COMPAT_DIR_INDEX     0x20u
#define EXT4_COMPAT_SPARSE_SUPER2 0x200u
#define EXT4_COMPAT_FAST_COMMIT   0x400u
#define EXT4_COMPAT_ORPHAN_FILE   0x1000u

#define EXT4_INCOMPAT_FILETYPE    0x2u
#define EXT4_INCOMPAT_RECOVER     0x4u
#define EXT4_INCOMPAT_JOURNAL_DEV 0x8u
#define EXT4_INCOMPAT_META_BG     0x10u
#define EXT4_INCOMPAT_EXTENTS     0x40u
#define EXT4_INCOMPAT_64BIT       0x80u
#define EXT4_INCOMPAT_MMP         0x100u
#define EXT4_INCOMPAT_FLEX_BG     0x200u
#define EXT4_INCOMPAT_EA_INODE    0x400u
#define EXT4_INCOMPAT_CSUM_SEED   0x2000u
#define EXT4_INCOMPAT_LARGEDIR    0x4000u
#define EXT4_INCOMPAT_INLINE_DATA 0x8000u

#define EXT4_RO_COMPAT_SPARSE_SUPER   0x1u
#define EXT4_RO_COMPAT_LARGE_FILE     0x2u
#define EXT4_RO_COMPAT_HUGE_FILE      0x8u
#define EXT4_RO_COMPAT_GDT_CSUM       0x10u
#define EXT4_RO_COMPAT_DIR_NLINK      0x20u
#define EXT4_RO_COMPAT_EXTRA_ISIZE    0x40u
#define EXT4_RO_COMPAT_BIGALLOC       0x200u
#define EXT4_RO_COMPAT_METADATA_CSUM  0x400u
#define EXT4_RO_COMPAT_PROJECT        0x2000u
#define EXT4_RO_COMPAT_ORPHAN_PRESENT 0x10000u

/* default_mount_options */
#define EXT4_DEFAULT_DATA_MASK    0x60u
#define EXT4_DEFAULT_DATA_JOURNAL 0x20u

#define EXT4_SUPER_FLAG_SIGNED_HASH   1u
#define EXT4_SUPER_FLAG_UNSIGNED_HASH 2u

struct ext4_super_block {
	uint32_t inodes_count;
	uint32_t blocks_count_lo;
	uint32_t reserved_blocks_lo;
	uint32_t free_blocks_lo;
	uint32_t free_inodes;
	uint32_t first_data_block;
	uint32_t log_block_size; /* of 1024 << this */
	uint32_t log_cluster_size;
	uint32_t blocks_per_group;
	uint32_t clusters_per_group;
	uint32_t inodes_per_group;
	uint32_t mount_time;
	uint32_t write_time;
	uint16_t n_mounts;
	uint16_t n_mounts_max;
	uint16_t magic;
	uint16_t state;
	uint16_t errors; /* enum ext4_errors_policy */
	uint16_t revision_minor;
	uint32_t last_check;
	uint32_t check_interval;
	uint32_t creator;
	uint32_t revision;
	uint16_t reserved_uid;
	uint16_t reserved_gid;
	uint32_t first_inode; /* that is not reserved */
	uint16_t inode_size;
	uint16_t group_of_copy;
	uint32_t compat;
	uint32_t incompat;
	uint32_t ro_compat;
	uint8_t uuid[16];
	char name[16];
	char last_mounted[64];
	uint32_t algorithms;
	uint8_t prealloc_blocks;
	uint8_t prealloc_dir_blocks;
	uint16_t reserved_gdt_blocks;
	uint8_t journal_uuid[16];
	uint32_t journal_inode;
	uint32_t journal_device;
	uint32_t last_orphan;
	uint32_t hash_seed[4];
	uint8_t hash_version;
	uint8_t journal_backup_type;
	uint16_t desc_size;
	uint32_t default_mount_options;
	uint32_t first_meta_bg;
	uint32_t mkfs_time;
	uint32_t journal_blocks[17];
	uint32_t blocks_count_hi;
	uint32_t reserved_blocks_hi;
	uint32_t free_blocks_hi;
	uint16_t min_extra_isize;
	uint16_t want_extra_isize;
	uint32_t flags;
	uint16_t raid_stride;
	uint16_t mmp_interval;
	uint64_t mmp_block;
	uint32_t raid_stripe_width;
	uint8_t log_groups_per_flex;
	uint8_t checksum_type;
	uint16_t reserved_pad;
	uint64_t kbytes_written;
	uint32_t snapshot[5];
	uint32_t error_count;
	uint32_t first_error_time;
	uint32_t first_error_inode;
	uint64_t first_error_block;
	char first_error_function[32];
	uint32_t first_error_line;
	uint32_t last_error_time;
	uint32_t last_error_inode;
	uint32_t last_error_line;
	uint64_t last_error_block;
	char last_error_function[32];
	char mount_options[64];
	uint32_t user_quota_inode;
	uint32_t group_quota_inode;
	uint32_t overhead_clusters;
	uint32_t backup_groups[2];
	uint8_t encryption[20];
	uint32_t lost_found_inode;
	uint32_t project_quota_inode;
	uint32_t checksum_seed;
	uint8_t times_hi[6];
	uint8_t error_codes[2];
	uint16_t encoding;
	uint16_t encoding_flags;
	uint32_t orphan_file_inode;
	uint32_t reserved[94];
	uint32_t checksum;
} PACKED;
static_assert(sizeof(struct ext4_super_block) == 1024);
static_assert(offsetof(struct ext4_super_block, last_orphan) == 0xe8);
static_assert(offsetof(struct ext4_super_block, flags) == 0x160);
static_assert(offsetof(struct ext4_super_block, error_count) == 0x194);
static_assert(offsetof(struct ext4_super_block, checksum_seed) == 0x270);
static_assert(offsetof(struct ext4_super_block, orphan_file_inode) == 0x280);

/* ---- block groups (globals.rst, "Block Group Descriptors") ----------------------------------- */

#define EXT4_GROUP_INODES_UNINIT 1u
#define EXT4_GROUP_BLOCKS_UNINIT 2u
#define EXT4_GROUP_TABLE_ZEROED  4u

#define EXT4_DESC_SIZE_MIN 32

struct ext4_group_desc {
	uint32_t block_bitmap_lo;
	uint32_t inode_bitmap_lo;
	uint32_t inode_table_lo;
	uint16_t free_blocks_lo;
	uint16_t free_inodes_lo;
	uint16_t used_dirs_lo;
	uint16_t flags;
	uint32_t exclude_bitmap_lo;
	uint16_t block_bitmap_sum_lo;
	uint16_t inode_bitmap_sum_lo;
	uint16_t table_unused_lo;
	uint16_t checksum;
	/* with the feature 64bit, in descriptors of 64 bytes */
	uint32_t block_bitmap_hi;
	uint32_t inode_bitmap_hi;
	uint32_t inode_table_hi;
	uint16_t free_blocks_hi;
	uint16_t free_inodes_hi;
	uint16_t used_dirs_hi;
	uint16_t table_unused_hi;
	uint32_t exclude_bitmap_hi;
	uint16_t block_bitmap_sum_hi;
	uint16_t inode_bitmap_sum_hi;
	uint32_t reserved;
} PACKED;
static_assert(sizeof(struct ext4_group_desc) == 64);

/* ---- inodes (dynamic.rst, "Index Nodes") ----------------------------------------------------- */

#define EXT4_ROOT_INODE    2
#define EXT4_JOURNAL_INODE 8

#define EXT4_S_IFMT   0xf000u
#define EXT4_S_IFSOCK 0xc000u
#define EXT4_S_IFLNK  0xa000u
#define EXT4_S_IFREG  0x8000u
#define EXT4_S_IFBLK  0x6000u
#define EXT4_S_IFDIR  0x4000u
#define EXT4_S_IFCHR  0x2000u
#define EXT4_S_IFIFO  0x1000u
#define EXT4_S_ISGID  0x0400u

#define EXT4_FLAG_SYNC         0x8u
#define EXT4_FLAG_IMMUTABLE    0x10u
#define EXT4_FLAG_APPEND       0x20u
#define EXT4_FLAG_INDEX        0x1000u
#define EXT4_FLAG_JOURNAL_DATA 0x4000u
#define EXT4_FLAG_DIRSYNC      0x10000u
#define EXT4_FLAG_TOPDIR       0x20000u
#define EXT4_FLAG_HUGE_FILE    0x40000u
#define EXT4_FLAG_EXTENTS      0x80000u
#define EXT4_FLAG_EA_INODE     0x200000u
#define EXT4_FLAG_INLINE_DATA  0x10000000u
#define EXT4_FLAG_PROJINHERIT  0x20000000u
/* what a user may see, what one may change, what a new file takes from its directory */
#define EXT4_FLAGS_VISIBLE     0x705bdfffu
#define EXT4_FLAGS_SETTABLE    0x2003c0ffu
#define EXT4_FLAGS_INHERITED   0x2001c4cfu

#define EXT4_INODE_SIZE_OLD   128
#define EXT4_INODE_BLOCK_SIZE 60 /* of `block`: pointers, extents, a short symlink */
#define EXT4_LINK_MAX         65000

struct ext4_inode_disk {
	uint16_t mode;
	uint16_t uid_lo;
	uint32_t size_lo;
	uint32_t atime;
	uint32_t ctime;
	uint32_t mtime;
	uint32_t dtime; /* or the next orphan */
	uint16_t gid_lo;
	uint16_t n_links;
	uint32_t blocks_lo; /* of 512 bytes; of the file system's with HUGE_FILE */
	uint32_t flags;
	uint32_t version_lo;
	uint8_t block[EXT4_INODE_BLOCK_SIZE];
	uint32_t generation;
	uint32_t xattr_block_lo;
	uint32_t size_hi;
	uint32_t fragment;
	uint16_t blocks_hi;
	uint16_t xattr_block_hi;
	uint16_t uid_hi;
	uint16_t gid_hi;
	uint16_t checksum_lo;
	uint16_t reserved;
	/* in inodes of more than 128 bytes, as far as extra_isize reaches */
	uint16_t extra_isize;
	uint16_t checksum_hi;
	uint32_t ctime_extra;
	uint32_t mtime_extra;
	uint32_t atime_extra;
	uint32_t crtime;
	uint32_t crtime_extra;
	uint32_t version_hi;
	uint32_t project;
} PACKED;
static_assert(sizeof(struct ext4_inode_disk) == 160);
static_assert(offsetof(struct ext4_inode_disk, block) == 40);
static_assert(offsetof(struct ext4_inode_disk, checksum_lo) == 0x7c);

/* ---- extents (dynamic.rst, "Extent Tree") ---------------------------------------------------- */

#define EXT4_EXTENT_MAGIC         0xf30a
#define EXT4_EXTENT_DEPTH_MAX     5
#define EXT4_EXTENT_LENGTH_MAX    32768u /* blocks; an unwritten one has one less */
#define EXT4_UNWRITTEN_LENGTH_MAX 32767u

struct ext4_extent_header {
	uint16_t magic;
	uint16_t n_entries;
	uint16_t n_entries_max;
	uint16_t depth; /* 0: leaf */
	uint32_t generation;
} PACKED;

struct ext4_extent {
	uint32_t block; /* of the file */
	uint16_t length; /* above EXT4_EXTENT_LENGTH_MAX: unwritten, minus that */
	uint16_t start_hi;
	uint32_t start_lo;
} PACKED;

struct ext4_extent_index {
	uint32_t block;
	uint32_t child_lo;
	uint16_t child_hi;
	uint16_t unused;
} PACKED;
static_assert(sizeof(struct ext4_extent) == sizeof(struct ext4_extent_index));

/* ---- directories (dynamic.rst, "Directory Entries") ------------------------------------------ */

#define EXT4_NAME_MAX     255
#define EXT4_ENTRY_HEADER 8
#define EXT4_TAIL_TYPE    0xde

enum ext4_file_type {
	EXT4_TYPE_UNKNOWN,
	EXT4_TYPE_REGULAR,
	EXT4_TYPE_DIRECTORY,
	EXT4_TYPE_CHARACTER,
	EXT4_TYPE_BLOCK,
	EXT4_TYPE_FIFO,
	EXT4_TYPE_SOCKET,
	EXT4_TYPE_SYMLINK,
};

struct ext4_entry {
	uint32_t inode; /* 0: unused */
	uint16_t length; /* to the next one */
	uint8_t name_length;
	uint8_t type; /* 0 without the feature filetype: the high byte of name_length */
	char name[];
} PACKED;

struct ext4_entry_tail {
	uint32_t zero;
	uint16_t length; /* 12 */
	uint8_t no_name;
	uint8_t type; /* EXT4_TAIL_TYPE */
	uint32_t checksum;
} PACKED;

struct ext4_index_info { /* behind "." and ".." of an index root */
	uint32_t zero;
	uint8_t hash_version;
	uint8_t info_length; /* 8 */
	uint8_t n_levels; /* below the root, of index nodes */
	uint8_t flags;
} PACKED;

struct ext4_index_entry {
	uint32_t hash; /* of the first: limit and count, see ext4_index_count */
	uint32_t block;
} PACKED;

struct ext4_index_count {
	uint16_t limit;
	uint16_t count;
} PACKED;

struct ext4_index_tail {
	uint32_t reserved;
	uint32_t checksum;
} PACKED;

enum ext4_hash_version {
	EXT4_HASH_LEGACY,
	EXT4_HASH_HALF_MD4,
	EXT4_HASH_TEA,
	EXT4_HASH_LEGACY_UNSIGNED,
	EXT4_HASH_HALF_MD4_UNSIGNED,
	EXT4_HASH_TEA_UNSIGNED,
};

/* ---- extended attributes (dynamic.rst, "Extended Attributes") -------------------------------- */

#define EXT4_XATTR_MAGIC        0xea020000u
#define EXT4_XATTR_REFCOUNT_MAX 1024u

enum ext4_xattr_index {
	EXT4_XATTR_USER = 1,
	EXT4_XATTR_ACL_ACCESS = 2,
	EXT4_XATTR_ACL_DEFAULT = 3,
	EXT4_XATTR_TRUSTED = 4,
	EXT4_XATTR_SECURITY = 6,
	EXT4_XATTR_SYSTEM = 7,
};

struct ext4_xattr_header { /* of a block; in an inode only the magic */
	uint32_t magic;
	uint32_t n_references;
	uint32_t n_blocks;
	uint32_t hash;
	uint32_t checksum;
	uint32_t reserved[3];
} PACKED;

struct ext4_xattr_entry {
	uint8_t name_length;
	uint8_t name_index;
	uint16_t value_offset;
	uint32_t value_inode;
	uint32_t value_size;
	uint32_t hash;
	char name[];
} PACKED;

/* ---- the orphan file (orphan.rst) ------------------------------------------------------------ */

#define EXT4_ORPHAN_MAGIC 0x0b10ca04u

struct ext4_orphan_tail {
	uint32_t magic;
	uint32_t checksum;
} PACKED;

#endif

/* SPDX-License-Identifier: MIT */
/* File status as on Linux (x86-64): modes, stat, statx, statfs, directory entries. */
#ifndef ABI_LINUX_STAT_H
#define ABI_LINUX_STAT_H

#include <stdint.h>

enum linux_mode : uint32_t {
	LINUX_S_IFMT = 0170000,
	LINUX_S_IFSOCK = 0140000,
	LINUX_S_IFLNK = 0120000,
	LINUX_S_IFREG = 0100000,
	LINUX_S_IFBLK = 0060000,
	LINUX_S_IFDIR = 0040000,
	LINUX_S_IFCHR = 0020000,
	LINUX_S_IFIFO = 0010000,
	LINUX_S_ISUID = 04000,
	LINUX_S_ISGID = 02000,
	LINUX_S_ISVTX = 01000,
	LINUX_S_IXUSR = 0100,
	LINUX_S_IXGRP = 0010,
	LINUX_S_IXOTH = 0001,
};

enum linux_directory_type : uint8_t {
	LINUX_DT_UNKNOWN = 0,
	LINUX_DT_FIFO = 1,
	LINUX_DT_CHR = 2,
	LINUX_DT_DIR = 4,
	LINUX_DT_BLK = 6,
	LINUX_DT_REG = 8,
	LINUX_DT_LNK = 10,
	LINUX_DT_SOCK = 12,
};

struct linux_timespec {
	int64_t seconds;
	int64_t nanoseconds;
};

struct linux_timeval {
	int64_t seconds;
	int64_t microseconds;
};

struct linux_stat {
	uint64_t dev, ino, nlink;
	uint32_t mode, uid, gid, padding;
	uint64_t rdev;
	int64_t size, block_size, blocks;
	struct linux_timespec atime, mtime, ctime;
	int64_t reserved[3];
};
static_assert(sizeof(struct linux_stat) == 144);

struct linux_statx_time {
	int64_t seconds;
	uint32_t nanoseconds;
	int32_t reserved;
};

enum linux_statx_mask : uint32_t {
	LINUX_STATX_BASIC_STATS = 0x7ff,
	LINUX_STATX_BTIME = 0x800,
	LINUX_STATX_MNT_ID = 0x1000,
};

enum linux_statx_attributes : uint64_t {
	LINUX_STATX_ATTR_AUTOMOUNT = 0x1000,
	LINUX_STATX_ATTR_MOUNT_ROOT = 0x2000,
	LINUX_STATX_ATTR_DAX = 0x200000,
};

struct linux_statx {
	uint32_t mask, block_size;
	uint64_t attributes;
	uint32_t nlink, uid, gid;
	uint16_t mode, padding;
	uint64_t ino, size, blocks, attributes_mask;
	struct linux_statx_time atime, btime, ctime, mtime;
	uint32_t rdev_major, rdev_minor, dev_major, dev_minor;
	uint64_t mount_id;
	uint32_t dio_memory_align, dio_offset_align;
	uint64_t reserved[12];
};
static_assert(sizeof(struct linux_statx) == 256);

struct linux_statfs {
	int64_t type, block_size;
	uint64_t blocks, blocks_free, blocks_available, files, files_free;
	int32_t id[2];
	int64_t name_max, fragment_size, flags, reserved[4];
};
static_assert(sizeof(struct linux_statfs) == 120);

struct linux_dirent64 {
	uint64_t ino;
	int64_t offset;
	uint16_t record_size;
	uint8_t type; /* enum linux_directory_type */
	char name[];
};

static inline bool linux_is_type(uint32_t mode, uint32_t type)
{
	return (mode & LINUX_S_IFMT) == type;
}

/* Device numbers as stat gives them. */
static inline uint64_t linux_makedev(uint32_t major, uint32_t minor)
{
	return (uint64_t)(major & 0xfff) << 8 | (minor & 0xff) | (uint64_t)(minor & ~0xffu) << 12 |
		(uint64_t)(major & ~0xfffu) << 32;
}

static inline uint32_t linux_major(uint64_t dev)
{
	return (uint32_t)(dev >> 8 & 0xfff) | (uint32_t)(dev >> 32 & ~0xfffu);
}

static inline uint32_t linux_minor(uint64_t dev)
{
	return (uint32_t)(dev & 0xff) | (uint32_t)(dev >> 12 & ~0xffu);
}

#endif

/* SPDX-License-Identifier: MIT */
/* Linux: ioctls that file systems answer, with the flags of files and what is where on the disk. */
#ifndef LINUX_FS_H
#define LINUX_FS_H

#include <stdint.h>

enum linux_fs_ioctl : uint32_t {
	LINUX_FS_IOC_GETFLAGS = 0x80086601, /* an int, whatever the size in the number */
	LINUX_FS_IOC_SETFLAGS = 0x40086602,
	LINUX_FS_IOC_GETVERSION = 0x80087601,
	LINUX_FS_IOC_FIEMAP = 0xc020660b,
	LINUX_FS_IOC_FSGETXATTR = 0x801c581f,
};

enum linux_fs_flags : uint32_t {
	LINUX_FS_SYNC_FL = 0x8,
	LINUX_FS_IMMUTABLE_FL = 0x10,
	LINUX_FS_APPEND_FL = 0x20,
	LINUX_FS_NODUMP_FL = 0x40,
	LINUX_FS_NOATIME_FL = 0x80,
	LINUX_FS_JOURNAL_DATA_FL = 0x4000,
	LINUX_FS_PROJINHERIT_FL = 0x20000000,
};

enum linux_fs_xflags : uint32_t {
	LINUX_FS_XFLAG_IMMUTABLE = 0x8,
	LINUX_FS_XFLAG_APPEND = 0x10,
	LINUX_FS_XFLAG_SYNC = 0x20,
	LINUX_FS_XFLAG_NOATIME = 0x40,
	LINUX_FS_XFLAG_NODUMP = 0x80,
	LINUX_FS_XFLAG_PROJINHERIT = 0x200,
};

struct linux_fsxattr {
	uint32_t xflags, extent_size, n_extents, project, cow_extent_size;
	uint8_t padding[8];
};
static_assert(sizeof(struct linux_fsxattr) == 28);

enum linux_fiemap_flags : uint32_t {
	LINUX_FIEMAP_FLAG_SYNC = 1,
	LINUX_FIEMAP_FLAG_XATTR = 2,
};

enum linux_fiemap_extent_flags : uint32_t {
	LINUX_FIEMAP_EXTENT_LAST = 0x1,
	LINUX_FIEMAP_EXTENT_UNKNOWN = 0x2,
	LINUX_FIEMAP_EXTENT_DELALLOC = 0x4,
	LINUX_FIEMAP_EXTENT_NOT_ALIGNED = 0x100,
	LINUX_FIEMAP_EXTENT_DATA_INLINE = 0x200,
	LINUX_FIEMAP_EXTENT_UNWRITTEN = 0x800,
};

struct linux_fiemap_extent {
	uint64_t logical, physical, length, reserved64[2];
	uint32_t flags, reserved[3];
};
static_assert(sizeof(struct linux_fiemap_extent) == 56);

struct linux_fiemap {
	uint64_t start, length;
	uint32_t flags, n_mapped, n_extents, reserved;
	struct linux_fiemap_extent extents[];
};
static_assert(sizeof(struct linux_fiemap) == 32);

#endif

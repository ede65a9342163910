/* SPDX-License-Identifier: MIT */
/* Opening and controlling files, as on Linux (x86-64). */
#ifndef ABI_LINUX_FCNTL_H
#define ABI_LINUX_FCNTL_H

#include <stdint.h>

enum linux_open_flags : uint32_t {
	LINUX_O_RDONLY = 0,
	LINUX_O_WRONLY = 1,
	LINUX_O_RDWR = 2,
	LINUX_O_ACCMODE = 3,
	LINUX_O_CREAT = 0100,
	LINUX_O_EXCL = 0200,
	LINUX_O_NOCTTY = 0400,
	LINUX_O_TRUNC = 01000,
	LINUX_O_APPEND = 02000,
	LINUX_O_NONBLOCK = 04000,
	LINUX_O_DSYNC = 010000,
	LINUX_O_ASYNC = 020000,
	LINUX_O_DIRECT = 040000,
	LINUX_O_LARGEFILE = 0100000,
	LINUX_O_DIRECTORY = 0200000,
	LINUX_O_NOFOLLOW = 0400000,
	LINUX_O_NOATIME = 01000000,
	LINUX_O_CLOEXEC = 02000000,
	LINUX_O_SYNC = 04010000,
	LINUX_O_PATH = 010000000,
	LINUX_O_TMPFILE = 020200000,
};

/* Directory descriptors and flags of the *at calls. */
constexpr int LINUX_AT_FDCWD = -100;

enum linux_at_flags : uint32_t {
	LINUX_AT_SYMLINK_NOFOLLOW = 0x100,
	LINUX_AT_REMOVEDIR = 0x200,
	LINUX_AT_EACCESS = 0x200,
	LINUX_AT_SYMLINK_FOLLOW = 0x400,
	LINUX_AT_NO_AUTOMOUNT = 0x800,
	LINUX_AT_EMPTY_PATH = 0x1000,
	LINUX_AT_STATX_FORCE_SYNC = 0x2000,
	LINUX_AT_STATX_DONT_SYNC = 0x4000,
};

enum linux_fcntl_command : uint32_t {
	LINUX_F_DUPFD = 0,
	LINUX_F_GETFD = 1,
	LINUX_F_SETFD = 2,
	LINUX_F_GETFL = 3,
	LINUX_F_SETFL = 4,
	LINUX_F_GETLK = 5,
	LINUX_F_SETLK = 6,
	LINUX_F_SETLKW = 7,
	LINUX_F_SETOWN = 8,
	LINUX_F_GETOWN = 9,
	LINUX_F_SETSIG = 10,
	LINUX_F_GETSIG = 11,
	LINUX_F_SETOWN_EX = 15,
	LINUX_F_GETOWN_EX = 16,
	LINUX_F_OFD_GETLK = 36,
	LINUX_F_OFD_SETLK = 37,
	LINUX_F_OFD_SETLKW = 38,
	LINUX_F_SETLEASE = 1024,
	LINUX_F_GETLEASE = 1025,
	LINUX_F_NOTIFY = 1026,
	LINUX_F_DUPFD_CLOEXEC = 1030,
	LINUX_F_SETPIPE_SZ = 1031,
	LINUX_F_GETPIPE_SZ = 1032,
	LINUX_F_ADD_SEALS = 1033,
	LINUX_F_GET_SEALS = 1034,
};

constexpr uint32_t LINUX_FD_CLOEXEC = 1;

constexpr uint32_t LINUX_DN_MULTISHOT = 0x80000000; /* of F_NOTIFY: more than one event */

enum linux_seals : uint32_t {
	LINUX_F_SEAL_SEAL = 1,
	LINUX_F_SEAL_SHRINK = 2,
	LINUX_F_SEAL_GROW = 4,
	LINUX_F_SEAL_WRITE = 8,
	LINUX_F_SEAL_FUTURE_WRITE = 16,
};

enum linux_memfd_flags : uint32_t {
	LINUX_MFD_CLOEXEC = 1,
	LINUX_MFD_ALLOW_SEALING = 2,
	LINUX_MFD_HUGETLB = 4,
};

enum linux_eventfd_flags : uint32_t { LINUX_EFD_SEMAPHORE = 1 };

constexpr uint32_t LINUX_CLOSE_RANGE_UNSHARE = 2;
constexpr uint32_t LINUX_CLOSE_RANGE_CLOEXEC = 4;

enum linux_owner_type : int32_t {
	LINUX_F_OWNER_TID = 0,
	LINUX_F_OWNER_PID = 1,
	LINUX_F_OWNER_PGRP = 2,
};

struct linux_owner_ex {
	int32_t type; /* enum linux_owner_type */
	int32_t pid;
};

enum linux_lock_type : int16_t {
	LINUX_F_RDLCK = 0,
	LINUX_F_WRLCK = 1,
	LINUX_F_UNLCK = 2,
};

struct linux_flock {
	int16_t type; /* enum linux_lock_type */
	int16_t whence;
	uint32_t padding;
	int64_t start;
	int64_t length;
	int32_t pid;
	uint32_t padding2;
};
static_assert(sizeof(struct linux_flock) == 32);

enum linux_flock_operation : uint32_t {
	LINUX_LOCK_SH = 1,
	LINUX_LOCK_EX = 2,
	LINUX_LOCK_NB = 4,
	LINUX_LOCK_UN = 8,
};

enum linux_seek : uint32_t {
	LINUX_SEEK_SET = 0,
	LINUX_SEEK_CUR = 1,
	LINUX_SEEK_END = 2,
	LINUX_SEEK_DATA = 3,
	LINUX_SEEK_HOLE = 4,
};

enum linux_access : uint32_t {
	LINUX_F_OK = 0,
	LINUX_X_OK = 1,
	LINUX_W_OK = 2,
	LINUX_R_OK = 4,
};

enum linux_rename_flags : uint32_t {
	LINUX_RENAME_NOREPLACE = 1,
	LINUX_RENAME_EXCHANGE = 2,
	LINUX_RENAME_WHITEOUT = 4,
};

/* The argument of openat2. */
struct linux_open_how {
	uint64_t flags, mode, resolve;
};

enum linux_resolve : uint64_t {
	LINUX_RESOLVE_NO_XDEV = 1,
	LINUX_RESOLVE_NO_MAGICLINKS = 2,
	LINUX_RESOLVE_NO_SYMLINKS = 4,
	LINUX_RESOLVE_BENEATH = 8,
	LINUX_RESOLVE_IN_ROOT = 16,
	LINUX_RESOLVE_CACHED = 32,
};

enum linux_fallocate_mode : uint32_t {
	LINUX_FALLOC_FL_KEEP_SIZE = 1,
	LINUX_FALLOC_FL_PUNCH_HOLE = 2,
	LINUX_FALLOC_FL_COLLAPSE_RANGE = 8,
	LINUX_FALLOC_FL_ZERO_RANGE = 16,
	LINUX_FALLOC_FL_INSERT_RANGE = 32,
	LINUX_FALLOC_FL_UNSHARE_RANGE = 64,
};

constexpr uint32_t LINUX_SYNC_FILE_RANGE_ALL = 7; /* wait before, write, wait after */

#endif

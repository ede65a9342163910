/* SPDX-License-Identifier: MIT */
/* Values of flags and commands; see table.c. Numbers where the C library has no name. */
#ifndef FUZZ_LINUX_TABLE_VALUES_H
#define FUZZ_LINUX_TABLE_VALUES_H

static const uint64_t open_flags[] = { O_WRONLY, O_RDWR, O_CREAT, O_EXCL, O_TRUNC, O_APPEND,
	O_NONBLOCK, O_NONBLOCK, O_DIRECTORY, O_NOFOLLOW, O_CLOEXEC, O_PATH, O_TMPFILE, O_DIRECT,
	O_SYNC, O_NOCTTY, O_ASYNC, O_NOATIME, O_LARGEFILE };
static const uint64_t at_flags[] = { AT_SYMLINK_NOFOLLOW, AT_REMOVEDIR, AT_SYMLINK_FOLLOW,
	AT_EMPTY_PATH, AT_NO_AUTOMOUNT, AT_EACCESS };
static const uint64_t fd_flags[] = { O_CLOEXEC, O_NONBLOCK, 1, 2 };
static const uint64_t protections[] = { PROT_READ, PROT_WRITE, PROT_EXEC, PROT_READ | PROT_WRITE,
	PROT_GROWSDOWN };
static const uint64_t map_flags[] = { MAP_SHARED, MAP_PRIVATE, MAP_PRIVATE, MAP_ANONYMOUS,
	MAP_ANONYMOUS, MAP_FIXED, MAP_FIXED_NOREPLACE, MAP_NORESERVE, MAP_GROWSDOWN, MAP_STACK,
	MAP_POPULATE, MAP_HUGETLB, MAP_LOCKED, MAP_SHARED_VALIDATE };
static const uint64_t remap_flags[] = { 1, 2, 4 };
static const uint64_t advices[] = { 0, 1, 2, 3, 4, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20,
	21, 22, 23, 25, 100, 101 };
static const uint64_t sync_flags[] = { 1, 2, 4 };
static const uint64_t whences[] = { 0, 1, 2, 3, 4 };
/* Who gets a signal when something comes is in commands of their own: it must not be a stranger. */
static const uint64_t set_owner[] = { 8 };
static const uint64_t set_owner_ex[] = { 15 };
static const uint64_t owner_ioctls[] = { 0x8901, 0x8902 };
static const uint64_t fcntl_commands[] = { 0, 1, 2, 3, 4, 5, 6, 9, 10, 11, 16, 36, 37, 1024, 1025,
	1026, 1030, 1031, 1032, 1033, 1034, 1035, 1036, 1037, 1038 };
/* Terminals, FIONREAD and its kin, sockets, namespaces, files; not TIOCSTI and VT calls. */
static const uint64_t ioctls[] = { 0x5401, 0x5402, 0x5403, 0x5404, 0x5405, 0x5406, 0x5407, 0x5408,
	0x5409, 0x540a, 0x540b, 0x540e, 0x540f, 0x5410, 0x5411, 0x5413, 0x5414, 0x541b, 0x5420,
	0x5421, 0x5422, 0x5424, 0x5425, 0x5429, 0x5441, 0x5450, 0x5451, 0x5452, 0x5460, 0x80045430,
	0x40045431, 0x80045438, 0x80045439, 0x802c542a, 0x402c542b, 0x8904, 0x8905, 0x8906, 0x8910,
	0x8912, 0x8913, 0x40049409, 0x80086601, 0x40086602, 0x801c581f, 0xb701, 0xc0189436,
	0x40085400 };
static const uint64_t lock_operations[] = { LOCK_SH | LOCK_NB, LOCK_EX | LOCK_NB, LOCK_UN, LOCK_NB,
	LOCK_SH | LOCK_NB, LOCK_UN };
static const uint64_t access_modes[] = { 0, 1, 2, 4, 7 };
static const uint64_t rename_flags[] = { 1, 2, 4 };
static const uint64_t allocate_modes[] = { 0, 1, 2, 3, 8, 16, 32, 64 };
static const uint64_t domains[] = { 1, 1, 1, 2, 2, 10, 16, 17, 0 };
static const uint64_t socket_types[] = { 1, 2, 5, 3, 1 | O_NONBLOCK, 2 | O_NONBLOCK, 5 | O_NONBLOCK,
	1 | O_CLOEXEC };
static const uint64_t message_flags[] = { 0x40, 0x40, 0x40, 2, 1, 0x4000, 0x20, 0x40000000, 0x80,
	0x100, 0x8, 0x10000 };
static const uint64_t levels[] = { 1, 1, 1, 6, 0, 41, 270 };
static const uint64_t socket_options[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 13, 15, 16, 17, 18, 19,
	20, 21, 26, 28, 29, 30, 31, 32, 33, 34, 36, 37, 38, 39, 42, 59, 76, 77 };
static const uint64_t hows[] = { 0, 1, 2 };
static const uint64_t epoll_operations[] = { 1, 1, 2, 3 };
static const uint64_t inotify_masks[] = { 0xfff, 1, 2, 0x100, 0x200, 0x40, 0x80, 0x01000000,
	0x02000000, 0x04000000, 0x10000000, 0x20000000, 0x80000000 };
static const uint64_t clocks[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 0xfffffffe, 0xfffffff6 };
static const uint64_t timer_flags[] = { 0, 1, 2, 3 };
static const uint64_t interval_timers[] = { 0, 0, 1, 2 };
static const uint64_t mask_hows[] = { 0, 1, 2, 2 };
static const uint64_t wait_flags[] = { 1, 1, 1, 2, 4, 8, 0x01000000, 0x20000000, 0x40000000,
	0x80000000 };
static const uint64_t id_types[] = { 0, 1, 2, 3 };
static const uint64_t futex_operations[] = { 0, 1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 128, 129,
	131, 132, 133, 134, 135, 136, 137, 138, 139, 140, 141, 256, 384, 393 };
static const uint64_t prctl_options[] = { 1, 2, 3, 4, 5, 6, 7, 8, 13, 14, 15, 16, 19, 20, 21, 23,
	24, 25, 26, 27, 28, 29, 30, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48,
	49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63, 64, 65, 0x53564d41,
	0x59616d61 };
/* SET_GS, SET_FS, GET_FS, GET_GS, CPUID and features; setting fs is seldom what one survives. */
static const uint64_t arch_options[] = { 0x1003, 0x1004, 0x1011, 0x1012, 0x1021, 0x1022, 0x1023,
	0x1024, 0x3001, 0x1001 };
static const uint64_t limits[] = { 0, 1, 2, 3, 4, 5, 6, 8, 10, 11, 12, 13, 14, 15 };
static const uint64_t usages[] = { 0, 1, ~0ul, ~1ul };
static const uint64_t priorities[] = { 0, 0, 0 };
static const uint64_t policies[] = { 0, 3, 5 };
static const uint64_t memfd_flags[] = { 1, 2, 4, 8, 16 };
static const uint64_t random_flags[] = { 1, 2, 4 };
static const uint64_t splice_flags[] = { 2, 2, 1, 4, 8 };
static const uint64_t rw_flags[] = { 1, 2, 4, 8, 16 };
static const uint64_t xattr_flags[] = { 1, 2 };
static const uint64_t statx_masks[] = { 0x7ff, 0xfff, 0x1000, 0x80000000, 1 };
static const uint64_t statx_flags[] = { 0x100, 0x800, 0x1000, 0x2000, 0x4000 };
static const uint64_t device_modes[] = { 0100644, 0010600, 0140600, 0020600, 0060600, 0040755,
	0120777, 0644 };
static const uint64_t mount_flags[] = { 1, 2, 4, 8, 32, 4096, 4096, 4096 | 16384, 8192, 16384,
	1 << 17, 1 << 18, 1 << 19, 1 << 20, 16384 | 1 << 20 };
static const uint64_t umount_flags[] = { 1, 2, 4, 8 };
/* Descriptors that are those of world.c as a rule. */
static const uint64_t namespace_fds[] = { 38, 38, 25, 3 };
static const uint64_t namespace_types[] = { 0, 0, CLONE_NEWNS, CLONE_NEWNS, CLONE_NEWUSER,
	CLONE_NEWPID, CLONE_NEWNET, CLONE_NEWIPC };
static const uint64_t pid_fds[] = { 25, 25, 25, 18 };
static const uint64_t queue_fds[] = { 39, 39, 39, 9 };
static const uint64_t unshare_flags[] = { CLONE_NEWNS, CLONE_NEWNS, CLONE_FS, CLONE_FILES,
	CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET, CLONE_THREAD };
static const uint64_t close_flags[] = { 2, 4 };
static const uint64_t membarrier_commands[] = { 0, 1, 2, 4, 8, 16, 32, 64, 128, 256 };
static const uint64_t lock_all_flags[] = { 1, 2, 4 };
static const uint64_t ptrace_requests[] = { 1, 2, 3, 4, 5, 6, 7, 12, 13, 14, 15, 16, 17, 18, 19, 24,
	0x4200, 0x4201, 0x4202, 0x4203, 0x4204, 0x4205, 0x4206, 0x4207, 0x4208, 0x4209, 0x420a,
	0x420e };
static const uint64_t log_commands[] = { 2, 3, 9, 10 };
static const uint64_t seccomp_operations[] = { 0, 1, 1, 2, 3 };
static const uint64_t seccomp_flags[] = { 1, 2, 4, 8, 16, 32 };
/* IPC_CREAT and EXCL, modes, SHM_HUGETLB */
static const uint64_t ipc_flags[] = { 01000, 01000, 02000, 0600, 0400, 0666, 04000 };
static const uint64_t attach_flags[] = { 010000, 020000, 040000, 0100000 };
/* RMID SET STAT INFO; of semaphores; SHM_LOCK and the STAT and INFO of each kind */
static const uint64_t ipc_commands[] = { 0, 1, 1, 2, 2, 3, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20 };
static const uint64_t message_queue_flags[] = { 04000, 04000, 010000, 020000, 040000 };
static const uint64_t robust_sizes[] = { 24, 24, 24, 12 };
static const uint64_t personalities[] = { 0, 0xffffffff, 0x0040000, 0x0400000, 8 };
static const uint64_t execveat_flags[] = { AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW };
static const uint64_t key_sizes[] = { 8, 8, 8, 8, 0, 4, 16, 128 };
static const uint64_t memory_policies[] = { 1, 2, 3, 4, 1 << 13, 1 << 14, 1 << 15 };
static const uint64_t bind_flags[] = { 1, 2, 4 };

#endif

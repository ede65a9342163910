/* SPDX-License-Identifier: MIT */
/* System V IPC: flags, commands and structures, as on Linux. */
#ifndef ABI_LINUX_IPC_H
#define ABI_LINUX_IPC_H

#include <stdint.h>

constexpr int32_t LINUX_IPC_PRIVATE = 0;

enum linux_ipc_flags : uint32_t { /* above the permissions */
	LINUX_IPC_CREAT = 01000,
	LINUX_IPC_EXCL = 02000,
	LINUX_IPC_NOWAIT = 04000,
	LINUX_SHM_HUGETLB = 04000,
	LINUX_SHM_RDONLY = 010000,
	LINUX_SHM_RND = 020000,
	LINUX_SHM_REMAP = 040000,
	LINUX_SHM_EXEC = 0100000,
	LINUX_SHM_DEST = 01000, /* in a mode: to be destroyed with the last attachment */
	LINUX_SHM_LOCKED = 02000, /* in a mode */
	LINUX_MSG_NOERROR = 010000,
	LINUX_MSG_EXCEPT = 020000,
	LINUX_MSG_COPY = 040000,
	LINUX_SEM_UNDO = 0x1000,
};

enum linux_ipc_command : uint32_t {
	LINUX_IPC_RMID = 0,
	LINUX_IPC_SET = 1,
	LINUX_IPC_STAT = 2,
	LINUX_IPC_INFO = 3,

	LINUX_MSG_STAT = 11,
	LINUX_MSG_INFO = 12,
	LINUX_MSG_STAT_ANY = 13,

	LINUX_SHM_LOCK = 11,
	LINUX_SHM_UNLOCK = 12,
	LINUX_SHM_STAT = 13,
	LINUX_SHM_INFO = 14,
	LINUX_SHM_STAT_ANY = 15,

	LINUX_GETPID = 11,
	LINUX_GETVAL = 12,
	LINUX_GETALL = 13,
	LINUX_GETNCNT = 14,
	LINUX_GETZCNT = 15,
	LINUX_SETVAL = 16,
	LINUX_SETALL = 17,
	LINUX_SEM_STAT = 18,
	LINUX_SEM_INFO = 19,
	LINUX_SEM_STAT_ANY = 20,
};

struct linux_ipc_perm {
	int32_t key;
	uint32_t uid, gid, cuid, cgid;
	uint32_t mode;
	uint16_t sequence, padding[3];
	uint64_t unused[2];
};
static_assert(sizeof(struct linux_ipc_perm) == 48);

struct linux_sembuf {
	uint16_t number;
	int16_t change;
	int16_t flags;
};

struct linux_semid_ds {
	struct linux_ipc_perm perm;
	int64_t operation_time, unused1, change_time, unused2;
	uint64_t n_semaphores, unused[2];
};
static_assert(sizeof(struct linux_semid_ds) == 104);

struct linux_seminfo {
	int32_t map, sets_max, semaphores_max, undos_max, per_set_max, per_call_max, undo_entries;
	int32_t undo_size, value_max, adjustment_max;
};

struct linux_msqid_ds {
	struct linux_ipc_perm perm;
	int64_t send_time, receive_time, change_time;
	uint64_t n_bytes, n_messages, bytes_max;
	uint32_t send_pid, receive_pid;
	uint64_t unused[2];
};
static_assert(sizeof(struct linux_msqid_ds) == 120);

struct linux_msginfo {
	int32_t pool, map, message_max, bytes_max, queues_max, segment_size, headers;
	uint16_t segments;
};
static_assert(sizeof(struct linux_msginfo) == 32);

struct linux_shmid_ds {
	struct linux_ipc_perm perm;
	uint64_t size;
	int64_t attach_time, detach_time, change_time;
	uint32_t creator_pid, last_pid;
	uint64_t n_attached, unused[2];
};
static_assert(sizeof(struct linux_shmid_ds) == 112);

struct linux_shminfo64 { /* IPC_INFO */
	uint64_t size_max, size_min, segments_max, per_process_max, pages_max, unused[4];
};

struct linux_shm_info { /* SHM_INFO */
	int32_t n_segments;
	uint64_t n_pages, n_resident, n_swapped, swap_attempts, swap_successes;
};
static_assert(sizeof(struct linux_shm_info) == 48);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * What the three kinds of System V IPC share: keys, numbers and permissions.
 *
 * An object's number says where it is in the table of its kind, and, so that the number of a
 * removed object does not name its successor, in which round that place was given out. Objects of
 * a key are found by a hash, those without one (IPC_PRIVATE, or doomed) only by number.
 *
 * Whoever waits for an object holds its number and no pointer: removal wakes all that wait, and
 * they find it gone.
 */
#ifndef POSIX_IPC_H
#define POSIX_IPC_H

#include <abi/linux/ipc.h>
#include <base/bitmap.h>
#include <base/hash-table.h>
#include <posix/server/process/process.h>

constexpr uint32_t IPC_PLACES = 32768; /* of each kind */
/* How many there may be at once, as on Linux. */
constexpr uint32_t SEGMENTS_MAX = 4096, SEMAPHORE_SETS_MAX = 32000, MESSAGE_QUEUES_MAX = 32000;
constexpr uint32_t IPC_KEY_BUCKETS = 256;

struct ipc_object {
	struct hash_node key_node; /* in the table, if it has a key */
	int32_t key;
	int32_t id;
	uint32_t uid, gid, cuid, cgid;
	uint32_t mode; /* permissions, and the kind's own bits above */
	int64_t change_time; /* seconds */
};

struct ipc_table {
	bool is_ready;
	uint16_t round; /* of the number given out last */
	uint32_t n_objects;
	struct ipc_object *objects[IPC_PLACES];
	uint64_t used[BITMAP_WORDS(IPC_PLACES)];
	struct hash_table keys;
	struct hash_node *buckets[IPC_KEY_BUCKETS];
};

/**
 * ipc_lookup() - what the get call of each kind begins with
 * @flags: permissions and enum linux_ipc_flags
 * @n_max: how many of the kind there may be
 * @out_object: borrowed; NULL: the caller is to make one
 *
 * Return: 0, -LINUX_ENOENT, -LINUX_EEXIST, -LINUX_EACCES, -LINUX_ENOSPC.
 */
int64_t ipc_lookup(struct ipc_table *table, const struct process *process, int32_t key,
	uint32_t flags, uint32_t n_max, struct ipc_object **out_object);

/** ipc_add() - number, owner and mode for a new object; ipc_lookup() has seen that there is room */
void ipc_add(struct ipc_table *table, const struct process *process, int32_t key, uint32_t flags,
	struct ipc_object *object);

/** ipc_remove() - forget an object; its memory is the caller's */
void ipc_remove(struct ipc_table *table, struct ipc_object *object);

/** ipc_forget_key() - the object is found by its number only, and its key can be used again */
void ipc_forget_key(struct ipc_table *table, struct ipc_object *object);

/** ipc_find() - by number; NULL: there is none, which is -LINUX_EIDRM for whoever waited for it */
struct ipc_object *ipc_find(const struct ipc_table *table, int32_t id);

/** ipc_at() - by place in the table, as the STAT commands take it; NULL: none */
struct ipc_object *ipc_at(const struct ipc_table *table, uint32_t index);

/** ipc_last_index() - the highest place in use, 0 if none is */
int64_t ipc_last_index(const struct ipc_table *table);

/**
 * ipc_next() - for lists: the first object at or after a place
 * @cursor: the place and 1; is moved behind what was found
 *
 * Return: borrowed; NULL: there are no more.
 */
struct ipc_object *ipc_next(const struct ipc_table *table, uint64_t *cursor);

/** ipc_may() - whether @process may do @wanted: S_IRUGO and S_IWUGO bits, as Linux compares them */
bool ipc_may(const struct process *process, const struct ipc_object *object, uint32_t wanted);

/** ipc_owns() - whether @process may change and remove it */
bool ipc_owns(const struct process *process, const struct ipc_object *object);

/** ipc_encode() - what the STAT commands say of every kind */
void ipc_encode(const struct ipc_object *object, struct linux_ipc_perm *out_perm);

/** ipc_set() - what IPC_SET changes of every kind; 0 or -LINUX_EINVAL: -1 is nobody's id */
int64_t ipc_set(struct ipc_object *object, const struct linux_ipc_perm *perm);

/** ipc_now() - seconds of the wall clock */
int64_t ipc_now(void);

/* ---- the kinds ------------------------------------------------------------------------------- */

constexpr uint32_t IPC_READ = 0444, IPC_WRITE = 0222;

constexpr uint32_t SEMAPHORES_PER_SET_MAX = 32000;
constexpr uint32_t SEMAPHORES_MAX = 1024000000;
constexpr uint32_t SEMAPHORE_OPERATIONS_MAX = 500;
constexpr uint64_t MESSAGE_SIZE_MAX = 8192;
constexpr uint64_t MESSAGE_QUEUE_BYTES = 16384;

struct mm;

/** semaphores_process_ended() - undo what it did with SEM_UNDO */
void semaphores_process_ended(struct process *process);

/** shared_memory_forked() - @copy has the attachments of @mm; 0 or -LINUX_ENOMEM */
int shared_memory_forked(const struct mm *mm, struct mm *copy);
/** shared_memory_left() - @mm is going */
void shared_memory_left(struct mm *mm);

/** shared_memory_pages_max() - of all segments together */
uint64_t shared_memory_pages_max(void);

/**
 * semaphores_print() - the next line of /proc/sysvipc/sem
 * @cursor: 0: the heading; else the place in the table where to look on, and 1; is moved on
 *
 * Return: how many bytes, 0: there are no more.
 */
size_t semaphores_print(uint64_t *cursor, char *buffer, size_t size);
/** messages_print() - the same for /proc/sysvipc/msg */
size_t messages_print(uint64_t *cursor, char *buffer, size_t size);
/** shared_memory_print() - the same for /proc/sysvipc/shm */
size_t shared_memory_print(uint64_t *cursor, char *buffer, size_t size);

#endif

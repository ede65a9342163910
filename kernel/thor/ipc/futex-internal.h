/* SPDX-License-Identifier: MIT */
/* What futex.c, futex-lock.c and futex-requeue.c say to each other. */
#ifndef THOR_IPC_FUTEX_INTERNAL_H
#define THOR_IPC_FUTEX_INTERNAL_H

#include <thor/ipc/futex.h>

struct futex_bucket {
	struct spinlock lock;
	struct list waiters; /* struct thread by wait.node */
};

/* The result of a wait for a lock: handed over by the owner's end. */
constexpr int FUTEX_OWNER_GONE = 2;

/* The bits that a waiter has in common with a wake: with none it is moved to a lock, not woken. */
constexpr uint32_t FUTEX_NO_BITS = 0;

/** futex__bucket_of() - where those wait who wait for a word */
struct futex_bucket *futex__bucket_of(const struct futex_key *key);

static inline bool futex__has_key(const struct thread *thread, const struct futex_key *key)
{
	return thread->wait.futex_memory == key->memory && thread->wait.futex_offset == key->offset;
}

/* ---- waiters for a word that will be moved to a lock: futex-lock.c --------------------------- */

/**
 * futex__aim() - note to which lock the current thread is to be moved; takes references
 *
 * Return: 0, -ERR_ILLEGAL_STATE (it has no number), -ERR_NO_MEMORY.
 */
MUST_USE int futex__aim(struct thread *thread, const struct futex_key *lock_key);

/**
 * futex__land() - the wait is over, or was none: it waits for no lock any more
 * @result: of the wait
 *
 * Return: HEL_FUTEX_MOVED, HEL_FUTEX_ABANDONED with the former owner's number.
 */
uint32_t futex__land(struct thread *thread, int result);

/** futex__was_moved() - with the lock of the bucket where it began to wait */
bool futex__was_moved(const struct thread *thread);

struct futex_move {
	struct futex_key from, to;
	uint64_t address; /* of the lock, in the current space */
	uint32_t expected; /* its word */
	uint32_t n_max;
};

/**
 * futex__move() - move waiters for a word to a lock that somebody has, the most urgent first
 * @mover: the current thread
 * @waiters: of the bucket of @move->from, which is locked
 *
 * Return: 0, -ERR_RETRY (another value), -ERR_NOT_FOUND (the word names no thread), and of the
 * first who cannot be moved -ERR_ILLEGAL_ARGS (it does not wait for that), -ERR_ILLEGAL_STATE (the
 * owner is it, or waits for it), -ERR_NO_MEMORY; the others before it were moved.
 */
MUST_USE int futex__move(struct thread *mover, struct list *waiters, const struct futex_move *move,
	uint32_t *out_n_moved);

#endif

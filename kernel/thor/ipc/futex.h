/* SPDX-License-Identifier: MIT */
/*
 * Futexes: threads that wait for a word in memory.
 *
 * A waiter is kept in a bucket by what the word *is*: the memory object behind the mapping and
 * the offset in it, so that private and shared words, and different mappings of the same memory,
 * are all one case, and neither a fork nor a copy on write parts a waiter from its waker. The
 * bucket's lock is held from reading the word to being in the list.
 */
#ifndef THOR_IPC_FUTEX_H
#define THOR_IPC_FUTEX_H

#include <thor/sched/thread.h>

/* What a word is. */
struct futex_key {
	struct memory *memory; /* referenced */
	uint64_t offset;
};

/** futex__find_key() - of the word at @address; -ERR_FAULT, -ERR_ILLEGAL_ARGS (alignment) */
MUST_USE int futex__find_key(struct space *space, uint64_t address, struct futex_key *out_key);
void futex__drop_key(const struct futex_key *key);

static inline bool futex_keys_equal(const struct futex_key *a, const struct futex_key *b)
{
	return a->memory == b->memory && a->offset == b->offset;
}

constexpr uint64_t FUTEX_ANY_VALUE = ~(uint64_t)0;

/** futex_init() - make the table of buckets, sized by RAM; after the frame allocator */
void futex_init(void);

/**
 * futex_wait() - the current thread waits for a wake-up if the word has a value
 *
 * Return: with *out_is_blocked 0; otherwise -ERR_RETRY (another value), -ERR_TIMED_OUT,
 * -ERR_KICKED, -ERR_FAULT, -ERR_ILLEGAL_ARGS (alignment, bitset 0), THREAD_WAIT_RESTART.
 */
MUST_USE int futex_wait(struct thread *thread, uint64_t address, uint32_t expected,
	uint64_t deadline_ns, uint32_t bitset, bool *out_is_blocked);

/**
 * futex_wake() - wake up to @n_max waiters with a common bit; -ERR_FAULT, -ERR_ILLEGAL_ARGS (also:
 * it would have to pass one that is to be moved to a lock)
 */
MUST_USE int futex_wake(struct space *space, uint64_t address, uint32_t n_max, uint32_t bitset,
	uint32_t *out_woken);

struct futex_requeue {
	uint64_t from, to;
	uint64_t expected; /* or FUTEX_ANY_VALUE */
	uint32_t n_wake, n_requeue;
};

/**
 * futex_requeue() - wake some, let others wait for another word; the value is both counts;
 * -ERR_RETRY, -ERR_FAULT, -ERR_ILLEGAL_ARGS
 */
MUST_USE int futex_requeue(
	struct space *space, const struct futex_requeue *request, uint32_t *out_count);

/* ---- locks with priority inheritance: futex-lock.c */

void futex_locks_init(void);

/** futex_name() - @number, 0: none, names @thread among those that @giver has named */
void futex_name(struct thread *thread, const struct universe *giver, uint32_t number);

/**
 * futex_lock() - the current thread waits until it is handed a lock that another one has
 *
 * Return: with *out_is_blocked 0; otherwise -ERR_RETRY (another value), -ERR_NOT_FOUND (the word
 * names no thread), -ERR_ILLEGAL_STATE (it would wait for itself, or has no number),
 * -ERR_TIMED_OUT, -ERR_KICKED, -ERR_FAULT, -ERR_ILLEGAL_ARGS, -ERR_NO_MEMORY,
 * THREAD_WAIT_RESTART.
 */
MUST_USE int futex_lock(struct thread *thread, uint64_t address, uint32_t expected,
	uint64_t deadline_ns, bool *out_is_blocked);

/**
 * futex_unlock() - the current thread gives its lock to the most urgent waiter, or frees it;
 * -ERR_NO_RIGHTS (the word does not name it), -ERR_FAULT, -ERR_ILLEGAL_ARGS
 */
MUST_USE int futex_unlock(struct thread *thread, uint64_t address);

/* ---- condition variables of such locks: futex-requeue.c */

struct futex_wait_requeue {
	uint64_t address, lock;
	uint32_t expected;
	uint64_t deadline_ns;
};

/**
 * futex_wait_requeue() - the current thread waits for a word until it is moved to a lock, and
 * handed that
 *
 * Return: with *out_is_blocked 0; otherwise -ERR_RETRY (another value), -ERR_ILLEGAL_STATE (it has
 * no number), -ERR_TIMED_OUT, -ERR_KICKED, -ERR_FAULT, -ERR_ILLEGAL_ARGS, -ERR_NO_MEMORY,
 * THREAD_WAIT_RESTART.
 */
MUST_USE int futex_wait_requeue(
	struct thread *thread, const struct futex_wait_requeue *request, bool *out_is_blocked);

struct futex_requeue_lock {
	uint64_t from, lock;
	uint32_t expected, lock_expected;
	uint32_t n_max;
};

/**
 * futex_requeue_lock() - let up to @n_max that wait for a word wait for a lock that somebody has
 *
 * Return: 0, -ERR_RETRY (one of the words has another value), -ERR_NOT_FOUND (the lock names no
 * thread), -ERR_ILLEGAL_ARGS (alignment, one word, one who waits for something else),
 * -ERR_ILLEGAL_STATE (one would wait for itself), -ERR_FAULT, -ERR_NO_MEMORY.
 */
MUST_USE int futex_requeue_lock(
	struct thread *thread, const struct futex_requeue_lock *request, uint32_t *out_count);

/** futex_set_priority() - thread_apply_priority(), or what it is lent if that is more */
void futex_set_priority(struct thread *thread, int32_t priority);

/** futex_thread_ends() - it has no number any more, and who waits for its locks gets them */
void futex_thread_ends(struct thread *thread);

#endif

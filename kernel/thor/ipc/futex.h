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

/** futex_wake() - wake up to @n_max waiters with a common bit; -ERR_FAULT, -ERR_ILLEGAL_ARGS */
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

#endif

/* SPDX-License-Identifier: MIT */
/*
 * A lock that many readers or one writer hold, for tasks of one loop.
 *
 * First come, first served: a reader waits behind a writer that came before it, so neither kind
 * starves. Handing over makes the lock the waiter's before it runs. A task must not take it twice.
 */
#ifndef BLOCKFS_LOCK_H
#define BLOCKFS_LOCK_H

#include <async/sync.h>
#include <async/task.h>

struct rwlock {
	uint32_t n_readers;
	bool has_writer;
	struct list waiters; /* of struct rwlock_op */
};

/** rwlock_init() - make a free lock */
static inline void rwlock_init(struct rwlock *lock)
{
	*lock = (struct rwlock){ 0 };
	list_init(&lock->waiters);
}

/** rwlock_read() - share the lock: 0, or the reason of a cancel without it */
MUST_USE int rwlock_read(struct task *task, struct rwlock *lock);

/** rwlock_try_read() - share the lock without waiting; true on success */
MUST_USE bool rwlock_try_read(struct rwlock *lock);

/** rwlock_write() - have the lock alone: 0, or the reason of a cancel without it */
MUST_USE int rwlock_write(struct task *task, struct rwlock *lock);

/** rwlock_read_done() - give back what rwlock_read() gave */
void rwlock_read_done(struct rwlock *lock);

/** rwlock_write_done() - give back what rwlock_write() gave */
void rwlock_write_done(struct rwlock *lock);

#endif

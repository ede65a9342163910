/* SPDX-License-Identifier: MIT */
/*
 * Locks of programs with several threads (thread.h); in all others they cost one look at a flag.
 *
 * One word: 0 free, 1 taken, 2 taken and perhaps waited for. Who finds it taken looks again for a
 * moment, since what is done under such a lock is short, and then sleeps. There is no order among
 * those who wait, and nobody's priority is lent.
 */
#ifndef HELIX_LOCK_H
#define HELIX_LOCK_H

#include <base/types.h>

struct helix_lock {
	uint32_t word;
	uint32_t n_waits; /* how often somebody found it taken; guarded by the lock */
};

/** helix_has_threads - whether there are others than the first */
extern bool helix_has_threads;

/* The lock is taken: wait for it. */
void helix_lock__wait(struct helix_lock *lock);
/* Somebody sleeps. */
void helix_lock__wake(struct helix_lock *lock);

/** helix_lock_try_take() - whether the caller has it now */
static inline bool helix_lock_try_take(struct helix_lock *lock)
{
	uint32_t expected = 0;

	return __atomic_compare_exchange_n(
		&lock->word, &expected, 1, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

/** helix_lock_take() - wait until nobody else has it */
static inline void helix_lock_take(struct helix_lock *lock)
{
	if (helix_has_threads && !helix_lock_try_take(lock)) {
		helix_lock__wait(lock);
	}
}

/** helix_lock_release() - the caller has it no longer */
static inline void helix_lock_release(struct helix_lock *lock)
{
	if (helix_has_threads && __atomic_exchange_n(&lock->word, 0, __ATOMIC_SEQ_CST) == 2) {
		helix_lock__wake(lock);
	}
}

#endif

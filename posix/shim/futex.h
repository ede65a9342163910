/* SPDX-License-Identifier: MIT */
/*
 * Futexes: what the operations of futex(2) do. Words are 4-aligned and below the shim's region;
 * results are those of the call.
 */
#ifndef POSIX_SHIM_FUTEX_H
#define POSIX_SHIM_FUTEX_H

#include "shim.h"

/* ---- misc-calls.c */

/* @interrupted_result: when a signal ends it */
int64_t shim_futex_wait(const uint32_t *word, uint32_t expected, struct shim_deadline deadline,
	uint32_t mask, int64_t interrupted_result);

/* ---- futex-pi.c */

int64_t shim_futex_lock_pi(uint32_t *word, struct shim_deadline deadline);
int64_t shim_futex_trylock_pi(uint32_t *word);
int64_t shim_futex_unlock_pi(uint32_t *word);
int64_t shim_futex_wait_requeue_pi(const uint32_t *word, uint32_t expected,
	struct shim_deadline deadline, uint32_t *lock_word);
int64_t shim_futex_cmp_requeue_pi(const uint32_t *word, uint32_t expected, uint32_t n_wake,
	uint32_t n_requeue, uint32_t *lock_word);
/*
 * The thread exits: the locks on its robust list are marked, and who waits for them is woken.
 */
void shim_leave_robust_locks(void);

#endif

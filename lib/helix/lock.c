/* SPDX-License-Identifier: MIT */
/* Locks: see lock.h. */
#include <helix/lock.h>

#include <hel/hel-calls.h>

#if defined(HATI_HOST)
#include <helix/arch/sim/self.h>
#elif defined(__x86_64__)
#include <helix/arch/x86_64/self.h>
#endif

constexpr unsigned LOOKS_MAX = 100; /* before it sleeps */
constexpr uint32_t ANY_MASK = 1;

bool helix_has_threads;

void helix_lock__wait(struct helix_lock *lock)
{
	for (unsigned i = 0; i < LOOKS_MAX; i++) {
		if (__atomic_load_n(&lock->word, __ATOMIC_RELAXED) == 0 &&
			helix_lock_try_take(lock)) {
			lock->n_waits++;
			return;
		}
		helix_relax();
	}
	/* It may be that nobody else waits when we have it: then one wake is for nothing. */
	while (__atomic_exchange_n(&lock->word, 2, __ATOMIC_SEQ_CST) != 0) {
		(void)!hel_futex_wait(&lock->word, 2, HEL_DEADLINE_NEVER, ANY_MASK);
	}
	lock->n_waits++;
}

void helix_lock__wake(struct helix_lock *lock)
{
	(void)!hel_futex_wake(&lock->word, 1, ANY_MASK, NULL);
}

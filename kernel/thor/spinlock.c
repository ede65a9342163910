/* SPDX-License-Identifier: MIT */
/*
 * Ticket spin locks.
 *
 * Debug builds keep, per CPU, the locks that it holds in the order of taking, and panic when a lock
 * is taken out of order or released by somebody else.
 */
#include <thor/spinlock.h>

#include <base/assert.h>
#include <thor/cpu.h>
#include <thor/panic.h>

static void spinlock_acquire_unchecked(struct spinlock *lock)
{
	uint16_t ticket = atomic_fetch_add_explicit(&lock->next, 1, memory_order_relaxed);

	if (unlikely(atomic_load_explicit(&lock->serving, memory_order_acquire) != ticket)) {
		spinlock__wait(lock, ticket);
	}
}

void spinlock__wait(struct spinlock *lock, uint16_t ticket)
{
	uint32_t n_spins = 0;

	arch_this_cpu()->n_lock_waits++;
	while (atomic_load_explicit(&lock->serving, memory_order_acquire) != ticket) {
		shootdown_poll();
		arch_relax(&n_spins);
	}
}

#ifndef NDEBUG

#define HELD_MAX 8

/* Owner CPU only. */
static struct held_locks {
	uint32_t n_locks;
	const struct spinlock *locks[HELD_MAX];
} held_locks[CPUS_MAX];

static void held_push(const struct spinlock *lock, bool is_ordered)
{
	struct held_locks *held = &held_locks[arch_this_cpu()->index];

	ASSERT(held->n_locks < HELD_MAX);
	if (is_ordered && held->n_locks > 0 && held->locks[held->n_locks - 1]->rank >= lock->rank) {
		const struct spinlock *last = held->locks[held->n_locks - 1];

		panic("lock %p of rank %u is taken while %p of rank %u is held", (const void *)lock,
			lock->rank, (const void *)last, last->rank);
	}
	held->locks[held->n_locks++] = lock;
}

/* Usually the last one; the ranks of the others stay in order. */
static void held_remove(const struct spinlock *lock)
{
	struct held_locks *held = &held_locks[arch_this_cpu()->index];
	uint32_t i = held->n_locks;

	while (i > 0 && held->locks[i - 1] != lock) {
		i--;
	}
	if (i == 0) {
		panic("lock %p of rank %u is released by a CPU that does not hold it",
			(const void *)lock, lock->rank);
	}
	for (; i < held->n_locks; i++) {
		held->locks[i - 1] = held->locks[i];
	}
	held->n_locks--;
}

void spinlock_acquire(struct spinlock *lock)
{
	held_push(lock, true);
	spinlock_acquire_unchecked(lock);
}

void spinlock_release(struct spinlock *lock)
{
	uint16_t serving = atomic_load_explicit(&lock->serving, memory_order_relaxed);

	held_remove(lock);
	atomic_store_explicit(&lock->serving, (uint16_t)(serving + 1), memory_order_release);
}

#else

static void held_push(UNUSED const struct spinlock *lock, UNUSED bool is_ordered)
{
}

#endif

bool spinlock_try_acquire(struct spinlock *lock)
{
	uint16_t ticket = atomic_load_explicit(&lock->serving, memory_order_relaxed);

	if (!atomic_compare_exchange_strong_explicit(&lock->next, &ticket, (uint16_t)(ticket + 1),
		    memory_order_acquire, memory_order_relaxed)) {
		return false;
	}
	held_push(lock, false);
	return true;
}

void spinlock_acquire_pair(struct spinlock *a, struct spinlock *b)
{
	if ((uintptr_t)a > (uintptr_t)b) {
		struct spinlock *first = b;

		b = a;
		a = first;
	}
	held_push(a, true);
	spinlock_acquire_unchecked(a);
	if (a != b) {
		held_push(b, false);
		spinlock_acquire_unchecked(b);
	}
}

bool spinlock_is_held(const struct spinlock *lock)
{
	return atomic_load_explicit(&lock->next, memory_order_relaxed) !=
		atomic_load_explicit(&lock->serving, memory_order_relaxed);
}

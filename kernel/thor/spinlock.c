/* SPDX-License-Identifier: MIT */
/*
 * Ticket spin locks.
 *
 * Debug builds keep, per CPU, the locks that it holds and where each was taken, and panic when a
 * lock is taken out of order or twice, released by somebody else, or still held when the kernel is
 * left. A lock that is only tried may be out of order: nobody waits for it.
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

#define HELD_MAX 24

/* Owner CPU only. */
static struct held_locks {
	uint32_t n_locks;
	struct held_lock {
		const struct spinlock *lock;
		const void *taken_at;
	} locks[HELD_MAX];
} held_locks[CPUS_MAX];

#define TAKEN_AT() __builtin_return_address(0)

/* @is_ordered: the CPU will wait for the lock, so its rank has to be above all that it holds. */
static void held_push(const struct spinlock *lock, bool is_ordered, const void *taken_at)
{
	struct held_locks *held = &held_locks[arch_this_cpu()->index];

	for (uint32_t i = 0; i < held->n_locks; i++) {
		const struct held_lock *other = &held->locks[i];

		if (other->lock == lock) {
			panic("lock of rank %u is taken at %p and again", lock->rank,
				other->taken_at);
		}
		if (is_ordered && other->lock->rank >= lock->rank) {
			panic("lock of rank %u is taken while that of rank %u of %p is held",
				lock->rank, other->lock->rank, other->taken_at);
		}
	}
	ASSERT(held->n_locks < HELD_MAX);
	held->locks[held->n_locks++] = (struct held_lock){ lock, taken_at };
}

/* Usually the last one. */
static void held_remove(const struct spinlock *lock)
{
	struct held_locks *held = &held_locks[arch_this_cpu()->index];
	uint32_t i = held->n_locks;

	while (i > 0 && held->locks[i - 1].lock != lock) {
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
	held_push(lock, true, TAKEN_AT());
	spinlock_acquire_unchecked(lock);
}

void spinlock_check_none_held(void)
{
	const struct held_locks *held = &held_locks[arch_this_cpu()->index];

	if (held->n_locks > 0) {
		panic("the kernel is left with the lock of rank %u that was taken at %p",
			held->locks[0].lock->rank, held->locks[0].taken_at);
	}
}

bool spinlock_is_held(const struct spinlock *lock)
{
	const struct held_locks *held = &held_locks[arch_this_cpu()->index];
	uint32_t i = 0;

	while (i < held->n_locks && held->locks[i].lock != lock) {
		i++;
	}
	return i < held->n_locks;
}

void spinlock_release(struct spinlock *lock)
{
	uint16_t serving = atomic_load_explicit(&lock->serving, memory_order_relaxed);

	held_remove(lock);
	atomic_store_explicit(&lock->serving, (uint16_t)(serving + 1), memory_order_release);
}

#else

#define TAKEN_AT() NULL

static void held_push(
	UNUSED const struct spinlock *lock, UNUSED bool is_ordered, UNUSED const void *taken_at)
{
}

bool spinlock_is_held(const struct spinlock *lock)
{
	return atomic_load_explicit(&lock->next, memory_order_relaxed) !=
		atomic_load_explicit(&lock->serving, memory_order_relaxed);
}

#endif

bool spinlock_try_acquire(struct spinlock *lock)
{
	uint16_t ticket = atomic_load_explicit(&lock->serving, memory_order_relaxed);

	if (!atomic_compare_exchange_strong_explicit(&lock->next, &ticket, (uint16_t)(ticket + 1),
		    memory_order_acquire, memory_order_relaxed)) {
		return false;
	}
	held_push(lock, false, TAKEN_AT());
	return true;
}

void spinlock_acquire_pair(struct spinlock *a, struct spinlock *b)
{
	if ((uintptr_t)a > (uintptr_t)b) {
		struct spinlock *first = b;

		b = a;
		a = first;
	}
	held_push(a, true, TAKEN_AT());
	spinlock_acquire_unchecked(a);
	if (a != b) {
		held_push(b, false, TAKEN_AT());
		spinlock_acquire_unchecked(b);
	}
}

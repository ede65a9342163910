/* SPDX-License-Identifier: MIT */
/*
 * Atomic reference count.
 *
 * Taking more than two thousand million references saturates the count: the object then lives for
 * ever, which is a leak instead of a use after free. Dropping a reference nobody holds is a bug and
 * asserts.
 */
#ifndef BASE_REFCOUNT_H
#define BASE_REFCOUNT_H

#include <base/assert.h>
#include <base/types.h>

#define REFCOUNT_SATURATED 0x80000000u

struct refcount {
	_Atomic uint32_t count;
};

/** refcount_init() - the creator holds @count references, usually one */
static inline void refcount_init(struct refcount *refcount, uint32_t count)
{
	atomic_init(&refcount->count, count);
}

/** refcount_ref() - one more; the caller already holds a reference (or a lock that keeps one) */
static inline void refcount_ref(struct refcount *refcount)
{
	uint32_t before = atomic_fetch_add_explicit(&refcount->count, 1, memory_order_relaxed);

	ASSERT(before != 0);
	if (unlikely(before >= REFCOUNT_SATURATED)) {
		atomic_store_explicit(&refcount->count, REFCOUNT_SATURATED, memory_order_relaxed);
	}
}

/** refcount_try_ref() - one more unless the object is already dying; true on success */
MUST_USE static inline bool refcount_try_ref(struct refcount *refcount)
{
	uint32_t count = atomic_load_explicit(&refcount->count, memory_order_relaxed);

	do {
		if (count == 0) {
			return false;
		}
		if (unlikely(count >= REFCOUNT_SATURATED)) {
			return true;
		}
	} while (!atomic_compare_exchange_weak_explicit(
		&refcount->count, &count, count + 1, memory_order_relaxed, memory_order_relaxed));
	return true;
}

/** refcount_unref() - one less; true when that was the last one and the caller must destroy */
MUST_USE static inline bool refcount_unref(struct refcount *refcount)
{
	uint32_t before = atomic_fetch_sub_explicit(&refcount->count, 1, memory_order_release);

	ASSERT(before != 0);
	if (unlikely(before >= REFCOUNT_SATURATED)) {
		atomic_store_explicit(&refcount->count, REFCOUNT_SATURATED, memory_order_relaxed);
		return false;
	}
	if (before != 1) {
		return false;
	}
	atomic_thread_fence(memory_order_acquire);
	return true;
}

/** refcount_get() - the current value; for assertions and dumps only */
static inline uint32_t refcount_get(const struct refcount *refcount)
{
	return atomic_load_explicit(
		&((struct refcount *)(uintptr_t)refcount)->count, memory_order_relaxed);
}

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Deadlines: one ordered set per CPU.
 *
 * A timer is armed on the CPU that runs and fires there; any CPU may cancel it. The set is a
 * balanced tree with its first node cached: inserting, cancelling and expiring are O(log n) in
 * the worst case (a pairing heap is that only on average, and thor runs with interrupts off), and
 * nothing is allocated.
 *
 * A timer is armed exactly while `heap` is not NULL. It changes to NULL under that heap's lock,
 * so whoever sees the change under the lock (expiry or cancel) owns what follows: exactly one of
 * them wins.
 */
#ifndef THOR_TIME_TIMER_HEAP_H
#define THOR_TIME_TIMER_HEAP_H

#include <base/list.h>
#include <base/tree.h>
#include <base/types.h>
#include <thor/spinlock.h>

struct timer_heap;

struct timer {
	struct tree_node node;
	struct list_node expired_node; /* from expiry to `done` */
	uint64_t deadline_ns;
	_Atomic(struct timer_heap *) heap; /* where it is armed, NULL if it is not */
	/*
	 * Expired; called with the heap's lock held, so only locks above LOCK_RANK_TIMER may be
	 * taken. May be NULL.
	 */
	void (*fire)(struct timer *timer);
	/*
	 * Expired; called on the same CPU soon after, no lock held. The timer must live until
	 * then. May be NULL.
	 */
	void (*done)(struct timer *timer);
};

struct timer_heap {
	struct spinlock lock;
	struct tree tree;    /* guarded by lock; ordered by deadline */
	struct timer *first; /* guarded by lock; the earliest */
	_Atomic uint64_t
		/* its deadline, HEL_DEADLINE_NEVER if there is none; readable without lock */
		first_ns;
};

/** timer_heap_init() - an empty set, before its CPU goes online */
void timer_heap_init(struct timer_heap *heap);

/** timer_init() - an unarmed timer; @fire and @done as above */
void timer_init(struct timer *timer, void (*fire)(struct timer *), void (*done)(struct timer *));

/**
 * timer_arm() - arm the unarmed @timer on this CPU; a deadline in the past fires on the way out
 * of the kernel
 */
void timer_arm(struct timer *timer, uint64_t deadline_ns);

/**
 * timer_cancel() - true: it was armed and will not fire; false: it was not, or its hooks run or
 * have run
 */
bool timer_cancel(struct timer *timer);

/** timer_is_armed() - false: nothing has to be cancelled; for who alone arms and cancels it */
static inline bool timer_is_armed(const struct timer *timer)
{
	return atomic_load_explicit(&timer->heap, memory_order_acquire) != NULL;
}

/**
 * timer_heap_expire() - fire what is due at @now_ns; called by the owner without locks; at most
 * @budget timers
 */
void timer_heap_expire(struct timer_heap *heap, uint64_t now_ns, unsigned budget);

#endif

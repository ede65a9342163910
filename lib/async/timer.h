/* SPDX-License-Identifier: MIT */
/*
 * Timers: a heap of deadlines per loop, and the operation that waits for one.
 *
 * `struct timer` is the bare mechanism for libraries: a callback that can be taken back at any time
 * before it runs. `struct timer_op` is the same as an operation, for await().
 *
 * The heap is a pairing heap: a tree in which no child is earlier than its parent, children in a
 * list. Inserting is O(1), taking the earliest or any other one out is O(log n) amortised, no
 * allocation.
 */
#ifndef ASYNC_TIMER_H
#define ASYNC_TIMER_H

#include <async/op.h>

struct timer;

/** timer_fn - the deadline of @timer has passed; it is no longer armed */
typedef void (*timer_fn)(struct timer *timer);

struct timer {
	uint64_t deadline_ns;
	timer_fn fire;
	struct timer *child; /* first of those below this one */
	struct timer *next;  /* sibling */
	struct timer **link; /* the pointer that points here; NULL: not armed */
};

struct timer_heap {
	struct timer *first; /* the earliest */
};

/** timer_heap_insert() - arm @timer, which is not armed */
void timer_heap_insert(struct timer_heap *heap, struct timer *timer);

/** timer_heap_remove() - disarm @timer, which is armed in @heap */
void timer_heap_remove(struct timer_heap *heap, struct timer *timer);

/** timer_init() - prepare a timer that calls @fire */
static inline void timer_init(struct timer *timer, timer_fn fire)
{
	*timer = (struct timer){ .fire = fire };
}

/** timer_is_armed() - whether the timer will fire */
static inline bool timer_is_armed(const struct timer *timer)
{
	return timer->link != NULL;
}

/**
 * timer_arm() - call the timer's function once, from the loop, when @deadline_ns has come
 * @timer: initialised, not armed; borrowed until it fires or is disarmed
 */
void timer_arm(struct loop *loop, struct timer *timer, uint64_t deadline_ns);

/** timer_disarm() - the timer will not fire; harmless when it is not armed */
void timer_disarm(struct loop *loop, struct timer *timer);

struct timer_op {
	struct op op;
	struct timer timer;
	uint64_t deadline_ns;
};

/** timer_op_init() - an operation that finishes with 0 when @deadline_ns has come */
void timer_op_init(struct timer_op *timer, uint64_t deadline_ns);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Waiting for other tasks of the same loop: wait queues, mutexes, semaphores, events.
 *
 * All are FIFO: who came first is served first, by hand-over, so nobody is overtaken or starves.
 * All waits can be cancelled; whoever was served in the same moment has it, and await() returns 0.
 */
#ifndef ASYNC_SYNC_H
#define ASYNC_SYNC_H

#include <async/op.h>

struct task;

/* A place where operations wait until somebody wakes them. */
struct wait_queue {
	struct list ops;
};

struct wait_op {
	struct op op;
	struct wait_queue *queue;
};

/** wait_queue_init() - make a queue with no waiters */
static inline void wait_queue_init(struct wait_queue *queue)
{
	list_init(&queue->ops);
}

/** wait_queue_is_empty() - whether nobody waits */
static inline bool wait_queue_is_empty(const struct wait_queue *queue)
{
	return list_is_empty(&queue->ops);
}

/** wait_op_init() - an operation that finishes when @queue is woken */
void wait_op_init(struct wait_op *wait, struct wait_queue *queue);

/** wait_on() - wait until @queue is woken: 0 or the waker's error, or the reason of a cancel */
int wait_on(struct task *task, struct wait_queue *queue);

/** wait_queue_wake_one() - finish the first wait with @error; false if nobody waits */
bool wait_queue_wake_one(struct wait_queue *queue, int error);

/** wait_queue_wake_all() - finish all waits with @error */
void wait_queue_wake_all(struct wait_queue *queue, int error);

/** wait_queue_wake() - something changed: let everybody look again */
static inline void wait_queue_wake(struct wait_queue *queue)
{
	wait_queue_wake_all(queue, 0);
}

struct mutex {
	bool is_locked;
	struct wait_queue waiters;
};

/** mutex_init() - make an unlocked mutex */
void mutex_init(struct mutex *mutex);

/** mutex_lock() - 0 with the mutex locked, or the reason of a cancel without it */
MUST_USE int mutex_lock(struct task *task, struct mutex *mutex);

/** mutex_try_lock() - lock without waiting; true on success */
MUST_USE bool mutex_try_lock(struct mutex *mutex);

/** mutex_unlock() - hand the mutex to the first waiter, or unlock it */
void mutex_unlock(struct mutex *mutex);

struct semaphore {
	uint64_t n_units;
	struct wait_queue waiters;
};

/** semaphore_init() - make a semaphore with @n_units to take */
void semaphore_init(struct semaphore *semaphore, uint64_t n_units);

/** semaphore_down() - take a unit, waiting for one: 0 or the reason of a cancel */
MUST_USE int semaphore_down(struct task *task, struct semaphore *semaphore);

/** semaphore_try_down() - take a unit without waiting; true on success */
MUST_USE bool semaphore_try_down(struct semaphore *semaphore);

/** semaphore_up() - give a unit to the first waiter, or put it back */
void semaphore_up(struct semaphore *semaphore);

#endif

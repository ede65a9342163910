/* SPDX-License-Identifier: MIT */
/* Between run-queue.c (the ordered set and its accounting) and sched.c (decisions). */
#ifndef THOR_SCHED_SCHED_INTERNAL_H
#define THOR_SCHED_SCHED_INTERNAL_H

#include <thor/sched/sched.h>

/**
 * run_queue_account() - count the time up to @now_ns: V, the running thread's key, idle time;
 * owner only
 */
void run_queue_account(struct cpu *cpu, uint64_t now_ns);

/**
 * run_queue_enter() - from now on the thread competes on this CPU: its unfairness becomes a key;
 * owner only
 */
void run_queue_enter(struct run_queue *queue, struct thread *thread);

/** run_queue_exit() - it does not any more: its key becomes an unfairness again */
void run_queue_exit(struct run_queue *queue, struct thread *thread);

/** run_queue_insert() - put a thread that has entered into the tree */
void run_queue_insert(struct run_queue *queue, struct thread *thread);

/** run_queue_take_best() - take the best thread out of the tree; NULL: empty */
struct thread *run_queue_take_best(struct run_queue *queue);

enum run_queue_demand {
	RUN_QUEUE_ANY,         /* the current thread yields to its equals */
	RUN_QUEUE_BETTER,      /* its slice is over */
	RUN_QUEUE_MUCH_BETTER, /* within its slice: by more than the granularity */
};

/**
 * run_queue_take_instead() - the best thread if it is so much better than the running one as
 * demanded; NULL
 */
struct thread *run_queue_take_instead(
	struct run_queue *queue, const struct thread *current, enum run_queue_demand demand);

/**
 * run_queue_slice_ns() - how long the running thread may go on before the next best one has
 * caught up
 */
uint64_t run_queue_slice_ns(struct run_queue *queue, const struct thread *current);

/**
 * run_queue_steal() - a thread of @victim that may run on CPU @index, with its unfairness; NULL:
 * none; any CPU
 */
struct thread *run_queue_steal(struct run_queue *victim, uint32_t index);

/** run_queue_is_better() - whether @a goes before @b */
bool run_queue_is_better(const struct thread *a, const struct thread *b);

#endif

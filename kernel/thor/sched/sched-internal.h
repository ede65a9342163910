/* SPDX-License-Identifier: MIT */
/* Between run-queue.c (the ordered set and its accounting) and sched.c (decisions). */
#ifndef THOR_SCHED_SCHED_INTERNAL_H
#define THOR_SCHED_SCHED_INTERNAL_H

#include <thor/sched/sched.h>

/* ---- weights */

/** run_queue_share() - what a weight of 1 to HEL_WEIGHT_MAX comes to */
struct thread_share run_queue_share(uint32_t weight);

/** run_queue_reweigh() - the current thread gets the weight that is wanted of it; owner only */
void run_queue_reweigh(struct run_queue *queue, struct thread *thread);

/** run_queue_own_ns() - how long a thread runs while its weighted time grows by @weighted_ns */
static inline uint64_t run_queue_own_ns(const struct thread_share *share, uint64_t weighted_ns)
{
	return weighted_ns * share->weight / HEL_WEIGHT_DEFAULT;
}

/** run_queue_weighted_ns() - by how much a thread's weighted time grows while it runs @own_ns */
static inline int64_t run_queue_weighted_ns(const struct thread_share *share, int64_t own_ns)
{
	return (int64_t)((__int128)own_ns * (int64_t)share->charge >> 32);
}

/**
 * run_queue_is_due() - whether a ready thread is owed so much more than the running one that it
 * takes over within the slice of that
 */
static inline bool run_queue_is_due(const struct thread *ready, const struct thread *current)
{
	return ready->key - ready->share.patience_ns > current->key;
}

/* ---- unfairness, inline for the switch */

static inline int64_t run_queue_virtual_ns(const struct run_queue *queue)
{
	return atomic_load_explicit(&queue->virtual_ns, memory_order_relaxed);
}

/* What another CPU may have done meanwhile is in it: the rest of run_queue_account(). */
void run_queue__account_shared(
	struct run_queue *queue, struct thread *thread, uint64_t since_ns, uint64_t now_ns);

/**
 * run_queue_account() - count the time up to @now_ns: V, the running thread's key, idle time;
 * owner only
 *
 * While a thread is alone its unfairness stays as it is, so it does not matter by how much V grows
 * and the key falls: nothing is weighted.
 */
static inline void run_queue_account(struct cpu *cpu, uint64_t now_ns)
{
	struct run_queue *queue = &cpu->run_queue;
	uint64_t since_ns = queue->counted_until_ns;
	uint64_t passed_ns = now_ns - since_ns;
	struct thread *thread = cpu->current;

	if ((int64_t)passed_ns <= 0) {
		return;
	}
	queue->counted_until_ns = now_ns;
	if (thread == NULL) {
		queue->virtual_until_ns = now_ns;
		cpu->statistics.idle_ns += passed_ns;
		return;
	}
	if (atomic_load_explicit(&queue->n_schedulable, memory_order_acquire) <= 1 &&
		likely(queue->virtual_until_ns == since_ns)) {
		queue->virtual_until_ns = now_ns;
		atomic_store_explicit(&queue->virtual_ns,
			run_queue_virtual_ns(queue) + (int64_t)passed_ns, memory_order_relaxed);
		thread->key -= (int64_t)passed_ns;
	} else {
		run_queue__account_shared(queue, thread, since_ns, now_ns);
	}
	atomic_store_explicit(&thread->statistics.run_ns,
		atomic_load_explicit(&thread->statistics.run_ns, memory_order_relaxed) + passed_ns,
		memory_order_relaxed);
}

/* An unfairness that is beyond what the default weight may have. */
int64_t run_queue__clamp(const struct thread_share *share, int64_t unfairness_ns);

static inline int64_t run_queue_clamp(const struct thread_share *share, int64_t unfairness_ns)
{
	if (unlikely(unfairness_ns > SCHED_UNFAIRNESS_MAX_NS ||
		    unfairness_ns < -SCHED_UNFAIRNESS_MAX_NS)) {
		return run_queue__clamp(share, unfairness_ns);
	}
	return unfairness_ns;
}

/**
 * run_queue_enter() - from now on the thread competes on this CPU: its unfairness becomes a key;
 * owner only
 */
static inline void run_queue_enter(struct run_queue *queue, struct thread *thread)
{
	/* Within its bounds: run_queue_exit() has seen to that, and at first it is 0. */
	thread->key -= run_queue_virtual_ns(queue);
	thread->ready_priority = atomic_load_explicit(&thread->priority, memory_order_relaxed);
}

/** run_queue_exit() - it does not any more: its key becomes an unfairness again */
static inline void run_queue_exit(struct run_queue *queue, struct thread *thread)
{
	thread->key = run_queue_clamp(&thread->share, thread->key + run_queue_virtual_ns(queue));
}

/* ---- ready threads */

/** run_queue_insert() - put a thread that has entered into the tree */
void run_queue_insert(struct run_queue *queue, struct thread *thread);

/**
 * run_queue_promote() - let a thread that is in a tree go first for what was set in its attention;
 * its queue, NULL: in none
 */
struct run_queue *run_queue_promote(struct thread *thread);

/** run_queue_take_best() - take the best thread out of the tree; NULL: empty */
struct thread *run_queue_take_best(struct run_queue *queue);

enum run_queue_demand {
	RUN_QUEUE_ANY, /* the current thread yields to its equals */
	RUN_QUEUE_BETTER, /* its slice is over */
	RUN_QUEUE_MUCH_BETTER, /* within its slice: run_queue_is_due() */
};

/**
 * run_queue_take_instead() - the best thread if it is so much better than the running one as
 * demanded; NULL
 */
struct thread *run_queue_take_instead(
	struct run_queue *queue, const struct thread *current, enum run_queue_demand demand);

/**
 * run_queue_slice_ns() - how long the running thread may go on before the next best one is due
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

/* SPDX-License-Identifier: MIT */
/*
 * Ready threads in order of unfairness.
 *
 * The handbook's unfairness of a thread is the sum of s/n over the slices in which it was
 * schedulable, minus the time it ran. With V = sum of s/n of this CPU, a thread that became
 * schedulable at V0 with unfairness u0 and has run for r has u0 + V - V0 - r. V is common to all
 * threads of the CPU, so key = u0 - V0 - r orders them, and only the running thread's key
 * changes.
 *
 * With weights w, of which w0 is the default, a thread's share of a slice is s * w / W, W being the
 * sum of all, and u0, V and r are weighted, which is times w0 / w: V grows by s * w0 / W. A ready
 * thread takes over when it is owed a granularity of its own time more than the one that runs, its
 * *patience*; weighted, that is the longer the less it weighs. Who will be the first of them is who
 * has the greatest key - patience, so that is the order.
 */
#include <thor/sched/sched-internal.h>

#include <base/assert.h>

constexpr unsigned RUN_QUEUE_STEAL_TRIES = 8;

static struct thread *run_queue_thread(struct tree_node *node)
{
	return TREE_ENTRY(node, struct thread, ready_node);
}

static int run_queue_compare(const struct tree_node *a, const struct tree_node *b)
{
	const struct thread *thread_a = container_of(a, struct thread, ready_node);
	const struct thread *thread_b = container_of(b, struct thread, ready_node);

	if (run_queue_is_better(thread_a, thread_b)) {
		return -1;
	}
	return run_queue_is_better(thread_b, thread_a) ? 1 : 0;
}

bool run_queue_is_better(const struct thread *a, const struct thread *b)
{
	/*
	 * ready_priority changes under the lock only, and while a thread is in no tree; `priority`
	 * may change at any time.
	 */
	if (a->ready_priority != b->ready_priority) {
		return a->ready_priority > b->ready_priority;
	}
	return a->key - a->share.patience_ns > b->key - b->share.patience_ns;
}

/* ---- weights */

struct thread_share run_queue_share(uint32_t weight)
{
	struct thread_share share = {
		.weight = weight,
		.charge = ((uint64_t)HEL_WEIGHT_DEFAULT << 32) / weight,
	};

	share.patience_ns = run_queue_weighted_ns(&share, SCHED_GRANULARITY_NS);
	return share;
}

/* The bound is one for the time of the thread itself if it weighs less. */
int64_t run_queue__clamp(const struct thread_share *share, int64_t unfairness_ns)
{
	int64_t max_ns = share->weight < HEL_WEIGHT_DEFAULT
		? run_queue_weighted_ns(share, SCHED_UNFAIRNESS_MAX_NS)
		: SCHED_UNFAIRNESS_MAX_NS;

	if (unfairness_ns > max_ns) {
		return max_ns;
	}
	return unfairness_ns < -max_ns ? -max_ns : unfairness_ns;
}

/*
 * What it is owed, or owes, becomes no more than it was, neither in weighted nor in its own time:
 * who lends a thread weight for a moment makes it neither starve nor rule afterwards.
 */
void run_queue_reweigh(struct run_queue *queue, struct thread *thread)
{
	uint32_t weight = atomic_load_explicit(&thread->weight, memory_order_relaxed);

	if (weight == thread->share.weight) {
		return;
	}
	int64_t unfairness_ns = thread->key + run_queue_virtual_ns(queue);

	if (weight > thread->share.weight) {
		unfairness_ns = unfairness_ns * thread->share.weight / weight;
	}
	thread->share = run_queue_share(weight);
	thread->key = unfairness_ns - run_queue_virtual_ns(queue);
}

/* ---- accounting */

/* Let V come up to @now_ns; locked, and n > 1. */
static void run_queue_advance(struct run_queue *queue, uint64_t now_ns)
{
	uint64_t passed_ns = now_ns - queue->virtual_until_ns;
	uint64_t weight = queue->ready_weight +
		atomic_load_explicit(&queue->running_weight, memory_order_relaxed);

	if ((int64_t)passed_ns > 0) {
		queue->virtual_until_ns = now_ns;
		atomic_store_explicit(&queue->virtual_ns,
			run_queue_virtual_ns(queue) +
				(int64_t)(passed_ns * HEL_WEIGHT_DEFAULT / weight),
			memory_order_relaxed);
	}
}

/*
 * Several threads compete, or a thief has counted V up to some moment while that was so, and since
 * then @thread is alone.
 */
void run_queue__account_shared(
	struct run_queue *queue, struct thread *thread, uint64_t since_ns, uint64_t now_ns)
{
	uint64_t alone_ns = 0;

	spinlock_acquire(&queue->lock);
	if (atomic_load_explicit(&queue->n_schedulable, memory_order_relaxed) > 1) {
		run_queue_advance(queue, now_ns);
	} else if ((int64_t)(now_ns - queue->virtual_until_ns) > 0) {
		alone_ns = min_u64(now_ns - queue->virtual_until_ns, now_ns - since_ns);
		queue->virtual_until_ns = now_ns;
		atomic_store_explicit(&queue->virtual_ns,
			run_queue_virtual_ns(queue) + (int64_t)alone_ns, memory_order_relaxed);
	}
	spinlock_release(&queue->lock);
	thread->key -= (int64_t)alone_ns +
		run_queue_weighted_ns(&thread->share, (int64_t)(now_ns - since_ns - alone_ns));
}

/* ---- the tree */

/* Without n_ready. */
static void run_queue_insert_locked(struct run_queue *queue, struct thread *thread)
{
	atomic_store(&thread->ready_in, queue);
	/* Either we see what is wanted of it, or run_queue_promote() sees where it is. */
	if (unlikely((atomic_load(&thread->attention) & THREAD_ATTENTION_PROMPT) != 0)) {
		thread->ready_priority = SCHED_PRIORITY_PROMPT;
	}
	struct thread *best = queue->best;

	queue->ready_weight += thread->share.weight;
	if (best == NULL) {
		queue->best = thread;
		return;
	}
	if (run_queue_is_better(thread, best)) {
		queue->best = thread;
		thread = best;
	}
	tree_insert(&queue->ready, &thread->ready_node, run_queue_compare);
}

void run_queue_insert(struct run_queue *queue, struct thread *thread)
{
	spinlock_acquire(&queue->lock);
	run_queue_insert_locked(queue, thread);
	atomic_fetch_add_explicit(&queue->n_ready, 1, memory_order_relaxed);
	spinlock_release(&queue->lock);
}

static void run_queue_remove_locked(struct run_queue *queue, struct thread *thread)
{
	if (queue->best != thread) {
		tree_remove(&queue->ready, &thread->ready_node);
	} else {
		queue->best = run_queue_thread(tree_first(&queue->ready));
		if (queue->best != NULL) {
			tree_remove(&queue->ready, &queue->best->ready_node);
		}
	}
	queue->ready_weight -= thread->share.weight;
	atomic_store_explicit(&thread->ready_in, NULL, memory_order_relaxed);
	atomic_fetch_sub_explicit(&queue->n_ready, 1, memory_order_relaxed);
}

struct run_queue *run_queue_promote(struct thread *thread)
{
	for (;;) {
		struct run_queue *queue = atomic_load(&thread->ready_in);

		if (queue == NULL) {
			return NULL;
		}
		spinlock_acquire(&queue->lock);
		bool is_here =
			atomic_load_explicit(&thread->ready_in, memory_order_relaxed) == queue;

		if (is_here && thread->ready_priority != SCHED_PRIORITY_PROMPT) {
			run_queue_remove_locked(queue, thread);
			run_queue_insert_locked(queue, thread);
			atomic_fetch_add_explicit(&queue->n_ready, 1, memory_order_relaxed);
		}
		spinlock_release(&queue->lock);
		if (is_here) {
			return queue;
		}
	}
}

/* Whether @best shall run instead of @current. */
static bool run_queue_displaces(
	const struct thread *best, const struct thread *current, enum run_queue_demand demand)
{
	if (best->ready_priority != current->ready_priority) {
		return best->ready_priority > current->ready_priority;
	}
	switch (demand) {
	case RUN_QUEUE_ANY: return true;
	case RUN_QUEUE_BETTER: return best->key > current->key;
	case RUN_QUEUE_MUCH_BETTER: return run_queue_is_due(best, current);
	}
	UNREACHABLE();
}

struct thread *run_queue_take_best(struct run_queue *queue)
{
	if (atomic_load_explicit(&queue->n_ready, memory_order_relaxed) == 0) {
		return NULL;
	}
	spinlock_acquire(&queue->lock);
	struct thread *thread = queue->best;

	if (thread != NULL) {
		run_queue_remove_locked(queue, thread);
	}
	spinlock_release(&queue->lock);
	return thread;
}

struct thread *run_queue_take_instead(
	struct run_queue *queue, const struct thread *current, enum run_queue_demand demand)
{
	if (atomic_load_explicit(&queue->n_ready, memory_order_relaxed) == 0) {
		return NULL;
	}
	spinlock_acquire(&queue->lock);
	struct thread *best = queue->best;

	if (best != NULL && !run_queue_displaces(best, current, demand)) {
		best = NULL;
	}
	if (best != NULL) {
		run_queue_remove_locked(queue, best);
	}
	spinlock_release(&queue->lock);
	return best;
}

uint64_t run_queue_slice_ns(struct run_queue *queue, const struct thread *current)
{
	uint64_t slice_ns = HEL_DEADLINE_NEVER;

	if (atomic_load_explicit(&queue->n_ready, memory_order_relaxed) == 0) {
		return slice_ns;
	}
	spinlock_acquire(&queue->lock);
	const struct thread *best = queue->best;

	if (best != NULL && best->ready_priority >= current->ready_priority) {
		int64_t due_ns = best->share.patience_ns + current->key - best->key;
		int64_t least_ns = best->share.patience_ns < current->share.patience_ns
			? best->share.patience_ns
			: current->share.patience_ns;

		slice_ns = run_queue_own_ns(
			&current->share, (uint64_t)(due_ns > least_ns ? due_ns : least_ns));
		slice_ns = min_u64(slice_ns, SCHED_SLICE_MAX_NS);
	}
	spinlock_release(&queue->lock);
	return slice_ns;
}

/*
 * The victim goes on without looking. So V is brought up to now for it, with the thread counted,
 * and from now on it is not.
 */
static void run_queue_steal_locked(struct run_queue *victim, struct thread *thread)
{
	uint32_t n_threads = atomic_load_explicit(&victim->n_schedulable, memory_order_relaxed);

	if (n_threads > 1) {
		run_queue_advance(victim, arch_clock_ns());
		atomic_store_explicit(&victim->n_schedulable, n_threads - 1, memory_order_release);
	}
	run_queue_remove_locked(victim, thread);
	run_queue_exit(victim, thread);
}

/* The next best after @thread. */
static struct thread *run_queue_next(struct run_queue *queue, struct thread *thread)
{
	return run_queue_thread(
		thread == queue->best ? tree_first(&queue->ready) : tree_next(&thread->ready_node));
}

struct thread *run_queue_steal(struct run_queue *victim, uint32_t index)
{
	struct thread *thread;
	unsigned n_tries = 0;

	if (!spinlock_try_acquire(&victim->lock)) {
		return NULL;
	}
	for (thread = victim->best; thread != NULL; thread = run_queue_next(victim, thread)) {
		uint64_t affinity = atomic_load_explicit(&thread->affinity, memory_order_relaxed);

		if ((affinity >> index & 1) != 0) {
			break;
		}
		if (++n_tries == RUN_QUEUE_STEAL_TRIES) {
			thread = NULL;
			break;
		}
	}
	if (thread != NULL) {
		run_queue_steal_locked(victim, thread);
	}
	spinlock_release(&victim->lock);
	return thread;
}

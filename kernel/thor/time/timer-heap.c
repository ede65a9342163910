/* SPDX-License-Identifier: MIT */
/* Deadlines of one CPU: see timer-heap.h. */
#include <thor/time/timer-heap.h>

#include <abi/hel/types.h>
#include <base/assert.h>
#include <thor/cpu.h>
#include <thor/sched/sched.h>

static struct timer *timer_of(struct tree_node *node)
{
	return container_of(node, struct timer, node);
}

static int timer_compare(const struct tree_node *a, const struct tree_node *b)
{
	uint64_t a_ns = container_of(a, struct timer, node)->deadline_ns;
	uint64_t b_ns = container_of(b, struct timer, node)->deadline_ns;

	return (a_ns > b_ns) - (a_ns < b_ns);
}

void timer_heap_init(struct timer_heap *heap)
{
	spinlock_init(&heap->lock, LOCK_RANK_TIMER);
	tree_init(&heap->tree);
	heap->first = NULL;
	atomic_init(&heap->first_ns, HEL_DEADLINE_NEVER);
}

void timer_init(struct timer *timer, void (*fire)(struct timer *), void (*done)(struct timer *))
{
	tree_node_init(&timer->node);
	list_node_init(&timer->expired_node);
	timer->deadline_ns = HEL_DEADLINE_NEVER;
	atomic_init(&timer->heap, NULL);
	timer->fire = fire;
	timer->done = done;
}

static void timer_heap_set_first_locked(struct timer_heap *heap, struct timer *first)
{
	heap->first = first;
	atomic_store_explicit(&heap->first_ns,
		first != NULL ? first->deadline_ns : HEL_DEADLINE_NEVER, memory_order_relaxed);
}

static void timer_heap_remove_locked(struct timer_heap *heap, struct timer *timer)
{
	struct timer *first = heap->first;

	if (first == timer) {
		struct tree_node *next = tree_next(&timer->node);

		first = next != NULL ? timer_of(next) : NULL;
	}
	tree_remove(&heap->tree, &timer->node);
	timer_heap_set_first_locked(heap, first);
	atomic_store_explicit(&timer->heap, NULL, memory_order_release);
}

void timer_arm(struct timer *timer, uint64_t deadline_ns)
{
	struct cpu *cpu = arch_this_cpu();
	struct timer_heap *heap = &cpu->timers;

	ASSERT(atomic_load_explicit(&timer->heap, memory_order_relaxed) == NULL);
	timer->deadline_ns = deadline_ns;
	spinlock_acquire(&heap->lock);
	tree_insert(&heap->tree, &timer->node, timer_compare);
	if (heap->first == NULL || deadline_ns < heap->first->deadline_ns) {
		timer_heap_set_first_locked(heap, timer);
		sched_look(cpu);
	}
	atomic_store_explicit(&timer->heap, heap, memory_order_release);
	spinlock_release(&heap->lock);
}

bool timer_cancel(struct timer *timer)
{
	struct timer_heap *heap = atomic_load_explicit(&timer->heap, memory_order_acquire);

	/*
	 * A timer that is not armed now is not armed by anybody else meanwhile: its owner is who
	 * cancels.
	 */
	if (heap == NULL) {
		return false;
	}
	spinlock_acquire(&heap->lock);
	bool is_armed = atomic_load_explicit(&timer->heap, memory_order_relaxed) == heap;

	if (is_armed) {
		timer_heap_remove_locked(heap, timer);
	}
	spinlock_release(&heap->lock);
	return is_armed;
}

static void timer_heap_take_due_locked(
	struct timer_heap *heap, uint64_t now_ns, unsigned budget, struct list *out_expired)
{
	while (budget-- > 0 && heap->first != NULL && heap->first->deadline_ns <= now_ns) {
		struct timer *timer = heap->first;

		timer_heap_remove_locked(heap, timer);
		if (timer->done != NULL) {
			list_push_back(out_expired, &timer->expired_node);
		}
		if (timer->fire != NULL) {
			timer->fire(timer);
		}
	}
}

void timer_heap_expire(struct timer_heap *heap, uint64_t now_ns, unsigned budget)
{
	struct list expired;

	if (atomic_load_explicit(&heap->first_ns, memory_order_relaxed) > now_ns) {
		return;
	}
	list_init(&expired);
	spinlock_acquire(&heap->lock);
	timer_heap_take_due_locked(heap, now_ns, budget, &expired);
	spinlock_release(&heap->lock);
	for (;;) {
		struct timer *timer = LIST_POP_FRONT(&expired, struct timer, expired_node);

		if (timer == NULL) {
			break;
		}
		timer->done(timer);
	}
}

/* SPDX-License-Identifier: MIT */
/* Timers: see timer.h. */
#include <async/loop.h>
#include <async/timer.h>
#include <base/assert.h>
#include <base/errors.h>

static struct timer *timer_of_op(struct op *op)
{
	return &container_of(op, struct timer_op, op)->timer;
}

/* Hang the tree @timer at *link. */
static void timer_set_link(struct timer **link, struct timer *timer)
{
	*link = timer;
	if (timer != NULL) {
		timer->link = link;
	}
}

/* Merge two trees without siblings: the later root becomes the first child of the earlier one. */
static struct timer *timer_meld(struct timer *a, struct timer *b)
{
	if (a == NULL || b == NULL) {
		return a != NULL ? a : b;
	}
	if (b->deadline_ns < a->deadline_ns) {
		struct timer *earlier = b;

		b = a;
		a = earlier;
	}
	timer_set_link(&b->next, a->child);
	timer_set_link(&a->child, b);
	return a;
}

/* Merge a list of siblings into one tree: in pairs from the left, then the pairs from the right. */
static struct timer *timer_meld_siblings(struct timer *first)
{
	struct timer *pairs = NULL; /* melded so far, last one first */
	struct timer *tree = NULL;

	while (first != NULL) {
		struct timer *a = first;
		struct timer *b = a->next;

		first = b != NULL ? b->next : NULL;
		a->next = NULL;
		if (b != NULL) {
			b->next = NULL;
		}
		a = timer_meld(a, b);
		a->next = pairs;
		pairs = a;
	}
	while (pairs != NULL) {
		struct timer *next = pairs->next;

		pairs->next = NULL;
		tree = timer_meld(tree, pairs);
		pairs = next;
	}
	return tree;
}

void timer_heap_insert(struct timer_heap *heap, struct timer *timer)
{
	ASSERT(!timer_is_armed(timer));
	timer->child = NULL;
	timer->next = NULL;
	timer_set_link(&heap->first, timer_meld(heap->first, timer));
}

void timer_heap_remove(struct timer_heap *heap, struct timer *timer)
{
	ASSERT(timer_is_armed(timer));
	timer_set_link(timer->link, timer->next);
	struct timer *rest = timer_meld_siblings(timer->child);

	timer->link = NULL;
	timer->child = NULL;
	timer->next = NULL;
	timer_set_link(&heap->first, timer_meld(heap->first, rest));
}

void timer_arm(struct loop *loop, struct timer *timer, uint64_t deadline_ns)
{
	timer->deadline_ns = deadline_ns;
	timer_heap_insert(&loop->timers, timer);
}

void timer_disarm(struct loop *loop, struct timer *timer)
{
	if (timer_is_armed(timer)) {
		timer_heap_remove(&loop->timers, timer);
	}
}

static void timer_op_fire(struct timer *timer)
{
	op_complete(&container_of(timer, struct timer_op, timer)->op, 0);
}

static enum op_result timer_op_start(struct op *op)
{
	struct timer_op *timer = container_of(op, struct timer_op, op);

	if (timer->deadline_ns <= loop_now_ns(op->loop)) {
		return op_finish_inline(op, 0);
	}
	timer_arm(op->loop, &timer->timer, timer->deadline_ns);
	return OP_PENDING;
}

static void timer_op_cancel(struct op *op)
{
	/* A timer that has fired has completed the operation: this is not called any more. */
	timer_disarm(op->loop, timer_of_op(op));
	op_complete(op, -ERR_CANCELLED);
}

static const struct op_class timer_op_class = {
	.name = "timer",
	.start = timer_op_start,
	.cancel = timer_op_cancel,
};

void timer_op_init(struct timer_op *timer, uint64_t deadline_ns)
{
	op_init(&timer->op, &timer_op_class);
	timer_init(&timer->timer, timer_op_fire);
	timer->deadline_ns = deadline_ns;
}

/* SPDX-License-Identifier: MIT */
/*
 * Operations: everything that one can wait for.
 *
 * An operation is started once, and finishes exactly once, also when it is cancelled:
 *
 *              op_start()                op_complete()            loop
 *      IDLE ---------------> PENDING -------------------> POSTED ------> FINISHED, done() called
 *        |                                                                  ^
 *        +------------------- finished inline: OP_DONE ---------------------+
 *
 * 1. OP_DONE: finished inline; done() is not called, so loops of cheap operations build up no
 *    stack. OP_PENDING: done() is called exactly once, by the starter's loop, never from inside
 *    op_start(), op_cancel() or op_complete(). So neither side has to fear re-entrance.
 * 2. From start to completion the memory belongs to the operation, typically part of a larger
 *    structure with arguments and results (struct timer_op); the starter does not touch it while it
 *    is pending.
 * 3. Cancelling is a request. It never frees and may lose the race; op->error tells who won
 *    (-ERR_CANCELLED if the cancel did), and there is always one result.
 * 4. Starting, completing and cancelling allocate nothing: `node` is the link in the provider's
 *    queue while PENDING, and in the loop's ready list while POSTED.
 * 5. An operation lives on one loop: all calls for it are made on that loop's thread.
 *
 * A provider writes an op_class with two hooks and calls op_complete(). A consumer in a task calls
 * await() (task.h); one without a task passes done() to op_start().
 */
#ifndef ASYNC_OP_H
#define ASYNC_OP_H

#include <base/list.h>
#include <base/types.h>

struct loop;
struct op;

enum op_result {
	OP_DONE,    /* finished inline: op->error is valid */
	OP_PENDING, /* done() will be called */
};

enum op_state {
	OP_STATE_IDLE,
	OP_STATE_PENDING,
	OP_STATE_POSTED,
	OP_STATE_FINISHED,
};

/** op_done_fn - the operation has finished; its memory is the starter's again */
typedef void (*op_done_fn)(struct op *op);

struct op_class {
	const char *name;
	/*
	 * Begin. Either `return op_finish_inline(op, error)`, or link the operation somewhere and
	 * return OP_PENDING. May call op_complete() and return OP_PENDING, too.
	 */
	enum op_result (*start)(struct op *op);
	/*
	 * Hurry up: the starter has lost interest. Called at most once, only while PENDING. Usually
	 * takes the operation off its queue and completes it with -ERR_CANCELLED; it may also
	 * ignore the request or pass it on. NULL: cannot be cancelled, must then be short.
	 */
	void (*cancel)(struct op *op);
};

struct op {
	const struct op_class *class;
	op_done_fn done;
	void *owner;           /* for done(): the task or object that waits */
	struct loop *loop;     /* where done() runs */
	struct list_node node; /* see 4 */
	int error;             /* valid when finished: 0 or -ERR_X */
	uint8_t state;         /* enum op_state */
	bool is_cancelled;     /* op_cancel() was called; for providers that ask later */
};

/** op_init() - prepare an operation for op_start() or await() */
static inline void op_init(struct op *op, const struct op_class *class)
{
	*op = (struct op){ .class = class };
}

/**
 * op_start() - begin an operation
 * @op: idle or finished; borrowed until done() when the result is OP_PENDING
 * @loop: the loop of this thread; done() runs there
 * @done: called once if and only if the result is OP_PENDING
 * @owner: for @done, found in op->owner
 *
 * Suspends: no. Allocates: no.
 */
MUST_USE enum op_result op_start(struct op *op, struct loop *loop, op_done_fn done, void *owner);

/** op_cancel() - ask a pending operation to finish soon; harmless in every other state */
void op_cancel(struct op *op);

/**
 * op_complete() - for providers: a pending operation has its result
 * @op: off the provider's lists; its results are written
 * @error: 0 or -ERR_X
 */
void op_complete(struct op *op, int error);

/** op_finish_inline() - for start hooks: the operation is done already */
static inline enum op_result op_finish_inline(struct op *op, int error)
{
	op->error = error;
	return OP_DONE;
}

/** op_is_pending() - whether the operation is started and done() has not been called yet */
static inline bool op_is_pending(const struct op *op)
{
	return op->state == OP_STATE_PENDING || op->state == OP_STATE_POSTED;
}

#endif

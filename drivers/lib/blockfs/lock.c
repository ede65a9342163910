/* SPDX-License-Identifier: MIT */
/* Readers or one writer: see lock.h. */
#include <base/assert.h>
#include <base/errors.h>
#include <drivers/lib/blockfs/lock.h>

struct rwlock_op {
	struct op op;
	struct rwlock *lock;
	bool is_writer;
};

static bool rwlock_try(struct rwlock *lock, bool is_writer)
{
	if (lock->has_writer || (is_writer && lock->n_readers > 0)) {
		return false;
	}
	if (is_writer) {
		lock->has_writer = true;
	} else {
		lock->n_readers++;
	}
	return true;
}

static void rwlock_hand_over(struct rwlock *lock)
{
	struct list_node *node;

	while ((node = list_first(&lock->waiters)) != NULL) {
		struct rwlock_op *wait = container_of(node, struct rwlock_op, op.node);

		if (!rwlock_try(lock, wait->is_writer)) {
			return;
		}
		list_remove(node);
		op_complete(&wait->op, 0);
	}
}

static enum op_result rwlock_start(struct op *op)
{
	struct rwlock_op *wait = container_of(op, struct rwlock_op, op);

	if (list_is_empty(&wait->lock->waiters) && rwlock_try(wait->lock, wait->is_writer)) {
		return op_finish_inline(op, 0);
	}
	list_push_back(&wait->lock->waiters, &op->node);
	return OP_PENDING;
}

static void rwlock_cancel(struct op *op)
{
	struct rwlock_op *wait = container_of(op, struct rwlock_op, op);

	list_remove(&op->node);
	op_complete(op, -ERR_CANCELLED);
	rwlock_hand_over(wait->lock); /* readers behind a writer that left */
}

static const struct op_class rwlock_class = {
	.name = "rwlock",
	.start = rwlock_start,
	.cancel = rwlock_cancel,
};

static int rwlock_take(struct task *task, struct rwlock *lock, bool is_writer)
{
	struct rwlock_op wait = { .lock = lock, .is_writer = is_writer };

	op_init(&wait.op, &rwlock_class);
	return await(task, &wait.op);
}

int rwlock_read(struct task *task, struct rwlock *lock)
{
	return rwlock_take(task, lock, false);
}

bool rwlock_try_read(struct rwlock *lock)
{
	return list_is_empty(&lock->waiters) && rwlock_try(lock, false);
}

int rwlock_write(struct task *task, struct rwlock *lock)
{
	return rwlock_take(task, lock, true);
}

void rwlock_read_done(struct rwlock *lock)
{
	ASSERT(lock->n_readers > 0);
	lock->n_readers--;
	rwlock_hand_over(lock);
}

void rwlock_write_done(struct rwlock *lock)
{
	ASSERT(lock->has_writer);
	lock->has_writer = false;
	rwlock_hand_over(lock);
}

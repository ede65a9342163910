/* SPDX-License-Identifier: MIT */
/* Operations: see op.h. */
#include <async/loop.h>
#include <async/op.h>
#include <base/assert.h>

enum op_result op_start(struct op *op, struct loop *loop, op_done_fn done, void *owner)
{
	ASSERT(!op_is_pending(op));
	op->loop = loop;
	op->done = done;
	op->owner = owner;
	op->error = 0;
	op->is_cancelled = false;
	op->state = OP_STATE_PENDING;
	enum op_result result = op->class->start(op);

	if (result == OP_DONE) {
		ASSERT(op->state == OP_STATE_PENDING);
		op->state = OP_STATE_FINISHED;
	}
	return result;
}

void op_cancel(struct op *op)
{
	if (op->state != OP_STATE_PENDING || op->is_cancelled) {
		return;
	}
	op->is_cancelled = true;
	if (op->class->cancel != NULL) {
		op->class->cancel(op);
	}
}

void op_complete(struct op *op, int error)
{
	ASSERT(op->state == OP_STATE_PENDING);
	op->state = OP_STATE_POSTED;
	op->error = error;
	list_push_back(&op->loop->ready, &op->node);
}

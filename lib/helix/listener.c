/* SPDX-License-Identifier: MIT */
/* Listeners: see listener.h. */
#include <helix/exchange-internal.h>
#include <helix/listener.h>

#include <base/assert.h>
#include <base/errors.h>

static struct helix_listener *listener_of(struct helix_operation *operation)
{
	return container_of(operation, struct helix_listener, operation);
}

static struct helix_listener *listener_of_round(struct op *op)
{
	return container_of(helix_exchange_of(op), struct helix_listener, round);
}

/* ---- rounds ---------------------------------------------------------------------------------- */

static int listener_begin_round(
	struct helix_listener *listener, const struct hel_element *element, bool is_last)
{
	listener->round.n_parsed = 0;
	listener->is_over = is_last;
	return helix_exchange__take(&listener->round, element);
}

static int listener_begin_last(struct helix_listener *listener)
{
	const struct hel_element *element = listener->final;

	listener->final = NULL;
	if (element == NULL) { /* cancelled before it was submitted */
		listener->is_over = true;
		return listener->operation.op.error;
	}
	return listener_begin_round(listener, element, true);
}

static enum op_result round_start(struct op *op)
{
	struct helix_listener *listener = listener_of_round(op);
	struct hel_element *element = listener->first;

	ASSERT(listener->round.element == NULL);
	list_node_init(&op->node);
	if (element != NULL) {
		listener->first = (struct hel_element *)element->context;
		return op_finish_inline(op, listener_begin_round(listener, element, false));
	}
	if (listener->is_over) {
		return op_finish_inline(op, -ERR_END_OF_LANE);
	}
	if (!op_is_pending(&listener->operation.op)) {
		return op_finish_inline(op, listener_begin_last(listener));
	}
	return OP_PENDING;
}

/* It goes on: only the wait for its next round ends. */
static void round_cancel(struct op *op)
{
	op_complete(op, -ERR_CANCELLED);
}

static const struct op_class round_class = {
	.name = "round",
	.start = round_start,
	.cancel = round_cancel,
};

static bool listener_is_awaited(const struct helix_listener *listener)
{
	return listener->round.operation.op.state == OP_STATE_PENDING;
}

/* ---- the exchange ---------------------------------------------------------------------------- */

static bool listener_submit(struct helix_operation *operation, struct hel_queue_client *queue)
{
	return helix_exchange__submit(
		&listener_of(operation)->round, queue, (uint64_t)operation, HEL_EXCHANGE_REPEAT);
}

/* Elements lie in memory of this program alone, and their contexts have served their purpose. */
static void listener_append(struct helix_listener *listener, struct hel_element *element)
{
	element->context = 0;
	if (listener->first == NULL) {
		listener->first = element;
	} else {
		listener->last->context = (uint64_t)element;
	}
	listener->last = element;
}

static void listener_take(struct helix_operation *operation, const struct hel_element *element)
{
	struct helix_listener *listener = listener_of(operation);

	if ((element->flags & HEL_ELEMENT_MORE) == 0) {
		listener->final = element;
		list_remove(&operation->op.node);
		op_complete(&operation->op, 0);
	} else if (listener_is_awaited(listener)) {
		op_complete(&listener->round.operation.op,
			listener_begin_round(listener, element, false));
	} else {
		listener_append(listener, (struct hel_element *)element);
	}
}

/* The last round is seen only now, so that its taker may free the listener. */
static void listener_ended(struct op *op)
{
	struct helix_listener *listener = op->owner;

	if (listener_is_awaited(listener)) {
		op_complete(&listener->round.operation.op, listener_begin_last(listener));
	}
}

static const struct helix_operation_class listener_class = {
	.op =
		{
			.name = "listener",
			.start = helix_operation_start,
			.cancel = helix_operation_cancel,
		},
	.submit = listener_submit,
	.take = listener_take,
};

/* ---- for its owner --------------------------------------------------------------------------- */

void helix_listener_init(struct helix_listener *listener, hel_handle lane)
{
	op_init(&listener->operation.op, &listener_class.op);
	helix_exchange_init(&listener->round, lane);
	op_init(&listener->round.operation.op, &round_class);
	listener->first = NULL;
	listener->last = NULL;
	listener->final = NULL;
	listener->is_over = false;
}

void helix_listener_start(struct helix_listener *listener, struct loop *loop)
{
	enum op_result result = op_start(&listener->operation.op, loop, listener_ended, listener);

	ASSERT(result == OP_PENDING);
}

enum op_result helix_listener_next(struct helix_listener *listener, op_done_fn done, void *owner)
{
	return op_start(&listener->round.operation.op, listener->operation.op.loop, done, owner);
}

void helix_listener_cancel(struct helix_listener *listener)
{
	op_cancel(&listener->operation.op);
}

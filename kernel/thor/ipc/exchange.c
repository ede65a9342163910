/* SPDX-License-Identifier: MIT */
/*
 * Exchanges: submission, cancellation and completion. See exchange.h; decoding is in
 * exchange-decode.c, what two actions do with each other in exchange-meet.c.
 *
 * The ancillary actions behind an ACCEPT are submitted by whoever finished the ACCEPT, once, and
 * by nobody else. All decoding is done before the first action is submitted, so that may be
 * another CPU while the submitter is still busy with the rest.
 */
#include <thor/ipc/exchange.h>

#include <base/assert.h>
#include <base/string.h>
#include <thor/arch/witness.h>
#include <thor/ipc/queue.h>
#include <thor/memory/memory.h>
#include <thor/object/account.h>
#include <thor/object/universe.h>

static struct exchange *exchange_of(const struct operation *operation)
{
	return container_of(operation, struct exchange, operation);
}

/* ---- completion */

static uint32_t exchange_count_result(const struct exchange *exchange)
{
	uint32_t n_bytes = exchange->n_actions * sizeof(struct hel_result);

	for (uint32_t i = 0; exchange->has_inline && i < exchange->n_actions; i++) {
		n_bytes += (uint32_t)align_up(exchange->actions[i].inline_size, 8);
	}
	return n_bytes;
}

static uint32_t exchange_result_size(const struct operation *operation)
{
	return exchange_of(operation)->result_bytes;
}

/* Whether the action has got its error from the ACCEPT that it stands behind. */
static bool exchange_is_dependent_failure(
	const struct exchange *exchange, const struct action *action)
{
	if (action->stream_maker < 0) {
		return false;
	}
	const struct action *maker = &exchange->actions[action->stream_maker];

	return maker->type == HEL_ACTION_ACCEPT && maker->error != 0;
}

static void exchange_write_result(const struct operation *operation, void *out_result)
{
	const struct exchange *exchange = exchange_of(operation);
	uint8_t *next = out_result;

	for (uint32_t i = 0; i < exchange->n_actions; i++) {
		const struct action *action = &exchange->actions[i];

		*(struct hel_result *)next = (struct hel_result){
			.error = action->error,
			.inline_size = action->inline_size,
			.value = action->value,
		};
		if (!exchange_is_dependent_failure(exchange, action)) {
			arch_witness_action(action->type, action->error);
		}
		next += sizeof(struct hel_result);
		if (action->inline_size > 0) {
			memcpy(next,
				action->type == HEL_ACTION_RECEIVE_INLINE
					? action->inline_data
					: (const void *)&action->credentials,
				action->inline_size);
			next += align_up(action->inline_size, 8);
		}
	}
}

static void action_drop_offered(struct action *action)
{
	if (action->type == HEL_ACTION_OFFER && action->offered != NULL) {
		object_handle_unref(&action->offered->object);
		action->offered = NULL;
	}
}

/* Of a lane only a plain reference is kept: cancelling may be looking at it. */
static void exchange_drop_handle(struct lane *lane)
{
	object_ref(&lane->object);
	object_handle_unref(&lane->object);
}

static void action_release(struct action *action)
{
	switch (action->type) {
	case HEL_ACTION_PUSH:
		if (action->object != NULL) {
			object_handle_unref(action->object);
			action->object = NULL;
		}
		break;
	case HEL_ACTION_SEND_SG:
		account_free(exchange_of_action(action)->operation.account, action->segments,
			action->n_segments * sizeof(action->segments[0]));
		action->segments = NULL;
		break;
	case HEL_ACTION_OFFER:
	case HEL_ACTION_ACCEPT:
		action_drop_offered(action);
		if (action->made != NULL) {
			exchange_drop_handle(action->made);
		}
		break;
	default: break;
	}
}

/* Give back descriptors, handles of lanes and buffers: the exchange is complete, or was refused. */
static void exchange_release(struct exchange *exchange)
{
	for (uint32_t i = 0; exchange->has_holdings && i < exchange->n_actions; i++) {
		action_release(&exchange->actions[i]);
	}
	if (exchange->closes_lane) {
		object_handle_unref(&exchange->lane->object);
	}
}

/* What is left after exchange_release(). */
static void exchange_free(struct exchange *exchange)
{
	for (uint32_t i = 0; i < exchange->n_actions; i++) {
		struct action *action = &exchange->actions[i];

		if (action_makes_stream(action)) {
			object_unref(action->made != NULL ? &action->made->object : NULL);
		} else if (action->type == HEL_ACTION_RECEIVE_INLINE &&
			action->inline_data != (void *)exchange->small_inline) {
			account_free(exchange->operation.account, action->inline_data,
				action->inline_bytes);
		}
	}
	object_unref(&exchange->lane->object);
	operation_free(&exchange->operation);
}

static void exchange_destroy(struct operation *operation)
{
	struct exchange *exchange = exchange_of(operation);

	object_unref(&exchange->universe->object);
	object_unref((struct object *)exchange->space);
	exchange_free(exchange);
}

/* @n_closed actions (or the submitter) are done; the last completes the operation. */
static void exchange_close(struct exchange *exchange, uint32_t n_closed)
{
	if (atomic_fetch_sub_explicit(&exchange->n_open, n_closed, memory_order_acq_rel) !=
		n_closed) {
		return;
	}
	exchange->result_bytes = exchange_count_result(exchange);
	exchange->operation.n_results = exchange->n_actions;
	exchange_release(exchange);
	operation_complete(&exchange->operation, 0);
}

/*
 * End what waits for a stream that will not be made, directly or behind another ACCEPT that
 * waits: one pass, for makers come before what depends on them. Actions behind an OFFER were
 * submitted to its lane and end when that is closed.
 */
static uint32_t exchange_fail_dependents(
	struct exchange *exchange, const struct action *accept, int error)
{
	uint32_t failed_makers = 1u << accept->index;
	uint32_t n_failed = 0;

	for (uint32_t i = accept->index + 1u; i < exchange->n_actions; i++) {
		struct action *action = &exchange->actions[i];

		if (action->stream_maker < 0 || (failed_makers >> action->stream_maker & 1) == 0) {
			continue;
		}
		action->error = error;
		action_drop_offered(action);
		if (action->type == HEL_ACTION_ACCEPT) {
			failed_makers |= 1u << i;
		}
		n_failed++;
	}
	return n_failed;
}

void action_finish(struct action *action, int error, uint64_t value)
{
	struct exchange *exchange = exchange_of_action(action);
	uint32_t n_closed = 1;

	action->error = error;
	action->value = value;
	if (error != 0) {
		if (action->type == HEL_ACTION_ACCEPT) {
			n_closed += exchange_fail_dependents(exchange, action, error);
		}
		action_drop_offered(action);
	}
	exchange_close(exchange, n_closed);
}

/* ---- submission */

static void action_submit(struct action *action, struct lane *lane, struct exchange_work *work)
{
	struct action *peer;
	int error = lane_submit(lane, action, &peer);

	if (error != 0) {
		action_finish(action, error, 0);
	} else if (peer != NULL) {
		action_meet(peer, action, work);
	}
}

/*
 * An ACCEPT has got its lane: the actions for it can be submitted now, in order. meet_offer()
 * keeps the exchange open.
 */
static void exchange_continue(struct action *accept, struct exchange_work *work)
{
	struct exchange *exchange = exchange_of_action(accept);

	for (uint32_t i = accept->index + 1u; i < exchange->n_actions; i++) {
		if (exchange->actions[i].stream_maker == accept->index) {
			action_submit(&exchange->actions[i], accept->made, work);
		}
	}
}

static void exchange_do_work(struct exchange_work *work)
{
	for (;;) {
		struct action *accept = LIST_POP_FRONT(&work->accepts, struct action, node);

		if (accept == NULL) {
			return;
		}
		exchange_continue(accept, work);
		exchange_close(exchange_of_action(accept), 1);
	}
}

static void exchange_submit_actions(struct exchange *exchange)
{
	struct exchange_work work;

	list_init(&work.accepts);
	for (uint32_t i = 0; i < exchange->n_actions; i++) {
		struct action *action = &exchange->actions[i];
		struct lane *target = exchange->lane;

		if (action->stream_maker >= 0) {
			struct action *maker = &exchange->actions[action->stream_maker];

			if (maker->type == HEL_ACTION_ACCEPT) {
				continue;
			}
			target = maker->made;
		}
		action_submit(action, target, &work);
	}
	exchange_do_work(&work);
	exchange_close(exchange, 1);
}

static void exchange_cancel(struct operation *operation)
{
	struct exchange *exchange = exchange_of(operation);

	atomic_store(&exchange->is_cancelled, true);
	for (uint32_t i = 0; i < exchange->n_actions; i++) {
		struct action *action = &exchange->actions[i];
		struct lane *lane = atomic_load(&action->lane);

		if (lane != NULL && lane_take(lane, action)) {
			action_finish(action, -ERR_CANCELLED, 0);
		} else if (lane != NULL) {
			transfer_cancel(lane, action);
		}
	}
}

static const struct operation_class exchange_class = {
	.name = "exchange",
	.cancel = exchange_cancel,
	.result_size = exchange_result_size,
	.write_result = exchange_write_result,
	.destroy = exchange_destroy,
};

static int exchange_find_lane(
	struct thread *submitter, const struct hel_exchange_record *request, struct lane **out_lane)
{
	struct object *object;
	int error = universe_lookup(
		submitter->universe, request->lane, HEL_TYPE_LANE, HEL_RIGHT_INVOKE, &object);

	if (error == 0) {
		*out_lane = lane_of(object);
	}
	return error;
}

/* The exchange keeps the lane open in place of its descriptor. */
static void exchange_close_lane(
	struct exchange *exchange, struct thread *submitter, hel_handle handle)
{
	object_handle_ref(&exchange->lane->object);
	exchange->closes_lane = true;
	/* If somebody else was faster it is closed, too. */
	(void)universe_close(submitter->universe, handle);
}

/* An exchange that is ready to be submitted. */
static int exchange_prepare(struct queue *queue, struct thread *submitter,
	const struct hel_exchange_record *request, struct exchange **out_exchange)
{
	uint32_t n_actions = request->n_actions;

	if (n_actions == 0 || n_actions > HEL_ACTIONS_MAX ||
		(request->flags & ~(uint32_t)HEL_EXCHANGE_CLOSE_LANE) != 0 ||
		request->header.size < sizeof(*request) + n_actions * sizeof(request->actions[0])) {
		return -ERR_ILLEGAL_ARGS;
	}
	struct exchange *exchange =
		operation_allocate(sizeof(*exchange) + n_actions * sizeof(exchange->actions[0]));

	if (exchange == NULL) {
		return -ERR_NO_MEMORY;
	}
	int error = exchange_find_lane(submitter, request, &exchange->lane);

	if (error != 0) {
		operation_free(&exchange->operation);
		return error;
	}
	error = exchange_decode(exchange, submitter, request, queue_result_max(queue));
	if (unlikely(error == -ERR_FAULT && page_note_is_set()) &&
		!page_note_has_failed(&submitter->wait.page)) {
		/* The record stays until the page with its segments is there, or never comes. */
		error = THREAD_WAIT_RESTART;
	} else if ((request->flags & HEL_EXCHANGE_CLOSE_LANE) != 0) {
		exchange_close_lane(exchange, submitter, request->lane);
	}
	if (error != 0) {
		exchange_release(exchange);
		exchange_free(exchange);
		return error;
	}
	*out_exchange = exchange;
	return 0;
}

int exchange_submit(struct queue *queue, struct thread *submitter, const struct hel_record *record)
{
	const struct hel_exchange_record *request = (const struct hel_exchange_record *)record;
	struct exchange *exchange;
	int error = exchange_prepare(queue, submitter, request, &exchange);

	if (error == THREAD_WAIT_RESTART) {
		return error;
	}
	if (error != 0) {
		return queue_post(queue, record, error);
	}
	exchange->universe = submitter->universe;
	object_ref(&exchange->universe->object);
	exchange->space = submitter->space;
	object_ref((struct object *)exchange->space);
	atomic_store_explicit(&exchange->n_open, exchange->n_actions + 1, memory_order_relaxed);
	operation_init(&exchange->operation, &exchange_class, queue, record);
	exchange_submit_actions(exchange);
	return 0;
}

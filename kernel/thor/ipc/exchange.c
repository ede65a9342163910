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
#include <thor/ipc/queue.h>
#include <thor/memory/memory.h>
#include <thor/object/universe.h>

static struct exchange *exchange_of(const struct operation *operation)
{
	return container_of(operation, struct exchange, operation);
}

/* ---- completion */

static uint32_t exchange_count_result(const struct exchange *exchange)
{
	uint32_t n_bytes = exchange->n_actions * sizeof(struct hel_result);

	for (uint32_t i = 0; i < exchange->n_actions; i++) {
		n_bytes += (uint32_t)align_up(exchange->actions[i].inline_size, 8);
	}
	return n_bytes;
}

static uint32_t exchange_result_size(const struct operation *operation)
{
	return exchange_of(operation)->result_bytes;
}

static void exchange_write_result(const struct operation *operation, void *out_result)
{
	const struct exchange *exchange = exchange_of(operation);
	uint8_t *next = out_result;

	for (uint32_t i = 0; i < exchange->n_actions; i++) {
		const struct action *action = &exchange->actions[i];
		struct hel_result result = {
			.error = action->error,
			.inline_size = action->inline_size,
			.value = action->value,
		};

		memcpy(next, &result, sizeof(result));
		next += sizeof(result);
		if (action->inline_size > 0) {
			memcpy(next, action->inline_data, action->inline_size);
			next += align_up(action->inline_size, 8);
		}
	}
}

void exchange_release(struct exchange *exchange)
{
	for (uint32_t i = 0; i < exchange->n_actions; i++) {
		struct action *action = &exchange->actions[i];

		if (action->object != NULL) {
			object_handle_unref(action->object);
			action->object = NULL;
		}
		if (action->made != NULL) {
			object_handle_unref(&action->made->object);
			action->made = NULL;
		}
		if (action->offered != NULL) {
			object_handle_unref(&action->offered->object);
			action->offered = NULL;
		}
		if (action->segments != NULL) {
			heap_free(action->segments);
			action->segments = NULL;
		}
	}
}

static bool exchange_owns_inline(const struct exchange *exchange, const struct action *action)
{
	return action->inline_data != NULL &&
		action->inline_data != (const void *)exchange->small_inline &&
		action->inline_data != (const void *)&action->credentials;
}

static void exchange_destroy(struct operation *operation)
{
	struct exchange *exchange = exchange_of(operation);

	exchange_release(exchange);
	for (uint32_t i = 0; i < exchange->n_actions; i++) {
		struct action *action = &exchange->actions[i];
		struct lane *lane = atomic_load_explicit(&action->lane, memory_order_relaxed);

		if (lane != NULL) {
			object_unref(&lane->object);
		}
		if (exchange_owns_inline(exchange, action)) {
			heap_free(action->inline_data);
		}
	}
	object_unref(&exchange->universe->object);
	object_unref((struct object *)exchange->space);
	heap_free(exchange);
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

static void action_drop_offered(struct action *action)
{
	if (action->offered != NULL) {
		object_handle_unref(&action->offered->object);
		action->offered = NULL;
	}
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
	struct exchange *exchange = action->exchange;
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
	struct exchange *exchange = accept->exchange;

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
		exchange_close(accept->exchange, 1);
	}
}

static void exchange_submit_actions(struct exchange *exchange, struct lane *lane)
{
	struct exchange_work work;

	list_init(&work.accepts);
	for (uint32_t i = 0; i < exchange->n_actions; i++) {
		struct action *action = &exchange->actions[i];
		struct lane *target = lane;

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

static bool exchange_request_is_sound(
	const struct queue *queue, const struct hel_exchange_record *request)
{
	uint64_t result_max = 0;

	if (request->n_actions == 0 || request->n_actions > HEL_ACTIONS_MAX ||
		request->reserved != 0 ||
		request->header.size <
			sizeof(*request) + request->n_actions * sizeof(request->actions[0])) {
		return false;
	}
	for (uint32_t i = 0; i < request->n_actions; i++) {
		result_max += sizeof(struct hel_result);
		if (request->actions[i].type == HEL_ACTION_RECEIVE_INLINE) {
			if (request->actions[i].length > HEL_INLINE_MAX) {
				return false;
			}
			result_max += align_up(request->actions[i].length, 8);
		} else if (request->actions[i].type == HEL_ACTION_EXTRACT_CREDENTIALS) {
			result_max += sizeof(struct thread_credentials);
		}
	}
	return result_max <= queue_result_max(queue);
}

/* Exchange and lane, ready to be submitted. */
static int exchange_prepare(struct thread *submitter, const struct hel_exchange_record *request,
	struct exchange **out_exchange, struct lane **out_lane)
{
	struct object *object;
	int error = universe_lookup(
		submitter->universe, request->lane, HEL_TYPE_LANE, HEL_RIGHT_INVOKE, &object);

	if (error != 0) {
		return error;
	}
	struct exchange *exchange = heap_allocate(
		sizeof(*exchange) + request->n_actions * sizeof(exchange->actions[0]));

	if (exchange == NULL) {
		object_unref(object);
		return -ERR_NO_MEMORY;
	}
	error = exchange_decode(exchange, submitter, request);
	if (error != 0) {
		exchange_release(exchange);
		heap_free(exchange);
		object_unref(object);
		return error;
	}
	*out_exchange = exchange;
	*out_lane = lane_of(object);
	return 0;
}

int exchange_submit(struct queue *queue, struct thread *submitter, const struct hel_record *record)
{
	const struct hel_exchange_record *request = (const struct hel_exchange_record *)record;
	struct exchange *exchange;
	struct lane *lane;

	if (!exchange_request_is_sound(queue, request)) {
		return queue_post(queue, record, -ERR_ILLEGAL_ARGS);
	}
	int error = exchange_prepare(submitter, request, &exchange, &lane);

	if (unlikely(error == -ERR_FAULT && page_note_is_set())) {
		/* The record stays until the page with its segments is there, or never comes. */
		if (!page_note_has_failed(&submitter->wait.page)) {
			return THREAD_WAIT_RESTART;
		}
	}
	if (error != 0) {
		return queue_post(queue, record, error);
	}
	exchange->universe = submitter->universe;
	object_ref(&exchange->universe->object);
	exchange->space = submitter->space;
	object_ref((struct object *)exchange->space);
	exchange->credentials = submitter->credentials;
	atomic_init(&exchange->n_open, exchange->n_actions + 1);
	operation_init(&exchange->operation, &exchange_class, queue, record);
	exchange_submit_actions(exchange, lane);
	object_unref(&lane->object);
	return 0;
}

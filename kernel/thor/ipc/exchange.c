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
#include <thor/cpu.h>
#include <thor/ipc/exchange-quick.h>
#include <thor/ipc/queue-internal.h>
#include <thor/memory/memory.h>
#include <thor/object/account.h>
#include <thor/object/grant.h>
#include <thor/object/universe.h>

constexpr uint64_t EXCHANGE_PAUSE_BYTES = 16384; /* moved at once before others have their turn */

static struct exchange *exchange_of(const struct operation *operation)
{
	return container_of(operation, struct exchange, operation);
}

/* ---- completion */

static uint32_t exchange_count_result(const struct exchange *exchange)
{
	uint32_t n_bytes = exchange->n_actions * sizeof(struct hel_result);

	if (exchange->n_inline != 0) {
#pragma clang loop unroll(disable)
		for (uint32_t i = 0; i < exchange->n_actions; i++) {
			n_bytes += (exchange->actions[i].inline_size + 7) & ~7u;
		}
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

/* The data behind an action's result, in whole words: what is behind them is never shown. */
static void exchange_write_inline(const struct action *action, uint64_t *out_words)
{
	const uint64_t *words = action->type == HEL_ACTION_RECEIVE_INLINE
		? action->inline_data
		: (const void *)&action->credentials;
	uint32_t n_words = action->inline_size / sizeof(*words);

#pragma clang loop vectorize(disable)
	for (uint32_t i = 0; i < n_words; i++) {
		out_words[i] = words[i];
	}
	memcpy(out_words + n_words, words + n_words, action->inline_size % sizeof(*words));
}

/* The fixed part of an action's result. */
static inline void exchange_write_fixed(const struct action *action, struct hel_result *out_result)
{
	*out_result = (struct hel_result){
		.error = action->error,
		.inline_size = action->inline_size,
		.value = action->value,
	};
	if (!exchange_is_dependent_failure(action->exchange, action)) {
		arch_witness_action(action->type, action->error);
	}
}

static void exchange_write_result(const struct operation *operation, void *out_result)
{
	const struct exchange *exchange = exchange_of(operation);
	uint64_t *next = out_result;

	for (uint32_t i = 0; i < exchange->n_actions; i++) {
		const struct action *action = &exchange->actions[i];

		exchange_write_fixed(action, (struct hel_result *)next);
		next += sizeof(struct hel_result) / sizeof(*next);
		if (action->inline_size > 0) {
			exchange_write_inline(action, next);
			next += (action->inline_size + 7) / sizeof(*next);
		}
	}
}

static void action_drop_offered(struct action *action)
{
	if (action->type == HEL_ACTION_OFFER && action->offered != NULL) {
		lane_handle_unref(action->offered);
		action->offered = NULL;
	}
}

static void action_release(struct action *action)
{
	switch (action->type) {
	case HEL_ACTION_PUSH:
		if (unlikely(action_is_granted(action))) {
			push_drop(action->use);
		} else if (action->object != NULL) {
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
			/* A plain reference is kept: cancelling may be looking at it. */
			lane_drop_handle(action->made);
		}
		break;
	default: break;
	}
}

/* Give back descriptors, handles of lanes and buffers: the exchange is complete, or was refused. */
static void exchange_release(struct exchange *exchange)
{
	if ((exchange->properties & ACTION_MAY_HOLD) != 0) {
		for (uint32_t i = 0; i < exchange->n_actions; i++) {
			action_release(&exchange->actions[i]);
		}
	}
	if (exchange->closes_lane) {
		lane_drop_handle(exchange->lane);
	}
}

/* What is left of an action after exchange_release(). */
static void action_free(struct action *action)
{
	struct exchange *exchange = exchange_of_action(action);

	if (action_makes_stream(action)) {
		if (action->made != NULL && exchange->shape != EXCHANGE_SHAPE_ASK) {
			lane_unref(action->made);
		}
	} else if (action->type == HEL_ACTION_RECEIVE_INLINE &&
		action->inline_data != (void *)exchange->small_inline) {
		account_free(
			exchange->operation.account, action->inline_data, action->inline_bytes);
	}
}

/* Only now, for a sweep that has a reference to the exchange looks at the uses. */
static __attribute__((noinline)) void exchange_end_grants(struct exchange *exchange)
{
	for (uint32_t i = 0; i < exchange->n_actions; i++) {
		if (action_is_granted(&exchange->actions[i])) {
			grant_use_end(exchange->actions[i].use);
		}
	}
	grant_unref(exchange->grant);
}

/* What is left after exchange_release(), but for the memory. */
static inline void exchange_empty(struct exchange *exchange)
{
	if (unlikely((exchange->properties & ACTION_IS_GRANTED) != 0)) {
		exchange_end_grants(exchange);
	}
	if ((exchange->properties & (ACTION_MAKES_STREAM | ACTION_MAY_HAVE_INLINE)) != 0) {
		for (uint32_t i = 0; i < exchange->n_actions; i++) {
			action_free(&exchange->actions[i]);
		}
	}
	if (exchange->lane != NULL) {
		lane_unref(exchange->lane);
	}
}

/* It was refused: it may have no more than some decoded actions. */
static void exchange_free(struct exchange *exchange)
{
	exchange_empty(exchange);
	exchange_dispose(exchange);
}

void exchange_dispose(struct exchange *exchange)
{
	exchange_drop_stream(exchange);
	object_unref(&exchange->universe->object);
	object_unref((struct object *)exchange->space);
	operation_free(&exchange->operation);
}

static inline void exchange_give_up(struct exchange *exchange)
{
	if (exchange->is_released) {
		lane_unref(exchange->lane);
	} else {
		exchange_empty(exchange);
	}
	if (unlikely(!exchange_keep(exchange))) {
		exchange_dispose(exchange);
	}
}

static void exchange_destroy(struct operation *operation)
{
	exchange_give_up(exchange_of(operation));
}

void exchange_report(struct exchange *exchange, enum hel_element_flags flags)
{
	struct operation *operation = &exchange->operation;
	uint32_t n_bytes = exchange_count_result(exchange);

	exchange->result_bytes = n_bytes;
	operation->n_results = (uint16_t)exchange->n_actions;
	operation->flags = flags;
	void *result = operation_begin_completion(operation, 0, n_bytes);

	if (likely(result != NULL)) {
		exchange_write_result(operation, result);
		operation_end_completion(operation, n_bytes);
	}
}

/* It was to be quiet, and went well. */
static void exchange_vanish(struct exchange *exchange)
{
	struct operation *operation = &exchange->operation;
	struct queue *queue = operation->queue;

	arch_witness_action(HEL_ACTION_SEND, 0);
	spinlock_acquire(&queue->lock);
	operation_unlink_locked(operation);
	spinlock_release(&queue->lock);
	operation_unref(operation);
}

static void exchange_complete(struct exchange *exchange)
{
	bool has_more = unlikely(exchange->repeats) && !exchange_is_last(exchange);

	if ((exchange->properties & ACTION_MAY_HOLD) != 0 || exchange->closes_lane) {
		exchange_release(exchange);
	}
	if (unlikely(exchange->is_quiet) && exchange->actions[0].error == 0) {
		exchange_vanish(exchange);
		return;
	}
	exchange_report(exchange, has_more ? HEL_ELEMENT_MORE : 0);
}

LINK_INLINE bool exchange_complete_with(struct action *receive, uint64_t address, uint64_t length)
{
	struct exchange *exchange = exchange_of_action(receive);
	struct operation *operation = &exchange->operation;
	struct queue *queue = operation->queue;
	uint32_t last = receive->index;
	uint32_t size;

	if (atomic_load_explicit(&exchange->n_open, memory_order_acquire) != 1 ||
		exchange->n_inline != 1 || last + 1 != exchange->n_actions || exchange->repeats) {
		return false;
	}
	spinlock_acquire(&queue->lock);
	struct hel_element *element =
		quick_begin_element_locked(queue, last + 1, address, length, &size);

	if (unlikely(element == NULL)) {
		spinlock_release(&queue->lock);
		page_note_drop();
		return false;
	}
	TRACE(IPC, COMPLETE, operation->opcode, operation->context, queue->object.identity);
	if (receive->is_pending) {
		lane_unlink_locked(receive);
	}
	operation_unlink_locked(operation);
	quick_write_element(element, operation, size, last + 1, 0);
	struct hel_result *results = (struct hel_result *)(element + 1);

#pragma clang loop unroll(disable)
	for (uint32_t i = 0; i < last; i++) {
		exchange_write_fixed(&exchange->actions[i], &results[i]);
	}
	quick_write_data_result(&results[last], length);
	queue_end_element_locked(queue, size);
	spinlock_release(&queue->lock);
	return true;
}

void exchange_end(struct exchange *exchange)
{
	struct operation *operation = &exchange->operation;
	struct queue *queue = operation->queue;

	if (!exchange->is_released &&
		((exchange->properties & ACTION_MAY_HOLD) != 0 || exchange->closes_lane)) {
		exchange_release(exchange);
	}
	if (likely(atomic_fetch_sub_explicit(&operation->references, 1, memory_order_acq_rel) ==
		    1)) {
		exchange_give_up(exchange);
		atomic_fetch_sub_explicit(&queue->n_operations, 1, memory_order_relaxed);
		object_unref(&queue->object);
	}
}

/* @n_closed actions (or the submitter) are done; the last completes the operation. */
static inline void exchange_close(struct exchange *exchange, uint32_t n_closed)
{
	if (atomic_fetch_sub_explicit(&exchange->n_open, n_closed, memory_order_acq_rel) ==
		n_closed) {
		exchange_complete(exchange);
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

void action_begin(struct action *action, struct lane *lane)
{
	struct exchange_work work;

	list_init(&work.accepts);
	action_submit(action, lane, &work);
	exchange_do_work(&work);
}

/*
 * First what waits for the peer on streams that are made here: nobody else knows them yet. Then
 * the rest, and with the OFFERs those streams. What is behind an ACCEPT comes when that is over.
 */
static void exchange_submit_actions(struct exchange *exchange)
{
	struct exchange_work work;

	list_init(&work.accepts);
	if (unlikely(exchange->repeats)) {
		operation_link(&exchange->operation);
	}
	if ((exchange->properties & ACTION_MAKES_STREAM) != 0) {
		for (uint32_t i = 1; i < exchange->n_actions; i++) {
			struct action *action = &exchange->actions[i];

			if (action->stream_maker >= 0 &&
				exchange->actions[action->stream_maker].type == HEL_ACTION_OFFER) {
				lane_submit_first(
					exchange->actions[action->stream_maker].made, action);
			}
		}
	}
	for (uint32_t i = 0; i < exchange->n_actions; i++) {
		if (exchange->actions[i].stream_maker < 0) {
			action_submit(&exchange->actions[i], exchange->lane, &work);
		}
	}
	if (unlikely(!list_is_empty(&work.accepts))) {
		exchange_do_work(&work);
	}
	/* What is over by now needs no tag: nobody could have cancelled it. */
	if (atomic_load_explicit(&exchange->n_open, memory_order_relaxed) != 1 &&
		!exchange->repeats) {
		operation_link(&exchange->operation);
	}
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
			action_finish(action, exchange_cancel_error(exchange), 0);
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
	.go_on = exchange_go_on,
	.destroy = exchange_destroy,
};

struct exchange *exchange_try_of(struct operation *operation)
{
	return operation->class == &exchange_class ? exchange_of(operation) : NULL;
}

/* The parts of a record that are not actions, each read once. */
struct exchange_request {
	hel_handle lane;
	uint32_t n_actions, flags;
	bool closes_lane;
	struct grant *grant; /* that the lane that was found is under, referenced; or NULL */
	const struct exchange_taken *taken; /* NULL: the lane was not taken before */
};

static _Atomic uint64_t exchange_n_repeated;

/*
 * The lane that the exchange is for. With HEL_EXCHANGE_CLOSE_LANE what is returned has the handle
 * of its descriptor, too, and keeps the lane open in place of that.
 */
static ALWAYS_INLINE int exchange_find_lane(
	struct thread *submitter, struct exchange_request *request, struct lane **out_lane)
{
	struct universe *universe = submitter->universe;
	struct object *object;
	int error;

	if (request->closes_lane) {
		if (handle_cache_lane(&submitter->handles, request->lane)->handle ==
			request->lane) {
			handle_cache_forget(&submitter->handles, request->lane);
		}
		error = universe_take(universe, request->lane, HEL_TYPE_LANE, HEL_RIGHT_INVOKE,
			&object, &request->grant);
	} else {
		error = handle_cache_lookup(handle_cache_lane(&submitter->handles, request->lane),
			universe, request->lane, HEL_TYPE_LANE, HEL_RIGHT_INVOKE, &object,
			&request->grant);
	}
	if (likely(error == 0)) {
		*out_lane = lane_of(object);
	}
	return error;
}

/* What the exchange names has been granted: it goes with that, and not further if it has gone. */
static __attribute__((noinline)) int exchange_use_grants(struct exchange *exchange)
{
	int error = operation_use_grant(&exchange->operation, grant_ref(exchange->grant));

	for (uint32_t i = 0; error == 0 && i < exchange->n_actions; i++) {
		if (action_is_granted(&exchange->actions[i])) {
			error = grant_use_link(exchange->actions[i].use);
		}
	}
	return error;
}

static bool exchange_request_is_valid(
	const struct exchange_request *request, struct hel_record header)
{
	return request->n_actions != 0 && request->n_actions <= HEL_ACTIONS_MAX &&
		request->flags < 8 &&
		((request->flags & HEL_EXCHANGE_REPEAT) == 0 ||
			request->flags == HEL_EXCHANGE_REPEAT) &&
		header.size >=
		sizeof(struct hel_exchange_record) + request->n_actions * sizeof(struct hel_action);
}

/* Without actions, unless they are known already (*out_is_decoded); but for the streams. */
static struct exchange *exchange_make(struct queue *queue, struct thread *submitter,
	uint32_t n_actions, const volatile struct hel_action *wishes, bool *out_is_decoded)
{
	struct exchange *exchange = exchange_take_kept(queue, submitter, n_actions);

	*out_is_decoded = false;
	if (likely(exchange != NULL)) {
		*out_is_decoded = exchange_refresh(exchange, wishes);
	} else {
		exchange = operation_allocate_dirty(submitter->universe->account,
			sizeof(*exchange) + n_actions * sizeof(exchange->actions[0]));
		if (unlikely(exchange == NULL)) {
			return NULL;
		}
		exchange->universe = submitter->universe;
		object_ref(&exchange->universe->object);
		exchange->space = submitter->space;
		object_ref((struct object *)exchange->space);
	}
	exchange->lane = NULL;
	exchange->grant = NULL;
	atomic_init(&exchange->n_open, n_actions + 1);
	atomic_init(&exchange->is_cancelled, false);
	atomic_init(&exchange->is_small_inline_used, false);
	exchange->closes_lane = false;
	exchange->repeats = false;
	exchange->is_quiet = false;
	exchange->is_released = false;
	if (!*out_is_decoded) {
		exchange->properties = 0;
		exchange->n_actions = 0;
		exchange->shape = EXCHANGE_SHAPE_OTHER;
	}
	return exchange;
}

/* The data of a quiet SEND. -ERR_FAULT, perhaps with a page note; -ERR_ILLEGAL_ARGS. */
static int exchange_take_data(
	struct queue *queue, struct exchange *exchange, const struct exchange_taken *taken)
{
	const struct action *send = &exchange->actions[0];

	if (likely(taken == NULL)) {
		return arch_copy_from_user(exchange->small_inline, send->address, send->length);
	}
	if (send->length != taken->n_given) {
		return -ERR_ILLEGAL_ARGS; /* user mode has changed it meanwhile */
	}
	memcpy(exchange->small_inline, queue->given, send->length);
	return 0;
}

/* What HEL_EXCHANGE_REPEAT or _QUIET ask for. -ERR_FAULT, perhaps with a page note. */
static int exchange_set_manner(
	struct queue *queue, struct exchange *exchange, const struct exchange_request *request)
{
	const struct action *first = &exchange->actions[0];

	if ((request->flags & HEL_EXCHANGE_REPEAT) != 0) {
		exchange->repeats = true;
		exchange->gives_way = false;
		exchange->order =
			atomic_fetch_add_explicit(&exchange_n_repeated, 1, memory_order_relaxed);
		exchange->shape = exchange_repeated_shape(exchange);
		return exchange_may_repeat(exchange) ? 0 : -ERR_ILLEGAL_ARGS;
	}
	if (exchange->n_actions != 1 || first->type != HEL_ACTION_SEND ||
		first->length > sizeof(exchange->small_inline)) {
		return -ERR_ILLEGAL_ARGS;
	}
	exchange->is_quiet = true;
	return exchange_take_data(queue, exchange, request->taken);
}

/*
 * An exchange that is ready to be submitted. On errors the lane, if there is one, is given up, but
 * for THREAD_WAIT_RESTART, when there is none.
 */
static int exchange_prepare(struct queue *queue, struct thread *submitter,
	struct exchange_request *request, const volatile struct hel_action *wishes,
	struct exchange *exchange, bool is_decoded)
{
	int error = 0;

	if (unlikely(!is_decoded)) {
		error = exchange_decode(
			exchange, submitter, wishes, request->n_actions, queue_result_max(queue));
	} else if ((exchange->properties & ACTION_TAKES_MORE) != 0) {
		error = exchange_make_streams(exchange);
	}
	if (unlikely((request->flags & (HEL_EXCHANGE_REPEAT | HEL_EXCHANGE_QUIET)) != 0) &&
		error == 0) {
		error = exchange_set_manner(queue, exchange, request);
	}

	if (unlikely(error == -ERR_FAULT && page_note_is_set()) &&
		!page_note_has_failed(&submitter->wait.page)) {
		/* The record stays until the page with its segments is there, or never comes. */
		error = THREAD_WAIT_RESTART;
	} else if (exchange->lane == NULL) {
		int lane_error = exchange_find_lane(submitter, request, &exchange->lane);

		exchange->closes_lane = lane_error == 0 && request->closes_lane;
		error = lane_error != 0 ? lane_error : error;
	}
	if (unlikely(request->grant != NULL)) {
		exchange->grant = request->grant;
		exchange->properties |= ACTION_IS_GRANTED;
	}
	return error;
}

/* What a refused record has taken. */
static void exchange_give_back(const struct exchange_request *request, struct lane *lane)
{
	if (lane != NULL) {
		lane_handle_unref(lane);
	}
	grant_unref(request->grant);
}

static int exchange_submit_decoded(struct queue *queue, struct thread *submitter,
	struct hel_record header, struct exchange_request *request,
	const volatile struct hel_action *wishes, struct lane *lane)
{
	bool is_decoded;
	struct exchange *exchange =
		exchange_make(queue, submitter, request->n_actions, wishes, &is_decoded);

	if (unlikely(exchange == NULL)) {
		exchange_give_back(request, lane);
		return queue_post(queue, &header, -ERR_NO_MEMORY);
	}
	exchange->lane = lane;
	exchange->closes_lane = lane != NULL && request->closes_lane;
	int error = exchange_prepare(queue, submitter, request, wishes, exchange, is_decoded);

	if (unlikely(error != 0)) {
		exchange_release(exchange);
		exchange_free(exchange);
		return error == THREAD_WAIT_RESTART ? error : queue_post(queue, &header, error);
	}
	operation_begin(&exchange->operation, &exchange_class, queue, &header);
	error = unlikely((exchange->properties & ACTION_IS_GRANTED) != 0)
		? exchange_use_grants(exchange)
		: 0;
	if (unlikely(error != 0)) {
		exchange->result_bytes = 0;
		exchange_release(exchange);
		operation_complete(&exchange->operation, error);
		return 0;
	}
	exchange_submit_actions(exchange);
	struct transfer_runner *runner = &arch_this_cpu()->transfers;

	if (unlikely(runner->n_bytes_at_once >= EXCHANGE_PAUSE_BYTES)) {
		runner->n_bytes_at_once = 0;
		return SUBMIT_PAUSE;
	}
	return 0;
}

static __attribute__((noinline)) int exchange_submit_fully(struct queue *queue,
	struct thread *submitter, struct hel_record header,
	const volatile struct hel_exchange_record *record, const struct exchange_taken *taken)
{
	uint32_t flags = taken->lane != NULL ? taken->flags : record->flags;
	struct exchange_request request = {
		.lane = record->lane,
		.n_actions = record->n_actions,
		.flags = flags,
		.closes_lane = (flags & HEL_EXCHANGE_CLOSE_LANE) != 0,
		.grant = taken->grant,
		.taken = taken->lane != NULL ? taken : NULL,
	};

	if (unlikely(queue->n_operations >= QUEUE_OPERATIONS_MAX)) {
		exchange_give_back(&request, taken->lane);
		return taken->lane != NULL ? queue_post(queue, &header, -ERR_NO_MEMORY)
					   : -ERR_NO_MEMORY;
	}
	if (unlikely(!exchange_request_is_valid(&request, header))) {
		exchange_give_back(&request, taken->lane);
		return queue_post(queue, &header, -ERR_ILLEGAL_ARGS);
	}
	return exchange_submit_decoded(
		queue, submitter, header, &request, record->actions, taken->lane);
}

int exchange_submit(struct queue *queue, struct thread *submitter, struct hel_record header,
	const volatile struct hel_exchange_record *record)
{
	struct exchange_taken taken;

	taken.lane = NULL;
	taken.grant = NULL;
	if (likely(exchange_try_quickly(queue, submitter, header, record, &taken))) {
		return 0;
	}
	return exchange_submit_fully(queue, submitter, header, record, &taken);
}

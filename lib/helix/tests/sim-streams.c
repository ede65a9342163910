/* SPDX-License-Identifier: MIT */
/* Streams of the small kernel: see sim-kernel.h. */
#include <helix/tests/sim-internal.h>

#include <base/assert.h>
#include <base/errors.h>

#include <stdlib.h>
#include <string.h>

void sim_stream_create(struct sim_lane **out_first, struct sim_lane **out_second)
{
	static struct sim_lane *all; /* never freed: exchanges and handles may look at them */
	struct sim_lane *lanes = calloc(2, sizeof(*lanes));

	lanes[0].next = all;
	all = lanes;
	for (int i = 0; i < 2; i++) {
		lanes[i].peer = &lanes[1 - i];
		lanes[i].n_handles = 1;
		list_init(&lanes[i].pending);
	}
	*out_first = &lanes[0];
	*out_second = &lanes[1];
}

static void action_finish(struct sim_action *action, int error, uint64_t value)
{
	action->state = SIM_DONE;
	action->result.error = error;
	action->result.value = value;
	list_remove(&action->node);
	if (error != 0 && action->offered != NULL) {
		sim_lane_drop(action->offered);
		action->offered = NULL;
	}
	if (action->pushed.object != NULL) {
		sim_detach(&action->pushed);
		action->pushed.object = NULL;
	}
	/* what hangs on an ACCEPT that failed fails, too */
	for (uint32_t i = 0; error != 0 && i < action->exchange->n_actions; i++) {
		struct sim_action *other = &action->exchange->actions[i];

		if (other->state == SIM_WAITING && other->maker >= 0 &&
			&action->exchange->actions[other->maker] == action) {
			action_finish(other, error, 0);
		}
	}
}

void sim_lane_close(struct sim_lane *lane)
{
	if (lane->is_closed) {
		return;
	}
	lane->is_closed = true;
	while (!list_is_empty(&lane->pending)) {
		action_finish(
			LIST_FIRST(&lane->pending, struct sim_action, node), -ERR_LANE_SHUTDOWN, 0);
	}
	while (!list_is_empty(&lane->peer->pending)) {
		action_finish(LIST_FIRST(&lane->peer->pending, struct sim_action, node),
			-ERR_END_OF_LANE, 0);
	}
}

void sim_lane_drop(struct sim_lane *lane)
{
	ASSERT(lane->n_handles > 0);
	lane->n_handles--;
	if (lane->n_handles == 0) {
		sim_lane_close(lane);
	}
}

static void action_submit(struct sim_action *action, struct sim_lane *lane)
{
	action->state = SIM_PENDING;
	list_push_back(&lane->pending, &action->node);
	if (lane->is_closed) {
		action_finish(action, -ERR_LANE_SHUTDOWN, 0);
	} else if (lane->peer->is_closed) {
		action_finish(action, -ERR_END_OF_LANE, 0);
	}
}

/* The actions that were waiting for an OFFER or ACCEPT. */
static void action_submit_dependents(struct sim_action *maker)
{
	for (uint32_t i = 0; i < maker->exchange->n_actions; i++) {
		struct sim_action *other = &maker->exchange->actions[i];

		if (other->state == SIM_WAITING && other->maker >= 0 &&
			&maker->exchange->actions[other->maker] == maker) {
			action_submit(other, maker->made);
		}
	}
}

/* The actions that are for the lane, or for a stream that is there already. */
static void exchange_begin(struct sim_exchange *exchange)
{
	for (uint32_t i = 0; i < exchange->n_actions; i++) {
		struct sim_action *action = &exchange->actions[i];

		if (action->state == SIM_WAITING && action->maker < 0) {
			action_submit(action, exchange->lane);
		} else if (action->state == SIM_WAITING &&
			exchange->actions[action->maker].made != NULL) {
			action_submit(action, exchange->actions[action->maker].made);
		}
	}
}

static void exchange_set_manner(struct sim_exchange *exchange, struct sim_object *lane)
{
	struct sim_action *first = &exchange->actions[0];

	if ((exchange->flags & HEL_EXCHANGE_CLOSE_LANE) != 0) {
		lane->type = SIM_FREE; /* the exchange drops the lane itself */
	}
	if ((exchange->flags & HEL_EXCHANGE_QUIET) != 0) {
		ASSERT(exchange->n_actions == 1);
		ASSERT(first->action.type == HEL_ACTION_SEND);
		ASSERT(first->action.length <= HEL_QUIET_BYTES_MAX);
		memcpy(first->quiet_data, (const void *)first->action.address,
			first->action.length);
		first->action.address = (uint64_t)first->quiet_data;
	}
}

void sim_exchange_submit(const struct hel_exchange_record *record)
{
	struct sim_exchange *exchange = calloc(1, sizeof(*exchange));
	struct sim_object *lane = sim_find(record->lane, SIM_LANE);
	int maker = -1;

	if (lane == NULL) {
		const struct hel_element like = {
			.opcode = HEL_SUBMIT_EXCHANGE,
			.context = record->header.context,
			.error = -ERR_BAD_HANDLE,
		};
		bool is_written = sim_queue_complete(&like, NULL, 0);

		ASSERT(is_written);
		free(exchange);
		return;
	}
	exchange->context = record->header.context;
	exchange->opcode = HEL_SUBMIT_EXCHANGE;
	exchange->lane = lane->object;
	exchange->flags = record->flags;
	exchange->n_actions = record->n_actions;
	exchange->actions = calloc(record->n_actions, sizeof(*exchange->actions));
	list_push_back(&sim_operations, &exchange->node);
	for (uint32_t i = 0; i < record->n_actions; i++) {
		struct sim_action *action = &exchange->actions[i];
		bool is_ancillary = (record->actions[i].flags & HEL_ACTION_ANCILLARY) != 0;

		action->exchange = exchange;
		action->action = record->actions[i];
		action->maker = is_ancillary ? maker : -1;
		ASSERT(!is_ancillary || maker >= 0);
		if (action->action.type == HEL_ACTION_OFFER) {
			sim_stream_create(&action->made, &action->offered);
		}
		if (action->action.type == HEL_ACTION_PUSH) {
			struct sim_object *pushed = sim_find(action->action.handle, SIM_FREE);

			ASSERT(pushed != NULL);
			action->pushed = *pushed;
			if (pushed->type == SIM_LANE) {
				((struct sim_lane *)pushed->object)->n_handles++;
			}
		}
		if (action->action.type == HEL_ACTION_OFFER ||
			action->action.type == HEL_ACTION_ACCEPT) {
			maker = (int)i;
		}
	}
	exchange_set_manner(exchange, lane);
	exchange_begin(exchange);
}

/* ---- meeting --------------------------------------------------------------------------------- */

static size_t send_size(const struct sim_action *send)
{
	const struct hel_sg *segments = (const struct hel_sg *)send->action.address;
	size_t size = 0;

	if (send->action.type == HEL_ACTION_SEND) {
		return send->action.length;
	}
	for (uint64_t i = 0; i < send->action.length; i++) {
		size += segments[i].length;
	}
	return size;
}

static void send_copy(const struct sim_action *send, uint8_t *to)
{
	const struct hel_sg *segments = (const struct hel_sg *)send->action.address;

	if (send->action.type == HEL_ACTION_SEND) {
		memcpy(to, (const void *)send->action.address, send->action.length);
		return;
	}
	for (uint64_t i = 0; i < send->action.length; i++) {
		memcpy(to, (const void *)segments[i].address, segments[i].length);
		to += segments[i].length;
	}
}

static void meet_send(struct sim_action *send, struct sim_action *receive)
{
	size_t size = send_size(send);
	bool is_inline = receive->action.type == HEL_ACTION_RECEIVE_INLINE;

	if (size > receive->action.length) {
		action_finish(send, -ERR_BUFFER_TOO_SMALL, 0);
		action_finish(receive, -ERR_BUFFER_TOO_SMALL, 0);
		return;
	}
	send_copy(send, is_inline ? receive->inline_data : (uint8_t *)receive->action.address);
	receive->result.inline_size = is_inline ? (uint32_t)size : 0;
	action_finish(send, 0, size);
	action_finish(receive, 0, size);
}

static hel_handle wanted_lane(struct sim_action *action)
{
	if ((action->action.flags & HEL_ACTION_WANT_LANE) == 0) {
		return HEL_NULL;
	}
	action->made->n_handles++;
	return sim_attach(SIM_LANE, action->made);
}

static void meet_offer(struct sim_action *offer, struct sim_action *accept)
{
	accept->made = offer->offered;
	offer->offered = NULL;
	action_finish(offer, 0, wanted_lane(offer));
	action_finish(accept, 0, wanted_lane(accept));
	action_submit_dependents(accept);
}

static void meet_push(struct sim_action *push, struct sim_action *pull)
{
	struct sim_object pushed = push->pushed;

	push->pushed.object = NULL;
	action_finish(push, 0, 0);
	action_finish(pull, 0, sim_attach(pushed.type, pushed.object));
}

static bool is_send(const struct sim_action *action)
{
	return action->action.type == HEL_ACTION_SEND || action->action.type == HEL_ACTION_SEND_SG;
}

static bool is_receive(const struct sim_action *action)
{
	return action->action.type == HEL_ACTION_RECEIVE ||
		action->action.type == HEL_ACTION_RECEIVE_INLINE;
}

/* One order of the two; false: not a pair in this order. */
static bool meet_in_order(struct sim_action *a, struct sim_action *b)
{
	if (a->action.type == HEL_ACTION_DISMISS) {
		action_finish(a, 0, 0);
		action_finish(b, -ERR_DISMISSED, 0);
	} else if (is_send(a) && is_receive(b)) {
		meet_send(a, b);
	} else if (a->action.type == HEL_ACTION_OFFER && b->action.type == HEL_ACTION_ACCEPT) {
		meet_offer(a, b);
	} else if (a->action.type == HEL_ACTION_PUSH && b->action.type == HEL_ACTION_PULL) {
		meet_push(a, b);
	} else {
		return false;
	}
	return true;
}

/* Let the first actions of both ends meet; false: there are none. */
static bool lane_meet(struct sim_lane *lane)
{
	if (list_is_empty(&lane->pending) || list_is_empty(&lane->peer->pending)) {
		return false;
	}
	struct sim_action *a = LIST_FIRST(&lane->pending, struct sim_action, node);
	struct sim_action *b = LIST_FIRST(&lane->peer->pending, struct sim_action, node);

	if (!meet_in_order(a, b) && !meet_in_order(b, a)) {
		action_finish(a, -ERR_TRANSMISSION_MISMATCH, 0);
		action_finish(b, -ERR_TRANSMISSION_MISMATCH, 0);
	}
	return true;
}

/* ---- completing ------------------------------------------------------------------------------ */

static bool exchange_is_done(const struct sim_exchange *exchange)
{
	for (uint32_t i = 0; i < exchange->n_actions; i++) {
		if (exchange->actions[i].state != SIM_DONE) {
			return false;
		}
	}
	return true;
}

/* What the peer brings about ends no exchange that repeats. */
static bool exchange_goes_on(const struct sim_exchange *exchange)
{
	int error = exchange->actions[0].result.error;

	return (exchange->flags & HEL_EXCHANGE_REPEAT) != 0 &&
		(error == 0 || error == -ERR_DISMISSED || error == -ERR_TRANSMISSION_MISMATCH ||
			error == -ERR_BUFFER_TOO_SMALL);
}

static bool exchange_write(const struct sim_exchange *exchange)
{
	static uint8_t results[HEL_ACTIONS_MAX * (sizeof(struct hel_result) + HEL_INLINE_MAX)];
	uint32_t size = 0;

	for (uint32_t i = 0; i < exchange->n_actions; i++) {
		struct sim_action *action = &exchange->actions[i];
		uint32_t padded = (uint32_t)align_up(action->result.inline_size, 8);

		memcpy(results + size, &action->result, sizeof(action->result));
		size += sizeof(action->result);
		memcpy(results + size, action->inline_data, padded);
		size += padded;
	}
	const struct hel_element like = {
		.opcode = exchange->opcode,
		.context = exchange->context,
		.n_results = (uint16_t)exchange->n_actions,
		.flags = exchange_goes_on(exchange) ? HEL_ELEMENT_MORE : 0,
	};

	return sim_queue_complete(&like, results, size);
}

static bool exchange_is_silent(const struct sim_exchange *exchange)
{
	return (exchange->flags & HEL_EXCHANGE_QUIET) != 0 &&
		exchange->actions[0].result.error == 0;
}

static void exchange_begin_again(struct sim_exchange *exchange)
{
	for (uint32_t i = 0; i < exchange->n_actions; i++) {
		struct sim_action *action = &exchange->actions[i];

		action->state = SIM_WAITING;
		action->made = NULL;
		action->result = (struct hel_result){};
	}
	exchange_begin(exchange);
}

static bool exchange_complete(struct sim_exchange *exchange)
{
	if (!exchange_is_silent(exchange) && !exchange_write(exchange)) {
		return false;
	}
	for (uint32_t i = 0; i < exchange->n_actions; i++) {
		if (exchange->actions[i].made != NULL) {
			sim_lane_drop(exchange->actions[i].made);
		}
	}
	if (exchange_goes_on(exchange)) {
		exchange_begin_again(exchange);
		return true;
	}
	if ((exchange->flags & HEL_EXCHANGE_CLOSE_LANE) != 0) {
		sim_lane_drop(exchange->lane);
	}
	list_remove(&exchange->node);
	free(exchange->actions);
	free(exchange);
	return true;
}

static bool exchange_run(struct sim_exchange *exchange)
{
	bool is_any = false;

	for (uint32_t i = 0; i < exchange->n_actions; i++) {
		const struct sim_action *action = &exchange->actions[i];

		if (action->maker < 0) {
			is_any = is_any || lane_meet(exchange->lane);
		} else if (exchange->actions[action->maker].made != NULL) {
			is_any = is_any || lane_meet(exchange->actions[action->maker].made);
		}
	}
	if (exchange_is_done(exchange)) {
		is_any = exchange_complete(exchange) || is_any;
	}
	return is_any;
}

bool sim_streams_run(void)
{
	for (struct list_node *node = list_first(&sim_operations); node != NULL;
		node = list_next(&sim_operations, node)) {
		struct sim_exchange *exchange = container_of(node, struct sim_exchange, node);

		if (exchange->opcode == HEL_SUBMIT_EXCHANGE && exchange_run(exchange)) {
			return true; /* the list may be another one now */
		}
	}
	return false;
}

void sim_exchange_cancel(struct sim_exchange *exchange)
{
	for (uint32_t i = 0; i < exchange->n_actions; i++) {
		if (exchange->actions[i].state != SIM_DONE) {
			action_finish(&exchange->actions[i], -ERR_CANCELLED, 0);
		}
	}
}

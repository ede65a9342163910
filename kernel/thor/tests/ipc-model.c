/* SPDX-License-Identifier: MIT */
/* The reference model of messages: see ipc-model.h. */
#include "ipc-model.h"

struct pending {
	struct model_exchange *exchange;
	uint32_t index;
};

struct lane {
	int32_t n_handles;
	bool is_closed;
	uint32_t n_pending;
	struct pending pending[MODEL_PENDING_MAX];
};

static struct lane lanes[2 * MODEL_STREAMS_MAX];
static uint32_t n_streams;
static struct model_exchange *completed[MODEL_EXCHANGES_MAX];
static uint32_t n_completed, n_completed_taken;
static struct pending work[256]; /* ACCEPTs whose dependents are to be submitted */
static uint32_t n_work;

static void submit_action(struct model_exchange *exchange, uint32_t index, model_name name);

static struct lane *lane_of(model_name name)
{
	ASSERT(name > 0);
	return &lanes[name - 1];
}

static model_name peer_of(model_name name)
{
	return ((name - 1) ^ 1) + 1;
}

void model_reset(void)
{
	memset(lanes, 0, sizeof(lanes));
	n_streams = 0;
	n_completed = 0;
	n_completed_taken = 0;
	n_work = 0;
}

model_name model_create_stream(void)
{
	ASSERT(n_streams < MODEL_STREAMS_MAX);
	model_name first = (model_name)(2 * n_streams++ + 1);

	lane_of(first)->n_handles = 1;
	lane_of(first + 1)->n_handles = 1;
	return first;
}

void model_ref(model_name name)
{
	if (name > 0) {
		lane_of(name)->n_handles++;
	}
}

void model_unref(model_name name)
{
	if (name > 0) {
		lane_of(name)->n_handles--;
		ASSERT(lane_of(name)->n_handles >= 0);
	}
}

static void drop(model_name *name)
{
	model_unref(*name);
	*name = 0;
}

static void complete(struct model_exchange *exchange)
{
	exchange->is_complete = true;
	for (uint32_t i = 0; i < exchange->n_actions; i++) {
		struct model_action *action = &exchange->actions[i];

		drop(&action->name);
		drop(&action->offered);
	}
	completed[n_completed++ % MODEL_EXCHANGES_MAX] = exchange;
}

static void finish(struct model_exchange *exchange, uint32_t index, int error, uint64_t value)
{
	struct model_action *action = &exchange->actions[index];

	ASSERT(action->error == MODEL_UNDECIDED);
	action->error = error;
	action->value = value;
	if (error != 0) {
		drop(&action->offered);
	}
	/* What was to go to a stream that will never be. */
	if (error != 0 && action->wish.type == HEL_ACTION_ACCEPT) {
		for (uint32_t i = index + 1; i < exchange->n_actions; i++) {
			if (exchange->actions[i].maker == (int)index) {
				finish(exchange, i, error, 0);
			}
		}
	}
	if (--exchange->n_open == 0) {
		complete(exchange);
	}
}

/* ---- two that meet --------------------------------------------------------------------------- */

static bool is_send(const struct model_action *action)
{
	return action->wish.type == HEL_ACTION_SEND;
}

static bool is_receive(const struct model_action *action)
{
	return action->wish.type == HEL_ACTION_RECEIVE ||
		action->wish.type == HEL_ACTION_RECEIVE_INLINE;
}

static bool give(struct pending from, struct pending to)
{
	struct model_action *a = &from.exchange->actions[from.index];
	struct model_action *b = &to.exchange->actions[to.index];

	if (is_send(a) && is_receive(b)) {
		bool fits = a->wish.length <= b->wish.length;
		int error = fits ? 0 : -ERR_BUFFER_TOO_SMALL;

		b->tag = a->tag;
		uint64_t length = fits ? a->wish.length : 0;

		finish(from.exchange, from.index, error, length);
		finish(to.exchange, to.index, error, length);
		return true;
	}
	if (a->wish.type == HEL_ACTION_PUSH && b->wish.type == HEL_ACTION_PULL) {
		b->kept = a->name;
		model_ref(b->kept);
		finish(from.exchange, from.index, 0, 0);
		finish(to.exchange, to.index, 0, 0);
		return true;
	}
	if (a->wish.type == HEL_ACTION_OFFER && b->wish.type == HEL_ACTION_ACCEPT) {
		b->name = a->offered;
		a->offered = 0;
		for (int i = 0; i < 2; i++) {
			struct model_action *action = i == 0 ? a : b;

			if ((action->wish.flags & HEL_ACTION_WANT_LANE) != 0) {
				model_ref(action->name);
				action->kept = action->name;
				action->value = 1;
			}
		}
		ASSERT(n_work < ARRAY_SIZE(work));
		work[n_work++] = to;
		to.exchange->n_open++; /* until its dependents are submitted */
		finish(from.exchange, from.index, 0, a->value);
		finish(to.exchange, to.index, 0, b->value);
		return true;
	}
	return false;
}

static void meet(struct pending a, struct pending b)
{
	bool is_a_dismissing = a.exchange->actions[a.index].wish.type == HEL_ACTION_DISMISS;
	bool is_b_dismissing = b.exchange->actions[b.index].wish.type == HEL_ACTION_DISMISS;

	if (is_a_dismissing || is_b_dismissing) {
		finish(a.exchange, a.index, is_a_dismissing ? 0 : -ERR_DISMISSED, 0);
		finish(b.exchange, b.index, is_b_dismissing ? 0 : -ERR_DISMISSED, 0);
	} else if (!give(a, b) && !give(b, a)) {
		finish(a.exchange, a.index, -ERR_TRANSMISSION_MISMATCH, 0);
		finish(b.exchange, b.index, -ERR_TRANSMISSION_MISMATCH, 0);
	}
}

/* ---- submission ------------------------------------------------------------------------------ */

static void submit_action(struct model_exchange *exchange, uint32_t index, model_name name)
{
	struct lane *lane = lane_of(name), *peer = lane_of(peer_of(name));
	struct pending own = { exchange, index };

	if (lane->is_closed || peer->is_closed) {
		finish(exchange, index, MODEL_HANG_UP, 0);
	} else if (peer->n_pending > 0) {
		struct pending other = peer->pending[0];

		peer->n_pending--;
		memmove(&peer->pending[0], &peer->pending[1],
			peer->n_pending * sizeof(peer->pending[0]));
		meet(other, own);
	} else {
		ASSERT(lane->n_pending < MODEL_PENDING_MAX);
		lane->pending[lane->n_pending++] = own;
	}
}

static void close_exchange(struct model_exchange *exchange)
{
	if (--exchange->n_open == 0) {
		complete(exchange);
	}
}

static void do_work(void)
{
	for (uint32_t i = 0; i < n_work; i++) {
		struct model_exchange *exchange = work[i].exchange;

		for (uint32_t j = work[i].index + 1; j < exchange->n_actions; j++) {
			if (exchange->actions[j].maker == (int)work[i].index) {
				submit_action(exchange, j, exchange->actions[work[i].index].name);
			}
		}
		close_exchange(exchange);
	}
	n_work = 0;
}

void model_submit(struct model_exchange *exchange, model_name lane)
{
	int maker = -1;

	exchange->is_complete = false;
	exchange->n_open = exchange->n_actions + 1;
	for (uint32_t i = 0; i < exchange->n_actions; i++) {
		struct model_action *action = &exchange->actions[i];

		action->error = MODEL_UNDECIDED;
		action->value = 0;
		action->kept = 0;
		action->maker = (action->wish.flags & HEL_ACTION_ANCILLARY) != 0 ? maker : -1;
		if (action->wish.type == HEL_ACTION_OFFER) {
			action->name = model_create_stream();
			action->offered = action->name + 1;
		} else if (action->wish.type == HEL_ACTION_PUSH) {
			model_ref(action->name);
		} else {
			action->name = 0;
		}
		if (action->wish.type == HEL_ACTION_OFFER ||
			action->wish.type == HEL_ACTION_ACCEPT) {
			maker = (int)i;
		}
	}
	for (uint32_t i = 0; i < exchange->n_actions; i++) {
		struct model_action *action = &exchange->actions[i];

		if (action->maker < 0) {
			submit_action(exchange, i, lane);
		} else if (exchange->actions[action->maker].wish.type == HEL_ACTION_OFFER) {
			submit_action(exchange, i, exchange->actions[action->maker].name);
		}
	}
	do_work();
	close_exchange(exchange);
}

/* ---- ends ------------------------------------------------------------------------------------ */

static void close_lane(model_name name)
{
	struct lane *both[2] = { lane_of(name), lane_of(peer_of(name)) };

	both[0]->is_closed = true;
	for (int i = 0; i < 2; i++) {
		while (both[i]->n_pending > 0) {
			struct pending pending = both[i]->pending[--both[i]->n_pending];

			finish(pending.exchange, pending.index, MODEL_HANG_UP, 0);
		}
	}
}

void model_shutdown(model_name lane)
{
	close_lane(lane);
}

void model_settle(void)
{
	bool is_changed = true;

	while (is_changed) {
		is_changed = false;
		for (uint32_t i = 0; i < 2 * n_streams; i++) {
			if (lanes[i].n_handles == 0 && !lanes[i].is_closed) {
				close_lane((model_name)i + 1);
				is_changed = true;
			}
		}
	}
}

void model_cancel(struct model_exchange *exchange)
{
	for (uint32_t i = 0; i < 2 * n_streams && !exchange->is_complete; i++) {
		struct lane *lane = &lanes[i];

		for (uint32_t j = 0; j < lane->n_pending;) {
			struct pending pending = lane->pending[j];

			if (pending.exchange != exchange) {
				j++;
				continue;
			}
			lane->n_pending--;
			memmove(&lane->pending[j], &lane->pending[j + 1],
				(lane->n_pending - j) * sizeof(lane->pending[0]));
			finish(exchange, pending.index, -ERR_CANCELLED, 0);
		}
	}
}

struct model_exchange *model_take_completed(void)
{
	return n_completed_taken == n_completed
		? NULL
		: completed[n_completed_taken++ % MODEL_EXCHANGES_MAX];
}

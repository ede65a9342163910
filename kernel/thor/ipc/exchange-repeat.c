/* SPDX-License-Identifier: MIT */
/*
 * Exchanges that repeat: one record for all who come.
 *
 *   armed: first action pending --- meets its peer ---> a round, like any exchange
 *     ^        |                                           | its element is written, with MORE
 *     |        | quick send, quick ask                     v
 *     |        v                                        nothing pending on the other side?
 *     |   the element is written, and nothing changes      | yes           | no
 *     +----------------------------------------------------+               v
 *     ^                                                      work: next round, when the CPU leaves
 *     |                                                      the kernel
 *
 * Only actions that take repeat, and each takes something that somebody has submitted; but two that
 * take meet, too, as a mismatch. Of two that repeat the younger one ends then, so they do not keep
 * each other going. One round is under way at a time: peers wait on their lane while an element
 * waits for its chunk, or a round for the rest of its conversation.
 *
 * A cancel may look at the lanes of the actions at any time, but says so first. So lanes that a
 * round has made are let go of when the actions have forgotten them and nobody has said so;
 * otherwise they stay until the exchange is destroyed, for it does not go on anyway.
 */
#include <thor/ipc/exchange.h>

#include <thor/object/account.h>

static bool action_may_repeat(const struct action *action)
{
	switch (action->type) {
	case HEL_ACTION_RECEIVE_INLINE:
	case HEL_ACTION_PULL:
	case HEL_ACTION_EXTRACT_CREDENTIALS:
	case HEL_ACTION_DISMISS: return true;
	default: return false;
	}
}

bool exchange_may_repeat(const struct exchange *exchange)
{
	const struct action *first = &exchange->actions[0];

	if (first->type != HEL_ACTION_ACCEPT) {
		return exchange->n_actions == 1 &&
			(first->type == HEL_ACTION_RECEIVE_INLINE ||
				first->type == HEL_ACTION_PULL);
	}
	for (uint32_t i = 1; i < exchange->n_actions; i++) {
		const struct action *action = &exchange->actions[i];

		if (action->stream_maker != 0 || !action_may_repeat(action)) {
			return false;
		}
	}
	return true;
}

/* What the peer can bring about ends nothing. What was revoked is what a PULL was to get. */
bool exchange_is_last(const struct exchange *exchange)
{
	if (exchange->gives_way) {
		return true;
	}
	switch (exchange->actions[0].error) {
	case 0:
	case -ERR_DISMISSED:
	case -ERR_TRANSMISSION_MISMATCH:
	case -ERR_BUFFER_TOO_SMALL:
	case -ERR_REVOKED: return false;
	default: return true;
	}
}

/* It was cancelled between two rounds: as if it had been while it waits. */
static void exchange_finish_cancelled(struct exchange *exchange)
{
	for (uint32_t i = 0; i < exchange->n_actions; i++) {
		struct action *action = &exchange->actions[i];

		action->error = exchange_cancel_error(exchange);
		action->inline_size = 0;
		action->value = 0;
	}
	exchange_report(exchange, 0);
}

static void action_reset(struct exchange *exchange, struct action *action)
{
	if (action->type == HEL_ACTION_RECEIVE_INLINE &&
		action->inline_data != (void *)exchange->small_inline) {
		account_free(
			exchange->operation.account, action->inline_data, action->inline_bytes);
	}
	/* Of an ACCEPT that is the lane, whose reference the caller has now. */
	action->made = NULL;
	action->offered = NULL;
	action->error = 0;
	action->inline_size = 0;
	action->value = 0;
}

static void exchange_begin_again(struct work *work)
{
	struct exchange *exchange = container_of(work, struct exchange, again);

	action_begin(&exchange->actions[0], exchange->lane);
}

void exchange_go_on(struct operation *operation)
{
	struct exchange *exchange = container_of(operation, struct exchange, operation);
	struct action *first = &exchange->actions[0];
	struct lane *made = action_makes_stream(first) ? first->made : NULL;
	uint32_t n_actions = exchange->n_actions;

	for (uint32_t i = 0; i < n_actions; i++) {
		atomic_store(&exchange->actions[i].lane, NULL);
	}
	if (atomic_load(&exchange->is_cancelled)) {
		exchange_finish_cancelled(exchange);
		return;
	}
	for (uint32_t i = 0; i < n_actions; i++) {
		action_reset(exchange, &exchange->actions[i]);
	}
	if (made != NULL) {
		lane_unref(made);
	}
	atomic_store_explicit(&exchange->is_small_inline_used, false, memory_order_relaxed);
	atomic_store_explicit(&exchange->n_open, n_actions, memory_order_relaxed);
	int error = lane_submit_alone(exchange->lane, first);

	if (error == -ERR_BUSY) {
		work_init(&exchange->again, exchange_begin_again);
		work_post(&exchange->again);
	} else if (error != 0) {
		action_finish(first, error, 0);
	}
}

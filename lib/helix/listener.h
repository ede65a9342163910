/* SPDX-License-Identifier: MIT */
/*
 * Listeners: one exchange that repeats (HEL_EXCHANGE_REPEAT), for all who come.
 *
 *	helix_listener_init(&listener, lane);
 *	helix_exchange_add_accept(&listener.round, true);
 *	helix_exchange_add_receive_inline(&listener.round, 256);
 *	helix_listener_start(&listener, task->loop);
 *	while (!listener.is_over) {
 *		error = helix_exchange_await(task, &listener.round);
 *		...	results as of any exchange
 *		helix_exchange_release(&listener.round);
 *	}
 *
 * `round` is an operation like others: it is started for each round, finishes once, at once if one
 * has come already, and keeps the element until it is released. Without a task use
 * helix_listener_next(). A round whose first action failed for good is the last one (`is_over`);
 * what else goes wrong in a round ends only that.
 *
 * Rounds that nobody has asked for wait in the order in which they came, in their elements: they
 * keep chunks of the queue, as the kernel keeps accepting. So whoever serves peers that it does not
 * trust takes each round when it comes, and decides then. For the same reason only ACCEPT should be
 * repeated alone on a lane that such peers share (docs/internals/queues.md).
 */
#ifndef HELIX_LISTENER_H
#define HELIX_LISTENER_H

#include <helix/exchange.h>

struct helix_listener {
	struct helix_operation operation; /* in the kernel; nobody else's */
	struct helix_exchange round;
	/* Rounds that wait to be taken, linked by the contexts of their elements. */
	struct hel_element *first, *last;
	const struct hel_element *final; /* behind them; NULL: not yet, or taken */
	bool is_over; /* the last round has been taken: the memory is the owner's again */
};

/** helix_listener_init() - add its actions to `round`, then start it */
void helix_listener_init(struct helix_listener *listener, hel_handle lane);

/** helix_listener_start() - begin to listen; in use until it is over */
void helix_listener_start(struct helix_listener *listener, struct loop *loop);

/**
 * helix_listener_next() - the next round, without a task
 * @done: called for OP_PENDING; with OP_DONE the results are there
 */
MUST_USE enum op_result helix_listener_next(
	struct helix_listener *listener, op_done_fn done, void *owner);

/**
 * helix_listener_cancel() - ask for the end soon
 *
 * Rounds that came before it, and then the last one, must still be taken. Harmless when over.
 */
void helix_listener_cancel(struct helix_listener *listener);

#endif

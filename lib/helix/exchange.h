/* SPDX-License-Identifier: MIT */
/*
 * Exchanges: a sequence of actions on a lane, as one operation.
 *
 * Build it, start it, read the results in the order of the actions, release it:
 *
 *	helix_exchange_init(&exchange, lane);
 *	helix_exchange_add_offer(&exchange, false);	what follows goes to the new stream
 *	helix_exchange_add_send(&exchange, request, request_size);
 *	helix_exchange_add_receive_inline(&exchange, 256);
 *	error = helix_exchange_await(task, &exchange);	or helix_exchange_start()
 *	if (error == 0) {
 *		helix_exchange_next(&exchange);		the offer's result
 *		helix_exchange_next(&exchange);		the send's
 *		data = helix_exchange_next_inline(&exchange, &size);
 *	}
 *	helix_exchange_release(&exchange);
 *
 * Inline data lie in the completion itself, which is valid until helix_exchange_release(). Do not
 * keep it for long (across a wait of unknown length): it keeps a chunk of the queue; copy what you
 * need.
 *
 * Handles that arrived (lanes, pulled descriptors) belong to the program once they are taken by
 * helix_exchange_next_handle(); helix_exchange_release() closes those that nobody took, so error
 * paths leak nothing.
 *
 * The error of the operation is that of the whole submission, or else that of the first action
 * that failed; what happened to the others is in their results.
 */
#ifndef HELIX_EXCHANGE_H
#define HELIX_EXCHANGE_H

#include <helix/loop.h>

/** HELIX_EXCHANGE_ACTIONS_MAX - actions of one struct helix_exchange */
#define HELIX_EXCHANGE_ACTIONS_MAX 12

struct helix_exchange {
	struct helix_operation operation; /* .op to wait for several things at once */
	hel_handle lane;
	uint16_t flags; /* of the actions added next */
	uint8_t n_actions;
	uint8_t n_parsed; /* results that were read */
	struct hel_results results;
	const struct hel_element *element; /* NULL: not finished, or released */
	struct hel_action actions[HELIX_EXCHANGE_ACTIONS_MAX];
};

/**
 * helix_exchange_init() - an exchange on @lane, without actions; the previous one must be
 * released
 */
void helix_exchange_init(struct helix_exchange *exchange, hel_handle lane);

/* ---- building -------------------------------------------------------------------------------- */

/** helix_exchange_add_dismiss() - answer whatever the peer does with -ERR_DISMISSED */
void helix_exchange_add_dismiss(struct helix_exchange *exchange);

/**
 * helix_exchange_add_offer() - make a stream for one conversation; the actions added next go there
 * @want_lane: the result has the handle of our end; otherwise it is closed when the exchange is
 * complete
 */
void helix_exchange_add_offer(struct helix_exchange *exchange, bool want_lane);

/** helix_exchange_add_accept() - take the stream that the peer offers; otherwise as add_offer */
void helix_exchange_add_accept(struct helix_exchange *exchange, bool want_lane);

/** helix_exchange_add_send() - send bytes; @data is borrowed until the exchange is finished */
void helix_exchange_add_send(struct helix_exchange *exchange, const void *data, size_t size);

/**
 * helix_exchange_add_send_sg() - send the bytes of several places as one message; all are
 * borrowed
 */
void helix_exchange_add_send_sg(
	struct helix_exchange *exchange, const struct hel_sg *segments, uint32_t n_segments);

/** helix_exchange_add_receive() - receive up to @size bytes into @buffer, borrowed */
void helix_exchange_add_receive(struct helix_exchange *exchange, void *buffer, size_t size);

/**
 * helix_exchange_add_receive_inline() - receive up to @size_max (HEL_INLINE_MAX) bytes in the
 * completion
 */
void helix_exchange_add_receive_inline(struct helix_exchange *exchange, size_t size_max);

/**
 * helix_exchange_add_push() - pass a copy of a descriptor with at most @rights (0: all that it
 * has)
 */
void helix_exchange_add_push(struct helix_exchange *exchange, hel_handle handle, uint32_t rights);

/** helix_exchange_add_pull() - take the descriptor that the peer pushes */
void helix_exchange_add_pull(struct helix_exchange *exchange);

/**
 * helix_exchange_add_imbue() - pass credentials: those of @token, or with HEL_THIS the thread's
 * own
 */
void helix_exchange_add_imbue(struct helix_exchange *exchange, hel_handle token);

/** helix_exchange_add_extract() - get 16 bytes of credentials from the peer, as inline data */
void helix_exchange_add_extract(struct helix_exchange *exchange);

/* ---- running --------------------------------------------------------------------------------- */

/**
 * helix_exchange_start() - submit the exchange
 * @exchange: not touched before @done, which is always called, from the loop
 * @owner: for @done: op->owner
 */
void helix_exchange_start(
	struct helix_exchange *exchange, struct loop *loop, op_done_fn done, void *owner);

/** helix_exchange_await() - submit the exchange and wait; 0 or the first error */
int helix_exchange_await(struct task *task, struct helix_exchange *exchange);

/** helix_exchange_cancel() - ask for an end soon; harmless when it is not running */
static inline void helix_exchange_cancel(struct helix_exchange *exchange)
{
	op_cancel(&exchange->operation.op);
}

/** helix_exchange_of() - in done(): the exchange around @op */
static inline struct helix_exchange *helix_exchange_of(struct op *op)
{
	return container_of(op, struct helix_exchange, operation.op);
}

/**
 * helix_send_quietly() - send a small message of which nobody wants to know how it fares
 * @closes_lane: the last word of a conversation: @lane is the kernel's with the message
 * @segments: together at most HEL_QUIET_BYTES_MAX bytes; copied
 *
 * It costs no completion, and nothing of it is left when this returns; it goes with the next drive.
 *
 * Return: false: too large, or no room in the queue, and nothing happened. Use an exchange.
 */
MUST_USE bool helix_send_quietly(struct loop *loop, hel_handle lane, bool closes_lane,
	const struct hel_sg *segments, uint32_t n_segments);

/* ---- results, in the order of the actions ---------------------------------------------------- */

/**
 * helix_exchange_next() - the result of the next action; a handle that it has is closed
 *
 * Return: its error, -ERR_PROTOCOL if there is no such result (the whole submission failed).
 */
int helix_exchange_next(struct helix_exchange *exchange);

/** helix_exchange_next_size() - the next result: bytes that were sent or received */
int helix_exchange_next_size(struct helix_exchange *exchange, size_t *out_size);

/**
 * helix_exchange_next_handle() - the next result: a lane or a pulled descriptor, now the caller's
 */
int helix_exchange_next_handle(struct helix_exchange *exchange, hel_handle *out_handle);

/**
 * helix_exchange_next_inline() - the next result: bytes that were received inline, or credentials
 * @out_data: inside the completion, valid until helix_exchange_release(); 8-aligned
 */
int helix_exchange_next_inline(
	struct helix_exchange *exchange, const void **out_data, size_t *out_size);

/**
 * helix_exchange_release() - done with the results; closes handles nobody took; harmless when
 * repeated
 */
void helix_exchange_release(struct helix_exchange *exchange);

#endif

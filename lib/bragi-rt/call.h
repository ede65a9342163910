/* SPDX-License-Identifier: MIT */
/*
 * Calls: a request message, its reply, and the descriptors that travel beside them.
 *
 * Generated code is the typed layer: `x_dispatch()` at the server decodes a request, calls one
 * function of the ops table and encodes the one reply; a function per call at the client does the
 * reverse. How messages travel is the transport's business (lib/helix over lanes; memory in tests).
 */
#ifndef BRAGI_RT_CALL_H
#define BRAGI_RT_CALL_H

#include <abi/hel/types.h>
#include <bragi-rt/bragi-rt.h>

struct task;

/** BRAGI_HANDLES_MAX - descriptors in either direction of one call */
#define BRAGI_HANDLES_MAX 4

struct bragi_handles {
	hel_handle items[BRAGI_HANDLES_MAX];
	uint32_t count;
};

/** bragi_handles_add() - one more descriptor to send; false if there are too many */
MUST_USE bool bragi_handles_add(struct bragi_handles *handles, hel_handle handle);

/** bragi_handles_take() - take out the received descriptor @index; HEL_NULL if it did not come */
hel_handle bragi_handles_take(struct bragi_handles *handles, uint32_t index);

/* ---- at the server --------------------------------------------------------------------------- */

/*
 * One request being served. Filled by the transport, passed through the dispatcher to the handler.
 */
struct bragi_call {
	void *server; /* the object that serves: the handler's context */
	struct task *task; /* for handlers that wait; NULL where they must not */
	const void *request;
	size_t request_size;
	void *reply; /* room for the encoded reply */
	size_t reply_size_max;
	size_t reply_size; /* set by the dispatcher; 0: send none */
	struct bragi_arena arena; /* for decoding the request; handlers may allocate, too */
	struct bragi_handles received; /* taken out by the handler; the transport closes the rest */
	struct bragi_handles to_send; /* with the reply; given by the handler, if it succeeds */
};

/* ---- at the client --------------------------------------------------------------------------- */

/* One call being made: its buffers, which the decoded reply borrows from. */
struct bragi_exchange {
	uint8_t *buffer;
	size_t buffer_size;
	size_t request_size; /* at the start of the buffer; the reply goes behind it */
	size_t reply_size; /* set by the transport */
	struct bragi_handles to_send;
	struct bragi_handles received;
	struct bragi_arena arena; /* the rest of the buffer, for the decoded reply */
};

/* Where calls go. A transport embeds this and finds itself with container_of(). */
struct bragi_client {
	/*
	 * Send the request in the exchange, wait for the reply, put it to bragi_exchange_reply().
	 * Suspends. Returns 0 or -ERR_X; then there is no reply.
	 */
	int (*transact)(
		struct task *task, struct bragi_client *client, struct bragi_exchange *exchange);
};

/** bragi_exchange_init() - prepare a call that uses @size bytes at @buffer, borrowed */
void bragi_exchange_init(struct bragi_exchange *exchange, void *buffer, size_t size);

/** bragi_exchange_reply() - where the transport puts the reply, at most *@out_size_max bytes */
void *bragi_exchange_reply(struct bragi_exchange *exchange, size_t *out_size_max);

/** bragi_exchange_reply_data() - the reply that has come, exchange->reply_size bytes */
const void *bragi_exchange_reply_data(const struct bragi_exchange *exchange);

/**
 * bragi_exchange_transact() - for generated code: send what is encoded, get the reply
 *
 * Return: 0 with the arena ready for decoding, or -ERR_X.
 */
MUST_USE int bragi_exchange_transact(
	struct task *task, struct bragi_client *client, struct bragi_exchange *exchange);

#endif

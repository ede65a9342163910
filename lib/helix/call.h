/* SPDX-License-Identifier: MIT */
/*
 * Conversations: a request and its reply in one exchange on each side.
 *
 *	client: offer [ send request, push, send payload; receive reply, pull, receive answer ]
 *	server: accept [ receive request, ... ], then on the lane [ send reply, push, send ]
 *
 * All of the client's actions go in with one submission, and the stream of the conversation ends
 * with it.
 */
#ifndef HELIX_CALL_H
#define HELIX_CALL_H

#include <helix/exchange.h>

struct helix_call {
	hel_handle lane;
	const void *request; /* encoded message */
	size_t request_size;
	void *reply; /* buffer for the encoded reply */
	size_t reply_size_max;
	/* more that goes along; 0 or NULL: none */
	hel_handle push;      /* a descriptor with the request */
	uint32_t push_rights; /* 0: all */
	bool wants_pull; /* a descriptor comes with every reply without error: see `pulled` */
	const void *payload; /* a message of plain bytes behind the request */
	size_t payload_size;
	void *answer; /* buffer for a message of plain bytes behind the reply */
	size_t answer_size_max;
	/* results */
	size_t reply_size;
	size_t answer_size;
	hel_handle pulled; /* HEL_NULL: none; the caller closes it */
};

/**
 * helix_call() - make a request and wait for its reply
 * @call: what to send, where to put the reply; its results are valid with 0
 *
 * A server that answers with an error may dismiss or leave out what should follow its reply: if
 * the reply came, the result is 0 and `pulled` is HEL_NULL, `answer_size` 0.
 *
 * Return: 0 if a reply came; -ERR_END_OF_LANE (the server is gone), -ERR_BUFFER_TOO_SMALL, ...
 */
MUST_USE int helix_call(struct task *task, struct helix_call *call);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The server's end of a protocol: the calls that come on one lane, each served by a task.
 *
 *	struct transport_service_config config = {
 *		.loop = &loop.loop, .lane = lane, .name = "mbus client",
 *		.dispatch = client_dispatch, .closed = client_closed,
 *		.n_calls_max = 4, .request_size_max = 1024, .reply_size_max = 4096,
 *	};
 *	error = transport_service_start(&client->service, &config);
 *
 * There is one *slot* per call that may be under way: its buffers, and while it has no call, an
 * accept that waits on the lane. Calls start in the order in which they came, whichever message is
 * there first, and a client that has n_calls_max of them waits.
 *
 *	ACCEPTING --offer--> SERVING --replied--> ACCEPTING ...      each slot
 *	    | lane ended
 *	    v
 *	   IDLE      all slots idle: closed()
 *
 * When the client's end is gone, the calls that still wait are cancelled with -ERR_END_OF_LANE;
 * that is noticed while at least one slot is accepting.
 *
 * A message that is not what it should be ends that one conversation; the client gets no reply but
 * -ERR_END_OF_LANE.
 */
#ifndef PROTOCOLS_TRANSPORT_SERVICE_H
#define PROTOCOLS_TRANSPORT_SERVICE_H

#include <bragi-rt/call.h>
#include <helix/helix.h>

struct transport_service;
struct transport_slot;

struct transport_service_config {
	struct loop *loop;
	hel_handle lane;  /* taken: closed with the service */
	const char *name; /* static; of the tasks, for dumps */
	/*
	 * Serve one call: the generated x_dispatch() with the server's table. call->server is the
	 * transport_service. May suspend call->task.
	 */
	void (*dispatch)(struct bragi_call *call);
	/* The client is gone, and all calls have ended: the memory is the owner's again. */
	void (*closed)(struct transport_service *service);
	uint32_t n_calls_max;
	size_t request_size_max;
	size_t reply_size_max;
	size_t arena_size; /* for decoding arrays and for the handler; 0: none */
	/* For requests: n_calls_max times transport_request_stride() bytes; NULL: allocated. */
	uint8_t *request_memory;
};

struct transport_service {
	struct transport_service_config config;
	struct transport_slot *slots;
	struct list accepting; /* slots in the order of their accepts */
	uint32_t n_active; /* slots that are not idle */
	bool is_closing;
};

/**
 * transport_request_stride() - bytes from one slot's request buffer to the next one's: whole
 * pages
 */
size_t transport_request_stride(const struct transport_service_config *config);

/**
 * transport_service_start() - serve the calls on a lane
 * @service: caller's storage, in use until closed() is called
 *
 * Return: 0, -ERR_NO_MEMORY (the lane is still the caller's; closed() will not be called).
 */
MUST_USE int transport_service_start(
	struct transport_service *service, const struct transport_service_config *config);

/**
 * transport_serve() - the same in memory of its own, which is given back when the client is gone
 * @config: closed() is not set; the lane is taken in any case
 *
 * For servers that keep nothing for a client: if there is no memory its lane ends.
 */
void transport_serve(const struct transport_service_config *config);

/**
 * transport_service_close() - end the stream; calls under way are finished, closed() comes later
 */
void transport_service_close(struct transport_service *service);

/** transport_service_of_call() - in handlers: the service that a call came to */
static inline struct transport_service *transport_service_of_call(const struct bragi_call *call)
{
	return call->server;
}

#endif

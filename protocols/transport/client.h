/* SPDX-License-Identifier: MIT */
/*
 * The client's end of a protocol: generated calls over a lane.
 *
 *	transport_client_init(&mbus, lane, 1);
 *	error = mbus_bind(task, &mbus.client, ...);
 *
 * Any number of tasks may have calls under way on one client; the server sees them in order.
 */
#ifndef PROTOCOLS_TRANSPORT_CLIENT_H
#define PROTOCOLS_TRANSPORT_CLIENT_H

#include <bragi-rt/call.h>
#include <helix/helix.h>

/** TRANSPORT_FRAME_SIZE - bytes behind a message; a buffer for replies has to have them, too */
#define TRANSPORT_FRAME_SIZE 8

struct transport_client {
	struct bragi_client client; /* for generated calls */
	hel_handle lane;
	uint32_t n_handles_max; /* descriptors that come with a reply */
};

/**
 * transport_client_init() - make calls on a lane
 * @lane: borrowed; the caller closes it after the last call
 * @n_handles_max: descriptors with one reply, at most BRAGI_HANDLES_MAX
 */
void transport_client_init(
	struct transport_client *client, hel_handle lane, uint32_t n_handles_max);

/** transport_close_handles() - close the descriptors that nobody took */
void transport_close_handles(struct bragi_handles *handles);

#endif

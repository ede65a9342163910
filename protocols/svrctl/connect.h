/* SPDX-License-Identifier: MIT */
/* Introducing clients to servers: both ends of the control stream of svrctl.bragi. */
#ifndef PROTOCOLS_SVRCTL_CONNECT_H
#define PROTOCOLS_SVRCTL_CONNECT_H

#include <helix/helix.h>

/** CONNECT_NAME_MAX - bytes of a client's name, with its terminator; longer ones are cut */
#define CONNECT_NAME_MAX 64

/**
 * connect_send() - introduce a client to the server behind @control
 * @client: name of the client, copied
 * @lane: taken on success: the server's end of the client's stream
 *
 * The server may take its time; if it is gone, the lane is closed, and the client finds out by
 * that.
 *
 * Return: 0, -ERR_NO_MEMORY.
 */
MUST_USE int connect_send(
	struct loop *loop, hel_handle control, const char *client, hel_handle lane);

/**
 * connect_introduce() - introduce a client, and wait until the server has taken it
 * @client: name of the client
 * @lane: borrowed: the server's end of the client's stream, of which it gets a copy
 *
 * Return: 0, -ERR_END_OF_LANE (the server is gone), -ERR_LANE_SHUTDOWN (@control was shut down),
 * the reason if the task is cancelled.
 */
MUST_USE int connect_introduce(
	struct task *task, hel_handle control, const char *client, hel_handle lane);

struct connect_listener;

struct connect_listener_ops {
	/* A client has come. @lane is taken; @client is valid during the call. */
	void (*connected)(struct connect_listener *listener, const char *client, hel_handle lane);
	/* The introducer is gone; the listener has ended. */
	void (*ended)(struct connect_listener *listener);
};

struct connect_listener {
	const struct connect_listener_ops *ops;
	hel_handle control; /* borrowed */
	struct loop *loop;
	struct helix_exchange exchange;
};

/**
 * connect_listen() - wait for clients, one after the other
 * @listener: caller's storage, in use until ended() is called
 * @control: borrowed until then
 */
void connect_listen(struct connect_listener *listener, const struct connect_listener_ops *ops,
	struct loop *loop, hel_handle control);

#endif

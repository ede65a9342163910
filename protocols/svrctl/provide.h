/* SPDX-License-Identifier: MIT */
/* The main program of a server that provides a service: `provide` in its manifest. */
#ifndef PROTOCOLS_SVRCTL_PROVIDE_H
#define PROTOCOLS_SVRCTL_PROVIDE_H

#include <helix/helix.h>

/** provide_connected_fn - a client has come; @lane is taken, @client is valid during the call */
typedef void (*provide_connected_fn)(const char *client, hel_handle lane);

/**
 * provide_run() - make the program's loop and serve clients for ever
 * @loop: initialised here
 * @config: of the loop; NULL: the usual sizes
 *
 * When svrctl is gone no more clients come, and those that are there are served on.
 *
 * Return: why there is no loop, for main() to return.
 */
MUST_USE int provide_run(struct helix_loop *loop, const struct helix_loop_config *config,
	provide_connected_fn connected);

#endif

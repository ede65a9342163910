/* SPDX-License-Identifier: MIT */
/* What svrctl needs of other servers: the end of the machine. */
#ifndef SVRCTL_POWER_H
#define SVRCTL_POWER_H

#include <helix/helix.h>

/** svrctl_power_off() - ask hw to turn the machine off; returns only if that does not work */
void svrctl_power_off(struct task *task);

/**
 * svrctl_connect_service() - introduce a client to the server that provides @service
 * @out_lane: the client's end
 *
 * Return: 0, -ERR_NOT_FOUND (no such service), -ERR_NO_MEMORY.
 */
MUST_USE int svrctl_connect_service(const char *service, const char *client, hel_handle *out_lane);

#endif

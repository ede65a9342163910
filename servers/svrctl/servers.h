/* SPDX-License-Identifier: MIT */
/* What other parts of svrctl may know of the servers, and do to them. */
#ifndef SVRCTL_SERVERS_H
#define SVRCTL_SERVERS_H

#include <hel/hel-calls.h>

/**
 * svrctl_connect_service() - introduce a client to the server that provides @service
 * @out_lane: the client's end
 *
 * Return: 0, -ERR_NOT_FOUND (no such service), -ERR_NO_MEMORY.
 */
MUST_USE int svrctl_connect_service(const char *service, const char *client, hel_handle *out_lane);

struct server_status {
	const char *name;
	bool is_running;
	uint32_t n_starts;
	uint32_t n_devices; /* of a driver */
};

/** svrctl_server_status() - of the server number @index; false behind the last */
bool svrctl_server_status(size_t index, struct server_status *out_status);

/** svrctl_kill() - end all processes of a server by force; -ERR_NOT_FOUND (no such one runs) */
MUST_USE int svrctl_kill(const char *name);

#endif

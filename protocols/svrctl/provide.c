/* SPDX-License-Identifier: MIT */
/* Servers that provide a service: see provide.h. */
#include <protocols/svrctl/connect.h>
#include <protocols/svrctl/provide.h>

struct provider {
	struct connect_listener listener;
	provide_connected_fn connected;
};

static void provider_connected(
	struct connect_listener *listener, const char *client, hel_handle lane)
{
	container_of(listener, struct provider, listener)->connected(client, lane);
}

static void provider_ended(struct connect_listener *listener UNUSED)
{
	helix_log(HEL_LOG_WARNING, "svrctl is gone, no more clients will come");
}

static const struct connect_listener_ops provider_ops = {
	.connected = provider_connected,
	.ended = provider_ended,
};

int provide_run(struct helix_loop *loop, const struct helix_loop_config *config,
	provide_connected_fn connected)
{
	struct provider provider = { .connected = connected };
	int error = helix_loop_init(loop, config);

	if (error != 0) {
		return error;
	}
	connect_listen(
		&provider.listener, &provider_ops, &loop->loop, helix_start_handle("control"));
	helix_loop_run(loop);
	return 0;
}

/* SPDX-License-Identifier: MIT */
/* svrctl as an object: see control.h. */
#include "control.h"
#include "boot.h"
#include "servers.h"

#include <base/errors.h>
#include <protocols/mbus/mbus-client.h>
#include <protocols/svrctl/connect.h>
#include <protocols/svrctl/svrctl.gen.h>
#include <protocols/transport/service.h>

constexpr size_t MESSAGE_MAX = 4096;
constexpr size_t ARENA_SIZE = BOOT_SERVERS_MAX * sizeof(struct svrctl_server) + 256;

static int serve_list(struct bragi_call *call, const struct svrctl_list_request *request UNUSED,
	struct svrctl_list_reply *out_reply)
{
	struct svrctl_server *servers =
		bragi_arena_allocate(&call->arena, BOOT_SERVERS_MAX * sizeof(*servers));
	struct server_status status;
	uint32_t count = 0;

	if (servers == NULL) {
		return -ERR_NO_MEMORY;
	}
	while (count < BOOT_SERVERS_MAX && svrctl_server_status(count, &status)) {
		servers[count++] = (struct svrctl_server){
			.is_running = status.is_running,
			.n_starts = status.n_starts,
			.n_devices = status.n_devices,
			.name = bragi_string_of(status.name),
		};
	}
	out_reply->servers = (struct svrctl_server_span){ .items = servers, .count = count };
	return 0;
}

static int serve_kill(struct bragi_call *call UNUSED, const struct svrctl_kill_request *request,
	struct svrctl_kill_reply *out_reply UNUSED)
{
	return svrctl_kill(request->name.text);
}

static const struct svrctl_control_ops control_ops = {
	.list = serve_list,
	.kill = serve_kill,
};

static void control_dispatch(struct bragi_call *call)
{
	(void)!svrctl_control_dispatch(&control_ops, call);
}

static void control_closed(struct transport_service *service)
{
	helix_free(service);
}

static void control_connected(
	struct connect_listener *listener, const char *client UNUSED, hel_handle lane)
{
	const struct transport_service_config config = {
		.loop = listener->loop,
		.lane = lane,
		.name = "svrctl call",
		.dispatch = control_dispatch,
		.closed = control_closed,
		.n_calls_max = 1,
		.request_size_max = MESSAGE_MAX,
		.reply_size_max = MESSAGE_MAX,
		.arena_size = ARENA_SIZE,
	};
	struct transport_service *service = helix_calloc(1, sizeof(*service));

	if (service == NULL || transport_service_start(service, &config) != 0) {
		helix_free(service);
		hel_close(HEL_THIS, lane);
	}
}

static void control_ended(struct connect_listener *listener UNUSED)
{
	helix_log(HEL_LOG_WARNING, "mbus is gone, nobody can ask for servers any more");
}

static const struct connect_listener_ops control_listener_ops = {
	.connected = control_connected,
	.ended = control_ended,
};

int control_publish(struct task *task, hel_handle mbus)
{
	static const struct mbus_pair properties[] = { { "class", "svrctl" } };
	static struct connect_listener listener;
	hel_handle control;
	int error = mbus_publish(task, mbus, properties, ARRAY_SIZE(properties), &control);

	if (error == 0) {
		connect_listen(&listener, &control_listener_ops, task->loop, control);
	}
	return error;
}

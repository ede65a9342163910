/* SPDX-License-Identifier: MIT */
/* Ports as objects on mbus, and their clients: see console.h and protocols/char. */
#include "console.h"

#include <base/errors.h>
#include <base/string.h>
#include <protocols/char/char.gen.h>
#include <protocols/mbus/mbus-client.h>
#include <protocols/transport/service.h>

#define CALLS_MAX 4
#define READS_MAX 2 /* that wait; so there is always a slot for something else */
#define HEAD_MAX  64 /* of a message, before the bytes */

struct client {
	struct transport_service service;
	struct port *port;
	struct dma_memory requests; /* the device sends out of them */
	uint32_t n_reads;
};

static struct client *client_of_call(const struct bragi_call *call)
{
	return container_of(transport_service_of_call(call), struct client, service);
}

/* ---- calls ----------------------------------------------------------------------------------- */

static int wait_for_data(struct task *task, struct port *port)
{
	int error = 0;

	while (error == 0 && !port_has_data(port) && port->host != PORT_HOST_CLOSED) {
		error = wait_on(task, &port->readers);
	}
	return error;
}

static int serve_read(struct bragi_call *call, const struct char_device_read_request *request,
	struct char_device_read_reply *out_reply)
{
	struct client *client = client_of_call(call);
	uint32_t size = request->size_max;
	void *data;

	if (size == 0 || size > CHAR_DEVICE_LIMITS_TRANSFER_MAX) {
		return -ERR_ILLEGAL_ARGS;
	}
	if (client->n_reads == READS_MAX) {
		return -ERR_BUSY;
	}
	data = bragi_arena_allocate(&call->arena, size);
	if (data == NULL) {
		return -ERR_NO_MEMORY;
	}
	client->n_reads++;
	int error = wait_for_data(call->task, client->port);

	client->n_reads--;
	if (error != 0) {
		return error;
	}
	out_reply->data.data = data;
	out_reply->data.size = (uint32_t)port_read(client->port, data, size);
	out_reply->is_end = out_reply->data.size == 0;
	return 0;
}

static int serve_write(struct bragi_call *call, const struct char_device_write_request *request,
	struct char_device_write_reply *out_reply)
{
	struct client *client = client_of_call(call);
	struct port_write write;

	if (request->data.size > CHAR_DEVICE_LIMITS_TRANSFER_MAX) {
		return -ERR_ILLEGAL_ARGS;
	}
	if (client->port->host == PORT_HOST_CLOSED) {
		return -ERR_END_OF_LANE;
	}
	out_reply->size = request->data.size;
	if (request->data.size == 0) {
		return 0;
	}
	port_write_init(&write, client->port, dma_address(&client->requests, request->data.data),
		request->data.size);
	return await(call->task, &write.op);
}

static int serve_drain(struct bragi_call *call,
	const struct char_device_drain_request *request UNUSED,
	struct char_device_drain_reply *out_reply UNUSED)
{
	struct port *port = client_of_call(call)->port;
	int error = 0;

	while (error == 0 && port->n_writes > 0) {
		error = wait_on(call->task, &port->drainers);
	}
	return error;
}

static int serve_window(struct bragi_call *call, const struct char_device_window_request *request,
	struct char_device_window_reply *out_reply)
{
	struct port *port = client_of_call(call)->port;
	int error = 0;

	if (!port->is_console || port->window_sequence == 0) {
		return -ERR_UNSUPPORTED;
	}
	while (error == 0 && port->window_sequence == request->sequence) {
		error = wait_on(call->task, &port->watchers);
	}
	out_reply->sequence = port->window_sequence;
	out_reply->rows = port->rows;
	out_reply->columns = port->columns;
	return error;
}

static const struct char_device_port_ops port_ops = {
	.read = serve_read,
	.write = serve_write,
	.drain = serve_drain,
	.window = serve_window,
};

/* ---- clients --------------------------------------------------------------------------------- */

static void client_dispatch(struct bragi_call *call)
{
	(void)!char_device_port_dispatch(&port_ops, call);
}

static void client_destroy(struct client *client)
{
	dma_free(&client->requests);
	helix_free(client);
}

static void client_closed(struct transport_service *service)
{
	client_destroy(container_of(service, struct client, service));
}

static int client_start(struct client *client, hel_handle lane)
{
	struct transport_service_config config = {
		.loop = &client->port->console->loop->loop,
		.lane = lane,
		.name = "char call",
		.dispatch = client_dispatch,
		.closed = client_closed,
		.n_calls_max = CALLS_MAX,
		.request_size_max = CHAR_DEVICE_LIMITS_TRANSFER_MAX + HEAD_MAX,
		.reply_size_max = CHAR_DEVICE_LIMITS_TRANSFER_MAX + HEAD_MAX,
		.arena_size = CHAR_DEVICE_LIMITS_TRANSFER_MAX,
	};
	int error = dma_allocate(&client->requests, client->port->console->device.dma_space,
		CALLS_MAX * transport_request_stride(&config));

	if (error == 0) {
		config.request_memory = client->requests.data;
		error = transport_service_start(&client->service, &config);
	}
	return error;
}

static void port_connected(struct connect_listener *listener, const char *name, hel_handle lane)
{
	struct port *port = container_of(listener, struct port, listener);
	struct client *client = helix_calloc(1, sizeof(*client));
	int error = -ERR_NO_MEMORY;

	if (client != NULL) {
		client->port = port;
		error = client_start(client, lane);
	}
	if (error != 0) {
		helix_log(HEL_LOG_ERROR, "%s: client %s cannot be served: %s", port->name, name,
			error_text(error));
		hel_close(HEL_THIS, lane);
		if (client != NULL) {
			client_destroy(client);
		}
		return;
	}
	port_open(port);
}

static void port_control_ended(struct connect_listener *listener UNUSED)
{
	helix_log(HEL_LOG_WARNING, "mbus is gone, no more clients will come");
}

static const struct connect_listener_ops listener_ops = {
	.connected = port_connected,
	.ended = port_control_ended,
};

void port_publish(struct task *task, struct port *port)
{
	if (port->is_published || !port->is_there) {
		return;
	}
	if (port->name[0] == '\0') {
		format_to(port->name, sizeof(port->name), "virtio-port-%u", port->id);
	}
	const struct mbus_pair properties[] = {
		{ "class", "char" },
		{ "name", port->name },
		{ "console", port->is_console ? "1" : "0" },
	};

	port->is_published = true;
	int error = mbus_publish(
		task, port->console->mbus, properties, ARRAY_SIZE(properties), &port->control);

	if (error != 0) {
		helix_log(
			HEL_LOG_ERROR, "%s cannot be published: %s", port->name, error_text(error));
		return;
	}
	helix_log(HEL_LOG_INFO, "port %u is %s", port->id, port->name);
	connect_listen(&port->listener, &listener_ops, &port->console->loop->loop, port->control);
}

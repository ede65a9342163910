/* SPDX-License-Identifier: MIT */
/* The clients of hw's objects: see device.h. */
#include "device.h"

#include <base/string.h>
#include <protocols/transport/service.h>

#define MESSAGE_MAX 1024
#define CALLS_MAX   4

struct hw_client {
	struct transport_service service;
	struct hw_object *object;
	uint64_t since_ns;
	char name[CONNECT_NAME_MAX];
};

const struct hw_client *hw_client_of_call(const struct bragi_call *call)
{
	return container_of(transport_service_of_call(call), struct hw_client, service);
}

struct hw_object *hw_object_of_call(const struct bragi_call *call)
{
	return hw_client_of_call(call)->object;
}

const char *hw_client_name(const struct hw_client *client)
{
	return client->name;
}

uint64_t hw_client_since_ns(const struct hw_client *client)
{
	return client->since_ns;
}

static void client_closed(struct transport_service *service)
{
	struct hw_client *client = container_of(service, struct hw_client, service);

	owner_client_gone(client->object, client);
	helix_free(client);
}

void hw_client_start(struct hw_object *object, const char *name, hel_handle lane,
	void (*dispatch)(struct bragi_call *call))
{
	const struct transport_service_config config = {
		.loop = &object->loop->loop,
		.lane = lane,
		.name = "hw call",
		.dispatch = dispatch,
		.closed = client_closed,
		.n_calls_max = CALLS_MAX,
		.request_size_max = MESSAGE_MAX,
		.reply_size_max = MESSAGE_MAX,
		.arena_size = MESSAGE_MAX,
	};
	struct hw_client *client = helix_calloc(1, sizeof(*client));

	if (client != NULL) {
		client->object = object;
		client->since_ns = loop_now_ns(&object->loop->loop);
		str_copy(client->name, sizeof(client->name), name);
		if (transport_service_start(&client->service, &config) == 0) {
			return;
		}
		helix_free(client);
	}
	hel_close(HEL_THIS, lane);
}

void hw_control_ended(struct connect_listener *listener UNUSED)
{
	helix_log(HEL_LOG_WARNING, "mbus is gone, no more clients will come");
}

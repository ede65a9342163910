/* SPDX-License-Identifier: MIT */
/* The clients of hw's objects: see device.h. */
#include "device.h"

#include <base/errors.h>
#include <base/string.h>
#include <protocols/transport/service.h>

#define MESSAGE_MAX 1024
#define CALLS_MAX   4

struct hw_client {
	struct list_node node; /* on object->clients */
	struct transport_service service;
	struct hw_object *object;
	uint64_t since_ns;
	bool is_watching; /* for the removal: one call, so its lane's end finds a slot */
	char name[CONNECT_NAME_MAX];
};

const struct hw_client *hw_client_self(void)
{
	static const struct hw_client self = { .name = "hw" };

	return &self;
}

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

int hw_client_await_removal(const struct bragi_call *call)
{
	struct hw_client *client =
		container_of(transport_service_of_call(call), struct hw_client, service);
	struct hw_object *object = client->object;
	int error = 0;

	if (client->is_watching) {
		return -ERR_BUSY;
	}
	client->is_watching = true;
	while (error == 0 && !object->is_leaving) {
		error = wait_on(call->task, &object->departed);
	}
	client->is_watching = false;
	return error;
}

static void client_closed(struct transport_service *service)
{
	struct hw_client *client = container_of(service, struct hw_client, service);
	struct hw_object *object = client->object;

	list_remove(&client->node);
	owner_client_gone(object, client);
	helix_free(client);
	wait_queue_wake(&object->departed);
}

void hw_clients_close(struct hw_object *object)
{
	LIST_FOR_EACH(client, &object->clients, struct hw_client, node) {
		helix_log(HEL_LOG_WARNING, "%s: %s has not let go", object->name, client->name);
		transport_service_close(&client->service);
	}
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
			list_push_back(&object->clients, &client->node);
			return;
		}
		helix_free(client);
	}
	hel_close(HEL_THIS, lane);
}

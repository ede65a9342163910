/* SPDX-License-Identifier: MIT */
/*
 * mbus: servers publish objects with properties here, others watch for them and get lanes to their
 * servers.
 *
 * Each client of mbus has a lane of its own (it comes on the control lane, see protocols/svrctl)
 * and speaks protocols/mbus. An object lasts as long as the connection of the client that published
 * it.
 */
#include "registry.h"

#include <base/assert.h>
#include <base/string.h>
#include <async/sync.h>
#include <helix/helix.h>
#include <protocols/mbus/mbus.gen.h>
#include <protocols/svrctl/connect.h>
#include <protocols/svrctl/provide.h>
#include <protocols/transport/client.h>
#include <protocols/transport/service.h>

#define CALLS_PER_CLIENT_MAX 4
#define ARENA_SIZE           8192
#define TASKS_MAX            256

struct client {
	struct transport_service service;
	char name[CONNECT_NAME_MAX];
	struct list objects; /* that it has published */
};

struct object {
	struct registry_object registered;
	struct list_node node; /* on its client's list */
	hel_handle control;    /* where clients are introduced to the publisher */
};

static struct helix_loop loop;
static struct registry registry;
static struct wait_queue changes; /* watchers that wait for the registry to change */

static struct client *client_of_call(const struct bragi_call *call)
{
	return container_of(transport_service_of_call(call), struct client, service);
}

/* ---- objects --------------------------------------------------------------------------------- */

static void object_destroy(struct object *object)
{
	for (uint32_t i = 0; i < object->registered.n_properties; i++) {
		helix_free((char *)object->registered.properties[i].name);
	}
	helix_free(object->registered.properties);
	hel_close(HEL_THIS, object->control);
	helix_free(object);
}

/* One block for name and value, freed by the name. */
static bool property_copy(struct registry_property *property, const struct mbus_property *from)
{
	char *text = helix_malloc(from->name.length + from->value.length + 2);

	if (text == NULL) {
		return false;
	}
	memcpy(text, from->name.text, from->name.length + 1);
	memcpy(text + from->name.length + 1, from->value.text, from->value.length + 1);
	property->name = text;
	property->value = text + from->name.length + 1;
	return true;
}

static int object_copy_properties(struct object *object, struct mbus_property_span properties)
{
	object->registered.properties =
		helix_calloc(MBUS_LIMITS_PROPERTIES_MAX, sizeof(*object->registered.properties));
	if (object->registered.properties == NULL) {
		return -ERR_NO_MEMORY;
	}
	for (uint32_t i = 0; i < properties.count; i++) {
		if (!property_copy(&object->registered.properties[i], &properties.items[i])) {
			return -ERR_NO_MEMORY;
		}
		object->registered.n_properties++;
	}
	return 0;
}

static bool property_is_acceptable(const struct mbus_property *property)
{
	return property->name.length <= MBUS_LIMITS_STRING_MAX &&
		property->value.length <= MBUS_LIMITS_STRING_MAX;
}

static bool properties_are_acceptable(struct mbus_property_span properties)
{
	if (properties.count > MBUS_LIMITS_PROPERTIES_MAX) {
		return false;
	}
	for (uint32_t i = 0; i < properties.count; i++) {
		if (!property_is_acceptable(&properties.items[i])) {
			return false;
		}
	}
	return true;
}

static int serve_create(struct bragi_call *call, const struct mbus_create_request *request,
	struct mbus_create_reply *out_reply)
{
	hel_handle control = bragi_handles_take(&call->received, 0);
	struct object *object;
	int error;

	if (control == HEL_NULL) {
		return -ERR_ILLEGAL_ARGS;
	}
	object = helix_calloc(1, sizeof(*object));
	if (object == NULL) {
		hel_close(HEL_THIS, control);
		return -ERR_NO_MEMORY;
	}
	object->control = control;
	error = properties_are_acceptable(request->properties)
		? object_copy_properties(object, request->properties)
		: -ERR_ILLEGAL_ARGS;
	if (error != 0) {
		object_destroy(object);
		return error;
	}
	registry_add(&registry, &object->registered);
	list_push_back(&client_of_call(call)->objects, &object->node);
	wait_queue_wake(&changes);
	out_reply->id = object->registered.id;
	return 0;
}

static struct object *client_find_object(const struct client *client, uint64_t id)
{
	LIST_FOR_EACH(object, &client->objects, struct object, node) {
		if (object->registered.id == id) {
			return object;
		}
	}
	return NULL;
}

/* The object's property of that name; one behind the last if it has none. */
static uint32_t object_find_property(const struct object *object, const char *name)
{
	uint32_t i = 0;

	while (i < object->registered.n_properties &&
		!str_equal(object->registered.properties[i].name, name)) {
		i++;
	}
	return i;
}

static void object_drop_property(struct object *object, uint32_t index)
{
	struct registry_property *properties = object->registered.properties;
	uint32_t n_behind = object->registered.n_properties - index - 1;

	helix_free((char *)properties[index].name);
	memmove(&properties[index], &properties[index + 1], n_behind * sizeof(*properties));
	object->registered.n_properties--;
}

static int object_set_property(struct object *object, const struct mbus_property *property)
{
	uint32_t index = object_find_property(object, property->name.text);
	struct registry_property copy;

	if (index == MBUS_LIMITS_PROPERTIES_MAX) {
		return -ERR_NO_SPACE;
	}
	if (!property_copy(&copy, property)) {
		return -ERR_NO_MEMORY;
	}
	if (index < object->registered.n_properties) {
		helix_free((char *)object->registered.properties[index].name);
	} else {
		object->registered.n_properties++;
	}
	object->registered.properties[index] = copy;
	return 0;
}

static int serve_set(struct bragi_call *call, const struct mbus_set_request *request,
	struct mbus_set_reply *out_reply UNUSED)
{
	const struct mbus_property property = { .name = request->name, .value = request->value };
	struct object *object = client_find_object(client_of_call(call), request->id);
	int error = 0;

	if (object == NULL) {
		return -ERR_NOT_FOUND;
	}
	if (!property_is_acceptable(&property)) {
		return -ERR_ILLEGAL_ARGS;
	}
	if (property.value.length == 0) {
		uint32_t index = object_find_property(object, property.name.text);

		if (index < object->registered.n_properties) {
			object_drop_property(object, index);
		}
	} else {
		error = object_set_property(object, &property);
	}
	if (error == 0) {
		registry_touch(&registry, &object->registered);
		wait_queue_wake(&changes);
	}
	return error;
}

static void object_remove(struct object *object)
{
	registry_remove(&registry, &object->registered);
	object_destroy(object);
}

static int serve_withdraw(struct bragi_call *call, const struct mbus_withdraw_request *request,
	struct mbus_withdraw_reply *out_reply UNUSED)
{
	struct object *object = client_find_object(client_of_call(call), request->id);

	if (object == NULL) {
		return -ERR_NOT_FOUND;
	}
	list_remove(&object->node);
	object_remove(object);
	wait_queue_wake(&changes);
	return 0;
}

/* ---- watching -------------------------------------------------------------------------------- */

static int copy_filter(struct mbus_property_span from, struct registry_property *filter)
{
	if (from.count > MBUS_LIMITS_FILTERS_MAX) {
		return -ERR_ILLEGAL_ARGS;
	}
	for (uint32_t i = 0; i < from.count; i++) {
		filter[i].name = from.items[i].name.text;
		filter[i].value = from.items[i].value.text;
	}
	return 0;
}

/* Fill in one object; false if the arena is full. */
static bool describe_object(struct bragi_arena *arena, const struct registry_object *object,
	uint64_t sequence, struct mbus_object *out_object)
{
	struct mbus_property *properties =
		bragi_arena_allocate(arena, object->n_properties * sizeof(*properties));

	if (properties == NULL) {
		return false;
	}
	for (uint32_t i = 0; i < object->n_properties; i++) {
		properties[i].name = bragi_string_of(object->properties[i].name);
		properties[i].value = bragi_string_of(object->properties[i].value);
	}
	out_object->id = object->id;
	out_object->is_known = object->created <= sequence;
	out_object->properties =
		(struct mbus_property_span){ .items = properties, .count = object->n_properties };
	return true;
}

/* Answer with what happened since; leaves the reply empty if that is nothing. */
static int collect_changes(struct bragi_call *call, uint64_t sequence,
	const struct registry_property *filter, uint32_t n_filters, struct mbus_watch_reply *reply)
{
	size_t room = call->reply_size_max - REGISTRY_VANISHED_MAX * sizeof(uint64_t);
	uint32_t n_objects_max = CALLS_PER_CLIENT_MAX * 8;
	uint64_t *ids = bragi_arena_allocate(&call->arena, REGISTRY_VANISHED_MAX * sizeof(*ids));
	struct mbus_object *objects =
		bragi_arena_allocate(&call->arena, n_objects_max * sizeof(*objects));
	const struct registry_object *object =
		registry_next(&registry, sequence, sequence, filter, n_filters);
	uint32_t n_objects = 0;

	if (ids == NULL || objects == NULL) {
		return -ERR_NO_MEMORY;
	}
	reply->sequence = registry.sequence;
	for (uint64_t at = sequence; object != NULL; at = registry_stamp(object, sequence),
		      object = registry_next(&registry, sequence, at, filter, n_filters)) {
		bool is_described = n_objects < n_objects_max &&
			describe_object(&call->arena, object, sequence, &objects[n_objects]);

		reply->appeared = (struct mbus_object_span){ .items = objects,
			.count = n_objects + is_described };
		if (!is_described || mbus_watch_reply_encoded_size(reply) > room) {
			reply->appeared.count = n_objects;
			reply->sequence = at;
			break;
		}
		n_objects++;
	}
	reply->vanished = (struct bragi_uint64_span){
		.items = ids,
		.count = registry_vanished(&registry, sequence, reply->sequence, ids),
	};
	return 0;
}

static int serve_watch(struct bragi_call *call, const struct mbus_watch_request *request,
	struct mbus_watch_reply *out_reply)
{
	struct registry_property filter[MBUS_LIMITS_FILTERS_MAX];
	size_t arena_used;
	int error = copy_filter(request->filter, filter);

	arena_used = call->arena.used;
	while (error == 0) {
		call->arena.used = arena_used;
		error = collect_changes(
			call, request->sequence, filter, request->filter.count, out_reply);
		if (error != 0 || out_reply->appeared.count > 0 || out_reply->vanished.count > 0) {
			break;
		}
		error = wait_on(call->task, &changes);
	}
	return error;
}

/* ---- binding --------------------------------------------------------------------------------- */

static int serve_bind(struct bragi_call *call, const struct mbus_bind_request *request,
	struct mbus_bind_reply *out_reply UNUSED)
{
	struct registry_object *registered = registry_find(&registry, request->id);
	struct hel_stream_lanes lanes;

	if (registered == NULL) {
		return -ERR_NOT_FOUND;
	}
	const struct object *object = container_of(registered, struct object, registered);
	int error = hel_stream_create(&lanes);

	if (error != 0) {
		return error;
	}
	error = connect_send(&loop.loop, object->control,
		request->client.length != 0 ? request->client.text : client_of_call(call)->name,
		lanes.lane[0]);
	if (error != 0) {
		hel_close(HEL_THIS, lanes.lane[0]);
		hel_close(HEL_THIS, lanes.lane[1]);
		return error;
	}
	bool is_added = bragi_handles_add(&call->to_send, lanes.lane[1]);

	ASSERT(is_added);
	return 0;
}

static const struct mbus_bus_ops bus_ops = {
	.create = serve_create,
	.watch = serve_watch,
	.bind = serve_bind,
	.set = serve_set,
	.withdraw = serve_withdraw,
};

/* ---- clients --------------------------------------------------------------------------------- */

static void client_dispatch(struct bragi_call *call)
{
	/* a request without an answer: the client learns from the end of the conversation */
	(void)!mbus_bus_dispatch(&bus_ops, call);
}

static void client_closed(struct transport_service *service)
{
	struct client *client = container_of(service, struct client, service);

	while (!list_is_empty(&client->objects)) {
		struct object *object = LIST_POP_FRONT(&client->objects, struct object, node);

		object_remove(object);
	}
	wait_queue_wake(&changes);
	helix_free(client);
}

static void client_connected(const char *name, hel_handle lane)
{
	const struct transport_service_config config = {
		.loop = &loop.loop,
		.lane = lane,
		.name = "mbus call",
		.dispatch = client_dispatch,
		.closed = client_closed,
		.n_calls_max = CALLS_PER_CLIENT_MAX,
		.request_size_max = MBUS_LIMITS_MESSAGE_MAX,
		.reply_size_max = MBUS_LIMITS_MESSAGE_MAX,
		.arena_size = ARENA_SIZE,
	};
	struct client *client = helix_calloc(1, sizeof(*client));

	if (client == NULL) {
		hel_close(HEL_THIS, lane);
		return;
	}
	list_init(&client->objects);
	str_copy(client->name, sizeof(client->name), name);
	if (transport_service_start(&client->service, &config) != 0) {
		helix_free(client);
		hel_close(HEL_THIS, lane);
	}
}

int main(int n_arguments UNUSED, char **arguments UNUSED)
{
	const struct helix_loop_config config = { .n_tasks_max = TASKS_MAX };

	registry_init(&registry);
	wait_queue_init(&changes);
	return provide_run(&loop, &config, client_connected);
}

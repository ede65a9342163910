/* SPDX-License-Identifier: MIT */
/* Publishing and finding objects: see mbus-client.h. */
#include <protocols/mbus/mbus-client.h>
#include <protocols/mbus/mbus.gen.h>
#include <protocols/transport/client.h>

#include <base/errors.h>

/* Room for a request, a reply, and the reply's arrays. */
#define BUFFER_SIZE       (3 * MBUS_LIMITS_MESSAGE_MAX)
/* What most calls need: requests and replies without objects. */
#define SMALL_BUFFER_SIZE 256

static void copy_pairs(
	const struct mbus_pair *pairs, size_t n_pairs, struct mbus_property *out_properties)
{
	for (size_t i = 0; i < n_pairs; i++) {
		out_properties[i].name = bragi_string_of(pairs[i].name);
		out_properties[i].value = bragi_string_of(pairs[i].value);
	}
}

int mbus_publish(struct task *task, hel_handle mbus, const struct mbus_pair *properties,
	size_t n_properties, hel_handle *out_control)
{
	struct mbus_property copies[MBUS_LIMITS_PROPERTIES_MAX];
	struct transport_client client;
	struct bragi_exchange exchange;
	struct mbus_create_request request;
	struct mbus_create_reply reply;
	struct hel_stream_lanes lanes;

	if (n_properties > MBUS_LIMITS_PROPERTIES_MAX) {
		return -ERR_ILLEGAL_ARGS;
	}
	int error = hel_stream_create(&lanes);

	if (error != 0) {
		return error;
	}
	void *buffer = helix_malloc(MBUS_LIMITS_MESSAGE_MAX);

	if (buffer == NULL) {
		error = -ERR_NO_MEMORY;
	} else {
		transport_client_init(&client, mbus, 0);
		bragi_exchange_init(&exchange, buffer, MBUS_LIMITS_MESSAGE_MAX);
		copy_pairs(properties, n_properties, copies);
		mbus_create_request_init(&request);
		request.properties = (struct mbus_property_span){
			.items = copies,
			.count = (uint32_t)n_properties,
		};
		error = bragi_handles_add(&exchange.to_send, lanes.lane[0])
			? mbus_bus_create(task, &client.client, &exchange, &request, &reply)
			: -ERR_NO_SPACE;
		helix_free(buffer);
	}
	hel_close(HEL_THIS, lanes.lane[0]);
	if (error != 0) {
		hel_close(HEL_THIS, lanes.lane[1]);
		return error;
	}
	*out_control = lanes.lane[1];
	return 0;
}

int mbus_bind(struct task *task, hel_handle mbus, uint64_t id, hel_handle *out_lane)
{
	struct transport_client client;
	struct bragi_exchange exchange;
	struct mbus_bind_request request;
	struct mbus_bind_reply reply;
	uint8_t buffer[SMALL_BUFFER_SIZE];
	hel_handle lane;

	transport_client_init(&client, mbus, 1);
	bragi_exchange_init(&exchange, buffer, sizeof(buffer));
	mbus_bind_request_init(&request);
	request.id = id;
	int error = mbus_bus_bind(task, &client.client, &exchange, &request, &reply);

	lane = bragi_handles_take(&exchange.received, 0);
	transport_close_handles(&exchange.received);
	if (error == 0 && lane == HEL_NULL) {
		error = -ERR_PROTOCOL;
	}
	if (error == 0) {
		*out_lane = lane;
	} else if (lane != HEL_NULL) {
		hel_close(HEL_THIS, lane);
	}
	return error;
}

/* One walk over the objects: where it is, and what it does with each. */
struct walk {
	hel_handle mbus;
	const struct mbus_pair *filter;
	size_t n_filters;
	int (*found)(struct task *task, void *context, hel_handle lane);
	void *context;
	uint64_t sequence;
	uint8_t *buffer;
};

/* Bind to the objects of one answer. */
static int walk_bind(
	struct task *task, const struct walk *walk, const struct mbus_object_span *objects)
{
	int error = 0;

	for (uint32_t i = 0; error == 0 && i < objects->count; i++) {
		hel_handle lane;

		error = mbus_bind(task, walk->mbus, objects->items[i].id, &lane);
		if (error == 0) {
			error = walk->found(task, walk->context, lane);
		} else if (error == -ERR_NOT_FOUND) {
			error = 0; /* it has vanished in between */
		}
	}
	return error;
}

static int walk_step(struct task *task, struct walk *walk)
{
	struct mbus_property filter[MBUS_LIMITS_FILTERS_MAX];
	struct transport_client client;
	struct bragi_exchange exchange;
	struct mbus_watch_request request;
	struct mbus_watch_reply reply;

	transport_client_init(&client, walk->mbus, 0);
	bragi_exchange_init(&exchange, walk->buffer, BUFFER_SIZE);
	copy_pairs(walk->filter, walk->n_filters, filter);
	mbus_watch_request_init(&request);
	request.sequence = walk->sequence;
	request.filter = (struct mbus_property_span){
		.items = filter,
		.count = (uint32_t)walk->n_filters,
	};
	int error = mbus_bus_watch(task, &client.client, &exchange, &request, &reply);

	if (error != 0) {
		return error;
	}
	walk->sequence = reply.sequence;
	return walk_bind(task, walk, &reply.appeared);
}

int mbus_for_each(struct task *task, hel_handle mbus, const struct mbus_pair *filter,
	size_t n_filters, int (*found)(struct task *task, void *context, hel_handle lane),
	void *context)
{
	struct walk walk = {
		.mbus = mbus,
		.filter = filter,
		.n_filters = n_filters,
		.found = found,
		.context = context,
		.buffer = helix_malloc(BUFFER_SIZE),
	};
	int error = n_filters > MBUS_LIMITS_FILTERS_MAX ? -ERR_ILLEGAL_ARGS : 0;

	if (walk.buffer == NULL) {
		return -ERR_NO_MEMORY;
	}
	while (error == 0) {
		error = walk_step(task, &walk);
	}
	helix_free(walk.buffer);
	return error;
}

/* What mbus_find() looks for is found: end the walk. */
constexpr int WALK_FOUND = 1;

static int find_found(struct task *task UNUSED, void *context, hel_handle lane)
{
	hel_handle *out_lane = context;

	*out_lane = lane;
	return WALK_FOUND;
}

int mbus_find(struct task *task, hel_handle mbus, const struct mbus_pair *filter, size_t n_filters,
	hel_handle *out_lane)
{
	hel_handle lane;
	int error = mbus_for_each(task, mbus, filter, n_filters, find_found, &lane);

	if (error == WALK_FOUND) {
		*out_lane = lane;
		return 0;
	}
	return error;
}

int mbus_open_service(struct task *task, hel_handle mbus, const char *name, hel_handle *out_lane)
{
	const struct mbus_pair filter[] = { { "class", "service" }, { "name", name } };

	return mbus_find(task, mbus, filter, ARRAY_SIZE(filter), out_lane);
}

/* SPDX-License-Identifier: MIT */
/* Publishing and finding objects: see mbus-client.h. */
#include <protocols/mbus/mbus-client.h>
#include <protocols/mbus/mbus.gen.h>
#include <protocols/transport/client.h>

#include <base/errors.h>
#include <base/string.h>

/* Room for a request, a reply, and the reply's arrays. */
#define BUFFER_SIZE       (3 * MBUS_LIMITS_MESSAGE_MAX)
/* What most calls need: requests and replies without objects. */
#define SMALL_BUFFER_SIZE 256
#define SET_BUFFER_SIZE   (SMALL_BUFFER_SIZE + 2 * MBUS_LIMITS_STRING_MAX)

static void copy_pairs(
	const struct mbus_pair *pairs, size_t n_pairs, struct mbus_property *out_properties)
{
	for (size_t i = 0; i < n_pairs; i++) {
		out_properties[i].name = bragi_string_of(pairs[i].name);
		out_properties[i].value = bragi_string_of(pairs[i].value);
	}
}

int mbus_publish_object(struct task *task, hel_handle mbus, const struct mbus_pair *properties,
	size_t n_properties, uint64_t *out_id, hel_handle *out_control)
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
	*out_id = reply.id;
	*out_control = lanes.lane[1];
	return 0;
}

int mbus_publish(struct task *task, hel_handle mbus, const struct mbus_pair *properties,
	size_t n_properties, hel_handle *out_control)
{
	uint64_t id;

	return mbus_publish_object(task, mbus, properties, n_properties, &id, out_control);
}

int mbus_set(struct task *task, hel_handle mbus, uint64_t id, const char *name, const char *value)
{
	struct transport_client client;
	struct bragi_exchange exchange;
	struct mbus_set_request request;
	struct mbus_set_reply reply;
	uint8_t buffer[SET_BUFFER_SIZE];

	transport_client_init(&client, mbus, 0);
	bragi_exchange_init(&exchange, buffer, sizeof(buffer));
	mbus_set_request_init(&request);
	request.id = id;
	request.name = bragi_string_of(name);
	request.value = bragi_string_of(value);
	return mbus_bus_set(task, &client.client, &exchange, &request, &reply);
}

int mbus_withdraw(struct task *task, hel_handle mbus, uint64_t id)
{
	struct transport_client client;
	struct bragi_exchange exchange;
	struct mbus_withdraw_request request;
	struct mbus_withdraw_reply reply;
	uint8_t buffer[SMALL_BUFFER_SIZE];

	transport_client_init(&client, mbus, 0);
	bragi_exchange_init(&exchange, buffer, sizeof(buffer));
	mbus_withdraw_request_init(&request);
	request.id = id;
	return mbus_bus_withdraw(task, &client.client, &exchange, &request, &reply);
}

int mbus_bind_for(struct task *task, hel_handle mbus, uint64_t id, const char *client_name,
	hel_handle *out_lane)
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
	request.client = bragi_string_of(client_name);
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

int mbus_bind(struct task *task, hel_handle mbus, uint64_t id, hel_handle *out_lane)
{
	return mbus_bind_for(task, mbus, id, "", out_lane);
}

const char *mbus_object_property(const struct mbus_object *object, const char *name)
{
	for (uint32_t i = 0; i < object->properties.count; i++) {
		if (str_equal(object->properties.items[i].name.text, name)) {
			return object->properties.items[i].value.text;
		}
	}
	return NULL;
}

/* One watch: where it is, and whom it tells. */
struct watch {
	hel_handle mbus;
	const struct mbus_pair *filter;
	size_t n_filters;
	const struct mbus_watch_ops *ops;
	void *context;
	uint64_t sequence;
	uint8_t *buffer;
};

static int watch_tell(
	struct task *task, const struct watch *watch, const struct mbus_watch_reply *reply)
{
	int error = 0;

	for (uint32_t i = 0; error == 0 && i < reply->appeared.count; i++) {
		error = watch->ops->appeared(task, watch->context, &reply->appeared.items[i]);
	}
	for (uint32_t i = 0;
		error == 0 && watch->ops->vanished != NULL && i < reply->vanished.count; i++) {
		error = watch->ops->vanished(task, watch->context, reply->vanished.items[i]);
	}
	return error;
}

static int watch_step(struct task *task, struct watch *watch)
{
	struct mbus_property filter[MBUS_LIMITS_FILTERS_MAX];
	struct transport_client client;
	struct bragi_exchange exchange;
	struct mbus_watch_request request;
	struct mbus_watch_reply reply;

	transport_client_init(&client, watch->mbus, 0);
	bragi_exchange_init(&exchange, watch->buffer, BUFFER_SIZE);
	copy_pairs(watch->filter, watch->n_filters, filter);
	mbus_watch_request_init(&request);
	request.sequence = watch->sequence;
	request.filter = (struct mbus_property_span){
		.items = filter,
		.count = (uint32_t)watch->n_filters,
	};
	int error = mbus_bus_watch(task, &client.client, &exchange, &request, &reply);

	if (error != 0) {
		return error;
	}
	watch->sequence = reply.sequence;
	return watch_tell(task, watch, &reply);
}

int mbus_watch(struct task *task, hel_handle mbus, const struct mbus_pair *filter, size_t n_filters,
	const struct mbus_watch_ops *ops, void *context)
{
	struct watch watch = {
		.mbus = mbus,
		.filter = filter,
		.n_filters = n_filters,
		.ops = ops,
		.context = context,
		.buffer = helix_malloc(BUFFER_SIZE),
	};
	int error = n_filters > MBUS_LIMITS_FILTERS_MAX ? -ERR_ILLEGAL_ARGS : 0;

	if (watch.buffer == NULL) {
		return -ERR_NO_MEMORY;
	}
	while (error == 0) {
		error = watch_step(task, &watch);
	}
	helix_free(watch.buffer);
	return error;
}

/* Who binds to each object, once. */
struct walk {
	hel_handle mbus;
	int (*found)(struct task *task, void *context, hel_handle lane);
	void *context;
};

static int walk_appeared(struct task *task, void *context, const struct mbus_object *object)
{
	const struct walk *walk = context;
	hel_handle lane;

	if (object->is_known != 0) {
		return 0;
	}
	int error = mbus_bind(task, walk->mbus, object->id, &lane);

	if (error == -ERR_NOT_FOUND) {
		return 0; /* it has vanished in between */
	}
	return error != 0 ? error : walk->found(task, walk->context, lane);
}

int mbus_for_each(struct task *task, hel_handle mbus, const struct mbus_pair *filter,
	size_t n_filters, int (*found)(struct task *task, void *context, hel_handle lane),
	void *context)
{
	static const struct mbus_watch_ops ops = { .appeared = walk_appeared };
	struct walk walk = { .mbus = mbus, .found = found, .context = context };

	return mbus_watch(task, mbus, filter, n_filters, &ops, &walk);
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

/* SPDX-License-Identifier: MIT */
/*
 * Finds character devices on mbus: the console's bytes go to its terminal, every other device
 * becomes a port.
 *
 * A device whose server was restarted is published anew under the same name, and is attached to
 * what it was before.
 */
#include <base/errors.h>
#include <base/string.h>
#include <helix/helix.h>
#include <posix/server/tty/channel-loop.h>
#include <posix/server/tty/channel-owners.h>
#include <posix/server/tty/channel.h>
#include <protocols/mbus/mbus-client.h>
#include <protocols/mbus/mbus.gen.h>
#include <protocols/transport/client.h>

static const char console_name[] = "org.hati.console";

struct finder {
	struct job job;
	hel_handle mbus;
	uint64_t sequence;
	uint8_t buffer[3 * MBUS_LIMITS_MESSAGE_MAX];
};

/* The value of a property, cut to fit; false if there is none. */
static bool object_property(
	const struct mbus_object *object, const char *name, char *out_value, size_t size)
{
	for (uint32_t i = 0; i < object->properties.count; i++) {
		const struct mbus_property *property = &object->properties.items[i];
		size_t length = min_size(property->value.length, size - 1);

		if (property->name.length != strlen(name) ||
			memcmp(property->name.text, name, property->name.length) != 0) {
			continue;
		}
		memcpy(out_value, property->value.text, length);
		out_value[length] = '\0';
		return true;
	}
	return false;
}

/* ---- from an object to a lane ---------------------------------------------------------------- */

struct binding {
	struct job job;
	struct channel *channel;
};

static int binding_run(struct task *task, void *argument)
{
	struct binding *binding = argument;
	struct channel *channel = binding->channel;
	hel_handle lane;
	int error = mbus_bind(task, helix_start_handle("mbus"), channel->object, &lane);

	if (error == 0) {
		error = channel_attach(channel, lane);
		if (error != 0) {
			hel_close(HEL_THIS, lane);
		}
	}
	channel->is_binding = false;
	binding->job.task->job = NULL; /* the job goes before its task ends */
	helix_free(binding);
	return error;
}

static void channel_bind(struct channel *channel)
{
	bool is_bound = channel->link != NULL && !channel->is_broken;

	if (!channel->is_wanted || channel->object == 0 || is_bound || channel->is_binding) {
		return;
	}
	struct binding *binding = helix_malloc(sizeof(*binding));

	if (binding != NULL) {
		binding->channel = channel;
		channel->is_binding = true;
		job_init(&binding->job, "channel bind", binding_run, binding);
		job_submit(posix_loop(), &binding->job);
	}
}

void channel_want(struct channel *channel)
{
	channel->is_wanted = true;
	channel_bind(channel);
}

void channel_offer(struct channel *channel, uint64_t object)
{
	channel->object = object;
	channel_bind(channel);
}

/* ---- finding --------------------------------------------------------------------------------- */

static void finder_take(const struct mbus_object *object)
{
	char name[64];

	if (!object_property(object, "name", name, sizeof(name)) || strchr(name, '/') != NULL) {
		return;
	}
	struct channel *channel =
		str_equal(name, console_name) ? channel_of_console() : channel_of_port(name);

	if (channel != NULL) {
		channel_offer(channel, object->id);
	}
}

static int finder_step(struct task *task, struct finder *finder)
{
	struct mbus_property filter = { .name = bragi_string_of("class"),
		.value = bragi_string_of("char") };
	struct transport_client client;
	struct bragi_exchange exchange;
	struct mbus_watch_request request;
	struct mbus_watch_reply reply;

	transport_client_init(&client, finder->mbus, 0);
	bragi_exchange_init(&exchange, finder->buffer, sizeof(finder->buffer));
	mbus_watch_request_init(&request);
	request.sequence = finder->sequence;
	request.filter = (struct mbus_property_span){ .items = &filter, .count = 1 };
	int error = mbus_bus_watch(task, &client.client, &exchange, &request, &reply);

	if (error != 0) {
		return error;
	}
	finder->sequence = reply.sequence;
	for (uint32_t i = 0; i < reply.appeared.count; i++) {
		finder_take(&reply.appeared.items[i]);
	}
	return 0;
}

static int finder_run(struct task *task, void *argument)
{
	struct finder *finder = argument;
	int error = 0;

	while (error == 0) {
		error = finder_step(task, finder);
	}
	helix_log(HEL_LOG_ERROR, "no more character devices: %s", error_text(error));
	return error;
}

void channels_start(void)
{
	static struct finder finder;

	finder.mbus = helix_start_handle("mbus");
	job_init(&finder.job, "channel finder", finder_run, &finder);
	job_submit(posix_loop(), &finder.job);
}

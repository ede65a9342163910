/* SPDX-License-Identifier: MIT */
/* lsmbus: writes every object on mbus to the log, and those that come and go later. */
#include <base/errors.h>
#include <helix/helix.h>
#include <protocols/mbus/mbus.gen.h>
#include <protocols/transport/client.h>

#define LINE_MAX 512

static struct helix_loop loop;

static void log_object(const struct mbus_object *object)
{
	char line[LINE_MAX];
	size_t used = 0;

	for (uint32_t i = 0; i < object->properties.count && used < sizeof(line); i++) {
		const struct mbus_property *property = &object->properties.items[i];

		used += format_to(line + used, sizeof(line) - used, " %s=%s", property->name.text,
			property->value.text);
	}
	helix_log(HEL_LOG_INFO, "object %llu:%s", (unsigned long long)object->id, line);
}

static int list_objects(struct task *task, void *argument UNUSED)
{
	struct transport_client mbus;
	uint64_t sequence = 0;
	int error = 0;
	uint8_t *buffer = helix_malloc(3 * MBUS_LIMITS_MESSAGE_MAX);

	transport_client_init(&mbus, helix_start_handle("mbus"), 0);
	while (error == 0 && buffer != NULL) {
		struct bragi_exchange exchange;
		struct mbus_watch_request request;
		struct mbus_watch_reply reply;

		bragi_exchange_init(&exchange, buffer, 3 * MBUS_LIMITS_MESSAGE_MAX);
		mbus_watch_request_init(&request);
		request.sequence = sequence;
		error = mbus_bus_watch(task, &mbus.client, &exchange, &request, &reply);
		for (uint32_t i = 0; error == 0 && i < reply.appeared.count; i++) {
			log_object(&reply.appeared.items[i]);
		}
		for (uint32_t i = 0; error == 0 && i < reply.vanished.count; i++) {
			helix_log(HEL_LOG_INFO, "object %llu has vanished",
				(unsigned long long)reply.vanished.items[i]);
		}
		sequence = error == 0 ? reply.sequence : sequence;
	}
	helix_log(HEL_LOG_WARNING, "the list ends: %s", error_text(error));
	return 0;
}

int main(int n_arguments UNUSED, char **arguments UNUSED)
{
	static struct job job;
	int error = helix_loop_init(&loop, NULL);

	if (error != 0) {
		return 1;
	}
	job_init(&job, "list", list_objects, NULL);
	job_submit(&loop.loop, &job);
	helix_loop_run(&loop);
	return 0;
}

/* SPDX-License-Identifier: MIT */
/* lsmbus: writes every object on mbus to the log, and what comes, changes and goes later. */
#include <base/errors.h>
#include <helix/helix.h>
#include <protocols/mbus/mbus-client.h>

#define LINE_MAX 512

static struct helix_loop loop;

static int log_object(
	struct task *task UNUSED, void *context UNUSED, const struct mbus_object *object)
{
	char line[LINE_MAX];
	size_t used = 0;

	for (uint32_t i = 0; i < object->properties.count && used < sizeof(line); i++) {
		const struct mbus_property *property = &object->properties.items[i];

		used += format_to(line + used, sizeof(line) - used, " %s=%s", property->name.text,
			property->value.text);
	}
	helix_log(HEL_LOG_INFO, "object %llu%s:%s", (unsigned long long)object->id,
		object->is_known != 0 ? " has changed" : "", line);
	return 0;
}

static int log_vanished(struct task *task UNUSED, void *context UNUSED, uint64_t id)
{
	helix_log(HEL_LOG_INFO, "object %llu has vanished", (unsigned long long)id);
	return 0;
}

static int list_objects(struct task *task, void *argument UNUSED)
{
	static const struct mbus_watch_ops ops = {
		.appeared = log_object,
		.vanished = log_vanished,
	};
	int error = mbus_watch(task, helix_start_handle("mbus"), NULL, 0, &ops, NULL);

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

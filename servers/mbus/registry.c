/* SPDX-License-Identifier: MIT */
/* The registry of mbus: see registry.h. */
#include "registry.h"

#include <base/string.h>

void registry_init(struct registry *registry)
{
	*registry = (struct registry){ .next_id = 1 };
	list_init(&registry->objects);
}

void registry_add(struct registry *registry, struct registry_object *object)
{
	object->id = registry->next_id++;
	object->created = ++registry->sequence;
	object->changed = 0;
	list_push_back(&registry->objects, &object->node);
}

void registry_remove(struct registry *registry, struct registry_object *object)
{
	size_t slot = registry->n_vanished++ % REGISTRY_VANISHED_MAX;

	list_remove(&object->node);
	registry->vanished[slot].id = object->id;
	registry->vanished[slot].sequence = ++registry->sequence;
}

void registry_touch(struct registry *registry, struct registry_object *object)
{
	object->changed = ++registry->sequence;
}

struct registry_object *registry_find(const struct registry *registry, uint64_t id)
{
	LIST_FOR_EACH(object, &registry->objects, struct registry_object, node) {
		if (object->id == id) {
			return object;
		}
	}
	return NULL;
}

static bool object_has(const struct registry_object *object, const struct registry_property *wanted)
{
	for (uint32_t i = 0; i < object->n_properties; i++) {
		if (str_equal(object->properties[i].name, wanted->name) &&
			str_equal(object->properties[i].value, wanted->value)) {
			return true;
		}
	}
	return false;
}

bool registry_matches(const struct registry_object *object, const struct registry_property *filter,
	uint32_t n_filters)
{
	for (uint32_t i = 0; i < n_filters; i++) {
		if (!object_has(object, &filter[i])) {
			return false;
		}
	}
	return true;
}

struct registry_object *registry_next(const struct registry *registry, uint64_t sequence,
	uint64_t at, const struct registry_property *filter, uint32_t n_filters)
{
	struct registry_object *next = NULL;
	uint64_t next_stamp = UINT64_MAX;

	LIST_FOR_EACH(object, &registry->objects, struct registry_object, node) {
		uint64_t stamp = registry_stamp(object, sequence);

		if (stamp > at && stamp < next_stamp &&
			registry_matches(object, filter, n_filters)) {
			next = object;
			next_stamp = stamp;
		}
	}
	return next;
}

uint32_t registry_vanished(
	const struct registry *registry, uint64_t sequence, uint64_t until, uint64_t *out_ids)
{
	uint64_t first = registry->n_vanished > REGISTRY_VANISHED_MAX
		? registry->n_vanished - REGISTRY_VANISHED_MAX
		: 0;
	uint32_t count = 0;

	for (uint64_t i = first; i < registry->n_vanished; i++) {
		size_t slot = i % REGISTRY_VANISHED_MAX;

		if (registry->vanished[slot].sequence > sequence &&
			registry->vanished[slot].sequence <= until) {
			out_ids[count++] = registry->vanished[slot].id;
		}
	}
	return count;
}

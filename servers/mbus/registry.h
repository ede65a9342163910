/* SPDX-License-Identifier: MIT */
/*
 * The registry: all objects with their properties, and the history of their coming and going.
 *
 * Every change has a sequence number. A watcher that knows the state at sequence N asks for what
 * happened after N: the objects created since that still exist, those older ones of which a
 * property has changed since, and the ids of those that vanished since. An object that was created
 * after N is reported once, as it is now, and stands where it was created; an older one stands
 * where it was changed last. Of vanished objects only the last REGISTRY_VANISHED_MAX ids are kept;
 * a watcher that sleeps through more does not hear of the oldest and finds out when it binds to
 * one.
 *
 * The registry is plain data: it knows no lanes and no loop.
 */
#ifndef MBUS_REGISTRY_H
#define MBUS_REGISTRY_H

#include <base/list.h>
#include <base/types.h>

#define REGISTRY_VANISHED_MAX 256

/* A property, also one that a filter asks for. The texts are terminated. */
struct registry_property {
	const char *name;
	const char *value;
};

struct registry_object {
	struct list_node node;
	uint64_t id;
	uint64_t created; /* sequence number */
	uint64_t changed; /* when a property changed last; 0: never */
	struct registry_property *properties;
	uint32_t n_properties;
};

struct registry {
	struct list objects; /* in the order of their creation */
	uint64_t sequence;   /* of the last change, 0: none */
	uint64_t next_id;
	struct {
		uint64_t id;
		uint64_t sequence;
	} vanished[REGISTRY_VANISHED_MAX];
	uint64_t n_vanished; /* ever; the slot is this modulo the size */
};

/** registry_init() - an empty registry */
void registry_init(struct registry *registry);

/**
 * registry_add() - publish @object, whose properties are filled in; borrowed until
 * registry_remove()
 */
void registry_add(struct registry *registry, struct registry_object *object);

/** registry_remove() - @object has vanished; its memory is the caller's again */
void registry_remove(struct registry *registry, struct registry_object *object);

/** registry_touch() - properties of @object have changed */
void registry_touch(struct registry *registry, struct registry_object *object);

/** registry_find() - the object with this id, NULL if there is none */
struct registry_object *registry_find(const struct registry *registry, uint64_t id);

/** registry_matches() - whether @object has all properties of a filter, with the same values */
bool registry_matches(const struct registry_object *object, const struct registry_property *filter,
	uint32_t n_filters);

/** registry_stamp() - where @object stands in what a watcher that knows @sequence has to hear */
static inline uint64_t registry_stamp(const struct registry_object *object, uint64_t sequence)
{
	return object->created > sequence ? object->created : object->changed;
}

/**
 * registry_next() - the first matching object that stands behind @at in what a watcher that knows
 * @sequence has to hear, NULL if there is none
 *
 * Its registry_stamp() is where to go on.
 */
struct registry_object *registry_next(const struct registry *registry, uint64_t sequence,
	uint64_t at, const struct registry_property *filter, uint32_t n_filters);

/**
 * registry_vanished() - ids of objects that vanished after @sequence and not after @until
 *
 * Return: how many were written to @out_ids, at most REGISTRY_VANISHED_MAX.
 */
uint32_t registry_vanished(
	const struct registry *registry, uint64_t sequence, uint64_t until, uint64_t *out_ids);

#endif

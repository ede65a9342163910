/* SPDX-License-Identifier: MIT */
/*
 * What most clients of mbus want: publish an object, watch objects come and go, or wait for one and
 * bind to it.
 */
#ifndef PROTOCOLS_MBUS_MBUS_CLIENT_H
#define PROTOCOLS_MBUS_MBUS_CLIENT_H

#include <helix/helix.h>
#include <protocols/mbus/mbus.gen.h>

/* A property of an object, or one that it must have. */
struct mbus_pair {
	const char *name;
	const char *value;
};

/**
 * mbus_publish() - publish an object
 * @mbus: our lane to mbus, borrowed
 * @out_control: clients are introduced here (connect_listen()); the object lasts as long as @mbus
 *
 * Return: 0, -ERR_ILLEGAL_ARGS (too many or too long properties), -ERR_NO_MEMORY, what the
 * transport says.
 */
MUST_USE int mbus_publish(struct task *task, hel_handle mbus, const struct mbus_pair *properties,
	size_t n_properties, hel_handle *out_control);

/** mbus_publish_object() - the same; @out_id: of the object, for mbus_set() */
MUST_USE int mbus_publish_object(struct task *task, hel_handle mbus,
	const struct mbus_pair *properties, size_t n_properties, uint64_t *out_id,
	hel_handle *out_control);

/**
 * mbus_set() - give an object a property, change it, or take it away
 * @mbus: the lane by which the object was published
 * @value: "": the object has that property no more
 *
 * Return: 0, -ERR_NOT_FOUND (not published by this lane), -ERR_ILLEGAL_ARGS (too long),
 * -ERR_NO_SPACE (too many properties), -ERR_NO_MEMORY.
 */
MUST_USE int mbus_set(
	struct task *task, hel_handle mbus, uint64_t id, const char *name, const char *value);

/**
 * mbus_withdraw() - take back an object: nobody is introduced any more, the control stream ends
 * @mbus: the lane by which the object was published
 *
 * Return: 0, -ERR_NOT_FOUND (not published by this lane), what the transport says.
 */
MUST_USE int mbus_withdraw(struct task *task, hel_handle mbus, uint64_t id);

/** mbus_bind() - get a lane to the object @id; -ERR_NOT_FOUND if it has vanished */
MUST_USE int mbus_bind(struct task *task, hel_handle mbus, uint64_t id, hel_handle *out_lane);

/** mbus_bind_for() - the same, for @client_name, of whom the object's server is told */
MUST_USE int mbus_bind_for(struct task *task, hel_handle mbus, uint64_t id, const char *client_name,
	hel_handle *out_lane);

/** mbus_object_property() - the value of a property, NULL if the object has none of that name */
const char *mbus_object_property(const struct mbus_object *object, const char *name);

/* Who is told what happens to objects; an error ends the watch. @object: borrowed for the call. */
struct mbus_watch_ops {
	/* An object has appeared or, if it is_known, has changed. */
	int (*appeared)(struct task *task, void *context, const struct mbus_object *object);
	/* An object has vanished, perhaps one that never matched; NULL: of no interest. */
	int (*vanished)(struct task *task, void *context, uint64_t id);
};

/**
 * mbus_watch() - hear of all objects that have all properties of @filter, for ever
 *
 * An object that begins to match by a change is_known; that one matches no more is not told.
 * Return: the error of the ops, or what ended the connection to mbus.
 */
MUST_USE int mbus_watch(struct task *task, hel_handle mbus, const struct mbus_pair *filter,
	size_t n_filters, const struct mbus_watch_ops *ops, void *context);

/**
 * mbus_find() - wait until there is an object that has all properties of @filter, and bind to it
 * @out_lane: speaks the object's protocol
 */
MUST_USE int mbus_find(struct task *task, hel_handle mbus, const struct mbus_pair *filter,
	size_t n_filters, hel_handle *out_lane);

/**
 * mbus_open_service() - wait until there is a service on demand, and ask for it
 * @name: as its server provides it
 * @out_lane: speaks the service's protocol; ends if the server cannot be started
 */
MUST_USE int mbus_open_service(
	struct task *task, hel_handle mbus, const char *name, hel_handle *out_lane);

/**
 * mbus_for_each() - bind to every object that has all properties of @filter, for ever
 * @found: called in the task for each, with a lane that is taken; an error of it ends the walk
 *
 * Return: the error of @found, or what ended the connection to mbus.
 */
MUST_USE int mbus_for_each(struct task *task, hel_handle mbus, const struct mbus_pair *filter,
	size_t n_filters, int (*found)(struct task *task, void *context, hel_handle lane),
	void *context);

#endif

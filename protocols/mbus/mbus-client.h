/* SPDX-License-Identifier: MIT */
/* What most clients of mbus want: publish an object, or wait for one and bind to it. */
#ifndef PROTOCOLS_MBUS_MBUS_CLIENT_H
#define PROTOCOLS_MBUS_MBUS_CLIENT_H

#include <helix/helix.h>

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

/** mbus_bind() - get a lane to the object @id; -ERR_NOT_FOUND if it has vanished */
MUST_USE int mbus_bind(struct task *task, hel_handle mbus, uint64_t id, hel_handle *out_lane);

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

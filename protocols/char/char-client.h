/* SPDX-License-Identifier: MIT */
/* The calls of a character device with their buffers: what most clients want. */
#ifndef PROTOCOLS_CHAR_CHAR_CLIENT_H
#define PROTOCOLS_CHAR_CHAR_CLIENT_H

#include <protocols/char/char.gen.h>
#include <protocols/transport/client.h>

/** CHAR_BUFFER_SIZE - room for one call with CHAR_DEVICE_LIMITS_TRANSFER_MAX bytes */
#define CHAR_BUFFER_SIZE (CHAR_DEVICE_LIMITS_TRANSFER_MAX + 256)

/**
 * char_read() - wait for bytes
 * @client: transport_client_init(client, lane, 0)
 * @buffer: CHAR_BUFFER_SIZE bytes
 * @out_data: inside the buffer
 *
 * Return: 0 with at least one byte, or with none: the other side has closed the stream; -ERR_X.
 */
MUST_USE int char_read(struct task *task, struct transport_client *client, void *buffer,
	const uint8_t **out_data, size_t *out_size);

/**
 * char_write() - send bytes and wait until the device has taken them
 * @buffer: CHAR_BUFFER_SIZE bytes
 * @data: @size bytes, at most CHAR_DEVICE_LIMITS_TRANSFER_MAX
 */
MUST_USE int char_write(struct task *task, struct transport_client *client, void *buffer,
	const void *data, size_t size);

/** char_find() - wait for the device called @name on mbus and bind to it */
MUST_USE int char_find(struct task *task, hel_handle mbus, const char *name, hel_handle *out_lane);

#endif

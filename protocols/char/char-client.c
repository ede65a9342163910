/* SPDX-License-Identifier: MIT */
/* Calls of character devices: see char-client.h. */
#include <protocols/char/char-client.h>
#include <protocols/mbus/mbus-client.h>

int char_read(struct task *task, struct transport_client *client, void *buffer,
	const uint8_t **out_data, size_t *out_size)
{
	struct bragi_exchange exchange;
	struct char_device_read_request request;
	struct char_device_read_reply reply;

	bragi_exchange_init(&exchange, buffer, CHAR_BUFFER_SIZE);
	char_device_read_request_init(&request);
	request.size_max = CHAR_DEVICE_LIMITS_TRANSFER_MAX;
	int error = char_device_port_read(task, &client->client, &exchange, &request, &reply);

	if (error == 0) {
		*out_data = reply.data.data;
		*out_size = reply.data.size;
	}
	return error;
}

int char_write(struct task *task, struct transport_client *client, void *buffer, const void *data,
	size_t size)
{
	struct bragi_exchange exchange;
	struct char_device_write_request request;
	struct char_device_write_reply reply;

	bragi_exchange_init(&exchange, buffer, CHAR_BUFFER_SIZE);
	char_device_write_request_init(&request);
	request.data = (struct bragi_bytes){ .data = data, .size = (uint32_t)size };
	return char_device_port_write(task, &client->client, &exchange, &request, &reply);
}

int char_find(struct task *task, hel_handle mbus, const char *name, hel_handle *out_lane)
{
	const struct mbus_pair filter[] = { { "class", "char" }, { "name", name } };

	return mbus_find(task, mbus, filter, ARRAY_SIZE(filter), out_lane);
}

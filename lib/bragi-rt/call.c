/* SPDX-License-Identifier: MIT */
/* Calls: see call.h. */
#include <bragi-rt/call.h>

bool bragi_handles_add(struct bragi_handles *handles, hel_handle handle)
{
	if (handles->count == BRAGI_HANDLES_MAX) {
		return false;
	}
	handles->items[handles->count++] = handle;
	return true;
}

hel_handle bragi_handles_take(struct bragi_handles *handles, uint32_t index)
{
	if (index >= handles->count) {
		return HEL_NULL;
	}
	hel_handle handle = handles->items[index];

	handles->items[index] = HEL_NULL;
	return handle;
}

void bragi_exchange_init(struct bragi_exchange *exchange, void *buffer, size_t size)
{
	*exchange = (struct bragi_exchange){ .buffer = buffer, .buffer_size = size };
}

void *bragi_exchange_reply(struct bragi_exchange *exchange, size_t *out_size_max)
{
	*out_size_max = exchange->buffer_size - exchange->request_size;
	return exchange->buffer + exchange->request_size;
}

const void *bragi_exchange_reply_data(const struct bragi_exchange *exchange)
{
	return exchange->buffer + exchange->request_size;
}

int bragi_exchange_transact(
	struct task *task, struct bragi_client *client, struct bragi_exchange *exchange)
{
	size_t reply_size_max;
	uint8_t *reply = bragi_exchange_reply(exchange, &reply_size_max);
	int error = client->transact(task, client, exchange);

	if (error != 0) {
		return error;
	}
	if (exchange->reply_size > reply_size_max) {
		return -ERR_PROTOCOL;
	}
	bragi_arena_init(&exchange->arena, reply + exchange->reply_size,
		reply_size_max - exchange->reply_size);
	return 0;
}

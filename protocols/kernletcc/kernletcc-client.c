/* SPDX-License-Identifier: MIT */
/* Calls of kernletcc: see kernletcc-client.h. */
#include <protocols/kernletcc/kernletcc-client.h>
#include <protocols/kernletcc/kernletcc.gen.h>
#include <protocols/transport/client.h>

#include <base/errors.h>
#include <base/string.h>

/* Room for a request, a reply, and the reply's arrays. */
#define BUFFER_SIZE 4096

static int call_compile(struct task *task, hel_handle kernletcc, hel_handle memory, size_t size,
	void *buffer, hel_handle *out_kernlet, char *out_message)
{
	struct transport_client client;
	struct bragi_exchange exchange;
	struct kernletcc_compile_request request;
	struct kernletcc_compile_reply reply;

	transport_client_init(&client, kernletcc, 1);
	bragi_exchange_init(&exchange, buffer, BUFFER_SIZE);
	kernletcc_compile_request_init(&request);
	request.size_bytes = (uint32_t)size;
	if (!bragi_handles_add(&exchange.to_send, memory)) {
		return -ERR_NO_SPACE;
	}
	int error = kernletcc_compiler_compile(task, &client.client, &exchange, &request, &reply);
	hel_handle kernlet = bragi_handles_take(&exchange.received, 0);

	transport_close_handles(&exchange.received);
	if (error == 0 && reply.is_refused != 0) {
		size_t length = min_size(reply.message.length, KERNLETCC_MESSAGE_SIZE - 1);

		memcpy(out_message, reply.message.text, length);
		out_message[length] = '\0';
		error = -ERR_ILLEGAL_ARGS;
	} else if (error == 0 && kernlet == HEL_NULL) {
		error = -ERR_PROTOCOL;
	}
	if (error == 0) {
		*out_kernlet = kernlet;
	} else if (kernlet != HEL_NULL) {
		hel_close(HEL_THIS, kernlet);
	}
	return error;
}

int kernletcc_compile(struct task *task, hel_handle kernletcc, const void *elf, size_t size,
	hel_handle *out_kernlet, char *out_message)
{
	hel_handle memory;
	void *buffer;

	out_message[0] = '\0';
	if (size == 0 || size > KERNLETCC_LIMITS_FILE_MAX) {
		return -ERR_ILLEGAL_ARGS;
	}
	int error = hel_memory_allocate(align_up(size, HEL_PAGE_SIZE), 0, &memory);

	if (error != 0) {
		return error;
	}
	error = hel_memory_write(memory, 0, elf, size);
	buffer = helix_malloc(BUFFER_SIZE);
	if (buffer == NULL) {
		error = -ERR_NO_MEMORY;
	}
	if (error == 0) {
		error = call_compile(
			task, kernletcc, memory, size, buffer, out_kernlet, out_message);
	}
	helix_free(buffer);
	hel_close(HEL_THIS, memory);
	return error;
}

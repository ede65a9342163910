/* SPDX-License-Identifier: MIT */
/* Calls of kernletcc: see kernletcc-client.h. */
#include <protocols/kernletcc/kernletcc-client.h>
#include <protocols/kernletcc/kernletcc.gen.h>
#include <protocols/transport/client.h>

#include <base/errors.h>
#include <base/format.h>
#include <base/string.h>

/* Room for a request, a reply, and the reply's arrays. */
#define BUFFER_SIZE 4096

/* Have the file in @memory replaced by its code. */
static int call_compile(struct task *task, hel_handle kernletcc, hel_handle memory, size_t size,
	void *buffer, size_t *out_code_size, char *out_message)
{
	struct transport_client client;
	struct bragi_exchange exchange;
	struct kernletcc_compile_request request;
	struct kernletcc_compile_reply reply;

	transport_client_init(&client, kernletcc, 0);
	bragi_exchange_init(&exchange, buffer, BUFFER_SIZE);
	kernletcc_compile_request_init(&request);
	request.size_bytes = (uint32_t)size;
	if (!bragi_handles_add(&exchange.to_send, memory)) {
		return -ERR_NO_SPACE;
	}
	int error = kernletcc_compiler_compile(task, &client.client, &exchange, &request, &reply);

	if (error == 0 && reply.is_refused != 0) {
		size_t length = min_size(reply.message.length, KERNLETCC_MESSAGE_SIZE - 1);

		memcpy(out_message, reply.message.text, length);
		out_message[length] = '\0';
		error = -ERR_ILLEGAL_ARGS;
	} else if (error == 0 && reply.code_size > KERNLETCC_LIMITS_CODE_MAX) {
		error = -ERR_PROTOCOL;
	}
	if (error == 0) {
		*out_code_size = reply.code_size;
	}
	return error;
}

/* Make a kernlet of the code in @memory. */
static int create_kernlet(
	hel_handle memory, size_t code_size, hel_handle *out_kernlet, char *out_message)
{
	uint8_t *code = helix_malloc(code_size);
	hel_handle kernlet;

	if (code == NULL) {
		return -ERR_NO_MEMORY;
	}
	int error = hel_memory_read(memory, 0, code, code_size);

	if (error == 0) {
		error = hel_kernlet_create(code, code_size, &kernlet);
		if (error == -ERR_ILLEGAL_ARGS) {
			format_to(out_message, KERNLETCC_MESSAGE_SIZE,
				"the kernel refuses the compiler's code at byte %llu",
				(unsigned long long)kernlet);
		}
	}
	helix_free(code);
	if (error == 0) {
		*out_kernlet = kernlet;
	}
	return error;
}

int kernletcc_compile(struct task *task, hel_handle kernletcc, const void *elf, size_t size,
	hel_handle *out_kernlet, char *out_message)
{
	size_t code_size;
	hel_handle memory;

	out_message[0] = '\0';
	if (size == 0 || size > KERNLETCC_LIMITS_FILE_MAX) {
		return -ERR_ILLEGAL_ARGS;
	}
	size_t memory_size = align_up(max_size(size, KERNLETCC_LIMITS_CODE_MAX), HEL_PAGE_SIZE);
	int error = hel_memory_allocate(memory_size, 0, &memory);

	if (error != 0) {
		return error;
	}
	void *buffer = helix_malloc(BUFFER_SIZE);

	error = buffer == NULL ? -ERR_NO_MEMORY : hel_memory_write(memory, 0, elf, size);
	if (error == 0) {
		error = call_compile(
			task, kernletcc, memory, size, buffer, &code_size, out_message);
	}
	helix_free(buffer);
	if (error == 0) {
		error = create_kernlet(memory, code_size, out_kernlet, out_message);
	}
	hel_close(HEL_THIS, memory);
	return error;
}

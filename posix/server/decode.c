/* SPDX-License-Identifier: MIT */
/*
 * Decoding of requests: where each argument's data lie in the payload, and what room the answer
 * needs.
 *
 * All of the message comes from a process and may be anything. Nothing here changes more than the
 * request itself.
 */
#include <base/string.h>
#include <helix/memory.h>
#include <posix/server/request-internal.h>

static bool is_null(const struct request *request, unsigned i)
{
	return (request->null_mask >> i & 1) != 0;
}

/* Bytes that argument i describes; false if the count is absurd. */
static bool argument_size(const struct request *request, const struct argument *argument,
	uint64_t max, uint32_t *out_size)
{
	uint64_t size = argument->unit;

	if (argument->count != ARGUMENT_FIXED) {
		uint64_t count = request->args[argument->count];

		if (count > max / argument->unit) {
			return false;
		}
		size = count * argument->unit;
	}
	*out_size = (uint32_t)size;
	return size <= max;
}

/* Takes `size` bytes and their padding off the payload at *offset. */
static bool take_input(
	struct request_internal *internal, unsigned i, uint32_t size, uint32_t *offset)
{
	if (*offset > internal->payload_size || size > internal->payload_size - *offset) {
		return false;
	}
	internal->in_offset[i] = *offset;
	internal->in_size[i] = size;
	*offset += (uint32_t)align_up(size, 8);
	return true;
}

/* The size of the string at `offset` with its NUL, 0 if it does not end. */
static uint32_t string_size_at(const struct request_internal *internal, uint32_t offset)
{
	if (offset >= internal->payload_size) {
		return 0;
	}
	size_t room = min_size(internal->payload_size - offset, POSIX_PATH_MAX);
	size_t length = strnlen((const char *)internal->payload + offset, room);

	return length < room ? (uint32_t)length + 1 : 0;
}

static int decode_bulk_out(struct request *request, const struct argument *argument)
{
	struct request_internal *internal = request->internal;
	uint32_t size;

	if (!argument_size(request, argument, POSIX_BULK_MAX, &size)) {
		return -LINUX_EINVAL;
	}
	if (size > POSIX_BULK_INLINE && !internal->wants_bulk_reply) {
		return -LINUX_EINVAL;
	}
	internal->bulk_max = size;
	return 0;
}

static int decode_buffer(struct request *request, unsigned i, uint32_t *offset)
{
	struct request_internal *internal = request->internal;
	const struct argument *argument = &internal->row->arguments[i];
	bool is_out = argument->kind == ARGUMENT_OUT || argument->kind == ARGUMENT_INOUT;
	bool is_in = argument->kind == ARGUMENT_IN || argument->kind == ARGUMENT_INOUT;
	uint32_t size = 0;

	if (!is_null(request, i) && !argument_size(request, argument, REQUEST_OUT_MAX, &size)) {
		return -LINUX_EINVAL;
	}
	if (is_in && !take_input(internal, i, size, offset)) {
		return -LINUX_EINVAL;
	}
	if (is_out) {
		internal->out_offset[i] = internal->out_total;
		internal->out_size[i] = size;
		internal->out_total += (uint32_t)align_up(size, 8);
	}
	return internal->out_total <= REQUEST_OUT_MAX ? 0 : -LINUX_EINVAL;
}

static int decode_argument(struct request *request, unsigned i, uint32_t *offset)
{
	struct request_internal *internal = request->internal;
	const struct argument *argument = &internal->row->arguments[i];
	uint32_t size;

	switch (argument->kind) {
	case ARGUMENT_NONE:
	case ARGUMENT_VALUE: return 0;
	case ARGUMENT_PATH:
		size = string_size_at(internal, *offset);
		return size != 0 && take_input(internal, i, size, offset) ? 0 : -LINUX_EINVAL;
	case ARGUMENT_IN:
	case ARGUMENT_OUT:
	case ARGUMENT_INOUT: return decode_buffer(request, i, offset);
	case ARGUMENT_BULK_IN:
		if (!argument_size(request, argument, POSIX_BULK_MAX, &size)) {
			return -LINUX_EINVAL;
		}
		return take_input(internal, i, size, offset) ? 0 : -LINUX_EINVAL;
	case ARGUMENT_BULK_OUT: return decode_bulk_out(request, argument);
	}
	return -LINUX_EINVAL;
}

static int decode_raw(struct request *request)
{
	struct request_internal *internal = request->internal;
	const struct argument *argument = &internal->row->arguments[0];
	uint32_t size = 0;

	if (argument->kind == ARGUMENT_OUT &&
		!argument_size(request, argument, REQUEST_OUT_MAX, &size)) {
		return -LINUX_EINVAL;
	}
	if (internal->wants_bulk_reply) {
		internal->bulk_max = (uint32_t)min_u64(request->args[5], POSIX_PAYLOAD_MAX);
	}
	internal->out_size[0] = size;
	internal->out_total = size;
	return 0;
}

static void reset(struct request *request, const struct posix_request *header)
{
	struct request_internal *internal = request->internal;

	request->number = header->number;
	request->flags = header->flags;
	__builtin_memcpy(request->args, header->args, sizeof(request->args));
	request->null_mask = header->null_mask;
	request->deadline_ns = HEL_DEADLINE_NEVER;
	request->interrupted_result = -LINUX_ERESTARTSYS;
	request->is_timed_out = false;
	request->is_first_attempt = true;
	__builtin_memset(request->state, 0, sizeof(request->state));
	request->release = NULL;

	internal->row = call_find(header->number);
	internal->is_uninterruptible = false;
	internal->has_out = false;
	internal->has_out_size = false;
	internal->wants_bulk_reply = (header->flags & POSIX_REQUEST_BULK_OUT) != 0;
	internal->sequence = header->sequence;
	internal->payload = NULL;
	internal->payload_size = 0;
	__builtin_memset(internal->in_size, 0, sizeof(internal->in_size));
	__builtin_memset(internal->out_size, 0, sizeof(internal->out_size));
	internal->out = NULL;
	internal->out_total = 0;
	internal->bulk = NULL;
	internal->bulk_size = 0;
	internal->bulk_max = 0;
	internal->bulk_done = NULL;
	internal->has_bulk_size = false;
}

int request_decode(struct request *request, const struct posix_request *header, const void *payload,
	size_t size)
{
	struct request_internal *internal = request->internal;
	uint32_t offset = 0;

	reset(request, header);
	if (size != header->in_size || size > POSIX_PAYLOAD_MAX) {
		return 1;
	}
	internal->payload_size = (uint32_t)size;
	internal->payload = size != 0 ? payload : internal->payload_inline;
	if (size != 0 && size <= sizeof(internal->payload_inline)) {
		memcpy(internal->payload_inline, payload, size);
		internal->payload = internal->payload_inline;
	}
	if (internal->row == NULL) {
		return 0;
	}
	if (internal->row->is_raw) {
		return decode_raw(request);
	}
	for (unsigned i = 0; i < REQUEST_ARGUMENTS; i++) {
		int error = 0;

		if (internal->row->arguments[i].kind > ARGUMENT_VALUE) {
			error = decode_argument(request, i, &offset);
		}
		if (error != 0) {
			return error;
		}
	}
	return 0;
}

int request_keep_payload(struct request *request)
{
	struct request_internal *internal = request->internal;

	if (internal->payload_size <= sizeof(internal->payload_inline) ||
		internal->payload_block != NULL) {
		return 0;
	}
	internal->payload_block = helix_malloc(internal->payload_size);
	if (internal->payload_block == NULL) {
		return -LINUX_ENOMEM;
	}
	memcpy(internal->payload_block, internal->payload, internal->payload_size);
	internal->payload = internal->payload_block;
	return 0;
}

void request_drop(struct request *request)
{
	struct request_internal *internal = request->internal;
	void (*bulk_done)(void *context) = internal->bulk_done;

	internal->bulk_done = NULL;
	if (bulk_done != NULL) {
		bulk_done(internal->bulk_context);
	}
	helix_free(internal->payload_block);
	helix_free(internal->out_block);
	helix_free(internal->bulk_block);
	internal->payload_block = NULL;
	internal->out_block = NULL;
	internal->bulk_block = NULL;
	internal->bulk = NULL;
	internal->out = NULL;
	internal->payload = NULL;
}

/* ---- what handlers ask for ------------------------------------------------------------------- */

const void *request_in(struct request *request, unsigned i, size_t *out_size)
{
	const struct request_internal *internal = request->internal;
	uint32_t offset = 0, size = internal->payload_size;

	if (!internal->row->is_raw) {
		if (i >= REQUEST_ARGUMENTS || is_null(request, i)) {
			if (out_size != NULL) {
				*out_size = 0;
			}
			return NULL;
		}
		offset = internal->in_offset[i];
		size = internal->in_size[i];
	}
	if (out_size != NULL) {
		*out_size = size;
	}
	return internal->payload + offset;
}

void *request_take_block(struct request *request, const void *data, size_t size)
{
	struct request_internal *internal = request->internal;
	void *block = internal->payload_block;

	if (block == NULL || block != data || align_up(size, 8) != internal->payload_size) {
		return NULL;
	}
	internal->payload_block = NULL;
	return block;
}

const char *request_path(struct request *request, unsigned i)
{
	const struct request_internal *internal = request->internal;
	uint32_t offset = 0;

	if (!internal->row->is_raw) {
		return (const char *)internal->payload + internal->in_offset[i];
	}
	for (;; i--) {
		uint32_t size = string_size_at(internal, offset);

		if (size == 0) {
			return "";
		}
		if (i == 0) {
			return (const char *)internal->payload + offset;
		}
		offset += (uint32_t)align_up(size, 8);
	}
}

static bool prepare_out(struct request_internal *internal)
{
	if (internal->has_out) {
		return true;
	}
	internal->out = internal->out_inline;
	if (internal->out_total > sizeof(internal->out_inline)) {
		internal->out_block = helix_malloc(internal->out_total);
		if (internal->out_block == NULL) {
			return false;
		}
		internal->out = internal->out_block;
	}
	memset(internal->out, 0, internal->out_total);
	for (unsigned i = 0; i < REQUEST_ARGUMENTS && !internal->row->is_raw; i++) {
		if (internal->row->arguments[i].kind == ARGUMENT_INOUT) {
			memcpy(internal->out + internal->out_offset[i],
				internal->payload + internal->in_offset[i], internal->in_size[i]);
		}
	}
	internal->has_out = true;
	return true;
}

void *request_out(struct request *request, unsigned i, size_t *out_size)
{
	struct request_internal *internal = request->internal;

	if (internal->row->is_raw) {
		i = 0;
		internal->out_offset[0] = 0;
	} else if (i >= REQUEST_ARGUMENTS || is_null(request, i)) {
		return NULL;
	}
	if (!prepare_out(internal)) {
		return NULL;
	}
	if (out_size != NULL) {
		*out_size = internal->out_size[i];
	}
	return internal->out + internal->out_offset[i];
}

void request_bulk(struct request *request, const void *data, size_t size,
	void (*done)(void *context), void *context)
{
	struct request_internal *internal = request->internal;

	internal->bulk = data;
	internal->bulk_size = min_size(size, internal->bulk_max);
	internal->has_bulk_size = true;
	internal->bulk_done = done;
	internal->bulk_context = context;
}

void request_forget_out(struct request *request)
{
	struct request_internal *internal = request->internal;

	if (internal->out_block != NULL) {
		helix_free(internal->out_block);
		internal->out_block = NULL;
		internal->out = NULL;
		internal->has_out = false;
	}
}

void request_forget_empty_bulk(struct request *request)
{
	struct request_internal *internal = request->internal;

	if (!internal->has_bulk_size && internal->bulk_block != NULL) {
		helix_free(internal->bulk_block);
		internal->bulk_block = NULL;
		internal->bulk = NULL;
	}
}

void *request_bulk_buffer(struct request *request, size_t size)
{
	struct request_internal *internal = request->internal;

	if (size > POSIX_BULK_MAX) {
		return NULL;
	}
	if (internal->bulk_block == NULL) {
		/*
		 * What the program asked for, whatever the handler needs first: later attempts use
		 * the same.
		 */
		internal->bulk_block = helix_malloc(max_size(internal->bulk_max, size));
	}
	internal->bulk = internal->bulk_block;
	return internal->bulk_block;
}

void request_set_out_size(struct request *request, size_t size)
{
	struct request_internal *internal = request->internal;

	internal->has_out_size = true;
	internal->out_valid = (uint32_t)min_size(size, POSIX_BULK_MAX);
}

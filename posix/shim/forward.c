/* SPDX-License-Identifier: MIT */
/*
 * Forwarding: most Linux calls are sent to posix as their row in calls.def describes them, without
 * code of their own.
 */
#include "shim.h"

enum argument_kind : uint8_t {
	ARG_NONE,
	ARG_VALUE, /* those behind it have data */
	ARG_PATH,
	ARG_IN,
	ARG_OUT,
	ARG_INOUT,
	ARG_BULK_IN,
	ARG_BULK_OUT
};

constexpr uint8_t COUNT_FIXED = 0xff;

struct argument {
	enum argument_kind kind;
	uint8_t count;  /* index of the argument that holds the count, or COUNT_FIXED */
	uint16_t unit;  /* bytes, or bytes per count */
};

struct call_row {
	struct argument arguments[6];
};

#define NONE             { ARG_NONE, COUNT_FIXED, 0 }
#define VALUE            { ARG_VALUE, COUNT_FIXED, 0 }
#define PATH             { ARG_PATH, COUNT_FIXED, 0 }
#define IN(n)            { ARG_IN, COUNT_FIXED, n }
#define OUT(n)           { ARG_OUT, COUNT_FIXED, n }
#define INOUT(n)         { ARG_INOUT, COUNT_FIXED, n }
#define IN_N(k, unit)    { ARG_IN, k, unit }
#define OUT_N(k, unit)   { ARG_OUT, k, unit }
#define INOUT_N(k, unit) { ARG_INOUT, k, unit }
#define BULK_IN(k)       { ARG_BULK_IN, k, 1 }
#define BULK_OUT(k)      { ARG_BULK_OUT, k, 1 }
#define LINUX_CALL(number, name, where, a0, a1, a2, a3, a4, a5) \
	[number] = { { a0, a1, a2, a3, a4, a5 } },
static const struct call_row call_rows[SHIM_NUMBER_MAX] = {
#include <protocols/posix/calls.def>
};

/* The size of a counted argument; false if it is beyond what one message holds. */
static bool argument_size(
	const struct argument *argument, const uint64_t args[6], uint64_t *out_size)
{
	if (argument->count == COUNT_FIXED) {
		*out_size = argument->unit;
		return true;
	}
	if (args[argument->count] > POSIX_INLINE_MAX / argument->unit) {
		return false;
	}
	*out_size = args[argument->count] * argument->unit;
	return true;
}

/* A result buffer may be larger than a message holds: the call then answers at most what fits. */
static void clamp_out_count(const struct argument *argument, uint64_t args[6])
{
	uint64_t max = POSIX_INLINE_MAX / argument->unit;

	if (argument->kind == ARG_OUT && argument->count != COUNT_FIXED &&
		args[argument->count] > max && args[argument->count] <= INT32_MAX) {
		args[argument->count] = max;
	}
}

static int add_buffer(struct shim_call *call, const struct argument *argument, uint64_t args[6],
	unsigned i, uint64_t address)
{
	uint64_t size;

	clamp_out_count(argument, args);
	if (!argument_size(argument, args, &size)) {
		return -LINUX_EINVAL;
	}
	if (!address) {
		call->header.null_mask |= (uint16_t)(1u << i);
		size = 0;
	} else if (!shim_is_user_range(address, size)) {
		return -LINUX_EFAULT;
	}
	if (argument->kind == ARG_IN || argument->kind == ARG_INOUT) {
		shim_call_in_user(call, address, size);
	}
	if (argument->kind == ARG_OUT || argument->kind == ARG_INOUT) {
		shim_call_out_user(call, address, size);
	}
	call->header.args[i] = size;
	return 0;
}

static int add_argument(
	struct shim_call *call, const struct argument *argument, uint64_t args[6], unsigned i)
{
	uint64_t value = args[i];
	int64_t size;

	switch (argument->kind) {
	case ARG_NONE:
	case ARG_VALUE: return 0;
	case ARG_PATH:
		size = shim_user_string_size(value, POSIX_PATH_MAX);
		if (size < 0) {
			return (int)size;
		}
		shim_call_in_user(call, value, (uint64_t)size);
		call->header.args[i] = (uint64_t)size;
		return 0;
	case ARG_BULK_IN:
		if (args[argument->count] > POSIX_BULK_MAX) {
			return -LINUX_E2BIG;
		}
		shim_call_in_user(call, value, args[argument->count]);
		call->header.args[i] = args[argument->count];
		return 0;
	case ARG_BULK_OUT:
		if (args[argument->count] > POSIX_BULK_MAX) {
			args[argument->count] = POSIX_BULK_MAX;
		}
		call->bulk_out_address = value;
		call->bulk_out_size = args[argument->count];
		call->header.args[i] = args[argument->count];
		return 0;
	case ARG_IN:
	case ARG_OUT:
	case ARG_INOUT: return add_buffer(call, argument, args, i, value);
	}
	return -LINUX_EINVAL;
}

int64_t shim_forward_as(uint32_t number, const uint64_t args[6])
{
	const struct argument *arguments = call_rows[number].arguments;
	uint64_t values[6];
	struct shim_call call;

	shim_call_init(&call, number);
	for (unsigned i = 0; i < 6; i++) {
		values[i] = args[i];
	}
	for (unsigned i = 0; i < 6; i++) {
		int error = 0;

		if (arguments[i].kind > ARG_VALUE) {
			error = add_argument(&call, &arguments[i], values, i);
		}
		if (error) {
			return error;
		}
	}
	/* Last, for a count may have been clamped. */
	for (unsigned i = 0; i < 6; i++) {
		if (arguments[i].kind == ARG_VALUE) {
			call.header.args[i] = values[i];
		}
	}
	return shim_call_run(&call);
}

int64_t shim_forward(SHIM_ARGS)
{
	uint64_t args[6] = { a0, a1, a2, a3, a4, a5 };

	return shim_forward_as((uint32_t)number, args);
}

void shim_count_unimplemented(uint32_t number)
{
	shim_request(POSIX_UNIMPLEMENTED, number, 0, 0, 0, 0, 0);
}

int64_t shim_unknown(SHIM_ARGS)
{
	(void)a0, (void)a1, (void)a2, (void)a3, (void)a4, (void)a5;
	shim_count_unimplemented((uint32_t)number);
	return -LINUX_ENOSYS;
}

/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer target: decoders of every kind of member, and a dispatcher, on arbitrary bytes.
 */
#include <base/assert.h>
#include <bragi-rt/call.h>

#include <stdlib.h>

#include "everything.gen.h"

static uint8_t arena_memory[4096];

void assert_fail(UNUSED const char *file, UNUSED int line, UNUSED const char *expression)
{
	abort();
}

static int hook_add(UNUSED struct bragi_call *call, const struct everything_add_request *request,
	struct everything_add_reply *out_reply)
{
	out_reply->sum = (int32_t)((uint32_t)request->a + (uint32_t)request->b);
	return 0;
}

static int hook_concatenate(UNUSED struct bragi_call *call,
	const struct everything_join_request *request, struct everything_join_reply *out_reply)
{
	out_reply->words = request->words;
	return 0;
}

static int hook_ping(UNUSED struct bragi_call *call, UNUSED const struct everything_ping *request)
{
	return 0;
}

static const struct everything_calculator_ops ops = {
	.add = hook_add,
	.concatenate = hook_concatenate,
	.ping = hook_ping,
};

/* What was decoded must encode to the same message again. */
static void check_arrays(const uint8_t *data, size_t size, struct bragi_arena *arena)
{
	struct everything_arrays message;

	if (everything_arrays_decode(&message, data, size, arena) == 0) {
		uint8_t *copy = malloc(size);
		size_t copy_size;

		/* Unknown tags are dropped, so the copy may be shorter, but never longer. */
		ASSERT(everything_arrays_encode(&message, copy, size, &copy_size) == 0);
		free(copy);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct everything_scalars scalars;
	struct everything_tags tags;
	struct bragi_arena arena;
	uint8_t reply[256];

	bragi_arena_init(&arena, arena_memory, sizeof(arena_memory));
	check_arrays(data, size, &arena);
	bragi_arena_init(&arena, arena_memory, sizeof(arena_memory));
	(void)!everything_scalars_decode(&scalars, data, size, &arena);
	(void)!everything_tags_decode(&tags, data, size, &arena);
	struct bragi_call call = {
		.request = data,
		.request_size = size,
		.reply = reply,
		.reply_size_max = sizeof(reply),
	};

	bragi_arena_init(&call.arena, arena_memory, sizeof(arena_memory));
	(void)!everything_calculator_dispatch(&ops, &call);
	return 0;
}

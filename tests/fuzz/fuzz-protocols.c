/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer target: the decoders of all protocols on arbitrary bytes; the first two say which one.
 */
#include <base/assert.h>
#include <bragi-rt/call.h>

#include <stdlib.h>

static uint8_t arena_memory[8192];

static void fuzz_arena(struct bragi_arena *arena)
{
	bragi_arena_init(arena, arena_memory, sizeof(arena_memory));
}

#include "decoders.gen.h"

void assert_fail(UNUSED const char *file, UNUSED int line, UNUSED const char *expression)
{
	abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2) {
		return -1;
	}
	size_t split = data[1] <= size - 2 ? data[1] : size - 2;

	fuzz_messages[data[0] % ARRAY_SIZE(fuzz_messages)](data + 2, size - 2, split);
	return 0;
}

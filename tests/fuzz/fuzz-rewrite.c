/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer target: program files whose system calls are to be rewritten. Whatever the file is, a
 * plan keeps its promises; and instructions that decode do so in every larger buffer.
 */
#include <base/assert.h>
#include <helix/memory.h>
#include <posix/server/rewrite/check-plan.h>
#include <posix/server/rewrite/test-program.h>

#include <stdlib.h>

void assert_fail(UNUSED const char *file, UNUSED int line, UNUSED const char *expression)
{
	abort();
}

void *helix_malloc(size_t size)
{
	return malloc(size == 0 ? 1 : size);
}

void *helix_calloc(size_t n, size_t size)
{
	return calloc(n, size);
}

void helix_free(void *block)
{
	free(block);
}

static void check_instructions(const uint8_t *data, size_t size)
{
	struct instruction short_one, long_one;

	for (size_t at = 0; at < size; at++) {
		if (instruction_decode(data + at, size - at, &long_one)) {
			ASSERT(long_one.size >= 1 && long_one.size <= INSTRUCTION_SIZE_MAX);
			ASSERT(long_one.size <= size - at);
			ASSERT(instruction_decode(data + at, long_one.size, &short_one));
			ASSERT(short_one.size == long_one.size);
			ASSERT(!instruction_decode(data + at, long_one.size - 1u, &short_one));
			(void)instruction_is_filler(data + at, &long_one);
		}
	}
}

static void check_file(const uint8_t *data, size_t size)
{
	struct rewrite_plan plan;

	if (rewrite_plan_make(data, size, &plan) != 0) {
		return;
	}
	ASSERT(plan.file_offset + plan.text_size <= size);
	uint8_t *text = malloc(plan.text_size), *marks = calloc(plan.text_size, 1);

	ASSERT(text != NULL && marks != NULL);
	memcpy(text, data + plan.file_offset, plan.text_size);
	rewrite_plan_apply(&plan, text, true);
	ASSERT(check_plan(&plan, data + plan.file_offset, text, marks) == NULL);
	free(text);
	free(marks);
	rewrite_plan_release(&plan);
}

/* A number of functions, where they are, and the text. */
static void check_program(const uint8_t *data, size_t size)
{
	static uint8_t file[TEST_FILE_SIZE];
	struct test_function functions[TEST_FUNCTIONS_MAX];
	uint32_t n = size == 0 ? 0 : data[0] % TEST_FUNCTIONS_MAX;

	if (size < 1 + n * 4u || size - 1 - n * 4u > TEST_FILE_SIZE - TEST_TEXT_OFFSET) {
		return;
	}
	for (uint32_t i = 0; i < n; i++) {
		memcpy(&functions[i], data + 1 + i * 4u, 4);
	}
	test_program(file, data + 1 + n * 4u, (uint32_t)size - 1 - n * 4u, functions, n);
	check_file(file, sizeof(file));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check_instructions(data, size < 256 ? size : 256);
	check_program(data, size);
	check_file(data, size);
	return 0;
}

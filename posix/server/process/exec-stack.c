/* SPDX-License-Identifier: MIT */
/*
 * The first stack of a program, from the top downwards:
 *
 *      top     8 zero bytes
 *              path of the program (AT_EXECFN)
 *              environment strings
 *              argument strings
 *              platform string, 16 random bytes
 *              (alignment)
 *              auxiliary vector, ends with AT_NULL
 *              envp[], NULL
 *              argv[], NULL
 *      rsp     argc                    16-byte aligned
 */
#include <abi/linux/auxv.h>
#include <base/string.h>
#include <posix/server/process/exec.h>

constexpr uint32_t AUXV_ADDED = 4; /* RANDOM, EXECFN, PLATFORM, NULL */

struct stack_layout {
	size_t path, environment, arguments, platform, random; /* distances from the top */
	size_t vectors;      /* size of all pointers, argc and auxv */
	size_t total;
};

static struct stack_layout layout_of(const struct exec_stack *stack)
{
	const struct exec_strings *strings = stack->strings;
	struct stack_layout layout;

	layout.path = 8 + strlen(stack->path) + 1;
	layout.environment = layout.path + strings->size - strings->arguments_size;
	layout.arguments = layout.environment + strings->arguments_size;
	layout.platform = layout.arguments + strlen(stack->platform) + 1;
	layout.random = align_up_size(layout.platform + sizeof(stack->random), 16);
	layout.vectors = (1 + (size_t)strings->argc + 1 + strings->envc + 1) * sizeof(uint64_t) +
		(stack->n_auxv + AUXV_ADDED) * sizeof(struct exec_auxv);
	layout.total = align_up_size(layout.random + layout.vectors, 16);
	return layout;
}

size_t exec_stack_size(const struct exec_stack *stack)
{
	return layout_of(stack).total;
}

/* Writes the addresses of @n strings that begin at @address and lie at @bytes, then NULL. */
static uint8_t *put_pointers(uint8_t *at, const char *bytes, uint64_t address, uint32_t n)
{
	const uint64_t end = 0;

	for (uint32_t i = 0; i < n; i++) {
		size_t size = strlen(bytes) + 1;

		memcpy(at, &address, sizeof(address));
		at += sizeof(address);
		address += size;
		bytes += size;
	}
	memcpy(at, &end, sizeof(end));
	return at + sizeof(end);
}

static uint8_t *put_auxv(uint8_t *at, uint64_t key, uint64_t value)
{
	const struct exec_auxv entry = { key, value };

	memcpy(at, &entry, sizeof(entry));
	return at + sizeof(entry);
}

void exec_stack_build(struct exec_stack *stack, uint8_t *image)
{
	const struct exec_strings *strings = stack->strings;
	struct stack_layout layout = layout_of(stack);
	uint8_t *top = image + layout.total, *at = image, *auxv;
	uint64_t argc = strings->argc;

	memset(image, 0, layout.total);
	memcpy(top - layout.path, stack->path, strlen(stack->path) + 1);
	memcpy(top - layout.arguments, strings->block, strings->size);
	memcpy(top - layout.platform, stack->platform, strlen(stack->platform) + 1);
	memcpy(top - layout.random, stack->random, sizeof(stack->random));

	stack->pointer = stack->top - layout.total;
	stack->arguments_start = stack->top - layout.arguments;
	stack->arguments_end = stack->top - layout.environment;
	stack->environment_start = stack->arguments_end;
	stack->environment_end = stack->top - layout.path;

	memcpy(at, &argc, sizeof(argc));
	at = put_pointers(at + sizeof(argc), strings->block, stack->arguments_start, strings->argc);
	at = put_pointers(at, strings->block + strings->arguments_size, stack->environment_start,
		strings->envc);
	auxv = at;
	stack->auxv_address = stack->pointer + (uint64_t)(at - image);
	for (uint32_t i = 0; i < stack->n_auxv; i++) {
		at = put_auxv(at, stack->auxv[i].key, stack->auxv[i].value);
	}
	at = put_auxv(at, LINUX_AT_RANDOM, stack->top - layout.random);
	at = put_auxv(at, LINUX_AT_EXECFN, stack->top - layout.path);
	at = put_auxv(at, LINUX_AT_PLATFORM, stack->top - layout.platform);
	at = put_auxv(at, LINUX_AT_NULL, 0);
	stack->auxv_size = (uint64_t)(at - auxv);
}

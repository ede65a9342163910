/* SPDX-License-Identifier: MIT */
/* Scripts, argument strings and the first stack. */
#include <abi/linux/auxv.h>
#include <base/testing.h>
#include <posix/server/process/exec.h>
#include <posix/server/tests/fakes.h>

static struct exec_script script;

static bool parse(const char *line)
{
	return exec_script_parse(line, strlen(line), &script);
}

TEST(script_without_argument)
{
	CHECK(parse("#!/bin/sh\necho"));
	CHECK_STR_EQ(script.interpreter, "/bin/sh");
	CHECK_STR_EQ(script.argument, "");
}

TEST(script_has_one_argument_with_its_blanks)
{
	CHECK(parse("#! \t/usr/bin/env  -S a  b \t\nrest"));
	CHECK_STR_EQ(script.interpreter, "/usr/bin/env");
	CHECK_STR_EQ(script.argument, "-S a  b");
}

TEST(script_without_newline_is_fine)
{
	CHECK(parse("#!/bin/sh -e"));
	CHECK_STR_EQ(script.argument, "-e");
}

TEST(script_without_interpreter_is_none)
{
	CHECK(!parse("#!\n"));
	CHECK(!parse("#!  \t \n"));
	CHECK(!parse("#!"));
	CHECK(!parse("echo hello"));
	CHECK(!parse(""));
}

TEST(script_whose_interpreter_is_cut_is_none)
{
	char line[600];

	memset(line, 'a', sizeof(line));
	memcpy(line, "#!/", 3);
	CHECK(!exec_script_parse(line, sizeof(line), &script));
	line[100] = ' ';
	CHECK(exec_script_parse(line, sizeof(line), &script));
	CHECK_EQ(strlen(script.interpreter), 98);
}

TEST(script_line_ends_at_a_nul)
{
	CHECK(exec_script_parse("#!/bin/sh\0-x\n", 13, &script));
	CHECK_STR_EQ(script.argument, "");
}

/* ---- strings ------------------------------------------------------------------------------- */

TEST(strings_are_counted)
{
	const char bytes[] = "a\0bc\0X=1";
	struct exec_strings strings;

	CHECK_EQ(exec_strings_copy(bytes, sizeof(bytes), 2, 1, &strings), 0);
	CHECK_EQ(strings.size, 9);
	CHECK_EQ(strings.arguments_size, 5);
	exec_strings_release(&strings);
	CHECK_EQ(exec_strings_copy(bytes, sizeof(bytes), 2, 2, &strings), -LINUX_EFAULT);
	CHECK_EQ(exec_strings_copy(bytes, sizeof(bytes) - 1, 2, 1, &strings), -LINUX_EFAULT);
	CHECK_EQ(exec_strings_copy(bytes, sizeof(bytes), UINT32_MAX, 1, &strings), -LINUX_EFAULT);
}

TEST(strings_without_arguments_get_an_empty_one)
{
	struct exec_strings strings;

	CHECK_EQ(exec_strings_copy("", 0, 0, 0, &strings), 0);
	CHECK_EQ(strings.argc, 1);
	CHECK_EQ(strings.size, 1);
	CHECK_STR_EQ(strings.block, "");
	exec_strings_release(&strings);
}

TEST(strings_of_a_script)
{
	const char bytes[] = "run\0one\0HOME=/";
	const char *const first[] = { "/bin/sh", "-e", "/tmp/run" };
	struct exec_strings strings;

	CHECK_EQ(exec_strings_copy(bytes, sizeof(bytes), 2, 1, &strings), 0);
	CHECK_EQ(exec_strings_prepend(&strings, first, 3), 0);
	CHECK_EQ(strings.argc, 4);
	CHECK_EQ(strings.envc, 1);
	CHECK_MEM_EQ(strings.block, "/bin/sh\0-e\0/tmp/run\0one\0HOME=/", strings.size);
	CHECK_EQ(strings.arguments_size, 24);
	exec_strings_release(&strings);
}

TEST(strings_without_memory)
{
	struct exec_strings strings;

	fake_fail_allocation = 1;
	CHECK_EQ(exec_strings_copy("a", 2, 1, 0, &strings), -LINUX_ENOMEM);
	CHECK_EQ(fake_n_blocks, 0);
}

/* ---- the stack ------------------------------------------------------------------------------ */

static uint8_t image[8192];

static const void *at(const struct exec_stack *stack, uint64_t address)
{
	CHECK(address >= stack->pointer && address < stack->top);
	return image + (address - stack->pointer);
}

static uint64_t word(const struct exec_stack *stack, uint64_t address)
{
	uint64_t value;

	memcpy(&value, at(stack, address), sizeof(value));
	return value;
}

static uint64_t find_auxv(const struct exec_stack *stack, uint64_t key)
{
	for (uint64_t i = stack->auxv_address;; i += 16) {
		if (word(stack, i) == key) {
			return word(stack, i + 8);
		}
		CHECK(word(stack, i) != LINUX_AT_NULL);
	}
}

static struct exec_stack build(
	struct exec_strings *strings, const char *bytes, size_t size, uint32_t argc, uint32_t envc)
{
	struct exec_stack stack = {
		.strings = strings,
		.path = "/bin/busybox",
		.platform = "x86_64",
		.random = { 1, 2, 3 },
		.auxv = { { LINUX_AT_PAGESZ, 4096 }, { LINUX_AT_ENTRY, 0x401000 } },
		.n_auxv = 2,
		.top = 0x7ffe00000000,
	};

	CHECK_EQ(exec_strings_copy(bytes, size, argc, envc, strings), 0);
	CHECK(exec_stack_size(&stack) <= sizeof(image));
	exec_stack_build(&stack, image);
	return stack;
}

TEST(stack_begins_with_argc_and_is_aligned)
{
	struct exec_strings strings;
	struct exec_stack stack = build(&strings, "sh\0-c\0true\0A=1", 15, 3, 1);

	CHECK_EQ(stack.pointer % 16, 0);
	CHECK_EQ(word(&stack, stack.pointer), 3);
	CHECK_STR_EQ((const char *)at(&stack, word(&stack, stack.pointer + 8)), "sh");
	CHECK_STR_EQ((const char *)at(&stack, word(&stack, stack.pointer + 24)), "true");
	CHECK_EQ(word(&stack, stack.pointer + 32), 0);
	CHECK_STR_EQ((const char *)at(&stack, word(&stack, stack.pointer + 40)), "A=1");
	CHECK_EQ(word(&stack, stack.pointer + 48), 0);
	CHECK_EQ(stack.auxv_address, stack.pointer + 56);
	exec_strings_release(&strings);
}

TEST(stack_auxv_points_to_its_strings)
{
	struct exec_strings strings;
	struct exec_stack stack = build(&strings, "x", 2, 1, 0);

	CHECK_STR_EQ((const char *)at(&stack, find_auxv(&stack, LINUX_AT_EXECFN)), "/bin/busybox");
	CHECK_STR_EQ((const char *)at(&stack, find_auxv(&stack, LINUX_AT_PLATFORM)), "x86_64");
	CHECK_MEM_EQ(at(&stack, find_auxv(&stack, LINUX_AT_RANDOM)), stack.random, 16);
	CHECK_EQ(find_auxv(&stack, LINUX_AT_PAGESZ), 4096);
	CHECK_EQ(stack.auxv_size, 6 * 16);
	exec_strings_release(&strings);
}

TEST(stack_areas_are_those_of_proc)
{
	struct exec_strings strings;
	struct exec_stack stack = build(&strings, "ab\0cd\0E=1\0F=2", 14, 2, 2);

	CHECK_EQ(stack.arguments_end - stack.arguments_start, 6);
	CHECK_EQ(stack.environment_end - stack.environment_start, 8);
	CHECK_MEM_EQ(at(&stack, stack.arguments_start), "ab\0cd\0E=1\0F=2", 14);
	exec_strings_release(&strings);
}

TEST(stack_is_aligned_for_every_count)
{
	char bytes[64];

	memset(bytes, 0, sizeof(bytes));
	for (uint32_t argc = 1; argc < 20; argc++) {
		for (uint32_t envc = 0; envc < 20; envc++) {
			struct exec_strings strings;
			struct exec_stack stack = build(&strings, bytes, sizeof(bytes), argc, envc);

			CHECK_EQ(stack.pointer % 16, 0);
			CHECK_EQ(word(&stack, stack.pointer), argc);
			exec_strings_release(&strings);
		}
	}
	CHECK_EQ(fake_n_blocks, 0);
}

TEST_MAIN()

/* SPDX-License-Identifier: MIT */
/* Decoding, finding and planning: hand-made programs, and those of this machine. */
#include <base/errors.h>
#include <base/testing.h>
#include <posix/server/rewrite/check-plan.h>
#include <posix/server/rewrite/functions.h>
#include <posix/server/rewrite/test-program.h>
#include <posix/server/tests/fakes.h>

#include <stdio.h>
#include <stdlib.h>

/* ---- instructions ---------------------------------------------------------------------------- */

static unsigned size_of(const char *bytes, size_t size)
{
	struct instruction instruction;

	return instruction_decode((const uint8_t *)bytes, size, &instruction) ? instruction.size
									      : 0;
}

/* The instruction has all the bytes, and fewer are none. */
#define CHECK_WHOLE(bytes_) \
	do { \
		CHECK_EQ(size_of(bytes_, sizeof(bytes_) - 1), sizeof(bytes_) - 1); \
		CHECK_EQ(size_of(bytes_, sizeof(bytes_) - 2), 0); \
	} while (0)

#define CHECK_NONE(bytes_) CHECK_EQ(size_of(bytes_, sizeof(bytes_) - 1), 0)

TEST(instructions_have_their_sizes)
{
	CHECK_WHOLE("\x90");
	CHECK_WHOLE("\x0f\x05");
	CHECK_WHOLE("\xb8\x27\x00\x00\x00");
	CHECK_WHOLE("\x66\xb8\x27\x00");
	CHECK_WHOLE("\x48\xb8\x01\x02\x03\x04\x05\x06\x07\x08");
	CHECK_WHOLE("\x48\xc7\xc0\x0f\x00\x00\x00");
	CHECK_WHOLE("\x48\x8d\x0d\x01\x02\x03\x04");
	CHECK_WHOLE("\x8b\x44\x24\x08");
	CHECK_WHOLE("\x8b\x84\x24\x08\x00\x00\x00");
	CHECK_WHOLE("\x8b\x04\x25\x08\x00\x00\x00");
	CHECK_WHOLE("\x65\xff\x24\x25\x30\x01\x00\x00");
	CHECK_WHOLE("\x64\x48\x8b\x04\x25\x28\x00\x00\x00");
	CHECK_WHOLE("\xf6\xc1\x01");
	CHECK_WHOLE("\xf6\xd1");
	CHECK_WHOLE("\xf7\x05\x01\x02\x03\x04\x05\x06\x07\x08");
	CHECK_WHOLE("\x66\x0f\x3a\x0f\xc1\x08");
	CHECK_WHOLE("\x66\x0f\x38\x00\xc1");
	CHECK_WHOLE("\x0f\x80\x01\x02\x03\x04");
	CHECK_WHOLE("\x66\x48\xe8\x01\x02\x03\x04");
	CHECK_WHOLE("\xc5\xf8\x77");
	CHECK_WHOLE("\xc4\xe3\x75\x38\xc1\x01");
	CHECK_WHOLE("\x62\xf1\x7c\x48\x10\x44\x24\x01");
	CHECK_WHOLE("\x66\x2e\x0f\x1f\x84\x00\x00\x00\x00\x00");
	CHECK_WHOLE("\xa1\x01\x02\x03\x04\x05\x06\x07\x08");
}

TEST(instructions_that_are_not_certain_are_none)
{
	CHECK_NONE("\x06");
	CHECK_NONE("\x66\xe9\x01\x02\x03\x04"); /* processors differ */
	CHECK_NONE("\x48\x66\x90"); /* REX that does not count */
	CHECK_NONE("\x66\xc5\xf8\x77");
	CHECK_NONE("\x8f\xe8\x78\xc2\xef\x02"); /* XOP */
	CHECK_NONE("\xc7\xf8\x00\x00\x00\x00"); /* a branch to somewhere */
	CHECK_NONE("\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x90");
}

TEST(instructions_that_end_the_flow_say_so)
{
	static const struct {
		const char *bytes;
		bool ends;
	} cases[] = {
		{ "\xc3", true },
		{ "\xeb\x00", true },
		{ "\xe9\x01\x02\x03\x04", true },
		{ "\xff\xe0", true },
		{ "\x0f\x0b", true },
		{ "\xf4", true },
		{ "\xff\xd0", false },
		{ "\xe8\x01\x02\x03\x04", false },
		{ "\x75\x00", false },
		{ "\x90", false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct instruction instruction;

		CHECK(instruction_decode((const uint8_t *)cases[i].bytes, 8, &instruction));
		CHECK_EQ(instruction.ends_flow, cases[i].ends);
	}
}

/* ---- hand-made programs ---------------------------------------------------------------------- */

static uint8_t file[TEST_FILE_SIZE], original[4096], marks[4096];
static struct rewrite_plan plan;

/*
 * Puts the functions one after the other at multiples of 16, with nops between them, and makes a
 * plan. @text_size: of the segment; what is behind the last function are nops, then zeros.
 */
static void plan_for(const char *const *codes, const size_t *sizes, uint32_t n, uint32_t text_size)
{
	static uint8_t text[4096];
	struct test_function functions[TEST_FUNCTIONS_MAX];
	uint32_t at = 0;

	memset(text, 0x90, sizeof(text));
	for (uint32_t i = 0; i < n; i++) {
		memcpy(text + at, codes[i], sizes[i]);
		functions[i] = (struct test_function){ (uint16_t)at, (uint16_t)sizes[i] };
		at = (uint32_t)align_up(at + sizes[i], 16);
	}
	test_program(file, text, text_size, functions, n);
	memcpy(original, file + TEST_TEXT_OFFSET, sizeof(original));
	CHECK_EQ(rewrite_plan_make(file, sizeof(file), &plan), 0);
	rewrite_plan_apply(&plan, file + TEST_TEXT_OFFSET, true);
	memset(marks, 0, sizeof(marks));
	CHECK(check_plan(&plan, original, file + TEST_TEXT_OFFSET, marks) == NULL);
}

#define PLAN_FOR_ONE(code_, text_size_) \
	plan_for((const char *[]){ code_ }, (size_t[]){ sizeof(code_) - 1 }, 1, text_size_)

#define GETPID "\xb8\x27\x00\x00\x00\x0f\x05\xc3"
#define READ   "\x31\xc0\x0f\x05\xc3"

TEST(site_with_its_number_before_is_direct)
{
	PLAN_FOR_ONE(GETPID, 256);
	CHECK_EQ(plan.counts.n_sites, 1);
	CHECK_EQ(plan.counts.n_direct, 1);
	/* the system call stays for who jumps to it */
	CHECK_EQ(memcmp(file + TEST_TEXT_OFFSET + 5, "\x0f\x05\xc3", 3), 0);
	rewrite_plan_release(&plan);
}

TEST(site_with_any_number_needs_a_hole_near)
{
	static const char *const codes[] = { READ, READ };

	plan_for(codes, (size_t[]){ 5, 5 }, 2, 256);
	CHECK_EQ(plan.counts.n_sites, 2);
	CHECK_EQ(plan.counts.n_spring, 2);
	rewrite_plan_release(&plan);
	PLAN_FOR_ONE(READ, 256); /* the zeros at the end are too far away */
	CHECK_EQ(plan.counts.n_no_hole, 1);
	CHECK_EQ(plan.n_edits, 0);
	rewrite_plan_release(&plan);
}

TEST(return_from_signals_stays)
{
	PLAN_FOR_ONE("\x48\xc7\xc0\x0f\x00\x00\x00\x0f\x05", 256);
	CHECK_EQ(plan.counts.n_sigreturn, 1);
	CHECK_EQ(plan.n_edits, 0);
	rewrite_plan_release(&plan);
	PLAN_FOR_ONE("\xb8\x0f\x00\x00\x00\x0f\x05", 256);
	CHECK_EQ(plan.counts.n_sigreturn, 1);
	rewrite_plan_release(&plan);
}

TEST(function_that_does_not_decode_stays)
{
	PLAN_FOR_ONE(GETPID "\x06", 256); /* no instruction */
	CHECK_EQ(plan.counts.n_sites, 0);
	CHECK_EQ(plan.counts.n_unproved, 1);
	rewrite_plan_release(&plan);
	PLAN_FOR_ONE(GETPID "\xb8\x01", 256); /* the last one goes on behind the end */
	CHECK_EQ(plan.counts.n_sites, 0);
	rewrite_plan_release(&plan);
}

TEST(bytes_of_other_instructions_are_no_site)
{
	/* mov $0x050f27b8, %eax; movabs with all of a site in it */
	PLAN_FOR_ONE("\xb8\xb8\x27\x0f\x05\xc3", 256);
	CHECK_EQ(plan.counts.n_sites, 0);
	CHECK_EQ(plan.counts.n_unproved, 1);
	rewrite_plan_release(&plan);
	PLAN_FOR_ONE("\x48\xb8\xb8\x27\x00\x00\x00\x0f\x05\xc3\xc3", 256);
	CHECK_EQ(plan.counts.n_sites, 0);
	rewrite_plan_release(&plan);
	/* a number with a prefix is not five bytes */
	PLAN_FOR_ONE("\x66\xb8\x27\x00\x0f\x05\xc3", 256);
	CHECK_EQ(plan.counts.n_direct, 0);
	rewrite_plan_release(&plan);
}

/* Two functions that read, with eleven bytes between them. */
static void plan_with_between(const char *between)
{
	const struct test_function functions[] = { { 0, 5 }, { 16, 5 } };
	uint8_t text[32];

	memset(text, 0x90, sizeof(text));
	memcpy(text, READ, 5);
	memcpy(text + 5, between, strlen(between));
	memcpy(text + 16, READ, 5);
	test_program(file, text, sizeof(text), functions, 2);
	/* no room at the end, either */
	memset(file + TEST_TEXT_OFFSET + sizeof(text), 1, TEST_FILE_SIZE - TEST_TEXT_OFFSET - 32);
	CHECK_EQ(rewrite_plan_make(file, sizeof(file), &plan), 0);
	rewrite_plan_release(&plan);
}

TEST(what_is_no_filler_is_no_hole)
{
	plan_with_between("\x31\xc0\xc3"); /* code that is in no table */
	CHECK_EQ(plan.counts.n_spring, 0);
	plan_with_between("\xf3\x90"); /* pause */
	CHECK_EQ(plan.counts.n_spring, 0);
	CHECK_EQ(plan.counts.n_no_hole, 2);
}

TEST(space_that_is_run_into_is_no_hole)
{
	static const char *const codes[] = { "\x31\xc0\x0f\x05\xe8\x01\x01\x01\x01", READ };

	/* whoever is called may come back */
	plan_for(codes, (size_t[]){ 9, 5 }, 2, 256);
	CHECK_EQ(plan.counts.n_sites, 2);
	CHECK_EQ(plan.counts.n_spring, 0);
	rewrite_plan_release(&plan);
}

TEST(functions_that_overlap_are_left_out)
{
	const struct test_function functions[] = { { 0, 8 }, { 4, 4 }, { 16, 8 } };
	uint8_t text[64];

	memset(text, 0x90, sizeof(text));
	memcpy(text, GETPID, 8);
	memcpy(text + 16, GETPID, 8);
	test_program(file, text, sizeof(text), functions, 3);
	CHECK_EQ(rewrite_plan_make(file, sizeof(file), &plan), 0);
	CHECK_EQ(plan.counts.n_sites, 1);
	CHECK_EQ(plan.counts.n_unproved, 1);
	rewrite_plan_release(&plan);
}

TEST(full_text_has_no_room)
{
	static const char *const codes[] = { GETPID "\x90\x90\x90\x90\x90\x90\x90\xc3" };

	plan_for(codes, (size_t[]){ 16 }, 1, 4096);
	CHECK_EQ(plan.counts.n_no_hole, 1);
	CHECK_EQ(plan.n_edits, 0);
	rewrite_plan_release(&plan);
}

TEST(stubs_alone_leave_functions_as_they_are)
{
	PLAN_FOR_ONE(GETPID, 256);
	memcpy(file + TEST_TEXT_OFFSET, original, sizeof(original));
	rewrite_plan_apply(&plan, file + TEST_TEXT_OFFSET, false);
	CHECK_EQ(memcmp(file + TEST_TEXT_OFFSET, original, 8), 0);
	CHECK(memcmp(file + TEST_TEXT_OFFSET, original, sizeof(original)) != 0);
	rewrite_plan_release(&plan);
}

TEST(text_that_can_be_written_stays)
{
	const struct test_function function = { 0, 8 };
	struct elf_program program;

	test_program(file, (const uint8_t *)GETPID, 8, &function, 1);
	memcpy(&program, file + 64, sizeof(program));
	program.flags |= 2;
	memcpy(file + 64, &program, sizeof(program));
	CHECK_EQ(rewrite_plan_make(file, sizeof(file), &plan), -ERR_UNSUPPORTED);
}

/* ---- files that are broken ------------------------------------------------------------------- */

static void try_file(const uint8_t *bytes, size_t size)
{
	uint8_t *copy = malloc(size == 0 ? 1 : size); /* so that no byte behind it can be read */

	memcpy(copy, bytes, size);
	if (rewrite_plan_make(copy, size, &plan) == 0) {
		memcpy(original, copy + plan.file_offset, plan.text_size);
		rewrite_plan_apply(&plan, copy + plan.file_offset, true);
		memset(marks, 0, sizeof(marks));
		CHECK(check_plan(&plan, original, copy + plan.file_offset, marks) == NULL);
		rewrite_plan_release(&plan);
	}
	free(copy);
}

TEST(broken_files_do_no_harm)
{
	const struct test_function functions[] = { { 0, 8 }, { 16, 5 }, { 32, 8 } };
	uint8_t text[48], *bad = malloc(TEST_FILE_SIZE);
	uint32_t seed = 0x7ea51;

	memset(text, 0x90, sizeof(text));
	memcpy(text, GETPID, 8);
	memcpy(text + 16, READ, 5);
	memcpy(text + 32, GETPID, 8);
	test_program(file, text, sizeof(text), functions, 3);
	for (size_t size = 0; size <= TEST_FILE_SIZE; size += size < 700 ? 1 : 509) {
		try_file(file, size);
	}
	for (unsigned i = 0; i < 20000; i++) {
		memcpy(bad, file, TEST_FILE_SIZE);
		for (unsigned n = 0; n <= i % 3; n++) {
			seed = seed * 1664525 + 1013904223;
			/* in what is not all zero */
			bad[(seed >> 8) % 3 == 0 ? TEST_TEXT_OFFSET + (seed >> 16) % 64
						 : (seed >> 16) % 640] = (uint8_t)(seed >> 4);
		}
		try_file(bad, TEST_FILE_SIZE);
	}
	free(bad);
}

/* ---- files of this machine ------------------------------------------------------------------- */

static uint8_t *read_file(const char *path, size_t *out_size)
{
	FILE *stream = fopen(path, "rb");
	uint8_t *bytes = NULL;

	if (stream != NULL) {
		(void)!fseek(stream, 0, SEEK_END);
		*out_size = (size_t)ftell(stream);
		rewind(stream);
		bytes = malloc(*out_size + 1);
		if (fread(bytes, 1, *out_size, stream) != *out_size) {
			free(bytes);
			bytes = NULL;
		}
		(void)!fclose(stream);
	}
	return bytes;
}

/* Most of the sites of a C library can be rewritten. */
static void check_real(const char *path)
{
	size_t size;
	uint8_t *bytes = read_file(path, &size);

	if (bytes == NULL) {
		printf("# %s: not here\n", path);
		return;
	}
	CHECK_EQ(rewrite_plan_make(bytes, size, &plan), 0);

	const struct rewrite_counts *counts = &plan.counts;
	uint8_t *before = malloc(plan.text_size), *seen = calloc(plan.text_size, 1);

	memcpy(before, bytes + plan.file_offset, plan.text_size);
	rewrite_plan_apply(&plan, bytes + plan.file_offset, true);
	CHECK(check_plan(&plan, before, bytes + plan.file_offset, seen) == NULL);
	printf("# %s: %u sites: %u direct, %u springs; %u without a hole, %u sigreturn; %u other\n",
		path, counts->n_sites, counts->n_direct, counts->n_spring, counts->n_no_hole,
		counts->n_sigreturn, counts->n_unproved);
	CHECK(counts->n_sites > 20);
	CHECK(counts->n_unproved < counts->n_sites / 10);
	CHECK((counts->n_direct + counts->n_spring) * 100 > counts->n_sites * 80);
	free(before);
	free(seen);
	free(bytes);
	rewrite_plan_release(&plan);
}

TEST(programs_of_this_machine)
{
	check_real("/lib/x86_64-linux-gnu/libc.so.6");
	check_real("/lib64/ld-linux-x86-64.so.2");
	check_real("/bin/busybox");
	check_real("/bin/bash-static");
}

TEST(no_memory_is_lost)
{
	CHECK_EQ(fake_n_blocks, 0);
}

TEST_MAIN()

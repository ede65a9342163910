/* SPDX-License-Identifier: MIT */
/* For tests and fuzzing: a program file of one page of headers and one of text. */
#ifndef POSIX_REWRITE_TEST_PROGRAM_H
#define POSIX_REWRITE_TEST_PROGRAM_H

#include <base/string.h>
#include <elf/elf.h>

constexpr uint32_t TEST_TEXT_OFFSET = 4096, TEST_FILE_SIZE = 8192;
constexpr uint32_t TEST_FRAMES_OFFSET = 512, TEST_FUNCTIONS_MAX = 100;
constexpr uint64_t TEST_BASE = 0x400000;

struct test_function {
	uint16_t start, size; /* in the text */
};

/* The common record, with its length; then one of 20 bytes for each function, and a zero. */
static inline void test_put_frames(
	uint8_t *frames, const struct test_function *functions, uint32_t n)
{
	static const uint8_t common[] = { 20, 0, 0, 0, 0, 0, 0, 0, 1, 'z', 'R', 0, 1, 0x78, 16, 1,
		0x1b, 12, 7, 8, 0x90, 1, 0, 0 };

	memcpy(frames, common, sizeof(common));
	for (uint32_t i = 0; i < n; i++) {
		uint32_t at = (uint32_t)sizeof(common) + 20 * i;
		uint32_t record[5] = { 16, at + 4,
			TEST_TEXT_OFFSET + functions[i].start - (TEST_FRAMES_OFFSET + at + 8),
			functions[i].size, 0 };

		memcpy(frames + at, record, sizeof(record));
	}
}

/**
 * test_program() - build it
 * @file: TEST_FILE_SIZE bytes
 * @n: of functions, up to TEST_FUNCTIONS_MAX
 */
static inline void test_program(uint8_t *file, const uint8_t *text, uint32_t text_size,
	const struct test_function *functions, uint32_t n)
{
	static const char names[] = "\0.eh_frame";
	struct elf_header header = {
		.ident = { 0x7f, 'E', 'L', 'F', 2, 1, 1 },
		.type = 2,
		.machine = ELF_MACHINE_NATIVE,
		.version = 1,
		.program_offset = sizeof(header),
		.section_offset = 256,
		.header_size = sizeof(header),
		.program_entry_size = sizeof(struct elf_program),
		.n_programs = 1,
		.section_entry_size = sizeof(struct elf_section),
		.n_sections = 2,
	};
	struct elf_program program = {
		.type = ELF_PROGRAM_LOAD,
		.flags = 5,
		.offset = TEST_TEXT_OFFSET,
		.vaddr = TEST_BASE + TEST_TEXT_OFFSET,
		.file_size = text_size,
		.memory_size = text_size,
		.alignment = 4096,
	};
	struct elf_section sections[2] = {
		{ .offset = 480, .size = sizeof(names) },
		{
			.name = 1,
			.type = 1,
			.offset = TEST_FRAMES_OFFSET,
			.vaddr = TEST_BASE + TEST_FRAMES_OFFSET,
			.size = 24 + 20 * n,
		},
	};

	memset(file, 0, TEST_FILE_SIZE);
	memcpy(file, &header, sizeof(header));
	memcpy(file + sizeof(header), &program, sizeof(program));
	memcpy(file + 256, sections, sizeof(sections));
	memcpy(file + 480, names, sizeof(names));
	test_put_frames(file + TEST_FRAMES_OFFSET, functions, n);
	memcpy(file + TEST_TEXT_OFFSET, text, text_size);
}

#endif

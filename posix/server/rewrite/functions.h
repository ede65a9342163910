/* SPDX-License-Identifier: MIT */
/*
 * Where the functions of an ELF file are, from its unwind tables (section .eh_frame, which static
 * programs have as well, unlike the index of it that dynamic ones are loaded with).
 *
 * Compilers and assemblers write these tables for whoever unwinds stacks; so they are right about
 * where code begins and ends, which nothing else in a stripped file tells. All of it is checked
 * against the file's size. What is anything else than usual is left out, and so are functions that
 * overlap.
 */
#ifndef POSIX_REWRITE_FUNCTIONS_H
#define POSIX_REWRITE_FUNCTIONS_H

#include <base/types.h>

/* A loaded segment that may be executed. */
struct rewrite_text {
	const uint8_t *bytes; /* size_bytes of them */
	uint32_t size_bytes;
	uint64_t vaddr;
};

struct function {
	uint32_t start, end; /* offsets in the text, start < end <= size */
};

struct functions {
	uint32_t n_functions;
	struct function *functions; /* ascending, disjoint; helix_malloc */
};

/**
 * functions_read() - find them
 * @file: the whole file, anything
 *
 * Return: 0 (there may be none), -ERR_NO_MEMORY.
 */
MUST_USE int functions_read(const uint8_t *file, size_t size, const struct rewrite_text *text,
	struct functions *out_functions);
void functions_release(struct functions *functions);

#endif

/* SPDX-License-Identifier: MIT */
/* The file being compiled, positions in it, and error messages. */
#ifndef BRAGI_SOURCE_H
#define BRAGI_SOURCE_H

#include <base/types.h>

struct source {
	const char *path; /* as given on the command line */
	const char *name; /* its last component, for generated comments */
	char *text;       /* terminated */
	size_t size;
};

struct position {
	uint32_t line;   /* from 1 */
	uint32_t column; /* from 1, in bytes */
};

/** source_read() - load a file, or exit with a message */
void source_read(struct source *source, const char *path);

/**
 * source_fail() - print `path:line:column: error: ...` with the line below it, and exit
 *
 * The first error ends the compilation: later ones are usually its consequences.
 */
NORETURN PRINTF_LIKE(3, 4) void source_fail(
	const struct source *source, struct position position, const char *format, ...);

/** pool_allocate() - zeroed memory that lives until the program ends */
void *pool_allocate(size_t size);

/** pool_format() - a formatted string that lives until the program ends */
PRINTF_LIKE(1, 2) char *pool_format(const char *format, ...);

/** pool_copy() - a terminated copy of @size bytes that lives until the program ends */
char *pool_copy(const char *text, size_t size);

#endif

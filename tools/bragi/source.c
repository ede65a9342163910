/* SPDX-License-Identifier: MIT */
/* Source text and error messages: see source.h. */
#include "source.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* All memory of the compiler hangs on one list, so that leak checkers see that it is in use. */
struct pool_block {
	struct pool_block *next;
	ALIGNED(16) char data[];
};

static struct pool_block *pool_blocks;

void *pool_allocate(size_t size)
{
	struct pool_block *block = calloc(1, sizeof(*block) + size);

	if (block == NULL) {
		fputs("bragi: out of memory\n", stderr);
		exit(1);
	}
	block->next = pool_blocks;
	pool_blocks = block;
	return block->data;
}

char *pool_copy(const char *text, size_t size)
{
	char *copy = pool_allocate(size + 1);

	memcpy(copy, text, size);
	return copy;
}

char *pool_format(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	int length = vsnprintf(NULL, 0, format, arguments);

	va_end(arguments);
	char *text = pool_allocate((size_t)length + 1);

	va_start(arguments, format);
	vsnprintf(text, (size_t)length + 1, format, arguments);
	va_end(arguments);
	return text;
}

void source_read(struct source *source, const char *path)
{
	FILE *file = fopen(path, "rb");
	const char *slash = strrchr(path, '/');
	size_t n_read;
	char chunk[4096];

	*source = (struct source){ .path = path, .name = slash != NULL ? slash + 1 : path };
	if (file == NULL) {
		fprintf(stderr, "bragi: cannot open %s: %s\n", path, strerror(errno));
		exit(1);
	}
	while ((n_read = fread(chunk, 1, sizeof(chunk), file)) > 0) {
		char *text = realloc(source->text, source->size + n_read + 1);

		if (text == NULL) {
			fputs("bragi: out of memory\n", stderr);
			exit(1);
		}
		memcpy(text + source->size, chunk, n_read);
		source->text = text;
		source->size += n_read;
		source->text[source->size] = '\0';
	}
	fclose(file);
	if (source->text == NULL) {
		source->text = calloc(1, 1);
	}
}

/* Print line @number of the source with a caret below @column. */
static void source_show(const struct source *source, struct position position)
{
	const char *line = source->text;

	for (uint32_t number = 1; number < position.line && strchr(line, '\n') != NULL; number++) {
		line = strchr(line, '\n') + 1;
	}
	fprintf(stderr, "    %.*s\n    ", (int)strcspn(line, "\n"), line);
	for (uint32_t column = 1; column < position.column; column++) {
		fputc(line[column - 1] == '\t' ? '\t' : ' ', stderr);
	}
	fputs("^\n", stderr);
}

void source_fail(const struct source *source, struct position position, const char *format, ...)
{
	va_list arguments;

	fprintf(stderr, "%s:%u:%u: error: ", source->path, position.line, position.column);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	source_show(source, position);
	exit(1);
}

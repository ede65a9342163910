/* SPDX-License-Identifier: MIT */
/*
 * bragi: the compiler of Hati's interface definition language.
 *
 *	bragi INPUT.bragi OUTPUT.gen.h OUTPUT.gen.c
 *
 * The language is described in docs/protocols/bragi.md. The compiler reads the whole file
 * (source.c, lexer.c, parser.c), checks it (check.c) and writes C (emit-*.c). Any error ends it
 * with status 1 and no output files.
 */
#include "check.h"
#include "emit.h"
#include "parser.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static FILE *open_output(const char *path)
{
	FILE *file = fopen(path, "wb");

	if (file == NULL) {
		fprintf(stderr, "bragi: cannot create %s: %s\n", path, strerror(errno));
		exit(1);
	}
	return file;
}

static void close_output(FILE *file, const char *path)
{
	bool has_failed = ferror(file) != 0;

	if (fclose(file) != 0 || has_failed) {
		fprintf(stderr, "bragi: cannot write %s\n", path);
		remove(path);
		exit(1);
	}
}

int main(int n_arguments, char **arguments)
{
	struct source source;
	struct file file;

	if (n_arguments != 4) {
		fputs("usage: bragi INPUT.bragi OUTPUT.gen.h OUTPUT.gen.c\n", stderr);
		return 2;
	}
	const char *header_path = arguments[2];
	const char *source_path = arguments[3];
	const char *slash = strrchr(header_path, '/');

	source_read(&source, arguments[1]);
	parse_file(&source, &file);
	check_file(&file);

	FILE *header = open_output(header_path);

	emit_header(header, &file);
	close_output(header, header_path);

	FILE *code = open_output(source_path);

	emit_source(code, &file, slash != NULL ? slash + 1 : header_path);
	close_output(code, source_path);
	free(source.text);
	return 0;
}

/* SPDX-License-Identifier: MIT */
/* From text to tokens. */
#ifndef BRAGI_LEXER_H
#define BRAGI_LEXER_H

#include "source.h"

enum token_kind {
	TOKEN_END,
	TOKEN_NAME,   /* also keywords, which are reserved only where they mean something */
	TOKEN_NUMBER,
	TOKEN_STRING,
	TOKEN_ARROW,  /* -> */
	TOKEN_SIGN,   /* one of ( ) [ ] { } ; : , = */
};

/* A comment, without its marks, in the order of the file. */
struct comment {
	struct comment *next;
	const char *text; /* lines separated by \n, without leading blanks and stars */
	uint32_t line;    /* where it begins */
	uint32_t last_line;
};

struct token {
	enum token_kind kind;
	struct position position;
	const char *text; /* name, decoded string, or the sign; for messages also numbers */
	size_t length; /* of a string, which may contain zero bytes */
	uint64_t value; /* magnitude of a number */
	bool is_negative;
	struct comment *comments; /* that stand before it */
};

struct lexer {
	const struct source *source;
	const char *next;
	const char *line_start;
	uint32_t line;
	struct token token; /* the current one */
};

/** lexer_init() - start at the first token */
void lexer_init(struct lexer *lexer, const struct source *source);

/** lexer_advance() - go to the next token */
void lexer_advance(struct lexer *lexer);

/** token_describe() - the token as an error message names it */
const char *token_describe(const struct token *token);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * From text to tokens: see lexer.h.
 *
 * Comments that document (a `//` line, a block that begins with two stars) are kept with the token
 * that follows them; the parser decides what they belong to. Plain blocks are dropped.
 */
#include "lexer.h"

#include <ctype.h>
#include <string.h>

static struct position lexer_position(const struct lexer *lexer)
{
	return (struct position){
		.line = lexer->line,
		.column = (uint32_t)(lexer->next - lexer->line_start) + 1,
	};
}

static void lexer_newline(struct lexer *lexer, const char *line_start)
{
	lexer->line++;
	lexer->line_start = line_start;
}

/* Comment marks inside a comment would end or nest the one that it becomes in C: part them. */
static const char *lexer_disarm(const char *text)
{
	char *clean = pool_allocate(2 * strlen(text) + 1);
	char *to = clean;

	for (; *text != '\0'; text++) {
		*to++ = *text;
		if ((text[0] == '/' && text[1] == '*') || (text[0] == '*' && text[1] == '/')) {
			*to++ = ' ';
		}
	}
	return clean;
}

static void lexer_add_comment(struct lexer *lexer, const char *text, uint32_t line)
{
	struct comment **end = &lexer->token.comments;

	while (*end != NULL) {
		end = &(*end)->next;
	}
	*end = pool_allocate(sizeof(**end));
	**end = (struct comment){
		.text = lexer_disarm(text),
		.line = line,
		.last_line = lexer->line,
	};
}

static void lexer_line_comment(struct lexer *lexer)
{
	const char *text = lexer->next + 2;
	size_t length = strcspn(text, "\n");

	lexer->next = text + length;
	while (length > 0 && (*text == ' ' || *text == '/')) {
		text++;
		length--;
	}
	lexer_add_comment(lexer, pool_copy(text, length), lexer->line);
}

/* The text of a block comment: per line without the leading blanks and star. */
static const char *lexer_block_text(const char *text, size_t size)
{
	char *clean = pool_allocate(size + 1);
	size_t length = 0;
	const char *end = text + size;

	while (text < end) {
		while (text < end && (*text == ' ' || *text == '\t')) {
			text++;
		}
		if (text < end && *text == '*') {
			text += text + 1 < end && text[1] == ' ' ? 2 : 1;
		}
		while (text < end && *text != '\n') {
			clean[length++] = *text++;
		}
		while (length > 0 && (clean[length - 1] == ' ' || clean[length - 1] == '\t')) {
			length--;
		}
		if (text < end) {
			text++;
			clean[length] = '\n';
			length += length > 0; /* no empty line in front */
		}
	}
	while (length > 0 && isspace((unsigned char)clean[length - 1])) {
		length--;
	}
	clean[length] = '\0';
	return clean;
}

static void lexer_block_comment(struct lexer *lexer)
{
	struct position position = lexer_position(lexer);
	const char *end = strstr(lexer->next + 2, "*/");
	bool is_documentation = lexer->next[2] == '*' && lexer->next + 2 != end;

	if (end == NULL) {
		source_fail(lexer->source, position, "comment without end");
	}
	const char *text = lexer->next + 2 + is_documentation;

	for (const char *at = lexer->next; at < end; at++) {
		if (*at == '\n') {
			lexer_newline(lexer, at + 1);
		}
	}
	lexer->next = end + 2;
	if (is_documentation) {
		lexer_add_comment(
			lexer, lexer_block_text(text, (size_t)(end - text)), position.line);
	}
}

static void lexer_skip_blanks(struct lexer *lexer)
{
	for (;;) {
		if (lexer->next[0] == '\n') {
			lexer->next++;
			lexer_newline(lexer, lexer->next);
		} else if (isspace((unsigned char)lexer->next[0])) {
			lexer->next++;
		} else if (lexer->next[0] == '/' && lexer->next[1] == '/') {
			lexer_line_comment(lexer);
		} else if (lexer->next[0] == '/' && lexer->next[1] == '*') {
			lexer_block_comment(lexer);
		} else {
			return;
		}
	}
}

static void lexer_name(struct lexer *lexer)
{
	const char *start = lexer->next;

	while (isalnum((unsigned char)*lexer->next) || *lexer->next == '_') {
		lexer->next++;
	}
	lexer->token.kind = TOKEN_NAME;
	lexer->token.text = pool_copy(start, (size_t)(lexer->next - start));
}

static unsigned digit_value(char digit)
{
	if (isdigit((unsigned char)digit)) {
		return (unsigned)(digit - '0');
	}
	return isxdigit((unsigned char)digit) ? (unsigned)(tolower(digit) - 'a') + 10 : 99;
}

static void lexer_number(struct lexer *lexer)
{
	const char *start = lexer->next;
	unsigned base = 10;
	struct token *token = &lexer->token;

	token->is_negative = *lexer->next == '-';
	lexer->next += token->is_negative;
	if (lexer->next[0] == '0' && (lexer->next[1] == 'x' || lexer->next[1] == 'X')) {
		base = 16;
		lexer->next += 2;
	}
	if (digit_value(*lexer->next) >= base) {
		source_fail(lexer->source, token->position, "a digit has to follow");
	}
	for (; digit_value(*lexer->next) < base; lexer->next++) {
		unsigned digit = digit_value(*lexer->next);

		if (__builtin_mul_overflow(token->value, base, &token->value) ||
			__builtin_add_overflow(token->value, digit, &token->value)) {
			source_fail(
				lexer->source, token->position, "number does not fit into 64 bits");
		}
	}
	if (isalnum((unsigned char)*lexer->next) || *lexer->next == '_') {
		source_fail(lexer->source, lexer_position(lexer), "number runs into a letter");
	}
	token->kind = TOKEN_NUMBER;
	token->text = pool_copy(start, (size_t)(lexer->next - start));
}

/* One escape sequence after its backslash; leaves `next` behind it. */
static char lexer_escape(struct lexer *lexer)
{
	static const char letters[] = "n\nt\tr\r0\0\\\\\"\"";
	struct position position = lexer_position(lexer);
	char letter = *++lexer->next;

	for (size_t i = 0; i + 1 < sizeof(letters); i += 2) {
		if (letters[i] == letter) {
			lexer->next++;
			return letters[i + 1];
		}
	}
	source_fail(lexer->source, position, "unknown escape; known are \\n \\t \\r \\0 \\\\ \\\"");
}

static void lexer_string(struct lexer *lexer)
{
	char *text = pool_allocate(strlen(lexer->next) + 1);
	size_t length = 0;

	lexer->next++;
	while (*lexer->next != '"') {
		if (*lexer->next == '\0' || *lexer->next == '\n') {
			source_fail(lexer->source, lexer->token.position, "string without end");
		}
		text[length++] = *lexer->next == '\\' ? lexer_escape(lexer) : *lexer->next++;
	}
	lexer->next++;
	lexer->token.kind = TOKEN_STRING;
	lexer->token.text = text;
	lexer->token.length = length;
}

static void lexer_sign(struct lexer *lexer)
{
	char sign = *lexer->next;

	if (sign == '-' && lexer->next[1] == '>') {
		lexer->token.kind = TOKEN_ARROW;
		lexer->token.text = "->";
		lexer->next += 2;
		return;
	}
	if (strchr("()[]{};:,=", sign) == NULL) {
		source_fail(lexer->source, lexer->token.position, "unexpected %s",
			isprint((unsigned char)sign)
				? pool_format("character '%c'", sign)
				: pool_format("byte 0x%02x", (unsigned char)sign));
	}
	lexer->token.kind = TOKEN_SIGN;
	lexer->token.text = pool_copy(lexer->next, 1);
	lexer->next++;
}

void lexer_advance(struct lexer *lexer)
{
	lexer->token = (struct token){ 0 };
	lexer_skip_blanks(lexer);
	lexer->token.position = lexer_position(lexer);
	char first = *lexer->next;

	if (first == '\0') {
		if (lexer->next != lexer->source->text + lexer->source->size) {
			source_fail(lexer->source, lexer->token.position, "zero byte in the text");
		}
		lexer->token.kind = TOKEN_END;
		lexer->token.text = "end of file";
	} else if (isalpha((unsigned char)first) || first == '_') {
		lexer_name(lexer);
	} else if (isdigit((unsigned char)first) || (first == '-' && lexer->next[1] != '>')) {
		lexer_number(lexer);
	} else if (first == '"') {
		lexer_string(lexer);
	} else {
		lexer_sign(lexer);
	}
}

void lexer_init(struct lexer *lexer, const struct source *source)
{
	*lexer = (struct lexer){
		.source = source,
		.next = source->text,
		.line_start = source->text,
		.line = 1,
	};
	lexer_advance(lexer);
}

const char *token_describe(const struct token *token)
{
	switch (token->kind) {
	case TOKEN_END: return "end of file";
	case TOKEN_STRING: return "a string";
	default: return pool_format("'%s'", token->text);
	}
}

/* SPDX-License-Identifier: MIT */
/*
 * From tokens to the syntax tree, by recursive descent.
 *
 *	file      = [ "namespace" NAME ";" ] { enum | consts | struct | message | protocol }
 *	enum      = "enum" NAME [ ":" TYPE ] "{" constants "}"
 *	consts    = "consts" NAME TYPE "{" constants "}"
 *	constants = { NAME [ "=" NUMBER ] [ "," ] }
 *	struct    = "struct" NAME "{" { member } "}"
 *	message   = "message" NAME NUMBER "{" [ head ] [ "tail" ":" { member } ] "}"
 *	head      = "head" "(" NUMBER ")" ":" { member }
 *	member    = { "optional" | "tag" "(" NUMBER ")" } type NAME [ "=" literal ] ";"
 *	type      = NAME [ "[" [ NUMBER ] "]" ]
 *	protocol  = "protocol" NAME "{" { method } "}"
 *	method    = "call" [ NAME ":" ] NAME "->" NAME ";"  |  "send" [ NAME ":" ] NAME ";"
 *	literal   = NUMBER | STRING | NAME | "[" [ literal { "," literal } ] "]"
 *
 * A comment documents what it stands before; one on the same line behind a member, constant or
 * method documents that.
 */
#include "parser.h"

#include <string.h>

struct parser {
	struct lexer lexer;
	uint32_t last_line; /* of the token that was taken last */
};

static const struct token *parser_token(const struct parser *parser)
{
	return &parser->lexer.token;
}

NORETURN static void parser_expected(const struct parser *parser, const char *what)
{
	source_fail(parser->lexer.source, parser_token(parser)->position,
		"%s expected, but here is %s", what, token_describe(parser_token(parser)));
}

static struct token parser_take(struct parser *parser)
{
	struct token token = *parser_token(parser);

	parser->last_line = token.position.line;
	lexer_advance(&parser->lexer);
	return token;
}

static bool parser_is_sign(const struct parser *parser, char sign)
{
	return parser_token(parser)->kind == TOKEN_SIGN && parser_token(parser)->text[0] == sign;
}

static bool parser_is_word(const struct parser *parser, const char *word)
{
	return parser_token(parser)->kind == TOKEN_NAME &&
		strcmp(parser_token(parser)->text, word) == 0;
}

static bool parser_try_sign(struct parser *parser, char sign)
{
	bool is_there = parser_is_sign(parser, sign);

	if (is_there) {
		parser_take(parser);
	}
	return is_there;
}

static bool parser_try_word(struct parser *parser, const char *word)
{
	bool is_there = parser_is_word(parser, word);

	if (is_there) {
		parser_take(parser);
	}
	return is_there;
}

static void parser_sign(struct parser *parser, char sign)
{
	if (!parser_try_sign(parser, sign)) {
		parser_expected(parser, pool_format("'%c'", sign));
	}
}

static struct token parser_name(struct parser *parser, const char *what)
{
	if (parser_token(parser)->kind != TOKEN_NAME) {
		parser_expected(parser, what);
	}
	return parser_take(parser);
}

/* A number from 0 to @max. */
static uint64_t parser_number(struct parser *parser, const char *what, uint64_t max)
{
	const struct token *token = parser_token(parser);

	if (token->kind != TOKEN_NUMBER) {
		parser_expected(parser, what);
	}
	if (token->is_negative || token->value > max) {
		source_fail(parser->lexer.source, token->position, "%s must be from 0 to %llu",
			what, (unsigned long long)max);
	}
	return parser_take(parser).value;
}

/* ---- documentation --------------------------------------------------------------------------- */

static const char *join_comments(const struct comment *comments)
{
	const char *text = NULL;

	for (; comments != NULL; comments = comments->next) {
		text = text == NULL ? comments->text : pool_format("%s\n%s", text, comments->text);
	}
	return text;
}

/* The comments before the current token that belong to it: the last run without an empty line. */
static const char *parser_documentation(const struct parser *parser)
{
	const struct token *token = parser_token(parser);
	const struct comment *first = token->comments;

	for (const struct comment *at = first; at != NULL; at = at->next) {
		uint32_t next_line = at->next != NULL ? at->next->line : token->position.line;

		if (next_line > at->last_line + 1) {
			first = at->next;
		}
	}
	return join_comments(first);
}

/* A comment behind the thing just parsed, on its line, documents it. */
static const char *parser_documentation_behind(struct parser *parser, const char *before)
{
	struct comment *comment = parser_token(parser)->comments;

	if (comment == NULL || comment->line != parser->last_line) {
		return before;
	}
	parser->lexer.token.comments = comment->next;
	return before == NULL ? comment->text : pool_format("%s\n%s", before, comment->text);
}

/* ---- members --------------------------------------------------------------------------------- */

static void parse_type(struct parser *parser, struct type *out_type)
{
	struct token name = parser_name(parser, "a type");

	*out_type = (struct type){ .position = name.position, .name = name.text };
	if (!parser_try_sign(parser, '[')) {
		return;
	}
	out_type->array = ARRAY_DYNAMIC;
	if (!parser_is_sign(parser, ']')) {
		struct position position = parser_token(parser)->position;

		out_type->array = ARRAY_FIXED;
		out_type->array_length = parser_number(parser, "an array length", 65536);
		if (out_type->array_length == 0) {
			source_fail(
				parser->lexer.source, position, "an array needs at least one item");
		}
	}
	parser_sign(parser, ']');
	if (parser_is_sign(parser, '[')) {
		source_fail(parser->lexer.source, parser_token(parser)->position,
			"arrays of arrays do not exist; put the inner one into a struct");
	}
}

static void parse_literal(struct parser *parser, struct literal *out_literal)
{
	const struct token *token = parser_token(parser);

	*out_literal = (struct literal){ .position = token->position };
	list_init(&out_literal->items);
	if (parser_try_sign(parser, '[')) {
		out_literal->kind = LITERAL_ARRAY;
		while (!parser_try_sign(parser, ']')) {
			struct literal *item = pool_allocate(sizeof(*item));

			parse_literal(parser, item);
			list_push_back(&out_literal->items, &item->node);
			if (!parser_try_sign(parser, ',') && !parser_is_sign(parser, ']')) {
				parser_expected(parser, "',' or ']'");
			}
		}
		return;
	}
	switch (token->kind) {
	case TOKEN_NUMBER: out_literal->kind = LITERAL_NUMBER; break;
	case TOKEN_NAME: out_literal->kind = LITERAL_NAME; break;
	case TOKEN_STRING: out_literal->kind = LITERAL_STRING; break;
	default: parser_expected(parser, "a value");
	}
	out_literal->value = token->value;
	out_literal->is_negative = token->is_negative;
	out_literal->text = token->text;
	out_literal->length = token->length;
	parser_take(parser);
}

static void parse_tag(struct parser *parser, struct member *member)
{
	parser_sign(parser, '(');
	member->tag = (uint32_t)parser_number(parser, "a tag", UINT32_MAX);
	member->has_tag = true;
	member->is_optional = true;
	parser_sign(parser, ')');
}

static struct member *parse_member(struct parser *parser)
{
	struct member *member = pool_allocate(sizeof(*member));

	member->documentation = parser_documentation(parser);
	for (;;) {
		if (parser_try_word(parser, "optional")) {
			member->is_optional = true;
		} else if (parser_try_word(parser, "tag")) {
			parse_tag(parser, member);
		} else {
			break;
		}
	}
	parse_type(parser, &member->type);
	struct token name = parser_name(parser, "a member's name");

	member->name = name.text;
	member->position = name.position;
	if (parser_try_sign(parser, '=')) {
		parse_literal(parser, &member->default_value);
	}
	parser_sign(parser, ';');
	member->documentation = parser_documentation_behind(parser, member->documentation);
	return member;
}

static void parse_members(struct parser *parser, struct list *members)
{
	while (!parser_is_sign(parser, '}') && !parser_is_word(parser, "tail") &&
		parser_token(parser)->kind != TOKEN_END) {
		list_push_back(members, &parse_member(parser)->node);
	}
}

/* ---- declarations ---------------------------------------------------------------------------- */

static void parse_constants(struct parser *parser, struct declaration *declaration)
{
	parser_sign(parser, '{');
	while (!parser_try_sign(parser, '}')) {
		struct constant *constant = pool_allocate(sizeof(*constant));

		constant->documentation = parser_documentation(parser);
		struct token name = parser_name(parser, "a constant's name or '}'");

		constant->name = name.text;
		constant->position = name.position;
		if (parser_try_sign(parser, '=')) {
			if (parser_token(parser)->kind != TOKEN_NUMBER) {
				parser_expected(parser, "a number");
			}
			struct token number = parser_take(parser);

			constant->has_value = true;
			constant->value = number.value;
			constant->is_negative = number.is_negative;
		}
		if (!parser_try_sign(parser, ',') && !parser_is_sign(parser, '}')) {
			parser_expected(parser, "',' or '}'");
		}
		constant->documentation =
			parser_documentation_behind(parser, constant->documentation);
		list_push_back(&declaration->constants, &constant->node);
	}
}

static void parse_enum(struct parser *parser, struct declaration *declaration)
{
	declaration->base = (struct type){ .name = "uint32", .position = declaration->position };
	if (parser_try_sign(parser, ':')) {
		parse_type(parser, &declaration->base);
	}
	parse_constants(parser, declaration);
}

static void parse_consts(struct parser *parser, struct declaration *declaration)
{
	parse_type(parser, &declaration->base);
	parse_constants(parser, declaration);
}

static void parse_struct(struct parser *parser, struct declaration *declaration)
{
	parser_sign(parser, '{');
	parse_members(parser, &declaration->members);
	parser_sign(parser, '}');
}

static void parse_message(struct parser *parser, struct declaration *declaration)
{
	struct position position = parser_token(parser)->position;

	declaration->id = (uint32_t)parser_number(parser, "a message id", UINT32_MAX);
	if (declaration->id == 0) {
		source_fail(parser->lexer.source, position, "message id 0 means \"no message\"");
	}
	parser_sign(parser, '{');
	declaration->head_size = 8;
	if (parser_try_word(parser, "head")) {
		parser_sign(parser, '(');
		declaration->head_size = parser_number(parser, "a head size", 65536);
		parser_sign(parser, ')');
		parser_sign(parser, ':');
		parse_members(parser, &declaration->members);
	}
	if (parser_try_word(parser, "tail")) {
		parser_sign(parser, ':');
		parse_members(parser, &declaration->tail);
	}
	if (!parser_try_sign(parser, '}')) {
		parser_expected(parser, "'head', 'tail' or '}'");
	}
}

static void parse_method(struct parser *parser, struct declaration *declaration)
{
	struct method *method = pool_allocate(sizeof(*method));

	method->documentation = parser_documentation(parser);
	bool is_call = parser_try_word(parser, "call");

	if (!is_call && !parser_try_word(parser, "send")) {
		parser_expected(parser, "'call', 'send' or '}'");
	}
	struct token name = parser_name(parser, "a message's name");

	method->position = name.position;
	if (parser_try_sign(parser, ':')) {
		method->name = name.text;
		name = parser_name(parser, "a message's name");
	}
	method->request_name = name.text;
	method->request_position = name.position;
	if (is_call) {
		if (parser_token(parser)->kind != TOKEN_ARROW) {
			parser_expected(parser, "'->'");
		}
		parser_take(parser);
		struct token reply = parser_name(parser, "the reply message's name");

		method->reply_name = reply.text;
		method->reply_position = reply.position;
	}
	parser_sign(parser, ';');
	method->documentation = parser_documentation_behind(parser, method->documentation);
	list_push_back(&declaration->methods, &method->node);
}

static void parse_protocol(struct parser *parser, struct declaration *declaration)
{
	parser_sign(parser, '{');
	while (!parser_try_sign(parser, '}')) {
		parse_method(parser, declaration);
	}
}

static const struct {
	const char *word;
	enum declaration_kind kind;
	void (*parse)(struct parser *parser, struct declaration *declaration);
} parser_declarations[] = {
	{ "enum", DECLARATION_ENUM, parse_enum },
	{ "consts", DECLARATION_CONSTS, parse_consts },
	{ "struct", DECLARATION_STRUCT, parse_struct },
	{ "message", DECLARATION_MESSAGE, parse_message },
	{ "protocol", DECLARATION_PROTOCOL, parse_protocol },
};

static struct declaration *parse_declaration(struct parser *parser)
{
	struct declaration *declaration = pool_allocate(sizeof(*declaration));
	const char *documentation = parser_documentation(parser);

	for (size_t i = 0; i < ARRAY_SIZE(parser_declarations); i++) {
		if (!parser_try_word(parser, parser_declarations[i].word)) {
			continue;
		}
		struct token name = parser_name(parser, "a name");

		*declaration = (struct declaration){
			.kind = parser_declarations[i].kind,
			.name = name.text,
			.position = name.position,
			.documentation = documentation,
		};
		list_init(&declaration->constants);
		list_init(&declaration->members);
		list_init(&declaration->tail);
		list_init(&declaration->methods);
		parser_declarations[i].parse(parser, declaration);
		parser_try_sign(parser, ';');
		return declaration;
	}
	parser_expected(parser, "'enum', 'consts', 'struct', 'message' or 'protocol'");
}

void parse_file(const struct source *source, struct file *out_file)
{
	struct parser parser = { 0 };

	*out_file = (struct file){ .source = source };
	list_init(&out_file->declarations);
	lexer_init(&parser.lexer, source);
	if (parser_is_word(&parser, "namespace")) {
		out_file->documentation = join_comments(parser_take(&parser).comments);
		out_file->name_space = parser_name(&parser, "a name").text;
		parser_sign(&parser, ';');
	}
	while (parser_token(&parser)->kind != TOKEN_END) {
		list_push_back(&out_file->declarations, &parse_declaration(&parser)->node);
	}
}

/* SPDX-License-Identifier: MIT */
/* The syntax tree of a bragi file; the checker fills in what is marked so. */
#ifndef BRAGI_SYNTAX_H
#define BRAGI_SYNTAX_H

#include "lexer.h"

#include <base/list.h>

struct declaration;

enum type_kind {
	TYPE_INTEGER,
	TYPE_STRING,
	TYPE_ENUM,   /* and consts */
	TYPE_STRUCT,
};

enum array_kind {
	ARRAY_NONE,
	ARRAY_FIXED,   /* T[N] */
	ARRAY_DYNAMIC, /* T[] */
};

struct type {
	struct position position;
	const char *name;                      /* as written */
	enum type_kind kind;                   /* checked */
	unsigned size;    /* of an integer, in bytes; checked */
	bool is_signed;   /* checked */
	const struct declaration *declaration; /* of an enum or struct; checked */
	enum array_kind array;
	uint64_t array_length; /* of a fixed one */
};

enum literal_kind {
	LITERAL_NONE,
	LITERAL_NUMBER,
	LITERAL_NAME, /* of an enum's constant */
	LITERAL_STRING,
	LITERAL_ARRAY,
};

struct literal {
	struct position position;
	enum literal_kind kind;
	uint64_t value; /* magnitude */
	bool is_negative;
	const char *text;
	size_t length;
	struct list items; /* struct literal */
	struct list_node node;
};

struct member {
	struct list_node node;
	struct position position;
	const char *documentation; /* or NULL */
	struct type type;
	const char *name;
	bool is_optional; /* tagged ones are, too */
	bool has_tag;
	uint32_t tag;
	struct literal default_value;
};

struct constant {
	struct list_node node;
	struct position position;
	const char *documentation;
	const char *name;
	bool has_value;
	bool is_negative; /* the value is, after checking; written or one above the predecessor */
	uint64_t value;   /* two's complement after checking */
};

struct method {
	struct list_node node;
	struct position position;
	const char *documentation;
	const char *name; /* NULL: from the request's name; filled in by the checker */
	const char *request_name;
	const char *reply_name;            /* NULL: one-way */
	struct position request_position;
	struct position reply_position;
	const struct declaration *request; /* checked */
	const struct declaration *reply;   /* checked */
};

enum declaration_kind {
	DECLARATION_ENUM,
	DECLARATION_CONSTS,
	DECLARATION_STRUCT,
	DECLARATION_MESSAGE,
	DECLARATION_PROTOCOL,
};

struct declaration {
	struct list_node node;
	enum declaration_kind kind;
	struct position position;
	const char *documentation;
	const char *name;

	struct type base;      /* enum, consts: the integer type */
	struct list constants; /* enum, consts: struct constant */

	struct list members; /* struct; message: its head */
	struct list tail;    /* message */
	uint32_t id;         /* message */
	uint64_t head_size;  /* message */
	uint64_t wire_size_min; /* struct: of one on the wire; checked */
	bool is_in_span;     /* enum, struct: some T[] of it exists; checked */

	struct list methods; /* protocol */
};

struct file {
	const struct source *source;
	const char *name_space;    /* NULL without */
	const char *documentation; /* comments before the namespace, or NULL */
	struct list declarations;
};

#endif

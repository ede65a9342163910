/* SPDX-License-Identifier: MIT */
/*
 * The checker: see check.h.
 *
 * Declarations are checked in the order of the file and may use only what stands above them, so
 * there are no cycles and C can take the same order.
 */
#include "check.h"

#include <string.h>

struct checker {
	const struct file *file;
	const struct declaration *current;
};

static const struct {
	const char *name;
	unsigned size;
	bool is_signed;
} builtin_integers[] = {
	{ "byte", 1, false },
	{ "uint8", 1, false },
	{ "uint16", 2, false },
	{ "uint32", 4, false },
	{ "uint64", 8, false },
	{ "int8", 1, true },
	{ "int16", 2, true },
	{ "int32", 4, true },
	{ "int64", 8, true },
};

/* Members become members of C structures. */
static const char *const c_keywords[] = {
	"alignas",
	"alignof",
	"asm",
	"auto",
	"bool",
	"break",
	"case",
	"char",
	"const",
	"constexpr",
	"continue",
	"default",
	"do",
	"double",
	"else",
	"enum",
	"extern",
	"false",
	"float",
	"for",
	"goto",
	"if",
	"inline",
	"int",
	"long",
	"nullptr",
	"register",
	"restrict",
	"return",
	"short",
	"signed",
	"sizeof",
	"static",
	"static_assert",
	"struct",
	"switch",
	"thread_local",
	"true",
	"typedef",
	"typeof",
	"typeof_unqual",
	"union",
	"unsigned",
	"void",
	"volatile",
	"while",
};

#define FAIL(position, ...) source_fail(checker->file->source, position, __VA_ARGS__)

static void check_name(const struct checker *checker, struct position position, const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(c_keywords); i++) {
		if (strcmp(name, c_keywords[i]) == 0) {
			FAIL(position, "'%s' is a keyword of C", name);
		}
	}
}

/* ---- types ----------------------------------------------------------------------------------- */

/*
 * The declaration of a name, which must stand above the current one; NULL if there is none at all.
 */
static struct declaration *checker_find(
	const struct checker *checker, struct position position, const char *name)
{
	bool is_above = true;

	LIST_FOR_EACH(declaration, &checker->file->declarations, struct declaration, node) {
		is_above = is_above && declaration != checker->current;
		if (strcmp(declaration->name, name) != 0) {
			continue;
		}
		if (!is_above) {
			FAIL(position, "'%s' is declared in line %u, but must stand above its use",
				name, declaration->position.line);
		}
		return declaration;
	}
	return NULL;
}

static bool check_builtin_type(struct type *type)
{
	if (strcmp(type->name, "string") == 0) {
		type->kind = TYPE_STRING;
		return true;
	}
	for (size_t i = 0; i < ARRAY_SIZE(builtin_integers); i++) {
		if (strcmp(type->name, builtin_integers[i].name) == 0) {
			type->kind = TYPE_INTEGER;
			type->size = builtin_integers[i].size;
			type->is_signed = builtin_integers[i].is_signed;
			return true;
		}
	}
	return false;
}

static void check_type(const struct checker *checker, struct type *type)
{
	if (check_builtin_type(type)) {
		return;
	}
	struct declaration *declaration = checker_find(checker, type->position, type->name);

	if (declaration == NULL) {
		FAIL(type->position, "there is no type '%s'", type->name);
	}
	type->declaration = declaration;
	switch (declaration->kind) {
	case DECLARATION_ENUM:
	case DECLARATION_CONSTS:
		type->kind = TYPE_ENUM;
		type->size = declaration->base.size;
		type->is_signed = declaration->base.is_signed;
		break;
	case DECLARATION_STRUCT: type->kind = TYPE_STRUCT; break;
	default: FAIL(type->position, "'%s' is not a type", type->name);
	}
	declaration->is_in_span = declaration->is_in_span || type->array == ARRAY_DYNAMIC;
}

uint64_t type_item_wire_size_min(const struct type *type)
{
	switch (type->kind) {
	case TYPE_STRING: return 5;
	case TYPE_STRUCT: return type->declaration->wire_size_min;
	default: return type->size;
	}
}

uint64_t type_wire_size_min(const struct type *type)
{
	switch (type->array) {
	case ARRAY_DYNAMIC: return 4;
	case ARRAY_FIXED: return type->array_length * type_item_wire_size_min(type);
	default: return type_item_wire_size_min(type);
	}
}

static uint64_t members_wire_size_min(const struct list *members)
{
	uint64_t size = 0;

	LIST_FOR_EACH(member, members, struct member, node) {
		if (!member->has_tag) {
			size += member->is_optional ? 1 : type_wire_size_min(&member->type);
		}
	}
	return size;
}

/* ---- values ---------------------------------------------------------------------------------- */

static bool is_in_range(const struct type *type, uint64_t magnitude, bool is_negative)
{
	unsigned n_bits = 8 * type->size;

	if (!type->is_signed) {
		return (!is_negative || magnitude == 0) &&
			(n_bits == 64 || magnitude >> n_bits == 0);
	}
	uint64_t limit = (uint64_t)1 << (n_bits - 1);

	return is_negative ? magnitude <= limit : magnitude < limit;
}

static bool enum_has_constant(const struct declaration *declaration, const char *name)
{
	LIST_FOR_EACH(constant, &declaration->constants, struct constant, node) {
		if (strcmp(constant->name, name) == 0) {
			return true;
		}
	}
	return false;
}

static void check_scalar_default(
	const struct checker *checker, const struct type *type, const struct literal *literal)
{
	switch (type->kind) {
	case TYPE_INTEGER:
		if (literal->kind != LITERAL_NUMBER) {
			FAIL(literal->position, "the default of a %s is a number", type->name);
		}
		if (!is_in_range(type, literal->value, literal->is_negative)) {
			FAIL(literal->position, "%s does not fit into %s", literal->text,
				type->name);
		}
		break;
	case TYPE_ENUM:
		if (literal->kind != LITERAL_NAME ||
			!enum_has_constant(type->declaration, literal->text)) {
			FAIL(literal->position, "the default is one of the constants of '%s'",
				type->name);
		}
		break;
	case TYPE_STRING:
		if (literal->kind != LITERAL_STRING) {
			FAIL(literal->position, "the default of a string is a string");
		}
		if (memchr(literal->text, 0, literal->length) != NULL) {
			FAIL(literal->position, "strings contain no zero bytes");
		}
		break;
	case TYPE_STRUCT: FAIL(literal->position, "a struct cannot have a default");
	}
}

static void check_default(const struct checker *checker, const struct member *member)
{
	const struct literal *literal = &member->default_value;

	if (literal->kind == LITERAL_NONE) {
		return;
	}
	if (checker->current->kind != DECLARATION_MESSAGE) {
		FAIL(literal->position, "only members of messages have defaults");
	}
	if (member->type.array == ARRAY_NONE) {
		check_scalar_default(checker, &member->type, literal);
		return;
	}
	if (literal->kind != LITERAL_ARRAY) {
		FAIL(literal->position, "the default of an array is a list in brackets");
	}
	if (list_is_empty(&literal->items)) {
		FAIL(literal->position, "an array is empty by default");
	}
	bool is_fixed = member->type.array == ARRAY_FIXED;

	if (is_fixed && list_size(&literal->items) > member->type.array_length) {
		FAIL(literal->position, "more items than the array has");
	}
	LIST_FOR_EACH(item, &literal->items, struct literal, node) {
		check_scalar_default(checker, &member->type, item);
	}
}

/* ---- declarations ---------------------------------------------------------------------------- */

static void check_constant_is_new(const struct checker *checker,
	const struct declaration *declaration, const struct constant *constant)
{
	LIST_FOR_EACH(other, &declaration->constants, struct constant, node) {
		if (other == constant) {
			return;
		}
		if (strcmp(other->name, constant->name) == 0) {
			FAIL(constant->position, "there is a constant '%s' already",
				constant->name);
		}
		if (declaration->kind == DECLARATION_ENUM && other->value == constant->value) {
			FAIL(constant->position, "'%s' has the same value", other->name);
		}
	}
}

/* Without a written value, a constant is @next: one above its predecessor. */
static void check_constant_value(const struct checker *checker,
	const struct declaration *declaration, struct constant *constant, uint64_t next)
{
	if (!constant->has_value) {
		constant->is_negative = declaration->base.is_signed && (int64_t)next < 0;
		constant->value = constant->is_negative ? -next : next;
	}
	if (!is_in_range(&declaration->base, constant->value, constant->is_negative)) {
		FAIL(constant->position, "the value does not fit into %s", declaration->base.name);
	}
	if (constant->is_negative) {
		constant->value = -constant->value;
	}
}

static void check_constants(const struct checker *checker, struct declaration *declaration)
{
	uint64_t next = 0;

	check_type(checker, &declaration->base);
	if (declaration->base.kind != TYPE_INTEGER || declaration->base.array != ARRAY_NONE) {
		FAIL(declaration->base.position, "constants are of an integer type");
	}
	if (list_is_empty(&declaration->constants)) {
		FAIL(declaration->position, "'%s' has no constants", declaration->name);
	}
	LIST_FOR_EACH(constant, &declaration->constants, struct constant, node) {
		check_constant_value(checker, declaration, constant, next);
		check_constant_is_new(checker, declaration, constant);
		next = constant->value + 1;
	}
}

/* No two members may become the same member of the C structure. */
static void check_member_is_new(
	const struct checker *checker, const struct list *members, const struct member *member)
{
	LIST_FOR_EACH(other, members, struct member, node) {
		if (other == member) {
			return;
		}
		const char *flag = pool_format("has_%s", member->name);
		const char *other_flag = pool_format("has_%s", other->name);

		if (strcmp(other->name, member->name) == 0) {
			FAIL(member->position, "there is a member '%s' already", member->name);
		}
		if ((other->is_optional && strcmp(other_flag, member->name) == 0) ||
			(member->is_optional && strcmp(flag, other->name) == 0)) {
			FAIL(member->position, "'%s' clashes with the flag of the optional member",
				member->name);
		}
		if (other->has_tag && member->has_tag && other->tag == member->tag) {
			FAIL(member->position, "'%s' has the same tag", other->name);
		}
	}
}

static void check_members(
	const struct checker *checker, const struct list *members, bool may_have_tags)
{
	LIST_FOR_EACH(member, members, struct member, node) {
		check_name(checker, member->position, member->name);
		check_type(checker, &member->type);
		check_default(checker, member);
		check_member_is_new(checker, members, member);
		if (member->has_tag && !may_have_tags) {
			FAIL(member->position, "only members in the tail of a message have tags");
		}
	}
}

static void check_struct(const struct checker *checker, struct declaration *declaration)
{
	if (list_is_empty(&declaration->members)) {
		FAIL(declaration->position, "'%s' has no members", declaration->name);
	}
	check_members(checker, &declaration->members, false);
	declaration->wire_size_min = members_wire_size_min(&declaration->members);
}

static void check_message(const struct checker *checker, const struct declaration *declaration)
{
	check_members(checker, &declaration->members, false);
	check_members(checker, &declaration->tail, true);
	LIST_FOR_EACH(member, &declaration->tail, struct member, node) {
		check_member_is_new(checker, &declaration->members, member);
	}
	uint64_t size = 8 + members_wire_size_min(&declaration->members);

	if (declaration->head_size < size) {
		FAIL(declaration->position,
			"head(%llu) is too small: id, tail size and members need %llu bytes",
			(unsigned long long)declaration->head_size, (unsigned long long)size);
	}
	LIST_FOR_EACH(other, &checker->file->declarations, struct declaration, node) {
		if (other == declaration) {
			break;
		}
		if (other->kind == DECLARATION_MESSAGE && other->id == declaration->id) {
			FAIL(declaration->position, "message '%s' has the same id", other->name);
		}
	}
}

static const struct declaration *check_method_message(
	const struct checker *checker, struct position position, const char *name)
{
	const struct declaration *declaration = checker_find(checker, position, name);

	if (declaration == NULL || declaration->kind != DECLARATION_MESSAGE) {
		FAIL(position, "there is no message '%s'", name);
	}
	return declaration;
}

/* A reply carries the result of the handler, also when there is nothing else to say. */
static void check_reply(const struct checker *checker, const struct method *method)
{
	LIST_FOR_EACH(member, &method->reply->members, struct member, node) {
		if (strcmp(member->name, "error") == 0 && strcmp(member->type.name, "int32") == 0 &&
			member->type.array == ARRAY_NONE && !member->is_optional) {
			return;
		}
	}
	FAIL(method->reply_position, "a reply needs a member 'int32 error' in its head");
}

/* "create_request" gives "create". */
static const char *method_name(const char *request_name)
{
	static const char suffix[] = "_request";
	size_t length = strlen(request_name);
	size_t suffix_length = sizeof(suffix) - 1;

	if (length > suffix_length && strcmp(request_name + length - suffix_length, suffix) == 0) {
		length -= suffix_length;
	}
	return pool_copy(request_name, length);
}

static void check_method_is_new(const struct checker *checker,
	const struct declaration *declaration, const struct method *method)
{
	LIST_FOR_EACH(other, &declaration->methods, struct method, node) {
		if (other == method) {
			return;
		}
		if (strcmp(other->name, method->name) == 0) {
			FAIL(method->position, "there is a call '%s' already", method->name);
		}
		if (other->request == method->request) {
			FAIL(method->request_position, "'%s' has the same request", other->name);
		}
	}
}

static void check_protocol(const struct checker *checker, const struct declaration *declaration)
{
	if (list_is_empty(&declaration->methods)) {
		FAIL(declaration->position, "'%s' has no calls", declaration->name);
	}
	LIST_FOR_EACH(method, &declaration->methods, struct method, node) {
		method->request = check_method_message(
			checker, method->request_position, method->request_name);
		if (method->reply_name != NULL) {
			method->reply = check_method_message(
				checker, method->reply_position, method->reply_name);
			check_reply(checker, method);
		}
		if (method->name == NULL) {
			method->name = method_name(method->request_name);
		}
		check_name(checker, method->position, method->name);
		check_method_is_new(checker, declaration, method);
	}
}

static void check_declaration_is_new(const struct checker *checker)
{
	const struct declaration *declaration = checker->current;
	struct type type = { .name = declaration->name };

	if (check_builtin_type(&type)) {
		FAIL(declaration->position, "'%s' is a built-in type", declaration->name);
	}
	LIST_FOR_EACH(other, &checker->file->declarations, struct declaration, node) {
		if (other == declaration) {
			return;
		}
		if (strcmp(other->name, declaration->name) == 0) {
			FAIL(declaration->position, "there is a '%s' already, in line %u",
				declaration->name, other->position.line);
		}
	}
}

void check_file(struct file *file)
{
	struct checker state = { .file = file };
	const struct checker *checker = &state;

	LIST_FOR_EACH(declaration, &file->declarations, struct declaration, node) {
		state.current = declaration;
		check_declaration_is_new(checker);
		check_name(checker, declaration->position, declaration->name);
		switch (declaration->kind) {
		case DECLARATION_ENUM:
		case DECLARATION_CONSTS: check_constants(checker, declaration); break;
		case DECLARATION_STRUCT: check_struct(checker, declaration); break;
		case DECLARATION_MESSAGE: check_message(checker, declaration); break;
		case DECLARATION_PROTOCOL: check_protocol(checker, declaration); break;
		}
	}
}

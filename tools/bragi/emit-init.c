/* SPDX-License-Identifier: MIT */
/* Defaults in the generated source: see emit.h. */
#include "emit.h"

#include <ctype.h>

/* A string as a C literal; octal escapes cannot run into what follows. */
static const char *c_string(const struct literal *literal)
{
	const char *quoted = "";

	for (size_t i = 0; i < literal->length; i++) {
		unsigned char byte = (unsigned char)literal->text[i];
		bool is_plain = isprint(byte) && byte != '"' && byte != '\\' && byte != '?';

		quoted = pool_format(is_plain ? "%s%c" : "%s\\%03o", quoted, byte);
	}
	return pool_format("\"%s\"", quoted);
}

static const char *c_number(const struct type *type, const struct literal *literal)
{
	unsigned long long value = literal->value;

	if (!type->is_signed) {
		return pool_format("%llu%s", value, value > INT64_MAX ? "u" : "");
	}
	if (literal->is_negative && value > INT64_MAX) {
		return "INT64_MIN";
	}
	return pool_format("%s%llu", literal->is_negative ? "-" : "", value);
}

/* The default of a scalar or of one array item; @is_constant: in a static initialiser. */
static const char *c_default(const struct file *file, const struct type *type,
	const struct literal *literal, bool is_constant)
{
	switch (type->kind) {
	case TYPE_STRING:
		if (is_constant) {
			return pool_format("{ .text = %s, .length = %zu }", c_string(literal),
				literal->length);
		}
		return pool_format("BRAGI_LITERAL(%s)", c_string(literal));
	case TYPE_ENUM: return c_upper(file, pool_format("%s_%s", type->name, literal->text));
	default: return c_number(type, literal);
	}
}

static void emit_default_array(FILE *out, const struct file *file, const struct member *member)
{
	fprintf(out, "\tstatic const %s default_%s[] = { ", c_item_type(file, &member->type),
		member->name);
	LIST_FOR_EACH(item, &member->default_value.items, struct literal, node) {
		fprintf(out, "%s, ", c_default(file, &member->type, item, true));
	}
	fputs("};\n", out);
}

static void emit_default_arrays(
	FILE *out, const struct file *file, const struct list *members, bool *is_first)
{
	LIST_FOR_EACH(member, members, struct member, node) {
		if (member->default_value.kind == LITERAL_ARRAY) {
			emit_default_array(out, file, member);
			*is_first = false;
		}
	}
}

static void emit_default(FILE *out, const struct file *file, const struct member *member)
{
	const char *name = member->name;

	if (member->default_value.kind == LITERAL_NONE) {
		return;
	}
	if (member->type.array == ARRAY_NONE) {
		fprintf(out, "\tmessage->%s = %s;\n", name,
			c_default(file, &member->type, &member->default_value, false));
	} else if (member->type.array == ARRAY_FIXED) {
		fprintf(out, "\tmemcpy(message->%s, default_%s, sizeof(default_%s));\n", name, name,
			name);
	} else if (type_is_bytes(&member->type)) {
		fprintf(out,
			"\tmessage->%s = (struct bragi_bytes){ default_%s, sizeof(default_%s) };\n",
			name, name, name);
	} else {
		fprintf(out, "\tmessage->%s = (%s){ default_%s, ARRAY_SIZE(default_%s) };\n", name,
			c_member_type(file, &member->type), name, name);
	}
}

void emit_message_init(FILE *out, const struct file *file, const struct declaration *message)
{
	const char *name = c_name(file, message->name);
	bool has_no_arrays = true;

	fprintf(out, "\nvoid %s_init(struct %s *message)\n{\n", name, name);
	emit_default_arrays(out, file, &message->members, &has_no_arrays);
	emit_default_arrays(out, file, &message->tail, &has_no_arrays);
	if (!has_no_arrays) {
		fputc('\n', out);
	}
	fprintf(out, "\t*message = (struct %s){ 0 };\n", name);
	LIST_FOR_EACH(member, &message->members, struct member, node) {
		emit_default(out, file, member);
	}
	LIST_FOR_EACH(member, &message->tail, struct member, node) {
		emit_default(out, file, member);
	}
	fputs("}\n", out);
}

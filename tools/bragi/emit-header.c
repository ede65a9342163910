/* SPDX-License-Identifier: MIT */
/* The generated header: see emit.h. */
#include "emit.h"

#include <ctype.h>
#include <string.h>

/* "path/mbus.bragi" gives "MBUS_GEN_H". */
static const char *header_guard(const struct file *file)
{
	const char *name = file->source->name;
	size_t length = strcspn(name, ".");
	char *guard = pool_format("%.*s_GEN_H", (int)length, name);

	for (char *at = guard; *at != '\0'; at++) {
		*at = isalnum((unsigned char)*at) ? (char)toupper((unsigned char)*at) : '_';
	}
	return guard;
}

/* The declaration's comment and the line it stands in. */
static void emit_declaration_comment(
	FILE *out, const struct file *file, const struct declaration *declaration)
{
	const char *place = pool_format("%s:%u", file->source->name, declaration->position.line);

	if (declaration->documentation == NULL) {
		emit_comment(out, "", place);
	} else {
		emit_comment(out, "", pool_format("%s\n\n%s", declaration->documentation, place));
	}
}

static const char *c_constant_value(
	const struct declaration *declaration, const struct constant *constant)
{
	if (!declaration->base.is_signed) {
		return pool_format("%llu%s", (unsigned long long)constant->value,
			constant->value > INT64_MAX ? "u" : "");
	}
	if (constant->value == (uint64_t)INT64_MIN) {
		return "INT64_MIN";
	}
	return pool_format("%lld", (long long)constant->value);
}

static void emit_span(FILE *out, const char *item_type, const char *name)
{
	fprintf(out, "\nBRAGI_DEFINE_SPAN(%s_span, %s);\n", name, item_type);
	fprintf(out, "void %s_span_write(struct bragi_writer *writer, struct %s_span span);\n",
		name, name);
	fprintf(out, "struct %s_span %s_span_read(struct bragi_reader *reader);\n", name, name);
}

static void emit_constants(
	FILE *out, const struct file *file, const struct declaration *declaration)
{
	const char *name = c_name(file, declaration->name);
	const char *type = pool_format("%s_t", c_codec(&declaration->base));
	bool is_enum = declaration->kind == DECLARATION_ENUM;

	if (is_enum) {
		fprintf(out, "enum %s : %s {\n", name, type);
	} else {
		fprintf(out, "enum : %s {\n", type);
	}
	LIST_FOR_EACH(constant, &declaration->constants, struct constant, node) {
		emit_comment(out, "\t", constant->documentation);
		fprintf(out, "\t%s = %s,\n",
			c_upper(file, pool_format("%s_%s", declaration->name, constant->name)),
			c_constant_value(declaration, constant));
	}
	fputs("};\n", out);
	if (is_enum) {
		fprintf(out, "bool %s_is_valid(%s value);\n", name, type);
	}
	if (declaration->is_in_span) {
		emit_span(out, is_enum ? pool_format("enum %s", name) : type, name);
	}
}

static void emit_member(FILE *out, const struct file *file, const struct member *member)
{
	emit_comment(out, "\t", member->documentation);
	if (member->is_optional) {
		fprintf(out, "\tbool has_%s;\n", member->name);
	}
	fprintf(out, "\t%s %s", c_member_type(file, &member->type), member->name);
	if (member->type.array == ARRAY_FIXED) {
		fprintf(out, "[%llu]", (unsigned long long)member->type.array_length);
	}
	fputs(";\n", out);
}

static void emit_members(FILE *out, const struct file *file, const struct list *members)
{
	LIST_FOR_EACH(member, members, struct member, node) {
		emit_member(out, file, member);
	}
}

static void emit_struct(FILE *out, const struct file *file, const struct declaration *declaration)
{
	const char *name = c_name(file, declaration->name);

	fprintf(out, "struct %s {\n", name);
	emit_members(out, file, &declaration->members);
	fputs("};\n", out);
	fprintf(out, "void %s_write(struct bragi_writer *writer, const struct %s *value);\n", name,
		name);
	fprintf(out, "void %s_read(struct bragi_reader *reader, struct %s *value);\n", name, name);
	if (declaration->is_in_span) {
		emit_span(out, pool_format("struct %s", name), name);
	}
}

static void emit_message(FILE *out, const struct file *file, const struct declaration *declaration)
{
	const char *name = c_name(file, declaration->name);
	const char *upper = c_upper(file, declaration->name);

	fprintf(out, "struct %s {\n", name);
	emit_members(out, file, &declaration->members);
	emit_members(out, file, &declaration->tail);
	if (list_is_empty(&declaration->members) && list_is_empty(&declaration->tail)) {
		fputs("\tuint8_t no_members;\n", out);
	}
	fputs("};\n\n", out);
	fprintf(out, "#define %s_ID %uu\n", upper, declaration->id);
	fprintf(out, "#define %s_HEAD_SIZE %lluu\n\n", upper,
		(unsigned long long)declaration->head_size);
	fprintf(out, "void %s_init(struct %s *message);\n", name, name);
	fprintf(out, "size_t %s_encoded_size(const struct %s *message);\n", name, name);
	fprintf(out,
		"MUST_USE int %s_encode(\n"
		"\tconst struct %s *message, void *buffer, size_t size, size_t *out_size);\n",
		name, name);
	fprintf(out,
		"MUST_USE int %s_decode(struct %s *out_message,\n"
		"\tconst void *data, size_t size, struct bragi_arena *arena);\n",
		name, name);
	fprintf(out,
		"MUST_USE int %s_decode_parts(struct %s *out_message, const void *head,\n"
		"\tsize_t head_size, const void *tail, size_t tail_size,\n"
		"\tstruct bragi_arena *arena);\n",
		name, name);
}

static void emit_declaration(
	FILE *out, const struct file *file, const struct declaration *declaration)
{
	fputc('\n', out);
	emit_declaration_comment(out, file, declaration);
	switch (declaration->kind) {
	case DECLARATION_ENUM:
	case DECLARATION_CONSTS: emit_constants(out, file, declaration); break;
	case DECLARATION_STRUCT: emit_struct(out, file, declaration); break;
	case DECLARATION_MESSAGE: emit_message(out, file, declaration); break;
	case DECLARATION_PROTOCOL: emit_protocol_header(out, file, declaration); break;
	}
}

/* What is the same for all messages is said once. */
static const char header_manual[] =
	"/*\n"
	" * For each message x:\n"
	" * x_init()          all members zero or at their defaults\n"
	" * x_encoded_size()  bytes that x_encode() will write\n"
	" * x_encode()        0, -ERR_BUFFER_TOO_SMALL, -ERR_OUT_OF_BOUNDS: the head is too full\n"
	" * x_decode()        0, -ERR_PROTOCOL: malformed, -ERR_NO_MEMORY: the arena is full;\n"
	" *                   the result borrows from data and arena, and is unspecified after\n"
	" *                   an error\n"
	" * x_decode_parts()  the same for head and tail in two places\n"
	" */\n";

void emit_header(FILE *out, const struct file *file)
{
	emit_file_comment(out, file);
	fprintf(out, "#ifndef %s\n#define %s\n\n", header_guard(file), header_guard(file));
	fprintf(out, "#include <bragi-rt/bragi-rt.h>\n");
	if (has_protocol(file)) {
		fprintf(out, "#include <bragi-rt/call.h>\n");
	}
	fprintf(out, "\n%s", header_manual);
	LIST_FOR_EACH(declaration, &file->declarations, struct declaration, node) {
		emit_declaration(out, file, declaration);
	}
	fputs("\n#endif\n", out);
}

/* SPDX-License-Identifier: MIT */
/*
 * The generated source: see emit.h.
 *
 * A value of any type is written by one line and read by one or two; arrays of fixed length and
 * optional members wrap these lines into a loop or a condition. All generated functions call what
 * they write from `value` or `message` and their runtime object `writer` or `reader`.
 */
#include "emit.h"

/* Everything about one member's line: where it is, how deep. */
struct place {
	FILE *out;
	const struct file *file;
	const char *object; /* "message" or "value" */
	const char *indent;
};

static struct place place_deeper(const struct place *place)
{
	struct place deeper = *place;

	deeper.indent = pool_format("%s\t", place->indent);
	return deeper;
}

/* ---- writing --------------------------------------------------------------------------------- */

static void emit_write_value(const struct place *place, const struct type *type, const char *value)
{
	if (type->kind == TYPE_STRUCT) {
		fprintf(place->out, "%s%s_write(writer, &%s);\n", place->indent,
			c_name(place->file, type->name), value);
	} else {
		fprintf(place->out, "%sbragi_write_%s(writer, %s);\n", place->indent, c_codec(type),
			value);
	}
}

static void emit_write_fixed(const struct place *place, const struct type *type, const char *value)
{
	unsigned long long length = type->array_length;
	struct place deeper = place_deeper(place);

	if (type_is_bytes(type)) {
		fprintf(place->out, "%sbragi_write_raw(writer, %s, %llu);\n", place->indent, value,
			length);
		return;
	}
	fprintf(place->out, "%sfor (size_t i = 0; i < %llu; i++) {\n", place->indent, length);
	emit_write_value(&deeper, type, pool_format("%s[i]", value));
	fprintf(place->out, "%s}\n", place->indent);
}

static void emit_write_dynamic(
	const struct place *place, const struct type *type, const char *value)
{
	if (type_is_bytes(type)) {
		fprintf(place->out, "%sbragi_write_bytes(writer, %s);\n", place->indent, value);
	} else if (type->declaration != NULL) {
		fprintf(place->out, "%s%s_span_write(writer, %s);\n", place->indent,
			c_name(place->file, type->name), value);
	} else {
		fprintf(place->out, "%sbragi_write_%s_span(writer, %s);\n", place->indent,
			c_codec(type), value);
	}
}

static void emit_write_plain(const struct place *place, const struct member *member)
{
	const char *value = pool_format("%s->%s", place->object, member->name);

	switch (member->type.array) {
	case ARRAY_NONE: emit_write_value(place, &member->type, value); break;
	case ARRAY_FIXED: emit_write_fixed(place, &member->type, value); break;
	case ARRAY_DYNAMIC: emit_write_dynamic(place, &member->type, value); break;
	}
}

static void emit_write_member(const struct place *place, const struct member *member)
{
	struct place deeper = place_deeper(place);

	if (!member->is_optional) {
		emit_write_plain(place, member);
		return;
	}
	if (!member->has_tag) {
		fprintf(place->out, "%sbragi_write_bool(writer, %s->has_%s);\n", place->indent,
			place->object, member->name);
	}
	fprintf(place->out, "%sif (%s->has_%s) {\n", place->indent, place->object, member->name);
	if (member->has_tag) {
		fprintf(place->out, "%ssize_t begin = bragi_begin_tag(writer, %uu);\n\n",
			deeper.indent, member->tag);
	}
	emit_write_plain(&deeper, member);
	if (member->has_tag) {
		fprintf(place->out, "%sbragi_end_tag(writer, begin);\n", deeper.indent);
	}
	fprintf(place->out, "%s}\n", place->indent);
}

/* Untagged members first, whatever their order in the source: the tags end the tail. */
static void emit_write_members(const struct place *place, const struct list *members)
{
	for (int is_tagged = 0; is_tagged < 2; is_tagged++) {
		LIST_FOR_EACH(member, members, struct member, node) {
			if (member->has_tag == is_tagged) {
				emit_write_member(place, member);
			}
		}
	}
}

/* ---- reading --------------------------------------------------------------------------------- */

static void emit_read_value(const struct place *place, const struct type *type, const char *value)
{
	FILE *out = place->out;

	if (type->kind == TYPE_STRUCT) {
		fprintf(out, "%s%s_read(reader, &%s);\n", place->indent,
			c_name(place->file, type->name), value);
		return;
	}
	fprintf(out, "%s%s = bragi_read_%s(reader);\n", place->indent, value, c_codec(type));
	if (type->kind == TYPE_ENUM && type->declaration->kind == DECLARATION_ENUM) {
		fprintf(out, "%sbragi_check(reader, %s_is_valid(%s));\n", place->indent,
			c_name(place->file, type->name), value);
	}
}

static void emit_read_fixed(const struct place *place, const struct type *type, const char *value)
{
	unsigned long long length = type->array_length;
	struct place deeper = place_deeper(place);

	if (type_is_bytes(type)) {
		fprintf(place->out, "%sbragi_read_raw(reader, %s, %llu);\n", place->indent, value,
			length);
		return;
	}
	fprintf(place->out, "%sfor (size_t i = 0; i < %llu; i++) {\n", place->indent, length);
	emit_read_value(&deeper, type, pool_format("%s[i]", value));
	fprintf(place->out, "%s}\n", place->indent);
}

static void emit_read_dynamic(const struct place *place, const struct type *type, const char *value)
{
	const char *reader = pool_format("bragi_read_%s_span", c_codec(type));

	if (type_is_bytes(type)) {
		reader = "bragi_read_bytes";
	} else if (type->declaration != NULL) {
		reader = pool_format("%s_span_read", c_name(place->file, type->name));
	}
	fprintf(place->out, "%s%s = %s(reader);\n", place->indent, value, reader);
}

static void emit_read_plain(const struct place *place, const struct member *member)
{
	const char *value = pool_format("%s->%s", place->object, member->name);

	switch (member->type.array) {
	case ARRAY_NONE: emit_read_value(place, &member->type, value); break;
	case ARRAY_FIXED: emit_read_fixed(place, &member->type, value); break;
	case ARRAY_DYNAMIC: emit_read_dynamic(place, &member->type, value); break;
	}
}

static void emit_read_members(const struct place *place, const struct list *members)
{
	struct place deeper = place_deeper(place);

	LIST_FOR_EACH(member, members, struct member, node) {
		if (member->has_tag) {
			continue;
		}
		if (!member->is_optional) {
			emit_read_plain(place, member);
			continue;
		}
		fprintf(place->out, "%s%s->has_%s = bragi_read_bool(reader);\n", place->indent,
			place->object, member->name);
		fprintf(place->out, "%sif (%s->has_%s) {\n", place->indent, place->object,
			member->name);
		emit_read_plain(&deeper, member);
		fprintf(place->out, "%s}\n", place->indent);
	}
}

/* ---- enumerations and structures ------------------------------------------------------------- */

static void emit_is_valid(FILE *out, const struct file *file, const struct declaration *declaration)
{
	fprintf(out, "\nbool %s_is_valid(%s_t value)\n{\n\tswitch (value) {\n",
		c_name(file, declaration->name), c_codec(&declaration->base));
	LIST_FOR_EACH(constant, &declaration->constants, struct constant, node) {
		fprintf(out, "\tcase %s:\n",
			c_upper(file, pool_format("%s_%s", declaration->name, constant->name)));
	}
	fputs("\t\treturn true;\n\tdefault:\n\t\treturn false;\n\t}\n}\n", out);
}

static void emit_span_codec(
	FILE *out, const struct file *file, const struct declaration *declaration)
{
	const char *name = c_name(file, declaration->name);
	bool is_struct = declaration->kind == DECLARATION_STRUCT;
	struct type type = {
		.name = declaration->name,
		.kind = is_struct ? TYPE_STRUCT : TYPE_ENUM,
		.declaration = declaration,
		.size = declaration->base.size,
		.is_signed = declaration->base.is_signed,
	};
	unsigned long long wire_size_min = is_struct ? declaration->wire_size_min : type.size;
	struct place place = { .out = out, .file = file, .indent = "\t\t" };

	fprintf(out,
		"\nvoid %s_span_write(struct bragi_writer *writer, struct %s_span span)\n{\n"
		"\tbragi_write_uint32(writer, span.count);\n"
		"\tfor (uint32_t i = 0; i < span.count; i++) {\n",
		name, name);
	emit_write_value(&place, &type, "span.items[i]");
	fprintf(out,
		"\t}\n}\n\nstruct %s_span %s_span_read(struct bragi_reader *reader)\n{\n"
		"\tstruct %s_span span;\n"
		"\t%s *items = bragi_read_items(reader, sizeof(*items), %llu, &span.count);\n\n"
		"\tfor (uint32_t i = 0; i < span.count; i++) {\n",
		name, name, name, c_item_type(file, &type), wire_size_min);
	emit_read_value(&place, &type, "items[i]");
	fputs("\t}\n\tspan.items = items;\n\treturn span;\n}\n", out);
}

static void emit_struct_codec(
	FILE *out, const struct file *file, const struct declaration *declaration)
{
	const char *name = c_name(file, declaration->name);
	struct place place = { .out = out, .file = file, .object = "value", .indent = "\t" };

	fprintf(out, "\nvoid %s_write(struct bragi_writer *writer, const struct %s *value)\n{\n",
		name, name);
	emit_write_members(&place, &declaration->members);
	fprintf(out,
		"}\n\nvoid %s_read(struct bragi_reader *reader, struct %s *value)\n{\n"
		"\t*value = (struct %s){ 0 };\n",
		name, name, name);
	emit_read_members(&place, &declaration->members);
	fputs("}\n", out);
}

/* ---- messages -------------------------------------------------------------------------------- */

/* A function that writes or reads the members of one part of a message. */
static void emit_part(
	FILE *out, const struct file *file, const struct declaration *message, bool is_tail)
{
	const struct list *members = is_tail ? &message->tail : &message->members;
	const char *part = is_tail ? "tail" : "head";
	const char *name = c_name(file, message->name);
	struct place place = { .out = out, .file = file, .object = "message", .indent = "\t" };

	if (list_is_empty(members)) {
		return;
	}
	fprintf(out,
		"\nstatic void %s_write_%s(\n"
		"\tstruct bragi_writer *writer, const struct %s *message)\n{\n",
		name, part, name);
	emit_write_members(&place, members);
	fputs("}\n", out);
	fprintf(out,
		"\nstatic void %s_read_%s(struct bragi_reader *reader, struct %s *message)\n{\n",
		name, part, name);
	if (is_tail && has_tags(message)) {
		fputs("\tstruct bragi_reader value;\n\tuint32_t tag;\n\n", out);
	}
	emit_read_members(&place, members);
	if (is_tail && has_tags(message)) {
		fprintf(out,
			"\twhile (bragi_read_tag(reader, &tag, &value)) {\n"
			"\t\t%s_read_tagged(&value, tag, message);\n"
			"\t\tbragi_close_tag(reader, &value);\n\t}\n",
			name);
	} else if (is_tail) {
		fputs("\tbragi_skip_tags(reader);\n", out);
	}
	fputs("}\n", out);
}

/* The function that reads the value of one tag. */
static void emit_read_tagged(FILE *out, const struct file *file, const struct declaration *message)
{
	const char *name = c_name(file, message->name);
	struct place place = { .out = out, .file = file, .object = "message", .indent = "\t\t" };

	if (!has_tags(message)) {
		return;
	}
	fprintf(out,
		"\nstatic void %s_read_tagged(\n"
		"\tstruct bragi_reader *reader, uint32_t tag, struct %s *message)\n{\n"
		"\tswitch (tag) {\n",
		name, name);
	LIST_FOR_EACH(member, &message->tail, struct member, node) {
		if (!member->has_tag) {
			continue;
		}
		fprintf(out,
			"\tcase %uu:\n\t\tbragi_check(reader, !message->has_%s);\n"
			"\t\tmessage->has_%s = true;\n",
			member->tag, member->name, member->name);
		emit_read_plain(&place, member);
		fputs("\t\tbreak;\n", out);
	}
	fputs("\tdefault:\n\t\tbragi_skip(reader);\n\t\tbreak;\n\t}\n}\n", out);
}

static void emit_encode(FILE *out, const struct file *file, const struct declaration *message)
{
	const char *name = c_name(file, message->name);
	const char *upper = c_upper(file, message->name);
	bool has_head = !list_is_empty(&message->members);
	bool has_tail = !list_is_empty(&message->tail);

	fprintf(out, "\nsize_t %s_encoded_size(%sconst struct %s *message)\n{\n", name,
		has_tail ? "" : "UNUSED ", name);
	if (has_tail) {
		fprintf(out,
			"\tstruct bragi_writer writer;\n\n\tbragi_writer_init_counting(&writer);\n"
			"\t%s_write_tail(&writer, message);\n"
			"\treturn %s_HEAD_SIZE + writer.used;\n}\n",
			name, upper);
	} else {
		fprintf(out, "\treturn %s_HEAD_SIZE;\n}\n", upper);
	}
	fprintf(out,
		"\nint %s_encode(\n"
		"\tconst struct %s *message, void *buffer, size_t size, size_t *out_size)\n{\n"
		"\tsize_t encoded_size = %s_encoded_size(message);\n"
		"\tstruct bragi_writer writer;\n\n"
		"\tbragi_writer_init(&writer, buffer, size);\n"
		"\tbragi_write_preamble(&writer, %s_ID, encoded_size - %s_HEAD_SIZE);\n",
		name, name, name, upper, upper);
	if (has_head) {
		fprintf(out, "\t%s_write_head(&writer, message);\n", name);
	}
	fprintf(out, "\tbragi_write_padding(&writer, %s_HEAD_SIZE);\n", upper);
	if (has_tail) {
		fprintf(out, "\t%s_write_tail(&writer, message);\n", name);
	}
	fputs("\tif (writer.error == 0) {\n\t\t*out_size = encoded_size;\n\t}\n"
	      "\treturn writer.error;\n}\n",
		out);
}

static void emit_decode(FILE *out, const struct file *file, const struct declaration *message)
{
	const char *name = c_name(file, message->name);
	const char *upper = c_upper(file, message->name);

	fprintf(out,
		"\nint %s_decode_parts(struct %s *out_message, const void *head,\n"
		"\tsize_t head_size, const void *tail, size_t tail_size,\n"
		"\tstruct bragi_arena *arena)\n{\n"
		"\tstruct bragi_reader head_reader;\n\tstruct bragi_reader tail_reader;\n"
		"\tint error = bragi_open(head, head_size, tail, tail_size,\n"
		"\t\t%s_ID, %s_HEAD_SIZE, arena, &head_reader, &tail_reader);\n\n"
		"\tif (error != 0) {\n\t\treturn error;\n\t}\n"
		"\t%s_init(out_message);\n",
		name, name, upper, upper, name);
	if (!list_is_empty(&message->members)) {
		fprintf(out, "\t%s_read_head(&head_reader, out_message);\n", name);
	}
	if (!list_is_empty(&message->tail)) {
		fprintf(out, "\t%s_read_tail(&tail_reader, out_message);\n", name);
	} else {
		fputs("\tbragi_skip_tags(&tail_reader);\n", out);
	}
	fputs("\treturn head_reader.error != 0 ? head_reader.error : tail_reader.error;\n}\n", out);
	fprintf(out,
		"\nint %s_decode(\n"
		"\tstruct %s *out_message, const void *data, size_t size,\n"
		"\tstruct bragi_arena *arena)\n{\n"
		"\tif (size < %s_HEAD_SIZE) {\n\t\treturn -ERR_PROTOCOL;\n\t}\n"
		"\treturn %s_decode_parts(out_message, data, %s_HEAD_SIZE,\n"
		"\t\t(const uint8_t *)data + %s_HEAD_SIZE, size - %s_HEAD_SIZE, arena);\n}\n",
		name, name, upper, name, upper, upper, upper);
}

static void emit_code(FILE *out, const struct file *file, const struct declaration *declaration)
{
	switch (declaration->kind) {
	case DECLARATION_ENUM: emit_is_valid(out, file, declaration); break;
	case DECLARATION_CONSTS: break;
	case DECLARATION_STRUCT: emit_struct_codec(out, file, declaration); break;
	case DECLARATION_MESSAGE:
		emit_message_init(out, file, declaration);
		emit_read_tagged(out, file, declaration);
		emit_part(out, file, declaration, false);
		emit_part(out, file, declaration, true);
		emit_encode(out, file, declaration);
		emit_decode(out, file, declaration);
		break;
	case DECLARATION_PROTOCOL: emit_protocol_source(out, file, declaration); break;
	}
	if (declaration->is_in_span) {
		emit_span_codec(out, file, declaration);
	}
}

void emit_source(FILE *out, const struct file *file, const char *header_name)
{
	fprintf(out, "/* Generated by bragi from %s; do not edit. */\n", file->source->name);
	fputs("#include <base/assert.h>\n#include <base/string.h>\n\n", out);
	fprintf(out, "#include \"%s\"\n", header_name);
	LIST_FOR_EACH(declaration, &file->declarations, struct declaration, node) {
		emit_code(out, file, declaration);
	}
}

/* SPDX-License-Identifier: MIT */
/* The compiler of kernlets as a whole, and its messages. See kernlet.h. */
#include <kernlet/kernlet.h>

#include <abi/hel/errors.h>
#include <base/format.h>
#include <base/string.h>

/* A record of .BTF.ext's line_info: offset of the code in bytes, file name, line text, line. */
struct line_record {
	uint32_t code_offset;
	uint32_t file_name;
	uint32_t text;
	uint32_t line_column; /* line << 10 | column */
};

/* The last record at or before an instruction; false: there is none. */
static bool kernlet_find_line(
	const struct kernlet_lines *lines, uint32_t index, struct line_record *out_record)
{
	bool is_found = false;

	for (size_t i = 0; i < lines->n_records; i++) {
		struct line_record record;

		memcpy(&record, lines->records + i * lines->record_size, sizeof(record));
		if (record.code_offset <= index * sizeof(struct bpf_instruction)) {
			*out_record = record;
			is_found = true;
		}
	}
	return is_found;
}

/* The file's name without its folder; the strings are terminated. */
static const char *kernlet_file_name(const struct kernlet_lines *lines, uint32_t offset)
{
	if (offset >= lines->strings_size) {
		return "?";
	}
	const char *name = lines->strings + offset;
	const char *slash = strrchr(name, '/');

	return slash != NULL ? slash + 1 : name;
}

static size_t kernlet_begin_message(struct kernlet_program *program, uint32_t index)
{
	struct line_record record;
	size_t used;

	if (kernlet_find_line(&program->lines, index, &record)) {
		used = format_to(program->message, KERNLET_MESSAGE_MAX,
			"%s:%u: ", kernlet_file_name(&program->lines, record.file_name),
			record.line_column >> 10);
	} else {
		used = format_to(program->message, KERNLET_MESSAGE_MAX, "instruction %u: ", index);
	}
	return min_size(used, KERNLET_MESSAGE_MAX - 1);
}

int kernlet_refuse(struct kernlet_program *program, uint32_t index, const char *format, ...)
{
	size_t used = kernlet_begin_message(program, index);
	va_list arguments;

	va_start(arguments, format);
	vformat_to(program->message + used, KERNLET_MESSAGE_MAX - used, format, arguments);
	va_end(arguments);
	return -ERR_ILLEGAL_ARGS;
}

int kernlet_refuse_file(struct kernlet_program *program, int error, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vformat_to(program->message, KERNLET_MESSAGE_MAX, format, arguments);
	va_end(arguments);
	return error;
}

int kernlet_compile(const void *elf, size_t size, struct kernlet_workspace *workspace,
	void *out_container, size_t *out_size, char *out_message)
{
	struct kernlet_program *program = &workspace->program;
	uint8_t *out = out_container;
	uint32_t code_size;

	program->message = out_message;
	out_message[0] = '\0';
	int error = kernlet_read(program, elf, size);

	if (error == 0) {
		error = kernlet_verify(program, &workspace->states);
	}
	size_t slots_size = program->n_bindings * sizeof(program->slots[0]);
	size_t code_offset = sizeof(struct hel_kernlet_header) + slots_size;

	if (error == 0) {
		error = kernlet_emit(
			program, workspace->native_offsets, out + code_offset, &code_size);
	}
	if (error != 0) {
		return error;
	}
	const struct hel_kernlet_header header = {
		.magic = HEL_KERNLET_MAGIC,
		.version = HEL_KERNLET_VERSION,
		.arch = HEL_KERNLET_X86_64,
		.code_size = code_size,
		.frame_size = program->frame_size,
		.n_bindings = program->n_bindings,
	};

	memcpy(out, &header, sizeof(header));
	memcpy(out + sizeof(header), program->slots, slots_size);
	*out_size = code_offset + code_size;
	return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * Reads the ELF file of a kernlet.
 *
 * What counts in it: the section `kernlet` with the code, the sections `kernlet.N.KIND` that
 * declare bindings (<abi/hel/kernlet-bpf.h>), the relocations of the code against those, and, for
 * messages, .BTF and .BTF.ext. Every number of the file is checked against the file's size before
 * it is used.
 */
#include <kernlet/program.h>

#include <abi/hel/errors.h>
#include <abi/hel/types.h>
#include <base/string.h>
#include <elf/elf.h>

#define BTF_MAGIC 0xeb9fu

struct btf_header {
	uint16_t magic;
	uint8_t version, flags;
	uint32_t header_size;
	uint32_t types_offset, types_size;
	uint32_t strings_offset, strings_size;
};

struct btf_ext_header {
	uint16_t magic;
	uint8_t version, flags;
	uint32_t header_size;
	uint32_t functions_offset, functions_size;
	uint32_t lines_offset, lines_size;
};

/* A part of the file, or of a part. */
struct piece {
	const uint8_t *bytes;
	size_t size;
};

struct reader {
	struct kernlet_program *program;
	struct piece file;
	struct elf_header header;
	struct piece names; /* of sections */
	/* By section: 1 + the binding that it declares; sections beyond declare none. */
	uint8_t bindings[256];
	uint32_t seen; /* bits of bindings that are declared */
};

/* ---- pieces */

/* False: it is not there; then *@out_piece is empty. */
static bool piece_cut(
	const struct piece *piece, uint64_t offset, uint64_t size, struct piece *out_piece)
{
	*out_piece = (struct piece){};
	if (offset > piece->size || size > piece->size - offset) {
		return false;
	}
	*out_piece = (struct piece){ piece->bytes + offset, (size_t)size };
	return true;
}

static bool piece_read(const struct piece *piece, uint64_t offset, void *out, size_t size)
{
	struct piece cut;

	if (!piece_cut(piece, offset, size, &cut)) {
		return false;
	}
	memcpy(out, cut.bytes, size);
	return true;
}

/* A string of a table; "" if it does not end in it. */
static const char *piece_string(const struct piece *piece, uint64_t offset)
{
	if (offset >= piece->size ||
		memchr(piece->bytes + offset, '\0', piece->size - offset) == NULL) {
		return "";
	}
	return (const char *)piece->bytes + offset;
}

/* ---- sections */

static bool reader_section(const struct reader *reader, uint32_t index, struct elf_section *out)
{
	return index < reader->header.n_sections &&
		piece_read(&reader->file,
			reader->header.section_offset + (uint64_t)index * sizeof(*out), out,
			sizeof(*out));
}

static bool reader_contents(
	const struct reader *reader, const struct elf_section *section, struct piece *out_piece)
{
	return piece_cut(&reader->file, section->offset, section->size, out_piece);
}

/* The section of a name; its index, or 0. */
static uint32_t reader_find(
	const struct reader *reader, const char *name, struct elf_section *out_section)
{
	for (uint32_t i = 1; i < reader->header.n_sections; i++) {
		if (reader_section(reader, i, out_section) &&
			str_equal(piece_string(&reader->names, out_section->name), name)) {
			return i;
		}
	}
	return 0;
}

static int reader_open(struct reader *reader)
{
	struct elf_section section;
	const struct elf_header *header = &reader->header;

	if (!piece_read(&reader->file, 0, &reader->header, sizeof(reader->header)) ||
		memcmp(header->ident, ELF_MAGIC, 4) != 0 ||
		header->ident[ELF_IDENT_CLASS] != ELF_CLASS_64 ||
		header->ident[ELF_IDENT_DATA] != ELF_DATA_LITTLE_ENDIAN) {
		return kernlet_refuse_file(reader->program, -ERR_PROTOCOL,
			"not an ELF file of 64 bits, little-endian");
	}
	if (header->machine != ELF_MACHINE_BPF || header->type != ELF_TYPE_RELOCATABLE) {
		return kernlet_refuse_file(
			reader->program, -ERR_PROTOCOL, "not an object file of clang -target bpf");
	}
	if (header->section_entry_size != sizeof(section) ||
		header->section_offset > reader->file.size ||
		!reader_section(reader, header->section_names_index, &section) ||
		!reader_contents(reader, &section, &reader->names)) {
		return kernlet_refuse_file(
			reader->program, -ERR_PROTOCOL, "the ELF file is broken");
	}
	return 0;
}

/* ---- bindings */

static const struct binding_kind {
	const char *name;
	enum hel_kernlet_kind kind;
	uint32_t rights;
} binding_kinds[] = {
	{ "window-r", HEL_KERNLET_WINDOW, HEL_RIGHT_READ },
	{ "window-rw", HEL_KERNLET_WINDOW, HEL_RIGHT_READ | HEL_RIGHT_WRITE },
	{ "ports-rw.", HEL_KERNLET_PORTS, HEL_RIGHT_READ | HEL_RIGHT_WRITE },
	{ "event", HEL_KERNLET_EVENT, 0 },
	{ "parameter", HEL_KERNLET_PARAMETER, 0 },
};

/* A number, decimal or hexadecimal, of at most six digits; moves *@text behind it. */
static bool take_number(const char **text, uint32_t *out_number)
{
	uint32_t base = strncmp(*text, "0x", 2) == 0 ? 16 : 10;
	const char *at = *text + (base == 16 ? 2 : 0);
	const char *first = at;

	*out_number = 0;
	for (; at - first < 6; at++) {
		uint32_t digit = *at >= '0' && *at <= '9' ? (uint32_t)(*at - '0')
			: *at >= 'a' && *at <= 'f'        ? (uint32_t)(*at - 'a') + 10
							  : 16;

		if (digit >= base) {
			break;
		}
		*out_number = *out_number * base + digit;
	}
	*text = at;
	return at > first;
}

static bool slot_parse(const char *kind, uint64_t section_size, struct hel_kernlet_slot *out_slot)
{
	for (size_t i = 0; i < ARRAY_SIZE(binding_kinds); i++) {
		const struct binding_kind *found = &binding_kinds[i];
		size_t length = strlen(found->name);
		const char *rest = kind + length;
		uint32_t n_ports = 0;

		if (strncmp(kind, found->name, length) != 0) {
			continue;
		}
		bool has_number = found->kind == HEL_KERNLET_PORTS && take_number(&rest, &n_ports);

		if (*rest != '\0' || (found->kind == HEL_KERNLET_PORTS && !has_number)) {
			continue;
		}
		*out_slot =
			(struct hel_kernlet_slot){ .kind = found->kind, .rights = found->rights };
		out_slot->size_bytes = found->kind == HEL_KERNLET_WINDOW
			? (uint32_t)min_u64(section_size, UINT32_MAX)
			: n_ports;
		return true;
	}
	return false;
}

/* A section whose name begins with "kernlet." */
static int reader_add_binding(
	struct reader *reader, uint32_t index, const struct elf_section *section, const char *name)
{
	struct kernlet_program *program = reader->program;
	const char *rest = name + strlen("kernlet.");
	struct hel_kernlet_slot slot;
	uint32_t binding;

	if (!take_number(&rest, &binding) || *rest != '.' ||
		!slot_parse(rest + 1, section->size, &slot)) {
		return kernlet_refuse_file(program, -ERR_ILLEGAL_ARGS,
			"section %.60s declares no binding that there is", name);
	}
	if (binding >= HEL_KERNLET_BINDINGS_MAX || index >= ARRAY_SIZE(reader->bindings)) {
		return kernlet_refuse_file(program, -ERR_ILLEGAL_ARGS,
			"binding %u: there are at most %u", binding, HEL_KERNLET_BINDINGS_MAX);
	}
	if ((reader->seen & 1u << binding) != 0) {
		return kernlet_refuse_file(
			program, -ERR_ILLEGAL_ARGS, "binding %u is declared twice", binding);
	}
	if (slot.kind == HEL_KERNLET_WINDOW &&
		(slot.size_bytes == 0 || slot.size_bytes > HEL_KERNLET_WINDOW_MAX)) {
		return kernlet_refuse_file(program, -ERR_ILLEGAL_ARGS,
			"binding %u: a window has 1 to %u bytes", binding, HEL_KERNLET_WINDOW_MAX);
	}
	if (slot.kind == HEL_KERNLET_PORTS && (slot.size_bytes == 0 || slot.size_bytes > 0x10000)) {
		return kernlet_refuse_file(
			program, -ERR_ILLEGAL_ARGS, "binding %u: 1 to 65536 ports", binding);
	}
	reader->seen |= 1u << binding;
	reader->bindings[index] = (uint8_t)(binding + 1);
	program->slots[binding] = slot;
	program->n_bindings = (uint32_t)max_u64(program->n_bindings, binding + 1);
	return 0;
}

static int reader_bindings(struct reader *reader)
{
	struct elf_section section;
	int error = 0;

	for (uint32_t i = 1; i < reader->header.n_sections && error == 0; i++) {
		if (!reader_section(reader, i, &section)) {
			break;
		}
		const char *name = piece_string(&reader->names, section.name);

		if (strncmp(name, "kernlet.", strlen("kernlet.")) == 0) {
			error = reader_add_binding(reader, i, &section, name);
		}
	}
	uint32_t n_bindings = reader->program->n_bindings;

	if (error == 0 && reader->seen != (1u << n_bindings) - 1) {
		error = kernlet_refuse_file(reader->program, -ERR_ILLEGAL_ARGS,
			"of the bindings 0 to %u one is not declared", n_bindings - 1);
	}
	return error;
}

/* ---- code */

static int reader_code(struct reader *reader, uint32_t *out_index)
{
	struct kernlet_program *program = reader->program;
	struct elf_section section;
	struct piece code;

	*out_index = reader_find(reader, "kernlet", &section);
	if (*out_index == 0) {
		return kernlet_refuse_file(
			program, -ERR_ILLEGAL_ARGS, "no function is marked KERNLET");
	}
	if (!reader_contents(reader, &section, &code) ||
		code.size % sizeof(struct bpf_instruction) != 0) {
		return kernlet_refuse_file(program, -ERR_PROTOCOL, "the ELF file is broken");
	}
	program->n_instructions = (uint32_t)min_size(
		code.size / sizeof(struct bpf_instruction), KERNLET_INSTRUCTIONS_MAX + 1);
	if (program->n_instructions == 0 || program->n_instructions > KERNLET_INSTRUCTIONS_MAX) {
		return kernlet_refuse_file(program, -ERR_ILLEGAL_ARGS,
			"a kernlet has 1 to %u instructions", KERNLET_INSTRUCTIONS_MAX);
	}
	memcpy(program->code, code.bytes, code.size);
	return 0;
}

/* The tables that relocations refer to. */
struct symbols {
	struct piece table, names;
};

static int reader_relocate(
	struct reader *reader, const struct symbols *symbols, uint64_t offset, uint64_t info)
{
	struct kernlet_program *program = reader->program;
	uint64_t index = offset / sizeof(struct bpf_instruction);
	uint32_t type = (uint32_t)info;
	struct elf_symbol symbol;

	if (index >= program->n_instructions || offset % sizeof(struct bpf_instruction) != 0 ||
		!piece_read(
			&symbols->table, (info >> 32) * sizeof(symbol), &symbol, sizeof(symbol))) {
		return kernlet_refuse_file(program, -ERR_PROTOCOL, "the ELF file is broken");
	}
	const char *name = piece_string(&symbols->names, symbol.name);

	if (type == BPF_RELOCATION_CALL) {
		return kernlet_refuse(program, (uint32_t)index,
			"calls the function %.40s: mark it KERNLET_INLINE", name);
	}
	if (type != BPF_RELOCATION_64 || program->code[index].opcode != BPF_LDDW) {
		return kernlet_refuse(program, (uint32_t)index,
			"a relocation of type %u has no meaning here", type);
	}
	if (symbol.section_index >= ARRAY_SIZE(reader->bindings) ||
		reader->bindings[symbol.section_index] == 0) {
		return kernlet_refuse(program, (uint32_t)index,
			"%.40s is no binding: a kernlet has no data of its own", name);
	}
	uint8_t binding = reader->bindings[symbol.section_index];

	str_copy(program->names[binding - 1], KERNLET_NAME_MAX, name);
	program->bindings_loaded[index] = binding;
	program->code[index].immediate += (int32_t)min_u64(symbol.value, HEL_KERNLET_WINDOW_MAX);
	return 0;
}

static int reader_relocations(struct reader *reader, uint32_t code_index)
{
	struct elf_section section, table, names;
	struct piece entries;
	struct symbols symbols;
	int error = 0;

	for (uint32_t i = 1; i < reader->header.n_sections && error == 0; i++) {
		if (!reader_section(reader, i, &section) || section.info != code_index ||
			section.type != ELF_SECTION_REL) {
			continue;
		}
		if (!reader_contents(reader, &section, &entries) ||
			!reader_section(reader, section.link, &table) ||
			!reader_contents(reader, &table, &symbols.table) ||
			!reader_section(reader, table.link, &names) ||
			!reader_contents(reader, &names, &symbols.names)) {
			return kernlet_refuse_file(
				reader->program, -ERR_PROTOCOL, "the ELF file is broken");
		}
		struct elf_rel entry;

		for (size_t at = 0; error == 0 && piece_read(&entries, at, &entry, sizeof(entry));
			at += sizeof(entry)) {
			error = reader_relocate(reader, &symbols, entry.offset, entry.info);
		}
	}
	return error;
}

/* ---- lines, for messages: what is broken here is left out */

static bool reader_strings(struct reader *reader, struct piece *out_strings)
{
	struct elf_section section;
	struct btf_header header;
	struct piece btf;

	return reader_find(reader, ".BTF", &section) != 0 &&
		reader_contents(reader, &section, &btf) &&
		piece_read(&btf, 0, &header, sizeof(header)) && header.magic == BTF_MAGIC &&
		piece_cut(&btf, (uint64_t)header.header_size + header.strings_offset,
			header.strings_size, out_strings) &&
		out_strings->size > 0 && out_strings->bytes[out_strings->size - 1] == '\0';
}

/* What line_info has for each section of code: its name, how many records, and these. */
static void reader_take_lines(
	struct reader *reader, const struct piece *lines, const struct piece *strings)
{
	uint32_t record_size, section[2];
	struct piece records;
	uint64_t at = sizeof(record_size);

	if (!piece_read(lines, 0, &record_size, sizeof(record_size)) || record_size < 16 ||
		record_size > 256) {
		return;
	}
	while (piece_read(lines, at, section, sizeof(section))) {
		at += sizeof(section);
		if (!piece_cut(lines, at, (uint64_t)section[1] * record_size, &records)) {
			return;
		}
		if (str_equal(piece_string(strings, section[0]), "kernlet")) {
			reader->program->lines = (struct kernlet_lines){
				.records = records.bytes,
				.n_records = section[1],
				.record_size = record_size,
				.strings = (const char *)strings->bytes,
				.strings_size = strings->size,
			};
		}
		at += records.size;
	}
}

static void reader_lines(struct reader *reader)
{
	struct elf_section section;
	struct btf_ext_header header;
	struct piece ext, lines, strings;

	if (reader_strings(reader, &strings) && reader_find(reader, ".BTF.ext", &section) != 0 &&
		reader_contents(reader, &section, &ext) &&
		piece_read(&ext, 0, &header, sizeof(header)) && header.magic == BTF_MAGIC &&
		piece_cut(&ext, (uint64_t)header.header_size + header.lines_offset,
			header.lines_size, &lines)) {
		reader_take_lines(reader, &lines, &strings);
	}
}

int kernlet_read(struct kernlet_program *program, const void *elf, size_t size)
{
	struct reader reader = { .program = program, .file = { elf, size } };
	char *message = program->message;
	uint32_t code_index;

	*program = (struct kernlet_program){ .message = message };
	int error = reader_open(&reader);

	if (error == 0) {
		reader_lines(&reader);
		error = reader_bindings(&reader);
	}
	if (error == 0) {
		error = reader_code(&reader, &code_index);
	}
	return error != 0 ? error : reader_relocations(&reader, code_index);
}

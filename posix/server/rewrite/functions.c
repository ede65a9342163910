/* SPDX-License-Identifier: MIT */
/*
 * Reading .eh_frame; see functions.h.
 *
 * Records follow each other: length, and a number that is 0 in *common* records and otherwise the
 * distance back to the common record of a function. A function's record goes on with its start,
 * relative to that field, and its size, if the common record says so ("R" in its augmentation).
 */
#include <posix/server/rewrite/functions.h>

#include <base/errors.h>
#include <base/string.h>
#include <elf/elf.h>
#include <helix/memory.h>

constexpr uint32_t SECTIONS_MAX = 256;
constexpr uint32_t FUNCTIONS_MAX = 1 << 17;
constexpr uint32_t RECORD_MIN = 16; /* of a function, with its length */
constexpr uint8_t ENCODING_FROM_HERE = 0x1b; /* 32 bits with a sign, relative to the field */
constexpr uint8_t ENCODING_INDIRECT_FROM_HERE = 0x9b;

struct reader {
	const uint8_t *file;
	size_t size;
	const struct rewrite_text *text;
	/* .eh_frame */
	const uint8_t *frames;
	uint64_t frames_size, frames_vaddr;
	/* the common record that was looked at last */
	uint64_t common;
	bool common_is_usual;
};

/* ---- the section ----------------------------------------------------------------------------- */

static bool reader_get(const struct reader *reader, uint64_t offset, void *to, size_t size)
{
	if (offset > reader->size || size > reader->size - offset) {
		return false;
	}
	memcpy(to, reader->file + offset, size);
	return true;
}

static bool get_section(const struct reader *reader, const struct elf_header *elf, uint32_t i,
	struct elf_section *out_section)
{
	return elf->section_offset <= reader->size &&
		reader_get(reader, elf->section_offset + i * sizeof(*out_section), out_section,
			sizeof(*out_section)) &&
		out_section->offset <= reader->size &&
		out_section->size <= reader->size - out_section->offset;
}

static bool find_frames(struct reader *reader)
{
	static const char wanted[] = ".eh_frame";
	struct elf_header elf;
	struct elf_section names, section;
	char name[sizeof(wanted)];

	if (!reader_get(reader, 0, &elf, sizeof(elf)) ||
		elf.section_entry_size != sizeof(section) || elf.n_sections > SECTIONS_MAX ||
		elf.section_names_index >= elf.n_sections ||
		!get_section(reader, &elf, elf.section_names_index, &names)) {
		return false;
	}
	for (uint32_t i = 0; i < elf.n_sections; i++) {
		if (get_section(reader, &elf, i, &section) && section.name < names.size &&
			reader_get(reader, names.offset + section.name, name, sizeof(name)) &&
			memcmp(name, wanted, sizeof(name)) == 0) {
			reader->frames = reader->file + section.offset;
			reader->frames_size = section.size;
			reader->frames_vaddr = section.vaddr;
			return true;
		}
	}
	return false;
}

/* ---- records --------------------------------------------------------------------------------- */

static uint32_t get_u32(const struct reader *reader, uint64_t at)
{
	uint32_t value;

	memcpy(&value, reader->frames + at, sizeof(value));
	return value;
}

/* The end of the record at @at, or 0: there is none that is whole. */
static uint64_t record_end(const struct reader *reader, uint64_t at)
{
	uint32_t size;

	if (at > reader->frames_size || reader->frames_size - at < RECORD_MIN) {
		return 0;
	}
	size = get_u32(reader, at);
	return size < RECORD_MIN - 4 || size > reader->frames_size - at - 4 ? 0 : at + 4 + size;
}

/* Passes over a number of 7 bits a byte. */
static uint64_t skip_number(const struct reader *reader, uint64_t at, uint64_t end)
{
	while (at < end && (reader->frames[at] & 0x80) != 0) {
		at++;
	}
	return at < end ? at + 1 : end;
}

/* Whether the common record at @at says that starts are encoded as we know it. */
static bool common_is_usual(const struct reader *reader, uint64_t at)
{
	const uint8_t *bytes = reader->frames;
	uint64_t end = record_end(reader, at), letters, value;

	if (end == 0 || get_u32(reader, at + 4) != 0 || bytes[at + 8] != 1 ||
		bytes[at + 9] != 'z') {
		return false;
	}
	letters = at + 10;
	for (value = letters; value < end && bytes[value] != 0; value++) {
	}
	value = skip_number(reader, value + 1, end); /* of instructions */
	value = skip_number(reader, value, end); /* of the stack */
	value = skip_number(reader, value, end); /* the return address' register */
	value = skip_number(reader, value, end); /* how much augmentation follows */
	for (; value < end && bytes[letters] != 'R'; letters++) {
		switch (bytes[letters]) {
		case 'L': value++; break;
		case 'P':
			if (bytes[value] != ENCODING_FROM_HERE &&
				bytes[value] != ENCODING_INDIRECT_FROM_HERE) {
				return false;
			}
			value += 5;
			break;
		case 'S': break;
		default: return false;
		}
	}
	return value < end && bytes[value] == ENCODING_FROM_HERE;
}

/* Whether the record at @at, which is whole, is a function's in the text. */
static bool read_record(struct reader *reader, uint64_t at, struct function *out_function)
{
	const struct rewrite_text *text = reader->text;
	uint32_t back = get_u32(reader, at + 4), size = get_u32(reader, at + 12);
	uint64_t common = at + 4 - back, start;

	if (back == 0 || back > at + 4) {
		return false;
	}
	if (common != reader->common) {
		reader->common = common;
		reader->common_is_usual = common_is_usual(reader, common);
	}
	start = reader->frames_vaddr + at + 8 +
		(uint64_t)(int64_t)(int32_t)get_u32(reader, at + 8) - text->vaddr;
	if (!reader->common_is_usual || start >= text->size_bytes || size == 0 ||
		size > text->size_bytes - start) {
		return false;
	}
	*out_function = (struct function){ (uint32_t)start, (uint32_t)start + size };
	return true;
}

/* ---- order ----------------------------------------------------------------------------------- */

static void sift(struct function *functions, uint32_t i, uint32_t n)
{
	struct function moved = functions[i];

	for (uint32_t child; (child = 2 * i + 1) < n; i = child) {
		if (child + 1 < n && functions[child].start < functions[child + 1].start) {
			child++;
		}
		if (functions[child].start <= moved.start) {
			break;
		}
		functions[i] = functions[child];
	}
	functions[i] = moved;
}

/* A heap, for its bound: what is sorted may be made to be slow. */
static void sort(struct function *functions, uint32_t n)
{
	for (uint32_t i = n / 2; i-- > 0;) {
		sift(functions, i, n);
	}
	for (uint32_t end = n; end-- > 1;) {
		struct function last = functions[end];

		functions[end] = functions[0];
		functions[0] = last;
		sift(functions, 0, end);
	}
}

/* Leaves out whatever another one overlaps. */
static uint32_t make_disjoint(struct function *functions, uint32_t n)
{
	uint32_t n_kept = 0, covered = 0; /* up to where those before go */

	for (uint32_t i = 0; i < n; i++) {
		bool overlaps = functions[i].start < covered ||
			(i + 1 < n && functions[i + 1].start < functions[i].end);

		covered = functions[i].end > covered ? functions[i].end : covered;
		if (!overlaps) {
			functions[n_kept++] = functions[i];
		}
	}
	return n_kept;
}

/* Returns how many there are; @functions NULL: counts only. */
static uint32_t read_records(struct reader *reader, struct function *functions)
{
	struct function function;
	uint32_t n = 0;

	for (uint64_t at = 0, end; (end = record_end(reader, at)) != 0; at = end) {
		if (n < FUNCTIONS_MAX && read_record(reader, at, &function)) {
			if (functions != NULL) {
				functions[n] = function;
			}
			n++;
		}
	}
	return n;
}

int functions_read(const uint8_t *file, size_t size, const struct rewrite_text *text,
	struct functions *out_functions)
{
	struct reader reader = { .file = file, .size = size, .text = text, .common = UINT64_MAX };
	uint32_t n = find_frames(&reader) ? read_records(&reader, NULL) : 0;

	*out_functions = (struct functions){ 0 };
	if (n == 0) {
		return 0;
	}
	out_functions->functions = helix_malloc(n * sizeof(struct function));
	if (out_functions->functions == NULL) {
		return -ERR_NO_MEMORY;
	}
	read_records(&reader, out_functions->functions);
	sort(out_functions->functions, n);
	out_functions->n_functions = make_disjoint(out_functions->functions, n);
	return 0;
}

void functions_release(struct functions *functions)
{
	helix_free(functions->functions);
	functions->functions = NULL;
	functions->n_functions = 0;
}

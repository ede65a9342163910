/* SPDX-License-Identifier: MIT */
/*
 * Names: UTF-8 for programs, UTF-16 in long names, code page 437 in short ones.
 *
 * As Linux' vfat with utf8 and codepage=437: names are compared without regard to case in ASCII
 * only, and keep the case that they were given. What a short name cannot say becomes '_'.
 */
#include <base/string.h>
#include <drivers/lib/blockfs/fat/fat.h>
#include <drivers/lib/blockfs/utf16.h>

/* Code page 437 from 0x80 on. */
static const uint16_t code_page[128] = {
	0x00c7,
	0x00fc,
	0x00e9,
	0x00e2,
	0x00e4,
	0x00e0,
	0x00e5,
	0x00e7,
	0x00ea,
	0x00eb,
	0x00e8,
	0x00ef,
	0x00ee,
	0x00ec,
	0x00c4,
	0x00c5,
	0x00c9,
	0x00e6,
	0x00c6,
	0x00f4,
	0x00f6,
	0x00f2,
	0x00fb,
	0x00f9,
	0x00ff,
	0x00d6,
	0x00dc,
	0x00a2,
	0x00a3,
	0x00a5,
	0x20a7,
	0x0192,
	0x00e1,
	0x00ed,
	0x00f3,
	0x00fa,
	0x00f1,
	0x00d1,
	0x00aa,
	0x00ba,
	0x00bf,
	0x2310,
	0x00ac,
	0x00bd,
	0x00bc,
	0x00a1,
	0x00ab,
	0x00bb,
	0x2591,
	0x2592,
	0x2593,
	0x2502,
	0x2524,
	0x2561,
	0x2562,
	0x2556,
	0x2555,
	0x2563,
	0x2551,
	0x2557,
	0x255d,
	0x255c,
	0x255b,
	0x2510,
	0x2514,
	0x2534,
	0x252c,
	0x251c,
	0x2500,
	0x253c,
	0x255e,
	0x255f,
	0x255a,
	0x2554,
	0x2569,
	0x2566,
	0x2560,
	0x2550,
	0x256c,
	0x2567,
	0x2568,
	0x2564,
	0x2565,
	0x2559,
	0x2558,
	0x2552,
	0x2553,
	0x256b,
	0x256a,
	0x2518,
	0x250c,
	0x2588,
	0x2584,
	0x258c,
	0x2590,
	0x2580,
	0x03b1,
	0x00df,
	0x0393,
	0x03c0,
	0x03a3,
	0x03c3,
	0x00b5,
	0x03c4,
	0x03a6,
	0x0398,
	0x03a9,
	0x03b4,
	0x221e,
	0x03c6,
	0x03b5,
	0x2229,
	0x2261,
	0x00b1,
	0x2265,
	0x2264,
	0x2320,
	0x2321,
	0x00f7,
	0x2248,
	0x00b0,
	0x2219,
	0x00b7,
	0x221a,
	0x207f,
	0x00b2,
	0x25a0,
	0x00a0,
};

/* ---- UTF-8 and UTF-16 ------------------------------------------------------------------------ */

/* The next character of a name; -1: it is not UTF-8. */
static int32_t take_utf8(const uint8_t **at, const uint8_t *end)
{
	static const uint32_t firsts[] = { 0, 0x80, 0x800, 0x10000 };
	uint32_t code = *(*at)++;
	size_t n = code < 0x80 ? 0 : code >= 0xc2 && code < 0xe0 ? 1 : code < 0xf0 ? 2 : 3;

	if (n == 0) {
		return (int32_t)code;
	}
	if (code < 0xc2 || code > 0xf4 || (size_t)(end - *at) < n) {
		return -1;
	}
	code &= 0x3fu >> n;
	for (size_t i = 0; i < n; i++, (*at)++) {
		if ((**at & 0xc0) != 0x80) {
			return -1;
		}
		code = code << 6 | (**at & 0x3fu);
	}
	return code < firsts[n] || code > 0x10ffff || (code & 0xfffff800u) == 0xd800
		? -1
		: (int32_t)code;
}

static bool is_bad_character(uint32_t code)
{
	return code < 0x20 || (code < 0x80 && strchr("*?<>|\":/\\", (int)code) != NULL);
}

int fat_name_encode(struct blockfs_name name, uint16_t *out_units, size_t *out_n_units)
{
	const uint8_t *at = (const uint8_t *)name.text;
	const uint8_t *end = at + name.length;
	size_t n = 0;

	while (at < end) {
		int32_t code = take_utf8(&at, end);

		if (code < 0 || is_bad_character((uint32_t)code)) {
			return -ERR_ILLEGAL_ARGS;
		}
		if (n + 2 > FAT_LONG_MAX + 1) {
			return BLOCKFS_E_NAME_TOO_LONG;
		}
		if (code >= 0x10000) {
			out_units[n++] = (uint16_t)(0xd800 + ((code - 0x10000) >> 10));
			code = 0xdc00 + (code & 0x3ff);
		}
		out_units[n++] = (uint16_t)code;
	}
	if (n > FAT_LONG_MAX) {
		return BLOCKFS_E_NAME_TOO_LONG;
	}
	if (n == 0 || out_units[n - 1] == ' ') {
		return -ERR_ILLEGAL_ARGS;
	}
	*out_n_units = n;
	return 0;
}

/* ---- short names ----------------------------------------------------------------------------- */

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

/* A byte of code page 437. */
static uint8_t short_lower(uint8_t byte)
{
	static const uint8_t pairs[][2] = { { 0x80, 0x87 }, { 0x8e, 0x84 }, { 0x8f, 0x86 },
		{ 0x90, 0x82 }, { 0x92, 0x91 }, { 0x99, 0x94 }, { 0x9a, 0x81 }, { 0xa5, 0xa4 },
		{ 0xe4, 0xe5 }, { 0xe8, 0xed } };

	for (size_t i = 0; byte >= 0x80 && i < ARRAY_SIZE(pairs); i++) {
		if (pairs[i][0] == byte) {
			return pairs[i][1];
		}
	}
	return byte < 0x80 ? (uint8_t)lower((char)byte) : byte;
}

static size_t short_part(const uint8_t *bytes, size_t size, bool is_lower, char *out)
{
	size_t length = 0;

	while (size > 0 && bytes[size - 1] == ' ') {
		size--;
	}
	for (size_t i = 0; i < size; i++) {
		uint8_t byte = is_lower ? short_lower(bytes[i]) : bytes[i];
		uint32_t code = byte < 0x80 ? byte : code_page[byte - 0x80];

		length += utf8_put(code == '/' || code == 0 ? '?' : code, out + length);
	}
	return length;
}

size_t fat_short_decode(const struct fat_slot *slot, char *out_name)
{
	uint8_t name[FAT_SHORT_SIZE];

	memcpy(name, slot->name, sizeof(name));
	name[0] = name[0] == FAT_SLOT_E5 ? FAT_SLOT_FREE : name[0];
	size_t length =
		short_part(name, 8, (slot->lower_case & FAT_CASE_LOWER_BASE) != 0, out_name);
	size_t base_length = length;

	if (length > 0) {
		out_name[length++] = '.';
		size_t n = short_part(name + 8, 3,
			(slot->lower_case & FAT_CASE_LOWER_EXTENSION) != 0, out_name + length);

		length = n > 0 ? length + n : base_length;
	}
	out_name[length] = 0;
	return out_name[0] == '.' && (length == 1 || (length == 2 && out_name[1] == '.')) ? 0
											  : length;
}

uint8_t fat_short_sum(const uint8_t *name)
{
	uint8_t sum = 0;

	for (size_t i = 0; i < FAT_SHORT_SIZE; i++) {
		sum = (uint8_t)((uint32_t)(sum >> 1 | (sum & 1) << 7) + name[i]);
	}
	return sum;
}

/* Up to @size characters of a part of a name; how it differs from the name. */
static enum fat_short_kind short_fill(
	const uint16_t *units, size_t n_units, uint8_t *out_part, size_t size, size_t *out_length)
{
	enum fat_short_kind kind = FAT_SHORT_EXACT;
	size_t n = 0;

	for (size_t i = 0; i < n_units; i++) {
		uint16_t unit = units[i];

		if (n == size) {
			kind = FAT_SHORT_LOSSY;
			break;
		}
		if (unit == ' ' || unit == '.') {
			kind = FAT_SHORT_LOSSY;
			continue;
		}
		if (unit >= 0x80 || strchr("+,;=[]", unit) != NULL) {
			kind = FAT_SHORT_LOSSY;
			unit = '_';
		} else if (unit >= 'a' && unit <= 'z') {
			kind = kind == FAT_SHORT_EXACT ? FAT_SHORT_CASE : kind;
			unit = (uint16_t)(unit - 32);
		}
		out_part[n++] = (uint8_t)unit;
	}
	*out_length = n;
	return kind;
}

enum fat_short_kind fat_short_make(
	const uint16_t *units, size_t n_units, uint8_t *out_name, size_t *out_base_length)
{
	size_t begin = 0, dot = n_units, n_extension = 0;
	enum fat_short_kind kind = FAT_SHORT_EXACT;

	memset(out_name, ' ', FAT_SHORT_SIZE);
	while (begin < n_units && (units[begin] == '.' || units[begin] == ' ')) {
		begin++;
	}
	for (size_t i = begin; i < n_units; i++) {
		dot = units[i] == '.' ? i : dot;
	}
	enum fat_short_kind base =
		short_fill(units + begin, dot - begin, out_name, 8, out_base_length);

	if (dot + 1 < n_units) {
		kind = short_fill(
			units + dot + 1, n_units - dot - 1, out_name + 8, 3, &n_extension);
	}
	if (*out_base_length == 0) {
		out_name[0] = '_';
		*out_base_length = 1;
		base = FAT_SHORT_LOSSY;
	}
	return begin > 0 ? FAT_SHORT_LOSSY : base > kind ? base : kind;
}

void fat_short_number(uint8_t *name, size_t base_length, uint32_t number, uint32_t random)
{
	static const char digits[] = "0123456789ABCDEF";
	size_t n = min_size(base_length, number < 10 ? 6 : 2);

	if (number >= 10) {
		for (size_t i = 0; i < 4; i++) {
			name[n++] = (uint8_t)digits[random >> (12 - 4 * i) & 15];
		}
		number = 1 + number % 9;
	}
	name[n++] = '~';
	name[n++] = (uint8_t)('0' + number);
	while (n < 8) {
		name[n++] = ' ';
	}
}

/* ---- comparing ------------------------------------------------------------------------------- */

struct blockfs_name fat_name_trim(struct blockfs_name name)
{
	while (name.length > 0 && name.text[name.length - 1] == '.') {
		name.length--;
	}
	return name;
}

bool fat_name_equals(struct blockfs_name a, struct blockfs_name b)
{
	if (a.length != b.length) {
		return false;
	}
	for (size_t i = 0; i < a.length; i++) {
		if (lower(a.text[i]) != lower(b.text[i])) {
			return false;
		}
	}
	return true;
}

uint32_t fat_name_hash(struct blockfs_name name)
{
	uint32_t hash = 2166136261u; /* FNV-1a */

	for (size_t i = 0; i < name.length; i++) {
		hash = (hash ^ (uint8_t)lower(name.text[i])) * 16777619u;
	}
	return hash;
}

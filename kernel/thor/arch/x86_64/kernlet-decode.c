/* SPDX-License-Identifier: MIT */
/*
 * The forms of native kernlets for x86-64: see <abi/hel/kernlet.h>, and kernlet/check.c for what
 * they have to guarantee.
 *
 * Depends on nothing of the machine, so that tests check it on any.
 */
#include <thor/kernlet/check.h>

#include <base/string.h>

#define REX_B 1u
#define REX_X 2u
#define REX_R 4u
#define REX_W 8u

#define REGISTER_RSP     4u
#define REGISTER_WINDOW  14u
#define REGISTER_CONTEXT 15u

#define MODE_DISPLACEMENT 2u /* of 32 bits */
#define MODE_REGISTER     3u
#define SIB_RSP           0x24u

#define ESCAPE          0x0fu
#define PREFIX_16       0x66u
#define OPCODE_RETURN   0xc3u
#define OPCODE_JUMP     0xe9u
#define OPCODE_JUMP_IF  0x80u /* to 8f, behind ESCAPE */
#define OPCODE_LOAD     0x8bu
#define OPCODE_CONSTANT 0xb8u /* to bf */
#define OPCODE_BSWAP    0xc8u /* to cf, behind ESCAPE */

#define DIGIT(n)  (1u << (n))
#define ANY_VALUE 0u

/* Forms with a ModRM byte that names registers. */
struct register_form {
	bool is_escaped;
	uint8_t opcode;
	uint8_t digits; /* of the reg field, or ANY_VALUE: it is a register */
	uint8_t immediate_size;
};

static const struct register_form register_forms[] = {
	{ false, 0x89, ANY_VALUE, 0 }, /* mov */
	{ false, 0x01, ANY_VALUE, 0 }, /* add */
	{ false, 0x29, ANY_VALUE, 0 }, /* sub */
	{ false, 0x21, ANY_VALUE, 0 }, /* and */
	{ false, 0x09, ANY_VALUE, 0 }, /* or */
	{ false, 0x31, ANY_VALUE, 0 }, /* xor */
	{ false, 0x39, ANY_VALUE, 0 }, /* cmp */
	{ false, 0x85, ANY_VALUE, 0 }, /* test */
	{ false, 0xc7, DIGIT(0), 4 },  /* mov */
	{ false, 0x81, DIGIT(0) | DIGIT(1) | DIGIT(4) | DIGIT(5) | DIGIT(6) | DIGIT(7), 4 },
	{ false, 0xf7, DIGIT(0), 4 },         /* test */
	{ false, 0xf7, DIGIT(3), 0 },         /* neg */
	{ true, 0xaf, ANY_VALUE, 0 },         /* imul */
	{ false, 0x69, ANY_VALUE, 4 },        /* imul */
	{ false, 0xc1, DIGIT(4) | DIGIT(5) | DIGIT(7), 1 }, /* shl, shr, sar */
	{ false, 0xd3, DIGIT(4) | DIGIT(5) | DIGIT(7), 0 }, /* the same by cl */
	{ true, 0xb6, ANY_VALUE, 0 },         /* movzx */
	{ true, 0xb7, ANY_VALUE, 0 },
};

/* Loads and stores. */
struct memory_form {
	bool is_16, is_escaped;
	uint8_t opcode;
	uint8_t width_bytes; /* 0: 4, or 8 with REX.W */
	bool is_store;
};

static const struct memory_form memory_forms[] = {
	{ false, true, 0xb6, 1, false },
	{ false, true, 0xb7, 2, false },
	{ false, false, OPCODE_LOAD, 0, false },
	{ false, false, 0x88, 1, true },
	{ true, false, 0x89, 2, true },
	{ false, false, 0x89, 0, true },
};

/* ---- bytes */

/* What is left of the code. Reading beyond its end gives zeros and makes it bad. */
struct cursor {
	const uint8_t *bytes;
	uint32_t size, at;
	bool is_bad;
};

static uint8_t cursor_peek(const struct cursor *cursor)
{
	return cursor->at < cursor->size ? cursor->bytes[cursor->at] : 0;
}

static uint8_t cursor_byte(struct cursor *cursor)
{
	uint8_t byte = cursor_peek(cursor);

	cursor->is_bad |= cursor->at >= cursor->size;
	cursor->at++;
	return byte;
}

static int32_t cursor_i32(struct cursor *cursor)
{
	uint32_t value = 0;

	for (unsigned i = 0; i < 4; i++) {
		value |= (uint32_t)cursor_byte(cursor) << 8 * i;
	}
	return (int32_t)value;
}

static void cursor_skip(struct cursor *cursor, uint32_t n_bytes)
{
	for (uint32_t i = 0; i < n_bytes; i++) {
		(void)cursor_byte(cursor);
	}
}

static bool cursor_take(struct cursor *cursor, const uint8_t *bytes, uint32_t size)
{
	if (cursor->size - cursor->at < size ||
		memcmp(cursor->bytes + cursor->at, bytes, size) != 0) {
		return false;
	}
	cursor->at += size;
	return true;
}

static bool register_is_value(unsigned number)
{
	return number != REGISTER_RSP && number < REGISTER_WINDOW;
}

/* A slot of the context's array that begins at @start. */
static bool context_index(int32_t displacement, uint32_t start, uint32_t *out_index)
{
	*out_index = ((uint32_t)displacement - start) / 8;
	return displacement >= (int32_t)start && ((uint32_t)displacement - start) % 8 == 0;
}

/* ---- the groups of forms; false: it is none of them */

static bool decode_control(struct cursor cursor, struct kernlet_form *form)
{
	static const uint8_t call[] = { 0x41, 0xff, 0x97 };
	bool is_control = true;

	if (cursor_take(&cursor, call, sizeof(call))) {
		form->kind = KERNLET_FORM_CALL;
		is_control = context_index(
			cursor_i32(&cursor), HEL_KERNLET_CONTEXT_HELPERS, &form->index);
	} else if (cursor_peek(&cursor) == OPCODE_RETURN) {
		cursor.at++;
		form->kind = KERNLET_FORM_RETURN;
	} else {
		uint8_t opcode = cursor_byte(&cursor);

		is_control = opcode == OPCODE_JUMP ||
			(opcode == ESCAPE && (cursor_byte(&cursor) & 0xf0) == OPCODE_JUMP_IF);
		form->kind = KERNLET_FORM_JUMP;
		form->distance = cursor_i32(&cursor);
	}
	form->size_bytes = cursor.at;
	return is_control && !cursor.is_bad;
}

static const struct memory_form *memory_form_find(bool is_16, bool is_escaped, uint8_t opcode)
{
	for (size_t i = 0; i < ARRAY_SIZE(memory_forms); i++) {
		const struct memory_form *found = &memory_forms[i];

		if (found->is_16 == is_16 && found->is_escaped == is_escaped &&
			found->opcode == opcode) {
			return found;
		}
	}
	return NULL;
}

/*
 * A load or store with a displacement of 32 bits from @base; *out_displacement is that.
 */
static bool decode_memory(
	struct cursor *cursor, unsigned base, struct kernlet_form *form, int32_t *out_displacement)
{
	bool is_16 = cursor_peek(cursor) == PREFIX_16;

	if (is_16) {
		cursor->at++;
	}
	uint8_t rex = cursor_byte(cursor);
	bool is_escaped = cursor_peek(cursor) == ESCAPE;

	if (is_escaped) {
		cursor->at++;
	}
	const struct memory_form *found = memory_form_find(is_16, is_escaped, cursor_byte(cursor));
	uint8_t modrm = cursor_byte(cursor);
	unsigned value = (modrm >> 3 & 7) | ((rex & REX_R) != 0 ? 8 : 0);
	unsigned rm = (modrm & 7) | ((rex & REX_B) != 0 ? 8 : 0);

	if (found == NULL || (rex & 0xf0) != 0x40 || (rex & REX_X) != 0 ||
		modrm >> 6 != MODE_DISPLACEMENT || rm != base || !register_is_value(value) ||
		(found->width_bytes != 0 && (rex & REX_W) != 0) ||
		(base == REGISTER_RSP && cursor_byte(cursor) != SIB_RSP)) {
		return false;
	}
	*out_displacement = cursor_i32(cursor);
	form->is_store = found->is_store;
	form->width_bytes = found->width_bytes != 0 ? found->width_bytes
		: (rex & REX_W) != 0                ? 8
						    : 4;
	form->size_bytes = cursor->at;
	return !cursor->is_bad;
}

static bool decode_window(struct cursor cursor, struct kernlet_form *form)
{
	static const uint8_t load_base[] = { 0x4d, OPCODE_LOAD, 0xb7 };
	int32_t displacement;

	if (!cursor_take(&cursor, load_base, sizeof(load_base)) ||
		!context_index(cursor_i32(&cursor), HEL_KERNLET_CONTEXT_BINDINGS, &form->index) ||
		!decode_memory(&cursor, REGISTER_WINDOW, form, &displacement)) {
		return false;
	}
	form->kind = KERNLET_FORM_WINDOW;
	form->offset = displacement;
	return true;
}

static bool decode_frame(struct cursor cursor, struct kernlet_form *form)
{
	int32_t displacement;

	if (!decode_memory(&cursor, REGISTER_RSP, form, &displacement)) {
		return false;
	}
	form->kind = KERNLET_FORM_FRAME;
	form->offset = (int64_t)displacement - 8; /* below it is the return address */
	return true;
}

static bool decode_parameter(struct cursor cursor, struct kernlet_form *form)
{
	int32_t displacement;

	if (!decode_memory(&cursor, REGISTER_CONTEXT, form, &displacement) || form->is_store ||
		form->width_bytes != 8 ||
		!context_index(displacement, HEL_KERNLET_CONTEXT_BINDINGS, &form->index)) {
		return false;
	}
	form->kind = KERNLET_FORM_PARAMETER;
	return true;
}

/* mov v, imm64 and bswap v: the register is in the opcode. */
static bool decode_short(struct cursor cursor, struct kernlet_form *form)
{
	uint8_t rex = cursor_byte(&cursor);
	bool is_escaped = cursor_peek(&cursor) == ESCAPE;

	if (is_escaped) {
		cursor.at++;
	}
	uint8_t opcode = cursor_byte(&cursor);
	bool is_constant = !is_escaped && (opcode & 0xf8) == OPCODE_CONSTANT && (rex & REX_W) != 0;
	bool is_bswap = is_escaped && (opcode & 0xf8) == OPCODE_BSWAP;

	if ((rex & 0xf0) != 0x40 || (rex & (REX_X | REX_R)) != 0 || !(is_constant || is_bswap) ||
		!register_is_value((opcode & 7) | ((rex & REX_B) != 0 ? 8 : 0))) {
		return false;
	}
	cursor_skip(&cursor, is_constant ? 8 : 0);
	form->kind = KERNLET_FORM_PLAIN;
	form->size_bytes = cursor.at;
	return !cursor.is_bad;
}

static const struct register_form *register_form_find(
	bool is_escaped, uint8_t opcode, unsigned digit)
{
	for (size_t i = 0; i < ARRAY_SIZE(register_forms); i++) {
		const struct register_form *found = &register_forms[i];

		if (found->is_escaped == is_escaped && found->opcode == opcode &&
			(found->digits == ANY_VALUE || (found->digits & DIGIT(digit)) != 0)) {
			return found;
		}
	}
	return NULL;
}

static bool decode_registers(struct cursor cursor, struct kernlet_form *form)
{
	uint8_t rex = cursor_byte(&cursor);
	bool is_escaped = cursor_peek(&cursor) == ESCAPE;

	if (is_escaped) {
		cursor.at++;
	}
	uint8_t opcode = cursor_byte(&cursor);
	uint8_t modrm = cursor_byte(&cursor);
	unsigned reg = (modrm >> 3 & 7) | ((rex & REX_R) != 0 ? 8 : 0);
	unsigned rm = (modrm & 7) | ((rex & REX_B) != 0 ? 8 : 0);

	if ((rex & 0xf0) != 0x40 || (rex & REX_X) != 0 || modrm >> 6 != MODE_REGISTER ||
		!register_is_value(rm)) {
		return false;
	}
	const struct register_form *found = register_form_find(is_escaped, opcode, reg & 7);

	if (found == NULL ||
		(found->digits == ANY_VALUE ? !register_is_value(reg) : (rex & REX_R) != 0)) {
		return false;
	}
	cursor_skip(&cursor, found->immediate_size);
	form->kind = KERNLET_FORM_PLAIN;
	form->size_bytes = cursor.at;
	return !cursor.is_bad;
}

static bool decode_division(struct cursor cursor, struct kernlet_form *form)
{
	static const uint8_t bytes[] = KERNLET_X86_DIVIDE;

	if (!cursor_take(&cursor, bytes, sizeof(bytes))) {
		return false;
	}
	form->kind = KERNLET_FORM_PLAIN;
	form->size_bytes = cursor.at;
	return true;
}

bool kernlet_decode(const uint8_t *code, uint32_t size_bytes, struct kernlet_form *out_form)
{
	/* Divisions and windows begin with what is, or might be, a form by itself. */
	static bool (*const groups[])(struct cursor cursor, struct kernlet_form *form) = {
		decode_division,
		decode_window,
		decode_control,
		decode_frame,
		decode_parameter,
		decode_short,
		decode_registers,
	};
	const struct cursor cursor = { .bytes = code, .size = size_bytes };

	for (size_t i = 0; i < ARRAY_SIZE(groups); i++) {
		*out_form = (struct kernlet_form){};
		if (groups[i](cursor, out_form)) {
			return true;
		}
	}
	return false;
}

/* SPDX-License-Identifier: MIT */
/*
 * Lengths of x86-64 instructions; see instruction.h.
 *
 * An instruction is: prefixes, REX, opcode of one of four maps, ModRM with SIB and displacement,
 * immediate; VEX and EVEX stand for prefixes, REX and map. The tables have a character for each
 * opcode, which says what follows it.
 */
#include <posix/server/rewrite/instruction.h>

/*
 * .  nothing          m  ModRM                 -  undefined, or looked at before
 * b  8 bits           B  ModRM and 8 bits
 * w  16 bits          z  32 bits, 16 with 66   Z  ModRM and as z
 * v  as z, 64 bits with REX.W                  a  an address
 * e  16 and 8 bits    r  32 bits of a branch
 */
static const char one_byte_map[256 + 1] = "mmmmbz--mmmmbz--"  /* 00 */
					  "mmmmbz--mmmmbz--"  /* 10 */
					  "mmmmbz--mmmmbz--"  /* 20 */
					  "mmmmbz--mmmmbz--"  /* 30 */
					  "----------------"  /* 40: REX */
					  "................"  /* 50 */
					  "---m----zZbB...."  /* 60 */
					  "bbbbbbbbbbbbbbbb"  /* 70 */
					  "BZ-Bmmmmmmmmmmmm"  /* 80 */
					  "..........-....."  /* 90 */
					  "aaaa....bz......"  /* a0 */
					  "bbbbbbbbvvvvvvvv"  /* b0 */
					  "BBw.--BZe.w..b-."  /* c0 */
					  "mmmm---.mmmmmmmm"  /* d0 */
					  "bbbbbbbbrr-b...."  /* e0 */
					  "-.--..mm......mm"; /* f0 */

static const char map_0f[256 + 1] = "mmmm-.....-.-m--"  /* 00 */
				    "mmmmmmmmmmmmmmmm"  /* 10 */
				    "mmmm----mmmmmmmm"  /* 20 */
				    "......-.--------"  /* 30 */
				    "mmmmmmmmmmmmmmmm"  /* 40 */
				    "mmmmmmmmmmmmmmmm"  /* 50 */
				    "mmmmmmmmmmmmmmmm"  /* 60 */
				    "BBBBmmm.----mmmm"  /* 70 */
				    "rrrrrrrrrrrrrrrr"  /* 80 */
				    "mmmmmmmmmmmmmmmm"  /* 90 */
				    "...mBm--...mBmmm"  /* a0 */
				    "mmmmmmmmm-Bmmmmm"  /* b0 */
				    "mmBmBBBm........"  /* c0 */
				    "mmmmmmmmmmmmmmmm"  /* d0 */
				    "mmmmmmmmmmmmmmmm"  /* e0 */
				    "mmmmmmmmmmmmmmm-"; /* f0 */

struct decoder {
	const uint8_t *code;
	size_t size, at; /* at <= size */
	bool has_66, has_67, has_f2, has_f3, has_lock, has_rex, has_rex_w;
	bool fails;
};

static uint8_t take(struct decoder *decoder)
{
	if (decoder->at == decoder->size) {
		decoder->fails = true;
		return 0;
	}
	return decoder->code[decoder->at++];
}

static void skip(struct decoder *decoder, size_t n)
{
	if (n > decoder->size - decoder->at) {
		decoder->fails = true;
	} else {
		decoder->at += n;
	}
}

/* Returns the byte behind the prefixes. */
static uint8_t take_prefixes(struct decoder *decoder)
{
	for (;;) {
		uint8_t byte = take(decoder);

		switch (byte) {
		case 0x66: decoder->has_66 = true; break;
		case 0x67: decoder->has_67 = true; break;
		case 0xf0: decoder->has_lock = true; break;
		case 0xf2: decoder->has_f2 = true; break;
		case 0xf3: decoder->has_f3 = true; break;
		case 0x26:
		case 0x2e:
		case 0x36:
		case 0x3e:
		case 0x64:
		case 0x65: break;
		default:
			if ((byte & 0xf0) != 0x40) {
				return byte;
			}
			decoder->has_rex = true;
			decoder->has_rex_w = (byte & 8) != 0;
			return take(decoder);
		}
		if (decoder->fails) {
			return 0;
		}
	}
}

/* Returns the ModRM byte. */
static uint8_t take_modrm(struct decoder *decoder)
{
	uint8_t modrm = take(decoder), mode = modrm >> 6, base = modrm & 7;

	if (mode == 3) {
		return modrm;
	}
	if (base == 4) {
		base = take(decoder) & 7;
	} else if (mode == 0 && base == 5) {
		skip(decoder, 4);
		return modrm;
	}
	if (mode == 0 && base == 5) {
		skip(decoder, 4);
	} else if (mode != 0) {
		skip(decoder, mode == 1 ? 1 : 4);
	}
	return modrm;
}

/* What a character of the tables says; returns the ModRM byte, if there is one. */
static uint8_t take_operands(struct decoder *decoder, char what)
{
	size_t z = decoder->has_66 && !decoder->has_rex_w ? 2 : 4;
	uint8_t modrm = 0;

	switch (what) {
	case '.': break;
	case 'm': modrm = take_modrm(decoder); break;
	case 'B':
		modrm = take_modrm(decoder);
		skip(decoder, 1);
		break;
	case 'Z':
		modrm = take_modrm(decoder);
		skip(decoder, z);
		break;
	case 'b': skip(decoder, 1); break;
	case 'w': skip(decoder, 2); break;
	case 'z': skip(decoder, z); break;
	case 'v': skip(decoder, decoder->has_rex_w ? 8 : z); break;
	case 'a': skip(decoder, decoder->has_67 ? 4 : 8); break;
	case 'e': skip(decoder, 3); break;
	case 'r':
		/* Processors differ in what 66 does to branches. */
		decoder->fails |= decoder->has_66 && !decoder->has_rex_w;
		skip(decoder, 4);
		break;
	default: decoder->fails = true; break;
	}
	return modrm;
}

/* The opcodes whose ModRM byte says more than operands. */
static void take_group(struct decoder *decoder, uint8_t opcode, struct instruction *instruction)
{
	uint8_t modrm = take_operands(decoder, one_byte_map[opcode]), which = modrm >> 3 & 7;

	switch (opcode) {
	case 0x8f:
	case 0xc6:
	case 0xc7: decoder->fails |= which != 0; break; /* others: XOP, XABORT, XBEGIN */
	case 0xf6: skip(decoder, which < 2 ? 1 : 0); break;
	case 0xf7:
		if (which < 2) {
			take_operands(decoder, 'z');
		}
		break;
	case 0xfe: decoder->fails |= which > 1; break;
	default: /* 0xff */
		decoder->fails |= which == 7;
		instruction->ends_flow = which == 4 || which == 5;
		break;
	}
}

static void take_one_byte(struct decoder *decoder, uint8_t opcode, struct instruction *instruction)
{
	switch (opcode) {
	case 0x8f:
	case 0xc6:
	case 0xc7:
	case 0xf6:
	case 0xf7:
	case 0xfe:
	case 0xff: take_group(decoder, opcode, instruction); return;
	case 0xc2:
	case 0xc3:
	case 0xca:
	case 0xcb:
	case 0xcf:
	case 0xe9:
	case 0xeb:
	case 0xf4: instruction->ends_flow = true; break;
	default: break;
	}
	take_operands(decoder, one_byte_map[opcode]);
}

static void take_0f(struct decoder *decoder, struct instruction *instruction)
{
	uint8_t opcode = take(decoder);

	instruction->map = INSTRUCTION_0F;
	if (opcode == 0x38 || opcode == 0x3a) {
		instruction->map = opcode == 0x38 ? INSTRUCTION_0F38 : INSTRUCTION_0F3A;
		instruction->opcode = take(decoder);
		take_operands(decoder, opcode == 0x38 ? 'm' : 'B');
		return;
	}
	instruction->opcode = opcode;
	instruction->ends_flow = opcode == 0x0b;
	take_operands(decoder, map_0f[opcode]);
}

/* What follows a VEX or EVEX prefix that names @map. */
static void take_vector(struct decoder *decoder, uint8_t map)
{
	uint8_t opcode = take(decoder);

	if (map == 1 && opcode == 0x77) {
		return; /* vzeroupper */
	}
	take_modrm(decoder);
	if (map == 3 ||
		(map == 1 &&
			((opcode >= 0x70 && opcode <= 0x73) || opcode == 0xc2 ||
				(opcode >= 0xc4 && opcode <= 0xc6)))) {
		skip(decoder, 1);
	}
}

static void take_vex(struct decoder *decoder, uint8_t first)
{
	uint8_t byte = take(decoder), map = 1;

	if (first == 0xc4) {
		map = byte & 0x1f;
		take(decoder);
	}
	decoder->fails |= map < 1 || map > 3;
	take_vector(decoder, map);
}

static void take_evex(struct decoder *decoder)
{
	uint8_t byte = take(decoder), map = byte & 7;

	decoder->fails |= (byte & 8) != 0 || map == 0 || map == 4 || map == 7;
	decoder->fails |= (take(decoder) & 4) == 0;
	take(decoder);
	take_vector(decoder, map);
}

bool instruction_decode(const uint8_t *code, size_t size, struct instruction *out_instruction)
{
	struct decoder decoder = {
		.code = code,
		.size = size < INSTRUCTION_SIZE_MAX ? size : INSTRUCTION_SIZE_MAX,
	};
	struct instruction instruction = { .map = INSTRUCTION_ONE_BYTE };
	uint8_t opcode = take_prefixes(&decoder);

	instruction.opcode = opcode;
	instruction.prefixes_size = (uint8_t)(decoder.at - (decoder.at != 0));
	if (opcode == 0x0f) {
		take_0f(&decoder, &instruction);
	} else if (opcode == 0xc4 || opcode == 0xc5 || opcode == 0x62) {
		instruction.map = INSTRUCTION_VECTOR;
		decoder.fails |= decoder.has_rex || decoder.has_66 || decoder.has_f2 ||
			decoder.has_f3 || decoder.has_lock;
		if (opcode == 0x62) {
			take_evex(&decoder);
		} else {
			take_vex(&decoder, opcode);
		}
	} else {
		take_one_byte(&decoder, opcode, &instruction);
	}
	if (decoder.fails) {
		return false;
	}
	instruction.size = (uint8_t)decoder.at;
	*out_instruction = instruction;
	return true;
}

bool instruction_is_filler(const uint8_t *code, const struct instruction *instruction)
{
	for (size_t i = 0; i < instruction->prefixes_size; i++) {
		if (code[i] != 0x66 && code[i] != 0x2e) {
			return false;
		}
	}
	return instruction->map == INSTRUCTION_0F ? instruction->opcode == 0x1f
						  : instruction->map == INSTRUCTION_ONE_BYTE &&
			(instruction->opcode == 0x90 || instruction->opcode == 0xcc);
}

/* SPDX-License-Identifier: MIT */
/*
 * Where x86-64 instructions end.
 *
 * Knows what processors with SSE, AVX and AVX-512 execute in 64-bit mode, as compilers and
 * assemblers write it. What is undefined, reserved, or decoded in different ways by different
 * processors is refused: who asks wants to be sure.
 */
#ifndef POSIX_REWRITE_INSTRUCTION_H
#define POSIX_REWRITE_INSTRUCTION_H

#include <base/types.h>

constexpr size_t INSTRUCTION_SIZE_MAX = 15;

enum instruction_map : uint8_t {
	INSTRUCTION_ONE_BYTE,
	INSTRUCTION_0F,
	INSTRUCTION_0F38,
	INSTRUCTION_0F3A,
	INSTRUCTION_VECTOR, /* VEX or EVEX; no opcode is told */
};

struct instruction {
	uint8_t size; /* in bytes, with its prefixes */
	uint8_t prefixes_size;
	enum instruction_map map;
	uint8_t opcode; /* in its map */
	bool ends_flow; /* what follows is not reached from here: jumps, returns, ud2, hlt */
};

/**
 * instruction_decode() - the instruction at @code
 * @size: bytes that may be looked at
 *
 * Return: whether there is one that is known and complete.
 */
bool instruction_decode(const uint8_t *code, size_t size, struct instruction *out_instruction);

/**
 * instruction_is_filler() - whether it does nothing, as what lies between functions (nop, int3)
 * @code: what it was decoded from
 */
bool instruction_is_filler(const uint8_t *code, const struct instruction *instruction);

#endif

/* SPDX-License-Identifier: MIT */
/* eBPF instructions, as RFC 9669 has them; those of -mcpu=v3. */
#ifndef KERNLET_BPF_H
#define KERNLET_BPF_H

#include <base/types.h>

struct bpf_instruction {
	uint8_t opcode;
	uint8_t registers; /* destination in the lower, source in the upper four bits */
	int16_t offset;
	int32_t immediate;
};
static_assert(sizeof(struct bpf_instruction) == 8, "as in the file");

constexpr unsigned BPF_REGISTERS = 11;
constexpr unsigned BPF_REGISTER_FRAME = 10;
constexpr int32_t BPF_FRAME_SIZE = 512;

/* opcode & 7 */
enum bpf_class : uint8_t {
	BPF_LD = 0,
	BPF_LDX = 1,
	BPF_ST = 2,
	BPF_STX = 3,
	BPF_ALU = 4, /* 32 bits */
	BPF_JMP = 5,
	BPF_JMP32 = 6,
	BPF_ALU64 = 7,
};

/* Arithmetic and jumps: opcode & 8 */
#define BPF_SOURCE_REGISTER 0x08u

/* Arithmetic: opcode & 0xf0 */
enum bpf_operation : uint8_t {
	BPF_ADD = 0x00,
	BPF_SUB = 0x10,
	BPF_MUL = 0x20,
	BPF_DIV = 0x30,
	BPF_OR = 0x40,
	BPF_AND = 0x50,
	BPF_LSH = 0x60,
	BPF_RSH = 0x70,
	BPF_NEG = 0x80,
	BPF_MOD = 0x90,
	BPF_XOR = 0xa0,
	BPF_MOV = 0xb0,
	BPF_ARSH = 0xc0,
	BPF_END = 0xd0, /* to little, with BPF_SOURCE_REGISTER to big endian */
};

/* Jumps: opcode & 0xf0 */
enum bpf_jump : uint8_t {
	BPF_JA = 0x00,
	BPF_JEQ = 0x10,
	BPF_JGT = 0x20,
	BPF_JGE = 0x30,
	BPF_JSET = 0x40,
	BPF_JNE = 0x50,
	BPF_JSGT = 0x60,
	BPF_JSGE = 0x70,
	BPF_CALL = 0x80,
	BPF_EXIT = 0x90,
	BPF_JLT = 0xa0,
	BPF_JLE = 0xb0,
	BPF_JSLT = 0xc0,
	BPF_JSLE = 0xd0,
};

/* Loads and stores: opcode & 0xe0, opcode & 0x18 */
#define BPF_MODE_MEMORY 0x60u
#define BPF_SIZE_32     0x00u
#define BPF_SIZE_16     0x08u
#define BPF_SIZE_8      0x10u
#define BPF_SIZE_64     0x18u

/** BPF_LDDW - a constant of 64 bits, in two slots; the second one's opcode is 0 */
#define BPF_LDDW (BPF_LD | BPF_SIZE_64)

/* Relocations. */
#define BPF_RELOCATION_64   1u  /* of a BPF_LDDW */
#define BPF_RELOCATION_CALL 10u /* of a call between functions */

static inline unsigned bpf_destination(const struct bpf_instruction *instruction)
{
	return instruction->registers & 0xf;
}

static inline unsigned bpf_source(const struct bpf_instruction *instruction)
{
	return instruction->registers >> 4;
}

static inline enum bpf_class bpf_class_of(const struct bpf_instruction *instruction)
{
	return (enum bpf_class)(instruction->opcode & 7);
}

static inline uint8_t bpf_operation_of(const struct bpf_instruction *instruction)
{
	return instruction->opcode & 0xf0;
}

static inline bool bpf_has_source_register(const struct bpf_instruction *instruction)
{
	return (instruction->opcode & BPF_SOURCE_REGISTER) != 0;
}

/** bpf_width() - bytes of a load or store */
static inline uint32_t bpf_width(const struct bpf_instruction *instruction)
{
	switch (instruction->opcode & 0x18) {
	case BPF_SIZE_32: return 4;
	case BPF_SIZE_16: return 2;
	case BPF_SIZE_8: return 1;
	default: return 8;
	}
}

#endif

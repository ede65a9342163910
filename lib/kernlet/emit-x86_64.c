/* SPDX-License-Identifier: MIT */
/*
 * Native code for x86-64, in the forms of <abi/hel/kernlet.h>.
 *
 * The registers of eBPF have fixed places; rax, rcx and rdx are left for the steps of one
 * instruction. Arguments of helpers are where helpers expect them. r10 has no place, for addresses
 * exist only in the verifier's notes.
 *
 *	r0  r1  r2  r3  r4   r5  r6   r7   r8   r9
 *	r11 rdi rsi r9  r10  r8  rbx  rbp  r12  r13
 */
#include <kernlet/program.h>

#include <abi/hel/errors.h>
#include <base/string.h>

#define RAX          0u
#define RCX          1u
#define RDX          2u
#define RSP          4u
#define RDI          7u
#define WINDOW_BASE  14u
#define CONTEXT_BASE 15u

static const uint8_t places[BPF_REGISTERS] = { 11, 7, 6, 9, 10, 8, 3, 5, 12, 13 };

struct emitter {
	struct kernlet_program *program;
	uint32_t *offsets; /* of each instruction's code, and of its end */
	uint8_t *code;
	uint32_t size; /* may be more than fits: what does not is dropped */
	bool is_wide;  /* the instruction works on 64 bits */
};

/* ---- bytes */

static void emit(struct emitter *emitter, unsigned byte)
{
	if (emitter->size < HEL_KERNLET_CODE_MAX) {
		emitter->code[emitter->size] = (uint8_t)byte;
	}
	emitter->size++;
}

static void emit_u32(struct emitter *emitter, uint32_t value)
{
	for (unsigned i = 0; i < 4; i++) {
		emit(emitter, value >> 8 * i & 0xff);
	}
}

static void emit_rex(struct emitter *emitter, bool is_wide, unsigned reg, unsigned rm)
{
	emit(emitter, 0x40u | (is_wide ? 8u : 0u) | (reg >= 8 ? 4u : 0u) | (rm >= 8 ? 1u : 0u));
}

static void emit_modrm(struct emitter *emitter, unsigned mode, unsigned reg, unsigned rm)
{
	emit(emitter, mode << 6 | (reg & 7) << 3 | (rm & 7));
}

/* An instruction on two registers; @opcode of one byte, or two that begin with 0f. */
static void emit_registers(
	struct emitter *emitter, bool is_wide, unsigned opcode, unsigned reg, unsigned rm)
{
	emit_rex(emitter, is_wide, reg, rm);
	if (opcode > 0xff) {
		emit(emitter, opcode >> 8);
	}
	emit(emitter, opcode & 0xff);
	emit_modrm(emitter, 3, reg, rm);
}

static void emit_move(struct emitter *emitter, bool is_wide, unsigned to, unsigned from)
{
	emit_registers(emitter, is_wide, 0x89, from, to);
}

static void emit_move_constant(struct emitter *emitter, bool is_wide, unsigned to, int32_t constant)
{
	emit_registers(emitter, is_wide, 0xc7, 0, to);
	emit_u32(emitter, (uint32_t)constant);
}

/* ---- arithmetic */

/* add, or, and, sub, xor, cmp: the opcode with registers and the digit with a constant. */
struct simple_operation {
	uint8_t opcode, digit;
};

static struct simple_operation simple_operation_of(uint8_t operation)
{
	switch (operation) {
	case BPF_ADD: return (struct simple_operation){ 0x01, 0 };
	case BPF_OR: return (struct simple_operation){ 0x09, 1 };
	case BPF_AND: return (struct simple_operation){ 0x21, 4 };
	case BPF_SUB: return (struct simple_operation){ 0x29, 5 };
	default: return (struct simple_operation){ 0x31, 6 }; /* BPF_XOR */
	}
}

static void emit_simple(struct emitter *emitter, struct simple_operation operation,
	const struct bpf_instruction *instruction, unsigned to)
{
	if (bpf_has_source_register(instruction)) {
		emit_registers(emitter, emitter->is_wide, operation.opcode,
			places[bpf_source(instruction)], to);
	} else {
		emit_registers(emitter, emitter->is_wide, 0x81, operation.digit, to);
		emit_u32(emitter, (uint32_t)instruction->immediate);
	}
}

static void emit_multiply(
	struct emitter *emitter, const struct bpf_instruction *instruction, unsigned to)
{
	if (bpf_has_source_register(instruction)) {
		emit_registers(
			emitter, emitter->is_wide, 0x0faf, to, places[bpf_source(instruction)]);
	} else {
		emit_registers(emitter, emitter->is_wide, 0x69, to, to);
		emit_u32(emitter, (uint32_t)instruction->immediate);
	}
}

/* The source, in a register that is ours. */
static void emit_source(
	struct emitter *emitter, const struct bpf_instruction *instruction, unsigned to)
{
	if (bpf_has_source_register(instruction)) {
		emit_move(emitter, emitter->is_wide, to, places[bpf_source(instruction)]);
	} else {
		emit_move_constant(emitter, emitter->is_wide, to, instruction->immediate);
	}
}

/* 32 bits are divided as 64 whose upper half is 0. */
static void emit_divide(
	struct emitter *emitter, const struct bpf_instruction *instruction, unsigned to)
{
	static const uint8_t divide[] = KERNLET_X86_DIVIDE;
	bool is_quotient = bpf_operation_of(instruction) == BPF_DIV;

	emit_move(emitter, emitter->is_wide, RAX, to);
	emit_source(emitter, instruction, RCX);
	for (size_t i = 0; i < sizeof(divide); i++) {
		emit(emitter, divide[i]);
	}
	emit_move(emitter, true, to, is_quotient ? RAX : RDX);
}

static void emit_shift(
	struct emitter *emitter, const struct bpf_instruction *instruction, unsigned to)
{
	uint8_t operation = bpf_operation_of(instruction);
	unsigned digit = operation == BPF_LSH ? 4 : operation == BPF_RSH ? 5 : 7;

	if (bpf_has_source_register(instruction)) {
		emit_source(emitter, instruction, RCX);
		emit_registers(emitter, emitter->is_wide, 0xd3, digit, to);
	} else {
		emit_registers(emitter, emitter->is_wide, 0xc1, digit, to);
		emit(emitter, (uint8_t)instruction->immediate & (emitter->is_wide ? 63 : 31));
	}
}

static void emit_byte_order(
	struct emitter *emitter, const struct bpf_instruction *instruction, unsigned to)
{
	int32_t width = instruction->immediate;

	if (bpf_has_source_register(instruction)) {
		emit_rex(emitter, width == 64, 0, to);
		emit(emitter, 0x0f);
		emit(emitter, 0xc8 | (to & 7)); /* bswap */
		if (width == 16) {
			emit_registers(emitter, false, 0xc1, 5, to);
			emit(emitter, 16);
		}
	} else if (width == 16) {
		emit_registers(emitter, false, 0x0fb7, to, to);
	} else if (width == 32) {
		emit_move(emitter, false, to, to);
	}
}

static void emit_arithmetic(struct emitter *emitter, const struct bpf_instruction *instruction)
{
	unsigned to = places[bpf_destination(instruction)];
	uint8_t operation = bpf_operation_of(instruction);

	switch (operation) {
	case BPF_MOV: emit_source(emitter, instruction, to); break;
	case BPF_MUL: emit_multiply(emitter, instruction, to); break;
	case BPF_DIV:
	case BPF_MOD: emit_divide(emitter, instruction, to); break;
	case BPF_LSH:
	case BPF_RSH:
	case BPF_ARSH: emit_shift(emitter, instruction, to); break;
	case BPF_NEG: emit_registers(emitter, emitter->is_wide, 0xf7, 3, to); break;
	case BPF_END: emit_byte_order(emitter, instruction, to); break;
	default: emit_simple(emitter, simple_operation_of(operation), instruction, to); break;
	}
}

static void emit_constant(struct emitter *emitter, const struct bpf_instruction *instruction)
{
	unsigned to = places[bpf_destination(instruction)];

	emit_rex(emitter, true, 0, to);
	emit(emitter, 0xb8 | (to & 7));
	emit_u32(emitter, (uint32_t)instruction[0].immediate);
	emit_u32(emitter, (uint32_t)instruction[1].immediate);
}

/* ---- memory */

/* mov reg, [r15 + 8 * index] */
static void emit_context_load(struct emitter *emitter, unsigned reg, uint32_t index)
{
	emit_rex(emitter, true, reg, CONTEXT_BASE);
	emit(emitter, 0x8b);
	emit_modrm(emitter, 2, reg, CONTEXT_BASE);
	emit_u32(emitter, HEL_KERNLET_CONTEXT_BINDINGS + 8 * index);
}

static void emit_access(struct emitter *emitter, const struct kernlet_note *note, uint32_t width,
	unsigned value, bool is_store)
{
	bool is_window = note->place == KERNLET_PLACE_WINDOW;
	unsigned base = is_window ? WINDOW_BASE : RSP;

	if (is_window) {
		emit_context_load(emitter, WINDOW_BASE, note->binding);
	}
	if (is_store && width == 2) {
		emit(emitter, 0x66);
	}
	emit_rex(emitter, width == 8, value, base);
	if (is_store) {
		emit(emitter, width == 1 ? 0x88 : 0x89);
	} else if (width < 4) {
		emit(emitter, 0x0f);
		emit(emitter, width == 1 ? 0xb6 : 0xb7);
	} else {
		emit(emitter, 0x8b);
	}
	emit_modrm(emitter, 2, value, base);
	if (is_window) {
		emit_u32(emitter, (uint32_t)note->offset);
	} else {
		emit(emitter, 0x24);
		emit_u32(emitter, emitter->program->frame_size + (uint32_t)note->offset + 8);
	}
}

static void emit_memory(struct emitter *emitter, const struct bpf_instruction *instruction,
	const struct kernlet_note *note)
{
	uint32_t width = bpf_width(instruction);
	unsigned to = places[bpf_destination(instruction)];

	if (note->place == KERNLET_PLACE_PARAMETER) {
		emit_context_load(emitter, to, note->binding);
		return;
	}
	switch (bpf_class_of(instruction)) {
	case BPF_LDX: emit_access(emitter, note, width, to, false); break;
	case BPF_STX:
		emit_access(emitter, note, width, places[bpf_source(instruction)], true);
		break;
	default:
		emit_move_constant(emitter, true, RAX, instruction->immediate);
		emit_access(emitter, note, width, RAX, true);
		break;
	}
}

/* ---- calls and jumps */

static void emit_call(struct emitter *emitter, const struct bpf_instruction *instruction,
	const struct kernlet_note *note)
{
	uint32_t helper = (uint32_t)instruction->immediate - 1;

	if (note->place == KERNLET_PLACE_BINDING) {
		emit_move_constant(emitter, true, RDI, note->binding);
	}
	emit(emitter, 0x41);
	emit(emitter, 0xff);
	emit_modrm(emitter, 2, 2, CONTEXT_BASE);
	emit_u32(emitter, HEL_KERNLET_CONTEXT_HELPERS + 8 * helper);
}

static unsigned condition_of(uint8_t jump)
{
	switch (jump) {
	case BPF_JEQ: return 0x84;
	case BPF_JGT: return 0x87;
	case BPF_JGE: return 0x83;
	case BPF_JLT: return 0x82;
	case BPF_JLE: return 0x86;
	case BPF_JSGT: return 0x8f;
	case BPF_JSGE: return 0x8d;
	case BPF_JSLT: return 0x8c;
	case BPF_JSLE: return 0x8e;
	default: return 0x85; /* BPF_JNE, BPF_JSET */
	}
}

/* The distance is written by emit_distances(): it is the last 4 bytes. */
static void emit_jump(struct emitter *emitter, const struct bpf_instruction *instruction)
{
	uint8_t jump = bpf_operation_of(instruction);
	unsigned left = places[bpf_destination(instruction)];

	if (jump == BPF_JA) {
		emit(emitter, 0xe9);
		emit_u32(emitter, 0);
		return;
	}
	if (jump != BPF_JSET) {
		emit_simple(emitter, (struct simple_operation){ 0x39, 7 }, instruction, left);
	} else if (bpf_has_source_register(instruction)) {
		emit_registers(
			emitter, emitter->is_wide, 0x85, places[bpf_source(instruction)], left);
	} else {
		emit_registers(emitter, emitter->is_wide, 0xf7, 0, left);
		emit_u32(emitter, (uint32_t)instruction->immediate);
	}
	emit(emitter, 0x0f);
	emit(emitter, condition_of(jump));
	emit_u32(emitter, 0);
}

static void emit_control(struct emitter *emitter, const struct bpf_instruction *instruction,
	const struct kernlet_note *note)
{
	switch (bpf_operation_of(instruction)) {
	case BPF_CALL: emit_call(emitter, instruction, note); break;
	case BPF_EXIT: emit(emitter, 0xc3); break;
	default: emit_jump(emitter, instruction); break;
	}
}

static bool is_jump(const struct bpf_instruction *instruction)
{
	enum bpf_class class = bpf_class_of(instruction);
	uint8_t operation = bpf_operation_of(instruction);

	return (class == BPF_JMP || class == BPF_JMP32) && operation != BPF_CALL &&
		operation != BPF_EXIT;
}

/* ---- all */

static void emit_instruction(struct emitter *emitter, const struct bpf_instruction *instruction,
	const struct kernlet_note *note)
{
	enum bpf_class class = bpf_class_of(instruction);

	emitter->is_wide = class == BPF_ALU64 || class == BPF_JMP;
	if (note->place == KERNLET_PLACE_ADDRESS) {
		return;
	}
	switch (class) {
	case BPF_ALU:
	case BPF_ALU64: emit_arithmetic(emitter, instruction); break;
	case BPF_LD: emit_constant(emitter, instruction); break;
	case BPF_LDX:
	case BPF_ST:
	case BPF_STX: emit_memory(emitter, instruction, note); break;
	default: emit_control(emitter, instruction, note); break;
	}
}

static void emit_distances(struct emitter *emitter)
{
	const struct kernlet_program *program = emitter->program;

	for (uint32_t i = 0; i < program->n_instructions; i++) {
		bool is_half = i > 0 && program->code[i - 1].opcode == BPF_LDDW;

		if (is_half || !is_jump(&program->code[i])) {
			continue;
		}
		uint32_t target = (uint32_t)((int32_t)i + 1 + program->code[i].offset);
		uint32_t end = emitter->offsets[i + 1];
		uint32_t distance = emitter->offsets[target] - end;

		memcpy(emitter->code + end - sizeof(distance), &distance, sizeof(distance));
	}
}

int kernlet_emit(
	struct kernlet_program *program, uint32_t *offsets, uint8_t *out_code, uint32_t *out_size)
{
	struct emitter emitter = { .program = program, .offsets = offsets, .code = out_code };

	for (uint32_t i = 0; i < program->n_instructions; i++) {
		offsets[i] = emitter.size;
		emit_instruction(&emitter, &program->code[i], &program->notes[i]);
		if (program->code[i].opcode == BPF_LDDW) {
			offsets[++i] = emitter.size; /* its second half */
		}
	}
	offsets[program->n_instructions] = emitter.size;
	if (emitter.size > HEL_KERNLET_CODE_MAX) {
		return kernlet_refuse_file(program, -ERR_ILLEGAL_ARGS,
			"%u bytes of native code: at most %u", emitter.size, HEL_KERNLET_CODE_MAX);
	}
	emit_distances(&emitter);
	*out_size = emitter.size;
	return 0;
}

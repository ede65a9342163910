/* SPDX-License-Identifier: MIT */
/* A kernlet between its file and its native code: what the parts of the compiler share. */
#ifndef KERNLET_PROGRAM_H
#define KERNLET_PROGRAM_H

#include <abi/hel/kernlet.h>
#include <kernlet/bpf.h>

constexpr uint32_t KERNLET_INSTRUCTIONS_MAX = 1024;
constexpr size_t KERNLET_NAME_MAX = 40; /* of a binding, cut */

/* What the compiler has to know about an instruction beyond its bits. */
enum kernlet_place : uint8_t {
	KERNLET_PLACE_NONE,
	KERNLET_PLACE_ADDRESS,   /* it computes an address: there is no code for it */
	KERNLET_PLACE_WINDOW,    /* load, store: at `offset` of window `binding` */
	KERNLET_PLACE_FRAME,     /* load, store: at `offset` of the end of the frame: negative */
	KERNLET_PLACE_PARAMETER, /* load: of parameter `binding` */
	KERNLET_PLACE_BINDING,   /* call: its first argument is `binding` */
};

struct kernlet_note {
	enum kernlet_place place;
	uint8_t binding;
	int32_t offset;
};

/* Where the source's lines are in the file; size 0: it has none. Offsets are checked when used. */
struct kernlet_lines {
	const uint8_t *records;
	size_t n_records;
	size_t record_size;
	const char *strings;
	size_t strings_size;
};

struct kernlet_program {
	/* by the reader */
	struct bpf_instruction code[KERNLET_INSTRUCTIONS_MAX];
	uint32_t n_instructions;
	/* Of a BPF_LDDW: 1 + the binding whose address it loads, or 0. */
	uint8_t bindings_loaded[KERNLET_INSTRUCTIONS_MAX];
	struct hel_kernlet_slot slots[HEL_KERNLET_BINDINGS_MAX];
	char names[HEL_KERNLET_BINDINGS_MAX][KERNLET_NAME_MAX];
	uint32_t n_bindings;
	struct kernlet_lines lines; /* borrowed from the file */

	/* by the verifier */
	struct kernlet_note notes[KERNLET_INSTRUCTIONS_MAX];
	uint32_t frame_size; /* a multiple of 8 */

	/* why it is refused */
	char *message;
};

/* ---- what the verifier knows when an instruction is reached */

enum kernlet_value_kind : uint8_t {
	KERNLET_VALUE_UNSET,    /* nothing was put there, or not on all ways */
	KERNLET_VALUE_MIXED,    /* an address on some way, and something else on another */
	KERNLET_VALUE_NUMBER,   /* if it is known: `number` */
	KERNLET_VALUE_BINDING,  /* the address of `binding` plus `number` */
	KERNLET_VALUE_FRAME,    /* the end of the frame plus `number` */
};

struct kernlet_value {
	enum kernlet_value_kind kind;
	bool is_known;
	uint8_t binding;
	int64_t number;
};

struct kernlet_state {
	bool is_reached;
	struct kernlet_value registers[BPF_REGISTERS];
	uint64_t frame_written[BPF_FRAME_SIZE / 64]; /* bytes, from the lowest address on */
};

struct kernlet_states {
	struct kernlet_state before[KERNLET_INSTRUCTIONS_MAX];
};

/* ---- the parts */

/** kernlet_refuse() - write the message, with the line of instruction @index; the error */
int kernlet_refuse(struct kernlet_program *program, uint32_t index, const char *format, ...)
	PRINTF_LIKE(3, 4);

/** kernlet_refuse_file() - write a message about the file as a whole; @error */
int kernlet_refuse_file(struct kernlet_program *program, int error, const char *format, ...)
	PRINTF_LIKE(3, 4);

/** kernlet_read() - from the file; program->message is set; -ERR_PROTOCOL, -ERR_ILLEGAL_ARGS */
MUST_USE int kernlet_read(struct kernlet_program *program, const void *elf, size_t size);

/** kernlet_verify() - check it, and fill in the notes; -ERR_ILLEGAL_ARGS */
MUST_USE int kernlet_verify(struct kernlet_program *program, struct kernlet_states *states);

/**
 * kernlet_emit() - native code of a verified program
 * @offsets: one more than instructions
 * @out_code: HEL_KERNLET_CODE_MAX bytes
 *
 * Return: 0, -ERR_ILLEGAL_ARGS (too long).
 */
MUST_USE int kernlet_emit(
	struct kernlet_program *program, uint32_t *offsets, uint8_t *out_code, uint32_t *out_size);

#endif

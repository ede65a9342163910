/* SPDX-License-Identifier: MIT */
/*
 * How the system calls of a program file are to be rewritten so that they jump to the shim.
 *
 * What is written replaces instructions one for one, by such of the same size:
 *
 *   mov $number, %eax       becomes  jmp stub           direct
 *   syscall                 stays
 *
 *   syscall                 becomes  jmp near           spring, where a hole is near
 *
 * So no instruction begins where none did; a jump into the middle, a thread that is between the two
 * and a call that is made again find what they always did. Stubs lie in *holes*: what fills the
 * space between two functions, and what follows the last one in its page.
 *
 *   stub:     lea  behind the syscall, %rcx
 *             jmp  number
 *   number:   mov  $number, %eax                        one for all sites of a number
 *             jmp  *%gs:slot
 *   near:     jmp  stub                                 of a spring: eax has the number
 *   stub:     lea  behind the syscall, %rcx
 *             jmp  *%gs:slot                            or a jump to one
 *
 * Nothing of it touches memory but the slot: the red zone below the stack pointer is live. rcx and
 * r11 are what `syscall` destroys.
 *
 * A site is rewritten only if the function that it is in, by the unwind tables, decodes from its
 * beginning to its end; a hole is used only if the function before it does and does not run on
 * into it, and if it has nothing but filler. Everything else stays as it is and takes the bounce.
 * The calls of rt_sigreturn always do: unwinders know them by their bytes.
 */
#ifndef POSIX_REWRITE_PLAN_H
#define POSIX_REWRITE_PLAN_H

#include <base/types.h>

constexpr size_t REWRITE_FILE_MAX = MIB(16); /* larger files stay as they are */

enum rewrite_edit_kind : uint8_t {
	REWRITE_SITE, /* what the program runs into */
	REWRITE_STUB, /* in holes */
};

struct rewrite_edit {
	uint32_t offset; /* in the text */
	enum rewrite_edit_kind kind;
	uint8_t size;
	uint8_t bytes[15]; /* the largest stub: a return address and the way out */
};

struct rewrite_counts {
	uint32_t n_sites; /* syscall instructions in functions that decode */
	uint32_t n_direct, n_spring;
	uint32_t n_sigreturn, n_no_hole; /* that stay */
	uint32_t n_unproved; /* bytes that look like one elsewhere */
};

struct rewrite_plan {
	uint64_t file_offset; /* of the text: a multiple of the page size */
	uint64_t text_size;   /* whole pages */
	uint32_t n_edits;
	struct rewrite_edit *edits; /* helix_malloc */
	struct rewrite_counts counts;
};

/**
 * rewrite_plan_make() - look for system calls
 * @file: the whole file, anything
 *
 * Return: 0 (there may be nothing to be done), -ERR_UNSUPPORTED (no program that can be rewritten),
 * -ERR_NO_MEMORY.
 */
MUST_USE int rewrite_plan_make(const uint8_t *file, size_t size, struct rewrite_plan *out_plan);

/**
 * rewrite_plan_apply() - do it
 * @text: from plan->file_offset on, plan->text_size bytes
 * @has_sites: false: only the stubs, to which nothing jumps then
 */
void rewrite_plan_apply(const struct rewrite_plan *plan, uint8_t *text, bool has_sites);

void rewrite_plan_release(struct rewrite_plan *plan);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * What r15 points to while a kernlet runs, and the way into one. Assembly has these offsets, too.
 */
#ifndef THOR_KERNLET_CONTEXT_H
#define THOR_KERNLET_CONTEXT_H

#define KERNLET_CONTEXT_CODE  160
#define KERNLET_CONTEXT_STACK 168

#ifndef __ASSEMBLER__

#include <abi/hel/kernlet.h>
#include <base/types.h>

struct kernlet_context {
	/* Known to the code. */
	uint64_t bindings[HEL_KERNLET_BINDINGS_MAX]; /* window: address; parameter: number; or 0 */
	const void *helpers[HEL_KERNLET_HELPER_COUNT];
	/* Known to arch__kernlet_enter(). */
	uint64_t code;
	uint64_t stack;
};

static_assert(offsetof(struct kernlet_context, bindings) == HEL_KERNLET_CONTEXT_BINDINGS);
static_assert(offsetof(struct kernlet_context, helpers) == HEL_KERNLET_CONTEXT_HELPERS);
static_assert(offsetof(struct kernlet_context, code) == KERNLET_CONTEXT_CODE);
static_assert(offsetof(struct kernlet_context, stack) == KERNLET_CONTEXT_STACK);

/**
 * arch__kernlet_enter() - run code with value registers and frame of zeros; what it returns
 * @frame_size: in bytes, a multiple of 8
 */
uint64_t arch__kernlet_enter(
	struct kernlet_context *context, uint64_t sequence, uint64_t frame_size);

/* What goes into `helpers`: how the code calls the functions below. */
void arch__kernlet_clock_ns(void);
void arch__kernlet_event_raise(void);
void arch__kernlet_port_read(void);
void arch__kernlet_port_write(void);

/* The helpers themselves: any arguments may come. They do not wait, and take no time. */
uint64_t kernlet_help_clock_ns(struct kernlet_context *context);
uint64_t kernlet_help_event_raise(struct kernlet_context *context, uint64_t index, uint64_t bits);
uint64_t kernlet_help_port_read(
	struct kernlet_context *context, uint64_t index, uint64_t offset, uint64_t width_bytes);
uint64_t kernlet_help_port_write(struct kernlet_context *context, uint64_t index, uint64_t offset,
	uint64_t width_bytes, uint64_t value);

#endif
#endif

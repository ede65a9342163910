/* SPDX-License-Identifier: MIT */
/* What AddressSanitizer wants to know when stacks are switched; nothing in other builds. */
#ifndef ASYNC_SANITIZER_H
#define ASYNC_SANITIZER_H

#include <async/loop.h>

#if __has_feature(address_sanitizer)

/* The sanitizer's interface, declared here because lib/async uses no header of a C library. */
void __sanitizer_start_switch_fiber(void **out_stack_save, const void *to_base, size_t to_size);
void __sanitizer_finish_switch_fiber(
	void *stack_save, const void **out_from_base, size_t *out_from_size);

/* About to leave @from's stack for @to's. */
static inline void sanitizer_leave(struct fiber *from, const struct fiber *to)
{
	__sanitizer_start_switch_fiber(&from->sanitizer_stack, to->stack_base, to->stack_size);
}

/*
 * Arrived on @current's stack; learns the bounds of @previous's, which for the main stack is news.
 */
static inline void sanitizer_arrive(struct fiber *current, struct fiber *previous)
{
	const void *base;

	__sanitizer_finish_switch_fiber(current->sanitizer_stack, &base, &previous->stack_size);
	previous->stack_base = (uint8_t *)(uintptr_t)base;
}

#else

static inline void sanitizer_leave(UNUSED struct fiber *from, UNUSED const struct fiber *to)
{
}

static inline void sanitizer_arrive(UNUSED struct fiber *current, UNUSED struct fiber *previous)
{
}

#endif

#endif

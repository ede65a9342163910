/* SPDX-License-Identifier: MIT */
/* Switching stacks: private to lib/async; the assembly is in arch/<arch>/fiber-switch.S. */
#ifndef ASYNC_SWITCH_H
#define ASYNC_SWITCH_H

#include <async/loop.h>

/**
 * fiber_switch_stack() - save this context on its stack and continue the one saved at @to
 * @out_saved: receives the stack pointer to come back with
 *
 * Saves what the ABI lets a function rely on across calls, except the floating-point control words,
 * which no code of ours changes. Returns when somebody switches back.
 */
void fiber_switch_stack(void **out_saved, void *to);

/**
 * fiber_prepare_stack() - make a context that calls @entry with @argument, which must not return
 * @stack_end: highest address of the stack, 16-byte aligned
 *
 * Return: the stack pointer for fiber_switch_stack().
 */
void *fiber_prepare_stack(void *stack_end, void (*entry)(void *argument), void *argument);

/* Where a new context starts: moves the two saved values into place and calls. Assembly. */
void fiber_entry(void);

#endif

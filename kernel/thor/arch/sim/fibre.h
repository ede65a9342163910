/* SPDX-License-Identifier: MIT */
/* Stacks of the simulated processor, and switching between them. NULL stands for the main one. */
#ifndef THOR_ARCH_SIM_FIBRE_H
#define THOR_ARCH_SIM_FIBRE_H

#include <base/types.h>

struct sim_fibre {
	void *stack_pointer;
	uint8_t *base;
	size_t size;
	void *sanitizer_stack;
};

/** sim_fibre_map_stack() - memory for a stack, or an address range for anything else */
uint8_t *sim_fibre_map_stack(size_t size);

/** sim_fibre_start() - let @fibre, which has its base, begin with @entry when it is switched to */
void sim_fibre_start(
	struct sim_fibre *fibre, size_t size, void (*entry)(void *argument), void *argument);

/** sim_fibre_switch() - go on there; returns when somebody switches back */
void sim_fibre_switch(struct sim_fibre *to);

/** sim_fibre_arrive() - the first thing that an entry function does */
void sim_fibre_arrive(void);

/** sim_fibre_is_current() - whether this code runs on that stack */
bool sim_fibre_is_current(const struct sim_fibre *fibre);

/**
 * sim_fibre_recover() - a longjmp() may have led from another stack to the main one: make that true
 */
void sim_fibre_recover(void);

#endif

/* SPDX-License-Identifier: MIT */
/* Which line of an interrupt controller a device's vector of the kind LINE is on. */
#ifndef HW_ROUTING_H
#define HW_ROUTING_H

#include "interrupts.h"

/**
 * routing_find_line() - ask the bytecode, else believe what the firmware wrote into the device
 * @vector: which of its lines; the ISA interrupts of IDE channels everybody knows
 *
 * Return: 0, -ERR_UNSUPPORTED (nobody knows), the reason if the task is cancelled.
 */
MUST_USE int routing_find_line(struct task *task, const struct hw_object *object, uint32_t vector,
	struct interrupt_line *out_line);

#endif

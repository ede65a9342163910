/* SPDX-License-Identifier: MIT */
/*
 * A message interrupt as hw has it: with all rights, and what a device writes to raise it.
 *
 * hw keeps the irq as long as a device may still send the message, so the CPU's vector behind it is
 * nobody else's meanwhile. The driver's descriptor cannot move it: the device would not know.
 */
#ifndef HW_IRQ_TARGET_H
#define HW_IRQ_TARGET_H

#include <base/types.h>
#include <hel/hel-calls.h>

struct irq_target {
	hel_handle irq;
	struct hel_msi_info message;
	uint32_t n_vectors; /* of a device that raise it */
};

/** irq_target_create() - allocate one; 0, -ERR_NO_MEMORY, what hel_irq_create_msi() says */
MUST_USE int irq_target_create(hel_handle authority, struct irq_target **out_target);

/** irq_target_destroy() - no device sends the message any more; NULL: nothing */
void irq_target_destroy(struct irq_target *target);

/** irq_share() - a copy of an irq for a driver: it may await, answer and send it on, not move it */
MUST_USE int irq_share(hel_handle irq, hel_handle *out_irq);

/**
 * irq_target_move() - let it arrive at a CPU of @cpu_mask; the device is to be told the new message
 *
 * Return: 0, -ERR_ILLEGAL_ARGS (no such CPU), -ERR_NO_SPACE (no vector is free there).
 */
MUST_USE int irq_target_move(struct irq_target *target, uint64_t cpu_mask);

#endif

/* SPDX-License-Identifier: MIT */
/* Which pin is behind which interrupt vector of a CPU: part of struct cpu. */
#ifndef THOR_IRQ_VECTORS_H
#define THOR_IRQ_VECTORS_H

#include <thor/spinlock.h>

constexpr uint32_t IRQ_VECTORS_MAX = 256;

struct irq_pin;

struct irq_vectors {
	struct spinlock lock; /* rank IRQ_VECTORS */
	struct irq_pin *pins[IRQ_VECTORS_MAX]; /* guarded by lock; NULL: nobody's */
};

#endif

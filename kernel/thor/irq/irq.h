/* SPDX-License-Identifier: MIT */
/*
 * Interrupts of devices, as the handbook's section on IRQ handling has them, for edges (MSI).
 *
 * An interrupt moves the sequence on, which completes what awaits it, and is *in service* until
 * the driver acknowledges that sequence. An edge that comes meanwhile is buffered, one of them,
 * and delivered with the acknowledgement. A message-signalled vector has one sink, so nobody
 * else's interrupt is lost by a NACK and there is nothing to mask: NACK counts as a spurious one
 * and ends the service too. KICK delivers once more by software; CLEAR forgets a buffered edge.
 */
#ifndef THOR_IRQ_IRQ_H
#define THOR_IRQ_IRQ_H

#include <abi/hel/hel.h>
#include <thor/ipc/event.h>
#include <thor/object/object.h>

struct cpu;

struct irq {
	struct object object;
	struct event_source source;
	struct cpu *cpu; /* immutable: where the vector is */
	uint32_t vector;
	struct spinlock lock; /* rank EVENT - taken before the source's, never with it */
	bool is_in_service;   /* guarded by lock, as all below */
	bool is_buffered;
	uint64_t served_sequence; /* the one in service */
	uint64_t n_interrupts, n_spurious;
};

/** irq_of() - the interrupt around its object */
static inline struct irq *irq_of(struct object *object)
{
	return container_of(object, struct irq, object);
}

/**
 * irq_create_msi() - allocate a vector on some CPU; the caller gets the one reference;
 * -ERR_NO_SPACE, -ERR_NO_MEMORY
 */
MUST_USE int irq_create_msi(struct irq **out_irq, struct hel_msi_info *out_info);

/** irq_acknowledge() - hel_irq_acknowledge: -ERR_ILLEGAL_ARGS */
MUST_USE int irq_acknowledge(struct irq *irq, uint32_t actions, uint64_t sequence);

/** irq_dispatch() - a device interrupt arrived on this CPU; spurious vectors are counted */
void irq_dispatch(struct cpu *cpu, uint32_t vector);

#endif

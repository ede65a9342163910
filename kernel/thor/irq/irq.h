/* SPDX-License-Identifier: MIT */
/*
 * Interrupts of devices, as the handbook's section on IRQ handling has them.
 *
 * An irq object is one driver's view of a pin (pin.h), its *sink*: events to await, and the answer
 * to the interrupt in service. Several of them may share a line; a message (MSI) has one.
 *
 * The sequence of the event source counts the deliveries to the driver, so an answer names what it
 * answers: one that comes late, or twice, names nothing that is owed and changes nothing.
 *
 * Code in the kernel may answer in the driver's place: struct irq_handler.
 */
#ifndef THOR_IRQ_IRQ_H
#define THOR_IRQ_IRQ_H

#include <abi/hel/hel.h>
#include <thor/ipc/event.h>
#include <thor/irq/pin.h>
#include <thor/object/object.h>

enum irq_verdict : uint32_t {
	IRQ_VERDICT_NONE, /* the driver decides: it gets the event */
	IRQ_VERDICT_ACK,  /* answered; the driver gets no event */
	IRQ_VERDICT_NACK,
};

/*
 * Code that sees an interrupt before the driver does. Embedded in a structure of its owner, who
 * keeps a reference to the irq while it is attached.
 */
struct irq_handler {
	/*
	 * An interrupt is in service. @sequence: the one that the driver gets with
	 * IRQ_VERDICT_NONE; it does not move on otherwise.
	 *
	 * Context: interrupt, or a driver's answer; interrupts are off and the pin's lock is
	 * held: only locks that rank above LOCK_RANK_IRQ_PIN may be taken, and nothing of irq.h
	 * be called. Bounded, short, allocates nothing.
	 */
	enum irq_verdict (*run)(struct irq_handler *handler, uint64_t sequence);
};

struct irq {
	struct object object;
	struct event_source source;
	struct irq_pin *pin; /* immutable, referenced */
	/* guarded by the pin's lock */
	struct list_node sink_node;
	bool is_joined;    /* until the last descriptor is gone */
	bool is_due;       /* owes an answer to what is in service */
	uint64_t sequence; /* of the last delivery: the source's */
	struct irq_handler *handler;
};

/** irq_of() - the interrupt around its object */
static inline struct irq *irq_of(struct object *object)
{
	return container_of(object, struct irq, object);
}

/** irq_init_cpu() - no vector of @cpu has an owner; before it goes online */
void irq_init_cpu(struct cpu *cpu);

/**
 * irq_create_msi() - allocate a vector on some CPU; the caller gets the one reference;
 * -ERR_NO_SPACE, -ERR_NO_MEMORY
 */
MUST_USE int irq_create_msi(struct irq **out_irq, struct hel_msi_info *out_info);

/**
 * irq_create_line() - one more sink of a line; the caller gets the one reference
 * @gsi: of the line, or the number of an ISA interrupt
 * @line_flags: enum hel_irq_line_flags
 *
 * Return: 0, -ERR_ILLEGAL_ARGS, -ERR_NOT_FOUND, -ERR_BUSY, -ERR_NO_SPACE, -ERR_NO_MEMORY; see
 * hel_irq_create_line().
 */
MUST_USE int irq_create_line(uint32_t gsi, uint32_t line_flags, struct irq **out_irq);

/**
 * irq_set_affinity() - let the interrupt arrive at one of the CPUs in @cpu_mask
 * @out_info: the address and data for a message; zero for a line
 *
 * Return: 0, -ERR_ILLEGAL_ARGS, -ERR_NO_SPACE, -ERR_BUSY; see hel_irq_set_affinity().
 */
MUST_USE int irq_set_affinity(struct irq *irq, uint64_t cpu_mask, struct hel_msi_info *out_info);

/** irq_settle() - free what the interrupt arrived at before the last move */
void irq_settle(struct irq *irq);

/** irq_get_info() - counters and state at this moment */
void irq_get_info(struct irq *irq, struct hel_irq_info *out_info);

/** irq_acknowledge() - hel_irq_acknowledge: -ERR_ILLEGAL_ARGS */
MUST_USE int irq_acknowledge(struct irq *irq, uint32_t actions, uint64_t sequence);

/**
 * irq_set_handler() - let @handler see the interrupts from the next one on
 *
 * What is in service at the moment stays with the driver: KICK | CLEAR hands it over.
 *
 * Return: 0, -ERR_EXISTS: there is one already.
 */
MUST_USE int irq_set_handler(struct irq *irq, struct irq_handler *handler);

/**
 * irq_remove_handler() - it does not run any more, on any CPU, when this returns; may be called for
 * one that is not attached
 */
void irq_remove_handler(struct irq *irq, struct irq_handler *handler);

/**
 * irq_dispatch() - a device interrupt arrived on this CPU; the controller has not been told of its
 * end: it is here
 */
void irq_dispatch(struct cpu *cpu, uint32_t vector);

#endif

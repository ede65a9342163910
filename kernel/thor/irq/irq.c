/* SPDX-License-Identifier: MIT */
/*
 * Irq objects, and where their pins' interrupts arrive: see irq.h and pin.h.
 *
 * The configuration lock serialises all that makes, moves and ends pins. An interrupt takes only
 * its own CPU's vector lock, finds the pin and takes the pin's lock before it lets the other go. So
 * who has cleared a vector and then had the pin's lock knows that no interrupt is under way to it.
 */
#include <thor/irq/irq.h>

#include <base/assert.h>
#include <thor/cpu.h>
#include <thor/memory/memory.h>

static struct spinlock irq_config_lock = { .rank = LOCK_RANK_IRQ_CONFIG };
static uint32_t irq_next_cpu; /* guarded by irq_config_lock */

void irq_init_cpu(struct cpu *cpu)
{
	spinlock_init(&cpu->irq_vectors.lock, LOCK_RANK_IRQ_VECTORS);
}

/* ---- routes; the configuration lock is held */

static void irq_set_vector(struct irq_route route, struct irq_pin *pin)
{
	struct irq_vectors *vectors = &route.cpu->irq_vectors;

	spinlock_acquire(&vectors->lock);
	vectors->pins[route.vector] = pin;
	spinlock_release(&vectors->lock);
}

/* A vector on one of the CPUs, round robin. */
static int irq_allocate_route_locked(struct irq_route *out_route, struct hel_msi_info *out_info)
{
	for (uint32_t i = 0; i < cpu_count; i++) {
		struct cpu *cpu = cpu_table[irq_next_cpu++ % cpu_count];

		if (arch_msi_allocate(cpu, &out_route->vector, out_info) == 0) {
			out_route->cpu = cpu;
			return 0;
		}
	}
	return -ERR_NO_SPACE;
}

static void irq_free_route_locked(struct irq_route *route)
{
	if (route->cpu != NULL) {
		irq_set_vector(*route, NULL);
		arch_msi_free(route->cpu, route->vector);
		route->cpu = NULL;
	}
}

/* ---- the life of an irq */

void pin_end(struct irq_pin *pin)
{
	spinlock_acquire(&irq_config_lock);
	irq_free_route_locked(&pin->route);
	/* An interrupt that was under way is over now. */
	spinlock_acquire(&pin->lock);
	spinlock_release(&pin->lock);
	spinlock_release(&irq_config_lock);
	heap_free(pin);
}

/* The last descriptor is gone: nobody can answer any more. */
static void irq_abandon(struct object *object)
{
	struct irq *irq = irq_of(object);

	spinlock_acquire(&irq->pin->lock);
	if (irq->is_joined) {
		pin_leave(irq->pin, irq);
	}
	spinlock_release(&irq->pin->lock);
}

static void irq_destroy(struct object *object)
{
	struct irq *irq = irq_of(object);

	ASSERT(irq->handler == NULL);
	irq_abandon(object);
	pin_unref(irq->pin);
	heap_free(irq);
}

static const struct object_class irq_class = {
	.type = HEL_TYPE_IRQ,
	.name = "irq",
	.rights = HEL_RIGHT_WAIT | HEL_RIGHT_MANAGE | HEL_RIGHT_DERIVE,
	.destroy = irq_destroy,
	.abandon = irq_abandon,
};

static void irq_init(struct irq *irq, struct irq_pin *pin)
{
	object_init(&irq->object, &irq_class);
	event_source_init(&irq->source, 0);
	list_node_init(&irq->sink_node);
	irq->pin = pin;
	irq->is_joined = false;
	irq->is_due = false;
	irq->sequence = 0;
	irq->handler = NULL;
}

int irq_create_msi(struct irq **out_irq, struct hel_msi_info *out_info)
{
	struct irq *irq = heap_allocate(sizeof(*irq));
	struct irq_pin *pin = heap_allocate(sizeof(*pin));
	int error = irq == NULL || pin == NULL ? -ERR_NO_MEMORY : 0;

	if (error == 0) {
		pin_init(pin, false, 0, 0);
		spinlock_acquire(&irq_config_lock);
		error = irq_allocate_route_locked(&pin->route, out_info);
		if (error == 0) {
			irq_set_vector(pin->route, pin);
		}
		spinlock_release(&irq_config_lock);
	}
	if (error != 0) {
		heap_free(irq);
		heap_free(pin);
		return error;
	}
	irq_init(irq, pin);
	spinlock_acquire(&pin->lock);
	error = pin_join(pin, irq);
	spinlock_release(&pin->lock);
	ASSERT(error == 0);
	*out_irq = irq;
	return 0;
}

/* ---- answers */

static bool irq_actions_are_valid(uint32_t actions)
{
	constexpr uint32_t ANSWERS = HEL_IRQ_ACK | HEL_IRQ_NACK;

	return actions != 0 && (actions & ~(ANSWERS | HEL_IRQ_KICK | HEL_IRQ_CLEAR)) == 0 &&
		(actions & ANSWERS) != ANSWERS;
}

static void irq_act_locked(struct irq *irq, uint32_t actions, uint64_t sequence)
{
	struct irq_pin *pin = irq->pin;
	bool is_answer = (actions & (HEL_IRQ_ACK | HEL_IRQ_NACK)) != 0 && sequence == irq->sequence;

	/* A buffered edge of a shared line may be another's. */
	if ((actions & HEL_IRQ_CLEAR) != 0 && pin->n_sinks == 1) {
		pin->is_buffered = false;
	}
	if (irq->is_due && is_answer) {
		pin_answer(pin, irq, (actions & HEL_IRQ_ACK) != 0);
	} else if (irq->is_due && (actions & HEL_IRQ_KICK) != 0 && (actions & HEL_IRQ_CLEAR) != 0) {
		pin_answer(pin, irq, true);
	}
	if ((actions & HEL_IRQ_KICK) != 0) {
		pin_kick(pin);
	}
	pin_advance(pin);
}

int irq_acknowledge(struct irq *irq, uint32_t actions, uint64_t sequence)
{
	int error = 0;

	if (!irq_actions_are_valid(actions)) {
		return -ERR_ILLEGAL_ARGS;
	}
	spinlock_acquire(&irq->pin->lock);
	if ((actions & (HEL_IRQ_ACK | HEL_IRQ_NACK)) != 0 && sequence > irq->sequence) {
		error = -ERR_ILLEGAL_ARGS;
	} else if (irq->is_joined) {
		irq_act_locked(irq, actions, sequence);
	}
	spinlock_release(&irq->pin->lock);
	return error;
}

/* ---- handlers */

int irq_set_handler(struct irq *irq, struct irq_handler *handler)
{
	int error = 0;

	spinlock_acquire(&irq->pin->lock);
	if (irq->handler != NULL) {
		error = -ERR_EXISTS;
	} else {
		irq->handler = handler;
	}
	spinlock_release(&irq->pin->lock);
	return error;
}

void irq_remove_handler(struct irq *irq, struct irq_handler *handler)
{
	spinlock_acquire(&irq->pin->lock);
	if (irq->handler == handler) {
		irq->handler = NULL;
	}
	spinlock_release(&irq->pin->lock);
}

/* ---- interrupts */

void irq_dispatch(struct cpu *cpu, uint32_t vector)
{
	struct irq_pin *pin = NULL;

	spinlock_acquire(&cpu->irq_vectors.lock);
	if (vector < IRQ_VECTORS_MAX) {
		pin = cpu->irq_vectors.pins[vector];
	}
	if (pin != NULL) {
		spinlock_acquire(&pin->lock);
	}
	spinlock_release(&cpu->irq_vectors.lock);
	if (pin != NULL) {
		pin_fire(pin, pin->route.cpu == cpu && pin->route.vector == vector);
		spinlock_release(&pin->lock);
	}
	arch_interrupt_end();
}

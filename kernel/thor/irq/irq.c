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
#include <thor/object/account.h>

constexpr uint32_t IRQ_TRIES_MAX = 32; /* for a vector that no other line has */

static struct spinlock irq_config_lock = { .rank = LOCK_RANK_IRQ_CONFIG };
/* guarded by irq_config_lock */
static uint32_t irq_next_cpu;
static struct list irq_lines = LIST_INIT(irq_lines);

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

static bool irq_is_vector_of_line_locked(uint32_t vector)
{
	LIST_FOR_EACH(pin, &irq_lines, struct irq_pin, line_node) {
		if (pin->route.vector == vector ||
			(pin->former.cpu != NULL && pin->former.vector == vector)) {
			return true;
		}
	}
	return false;
}

/*
 * The controllers of lines know the end of an interrupt by its vector, whichever CPU tells it. So
 * each line has a number of its own, as long as there are enough; two with the same one might get
 * an interrupt twice.
 */
static int irq_allocate_vector_locked(
	const struct irq_pin *pin, struct irq_route *route, struct hel_msi_info *out_info)
{
	int error = arch_msi_allocate(route->cpu, &route->vector, out_info);

	for (uint32_t i = 0; i < IRQ_TRIES_MAX && error == 0 && pin->is_line &&
		irq_is_vector_of_line_locked(route->vector);
		i++) {
		uint32_t taken = route->vector;

		if (arch_msi_allocate(route->cpu, &route->vector, out_info) != 0) {
			break;
		}
		arch_msi_free(route->cpu, taken);
	}
	return error;
}

/* A vector on one of the CPUs of @cpu_mask, round robin, that delivers to @pin. */
static int irq_allocate_route_locked(struct irq_pin *pin, uint64_t cpu_mask,
	struct irq_route *out_route, struct hel_msi_info *out_info)
{
	for (uint32_t i = 0; i < cpu_count; i++) {
		struct irq_route route = { .cpu = cpu_table[irq_next_cpu++ % cpu_count] };

		if ((cpu_mask >> route.cpu->index & 1) != 0 &&
			irq_allocate_vector_locked(pin, &route, out_info) == 0) {
			*out_route = route;
			irq_set_vector(route, pin);
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

static struct irq_pin *irq_allocate_pin(void)
{
	struct account *account = account_current();
	struct irq_pin *pin = account_allocate(account, sizeof(*pin));

	if (pin != NULL) {
		pin->account = account;
	}
	return pin;
}

static void irq_free_pin(struct irq_pin *pin)
{
	if (pin != NULL) {
		account_free(pin->account, pin, sizeof(*pin));
	}
}

void pin_end(struct irq_pin *pin)
{
	spinlock_acquire(&irq_config_lock);
	/* Somebody may have found the line meanwhile. */
	if (atomic_fetch_sub_explicit(&pin->references, 1, memory_order_acq_rel) > 1) {
		spinlock_release(&irq_config_lock);
		return;
	}
	if (pin->is_line) {
		list_remove(&pin->line_node);
	}
	irq_free_route_locked(&pin->route);
	irq_free_route_locked(&pin->former);
	/* An interrupt that was under way is over now. */
	spinlock_acquire(&pin->lock);
	spinlock_release(&pin->lock);
	spinlock_release(&irq_config_lock);
	irq_free_pin(pin);
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
	object_free(object);
}

static const struct object_class irq_class = {
	.type = HEL_TYPE_IRQ,
	.name = "irq",
	.rights = HEL_RIGHT_WAIT | HEL_RIGHT_WRITE | HEL_RIGHT_MANAGE | HEL_RIGHT_DERIVE,
	.destroy = irq_destroy,
	.abandon = irq_abandon,
};

/* One that joined no pin; accepts NULL. */
static void irq_undo(struct irq *irq)
{
	if (irq != NULL) {
		object_free(&irq->object);
	}
}

static void irq_init(struct irq *irq, struct irq_pin *pin)
{
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
	struct irq *irq = object_create(&irq_class, sizeof(*irq));
	struct irq_pin *pin = irq_allocate_pin();
	int error = irq == NULL || pin == NULL ? -ERR_NO_MEMORY : 0;

	if (error == 0) {
		pin_init(pin, false, 0, 0);
		spinlock_acquire(&irq_config_lock);
		error = irq_allocate_route_locked(pin, UINT64_MAX, &pin->route, &pin->message);
		spinlock_release(&irq_config_lock);
	}
	if (error != 0) {
		irq_undo(irq);
		irq_free_pin(pin);
		return error;
	}
	irq_init(irq, pin);
	spinlock_acquire(&pin->lock);
	error = pin_join(pin, irq);
	spinlock_release(&pin->lock);
	ASSERT(error == 0);
	*out_info = pin->message;
	*out_irq = irq;
	return 0;
}

/* ---- lines */

static struct irq_pin *irq_find_line_locked(uint32_t gsi)
{
	LIST_FOR_EACH(pin, &irq_lines, struct irq_pin, line_node) {
		if (pin->gsi == gsi) {
			return pin;
		}
	}
	return NULL;
}

/* The first one to use the line: @pin is for it. */
static int irq_open_line_locked(struct irq_pin *pin, uint32_t gsi, uint32_t line_flags)
{
	struct hel_msi_info ignored;

	pin_init(pin, true, gsi, line_flags);
	int error = irq_allocate_route_locked(pin, UINT64_MAX, &pin->route, &ignored);

	if (error == 0) {
		arch_line_route(gsi, line_flags, pin->route.cpu, pin->route.vector, true);
		list_push_back(&irq_lines, &pin->line_node);
	}
	return error;
}

/* Make @irq a sink of the line; *spare is used up, and NULL then, if nobody has it yet. */
static int irq_join_line(struct irq *irq, uint32_t gsi, uint32_t line_flags, struct irq_pin **spare)
{
	int error = 0;

	spinlock_acquire(&irq_config_lock);
	struct irq_pin *pin = irq_find_line_locked(gsi);

	if (pin == NULL) {
		pin = *spare;
		error = irq_open_line_locked(pin, gsi, line_flags);
		*spare = error == 0 ? NULL : pin;
	} else if (pin->line_flags != line_flags) {
		error = -ERR_BUSY;
	} else {
		pin_ref(pin);
	}
	spinlock_release(&irq_config_lock);
	if (error != 0) {
		return error;
	}
	irq_init(irq, pin);
	spinlock_acquire(&pin->lock);
	error = pin_join(pin, irq);
	spinlock_release(&pin->lock);
	if (error != 0) {
		pin_unref(pin);
	}
	return error;
}

int irq_create_line(uint32_t gsi, uint32_t line_flags, struct irq **out_irq)
{
	constexpr uint32_t WIRING = HEL_IRQ_LINE_LEVEL | HEL_IRQ_LINE_ACTIVE_LOW;
	int error = 0;

	if (line_flags == HEL_IRQ_LINE_ISA) {
		error = arch_line_of_isa(gsi, &gsi, &line_flags);
	} else if ((line_flags & ~WIRING) != 0) {
		error = -ERR_ILLEGAL_ARGS;
	} else if (!arch_line_exists(gsi)) {
		error = -ERR_NOT_FOUND;
	}
	if (error != 0) {
		return error;
	}
	struct irq *irq = object_create(&irq_class, sizeof(*irq));
	struct irq_pin *spare = irq_allocate_pin();

	error = irq == NULL || spare == NULL ? -ERR_NO_MEMORY
					     : irq_join_line(irq, gsi, line_flags, &spare);
	irq_free_pin(spare);
	if (error != 0) {
		irq_undo(irq);
		return error;
	}
	*out_irq = irq;
	return 0;
}

/* ---- moving to another CPU */

/* What was in the old place may still be under way when this ends: it stays the pin's. */
static void irq_change_route_locked(
	struct irq_pin *pin, struct irq_route route, const struct hel_msi_info *message)
{
	spinlock_acquire(&pin->lock);
	pin->former = pin->route;
	pin->route = route;
	pin->is_moving = true;
	if (pin->is_line) {
		arch_line_route(pin->gsi, pin->line_flags, route.cpu, route.vector, pin->is_masked);
		/* An edge may have come while the entry was changed. */
		pin->is_kicked |= !pin->is_level && !pin->is_masked;
		pin_advance(pin);
	} else {
		pin->message = *message;
	}
	spinlock_release(&pin->lock);
}

/*
 * A line's entry has been rewritten, so after a while nothing comes by the old way any more: the
 * next move may free it. Who sends messages, and where to, only the driver knows.
 */
static bool irq_is_settled_locked(struct irq_pin *pin)
{
	spinlock_acquire(&pin->lock);
	bool is_settled = pin->is_line || !pin->is_moving;

	spinlock_release(&pin->lock);
	return is_settled;
}

static int irq_move_locked(struct irq_pin *pin, uint64_t cpu_mask)
{
	struct irq_route route;
	struct hel_msi_info message;

	if ((cpu_mask >> pin->route.cpu->index & 1) != 0) {
		return 0;
	}
	if (!irq_is_settled_locked(pin)) {
		return -ERR_BUSY;
	}
	irq_free_route_locked(&pin->former);
	int error = irq_allocate_route_locked(pin, cpu_mask, &route, &message);

	if (error == 0) {
		irq_change_route_locked(pin, route, &message);
	}
	return error;
}

int irq_set_affinity(struct irq *irq, uint64_t cpu_mask, struct hel_msi_info *out_info)
{
	uint64_t all = cpu_count < 64 ? (UINT64_C(1) << cpu_count) - 1 : UINT64_MAX;

	if ((cpu_mask & all) == 0) {
		return -ERR_ILLEGAL_ARGS;
	}
	spinlock_acquire(&irq_config_lock);
	int error = irq_move_locked(irq->pin, cpu_mask);

	if (error == 0) {
		*out_info = irq->pin->message;
	}
	spinlock_release(&irq_config_lock);
	return error;
}

void irq_settle(struct irq *irq)
{
	struct irq_pin *pin = irq->pin;

	spinlock_acquire(&irq_config_lock);
	irq_free_route_locked(&pin->former);
	spinlock_acquire(&pin->lock);
	pin->is_moving = false;
	spinlock_release(&pin->lock);
	spinlock_release(&irq_config_lock);
}

/* ---- looking */

static uint32_t irq_state_locked(const struct irq *irq)
{
	const struct irq_pin *pin = irq->pin;

	return (pin->is_line ? HEL_IRQ_STATE_LINE : 0) | (pin->is_level ? HEL_IRQ_STATE_LEVEL : 0) |
		(pin->is_in_service ? HEL_IRQ_STATE_IN_SERVICE : 0) |
		(irq->is_due ? HEL_IRQ_STATE_DUE : 0) |
		(pin->is_buffered || pin->is_kicked ? HEL_IRQ_STATE_BUFFERED : 0) |
		(pin->is_stalled ? HEL_IRQ_STATE_STALLED : 0) |
		(pin->is_throttled ? HEL_IRQ_STATE_THROTTLED : 0) |
		(pin->is_moving ? HEL_IRQ_STATE_MOVING : 0) |
		(irq->handler != NULL ? HEL_IRQ_STATE_HANDLED : 0);
}

void irq_get_info(struct irq *irq, struct hel_irq_info *out_info)
{
	struct irq_pin *pin = irq->pin;

	spinlock_acquire(&pin->lock);
	*out_info = (struct hel_irq_info){
		.n_interrupts = pin->n_interrupts,
		.n_spurious = pin->n_spurious,
		.n_storms = pin->n_storms,
		.n_stalls = pin->n_stalls,
		.sequence = irq->sequence,
		.state = irq_state_locked(irq),
		.cpu = pin->route.cpu->index,
		.vector = pin->route.vector,
		.gsi = pin->is_line ? pin->gsi : HEL_IRQ_NO_LINE,
	};
	spinlock_release(&pin->lock);
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

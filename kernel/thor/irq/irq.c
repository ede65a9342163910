/* SPDX-License-Identifier: MIT */
/* Interrupts of devices: see irq.h. */
#include <thor/irq/irq.h>

#include <thor/cpu.h>
#include <thor/memory/memory.h>

constexpr uint32_t IRQ_VECTORS = 256;

/*
 * Who owns a vector. The table's lock is held while an interrupt is looked up and referenced, so
 * an irq that is being destroyed is not found any more; it ranks below the sources' locks.
 */
static struct irq *irq_table[CPUS_MAX][IRQ_VECTORS]; /* guarded by irq_table_lock */
static struct spinlock irq_table_lock = { .rank = LOCK_RANK_EVENT };
static uint32_t irq_next_cpu; /* guarded by irq_table_lock */

static void irq_destroy(struct object *object)
{
	struct irq *irq = irq_of(object);

	spinlock_acquire(&irq_table_lock);
	irq_table[irq->cpu->index][irq->vector] = NULL;
	spinlock_release(&irq_table_lock);
	arch_msi_free(irq->cpu, irq->vector);
	heap_free(irq);
}

static const struct object_class irq_class = {
	.type = HEL_TYPE_IRQ,
	.name = "irq",
	.rights = HEL_RIGHT_WAIT | HEL_RIGHT_MANAGE | HEL_RIGHT_DERIVE,
	.destroy = irq_destroy,
	.abandon = object_abandon_nothing,
};

/* A vector on one of the CPUs, round robin. */
static int irq_allocate_vector(struct irq *irq, struct hel_msi_info *out_info)
{
	for (uint32_t i = 0; i < cpu_count; i++) {
		spinlock_acquire(&irq_table_lock);
		struct cpu *cpu = cpu_table[irq_next_cpu++ % cpu_count];

		spinlock_release(&irq_table_lock);
		if (arch_msi_allocate(cpu, &irq->vector, out_info) == 0) {
			irq->cpu = cpu;
			return 0;
		}
	}
	return -ERR_NO_SPACE;
}

int irq_create_msi(struct irq **out_irq, struct hel_msi_info *out_info)
{
	struct irq *irq = heap_allocate(sizeof(*irq));

	if (irq == NULL) {
		return -ERR_NO_MEMORY;
	}
	int error = irq_allocate_vector(irq, out_info);

	if (error != 0) {
		heap_free(irq);
		return error;
	}
	object_init(&irq->object, &irq_class);
	event_source_init(&irq->source, 0);
	spinlock_init(&irq->lock, LOCK_RANK_EVENT);
	spinlock_acquire(&irq_table_lock);
	irq_table[irq->cpu->index][irq->vector] = irq;
	spinlock_release(&irq_table_lock);
	*out_irq = irq;
	return 0;
}

/* One more delivery, unless one is in service: then it is buffered. */
static void irq_raise(struct irq *irq)
{
	bool is_delivered = false;

	spinlock_acquire(&irq->lock);
	irq->n_interrupts++;
	if (irq->is_in_service) {
		irq->is_buffered = true;
	} else {
		irq->is_in_service = true;
		irq->served_sequence++;
		is_delivered = true;
	}
	spinlock_release(&irq->lock);
	if (is_delivered) {
		event_source_raise(&irq->source, 1);
	}
}

int irq_acknowledge(struct irq *irq, uint32_t actions, uint64_t sequence)
{
	bool is_raised = false;

	if (actions == 0 ||
		(actions & ~(HEL_IRQ_ACK | HEL_IRQ_NACK | HEL_IRQ_KICK | HEL_IRQ_CLEAR)) != 0 ||
		(actions & (HEL_IRQ_ACK | HEL_IRQ_NACK)) == (HEL_IRQ_ACK | HEL_IRQ_NACK)) {
		return -ERR_ILLEGAL_ARGS;
	}
	spinlock_acquire(&irq->lock);
	if ((actions & HEL_IRQ_CLEAR) != 0) {
		irq->is_buffered = false;
	}
	if ((actions & (HEL_IRQ_ACK | HEL_IRQ_NACK)) != 0 && sequence == irq->served_sequence) {
		irq->is_in_service = false;
		irq->n_spurious += (actions & HEL_IRQ_NACK) != 0;
	}
	if ((actions & HEL_IRQ_KICK) != 0) {
		irq->is_buffered = true;
	}
	if (!irq->is_in_service && irq->is_buffered) {
		irq->is_buffered = false;
		irq->is_in_service = true;
		irq->served_sequence++;
		is_raised = true;
	}
	spinlock_release(&irq->lock);
	if (is_raised) {
		event_source_raise(&irq->source, 1);
	}
	return 0;
}

void irq_dispatch(struct cpu *cpu, uint32_t vector)
{
	struct irq *irq = NULL;

	spinlock_acquire(&irq_table_lock);
	if (vector < IRQ_VECTORS) {
		irq = irq_table[cpu->index][vector];
	}
	if (irq != NULL && !object_try_ref(&irq->object)) {
		irq = NULL;
	}
	spinlock_release(&irq_table_lock);
	if (irq != NULL) {
		irq_raise(irq);
		object_unref(&irq->object);
	}
}

/* SPDX-License-Identifier: MIT */
/*
 * Pins and irq objects, from inside the kernel: tests answer as drivers do, and raise interrupts as
 * devices do (arch/sim/lines.h). machine_settle() lets the CPUs take them.
 */
#include "machine.h"

#include <base/assert.h>
#include <thor/arch/sim/lines.h>
#include <thor/irq/irq.h>

/* ---- handlers */

struct test_handler {
	struct irq_handler handler;
	enum irq_verdict verdict;
	uint32_t n_runs;
	uint64_t last_sequence;
};

static enum irq_verdict test_handler_run(struct irq_handler *handler, uint64_t sequence)
{
	struct test_handler *self = container_of(handler, struct test_handler, handler);

	self->n_runs++;
	self->last_sequence = sequence;
	return self->verdict;
}

static void fire_message(const struct hel_msi_info *info)
{
	sim_raise_vector((uint32_t)info->address, info->data);
	machine_settle();
}

TEST(handler_decides_for_the_driver)
{
	struct test_handler a = { .handler.run = test_handler_run, .verdict = IRQ_VERDICT_ACK };
	struct test_handler b = a;
	struct hel_msi_info info;
	struct irq *irq;

	machine_begin(1, 1);
	CHECK_OK(irq_create_msi(&irq, &info));
	CHECK_OK(irq_set_handler(irq, &a.handler));
	CHECK_EQ(irq_set_handler(irq, &b.handler), -ERR_EXISTS);
	fire_message(&info);
	fire_message(&info);
	CHECK_EQ(a.n_runs, 2);
	CHECK_EQ(a.last_sequence, 1);
	CHECK(!irq->pin->is_in_service);
	CHECK_EQ(irq->source.sequence, 0);
	/* It leaves the third to the driver. */
	a.verdict = IRQ_VERDICT_NONE;
	fire_message(&info);
	CHECK_EQ(a.n_runs, 3);
	CHECK_EQ(irq->source.sequence, 1);
	CHECK(irq->pin->is_in_service);
	/* An edge meanwhile waits for the answer, and is the handler's then. */
	a.verdict = IRQ_VERDICT_NACK;
	fire_message(&info);
	CHECK_EQ(a.n_runs, 3);
	CHECK_OK(irq_acknowledge(irq, HEL_IRQ_ACK, 1));
	CHECK_EQ(a.n_runs, 4);
	CHECK_EQ(a.last_sequence, 2);
	CHECK_EQ(irq->pin->n_spurious, 1);
	irq_remove_handler(irq, &b.handler);
	fire_message(&info);
	CHECK_EQ(a.n_runs, 5);
	irq_remove_handler(irq, &a.handler);
	fire_message(&info);
	CHECK_EQ(a.n_runs, 5);
	CHECK_EQ(irq->source.sequence, 2);
	object_unref(&irq->object);
	CHECK(machine_settle());
	CHECK(machine_end());
}

/* KICK | CLEAR answers what was in service when the handler came; it sees the rest. */
TEST(handler_takes_over_by_kick_and_clear)
{
	struct test_handler a = { .handler.run = test_handler_run, .verdict = IRQ_VERDICT_ACK };
	struct hel_msi_info info;
	struct irq *irq;

	machine_begin(1, 1);
	CHECK_OK(irq_create_msi(&irq, &info));
	fire_message(&info);
	CHECK(irq->pin->is_in_service);
	CHECK_OK(irq_set_handler(irq, &a.handler));
	fire_message(&info);
	CHECK_EQ(a.n_runs, 0);
	CHECK_OK(irq_acknowledge(irq, HEL_IRQ_KICK | HEL_IRQ_CLEAR, 0));
	CHECK_EQ(a.n_runs, 1); /* the kick */
	CHECK(!irq->pin->is_in_service);
	CHECK_EQ(irq->source.sequence, 1);
	irq_remove_handler(irq, &a.handler);
	object_unref(&irq->object);
	CHECK(machine_settle());
	CHECK(machine_end());
}

TEST_MAIN()

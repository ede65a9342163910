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

/* ---- lines */

constexpr uint32_t LINE = 5;
constexpr uint32_t LEVEL = HEL_IRQ_LINE_LEVEL;

static void drop(struct irq *irq)
{
	object_unref(&irq->object);
	machine_settle();
}

static void set_line(bool is_asserted)
{
	sim_line_set(LINE, is_asserted);
	machine_settle();
}

static void pulse_line(void)
{
	sim_line_pulse(LINE);
	machine_settle();
}

TEST(level_interrupts_until_deasserted)
{
	struct irq *irq;

	machine_begin(1, 1);
	CHECK_OK(irq_create_line(LINE, LEVEL, &irq));
	CHECK(!sim_line_is_masked(LINE));
	set_line(true);
	CHECK_EQ(irq->sequence, 1);
	CHECK_EQ(irq->source.sequence, 1);
	CHECK(sim_line_is_masked(LINE));
	/* Acknowledged too early: again at once. */
	CHECK_OK(irq_acknowledge(irq, HEL_IRQ_ACK, 1));
	CHECK(machine_settle());
	CHECK_EQ(irq->sequence, 2);
	set_line(false);
	CHECK_OK(irq_acknowledge(irq, HEL_IRQ_ACK, 2));
	CHECK(machine_settle());
	CHECK_EQ(irq->sequence, 2);
	CHECK(!sim_line_is_masked(LINE));
	CHECK_EQ(irq->pin->n_interrupts, 2);
	drop(irq);
	CHECK(sim_line_is_masked(LINE));
	CHECK(machine_end());
}

/* Three sinks, all orders of their answers: masked until the last one, stalled if all are NACK. */
static void answer_in_order(const uint32_t order[3], uint32_t acks)
{
	struct irq *irqs[3];

	machine_begin(1, 1);
	for (uint32_t i = 0; i < 3; i++) {
		CHECK_OK(irq_create_line(LINE, LEVEL, &irqs[i]));
	}
	set_line(true);
	for (uint32_t i = 0; i < 3; i++) {
		uint32_t who = order[i];

		CHECK(sim_line_is_masked(LINE));
		CHECK_EQ(irqs[who]->sequence, 1);
		if ((acks >> who & 1) != 0) {
			set_line(false);
		}
		CHECK_OK(irq_acknowledge(
			irqs[who], (acks >> who & 1) != 0 ? HEL_IRQ_ACK : HEL_IRQ_NACK, 1));
	}
	CHECK(machine_settle());
	CHECK_EQ(irqs[0]->pin->is_stalled, acks == 0);
	CHECK_EQ(irqs[0]->pin->n_stalls, acks == 0);
	CHECK_EQ(sim_line_is_masked(LINE), acks == 0);
	CHECK_EQ(irqs[0]->sequence, 1);
	for (uint32_t i = 0; i < 3; i++) {
		drop(irqs[i]);
	}
	CHECK(machine_end());
}

TEST(level_waits_for_all_answers)
{
	static const uint32_t orders[6][3] = {
		{ 0, 1, 2 },
		{ 0, 2, 1 },
		{ 1, 0, 2 },
		{ 1, 2, 0 },
		{ 2, 0, 1 },
		{ 2, 1, 0 },
	};

	for (uint32_t order = 0; order < 6; order++) {
		for (uint32_t acks = 0; acks < 8; acks++) {
			answer_in_order(orders[order], acks);
		}
	}
}

TEST(stall_ends_by_kick)
{
	struct irq *irq;

	machine_begin(1, 1);
	CHECK_OK(irq_create_line(LINE, LEVEL, &irq));
	set_line(true);
	CHECK_OK(irq_acknowledge(irq, HEL_IRQ_NACK, 1));
	CHECK(irq->pin->is_stalled);
	set_line(false);
	set_line(true);
	CHECK_EQ(irq->sequence, 1);
	/* The kick delivers once more, and does not stall the line whatever is answered. */
	CHECK_OK(irq_acknowledge(irq, HEL_IRQ_KICK, 0));
	CHECK(!irq->pin->is_stalled);
	CHECK_EQ(irq->sequence, 2);
	CHECK_OK(irq_acknowledge(irq, HEL_IRQ_NACK, 2));
	CHECK(machine_settle());
	CHECK(!irq->pin->is_stalled);
	/* It is still asserted; this time it is the device's own. */
	CHECK_EQ(irq->sequence, 3);
	CHECK_OK(irq_acknowledge(irq, HEL_IRQ_NACK, 3));
	CHECK(irq->pin->is_stalled);
	CHECK_EQ(irq->pin->n_stalls, 2);
	CHECK_EQ(irq->pin->n_spurious, 3);
	drop(irq);
	CHECK(machine_end());
}

/* A driver that resets its device kicks: what all others deny is no reason to stall. */
TEST(kick_forgives_what_is_in_service)
{
	struct irq *a, *b;

	machine_begin(1, 1);
	CHECK_OK(irq_create_line(LINE, LEVEL, &a));
	CHECK_OK(irq_create_line(LINE, LEVEL, &b));
	set_line(true);
	set_line(false);
	CHECK_OK(irq_acknowledge(a, HEL_IRQ_NACK | HEL_IRQ_KICK, 1));
	CHECK_EQ(a->sequence, 1);
	CHECK_OK(irq_acknowledge(b, HEL_IRQ_NACK, 1));
	CHECK(!a->pin->is_stalled);
	CHECK_EQ(a->sequence, 2);
	CHECK_EQ(b->sequence, 2);
	CHECK_OK(irq_acknowledge(a, HEL_IRQ_NACK, 2));
	CHECK_OK(irq_acknowledge(b, HEL_IRQ_NACK, 2));
	CHECK(!a->pin->is_stalled);
	CHECK(!sim_line_is_masked(LINE));
	drop(a);
	drop(b);
	CHECK(machine_end());
}

TEST(new_sink_ends_a_stall)
{
	struct irq *a, *b;

	machine_begin(1, 1);
	CHECK_OK(irq_create_line(LINE, LEVEL, &a));
	set_line(true);
	CHECK_OK(irq_acknowledge(a, HEL_IRQ_NACK, 1));
	CHECK(a->pin->is_stalled);
	CHECK_OK(irq_create_line(LINE, LEVEL, &b));
	CHECK(machine_settle());
	CHECK_EQ(a->sequence, 2);
	CHECK_EQ(b->sequence, 1);
	set_line(false);
	CHECK_OK(irq_acknowledge(b, HEL_IRQ_ACK, 1));
	CHECK_OK(irq_acknowledge(a, HEL_IRQ_NACK, 2));
	CHECK(!sim_line_is_masked(LINE));
	drop(a);
	drop(b);
	CHECK(machine_end());
}

TEST(sinks_join_and_leave_in_service)
{
	struct irq *a, *b, *c;

	machine_begin(1, 1);
	CHECK_OK(irq_create_line(LINE, LEVEL, &a));
	CHECK_OK(irq_create_line(LINE, LEVEL, &b));
	set_line(true);
	/* Who joins now is not asked. */
	CHECK_OK(irq_create_line(LINE, LEVEL, &c));
	CHECK_EQ(c->sequence, 0);
	CHECK_OK(irq_acknowledge(c, HEL_IRQ_NACK, 0));
	CHECK_EQ(a->pin->n_due, 2);
	/* Who leaves owes nothing, and leaves the others' line in order. */
	CHECK_OK(irq_acknowledge(a, HEL_IRQ_NACK, 1));
	CHECK(sim_line_is_masked(LINE));
	set_line(false);
	drop(b);
	CHECK(!a->pin->is_in_service);
	CHECK(!a->pin->is_stalled);
	CHECK(!sim_line_is_masked(LINE));
	set_line(true);
	CHECK_EQ(a->sequence, 2);
	CHECK_EQ(c->sequence, 1);
	drop(a);
	CHECK(sim_line_is_masked(LINE));
	drop(c);
	CHECK(sim_line_is_masked(LINE));
	CHECK(machine_end());
}

TEST(answers_late_double_and_early)
{
	struct irq *irq;

	machine_begin(1, 1);
	CHECK_OK(irq_create_line(LINE, LEVEL, &irq));
	CHECK_OK(irq_acknowledge(irq, HEL_IRQ_ACK, 0)); /* nothing has been delivered */
	CHECK_EQ(irq_acknowledge(irq, HEL_IRQ_ACK, 1), -ERR_ILLEGAL_ARGS);
	set_line(true);
	CHECK_EQ(irq_acknowledge(irq, HEL_IRQ_NACK | HEL_IRQ_KICK, 2), -ERR_ILLEGAL_ARGS);
	CHECK_OK(irq_acknowledge(irq, HEL_IRQ_NACK, 0));
	CHECK(irq->pin->is_in_service);
	CHECK_OK(irq_acknowledge(irq, HEL_IRQ_ACK, 1));
	CHECK(machine_settle());
	CHECK_EQ(irq->sequence, 2);
	CHECK_OK(irq_acknowledge(irq, HEL_IRQ_NACK, 1));
	CHECK(irq->pin->is_in_service);
	set_line(false);
	CHECK_OK(irq_acknowledge(irq, HEL_IRQ_ACK, 2));
	CHECK_OK(irq_acknowledge(irq, HEL_IRQ_NACK, 2));
	CHECK(!irq->pin->is_stalled);
	CHECK_EQ(irq->pin->n_spurious, 0);
	drop(irq);
	CHECK(machine_end());
}

TEST(edge_buffers_one)
{
	struct irq *irq;

	machine_begin(1, 1);
	CHECK_OK(irq_create_line(LINE, 0, &irq));
	pulse_line();
	CHECK_EQ(irq->sequence, 1);
	CHECK(!sim_line_is_masked(LINE));
	pulse_line();
	pulse_line();
	CHECK_EQ(irq->sequence, 1);
	CHECK_OK(irq_acknowledge(irq, HEL_IRQ_ACK, 1));
	CHECK_EQ(irq->sequence, 2);
	CHECK_OK(irq_acknowledge(irq, HEL_IRQ_ACK, 2));
	CHECK_EQ(irq->sequence, 2);
	pulse_line();
	pulse_line();
	CHECK_OK(irq_acknowledge(irq, HEL_IRQ_CLEAR | HEL_IRQ_ACK, 3));
	CHECK_EQ(irq->sequence, 3);
	/* Spurious ones stall an edge line, too. */
	pulse_line();
	CHECK_OK(irq_acknowledge(irq, HEL_IRQ_NACK, 4));
	CHECK(sim_line_is_masked(LINE));
	pulse_line(); /* lost; the kick makes up for it */
	CHECK_OK(irq_acknowledge(irq, HEL_IRQ_KICK, 0));
	CHECK_EQ(irq->sequence, 5);
	CHECK_OK(irq_acknowledge(irq, HEL_IRQ_ACK, 5));
	drop(irq);
	CHECK(machine_end());
}

/* On a shared line the buffered edge may be another's: CLEAR does not take it away. */
TEST(edge_is_not_cleared_for_others)
{
	struct irq *a, *b;

	machine_begin(1, 1);
	CHECK_OK(irq_create_line(LINE, 0, &a));
	CHECK_OK(irq_create_line(LINE, 0, &b));
	pulse_line();
	pulse_line();
	CHECK_OK(irq_acknowledge(a, HEL_IRQ_CLEAR | HEL_IRQ_NACK, 1));
	CHECK_OK(irq_acknowledge(b, HEL_IRQ_ACK, 1));
	CHECK_EQ(a->sequence, 2);
	CHECK_EQ(b->sequence, 2);
	/* A stalled edge line that gets a new sink delivers: edges were lost. */
	CHECK_OK(irq_acknowledge(a, HEL_IRQ_NACK, 2));
	CHECK_OK(irq_acknowledge(b, HEL_IRQ_NACK, 2));
	CHECK(a->pin->is_stalled);
	struct irq *c;

	CHECK_OK(irq_create_line(LINE, 0, &c));
	CHECK_EQ(c->sequence, 1);
	drop(a);
	drop(b);
	drop(c);
	CHECK(machine_end());
}

TEST(lines_are_checked)
{
	struct irq *irqs[IRQ_SINKS_MAX];
	struct irq *irq;

	machine_begin(1, 1);
	CHECK_EQ(irq_create_line(SIM_LINES, 0, &irq), -ERR_NOT_FOUND);
	CHECK_EQ(irq_create_line(LINE, 8, &irq), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(irq_create_line(LINE, LEVEL | HEL_IRQ_LINE_ISA, &irq), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(irq_create_line(16, HEL_IRQ_LINE_ISA, &irq), -ERR_NOT_FOUND);
	CHECK_OK(irq_create_line(0, HEL_IRQ_LINE_ISA, &irq));
	CHECK_EQ(irq->pin->gsi, 2);
	CHECK_EQ(irq->pin->is_level, false);
	drop(irq);
	CHECK_OK(irq_create_line(9, HEL_IRQ_LINE_ISA, &irq));
	CHECK_EQ(irq->pin->line_flags, LEVEL | HEL_IRQ_LINE_ACTIVE_LOW);
	CHECK_EQ(irq_create_line(9, LEVEL, &irqs[0]), -ERR_BUSY);
	drop(irq);
	for (uint32_t i = 0; i < IRQ_SINKS_MAX; i++) {
		CHECK_OK(irq_create_line(LINE, LEVEL, &irqs[i]));
	}
	CHECK_EQ(irq_create_line(LINE, LEVEL, &irq), -ERR_NO_SPACE);
	set_line(true);
	CHECK_EQ(irqs[IRQ_SINKS_MAX - 1]->sequence, 1);
	set_line(false);
	for (uint32_t i = 0; i < IRQ_SINKS_MAX; i++) {
		drop(irqs[i]);
	}
	CHECK(machine_end());
}

TEST(lines_survive_failing_allocations)
{
	struct irq *irq;

	machine_begin(1, 1);
	for (uint32_t i = 0; i < 2; i++) {
		fixture_fail_only(i);
		CHECK_EQ(irq_create_line(LINE, LEVEL, &irq), -ERR_NO_MEMORY);
	}
	fixture_fail_after(~UINT64_C(0));
	CHECK_OK(irq_create_line(LINE, LEVEL, &irq));
	drop(irq);
	CHECK(machine_end());
}

/* ---- storms */

TEST(storm_of_a_level_is_throttled)
{
	struct test_handler a = { .handler.run = test_handler_run, .verdict = IRQ_VERDICT_ACK };
	struct irq *irq;

	machine_begin(1, 1);
	CHECK_OK(irq_create_line(LINE, LEVEL, &irq));
	CHECK_OK(irq_set_handler(irq, &a.handler));
	uint64_t end_ns = sim_time_ns + 10 * IRQ_THROTTLE_NS;

	/* The handler says that it was ours, and does nothing about it. */
	sim_line_set(LINE, true);
	CHECK(sim_execute(end_ns, 100'000));
	CHECK(irq->pin->is_throttled);
	CHECK(sim_line_is_masked(LINE));
	CHECK(irq->pin->n_storms >= 8 && irq->pin->n_storms <= 11);
	CHECK(a.n_runs <= (irq->pin->n_storms + 1) * IRQ_RUN_MAX);
	set_line(false);
	CHECK(!irq->pin->is_throttled);
	CHECK(!sim_line_is_masked(LINE));
	uint32_t n_runs = a.n_runs;

	/* Nothing is left of it; a line whose throttle is pending may go away. */
	sim_line_set(LINE, true);
	CHECK(sim_execute(sim_time_ns + 50'000, 100'000));
	CHECK(a.n_runs > n_runs);
	CHECK(irq->pin->is_throttled);
	irq_remove_handler(irq, &a.handler);
	drop(irq);
	CHECK(machine_end());
}

/* As many as one likes, if there is time between them. */
TEST(many_interrupts_are_no_storm)
{
	struct test_handler a = { .handler.run = test_handler_run, .verdict = IRQ_VERDICT_ACK };
	struct hel_msi_info info;
	struct irq *irq;

	machine_begin(1, 1);
	CHECK_OK(irq_create_msi(&irq, &info));
	CHECK_OK(irq_set_handler(irq, &a.handler));
	for (uint32_t i = 0; i < 1000; i++) {
		fire_message(&info);
		CHECK(sim_execute(sim_time_ns + IRQ_WINDOW_NS / IRQ_WINDOW_MAX, 1000));
	}
	CHECK_EQ(a.n_runs, 1000);
	CHECK_EQ(irq->pin->n_storms, 0);
	/* Too many for any device, with time between them. */
	for (uint32_t i = 0; i <= 2 * IRQ_WINDOW_MAX; i++) {
		sim_raise_vector(0, info.data);
		CHECK(sim_execute(sim_time_ns + 2 * IRQ_BACK_TO_BACK_NS, 1000));
	}
	CHECK(irq->pin->n_storms > 0);
	CHECK(machine_settle());
	irq_remove_handler(irq, &a.handler);
	drop(irq);
	CHECK(machine_end());
}

TEST(storm_of_messages_is_buffered)
{
	struct hel_msi_info info;
	struct irq *irq;

	machine_begin(1, 1);
	CHECK_OK(irq_create_msi(&irq, &info));
	for (uint32_t i = 0; i <= IRQ_RUN_MAX; i++) {
		sim_raise_vector(0, info.data);
		CHECK(sim_execute(sim_time_ns, 1000));
	}
	CHECK_EQ(irq->sequence, 1);
	CHECK(irq->pin->is_throttled);
	CHECK_OK(irq_acknowledge(irq, HEL_IRQ_ACK, 1));
	CHECK_EQ(irq->sequence, 1);
	CHECK(machine_settle());
	CHECK_EQ(irq->sequence, 2); /* after the pause */
	CHECK_EQ(irq->pin->n_storms, 1);
	CHECK_OK(irq_acknowledge(irq, HEL_IRQ_ACK, 2));
	/* What a driver acknowledges is no storm. */
	for (uint32_t i = 0; i < 4 * IRQ_RUN_MAX; i++) {
		sim_raise_vector(0, info.data);
		CHECK(sim_execute(sim_time_ns, 1000));
		CHECK_OK(irq_acknowledge(irq, HEL_IRQ_ACK, 3 + i));
	}
	CHECK_EQ(irq->pin->n_storms, 1);
	drop(irq);
	CHECK(machine_end());
}

TEST_MAIN()

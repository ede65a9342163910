/* SPDX-License-Identifier: MIT */
/*
 * Interrupts that move between CPUs, and lines under random drivers against a model of the wire.
 *
 * The wire: each device asserts the line from the moment it wants something until its driver has
 * seen to it; the line is asserted while one of them does.
 */
#include "machine.h"

#include <base/assert.h>
#include <base/string.h>
#include <thor/arch/sim/lines.h>
#include <thor/irq/irq.h>

#include <stdio.h>

constexpr uint32_t LINE = 5;
constexpr uint32_t LEVEL = HEL_IRQ_LINE_LEVEL;

static void drop(struct irq *irq)
{
	object_unref(&irq->object);
	machine_settle();
}

static void fire_message(const struct hel_msi_info *info)
{
	sim_raise_vector((uint32_t)info->address, info->data);
	machine_settle();
}

/* ---- messages */

TEST(message_arrives_by_both_ways)
{
	struct hel_msi_info old, new, newer;
	struct hel_irq_info info;
	struct irq *irq;

	machine_begin(4, 1);
	CHECK_OK(irq_create_msi(&irq, &old));
	uint64_t other = UINT64_C(1) << (old.address + 1) % 4;

	CHECK_OK(irq_set_affinity(irq, UINT64_C(1) << old.address, &new));
	CHECK_EQ(new.address, old.address);
	CHECK_EQ(new.data, old.data);
	CHECK_EQ(irq_set_affinity(irq, 0xf0, &new), -ERR_ILLEGAL_ARGS);
	CHECK_OK(irq_set_affinity(irq, other | 0xf0, &new));
	CHECK_EQ(new.address, (old.address + 1) % 4);
	irq_get_info(irq, &info);
	CHECK_EQ(info.cpu, new.address);
	CHECK_EQ(info.vector, new.data);
	CHECK_EQ(info.gsi, HEL_IRQ_NO_LINE);
	CHECK_EQ(info.state, HEL_IRQ_STATE_MOVING);
	fire_message(&old);
	CHECK_EQ(irq->sequence, 1);
	CHECK_EQ(irq_set_affinity(irq, UINT64_C(1) << old.address, &newer), -ERR_BUSY);
	fire_message(&new); /* while the other is in service: buffered */
	CHECK_OK(irq_acknowledge(irq, HEL_IRQ_ACK, 1));
	CHECK_EQ(irq->sequence, 2);
	/* The new one has fired: it may be moved again, and the oldest is nobody's. */
	CHECK_OK(irq_set_affinity(irq, UINT64_C(1) << (old.address + 2) % 4, &newer));
	fire_message(&old);
	CHECK_OK(irq_acknowledge(irq, HEL_IRQ_ACK, 2));
	CHECK_EQ(irq->sequence, 2);
	/* Settled by the driver's word. */
	irq_settle(irq);
	fire_message(&new);
	CHECK_EQ(irq->sequence, 2);
	fire_message(&newer);
	CHECK_EQ(irq->sequence, 3);
	irq_settle(irq);
	irq_get_info(irq, &info);
	CHECK_EQ(info.n_interrupts, 3);
	CHECK_EQ(info.state, HEL_IRQ_STATE_IN_SERVICE | HEL_IRQ_STATE_DUE);
	drop(irq);
	CHECK(machine_end());
}

TEST(moves_need_a_vector)
{
	struct hel_msi_info info;
	struct irq *irqs[64];
	uint32_t n_irqs = 0;

	machine_begin(2, 1);
	while (irq_create_msi(&irqs[n_irqs], &info) == 0) {
		n_irqs++;
	}
	uint64_t other = UINT64_C(1) << (1 - irqs[0]->pin->route.cpu->index);

	CHECK_EQ(irq_set_affinity(irqs[0], other, &info), -ERR_NO_SPACE);
	struct irq *line;

	CHECK_EQ(irq_create_line(LINE, LEVEL, &line), -ERR_NO_SPACE);
	drop(irqs[1]);
	CHECK_OK(irq_set_affinity(irqs[0], other, &info));
	for (uint32_t i = 0; i < n_irqs; i++) {
		if (i != 1) {
			drop(irqs[i]);
		}
	}
	CHECK(machine_end());
}

/* ---- lines */

TEST(line_moves_with_an_interrupt_under_way)
{
	struct hel_msi_info message;
	struct irq *irq;

	machine_begin(2, 1);
	CHECK_OK(irq_create_line(LINE, LEVEL, &irq));
	uint32_t from = irq->pin->route.cpu->index;

	sim_line_set(LINE, true); /* sent, not taken */
	CHECK_OK(irq_set_affinity(irq, UINT64_C(1) << (1 - from), &message));
	CHECK_EQ(message.address, 0);
	CHECK(machine_settle());
	/* Sent to both; one of them was in service when the other came. */
	CHECK_EQ(irq->sequence, 1);
	sim_line_set(LINE, false);
	CHECK_OK(irq_acknowledge(irq, HEL_IRQ_ACK, 1));
	CHECK(machine_settle());
	CHECK(!sim_line_is_masked(LINE));
	CHECK(!irq->pin->is_stalled);
	sim_line_set(LINE, true);
	CHECK(machine_settle());
	CHECK_EQ(irq->sequence, 2);
	/* In service it moves as well, and back at once: it is thor that writes the entry. */
	CHECK_OK(irq_set_affinity(irq, UINT64_C(1) << from, &message));
	CHECK_OK(irq_set_affinity(irq, UINT64_C(1) << (1 - from), &message));
	CHECK_OK(irq_acknowledge(irq, HEL_IRQ_ACK, 2));
	CHECK(machine_settle());
	CHECK_EQ(irq->sequence, 3);
	sim_line_set(LINE, false);
	drop(irq);
	CHECK(machine_end());
}

TEST(edge_line_delivers_after_a_move)
{
	struct hel_msi_info message;
	struct irq *irq;

	machine_begin(2, 1);
	CHECK_OK(irq_create_line(LINE, 0, &irq));
	uint32_t from = irq->pin->route.cpu->index;

	CHECK_OK(irq_set_affinity(irq, UINT64_C(1) << (1 - from), &message));
	CHECK_EQ(irq->sequence, 1);
	CHECK_OK(irq_acknowledge(irq, HEL_IRQ_NACK, 1));
	CHECK(!irq->pin->is_stalled);
	sim_line_pulse(LINE);
	CHECK(machine_settle());
	CHECK_EQ(irq->sequence, 2);
	drop(irq);
	CHECK(machine_end());
}

/* ---- random drivers, one after the other, with a model of when the line may stall */

constexpr uint32_t DRIVERS = 4;

static struct model {
	struct random random;
	struct irq *irqs[DRIVERS];
	bool wants[DRIVERS]; /* the device asserts the line */
	uint64_t service;    /* sequence of the first sink, which stays */
	bool has_ack, is_lenient, is_kicked, is_moved;
	uint64_t n_stalls;
	uint64_t n_wanted, n_served;
} model;

static void model_drive_line(void)
{
	bool is_asserted = false;

	for (uint32_t i = 0; i < DRIVERS; i++) {
		is_asserted |= model.wants[i];
	}
	sim_line_set(LINE, is_asserted);
}

/* See whether another service has begun. */
static void model_look(void)
{
	if (model.irqs[0]->sequence != model.service) {
		model.service = model.irqs[0]->sequence;
		model.has_ack = false;
		model.is_lenient = model.is_kicked || model.is_moved;
		model.is_kicked = false;
	}
}

static uint32_t model_count_due(void)
{
	uint32_t n_due = 0;

	for (uint32_t i = 0; i < DRIVERS; i++) {
		n_due += model.irqs[i] != NULL && model.irqs[i]->is_due;
	}
	return n_due;
}

/* What a driver does: look at the device, see to it, answer. */
static void model_answer(uint32_t index)
{
	struct irq *irq = model.irqs[index];
	uint32_t action = model.wants[index] ? HEL_IRQ_ACK : HEL_IRQ_NACK;

	if (!irq->is_due) {
		(void)irq_acknowledge(irq, action, irq->sequence); /* twice */
		return;
	}
	(void)irq_acknowledge(irq, action, irq->sequence - 1); /* late */
	model.n_served += model.wants[index];
	model.has_ack |= model.wants[index];
	model.wants[index] = false;
	model_drive_line();
	if (model_count_due() == 1 && !model.has_ack && !model.is_lenient) {
		model.n_stalls++;
	}
	ASSERT(irq_acknowledge(irq, action, irq->sequence) == 0);
	model_look();
}

static void model_leave_or_join(uint32_t index)
{
	if (index == 0) {
		return;
	}
	if (model.irqs[index] == NULL) {
		ASSERT(irq_create_line(LINE, LEVEL, &model.irqs[index]) == 0);
	} else {
		model.n_served += model.wants[index];
		model.wants[index] = false; /* the device is reset */
		model_drive_line();
		(void)machine_settle(); /* it might owe an answer to one that is under way */
		model_look();
		model.has_ack |= model.irqs[index]->is_due;
		object_unref(&model.irqs[index]->object);
		model.irqs[index] = NULL;
		(void)machine_settle();
	}
	model_look();
}

static void model_kick(uint32_t index)
{
	if (model.irqs[index] != NULL) {
		model.is_kicked = true;
		model.is_lenient = true;
		ASSERT(irq_acknowledge(model.irqs[index], HEL_IRQ_KICK, 0) == 0);
		model_look();
	}
}

static void model_move(void)
{
	struct hel_msi_info message;
	uint64_t mask = UINT64_C(1) << random_below(&model.random, cpu_count);

	ASSERT(irq_set_affinity(model.irqs[0], mask, &message) == 0);
	/* What is under way may come twice, and does not stall the line. */
	(void)machine_settle();
	model.is_moved = true;
	model_look();
}

static void model_step(void)
{
	uint32_t index = (uint32_t)random_below(&model.random, DRIVERS);
	uint64_t what = random_below(&model.random, 32);

	if (what < 8) {
		if (model.irqs[index] != NULL && !model.wants[index]) {
			model.wants[index] = true;
			model.n_wanted++;
			model_drive_line();
		}
	} else if (what < 20) {
		if (model.irqs[index] != NULL) {
			model_answer(index);
		}
	} else if (what < 29) {
		(void)sim_execute(sim_time_ns + random_below(&model.random, 2'000), 10'000);
		model_look();
	} else if (what < 30) {
		model_leave_or_join(index);
	} else if (what < 31) {
		model_kick(index);
	} else if (random_chance(&model.random, 8)) {
		model_move();
	}
}

/* All drivers do their work until the line is quiet: then no device may want anything. */
static bool model_drain(void)
{
	for (uint32_t round = 0; round < 100; round++) {
		(void)machine_settle();
		model_look();
		for (uint32_t i = 0; i < DRIVERS; i++) {
			if (model.irqs[i] != NULL && model.irqs[i]->is_due) {
				model_answer(i);
			}
		}
		(void)machine_settle();
		model_look();
		if (model.irqs[0]->pin->is_stalled) {
			model_kick(0);
		} else if (model_count_due() == 0 && !model.irqs[0]->pin->is_throttled) {
			return model.n_served == model.n_wanted && !sim_line_is_masked(LINE);
		}
	}
	return false;
}

static void model_run(uint64_t seed)
{
	machine_begin(3, seed);
	memset(&model, 0, sizeof(model));
	random_init(&model.random, seed);
	CHECK_OK(irq_create_line(LINE, LEVEL, &model.irqs[0]));
	for (uint32_t round = 0; round < 40; round++) {
		for (uint32_t step = 0; step < 50; step++) {
			model_step();
		}
		CHECK(model_drain());
		/* After a move a stall may be forgiven, but none may come without reason. */
		if (model.is_moved) {
			CHECK(model.irqs[0]->pin->n_stalls >= model.n_stalls);
			model.n_stalls = model.irqs[0]->pin->n_stalls;
			model.is_moved = false;
			irq_settle(model.irqs[0]);
		} else {
			CHECK_EQ(model.irqs[0]->pin->n_stalls, model.n_stalls);
		}
	}
	for (uint32_t i = 0; i < DRIVERS; i++) {
		object_unref(model.irqs[i] != NULL ? &model.irqs[i]->object : NULL);
	}
	CHECK(machine_settle());
	CHECK(machine_end());
}

TEST(random_drivers_on_a_level_line)
{
	for (uint64_t seed = 1; seed <= 60; seed++) {
		printf("# seed %llu\n", (unsigned long long)seed);
		model_run(seed);
	}
}

/* ---- drivers as threads on four CPUs that change places at every atomic access */

constexpr uint32_t ROUNDS = 25;

static struct {
	struct random random;
	struct user_queue queues[DRIVERS];
	struct completion completions[DRIVERS];
	hel_handle irqs[DRIVERS];
	bool wants[DRIVERS];
	uint32_t n_served[DRIVERS];
	uint32_t n_ready, n_finished;
	bool is_over;
} threads;

static void threads_drive_line(void)
{
	bool is_asserted = false;

	for (uint32_t i = 0; i < DRIVERS; i++) {
		is_asserted |= threads.wants[i];
	}
	sim_line_set(LINE, is_asserted);
}

static void driver_main(void *context)
{
	uint32_t self = (uint32_t)(uint64_t)context;
	struct user_queue *queue = &threads.queues[self];
	struct completion *completion = &threads.completions[self];
	uint64_t sequence = 0;

	CHECK_OK(queue_open(queue, 4, 4096, 4096));
	CHECK_OK(hel_irq_create_line(machine_authority, LINE, LEVEL, &threads.irqs[self]));
	threads.n_ready++;
	while (!threads.is_over) {
		uint64_t awaited = submit_event(queue, threads.irqs[self], sequence);

		CHECK(queue_await(queue, awaited, completion));
		CHECK_OK(completion->error);
		CHECK_EQ(completion_event(completion)->sequence, sequence + 1);
		sequence++;
		bool is_ours = threads.wants[self];

		threads.wants[self] = false;
		threads_drive_line();
		threads.n_served[self] += is_ours;
		CHECK_OK(hel_irq_acknowledge(
			threads.irqs[self], is_ours ? HEL_IRQ_ACK : HEL_IRQ_NACK, sequence));
	}
	queue_close(queue);
	CHECK_OK(hel_close(HEL_THIS, threads.irqs[self]));
	threads.n_finished++;
}

static void device_main(UNUSED void *context)
{
	struct hel_msi_info message;
	uint32_t n_left = DRIVERS * ROUNDS;
	uint32_t n_raised[DRIVERS] = {};

	for (uint32_t i = 0; i < DRIVERS; i++) {
		CHECK(user_start(driver_main, (void *)(uint64_t)i) != HEL_NULL);
	}
	while (threads.n_ready < DRIVERS) {
		sim_compute(1000);
	}
	while (n_left > 0) {
		uint32_t index = (uint32_t)random_below(&threads.random, DRIVERS);

		if (!threads.wants[index] && n_raised[index] < ROUNDS) {
			threads.wants[index] = true;
			threads_drive_line();
			n_raised[index]++;
			n_left--;
		}
		if (random_chance(&threads.random, 8)) {
			uint64_t mask = UINT64_C(1) << random_below(&threads.random, cpu_count);

			CHECK_OK(hel_irq_set_affinity(threads.irqs[0], mask, &message));
		}
		sim_compute(random_below(&threads.random, 4000));
	}
	for (uint32_t i = 0; i < DRIVERS; i++) {
		while (threads.n_served[i] < ROUNDS) {
			sim_compute(10'000);
		}
	}
	/* The last one to see: all of them get the kick. */
	threads.is_over = true;
	struct hel_irq_info info;

	CHECK_OK(hel_irq_info(threads.irqs[0], &info));
	CHECK_EQ(info.n_stalls, 0);
	CHECK_OK(hel_irq_acknowledge(threads.irqs[0], HEL_IRQ_KICK, 0));
}

TEST(drivers_on_four_cpus)
{
	for (uint64_t seed = 1; seed <= 8; seed++) {
		printf("# seed %llu\n", (unsigned long long)seed);
		memset(&threads, 0, sizeof(threads));
		random_init(&threads.random, seed);
		machine_begin(4, seed);
		sim_interleave(seed % 2 == 0 ? 0 : 64);
		CHECK(machine_run(device_main, NULL));
		CHECK_EQ(threads.n_finished, DRIVERS);
		sim_interleave(0);
		CHECK(machine_end());
	}
}

/* ---- irqs of one line that come and go on all CPUs while it fires and moves */

static void fleeting_main(void *context)
{
	uint32_t self = (uint32_t)(uint64_t)context;
	struct hel_msi_info message;
	struct hel_irq_info info;

	for (uint32_t round = 0; round < ROUNDS; round++) {
		hel_handle irq;

		CHECK_OK(hel_irq_create_line(machine_authority, LINE, LEVEL, &irq));
		sim_line_set(LINE, true);
		sim_compute(500);
		CHECK_OK(hel_irq_info(irq, &info));
		CHECK_OK(hel_irq_set_affinity(irq, UINT64_C(1) << self, &message));
		sim_line_set(LINE, false);
		CHECK_OK(hel_irq_acknowledge(
			irq, self % 2 == 0 ? HEL_IRQ_ACK : HEL_IRQ_NACK, info.sequence));
		if (round % 3 == 0) {
			CHECK_OK(hel_irq_acknowledge(irq, HEL_IRQ_KICK | HEL_IRQ_CLEAR, 0));
		}
		CHECK_OK(hel_close(HEL_THIS, irq));
	}
	threads.n_finished++;
}

static void fleeting_start(UNUSED void *context)
{
	for (uint32_t i = 0; i < 4; i++) {
		CHECK(user_start(fleeting_main, (void *)(uint64_t)i) != HEL_NULL);
	}
}

TEST(irqs_come_and_go_on_four_cpus)
{
	for (uint64_t seed = 1; seed <= 12; seed++) {
		printf("# seed %llu\n", (unsigned long long)seed);
		memset(&threads, 0, sizeof(threads));
		machine_begin(4, seed);
		sim_interleave(32);
		CHECK(machine_run(fleeting_start, NULL));
		sim_interleave(0);
		CHECK_EQ(threads.n_finished, 4);
		CHECK(sim_line_is_masked(LINE));
		CHECK(machine_end());
	}
}

TEST_MAIN()

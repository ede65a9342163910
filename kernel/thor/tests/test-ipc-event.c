/* SPDX-License-Identifier: MIT */
/* Events, interrupts and awaiting the clock. */
#include "machine.h"

static struct user_queue queue;
static struct completion completion;

static void open_queue(void)
{
	CHECK_OK(queue_open(&queue, 4, 4096, 4096));
}

USER_TEST(event_raise_completes_waiters)
{
	hel_handle event;
	uint64_t a, b;

	open_queue();
	CHECK_OK(hel_event_create(0, &event));
	a = submit_event(&queue, event, 0);
	b = submit_event(&queue, event, 0);
	CHECK_OK(queue_drive(&queue));
	CHECK(queue_is_quiet(&queue));
	CHECK_OK(hel_event_raise(event, 5));
	CHECK(queue_await(&queue, a, &completion));
	CHECK_EQ(completion.error, 0);
	CHECK_EQ(completion_event(&completion)->bits, 5);
	CHECK_EQ(completion_event(&completion)->sequence, 1);
	CHECK(queue_await(&queue, b, &completion));
	CHECK_EQ(completion_event(&completion)->bits, 5);
	queue_close(&queue);
}

USER_TEST(event_bits_add_up_until_reported)
{
	hel_handle event;

	open_queue();
	CHECK_OK(hel_event_create(0, &event));
	CHECK_OK(hel_event_raise(event, 1));
	CHECK_OK(hel_event_raise(event, 4));
	CHECK(queue_await(&queue, submit_event(&queue, event, 0), &completion));
	CHECK_EQ(completion_event(&completion)->bits, 5);
	CHECK_EQ(completion_event(&completion)->sequence, 2);
	/* Reported bits are gone; an old sequence still completes at once. */
	CHECK(queue_await(&queue, submit_event(&queue, event, 1), &completion));
	CHECK_EQ(completion_event(&completion)->bits, 0);
	CHECK_EQ(completion_event(&completion)->sequence, 2);
	uint64_t context = submit_event(&queue, event, 2);

	CHECK_OK(queue_drive(&queue));
	CHECK(queue_is_quiet(&queue));
	CHECK_OK(hel_event_raise(event, 0));
	CHECK(queue_await(&queue, context, &completion));
	CHECK_EQ(completion_event(&completion)->bits, 0);
	CHECK_EQ(completion_event(&completion)->sequence, 3);
	queue_close(&queue);
}

USER_TEST(event_starts_raised_with_bits)
{
	hel_handle event;

	open_queue();
	CHECK_OK(hel_event_create(8, &event));
	CHECK(queue_await(&queue, submit_event(&queue, event, 0), &completion));
	CHECK_EQ(completion_event(&completion)->bits, 8);
	CHECK_EQ(completion_event(&completion)->sequence, 1);
	queue_close(&queue);
}

USER_TEST(event_needs_rights)
{
	hel_handle event, signal, wait;

	open_queue();
	CHECK_OK(hel_event_create(0, &event));
	CHECK_OK(hel_transfer(HEL_THIS, event, HEL_THIS, HEL_RIGHT_SIGNAL, &signal));
	CHECK_OK(hel_transfer(HEL_THIS, event, HEL_THIS, HEL_RIGHT_WAIT, &wait));
	CHECK_EQ(hel_event_raise(wait, 1), -ERR_NO_RIGHTS);
	CHECK(queue_await(&queue, submit_event(&queue, signal, 0), &completion));
	CHECK_EQ(completion.error, -ERR_NO_RIGHTS);
	CHECK_EQ(completion.size, 0);
	CHECK(queue_await(&queue, submit_event(&queue, queue.client.handle, 0), &completion));
	CHECK_EQ(completion.error, -ERR_BAD_TYPE);
	CHECK(queue_await(&queue, submit_event(&queue, 12345, 0), &completion));
	CHECK_EQ(completion.error, -ERR_BAD_HANDLE);
	queue_close(&queue);
}

USER_TEST(event_lives_while_it_is_awaited)
{
	hel_handle event;
	uint64_t context;

	open_queue();
	CHECK_OK(hel_event_create(0, &event));
	context = submit_event(&queue, event, 0);
	CHECK_OK(queue_drive(&queue));
	CHECK_OK(hel_close(HEL_THIS, event));
	submit_cancel(&queue, context);
	CHECK(queue_await(&queue, context, &completion));
	CHECK_EQ(completion.error, -ERR_CANCELLED);
	queue_close(&queue);
}

/* In service until acknowledged; one edge is buffered; old acknowledgements do nothing. */
USER_TEST(irq_is_in_service_until_acknowledged)
{
	struct hel_msi_info info;
	hel_handle irq;

	open_queue();
	CHECK_OK(hel_irq_create_msi(machine_authority, &info, &irq));
	sim_raise_vector(0, info.data);
	CHECK(queue_await(&queue, submit_event(&queue, irq, 0), &completion));
	CHECK_EQ(completion_event(&completion)->sequence, 1);
	CHECK_EQ(completion_event(&completion)->bits, 1);
	uint64_t context = submit_event(&queue, irq, 1);

	CHECK_OK(queue_drive(&queue));
	sim_raise_vector(0, info.data);
	sim_raise_vector(0, info.data);
	sim_compute(1'000'000);
	CHECK(queue_is_quiet(&queue));
	CHECK_OK(hel_irq_acknowledge(irq, HEL_IRQ_ACK, 0)); /* not the one in service */
	CHECK(queue_is_quiet(&queue));
	CHECK_OK(hel_irq_acknowledge(irq, HEL_IRQ_ACK, 1));
	CHECK(queue_await(&queue, context, &completion));
	CHECK_EQ(completion_event(&completion)->sequence, 2);
	CHECK_OK(hel_irq_acknowledge(irq, HEL_IRQ_NACK, 2));
	context = submit_event(&queue, irq, 2);
	CHECK_OK(queue_drive(&queue));
	sim_compute(1'000'000);
	CHECK(queue_is_quiet(&queue)); /* two edges were one */
	CHECK_OK(hel_irq_acknowledge(irq, HEL_IRQ_KICK, 0));
	CHECK(queue_await(&queue, context, &completion));
	CHECK_EQ(completion_event(&completion)->sequence, 3);
	sim_raise_vector(0, info.data);
	sim_compute(1'000'000);
	CHECK_OK(hel_irq_acknowledge(irq, HEL_IRQ_CLEAR | HEL_IRQ_ACK, 3));
	context = submit_event(&queue, irq, 3);
	CHECK_OK(queue_drive(&queue));
	CHECK(queue_is_quiet(&queue));
	CHECK_EQ(hel_irq_acknowledge(irq, 0, 3), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_irq_acknowledge(irq, HEL_IRQ_ACK | HEL_IRQ_NACK, 3), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_irq_acknowledge(irq, 64, 3), -ERR_ILLEGAL_ARGS);
	queue_close(&queue);
}

USER_TEST(irq_vectors_run_out_and_come_back)
{
	struct hel_msi_info info;
	hel_handle irqs[64];
	unsigned n_irqs = 0;
	int error;

	while ((error = hel_irq_create_msi(machine_authority, &info, &irqs[n_irqs])) == 0) {
		n_irqs++;
		CHECK(n_irqs < 64);
	}
	CHECK_EQ(error, -ERR_NO_SPACE);
	CHECK(n_irqs > 0);
	CHECK_EQ(hel_irq_create_msi(machine_authority, (struct hel_msi_info *)8, &irqs[n_irqs]),
		-ERR_NO_SPACE);
	CHECK_OK(hel_close(HEL_THIS, irqs[0]));
	CHECK_OK(hel_nop());
	CHECK_EQ(hel_irq_create_msi(machine_authority, (struct hel_msi_info *)8, &irqs[0]),
		-ERR_FAULT);
	CHECK_OK(hel_nop());
	CHECK_OK(hel_irq_create_msi(machine_authority, &info, &irqs[0]));
	for (uint32_t vector = 0; vector < 300; vector += 7) {
		sim_raise_vector(0, vector); /* nobody's */
		sim_compute(1000);
	}
}

USER_TEST(clock_completes_at_its_time)
{
	uint64_t start_ns = sim_time_ns;
	uint64_t late, soon, past;

	open_queue();
	late = submit_clock(&queue, start_ns + 30'000'000);
	soon = submit_clock(&queue, start_ns + 10'000'000);
	past = submit_clock(&queue, 0);
	CHECK_OK(queue_drive(&queue));
	CHECK(queue_await(&queue, past, &completion));
	CHECK_EQ(completion.error, 0);
	CHECK(queue_is_quiet(&queue));
	CHECK(queue_await(&queue, soon, &completion));
	CHECK(sim_time_ns >= start_ns + 10'000'000 && sim_time_ns < start_ns + 10'100'000);
	CHECK(queue_is_quiet(&queue));
	CHECK(queue_await(&queue, late, &completion));
	CHECK(sim_time_ns >= start_ns + 30'000'000 && sim_time_ns < start_ns + 30'100'000);
	queue_close(&queue);
}

USER_TEST(clock_is_cancelled)
{
	uint64_t never, later;

	open_queue();
	never = submit_clock(&queue, HEL_DEADLINE_NEVER);
	later = submit_clock(&queue, sim_time_ns + 1'000'000);
	CHECK_OK(queue_drive(&queue));
	submit_cancel(&queue, never);
	submit_cancel(&queue, later);
	CHECK_OK(queue_drive(&queue));
	CHECK(queue_take(&queue, &completion));
	CHECK_EQ(completion.error, -ERR_CANCELLED);
	CHECK(queue_take(&queue, &completion));
	CHECK_EQ(completion.error, -ERR_CANCELLED);
	sim_compute(5'000'000);
	CHECK(queue_is_quiet(&queue));
	queue_close(&queue);
}

/* 10,000 operations that wait for the clock fire once each, in order. */
USER_TEST(clock_fires_ten_thousand_in_order)
{
	const uint32_t n_timers = 10'000;
	uint64_t base_ns = sim_time_ns + 1'000'000'000;
	uint32_t n_done = 0;
	uint64_t previous = 0;

	CHECK_OK(queue_open(&queue, 64, 65536, 65536));
	for (uint32_t i = 0; i < n_timers; i++) {
		/* a permutation: 7919 and the number of timers have no common divisor */
		uint64_t position = (uint64_t)i * 7919 % n_timers;

		queue.next_context = 1 + position;
		(void)submit_clock(&queue, base_ns + position * 10'000);
		if (i % 1000 == 999) {
			CHECK_OK(queue_drive(&queue));
		}
	}
	while (n_done < n_timers) {
		int error = hel_drive(queue.client.handle, HEL_DRIVE_WAIT, queue.client.n_taken,
			HEL_DEADLINE_NEVER, NULL);

		CHECK_EQ(error, 0);
		while (queue_take(&queue, &completion)) {
			CHECK_EQ(completion.error, 0);
			CHECK_EQ(completion.context, previous + 1);
			CHECK(sim_time_ns >= base_ns + previous * 10'000);
			previous++;
			n_done++;
		}
	}
	queue_close(&queue);
}

TEST_MAIN()

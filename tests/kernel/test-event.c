/* SPDX-License-Identifier: MIT */
/* Events and interrupts. */
#include "test.h"

static struct completion completion;

static uint64_t await_event(hel_handle event, uint64_t sequence)
{
	struct hel_await_event_record *record = submit(HEL_SUBMIT_AWAIT_EVENT, sizeof(*record));

	record->event = event;
	record->sequence = sequence;
	uint64_t context = record->header.context;

	commit();
	return context;
}

static struct hel_event_result event_result(void)
{
	struct hel_event_result result;

	memcpy(&result, completion.data, sizeof(result));
	return result;
}

TEST(event_completes_after_raise)
{
	hel_handle event;

	CHECK_EQ(hel_event_create(0, &event), 0);
	uint64_t context = await_event(event, 0);

	CHECK(!is_complete(context));
	CHECK_EQ(hel_event_raise(event, 5), 0);
	CHECK(await(context, &completion));
	CHECK_EQ(completion.error, 0);
	CHECK_EQ(event_result().bits, 5);
	CHECK_EQ(event_result().sequence, 1);
	/* Reported bits are gone; the old sequence completes at once. */
	CHECK(await(await_event(event, 0), &completion));
	CHECK_EQ(event_result().bits, 0);
	CHECK(!is_complete(await_event(event, 1)));
	hel_close(HEL_THIS, event);
}

TEST(event_collects_bits)
{
	hel_handle event;

	CHECK_EQ(hel_event_create(8, &event), 0);
	CHECK_EQ(hel_event_raise(event, 1), 0);
	CHECK_EQ(hel_event_raise(event, 2), 0);
	CHECK(await(await_event(event, 0), &completion));
	CHECK_EQ(event_result().bits, 11);
	CHECK_EQ(event_result().sequence, 3);
	hel_close(HEL_THIS, event);
}

TEST(event_wakes_all_waiters)
{
	hel_handle event;
	uint64_t contexts[10];

	CHECK_EQ(hel_event_create(0, &event), 0);
	for (size_t i = 0; i < ARRAY_SIZE(contexts); i++) {
		contexts[i] = await_event(event, 0);
	}
	CHECK(!is_complete(contexts[0]));
	CHECK_EQ(hel_event_raise(event, 1), 0);
	for (size_t i = 0; i < ARRAY_SIZE(contexts); i++) {
		CHECK(await(contexts[i], &completion));
		CHECK_EQ(event_result().bits, 1);
	}
	hel_close(HEL_THIS, event);
}

TEST(event_wait_is_cancelled)
{
	hel_handle event;

	CHECK_EQ(hel_event_create(0, &event), 0);
	uint64_t context = await_event(event, 0);
	struct hel_cancel_record *cancel = submit(HEL_SUBMIT_CANCEL, sizeof(*cancel));

	cancel->header.context = context;
	commit();
	CHECK(await(context, &completion));
	CHECK_EQ(completion.error, -ERR_CANCELLED);
	CHECK_EQ(hel_event_raise(event, 1), 0);
	hel_close(HEL_THIS, event);
}

TEST(event_needs_rights)
{
	hel_handle event, wait_only, signal_only;

	CHECK_EQ(hel_event_create(0, &event), 0);
	CHECK_EQ(hel_transfer(HEL_THIS, event, HEL_THIS, HEL_RIGHT_WAIT, &wait_only), 0);
	CHECK_EQ(hel_transfer(HEL_THIS, event, HEL_THIS, HEL_RIGHT_SIGNAL, &signal_only), 0);
	CHECK_EQ(hel_event_raise(wait_only, 1), -ERR_NO_RIGHTS);
	CHECK(await(await_event(signal_only, 0), &completion));
	CHECK_EQ(completion.error, -ERR_NO_RIGHTS);
	CHECK(await(await_event(test_queue.handle, 0), &completion));
	CHECK_EQ(completion.error, -ERR_BAD_TYPE);
	CHECK(await(await_event(4711, 0), &completion));
	CHECK_EQ(completion.error, -ERR_BAD_HANDLE);
	hel_close(HEL_THIS, event);
	hel_close(HEL_THIS, wait_only);
	hel_close(HEL_THIS, signal_only);
}

TEST(irq_kick_and_acknowledge)
{
	struct hel_msi_info info = {};
	hel_handle irq;

	CHECK_EQ(hel_irq_create_msi(
			 test_log == test_authority ? test_queue.handle : test_log, &info, &irq),
		test_log == test_authority ? -ERR_BAD_TYPE : -ERR_NO_RIGHTS);
	if (test_authority == HEL_NULL) {
		return;
	}
	CHECK_EQ(hel_irq_create_msi(test_authority, (void *)8, &irq), -ERR_FAULT);
	CHECK_EQ(hel_irq_create_msi(test_authority, &info, &irq), 0);
	CHECK(info.address != 0);
	uint64_t context = await_event(irq, 0);

	CHECK(!is_complete(context));
	CHECK_EQ(hel_irq_acknowledge(irq, HEL_IRQ_KICK, 0), 0);
	CHECK(await(context, &completion));
	CHECK_EQ(event_result().sequence, 1);
	CHECK_EQ(event_result().bits, 1);
	/* In service: the next one is buffered until the acknowledgement. */
	context = await_event(irq, 1);
	CHECK_EQ(hel_irq_acknowledge(irq, HEL_IRQ_KICK, 0), 0);
	CHECK(!is_complete(context));
	CHECK_EQ(hel_irq_acknowledge(irq, HEL_IRQ_ACK, 1), 0);
	CHECK(await(context, &completion));
	CHECK_EQ(event_result().sequence, 2);
	CHECK_EQ(hel_irq_acknowledge(irq, HEL_IRQ_ACK | HEL_IRQ_NACK, 2), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_irq_acknowledge(irq, 0, 2), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_irq_acknowledge(irq, 64, 2), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_irq_acknowledge(irq, HEL_IRQ_NACK, 2), 0);
	CHECK(!is_complete(await_event(irq, 2)));
	CHECK_EQ(hel_close(HEL_THIS, irq), 0);
}

TEST(irq_vectors_are_given_back)
{
	struct hel_msi_info info;
	hel_handle irq;

	for (unsigned i = 0; test_authority != HEL_NULL && i < 2000; i++) {
		CHECK_EQ(hel_irq_create_msi(test_authority, &info, &irq), 0);
		CHECK_EQ(hel_close(HEL_THIS, irq), 0);
	}
}

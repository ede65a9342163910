/* SPDX-License-Identifier: MIT */
/* Queues, events, the clock, cancelling. */
#include "kernel-test.h"

/* What follows the header of an await-event record. */
struct await_event {
	hel_handle event;
	uint64_t sequence;
};

static int await_event(hel_handle event, uint64_t sequence, uint64_t context)
{
	const struct await_event body = { .event = event, .sequence = sequence };

	return ktest_submit(
		ktest_queue(), HEL_SUBMIT_AWAIT_EVENT, context, &body, sizeof(body));
}

static int await_clock(uint64_t deadline_ns, uint64_t context)
{
	return ktest_submit(ktest_queue(), HEL_SUBMIT_AWAIT_CLOCK, context, &deadline_ns,
		sizeof(deadline_ns));
}

/* Take the next completion: true if it has this context and error. */
static bool completes(uint64_t context, int error)
{
	const struct hel_element *element = ktest_wait(ktest_queue(), KTEST_LONG_NS);
	bool is_right = element != NULL && element->context == context && element->error == error;

	if (element != NULL) {
		hel_queue_release(ktest_queue(), element);
	}
	return is_right;
}

static bool nothing_comes(void)
{
	const struct hel_element *element = ktest_wait(ktest_queue(), KTEST_SHORT_NS);

	if (element != NULL) {
		hel_queue_release(ktest_queue(), element);
	}
	return element == NULL;
}

static void nop_completes(void)
{
	CHECK_EQ(ktest_submit(ktest_queue(), HEL_SUBMIT_NOP, 42, NULL, 0), 0);
	CHECK(completes(42, 0));
	CHECK(nothing_comes());
}

static void completions_keep_order_and_contexts(void)
{
	struct hel_queue_client *queue = ktest_queue();

	for (uint64_t i = 0; i < 50; i++) {
		CHECK(hel_queue_reserve(queue, HEL_SUBMIT_NOP, sizeof(struct hel_record), i) !=
			NULL);
	}
	hel_queue_commit(queue);
	CHECK_EQ(hel_drive(queue->handle, 0, 0, 0, NULL), 0);
	for (uint64_t i = 0; i < 50; i++) {
		CHECK(completes(i, 0));
	}
}

static void many_completions_go_through_few_chunks(void)
{
	const struct hel_queue_params params = {
		.n_chunks = 2,
		.chunk_size = 1024,
		.submit_size = 512,
	};
	struct hel_queue_client small;

	CHECK_EQ(ktest_queue_create(&params, &small), 0);
	for (uint64_t i = 0; i < 2000; i++) {
		CHECK_EQ(ktest_submit(&small, HEL_SUBMIT_NOP, i, NULL, 0), 0);
		if (i % 20 != 19) {
			continue;
		}
		for (uint64_t k = i - 19; k <= i; k++) {
			const struct hel_element *element = ktest_wait(&small, KTEST_LONG_NS);

			CHECK(element != NULL);
			CHECK_EQ(element->context, k);
			hel_queue_release(&small, element);
		}
	}
	ktest_queue_destroy(&small);
}

static void completions_wait_for_a_chunk(void)
{
	const struct hel_queue_params params = {
		.n_chunks = 1,
		.chunk_size = 1024,
		.submit_size = 512,
	};
	struct hel_queue_client small;
	uint64_t n_taken = 0;

	CHECK_EQ(ktest_queue_create(&params, &small), 0);
	for (uint64_t i = 0; i < 100; i++) {
		CHECK_EQ(ktest_submit(&small, HEL_SUBMIT_NOP, i, NULL, 0), 0);
	}
	for (; n_taken < 100; n_taken++) {
		const struct hel_element *element = ktest_wait(&small, KTEST_LONG_NS);

		CHECK(element != NULL);
		CHECK_EQ(element->context, n_taken);
		hel_queue_release(&small, element);
	}
	ktest_queue_destroy(&small);
}

static void bad_queues_are_refused(void)
{
	static const struct hel_queue_params bad[] = {
		{ .n_chunks = 0, .chunk_size = 1024, .submit_size = 512 },
		{ .n_chunks = 65, .chunk_size = 1024, .submit_size = 512 },
		{ .n_chunks = 1, .chunk_size = 1000, .submit_size = 512 },
		{ .n_chunks = 1, .chunk_size = 1u << 31, .submit_size = 512 },
		{ .n_chunks = 1, .chunk_size = 1024, .submit_size = 100 },
		{ .n_chunks = 1, .chunk_size = 1024, .submit_size = 1u << 20 },
	};
	hel_handle queue;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		CHECK_EQ(hel_queue_create(&bad[i], &queue), -ERR_ILLEGAL_ARGS);
	}
	CHECK_EQ(hel_queue_create((void *)8, &queue), -ERR_FAULT);
}

static void corrupt_rings_are_skipped(void)
{
	const struct hel_queue_params params = {
		.n_chunks = 2,
		.chunk_size = 4096,
		.submit_size = 1024,
	};
	static const struct hel_record bad[] = {
		{ .size = 0, .opcode = HEL_SUBMIT_NOP },
		{ .size = 7, .opcode = HEL_SUBMIT_NOP },
		{ .size = 20, .opcode = HEL_SUBMIT_NOP },
		{ .size = 0xfffffff8, .opcode = HEL_SUBMIT_NOP },
		{ .size = 16, .opcode = 0x7777 },
		{ .size = 16, .opcode = HEL_SUBMIT_AWAIT_EVENT },
		{ .size = 2048, .opcode = HEL_SUBMIT_EXCHANGE },
	};
	struct hel_queue_client victim;

	CHECK_EQ(ktest_queue_create(&params, &victim), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct hel_record *record =
			hel_queue_reserve(&victim, HEL_SUBMIT_NOP, sizeof(*record), 1);

		CHECK(record != NULL);
		record->size = bad[i].size;
		record->opcode = bad[i].opcode;
		hel_queue_commit(&victim);
		CHECK_EQ(hel_drive(victim.handle, 0, 0, 0, NULL), -ERR_QUEUE_CORRUPT);
		CHECK_EQ(ktest_submit(&victim, HEL_SUBMIT_NOP, 1000 + i, NULL, 0), 0);
		const struct hel_element *element = ktest_wait(&victim, KTEST_LONG_NS);
		CHECK(element != NULL);
		CHECK_EQ(element->context, 1000 + i);
		hel_queue_release(&victim, element);
	}
	ktest_queue_destroy(&victim);
}

static void wild_ring_indices_do_no_harm(void)
{
	const struct hel_queue_params params = {
		.n_chunks = 2,
		.chunk_size = 4096,
		.submit_size = 1024,
	};
	static const uint32_t tails[] = { 1, 1u << 31, 0xffffffff, 4096, 1024 + 8 };

	for (size_t i = 0; i < sizeof(tails) / sizeof(tails[0]); i++) {
		struct hel_queue_client victim;

		CHECK_EQ(ktest_queue_create(&params, &victim), 0);
		victim.header->submit_tail = tails[i];
		victim.header->supply_tail = tails[i] * 3;
		victim.header->supply[0] = 0xfffffff0;
		victim.header->submit_head = 0x12345;
		CHECK_EQ(hel_drive(victim.handle, 0, 0, 0, NULL), -ERR_QUEUE_CORRUPT);
		ktest_queue_destroy(&victim);
	}
}

static void drive_times_out(void)
{
	struct hel_queue_client *queue = ktest_queue();
	uint64_t start_ns = ktest_now();

	CHECK_EQ(hel_drive(queue->handle, HEL_DRIVE_WAIT, queue->n_taken,
			 start_ns + KTEST_SHORT_NS, NULL),
		-ERR_TIMED_OUT);
	CHECK(ktest_now() - start_ns >= KTEST_SHORT_NS);
	CHECK_EQ(hel_drive(queue->handle, HEL_DRIVE_WAIT, queue->n_taken, 0, NULL),
		-ERR_TIMED_OUT);
	CHECK_EQ(hel_drive(queue->handle, 1u << 30, 0, 0, NULL), -ERR_ILLEGAL_ARGS);
}

static void event_completes_an_await(void)
{
	hel_handle event;

	CHECK_EQ(hel_event_create(0, &event), 0);
	CHECK_EQ(await_event(event, 0, 7), 0);
	CHECK(nothing_comes());
	CHECK_EQ(hel_event_raise(event, 4), 0);
	const struct hel_element *element = ktest_wait(ktest_queue(), KTEST_LONG_NS);
	CHECK(element != NULL);
	CHECK_EQ(element->context, 7);
	CHECK_EQ(element->error, 0);
	const struct hel_event_result *result = (const void *)(element + 1);
	CHECK_EQ(result->bits, 4);
	CHECK(result->sequence != 0);
	uint64_t sequence = result->sequence;
	hel_queue_release(ktest_queue(), element);
	CHECK_EQ(await_event(event, sequence, 8), 0);
	CHECK(nothing_comes());
	CHECK_EQ(hel_event_raise(event, 1), 0);
	CHECK(completes(8, 0));
	CHECK_EQ(hel_close(HEL_THIS, event), 0);
}

static void event_bits_gather(void)
{
	hel_handle event;

	CHECK_EQ(hel_event_create(1, &event), 0);
	CHECK_EQ(hel_event_raise(event, 2), 0);
	CHECK_EQ(hel_event_raise(event, 8), 0);
	CHECK_EQ(await_event(event, 0, 9), 0);
	const struct hel_element *element = ktest_wait(ktest_queue(), KTEST_LONG_NS);
	CHECK(element != NULL);
	CHECK_EQ(((const struct hel_event_result *)(const void *)(element + 1))->bits, 11);
	hel_queue_release(ktest_queue(), element);
	CHECK_EQ(hel_close(HEL_THIS, event), 0);
}

static void awaits_need_rights_and_events(void)
{
	hel_handle event, deaf;

	CHECK_EQ(hel_event_create(0, &event), 0);
	CHECK_EQ(hel_transfer(HEL_THIS, event, HEL_THIS, HEL_RIGHT_SIGNAL, &deaf), 0);
	CHECK_EQ(await_event(deaf, 0, 1), 0);
	CHECK(completes(1, -ERR_NO_RIGHTS));
	CHECK_EQ(await_event(HEL_NULL, 0, 2), 0);
	CHECK(completes(2, -ERR_BAD_HANDLE));
	CHECK_EQ(await_event(ktest_queue()->handle, 0, 3), 0);
	CHECK(completes(3, -ERR_BAD_TYPE));
	CHECK_EQ(hel_close(HEL_THIS, deaf), 0);
	CHECK_EQ(hel_close(HEL_THIS, event), 0);
}

static void clock_completes_in_order(void)
{
	uint64_t now_ns = ktest_now();

	CHECK_EQ(await_clock(now_ns + 60000000, 3), 0);
	CHECK_EQ(await_clock(now_ns + 20000000, 1), 0);
	CHECK_EQ(await_clock(now_ns + 40000000, 2), 0);
	CHECK_EQ(await_clock(0, 0), 0);
	CHECK(completes(0, 0));
	for (uint64_t i = 1; i <= 3; i++) {
		CHECK(completes(i, 0));
		CHECK(ktest_now() >= now_ns + i * 20000000);
	}
}

static void cancelled_waits_complete_once(void)
{
	hel_handle event;

	CHECK_EQ(hel_event_create(0, &event), 0);
	CHECK_EQ(await_event(event, 0, 21), 0);
	CHECK_EQ(await_clock(HEL_DEADLINE_NEVER, 22), 0);
	CHECK_EQ(ktest_submit(ktest_queue(), HEL_SUBMIT_CANCEL, 22, NULL, 0), 0);
	CHECK(completes(22, -ERR_CANCELLED));
	CHECK_EQ(ktest_submit(ktest_queue(), HEL_SUBMIT_CANCEL, 21, NULL, 0), 0);
	CHECK(completes(21, -ERR_CANCELLED));
	CHECK_EQ(ktest_submit(ktest_queue(), HEL_SUBMIT_CANCEL, 21, NULL, 0), 0);
	CHECK_EQ(hel_event_raise(event, 1), 0);
	CHECK(nothing_comes());
	CHECK_EQ(hel_close(HEL_THIS, event), 0);
}

static void closing_a_queue_ends_its_operations(void)
{
	const struct hel_queue_params params = {
		.n_chunks = 2,
		.chunk_size = 4096,
		.submit_size = 1024,
	};

	for (int i = 0; i < 20; i++) {
		struct hel_queue_client queue;
		struct await_event body = { 0 };
		uint64_t never_ns = HEL_DEADLINE_NEVER;

		CHECK_EQ(ktest_queue_create(&params, &queue), 0);
		CHECK_EQ(hel_event_create(0, &body.event), 0);
		CHECK_EQ(ktest_submit(&queue, HEL_SUBMIT_AWAIT_EVENT, 1, &body, sizeof(body)), 0);
		CHECK_EQ(ktest_submit(&queue, HEL_SUBMIT_AWAIT_CLOCK, 2, &never_ns, 8), 0);
		ktest_queue_destroy(&queue);
		CHECK_EQ(hel_event_raise(body.event, 1), 0);
		CHECK_EQ(hel_close(HEL_THIS, body.event), 0);
	}
}

const struct ktest_case event_cases[] = {
	KTEST(nop_completes),
	KTEST(completions_keep_order_and_contexts),
	KTEST(many_completions_go_through_few_chunks),
	KTEST(completions_wait_for_a_chunk),
	KTEST(bad_queues_are_refused),
	KTEST(corrupt_rings_are_skipped),
	KTEST(wild_ring_indices_do_no_harm),
	KTEST(drive_times_out),
	KTEST(event_completes_an_await),
	KTEST(event_bits_gather),
	KTEST(awaits_need_rights_and_events),
	KTEST(clock_completes_in_order),
	KTEST(cancelled_waits_complete_once),
	KTEST(closing_a_queue_ends_its_operations),
	KTEST_END,
};

/* SPDX-License-Identifier: MIT */
/* Queues: submission, completion, stalls, nonsense in shared memory, deadlines, kicks. */
#include "test.h"

TEST(queue_create_checks_params)
{
	static const struct hel_queue_params bad[] = {
		{ .n_chunks = 0, .chunk_size = 4096, .submit_size = 4096 },
		{ .n_chunks = 65, .chunk_size = 4096, .submit_size = 4096 },
		{ .n_chunks = 1, .chunk_size = 64, .submit_size = 4096 },
		{ .n_chunks = 1, .chunk_size = 3000, .submit_size = 4096 },
		{ .n_chunks = 1, .chunk_size = 131072, .submit_size = 4096 },
		{ .n_chunks = 1, .chunk_size = 4096, .submit_size = 256 },
		{ .n_chunks = 1, .chunk_size = 4096, .submit_size = 131072 },
		{ .n_chunks = 1, .chunk_size = 4096, .submit_size = 4096, .reserved = 1 },
	};
	hel_handle queue;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		CHECK_EQ(hel_queue_create(&bad[i], &queue), -ERR_ILLEGAL_ARGS);
	}
	CHECK_EQ(hel_queue_create((void *)8, &queue), -ERR_FAULT);
}

TEST(drive_checks_arguments)
{
	hel_handle token;

	CHECK_EQ(hel_token_create(&token), 0);
	CHECK_EQ(hel_drive(token, 0, 0, 0, NULL), -ERR_BAD_TYPE);
	CHECK_EQ(hel_drive(HEL_NULL, 0, 0, 0, NULL), -ERR_BAD_HANDLE);
	CHECK_EQ(hel_drive(test_queue.handle, 8, 0, 0, NULL), -ERR_ILLEGAL_ARGS);
	hel_close(HEL_THIS, token);
}

TEST(drive_times_out)
{
	uint64_t start_ns = test_now();

	CHECK_EQ(hel_drive(test_queue.handle, HEL_DRIVE_WAIT, test_queue.n_taken,
			 test_deadline_ms(20), NULL),
		-ERR_TIMED_OUT);
	CHECK(test_now() - start_ns >= 20'000'000);
	CHECK(test_now() - start_ns < 1'000'000'000);
	CHECK_EQ(hel_drive(test_queue.handle, HEL_DRIVE_WAIT, test_queue.n_taken, 1, NULL),
		-ERR_TIMED_OUT);
	/* Something new is there already: no wait. */
	CHECK_EQ(hel_drive(test_queue.handle, HEL_DRIVE_WAIT, test_queue.n_taken - 1,
			 HEL_DEADLINE_NEVER, NULL),
		0);
}

TEST(nop_completes_with_context)
{
	static struct completion completion;
	struct hel_record *record = submit(HEL_SUBMIT_NOP, sizeof(*record));
	uint64_t context = record->context;

	commit();
	CHECK(await(context, &completion));
	CHECK_EQ(completion.error, 0);
	CHECK_EQ(completion.opcode, HEL_SUBMIT_NOP);
	CHECK_EQ(completion.n_results, 0);
}

TEST(many_submissions_in_one_drive)
{
	uint64_t contexts[200];

	for (size_t i = 0; i < ARRAY_SIZE(contexts); i++) {
		contexts[i] =
			((struct hel_record *)submit(HEL_SUBMIT_NOP, sizeof(struct hel_record)))
				->context;
	}
	commit();
	for (size_t i = 0; i < ARRAY_SIZE(contexts); i++) {
		CHECK(await(contexts[i], NULL));
	}
}

TEST(await_clock_completes_in_order)
{
	static const unsigned delays_ms[] = { 30, 10, 20 };
	uint64_t contexts[ARRAY_SIZE(delays_ms)];
	uint64_t start_ns = test_now();

	for (size_t i = 0; i < ARRAY_SIZE(delays_ms); i++) {
		struct hel_await_clock_record *record =
			submit(HEL_SUBMIT_AWAIT_CLOCK, sizeof(*record));

		record->deadline_ns = start_ns + delays_ms[i] * 1'000'000ull;
		contexts[i] = record->header.context;
	}
	commit();
	CHECK(await(contexts[1], NULL));
	CHECK(test_now() - start_ns >= 10'000'000);
	CHECK(await(contexts[2], NULL));
	CHECK(test_now() - start_ns >= 20'000'000);
	CHECK(await(contexts[0], NULL));
	CHECK(test_now() - start_ns >= 30'000'000);
}

TEST(await_clock_in_the_past_completes)
{
	struct hel_await_clock_record *record = submit(HEL_SUBMIT_AWAIT_CLOCK, sizeof(*record));
	uint64_t context = record->header.context;

	record->deadline_ns = 5;
	commit();
	CHECK(await(context, NULL));
}

TEST(cancel_ends_every_operation_with_the_context)
{
	static struct completion completion;
	struct hel_await_clock_record *first = submit(HEL_SUBMIT_AWAIT_CLOCK, sizeof(*first));
	struct hel_await_clock_record *second = submit(HEL_SUBMIT_AWAIT_CLOCK, sizeof(*second));
	uint64_t context = first->header.context;

	first->deadline_ns = HEL_DEADLINE_NEVER;
	second->deadline_ns = HEL_DEADLINE_NEVER;
	second->header.context = context;
	commit();
	CHECK(!is_complete(context));
	struct hel_cancel_record *cancel = submit(HEL_SUBMIT_CANCEL, sizeof(*cancel));

	cancel->header.context = context;
	commit();
	for (unsigned i = 0; i < 2; i++) {
		CHECK(await(context, &completion));
		CHECK_EQ(completion.error, -ERR_CANCELLED);
	}
	/* Cancelling what is over does nothing. */
	cancel = submit(HEL_SUBMIT_CANCEL, sizeof(*cancel));
	cancel->header.context = context;
	commit();
	CHECK(!is_complete(context));
}

static void put_raw(struct hel_queue_client *client, uint32_t size, uint32_t opcode)
{
	struct hel_record *record = (struct hel_record *)(client->ring +
		(client->submit_tail & (client->params.submit_size - 1)));

	record->size = size;
	record->opcode = opcode;
	record->context = 1;
	client->submit_tail += 64;
	client->reserved_tail = client->submit_tail;
	__atomic_store_n(&client->header->submit_tail, client->submit_tail, __ATOMIC_RELEASE);
}

TEST(corrupt_submissions_are_skipped)
{
	static const struct {
		uint32_t size, opcode;
	} bad[] = {
		{ 0, HEL_SUBMIT_NOP },
		{ 8, HEL_SUBMIT_NOP },
		{ 20, HEL_SUBMIT_NOP },
		{ 1024 + 8, HEL_SUBMIT_NOP },
		{ 0xfffffff8, HEL_SUBMIT_NOP },
		{ 128, HEL_SUBMIT_NOP },
		{ 64, 77 },
		{ 16, HEL_SUBMIT_EXCHANGE },
		{ 0, HEL_SUBMIT_PAD },
		{ 16, HEL_SUBMIT_AWAIT_EVENT },
	};
	struct hel_queue_client client;

	CHECK(make_queue(&client, 2, 1024, 512));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		put_raw(&client, bad[i].size, bad[i].opcode);
		CHECK_EQ(hel_drive(client.handle, 0, 0, 0, NULL), -ERR_QUEUE_CORRUPT);
		CHECK_EQ(client.header->submit_head, client.submit_tail);
	}
	/* More than the ring can hold; not a multiple of 8. */
	client.header->submit_tail += 100000;
	CHECK_EQ(hel_drive(client.handle, 0, 0, 0, NULL), -ERR_QUEUE_CORRUPT);
	client.header->submit_tail += 4;
	CHECK_EQ(hel_drive(client.handle, 0, 0, 0, NULL), -ERR_QUEUE_CORRUPT);
	drop_queue(&client);
}

TEST(corrupt_supply_is_reported)
{
	struct hel_queue_client client;
	struct hel_record *record;

	CHECK(make_queue(&client, 1, 1024, 512));
	client.header->supply[0] = 999;
	client.header->supply[1] = 0;
	client.header->supply_tail = 2;
	record = hel_queue_reserve(&client, HEL_SUBMIT_NOP, sizeof(*record), 7);
	CHECK(record != NULL);
	hel_queue_commit(&client);
	CHECK_EQ(hel_drive(client.handle, 0, 0, 0, NULL), -ERR_QUEUE_CORRUPT);
	CHECK_EQ(hel_drive(client.handle, 0, 0, 0, NULL), 0);
	CHECK_EQ(client.header->n_completions, 1);
	client.header->supply_tail += 1000;
	for (unsigned i = 0; i < 60; i++) {
		CHECK(hel_queue_reserve(&client, HEL_SUBMIT_NOP, sizeof(*record), 7) != NULL);
		hel_queue_commit(&client);
		int error = hel_drive(client.handle, 0, 0, 0, NULL);

		CHECK(error == 0 || error == -ERR_QUEUE_CORRUPT);
	}
	drop_queue(&client);
}

/* With no chunk left completions wait in the kernel; nothing is lost and order is kept. */
TEST(stalled_completions_come_later)
{
	struct hel_queue_client client;
	const struct hel_element *held[100];
	unsigned n_held = 0;
	uint64_t next = 0;

	CHECK(make_queue(&client, 2, 1024, 4096));
	for (uint64_t i = 0; i < 100; i++) {
		CHECK(hel_queue_reserve(&client, HEL_SUBMIT_NOP, sizeof(struct hel_record), i) !=
			NULL);
	}
	hel_queue_commit(&client);
	CHECK_EQ(hel_drive(client.handle, 0, 0, 0, NULL), 0);
	CHECK_EQ(client.header->n_completions, 2 * ((1024 - 8) / 24));
	while ((held[n_held] = hel_queue_take(&client)) != NULL) {
		n_held++;
	}
	CHECK_EQ(n_held, 2 * ((1024 - 8) / 24));
	CHECK_EQ(hel_drive(client.handle, 0, 0, 0, NULL), 0);
	CHECK_EQ(client.header->n_completions, 2 * ((1024 - 8) / 24));
	for (unsigned i = 0; i < n_held; i++) {
		CHECK_EQ(held[i]->context, next++);
		hel_queue_release(&client, held[i]);
	}
	CHECK_EQ(hel_drive(client.handle, HEL_DRIVE_WAIT, client.n_taken, test_deadline_ms(500),
			 NULL),
		0);
	while (next < 100) {
		const struct hel_element *element = hel_queue_take(&client);

		CHECK(element != NULL);
		CHECK_EQ(element->context, next++);
		hel_queue_release(&client, element);
	}
	CHECK_EQ(client.header->n_completions, 100);
	drop_queue(&client);
}

TEST(queue_close_ends_its_operations)
{
	struct hel_queue_client client;
	struct hel_stream_lanes lanes;
	static struct completion completion;
	struct hel_exchange_record *record;
	uint8_t byte;

	CHECK(make_queue(&client, 2, 1024, 512));
	CHECK_EQ(hel_stream_create(&lanes), 0);
	record = hel_queue_reserve(
		&client, HEL_SUBMIT_EXCHANGE, sizeof(*record) + sizeof(struct hel_action), 5);
	record->lane = lanes.lane[0];
	record->n_actions = 1;
	record->flags = 0;
	record->actions[0] = RECEIVE(&byte, 1);
	hel_queue_commit(&client);
	CHECK_EQ(hel_drive(client.handle, 0, 0, 0, NULL), 0);
	drop_queue(&client);
	/* Its receive is gone: this send finds nobody. */
	struct hel_action send = SEND("x", 1);
	uint64_t context = submit_exchange(lanes.lane[1], &send, 1);

	CHECK(!is_complete(context));
	hel_close(HEL_THIS, lanes.lane[0]);
	CHECK(await(context, &completion));
	CHECK_EQ(result_of(&completion, 0)->error, -ERR_END_OF_LANE);
	hel_close(HEL_THIS, lanes.lane[1]);
}

static void drive_for_ever(struct worker *worker)
{
	struct hel_queue_client *client = worker->argument;

	worker->counter = 1;
	worker->counter = (uint32_t)-hel_drive(
		client->handle, HEL_DRIVE_WAIT, client->n_taken, HEL_DEADLINE_NEVER, NULL);
}

TEST(drive_is_kicked)
{
	struct hel_queue_client client;
	struct worker worker;

	CHECK(make_queue(&client, 1, 1024, 512));
	CHECK(worker_start(&worker, drive_for_ever, &client));
	CHECK(wait_until(&worker.counter, 1));
	/* Before or after it waits: the kick is latched. */
	CHECK_EQ(hel_thread_kick(worker.thread), 0);
	CHECK(worker_join(&worker));
	CHECK_EQ(worker.counter, ERR_KICKED);
	drop_queue(&client);
}

TEST(queue_alert_ends_a_wait)
{
	struct hel_queue_client client;
	struct worker worker;

	CHECK(make_queue(&client, 1, 1024, 512));
	CHECK(worker_start(&worker, drive_for_ever, &client));
	CHECK(wait_until(&worker.counter, 1));
	/* Before or after it waits: the alert is kept. */
	CHECK_EQ(hel_queue_alert(client.handle), 0);
	CHECK(worker_join(&worker));
	CHECK_EQ(worker.counter, ERR_ALERTED);
	CHECK_EQ(client.header->n_completions, 0);
	CHECK_EQ(hel_drive(client.handle, HEL_DRIVE_WAIT, 0, 1, NULL), -ERR_TIMED_OUT);
	CHECK_EQ(hel_queue_alert(client.handle), 0);
	CHECK_EQ(hel_drive(client.handle, HEL_DRIVE_WAIT, 0, HEL_DEADLINE_NEVER, NULL),
		-ERR_ALERTED);
	drop_queue(&client);
}

/* SPDX-License-Identifier: MIT */
/* Queues: the memory protocol from user mode, sane and insane. */
#include "machine.h"

#include <thor/ipc/queue.h>

static struct user_queue queue;
static struct completion completion;

static void open_small(void)
{
	CHECK_OK(queue_open(&queue, 4, 1024, 512));
}

USER_TEST(queue_create_checks_params)
{
	static const struct hel_queue_params bad[] = {
		{ 0, 1024, 512, 0 },
		{ 65, 1024, 512, 0 },
		{ 4, 1000, 512, 0 },
		{ 4, 64, 512, 0 },
		{ 4, 131072, 512, 0 },
		{ 4, 1024, 256, 0 },
		{ 4, 1024, 513, 0 },
		{ 4, 1024, 131072, 0 },
		{ 4, 1024, 512, 1 },
		{ ~0u, ~0u, ~0u, 0 },
	};
	struct hel_queue_params params;
	hel_handle handle;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		params = bad[i];
		CHECK_EQ(hel_queue_create(&params, &handle), -ERR_ILLEGAL_ARGS);
	}
	CHECK_EQ(hel_queue_create((const struct hel_queue_params *)8, &handle), -ERR_FAULT);
	params = (struct hel_queue_params){ 64, 65536, 65536, 0 };
	CHECK_OK(hel_queue_create(&params, &handle));
	params = (struct hel_queue_params){ 1, 1024, 512, 0 };
	CHECK_OK(hel_queue_create(&params, &handle));
}

USER_TEST(queue_completes_in_order)
{
	open_small();
	for (unsigned i = 0; i < 300; i++) {
		uint64_t context = submit_nop(&queue);

		CHECK(queue_await(&queue, context, &completion));
		CHECK_EQ(completion.opcode, HEL_SUBMIT_NOP);
		CHECK_EQ(completion.error, 0);
		CHECK_EQ(queue.client.header->n_completions, i + 1);
	}
	CHECK(queue_is_quiet(&queue));
	queue_close(&queue);
}

/* Many records with one call; the ring wraps and is padded in odd places. */
USER_TEST(queue_ring_wraps_with_pads)
{
	uint64_t next = 1;

	open_small();
	for (unsigned round = 0; round < 50; round++) {
		for (unsigned i = 0; i < round % 7 + 1; i++) {
			struct hel_record *record =
				queue_record(&queue, HEL_SUBMIT_NOP, 16 + 8 * ((round + i) % 5));

			CHECK(record != NULL);
		}
		hel_queue_commit(&queue.client);
		CHECK_OK(queue_drive(&queue));
		while (queue_take(&queue, &completion)) {
			CHECK_EQ(completion.context, next);
			next++;
		}
	}
	CHECK_EQ(next, queue.next_context);
	CHECK_EQ(queue.client.header->submit_head, queue.client.submit_tail);
	queue_close(&queue);
}

USER_TEST(queue_stalls_without_chunks_and_resumes)
{
	const struct hel_element *held[64];
	unsigned n_held = 0;
	const unsigned n_all = 300;

	CHECK_OK(queue_open(&queue, 2, 1024, 8192));
	for (unsigned i = 0; i < n_all; i++) {
		(void)submit_nop(&queue);
	}
	CHECK_OK(queue_drive(&queue));
	/* 1016 bytes of elements of 24 in each of two chunks */
	CHECK_EQ(queue.client.header->n_completions, 84);
	/* One that is held keeps its chunk; the other goes round. */
	held[n_held++] = hel_queue_take(&queue.client);
	CHECK(held[0] != NULL);
	for (unsigned i = 1; i < n_all; i++) {
		const struct hel_element *element = hel_queue_take(&queue.client);

		while (element == NULL) {
			CHECK_OK(queue_drive(&queue));
			element = hel_queue_take(&queue.client);
		}
		CHECK_EQ(element->context, i + 1);
		hel_queue_release(&queue.client, element);
	}
	CHECK_EQ(held[0]->context, 1);
	hel_queue_release(&queue.client, held[0]);
	CHECK_EQ(queue.client.header->n_completions, n_all);
	queue_close(&queue);
}

/* Chunks come back in another order than they were filled in. */
static void recycle_chunks(uint32_t n_chunks, uint32_t chunk_size)
{
	unsigned n_fit = n_chunks * (chunk_size - sizeof(struct hel_chunk)) /
		sizeof(struct hel_element) * 3 / 4;
	const struct hel_element *held[16 * 42];
	uint64_t next = 1;
	struct random random;

	random_init(&random, test_seed(5));
	CHECK_OK(queue_open(&queue, n_chunks, chunk_size, 4096));
	for (unsigned round = 0; round < 40; round++) {
		unsigned n_held = 0;

		for (unsigned i = 0; i < n_fit && i < 150; i++) {
			(void)submit_nop(&queue);
		}
		CHECK_OK(queue_drive(&queue));
		while ((held[n_held] = hel_queue_take(&queue.client)) != NULL) {
			CHECK_EQ(held[n_held]->context, next);
			next++;
			n_held++;
		}
		while (n_held > 0) {
			unsigned index = (unsigned)random_below(&random, n_held);

			hel_queue_release(&queue.client, held[index]);
			held[index] = held[--n_held];
		}
	}
	CHECK_OK(queue_drive(&queue));
	while (queue_take(&queue, &completion)) {
		CHECK_EQ(completion.context, next);
		next++;
	}
	CHECK_EQ(next, queue.next_context);
	queue_close(&queue);
}

USER_TEST(queue_chunks_are_recycled_in_odd_order)
{
	recycle_chunks(16, 1024);
	recycle_chunks(16, HEL_CHUNK_SIZE_MIN);
	recycle_chunks(3, 512);
}

/* Small chunks lie behind the ring, and cost no page of their own. */
USER_TEST(queue_of_one_page)
{
	struct hel_map_args args = {
		.space = HEL_THIS,
		.size_bytes = 2 * HEL_PAGE_SIZE,
		.flags = HEL_MAP_READ | HEL_MAP_WRITE,
	};
	uint64_t address;

	CHECK_OK(queue_open(&queue, 4, 512, 512));
	CHECK_EQ(queue.size_bytes, HEL_PAGE_SIZE);
	args.memory = queue.client.handle;
	CHECK_EQ(hel_space_map(&args, &address), -ERR_OUT_OF_BOUNDS);
	for (unsigned i = 0; i < 100; i++) {
		(void)submit_nop(&queue);
		CHECK_OK(queue_drive(&queue));
		CHECK(queue_take(&queue, &completion));
	}
	queue_close(&queue);
}

static void write_record(uint32_t offset, uint32_t size, uint32_t opcode)
{
	struct hel_record *record = (struct hel_record *)(queue.client.ring + offset);

	record->size = size;
	record->opcode = opcode;
	record->context = 77;
}

/* What is nonsense is skipped up to the tail, and the queue goes on. */
static void check_corrupt(uint32_t size, uint32_t opcode, uint32_t tail_bytes)
{
	uint32_t offset = queue.client.submit_tail % queue.client.params.submit_size;

	write_record(offset, size, opcode);
	queue.client.reserved_tail += tail_bytes;
	hel_queue_commit(&queue.client);
	CHECK_EQ(queue_drive(&queue), -ERR_QUEUE_CORRUPT);
	CHECK_EQ(queue.client.header->submit_head, queue.client.submit_tail);
	CHECK(queue_is_quiet(&queue));
	CHECK(queue_await(&queue, submit_nop(&queue), &completion));
}

USER_TEST(queue_refuses_corrupt_records)
{
	CHECK_OK(queue_open(&queue, 4, 1024, 4096));
	check_corrupt(0, HEL_SUBMIT_NOP, 16);
	check_corrupt(8, HEL_SUBMIT_NOP, 16);
	check_corrupt(17, HEL_SUBMIT_NOP, 24);
	check_corrupt(24, HEL_SUBMIT_NOP, 16); /* beyond the tail */
	check_corrupt(1032, HEL_SUBMIT_NOP, 1032);
	check_corrupt(0xfffffff8, HEL_SUBMIT_NOP, 16);
	check_corrupt(16, 7, 16);
	check_corrupt(16, ~0u, 16);
	check_corrupt(16, HEL_SUBMIT_AWAIT_CLOCK, 16);
	check_corrupt(24, HEL_SUBMIT_AWAIT_EVENT, 24);
	check_corrupt(24, HEL_SUBMIT_EXCHANGE, 24);
	check_corrupt(0, HEL_SUBMIT_PAD, 16);
	queue_close(&queue);
}

/* Also the pad is checked, and a record may not hang over the end of the ring. */
USER_TEST(queue_refuses_records_over_the_end)
{
	open_small();
	while (queue.client.submit_tail < 480) {
		CHECK(queue_await(&queue, submit_nop(&queue), &completion));
	}
	CHECK_EQ(queue.client.submit_tail, 480);
	check_corrupt(40, HEL_SUBMIT_NOP, 40);
	queue_close(&queue);
}

USER_TEST(queue_refuses_corrupt_tail)
{
	static const uint32_t tails[] = { 1, 4, 7, 520, 0x7fffffff, 0x80000000, 0xfffffff8 };

	open_small();
	for (size_t i = 0; i < ARRAY_SIZE(tails); i++) {
		uint32_t tail = queue.client.submit_tail + tails[i];

		queue.client.header->submit_tail = tail;
		CHECK_EQ(queue_drive(&queue), -ERR_QUEUE_CORRUPT);
		CHECK_EQ(queue.client.header->submit_head, tail);
		/* A head that is no multiple of 8 stays nonsense, until a tail repairs it. */
		queue.client.submit_tail = (uint32_t)align_down(tail, 8);
		queue.client.header->submit_tail = queue.client.submit_tail;
		(void)queue_drive(&queue);
		CHECK_OK(queue_drive(&queue));
		queue.client.submit_tail = queue.client.reserved_tail =
			queue.client.header->submit_head;
		CHECK(queue_await(&queue, submit_nop(&queue), &completion));
	}
	queue_close(&queue);
}

USER_TEST(queue_refuses_corrupt_supply)
{
	open_small();
	/* An index that does not exist: skipped, said once. */
	queue.client.header->supply[0] = 4;
	queue.client.header->supply[1] = ~0u;
	(void)submit_nop(&queue);
	CHECK_EQ(queue_drive(&queue), -ERR_QUEUE_CORRUPT);
	CHECK_EQ(queue.client.header->n_completions, 1);
	CHECK_OK(queue_drive(&queue));
	/* More than the ring has entries. */
	queue.client.header->supply_tail = 5000;
	for (unsigned i = 0; i < 100; i++) {
		(void)submit_nop(&queue);
		(void)queue_drive(&queue);
	}
	CHECK(queue.client.header->n_completions < 101);
	hel_close(HEL_THIS, queue.client.handle);
	hel_space_unmap(HEL_THIS, queue.address, queue.size_bytes);
}

/* The kernel keeps its own copies of what it writes. */
USER_TEST(queue_ignores_what_user_writes_over)
{
	open_small();
	for (unsigned i = 0; i < 100; i++) {
		uint64_t context = submit_nop(&queue);

		queue.client.header->n_completions = 0xdeadbeef;
		queue.client.header->submit_head ^= 0x1230;
		CHECK(queue_await(&queue, context, &completion));
		CHECK_EQ(queue.client.header->n_completions, i + 1);
		CHECK_EQ(queue.client.header->submit_head, queue.client.submit_tail);
	}
	queue_close(&queue);
}

USER_TEST(queue_chunk_scribbled_over)
{
	open_small();
	for (unsigned i = 0; i < 200; i++) {
		(void)submit_nop(&queue);
		memset(queue.client.chunks, 0xff, 4096);
		CHECK_OK(queue_drive(&queue));
		CHECK_EQ(queue.client.header->n_completions, i + 1);
		if (i % 40 == 39) {
			/* hand one chunk out again, as if it had been read */
			uint32_t index = i / 40 % 4;

			queue.client.header->supply[queue.client.supply_tail++ % 64] = index;
			queue.client.header->supply_tail = queue.client.supply_tail;
		}
	}
	hel_close(HEL_THIS, queue.client.handle);
	hel_space_unmap(HEL_THIS, queue.address, queue.size_bytes);
}

USER_TEST(queue_cancels_by_tag)
{
	hel_handle event;
	uint64_t first, second, other;

	open_small();
	CHECK_OK(hel_event_create(0, &event));
	first = submit_event(&queue, event, 0);
	queue.next_context--; /* two with one tag */
	second = submit_event(&queue, event, 0);
	other = submit_event(&queue, event, 0);
	CHECK_EQ(first, second);
	CHECK_OK(queue_drive(&queue));
	CHECK(queue_is_quiet(&queue));
	submit_cancel(&queue, first);
	CHECK_OK(queue_drive(&queue));
	for (unsigned i = 0; i < 2; i++) {
		CHECK(queue_take(&queue, &completion));
		CHECK_EQ(completion.context, first);
		CHECK_EQ(completion.error, -ERR_CANCELLED);
	}
	CHECK(queue_is_quiet(&queue));
	submit_cancel(&queue, 0x123456); /* nobody: nothing */
	submit_cancel(&queue, first);
	CHECK_OK(queue_drive(&queue));
	CHECK(queue_is_quiet(&queue));
	CHECK_OK(hel_event_raise(event, 1));
	CHECK(queue_await(&queue, other, &completion));
	CHECK_EQ(completion.error, 0);
	queue_close(&queue);
}

/* A cancel behind the operation in the same batch, and of one that is stalled. */
USER_TEST(queue_cancels_what_is_complete)
{
	uint64_t context;

	open_small();
	context = submit_nop(&queue);
	submit_cancel(&queue, context);
	CHECK_OK(queue_drive(&queue));
	CHECK(queue_take(&queue, &completion));
	CHECK_EQ(completion.error, 0);
	CHECK(queue_is_quiet(&queue));
	queue_close(&queue);
	CHECK_OK(queue_open(&queue, 1, 1024, 8192));
	for (unsigned i = 0; i < 60; i++) {
		context = submit_nop(&queue);
	}
	CHECK_OK(queue_drive(&queue));
	submit_cancel(&queue, context);
	CHECK_OK(queue_drive(&queue));
	CHECK_EQ(queue.client.header->n_completions, 42);
	for (unsigned i = 0; i < 60; i++) {
		CHECK(queue_take(&queue, &completion) ||
			(queue_drive(&queue) == 0 && queue_take(&queue, &completion)));
		CHECK_EQ(completion.error, 0);
	}
	queue_close(&queue);
}

USER_TEST(drive_checks_arguments)
{
	open_small();
	CHECK_EQ(hel_drive(queue.client.handle, 2, 0, 0, NULL), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_drive(machine_authority, 0, 0, 0, NULL), -ERR_BAD_TYPE);
	CHECK_EQ(hel_drive(HEL_NULL, 0, 0, 0, NULL), -ERR_BAD_HANDLE);
	hel_handle weak;

	CHECK_OK(hel_transfer(HEL_THIS, queue.client.handle, HEL_THIS, HEL_RIGHT_READ, &weak));
	CHECK_EQ(hel_drive(weak, 0, 0, 0, NULL), -ERR_NO_RIGHTS);
	queue_close(&queue);
}

USER_TEST(drive_waits_for_the_deadline)
{
	uint64_t start_ns = sim_time_ns;
	uint32_t n_completions = 99;

	open_small();
	CHECK_EQ(hel_drive(queue.client.handle, HEL_DRIVE_WAIT, 0, start_ns + 5'000'000,
			 &n_completions),
		-ERR_TIMED_OUT);
	CHECK(sim_time_ns >= start_ns + 5'000'000 && sim_time_ns < start_ns + 5'100'000);
	CHECK_EQ(n_completions, 0);
	CHECK_EQ(hel_drive(queue.client.handle, HEL_DRIVE_WAIT, 0, 1, NULL), -ERR_TIMED_OUT);
	CHECK_EQ(hel_drive(queue.client.handle, HEL_DRIVE_WAIT, 0, 0, NULL), -ERR_TIMED_OUT);
	/* Another count than seen: at once. */
	CHECK_OK(hel_drive(queue.client.handle, HEL_DRIVE_WAIT, 7, HEL_DEADLINE_NEVER, NULL));
	queue_close(&queue);
}

static void drive_for_ever(UNUSED void *context)
{
	(void)hel_drive(queue.client.handle, HEL_DRIVE_WAIT, 0, HEL_DEADLINE_NEVER, NULL);
}

/* One queue has room for so many waiting threads; a completion wakes them all. */
USER_TEST(queue_has_room_for_16_waiters)
{
	open_small();
	for (unsigned i = 0; i < QUEUE_WAITERS_MAX; i++) {
		CHECK(user_start(drive_for_ever, NULL) != HEL_NULL);
	}
	sim_compute(50'000'000);
	CHECK_EQ(hel_drive(queue.client.handle, HEL_DRIVE_WAIT, 0, HEL_DEADLINE_NEVER, NULL),
		-ERR_BUSY);
	(void)submit_nop(&queue);
	CHECK_OK(queue_drive(&queue));
}

/* ---- alerts */

static int wait_results[3];

static void drive_and_tell(void *context)
{
	int *result = context;

	*result = hel_drive(queue.client.handle, HEL_DRIVE_WAIT, queue.client.n_taken,
		HEL_DEADLINE_NEVER, NULL);
}

static int drive_until(uint64_t deadline_ns)
{
	return hel_drive(
		queue.client.handle, HEL_DRIVE_WAIT, queue.client.n_taken, deadline_ns, NULL);
}

USER_TEST(alert_ends_the_wait_that_began_first)
{
	open_small();
	for (unsigned i = 0; i < 2; i++) {
		wait_results[i] = 1;
		CHECK(user_start(drive_and_tell, &wait_results[i]) != HEL_NULL);
		sim_compute(20'000'000);
	}
	CHECK_OK(hel_queue_alert(queue.client.handle));
	sim_compute(20'000'000);
	CHECK_EQ(wait_results[0], -ERR_ALERTED);
	CHECK_EQ(wait_results[1], 1);
	CHECK_OK(hel_queue_alert(queue.client.handle));
	sim_compute(20'000'000);
	CHECK_EQ(wait_results[1], -ERR_ALERTED);
	CHECK(queue_is_quiet(&queue));
	CHECK_EQ(drive_until(sim_time_ns + 1'000'000), -ERR_TIMED_OUT);
	queue_close(&queue);
}

USER_TEST(alert_is_kept_for_the_next_wait)
{
	open_small();
	CHECK_OK(hel_queue_alert(queue.client.handle));
	CHECK_OK(hel_queue_alert(queue.client.handle));
	/* What does not wait leaves it. */
	CHECK_OK(queue_drive(&queue));
	(void)submit_nop(&queue);
	CHECK_OK(drive_until(HEL_DEADLINE_NEVER));
	CHECK(queue_take(&queue, &completion));
	CHECK_EQ(drive_until(HEL_DEADLINE_NEVER), -ERR_ALERTED);
	CHECK_EQ(drive_until(sim_time_ns + 1'000'000), -ERR_TIMED_OUT);
	CHECK_OK(hel_queue_alert(queue.client.handle));
	CHECK_EQ(drive_until(0), -ERR_ALERTED);
	CHECK_EQ(drive_until(0), -ERR_TIMED_OUT);
	CHECK_OK(hel_queue_alert(queue.client.handle));
	queue_close(&queue);
}

static void drive_three_times(UNUSED void *context)
{
	wait_results[0] = drive_until(0);
	wait_results[1] = drive_until(HEL_DEADLINE_NEVER);
	wait_results[2] = drive_until(0);
}

/* A kick and an alert are two things, and both are told. */
USER_TEST(alert_does_not_hide_a_kick)
{
	hel_handle thread;

	open_small();
	CHECK_OK(user_create(drive_three_times, NULL, &thread));
	CHECK_OK(hel_queue_alert(queue.client.handle));
	CHECK_OK(hel_thread_kick(thread));
	CHECK_OK(hel_thread_start(thread));
	sim_compute(20'000'000);
	CHECK_EQ(wait_results[0], -ERR_KICKED);
	CHECK_EQ(wait_results[1], -ERR_ALERTED);
	CHECK_EQ(wait_results[2], -ERR_TIMED_OUT);
	CHECK_OK(hel_close(HEL_THIS, thread));
	queue_close(&queue);
}

USER_TEST(alert_needs_its_right)
{
	hel_handle weak;

	open_small();
	CHECK_OK(hel_transfer(
		HEL_THIS, queue.client.handle, HEL_THIS, HEL_RIGHT_INVOKE | HEL_RIGHT_MAP, &weak));
	CHECK_EQ(hel_queue_alert(weak), -ERR_NO_RIGHTS);
	CHECK_OK(hel_close(HEL_THIS, weak));
	CHECK_OK(hel_transfer(HEL_THIS, queue.client.handle, HEL_THIS, HEL_RIGHT_SIGNAL, &weak));
	CHECK_EQ(hel_drive(weak, 0, 0, 0, NULL), -ERR_NO_RIGHTS);
	CHECK_OK(hel_queue_alert(weak));
	CHECK_EQ(drive_until(HEL_DEADLINE_NEVER), -ERR_ALERTED);
	CHECK_EQ(hel_queue_alert(machine_authority), -ERR_BAD_TYPE);
	CHECK_EQ(hel_queue_alert(HEL_NULL), -ERR_BAD_HANDLE);
	CHECK_OK(hel_close(HEL_THIS, weak));
	queue_close(&queue);
}

static void submit_alert(hel_handle handle)
{
	struct hel_alert_record *record = queue_record(&queue, HEL_SUBMIT_ALERT, sizeof(*record));

	record->queue = handle;
	hel_queue_commit(&queue.client);
}

static void expect_alert_error(int error)
{
	CHECK(queue_take(&queue, &completion));
	CHECK_EQ(completion.opcode, HEL_SUBMIT_ALERT);
	CHECK_EQ(completion.error, error);
}

/* As a record it does the same, and completes only if it fails. */
USER_TEST(alert_can_be_submitted)
{
	hel_handle weak;

	open_small();
	wait_results[0] = 1;
	CHECK(user_start(drive_and_tell, &wait_results[0]) != HEL_NULL);
	sim_compute(20'000'000);
	submit_alert(queue.client.handle);
	CHECK_OK(queue_drive(&queue));
	sim_compute(20'000'000);
	CHECK_EQ(wait_results[0], -ERR_ALERTED);
	submit_alert(queue.client.handle);
	submit_alert(queue.client.handle);
	CHECK_EQ(drive_until(HEL_DEADLINE_NEVER), -ERR_ALERTED);
	CHECK_EQ(drive_until(sim_time_ns + 1'000'000), -ERR_TIMED_OUT);
	CHECK_OK(hel_transfer(HEL_THIS, queue.client.handle, HEL_THIS, HEL_RIGHT_INVOKE, &weak));
	submit_alert(weak);
	submit_alert(machine_authority);
	submit_alert(HEL_NULL);
	CHECK_OK(drive_until(HEL_DEADLINE_NEVER));
	expect_alert_error(-ERR_NO_RIGHTS);
	expect_alert_error(-ERR_BAD_TYPE);
	expect_alert_error(-ERR_BAD_HANDLE);
	CHECK(queue_is_quiet(&queue));
	CHECK_OK(hel_close(HEL_THIS, weak));
	queue_close(&queue);
}

/* When the last handle goes, all that is pending ends and those who wait wake up. */
USER_TEST(closing_a_queue_ends_its_operations)
{
	struct hel_stream_lanes lanes;
	struct hel_action receive = RECEIVE_INLINE(8);
	hel_handle event;

	open_small();
	CHECK_OK(hel_stream_create(&lanes));
	CHECK_OK(hel_event_create(0, &event));
	(void)submit_exchange(&queue, lanes.lane[0], &receive, 1);
	(void)submit_event(&queue, event, 0);
	(void)submit_clock(&queue, HEL_DEADLINE_NEVER);
	(void)submit_clock(&queue, sim_time_ns + 1'000'000'000'000);
	CHECK_OK(queue_drive(&queue));
	CHECK(user_start(drive_for_ever, NULL) != HEL_NULL);
	sim_compute(10'000'000);
	hel_close(HEL_THIS, queue.client.handle);
	hel_space_unmap(HEL_THIS, queue.address, queue.size_bytes);
}

/* A thread may not fill the kernel with operations. */
USER_TEST(operations_of_a_queue_are_limited)
{
	int error = 0;
	hel_handle event;
	uint64_t n_submitted = 0;

	CHECK_OK(queue_open(&queue, 4, 1024, 65536));
	CHECK_OK(hel_event_create(0, &event));
	while (error == 0 && n_submitted < QUEUE_OPERATIONS_MAX + 4000) {
		for (unsigned i = 0; i < 1000; i++) {
			(void)submit_event(&queue, event, 0);
		}
		n_submitted += 1000;
		error = queue_drive(&queue);
	}
	CHECK_EQ(error, -ERR_NO_MEMORY);
	CHECK(n_submitted >= QUEUE_OPERATIONS_MAX);
	/* The records that had no room are still in the ring, and go through when there is some. */
	uint32_t n_left = (queue.client.submit_tail - queue.client.header->submit_head) / 32;

	CHECK_EQ(n_left, n_submitted - QUEUE_OPERATIONS_MAX);
	uint64_t n_taken = 0;

	for (unsigned i = 0; i < 2000 && n_taken < n_submitted; i++) {
		CHECK_OK(hel_event_raise(event, 1));
		(void)queue_drive(&queue);
		while (queue_take(&queue, &completion)) {
			CHECK_EQ(completion.error, 0);
			n_taken++;
		}
	}
	CHECK_EQ(n_taken, n_submitted);
	queue_close(&queue);
}

TEST_MAIN()

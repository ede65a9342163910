/* SPDX-License-Identifier: MIT */
/*
 * Waiting for pages of managed memory: threads that fault, calls that are made again, transfers
 * that are parked; and how each of these waits ends otherwise.
 */
#include "managed-server.h"

#include <base/string.h>

static struct user_queue queue;
static struct hel_stream_lanes lanes;
static struct completion left, right;
static uint64_t memory; /* four pages that are there */

static void begin(uint64_t n_pages)
{
	struct hel_stream_lanes made;

	CHECK_OK(queue_open(&queue, 8, 32768, 16384));
	CHECK_OK(hel_stream_create(&made));
	lanes = made;
	memory = user_map(4);
	CHECK(memory != 0);
	server_begin(n_pages);
}

static void end(void)
{
	(void)hel_close(HEL_THIS, lanes.lane[0]);
	(void)hel_close(HEL_THIS, lanes.lane[1]);
	server_end();
	CHECK_OK(hel_space_unmap(HEL_THIS, memory, 4 * HEL_PAGE_SIZE));
	queue_close(&queue);
}

static uint64_t frontal(uint64_t index)
{
	return server.frontal_address + index * HEL_PAGE_SIZE;
}

static void read_page(void *context)
{
	(void)server_read((uint64_t)context);
}

static void write_page(void *context)
{
	server_write((uint64_t)context, 1);
}

/* Answer one request about page 0 as if the disk had failed. */
static void refuse_next(void)
{
	struct completion request;

	CHECK(queue_await(&queue, submit_manage(&queue, server.handles.backing), &request));
	CHECK_EQ(completion_request(&request)->kind, HEL_MANAGE_INITIALISE);
	CHECK_OK(hel_memory_update(server.handles.backing, HEL_UPDATE_INITIALISE_FAILED,
		completion_request(&request)->offset, completion_request(&request)->length,
		-ERR_IO));
}

static enum thread_state state_of(hel_handle thread)
{
	struct hel_thread_stats stats;

	CHECK_OK(hel_thread_stats(thread, &stats));
	return (enum thread_state)stats.state;
}

/* ---- threads --------------------------------------------------------------------------------- */

USER_TEST(a_page_that_cannot_be_read_is_a_fault)
{
	begin(16);
	server_start();
	server.fails_reads = true;
	CHECK_EQ(fault_of(&queue, read_page, (void *)3), -ERR_IO);
	CHECK_EQ(fault_of(&queue, write_page, (void *)3), -ERR_IO);
	server.fails_reads = false;
	CHECK_EQ(fault_of(&queue, read_page, (void *)3), 0);
	CHECK_EQ(server_read(3), server_word(3));
	end();
}

USER_TEST(a_thread_that_waits_can_be_killed)
{
	begin(16);
	hel_handle thread = user_start(read_page, (void *)3);

	sim_compute(20'000'000);
	CHECK_EQ(state_of(thread), THREAD_WAITING);
	CHECK_OK(hel_thread_kill(thread));
	sim_compute(20'000'000);
	CHECK_EQ(state_of(thread), THREAD_TERMINATED);
	/* Nobody wants the page any more. */
	CHECK(!server_do(&queue, 1'000'000));
	(void)hel_close(HEL_THIS, thread);
	end();
}

USER_TEST(who_waits_for_a_page_hears_that_it_is_zero)
{
	begin(16);
	hel_handle thread = user_start(read_page, (void *)3);

	sim_compute(20'000'000);
	CHECK_EQ(state_of(thread), THREAD_WAITING);
	CHECK_OK(hel_memory_update(
		server.handles.backing, HEL_UPDATE_ZERO, 0, 8 * HEL_PAGE_SIZE, 0));
	CHECK_EQ(server_read(3), 0);
	sim_compute(20'000'000);
	CHECK_EQ(state_of(thread), THREAD_TERMINATED);
	CHECK(!server_do(&queue, 1'000'000));
	(void)hel_close(HEL_THIS, thread);
	end();
}

static int wait_result;

static void read_and_wait(UNUSED void *context)
{
	uint32_t word = 0;

	(void)server_read(3);
	sim_store(memory, &word, sizeof(word));
	wait_result = hel_futex_wait((uint32_t *)memory, 0, HEL_DEADLINE_NEVER, 1);
}

USER_TEST(a_kick_stays_latched_while_a_thread_waits_for_a_page)
{
	begin(16);
	wait_result = 1;
	hel_handle thread = user_start(read_and_wait, NULL);

	sim_compute(20'000'000);
	CHECK_OK(hel_thread_kick(thread));
	sim_compute(20'000'000);
	CHECK_EQ(state_of(thread), THREAD_WAITING);
	CHECK_EQ(wait_result, 1);
	CHECK(server_do(&queue, 1'000'000));
	sim_compute(20'000'000);
	CHECK_EQ(wait_result, -ERR_KICKED);
	(void)hel_close(HEL_THIS, thread);
	end();
}

USER_TEST(an_interrupted_thread_goes_on_waiting)
{
	struct completion stop;

	begin(16);
	hel_handle thread = user_start(read_page, (void *)3);

	sim_compute(20'000'000);
	CHECK_OK(hel_thread_interrupt(thread));
	CHECK(queue_await(&queue, submit_observe(&queue, thread, 0), &stop));
	CHECK_EQ(completion_observation(&stop)->observation, HEL_OBSERVE_INTERRUPTED);
	CHECK_OK(hel_thread_resume(thread));
	sim_compute(20'000'000);
	CHECK_EQ(state_of(thread), THREAD_WAITING);
	CHECK(server_do(&queue, 1'000'000));
	sim_compute(20'000'000);
	CHECK_EQ(state_of(thread), THREAD_TERMINATED);
	(void)hel_close(HEL_THIS, thread);
	end();
}

USER_TEST(a_wait_ends_when_the_page_is_cut_off)
{
	begin(16);
	hel_handle thread = user_start(read_page, (void *)10);

	sim_compute(20'000'000);
	CHECK_OK(hel_memory_resize(server.handles.backing, 8 * 4096));
	CHECK(queue_await(&queue, submit_observe(&queue, thread, 0), &left));
	CHECK_EQ(completion_observation(&left)->reason, -ERR_OUT_OF_BOUNDS);
	(void)hel_thread_kill(thread);
	(void)hel_close(HEL_THIS, thread);
	end();
}

/* ---- the end of the manager ------------------------------------------------------------------ */

USER_TEST(a_dead_manager_fails_whoever_waits_and_keeps_what_is_clean)
{
	uint64_t word;

	begin(16);
	server_start();
	CHECK_EQ(server_read(1), server_word(1));
	server_write(2, 20);
	server.is_over = true;
	sim_compute(100'000'000);
	server.thread = HEL_NULL;
	hel_handle thread = user_start(read_page, (void *)9);
	uint64_t unfinished = submit_fence(&queue, server.handles.frontal, 0, 16 * 4096);

	CHECK_OK(queue_drive(&queue));
	sim_compute(20'000'000);
	CHECK_EQ(state_of(thread), THREAD_WAITING);
	CHECK_OK(hel_close(HEL_THIS, server.handles.backing));
	CHECK(queue_await(&queue, submit_observe(&queue, thread, 0), &left));
	CHECK_EQ(completion_observation(&left)->reason, -ERR_IO);
	(void)hel_thread_kill(thread);
	(void)hel_close(HEL_THIS, thread);
	CHECK(queue_await(&queue, unfinished, &left));
	CHECK_EQ(left.error, -ERR_IO);
	CHECK_EQ(server_read(1), server_word(1));
	CHECK_EQ(fault_of(&queue, write_page, (void *)1), -ERR_IO);
	CHECK_EQ(fault_of(&queue, read_page, (void *)2), -ERR_IO);
	CHECK_EQ(fault_of(&queue, read_page, (void *)12), -ERR_IO);
	CHECK_EQ(hel_memory_read(server.handles.frontal, 12 * 4096, &word, sizeof(word)), -ERR_IO);
	CHECK_EQ(hel_memory_write(server.handles.frontal, 12 * 4096, &word, sizeof(word)), -ERR_IO);
	CHECK(queue_await(&queue, submit_fence(&queue, server.handles.frontal, 0, 4096), &left));
	CHECK_EQ(left.error, -ERR_IO);
	end();
}

/* ---- calls ----------------------------------------------------------------------------------- */

USER_TEST(calls_are_made_again_when_the_page_is_there)
{
	uint64_t word = 0;
	struct hel_memory_info info;
	struct hel_stream_lanes made;

	begin(64);
	server_start();
	server.delay_ns = 10'000;
	/* Contents of managed memory, and arguments and results in it. */
	CHECK_OK(hel_memory_read(server.handles.frontal, 3 * 4096, &word, sizeof(word)));
	CHECK_EQ(word, server_word(3));
	word = 44;
	CHECK_OK(hel_memory_write(server.handles.frontal, 4 * 4096, &word, sizeof(word)));
	CHECK_EQ(server_read(4), 44);
	CHECK_OK(hel_memory_info(server.handles.frontal, (void *)frontal(8)));
	sim_load(&info, frontal(8), sizeof(info));
	CHECK_EQ(info.size_bytes, 64 * 4096);
	CHECK_OK(hel_stream_create((void *)frontal(12)));
	sim_load(&made, frontal(12), sizeof(made));
	CHECK_OK(hel_close(HEL_THIS, made.lane[0]));
	CHECK_OK(hel_close(HEL_THIS, made.lane[1]));
	CHECK_OK(hel_space_read(HEL_THIS, frontal(16), (void *)memory, 8192, NULL));
	sim_load(&word, memory + 4096, sizeof(word));
	CHECK_EQ(word, server_word(17));
	CHECK_EQ(hel_futex_wait((uint32_t *)frontal(20), 0, HEL_DEADLINE_NEVER, 1), -ERR_RETRY);
	CHECK_EQ(hel_futex_wait((uint32_t *)frontal(22), (uint32_t)server_word(22),
			 sim_time_ns + 1'000'000, 1),
		-ERR_TIMED_OUT);
	end();
}

USER_TEST(tries_do_not_wait_for_pages)
{
	uint64_t word = 0;

	begin(64);
	server_start();
	server.delay_ns = 10'000;
	CHECK_EQ(hel_memory_try_read(server.handles.frontal, 3 * 4096, &word, sizeof(word)),
		-ERR_AGAIN);
	CHECK_EQ(hel_memory_try_write(server.handles.frontal, 3 * 4096, &word, sizeof(word)),
		-ERR_AGAIN);
	CHECK_OK(hel_memory_read(server.handles.frontal, 3 * 4096, &word, sizeof(word)));
	word = 0;
	CHECK_OK(hel_memory_try_read(server.handles.frontal, 3 * 4096, &word, sizeof(word)));
	CHECK_EQ(word, server_word(3));
	word = 33;
	CHECK_OK(hel_memory_try_write(server.handles.frontal, 3 * 4096, &word, sizeof(word)));
	CHECK_EQ(server_read(3), 33);
	/* A part that is there, and one that is not. */
	CHECK_EQ(hel_memory_try_read(server.handles.frontal, 4 * 4096 - 4, &word, sizeof(word)),
		-ERR_AGAIN);
	CHECK_EQ(hel_memory_try_read(server.handles.frontal, 64 * 4096, &word, sizeof(word)),
		-ERR_OUT_OF_BOUNDS);
	CHECK_EQ(hel_memory_try_write(server.handles.frontal, 64 * 4096, &word, sizeof(word)),
		-ERR_OUT_OF_BOUNDS);
	CHECK_EQ(
		hel_memory_try_read(server.handles.frontal, 0, &word, 17 << 20), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_memory_try_write(server.handles.frontal, 0, &word, 17 << 20),
		-ERR_ILLEGAL_ARGS);
	CHECK_OK(hel_close(HEL_THIS, server.handles.backing));
	CHECK_EQ(hel_memory_try_read(server.handles.frontal, 12 * 4096, &word, sizeof(word)),
		-ERR_IO);
	CHECK_EQ(hel_memory_try_write(server.handles.frontal, 12 * 4096, &word, sizeof(word)),
		-ERR_IO);
	end();
}

USER_TEST(tries_between_spaces_do_not_wait_for_pages)
{
	uint64_t value = 33;

	begin(64);
	server_start();
	server.delay_ns = 10'000;
	void *word = (void *)memory;

	CHECK_EQ(hel_space_try_read(HEL_THIS, frontal(3), word, 8, NULL), -ERR_AGAIN);
	CHECK_EQ(hel_space_try_write(HEL_THIS, frontal(3), word, 8, NULL), -ERR_AGAIN);
	CHECK_OK(hel_space_read(HEL_THIS, frontal(3), word, 8, NULL));
	sim_store(memory, &value, sizeof(value));
	CHECK_OK(hel_space_try_write(HEL_THIS, frontal(3), word, 8, NULL));
	CHECK_EQ(server_read(3), 33);
	CHECK_OK(hel_space_try_read(HEL_THIS, frontal(3), word, 8, NULL));
	sim_load(&value, memory, sizeof(value));
	CHECK_EQ(value, 33);
	CHECK_EQ(hel_space_try_read(HEL_THIS, 4096, word, 8, NULL), -ERR_FAULT);
	CHECK_EQ(hel_space_try_write(HEL_THIS, 4096, word, 8, NULL), -ERR_FAULT);
	CHECK_EQ(hel_space_try_read(HEL_THIS, frontal(3), word, 17 << 20, NULL), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(
		hel_space_try_write(HEL_THIS, frontal(3), word, 17 << 20, NULL), -ERR_ILLEGAL_ARGS);
	end();
}

USER_TEST(calls_fail_when_the_page_cannot_be_read)
{
	uint64_t word;

	begin(16);
	server_start();
	server.fails_reads = true;
	CHECK_EQ(hel_memory_read(server.handles.frontal, 0, &word, sizeof(word)), -ERR_FAULT);
	CHECK_EQ(hel_memory_info(server.handles.frontal, (void *)frontal(8)), -ERR_FAULT);
	CHECK_EQ(hel_futex_wait((uint32_t *)frontal(9), 0, HEL_DEADLINE_NEVER, 1), -ERR_FAULT);
	server.fails_reads = false;
	CHECK_OK(hel_memory_info(server.handles.frontal, (void *)frontal(8)));
	end();
}

/* ---- transfers ------------------------------------------------------------------------------- */

static void submit_both(struct hel_action a, struct hel_action b, uint64_t contexts[2])
{
	contexts[0] = submit_exchange(&queue, lanes.lane[0], &a, 1);
	contexts[1] = submit_exchange(&queue, lanes.lane[1], &b, 1);
}

static void await_both(const uint64_t contexts[2])
{
	CHECK(queue_await(&queue, contexts[0], &left));
	CHECK(queue_await(&queue, contexts[1], &right));
	CHECK_EQ(left.error, 0);
	CHECK_EQ(right.error, 0);
}

static void exchange(struct hel_action a, int error_a, struct hel_action b, int error_b)
{
	uint64_t contexts[2];

	submit_both(a, b, contexts);
	await_both(contexts);
	CHECK_EQ(left.results[0].error, error_a);
	CHECK_EQ(right.results[0].error, error_b);
}

USER_TEST(transfers_wait_for_pages_on_both_sides)
{
	uint64_t word;

	begin(64);
	server_start();
	exchange(SEND(frontal(0) + 8, 4 * 4096 - 8), 0, RECEIVE(frontal(30), 4 * 4096), 0);
	CHECK_EQ(left.results[0].value, 4 * 4096 - 8);
	for (uint64_t i = 0; i < 3; i++) {
		sim_load(&word, frontal(30 + i) + 4088, sizeof(word));
		CHECK_EQ(word, server_word(1 + i));
	}
	exchange(SEND(frontal(8), 8), 0, RECEIVE_INLINE(64), 0);
	memcpy(&word, right.inline_data[0], sizeof(word));
	CHECK_EQ(word, server_word(8));
	end();
}

USER_TEST(scattered_transfers_go_on_where_they_were)
{
	struct hel_sg segments[3] = {
		{ frontal(0), 8 },
		{ frontal(10), 4096 },
		{ frontal(20), 8 },
	};
	uint64_t word;

	begin(64);
	for (uint64_t i = 0; i < 3; i++) {
		segments[i].address = frontal(10 * i);
	}
	server_start();
	sim_store(frontal(40), segments, sizeof(segments)); /* the list itself is absent, too */
	CHECK_OK(hel_memory_advise(server.handles.frontal, HEL_ADVICE_DONT_NEED, 0, 64 * 4096));
	exchange(SEND_SG(frontal(40), 3), 0, RECEIVE(memory, 3 * 4096), 0);
	CHECK_EQ(right.results[0].value, 4096 + 16);
	sim_load(&word, memory, sizeof(word));
	CHECK_EQ(word, server_word(0));
	sim_load(&word, memory + 8, sizeof(word));
	CHECK_EQ(word, server_word(10));
	sim_load(&word, memory + 8 + 4096, sizeof(word));
	CHECK_EQ(word, server_word(20));
	exchange(SEND_SG(frontal(40), 3), -ERR_BUFFER_TOO_SMALL, RECEIVE_INLINE(4096),
		-ERR_BUFFER_TOO_SMALL);
	end();
}

USER_TEST(a_list_that_cannot_be_read_fails_its_exchange)
{
	begin(16);
	server_start();
	server.fails_reads = true;
	struct hel_action send = SEND_SG(frontal(4), 3);

	CHECK(queue_await(&queue, submit_exchange(&queue, lanes.lane[0], &send, 1), &left));
	CHECK_EQ(left.error, -ERR_FAULT);
	end();
}

USER_TEST(a_page_that_cannot_be_read_fails_the_transfer)
{
	begin(16);
	server_start();
	server.fails_reads = true;
	exchange(SEND(frontal(0), 8), -ERR_FAULT, RECEIVE(memory, 8), -ERR_DISMISSED);
	exchange(SEND(memory, 8), -ERR_DISMISSED, RECEIVE(frontal(0), 8), -ERR_FAULT);
	exchange(SEND(frontal(0), 8), -ERR_FAULT, RECEIVE_INLINE(8), -ERR_DISMISSED);
	end();
}

USER_TEST(parked_transfers_can_be_cancelled)
{
	uint64_t contexts[2];

	begin(16);
	for (uint32_t side = 0; side < 2; side++) {
		submit_both(SEND(frontal(0), 8), RECEIVE(memory, 8), contexts);
		CHECK_OK(queue_drive(&queue));
		CHECK(queue_is_quiet(&queue));
		submit_cancel(&queue, contexts[side]);
		await_both(contexts);
		CHECK_EQ(left.results[0].error, side == 0 ? -ERR_CANCELLED : -ERR_DISMISSED);
		CHECK_EQ(right.results[0].error, side == 1 ? -ERR_CANCELLED : -ERR_DISMISSED);
	}
	CHECK(!server_do(&queue, 1'000'000));
	/* What comes later on the same lanes does not have to wait. */
	submit_both(SEND(frontal(0), 8), RECEIVE(memory, 8), contexts);
	exchange(SEND(memory, 8), 0, RECEIVE(memory + 64, 8), 0);
	refuse_next();
	await_both(contexts);
	CHECK_EQ(left.results[0].error, -ERR_FAULT);
	end();
}

USER_TEST(closing_a_lane_ends_parked_transfers)
{
	uint64_t contexts[2];

	for (uint32_t side = 0; side < 2; side++) {
		begin(16);
		submit_both(SEND(memory, 8), RECEIVE(frontal(0), 8), contexts);
		CHECK_OK(queue_drive(&queue));
		CHECK(queue_is_quiet(&queue));
		CHECK_OK(hel_lane_shutdown(lanes.lane[side]));
		await_both(contexts);
		CHECK_EQ(left.results[0].error, side == 0 ? -ERR_LANE_SHUTDOWN : -ERR_END_OF_LANE);
		CHECK_EQ(right.results[0].error, side == 1 ? -ERR_LANE_SHUTDOWN : -ERR_END_OF_LANE);
		end();
	}
}

USER_TEST(closing_the_queue_ends_parked_transfers)
{
	uint64_t contexts[2];

	begin(16);
	submit_both(SEND(memory, 8), RECEIVE(frontal(0), 8), contexts);
	CHECK_OK(queue_drive(&queue));
	end();
}

TEST_MAIN()

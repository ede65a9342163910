/* SPDX-License-Identifier: MIT */
/* Managed memory: the states of its pages, one by one. */
#include "managed-server.h"

#include <thor/memory/page-cache.h>

constexpr uint64_t WRITTEN_PAGES = 4096;

static struct user_queue queue;
static struct completion completion;

static void begin(uint64_t n_pages)
{
	CHECK_OK(queue_open(&queue, 8, 8192, 4096));
	server_begin(n_pages);
}

static void end(void)
{
	server_end();
	queue_close(&queue);
}

static int fence(void)
{
	uint64_t context =
		submit_fence(&queue, server.handles.frontal, 0, server.n_pages * HEL_PAGE_SIZE);

	CHECK(queue_await(&queue, context, &completion));
	return completion.error;
}

static uint64_t resident_pages(void)
{
	struct hel_memory_info info;

	CHECK_OK(hel_memory_info(server.handles.frontal, &info));
	CHECK_EQ(info.kind, HEL_MEMORY_MANAGED);
	return info.resident_bytes / HEL_PAGE_SIZE;
}

/* ---- calls ----------------------------------------------------------------------------------- */

USER_TEST(create_checks_its_arguments)
{
	struct hel_managed_handles handles;
	struct hel_memory_info info;

	CHECK_EQ(hel_memory_create_managed(1, 0, &handles), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_memory_create_managed(4096, 1, &handles), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_memory_create_managed(4096, 0, (void *)8), -ERR_FAULT);
	CHECK_OK(hel_memory_create_managed((uint64_t)1 << 40, 0, &handles));
	CHECK_OK(hel_memory_info(handles.backing, &info));
	CHECK_EQ(info.kind, HEL_MEMORY_BACKING);
	CHECK_EQ(info.size_bytes, (uint64_t)1 << 40);
	CHECK_EQ(info.resident_bytes, 0);
	CHECK_OK(hel_close(HEL_THIS, handles.frontal));
	CHECK_OK(hel_close(HEL_THIS, handles.backing));
}

USER_TEST(update_checks_its_arguments)
{
	begin(8);
	hel_handle backing = server.handles.backing;
	hel_handle frontal = server.handles.frontal;

	CHECK_EQ(hel_memory_update(frontal, HEL_UPDATE_INITIALISED, 0, 4096, 0), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_memory_update(backing, 5, 0, 4096, 0), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_memory_update(backing, HEL_UPDATE_INITIALISED, 1, 4096, 0), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_memory_update(backing, HEL_UPDATE_INITIALISED, 0, 0, 0), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_memory_update(backing, HEL_UPDATE_INITIALISED, 0, MIB(16) + 4096, 0),
		-ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_memory_update(backing, HEL_UPDATE_INITIALISED, 0, 4096, -ERR_IO),
		-ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_memory_update(backing, HEL_UPDATE_INITIALISE_FAILED, 0, 4096, 0),
		-ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_memory_update(backing, HEL_UPDATE_WRITE_BACK_FAILED, 0, 4096, ERR_IO),
		-ERR_ILLEGAL_ARGS);
	/* About pages that are in no such state, or not there: nothing happens. */
	CHECK_OK(hel_memory_update(backing, HEL_UPDATE_INITIALISED, 0, 8 * 4096, 0));
	CHECK_OK(hel_memory_update(backing, HEL_UPDATE_WRITTEN_BACK, 0, 8 * 4096, 0));
	CHECK_OK(hel_memory_update(backing, HEL_UPDATE_INITIALISED, 8 * 4096, 4096, 0));
	CHECK_EQ(resident_pages(), 0);
	CHECK_EQ(hel_memory_invalidate(frontal, 0, 4096), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_memory_invalidate(backing, 1, 4096), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_memory_advise(backing, HEL_ADVICE_WILL_NEED, 0, 4096), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_memory_advise(frontal, 2, 0, 4096), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_memory_advise(frontal, HEL_ADVICE_WILL_NEED, 0, 0), -ERR_ILLEGAL_ARGS);
	end();
}

USER_TEST(operations_check_their_handles)
{
	begin(8);
	CHECK(queue_await(&queue, submit_manage(&queue, server.handles.frontal), &completion));
	CHECK_EQ(completion.error, -ERR_ILLEGAL_ARGS);
	CHECK(queue_await(&queue, submit_manage(&queue, 77), &completion));
	CHECK_EQ(completion.error, -ERR_BAD_HANDLE);
	CHECK(queue_await(
		&queue, submit_fence(&queue, server.handles.backing, 0, 4096), &completion));
	CHECK_EQ(completion.error, -ERR_ILLEGAL_ARGS);
	CHECK(queue_await(
		&queue, submit_fence(&queue, server.handles.frontal, 1, 4096), &completion));
	CHECK_EQ(completion.error, -ERR_ILLEGAL_ARGS);
	uint64_t context = submit_manage(&queue, server.handles.backing);

	CHECK_OK(queue_drive(&queue));
	submit_cancel(&queue, context);
	CHECK(queue_await(&queue, context, &completion));
	CHECK_EQ(completion.error, -ERR_CANCELLED);
	end();
}

/* ---- zeros ----------------------------------------------------------------------------------- */

static int say_zero(uint64_t first, uint64_t n_pages)
{
	return hel_memory_update(server.handles.backing, HEL_UPDATE_ZERO, first * HEL_PAGE_SIZE,
		n_pages * HEL_PAGE_SIZE, 0);
}

USER_TEST(zeros_are_not_asked_for)
{
	begin(64);
	CHECK_OK(say_zero(16, 16));
	CHECK_OK(say_zero(32, MIB(1024)));
	for (uint64_t i = 16; i < 64; i++) {
		CHECK_EQ(server_read(i), 0);
		server_write(i, i);
	}
	CHECK_EQ(server.n_reads, 0);
	server_start();
	CHECK_EQ(server_read(15), server_word(15));
	CHECK_EQ(server.n_pages_read, 1);
	CHECK_OK(fence());
	for (uint64_t i = 16; i < 64; i++) {
		CHECK_EQ(server.disk[i], i);
	}
	/* They are on the disk now. */
	CHECK_OK(hel_memory_invalidate(server.handles.backing, 0, 40 * HEL_PAGE_SIZE));
	for (uint64_t i = 0; i < 40; i++) {
		CHECK_EQ(server_read(i), i < 16 ? server_word(i) : i);
	}
	CHECK_EQ(server.n_pages_written, 48);
	end();
}

USER_TEST(what_was_asked_for_is_not_zero)
{
	uint64_t first = 8 * HEL_PAGE_SIZE;

	begin(64);
	CHECK_OK(hel_memory_advise(
		server.handles.frontal, HEL_ADVICE_WILL_NEED, first, 4 * HEL_PAGE_SIZE));
	server.is_stuck = true;
	CHECK(server_do(&queue, 1'000'000));
	CHECK_OK(say_zero(8, 8));
	/* its answer comes later */
	server_write(12, 5);
	server.is_stuck = false;
	server_start();
	uint64_t word = server_word(9);

	CHECK_OK(hel_memory_write(server.handles.backing, first + HEL_PAGE_SIZE, &word, 8));
	CHECK_OK(hel_memory_update(
		server.handles.backing, HEL_UPDATE_INITIALISED, first, 8 * HEL_PAGE_SIZE, 0));
	CHECK_EQ(server_read(9), word);
	CHECK_EQ(server_read(12), 5);
	CHECK_EQ(server_read(13), 0);
	end();
}

USER_TEST(zeros_end_with_the_memory)
{
	begin(64);
	CHECK_OK(say_zero(0, 64));
	CHECK_EQ(server_read(60), 0);
	CHECK_OK(hel_memory_resize(server.handles.backing, 8 * HEL_PAGE_SIZE));
	CHECK_OK(hel_memory_resize(server.handles.backing, 64 * HEL_PAGE_SIZE));
	server_start();
	CHECK_EQ(server_read(60), server_word(60));
	CHECK_EQ(server_read(5), 0);
	/* what manager drops may have changed, also if nobody has it */
	CHECK_OK(hel_memory_invalidate(server.handles.backing, HEL_PAGE_SIZE, HEL_PAGE_SIZE));
	CHECK_EQ(server_read(1), server_word(1));
	CHECK_EQ(server_read(2), 0);
	CHECK_EQ(server_read(0), server_word(0));
	end();
}

USER_TEST(writers_of_zeros_are_throttled)
{
	begin(8192);
	CHECK_OK(say_zero(0, 8192));
	server_start();
	for (uint64_t i = 0; i < 8192; i++) {
		server_write(i, i);
	}
	CHECK(server.n_pages_written > 0);
	CHECK_EQ(server.n_reads, 0);
	CHECK_OK(fence());
	for (uint64_t i = 0; i < 8192; i++) {
		CHECK_EQ(server.disk[i], i);
	}
	end();
}

/* ---- reading --------------------------------------------------------------------------------- */

USER_TEST(faults_bring_pages)
{
	begin(256);
	server_start();
	for (uint64_t i = 0; i < 256; i++) {
		CHECK_EQ(server_read(i), server_word(i));
	}
	/* Read ahead, twice as far each time. */
	CHECK_EQ(server.n_pages_read, 256);
	CHECK_EQ(server.longest_read, 64);
	CHECK(server.n_reads < 12);
	CHECK_EQ(resident_pages(), 256);
	end();
}

USER_TEST(scattered_faults_bring_one_page_each)
{
	begin(256);
	server_start();
	for (uint64_t i = 1; i < 256; i += 16) {
		CHECK_EQ(server_read(256 - i), server_word(256 - i));
	}
	CHECK_EQ(server.n_pages_read, 16);
	end();
}

USER_TEST(pages_that_nobody_filled_read_zero)
{
	begin(4);
	CHECK_OK(hel_memory_update(server.handles.backing, HEL_UPDATE_INITIALISED, 0, 4 * 4096, 0));
	uint64_t word = 7;

	/* Not asked for, but filled before it is. */
	CHECK_OK(hel_memory_write(server.handles.backing, 4096, &word, sizeof(word)));
	CHECK_OK(hel_memory_update(server.handles.backing, HEL_UPDATE_INITIALISED, 0, 4 * 4096, 0));
	CHECK_EQ(server_read(1), 7);
	server.disk[2] = 0;
	server_start();
	CHECK_EQ(server_read(2), 0);
	end();
}

USER_TEST(advice_brings_and_drops_pages)
{
	begin(256);
	server_start();
	CHECK_OK(hel_memory_advise(
		server.handles.frontal, HEL_ADVICE_WILL_NEED, 10 * 4096, 100 * 4096));
	sim_compute(50'000'000);
	CHECK_EQ(resident_pages(), 100);
	CHECK_EQ(server.n_pages_read, 100);
	CHECK_EQ(server_read(10), server_word(10));
	CHECK_EQ(server.n_pages_read, 100);
	server_write(11, 1);
	CHECK_OK(hel_memory_advise(server.handles.frontal, HEL_ADVICE_DONT_NEED, 0, 256 * 4096));
	CHECK_EQ(resident_pages(), 1); /* the dirty one */
	CHECK_EQ(server_read(11), 1);
	CHECK_EQ(server_read(10), server_word(10));
	end();
}

USER_TEST(invalidated_pages_are_read_again)
{
	begin(16);
	server_start();
	CHECK_EQ(server_read(3), server_word(3));
	server.disk[3] = 33;
	CHECK_EQ(server_read(3), server_word(3));
	CHECK_OK(hel_memory_invalidate(server.handles.backing, 0, 16 * 4096));
	CHECK_EQ(server_read(3), 33);
	end();
}

USER_TEST(private_view_shows_what_the_manager_brings)
{
	begin(16);
	server_start();
	struct hel_map_args args = {
		.space = HEL_THIS,
		.size_bytes = 8 * 4096,
		.flags = HEL_MAP_READ | HEL_MAP_WRITE | HEL_MAP_FORK_COPY,
	};
	uint64_t address, word = 5;

	CHECK_OK(
		hel_memory_copy_on_write(server.handles.frontal, 4 * 4096, 8 * 4096, &args.memory));
	CHECK_OK(hel_space_map(&args, &address));
	sim_store(address + 4096, &word, sizeof(word)); /* page 5 of the disk */
	sim_load(&word, address, sizeof(word));
	CHECK_EQ(word, server_word(4));
	CHECK_EQ(server_read(5), server_word(5));
	/* Pages that are dropped come back, those that were copied stay. */
	CHECK_OK(hel_memory_invalidate(server.handles.backing, 0, 16 * 4096));
	server.disk[4] = 44;
	sim_load(&word, address, sizeof(word));
	CHECK_EQ(word, 44);
	sim_load(&word, address + 4096, sizeof(word));
	CHECK_EQ(word, 5);
	CHECK_EQ(server.n_writes, 0);
	CHECK_OK(hel_space_unmap(HEL_THIS, address, 8 * 4096));
	CHECK_OK(hel_close(HEL_THIS, args.memory));
	end();
}

/* ---- writing --------------------------------------------------------------------------------- */

USER_TEST(fence_waits_for_write_back)
{
	begin(16);
	server_start();
	CHECK_OK(fence());
	server_write(3, 30);
	server_write(5, 50);
	CHECK_EQ(server.disk[3], server_word(3));
	CHECK_OK(fence());
	CHECK_EQ(server.disk[3], 30);
	CHECK_EQ(server.disk[5], 50);
	CHECK_EQ(server.n_pages_written, 2);
	/* The next write makes it dirty again. */
	server_write(3, 31);
	CHECK_OK(fence());
	CHECK_EQ(server.disk[3], 31);
	CHECK_EQ(server.n_pages_written, 3);
	CHECK_OK(fence());
	CHECK_EQ(server.n_pages_written, 3);
	end();
}

USER_TEST(dirty_pages_are_written_back_when_they_are_old)
{
	begin(16);
	server_start();
	server_write(3, 30);
	sim_compute(4'000'000'000);
	CHECK_EQ(server.n_writes, 0);
	sim_compute(2'000'000'000);
	CHECK_EQ(server.disk[3], 30);
	end();
}

USER_TEST(writes_during_write_back_are_not_lost)
{
	uint64_t word;

	begin(16);
	for (uint64_t i = 0; i < 16; i++) {
		word = server_word(i);
		CHECK_OK(hel_memory_write(server.handles.backing, i * 4096, &word, sizeof(word)));
	}
	CHECK_OK(
		hel_memory_update(server.handles.backing, HEL_UPDATE_INITIALISED, 0, 16 * 4096, 0));
	server_write(2, 20);
	uint64_t first = submit_fence(&queue, server.handles.frontal, 0, 16 * 4096);
	uint64_t request = submit_manage(&queue, server.handles.backing);

	CHECK(queue_await(&queue, request, &completion));
	CHECK_EQ(completion_request(&completion)->kind, HEL_MANAGE_WRITE_BACK);
	CHECK_EQ(completion_request(&completion)->offset, 2 * 4096);
	CHECK_EQ(completion_request(&completion)->length, 4096);
	server_write(2, 21); /* while it is being written */
	uint64_t second = submit_fence(&queue, server.handles.frontal, 0, 16 * 4096);

	request = submit_manage(&queue, server.handles.backing);
	CHECK_OK(queue_drive(&queue));
	CHECK(queue_is_quiet(&queue));
	CHECK_OK(hel_memory_update(
		server.handles.backing, HEL_UPDATE_WRITTEN_BACK, 2 * 4096, 4096, 0));
	CHECK(queue_await(&queue, first, &completion));
	CHECK(queue_await(&queue, request, &completion));
	CHECK_EQ(completion_request(&completion)->offset, 2 * 4096);
	CHECK_OK(hel_memory_update(
		server.handles.backing, HEL_UPDATE_WRITTEN_BACK, 2 * 4096, 4096, 0));
	CHECK(queue_await(&queue, second, &completion));
	CHECK_EQ(completion.error, 0);
	end();
}

USER_TEST(failed_write_back_is_told_once_and_tried_again)
{
	begin(16);
	server_start();
	server_write(3, 30);
	server.fails_writes = true;
	CHECK_EQ(fence(), -ERR_IO);
	server.fails_writes = false;
	CHECK_OK(fence());
	CHECK_EQ(server.disk[3], 30);
	end();
}

USER_TEST(writers_wait_when_too_much_is_dirty)
{
	struct page_cache_stats stats;
	uint64_t n_most = 0;

	begin(WRITTEN_PAGES);
	server_start();
	server.delay_ns = 100'000;
	for (uint64_t i = 0; i < WRITTEN_PAGES; i++) {
		server_write(i, i + 1);
		page_cache_get_stats(&stats);
		n_most = max_u64(n_most, stats.n_unclean);
	}
	/* 32 MiB, an eighth of it. */
	CHECK(n_most <= 1024);
	CHECK(n_most > 500);
	CHECK_OK(fence());
	for (uint64_t i = 0; i < WRITTEN_PAGES; i++) {
		CHECK_EQ(server.disk[i], i + 1);
	}
	page_cache_get_stats(&stats);
	CHECK_EQ(stats.n_unclean, 0);
	end();
}

USER_TEST(shrinking_drops_pages_and_what_was_to_be_written)
{
	uint64_t word;

	begin(64);
	server_start();
	for (uint64_t i = 0; i < 64; i++) {
		server_write(i, 100 + i);
	}
	CHECK_EQ(hel_memory_resize(server.handles.frontal, 4096), -ERR_ILLEGAL_ARGS);
	CHECK_OK(hel_memory_resize(server.handles.backing, 32 * 4096));
	CHECK_EQ(resident_pages(), 32);
	CHECK_OK(fence());
	CHECK_EQ(server.n_pages_written, 32);
	CHECK_EQ(hel_memory_read(server.handles.frontal, 32 * 4096, &word, sizeof(word)),
		-ERR_OUT_OF_BOUNDS);
	CHECK_OK(hel_memory_resize(server.handles.backing, 64 * 4096));
	CHECK_EQ(server_read(40), server_word(40));
	CHECK_EQ(server_read(31), 131);
	end();
}

/* ---- locked pages ---------------------------------------------------------------------------- */

static int lock(hel_handle memory, uint64_t first, uint64_t n_pages, uint64_t flags)
{
	uint64_t context = submit_lock(&queue, memory, first * 4096, n_pages * 4096, flags);

	CHECK(queue_await(&queue, context, &completion));
	return completion.error;
}

USER_TEST(locked_pages_are_brought_and_stay)
{
	uint64_t phys, again;

	begin(64);
	server_start();
	hel_handle frontal = server.handles.frontal;

	CHECK_EQ(hel_memory_pin(frontal, 4 * 4096, 4096, &phys), -ERR_UNSUPPORTED);
	CHECK_OK(lock(frontal, 4, 8, 0));
	CHECK(resident_pages() >= 8);
	CHECK_OK(lock(frontal, 4, 1, 0));
	CHECK_OK(hel_memory_pin(frontal, 4 * 4096, 4096, &phys));
	CHECK_OK(hel_memory_invalidate(server.handles.backing, 0, 64 * 4096));
	CHECK_EQ(resident_pages(), 8);
	CHECK_OK(hel_memory_pin(frontal, 4 * 4096, 4096, &again));
	CHECK_EQ(phys, again);
	CHECK_OK(hel_memory_unlock(frontal, 0, 64 * 4096, 0));
	CHECK_OK(hel_memory_invalidate(server.handles.backing, 0, 64 * 4096));
	CHECK_EQ(resident_pages(), 1); /* that was locked twice */
	CHECK_OK(hel_memory_unlock(frontal, 0, 64 * 4096, 0));
	CHECK_OK(hel_memory_invalidate(server.handles.backing, 0, 64 * 4096));
	CHECK_EQ(resident_pages(), 0);
	end();
}

USER_TEST(what_a_device_wrote_is_written_back)
{
	begin(16);
	server_start();
	CHECK_OK(lock(server.handles.frontal, 2, 2, HEL_LOCK_WRITE));
	CHECK_OK(fence());
	CHECK_EQ(server.n_pages_written, 2);
	CHECK_OK(hel_memory_unlock(server.handles.frontal, 2 * 4096, 2 * 4096, HEL_LOCK_WRITE));
	CHECK_OK(fence());
	CHECK_EQ(server.n_pages_written, 4);
	end();
}

USER_TEST(locking_ends_with_an_error_of_a_page_or_by_a_cancel)
{
	begin(64);
	hel_handle frontal = server.handles.frontal;

	CHECK_EQ(lock(frontal, 0, 0, 0), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(lock(frontal, 0, 1025, 0), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(lock(frontal, 0, 1, 2), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(lock(server.handles.backing, 0, 1, 0), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_memory_unlock(frontal, 1, 4096, 0), -ERR_ILLEGAL_ARGS);
	uint64_t context = submit_lock(&queue, frontal, 0, 4 * 4096, 0);

	CHECK_OK(queue_drive(&queue));
	CHECK(queue_is_quiet(&queue));
	submit_cancel(&queue, context);
	CHECK(queue_await(&queue, context, &completion));
	CHECK_EQ(completion.error, -ERR_CANCELLED);
	server_start();
	CHECK_EQ(lock(frontal, 60, 8, 0), -ERR_OUT_OF_BOUNDS);
	CHECK_OK(hel_memory_invalidate(server.handles.backing, 0, 64 * 4096));
	CHECK_EQ(resident_pages(), 0); /* nothing has stayed locked */
	server.fails_reads = true;
	CHECK_EQ(lock(frontal, 0, 4, 0), -ERR_IO);
	end();
}

USER_TEST(locked_pages_go_with_what_is_cut_off)
{
	begin(64);
	server_start();
	CHECK_OK(lock(server.handles.frontal, 0, 64, 0));
	CHECK_OK(hel_memory_resize(server.handles.backing, 32 * 4096));
	CHECK_EQ(resident_pages(), 32);
	end();
}

USER_TEST(allocated_memory_is_locked_by_being_there)
{
	struct hel_memory_info info;
	hel_handle memory;

	begin(4);
	CHECK_OK(hel_memory_allocate(8 * 4096, 0, &memory));
	CHECK_OK(lock(memory, 2, 4, HEL_LOCK_WRITE));
	CHECK_OK(hel_memory_info(memory, &info));
	CHECK_EQ(info.resident_bytes, 4 * 4096);
	CHECK_OK(hel_memory_unlock(memory, 2 * 4096, 4 * 4096, HEL_LOCK_WRITE));
	CHECK_OK(hel_close(HEL_THIS, memory));
	end();
}

TEST_MAIN()

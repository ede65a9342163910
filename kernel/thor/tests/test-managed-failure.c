/* SPDX-License-Identifier: MIT */
/*
 * Managed memory without memory: a course of calls and operations in which one allocation after the
 * other fails. Each answers ERR_NO_MEMORY or goes on without, nothing is left, and what was written
 * is never lost without an error.
 */
#include "managed-server.h"

#include <base/string.h>

constexpr uint64_t PAGES = 200; /* several nodes of a page tree */
constexpr uint32_t ALLOCATIONS_MAX = 2000;

static struct user_queue queue;
static struct completion completion;
static struct hel_managed_handles handles;
static uint32_t nth;
static bool has_failed;

/* An answer that is allowed when there is no memory. */
static bool is_done(int error)
{
	CHECK(error == 0 || error == -ERR_NO_MEMORY);
	return error == 0;
}

/* Whether the operation has completed well; one that was not even accepted counts as failed. */
static bool await(uint64_t context)
{
	if (!queue_await(&queue, context, &completion)) {
		submit_cancel(&queue, context);
		CHECK(queue_await(&queue, context, &completion));
		return false;
	}
	return completion.error == 0;
}

/* Answer requests until one of @kind is answered; false: there is none, or no memory. */
static bool answer(enum hel_manage_kind kind)
{
	struct hel_manage_result request;

	do {
		if (!await(submit_manage(&queue, handles.backing))) {
			return false;
		}
		request = *completion_request(&completion);
		bool is_read = request.kind == HEL_MANAGE_INITIALISE;

		if (!is_done(hel_memory_update(handles.backing,
			    is_read ? HEL_UPDATE_INITIALISED : HEL_UPDATE_WRITTEN_BACK,
			    request.offset, request.length, 0))) {
			return false;
		}
	} while (request.kind != kind);
	return true;
}

/* A page whose request ran out of memory was left out: it would be waited for. */
static bool is_there(uint64_t index)
{
	uint64_t word;
	uint64_t context =
		submit_lock(&queue, handles.frontal, index * HEL_PAGE_SIZE, HEL_PAGE_SIZE, 0);

	if (!await(context)) {
		return false;
	}
	CHECK_OK(hel_memory_unlock(handles.frontal, index * HEL_PAGE_SIZE, HEL_PAGE_SIZE, 0));
	return hel_memory_read(handles.frontal, index * HEL_PAGE_SIZE, &word, sizeof(word)) == 0;
}

/* Write to page @index of the frontal, if it is there. */
static bool store(uint64_t index)
{
	uint64_t word = index + 1;

	return is_there(index) &&
		is_done(hel_memory_write(
			handles.frontal, index * HEL_PAGE_SIZE, &word, sizeof(word)));
}

/* Have everything written back, as far as there is memory. */
static void write_back(void)
{
	uint64_t fence = submit_fence(&queue, handles.frontal, 0, PAGES * HEL_PAGE_SIZE);

	(void)queue_drive(&queue);
	while (answer(HEL_MANAGE_WRITE_BACK)) {
	}
	submit_cancel(&queue, fence);
	CHECK(queue_await(&queue, fence, &completion));
	CHECK(completion.error == 0 || fixture_has_failed());
}

static void change(uint64_t index)
{
	uint64_t seen = 0;

	if (!store(index)) {
		return;
	}
	write_back();
	if (is_done(hel_memory_read(handles.backing, index * HEL_PAGE_SIZE, &seen, sizeof(seen)))) {
		CHECK_EQ(seen, index + 1);
	}
}

/* With another page that is dirty, so that the set of dirty pages has to grow: both times. */
static void lock(uint64_t index, uint64_t other)
{
	(void)store(other);
	uint64_t context = submit_lock(
		&queue, handles.frontal, index * HEL_PAGE_SIZE, HEL_PAGE_SIZE, HEL_LOCK_WRITE);

	if (!await(context)) {
		return;
	}
	write_back();
	(void)store(other);
	while (!is_done(hel_memory_unlock(
		handles.frontal, index * HEL_PAGE_SIZE, HEL_PAGE_SIZE, HEL_LOCK_WRITE))) {
	}
}

static void use(void)
{
	hel_handle view;

	(void)hel_memory_advise(handles.frontal, HEL_ADVICE_WILL_NEED, 0, PAGES * HEL_PAGE_SIZE);
	for (uint64_t i = 0; i < PAGES; i += 64) {
		if (!answer(HEL_MANAGE_INITIALISE)) {
			return;
		}
	}
	change(1);
	change(150);
	lock(70, 1);
	if (is_there(0) &&
		is_done(hel_memory_copy_on_write(handles.frontal, 0, 8 * HEL_PAGE_SIZE, &view))) {
		uint64_t word = 9;

		(void)is_done(hel_memory_write(view, 0, &word, sizeof(word)));
		CHECK_OK(hel_close(HEL_THIS, view));
	}
	CHECK_OK(hel_memory_resize(handles.backing, 100 * HEL_PAGE_SIZE));
}

static void first_main(UNUSED void *context)
{
	struct hel_managed_handles made;

	CHECK_OK(queue_open(&queue, 8, 8192, 4096));
	fixture_fail_only(nth);
	if (is_done(hel_memory_create_managed(PAGES * HEL_PAGE_SIZE, 0, &made))) {
		handles = made;
		use();
		(void)hel_close(HEL_THIS, made.frontal);
		(void)hel_close(HEL_THIS, made.backing);
	}
	has_failed = fixture_has_failed();
	fixture_fail_after(~(uint64_t)0);
	queue_close(&queue);
}

TEST(every_allocation_may_fail)
{
	has_failed = true;
	for (nth = 0; has_failed; nth++) {
		CHECK(nth < ALLOCATIONS_MAX);
		machine_begin(1, 1);
		CHECK(machine_run(first_main, NULL));
		CHECK(machine_end());
	}
	CHECK(nth > 20);
}

TEST_MAIN()

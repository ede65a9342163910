/* SPDX-License-Identifier: MIT */
/* Limits of universes: programs that take what they can get, and others that do not notice. */
#include "machine.h"

#include <base/string.h>

#include <stdlib.h>

constexpr uint32_t GREEDY_MAX = 4000;

static const struct hel_limits unlimited = { HEL_UNLIMITED, HEL_UNLIMITED, HEL_UNLIMITED,
	HEL_UNLIMITED };

/* What a greedy program does again and again, and how that ended. */
struct greedy {
	int (*take)(struct greedy *greedy);
	uint32_t n_taken;
	int error;
	struct hel_account_info account; /* at the end */
	uint64_t address; /* a page of the shared space */
	hel_handle handle; /* for what `take` uses */
	struct user_queue queue;
};

static void greedy_main(void *context)
{
	struct greedy *greedy = context;
	struct hel_account_info account;

	while (greedy->error == 0 && greedy->n_taken < GREEDY_MAX) {
		greedy->error = greedy->take(greedy);
		greedy->n_taken += greedy->error == 0;
	}
	if (hel_universe_account(HEL_THIS, &account) == 0) {
		greedy->account = account;
	}
}

/* Run it in a universe with limits, until it has ended; the universe's handle, or HEL_NULL. */
static hel_handle greedy_run(struct greedy *greedy, const struct hel_limits *limits)
{
	struct hel_thread_args args = { .space = HEL_THIS, .ip = SIM_IP };
	struct user_queue queue;
	struct completion completion;
	uint64_t sequence = 0;
	hel_handle thread;

	greedy->address = user_map(1);
	if (hel_universe_create(&args.universe) != 0 ||
		hel_universe_set_limits(args.universe, limits) != 0) {
		return HEL_NULL;
	}
	args.tls_base = sim_program_create(greedy_main, greedy);
	if (hel_thread_create(&args, &thread) != 0 || hel_thread_start(thread) != 0 ||
		queue_open(&queue, 4, 4096, 4096) != 0) {
		return HEL_NULL;
	}
	do {
		if (!queue_await(&queue, submit_observe(&queue, thread, sequence), &completion) ||
			completion.error != 0) {
			return HEL_NULL;
		}
		sequence = completion_observation(&completion)->sequence;
	} while (completion_observation(&completion)->observation != HEL_OBSERVE_TERMINATED);
	queue_close(&queue);
	return hel_close(HEL_THIS, thread) == 0 ? args.universe : HEL_NULL;
}

static int take_token(UNUSED struct greedy *greedy)
{
	hel_handle handle;

	return hel_token_create(&handle);
}

static int take_event(UNUSED struct greedy *greedy)
{
	hel_handle handle;

	return hel_event_create(0, &handle);
}

static int take_universe(UNUSED struct greedy *greedy)
{
	hel_handle handle;

	return hel_universe_create(&handle);
}

static int take_space(UNUSED struct greedy *greedy)
{
	hel_handle handle;

	return hel_space_create(HEL_THIS, &handle);
}

static int take_memory(UNUSED struct greedy *greedy)
{
	hel_handle handle;

	return hel_memory_allocate(HEL_PAGE_SIZE, 0, &handle);
}

static int take_stream(UNUSED struct greedy *greedy)
{
	struct hel_stream_lanes lanes;

	return hel_stream_create(&lanes);
}

static int take_queue(UNUSED struct greedy *greedy)
{
	struct hel_queue_params params = { .n_chunks = 1, .chunk_size = 1024, .submit_size = 512 };
	hel_handle handle;

	return hel_queue_create(&params, &handle);
}

static int take_thread(UNUSED struct greedy *greedy)
{
	struct hel_thread_args args = { .universe = HEL_THIS, .space = HEL_THIS, .ip = SIM_IP };
	hel_handle handle;
	int error = hel_thread_create(&args, &handle);

	/* A thread that never ran and is named only in its own universe would keep that. */
	return error != 0 ? error : hel_thread_kill(handle);
}

USER_TEST(limits_are_set_by_who_may_manage)
{
	struct hel_account_info info;
	struct hel_limits limits = { 100'000, 50, 20, 10 };
	hel_handle universe, weak, token;

	CHECK_OK(hel_universe_create(&universe));
	CHECK_OK(hel_token_create(&token));
	CHECK_EQ(hel_universe_set_limits(HEL_THIS, &limits), -ERR_BAD_HANDLE);
	CHECK_EQ(hel_universe_set_limits(token, &limits), -ERR_BAD_TYPE);
	CHECK_EQ(hel_universe_set_limits(universe, NULL), -ERR_FAULT);
	CHECK_OK(hel_transfer(HEL_THIS, universe, HEL_THIS, HEL_RIGHT_READ, &weak));
	CHECK_EQ(hel_universe_set_limits(weak, &limits), -ERR_NO_RIGHTS);
	CHECK_OK(hel_universe_account(weak, &info));
	CHECK_MEM_EQ(&info.limits, &unlimited, sizeof(unlimited));
	CHECK_OK(hel_universe_set_limits(universe, &limits));
	CHECK_OK(hel_universe_account(weak, &info));
	CHECK_MEM_EQ(&info.limits, &limits, sizeof(limits));
	CHECK_EQ(info.used.n_handles, 0);
	CHECK_EQ(info.used.n_pages, 0);
	CHECK(info.used.kernel_bytes > 0);
	CHECK_EQ(hel_universe_account(token, &info), -ERR_BAD_TYPE);
	CHECK_EQ(hel_universe_account(universe, NULL), -ERR_FAULT);
	CHECK_OK(hel_transfer(HEL_THIS, universe, HEL_THIS, HEL_RIGHT_DERIVE, &weak));
	CHECK_EQ(hel_universe_account(weak, &info), -ERR_NO_RIGHTS);
}

USER_TEST(every_kind_of_object_stops_at_the_limit_of_bytes)
{
	static int (*const kinds[])(struct greedy *greedy) = { take_token, take_event,
		take_universe, take_space, take_memory, take_stream, take_queue, take_thread };

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct greedy *greedy = calloc(1, sizeof(*greedy));
		struct hel_limits limits = unlimited;
		hel_handle token;

		greedy->take = kinds[i];
		limits.kernel_bytes = 40'000;
		hel_handle universe = greedy_run(greedy, &limits);

		CHECK(universe != HEL_NULL);
		CHECK_EQ(greedy->error, -ERR_NO_MEMORY);
		CHECK(greedy->n_taken > 5);
		CHECK(greedy->n_taken < GREEDY_MAX);
		CHECK(greedy->account.used.kernel_bytes <= limits.kernel_bytes);
		/* Others do not notice. */
		CHECK_OK(hel_token_create(&token));
		CHECK_OK(hel_close(HEL_THIS, token));
		CHECK_OK(hel_close(HEL_THIS, universe));
		free(greedy);
	}
}

USER_TEST(handles_stop_at_their_limit_exactly)
{
	struct greedy *greedy = calloc(1, sizeof(*greedy));
	struct hel_limits limits = unlimited;
	hel_handle token, copy;

	greedy->take = take_token;
	limits.n_handles = 70;
	hel_handle universe = greedy_run(greedy, &limits);

	CHECK(universe != HEL_NULL);
	CHECK_EQ(greedy->error, -ERR_NO_MEMORY);
	CHECK_EQ(greedy->n_taken, 70);
	CHECK_EQ(greedy->account.used.n_handles, 70);
	/* Nor can others put any in. */
	CHECK_OK(hel_token_create(&token));
	CHECK_EQ(hel_transfer(HEL_THIS, token, universe, 0, &copy), -ERR_NO_MEMORY);
	limits.n_handles = 71;
	CHECK_OK(hel_universe_set_limits(universe, &limits));
	CHECK_OK(hel_transfer(HEL_THIS, token, universe, 0, &copy));
	CHECK_OK(hel_close(HEL_THIS, universe));
	free(greedy);
}

/* One page more of a memory object. */
static int take_page(struct greedy *greedy)
{
	if (greedy->handle == HEL_NULL) {
		int error = hel_memory_allocate(1000 * HEL_PAGE_SIZE, 0, &greedy->handle);

		if (error != 0) {
			return error;
		}
	}
	return hel_memory_write(
		greedy->handle, greedy->n_taken * HEL_PAGE_SIZE, (const void *)greedy->address, 1);
}

USER_TEST(pages_stop_at_their_limit_exactly)
{
	struct greedy *greedy = calloc(1, sizeof(*greedy));
	struct hel_limits limits = unlimited;

	greedy->take = take_page;
	limits.n_pages = 150;
	hel_handle universe = greedy_run(greedy, &limits);

	CHECK(universe != HEL_NULL);
	CHECK_EQ(greedy->error, -ERR_NO_MEMORY);
	CHECK_EQ(greedy->n_taken, 150);
	CHECK_EQ(greedy->account.used.n_pages, 150);
	CHECK_OK(hel_close(HEL_THIS, universe));
	free(greedy);
}

/* One await more. The queue's memory is mapped into the shared space. */
static int take_operation(struct greedy *greedy)
{
	if (greedy->handle == HEL_NULL) {
		int error = hel_event_create(0, &greedy->handle);

		if (error == 0) {
			error = queue_open(&greedy->queue, 4, 4096, 32768);
		}
		if (error != 0) {
			return error;
		}
	}
	(void)submit_event(&greedy->queue, greedy->handle, 0);
	return queue_drive(&greedy->queue);
}

USER_TEST(operations_stop_at_their_limit_exactly)
{
	struct greedy *greedy = calloc(1, sizeof(*greedy));
	struct hel_limits limits = unlimited;

	greedy->take = take_operation;
	limits.n_operations = 90;
	hel_handle universe = greedy_run(greedy, &limits);

	CHECK(universe != HEL_NULL);
	CHECK_EQ(greedy->error, -ERR_NO_MEMORY);
	CHECK_EQ(greedy->n_taken, 90);
	CHECK_EQ(greedy->account.used.n_operations, 90);
	CHECK_OK(hel_close(HEL_THIS, universe));
	free(greedy);
}

USER_TEST(limit_of_the_creator_holds_for_what_a_program_creates)
{
	struct greedy *greedy = calloc(1, sizeof(*greedy));
	struct hel_limits limits = unlimited;

	/* Each universe takes a chunk of bytes from its creator's account. */
	greedy->take = take_universe;
	limits.kernel_bytes = 200'000;
	hel_handle universe = greedy_run(greedy, &limits);

	CHECK(universe != HEL_NULL);
	CHECK_EQ(greedy->error, -ERR_NO_MEMORY);
	CHECK(greedy->n_taken >= 10);
	CHECK(greedy->account.used.kernel_bytes <= limits.kernel_bytes);
	CHECK_OK(hel_close(HEL_THIS, universe));
	free(greedy);
}

TEST_MAIN()

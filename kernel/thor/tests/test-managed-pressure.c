/* SPDX-License-Identifier: MIT */
/*
 * The page cache when memory is short: a machine of 32 MiB, objects of 48 MiB.
 *
 * TEST_SEED= repeats the random runs.
 */
#include "managed-server.h"

#include <base/random.h>
#include <thor/memory/page-cache.h>
#include <thor/memory/space.h>

constexpr uint64_t PAGES = 12288; /* 48 MiB */
constexpr uint64_t HOT_PAGES = 16;
constexpr uint64_t FREE_MIN = MIB(2); /* the reserve of so small a machine */

static struct user_queue queue;

static void begin(void)
{
	CHECK_OK(queue_open(&queue, 8, 8192, 4096));
	server_begin(PAGES);
	server_start();
}

static void end(void)
{
	server_end();
	queue_close(&queue);
}

static uint64_t resident_pages(void)
{
	struct page_cache_stats stats;

	page_cache_get_stats(&stats);
	return stats.n_pages;
}

USER_TEST(more_can_be_read_than_there_is_memory)
{
	uint64_t free_min = UINT64_MAX;

	begin();
	for (uint64_t i = 0; i < 2 * PAGES; i++) {
		CHECK_EQ(server_read(i % PAGES), server_word(i % PAGES));
		free_min = min_u64(free_min, frame_free_bytes());
	}
	CHECK(free_min >= FREE_MIN);
	/* What memory there is is used. */
	CHECK(resident_pages() > 4000);
	end();
}

USER_TEST(what_is_used_often_stays)
{
	begin();
	for (uint64_t i = HOT_PAGES; i < PAGES; i++) {
		CHECK_EQ(server_read(i), server_word(i));
		CHECK_EQ(server_read(i % HOT_PAGES), server_word(i % HOT_PAGES));
	}
	/* Otherwise nearly each of these accesses would bring a page. */
	CHECK(server.n_pages_read < PAGES + PAGES / 8);
	end();
}

USER_TEST(more_can_be_written_than_there_is_memory)
{
	uint64_t free_min = UINT64_MAX;

	begin();
	for (uint64_t i = 0; i < PAGES; i++) {
		server_write(i, i + 1);
		free_min = min_u64(free_min, frame_free_bytes());
	}
	CHECK(free_min >= FREE_MIN);
	for (uint64_t i = 0; i < PAGES; i++) {
		CHECK_EQ(server_read(i), i + 1);
	}
	end();
}

USER_TEST(the_cache_makes_room_for_anonymous_memory)
{
	constexpr uint64_t anonymous_pages = 5000;
	uint64_t word = 7;

	begin();
	for (uint64_t i = 0; i < PAGES; i++) {
		CHECK_EQ(server_read(i), server_word(i));
	}
	uint64_t address = user_map(anonymous_pages);

	for (uint64_t i = 0; i < anonymous_pages; i++) {
		sim_store(address + i * HEL_PAGE_SIZE, &word, sizeof(word));
	}
	CHECK(resident_pages() < 3000);
	CHECK_OK(hel_space_unmap(HEL_THIS, address, anonymous_pages * HEL_PAGE_SIZE));
	CHECK_EQ(server_read(5), server_word(5));
	end();
}

static void write_on(UNUSED void *context)
{
	for (uint64_t i = 0; i < PAGES; i++) {
		server_write(i, i + 1);
	}
}

USER_TEST(a_stuck_manager_keeps_only_its_share)
{
	constexpr uint64_t anonymous_pages = 5000;
	struct page_cache_stats stats;
	uint64_t word = 7;

	begin();
	for (uint64_t i = 0; i < 2000; i++) {
		CHECK_EQ(server_read(i), server_word(i));
	}
	server.is_stuck = true;
	hel_handle writer = user_start(write_on, NULL);

	sim_compute(1'000'000'000);
	page_cache_get_stats(&stats);
	/* An eighth of memory, unless the writer first met a page that has to be read. */
	CHECK(stats.n_unclean > 500);
	CHECK(stats.n_unclean <= 1024);
	/* Everybody else goes on. */
	uint64_t address = user_map(anonymous_pages);

	for (uint64_t i = 0; i < anonymous_pages; i++) {
		sim_store(address + i * HEL_PAGE_SIZE, &word, sizeof(word));
	}
	CHECK_OK(hel_space_unmap(HEL_THIS, address, anonymous_pages * HEL_PAGE_SIZE));
	CHECK_OK(hel_thread_kill(writer));
	(void)hel_close(HEL_THIS, writer);
	end();
}

/* ---- want of memory that a manager can end --------------------------------------------------- */

constexpr uint64_t MOMENT_NS = 100'000'000;

/* There are as many unclean pages as there may be; @delay_ns: for each request, 0: for good. */
static hel_handle begin_unclean(uint64_t delay_ns)
{
	begin();
	for (uint64_t i = 0; i < 2000; i++) {
		CHECK_EQ(server_read(i), server_word(i));
	}
	server.is_stuck = delay_ns == 0;
	server.delay_ns = delay_ns;
	hel_handle writer = user_start(write_on, NULL);

	sim_compute(1'000'000'000);
	CHECK_OK(hel_thread_kill(writer));
	return writer;
}

static void end_unclean(hel_handle writer)
{
	(void)hel_close(HEL_THIS, writer);
	server.delay_ns = 0;
	server.is_stuck = false;
	sim_compute(2 * MOMENT_NS); /* the request that it is at */
	end();
}

/* All that can be had without the manager, and some more. */
static uint64_t too_many_pages(void)
{
	struct page_cache_stats stats;

	page_cache_get_stats(&stats);
	CHECK(stats.n_unclean > 600);
	return frame_free_bytes() / HEL_PAGE_SIZE + stats.n_pages - stats.n_unclean + 400;
}

/* Also if that takes the manager a while. */
USER_TEST(who_wants_memory_waits_for_what_is_written)
{
	hel_handle writer = begin_unclean(MOMENT_NS);
	uint64_t n_pages = too_many_pages();
	uint64_t address = user_map(n_pages), start_ns = sim_time_ns;

	for (uint64_t i = 0; i < n_pages; i++) {
		sim_store(address + i * HEL_PAGE_SIZE, &i, sizeof(i));
	}
	CHECK(sim_time_ns - start_ns >= 3 * MOMENT_NS);
	for (uint64_t i = 0; i < n_pages; i++) {
		uint64_t word;

		sim_load(&word, address + i * HEL_PAGE_SIZE, sizeof(word));
		CHECK_EQ(word, i);
	}
	CHECK_OK(hel_space_unmap(HEL_THIS, address, n_pages * HEL_PAGE_SIZE));
	end_unclean(writer);
}

/* Of one that does nothing nothing is expected after a while. */
USER_TEST(who_wants_memory_does_not_wait_for_a_stuck_manager)
{
	hel_handle writer = begin_unclean(0);
	uint64_t n_bytes = too_many_pages() * HEL_PAGE_SIZE;
	uint64_t address = user_map(n_bytes / HEL_PAGE_SIZE), start_ns = sim_time_ns;

	CHECK_EQ(
		hel_space_populate(HEL_THIS, address, n_bytes, HEL_POPULATE_WRITE), -ERR_NO_MEMORY);
	CHECK(sim_time_ns - start_ns >= PAGE_CACHE_PATIENCE_NS);
	CHECK(sim_time_ns - start_ns < 2 * PAGE_CACHE_PATIENCE_NS);
	start_ns = sim_time_ns;
	CHECK_EQ(
		hel_space_populate(HEL_THIS, address, n_bytes, HEL_POPULATE_WRITE), -ERR_NO_MEMORY);
	CHECK(sim_time_ns - start_ns < MOMENT_NS);
	CHECK_OK(hel_space_unmap(HEL_THIS, address, n_bytes));
	end_unclean(writer);
}

static uint64_t free_min;

static void store_on(void *context)
{
	for (uint64_t i = 0; i < PAGES; i++) {
		sim_store((uint64_t)context + i * HEL_PAGE_SIZE, &i, sizeof(i));
		free_min = min_u64(free_min, frame_free_bytes());
	}
}

/* It gets what the page cache had, and is refused the rest at once. */
USER_TEST(a_program_leaves_memory_for_servers)
{
	begin();
	for (uint64_t i = 0; i < PAGES; i++) {
		CHECK_EQ(server_read(i), server_word(i));
	}
	uint64_t address = user_map(PAGES), start_ns = sim_time_ns;

	space_limit(arch_this_cpu()->active_space);
	free_min = UINT64_MAX;
	CHECK_EQ(fault_of(&queue, store_on, (void *)address), -ERR_NO_MEMORY);
	CHECK(free_min >= FREE_MIN / 2);
	CHECK(free_min < FREE_MIN + MIB(1));
	CHECK(resident_pages() < PAGES / 16);
	CHECK(sim_time_ns - start_ns < PAGE_CACHE_PATIENCE_NS);
	CHECK_OK(hel_space_unmap(HEL_THIS, address, PAGES * HEL_PAGE_SIZE));
	end();
}

USER_TEST(what_a_dead_manager_leaves_goes_first)
{
	struct page_cache_stats stats;
	uint64_t n_lost;

	begin();
	for (uint64_t i = 0; i < 500; i++) {
		server_write(i, i);
	}
	server.is_over = true;
	sim_compute(100'000'000);
	server.thread = HEL_NULL;
	page_cache_get_stats(&stats);
	n_lost = stats.n_lost;
	CHECK_OK(hel_close(HEL_THIS, server.handles.backing));
	sim_compute(100'000'000);
	page_cache_get_stats(&stats);
	CHECK(stats.n_lost > n_lost);
	CHECK_EQ(stats.n_unclean, 0);
	uint64_t address = user_map(7000);
	uint64_t word = 1;

	for (uint64_t i = 0; i < 7000; i++) {
		sim_store(address + i * HEL_PAGE_SIZE, &word, sizeof(word));
	}
	CHECK(resident_pages() < 300);
	CHECK_OK(hel_space_unmap(HEL_THIS, address, 7000 * HEL_PAGE_SIZE));
	end();
}

/* ---- several users on several CPUs ----------------------------------------------------------- */

constexpr uint64_t USERS = 3;
constexpr uint64_t TURNS = 4000;

static uint64_t model[PAGES];
static uint64_t run_seed;
static uint32_t n_done;
static bool is_wrong;

static void user_main(void *context)
{
	struct random random;

	random_init(&random, run_seed * USERS + (uint64_t)context);
	for (uint64_t i = 0; i < TURNS && !is_wrong; i++) {
		uint64_t index = random_below(&random, PAGES / USERS) * USERS + (uint64_t)context;

		if (random_chance(&random, 3)) {
			model[index] = random_u64(&random);
			server_write(index, model[index]);
		} else if (server_read(index) != model[index]) {
			is_wrong = true;
		}
	}
	n_done++;
}

static void first_main(UNUSED void *context)
{
	begin();
	n_done = 0;
	is_wrong = false;
	for (uint64_t i = 0; i < PAGES; i++) {
		model[i] = server_word(i);
	}
	/* Touched before, so that pages are dropped from the start. */
	for (uint64_t i = 0; i < 6000; i++) {
		CHECK_EQ(server_read(i), server_word(i));
	}
	for (uint64_t i = 0; i < USERS; i++) {
		CHECK(user_start(user_main, (void *)i) != HEL_NULL);
	}
	while (n_done < USERS) {
		sim_compute(1'000'000);
	}
	end();
}

TEST(several_users_lose_nothing)
{
	for (uint64_t i = 0; i < 3; i++) {
		run_seed = test_seed(1) + i;
		machine_begin(1 + (uint32_t)i, run_seed);
		sim_interleave(i == 0 ? 0 : 16u << i);
		CHECK(machine_run(first_main, NULL));
		CHECK(!is_wrong);
		CHECK_EQ(n_done, USERS);
		CHECK(machine_end());
	}
}

TEST_MAIN()

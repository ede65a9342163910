/* SPDX-License-Identifier: MIT */
/* Clock, randomness, ports, statistics, log. */
#include "test.h"

TEST(clock_advances)
{
	uint64_t first = test_now();
	uint64_t second = test_now();

	CHECK(second >= first);
	CHECK(first > 0);
}

TEST(clock_page_agrees)
{
	struct hel_map_args args = { .space = HEL_THIS, .size_bytes = 4096, .flags = HEL_MAP_READ };
	uint64_t address, low_ns, high_ns, write_address;

	CHECK_EQ(hel_clock_page(&args.memory), 0);
	CHECK_EQ(hel_space_map(&args, &address), 0);
	const volatile struct hel_clock_page *page = (void *)address;

	low_ns = test_now();
	uint32_t tsc_low, tsc_high;

	__asm__ volatile("rdtsc" : "=a"(tsc_low), "=d"(tsc_high));
	uint64_t ticks = ((uint64_t)tsc_high << 32 | tsc_low) - page->base_tsc;
	uint64_t page_ns =
		page->base_ns + (uint64_t)(((unsigned __int128)ticks * page->multiplier) >> 32);

	high_ns = test_now();
	CHECK_EQ(page->sequence % 2, 0);
	CHECK(page_ns >= low_ns);
	CHECK(page_ns <= high_ns);
	args.flags = HEL_MAP_READ | HEL_MAP_WRITE;
	CHECK_EQ(hel_space_map(&args, &write_address), -ERR_NO_RIGHTS);
	unmap_pages(address, 4096);
	hel_close(HEL_THIS, args.memory);
}

TEST(random_differs)
{
	uint8_t a[256] = {}, b[256] = {};
	unsigned n_equal = 0;

	CHECK_EQ(hel_random(a, sizeof(a)), 0);
	CHECK_EQ(hel_random(b, sizeof(b)), 0);
	for (size_t i = 0; i < sizeof(a); i++) {
		n_equal += a[i] == b[i];
	}
	CHECK(n_equal < 20);
	CHECK_EQ(hel_random(a, 257), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_random((void *)8, 16), -ERR_FAULT);
	CHECK_EQ(hel_random(NULL, 0), 0);
}

TEST(log_checks_arguments)
{
	CHECK_EQ(hel_log(test_log, (enum hel_log_level)17, "x", 1), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_log(test_log, HEL_LOG_INFO, (void *)8, 10), -ERR_FAULT);
	CHECK_EQ(hel_log(test_queue.handle, HEL_LOG_INFO, "x", 1), -ERR_BAD_TYPE);
	CHECK_EQ(hel_log(HEL_NULL, HEL_LOG_INFO, "x", 1), -ERR_BAD_HANDLE);
}

TEST(log_is_read_back)
{
	static char text[65536 + 1];
	uint64_t offset = 0;
	size_t size = 0;

	if (test_authority == HEL_NULL) {
		return;
	}
	native_print("# a line\nwith a \x1b control character");
	CHECK_EQ(hel_log_read(test_authority, &offset, text, sizeof(text) - 1, &size), 0);
	text[size] = '\0';
	CHECK(strstr(text, "# a line with a   control character") != NULL);
	CHECK_EQ(hel_log_read(test_authority, &offset, text, sizeof(text) - 1, &size), 0);
	CHECK_EQ(size, 0);
	CHECK_EQ(hel_log_read(test_authority, (void *)8, text, 10, &size), -ERR_FAULT);
	offset = 0;
	CHECK_EQ(hel_log_read(test_authority, &offset, (void *)8, 10, &size), -ERR_FAULT);
}

TEST(stats_make_sense)
{
	struct hel_kernel_stats stats;

	CHECK_EQ(hel_kernel_stats(HEL_NULL, &stats), -ERR_BAD_HANDLE);
	if (test_authority == HEL_NULL) {
		return;
	}
	CHECK_EQ(hel_kernel_stats(test_authority, &stats), 0);
	CHECK_EQ(stats.n_cpus, test_start->n_cpus);
	CHECK(stats.n_threads >= 1);
	CHECK(stats.memory_free_bytes < stats.memory_total_bytes);
	CHECK(stats.n_calls > 100);
	CHECK_EQ(hel_kernel_stats(test_authority, (void *)8), -ERR_FAULT);
}

TEST(io_ports_are_limited)
{
	hel_handle io, read_only;
	uint32_t value;

	CHECK_EQ(hel_io_create(HEL_NULL, 0x70, 2, &io), -ERR_BAD_HANDLE);
	if (test_authority == HEL_NULL) {
		return;
	}
	CHECK_EQ(hel_io_create(test_authority, 0xffff, 2, &io), -ERR_OUT_OF_BOUNDS);
	CHECK_EQ(hel_io_create(test_authority, 0, 0, &io), -ERR_OUT_OF_BOUNDS);
	CHECK_EQ(hel_io_create(test_authority, 0x70, 2, &io), 0);
	/* The clock chip's status register D: valid RAM and time. */
	CHECK_EQ(hel_io_write(io, 0, 1, 0x0d), 0);
	CHECK_EQ(hel_io_read(io, 1, 1, &value), 0);
	CHECK_EQ(value & 0x80, 0x80);
	CHECK_EQ(hel_io_read(io, 2, 1, &value), -ERR_OUT_OF_BOUNDS);
	CHECK_EQ(hel_io_read(io, 1, 2, &value), -ERR_OUT_OF_BOUNDS);
	CHECK_EQ(hel_io_read(io, 0, 3, &value), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_io_write(io, 0xffff'ffff, 4, 0), -ERR_OUT_OF_BOUNDS);
	CHECK_EQ(hel_transfer(HEL_THIS, io, HEL_THIS, HEL_RIGHT_READ, &read_only), 0);
	CHECK_EQ(hel_io_write(read_only, 0, 1, 0), -ERR_NO_RIGHTS);
	hel_close(HEL_THIS, io);
	hel_close(HEL_THIS, read_only);
}

/*
 * What the tests before this one have made and dropped must be gone: nearly the same free memory
 * after another run of it all.
 */
static uint64_t free_bytes(void)
{
	struct hel_kernel_stats stats = {};

	(void)hel_kernel_stats(test_authority, &stats);
	return stats.memory_free_bytes;
}

static void use_fpu(UNUSED struct worker *worker)
{
	__asm__ volatile("pxor %%xmm0, %%xmm0" : : : "xmm0");
}

/*
 * A thread of its own space and universe that ends by a kill, and one of ours that ends by
 * itself.
 */
static bool use_thread(void)
{
	struct hel_thread_args args = { .ip = 0x1000 };
	struct worker worker;
	hel_handle thread;

	if (hel_space_fork(HEL_THIS, HEL_THIS, &args.space) != 0 ||
		hel_universe_create(&args.universe) != 0 ||
		hel_thread_create(&args, &thread) != 0) {
		return false;
	}
	hel_close(HEL_THIS, args.space);
	hel_close(HEL_THIS, args.universe);
	if (hel_thread_start(thread) != 0 || hel_thread_kill(thread) != 0) {
		return false;
	}
	hel_close(HEL_THIS, thread);
	return worker_start(&worker, use_fpu, NULL) && worker_join(&worker);
}

static bool use_memory(void)
{
	struct hel_queue_client client;
	struct hel_stream_lanes lanes;
	hel_handle space, universe, inside;

	if (!make_queue(&client, 4, 4096, 4096) || hel_stream_create(&lanes) != 0 ||
		hel_space_fork(HEL_THIS, HEL_THIS, &space) != 0 ||
		hel_universe_create(&universe) != 0 ||
		hel_transfer(HEL_THIS, lanes.lane[0], universe, 0, &inside) != 0) {
		return false;
	}
	hel_close(HEL_THIS, space);
	hel_close(HEL_THIS, universe);
	hel_close(HEL_THIS, lanes.lane[0]);
	hel_close(HEL_THIS, lanes.lane[1]);
	drop_queue(&client);
	return use_thread();
}

TEST(zz_memory_comes_back)
{
	if (test_authority == HEL_NULL) {
		return;
	}
	for (unsigned i = 0; i < 50; i++) {
		CHECK(use_memory());
	}
	uint64_t before = free_bytes();

	for (unsigned i = 0; i < 300; i++) {
		CHECK(use_memory());
	}
	uint64_t after = free_bytes();

	CHECK(after + KIB(512) >= before);
}

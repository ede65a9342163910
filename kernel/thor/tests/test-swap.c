/* SPDX-License-Identifier: MIT */
/*
 * Swappable memory and a swap manager, on a machine of 32 MiB, much of which is taken: each page is
 * what was written to it, wherever it has been meanwhile; or it is lost with the manager, and then
 * that is told.
 */
#include "managed-server.h"
#include "swap-server.h"

#include <thor/memory/page-cache.h>
#include <thor/memory/swappable.h>

constexpr uint64_t PAGE = HEL_PAGE_SIZE;
constexpr uint64_t PAGES = SWAP_PRESS_PAGES;
constexpr uint64_t FREE_MIN = KIB(256);

static uint64_t swapped_pages(hel_handle memory)
{
	struct hel_memory_info info;

	CHECK_OK(hel_memory_info(memory, &info));
	return info.swapped_bytes / PAGE;
}

static void touch_main(void *context)
{
	(void)swap_load((uint64_t)context);
}

static int fault_at(uint64_t address)
{
	struct user_queue queue;

	CHECK_OK(queue_open(&queue, 4, 4096, 4096));
	int error = fault_of(&queue, touch_main, (void *)address);

	queue_close(&queue);
	return error;
}

/* ---- cases ----------------------------------------------------------------------------------- */

USER_TEST(more_memory_than_there_is)
{
	hel_handle memory;
	struct hel_memory_info info;
	uint64_t free_min = UINT64_MAX;

	swap_begin();
	CHECK_OK(hel_memory_allocate(PAGES * PAGE, HEL_ALLOCATE_SWAPPABLE, &memory));
	uint64_t address = swap_map_memory(memory, PAGES, 0);

	for (uint64_t round = 0; round < 2; round++) {
		for (uint64_t i = 0; i < PAGES; i++) {
			swap_store(address + i * PAGE, round << 32 | i);
			free_min = min_u64(free_min, frame_free_bytes());
		}
		swap_check(address, PAGES, round << 32);
	}
	CHECK(free_min >= FREE_MIN);
	CHECK_OK(hel_memory_info(memory, &info));
	CHECK_EQ(info.kind, HEL_MEMORY_COPY_ON_WRITE);
	CHECK_EQ(info.resident_bytes + info.swapped_bytes, PAGES * PAGE);
	CHECK(info.swapped_bytes > MIB(4));
	CHECK(swap_server.n_pages_written > 2000);
	CHECK_OK(hel_close(HEL_THIS, memory));
	swap_unmap(address, PAGES);
	swap_end();
}

USER_TEST(anonymous_memory_comes_back)
{
	swap_begin();
	uint64_t address = swap_map(PAGES);
	uint64_t plain = user_map(64);

	swap_fill(plain, 64, 900);
	swap_fill(address, PAGES, 1);
	swap_check(address, PAGES, 1);
	swap_check(plain, 64, 900);
	struct hel_mapping_info info;

	CHECK_OK(hel_space_query(HEL_THIS, address, &info));
	CHECK((info.flags & HEL_MAP_SWAPPABLE) != 0);
	CHECK(info.resident_bytes < MIB(16));
	/* Gone, and then zero. */
	CHECK_OK(hel_space_discard(HEL_THIS, address, PAGES * PAGE));
	CHECK_EQ(swap_load(address + 5 * PAGE), 0);
	swap_unmap(address, PAGES);
	swap_end();
}

USER_TEST(without_a_manager_it_is_plain_memory)
{
	uint64_t address = swap_map(4000);

	swap_fill(address, 4000, 1);
	swap_check(address, 4000, 1);
	swap_unmap(address, 4000);
}

USER_TEST(what_makes_no_sense_is_refused)
{
	hel_handle memory, other;
	struct hel_map_args args = {
		.space = HEL_THIS,
		.size_bytes = PAGE,
		.flags = HEL_MAP_READ | HEL_MAP_SWAPPABLE,
	};
	uint64_t address, phys;

	CHECK_EQ(hel_memory_create_swap(machine_authority, 0, &other), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_memory_create_swap(machine_authority, 100, &other), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_memory_create_swap(machine_authority, (uint64_t)1 << 60, &other),
		-ERR_ILLEGAL_ARGS);
	fixture_fail_after(0);
	CHECK_EQ(hel_memory_create_swap(machine_authority, PAGE, &other), -ERR_NO_MEMORY);
	CHECK_EQ(hel_memory_allocate(PAGE, HEL_ALLOCATE_SWAPPABLE, &memory), -ERR_NO_MEMORY);
	fixture_fail_after(~(uint64_t)0);
	CHECK_OK(hel_memory_create_swap(machine_authority, PAGE, &other));
	CHECK_EQ(hel_memory_create_swap(machine_authority, PAGE, &memory), -ERR_BUSY);
	CHECK_EQ(hel_memory_resize(other, 2 * PAGE), -ERR_ILLEGAL_ARGS);
	CHECK_OK(hel_close(HEL_THIS, other));
	CHECK_EQ(hel_memory_allocate(
			 PAGE, HEL_ALLOCATE_SWAPPABLE | HEL_ALLOCATE_CONTIGUOUS, &memory),
		-ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_space_map(&args, &address), -ERR_ILLEGAL_ARGS);
	CHECK_OK(hel_memory_allocate(PAGE, HEL_ALLOCATE_SWAPPABLE, &memory));
	args.flags |= HEL_MAP_FORK_COPY;
	args.memory = memory;
	CHECK_EQ(hel_space_map(&args, &address), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_memory_pin(memory, 0, PAGE, &phys), -ERR_UNSUPPORTED);
	/* The next one, when the last is gone. */
	CHECK_OK(hel_memory_create_swap(machine_authority, PAGE, &other));
}

/* Pages come and go one by one: to ask for both is refused, a mapping's wish comes to nothing. */
USER_TEST(no_large_pages)
{
	constexpr uint64_t N = 4 * ARCH_LARGE_PAGES;
	constexpr uint64_t BOTH = HEL_ALLOCATE_SWAPPABLE | HEL_ALLOCATE_LARGE;
	struct hel_map_args args = {
		.space = HEL_THIS,
		.size_bytes = N * PAGE,
		.flags = HEL_MAP_READ | HEL_MAP_WRITE | HEL_MAP_FORK_COPY | HEL_MAP_SWAPPABLE |
			HEL_MAP_LARGE,
	};
	struct hel_mapping_info info;
	hel_handle memory;
	uint64_t address;

	CHECK_EQ(hel_memory_allocate(N * PAGE, BOTH, &memory), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_space_map(&args, &address), -ERR_ILLEGAL_ARGS);
	CHECK_OK(hel_memory_allocate(N * PAGE, HEL_ALLOCATE_SWAPPABLE, &memory));
	address = swap_map_memory(memory, N, HEL_MAP_LARGE);
	swap_fill(address, N, 1);
	CHECK_OK(hel_space_query(HEL_THIS, address, &info));
	CHECK_EQ(info.resident_bytes, N * PAGE);
	CHECK_EQ(info.large_bytes, 0);
	/* They go out as ever. */
	swap_begin();
	swap_press();
	CHECK(swapped_pages(memory) > N / 2);
	swap_check(address, N, 1);
	swap_unmap(address, N);
	CHECK_OK(hel_close(HEL_THIS, memory));
	swap_end();
}

/* ---- forks ----------------------------------------------------------------------------------- */

constexpr uint64_t FORK_PAGES = 500;
constexpr uint32_t GENERATIONS = 4;

/* Each generation forks what the last left, changes some pages, and is pressed out of memory. */
USER_TEST(forks_share_what_is_out)
{
	hel_handle children[GENERATIONS];
	uint64_t buffer = user_map(1);
	size_t n_bytes;

	swap_begin();
	uint64_t address = swap_map(FORK_PAGES);

	swap_fill(address, FORK_PAGES, 1000);
	for (uint64_t i = 0; i < GENERATIONS; i++) {
		swap_press();
		CHECK_OK(hel_space_fork(HEL_THIS, HEL_THIS, &children[i]));
		swap_press();
		for (uint64_t page = i; page < FORK_PAGES; page += 7) {
			swap_store(address + page * PAGE, (i + 1) << 32 | page);
		}
	}
	swap_press();
	for (uint64_t i = 0; i < GENERATIONS; i++) {
		for (uint64_t page = 0; page < FORK_PAGES; page++) {
			/* The child has what the generations before it wrote. */
			uint64_t word = page % 7 < i ? (page % 7 + 1) << 32 | page : 1000 + page;

			CHECK_OK(hel_space_read(
				children[i], address + page * PAGE, (void *)buffer, 8, &n_bytes));
			CHECK_OK(hel_space_read(children[i], address + page * PAGE + SWAP_LAST_WORD,
				(void *)(buffer + SWAP_LAST_WORD), 8, &n_bytes));
			CHECK_EQ(swap_load(buffer), word);
		}
		if (i % 2 == 0) {
			CHECK_OK(hel_close(HEL_THIS, children[i]));
		}
	}
	swap_unmap(address, FORK_PAGES);
	for (uint64_t i = 1; i < GENERATIONS; i += 2) {
		CHECK_OK(hel_close(HEL_THIS, children[i]));
	}
	swap_end();
}

/*
 * A page that was brought for two and is only read by one is in the same slot again afterwards, and
 * goes. (In two slots at once it would stay for ever.)
 */
USER_TEST(what_forks_share_goes_again)
{
	constexpr uint64_t N = 2000;
	constexpr uint64_t REST = 1000;
	hel_handle child;

	swap_begin();
	uint64_t n_plain = frame_free_bytes() / PAGE - REST;
	uint64_t address = swap_map(N);

	swap_fill(address, N, 1);
	swap_press();
	CHECK_OK(hel_space_fork(HEL_THIS, HEL_THIS, &child));
	swap_press();
	swap_check(address, N, 1);
	swap_press();
	uint64_t plain = user_map(n_plain);

	for (uint64_t i = 0; i < n_plain; i++) {
		swap_store(plain + i * PAGE, i);
		/* Plain memory does not wait for the manager. */
		sim_compute(20'000);
	}
	swap_check(plain, n_plain, 0);
	swap_unmap(plain, n_plain);
	swap_check(address, N, 1);
	CHECK_OK(hel_close(HEL_THIS, child));
	swap_unmap(address, N);
	swap_end();
}

USER_TEST(copies_resizes_and_slots)
{
	constexpr uint64_t N = 600;
	hel_handle memory, copy, indirect;

	swap_begin();
	CHECK_OK(hel_memory_allocate(N * PAGE, HEL_ALLOCATE_SWAPPABLE, &memory));
	uint64_t address = swap_map_memory(memory, N, 0);

	swap_fill(address, N, 50);
	swap_press();
	CHECK(swapped_pages(memory) > N / 2);
	CHECK_OK(hel_memory_copy_on_write(memory, 100 * PAGE, 300 * PAGE, &copy));
	CHECK(swapped_pages(copy) > 150);
	swap_fill(address + 100 * PAGE, 300, 5000);
	CHECK_OK(hel_memory_indirect_create(
		1, 512 * PAGE, HEL_MAP_READ | HEL_MAP_WRITE, 1, &indirect));
	CHECK_OK(hel_memory_indirect_set(indirect, 0, copy, 0, 300 * PAGE));
	uint64_t through = swap_map_memory(indirect, 512, 0);

	swap_press();
	swap_check(through, 300, 150);
	swap_check(address, 100, 50);
	swap_check(address + 100 * PAGE, 300, 5000);
	swap_press();
	CHECK_OK(hel_memory_resize(memory, 200 * PAGE));
	CHECK_OK(hel_memory_resize(memory, N * PAGE));
	swap_check(address, 100, 50);
	CHECK_EQ(swap_load(address + 300 * PAGE), 0);
	CHECK_OK(hel_close(HEL_THIS, copy));
	CHECK_OK(hel_close(HEL_THIS, indirect));
	swap_check(through, 300, 150);
	swap_end();
}

USER_TEST(moves_take_along_what_is_out)
{
	constexpr uint64_t N = 900;

	swap_begin();
	uint64_t address = swap_map(N);

	swap_fill(address, N, 70);
	swap_press();
	/* The middle goes to an object of its own, the rest moves as it is. */
	CHECK_OK(hel_space_move(
		HEL_THIS, address + 300 * PAGE, 300 * PAGE, 0x4000'0000, 300 * PAGE));
	swap_press();
	swap_check(0x4000'0000, 300, 370);
	swap_check(address, 300, 70);
	CHECK_OK(hel_space_move(HEL_THIS, 0x4000'0000, 300 * PAGE, 0x6000'5000, 300 * PAGE));
	swap_press();
	swap_check(0x6000'5000, 300, 370);
	fixture_fail_after(0);
	CHECK_EQ(hel_space_move(HEL_THIS, address + 100 * PAGE, 50 * PAGE, 0x7000'0000, 50 * PAGE),
		-ERR_NO_MEMORY);
	fixture_fail_after(~(uint64_t)0);
	swap_check(address + 600 * PAGE, 300, 670);
	swap_check(address, 300, 70);
	swap_unmap(address, N);
	swap_unmap(0x6000'5000, 300);
	swap_end();
}

/* ---- managers that fail ---------------------------------------------------------------------- */

USER_TEST(what_is_out_is_lost_with_its_manager)
{
	constexpr uint64_t N = 2000;
	hel_handle memory;
	uint64_t n_lost = 0, n_kept = 0;

	swap_begin();
	CHECK_OK(hel_memory_allocate(N * PAGE, HEL_ALLOCATE_SWAPPABLE, &memory));
	uint64_t address = swap_map_memory(memory, N, 0);

	swap_fill(address, N, 1);
	swap_press();
	/* Some are in memory again, some may be on their way out. */
	swap_check(address + 500 * PAGE, 200, 501);
	swap_end();
	for (uint64_t i = 0; i < N; i++) {
		uint64_t word;
		int error = hel_memory_read(memory, i * PAGE, &word, sizeof(word));

		if (error == 0) {
			CHECK_EQ(word, i + 1);
			n_kept++;
		} else {
			CHECK_EQ(error, -ERR_IO);
			n_lost++;
		}
	}
	CHECK(n_kept >= 200);
	CHECK(n_lost > 500);
	/* It goes on as plain memory, and then with another manager. */
	hel_handle second;

	CHECK_OK(hel_memory_allocate(N * PAGE, HEL_ALLOCATE_SWAPPABLE, &second));
	uint64_t other = swap_map_memory(second, N, 0);

	swap_fill(other, N, 9);
	swap_begin();
	swap_press();
	swap_check(other, N, 9);
	for (uint64_t i = 0; i < N; i++) {
		uint64_t word;

		if (hel_memory_read(memory, i * PAGE, &word, sizeof(word)) == 0) {
			CHECK_EQ(word, i + 1);
			n_kept--;
		}
	}
	CHECK_EQ(n_kept, 0);
	swap_end();
}

USER_TEST(a_fault_tells_of_what_is_lost)
{
	swap_begin();
	uint64_t address = swap_map(100);

	swap_fill(address, 100, 1);
	swap_press();
	swap_press();
	swap_server.fails_reads = true;
	CHECK_EQ(fault_at(address + 50 * PAGE), -ERR_IO);
	swap_server.fails_reads = false;
	swap_check(address, 100, 1);
	swap_press();
	swap_press();
	swap_end();
	CHECK_EQ(fault_at(address + 20 * PAGE), -ERR_IO);
}

USER_TEST(what_cannot_be_written_stays)
{
	swap_begin();
	swap_server.fails_writes = true;
	uint64_t address = swap_map(2500);

	swap_fill(address, 2500, 1);
	uint64_t other = swap_map(1000);

	swap_fill(other, 1000, 1);
	swap_check(address, 2500, 1);
	CHECK(swap_server.n_pages_written > 0);
	swap_server.fails_writes = false;
	swap_fill(other, 1000, 7);
	swap_check(address, 2500, 1);
	swap_check(other, 1000, 7);
	swap_unmap(address, 2500);
	swap_unmap(other, 1000);
	swap_end();
}

static void write_on(void *context)
{
	swap_fill((uint64_t)context, PAGES, 1);
}

/* Who writes more than there is memory waits; others go on; and it can be killed. */
USER_TEST(a_stuck_manager_blocks_its_users_only)
{
	constexpr uint64_t OTHERS = 60;

	swap_begin();
	swap_server.is_stuck = true;
	uint64_t address = swap_map(PAGES);
	hel_handle writer = user_start(write_on, (void *)address);

	sim_compute(2'000'000'000);
	CHECK(swap_server.n_pages_written > 0);
	uint64_t other = user_map(OTHERS);

	swap_fill(other, OTHERS, 3);
	swap_check(other, OTHERS, 3);
	CHECK(frame_free_bytes() >= FREE_MIN);
	/* What went meanwhile is told to whoever waits. */
	swap_unmap(address + 1000 * PAGE, 1000);
	sim_compute(1'000'000'000);
	CHECK_OK(hel_thread_kill(writer));
	(void)hel_close(HEL_THIS, writer);
	swap_check(address, 500, 1);
	swap_unmap(address, PAGES);
	swap_end();
}

static _Atomic uint64_t n_stored;

static void store_on(void *context)
{
	for (uint64_t i = 0; i < PAGES; i++) {
		swap_store((uint64_t)context + i * PAGE, i + 1);
		atomic_store(&n_stored, i + 1);
	}
}

/* Long before the pages that were put out, and that the manager does not write, are old. */
USER_TEST(memory_from_elsewhere_is_found_soon)
{
	swap_begin();
	swap_server.is_stuck = true;
	atomic_store(&n_stored, 0);
	uint64_t address = swap_map(PAGES);
	hel_handle writer = user_start(store_on, (void *)address);

	sim_compute(2'000'000'000);
	uint64_t n_before = atomic_load(&n_stored);

	CHECK(n_before < PAGES);
	CHECK_OK(hel_close(HEL_THIS, swap_server.ballasts[0]));
	sim_compute(200'000'000);
	CHECK(atomic_load(&n_stored) > n_before);
	CHECK_OK(hel_thread_kill(writer));
	(void)hel_close(HEL_THIS, writer);
	swap_server.ballasts[0] = HEL_NULL;
	swap_unmap(address, PAGES);
	swap_end();
}

/* ---- every allocation may fail --------------------------------------------------------------- */

static uint64_t nth;
static bool has_failed;

static void fail_main(UNUSED void *context)
{
	constexpr uint64_t N = 200;
	hel_handle memory, copy = HEL_NULL;

	swap_begin();
	CHECK_OK(hel_memory_allocate(N * PAGE, HEL_ALLOCATE_SWAPPABLE, &memory));
	uint64_t address = swap_map_memory(memory, N, 0);

	swap_fill(address, N, 1);
	swap_press();
	fixture_fail_only(nth);
	if (hel_memory_copy_on_write(memory, 0, N * PAGE, &copy) != 0) {
		copy = HEL_NULL;
	}

	for (uint64_t i = 0; i < N; i++) {
		uint64_t word;
		int error = hel_memory_read(memory, i * PAGE, &word, sizeof(word));

		CHECK(error == 0 || error == -ERR_NO_MEMORY || error == -ERR_IO ||
			error == -ERR_FAULT);
		if (error == 0) {
			CHECK_EQ(word, i + 1);
			word = ~word;
			error = hel_memory_write(
				memory, i * PAGE + SWAP_LAST_WORD, &word, sizeof(word));
			CHECK(error == 0 || error == -ERR_NO_MEMORY);
		}
	}
	has_failed = fixture_has_failed();
	fixture_fail_after(~(uint64_t)0);
	swap_check(address, N, 1);
	if (copy != HEL_NULL) {
		uint64_t other = swap_map_memory(copy, N, 0);

		swap_check(other, N, 1);
	}
	swap_end();
}

TEST(every_allocation_may_fail)
{
	has_failed = true;
	for (nth = 0; has_failed && nth < 400; nth += nth < 20 ? 1 : 1 + nth / 4) {
		machine_begin(1, 1);
		CHECK(machine_run(fail_main, NULL));
		CHECK(machine_end());
	}
	CHECK(nth > 10);
}

TEST_MAIN()

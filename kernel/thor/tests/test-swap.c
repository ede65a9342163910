/* SPDX-License-Identifier: MIT */
/*
 * Swappable memory and a swap manager, on a machine of 32 MiB, much of which is taken: each page is
 * what was written to it, wherever it has been meanwhile; or it is lost with the manager, and then
 * that is told.
 *
 * TEST_SEED= repeats the random runs.
 */
#include "managed-server.h"

#include <base/string.h>
#include <thor/memory/page-cache.h>
#include <thor/memory/swappable.h>

constexpr uint64_t PAGE = HEL_PAGE_SIZE;
constexpr uint64_t PAGES = 5000; /* more than there are */
constexpr uint32_t BALLASTS = 4; /* of 4 MiB */
constexpr uint64_t SLOTS = 32768;
constexpr uint64_t LAST_WORD = PAGE - sizeof(uint64_t);
constexpr uint64_t FREE_MIN = KIB(256);

/* ---- the swap manager ------------------------------------------------------------------------ */

static struct {
	hel_handle backing;
	uint64_t disk[SLOTS][2]; /* the first and the last word of each page */
	hel_handle thread, ballasts[BALLASTS];
	bool is_over;

	/* how it behaves */
	uint64_t delay_ns;
	bool is_stuck, fails_reads, fails_writes;
	bool fails_at_random; /* some of the writes */
	struct random random;

	uint64_t n_pages_read, n_pages_written;
	bool is_wrong; /* it was asked for what it does not have */
} swap;

static bool swap_move(const struct hel_manage_result *request)
{
	for (uint64_t done = 0; done < request->length; done += PAGE) {
		uint64_t offset = request->offset + done;
		uint64_t *words = swap.disk[offset / PAGE];
		bool is_read = request->kind == HEL_MANAGE_INITIALISE;

		for (uint64_t i = 0; i < 2; i++) {
			uint64_t at = offset + i * LAST_WORD;
			uint64_t word = words[i];
			int error = is_read ? hel_memory_write(swap.backing, at, &word, 8)
					    : hel_memory_read(swap.backing, at, &word, 8);

			words[i] = word;
			if (error != 0) {
				CHECK_EQ(error, -ERR_NO_MEMORY);
				return false;
			}
		}
	}
	return true;
}

static void swap_answer(const struct hel_manage_result *request)
{
	bool is_read = request->kind == HEL_MANAGE_INITIALISE;
	bool fails = is_read ? swap.fails_reads : swap.fails_writes;

	*(is_read ? &swap.n_pages_read : &swap.n_pages_written) += request->length / PAGE;
	if (swap.delay_ns > 0) {
		sim_compute(swap.delay_ns);
	}
	while (swap.is_stuck && !swap.is_over) {
		sim_compute(1'000'000);
	}
	fails = fails || (!is_read && swap.fails_at_random && random_chance(&swap.random, 3)) ||
		!swap_move(request);
	enum hel_update kind = is_read
		? (fails ? HEL_UPDATE_INITIALISE_FAILED : HEL_UPDATE_INITIALISED)
		: (fails ? HEL_UPDATE_WRITE_BACK_FAILED : HEL_UPDATE_WRITTEN_BACK);
	int error;

	do {
		error = hel_memory_update(
			swap.backing, kind, request->offset, request->length, fails ? -ERR_IO : 0);
	} while (error == -ERR_NO_MEMORY);
	CHECK_OK(error);
}

static void swap_main(UNUSED void *context)
{
	struct user_queue queue;
	struct completion completion;

	CHECK_OK(queue_open(&queue, 8, 8192, 4096));
	while (!swap.is_over) {
		uint64_t request = submit_manage(&queue, swap.backing);
		uint64_t deadline_ns = sim_time_ns + 10'000'000;

		(void)queue_drive(&queue);
		while (!queue_take(&queue, &completion)) {
			if (hel_drive(queue.client.handle, HEL_DRIVE_WAIT, queue.client.n_taken,
				    deadline_ns, NULL) == -ERR_TIMED_OUT) {
				submit_cancel(&queue, request);
				(void)queue_drive(&queue);
				deadline_ns = HEL_DEADLINE_NEVER;
			}
		}
		if (completion.error == 0) {
			swap_answer(completion_request(&completion));
		}
	}
	queue_close(&queue);
}

static void swap_begin(void)
{
	hel_handle backing;

	memset(&swap, 0, sizeof(swap));
	random_init(&swap.random, 1);
	CHECK_OK(hel_memory_create_swap(machine_authority, SLOTS * PAGE, &backing));
	swap.backing = backing;
	for (uint32_t i = 0; i < BALLASTS; i++) {
		hel_handle ballast;

		if (hel_memory_allocate(MIB(4), HEL_ALLOCATE_CONTIGUOUS, &ballast) != 0) {
			break; /* what is there is in pieces */
		}
		swap.ballasts[i] = ballast;
	}
	swap.thread = user_start(swap_main, NULL);
	CHECK(swap.thread != HEL_NULL);
}

/* The manager ends, and with it the swap space. */
static void swap_end(void)
{
	swap.is_over = true;
	sim_compute(100'000'000);
	CHECK_OK(hel_close(HEL_THIS, swap.thread));
	CHECK_OK(hel_close(HEL_THIS, swap.backing));
	for (uint32_t i = 0; i < BALLASTS; i++) {
		(void)hel_close(HEL_THIS, swap.ballasts[i]);
	}
}

/* ---- memory ---------------------------------------------------------------------------------- */

static uint64_t map_flags(hel_handle memory, uint64_t n_pages, uint32_t flags)
{
	struct hel_map_args args = {
		.space = HEL_THIS,
		.memory = memory,
		.size_bytes = n_pages * PAGE,
		.flags = HEL_MAP_READ | HEL_MAP_WRITE | flags,
		.tag = 1, /* not joined to what the tests have besides */
	};
	uint64_t address = 0;

	CHECK_OK(hel_space_map(&args, &address));
	return address;
}

static uint64_t map_swappable(uint64_t n_pages)
{
	return map_flags(HEL_NULL, n_pages, HEL_MAP_FORK_COPY | HEL_MAP_SWAPPABLE);
}

static void unmap(uint64_t address, uint64_t n_pages)
{
	CHECK_OK(hel_space_unmap(HEL_THIS, address, n_pages * PAGE));
}

static void store(uint64_t address, uint64_t word)
{
	sim_store(address, &word, sizeof(word));
	word = ~word;
	sim_store(address + LAST_WORD, &word, sizeof(word));
}

/* The word that store() left in a page; a torn or foreign page fails the test. */
static uint64_t load(uint64_t address)
{
	uint64_t first, last;

	sim_load(&first, address, sizeof(first));
	sim_load(&last, address + LAST_WORD, sizeof(last));
	CHECK(first == ~last || (first == 0 && last == 0));
	return first;
}

static void fill(uint64_t address, uint64_t n_pages, uint64_t base)
{
	for (uint64_t i = 0; i < n_pages; i++) {
		store(address + i * PAGE, base + i);
	}
}

static void check(uint64_t address, uint64_t n_pages, uint64_t base)
{
	for (uint64_t i = 0; i < n_pages; i++) {
		CHECK_EQ(load(address + i * PAGE), base + i);
	}
}

/* Use so much other memory that all that was not touched meanwhile goes. */
static void press(void)
{
	uint64_t address = map_swappable(PAGES);

	fill(address, PAGES, 1);
	unmap(address, PAGES);
}

static uint64_t swapped_pages(hel_handle memory)
{
	struct hel_memory_info info;

	CHECK_OK(hel_memory_info(memory, &info));
	return info.swapped_bytes / PAGE;
}

static void touch_main(void *context)
{
	(void)load((uint64_t)context);
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
	uint64_t address = map_flags(memory, PAGES, 0);

	for (uint64_t round = 0; round < 2; round++) {
		for (uint64_t i = 0; i < PAGES; i++) {
			store(address + i * PAGE, round << 32 | i);
			free_min = min_u64(free_min, frame_free_bytes());
		}
		check(address, PAGES, round << 32);
	}
	CHECK(free_min >= FREE_MIN);
	CHECK_OK(hel_memory_info(memory, &info));
	CHECK_EQ(info.kind, HEL_MEMORY_COPY_ON_WRITE);
	CHECK_EQ(info.resident_bytes + info.swapped_bytes, PAGES * PAGE);
	CHECK(info.swapped_bytes > MIB(4));
	CHECK(swap.n_pages_written > 2000);
	CHECK_OK(hel_close(HEL_THIS, memory));
	unmap(address, PAGES);
	swap_end();
}

USER_TEST(anonymous_memory_comes_back)
{
	swap_begin();
	uint64_t address = map_swappable(PAGES);
	uint64_t plain = user_map(64);

	fill(plain, 64, 900);
	fill(address, PAGES, 1);
	check(address, PAGES, 1);
	check(plain, 64, 900);
	struct hel_mapping_info info;

	CHECK_OK(hel_space_query(HEL_THIS, address, &info));
	CHECK((info.flags & HEL_MAP_SWAPPABLE) != 0);
	CHECK(info.resident_bytes < MIB(16));
	/* Gone, and then zero. */
	CHECK_OK(hel_space_discard(HEL_THIS, address, PAGES * PAGE));
	CHECK_EQ(load(address + 5 * PAGE), 0);
	unmap(address, PAGES);
	swap_end();
}

USER_TEST(without_a_manager_it_is_plain_memory)
{
	uint64_t address = map_swappable(4000);

	fill(address, 4000, 1);
	check(address, 4000, 1);
	unmap(address, 4000);
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
	uint64_t address = map_swappable(FORK_PAGES);

	fill(address, FORK_PAGES, 1000);
	for (uint64_t i = 0; i < GENERATIONS; i++) {
		press();
		CHECK_OK(hel_space_fork(HEL_THIS, &children[i]));
		press();
		for (uint64_t page = i; page < FORK_PAGES; page += 7) {
			store(address + page * PAGE, (i + 1) << 32 | page);
		}
	}
	press();
	for (uint64_t i = 0; i < GENERATIONS; i++) {
		for (uint64_t page = 0; page < FORK_PAGES; page++) {
			/* The child has what the generations before it wrote. */
			uint64_t word = page % 7 < i ? (page % 7 + 1) << 32 | page : 1000 + page;

			CHECK_OK(hel_space_read(
				children[i], address + page * PAGE, (void *)buffer, 8, &n_bytes));
			CHECK_OK(hel_space_read(children[i], address + page * PAGE + LAST_WORD,
				(void *)(buffer + LAST_WORD), 8, &n_bytes));
			CHECK_EQ(load(buffer), word);
		}
		if (i % 2 == 0) {
			CHECK_OK(hel_close(HEL_THIS, children[i]));
		}
	}
	unmap(address, FORK_PAGES);
	for (uint64_t i = 1; i < GENERATIONS; i += 2) {
		CHECK_OK(hel_close(HEL_THIS, children[i]));
	}
	swap_end();
}

USER_TEST(copies_resizes_and_slots)
{
	constexpr uint64_t N = 600;
	hel_handle memory, copy, indirect;

	swap_begin();
	CHECK_OK(hel_memory_allocate(N * PAGE, HEL_ALLOCATE_SWAPPABLE, &memory));
	uint64_t address = map_flags(memory, N, 0);

	fill(address, N, 50);
	press();
	CHECK(swapped_pages(memory) > N / 2);
	CHECK_OK(hel_memory_copy_on_write(memory, 100 * PAGE, 300 * PAGE, &copy));
	CHECK(swapped_pages(copy) > 150);
	fill(address + 100 * PAGE, 300, 5000);
	CHECK_OK(hel_memory_indirect_create(
		1, 512 * PAGE, HEL_MAP_READ | HEL_MAP_WRITE, 1, &indirect));
	CHECK_OK(hel_memory_indirect_set(indirect, 0, copy, 0, 300 * PAGE));
	uint64_t through = map_flags(indirect, 512, 0);

	press();
	check(through, 300, 150);
	check(address, 100, 50);
	check(address + 100 * PAGE, 300, 5000);
	press();
	CHECK_OK(hel_memory_resize(memory, 200 * PAGE));
	CHECK_OK(hel_memory_resize(memory, N * PAGE));
	check(address, 100, 50);
	CHECK_EQ(load(address + 300 * PAGE), 0);
	CHECK_OK(hel_close(HEL_THIS, copy));
	CHECK_OK(hel_close(HEL_THIS, indirect));
	check(through, 300, 150);
	swap_end();
}

USER_TEST(moves_take_along_what_is_out)
{
	constexpr uint64_t N = 900;

	swap_begin();
	uint64_t address = map_swappable(N);

	fill(address, N, 70);
	press();
	/* The middle goes to an object of its own, the rest moves as it is. */
	CHECK_OK(hel_space_move(
		HEL_THIS, address + 300 * PAGE, 300 * PAGE, 0x4000'0000, 300 * PAGE));
	press();
	check(0x4000'0000, 300, 370);
	check(address, 300, 70);
	CHECK_OK(hel_space_move(HEL_THIS, 0x4000'0000, 300 * PAGE, 0x6000'5000, 300 * PAGE));
	press();
	check(0x6000'5000, 300, 370);
	fixture_fail_after(0);
	CHECK_EQ(hel_space_move(HEL_THIS, address + 100 * PAGE, 50 * PAGE, 0x7000'0000, 50 * PAGE),
		-ERR_NO_MEMORY);
	fixture_fail_after(~(uint64_t)0);
	check(address + 600 * PAGE, 300, 670);
	check(address, 300, 70);
	unmap(address, N);
	unmap(0x6000'5000, 300);
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
	uint64_t address = map_flags(memory, N, 0);

	fill(address, N, 1);
	press();
	/* Some are in memory again, some may be on their way out. */
	check(address + 500 * PAGE, 200, 501);
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
	uint64_t other = map_flags(second, N, 0);

	fill(other, N, 9);
	swap_begin();
	press();
	check(other, N, 9);
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
	uint64_t address = map_swappable(100);

	fill(address, 100, 1);
	press();
	press();
	swap.fails_reads = true;
	CHECK_EQ(fault_at(address + 50 * PAGE), -ERR_IO);
	swap.fails_reads = false;
	check(address, 100, 1);
	press();
	press();
	swap_end();
	CHECK_EQ(fault_at(address + 20 * PAGE), -ERR_IO);
}

USER_TEST(what_cannot_be_written_stays)
{
	swap_begin();
	swap.fails_writes = true;
	uint64_t address = map_swappable(2500);

	fill(address, 2500, 1);
	uint64_t other = map_swappable(1000);

	fill(other, 1000, 1);
	check(address, 2500, 1);
	CHECK(swap.n_pages_written > 0);
	swap.fails_writes = false;
	fill(other, 1000, 7);
	check(address, 2500, 1);
	check(other, 1000, 7);
	unmap(address, 2500);
	unmap(other, 1000);
	swap_end();
}

static void write_on(void *context)
{
	fill((uint64_t)context, PAGES, 1);
}

/* Who writes more than there is memory waits; others go on; and it can be killed. */
USER_TEST(a_stuck_manager_blocks_its_users_only)
{
	constexpr uint64_t OTHERS = 60;

	swap_begin();
	swap.is_stuck = true;
	uint64_t address = map_swappable(PAGES);
	hel_handle writer = user_start(write_on, (void *)address);

	sim_compute(2'000'000'000);
	CHECK(swap.n_pages_written > 0);
	uint64_t other = user_map(OTHERS);

	fill(other, OTHERS, 3);
	check(other, OTHERS, 3);
	CHECK(frame_free_bytes() >= FREE_MIN);
	/* What went meanwhile is told to whoever waits. */
	unmap(address + 1000 * PAGE, 1000);
	sim_compute(1'000'000'000);
	CHECK_OK(hel_thread_kill(writer));
	(void)hel_close(HEL_THIS, writer);
	check(address, 500, 1);
	unmap(address, PAGES);
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
	uint64_t address = map_flags(memory, N, 0);

	fill(address, N, 1);
	press();
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
			error = hel_memory_write(memory, i * PAGE + LAST_WORD, &word, sizeof(word));
			CHECK(error == 0 || error == -ERR_NO_MEMORY);
		}
	}
	has_failed = fixture_has_failed();
	fixture_fail_after(~(uint64_t)0);
	check(address, N, 1);
	if (copy != HEL_NULL) {
		uint64_t other = map_flags(copy, N, 0);

		check(other, N, 1);
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

/* ---- several users on several CPUs ----------------------------------------------------------- */

constexpr uint64_t USERS = 3;
constexpr uint64_t USER_PAGES = 1900;
constexpr uint64_t TURNS = 2500;
constexpr uint64_t COPY_PAGES = 40;

static uint64_t run_seed;
static uint32_t n_filled, n_done;
static const char *failure;

struct user {
	struct random random;
	uint64_t address, address_other; /* where it is, and where it moves to */
	uint64_t words[USER_PAGES];
	hel_handle copy; /* of the first pages of `memory`, and what they held */
	hel_handle memory;
	uint64_t memory_words[COPY_PAGES], copy_words[COPY_PAGES];
};

static struct user users[USERS];

static void expect(bool is_true, const char *what)
{
	if (!is_true && failure == NULL) {
		failure = what;
	}
}

static void user_access(struct user *user)
{
	uint64_t page = random_below(&user->random, USER_PAGES);
	uint64_t address = user->address + page * PAGE;

	if (random_chance(&user->random, 3)) {
		user->words[page] = random_u64(&user->random);
		store(address, user->words[page]);
	} else {
		expect(load(address) == user->words[page], "a page has lost a write");
	}
}

static void user_discard(struct user *user)
{
	uint64_t page = random_below(&user->random, USER_PAGES - 32);

	expect(hel_space_discard(HEL_THIS, user->address + page * PAGE, 32 * PAGE) == 0,
		"cannot discard");
	memset(&user->words[page], 0, 32 * sizeof(uint64_t));
}

static void user_move(struct user *user)
{
	uint64_t from = user->address;

	if (hel_space_move(HEL_THIS, from, USER_PAGES * PAGE, user->address_other,
		    USER_PAGES * PAGE) == 0) {
		user->address = user->address_other;
		user->address_other = from;
	}
}

/* Memory, a copy of it, and words written to both. */
static void user_copy(struct user *user)
{
	uint64_t page = random_below(&user->random, COPY_PAGES);
	uint64_t word;

	if (user->copy == HEL_NULL || random_chance(&user->random, 8)) {
		(void)hel_close(HEL_THIS, user->copy);
		expect(hel_memory_copy_on_write(user->memory, 0, COPY_PAGES * PAGE, &user->copy) ==
				0,
			"cannot copy");
		memcpy(user->copy_words, user->memory_words, sizeof(user->copy_words));
	}
	expect(hel_memory_read(user->copy, page * PAGE, &word, 8) == 0, "cannot read a copy");
	expect(word == user->copy_words[page], "a copy has lost a write");
	expect(hel_memory_read(user->memory, page * PAGE, &word, 8) == 0, "cannot read");
	expect(word == user->memory_words[page], "what was copied has lost a write");
	word = random_u64(&user->random);
	bool is_copy = random_chance(&user->random, 2);

	expect(hel_memory_write(is_copy ? user->copy : user->memory, page * PAGE, &word, 8) == 0,
		"cannot write");
	*(is_copy ? &user->copy_words[page] : &user->memory_words[page]) = word;
}

static void user_main(void *context)
{
	struct user *user = &users[(uint64_t)context];

	memset(user, 0, sizeof(*user));
	random_init(&user->random, run_seed * USERS + (uint64_t)context);
	/* Two places of its own, so that nobody maps something where it has just left. */
	user->address = 0x1000'0000'0000 * (1 + (uint64_t)context);
	user->address_other = user->address + GIB(1) + 5 * PAGE;
	expect(hel_space_move(HEL_THIS, map_swappable(USER_PAGES), USER_PAGES * PAGE, user->address,
		       USER_PAGES * PAGE) == 0,
		"cannot move");
	expect(hel_memory_allocate(COPY_PAGES * PAGE, HEL_ALLOCATE_SWAPPABLE, &user->memory) == 0,
		"no memory");
	for (uint64_t i = 0; i < USER_PAGES; i++) {
		user->words[i] = i + 1;
		store(user->address + i * PAGE, i + 1);
	}
	n_filled++;
	while (n_filled < USERS && failure == NULL) {
		sim_compute(100'000);
	}
	for (uint64_t i = 0; i < TURNS && failure == NULL; i++) {
		switch (random_below(&user->random, 40)) {
		case 0: user_discard(user); break;
		case 1: user_move(user); break;
		case 2:
		case 3:
		case 4: user_copy(user); break;
		default: user_access(user); break;
		}
	}
	(void)hel_close(HEL_THIS, user->memory);
	(void)hel_close(HEL_THIS, user->copy);
	(void)hel_space_unmap(HEL_THIS, user->address, USER_PAGES * PAGE);
	n_done++;
}

static void first_main(UNUSED void *context)
{
	struct random random;
	hel_handle child = HEL_NULL;

	random_init(&random, run_seed);
	swap_begin();
	n_filled = 0;
	n_done = 0;
	failure = NULL;
	for (uint64_t i = 0; i < USERS; i++) {
		CHECK(user_start(user_main, (void *)i) != HEL_NULL);
	}
	/* A child that nobody runs in makes them share their pages again and again. */
	for (uint32_t i = 0; n_done < USERS; i++) {
		sim_compute(2'000'000);
		swap.delay_ns = random_below(&random, 40'000);
		swap.fails_at_random = random_chance(&random, 4);
		if (i % 4 == 3) {
			(void)hel_close(HEL_THIS, child);
			if (hel_space_fork(HEL_THIS, &child) != 0) {
				child = HEL_NULL;
			}
		}
	}
	(void)hel_close(HEL_THIS, child);
	CHECK(swap.n_pages_read > 500);
	swap_end();
}

TEST(several_users_lose_nothing)
{
	for (uint64_t i = 0; i < 4; i++) {
		run_seed = test_seed(1) + i;
		machine_begin(1 + (uint32_t)(i % 3), run_seed);
		sim_interleave(i == 0 ? 0 : 16u << i);
		CHECK(machine_run(first_main, NULL));
		if (failure != NULL) {
			test_fail(__FILE__, __LINE__, "seed %llu: %s", (unsigned long long)run_seed,
				failure);
		}
		CHECK_EQ(n_done, USERS);
		CHECK(machine_end());
	}
}

TEST_MAIN()

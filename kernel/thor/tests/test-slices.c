/* SPDX-License-Identifier: MIT */
/*
 * Long calls in slices: whatever happens between two of them, each page and each mapping ends as
 * the call says, and a call that was given up leaves nothing.
 */
#include "slices.h"

USER_TEST(slices_protect_goes_on_where_it_was)
{
	uint64_t address = user_map(40);

	fill(address, 40);
	begin(4);
	CHECK_OK(hel_space_protect(HEL_THIS, address + PAGE, 38 * PAGE, HEL_MAP_READ));
	CHECK_EQ(count_mappings(address, address + 40 * PAGE), 3);
	for (uint64_t i = 0; i < 40; i++) {
		CHECK_EQ(read_byte(address + i * PAGE), i + 1);
	}
	CHECK_OK(hel_space_protect(HEL_THIS, address, 40 * PAGE, HEL_MAP_READ | HEL_MAP_WRITE));
	CHECK_EQ(count_mappings(address, address + 40 * PAGE), 1);
	write_byte(address + 20 * PAGE, 7);
	end();
	CHECK_OK(hel_space_unmap(HEL_THIS, address, 40 * PAGE));
}

USER_TEST(slices_protect_finds_holes_first)
{
	uint64_t address = user_map(40);

	fill(address, 40);
	CHECK_OK(hel_space_unmap(HEL_THIS, address + 39 * PAGE, PAGE));
	begin(4);
	CHECK_EQ(hel_space_protect(HEL_THIS, address, 40 * PAGE, HEL_MAP_READ), -ERR_NOT_FOUND);
	write_byte(address, 1);
	CHECK_EQ(n_pauses, 0);
	CHECK_OK(hel_space_protect(HEL_THIS, address, 39 * PAGE, HEL_MAP_READ));
	end();
	CHECK_OK(hel_space_unmap(HEL_THIS, address, 39 * PAGE));
}

USER_TEST(slices_copies_pause_and_go_on)
{
	constexpr uint64_t N_PAGES = 40;
	uint64_t from = user_map(N_PAGES), to = user_map(N_PAGES);
	hel_handle memory;
	size_t n_bytes;

	fill(from, N_PAGES);
	CHECK_OK(hel_memory_allocate(N_PAGES * PAGE, 0, &memory));
	begin(160);
	CHECK_OK(hel_memory_write(memory, 0, (void *)from, N_PAGES * PAGE));
	CHECK_OK(hel_memory_read(memory, 0, (void *)to, N_PAGES * PAGE));
	for (uint64_t i = 0; i < N_PAGES; i++) {
		CHECK_EQ(read_byte(to + i * PAGE), i + 1);
		write_byte(to + i * PAGE, 0);
	}
	CHECK_OK(hel_space_write(HEL_THIS, to, (void *)from, N_PAGES * PAGE, &n_bytes));
	CHECK_EQ(n_bytes, N_PAGES * PAGE);
	CHECK_EQ(read_byte(to + 39 * PAGE), 40);
	CHECK_OK(hel_space_unmap(HEL_THIS, from + 30 * PAGE, PAGE));
	CHECK_EQ(hel_space_read(HEL_THIS, from, (void *)to, N_PAGES * PAGE, &n_bytes), -ERR_FAULT);
	CHECK_EQ(n_bytes, 30 * PAGE);
	end();
	CHECK_OK(hel_close(HEL_THIS, memory));
	CHECK_OK(hel_space_unmap(HEL_THIS, from, N_PAGES * PAGE));
	CHECK_OK(hel_space_unmap(HEL_THIS, to, N_PAGES * PAGE));
}

USER_TEST(slices_shrunk_memory_is_zero_when_it_grows)
{
	hel_handle memory, view;
	uint8_t byte = 9;

	CHECK_OK(hel_memory_allocate(64 * PAGE, 0, &memory));
	for (uint64_t i = 0; i < 64; i++) {
		CHECK_OK(hel_memory_write(memory, i * PAGE, &byte, 1));
	}
	CHECK_OK(hel_memory_copy_on_write(memory, 0, 64 * PAGE, &view));
	begin(4);
	CHECK_OK(hel_memory_resize(memory, 8 * PAGE));
	CHECK_EQ(hel_memory_read(view, 8 * PAGE, &byte, 1), -ERR_OUT_OF_BOUNDS);
	CHECK_OK(hel_memory_resize(memory, 64 * PAGE));
	for (uint64_t i = 0; i < 64; i++) {
		CHECK_OK(hel_memory_read(view, i * PAGE, &byte, 1));
		CHECK_EQ(byte, i < 8 ? 9 : 0);
	}
	end();
	CHECK_OK(hel_close(HEL_THIS, memory));
	CHECK_OK(hel_close(HEL_THIS, view));
}

/* What a view shows of its source is in page tables only. */
USER_TEST(slices_shrunk_view_is_hidden_and_zero_when_it_grows)
{
	struct hel_map_args args = { .space = HEL_THIS, .flags = HEL_MAP_READ };
	uint64_t buffer = user_map(1);
	hel_handle memory;
	size_t n_bytes;

	CHECK_OK(hel_memory_allocate(64 * PAGE, 0, &memory));
	for (uint64_t i = 0; i < 64; i++) {
		CHECK_OK(hel_memory_write(memory, i * PAGE, &(uint8_t){ 9 }, 1));
	}
	CHECK_OK(hel_memory_copy_on_write(memory, 0, 64 * PAGE, &args.memory));
	uint64_t address = 0, other = 0;

	args.size_bytes = 64 * PAGE;
	CHECK_OK(hel_space_map(&args, &address));
	args.offset = 16 * PAGE;
	args.size_bytes = 40 * PAGE;
	CHECK_OK(hel_space_map(&args, &other));
	for (uint64_t i = 0; i < 64; i++) {
		CHECK_EQ(read_byte(address + i * PAGE), 9);
		CHECK_EQ(read_byte(other + i % 40 * PAGE), 9);
	}
	begin(4);
	CHECK_OK(hel_memory_resize(args.memory, 8 * PAGE));
	CHECK(n_pauses >= 6);
	end();
	CHECK_EQ(read_byte(address + 7 * PAGE), 9);
	for (uint64_t i = 0; i < 56; i++) {
		CHECK_EQ(hel_space_read(
				 HEL_THIS, address + (8 + i) * PAGE, (void *)buffer, 1, &n_bytes),
			-ERR_FAULT);
		CHECK_EQ(hel_space_read(
				 HEL_THIS, other + i % 40 * PAGE, (void *)buffer, 1, &n_bytes),
			-ERR_FAULT);
	}
	CHECK_OK(hel_memory_resize(args.memory, 64 * PAGE));
	for (uint64_t i = 8; i < 64; i++) {
		CHECK_EQ(read_byte(address + i * PAGE), 0);
	}
	CHECK_OK(hel_close(HEL_THIS, memory));
	CHECK_OK(hel_close(HEL_THIS, args.memory));
	CHECK_OK(hel_space_unmap(HEL_THIS, address, 64 * PAGE));
	CHECK_OK(hel_space_unmap(HEL_THIS, other, 40 * PAGE));
}

/* Two that resize, and a fork, at the same time: nobody sees what was cut off in what has grown. */
static hel_handle resized;
static uint64_t resized_at;
static _Atomic bool has_resized;

static void shrink_once(UNUSED void *context)
{
	CHECK_OK(hel_memory_resize(resized, 4 * PAGE));
	atomic_store(&has_resized, true);
}

static void resize_while_resizing(UNUSED void *context)
{
	struct hel_map_args args = {
		.space = HEL_THIS,
		.size_bytes = 40 * PAGE,
		.flags = HEL_MAP_READ | HEL_MAP_FORK_COPY,
	};
	hel_handle memory, child;

	CHECK_OK(hel_memory_allocate(40 * PAGE, 0, &memory));
	for (uint64_t i = 0; i < 40; i++) {
		CHECK_OK(hel_memory_write(memory, i * PAGE, &(uint8_t){ 9 }, 1));
	}
	CHECK_OK(hel_memory_copy_on_write(memory, 0, 40 * PAGE, &resized));
	args.memory = resized;
	CHECK_OK(hel_space_map(&args, &resized_at));
	for (uint64_t i = 0; i < 40; i++) {
		CHECK_EQ(read_byte(resized_at + i * PAGE), 9);
	}
	begin(2);
	atomic_store(&has_resized, false);
	hel_handle thread = user_start(shrink_once, NULL);

	CHECK(thread != HEL_NULL);
	CHECK_OK(hel_space_fork(HEL_THIS, HEL_THIS, &child));
	CHECK_OK(hel_memory_resize(resized, 4 * PAGE));
	while (!atomic_load(&has_resized)) {
		(void)hel_thread_yield();
	}
	CHECK_OK(hel_memory_resize(resized, 40 * PAGE));
	end();
	for (uint64_t i = 0; i < 40; i++) {
		CHECK_EQ(read_byte(resized_at + i * PAGE), i < 4 ? 9 : 0);
	}
	CHECK_OK(hel_close(HEL_THIS, child));
	CHECK_OK(hel_close(HEL_THIS, thread));
	CHECK_OK(hel_close(HEL_THIS, memory));
	CHECK_OK(hel_close(HEL_THIS, resized));
}

TEST(slices_view_that_two_shrink)
{
	uint64_t seed = test_seed(1);

	for (uint64_t i = 0; i < 40; i++) {
		machine_begin(2, seed + i);
		CHECK(machine_run(resize_while_resizing, NULL));
		CHECK(machine_end());
	}
}

USER_TEST(slices_populate_makes_pages_present)
{
	struct hel_mapping_info info;
	uint64_t address = user_map(64);

	begin(8);
	CHECK_OK(hel_space_populate(HEL_THIS, address, 64 * PAGE, 0));
	CHECK_OK(hel_space_query(HEL_THIS, address, &info));
	CHECK_EQ(info.resident_bytes, 0);
	CHECK_OK(hel_space_populate(HEL_THIS, address, 64 * PAGE, HEL_POPULATE_WRITE));
	CHECK_OK(hel_space_query(HEL_THIS, address, &info));
	CHECK_EQ(info.resident_bytes, 64 * PAGE);
	CHECK_EQ(hel_space_populate(HEL_THIS, address, 64 * PAGE, 2), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_space_populate(HEL_THIS, address, 0, 0), -ERR_ILLEGAL_ARGS);
	CHECK_OK(hel_space_protect(HEL_THIS, address + 60 * PAGE, 4 * PAGE, HEL_MAP_READ));
	CHECK_EQ(hel_space_populate(HEL_THIS, address, 64 * PAGE, HEL_POPULATE_WRITE),
		-ERR_NO_RIGHTS);
	CHECK_OK(hel_space_unmap(HEL_THIS, address + 63 * PAGE, PAGE));
	CHECK_EQ(hel_space_populate(HEL_THIS, address, 64 * PAGE, 0), -ERR_FAULT);
	end();
	CHECK_OK(hel_space_unmap(HEL_THIS, address, 64 * PAGE));
}

/* ---- memory slices --------------------------------------------------------------------------- */

static uint64_t map_view(hel_handle memory, uint64_t offset, uint64_t n_pages)
{
	struct hel_map_args args = {
		.space = HEL_THIS,
		.memory = memory,
		.size_bytes = n_pages * PAGE,
		.offset = offset,
		.flags = HEL_MAP_READ | HEL_MAP_WRITE | HEL_MAP_FORK_COPY,
	};
	uint64_t address = 0;

	CHECK_OK(hel_space_map(&args, &address));
	return address;
}

USER_TEST(memory_slice_shows_a_part)
{
	hel_handle memory, slice, inner, view;
	uint8_t byte;

	CHECK_OK(hel_memory_allocate(16 * PAGE, 0, &memory));
	for (uint64_t i = 0; i < 16; i++) {
		byte = (uint8_t)(i + 1);
		CHECK_OK(hel_memory_write(memory, i * PAGE, &byte, 1));
	}
	CHECK_EQ(hel_memory_slice(memory, 4 * PAGE, 13 * PAGE, &slice), -ERR_OUT_OF_BOUNDS);
	CHECK_EQ(hel_memory_slice(memory, 4 * PAGE, 0, &slice), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_memory_slice(memory, 100, PAGE, &slice), -ERR_ILLEGAL_ARGS);
	CHECK_OK(hel_memory_slice(memory, 4 * PAGE, 8 * PAGE, &slice));
	CHECK_EQ(hel_memory_slice(slice, 2 * PAGE, 7 * PAGE, &inner), -ERR_OUT_OF_BOUNDS);
	CHECK_OK(hel_memory_slice(slice, 2 * PAGE, 4 * PAGE, &inner));
	CHECK_OK(hel_memory_read(inner, PAGE, &byte, 1));
	CHECK_EQ(byte, 8);
	CHECK_EQ(hel_memory_read(inner, 4 * PAGE, &byte, 1), -ERR_OUT_OF_BOUNDS);
	CHECK_EQ(hel_memory_resize(inner, PAGE), -ERR_ILLEGAL_ARGS);
	CHECK_OK(hel_memory_copy_on_write(inner, PAGE, 2 * PAGE, &view));
	uint64_t address = map_view(inner, PAGE, 2);

	CHECK_EQ(read_byte(address), 8);
	write_byte(address, 80);
	CHECK_OK(hel_memory_read(memory, 7 * PAGE, &byte, 1));
	CHECK_EQ(byte, 80);
	/* One page of the slice is left above, more of the memory. */
	CHECK_OK(hel_space_move(HEL_THIS, address, 2 * PAGE, 0x20000000, 3 * PAGE));
	CHECK_EQ(read_byte(0x20000000 + 2 * PAGE), 10);
	CHECK_EQ(hel_space_move(HEL_THIS, 0x20000000, 3 * PAGE, 0x30000000, 4 * PAGE),
		-ERR_OUT_OF_BOUNDS);
	CHECK_OK(hel_close(HEL_THIS, memory));
	CHECK_OK(hel_close(HEL_THIS, slice));
	CHECK_OK(hel_memory_read(inner, PAGE, &byte, 1));
	CHECK_EQ(byte, 80);
	CHECK_OK(hel_close(HEL_THIS, inner));
	CHECK_OK(hel_close(HEL_THIS, view));
	CHECK_OK(hel_space_unmap(HEL_THIS, 0x20000000, 3 * PAGE));
}

USER_TEST(memory_slice_has_no_more_rights)
{
	hel_handle memory, weak, slice;
	uint8_t byte = 1;

	CHECK_OK(hel_memory_allocate(4 * PAGE, 0, &memory));
	CHECK_OK(hel_transfer(HEL_THIS, memory, HEL_THIS,
		HEL_RIGHT_READ | HEL_RIGHT_MAP | HEL_RIGHT_DERIVE, &weak));
	CHECK_OK(hel_memory_slice(weak, 0, PAGE, &slice));
	CHECK_EQ(hel_memory_write(slice, 0, &byte, 1), -ERR_NO_RIGHTS);
	CHECK_OK(hel_memory_read(slice, 0, &byte, 1));
	CHECK_OK(hel_close(HEL_THIS, weak));
	CHECK_OK(hel_transfer(HEL_THIS, memory, HEL_THIS, HEL_RIGHT_READ | HEL_RIGHT_MAP, &weak));
	CHECK_OK(hel_close(HEL_THIS, slice));
	CHECK_EQ(hel_memory_slice(weak, 0, PAGE, &slice), -ERR_NO_RIGHTS);
	CHECK_OK(hel_close(HEL_THIS, weak));
	CHECK_OK(hel_close(HEL_THIS, memory));
}

/* ---- forks ----------------------------------------------------------------------------------- */

static int child_byte(hel_handle child, uint64_t address)
{
	uint64_t buffer = user_map(1);
	size_t n_bytes;
	int error = hel_space_read(child, address, (void *)buffer, 1, &n_bytes);
	int byte = error == 0 ? read_byte(buffer) : error;

	CHECK_OK(hel_space_unmap(HEL_THIS, buffer, PAGE));
	return byte;
}

USER_TEST(slices_fork_copies_everything)
{
	uint64_t private = user_map(40);
	hel_handle source, view, child;

	fill(private, 40);
	CHECK_OK(hel_space_protect(HEL_THIS, private + 10 * PAGE, PAGE, HEL_MAP_READ));
	CHECK_OK(hel_memory_allocate(24 * PAGE, 0, &source));
	CHECK_OK(hel_memory_copy_on_write(source, 0, 24 * PAGE, &view));
	uint64_t low = map_view(view, 0, 24), high = map_view(view, 4 * PAGE, 16);

	fill(low, 20);
	begin(4);
	CHECK_OK(hel_space_fork(HEL_THIS, HEL_THIS, &child));
	end();
	for (uint64_t i = 0; i < 40; i++) {
		if (i != 10) {
			write_byte(private + i * PAGE, 99);
		}
	}
	fill(high, 1);
	for (uint64_t i = 0; i < 40; i++) {
		CHECK_EQ(child_byte(child, private + i * PAGE), i + 1);
	}
	for (uint64_t i = 0; i < 24; i++) {
		CHECK_EQ(child_byte(child, low + i * PAGE), i < 20 ? i + 1 : 0);
	}
	CHECK_EQ(read_byte(low + 4 * PAGE), 1);
	/* Both mappings of the child show one copy. */
	size_t n_bytes;

	CHECK_OK(hel_space_write(child, high + PAGE, (void *)private, 1, &n_bytes));
	CHECK_EQ(child_byte(child, low + 5 * PAGE), 99);
	CHECK_EQ(read_byte(low + 5 * PAGE), 6);
	struct hel_mapping_info info;

	CHECK_OK(hel_space_query(child, private + 11 * PAGE, &info));
	CHECK_EQ(info.address, private + 11 * PAGE);
	CHECK(info.size_bytes >= 29 * PAGE);
	CHECK_OK(hel_close(HEL_THIS, child));
	CHECK_OK(hel_close(HEL_THIS, source));
	CHECK_OK(hel_close(HEL_THIS, view));
}

USER_TEST(slices_copy_of_a_view_is_private)
{
	hel_handle source, view, copy;
	uint8_t byte;

	CHECK_OK(hel_memory_allocate(64 * PAGE, 0, &source));
	CHECK_OK(hel_memory_copy_on_write(source, 0, 64 * PAGE, &view));
	uint64_t address = map_view(view, 0, 64);

	fill(address, 60);
	begin(4);
	CHECK_OK(hel_memory_copy_on_write(view, 8 * PAGE, 56 * PAGE, &copy));
	end();
	for (uint64_t i = 0; i < 56; i++) {
		write_byte(address + (i + 8) * PAGE, 99);
		CHECK_OK(hel_memory_read(copy, i * PAGE, &byte, 1));
		CHECK_EQ(byte, i < 52 ? i + 9 : 0);
	}
	CHECK_EQ(hel_memory_copy_on_write(view, 8 * PAGE, 57 * PAGE, &copy), -ERR_OUT_OF_BOUNDS);
	CHECK_OK(hel_close(HEL_THIS, source));
	CHECK_OK(hel_close(HEL_THIS, view));
	CHECK_OK(hel_close(HEL_THIS, copy));
}

USER_TEST(slices_fork_without_memory_leaves_nothing)
{
	uint64_t private = user_map(40);
	hel_handle child;

	fill(private, 40);
	begin(4);
	for (uint64_t i = 0; i < 60; i++) {
		fixture_fail_after(i);
		int error = hel_space_fork(HEL_THIS, HEL_THIS, &child);

		fixture_fail_after(~0ull);
		CHECK(error == 0 || error == -ERR_NO_MEMORY);
		if (error == 0) {
			CHECK_EQ(child_byte(child, private + 39 * PAGE), 40);
			CHECK_OK(hel_close(HEL_THIS, child));
		}
		write_byte(private + i % 40 * PAGE, (uint8_t)(i % 40 + 1));
	}
	end();
}

/* ---- forks of what others change ------------------------------------------------------------- */

static uint64_t blocks; /* eight that hold still, and two places for one that moves */
static uint64_t home, away;
static hel_handle last_child;
static _Atomic bool has_forked;

constexpr uint64_t BLOCK = 6;

static void fork_once(UNUSED void *context)
{
	CHECK_OK(hel_space_fork(HEL_THIS, HEL_THIS, &last_child));
	atomic_store(&has_forked, true);
}

static void check_child(void)
{
	int at_home = child_byte(last_child, home);
	int is_away = child_byte(last_child, away);

	CHECK(at_home == 1 || is_away == 1);
	for (uint64_t i = 0; i < 8 * BLOCK; i++) {
		int byte = child_byte(last_child, blocks + i * PAGE);

		CHECK(byte == (int)i + 1 || byte == 200);
	}
}

static void change_while_forking(UNUSED void *context)
{
	uint64_t from = 0, to = 0;

	away = user_map(BLOCK);
	uint64_t gap = user_map(1);

	blocks = user_map(8 * BLOCK);
	uint64_t second_gap = user_map(1);

	home = user_map(BLOCK);
	CHECK_OK(hel_space_protect(HEL_THIS, gap, PAGE, HEL_MAP_READ));
	CHECK_OK(hel_space_protect(HEL_THIS, second_gap, PAGE, HEL_MAP_READ));
	fill(blocks, 8 * BLOCK);
	fill(home, BLOCK);
	from = home;
	to = away;
	begin(2);
	atomic_store(&has_forked, false);
	hel_handle thread = user_start(fork_once, NULL);

	CHECK(thread != HEL_NULL);
	for (uint64_t i = 0; !atomic_load(&has_forked); i++) {
		CHECK_OK(hel_space_move(HEL_THIS, from, BLOCK * PAGE, to, BLOCK * PAGE));
		write_byte(blocks + i % (8 * BLOCK) * PAGE, 200);
		uint64_t other = from;

		from = to;
		to = other;
	}
	end();
	check_child();
	CHECK_OK(hel_close(HEL_THIS, last_child));
	CHECK_OK(hel_close(HEL_THIS, thread));
}

TEST(slices_fork_of_a_changing_space)
{
	uint64_t seed = test_seed(1);

	for (uint64_t i = 0; i < 40; i++) {
		machine_begin(2, seed + i);
		CHECK(machine_run(change_while_forking, NULL));
		CHECK(machine_end());
	}
}

static void kill_while_forking(UNUSED void *context)
{
	uint64_t private = user_map(60);

	fill(private, 60);
	begin(2);
	hel_handle thread = user_start(fork_once, NULL);

	CHECK(thread != HEL_NULL);
	for (unsigned i = 0; i < 20; i++) {
		write_byte(private + i * PAGE, 200);
	}
	CHECK_OK(hel_thread_kill(thread));
	CHECK_OK(hel_close(HEL_THIS, thread));
	always_pauses = false;
}

TEST(slices_fork_that_is_killed_leaves_nothing)
{
	uint64_t seed = test_seed(1);

	for (uint64_t i = 0; i < 40; i++) {
		machine_begin(2, seed + i);
		CHECK(machine_run(kill_while_forking, NULL));
		CHECK(machine_end());
	}
}

/* Anonymous memory that no neighbour shares: it moves as a whole, with its tree of pages. */
static uint64_t map_alone(uint64_t n_pages)
{
	struct hel_map_args args = {
		.space = HEL_THIS,
		.size_bytes = n_pages * PAGE,
		.tag = 1,
		.flags = HEL_MAP_READ | HEL_MAP_WRITE | HEL_MAP_FORK_COPY,
	};
	uint64_t address = 0;

	CHECK_OK(hel_space_map(&args, &address));
	return address;
}

/* A tree that was shifted by pages that are no multiple of 64 has nodes that begin anywhere. */
USER_TEST(slices_fork_after_a_move_shares_each_page)
{
	constexpr uint64_t N_PAGES = 150;
	constexpr uint64_t SIZE = N_PAGES * PAGE;
	uint64_t from = map_alone(N_PAGES);
	uint64_t room = user_map(N_PAGES + 64);
	uint64_t buffer = user_map(1);
	hel_handle child;

	fill(from, N_PAGES);
	/* Wherever memory is mapped: 37 pages further, counted in 64, than it was. */
	uint64_t to = room + ((from / PAGE + 37 - room / PAGE) % 64) * PAGE;

	CHECK_OK(hel_space_move(HEL_THIS, from, SIZE, to, SIZE));
	CHECK_OK(hel_space_fork(HEL_THIS, HEL_THIS, &child));
	for (uint64_t i = 0; i < N_PAGES; i++) {
		size_t n_bytes = 0;

		CHECK_OK(hel_space_read(child, to + i * PAGE, (void *)buffer, 1, &n_bytes));
		CHECK_EQ(read_byte(buffer), (uint8_t)(i + 1));
	}
	CHECK_OK(hel_close(HEL_THIS, child));
}

TEST_MAIN()

/* ---- what is made, moved and ended in slices ------------------------------------------------- */

USER_TEST(slices_contiguous_memory_is_zero_and_one_run)
{
	hel_handle memory;
	uint64_t phys;
	uint8_t byte;

	begin(160);
	CHECK_OK(hel_memory_allocate(33 * PAGE, HEL_ALLOCATE_CONTIGUOUS, &memory));
	CHECK_OK(hel_memory_pin(memory, 0, 33 * PAGE, &phys));
	end();
	for (uint64_t i = 0; i < 33; i++) {
		CHECK_OK(hel_memory_read(memory, i * PAGE + 8, &byte, 1));
		CHECK_EQ(byte, 0);
	}
	CHECK_OK(hel_close(HEL_THIS, memory));
}

static void allocate_contiguous(UNUSED void *context)
{
	hel_handle memory;

	(void)!hel_memory_allocate(1000 * PAGE, HEL_ALLOCATE_CONTIGUOUS, &memory);
}

USER_TEST(slices_half_made_contiguous_memory_is_given_back)
{
	hel_handle thread;

	begin(160);
	CHECK_OK(user_create(allocate_contiguous, NULL, &thread));
	CHECK_OK(hel_thread_start(thread));
	for (uint32_t i = 0; i < 5; i++) {
		(void)hel_thread_yield();
	}
	CHECK(n_pauses < 120);
	CHECK_OK(hel_thread_kill(thread));
	CHECK_OK(hel_close(HEL_THIS, thread));
	end();
}

USER_TEST(slices_queues_are_made_and_used)
{
	struct user_queue queue;
	struct completion completion;

	begin(160);
	CHECK_OK(queue_open(&queue, 8, 65536, 65536));
	CHECK(n_pauses >= 4);
	end();
	CHECK(queue_await(&queue, submit_nop(&queue), &completion));
	CHECK_EQ(completion.error, 0);
	queue_close(&queue);
}

USER_TEST(slices_query_counts_all_pages)
{
	struct hel_mapping_info info;
	uint64_t address = user_map(300);

	for (uint64_t i = 0; i < 300; i += 3) {
		write_byte(address + i * PAGE, 1);
	}
	begin(160);
	CHECK_OK(hel_space_query(HEL_THIS, address, &info));
	CHECK_EQ(info.resident_bytes, 100 * PAGE);
	CHECK_OK(hel_space_query(HEL_THIS, address, &info));
	CHECK_EQ(info.resident_bytes, 100 * PAGE);
	end();
	CHECK_OK(hel_space_unmap(HEL_THIS, address, 300 * PAGE));
}

struct exchange_pair {
	struct user_queue queue;
	struct hel_stream_lanes lanes;
};

static void open_pair(struct exchange_pair *pair)
{
	struct hel_stream_lanes lanes;

	CHECK_OK(queue_open(&pair->queue, 8, 32768, 16384));
	CHECK_OK(hel_stream_create(&lanes));
	pair->lanes = lanes;
}

static void close_pair(struct exchange_pair *pair)
{
	(void)hel_close(HEL_THIS, pair->lanes.lane[0]);
	(void)hel_close(HEL_THIS, pair->lanes.lane[1]);
	queue_close(&pair->queue);
}

/* Operations of every sort that wait, on a queue that goes with all of them. */
USER_TEST(slices_queues_and_lanes_end_with_many_operations)
{
	static struct exchange_pair pair;
	struct hel_action receive = RECEIVE_INLINE(16);

	open_pair(&pair);
	for (uint32_t i = 0; i < 300; i++) {
		(void)submit_exchange(&pair.queue, pair.lanes.lane[i % 2 == 0], &receive, 1);
		(void)submit_clock(&pair.queue, HEL_DEADLINE_NEVER);
		CHECK_OK(queue_drive(&pair.queue));
	}
	begin(160);
	CHECK_OK(hel_lane_shutdown(pair.lanes.lane[0]));
	close_pair(&pair);
	(void)hel_thread_yield();
	end();
}

USER_TEST(slices_universes_end_with_many_handles)
{
	hel_handle universe, token, copy;

	CHECK_OK(hel_universe_create(&universe));
	CHECK_OK(hel_token_create(&token));
	for (uint32_t i = 0; i < 1000; i++) {
		CHECK_OK(hel_transfer(HEL_THIS, token, universe, 0, &copy));
	}
	begin(160);
	CHECK_OK(hel_close(HEL_THIS, universe));
	(void)hel_thread_yield();
	end();
	CHECK_OK(hel_close(HEL_THIS, token));
}

USER_TEST(slices_spaces_end_with_many_mappings)
{
	struct hel_map_args args = {
		.size_bytes = PAGE,
		.flags = HEL_MAP_READ | HEL_MAP_WRITE | HEL_MAP_FIXED,
	};
	uint64_t address;
	uint64_t source = user_map(1);
	size_t n_bytes;

	CHECK_OK(hel_space_create(HEL_THIS, &args.space));
	for (uint64_t i = 1; i < 60; i++) {
		/* Each with page tables of its own. */
		args.address = i << 24;
		CHECK_OK(hel_space_map(&args, &address));
		CHECK_OK(hel_space_write(args.space, address, (void *)source, 1, &n_bytes));
	}
	begin(160);
	CHECK_OK(hel_close(HEL_THIS, args.space));
	(void)hel_thread_yield();
	end();
	CHECK_OK(hel_space_unmap(HEL_THIS, source, PAGE));
}

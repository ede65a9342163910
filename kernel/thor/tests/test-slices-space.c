/* SPDX-License-Identifier: MIT */
/*
 * Long changes of mappings in slices: what others see between two of them is what was there or what
 * is to be.
 */
#include "slices.h"

/* ---- mappings that replace others ------------------------------------------------------------ */

constexpr uint64_t REPLACED = 60;

/* As many mappings as pages. */
static uint64_t map_patchwork(void)
{
	uint64_t address = user_map(REPLACED);

	for (uint64_t i = 0; i < REPLACED; i++) {
		write_byte(address + i * PAGE, 3);
	}
	for (uint64_t i = 1; i < REPLACED; i += 2) {
		CHECK_OK(hel_space_protect(HEL_THIS, address + i * PAGE, PAGE, HEL_MAP_READ));
	}
	CHECK_EQ(count_mappings(address, address + REPLACED * PAGE), REPLACED);
	return address;
}

static hel_handle allocate_filled(uint64_t n_pages, uint8_t byte)
{
	hel_handle memory;

	CHECK_OK(hel_memory_allocate(n_pages * PAGE, 0, &memory));
	for (uint64_t i = 0; i < n_pages; i++) {
		CHECK_OK(hel_memory_write(memory, i * PAGE, &byte, 1));
	}
	return memory;
}

static int replace(uint64_t address, hel_handle memory, uint32_t flags)
{
	struct hel_map_args args = {
		.space = HEL_THIS,
		.memory = memory,
		.address = address,
		.size_bytes = REPLACED * PAGE,
		.offset = memory != HEL_NULL ? PAGE : 0,
		.tag = 5,
		.flags = flags | HEL_MAP_FIXED,
	};
	uint64_t result = 0;
	int error = hel_space_map(&args, &result);

	CHECK(error != 0 || result == address);
	return error;
}

static void check_replaced(uint64_t address, uint32_t flags, int byte)
{
	struct hel_mapping_info info;

	CHECK_OK(hel_space_query(HEL_THIS, address, &info));
	CHECK_EQ(info.address, address);
	CHECK_EQ(info.size_bytes, REPLACED * PAGE);
	CHECK_EQ(info.flags, flags);
	for (uint64_t i = 0; byte >= 0 && i < REPLACED; i++) {
		CHECK_EQ(read_byte(address + i * PAGE), byte);
	}
}

USER_TEST(slices_replace_many_mappings)
{
	constexpr uint32_t ACCESS = HEL_MAP_READ | HEL_MAP_WRITE;
	const struct {
		uint32_t flags;
		bool has_memory;
		int byte;
	} cases[] = {
		{ ACCESS, true, 7 },
		{ ACCESS | HEL_MAP_FORK_COPY, false, 0 },
		{ ACCESS, false, 0 },
		{ HEL_MAP_GUARD, false, -1 },
	};
	hel_handle memory = allocate_filled(REPLACED + 1, 7);

	for (uint32_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t address = map_patchwork();

		begin(8);
		CHECK_OK(replace(address, cases[i].has_memory ? memory : HEL_NULL, cases[i].flags));
		CHECK(n_pauses >= 5);
		end();
		check_replaced(address, cases[i].flags, cases[i].byte);
		CHECK_OK(hel_space_unmap(HEL_THIS, address, REPLACED * PAGE));
	}
	CHECK_OK(hel_close(HEL_THIS, memory));
}

USER_TEST(slices_replace_many_pages)
{
	uint64_t address = user_map(REPLACED);

	fill(address, REPLACED);
	begin(8);
	CHECK_OK(replace(address, HEL_NULL, HEL_MAP_READ | HEL_MAP_WRITE | HEL_MAP_FORK_COPY));
	CHECK(n_pauses >= 3);
	end();
	check_replaced(address, HEL_MAP_READ | HEL_MAP_WRITE | HEL_MAP_FORK_COPY, 0);
	CHECK_OK(hel_space_unmap(HEL_THIS, address, REPLACED * PAGE));
}

USER_TEST(slices_replace_without_memory_changes_nothing)
{
	hel_handle memory = allocate_filled(REPLACED + 1, 7);
	uint64_t address = map_patchwork();
	int error = -ERR_NO_MEMORY;

	begin(8);
	for (uint64_t i = 0; error == -ERR_NO_MEMORY; i++) {
		fixture_fail_after(i);
		error = replace(address, memory, HEL_MAP_READ);
		fixture_fail_after(~0ull);
		CHECK(error == 0 || error == -ERR_NO_MEMORY);
		for (uint64_t k = 0; k < REPLACED; k++) {
			CHECK_EQ(read_byte(address + k * PAGE), error == 0 ? 7 : 3);
		}
	}
	end();
	check_replaced(address, HEL_MAP_READ, 7);
	CHECK_OK(hel_close(HEL_THIS, memory));
	CHECK_OK(hel_space_unmap(HEL_THIS, address, REPLACED * PAGE));
}

static uint64_t patchwork;
static hel_handle patch;
static _Atomic bool has_replaced;

static void replace_once(UNUSED void *context)
{
	CHECK_OK(replace(patchwork, patch, HEL_MAP_READ));
	atomic_store(&has_replaced, true);
}

/* A page is what it was or what it is to be; and nothing else is put where it was. */
static void read_while_replacing(UNUSED void *context)
{
	patch = allocate_filled(REPLACED + 1, 7);
	patchwork = map_patchwork();
	begin(4);
	atomic_store(&has_replaced, false);
	hel_handle thread = user_start(replace_once, NULL);

	CHECK(thread != HEL_NULL);
	for (uint64_t i = 0; !atomic_load(&has_replaced); i++) {
		uint8_t byte = read_byte(patchwork + i * 7 % REPLACED * PAGE);

		CHECK(byte == 3 || byte == 7);
		if (i % 8 == 0) {
			uint64_t other = user_map(2);

			CHECK(other + 2 * PAGE <= patchwork ||
				other >= patchwork + REPLACED * PAGE);
			CHECK_OK(hel_space_unmap(HEL_THIS, other, 2 * PAGE));
		}
	}
	end();
	check_replaced(patchwork, HEL_MAP_READ, 7);
	CHECK_OK(hel_close(HEL_THIS, thread));
	CHECK_OK(hel_close(HEL_THIS, patch));
	CHECK_OK(hel_space_unmap(HEL_THIS, patchwork, REPLACED * PAGE));
}

TEST(slices_replaced_pages_are_old_or_new)
{
	uint64_t seed = test_seed(1);

	for (uint64_t i = 0; i < 40; i++) {
		machine_begin(2, seed + i);
		CHECK(machine_run(read_while_replacing, NULL));
		CHECK(machine_end());
	}
}

/* Who unmaps what is being replaced gets a hole, and the rest is replaced all the same. */
static void unmap_while_replacing(UNUSED void *context)
{
	patch = allocate_filled(REPLACED + 1, 7);
	patchwork = map_patchwork();
	begin(4);
	atomic_store(&has_replaced, false);
	hel_handle thread = user_start(replace_once, NULL);

	CHECK(thread != HEL_NULL);
	for (uint64_t i = 0; !atomic_load(&has_replaced); i++) {
		CHECK_OK(hel_space_unmap(
			HEL_THIS, patchwork + i * 7 % (REPLACED - 1) * PAGE, 2 * PAGE));
	}
	end();
	CHECK_OK(hel_close(HEL_THIS, thread));
	CHECK_OK(hel_close(HEL_THIS, patch));
	CHECK_OK(hel_space_unmap(HEL_THIS, patchwork, REPLACED * PAGE));
}

TEST(slices_replacing_what_others_unmap)
{
	uint64_t seed = test_seed(1);

	for (uint64_t i = 0; i < 40; i++) {
		machine_begin(2, seed + i);
		CHECK(machine_run(unmap_while_replacing, NULL));
		CHECK(machine_end());
	}
}

/* Their pages are in no page table. */
USER_TEST(slices_take_what_cannot_be_touched)
{
	constexpr uint64_t MANY = 400;
	uint64_t address = user_map(MANY + 1);
	uint64_t other = user_map(MANY);

	write_byte(address + MANY * PAGE, 9);
	for (uint64_t i = 0; i < MANY; i++) {
		write_byte(address + i * PAGE, 1);
		write_byte(other + i * PAGE, 1);
	}
	CHECK_OK(hel_space_protect(HEL_THIS, address, MANY * PAGE, 0));
	begin(48);
	CHECK_OK(hel_space_unmap(HEL_THIS, address, MANY * PAGE));
	CHECK(n_pauses >= 5);
	end();
	CHECK_EQ(read_byte(address + MANY * PAGE), 9);
	CHECK_OK(hel_space_protect(HEL_THIS, other, MANY * PAGE, 0));
	begin(48);
	CHECK_OK(replace(other, HEL_NULL, HEL_MAP_READ | HEL_MAP_FORK_COPY));
	end_anyway();
	CHECK_OK(hel_space_protect(
		HEL_THIS, other + REPLACED * PAGE, (MANY - REPLACED) * PAGE, HEL_MAP_READ));
	CHECK_EQ(read_byte(other), 0);
	CHECK_EQ(read_byte(other + REPLACED * PAGE), 1);
	CHECK_OK(hel_space_unmap(HEL_THIS, other, MANY * PAGE));
	CHECK_OK(hel_space_unmap(HEL_THIS, address + MANY * PAGE, PAGE));
}

/* ---- moves ----------------------------------------------------------------------------------- */

constexpr uint64_t MOVED = 60;
constexpr uint64_t MOVED_SIZE = MOVED * PAGE;

/* Of pages that are in the middle of a larger mapping, so that they share its object. */
static uint64_t map_middle(void)
{
	uint64_t address = user_map(MOVED + 2) + PAGE;

	write_byte(address - PAGE, 98);
	write_byte(address + MOVED_SIZE, 99);
	fill(address, MOVED);
	return address;
}

static void unmap_middle(uint64_t address)
{
	CHECK_EQ(read_byte(address - PAGE), 98);
	CHECK_EQ(read_byte(address + MOVED_SIZE), 99);
	CHECK_OK(hel_space_unmap(HEL_THIS, address - PAGE, MOVED_SIZE + 2 * PAGE));
}

static void check_filled(uint64_t address, uint64_t n_pages)
{
	for (uint64_t i = 0; i < n_pages; i++) {
		CHECK_EQ(read_byte(address + i * PAGE), i + 1);
	}
}

static bool is_mapped_at(uint64_t address)
{
	struct hel_mapping_info info;

	return hel_space_query(HEL_THIS, address, &info) == 0 && info.address <= address;
}

USER_TEST(slices_move_many_pages)
{
	uint64_t to = map_patchwork();
	uint64_t from = map_middle();
	struct hel_mapping_info info;

	begin(8);
	CHECK_OK(hel_space_move(HEL_THIS, from, MOVED_SIZE, to, MOVED_SIZE));
	CHECK(n_pauses >= 12);
	end();
	CHECK(!is_mapped_at(from) && !is_mapped_at(from + MOVED_SIZE - PAGE));
	check_filled(to, MOVED);
	CHECK_EQ(count_mappings(to, to + MOVED_SIZE), 1);
	CHECK_OK(hel_space_query(HEL_THIS, to, &info));
	CHECK_EQ(info.resident_bytes, MOVED_SIZE);
	unmap_middle(from);
	CHECK_OK(hel_space_unmap(HEL_THIS, to, MOVED_SIZE));
}

USER_TEST(slices_move_grows_and_shrinks)
{
	uint64_t from = map_middle();
	uint64_t to = user_map(MOVED + 8);

	begin(8);
	CHECK_OK(hel_space_move(HEL_THIS, from, MOVED_SIZE, to, MOVED_SIZE + 8 * PAGE));
	check_filled(to, MOVED);
	for (uint64_t i = 0; i < 8; i++) {
		CHECK_EQ(read_byte(to + MOVED_SIZE + i * PAGE), 0);
	}
	CHECK_OK(hel_space_move(HEL_THIS, to, MOVED_SIZE, from, MOVED_SIZE / 2));
	check_filled(from, MOVED / 2);
	CHECK(!is_mapped_at(from + MOVED_SIZE / 2));
	CHECK(!is_mapped_at(to) && !is_mapped_at(to + MOVED_SIZE - PAGE));
	CHECK(is_mapped_at(to + MOVED_SIZE));
	/* In place. */
	CHECK_OK(hel_space_move(HEL_THIS, from, MOVED_SIZE / 2, from, PAGE));
	CHECK_EQ(read_byte(from), 1);
	CHECK(!is_mapped_at(from + PAGE));
	end();
	unmap_middle(from);
	CHECK_OK(hel_space_unmap(HEL_THIS, to, MOVED_SIZE + 8 * PAGE));
}

/* Many mappings, of shared memory and of none. */
USER_TEST(slices_move_many_mappings)
{
	hel_handle memory = allocate_filled(MOVED + 1, 7);
	uint64_t from = user_map(MOVED);
	uint64_t to = user_map(MOVED);

	CHECK_OK(replace(from, memory, HEL_MAP_READ | HEL_MAP_WRITE));
	for (uint64_t i = 0; i < MOVED; i++) {
		write_byte(from + i * PAGE, (uint8_t)(i + 1));
		if (i % 2 == 1) {
			CHECK_OK(hel_space_protect(HEL_THIS, from + i * PAGE, PAGE, HEL_MAP_READ));
		}
	}
	begin(8);
	CHECK_OK(hel_space_move(HEL_THIS, from, MOVED_SIZE, to, MOVED_SIZE));
	CHECK(n_pauses >= 20);
	end();
	CHECK_EQ(count_mappings(to, to + MOVED_SIZE), MOVED);
	check_filled(to, MOVED);
	CHECK(!is_mapped_at(from));
	CHECK_OK(hel_close(HEL_THIS, memory));
	CHECK_OK(hel_space_unmap(HEL_THIS, to, MOVED_SIZE));
}

USER_TEST(slices_move_without_memory_changes_nothing)
{
	uint64_t from = map_middle();
	uint64_t to = map_patchwork();
	int error = -ERR_NO_MEMORY;
	uint64_t n_failures = 0;

	begin(8);
	for (; error == -ERR_NO_MEMORY; n_failures++) {
		fixture_fail_after(n_failures);
		error = hel_space_move(HEL_THIS, from, MOVED_SIZE, to, MOVED_SIZE);
		fixture_fail_after(~0ull);
		CHECK(error == 0 || error == -ERR_NO_MEMORY);
		for (uint64_t k = 0; error != 0 && k < MOVED; k++) {
			CHECK_EQ(read_byte(from + k * PAGE), k + 1);
			CHECK_EQ(read_byte(to + k * PAGE), 3);
		}
	}
	CHECK(n_failures > 4);
	end();
	check_filled(to, MOVED);
	unmap_middle(from);
	CHECK_OK(hel_space_unmap(HEL_THIS, to, MOVED_SIZE));
}

static uint64_t moved_from, moved_to;
static _Atomic bool has_moved;
static int move_error;

static void move_once(UNUSED void *context)
{
	move_error = hel_space_move(HEL_THIS, moved_from, MOVED_SIZE, moved_to, MOVED_SIZE);
	atomic_store(&has_moved, true);
}

/* -ERR_FAULT where there is none. */
static int try_byte(uint64_t buffer, uint64_t address)
{
	size_t n_bytes;
	int error = hel_space_read(HEL_THIS, address, (void *)buffer, 1, &n_bytes);

	return error != 0 ? error : read_byte(buffer);
}

/* A page is in one of the two places, and can be written there; nothing else is put in either. */
static void use_while_moving(UNUSED void *context)
{
	moved_from = map_middle();
	uint64_t gap = user_map(1);

	CHECK_OK(hel_space_protect(HEL_THIS, gap, PAGE, HEL_MAP_READ));
	moved_to = map_patchwork();
	uint64_t buffer = user_map(1);

	begin(4);
	atomic_store(&has_moved, false);
	hel_handle thread = user_start(move_once, NULL);

	CHECK(thread != HEL_NULL);
	for (uint64_t i = 0; !atomic_load(&has_moved); i++) {
		uint64_t page = i * 7 % MOVED;
		int old = try_byte(buffer, moved_from + page * PAGE);
		int new = try_byte(buffer, moved_to + page * PAGE);

		CHECK(old == (int)page + 1 || old == -ERR_FAULT);
		CHECK(old != -ERR_FAULT || new == (int)page + 1);
		CHECK(new == (int)page + 1 || new == 3 || new == -ERR_FAULT);
	}
	end();
	CHECK_EQ(move_error, 0);
	check_filled(moved_to, MOVED);
	CHECK_OK(hel_close(HEL_THIS, thread));
	CHECK_OK(hel_space_unmap(HEL_THIS, moved_to, MOVED_SIZE));
	unmap_middle(moved_from);
}

TEST(slices_moved_pages_are_here_or_there)
{
	uint64_t seed = test_seed(1);

	for (uint64_t i = 0; i < 40; i++) {
		machine_begin(2, seed + i);
		CHECK(machine_run(use_while_moving, NULL));
		CHECK(machine_end());
	}
}

/* Whatever another thread does to both ranges, nothing is lost or kept; the machine checks that. */
static uint64_t disturb_seed;

static void disturb_while_moving(UNUSED void *context)
{
	struct random random;

	random_init(&random, disturb_seed);
	moved_from = map_middle();
	moved_to = map_patchwork();
	begin(2);
	atomic_store(&has_moved, false);
	hel_handle thread = user_start(move_once, NULL);

	CHECK(thread != HEL_NULL);
	while (!atomic_load(&has_moved)) {
		uint64_t base = random_chance(&random, 2) ? moved_from : moved_to;
		uint64_t address = base + random_u64(&random) % (MOVED - 3) * PAGE;
		struct hel_map_args args = {
			.space = HEL_THIS,
			.address = address,
			.size_bytes = 3 * PAGE,
			.flags = HEL_MAP_READ | HEL_MAP_WRITE | HEL_MAP_FORK_COPY | HEL_MAP_FIXED,
		};
		uint64_t result;

		switch (random_u64(&random) % 4) {
		case 0: CHECK_OK(hel_space_unmap(HEL_THIS, address, 2 * PAGE)); break;
		case 1: CHECK_OK(hel_space_map(&args, &result)); break;
		case 2: (void)!hel_space_protect(HEL_THIS, address, PAGE, HEL_MAP_READ); break;
		case 3:
			(void)!hel_space_populate(HEL_THIS, address, 3 * PAGE, HEL_POPULATE_WRITE);
			break;
		}
	}
	end_anyway(); /* it may have failed at once */
	CHECK(move_error == 0 || move_error == -ERR_NOT_FOUND);
	CHECK_OK(hel_close(HEL_THIS, thread));
	CHECK_OK(hel_space_unmap(HEL_THIS, moved_to, MOVED_SIZE));
	unmap_middle(moved_from);
}

TEST(slices_moving_what_others_change)
{
	uint64_t seed = test_seed(1);

	for (uint64_t i = 0; i < 60; i++) {
		machine_begin(2, seed + i);
		disturb_seed = seed + i;
		CHECK(machine_run(disturb_while_moving, NULL));
		CHECK(machine_end());
	}
}

static void kill_while_moving(UNUSED void *context)
{
	moved_from = map_middle();
	moved_to = map_patchwork();
	begin(2);
	hel_handle thread = user_start(move_once, NULL);

	CHECK(thread != HEL_NULL);
	for (unsigned i = 0; i < 20; i++) {
		(void)hel_thread_yield();
	}
	CHECK_OK(hel_thread_kill(thread));
	CHECK_OK(hel_close(HEL_THIS, thread));
	end_anyway();
}

TEST(slices_move_that_is_killed_leaves_nothing)
{
	uint64_t seed = test_seed(1);

	for (uint64_t i = 0; i < 40; i++) {
		machine_begin(2, seed + i);
		CHECK(machine_run(kill_while_moving, NULL));
		CHECK(machine_end());
	}
}

/* ---- advice ---------------------------------------------------------------------------------- */

static uint32_t flags_at(uint64_t address)
{
	struct hel_mapping_info info;

	CHECK_OK(hel_space_query(HEL_THIS, address, &info));
	return info.flags;
}

USER_TEST(slices_advise_every_mapping)
{
	uint64_t address = map_patchwork();
	uint64_t end_address = address + REPLACED * PAGE;

	begin(8);
	CHECK_OK(hel_space_advise(HEL_THIS, address, REPLACED * PAGE, HEL_SPACE_LARGE));
	end();
	for (uint64_t i = 0; i < REPLACED; i++) {
		CHECK((flags_at(address + i * PAGE) & HEL_MAP_LARGE) != 0);
	}
	CHECK_EQ(count_mappings(address, end_address), REPLACED);
	CHECK_OK(hel_space_advise(HEL_THIS, address, REPLACED * PAGE, HEL_SPACE_SMALL));
	CHECK_EQ(flags_at(address + 3 * PAGE) & HEL_MAP_LARGE, 0);
	CHECK_OK(hel_space_unmap(HEL_THIS, address, REPLACED * PAGE));
}

USER_TEST(advice_makes_borders_and_joins_again)
{
	uint64_t address = user_map(8);

	fill(address, 8);
	CHECK_OK(hel_space_advise(HEL_THIS, address + 2 * PAGE, 3 * PAGE, HEL_SPACE_LARGE));
	CHECK_EQ(count_mappings(address, address + 8 * PAGE), 3);
	CHECK_EQ(flags_at(address + PAGE) & HEL_MAP_LARGE, 0);
	CHECK((flags_at(address + 4 * PAGE) & HEL_MAP_LARGE) != 0);
	CHECK_EQ(flags_at(address + 5 * PAGE) & HEL_MAP_LARGE, 0);
	CHECK_OK(hel_space_advise(HEL_THIS, address, 8 * PAGE, HEL_SPACE_SMALL));
	CHECK_EQ(count_mappings(address, address + 8 * PAGE), 1);
	for (uint64_t i = 0; i < 8; i++) {
		CHECK_EQ(read_byte(address + i * PAGE), i + 1);
	}
	CHECK_OK(hel_space_unmap(HEL_THIS, address, 8 * PAGE));
}

USER_TEST(advice_is_checked)
{
	uint64_t address = user_map(8);

	CHECK_EQ(hel_space_advise(HEL_THIS, address, PAGE, 2), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_space_advise(HEL_THIS, address + 1, PAGE, 0), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_space_advise(HEL_THIS, address, 0, 0), -ERR_ILLEGAL_ARGS);
	fixture_fail_after(0);
	CHECK_EQ(hel_space_advise(HEL_THIS, address + PAGE, PAGE, HEL_SPACE_LARGE), -ERR_NO_MEMORY);
	fixture_fail_after(~0ull);
	CHECK_EQ(count_mappings(address, address + 8 * PAGE), 1);
	CHECK_OK(hel_space_unmap(HEL_THIS, address + PAGE, PAGE));
	/* The rest is done. */
	CHECK_EQ(hel_space_advise(HEL_THIS, address, 3 * PAGE, HEL_SPACE_LARGE), -ERR_NOT_FOUND);
	CHECK((flags_at(address) & HEL_MAP_LARGE) != 0);
	CHECK((flags_at(address + 2 * PAGE) & HEL_MAP_LARGE) != 0);
	CHECK_EQ(flags_at(address + 3 * PAGE) & HEL_MAP_LARGE, 0);
	CHECK_OK(hel_space_unmap(HEL_THIS, address, 8 * PAGE));
}

/* ---- labels ---------------------------------------------------------------------------------- */

static uint64_t label_at(hel_handle space, uint64_t address)
{
	struct hel_mapping_info info;

	CHECK_OK(hel_space_query(space, address, &info));
	return info.label;
}

USER_TEST(labels_make_borders_and_join_again)
{
	uint64_t address = user_map(8);

	fill(address, 8);
	CHECK_OK(hel_space_label(HEL_THIS, address + 2 * PAGE, 3 * PAGE, 0xff, 0x12));
	CHECK_OK(hel_space_label(HEL_THIS, address + 3 * PAGE, PAGE, 0xf00, 0x300));
	CHECK_EQ(count_mappings(address, address + 8 * PAGE), 5);
	CHECK_EQ(label_at(HEL_THIS, address + PAGE), 0);
	CHECK_EQ(label_at(HEL_THIS, address + 2 * PAGE), 0x12);
	CHECK_EQ(label_at(HEL_THIS, address + 3 * PAGE), 0x312);
	CHECK_EQ(label_at(HEL_THIS, address + 5 * PAGE), 0);
	CHECK_OK(hel_space_label(HEL_THIS, address, 8 * PAGE, ~0ull, 0));
	CHECK_EQ(count_mappings(address, address + 8 * PAGE), 1);
	for (uint64_t i = 0; i < 8; i++) {
		CHECK_EQ(read_byte(address + i * PAGE), i + 1);
	}
	CHECK_OK(hel_space_unmap(HEL_THIS, address, 8 * PAGE));
}

/* They go with the mapping, and to children but for the upper bits; new mappings have none. */
USER_TEST(labels_follow_their_mapping)
{
	uint64_t address = user_map(8), other = user_map(4), to = other;
	hel_handle child;

	fill(address, 8);
	CHECK_OK(hel_space_label(HEL_THIS, address, 4 * PAGE, ~0ull, ~0ull));
	CHECK_OK(hel_space_fork(HEL_THIS, HEL_THIS, &child));
	CHECK_EQ(label_at(child, address), HEL_LABEL_FORKED);
	CHECK_EQ(label_at(child, address + 4 * PAGE), 0);
	CHECK_OK(hel_close(HEL_THIS, child));
	CHECK_OK(hel_space_protect(HEL_THIS, address + PAGE, PAGE, HEL_MAP_READ));
	CHECK_EQ(label_at(HEL_THIS, address + PAGE), ~0ull);
	CHECK_OK(hel_space_move(HEL_THIS, address, 2 * PAGE, to, 2 * PAGE));
	CHECK_EQ(label_at(HEL_THIS, to + PAGE), ~0ull);
	CHECK_EQ(label_at(HEL_THIS, to + 2 * PAGE), 0);
	CHECK_OK(hel_space_unmap(HEL_THIS, other, 4 * PAGE));
	CHECK_OK(hel_space_unmap(HEL_THIS, address, 8 * PAGE));
}

USER_TEST(labels_are_checked)
{
	uint64_t address = user_map(8);

	CHECK_EQ(hel_space_label(HEL_THIS, address, PAGE, 1, 2), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_space_label(HEL_THIS, address + 1, PAGE, 1, 1), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_space_label(HEL_THIS, address, 0, 1, 1), -ERR_ILLEGAL_ARGS);
	fixture_fail_after(0);
	CHECK_EQ(hel_space_label(HEL_THIS, address + PAGE, PAGE, 1, 1), -ERR_NO_MEMORY);
	fixture_fail_after(~0ull);
	CHECK_EQ(count_mappings(address, address + 8 * PAGE), 1);
	CHECK_OK(hel_space_unmap(HEL_THIS, address + PAGE, PAGE));
	CHECK_EQ(hel_space_label(HEL_THIS, address, 3 * PAGE, 1, 1), -ERR_NOT_FOUND);
	CHECK_EQ(label_at(HEL_THIS, address + 2 * PAGE), 1);
	CHECK_OK(hel_space_unmap(HEL_THIS, address, 8 * PAGE));
}

TEST(space_mappings_may_end_beyond_their_memory)
{
	constexpr uint64_t place = 0x10000000;

	fixture_begin(1, 16, 1);
	struct space *space;
	struct memory *memory, *slice;
	struct hel_map_args args = {
		.size_bytes = 4 * PAGE,
		.address = place,
		.offset = PAGE,
		.flags = HEL_MAP_READ | HEL_MAP_WRITE | HEL_MAP_FIXED,
	};
	uint64_t address;

	CHECK_OK(space_create(&space));
	CHECK_OK(memory_create_allocated(2 * PAGE, 0, &memory));
	CHECK_EQ(space_map(space, memory, &args, &address), -ERR_OUT_OF_BOUNDS);
	args.flags |= HEL_MAP_BEYOND;
	CHECK_OK(space_map(space, memory, &args, &address));
	CHECK_OK(space_fault(space, place, SPACE_ACCESS_WRITE));
	CHECK_EQ(space_fault(space, place + PAGE, SPACE_ACCESS_READ), -ERR_OUT_OF_BOUNDS);
	CHECK_OK(memory_resize(memory, 3 * PAGE));
	CHECK_OK(space_fault(space, place + PAGE, SPACE_ACCESS_WRITE));
	CHECK_EQ(space_fault(space, place + 3 * PAGE, SPACE_ACCESS_READ), -ERR_OUT_OF_BOUNDS);
	args.offset = ~4095ull;
	CHECK_EQ(space_map(space, memory, &args, &address), -ERR_OUT_OF_BOUNDS);
	args.offset = 0;
	CHECK_OK(memory_create_slice(memory, 0, PAGE, &slice));
	CHECK_EQ(space_map(space, slice, &args, &address), -ERR_ILLEGAL_ARGS);
	object_unref(&slice->object);
	object_unref(&memory->object);
	object_unref(&space->object);
	CHECK(fixture_end());
}

TEST_MAIN()

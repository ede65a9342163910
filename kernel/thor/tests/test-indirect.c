/* SPDX-License-Identifier: MIT */
/*
 * Indirect memory: whatever is done to its slots and to what they show, each access sees what the
 * slot shows, by every mapping of it and through other indirect memory; and nobody sees what it
 * showed before once hel_memory_indirect_set() has returned.
 *
 * A page holds its number in its first word: that of the memory in the upper half.
 */
#include "managed-server.h"

#include <thor/memory/memory-object.h>
#include <thor/sched/sched.h>

constexpr uint64_t PAGE = HEL_PAGE_SIZE;
constexpr uint64_t RW = HEL_MAP_READ | HEL_MAP_WRITE;

static bool always_pauses;

bool __real_sched_should_pause(uint64_t since_ns);
bool __wrap_sched_should_pause(uint64_t since_ns);

bool __wrap_sched_should_pause(uint64_t since_ns)
{
	return always_pauses || __real_sched_should_pause(since_ns);
}

static uint64_t word_of(uint64_t memory, uint64_t page)
{
	return memory << 32 | (page + 1);
}

static hel_handle make_memory(uint64_t number, uint64_t n_pages)
{
	hel_handle memory;

	CHECK_OK(hel_memory_allocate(n_pages * PAGE, 0, &memory));
	for (uint64_t i = 0; i < n_pages; i++) {
		uint64_t word = word_of(number, i);

		CHECK_OK(hel_memory_write(memory, i * PAGE, &word, sizeof(word)));
	}
	return memory;
}

static hel_handle make_indirect(uint64_t n_slots, uint64_t slot_pages, uint64_t level)
{
	hel_handle indirect;

	CHECK_OK(hel_memory_indirect_create(n_slots, slot_pages * PAGE, RW, level, &indirect));
	return indirect;
}

static void set(hel_handle indirect, uint64_t slot, hel_handle memory, uint64_t page, uint64_t n)
{
	CHECK_OK(hel_memory_indirect_set(indirect, slot, memory, page * PAGE, n * PAGE));
}

static uint64_t map(hel_handle memory, uint64_t n_pages)
{
	struct hel_map_args args = {
		.space = HEL_THIS,
		.memory = memory,
		.size_bytes = n_pages * PAGE,
		.flags = HEL_MAP_READ | HEL_MAP_WRITE,
	};
	uint64_t address = 0;

	CHECK_OK(hel_space_map(&args, &address));
	return address;
}

static void unmap(uint64_t address, uint64_t n_pages)
{
	CHECK_OK(hel_space_unmap(HEL_THIS, address, n_pages * PAGE));
}

static uint64_t read_word(uint64_t address)
{
	uint64_t word;

	sim_load(&word, address, sizeof(word));
	return word;
}

static void write_word(uint64_t address, uint64_t word)
{
	sim_store(address, &word, sizeof(word));
}

/* The word at a page of a memory without a mapping, or 0: there is none. */
static uint64_t peek_word(hel_handle memory, uint64_t page)
{
	uint64_t word;
	int error = hel_memory_read(memory, page * PAGE, &word, sizeof(word));

	if (error != 0) {
		CHECK_EQ(error, -ERR_OUT_OF_BOUNDS);
		return 0;
	}
	return word;
}

static void touch_main(void *context)
{
	(void)read_word((uint64_t)context);
}

/* The error that a fault of somebody who reads ends with. */
static int fault_at(uint64_t address)
{
	struct user_queue queue;

	CHECK_OK(queue_open(&queue, 4, 4096, 4096));
	int error = fault_of(&queue, touch_main, (void *)address);

	queue_close(&queue);
	return error;
}

/* ---- slots ----------------------------------------------------------------------------------- */

USER_TEST(slots_show_what_they_are_set_to)
{
	hel_handle a = make_memory(1, 8), b = make_memory(2, 8);
	hel_handle indirect = make_indirect(3, 4, 1);
	struct hel_memory_info info;

	CHECK_OK(hel_memory_info(indirect, &info));
	CHECK_EQ(info.kind, HEL_MEMORY_INDIRECT);
	CHECK_EQ(info.size_bytes, 12 * PAGE);
	uint64_t address = map(indirect, 12);

	CHECK_EQ(fault_at(address), -ERR_OUT_OF_BOUNDS);
	set(indirect, 0, a, 2, 4);
	set(indirect, 2, b, 7, 1);
	CHECK_EQ(read_word(address), word_of(1, 2));
	CHECK_EQ(read_word(address + 3 * PAGE), word_of(1, 5));
	CHECK_EQ(read_word(address + 8 * PAGE), word_of(2, 7));
	CHECK_EQ(fault_at(address + 4 * PAGE), -ERR_OUT_OF_BOUNDS);
	CHECK_EQ(fault_at(address + 9 * PAGE), -ERR_OUT_OF_BOUNDS);
	write_word(address + PAGE, 77);
	CHECK_EQ(peek_word(a, 3), 77);
	CHECK_EQ(peek_word(indirect, 1), 77);
	CHECK_EQ(peek_word(indirect, 4), 0);
	/* Changed and emptied slots. */
	set(indirect, 0, b, 0, 2);
	CHECK_EQ(read_word(address), word_of(2, 0));
	CHECK_EQ(fault_at(address + 2 * PAGE), -ERR_OUT_OF_BOUNDS);
	set(indirect, 2, HEL_NULL, 0, 0);
	CHECK_EQ(fault_at(address + 8 * PAGE), -ERR_OUT_OF_BOUNDS);
	CHECK_EQ(hel_space_populate(HEL_THIS, address, 3 * PAGE, 0), -ERR_OUT_OF_BOUNDS);
	/* What is set is kept. */
	CHECK_OK(hel_close(HEL_THIS, a));
	CHECK_OK(hel_close(HEL_THIS, b));
	CHECK_EQ(read_word(address + PAGE), word_of(2, 1));
	CHECK_OK(hel_close(HEL_THIS, indirect));
	CHECK_EQ(read_word(address + PAGE), word_of(2, 1));
	unmap(address, 12);
}

USER_TEST(what_makes_no_sense_is_refused)
{
	hel_handle memory = make_memory(1, 4);
	hel_handle indirect = make_indirect(2, 4, 1);
	struct hel_managed_handles handles;
	hel_handle other;

	CHECK_EQ(hel_memory_indirect_create(0, PAGE, RW, 1, &other), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_memory_indirect_create(1, 3 * PAGE, RW, 1, &other), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_memory_indirect_create(1, PAGE / 2, RW, 1, &other), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_memory_indirect_create(1, PAGE, 0, 1, &other), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_memory_indirect_create(1, PAGE, 8, 1, &other), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_memory_indirect_create(1, PAGE, RW, 0, &other), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_memory_indirect_create(1, PAGE, RW, 4, &other), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_memory_indirect_create(UINT64_MAX, PAGE, RW, 1, &other), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(
		hel_memory_indirect_create(2, (uint64_t)1 << 60, RW, 1, &other), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_memory_indirect_set(memory, 0, indirect, 0, PAGE), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_memory_indirect_set(indirect, 0, memory, 1, PAGE), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_memory_indirect_set(indirect, 0, memory, 0, 0), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_memory_indirect_set(indirect, 0, memory, 0, 5 * PAGE), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_memory_indirect_set(indirect, 0, HEL_NULL, 0, PAGE), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_memory_indirect_set(indirect, 0, HEL_NULL, PAGE, 0), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_memory_indirect_set(indirect, 2, memory, 0, PAGE), -ERR_OUT_OF_BOUNDS);
	CHECK_EQ(
		hel_memory_indirect_set(indirect, UINT64_MAX, memory, 0, PAGE), -ERR_OUT_OF_BOUNDS);
	CHECK_EQ(hel_memory_indirect_set(indirect, 0, memory, PAGE, 4 * PAGE), -ERR_OUT_OF_BOUNDS);
	CHECK_EQ(hel_memory_indirect_set(indirect, 0, memory, UINT64_MAX - PAGE + 1, 4 * PAGE),
		-ERR_OUT_OF_BOUNDS);
	CHECK_OK(hel_memory_create_managed(PAGE, 0, &handles));
	CHECK_EQ(hel_memory_indirect_set(indirect, 0, handles.backing, 0, PAGE), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_memory_resize(indirect, PAGE), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_memory_copy_on_write(indirect, 0, PAGE, &other), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_memory_pin(indirect, 0, PAGE, &other), -ERR_NO_RIGHTS);
	fixture_fail_after(0);
	CHECK_EQ(hel_memory_indirect_create(1, PAGE, RW, 1, &other), -ERR_NO_MEMORY);
	CHECK_EQ(hel_memory_indirect_set(indirect, 0, memory, 0, PAGE), -ERR_NO_MEMORY);
	fixture_fail_after(~(uint64_t)0);
	CHECK_EQ(peek_word(indirect, 0), 0);
}

/* What is set must allow what the indirect memory allows, and that is all that a mapping can. */
USER_TEST(slots_give_no_more_rights)
{
	constexpr uint32_t shown = HEL_RIGHT_MAP | HEL_RIGHT_DERIVE;
	hel_handle memory = make_memory(1, 1);
	hel_handle both = make_indirect(1, 1, 1);
	hel_handle readable, weak, weaker;
	uint64_t word = 1;

	CHECK_OK(hel_memory_indirect_create(1, PAGE, HEL_MAP_READ, 1, &readable));
	CHECK_OK(hel_transfer(HEL_THIS, memory, HEL_THIS, shown | HEL_RIGHT_READ, &weak));
	CHECK_OK(hel_transfer(HEL_THIS, memory, HEL_THIS, HEL_RIGHT_MAP | HEL_RIGHT_READ, &weaker));
	CHECK_EQ(hel_memory_indirect_set(both, 0, weak, 0, PAGE), -ERR_NO_RIGHTS);
	CHECK_EQ(hel_memory_indirect_set(readable, 0, weaker, 0, PAGE), -ERR_NO_RIGHTS);
	CHECK_OK(hel_memory_indirect_set(readable, 0, weak, 0, PAGE));
	CHECK_EQ(peek_word(readable, 0), word_of(1, 0));
	CHECK_EQ(hel_memory_write(readable, 0, &word, sizeof(word)), -ERR_NO_RIGHTS);
	struct hel_map_args args = {
		.space = HEL_THIS,
		.memory = readable,
		.size_bytes = PAGE,
		.flags = HEL_MAP_READ,
	};
	uint64_t address;

	CHECK_OK(hel_space_map(&args, &address));
	CHECK_EQ(hel_space_protect(HEL_THIS, address, PAGE, HEL_MAP_READ | HEL_MAP_WRITE),
		-ERR_NO_RIGHTS);
	args.flags = HEL_MAP_READ | HEL_MAP_WRITE;
	CHECK_EQ(hel_space_map(&args, &address), -ERR_NO_RIGHTS);
	/* Who may map it may not change its slots. */
	CHECK_OK(hel_transfer(HEL_THIS, both, HEL_THIS, shown | HEL_RIGHT_READ, &weaker));
	CHECK_EQ(hel_memory_indirect_set(weaker, 0, memory, 0, PAGE), -ERR_NO_RIGHTS);
}

USER_TEST(levels_make_cycles_impossible)
{
	hel_handle memory = make_memory(1, 8);
	hel_handle low = make_indirect(4, 2, 1), middle = make_indirect(2, 4, 2);
	hel_handle high = make_indirect(1, 8, 3), other = make_indirect(1, 8, 1);
	hel_handle slice;

	CHECK_EQ(hel_memory_indirect_set(low, 0, low, 0, PAGE), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_memory_indirect_set(low, 0, other, 0, PAGE), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_memory_indirect_set(low, 0, middle, 0, PAGE), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_memory_indirect_set(middle, 0, high, 0, PAGE), -ERR_ILLEGAL_ARGS);
	CHECK_OK(hel_memory_slice(high, 0, PAGE, &slice));
	CHECK_EQ(hel_memory_indirect_set(high, 0, slice, 0, PAGE), -ERR_ILLEGAL_ARGS);
	set(low, 0, memory, 0, 2);
	set(low, 3, memory, 4, 2);
	set(middle, 1, low, 5, 3);
	set(high, 0, middle, 4, 4);
	uint64_t address = map(high, 8);

	/* high 1 -> middle 5 -> low 6 -> memory 4 */
	CHECK_EQ(read_word(address + PAGE), word_of(1, 4));
	CHECK_EQ(read_word(address + 2 * PAGE), word_of(1, 5));
	CHECK_EQ(fault_at(address), -ERR_OUT_OF_BOUNDS);
	CHECK_EQ(fault_at(address + 3 * PAGE), -ERR_OUT_OF_BOUNDS);
	set(low, 3, memory, 1, 2);
	CHECK_EQ(read_word(address + PAGE), word_of(1, 1));
	write_word(address + 2 * PAGE, 5);
	CHECK_EQ(peek_word(memory, 2), 5);
	set(middle, 1, memory, 0, 4);
	CHECK_EQ(read_word(address + PAGE), word_of(1, 1));
	CHECK_EQ(read_word(address + 3 * PAGE), word_of(1, 3));
	set(high, 0, HEL_NULL, 0, 0);
	CHECK_EQ(fault_at(address + PAGE), -ERR_OUT_OF_BOUNDS);
	/* A slice of indirect memory shows what the slots do. */
	set(high, 0, memory, 0, 8);
	CHECK_EQ(peek_word(slice, 0), word_of(1, 0));
	unmap(address, 8);
}

/* ---- what is shown --------------------------------------------------------------------------- */

USER_TEST(pages_that_go_are_hidden)
{
	hel_handle memory = make_memory(1, 4), indirect = make_indirect(1, 4, 1);

	set(indirect, 0, memory, 0, 4);
	uint64_t address = map(indirect, 4);

	CHECK_EQ(read_word(address + 3 * PAGE), word_of(1, 3));
	CHECK_OK(hel_memory_resize(memory, 3 * PAGE));
	CHECK_EQ(fault_at(address + 3 * PAGE), -ERR_OUT_OF_BOUNDS);
	CHECK_OK(hel_memory_resize(memory, 4 * PAGE));
	CHECK_EQ(read_word(address + 3 * PAGE), 0);
}

/* A view and its copy share pages, until one is written: through the slot, or past it. */
USER_TEST(views_are_private_behind_a_slot)
{
	hel_handle source = make_memory(1, 4), indirect = make_indirect(2, 4, 1);
	hel_handle view, copy;

	CHECK_OK(hel_memory_copy_on_write(source, 0, 4 * PAGE, &view));
	set(indirect, 1, view, 0, 4);
	uint64_t through = map(indirect, 8) + 4 * PAGE;
	uint64_t direct = map(view, 4);

	for (uint64_t i = 0; i < 4; i++) {
		CHECK_EQ(read_word(through + i * PAGE), word_of(1, i));
		CHECK_EQ(read_word(direct + i * PAGE), word_of(1, i));
	}
	write_word(through, 10);
	CHECK_EQ(read_word(direct), 10);
	write_word(direct + PAGE, 11);
	CHECK_EQ(read_word(through + PAGE), 11);
	CHECK_OK(hel_memory_copy_on_write(view, 0, 4 * PAGE, &copy));
	write_word(through, 20);
	write_word(direct + PAGE, 21);
	CHECK_EQ(read_word(direct), 20);
	CHECK_EQ(read_word(through + PAGE), 21);
	CHECK_EQ(peek_word(copy, 0), 10);
	CHECK_EQ(peek_word(copy, 1), 11);
	CHECK_EQ(peek_word(source, 0), word_of(1, 0));
}

USER_TEST(protection_and_moves)
{
	hel_handle memory = make_memory(1, 8), indirect = make_indirect(2, 4, 1);

	set(indirect, 0, memory, 4, 4);
	set(indirect, 1, memory, 0, 4);
	uint64_t address = map(indirect, 8);

	write_word(address + PAGE, 1);
	CHECK_OK(hel_space_protect(HEL_THIS, address, 2 * PAGE, HEL_MAP_READ));
	CHECK_EQ(fault_at(address + 2 * PAGE), 0);
	CHECK_OK(hel_space_protect(HEL_THIS, address, 2 * PAGE, HEL_MAP_READ | HEL_MAP_WRITE));
	write_word(address + PAGE, 2);
	CHECK_EQ(peek_word(memory, 5), 2);
	CHECK_OK(hel_space_move(HEL_THIS, address + 4 * PAGE, 4 * PAGE, 0x2000'0000, 4 * PAGE));
	CHECK_EQ(read_word(0x2000'0000), word_of(1, 0));
	set(indirect, 1, memory, 4, 4);
	CHECK_EQ(read_word(0x2000'0000 + PAGE), 2);
}

/* A fork shares it; each side sees the slots change. */
USER_TEST(children_see_the_same_slots)
{
	hel_handle a = make_memory(1, 2), b = make_memory(2, 2), indirect = make_indirect(1, 2, 1);
	uint64_t buffer = user_map(1);
	size_t n_bytes;
	hel_handle child;

	set(indirect, 0, a, 0, 2);
	uint64_t address = map(indirect, 2);

	CHECK_EQ(read_word(address), word_of(1, 0));
	CHECK_OK(hel_space_fork(HEL_THIS, HEL_THIS, &child));
	CHECK_OK(hel_space_read(child, address, (void *)buffer, 8, &n_bytes));
	CHECK_EQ(read_word(buffer), word_of(1, 0));
	set(indirect, 0, b, 0, 2);
	CHECK_OK(hel_space_read(child, address, (void *)buffer, 8, &n_bytes));
	CHECK_EQ(read_word(buffer), word_of(2, 0));
	write_word(buffer, 5);
	CHECK_OK(hel_space_write(child, address + PAGE, (void *)buffer, 8, &n_bytes));
	CHECK_EQ(read_word(address + PAGE), 5);
	set(indirect, 0, HEL_NULL, 0, 0);
	CHECK_EQ(hel_space_read(child, address, (void *)buffer, 8, &n_bytes), -ERR_FAULT);
	CHECK_OK(hel_close(HEL_THIS, child));
}

static _Atomic bool has_woken;

static void sleep_main(void *context)
{
	CHECK_OK(hel_futex_wait(context, 7, HEL_DEADLINE_NEVER, 1));
	has_woken = true;
}

USER_TEST(futexes_are_those_of_the_memory)
{
	hel_handle memory = make_memory(1, 2), indirect = make_indirect(1, 2, 1);

	set(indirect, 0, memory, 0, 2);
	uint64_t through = map(indirect, 2), direct = map(memory, 2);

	write_word(direct + PAGE, 7);
	has_woken = false;
	CHECK(user_start(sleep_main, (void *)(through + PAGE)) != HEL_NULL);
	uint32_t n_woken = 0;

	while (n_woken == 0) {
		CHECK(!has_woken);
		sim_compute(10'000);
		CHECK_OK(hel_futex_wake((void *)(direct + PAGE), 1, 1, &n_woken));
	}
}

/* ---- managed memory -------------------------------------------------------------------------- */

USER_TEST(managed_pages_come_through_a_slot)
{
	struct user_queue queue;
	struct completion completion;

	CHECK_OK(queue_open(&queue, 8, 8192, 4096));
	server_begin(16);
	server_start();
	hel_handle indirect = make_indirect(2, 8, 1);

	set(indirect, 0, server.handles.frontal, 4, 8);
	uint64_t address = map(indirect, 16);

	CHECK_EQ(read_word(address), server_word(4));
	write_word(address + PAGE, 55);
	CHECK_EQ(server_read(5), 55);
	/* Written back, so that the next write through the slot faults, and is noticed. */
	for (uint64_t i = 0; i < 3; i++) {
		write_word(address + PAGE, 60 + i);
		CHECK(queue_await(&queue,
			submit_fence(&queue, server.handles.frontal, 0, 16 * PAGE), &completion));
		CHECK_EQ(server.disk[5], 60 + i);
	}
	/* Dropped, and brought again. */
	server.disk[5] = 99;
	CHECK_OK(hel_memory_invalidate(server.handles.backing, 0, 16 * PAGE));
	CHECK_EQ(read_word(address + PAGE), 99);
	CHECK_EQ(peek_word(indirect, 2), server_word(6));
	server.fails_reads = true;
	CHECK_OK(hel_memory_invalidate(server.handles.backing, 0, 16 * PAGE));
	CHECK_EQ(fault_at(address + 3 * PAGE), -ERR_IO);
	unmap(address, 16);
	CHECK_OK(hel_close(HEL_THIS, indirect));
	server_end();
	queue_close(&queue);
}

/* ---- slices ---------------------------------------------------------------------------------- */

USER_TEST(long_ranges_are_hidden_in_slices)
{
	constexpr uint64_t N = 64;
	hel_handle a = make_memory(1, N), b = make_memory(2, N), indirect = make_indirect(1, N, 1);

	set(indirect, 0, a, 0, N);
	uint64_t first = map(indirect, N), second = map(indirect, N);

	memory__slice_pages = 5;
	always_pauses = true;
	for (uint64_t round = 0; round < 4; round++) {
		for (uint64_t i = 0; i < N; i++) {
			CHECK_EQ(read_word(first + i * PAGE), word_of(1 + round % 2, i));
			if (i % 3 == 0) {
				CHECK_EQ(read_word(second + i * PAGE), word_of(1 + round % 2, i));
			}
		}
		set(indirect, 0, round % 2 == 0 ? b : a, 0, N);
	}
	memory__slice_pages = 160;
	always_pauses = false;
}

static struct {
	hel_handle indirect, memory;
} half_way;

static void set_main(UNUSED void *context)
{
	(void)hel_memory_indirect_set(half_way.indirect, 0, half_way.memory, 0, 64 * PAGE);
	(void)hel_memory_indirect_set(half_way.indirect, 0, HEL_NULL, 0, 0);
}

/* Whoever comes next finishes what a thread has left that was killed. */
static void kill_main(void *context)
{
	constexpr uint64_t N = 64;
	hel_handle a = make_memory(1, N), b = make_memory(2, N), indirect = make_indirect(2, N, 1);

	set(indirect, 0, a, 0, N);
	uint64_t address = map(indirect, 2 * N);

	for (uint64_t i = 0; i < N; i++) {
		CHECK_EQ(read_word(address + i * PAGE), word_of(1, i));
	}
	half_way.indirect = indirect;
	half_way.memory = b;
	memory__slice_pages = 2;
	always_pauses = true;
	hel_handle thread = user_start(set_main, NULL);

	CHECK(thread != HEL_NULL);
	for (uint64_t i = 0; i < (uint64_t)context; i++) {
		(void)hel_thread_yield();
	}
	CHECK_OK(hel_thread_kill(thread));
	CHECK_OK(hel_close(HEL_THIS, thread));
	set(indirect, 1, b, 0, N);
	for (uint64_t i = 0; i < N; i++) {
		uint64_t word = peek_word(indirect, i);

		CHECK(word == 0 || word == word_of(1, i) || word == word_of(2, i));
		if (word != 0) {
			CHECK_EQ(read_word(address + i * PAGE), word);
		}
	}
	memory__slice_pages = 160;
	always_pauses = false;
}

TEST(slots_left_half_way)
{
	for (uint64_t i = 0; i < 60; i++) {
		machine_begin(1, 1);
		CHECK(machine_run(kill_main, (void *)i));
		CHECK(machine_end());
	}
}

/* ---- a model --------------------------------------------------------------------------------- */

constexpr uint32_t MODEL_MEMORIES = 6;
constexpr uint32_t MODEL_INDIRECTS = 4; /* of levels 1, 1, 2, 3 */
constexpr uint32_t MODEL_SLOTS = 3;
constexpr uint32_t MODEL_SLOT_PAGES = 4;
constexpr uint32_t MODEL_PAGES = MODEL_SLOTS * MODEL_SLOT_PAGES;
constexpr uint32_t MODEL_OBJECTS = MODEL_MEMORIES + MODEL_INDIRECTS;
constexpr uint32_t MODEL_NOTHING = MODEL_OBJECTS;

struct model_slot {
	uint32_t shown; /* MODEL_NOTHING: empty */
	uint32_t first, n_pages;
};

static struct {
	hel_handle handles[MODEL_OBJECTS];
	uint64_t addresses[MODEL_OBJECTS]; /* where each is mapped */
	uint64_t words[MODEL_MEMORIES][MODEL_PAGES];
	struct model_slot slots[MODEL_INDIRECTS][MODEL_SLOTS];
} model;

static struct random random_state;
static uint64_t nth_allocation;

static uint32_t pick(uint32_t bound)
{
	return (uint32_t)random_below(&random_state, bound);
}

static uint32_t model_level(uint32_t object)
{
	static const uint32_t levels[MODEL_INDIRECTS] = { 1, 1, 2, 3 };

	return object < MODEL_MEMORIES ? 0 : levels[object - MODEL_MEMORIES];
}

/* The word that a page of an object holds; NULL: it is empty. */
static uint64_t *model_find(uint32_t object, uint32_t page)
{
	while (object >= MODEL_MEMORIES) {
		const struct model_slot *slot =
			&model.slots[object - MODEL_MEMORIES][page / MODEL_SLOT_PAGES];

		if (slot->shown == MODEL_NOTHING || page % MODEL_SLOT_PAGES >= slot->n_pages) {
			return NULL;
		}
		object = slot->shown;
		page = slot->first + page % MODEL_SLOT_PAGES;
	}
	return &model.words[object][page];
}

static void model_begin(void)
{
	static const uint64_t levels[MODEL_INDIRECTS] = { 1, 1, 2, 3 };

	for (uint32_t i = 0; i < MODEL_OBJECTS; i++) {
		if (i < MODEL_MEMORIES) {
			model.handles[i] = make_memory(i, MODEL_PAGES);
			for (uint32_t page = 0; page < MODEL_PAGES; page++) {
				model.words[i][page] = word_of(i, page);
			}
			if (i % 3 == 2) {
				CHECK_OK(hel_memory_copy_on_write(model.handles[i], 0,
					MODEL_PAGES * PAGE, &model.handles[i]));
			}
		} else {
			model.handles[i] = make_indirect(
				MODEL_SLOTS, MODEL_SLOT_PAGES, levels[i - MODEL_MEMORIES]);
			for (uint32_t slot = 0; slot < MODEL_SLOTS; slot++) {
				model.slots[i - MODEL_MEMORIES][slot].shown = MODEL_NOTHING;
			}
		}
		model.addresses[i] = map(model.handles[i], MODEL_PAGES);
	}
}

static void model_set(void)
{
	uint32_t object = MODEL_MEMORIES + pick(MODEL_INDIRECTS);
	uint32_t slot = pick(MODEL_SLOTS);
	uint32_t shown = pick(4) == 0 ? MODEL_NOTHING : pick(MODEL_OBJECTS);
	uint32_t first = shown == MODEL_NOTHING ? 0 : pick(MODEL_PAGES);
	uint32_t n_pages = shown == MODEL_NOTHING ? 0 : 1 + pick(MODEL_SLOT_PAGES);
	int error = hel_memory_indirect_set(model.handles[object], slot,
		shown == MODEL_NOTHING ? HEL_NULL : model.handles[shown], first * PAGE,
		n_pages * PAGE);

	if (error == -ERR_NO_MEMORY) {
		CHECK(nth_allocation != 0);
	} else if (shown != MODEL_NOTHING && model_level(shown) >= model_level(object)) {
		CHECK_EQ(error, -ERR_ILLEGAL_ARGS);
	} else if (first + n_pages > MODEL_PAGES) {
		CHECK_EQ(error, -ERR_OUT_OF_BOUNDS);
	} else {
		CHECK_OK(error);
		model.slots[object - MODEL_MEMORIES][slot] = (struct model_slot){
			.shown = shown,
			.first = first,
			.n_pages = n_pages,
		};
	}
}

static void model_access(void)
{
	uint32_t object = pick(MODEL_OBJECTS);
	uint32_t page = pick(MODEL_PAGES);
	uint64_t *word = model_find(object, page);
	uint64_t address = model.addresses[object] + page * PAGE;
	uint64_t new_word = random_u64(&random_state);

	if (word == NULL) {
		CHECK_EQ(hel_memory_write(model.handles[object], page * PAGE, &new_word, 8),
			-ERR_OUT_OF_BOUNDS);
		CHECK_EQ(hel_space_populate(HEL_THIS, address, PAGE, 0), -ERR_OUT_OF_BOUNDS);
		return;
	}
	switch (pick(4)) {
	case 0: CHECK_EQ(read_word(address), *word); break;
	case 1: CHECK_EQ(peek_word(model.handles[object], page), *word); break;
	case 2:
		write_word(address, new_word);
		*word = new_word;
		break;
	default:
		CHECK_OK(hel_memory_write(model.handles[object], page * PAGE, &new_word, 8));
		*word = new_word;
	}
}

static void model_main(UNUSED void *context)
{
	model_begin();
	memory__slice_pages = 1 + pick(4);
	for (uint32_t i = 0; i < 600; i++) {
		if (pick(6) == 0) {
			nth_allocation = pick(2) == 0 ? 1 + pick(4) : 0;
			if (nth_allocation != 0) {
				fixture_fail_only(nth_allocation - 1);
			}
			model_set();
			fixture_fail_after(~(uint64_t)0);
		} else {
			model_access();
		}
	}
	memory__slice_pages = 160;
}

TEST(random_slots_follow_the_model)
{
	uint64_t seed = test_seed(1);

	for (uint64_t round = 0; round < 40; round++) {
		random_init(&random_state, seed + round);
		machine_begin(1, seed + round);
		CHECK(machine_run(model_main, NULL));
		CHECK(machine_end());
	}
}

/* ---- races ----------------------------------------------------------------------------------- */

/*
 * One thread makes memory, sets a slot to it and closes it, over and over; pages are used again as
 * soon as they are free. Readers see the words of a memory that was set, never older than what had
 * been replaced when they looked.
 */
constexpr uint64_t RACE_PAGES = 4;

static struct {
	uint64_t address, outer_address;
	hel_handle indirect;
	_Atomic uint64_t oldest; /* memory that may still be seen */
	_Atomic bool is_over;
	_Atomic uint64_t n_readers;
	const char *failure;
} race;

static void race_check(uint64_t word, uint64_t page, uint64_t oldest)
{
	if (word >> 32 < oldest || (uint32_t)word != page + 1) {
		race.failure = "an old or foreign page was seen";
	}
}

static void reader_main(void *context)
{
	struct random random;

	random_init(&random, (uint64_t)context);
	while (!race.is_over && race.failure == NULL) {
		uint64_t page = random_below(&random, RACE_PAGES);
		uint64_t oldest = race.oldest;
		uint64_t word;

		switch (random_below(&random, 3)) {
		case 0: word = read_word(race.address + page * PAGE); break;
		case 1: word = read_word(race.outer_address + page * PAGE); break;
		default:
			if (hel_memory_read(race.indirect, page * PAGE, &word, 8) != 0) {
				race.failure = "cannot read";
				word = 0;
			}
		}
		race_check(word, page, oldest);
	}
	race.n_readers--;
}

static void race_main(UNUSED void *context)
{
	hel_handle outer = make_indirect(1, RACE_PAGES, 2);

	race.indirect = make_indirect(1, RACE_PAGES, 1);
	race.address = map(race.indirect, RACE_PAGES);
	set(outer, 0, race.indirect, 0, RACE_PAGES);
	race.outer_address = map(outer, RACE_PAGES);
	race.is_over = false;
	race.failure = NULL;
	race.n_readers = 2;
	for (uint64_t i = 1; i < 80 && race.failure == NULL; i++) {
		hel_handle memory = make_memory(i, RACE_PAGES);

		set(race.indirect, 0, memory, 0, RACE_PAGES);
		race.oldest = i;
		CHECK_OK(hel_close(HEL_THIS, memory));
		if (i == 1) {
			CHECK(user_start(reader_main, (void *)1) != HEL_NULL);
			CHECK(user_start(reader_main, (void *)2) != HEL_NULL);
		}
		for (uint64_t page = 0; page < RACE_PAGES; page++) {
			race_check(read_word(race.address + page * PAGE), page, i);
		}
	}
	race.is_over = true;
	while (race.n_readers > 0) {
		sim_compute(10'000);
	}
}

TEST(readers_never_see_what_was_replaced)
{
	uint64_t seed = test_seed(1);

	for (uint64_t i = 0; i < 12; i++) {
		machine_begin(3, seed + i);
		sim_interleave(i % 2 == 0 ? 0 : 4u << i % 4);
		CHECK(machine_run(race_main, NULL));
		if (race.failure != NULL) {
			test_fail(__FILE__, __LINE__, "seed %llu: %s",
				(unsigned long long)(seed + i), race.failure);
		}
		CHECK(machine_end());
	}
}

TEST_MAIN()

/* SPDX-License-Identifier: MIT */
/* Address spaces: mapping, holes, protection, moving, forking, looking into another one. */
#include "kernel-test.h"

#define READ_WRITE (HEL_MAP_READ | HEL_MAP_WRITE)
#define PAGE	   HEL_PAGE_SIZE

static void bad_mappings_are_refused(void)
{
	struct hel_map_args args = { .space = HEL_THIS, .size_bytes = PAGE, .flags = READ_WRITE };
	struct hel_map_args bad;
	hel_handle memory;
	uint64_t address;

	bad = args;
	bad.size_bytes = 0;
	CHECK_EQ(hel_space_map(&bad, &address), -ERR_ILLEGAL_ARGS);
	bad.size_bytes = 100;
	CHECK_EQ(hel_space_map(&bad, &address), -ERR_ILLEGAL_ARGS);
	bad = args;
	bad.flags = 1u << 31;
	CHECK_EQ(hel_space_map(&bad, &address), -ERR_ILLEGAL_ARGS);
	bad = args;
	bad.flags |= HEL_MAP_FIXED;
	bad.address = 0xffff800000000000;
	CHECK(hel_space_map(&bad, &address) < 0);
	bad.address = 123;
	CHECK_EQ(hel_space_map(&bad, &address), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_memory_allocate(PAGE, 0, &memory), 0);
	bad = args;
	bad.memory = memory;
	bad.offset = PAGE;
	CHECK_EQ(hel_space_map(&bad, &address), -ERR_OUT_OF_BOUNDS);
	bad.offset = 1;
	CHECK_EQ(hel_space_map(&bad, &address), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_space_map((void *)16, &address), -ERR_FAULT);
	CHECK_EQ(hel_close(HEL_THIS, memory), 0);
}

static void fixed_mappings_go_where_they_are_told(void)
{
	uint8_t *room = ktest_map(HEL_NULL, 8 * PAGE, READ_WRITE);
	struct hel_map_args args = {
		.space = HEL_THIS,
		.address = (uint64_t)room + 2 * PAGE,
		.size_bytes = PAGE,
		.flags = READ_WRITE | HEL_MAP_FIXED_NOREPLACE,
	};
	uint64_t address;

	CHECK(room != NULL);
	room[2 * PAGE] = 1;
	CHECK_EQ(hel_space_map(&args, &address), -ERR_EXISTS);
	CHECK_EQ(room[2 * PAGE], 1);
	args.flags = READ_WRITE | HEL_MAP_FIXED;
	CHECK_EQ(hel_space_map(&args, &address), 0);
	CHECK_EQ(address, args.address);
	CHECK_EQ(((volatile uint8_t *)room)[2 * PAGE], 0);
	CHECK_EQ(hel_space_unmap(HEL_THIS, (uint64_t)room, 8 * PAGE), 0);
	args.flags = READ_WRITE | HEL_MAP_FIXED_NOREPLACE;
	CHECK_EQ(hel_space_map(&args, &address), 0);
	CHECK_EQ(hel_space_unmap(HEL_THIS, address, PAGE), 0);
}

static void holes_can_be_cut(void)
{
	uint8_t *room = ktest_map(HEL_NULL, 5 * PAGE, READ_WRITE);
	struct hel_mapping_info info;
	size_t n_copied = 0;
	uint8_t byte;

	CHECK(room != NULL);
	room[0] = 1;
	room[4 * PAGE] = 4;
	CHECK_EQ(hel_space_unmap(HEL_THIS, (uint64_t)room + PAGE, 2 * PAGE), 0);
	CHECK_EQ(room[0], 1);
	CHECK_EQ(room[4 * PAGE], 4);
	CHECK_EQ(hel_space_read(HEL_THIS, (uint64_t)room + PAGE, &byte, 1, &n_copied), -ERR_FAULT);
	CHECK_EQ(hel_space_query(HEL_THIS, (uint64_t)room + PAGE, &info), 0);
	CHECK_EQ(info.address, (uint64_t)room + 3 * PAGE);
	CHECK_EQ(hel_space_unmap(HEL_THIS, (uint64_t)room, 5 * PAGE), 0);
	CHECK_EQ(hel_space_unmap(HEL_THIS, (uint64_t)room, 5 * PAGE), 0);
	CHECK_EQ(hel_space_unmap(HEL_THIS, (uint64_t)room + 1, PAGE), -ERR_ILLEGAL_ARGS);
}

static void protection_is_enforced_on_the_kernel_too(void)
{
	uint8_t *room = ktest_map(HEL_NULL, 2 * PAGE, READ_WRITE);

	CHECK(room != NULL);
	CHECK_EQ(hel_random(room, 16), 0);
	CHECK_EQ(hel_space_protect(HEL_THIS, (uint64_t)room, PAGE, HEL_MAP_READ), 0);
	CHECK_EQ(hel_random(room, 16), -ERR_FAULT);
	CHECK_EQ(hel_random(room + PAGE - 8, 16), -ERR_FAULT);
	CHECK_EQ(hel_random(room + PAGE, 16), 0);
	CHECK_EQ(hel_space_protect(HEL_THIS, (uint64_t)room, PAGE, READ_WRITE), 0);
	CHECK_EQ(hel_random(room + PAGE - 8, 16), 0);
	CHECK_EQ(hel_space_unmap(HEL_THIS, (uint64_t)room, 2 * PAGE), 0);
	CHECK_EQ(hel_space_protect(HEL_THIS, (uint64_t)room, PAGE, READ_WRITE), -ERR_NOT_FOUND);
}

static void discarded_pages_read_zero(void)
{
	volatile uint64_t *room = ktest_map(HEL_NULL, 2 * PAGE, READ_WRITE | HEL_MAP_FORK_COPY);

	CHECK(room != NULL);
	room[0] = 5;
	room[512] = 6;
	CHECK_EQ(hel_space_discard(HEL_THIS, (uint64_t)room, PAGE), 0);
	CHECK_EQ(room[0], 0);
	CHECK_EQ(room[512], 6);
	CHECK_EQ(hel_space_unmap(HEL_THIS, (uint64_t)room, 2 * PAGE), 0);
}

static void mappings_move_with_their_pages(void)
{
	volatile uint64_t *from = ktest_map(HEL_NULL, 2 * PAGE, READ_WRITE);
	volatile uint64_t *to = ktest_map(HEL_NULL, 8 * PAGE, READ_WRITE);
	uint64_t word;

	CHECK(from != NULL && to != NULL);
	from[0] = 11;
	from[512] = 12;
	CHECK_EQ(hel_space_move(HEL_THIS, (uint64_t)from, 2 * PAGE, (uint64_t)to, 4 * PAGE), 0);
	CHECK_EQ(to[0], 11);
	CHECK_EQ(to[512], 12);
	CHECK_EQ(to[1024], 0);
	CHECK_EQ(hel_space_read(HEL_THIS, (uint64_t)from, &word, 8, NULL), -ERR_FAULT);
	CHECK_EQ(hel_space_unmap(HEL_THIS, (uint64_t)to, 8 * PAGE), 0);
}

static void another_space_can_be_filled_and_read(void)
{
	static const char text[] = "through the looking-glass";
	struct hel_map_args args = {
		.address = 0x10000000,
		.size_bytes = 2 * PAGE,
		.flags = READ_WRITE | HEL_MAP_FIXED,
		.tag = 4711,
	};
	struct hel_mapping_info info;
	char back[sizeof(text)];
	uint64_t address;
	size_t n_copied;

	CHECK_EQ(hel_space_create(&args.space), 0);
	CHECK_EQ(hel_space_query(args.space, 0, &info), -ERR_NOT_FOUND);
	CHECK_EQ(hel_space_map(&args, &address), 0);
	CHECK_EQ(address, 0x10000000);
	address += PAGE - 10;
	CHECK_EQ(hel_space_write(args.space, address, text, sizeof(text), &n_copied), 0);
	CHECK_EQ(n_copied, sizeof(text));
	CHECK_EQ(hel_space_read(args.space, address, back, sizeof(back), &n_copied), 0);
	for (size_t i = 0; i < sizeof(text); i++) {
		CHECK_EQ(back[i], text[i]);
	}
	CHECK_EQ(hel_space_query(args.space, 0, &info), 0);
	CHECK_EQ(info.tag, 4711);
	CHECK_EQ(info.size_bytes, 2 * PAGE);
	CHECK_EQ(hel_space_write(args.space, 0x10000000 + 2 * PAGE - 4, text, 8, &n_copied),
		-ERR_FAULT);
	CHECK_EQ(hel_close(HEL_THIS, args.space), 0);
}

/* Map one page at 256 MiB + n pages of a space and put a word there. */
static int put_word(hel_handle space, uint64_t address, uint32_t flags, uint64_t word)
{
	struct hel_map_args args = {
		.space = space,
		.address = address,
		.size_bytes = PAGE,
		.flags = READ_WRITE | HEL_MAP_FIXED | flags,
	};
	int error = hel_space_map(&args, &address);

	return error != 0 ? error : hel_space_write(space, address, &word, sizeof(word), NULL);
}

static void fork_shares_copies_and_drops(void)
{
	const uint64_t copied = 0x10000000, shared = 0x10001000, dropped = 0x10002000;
	hel_handle parent, child;
	uint64_t word = 99;

	CHECK_EQ(hel_space_create(&parent), 0);
	CHECK_EQ(put_word(parent, copied, HEL_MAP_FORK_COPY, 1), 0);
	CHECK_EQ(put_word(parent, shared, HEL_MAP_FORK_SHARE, 2), 0);
	CHECK_EQ(put_word(parent, dropped, HEL_MAP_FORK_DROP, 3), 0);
	CHECK_EQ(hel_space_fork(parent, &child), 0);
	CHECK_EQ(hel_space_write(parent, copied, &word, 8, NULL), 0);
	CHECK_EQ(hel_space_write(parent, shared, &word, 8, NULL), 0);
	CHECK_EQ(hel_space_read(child, copied, &word, 8, NULL), 0);
	CHECK_EQ(word, 1);
	CHECK_EQ(hel_space_read(child, shared, &word, 8, NULL), 0);
	CHECK_EQ(word, 99);
	CHECK_EQ(hel_space_read(child, dropped, &word, 8, NULL), -ERR_FAULT);
	word = 55;
	CHECK_EQ(hel_space_write(child, copied, &word, 8, NULL), 0);
	CHECK_EQ(hel_space_read(parent, copied, &word, 8, NULL), 0);
	CHECK_EQ(word, 99);
	CHECK_EQ(hel_close(HEL_THIS, parent), 0);
	CHECK_EQ(hel_space_read(child, copied, &word, 8, NULL), 0);
	CHECK_EQ(word, 55);
	CHECK_EQ(hel_close(HEL_THIS, child), 0);
}

static void forks_of_forks_stay_apart(void)
{
	hel_handle spaces[8];
	uint64_t word;

	CHECK_EQ(hel_space_create(&spaces[0]), 0);
	CHECK_EQ(put_word(spaces[0], 0x10000000, HEL_MAP_FORK_COPY, 100), 0);
	for (int i = 1; i < 8; i++) {
		CHECK_EQ(hel_space_fork(spaces[i - 1], &spaces[i]), 0);
		word = 100 + (uint64_t)i;
		CHECK_EQ(hel_space_write(spaces[i], 0x10000000, &word, 8, NULL), 0);
	}
	for (int i = 0; i < 8; i++) {
		CHECK_EQ(hel_space_read(spaces[i], 0x10000000, &word, 8, NULL), 0);
		CHECK_EQ(word, 100 + i);
	}
	for (int i = 0; i < 8; i += 2) {
		CHECK_EQ(hel_close(HEL_THIS, spaces[i]), 0);
	}
	for (int i = 1; i < 8; i += 2) {
		CHECK_EQ(hel_space_read(spaces[i], 0x10000000, &word, 8, NULL), 0);
		CHECK_EQ(word, 100 + i);
		CHECK_EQ(hel_close(HEL_THIS, spaces[i]), 0);
	}
}

static void large_reservations_cost_nothing(void)
{
	struct hel_map_args args = {
		.space = HEL_THIS,
		.size_bytes = 16ull << 30,
		.flags = READ_WRITE,
	};
	uint64_t address;

	CHECK_EQ(hel_space_map(&args, &address), 0);
	*(volatile uint8_t *)(address + (15ull << 30)) = 1;
	CHECK_EQ(*(volatile uint8_t *)(address + (7ull << 30)), 0);
	CHECK_EQ(hel_space_unmap(HEL_THIS, address, args.size_bytes), 0);
	args.size_bytes = 1ull << 62;
	CHECK(hel_space_map(&args, &address) < 0);
}

const struct ktest_case space_cases[] = {
	KTEST(bad_mappings_are_refused),
	KTEST(fixed_mappings_go_where_they_are_told),
	KTEST(holes_can_be_cut),
	KTEST(protection_is_enforced_on_the_kernel_too),
	KTEST(discarded_pages_read_zero),
	KTEST(mappings_move_with_their_pages),
	KTEST(another_space_can_be_filled_and_read),
	KTEST(fork_shares_copies_and_drops),
	KTEST(forks_of_forks_stay_apart),
	KTEST(large_reservations_cost_nothing),
	KTEST_END,
};

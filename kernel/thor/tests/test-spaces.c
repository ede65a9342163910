/* SPDX-License-Identifier: MIT */
/* Spaces: mapping, faults, protection, forking, moving, copying; one behaviour per case. */
#include "support.h"

#include <thor/memory/mapping.h>
#include <thor/object/account.h>

constexpr uint64_t PAGE = 4096;
constexpr uint64_t BASE = 0x10000000;

static struct space *space_new(void)
{
	struct space *space = NULL;

	CHECK_OK(space_create(&space));
	return space;
}

static int map_at(struct space *space, struct memory *memory, uint64_t address, uint64_t n_pages,
	uint32_t flags)
{
	struct hel_map_args args = {
		.address = address,
		.size_bytes = n_pages * PAGE,
		.flags = flags | HEL_MAP_FIXED,
	};

	return space_map(space, memory, &args, &address);
}

static uint64_t count_mappings(struct space *space)
{
	struct hel_mapping_info info;
	uint64_t n_mappings = 0;

	for (uint64_t at = 0; space_query(space, at, &info) == 0; n_mappings++) {
		CHECK(info.address >= at);
		at = info.address + info.size_bytes;
	}
	return n_mappings;
}

TEST(space_anonymous_is_zero_on_demand)
{
	fixture_begin(1, 16, 1);
	struct space *space = space_new();
	uint64_t address = map_anonymous(space, 100);

	space_activate(space);
	CHECK_EQ(peek(address), 0);
	CHECK_OK(poke(address + 5 * PAGE, 77));
	CHECK_EQ(peek(address + 5 * PAGE), 77);
	CHECK_EQ(peek(address + 5 * PAGE + 1), 0);
	CHECK_EQ(peek(address + 100 * PAGE), 256);
	CHECK_EQ(poke(address + 100 * PAGE, 1), -ERR_FAULT);
	struct hel_mapping_info info;

	CHECK_OK(space_query(space, 0, &info));
	CHECK_EQ(info.resident_bytes, PAGE);
	object_unref(&space->object);
	CHECK(fixture_end());
}

TEST(space_bad_arguments_are_refused)
{
	fixture_begin(1, 16, 1);
	struct space *space = space_new();
	uint64_t at = 0;
	const struct hel_map_args bad[] = {
		{ .size_bytes = 0 },
		{ .size_bytes = 100 },
		{ .size_bytes = ~0ull & ~4095ull },
		{ .size_bytes = PAGE, .offset = 7 },
		{ .size_bytes = PAGE, .flags = 1u << 20 },
		{ .size_bytes = PAGE, .flags = HEL_MAP_FORK_COPY | HEL_MAP_FORK_DROP },
		{ .size_bytes = PAGE, .flags = HEL_MAP_FIXED },
		{ .size_bytes = PAGE, .flags = HEL_MAP_FIXED, .address = BASE + 1 },
		{ .size_bytes = PAGE, .flags = HEL_MAP_FIXED, .address = ARCH_USER_HIGH },
		{ .size_bytes = 2 * PAGE,
			.flags = HEL_MAP_FIXED,
			.address = ARCH_USER_HIGH - PAGE },
		{ .size_bytes = PAGE, .flags = HEL_MAP_FIXED, .address = ~4095ull },
		{ .size_bytes = PAGE,
			.flags = HEL_MAP_FIXED | HEL_MAP_FIXED_NOREPLACE,
			.address = BASE },
		{ .size_bytes = PAGE, .flags = HEL_MAP_GUARD | HEL_MAP_READ },
		{ .size_bytes = PAGE, .flags = HEL_MAP_READ | HEL_MAP_BEYOND },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		CHECK_EQ(space_map(space, NULL, &bad[i], &at), -ERR_ILLEGAL_ARGS);
	}
	CHECK_EQ(space_unmap(space, BASE, 0), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(space_unmap(space, BASE, ~4095ull), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(space_protect(space, BASE, PAGE, 8), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(space_discard(space, 1, PAGE), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(space_move(space, BASE, 2 * PAGE, BASE + PAGE, 2 * PAGE), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(space_fault(space, ~0ull, SPACE_ACCESS_READ), -ERR_FAULT);
	CHECK_EQ(space_copy_in(space, &at, ~0ull - 3, 8), -ERR_FAULT);
	object_unref(&space->object);
	CHECK(fixture_end());
}

TEST(space_search_is_top_down_and_honours_limits)
{
	fixture_begin(1, 16, 1);
	struct space *space = space_new();
	struct hel_map_args args = {
		.size_bytes = 4 * PAGE,
		.flags = HEL_MAP_GUARD,
		.tag = 1,
		.limit_low = BASE,
		.limit_high = BASE + 16 * PAGE,
	};
	uint64_t at = 0;

	for (uint64_t i = 1; i <= 4; i++) {
		args.tag = i;
		CHECK_OK(space_map(space, NULL, &args, &at));
		CHECK_EQ(at, BASE + (16 - 4 * i) * PAGE);
	}
	CHECK_EQ(space_map(space, NULL, &args, &at), -ERR_NO_SPACE);
	CHECK_OK(space_unmap(space, BASE + 5 * PAGE, 2 * PAGE));
	CHECK_OK(space_unmap(space, BASE + 13 * PAGE, PAGE));
	args.size_bytes = 2 * PAGE;
	CHECK_OK(space_map(space, NULL, &args, &at));
	CHECK_EQ(at, BASE + 5 * PAGE);
	args.size_bytes = PAGE;
	args.address = BASE + 6 * PAGE;
	CHECK_OK(space_map(space, NULL, &args, &at));
	CHECK_EQ(at, BASE + 13 * PAGE);
	args.limit_high = args.limit_low = args.address = 0;
	CHECK_OK(space_map(space, NULL, &args, &at));
	CHECK_EQ(at, ARCH_USER_HIGH - PAGE);
	args.address = 0x20000000;
	CHECK_OK(space_map(space, NULL, &args, &at));
	CHECK_EQ(at, 0x20000000);
	object_unref(&space->object);
	CHECK(fixture_end());
}

TEST(space_noreplace_and_fixed)
{
	fixture_begin(1, 16, 1);
	struct space *space = space_new();
	uint64_t at;
	struct hel_map_args args = {
		.address = BASE + PAGE,
		.size_bytes = PAGE,
		.flags = RW_COPY | HEL_MAP_FIXED_NOREPLACE,
	};

	space_activate(space);
	CHECK_OK(map_at(space, NULL, BASE, 3, RW_COPY));
	CHECK_OK(poke(BASE, 1));
	CHECK_OK(poke(BASE + PAGE, 2));
	CHECK_OK(poke(BASE + 2 * PAGE, 3));
	CHECK_EQ(space_map(space, NULL, &args, &at), -ERR_EXISTS);
	args.address = BASE + 3 * PAGE;
	CHECK_OK(space_map(space, NULL, &args, &at));
	CHECK_OK(map_at(space, NULL, BASE + PAGE, 1, RW_COPY));
	CHECK_EQ(peek(BASE), 1);
	CHECK_EQ(peek(BASE + PAGE), 0);
	CHECK_EQ(peek(BASE + 2 * PAGE), 3);
	CHECK_EQ(count_mappings(space), 1);
	CHECK_EQ(sim_check_tlbs(), 0);
	object_unref(&space->object);
	CHECK(fixture_end());
}

TEST(space_neighbours_become_one_mapping)
{
	fixture_begin(1, 16, 1);
	struct space *space = space_new();

	for (uint64_t i = 0; i < 10; i++) {
		CHECK_OK(map_at(space, NULL, BASE + i * PAGE, 1, RW_COPY));
		CHECK_OK(map_at(space, NULL, BASE - (i + 1) * PAGE, 1, RW_COPY));
	}
	CHECK_EQ(count_mappings(space), 1);
	CHECK_OK(map_at(space, NULL, BASE + 10 * PAGE, 1, HEL_MAP_READ | HEL_MAP_FORK_COPY));
	CHECK_EQ(count_mappings(space), 2);
	CHECK_OK(space_protect(space, BASE + 10 * PAGE, PAGE, HEL_MAP_READ | HEL_MAP_WRITE));
	CHECK_OK(space_protect(space, BASE, 2 * PAGE, 0));
	CHECK_EQ(count_mappings(space), 4);
	CHECK_OK(space_protect(space, BASE, 2 * PAGE, HEL_MAP_READ | HEL_MAP_WRITE));
	CHECK_EQ(count_mappings(space), 2);
	object_unref(&space->object);
	CHECK(fixture_end());
}

TEST(space_unmap_splits_and_frees)
{
	fixture_begin(1, 16, 1);
	struct space *space = space_new();

	space_activate(space);
	CHECK_OK(map_at(space, NULL, BASE, 512, RW_COPY));
	for (uint64_t i = 0; i < 512; i++) {
		CHECK_OK(poke(BASE + i * PAGE, (uint8_t)i));
	}
	uint64_t before = fixture_free_bytes();

	CHECK_OK(space_unmap(space, BASE + 100 * PAGE, 300 * PAGE));
	CHECK(fixture_free_bytes() >= before + 300 * PAGE);
	CHECK_EQ(peek(BASE + 99 * PAGE), 99);
	CHECK_EQ(peek(BASE + 100 * PAGE), 256);
	CHECK_EQ(peek(BASE + 400 * PAGE), 400 & 255);
	CHECK_OK(space_unmap(space, 0x1000, ARCH_USER_HIGH - 0x1000));
	CHECK_EQ(count_mappings(space), 0);
	CHECK_EQ(peek(BASE), 256);
	object_unref(&space->object);
	CHECK(fixture_end());
}

TEST(space_thin_takes_pages_in_slices)
{
	struct memory *shared = NULL;
	unsigned n_slices = 1;

	fixture_begin(1, 64, 1);
	struct space *space = space_new();

	space_activate(space);
	CHECK_OK(memory_create_allocated(1000 * PAGE, 0, &shared));
	CHECK_OK(map_at(space, NULL, BASE, 4000, RW_COPY));
	CHECK_OK(map_at(space, shared, BASE + 4000 * PAGE, 1000, RW_SHARE));
	for (uint64_t i = 0; i < 5000; i++) {
		CHECK_OK(poke(BASE + i * PAGE, 7));
	}
	uint64_t before = fixture_free_bytes();

	while (space_thin(space, BASE + PAGE, 4999 * PAGE)) {
		n_slices++;
		CHECK_EQ(sim_check_tlbs(), 0);
	}
	CHECK(n_slices >= 78 && n_slices <= 80);
	CHECK(fixture_free_bytes() >= before + 3999 * PAGE);
	CHECK_EQ(count_mappings(space), 2);
	CHECK_EQ(peek(BASE), 7);
	CHECK_EQ(peek(BASE + PAGE), 0);
	CHECK_EQ(peek(BASE + 4000 * PAGE), 7);
	CHECK(!space_thin(space, BASE, PAGE));
	CHECK(!space_thin(space, BASE + 1, ~0ull));
	object_unref(&shared->object);
	object_unref(&space->object);
	CHECK(fixture_end());
}

TEST(memory_large_objects_end_in_slices)
{
	struct memory *memory = NULL;
	uint8_t byte = 1;

	fixture_begin(1, 64, 1);
	CHECK_OK(memory_create_allocated(MIB(32), 0, &memory));
	for (uint64_t i = 0; i < 5000; i++) {
		CHECK_OK(memory_write(memory, i * PAGE, &byte, 1));
	}
	uint64_t before = frame_free_bytes();

	object_unref(&memory->object);
	CHECK(object_reap(sim_cpu, 1, arch_clock_ns()));
	CHECK(frame_free_bytes() >= before + 60 * PAGE);
	CHECK(frame_free_bytes() < before + 1000 * PAGE);
	CHECK(fixture_end());
}

TEST(space_protection_is_kept)
{
	fixture_begin(1, 16, 1);
	struct space *space = space_new();
	uint8_t byte = 1;

	space_activate(space);
	CHECK_OK(map_at(space, NULL, BASE, 4, RW_COPY));
	CHECK_OK(poke(BASE, 5));
	CHECK_OK(space_protect(space, BASE, PAGE, HEL_MAP_READ));
	CHECK_EQ(poke(BASE, 6), -ERR_NO_RIGHTS);
	CHECK_EQ(peek(BASE), 5);
	CHECK_EQ(space_copy_out(space, BASE, &byte, 1), -ERR_FAULT);
	CHECK_EQ(sim_user_access(BASE, SPACE_ACCESS_EXECUTE, &byte), -ERR_NO_RIGHTS);
	CHECK_OK(space_protect(space, BASE, 2 * PAGE, 0));
	CHECK_EQ(peek(BASE), 256);
	CHECK_EQ(space_fault(space, BASE, SPACE_ACCESS_READ), -ERR_NO_RIGHTS);
	CHECK_OK(space_protect(space, BASE, PAGE, HEL_MAP_READ | HEL_MAP_WRITE | HEL_MAP_EXECUTE));
	CHECK_OK(sim_user_access(BASE, SPACE_ACCESS_EXECUTE, &byte));
	CHECK_EQ(byte, 5);
	CHECK_OK(poke(BASE, 6));
	CHECK_EQ(space_protect(space, BASE + 3 * PAGE, 2 * PAGE, HEL_MAP_READ), -ERR_NOT_FOUND);
	CHECK_OK(poke(BASE + 3 * PAGE, 1));
	object_unref(&space->object);
	CHECK(fixture_end());
}

TEST(space_protect_cannot_exceed_the_descriptor)
{
	const struct space_permit read_only = { .allowed = HEL_MAP_READ };
	struct memory *memory = NULL;
	uint64_t at = 0;
	struct hel_map_args args = {
		.address = BASE, .size_bytes = PAGE, .flags = HEL_MAP_READ | HEL_MAP_FIXED
	};

	fixture_begin(1, 16, 1);
	struct space *space = space_new();

	CHECK_OK(memory_create_allocated(PAGE, 0, &memory));
	CHECK_OK(space_map_allowing(space, memory, &args, &read_only, &at));
	CHECK_EQ(space_protect(space, BASE, PAGE, HEL_MAP_READ | HEL_MAP_WRITE), -ERR_NO_RIGHTS);
	CHECK_OK(space_protect(space, BASE, PAGE, 0));
	args.flags |= HEL_MAP_WRITE;
	CHECK_EQ(space_map_allowing(space, memory, &args, &read_only, &at), -ERR_NO_RIGHTS);
	CHECK_OK(map_at(space, NULL, BASE + PAGE, 1, HEL_MAP_GUARD));
	CHECK_EQ(space_protect(space, BASE + PAGE, PAGE, HEL_MAP_READ), -ERR_NO_RIGHTS);
	CHECK_EQ(space_fault(space, BASE + PAGE, SPACE_ACCESS_READ), -ERR_NO_RIGHTS);
	object_unref(&memory->object);
	object_unref(&space->object);
	CHECK(fixture_end());
}

TEST(space_shared_memory_is_seen_everywhere)
{
	struct memory *memory = NULL;
	uint8_t byte = 0;

	fixture_begin(2, 16, 1);
	struct space *a = space_new();
	struct space *b = space_new();

	CHECK_OK(memory_create_allocated(8 * PAGE, 0, &memory));
	CHECK_OK(map_at(a, memory, BASE, 8, RW_SHARE));
	CHECK_OK(map_at(b, memory, 2 * BASE, 8, RW_SHARE));
	CHECK_OK(map_at(b, memory, 3 * BASE, 8, HEL_MAP_READ));
	CHECK_EQ(map_at(b, memory, 4 * BASE, 9, HEL_MAP_READ), -ERR_OUT_OF_BOUNDS);
	space_activate(a);
	CHECK_OK(poke(BASE + 3 * PAGE, 42));
	CHECK_OK(memory_read(memory, 3 * PAGE, &byte, 1));
	CHECK_EQ(byte, 42);
	sim_switch_cpu(1);
	space_activate(b);
	CHECK_EQ(peek(2 * BASE + 3 * PAGE), 42);
	CHECK_EQ(peek(3 * BASE + 3 * PAGE), 42);
	CHECK_OK(memory_resize(memory, 2 * PAGE));
	CHECK_EQ(space_fault(b, 2 * BASE + 3 * PAGE, SPACE_ACCESS_READ), -ERR_OUT_OF_BOUNDS);
	CHECK_EQ(peek(2 * BASE + 3 * PAGE), 256);
	CHECK_EQ(sim_check_tlbs(), 0);
	object_unref(&memory->object);
	object_unref(&a->object);
	object_unref(&b->object);
	CHECK(fixture_end());
}

TEST(space_view_in_two_places_stays_one)
{
	struct memory *source = NULL;
	struct memory *view = NULL;
	uint8_t byte = 9;

	fixture_begin(1, 16, 1);
	struct space *space = space_new();

	CHECK_OK(memory_create_allocated(2 * PAGE, 0, &source));
	CHECK_OK(memory_create_copy_on_write(source, 0, 2 * PAGE, &view));
	CHECK_OK(map_at(space, view, BASE, 2, RW_COPY));
	CHECK_OK(map_at(space, view, 2 * BASE, 2, RW_COPY));
	space_activate(space);
	CHECK_OK(memory_write(source, 0, &byte, 1));
	CHECK_EQ(peek(BASE), 9);
	CHECK_EQ(peek(2 * BASE), 9);
	CHECK_OK(poke(BASE, 10));
	CHECK_EQ(peek(2 * BASE), 10);
	CHECK_OK(memory_read(source, 0, &byte, 1));
	CHECK_EQ(byte, 9);
	CHECK_OK(space_discard(space, 2 * BASE, PAGE));
	CHECK_EQ(peek(BASE), 9);
	CHECK_EQ(peek(2 * BASE), 9);
	CHECK_OK(memory_resize(source, PAGE));
	CHECK_EQ(space_fault(space, BASE + PAGE, SPACE_ACCESS_WRITE), -ERR_OUT_OF_BOUNDS);
	object_unref(&source->object);
	object_unref(&view->object);
	object_unref(&space->object);
	CHECK(fixture_end());
}

/* The half-built child of the first account goes, with all that it was charged. */
TEST(space_fork_slices_belong_to_one_account)
{
	struct account *accounts[2];
	struct space *child = NULL;
	uint64_t used, limit;
	int error;

	fixture_begin(1, 16, 1);
	struct space *parent = space_new();
	uint64_t address = map_anonymous(parent, 300);

	space_activate(parent);
	for (uint64_t i = 0; i < 300; i++) {
		CHECK_OK(poke(address + i * PAGE, 1));
	}
	CHECK_OK(account_create(account_root(), &accounts[0]));
	CHECK_OK(account_create(account_root(), &accounts[1]));
	CHECK_EQ(space_fork_slice(accounts[0], parent, &child), MEMORY_MORE);
	CHECK(child->object.account == accounts[0]);
	CHECK_EQ(space_fork_slice(accounts[1], parent, &child), MEMORY_MORE);
	CHECK(child->object.account == accounts[1]);
	fixture_reap();
	account_get(accounts[0], ACCOUNT_PAGES, &used, &limit);
	CHECK_EQ(used, 0);
	account_get(accounts[0], ACCOUNT_BYTES, &used, &limit);
	CHECK_EQ(used, 0);
	do {
		error = space_fork_slice(accounts[1], parent, &child);
	} while (error == MEMORY_MORE);
	CHECK_OK(error);
	account_get(accounts[1], ACCOUNT_PAGES, &used, &limit);
	CHECK(used > 300);
	object_unref(&parent->object);
	object_unref(&child->object);
	account_retire(accounts[0]);
	account_retire(accounts[1]);
	CHECK(fixture_end());
}

TEST(space_fork_copies_shares_and_drops)
{
	struct memory *shared = NULL;
	struct memory *file = NULL;

	fixture_begin(2, 16, 1);
	struct space *parent = space_new();
	struct space *child = NULL;

	CHECK_OK(memory_create_allocated(PAGE, 0, &shared));
	CHECK_OK(memory_create_allocated(PAGE, 0, &file));
	CHECK_OK(map_at(parent, NULL, BASE, 2, RW_COPY));
	CHECK_OK(map_at(parent, shared, 2 * BASE, 1, RW_SHARE));
	CHECK_OK(map_at(parent, NULL, 3 * BASE, 1, RW_COPY & ~HEL_MAP_FORK_COPY));
	CHECK_OK(map_at(parent, NULL, 4 * BASE, 1, RW_SHARE | HEL_MAP_FORK_DROP));
	CHECK_OK(map_at(parent, file, 5 * BASE, 1, RW_COPY));
	CHECK_OK(map_at(parent, NULL, 6 * BASE, 1, HEL_MAP_GUARD));
	space_activate(parent);
	for (uint64_t i = 1; i <= 5; i++) {
		CHECK_OK(poke(i * BASE, (uint8_t)i));
	}
	CHECK_OK(space_fork(parent, &child));
	CHECK_EQ(count_mappings(child), 5);
	CHECK_EQ(sim_check_tlbs(), 0);
	sim_switch_cpu(1);
	space_activate(child);
	CHECK_EQ(peek(BASE), 1);
	CHECK_EQ(peek(BASE + PAGE), 0);
	CHECK_EQ(peek(2 * BASE), 2);
	CHECK_EQ(peek(3 * BASE), 3);
	CHECK_EQ(peek(4 * BASE), 256);
	CHECK_EQ(peek(5 * BASE), 5);
	for (uint64_t i = 1; i <= 5; i++) {
		CHECK(i == 4 || poke(i * BASE, (uint8_t)(10 * i)) == 0);
	}
	sim_switch_cpu(0);
	CHECK_EQ(peek(BASE), 1);
	CHECK_EQ(peek(2 * BASE), 20);
	CHECK_EQ(peek(3 * BASE), 30);
	CHECK_EQ(peek(5 * BASE), 5);
	CHECK_OK(poke(5 * BASE, 6));
	sim_switch_cpu(1);
	CHECK_EQ(peek(5 * BASE), 50);
	object_unref(&shared->object);
	object_unref(&file->object);
	object_unref(&parent->object);
	object_unref(&child->object);
	CHECK(fixture_end());
}

TEST(space_fork_last_owner_does_not_copy)
{
	fixture_begin(1, 16, 1);
	struct space *parent = space_new();
	struct space *child = NULL;
	uint64_t phys, phys_after;

	CHECK_OK(map_at(parent, NULL, BASE, 1, RW_COPY));
	space_activate(parent);
	CHECK_OK(poke(BASE, 1));
	CHECK_OK(space_resolve(parent, BASE, SPACE_ACCESS_WRITE, &phys));
	frame_unref(phys);
	CHECK_OK(space_fork(parent, &child));
	object_unref(&child->object);
	fixture_reap();
	CHECK_OK(poke(BASE, 2));
	CHECK_OK(space_resolve(parent, BASE, SPACE_ACCESS_WRITE, &phys_after));
	frame_unref(phys_after);
	CHECK_EQ(phys, phys_after);
	object_unref(&parent->object);
	CHECK(fixture_end());
}

TEST(space_fork_of_split_private_memory_stays_joined)
{
	fixture_begin(1, 16, 1);
	struct space *parent = space_new();
	struct space *child = NULL;

	CHECK_OK(map_at(parent, NULL, BASE, 64, HEL_MAP_FORK_COPY));
	CHECK_OK(space_protect(parent, BASE, 32 * PAGE, HEL_MAP_READ | HEL_MAP_WRITE));
	CHECK_EQ(count_mappings(parent), 2);
	CHECK_OK(space_fork(parent, &child));
	CHECK_EQ(count_mappings(child), 2);
	CHECK_OK(space_protect(child, BASE + 32 * PAGE, 32 * PAGE, HEL_MAP_READ | HEL_MAP_WRITE));
	CHECK_EQ(count_mappings(child), 1);
	object_unref(&parent->object);
	object_unref(&child->object);
	CHECK(fixture_end());
}

TEST(space_discard_reads_zero_again)
{
	fixture_begin(1, 16, 1);
	struct space *space = space_new();

	space_activate(space);
	CHECK_OK(map_at(space, NULL, BASE, 4, RW_COPY));
	CHECK_OK(poke(BASE + PAGE, 4));
	CHECK_OK(poke(BASE + 2 * PAGE, 5));
	CHECK_OK(space_discard(space, BASE + PAGE, PAGE));
	CHECK_EQ(peek(BASE + PAGE), 0);
	CHECK_EQ(peek(BASE + 2 * PAGE), 5);
	CHECK_EQ(space_discard(space, BASE + 2 * PAGE, 3 * PAGE), -ERR_NOT_FOUND);
	CHECK_EQ(peek(BASE + 2 * PAGE), 0);
	CHECK_EQ(sim_check_tlbs(), 0);
	object_unref(&space->object);
	CHECK(fixture_end());
}

TEST(space_move_takes_pages_along)
{
	fixture_begin(1, 16, 1);
	struct space *space = space_new();

	space_activate(space);
	CHECK_OK(map_at(space, NULL, BASE, 10, RW_COPY));
	for (uint64_t i = 0; i < 10; i++) {
		CHECK_OK(poke(BASE + i * PAGE, (uint8_t)(i + 1)));
	}
	/* The middle of an object, then the whole of one; growing, shrinking. */
	CHECK_OK(space_move(space, BASE + 4 * PAGE, 2 * PAGE, 2 * BASE, 4 * PAGE));
	CHECK_EQ(peek(2 * BASE), 5);
	CHECK_EQ(peek(2 * BASE + PAGE), 6);
	CHECK_EQ(peek(2 * BASE + 3 * PAGE), 0);
	CHECK_EQ(peek(BASE + 4 * PAGE), 256);
	CHECK_EQ(peek(BASE + 3 * PAGE), 4);
	CHECK_OK(map_at(space, NULL, BASE + 4 * PAGE, 2, RW_COPY));
	CHECK_EQ(peek(BASE + 4 * PAGE), 0);
	CHECK_OK(space_move(space, 2 * BASE, 4 * PAGE, 3 * BASE, PAGE));
	CHECK_EQ(peek(3 * BASE), 5);
	CHECK_EQ(peek(3 * BASE + PAGE), 256);
	CHECK_EQ(peek(2 * BASE), 256);
	CHECK_OK(space_move(space, 3 * BASE, PAGE, 3 * BASE, 3 * PAGE));
	CHECK_OK(poke(3 * BASE + 2 * PAGE, 7));
	CHECK_OK(space_move(space, 3 * BASE, 3 * PAGE, 3 * BASE, 2 * PAGE));
	CHECK_EQ(peek(3 * BASE + 2 * PAGE), 256);
	CHECK_EQ(space_move(space, BASE, PAGE, BASE, 2 * PAGE), -ERR_EXISTS);
	CHECK_EQ(space_move(space, 7 * BASE, PAGE, 8 * BASE, PAGE), -ERR_NOT_FOUND);
	CHECK_EQ(sim_check_tlbs(), 0);
	object_unref(&space->object);
	CHECK(fixture_end());
}

TEST(space_move_of_shared_memory_is_bounded)
{
	struct memory *memory = NULL;

	fixture_begin(1, 16, 1);
	struct space *space = space_new();

	CHECK_OK(memory_create_allocated(4 * PAGE, 0, &memory));
	CHECK_OK(map_at(space, memory, BASE, 2, RW_SHARE));
	space_activate(space);
	CHECK_OK(poke(BASE + PAGE, 8));
	CHECK_EQ(space_move(space, BASE, 2 * PAGE, 2 * BASE, 5 * PAGE), -ERR_OUT_OF_BOUNDS);
	CHECK_OK(space_move(space, BASE, 2 * PAGE, 2 * BASE, 4 * PAGE));
	CHECK_EQ(peek(2 * BASE + PAGE), 8);
	CHECK_EQ(peek(2 * BASE + 3 * PAGE), 0);
	object_unref(&memory->object);
	object_unref(&space->object);
	CHECK(fixture_end());
}

TEST(space_copies_cross_pages_and_spaces)
{
	static uint8_t pattern[5 * 4096], result[5 * 4096];

	fixture_begin(1, 16, 1);
	struct space *a = space_new();
	struct space *b = space_new();

	for (unsigned i = 0; i < sizeof(pattern); i++) {
		pattern[i] = (uint8_t)(i * 7 + i / 256);
	}
	CHECK_OK(map_at(a, NULL, BASE, 6, RW_COPY));
	CHECK_OK(map_at(b, NULL, BASE, 6, RW_COPY));
	CHECK_OK(space_copy_out(a, BASE + 100, pattern, sizeof(pattern)));
	CHECK_OK(space_copy_between(b, BASE + 2345, a, BASE + 100, 3 * 4096));
	CHECK_OK(space_copy_between(b, BASE + 2345 + 3 * 4096, a, BASE + 100 + 3 * 4096, 10));
	CHECK_OK(space_copy_in(b, result, BASE + 2345, 3 * 4096 + 10));
	CHECK_MEM_EQ(result, pattern, 3 * 4096 + 10);
	CHECK_EQ(space_copy_between(b, BASE + 5 * PAGE, a, BASE, 2 * PAGE), -ERR_FAULT);
	CHECK_EQ(space_copy_in(b, result, BASE + 6 * PAGE - 1, 2), -ERR_FAULT);
	CHECK_OK(space_copy_in(b, result, 77, 0));
	CHECK_OK(space_copy_between(a, BASE, a, BASE + 100, 4096));
	CHECK_OK(space_copy_in(a, result, BASE, 4096));
	CHECK_EQ(result[0], pattern[0]);
	object_unref(&a->object);
	object_unref(&b->object);
	CHECK(fixture_end());
}

TEST(space_device_memory_is_not_copied)
{
	struct memory *memory = NULL;
	uint8_t byte = 0;
	uint64_t phys;

	fixture_begin(1, 16, 1);
	struct space *space = space_new();

	CHECK_OK(memory_create_physical(GIB(64), 2 * PAGE, HEL_CACHE_UNCACHED, &memory));
	CHECK_OK(map_at(space, memory, BASE, 2, RW_SHARE));
	CHECK_EQ(space_copy_in(space, &byte, BASE, 1), -ERR_FAULT);
	CHECK_EQ(space_resolve(space, BASE, SPACE_ACCESS_READ, &phys), -ERR_FAULT);
	CHECK_EQ(memory_read(memory, 0, &byte, 1), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(arch_page_lookup(&space->page_table, BASE).phys, GIB(64));
	CHECK((arch_page_lookup(&space->page_table, BASE).flags & ARCH_PAGE_UNCACHED) != 0);
	object_unref(&memory->object);
	object_unref(&space->object);
	CHECK(fixture_end());
}

TEST(space_identify_survives_fork)
{
	struct memory *key, *key_after, *key_child;
	uint64_t offset, offset_after, offset_child;

	fixture_begin(1, 16, 1);
	struct space *parent = space_new();
	struct space *child = NULL;

	CHECK_OK(map_at(parent, NULL, BASE, 1, RW_COPY));
	space_activate(parent);
	CHECK_OK(poke(BASE, 1));
	CHECK_OK(space_identify(parent, BASE + 8, &key, &offset));
	CHECK_OK(space_fork(parent, &child));
	CHECK_OK(poke(BASE, 2));
	CHECK_OK(space_identify(parent, BASE + 8, &key_after, &offset_after));
	CHECK_OK(space_identify(child, BASE + 8, &key_child, &offset_child));
	CHECK(key == key_after && offset == offset_after);
	CHECK(key != key_child);
	CHECK_EQ(space_identify(child, 2 * BASE, &key_child, &offset_child), -ERR_FAULT);
	object_unref(&key->object);
	object_unref(&key->object);
	object_unref(&key_child->object);
	object_unref(&parent->object);
	object_unref(&child->object);
	CHECK(fixture_end());
}

TEST(space_activate_is_lazy_and_keeps_references)
{
	fixture_begin(2, 16, 1);
	struct space *space = space_new();

	space_activate(space);
	uint64_t n_loads = sim_cpu->statistics.n_space_loads;

	space_activate(space);
	CHECK_EQ(sim_cpu->statistics.n_space_loads, n_loads);
	CHECK_EQ(space->active_cpus, 1);
	sim_switch_cpu(1);
	space_activate(space);
	CHECK_EQ(space->active_cpus, 3);
	object_unref(&space->object);
	fixture_reap();
	CHECK_EQ(space->active_cpus, 3);
	space_activate(NULL);
	sim_switch_cpu(0);
	space_activate(NULL);
	CHECK(fixture_end());
}

TEST(space_shootdown_reaches_other_cpus_only_when_active)
{
	fixture_begin(3, 16, 1);
	struct space *space = space_new();

	CHECK_OK(map_at(space, NULL, BASE, 100, RW_COPY));
	for (uint32_t i = 0; i < 2; i++) {
		sim_switch_cpu(i);
		space_activate(space);
		for (uint64_t page = 0; page < 50; page++) {
			CHECK_OK(poke(BASE + page * PAGE, 1));
		}
	}
	CHECK_OK(space_unmap(space, BASE, 2 * PAGE));
	CHECK_EQ(cpu_table[0]->arch.n_shootdowns, 1);
	CHECK_EQ(cpu_table[2]->arch.n_shootdowns, 0);
	CHECK_EQ(sim_check_tlbs(), 0);
	uint64_t n_flushes = cpu_table[0]->arch.n_flushes;

	CHECK_EQ(cpu_table[0]->arch.n_page_flushes >= 2, true);
	CHECK_OK(space_protect(space, BASE + 2 * PAGE, 98 * PAGE, HEL_MAP_READ));
	CHECK_EQ(cpu_table[0]->arch.n_flushes, n_flushes + 1);
	CHECK_EQ(sim_check_tlbs(), 0);
	object_unref(&space->object);
	CHECK(fixture_end());
}

TEST(space_page_tables_of_unmapped_ranges_are_freed)
{
	fixture_begin(1, 16, 1);
	struct space *space = space_new();

	space_activate(space);
	uint64_t before = fixture_free_bytes();

	for (uint64_t i = 0; i < 2000; i++) {
		uint64_t address = BASE + i * GIB(1);

		CHECK_OK(map_at(space, NULL, address, 1, RW_COPY));
		CHECK_OK(poke(address, 1));
		CHECK_OK(space_unmap(space, address, PAGE));
	}
	CHECK_EQ(fixture_free_bytes(), before);
	object_unref(&space->object);
	CHECK(fixture_end());
}

TEST(space_user_copy_fault_is_resolved)
{
	fixture_begin(1, 16, 1);
	struct space *space = space_new();

	CHECK(!thor_resolve_user_copy_fault(BASE, false));
	space_activate(space);
	CHECK_OK(map_at(space, NULL, BASE, 1, HEL_MAP_READ | HEL_MAP_FORK_COPY));
	CHECK(thor_resolve_user_copy_fault(BASE + 7, false));
	CHECK(!thor_resolve_user_copy_fault(BASE, true));
	CHECK(!thor_resolve_user_copy_fault(~0ull, false));
	object_unref(&space->object);
	CHECK(fixture_end());
}

TEST(space_fork_survives_no_memory)
{
	fixture_begin(1, 32, 1);
	struct space *parent = space_new();
	struct memory *file = NULL;
	struct memory *view = NULL;
	struct space *child = NULL;
	int error = -1;

	CHECK_OK(memory_create_allocated(64 * PAGE, 0, &file));
	CHECK_OK(memory_create_copy_on_write(file, 0, 64 * PAGE, &view));
	CHECK_OK(map_at(parent, NULL, BASE, 600, RW_COPY));
	CHECK_OK(space_protect(parent, BASE + 10 * PAGE, 10 * PAGE, HEL_MAP_READ));
	CHECK_OK(map_at(parent, view, 2 * BASE, 64, RW_COPY));
	CHECK_OK(map_at(parent, file, 3 * BASE, 64, RW_COPY));
	space_activate(parent);
	for (uint64_t i = 0; i < 600; i += 50) {
		CHECK_OK(poke(BASE + i * PAGE, (uint8_t)i));
	}
	for (uint64_t n_allocations = 0; error != 0; n_allocations++) {
		fixture_fail_after(n_allocations);
		error = space_fork(parent, &child);
		fixture_fail_after(~0ull);
		CHECK(error == 0 || error == -ERR_NO_MEMORY);
		CHECK_EQ(sim_check_tlbs(), 0);
		for (uint64_t i = 0; i < 600; i += 50) {
			CHECK_EQ(peek(BASE + i * PAGE), i & 255);
		}
	}
	space_activate(child);
	CHECK_EQ(peek(BASE + 50 * PAGE), 50);
	object_unref(&file->object);
	object_unref(&view->object);
	object_unref(&parent->object);
	object_unref(&child->object);
	CHECK(fixture_end());
}

TEST_MAIN()

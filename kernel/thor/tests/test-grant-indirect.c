/* SPDX-License-Identifier: MIT */
/* Grants of memory that slots of indirect memory show: revoking empties them. */
#include "slices.h"

constexpr uint32_t READ_WRITE = HEL_MAP_READ | HEL_MAP_WRITE;
constexpr uint64_t SLOT = 64; /* pages */
constexpr uint64_t SLOTS = 4;

/* ---- helpers --------------------------------------------------------------------------------- */

static hel_handle allocate(uint8_t byte)
{
	hel_handle memory;

	CHECK_OK(hel_memory_allocate(SLOT * PAGE, 0, &memory));
	for (uint64_t i = 0; i < SLOT; i++) {
		CHECK_OK(hel_memory_write(memory, i * PAGE, &byte, 1));
	}
	return memory;
}

static struct hel_grant_handles grant(hel_handle handle)
{
	struct hel_grant_handles handles = {};

	CHECK_OK(hel_grant_create(HEL_NULL, handle, 0, 0, &handles));
	return handles;
}

static hel_handle create(uint64_t level)
{
	hel_handle indirect;

	CHECK_OK(hel_memory_indirect_create(SLOTS, SLOT * PAGE, READ_WRITE, level, &indirect));
	return indirect;
}

static int set(hel_handle indirect, uint64_t slot, hel_handle memory)
{
	return hel_memory_indirect_set(
		indirect, slot, memory, 0, memory != HEL_NULL ? SLOT * PAGE : 0);
}

static uint64_t map(hel_handle indirect)
{
	struct hel_map_args args = {
		.space = HEL_THIS,
		.memory = indirect,
		.size_bytes = SLOTS * SLOT * PAGE,
		.flags = READ_WRITE,
	};
	uint64_t address = 0;

	CHECK_OK(hel_space_map(&args, &address));
	return address;
}

/* What an access to a page of indirect memory gives; all ways have to agree. */
static int byte_at(hel_handle indirect, uint64_t address, uint64_t page)
{
	uint64_t buffer = user_map(1);
	uint8_t read = 0, copied = 0;
	int error = hel_memory_read(indirect, page * PAGE, &read, 1);
	int fault = hel_space_read(HEL_THIS, address + page * PAGE, (void *)buffer, 1, NULL);

	sim_load(&copied, buffer, 1);
	CHECK_OK(hel_space_unmap(HEL_THIS, buffer, PAGE));
	CHECK_EQ(fault, error == -ERR_OUT_OF_BOUNDS ? -ERR_FAULT : error);
	CHECK(error != 0 || read == copied);
	return error != 0 ? error : read;
}

/* ---- cases ----------------------------------------------------------------------------------- */

USER_TEST(revoked_slots_are_empty)
{
	hel_handle own = allocate(1), theirs = allocate(2), indirect = create(1);
	struct hel_grant_handles granted = grant(theirs);
	uint64_t address = map(indirect);

	CHECK_OK(set(indirect, 0, own));
	CHECK_OK(set(indirect, 1, granted.handle));
	CHECK_OK(set(indirect, 2, theirs));
	CHECK_OK(set(indirect, 3, granted.handle));
	for (uint64_t i = 0; i < SLOTS * SLOT; i++) {
		CHECK_EQ(byte_at(indirect, address, i), i < SLOT ? 1 : 2);
	}
	begin(4);
	CHECK_OK(hel_grant_revoke(granted.grant));
	CHECK(n_pauses >= 15);
	end();
	for (uint64_t i = 0; i < SLOTS * SLOT; i++) {
		uint64_t slot = i / SLOT;

		CHECK_EQ(byte_at(indirect, address, i),
			slot == 0           ? 1
				: slot == 2 ? 2
					    : -ERR_OUT_OF_BOUNDS);
	}
	CHECK_EQ(set(indirect, 1, granted.handle), -ERR_REVOKED);
	CHECK_OK(set(indirect, 1, own));
	CHECK_EQ(byte_at(indirect, address, SLOT), 1);
}

USER_TEST(slots_that_were_set_again_stay)
{
	hel_handle own = allocate(1), indirect = create(1);
	struct hel_grant_handles granted = grant(allocate(2));
	uint64_t address = map(indirect);

	CHECK_OK(set(indirect, 0, granted.handle));
	CHECK_EQ(byte_at(indirect, address, 3), 2);
	CHECK_OK(set(indirect, 0, own));
	CHECK_OK(set(indirect, 1, granted.handle));
	CHECK_OK(set(indirect, 1, HEL_NULL));
	CHECK_OK(hel_grant_revoke(granted.grant));
	CHECK_EQ(byte_at(indirect, address, 3), 1);
	CHECK_EQ(byte_at(indirect, address, SLOT), -ERR_OUT_OF_BOUNDS);
}

/* Slices are under the grant of what they are made of; so is what is granted once more. */
USER_TEST(what_came_of_a_grant_goes_with_it)
{
	hel_handle memory = allocate(2), inner = create(1), outer = create(2), slice;
	struct hel_grant_handles granted = grant(memory);
	struct hel_grant_handles below = grant(granted.handle);
	uint64_t address = map(outer);

	CHECK_OK(hel_memory_slice(granted.handle, 0, SLOT * PAGE, &slice));
	CHECK_OK(set(inner, 0, slice));
	CHECK_OK(set(inner, 1, below.handle));
	CHECK_OK(set(inner, 2, memory));
	CHECK_OK(hel_memory_indirect_set(outer, 0, inner, 0, SLOT * PAGE));
	CHECK_OK(hel_memory_indirect_set(outer, 1, inner, SLOT * PAGE, SLOT * PAGE));
	CHECK_OK(hel_memory_indirect_set(outer, 2, inner, 2 * SLOT * PAGE, SLOT * PAGE));
	for (uint64_t i = 0; i < 3; i++) {
		CHECK_EQ(byte_at(outer, address, i * SLOT), 2);
	}
	CHECK_OK(hel_grant_revoke(granted.grant));
	CHECK_EQ(byte_at(outer, address, 0), -ERR_OUT_OF_BOUNDS);
	CHECK_EQ(byte_at(outer, address, SLOT), -ERR_OUT_OF_BOUNDS);
	CHECK_EQ(byte_at(outer, address, 2 * SLOT), 2);
}

/* Indirect memory itself is granted, and shown by another one. */
USER_TEST(indirect_memory_is_taken_back)
{
	hel_handle memory = allocate(2), inner = create(1), outer = create(2);
	struct hel_grant_handles granted = grant(inner);
	uint64_t address = map(outer);
	uint64_t inner_address = map(inner);

	CHECK_OK(set(inner, 0, memory));
	CHECK_OK(hel_memory_indirect_set(outer, 1, granted.handle, 0, SLOT * PAGE));
	CHECK_EQ(byte_at(outer, address, SLOT), 2);
	CHECK_OK(hel_grant_revoke(granted.grant));
	CHECK_EQ(byte_at(outer, address, SLOT), -ERR_OUT_OF_BOUNDS);
	CHECK_EQ(byte_at(inner, inner_address, 0), 2);
}

USER_TEST(indirect_memory_ends_before_the_grant)
{
	hel_handle indirect = create(1);
	struct hel_grant_handles granted = grant(allocate(2));

	for (uint64_t i = 0; i < SLOTS; i++) {
		CHECK_OK(set(indirect, i, granted.handle));
	}
	CHECK_OK(hel_close(HEL_THIS, indirect));
	(void)hel_thread_yield();
	CHECK_OK(hel_grant_revoke(granted.grant));
}

USER_TEST(setting_without_memory_changes_nothing)
{
	hel_handle indirect = create(1);
	struct hel_grant_handles granted = grant(allocate(2));
	uint64_t address = map(indirect);
	int error = -ERR_NO_MEMORY;
	uint64_t n_failures = 0;

	for (; error == -ERR_NO_MEMORY; n_failures++) {
		fixture_fail_after(n_failures);
		error = set(indirect, 1, granted.handle);
		fixture_fail_after(~0ull);
		CHECK_EQ(byte_at(indirect, address, SLOT), error == 0 ? 2 : -ERR_OUT_OF_BOUNDS);
	}
	CHECK(n_failures >= 3);
	CHECK_OK(hel_grant_revoke(granted.grant));
	CHECK_EQ(byte_at(indirect, address, SLOT), -ERR_OUT_OF_BOUNDS);
}

/* ---- at the same time ------------------------------------------------------------------------ */

static hel_handle race_indirect, race_own, race_granted;
static uint64_t race_address;
static struct random race_random;
static _Atomic bool race_is_over;
static _Atomic uint32_t n_race_users;

static void race_user_main(void *context)
{
	uint64_t number = (uint64_t)context;
	uint64_t buffer = user_map(1);

	for (uint64_t i = number; !atomic_load(&race_is_over); i++) {
		hel_handle memory = i % 3 == 0 ? race_own : i % 3 == 1 ? race_granted : HEL_NULL;
		int error = set(race_indirect, i % SLOTS, memory);

		CHECK(error == 0 || (memory == race_granted && error == -ERR_REVOKED));
		(void)hel_space_read(HEL_THIS, race_address + i * 5 % (SLOTS * SLOT) * PAGE,
			(void *)buffer, 1, NULL);
	}
	CHECK_OK(hel_space_unmap(HEL_THIS, buffer, PAGE));
	atomic_fetch_sub(&n_race_users, 1);
}

static void race_main(UNUSED void *context)
{
	hel_handle theirs = allocate(2);
	struct hel_grant_handles granted = grant(theirs);

	race_own = allocate(1);
	race_granted = granted.handle;
	race_indirect = create(1);
	race_address = map(race_indirect);
	atomic_store(&race_is_over, false);
	atomic_store(&n_race_users, 2);
	begin(8);
	CHECK(user_start(race_user_main, (void *)0) != HEL_NULL);
	CHECK(user_start(race_user_main, (void *)1) != HEL_NULL);
	sim_compute(random_below(&race_random, 60'000));
	CHECK_OK(hel_grant_revoke(granted.grant));
	for (uint64_t i = 0; i < SLOTS * SLOT; i += 3) {
		uint8_t byte = 1;

		(void)!hel_memory_read(race_indirect, i * PAGE, &byte, 1);
		CHECK_EQ(byte, 1);
	}
	atomic_store(&race_is_over, true);
	while (atomic_load(&n_race_users) > 0) {
		sim_compute(100);
	}
	end_anyway();
}

TEST(revoking_against_setting)
{
	uint64_t seed = test_seed(1);

	random_init(&race_random, seed);
	for (uint64_t i = 0; i < 30; i++) {
		machine_begin(2, seed + i);
		CHECK(machine_run(race_main, NULL));
		CHECK(machine_end());
	}
}

TEST_MAIN()

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

TEST_MAIN()

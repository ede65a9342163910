/* SPDX-License-Identifier: MIT */
/* Where a command's data are: each way of saying it, read back as a controller does. */
#include "nvme.h"

#include <base/random.h>
#include <base/testing.h>

#define LIST_ADDRESS UINT64_C(0x5000000)
#define PAGE         UINT64_C(4096)

static uint64_t list[512];
static struct nvme_command command;

static bool describe(const struct block_extent *extents, uint32_t n_extents, bool has_sgl)
{
	memset(list, 0xee, sizeof(list));
	command = (struct nvme_command){ 0 };
	return nvme_describe(&command, extents, n_extents, list, LIST_ADDRESS, has_sgl);
}

TEST(one_page_needs_no_list)
{
	const struct block_extent extent = { .address = 7 * PAGE + 512, .length = 1024 };

	CHECK(describe(&extent, 1, true));
	CHECK_EQ(command.flags, 0);
	CHECK_EQ(command.data[0], 7 * PAGE + 512);
	CHECK_EQ(command.data[1], 0);
}

TEST(second_page_stands_in_the_command)
{
	const struct block_extent extent = { .address = 7 * PAGE + 512, .length = PAGE };

	CHECK(describe(&extent, 1, true));
	CHECK_EQ(command.data[1], 8 * PAGE);
}

TEST(more_pages_are_listed)
{
	const struct block_extent extents[] = {
		{ .address = 7 * PAGE + 512, .length = PAGE - 512 },
		{ .address = 20 * PAGE, .length = 2 * PAGE },
		{ .address = 3 * PAGE, .length = 512 },
	};

	CHECK(describe(extents, 3, false));
	CHECK_EQ(command.data[0], 7 * PAGE + 512);
	CHECK_EQ(command.data[1], LIST_ADDRESS);
	CHECK_EQ(list[0], 20 * PAGE);
	CHECK_EQ(list[1], 21 * PAGE);
	CHECK_EQ(list[2], 3 * PAGE);
}

/* PRPs cannot say that a page is left half-way. */
TEST(other_pieces_need_an_sgl)
{
	const struct block_extent extents[] = {
		{ .address = 7 * PAGE, .length = 512 },
		{ .address = 9 * PAGE + 512, .length = 1024 },
	};

	CHECK(!describe(extents, 2, false));
	CHECK(describe(extents, 2, true));
	CHECK_EQ(command.flags, 0x40);
	CHECK_EQ(command.data[0], LIST_ADDRESS);
	CHECK_EQ(command.data[1], UINT64_C(0x30) << 56 | 32);
	CHECK_EQ(list[0], 7 * PAGE);
	CHECK_EQ(list[1], 512);
	CHECK_EQ(list[2], 9 * PAGE + 512);
	CHECK_EQ(list[3], 1024);
}

/* As many as there may be: a page has room for them. */
TEST(the_list_is_a_page)
{
	struct block_extent extents[NVME_EXTENTS_MAX + 1];

	for (uint32_t i = 0; i < NVME_EXTENTS_MAX + 1; i++) {
		extents[i] = (struct block_extent){ .address = 2 * i * PAGE, .length = PAGE };
	}
	CHECK(describe(extents, NVME_EXTENTS_MAX + 1, false));
	CHECK_EQ(list[NVME_EXTENTS_MAX - 1], 2 * NVME_EXTENTS_MAX * PAGE);
	for (uint32_t i = 0; i < NVME_EXTENTS_MAX + 1; i++) {
		extents[i].length = 512;
	}
	CHECK(describe(extents, NVME_EXTENTS_MAX, true));
	CHECK(!describe(extents, NVME_EXTENTS_MAX + 1, true));
}

TEST_MAIN()

/* SPDX-License-Identifier: MIT */
/*
 * A device that cannot be written, such as a disc, whose bytes are those of pattern() with salt 0,
 * as many as block.read-only says.
 */
#include "client.h"

#include <base/errors.h>

static void test_device_is_found(struct task *task)
{
	CHECK(client_open(task) == 0);
	CHECK((disk.geometry.features & BLOCK_FEATURE_READ_ONLY) != 0);
	CHECK(disk.geometry.size_bytes == client_option("block.read-only", 0));
}

static void test_all_of_it_is_read(struct task *task)
{
	uint32_t step = disk.geometry.transfer_bytes_max;
	uint64_t size = disk.geometry.size_bytes;

	for (uint64_t at = 0; at < size; at += step) {
		uint32_t length = (uint32_t)min_u64(step, size - at);

		/* not aligned to pages */
		CHECK(transfer(task, BLOCK_READ, at, 512, length) == 0);
		for (uint64_t i = 0; i < length; i++) {
			CHECK(bytes[512 + i] == pattern(at + i, 0));
		}
	}
}

static void test_nothing_is_written(struct task *task)
{
	uint32_t block = disk.geometry.logical_block_bytes;

	CHECK(transfer(task, BLOCK_WRITE, 0, 0, block) == -ERR_NO_RIGHTS);
	CHECK(act(task, BLOCK_DISCARD, 0, block) != 0);
	CHECK(act(task, BLOCK_FLUSH, 0, 0) == 0);
	CHECK(transfer(task, BLOCK_READ, disk.geometry.size_bytes, 0, block) == -ERR_OUT_OF_BOUNDS);
}

static void test_device_is_left(struct task *task)
{
	block_disk_close(task, &disk);
	CHECK(disk.state == BLOCK_DISK_GONE);
}

static const struct task_test tests[] = {
	TASK_TEST(device_is_found),
	TASK_TEST(all_of_it_is_read),
	TASK_TEST(nothing_is_written),
	TASK_TEST(device_is_left),
};

int read_only_main(void)
{
	return task_tests_main(tests, ARRAY_SIZE(tests));
}

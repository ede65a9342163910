/* SPDX-License-Identifier: MIT */
/*
 * Discs that come, are changed, and go: tests/system/block-media.py sees what was logged, and does
 * what the next test waits for. The first disc has block.media bytes, the second one twice as many,
 * those of pattern() with salt 0.
 */
#include "client.h"

#include <base/errors.h>

#define PATIENCE_NS UINT64_C(30000000000)

static int await_size(struct task *task, uint64_t size_bytes)
{
	struct scope scope;
	int error = 0;

	scope_begin(task, &scope);
	scope_set_deadline(&scope, task_now_ns(task) + PATIENCE_NS);
	while (error == 0 && disk.geometry.size_bytes != size_bytes) {
		error = wait_on(task, &disk.changed);
	}
	int joined = scope_join(&scope);

	return disk.geometry.size_bytes == size_bytes ? 0 : error != 0 ? error : joined;
}

static bool is_disc(struct task *task, uint64_t size_bytes)
{
	uint32_t step = disk.geometry.transfer_bytes_max;

	for (uint64_t at = 0; at < size_bytes; at += step) {
		uint32_t length = (uint32_t)min_u64(step, size_bytes - at);

		if (transfer(task, BLOCK_READ, at, 0, length) != 0) {
			return false;
		}
		for (uint64_t i = 0; i < length; i++) {
			if (bytes[i] != pattern(at + i, 0)) {
				return false;
			}
		}
	}
	return true;
}

static void test_drive_is_empty(struct task *task)
{
	CHECK(client_open(task) == 0);
	CHECK((disk.geometry.features & BLOCK_FEATURE_REMOVABLE) != 0);
	CHECK(disk.geometry.size_bytes == 0);
	CHECK(transfer(task, BLOCK_READ, 0, 0, disk.geometry.logical_block_bytes) ==
		-ERR_OUT_OF_BOUNDS);
}

static void test_disc_has_come(struct task *task)
{
	uint64_t size_bytes = client_option("block.media", 0);

	CHECK(await_size(task, size_bytes) == 0);
	CHECK(is_disc(task, size_bytes));
}

static void test_disc_is_another_one(struct task *task)
{
	uint64_t size_bytes = 2 * client_option("block.media", 0);

	CHECK(await_size(task, size_bytes) == 0);
	CHECK(is_disc(task, size_bytes));
}

static void test_disc_has_gone(struct task *task)
{
	CHECK(await_size(task, 0) == 0);
	CHECK(transfer(task, BLOCK_READ, 0, 0, disk.geometry.logical_block_bytes) ==
		-ERR_OUT_OF_BOUNDS);
}

static void test_device_is_left(struct task *task)
{
	block_disk_close(task, &disk);
	CHECK(disk.state == BLOCK_DISK_GONE);
}

static const struct task_test tests[] = {
	TASK_TEST(drive_is_empty),
	TASK_TEST(disc_has_come),
	TASK_TEST(disc_is_another_one),
	TASK_TEST(disc_has_gone),
	TASK_TEST(device_is_left),
};

int media_main(void)
{
	return task_tests_main(tests, ARRAY_SIZE(tests));
}

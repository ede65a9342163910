/* SPDX-License-Identifier: MIT */
/*
 * A device with bad places, which tests/system/block-errors.py makes: from block.bad on, a sector
 * that cannot be read; BAD_WRITE behind it, one that cannot be written. The first flush fails. The
 * error reaches the request that it is about, and no other one.
 */
#include "client.h"

#include <base/errors.h>

#define BAD_WRITE KIB(512)
#define PART      KIB(32)

static uint64_t bad; /* a multiple of PART */

static void test_device_is_found(struct task *task)
{
	bad = client_option("block.bad", 0);
	CHECK(client_open(task) == 0);
	CHECK(disk.geometry.size_bytes >= bad + MIB(2));
	CHECK(bad % PART == 0 && bad >= MIB(2));
}

static void test_flush_fails_once(struct task *task)
{
	/* without a write there would be nothing to flush */
	CHECK(transfer(task, BLOCK_WRITE, 0, 0, PART) == 0);
	CHECK(act(task, BLOCK_FLUSH, 0, 0) == -ERR_IO);
	CHECK(act(task, BLOCK_FLUSH, 0, 0) == 0);
}

static void test_bad_read(struct task *task)
{
	fill(0, PART, 1);
	CHECK(transfer(task, BLOCK_WRITE, bad - PART, 0, PART) == 0);
	CHECK(transfer(task, BLOCK_WRITE, bad + PART, 0, PART) == 0);
	for (unsigned i = 0; i < 3; i++) {
		CHECK(transfer(task, BLOCK_READ, bad, PART, PART) == -ERR_IO);
		CHECK(transfer(task, BLOCK_READ, bad - PART, PART, 2 * PART) == -ERR_IO);
		CHECK(transfer(task, BLOCK_READ, bad - PART, PART, PART) == 0);
		CHECK(is_filled(PART, PART, 1));
		CHECK(transfer(task, BLOCK_READ, bad + PART, PART, PART) == 0);
		CHECK(is_filled(PART, PART, 1));
	}
}

static void test_bad_write(struct task *task)
{
	uint64_t at = bad + BAD_WRITE;

	fill(0, PART, 2);
	for (unsigned i = 0; i < 3; i++) {
		CHECK(transfer(task, BLOCK_WRITE, at, 0, PART) == -ERR_IO);
		CHECK(transfer(task, BLOCK_WRITE, at - PART, 0, PART) == 0);
		CHECK(transfer(task, BLOCK_WRITE, at + PART, 0, PART) == 0);
		CHECK(transfer(task, BLOCK_READ, at, PART, PART) == 0);
		CHECK(transfer(task, BLOCK_READ, at + PART, PART, PART) == 0);
		CHECK(is_filled(PART, PART, 2));
	}
}

static void request_done(struct op *op UNUSED)
{
}

/* One of many that are under way fails, the others do not notice. */
static void test_one_of_many_fails(struct task *task)
{
	static struct block_op requests[DEPTH];
	static struct block_segment segments[DEPTH];
	struct op *ops[DEPTH];

	for (uint32_t which = 0; which < DEPTH; which += 5) {
		uint64_t first = bad - which * PART;

		for (uint32_t i = 0; i < DEPTH; i++) {
			segments[i] = (struct block_segment){ i * PART, memory_id, PART };
			block_op_init(
				&requests[i], &disk, BLOCK_READ, first + i * PART, &segments[i], 1);
			ops[i] = &requests[i].op;
		}
		/* await_all() would cancel those that wait for a slot */
		for (uint32_t i = 0; i < DEPTH; i++) {
			(void)!op_start(ops[i], task->loop, request_done, NULL);
		}
		for (uint32_t i = 0; i < DEPTH; i++) {
			while (op_is_pending(ops[i])) {
				CHECK(task_sleep_until(
					      task, task_now_ns(task) + UINT64_C(1000000)) == 0);
			}
			CHECK(ops[i]->error == (i == which ? -ERR_IO : 0));
			CHECK(i == which || requests[i].n_bytes == PART);
		}
	}
}

static void test_device_is_left(struct task *task)
{
	block_disk_close(task, &disk);
	CHECK(disk.state == BLOCK_DISK_GONE);
}

static const struct task_test tests[] = {
	TASK_TEST(device_is_found),
	TASK_TEST(flush_fails_once),
	TASK_TEST(bad_read),
	TASK_TEST(bad_write),
	TASK_TEST(one_of_many_fails),
	TASK_TEST(device_is_left),
};

int errors_main(void)
{
	return task_tests_main(tests, ARRAY_SIZE(tests));
}

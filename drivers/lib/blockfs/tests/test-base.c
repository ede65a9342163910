/* SPDX-License-Identifier: MIT */
/* The parts below the file systems: checksums, locks, devices, the buffer cache. */
#include "harness.h"

#include <base/random.h>
#include <base/testing.h>
#include <drivers/lib/blockfs/cache.h>
#include <drivers/lib/blockfs/checksum.h>
#include <drivers/lib/blockfs/lock.h>

#define BLOCK 1024

TEST(checksums)
{
	static const char text[] = "123456789";

	CHECK_EQ(~checksum_crc32c(~0u, text, 9), 0xe3069283u);
	CHECK_EQ(~checksum_crc32(~0u, text, 9), 0xcbf43926u);
	CHECK_EQ(checksum_crc32_be(~0u, text, 9), 0x0376e6e7u);
	CHECK_EQ(checksum_crc16(0, text, 9), 0xbb3d);
	/* in pieces it is the same */
	for (size_t cut = 0; cut <= 9; cut++) {
		uint32_t sum = checksum_crc32c(~0u, text, cut);

		CHECK_EQ(~checksum_crc32c(sum, text + cut, 9 - cut), 0xe3069283u);
	}
}

TEST(checksum_by_instructions_and_by_tables)
{
	struct random random;
	uint8_t bytes[300];

	random_init(&random, 3);
	for (size_t i = 0; i < sizeof(bytes); i++) {
		bytes[i] = (uint8_t)random_below(&random, 256);
	}
	CHECK_EQ(~checksum_crc32c_by_tables(~0u, "123456789", 9), 0xe3069283u);
	for (size_t start = 0; start < 9; start++) {
		for (size_t size = 0; size < sizeof(bytes) - 9; size++) {
			CHECK_EQ(checksum_crc32c((uint32_t)size, bytes + start, size),
				checksum_crc32c_by_tables((uint32_t)size, bytes + start, size));
		}
	}
}

/* ---- locks ----------------------------------------------------------------------------------- */

struct lockers {
	struct rwlock lock;
	int n_readers, n_writers, n_readers_max, n_done;
};

static int reader_task(struct task *task, void *argument)
{
	struct lockers *lockers = argument;
	int error = rwlock_read(task, &lockers->lock);

	if (error != 0) {
		return error;
	}
	lockers->n_readers++;
	CHECK_EQ(lockers->n_writers, 0);
	if (lockers->n_readers > lockers->n_readers_max) {
		lockers->n_readers_max = lockers->n_readers;
	}
	(void)task_sleep_until(task, task_now_ns(task) + 10);
	lockers->n_readers--;
	lockers->n_done++;
	rwlock_read_done(&lockers->lock);
	return 0;
}

static int writer_task(struct task *task, void *argument)
{
	struct lockers *lockers = argument;
	int error = rwlock_write(task, &lockers->lock);

	if (error != 0) {
		return error;
	}
	CHECK_EQ(lockers->n_writers++, 0);
	CHECK_EQ(lockers->n_readers, 0);
	(void)task_sleep_until(task, task_now_ns(task) + 10);
	lockers->n_writers--;
	lockers->n_done++;
	rwlock_write_done(&lockers->lock);
	return 0;
}

static int lockers_task(struct task *task, void *argument)
{
	struct lockers *lockers = argument;
	struct scope scope;

	scope_begin(task, &scope);
	for (int i = 0; i < 40; i++) {
		scope_spawn(&scope, "locker", i % 5 == 4 ? writer_task : reader_task, lockers);
	}
	return scope_join(&scope);
}

/* A writer that is cancelled lets the readers behind it in. */
static int cancelled_writer_task(struct task *task, void *argument)
{
	struct lockers *lockers = argument;
	struct scope scope, readers;

	CHECK_EQ(rwlock_read(task, &lockers->lock), 0);
	scope_begin(task, &scope);
	scope_spawn(&scope, "writer", writer_task, lockers);
	CHECK_EQ(task_sleep_until(task, task_now_ns(task) + 5), 0);
	scope_begin_shield(task, &readers);
	scope_spawn(&readers, "reader", reader_task, lockers);
	CHECK_EQ(task_sleep_until(task, task_now_ns(task) + 5), 0);
	CHECK_EQ(lockers->n_readers, 0);
	scope_cancel(&scope, -ERR_TIMED_OUT);
	CHECK_EQ(scope_join(&readers), 0);
	CHECK_EQ(scope_join(&scope), -ERR_TIMED_OUT);
	rwlock_read_done(&lockers->lock);
	return 0;
}

TEST(locks)
{
	struct harness harness;
	struct lockers lockers = { 0 };

	rwlock_init(&lockers.lock);
	harness_init(&harness, test_seed(3));
	CHECK_EQ(harness_run(&harness, lockers_task, &lockers), 0);
	CHECK_EQ(lockers.n_done, 40);
	CHECK(lockers.n_readers_max > 1);
	lockers.n_done = 0;
	CHECK_EQ(harness_run(&harness, cancelled_writer_task, &lockers), 0);
	CHECK_EQ(lockers.n_done, 1);
	harness_deinit(&harness);
}

/* ---- the cache ------------------------------------------------------------------------------- */

struct cached {
	struct harness harness;
	struct cache cache;
	uint8_t *memory;
	int n_sealed;
};

static void count_seal(void *context, UNUSED struct buffer *buffer)
{
	((struct cached *)context)->n_sealed++;
}

static void cached_init(struct cached *cached, uint64_t seed, size_t n_buffers)
{
	*cached = (struct cached){ 0 };
	harness_init(&cached->harness, seed);
	fake_device_init(&cached->harness.fake, &cached->harness.test_loop.loop, MIB(1), seed);
	cached->harness.has_device = true;
	cached->memory = aligned_alloc(4096, n_buffers * BLOCK);
	struct cache_config config = {
		.loop = &cached->harness.test_loop.loop,
		.device = &cached->harness.fake.device,
		.arena = { .address = cached->memory, .size = n_buffers * BLOCK },
		.block_size = BLOCK,
		.n_blocks = 1000,
		.seal = count_seal,
		.context = cached,
	};

	CHECK_EQ(cache_init(&cached->cache, &config), 0);
	for (uint64_t i = 0; i < 1000; i++) {
		memset(cached->harness.fake.image + i * BLOCK, (int)(i % 251), BLOCK);
	}
}

static void cached_deinit(struct cached *cached)
{
	cache_deinit(&cached->cache);
	harness_deinit(&cached->harness);
	free(cached->memory);
}

static int read_some_task(struct task *task, void *argument)
{
	struct cached *cached = argument;
	struct random random;

	random_init(&random, (uint64_t)task);
	for (int i = 0; i < 50; i++) {
		BUFFER_AUTO struct buffer *buffer = NULL;
		uint64_t block = random_below(&random, 60);
		int error = cache_read(task, &cached->cache, block, &buffer);

		if (error != 0) {
			return error;
		}
		CHECK_EQ(buffer->data[5], block % 251);
		if (random_chance(&random, 3)) {
			cache_read_ahead(&cached->cache, block + 1, 4);
		}
	}
	return 0;
}

static int readers_task(struct task *task, void *argument)
{
	struct scope scope;

	scope_begin(task, &scope);
	for (int i = 0; i < 10; i++) {
		scope_spawn(&scope, "reader", read_some_task, argument);
	}
	return scope_join(&scope);
}

TEST(cache_reads)
{
	struct cached cached;

	cached_init(&cached, test_seed(4), 32);
	CHECK_EQ(harness_run(&cached.harness, readers_task, &cached), 0);
	CHECK(cached.cache.statistics.n_hits > 0);
	CHECK(cached.cache.statistics.n_evicted > 0);
	CHECK_EQ(cached.harness.fake.n_reads, cached.cache.statistics.n_misses);
	cached_deinit(&cached);
}

static int limits_task(struct task *task, void *argument)
{
	struct cached *cached = argument;
	struct buffer *held[16], *buffer;

	CHECK_EQ(cache_read(task, &cached->cache, 1000, &buffer), BLOCKFS_E_CORRUPT);
	for (uint64_t i = 0; i < 16; i++) {
		CHECK_EQ(cache_read(task, &cached->cache, i, &held[i]), 0);
	}
	CHECK_EQ(cache_read(task, &cached->cache, 16, &buffer), -ERR_NO_MEMORY);
	CHECK_EQ(cache_read(task, &cached->cache, 3, &buffer), 0);
	CHECK(buffer == held[3]);
	buffer_put(buffer);
	buffer_put(held[7]);
	CHECK_EQ(cache_read(task, &cached->cache, 16, &held[7]), 0);
	CHECK(cache_find(&cached->cache, 7) == NULL);
	for (uint64_t i = 0; i < 16; i++) {
		buffer_put(held[i]);
	}
	/* an error is the error of that read only */
	cached->harness.fake.fail_from = 20 * BLOCK;
	cached->harness.fake.fail_to = 21 * BLOCK;
	CHECK_EQ(cache_read(task, &cached->cache, 20, &buffer), -ERR_IO);
	cached->harness.fake.fail_to = 0;
	CHECK_EQ(cache_read(task, &cached->cache, 20, &buffer), 0);
	buffer_put(buffer);
	return 0;
}

TEST(cache_has_limits)
{
	struct cached cached;

	cached_init(&cached, 0, 16);
	CHECK_EQ(harness_run(&cached.harness, limits_task, &cached), 0);
	cached_deinit(&cached);
}

static int dirty_task(struct task *task, void *argument)
{
	struct cached *cached = argument;

	for (uint64_t i = 0; i < 10; i++) {
		BUFFER_AUTO struct buffer *buffer = NULL;

		CHECK_EQ(cache_create(task, &cached->cache, i, &buffer), 0);
		memset(buffer->data, 0xaa, BLOCK);
		cache_mark_dirty(buffer);
	}
	cache_drop(&cached->cache); /* not what is dirty */
	CHECK_EQ(cached->harness.fake.image[3 * BLOCK], 3);
	CHECK_EQ(cache_write_dirty(task, &cached->cache), 0);
	CHECK_EQ(cached->harness.fake.image[3 * BLOCK], 0xaa);
	CHECK_EQ(cached->n_sealed, 10);
	CHECK_EQ(cached->cache.n_dirty, 0);
	return 0;
}

TEST(cache_writes)
{
	struct cached cached;

	cached_init(&cached, test_seed(6), 32);
	CHECK_EQ(harness_run(&cached.harness, dirty_task, &cached), 0);
	cached_deinit(&cached);
}

/* ---- devices --------------------------------------------------------------------------------- */

static int slice_task(struct task *task, void *argument)
{
	struct harness *harness = argument;
	struct device_slice slice;
	uint8_t data[512] = { 42 };
	struct device_buffer buffer = { .address = data, .length = sizeof(data) };

	device_slice_init(&slice, &harness->fake.device, 4096, 8192);
	CHECK_EQ(device_transfer(task, &slice.device, DEVICE_WRITE, 512, &buffer, 0), 0);
	CHECK_EQ(harness->fake.image[4608], 42);
	CHECK_EQ(device_transfer(task, &slice.device, DEVICE_WRITE, 8192, &buffer, 0),
		-ERR_OUT_OF_BOUNDS);
	CHECK_EQ(device_transfer(task, &slice.device, DEVICE_READ, 100, &buffer, 0),
		-ERR_OUT_OF_BOUNDS);
	slice.device.is_read_only = true;
	CHECK_EQ(device_transfer(task, &slice.device, DEVICE_WRITE, 0, &buffer, 0), -ERR_NO_RIGHTS);
	return device_flush(task, &harness->fake.device);
}

/* After a cut: what was flushed is there, what was not may be. */
static int cut_task(struct task *task, void *argument)
{
	struct harness *harness = argument;
	struct device *device = &harness->fake.device;
	uint8_t data[512];
	struct device_buffer buffer = { .address = data, .length = sizeof(data) };

	fake_device_record(&harness->fake);
	memset(data, 1, sizeof(data));
	CHECK_EQ(device_transfer(task, device, DEVICE_WRITE, 0, &buffer, 0), 0);
	CHECK_EQ(device_flush(task, device), 0);
	memset(data, 2, sizeof(data));
	CHECK_EQ(device_transfer(task, device, DEVICE_WRITE, 0, &buffer, 0), 0);
	CHECK_EQ(device_transfer(task, device, DEVICE_WRITE, 512, &buffer, DEVICE_FUA), 0);
	return 0;
}

TEST(devices)
{
	struct harness harness;
	struct random random;
	static uint8_t image[MIB(1)];
	bool is_old = false, is_new = false;

	harness_init(&harness, 2);
	fake_device_init(&harness.fake, &harness.test_loop.loop, sizeof(image), 2);
	harness.has_device = true;
	CHECK_EQ(harness_run(&harness, slice_task, &harness), 0);
	CHECK_EQ(harness_run(&harness, cut_task, &harness), 0);
	random_init(&random, 1);
	for (int i = 0; i < 50; i++) {
		fake_device_crash(&harness.fake, harness.fake.n_records, &random, image);
		CHECK(image[0] == 1 || image[0] == 2);
		CHECK_EQ(image[512], 2);
		is_old = is_old || image[0] == 1;
		is_new = is_new || image[0] == 2;
	}
	CHECK(is_old && is_new);
	harness_deinit(&harness);
}

TEST_MAIN()

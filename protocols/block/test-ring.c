/* SPDX-License-Identifier: MIT */
/* A block device's queue: both sides in turn, and sides that do what they must not. */
#include <protocols/block/ring.h>

#include <base/random.h>
#include <base/testing.h>

#define SLOTS    8
#define SEGMENTS 4

static uint8_t *memory;
static struct block_ring_client client;
static struct block_ring_driver driver;
static struct block_slot request;
static struct block_segment segments[SEGMENTS];
static uint32_t slot;

static void begin(void)
{
	memory = calloc(1, block_ring_bytes(SLOTS, SEGMENTS));
	block_ring_client_init(&client, memory, SLOTS, SEGMENTS);
	block_ring_driver_init(&driver, memory, SLOTS, SEGMENTS);
}

static void submit(uint32_t which, uint64_t position, uint16_t n_segments)
{
	*block_ring_client_slot(&client, which) = (struct block_slot){
		.operation = BLOCK_READ,
		.n_segments = n_segments,
		.position = position,
	};
	for (uint16_t i = 0; i < n_segments && i < SEGMENTS; i++) {
		block_ring_client_segments(&client, which)[i] = (struct block_segment){
			.offset = position + i, .memory = which, .length = 1
		};
	}
	block_ring_client_submit(&client, which);
}

static bool take(void)
{
	return block_ring_driver_take(&driver, &slot, &request, segments);
}

TEST(ring_carries_requests_and_answers)
{
	struct block_completion done;

	begin();
	CHECK(!take());
	submit(3, 4096, 2);
	submit(5, 8192, SEGMENTS);
	CHECK(take());
	CHECK_EQ(slot, 3);
	CHECK_EQ(request.position, 4096);
	CHECK_EQ(segments[1].offset, 4097);
	CHECK(take());
	CHECK_EQ(slot, 5);
	CHECK_EQ(segments[3].memory, 5);
	CHECK(!take());
	CHECK(!block_ring_client_take(&client, &done));
	block_ring_driver_answer(&driver, 5, 0, 100);
	block_ring_driver_answer(&driver, 3, -26, 7);
	CHECK(block_ring_client_take(&client, &done));
	CHECK_EQ(done.slot, 5);
	CHECK_EQ(done.n_bytes, 100);
	CHECK(block_ring_client_take(&client, &done));
	CHECK_EQ(done.error, -26);
	CHECK(!block_ring_client_take(&client, &done));
	CHECK(!client.is_broken && !driver.is_broken);
	free(memory);
}

/* Who sleeps is told once, by the first who has something for it. */
TEST(ring_sleepers_are_told_once)
{
	begin();
	CHECK(!block_ring_client_must_notify(&client));
	CHECK(block_ring_driver_sleep(&driver));
	submit(0, 0, 0);
	CHECK(block_ring_client_must_notify(&client));
	CHECK(!block_ring_client_must_notify(&client));
	CHECK(!block_ring_driver_sleep(&driver)); /* there is something */
	CHECK(!block_ring_client_must_notify(&client));
	CHECK(take());
	CHECK(block_ring_client_sleep(&client));
	block_ring_driver_answer(&driver, 0, 0, 0);
	CHECK(block_ring_driver_must_notify(&driver));
	CHECK(!block_ring_driver_must_notify(&driver));
	CHECK(!block_ring_client_sleep(&client));
	free(memory);
}

/* Whatever the other one writes, each side stays inside, and ends a ring that makes no sense. */
TEST(ring_trusts_nobody)
{
	uint64_t seed = test_seed(1);
	struct random random;

	random_init(&random, seed);
	for (unsigned round = 0; round < 2000; round++) {
		struct block_completion done;

		begin();
		for (unsigned i = 0; i < 16; i++) {
			size_t size = random_below(&random, 2) == 0
				? sizeof(struct block_ring)
				: block_ring_bytes(SLOTS, SEGMENTS);

			memory[random_below(&random, size)] = (uint8_t)random_u64(&random);
			if (take()) {
				CHECK(slot < SLOTS);
			}
			if (block_ring_client_take(&client, &done)) {
				CHECK(done.slot < SLOTS);
			}
			(void)block_ring_driver_sleep(&driver);
			(void)block_ring_client_sleep(&client);
		}
		free(memory);
	}
}

TEST(ring_ends_with_too_many)
{
	begin();
	atomic_store(&client.ring->client.submitted, SLOTS + 1);
	CHECK(!take());
	CHECK(driver.is_broken);
	CHECK(block_ring_driver_sleep(&driver));
	free(memory);
	begin();
	/* more than it has place for: copied as far as it is there */
	submit(1, 0, 60000);
	CHECK(take());
	CHECK_EQ(request.n_segments, 60000);
	block_ring_client_submit(&client, SLOTS);
	CHECK(!take());
	CHECK(driver.is_broken);
	free(memory);
}

/* What is told of may have been taken before: then nothing is told until it is looked at. */
TEST(ring_is_looked_at_when_it_was_rung_in_vain)
{
	struct block_completion done;

	begin();
	CHECK(block_ring_driver_sleep(&driver));
	CHECK(!block_ring_driver_must_look(&driver));
	submit(1, 0, 1);
	CHECK(block_ring_driver_must_look(&driver));
	CHECK(take() && block_ring_driver_sleep(&driver)); /* without having been told */
	CHECK(block_ring_client_must_notify(&client));
	CHECK(block_ring_driver_must_look(&driver));
	CHECK(!take() && block_ring_driver_sleep(&driver));
	CHECK(!block_ring_driver_must_look(&driver));
	CHECK(block_ring_client_sleep(&client));
	block_ring_driver_answer(&driver, 1, 0, 512);
	CHECK(block_ring_client_must_look(&client));
	CHECK(block_ring_client_take(&client, &done) && block_ring_client_sleep(&client));
	CHECK(block_ring_driver_must_notify(&driver));
	CHECK(block_ring_client_must_look(&client));
	CHECK(!block_ring_client_take(&client, &done) && block_ring_client_sleep(&client));
	CHECK(!block_ring_client_must_look(&client));
	free(memory);
}

TEST_MAIN()

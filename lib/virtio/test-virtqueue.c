/* SPDX-License-Identifier: MIT */
/* Tests of virtqueues against a small device. */
#include <base/random.h>
#include <base/testing.h>
#include <virtio/virtqueue.h>

/* A device that has seen @n_seen chains. */
struct device {
	struct virtqueue *queue;
	uint16_t n_seen;
	uint16_t n_used;
};

static uint8_t memory[16384] __attribute__((aligned(4096)));
static struct virtqueue queue;
static struct device device;

static void setup_as(const struct virtqueue_layout *layout)
{
	CHECK(virtqueue_memory_size(layout) <= sizeof(memory));
	memset(memory, 0, sizeof(memory));
	virtqueue_init(&queue, memory, layout);
	device = (struct device){ .queue = &queue };
}

static void setup(uint16_t size)
{
	setup_as(&(struct virtqueue_layout){ size, VIRTQUEUE_ALIGNMENT, false });
}

/* The next chain that the driver has published: its first descriptor, or -1. */
static int device_next(void)
{
	if (device.n_seen == queue.available[1]) {
		return -1;
	}
	return queue.available[2 + device.n_seen++ % queue.size];
}

static void device_use(uint32_t id, uint32_t size)
{
	queue.used[device.n_used % queue.size].id = id;
	queue.used[device.n_used % queue.size].size = size;
	device.n_used++;
	queue.used_header[1] = device.n_used;
}

TEST(virtqueue_chains_and_takes)
{
	static const struct virtio_buffer buffers[] = {
		{ .address_phys = 0x1000, .size = 16 },
		{ .address_phys = 0x2000, .size = 512, .is_writable = true },
		{ .address_phys = 0x3000, .size = 1, .is_writable = true },
	};
	int token;
	void *taken;
	uint32_t size;

	setup(8);
	CHECK(!virtqueue_publish(&queue));
	CHECK(virtqueue_add(&queue, buffers, 3, &token));
	CHECK_EQ(device_next(), -1);
	CHECK(virtqueue_publish(&queue));
	int first = device_next();

	CHECK(first >= 0);
	const struct virtqueue_descriptor *descriptor = &queue.descriptors[first];

	CHECK_EQ(descriptor->address, 0x1000);
	CHECK_EQ(descriptor->flags, 1);
	descriptor = &queue.descriptors[descriptor->next];
	CHECK_EQ(descriptor->address, 0x2000);
	CHECK_EQ(descriptor->flags, 3);
	descriptor = &queue.descriptors[descriptor->next];
	CHECK_EQ(descriptor->size, 1);
	CHECK_EQ(descriptor->flags, 2);
	CHECK(!virtqueue_take(&queue, &taken, &size));
	device_use((uint32_t)first, 513);
	CHECK(virtqueue_take(&queue, &taken, &size));
	CHECK(taken == &token);
	CHECK_EQ(size, 513);
	CHECK_EQ(queue.n_free, 8);
	CHECK(!virtqueue_take(&queue, &taken, &size));
}

TEST(virtqueue_knows_when_it_is_full)
{
	static const struct virtio_buffer buffer = { .address_phys = 0x1000, .size = 16 };
	int token;

	setup(4);
	for (int i = 0; i < 4; i++) {
		CHECK(virtqueue_add(&queue, &buffer, 1, &token));
	}
	CHECK(!virtqueue_add(&queue, &buffer, 1, &token));
	queue.used_header[0] = 1;
	CHECK(!virtqueue_publish(&queue)); /* published, but the device is awake already */
	CHECK_EQ(queue.available[1], 4);
}

TEST(virtqueue_survives_a_broken_device)
{
	static const struct virtio_buffer buffer = {
		.address_phys = 1, .size = 16, .is_writable = true
	};
	int token;
	void *taken;
	uint32_t size;

	setup(4);
	CHECK(virtqueue_add(&queue, &buffer, 1, &token));
	CHECK(virtqueue_publish(&queue));
	int first = device_next();

	device_use((uint32_t)first, 1000000); /* more than there is room for */
	CHECK(virtqueue_take(&queue, &taken, &size));
	CHECK_EQ(size, 16);
	device_use((uint32_t)first, 1); /* not in flight any more */
	CHECK(!virtqueue_take(&queue, &taken, &size));
	CHECK(queue.is_broken);
	CHECK(!virtqueue_add(&queue, &buffer, 1, &token));
	setup(4);
	device_use(77, 1);
	CHECK(!virtqueue_take(&queue, &taken, &size));
	CHECK(queue.is_broken);
}

TEST(virtqueue_legacy_layout)
{
	const struct virtqueue_layout layout = { 256, VIRTQUEUE_ALIGNMENT_LEGACY, false };

	CHECK_EQ(virtqueue_available_offset(&layout), 4096);
	CHECK_EQ(virtqueue_used_offset(&layout), 8192);
	CHECK_EQ(virtqueue_memory_size(&layout), 8192 + 6 + 8 * 256);
	setup_as(&layout);
	CHECK((const uint8_t *)queue.used_header == memory + 8192);
}

static volatile uint16_t *event_of_device(void)
{
	return (volatile uint16_t *)&queue.used[queue.size];
}

/* Each side is told at the entry that it has named, also when indexes wrap. */
TEST(virtqueue_event_indexes)
{
	static const struct virtio_buffer buffer = { .address_phys = 0x1000, .size = 16 };
	void *taken;
	uint32_t size;
	int token;

	setup_as(&(struct virtqueue_layout){ 4, VIRTQUEUE_ALIGNMENT, true });
	queue.used_header[0] = 1; /* means nothing then */
	for (uint32_t i = 0; i < 200000; i++) {
		uint16_t at = (uint16_t)(2 * i);

		CHECK(virtqueue_add(&queue, &buffer, 1, &token));
		CHECK(virtqueue_add(&queue, &buffer, 1, &token));
		*event_of_device() = (uint16_t)(at + i % 4 - 1);
		/* the two new ones are at and at + 1 */
		CHECK_EQ(virtqueue_publish(&queue), i % 4 == 1 || i % 4 == 2);
		int first = device_next(), second = device_next();

		CHECK(first >= 0 && second >= 0);
		device_use((uint32_t)first, 0);
		CHECK(virtqueue_take(&queue, &taken, &size));
		device_use((uint32_t)second, 0);
		CHECK(virtqueue_take(&queue, &taken, &size));
		CHECK(!virtqueue_take(&queue, &taken, &size));
		CHECK_EQ(queue.available[2 + queue.size], (uint16_t)(at + 2));
	}
}

static void random_traffic(bool has_event_index)
{
	static int tokens[64];
	static int first_of[64];
	int in_device[64];
	size_t n_in_device = 0;
	struct random random;
	void *taken;
	uint32_t size;

	random_init(&random, test_seed(5));
	memset(tokens, 0, sizeof(tokens));
	setup_as(&(struct virtqueue_layout){ 16, VIRTQUEUE_ALIGNMENT, has_event_index });
	for (int i = 0; i < 200000; i++) {
		struct virtio_buffer buffers[4];
		uint16_t n_buffers = (uint16_t)random_between(&random, 1, 4);
		int slot = (int)random_below(&random, 64);
		int first;

		for (uint16_t k = 0; k < n_buffers; k++) {
			buffers[k] = (struct virtio_buffer){
				.address_phys = 4096u * (uint64_t)slot,
				.size = 64,
				.is_writable = true,
			};
		}
		if (tokens[slot] == 0 && virtqueue_add(&queue, buffers, n_buffers, &tokens[slot])) {
			tokens[slot] = n_buffers;
		}
		(void)!virtqueue_publish(&queue);
		while ((first = device_next()) >= 0) {
			int seen = (int)(queue.descriptors[first].address / 4096);

			first_of[seen] = first;
			in_device[n_in_device++] = seen;
		}
		if (n_in_device > 0 && random_chance(&random, 2)) {
			size_t pick = random_below(&random, n_in_device); /* in any order */

			device_use((uint32_t)first_of[in_device[pick]],
				64u * (uint32_t)tokens[in_device[pick]]);
			in_device[pick] = in_device[--n_in_device];
		}
		if (random_chance(&random, 2) && virtqueue_take(&queue, &taken, &size)) {
			int *token = taken;

			CHECK_EQ(size, 64 * *token);
			*token = 0;
		}
	}
	CHECK(!queue.is_broken);
}

TEST(virtqueue_random_traffic)
{
	random_traffic(false);
	random_traffic(true);
}

TEST_MAIN()

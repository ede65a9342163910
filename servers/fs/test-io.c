/* SPDX-License-Identifier: MIT */
/*
 * Requests of file systems cut to what a disk takes, on a disk within the test: each piece keeps to
 * the disk's limits, is answered after a random time, and all of them together are the request.
 */
#include "counters.h"
#include "io.h"

#include <async/test-loop.h>
#include <base/errors.h>
#include <base/random.h>
#include <base/testing.h>

#include <stdlib.h>
#include <string.h>

#define DISK_BYTES   MIB(4)
#define MEMORY_BYTES MIB(4)
#define REQUESTS     400 /* more than there are flights */
#define PART_BYTES   (DISK_BYTES / REQUESTS / 4096 * 4096)
#define BUFFERS_MAX  6
#define BAD_PART     77
#define DELAY_NS     1000

static struct test_loop test_loop;
static struct random dice;
static struct block_disk disk;
static struct io io;
static uint8_t image[DISK_BYTES];
static uint8_t memory[MEMORY_BYTES];
static const struct io_memory memories[2] = { { .id = 3 }, { .id = 5 } }; /* the two halves */
static bool is_bad;
static uint32_t n_under_way, n_flushes;
static uint64_t n_cleared;

/* ---- what io.c uses -------------------------------------------------------------------------- */

struct hel_outcome hel_sim_call(uint32_t number UNUSED, const uint64_t *arguments UNUSED)
{
	return (struct hel_outcome){ 0 };
}

void *helix_calloc(size_t n, size_t size)
{
	return calloc(n, size);
}

void helix_free(void *block)
{
	free(block);
}

int block_disk_attach(struct task *task UNUSED, struct block_disk *other UNUSED,
	hel_handle handle UNUSED, uint32_t *out_id)
{
	*out_id = 7;
	return 0;
}

int block_disk_attach_kept(struct task *task UNUSED, struct block_disk *other UNUSED,
	hel_handle handle UNUSED, uint32_t *out_id)
{
	*out_id = 8;
	return 0;
}

void block_disk_detach(
	struct task *task UNUSED, struct block_disk *other UNUSED, uint32_t id UNUSED)
{
}

static int64_t n_counted; /* begun and not ended */

void counters_begin(struct counters *counters UNUSED, const struct device_request *request UNUSED,
	uint64_t now_ns UNUSED)
{
	n_counted++;
}

void counters_end(struct counters *counters UNUSED, const struct device_request *request UNUSED,
	uint64_t now_ns UNUSED, uint64_t took_ns UNUSED)
{
	n_counted--;
}

/* ---- the disk -------------------------------------------------------------------------------- */

static struct block_op *block_op_of(struct op *op)
{
	return container_of(op, struct block_op, op);
}

static uint8_t *segment_bytes(const struct block_segment *segment)
{
	return memory + (segment->memory == memories[0].id ? 0 : MEMORY_BYTES / 2) +
		segment->offset;
}

static void check_piece(const struct block_op *piece)
{
	const struct block_geometry *geometry = &disk.geometry;
	uint64_t length = 0;

	for (uint32_t i = 0; i < piece->n_segments; i++) {
		CHECK(piece->segments[i].length > 0);
		length += piece->segments[i].length;
	}
	CHECK((piece->position | piece->length) % geometry->logical_block_bytes == 0);
	CHECK(piece->position + piece->length <= DISK_BYTES);
	switch (piece->operation) {
	case BLOCK_READ:
	case BLOCK_WRITE:
		CHECK(piece->n_segments > 0 && piece->n_segments <= geometry->segments_max);
		CHECK_EQ(piece->length, length);
		CHECK(length <= geometry->transfer_bytes_max);
		break;
	case BLOCK_FLUSH: CHECK_EQ(piece->length, 0); break;
	case BLOCK_DISCARD: CHECK(piece->length <= geometry->discard_bytes_max); break;
	case BLOCK_WRITE_ZEROES: CHECK(piece->length <= geometry->zeroes_bytes_max); break;
	}
}

static void carry_out(const struct block_op *piece)
{
	uint8_t *at = image + piece->position;

	for (uint32_t i = 0; i < piece->n_segments; i++) {
		const struct block_segment *segment = &piece->segments[i];

		if (piece->operation == BLOCK_READ) {
			memcpy(segment_bytes(segment), at, segment->length);
		} else {
			memcpy(at, segment_bytes(segment), segment->length);
		}
		at += segment->length;
	}
	n_flushes += piece->operation == BLOCK_FLUSH;
	if (piece->operation == BLOCK_DISCARD || piece->operation == BLOCK_WRITE_ZEROES) {
		n_cleared += piece->length;
		memset(at, 0, piece->length);
	}
}

struct answer {
	struct timer timer;
	struct block_op *piece;
};

static void answer(struct timer *timer)
{
	struct answer *pending = container_of(timer, struct answer, timer);
	struct block_op *piece = pending->piece;
	bool fails = is_bad && piece->position / PART_BYTES == BAD_PART;

	if (!fails) {
		carry_out(piece);
	}
	n_under_way--;
	free(pending);
	op_complete(&piece->op, fails ? -ERR_IO : 0);
}

static enum op_result piece_start(struct op *op)
{
	struct answer *pending = calloc(1, sizeof(*pending));

	check_piece(block_op_of(op));
	pending->piece = block_op_of(op);
	n_under_way++;
	CHECK(n_under_way <= IO_SLOTS);
	timer_init(&pending->timer, answer);
	timer_arm(&test_loop.loop, &pending->timer,
		loop_now_ns(&test_loop.loop) + 1 + random_below(&dice, DELAY_NS));
	return OP_PENDING;
}

static const struct op_class piece_class = { .name = "piece", .start = piece_start };

void block_op_init(struct block_op *request, struct block_disk *other,
	enum block_operation operation, uint64_t position, const struct block_segment *segments,
	uint32_t n_segments)
{
	*request = (struct block_op){
		.disk = other,
		.operation = operation,
		.position = position,
		.segments = segments,
		.n_segments = n_segments,
	};
	for (uint32_t i = 0; i < n_segments; i++) {
		request->length += segments[i].length;
	}
	op_init(&request->op, &piece_class);
}

void block_op_init_range(struct block_op *request, struct block_disk *other,
	enum block_operation operation, uint64_t position, uint64_t length)
{
	block_op_init(request, other, operation, position, NULL, 0);
	request->length = length;
}

/* ---- requests -------------------------------------------------------------------------------- */

struct request {
	struct device_request device;
	struct device_buffer buffers[BUFFERS_MAX];
	uint32_t n_done;
};

static struct request requests[REQUESTS];

static void begin(uint64_t seed)
{
	random_init(&dice, seed);
	test_loop_init(&test_loop, &(struct test_loop_options){ .seed = seed });
	disk = (struct block_disk){
		.loop = &test_loop.loop,
		.geometry = {
			.size_bytes = DISK_BYTES,
			.logical_block_bytes = random_chance(&dice, 2) ? 512 : 4096,
			.transfer_bytes_max = (uint32_t)random_between(&dice, 4096, 70000),
			.segments_max = (uint32_t)random_between(&dice, 1, 100),
			.features = BLOCK_FEATURE_DISCARD | BLOCK_FEATURE_WRITE_ZEROES,
			.discard_bytes_max = 10000,
			.zeroes_bytes_max = 100000,
		},
	};
	is_bad = false;
	n_flushes = 0;
	n_cleared = 0;
	CHECK_EQ(io_init(&io, &disk), 0);
}

static void end(void)
{
	CHECK_EQ(n_under_way, 0);
	CHECK_EQ(n_counted, 0);
	CHECK(list_is_empty(&io.cutting) && list_is_empty(&io.waiting));
	CHECK_EQ(list_size(&io.free_flights), IO_FLIGHTS);
	CHECK_EQ(list_size(&io.free_pieces), IO_PIECES);
	io_deinit(&io);
	test_loop_deinit(&test_loop);
}

static void request_done(struct op *op)
{
	struct request *request = op->owner;

	request->n_done++;
}

/* The part of that number, between disk and memory, in random buffers. */
static void start_part(uint32_t part, enum device_action action)
{
	struct request *request = &requests[part];
	uint64_t left = PART_BYTES;
	/* each buffer lies in one of the two memories */
	bool is_second = part >= REQUESTS / 2;
	uint64_t at = (part - (is_second ? REQUESTS / 2 : 0)) * PART_BYTES;
	size_t n = 0;

	while (left > 0) {
		uint64_t length = n == BUFFERS_MAX - 1
			? left
			: min_u64(left, random_between(&dice, 1, 2) * 4096);

		request->buffers[n++] = io_buffer(&memories[is_second], at, length, NULL);
		at += length;
		left -= length;
	}
	request->n_done = 0;
	device_request_init(&request->device, &io.device, action, part * PART_BYTES, PART_BYTES);
	device_request_set_buffers(&request->device, request->buffers, n);
	CHECK_EQ(op_start(&request->device.op, &test_loop.loop, request_done, request), OP_PENDING);
}

static uint8_t *part_in_memory(uint32_t part)
{
	bool is_second = part >= REQUESTS / 2;

	return memory + (is_second ? MEMORY_BYTES / 2 : 0) +
		(part - (is_second ? REQUESTS / 2 : 0)) * PART_BYTES;
}

static void fill(uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		bytes[i] = (uint8_t)random_u64(&dice);
	}
}

TEST(io_is_what_was_asked_for)
{
	uint64_t seed = test_seed(1);

	for (uint64_t round = 0; round < 20; round++) {
		begin(seed + round);
		fill(memory, sizeof(memory));
		for (uint32_t i = 0; i < REQUESTS; i++) {
			start_part(i, DEVICE_WRITE);
		}
		test_loop_run(&test_loop);
		for (uint32_t i = 0; i < REQUESTS; i++) {
			CHECK_EQ(requests[i].n_done, 1);
			CHECK_EQ(requests[i].device.op.error, 0);
			CHECK_MEM_EQ(image + i * PART_BYTES, part_in_memory(i), PART_BYTES);
		}
		fill(image, sizeof(image));
		for (uint32_t i = 0; i < REQUESTS; i++) {
			start_part(i, DEVICE_READ);
		}
		test_loop_run(&test_loop);
		for (uint32_t i = 0; i < REQUESTS; i++) {
			CHECK_MEM_EQ(image + i * PART_BYTES, part_in_memory(i), PART_BYTES);
		}
		end();
	}
}

TEST(io_errors_concern_one_request)
{
	begin(test_seed(2));
	is_bad = true;
	for (uint32_t i = 0; i < REQUESTS; i++) {
		start_part(i, DEVICE_READ);
	}
	test_loop_run(&test_loop);
	for (uint32_t i = 0; i < REQUESTS; i++) {
		CHECK_EQ(requests[i].n_done, 1);
		CHECK_EQ(requests[i].device.op.error, i == BAD_PART ? -ERR_IO : 0);
	}
	end();
}

/* What is in flight goes on, what waits does not begin. */
TEST(io_that_waits_is_cancelled)
{
	begin(test_seed(3));
	for (uint32_t i = 0; i < REQUESTS; i++) {
		start_part(i, DEVICE_READ);
	}
	op_cancel(&requests[0].device.op);
	op_cancel(&requests[REQUESTS - 1].device.op);
	test_loop_run(&test_loop);
	CHECK_EQ(requests[0].device.op.error, 0);
	CHECK_EQ(requests[REQUESTS - 1].device.op.error, -ERR_CANCELLED);
	CHECK_EQ(requests[REQUESTS - 1].n_done, 1);
	CHECK_EQ(requests[REQUESTS - 2].device.op.error, 0);
	end();
}

TEST(io_without_data)
{
	struct request *request = &requests[0];

	begin(test_seed(4));
	device_request_init(&request->device, &io.device, DEVICE_FLUSH, 0, 0);
	CHECK_EQ(op_start(&request->device.op, &test_loop.loop, request_done, request), OP_PENDING);
	test_loop_run(&test_loop);
	CHECK_EQ(n_flushes, 1);
	device_request_init(&request->device, &io.device, DEVICE_DISCARD, 4096, MIB(1));
	CHECK_EQ(op_start(&request->device.op, &test_loop.loop, request_done, request), OP_PENDING);
	test_loop_run(&test_loop);
	CHECK_EQ(n_cleared, MIB(1));
	device_request_init(&request->device, &io.device, DEVICE_WRITE_ZEROES, 0, DISK_BYTES);
	CHECK_EQ(op_start(&request->device.op, &test_loop.loop, request_done, request), OP_PENDING);
	test_loop_run(&test_loop);
	CHECK_EQ(n_cleared, MIB(1) + DISK_BYTES);
	device_request_init(&request->device, &io.device, DEVICE_READ, 0, 0);
	CHECK_EQ(op_start(&request->device.op, &test_loop.loop, request_done, request), OP_DONE);
	end();
}

TEST_MAIN()

/* SPDX-License-Identifier: MIT */
/*
 * Tests of a block device, any: what is written is read again, whatever memory it comes from, with
 * many requests under way. They destroy what is on the disk.
 *
 * The command line says which: block.name=NAME; tests/system/block.py boots this. Other tests are
 * those of a device with bad places, from block.bad=BYTE on (errors.c), of one that is read-only
 * and has block.read-only=BYTES (read-only.c), and of discs that come and go (block.media=BYTES,
 * media.c). block.rounds=N is for slow devices.
 */
#include "client.h"

#include <base/errors.h>
#include <base/random.h>
#include <base/string.h>
#include <helix/managed.h>

#define ROUNDS      40
#define PIECES_MAX  5
#define MODEL_BYTES MIB(8) /* of the disk, which the random test uses */
#define SEED        1

/* ---- tests ----------------------------------------------------------------------------------- */

static void test_device_is_found(struct task *task)
{
	CHECK(client_open(task) == 0);
	CHECK(disk.geometry.size_bytes >= MODEL_BYTES);
	CHECK(disk.geometry.logical_block_bytes >= 512);
	CHECK(disk.geometry.transfer_bytes_max >= KIB(64));
}

static void test_what_is_written_is_read(struct task *task)
{
	uint32_t block = disk.geometry.logical_block_bytes;
	uint64_t last = disk.geometry.size_bytes - block;

	fill(0, KIB(64), 1);
	CHECK(transfer(task, BLOCK_WRITE, 0, 0, KIB(64)) == 0);
	CHECK(transfer(task, BLOCK_READ, 0, KIB(128), KIB(64)) == 0);
	CHECK(is_filled(KIB(128), KIB(64), 1));
	fill(0, block, 2);
	CHECK(transfer(task, BLOCK_WRITE, last, 0, block) == 0);
	CHECK(transfer(task, BLOCK_READ, last, KIB(64), block) == 0);
	CHECK(is_filled(KIB(64), block, 2));
	CHECK(act(task, BLOCK_FLUSH, 0, 0) == 0);
}

static void test_longest_request(struct task *task)
{
	uint32_t length = disk.geometry.transfer_bytes_max;

	/* not aligned to pages: a page more than it has bytes for */
	length = (uint32_t)min_u64(length, MIB(1)) - HEL_PAGE_SIZE;
	fill(512, length, 3);
	CHECK(transfer(task, BLOCK_WRITE, MIB(2), 512, length) == 0);
	memset(bytes, 0, MIB(2));
	CHECK(transfer(task, BLOCK_READ, MIB(2), MIB(1) + 512, length) == 0);
	CHECK(is_filled(MIB(1) + 512, length, 3));
}

static void test_nonsense_is_refused(struct task *task)
{
	uint32_t block = disk.geometry.logical_block_bytes;
	uint64_t size = disk.geometry.size_bytes;
	struct block_segment segment = { .offset = 0, .memory = memory_id + 1, .length = block };
	struct block_op request;

	CHECK(transfer(task, BLOCK_READ, size, 0, block) == -ERR_OUT_OF_BOUNDS);
	CHECK(transfer(task, BLOCK_READ, size - block, 0, 2 * block) == -ERR_OUT_OF_BOUNDS);
	CHECK(transfer(task, BLOCK_READ, UINT64_MAX - block + 1, 0, block) == -ERR_OUT_OF_BOUNDS);
	CHECK(transfer(task, BLOCK_READ, 1, 0, block) == -ERR_ILLEGAL_ARGS);
	CHECK(transfer(task, BLOCK_READ, 0, 0, block - 1) == -ERR_ILLEGAL_ARGS);
	CHECK(transfer(task, BLOCK_READ, 0, MEMORY_BYTES, block) != 0);
	CHECK(transfer(task, BLOCK_READ, 0, UINT64_MAX - block + 1, block) == -ERR_ILLEGAL_ARGS);
	block_op_init(&request, &disk, BLOCK_READ, 0, &segment, 1);
	CHECK(await(task, &request.op) == -ERR_NOT_FOUND);
	CHECK(act(task, 77, 0, block) == -ERR_ILLEGAL_ARGS);
	CHECK(act(task, BLOCK_FLUSH, block, block) == -ERR_ILLEGAL_ARGS);
	CHECK(act(task, BLOCK_FLUSH, 0, 0) == 0);
}

/* May be given back to what the device is made of, but reads as zeroes. */
static int unmap_zeroes(struct task *task, uint64_t position, uint64_t length)
{
	struct block_op request;

	block_op_init_range(&request, &disk, BLOCK_WRITE_ZEROES, position, length);
	request.flags = BLOCK_UNMAP | BLOCK_FUA;
	return await(task, &request.op);
}

static void test_zeroes(struct task *task)
{
	if ((disk.geometry.features & BLOCK_FEATURE_WRITE_ZEROES) == 0) {
		CHECK(act(task, BLOCK_WRITE_ZEROES, 0, KIB(4)) == -ERR_UNSUPPORTED);
		return;
	}
	CHECK(act(task, BLOCK_WRITE_ZEROES, 0,
		      disk.geometry.zeroes_bytes_max + disk.geometry.logical_block_bytes) ==
		-ERR_ILLEGAL_ARGS);
	fill(0, KIB(16), 4);
	CHECK(transfer(task, BLOCK_WRITE, KIB(32), 0, KIB(16)) == 0);
	CHECK(act(task, BLOCK_WRITE_ZEROES, KIB(36), KIB(4)) == 0);
	CHECK(unmap_zeroes(task, KIB(40), KIB(4)) == 0);
	CHECK(transfer(task, BLOCK_READ, KIB(32), 0, KIB(16)) == 0);
	CHECK(is_filled(0, KIB(4), 4));
	for (uint64_t i = KIB(4); i < KIB(12); i++) {
		CHECK(bytes[i] == 0);
	}
	for (uint64_t i = KIB(12); i < KIB(16); i++) {
		CHECK(bytes[i] == pattern(i, 4));
	}
}

/* What is discarded may be anything; what is beside it stays, and it can be written again. */
static void test_discard(struct task *task)
{
	if ((disk.geometry.features & BLOCK_FEATURE_DISCARD) == 0) {
		CHECK(act(task, BLOCK_DISCARD, 0, KIB(4)) == -ERR_UNSUPPORTED);
		return;
	}
	fill(0, KIB(64), 6);
	CHECK(transfer(task, BLOCK_WRITE, MIB(3), 0, KIB(64)) == 0);
	CHECK(act(task, BLOCK_DISCARD, MIB(3) + KIB(16), KIB(16)) == 0);
	CHECK(transfer(task, BLOCK_READ, MIB(3), KIB(64), KIB(64)) == 0);
	CHECK(is_filled(KIB(64), KIB(16), 6));
	CHECK(memcmp(bytes + KIB(64) + KIB(32), bytes + KIB(32), KIB(32)) == 0);
	CHECK(transfer(task, BLOCK_WRITE, MIB(3) + KIB(16), KIB(16), KIB(16)) == 0);
	CHECK(transfer(task, BLOCK_READ, MIB(3), KIB(64), KIB(64)) == 0);
	CHECK(is_filled(KIB(64), KIB(64), 6));
	CHECK(act(task, BLOCK_DISCARD, 0,
		      min_u64(disk.geometry.discard_bytes_max, disk.geometry.size_bytes)) == 0);
}

/* A write that is safe when it is answered; the driver may have to flush for that. */
static void test_forced_writes(struct task *task)
{
	struct block_segment segment = { .memory = memory_id, .length = KIB(16) };
	struct block_op request;

	for (uint64_t i = 0; i < 8; i++) {
		fill(0, KIB(16), 7 + i);
		block_op_init(&request, &disk, BLOCK_WRITE, MIB(1) + i * KIB(16), &segment, 1);
		request.flags = BLOCK_FUA;
		CHECK(await(task, &request.op) == 0 && request.n_bytes == KIB(16));
	}
	for (uint64_t i = 0; i < 8; i++) {
		CHECK(transfer(task, BLOCK_READ, MIB(1) + i * KIB(16), 0, KIB(16)) == 0);
		CHECK(is_filled(0, KIB(16), 7 + i));
	}
}

/* A client that keeps to no rule loses its queue; the others, and the driver, go on. */
static void test_queue_of_nonsense(struct task *task)
{
	static struct block_disk other;
	uint32_t block = disk.geometry.logical_block_bytes;

	CHECK(block_disk_open(task, &other, task->loop, helix_start_handle("mbus"), disk.name, 8) ==
		0);
	for (uint32_t slot = 0; slot < 4; slot++) {
		*block_ring_client_slot(&other.ring, slot) =
			(struct block_slot){ .operation = BLOCK_READ, .position = 1 };
		block_ring_client_submit(&other.ring, slot);
	}
	block_ring_client_submit(&other.ring, 77);
	CHECK((other.is_alerted ? hel_queue_alert(other.doorbell)
				: hel_event_raise(other.doorbell, 1)) == 0);
	for (unsigned i = 0; i < 20; i++) {
		CHECK(transfer(task, BLOCK_READ, 0, 0, block) == 0);
		CHECK(task_sleep_until(task, task_now_ns(task) + UINT64_C(1000000)) == 0);
	}
	block_disk_close(task, &other);
	CHECK(transfer(task, BLOCK_READ, 0, 0, block) == 0);
}

/* One more queue, in the lane of `disk`; the memory of its ring stays with the driver. */
static int open_queue(struct task *task, hel_handle alert, bool *out_is_alerted)
{
	uint8_t buffer[1024];
	struct bragi_exchange exchange;
	struct block_open_queue_request request;
	struct block_open_queue_reply reply;

	block_open_queue_request_init(&request);
	request.n_slots = 8;
	request.n_segments = 8;
	request.is_alerted = true;
	bragi_exchange_init(&exchange, buffer, sizeof(buffer));
	if (alert != HEL_NULL && !bragi_handles_add(&exchange.to_send, alert)) {
		return -ERR_NO_SPACE;
	}
	int error = block_device_open_queue(task, &disk.client.client, &exchange, &request, &reply);

	*out_is_alerted = error == 0 && reply.is_alerted != 0;
	transport_close_handles(&exchange.received);
	return error;
}

static void test_only_queues_are_alerted(struct task *task)
{
	hel_handle event;
	bool is_alerted;

	CHECK(hel_event_create(0, &event) == 0);
	CHECK(open_queue(task, event, &is_alerted) == -ERR_ILLEGAL_ARGS);
	CHECK(open_queue(task, HEL_NULL, &is_alerted) == 0 && !is_alerted);
	hel_close(HEL_THIS, event);
	CHECK(transfer(task, BLOCK_READ, 0, 0, disk.geometry.logical_block_bytes) == 0);
}

/* Straight into the page cache. */
static void test_pages_of_managed_memory(struct task *task)
{
	struct hel_managed_handles handles;
	struct block_segment segments[2];
	struct block_op request;
	uint32_t id;
	uint8_t byte;

	fill(0, KIB(16), 5);
	CHECK(transfer(task, BLOCK_WRITE, MIB(1), 0, KIB(16)) == 0);
	CHECK(hel_memory_create_managed(KIB(64), 0, &handles) == 0);
	CHECK(block_disk_attach(task, &disk, handles.backing, &id) == 0);
	segments[0] = (struct block_segment){ KIB(8), id, KIB(8) };
	segments[1] = (struct block_segment){ KIB(32), id, KIB(8) };
	block_op_init(&request, &disk, BLOCK_READ, MIB(1), segments, 2);
	CHECK(await(task, &request.op) == 0);
	CHECK(hel_memory_update(handles.backing, HEL_UPDATE_INITIALISED, 0, KIB(64), 0) == 0);
	CHECK(hel_memory_read(handles.frontal, KIB(8) + 100, &byte, 1) == 0);
	CHECK(byte == pattern(100, 5));
	CHECK(hel_memory_read(handles.frontal, KIB(32) + 99, &byte, 1) == 0);
	CHECK(byte == pattern(KIB(8) + 99, 5));
	block_disk_detach(task, &disk, id);
	hel_close(HEL_THIS, handles.backing);
	hel_close(HEL_THIS, handles.frontal);
}

/* ---- memory that is kept --------------------------------------------------------------------- */

#define KEPT_BYTES KIB(64)
#define MANY_KEPT  300 /* more than a driver keeps */

/* From the memory that is kept to the disk, into the other one, and back by another way. */
static void use_kept(struct task *task, uint64_t flags)
{
	uint32_t block = disk.geometry.logical_block_bytes;
	static uint8_t read[KIB(16)];
	hel_handle memory;
	uint32_t id;

	CHECK(hel_memory_allocate(KEPT_BYTES, flags, &memory) == 0);
	CHECK(block_disk_attach_kept(task, &disk, memory, &id) == 0);
	fill(KIB(4) + block, KIB(16), 6);
	CHECK(hel_memory_write(memory, 0, bytes, KEPT_BYTES) == 0);
	fill(0, KEPT_BYTES, 7);
	CHECK(transfer_of(task, id, BLOCK_WRITE, MIB(1), KIB(4) + block, KIB(16)) == 0);
	CHECK(transfer(task, BLOCK_READ, MIB(1), KIB(4) + block, KIB(16)) == 0);
	CHECK(is_filled(KIB(4) + block, KIB(16), 6) && is_filled(0, KIB(4) + block, 7));
	CHECK(transfer_of(task, id, BLOCK_READ, MIB(1), KEPT_BYTES - KIB(16), KIB(16)) == 0);
	CHECK(hel_memory_read(memory, KEPT_BYTES - KIB(16), read, KIB(16)) == 0);
	for (uint32_t i = 0; i < KIB(16); i++) {
		CHECK(read[i] == pattern(i, 6));
	}
	CHECK(transfer_of(task, id, BLOCK_READ, 0, KEPT_BYTES, block) != 0);
	CHECK(transfer_of(task, id, BLOCK_READ, 0, KEPT_BYTES - block, 2 * block) != 0);
	block_disk_detach(task, &disk, id);
	CHECK(transfer_of(task, id, BLOCK_READ, 0, 0, block) == -ERR_NOT_FOUND);
	hel_close(HEL_THIS, memory);
}

static void test_memory_is_kept(struct task *task)
{
	use_kept(task, 0);
	use_kept(task, HEL_ALLOCATE_CONTIGUOUS);
}

/* Attached all the same, but what may not be written stays so. */
static void test_memory_that_cannot_be_kept(struct task *task)
{
	uint32_t block = disk.geometry.logical_block_bytes;
	hel_handle memory, only_read;
	uint32_t ids[MANY_KEPT];

	CHECK(hel_memory_allocate(KEPT_BYTES, 0, &memory) == 0);
	CHECK(hel_transfer(HEL_THIS, memory, HEL_THIS,
		      HEL_RIGHT_READ | HEL_RIGHT_PIN | HEL_RIGHT_DERIVE, &only_read) == 0);
	CHECK(block_disk_attach_kept(task, &disk, only_read, &ids[0]) == 0);
	CHECK(transfer_of(task, ids[0], BLOCK_WRITE, MIB(1), 0, block) == 0);
	CHECK(transfer_of(task, ids[0], BLOCK_READ, MIB(1), 0, block) != 0);
	block_disk_detach(task, &disk, ids[0]);
	hel_close(HEL_THIS, only_read);
	for (uint32_t i = 0; i < MANY_KEPT; i++) {
		CHECK(block_disk_attach_kept(task, &disk, memory, &ids[i]) == 0);
	}
	CHECK(transfer_of(task, ids[0], BLOCK_READ, MIB(1), 0, block) == 0);
	CHECK(transfer_of(task, ids[MANY_KEPT - 1], BLOCK_READ, MIB(1), 0, block) == 0);
	for (uint32_t i = 0; i < MANY_KEPT; i++) {
		block_disk_detach(task, &disk, ids[i]);
	}
	hel_close(HEL_THIS, memory);
}

/* ---- many at once ---------------------------------------------------------------------------- */

struct flight {
	struct block_op request;
	struct block_segment segments[PIECES_MAX];
	uint64_t salt; /* of what it writes */
};

static struct flight flights[DEPTH];
static uint64_t salts[MODEL_BYTES / KIB(64)]; /* what each part of the disk was filled with */

/* Its own part of the memory, in pieces of random sizes. */
static uint32_t cut(struct random *random, struct flight *flight, uint32_t length)
{
	uint64_t offset = (uint64_t)(flight - flights) * KIB(64);
	uint32_t n_pieces = 0;

	while (length > 0) {
		uint32_t piece = n_pieces == PIECES_MAX - 1
			? length
			: (uint32_t)random_between(random, 1, length / 512) * 512;

		flight->segments[n_pieces++] = (struct block_segment){ offset, memory_id, piece };
		offset += piece;
		length -= piece;
	}
	return n_pieces;
}

static void test_many_at_once(struct task *task)
{
	struct random random;
	struct op *ops[DEPTH];
	uint64_t n_rounds = client_option("block.rounds", ROUNDS);

	random_init(&random, SEED);
	for (uint64_t round = 0; round < n_rounds; round++) {
		bool is_write = round % 2 == 0;
		uint64_t first = random_below(&random, ARRAY_SIZE(salts) - DEPTH + 1);

		for (uint64_t i = 0; i < DEPTH; i++) {
			struct flight *flight = &flights[i];

			flight->salt = is_write ? round * DEPTH + i + 1 : salts[first + i];
			if (is_write) {
				fill(i * KIB(64), KIB(64), flight->salt);
				salts[first + i] = flight->salt;
			} else {
				memset(bytes + i * KIB(64), 0, KIB(64));
			}
			block_op_init(&flight->request, &disk, is_write ? BLOCK_WRITE : BLOCK_READ,
				(first + i) * KIB(64), flight->segments,
				cut(&random, flight, KIB(64)));
			ops[i] = &flight->request.op;
		}
		CHECK(await_all(task, ops, DEPTH) == 0);
		for (uint64_t i = 0; i < DEPTH && !is_write; i++) {
			CHECK(flights[i].salt == 0 ||
				is_filled(i * KIB(64), KIB(64), flights[i].salt));
		}
	}
	CHECK(act(task, BLOCK_FLUSH, 0, 0) == 0);
}

static void test_device_is_left(struct task *task)
{
	block_disk_close(task, &disk);
	CHECK(disk.state == BLOCK_DISK_GONE);
}

static const struct task_test tests[] = {
	TASK_TEST(device_is_found),
	TASK_TEST(what_is_written_is_read),
	TASK_TEST(longest_request),
	TASK_TEST(nonsense_is_refused),
	TASK_TEST(zeroes),
	TASK_TEST(discard),
	TASK_TEST(forced_writes),
	TASK_TEST(queue_of_nonsense),
	TASK_TEST(only_queues_are_alerted),
	TASK_TEST(pages_of_managed_memory),
	TASK_TEST(memory_is_kept),
	TASK_TEST(memory_that_cannot_be_kept),
	TASK_TEST(space_is_lent),
	TASK_TEST(what_is_not_there_fails),
	TASK_TEST(lent_memory_goes),
	TASK_TEST(many_at_once),
	TASK_TEST(device_is_left),
};

int main(int n_arguments UNUSED, char **arguments UNUSED)
{
	if (client_option("block.bad", 0) != 0) {
		return errors_main();
	}
	if (client_option("block.media", 0) != 0) {
		return media_main();
	}
	if (client_option("block.read-only", 0) != 0) {
		return read_only_main();
	}
	return task_tests_main(tests, ARRAY_SIZE(tests));
}

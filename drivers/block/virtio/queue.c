/* SPDX-License-Identifier: MIT */
/* Requests on a device's queues: see virtio-blk.h. */
#include "virtio-blk.h"

#include <base/errors.h>
#include <base/string.h>

#define SECTOR_BYTES 512
#define RANGE_UNMAP  1u

enum blk_type : uint32_t {
	BLK_IN = 0,
	BLK_OUT = 1,
	BLK_FLUSH = 4,
	BLK_GET_ID = 8,
	BLK_DISCARD = 11,
	BLK_WRITE_ZEROES = 13,
};

enum blk_status : uint8_t { BLK_OK = 0, BLK_IOERR = 1, BLK_UNSUPPORTED = 2, BLK_NONE = 0xff };

/* ---- frames ---------------------------------------------------------------------------------- */

static enum blk_type type_of(const struct block_request *request)
{
	switch (request->operation) {
	case BLOCK_READ: return BLK_IN;
	case BLOCK_WRITE: return BLK_OUT;
	case BLOCK_FLUSH: return BLK_FLUSH;
	case BLOCK_DISCARD: return BLK_DISCARD;
	case BLOCK_WRITE_ZEROES: return BLK_WRITE_ZEROES;
	}
	return BLK_FLUSH;
}

static bool has_range(enum blk_type type)
{
	return type == BLK_DISCARD || type == BLK_WRITE_ZEROES;
}

/* The table of a frame: header, what goes with it, status; how many bytes the device may write. */
static uint32_t frame_describe(const struct blk_queue *queue, struct blk_frame *frame,
	const struct block_extent *extents, uint32_t n_extents, bool is_writable)
{
	const struct virtio_buffer header = {
		.address_phys = dma_address(&queue->frame_memory, &frame->header),
		.size = sizeof(frame->header),
	};
	const struct virtio_buffer status = {
		.address_phys = dma_address(&queue->frame_memory, (const void *)&frame->status),
		.size = 1,
		.is_writable = true,
	};
	uint16_t n = 0;
	uint32_t n_writable = 1;

	virtqueue_describe(frame->table, n++, &header, false);
	for (uint32_t i = 0; i < n_extents; i++) {
		const struct virtio_buffer buffer = {
			.address_phys = extents[i].address,
			.size = extents[i].length,
			.is_writable = is_writable,
		};

		virtqueue_describe(frame->table, n++, &buffer, false);
		n_writable += is_writable ? extents[i].length : 0;
	}
	virtqueue_describe(frame->table, n, &status, true);
	frame->status = BLK_NONE;
	return n_writable;
}

static bool frame_submit(struct blk_queue *queue, uint16_t index,
	const struct block_extent *extents, uint32_t n_extents, bool is_writable)
{
	struct blk_frame *frame = &queue->frames[index];
	uint32_t n_writable = frame_describe(queue, frame, extents, n_extents, is_writable);

	return virtqueue_add_table(&queue->ring, dma_address(&queue->frame_memory, frame->table),
		n_extents + 2, n_writable, frame);
}

/* ---- requests -------------------------------------------------------------------------------- */

static bool blk_submit(struct block_device *device, uint32_t number, struct block_request *request)
{
	struct blk *blk = container_of(device, struct blk, device);
	struct blk_queue *queue = &blk->queues[number];
	enum blk_type type = type_of(request);

	if (queue->n_free == 0) {
		return false;
	}
	uint16_t index = queue->free_frames[queue->n_free - 1];
	struct blk_frame *frame = &queue->frames[index];
	const struct block_extent range = {
		.address = dma_address(&queue->frame_memory, &frame->range),
		.length = sizeof(frame->range),
	};

	frame->header = (struct blk_header){
		.type = type,
		.sector = type == BLK_IN || type == BLK_OUT ? request->position / SECTOR_BYTES : 0,
	};
	frame->range = (struct blk_range){
		.sector = request->position / SECTOR_BYTES,
		.n_sectors = (uint32_t)(request->length / SECTOR_BYTES),
		.flags = type == BLK_WRITE_ZEROES && request->may_unmap ? RANGE_UNMAP : 0,
	};
	if (!frame_submit(queue, index, has_range(type) ? &range : request->extents,
		    has_range(type) ? 1 : request->n_extents, type == BLK_IN)) {
		return false;
	}
	queue->n_free--;
	queue->requests[index] = request;
	return true;
}

static void blk_commit(struct block_device *device, uint32_t number)
{
	struct blk *blk = container_of(device, struct blk, device);

	virtio_kick(&blk->virtio, &blk->queues[number].ring);
}

const struct block_driver blk_driver = { .submit = blk_submit, .commit = blk_commit };

static int error_of(uint8_t status)
{
	return status == BLK_OK ? 0 : status == BLK_UNSUPPORTED ? -ERR_UNSUPPORTED : -ERR_IO;
}

static void queue_poll(struct blk_queue *queue)
{
	void *token;
	uint32_t size;

	while (virtqueue_take(&queue->ring, &token, &size)) {
		struct blk_frame *frame = token;
		uint16_t index = (uint16_t)(frame - queue->frames);
		struct block_request *request = queue->requests[index];

		queue->requests[index] = NULL;
		queue->free_frames[queue->n_free++] = index;
		if (request != NULL) {
			block_complete(request, error_of(frame->status));
		}
	}
}

int blk_poll(struct blk *blk)
{
	int error = 0;

	for (uint32_t i = 0; i < blk->n_queues; i++) {
		queue_poll(&blk->queues[i]);
		if (blk->queues[i].ring.is_broken) {
			error = -ERR_PROTOCOL;
		}
	}
	block_settle(&blk->device);
	return error;
}

void blk_abandon(struct blk *blk)
{
	for (uint32_t i = 0; i < blk->n_queues; i++) {
		struct blk_queue *queue = &blk->queues[i];

		for (uint16_t k = 0; k < queue->n_frames; k++) {
			struct block_request *request = queue->requests[k];

			queue->requests[k] = NULL;
			if (request != NULL) {
				block_complete(request, -ERR_END_OF_LANE);
			}
		}
	}
}

void blk_free_queues(struct blk *blk)
{
	for (uint32_t i = 0; i < blk->n_queues; i++) {
		dma_free(&blk->queues[i].frame_memory);
		dma_free(&blk->queues[i].ring_memory);
	}
}

/* ---- the start ------------------------------------------------------------------------------- */

static int queue_init(struct task *task, struct blk *blk, struct blk_queue *queue, uint16_t index)
{
	int error = virtio_setup_queue(
		&blk->virtio, &queue->ring, &queue->ring_memory, index, VIRTQUEUE_SIZE_MAX);

	if (error != 0) {
		return error;
	}
	queue->n_frames = (uint16_t)min_size(queue->ring.size, BLK_FRAMES);
	error = dma_allocate(&queue->frame_memory, blk->virtio.dma_space,
		queue->n_frames * sizeof(struct blk_frame));
	if (error == 0) {
		error = virtio_hold(task, &blk->virtio, &queue->ring_memory);
	}
	if (error == 0) {
		error = virtio_hold(task, &blk->virtio, &queue->frame_memory);
	}
	if (error != 0) {
		return error;
	}
	queue->frames = (struct blk_frame *)queue->frame_memory.data;
	while (queue->n_free < queue->n_frames) {
		queue->free_frames[queue->n_free] = queue->n_free;
		queue->n_free++;
	}
	return 0;
}

int blk_init_queues(struct task *task, struct blk *blk)
{
	int error = 0;

	for (uint32_t i = 0; i < blk->n_queues && error == 0; i++) {
		error = queue_init(task, blk, &blk->queues[i], (uint16_t)i);
	}
	return error;
}

int blk_read_serial(struct task *task, struct blk *blk)
{
	struct blk_queue *queue = &blk->queues[0];
	uint16_t index = queue->free_frames[queue->n_free - 1];
	struct blk_frame *frame = &queue->frames[index];
	/* the table has room for it, for the request has one extent */
	char *text = (char *)&frame->table[8];
	const struct block_extent extent = {
		.address = dma_address(&queue->frame_memory, text),
		.length = BLK_SERIAL_SIZE,
	};

	memset(text, 0, BLK_SERIAL_SIZE);
	frame->header = (struct blk_header){ .type = BLK_GET_ID };
	if (!frame_submit(queue, index, &extent, 1, true)) {
		return -ERR_NO_SPACE;
	}
	queue->n_free--;
	virtio_kick(&blk->virtio, &queue->ring);
	while (queue->n_free < queue->n_frames) {
		int error = virtio_await(task, &blk->virtio);

		if (error != 0) {
			return error;
		}
		queue_poll(queue);
	}
	if (frame->status == BLK_OK) {
		memcpy(blk->serial, text, BLK_SERIAL_SIZE);
	}
	return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * virtio-blk (virtio 1.2, section 5.2): disks of virtual machines.
 *
 * Each request has a *frame* in memory that the device reaches: a header, a status byte, and a
 * table of descriptors (2.7.5.3) with the header, the extents, and the status. A request takes one
 * descriptor of a queue, so as many can be under way as the queue has.
 *
 *	frame: header | status | table[extents_max + 2]
 */
#ifndef DRIVERS_BLOCK_VIRTIO_VIRTIO_BLK_H
#define DRIVERS_BLOCK_VIRTIO_VIRTIO_BLK_H

#include <drivers/lib/block/block.h>
#include <protocols/hw/hw-client.h>
#include <virtio/virtio-pci.h>

#define BLK_QUEUES_MAX  8
#define BLK_FRAMES      128 /* of each queue, at most */
#define BLK_EXTENTS_MAX 254
#define BLK_SERIAL_SIZE 20

struct blk_header {
	uint32_t type;
	uint32_t reserved;
	uint64_t sector; /* of 512 bytes */
};

/* Of discards and zeroes. */
struct blk_range {
	uint64_t sector;
	uint32_t n_sectors;
	uint32_t flags;
};

struct blk_frame {
	struct blk_header header;
	struct blk_range range;
	volatile uint8_t status;
	uint8_t padding[15];
	struct virtqueue_descriptor table[BLK_EXTENTS_MAX + 2];
};

struct blk_queue {
	struct virtqueue ring;
	struct dma_memory ring_memory, frame_memory;
	struct blk_frame *frames;
	uint16_t n_frames, n_free;
	uint16_t free_frames[BLK_FRAMES];
	struct block_request *requests[BLK_FRAMES]; /* by frame; NULL: free */
};

struct blk {
	struct block_device device;
	struct virtio_device virtio;
	struct helix_loop *loop;
	uint64_t features;
	bool is_published; /* clients may have it */
	bool is_removed;   /* the device is taken out */
	struct hw_removal removal;
	char name[32], serial[BLK_SERIAL_SIZE + 1];
	uint32_t n_queues;
	struct blk_queue queues[BLK_QUEUES_MAX];
	struct job job;
};

/**
 * blk_run() - drive a device until it fails
 * @lane: of the PCI function, taken
 */
MUST_USE int blk_run(struct task *task, struct blk *blk, hel_handle lane);

/** blk_init_queues() - make and start the queues; -ERR_NOT_FOUND, -ERR_NO_MEMORY */
MUST_USE int blk_init_queues(struct task *task, struct blk *blk);

/** blk_poll() - take what the device has finished; -ERR_PROTOCOL: what it says makes no sense */
MUST_USE int blk_poll(struct blk *blk);

/** blk_abandon() - the device is gone: end all that is under way */
void blk_abandon(struct blk *blk);

/** blk_free_queues() - the device knows nothing of them any more, and nobody has a request */
void blk_free_queues(struct blk *blk);

/** blk_read_serial() - ask the device for its number, which may be empty */
MUST_USE int blk_read_serial(struct task *task, struct blk *blk);

/** blk_driver - what the class calls */
extern const struct block_driver blk_driver;

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Virtio devices on PCI (virtio 1.0, section 4.1; no legacy interface).
 *
 *	virtio_open(task, &device, lane);             reset, find the registers
 *	virtio_negotiate(&device, wanted, &agreed);
 *	virtio_setup_queue(&device, &queue, i);       each queue that is used
 *	virtio_start(&device);                        the device works from here on
 *	while (virtio_await(task, &device) == 0) { ... virtqueue_take() ... }
 *
 * All queues share one interrupt: after it, look at each.
 */
#ifndef VIRTIO_VIRTIO_PCI_H
#define VIRTIO_VIRTIO_PCI_H

#include <mmio/mmio.h>
#include <protocols/transport/client.h>
#include <virtio/dma.h>
#include <virtio/virtqueue.h>

#define VIRTIO_PCI_BARS                6
#define VIRTIO_FEATURE_INDIRECT        (UINT64_C(1) << 28)
#define VIRTIO_FEATURE_VERSION_1       (UINT64_C(1) << 32)
/* The device's requests go through the IOMMU, if there is one; without it they never do. */
#define VIRTIO_FEATURE_ACCESS_PLATFORM (UINT64_C(1) << 33)

struct virtio_device {
	struct transport_client hw; /* hw's lane of this PCI function */
	struct mmio bars[VIRTIO_PCI_BARS]; /* mapped; size 0: not yet */
	struct mmio common;
	struct mmio notify;
	struct mmio config; /* of the device's type; size 0: none */
	uint32_t notify_multiplier;
	hel_handle irq;
	hel_handle dma_space; /* for dma_allocate(); HEL_NULL: the device uses physical addresses */
	uint64_t irq_sequence;
};

/**
 * virtio_open() - take a device: reset it, map its registers, set up its interrupt and DMA
 * @lane: of the PCI function, taken on success
 *
 * Return: 0, -ERR_UNSUPPORTED (not a modern virtio device), what hw says.
 */
MUST_USE int virtio_open(struct task *task, struct virtio_device *device, hel_handle lane);

/**
 * virtio_negotiate() - agree on features
 * @wanted: all that the driver can use; VERSION_1 and ACCESS_PLATFORM are added
 *
 * Return: 0, -ERR_UNSUPPORTED (the device does not accept that).
 */
MUST_USE int virtio_negotiate(struct virtio_device *device, uint64_t wanted, uint64_t *out_agreed);

/**
 * virtio_hold() - have memory that the device knows last until it is quiet, if the driver dies
 *
 * What is in the device's dma-space does anyway: then there is nothing to do.
 * Return: 0, what hw_client_hold() says.
 */
MUST_USE int virtio_hold(
	struct task *task, struct virtio_device *device, const struct dma_memory *dma);

/**
 * virtio_setup_queue() - make queue @index ready
 * @queue: caller's storage
 * @dma: memory of the ring, allocated here
 * @size_max: descriptors; the device may have fewer
 *
 * Return: 0, -ERR_NOT_FOUND (the device has no such queue), -ERR_NO_MEMORY.
 */
MUST_USE int virtio_setup_queue(struct virtio_device *device, struct virtqueue *queue,
	struct dma_memory *dma, uint16_t index, uint16_t size_max);

/** virtio_start() - the driver is ready */
void virtio_start(struct virtio_device *device);

/** virtio_kick() - publish what was added to @queue, and notify the device if it wants that */
void virtio_kick(struct virtio_device *device, struct virtqueue *queue);

/** virtio_await() - wait for an interrupt; 0, or what ended the wait */
MUST_USE int virtio_await(struct task *task, struct virtio_device *device);

#endif

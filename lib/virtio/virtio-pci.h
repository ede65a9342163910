/* SPDX-License-Identifier: MIT */
/*
 * Virtio devices on PCI (virtio 1.2, section 4.1): by the modern interface where there is one, else
 * by the legacy one of virtio 0.9.
 *
 *	virtio_open(task, &device, lane);             reset, find the registers
 *	virtio_negotiate(&device, wanted, &agreed);
 *	virtio_setup_queue(&device, &queue, i);       each queue that is used
 *	virtio_start(&device);                        the device works from here on
 *	while (virtio_await(task, &device) == 0) { ... virtqueue_take() ... }
 *
 * All queues share one interrupt, MSI-X or a line: after it, look at each, until there is nothing
 * more to take (with event indexes, which are used where the device has them, it tells no more
 * otherwise).
 */
#ifndef VIRTIO_VIRTIO_PCI_H
#define VIRTIO_VIRTIO_PCI_H

#include <mmio/mmio.h>
#include <protocols/hw/hw.gen.h>
#include <protocols/transport/client.h>
#include <virtio/dma.h>
#include <virtio/virtqueue.h>

#define VIRTIO_PCI_BARS                6
#define VIRTIO_FEATURE_INDIRECT        (UINT64_C(1) << 28)
#define VIRTIO_FEATURE_EVENT_INDEX     (UINT64_C(1) << 29)
#define VIRTIO_FEATURE_VERSION_1       (UINT64_C(1) << 32)
/* The device's requests go through the IOMMU, if there is one; without it they never do. */
#define VIRTIO_FEATURE_ACCESS_PLATFORM (UINT64_C(1) << 33)

struct virtio_transport;

struct virtio_device {
	struct transport_client hw; /* hw's lane of this PCI function */
	const struct virtio_transport *transport;
	struct {
		struct mmio bars[VIRTIO_PCI_BARS]; /* mapped; size 0: not yet */
		struct mmio common, notify, interrupt;
		struct mmio config; /* size 0: none */
		uint32_t notify_multiplier;
	} modern;
	struct {
		hel_handle ports;
		uint32_t size;   /* of all of them */
		uint32_t config; /* where the device's own begin */
	} legacy;
	size_t config_size; /* bytes of registers of the device's type */
	bool has_event_index;
	enum hw_interrupt_kind interrupt_kind;
	hel_handle irq;
	hel_handle dma_space; /* for dma_allocate(); HEL_NULL: the device uses physical addresses */
	uint64_t irq_sequence;
};

/**
 * virtio_open() - take a device: reset it, map its registers, set up its interrupt and DMA
 * @lane: of the PCI function, taken on success
 *
 * Return: 0, -ERR_UNSUPPORTED (no virtio device), what hw says.
 */
MUST_USE int virtio_open(struct task *task, struct virtio_device *device, hel_handle lane);

/**
 * virtio_negotiate() - agree on features
 * @wanted: all that the driver can use; what transports and queues need is added
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
 * @size_max: descriptors; the device may have fewer, and by the legacy interface it decides
 *
 * Return: 0, -ERR_NOT_FOUND (the device has no such queue), -ERR_UNSUPPORTED (it wants more than
 * VIRTQUEUE_SIZE_MAX), -ERR_NO_SPACE (for its interrupt), -ERR_PROTOCOL, -ERR_NO_MEMORY.
 */
MUST_USE int virtio_setup_queue(struct virtio_device *device, struct virtqueue *queue,
	struct dma_memory *dma, uint16_t index, uint16_t size_max);

/**
 * virtio_config_read() - a register of the device's type
 * @width: 1, 2 or 4 bytes, which are within device->config_size
 */
uint32_t virtio_config_read(const struct virtio_device *device, uint32_t offset, uint32_t width);

/** virtio_start() - the driver is ready */
void virtio_start(struct virtio_device *device);

/** virtio_kick() - publish what was added to @queue, and notify the device if it wants that */
void virtio_kick(struct virtio_device *device, struct virtqueue *queue);

/**
 * virtio_close() - reset a device that is used no more, and let go of it
 *
 * It knows no memory any more, nor does it if it is out. The lane to hw is the caller's.
 */
void virtio_close(struct task *task, struct virtio_device *device);

/** virtio_await() - wait for an interrupt; 0, or what ended the wait */
MUST_USE int virtio_await(struct task *task, struct virtio_device *device);

#endif

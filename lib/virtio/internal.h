/* SPDX-License-Identifier: MIT */
/* The ways of talking to a virtio device on PCI: see virtio-pci.h. */
#ifndef VIRTIO_INTERNAL_H
#define VIRTIO_INTERNAL_H

#include <protocols/hw/hw-client.h>
#include <virtio/virtio-pci.h>

/** VIRTIO_NO_VECTOR - what a device says if it has no room for a vector of MSI-X */
#define VIRTIO_NO_VECTOR 0xffff

/* All hooks are there; none suspends, and none fails unless it says so. */
struct virtio_transport {
	uint64_t always; /* features that are taken whenever they are offered */
	uint64_t needed; /* features without which it is none of ours */
	uint64_t (*offered)(const struct virtio_device *device);
	/* tell the device what is agreed on; false: it does not accept that */
	bool (*agree)(struct virtio_device *device, uint64_t agreed);
	uint8_t (*status)(const struct virtio_device *device);
	void (*set_status)(struct virtio_device *device, uint8_t status);
	/* the interrupt is set up: use vector 0 for changes of the configuration, if it is MSI-X */
	void (*use_interrupt)(struct virtio_device *device);
	/* of a line: why it interrupts; 0: it does not. Ends the interrupt. */
	uint8_t (*take_interrupt)(struct virtio_device *device);
	/* select queue @index, and say how many descriptors it has at most; 0: there is none */
	uint16_t (*select_queue)(struct virtio_device *device, uint16_t index);
	/* give the selected queue its memory; -ERR_PROTOCOL, -ERR_NO_SPACE (for vectors) */
	int (*start_queue)(struct virtio_device *device, struct virtqueue *queue,
		const struct virtqueue_layout *layout, const struct dma_memory *dma);
	void (*notify)(struct virtio_device *device, const struct virtqueue *queue);
	/* a register of the device's type, of 1, 2 or 4 bytes */
	uint32_t (*config_read)(
		const struct virtio_device *device, uint32_t offset, uint32_t width);
	uint16_t used_alignment;
	uint16_t address_bits; /* of queues; 0: all */
	bool has_fixed_size; /* queues have as many descriptors as the device says */
};

/**
 * virtio_open_modern() - find the structures of virtio 1.0, and map them
 * @info: of the function
 *
 * Return: 0, -ERR_UNSUPPORTED (there are none), what hw says.
 */
MUST_USE int virtio_open_modern(
	struct task *task, struct virtio_device *device, const struct hw_info_reply *info);

/** virtio_open_legacy() - the same, for the ports of virtio 0.9 */
MUST_USE int virtio_open_legacy(
	struct task *task, struct virtio_device *device, const struct hw_info_reply *info);

#endif

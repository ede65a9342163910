/* SPDX-License-Identifier: MIT */
/* Virtio over PCI, whichever interface the device has: see virtio-pci.h. */
#include "internal.h"

#include <base/assert.h>
#include <base/errors.h>
#include <helix/await.h>

#define BUFFER_SIZE   2048 /* of a call to hw */
#define RESET_NS      UINT64_C(1000000000)
#define RESET_STEP_NS UINT64_C(1000000)

enum virtio_status {
	STATUS_ACKNOWLEDGE = 1,
	STATUS_DRIVER = 2,
	STATUS_DRIVER_OK = 4,
	STATUS_NONE = 0xff, /* there is no device */
};

/* ---- opening --------------------------------------------------------------------------------- */

static int virtio_find_transport(
	struct task *task, struct virtio_device *device, void *buffer, size_t size)
{
	struct bragi_exchange exchange;
	struct hw_info_reply info;

	bragi_exchange_init(&exchange, buffer, size);
	int error = hw_client_info(task, &device->hw, &exchange, &info);

	if (error != 0) {
		return error;
	}
	error = virtio_open_modern(task, device, &info);
	return error == -ERR_UNSUPPORTED ? virtio_open_legacy(task, device, &info) : error;
}

static void virtio_add_status(struct virtio_device *device, uint8_t bits)
{
	device->transport->set_status(device, device->transport->status(device) | bits);
}

static int virtio_reset(struct task *task, struct virtio_device *device)
{
	uint64_t deadline_ns = task_now_ns(task) + RESET_NS;

	device->transport->set_status(device, 0);
	while (device->transport->status(device) != 0) {
		if (task_now_ns(task) >= deadline_ns) {
			return -ERR_IO;
		}
		int error = task_sleep_until(task, task_now_ns(task) + RESET_STEP_NS);

		if (error != 0) {
			return error;
		}
	}
	virtio_add_status(device, STATUS_ACKNOWLEDGE);
	virtio_add_status(device, STATUS_DRIVER);
	return 0;
}

static void virtio_drop(struct virtio_device *device)
{
	for (size_t i = 0; i < VIRTIO_PCI_BARS; i++) {
		if (device->modern.bars[i].size != 0) {
			hw_client_unmap_bar(
				device->modern.bars[i].base, device->modern.bars[i].size);
		}
	}
	if (device->legacy.ports != HEL_NULL) {
		hel_close(HEL_THIS, device->legacy.ports);
	}
	if (device->irq != HEL_NULL) {
		hel_close(HEL_THIS, device->irq);
	}
	if (device->dma_space != HEL_NULL) {
		hel_close(HEL_THIS, device->dma_space);
	}
}

/* DMA and the interrupt of a device that is quiet. */
static int virtio_connect(struct task *task, struct virtio_device *device)
{
	int error = 0;

	if ((device->transport->offered(device) & VIRTIO_FEATURE_ACCESS_PLATFORM) != 0) {
		error = hw_client_dma_space(task, &device->hw, &device->dma_space);
	}
	if (error == 0) {
		error = hw_client_bus_master(task, &device->hw, true);
	}
	if (error == 0) {
		device->interrupt_kind = HW_INTERRUPT_KIND_ANY;
		error = hw_client_interrupt_of(
			task, &device->hw, 0, &device->interrupt_kind, &device->irq);
	}
	if (error == 0) {
		device->transport->use_interrupt(device);
	}
	return error;
}

int virtio_open(struct task *task, struct virtio_device *device, hel_handle lane)
{
	void *buffer = helix_malloc(BUFFER_SIZE);

	*device = (struct virtio_device){};
	if (buffer == NULL) {
		return -ERR_NO_MEMORY;
	}
	transport_client_init(&device->hw, lane, 1);
	int error = virtio_find_transport(task, device, buffer, BUFFER_SIZE);

	helix_free(buffer);
	if (error == 0) {
		error = virtio_reset(task, device);
	}
	if (error == 0) {
		error = virtio_connect(task, device);
	}
	if (error != 0) {
		virtio_drop(device);
	}
	return error;
}

/* What is out reads as ones, and is waited for in vain. */
void virtio_close(struct task *task, struct virtio_device *device)
{
	if (device->transport != NULL && device->transport->status(device) != STATUS_NONE) {
		(void)!virtio_reset(task, device);
	}
	virtio_drop(device);
	device->transport = NULL;
}

/* ---- starting -------------------------------------------------------------------------------- */

int virtio_negotiate(struct virtio_device *device, uint64_t wanted, uint64_t *out_agreed)
{
	const struct virtio_transport *transport = device->transport;
	uint64_t agreed = transport->offered(device) & (wanted | transport->always);

	if ((agreed & transport->needed) != transport->needed ||
		!transport->agree(device, agreed)) {
		return -ERR_UNSUPPORTED;
	}
	device->has_event_index = (agreed & VIRTIO_FEATURE_EVENT_INDEX) != 0;
	*out_agreed = agreed;
	return 0;
}

int virtio_setup_queue(struct virtio_device *device, struct virtqueue *queue,
	struct dma_memory *dma, uint16_t index, uint16_t size_max)
{
	const struct virtio_transport *transport = device->transport;
	uint16_t size = transport->select_queue(device, index);

	while (!transport->has_fixed_size && (size > size_max || size > VIRTQUEUE_SIZE_MAX)) {
		size /= 2;
	}
	if (!is_power_of_two(size)) {
		return -ERR_NOT_FOUND;
	}
	if (size > VIRTQUEUE_SIZE_MAX) {
		return -ERR_UNSUPPORTED;
	}
	const struct virtqueue_layout layout = {
		.size = size,
		.used_alignment = transport->used_alignment,
		.has_event_index = device->has_event_index,
	};
	int error = dma_allocate_within(
		dma, device->dma_space, virtqueue_memory_size(&layout), transport->address_bits);

	if (error != 0) {
		return error;
	}
	virtqueue_init(queue, dma->data, &layout);
	queue->index = index;
	error = transport->start_queue(device, queue, &layout, dma);
	if (error == -ERR_PROTOCOL) {
		dma_free(dma); /* the device has not been told of it */
	}
	return error;
}

int virtio_hold(struct task *task, struct virtio_device *device, const struct dma_memory *dma)
{
	return dma->space != HEL_NULL ? 0 : hw_client_hold(task, &device->hw, dma->memory);
}

void virtio_start(struct virtio_device *device)
{
	virtio_add_status(device, STATUS_DRIVER_OK);
}

/* ---- running --------------------------------------------------------------------------------- */

uint32_t virtio_config_read(const struct virtio_device *device, uint32_t offset, uint32_t width)
{
	ASSERT(width == 1 || width == 2 || width == 4);
	ASSERT(offset + width <= device->config_size);
	return device->transport->config_read(device, offset, width);
}

void virtio_kick(struct virtio_device *device, struct virtqueue *queue)
{
	if (virtqueue_publish(queue)) {
		device->transport->notify(device, queue);
	}
}

int virtio_await(struct task *task, struct virtio_device *device)
{
	int error = helix_await_event(task, device->irq, &device->irq_sequence, NULL);

	if (error != 0) {
		return error;
	}
	bool is_ours = device->interrupt_kind != HW_INTERRUPT_KIND_LINE ||
		device->transport->take_interrupt(device) != 0;

	return hel_irq_acknowledge(
		device->irq, is_ours ? HEL_IRQ_ACK : HEL_IRQ_NACK, device->irq_sequence);
}

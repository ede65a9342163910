/* SPDX-License-Identifier: MIT */
/*
 * The legacy interface (virtio 1.2, section 4.1.4.10), which transitional devices have beside the
 * modern one, and old ones alone: registers at ports, 32 features, queues at page numbers and of a
 * size that the device decides. All is in the byte order of the guest, which is the modern one's.
 *
 * With MSI-X turned on two more registers move the device's own further back.
 */
#include "internal.h"

#include <base/errors.h>
#include <hel/hel-calls.h>

enum legacy_register {
	LEGACY_OFFERED = 0,
	LEGACY_AGREED = 4,
	LEGACY_QUEUE_PAGE = 8,
	LEGACY_QUEUE_SIZE = 12,
	LEGACY_QUEUE_SELECT = 14,
	LEGACY_QUEUE_NOTIFY = 16,
	LEGACY_STATUS = 18,
	LEGACY_INTERRUPT = 19,
	LEGACY_CONFIG = 20,
	LEGACY_CONFIG_VECTOR = 20,
	LEGACY_QUEUE_VECTOR = 22,
	LEGACY_CONFIG_WITH_VECTORS = 24,
};

#define LEGACY_BAR       0
#define LEGACY_ID_FIRST  0x1000 /* of PCI devices */
#define LEGACY_ID_LAST   0x103f
#define PAGE_BYTES       4096
#define PAGE_NUMBER_BITS 44

/* Ports that are ours answer always. */
static uint32_t legacy_read(const struct virtio_device *device, uint32_t offset, uint32_t width)
{
	uint32_t value;

	return hel_io_read(device->legacy.ports, offset, width, &value) == 0 ? value : 0;
}

static void legacy_write(
	const struct virtio_device *device, uint32_t offset, uint32_t width, uint32_t value)
{
	(void)!hel_io_write(device->legacy.ports, offset, width, value);
}

static uint64_t legacy_offered(const struct virtio_device *device)
{
	return legacy_read(device, LEGACY_OFFERED, 4);
}

static bool legacy_agree(struct virtio_device *device, uint64_t agreed)
{
	legacy_write(device, LEGACY_AGREED, 4, (uint32_t)agreed);
	return true; /* it cannot refuse */
}

static uint8_t legacy_status(const struct virtio_device *device)
{
	return (uint8_t)legacy_read(device, LEGACY_STATUS, 1);
}

static void legacy_set_status(struct virtio_device *device, uint8_t status)
{
	legacy_write(device, LEGACY_STATUS, 1, status);
}

static void legacy_use_interrupt(struct virtio_device *device)
{
	uint32_t config = LEGACY_CONFIG;

	if (device->interrupt_kind == HW_INTERRUPT_KIND_MSIX) {
		legacy_write(device, LEGACY_CONFIG_VECTOR, 2, 0);
		config = LEGACY_CONFIG_WITH_VECTORS;
	}
	device->legacy.config = config;
	device->config_size = device->legacy.size - config;
}

static uint8_t legacy_take_interrupt(struct virtio_device *device)
{
	return (uint8_t)legacy_read(device, LEGACY_INTERRUPT, 1);
}

static uint16_t legacy_select_queue(struct virtio_device *device, uint16_t index)
{
	legacy_write(device, LEGACY_QUEUE_SELECT, 2, index);
	return (uint16_t)legacy_read(device, LEGACY_QUEUE_SIZE, 2);
}

static int legacy_start_queue(struct virtio_device *device, struct virtqueue *queue UNUSED,
	const struct virtqueue_layout *layout UNUSED, const struct dma_memory *dma)
{
	if (device->interrupt_kind == HW_INTERRUPT_KIND_MSIX) {
		legacy_write(device, LEGACY_QUEUE_VECTOR, 2, 0);
		if (legacy_read(device, LEGACY_QUEUE_VECTOR, 2) == VIRTIO_NO_VECTOR) {
			return -ERR_NO_SPACE;
		}
	}
	legacy_write(device, LEGACY_QUEUE_PAGE, 4, (uint32_t)(dma->address / PAGE_BYTES));
	return 0;
}

static void legacy_notify(struct virtio_device *device, const struct virtqueue *queue)
{
	legacy_write(device, LEGACY_QUEUE_NOTIFY, 2, queue->index);
}

static uint32_t legacy_config_read(
	const struct virtio_device *device, uint32_t offset, uint32_t width)
{
	return legacy_read(device, device->legacy.config + offset, width);
}

static const struct virtio_transport legacy_transport = {
	.always = VIRTIO_FEATURE_EVENT_INDEX,
	.offered = legacy_offered,
	.agree = legacy_agree,
	.status = legacy_status,
	.set_status = legacy_set_status,
	.use_interrupt = legacy_use_interrupt,
	.take_interrupt = legacy_take_interrupt,
	.select_queue = legacy_select_queue,
	.start_queue = legacy_start_queue,
	.notify = legacy_notify,
	.config_read = legacy_config_read,
	.used_alignment = VIRTQUEUE_ALIGNMENT_LEGACY,
	.address_bits = PAGE_NUMBER_BITS,
	.has_fixed_size = true,
};

int virtio_open_legacy(
	struct task *task, struct virtio_device *device, const struct hw_info_reply *info)
{
	const struct hw_bar *bar = &info->bars.items[LEGACY_BAR];
	struct hw_bar_reply reply;

	if (info->id >> 16 < LEGACY_ID_FIRST || info->id >> 16 > LEGACY_ID_LAST ||
		bar->kind != HW_BAR_KIND_IO || bar->size_bytes < LEGACY_CONFIG_WITH_VECTORS) {
		return -ERR_UNSUPPORTED;
	}
	int error = hw_client_bar(task, &device->hw, LEGACY_BAR, &reply, &device->legacy.ports);

	if (error == 0) {
		device->legacy.size = (uint32_t)bar->size_bytes;
		device->transport = &legacy_transport;
	}
	return error;
}

/* SPDX-License-Identifier: MIT */
/*
 * The modern interface (virtio 1.2, section 4.1.4): capabilities of the function say where in its
 * BARs structures of registers are.
 */
#include "internal.h"

#include <base/errors.h>
#include <mmio/mmio.h>

#define CAPABILITY_VENDOR   9
#define CAPABILITY_SIZE_MIN 16

/* Structures that vendor capabilities point to. */
enum virtio_pci_structure {
	STRUCTURE_COMMON = 1,
	STRUCTURE_NOTIFY = 2,
	STRUCTURE_INTERRUPT = 3,
	STRUCTURE_DEVICE = 4,
};

/* The common structure. */
enum virtio_common {
	COMMON_DEVICE_FEATURE_SELECT = 0,
	COMMON_DEVICE_FEATURE = 4,
	COMMON_DRIVER_FEATURE_SELECT = 8,
	COMMON_DRIVER_FEATURE = 12,
	COMMON_CONFIG_VECTOR = 16,
	COMMON_STATUS = 20,
	COMMON_QUEUE_SELECT = 22,
	COMMON_QUEUE_SIZE = 24,
	COMMON_QUEUE_VECTOR = 26,
	COMMON_QUEUE_ENABLE = 28,
	COMMON_QUEUE_NOTIFY_OFFSET = 30,
	COMMON_QUEUE_DESCRIPTORS = 32,
	COMMON_QUEUE_AVAILABLE = 40,
	COMMON_QUEUE_USED = 48,
	COMMON_SIZE = 56,
};

#define STATUS_FEATURES_OK 8

/* ---- structures ------------------------------------------------------------------------------ */

/* Where a capability says that a structure is. */
struct structure {
	uint32_t type;
	uint32_t bar;
	uint32_t offset;
	uint32_t size;
};

static int structure_read(struct task *task, struct virtio_device *device, uint32_t capability,
	struct structure *out_structure)
{
	int error =
		hw_client_config_read(task, &device->hw, capability + 3, 1, &out_structure->type);

	if (error == 0) {
		error = hw_client_config_read(
			task, &device->hw, capability + 4, 1, &out_structure->bar);
	}
	if (error == 0) {
		error = hw_client_config_read(
			task, &device->hw, capability + 8, 4, &out_structure->offset);
	}
	if (error == 0) {
		error = hw_client_config_read(
			task, &device->hw, capability + 12, 4, &out_structure->size);
	}
	return error;
}

static struct mmio *structure_place(struct virtio_device *device, uint32_t type)
{
	switch (type) {
	case STRUCTURE_COMMON: return &device->modern.common;
	case STRUCTURE_NOTIFY: return &device->modern.notify;
	case STRUCTURE_INTERRUPT: return &device->modern.interrupt;
	case STRUCTURE_DEVICE: return &device->modern.config;
	default: return NULL;
	}
}

/* Map the structure of one capability, if it is one that we use and have not got yet. */
static int structure_open(struct task *task, struct virtio_device *device,
	const struct hw_info_reply *info, uint32_t capability)
{
	struct structure structure;
	int error = structure_read(task, device, capability, &structure);

	if (error != 0) {
		return error;
	}
	struct mmio *place = structure_place(device, structure.type);

	if (place == NULL || place->size != 0 || structure.bar >= VIRTIO_PCI_BARS) {
		return 0;
	}
	const struct hw_bar *bar = &info->bars.items[structure.bar];

	if (bar->kind != HW_BAR_KIND_MEMORY || structure.offset > bar->size_bytes ||
		structure.size > bar->size_bytes - structure.offset ||
		(structure.type != STRUCTURE_INTERRUPT && !is_aligned(structure.offset, 4))) {
		return 0;
	}
	struct mmio *mapped = &device->modern.bars[structure.bar];

	if (mapped->size == 0) {
		volatile void *registers;

		error = hw_client_map_bar(
			task, &device->hw, structure.bar, bar->size_bytes, &registers);
		if (error != 0) {
			return error;
		}
		*mapped = (struct mmio){ .base = registers, .size = bar->size_bytes };
	}
	*place = (struct mmio){
		.base = mapped->base + structure.offset,
		.size = structure.size,
	};
	if (structure.type == STRUCTURE_NOTIFY) {
		error = hw_client_config_read(
			task, &device->hw, capability + 16, 4, &device->modern.notify_multiplier);
	}
	return error;
}

/* ---- registers ------------------------------------------------------------------------------- */

static uint64_t modern_offered(const struct virtio_device *device)
{
	struct mmio common = device->modern.common;
	uint64_t offered;

	mmio_write32(common, COMMON_DEVICE_FEATURE_SELECT, 0);
	offered = mmio_read32(common, COMMON_DEVICE_FEATURE);
	mmio_write32(common, COMMON_DEVICE_FEATURE_SELECT, 1);
	return offered | (uint64_t)mmio_read32(common, COMMON_DEVICE_FEATURE) << 32;
}

static uint8_t modern_status(const struct virtio_device *device)
{
	return mmio_read8(device->modern.common, COMMON_STATUS);
}

static void modern_set_status(struct virtio_device *device, uint8_t status)
{
	mmio_write8(device->modern.common, COMMON_STATUS, status);
}

static bool modern_agree(struct virtio_device *device, uint64_t agreed)
{
	struct mmio common = device->modern.common;

	mmio_write32(common, COMMON_DRIVER_FEATURE_SELECT, 0);
	mmio_write32(common, COMMON_DRIVER_FEATURE, (uint32_t)agreed);
	mmio_write32(common, COMMON_DRIVER_FEATURE_SELECT, 1);
	mmio_write32(common, COMMON_DRIVER_FEATURE, (uint32_t)(agreed >> 32));
	modern_set_status(device, modern_status(device) | STATUS_FEATURES_OK);
	return (modern_status(device) & STATUS_FEATURES_OK) != 0;
}

static void modern_use_interrupt(struct virtio_device *device)
{
	if (device->interrupt_kind == HW_INTERRUPT_KIND_MSIX) {
		mmio_write16(device->modern.common, COMMON_CONFIG_VECTOR, 0);
	}
}

static uint8_t modern_take_interrupt(struct virtio_device *device)
{
	return mmio_read8(device->modern.interrupt, 0);
}

static uint16_t modern_select_queue(struct virtio_device *device, uint16_t index)
{
	mmio_write16(device->modern.common, COMMON_QUEUE_SELECT, index);
	return mmio_read16(device->modern.common, COMMON_QUEUE_SIZE);
}

static int modern_start_queue(struct virtio_device *device, struct virtqueue *queue,
	const struct virtqueue_layout *layout, const struct dma_memory *dma)
{
	struct mmio common = device->modern.common;
	bool has_vectors = device->interrupt_kind == HW_INTERRUPT_KIND_MSIX;

	queue->notify_offset = (size_t)mmio_read16(common, COMMON_QUEUE_NOTIFY_OFFSET) *
		device->modern.notify_multiplier;
	if (queue->notify_offset > device->modern.notify.size - 2) {
		return -ERR_PROTOCOL;
	}
	mmio_write16(common, COMMON_QUEUE_SIZE, layout->size);
	if (has_vectors) {
		mmio_write16(common, COMMON_QUEUE_VECTOR, 0);
	}
	mmio_write64(common, COMMON_QUEUE_DESCRIPTORS, dma->address);
	mmio_write64(
		common, COMMON_QUEUE_AVAILABLE, dma->address + virtqueue_available_offset(layout));
	mmio_write64(common, COMMON_QUEUE_USED, dma->address + virtqueue_used_offset(layout));
	mmio_write16(common, COMMON_QUEUE_ENABLE, 1);
	return has_vectors && mmio_read16(common, COMMON_QUEUE_VECTOR) == VIRTIO_NO_VECTOR
		? -ERR_NO_SPACE
		: 0;
}

static void modern_notify(struct virtio_device *device, const struct virtqueue *queue)
{
	mmio_write16(device->modern.notify, queue->notify_offset, queue->index);
}

static uint32_t modern_config_read(
	const struct virtio_device *device, uint32_t offset, uint32_t width)
{
	struct mmio config = device->modern.config;

	return width == 1    ? mmio_read8(config, offset)
		: width == 2 ? mmio_read16(config, offset)
			     : mmio_read32(config, offset);
}

static const struct virtio_transport modern_transport = {
	.always = VIRTIO_FEATURE_EVENT_INDEX | VIRTIO_FEATURE_VERSION_1 |
		VIRTIO_FEATURE_ACCESS_PLATFORM,
	.needed = VIRTIO_FEATURE_VERSION_1,
	.offered = modern_offered,
	.agree = modern_agree,
	.status = modern_status,
	.set_status = modern_set_status,
	.use_interrupt = modern_use_interrupt,
	.take_interrupt = modern_take_interrupt,
	.select_queue = modern_select_queue,
	.start_queue = modern_start_queue,
	.notify = modern_notify,
	.config_read = modern_config_read,
	.used_alignment = VIRTQUEUE_ALIGNMENT,
};

int virtio_open_modern(
	struct task *task, struct virtio_device *device, const struct hw_info_reply *info)
{
	int error = 0;

	for (uint32_t i = 0; error == 0 && i < info->capabilities.count; i++) {
		const struct hw_capability *capability = &info->capabilities.items[i];

		if (capability->id == CAPABILITY_VENDOR &&
			capability->size_bytes >= CAPABILITY_SIZE_MIN) {
			error = structure_open(task, device, info, capability->offset);
		}
	}
	if (error != 0) {
		return error;
	}
	if (device->modern.common.size < COMMON_SIZE || device->modern.notify.size < 2 ||
		device->modern.interrupt.size < 1) {
		return -ERR_UNSUPPORTED;
	}
	device->config_size = device->modern.config.size;
	device->transport = &modern_transport;
	return 0;
}

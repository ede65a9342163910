/* SPDX-License-Identifier: MIT */
/* Virtio over PCI: see virtio-pci.h. */
#include <virtio/virtio-pci.h>

#include <base/errors.h>
#include <helix/await.h>
#include <protocols/hw/hw-client.h>

#define BUFFER_SIZE         2048 /* of a call to hw */
#define CAPABILITY_VENDOR   9
#define CAPABILITY_SIZE_MIN 16
#define RESET_NS            UINT64_C(1000000000)
#define RESET_STEP_NS       UINT64_C(1000000)

/* Structures that vendor capabilities point to. */
enum virtio_pci_structure {
	STRUCTURE_COMMON = 1,
	STRUCTURE_NOTIFY = 2,
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

enum virtio_status {
	STATUS_ACKNOWLEDGE = 1,
	STATUS_DRIVER = 2,
	STATUS_DRIVER_OK = 4,
	STATUS_FEATURES_OK = 8,
};

#define NO_VECTOR 0xffff

/* ---- registers ------------------------------------------------------------------------------- */

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
	case STRUCTURE_COMMON: return &device->common;
	case STRUCTURE_NOTIFY: return &device->notify;
	case STRUCTURE_DEVICE: return &device->config;
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
		!is_aligned(structure.offset, 4)) {
		return 0;
	}
	struct mmio *mapped = &device->bars[structure.bar];

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
			task, &device->hw, capability + 16, 4, &device->notify_multiplier);
	}
	return error;
}

static int virtio_find_structures(
	struct task *task, struct virtio_device *device, void *buffer, size_t size)
{
	struct bragi_exchange exchange;
	struct hw_info_reply info;
	int error;

	bragi_exchange_init(&exchange, buffer, size);
	error = hw_client_info(task, &device->hw, &exchange, &info);
	for (uint32_t i = 0; error == 0 && i < info.capabilities.count; i++) {
		const struct hw_capability *capability = &info.capabilities.items[i];

		if (capability->id == CAPABILITY_VENDOR &&
			capability->size_bytes >= CAPABILITY_SIZE_MIN) {
			error = structure_open(task, device, &info, capability->offset);
		}
	}
	if (error == 0 &&
		(device->common.size < COMMON_SIZE || device->notify.size < 2 ||
			info.n_msi_vectors == 0)) {
		error = -ERR_UNSUPPORTED;
	}
	return error;
}

static void virtio_add_status(struct virtio_device *device, uint8_t bits)
{
	uint8_t status = mmio_read8(device->common, COMMON_STATUS);

	mmio_write8(device->common, COMMON_STATUS, status | bits);
}

static int virtio_reset(struct task *task, struct virtio_device *device)
{
	uint64_t deadline_ns = task_now_ns(task) + RESET_NS;

	mmio_write8(device->common, COMMON_STATUS, 0);
	while (mmio_read8(device->common, COMMON_STATUS) != 0) {
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

static void virtio_close(struct virtio_device *device)
{
	for (size_t i = 0; i < VIRTIO_PCI_BARS; i++) {
		if (device->bars[i].size != 0) {
			hw_client_unmap_bar(device->bars[i].base, device->bars[i].size);
		}
	}
	if (device->irq != HEL_NULL) {
		hel_close(HEL_THIS, device->irq);
	}
	if (device->dma_space != HEL_NULL) {
		hel_close(HEL_THIS, device->dma_space);
	}
}

static uint64_t virtio_offered(const struct virtio_device *device)
{
	struct mmio common = device->common;
	uint64_t offered;

	mmio_write32(common, COMMON_DEVICE_FEATURE_SELECT, 0);
	offered = mmio_read32(common, COMMON_DEVICE_FEATURE);
	mmio_write32(common, COMMON_DEVICE_FEATURE_SELECT, 1);
	return offered | (uint64_t)mmio_read32(common, COMMON_DEVICE_FEATURE) << 32;
}

int virtio_open(struct task *task, struct virtio_device *device, hel_handle lane)
{
	void *buffer = helix_malloc(BUFFER_SIZE);

	*device = (struct virtio_device){};
	if (buffer == NULL) {
		return -ERR_NO_MEMORY;
	}
	transport_client_init(&device->hw, lane, 1);
	int error = virtio_find_structures(task, device, buffer, BUFFER_SIZE);

	helix_free(buffer);
	if (error == 0) {
		error = virtio_reset(task, device);
	}
	if (error == 0 && (virtio_offered(device) & VIRTIO_FEATURE_ACCESS_PLATFORM) != 0) {
		error = hw_client_dma_space(task, &device->hw, &device->dma_space);
	}
	if (error == 0) {
		error = hw_client_bus_master(task, &device->hw, true);
	}
	if (error == 0) {
		error = hw_client_interrupt(task, &device->hw, 0, &device->irq);
	}
	if (error != 0) {
		virtio_close(device);
		return error;
	}
	mmio_write16(device->common, COMMON_CONFIG_VECTOR, 0);
	return 0;
}

/* ---- starting -------------------------------------------------------------------------------- */

int virtio_negotiate(struct virtio_device *device, uint64_t wanted, uint64_t *out_agreed)
{
	struct mmio common = device->common;
	uint64_t always = VIRTIO_FEATURE_VERSION_1 | VIRTIO_FEATURE_ACCESS_PLATFORM;
	uint64_t agreed = virtio_offered(device) & (wanted | always);

	mmio_write32(common, COMMON_DRIVER_FEATURE_SELECT, 0);
	mmio_write32(common, COMMON_DRIVER_FEATURE, (uint32_t)agreed);
	mmio_write32(common, COMMON_DRIVER_FEATURE_SELECT, 1);
	mmio_write32(common, COMMON_DRIVER_FEATURE, (uint32_t)(agreed >> 32));
	virtio_add_status(device, STATUS_FEATURES_OK);
	if ((agreed & VIRTIO_FEATURE_VERSION_1) == 0 ||
		(mmio_read8(common, COMMON_STATUS) & STATUS_FEATURES_OK) == 0) {
		return -ERR_UNSUPPORTED;
	}
	*out_agreed = agreed;
	return 0;
}

int virtio_setup_queue(struct virtio_device *device, struct virtqueue *queue,
	struct dma_memory *dma, uint16_t index, uint16_t size_max)
{
	struct mmio common = device->common;

	mmio_write16(common, COMMON_QUEUE_SELECT, index);
	uint16_t size = mmio_read16(common, COMMON_QUEUE_SIZE);

	while (size > size_max || size > VIRTQUEUE_SIZE_MAX) {
		size /= 2;
	}
	if (!is_power_of_two(size)) {
		return -ERR_NOT_FOUND;
	}
	int error = dma_allocate(dma, device->dma_space, virtqueue_memory_size(size));

	if (error != 0) {
		return error;
	}
	virtqueue_init(queue, dma->data, size);
	queue->index = index;
	queue->notify_offset =
		(size_t)mmio_read16(common, COMMON_QUEUE_NOTIFY_OFFSET) * device->notify_multiplier;
	if (queue->notify_offset > device->notify.size - 2) {
		dma_free(dma);
		return -ERR_PROTOCOL;
	}
	mmio_write16(common, COMMON_QUEUE_SIZE, size);
	mmio_write16(common, COMMON_QUEUE_VECTOR, 0);
	mmio_write64(common, COMMON_QUEUE_DESCRIPTORS, dma->address);
	mmio_write64(
		common, COMMON_QUEUE_AVAILABLE, dma->address + virtqueue_available_offset(size));
	mmio_write64(common, COMMON_QUEUE_USED, dma->address + virtqueue_used_offset(size));
	mmio_write16(common, COMMON_QUEUE_ENABLE, 1);
	return mmio_read16(common, COMMON_QUEUE_VECTOR) == NO_VECTOR ? -ERR_NO_SPACE : 0;
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

void virtio_kick(struct virtio_device *device, struct virtqueue *queue)
{
	if (virtqueue_publish(queue)) {
		mmio_write16(device->notify, queue->notify_offset, queue->index);
	}
}

int virtio_await(struct task *task, struct virtio_device *device)
{
	int error = helix_await_event(task, device->irq, &device->irq_sequence, NULL);

	if (error == 0) {
		error = hel_irq_acknowledge(device->irq, HEL_IRQ_ACK, device->irq_sequence);
	}
	return error;
}

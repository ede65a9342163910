/* SPDX-License-Identifier: MIT */
/* virtio-blk: drives the disks that svrctl hands over. See virtio-blk.h. */
#include "virtio-blk.h"

#include <base/errors.h>
#include <base/format.h>
#include <protocols/hw/hw-client.h>
#include <protocols/svrctl/provide.h>

enum blk_feature : uint64_t {
	BLK_FEATURE_SEG_MAX = 1u << 2,
	BLK_FEATURE_READ_ONLY = 1u << 5,
	BLK_FEATURE_BLOCK_SIZE = 1u << 6,
	BLK_FEATURE_FLUSH = 1u << 9,
	BLK_FEATURE_TOPOLOGY = 1u << 10,
	BLK_FEATURE_QUEUES = 1u << 12,
	BLK_FEATURE_DISCARD = 1u << 13,
	BLK_FEATURE_WRITE_ZEROES = 1u << 14,
};

/* The device's registers. */
enum blk_config {
	CONFIG_CAPACITY = 0, /* sectors */
	CONFIG_SEG_MAX = 12,
	CONFIG_BLOCK_SIZE = 20,
	CONFIG_PHYSICAL_EXPONENT = 24,
	CONFIG_OPTIMAL_BLOCKS = 28,
	CONFIG_QUEUES = 34,
	CONFIG_DISCARD_SECTORS_MAX = 36,
	CONFIG_DISCARD_ALIGNMENT = 44, /* sectors */
	CONFIG_ZEROES_SECTORS_MAX = 48,
	CONFIG_SIZE_MIN = 24,
	CONFIG_SIZE = 60,
};

#define SECTOR_BYTES    512
#define SEG_MAX_DEFAULT 126

static struct helix_loop loop;

static bool has(const struct blk *blk, uint64_t feature)
{
	return (blk->features & feature) != 0;
}

static uint32_t config_read(const struct blk *blk, enum blk_config offset, uint32_t width)
{
	return virtio_config_read(&blk->virtio, offset, width);
}

/* ---- what the device is ---------------------------------------------------------------------- */

static void read_limits(struct blk *blk)
{
	struct block_device *device = &blk->device;
	uint32_t n_extents = has(blk, BLK_FEATURE_SEG_MAX) ? config_read(blk, CONFIG_SEG_MAX, 4)
							   : SEG_MAX_DEFAULT;

	device->extents_max = (uint32_t)min_u64(n_extents, BLK_EXTENTS_MAX);
	/* pages that lie anywhere, the first and the last of them in part */
	device->transfer_bytes_max =
		(uint32_t)min_u64(BLOCK_TRANSFER_MAX, (device->extents_max - 1) * HEL_PAGE_SIZE);
	device->extent_bytes_max = MIB(1);
	device->memory_alignment = 1;
	device->depth = BLK_FRAMES;
	if (has(blk, BLK_FEATURE_DISCARD)) {
		device->features |= BLOCK_FEATURE_DISCARD;
		device->discard_bytes_max =
			(uint64_t)config_read(blk, CONFIG_DISCARD_SECTORS_MAX, 4) * SECTOR_BYTES;
		device->discard_alignment =
			config_read(blk, CONFIG_DISCARD_ALIGNMENT, 4) * SECTOR_BYTES;
	}
	if (has(blk, BLK_FEATURE_WRITE_ZEROES)) {
		device->features |= BLOCK_FEATURE_WRITE_ZEROES;
		device->zeroes_bytes_max =
			(uint64_t)config_read(blk, CONFIG_ZEROES_SECTORS_MAX, 4) * SECTOR_BYTES;
	}
}

/* Registers of a device are 32 bits wide at most; this one does not change half-way. */
static uint64_t read_capacity(const struct blk *blk)
{
	return config_read(blk, CONFIG_CAPACITY, 4) |
		(uint64_t)config_read(blk, CONFIG_CAPACITY + 4, 4) << 32;
}

static int read_config(struct blk *blk)
{
	struct block_device *device = &blk->device;
	uint32_t block = has(blk, BLK_FEATURE_BLOCK_SIZE) ? config_read(blk, CONFIG_BLOCK_SIZE, 4)
							  : SECTOR_BYTES;

	device->size_bytes = read_capacity(blk) * SECTOR_BYTES;
	if (!is_power_of_two(block) || block < SECTOR_BYTES || block > HEL_PAGE_SIZE) {
		return -ERR_UNSUPPORTED;
	}
	device->size_bytes &= ~(uint64_t)(block - 1);
	device->logical_block_bytes = block;
	device->physical_block_bytes = block;
	if (has(blk, BLK_FEATURE_TOPOLOGY)) {
		device->physical_block_bytes = block
			<< (config_read(blk, CONFIG_PHYSICAL_EXPONENT, 1) & 7);
		device->optimal_bytes = config_read(blk, CONFIG_OPTIMAL_BLOCKS, 4) * block;
	}
	read_limits(blk);
	device->features |= has(blk, BLK_FEATURE_READ_ONLY) ? BLOCK_FEATURE_READ_ONLY : 0;
	device->features |= has(blk, BLK_FEATURE_FLUSH) ? BLOCK_FEATURE_WRITE_CACHE : 0;
	blk->n_queues = has(blk, BLK_FEATURE_QUEUES)
		? (uint32_t)min_u64(config_read(blk, CONFIG_QUEUES, 2), BLK_QUEUES_MAX)
		: 1;
	device->n_queues = blk->n_queues;
	return device->extents_max < 2 || blk->n_queues == 0 ? -ERR_UNSUPPORTED : 0;
}

static int blk_negotiate(struct blk *blk)
{
	constexpr uint64_t wanted = BLK_FEATURE_SEG_MAX | BLK_FEATURE_READ_ONLY |
		BLK_FEATURE_BLOCK_SIZE | BLK_FEATURE_FLUSH | BLK_FEATURE_TOPOLOGY |
		BLK_FEATURE_QUEUES | BLK_FEATURE_DISCARD | BLK_FEATURE_WRITE_ZEROES;
	constexpr uint64_t with_registers = BLK_FEATURE_TOPOLOGY | BLK_FEATURE_QUEUES |
		BLK_FEATURE_DISCARD | BLK_FEATURE_WRITE_ZEROES;
	size_t size = blk->virtio.config_size;

	if (size < CONFIG_SIZE_MIN) {
		return -ERR_UNSUPPORTED;
	}
	int error = virtio_negotiate(&blk->virtio,
		VIRTIO_FEATURE_INDIRECT | (size < CONFIG_SIZE ? wanted & ~with_registers : wanted),
		&blk->features);

	return error == 0 && !has(blk, VIRTIO_FEATURE_INDIRECT) ? -ERR_UNSUPPORTED : error;
}

/*
 * What the device reaches memory by: it may not be seen by an IOMMU. Then hw is given a descriptor,
 * too, so that what is mapped lasts until the device is quiet, if this driver dies.
 */
static int open_dma(struct task *task, struct blk *blk)
{
	int error = 0;

	blk->device.has_dma = true;
	blk->device.is_past_iommu = blk->virtio.dma_space == HEL_NULL;
	blk->device.dma_space = blk->virtio.dma_space;
	if (blk->device.is_past_iommu) {
		error = hel_dma_space_create(&blk->device.dma_space);
		if (error == 0) {
			error = hw_client_hold(task, &blk->virtio.hw, blk->device.dma_space);
		}
	}
	return error;
}

/* ---- running --------------------------------------------------------------------------------- */

/* Whatever the driver waits for. */
static void blk_removed(struct hw_removal *removal, bool is_gone UNUSED)
{
	struct blk *blk = container_of(removal, struct blk, removal);

	blk->is_removed = true;
	job_cancel(&blk->job, -ERR_END_OF_LANE);
}

static int blk_init(struct task *task, struct blk *blk, hel_handle lane)
{
	int error = virtio_open(task, &blk->virtio, lane);

	if (error == 0) {
		hw_removal_watch(&blk->removal, &blk->loop->loop, &blk->virtio.hw, blk_removed);
		error = blk_negotiate(blk);
	}
	if (error == 0) {
		error = read_config(blk);
	}
	if (error == 0) {
		error = blk_init_queues(task, blk);
	}
	if (error == 0) {
		error = open_dma(task, blk);
	}
	return error;
}

int blk_run(struct task *task, struct blk *blk, hel_handle lane)
{
	char address[HW_CLIENT_ADDRESS_SIZE];

	blk->device = (struct block_device){
		.driver = &blk_driver,
		.loop = &blk->loop->loop,
		.name = blk->name,
		.model = "virtio disk",
		.serial = blk->serial,
	};
	int error = blk_init(task, blk, lane);

	if (error == 0) {
		error = hw_client_address(task, &blk->virtio.hw, address);
	}
	if (error != 0) {
		return error;
	}
	format_to(blk->name, sizeof(blk->name), "virtio-%s", address);
	virtio_start(&blk->virtio);
	error = blk_read_serial(task, blk);
	if (error == 0) {
		block_device_init(&blk->device);
		error = block_publish(task, &blk->device, helix_start_handle("mbus"));
		blk->is_published = error == 0;
	}
	while (error == 0) {
		error = blk_poll(blk);
		if (error == 0) {
			error = virtio_await(task, &blk->virtio);
		}
	}
	return error;
}

/* A device that is being driven. */
struct drive {
	struct blk *blk;
	hel_handle lane;
};

/* The device is out, or will be. It forgets all memory before requests end and let go of it. */
static void blk_leave(struct task *task, struct blk *blk, hel_handle lane)
{
	bool owns_space = blk->device.has_dma && blk->device.is_past_iommu;
	struct scope shield;

	scope_begin_shield(task, &shield);
	helix_log(HEL_LOG_INFO, "%s is taken out", blk->name);
	virtio_close(task, &blk->virtio);
	if (blk->is_published) {
		blk->device.is_gone = true; /* nothing is given to the device any more */
		blk_abandon(blk);
		block_gone(&blk->device);
	}
	hel_close(HEL_THIS, lane);
	if (blk->is_published) {
		block_end(task, &blk->device);
	}
	blk_free_queues(blk);
	if (owns_space) {
		hel_close(HEL_THIS, blk->device.dma_space);
	}
	(void)!scope_join(&shield);
	task->job = NULL;
	helix_free(blk);
}

static int drive_blk(struct task *task, void *argument)
{
	struct drive drive = *(struct drive *)argument;

	helix_free(argument);
	int error = blk_run(task, drive.blk, drive.lane);

	if (drive.blk->is_removed) {
		blk_leave(task, drive.blk, drive.lane);
		return 0;
	}
	helix_log(HEL_LOG_ERROR, "%s is given up: %s", drive.blk->name, error_text(error));
	if (drive.blk->is_published) {
		/* Its clients wait for answers: the next driver begins with a reset. */
		helix_exit();
	}
	/* The device may still know our memory: it stays. */
	return 0;
}

static void device_connected(const char *name UNUSED, hel_handle lane)
{
	struct blk *blk = helix_calloc(1, sizeof(*blk));
	struct drive *drive = helix_malloc(sizeof(*drive));

	if (blk == NULL || drive == NULL) {
		helix_free(blk);
		helix_free(drive);
		hel_close(HEL_THIS, lane);
		return;
	}
	blk->loop = &loop;
	*drive = (struct drive){ .blk = blk, .lane = lane };
	job_init(&blk->job, "device", drive_blk, drive);
	job_submit(&loop.loop, &blk->job);
}

int main(int n_arguments UNUSED, char **arguments UNUSED)
{
	return provide_run(&loop, NULL, device_connected);
}

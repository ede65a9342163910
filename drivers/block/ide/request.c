/* SPDX-License-Identifier: MIT */
/* The class' requests as commands: see ide.h. */
#include "ide.h"

#include <base/errors.h>

#define SHORT_BLOCKS_MAX 256 /* of commands that are not long */
#define SHORT_LBA_END    (UINT64_C(1) << 28)

/* ---- what a drive is ------------------------------------------------------------------------- */

static void describe_disk(struct ide_drive *drive)
{
	const struct ata_identity *identity = &drive->identity;
	struct block_device *device = &drive->device;
	uint32_t block = identity->logical_block_bytes;

	device->logical_block_bytes = block;
	device->physical_block_bytes = identity->physical_block_bytes;
	device->size_bytes = identity->n_blocks * block;
	device->transfer_bytes_max = identity->has_long
		? (uint32_t)BLOCK_TRANSFER_MAX
		: (uint32_t)min_u64(BLOCK_TRANSFER_MAX, SHORT_BLOCKS_MAX * (uint64_t)block);
	device->features = (identity->has_cache ? BLOCK_FEATURE_WRITE_CACHE : 0) |
		(identity->is_rotational ? BLOCK_FEATURE_ROTATIONAL : 0);
	if (drive->has_dma && identity->has_long) {
		device->features |= (identity->has_fua ? BLOCK_FEATURE_FUA : 0) |
			(identity->has_trim ? BLOCK_FEATURE_DISCARD : 0);
	}
	device->discard_bytes_max = ATA_TRIM_BLOCKS_MAX * block;
	device->discard_alignment = block;
}

static void describe_disc(struct ide_drive *drive)
{
	struct block_device *device = &drive->device;

	device->logical_block_bytes = IDE_DISC_BLOCK_BYTES;
	device->physical_block_bytes = IDE_DISC_BLOCK_BYTES;
	device->transfer_bytes_max = IDE_BUFFER_BYTES;
	device->features = BLOCK_FEATURE_READ_ONLY | BLOCK_FEATURE_REMOVABLE;
}

int ide_describe(struct ide_drive *drive)
{
	struct ide_channel *channel = drive->channel;
	const struct ata_identity *identity = &drive->identity;

	if (drive->is_disc ? !identity->is_packet_disc : !ata_identity_is_usable(identity)) {
		return -ERR_UNSUPPORTED;
	}
	drive->has_dma = channel->bus != HEL_NULL && identity->has_dma;
	drive->device = (struct block_device){
		.driver = &ide_driver,
		.loop = &channel->ide->loop->loop,
		.name = drive->name,
		.model = identity->model,
		.serial = identity->serial,
		.extents_max = IDE_EXTENTS_MAX,
		.extent_bytes_max = IDE_REGION_BYTES,
		.extent_boundary = IDE_REGION_BYTES,
		.memory_alignment = 2,
		.n_queues = 1,
		.depth = 1,
		.has_dma = drive->has_dma,
		.dma_space = channel->ide->dma_space,
		.dma_limit = UINT64_C(1) << IDE_ADDRESS_BITS,
	};
	if (drive->is_disc) {
		describe_disc(drive);
	} else {
		describe_disk(drive);
	}
	block_device_init(&drive->device);
	return 0;
}

/* ---- commands of disks ----------------------------------------------------------------------- */

static enum ata_opcode transfer_opcode(bool is_write, bool is_dma, bool is_long, bool is_fua)
{
	if (is_fua) {
		return ATA_WRITE_DMA_FUA_EXT;
	}
	if (is_dma) {
		return is_write ? (is_long ? ATA_WRITE_DMA_EXT : ATA_WRITE_DMA)
				: (is_long ? ATA_READ_DMA_EXT : ATA_READ_DMA);
	}
	return is_write ? (is_long ? ATA_WRITE_SECTORS_EXT : ATA_WRITE_SECTORS)
			: (is_long ? ATA_READ_SECTORS_EXT : ATA_READ_SECTORS);
}

/* Short commands where they will do: five registers less. */
static int transfer_disk(struct task *task, struct ide_drive *drive,
	const struct block_request *request, uint64_t first, uint32_t n_blocks,
	const struct block_extent *extents, uint32_t n_extents)
{
	uint32_t block = drive->device.logical_block_bytes;
	bool is_write = request->operation == BLOCK_WRITE, is_dma = extents != NULL;
	bool is_fua = is_write && request->is_fua;
	bool is_long = is_fua || n_blocks > SHORT_BLOCKS_MAX || first + n_blocks > SHORT_LBA_END;
	const struct ide_command command = {
		.opcode = transfer_opcode(is_write, is_dma, is_long, is_fua),
		.protocol = is_dma ? (is_write ? IDE_DMA_OUT : IDE_DMA_IN)
				   : (is_write ? IDE_PIO_OUT : IDE_PIO_IN),
		.is_long = is_long,
		.device = ATA_DEVICE_LBA,
		.count = n_blocks, /* the registers' size makes 0 of the most there can be */
		.lba = first,
		.extents = extents,
		.n_extents = n_extents,
		.n_bytes = n_blocks * block,
		.block_bytes = block,
		.timeout_ns = IDE_TIMEOUT_NS,
	};

	return ide_do(task, drive->channel, drive->unit, &command);
}

static int flush(struct task *task, struct ide_drive *drive)
{
	const struct ata_identity *identity = &drive->identity;
	const struct ide_command command = {
		.opcode = identity->has_flush_long ? ATA_FLUSH_EXT : ATA_FLUSH,
		.protocol = IDE_NO_DATA,
		.is_long = identity->has_flush_long,
		.device = ATA_DEVICE_LBA,
		.timeout_ns = IDE_TIMEOUT_NS,
	};
	bool can_flush = identity->has_flush || identity->has_flush_long || identity->has_cache;

	return drive->is_disc || !can_flush ? 0
					    : ide_do(task, drive->channel, drive->unit, &command);
}

static int trim(struct task *task, struct ide_drive *drive, const struct block_request *request)
{
	struct ide_channel *channel = drive->channel;
	uint32_t block = drive->device.logical_block_bytes;
	struct block_extent extents[2];
	const struct ide_command command = {
		.opcode = ATA_DATA_SET_MANAGEMENT,
		.protocol = IDE_DMA_OUT,
		.is_long = true,
		.features = ATA_TRIM,
		.device = ATA_DEVICE_LBA,
		.count = 1,
		.extents = extents,
		.n_extents = ide_buffer_extents(channel, ATA_SECTOR_BYTES, extents),
		.timeout_ns = IDE_TIMEOUT_NS,
	};

	ata_trim_list(channel->buffer.data, request->position / block, request->length / block);
	return ide_do(task, channel, drive->unit, &command);
}

/* ---- transfers ------------------------------------------------------------------------------- */

uint32_t ide_buffer_extents(
	const struct ide_channel *channel, uint32_t n_bytes, struct block_extent out_extents[2])
{
	uint64_t start = channel->buffer.address;
	uint64_t boundary = align_up(start + 1, IDE_REGION_BYTES);
	uint32_t first = (uint32_t)min_u64(n_bytes, boundary - start);

	out_extents[0] = (struct block_extent){ .address = start, .length = first };
	out_extents[1] = (struct block_extent){ .address = boundary, .length = n_bytes - first };
	return first == n_bytes ? 1 : 2;
}

static int transfer(struct task *task, struct ide_drive *drive, const struct block_request *request,
	uint64_t first, uint32_t n_blocks, const struct block_extent *extents, uint32_t n_extents)
{
	return drive->is_disc
		? ide_disc_read(task, drive, (uint32_t)first, n_blocks, extents, n_extents)
		: transfer_disk(task, drive, request, first, n_blocks, extents, n_extents);
}

/* Between the buffer and a part of the request's memory, which may be in many pieces. */
static int copy(struct ide_channel *channel, const struct block_request *request, uint64_t from,
	uint32_t n_bytes)
{
	uint8_t *at = channel->buffer.data;
	int error = 0;

	for (uint32_t i = 0; i < request->n_pieces && n_bytes > 0 && error == 0; i++) {
		const struct block_piece *piece = &request->pieces[i];

		if (from >= piece->length) {
			from -= piece->length;
			continue;
		}
		uint32_t size = (uint32_t)min_u64(n_bytes, piece->length - from);

		error = request->operation == BLOCK_READ
			? block_piece_write(piece, (uint32_t)from, at, size)
			: block_piece_read(piece, (uint32_t)from, at, size);
		at += size;
		n_bytes -= size;
		from = 0;
	}
	return error == 0 ? 0 : -ERR_IO;
}

/* Through the buffer, by DMA or by PIO. */
static int transfer_copied(
	struct task *task, struct ide_drive *drive, const struct block_request *request)
{
	struct ide_channel *channel = drive->channel;
	uint32_t block = drive->device.logical_block_bytes;
	int error = 0;

	for (uint64_t done = 0; done < request->length && error == 0; done += IDE_BUFFER_BYTES) {
		uint32_t n_bytes = (uint32_t)min_u64(request->length - done, IDE_BUFFER_BYTES);
		uint64_t first = (request->position + done) / block;
		struct block_extent extents[2];
		uint32_t n_extents = ide_buffer_extents(channel, n_bytes, extents);

		if (request->operation == BLOCK_WRITE) {
			error = copy(channel, request, done, n_bytes);
		}
		if (error == 0) {
			error = transfer(task, drive, request, first, n_bytes / block,
				drive->has_dma ? extents : NULL, n_extents);
		}
		if (error == 0 && request->operation == BLOCK_READ) {
			error = copy(channel, request, done, n_bytes);
		}
	}
	return error;
}

int ide_carry_out(struct task *task, struct ide_drive *drive, const struct block_request *request)
{
	uint32_t block = drive->device.logical_block_bytes;

	switch (request->operation) {
	case BLOCK_FLUSH: return flush(task, drive);
	case BLOCK_DISCARD: return trim(task, drive, request);
	case BLOCK_READ:
	case BLOCK_WRITE:
		return request->n_extents == 0
			? transfer_copied(task, drive, request)
			: transfer(task, drive, request, request->position / block,
				  (uint32_t)(request->length / block), request->extents,
				  request->n_extents);
	case BLOCK_WRITE_ZEROES: break;
	}
	return -ERR_UNSUPPORTED; /* not offered */
}

/* ---- the class ------------------------------------------------------------------------------- */

static bool submit(
	struct block_device *device, uint32_t queue UNUSED, struct block_request *request)
{
	struct ide_drive *drive = container_of(device, struct ide_drive, device);

	if (drive->request != NULL) {
		return false;
	}
	drive->request = request;
	return true;
}

static void commit(struct block_device *device, uint32_t queue UNUSED)
{
	struct ide_drive *drive = container_of(device, struct ide_drive, device);

	wait_queue_wake(&drive->channel->news);
}

const struct block_driver ide_driver = { .submit = submit, .commit = commit };

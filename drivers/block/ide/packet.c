/* SPDX-License-Identifier: MIT */
/*
 * Drives for CDs and DVDs: SCSI commands (MMC-6, SPC-4) in packets.
 *
 * A disc that was changed is told by the next command, which fails with *unit attention*; the
 * drive is looked at whenever its channel has had nothing to do for a while.
 */
#include "ide.h"

#include <base/errors.h>

#define FEATURE_DMA        0x01u
#define FEATURE_FROM_DRIVE 0x04u
#define SENSE_BYTES        18
#define CAPACITY_BYTES     8
#define KEY_NOT_READY      2u
#define KEY_ATTENTION      6u
#define ATTENTIONS_MAX     4

enum scsi_opcode : uint8_t {
	SCSI_TEST_UNIT_READY = 0x00,
	SCSI_REQUEST_SENSE = 0x03,
	SCSI_READ_CAPACITY = 0x25,
	SCSI_READ_10 = 0x28,
};

static uint32_t get_big_endian(const uint8_t *bytes)
{
	return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 |
		bytes[3];
}

static void put_big_endian(uint8_t *bytes, uint32_t value)
{
	for (int i = 0; i < 4; i++) {
		bytes[i] = (uint8_t)(value >> (24 - 8 * i));
	}
}

/* A packet whose answer of @n_bytes comes into the buffer. */
static int do_small(
	struct task *task, struct ide_drive *drive, enum scsi_opcode opcode, uint32_t n_bytes)
{
	const uint8_t packet[IDE_PACKET_BYTES] = {
		[0] = opcode,
		[4] = opcode == SCSI_REQUEST_SENSE ? SENSE_BYTES : 0,
	};
	const struct ide_command command = {
		.opcode = ATA_PACKET,
		.protocol = n_bytes == 0 ? IDE_NO_DATA : IDE_PIO_IN,
		.packet = packet,
		.n_bytes = n_bytes,
		.timeout_ns = IDE_TIMEOUT_NS,
	};

	return ide_do(task, drive->channel, drive->unit, &command);
}

/* After -ERR_IO: what the drive has to say of it, which it forgets by being asked. */
static int take_sense(struct task *task, struct ide_drive *drive, uint32_t *out_key)
{
	*out_key = drive->channel->error >> 4;
	int error = do_small(task, drive, SCSI_REQUEST_SENSE, SENSE_BYTES);

	return error == -ERR_IO ? 0 : error;
}

int ide_disc_read(struct task *task, struct ide_drive *drive, uint32_t first, uint32_t n_blocks,
	const struct block_extent *extents, uint32_t n_extents)
{
	bool wants_direction = extents != NULL && drive->identity.wants_direction;
	uint8_t packet[IDE_PACKET_BYTES] = {
		[0] = SCSI_READ_10,
		[7] = (uint8_t)(n_blocks >> 8),
		[8] = (uint8_t)n_blocks,
	};
	const struct ide_command command = {
		.opcode = ATA_PACKET,
		.protocol = extents != NULL ? IDE_DMA_IN : IDE_PIO_IN,
		.features = (extents != NULL ? FEATURE_DMA : 0) |
			(wants_direction ? FEATURE_FROM_DRIVE : 0),
		.packet = packet,
		.extents = extents,
		.n_extents = n_extents,
		.n_bytes = n_blocks * IDE_DISC_BLOCK_BYTES,
		.timeout_ns = IDE_TIMEOUT_NS,
	};
	uint32_t key;

	put_big_endian(&packet[2], first);
	int error = ide_do(task, drive->channel, drive->unit, &command);

	if (error != -ERR_IO) {
		return error;
	}
	error = take_sense(task, drive, &key);
	if (error == 0 && (key == KEY_ATTENTION || key == KEY_NOT_READY)) {
		drive->has_news = true;
		error = ide_disc_look(task, drive);
	}
	/* also if there is another disc now: that is not the one that was to be read */
	return error == 0 ? -ERR_IO : error;
}

/* Of no disc, and of one with other blocks (music has such), there is nothing to read. */
static int read_capacity(struct task *task, struct ide_drive *drive, uint64_t *out_bytes)
{
	const uint8_t *data = drive->channel->buffer.data;
	uint32_t key;
	int error = do_small(task, drive, SCSI_READ_CAPACITY, CAPACITY_BYTES);

	*out_bytes = 0;
	if (error == -ERR_IO) {
		return take_sense(task, drive, &key);
	}
	if (error == 0 && get_big_endian(data + 4) == IDE_DISC_BLOCK_BYTES) {
		*out_bytes = ((uint64_t)get_big_endian(data) + 1) * IDE_DISC_BLOCK_BYTES;
	}
	return error;
}

int ide_disc_look(struct task *task, struct ide_drive *drive)
{
	uint64_t size_bytes = 0;
	uint32_t key = KEY_ATTENTION;
	int error = -ERR_IO;

	/* it may have several things to say before it is asked in earnest */
	for (uint32_t i = 0; error == -ERR_IO && key == KEY_ATTENTION && i < ATTENTIONS_MAX; i++) {
		error = do_small(task, drive, SCSI_TEST_UNIT_READY, 0);
		if (error != -ERR_IO) {
			break;
		}
		int sensed = take_sense(task, drive, &key);

		if (sensed != 0) {
			return sensed;
		}
		drive->has_news |= key == KEY_ATTENTION;
	}
	if (error == 0 && (drive->has_news || drive->device.size_bytes == 0)) {
		error = read_capacity(task, drive, &size_bytes);
	} else if (error == 0) {
		size_bytes = drive->device.size_bytes;
	}
	if (error != 0 && error != -ERR_IO) {
		return error;
	}
	if (drive->has_news || size_bytes != drive->device.size_bytes) {
		block_resized(&drive->device, size_bytes);
	}
	drive->has_news = false;
	return 0;
}

/* SPDX-License-Identifier: MIT */
/* A channel and its task: drives are found, do what they are asked, and go. See ide.h. */
#include "ide.h"

#include <base/errors.h>
#include <base/format.h>

#define CONTROL_RESET         0x04u
#define CONTROL_NO_INTERRUPTS 0x02u
#define STATUS_FLOATING       0x7fu /* nobody drives the wires; bit 7 is as it likes */
#define STEP_NS               UINT64_C(1000000)
#define RESET_NS              UINT64_C(3000000)
#define READY_NS              UINT64_C(31000000000)
#define LOOK_AT_DISCS_NS      UINT64_C(2000000000)
#define FOR_EVER              UINT64_MAX

enum drive_kind { DRIVE_NONE, DRIVE_DISK, DRIVE_DISC };

/* ---- reset ----------------------------------------------------------------------------------- */

static bool is_floating(uint8_t status)
{
	return (status & STATUS_FLOATING) == STATUS_FLOATING;
}

static int await_ready(struct task *task, struct ide_channel *channel, uint32_t unit)
{
	uint64_t deadline_ns = task_now_ns(task) + READY_NS;
	int error = 0;

	ide_select(channel, unit, 0);
	while (error == 0) {
		uint8_t status = ide_read_status(channel);

		if ((status & ATA_STATUS_BUSY) == 0 || is_floating(status)) {
			return 0;
		}
		error = task_now_ns(task) >= deadline_ns
			? -ERR_TIMED_OUT
			: task_sleep_until(task, task_now_ns(task) + STEP_NS);
	}
	return error;
}

/* Both drives at once; interrupts are off afterwards. */
static int reset(struct task *task, struct ide_channel *channel)
{
	ide_quiet(channel);
	ide_write_control(channel, CONTROL_RESET | CONTROL_NO_INTERRUPTS);
	int error = task_sleep_until(task, task_now_ns(task) + STEP_NS);

	ide_write_control(channel, CONTROL_NO_INTERRUPTS);
	if (error == 0) {
		error = task_sleep_until(task, task_now_ns(task) + RESET_NS);
	}
	for (uint32_t unit = 0; unit < IDE_UNITS && error == 0; unit++) {
		error = await_ready(task, channel, unit);
	}
	return error;
}

/* What a drive leaves in its registers after a reset (ACS-3, table 206). */
static enum drive_kind probe(struct ide_channel *channel, uint32_t unit)
{
	ide_select(channel, unit, 0);
	uint8_t status = ide_read_status(channel);
	uint8_t middle = ide_read(channel, IDE_LBA_MIDDLE), high = ide_read(channel, IDE_LBA_HIGH);

	if (is_floating(status) || ide_read(channel, IDE_COUNT) != 1 ||
		ide_read(channel, IDE_LBA_LOW) != 1) {
		return DRIVE_NONE;
	}
	if ((middle == 0x14 && high == 0xeb) || (middle == 0x69 && high == 0x96)) {
		return DRIVE_DISC;
	}
	/* a first drive that answers for the second one, which is not there, has no status */
	bool is_disk = (middle == 0 && high == 0) || (middle == 0x3c && high == 0xc3);

	return is_disk && status != 0 ? DRIVE_DISK : DRIVE_NONE;
}

/* ---- drives ---------------------------------------------------------------------------------- */

static int identify(struct task *task, struct ide_drive *drive)
{
	const struct ide_command command = {
		.opcode = drive->is_disc ? ATA_IDENTIFY_PACKET : ATA_IDENTIFY,
		.protocol = IDE_PIO_IN,
		.n_bytes = ATA_IDENTIFY_BYTES,
		.block_bytes = ATA_IDENTIFY_BYTES,
		.timeout_ns = IDE_IDENTIFY_NS,
	};
	int error = ide_do(task, drive->channel, drive->unit, &command);

	if (error == 0) {
		ata_identity_read(drive->channel->buffer.data, &drive->identity);
	}
	return error;
}

static int start_drive(
	struct task *task, struct ide_channel *channel, uint32_t unit, enum drive_kind kind)
{
	struct ide_drive *drive = helix_calloc(1, sizeof(*drive));

	if (drive == NULL) {
		return -ERR_NO_MEMORY;
	}
	drive->channel = channel;
	drive->unit = unit;
	drive->is_disc = kind == DRIVE_DISC;
	format_to(drive->name, sizeof(drive->name), "%sc%ud%u", channel->ide->name, channel->number,
		unit);
	int error = identify(task, drive);

	if (error == 0) {
		error = ide_describe(drive);
	}
	if (error == 0 && drive->is_disc) {
		error = ide_disc_look(task, drive);
	}
	if (error != 0) {
		helix_log(HEL_LOG_WARNING, "%s: %s", drive->name, error_text(error));
		helix_free(drive);
		return 0; /* the other one may do */
	}
	channel->drives[unit] = drive;
	return 0;
}

static void lose_drive(struct ide_channel *channel, uint32_t unit)
{
	struct ide_drive *drive = channel->drives[unit];

	if (drive == NULL) {
		return;
	}
	helix_log(HEL_LOG_WARNING, "%s is gone", drive->name);
	channel->drives[unit] = NULL;
	if (drive->request != NULL) {
		struct block_request *request = drive->request;

		drive->request = NULL;
		block_complete(request, -ERR_END_OF_LANE);
	}
	/* clients may still have it: its memory stays */
	block_gone(&drive->device);
}

/* ---- requests -------------------------------------------------------------------------------- */

/* The channel is as new, and drives that do not show up again are gone. */
static int restart(struct task *task, struct ide_channel *channel)
{
	int error = reset(task, channel);

	for (uint32_t unit = 0; unit < IDE_UNITS && error == 0; unit++) {
		struct ide_drive *drive = channel->drives[unit];
		enum drive_kind kind = probe(channel, unit);

		if (drive != NULL && kind != (drive->is_disc ? DRIVE_DISC : DRIVE_DISK)) {
			lose_drive(channel, unit);
		}
	}
	if (error == 0) {
		ide_listen(channel);
	}
	return error;
}

static bool can_be_mended(int error)
{
	return error == -ERR_TIMED_OUT || error == -ERR_AGAIN;
}

/* Carry out what @drive has; an error: the channel is dead. */
static int serve(struct task *task, struct ide_drive *drive)
{
	struct ide_channel *channel = drive->channel;
	int error = ide_carry_out(task, drive, drive->request);

	for (uint32_t n = 0; can_be_mended(error); n++) {
		helix_log(HEL_LOG_WARNING, "%s: %s", drive->name,
			error == -ERR_TIMED_OUT ? "no answer" : "a transfer failed");
		int restarted = restart(task, channel);

		if (restarted != 0 || channel->drives[drive->unit] != drive) {
			return restarted;
		}
		error = n < IDE_TRIES_MAX ? ide_carry_out(task, drive, drive->request) : -ERR_IO;
	}
	struct block_request *request = drive->request;

	drive->request = NULL;
	block_complete(request, error);
	block_settle(&drive->device);
	return task_check(task);
}

/* Both drives in turn. */
static struct ide_drive *next_drive(struct ide_channel *channel)
{
	for (uint32_t i = 0; i < IDE_UNITS; i++) {
		struct ide_drive *drive = channel->drives[(channel->turn + i) % IDE_UNITS];

		if (drive != NULL && drive->request != NULL) {
			channel->turn = drive->unit + 1;
			return drive;
		}
	}
	return NULL;
}

static int look_at_discs(struct task *task, struct ide_channel *channel)
{
	int error = 0;

	for (uint32_t unit = 0; unit < IDE_UNITS && error == 0; unit++) {
		struct ide_drive *drive = channel->drives[unit];

		if (drive != NULL && drive->is_disc) {
			error = ide_disc_look(task, drive);
		}
	}
	return can_be_mended(error) ? restart(task, channel) : error;
}

static uint64_t next_look_ns(struct task *task, const struct ide_channel *channel)
{
	bool has_disc = false;

	for (uint32_t unit = 0; unit < IDE_UNITS; unit++) {
		const struct ide_drive *drive = channel->drives[unit];

		has_disc |= drive != NULL && drive->is_disc;
	}
	return has_disc ? task_now_ns(task) + LOOK_AT_DISCS_NS : FOR_EVER;
}

static int serve_all(struct task *task, struct ide_channel *channel)
{
	uint64_t look_ns = next_look_ns(task, channel);
	int error = 0;

	while (error == 0 && (channel->drives[0] != NULL || channel->drives[1] != NULL)) {
		struct ide_drive *drive = next_drive(channel);

		if (drive != NULL) {
			error = serve(task, drive);
		} else if (look_ns != FOR_EVER && task_now_ns(task) >= look_ns) {
			error = look_at_discs(task, channel);
			look_ns = next_look_ns(task, channel);
		} else if (look_ns != FOR_EVER) {
			error = ide_await_news(task, channel, look_ns);
		} else {
			error = wait_on(task, &channel->news);
		}
	}
	return error;
}

/* ---- the task -------------------------------------------------------------------------------- */

static int start_drives(struct task *task, struct ide_channel *channel)
{
	enum drive_kind kinds[IDE_UNITS];
	int error = reset(task, channel);

	/* registers that are written are written in both drives: the signatures are read before */
	for (uint32_t unit = 0; unit < IDE_UNITS && error == 0; unit++) {
		kinds[unit] = probe(channel, unit);
	}
	for (uint32_t unit = 0; unit < IDE_UNITS && error == 0; unit++) {
		error = kinds[unit] == DRIVE_NONE ? 0
						  : start_drive(task, channel, unit, kinds[unit]);
	}
	if (error == 0) {
		ide_listen(channel);
	}
	for (uint32_t unit = 0; unit < IDE_UNITS && error == 0; unit++) {
		if (channel->drives[unit] != NULL) {
			error = block_publish(
				task, &channel->drives[unit]->device, helix_start_handle("mbus"));
		}
	}
	return error;
}

static int channel_run(struct task *task, void *argument)
{
	struct ide_channel *channel = argument;
	int error = start_drives(task, channel);

	if (error == 0) {
		error = serve_all(task, channel);
	}
	if (error != 0) {
		helix_log(HEL_LOG_ERROR, "%s, channel %u: %s", channel->ide->name, channel->number,
			error_text(error));
	}
	ide_quiet(channel);
	for (uint32_t unit = 0; unit < IDE_UNITS; unit++) {
		lose_drive(channel, unit);
	}
	return 0;
}

int ide_channel_start(struct ide_channel *channel)
{
	struct ide *ide = channel->ide;
	int error = dma_allocate_within(
		&channel->buffer, ide->dma_space, IDE_BUFFER_BYTES, IDE_ADDRESS_BITS);

	if (error == 0) {
		error = dma_allocate_within(
			&channel->regions, ide->dma_space, HEL_PAGE_SIZE, IDE_ADDRESS_BITS);
	}
	if (error != 0) {
		dma_free(&channel->buffer);
		return error;
	}
	job_init(&channel->job, "channel", channel_run, channel);
	job_submit(&ide->loop->loop, &channel->job);
	return 0;
}

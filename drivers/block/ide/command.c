/* SPDX-License-Identifier: MIT */
/* Commands: registers, data, interrupts. See ide.h. */
#include "ide.h"

#include <base/errors.h>
#include <base/string.h>

#define CONTROL_NO_INTERRUPTS 0x02u
#define CONTROL_ALWAYS        0x08u
#define DEVICE_ALWAYS         0xa0u
#define DEVICE_UNIT           0x10u
#define ERROR_CRC             0x80u /* data were damaged on the cable */
#define PACKET_BYTES_AT_ONCE  0xf800u
#define REGION_LAST           0x8000u

#define STEP_NS UINT64_C(1000000)
#define LOOK_NS UINT64_C(1000000000)
#define IDLE_NS UINT64_C(5000000000)

/* Registers of the bus master, from those of its channel. */
enum bus_register { BUS_COMMAND = 0, BUS_STATUS = 2, BUS_TABLE = 4 };

enum bus_command : uint8_t { BUS_START = 1u << 0, BUS_TO_MEMORY = 1u << 3 };

enum bus_status : uint8_t {
	BUS_ERROR = 1u << 1,
	BUS_INTERRUPT = 1u << 2,
	BUS_CAPABLE = 3u << 5, /* of software; what is written to the two above clears them */
};

/* ---- ports ----------------------------------------------------------------------------------- */

/* Ports that are ours answer always; all ones are a drive that is busy for ever. */
static uint32_t port_read(hel_handle ports, uint32_t offset, uint32_t width)
{
	uint32_t value;

	return hel_io_read(ports, offset, width, &value) == 0 ? value : UINT32_MAX;
}

static void port_write(hel_handle ports, uint32_t offset, uint32_t width, uint32_t value)
{
	(void)!hel_io_write(ports, offset, width, value);
}

uint8_t ide_read(const struct ide_channel *channel, enum ide_register number)
{
	return (uint8_t)port_read(channel->ports, number, 1);
}

void ide_write(const struct ide_channel *channel, enum ide_register number, uint8_t value)
{
	port_write(channel->ports, number, 1, value);
}

uint8_t ide_read_status(const struct ide_channel *channel)
{
	return (uint8_t)port_read(channel->control, channel->control_offset, 1);
}

void ide_write_control(const struct ide_channel *channel, uint8_t value)
{
	port_write(channel->control, channel->control_offset, 1, value | CONTROL_ALWAYS);
}

static uint8_t bus_read(const struct ide_channel *channel, enum bus_register number)
{
	return (uint8_t)port_read(channel->bus, channel->bus_offset + number, 1);
}

static void bus_write(const struct ide_channel *channel, enum bus_register number, uint8_t value)
{
	port_write(channel->bus, channel->bus_offset + number, 1, value);
}

static void bus_clear(const struct ide_channel *channel, uint8_t status)
{
	bus_write(channel, BUS_STATUS, (status & BUS_CAPABLE) | BUS_ERROR | BUS_INTERRUPT);
}

/* ---- answers --------------------------------------------------------------------------------- */

/* The bus master stops before the drive is asked: what it has transferred is in memory then. */
static void take_answer(struct ide_channel *channel)
{
	if (channel->bus != HEL_NULL) {
		channel->bus_status = bus_read(channel, BUS_STATUS);
		if (channel->is_dma_running) {
			bus_write(channel, BUS_COMMAND, 0);
			channel->is_dma_running = false;
		}
	}
	channel->status = ide_read(channel, IDE_STATUS);
	if (channel->bus != HEL_NULL) {
		bus_clear(channel, channel->bus_status);
	}
	channel->has_answer = true;
	channel->is_waiting = false;
}

/* Whether the drive has finished, or wants something. */
static bool is_answered(const struct ide_channel *channel)
{
	uint8_t status = ide_read_status(channel);

	return (status & ATA_STATUS_BUSY) == 0 &&
		!(channel->is_dma_running && (status & ATA_STATUS_DATA) != 0);
}

bool ide_channel_interrupt(struct ide_channel *channel)
{
	if (channel->bus != HEL_NULL) {
		uint8_t status = bus_read(channel, BUS_STATUS);

		if ((status & BUS_INTERRUPT) == 0) {
			return false;
		}
		if (!channel->is_waiting || !is_answered(channel)) {
			(void)ide_read(channel, IDE_STATUS);
			bus_clear(channel, status);
			return true;
		}
	} else if (!channel->is_waiting || !is_answered(channel)) {
		return false;
	}
	take_answer(channel);
	wait_queue_wake(&channel->news);
	return true;
}

void ide_quiet(struct ide_channel *channel)
{
	ide_write_control(channel, CONTROL_NO_INTERRUPTS);
	if (channel->bus != HEL_NULL) {
		bus_write(channel, BUS_COMMAND, 0);
	}
	channel->is_dma_running = channel->is_waiting = channel->has_answer = false;
	channel->is_polled = true;
}

void ide_listen(struct ide_channel *channel)
{
	(void)ide_read(channel, IDE_STATUS);
	if (channel->bus != HEL_NULL) {
		bus_clear(channel, bus_read(channel, BUS_STATUS));
	}
	ide_write_control(channel, 0);
	channel->is_polled = false;
}

/* ---- waiting --------------------------------------------------------------------------------- */

int ide_await_news(struct task *task, struct ide_channel *channel, uint64_t deadline_ns)
{
	struct wait_op wait;

	wait_op_init(&wait, &channel->news);
	int error = await_until(task, &wait.op, deadline_ns);

	return error == -ERR_TIMED_OUT ? 0 : error;
}

static int await_answer(struct task *task, struct ide_channel *channel, uint64_t deadline_ns)
{
	uint64_t now_ns = task_now_ns(task);
	uint64_t look_ns = channel->is_polled ? now_ns : now_ns + LOOK_NS;

	while (!channel->has_answer) {
		if (now_ns >= look_ns && is_answered(channel)) {
			take_answer(channel);
			break;
		}
		if (now_ns >= deadline_ns) {
			return -ERR_TIMED_OUT;
		}
		if (now_ns >= look_ns) {
			look_ns = now_ns + (channel->is_polled ? STEP_NS : LOOK_NS);
		}
		int error = ide_await_news(task, channel, min_u64(look_ns, deadline_ns));

		if (error != 0) {
			return error;
		}
		now_ns = task_now_ns(task);
	}
	return 0;
}

/* Until bits of the status are what they should be; mostly they are at once. */
static int await_status(
	struct task *task, struct ide_channel *channel, uint8_t mask, uint8_t wanted)
{
	uint64_t deadline_ns = 0;

	while ((ide_read_status(channel) & mask) != wanted) {
		uint64_t now_ns = task_now_ns(task);

		deadline_ns = deadline_ns == 0 ? now_ns + IDLE_NS : deadline_ns;
		int error = now_ns >= deadline_ns ? -ERR_TIMED_OUT
						  : task_sleep_until(task, now_ns + STEP_NS);

		if (error != 0) {
			return error;
		}
	}
	return 0;
}

/* From here on the next interrupt is the answer. */
static void expect_answer(struct ide_channel *channel)
{
	channel->has_answer = false;
	channel->is_waiting = true;
}

static bool is_dma(const struct ide_command *command)
{
	return command->protocol == IDE_DMA_IN || command->protocol == IDE_DMA_OUT;
}

/* What an answer means. Of packets the error register has something else. */
static int judge(struct ide_channel *channel, const struct ide_command *command)
{
	if ((channel->status & ATA_STATUS_FAULT) != 0 && command->packet == NULL) {
		return -ERR_AGAIN;
	}
	if ((channel->status & ATA_STATUS_ERROR) != 0) {
		channel->error = ide_read(channel, IDE_ERROR);
		return is_dma(command) && command->packet == NULL &&
				(channel->error & ERROR_CRC) != 0
			? -ERR_AGAIN
			: -ERR_IO;
	}
	return is_dma(command) && (channel->bus_status & BUS_ERROR) != 0 ? -ERR_AGAIN : 0;
}

static int await_success(struct task *task, struct ide_channel *channel,
	const struct ide_command *command, uint64_t deadline_ns)
{
	int error = await_answer(task, channel, deadline_ns);

	return error != 0 ? error : judge(channel, command);
}

/* ---- data ------------------------------------------------------------------------------------ */

/* Two words at once, as far as that goes: the port takes that on PCI. */
static uint32_t width_of(uint32_t n_bytes)
{
	return n_bytes % 4 == 0 ? 4 : 2;
}

static void read_words(const struct ide_channel *channel, uint32_t at, uint32_t n_bytes)
{
	uint32_t width = width_of(n_bytes);

	n_bytes = (uint32_t)align_up(n_bytes, 2);
	for (uint32_t i = 0; i < n_bytes; i += width) {
		uint32_t word = port_read(channel->ports, IDE_DATA, width);

		/* what is too much is thrown away: the drive decides how much there is */
		if (at + i + width <= IDE_BUFFER_BYTES) {
			memcpy(channel->buffer.data + at + i, &word, width);
		}
	}
}

static void write_words(const struct ide_channel *channel, const uint8_t *from, uint32_t n_bytes)
{
	uint32_t width = width_of(n_bytes);

	for (uint32_t i = 0; i < n_bytes; i += width) {
		uint32_t word = 0;

		memcpy(&word, from + i, width);
		port_write(channel->ports, IDE_DATA, width, word);
	}
}

static int pio_in(struct task *task, struct ide_channel *channel, const struct ide_command *command,
	uint64_t deadline_ns)
{
	for (uint32_t at = 0; at < command->n_bytes; at += command->block_bytes) {
		int error = await_success(task, channel, command, deadline_ns);

		if (error != 0) {
			return error;
		}
		if ((channel->status & ATA_STATUS_DATA) == 0) {
			return -ERR_AGAIN;
		}
		if (at + command->block_bytes < command->n_bytes) {
			expect_answer(channel);
		}
		read_words(channel, at, command->block_bytes);
		(void)ide_read_status(channel); /* the next status takes it 400 ns */
	}
	return 0;
}

static int pio_out(struct task *task, struct ide_channel *channel,
	const struct ide_command *command, uint64_t deadline_ns)
{
	/* it does not interrupt for the first block */
	int error = await_status(task, channel, ATA_STATUS_BUSY, 0);

	for (uint32_t at = 0; at < command->n_bytes && error == 0; at += command->block_bytes) {
		if (at == 0 && (ide_read_status(channel) & ATA_STATUS_DATA) == 0) {
			break; /* refused; the answer says why */
		}
		if (at != 0 && (channel->status & ATA_STATUS_DATA) == 0) {
			return -ERR_AGAIN;
		}
		expect_answer(channel);
		write_words(channel, channel->buffer.data + at, command->block_bytes);
		(void)ide_read_status(channel);
		error = await_success(task, channel, command, deadline_ns);
	}
	if (error == 0 && channel->is_waiting) {
		error = await_success(task, channel, command, deadline_ns);
		return error == 0 ? -ERR_AGAIN : error;
	}
	return error;
}

/* Region by region as extents are: the class has cut them at multiples of 64 KiB. */
static void prepare_dma(const struct ide_channel *channel, const struct ide_command *command)
{
	struct ide_region *regions = (struct ide_region *)channel->regions.data;

	for (uint32_t i = 0; i < command->n_extents; i++) {
		regions[i] = (struct ide_region){
			.address = (uint32_t)command->extents[i].address,
			.length = (uint16_t)command->extents[i].length,
			.flags = i + 1 == command->n_extents ? REGION_LAST : 0,
		};
	}
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	port_write(channel->bus, channel->bus_offset + BUS_TABLE, 4,
		(uint32_t)channel->regions.address);
	bus_write(channel, BUS_COMMAND, command->protocol == IDE_DMA_IN ? BUS_TO_MEMORY : 0);
	bus_clear(channel, bus_read(channel, BUS_STATUS));
}

static int run_dma(struct task *task, struct ide_channel *channel,
	const struct ide_command *command, uint64_t deadline_ns)
{
	uint8_t direction = command->protocol == IDE_DMA_IN ? BUS_TO_MEMORY : 0;

	channel->is_dma_running = true;
	bus_write(channel, BUS_COMMAND, direction | BUS_START);
	return await_success(task, channel, command, deadline_ns);
}

/* ---- packets --------------------------------------------------------------------------------- */

/* The drive says each time how many bytes it has, and at the end that there are no more. */
static int packet_data(struct task *task, struct ide_channel *channel,
	const struct ide_command *command, uint64_t deadline_ns)
{
	uint32_t at = 0;

	for (;;) {
		int error = await_success(task, channel, command, deadline_ns);

		if (error != 0 || (channel->status & ATA_STATUS_DATA) == 0) {
			return error != 0 || at >= command->n_bytes ? error : -ERR_IO;
		}
		uint32_t n_bytes = ide_read(channel, IDE_LBA_MIDDLE) |
			(uint32_t)ide_read(channel, IDE_LBA_HIGH) << 8;

		if (n_bytes == 0) {
			return -ERR_AGAIN;
		}
		expect_answer(channel);
		read_words(channel, at, n_bytes);
		at += n_bytes;
		(void)ide_read_status(channel);
	}
}

static int run_packet(struct task *task, struct ide_channel *channel,
	const struct ide_command *command, uint64_t deadline_ns)
{
	int error = await_status(task, channel, ATA_STATUS_BUSY, 0);

	if (error != 0) {
		return error;
	}
	if ((ide_read_status(channel) & ATA_STATUS_DATA) == 0) {
		error = await_success(task, channel, command, deadline_ns);
		return error == 0 ? -ERR_AGAIN : error; /* it should want the packet */
	}
	expect_answer(channel);
	write_words(channel, command->packet, IDE_PACKET_BYTES);
	(void)ide_read_status(channel);
	return command->protocol == IDE_DMA_IN ? run_dma(task, channel, command, deadline_ns)
					       : packet_data(task, channel, command, deadline_ns);
}

/* ---- commands -------------------------------------------------------------------------------- */

void ide_select(struct ide_channel *channel, uint32_t unit, uint8_t device)
{
	ide_write(channel, IDE_DEVICE,
		(uint8_t)(DEVICE_ALWAYS | (unit != 0 ? DEVICE_UNIT : 0) | device));
	(void)ide_read_status(channel); /* 400 ns */
}

/* Registers are two bytes deep: of long commands the upper ones are written first. */
static void write_registers(struct ide_channel *channel, const struct ide_command *command)
{
	uint64_t lba = command->lba;

	if (command->is_long) {
		ide_write(channel, IDE_FEATURES, 0);
		ide_write(channel, IDE_COUNT, (uint8_t)(command->count >> 8));
		ide_write(channel, IDE_LBA_LOW, (uint8_t)(lba >> 24));
		ide_write(channel, IDE_LBA_MIDDLE, (uint8_t)(lba >> 32));
		ide_write(channel, IDE_LBA_HIGH, (uint8_t)(lba >> 40));
	}
	ide_write(channel, IDE_FEATURES, command->features);
	ide_write(channel, IDE_COUNT, (uint8_t)command->count);
	ide_write(channel, IDE_LBA_LOW, (uint8_t)lba);
	ide_write(channel, IDE_LBA_MIDDLE, (uint8_t)(lba >> 8));
	ide_write(channel, IDE_LBA_HIGH, (uint8_t)(lba >> 16));
	if (command->packet != NULL) {
		ide_write(channel, IDE_LBA_MIDDLE, (uint8_t)PACKET_BYTES_AT_ONCE);
		ide_write(channel, IDE_LBA_HIGH, (uint8_t)(PACKET_BYTES_AT_ONCE >> 8));
	}
}

/* The drive has the command. */
static int run(struct task *task, struct ide_channel *channel, const struct ide_command *command,
	uint64_t deadline_ns)
{
	if (command->packet != NULL) {
		return run_packet(task, channel, command, deadline_ns);
	}
	switch (command->protocol) {
	case IDE_DMA_IN:
	case IDE_DMA_OUT: return run_dma(task, channel, command, deadline_ns);
	case IDE_PIO_IN: return pio_in(task, channel, command, deadline_ns);
	case IDE_PIO_OUT: return pio_out(task, channel, command, deadline_ns);
	case IDE_NO_DATA: break;
	}
	return await_success(task, channel, command, deadline_ns);
}

int ide_do(struct task *task, struct ide_channel *channel, uint32_t unit,
	const struct ide_command *command)
{
	constexpr uint8_t busy = ATA_STATUS_BUSY | ATA_STATUS_DATA;
	uint8_t upper = command->is_long ? 0 : (uint8_t)(command->lba >> 24 & 0xf);
	int error = await_status(task, channel, busy, 0);

	if (error == 0) {
		ide_select(channel, unit, command->device | upper);
		error = await_status(task, channel, busy, 0);
	}
	if (error != 0) {
		return error;
	}
	uint64_t deadline_ns = task_now_ns(task) + command->timeout_ns;

	if (is_dma(command)) {
		prepare_dma(channel, command);
	}
	write_registers(channel, command);
	expect_answer(channel);
	ide_write(channel, IDE_COMMAND, command->opcode);
	(void)ide_read_status(channel); /* 400 ns */
	error = run(task, channel, command, deadline_ns);
	channel->is_waiting = false;
	return error;
}

/* SPDX-License-Identifier: MIT */
/* The controller: its channels, where they are, and how they interrupt. See ide.h. */
#include "ide.h"

#include <base/errors.h>
#include <base/format.h>
#include <base/string.h>
#include <protocols/hw/hw-client.h>

#define INFO_BYTES            2048
#define BUS_BAR               4
#define BUS_BYTES             8 /* of each channel */
#define BUS_STATUS            2
#define BUS_SIMPLEX           0x80u
#define CONTROL_OFFSET_NATIVE 2
#define INTERFACE_BUS_MASTER  0x80u

/* What the function's interface register says. */
struct abilities {
	bool is_native[IDE_CHANNELS]; /* else where the ISA bus had it, with its interrupt */
	bool has_bus;
};

static int read_abilities(struct task *task, struct ide *ide, struct abilities *out_abilities)
{
	void *buffer = helix_malloc(INFO_BYTES);
	struct bragi_exchange exchange;
	struct hw_info_reply info;

	if (buffer == NULL) {
		return -ERR_NO_MEMORY;
	}
	bragi_exchange_init(&exchange, buffer, INFO_BYTES);
	int error = hw_client_info(task, &ide->hw, &exchange, &info);

	if (error == 0) {
		*out_abilities = (struct abilities){
			.is_native = { (info.class & 1) != 0, (info.class & 4) != 0 },
			.has_bus = (info.class & INTERFACE_BUS_MASTER) != 0 &&
				info.bars.items[BUS_BAR].kind == HW_BAR_KIND_IO,
		};
	}
	helix_free(buffer);
	return error;
}

/* ---- ports ----------------------------------------------------------------------------------- */

static int open_ports(struct task *task, struct ide *ide, uint32_t index, size_t size_min,
	hel_handle *out_ports, uint64_t *out_size)
{
	struct hw_bar_reply bar;
	int error = hw_client_bar(task, &ide->hw, index, &bar, out_ports);

	if (error == 0 && (bar.kind != HW_BAR_KIND_IO || bar.size_bytes < size_min)) {
		error = -ERR_NOT_FOUND;
	}
	if (error != 0 && *out_ports != HEL_NULL) {
		hel_close(HEL_THIS, *out_ports);
		*out_ports = HEL_NULL;
	}
	*out_size = error == 0 ? bar.size_bytes : 0;
	return error;
}

/* A channel in compatibility mode has its one control port, others are given four. */
static int open_channel(struct task *task, struct ide *ide, uint32_t number, bool is_native)
{
	struct ide_channel *channel = &ide->channels[number];
	uint64_t size;

	channel->ide = ide;
	channel->number = number;
	channel->control_offset = is_native ? CONTROL_OFFSET_NATIVE : 0;
	channel->bus = ide->bus;
	channel->bus_offset = number * BUS_BYTES;
	wait_queue_init(&channel->news);
	int error = open_ports(task, ide, 2 * number, IDE_REGISTERS, &channel->ports, &size);

	if (error == 0) {
		error = open_ports(task, ide, 2 * number + 1, channel->control_offset + 1,
			&channel->control, &size);
	}
	channel->is_present = error == 0;
	return error == -ERR_NOT_FOUND ? 0 : error;
}

static bool is_dma_wanted(void)
{
	char text[8];

	return !helix_command_line_option("ide.dma", text, sizeof(text)) || !str_equal(text, "off");
}

/* Without ports, or without a dma-space, there is no DMA. */
static int open_bus(struct task *task, struct ide *ide)
{
	uint64_t size;
	int error = open_ports(task, ide, BUS_BAR, IDE_CHANNELS * BUS_BYTES, &ide->bus, &size);

	if (error == -ERR_NOT_FOUND) {
		return 0;
	}
	if (error == 0) {
		error = hw_client_dma_space(task, &ide->hw, &ide->dma_space);
	}
	if (error == 0) {
		error = hw_client_bus_master(task, &ide->hw, true);
	}
	return error;
}

/* Some chips cannot do DMA on both channels at a time: then the first one has it. */
static void share_bus(struct ide *ide)
{
	uint32_t status = 0;

	if (ide->bus != HEL_NULL && ide->channels[0].is_present &&
		hel_io_read(ide->bus, BUS_STATUS, 1, &status) == 0 && (status & BUS_SIMPLEX) != 0) {
		ide->channels[1].bus = HEL_NULL;
	}
}

/* ---- interrupts ------------------------------------------------------------------------------ */

static int line_run(struct task *task, void *argument)
{
	struct ide_line *line = argument;
	struct ide *ide = line->ide;
	int error = 0;

	while (error == 0) {
		error = helix_await_event(task, line->irq, &line->sequence, NULL);
		bool is_ours = !line->is_shared;

		for (uint32_t i = 0; i < IDE_CHANNELS && error == 0; i++) {
			if ((line->channels >> i & 1) != 0) {
				is_ours |= ide_channel_interrupt(&ide->channels[i]);
			}
		}
		if (error == 0) {
			error = hel_irq_acknowledge(
				line->irq, is_ours ? HEL_IRQ_ACK : HEL_IRQ_NACK, line->sequence);
		}
	}
	helix_log(HEL_LOG_ERROR, "%s: no more interrupts: %s", ide->name, error_text(error));
	return 0;
}

static int open_line(struct task *task, struct ide *ide, uint32_t vector, uint32_t channels,
	enum hw_interrupt_kind kind)
{
	struct ide_line *line = &ide->lines[ide->n_lines];
	int error = hw_client_interrupt_of(task, &ide->hw, vector, &kind, &line->irq);

	if (error != 0) {
		return error;
	}
	line->ide = ide;
	line->channels = channels;
	line->is_shared = kind == HW_INTERRUPT_KIND_LINE;
	ide->n_lines++;
	job_init(&line->job, "interrupt", line_run, line);
	return 0;
}

/* One for both in native mode, else one for each. */
static int open_lines(struct task *task, struct ide *ide, const struct abilities *abilities)
{
	uint32_t channels = 0;
	int error = 0;

	for (uint32_t i = 0; i < IDE_CHANNELS; i++) {
		channels |= ide->channels[i].is_present ? 1u << i : 0;
	}
	if (abilities->is_native[0] && abilities->is_native[1]) {
		return open_line(task, ide, 0, channels, HW_INTERRUPT_KIND_ANY);
	}
	for (uint32_t i = 0; i < IDE_CHANNELS && error == 0; i++) {
		if (ide->channels[i].is_present) {
			error = open_line(task, ide, i, 1u << i, HW_INTERRUPT_KIND_LINE);
		}
	}
	return error;
}

/* ---- the start ------------------------------------------------------------------------------- */

static int open_controller(struct task *task, struct ide *ide)
{
	char address[HW_CLIENT_ADDRESS_SIZE];
	struct abilities abilities;
	int error = hw_client_address(task, &ide->hw, address);

	if (error == 0) {
		format_to(ide->name, sizeof(ide->name), "ide-%s", address);
		error = read_abilities(task, ide, &abilities);
	}
	if (error == 0 && abilities.has_bus && is_dma_wanted()) {
		error = open_bus(task, ide);
	}
	for (uint32_t i = 0; i < IDE_CHANNELS && error == 0; i++) {
		error = open_channel(task, ide, i, abilities.is_native[i]);
	}
	if (error != 0) {
		return error;
	}
	share_bus(ide);
	/* before there are interrupts: what the firmware left may have one */
	for (uint32_t i = 0; i < IDE_CHANNELS; i++) {
		if (ide->channels[i].is_present) {
			ide_quiet(&ide->channels[i]);
		}
	}
	return open_lines(task, ide, &abilities);
}

int ide_run(struct task *task, struct ide *ide, hel_handle lane)
{
	transport_client_init(&ide->hw, lane, 1);
	int error = open_controller(task, ide);

	for (uint32_t i = 0; i < ide->n_lines && error == 0; i++) {
		job_submit(&ide->loop->loop, &ide->lines[i].job);
	}
	for (uint32_t i = 0; i < IDE_CHANNELS && error == 0; i++) {
		if (ide->channels[i].is_present) {
			error = ide_channel_start(&ide->channels[i]);
		}
	}
	return error;
}

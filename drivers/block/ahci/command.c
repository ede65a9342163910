/* SPDX-License-Identifier: MIT */
/* Commands of disks, and the class' requests as such: see ahci.h. */
#include "ahci.h"

#include <base/errors.h>
#include <base/string.h>

#define FIS_HOST_TO_DEVICE 0x27
#define FIS_IS_COMMAND     0x80
#define FIS_WORDS          5
#define HEADER_WRITE       (1u << 6)
#define DEVICE_FUA         0x80u /* of queued writes */

/* ---- tables ---------------------------------------------------------------------------------- */

static void write_fis(uint8_t *fis, const struct ata_command *command)
{
	memset(fis, 0, FIS_WORDS * sizeof(uint32_t));
	fis[0] = FIS_HOST_TO_DEVICE;
	fis[1] = FIS_IS_COMMAND;
	fis[2] = command->command;
	fis[3] = (uint8_t)command->features;
	for (size_t i = 0; i < 3; i++) {
		fis[4 + i] = (uint8_t)(command->lba >> (8 * i));
		fis[8 + i] = (uint8_t)(command->lba >> (24 + 8 * i));
	}
	fis[7] = (uint8_t)command->device;
	fis[11] = (uint8_t)(command->features >> 8);
	fis[12] = (uint8_t)command->count;
	fis[13] = (uint8_t)(command->count >> 8);
}

void ahci_prepare(struct ahci_port *port, uint32_t slot, const struct ata_command *command,
	const struct block_extent *extents, uint32_t n_extents)
{
	struct ahci_table *table = &port->tables[slot];

	write_fis(table->fis, command);
	for (uint32_t i = 0; i < n_extents; i++) {
		table->regions[i] = (struct ahci_region){
			.address = extents[i].address,
			.length = extents[i].length - 1,
		};
	}
	port->list[slot] = (struct ahci_header){
		.flags = FIS_WORDS | (command->is_write ? HEADER_WRITE : 0) | n_extents << 16,
		.table = dma_address(&port->memory, table),
	};
	port->slots[slot].command = *command;
	port->slots[slot].since_ns = loop_now_ns(&port->ahci->loop->loop);
	port->prepared |= 1u << slot;
}

void ahci_issue(struct ahci_port *port)
{
	uint32_t slots = port->prepared, queued = 0;

	if (slots == 0) {
		return;
	}
	for (uint32_t i = 0; i < AHCI_SLOTS; i++) {
		if ((slots >> i & 1) != 0 && port->slots[i].command.is_queued) {
			queued |= 1u << i;
		}
	}
	port->prepared = 0;
	port->active |= slots;
	port->queued |= queued;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (queued != 0) {
		mmio_write32(port->registers, PORT_ACTIVE, queued);
	}
	mmio_write32(port->registers, PORT_ISSUE, slots);
}

static void slot_end(struct ahci_port *port, uint32_t slot, int error)
{
	struct block_request *request = port->slots[slot].request;

	port->active &= ~(1u << slot);
	port->queued &= ~(1u << slot);
	port->slots[slot].request = NULL;
	if (request != NULL) {
		block_complete(request, error);
	} else {
		wait_queue_wake(&port->news);
	}
}

/* The next of those that are issued one by one, when the one before is done. */
static void issue_careful(struct ahci_port *port)
{
	if (port->active == 0 && port->prepared == 0 && port->careful != 0) {
		port->prepared = port->careful & -port->careful;
		port->careful &= ~port->prepared;
		for (uint32_t slot = 0; slot < AHCI_SLOTS; slot++) {
			if ((port->prepared >> slot & 1) != 0) {
				port->slots[slot].since_ns = loop_now_ns(&port->ahci->loop->loop);
			}
		}
		ahci_issue(port);
	}
}

void ahci_take(struct ahci_port *port)
{
	uint32_t busy = mmio_read32(port->registers, PORT_ISSUE) |
		mmio_read32(port->registers, PORT_ACTIVE);
	uint32_t done = port->active & ~busy;

	for (uint32_t slot = 0; slot < AHCI_SLOTS; slot++) {
		if ((done >> slot & 1) != 0) {
			slot_end(port, slot, 0);
		}
	}
	if (port->state == AHCI_READY && !port->has_failed) {
		issue_careful(port);
	}
}

void ahci_resubmit(struct ahci_port *port, uint32_t failed, bool is_late, bool is_careful)
{
	uint32_t again = ahci_slots_in_use(port);

	port->active = port->queued = port->prepared = port->careful = 0;
	for (uint32_t slot = 0; slot < AHCI_SLOTS; slot++) {
		struct ahci_slot *old = &port->slots[slot];

		if ((again >> slot & 1) == 0) {
			continue;
		}
		old->n_tries += is_late ? 1 : 0;
		if (slot == failed || old->request == NULL || old->n_tries > AHCI_TRIES_MAX) {
			slot_end(port, slot, -ERR_IO);
		} else {
			struct ata_command command = old->command;

			ahci_prepare(port, slot, &command, old->request->extents,
				old->request->n_extents);
		}
	}
	if (is_careful) {
		port->careful = port->prepared;
		port->prepared = 0;
		issue_careful(port);
	} else {
		ahci_issue(port);
	}
}

void ahci_abandon(struct ahci_port *port)
{
	uint32_t left = ahci_slots_in_use(port);

	port->prepared = port->careful = 0;
	for (uint32_t slot = 0; slot < AHCI_SLOTS; slot++) {
		if ((left >> slot & 1) != 0) {
			slot_end(port, slot, -ERR_END_OF_LANE);
		}
	}
}

bool ahci_is_late(const struct ahci_port *port, uint64_t now_ns)
{
	for (uint32_t slot = 0; slot < AHCI_SLOTS; slot++) {
		if ((port->active >> slot & 1) != 0 && now_ns > port->slots[slot].since_ns &&
			now_ns - port->slots[slot].since_ns > AHCI_TIMEOUT_NS) {
			return true;
		}
	}
	return false;
}

/* ---- requests -------------------------------------------------------------------------------- */

static struct ata_command transfer_of(
	const struct ahci_disk *disk, const struct block_request *request, uint32_t slot)
{
	uint32_t block = disk->device.logical_block_bytes;
	uint32_t n_blocks = (uint32_t)(request->length / block) & 0xffff; /* 0: 65536 */
	bool is_write = request->operation == BLOCK_WRITE;
	struct ata_command command = {
		.lba = request->position / block,
		.device = ATA_DEVICE_LBA,
		.is_write = is_write,
	};

	if (disk->depth > 1) {
		command.command = is_write ? ATA_WRITE_QUEUED : ATA_READ_QUEUED;
		command.features = n_blocks;
		command.count = slot << 3;
		command.device |= request->is_fua ? DEVICE_FUA : 0;
		command.is_queued = true;
	} else {
		command.command = !is_write ? ATA_READ_DMA_EXT
			: request->is_fua   ? ATA_WRITE_DMA_FUA_EXT
					    : ATA_WRITE_DMA_EXT;
		command.count = n_blocks;
	}
	return command;
}

/* One range, in the port's buffer: what is not queued is alone, so nobody else uses it. */
static struct ata_command trim_of(struct ahci_port *port, const struct block_request *request)
{
	uint32_t block = port->disk->device.logical_block_bytes;

	ata_trim_list(port->buffer.data, request->position / block, request->length / block);
	return (struct ata_command){
		.command = ATA_DATA_SET_MANAGEMENT,
		.features = ATA_TRIM,
		.count = 1,
		.device = ATA_DEVICE_LBA,
		.is_write = true,
	};
}

static void prepare_request(struct ahci_port *port, uint32_t slot, struct block_request *request)
{
	const struct block_extent ranges = {
		.address = port->buffer.address,
		.length = ATA_SECTOR_BYTES,
	};
	struct ata_command command;

	port->slots[slot].request = request;
	port->slots[slot].n_tries = 0;
	switch (request->operation) {
	case BLOCK_FLUSH:
		command =
			(struct ata_command){ .command = ATA_FLUSH_EXT, .device = ATA_DEVICE_LBA };
		ahci_prepare(port, slot, &command, NULL, 0);
		return;
	case BLOCK_DISCARD:
		command = trim_of(port, request);
		ahci_prepare(port, slot, &command, &ranges, 1);
		return;
	default:
		command = transfer_of(port->disk, request, slot);
		ahci_prepare(port, slot, &command, request->extents, request->n_extents);
	}
}

static bool is_queued(const struct ahci_disk *disk, const struct block_request *request)
{
	return disk->depth > 1 &&
		(request->operation == BLOCK_READ || request->operation == BLOCK_WRITE);
}

static bool submit(
	struct block_device *device, uint32_t queue UNUSED, struct block_request *request)
{
	struct ahci_disk *disk = container_of(device, struct ahci_disk, device);
	struct ahci_port *port = disk->port;
	uint32_t used = ahci_slots_in_use(port);
	bool is_alone = !is_queued(disk, request);

	if (port->state != AHCI_READY || port->disk != disk || port->careful != 0 ||
		(is_alone && used != 0)) {
		return false;
	}
	/* nothing joins a command that has to be alone */
	for (uint32_t slot = 0; slot < AHCI_SLOTS && !is_alone; slot++) {
		if ((used >> slot & 1) != 0 && !port->slots[slot].command.is_queued) {
			return false;
		}
	}
	for (uint32_t slot = 0; slot < disk->depth; slot++) {
		if ((used >> slot & 1) == 0) {
			prepare_request(port, slot, request);
			return true;
		}
	}
	return false;
}

static void commit(struct block_device *device, uint32_t queue UNUSED)
{
	struct ahci_port *port = container_of(device, struct ahci_disk, device)->port;

	if (port->state == AHCI_READY) {
		ahci_issue(port);
	}
}

const struct block_driver ahci_driver = { .submit = submit, .commit = commit };

/* ---- the task's own commands ----------------------------------------------------------------- */

int ahci_do(struct task *task, struct ahci_port *port, const struct ata_command *command,
	uint32_t n_bytes)
{
	const struct block_extent extent = { .address = port->buffer.address, .length = n_bytes };
	struct scope scope;

	port->has_failed = false;
	port->slots[0].request = NULL;
	ahci_prepare(port, 0, command, &extent, n_bytes != 0 ? 1 : 0);
	ahci_issue(port);
	scope_begin(task, &scope);
	scope_set_deadline(&scope, task_now_ns(task) + AHCI_TIMEOUT_NS);
	int error = 0;

	while (error == 0 && (port->active & 1) != 0 && !port->has_failed) {
		error = wait_on(task, &port->news);
	}
	int joined = scope_join(&scope);

	port->active &= ~1u;
	if (error == 0 && joined == 0 && !port->has_failed &&
		(mmio_read32(port->registers, PORT_TASK_FILE) & ATA_STATUS_ERROR) == 0) {
		return 0;
	}
	return error != 0 ? error : joined != 0 ? joined : -ERR_IO;
}

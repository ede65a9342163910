/* SPDX-License-Identifier: MIT */
/* A port and its task: disks that come, fail and go. See ahci.h. */
#include "ahci.h"

#include <base/errors.h>
#include <base/format.h>
#include <base/string.h>

#define COMMAND_START     (1u << 0)
#define COMMAND_SPIN_UP   (1u << 1)
#define COMMAND_POWER_ON  (1u << 2)
#define COMMAND_FIS       (1u << 4)
#define COMMAND_FIS_RUNS  (1u << 14)
#define COMMAND_RUNS      (1u << 15)
#define STATUS_DETECTED   0xfu
#define STATUS_PRESENT    3u
#define CONTROL_RESET     1u
#define CONTROL_NO_SLEEP  0x300u
#define TASK_BUSY         0x88u
#define SIGNATURE_DISK    0x00000101u
#define STOP_NS           UINT64_C(500000000)
#define READY_NS          UINT64_C(10000000000)
#define RESET_NS          UINT64_C(2000000)
#define STEP_NS           UINT64_C(1000000)
#define FIS_BYTES         256
#define LOG_QUEUED_ERRORS 0x10
#define LOG_NOT_QUEUED    0x80u

/* ---- the engine ------------------------------------------------------------------------------ */

static int await_bits(
	struct task *task, struct mmio registers, size_t offset, uint32_t bits, uint64_t time_ns)
{
	uint64_t deadline_ns = task_now_ns(task) + time_ns;

	while ((mmio_read32(registers, offset) & bits) != 0) {
		if (task_now_ns(task) >= deadline_ns) {
			return -ERR_TIMED_OUT;
		}
		int error = task_sleep_until(task, task_now_ns(task) + STEP_NS);

		if (error != 0) {
			return error;
		}
	}
	return 0;
}

static int port_stop(struct task *task, struct ahci_port *port)
{
	struct mmio registers = port->registers;
	uint32_t command = mmio_read32(registers, PORT_COMMAND);

	mmio_write32(registers, PORT_COMMAND, command & ~COMMAND_START);
	int error = await_bits(task, registers, PORT_COMMAND, COMMAND_RUNS, STOP_NS);

	if (error == 0) {
		command = mmio_read32(registers, PORT_COMMAND);
		mmio_write32(registers, PORT_COMMAND, command & ~COMMAND_FIS);
		error = await_bits(task, registers, PORT_COMMAND, COMMAND_FIS_RUNS, STOP_NS);
	}
	return error;
}

static void write_address(struct mmio registers, size_t offset, uint64_t address)
{
	mmio_write32(registers, offset, (uint32_t)address);
	mmio_write32(registers, offset + 4, (uint32_t)(address >> 32));
}

static void clear_errors(struct mmio registers)
{
	mmio_write32(registers, PORT_ERROR, UINT32_MAX);
	mmio_write32(registers, PORT_INTERRUPTS, UINT32_MAX);
}

static int port_start(struct task *task, struct ahci_port *port)
{
	struct mmio registers = port->registers;

	clear_errors(registers);
	write_address(registers, PORT_LIST, dma_address(&port->memory, port->list));
	write_address(registers, PORT_FIS,
		port->memory.address + AHCI_SLOTS * sizeof(struct ahci_header));
	mmio_write32(registers, PORT_COMMAND,
		mmio_read32(registers, PORT_COMMAND) | COMMAND_FIS | COMMAND_SPIN_UP |
			COMMAND_POWER_ON);
	int error = await_bits(task, registers, PORT_TASK_FILE, TASK_BUSY, READY_NS);

	if (error == 0) {
		mmio_write32(registers, PORT_COMMAND,
			mmio_read32(registers, PORT_COMMAND) | COMMAND_START);
	}
	return error;
}

/* Section 10.4.2: the link is taken down and comes up again. */
static int port_reset(struct task *task, struct ahci_port *port)
{
	struct mmio registers = port->registers;
	uint64_t deadline_ns = task_now_ns(task) + READY_NS;

	mmio_write32(registers, PORT_CONTROL, CONTROL_NO_SLEEP | CONTROL_RESET);
	int error = task_sleep_until(task, task_now_ns(task) + RESET_NS);

	mmio_write32(registers, PORT_CONTROL, CONTROL_NO_SLEEP);
	while (error == 0 &&
		(mmio_read32(registers, PORT_STATUS) & STATUS_DETECTED) != STATUS_PRESENT) {
		error = task_now_ns(task) >= deadline_ns
			? -ERR_END_OF_LANE
			: task_sleep_until(task, task_now_ns(task) + STEP_NS);
	}
	return error;
}

static bool is_present(const struct ahci_port *port)
{
	return (mmio_read32(port->registers, PORT_STATUS) & STATUS_DETECTED) == STATUS_PRESENT;
}

/* ---- what the disk is ------------------------------------------------------------------------ */

static void choose_abilities(
	const struct ahci_port *port, const struct ata_identity *identity, struct ahci_disk *disk)
{
	disk->depth = port->ahci->has_queuing
		? (uint32_t)min_u64(identity->depth, port->ahci->n_slots)
		: 1;
	/* what is queued has FUA always; other writes if the disk says so */
	disk->has_fua = disk->depth > 1 || identity->has_fua;
	memcpy(disk->serial, identity->serial, sizeof(disk->serial));
	memcpy(disk->model, identity->model, sizeof(disk->model));
}

static int describe_device(struct ahci_port *port, struct ahci_disk *disk)
{
	struct ata_identity identity;

	ata_identity_read(port->buffer.data, &identity);
	if (!ata_identity_is_usable(&identity) || !identity.has_long) {
		return -ERR_UNSUPPORTED; /* no 48-bit addresses, or odd blocks */
	}
	uint32_t block = identity.logical_block_bytes;

	choose_abilities(port, &identity, disk);
	format_to(disk->name, sizeof(disk->name), "%sp%u", port->ahci->name, port->number);
	disk->device = (struct block_device){
		.driver = &ahci_driver,
		.loop = &port->ahci->loop->loop,
		.name = disk->name,
		.model = disk->model,
		.serial = disk->serial,
		.features = (identity.has_cache ? BLOCK_FEATURE_WRITE_CACHE : 0) |
			(disk->has_fua ? BLOCK_FEATURE_FUA : 0) |
			(identity.has_trim ? BLOCK_FEATURE_DISCARD : 0) |
			(identity.is_rotational ? BLOCK_FEATURE_ROTATIONAL : 0),
		.size_bytes = identity.n_blocks * block,
		.logical_block_bytes = block,
		.physical_block_bytes = identity.physical_block_bytes,
		.transfer_bytes_max = BLOCK_TRANSFER_MAX,
		.extents_max = AHCI_EXTENTS_MAX,
		.extent_bytes_max = BLOCK_TRANSFER_MAX,
		.memory_alignment = 2,
		.discard_bytes_max = ATA_TRIM_BLOCKS_MAX * block,
		.discard_alignment = block,
		.n_queues = 1,
		.depth = disk->depth,
		.has_dma = true,
		.dma_space = port->ahci->dma_space,
	};
	block_device_init(&disk->device);
	return 0;
}

/* ---- the task -------------------------------------------------------------------------------- */

static int await_disk(struct task *task, struct ahci_port *port)
{
	int error = 0;

	while (error == 0 && !is_present(port)) {
		error = wait_on(task, &port->news);
	}
	return error;
}

static int start_disk(struct task *task, struct ahci_port *port)
{
	const struct ata_command identify = { .command = ATA_IDENTIFY };
	int error = port_stop(task, port);

	port->state = AHCI_STARTING;
	if (error == 0) {
		error = port_reset(task, port);
	}
	if (error == 0) {
		error = port_start(task, port);
	}
	if (error == 0 && mmio_read32(port->registers, PORT_SIGNATURE) != SIGNATURE_DISK) {
		return -ERR_UNSUPPORTED; /* a drive for discs, or a port multiplier */
	}
	if (error == 0) {
		error = ahci_do(task, port, &identify, ATA_SECTOR_BYTES);
	}
	struct ahci_disk *disk = error == 0 ? helix_calloc(1, sizeof(*disk)) : NULL;

	if (disk == NULL) {
		return error != 0 ? error : -ERR_NO_MEMORY;
	}
	disk->port = port;
	error = describe_device(port, disk);
	if (error != 0) {
		helix_free(disk);
		return error;
	}
	port->disk = disk;
	port->has_failed = port->has_changed = false;
	port->state = AHCI_READY;
	return block_publish(task, &disk->device, helix_start_handle("mbus"));
}

/*
 * Which command of @active was it? Asking for that also lets the disk go on (ACS-3, section 9.14).
 * AHCI_SLOTS: there are several, and the disk does not say.
 */
static uint32_t ask_failed(struct task *task, struct ahci_port *port, uint32_t active)
{
	const struct ata_command read_log = {
		.command = ATA_READ_LOG_EXT,
		.lba = LOG_QUEUED_ERRORS,
		.count = 1,
	};
	bool is_known =
		port->disk->depth > 1 && ahci_do(task, port, &read_log, ATA_SECTOR_BYTES) == 0;
	uint32_t told = is_known ? port->buffer.data[0] : LOG_NOT_QUEUED;

	if ((told & LOG_NOT_QUEUED) == 0 && (active >> (told & 31u) & 1) != 0) {
		return told & 31u;
	}
	return is_power_of_two(active) ? (uint32_t)__builtin_ctz(active) : AHCI_SLOTS;
}

static int restart(struct task *task, struct ahci_port *port, bool is_reset)
{
	int error = port_stop(task, port);

	if (error != 0 || is_reset ||
		(mmio_read32(port->registers, PORT_TASK_FILE) & TASK_BUSY) != 0) {
		error = port_reset(task, port);
	}
	return error != 0 ? error : port_start(task, port);
}

/* Slot 0 is wanted for asking; what was there is put back behind it. */
static int find_failed(struct task *task, struct ahci_port *port, uint32_t *out_failed)
{
	struct ahci_slot first = port->slots[0];
	uint32_t active = port->active, prepared = port->prepared;
	int error = 0;

	port->active = port->queued = port->prepared = 0;
	*out_failed = ask_failed(task, port, active);
	if (port->has_failed) {
		/* it does not know that log: a reset lets it go on, too */
		port->has_failed = false;
		error = restart(task, port, true);
	}
	port->slots[0] = first;
	port->active = active;
	port->prepared = prepared;
	return error;
}

/* The port has stopped, or has to be. */
static int recover(struct task *task, struct ahci_port *port, bool is_late)
{
	uint32_t failed = AHCI_SLOTS;

	ahci_take(port); /* what was finished before */
	port->state = AHCI_RECOVERING;
	port->has_failed = false;
	bool is_asked = !is_late && port->active != 0;
	int error = restart(task, port, is_late);

	if (error == 0 && is_asked) {
		error = find_failed(task, port, &failed);
	}
	if (error == 0) {
		port->state = AHCI_READY;
		ahci_resubmit(port, failed, is_late, is_asked && failed == AHCI_SLOTS);
		block_settle(&port->disk->device);
	}
	return error;
}

static int serve(struct task *task, struct ahci_port *port)
{
	int error = 0;

	while (error == 0 && is_present(port)) {
		uint64_t now_ns = task_now_ns(task);
		bool is_late = ahci_is_late(port, now_ns);

		if (port->has_failed || is_late) {
			helix_log(HEL_LOG_WARNING, "%s: %s", port->disk->name,
				is_late ? "no answer" : "an error");
			error = recover(task, port, is_late);
			continue;
		}
		struct wait_op news;
		struct scope scope;

		scope_begin(task, &scope);
		scope_set_deadline(&scope, now_ns + AHCI_LOOK_NS);
		wait_op_init(&news, &port->news);
		(void)!await(task, &news.op);
		(void)!scope_join(&scope);
		error = task_check(task);
	}
	return error;
}

static void lose_disk(struct ahci_port *port)
{
	struct ahci_disk *disk = port->disk;

	port->state = AHCI_EMPTY;
	port->disk = NULL;
	if (disk != NULL) {
		helix_log(HEL_LOG_INFO, "%s is gone", disk->name);
		ahci_abandon(port);
		/* clients may still have it: its memory stays */
		block_gone(&disk->device);
	}
}

static int port_run(struct task *task, void *argument)
{
	struct ahci_port *port = argument;

	while (task_check(task) == 0 && await_disk(task, port) == 0) {
		int error = start_disk(task, port);

		if (error == 0) {
			error = serve(task, port);
		} else if (error != -ERR_UNSUPPORTED) {
			helix_log(HEL_LOG_WARNING, "%s, port %u: %s", port->ahci->name,
				port->number, error_text(error));
		}
		lose_disk(port);
		while (task_check(task) == 0 && is_present(port)) {
			if (wait_on(task, &port->news) != 0) {
				break;
			}
		}
	}
	return 0;
}

/* ---- interrupts ------------------------------------------------------------------------------ */

void ahci_port_interrupt(struct ahci_port *port)
{
	uint32_t interrupts = mmio_read32(port->registers, PORT_INTERRUPTS);

	mmio_write32(port->registers, PORT_INTERRUPTS, interrupts);
	if ((interrupts & (INTERRUPT_CONNECT | INTERRUPT_PHY)) != 0) {
		mmio_write32(port->registers, PORT_ERROR, UINT32_MAX);
		port->has_changed = true;
	}
	if ((interrupts & INTERRUPT_ERRORS) != 0) {
		port->has_failed = true;
	} else if (port->state == AHCI_READY || port->state == AHCI_STARTING ||
		port->state == AHCI_RECOVERING) {
		ahci_take(port);
	}
	if (port->has_failed || port->has_changed) {
		port->has_changed = false;
		wait_queue_wake(&port->news);
	}
	if (port->state == AHCI_READY && port->disk != NULL) {
		block_settle(&port->disk->device);
	}
}

void ahci_port_end(struct ahci_port *port)
{
	if (port->job.task != NULL) {
		job_cancel(&port->job, -ERR_END_OF_LANE); /* which loses the disk */
	} else {
		lose_disk(port);
	}
}

int ahci_port_init(struct ahci *ahci, uint32_t number)
{
	struct ahci_port *port = helix_calloc(1, sizeof(*port));
	size_t list_bytes = AHCI_SLOTS * sizeof(struct ahci_header);
	size_t tables_at = align_up_size(list_bytes + FIS_BYTES, 128);

	if (port == NULL) {
		return -ERR_NO_MEMORY;
	}
	port->ahci = ahci;
	port->number = number;
	port->registers = (struct mmio){
		.base = ahci->registers.base + 0x100 + number * 0x80,
		.size = 0x80,
	};
	wait_queue_init(&port->news);
	int error = dma_allocate(
		&port->memory, ahci->dma_space, tables_at + AHCI_SLOTS * sizeof(struct ahci_table));

	if (error == 0) {
		error = dma_allocate(&port->buffer, ahci->dma_space, HEL_PAGE_SIZE);
	}
	if (error != 0) {
		dma_free(&port->memory);
		helix_free(port);
		return error;
	}
	port->list = (struct ahci_header *)port->memory.data;
	port->tables = (struct ahci_table *)(port->memory.data + tables_at);
	ahci->ports[number] = port;
	mmio_write32(port->registers, PORT_INTERRUPTS_ENABLED,
		INTERRUPT_DEVICE_FIS | INTERRUPT_PIO | INTERRUPT_SET_BITS | INTERRUPT_CONNECT |
			INTERRUPT_PHY | INTERRUPT_ERRORS);
	job_init(&port->job, "port", port_run, port);
	job_submit(&ahci->loop->loop, &port->job);
	return 0;
}

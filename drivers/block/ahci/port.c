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
#define ATA_IDENTIFY      0xec
#define ATA_READ_LOG      0x2f
#define LOG_QUEUED_ERRORS 0x10
#define LOG_NOT_QUEUED    0x80u
#define ATA_SECTOR        512
#define TRIM_BYTES_MAX    (64 * UINT64_C(65535) * 512)

/* Words of what IDENTIFY DEVICE tells (ACS-3, section 7.12.7). */
enum identify_word {
	WORD_SERIAL = 10, /* 20 bytes */
	WORD_MODEL = 27, /* 40 bytes */
	WORD_DEPTH = 75,
	WORD_SATA = 76,
	WORD_COMMANDS = 83,
	WORD_COMMANDS_MORE = 84,
	WORD_ENABLED = 85,
	WORD_SECTORS = 100,
	WORD_SECTOR_SIZES = 106,
	WORD_LOGICAL_WORDS = 117,
	WORD_TRIM = 169,
};

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

static uint16_t word_at(const struct ahci_port *port, size_t word)
{
	const uint8_t *bytes = port->buffer.data + 2 * word;

	return (uint16_t)(bytes[0] | bytes[1] << 8);
}

/* The bytes of each word are in the wrong order; filled up with spaces. */
static void copy_text(const struct ahci_port *port, size_t word, size_t size, char *out_text)
{
	for (size_t i = 0; i < size; i += 2) {
		out_text[i] = (char)(word_at(port, word + i / 2) >> 8);
		out_text[i + 1] = (char)word_at(port, word + i / 2);
	}
	while (size > 0 && (out_text[size - 1] == ' ' || out_text[size - 1] == '\0')) {
		size--;
	}
	out_text[size] = '\0';
}

static uint32_t logical_block_of(const struct ahci_port *port)
{
	uint16_t sizes = word_at(port, WORD_SECTOR_SIZES);
	bool has_sizes = (sizes & 0xc000) == 0x4000;

	return has_sizes && (sizes & 1u << 12) != 0 ? 2u *
			(word_at(port, WORD_LOGICAL_WORDS) |
				(uint32_t)word_at(port, WORD_LOGICAL_WORDS + 1) << 16)
						    : ATA_SECTOR;
}

static uint32_t physical_block_of(const struct ahci_port *port, uint32_t logical)
{
	uint16_t sizes = word_at(port, WORD_SECTOR_SIZES);
	bool has_exponent = (sizes & 0xc000) == 0x4000 && (sizes & 1u << 13) != 0;

	return has_exponent ? logical << (sizes & 7) : logical;
}

static void read_abilities(const struct ahci_port *port, struct ahci_disk *disk)
{
	bool has_queuing = port->ahci->has_queuing && (word_at(port, WORD_SATA) & 1u << 8) != 0;
	uint32_t depth = (word_at(port, WORD_DEPTH) & 31u) + 1;

	disk->depth = has_queuing ? (uint32_t)min_u64(depth, port->ahci->n_slots) : 1;
	/* what is queued has FUA always; other writes if the disk says so */
	disk->has_fua = disk->depth > 1 || (word_at(port, WORD_COMMANDS_MORE) & 1u << 6) != 0;
	disk->has_cache = (word_at(port, WORD_ENABLED) & 1u << 5) != 0;
	disk->has_trim = (word_at(port, WORD_TRIM) & 1) != 0;
	copy_text(port, WORD_SERIAL, sizeof(disk->serial) - 1, disk->serial);
	copy_text(port, WORD_MODEL, sizeof(disk->model) - 1, disk->model);
}

static int describe_device(struct ahci_port *port, struct ahci_disk *disk)
{
	uint64_t n_blocks = 0;
	uint32_t block = logical_block_of(port);

	if ((word_at(port, WORD_COMMANDS) & 1u << 10) == 0 || !is_power_of_two(block) ||
		block < ATA_SECTOR || block > HEL_PAGE_SIZE) {
		return -ERR_UNSUPPORTED; /* no 48-bit addresses, or odd blocks */
	}
	for (size_t i = 0; i < 4; i++) {
		n_blocks |= (uint64_t)word_at(port, WORD_SECTORS + i) << (16 * i);
	}
	read_abilities(port, disk);
	format_to(disk->name, sizeof(disk->name), "%sp%u", port->ahci->name, port->number);
	disk->device = (struct block_device){
		.driver = &ahci_driver,
		.loop = &port->ahci->loop->loop,
		.name = disk->name,
		.model = disk->model,
		.serial = disk->serial,
		.features = (disk->has_cache ? BLOCK_FEATURE_WRITE_CACHE : 0) |
			(disk->has_fua ? BLOCK_FEATURE_FUA : 0) |
			(disk->has_trim ? BLOCK_FEATURE_DISCARD : 0),
		.size_bytes = (n_blocks & ((UINT64_C(1) << 48) - 1)) * block,
		.logical_block_bytes = block,
		.physical_block_bytes = physical_block_of(port, block),
		.transfer_bytes_max = BLOCK_TRANSFER_MAX,
		.extents_max = AHCI_EXTENTS_MAX,
		.extent_bytes_max = BLOCK_TRANSFER_MAX,
		.memory_alignment = 2,
		.discard_bytes_max = TRIM_BYTES_MAX,
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
		error = ahci_do(task, port, &identify, ATA_SECTOR);
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
 * Which command was it? Asking for that also lets the disk go on (ACS-3, section 9.14). Always one
 * of @active, which is not 0: whatever the disk says, the next time there is one less.
 */
static uint32_t find_failed(struct task *task, struct ahci_port *port, uint32_t active)
{
	const struct ata_command read_log = {
		.command = ATA_READ_LOG,
		.lba = LOG_QUEUED_ERRORS,
		.count = 1,
	};
	uint32_t any = (uint32_t)__builtin_ctz(active);

	if (port->disk->depth == 1 || ahci_do(task, port, &read_log, ATA_SECTOR) != 0) {
		return any;
	}
	uint32_t told = port->buffer.data[0];

	return (told & LOG_NOT_QUEUED) == 0 && (active >> (told & 31u) & 1) != 0 ? told & 31u : any;
}

/* The port has stopped, or has to be. */
static int recover(struct task *task, struct ahci_port *port, bool is_late)
{
	uint32_t active, failed = AHCI_SLOTS;
	struct block_request *first = NULL;

	ahci_take(port); /* what was finished before */
	active = port->active | port->prepared;
	port->state = AHCI_RECOVERING;
	port->has_failed = false;
	int error = port_stop(task, port);

	if (error != 0 || is_late ||
		(mmio_read32(port->registers, PORT_TASK_FILE) & TASK_BUSY) != 0) {
		error = port_reset(task, port);
	}
	if (error == 0) {
		error = port_start(task, port);
	}
	if (error == 0 && !is_late && active != 0) {
		/* slot 0 is wanted for asking; what was there is put back behind it */
		first = port->slots[0].request;

		struct ata_command command = port->slots[0].command;

		port->active = port->queued = port->prepared = 0;
		failed = find_failed(task, port, active);
		port->slots[0].request = first;
		port->slots[0].command = command;
		port->active = active;
	}
	if (error == 0) {
		port->state = AHCI_READY;
		ahci_resubmit(port, failed);
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

	while (await_disk(task, port) == 0) {
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

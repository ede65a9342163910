/* SPDX-License-Identifier: MIT */
/*
 * AHCI controllers (Serial ATA AHCI 1.3.1) and the disks behind their ports (ACS-3).
 *
 * A port has up to 32 commands, each a *slot* with a table: the command's FIS and where its data
 * are. Disks with native command queuing get reads and writes all at once; everything else is done
 * alone, so it waits until the queue is empty, and nothing overtakes it meanwhile.
 *
 * Each port has a task, which does what takes time, and is told by the interrupt:
 *
 *	EMPTY --a device is there--> STARTING --identified--> READY --error, too late--> RECOVERING
 *	  ^                             |                      | ^                          |
 *	  +-------- no disk, or gone ---+----------------------+ +---- started again -------+
 *
 * After an error the port has stopped. The disk tells which command it was (its log of queued
 * errors); that one fails, all others are submitted again. If it does not tell, they are submitted
 * one by one, and nothing new meanwhile, until it is known. After a reset because there was no
 * answer all are submitted again, but not more than AHCI_TRIES_MAX times.
 */
#ifndef DRIVERS_BLOCK_AHCI_AHCI_H
#define DRIVERS_BLOCK_AHCI_AHCI_H

#include <async/sync.h>
#include <drivers/lib/ata/ata.h>
#include <drivers/lib/block/block.h>
#include <helix/helix.h>
#include <mmio/mmio.h>
#include <protocols/hw/hw-client.h>
#include <protocols/transport/client.h>
#include <virtio/dma.h>

#define AHCI_PORTS       32
#define AHCI_SLOTS       32
#define AHCI_EXTENTS_MAX 257 /* a transfer of 1 MiB that begins anywhere in a page */
#define AHCI_TIMEOUT_NS  UINT64_C(30000000000) /* of a command */
#define AHCI_TRIES_MAX   3
#define AHCI_LOOK_NS     UINT64_C(1000000000)

/* Registers of a port (section 3.3), from its start. */
enum ahci_port_register {
	PORT_LIST = 0x00,
	PORT_FIS = 0x08,
	PORT_INTERRUPTS = 0x10,
	PORT_INTERRUPTS_ENABLED = 0x14,
	PORT_COMMAND = 0x18,
	PORT_TASK_FILE = 0x20,
	PORT_SIGNATURE = 0x24,
	PORT_STATUS = 0x28,
	PORT_CONTROL = 0x2c,
	PORT_ERROR = 0x30,
	PORT_ACTIVE = 0x34,
	PORT_ISSUE = 0x38,
};

enum ahci_port_interrupt : uint32_t {
	INTERRUPT_DEVICE_FIS = 1u << 0,
	INTERRUPT_PIO = 1u << 1,
	INTERRUPT_SET_BITS = 1u << 3,
	INTERRUPT_CONNECT = 1u << 6,
	INTERRUPT_PHY = 1u << 22,
	INTERRUPT_ERRORS = 0x7d000000u | 1u << 4, /* and of task files, of the bus, of the FIS */
};

/* An entry of the command list (section 4.2.2). */
struct ahci_header {
	uint32_t flags; /* length of the FIS in words, write, and in the upper half the entries */
	uint32_t n_bytes; /* that were transferred */
	uint64_t table;
	uint64_t reserved[2];
};

struct ahci_region {
	uint64_t address;
	uint32_t reserved;
	uint32_t length; /* minus 1 */
};

struct ahci_table {
	uint8_t fis[64];
	uint8_t atapi[64];
	struct ahci_region regions[AHCI_EXTENTS_MAX];
	uint8_t padding[112]; /* tables are aligned to 128 bytes */
};

static_assert(sizeof(struct ahci_header) == 32);
static_assert(sizeof(struct ahci_table) % 128 == 0);

/* A command, as ATA knows it. */
struct ata_command {
	uint8_t command;
	uint64_t lba;
	uint32_t features, count, device;
	bool is_write, is_queued;
};

struct ahci;
struct ahci_port;

struct ahci_disk {
	struct block_device device;
	struct ahci_port *port;
	char name[48], model[41], serial[21];
	uint32_t depth; /* 1: no queuing */
	bool has_fua;
};

enum ahci_state { AHCI_EMPTY, AHCI_STARTING, AHCI_READY, AHCI_RECOVERING };

struct ahci_slot {
	struct block_request *request; /* NULL: free, or the task's command */
	uint64_t since_ns;
	uint32_t n_tries; /* resets because there was no answer */
	struct ata_command command;
};

struct ahci_port {
	struct ahci *ahci;
	uint32_t number;
	struct mmio registers;
	enum ahci_state state;
	struct dma_memory memory; /* list, received FIS, tables */
	struct dma_memory buffer; /* a page: what disks tell, ranges to be trimmed */
	struct ahci_header *list;
	struct ahci_table *tables;
	uint32_t active; /* slots that the disk has */
	uint32_t queued; /* those of them that are queued commands */
	uint32_t prepared; /* slots that wait for the doorbell */
	uint32_t careful; /* slots that wait until they are alone */
	struct ahci_slot slots[AHCI_SLOTS];
	struct ahci_disk *disk; /* while one is there */
	bool has_failed, has_changed; /* since the task looked last */
	struct wait_queue news; /* of those, and of the task's command */
	struct job job;
};

struct ahci {
	struct helix_loop *loop;
	struct transport_client hw;
	struct mmio registers;
	hel_handle irq, dma_space;
	uint64_t irq_sequence;
	uint32_t n_slots;
	bool has_queuing;
	char name[40];
	struct ahci_port *ports[AHCI_PORTS];
	struct hw_removal removal;
	bool is_removed, is_gone; /* it is taken out, or is out already */
	struct job job;
};

/* ---- controller.c */

/** ahci_run() - drive a controller until it is gone; @lane: of the PCI function, taken */
MUST_USE int ahci_run(struct task *task, struct ahci *ahci, hel_handle lane);

/* ---- port.c */

/** ahci_port_init() - memory and registers of a port; its task begins by itself */
MUST_USE int ahci_port_init(struct ahci *ahci, uint32_t number);

/** ahci_port_end() - the controller does nothing any more: the disk is gone, and the task ends */
void ahci_port_end(struct ahci_port *port);

/** ahci_port_interrupt() - take what is finished, tell the task of the rest */
void ahci_port_interrupt(struct ahci_port *port);

/* ---- command.c */

/** ahci_driver - what the class calls */
extern const struct block_driver ahci_driver;

/** ahci_prepare() - write a slot's table and header; its data are those extents */
void ahci_prepare(struct ahci_port *port, uint32_t slot, const struct ata_command *command,
	const struct block_extent *extents, uint32_t n_extents);

/** ahci_issue() - give the disk what is prepared */
void ahci_issue(struct ahci_port *port);

/** ahci_take() - end what the disk has finished */
void ahci_take(struct ahci_port *port);

/** ahci_slots_in_use() - those that a request has */
static inline uint32_t ahci_slots_in_use(const struct ahci_port *port)
{
	return port->active | port->prepared | port->careful;
}

/**
 * ahci_resubmit() - issue again all that the disk had
 * @failed: but this slot, which failed; AHCI_SLOTS: none did, or nobody knows which
 * @is_late: there was no answer; that is counted
 * @is_careful: one by one
 */
void ahci_resubmit(struct ahci_port *port, uint32_t failed, bool is_late, bool is_careful);

/** ahci_abandon() - the disk is gone */
void ahci_abandon(struct ahci_port *port);

/** ahci_is_late() - whether something is under way for too long */
bool ahci_is_late(const struct ahci_port *port, uint64_t now_ns);

/**
 * ahci_do() - a command of the task's own, in slot 0, with port->buffer for its data
 * @n_bytes: of those, 0: none
 *
 * Nothing else is under way. Return: 0, -ERR_IO, -ERR_TIMED_OUT, the reason of a cancel.
 */
MUST_USE int ahci_do(struct task *task, struct ahci_port *port, const struct ata_command *command,
	uint32_t n_bytes);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * IDE controllers on PCI (PCI IDE Controller Specification 1.0, Programming Interface for Bus
 * Master IDE Controller 1.0) and the drives behind them: disks (ACS-3), and drives for discs, which
 * take SCSI commands in packets (packet.c).
 *
 * A controller has two *channels* with up to two drives each. The drives of a channel share its
 * ports, its interrupt and its bus master, so it does one command at a time; all that it does, its
 * task does, in sequence:
 *
 *	reset, identify, publish
 *	   |
 *	   v
 *	take a request --> commands --> complete it --+
 *	   ^                  |                       |
 *	   |              no answer, or damaged: reset the channel and try again, at most
 *	   |              IDE_TRIES_MAX times. A drive that is not there any more is gone.
 *	   +------------------------------------------+
 *
 * A command ends with an interrupt; one that gets lost is found by looking once in a while. While
 * the channel is reset and drives are identified there are no interrupts, only looking.
 *
 * Data go by DMA if the controller and the drive can, with a table of regions for the bus master;
 * otherwise in words through the data port (PIO), as with `ide.dma=off` on the command line. The
 * bus master reaches 4 GiB. Memory beyond that, and all that goes through the data port, is copied
 * by way of the channel's buffer.
 */
#ifndef DRIVERS_BLOCK_IDE_IDE_H
#define DRIVERS_BLOCK_IDE_IDE_H

#include <async/sync.h>
#include <drivers/lib/ata/ata.h>
#include <drivers/lib/block/block.h>
#include <helix/helix.h>
#include <protocols/transport/client.h>
#include <virtio/dma.h>

#define IDE_CHANNELS     2
#define IDE_UNITS        2
#define IDE_ADDRESS_BITS 32
#define IDE_REGION_BYTES KIB(64) /* at most; none crosses a multiple of that */
#define IDE_EXTENTS_MAX  257 /* a transfer of 1 MiB that begins anywhere in a page */
#define IDE_BUFFER_BYTES KIB(64)
#define IDE_PACKET_BYTES 12
#define IDE_TIMEOUT_NS   UINT64_C(30000000000) /* of a command */
#define IDE_IDENTIFY_NS  UINT64_C(5000000000)
#define IDE_TRIES_MAX    3 /* besides the first one */

/* The command block, from its first port. */
enum ide_register {
	IDE_DATA = 0,
	IDE_ERROR = 1, /* read */
	IDE_FEATURES = 1, /* written */
	IDE_COUNT = 2,
	IDE_LBA_LOW = 3,
	IDE_LBA_MIDDLE = 4, /* of packets: bytes of a transfer, low */
	IDE_LBA_HIGH = 5, /* and high */
	IDE_DEVICE = 6,
	IDE_STATUS = 7, /* reading it ends the interrupt */
	IDE_COMMAND = 7,
	IDE_REGISTERS = 8,
};

/* A region of memory for the bus master. */
struct ide_region {
	uint32_t address;
	uint16_t length; /* 0: 64 KiB */
	uint16_t flags;
};

enum ide_protocol { IDE_NO_DATA, IDE_PIO_IN, IDE_PIO_OUT, IDE_DMA_IN, IDE_DMA_OUT };

struct ide_command {
	enum ata_opcode opcode;
	enum ide_protocol protocol;
	bool is_long; /* registers have 48 bits of address, and 16 of the count */
	uint8_t features, device;
	uint32_t count;
	uint64_t lba;
	const uint8_t *packet; /* of ATA_PACKET: IDE_PACKET_BYTES */
	const struct block_extent *extents; /* of DMA */
	uint32_t n_extents;
	uint32_t n_bytes; /* of PIO, in the channel's buffer; packets may have fewer */
	uint32_t block_bytes; /* of PIO, what goes at once; of packets the drive decides */
	uint64_t timeout_ns;
};

struct ide;
struct ide_channel;

struct ide_drive {
	struct block_device device;
	struct ide_channel *channel;
	uint32_t unit;
	struct ata_identity identity;
	bool is_disc; /* a drive for discs: it takes packets */
	bool has_dma;
	bool has_news; /* of a disc: it may be another one */
	char name[48];
	struct block_request *request; /* that waits; NULL: none */
};

struct ide_channel {
	struct ide *ide;
	uint32_t number;
	hel_handle ports, control, bus; /* `bus` borrowed; HEL_NULL: no DMA */
	uint32_t control_offset, bus_offset;
	struct dma_memory regions; /* a page */
	struct dma_memory buffer;
	struct ide_drive *drives[IDE_UNITS];
	uint32_t turn; /* the unit whose request comes next */
	bool is_present; /* it has ports */
	bool is_polled; /* interrupts are off */
	bool is_waiting; /* for the answer to a command */
	bool is_dma_running;
	/* the answer */
	bool has_answer;
	uint8_t status, error, bus_status;
	struct wait_queue news; /* of an answer, or a request */
	struct job job;
};

/* An interrupt, and the channels that may raise it. */
struct ide_line {
	struct ide *ide;
	hel_handle irq;
	uint64_t sequence;
	uint32_t channels; /* bits */
	bool is_shared; /* with other devices */
	struct job job;
};

struct ide {
	struct helix_loop *loop;
	struct transport_client hw;
	hel_handle bus, dma_space; /* HEL_NULL: no DMA */
	char name[40];
	struct ide_channel channels[IDE_CHANNELS];
	struct ide_line lines[IDE_CHANNELS];
	uint32_t n_lines;
	struct job job;
};

/* ---- controller.c */

/** ide_run() - find the controller's channels and start their tasks; @lane: taken */
MUST_USE int ide_run(struct task *task, struct ide *ide, hel_handle lane);

/* ---- channel.c */

/** ide_channel_start() - memory of a channel; its task begins by itself; 0, -ERR_NO_MEMORY */
MUST_USE int ide_channel_start(struct ide_channel *channel);

/* ---- command.c */

/**
 * ide_do() - one command, from the registers to its answer
 * @unit: of the channel
 *
 * Return: 0; -ERR_IO: the drive says no (channel->error says more); what a reset may mend:
 * -ERR_TIMED_OUT (no answer), -ERR_AGAIN (data were damaged, or a fault of the drive). After these
 * two the bus master may still run: ide_quiet() ends that. The reason of a cancel.
 */
MUST_USE int ide_do(struct task *task, struct ide_channel *channel, uint32_t unit,
	const struct ide_command *command);

/** ide_quiet() - the bus master stops at once, and interrupts are off */
void ide_quiet(struct ide_channel *channel);

/** ide_listen() - interrupts are on */
void ide_listen(struct ide_channel *channel);

/** ide_select() - let registers be those of a drive; the bits of the device register are @device */
void ide_select(struct ide_channel *channel, uint32_t unit, uint8_t device);

/** ide_channel_interrupt() - take an answer; whether there was an interrupt of this channel */
bool ide_channel_interrupt(struct ide_channel *channel);

/** ide_await_news() - until something happens, or @deadline_ns; 0, or the reason of a cancel */
MUST_USE int ide_await_news(struct task *task, struct ide_channel *channel, uint64_t deadline_ns);

/** ide_read(), ide_write() - a register of the command block */
uint8_t ide_read(const struct ide_channel *channel, enum ide_register number);
void ide_write(const struct ide_channel *channel, enum ide_register number, uint8_t value);

/** ide_read_status() - the status, without ending an interrupt */
uint8_t ide_read_status(const struct ide_channel *channel);

/** ide_write_control() - the control register */
void ide_write_control(const struct ide_channel *channel, uint8_t value);

/* ---- request.c */

/** ide_driver - what the class calls */
extern const struct block_driver ide_driver;

/** ide_describe() - what the class has to know of a drive whose identity has been read */
MUST_USE int ide_describe(struct ide_drive *drive);

/** ide_carry_out() - a request, with all its commands; errors as those of ide_do() */
MUST_USE int ide_carry_out(
	struct task *task, struct ide_drive *drive, const struct block_request *request);

/** ide_buffer_extents() - the buffer's first @n_bytes as the bus master wants them; how many */
uint32_t ide_buffer_extents(
	const struct ide_channel *channel, uint32_t n_bytes, struct block_extent out_extents[2]);

/* ---- packet.c */

#define IDE_DISC_BLOCK_BYTES 2048

/**
 * ide_disc_read() - read blocks of a disc
 * @extents: where to; NULL: into the buffer, through the data port
 *
 * Return: as ide_do().
 */
MUST_USE int ide_disc_read(struct task *task, struct ide_drive *drive, uint32_t first,
	uint32_t n_blocks, const struct block_extent *extents, uint32_t n_extents);

/** ide_disc_look() - is there a disc, how large, is it another one? Tells the class; as ide_do() */
MUST_USE int ide_disc_look(struct task *task, struct ide_drive *drive);

#endif

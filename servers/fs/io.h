/* SPDX-License-Identifier: MIT */
/*
 * The disk as file systems see it (drivers/lib/blockfs/device.h), on top of the block protocol.
 *
 * A request of a file system may be larger than what the disk takes at once, so it is done in
 * *pieces*, each one request of the block protocol. Everything is allocated beforehand: a request
 * never fails for want of memory, it waits.
 *
 *	started --> waiting --a flight is free--> in flight: cut into pieces, as some are free
 *	                                              | all of them have been answered
 *	                                              v
 *	                                          completed, with the first error
 *
 * Flights get pieces in the order in which they came. A request in flight cannot be cancelled, one
 * that waits can. After an error nothing more of that request is begun.
 *
 * `memory` of a device_buffer is the address of a struct io_memory. Lengths and offsets of buffers
 * are multiples of the disk's logical block, or there is just one buffer.
 */
#ifndef FS_IO_H
#define FS_IO_H

#include <drivers/lib/blockfs/device.h>
#include <protocols/block/block-client.h>

/** IO_SLOTS - requests that the driver is given at once */
#define IO_SLOTS          128
#define IO_PIECES         IO_SLOTS
#define IO_FLIGHTS        256
#define IO_PIECE_SEGMENTS 64
#define IO_GUESTS_MAX     16

/* A memory object that requests can name: attached to the disk. */
struct io_memory {
	hel_handle handle;
	uint32_t id;
};

/* Memory of a client that was attached for a transfer, and is kept for the next one. */
struct io_guest {
	struct list_node node; /* of io->guests, the one that was used last at the end */
	struct io_memory memory;
	uint64_t identity;
	uint32_t rights; /* of the descriptor: another one may allow less */
	uint32_t n_users;
};

struct io_flight {
	struct list_node node; /* on `free_flights`, or on `cutting` */
	struct device_request *request;
	/* what has not been begun */
	uint64_t position, left;
	size_t buffer;
	uint64_t inside; /* the buffer */
	uint32_t n_pieces; /* under way */
	bool is_cut;       /* nothing is left to begin */
	uint64_t since_ns;
	int error;
};

struct io_piece {
	struct list_node node; /* on `free_pieces` */
	struct io *io;
	struct io_flight *flight;
	struct block_op request;
	struct block_segment segments[IO_PIECE_SEGMENTS];
};

struct io {
	struct device device;
	struct block_disk *disk; /* borrowed */
	struct list waiting;     /* struct device_request.op.node */
	struct list cutting;     /* struct io_flight.node */
	struct list free_flights, free_pieces;
	struct io_flight *flights;
	struct io_piece *pieces;
	struct list guests; /* struct io_guest.node */
	uint32_t n_guests;
};

/**
 * io_init() - make a device of an open disk
 * @disk: borrowed until io_deinit()
 *
 * Return: 0, -ERR_NO_MEMORY.
 */
MUST_USE int io_init(struct io *io, struct block_disk *disk);

/** io_deinit() - nothing is in flight */
void io_deinit(struct io *io);

/** io_update() - the disk's geometry may have changed */
void io_update(struct io *io);

/** io_memory_attach() - let requests name @handle, which is borrowed until io_memory_detach() */
MUST_USE int io_memory_attach(
	struct task *task, struct io *io, hel_handle handle, struct io_memory *out_memory);

/** io_memory_attach_kept() - the same for memory of many requests: block_disk_attach_kept() */
MUST_USE int io_memory_attach_kept(
	struct task *task, struct io *io, hel_handle handle, struct io_memory *out_memory);

/** io_memory_detach() - nothing in flight names it */
void io_memory_detach(struct task *task, struct io *io, struct io_memory *memory);

/**
 * io_guest_get() - a client's memory, for one transfer
 * @handle: taken in any case
 *
 * A client that does many uses the same memory for them, so IO_GUESTS_MAX stay attached.
 */
MUST_USE int io_guest_get(
	struct task *task, struct io *io, hel_handle handle, struct io_guest **out_guest);

/** io_guest_put() - the transfer has ended so: after an error the memory is not kept */
void io_guest_put(struct task *task, struct io *io, struct io_guest *guest, int error);

/** io_guests_drop() - forget those that are not used */
void io_guests_drop(struct task *task, struct io *io);

/** io_buffer() - a range of attached memory, which is mapped at @address or not (NULL) */
static inline struct device_buffer io_buffer(
	const struct io_memory *memory, uint64_t offset, uint64_t length, void *address)
{
	return (struct device_buffer){
		.memory = (uint64_t)(uintptr_t)memory,
		.offset = offset,
		.length = length,
		.address = address,
	};
}

/** io_buffer_memory() - the memory that a buffer names */
static inline const struct io_memory *io_buffer_memory(const struct device_buffer *buffer)
{
	return (const struct io_memory *)(uintptr_t)buffer->memory;
}

/** io_buffer_zero() - zeros into a buffer that is not mapped, from @offset of it */
void io_buffer_zero(const struct device_buffer *buffer, uint64_t offset, uint64_t length);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * What drivers of block devices share: clients, their memory and queues (protocols/block), and the
 * way of a request to the device and back.
 *
 *	ring --taken, checked--> mapped for DMA --> pending --submit()--> the driver's
 *	  ^                                            ^                      |
 *	  |                                            +-- flush after FUA ---+ block_complete()
 *	  +---------------- answered <-- unmapped <---------------------------+
 *
 * A driver describes its device in a struct block_device, publishes it, and has two functions:
 * submit() takes a request if the device has room, commit() rings the doorbell after some. When
 * the device has finished requests it calls block_complete() for each, and block_settle() once.
 * Everything is on one loop; no function here suspends but block_publish().
 *
 * What a client says is checked here, so a driver sees only requests within the device, whole
 * blocks, extents that are aligned as it wants, and no more of them than it takes. A request that
 * is the driver's is completed exactly once, also when its client has gone: only then is its
 * memory let go.
 */
#ifndef DRIVERS_LIB_BLOCK_BLOCK_H
#define DRIVERS_LIB_BLOCK_BLOCK_H

#include <async/sync.h>
#include <protocols/block/block.gen.h>
#include <protocols/block/ring.h>
#include <protocols/svrctl/connect.h>

struct block_device;
struct block_memory;
struct block_queue;

/* A run of bytes as the device sees it. */
struct block_extent {
	uint64_t address;
	uint32_t length;
};

/* A piece of a client's memory, for devices that reach none themselves. */
struct block_piece {
	struct block_memory *memory;
	uint64_t offset;
	uint32_t length;
};

struct block_request {
	struct list_node node; /* the driver's while it has the request */
	enum block_operation operation;
	bool is_fua; /* only if the device has BLOCK_FEATURE_FUA */
	bool may_unmap;
	uint64_t position, length; /* bytes; 0 of flushes */
	/*
	 * Of reads and writes. Extents only if the device has DMA; none if the memory is beyond its
	 * dma_limit.
	 */
	const struct block_extent *extents;
	const struct block_piece *pieces;
	uint32_t n_extents, n_pieces;
	uint64_t tag; /* the driver's, for anything */
	struct block_request_internal *internal;
};

struct block_driver {
	/* Take a request for hardware queue @queue; false: there is no room, ask again later. */
	bool (*submit)(struct block_device *device, uint32_t queue, struct block_request *request);
	/* Some have been taken: let the device see them. */
	void (*commit)(struct block_device *device, uint32_t queue);
};

struct block_device {
	/* set by the driver before block_publish() */
	const struct block_driver *driver;
	struct loop *loop;
	const char *name, *model, *serial; /* as on mbus; serial may be "" */
	uint32_t features;            /* of block_feature */
	uint64_t size_bytes;
	uint32_t logical_block_bytes, physical_block_bytes, optimal_bytes;
	uint32_t transfer_bytes_max;  /* at most BLOCK_TRANSFER_MAX */
	uint32_t extents_max;         /* of one request; enough for transfer_bytes_max in pages */
	uint32_t extent_bytes_max;    /* of one extent */
	uint64_t extent_boundary;     /* that no extent crosses: a power of two; 0: none */
	uint32_t memory_alignment;    /* of addresses and lengths of extents */
	uint64_t discard_bytes_max, zeroes_bytes_max; /* of one request */
	uint32_t discard_alignment;
	uint32_t n_queues, depth;
	bool has_dma;                 /* extents, in `dma_space`; else pieces only */
	bool is_past_iommu;           /* it uses physical addresses, whatever there is */
	hel_handle dma_space;
	uint64_t dma_limit; /* the first address out of reach, such as 1 << 32; 0: none */

	/* the class' own */
	bool is_gone;
	uint32_t sequence; /* of the geometry */
	struct list clients;
	struct list pending; /* struct block_request_internal.node */
	struct list answered; /* struct block_queue.answered_node: to be told */
	struct connect_listener listener;
	hel_handle control, mbus;
	uint64_t object; /* on mbus */
	bool is_listening; /* clients may still be introduced */
	struct wait_queue quiet; /* a client has gone, or a request, or the listener */
	struct wait_queue watchers; /* of the geometry */
	uint64_t n_active; /* requests that are the driver's */
	uint32_t n_kept;   /* memories that are mapped as long as they are attached */
};

/** BLOCK_TRANSFER_MAX - bytes of one request: what one mapping for DMA holds */
#define BLOCK_TRANSFER_MAX MIB(1)

/** block_device_init() - clear what is the class' own; the rest stays */
void block_device_init(struct block_device *device);

/**
 * block_publish() - let clients find the device
 * @mbus: borrowed for as long as the device is there
 *
 * Return: 0, what mbus_publish() says.
 */
MUST_USE int block_publish(struct task *task, struct block_device *device, hel_handle mbus);

/**
 * block_complete() - a request is done
 * @request: not the driver's any more
 * @error: 0; -ERR_IO: the device could not do it; -ERR_END_OF_LANE: it is gone
 */
void block_complete(struct block_request *request, int error);

/** block_settle() - after completing some: tell clients, give the device what has waited */
void block_settle(struct block_device *device);

/** block_resized() - the device has another size, or medium */
void block_resized(struct block_device *device, uint64_t size_bytes);

/** block_gone() - the device was taken out: the driver has completed all that it had */
void block_gone(struct block_device *device);

/**
 * block_end() - the same for a device that nobody shall find any more
 *
 * Suspends until nobody knows it: then its memory can be freed. The driver goes on completing what
 * it has. Not before block_publish() has returned 0.
 */
void block_end(struct task *task, struct block_device *device);

/**
 * block_piece_read(), block_piece_write() - copy out of, or into, a client's memory
 * @at: bytes from the start of the piece
 *
 * Return: 0, what hel_memory_read() and hel_memory_write() say.
 */
MUST_USE int block_piece_read(
	const struct block_piece *piece, uint32_t at, void *buffer, size_t size);
MUST_USE int block_piece_write(
	const struct block_piece *piece, uint32_t at, const void *buffer, size_t size);

#endif

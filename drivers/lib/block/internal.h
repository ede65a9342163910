/* SPDX-License-Identifier: MIT */
/* Inside the class of block devices: see block.h. */
#ifndef DRIVERS_LIB_BLOCK_INTERNAL_H
#define DRIVERS_LIB_BLOCK_INTERNAL_H

#include <drivers/lib/block/block.h>
#include <helix/helix.h>
#include <protocols/transport/service.h>

#define BLOCK_MEMORY_CHUNK 1024 /* ids */

struct block_kept;

/* Memory that a client has attached; lives as long as a request names it. */
struct block_memory {
	hel_handle handle;
	uint32_t n_references;
	struct block_kept *kept; /* NULL: its pages are mapped for each request */
};

struct block_memory_chunk {
	struct block_memory *memories[BLOCK_MEMORY_CHUNK];
};

struct block_client {
	struct transport_service service;
	struct block_device *device;
	struct list_node node;
	struct list queues; /* struct block_queue.node */
	uint32_t n_queues;
	uint32_t queue_next; /* number of the next one */
	struct block_memory_chunk **chunks; /* by id, made when they are needed */
	uint32_t n_watches; /* calls that wait for another geometry */
	struct wait_queue queue_closed;
	bool is_closed;
};

/*
 * A client's ring.
 *
 *	OPEN --close, client gone, broken--> CLOSING --nothing under way--> freed
 */
struct block_queue {
	struct block_client *client;
	struct list_node node, answered_node;
	uint32_t number, hardware;
	struct block_ring_driver ring;
	void *memory;
	size_t memory_bytes;
	hel_handle shared; /* the ring's memory */
	bool is_alerted; /* both sides alert each other's hel queue: there are no events */
	hel_handle doorbell, answers; /* events: the client raises, we raise; or its hel queue */
	struct helix_bell bell;
	struct helix_event_op wait;
	uint64_t *under_way; /* a bit for each slot */
	uint32_t n_under_way;
	struct block_segment *segments; /* room for those of one request */
	bool is_closing;
};

/* A mapping for DMA of one request. */
struct block_mapping {
	uint64_t token;
	uint64_t size_bytes;
};

struct block_request_internal {
	struct block_request request;
	struct block_queue *queue;
	struct list_node node; /* pending */
	uint32_t slot;
	bool wants_flush; /* FUA that the device does not have */
	bool is_flushing; /* the second half of that */
	uint32_t n_mappings;
	struct block_mapping *mappings; /* behind this, as are the next two */
	struct block_extent *extents;
	struct block_piece *pieces;
};

/* ---- client.c */

/** block_client_start() - serve a client; the lane is taken on success */
MUST_USE int block_client_start(struct block_device *device, hel_handle lane);

/** block_client_check_gone() - free a client that has left, once nothing of it is under way */
void block_client_check_gone(struct block_client *client);

/** block_memory_find() - what a client has attached as @id, or NULL */
struct block_memory *block_memory_find(const struct block_client *client, uint32_t id);

/** block_memory_release() - one reference less */
void block_memory_release(struct block_device *device, struct block_memory *memory);

/* ---- kept.c */

/** block_keep() - map all of a memory for the device, if that can be had; else it is not kept */
void block_keep(struct block_device *device, struct block_memory *memory, uint64_t size_bytes);

/** block_let_go() - no request names it any more; accepts memory that is not kept */
void block_let_go(struct block_device *device, struct block_memory *memory);

/** block_kept_add() - the extents of a piece of memory that is kept; as map_piece() */
MUST_USE int block_kept_add(const struct block_device *device,
	struct block_request_internal *request, const struct block_piece *piece);

/* ---- queue.c */

/**
 * block_queue_open() - make a ring and serve it
 * @alert: the client's hel queue, taken; HEL_NULL: it waits for an event
 * @out_handles: for the client, the caller's: what block.bragi says, in that order; the last one
 * 	may be HEL_NULL
 *
 * Return: 0, -ERR_ILLEGAL_ARGS, -ERR_NO_SPACE, -ERR_NO_MEMORY.
 */
MUST_USE int block_queue_open(struct block_client *client,
	const struct block_open_queue_request *options, hel_handle alert,
	struct block_queue **out_queue, hel_handle out_handles[3]);

/** block_queue_close() - take nothing more; freed when nothing is under way */
void block_queue_close(struct block_queue *queue);

/** block_queue_answer() - a request of it is over */
void block_queue_answer(struct block_queue *queue, uint32_t slot, int error, uint64_t n_bytes);

/** block_queue_notify() - raise the event if the client sleeps */
void block_queue_notify(struct block_queue *queue);

/* ---- request.c */

/**
 * block_request_make() - check what a client wants, and prepare it for the device
 *
 * Return: 0, -ERR_ILLEGAL_ARGS (reserved fields, alignment, lengths that do not agree),
 * -ERR_OUT_OF_BOUNDS (of the device), -ERR_NOT_FOUND (memory that is not attached), -ERR_NO_RIGHTS
 * (a device that is read-only), -ERR_UNSUPPORTED (an operation the device does not have),
 * -ERR_NO_MEMORY, what mapping for DMA says.
 */
MUST_USE int block_request_make(struct block_queue *queue, uint32_t slot,
	const struct block_slot *wanted, const struct block_segment *segments,
	struct block_request_internal **out_request);

/**
 * block_add_extent() - one more run of bytes as the device sees them
 *
 * It is joined to the last one where that is allowed. Return: false: they are too many.
 */
MUST_USE bool block_add_extent(const struct block_device *device,
	struct block_request_internal *request, uint64_t address, uint64_t length);

/** block_request_release() - its memory is the client's alone again */
void block_request_release(struct block_request_internal *request);

/** block_request_free() - the same, and the request is no more */
void block_request_free(struct block_request_internal *request);

/* ---- device.c */

/** block_device_take() - a request for the device, now or later */
void block_device_take(struct block_device *device, struct block_request_internal *request);

#endif

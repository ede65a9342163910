/* SPDX-License-Identifier: MIT */
/*
 * The client's side of a block device: requests as operations, through one queue, which outlive
 * their driver.
 *
 *	block_disk_open(task, &disk, loop, mbus, "ram0", 128);
 *	block_disk_attach(task, &disk, memory, &id);
 *	block_op_init(&read, &disk, BLOCK_READ, position, &segment, 1);
 *	error = await(task, &read.op);
 *
 * An operation without a free slot waits for one, in order; an operation that is under way cannot
 * be cancelled, one that waits can. When the driver ends, nothing is lost: a task of the disk waits
 * until a driver has published a device of that name again, attaches all memory, and gives it
 * whatever was not answered once more. So a write may be done twice, which is as good as once: who
 * writes the same place again waits for the first.
 *
 *	OPEN --lane ended--> LOST --found again--> OPEN
 *	  |                    |
 *	  +-- taken out -------+--> GONE: everything ends with -ERR_END_OF_LANE
 */
#ifndef PROTOCOLS_BLOCK_BLOCK_CLIENT_H
#define PROTOCOLS_BLOCK_BLOCK_CLIENT_H

#include <async/sync.h>
#include <helix/helix.h>
#include <protocols/block/block.gen.h>
#include <protocols/block/ring.h>
#include <protocols/transport/client.h>

/** BLOCK_DISK_SEGMENTS - of one request */
#define BLOCK_DISK_SEGMENTS 256
/** BLOCK_NAME_MAX - bytes of a device's name on mbus, with its terminator */
#define BLOCK_NAME_MAX      64

enum block_disk_state { BLOCK_DISK_OPEN, BLOCK_DISK_LOST, BLOCK_DISK_GONE };

/* What block_disk_open() learns; texts are cut to fit. */
struct block_geometry {
	uint32_t features;
	uint64_t size_bytes;
	uint32_t logical_block_bytes, physical_block_bytes, optimal_bytes;
	uint32_t transfer_bytes_max, segments_max, memory_alignment;
	uint32_t n_queues, depth;
	uint64_t discard_bytes_max, zeroes_bytes_max;
	uint32_t discard_alignment;
	uint32_t sequence;
	char model[64], serial[64];
};

struct block_op {
	struct op op;
	struct block_disk *disk;
	enum block_operation operation;
	enum block_flags flags;
	uint64_t position, length;
	const struct block_segment *segments; /* borrowed until it is finished */
	uint32_t n_segments;
	bool is_under_way; /* the driver has it, or had it last */
	uint64_t n_bytes; /* result, also with an error: of the range, from its start */
};

/* Memory that requests may name. */
struct block_disk_memory {
	hel_handle handle;   /* HEL_NULL: the id is free */
	uint32_t connection; /* by which the driver has got it */
	bool is_kept;        /* mapped for the device as long as it is attached */
};

struct block_disk {
	struct loop *loop;
	hel_handle mbus; /* borrowed */
	char name[BLOCK_NAME_MAX];
	enum block_disk_state state;
	struct block_geometry geometry;
	struct transport_client client; /* of the driver's lane */
	/* the queue */
	struct block_ring_client ring;
	uint32_t n_slots;
	size_t ring_bytes;
	void *ring_memory; /* NULL: none now */
	bool is_alerted; /* both sides alert each other's hel queue; else there are events */
	hel_handle doorbell, answers; /* the driver's queue or event; our event or HEL_NULL */
	struct helix_bell bell;
	struct helix_event_op wait;
	struct block_op **under_way; /* by slot */
	uint32_t *free_slots;
	uint32_t n_free;
	struct list waiting; /* struct block_op.op.node: no slot, or no driver */
	/* memory that is attached, by id */
	struct block_disk_memory *memories;
	uint32_t n_memories, memory_hint;
	uint32_t connection; /* with a driver, counted; changes when it is found and when it goes */
	bool is_memory_added; /* while a driver is told of all memory */
	uint32_t offered; /* id that the keeper tells it just now, plus 1; 0: none */
	uint32_t n_calls; /* of others than the keeper, on the lane */
	struct wait_queue changed; /* of state and geometry */
	struct job keeper;
};

/**
 * block_disk_open() - wait for the device called @name, and open it
 * @mbus: borrowed until block_disk_close()
 * @n_slots: requests that the driver is given at once: a power of two, at most
 * 	BLOCK_LIMITS_QUEUE_SLOTS_MAX
 *
 * Return: 0, -ERR_ILLEGAL_ARGS, -ERR_NO_MEMORY, what mbus and the driver say.
 */
MUST_USE int block_disk_open(struct task *task, struct block_disk *disk, struct loop *loop,
	hel_handle mbus, const char *name, uint32_t n_slots);

/** block_disk_close() - nothing is under way any more; waits for the keeper */
void block_disk_close(struct task *task, struct block_disk *disk);

/**
 * block_disk_attach() - let requests name @memory
 * @memory: borrowed until block_disk_detach(); see block.bragi for kinds and rights
 *
 * Return: 0, -ERR_NO_SPACE (too many), -ERR_NO_MEMORY, what the driver says.
 */
MUST_USE int block_disk_attach(
	struct task *task, struct block_disk *disk, hel_handle memory, uint32_t *out_id);

/**
 * block_disk_attach_kept() - the same for memory that many requests will name
 * @memory: if it is as block.bragi wants it, requests need not have it mapped for the device
 */
MUST_USE int block_disk_attach_kept(
	struct task *task, struct block_disk *disk, hel_handle memory, uint32_t *out_id);

/** block_disk_detach() - no request names it any more */
void block_disk_detach(struct task *task, struct block_disk *disk, uint32_t id);

/** block_op_init() - a read or write of the segments' bytes together */
void block_op_init(struct block_op *request, struct block_disk *disk,
	enum block_operation operation, uint64_t position, const struct block_segment *segments,
	uint32_t n_segments);

/** block_op_init_range() - flush (0, 0), discard, or zeroes */
void block_op_init_range(struct block_op *request, struct block_disk *disk,
	enum block_operation operation, uint64_t position, uint64_t length);

#endif

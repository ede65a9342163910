/* SPDX-License-Identifier: MIT */
/*
 * A queue of a block device, in memory of the driver that its client shares.
 *
 *	struct block_ring             indexes of both sides
 *	submissions[n_slots]          numbers of slots, client to driver
 *	completions[n_slots]          answers, driver to client
 *	slots[n_slots]                requests, each with segments[n_segments]
 *
 * A request is written into a free slot, the slot's number into the next submission, and the index
 * moves on. It is the driver's until its answer is taken; then the slot is free again. There are as
 * many submissions and completions as slots, so neither can be full.
 *
 *	free --client--> submitted --driver copies it--> under way --answer--> answered
 *	 ^                                                                        |
 *	 +------------------------ the client takes the answer -------------------+
 *
 * Sleeping: who finds nothing to do sets its `sleeps`, looks once more, and waits for its event.
 * Who has moved an index reads the other's `sleeps` behind a full barrier, and if it is set
 * exchanges it for 0 and raises the event, or alerts the queue that the other waits for. So a side
 * that is busy is never told, and nothing is lost.
 *
 * Nothing here is trusted by either side. The driver copies a slot before it looks at it; an index
 * that is more than n_slots ahead, a slot that is under way already or has no number breaks the
 * queue: the driver answers no more requests of it, and closes it. Requests are answered in any
 * order, and take effect in any order: who wants one after the other waits for the first one's
 * answer. A flush makes safe what was *answered* before the flush was submitted.
 */
#ifndef PROTOCOLS_BLOCK_RING_H
#define PROTOCOLS_BLOCK_RING_H

#include <base/types.h>

enum block_operation : uint8_t {
	BLOCK_READ = 1,
	BLOCK_WRITE = 2,
	BLOCK_FLUSH = 3, /* no range, no segments */
	BLOCK_DISCARD = 4, /* reads are anything until the next write; no segments */
	BLOCK_WRITE_ZEROES = 5, /* no segments */
};

enum block_flags : uint8_t {
	BLOCK_FUA = 1, /* of writes and zeroes: answered when it is safe from a loss of power */
	BLOCK_UNMAP = 2, /* of zeroes: the device may give the space back */
};

/* A piece of a memory that was attached. */
struct block_segment {
	uint64_t offset;
	uint32_t memory; /* its id */
	uint32_t length; /* bytes, not 0 */
};

struct block_slot {
	enum block_operation operation;
	enum block_flags flags;
	uint16_t n_segments;
	uint32_t reserved; /* 0 */
	uint64_t position; /* bytes from the device's start, a multiple of the logical block */
	uint64_t length; /* bytes, the segments' together; a multiple of the logical block */
	uint64_t reserved_more; /* 0 */
};

struct block_completion {
	uint32_t slot;
	int32_t error; /* 0 or -ERR_X; IO: the device has failed */
	uint64_t n_bytes; /* of the range, from its start, that were transferred without error */
};

/* Indexes count for ever; what they stand for is the index modulo n_slots. */
struct block_ring {
	struct {
		_Alignas(64) _Atomic uint32_t submitted; /* written by the client */
		_Atomic uint32_t taken; /* completions that the client has taken */
		_Atomic uint32_t sleeps; /* set by the client, cleared by the driver */
	} client;
	struct {
		_Alignas(64) _Atomic uint32_t completed; /* written by the driver */
		_Atomic uint32_t taken; /* submissions that the driver has taken */
		_Atomic uint32_t sleeps; /* set by the driver, cleared by the client */
	} driver;
	_Alignas(64) uint32_t submissions[]; /* [n_slots]; the rest is behind, see below */
};

static_assert(sizeof(struct block_segment) == 16);
static_assert(sizeof(struct block_slot) == 32);
static_assert(sizeof(struct block_completion) == 16);
static_assert(sizeof(struct block_ring) == 128);

/** block_ring_completions_offset() - where struct block_completion[n_slots] begins */
static inline size_t block_ring_completions_offset(uint32_t n_slots)
{
	return sizeof(struct block_ring) + (n_slots * sizeof(uint32_t) + 63) / 64 * 64;
}

/** block_ring_slot_bytes() - of a slot with its segments */
static inline size_t block_ring_slot_bytes(uint32_t n_segments)
{
	return sizeof(struct block_slot) + n_segments * sizeof(struct block_segment);
}

/** block_ring_slot_offset() - where a slot begins; its segments are behind it */
static inline size_t block_ring_slot_offset(uint32_t n_slots, uint32_t n_segments, uint32_t slot)
{
	return block_ring_completions_offset(n_slots) + n_slots * sizeof(struct block_completion) +
		slot * block_ring_slot_bytes(n_segments);
}

/** block_ring_bytes() - of all, rounded up to pages */
static inline size_t block_ring_bytes(uint32_t n_slots, uint32_t n_segments)
{
	return (block_ring_slot_offset(n_slots, n_segments, n_slots) + 4095) / 4096 * 4096;
}

/* ---- the client's side ------------------------------------------------------------------- */

struct block_ring_client {
	struct block_ring *ring; /* block_ring_bytes() */
	uint32_t n_slots, n_segments;
	uint32_t n_submitted, n_taken; /* our own words for what the ring says */
	bool is_broken; /* the driver does what it must not; nothing comes any more */
};

/** block_ring_client_init() - begin with an empty ring, which is all zeros */
void block_ring_client_init(
	struct block_ring_client *client, void *memory, uint32_t n_slots, uint32_t n_segments);

/** block_ring_client_slot() - to be filled in, while it is free; its segments lie behind it */
struct block_slot *block_ring_client_slot(const struct block_ring_client *client, uint32_t slot);

/** block_ring_client_segments() - those of a slot, n_segments of them */
struct block_segment *block_ring_client_segments(
	const struct block_ring_client *client, uint32_t slot);

/** block_ring_client_submit() - give a slot that is filled in to the driver */
void block_ring_client_submit(struct block_ring_client *client, uint32_t slot);

/** block_ring_client_must_notify() - after some: whether the driver sleeps, and has to be told */
bool block_ring_client_must_notify(const struct block_ring_client *client);

/**
 * block_ring_client_take() - the next answer
 * @out_completion: its slot is below n_slots; that it was under way is for the caller to check
 *
 * Return: false: there is none now, or the ring is broken.
 */
bool block_ring_client_take(
	struct block_ring_client *client, struct block_completion *out_completion);

/**
 * block_ring_client_must_look() - for who looks at any time: whether to take, and sleep again
 *
 * Also if there is nothing to take: what the driver told of may have been taken before it told, and
 * it tells no more until we sleep again.
 */
static inline bool block_ring_client_must_look(const struct block_ring_client *client)
{
	const struct block_ring *ring = client->ring;

	return atomic_load_explicit(&ring->driver.completed, memory_order_relaxed) !=
		client->n_taken ||
		atomic_load_explicit(&ring->client.sleeps, memory_order_relaxed) == 0;
}

/** block_ring_client_sleep() - before waiting for the event: false: there is something to take */
bool block_ring_client_sleep(struct block_ring_client *client);

/* ---- the driver's side ------------------------------------------------------------------- */

struct block_ring_driver {
	struct block_ring *ring;
	uint32_t n_slots, n_segments;
	uint32_t n_taken, n_completed;
	bool is_broken;
};

/** block_ring_driver_init() - serve a ring of memory that has block_ring_bytes() */
void block_ring_driver_init(
	struct block_ring_driver *driver, void *memory, uint32_t n_slots, uint32_t n_segments);

/**
 * block_ring_driver_take() - the next request
 * @out_slot: its number, below n_slots; that it is not under way is for the caller to check
 * @out_request: a copy
 * @out_segments: n_segments of them, where a copy of those that the request says to have is made
 *
 * Return: false: there is none now, or the ring is broken.
 */
bool block_ring_driver_take(struct block_ring_driver *driver, uint32_t *out_slot,
	struct block_slot *out_request, struct block_segment *out_segments);

/** block_ring_driver_answer() - the slot is the client's again */
void block_ring_driver_answer(
	struct block_ring_driver *driver, uint32_t slot, int error, uint64_t n_bytes);

/** block_ring_driver_must_notify() - after some: whether the client sleeps, and has to be told */
bool block_ring_driver_must_notify(const struct block_ring_driver *driver);

/** block_ring_driver_must_look() - likewise */
static inline bool block_ring_driver_must_look(const struct block_ring_driver *driver)
{
	const struct block_ring *ring = driver->ring;

	return atomic_load_explicit(&ring->client.submitted, memory_order_relaxed) !=
		driver->n_taken ||
		atomic_load_explicit(&ring->driver.sleeps, memory_order_relaxed) == 0;
}

/** block_ring_driver_sleep() - before waiting for the event: false: there is something to take */
bool block_ring_driver_sleep(struct block_ring_driver *driver);

#endif

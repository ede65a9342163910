/* SPDX-License-Identifier: MIT */
/*
 * Split virtqueues (virtio 1.2, section 2.7): the driver's side of one ring.
 *
 * The memory is shared with the device: descriptors and the available ring are ours, the used ring
 * is the device's. What the device writes is data: an id that names no buffer in flight breaks the
 * queue (is_broken), and then nothing is taken from it any more.
 *
 *	virtqueue_add(queue, buffers, n, token)    any number of times
 *	if (virtqueue_publish(queue)) notify       once for all
 *	virtqueue_take(queue, &token, &size)       after an interrupt, until there is nothing more
 *
 * With event indexes each side says at which entry it wants to be told: the device at the end of
 * the used ring, we at the end of the available one. We do when there is nothing more to take, so
 * while we are at it we are not told again.
 *
 * The queue itself is plain data: memory, addresses and notification are the transport's
 * (virtio-pci.h).
 */
#ifndef VIRTIO_VIRTQUEUE_H
#define VIRTIO_VIRTQUEUE_H

#include <base/types.h>

/** VIRTQUEUE_SIZE_MAX - descriptors of one queue */
#define VIRTQUEUE_SIZE_MAX 256

/* A piece of memory for the device. */
struct virtio_buffer {
	uint64_t address_phys;
	uint32_t size;
	bool is_writable; /* by the device; those that are come after those that are not */
};

/* As the device sees it. */
struct virtqueue_descriptor {
	uint64_t address;
	uint32_t size;
	uint16_t flags;
	uint16_t next;
};

struct virtqueue_used {
	uint32_t id;
	uint32_t size;
};

/* What a device and its transport make of a queue. */
struct virtqueue_layout {
	uint16_t size; /* descriptors: a power of two, at most VIRTQUEUE_SIZE_MAX */
	uint16_t used_alignment; /* of the used ring: VIRTQUEUE_ALIGNMENT, or _LEGACY */
	bool has_event_index; /* VIRTIO_FEATURE_EVENT_INDEX was agreed on */
};

#define VIRTQUEUE_ALIGNMENT        4
#define VIRTQUEUE_ALIGNMENT_LEGACY 4096

struct virtqueue {
	uint16_t size; /* a power of two */
	bool has_event_index;
	struct virtqueue_descriptor *descriptors;
	uint16_t *available; /* flags, index, ring[size] */
	volatile uint16_t *used_header; /* flags, index */
	volatile struct virtqueue_used *used;
	uint16_t n_free;
	uint16_t free_first; /* free descriptors, chained by `chain` */
	uint16_t available_index; /* buffers ever added */
	uint16_t published_index;
	uint16_t used_index; /* buffers ever taken */
	bool is_broken;
	uint16_t chain[VIRTQUEUE_SIZE_MAX]; /* our copy of the links: the device cannot change it */
	uint16_t lengths[VIRTQUEUE_SIZE_MAX]; /* by first descriptor: how many; 0: not in flight */
	void *tokens[VIRTQUEUE_SIZE_MAX]; /* by first descriptor */
	uint32_t sizes[VIRTQUEUE_SIZE_MAX]; /* by first descriptor: writable bytes */
	/* the transport's */
	uint16_t index;
	size_t notify_offset;
};

/** virtqueue_memory_size() - bytes of memory for a queue */
size_t virtqueue_memory_size(const struct virtqueue_layout *layout);

/** virtqueue_available_offset() - where in that memory the available ring is */
size_t virtqueue_available_offset(const struct virtqueue_layout *layout);

/** virtqueue_used_offset() - where in that memory the used ring is */
size_t virtqueue_used_offset(const struct virtqueue_layout *layout);

/**
 * virtqueue_init() - an empty queue
 * @memory: virtqueue_memory_size() bytes, page-aligned, zeroed, borrowed
 */
void virtqueue_init(struct virtqueue *queue, void *memory, const struct virtqueue_layout *layout);

/**
 * virtqueue_add() - give the device a chain of buffers
 * @n_buffers: not 0
 * @token: not NULL; comes back from virtqueue_take()
 *
 * Return: false if there are not so many free descriptors, or the queue is broken.
 */
MUST_USE bool virtqueue_add(struct virtqueue *queue, const struct virtio_buffer *buffers,
	uint16_t n_buffers, void *token);

/**
 * virtqueue_add_table() - give the device a chain that is described elsewhere
 * @address: for the device, of @n_descriptors that are linked as in a ring and whose `next` count
 *	from that table's start; only if VIRTIO_FEATURE_INDIRECT was agreed on
 * @n_writable: bytes that the device may write
 *
 * Return: false if there is no free descriptor, or the queue is broken.
 */
MUST_USE bool virtqueue_add_table(struct virtqueue *queue, uint64_t address, uint32_t n_descriptors,
	uint32_t n_writable, void *token);

/** virtqueue_describe() - entry @index of such a table; the last one has no next */
void virtqueue_describe(struct virtqueue_descriptor *table, uint16_t index,
	const struct virtio_buffer *buffer, bool is_last);

/** virtqueue_publish() - let the device see what was added; true: it wants to be notified */
MUST_USE bool virtqueue_publish(struct virtqueue *queue);

/**
 * virtqueue_take() - the next chain that the device has used; until there is none, or it may not
 * tell of the next one
 * @out_size: bytes that the device says it has written, not more than there is room for
 *
 * Return: false if there is none.
 */
MUST_USE bool virtqueue_take(struct virtqueue *queue, void **out_token, uint32_t *out_size);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Byte ring in caller's storage, for one owner (no concurrency).
 *
 * `write_total` and `read_total` count all bytes ever written and read; their difference is what
 * the ring holds, and the low bits index the storage. They never wrap in practice (64 bits).
 */
#ifndef BASE_RING_H
#define BASE_RING_H

#include <base/types.h>

struct ring {
	uint8_t *data;
	size_t size; /* a power of two */
	uint64_t write_total;
	uint64_t read_total;
};

/** ring_init() - an empty ring over @size bytes (a power of two) at @storage, borrowed */
void ring_init(struct ring *ring, void *storage, size_t size);

/** ring_used() - bytes that can be read */
static inline size_t ring_used(const struct ring *ring)
{
	return (size_t)(ring->write_total - ring->read_total);
}

/** ring_free() - bytes that can be written */
static inline size_t ring_free(const struct ring *ring)
{
	return ring->size - ring_used(ring);
}

/** ring_write() - append up to @size bytes; returns how many there was room for */
size_t ring_write(struct ring *ring, const void *data, size_t size);

/** ring_read() - take up to @size bytes out, oldest first; returns how many there were */
size_t ring_read(struct ring *ring, void *out_data, size_t size);

/** ring_peek() - copy up to @size bytes starting @offset bytes after the oldest, taking none out */
size_t ring_peek(const struct ring *ring, size_t offset, void *out_data, size_t size);

/** ring_skip() - drop up to @size of the oldest bytes; returns how many there were */
size_t ring_skip(struct ring *ring, size_t size);

#endif

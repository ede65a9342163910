/* SPDX-License-Identifier: MIT */
/* Byte ring: see ring.h. */
#include <base/assert.h>
#include <base/ring.h>
#include <base/string.h>

void ring_init(struct ring *ring, void *storage, size_t size)
{
	ASSERT(is_power_of_two(size));
	*ring = (struct ring){ .data = storage, .size = size };
}

size_t ring_write(struct ring *ring, const void *data, size_t size)
{
	size_t position = (size_t)(ring->write_total & (ring->size - 1));
	size_t n_bytes = min_size(size, ring_free(ring));
	size_t n_first = min_size(n_bytes, ring->size - position);

	if (n_bytes == 0) {
		return 0;
	}
	memcpy(ring->data + position, data, n_first);
	memcpy(ring->data, (const uint8_t *)data + n_first, n_bytes - n_first);
	ring->write_total += n_bytes;
	return n_bytes;
}

size_t ring_peek(const struct ring *ring, size_t offset, void *out_data, size_t size)
{
	if (offset >= ring_used(ring) || size == 0) {
		return 0;
	}
	size_t position = (size_t)((ring->read_total + offset) & (ring->size - 1));
	size_t n_bytes = min_size(size, ring_used(ring) - offset);
	size_t n_first = min_size(n_bytes, ring->size - position);

	memcpy(out_data, ring->data + position, n_first);
	memcpy((uint8_t *)out_data + n_first, ring->data, n_bytes - n_first);
	return n_bytes;
}

size_t ring_read(struct ring *ring, void *out_data, size_t size)
{
	return ring_skip(ring, ring_peek(ring, 0, out_data, size));
}

size_t ring_skip(struct ring *ring, size_t size)
{
	size_t n_bytes = min_size(size, ring_used(ring));

	ring->read_total += n_bytes;
	return n_bytes;
}

/* SPDX-License-Identifier: MIT */
/* Reading rings as abi/hel/trace.h says: see stream.h. */
#include "stream.h"

#include <base/string.h>
#include <helix/memory.h>

int stream_ring_open(struct stream_ring *ring, hel_handle authority, uint32_t cpu)
{
	struct hel_memory_info info;
	hel_handle memory;
	void *pointer;
	int error = hel_trace_ring(authority, cpu, &memory);

	if (error != 0) {
		return error;
	}
	error = hel_memory_info(memory, &info);
	if (error == 0) {
		error = helix_map(memory, 0, info.size_bytes, HEL_MAP_READ, &pointer);
	}
	hel_close(HEL_THIS, memory);
	if (error != 0) {
		return error;
	}
	*ring = (struct stream_ring){ .ring = pointer, .cpu = cpu };
	ring->events = (const void *)((const uint8_t *)pointer + ring->ring->first_offset);
	ring->n_slots = ring->ring->n_events;
	return 0;
}

static void put(struct stream_buffer *buffer, const void *data, size_t size)
{
	memcpy(buffer->data + buffer->size, data, size);
	buffer->size += size;
}

static void put_chunk(
	struct stream_buffer *buffer, enum chunk_kind kind, uint32_t cpu, uint64_t size_bytes)
{
	struct chunk chunk = { .kind = kind, .cpu = cpu, .size_bytes = size_bytes };

	put(buffer, &chunk, sizeof(chunk));
}

void stream_put_ring(struct stream_buffer *buffer, const struct stream_ring *ring)
{
	put_chunk(buffer, CHUNK_RING, ring->cpu, sizeof(*ring->ring));
	put(buffer, ring->ring, sizeof(*ring->ring));
}

/* The event at the reader's position: 0: copied, negative: not there yet, positive: overwritten. */
static int32_t ring_copy(const struct stream_ring *ring, struct hel_trace_event *out_event)
{
	const struct hel_trace_event *slot = &ring->events[ring->position % ring->n_slots];
	uint32_t wanted = (uint32_t)(ring->position + 1);
	uint32_t sequence = __atomic_load_n(&slot->sequence, __ATOMIC_ACQUIRE);

	if (sequence != wanted) {
		return (int32_t)(sequence - wanted);
	}
	memcpy(out_event, slot, sizeof(*out_event));
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	sequence = __atomic_load_n(&slot->sequence, __ATOMIC_RELAXED);
	return (int32_t)(sequence - wanted);
}

/* Skip what is gone, and some more, which would be gone soon. */
static void ring_skip_lost(struct stream_buffer *buffer, struct stream_ring *ring)
{
	uint64_t n_begun = __atomic_load_n(&ring->ring->n_begun, __ATOMIC_RELAXED);
	uint64_t position = n_begun - ring->n_slots + ring->n_slots / 4;
	uint64_t n_lost = position - ring->position;

	if ((int64_t)n_lost <= 0) {
		return;
	}
	put_chunk(buffer, CHUNK_LOST, ring->cpu, sizeof(n_lost));
	put(buffer, &n_lost, sizeof(n_lost));
	ring->position = position;
}

bool stream_put_events(struct stream_buffer *buffer, struct stream_ring *ring)
{
	/* The chunk, one of lost events before the next, and the end. */
	size_t reserved = 3 * sizeof(struct chunk) + sizeof(uint64_t);
	size_t start = buffer->size;
	struct hel_trace_event event;
	int32_t difference = 0;

	if (buffer->size + reserved + sizeof(event) > buffer->size_max) {
		return false;
	}
	put_chunk(buffer, CHUNK_EVENTS, ring->cpu, 0);
	size_t first = buffer->size;

	while (buffer->size + reserved + sizeof(event) <= buffer->size_max) {
		difference = ring_copy(ring, &event);
		if (difference != 0) {
			break;
		}
		put(buffer, &event, sizeof(event));
		ring->position++;
	}
	struct chunk chunk = {
		.kind = CHUNK_EVENTS,
		.cpu = ring->cpu,
		.size_bytes = buffer->size - first,
	};

	if (chunk.size_bytes == 0) {
		buffer->size = start;
	} else {
		memcpy(buffer->data + start, &chunk, sizeof(chunk));
	}
	if (difference > 0) {
		ring_skip_lost(buffer, ring);
	}
	return difference < 0;
}

void stream_put_end(struct stream_buffer *buffer)
{
	put_chunk(buffer, CHUNK_END, 0, 0);
}

/* SPDX-License-Identifier: MIT */
/*
 * The trace as a stream of bytes: reading the rings, and what is written of them.
 *
 * A stream is a row of chunks: struct chunk, then `size_bytes` bytes, a multiple of 8. The first
 * chunks are the CPUs' rings (struct hel_trace_ring); then EVENTS of one CPU each, in order, as
 * they were in the ring; LOST where events of a CPU were overwritten before they were read; END.
 * The order of bytes is the machine's, little.
 */
#ifndef OSTRACE_STREAM_H
#define OSTRACE_STREAM_H

#include <abi/hel/trace.h>
#include <base/types.h>
#include <hel/hel-calls.h>

enum chunk_kind : uint32_t {
	CHUNK_RING = 1,   /* struct hel_trace_ring */
	CHUNK_EVENTS = 2, /* struct hel_trace_event[] */
	CHUNK_LOST = 3,   /* uint64_t: how many */
	CHUNK_END = 4,    /* nothing; the last one */
};

struct chunk {
	uint32_t kind; /* enum chunk_kind */
	uint32_t cpu;
	uint64_t size_bytes; /* of what follows */
};

/* What is written next. */
struct stream_buffer {
	uint8_t *data;
	size_t size, size_max;
};

struct stream_ring {
	const struct hel_trace_ring *ring; /* mapped */
	const struct hel_trace_event *events;
	uint32_t n_slots;
	uint32_t cpu;
	uint64_t position; /* index of the next event to read */
};

/** stream_ring_open() - map a CPU's ring; what hel_trace_ring() and hel_space_map() say */
MUST_USE int stream_ring_open(struct stream_ring *ring, hel_handle authority, uint32_t cpu);

/** stream_put_ring() - append the description of a ring */
void stream_put_ring(struct stream_buffer *buffer, const struct stream_ring *ring);

/** stream_put_events() - append what is new in a ring, as much as there is room for; true: all */
bool stream_put_events(struct stream_buffer *buffer, struct stream_ring *ring);

/** stream_put_end() - append the end; there is always room for it */
void stream_put_end(struct stream_buffer *buffer);

#endif

/* SPDX-License-Identifier: MIT */
/* Ranges of I/O ports. */
#ifndef THOR_OBJECT_IO_H
#define THOR_OBJECT_IO_H

#include <thor/object/object.h>

struct io {
	struct object object;
	uint32_t port, n_ports; /* immutable */
};

/** io_of() - the port range around its object */
static inline struct io *io_of(struct object *object)
{
	return container_of(object, struct io, object);
}

/**
 * io_create() - the caller gets the one reference; -ERR_OUT_OF_BOUNDS (not ports), -ERR_NO_MEMORY
 */
MUST_USE int io_create(uint64_t port, uint64_t n_ports, struct io **out_io);

/**
 * io_read() / io_write() - @width_bytes is 1, 2 or 4, else -ERR_ILLEGAL_ARGS; -ERR_OUT_OF_BOUNDS,
 * -ERR_UNSUPPORTED
 */
MUST_USE int io_read(struct io *io, uint64_t offset, uint64_t width_bytes, uint32_t *out_value);
MUST_USE int io_write(struct io *io, uint64_t offset, uint64_t width_bytes, uint32_t value);

#endif

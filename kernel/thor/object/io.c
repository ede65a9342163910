/* SPDX-License-Identifier: MIT */
/* Ranges of I/O ports: see io.h. */
#include <thor/object/io.h>

#include <thor/arch.h>

constexpr uint32_t IO_PORTS = 0x10000;

static void io_destroy(struct object *object)
{
	object_free(object);
}

static const struct object_class io_class = {
	.type = HEL_TYPE_IO,
	.name = "io",
	.rights = HEL_RIGHT_READ | HEL_RIGHT_WRITE | HEL_RIGHT_DERIVE,
	.destroy = io_destroy,
	.abandon = object_abandon_nothing,
};

int io_create(uint64_t port, uint64_t n_ports, struct io **out_io)
{
	if (n_ports == 0 || port >= IO_PORTS || n_ports > IO_PORTS - port) {
		return -ERR_OUT_OF_BOUNDS;
	}
	struct io *io = object_create(&io_class, sizeof(*io));

	if (io == NULL) {
		return -ERR_NO_MEMORY;
	}
	io->port = (uint32_t)port;
	io->n_ports = (uint32_t)n_ports;
	*out_io = io;
	return 0;
}

static int io_check(const struct io *io, uint64_t offset, uint64_t width_bytes)
{
	if (width_bytes != 1 && width_bytes != 2 && width_bytes != 4) {
		return -ERR_ILLEGAL_ARGS;
	}
	if (offset >= io->n_ports || width_bytes > io->n_ports - offset) {
		return -ERR_OUT_OF_BOUNDS;
	}
	return 0;
}

int io_read(struct io *io, uint64_t offset, uint64_t width_bytes, uint32_t *out_value)
{
	int error = io_check(io, offset, width_bytes);

	if (error != 0) {
		return error;
	}
	return arch_io_read((uint16_t)(io->port + offset), (unsigned)width_bytes, out_value);
}

int io_write(struct io *io, uint64_t offset, uint64_t width_bytes, uint32_t value)
{
	int error = io_check(io, offset, width_bytes);

	if (error != 0) {
		return error;
	}
	return arch_io_write((uint16_t)(io->port + offset), (unsigned)width_bytes, value);
}

/* SPDX-License-Identifier: MIT */
/* Transfers of files: see io.h. */
#include <base/assert.h>
#include <base/string.h>
#include <drivers/lib/blockfs/ext4/io.h>

struct ext4_io *ext4_io_create(
	struct ext4 *fs, uint64_t offset, const struct device_buffer *buffers, size_t n_buffers)
{
	/* each request cuts at most one buffer more in two */
	size_t n_slices = n_buffers + EXT4_IO_REQUESTS;
	struct ext4_io *io =
		blockfs_allocate(sizeof(*io) + n_slices * sizeof(struct device_buffer));

	if (io != NULL) {
		io->fs = fs;
		io->buffers = buffers;
		io->n_buffers = n_buffers;
		io->offset = offset;
		io->cursor_offset = offset;
		io->slices = (struct device_buffer *)(io + 1);
		io->n_slices_max = n_slices;
	}
	return io;
}

void ext4_io_destroy(struct ext4_io *io)
{
	blockfs_free(io);
}

bool ext4_io_is_full(const struct ext4_io *io)
{
	return io->n_requests == EXT4_IO_REQUESTS;
}

/* The buffer that holds a byte of the file, and where in it. */
static const struct device_buffer *io_find(
	struct ext4_io *io, uint64_t offset, uint64_t *out_inside)
{
	if (offset < io->cursor_offset) {
		io->cursor = 0;
		io->cursor_offset = io->offset;
	}
	for (; io->cursor < io->n_buffers; io->cursor++) {
		uint64_t length = io->buffers[io->cursor].length;

		if (offset - io->cursor_offset < length) {
			*out_inside = offset - io->cursor_offset;
			return &io->buffers[io->cursor];
		}
		io->cursor_offset += length;
	}
	UNREACHABLE();
}

void ext4_io_add(struct ext4_io *io, enum device_action action, uint64_t offset, uint64_t length,
	uint64_t place)
{
	struct device_request *request = &io->requests[io->n_requests];
	struct device_buffer *first = &io->slices[io->n_slices];
	uint64_t inside;
	const struct device_buffer *buffer = io_find(io, offset, &inside);
	size_t n = 0;

	device_request_init(request, io->fs->device, action, place << io->fs->block_bits, length);
	for (uint64_t left = length; left > 0; buffer++, inside = 0) {
		uint64_t part = min_u64(left, buffer->length - inside);

		ASSERT(io->n_slices < io->n_slices_max);
		io->slices[io->n_slices++] = (struct device_buffer){
			.memory = buffer->memory,
			.offset = buffer->offset + inside,
			.length = part,
			.address = buffer->address != NULL ? (uint8_t *)buffer->address + inside
							   : NULL,
		};
		n++;
		left -= part;
	}
	device_request_set_buffers(request, first, n);
	io->ops[io->n_requests++] = &request->op;
}

int ext4_io_run(struct task *task, struct ext4_io *io)
{
	int error = io->n_requests > 0 ? await_all(task, io->ops, io->n_requests) : 0;

	io->n_requests = 0;
	io->n_slices = 0;
	return error;
}

void ext4_io_fill(struct ext4_io *io, uint64_t offset, const void *data, uint64_t length)
{
	struct blockfs_host *host = io->fs->fs.host;
	const uint8_t *bytes = data;

	while (length > 0) {
		uint64_t inside;
		const struct device_buffer *buffer = io_find(io, offset, &inside);
		uint64_t part = min_u64(length, buffer->length - inside);

		if (buffer->address == NULL) {
			host->fill(host, buffer, inside, bytes, part);
		} else if (bytes != NULL) {
			memcpy((uint8_t *)buffer->address + inside, bytes, part);
		} else {
			memset((uint8_t *)buffer->address + inside, 0, part);
		}
		bytes = bytes != NULL ? bytes + part : NULL;
		offset += part;
		length -= part;
	}
}

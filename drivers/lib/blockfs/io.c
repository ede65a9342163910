/* SPDX-License-Identifier: MIT */
/* Transfers of files: see io.h. */
#include <base/assert.h>
#include <base/string.h>
#include <drivers/lib/blockfs/io.h>

struct file_io *file_io_create(struct device *device, struct blockfs_host *host, uint64_t offset,
	const struct device_buffer *buffers, size_t n_buffers)
{
	/* each request cuts at most one buffer more in two */
	size_t n_slices = n_buffers + FILE_IO_REQUESTS;
	struct file_io *io =
		blockfs_allocate(sizeof(*io) + n_slices * sizeof(struct device_buffer));

	if (io != NULL) {
		io->device = device;
		io->host = host;
		io->buffers = buffers;
		io->n_buffers = n_buffers;
		io->offset = offset;
		io->cursor_offset = offset;
		io->slices = (struct device_buffer *)(io + 1);
		io->n_slices_max = n_slices;
	}
	return io;
}

int file_io_check(uint32_t block_size, uint64_t offset, uint64_t length,
	const struct device_buffer *buffers, size_t n_buffers)
{
	uint64_t n_bytes = 0;

	for (size_t i = 0; i < n_buffers; i++) {
		if (buffers[i].length > UINT64_MAX - n_bytes) {
			return -ERR_ILLEGAL_ARGS;
		}
		n_bytes += buffers[i].length;
	}
	return is_aligned(offset | length, block_size) && n_bytes == length &&
			length <= INT64_MAX && offset <= INT64_MAX - length
		? 0
		: -ERR_ILLEGAL_ARGS;
}

void file_io_destroy(struct file_io *io)
{
	blockfs_free(io);
}

bool file_io_is_full(const struct file_io *io)
{
	return io->n_requests == FILE_IO_REQUESTS;
}

/* The buffer that holds a byte of the file, and where in it. */
static const struct device_buffer *io_find(
	struct file_io *io, uint64_t offset, uint64_t *out_inside)
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

void file_io_add(struct file_io *io, enum device_action action, uint64_t offset, uint64_t length,
	uint64_t place)
{
	struct device_request *request = &io->requests[io->n_requests];
	struct device_buffer *first = &io->slices[io->n_slices];
	uint64_t inside;
	const struct device_buffer *buffer = io_find(io, offset, &inside);
	size_t n = 0;

	device_request_init(request, io->device, action, place, length);
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

int file_io_run(struct task *task, struct file_io *io)
{
	int error = io->n_requests > 0 ? await_all(task, io->ops, io->n_requests) : 0;

	io->n_requests = 0;
	io->n_slices = 0;
	return error;
}

void file_io_fill(struct file_io *io, uint64_t offset, const void *data, uint64_t length)
{
	struct blockfs_host *host = io->host;
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

void file_io_fetch(struct file_io *io, uint64_t offset, void *out_data, uint64_t length)
{
	struct blockfs_host *host = io->host;
	uint8_t *bytes = out_data;

	while (length > 0) {
		uint64_t inside;
		const struct device_buffer *buffer = io_find(io, offset, &inside);
		uint64_t part = min_u64(length, buffer->length - inside);

		if (buffer->address == NULL) {
			host->fetch(host, buffer, inside, bytes, part);
		} else {
			memcpy(bytes, (const uint8_t *)buffer->address + inside, part);
		}
		bytes += part;
		offset += part;
		length -= part;
	}
}

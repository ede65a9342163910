/* SPDX-License-Identifier: MIT */
/* Transfers between a file's buffers and the device: several requests at a time. */
#ifndef BLOCKFS_IO_H
#define BLOCKFS_IO_H

#include <drivers/lib/blockfs/blockfs.h>

#define FILE_IO_REQUESTS 8

/* Buffers that hold a range of a file one behind the other. */
struct file_io {
	struct device *device;
	struct blockfs_host *host;
	const struct device_buffer *buffers;
	size_t n_buffers;
	uint64_t offset; /* in the file, of the first byte */
	/* where the last look ended: ranges come in order */
	size_t cursor;
	uint64_t cursor_offset;
	struct device_buffer *slices; /* what is left of n_slices is unused */
	size_t n_slices, n_slices_max;
	struct device_request requests[FILE_IO_REQUESTS];
	struct op *ops[FILE_IO_REQUESTS];
	size_t n_requests;
};

/** file_io_create() - for a range; NULL: no memory. To be freed with file_io_destroy() */
struct file_io *file_io_create(struct device *device, struct blockfs_host *host, uint64_t offset,
	const struct device_buffer *buffers, size_t n_buffers);

/** file_io_check() - whether the buffers add up to an aligned range: 0 or -ERR_ILLEGAL_ARGS */
MUST_USE int file_io_check(uint32_t block_size, uint64_t offset, uint64_t length,
	const struct device_buffer *buffers, size_t n_buffers);

/** file_io_destroy() - nothing is in flight */
void file_io_destroy(struct file_io *io);

/**
 * file_io_add() - one more transfer; file_io_run() does it
 * @offset: in the file
 * @place: on the device, bytes
 */
void file_io_add(struct file_io *io, enum device_action action, uint64_t offset, uint64_t length,
	uint64_t place);

/** file_io_is_full() - whether file_io_run() has to come next */
bool file_io_is_full(const struct file_io *io);

/** file_io_run() - do what was added, all at once, and wait */
MUST_USE int file_io_run(struct task *task, struct file_io *io);

/** file_io_fill() - put bytes (NULL: zeros) into the buffers, at a place of the file */
void file_io_fill(struct file_io *io, uint64_t offset, const void *data, uint64_t length);

/** file_io_fetch() - get bytes out of the buffers, from a place of the file */
void file_io_fetch(struct file_io *io, uint64_t offset, void *out_data, uint64_t length);

#endif

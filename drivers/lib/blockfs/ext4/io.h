/* SPDX-License-Identifier: MIT */
/* Transfers between a file's buffers and the device: several requests at a time. */
#ifndef BLOCKFS_EXT4_IO_H
#define BLOCKFS_EXT4_IO_H

#include <drivers/lib/blockfs/ext4/ext4.h>

#define EXT4_IO_REQUESTS 8

/* Buffers that hold a range of a file one behind the other. */
struct ext4_io {
	struct ext4 *fs;
	const struct device_buffer *buffers;
	size_t n_buffers;
	uint64_t offset; /* in the file, of the first byte */
	/* where the last look ended: ranges come in order */
	size_t cursor;
	uint64_t cursor_offset;
	struct device_buffer *slices; /* what is left of n_slices is unused */
	size_t n_slices, n_slices_max;
	struct device_request requests[EXT4_IO_REQUESTS];
	struct op *ops[EXT4_IO_REQUESTS];
	size_t n_requests;
};

/** ext4_io_create() - for a range; NULL: no memory. To be freed with ext4_io_destroy() */
struct ext4_io *ext4_io_create(
	struct ext4 *fs, uint64_t offset, const struct device_buffer *buffers, size_t n_buffers);

/** ext4_io_destroy() - nothing is in flight */
void ext4_io_destroy(struct ext4_io *io);

/** ext4_io_add() - one more transfer, of blocks of the file; ext4_io_run() does it */
void ext4_io_add(struct ext4_io *io, enum device_action action, uint64_t offset, uint64_t length,
	uint64_t place);

/** ext4_io_is_full() - whether ext4_io_run() has to come next */
bool ext4_io_is_full(const struct ext4_io *io);

/** ext4_io_run() - do what was added, all at once, and wait */
MUST_USE int ext4_io_run(struct task *task, struct ext4_io *io);

/** ext4_io_fill() - put bytes (NULL: zeros) into the buffers, at a place of the file */
void ext4_io_fill(struct ext4_io *io, uint64_t offset, const void *data, uint64_t length);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * A disk, as file systems see it: operations on byte ranges, many at a time.
 *
 * - Offsets and lengths are bytes, multiples of the device's logical block.
 * - Requests in flight are not ordered among each other. A write is durable when a flush that was
 *   *started* after the write had finished is itself finished, or at once with DEVICE_FUA.
 * - Data are scattered over buffers that name a memory object and a range in it, because data of
 *   files go between the disk and pages that this program has not mapped. `address` is where the
 *   range is mapped, or NULL; a device that copies (the fake of the tests) needs it.
 * - A request is an operation: the buffers belong to it until it has finished, and cancelling it
 *   asks it to hurry up only.
 */
#ifndef BLOCKFS_DEVICE_H
#define BLOCKFS_DEVICE_H

#include <async/task.h>

enum device_action {
	DEVICE_READ,
	DEVICE_WRITE,
	DEVICE_FLUSH,        /* no range, no buffers */
	DEVICE_DISCARD,      /* no buffers; what is there afterwards is undefined */
	DEVICE_WRITE_ZEROES, /* no buffers */
};

/** DEVICE_FUA - for writes: durable when finished */
#define DEVICE_FUA 1u

struct device_buffer {
	uint64_t memory; /* handle of the memory object */
	uint64_t offset; /* in it */
	uint64_t length;
	void *address;   /* where that is mapped, NULL: nowhere */
};

struct device;

struct device_request {
	struct op op;
	struct device *device;
	enum device_action action;
	uint32_t flags;
	uint64_t offset;
	uint64_t length;
	const struct device_buffer *buffers; /* their lengths add up to `length` */
	size_t n_buffers;
	void *owner;  /* that of the device that it was made for */
	void *driver; /* the driver's own while it is in flight */
};

struct device_ops {
	/* Begin; as op_class.start. The range and its alignment have been checked. */
	enum op_result (*start)(struct device_request *request);
	/* Hurry up; as op_class.cancel. */
	void (*cancel)(struct device_request *request);
};

struct device {
	const struct device_ops *ops;
	uint64_t size;
	uint32_t block_size; /* logical; a power of two, at least 512 */
	bool is_read_only;
	bool can_discard;
	bool can_write_zeroes;
	void *owner; /* for the driver: whose requests these are; NULL: nobody's */
};

/** device_request_init() - prepare a request without buffers */
void device_request_init(struct device_request *request, struct device *device,
	enum device_action action, uint64_t offset, uint64_t length);

/** device_request_set_buffers() - where the data of a read or write are; borrowed until the end */
static inline void device_request_set_buffers(
	struct device_request *request, const struct device_buffer *buffers, size_t n_buffers)
{
	request->buffers = buffers;
	request->n_buffers = n_buffers;
}

/** device_transfer() - read or write one buffer and wait: 0 or -ERR_X */
MUST_USE int device_transfer(struct task *task, struct device *device, enum device_action action,
	uint64_t offset, const struct device_buffer *buffer, uint32_t flags);

/** device_flush() - make durable all writes that have finished; 0 or -ERR_X */
MUST_USE int device_flush(struct task *task, struct device *device);

/* A part of a device that is a device itself: a partition. */
struct device_slice {
	struct device device;
	struct device *whole;
	uint64_t start;
};

/** device_slice_init() - @size bytes from @start of @whole, which must hold them */
void device_slice_init(
	struct device_slice *slice, struct device *whole, uint64_t start, uint64_t size);

#endif

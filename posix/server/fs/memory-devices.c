/* SPDX-License-Identifier: MIT */
/* The devices that are nothing but a rule: null, zero, full, random, urandom, kmsg. */
#include <abi/linux/errno.h>
#include <abi/linux/fcntl.h>
#include <base/string.h>
#include <hel/hel-calls.h>
#include <posix/server/file/access.h>
#include <posix/server/fs/device.h>
#include <posix/server/fs/kernel-log.h>

constexpr size_t RANDOM_PIECE = 256; /* what hel_random() gives at once */

static int64_t memory_seek(struct file *file, UNUSED int64_t offset, UNUSED int whence)
{
	file->offset = 0;
	return 0;
}

static int64_t null_read(UNUSED struct file *file, UNUSED struct request *request,
	UNUSED void *buffer, UNUSED size_t size, UNUSED uint64_t *offset)
{
	return 0;
}

static int64_t null_read_bulk(UNUSED struct file *file, UNUSED struct request *request,
	UNUSED size_t size, UNUSED uint64_t *offset)
{
	return 0;
}

static int64_t null_write(UNUSED struct file *file, UNUSED struct request *request,
	UNUSED const void *buffer, size_t size, UNUSED uint64_t *offset)
{
	return (int64_t)size;
}

static int64_t zero_read(UNUSED struct file *file, UNUSED struct request *request, void *buffer,
	size_t size, UNUSED uint64_t *offset)
{
	memset(buffer, 0, size);
	return (int64_t)size;
}

static int64_t full_write(UNUSED struct file *file, UNUSED struct request *request,
	UNUSED const void *buffer, size_t size, UNUSED uint64_t *offset)
{
	return size == 0 ? 0 : -LINUX_ENOSPC;
}

static int64_t random_read(UNUSED struct file *file, UNUSED struct request *request, void *buffer,
	size_t size, UNUSED uint64_t *offset)
{
	uint8_t *bytes = buffer;

	for (size_t done = 0; done < size; done += RANDOM_PIECE) {
		if (hel_random(bytes + done, min_size(size - done, RANDOM_PIECE)) < 0) {
			return done > 0 ? (int64_t)done : -LINUX_EIO;
		}
	}
	return (int64_t)size;
}

static int64_t kmsg_write(UNUSED struct file *file, UNUSED struct request *request,
	const void *buffer, size_t size, UNUSED uint64_t *offset)
{
	kernel_log_write(buffer, size);
	return (int64_t)size;
}

static int64_t kmsg_read(struct file *file, UNUSED struct request *request, void *buffer,
	size_t size, UNUSED uint64_t *offset)
{
	size_t n_bytes = kernel_log_read(&file->offset, buffer, size);

	return n_bytes == 0 ? -LINUX_EAGAIN : (int64_t)n_bytes;
}

static const struct file_ops null_ops = {
	FILE_OPS_DEFAULT,
	.name = "null",
	.view_kind = POSIX_VIEW_NULL,
	.read = null_read,
	.read_bulk = null_read_bulk,
	.write = null_write,
	.seek = memory_seek,
};

static const struct file_ops zero_ops = {
	FILE_OPS_DEFAULT,
	.name = "zero",
	.view_kind = POSIX_VIEW_ZERO,
	.read = zero_read,
	.write = null_write,
	.seek = memory_seek,
};

static const struct file_ops full_ops = {
	FILE_OPS_DEFAULT,
	.name = "full",
	.read = zero_read,
	.write = full_write,
	.seek = memory_seek,
};

static const struct file_ops random_ops = {
	FILE_OPS_DEFAULT,
	.name = "random",
	.read = random_read,
	.write = null_write,
	.seek = memory_seek,
};

static const struct file_ops kmsg_ops = {
	FILE_OPS_DEFAULT,
	.name = "kmsg",
	.read = kmsg_read,
	.write = kmsg_write,
	.seek = memory_seek,
};

struct memory_device {
	struct device device;
	const struct file_ops *ops;
};

static int64_t memory_open(struct device *device, struct file *file, UNUSED struct request *request)
{
	file->ops = container_of(device, struct memory_device, device)->ops;
	return 0;
}

#define MEMORY_DEVICE(name_, mode_, minor, ops_) \
	{ .device = { .name = (name_), \
		  .mode = (mode_), \
		  .open = memory_open, \
		  .rdev = (uint64_t)1 << 8 | (minor) }, \
		.ops = (ops_) }

int64_t memory_devices_init(void)
{
	static struct memory_device devices[] = {
		MEMORY_DEVICE("null", 0666, 3, &null_ops),
		MEMORY_DEVICE("zero", 0666, 5, &zero_ops),
		MEMORY_DEVICE("full", 0666, 7, &full_ops),
		MEMORY_DEVICE("random", 0666, 8, &random_ops),
		MEMORY_DEVICE("urandom", 0666, 9, &random_ops),
		MEMORY_DEVICE("kmsg", 0644, 11, &kmsg_ops),
	};

	for (size_t i = 0; i < ARRAY_SIZE(devices); i++) {
		int64_t error = device_register(&devices[i].device);

		if (error < 0) {
			return error;
		}
	}
	return 0;
}

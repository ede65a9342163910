/* SPDX-License-Identifier: MIT */
/*
 * The block device that a bound loop device is on mbus, for file servers: posix is its driver.
 *
 * Requests come by the block protocol (drivers/lib/block) and are carried out one after the other,
 * in a job, with what is behind the device.
 */
#ifndef POSIX_FS_LOOP_DRIVER_H
#define POSIX_FS_LOOP_DRIVER_H

#include <base/types.h>

struct task;
struct loop_driver;

/* What is behind. All may suspend; 0, or -ERR_X, which clients are told as -ERR_IO. */
struct loop_backing_ops {
	int (*read)(struct task *task, void *backing, uint64_t offset, void *buffer, size_t size);
	int (*write)(
		struct task *task, void *backing, uint64_t offset, const void *buffer, size_t size);
	int (*clear)(struct task *task, void *backing, uint64_t offset, uint64_t size);
	int (*sync)(struct task *task, void *backing);
};

struct loop_driver_config {
	char name[16]; /* on mbus */
	uint64_t size_bytes;
	uint32_t block_bytes;
	bool is_read_only;
	const struct loop_backing_ops *ops;
	void *backing; /* until loop_driver_end() has returned */
};

/**
 * loop_driver_start() - publish a device
 *
 * In a task of posix_loop(), suspends. Return: 0, -ERR_NO_MEMORY, what mbus says.
 */
MUST_USE int loop_driver_start(struct task *task, const struct loop_driver_config *config,
	struct loop_driver **out_driver);

/** loop_driver_end() - take it away; suspends until nobody uses it; takes @driver */
void loop_driver_end(struct task *task, struct loop_driver *driver);

#endif

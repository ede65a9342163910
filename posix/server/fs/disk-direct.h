/* SPDX-License-Identifier: MIT */
/* Reads and writes of files on disks that were opened with O_DIRECT. */
#ifndef POSIX_FS_DISK_DIRECT_H
#define POSIX_FS_DISK_DIRECT_H

#include <abi/linux/fcntl.h>
#include <posix/server/fs/disk-internal.h>

/** disk_direct_check() - offset and size of a read or write; -LINUX_EINVAL: no whole sectors */
int64_t disk_direct_check(const struct file *file, uint64_t offset, uint64_t size);

/**
 * disk_transfer() - move bytes between the file and memory, past the page cache, in a task
 * @memory: borrowed; from its start on
 *
 * Return: bytes that were moved, fewer at the end of the file; -LINUX_E...
 */
int64_t disk_transfer(struct disk_inode *node, hel_handle memory, uint64_t offset, uint64_t length,
	bool is_write);

/** disk_direct_read() - as disk_contents_read() */
int64_t disk_direct_read(struct disk_inode *node, void *buffer, size_t size, uint64_t offset);

/** disk_direct_write() - as disk_contents_write() */
int64_t disk_direct_write(
	struct disk_inode *node, const void *buffer, size_t size, uint64_t offset);

#endif

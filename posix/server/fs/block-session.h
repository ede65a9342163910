/* SPDX-License-Identifier: MIT */
/*
 * Volumes that are opened as they are.
 *
 * A session of a raw volume is one of a file system with a single file (disk-internal.h), so bytes
 * are read, written and stored as those of regular files. All open files of a device share one
 * session; it is made for reading until somebody wants to write, who gets another one for all that
 * come later. The server has one cache for them, so all see the same. With its last file a session
 * ends, in a job, and what was written is then stored.
 *
 * While a file system is mounted from the volume its server does not tell us of changes, so reads
 * and writes go past the cache, as those with O_DIRECT do (block-direct.c).
 */
#ifndef POSIX_FS_BLOCK_SESSION_H
#define POSIX_FS_BLOCK_SESSION_H

#include <posix/server/fs/block.h>

struct disk_inode;

struct block_session {
	struct block *block; /* referenced */
	struct disk_inode *node; /* referenced: the volume's bytes */
	uint32_t n_files;
	bool is_writable;
};

/* What is behind an open file of a device. */
struct block_file {
	struct block_session *session;
	bool is_exclusive; /* it has claimed the device */
};

/** block_file_of() - that of @file, whose ops are those of block devices */
static inline struct block_file *block_file_of(const struct file *file)
{
	return file->data;
}

static inline struct block *block_of_file(const struct file *file)
{
	return block_file_of(file)->session->block;
}

/**
 * block_session_get() - the session of a device for one more file
 * @is_writable: for what can only be read it is not, in the end
 *
 * Return: 0; REQUEST_TASK; -LINUX_ENXIO: it is gone; -LINUX_ENOMEM, -LINUX_EIO.
 */
int64_t block_session_get(
	struct block *block, bool is_writable, struct block_session **out_session);

/** block_session_put() - one file less */
void block_session_put(struct block_session *session);

/** block_session_resized() - the device has another size */
void block_session_resized(struct block *block);

/** block_file_sync() - all that was written is on the disk; 0, REQUEST_TASK, -LINUX_EIO */
int64_t block_file_sync(struct file *file);

/** block_file_is_exclusive() - whether the file has claimed its device */
bool block_file_is_exclusive(const struct file *file);

/* ---- past the cache: block-direct.c ---------------------------------------------------------- */

/**
 * block_direct_read() - bytes of the volume as they are on the disk
 * @size: not 0; @offset, @size: inside the volume, and anything
 *
 * Return: bytes, perhaps fewer; REQUEST_TASK; -LINUX_EIO, -LINUX_ENOMEM.
 */
int64_t block_direct_read(
	struct block_session *session, void *buffer, size_t size, uint64_t offset);

/** block_direct_write() - the same; of blocks that are written in part the rest stays */
int64_t block_direct_write(
	struct block_session *session, const void *buffer, size_t size, uint64_t offset);

/* ---- the volume as a whole: block-volume.c --------------------------------------------------- */

/** block_clear() - discard a range of whole sectors, or make it zero; needs a task */
int64_t block_clear(struct block *block, uint64_t offset, uint64_t length, bool is_discard);

/** block_rescan() - read the disk's table of partitions again; -LINUX_EBUSY: one is used */
int64_t block_rescan(struct block *block);

/** block_look_later() - somebody has written to it: see what is on it now, in a job */
void block_look_later(struct block *block);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Block devices: the disks and partitions of file servers as Linux programs see them.
 *
 *	found on mbus --asked what it is, its start read--> added --its disk is shown--> shown
 *	                                                      |                            | gone
 *	                                                      +-- gone --> kept while used <+
 *
 * A device that is shown has a node on devtmpfs, links below /dev/disk, and folders in sysfs; one
 * that has gone has none of them, and what is open answers errors. A volume of the same name that
 * comes while it is kept is the same device.
 *
 * All functions here run in the turn; none waits but those that take a task.
 */
#ifndef POSIX_FS_BLOCK_H
#define POSIX_FS_BLOCK_H

#include <posix/server/fs/block-name.h>
#include <posix/server/fs/block-probe.h>
#include <posix/server/fs/volume.h>
#include <posix/server/vfs/inode.h>

/** BLOCK_SECTOR - bytes of the unit that Linux counts in, whatever the disk's blocks are */
#define BLOCK_SECTOR           512
/** BLOCK_TRANSFER_SECTORS - of one request: what drivers take at most */
#define BLOCK_TRANSFER_SECTORS 2048

struct block_session;

/** block_news - woken when a device is shown, or not any more */
extern struct wait_queue block_news;

struct block {
	struct volume volume;
	struct block_place place; /* of the disk */
	uint32_t index; /* of the disk, among those of its family */
	char disk_name[VOLUME_NAME_SIZE]; /* on mbus */
	struct block *disk; /* of a partition that is shown: referenced; NULL: it is a disk */
	uint64_t sequence; /* of the disk: no other one has had it */
	bool is_shown, is_wanted; /* it is to be shown with its disk */
	bool is_set_read_only; /* BLKROSET */
	uint32_t block_bytes; /* BLKBSZSET; what st_blksize and buffers of Linux were */
	uint32_t read_ahead; /* sectors; what BLKRASET has set */
	struct block_probe probe;
	struct list links; /* struct block_link */
	hel_handle counters; /* memory with a struct fs_counters, HEL_NULL: none */
	/* opened as it is: see block-session.h */
	struct block_session *session;
	uint32_t n_opens, n_writers;
	/* who wants it alone: open files with O_EXCL; also counted with the disk's partitions */
	uint32_t n_exclusive, n_exclusive_partitions;
};

static inline struct block *block_of(struct volume *volume)
{
	return volume->block;
}

/* ---- devices that come and go ---------------------------------------------------------------- */

/* What is known of a volume when it is added. */
struct block_found {
	const char *name; /* on mbus */
	const char *disk; /* the name of the disk that it is a part of, or is */
	uint64_t object; /* on mbus */
	hel_handle lane; /* taken on success */
	const struct volume_info *info;
};

/** block_expect() - a disk of that name on mbus may come: numbers are given in order of places */
void block_expect(const char *name);

/**
 * block_add() - a volume has been found
 * @out_block: referenced
 *
 * Return: 0, -LINUX_ENOMEM, -LINUX_ENOSPC, -LINUX_EINVAL: it says what makes no sense.
 */
int64_t block_add(const struct block_found *found, struct block **out_block);

/** block_show() - let programs see it, as soon as they see its disk */
void block_show(struct block *block);

/** block_set_probe() - what is on it was looked at: its links may change */
void block_set_probe(struct block *block, const struct block_probe *probe);

/** block_set_counters() - its server counts in @memory, which is taken */
void block_set_counters(struct block *block, hel_handle memory);

/** block_size_changed() - the disk has another size now */
void block_size_changed(struct block *block, uint64_t size_bytes);

/** block_vanished() - the volume of that number on mbus has gone; harmless if there is none */
void block_vanished(uint64_t object);

/** block_forget_places() - there is no device left: numbers begin anew; for tests */
void block_forget_places(void);

/** block_next() - the device behind @block in order, shown or not; NULL: the first, or the end */
struct block *block_next(struct block *block);

/** block_is_read_only() - it cannot be written to, or BLKROSET said so */
bool block_is_read_only(const struct block *block);

/** block_n_sectors() - its size, in units of BLOCK_SECTOR */
uint64_t block_n_sectors(const struct block *block);

/* ---- use ------------------------------------------------------------------------------------- */

/**
 * block_claim() - use it alone, as a mount or an open file with O_EXCL does
 *
 * Return: 0, -LINUX_EBUSY: it, its disk, or (of a disk) one of its partitions is in such use.
 */
int64_t block_claim(struct block *block);
void block_unclaim(struct block *block);

/** block_open() - the open hook of block device nodes; needs a task */
int64_t block_open(struct inode *inode, struct file *file, struct request *request);

/** block_open_volume() - give @file the ops and data of an open block device; needs a task */
int64_t block_open_volume(struct volume *volume, struct file *file);

/** block_ioctl_unbound() - the ioctls of a block device that has no disk: its size is 0 */
int64_t block_ioctl_unbound(uint32_t command, void *buffer, size_t size);

/** block_ioctl() - the ioctls of block devices; @buffer, @size: as file_ops.ioctl */
int64_t block_ioctl(struct file *file, struct request *request, uint32_t command, uint64_t value,
	void *buffer, size_t size);

/** block_sync_all() - all that was written to open devices is on the disks; 0 or REQUEST_TASK */
int64_t block_sync_all(void);

/**
 * block_sync_device() - all that was written to an open device is on the disk, also by mappings
 *
 * Return: 0, REQUEST_TASK, -LINUX_EIO (also: nobody has it open to write, so what a mapping still
 * has of it is lost).
 */
int64_t block_sync_device(uint64_t rdev);

/* ---- what is told of them -------------------------------------------------------------------- */

void block_sysfs_add(const struct block *block);
/** block_sysfs_update() - its size, or whether it can be written to, is another */
void block_sysfs_update(const struct block *block);
void block_sysfs_remove(const struct block *block);

/** block_links_add() - links below /dev/disk, as udev makes them */
void block_links_add(struct block *block);
void block_links_remove(struct block *block);

/** block_stat_print() - the text of /sys/block/NAME/stat */
size_t block_stat_print(const struct block *block, char *buffer, size_t size);
/** block_in_flight_print() - that of /sys/block/NAME/inflight */
size_t block_in_flight_print(const struct block *block, char *buffer, size_t size);
/** block_partitions_print(), ... - /proc/partitions, /proc/diskstats; the size of the whole text */
size_t block_partitions_print(char *buffer, size_t size);
size_t block_diskstats_print(char *buffer, size_t size);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * A block device and its volumes: the device itself, and each partition.
 *
 *	          opened, table read            taken out                 no volume is used
 *	APPEARED ------------------> PUBLISHED ----------> volumes withdrawn ------------> (freed)
 *
 * A driver that ends and comes back is not noticed here (protocols/block/block-client.h). One task
 * per disk lives as long as it does; it changes the list of volumes, and so does a call that reads
 * the table again, under `table_lock`.
 *
 * A volume is kept by its place in the list, by the introducer of its clients, by clients and by
 * sessions. `raw` is the contents of a volume that is open as it is, shared by all such sessions.
 */
#ifndef FS_DISK_H
#define FS_DISK_H

#include "contents.h"
#include "counters.h"

#include <drivers/lib/blockfs/partition/partition.h>
#include <protocols/svrctl/connect.h>

#define VOLUME_NAME_MAX  (BLOCK_NAME_MAX + 16)
/** DISK_WATCHES_MAX - calls that wait for a disk to change */
#define DISK_WATCHES_MAX 64

struct disk {
	struct list_node node; /* main.c's */
	struct loop *loop;
	hel_handle mbus; /* borrowed */
	char name[BLOCK_NAME_MAX];
	struct job job;
	bool is_gone;
	struct block_disk block;
	struct io io;
	struct io_memory scratch; /* to read the table into */
	uint8_t *scratch_address;
	struct mutex table_lock;
	struct partition_table *table;
	struct list volumes; /* struct volume.node */
	uint32_t n_volumes;  /* also those that are off the list */
	struct wait_queue changed; /* size, or gone, or a volume freed */
	uint32_t n_watches;
};

struct volume {
	struct disk *disk;
	struct list_node node;
	uint32_t n_references;
	bool is_removed; /* off the list: nobody opens it any more */
	char name[VOLUME_NAME_MAX];
	struct partition partition; /* number 0: the whole disk */
	struct device *device;      /* of the disk, or of `slice` */
	struct device_slice slice;
	struct counters counters; /* the owner of `device` */
	/* on mbus */
	bool is_published;
	uint64_t object;
	hel_handle control;
	struct connect_listener listener;
	/* sessions */
	bool is_mounted; /* or about to be, or about not to be any more */
	uint32_t n_sessions;
	uint32_t n_writers, n_openers; /* of it as it is */
	struct mutex raw_lock; /* held while it is made or given up */
	bool has_raw;
	struct contents raw;
};

/**
 * disk_create() - serve the block device of that name until it is taken out
 * @disks: a list, on which it is until then
 *
 * Return: 0, -ERR_NO_MEMORY, -ERR_ILLEGAL_ARGS (the name).
 */
MUST_USE int disk_create(struct loop *loop, hel_handle mbus, const char *name, struct list *disks);

/** disk_rescan() - read the table of partitions again; -ERR_BUSY: one is in use */
MUST_USE int disk_rescan(struct task *task, struct disk *disk);

/** volume_get() - one reference more */
struct volume *volume_get(struct volume *volume);

/** volume_put() - one reference less; accepts NULL */
void volume_put(struct volume *volume);

/** volume_is_gone() - whether its disk was taken out, or it is no partition any more */
static inline bool volume_is_gone(const struct volume *volume)
{
	return volume->is_removed || volume->disk->is_gone;
}

/** volume_publish() - let clients find it */
MUST_USE int volume_publish(struct task *task, struct volume *volume);

/** volume_withdraw() - nobody finds it any more */
void volume_withdraw(struct task *task, struct volume *volume);

/** volume_open() - one more opens it as it is: 0, -ERR_BUSY, BLOCKFS_E_READ_ONLY, -ERR_X */
MUST_USE int volume_open(struct task *task, struct volume *volume, bool is_writable);

/** volume_close() - one less; the last one stores what is dirty: 0, or what went wrong */
int volume_close(struct task *task, struct volume *volume, bool is_writable);

/** volume_serve() - a client has come (client.c); the lane is taken */
void volume_serve(struct volume *volume, hel_handle lane);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Volumes: the disks and partitions that file servers publish on mbus (docs/protocols/fs.md), as
 * Linux programs know them, by device numbers.
 *
 * block*.c finds them, gives them their numbers and nodes, and opens them as they are; disk*.c
 * mounts what is on them. A volume whose server ends is kept, without a lane, while it is
 * referenced; one of the same name that is published later is the same volume again.
 */
#ifndef POSIX_FS_VOLUME_H
#define POSIX_FS_VOLUME_H

#include <base/list.h>
#include <protocols/fs/fs.gen.h>
#include <protocols/transport/client.h>

struct super;

constexpr size_t VOLUME_NAME_SIZE = 64; /* with terminator; longer ones are not taken */
constexpr size_t VOLUME_TEXT_SIZE = 80; /* of labels, models, serials; cut off */

/* What info_reply says; 0 and "" while it has not been asked yet. */
struct volume_info {
	uint32_t flags; /* enum fs_volume_flag */
	uint64_t start_bytes, size_bytes;
	uint32_t logical_block_bytes, physical_block_bytes, optimal_bytes;
	uint32_t partition; /* 0: the whole disk */
	enum fs_scheme scheme;
	uint32_t discard_alignment;
	uint64_t discard_bytes_max, zeroes_bytes_max;
	uint8_t table_uuid[16], uuid[16], type_uuid[16];
	uint32_t mbr_type;
	char label[VOLUME_TEXT_SIZE], model[VOLUME_TEXT_SIZE], serial[VOLUME_TEXT_SIZE];
};

struct volume {
	struct list_node node; /* block's */
	uint32_t references; /* one of who finds volumes, while it is published */
	uint64_t object; /* its number on mbus, 0: it is gone */
	uint64_t rdev; /* its device number, as in struct inode; 0: it has none */
	char name[VOLUME_NAME_SIZE]; /* on mbus */
	char node_name[VOLUME_NAME_SIZE]; /* below /dev: "vda1" */
	/*
	 * Generated calls of the protocol `volume`, with a descriptor in the reply; any number of
	 * tasks. It is there while `object` is not 0, also while a call is under way: who makes one
	 * holds a reference.
	 */
	struct transport_client client;
	struct volume_info info;
	void (*release)(struct volume *volume); /* nobody has a reference; NULL: block's */
	struct super *super; /* disk's: that is mounted, or is being mounted or unmounted; NULL */
	void *block; /* block's; NULL: it is no block device */
};

/**
 * volume_find() - the volume behind a block device number
 * @rdev: as in struct inode
 *
 * Return: the volume, borrowed; NULL: there is none now.
 */
struct volume *volume_find(uint64_t rdev);

/**
 * volume_find_name() - the same by its name below /dev, or its name on mbus
 * @name: terminated, without "/dev/"
 */
struct volume *volume_find_name(const char *name);

void volume_ref(struct volume *volume);
void volume_unref(struct volume *volume);

/** volume_is_claimed() - an open file, or a mount of what is on or around it, wants it alone */
bool volume_is_claimed(const struct volume *volume);

/** fs_errno() - what a file server's answer, or the way to it, is to programs: 0, -LINUX_E... */
int64_t fs_errno(int error);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * What is on a disk, as far as links need to know: the UUID and the label of the file system or
 * swap space.
 *
 * ext2 to ext4, FAT, ISO 9660 and swap spaces are known, as text that libblkid would give. The
 * bytes may be anything.
 */
#ifndef POSIX_FS_BLOCK_PROBE_H
#define POSIX_FS_BLOCK_PROBE_H

#include <base/types.h>

/** BLOCK_PROBE_BYTES - how much of the start of a disk is looked at */
#define BLOCK_PROBE_BYTES KIB(36)

#define BLOCK_UUID_SIZE  40
#define BLOCK_LABEL_SIZE 40

struct block_probe {
	char uuid[BLOCK_UUID_SIZE]; /* "": there is none */
	char label[BLOCK_LABEL_SIZE]; /* bytes as they are on the disk */
};

/**
 * block_probe() - look at the start of a disk
 * @size: of @data; what is not there is taken to be zero
 */
void block_probe(const uint8_t *data, size_t size, struct block_probe *out_probe);

/** block_uuid_print() - 16 bytes, the first of a UUID first; "" if they are all zero */
void block_uuid_print(const uint8_t uuid[16], char out_text[BLOCK_UUID_SIZE]);

/** block_guid_print() - those of a GPT, whose first three parts have their last byte first */
void block_guid_print(const uint8_t guid[16], char out_text[BLOCK_UUID_SIZE]);

#endif

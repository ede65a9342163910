/* SPDX-License-Identifier: MIT */
/* What is on the disk: ECMA-119, the System Use Sharing Protocol and Rock Ridge (IEEE P1282). */
#ifndef BLOCKFS_ISO9660_FORMAT_H
#define BLOCKFS_ISO9660_FORMAT_H

#include <base/types.h>

#define ISO_SECTOR_SIZE      2048u
#define ISO_FIRST_DESCRIPTOR 16u /* sectors */
#define ISO_DESCRIPTORS_MAX  64u

#define ISO_TYPE_PRIMARY       1u
#define ISO_TYPE_SUPPLEMENTARY 2u
#define ISO_TYPE_END           255u

/* Offsets in a volume descriptor (ECMA-119 8.4). Numbers of both orders: little-endian is first. */
#define ISO_VOLUME_ID         1u /* "CD001" */
#define ISO_VOLUME_N_BLOCKS   80u
#define ISO_VOLUME_ESCAPES    88u /* of a supplementary one */
#define ISO_VOLUME_BLOCK_SIZE 128u
#define ISO_VOLUME_ROOT       156u /* a directory record */
#define ISO_VOLUME_CREATED    813u /* 17 digits and an offset */

/* A directory record (ECMA-119 9.1). The name follows, then the system use field. */
struct iso_record {
	uint8_t length;
	uint8_t n_attribute_blocks;
	uint8_t block[8];
	uint8_t size[8];
	uint8_t time[7];
	uint8_t flags;
	uint8_t unit_size;
	uint8_t gap_size;
	uint8_t volume[4];
	uint8_t name_length;
} PACKED;

static_assert(sizeof(struct iso_record) == 33);

#define ISO_RECORD_MAX 255u

#define ISO_FLAG_DIRECTORY  0x02u
#define ISO_FLAG_ASSOCIATED 0x04u
#define ISO_FLAG_MORE       0x80u /* of the file's contents: the next record */

#define ISO_NAME_CONTINUES 0x01u /* NM, and SL as a whole and its components */
#define ISO_NAME_CURRENT   0x02u
#define ISO_NAME_PARENT    0x04u
#define ISO_NAME_ROOT      0x08u

#define ISO_TIME_CREATION   0x01u /* TF */
#define ISO_TIME_MODIFY     0x02u
#define ISO_TIME_ACCESS     0x04u
#define ISO_TIME_ATTRIBUTES 0x08u
#define ISO_TIME_LONG       0x80u

static inline uint32_t iso_get_32(const uint8_t *bytes)
{
	return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
		(uint32_t)bytes[3] << 24;
}

#endif

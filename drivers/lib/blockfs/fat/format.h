/* SPDX-License-Identifier: MIT */
/* What is on the disk: Microsoft's "FAT: General Overview of On-Disk Format", version 1.03. */
#ifndef BLOCKFS_FAT_FORMAT_H
#define BLOCKFS_FAT_FORMAT_H

#include <base/types.h>

/* Offsets in the first sector, from the section "Boot Sector and BPB". All are little-endian. */
#define FAT_BOOT_SECTOR_SIZE     11
#define FAT_BOOT_CLUSTER_SECTORS 13
#define FAT_BOOT_RESERVED        14
#define FAT_BOOT_N_FATS          16
#define FAT_BOOT_ROOT_ENTRIES    17
#define FAT_BOOT_N_SECTORS_16    19
#define FAT_BOOT_MEDIA           21
#define FAT_BOOT_FAT_SECTORS_16  22
#define FAT_BOOT_N_SECTORS_32    32
#define FAT_BOOT_SIGNATURE       510 /* 0x55 0xaa */
/* FAT12 and FAT16 */
#define FAT_BOOT_STATE_16        37
#define FAT_BOOT_ID_16           39
/* FAT32 */
#define FAT_BOOT_FAT_SECTORS_32  36
#define FAT_BOOT_FLAGS           40
#define FAT_BOOT_VERSION         42
#define FAT_BOOT_ROOT_CLUSTER    44
#define FAT_BOOT_INFO_SECTOR     48
#define FAT_BOOT_STATE_32        65
#define FAT_BOOT_ID_32           67

#define FAT_FLAGS_ONE_ACTIVE 0x80u /* no mirroring: the table whose number is in the low bits */
#define FAT_STATE_DIRTY      0x01u

#define FAT_INFO_LEAD      0x41615252u /* at 0 */
#define FAT_INFO_STRUCT    0x61417272u /* at 484 */
#define FAT_INFO_AT_STRUCT 484
#define FAT_INFO_AT_FREE   488
#define FAT_INFO_AT_NEXT   492

#define FAT_FIRST_CLUSTER  2u
#define FAT12_CLUSTERS_MAX 4084u
#define FAT16_CLUSTERS_MAX 65524u
#define FAT32_CLUSTERS_MAX 0x0ffffff5u

#define FAT_SLOT_SIZE 32u /* of directories */
#define FAT_SLOTS_MAX 65536u

#define FAT_ATTR_READ_ONLY 0x01u
#define FAT_ATTR_VOLUME    0x08u
#define FAT_ATTR_DIRECTORY 0x10u
#define FAT_ATTR_ARCHIVE   0x20u
#define FAT_ATTR_LONG      0x0fu /* a part of a long name; of the low six bits */
#define FAT_ATTR_MASK      0x3fu

#define FAT_CASE_LOWER_BASE      0x08u
#define FAT_CASE_LOWER_EXTENSION 0x10u

#define FAT_SLOT_FREE  0xe5u
#define FAT_SLOT_E5    0x05u /* the first byte of a name is really 0xe5 */
#define FAT_SHORT_SIZE 11u
#define FAT_LONG_LAST  0x40u /* in the number of a part */
#define FAT_LONG_UNITS 13u   /* of a part */
#define FAT_LONG_PARTS 20u
#define FAT_LONG_MAX   255u  /* units of UTF-16 */

struct fat_slot {
	uint8_t name[FAT_SHORT_SIZE];
	uint8_t attributes;
	uint8_t lower_case;
	uint8_t birth_centiseconds; /* 0 to 199 */
	uint8_t birth_time[2];
	uint8_t birth_date[2];
	uint8_t access_date[2];
	uint8_t start_high[2];
	uint8_t time[2];
	uint8_t date[2];
	uint8_t start_low[2];
	uint8_t size[4];
};

struct fat_long_slot {
	uint8_t number;
	uint8_t units_1[10];
	uint8_t attributes;
	uint8_t type;
	uint8_t sum; /* of the short name */
	uint8_t units_2[12];
	uint8_t start[2]; /* 0 */
	uint8_t units_3[4];
};

static_assert(sizeof(struct fat_slot) == FAT_SLOT_SIZE);
static_assert(sizeof(struct fat_long_slot) == FAT_SLOT_SIZE);

static inline uint16_t fat_get_16(const uint8_t *bytes)
{
	return (uint16_t)(bytes[0] | bytes[1] << 8);
}

static inline uint32_t fat_get_32(const uint8_t *bytes)
{
	return fat_get_16(bytes) | (uint32_t)fat_get_16(bytes + 2) << 16;
}

static inline void fat_put_16(uint8_t *bytes, uint32_t value)
{
	bytes[0] = (uint8_t)value;
	bytes[1] = (uint8_t)(value >> 8);
}

static inline void fat_put_32(uint8_t *bytes, uint32_t value)
{
	fat_put_16(bytes, value);
	fat_put_16(bytes + 2, value >> 16);
}

#endif

/* SPDX-License-Identifier: MIT */
/*
 * What a journal (JBD2) has on the disk: Linux' Documentation/filesystems/ext4/journal.rst.
 *
 * All numbers are big-endian.
 */
#ifndef BLOCKFS_JOURNAL_FORMAT_H
#define BLOCKFS_JOURNAL_FORMAT_H

#include <base/string.h>
#include <base/types.h>

#define JOURNAL_MAGIC 0xc03b3998u

enum journal_block_type {
	JOURNAL_DESCRIPTOR = 1,
	JOURNAL_COMMIT = 2,
	JOURNAL_SUPER_V1 = 3,
	JOURNAL_SUPER_V2 = 4,
	JOURNAL_REVOKE = 5,
};

#define JOURNAL_COMPAT_CHECKSUM       0x1u
#define JOURNAL_INCOMPAT_REVOKE       0x1u
#define JOURNAL_INCOMPAT_64BIT        0x2u
#define JOURNAL_INCOMPAT_ASYNC_COMMIT 0x4u
#define JOURNAL_INCOMPAT_CSUM_V2      0x8u
#define JOURNAL_INCOMPAT_CSUM_V3      0x10u
#define JOURNAL_INCOMPAT_FAST_COMMIT  0x20u
#define JOURNAL_INCOMPAT_KNOWN        0x3fu

#define JOURNAL_ERROR_IO 0xfffffffbu /* -EIO of Linux: the journal was aborted */

#define JOURNAL_TAG_ESCAPED   1u
#define JOURNAL_TAG_SAME_UUID 2u
#define JOURNAL_TAG_DELETED   4u
#define JOURNAL_TAG_LAST      8u

struct be16 {
	uint8_t bytes[2];
};

struct be32 {
	uint8_t bytes[4];
};

struct be64 {
	uint8_t bytes[8];
};

static inline uint16_t be16_get(struct be16 value)
{
	return (uint16_t)(value.bytes[0] << 8 | value.bytes[1]);
}

static inline uint32_t be32_get(struct be32 value)
{
	uint32_t raw;

	memcpy(&raw, value.bytes, sizeof(raw));
	return __builtin_bswap32(raw);
}

static inline uint64_t be64_get(struct be64 value)
{
	uint64_t raw;

	memcpy(&raw, value.bytes, sizeof(raw));
	return __builtin_bswap64(raw);
}

static inline struct be16 be16_of(uint16_t value)
{
	return (struct be16){ { (uint8_t)(value >> 8), (uint8_t)value } };
}

static inline struct be32 be32_of(uint32_t value)
{
	struct be32 result;

	value = __builtin_bswap32(value);
	memcpy(result.bytes, &value, sizeof(value));
	return result;
}

static inline struct be64 be64_of(uint64_t value)
{
	struct be64 result;

	value = __builtin_bswap64(value);
	memcpy(result.bytes, &value, sizeof(value));
	return result;
}

struct journal_header {
	struct be32 magic;
	struct be32 type;
	struct be32 sequence;
};

struct journal_super {
	struct journal_header header;
	struct be32 block_size;
	struct be32 n_blocks;
	struct be32 first; /* block of the log */
	struct be32 sequence; /* expected first */
	struct be32 start; /* where the log begins; 0: it is empty */
	struct be32 error;
	struct be32 compat;
	struct be32 incompat;
	struct be32 ro_compat;
	uint8_t uuid[16];
	struct be32 n_users;
	struct be32 dynamic_super;
	struct be32 transaction_max;
	struct be32 transaction_data_max;
	uint8_t checksum_type;
	uint8_t padding[3];
	struct be32 n_fast_commit_blocks;
	struct be32 head;
	uint8_t padding2[160];
	struct be32 checksum;
	uint8_t users[768];
};
static_assert(sizeof(struct journal_super) == 1024);
static_assert(offsetof(struct journal_super, checksum) == 0xfc);

struct journal_tag { /* without checksums, or with version 2; block_hi only with 64bit */
	struct be32 block_lo;
	struct be16 checksum;
	struct be16 flags;
	struct be32 block_hi;
};

struct journal_tag3 { /* with checksums of version 3 */
	struct be32 block_lo;
	struct be32 flags;
	struct be32 block_hi;
	struct be32 checksum;
};

struct journal_revoke_header {
	struct journal_header header;
	struct be32 n_bytes; /* with this header */
};

struct journal_commit_block {
	struct journal_header header;
	uint8_t checksum_type;
	uint8_t checksum_size;
	uint8_t padding[2];
	struct be32 checksum[8];
	struct be64 seconds;
	struct be32 nanoseconds;
};
static_assert(offsetof(struct journal_commit_block, seconds) == 48);

#endif

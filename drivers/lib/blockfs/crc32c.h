/* SPDX-License-Identifier: MIT */
/* What processors do of a crc32c; see checksum.h, which everybody else uses. */
#ifndef BLOCKFS_CRC32C_H
#define BLOCKFS_CRC32C_H

#include <base/types.h>

/** crc32c_is_fast() - whether this processor has instructions for it */
bool crc32c_is_fast(void);

/** crc32c_fast() - checksum_crc32c() by them; only if there are any */
uint32_t crc32c_fast(uint32_t sum, const void *data, size_t size);

#endif

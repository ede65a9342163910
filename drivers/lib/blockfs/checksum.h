/* SPDX-License-Identifier: MIT */
/*
 * The checksums of on-disk formats. Each takes the sum so far and gives the next, without the
 * inversions that some formats put around it.
 */
#ifndef BLOCKFS_CHECKSUM_H
#define BLOCKFS_CHECKSUM_H

#include <base/types.h>

/** checksum_crc32c() - Castagnoli's polynomial, reflected: metadata of ext4 and JBD2 */
uint32_t checksum_crc32c(uint32_t sum, const void *data, size_t size);

/** checksum_crc32c_by_tables() - the same where the processor does not help; for tests */
uint32_t checksum_crc32c_by_tables(uint32_t sum, const void *data, size_t size);

/** checksum_crc32() - IEEE 802.3's polynomial, reflected: GPT (from ~0, inverted at the end) */
uint32_t checksum_crc32(uint32_t sum, const void *data, size_t size);

/** checksum_crc32_be() - the same polynomial, not reflected: JBD2's version 1 */
uint32_t checksum_crc32_be(uint32_t sum, const void *data, size_t size);

/** checksum_crc16() - polynomial 0x8005, reflected: ext4's group descriptors with uninit_bg */
uint16_t checksum_crc16(uint16_t sum, const void *data, size_t size);

#endif

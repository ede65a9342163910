/* SPDX-License-Identifier: MIT */
/*
 * CRCs by table; crc32c, which each change of metadata needs, by instructions where there are some,
 * or else eight bytes a step.
 *
 * The tables are computed when first needed. Two threads that do so at once write the same values.
 */
#include <base/string.h>
#include <drivers/lib/blockfs/checksum.h>
#include <drivers/lib/blockfs/crc32c.h>

#define CRC32C_POLYNOMIAL   0x82f63b78u
#define CRC32_POLYNOMIAL    0xedb88320u
#define CRC32_BE_POLYNOMIAL 0x04c11db7u
#define CRC16_POLYNOMIAL    0xa001u

/* [n][b]: what byte b changes when n further bytes follow it */
static uint32_t crc32c_table[8][256];
static uint32_t crc32_table[256];
static uint32_t crc32_be_table[256];
static uint16_t crc16_table[256];
static _Atomic bool has_tables;
static _Atomic bool has_fast_crc32c; /* known when there are tables */

static uint32_t reflected_step(uint32_t sum, uint32_t polynomial)
{
	for (int bit = 0; bit < 8; bit++) {
		sum = sum >> 1 ^ ((sum & 1) != 0 ? polynomial : 0);
	}
	return sum;
}

static void make_tables(void)
{
	for (uint32_t byte = 0; byte < 256; byte++) {
		uint32_t be = byte << 24;

		for (int bit = 0; bit < 8; bit++) {
			be = be << 1 ^ ((be & 0x80000000u) != 0 ? CRC32_BE_POLYNOMIAL : 0);
		}
		crc32_be_table[byte] = be;
		crc32_table[byte] = reflected_step(byte, CRC32_POLYNOMIAL);
		crc16_table[byte] = (uint16_t)reflected_step(byte, CRC16_POLYNOMIAL);
		crc32c_table[0][byte] = reflected_step(byte, CRC32C_POLYNOMIAL);
	}
	for (uint32_t byte = 0; byte < 256; byte++) {
		for (int n = 1; n < 8; n++) {
			uint32_t before = crc32c_table[n - 1][byte];

			crc32c_table[n][byte] = before >> 8 ^ crc32c_table[0][before & 0xff];
		}
	}
	atomic_store_explicit(&has_fast_crc32c, crc32c_is_fast(), memory_order_relaxed);
	atomic_store_explicit(&has_tables, true, memory_order_release);
}

static inline void need_tables(void)
{
	if (unlikely(!atomic_load_explicit(&has_tables, memory_order_acquire))) {
		make_tables();
	}
}

static uint32_t crc32c_by_tables(uint32_t sum, const uint8_t *bytes, size_t size)
{
	for (; size >= 8; size -= 8, bytes += 8) {
		uint32_t low, high;

		memcpy(&low, bytes, sizeof(low));
		memcpy(&high, bytes + 4, sizeof(high));
		low ^= sum;
		sum = crc32c_table[7][low & 0xff] ^ crc32c_table[6][low >> 8 & 0xff] ^
			crc32c_table[5][low >> 16 & 0xff] ^ crc32c_table[4][low >> 24] ^
			crc32c_table[3][high & 0xff] ^ crc32c_table[2][high >> 8 & 0xff] ^
			crc32c_table[1][high >> 16 & 0xff] ^ crc32c_table[0][high >> 24];
	}
	for (; size > 0; size--, bytes++) {
		sum = sum >> 8 ^ crc32c_table[0][(sum ^ *bytes) & 0xff];
	}
	return sum;
}

uint32_t checksum_crc32c(uint32_t sum, const void *data, size_t size)
{
	need_tables();
	return likely(atomic_load_explicit(&has_fast_crc32c, memory_order_relaxed))
		? crc32c_fast(sum, data, size)
		: crc32c_by_tables(sum, data, size);
}

uint32_t checksum_crc32c_by_tables(uint32_t sum, const void *data, size_t size)
{
	need_tables();
	return crc32c_by_tables(sum, data, size);
}

uint32_t checksum_crc32(uint32_t sum, const void *data, size_t size)
{
	const uint8_t *bytes = data;

	need_tables();
	for (; size > 0; size--, bytes++) {
		sum = sum >> 8 ^ crc32_table[(sum ^ *bytes) & 0xff];
	}
	return sum;
}

uint32_t checksum_crc32_be(uint32_t sum, const void *data, size_t size)
{
	const uint8_t *bytes = data;

	need_tables();
	for (; size > 0; size--, bytes++) {
		sum = sum << 8 ^ crc32_be_table[(sum >> 24 ^ *bytes) & 0xff];
	}
	return sum;
}

uint16_t checksum_crc16(uint16_t sum, const void *data, size_t size)
{
	const uint8_t *bytes = data;

	need_tables();
	for (; size > 0; size--, bytes++) {
		sum = (uint16_t)(sum >> 8 ^ crc16_table[(sum ^ *bytes) & 0xff]);
	}
	return sum;
}

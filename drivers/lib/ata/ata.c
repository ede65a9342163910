/* SPDX-License-Identifier: MIT */
/* What ATA drives say: see ata.h. */
#include "ata.h"

#include <base/assert.h>
#include <base/string.h>

#define BLOCK_BYTES_MAX       4096
#define TRIM_RANGE_BLOCKS_MAX UINT64_C(65535)
#define PACKET_DISC           0x8500u /* a packet device, of type CD and DVD */
#define PACKET_KIND_MASK      0xdf03u /* with the size of its packets: 0, 12 bytes */

/* Words of the answer (ACS-3, section 7.12.7; those of packet devices in SFF-8020i and MMC). */
enum identify_word {
	WORD_GENERAL = 0,
	WORD_SERIAL = 10, /* 20 bytes */
	WORD_MODEL = 27, /* 40 bytes */
	WORD_CAPABILITIES = 49,
	WORD_SECTORS_28 = 60,
	WORD_PACKET_DMA = 62,
	WORD_MULTIWORD_DMA = 63,
	WORD_DEPTH = 75,
	WORD_SATA = 76,
	WORD_COMMANDS = 83,
	WORD_COMMANDS_MORE = 84,
	WORD_ENABLED = 85,
	WORD_ULTRA_DMA = 88,
	WORD_SECTORS_48 = 100,
	WORD_SECTOR_SIZES = 106,
	WORD_LOGICAL_WORDS = 117,
	WORD_TRIM = 169,
	WORD_ROTATION = 217,
};

static uint16_t word_at(const uint8_t *data, size_t word)
{
	return (uint16_t)(data[2 * word] | data[2 * word + 1] << 8);
}

static uint32_t words_at(const uint8_t *data, size_t word)
{
	return word_at(data, word) | (uint32_t)word_at(data, word + 1) << 16;
}

static bool has_bit(const uint8_t *data, size_t word, unsigned bit)
{
	return (word_at(data, word) >> bit & 1) != 0;
}

/* Words that say of themselves whether they are valid, in their upper two bits. */
static bool has_valid_bit(const uint8_t *data, size_t word, unsigned bit)
{
	return (word_at(data, word) & 0xc000) == 0x4000 && has_bit(data, word, bit);
}

/* The bytes of each word are in the wrong order; filled up with spaces. */
static void copy_text(const uint8_t *data, size_t word, size_t size, char *out_text)
{
	for (size_t i = 0; i < size; i += 2) {
		out_text[i] = (char)(word_at(data, word + i / 2) >> 8);
		out_text[i + 1] = (char)word_at(data, word + i / 2);
	}
	while (size > 0 && (out_text[size - 1] == ' ' || out_text[size - 1] == '\0')) {
		size--;
	}
	out_text[size] = '\0';
}

static uint64_t count_blocks(const uint8_t *data, bool has_long)
{
	if (!has_long) {
		return words_at(data, WORD_SECTORS_28) & 0x0fffffff;
	}
	return words_at(data, WORD_SECTORS_48) | (uint64_t)word_at(data, WORD_SECTORS_48 + 2) << 32;
}

/* What is absurd becomes 0, which is not usable. */
static uint32_t logical_block_of(const uint8_t *data)
{
	uint64_t n_bytes = has_valid_bit(data, WORD_SECTOR_SIZES, 12)
		? UINT64_C(2) * words_at(data, WORD_LOGICAL_WORDS)
		: ATA_SECTOR_BYTES;

	return n_bytes <= BLOCK_BYTES_MAX ? (uint32_t)n_bytes : 0;
}

void ata_identity_read(const uint8_t *data, struct ata_identity *out_identity)
{
	bool has_long = has_valid_bit(data, WORD_COMMANDS, 10);
	uint32_t logical = logical_block_of(data);
	uint32_t exponent = has_valid_bit(data, WORD_SECTOR_SIZES, 13)
		? word_at(data, WORD_SECTOR_SIZES) & 7u
		: 0;
	uint16_t rotation = word_at(data, WORD_ROTATION);

	*out_identity = (struct ata_identity){
		.n_blocks = count_blocks(data, has_long),
		.logical_block_bytes = logical,
		.physical_block_bytes = logical << exponent,
		.depth = has_bit(data, WORD_SATA, 8) ? (word_at(data, WORD_DEPTH) & 31u) + 1 : 1,
		.has_lba = has_bit(data, WORD_CAPABILITIES, 9),
		.has_long = has_long,
		.has_dma = has_bit(data, WORD_CAPABILITIES, 8) &&
			((word_at(data, WORD_MULTIWORD_DMA) & 0x0700) != 0 ||
				(word_at(data, WORD_ULTRA_DMA) & 0x7f00) != 0),
		.has_cache = has_bit(data, WORD_ENABLED, 5),
		.has_flush = has_valid_bit(data, WORD_COMMANDS, 12),
		.has_flush_long = has_valid_bit(data, WORD_COMMANDS, 13),
		.has_fua = has_valid_bit(data, WORD_COMMANDS_MORE, 6),
		.has_trim = has_bit(data, WORD_TRIM, 0),
		.is_rotational = rotation > 0x400 && rotation < 0xffff,
		.is_packet_disc = (word_at(data, WORD_GENERAL) & PACKET_KIND_MASK) == PACKET_DISC,
		.wants_direction = has_bit(data, WORD_PACKET_DMA, 15),
	};
	copy_text(data, WORD_SERIAL, sizeof(out_identity->serial) - 1, out_identity->serial);
	copy_text(data, WORD_MODEL, sizeof(out_identity->model) - 1, out_identity->model);
}

bool ata_identity_is_usable(const struct ata_identity *identity)
{
	return (identity->has_lba || identity->has_long) &&
		is_power_of_two(identity->logical_block_bytes) &&
		identity->logical_block_bytes >= ATA_SECTOR_BYTES;
}

void ata_trim_list(void *sector, uint64_t first_block, uint64_t n_blocks)
{
	uint64_t *ranges = sector;

	ASSERT(n_blocks <= ATA_TRIM_BLOCKS_MAX);
	memset(ranges, 0, ATA_SECTOR_BYTES);
	for (size_t i = 0; n_blocks > 0; i++) {
		uint64_t n = min_u64(n_blocks, TRIM_RANGE_BLOCKS_MAX);

		ranges[i] = first_block | n << 48;
		first_block += n;
		n_blocks -= n;
	}
}

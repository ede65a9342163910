/* SPDX-License-Identifier: MIT */
/* The structures of partition tables: GPT, and MBR with a chain of logical partitions. */
#include "hostile.h"

#include <drivers/lib/blockfs/checksum.h>
#include <string.h>

#define SECTOR          512u
#define MBR_ENTRIES     446u
#define MBR_END         510u
#define GPT_HEADER_SIZE 92u
#define GPT_ENTRY_SIZE  128u
#define GPT_FIELDS \
	"8444488888" \
	"88" \
	"8444"
#define CHAIN_MAX 20

static uint32_t get_32(const uint8_t *place)
{
	uint32_t value;

	memcpy(&value, place, sizeof(value));
	return value;
}

static uint64_t get_64(const uint8_t *place)
{
	uint64_t value;

	memcpy(&value, place, sizeof(value));
	return value;
}

/* Whatever the header says now, the entries are where the good one has them. */
static void repair_gpt(const struct base *base, uint8_t *image, uint64_t header_offset)
{
	const uint8_t *good = base->image + header_offset;
	uint8_t *header = image + header_offset;
	uint32_t size = get_32(header + 12);
	uint32_t n_bytes = get_32(header + 80) * get_32(header + 84);
	uint64_t entries = get_64(good + 72) * SECTOR;
	uint32_t sum;

	if (n_bytes <= base->size - entries) {
		sum = ~checksum_crc32(~0u, image + entries, n_bytes);
		memcpy(header + 88, &sum, sizeof(sum));
	}
	if (size <= SECTOR && size >= 20) {
		memset(header + 16, 0, 4);
		sum = ~checksum_crc32(~0u, header, size);
		memcpy(header + 16, &sum, sizeof(sum));
	}
}

static void repair(const struct base *base, uint8_t *image, const struct structure *structure)
{
	if (structure->kind != STRUCTURE_MBR_ENTRY) {
		repair_gpt(base, image, structure->owner);
	}
}

static void scan_gpt(struct base *base, uint64_t offset)
{
	const uint8_t *header = base->image + offset;
	uint64_t entries = get_64(header + 72) * SECTOR;

	base->repair = repair;
	base_add(base,
		(struct structure){ STRUCTURE_GPT_HEADER, offset, GPT_HEADER_SIZE, GPT_FIELDS,
			offset, offset / SECTOR });
	for (uint32_t i = 0; i < 6; i++) {
		base_add(base,
			(struct structure){ STRUCTURE_GPT_ENTRY, entries + i * GPT_ENTRY_SIZE,
				GPT_ENTRY_SIZE,
				"8888888"
				"888888888",
				offset, entries / SECTOR });
	}
}

static void scan_mbr(struct base *base)
{
	uint64_t extended = 0, sector = 0;

	for (int i = 0; i < CHAIN_MAX; i++) {
		uint64_t next = 0;

		for (uint32_t j = 0; j < 4; j++) {
			uint64_t offset = sector * SECTOR + MBR_ENTRIES + j * 16;
			const uint8_t *entry = base->image + offset;
			bool is_extended = entry[4] == 5 || entry[4] == 0xf || entry[4] == 0x85;

			base_add(base,
				(struct structure){ STRUCTURE_MBR_ENTRY, offset, 16,
					"11111111"
					"44",
					sector, sector });
			base_add_number(base, get_32(entry + 8));
			next = is_extended ? get_32(entry + 8) : next;
		}
		base_add(base,
			(struct structure){ STRUCTURE_MBR_ENTRY, sector * SECTOR + MBR_END, 2, "11",
				sector, sector });
		if (next == 0) {
			return;
		}
		sector = extended + next;
		extended = extended == 0 ? next : extended;
	}
}

void table_base_scan(struct base *base)
{
	base_add_number(base, base->size / SECTOR);
	base_add_number(base, base->size / SECTOR - 1);
	scan_mbr(base);
	if (memcmp(base->image + SECTOR, "EFI PART", 8) == 0) {
		scan_gpt(base, SECTOR);
		scan_gpt(base, base->size - SECTOR);
	}
}

/* SPDX-License-Identifier: MIT */
/*
 * GPT: a header in the second block and a copy of it in the last one, each with a checksum of its
 * own and one of its array of entries. The first copy that is good counts.
 */
#include <base/string.h>
#include <drivers/lib/blockfs/checksum.h>
#include <drivers/lib/blockfs/partition/partition.h>

#define GPT_HEADER_MIN  92
#define GPT_ENTRY_MIN   128
#define GPT_ARRAY_MAX   MIB(1)
#define GPT_NAME_UNITS  36
#define GPT_CHECKSUM_AT 16

static const uint8_t gpt_magic[8] = { 'E', 'F', 'I', ' ', 'P', 'A', 'R', 'T' };

struct gpt_header {
	uint8_t magic[8];
	uint32_t revision;
	uint32_t header_size;
	uint32_t checksum;
	uint32_t reserved;
	uint64_t here;  /* the block of this copy */
	uint64_t other; /* of the other one */
	uint64_t first_usable;
	uint64_t last_usable;
	uint8_t uuid[16];
	uint64_t array; /* its first block */
	uint32_t n_entries;
	uint32_t entry_size;
	uint32_t array_checksum;
} PACKED;
static_assert(sizeof(struct gpt_header) == GPT_HEADER_MIN);

struct gpt_entry {
	uint8_t type[16]; /* zero: unused */
	uint8_t uuid[16];
	uint64_t first;
	uint64_t last; /* inclusive */
	uint64_t flags;
	uint16_t name[GPT_NAME_UNITS]; /* UTF-16 */
} PACKED;
static_assert(sizeof(struct gpt_entry) == GPT_ENTRY_MIN);

static bool header_is_good(const struct gpt_header *header, const uint8_t *raw, uint64_t here,
	const struct device *device)
{
	const uint32_t zero = 0;
	uint64_t n_blocks = device->size / device->block_size;

	if (memcmp(header->magic, gpt_magic, sizeof(gpt_magic)) != 0 ||
		header->header_size < GPT_HEADER_MIN || header->header_size > device->block_size ||
		header->here != here) {
		return false;
	}
	uint32_t sum = checksum_crc32(~0u, raw, GPT_CHECKSUM_AT);

	sum = checksum_crc32(sum, &zero, sizeof(zero));
	sum = checksum_crc32(
		sum, raw + GPT_CHECKSUM_AT + 4, header->header_size - GPT_CHECKSUM_AT - 4);
	return ~sum == header->checksum && is_power_of_two(header->entry_size) &&
		header->entry_size >= GPT_ENTRY_MIN && header->entry_size <= device->block_size &&
		(uint64_t)header->n_entries * header->entry_size <= GPT_ARRAY_MAX &&
		header->first_usable <= header->last_usable && header->last_usable < n_blocks &&
		header->array < n_blocks;
}

/* UTF-16 to UTF-8; what is no character becomes a question mark. */
static void name_decode(const uint16_t *units, char *out_name)
{
	size_t n = 0;

	for (size_t i = 0; i < GPT_NAME_UNITS && units[i] != 0; i++) {
		uint32_t character = units[i];

		if (character >= 0xd800 && character < 0xdc00 && i + 1 < GPT_NAME_UNITS &&
			units[i + 1] >= 0xdc00 && units[i + 1] < 0xe000) {
			character = 0x10000 + ((character - 0xd800) << 10) + (units[++i] - 0xdc00u);
			out_name[n++] = (char)(0xf0 | character >> 18);
			out_name[n++] = (char)(0x80 | (character >> 12 & 0x3f));
			out_name[n++] = (char)(0x80 | (character >> 6 & 0x3f));
			out_name[n++] = (char)(0x80 | (character & 0x3f));
		} else if (character >= 0xd800 && character < 0xe000) {
			out_name[n++] = '?';
		} else if (character >= 0x800) {
			out_name[n++] = (char)(0xe0 | character >> 12);
			out_name[n++] = (char)(0x80 | (character >> 6 & 0x3f));
			out_name[n++] = (char)(0x80 | (character & 0x3f));
		} else if (character >= 0x80) {
			out_name[n++] = (char)(0xc0 | character >> 6);
			out_name[n++] = (char)(0x80 | (character & 0x3f));
		} else {
			out_name[n++] = (char)character;
		}
	}
	out_name[n] = 0;
}

static void add_entry(struct partition_reader *reader, const struct gpt_header *header,
	uint32_t number, const uint8_t *place)
{
	static const uint8_t unused[16];
	uint32_t block_size = reader->device->block_size;
	uint16_t name[GPT_NAME_UNITS];
	struct gpt_entry entry;

	memcpy(&entry, place, sizeof(entry));
	if (memcmp(entry.type, unused, sizeof(unused)) == 0 || entry.first > entry.last ||
		entry.first < header->first_usable || entry.last > header->last_usable) {
		return;
	}
	struct partition *partition = partition__add(reader, number, entry.first * block_size,
		(entry.last - entry.first + 1) * block_size);

	if (partition != NULL) {
		memcpy(partition->type, entry.type, sizeof(entry.type));
		memcpy(partition->uuid, entry.uuid, sizeof(entry.uuid));
		partition->flags = entry.flags;
		memcpy(name, entry.name, sizeof(name));
		name_decode(name, partition->name);
	}
}

/* Read the array, piece by piece; its checksum is known at the end. */
static int read_array(struct partition_reader *reader, const struct gpt_header *header)
{
	uint32_t block_size = reader->device->block_size;
	uint64_t size = (uint64_t)header->n_entries * header->entry_size;
	uint64_t piece_max = align_down(reader->arena.size, block_size);
	uint32_t sum = ~0u, number = 1;

	for (uint64_t done = 0; done < size;) {
		uint64_t n_bytes = min_u64(size - done, piece_max);
		int error = partition__read(
			reader, header->array * block_size + done, align_up(n_bytes, block_size));

		if (error != 0) {
			return error == -ERR_OUT_OF_BOUNDS ? BLOCKFS_E_CORRUPT : error;
		}
		sum = checksum_crc32(sum, reader->arena.address, n_bytes);
		for (uint64_t at = 0; at < n_bytes; at += header->entry_size, number++) {
			add_entry(reader, header, number, reader->arena.address + at);
		}
		done += n_bytes;
	}
	return ~sum == header->array_checksum ? 0 : BLOCKFS_E_CORRUPT;
}

/* One copy, from the block that its header is in. */
static int read_copy(struct partition_reader *reader, uint64_t here)
{
	uint32_t block_size = reader->device->block_size;
	struct gpt_header header;
	int error = partition__read(reader, here * block_size, block_size);

	reader->table->n_partitions = 0;
	if (error != 0) {
		return error;
	}
	memcpy(&header, reader->arena.address, sizeof(header));
	if (!header_is_good(&header, reader->arena.address, here, reader->device)) {
		return BLOCKFS_E_CORRUPT;
	}
	memcpy(reader->table->uuid, header.uuid, sizeof(header.uuid));
	return read_array(reader, &header);
}

int partition__read_gpt(struct partition_reader *reader)
{
	uint64_t n_blocks = reader->device->size / reader->device->block_size;

	if (n_blocks < 3) {
		return BLOCKFS_E_CORRUPT;
	}
	reader->table->scheme = PARTITIONS_GPT;
	/* the second one first: only whether it is good */
	reader->table->is_damaged = read_copy(reader, n_blocks - 1) != 0;
	int error = read_copy(reader, 1);

	if (error == BLOCKFS_E_CORRUPT || error == -ERR_IO) {
		reader->table->is_damaged = true;
		error = read_copy(reader, n_blocks - 1);
	}
	if (error != 0) {
		reader->table->n_partitions = 0;
	}
	return error;
}

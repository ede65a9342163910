/* SPDX-License-Identifier: MIT */
/*
 * The MBR: four entries in the first sector. One of them may be an extended partition, in which
 * each logical partition is preceded by a sector of the same form: its first entry is the logical
 * partition, relative to that sector; its second the next such sector, relative to the extended
 * partition. An entry of type 0xee means that there is a GPT.
 */
#include <base/string.h>
#include <drivers/lib/blockfs/partition/partition.h>

#define MBR_SECTOR       512
#define MBR_FIRST_NUMBER 5 /* of logical partitions */
#define MBR_TYPE_GPT     0xee
#define MBR_TYPE_FREE    0

struct mbr_entry {
	uint8_t status; /* 0x80: active; anything else but 0 is no entry */
	uint8_t first_chs[3];
	uint8_t type;
	uint8_t last_chs[3];
	uint32_t start;
	uint32_t n_sectors;
} PACKED;

struct mbr_sector {
	uint8_t code[440];
	uint8_t signature[4];
	uint8_t reserved[2];
	struct mbr_entry entries[4];
	uint8_t magic[2];
} PACKED;
static_assert(sizeof(struct mbr_sector) == MBR_SECTOR);

static bool type_is_extended(uint8_t type)
{
	return type == 0x05 || type == 0x0f || type == 0x85;
}

static bool sector_is_good(const struct mbr_sector *sector)
{
	if (sector->magic[0] != 0x55 || sector->magic[1] != 0xaa) {
		return false;
	}
	for (size_t i = 0; i < ARRAY_SIZE(sector->entries); i++) {
		if ((sector->entries[i].status & 0x7f) != 0) {
			return false; /* the code of a boot sector of some file system */
		}
	}
	return true;
}

static int read_sector(
	struct partition_reader *reader, uint64_t number, struct mbr_sector *out_sector)
{
	uint64_t offset = number * MBR_SECTOR;
	uint64_t block = align_down(offset, reader->device->block_size);
	int error = partition__read(reader, block, reader->device->block_size);

	if (error == 0) {
		memcpy(out_sector, reader->arena.address + (offset - block), sizeof(*out_sector));
	}
	return error;
}

static void add_entry(struct partition_reader *reader, uint32_t number, uint64_t base,
	const struct mbr_entry *entry)
{
	struct partition *partition = partition__add(reader, number,
		(base + entry->start) * MBR_SECTOR, (uint64_t)entry->n_sectors * MBR_SECTOR);

	if (partition != NULL) {
		partition->mbr_type = entry->type;
		partition->is_active = entry->status == 0x80;
	}
}

/* The chain of logical partitions. A circle ends when the table is full. */
static int read_logical(struct partition_reader *reader, const struct mbr_entry *extended)
{
	uint64_t base = extended->start;
	uint64_t at = base;
	struct mbr_sector sector;

	for (uint32_t i = 0; i < PARTITIONS_MAX; i++) {
		if (at * MBR_SECTOR >= reader->device->size) {
			return 0;
		}
		int error = read_sector(reader, at, &sector);

		if (error != 0 || !sector_is_good(&sector)) {
			return error;
		}
		if (sector.entries[0].type != MBR_TYPE_FREE) {
			add_entry(reader, MBR_FIRST_NUMBER + i, at, &sector.entries[0]);
		}
		if (!type_is_extended(sector.entries[1].type) || sector.entries[1].start == 0) {
			return 0;
		}
		at = base + sector.entries[1].start;
	}
	return 0;
}

static int read_mbr(struct partition_reader *reader, const struct mbr_sector *sector)
{
	const struct mbr_entry *extended = NULL;
	bool is_any = false;

	for (uint32_t i = 0; i < ARRAY_SIZE(sector->entries); i++) {
		const struct mbr_entry *entry = &sector->entries[i];

		if (entry->type == MBR_TYPE_FREE || entry->n_sectors == 0) {
			continue;
		}
		is_any = true;
		if (type_is_extended(entry->type)) {
			extended = extended == NULL ? entry : extended;
		} else {
			add_entry(reader, i + 1, 0, entry);
		}
	}
	if (is_any) {
		reader->table->scheme = PARTITIONS_MBR;
		memcpy(reader->table->uuid, sector->signature, sizeof(sector->signature));
	}
	return extended != NULL ? read_logical(reader, extended) : 0;
}

int partition__read(struct partition_reader *reader, uint64_t offset, uint64_t size)
{
	struct device_buffer buffer = {
		.memory = reader->arena.memory,
		.offset = reader->arena.offset,
		.length = size,
		.address = reader->arena.address,
	};

	return device_transfer(reader->task, reader->device, DEVICE_READ, offset, &buffer, 0);
}

struct partition *partition__add(
	struct partition_reader *reader, uint32_t number, uint64_t start, uint64_t size)
{
	const struct device *device = reader->device;
	struct partition_table *table = reader->table;

	if (table->n_partitions == PARTITIONS_MAX || size == 0 || start >= device->size ||
		size > device->size - start || !is_aligned(start | size, device->block_size)) {
		return NULL;
	}
	struct partition *partition = &table->partitions[table->n_partitions++];

	*partition = (struct partition){ .number = number, .start = start, .size = size };
	return partition;
}

static bool has_gpt(const struct mbr_sector *sector)
{
	for (size_t i = 0; i < ARRAY_SIZE(sector->entries); i++) {
		if (sector->entries[i].type == MBR_TYPE_GPT) {
			return true;
		}
	}
	return false;
}

int partition_table_read(struct task *task, struct device *device,
	const struct blockfs_arena *arena, struct partition_table *out_table)
{
	struct partition_reader reader = {
		.task = task,
		.device = device,
		.arena = *arena,
		.table = out_table,
	};
	struct mbr_sector sector;

	memset(out_table, 0, sizeof(*out_table));
	if (arena->size < KIB(64) || device->block_size > KIB(64)) {
		return -ERR_ILLEGAL_ARGS;
	}
	if (device->size < device->block_size) {
		return 0;
	}
	int error = read_sector(&reader, 0, &sector);

	if (error != 0 || !sector_is_good(&sector)) {
		return error;
	}
	return has_gpt(&sector) ? partition__read_gpt(&reader) : read_mbr(&reader, &sector);
}

/* SPDX-License-Identifier: MIT */
/* Partition tables: good ones, damaged ones, and bytes that are anything. */
#include "harness.h"

#include <base/testing.h>
#include <drivers/lib/blockfs/checksum.h>
#include <drivers/lib/blockfs/partition/partition.h>

#define SECTOR    512
#define N_SECTORS 8192

struct disk {
	struct harness harness;
	uint8_t *image;
	struct partition_table table;
	uint8_t *memory;
};

static void disk_init(struct disk *disk)
{
	*disk = (struct disk){ 0 };
	harness_init(&disk->harness, 0);
	fake_device_init(&disk->harness.fake, &disk->harness.test_loop.loop, N_SECTORS * SECTOR, 1);
	disk->harness.fake.delay_max_ns = 0;
	disk->harness.has_device = true;
	disk->image = disk->harness.fake.image;
	disk->memory = malloc(KIB(64));
}

static void disk_deinit(struct disk *disk)
{
	harness_deinit(&disk->harness);
	free(disk->memory);
}

static int read_task(struct task *task, void *argument)
{
	struct disk *disk = argument;
	struct blockfs_arena arena = { .address = disk->memory, .size = KIB(64) };

	return partition_table_read(task, &disk->harness.fake.device, &arena, &disk->table);
}

static int disk_read(struct disk *disk)
{
	return harness_run(&disk->harness, read_task, disk);
}

static void put32(uint8_t *place, uint32_t value)
{
	memcpy(place, &value, sizeof(value));
}

static void put64(uint8_t *place, uint64_t value)
{
	memcpy(place, &value, sizeof(value));
}

/* ---- MBR ------------------------------------------------------------------------------------- */

static void mbr_put(
	uint8_t *sector, int index, uint8_t status, uint8_t type, uint32_t start, uint32_t n)
{
	uint8_t *entry = sector + 446 + index * 16;

	entry[0] = status;
	entry[4] = type;
	put32(entry + 8, start);
	put32(entry + 12, n);
	sector[510] = 0x55;
	sector[511] = 0xaa;
}

static void check_partition(
	const struct partition *partition, uint32_t number, uint64_t start, uint64_t n)
{
	CHECK_EQ(partition->number, number);
	CHECK_EQ(partition->start, start * SECTOR);
	CHECK_EQ(partition->size, n * SECTOR);
}

TEST(mbr)
{
	struct disk disk;

	disk_init(&disk);
	CHECK_EQ(disk_read(&disk), 0);
	CHECK_EQ(disk.table.scheme, PARTITIONS_NONE);
	mbr_put(disk.image, 0, 0x80, 0x83, 64, 1000);
	mbr_put(disk.image, 1, 0, 0x05, 2000, 4000);
	mbr_put(disk.image, 2, 0, 0x82, 7000, 5000); /* reaches behind the end */
	mbr_put(disk.image + 2000 * SECTOR, 0, 0, 0x83, 10, 500);
	mbr_put(disk.image + 2000 * SECTOR, 1, 0, 0x05, 1000, 1000);
	mbr_put(disk.image + 3000 * SECTOR, 0, 0, 0x8e, 20, 600);
	CHECK_EQ(disk_read(&disk), 0);
	CHECK_EQ(disk.table.scheme, PARTITIONS_MBR);
	CHECK_EQ(disk.table.n_partitions, 3);
	check_partition(&disk.table.partitions[0], 1, 64, 1000);
	CHECK(disk.table.partitions[0].is_active);
	check_partition(&disk.table.partitions[1], 5, 2010, 500);
	check_partition(&disk.table.partitions[2], 6, 3020, 600);
	CHECK_EQ(disk.table.partitions[2].mbr_type, 0x8e);
	/* a circle ends */
	mbr_put(disk.image + 3000 * SECTOR, 1, 0, 0x05, 0x100, 1);
	mbr_put(disk.image + 2256 * SECTOR, 0, 0, 0x83, 1, 1);
	mbr_put(disk.image + 2256 * SECTOR, 1, 0, 0x05, 1000, 1);
	CHECK_EQ(disk_read(&disk), 0);
	CHECK(disk.table.n_partitions <= PARTITIONS_MAX);
	/* the boot sector of a file system is no table */
	disk.image[446] = 0x33;
	CHECK_EQ(disk_read(&disk), 0);
	CHECK_EQ(disk.table.scheme, PARTITIONS_NONE);
	disk_deinit(&disk);
}

/* ---- GPT ------------------------------------------------------------------------------------- */

static void gpt_put_header(uint8_t *image, uint64_t here, uint64_t other, uint64_t array)
{
	uint8_t *header = image + here * SECTOR;

	memset(header, 0, SECTOR);
	memcpy(header, "EFI PART", 8);
	put32(header + 8, 0x10000);
	put32(header + 12, 92);
	put64(header + 24, here);
	put64(header + 32, other);
	put64(header + 40, 34);
	put64(header + 48, N_SECTORS - 34);
	memset(header + 56, 0x77, 16);
	put64(header + 72, array);
	put32(header + 80, 128);
	put32(header + 84, 128);
	put32(header + 88, ~checksum_crc32(~0u, image + array * SECTOR, 128 * 128));
	put32(header + 16, ~checksum_crc32(~0u, header, 92));
}

static void gpt_put(uint8_t *array, int index, uint64_t first, uint64_t last)
{
	static const uint16_t name[] = { 'r', 0xf6, 0x20ac, 0xd83d, 0xde00, 0xd800, 'x' };
	uint8_t *entry = array + index * 128;

	memset(entry, 0x11, 16);
	memset(entry + 16, 0x22 + index, 16);
	put64(entry + 32, first);
	put64(entry + 40, last);
	put64(entry + 48, 4);
	memcpy(entry + 56, name, sizeof(name));
}

static void gpt_make(struct disk *disk)
{
	uint8_t *image = disk->image;

	memset(image, 0, 64 * SECTOR);
	mbr_put(image, 0, 0, 0xee, 1, N_SECTORS - 1);
	gpt_put(image + 2 * SECTOR, 0, 64, 1063);
	gpt_put(image + 2 * SECTOR, 2, 2000, 2000);
	gpt_put(image + 2 * SECTOR, 3, 1, 5000); /* over the table itself */
	gpt_put(image + 2 * SECTOR, 4, 3000, 2999);
	memcpy(image + (N_SECTORS - 33) * SECTOR, image + 2 * SECTOR, 32 * SECTOR);
	gpt_put_header(image, 1, N_SECTORS - 1, 2);
	gpt_put_header(image, N_SECTORS - 1, 1, N_SECTORS - 33);
}

static void check_gpt(struct disk *disk, bool is_damaged)
{
	CHECK_EQ(disk_read(disk), 0);
	CHECK_EQ(disk->table.scheme, PARTITIONS_GPT);
	CHECK_EQ(disk->table.is_damaged, is_damaged);
	CHECK_EQ(disk->table.n_partitions, 2);
	check_partition(&disk->table.partitions[0], 1, 64, 1000);
	check_partition(&disk->table.partitions[1], 3, 2000, 1);
	CHECK_STR_EQ(disk->table.partitions[0].name, "r\xc3\xb6\xe2\x82\xac\xf0\x9f\x98\x80?x");
	CHECK_EQ(disk->table.partitions[1].uuid[0], 0x24);
	CHECK_EQ(disk->table.partitions[0].flags, 4);
}

TEST(gpt)
{
	struct disk disk;

	disk_init(&disk);
	gpt_make(&disk);
	check_gpt(&disk, false);
	disk.image[SECTOR + 60] ^= 1; /* the first header */
	check_gpt(&disk, true);
	disk.image[(N_SECTORS - 20) * SECTOR] ^= 1; /* and the second array */
	CHECK_EQ(disk_read(&disk), BLOCKFS_E_CORRUPT);
	CHECK_EQ(disk.table.n_partitions, 0);
	gpt_make(&disk);
	disk.image[(N_SECTORS - 1) * SECTOR + 3] ^= 1;
	check_gpt(&disk, true);
	gpt_make(&disk);
	disk.harness.fake.fail_from = SECTOR;
	disk.harness.fake.fail_to = 2 * SECTOR;
	check_gpt(&disk, true);
	disk_deinit(&disk);
}

TEST(tables_of_random_bytes)
{
	struct disk disk;
	struct random random;

	disk_init(&disk);
	random_init(&random, test_seed(8));
	for (int i = 0; i < 3000; i++) {
		gpt_make(&disk);
		if (i % 2 == 0) {
			mbr_put(disk.image, 0, 0, 0x83, 64, 1000);
			mbr_put(disk.image, 1, 0, 0x05, 2000, 4000);
		}
		for (int j = 0; j < 6; j++) {
			uint64_t at = random_below(&random, j % 2 == 0 ? 1024 : 40 * SECTOR);

			disk.image[at] = (uint8_t)random_u64(&random);
		}
		disk.image[510] = 0x55;
		if (i % 3 == 0) { /* checksums that are right all the same */
			uint8_t *header = disk.image + SECTOR;

			put32(header + 16, 0);
			put32(header + 16, ~checksum_crc32(~0u, header, 92));
		}
		(void)disk_read(&disk);
		for (size_t j = 0; j < disk.table.n_partitions; j++) {
			const struct partition *partition = &disk.table.partitions[j];

			CHECK(partition->start + partition->size <= N_SECTORS * SECTOR);
			CHECK(partition->start + partition->size > partition->start);
		}
	}
	disk_deinit(&disk);
}

TEST_MAIN()

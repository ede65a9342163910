/* SPDX-License-Identifier: MIT */
/* Tests of what ATA drives say. */
#include "ata.h"

#include <base/random.h>
#include <base/string.h>
#include <base/testing.h>

static uint8_t data[ATA_IDENTIFY_BYTES];

static void put(size_t word, uint16_t value)
{
	data[2 * word] = (uint8_t)value;
	data[2 * word + 1] = (uint8_t)(value >> 8);
}

static void put_text(size_t word, const char *text, size_t size)
{
	size_t length = strlen(text);

	for (size_t i = 0; i < size; i++) {
		data[2 * word + (i ^ 1)] = (uint8_t)(i < length ? text[i] : ' ');
	}
}

static struct ata_identity read_identity(void)
{
	struct ata_identity identity;

	ata_identity_read(data, &identity);
	return identity;
}

/* As a disk of 2 TiB in blocks of 512, with 4096 on the platter. */
static void describe_disk(void)
{
	memset(data, 0, sizeof(data));
	put_text(10, "S1", 20);
	put_text(27, "A disk with a name of forty characters..", 40);
	put(49, 0x0300);
	put(60, 0xffff);
	put(61, 0x0fff);
	put(63, 0x0007);
	put(75, 31);
	put(76, 0x0100);
	put(83, 0x7400);
	put(84, 0x4040);
	put(85, 0x0020);
	put(88, 0x203f);
	put(102, 1);
	put(106, 0x6003);
	put(169, 1);
	put(217, 7200);
}

TEST(ata_disk_is_understood)
{
	describe_disk();
	struct ata_identity identity = read_identity();

	CHECK(ata_identity_is_usable(&identity));
	CHECK(str_equal(identity.serial, "S1"));
	CHECK(str_equal(identity.model, "A disk with a name of forty characters.."));
	CHECK_EQ(identity.n_blocks, UINT64_C(1) << 32);
	CHECK_EQ(identity.logical_block_bytes, 512);
	CHECK_EQ(identity.physical_block_bytes, 4096);
	CHECK_EQ(identity.depth, 32);
	CHECK(identity.has_lba && identity.has_long && identity.has_dma && identity.has_cache);
	CHECK(identity.has_flush && identity.has_flush_long && identity.has_fua);
	CHECK(identity.has_trim && identity.is_rotational);
}

TEST(ata_old_disk_has_less)
{
	describe_disk();
	put(76, 0);
	put(83, 0);
	put(84, 0x0040); /* not valid without the upper bits */
	put(88, 0x003f); /* modes, but none is chosen */
	put(217, 1);
	struct ata_identity identity = read_identity();

	CHECK(ata_identity_is_usable(&identity));
	CHECK_EQ(identity.n_blocks, 0x0fffffff);
	CHECK_EQ(identity.depth, 1);
	CHECK(!identity.has_long && !identity.has_dma && !identity.has_fua);
	CHECK(!identity.has_flush && !identity.has_flush_long && !identity.is_rotational);
	put(63, 0x0407);
	CHECK(read_identity().has_dma);
	put(49, 0);
	identity = read_identity();
	CHECK(!ata_identity_is_usable(&identity));
}

TEST(ata_block_sizes_are_checked)
{
	describe_disk();
	put(106, 0x5000);
	put(117, 2048);
	CHECK_EQ(read_identity().logical_block_bytes, 4096);
	put(118, 0x8000); /* 2 to the 33rd bytes are not 0 */
	struct ata_identity identity = read_identity();

	CHECK(!ata_identity_is_usable(&identity));
	put(117, 1000);
	put(118, 0);
	identity = read_identity();
	CHECK(!ata_identity_is_usable(&identity));
}

TEST(ata_disc_drive_is_understood)
{
	memset(data, 0, sizeof(data));
	put(0, 0x85c0);
	put(49, 0x0300);
	put(62, 0x8000);
	put(63, 0x0407);
	struct ata_identity identity = read_identity();

	CHECK(identity.is_packet_disc && identity.has_dma && identity.wants_direction);
	put(0, 0x85c1); /* packets of 16 bytes */
	CHECK(!read_identity().is_packet_disc);
	put(0, 0x81c0); /* a tape */
	CHECK(!read_identity().is_packet_disc);
}

TEST(ata_trim_list_has_all)
{
	uint64_t ranges[ATA_SECTOR_BYTES / sizeof(uint64_t)];
	uint64_t next = 77;

	ata_trim_list(ranges, 77, 65535 + 10);
	CHECK_EQ(ranges[0], 77 | UINT64_C(65535) << 48);
	CHECK_EQ(ranges[1], (77 + 65535) | UINT64_C(10) << 48);
	CHECK_EQ(ranges[2], 0);
	ata_trim_list(ranges, next, ATA_TRIM_BLOCKS_MAX);
	for (size_t i = 0; i < ARRAY_SIZE(ranges); i++) {
		CHECK_EQ(ranges[i] & ((UINT64_C(1) << 48) - 1), next);
		next += ranges[i] >> 48;
	}
	CHECK_EQ(next, 77 + ATA_TRIM_BLOCKS_MAX);
}

TEST(ata_any_answer_is_survived)
{
	struct random random;

	random_init(&random, test_seed(1));
	for (int round = 0; round < 1000; round++) {
		for (size_t i = 0; i < sizeof(data); i++) {
			data[i] = (uint8_t)random_u64(&random);
		}
		struct ata_identity identity = read_identity();

		CHECK(strlen(identity.model) <= 40 && strlen(identity.serial) <= 20);
		CHECK(identity.depth >= 1 && identity.depth <= ATA_QUEUE_MAX);
		if (ata_identity_is_usable(&identity)) {
			CHECK(identity.logical_block_bytes >= 512);
			CHECK(identity.logical_block_bytes <= 4096);
		}
	}
}

TEST_MAIN()

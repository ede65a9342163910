/* SPDX-License-Identifier: MIT */
/* Names and numbers of disks; what is seen on them. */
#include <abi/linux/errno.h>
#include <abi/linux/stat.h>
#include <base/format.h>
#include <base/random.h>
#include <base/testing.h>
#include <posix/server/fs/block-name.h>
#include <posix/server/fs/block-probe.h>
#include <posix/server/tests/fakes.h>

static struct block_names names;

static void begin(void)
{
	block_names_init(&names);
}

static void end(void)
{
	block_names_deinit(&names);
	CHECK_EQ(fake_n_blocks, 0);
}

/* The name below /dev of a disk, or of a partition of it. */
static const char *name_of(const char *disk, uint32_t partition)
{
	static char text[64];
	struct block_place place;
	uint32_t index;

	block_place_parse(disk, &place);
	CHECK_EQ(block_names_index(&names, disk, &index), 0);
	CHECK(block_name_print(&place, index, partition, text, sizeof(text)) < sizeof(text));
	return text;
}

/* Its number, which is given back. */
static uint64_t number_of(const char *disk, uint32_t partition)
{
	struct block_place place;
	uint32_t index;
	uint64_t rdev;

	block_place_parse(disk, &place);
	CHECK_EQ(block_names_index(&names, disk, &index), 0);
	CHECK_EQ(block_names_take_number(&names, &place, index, partition, &rdev), 0);
	block_names_give_number(&names, rdev);
	return rdev;
}

TEST(names_and_numbers_are_those_of_linux)
{
	begin();
	CHECK_STR_EQ(name_of("virtio-0000:00:10.0", 0), "vda");
	CHECK_STR_EQ(name_of("virtio-0000:00:10.0", 3), "vda3");
	CHECK_EQ(number_of("virtio-0000:00:10.0", 3), linux_makedev(254, 3));
	CHECK_STR_EQ(name_of("nvme-0000:00:04.0n1", 0), "nvme0n1");
	CHECK_STR_EQ(name_of("nvme-0000:00:04.0n1", 2), "nvme0n1p2");
	CHECK_STR_EQ(name_of("nvme-0000:00:04.0n2", 0), "nvme0n2");
	CHECK_EQ(number_of("nvme-0000:00:04.0n1", 0), linux_makedev(259, 0));
	CHECK_STR_EQ(name_of("ahci-0000:00:1f.2p0", 0), "sda");
	CHECK_STR_EQ(name_of("ahci-0000:00:1f.2p3", 1), "sdb1");
	CHECK_EQ(number_of("ahci-0000:00:1f.2p3", 1), linux_makedev(8, 17));
	CHECK_EQ(number_of("ahci-0000:00:1f.2p3", 16), linux_makedev(259, 0));
	CHECK_STR_EQ(name_of("ram0", 0), "ram0");
	CHECK_STR_EQ(name_of("ram7", 1), "ram7p1");
	CHECK_EQ(number_of("ram7", 0), linux_makedev(1, 7));
	CHECK_STR_EQ(name_of("loop3", 1), "loop3p1");
	CHECK_EQ(number_of("loop3", 0), linux_makedev(7, 3));
	end();
}

TEST(disks_are_numbered_by_place_not_by_arrival)
{
	begin();
	CHECK_EQ(block_names_expect(&names, "virtio-0000:00:04.0"), 0);
	CHECK_EQ(block_names_expect(&names, "virtio-0000:00:05.0"), 0);
	CHECK_EQ(block_names_expect(&names, "virtio-0000:01:00.0"), 0);
	CHECK_STR_EQ(name_of("virtio-0000:01:00.0", 0), "vdc");
	CHECK_STR_EQ(name_of("virtio-0000:00:05.0", 0), "vdb");
	CHECK_STR_EQ(name_of("virtio-0000:00:04.0", 0), "vda");
	end();
}

TEST(a_disk_that_comes_late_takes_no_others_name)
{
	begin();
	CHECK_STR_EQ(name_of("ahci-0000:00:1f.2p4", 0), "sda");
	CHECK_STR_EQ(name_of("ahci-0000:00:1f.2p1", 0), "sdb");
	CHECK_STR_EQ(name_of("ahci-0000:00:1f.2p4", 0), "sda");
	end();
}

TEST(controllers_are_counted_by_nvme_not_namespaces)
{
	begin();
	CHECK_EQ(block_names_expect(&names, "nvme-0000:00:04.0"), 0);
	CHECK_STR_EQ(name_of("nvme-0000:00:05.0n1", 0), "nvme1n1");
	CHECK_STR_EQ(name_of("nvme-0000:00:04.0n9", 0), "nvme0n9");
	end();
}

TEST(letters_go_on_behind_z)
{
	char disk[64], name[64];
	const struct {
		uint32_t number;
		const char *name;
	} some[] = { { 25, "sdz" }, { 26, "sdaa" }, { 51, "sdaz" }, { 52, "sdba" }, { 701, "sdzz" },
		{ 702, "sdaaa" } };

	begin();
	for (uint32_t i = 0; i < 800; i++) {
		format_to(disk, sizeof(disk), "ahci-0000:00:1f.2p%u", i);
		format_to(name, sizeof(name), "%s", name_of(disk, 0));
		for (size_t k = 0; k < ARRAY_SIZE(some); k++) {
			if (some[k].number == i) {
				CHECK_STR_EQ(name, some[k].name);
			}
		}
	}
	CHECK_EQ(number_of("ahci-0000:00:1f.2p16", 0), linux_makedev(65, 0));
	CHECK_EQ(number_of("ahci-0000:00:1f.2p255", 15), linux_makedev(135, 255));
	CHECK_EQ(number_of("ahci-0000:00:1f.2p256", 0), linux_makedev(259, 0));
	end();
}

TEST(there_is_a_limit)
{
	char disk[64];
	uint32_t index;

	begin();
	for (uint32_t i = 0; i < BLOCK_NAME_PLACES_MAX; i++) {
		format_to(disk, sizeof(disk), "what-0000:00:00.0p%u", i);
		CHECK_EQ(block_names_index(&names, disk, &index), 0);
	}
	CHECK_EQ(block_names_index(&names, "what-0000:00:00.1", &index), -LINUX_ENOSPC);
	CHECK_STR_EQ(name_of("what-0000:00:00.0p5", 0), "sdf");
	end();
}

TEST(any_name_is_a_place)
{
	static const char *const odd[] = { "", "-", "ahci", "ahci-", "ahci-0000:00:1f", "7",
		"ahci-0000:00:1f.2", "ahci-gggg:00:1f.2p1", "x-0000:00:1f.2p99999999999999",
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-0000:00:1f.2" };
	struct block_place place;

	begin();
	for (size_t i = 0; i < ARRAY_SIZE(odd); i++) {
		block_place_parse(odd[i], &place);
		CHECK(strncmp(name_of(odd[i], 0), "sd", 2) == 0);
	}
	end();
}

/* ---- probing --------------------------------------------------------------------------------- */

static uint8_t disk[BLOCK_PROBE_BYTES];
static struct block_probe probe;

static void look(void)
{
	block_probe(disk, sizeof(disk), &probe);
}

static void put(size_t offset, const void *data, size_t size)
{
	memcpy(disk + offset, data, size);
}

static void put_ext(void)
{
	static const uint8_t uuid[16] = { 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0xfe,
		0xdc, 0xba, 0x98, 0x76, 0x54, 0x32, 0x10 };

	put(1024 + 0x38, "\x53\xef", 2);
	put(1024 + 0x68, uuid, sizeof(uuid));
	put(1024 + 0x78, "root disk", 9);
}

TEST(nothing_is_seen_on_an_empty_disk)
{
	memset(disk, 0, sizeof(disk));
	look();
	CHECK_STR_EQ(probe.uuid, "");
	CHECK_STR_EQ(probe.label, "");
}

TEST(ext4_has_uuid_and_label)
{
	memset(disk, 0, sizeof(disk));
	put_ext();
	look();
	CHECK_STR_EQ(probe.uuid, "01234567-89ab-cdef-fedc-ba9876543210");
	CHECK_STR_EQ(probe.label, "root disk");
}

TEST(swap_space_over_a_file_system)
{
	memset(disk, 0, sizeof(disk));
	put_ext();
	put(4096 - 10, "SWAPSPACE2", 10);
	put(0x40c, "\1\2\3\4\5\6\7\10\11\12\13\14\15\16\17\20", 16);
	put(0x41c, "swap", 5);
	look();
	CHECK_STR_EQ(probe.uuid, "01020304-0506-0708-090a-0b0c0d0e0f10");
	CHECK_STR_EQ(probe.label, "swap");
}

TEST(fat_has_a_serial_number)
{
	memset(disk, 0, sizeof(disk));
	put(510, "\x55\xaa", 2);
	look();
	CHECK_STR_EQ(probe.uuid, ""); /* a table of partitions */
	put(0x36, "FAT16   ", 8);
	put(0x27, "\x78\x56\x34\x12", 4);
	put(0x2b, "EFI        ", 11);
	look();
	CHECK_STR_EQ(probe.uuid, "1234-5678");
	CHECK_STR_EQ(probe.label, "EFI");
	put(0x52, "FAT32   ", 8);
	put(0x43, "\xef\xcd\xab\x90", 4);
	put(0x47, "NO NAME    ", 11);
	look();
	CHECK_STR_EQ(probe.uuid, "90AB-CDEF");
	CHECK_STR_EQ(probe.label, "");
}

TEST(iso_has_a_time)
{
	memset(disk, 0, sizeof(disk));
	put(32768, "\001CD001", 6);
	put(32768 + 40, "DEBIAN 12                       ", 32);
	put(32768 + 813, "2024020310111213", 16);
	put(32768 + 830, "0000000000000000", 16);
	look();
	CHECK_STR_EQ(probe.uuid, "2024-02-03-10-11-12-13");
	CHECK_STR_EQ(probe.label, "DEBIAN 12");
}

TEST(guids_are_mixed_up)
{
	static const uint8_t guid[16] = { 0xaf, 0x3d, 0xc6, 0x0f, 0x83, 0x84, 0x72, 0x47, 0x8e,
		0x79, 0x3d, 0x69, 0xd8, 0x47, 0x7d, 0xe4 };
	char text[BLOCK_UUID_SIZE];

	block_guid_print(guid, text);
	CHECK_STR_EQ(text, "0fc63daf-8483-4772-8e79-3d69d8477de4");
}

TEST(hostile_starts_of_disks)
{
	struct random random;

	random_init(&random, test_seed(1));
	for (uint32_t i = 0; i < 3000; i++) {
		size_t size = (size_t)random_below(&random, BLOCK_PROBE_BYTES + 1);
		uint8_t *exact = malloc(size + 1); /* so that the sanitizer sees the end */

		memset(disk, (int)random_below(&random, 256), sizeof(disk));
		put_ext();
		if (i % 2 != 0) {
			put(4096 - 10, "SWAPSPACE2", 10);
		}
		if (i % 3 != 0) {
			put(32768, "\001CD001", 6);
		}
		memcpy(exact, disk, size);
		block_probe(exact, size, &probe);
		CHECK(memchr(probe.uuid, '\0', sizeof(probe.uuid)) != NULL);
		CHECK(memchr(probe.label, '\0', sizeof(probe.label)) != NULL);
		free(exact);
	}
}

TEST_MAIN()

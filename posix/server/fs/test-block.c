/* SPDX-License-Identifier: MIT */
/* Block devices as programs find them: nodes, links, sysfs, /proc. */
#include <base/format.h>
#include <posix/server/fs/block.h>
#include <posix/server/tests/files.h>
#include <protocols/fs/counters.h>

static const struct volume_info disk_info = {
	.flags = FS_VOLUME_FLAG_ROTATIONAL | FS_VOLUME_FLAG_WRITE_CACHE,
	.size_bytes = MIB(64),
	.logical_block_bytes = 512,
	.physical_block_bytes = 4096,
	.scheme = FS_SCHEME_GPT,
	.model = "QEMU HARDDISK",
	.serial = "HATI  1",
};

static const struct volume_info partition_info = {
	.start_bytes = MIB(1),
	.size_bytes = MIB(32),
	.logical_block_bytes = 512,
	.physical_block_bytes = 4096,
	.partition = 1,
	.scheme = FS_SCHEME_GPT,
	.uuid = { 0xaf, 0x3d, 0xc6, 0x0f, 0x83, 0x84, 0x72, 0x47, 0x8e, 0x79, 0x3d, 0x69, 0xd8,
		0x47, 0x7d, 0xe4 },
	.label = "root/fs \xc3\xa4",
};

static uint64_t last_object;

static struct block *add(const char *name, const char *disk, const struct volume_info *info)
{
	struct block_found found = {
		.name = name,
		.disk = disk,
		.object = ++last_object,
		.lane = fake_memory_with("", 0),
		.info = info,
	};
	struct block *block;

	CHECK_EQ(block_add(&found, &block), 0);
	block_show(block);
	volume_unref(&block->volume);
	return block;
}

static struct block *add_disk(void)
{
	return add("ahci-0000:00:1f.2p2", "ahci-0000:00:1f.2p2", &disk_info);
}

static struct block *add_partition(void)
{
	return add("ahci-0000:00:1f.2p2-part1", "ahci-0000:00:1f.2p2", &partition_info);
}

static void all_gone(void)
{
	while (block_next(NULL) != NULL) {
		block_vanished(block_next(NULL)->volume.object);
	}
	block_forget_places();
}

static void begin_with_sys(void)
{
	begin();
	CHECK_EQ(call_mkdir(root, "/sys", 0755), 0);
	CHECK_EQ(call_mount(root, "sys", "/sys", "sysfs", "", 0), 0);
}

/* Folders that all disks share stay, so they are made before anything is counted. */
static void begin_disks(void)
{
	static bool has_folders;

	if (!has_folders) {
		struct block_probe probe = { .uuid = "1", .label = "1" };
		struct volume_info info = disk_info;

		has_folders = true;
		begin_with_sys();
		block_set_probe(add_disk(), &probe);
		add_partition();
		add("virtio-0000:00:10.0", "virtio-0000:00:10.0", &info);
		add("nvme-0000:00:11.0n1", "nvme-0000:00:11.0n1", &info);
		add("ide-0000:00:01.1c1d0", "ide-0000:00:01.1c1d0", &info);
		all_gone();
		end_case();
	}
	begin_with_sys();
}

static const char *link_text(const char *path)
{
	static char text[512];
	int64_t size = call_readlink(root, path, text, sizeof(text) - 1);

	text[size < 0 ? 0 : size] = '\0';
	return text;
}

TEST(a_disk_has_a_node)
{
	struct linux_stat stat;

	begin_disks();
	add_disk();
	CHECK_EQ(call_stat(root, "/dev/sda", &stat), 0);
	CHECK_EQ(stat.mode, LINUX_S_IFBLK | 0600);
	CHECK_EQ(stat.rdev, linux_makedev(8, 0));
	CHECK(volume_find(stat.rdev) != NULL);
	CHECK(volume_find_name("sda") == volume_find(stat.rdev));
	CHECK(volume_find_name("ahci-0000:00:1f.2p2") == volume_find(stat.rdev));
	all_gone();
	CHECK_EQ(call_stat(root, "/dev/sda", &stat), -LINUX_ENOENT);
	CHECK(volume_find(linux_makedev(8, 0)) == NULL);
	end();
}

TEST(partitions_come_with_their_disk)
{
	struct linux_stat stat;

	begin_disks();
	add_partition();
	CHECK_EQ(call_stat(root, "/dev/sda1", &stat), -LINUX_ENOENT);
	add_disk();
	CHECK_EQ(call_stat(root, "/dev/sda1", &stat), 0);
	CHECK_EQ(stat.rdev, linux_makedev(8, 1));
	all_gone();
	end();
}

TEST(sysfs_says_what_a_disk_is)
{
	begin_disks();
	add_disk();
	add_partition();
	CHECK_STR_EQ(list(root, "/sys/block"), "sda ");
	CHECK_STR_EQ(list(root, "/sys/class/block"), "sda sda1 ");
	CHECK_STR_EQ(link_text("/sys/block/sda"),
		"../devices/pci0000:00/0000:00:1f.2/ata1/host0/target0:0:0/0:0:0:0/block/sda");
	CHECK_STR_EQ(file_text(root, "/sys/block/sda/size"), "131072\n");
	CHECK_STR_EQ(file_text(root, "/sys/block/sda/dev"), "8:0\n");
	CHECK_STR_EQ(file_text(root, "/sys/block/sda/ro"), "0\n");
	CHECK_STR_EQ(file_text(root, "/sys/block/sda/queue/rotational"), "1\n");
	CHECK_STR_EQ(file_text(root, "/sys/block/sda/queue/physical_block_size"), "4096\n");
	CHECK_STR_EQ(file_text(root, "/sys/block/sda/queue/write_cache"), "write back\n");
	CHECK_STR_EQ(file_text(root, "/sys/block/sda/device/model"), "QEMU HARDDISK   \n");
	CHECK_STR_EQ(file_text(root, "/sys/block/sda/stat"), "0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n");
	CHECK_STR_EQ(file_text(root, "/sys/block/sda/sda1/partition"), "1\n");
	CHECK_STR_EQ(file_text(root, "/sys/block/sda/sda1/start"), "2048\n");
	CHECK_STR_EQ(file_text(root, "/sys/dev/block/8:1/size"), "65536\n");
	CHECK_STR_EQ(file_text(root, "/sys/dev/block/8:1/../size"), "131072\n");
	CHECK_STR_EQ(file_text(root, "/sys/class/block/sda1/uevent"),
		"MAJOR=8\nMINOR=1\nDEVNAME=sda1\nDEVTYPE=partition\nDISKSEQ=1\nPARTN=1\n"
		"PARTNAME=root/fs \xc3\xa4\n");
	CHECK_STR_EQ(link_text("/sys/block/sda/sda1/subsystem"),
		"../../../../../../../../../../class/block");
	all_gone();
	CHECK_STR_EQ(list(root, "/sys/block"), "");
	CHECK_STR_EQ(list(root, "/sys/class/block"), "");
	CHECK_STR_EQ(list(root, "/sys/dev/block"), "");
	end();
}

TEST(counters_of_a_disk_that_is_gone)
{
	char text[64];

	begin_disks();
	add_disk();
	int64_t fd = call_open(root, "/sys/block/sda/stat", LINUX_O_RDONLY, 0);

	CHECK(fd >= 0);
	CHECK(call_pread(root, fd, text, sizeof(text), 0) > 0);
	all_gone();
	CHECK_EQ(call_pread(root, fd, text, sizeof(text), 0), -LINUX_ENODEV);
	CHECK_EQ(call_close(root, fd), 0);
	end();
}

TEST(links_are_those_of_udev)
{
	begin_disks();
	struct block *disk = add_disk();
	struct block *partition = add_partition();
	struct block_probe probe = { .uuid = "1234-5678", .label = "my disk" };

	block_set_probe(partition, &probe);
	CHECK_STR_EQ(link_text("/dev/disk/by-path/pci-0000:00:1f.2-ata-3"), "../../sda");
	CHECK_STR_EQ(link_text("/dev/disk/by-path/pci-0000:00:1f.2-ata-3-part1"), "../../sda1");
	add("ide-0000:00:01.1c1d0", "ide-0000:00:01.1c1d0", &disk_info);
	CHECK_STR_EQ(link_text("/dev/disk/by-path/pci-0000:00:01.1-ata-2.0"), "../../sdb");
	CHECK_STR_EQ(link_text("/dev/disk/by-id/ata-QEMU_HARDDISK_HATI_1"), "../../sda");
	CHECK_STR_EQ(link_text("/dev/disk/by-partuuid/0fc63daf-8483-4772-8e79-3d69d8477de4"),
		"../../sda1");
	CHECK_STR_EQ(link_text("/dev/disk/by-partlabel/root\\x2ffs\\x20\xc3\xa4"), "../../sda1");
	CHECK_STR_EQ(link_text("/dev/disk/by-uuid/1234-5678"), "../../sda1");
	CHECK_STR_EQ(link_text("/dev/disk/by-label/my\\x20disk"), "../../sda1");
	/* the first one keeps a name */
	block_set_probe(disk, &probe);
	CHECK_STR_EQ(link_text("/dev/disk/by-uuid/1234-5678"), "../../sda1");
	probe = (struct block_probe){ .uuid = "abc", .label = ".." };
	block_set_probe(partition, &probe);
	CHECK_STR_EQ(link_text("/dev/disk/by-label/.."), "");
	CHECK_STR_EQ(link_text("/dev/disk/by-uuid/1234-5678"), "");
	CHECK_STR_EQ(link_text("/dev/disk/by-uuid/abc"), "../../sda1");
	all_gone();
	CHECK_STR_EQ(list(root, "/dev/disk/by-uuid"), "");
	CHECK_STR_EQ(list(root, "/dev/disk/by-path"), "");
	end();
}

TEST(proc_lists_them)
{
	begin_disks();
	add_disk();
	add_partition();
	CHECK_STR_EQ(file_text(root, "/proc/partitions"),
		"major minor  #blocks  name\n\n"
		"   8        0      65536 sda\n"
		"   8        1      32768 sda1\n");
	CHECK_STR_EQ(file_text(root, "/proc/diskstats"),
		"   8       0 sda 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n"
		"   8       1 sda1 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n");
	CHECK(strstr(file_text(root, "/proc/devices"),
		      "Block devices:\n  1 ramdisk\n"
		      "  7 loop\n  8 sd\n") != NULL);
	all_gone();
	end();
}

TEST(counters_are_those_of_the_server)
{
	const struct fs_counters counters = {
		.n_reads = 1,
		.n_read_bytes = 1024,
		.read_ns = 3'500'000,
		.n_writes = 4,
		.n_written_bytes = 512 * 5,
		.write_ns = 6'000'000,
		.n_discards = 7,
		.n_discarded_bytes = 512 * 8,
		.discard_ns = 9'000'000,
		.n_flushes = 10,
		.flush_ns = 11'000'000,
		.n_reads_now = 12,
		.n_writes_now = 13,
		.busy_ns = 14'000'000,
	};

	begin_disks();
	block_set_counters(add_disk(), fake_memory_with(&counters, sizeof(counters)));
	CHECK_STR_EQ(
		file_text(root, "/sys/block/sda/stat"), "1 0 2 3 4 0 5 6 25 14 29 7 0 8 9 10 11\n");
	CHECK_STR_EQ(file_text(root, "/sys/block/sda/inflight"), "      12       13\n");
	CHECK_STR_EQ(file_text(root, "/proc/diskstats"),
		"   8       0 sda 1 0 2 3 4 0 5 6 25 14 29 7 0 8 9 10 11\n");
	all_gone();
	end();
}

TEST(a_volume_that_comes_again_is_the_same_device)
{
	begin_disks();
	struct block *disk = add_disk();

	volume_ref(&disk->volume);
	block_vanished(disk->volume.object);
	CHECK(volume_find_name("sda") == NULL);
	CHECK(add_disk() == disk);
	CHECK(volume_find_name("sda") == &disk->volume);
	volume_unref(&disk->volume);
	all_gone();
	end();
}

TEST(what_makes_no_sense_is_left_out)
{
	struct volume_info infos[6];
	struct block *block;

	begin_disks();
	for (size_t i = 0; i < ARRAY_SIZE(infos); i++) {
		infos[i] = disk_info;
	}
	infos[0].logical_block_bytes = 0;
	infos[1].logical_block_bytes = 1000;
	infos[2].physical_block_bytes = 3;
	infos[3].size_bytes = 513;
	infos[4].size_bytes = UINT64_MAX - 511;
	infos[5].partition = UINT32_MAX;
	for (size_t i = 0; i < ARRAY_SIZE(infos); i++) {
		const struct block_found found = {
			.name = "x", .disk = "x", .object = ++last_object, .info = &infos[i]
		};

		CHECK_EQ(block_add(&found, &block), -LINUX_EINVAL);
	}
	add_disk();
	const struct block_found again = {
		.name = "ahci-0000:00:1f.2p2",
		.disk = "ahci-0000:00:1f.2p2",
		.object = ++last_object,
		.info = &disk_info,
	};

	CHECK_EQ(block_add(&again, &block), -LINUX_EINVAL);
	all_gone();
	end();
}

TEST(who_wants_a_disk_alone)
{
	begin_disks();
	struct block *disk = add_disk();
	struct block *partition = add_partition();

	CHECK_EQ(block_claim(partition), 0);
	CHECK_EQ(block_claim(partition), -LINUX_EBUSY);
	CHECK_EQ(block_claim(disk), -LINUX_EBUSY);
	CHECK(volume_is_claimed(&partition->volume));
	block_unclaim(partition);
	CHECK(!volume_is_claimed(&partition->volume));
	CHECK_EQ(block_claim(disk), 0);
	CHECK_EQ(block_claim(partition), -LINUX_EBUSY);
	CHECK(volume_is_claimed(&partition->volume));
	block_unclaim(disk);
	all_gone();
	end();
}

TEST(without_memory_nothing_is_lost)
{
	bool is_added = false;

	for (size_t at = 1; !is_added; at++) {
		begin_disks();
		struct block_found found = {
			.name = "virtio-0000:00:10.0",
			.disk = "virtio-0000:00:10.0",
			.object = ++last_object,
			.lane = fake_memory_with("", 0),
			.info = &disk_info,
		};
		struct block *block;

		fake_fail_allocation = at;
		int64_t error = block_add(&found, &block);

		if (error == 0) {
			block_show(block);
			volume_unref(&block->volume);
		} else {
			CHECK_EQ(error, -LINUX_ENOMEM);
			hel_close(HEL_THIS, found.lane);
		}
		is_added = fake_fail_allocation != 0;
		fake_fail_allocation = 0;
		all_gone();
		end();
	}
}

TEST_MAIN()

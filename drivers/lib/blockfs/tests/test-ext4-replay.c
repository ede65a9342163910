/* SPDX-License-Identifier: MIT */
/*
 * Replaying journals that debugfs wrote: all versions of checksums, revoked and escaped blocks,
 * logs without an end. The library's replay and e2fsck's must leave the same image.
 */
#include "harness.h"

#include <base/testing.h>
#include <fcntl.h>
#include <unistd.h>

#define BLOCK 1024

static void read_block(const char *image, uint64_t block, uint8_t *out_data)
{
	int file = open(harness_path(image), O_RDONLY);

	CHECK(file >= 0);
	CHECK(pread(file, out_data, BLOCK, (off_t)block * BLOCK) == BLOCK);
	close(file);
}

/* Blocks 5000 to 5099 are free in a fresh image of 8 MiB: there the transactions write. */
static void make_image(const char *options, const char *journal_open)
{
	harness_must("rm -f image; mke2fs -q -F -b 1024 -J size=1 %s image 8M", options);
	harness_must("head -c 102400 /dev/zero | tr '\\0' 'a' >a;"
		     "head -c 102400 /dev/zero | tr '\\0' 'b' >b;"
		     "printf '\\300\\073\\071\\230' >c; head -c 1020 /dev/zero | tr '\\0' 'c' >>c");
	harness_must("printf '%%s\\n' '%s' 'jw -b 5000-5009 a' 'jw -b 5005-5014 b' 'jw -b 5020 c'"
		     " 'jw -r 5012-5014' 'jw -b 5014 a' jc | debugfs -w -f - image",
		journal_open);
}

static void check_contents(const char *image)
{
	uint8_t data[BLOCK];

	read_block(image, 5000, data);
	CHECK_EQ(data[100], 'a');
	read_block(image, 5005, data);
	CHECK_EQ(data[100], 'b');
	read_block(image, 5011, data);
	CHECK_EQ(data[100], 'b');
	read_block(image, 5012, data);
	CHECK_EQ(data[100], 0); /* revoked */
	read_block(image, 5014, data);
	CHECK_EQ(data[100], 'a'); /* revoked, then written again */
	read_block(image, 5020, data);
	CHECK_EQ(data[0], 0xc0); /* the journal's own magic number */
	CHECK_EQ(data[100], 'c');
}

static void check(const char *options, const char *journal_open)
{
	struct harness harness;

	printf("# mke2fs %s, %s\n", options, journal_open);
	make_image(options, journal_open);
	harness_init(&harness, 0);
	harness.is_quiet = true;
	harness_load(&harness, harness_path("image"));
	CHECK_EQ(harness_mount(&harness, false), 0);
	CHECK_EQ(harness_unmount(&harness), 0);
	CHECK(fake_device_save(&harness.fake, harness_path("ours")));
	harness_deinit(&harness);
	CHECK(harness_fsck("ours"));
	harness_must("e2fsck -fp image || [ $? = 1 ]");
	for (uint64_t block = 5000; block < 5100; block++) {
		uint8_t ours[BLOCK], theirs[BLOCK];

		read_block("ours", block, ours);
		read_block("image", block, theirs);
		CHECK_MEM_EQ(ours, theirs, BLOCK);
	}
	/* debugfs itself makes no good checksum of version 1 for revoke records */
	if (strstr(journal_open, "-v 1") == NULL) {
		check_contents("ours");
	}
}

TEST(replays_what_debugfs_wrote)
{
	check("-t ext3", "jo");
	check("-t ext4 -O ^metadata_csum", "jo");
	check("-t ext4 -O ^metadata_csum,^64bit", "jo -c -v 1");
	check("-t ext4 -O metadata_csum", "jo -c -v 2");
	check("-t ext4 -O metadata_csum", "jo -c -v 3");
	check("-t ext4 -O metadata_csum,^64bit", "jo -c -v 3");
}

/* A log whose last transaction lacks its commit block, or has a damaged one. */
TEST(replays_up_to_the_last_whole_transaction)
{
	uint8_t data[BLOCK];
	struct harness harness;

	make_image("-t ext4", "jo -c -v 3");
	for (int damage = 0; damage < 2; damage++) {
		harness_init(&harness, 0);
		harness.is_quiet = true;
		harness_load(&harness, harness_path("image"));
		/* the last block of the log with the magic number is the last commit block */
		uint8_t *image = harness.fake.image, *last = NULL;

		for (uint64_t i = 0; i < harness.fake.device.size / BLOCK; i++) {
			if (memcmp(image + i * BLOCK, "\300\073\071\230\0\0\0\002", 8) == 0) {
				last = image + i * BLOCK;
			}
		}
		CHECK(last != NULL);
		last[damage == 0 ? 0 : 60] ^= 0x55;
		CHECK_EQ(harness_mount(&harness, false), 0);
		CHECK_EQ(harness_unmount(&harness), 0);
		CHECK(fake_device_save(&harness.fake, harness_path("ours")));
		harness_deinit(&harness);
		read_block("ours", 5011, data);
		CHECK_EQ(data[100], 'b');
		read_block("ours", 5014, data);
		CHECK(data[100] != 'a');
	}
}

/* Read-only media: a log that has to be replayed cannot be. */
TEST(refuses_to_replay_on_read_only_devices)
{
	struct harness harness;

	make_image("-t ext4", "jo -c -v 3");
	harness_init(&harness, 0);
	harness_load(&harness, harness_path("image"));
	harness.fake.device.is_read_only = true;
	CHECK_EQ(harness_mount(&harness, true), BLOCKFS_E_READ_ONLY);
	harness_deinit(&harness);
}

TEST_MAIN()

/* SPDX-License-Identifier: MIT */
/*
 * Writing: random operations on a file system and on a model of it.
 *
 * Now and then both are compared; at the end e2fsck finds nothing and debugfs sees what the model
 * has. The order of completions on the disk is random, too.
 */
#include "model.h"

#include <base/testing.h>

struct run {
	struct harness harness;
	struct model model;
	uint64_t n_steps;
};

static int steps_task(struct task *task, void *argument)
{
	struct run *run = argument;
	struct blockfs *fs = run->harness.fs;

	for (uint64_t i = 0; i < run->n_steps; i++) {
		int error = model_step(task, fs, &run->model);

		if (error == BLOCKFS_E_NO_SPACE) {
			continue;
		}
		if (error != 0) {
			printf("# step %llu: %s\n", (unsigned long long)run->model.n_steps,
				blockfs_error_name(error));
			return error;
		}
		if (random_chance(&run->model.random, 150) && fs->ops->tick(task, fs) != 0) {
			return 1;
		}
	}
	return model_compare(task, fs, &run->model) ? 0 : 1;
}

static enum blockfs_data_mode data_mode;

static void check(const char *options, uint64_t seed, uint64_t n_steps)
{
	struct run run = { .n_steps = n_steps };

	printf("# mke2fs %s, seed %llu\n", options, (unsigned long long)seed);
	harness_must("rm -f image; mke2fs -q -F %s image 24M", options);
	harness_init(&run.harness, seed);
	harness_load(&run.harness, harness_path("image"));
	model_init(&run.model, seed);
	run.model.can_allocate =
		strstr(options, "ext4") != NULL && strstr(options, "^extent") == NULL;
	for (int i = 0; i < 3; i++) {
		run.harness.data_mode = data_mode;
		CHECK_EQ(harness_mount(&run.harness, false), 0);
		CHECK_EQ(run.harness.fs->is_read_only, false);
		CHECK_EQ(harness_run(&run.harness, steps_task, &run), 0);
		CHECK_EQ(harness_unmount(&run.harness), 0);
		CHECK(fake_device_save(&run.harness.fake, harness_path("image")));
		CHECK(harness_fsck("image"));
	}
	CHECK_EQ(run.harness.n_complaints, 0);
	harness_must("rm -rf dump; mkdir dump; debugfs -R 'rdump / dump' image; "
		     "chmod -R u+rwX dump");
	CHECK(model_compare_host(&run.model, harness_path("dump")));
	model_deinit(&run.model);
	harness_deinit(&run.harness);
}

TEST(writes_ext4)
{
	uint64_t seed = test_seed(1);

	check("-t ext4", seed, 1500);
	check("-t ext4 -b 1024", seed + 1, 1500);
	check("-t ext4 -b 1024 -O ^64bit,^metadata_csum,uninit_bg -J size=4", seed + 2, 1500);
	check("-t ext4 -b 2048 -O ^extent,^64bit", seed + 3, 1000);
	check("-t ext4 -b 1024 -O orphan_file,metadata_csum_seed", seed + 4, 1000);
	check("-t ext4 -b 1024 -O inline_data -I 256", seed + 5, 1000);
	check("-t ext4 -b 1024 -O meta_bg,^resize_inode -g 1024", seed + 6, 1000);
}

TEST(writes_with_data_in_the_journal)
{
	uint64_t seed = test_seed(300);

	data_mode = BLOCKFS_DATA_JOURNAL;
	check("-t ext4", seed, 1500);
	check("-t ext4 -b 1024 -O inline_data -I 256 -J size=4", seed + 1, 1500);
	check("-t ext3 -b 1024 -J size=4", seed + 2, 1000);
	data_mode = BLOCKFS_DATA_SUPER;
}

TEST(writes_without_a_journal)
{
	uint64_t seed = test_seed(100);

	check("-t ext2 -b 1024", seed, 1500);
	check("-t ext2 -b 4096 -O ^dir_index,^filetype", seed + 1, 1000);
	check("-t ext4 -O ^has_journal", seed + 2, 1000);
}

TEST(writes_ext3)
{
	uint64_t seed = test_seed(200);

	check("-t ext3 -b 1024 -J size=4", seed, 1500);
	check("-t ext3 -b 4096 -J size=4", seed + 1, 1000);
}

TEST_MAIN()

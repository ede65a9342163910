/* SPDX-License-Identifier: MIT */
/*
 * FAT: random operations on a file system and on a model of it.
 *
 * Now and then both are compared; at the end fsck.fat finds nothing and mtools see what the model
 * has.
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
		if (random_chance(&run->model.random, 100) && fs->ops->tick(task, fs) != 0) {
			return 1;
		}
	}
	return model_compare(task, fs, &run->model) ? 0 : 1;
}

/* mtools refuse to read a disk whose last cluster is in use. */
static void compare_mtools(const struct model *model)
{
	int status = harness_command("rm -rf dump; mkdir dump; export LC_ALL=C.UTF-8;"
				     "mcopy -s -n -i image '::/*' dump 2>errors && exit 0;"
				     "grep -q 'Cluster # at .* too big' errors && exit 7");

	CHECK(status == 0 || status == 7);
	CHECK(status == 7 || model_compare_host(model, harness_path("dump")));
}

/* mtools take what has few clusters for FAT16, whatever it says. */
static void check(
	const char *options, const char *size, uint64_t seed, uint64_t n_steps, bool is_for_mtools)
{
	struct run run = { .n_steps = n_steps };

	printf("# mkfs.fat %s, %s, seed %llu\n", options, size, (unsigned long long)seed);
	harness_must("rm -f image; truncate -s %s image; mkfs.fat %s image", size, options);
	harness_init(&run.harness, seed);
	run.harness.mount = blockfs_fat_mount;
	harness_load(&run.harness, harness_path("image"));
	model_init(&run.model, seed);
	run.model.is_plain = true;
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(harness_mount(&run.harness, false), 0);
		CHECK_EQ(harness_run(&run.harness, steps_task, &run), 0);
		CHECK_EQ(harness_unmount(&run.harness), 0);
		CHECK(fake_device_save(&run.harness.fake, harness_path("image")));
		CHECK(harness_fsck_fat("image"));
	}
	CHECK_EQ(run.harness.n_complaints, 0);
	if (is_for_mtools) {
		compare_mtools(&run.model);
	}
	model_deinit(&run.model);
	harness_deinit(&run.harness);
}

TEST(writes_fat12)
{
	uint64_t seed = test_seed(1);

	check("-F 12 -s 1", "1440K", seed, 800, true);
	check("-F 12 -s 8", "12M", seed + 1, 1000, true);
	check("-F 12 -s 2 -f 1 -r 64", "3M", seed + 2, 800, true);
}

TEST(writes_fat16)
{
	uint64_t seed = test_seed(100);

	check("-F 16 -s 1", "8M", seed, 1000, true);
	check("-F 16 -s 4", "24M", seed + 1, 1200, true);
	check("-F 16 -s 1 -S 2048", "24M", seed + 2, 800, true);
}

TEST(writes_fat32)
{
	uint64_t seed = test_seed(200);

	check("-F 32 -s 1", "40M", seed, 1500, true);
	check("-F 32 -s 4", "140M", seed + 1, 1000, true);
	check("-F 32 -s 64 -f 1", "64M", seed + 2, 1000, false);
}

TEST_MAIN()

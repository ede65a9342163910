/* SPDX-License-Identifier: MIT */
/*
 * FAT and power cuts.
 *
 * As test-ext4-crash.c, but FAT cannot do things at once: after a power cut fsck.fat may find lost
 * clusters, clusters behind the end of a file, a wrong free count and the mark of use; nothing
 * else. What no operation of the burst touched is as it was, and what the final sync covers is all
 * there. CRASH_BURSTS says how many bursts.
 */
#include "model.h"

#include <base/testing.h>

#define BURST_MAX 8

struct crash {
	struct harness harness;
	struct model model;
	uint64_t n_steps;
	struct model_node *states[BURST_MAX + 1];
	size_t n_states;
	uint64_t n_points;
};

/* What fsck.fat says that must not be. */
static const char bad_words[] =
	"share clusters|free cluster \\(|bad|Bad|rphan|nvalid|non-|Contains|"
	"ircular|oop|length is [0-9]|does not|Start|"
	"irectory has|entry|long filename|LFN";

static struct model_node *child_of(const struct model_node *directory, const char *name)
{
	for (size_t i = 0; i < directory->n_names; i++) {
		if (strcmp(directory->names[i].text, name) == 0) {
			return directory->names[i].node;
		}
	}
	return NULL;
}

static bool file_is(struct task *task, struct blockfs_node *real, const struct model_node *node)
{
	static uint8_t data[MODEL_FILE_MAX];
	size_t size;

	return file_read(task, real, 0, data, sizeof(data), &size) == 0 && size == node->size &&
		memcmp(data, node->data, size) == 0;
}

static bool is_untouched(struct model_node *const *same, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (same[i] == NULL || same[i]->type != same[0]->type ||
			same[i]->size != same[0]->size ||
			(same[0]->type == MODEL_FILE &&
				memcmp(same[i]->data, same[0]->data, same[0]->size) != 0)) {
			return false;
		}
	}
	return true;
}

/* All that is the same in all states, below directories that are the same, is there. */
static bool has_untouched(struct task *task, struct blockfs_node *real,
	struct model_node *const *states, size_t n_states)
{
	for (size_t i = 0; i < states[0]->n_names; i++) {
		const char *name = states[0]->names[i].text;
		struct model_node *same[BURST_MAX + 1];
		struct blockfs_node *child;

		for (size_t j = 0; j < n_states; j++) {
			same[j] = child_of(states[j], name);
		}
		if (!is_untouched(same, n_states)) {
			continue;
		}
		if (real->fs->ops->lookup(task, real, name_of(name), &child) != 0) {
			printf("# %s is gone\n", name);
			return false;
		}
		bool is_good = same[0]->type == MODEL_FILE
			? file_is(task, child, same[0])
			: has_untouched(task, child, same, n_states);

		real->fs->ops->node_put(task, child);
		if (!is_good) {
			printf("# %s differs\n", name);
			return false;
		}
	}
	return true;
}

struct comparison {
	struct crash *crash;
	struct harness *harness;
	bool is_exact; /* it is the last state */
};

static int compare_task(struct task *task, void *argument)
{
	struct comparison *comparison = argument;
	struct crash *crash = comparison->crash;
	struct blockfs *fs = comparison->harness->fs;
	struct blockfs_node *root;
	int error = fs->ops->root(task, fs, &root);

	if (error != 0) {
		return error;
	}
	bool is_good = comparison->is_exact
		? model_compare(task, fs, &crash->model)
		: has_untouched(task, root, crash->states, crash->n_states);

	fs->ops->node_put(task, root);
	return is_good ? 0 : 1;
}

static void check_point(struct crash *crash, size_t n_records, bool is_exact)
{
	struct harness harness;
	struct comparison comparison = { crash, &harness, is_exact };

	harness_init(&harness, crash->harness.seed);
	harness.mount = blockfs_fat_mount;
	harness.is_quiet = true;
	fake_device_init(
		&harness.fake, &harness.test_loop.loop, crash->harness.fake.device.size, 1);
	harness.has_device = true;
	fake_device_crash(
		&crash->harness.fake, n_records, &crash->model.random, harness.fake.image);
	CHECK(fake_device_save(&harness.fake, harness_path("crashed")));
	(void)harness_command("fsck.fat -n -v crashed >fsck; cp crashed bad-image");
	harness_must("! grep -E '%s' fsck || { cat fsck; false; }", bad_words);
	harness_must("fsck.fat -a crashed; test $? -le 1; fsck.fat -n crashed");
	CHECK_EQ(harness_mount(&harness, false), 0);
	CHECK_EQ(harness.fs->is_read_only, false);
	CHECK_EQ(harness_run(&harness, compare_task, &comparison), 0);
	CHECK_EQ(harness.fs->error, 0);
	CHECK_EQ(harness_unmount(&harness), 0);
	harness_deinit(&harness);
	crash->n_points++;
}

static void check_points(struct crash *crash)
{
	size_t n_records = crash->harness.fake.n_records;

	for (size_t i = 0; i < n_records; i++) {
		if (crash->harness.fake.records[i].is_flush ||
			random_chance(&crash->model.random, 8)) {
			check_point(crash, i + 1, i + 1 == n_records);
		}
	}
	check_point(crash, n_records, true);
}

static int prepare_task(struct task *task, void *argument)
{
	struct crash *crash = argument;
	struct blockfs *fs = crash->harness.fs;
	int error = 0;

	for (uint64_t i = 0; i < crash->n_steps; i++) {
		error = model_step(task, fs, &crash->model);
		if (error != 0 && error != BLOCKFS_E_NO_SPACE) {
			return error;
		}
	}
	return fs->ops->sync(task, fs);
}

static int burst_task(struct task *task, void *argument)
{
	struct crash *crash = argument;
	struct blockfs *fs = crash->harness.fs;
	uint64_t n_steps = random_between(&crash->model.random, 1, BURST_MAX);

	for (uint64_t i = 0; i < n_steps; i++) {
		int error = model_step(task, fs, &crash->model);

		if (error != 0 && error != BLOCKFS_E_NO_SPACE) {
			return error;
		}
		crash->states[crash->n_states++] = model_clone(crash->model.root, NULL);
		if (random_chance(&crash->model.random, 4) && fs->ops->tick(task, fs) != 0) {
			return 1;
		}
	}
	return fs->ops->sync(task, fs);
}

static void run_burst(struct crash *crash)
{
	struct harness *harness = &crash->harness;

	crash->states[0] = model_clone(crash->model.root, NULL);
	crash->n_states = 1;
	fake_device_record(&harness->fake);
	CHECK_EQ(harness_run(harness, burst_task, crash), 0);
	harness->fake.is_recording = false;
	check_points(crash);
	fake_device_forget(&harness->fake);
	while (crash->n_states > 0) {
		model_free(crash->states[--crash->n_states]);
	}
}

static void check(const char *options, const char *size, uint64_t seed, uint64_t n_bursts)
{
	struct crash crash = { .n_steps = 60 };

	printf("# mkfs.fat %s, seed %llu\n", options, (unsigned long long)seed);
	harness_must("rm -f image; truncate -s %s image; mkfs.fat %s image", size, options);
	harness_init(&crash.harness, seed);
	crash.harness.mount = blockfs_fat_mount;
	harness_load(&crash.harness, harness_path("image"));
	model_init(&crash.model, seed);
	crash.model.is_plain = true;
	crash.model.file_max = 60000;
	CHECK_EQ(harness_mount(&crash.harness, false), 0);
	for (uint64_t i = 0; i < n_bursts; i++) {
		CHECK_EQ(harness_run(&crash.harness, prepare_task, &crash), 0);
		run_burst(&crash);
	}
	CHECK_EQ(harness_unmount(&crash.harness), 0);
	printf("# %llu crash points\n", (unsigned long long)crash.n_points);
	model_deinit(&crash.model);
	harness_deinit(&crash.harness);
}

static uint64_t bursts(uint64_t usual)
{
	const char *text = getenv("CRASH_BURSTS");

	return text != NULL ? strtoull(text, NULL, 0) : usual;
}

TEST(survives_power_cuts)
{
	uint64_t seed = test_seed(1);

	check("-F 12 -s 2", "3M", seed, bursts(3));
	check("-F 16 -s 1", "4M", seed + 1, bursts(3));
	check("-F 32 -s 1", "34M", seed + 2, bursts(2));
}

TEST_MAIN()

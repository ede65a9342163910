/* SPDX-License-Identifier: MIT */
/*
 * Power cuts.
 *
 * A burst of random operations follows a sync; all its writes and flushes are recorded. For each
 * crash point a prefix of the records is taken, of which only what was flushed is certain to be
 * there. From such an image
 *
 * - our mount must give a tree that is the model's after some of the burst's operations, in order,
 *   contents being those before or after, and e2fsck must then find nothing;
 * - e2fsck -p must be able to repair it by itself, and then find nothing.
 *
 * The burst ends with an fsync of what was changed last; the crash point behind it must have
 * everything. CRASH_BURSTS says how many bursts (each has about ten crash points).
 */
#include "model.h"

#include <base/testing.h>

#define BURST_MAX 6

struct crash {
	struct harness harness;
	struct model model;
	const char *options;
	uint64_t n_steps;
	struct model_node *states[BURST_MAX + 1];
	size_t n_states;
	uint64_t n_points;
};

/* ---- what may be there ----------------------------------------------------------------------- */

static const struct model_node *find_by_number(const struct model_node *top, uint64_t number)
{
	for (size_t i = 0; i < top->n_names; i++) {
		const struct model_node *node = top->names[i].node;

		if (node->number == number && node->type != MODEL_DIRECTORY) {
			return node;
		}
		node = node->type == MODEL_DIRECTORY ? find_by_number(node, number) : NULL;
		if (node != NULL) {
			return node;
		}
	}
	return NULL;
}

/* Contents: each byte is that of some state, or zero. */
static bool contents_are_possible(struct task *task, struct crash *crash, struct blockfs_node *real,
	const struct model_node *expected, bool is_exact)
{
	static uint8_t data[MODEL_FILE_MAX];
	size_t size;
	int error = file_read(task, real, 0, data, sizeof(data), &size);

	if (error != 0) {
		printf("# read: %s\n", blockfs_error_name(error));
		return false;
	}
	if (is_exact) {
		return size == expected->size && memcmp(data, expected->data, size) == 0;
	}
	for (size_t i = 0; i < size; i++) {
		bool is_possible = data[i] == expected->data[i];

		for (size_t state = 0; state < crash->n_states && !is_possible; state++) {
			const struct model_node *node =
				find_by_number(crash->states[state], expected->number);

			is_possible = node != NULL && data[i] == node->data[i];
		}
		if (!is_possible) {
			printf("# byte %zu of %zu is %#x\n", i, size, data[i]);
			return false;
		}
	}
	return true;
}

static bool tree_is(struct task *task, struct crash *crash, struct blockfs_node *real,
	const struct model_node *node, bool is_exact);

static bool node_is(struct task *task, struct crash *crash, struct blockfs_node *real,
	const struct model_node *node, bool is_exact)
{
	struct blockfs_attributes attributes;
	char target[300];
	size_t size;

	real->fs->ops->get_attributes(real, &attributes);
	if ((attributes.mode & 0170000) !=
		(node->type == MODEL_FILE                     ? 0100000u
				: node->type == MODEL_SYMLINK ? 0120000u
							      : 0040000u)) {
		return false;
	}
	switch (node->type) {
	case MODEL_DIRECTORY: return tree_is(task, crash, real, node, is_exact);
	case MODEL_SYMLINK:
		return real->fs->ops->read_link(task, real, target, sizeof(target), &size) == 0 &&
			size == strlen(node->target) && memcmp(target, node->target, size) == 0;
	default: return contents_are_possible(task, crash, real, node, is_exact);
	}
}

struct counted {
	size_t n;
};

static bool count_entry(void *context, const struct blockfs_entry *entry)
{
	struct counted *counted = context;

	counted->n += entry->name[0] == 'n' ? 1 : 0;
	return true;
}

static bool tree_is(struct task *task, struct crash *crash, struct blockfs_node *real,
	const struct model_node *node, bool is_exact)
{
	const struct blockfs_ops *ops = real->fs->ops;
	struct counted counted = { 0 };

	if (ops->read_directory(task, real, 0, count_entry, &counted) != 0 ||
		counted.n != node->n_names) {
		return false;
	}
	for (size_t i = 0; i < node->n_names; i++) {
		struct blockfs_node *child;

		if (ops->lookup(task, real, name_of(node->names[i].text), &child) != 0) {
			return false;
		}
		bool is_same = node_is(task, crash, child, node->names[i].node, is_exact);

		ops->node_put(task, child);
		if (!is_same) {
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
	bool is_found = false;

	for (size_t i = comparison->is_exact ? crash->n_states - 1 : 0;
		error == 0 && i < crash->n_states && !is_found; i++) {
		is_found = tree_is(task, crash, root, crash->states[i], comparison->is_exact);
	}
	if (error == 0) {
		fs->ops->node_put(task, root);
	}
	return error != 0 ? error : is_found ? 0 : 1;
}

/* ---- one crash point ------------------------------------------------------------------------- */

static void check_point(struct crash *crash, size_t n_records, bool is_exact)
{
	struct harness harness;
	struct comparison comparison = { crash, &harness, is_exact };

	harness_init(&harness, crash->harness.seed);
	harness.is_quiet = true;
	fake_device_init(
		&harness.fake, &harness.test_loop.loop, crash->harness.fake.device.size, 1);
	harness.has_device = true;
	fake_device_crash(
		&crash->harness.fake, n_records, &crash->model.random, harness.fake.image);
	CHECK(fake_device_save(&harness.fake, harness_path("crashed")));
	CHECK_EQ(harness_mount(&harness, false), 0);
	CHECK_EQ(harness.fs->is_read_only, false);
	CHECK_EQ(harness_run(&harness, compare_task, &comparison), 0);
	CHECK_EQ(harness_unmount(&harness), 0);
	CHECK(fake_device_save(&harness.fake, harness_path("ours")));
	CHECK(harness_fsck("ours"));
	CHECK(harness_command("e2fsck -fp crashed") <= 1);
	CHECK(harness_fsck("crashed"));
	harness_deinit(&harness);
	crash->n_points++;
}

static void check_points(struct crash *crash)
{
	size_t n_records = crash->harness.fake.n_records;

	/* behind each flush, and at as many other places */
	for (size_t i = 0; i < n_records; i++) {
		if (crash->harness.fake.records[i].is_flush ||
			random_chance(&crash->model.random, 8)) {
			check_point(crash, i + 1, i + 1 == n_records);
		}
	}
	check_point(crash, n_records, true);
}

/* ---- bursts ---------------------------------------------------------------------------------- */

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
	struct blockfs_node *root;

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
	/* the root was touched by what happened in it; its sync is everybody's */
	int error = fs->ops->root(task, fs, &root);

	if (error == 0) {
		error = fs->ops->sync(task, fs);
		fs->ops->node_put(task, root);
	}
	return error;
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

static void check(
	const char *options, uint64_t seed, uint64_t n_bursts, enum blockfs_data_mode data_mode)
{
	struct crash crash = { .options = options, .n_steps = 60 };

	printf("# mke2fs %s, seed %llu\n", options, (unsigned long long)seed);
	harness_must("rm -f image; mke2fs -q -F %s image 8M", options);
	harness_init(&crash.harness, seed);
	harness_load(&crash.harness, harness_path("image"));
	model_init(&crash.model, seed);
	crash.model.file_max = 100000;
	crash.model.can_allocate = strstr(options, "ext4") != NULL;
	crash.harness.data_mode = data_mode;
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

	check("-t ext4 -b 1024 -J size=1", seed, bursts(3), BLOCKFS_DATA_SUPER);
	check("-t ext4 -b 1024 -O ^metadata_csum,^64bit -J size=1", seed + 1, bursts(2),
		BLOCKFS_DATA_ORDERED);
	check("-t ext3 -b 1024 -J size=1", seed + 2, bursts(2), BLOCKFS_DATA_SUPER);
	check("-t ext4 -b 1024 -O orphan_file -J size=1", seed + 3, bursts(2), BLOCKFS_DATA_SUPER);
}

TEST(survives_power_cuts_with_data_in_the_journal)
{
	uint64_t seed = test_seed(50);

	check("-t ext4 -b 1024 -J size=1", seed, bursts(3), BLOCKFS_DATA_JOURNAL);
	check("-t ext3 -b 1024 -J size=1", seed + 1, bursts(2), BLOCKFS_DATA_JOURNAL);
	check("-t ext4 -b 1024 -O inline_data -J size=1", seed + 2, bursts(2),
		BLOCKFS_DATA_JOURNAL);
}

TEST_MAIN()

/* SPDX-License-Identifier: MIT */
/*
 * Contents in the journal: data=journal, and files that ask for it (their flag j).
 *
 * A power cut after a sync leaves them in the log only; our replay and e2fsck's must both bring
 * them home, whatever they look like, and must not bring home those of files that are gone.
 */
#include "harness.h"

#include <base/testing.h>

#define FILE_SIZE KIB(48)
#define N_FILES   24

static void fill(uint8_t *data, size_t size, uint8_t first)
{
	/* each block begins with the journal's magic number */
	for (size_t i = 0; i < size; i++) {
		data[i] = (uint8_t)(first + i / 1024);
	}
	for (size_t i = 0; i < size; i += 1024) {
		memcpy(data + i, "\300\073\071\230", 4);
	}
}

static int make_file(struct task *task, struct blockfs_node *directory, const char *name,
	uint8_t first, size_t size)
{
	struct blockfs_create_options options = { .mode = 0100644 };
	static uint8_t data[FILE_SIZE];
	struct blockfs_node *node;
	int error = directory->fs->ops->create(task, directory, name_of(name), &options, &node);

	if (error == 0) {
		fill(data, size, first);
		error = file_write(task, node, 0, data, size);
		directory->fs->ops->node_put(task, node);
	}
	return error;
}

static int check_file(
	struct task *task, struct blockfs *fs, const char *path, uint8_t first, size_t size)
{
	static uint8_t data[FILE_SIZE], right[FILE_SIZE];
	struct blockfs_node *node;
	size_t n = 0;
	int error = path_find(task, fs, path, &node);

	if (error != 0) {
		return error;
	}
	fill(right, size, first);
	error = file_read(task, node, 0, data, sizeof(data), &n);
	fs->ops->node_put(task, node);
	return error != 0 ? error : n == size && memcmp(data, right, size) == 0 ? 0 : 1;
}

/* What a power cut now leaves, if nothing on its way arrives. */
static void cut_power(struct harness *harness, struct harness *out_other)
{
	struct random random;

	random_init(&random, 1);
	harness_init(out_other, 0);
	fake_device_init(
		&out_other->fake, &out_other->test_loop.loop, harness->fake.device.size, 1);
	out_other->has_device = true;
	fake_device_crash(&harness->fake, harness->fake.n_records, &random, out_other->fake.image);
	CHECK(fake_device_save(&out_other->fake, harness_path("cut")));
}

static void begin(struct harness *harness, const char *options, const char *debugfs)
{
	harness_must("rm -f image; mke2fs -q -F %s -J size=1 image 4M", options);
	if (debugfs != NULL) {
		harness_must("printf '%s' | debugfs -w -f - image", debugfs);
	}
	harness_init(harness, 0);
	harness_load(harness, harness_path("image"));
}

/* ---- everything in the journal --------------------------------------------------------------- */

static int write_task(struct task *task, void *argument)
{
	struct harness *harness = argument;
	struct blockfs *fs = harness->fs;
	struct blockfs_node *root;
	int error = fs->ops->root(task, fs, &root);

	if (error != 0) {
		return error;
	}
	error = make_file(task, root, "one", 7, FILE_SIZE);
	error = error != 0 ? error : fs->ops->sync(task, fs);
	/* over it, and cut in the middle of a block */
	struct blockfs_node *node;
	static uint8_t data[FILE_SIZE];

	error = error != 0 ? error : path_find(task, fs, "one", &node);
	if (error == 0) {
		fill(data, sizeof(data), 99);
		error = file_write(task, node, 0, data, sizeof(data));
		error = error != 0 ? error : file_resize(task, node, 20500);
		error = error != 0 ? error : fs->ops->sync_node(task, node, true);
		fs->ops->node_put(task, node);
	}
	fs->ops->node_put(task, root);
	return error != 0 ? error : check_file(task, fs, "one", 99, 20500);
}

static int check_task(struct task *task, void *argument)
{
	struct harness *harness = argument;

	return check_file(task, harness->fs, "one", 99, 20500);
}

static void check_journal(const char *options, enum blockfs_data_mode mode, const char *debugfs)
{
	struct harness harness, other;

	begin(&harness, options, debugfs);
	harness.data_mode = mode;
	CHECK_EQ(harness_mount(&harness, false), 0);
	fake_device_record(&harness.fake);
	CHECK_EQ(harness_run(&harness, write_task, &harness), 0);
	/* nothing of it is home: the image without the journal's blocks has none of it */
	cut_power(&harness, &other);
	harness_must("debugfs -R 'cat one' cut | cmp - /dev/null");
	CHECK_EQ(harness_mount(&other, false), 0);
	CHECK_EQ(harness_run(&other, check_task, &other), 0);
	CHECK_EQ(harness_unmount(&other), 0);
	CHECK(fake_device_save(&other.fake, harness_path("ours")));
	harness_deinit(&other);
	CHECK(harness_fsck("ours"));
	harness_must("e2fsck -p -E journal_only cut || [ $? = 1 ]; debugfs -R 'dump one a' ours;"
		     "debugfs -R 'dump one b' cut; cmp a b; [ $(wc -c <b) = 20500 ]");
	CHECK(harness_fsck("cut"));
	CHECK_EQ(harness_unmount(&harness), 0);
	CHECK(fake_device_save(&harness.fake, harness_path("image")));
	harness_deinit(&harness);
	CHECK(harness_fsck("image"));
	harness_must("debugfs -R 'dump one b' image; cmp a b");
}

TEST(contents_are_in_the_journal)
{
	check_journal("-t ext4 -b 1024", BLOCKFS_DATA_JOURNAL, NULL);
	check_journal("-t ext3 -b 1024", BLOCKFS_DATA_JOURNAL, NULL);
	check_journal("-t ext4 -b 1024", BLOCKFS_DATA_SUPER, "ssv default_mount_opts 0x2c\\n");
	check_journal("-t ext4 -b 1024", BLOCKFS_DATA_SUPER, "sif / flags 0x84000\\n");
}

/* ---- blocks that are used again -------------------------------------------------------------- */

/* Files of /j are in the journal and go; others, which are not, get their blocks. */
static int reuse_task(struct task *task, void *argument)
{
	struct harness *harness = argument;
	struct blockfs *fs = harness->fs;
	struct blockfs_node *root, *folder;
	int error = path_find(task, fs, "j", &folder);
	char name[16];

	for (int i = 0; i < N_FILES && error == 0; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		error = make_file(task, folder, name, (uint8_t)i, FILE_SIZE);
	}
	error = error != 0 ? error : fs->ops->sync(task, fs);
	for (int i = 0; i < N_FILES && error == 0; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		error = fs->ops->unlink(task, folder, name_of(name));
	}
	error = error != 0 ? error : fs->ops->sync(task, fs);
	fs->ops->node_put(task, folder);
	error = error != 0 ? error : fs->ops->root(task, fs, &root);
	for (int i = 0; i < 2 * N_FILES && error == 0; i++) {
		snprintf(name, sizeof(name), "g%d", i);
		error = make_file(task, root, name, (uint8_t)(100 + i), FILE_SIZE);
	}
	fs->ops->node_put(task, root);
	return error != 0 ? error : fs->ops->sync(task, fs);
}

static int check_reuse_task(struct task *task, void *argument)
{
	struct harness *harness = argument;
	int error = 0;
	char name[16];

	for (int i = 0; i < 2 * N_FILES && error == 0; i++) {
		snprintf(name, sizeof(name), "g%d", i);
		error = check_file(task, harness->fs, name, (uint8_t)(100 + i), FILE_SIZE);
	}
	return error;
}

TEST(freed_contents_do_not_come_back)
{
	struct harness harness, other;

	begin(&harness, "-t ext4 -b 1024", "mkdir j\\nsif j flags 0x84000\\n");
	CHECK_EQ(harness_mount(&harness, false), 0);
	fake_device_record(&harness.fake);
	CHECK_EQ(harness_run(&harness, reuse_task, &harness), 0);
	cut_power(&harness, &other);
	CHECK_EQ(harness_mount(&other, false), 0);
	CHECK_EQ(harness_run(&other, check_reuse_task, &other), 0);
	CHECK_EQ(harness_unmount(&other), 0);
	harness_deinit(&other);
	harness_must("e2fsck -p -E journal_only cut || [ $? = 1 ]");
	harness_init(&other, 0);
	harness_load(&other, harness_path("cut"));
	CHECK_EQ(harness_mount(&other, false), 0);
	CHECK_EQ(harness_run(&other, check_reuse_task, &other), 0);
	CHECK_EQ(harness_unmount(&other), 0);
	harness_deinit(&other);
	CHECK_EQ(harness_unmount(&harness), 0);
	harness_deinit(&harness);
}

/* ---- flags ----------------------------------------------------------------------------------- */

static int set_flags(struct task *task, struct blockfs_node *node, uint32_t flags)
{
	const struct blockfs_attributes attributes = { .flags = flags };

	return node->fs->ops->set_attributes(task, node, BLOCKFS_SET_FLAGS, &attributes);
}

static int flags_task(struct task *task, void *argument)
{
	struct harness *harness = argument;
	const struct blockfs_ops *ops = harness->fs->ops;
	const struct blockfs_create_options of_file = { .mode = 0100644 };
	const struct blockfs_create_options of_folder = { .mode = 0040755 };
	const struct blockfs_create_options of_fifo = { .mode = 0010644 };
	const uint32_t shown = 0x2001c4ff; /* without what says how it is stored */
	struct blockfs_attributes attributes;
	struct blockfs_node *root, *folder, *file, *other;

	CHECK_EQ(ops->root(task, harness->fs, &root), 0);
	CHECK_EQ(ops->create(task, root, name_of("folder"), &of_folder, &folder), 0);
	/* S, i, a, d, A, j, D, P: all but i and a are handed on, D and P to folders only */
	CHECK_EQ(set_flags(task, folder, 0x200140f8), 0);
	CHECK_EQ(ops->create(task, folder, name_of("folder"), &of_folder, &other), 0);
	ops->get_attributes(other, &attributes);
	CHECK_EQ(attributes.flags & shown, 0x200140c8);
	ops->node_put(task, other);
	CHECK_EQ(ops->create(task, folder, name_of("fifo"), &of_fifo, &other), 0);
	ops->get_attributes(other, &attributes);
	CHECK_EQ(attributes.flags & shown, 0xc0);
	ops->node_put(task, other);
	CHECK_EQ(ops->create(task, folder, name_of("file"), &of_file, &file), 0);
	ops->get_attributes(file, &attributes);
	CHECK_EQ(attributes.flags & shown, 0x40c8);
	/* j: as long as there is nothing in it */
	CHECK_EQ(set_flags(task, file, 0), 0);
	CHECK_EQ(file_write(task, file, 0, "x", 1), 0);
	CHECK_EQ(set_flags(task, file, 0x4000), BLOCKFS_E_UNSUPPORTED);
	CHECK_EQ(set_flags(task, file, 0x40), 0);
	CHECK_EQ(file_resize(task, file, 0), 0);
	CHECK_EQ(set_flags(task, file, 0x4000), 0);
	ops->node_put(task, file);
	ops->node_put(task, folder);
	ops->node_put(task, root);
	return 0;
}

TEST(flags_are_handed_on)
{
	struct harness harness;

	begin(&harness, "-t ext4 -b 1024", NULL);
	CHECK_EQ(harness_mount(&harness, false), 0);
	CHECK_EQ(harness_run(&harness, flags_task, &harness), 0);
	CHECK_EQ(harness_unmount(&harness), 0);
	harness_deinit(&harness);
}

TEST(a_mode_needs_a_journal)
{
	struct harness harness;

	harness_must("rm -f image; mke2fs -q -F -t ext2 image 4M");
	harness_init(&harness, 0);
	harness_load(&harness, harness_path("image"));
	harness.data_mode = BLOCKFS_DATA_JOURNAL;
	CHECK_EQ(harness_mount(&harness, false), -ERR_ILLEGAL_ARGS);
	harness_deinit(&harness);
}

TEST_MAIN()

/* SPDX-License-Identifier: MIT */
/*
 * FAT: what mtools made is read; names, times, sizes and errors are what Linux' vfat makes of them.
 */
#include "harness.h"

#include <base/testing.h>
#include <dirent.h>
#include <sys/stat.h>

static void setup(struct harness *harness, const char *options, const char *size)
{
	printf("# mkfs.fat %s, %s\n", options, size);
	harness_must(
		"rm -f image; truncate -s %s image; mkfs.fat -n LABEL %s image", size, options);
	harness_init(harness, 0);
	harness->mount = blockfs_fat_mount;
}

/* ---- reading --------------------------------------------------------------------------------- */

static void compare_file(struct task *task, struct blockfs_node *node, const char *path)
{
	static uint8_t ours[700000], theirs[700000];
	struct blockfs_attributes attributes;
	struct stat status;
	FILE *file = fopen(path, "r");
	size_t n, size;

	CHECK(file != NULL);
	CHECK(fstat(fileno(file), &status) == 0);
	n = fread(theirs, 1, sizeof(theirs), file);
	fclose(file);
	CHECK_EQ(file_read(task, node, 0, ours, sizeof(ours), &size), 0);
	CHECK_EQ(size, n);
	CHECK_MEM_EQ(ours, theirs, size);
	node->fs->ops->get_attributes(node, &attributes);
	CHECK_EQ(attributes.mode, 0100755);
	CHECK_EQ(attributes.size, n);
	CHECK_EQ(attributes.mtime.seconds, status.st_mtime & ~1ll);
}

static bool count_entry(void *context, const struct blockfs_entry *entry)
{
	(*(size_t *)context)++;
	CHECK(entry->name_length < 256);
	return true;
}

static void compare_directory(struct task *task, struct blockfs_node *node, const char *path)
{
	const struct blockfs_ops *ops = node->fs->ops;
	DIR *directory = opendir(path);
	size_t n_ours = 0, n_theirs = 0;
	struct dirent *entry;

	while ((entry = readdir(directory)) != NULL) {
		char child_path[1024];
		struct blockfs_node *child;

		n_theirs++;
		if (entry->d_name[0] == '.' && entry->d_name[1 + (entry->d_name[1] == '.')] == 0) {
			continue;
		}
		snprintf(child_path, sizeof(child_path), "%s/%s", path, entry->d_name);
		CHECK_EQ(ops->lookup(task, node, name_of(entry->d_name), &child), 0);
		if (entry->d_type == DT_DIR) {
			compare_directory(task, child, child_path);
		} else {
			compare_file(task, child, child_path);
		}
		ops->node_put(task, child);
	}
	closedir(directory);
	CHECK_EQ(ops->read_directory(task, node, 0, count_entry, &n_ours), 0);
	CHECK_EQ(n_ours, n_theirs);
}

static int compare_task(struct task *task, void *argument)
{
	struct harness *harness = argument;
	struct blockfs_node *root, *child;

	CHECK_EQ(harness->fs->ops->root(task, harness->fs, &root), 0);
	compare_directory(task, root, harness_path("tree"));
	CHECK_EQ(harness->fs->ops->lookup(task, root, name_of("LABEL"), &child), -ERR_NOT_FOUND);
	harness->fs->ops->node_put(task, root);
	return 0;
}

static void check_reading(const char *options, const char *size)
{
	struct harness harness;

	setup(&harness, options, size);
	harness_must("rm -rf tree; mkdir -p tree/d/'another directory'/e tree/many; export TZ=UTC "
		     "LC_ALL=C.UTF-8; cd tree; for i in 0 1 511 512 513 4096 70001 600000; do "
		     "head -c $i /dev/urandom >file-$i.bin; done; echo a >UPPER.TXT; echo b >x.c;"
		     "echo c >d/'Long name, with spaces.and.dots'; echo d >d/'\xc3\xa9t\xc3\xa9'; "
		     "echo e >d/another*/e/.hidden;"
		     "for i in $(seq 300); do echo $i >many/a-rather-long-name-$i; done;"
		     "touch -d 1980-01-01 x.c; touch -d '2099-12-31 23:59:59' UPPER.TXT;"
		     "cd ..; mcopy -m -s -i image tree/* ::");
	harness_load(&harness, harness_path("image"));
	CHECK_EQ(harness_mount(&harness, true), 0);
	CHECK_EQ(harness_run(&harness, compare_task, &harness), 0);
	CHECK_EQ(harness_unmount(&harness), 0);
	CHECK_EQ(harness.n_complaints, 0);
	CHECK_EQ(harness.fake.n_writes, 0);
	harness_deinit(&harness);
}

TEST(reads_what_mtools_made)
{
	check_reading("-F 12 -s 8", "8M");
	check_reading("-F 16 -s 4", "16M");
	check_reading("-F 32 -s 1", "40M");
	check_reading("-F 32 -s 2 -S 1024", "150M");
}

/* ---- names ----------------------------------------------------------------------------------- */

static int make(struct task *task, struct blockfs_node *root, const char *name)
{
	struct blockfs_create_options options = { .mode = 0100644 };
	struct blockfs_node *node;
	int error = root->fs->ops->create(task, root, name_of(name), &options, &node);

	if (error == 0) {
		root->fs->ops->node_put(task, node);
	}
	return error;
}

static bool is_there(struct task *task, struct blockfs_node *root, const char *name)
{
	struct blockfs_node *node;
	int error = root->fs->ops->lookup(task, root, name_of(name), &node);

	if (error == 0) {
		root->fs->ops->node_put(task, node);
	}
	return error == 0;
}

static int names_task(struct task *task, void *argument)
{
	struct harness *harness = argument;
	struct blockfs_node *root;
	char name[300];

	CHECK_EQ(harness->fs->ops->root(task, harness->fs, &root), 0);
	CHECK_EQ(make(task, root, "Long File Name.text"), 0);
	CHECK(is_there(task, root, "LONG file name.TEXT"));
	CHECK(is_there(task, root, "longfi~1.tex"));
	CHECK_EQ(make(task, root, "long file name.text"), -ERR_EXISTS);
	CHECK_EQ(make(task, root, "LONGFI~1.TEX"), -ERR_EXISTS);
	for (int i = 0; i < 30; i++) {
		snprintf(name, sizeof(name), "long file number %d.text", i);
		CHECK_EQ(make(task, root, name), 0);
	}
	CHECK(is_there(task, root, "LONGFI~9.TEX"));
	CHECK_EQ(make(task, root, "trailing..."), 0);
	CHECK(is_there(task, root, "trailing"));
	CHECK(is_there(task, root, "trailing."));
	static const char *const bad[] = { "a:b", "a*", "q?", "<", ">", "|", "\"", "\\", "x ",
		"\x01", "\xff", "\xc0\x80", "..." };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		CHECK_EQ(make(task, root, bad[i]), -ERR_ILLEGAL_ARGS);
	}
	memset(name, 'x', 256);
	name[256] = 0;
	CHECK_EQ(make(task, root, name), BLOCKFS_E_NAME_TOO_LONG);
	name[255] = 0;
	CHECK_EQ(make(task, root, name), 0);
	CHECK(is_there(task, root, name));
	CHECK_EQ(make(task, root, "\xc3\xa9"), 0);
	CHECK_EQ(make(task, root, "\xc3\x89"), 0); /* only ASCII has no case */
	CHECK_EQ(make(task, root, "\xf0\x9f\x98\x80 and more"), 0);
	CHECK(is_there(task, root, "\xf0\x9f\x98\x80 AND more"));
	CHECK_EQ(make(task, root, ".profile"), 0);
	CHECK_EQ(make(task, root, "a.b.c"), 0);
	harness->fs->ops->node_put(task, root);
	return 0;
}

TEST(makes_names)
{
	struct harness harness;

	setup(&harness, "-F 32 -s 1", "40M");
	harness_load(&harness, harness_path("image"));
	CHECK_EQ(harness_mount(&harness, false), 0);
	CHECK_EQ(harness_run(&harness, names_task, &harness), 0);
	CHECK_EQ(harness_unmount(&harness), 0);
	CHECK(fake_device_save(&harness.fake, harness_path("image")));
	CHECK(harness_fsck_fat("image"));
	harness_must("mdir -i image >list; cat list; grep -q 'PROFIL~1 *0.*profile' list;"
		     "grep -q 'ABC~1 *0.*a.b.c' list || grep -q 'AB~1 *C .*a.b.c' list");
	harness_deinit(&harness);
}

/* ---- what FAT cannot do, and options --------------------------------------------------------- */

static int limits_task(struct task *task, void *argument)
{
	struct harness *harness = argument;
	const struct blockfs_ops *ops = harness->fs->ops;
	struct blockfs_node *root, *node, *other;
	struct blockfs_create_options options = {
		.mode = 0120777, .target = "x", .target_size = 1
	};
	struct blockfs_attributes attributes = { .mode = 0444, .uid = 7, .size = UINT32_MAX };

	CHECK_EQ(ops->root(task, harness->fs, &root), 0);
	CHECK_EQ(
		ops->create(task, root, name_of("link"), &options, &node), BLOCKFS_E_NOT_PERMITTED);
	CHECK_EQ(make(task, root, "file"), 0);
	CHECK_EQ(ops->lookup(task, root, name_of("file"), &node), 0);
	CHECK_EQ(ops->link(task, root, name_of("other"), node), BLOCKFS_E_NOT_PERMITTED);
	CHECK_EQ(ops->set_attributes(task, node, BLOCKFS_SET_UID, &attributes),
		BLOCKFS_E_NOT_PERMITTED);
	CHECK_EQ(
		ops->set_attributes(task, node, BLOCKFS_SET_SIZE, &attributes), BLOCKFS_E_NO_SPACE);
	attributes.size = UINT32_MAX + 1ull;
	CHECK_EQ(ops->set_attributes(task, node, BLOCKFS_SET_SIZE, &attributes),
		BLOCKFS_E_TOO_LARGE);
	attributes.mode = 0550;
	CHECK_EQ(ops->set_attributes(task, node, BLOCKFS_SET_MODE, &attributes), 0);
	ops->get_attributes(node, &attributes);
	CHECK_EQ(attributes.mode, 0100550);
	CHECK_EQ(attributes.uid, 5);
	CHECK_EQ(attributes.gid, 6);
	attributes.mode = 0700; /* what cannot be is ignored */
	CHECK_EQ(ops->set_attributes(task, node, BLOCKFS_SET_MODE, &attributes), 0);
	ops->get_attributes(node, &attributes);
	CHECK_EQ(attributes.mode, 0100550);
	/* a removed file keeps its contents and its number while it is held */
	attributes.mode = 0770;
	CHECK_EQ(ops->set_attributes(task, node, BLOCKFS_SET_MODE, &attributes), 0);
	CHECK_EQ(file_write(task, node, 3000, "hello", 5), 0);
	CHECK_EQ(ops->unlink(task, root, name_of("FILE")), 0);
	CHECK_EQ(make(task, root, "file"), 0);
	CHECK_EQ(ops->lookup(task, root, name_of("file"), &other), 0);
	CHECK(node != other && node->number != other->number);
	CHECK_EQ(ops->sync(task, harness->fs), 0);
	char data[3005];
	size_t size;

	CHECK_EQ(file_read(task, node, 0, data, sizeof(data), &size), 0);
	CHECK_EQ(size, 3005);
	CHECK(data[0] == 0 && data[2999] == 0 && memcmp(data + 3000, "hello", 5) == 0);
	ops->node_put(task, node);
	ops->node_put(task, other);
	ops->node_put(task, root);
	return 0;
}

TEST(knows_its_limits)
{
	struct harness harness;

	setup(&harness, "-F 16 -s 2", "16M");
	harness_load(&harness, harness_path("image"));
	harness.options = "uid=5,gid=6,umask=007,utf8,bad";
	CHECK_EQ(harness_mount(&harness, false), -ERR_ILLEGAL_ARGS);
	harness.options = "uid=5,gid=6,umask=007,utf8";
	CHECK_EQ(harness_mount(&harness, false), 0);
	CHECK_EQ(harness_run(&harness, limits_task, &harness), 0);
	CHECK_EQ(harness_unmount(&harness), 0);
	CHECK(fake_device_save(&harness.fake, harness_path("image")));
	CHECK(harness_fsck_fat("image"));
	harness_deinit(&harness);
}

TEST(refuses_what_is_no_fat)
{
	struct harness harness;

	setup(&harness, "-F 16 -s 2", "16M");
	harness_load(&harness, harness_path("image"));
	harness.is_quiet = true;
	harness.fake.image[13] = 3;
	CHECK_EQ(harness_mount(&harness, false), BLOCKFS_E_NOT_THIS);
	harness.fake.image[13] = 2;
	harness.fake.image[22] = 0xff;
	harness.fake.image[23] = 0xff;
	CHECK_EQ(harness_mount(&harness, false), BLOCKFS_E_CORRUPT);
	memset(harness.fake.image, 0, 512);
	CHECK_EQ(harness_mount(&harness, false), BLOCKFS_E_NOT_THIS);
	harness_deinit(&harness);
}

/* ---- failing ------------------------------------------------------------------------------- */

static int fill_task(struct task *task, void *argument)
{
	struct harness *harness = argument;
	struct blockfs_node *root;
	char name[40];
	int error = harness->fs->ops->root(task, harness->fs, &root);

	for (int i = 0; i < 400 && error == 0; i++) {
		snprintf(name, sizeof(name), "name number %d", i % 150);
		error = make(task, root, name);
		if (error == -ERR_EXISTS) {
			error = harness->fs->ops->unlink(task, root, name_of(name));
		}
		if (error == 0 && i % 40 == 0) {
			error = harness->fs->ops->sync(task, harness->fs);
		}
	}
	harness->fs->ops->node_put(task, root);
	return error;
}

TEST(lives_with_errors)
{
	struct harness harness;

	for (uint64_t i = 0; i < 12; i++) {
		setup(&harness, "-F 32 -s 1", "40M");
		harness_load(&harness, harness_path("image"));
		harness.is_quiet = true;
		CHECK_EQ(harness_mount(&harness, false), 0);
		harness.fake.fail_one_in = i < 6 ? 30 : 0;
		harness_fail_allocation_one_in = i < 6 ? 0 : 60;
		(void)harness_run(&harness, fill_task, &harness);
		(void)harness_unmount(&harness);
		harness_fail_allocation_one_in = 0;
		harness_deinit(&harness);
	}
}

TEST_MAIN()

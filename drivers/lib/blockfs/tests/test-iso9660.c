/* SPDX-License-Identifier: MIT */
/* ISO 9660: images that xorriso made, compared with the folder they were made of. */
#include "harness.h"

#include <base/testing.h>
#include <ctype.h>
#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

enum names { ROCK, JOLIET, PLAIN };

struct run {
	struct harness harness;
	enum names names;
};

static bool count_entry(void *context, const struct blockfs_entry *entry)
{
	(*(size_t *)context)++;
	CHECK(entry->name_length < 256);
	return true;
}

static void compare_file(struct task *task, struct blockfs_node *node, const char *path)
{
	static uint8_t ours[700000], theirs[700000];
	FILE *file = fopen(path, "r");
	size_t size, n;

	CHECK(file != NULL);
	n = fread(theirs, 1, sizeof(theirs), file);
	fclose(file);
	CHECK_EQ(file_read(task, node, 0, ours, sizeof(ours), &size), 0);
	CHECK_EQ(size, n);
	CHECK_MEM_EQ(ours, theirs, n);
}

static void compare_rock(struct task *task, struct blockfs_node *node, const char *path)
{
	struct blockfs_attributes attributes;
	struct stat status;
	char ours[5000] = "", theirs[5000] = "";
	size_t size;

	CHECK(lstat(path, &status) == 0);
	node->fs->ops->get_attributes(node, &attributes);
	CHECK_EQ(attributes.mode, status.st_mode);
	CHECK_EQ(attributes.uid, status.st_uid);
	CHECK_EQ(attributes.gid, status.st_gid);
	CHECK_EQ(attributes.mtime.seconds, status.st_mtime);
	if (S_ISLNK(status.st_mode)) {
		CHECK(readlink(path, theirs, sizeof(theirs)) > 0);
		CHECK_EQ(node->fs->ops->read_link(task, node, ours, sizeof(ours), &size), 0);
		CHECK_EQ(size, strlen(theirs));
		CHECK_EQ(attributes.size, size);
		CHECK_STR_EQ(ours, theirs);
	}
}

static void compare_directory(
	struct task *task, struct run *run, struct blockfs_node *node, const char *path)
{
	const struct blockfs_ops *ops = node->fs->ops;
	size_t n_ours = 0, n_theirs = 0;
	struct dirent *entry;
	DIR *directory = opendir(path);

	CHECK(directory != NULL);
	while ((entry = readdir(directory)) != NULL) {
		char child_path[1200], name[300];
		struct blockfs_node *child;

		n_theirs++;
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) {
			continue;
		}
		snprintf(child_path, sizeof(child_path), "%s/%s", path, entry->d_name);
		strcpy(name, entry->d_name);
		for (size_t i = 0; run->names == JOLIET && name[i] != 0; i++) {
			name[i] = (char)toupper(name[i]);
		}
		if (ops->lookup(task, node, name_of(name), &child) != 0) {
			printf("# %s is missing\n", child_path);
			CHECK(false);
			return;
		}
		if (run->names == ROCK) {
			compare_rock(task, child, child_path);
		}
		if (entry->d_type == DT_DIR) {
			compare_directory(task, run, child, child_path);
		} else if (entry->d_type == DT_REG) {
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
	struct run *run = argument;
	struct blockfs *fs = run->harness.fs;
	struct blockfs_create_options options = { .mode = 0100644 };
	struct blockfs_node *root, *node;

	CHECK_EQ(fs->ops->root(task, fs, &root), 0);
	compare_directory(task, run, root, harness_path("tree"));
	CHECK_EQ(fs->ops->lookup(task, root, name_of("none"), &node), -ERR_NOT_FOUND);
	CHECK_EQ(
		fs->ops->create(task, root, name_of("none"), &options, &node), BLOCKFS_E_READ_ONLY);
	fs->ops->node_put(task, root);
	return 0;
}

static void check(const char *arguments, const char *options, enum names names)
{
	struct run run = { .names = names };

	printf("# xorriso %s, %s\n", arguments, options);
	harness_must("rm -f image; xorriso -as mkisofs -quiet %s -o image tree", arguments);
	harness_init(&run.harness, 0);
	run.harness.mount = blockfs_iso9660_mount;
	run.harness.options = options;
	harness_load(&run.harness, harness_path("image"));
	CHECK_EQ(harness_mount(&run.harness, true), 0);
	CHECK_EQ(harness_run(&run.harness, compare_task, &run), 0);
	CHECK_EQ(harness_unmount(&run.harness), 0);
	CHECK_EQ(run.harness.n_complaints, 0);
	CHECK_EQ(run.harness.fake.n_writes, 0);
	harness_deinit(&run.harness);
}

TEST(reads_rock_ridge)
{
	harness_must(
		"rm -rf tree; mkdir -p tree/d/e tree/many tree/1/2/3/4/5/6/7/8/9/10; cd tree;"
		"for i in 0 1 2047 2048 2049 70001 600000; do"
		"  head -c $i /dev/urandom >file-$i.bin; done; echo x >1/2/3/4/5/6/7/8/9/10/deep;"
		"for i in $(seq 400); do echo $i >many/a-rather-long-name-$i; done;"
		"ln -s ../x/./y d/link; ln -s /absolute/path d/abs; ln -s . d/dot;"
		"ln -s $(head -c 240 /dev/zero | tr '\\0' a)/$(head -c 600 /dev/zero |"
		"  tr '\\0' b | sed 's|.\\{200\\}|&/|g')end d/long;"
		"mkfifo d/fifo; chmod 4711 file-1.bin; chown 12:34 file-2048.bin;"
		"echo n >\"d/$(head -c 250 /dev/zero | tr '\\0' n)\"; ln d/link d/hard;"
		"touch -d '2001-02-03 04:05:06' d/e");
	check("-R", "", ROCK);
	check("-R -J -joliet-long", "", ROCK);
	check("-R -D", "", ROCK);
}

TEST(reads_joliet_and_plain)
{
	harness_must(
		"rm -rf tree; mkdir -p tree/Dir tree/many; cd tree; echo a >Dir/'Some name.txt';"
		"echo b >\xc3\xa9t\xc3\xa9.txt; for i in $(seq 200); do echo $i >many/f-$i; done;"
		"head -c 100000 /dev/urandom >data");
	check("-J -R", "norock", JOLIET);
	harness_must("rm -rf tree; mkdir -p tree/dir; cd tree; echo a >dir/name.txt;"
		     "head -c 100000 /dev/urandom >data.bin");
	check("-iso-level 2 -J -R", "norock,nojoliet", PLAIN);
	check("-iso-level 1", "uid=3,mode=0400", PLAIN);
}

static int sections_task(struct task *task, void *argument)
{
	struct harness *harness = argument;
	struct blockfs_attributes attributes;
	struct blockfs_node *node;
	uint8_t byte = 0;
	size_t size;

	CHECK_EQ(path_find(task, harness->fs, "big", &node), 0);
	harness->fs->ops->get_attributes(node, &attributes);
	CHECK_EQ(attributes.size, 6144);
	CHECK_EQ(file_read(task, node, 4096, &byte, 1, &size), 0);
	CHECK_EQ(byte, 'c');
	harness->fs->ops->node_put(task, node);
	return 0;
}

/* The record of a file of 6,144 bytes becomes two: the first has 4,096 of them. */
static void split_record(struct harness *harness)
{
	static const uint8_t name[] = "BIG.;1";
	uint8_t *image = harness->fake.image;
	size_t at = 0;

	for (size_t i = 17 * 2048; i < harness->fake.device.size - 64; i++) {
		if (image[i - 1] == 6 && memcmp(image + i, name, 6) == 0) {
			at = i - 33;
			break;
		}
	}
	CHECK(at != 0);
	uint8_t *second = image + at + image[at];

	memmove(second + image[at], second, 200);
	memcpy(second, image + at, image[at]);
	image[at + 25] |= 0x80;
	image[at + 10] = 0;
	image[at + 11] = 4096 >> 8;
	second[2] += 2;
	second[10] = 0;
	second[11] = 2048 >> 8;
}

TEST(reads_sections)
{
	struct harness harness;

	harness_must("rm -rf tree image; mkdir tree; for i in a b c; do head -c 2048 /dev/zero |"
		     " tr '\\0' $i; done >tree/big;"
		     "xorriso -as mkisofs -quiet -iso-level 1 -o image tree");
	harness_init(&harness, 0);
	harness.mount = blockfs_iso9660_mount;
	harness.options = "norock";
	harness_load(&harness, harness_path("image"));
	split_record(&harness);
	CHECK_EQ(harness_mount(&harness, true), 0);
	CHECK_EQ(harness_run(&harness, sections_task, &harness), 0);
	CHECK_EQ(harness_unmount(&harness), 0);
	memset(harness.fake.image + 32768, 0, 2048);
	CHECK_EQ(harness_mount(&harness, true), BLOCKFS_E_NOT_THIS);
	harness_deinit(&harness);
}

TEST_MAIN()

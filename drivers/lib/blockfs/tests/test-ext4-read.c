/* SPDX-License-Identifier: MIT */
/*
 * Reading what mke2fs and debugfs made, with many sets of features.
 *
 * A tree of files is made in a folder, mke2fs -d puts it into an image, and everything that the
 * library says about it is compared with what the host says about the folder.
 */
#include "harness.h"

#include <base/testing.h>
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- a tree on the host ---------------------------------------------------------------------- */

static void write_host_file(const char *path, uint64_t size, uint64_t hole, struct random *random)
{
	int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0640);
	uint64_t words[512];

	CHECK(file >= 0);
	for (uint64_t at = 0; at < size; at += sizeof(words)) {
		if (hole != 0 && at / 65536 % hole == 1) {
			continue;
		}
		for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
			words[i] = random_u64(random);
		}
		CHECK(pwrite(file, words, sizeof(words), (off_t)at) == sizeof(words));
	}
	CHECK(ftruncate(file, (off_t)size) == 0);
	close(file);
}

static void make_tree(const char *top, struct random *random)
{
	char path[512], target[300];
	static const uint64_t sizes[] = { 0, 1, 59, 60, 61, 150, 1023, 4096, 4097, 70000, 1400000 };

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		snprintf(path, sizeof(path), "%s/file-%zu", top, i);
		write_host_file(path, sizes[i], i == 9 ? 0 : 3, random);
	}
	for (size_t i = 1; i < 260; i += 29) {
		memset(target, 'x', i);
		target[i] = 0;
		snprintf(path, sizeof(path), "%s/link-%zu", top, i);
		CHECK(symlink(target, path) == 0);
	}
	snprintf(path, sizeof(path), "%s/many", top);
	CHECK(mkdir(path, 0755) == 0);
	for (int i = 0; i < 1200; i++) {
		snprintf(path, sizeof(path), "%s/many/%0*d", top, 1 + i % 200, i);
		int file = open(path, O_WRONLY | O_CREAT, 0600);

		CHECK(file >= 0);
		close(file);
	}
	snprintf(path, sizeof(path), "%s/few", top);
	CHECK(mkdir(path, 01777) == 0);
	for (int i = 0; i < 4; i++) {
		snprintf(path, sizeof(path), "%s/few/d\xc3\xa9%d", top, i);
		CHECK(mkdir(path, 0700) == 0);
	}
}

/* ---- comparing ------------------------------------------------------------------------------- */

struct listed_names {
	size_t n;
	size_t n_room; /* so many entries are taken at a time */
	uint64_t cookie;
	bool is_full;
	struct {
		char name[256];
		uint64_t number;
		uint8_t type;
	} entries[2000];
};

static bool take_entry(void *context, const struct blockfs_entry *entry)
{
	struct listed_names *names = context;

	if (names->n_room == 0) {
		names->is_full = true;
		return false;
	}
	names->n_room--;
	CHECK(names->n < ARRAY_SIZE(names->entries));
	memcpy(names->entries[names->n].name, entry->name, entry->name_length);
	names->entries[names->n].name[entry->name_length] = 0;
	names->entries[names->n].number = entry->node_number;
	names->entries[names->n++].type = entry->type;
	names->cookie = entry->next_cookie;
	return true;
}

static void list_all(struct task *task, struct blockfs_node *node, struct listed_names *names)
{
	*names = (struct listed_names){ 0 };
	do {
		names->is_full = false;
		names->n_room = 7;
		CHECK_EQ(
			node->fs->ops->read_directory(task, node, names->cookie, take_entry, names),
			0);
	} while (names->is_full);
}

static void compare_file(struct task *task, struct blockfs_node *node, const char *path)
{
	static uint8_t ours[2000000], theirs[2000000];
	int file = open(path, O_RDONLY);
	ssize_t n = read(file, theirs, sizeof(theirs));
	size_t size;

	close(file);
	CHECK_EQ(file_read(task, node, 0, ours, sizeof(ours), &size), 0);
	CHECK_EQ(size, n);
	CHECK_MEM_EQ(ours, theirs, size);
}

static void compare_attributes(struct blockfs_node *node, const struct stat *status)
{
	struct blockfs_attributes attributes;

	node->fs->ops->get_attributes(node, &attributes);
	CHECK_EQ(attributes.mode, status->st_mode);
	CHECK_EQ(attributes.uid, status->st_uid);
	CHECK_EQ(attributes.mtime.seconds, status->st_mtime);
	if (!S_ISDIR(status->st_mode)) {
		CHECK_EQ(attributes.size, status->st_size);
		CHECK_EQ(attributes.n_links, status->st_nlink);
	}
}

static void compare(struct task *task, struct blockfs_node *node, const char *path);

static void compare_directory(struct task *task, struct blockfs_node *node, const char *path)
{
	struct listed_names *names = malloc(sizeof(*names));
	size_t n_found = 0;
	struct dirent *entry;
	DIR *directory = opendir(path);

	list_all(task, node, names);
	CHECK_STR_EQ(names->entries[0].name, ".");
	CHECK_STR_EQ(names->entries[1].name, "..");
	for (; (entry = readdir(directory)) != NULL; n_found++) {
		char child_path[1024];
		struct blockfs_node *child;
		size_t i = 0;

		while (i < names->n && strcmp(names->entries[i].name, entry->d_name) != 0) {
			i++;
		}
		CHECK(i < names->n);
		if (entry->d_name[0] == '.') {
			continue;
		}
		snprintf(child_path, sizeof(child_path), "%s/%s", path, entry->d_name);
		CHECK_EQ(node->fs->ops->lookup(task, node, name_of(entry->d_name), &child), 0);
		CHECK_EQ(child->number, names->entries[i].number);
		CHECK(names->entries[i].type == 0 || names->entries[i].type == entry->d_type);
		compare(task, child, child_path);
		node->fs->ops->node_put(task, child);
	}
	closedir(directory);
	/* mke2fs made lost+found in the root */
	CHECK(names->n == n_found || names->n == n_found + 1);
	free(names);
}

static void compare(struct task *task, struct blockfs_node *node, const char *path)
{
	struct stat status;

	CHECK(lstat(path, &status) == 0);
	if (S_ISREG(status.st_mode)) {
		compare_attributes(node, &status);
		compare_file(task, node, path);
	} else if (S_ISLNK(status.st_mode)) {
		char ours[512] = "", theirs[512] = "";
		size_t size;

		CHECK(readlink(path, theirs, sizeof(theirs)) > 0);
		CHECK_EQ(node->fs->ops->read_link(task, node, ours, sizeof(ours), &size), 0);
		CHECK_STR_EQ(ours, theirs);
	} else {
		compare_directory(task, node, path);
	}
}

static int compare_task(struct task *task, void *argument)
{
	struct harness *harness = argument;
	struct blockfs_node *root, *child;
	const struct blockfs_ops *ops = harness->fs->ops;

	CHECK_EQ(ops->root(task, harness->fs, &root), 0);
	compare_directory(task, root, harness_path("tree"));
	CHECK_EQ(ops->lookup(task, root, name_of("none"), &child), -ERR_NOT_FOUND);
	ops->node_put(task, root);
	CHECK_EQ(path_find(task, harness->fs, "many/none", &child), -ERR_NOT_FOUND);
	return 0;
}

static void check_image(const char *options)
{
	struct harness harness;
	struct random random;

	printf("# mke2fs %s\n", options);
	random_init(&random, 1);
	harness_must("rm -rf tree image; mkdir tree");
	make_tree(harness_path("tree"), &random);
	harness_must("mke2fs -q -F %s -d tree image 24M", options);
	harness_init(&harness, 0);
	harness_load(&harness, harness_path("image"));
	CHECK_EQ(harness_mount(&harness, true), 0);
	CHECK_EQ(harness_run(&harness, compare_task, &harness), 0);
	CHECK_EQ(harness_unmount(&harness), 0);
	CHECK_EQ(harness.n_complaints, 0);
	CHECK_EQ(harness.fake.n_writes, 0);
	harness_deinit(&harness);
}

TEST(reads_ext2)
{
	check_image("-t ext2 -b 1024");
	check_image("-t ext2 -b 4096 -I 128 -O ^dir_index,^filetype");
	check_image("-t ext2 -b 2048 -r 0");
}

TEST(reads_ext3)
{
	check_image("-t ext3 -b 1024 -J size=4");
	check_image("-t ext3 -b 4096 -O ^sparse_super,^resize_inode -J size=4");
}

TEST(reads_ext4)
{
	check_image("-t ext4");
	check_image("-t ext4 -b 1024");
	check_image("-t ext4 -b 2048 -O ^64bit,^flex_bg");
	check_image("-t ext4 -b 4096 -O ^metadata_csum,uninit_bg");
	check_image("-t ext4 -b 1024 -O meta_bg,^resize_inode -g 1024");
	check_image("-t ext4 -b 1024 -O sparse_super2 -g 1024");
	check_image("-t ext4 -b 1024 -O ^extent,^64bit");
	check_image("-t ext4 -b 1024 -O metadata_csum_seed,large_dir,orphan_file");
	check_image("-t ext4 -b 4096 -O inline_data");
	check_image("-t ext4 -b 1024 -O inline_data -I 1024");
	check_image("-t ext4 -b 4096 -O bigalloc -C 16384");
	check_image("-t ext4 -b 4096 -E hash_seed=01234567-89ab-cdef-0123-456789abcdef");
}

/* Whether an image can be mounted as each kind, to be read or written. */
static void check_kinds(
	const char *options, bool is_ext3, bool is_ext2_to_read, bool is_ext2_to_write)
{
	struct harness harness;
	const struct {
		enum blockfs_ext_kind kind;
		bool is_read_only, is_good;
	} tries[] = {
		{ BLOCKFS_EXT3, false, is_ext3 },
		{ BLOCKFS_EXT2, true, is_ext2_to_read },
		{ BLOCKFS_EXT2, false, is_ext2_to_write },
		{ BLOCKFS_EXT4, false, true },
	};

	harness_must("rm -f image; mke2fs -q -F %s image 24M", options);
	for (size_t i = 0; i < ARRAY_SIZE(tries); i++) {
		harness_init(&harness, 0);
		harness.ext_kind = tries[i].kind;
		harness_load(&harness, harness_path("image"));
		CHECK_EQ(harness_mount(&harness, tries[i].is_read_only),
			tries[i].is_good ? 0 : BLOCKFS_E_NOT_THIS);
		if (tries[i].is_good) {
			CHECK_EQ(harness_unmount(&harness), 0);
		}
		harness_deinit(&harness);
	}
}

/* As in Linux: who asks for an older kind does not get what that could not read. */
TEST(kinds_are_told_apart)
{
	check_kinds("-t ext2", false, true, true);
	check_kinds("-t ext3", true, true, true);
	check_kinds("-t ext4", false, false, false);
	check_kinds("-t ext3 -O uninit_bg", false, true, false);
}

/* What a directory has been indexed by is what e2fsck -D made of it. */
static void check_indexed(const char *options, const char *hash)
{
	struct harness harness;

	printf("# mke2fs %s, %s\n", options, hash);
	struct random random;

	random_init(&random, 1);
	harness_must("rm -rf tree image; mkdir tree");
	make_tree(harness_path("tree"), &random);
	harness_must("mke2fs -q -F %s -d tree image 24M; tune2fs -E hash_alg=%s image; "
		     "e2fsck -fyD image; e2fsck -fn image",
		options, hash);
	harness_init(&harness, 0);
	harness_load(&harness, harness_path("image"));
	CHECK_EQ(harness_mount(&harness, true), 0);
	CHECK_EQ(harness_run(&harness, compare_task, &harness), 0);
	CHECK_EQ(harness_unmount(&harness), 0);
	CHECK_EQ(harness.n_complaints, 0);
	harness_deinit(&harness);
}

TEST(reads_indexes)
{
	check_indexed("-t ext4 -b 1024", "half_md4");
	check_indexed("-t ext4 -b 1024", "tea");
	check_indexed("-t ext4 -b 1024", "legacy");
	check_indexed("-t ext3 -b 1024 -J size=4", "half_md4");
	check_indexed("-t ext4 -b 4096 -O large_dir", "half_md4");
}

/* ---- attributes ------------------------------------------------------------------------------ */

static int xattr_task(struct task *task, void *argument)
{
	struct harness *harness = argument;
	const struct blockfs_ops *ops = harness->fs->ops;
	struct blockfs_node *node;
	struct blockfs_attributes attributes;
	char value[5000], names[200];
	size_t size;

	CHECK_EQ(path_find(task, harness->fs, "file-4", &node), 0);
	ops->get_attributes(node, &attributes);
	CHECK_EQ(attributes.has_xattrs, false);
	ops->node_put(task, node);
	CHECK_EQ(path_find(task, harness->fs, "file-3", &node), 0);
	ops->get_attributes(node, &attributes);
	CHECK_EQ(attributes.has_xattrs, true);
	CHECK_EQ(ops->get_xattr(task, node, name_of("user.a"), value, sizeof(value), &size), 0);
	CHECK_EQ(size, 5);
	CHECK_MEM_EQ(value, "hello", 5);
	CHECK_EQ(ops->get_xattr(task, node, name_of("user.large"), NULL, 0, &size), 0);
	CHECK_EQ(size, 700);
	CHECK_EQ(ops->get_xattr(task, node, name_of("user.large"), value, 600, &size),
		BLOCKFS_E_BUFFER_TOO_SMALL);
	CHECK_EQ(ops->get_xattr(task, node, name_of("user.large"), value, 700, &size), 0);
	CHECK_EQ(value[699], 'y');
	CHECK_EQ(ops->get_xattr(task, node, name_of("user.none"), value, 700, &size),
		BLOCKFS_E_NO_ATTRIBUTE);
	CHECK_EQ(ops->list_xattrs(task, node, names, sizeof(names), &size), 0);
	CHECK_EQ(size, strlen("user.a") + 1 + strlen("user.large") + 1);
	ops->node_put(task, node);
	return 0;
}

TEST(reads_attributes)
{
	struct harness harness;
	struct random random;

	random_init(&random, 1);
	harness_must("rm -rf tree image; mkdir tree");
	make_tree(harness_path("tree"), &random);
	harness_must(
		"mke2fs -q -F -t ext4 -d tree image 24M; head -c 700 /dev/zero | tr '\\0' y >v;"
		"debugfs -w -R 'ea_set file-3 user.a hello' image;"
		"debugfs -w -R 'ea_set -f v file-3 user.large' image");
	harness_init(&harness, 0);
	harness_load(&harness, harness_path("image"));
	CHECK_EQ(harness_mount(&harness, true), 0);
	CHECK_EQ(harness_run(&harness, xattr_task, &harness), 0);
	CHECK_EQ(harness_unmount(&harness), 0);
	harness_deinit(&harness);
}

/* ---- what is refused ------------------------------------------------------------------------- */

static int try_mount(const char *image)
{
	struct harness harness;

	harness_init(&harness, 0);
	harness.is_quiet = true;
	harness_load(&harness, harness_path(image));
	int error = harness_mount(&harness, false);

	if (error == 0) {
		error = harness.fs->is_read_only ? BLOCKFS_E_READ_ONLY : 0;
		(void)harness_unmount(&harness);
	}
	harness_deinit(&harness);
	return error;
}

TEST(refuses_what_it_does_not_know)
{
	harness_must("head -c 8M /dev/zero >image");
	CHECK_EQ(try_mount("image"), BLOCKFS_E_NOT_THIS);
	harness_must("mke2fs -q -F -t ext4 -O encrypt image 24M");
	CHECK_EQ(try_mount("image"), BLOCKFS_E_UNSUPPORTED);
	harness_must("mke2fs -q -F -t ext4 -O bigalloc image 24M");
	CHECK_EQ(try_mount("image"), BLOCKFS_E_READ_ONLY);
	harness_must("mke2fs -q -F -t ext4 -O quota image 24M");
	CHECK_EQ(try_mount("image"), BLOCKFS_E_READ_ONLY);
	harness_must("mke2fs -q -F -t ext4 image 24M; truncate -s 20M image");
	CHECK_EQ(try_mount("image"), BLOCKFS_E_CORRUPT);
	harness_must("mke2fs -q -F -t ext4 image 24M");
	CHECK_EQ(try_mount("image"), 0);
}

TEST_MAIN()

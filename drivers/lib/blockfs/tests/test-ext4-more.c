/* SPDX-License-Identifier: MIT */
/*
 * What random trees do not reach: large directories, many tasks at once, full disks, devices that
 * fail, delayed allocation, orphans.
 */
#include "harness.h"

#include <base/testing.h>

static void begin(struct harness *harness, const char *options, const char *size, uint64_t seed)
{
	harness_must("rm -f image; mke2fs -q -F %s image %s", options, size);
	harness_init(harness, seed);
	harness_load(harness, harness_path("image"));
	CHECK_EQ(harness_mount(harness, false), 0);
}

static void end(struct harness *harness)
{
	CHECK_EQ(harness_unmount(harness), 0);
	CHECK(fake_device_save(&harness->fake, harness_path("image")));
	CHECK(harness_fsck("image"));
	harness_deinit(harness);
}

static int make_file(struct task *task, struct blockfs_node *directory, const char *name,
	struct blockfs_node **out_node)
{
	struct blockfs_create_options options = { .mode = 0100644 };

	return directory->fs->ops->create(task, directory, name_of(name), &options, out_node);
}

/* ---- large directories ----------------------------------------------------------------------- */

#define N_LARGE 6000

static bool mark_seen(void *context, const struct blockfs_entry *entry)
{
	uint8_t *seen = context;

	if (entry->name[0] == 'f') {
		char text[16] = "";

		memcpy(text, entry->name + 1, 6);
		seen[atoi(text)]++;
	}
	return true;
}

static int large_task(struct task *task, void *argument)
{
	struct harness *harness = argument;
	const struct blockfs_ops *ops = harness->fs->ops;
	static uint8_t seen[N_LARGE];
	struct blockfs_node *root, *node;
	char name[200];

	CHECK_EQ(ops->root(task, harness->fs, &root), 0);
	for (int i = 0; i < N_LARGE; i++) {
		snprintf(name, sizeof(name), "f%06d%0*d", i, 1 + i % 100, 0);
		CHECK_EQ(make_file(task, root, name, &node), 0);
		ops->node_put(task, node);
	}
	memset(seen, 0, sizeof(seen));
	CHECK_EQ(ops->read_directory(task, root, 0, mark_seen, seen), 0);
	for (int i = 0; i < N_LARGE; i++) {
		CHECK_EQ(seen[i], 1);
	}
	for (int i = 0; i < N_LARGE; i += 2) {
		snprintf(name, sizeof(name), "f%06d%0*d", i, 1 + i % 100, 0);
		CHECK_EQ(ops->unlink(task, root, name_of(name)), 0);
	}
	for (int i = 0; i < N_LARGE; i++) {
		snprintf(name, sizeof(name), "f%06d%0*d", i, 1 + i % 100, 0);
		int error = ops->lookup(task, root, name_of(name), &node);

		CHECK_EQ(error, i % 2 == 0 ? -ERR_NOT_FOUND : 0);
		if (error == 0) {
			ops->node_put(task, node);
		}
	}
	ops->node_put(task, root);
	return 0;
}

TEST(large_directories)
{
	static const char *const options[] = {
		"-t ext4 -b 1024 -N 8000",
		"-t ext4 -b 1024 -N 8000 -O large_dir",
		"-t ext2 -b 4096 -N 8000 -O ^dir_index",
	};

	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		struct harness harness;

		begin(&harness, options[i], "32M", 0);
		CHECK_EQ(harness_run(&harness, large_task, &harness), 0);
		end(&harness);
	}
}

/* ---- listing while the directory changes ----------------------------------------------------- */

struct slow_listing {
	uint8_t seen[1000];
	uint64_t cookie;
	size_t n_room;
	bool is_full;
};

static bool take_some(void *context, const struct blockfs_entry *entry)
{
	struct slow_listing *listing = context;

	if (listing->n_room == 0) {
		listing->is_full = true;
		return false;
	}
	listing->n_room--;
	listing->cookie = entry->next_cookie;
	if (entry->name[0] == 'k') {
		char number[8] = "";

		memcpy(number, entry->name + 1, entry->name_length - 1);
		listing->seen[atoi(number)]++;
	}
	return true;
}

static int listing_task(struct task *task, void *argument)
{
	struct harness *harness = argument;
	const struct blockfs_ops *ops = harness->fs->ops;
	struct slow_listing listing = { 0 };
	struct blockfs_node *root, *node;
	char name[64];
	int n_made = 0;

	CHECK_EQ(ops->root(task, harness->fs, &root), 0);
	for (int i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "k%d", i);
		CHECK_EQ(make_file(task, root, name, &node), 0);
		ops->node_put(task, node);
	}
	do {
		listing.is_full = false;
		listing.n_room = 5;
		CHECK_EQ(ops->read_directory(task, root, listing.cookie, take_some, &listing), 0);
		for (int i = 0; i < 4; i++) { /* leaves split under the reader */
			snprintf(name, sizeof(name), "other-name-%d", n_made++);
			CHECK_EQ(make_file(task, root, name, &node), 0);
			ops->node_put(task, node);
		}
	} while (listing.is_full);
	for (int i = 0; i < 300; i++) {
		CHECK_EQ(listing.seen[i], 1);
	}
	ops->node_put(task, root);
	return 0;
}

TEST(listings_miss_nothing)
{
	struct harness harness;

	begin(&harness, "-t ext4 -b 1024 -N 8000", "32M", 0);
	CHECK_EQ(harness_run(&harness, listing_task, &harness), 0);
	end(&harness);
}

/* ---- many tasks ------------------------------------------------------------------------------ */

#define N_WORKERS 24
#define N_ROUNDS  40

struct worker {
	struct harness *harness;
	uint32_t index;
};

static int worker_round(struct task *task, struct worker *worker, uint32_t round,
	struct random *random, struct blockfs_node *directories[2])
{
	const struct blockfs_ops *ops = worker->harness->fs->ops;
	struct blockfs_node *from = directories[random_below(random, 2)];
	struct blockfs_node *to = directories[random_below(random, 2)];
	static uint8_t data[20000];
	size_t size = random_below(random, sizeof(data));
	struct blockfs_node *node;
	char name[64], other[64];

	snprintf(name, sizeof(name), "w%u-%u", worker->index, round);
	snprintf(other, sizeof(other), "x%u-%u", worker->index, round % 5);
	int error = make_file(task, from, name, &node);

	if (error != 0) {
		return error;
	}
	if (size > 0) {
		error = file_write(task, node, 0, data, size);
	}
	if (error == 0 && random_chance(random, 4)) {
		error = ops->sync_node(task, node, random_chance(random, 2));
	}
	if (error == 0 && random_chance(random, 2)) {
		error = file_resize(task, node, random_below(random, 30000));
	}
	if (error == 0) {
		error = ops->rename(task, from, name_of(name), to, name_of(other),
			&(struct blockfs_rename_options){ 0 });
	}
	ops->node_put(task, node);
	return error;
}

/* Each works in its own files, and all in the same two directories. */
static int worker_task(struct task *task, void *argument)
{
	struct worker *worker = argument;
	struct blockfs *fs = worker->harness->fs;
	struct blockfs_node *directories[2] = { NULL, NULL };
	struct random random;

	random_init(&random, worker->index);
	int error = path_find(task, fs, "a", &directories[0]);

	error = error != 0 ? error : path_find(task, fs, "a/b", &directories[1]);
	for (uint32_t round = 0; round < N_ROUNDS && error == 0; round++) {
		error = worker_round(task, worker, round, &random, directories);
	}
	fs->ops->node_put(task, directories[0]);
	fs->ops->node_put(task, directories[1]);
	if (error == -ERR_CANCELLED && worker->harness->test_loop.cancel_one_in != 0) {
		return 0;
	}
	if (error != 0) {
		printf("# worker %u: %s\n", worker->index, blockfs_error_name(error));
	}
	return error;
}

static uint64_t cancel_one_in; /* of all waits of the workers, 0: none */

static int workers_task(struct task *task, void *argument)
{
	struct harness *harness = argument;
	struct blockfs_create_options options = { .mode = 0040755 };
	static struct worker workers[N_WORKERS];
	const struct blockfs_ops *ops = harness->fs->ops;
	struct blockfs_node *root, *a, *b;
	struct scope scope;

	CHECK_EQ(ops->root(task, harness->fs, &root), 0);
	CHECK_EQ(ops->create(task, root, name_of("a"), &options, &a), 0);
	CHECK_EQ(ops->create(task, a, name_of("b"), &options, &b), 0);
	ops->node_put(task, root);
	ops->node_put(task, a);
	ops->node_put(task, b);
	harness->test_loop.cancel_one_in = cancel_one_in;
	scope_begin_shield(task, &scope);
	for (uint32_t i = 0; i < N_WORKERS; i++) {
		workers[i] = (struct worker){ harness, i };
		scope_spawn(&scope, "worker", worker_task, &workers[i]);
	}
	int error = scope_join(&scope);

	harness->test_loop.cancel_one_in = 0;
	return error;
}

TEST(many_tasks)
{
	uint64_t seed = test_seed(5);

	for (int i = 0; i < 3; i++) {
		struct harness harness;

		begin(&harness, i == 2 ? "-t ext2 -b 1024" : "-t ext4 -b 1024 -J size=1", "32M",
			seed + (uint64_t)i);
		CHECK_EQ(harness_run(&harness, workers_task, &harness), 0);
		CHECK_EQ(harness.n_complaints, 0);
		end(&harness);
	}
}

/* Tasks that are cancelled at random: what they had begun is whole, and they hold nothing. */
TEST(cancelled_tasks)
{
	uint64_t seed = test_seed(17);

	cancel_one_in = 300;
	for (uint64_t i = 0; i < 4; i++) {
		struct harness harness;

		begin(&harness, i == 0 ? "-t ext2 -b 1024" : "-t ext4 -b 1024 -J size=1", "32M",
			seed + i);
		CHECK_EQ(harness_run(&harness, workers_task, &harness), 0);
		CHECK(harness.test_loop.n_injected > 0);
		CHECK_EQ(harness.n_complaints, 0);
		end(&harness);
	}
	cancel_one_in = 0;
}

/* ---- full disks ------------------------------------------------------------------------------ */

static int fill_task(struct task *task, void *argument)
{
	struct harness *harness = argument;
	const struct blockfs_ops *ops = harness->fs->ops;
	struct blockfs_statistics before, after;
	struct blockfs_node *root, *node;
	static uint8_t data[100000];
	char name[32];
	int n_files = 0;
	int error = 0;

	CHECK_EQ(ops->root(task, harness->fs, &root), 0);
	CHECK_EQ(ops->sync(task, harness->fs), 0);
	ops->statistics(harness->fs, &before);
	for (; error == 0; n_files++) {
		snprintf(name, sizeof(name), "f%d", n_files);
		error = make_file(task, root, name, &node);
		if (error == 0) {
			error = file_write(task, node, 0, data, sizeof(data));
			ops->node_put(task, node);
		}
	}
	CHECK_EQ(error, BLOCKFS_E_NO_SPACE);
	CHECK(n_files > 20);
	for (int i = 0; i < n_files; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		error = ops->unlink(task, root, name_of(name));
		CHECK(error == 0 || error == -ERR_NOT_FOUND);
	}
	CHECK_EQ(ops->sync(task, harness->fs), 0);
	ops->statistics(harness->fs, &after);
	CHECK_EQ(before.n_nodes_free, after.n_nodes_free);
	CHECK(after.n_blocks_free + 8 >= before.n_blocks_free); /* the directory has grown */
	ops->node_put(task, root);
	return 0;
}

TEST(full_disks)
{
	struct harness harness;

	for (int round = 0; round < 2; round++) {
		begin(&harness,
			round == 0 ? "-t ext4 -b 1024 -J size=1" : "-t ext3 -b 1024 -J size=1",
			"8M", 0);
		CHECK_EQ(harness_run(&harness, fill_task, &harness), 0);
		CHECK_EQ(harness_run(&harness, fill_task, &harness), 0);
		CHECK_EQ(harness.n_complaints, 0);
		end(&harness);
	}
}

/* ---- delayed allocation ---------------------------------------------------------------------- */

/* Pages get dirty one by one, and are written later: the file is one extent all the same. */
static int delayed_task(struct task *task, void *argument)
{
	struct harness *harness = argument;
	const struct blockfs_ops *ops = harness->fs->ops;
	static uint8_t data[256 * 4096];
	struct device_buffer buffer = { .address = data, .length = sizeof(data) };
	struct blockfs_node *root, *one, *two;
	struct blockfs_statistics before, after;
	struct blockfs_extent extent;

	CHECK_EQ(ops->root(task, harness->fs, &root), 0);
	CHECK_EQ(make_file(task, root, "one", &one), 0);
	CHECK_EQ(make_file(task, root, "two", &two), 0);
	ops->statistics(harness->fs, &before);
	for (uint64_t i = 0; i < 256; i++) {
		CHECK_EQ(ops->reserve(task, one, i * 4096, 4096), 0);
		CHECK_EQ(ops->grow(task, one, (i + 1) * 4096), 0);
		CHECK_EQ(ops->reserve(task, two, i * 4096, 4096), 0);
		CHECK_EQ(ops->grow(task, two, (i + 1) * 4096), 0);
	}
	ops->statistics(harness->fs, &after);
	CHECK_EQ(before.n_blocks_free - after.n_blocks_free, 512);
	CHECK_EQ(ops->map(task, one, 4096, &extent), 0);
	CHECK_EQ(extent.kind, BLOCKFS_DELAYED);
	memset(data, 7, sizeof(data));
	CHECK_EQ(ops->write(task, one, 0, sizeof(data), &buffer, 1), 0);
	ops->unreserve(two, 128 * 4096, 128 * 4096);
	buffer.length = 128 * 4096;
	CHECK_EQ(ops->write(task, two, 0, buffer.length, &buffer, 1), 0);
	ops->statistics(harness->fs, &after);
	CHECK(before.n_blocks_free - after.n_blocks_free <= 384 + 2);
	CHECK_EQ(ops->map(task, one, 0, &extent), 0);
	CHECK_EQ(extent.kind, BLOCKFS_DATA);
	CHECK_EQ(extent.length, sizeof(data));
	CHECK_EQ(ops->map(task, two, 128 * 4096, &extent), 0);
	CHECK_EQ(extent.kind, BLOCKFS_HOLE);
	CHECK_EQ(ops->map(task, two, 256 * 4096, &extent), -ERR_NOT_FOUND);
	ops->node_put(task, one);
	ops->node_put(task, two);
	ops->node_put(task, root);
	return 0;
}

TEST(delays_allocation)
{
	struct harness harness;

	begin(&harness, "-t ext4 -b 4096", "32M", 0);
	CHECK_EQ(harness_run(&harness, delayed_task, &harness), 0);
	end(&harness);
}

/* ---- unlinked, but held ---------------------------------------------------------------------- */

static int orphan_task(struct task *task, void *argument)
{
	struct harness *harness = argument;
	const struct blockfs_ops *ops = harness->fs->ops;
	struct blockfs_create_options options = { .mode = 0100600 };
	struct blockfs_node *root, *node, *unnamed;
	char text[6] = "";
	size_t size;

	CHECK_EQ(ops->root(task, harness->fs, &root), 0);
	CHECK_EQ(make_file(task, root, "gone", &node), 0);
	CHECK_EQ(file_write(task, node, 0, "hello", 5), 0);
	CHECK_EQ(ops->unlink(task, root, name_of("gone")), 0);
	CHECK_EQ(file_read(task, node, 0, text, 5, &size), 0);
	CHECK_STR_EQ(text, "hello");
	CHECK_EQ(ops->create_unnamed(task, root, &options, &unnamed), 0);
	CHECK_EQ(file_write(task, unnamed, 0, "world", 5), 0);
	CHECK_EQ(ops->sync(task, harness->fs), 0);
	/* a power cut now leaves orphans, which the next mount frees */
	CHECK(fake_device_save(&harness->fake, harness_path("cut")));
	CHECK_EQ(ops->link(task, root, name_of("named"), unnamed), 0);
	ops->node_put(task, unnamed);
	ops->node_put(task, node);
	ops->node_put(task, root);
	return 0;
}

TEST(frees_orphans)
{
	static const char *const options[] = { "-t ext4", "-t ext4 -O orphan_file" };

	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		struct harness harness;

		begin(&harness, options[i], "16M", 0);
		harness.fake.delay_max_ns = 0;
		CHECK_EQ(harness_run(&harness, orphan_task, &harness), 0);
		end(&harness);
		harness_init(&harness, 0);
		harness.is_quiet = true;
		harness_load(&harness, harness_path("cut"));
		CHECK_EQ(harness_mount(&harness, false), 0);
		end(&harness);
	}
}

/* ---- devices that fail ----------------------------------------------------------------------- */

static int failing_task(struct task *task, void *argument)
{
	struct harness *harness = argument;
	const struct blockfs_ops *ops = harness->fs->ops;
	struct blockfs_node *root, *node;
	static uint8_t data[5000];
	char name[32];
	int n_failed = 0;

	CHECK_EQ(ops->root(task, harness->fs, &root), 0);
	harness->fake.fail_one_in = 60;
	for (int i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		int error = make_file(task, root, name, &node);

		if (error == 0) {
			error = file_write(task, node, 0, data, sizeof(data));
			error = error != 0 ? error : ops->sync_node(task, node, false);
			ops->node_put(task, node);
		}
		n_failed += error != 0 ? 1 : 0;
	}
	ops->node_put(task, root);
	harness->fake.fail_one_in = 0;
	CHECK(n_failed > 0);
	return 0;
}

TEST(stops_after_errors)
{
	uint64_t seed = test_seed(9);

	for (uint64_t i = 0; i < 6; i++) {
		struct harness harness;

		begin(&harness, "-t ext4 -b 1024 -J size=1", "8M", seed + i);
		harness.is_quiet = true;
		CHECK_EQ(harness_run(&harness, failing_task, &harness), 0);
		(void)harness_unmount(&harness);
		CHECK(fake_device_save(&harness.fake, harness_path("image")));
		/* what had been committed is whole */
		CHECK(harness_command("e2fsck -fp image") <= 1);
		CHECK(harness_fsck("image"));
		harness_deinit(&harness);
	}
}

/* The first block of the journal, whose superblock is a big-endian structure. */
static uint8_t *find_log(struct fake_device *fake)
{
	static const uint8_t start[] = { 0xc0, 0x3b, 0x39, 0x98, 0, 0, 0, 4 };

	for (uint64_t at = 0; at < fake->device.size; at += 1024) {
		if (memcmp(fake->image + at, start, sizeof(start)) == 0) {
			return fake->image + at;
		}
	}
	return NULL;
}

/* Wherever the power goes while it is mounted: the log says so, or the superblock does. */
TEST(an_aborted_journal_is_not_forgotten)
{
	struct harness harness;
	struct random random;

	harness_must("rm -f image; mke2fs -q -F -t ext4 -b 1024 -J size=1 image 8M");
	harness_init(&harness, 0);
	harness_load(&harness, harness_path("image"));
	harness.is_quiet = true;
	uint64_t size = harness.fake.device.size;
	uint8_t *log = find_log(&harness.fake), *left = malloc(size);

	CHECK(log != NULL && left != NULL);
	uint64_t place = (uint64_t)(log - harness.fake.image) + 0x23; /* of s_errno */

	harness.fake.image[place] = 5;
	fake_device_record(&harness.fake);
	CHECK_EQ(harness_mount(&harness, false), 0);
	CHECK_EQ(harness.n_complaints, 1);
	CHECK_EQ(harness_unmount(&harness), 0);
	random_init(&random, 1);
	for (size_t n = 0; n <= harness.fake.n_records; n++) {
		fake_device_crash(&harness.fake, n, &random, left);
		CHECK(left[place] == 5 || (left[1024 + 0x3a] & 2) != 0);
	}
	CHECK_EQ(left[place], 0);
	free(left);
	harness_deinit(&harness);
}

/* ---- whiteouts ------------------------------------------------------------------------------- */

static int whiteout_task(struct task *task, void *argument)
{
	struct harness *harness = argument;
	const struct blockfs_ops *ops = harness->fs->ops;
	const struct blockfs_rename_options options = {
		.flags = BLOCKFS_RENAME_WHITEOUT,
		.uid = 70000,
		.gid = 5,
	};
	const struct blockfs_rename_options exchange = {
		.flags = BLOCKFS_RENAME_WHITEOUT | BLOCKFS_RENAME_EXCHANGE,
	};
	struct blockfs_attributes attributes;
	struct blockfs_node *root, *node, *moved;

	CHECK_EQ(ops->root(task, harness->fs, &root), 0);
	CHECK_EQ(make_file(task, root, "old", &node), 0);
	CHECK_EQ(ops->rename(task, root, name_of("old"), root, name_of("new"), &exchange),
		-ERR_ILLEGAL_ARGS);
	CHECK_EQ(ops->rename(task, root, name_of("old"), root, name_of("new"), &options), 0);
	CHECK_EQ(ops->lookup(task, root, name_of("new"), &moved), 0);
	CHECK(moved == node);
	ops->node_put(task, moved);
	ops->node_put(task, node);
	CHECK_EQ(ops->lookup(task, root, name_of("old"), &node), 0);
	ops->get_attributes(node, &attributes);
	CHECK_EQ(attributes.mode, 0020000);
	CHECK_EQ(attributes.device_number, 0);
	CHECK_EQ(attributes.uid, 70000);
	CHECK_EQ(attributes.gid, 5);
	CHECK_EQ(attributes.n_links, 1);
	ops->node_put(task, node);
	/* over a file, back to where a whiteout is */
	CHECK_EQ(make_file(task, root, "other", &node), 0);
	ops->node_put(task, node);
	CHECK_EQ(ops->rename(task, root, name_of("new"), root, name_of("other"), &options), 0);
	CHECK_EQ(ops->rename(task, root, name_of("other"), root, name_of("old"), &options), 0);
	ops->node_put(task, root);
	return 0;
}

TEST(a_rename_leaves_a_whiteout)
{
	struct harness harness;

	begin(&harness, "-t ext4 -b 1024 -J size=1", "4M", 0);
	CHECK_EQ(harness_run(&harness, whiteout_task, &harness), 0);
	end(&harness);
}

/* ---- no memory ------------------------------------------------------------------------------- */

static int out_of_memory_task(struct task *task, void *argument)
{
	struct harness *harness = argument;
	const struct blockfs_ops *ops = harness->fs->ops;
	struct blockfs_create_options options = { .mode = 0040755 };
	struct blockfs_node *root, *node;
	static uint8_t data[9000];
	char name[32], other[32];
	int n_failed = 0;

	CHECK_EQ(ops->root(task, harness->fs, &root), 0);
	harness_fail_allocation_one_in = random_chance(&harness->fake.random, 2) ? 20 : 300;
	for (int i = 0; i < 400; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		snprintf(other, sizeof(other), "f%d", i / 2);
		options.mode = i % 4 == 0 ? 0040755 : 0100644;
		int error = ops->create(task, root, name_of(name), &options, &node);

		if (error == 0) {
			if (i % 4 != 0) {
				error = file_write(
					task, node, 1000u * (unsigned)i, data, sizeof(data));
				(void)file_resize(task, node, 300);
			}
			ops->node_put(task, node);
		}
		n_failed += error != 0 ? 1 : 0;
		(void)ops->rename(task, root, name_of(other), root, name_of(name),
			&(struct blockfs_rename_options){ 0 });
		(void)ops->unlink(task, root, name_of(other));
	}
	harness_fail_allocation_one_in = 0;
	ops->node_put(task, root);
	CHECK(n_failed > 0);
	return 0;
}

TEST(lives_without_memory)
{
	for (uint64_t i = 0; i < 4; i++) {
		struct harness harness;

		begin(&harness, i == 3 ? "-t ext3 -b 1024 -J size=1" : "-t ext4 -b 1024 -J size=1",
			"8M", test_seed(3) + i);
		harness.is_quiet = true;
		CHECK_EQ(harness_run(&harness, out_of_memory_task, &harness), 0);
		(void)harness_unmount(&harness);
		CHECK(fake_device_save(&harness.fake, harness_path("image")));
		CHECK(harness_command("e2fsck -fp image") <= 1);
		CHECK(harness_fsck("image"));
		harness_deinit(&harness);
	}
}

TEST_MAIN()

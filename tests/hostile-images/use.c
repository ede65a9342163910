/* SPDX-License-Identifier: MIT */
/*
 * Using a hostile image: every operation of the library, on whatever can be found in it.
 *
 * Nothing is expected but that each operation ends, with a result or an error.
 */
#include "hostile.h"

#include <drivers/lib/blockfs/partition/partition.h>
#include <stdio.h>
#include <string.h>

#define NODES_MAX   80
#define ENTRIES_MAX 1000
#define NAMES_MAX   40
#define CHANGES_MAX 40
#define READ_SIZE   KIB(64)
#define READS_MAX   20

struct use {
	struct harness *harness;
	struct random *random;
	struct outcome *outcome;
	struct blockfs_node *nodes[NODES_MAX];
	size_t n_nodes;
	size_t n_entries;
	char names[NAMES_MAX][BLOCKFS_NAME_MAX + 1];
	size_t n_names;
	bool is_to_change;
};

static uint8_t data[READ_SIZE];

/* ---- looking --------------------------------------------------------------------------------- */

static bool take_entry(void *context, const struct blockfs_entry *entry)
{
	struct use *use = context;
	bool is_dot = entry->name_length <= 2 && memcmp(entry->name, "..", entry->name_length) == 0;

	if (use->n_names < NAMES_MAX && entry->name_length > 0 &&
		entry->name_length <= BLOCKFS_NAME_MAX && !is_dot) {
		char *name = use->names[use->n_names++];

		memcpy(name, entry->name, entry->name_length);
		name[entry->name_length] = 0;
	}
	return ++use->n_entries < ENTRIES_MAX;
}

static void read_contents(struct task *task, struct blockfs_node *node, uint64_t file_size)
{
	const uint64_t far[] = { KIB(200), MIB(16), UINT32_MAX, file_size / 2, file_size - 1 };
	size_t size;

	for (uint64_t i = 0; i < READS_MAX && i * READ_SIZE < file_size; i++) {
		(void)file_read(task, node, i * READ_SIZE, data, READ_SIZE, &size);
	}
	for (size_t i = 0; i < ARRAY_SIZE(far); i++) {
		if (far[i] < file_size && file_size < (UINT64_C(1) << 62)) {
			(void)file_read(task, node, far[i], data, READ_SIZE, &size);
		}
	}
}

static void look_at(struct task *task, struct blockfs_node *node)
{
	const struct blockfs_ops *ops = node->fs->ops;
	struct blockfs_attributes attributes;
	struct blockfs_extent extent;
	uint64_t offset = 0;
	size_t size;

	ops->get_attributes(node, &attributes);
	(void)ops->read_link(task, node, (char *)data, sizeof(data), &size);
	if (ops->list_xattrs(task, node, (char *)data, sizeof(data), &size) == 0) {
		char names[1024] = "";

		memcpy(names, data, min_size(size, sizeof(names) - 1));
		for (char *name = names; *name != 0; name += strlen(name) + 1) {
			(void)ops->get_xattr(task, node, name_of(name), data, sizeof(data), &size);
		}
	}
	if ((attributes.mode & 0170000) == 0100000) {
		read_contents(task, node, attributes.size);
		for (int i = 0; i < 60 && ops->map(task, node, offset, &extent) == 0; i++) {
			offset = extent.offset + extent.length;
		}
	}
}

static void walk(struct task *task, struct use *use)
{
	struct blockfs *fs = use->harness->fs;

	if (fs->ops->root(task, fs, &use->nodes[0]) != 0) {
		return;
	}
	use->n_nodes = 1;
	for (size_t i = 0; i < use->n_nodes; i++) {
		struct blockfs_node *parent;

		use->n_names = 0;
		use->n_entries = 0;
		look_at(task, use->nodes[i]);
		(void)fs->ops->read_directory(task, use->nodes[i], 0, take_entry, use);
		for (size_t j = 0; j < use->n_names && use->n_nodes < NODES_MAX; j++) {
			if (fs->ops->lookup(task, use->nodes[i], name_of(use->names[j]),
				    &use->nodes[use->n_nodes]) == 0) {
				use->n_nodes++;
			}
		}
		if (fs->ops->parent(task, use->nodes[i], &parent) == 0) {
			fs->ops->node_put(task, parent);
		}
	}
	use->outcome->n_nodes += use->n_nodes;
}

/* ---- changing -------------------------------------------------------------------------------- */

/* One that the last directory had, or one that bases.c made, or a new one. */
static struct blockfs_name choose_name(struct use *use)
{
	static const char *const names[] = { "f", "d", "g", "e", "many", "small", "new", "long",
		"New long name.text", "name-that-is-rather-long-7", "name-that-is-rather-long-77",
		"holes", "deep" };

	if (use->n_names > 0 && random_chance(use->random, 4)) {
		return name_of(use->names[random_below(use->random, use->n_names)]);
	}
	return name_of(names[random_below(use->random, ARRAY_SIZE(names))]);
}

static int create_something(struct task *task, struct use *use, struct blockfs_node *directory)
{
	static const uint32_t modes[] = { 0100644, 0100644, 0040755, 0040755, 0120777, 0020600 };
	static char target[300];
	struct blockfs_create_options options = {
		.mode = modes[random_below(use->random, ARRAY_SIZE(modes))],
		.target = target,
		.target_size = random_between(use->random, 1, sizeof(target)),
		.device_number = random_u64(use->random),
	};
	const struct blockfs_ops *ops = directory->fs->ops;
	struct blockfs_node *node;
	int error;

	memset(target, 't', sizeof(target));
	if (random_chance(use->random, 8)) {
		error = ops->create_unnamed(task, directory, &options, &node);
	} else {
		error = ops->create(task, directory, choose_name(use), &options, &node);
	}
	if (error == 0) {
		ops->node_put(task, node);
	}
	return error;
}

static int set_attributes(struct task *task, struct use *use, struct blockfs_node *node)
{
	uint32_t number = (uint32_t)random_u64(use->random);
	struct blockfs_attributes attributes = {
		.mode = number & 07777,
		.uid = number,
		.gid = number,
		.flags = number & 0xff,
		.atime = { .seconds = (int64_t)(random_u64(use->random) >> 30) },
	};

	return node->fs->ops->set_attributes(task, node,
		number >> 8 &
			(BLOCKFS_SET_MODE | BLOCKFS_SET_UID | BLOCKFS_SET_GID | BLOCKFS_SET_ATIME |
				BLOCKFS_SET_FLAGS),
		&attributes);
}

/* Where something interesting may begin: near, far, and very far. */
static uint64_t choose_offset(struct use *use)
{
	switch (random_below(use->random, 8)) {
	case 0: return random_below(use->random, MIB(64));
	case 1: return random_u64(use->random) >> random_between(use->random, 20, 40);
	default: return random_below(use->random, KIB(80));
	}
}

static int change_contents(struct task *task, struct use *use, struct blockfs_node *node)
{
	const struct blockfs_ops *ops = node->fs->ops;
	uint64_t offset = choose_offset(use);
	struct blockfs_statistics statistics;

	ops->statistics(node->fs, &statistics);
	switch (random_below(use->random, 4)) {
	case 0: return file_resize(task, node, offset);
	case 1: {
		uint64_t mask = ~(uint64_t)(statistics.block_size - 1);
		uint64_t length = random_between(use->random, 1, KIB(64));

		return ops->allocate(task, node,
			(enum blockfs_allocate_mode)random_below(use->random, 5), offset & mask,
			(length & mask) + statistics.block_size);
	}
	default:
		return file_write(task, node, offset, data, random_below(use->random, KIB(20)) + 1);
	}
}

static int change_xattr(struct task *task, struct use *use, struct blockfs_node *node)
{
	static const char *const names[] = { "user.a", "user.b", "user.x" };
	const struct blockfs_ops *ops = node->fs->ops;
	struct blockfs_name name = name_of(names[random_below(use->random, ARRAY_SIZE(names))]);

	if (random_chance(use->random, 3)) {
		return ops->remove_xattr(task, node, name);
	}
	return ops->set_xattr(
		task, node, name, data, random_below(use->random, 900), BLOCKFS_XATTR_ANY);
}

static bool is_regular(struct blockfs_node *node)
{
	struct blockfs_attributes attributes;

	node->fs->ops->get_attributes(node, &attributes);
	return (attributes.mode & 0170000) == 0100000;
}

static int change_something(struct task *task, struct use *use)
{
	struct random *random = use->random;
	const struct blockfs_ops *ops = use->harness->fs->ops;
	struct blockfs_node *one = use->nodes[random_below(random, use->n_nodes)];
	struct blockfs_node *two = use->nodes[random_below(random, use->n_nodes)];

	switch (random_below(random, 14)) {
	case 0:
	case 1: return create_something(task, use, one);
	case 2: return ops->unlink(task, one, choose_name(use));
	case 3: return ops->remove_directory(task, one, choose_name(use));
	case 4:
	case 5:
		return ops->rename(task, one, choose_name(use), two, choose_name(use),
			&(struct blockfs_rename_options){
				.flags = (uint32_t)random_below(random, 6) });
	case 6: return ops->link(task, one, choose_name(use), two);
	case 7:
	case 8:
	case 9: return is_regular(one) ? change_contents(task, use, one) : 0;
	case 10: return change_xattr(task, use, one);
	case 11: return set_attributes(task, use, one);
	case 12: return ops->sync_node(task, one, random_chance(random, 2));
	default: return ops->tick(task, one->fs);
	}
}

static int use_task(struct task *task, void *argument)
{
	struct use *use = argument;

	walk(task, use);
	for (int i = 0; use->is_to_change && i < CHANGES_MAX && use->n_nodes > 0; i++) {
		if (change_something(task, use) == 0) {
			use->outcome->n_changed++;
		} else {
			use->outcome->n_refused++;
		}
	}
	while (use->n_nodes > 0) {
		use->harness->fs->ops->node_put(task, use->nodes[--use->n_nodes]);
	}
	return 0;
}

/* ---- tables of partitions -------------------------------------------------------------------- */

static int table_task(struct task *task, void *argument)
{
	static struct partition_table table;
	static uint8_t sector[4096];
	struct use *use = argument;
	struct harness *harness = use->harness;
	struct blockfs_arena arena = { .address = harness->arena, .size = KIB(64) };
	struct device_buffer buffer = { .address = sector, .length = 512 };

	if (partition_table_read(task, &harness->fake.device, &arena, &table) != 0) {
		return 0;
	}
	use->outcome->was_mounted = table.scheme != PARTITIONS_NONE;
	use->outcome->n_nodes += table.n_partitions;
	for (size_t i = 0; i < table.n_partitions; i++) {
		struct partition *partition = &table.partitions[i];
		struct device_slice slice;

		if (partition->size < 512) {
			continue;
		}
		device_slice_init(&slice, &harness->fake.device, partition->start, partition->size);
		(void)device_transfer(task, &slice.device, DEVICE_READ, 0, &buffer, 0);
		(void)device_transfer(task, &slice.device, DEVICE_READ,
			(partition->size - 512) & ~(uint64_t)511, &buffer, 0);
	}
	return 0;
}

/* ---- a case ---------------------------------------------------------------------------------- */

static int (*const mounts[])(
	struct task *task, const struct blockfs_mount_options *options, struct blockfs **out_fs) = {
	[HOSTILE_EXT4] = blockfs_ext4_mount,
	[HOSTILE_FAT] = blockfs_fat_mount,
	[HOSTILE_ISO9660] = blockfs_iso9660_mount,
};

void hostile_use(struct harness *harness, const struct base *base, struct random *random,
	struct outcome *out)
{
	static struct use use;

	*out = (struct outcome){ 0 };
	use = (struct use){ .harness = harness, .random = random, .outcome = out };
	if (base->type == HOSTILE_TABLE) {
		(void)harness_run(harness, table_task, &use);
		return;
	}
	harness->mount = mounts[base->type];
	harness->data_mode = BLOCKFS_DATA_SUPER;
	if (base->type == HOSTILE_EXT4 && random_chance(random, 4)) {
		harness->data_mode = BLOCKFS_DATA_JOURNAL; /* refused where there is no journal */
	}
	use.is_to_change = true;
	if (harness_mount(harness, random_chance(random, 10)) == 0) {
		out->was_mounted = true;
		(void)harness_run(harness, use_task, &use);
		(void)harness_unmount(harness);
	}
	use.is_to_change = false;
	if (out->was_mounted && harness_mount(harness, random_chance(random, 2)) == 0) {
		(void)harness_run(harness, use_task, &use);
		(void)harness_unmount(harness);
	}
}

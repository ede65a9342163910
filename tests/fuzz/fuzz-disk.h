/* SPDX-License-Identifier: MIT */
/*
 * What the targets for FAT and ISO 9660 share: images with changed metadata, and using them.
 *
 * An input chooses an image, says which bytes of it are something else, and what is done then.
 */
#ifndef FUZZ_FUZZ_DISK_H
#define FUZZ_FUZZ_DISK_H

#include <base/assert.h>
#include <drivers/lib/blockfs/tests/harness.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DISK_BLOCK       512
#define DISK_NODES_MAX   60
#define DISK_ENTRIES_MAX 400
#define DISK_INPUT_MAX   4096
#define DISK_BASES_MAX   8

void assert_fail(const char *file, int line, const char *expression)
{
	printf("%s:%d: assertion failed: %s\n", file, line, expression);
	abort();
}

/* ---- images ---------------------------------------------------------------------------------- */

struct base {
	uint8_t *image;
	size_t size;
	uint32_t *blocks; /* that hold anything but contents, which are all 'x' */
	size_t n_blocks;
};

static struct base bases[DISK_BASES_MAX];
static size_t n_bases;

/* The times in the folder `tree` are always the same, so that the images are. */
static void tree_set_times(void)
{
	harness_must("find tree -exec touch -h -d @1700000000 {} +");
}

static void base_load(const char *path)
{
	static const uint8_t zeros[DISK_BLOCK];
	struct base *base = &bases[n_bases++];
	FILE *file = fopen(path, "r");

	if (file == NULL || fseek(file, 0, SEEK_END) != 0) {
		abort();
	}
	base->size = (size_t)ftell(file);
	base->image = malloc(base->size);
	base->blocks = malloc(base->size / DISK_BLOCK * sizeof(uint32_t));
	rewind(file);
	if (fread(base->image, 1, base->size, file) != base->size) {
		abort();
	}
	fclose(file);
	for (uint32_t i = 0; i < base->size / DISK_BLOCK; i++) {
		const uint8_t *block = base->image + (size_t)i * DISK_BLOCK;

		if (memcmp(block, zeros, DISK_BLOCK) != 0 && memcmp(block, "xxxxxxxx", 8) != 0) {
			base->blocks[base->n_blocks++] = i;
		}
	}
}

/* ---- inputs ---------------------------------------------------------------------------------- */

struct input {
	const uint8_t *data;
	size_t size;
};

static uint32_t take(struct input *input, size_t n_bytes)
{
	uint32_t value = 0;

	for (size_t i = 0; i < n_bytes && input->size > 0; i++, input->data++, input->size--) {
		value |= (uint32_t)*input->data << (8 * i);
	}
	return value;
}

static void spoil(struct input *input, const struct base *base, uint8_t *image)
{
	uint32_t n_changes = take(input, 1) % 24;

	for (uint32_t i = 0; i < n_changes && input->size > 0; i++) {
		uint32_t block = base->blocks[take(input, 2) % base->n_blocks];
		uint32_t offset = take(input, 2) % DISK_BLOCK;
		uint32_t n_bytes = 1u << (take(input, 1) % 3);
		uint32_t value = take(input, n_bytes);

		memcpy(image + (size_t)block * DISK_BLOCK + offset, &value,
			min_size(n_bytes, DISK_BLOCK - offset));
	}
}

/* ---- using it -------------------------------------------------------------------------------- */

struct walk {
	struct harness *harness;
	struct input input;
	struct blockfs_node *nodes[DISK_NODES_MAX];
	size_t n_nodes;
	size_t n_entries;
	char names[8][256];
	size_t n_names;
};

static bool take_entry(void *context, const struct blockfs_entry *entry)
{
	struct walk *walk = context;

	if (walk->n_names < 8 && entry->name_length > 0 && entry->name[0] != '.') {
		memcpy(walk->names[walk->n_names], entry->name, entry->name_length);
		walk->names[walk->n_names++][entry->name_length] = 0;
	}
	return ++walk->n_entries < DISK_ENTRIES_MAX;
}

static void look_at(struct task *task, struct blockfs_node *node)
{
	const struct blockfs_ops *ops = node->fs->ops;
	static uint8_t data[70000];
	struct blockfs_attributes attributes;
	struct blockfs_extent extent;
	uint64_t offset = 0;
	size_t size;

	ops->get_attributes(node, &attributes);
	(void)ops->read_link(task, node, (char *)data, sizeof(data), &size);
	if ((attributes.mode & 0170000) == 0100000) {
		(void)file_read(task, node, 0, data, sizeof(data), &size);
		(void)file_read(task, node, 200000, data, sizeof(data), &size);
		for (int i = 0; i < 30 && ops->map(task, node, offset, &extent) == 0; i++) {
			offset = extent.offset + extent.length;
		}
	}
}

static void walk_tree(struct task *task, struct walk *walk)
{
	struct blockfs *fs = walk->harness->fs;

	if (fs->ops->root(task, fs, &walk->nodes[0]) != 0) {
		return;
	}
	walk->n_nodes = 1;
	for (size_t i = 0; i < walk->n_nodes; i++) {
		struct blockfs_node *parent;

		walk->n_names = 0;
		walk->n_entries = 0;
		look_at(task, walk->nodes[i]);
		(void)fs->ops->read_directory(task, walk->nodes[i], 0, take_entry, walk);
		for (size_t j = 0; j < walk->n_names && walk->n_nodes < DISK_NODES_MAX; j++) {
			if (fs->ops->lookup(task, walk->nodes[i], name_of(walk->names[j]),
				    &walk->nodes[walk->n_nodes]) == 0) {
				walk->n_nodes++;
			}
		}
		if (fs->ops->parent(task, walk->nodes[i], &parent) == 0) {
			fs->ops->node_put(task, parent);
		}
	}
}

static void change_something(struct task *task, struct walk *walk)
{
	const struct blockfs_ops *ops = walk->harness->fs->ops;
	struct blockfs_node *one = walk->nodes[take(&walk->input, 1) % walk->n_nodes];
	struct blockfs_node *two = walk->nodes[take(&walk->input, 1) % walk->n_nodes];
	static const char *const names[] = { "f", "d", "g", "e", "many", "a new name", "NEW",
		"name-that-is-rather-long-7" };
	static const uint32_t modes[] = { 0100644, 0040755, 0100444, 0120777 };
	const char *name = names[take(&walk->input, 1) % ARRAY_SIZE(names)];
	const char *other = names[take(&walk->input, 1) % ARRAY_SIZE(names)];
	uint32_t number = take(&walk->input, 2) * 37;
	static uint8_t data[9000];
	struct blockfs_create_options options = { .mode = modes[number % 4] };
	struct blockfs_attributes attributes = { .mode = number };
	struct blockfs_node *node;

	switch (take(&walk->input, 1) % 10) {
	case 0:
		if (ops->create(task, one, name_of(name), &options, &node) == 0) {
			ops->node_put(task, node);
		}
		break;
	case 1: (void)ops->unlink(task, one, name_of(name)); break;
	case 2: (void)ops->remove_directory(task, one, name_of(name)); break;
	case 3:
	case 4:
		(void)ops->rename(task, one, name_of(name), two, name_of(other),
			&(struct blockfs_rename_options){ .flags = number % 2 });
		break;
	case 5:
	case 6: (void)file_write(task, one, number, data, number % sizeof(data)); break;
	case 7: (void)file_resize(task, one, number); break;
	case 8: (void)ops->set_attributes(task, one, BLOCKFS_SET_MODE, &attributes); break;
	default: (void)ops->sync(task, one->fs); break;
	}
}

static int use_task(struct task *task, void *argument)
{
	struct walk *walk = argument;

	walk_tree(task, walk);
	for (int i = 0; i < 40 && walk->n_nodes > 0 && walk->input.size > 0; i++) {
		change_something(task, walk);
	}
	while (walk->n_nodes > 0) {
		walk->harness->fs->ops->node_put(task, walk->nodes[--walk->n_nodes]);
	}
	return 0;
}

/* One input. The disk has the size of the largest image; behind a smaller one it is zeros. */
static void disk_fuzz(struct harness *harness, const uint8_t *data, size_t size)
{
	struct walk walk = {
		.harness = harness,
		.input = { data, min_size(size, DISK_INPUT_MAX) },
	};
	size_t disk_size = 0;

	for (size_t i = 0; i < n_bases; i++) {
		disk_size = max_size(disk_size, bases[i].size);
	}
	if (!harness->has_device) { /* making one takes longer than most inputs */
		fake_device_init(&harness->fake, &harness->test_loop.loop, disk_size, 1);
		harness->has_device = true;
		harness->is_quiet = true;
		harness->fake.delay_max_ns = 0;
	}
	const struct base *base = &bases[take(&walk.input, 1) % n_bases];

	harness->now = 1700000000;
	harness->random = 1;
	memset(harness->fake.image, 0, disk_size);
	memcpy(harness->fake.image, base->image, base->size);
	spoil(&walk.input, base, harness->fake.image);
	if (harness_mount(harness, false) == 0) {
		(void)harness_run(harness, use_task, &walk);
		(void)harness_unmount(harness);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer target: file systems that say anything at all.
 *
 * An input chooses one of a few small images that mke2fs and debugfs made, then says which bytes of
 * its metadata are something else, and what is done with it. Whatever that is: each operation ends,
 * with a result or an error, and nothing is left in memory.
 */
#include <base/assert.h>
#include <drivers/lib/blockfs/tests/harness.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N_BASES     6
#define NODES_MAX   60
#define ENTRIES_MAX 400
#define INPUT_MAX   4096

void assert_fail(const char *file, int line, const char *expression)
{
	printf("%s:%d: assertion failed: %s\n", file, line, expression);
	abort();
}

/* ---- images ---------------------------------------------------------------------------------- */

struct base {
	uint8_t *image;
	size_t size;
	uint32_t *blocks; /* of 1 KiB that hold anything: metadata, mostly */
	size_t n_blocks;
};

static struct base bases[N_BASES];

static const char IDENTIFIER[] = "6d8ac1be-1f3c-4f6e-9d57-3a1e2b4c5d6f";

static const char *const base_options[N_BASES] = {
	"-t ext2 -O ^resize_inode",
	"-t ext3 -J size=1 -O ^resize_inode",
	"-t ext4 -J size=1 -O ^metadata_csum,^resize_inode",
	"-t ext4 -O ^has_journal,^metadata_csum,^resize_inode,inline_data",
	"-t ext4 -J size=1 -O ^metadata_csum,^resize_inode,orphan_file,large_dir",
	"-t ext4 -J size=1 -O ^resize_inode",
};

static void base_load(struct base *base, const char *path)
{
	FILE *file = fopen(path, "r");
	static const uint8_t zeros[1024];

	if (file == NULL || fseek(file, 0, SEEK_END) != 0) {
		abort();
	}
	base->size = (size_t)ftell(file);
	base->image = malloc(base->size);
	base->blocks = malloc(base->size / 1024 * sizeof(uint32_t));
	rewind(file);
	if (fread(base->image, 1, base->size, file) != base->size) {
		abort();
	}
	fclose(file);
	for (uint32_t i = 0; i < base->size / 1024; i++) {
		const uint8_t *block = base->image + (size_t)i * 1024;

		/* contents of files are all 'x', and of no interest */
		if (memcmp(block, zeros, 1024) != 0 && memcmp(block, "xxxxxxxx", 8) != 0) {
			base->blocks[base->n_blocks++] = i;
		}
	}
}

/* Times and identifiers are always the same: a seed of the fuzzer means the same each day. */
static void bases_make(void)
{
	harness_must(
		"mkdir -p tree/d/e tree/many; head -c 30000 /dev/zero | tr '\\0' x >tree/f;"
		"cp tree/f tree/d/g; echo hello >tree/small; ln -s small tree/link;"
		"ln -s $(head -c 200 /dev/zero | tr '\\0' t) tree/long;"
		"for i in $(seq 150); do : >tree/many/name-that-is-rather-long-$i; done;"
		"dd if=tree/f of=tree/holes bs=1000 seek=200 2>/dev/null; head -c 300 tree/f >v");
	harness_must("find tree -exec touch -h -d @1700000000 {} +;"
		     "find tree -printf 'sif \"/%%P\" ctime @1700000000\n"
		     "sif \"/%%P\" atime @1700000000\n' >times");
	for (size_t i = 0; i < N_BASES; i++) {
		harness_must(
			"export E2FSPROGS_FAKE_TIME=1700000000 E2FSCK_TIME=1700000000;"
			"rm -f image; mke2fs -q -F -b 1024 -N 256 -U %s -E hash_seed=%s %s"
			" -d tree image 3M; e2fsck -fyD image >e;"
			"(printf '%%s\\n' 'ea_set f user.a 1' 'ea_set -f v d user.b'; cat times)"
			" | debugfs -w -f - image >e",
			IDENTIFIER, IDENTIFIER, base_options[i]);
		base_load(&bases[i], harness_path("image"));
	}
	harness_remove_folder();
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
		uint32_t offset = take(input, 2) % 1024;
		uint32_t n_bytes = 1u << (take(input, 1) % 3);
		uint32_t value = take(input, n_bytes);

		memcpy(image + (size_t)block * 1024 + offset, &value,
			min_size(n_bytes, 1024 - offset));
	}
}

/* ---- using it -------------------------------------------------------------------------------- */

struct walk {
	struct harness *harness;
	struct input input;
	struct blockfs_node *nodes[NODES_MAX];
	size_t n_nodes;
	struct blockfs_node *directory; /* that is listed */
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
	return ++walk->n_entries < ENTRIES_MAX;
}

static void look_at(struct task *task, struct blockfs_node *node)
{
	const struct blockfs_ops *ops = node->fs->ops;
	static uint8_t data[70000];
	struct blockfs_attributes attributes;
	struct blockfs_extent extent;
	size_t size;

	ops->get_attributes(node, &attributes);
	(void)ops->read_link(task, node, (char *)data, sizeof(data), &size);
	if (ops->list_xattrs(task, node, (char *)data, sizeof(data), &size) == 0 && size > 1) {
		char name[300];

		snprintf(name, sizeof(name), "%.256s", data);
		(void)ops->get_xattr(task, node, name_of(name), data, sizeof(data), &size);
	}
	if ((attributes.mode & 0170000) == 0100000) {
		(void)file_read(task, node, 0, data, sizeof(data), &size);
		(void)file_read(task, node, 200000, data, sizeof(data), &size);
		uint64_t offset = 0;

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
		for (size_t j = 0; j < walk->n_names && walk->n_nodes < NODES_MAX; j++) {
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
	static const char *const names[] = { "f", "d", "g", "e", "many", "small", "new", "long" };
	static const uint32_t modes[] = { 0100644, 0040755, 0120777, 0020600 };
	const char *name = names[take(&walk->input, 1) % ARRAY_SIZE(names)];
	const char *other = names[take(&walk->input, 1) % ARRAY_SIZE(names)];
	uint32_t number = take(&walk->input, 2) * 37;
	static uint8_t data[9000];
	struct blockfs_create_options options = {
		.mode = modes[number % 4],
		.target = "target",
		.target_size = 6,
	};
	struct blockfs_node *node;

	switch (take(&walk->input, 1) % 12) {
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
			&(struct blockfs_rename_options){ .flags = number % 8 });
		break;
	case 5: (void)ops->link(task, one, name_of(name), two); break;
	case 6: (void)file_write(task, one, number, data, number % sizeof(data)); break;
	case 7: (void)file_resize(task, one, number); break;
	case 8:
		(void)ops->allocate(
			task, one, (enum blockfs_allocate_mode)(number % 5), number, 20000);
		break;
	case 9:
		(void)ops->set_xattr(
			task, one, name_of("user.x"), data, number % 900, BLOCKFS_XATTR_ANY);
		break;
	case 10: (void)ops->remove_xattr(task, one, name_of("user.a")); break;
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct harness harness; /* making one takes longer than most inputs */
	struct walk walk = { .harness = &harness, .input = { data, min_size(size, INPUT_MAX) } };

	if (bases[0].image == NULL) {
		bases_make();
		harness_init(&harness, 0);
		fake_device_init(&harness.fake, &harness.test_loop.loop, bases[0].size, 1);
		harness.has_device = true;
		harness.is_quiet = true;
		harness.fake.delay_max_ns = 0;
	}
	const struct base *base = &bases[take(&walk.input, 1) % N_BASES];

	harness.now = 1700000000;
	harness.random = 1;
	memcpy(harness.fake.image, base->image, base->size);
	spoil(&walk.input, base, harness.fake.image);
	if (harness_mount(&harness, false) == 0) {
		(void)harness_run(&harness, use_task, &walk);
		(void)harness_unmount(&harness);
	}
	return 0;
}

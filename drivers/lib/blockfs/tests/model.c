/* SPDX-License-Identifier: MIT */
/* A file system in memory: see model.h. */
#include "model.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- the tree -------------------------------------------------------------------------------- */

static struct model_node *node_create(enum model_type type)
{
	struct model_node *node = calloc(1, sizeof(*node));

	node->type = type;
	node->n_links = type == MODEL_DIRECTORY ? 2 : 1;
	if (type == MODEL_FILE) {
		node->data = calloc(1, MODEL_FILE_MAX);
	}
	return node;
}

static void node_destroy(struct model_node *node)
{
	free(node->data);
	free(node);
}

static void node_unlink(struct model_node *node)
{
	if (node->type == MODEL_DIRECTORY || --node->n_links == 0) {
		node_destroy(node);
	}
}

void model_free(struct model_node *node)
{
	for (size_t i = 0; i < node->n_names; i++) {
		if (node->names[i].node->type == MODEL_DIRECTORY) {
			model_free(node->names[i].node);
		} else {
			node_unlink(node->names[i].node);
		}
	}
	node_destroy(node);
}

/* Hard links: the copy of a node that was copied already. */
static struct model_node *clone_find(struct model_node *root, uint64_t number)
{
	for (size_t i = 0; i < root->n_names; i++) {
		struct model_node *node = root->names[i].node;

		if (node->type != MODEL_DIRECTORY && node->number == number) {
			return node;
		}
		struct model_node *found =
			node->type == MODEL_DIRECTORY ? clone_find(node, number) : NULL;

		if (found != NULL) {
			return found;
		}
	}
	return NULL;
}

static void clone_into(
	const struct model_node *from, struct model_node *to, struct model_node *root)
{
	for (size_t i = 0; i < from->n_names; i++) {
		const struct model_node *node = from->names[i].node;
		struct model_node *copy = NULL;

		if (node->type != MODEL_DIRECTORY && node->n_links > 1) {
			copy = clone_find(root, node->number);
		}
		if (copy == NULL) {
			copy = malloc(sizeof(*copy));
			*copy = *node;
			copy->n_names = 0;
			copy->parent = to;
			if (node->data != NULL) {
				copy->data = malloc(MODEL_FILE_MAX);
				memcpy(copy->data, node->data, MODEL_FILE_MAX);
			}
		}
		to->names[to->n_names] = from->names[i];
		to->names[to->n_names++].node = copy;
		if (node->type == MODEL_DIRECTORY) {
			clone_into(node, copy, root);
		}
	}
}

struct model_node *model_clone(const struct model_node *node, struct model_node *parent)
{
	struct model_node *copy = malloc(sizeof(*copy));

	*copy = *node;
	copy->n_names = 0;
	copy->parent = parent;
	clone_into(node, copy, copy);
	return copy;
}

void model_init(struct model *model, uint64_t seed)
{
	*model = (struct model){ .can_allocate = true, .file_max = MODEL_FILE_MAX };
	random_init(&model->random, seed);
	model->root = node_create(MODEL_DIRECTORY);
}

void model_deinit(struct model *model)
{
	model_free(model->root);
}

/* Names of file systems that know upper and lower case differ in more than that. */
static size_t find_name(const struct model_node *directory, const char *text)
{
	size_t i = 0;

	while (i < directory->n_names && strcasecmp(directory->names[i].text, text) != 0) {
		i++;
	}
	return i;
}

static void add_name(struct model_node *directory, const char *text, struct model_node *node)
{
	struct model_name *name = &directory->names[directory->n_names++];

	strcpy(name->text, text);
	name->node = node;
	if (node->type == MODEL_DIRECTORY) {
		node->parent = directory;
		directory->n_links++;
	}
}

static void drop_name(struct model_node *directory, size_t index)
{
	if (directory->names[index].node->type == MODEL_DIRECTORY) {
		directory->n_links--;
	}
	directory->names[index] = directory->names[--directory->n_names];
}

/* ---- choosing -------------------------------------------------------------------------------- */

struct choice {
	struct model_node *directory;
	struct blockfs_node *real;
	char name[64];
	size_t index; /* n_names: it is not there */
};

static uint64_t below(struct model *model, uint64_t bound)
{
	return random_below(&model->random, bound);
}

/* A directory, by going down from the root as long as the dice say so. */
static struct model_node *choose_directory(struct model *model)
{
	struct model_node *node = model->root;

	while (below(model, 3) != 0) {
		struct model_node *down = NULL;

		for (size_t i = 0; i < node->n_names; i++) {
			struct model_node *child = node->names[i].node;

			if (child->type == MODEL_DIRECTORY &&
				(down == NULL || below(model, 2) == 0)) {
				down = child;
			}
		}
		if (down == NULL) {
			break;
		}
		node = down;
	}
	return node;
}

/* Open the real directory of a model's. */
static int open_directory(struct task *task, struct blockfs *fs, const struct model_node *node,
	struct blockfs_node **out_real)
{
	struct blockfs_node *parent;

	if (node->parent == NULL) {
		return fs->ops->root(task, fs, out_real);
	}
	int error = open_directory(task, fs, node->parent, &parent);

	for (size_t i = 0; error == 0 && i < node->parent->n_names; i++) {
		if (node->parent->names[i].node == node) {
			error = fs->ops->lookup(
				task, parent, name_of(node->parent->names[i].text), out_real);
			fs->ops->node_put(task, parent);
			return error;
		}
	}
	return error != 0 ? error : -ERR_NOT_FOUND;
}

static const char *const suffixes[] = { "", ".txt", ".TXT", ".Txt", " a+b.c", "\xc3\xa9.longer" };

/* A directory and a name: half of the time one that is there. */
static int choose(struct task *task, struct blockfs *fs, struct model *model, struct choice *choice)
{
	choice->directory = choose_directory(model);
	if (choice->directory->n_names > 0 && below(model, 2) == 0) {
		size_t index = below(model, choice->directory->n_names);

		strcpy(choice->name, choice->directory->names[index].text);
	} else {
		snprintf(choice->name, sizeof(choice->name), "n%0*u", (int)(1 + below(model, 50)),
			(unsigned)below(model, 300));
		if (model->is_plain) {
			strcat(choice->name, suffixes[below(model, ARRAY_SIZE(suffixes))]);
		}
	}
	choice->index = find_name(choice->directory, choice->name);
	return open_directory(task, fs, choice->directory, &choice->real);
}

/* ---- steps ----------------------------------------------------------------------------------- */

static bool is_wrong(const char *what, int error, int expected)
{
	if (error == expected) {
		return false;
	}
	printf("# %s: %s instead of %s\n", what, blockfs_error_name(error),
		blockfs_error_name(expected));
	return true;
}

static int step_create(struct task *task, struct model *model, struct choice *choice)
{
	static const uint32_t modes[] = { 0100644, 0040755, 0120777 };
	enum model_type type = below(model, 5) == 0 ? MODEL_DIRECTORY
		: below(model, 6) == 0              ? MODEL_SYMLINK
						    : MODEL_FILE;
	if (model->is_plain && type == MODEL_SYMLINK) {
		type = MODEL_FILE;
	}
	struct blockfs_create_options options = { .mode = modes[type] };
	struct blockfs_node *real;
	struct model_node *node;
	char target[256];

	if (choice->directory->n_names == MODEL_NAMES_MAX) {
		return 0;
	}
	memset(target, 't', sizeof(target));
	options.target = target;
	options.target_size = 1 + below(model, 200);
	int error = choice->real->fs->ops->create(
		task, choice->real, name_of(choice->name), &options, &real);

	if (choice->index < choice->directory->n_names) {
		return is_wrong("create", error, -ERR_EXISTS) ? 1 : 0;
	}
	if (error != 0) {
		return error;
	}
	node = node_create(type);
	node->number = real->number;
	if (type == MODEL_SYMLINK) {
		memcpy(node->target, target, options.target_size);
	}
	add_name(choice->directory, choice->name, node);
	choice->real->fs->ops->node_put(task, real);
	return 0;
}

static int step_remove(struct task *task, struct choice *choice)
{
	const struct blockfs_ops *ops = choice->real->fs->ops;

	if (choice->index == choice->directory->n_names) {
		return is_wrong("unlink", ops->unlink(task, choice->real, name_of(choice->name)),
			       -ERR_NOT_FOUND)
			? 1
			: 0;
	}
	struct model_node *node = choice->directory->names[choice->index].node;

	if (node->type != MODEL_DIRECTORY) {
		int error = ops->unlink(task, choice->real, name_of(choice->name));

		if (error == 0) {
			drop_name(choice->directory, choice->index);
			node_unlink(node);
		}
		return error;
	}
	int expected = node->n_names > 0 ? BLOCKFS_E_NOT_EMPTY : 0;
	int error = ops->remove_directory(task, choice->real, name_of(choice->name));

	if (error == 0 && expected == 0) {
		drop_name(choice->directory, choice->index);
		node_destroy(node);
	}
	return is_wrong("rmdir", error, expected) ? 1 : 0;
}

static bool is_inside(const struct model_node *node, const struct model_node *top)
{
	for (; node != NULL; node = node->parent) {
		if (node == top) {
			return true;
		}
	}
	return false;
}

static int rename_expected(const struct choice *from, const struct choice *to)
{
	const struct model_node *source, *target = NULL;

	if (from->index == from->directory->n_names) {
		return -ERR_NOT_FOUND;
	}
	source = from->directory->names[from->index].node;
	if (to->index < to->directory->n_names) {
		target = to->directory->names[to->index].node;
	}
	if (source == target) {
		return 0;
	}
	if (source->type == MODEL_DIRECTORY && is_inside(to->directory, source)) {
		return BLOCKFS_E_INTO_ITSELF;
	}
	if (target == NULL) {
		return 0;
	}
	if (is_inside(from->directory, target)) {
		return BLOCKFS_E_NOT_EMPTY;
	}
	if (source->type == MODEL_DIRECTORY && target->type != MODEL_DIRECTORY) {
		return BLOCKFS_E_NOT_DIRECTORY;
	}
	if (source->type != MODEL_DIRECTORY && target->type == MODEL_DIRECTORY) {
		return BLOCKFS_E_IS_DIRECTORY;
	}
	return target->n_names > 0 ? BLOCKFS_E_NOT_EMPTY : 0;
}

static int step_rename(
	struct task *task, struct blockfs *fs, struct model *model, struct choice *from)
{
	struct choice to;
	int error = choose(task, fs, model, &to);

	if (error != 0) {
		return error;
	}
	bool has_room = to.directory->n_names < MODEL_NAMES_MAX;
	int expected = rename_expected(from, &to);

	if (has_room) {
		error = fs->ops->rename(task, from->real, name_of(from->name), to.real,
			name_of(to.name), &(struct blockfs_rename_options){ 0 });
	}
	fs->ops->node_put(task, to.real);
	if (!has_room) {
		return 0;
	}
	if (is_wrong("rename", error, expected)) {
		return error != 0 ? error : 1;
	}
	if (error != 0 || expected != 0) {
		return 0;
	}
	struct model_node *source = from->directory->names[from->index].node;

	if (to.index < to.directory->n_names) {
		struct model_node *target = to.directory->names[to.index].node;

		if (target == source) {
			return 0;
		}
		if (model->is_plain) { /* the name that is there stays as it is */
			strcpy(to.name, to.directory->names[to.index].text);
		}
		drop_name(to.directory, to.index);
		node_unlink(target);
	}
	drop_name(from->directory, find_name(from->directory, from->name));
	add_name(to.directory, to.name, source);
	return 0;
}

static int step_link(
	struct task *task, struct blockfs *fs, struct model *model, struct choice *from)
{
	struct choice to;
	struct blockfs_node *real;

	if (from->index == from->directory->n_names ||
		from->directory->names[from->index].node->type == MODEL_DIRECTORY) {
		return 0;
	}
	struct model_node *node = from->directory->names[from->index].node;
	int error = choose(task, fs, model, &to);

	if (error == 0) {
		error = fs->ops->lookup(task, from->real, name_of(from->name), &real);
	}
	if (error != 0 || to.directory->n_names == MODEL_NAMES_MAX) {
		if (error == 0) {
			fs->ops->node_put(task, real);
		}
		fs->ops->node_put(task, to.real);
		return error;
	}
	error = fs->ops->link(task, to.real, name_of(to.name), real);
	if (error == 0 && to.index == to.directory->n_names) {
		node->n_links++;
		add_name(to.directory, to.name, node);
	} else if (to.index < to.directory->n_names) {
		error = is_wrong("link", error, -ERR_EXISTS) ? 1 : 0;
	}
	fs->ops->node_put(task, real);
	fs->ops->node_put(task, to.real);
	return error;
}

static int write_step(
	struct task *task, struct model *model, struct model_node *node, struct blockfs_node *real)
{
	static uint8_t data[65536];
	size_t size = 1 + below(model, below(model, 3) == 0 ? sizeof(data) : 9000);
	size_t offset = below(model, 2) == 0 ? node->size : below(model, model->file_max);

	size = min_size(size, sizeof(data));
	if (offset + size > model->file_max) {
		return 0;
	}
	uint64_t word = random_u64(&model->random);

	for (size_t i = 0; i < size; i++) {
		data[i] = (uint8_t)((word >> (i % 8 * 8)) + i / 64);
	}
	int error = file_write(task, real, offset, data, size);

	if (error == 0) {
		memcpy(node->data + offset, data, size);
		node->size = max_size(node->size, offset + size);
	}
	return error;
}

static void zero_model(struct model_node *node, size_t offset, size_t length)
{
	if (offset < node->size) {
		memset(node->data + offset, 0, min_size(length, node->size - offset));
	}
}

static int resize_step(
	struct task *task, struct model *model, struct model_node *node, struct blockfs_node *real)
{
	size_t size =
		below(model, 3) == 0 ? below(model, model->file_max) : below(model, node->size + 1);
	int error = file_resize(task, real, size);

	if (error == 0) {
		if (size < node->size) {
			memset(node->data + size, 0, node->size - size);
		}
		node->size = size;
	}
	return error;
}

static int allocate_step(
	struct task *task, struct model *model, struct model_node *node, struct blockfs_node *real)
{
	enum blockfs_allocate_mode mode = (enum blockfs_allocate_mode)below(model, 5);
	size_t offset = below(model, model->file_max - 1);
	size_t length = 1 + below(model, min_size(100000, model->file_max - offset - 1));

	if (!model->can_allocate) {
		mode = BLOCKFS_PUNCH_HOLE;
	}
	int error = real->fs->ops->allocate(task, real, mode, offset, length);

	if (error != 0) {
		return error;
	}
	if (mode == BLOCKFS_PUNCH_HOLE || mode == BLOCKFS_ZERO_RANGE ||
		mode == BLOCKFS_ZERO_RANGE_KEEP_SIZE) {
		zero_model(node, offset, length);
	}
	if (mode == BLOCKFS_ALLOCATE || mode == BLOCKFS_ZERO_RANGE) {
		node->size = max_size(node->size, offset + length);
	}
	return 0;
}

static int xattr_step(
	struct task *task, struct model *model, struct model_node *node, struct blockfs_node *real)
{
	size_t size = 1 + below(model, below(model, 2) == 0 ? 40 : sizeof(node->xattr) - 1);
	char value[sizeof(node->xattr)];

	if (below(model, 4) == 0) {
		int error = real->fs->ops->remove_xattr(task, real, name_of("user.test"));

		if (is_wrong("remove_xattr", error,
			    node->xattr_size > 0 ? 0 : BLOCKFS_E_NO_ATTRIBUTE)) {
			return 1;
		}
		node->xattr_size = 0;
		return 0;
	}
	memset(value, 'a' + (int)below(model, 26), size);
	int error = real->fs->ops->set_xattr(
		task, real, name_of("user.test"), value, size, BLOCKFS_XATTR_ANY);

	if (error == 0) {
		memcpy(node->xattr, value, size);
		node->xattr_size = size;
	}
	return error;
}

static int step_file(struct task *task, struct blockfs *fs, struct model *model,
	struct choice *choice, uint64_t kind)
{
	struct blockfs_node *real;

	if (choice->index == choice->directory->n_names) {
		return 0;
	}
	struct model_node *node = choice->directory->names[choice->index].node;
	int error = fs->ops->lookup(task, choice->real, name_of(choice->name), &real);

	if (error != 0) {
		return error;
	}
	if (model->is_plain && kind > 1) {
		kind = kind % 2;
	}
	if (kind == 3) {
		error = xattr_step(task, model, node, real);
	} else if (node->type == MODEL_FILE) {
		model->last = node;
		error = kind == 0   ? write_step(task, model, node, real)
			: kind == 1 ? resize_step(task, model, node, real)
				    : allocate_step(task, model, node, real);
	}
	fs->ops->node_put(task, real);
	return error;
}

int model_step(struct task *task, struct blockfs *fs, struct model *model)
{
	struct choice choice;
	int error = choose(task, fs, model, &choice);

	model->n_steps++;
	model->last = NULL;
	if (error != 0) {
		return error;
	}
	switch (below(model, 16)) {
	case 0:
	case 1:
	case 2:
	case 3: error = step_create(task, model, &choice); break;
	case 4:
	case 5: error = step_remove(task, &choice); break;
	case 6:
	case 7: error = step_rename(task, fs, model, &choice); break;
	case 8: error = model->is_plain ? 0 : step_link(task, fs, model, &choice); break;
	case 9:
	case 10:
	case 11:
	case 12: error = step_file(task, fs, model, &choice, 0); break;
	case 13: error = step_file(task, fs, model, &choice, 1); break;
	case 14: error = step_file(task, fs, model, &choice, 2); break;
	default: error = step_file(task, fs, model, &choice, 3); break;
	}
	fs->ops->node_put(task, choice.real);
	return error;
}

/* ---- comparing ------------------------------------------------------------------------------- */

struct count {
	const struct model_node *directory;
	size_t n_entries;
	bool is_wrong;
};

static bool count_entry(void *context, const struct blockfs_entry *entry)
{
	struct count *count = context;
	char name[256];

	memcpy(name, entry->name, entry->name_length);
	name[entry->name_length] = 0;
	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || strcmp(name, "lost+found") == 0) {
		return true;
	}
	if (find_name(count->directory, name) == count->directory->n_names) {
		printf("# %s should not be there\n", name);
		count->is_wrong = true;
	}
	count->n_entries++;
	return true;
}

static bool differ(const char *what, const char *name)
{
	printf("# %s of %s differs\n", what, name);
	return false;
}

static bool compare_node(struct task *task, struct blockfs_node *real,
	const struct model_node *node, const char *name)
{
	static uint8_t data[MODEL_FILE_MAX];
	const struct blockfs_ops *ops = real->fs->ops;
	struct blockfs_attributes attributes;
	char text[600];
	size_t size;

	ops->get_attributes(real, &attributes);
	if (attributes.n_links != node->n_links) {
		printf("# %u, not %u ", attributes.n_links, node->n_links);
		return differ("number of links", name);
	}
	if (node->xattr_size > 0 && !attributes.has_xattrs) {
		return differ("has_xattrs", name);
	}
	int error = ops->get_xattr(task, real, name_of("user.test"), text, sizeof(text), &size);

	bool has_none = error == BLOCKFS_E_UNSUPPORTED || error == BLOCKFS_E_NO_ATTRIBUTE;

	if (has_none ? node->xattr_size > 0
		     : error != 0 || size != node->xattr_size ||
				memcmp(text, node->xattr, size) != 0) {
		return differ("attribute", name);
	}
	if (node->type == MODEL_SYMLINK) {
		return (ops->read_link(task, real, text, sizeof(text), &size) == 0 &&
			       size == strlen(node->target) &&
			       memcmp(text, node->target, size) == 0) ||
			differ("target", name);
	}
	if (attributes.size != node->size) {
		printf("# %llu, not %zu ", (unsigned long long)attributes.size, node->size);
		return differ("size", name);
	}
	error = file_read(task, real, 0, data, sizeof(data), &size);
	if (error != 0 || size != node->size) {
		return differ("read()", name);
	}
	for (size_t i = 0; i < size; i++) {
		if (data[i] != node->data[i]) {
			printf("# byte %zu is %#x, not %#x, ", i, data[i], node->data[i]);
			return differ("contents", name);
		}
	}
	return true;
}

static bool compare_tree(
	struct task *task, struct blockfs_node *real, const struct model_node *node)
{
	const struct blockfs_ops *ops = real->fs->ops;
	struct count count = { .directory = node };
	bool is_same =
		ops->read_directory(task, real, 0, count_entry, &count) == 0 && !count.is_wrong;

	if (count.n_entries != node->n_names) {
		printf("# %zu names instead of %zu\n", count.n_entries, node->n_names);
		is_same = false;
	}
	for (size_t i = 0; is_same && i < node->n_names; i++) {
		struct blockfs_node *child;
		const char *name = node->names[i].text;

		if (ops->lookup(task, real, name_of(name), &child) != 0) {
			return differ("existence", name);
		}
		is_same = node->names[i].node->type == MODEL_DIRECTORY
			? compare_tree(task, child, node->names[i].node)
			: compare_node(task, child, node->names[i].node, name);
		ops->node_put(task, child);
	}
	return is_same;
}

bool model_compare(struct task *task, struct blockfs *fs, struct model *model)
{
	struct blockfs_node *root;

	if (fs->ops->root(task, fs, &root) != 0) {
		return false;
	}
	bool is_same = compare_tree(task, root, model->root);

	fs->ops->node_put(task, root);
	return is_same;
}

static bool compare_host_file(const struct model_node *node, const char *path)
{
	static uint8_t data[MODEL_FILE_MAX + 1];
	FILE *file = fopen(path, "r");
	size_t size = file != NULL ? fread(data, 1, sizeof(data), file) : SIZE_MAX;

	if (file != NULL) {
		fclose(file);
	}
	return (size == node->size && memcmp(data, node->data, size) == 0) ||
		differ("contents for debugfs", path);
}

static bool compare_host_tree(const struct model_node *node, const char *path)
{
	for (size_t i = 0; i < node->n_names; i++) {
		const struct model_node *child = node->names[i].node;
		char child_path[1024], target[300] = "";
		bool is_same;

		snprintf(child_path, sizeof(child_path), "%s/%s", path, node->names[i].text);
		if (child->type == MODEL_DIRECTORY) {
			is_same = compare_host_tree(child, child_path);
		} else if (child->type == MODEL_FILE) {
			is_same = compare_host_file(child, child_path);
		} else {
			is_same = readlink(child_path, target, sizeof(target) - 1) > 0 &&
				strcmp(target, child->target) == 0;
		}
		if (!is_same) {
			return differ("what debugfs sees", child_path);
		}
	}
	size_t n_names = 0;
	DIR *directory = opendir(path);
	const struct dirent *entry;

	while (directory != NULL && (entry = readdir(directory)) != NULL) {
		n_names += entry->d_name[0] == 'n' ? 1 : 0;
	}
	if (directory != NULL) {
		closedir(directory);
	}
	return n_names == node->n_names || differ("number of names for debugfs", path);
}

bool model_compare_host(const struct model *model, const char *path)
{
	return compare_host_tree(model->root, path);
}

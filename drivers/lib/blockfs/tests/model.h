/* SPDX-License-Identifier: MIT */
/*
 * A file system in memory that is always right, to compare with.
 *
 * The same operations are done on both; model_compare() then walks both trees. Names and contents
 * come from small numbers, so that a tree is made from a seed.
 */
#ifndef BLOCKFS_TESTS_MODEL_H
#define BLOCKFS_TESTS_MODEL_H

#include "harness.h"

enum model_type { MODEL_FILE, MODEL_DIRECTORY, MODEL_SYMLINK };

#define MODEL_FILE_MAX  (400 * 1024)
#define MODEL_NAMES_MAX 200 /* of a directory */

struct model_node;

struct model_name {
	char text[64];
	struct model_node *node;
};

struct model_node {
	enum model_type type;
	uint32_t n_links;
	struct model_node *parent; /* of a directory */
	struct model_name names[MODEL_NAMES_MAX];
	size_t n_names;
	uint8_t *data; /* of a file: MODEL_FILE_MAX bytes */
	size_t size;
	char target[256];
	char xattr[600];
	size_t xattr_size; /* of user.test, 0: none */
	uint64_t number; /* of the real one; 0: it does not exist */
	struct model_node *next_dead;
};

struct model {
	struct model_node *root;
	struct random random;
	uint64_t n_steps, n_done;
	bool can_allocate; /* unwritten extents */
	bool is_plain;     /* as FAT: no links, attributes, holes; case does not matter */
	size_t file_max;
	struct model_node *last; /* the file that the last step changed, or NULL */
};

/** model_init() - an empty tree */
void model_init(struct model *model, uint64_t seed);

/** model_deinit() - free it */
void model_deinit(struct model *model);

/** model_step() - one random operation on both; the error of the real one where it must not fail */
int model_step(struct task *task, struct blockfs *fs, struct model *model);

/** model_compare() - walk both; false, with a line that says why, if they differ */
bool model_compare(struct task *task, struct blockfs *fs, struct model *model);

/** model_compare_host() - compare with a folder of the host (what debugfs dumped) */
bool model_compare_host(const struct model *model, const char *path);

/** model_clone() - a copy of the whole tree */
struct model_node *model_clone(const struct model_node *node, struct model_node *parent);

/** model_free() - free a tree that was cloned */
void model_free(struct model_node *node);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Nodes of a mounted file system, as clients name them.
 *
 * There is one `struct node` for each blockfs node that somebody knows, so a file has one id, and
 * one set of pages, whatever names it was found by.
 *
 *	           the client has references, or a call is at it
 *	(new) ----------------> USED
 *	                        ^  |  the last one is gone
 *	            found again |  v
 *	                       UNUSED ---- too many of them, or its last name is gone ---> (freed)
 *
 * Unused nodes keep their pages, so opening a file again costs no request to the disk; they are on
 * a list, the one that was used last at its end. Who is freed is written first. Freeing takes a
 * while: meanwhile it may be found again, and stays, until it is out of the tables; from then on
 * what is on the disk is all there is to know.
 *
 * `contents_lock` is held while contents are made or given up, so they are there once.
 */
#ifndef FS_NODE_H
#define FS_NODE_H

#include "contents.h"

#include <base/hash-table.h>
#include <drivers/lib/blockfs/blockfs.h>
#include <protocols/fs/fs.gen.h>

/** NODES_UNUSED_MAX - that are kept with their pages */
#define NODES_UNUSED_MAX 1024

struct node {
	struct hash_node id_node, place_node;
	uint64_t id;
	struct blockfs_node *node; /* a reference */
	uint64_t n_references;     /* the client's */
	uint32_t n_users;          /* calls */
	bool is_ending;            /* somebody frees it */
	struct list_node unused_node, file_node;
	struct node_table *table;
	struct mutex contents_lock;
	bool has_contents;
	struct contents contents;
};

struct node_table {
	struct blockfs *fs;
	struct loop *loop;
	struct io *io;
	struct hash_table ids, places; /* by id; by the address of the blockfs node */
	uint64_t next_id;
	struct list unused; /* struct node.unused_node */
	uint32_t n_unused;
	struct list files; /* struct node.file_node: those with contents */
	size_t n_files;
};

/** node_table_init() - no nodes; -ERR_NO_MEMORY */
MUST_USE int node_table_init(
	struct node_table *table, struct blockfs *fs, struct loop *loop, struct io *io);

/** node_table_deinit() - there are no nodes any more */
void node_table_deinit(struct node_table *table);

/**
 * node_take() - the node of a blockfs node, with one user more
 * @node: taken in any case
 *
 * Return: NULL: no memory.
 */
struct node *node_take(
	struct task *task, struct node_table *table, struct blockfs_node *blockfs_node);

/** node_find() - the node of that id, with one user more; NULL if there is none */
struct node *node_find(struct node_table *table, uint64_t id);

/** node_find_known() - the node of a blockfs node, if there is one, with one user more */
struct node *node_find_known(struct node_table *table, const struct blockfs_node *blockfs_node);

/** node_put() - one user less; accepts NULL */
void node_put(struct task *task, struct node *node);

/** node_tell() - what the client is told of a node, of which it gets a reference */
void node_tell(struct node *node, struct fs_node *out_node);

/** node_forget() - the client gives back references; has more users than this call */
void node_forget(struct node *node, uint64_t n_references);

/** node_get_attributes() - as the client sees them */
void node_get_attributes(const struct node *node, struct fs_attributes *out_attributes);

/** node_is_file() - whether it has contents */
bool node_is_file(const struct node *node);

/** node_contents() - its contents, which are made if need be */
MUST_USE int node_contents(struct task *task, struct node *node, struct contents **out_contents);

/** node_contents_if_any() - its contents, NULL if nobody has asked for them */
static inline struct contents *node_contents_if_any(struct node *node)
{
	return node->has_contents ? &node->contents : NULL;
}

/** node_table_trim() - free unused nodes until there are at most @n_max */
void node_table_trim(struct task *task, struct node_table *table, uint32_t n_max);

/** node_table_sync() - store all that is dirty; the first error */
MUST_USE int node_table_sync(struct task *task, struct node_table *table);

/** node_table_drop() - the client is gone: free all nodes; nobody uses one */
void node_table_drop(struct task *task, struct node_table *table);

#endif

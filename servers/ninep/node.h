/* SPDX-License-Identifier: MIT */
/*
 * Nodes: files of the host, as the client names them.
 *
 * There is one `struct node` for each file that the client has; which file it is, the host's qid
 * says. A node has a *fid*, by which the host knows a path to it: the one by which it was found
 * last, since others may have moved it. The one before it is given back when the calls that may
 * still use it have ended: a call may send it several times. Files that are read or written have
 * fids that are open as well, which the host keeps whatever becomes of the names.
 *
 *	(new) --lookup, create--> USED --the last reference and call--> ENDING --> (freed)
 *	                           ^                                      |  stored what was dirty
 *	                           +------------- found again ------------+
 *
 * A node *is removed* when its last name has gone, as far as we know, or its path leads to another
 * file: then nobody finds it any more, and its attributes are what was known last. The host may
 * give its number to another file while the client has it; that one gets a number of ours then.
 */
#ifndef NINEP_NODE_H
#define NINEP_NODE_H

#include "channel.h"
#include "contents.h"

#include <base/hash-table.h>
#include <protocols/fs/fs.gen.h>

#define NODE_S_IFMT  0170000u
#define NODE_S_IFREG 0100000u
#define NODE_S_IFDIR 0040000u

struct node_table;

struct node {
	struct hash_node id_node, path_node;
	struct node_table *table;
	uint64_t id, number;
	uint64_t path; /* of the qid */
	uint32_t fid, read_fid, write_fid; /* CHANNEL_NO_FID; the last two may be one */
	struct wire_attributes known;
	bool is_removed, is_ending;
	bool has_lost_name; /* and has others, to which `fid` does not lead */
	uint32_t n_changes; /* of its contents, begun and ended by us */
	uint64_t n_references; /* the client's */
	uint32_t n_users; /* calls */
	struct mutex open_lock; /* held while fids are opened */
	bool has_contents; /* changes only with contents.lock held alone, and once */
	struct contents contents;
	struct list_node file_node; /* of table->files, with contents */
};

struct node_table {
	struct channel *channel;
	struct hash_table ids, paths;
	struct list files;
	uint64_t next_id;
	struct list calls; /* struct node_call.node, under way: the oldest first */
	uint64_t n_calls;  /* begun, ever */
	struct list replaced; /* struct replaced_fid.node: the oldest first */
};

/* A call that may use fids of nodes. */
struct node_call {
	struct list_node node;
	uint64_t number;
};

/** node_call_begin() - before any node is looked at */
void node_call_begin(struct node_table *table, struct node_call *call);

/** node_call_end() - no fid is used any more; those that were kept for it go */
void node_call_end(struct task *task, struct node_table *table, struct node_call *call);

/** node_table_init() - no nodes; -ERR_NO_MEMORY */
MUST_USE int node_table_init(struct node_table *table, struct channel *channel);

/** node_table_sync() - store all that is dirty; the first error */
MUST_USE int node_table_sync(struct task *task, struct node_table *table);

/** node_table_drop() - the client is gone: free all nodes, which nobody uses, and the table */
void node_table_drop(struct task *task, struct node_table *table);

/** node_find() - the node of that id, with one user more; NULL: none */
struct node *node_find(struct node_table *table, uint64_t id);

/**
 * node_take() - the node of a file that was found, with one user more
 * @fid: leads to it; taken in any case
 *
 * Return: NULL: no memory.
 */
struct node *node_take(struct task *task, struct node_table *table, uint32_t fid,
	const struct wire_attributes *attributes);

/** node_put() - one user less; accepts NULL */
void node_put(struct task *task, struct node *node);

/** node_forget() - the client gives back references; the node has more users than this call */
void node_forget(struct node *node, uint64_t n_references);

/** node_tell() - what the client is told of a node, of which it gets a reference */
void node_tell(struct node *node, struct fs_node *out_node);

/** node_tell_attributes() - of those only the attributes */
void node_tell_attributes(const struct node *node, struct fs_attributes *out_attributes);

/** node_refresh() - ask the host for the attributes; those of a removed node stay what they were */
MUST_USE int node_refresh(struct task *task, struct node *node);

/** node_has_lost_name() - a name of it was taken away */
void node_has_lost_name(struct node *node);

/** node_open() - have fids that are open for what is wanted: 0, or what the host says */
MUST_USE int node_open(struct task *task, struct node *node, bool is_read, bool is_write);

/** node_keep_open() - take a fid that is open to read and write; false: it has one already */
MUST_USE bool node_keep_open(struct task *task, struct node *node, uint32_t fid);

/** node_contents() - its contents, which are made if need be; of regular files only */
MUST_USE int node_contents(struct task *task, struct node *node, struct contents **out_contents);

static inline bool node_is_file(const struct node *node)
{
	return (node->known.mode & NODE_S_IFMT) == NODE_S_IFREG;
}

static inline bool node_is_directory(const struct node *node)
{
	return (node->known.mode & NODE_S_IFMT) == NODE_S_IFDIR;
}

#endif

/* SPDX-License-Identifier: MIT */
/* Nodes and their contents: see node.h. */
#include "node.h"

#include <base/assert.h>
#include <base/errors.h>
#include <base/hash.h>

#define BUCKETS_FIRST 64
#define FENCES        16 /* that wait at the same time */
#define S_IFMT        0170000u
#define S_IFREG       0100000u

/* ---- tables ---------------------------------------------------------------------------------- */

static struct hash_node **buckets_allocate(UNUSED struct hash_table *table, size_t n_buckets)
{
	return helix_malloc(n_buckets * sizeof(struct hash_node *));
}

static void buckets_release(
	UNUSED struct hash_table *table, struct hash_node **buckets, UNUSED size_t n_buckets)
{
	helix_free(buckets);
}

static const struct hash_table_hooks table_hooks = {
	.allocate = buckets_allocate,
	.release = buckets_release,
};

static bool id_is(const struct hash_node *node, const void *key)
{
	return container_of(node, struct node, id_node)->id == *(const uint64_t *)key;
}

static bool place_is(const struct hash_node *node, const void *key)
{
	return container_of(node, struct node, place_node)->node == key;
}

static uint64_t place_hash(const struct blockfs_node *blockfs_node)
{
	return hash_u64((uintptr_t)blockfs_node);
}

int node_table_init(struct node_table *table, struct blockfs *fs, struct loop *loop, struct io *io)
{
	struct hash_node **ids = buckets_allocate(NULL, BUCKETS_FIRST);
	struct hash_node **places = buckets_allocate(NULL, BUCKETS_FIRST);

	*table = (struct node_table){ .fs = fs, .loop = loop, .io = io, .next_id = 1 };
	list_init(&table->unused);
	list_init(&table->files);
	if (ids == NULL || places == NULL) {
		helix_free(ids);
		helix_free(places);
		return -ERR_NO_MEMORY;
	}
	hash_table_init(&table->ids, ids, BUCKETS_FIRST, &table_hooks);
	hash_table_init(&table->places, places, BUCKETS_FIRST, &table_hooks);
	return 0;
}

void node_table_deinit(struct node_table *table)
{
	ASSERT(table->ids.n_nodes == 0);
	helix_free(table->ids.buckets);
	helix_free(table->places.buckets);
}

/* ---- contents of files ----------------------------------------------------------------------- */

static struct node *node_of_contents(const struct contents *contents)
{
	return container_of(contents, struct node, contents);
}

static uint64_t file_size(const struct contents *contents)
{
	struct blockfs_node *node = node_of_contents(contents)->node;
	struct blockfs_attributes attributes;

	node->fs->ops->get_attributes(node, &attributes);
	return attributes.size;
}

static int file_read(struct task *task, struct contents *contents, uint64_t offset,
	const struct device_buffer *buffer)
{
	struct blockfs_node *node = node_of_contents(contents)->node;

	return node->fs->ops->read(task, node, offset, buffer->length, buffer, 1);
}

static int file_write(struct task *task, struct contents *contents, uint64_t offset,
	const struct device_buffer *buffer)
{
	struct blockfs_node *node = node_of_contents(contents)->node;

	return node->fs->ops->write(task, node, offset, buffer->length, buffer, 1);
}

static const struct contents_ops file_contents_ops = {
	.size = file_size,
	.read = file_read,
	.write = file_write,
};

bool node_is_file(const struct node *node)
{
	struct blockfs_attributes attributes;

	node->node->fs->ops->get_attributes(node->node, &attributes);
	return (attributes.mode & S_IFMT) == S_IFREG;
}

int node_contents(struct task *task, struct node *node, struct contents **out_contents)
{
	if (!node_is_file(node)) {
		return BLOCKFS_E_UNSUPPORTED;
	}
	int error = mutex_lock(task, &node->contents_lock);

	if (error != 0) {
		return error;
	}
	if (!node->has_contents) {
		error = contents_init(
			&node->contents, &file_contents_ops, node->table->loop, node->table->io);
		if (error == 0) {
			node->has_contents = true;
			list_push_back(&node->table->files, &node->file_node);
			node->table->n_files++;
		}
	}
	mutex_unlock(&node->contents_lock);
	if (error == 0) {
		*out_contents = &node->contents;
	}
	return error;
}

/* ---- freeing --------------------------------------------------------------------------------- */

static bool node_is_used(const struct node *node)
{
	return node->n_references > 0 || node->n_users > 0;
}

static bool node_is_removed(const struct node *node)
{
	struct blockfs_attributes attributes;

	node->node->fs->ops->get_attributes(node->node, &attributes);
	return attributes.n_links == 0;
}

static void node_unlist(struct node *node)
{
	if (list_node_is_linked(&node->unused_node)) {
		list_remove(&node->unused_node);
		node->table->n_unused--;
	}
}

static void node_list_unused(struct node *node)
{
	list_push_back(&node->table->unused, &node->unused_node);
	node->table->n_unused++;
}

/* Free an unused node, unless it is found again before it is out of the tables. */
static void node_end(struct task *task, struct node *node)
{
	struct node_table *table = node->table;
	int error = 0;

	ASSERT(!node_is_used(node) && !node->is_ending);
	node_unlist(node);
	node->is_ending = true;
	if (node->has_contents && !node_is_removed(node)) {
		error = contents_sync(task, &node->contents, 0, 0);
	}
	node->is_ending = false;
	if (node_is_used(node)) {
		return; /* its last user sees to it */
	}
	hash_table_remove(&table->ids, &node->id_node);
	hash_table_remove(&table->places, &node->place_node);
	if (error != 0) {
		helix_log(HEL_LOG_ERROR, "inode %llu: what was written is lost: %s",
			(unsigned long long)node->node->number, blockfs_error_name(error));
	}
	if (node->has_contents) {
		list_remove(&node->file_node);
		table->n_files--;
		contents_close(task, &node->contents);
	}
	table->fs->ops->node_put(task, node->node);
	helix_free(node);
}

void node_table_trim(struct task *task, struct node_table *table, uint32_t n_max)
{
	while (table->n_unused > n_max) {
		node_end(task, LIST_FIRST(&table->unused, struct node, unused_node));
	}
}

/* ---- users ----------------------------------------------------------------------------------- */

static struct node *node_use(struct node *node)
{
	node->n_users++;
	node_unlist(node);
	return node;
}

struct node *node_find(struct node_table *table, uint64_t id)
{
	struct hash_node *found = hash_table_find(&table->ids, hash_u64(id), id_is, &id);

	if (found == NULL) {
		return NULL;
	}
	struct node *node = container_of(found, struct node, id_node);

	/* the client has given back all references to one that is unused */
	return node->n_references > 0 ? node_use(node) : NULL;
}

struct node *node_find_known(struct node_table *table, const struct blockfs_node *blockfs_node)
{
	struct hash_node *found =
		hash_table_find(&table->places, place_hash(blockfs_node), place_is, blockfs_node);

	return found != NULL ? node_use(container_of(found, struct node, place_node)) : NULL;
}

struct node *node_take(
	struct task *task, struct node_table *table, struct blockfs_node *blockfs_node)
{
	struct node *node = node_find_known(table, blockfs_node);

	if (node != NULL) {
		table->fs->ops->node_put(task, blockfs_node);
		return node;
	}
	node = helix_calloc(1, sizeof(*node));
	if (node == NULL) {
		table->fs->ops->node_put(task, blockfs_node);
		return NULL;
	}
	node->id = table->next_id++;
	node->node = blockfs_node;
	node->table = table;
	mutex_init(&node->contents_lock);
	hash_table_insert(&table->ids, &node->id_node, hash_u64(node->id));
	hash_table_insert(&table->places, &node->place_node, place_hash(blockfs_node));
	return node_use(node);
}

void node_put(struct task *task, struct node *node)
{
	if (node == NULL) {
		return;
	}
	ASSERT(node->n_users > 0);
	node->n_users--;
	if (node_is_used(node) || node->is_ending) {
		return;
	}
	if (node_is_removed(node) || !node->has_contents) {
		node_end(task, node);
	} else {
		node_list_unused(node);
		node_table_trim(task, node->table, NODES_UNUSED_MAX);
	}
}

void node_tell(struct node *node, struct fs_node *out_node)
{
	node->n_references++;
	out_node->id = node->id;
	out_node->number = node->node->number;
	out_node->generation = node->node->generation;
	node_get_attributes(node, &out_node->attributes);
}

void node_forget(struct node *node, uint64_t n_references)
{
	node->n_references -= min_u64(n_references, node->n_references);
}

static struct fs_time time_of(struct blockfs_time time)
{
	return (struct fs_time){ .seconds = time.seconds, .nanoseconds = time.nanoseconds };
}

void node_get_attributes(const struct node *node, struct fs_attributes *out_attributes)
{
	struct blockfs_attributes attributes;

	node->node->fs->ops->get_attributes(node->node, &attributes);
	*out_attributes = (struct fs_attributes){
		.mode = attributes.mode,
		.n_links = attributes.n_links,
		.uid = attributes.uid,
		.gid = attributes.gid,
		.project = attributes.project,
		.flags = attributes.flags,
		.size = attributes.size,
		.n_sectors = attributes.n_sectors,
		.device_number = attributes.device_number,
		.version = attributes.version,
		.atime = time_of(attributes.atime),
		.mtime = time_of(attributes.mtime),
		.ctime = time_of(attributes.ctime),
		.birth = time_of(attributes.birth),
		.has_birth = attributes.has_birth,
		.has_xattrs = attributes.has_xattrs,
	};
}

/* ---- all of them ----------------------------------------------------------------------------- */

struct sync_batch {
	struct node *nodes[FENCES];
	struct helix_range_op fences[FENCES];
	size_t n_nodes;
	size_t n_pending;
	struct wait_queue ended;
	int error;
};

static void fence_end(struct sync_batch *batch, size_t index)
{
	int error = contents_sync_result(
		&batch->nodes[index]->contents, batch->fences[index].operation.op.error);

	batch->error = batch->error != 0 ? batch->error : error;
}

static void fence_done(struct op *op)
{
	struct sync_batch *batch = op->owner;

	batch->n_pending--;
	fence_end(batch,
		(size_t)(container_of(op, struct helix_range_op, operation.op) - batch->fences));
	wait_queue_wake(&batch->ended);
}

/* Each fence on its own: one that fails does not end the others. */
static int batch_run(struct task *task, struct sync_batch *batch)
{
	int error = 0;

	for (size_t i = 0; i < batch->n_nodes; i++) {
		const struct contents *contents = &batch->nodes[i]->contents;

		helix_fence_op_init(&batch->fences[i], contents->frontal, 0, contents->memory_size);
		if (op_start(&batch->fences[i].operation.op, task->loop, fence_done, batch) ==
			OP_PENDING) {
			batch->n_pending++;
		} else {
			fence_end(batch, i);
		}
	}
	while (batch->n_pending > 0) {
		int reason = wait_on(task, &batch->ended);

		for (size_t i = 0; reason != 0 && i < batch->n_nodes; i++) {
			op_cancel(&batch->fences[i].operation.op);
		}
		error = reason;
	}
	return error;
}

/*
 * A node that is used stays on the list, so the last one of a batch is where the walk goes on.
 * Files that are opened meanwhile are not waited for.
 */
static int sync_files(struct task *task, struct node_table *table, struct sync_batch *batch)
{
	struct node *last = NULL;
	size_t n_left = table->n_files;
	int error = 0;

	while (error == 0 && n_left > 0) {
		struct list_node *at = last == NULL ? list_first(&table->files)
						    : list_next(&table->files, &last->file_node);

		batch->n_nodes = 0;
		for (; at != NULL && n_left > 0 && batch->n_nodes < FENCES; n_left--) {
			struct node *node = container_of(at, struct node, file_node);

			at = list_next(&table->files, at);
			if (!contents_is_empty(&node->contents)) {
				batch->nodes[batch->n_nodes++] = node_use(node);
			}
		}
		if (batch->n_nodes == 0) {
			break;
		}
		error = batch_run(task, batch);
		node_put(task, last);
		last = batch->nodes[--batch->n_nodes];
		for (size_t i = 0; i < batch->n_nodes; i++) {
			node_put(task, batch->nodes[i]);
		}
	}
	node_put(task, last);
	return error;
}

int node_table_sync(struct task *task, struct node_table *table)
{
	struct sync_batch *batch = helix_calloc(1, sizeof(*batch));

	if (batch == NULL) {
		return -ERR_NO_MEMORY;
	}
	wait_queue_init(&batch->ended);
	int error = sync_files(task, table, batch);

	error = error != 0 ? error : batch->error;
	helix_free(batch);
	return error;
}

void node_table_drop(struct task *task, struct node_table *table)
{
	struct hash_node *first;

	while ((first = hash_table_first(&table->ids)) != NULL) {
		struct node *node = container_of(first, struct node, id_node);

		ASSERT(node->n_users == 0);
		node->n_references = 0;
		node_end(task, node);
	}
}

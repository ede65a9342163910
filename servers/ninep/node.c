/* SPDX-License-Identifier: MIT */
/* Nodes: see node.h. */
#include "node.h"

#include "host.h"

#include <async/task.h>
#include <base/assert.h>
#include <base/errors.h>
#include <base/hash.h>

#define BUCKETS_FIRST  64
#define OWN_NUMBERS    (UINT64_C(1) << 63) /* of files whose number somebody else still has */
#define LOOKS_MAX      4 /* at attributes while we change the file */
#define LINUX_ENOENT   2
#define LINUX_EACCES   13
#define LINUX_ENOTDIR  20
#define LINUX_EROFS    30
#define LINUX_ELOOP    40
#define LINUX_ESTALE   116
#define PERMISSION_MAX 0xffff /* bits of a mode */

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

/* The one that is found by a lookup. */
static bool file_is(const struct hash_node *hash_node, const void *key)
{
	const struct node *node = container_of(hash_node, struct node, path_node);
	const struct wire_attributes *wanted = key;

	return node->path == wanted->qid.path && !node->is_removed &&
		(node->known.mode & NODE_S_IFMT) == (wanted->mode & NODE_S_IFMT);
}

static bool path_is(const struct hash_node *node, const void *key)
{
	return container_of(node, struct node, path_node)->path == *(const uint64_t *)key;
}

int node_table_init(struct node_table *table, struct channel *channel)
{
	struct hash_node **ids = buckets_allocate(NULL, BUCKETS_FIRST);
	struct hash_node **paths = buckets_allocate(NULL, BUCKETS_FIRST);

	*table = (struct node_table){ .channel = channel, .next_id = 1 };
	list_init(&table->files);
	list_init(&table->calls);
	list_init(&table->replaced);
	if (ids == NULL || paths == NULL) {
		helix_free(ids);
		helix_free(paths);
		return -ERR_NO_MEMORY;
	}
	hash_table_init(&table->ids, ids, BUCKETS_FIRST, &table_hooks);
	hash_table_init(&table->paths, paths, BUCKETS_FIRST, &table_hooks);
	return 0;
}

/* ---- calls, and fids that were replaced meanwhile -------------------------------------------- */

struct replaced_fid {
	struct list_node node;
	uint32_t fid;
	uint64_t n_calls; /* that had begun: they may know it */
};

void node_call_begin(struct node_table *table, struct node_call *call)
{
	call->number = ++table->n_calls;
	list_push_back(&table->calls, &call->node);
}

static struct replaced_fid *take_unknown(struct node_table *table)
{
	const struct node_call *oldest = LIST_FIRST(&table->calls, struct node_call, node);
	struct replaced_fid *first = LIST_FIRST(&table->replaced, struct replaced_fid, node);

	if (first == NULL || (oldest != NULL && oldest->number <= first->n_calls)) {
		return NULL;
	}
	list_remove(&first->node);
	return first;
}

static void replaced_free(
	struct task *task, const struct node_table *table, struct replaced_fid *replaced)
{
	host_clunk(task, table->channel, replaced->fid);
	helix_free(replaced);
}

void node_call_end(struct task *task, struct node_table *table, struct node_call *call)
{
	struct replaced_fid *replaced;

	list_remove(&call->node);
	while ((replaced = take_unknown(table)) != NULL) {
		replaced_free(task, table, replaced);
	}
}

/* Without memory it is lost: there are enough of them. */
static void replace_fid(struct node *node, uint32_t fid)
{
	struct replaced_fid *replaced = helix_malloc(sizeof(*replaced));

	if (replaced != NULL) {
		*replaced = (struct replaced_fid){
			.fid = node->fid,
			.n_calls = node->table->n_calls,
		};
		list_push_back(&node->table->replaced, &replaced->node);
	}
	node->fid = fid;
}

/* ---- contents -------------------------------------------------------------------------------- */

static struct node *node_of_contents(const struct contents *contents)
{
	return container_of(contents, struct node, contents);
}

static uint64_t file_size(const struct contents *contents)
{
	return node_of_contents(contents)->known.size;
}

/* What is behind the end reads as zeros. */
static int zero_tail(hel_handle memory, uint64_t offset, uint64_t end)
{
	static const uint8_t zeros[HEL_PAGE_SIZE];
	int error = 0;

	while (offset < end && error == 0) {
		size_t size = (size_t)min_u64(end - offset, sizeof(zeros));

		error = hel_memory_write(memory, offset, zeros, size);
		offset += size;
	}
	return error;
}

static int file_move(struct task *task, struct contents *contents, bool is_write, uint64_t offset,
	uint64_t length)
{
	struct node *node = node_of_contents(contents);
	uint64_t left = node->known.size - min_u64(node->known.size, offset);
	struct channel_range range = {
		.is_write = is_write,
		.memory = contents->backing,
		.memory_offset = offset,
		.offset = offset,
		.length = is_write ? min_u64(length, left) : length,
	};
	uint64_t n_bytes = 0;
	uint32_t fid = is_write ? node->write_fid : node->read_fid;

	if (range.length == 0) {
		return 0; /* dirty behind the end */
	}
	if (fid == CHANNEL_NO_FID) {
		return -ERR_IO; /* mapped by nobody who may */
	}
	node->n_changes += is_write;
	int error = channel_move(task, node->table->channel, fid, &range, &n_bytes);

	node->n_changes += is_write;
	if (error == 0 && !is_write) {
		error = zero_tail(contents->backing, offset + n_bytes, offset + length);
	}
	return error == 0 && is_write && n_bytes < range.length ? -ERR_IO : error;
}

static const struct contents_ops file_contents_ops = { .size = file_size, .move = file_move };

/* Nobody writes meanwhile past pages that are about to be there. */
static int make_contents(struct task *task, struct node *node)
{
	int error = rwlock_write(task, &node->contents.lock);

	if (error != 0) {
		return error;
	}
	if (!node->has_contents) {
		error = contents_init(
			&node->contents, &file_contents_ops, node->table->channel->loop);
		if (error == 0) {
			node->has_contents = true;
			list_push_back(&node->table->files, &node->file_node);
		}
	}
	rwlock_write_done(&node->contents.lock);
	return error;
}

int node_contents(struct task *task, struct node *node, struct contents **out_contents)
{
	if (!node_is_file(node)) {
		return FS_ERROR_UNSUPPORTED_HERE;
	}
	int error = node_open(task, node, true, false);

	error = error != 0 ? error : make_contents(task, node);
	if (error == 0) {
		*out_contents = &node->contents;
	}
	return error;
}

/* Others have changed the file: what is dirty here is newer. */
static int contents_changed(struct task *task, struct node *node)
{
	int error = rwlock_write(task, &node->contents.lock);

	if (error == 0) {
		contents_drop(&node->contents, 0, node->contents.memory_size);
		error = contents_resize(task, &node->contents, node->known.size);
		rwlock_write_done(&node->contents.lock);
	}
	return error;
}

/* ---- attributes ------------------------------------------------------------------------------ */

static bool time_is(const struct wire_time *a, const struct wire_time *b)
{
	return a->seconds == b->seconds && a->nanoseconds == b->nanoseconds;
}

static int learn(struct task *task, struct node *node, const struct wire_attributes *attributes)
{
	bool is_changed = node->known.size != attributes->size ||
		!time_is(&node->known.mtime, &attributes->mtime);

	node->known = *attributes;
	return is_changed && node->has_contents ? contents_changed(task, node) : 0;
}

static bool is_other_file(const struct node *node, const struct wire_attributes *attributes)
{
	return attributes->qid.path != node->path ||
		(attributes->mode & NODE_S_IFMT) != (node->known.mode & NODE_S_IFMT);
}

static bool is_gone(int error)
{
	return error == FS_ERROR_HOST - LINUX_ENOENT || error == FS_ERROR_HOST - LINUX_ENOTDIR ||
		error == FS_ERROR_HOST - LINUX_ESTALE || error == FS_ERROR_HOST - LINUX_ELOOP;
}

/* The path by which the host knows it leads nowhere, or elsewhere. */
static void lose(struct node *node)
{
	if (!node->has_lost_name) {
		node->is_removed = true;
		node->known.n_links = 0;
	}
}

int node_refresh(struct task *task, struct node *node)
{
	struct wire_attributes attributes;
	uint32_t n_changes;

	for (uint32_t i = 0; i < LOOKS_MAX; i++) {
		if (node->is_removed) {
			return 0;
		}
		n_changes = node->n_changes;
		int error = host_get_attributes(task, node->table->channel, node->fid, &attributes);

		if (is_gone(error) || (error == 0 && is_other_file(node, &attributes))) {
			lose(node);
			return 0;
		}
		if (error != 0) {
			return error;
		}
		if (n_changes == node->n_changes) {
			return learn(task, node, &attributes);
		}
	}
	return 0; /* it is being changed all the time: by us, so what is known will do */
}

void node_has_lost_name(struct node *node)
{
	if (node->known.n_links > 0) {
		node->known.n_links--;
	}
	if (node_is_directory(node) || node->known.n_links == 0) {
		node->is_removed = true;
		node->known.n_links = 0;
	} else {
		node->has_lost_name = true;
	}
}

static struct fs_time time_of(const struct wire_time *time)
{
	return (struct fs_time){
		.seconds = (int64_t)time->seconds,
		.nanoseconds = time->nanoseconds,
	};
}

void node_tell_attributes(const struct node *node, struct fs_attributes *out_attributes)
{
	const struct wire_attributes *known = &node->known;
	/* as the host's Linux writes it: minor in bits 0 to 7 and 20 to 31, major between */
	uint32_t major = (uint32_t)(known->device >> 8 & 0xfff);
	uint32_t minor = (uint32_t)((known->device & 0xff) | (known->device >> 12 & 0xffffff00));

	*out_attributes = (struct fs_attributes){
		.mode = known->mode & PERMISSION_MAX,
		.n_links = (uint32_t)min_u64(known->n_links, UINT32_MAX),
		.uid = known->uid,
		.gid = known->gid,
		.size = known->size,
		.n_sectors = known->n_sectors,
		.device_number = (uint64_t)major << 32 | minor,
		.atime = time_of(&known->atime),
		.mtime = time_of(&known->mtime),
		.ctime = time_of(&known->ctime),
	};
}

void node_tell(struct node *node, struct fs_node *out_node)
{
	node->n_references++;
	out_node->id = node->id;
	out_node->number = node->number;
	out_node->generation = 0;
	node_tell_attributes(node, &out_node->attributes);
}

/* ---- fids ------------------------------------------------------------------------------------ */

static int open_fid(struct task *task, struct node *node, uint32_t flags, uint32_t *out_fid)
{
	struct channel *channel = node->table->channel;
	uint32_t fid;
	int error = host_walk(task, channel, node->fid, NULL, &fid);

	if (error != 0) {
		return error;
	}
	error = host_open(task, channel, fid, flags | WIRE_NOFOLLOW);
	if (error != 0) {
		host_clunk(task, channel, fid);
		return error;
	}
	*out_fid = fid;
	return 0;
}

/* A file that may be written may not be readable. */
static int open_to_write(struct task *task, struct node *node)
{
	int error = open_fid(task, node, WIRE_RDWR, &node->write_fid);

	if (error == 0 && node->read_fid == CHANNEL_NO_FID) {
		node->read_fid = node->write_fid;
	}
	return error == FS_ERROR_HOST - LINUX_EACCES
		? open_fid(task, node, WIRE_WRONLY, &node->write_fid)
		: error;
}

int node_open(struct task *task, struct node *node, bool is_read, bool is_write)
{
	uint32_t flags = node_is_directory(node) ? WIRE_RDONLY | WIRE_DIRECTORY : WIRE_RDONLY;
	int error = 0;

	if ((!is_read || node->read_fid != CHANNEL_NO_FID) &&
		(!is_write || node->write_fid != CHANNEL_NO_FID)) {
		return 0;
	}
	error = mutex_lock(task, &node->open_lock);
	if (error != 0) {
		return error;
	}
	if (is_write && node->write_fid == CHANNEL_NO_FID) {
		error = open_to_write(task, node);
	}
	if (error == 0 && is_read && node->read_fid == CHANNEL_NO_FID) {
		error = open_fid(task, node, flags, &node->read_fid);
	}
	mutex_unlock(&node->open_lock);
	return error;
}

bool node_keep_open(struct task *task, struct node *node, uint32_t fid)
{
	if (mutex_lock(task, &node->open_lock) != 0) {
		return false;
	}
	bool is_kept = node->read_fid == CHANNEL_NO_FID && node->write_fid == CHANNEL_NO_FID;

	if (is_kept) {
		node->read_fid = node->write_fid = fid;
	}
	mutex_unlock(&node->open_lock);
	return is_kept;
}

/* ---- life ------------------------------------------------------------------------------------ */

static bool node_is_used(const struct node *node)
{
	return node->n_references > 0 || node->n_users > 0;
}

static void node_free(struct task *task, struct node *node)
{
	struct channel *channel = node->table->channel;

	if (node->has_contents) {
		list_remove(&node->file_node);
		contents_close(task, &node->contents);
	}
	host_clunk(task, channel, node->write_fid);
	if (node->read_fid != node->write_fid) {
		host_clunk(task, channel, node->read_fid);
	}
	host_clunk(task, channel, node->fid);
	helix_free(node);
}

/* An unused one, unless it is found again before it is out of the tables. */
static void node_end(struct task *task, struct node *node)
{
	struct node_table *table = node->table;
	int error = 0;

	if (node->is_ending) {
		return; /* who is at it looks again */
	}
	node->is_ending = true;
	if (node->has_contents && !node->is_removed) {
		error = contents_sync(task, &node->contents, 0, 0);
	}
	node->is_ending = false;
	if (node_is_used(node)) {
		return; /* its last user sees to it */
	}
	hash_table_remove(&table->ids, &node->id_node);
	hash_table_remove(&table->paths, &node->path_node);
	if (error != 0) {
		helix_log(HEL_LOG_ERROR, "%s: file %llu: what was written to a mapping is lost",
			table->channel->tag, (unsigned long long)node->number);
	}
	node_free(task, node);
}

static struct node *node_create(
	struct node_table *table, uint32_t fid, const struct wire_attributes *attributes)
{
	struct node *node = helix_calloc(1, sizeof(*node));
	uint64_t path = attributes->qid.path;
	bool is_taken = hash_table_find(&table->paths, hash_u64(path), path_is, &path) != NULL;

	if (node == NULL) {
		return NULL;
	}
	node->table = table;
	node->id = table->next_id++;
	node->path = path;
	node->number = is_taken || path == 0 ? OWN_NUMBERS | node->id : path;
	node->fid = fid;
	node->read_fid = node->write_fid = CHANNEL_NO_FID;
	node->known = *attributes;
	mutex_init(&node->open_lock);
	rwlock_init(&node->contents.lock);
	hash_table_insert(&table->ids, &node->id_node, hash_u64(node->id));
	hash_table_insert(&table->paths, &node->path_node, hash_u64(path));
	return node;
}

struct node *node_find(struct node_table *table, uint64_t id)
{
	struct hash_node *found = hash_table_find(&table->ids, hash_u64(id), id_is, &id);
	struct node *node = found == NULL ? NULL : container_of(found, struct node, id_node);

	if (node == NULL || node->n_references == 0) {
		return NULL;
	}
	node->n_users++;
	return node;
}

struct node *node_take(struct task *task, struct node_table *table, uint32_t fid,
	const struct wire_attributes *attributes)
{
	struct hash_node *found =
		hash_table_find(&table->paths, hash_u64(attributes->qid.path), file_is, attributes);

	if (found == NULL) {
		struct node *node = node_create(table, fid, attributes);

		if (node != NULL) {
			node->n_users++;
		} else {
			host_clunk(task, table->channel, fid);
		}
		return node;
	}
	struct node *node = container_of(found, struct node, path_node);

	node->n_users++;
	replace_fid(node, fid);
	node->has_lost_name = false;
	if (node->has_contents) {
		/* the client learns of an error when it reads */
		(void)node_refresh(task, node);
	} else {
		node->known = *attributes;
	}
	return node;
}

void node_put(struct task *task, struct node *node)
{
	if (node == NULL) {
		return;
	}
	ASSERT(node->n_users > 0);
	node->n_users--;
	if (!node_is_used(node)) {
		node_end(task, node);
	}
}

void node_forget(struct node *node, uint64_t n_references)
{
	node->n_references -= min_u64(node->n_references, n_references);
}

/* ---- all of them ----------------------------------------------------------------------------- */

int node_table_sync(struct task *task, struct node_table *table)
{
	struct node *node = LIST_FIRST(&table->files, struct node, file_node);
	int error = 0;

	while (node != NULL) {
		node->n_users++; /* it stays in the list */
		int own = contents_sync(task, &node->contents, 0, 0);
		struct list_node *next = list_next(&table->files, &node->file_node);
		struct node *following =
			next == NULL ? NULL : container_of(next, struct node, file_node);

		error = error != 0 ? error : own;
		if (following != NULL) {
			following->n_users++;
		}
		node_put(task, node);
		if (following != NULL) {
			following->n_users--;
		}
		node = following;
	}
	return error;
}

void node_table_drop(struct task *task, struct node_table *table)
{
	struct replaced_fid *replaced;
	struct hash_node *first;

	while ((first = hash_table_first(&table->ids)) != NULL) {
		struct node *node = container_of(first, struct node, id_node);

		node->n_references = 0;
		node->n_users++;
		node_put(task, node);
	}
	while ((replaced = LIST_POP_FRONT(&table->replaced, struct replaced_fid, node)) != NULL) {
		replaced_free(task, table, replaced);
	}
	helix_free(table->ids.buckets);
	helix_free(table->paths.buckets);
}

/* SPDX-License-Identifier: MIT */
/*
 * Calls about contents: transfers, which are the reads and writes of programs, and the memory that
 * programs map.
 *
 * A read stores what is dirty of its range first. A write does so, too, and drops the pages of the
 * range afterwards, with the contents' lock held alone, so that no page keeps what was there
 * before. Who has no contents, which is most files, pays nothing for that.
 */
#include "host.h"
#include "session.h"

#include <base/errors.h>

static struct channel *channel_of(const struct node *node)
{
	return node->table->channel;
}

/* ---- transfers ------------------------------------------------------------------------------- */

static int check_memory(hel_handle memory, const struct fs_transfer_request *request)
{
	struct hel_memory_info info;
	int error = memory == HEL_NULL ? -ERR_BAD_HANDLE : hel_memory_info(memory, &info);

	if (error != 0) {
		return error;
	}
	if (info.kind != HEL_MEMORY_ALLOCATED) {
		return -ERR_UNSUPPORTED;
	}
	return request->memory_offset > info.size_bytes ||
			request->length > info.size_bytes - request->memory_offset
		? -ERR_OUT_OF_BOUNDS
		: 0;
}

/* The end is where a write has put it; bytes behind the old end, in its page, are seen anew. */
static int grow(struct task *task, struct node *node, uint64_t end)
{
	uint64_t old_size = node->known.size;

	if (end <= old_size) {
		return 0;
	}
	node->known.size = end;
	if (!node->has_contents) {
		return 0;
	}
	contents_drop(&node->contents, old_size, 1);
	return contents_resize(task, &node->contents, end);
}

static int write_alone(struct task *task, struct node *node, const struct channel_range *range,
	uint64_t *out_n_bytes)
{
	int error;

	node->n_changes++;
	error = channel_move(task, channel_of(node), node->write_fid, range, out_n_bytes);
	node->n_changes++;
	if (node->has_contents) {
		contents_drop(&node->contents, range->offset, range->length);
	}
	return error != 0 ? error : grow(task, node, range->offset + *out_n_bytes);
}

/*
 * Before the file is changed past its pages: those of a range are stored, and none are filled until
 * end_change(). Without contents others may change it, too, but nobody makes contents meanwhile.
 */
static int begin_change(struct task *task, struct node *node, uint64_t offset, uint64_t length)
{
	struct contents *contents = &node->contents;
	int error = rwlock_read(task, &contents->lock);

	if (error != 0 || !node->has_contents) {
		return error;
	}
	rwlock_read_done(&contents->lock);
	error = contents_sync(task, contents, offset, length);
	return error != 0 ? error : rwlock_write(task, &contents->lock);
}

static void end_change(struct node *node)
{
	if (node->has_contents) {
		rwlock_write_done(&node->contents.lock);
	} else {
		rwlock_read_done(&node->contents.lock);
	}
}

/* What is dirty where the file ends has to be stored before it ends elsewhere. */
static int write_file(struct task *task, struct node *node, const struct channel_range *range,
	uint64_t *out_n_bytes)
{
	uint64_t end = range->offset + range->length;
	uint64_t first = min_u64(range->offset, node->known.size);
	int error = begin_change(task, node, first, max_u64(end, first + 1) - first);

	if (error == 0) {
		error = write_alone(task, node, range, out_n_bytes);
		end_change(node);
	}
	return error;
}

static int read_file(struct task *task, struct node *node, const struct channel_range *range,
	uint64_t *out_n_bytes)
{
	int error = node->has_contents
		? contents_sync(task, &node->contents, range->offset, range->length)
		: 0;

	return error != 0
		? error
		: channel_move(task, channel_of(node), node->read_fid, range, out_n_bytes);
}

static int transfer(struct task *task, struct node *node, const struct channel_range *range,
	uint64_t *out_n_bytes)
{
	int error = !node_is_file(node) ? FS_ERROR_UNSUPPORTED_HERE
					: node_open(task, node, !range->is_write, range->is_write);

	if (error != 0 || range->length == 0) {
		return error;
	}
	return range->is_write ? write_file(task, node, range, out_n_bytes)
			       : read_file(task, node, range, out_n_bytes);
}

int serve_transfer(struct bragi_call *call, const struct fs_transfer_request *request,
	struct fs_transfer_reply *out_reply)
{
	hel_handle memory = bragi_handles_take(&call->received, 0);
	const struct channel_range range = {
		.is_write = request->is_write != 0,
		.memory = memory,
		.memory_offset = request->memory_offset,
		.offset = request->offset,
		.length = request->length,
	};
	struct node *node;
	int error = request->length > INT64_MAX || request->offset > INT64_MAX - request->length
		? FS_ERROR_TOO_LARGE
		: check_memory(memory, request);

	if (error == 0 && range.is_write && session_of_call(call)->is_read_only) {
		error = FS_ERROR_READ_ONLY;
	}
	error = error != 0 ? error : session_find(call, request->node, &node);
	if (error == 0) {
		error = transfer(call->task, node, &range, &out_reply->n_bytes);
		node_put(call->task, node);
	}
	if (memory != HEL_NULL) {
		hel_close(HEL_THIS, memory);
	}
	return error;
}

int serve_prepare(struct bragi_call *call, const struct fs_prepare_request *request,
	struct fs_prepare_reply *out_reply UNUSED)
{
	struct node *node;
	int error = session_find(call, request->node, &node);

	if (error == 0) {
		error = node_is_file(node)
			? node_open(call->task, node, request->is_read != 0, request->is_write != 0)
			: FS_ERROR_UNSUPPORTED_HERE;
		node_put(call->task, node);
	}
	return error;
}

/* ---- size ------------------------------------------------------------------------------------ */

/* The host knows a file without a name only as one that is open: a last byte makes it longer. */
static int grow_nameless(struct task *task, struct node *node, uint64_t size)
{
	struct channel_range range = { .is_write = true, .offset = size - 1, .length = 1 };
	uint64_t n_bytes = 0;
	int error = hel_memory_allocate(HEL_PAGE_SIZE, 0, &range.memory);

	if (error != 0) {
		return error;
	}
	error = channel_move(task, channel_of(node), node->write_fid, &range, &n_bytes);
	hel_close(HEL_THIS, range.memory);
	return error;
}

static int set_size_at_host(struct task *task, struct node *node, uint64_t size)
{
	const struct host_change change = { .what = WIRE_SET_SIZE, .size = size };

	if (node->is_removed && size == node->known.size) {
		return 0;
	}
	if (node->is_removed && node->write_fid != CHANNEL_NO_FID && size > node->known.size) {
		return grow_nameless(task, node, size);
	}
	return host_set_attributes(task, channel_of(node), node->fid, &change);
}

static int set_size_alone(struct task *task, struct node *node, uint64_t size)
{
	uint64_t old_size = node->known.size;
	int error;

	node->n_changes++;
	error = set_size_at_host(task, node, size);
	node->n_changes++;
	if (error != 0) {
		return error;
	}
	node->known.size = size;
	if (!node->has_contents) {
		return 0;
	}
	contents_drop(&node->contents, min_u64(size, old_size), UINT64_MAX);
	return contents_resize(task, &node->contents, size);
}

int files_set_size(struct task *task, struct node *node, uint64_t size)
{
	if (size > INT64_MAX) {
		return FS_ERROR_TOO_LARGE;
	}
	/* so the page that the end is in can be dropped, and is not stored again later */
	int error = begin_change(task, node, min_u64(size, node->known.size), 0);

	if (error == 0) {
		error = set_size_alone(task, node, size);
		end_change(node);
	}
	return error;
}

/* ---- memory ---------------------------------------------------------------------------------- */

static int push_contents(struct bragi_call *call, const struct contents *contents)
{
	uint32_t rights = HEL_RIGHT_READ | HEL_RIGHT_EXECUTE | HEL_RIGHT_MAP | HEL_RIGHT_PIN |
		HEL_RIGHT_DERIVE | HEL_RIGHT_WRITE;
	hel_handle handle;
	int error = hel_transfer(HEL_THIS, contents->frontal, HEL_THIS, rights, &handle);

	if (error == 0 && !bragi_handles_add(&call->to_send, handle)) {
		hel_close(HEL_THIS, handle);
		error = -ERR_NO_SPACE;
	}
	return error;
}

int serve_contents(struct bragi_call *call, const struct fs_contents_request *request,
	struct fs_contents_reply *out_reply)
{
	struct contents *contents;
	struct node *node;
	int error = session_find(call, request->node, &node);

	if (error != 0) {
		return error;
	}
	error = node_contents(call->task, node, &contents);
	error = error != 0 ? error : push_contents(call, contents);
	out_reply->size = node->known.size;
	node_put(call->task, node);
	return error;
}

/* ---- durability ------------------------------------------------------------------------------ */

int serve_sync_node(struct bragi_call *call, const struct fs_sync_node_request *request,
	struct fs_sync_node_reply *out_reply UNUSED)
{
	bool data_only = request->data_only != 0;
	struct node *node;
	int error = session_find(call, request->node, &node);

	if (error != 0) {
		return error;
	}
	if (node->has_contents) {
		error = contents_sync(call->task, &node->contents, 0, 0);
	}
	if (error == 0 && node_is_directory(node)) {
		error = node_open(call->task, node, true, false);
	}
	uint32_t fid = node->write_fid != CHANNEL_NO_FID ? node->write_fid : node->read_fid;

	if (error == 0 && fid != CHANNEL_NO_FID) {
		error = host_sync(call->task, channel_of(node), fid, data_only);
	}
	node_put(call->task, node);
	return error;
}

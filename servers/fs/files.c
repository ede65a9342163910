/* SPDX-License-Identifier: MIT */
/*
 * Calls about contents: their memory, room for what is to be written, holes, direct transfers.
 *
 * Who waits for pages to be stored (contents_sync()) does so before it takes the contents' lock;
 * what becomes dirty in between belongs to somebody who writes at the same time.
 */
#include "disk.h"
#include "error.h"
#include "session.h"

#include <base/errors.h>

static const struct blockfs_ops *ops_of(const struct bragi_call *call)
{
	return session_of_call(call)->fs->ops;
}

static uint64_t size_of(const struct node *node)
{
	return node->contents.ops->size(&node->contents);
}

/* A file and its contents; the node has one user more. */
static int find_contents(struct bragi_call *call, uint64_t id, struct node **out_node,
	struct contents **out_contents)
{
	int error = session_find(call, id, out_node);

	if (error != 0) {
		return error;
	}
	error = fs_error_of(node_contents(call->task, *out_node, out_contents));
	if (error != 0) {
		node_put(call->task, *out_node);
	}
	return error;
}

/* ---- memory ---------------------------------------------------------------------------------- */

int files_push_contents(struct bragi_call *call, const struct contents *contents, bool is_writable)
{
	uint32_t rights = HEL_RIGHT_READ | HEL_RIGHT_EXECUTE | HEL_RIGHT_MAP | HEL_RIGHT_PIN |
		HEL_RIGHT_DERIVE;
	hel_handle handle;
	int error = hel_transfer(HEL_THIS, contents->frontal, HEL_THIS,
		is_writable ? rights | HEL_RIGHT_WRITE : rights, &handle);

	if (error != 0) {
		return error;
	}
	if (!bragi_handles_add(&call->to_send, handle)) {
		hel_close(HEL_THIS, handle);
		return -ERR_NO_SPACE;
	}
	return 0;
}

int serve_contents(struct bragi_call *call, const struct fs_contents_request *request,
	struct fs_contents_reply *out_reply)
{
	struct contents *contents;
	struct node *node;
	int error = find_contents(call, request->node, &node, &contents);

	if (error == 0) {
		error = files_push_contents(
			call, contents, !session_of_call(call)->fs->is_read_only);
		out_reply->size = size_of(node);
		node_put(call->task, node);
	}
	return error;
}

/* ---- room ------------------------------------------------------------------------------------ */

static int reserve(struct bragi_call *call, const struct fs_reserve_request *request,
	struct node *node, struct contents *contents)
{
	uint64_t old_size = size_of(node);
	int error = ops_of(call)->reserve(call->task, node->node, request->offset, request->length);

	if (error == 0 && request->size > old_size) {
		if (request->offset > old_size) {
			contents_clear_tail(contents, old_size);
		}
		error = contents_grow(contents, request->size);
	}
	/* the times become now in any case */
	return error != 0 ? error : ops_of(call)->grow(call->task, node->node, request->size);
}

int serve_reserve(struct bragi_call *call, const struct fs_reserve_request *request,
	struct fs_reserve_reply *out_reply)
{
	struct contents *contents;
	struct fs_attributes attributes;
	struct node *node;
	int error = find_contents(call, request->node, &node, &contents);

	if (error != 0) {
		return error;
	}
	error = rwlock_read(call->task, &contents->lock);
	if (error == 0) {
		error = fs_error_of(reserve(call, request, node, contents));
		rwlock_read_done(&contents->lock);
	}
	node_get_attributes(node, &attributes);
	out_reply->n_sectors = attributes.n_sectors;
	node_put(call->task, node);
	return error;
}

/* ---- holes ----------------------------------------------------------------------------------- */

static int allocate(struct bragi_call *call, const struct fs_allocate_request *request,
	struct node *node, struct contents *contents)
{
	enum fs_allocate_mode mode = request->mode;
	bool zeroes = mode == FS_ALLOCATE_MODE_PUNCH_HOLE || mode == FS_ALLOCATE_MODE_ZERO ||
		mode == FS_ALLOCATE_MODE_ZERO_KEEP_SIZE;
	bool grows = mode == FS_ALLOCATE_MODE_GROW || mode == FS_ALLOCATE_MODE_ZERO;
	uint64_t end = request->offset + request->length;
	uint64_t old_size = size_of(node);
	int error = 0;

	if (grows && end > old_size) {
		contents_clear_tail(contents, old_size);
		error = contents_grow(contents, end);
	}
	/* the modes of both enumerations are in the same order */
	error = error != 0
		? error
		: ops_of(call)->allocate(call->task, node->node, (enum blockfs_allocate_mode)mode,
			  request->offset, request->length);
	if (zeroes) {
		contents_show_zeros(call->task, contents, request->offset, request->length);
	}
	if (error != 0) {
		contents_cut(call->task, contents, size_of(node));
	}
	return error;
}

static_assert((int)FS_ALLOCATE_MODE_KEEP_SIZE == BLOCKFS_ALLOCATE_KEEP_SIZE);
static_assert((int)FS_ALLOCATE_MODE_PUNCH_HOLE == BLOCKFS_PUNCH_HOLE);
static_assert((int)FS_ALLOCATE_MODE_ZERO == BLOCKFS_ZERO_RANGE);
static_assert((int)FS_ALLOCATE_MODE_ZERO_KEEP_SIZE == BLOCKFS_ZERO_RANGE_KEEP_SIZE);

int serve_allocate(struct bragi_call *call, const struct fs_allocate_request *request,
	struct fs_allocate_reply *out_reply)
{
	struct contents *contents;
	struct node *node;
	int error;

	if (request->length == 0) {
		return -ERR_ILLEGAL_ARGS;
	}
	if (request->length > INT64_MAX || request->offset > INT64_MAX - request->length) {
		return FS_ERROR_TOO_LARGE;
	}
	error = find_contents(call, request->node, &node, &contents);
	if (error != 0) {
		return error;
	}
	if (request->mode != FS_ALLOCATE_MODE_GROW && request->mode != FS_ALLOCATE_MODE_KEEP_SIZE) {
		error = contents_sync(call->task, contents, request->offset, request->length);
	}
	error = error != 0 ? error : rwlock_write(call->task, &contents->lock);
	if (error == 0) {
		error = allocate(call, request, node, contents);
		rwlock_write_done(&contents->lock);
	}
	node_get_attributes(node, &out_reply->attributes);
	node_put(call->task, node);
	return fs_error_of(error);
}

int serve_map(struct bragi_call *call, const struct fs_map_request *request,
	struct fs_map_reply *out_reply)
{
	struct blockfs_extent extent = { 0 };
	struct node *node;
	int error = session_find(call, request->node, &node);

	if (error != 0) {
		return error;
	}
	struct contents *contents = node_contents_if_any(node);

	if (contents != NULL) {
		contents_store(
			call->task, contents); /* what programs' mappings have put into holes */
	}
	error = fs_error_of(ops_of(call)->map(call->task, node->node, request->offset, &extent));
	node_put(call->task, node);
	out_reply->kind = (enum fs_extent_kind)extent.kind; /* in the same order */
	out_reply->offset = extent.offset;
	out_reply->length = extent.length;
	out_reply->place = extent.place;
	return error;
}

static_assert((int)FS_EXTENT_KIND_DATA == BLOCKFS_DATA);
static_assert((int)FS_EXTENT_KIND_UNWRITTEN == BLOCKFS_UNWRITTEN);
static_assert((int)FS_EXTENT_KIND_DELAYED == BLOCKFS_DELAYED);
static_assert((int)FS_EXTENT_KIND_INLINE == BLOCKFS_INLINE);

/* ---- direct transfers ------------------------------------------------------------------------ */

/* Memory whose pages nobody else has to bring. */
static int check_memory(const struct contents *contents, hel_handle memory,
	const struct fs_transfer_request *request)
{
	uint32_t alignment = contents->io->disk->geometry.memory_alignment;
	struct hel_memory_info info;
	int error = memory == HEL_NULL ? -ERR_BAD_HANDLE : hel_memory_info(memory, &info);

	if (error != 0) {
		return error;
	}
	if (info.kind != HEL_MEMORY_ALLOCATED) {
		return -ERR_UNSUPPORTED;
	}
	if (request->memory_offset > info.size_bytes ||
		request->length > info.size_bytes - request->memory_offset) {
		return -ERR_OUT_OF_BOUNDS;
	}
	return alignment > 1 && request->memory_offset % alignment != 0 ? -ERR_ILLEGAL_ARGS : 0;
}

/* With the lock, and nothing else under way there. */
static int move(struct task *task, struct contents *contents, struct contents_range *range,
	const struct device_buffer *buffer)
{
	int error = contents_move_begin(task, contents, range);

	if (error != 0) {
		return error;
	}
	if (range->is_write) {
		error = contents->ops->write(task, contents, range->offset, buffer);
		contents_drop(contents, range->offset, range->length);
	} else {
		error = contents->ops->read(task, contents, range->offset, buffer);
	}
	contents_move_end(contents, range);
	return error;
}

int files_move(struct task *task, struct contents *contents, struct contents_range *range,
	const struct device_buffer *buffer)
{
	int error = contents_sync(task, contents, range->offset, range->length);

	error = error != 0 ? error : rwlock_read(task, &contents->lock);
	if (error == 0) {
		error = move(task, contents, range, buffer);
		rwlock_read_done(&contents->lock);
	}
	return error;
}

int files_transfer(struct task *task, struct contents *contents,
	const struct fs_transfer_request *request, hel_handle memory)
{
	struct io_guest *guest;
	int error = check_memory(contents, memory, request);

	if (error != 0) {
		if (memory != HEL_NULL) {
			hel_close(HEL_THIS, memory);
		}
		return error;
	}
	error = io_guest_get(task, contents->io, memory, &guest);
	if (error != 0) {
		return error;
	}
	struct contents_range range = {
		.offset = request->offset,
		.length = request->length,
		.is_write = request->is_write != 0,
	};
	const struct device_buffer buffer =
		io_buffer(&guest->memory, request->memory_offset, request->length, NULL);

	error = files_move(task, contents, &range, &buffer);
	io_guest_put(task, contents->io, guest, error);
	return error;
}

int serve_transfer(struct bragi_call *call, const struct fs_transfer_request *request,
	struct fs_transfer_reply *out_reply)
{
	struct contents *contents;
	struct node *node;
	int error = request->length > INT64_MAX || request->offset > INT64_MAX - request->length
		? FS_ERROR_TOO_LARGE
		: find_contents(call, request->node, &node, &contents);

	if (error != 0) {
		return error;
	}
	uint64_t size = size_of(node);

	if (request->is_write != 0 && session_of_call(call)->fs->is_read_only) {
		error = FS_ERROR_READ_ONLY;
	}
	if (error == 0 && request->length > 0) {
		error = fs_error_of(files_transfer(
			call->task, contents, request, bragi_handles_take(&call->received, 0)));
	}
	if (error == 0) {
		out_reply->n_bytes =
			min_u64(request->length, size - min_u64(size, request->offset));
	}
	node_put(call->task, node);
	return error;
}

/* Whoever has a node of a disk may use it: nothing has to be there for that. */
int serve_prepare(struct bragi_call *call, const struct fs_prepare_request *request,
	struct fs_prepare_reply *out_reply UNUSED)
{
	struct node *node;
	int error = session_find(call, request->node, &node);

	if (error == 0) {
		node_put(call->task, node);
	}
	return error;
}

/* ---- durability ------------------------------------------------------------------------------ */

int serve_sync_node(struct bragi_call *call, const struct fs_sync_node_request *request,
	struct fs_sync_node_reply *out_reply UNUSED)
{
	struct contents *contents;
	struct node *node;
	int error = session_find(call, request->node, &node);

	if (error != 0) {
		return error;
	}
	contents = node_contents_if_any(node);
	error = contents != NULL ? contents_sync(call->task, contents, 0, 0) : 0;
	if (error == 0) {
		error = ops_of(call)->sync_node(call->task, node->node, request->data_only != 0);
	}
	node_put(call->task, node);
	return error == -ERR_NO_SPACE ? FS_ERROR_NO_SPACE : fs_error_of(error);
}

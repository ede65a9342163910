/* SPDX-License-Identifier: MIT */
/* Calls about nodes: attributes, extended attributes. */
#include "host.h"
#include "session.h"

#include <base/errors.h>
#include <base/string.h>

#define PERMISSIONS      07777u
#define XATTR_CREATE     1u /* flags of Linux */
#define XATTR_REPLACE    2u
#define LINUX_ENODATA    61
#define LINUX_EOPNOTSUPP 95

static struct channel *channel_of(const struct bragi_call *call)
{
	return &session_of_call(call)->share->channel;
}

int serve_get_attributes(struct bragi_call *call, const struct fs_get_attributes_request *request,
	struct fs_get_attributes_reply *out_reply)
{
	struct node *node;
	int error = session_find(call, request->node, &node);

	if (error == 0) {
		error = node_refresh(call->task, node);
		node_tell_attributes(node, &out_reply->attributes);
		node_put(call->task, node);
	}
	return error;
}

/* ---- changing -------------------------------------------------------------------------------- */

static struct wire_time time_from(struct fs_time time)
{
	return (struct wire_time){
		.seconds = (uint64_t)time.seconds,
		.nanoseconds = time.nanoseconds,
	};
}

static void fill_change(
	const struct fs_set_attributes_request *request, struct host_change *out_change)
{
	const struct fs_attributes *from = &request->attributes;
	uint32_t what = 0;

	what |= (request->what & FS_SET_MODE) != 0 ? WIRE_SET_MODE : 0;
	what |= (request->what & FS_SET_UID) != 0 ? WIRE_SET_UID : 0;
	what |= (request->what & FS_SET_GID) != 0 ? WIRE_SET_GID : 0;
	what |= (request->what & FS_SET_ATIME) != 0 ? WIRE_SET_ATIME | WIRE_SET_ATIME_TO : 0;
	what |= (request->what & FS_SET_MTIME) != 0 ? WIRE_SET_MTIME | WIRE_SET_MTIME_TO : 0;
	*out_change = (struct host_change){
		.what = what,
		.mode = from->mode & PERMISSIONS,
		.uid = from->uid,
		.gid = from->gid,
		.atime = time_from(from->atime),
		.mtime = time_from(from->mtime),
	};
}

/* Of a node without a name the host knows no more to change, and nobody will ask for it. */
static int set_attributes(
	struct bragi_call *call, struct node *node, const struct fs_set_attributes_request *request)
{
	struct host_change change;
	int error = 0;

	if ((request->what & FS_SET_SIZE) != 0) {
		error = files_set_size(call->task, node, request->attributes.size);
	}
	fill_change(request, &change);
	if (error == 0 && change.what != 0) {
		error = host_set_attributes(call->task, channel_of(call), node->fid, &change);
	}
	return error != 0 ? error : node_refresh(call->task, node);
}

int serve_set_attributes(struct bragi_call *call, const struct fs_set_attributes_request *request,
	struct fs_set_attributes_reply *out_reply)
{
	struct node *node;
	int error = session_find(call, request->node, &node);

	if (error != 0) {
		return error;
	}
	error = set_attributes(call, node, request);
	node_tell_attributes(node, &out_reply->attributes);
	node_put(call->task, node);
	return error;
}

/* ---- extended attributes --------------------------------------------------------------------- */

static int check_name(struct bragi_string name)
{
	if (name.length > FS_LIMITS_NAME_BYTES_MAX) {
		return FS_ERROR_NAME_TOO_LONG;
	}
	return name.length == 0 ? -ERR_ILLEGAL_ARGS : 0;
}

static int xattr_error(int error)
{
	if (error == FS_ERROR_HOST - LINUX_ENODATA) {
		return FS_ERROR_NO_ATTRIBUTE;
	}
	return error == FS_ERROR_HOST - LINUX_EOPNOTSUPP ? FS_ERROR_UNSUPPORTED_HERE : error;
}

/* All of what a fid of host_walk_xattr() has. */
static int read_value(
	struct bragi_call *call, uint32_t fid, uint64_t size, struct bragi_bytes *out_bytes)
{
	struct channel_range range = { .length = size };
	uint64_t n_bytes = 0;
	void *copy;

	if (size > FS_LIMITS_XATTR_BYTES_MAX) {
		return FS_ERROR_BUFFER_TOO_SMALL;
	}
	*out_bytes = (struct bragi_bytes){ .data = "" };
	if (size == 0) {
		return 0;
	}
	copy = bragi_arena_allocate(&call->arena, size);
	int error = copy == NULL
		? -ERR_NO_MEMORY
		: hel_memory_allocate(align_up(size, HEL_PAGE_SIZE), 0, &range.memory);

	if (error != 0) {
		return error;
	}
	error = channel_move(call->task, channel_of(call), fid, &range, &n_bytes);
	error = error != 0 ? error : hel_memory_read(range.memory, 0, copy, n_bytes);
	hel_close(HEL_THIS, range.memory);
	*out_bytes = (struct bragi_bytes){ .data = copy, .size = (uint32_t)n_bytes };
	return error;
}

static int read_xattr(struct bragi_call *call, uint64_t id, struct bragi_string name,
	struct bragi_bytes *out_bytes)
{
	const struct wire_text text = { .text = name.text, .length = name.length };
	struct channel *channel = channel_of(call);
	struct node *node;
	uint64_t size;
	uint32_t fid;
	int error = session_find(call, id, &node);

	if (error != 0) {
		return error;
	}
	error = host_walk_xattr(call->task, channel, node->fid, &text, &fid, &size);
	if (error == 0) {
		error = read_value(call, fid, size, out_bytes);
		host_clunk(call->task, channel, fid);
	}
	node_put(call->task, node);
	return xattr_error(error);
}

int serve_get_xattr(struct bragi_call *call, const struct fs_get_xattr_request *request,
	struct fs_get_xattr_reply *out_reply)
{
	int error = check_name(request->name);

	return error != 0 ? error
			  : read_xattr(call, request->node, request->name, &out_reply->value);
}

int serve_list_xattrs(struct bragi_call *call, const struct fs_list_xattrs_request *request,
	struct fs_list_xattrs_reply *out_reply)
{
	int error = read_xattr(
		call, request->node, (struct bragi_string){ .text = "" }, &out_reply->names);
	const char *names = out_reply->names.data;

	if (error == 0 && out_reply->names.size > 0 && names[out_reply->names.size - 1] != '\0') {
		error = -ERR_PROTOCOL;
	}
	return error;
}

/* The host sets it when the fid ends. */
static int write_value(struct bragi_call *call, uint32_t fid, const struct bragi_bytes *value)
{
	struct channel_range range = { .is_write = true, .length = value->size };
	uint64_t n_bytes = 0;

	if (value->size == 0) {
		return 0;
	}
	int error = hel_memory_allocate(align_up(value->size, HEL_PAGE_SIZE), 0, &range.memory);

	if (error != 0) {
		return error;
	}
	error = hel_memory_write(range.memory, 0, value->data, value->size);
	error = error != 0 ? error
			   : channel_move(call->task, channel_of(call), fid, &range, &n_bytes);
	hel_close(HEL_THIS, range.memory);
	return error == 0 && n_bytes != value->size ? -ERR_IO : error;
}

static int write_xattr(struct bragi_call *call, uint64_t id, struct bragi_string name,
	const struct bragi_bytes *value, uint32_t flags)
{
	const struct wire_text text = { .text = name.text, .length = name.length };
	struct channel *channel = channel_of(call);
	struct node *node;
	uint32_t fid;
	int error = session_find(call, id, &node);

	if (error != 0) {
		return error;
	}
	error = host_walk(call->task, channel, node->fid, NULL, &fid);
	node_put(call->task, node);
	if (error != 0) {
		return error;
	}
	error = host_create_xattr(call->task, channel, fid, &text, value->size, flags);
	error = error != 0 ? error : write_value(call, fid, value);

	int finished = host_finish(call->task, channel, fid);

	return xattr_error(error != 0 ? error : finished);
}

int serve_set_xattr(struct bragi_call *call, const struct fs_set_xattr_request *request,
	struct fs_set_xattr_reply *out_reply UNUSED)
{
	uint32_t flags = request->mode == FS_XATTR_MODE_CREATE ? XATTR_CREATE
		: request->mode == FS_XATTR_MODE_REPLACE       ? XATTR_REPLACE
							       : 0;
	int error = check_name(request->name);

	if (error == 0 && request->value.size > FS_LIMITS_XATTR_BYTES_MAX) {
		error = FS_ERROR_TOO_LARGE;
	}
	if (error == 0 && request->value.size == 0) {
		error = FS_ERROR_UNSUPPORTED_HERE; /* that would be a removal */
	}
	return error != 0 ? error
			  : write_xattr(call, request->node, request->name, &request->value, flags);
}

int serve_remove_xattr(struct bragi_call *call, const struct fs_remove_xattr_request *request,
	struct fs_remove_xattr_reply *out_reply UNUSED)
{
	const struct bragi_bytes nothing = { 0 };
	int error = check_name(request->name);

	return error != 0
		? error
		: write_xattr(call, request->node, request->name, &nothing, XATTR_REPLACE);
}

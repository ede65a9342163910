/* SPDX-License-Identifier: MIT */
/* Calls about nodes: references, attributes, extended attributes. */
#include "error.h"
#include "session.h"

#include <base/errors.h>

static const struct blockfs_ops *ops_of(const struct bragi_call *call)
{
	return session_of_call(call)->fs->ops;
}

int serve_forget(struct bragi_call *call, const struct fs_forget_request *request,
	struct fs_forget_reply *out_reply UNUSED)
{
	struct node *node = node_find(&session_of_call(call)->nodes, request->node);

	if (node == NULL) {
		return -ERR_NOT_FOUND;
	}
	node_forget(node, request->n_references);
	node_put(call->task, node);
	return 0;
}

int serve_get_attributes(struct bragi_call *call, const struct fs_get_attributes_request *request,
	struct fs_get_attributes_reply *out_reply)
{
	struct node *node;
	int error = session_find(call, request->node, &node);

	if (error == 0) {
		node_get_attributes(node, &out_reply->attributes);
		node_put(call->task, node);
	}
	return error;
}

/* ---- changing -------------------------------------------------------------------------------- */

static struct blockfs_time time_from(struct fs_time time)
{
	return (struct blockfs_time){ .seconds = time.seconds, .nanoseconds = time.nanoseconds };
}

static uint64_t size_of(const struct node *node)
{
	struct blockfs_attributes attributes;

	node->node->fs->ops->get_attributes(node->node, &attributes);
	return attributes.size;
}

/*
 * A new size: pages follow what the file system says it has become, whatever it answers. While the
 * lock is held no page moves, so nothing is stored behind the new end.
 */
static int set_with_size(struct bragi_call *call, struct node *node, uint32_t what,
	const struct blockfs_attributes *attributes)
{
	struct contents *contents = node_contents_if_any(node);
	uint64_t old_size = size_of(node);

	if (contents == NULL) {
		return ops_of(call)->set_attributes(call->task, node->node, what, attributes);
	}
	int error = rwlock_write(call->task, &contents->lock);

	if (error != 0) {
		return error;
	}
	if (attributes->size > old_size) {
		contents_clear_tail(contents, old_size);
	}
	error = contents_grow(contents, attributes->size);
	if (error == 0) {
		error = ops_of(call)->set_attributes(call->task, node->node, what, attributes);
	}
	if (error != 0 || attributes->size < old_size) {
		contents_cut(call->task, contents, size_of(node));
	}
	rwlock_write_done(&contents->lock);
	return error;
}

int serve_set_attributes(struct bragi_call *call, const struct fs_set_attributes_request *request,
	struct fs_set_attributes_reply *out_reply)
{
	const struct fs_attributes *from = &request->attributes;
	const struct blockfs_attributes attributes = {
		.mode = from->mode,
		.uid = from->uid,
		.gid = from->gid,
		.project = from->project,
		.flags = from->flags,
		.size = from->size,
		.atime = time_from(from->atime),
		.mtime = time_from(from->mtime),
		.ctime = time_from(from->ctime),
	};
	struct node *node;
	int error = session_find(call, request->node, &node);

	if (error != 0) {
		return error;
	}
	if ((request->what & FS_SET_SIZE) != 0) {
		error = set_with_size(call, node, request->what, &attributes);
	} else {
		error = ops_of(call)->set_attributes(
			call->task, node->node, request->what, &attributes);
	}
	node_get_attributes(node, &out_reply->attributes);
	node_put(call->task, node);
	return fs_error_of(error);
}

/* ---- extended attributes --------------------------------------------------------------------- */

static struct blockfs_name name_of(struct bragi_string string)
{
	return (struct blockfs_name){ .text = string.text, .length = string.length };
}

static int check_name(struct bragi_string name)
{
	if (name.length > FS_LIMITS_NAME_BYTES_MAX) {
		return FS_ERROR_NAME_TOO_LONG;
	}
	return name.length == 0 ? -ERR_ILLEGAL_ARGS : 0;
}

/* Room in the call's arena for a value of the greatest size. */
static int room_for_value(struct bragi_call *call, void **out_room)
{
	*out_room = bragi_arena_allocate(&call->arena, FS_LIMITS_XATTR_BYTES_MAX);
	return *out_room == NULL ? -ERR_NO_MEMORY : 0;
}

int serve_get_xattr(struct bragi_call *call, const struct fs_get_xattr_request *request,
	struct fs_get_xattr_reply *out_reply)
{
	struct node *node;
	void *value;
	size_t size = 0;
	int error = check_name(request->name);

	error = error != 0 ? error : room_for_value(call, &value);
	error = error != 0 ? error : session_find(call, request->node, &node);
	if (error != 0) {
		return error;
	}
	error = fs_error_of(ops_of(call)->get_xattr(call->task, node->node, name_of(request->name),
		value, FS_LIMITS_XATTR_BYTES_MAX, &size));
	node_put(call->task, node);
	out_reply->value = (struct bragi_bytes){ .data = value, .size = (uint32_t)size };
	return error;
}

int serve_set_xattr(struct bragi_call *call, const struct fs_set_xattr_request *request,
	struct fs_set_xattr_reply *out_reply UNUSED)
{
	struct node *node;
	int error = check_name(request->name);

	if (error == 0 && request->value.size > FS_LIMITS_XATTR_BYTES_MAX) {
		error = FS_ERROR_TOO_LARGE;
	}
	error = error != 0 ? error : session_find(call, request->node, &node);
	if (error != 0) {
		return error;
	}
	error = fs_error_of(ops_of(call)->set_xattr(call->task, node->node, name_of(request->name),
		request->value.data, request->value.size, (enum blockfs_xattr_mode)request->mode));
	node_put(call->task, node);
	return error;
}

int serve_remove_xattr(struct bragi_call *call, const struct fs_remove_xattr_request *request,
	struct fs_remove_xattr_reply *out_reply UNUSED)
{
	struct node *node;
	int error = check_name(request->name);

	error = error != 0 ? error : session_find(call, request->node, &node);
	if (error == 0) {
		error = fs_error_of(
			ops_of(call)->remove_xattr(call->task, node->node, name_of(request->name)));
		node_put(call->task, node);
	}
	return error;
}

int serve_list_xattrs(struct bragi_call *call, const struct fs_list_xattrs_request *request,
	struct fs_list_xattrs_reply *out_reply)
{
	struct node *node;
	void *names;
	size_t size = 0;
	int error = room_for_value(call, &names);

	error = error != 0 ? error : session_find(call, request->node, &node);
	if (error != 0) {
		return error;
	}
	error = fs_error_of(ops_of(call)->list_xattrs(
		call->task, node->node, names, FS_LIMITS_XATTR_BYTES_MAX, &size));
	node_put(call->task, node);
	out_reply->names = (struct bragi_bytes){ .data = names, .size = (uint32_t)size };
	return error;
}

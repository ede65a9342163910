/* SPDX-License-Identifier: MIT */
/* Calls about names: looking them up, listing, making, removing and moving them. */
#include "host.h"
#include "session.h"

#include <base/errors.h>
#include <base/string.h>

#define S_IFLNK     0120000u
#define PERMISSIONS 07777u

static struct wire_text text_of(struct bragi_string string)
{
	return (struct wire_text){ .text = string.text, .length = string.length };
}

static struct channel *channel_of(const struct bragi_call *call)
{
	return &session_of_call(call)->share->channel;
}

int session_check_name(struct bragi_string name)
{
	if (name.length > FS_LIMITS_NAME_BYTES_MAX) {
		return FS_ERROR_NAME_TOO_LONG;
	}
	if (name.length == 0 || bragi_string_equals(name, ".") || bragi_string_equals(name, "..")) {
		return -ERR_ILLEGAL_ARGS;
	}
	return memchr(name.text, '/', name.length) != NULL ? -ERR_ILLEGAL_ARGS : 0;
}

/* ---- finding --------------------------------------------------------------------------------- */

/* The node of a name, with one user more. */
static int find(
	struct bragi_call *call, uint32_t directory, struct wire_text name, struct node **out_node)
{
	struct channel *channel = channel_of(call);
	struct wire_attributes attributes;
	uint32_t fid;
	int error = host_walk(call->task, channel, directory, &name, &fid);

	if (error != 0) {
		return error;
	}
	error = host_get_attributes(call->task, channel, fid, &attributes);
	if (error != 0) {
		host_clunk(call->task, channel, fid);
		return error;
	}
	*out_node = node_take(call->task, &session_of_call(call)->nodes, fid, &attributes);
	return *out_node == NULL ? -ERR_NO_MEMORY : 0;
}

static int find_and_tell(struct bragi_call *call, uint32_t directory, struct wire_text name,
	struct fs_node *out_node)
{
	struct node *node;
	int error = find(call, directory, name, &node);

	if (error == 0) {
		node_tell(node, out_node);
		node_put(call->task, node);
	}
	return error;
}

int serve_lookup(struct bragi_call *call, const struct fs_lookup_request *request,
	struct fs_lookup_reply *out_reply)
{
	struct node *directory;
	int error = session_check_name(request->name);

	error = error != 0 ? error : session_find(call, request->directory, &directory);
	if (error != 0) {
		return error;
	}
	error = find_and_tell(call, directory->fid, text_of(request->name), &out_reply->node);
	node_put(call->task, directory);
	return error;
}

int serve_parent(struct bragi_call *call, const struct fs_parent_request *request,
	struct fs_parent_reply *out_reply)
{
	static const struct wire_text up = { .text = "..", .length = 2 };
	struct node *directory;
	int error = session_find(call, request->directory, &directory);

	if (error != 0) {
		return error;
	}
	error = find_and_tell(call, directory->fid, up, &out_reply->node);
	node_put(call->task, directory);
	return error;
}

/* ---- listing --------------------------------------------------------------------------------- */

/* The host's bytes come to memory that it forgets again, and from there to a copy. */
static int list(struct bragi_call *call, struct node *directory, uint64_t cookie, size_t size,
	struct wire_reader *out_reader)
{
	struct channel_range range = { .offset = cookie, .length = size };
	uint64_t n_bytes = 0;
	void *copy = bragi_arena_allocate(&call->arena, size);
	int error = copy == NULL
		? -ERR_NO_MEMORY
		: hel_memory_allocate(align_up(size, HEL_PAGE_SIZE), 0, &range.memory);

	if (error != 0) {
		return error;
	}
	error = channel_list(call->task, channel_of(call), directory->read_fid, &range, &n_bytes);
	if (error == 0) {
		error = hel_memory_read(range.memory, 0, copy, n_bytes);
	}
	hel_close(HEL_THIS, range.memory);
	*out_reader = (struct wire_reader){ .bytes = copy, .size = n_bytes };
	return error;
}

int serve_read_directory(struct bragi_call *call, const struct fs_read_directory_request *request,
	struct fs_read_directory_reply *out_reply)
{
	size_t size = min_size(request->bytes_max, FS_LIMITS_LISTING_BYTES_MAX);
	uint8_t *entries = bragi_arena_allocate(&call->arena, size);
	struct wire_reader reader = { 0 };
	struct node *directory;
	size_t used = 0;
	int error = session_find(call, request->directory, &directory);

	if (error != 0) {
		return error;
	}
	error = entries == NULL || size == 0    ? -ERR_NO_MEMORY
		: !node_is_directory(directory) ? FS_ERROR_NOT_DIRECTORY
						: node_open(call->task, directory, true, false);
	error = error != 0 ? error : list(call, directory, request->cookie, size, &reader);
	out_reply->next_cookie = request->cookie;
	if (error == 0) {
		error = wire_translate(&reader, entries, size, &used, &out_reply->next_cookie);
	}
	node_put(call->task, directory);
	out_reply->entries = (struct bragi_bytes){ .data = entries, .size = (uint32_t)used };
	return error;
}

int serve_read_link(struct bragi_call *call, const struct fs_read_link_request *request,
	struct fs_read_link_reply *out_reply)
{
	char *target = bragi_arena_allocate(&call->arena, FS_LIMITS_TARGET_BYTES_MAX + 1);
	struct node *node;
	size_t length = 0;
	int error = session_find(call, request->node, &node);

	if (error != 0) {
		return error;
	}
	error = target == NULL ? -ERR_NO_MEMORY
			       : host_read_link(call->task, channel_of(call), node->fid, target,
					 FS_LIMITS_TARGET_BYTES_MAX, &length);
	node_put(call->task, node);
	if (error == 0) {
		target[length] = '\0';
		out_reply->target =
			(struct bragi_string){ .text = target, .length = (uint32_t)length };
	}
	return error;
}

/* ---- making ---------------------------------------------------------------------------------- */

/* A file is open once it is made, whatever its mode allows: that fid is kept. */
static int create_file(
	struct bragi_call *call, struct host_new *new, uint32_t directory, struct node **out_node)
{
	struct channel *channel = channel_of(call);
	struct wire_qid qid;
	int error = host_walk(call->task, channel, directory, NULL, &new->directory);

	if (error != 0) {
		return error;
	}
	error = host_create(call->task, channel, new, &qid);
	error = error != 0 ? error : find(call, directory, new->name, out_node);
	if (error != 0 || (*out_node)->path != qid.path ||
		!node_keep_open(call->task, *out_node, new->directory)) {
		host_clunk(call->task, channel, new->directory);
	}
	return error;
}

static int create_other(struct bragi_call *call, const struct host_new *new, struct node **out_node)
{
	struct channel *channel = channel_of(call);
	int error;

	switch (new->mode &NODE_S_IFMT) {
	case NODE_S_IFDIR: error = host_make_directory(call->task, channel, new); break;
	case S_IFLNK: error = host_make_link(call->task, channel, new); break;
	default: error = host_make_special(call->task, channel, new); break;
	}
	return error != 0 ? error : find(call, new->directory, new->name, out_node);
}

/* The host makes it root's, or that of who runs it. If it is not to be given away, so be it. */
static void give_to_owner(
	struct bragi_call *call, struct node *node, const struct fs_create_request *request)
{
	struct session *session = session_of_call(call);
	const struct host_change change = {
		.what = WIRE_SET_UID | WIRE_SET_GID,
		.uid = request->uid,
		.gid = request->gid,
	};

	if (session->keeps_owners ||
		(node->known.uid == request->uid && node->known.gid == request->gid)) {
		return;
	}
	if (host_set_attributes(call->task, &session->share->channel, node->fid, &change) == 0) {
		(void)node_refresh(call->task, node);
	} else {
		session->keeps_owners = true;
	}
}

int serve_create(struct bragi_call *call, const struct fs_create_request *request,
	struct fs_create_reply *out_reply)
{
	struct host_new new = {
		.name = text_of(request->name),
		.target = text_of(request->target),
		.mode = request->mode,
		.gid = request->gid,
		.major = (uint32_t)(request->device_number >> 32),
		.minor = (uint32_t)request->device_number,
	};
	struct node *directory, *node;
	int error =
		request->is_unnamed ? FS_ERROR_UNSUPPORTED_HERE : session_check_name(request->name);

	if (error == 0 && request->target.length > FS_LIMITS_TARGET_BYTES_MAX) {
		error = FS_ERROR_NAME_TOO_LONG;
	}
	error = error != 0 ? error : session_find(call, request->directory, &directory);
	if (error != 0) {
		return error;
	}
	new.directory = directory->fid;
	if ((new.mode &NODE_S_IFMT) == NODE_S_IFREG) {
		new.mode &= PERMISSIONS;
		error = create_file(call, &new, directory->fid, &node);
	} else {
		error = create_other(call, &new, &node);
	}
	if (error == 0) {
		give_to_owner(call, node, request);
		node_tell(node, &out_reply->node);
		node_put(call->task, node);
	}
	node_put(call->task, directory);
	return error;
}

int serve_link(struct bragi_call *call, const struct fs_link_request *request,
	struct fs_link_reply *out_reply UNUSED)
{
	struct node *directory = NULL, *node = NULL;
	struct wire_text name = text_of(request->name);
	int error = session_check_name(request->name);

	error = error != 0 ? error : session_find(call, request->directory, &directory);
	error = error != 0 ? error : session_find(call, request->node, &node);
	if (error == 0) {
		error = host_link(call->task, channel_of(call), directory->fid, node->fid, &name);
	}
	if (error == 0) {
		node->known.n_links++;
	}
	node_put(call->task, node);
	node_put(call->task, directory);
	return error;
}

/* ---- removing and moving --------------------------------------------------------------------- */

int serve_unlink(struct bragi_call *call, const struct fs_unlink_request *request,
	struct fs_unlink_reply *out_reply UNUSED)
{
	struct node *directory = NULL, *node = NULL;
	struct wire_text name = text_of(request->name);
	int error = session_check_name(request->name);

	error = error != 0 ? error : session_find(call, request->directory, &directory);
	if (error == 0 && request->node != 0) {
		error = session_find(call, request->node, &node);
	}
	if (error == 0) {
		error = host_unlink(call->task, channel_of(call), directory->fid, &name,
			request->is_directory != 0);
	}
	if (error == 0 && node != NULL) {
		node_has_lost_name(node);
		node_forget(node, request->n_references);
	}
	node_put(call->task, node);
	node_put(call->task, directory);
	return error;
}

int serve_rename(struct bragi_call *call, const struct fs_rename_request *request,
	struct fs_rename_reply *out_reply UNUSED)
{
	struct node *from = NULL, *to = NULL;
	int error = request->flags != 0 ? -ERR_ILLEGAL_ARGS : 0; /* 9P has no such thing */

	error = error != 0 ? error : session_check_name(request->from_name);
	error = error != 0 ? error : session_check_name(request->to_name);
	error = error != 0 ? error : session_find(call, request->from, &from);
	error = error != 0 ? error : session_find(call, request->to, &to);
	if (error == 0) {
		const struct host_place old = { from->fid, text_of(request->from_name) };
		const struct host_place new = { to->fid, text_of(request->to_name) };

		error = host_rename(call->task, channel_of(call), &old, &new);
	}
	node_put(call->task, to);
	node_put(call->task, from);
	return error;
}

/* SPDX-License-Identifier: MIT */
/*
 * Calls about names: looking them up, and changing directories.
 *
 * Handlers return what fs.bragi says. A node that is found is used by the call until it ends
 * (node_put()), so that a `forget` of another call takes nothing away.
 *
 * When a name goes, the node behind it may be an unused one that is kept for its pages. So it is
 * looked up first, and looked at again afterwards: without its last name it is freed at once, and
 * not when others need its place.
 */
#include "error.h"
#include "session.h"

#include <base/errors.h>
#include <base/string.h>

#define ENTRY_HEAD_BYTES 18 /* of an entry of a listing, before its name */

static struct blockfs_name name_of(struct bragi_string string)
{
	return (struct blockfs_name){ .text = string.text, .length = string.length };
}

/* Names that file systems are not to be asked about. */
static int check_name(struct bragi_string name)
{
	if (name.length > FS_LIMITS_NAME_BYTES_MAX) {
		return FS_ERROR_NAME_TOO_LONG;
	}
	if (name.length == 0 || bragi_string_equals(name, ".") || bragi_string_equals(name, "..")) {
		return -ERR_ILLEGAL_ARGS;
	}
	return memchr(name.text, '/', name.length) != NULL ? -ERR_ILLEGAL_ARGS : 0;
}

/* Tell of a node that an operation has given us. */
static int tell(struct bragi_call *call, struct blockfs_node *found, struct fs_node *out_node)
{
	struct node *node = node_take(call->task, &session_of_call(call)->nodes, found);

	if (node == NULL) {
		return -ERR_NO_MEMORY;
	}
	node_tell(node, out_node);
	node_put(call->task, node);
	return 0;
}

static const struct blockfs_ops *ops_of(const struct bragi_call *call)
{
	return session_of_call(call)->fs->ops;
}

/* ---- finding --------------------------------------------------------------------------------- */

int serve_lookup(struct bragi_call *call, const struct fs_lookup_request *request,
	struct fs_lookup_reply *out_reply)
{
	struct blockfs_node *found;
	struct node *directory;
	int error = check_name(request->name);

	error = error != 0 ? error : session_find(call, request->directory, &directory);
	if (error != 0) {
		return error;
	}
	error = ops_of(call)->lookup(call->task, directory->node, name_of(request->name), &found);
	error = fs_error_of(error);
	error = error != 0 ? error : tell(call, found, &out_reply->node);
	node_put(call->task, directory);
	return error;
}

int serve_find(struct bragi_call *call, const struct fs_find_request *request,
	struct fs_find_reply *out_reply)
{
	struct session *session = session_of_call(call);
	struct blockfs_node *found, *parent;

	if (session_is_gone(session)) {
		return -ERR_END_OF_LANE;
	}
	int error = ops_of(call)->find(
		call->task, session->fs, request->number, request->generation, &found);

	if (error != 0) {
		return error == -ERR_NOT_FOUND ? FS_ERROR_STALE : fs_error_of(error);
	}
	/* of what is no directory the parent is not known */
	if (ops_of(call)->parent(call->task, found, &parent) == 0) {
		out_reply->parent_number = parent->number;
		ops_of(call)->node_put(call->task, parent);
	}
	return tell(call, found, &out_reply->node);
}

int serve_parent(struct bragi_call *call, const struct fs_parent_request *request,
	struct fs_parent_reply *out_reply)
{
	struct blockfs_node *found;
	struct node *directory;
	int error = session_find(call, request->directory, &directory);

	if (error != 0) {
		return error;
	}
	error = fs_error_of(ops_of(call)->parent(call->task, directory->node, &found));
	error = error != 0 ? error : tell(call, found, &out_reply->node);
	node_put(call->task, directory);
	return error;
}

/* ---- listing --------------------------------------------------------------------------------- */

struct listing {
	uint8_t *bytes;
	size_t size, used;
	uint64_t next_cookie;
	bool is_full;
};

static bool listing_add(void *context, const struct blockfs_entry *entry)
{
	struct listing *listing = context;
	uint8_t *at = listing->bytes + listing->used;
	size_t length = min_size(entry->name_length, UINT8_MAX);

	if (listing->size - listing->used < ENTRY_HEAD_BYTES + length) {
		listing->is_full = true;
		return false;
	}
	memcpy(at, &entry->node_number, 8);
	memcpy(at + 8, &entry->next_cookie, 8);
	at[16] = entry->type;
	at[17] = (uint8_t)length;
	memcpy(at + ENTRY_HEAD_BYTES, entry->name, length);
	listing->used += ENTRY_HEAD_BYTES + length;
	listing->next_cookie = entry->next_cookie;
	return true;
}

int serve_read_directory(struct bragi_call *call, const struct fs_read_directory_request *request,
	struct fs_read_directory_reply *out_reply)
{
	struct listing listing = {
		.size = min_size(request->bytes_max, FS_LIMITS_LISTING_BYTES_MAX),
		.next_cookie = request->cookie,
	};
	struct node *directory;
	int error = session_find(call, request->directory, &directory);

	if (error != 0) {
		return error;
	}
	listing.bytes = bragi_arena_allocate(&call->arena, listing.size);
	error = listing.bytes == NULL ? -ERR_NO_MEMORY : 0;
	if (error == 0) {
		error = fs_error_of(ops_of(call)->read_directory(
			call->task, directory->node, request->cookie, listing_add, &listing));
	}
	node_put(call->task, directory);
	if (error == 0 && listing.used == 0 && listing.is_full) {
		error = FS_ERROR_BUFFER_TOO_SMALL; /* none at all would be the end */
	}
	out_reply->next_cookie = listing.next_cookie;
	out_reply->entries =
		(struct bragi_bytes){ .data = listing.bytes, .size = (uint32_t)listing.used };
	return error;
}

int serve_read_link(struct bragi_call *call, const struct fs_read_link_request *request,
	struct fs_read_link_reply *out_reply)
{
	char *target = bragi_arena_allocate(&call->arena, FS_LIMITS_TARGET_BYTES_MAX + 1);
	struct node *node;
	size_t size = 0;
	int error = session_find(call, request->node, &node);

	if (error != 0) {
		return error;
	}
	error = target == NULL ? -ERR_NO_MEMORY
			       : fs_error_of(ops_of(call)->read_link(call->task, node->node, target,
					 FS_LIMITS_TARGET_BYTES_MAX, &size));
	node_put(call->task, node);
	if (error == 0 && (size > FS_LIMITS_TARGET_BYTES_MAX || memchr(target, 0, size) != NULL)) {
		error = FS_ERROR_CORRUPT;
	}
	if (error == 0) {
		target[size] = '\0';
		out_reply->target =
			(struct bragi_string){ .text = target, .length = (uint32_t)size };
	}
	return error;
}

/* ---- making ---------------------------------------------------------------------------------- */

int serve_create(struct bragi_call *call, const struct fs_create_request *request,
	struct fs_create_reply *out_reply)
{
	const struct blockfs_create_options options = {
		.mode = request->mode,
		.uid = request->uid,
		.gid = request->gid,
		.device_number = request->device_number,
		.target = request->target.text,
		.target_size = request->target.length,
	};
	struct blockfs_node *made;
	struct node *directory;
	int error = request->is_unnamed ? 0 : check_name(request->name);

	if (error == 0 && request->target.length > FS_LIMITS_TARGET_BYTES_MAX) {
		error = FS_ERROR_NAME_TOO_LONG;
	}
	error = error != 0 ? error : session_find(call, request->directory, &directory);
	if (error != 0) {
		return error;
	}
	if (request->is_unnamed) {
		error = ops_of(call)->create_unnamed(call->task, directory->node, &options, &made);
	} else {
		error = ops_of(call)->create(
			call->task, directory->node, name_of(request->name), &options, &made);
	}
	error = fs_error_of(error);
	error = error != 0 ? error : tell(call, made, &out_reply->node);
	node_get_attributes(directory, &out_reply->directory);
	node_put(call->task, directory);
	return error;
}

int serve_link(struct bragi_call *call, const struct fs_link_request *request,
	struct fs_link_reply *out_reply)
{
	struct node *directory = NULL, *node = NULL;
	int error = check_name(request->name);

	error = error != 0 ? error : session_find(call, request->directory, &directory);
	error = error != 0 ? error : session_find(call, request->node, &node);
	if (error == 0) {
		error = fs_error_of(ops_of(call)->link(
			call->task, directory->node, name_of(request->name), node->node));
		node_get_attributes(node, &out_reply->node);
		node_get_attributes(directory, &out_reply->directory);
	}
	node_put(call->task, node);
	node_put(call->task, directory);
	return error;
}

/* ---- removing and renaming ------------------------------------------------------------------- */

/*
 * The node behind a name, if we know one: NULL is not an error.
 * Return: 0, what the look-up says.
 */
static int find_behind(struct bragi_call *call, const struct node *directory,
	struct bragi_string name, struct node **out_node)
{
	struct session *session = session_of_call(call);
	struct blockfs_node *found;
	int error = ops_of(call)->lookup(call->task, directory->node, name_of(name), &found);

	if (error == 0) {
		*out_node = node_find_known(&session->nodes, found);
		ops_of(call)->node_put(call->task, found);
	}
	return fs_error_of(error);
}

int serve_unlink(struct bragi_call *call, const struct fs_unlink_request *request,
	struct fs_unlink_reply *out_reply)
{
	struct node *directory = NULL, *node = NULL;
	int error = check_name(request->name);

	error = error != 0 ? error : session_find(call, request->directory, &directory);
	error = error != 0 ? error : find_behind(call, directory, request->name, &node);
	if (error == 0 && request->node != 0 && (node == NULL || node->id != request->node)) {
		error = -ERR_NOT_FOUND; /* another one has the name by now */
	}
	if (error == 0) {
		int (*remove)(struct task *, struct blockfs_node *, struct blockfs_name) =
			request->is_directory != 0 ? ops_of(call)->remove_directory
						   : ops_of(call)->unlink;

		error = fs_error_of(remove(call->task, directory->node, name_of(request->name)));
		node_get_attributes(directory, &out_reply->directory);
		if (node != NULL) {
			node_get_attributes(node, &out_reply->node);
		}
		if (error == 0 && request->node != 0) {
			node_forget(node, request->n_references);
		}
	}
	node_put(call->task, node);
	node_put(call->task, directory);
	return error;
}

static int rename(struct bragi_call *call, const struct fs_rename_request *request,
	const struct node *from, const struct node *to)
{
	struct node *replaced = NULL;
	struct blockfs_rename_options options = { .uid = request->uid, .gid = request->gid };

	if ((request->flags & FS_RENAME_FLAG_WHITEOUT) != 0) {
		options.flags |= BLOCKFS_RENAME_WHITEOUT;
	}
	if ((request->flags & FS_RENAME_FLAG_NO_REPLACE) != 0) {
		options.flags |= BLOCKFS_RENAME_NO_REPLACE;
	}
	if ((request->flags & FS_RENAME_FLAG_EXCHANGE) != 0) {
		options.flags |= BLOCKFS_RENAME_EXCHANGE;
	}
	int error = find_behind(call, to, request->to_name, &replaced);

	if (error == 0 || error == -ERR_NOT_FOUND) {
		error = fs_error_of(
			ops_of(call)->rename(call->task, from->node, name_of(request->from_name),
				to->node, name_of(request->to_name), &options));
	}
	node_put(call->task, replaced);
	return error;
}

int serve_rename(struct bragi_call *call, const struct fs_rename_request *request,
	struct fs_rename_reply *out_reply)
{
	const uint32_t known =
		FS_RENAME_FLAG_NO_REPLACE | FS_RENAME_FLAG_EXCHANGE | FS_RENAME_FLAG_WHITEOUT;
	struct node *from = NULL, *to = NULL;
	int error = (request->flags & ~known) != 0 ? -ERR_ILLEGAL_ARGS : 0;

	error = error != 0 ? error : check_name(request->from_name);
	error = error != 0 ? error : check_name(request->to_name);
	error = error != 0 ? error : session_find(call, request->from, &from);
	error = error != 0 ? error : session_find(call, request->to, &to);
	if (error == 0) {
		error = rename(call, request, from, to);
		node_get_attributes(from, &out_reply->from);
		node_get_attributes(to, &out_reply->to);
	}
	node_put(call->task, to);
	node_put(call->task, from);
	return error;
}

/* SPDX-License-Identifier: MIT */
/* Calls to file servers: see fs-client.h. */
#include "fs-client.h"

#include <base/errors.h>
#include <base/string.h>
#include <protocols/mbus/mbus-client.h>

/* One call: `request` is filled in, `reply` is left. */
#define CALL(protocol, name, client_) \
	({ \
		bragi_exchange_init(&(client_)->exchange, (client_)->buffer, FS_BUFFER_BYTES); \
		fs_##protocol##_##name( \
			task, &(client_)->client.client, &(client_)->exchange, &request, &reply); \
	})

int fs_client_init(struct fs_client *client, hel_handle lane)
{
	client->buffer = helix_malloc(FS_BUFFER_BYTES);
	if (client->buffer == NULL) {
		hel_close(HEL_THIS, lane);
		return -ERR_NO_MEMORY;
	}
	transport_client_init(&client->client, lane, 1);
	return 0;
}

int fs_client_init_again(struct fs_client *client, const struct fs_client *other)
{
	client->root = other->root;
	client->buffer = helix_malloc(FS_BUFFER_BYTES);
	transport_client_init(&client->client, other->client.lane, 1);
	return client->buffer != NULL ? 0 : -ERR_NO_MEMORY;
}

void fs_client_deinit(struct fs_client *client)
{
	hel_close(HEL_THIS, client->client.lane);
	helix_free(client->buffer);
}

/* ---- volumes --------------------------------------------------------------------------------- */

int fs_volume_find(struct task *task, struct fs_client *volume, const char *name)
{
	const struct mbus_pair filter[] = { { "class", "volume" }, { "name", name } };
	hel_handle lane;
	int error = mbus_find(task, helix_start_handle("mbus"), filter, ARRAY_SIZE(filter), &lane);

	return error != 0 ? error : fs_client_init(volume, lane);
}

int fs_info(struct task *task, struct fs_client *volume, struct fs_info_reply *out_info)
{
	struct fs_info_request request;
	struct fs_info_reply reply;

	fs_info_request_init(&request);
	int error = CALL(volume, info, volume);

	*out_info = reply;
	return error;
}

int fs_rescan(struct task *task, struct fs_client *volume)
{
	struct fs_rescan_request request;
	struct fs_rescan_reply reply;

	fs_rescan_request_init(&request);
	return CALL(volume, rescan, volume);
}

int fs_watch(struct task *task, struct fs_client *volume, uint64_t size_bytes)
{
	struct fs_watch_request request;
	struct fs_watch_reply reply;

	fs_watch_request_init(&request);
	request.size_bytes = size_bytes;
	return CALL(volume, watch, volume);
}

static int take_session(
	struct fs_client *volume, const struct fs_node *root, struct fs_client *session)
{
	hel_handle lane = bragi_handles_take(&volume->exchange.received, 0);

	session->root = *root;
	return lane == HEL_NULL ? -ERR_PROTOCOL : fs_client_init(session, lane);
}

int fs_mount(struct task *task, struct fs_client *volume, struct fs_client *session,
	const char *type, bool is_read_only)
{
	struct fs_mount_request request;
	struct fs_mount_reply reply;

	fs_mount_request_init(&request);
	request.type = bragi_string_of(type);
	request.is_read_only = is_read_only;
	int error = CALL(volume, mount, volume);

	return error != 0 ? error : take_session(volume, &reply.root, session);
}

int fs_open(
	struct task *task, struct fs_client *volume, struct fs_client *session, bool is_writable)
{
	struct fs_open_request request;
	struct fs_open_reply reply;

	fs_open_request_init(&request);
	request.is_writable = is_writable;
	int error = CALL(volume, open, volume);

	return error != 0 ? error : take_session(volume, &reply.root, session);
}

int fs_unmount(struct task *task, struct fs_client *session)
{
	struct fs_unmount_request request;
	struct fs_unmount_reply reply;

	fs_unmount_request_init(&request);
	int error = CALL(session, unmount, session);

	fs_client_deinit(session);
	return error;
}

/* ---- names ----------------------------------------------------------------------------------- */

int fs_lookup(struct task *task, struct fs_client *session, uint64_t directory, const char *name,
	struct fs_node *out_node)
{
	struct fs_lookup_request request;
	struct fs_lookup_reply reply;

	fs_lookup_request_init(&request);
	request.directory = directory;
	request.name = bragi_string_of(name);
	int error = CALL(session, lookup, session);

	*out_node = reply.node;
	return error;
}

int fs_walk(
	struct task *task, struct fs_client *session, const char *path, struct fs_node *out_node)
{
	struct fs_node node = session->root;
	char name[FS_LIMITS_NAME_BYTES_MAX + 1];
	int error = 0;

	while (error == 0 && *path != '\0') {
		struct fs_node next;
		size_t length = 0;

		while (path[length] != '\0' && path[length] != '/') {
			name[length] = path[length];
			length++;
		}
		name[length] = '\0';
		path += length + (path[length] == '/');
		error = fs_lookup(task, session, node.id, name, &next);
		if (error == 0 && node.id != session->root.id) {
			error = fs_forget(task, session, node.id, 1);
		}
		node = next;
	}
	*out_node = node;
	return error;
}

int fs_create(struct task *task, struct fs_client *session, uint64_t directory, const char *name,
	uint32_t mode, const char *target, struct fs_node *out_node)
{
	struct fs_create_request request;
	struct fs_create_reply reply;

	fs_create_request_init(&request);
	request.directory = directory;
	request.mode = mode;
	request.name = bragi_string_of(name);
	if (target != NULL) {
		request.target = bragi_string_of(target);
	}
	int error = CALL(session, create, session);

	*out_node = reply.node;
	return error;
}

int fs_unlink(struct task *task, struct fs_client *session, uint64_t directory, const char *name,
	uint64_t node, bool is_directory)
{
	struct fs_unlink_request request;
	struct fs_unlink_reply reply;

	fs_unlink_request_init(&request);
	request.directory = directory;
	request.node = node;
	request.is_directory = is_directory;
	request.name = bragi_string_of(name);
	return CALL(session, unlink, session);
}

int fs_unlink_known(struct task *task, struct fs_client *session, uint64_t directory,
	const char *name, uint64_t node, uint32_t n_references)
{
	struct fs_unlink_request request;
	struct fs_unlink_reply reply;

	fs_unlink_request_init(&request);
	request.directory = directory;
	request.node = node;
	request.n_references = n_references;
	request.name = bragi_string_of(name);
	return CALL(session, unlink, session);
}

int fs_link(struct task *task, struct fs_client *session, uint64_t directory, const char *name,
	uint64_t node)
{
	struct fs_link_request request;
	struct fs_link_reply reply;

	fs_link_request_init(&request);
	request.directory = directory;
	request.node = node;
	request.name = bragi_string_of(name);
	return CALL(session, link, session);
}

int fs_rename(struct task *task, struct fs_client *session, uint64_t from, const char *from_name,
	uint64_t to, const char *to_name, uint32_t flags)
{
	struct fs_rename_request request;
	struct fs_rename_reply reply;

	fs_rename_request_init(&request);
	request.from = from;
	request.to = to;
	request.flags = flags;
	request.from_name = bragi_string_of(from_name);
	request.to_name = bragi_string_of(to_name);
	return CALL(session, rename, session);
}

int fs_read_directory(struct task *task, struct fs_client *session, uint64_t directory,
	uint64_t *cookie, struct bragi_bytes *out_entries)
{
	struct fs_read_directory_request request;
	struct fs_read_directory_reply reply;

	fs_read_directory_request_init(&request);
	request.directory = directory;
	request.cookie = *cookie;
	request.bytes_max = FS_LIMITS_LISTING_BYTES_MAX;
	int error = CALL(session, read_directory, session);

	*cookie = reply.next_cookie;
	*out_entries = reply.entries;
	return error;
}

/* ---- nodes ----------------------------------------------------------------------------------- */

int fs_forget(struct task *task, struct fs_client *session, uint64_t node, uint64_t n_references)
{
	struct fs_forget_request request;
	struct fs_forget_reply reply;

	fs_forget_request_init(&request);
	request.node = node;
	request.n_references = n_references;
	return CALL(session, forget, session);
}

int fs_get_attributes(struct task *task, struct fs_client *session, uint64_t node,
	struct fs_attributes *out_attributes)
{
	struct fs_get_attributes_request request;
	struct fs_get_attributes_reply reply;

	fs_get_attributes_request_init(&request);
	request.node = node;
	int error = CALL(session, get_attributes, session);

	*out_attributes = reply.attributes;
	return error;
}

int fs_set_size(struct task *task, struct fs_client *session, uint64_t node, uint64_t size)
{
	struct fs_set_attributes_request request;
	struct fs_set_attributes_reply reply;

	fs_set_attributes_request_init(&request);
	request.node = node;
	request.what = FS_SET_SIZE;
	request.attributes.size = size;
	int error = CALL(session, set_attributes, session);

	return error == 0 && reply.attributes.size != size ? -ERR_PROTOCOL : error;
}

int fs_reserve(struct task *task, struct fs_client *session, uint64_t node, uint64_t offset,
	uint64_t length, uint64_t size)
{
	struct fs_reserve_request request;
	struct fs_reserve_reply reply;

	fs_reserve_request_init(&request);
	request.node = node;
	request.offset = offset;
	request.length = length;
	request.size = size;
	return CALL(session, reserve, session);
}

int fs_allocate(struct task *task, struct fs_client *session, uint64_t node,
	enum fs_allocate_mode mode, uint64_t offset, uint64_t length)
{
	struct fs_allocate_request request;
	struct fs_allocate_reply reply;

	fs_allocate_request_init(&request);
	request.node = node;
	request.mode = mode;
	request.offset = offset;
	request.length = length;
	return CALL(session, allocate, session);
}

int fs_transfer(struct task *task, struct fs_client *session, uint64_t node, bool is_write,
	uint64_t offset, uint64_t length, hel_handle memory)
{
	struct fs_transfer_request request;
	struct fs_transfer_reply reply;

	fs_transfer_request_init(&request);
	request.node = node;
	request.is_write = is_write;
	request.offset = offset;
	request.length = length;
	bragi_exchange_init(&session->exchange, session->buffer, FS_BUFFER_BYTES);
	if (!bragi_handles_add(&session->exchange.to_send, memory)) {
		return -ERR_NO_SPACE;
	}
	int error = fs_session_transfer(
		task, &session->client.client, &session->exchange, &request, &reply);

	return error == 0 && reply.n_bytes != length ? -ERR_PROTOCOL : error;
}

int fs_open_direct(struct task *task, struct fs_client *session, bool is_writable,
	hel_handle memory, uint64_t *out_id, hel_handle *out_event)
{
	struct fs_open_direct_request request;
	struct fs_open_direct_reply reply;

	fs_open_direct_request_init(&request);
	request.node = session->root.id;
	request.is_writable = is_writable;
	bragi_exchange_init(&session->exchange, session->buffer, FS_BUFFER_BYTES);
	if (memory != HEL_NULL && !bragi_handles_add(&session->exchange.to_send, memory)) {
		return -ERR_NO_SPACE;
	}
	int error = fs_session_open_direct(
		task, &session->client.client, &session->exchange, &request, &reply);

	*out_id = reply.id;
	*out_event = bragi_handles_take(&session->exchange.received, 0);
	return error == 0 && *out_event == HEL_NULL ? -ERR_PROTOCOL : error;
}

int fs_close_direct(struct task *task, struct fs_client *session, uint64_t id)
{
	struct fs_close_direct_request request;
	struct fs_close_direct_reply reply;

	fs_close_direct_request_init(&request);
	request.id = id;
	return CALL(session, close_direct, session);
}

int fs_lend_direct(
	struct task *task, struct fs_client *session, uint64_t id, uint32_t number, hel_handle loan)
{
	struct fs_lend_direct_request request;
	struct fs_lend_direct_reply reply;

	fs_lend_direct_request_init(&request);
	request.id = id;
	request.number = number;
	bragi_exchange_init(&session->exchange, session->buffer, FS_BUFFER_BYTES);
	if (loan != HEL_NULL && !bragi_handles_add(&session->exchange.to_send, loan)) {
		return -ERR_NO_SPACE;
	}
	return fs_session_lend_direct(
		task, &session->client.client, &session->exchange, &request, &reply);
}

int fs_sync_node(struct task *task, struct fs_client *session, uint64_t node)
{
	struct fs_sync_node_request request;
	struct fs_sync_node_reply reply;

	fs_sync_node_request_init(&request);
	request.node = node;
	return CALL(session, sync_node, session);
}

int fs_sync(struct task *task, struct fs_client *session)
{
	struct fs_sync_request request;
	struct fs_sync_reply reply;

	fs_sync_request_init(&request);
	return CALL(session, sync, session);
}

/* ---- contents -------------------------------------------------------------------------------- */

int fs_map(struct task *task, struct fs_client *session, uint64_t node, uint64_t size,
	bool is_writable, struct fs_mapped *out_mapped)
{
	struct fs_contents_request request;
	struct fs_contents_reply reply;
	void *bytes;

	fs_contents_request_init(&request);
	request.node = node;
	int error = CALL(session, contents, session);

	if (error != 0) {
		return error;
	}
	out_mapped->memory = bragi_handles_take(&session->exchange.received, 0);
	out_mapped->size = size;
	if (out_mapped->memory == HEL_NULL) {
		return -ERR_PROTOCOL;
	}
	error = helix_map(out_mapped->memory, 0, size,
		is_writable ? HEL_MAP_READ | HEL_MAP_WRITE : HEL_MAP_READ, &bytes);
	if (error != 0) {
		hel_close(HEL_THIS, out_mapped->memory);
	}
	out_mapped->bytes = bytes;
	return error;
}

void fs_unmap(struct fs_mapped *mapped)
{
	helix_unmap(mapped->bytes, mapped->size);
	hel_close(HEL_THIS, mapped->memory);
}

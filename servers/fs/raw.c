/* SPDX-License-Identifier: MIT */
/*
 * A volume that is open as it is: one node, whose contents are the volume's bytes.
 *
 * All sessions of that kind share the pages, so what one writes the others see. A file system that
 * is mounted at the same time does not use them: who opens its volume to read sees what is on the
 * disk, or was.
 */
#include "direct.h"
#include "disk.h"
#include "error.h"
#include "session.h"

#include <base/errors.h>

#define ROOT_ID      1
#define MODE_BLOCK   0060600u /* S_IFBLK */
#define SECTOR_BYTES 512

static struct volume *volume_of(const struct bragi_call *call)
{
	return session_of_call(call)->volume;
}

/* The one node, while there is a disk. */
static int find(const struct bragi_call *call, uint64_t id, struct volume **out_volume)
{
	struct volume *volume = volume_of(call);

	if (id != ROOT_ID) {
		return -ERR_NOT_FOUND;
	}
	if (volume_is_gone(volume)) {
		return -ERR_END_OF_LANE;
	}
	*out_volume = volume;
	return 0;
}

/* ---- contents -------------------------------------------------------------------------------- */

static struct volume *volume_of_contents(const struct contents *contents)
{
	return container_of(contents, struct volume, raw);
}

static uint64_t raw_size(const struct contents *contents)
{
	return volume_of_contents(contents)->device->size;
}

/* The last page may reach behind the end. */
static int move(struct task *task, struct contents *contents, enum device_action action,
	uint64_t offset, const struct device_buffer *buffer)
{
	struct device *device = volume_of_contents(contents)->device;
	struct device_buffer part = *buffer;

	if (offset >= device->size) {
		return -ERR_OUT_OF_BOUNDS; /* it has shrunk */
	}
	part.length = min_u64(part.length, device->size - offset);
	return device_transfer(task, device, action, offset, &part, 0);
}

static int raw_read(struct task *task, struct contents *contents, uint64_t offset,
	const struct device_buffer *buffer)
{
	uint64_t size = raw_size(contents);
	int error = move(task, contents, DEVICE_READ, offset, buffer);

	if (error == 0 && buffer->length > size - offset) {
		io_buffer_zero(buffer, size - offset, buffer->length - (size - offset));
	}
	return error;
}

static int raw_write(struct task *task, struct contents *contents, uint64_t offset,
	const struct device_buffer *buffer)
{
	return move(task, contents, DEVICE_WRITE, offset, buffer);
}

static struct device *raw_place(const struct contents *contents, uint64_t offset,
	uint64_t length UNUSED, uint64_t *out_place)
{
	*out_place = offset;
	return volume_of_contents(contents)->device;
}

const struct contents_ops raw_contents_ops = {
	.size = raw_size,
	.read = raw_read,
	.write = raw_write,
	.place = raw_place,
};

/* ---- the node -------------------------------------------------------------------------------- */

static void get_attributes(const struct volume *volume, struct fs_attributes *out_attributes)
{
	*out_attributes = (struct fs_attributes){
		.mode = MODE_BLOCK,
		.n_links = 1,
		.size = volume->device->size,
		.n_sectors = volume->device->size / SECTOR_BYTES,
	};
}

void raw_tell(const struct volume *volume, struct fs_node *out_node)
{
	out_node->id = ROOT_ID;
	out_node->number = ROOT_ID;
	out_node->generation = 0;
	get_attributes(volume, &out_node->attributes);
}

static int raw_forget(struct bragi_call *call UNUSED, const struct fs_forget_request *request,
	struct fs_forget_reply *out_reply UNUSED)
{
	return request->node == ROOT_ID ? 0 : -ERR_NOT_FOUND;
}

static int raw_get_attributes(struct bragi_call *call,
	const struct fs_get_attributes_request *request, struct fs_get_attributes_reply *out_reply)
{
	struct volume *volume;
	int error = find(call, request->node, &volume);

	if (error == 0) {
		get_attributes(volume, &out_reply->attributes);
	}
	return error;
}

static int raw_contents(struct bragi_call *call, const struct fs_contents_request *request,
	struct fs_contents_reply *out_reply)
{
	struct volume *volume;
	int error = find(call, request->node, &volume);

	if (error == 0) {
		out_reply->size = volume->device->size;
		error = files_push_contents(call, &volume->raw, session_of_call(call)->is_writable);
	}
	return error;
}

/* There is room for everything inside. */
static int raw_reserve(struct bragi_call *call, const struct fs_reserve_request *request,
	struct fs_reserve_reply *out_reply UNUSED)
{
	struct volume *volume;
	int error = find(call, request->node, &volume);

	if (error != 0) {
		return error;
	}
	uint64_t size = volume->device->size;

	if (!session_of_call(call)->is_writable) {
		return FS_ERROR_READ_ONLY;
	}
	return request->offset > size || request->length > size - request->offset ||
			request->size > size
		? FS_ERROR_NO_SPACE
		: 0;
}

static int raw_map(struct bragi_call *call, const struct fs_map_request *request,
	struct fs_map_reply *out_reply)
{
	struct volume *volume;
	int error = find(call, request->node, &volume);

	if (error == 0 && request->offset >= volume->device->size) {
		error = -ERR_NOT_FOUND;
	}
	if (error == 0) {
		out_reply->kind = FS_EXTENT_KIND_DATA;
		out_reply->length = volume->device->size;
	}
	return error;
}

static bool is_range_of(const struct device *device, uint64_t offset, uint64_t length)
{
	return is_aligned(offset | length, device->block_size) && length <= device->size &&
		offset <= device->size - length;
}

static int raw_transfer(struct bragi_call *call, const struct fs_transfer_request *request,
	struct fs_transfer_reply *out_reply)
{
	struct volume *volume;
	int error = find(call, request->node, &volume);

	if (error == 0 && request->is_write != 0 && !session_of_call(call)->is_writable) {
		error = FS_ERROR_READ_ONLY;
	}
	if (error == 0 && !is_range_of(volume->device, request->offset, request->length)) {
		error = -ERR_ILLEGAL_ARGS;
	}
	if (error == 0 && request->length > 0) {
		error = fs_error_of(files_transfer(
			call->task, &volume->raw, request, bragi_handles_take(&call->received, 0)));
	}
	if (error == 0) {
		out_reply->n_bytes = request->length;
	}
	return error;
}

static int raw_open_direct(struct bragi_call *call, const struct fs_open_direct_request *request,
	struct fs_open_direct_reply *out_reply)
{
	struct session *session = session_of_call(call);
	struct volume *volume;
	int error = find(call, request->node, &volume);

	if (error == 0 && request->is_writable != 0 && !session->is_writable) {
		error = FS_ERROR_READ_ONLY;
	}
	return error != 0
		? error
		: direct_open(call, &volume->raw, request->is_writable != 0, &out_reply->id);
}

/* ---- durability ------------------------------------------------------------------------------ */

static int sync_volume(struct bragi_call *call)
{
	struct volume *volume;
	int error = find(call, ROOT_ID, &volume);

	error = error != 0 ? error : contents_sync(call->task, &volume->raw, 0, 0);
	error = error != 0 ? error : device_flush(call->task, volume->device);
	return fs_error_of(error);
}

static int raw_prepare(struct bragi_call *call, const struct fs_prepare_request *request,
	struct fs_prepare_reply *out_reply UNUSED)
{
	struct volume *volume;

	return find(call, request->node, &volume);
}

static int raw_sync_node(struct bragi_call *call, const struct fs_sync_node_request *request,
	struct fs_sync_node_reply *out_reply UNUSED)
{
	return request->node == ROOT_ID ? sync_volume(call) : -ERR_NOT_FOUND;
}

static int raw_sync(struct bragi_call *call, const struct fs_sync_request *request UNUSED,
	struct fs_sync_reply *out_reply UNUSED)
{
	return sync_volume(call);
}

/* ---- what is not there ----------------------------------------------------------------------- */

#define REFUSE(call_name, result) \
	static int raw_##call_name(struct bragi_call *call UNUSED, \
		const struct fs_##call_name##_request *request UNUSED, \
		struct fs_##call_name##_reply *out_reply UNUSED) \
	{ \
		return result; \
	}

REFUSE(lookup, FS_ERROR_NOT_DIRECTORY)
REFUSE(find, FS_ERROR_UNSUPPORTED_HERE)
REFUSE(parent, FS_ERROR_NOT_DIRECTORY)
REFUSE(read_directory, FS_ERROR_NOT_DIRECTORY)
REFUSE(create, FS_ERROR_NOT_DIRECTORY)
REFUSE(link, FS_ERROR_NOT_DIRECTORY)
REFUSE(unlink, FS_ERROR_NOT_DIRECTORY)
REFUSE(rename, FS_ERROR_NOT_DIRECTORY)
REFUSE(read_link, -ERR_ILLEGAL_ARGS)
REFUSE(set_attributes, FS_ERROR_UNSUPPORTED_HERE)
REFUSE(get_xattr, FS_ERROR_UNSUPPORTED_HERE)
REFUSE(set_xattr, FS_ERROR_UNSUPPORTED_HERE)
REFUSE(remove_xattr, FS_ERROR_UNSUPPORTED_HERE)
REFUSE(list_xattrs, FS_ERROR_UNSUPPORTED_HERE)
REFUSE(allocate, FS_ERROR_UNSUPPORTED_HERE)
REFUSE(statistics, FS_ERROR_UNSUPPORTED_HERE)
REFUSE(remount, FS_ERROR_UNSUPPORTED_HERE)

const struct fs_session_ops session_raw_ops = {
	.lookup = raw_lookup,
	.find = raw_find,
	.parent = raw_parent,
	.read_directory = raw_read_directory,
	.create = raw_create,
	.link = raw_link,
	.unlink = raw_unlink,
	.rename = raw_rename,
	.read_link = raw_read_link,
	.forget = raw_forget,
	.get_attributes = raw_get_attributes,
	.set_attributes = raw_set_attributes,
	.get_xattr = raw_get_xattr,
	.set_xattr = raw_set_xattr,
	.remove_xattr = raw_remove_xattr,
	.list_xattrs = raw_list_xattrs,
	.contents = raw_contents,
	.reserve = raw_reserve,
	.allocate = raw_allocate,
	.map = raw_map,
	.transfer = raw_transfer,
	.open_direct = raw_open_direct,
	.close_direct = serve_close_direct,
	.lend_direct = serve_lend_direct,
	.prepare = raw_prepare,
	.sync_node = raw_sync_node,
	.sync = raw_sync,
	.statistics = raw_statistics,
	.remount = raw_remount,
	.unmount = serve_unmount,
};

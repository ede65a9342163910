/* SPDX-License-Identifier: MIT */
/* Clients of a volume: the calls of the protocol `volume`. */
#include "disk.h"
#include "error.h"
#include "session.h"
#include "type.h"

#include <base/errors.h>
#include <base/string.h>

#define CALLS_MAX        8
#define WATCHES_MAX      4 /* of one client that wait: there is always a slot for something else */
#define REQUEST_SIZE_MAX 8192
#define REPLY_SIZE_MAX   2048

struct client {
	struct transport_service service;
	struct volume *volume; /* a reference */
	uint32_t n_watches;
};

static struct client *client_of_call(const struct bragi_call *call)
{
	return container_of(transport_service_of_call(call), struct client, service);
}

/* ---- what it is ------------------------------------------------------------------------------ */

static uint32_t flags_of(const struct volume *volume)
{
	uint32_t features = volume->disk->block.geometry.features;
	uint32_t flags = volume->device->is_read_only ? FS_VOLUME_FLAG_READ_ONLY : 0;

	flags |= (features & BLOCK_FEATURE_REMOVABLE) != 0 ? FS_VOLUME_FLAG_REMOVABLE : 0;
	flags |= (features & BLOCK_FEATURE_ROTATIONAL) != 0 ? FS_VOLUME_FLAG_ROTATIONAL : 0;
	flags |= (features & BLOCK_FEATURE_DISCARD) != 0 ? FS_VOLUME_FLAG_DISCARD : 0;
	flags |= (features & BLOCK_FEATURE_WRITE_CACHE) != 0 ? FS_VOLUME_FLAG_WRITE_CACHE : 0;
	return flags;
}

static int serve_info(struct bragi_call *call, const struct fs_info_request *request UNUSED,
	struct fs_info_reply *out_reply)
{
	const struct volume *volume = client_of_call(call)->volume;
	const struct block_geometry *geometry = &volume->disk->block.geometry;
	const struct partition *partition = &volume->partition;
	const struct partition_table *table = volume->disk->table;

	*out_reply = (struct fs_info_reply){
		.flags = flags_of(volume),
		.start_bytes = partition->start,
		.size_bytes = volume->device->size,
		.logical_block_bytes = geometry->logical_block_bytes,
		.physical_block_bytes = geometry->physical_block_bytes,
		.optimal_bytes = geometry->optimal_bytes,
		.partition = partition->number,
		.scheme = (enum fs_scheme)table->scheme, /* in the same order */
		.discard_alignment = geometry->discard_alignment,
		.discard_bytes_max = geometry->discard_bytes_max,
		.zeroes_bytes_max = geometry->zeroes_bytes_max,
		.mbr_type = partition->mbr_type,
		.n_sessions = volume->n_sessions,
		.label = bragi_string_of(partition->name),
		.model = bragi_string_of(geometry->model),
		.serial = bragi_string_of(geometry->serial),
	};
	memcpy(out_reply->table_uuid, table->uuid, sizeof(table->uuid));
	memcpy(out_reply->uuid, partition->uuid, sizeof(partition->uuid));
	memcpy(out_reply->type_uuid, partition->type, sizeof(partition->type));
	return volume_is_gone(volume) ? -ERR_END_OF_LANE : 0;
}

static_assert((int)FS_SCHEME_MBR == PARTITIONS_MBR);
static_assert((int)FS_SCHEME_GPT == PARTITIONS_GPT);

static int serve_watch(struct bragi_call *call, const struct fs_watch_request *request,
	struct fs_watch_reply *out_reply)
{
	struct client *client = client_of_call(call);
	const struct volume *volume = client->volume;
	struct disk *disk = volume->disk;
	int error = 0;

	if (client->n_watches == WATCHES_MAX || disk->n_watches == DISK_WATCHES_MAX) {
		return FS_ERROR_BUSY;
	}
	client->n_watches++;
	disk->n_watches++;
	while (error == 0 && !volume_is_gone(volume) &&
		volume->device->size == request->size_bytes) {
		error = wait_on(call->task, &disk->changed);
	}
	client->n_watches--;
	disk->n_watches--;
	if (disk->is_gone) {
		wait_queue_wake(&disk->changed); /* it waits until nobody watches */
	}
	out_reply->size_bytes = volume->device->size;
	return error == 0 && volume_is_gone(volume) ? -ERR_END_OF_LANE : error;
}

/* ---- sessions -------------------------------------------------------------------------------- */

static int give(struct bragi_call *call, int error, hel_handle handle)
{
	if (error == 0 && !bragi_handles_add(&call->to_send, handle)) {
		hel_close(HEL_THIS, handle);
		error = -ERR_NO_SPACE;
	}
	return fs_error_of(error);
}

static int serve_open(struct bragi_call *call, const struct fs_open_request *request,
	struct fs_open_reply *out_reply)
{
	struct volume *volume = client_of_call(call)->volume;
	hel_handle lane = HEL_NULL;
	struct scope shield;

	scope_begin_shield(call->task, &shield);
	int error = session_open(
		call->task, volume, request->is_writable != 0, &lane, &out_reply->root);

	(void)!scope_join(&shield);
	return give(call, error, lane);
}

static int serve_mount(struct bragi_call *call, const struct fs_mount_request *request,
	struct fs_mount_reply *out_reply)
{
	struct volume *volume = client_of_call(call)->volume;
	struct fs_type_options options;
	struct session_mount mount = {
		.type = fs_type_find(request->type),
		.is_read_only = request->is_read_only != 0,
		.skips_journal = request->skips_journal != 0,
		.on_error = (enum blockfs_on_error)request->on_error, /* in the same order */
		.options = { request->options.text, request->options.length },
	};
	hel_handle lane = HEL_NULL;
	struct session *session;
	struct blockfs_statistics statistics;
	struct scope shield;

	if (mount.type == NULL) {
		return FS_ERROR_UNKNOWN_TYPE;
	}
	int error = fs_type_parse(mount.type, request->options, &options);

	if (error != 0) {
		return error;
	}
	mount.tick_seconds = options.tick_seconds;
	mount.data_mode = options.data_mode;
	scope_begin_shield(call->task, &shield);
	error = session_mount(call->task, volume, &mount, &session, &lane, &out_reply->root);

	(void)!scope_join(&shield);
	if (error == 0) {
		session->fs->ops->statistics(session->fs, &statistics);
		out_reply->block_bytes = statistics.block_size;
		out_reply->is_read_only = session->fs->is_read_only;
	}
	return give(call, error, lane);
}

static_assert((int)FS_ON_ERROR_CONTINUE == BLOCKFS_ON_ERROR_CONTINUE);
static_assert((int)FS_ON_ERROR_REMOUNT_READ_ONLY == BLOCKFS_ON_ERROR_READ_ONLY);
static_assert((int)FS_ON_ERROR_PANIC == BLOCKFS_ON_ERROR_PANIC);

/* ---- the disk -------------------------------------------------------------------------------- */

static int serve_rescan(struct bragi_call *call, const struct fs_rescan_request *request UNUSED,
	struct fs_rescan_reply *out_reply UNUSED)
{
	struct scope shield;

	scope_begin_shield(call->task, &shield);
	int error = disk_rescan(call->task, client_of_call(call)->volume->disk);

	(void)!scope_join(&shield);
	return fs_error_of(error);
}

static int clear(struct task *task, struct volume *volume, const struct fs_clear_request *request)
{
	struct device_request action;
	int error = volume_open(task, volume, true);

	if (error != 0) {
		return error;
	}
	error = rwlock_write(task, &volume->raw.lock);
	if (error == 0) {
		device_request_init(&action, volume->device,
			request->is_discard != 0 ? DEVICE_DISCARD : DEVICE_WRITE_ZEROES,
			request->offset, request->length);
		error = await(task, &action.op);
		contents_drop(&volume->raw, request->offset, request->length);
		rwlock_write_done(&volume->raw.lock);
	}
	int closed = volume_close(task, volume, true);

	return error != 0 ? error : closed;
}

static int serve_clear(struct bragi_call *call, const struct fs_clear_request *request,
	struct fs_clear_reply *out_reply UNUSED)
{
	struct volume *volume = client_of_call(call)->volume;
	const struct device *device = volume->device;
	struct scope shield;

	if (!is_aligned(request->offset | request->length, device->block_size) ||
		request->length > device->size ||
		request->offset > device->size - request->length) {
		return -ERR_ILLEGAL_ARGS;
	}
	if (request->is_discard != 0 ? !device->can_discard : !device->can_write_zeroes) {
		return FS_ERROR_UNSUPPORTED_HERE;
	}
	scope_begin_shield(call->task, &shield);
	int error = volume_is_gone(volume) ? -ERR_END_OF_LANE : clear(call->task, volume, request);

	(void)!scope_join(&shield);
	return fs_error_of(error);
}

static int serve_counters(struct bragi_call *call, const struct fs_counters_request *request UNUSED,
	struct fs_counters_reply *out_reply UNUSED)
{
	const struct volume *volume = client_of_call(call)->volume;
	hel_handle memory;
	int error = hel_transfer(HEL_THIS, volume->counters.memory, HEL_THIS,
		HEL_RIGHT_READ | HEL_RIGHT_DERIVE, &memory);

	return error != 0 ? error : give(call, 0, memory);
}

static const struct fs_volume_ops volume_ops = {
	.info = serve_info,
	.open = serve_open,
	.mount = serve_mount,
	.rescan = serve_rescan,
	.clear = serve_clear,
	.watch = serve_watch,
	.counters = serve_counters,
};

/* ---- clients --------------------------------------------------------------------------------- */

static void client_dispatch(struct bragi_call *call)
{
	/* a request without an answer: the client learns from the end of the conversation */
	(void)!fs_volume_dispatch(&volume_ops, call);
}

static void client_closed(struct transport_service *service)
{
	struct client *client = container_of(service, struct client, service);

	volume_put(client->volume);
	helix_free(client);
}

void volume_serve(struct volume *volume, hel_handle lane)
{
	struct client *client = helix_calloc(1, sizeof(*client));
	const struct transport_service_config config = {
		.loop = volume->disk->loop,
		.lane = lane,
		.name = "volume call",
		.dispatch = client_dispatch,
		.closed = client_closed,
		.n_calls_max = CALLS_MAX,
		.request_size_max = REQUEST_SIZE_MAX,
		.reply_size_max = REPLY_SIZE_MAX,
	};

	if (client != NULL) {
		client->volume = volume_get(volume);
		if (transport_service_start(&client->service, &config) == 0) {
			return;
		}
		volume_put(volume);
	}
	helix_free(client);
	hel_close(HEL_THIS, lane);
}

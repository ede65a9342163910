/* SPDX-License-Identifier: MIT */
/* The life of sessions: see session.h. */
#include "session.h"

#include "clock.h"
#include "direct.h"
#include "disk.h"
#include "type.h"

#include <base/assert.h>
#include <base/errors.h>
#include <base/string.h>

#define ARENA_BYTES_MIN MIB(8)
#define ARENA_BYTES_MAX MIB(64)
#define ARENA_SHARE     128 /* of the volume's bytes */
#define NS_PER_SECOND   UINT64_C(1000000000)

/* ---- what file systems ask for --------------------------------------------------------------- */

static struct session *session_of_host(struct blockfs_host *host)
{
	return container_of(host, struct session, host);
}

static struct blockfs_time host_now(UNUSED struct blockfs_host *host)
{
	int64_t now_ns = fs_realtime_ns();
	const int64_t second = (int64_t)NS_PER_SECOND;
	int64_t seconds = now_ns / second - (now_ns % second < 0);

	return (struct blockfs_time){
		.seconds = seconds,
		.nanoseconds = (uint32_t)(now_ns - seconds * second),
	};
}

static void host_fill(UNUSED struct blockfs_host *host, const struct device_buffer *buffer,
	uint64_t offset, const void *data, uint64_t length)
{
	if (data == NULL) {
		io_buffer_zero(buffer, offset, length);
	} else {
		/* a page that cannot be had cannot be shown either: thor says so then */
		(void)!hel_memory_write(
			io_buffer_memory(buffer)->handle, buffer->offset + offset, data, length);
	}
}

static void host_fetch(UNUSED struct blockfs_host *host, const struct device_buffer *buffer,
	uint64_t offset, void *out_data, uint64_t length)
{
	if (hel_memory_read(io_buffer_memory(buffer)->handle, buffer->offset + offset, out_data,
		    length) != 0) {
		memset(out_data, 0, length);
	}
}

static void host_complain(struct blockfs_host *host, const char *text)
{
	helix_log(HEL_LOG_WARNING, "%s: %s", session_of_host(host)->volume->name, text);
}

static uint64_t host_random(UNUSED struct blockfs_host *host)
{
	uint64_t value = 0;

	(void)!hel_random(&value, sizeof(value));
	return value;
}

static const struct blockfs_host session_host = {
	.now = host_now,
	.fill = host_fill,
	.fetch = host_fetch,
	.complain = host_complain,
	.random = host_random,
};

/* ---- calls ----------------------------------------------------------------------------------- */

bool session_is_gone(const struct session *session)
{
	return session->volume->disk->is_gone;
}

int session_find(const struct bragi_call *call, uint64_t id, struct node **out_node)
{
	struct session *session = session_of_call(call);

	if (session_is_gone(session)) {
		return -ERR_END_OF_LANE;
	}
	struct node *node = node_find(&session->nodes, id);

	if (node == NULL) {
		return -ERR_NOT_FOUND;
	}
	*out_node = node;
	return 0;
}

static void session_dispatch(struct bragi_call *call)
{
	struct session *session = session_of_call(call);
	struct scope shield;

	if (session->is_ending) {
		return;
	}
	session->n_calls++;
	scope_begin_shield(call->task, &shield);
	(void)!fs_session_dispatch(
		session->fs != NULL ? &session_mounted_ops : &session_raw_ops, call);
	(void)!scope_join(&shield);
	session->n_calls--;
	wait_queue_wake(&session->quiet);
}

/* ---- the end --------------------------------------------------------------------------------- */

static void arena_free(struct task *task, struct session *session)
{
	if (session->arena_address != NULL) {
		io_memory_detach(task, &session->volume->disk->io, &session->arena);
		helix_unmap(session->arena_address, session->arena_size);
		hel_close(HEL_THIS, session->arena.handle);
		session->arena_address = NULL;
	}
}

static int session_unmount(struct task *task, struct session *session)
{
	job_cancel(&session->ticker, -ERR_CANCELLED);
	while (session->is_ticking) {
		(void)!wait_on(task, &session->quiet);
	}
	int error = node_table_sync(task, &session->nodes);

	node_table_drop(task, &session->nodes);
	node_table_deinit(&session->nodes);
	int unmounted = session->fs->ops->unmount(task, session->fs);

	arena_free(task, session);
	session->volume->is_mounted = false;
	return error != 0 ? error : unmounted;
}

int session_end(struct task *task, struct session *session)
{
	struct scope shield;
	uint32_t n_own = session->is_closed ? 0 : 1;
	int error;

	session->is_ending = true;
	scope_begin_shield(task, &shield);
	while (session->n_calls > n_own) {
		(void)!wait_on(task, &session->quiet);
	}
	direct_close_all(task, session);
	error = session->fs != NULL ? session_unmount(task, session)
				    : volume_close(task, session->volume, session->is_writable);
	io_guests_drop(task, &session->volume->disk->io);
	(void)!scope_join(&shield);
	session->has_ended = true;
	session->volume->n_sessions--;
	return error;
}

static void session_free(struct session *session)
{
	volume_put(session->volume);
	helix_free(session);
}

static int session_end_alone(struct task *task, void *argument)
{
	struct session *session = argument;
	int error = session->has_ended ? 0 : session_end(task, session);

	if (error != 0 && error != -ERR_END_OF_LANE) {
		helix_log(HEL_LOG_WARNING, "%s: the end of a session: %s", session->volume->name,
			blockfs_error_name(error));
	}
	task->job = NULL;
	session_free(session);
	return 0;
}

static void session_closed(struct transport_service *service)
{
	struct session *session = container_of(service, struct session, service);

	session->is_closed = true;
	job_init(&session->job, "session end", session_end_alone, session);
	job_submit(session->volume->disk->loop, &session->job);
}

/* ---- the beginning --------------------------------------------------------------------------- */

static struct session *session_create(struct volume *volume)
{
	struct session *session = helix_calloc(1, sizeof(*session));

	if (session != NULL) {
		session->volume = volume_get(volume);
		session->host = session_host;
		wait_queue_init(&session->quiet);
		list_init(&session->directs);
		volume->n_sessions++;
	}
	return session;
}

static int session_serve(struct session *session, hel_handle *out_lane)
{
	struct hel_stream_lanes lanes;
	int error = hel_stream_create(&lanes);

	if (error != 0) {
		return error;
	}
	const struct transport_service_config config = {
		.loop = session->volume->disk->loop,
		.lane = lanes.lane[0],
		.name = "session call",
		.dispatch = session_dispatch,
		.closed = session_closed,
		.n_calls_max = SESSION_CALLS_MAX,
		.request_size_max = FS_LIMITS_MESSAGE_BYTES_MAX,
		.reply_size_max = FS_LIMITS_MESSAGE_BYTES_MAX,
		.arena_size = FS_LIMITS_MESSAGE_BYTES_MAX,
	};

	error = transport_service_start(&session->service, &config);
	if (error != 0) {
		hel_close(HEL_THIS, lanes.lane[0]);
		hel_close(HEL_THIS, lanes.lane[1]);
		return error;
	}
	*out_lane = lanes.lane[1];
	return 0;
}

/* It cannot be begun: what has been done so far is undone. */
static void session_abandon(struct task *task, struct session *session)
{
	session->is_closed = true; /* there is no call */
	if (!session->has_ended) {
		(void)session_end(task, session);
	}
	session_free(session);
}

/* ---- mounting -------------------------------------------------------------------------------- */

/* Bounds what a power cut loses. */
static int ticker_run(struct task *task, void *argument)
{
	struct session *session = argument;

	uint64_t period_ns = session->tick_seconds * NS_PER_SECOND;

	while (task_sleep_until(task, task_now_ns(task) + period_ns) == 0) {
		(void)session->fs->ops->tick(task, session->fs); /* it keeps its error */
	}
	session->is_ticking = false;
	wait_queue_wake(&session->quiet);
	return 0;
}

static int arena_make(struct task *task, struct session *session)
{
	uint64_t size = align_up(
		min_u64(max_u64(session->volume->device->size / ARENA_SHARE, ARENA_BYTES_MIN),
			ARENA_BYTES_MAX),
		HEL_PAGE_SIZE);
	hel_handle memory;
	void *address;
	int error = hel_memory_allocate(size, 0, &memory);

	if (error != 0) {
		return error;
	}
	error = helix_map(memory, 0, size, HEL_MAP_READ | HEL_MAP_WRITE, &address);
	if (error == 0) {
		error = io_memory_attach(task, &session->volume->disk->io, memory, &session->arena);
		if (error == 0) {
			session->arena_address = address;
			session->arena_size = size;
			return 0;
		}
		helix_unmap(address, size);
	}
	hel_close(HEL_THIS, memory);
	return error;
}

static int mount_type(struct task *task, struct session *session, const struct session_mount *mount)
{
	const struct blockfs_mount_options options = {
		.loop = session->volume->disk->loop,
		.device = session->volume->device,
		.host = &session->host,
		.arena = {
			.memory = (uint64_t)(uintptr_t)&session->arena,
			.address = session->arena_address,
			.size = session->arena_size,
		},
		.is_read_only = mount->is_read_only || session->volume->device->is_read_only,
		.skips_journal = mount->skips_journal,
		.on_error = mount->on_error,
		.data_mode = mount->data_mode,
		.ext_kind = mount->type->ext_kind,
		.text = mount->options,
	};

	return mount->type->mount(task, &options, &session->fs);
}

/* Until here the session is not served, and nobody else sees it. */
static int mount_all(struct task *task, struct session *session, const struct session_mount *mount)
{
	int error = arena_make(task, session);

	error = error != 0 ? error : mount_type(task, session, mount);
	if (error != 0) {
		arena_free(task, session);
		return error;
	}
	error = node_table_init(&session->nodes, session->fs, session->volume->disk->loop,
		&session->volume->disk->io);
	if (error != 0) {
		(void)session->fs->ops->unmount(task, session->fs);
		session->fs = NULL;
		arena_free(task, session);
		return error;
	}
	session->is_ticking = true;
	session->tick_seconds = mount->tick_seconds;
	job_init(&session->ticker, "tick", ticker_run, session);
	job_submit(session->volume->disk->loop, &session->ticker);
	return 0;
}

static int tell_root(struct task *task, struct session *session, struct fs_node *out_root)
{
	struct blockfs_node *root;
	int error = session->fs->ops->root(task, session->fs, &root);
	struct node *node = error == 0 ? node_take(task, &session->nodes, root) : NULL;

	if (node == NULL) {
		return error != 0 ? error : -ERR_NO_MEMORY;
	}
	node_tell(node, out_root);
	node_put(task, node);
	return 0;
}

int session_mount(struct task *task, struct volume *volume, const struct session_mount *mount,
	struct session **out_session, hel_handle *out_lane, struct fs_node *out_root)
{
	if (volume_is_gone(volume)) {
		return -ERR_END_OF_LANE;
	}
	if (volume->is_mounted || volume->n_writers > 0) {
		return -ERR_BUSY;
	}
	struct session *session = session_create(volume);

	if (session == NULL) {
		return -ERR_NO_MEMORY;
	}
	volume->is_mounted = true;
	int error = mount_all(task, session, mount);

	if (error != 0) {
		volume->is_mounted = false;
		volume->n_sessions--;
		session_free(session);
		return error;
	}
	error = tell_root(task, session, out_root);
	error = error != 0 ? error : session_serve(session, out_lane);
	if (error != 0) {
		session_abandon(task, session);
		return error;
	}
	*out_session = session;
	return 0;
}

/* ---- opening --------------------------------------------------------------------------------- */

int session_open(struct task *task, struct volume *volume, bool is_writable, hel_handle *out_lane,
	struct fs_node *out_root)
{
	struct session *session = volume_is_gone(volume) ? NULL : session_create(volume);

	if (session == NULL) {
		return volume_is_gone(volume) ? -ERR_END_OF_LANE : -ERR_NO_MEMORY;
	}
	int error = volume_open(task, volume, is_writable);

	if (error != 0) {
		volume->n_sessions--;
		session_free(session);
		return error;
	}
	session->is_writable = is_writable;
	raw_tell(volume, out_root);
	error = session_serve(session, out_lane);
	if (error != 0) {
		session_abandon(task, session);
	}
	return error;
}

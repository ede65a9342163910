/* SPDX-License-Identifier: MIT */
/* The life of sessions, their options, and calls about a whole share: see session.h. */
#include "session.h"

#include "host.h"

#include <async/task.h>
#include <base/errors.h>
#include <base/string.h>

#define ROOT_FID        0
#define BLOCK_BYTES_MAX (UINT32_C(1) << 30)

/* ---- calls ----------------------------------------------------------------------------------- */

int session_find(const struct bragi_call *call, uint64_t id, struct node **out_node)
{
	struct node *node = node_find(&session_of_call(call)->nodes, id);

	if (node == NULL) {
		return -ERR_NOT_FOUND;
	}
	*out_node = node;
	return 0;
}

static void session_dispatch(struct bragi_call *call)
{
	struct session *session = session_of_call(call);
	struct node_call node_call;
	struct scope shield;

	if (session->is_ending) {
		return;
	}
	session->n_calls++;
	scope_begin_shield(call->task, &shield);
	node_call_begin(&session->nodes, &node_call);
	(void)!fs_session_dispatch(&session_ops, call);
	node_call_end(call->task, &session->nodes, &node_call);
	(void)!scope_join(&shield);
	session->n_calls--;
	wait_queue_wake(&session->quiet);
}

static int serve_forget(struct bragi_call *call, const struct fs_forget_request *request,
	struct fs_forget_reply *out_reply UNUSED)
{
	struct node *node;
	int error = session_find(call, request->node, &node);

	if (error == 0) {
		node_forget(node, request->n_references);
		node_put(call->task, node);
	}
	return error;
}

static int serve_sync(struct bragi_call *call, const struct fs_sync_request *request UNUSED,
	struct fs_sync_reply *out_reply UNUSED)
{
	return node_table_sync(call->task, &session_of_call(call)->nodes);
}

static int serve_statistics(struct bragi_call *call,
	const struct fs_statistics_request *request UNUSED, struct fs_statistics_reply *out_reply)
{
	struct wire_statistics statistics;
	int error = host_statistics(
		call->task, &session_of_call(call)->share->channel, ROOT_FID, &statistics);

	if (error == 0 &&
		(statistics.block_bytes == 0 || statistics.block_bytes > BLOCK_BYTES_MAX)) {
		error = -ERR_PROTOCOL;
	}
	if (error == 0) {
		*out_reply = (struct fs_statistics_reply){
			.block_bytes = statistics.block_bytes,
			.n_blocks = statistics.n_blocks,
			.n_blocks_free = statistics.n_free,
			.n_blocks_available = statistics.n_available,
			.n_nodes = statistics.n_files,
			.n_nodes_free = statistics.n_files_free,
			.id = statistics.id,
			.magic = statistics.type,
			.name_bytes_max = statistics.name_max,
		};
	}
	return error;
}

static int serve_remount(struct bragi_call *call, const struct fs_remount_request *request,
	struct fs_remount_reply *out_reply UNUSED)
{
	struct session *session = session_of_call(call);
	int error = request->is_read_only != 0 ? node_table_sync(call->task, &session->nodes) : 0;

	if (error == 0) {
		session->is_read_only = request->is_read_only != 0;
	}
	return error;
}

static int serve_unmount(struct bragi_call *call, const struct fs_unmount_request *request UNUSED,
	struct fs_unmount_reply *out_reply UNUSED)
{
	return session_end(call->task, session_of_call(call));
}

#define REFUSE(call_name, result) \
	static int serve_##call_name(struct bragi_call *call UNUSED, \
		const struct fs_##call_name##_request *request UNUSED, \
		struct fs_##call_name##_reply *out_reply UNUSED) \
	{ \
		return result; \
	}

REFUSE(find, FS_ERROR_STALE) /* the host knows no numbers */
REFUSE(reserve, FS_ERROR_UNSUPPORTED_HERE)
REFUSE(allocate, FS_ERROR_UNSUPPORTED_HERE)
REFUSE(map, FS_ERROR_UNSUPPORTED_HERE)

static int serve_open_direct(struct bragi_call *call UNUSED,
	const struct fs_open_direct_request *request UNUSED,
	struct fs_open_direct_reply *out_reply UNUSED)
{
	return FS_ERROR_UNSUPPORTED_HERE;
}

static int serve_close_direct(struct bragi_call *call UNUSED,
	const struct fs_close_direct_request *request UNUSED,
	struct fs_close_direct_reply *out_reply UNUSED)
{
	return -ERR_NOT_FOUND; /* none was opened */
}

static int serve_lend_direct(struct bragi_call *call UNUSED,
	const struct fs_lend_direct_request *request UNUSED,
	struct fs_lend_direct_reply *out_reply UNUSED)
{
	return -ERR_NOT_FOUND; /* likewise */
}

const struct fs_session_ops session_ops = {
	.lookup = serve_lookup,
	.find = serve_find,
	.parent = serve_parent,
	.read_directory = serve_read_directory,
	.create = serve_create,
	.link = serve_link,
	.unlink = serve_unlink,
	.rename = serve_rename,
	.read_link = serve_read_link,
	.forget = serve_forget,
	.get_attributes = serve_get_attributes,
	.set_attributes = serve_set_attributes,
	.get_xattr = serve_get_xattr,
	.set_xattr = serve_set_xattr,
	.remove_xattr = serve_remove_xattr,
	.list_xattrs = serve_list_xattrs,
	.contents = serve_contents,
	.reserve = serve_reserve,
	.allocate = serve_allocate,
	.map = serve_map,
	.transfer = serve_transfer,
	.open_direct = serve_open_direct,
	.close_direct = serve_close_direct,
	.lend_direct = serve_lend_direct,
	.prepare = serve_prepare,
	.sync_node = serve_sync_node,
	.sync = serve_sync,
	.statistics = serve_statistics,
	.remount = serve_remount,
	.unmount = serve_unmount,
};

/* ---- the end --------------------------------------------------------------------------------- */

int session_end(struct task *task, struct session *session)
{
	uint32_t n_own = session->is_closed ? 0 : 1;
	struct scope shield;

	session->is_ending = true;
	scope_begin_shield(task, &shield);
	while (session->n_calls > n_own) {
		(void)!wait_on(task, &session->quiet);
	}
	int error = node_table_sync(task, &session->nodes);

	node_table_drop(task, &session->nodes);
	(void)!scope_join(&shield);
	session->has_ended = true;
	session->share->is_mounted = false;
	return error;
}

static int session_end_alone(struct task *task, void *argument)
{
	struct session *session = argument;
	int error = session->has_ended ? 0 : session_end(task, session);

	if (error != 0) {
		helix_log(HEL_LOG_WARNING, "%s: at the end of a session not all could be stored",
			session->share->channel.tag);
	}
	task->job = NULL;
	helix_free(session);
	return 0;
}

static void session_closed(struct transport_service *service)
{
	struct session *session = container_of(service, struct session, service);

	session->is_closed = true;
	job_init(&session->job, "session end", session_end_alone, session);
	job_submit(&session->share->loop->loop, &session->job);
}

/* ---- the beginning --------------------------------------------------------------------------- */

static int session_serve(struct session *session, hel_handle *out_lane)
{
	struct hel_stream_lanes lanes;
	int error = hel_stream_create(&lanes);

	if (error != 0) {
		return error;
	}
	const struct transport_service_config config = {
		.loop = &session->share->loop->loop,
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

/* The host forgets all fids that it may still have of somebody else. */
static int attach(struct task *task, struct session *session, const struct mount_options *options,
	struct node **out_root)
{
	struct channel *channel = &session->share->channel;
	struct wire_attributes attributes;

	channel->n_free_fids = 0;
	channel->next_fid = ROOT_FID + 1;
	int error = host_attach(task, channel, ROOT_FID, options->tree, options->message_bytes);
	uint32_t fid;

	error = error != 0 ? error : host_walk(task, channel, ROOT_FID, NULL, &fid);
	error = error != 0 ? error : host_get_attributes(task, channel, fid, &attributes);
	if (error != 0) {
		return error;
	}
	*out_root = node_take(task, &session->nodes, fid, &attributes);
	return *out_root == NULL ? -ERR_NO_MEMORY : 0;
}

static int session_begin(struct task *task, struct session *session,
	const struct mount_options *options, hel_handle *out_lane, struct fs_node *out_root)
{
	struct node *root;
	int error = node_table_init(&session->nodes, &session->share->channel);

	if (error != 0) {
		return error;
	}
	error = attach(task, session, options, &root);
	if (error == 0) {
		node_tell(root, out_root);
		node_put(task, root);
		error = node_is_directory(root) ? session_serve(session, out_lane)
						: FS_ERROR_NOT_DIRECTORY;
	}
	if (error != 0) {
		node_table_drop(task, &session->nodes);
	}
	return error;
}

int session_mount(struct task *task, struct share *share, const struct mount_options *options,
	hel_handle *out_lane, struct fs_node *out_root)
{
	struct session *session;

	if (share->is_mounted) {
		return FS_ERROR_BUSY;
	}
	session = helix_calloc(1, sizeof(*session));
	if (session == NULL) {
		return -ERR_NO_MEMORY;
	}
	session->share = share;
	wait_queue_init(&session->quiet);
	share->is_mounted = true;
	int error = session_begin(task, session, options, out_lane, out_root);

	if (error != 0) {
		share->is_mounted = false;
		helix_free(session);
	}
	return error;
}

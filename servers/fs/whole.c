/* SPDX-License-Identifier: MIT */
/* Calls about a whole file system, and the table of all calls of a mounted one. */
#include "error.h"
#include "session.h"

#include <base/errors.h>

int serve_sync(struct bragi_call *call, const struct fs_sync_request *request UNUSED,
	struct fs_sync_reply *out_reply UNUSED)
{
	struct session *session = session_of_call(call);

	if (session_is_gone(session)) {
		return -ERR_END_OF_LANE;
	}
	int error = node_table_sync(call->task, &session->nodes);
	int synced = session->fs->ops->sync(call->task, session->fs);

	return fs_error_of(error != 0 ? error : synced);
}

int serve_statistics(struct bragi_call *call, const struct fs_statistics_request *request UNUSED,
	struct fs_statistics_reply *out_reply)
{
	struct session *session = session_of_call(call);
	struct blockfs_statistics statistics;

	session->fs->ops->statistics(session->fs, &statistics);
	*out_reply = (struct fs_statistics_reply){
		.block_bytes = statistics.block_size,
		.n_blocks = statistics.n_blocks,
		.n_blocks_free = statistics.n_blocks_free,
		.n_blocks_available = statistics.n_blocks_available,
		.n_nodes = statistics.n_nodes,
		.n_nodes_free = statistics.n_nodes_free,
		.id = statistics.id,
		.magic = statistics.magic,
		.name_bytes_max = statistics.name_max,
	};
	return 0;
}

int serve_remount(struct bragi_call *call, const struct fs_remount_request *request,
	struct fs_remount_reply *out_reply UNUSED)
{
	struct session *session = session_of_call(call);
	bool is_read_only = request->is_read_only != 0;
	int error = session_is_gone(session) ? -ERR_END_OF_LANE : 0;

	if (error == 0 && is_read_only) {
		/* what cannot be stored now never will be */
		error = node_table_sync(call->task, &session->nodes);
	}
	error = error != 0 ? error
			   : session->fs->ops->remount(call->task, session->fs, is_read_only);
	return fs_error_of(error);
}

int serve_unmount(struct bragi_call *call, const struct fs_unmount_request *request UNUSED,
	struct fs_unmount_reply *out_reply UNUSED)
{
	return fs_error_of(session_end(call->task, session_of_call(call)));
}

static int serve_open_direct(struct bragi_call *call UNUSED,
	const struct fs_open_direct_request *request UNUSED,
	struct fs_open_direct_reply *out_reply UNUSED)
{
	return FS_ERROR_UNSUPPORTED_HERE;
}

const struct fs_session_ops session_mounted_ops = {
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

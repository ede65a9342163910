/* SPDX-License-Identifier: MIT */
/*
 * Sessions: a client at a volume that is mounted, or open as it is.
 *
 *	      mount, open                unmount, or the client is gone
 *	(new) -----------> SERVING -----------------------------------> ENDING --> (freed)
 *	                              calls under way are waited for
 *
 * Calls cannot be cancelled: each is bounded by the disk, and what has begun is finished. The end
 * of a session stores what is dirty, gives up all nodes and unmounts. A session that has ended by
 * `unmount` serves nothing more and is freed when its client has closed the lane.
 */
#ifndef FS_SESSION_H
#define FS_SESSION_H

#include "node.h"

#include <protocols/fs/fs.gen.h>
#include <protocols/transport/service.h>

struct fs_type;
struct volume;

/** SESSION_CALLS_MAX - of one session that are under way; tasks are counted on in main.c */
#define SESSION_CALLS_MAX 64

struct session {
	struct transport_service service;
	struct volume *volume; /* a reference */
	bool is_writable;      /* as it was opened; a mounted one: see fs->is_read_only */
	bool is_ending;
	bool has_ended;
	bool is_closed; /* by the client */
	uint32_t n_calls;
	struct wait_queue quiet; /* a call has ended */
	struct list directs;     /* struct direct.node */
	uint32_t n_directs;
	uint64_t direct_next; /* id of the next one */
	struct job job;          /* the end, when the client is gone */

	/* mounted: */
	struct blockfs *fs; /* NULL: open as it is */
	struct blockfs_host host;
	struct io_memory arena;
	void *arena_address;
	size_t arena_size;
	struct node_table nodes;
	struct job ticker;
	bool is_ticking;
	uint32_t tick_seconds;
};

struct session_mount {
	const struct fs_type *type;
	uint32_t tick_seconds;
	bool is_read_only, skips_journal;
	enum blockfs_on_error on_error;
	enum blockfs_data_mode data_mode;
	struct blockfs_name options; /* that the type has accepted; borrowed */
};

/**
 * session_mount() - mount the file system of a volume, and serve it
 * @out_lane: for the client
 * @out_root: its root, with a reference
 *
 * Return: 0, what the type says, -ERR_X.
 */
MUST_USE int session_mount(struct task *task, struct volume *volume,
	const struct session_mount *mount, struct session **out_session, hel_handle *out_lane,
	struct fs_node *out_root);

/** session_open() - serve a volume as it is; likewise */
MUST_USE int session_open(struct task *task, struct volume *volume, bool is_writable,
	hel_handle *out_lane, struct fs_node *out_root);

/* ---- for the calls --------------------------------------------------------------------------- */

/** session_of_call() - the session that a call came to */
static inline struct session *session_of_call(const struct bragi_call *call)
{
	return container_of(transport_service_of_call(call), struct session, service);
}

/** session_is_gone() - whether its disk was taken out: nothing can be done any more */
bool session_is_gone(const struct session *session);

/** session_find() - the node of an id, with one user more: 0, -ERR_NOT_FOUND, -ERR_END_OF_LANE */
MUST_USE int session_find(const struct bragi_call *call, uint64_t id, struct node **out_node);

/** session_end() - store, give up, unmount; only this call is under way. The first error */
MUST_USE int session_end(struct task *task, struct session *session);

extern const struct fs_session_ops session_mounted_ops; /* whole.c */
extern const struct fs_session_ops session_raw_ops; /* raw.c */

/** raw_tell() - what a client is told of the node of a volume that is open as it is */
void raw_tell(const struct volume *volume, struct fs_node *out_node);

/** raw_contents_ops - the contents of a volume that is open as it is: `volume->raw` */
extern const struct contents_ops raw_contents_ops;

/* names.c */
int serve_lookup(struct bragi_call *call, const struct fs_lookup_request *request,
	struct fs_lookup_reply *out_reply);
int serve_find(struct bragi_call *call, const struct fs_find_request *request,
	struct fs_find_reply *out_reply);
int serve_parent(struct bragi_call *call, const struct fs_parent_request *request,
	struct fs_parent_reply *out_reply);
int serve_read_directory(struct bragi_call *call, const struct fs_read_directory_request *request,
	struct fs_read_directory_reply *out_reply);
int serve_create(struct bragi_call *call, const struct fs_create_request *request,
	struct fs_create_reply *out_reply);
int serve_link(struct bragi_call *call, const struct fs_link_request *request,
	struct fs_link_reply *out_reply);
int serve_unlink(struct bragi_call *call, const struct fs_unlink_request *request,
	struct fs_unlink_reply *out_reply);
int serve_rename(struct bragi_call *call, const struct fs_rename_request *request,
	struct fs_rename_reply *out_reply);
int serve_read_link(struct bragi_call *call, const struct fs_read_link_request *request,
	struct fs_read_link_reply *out_reply);

/* attributes.c */
int serve_forget(struct bragi_call *call, const struct fs_forget_request *request,
	struct fs_forget_reply *out_reply);
int serve_get_attributes(struct bragi_call *call, const struct fs_get_attributes_request *request,
	struct fs_get_attributes_reply *out_reply);
int serve_set_attributes(struct bragi_call *call, const struct fs_set_attributes_request *request,
	struct fs_set_attributes_reply *out_reply);
int serve_get_xattr(struct bragi_call *call, const struct fs_get_xattr_request *request,
	struct fs_get_xattr_reply *out_reply);
int serve_set_xattr(struct bragi_call *call, const struct fs_set_xattr_request *request,
	struct fs_set_xattr_reply *out_reply);
int serve_remove_xattr(struct bragi_call *call, const struct fs_remove_xattr_request *request,
	struct fs_remove_xattr_reply *out_reply);
int serve_list_xattrs(struct bragi_call *call, const struct fs_list_xattrs_request *request,
	struct fs_list_xattrs_reply *out_reply);

/* whole.c */
int serve_sync(struct bragi_call *call, const struct fs_sync_request *request,
	struct fs_sync_reply *out_reply);
int serve_statistics(struct bragi_call *call, const struct fs_statistics_request *request,
	struct fs_statistics_reply *out_reply);
int serve_remount(struct bragi_call *call, const struct fs_remount_request *request,
	struct fs_remount_reply *out_reply);
int serve_unmount(struct bragi_call *call, const struct fs_unmount_request *request,
	struct fs_unmount_reply *out_reply);

/* files.c */
int serve_contents(struct bragi_call *call, const struct fs_contents_request *request,
	struct fs_contents_reply *out_reply);
int serve_reserve(struct bragi_call *call, const struct fs_reserve_request *request,
	struct fs_reserve_reply *out_reply);
int serve_allocate(struct bragi_call *call, const struct fs_allocate_request *request,
	struct fs_allocate_reply *out_reply);
int serve_map(struct bragi_call *call, const struct fs_map_request *request,
	struct fs_map_reply *out_reply);
int serve_transfer(struct bragi_call *call, const struct fs_transfer_request *request,
	struct fs_transfer_reply *out_reply);
int serve_prepare(struct bragi_call *call, const struct fs_prepare_request *request,
	struct fs_prepare_reply *out_reply);
int serve_sync_node(struct bragi_call *call, const struct fs_sync_node_request *request,
	struct fs_sync_node_reply *out_reply);

/* direct.c */
int serve_close_direct(struct bragi_call *call, const struct fs_close_direct_request *request,
	struct fs_close_direct_reply *out_reply);
int serve_lend_direct(struct bragi_call *call, const struct fs_lend_direct_request *request,
	struct fs_lend_direct_reply *out_reply);

/** files_push_contents() - a descriptor of the contents' memory goes with the reply */
MUST_USE int files_push_contents(
	struct bragi_call *call, const struct contents *contents, bool is_writable);

/**
 * files_transfer() - between the contents' place on the disk and a client's memory
 * @memory: taken
 *
 * What the pages have of the range is stored first, and dropped when the disk's contents change.
 * Return: 0, -ERR_X, or a BLOCKFS_E_*.
 */
MUST_USE int files_transfer(struct task *task, struct contents *contents,
	const struct fs_transfer_request *request, hel_handle memory);

/**
 * files_move() - the same for memory that is attached
 * @range: what to move; the caller's
 * @buffer: of the range's length
 */
MUST_USE int files_move(struct task *task, struct contents *contents, struct contents_range *range,
	const struct device_buffer *buffer);

#endif

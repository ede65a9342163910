/* SPDX-License-Identifier: MIT */
/*
 * A share that is mounted: the session of docs/protocols/fs.md, one at a time of each device.
 *
 * Calls cannot be cancelled: each is bounded by the host. When the client goes, what has begun is
 * finished, what is dirty is stored, and all fids are given back.
 */
#ifndef NINEP_SESSION_H
#define NINEP_SESSION_H

#include "node.h"
#include "options.h"

#include <protocols/transport/service.h>

/** SESSION_CALLS_MAX - under way at the same time */
#define SESSION_CALLS_MAX 64

/* A device, as clients find it. */
struct share {
	struct channel channel;
	struct helix_loop *loop;
	struct job job;
	hel_handle control; /* of the object on mbus */
	bool is_mounted;
};

struct session {
	struct transport_service service;
	struct share *share;
	struct node_table nodes;
	bool is_ending, has_ended;
	bool is_closed; /* by the client */
	bool keeps_owners; /* the host does not let us give files away */
	bool is_read_only;
	uint32_t n_calls;
	struct wait_queue quiet; /* a call has ended */
	struct job job;          /* the end, when the client is gone */
};

/**
 * session_mount() - mount, and serve a client
 * @out_lane: for the client
 * @out_root: with a reference
 *
 * Return: 0, -ERR_BUSY, what the host says, …
 */
MUST_USE int session_mount(struct task *task, struct share *share,
	const struct mount_options *options, hel_handle *out_lane, struct fs_node *out_root);

/** session_end() - store and give back; of calls only this one is under way. The first error */
MUST_USE int session_end(struct task *task, struct session *session);

static inline struct session *session_of_call(const struct bragi_call *call)
{
	return container_of(transport_service_of_call(call), struct session, service);
}

/** session_find() - the node of an id, with one user more: 0, -ERR_NOT_FOUND */
MUST_USE int session_find(const struct bragi_call *call, uint64_t id, struct node **out_node);

/** session_check_name() - a name that may be sent to the host */
MUST_USE int session_check_name(struct bragi_string name);

extern const struct fs_session_ops session_ops; /* session.c */

/* names.c */
int serve_lookup(struct bragi_call *call, const struct fs_lookup_request *request,
	struct fs_lookup_reply *out_reply);
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

/* files.c */
int serve_contents(struct bragi_call *call, const struct fs_contents_request *request,
	struct fs_contents_reply *out_reply);
int serve_transfer(struct bragi_call *call, const struct fs_transfer_request *request,
	struct fs_transfer_reply *out_reply);
int serve_prepare(struct bragi_call *call, const struct fs_prepare_request *request,
	struct fs_prepare_reply *out_reply);
int serve_sync_node(struct bragi_call *call, const struct fs_sync_node_request *request,
	struct fs_sync_node_reply *out_reply);

/** files_set_size() - a new size, with its pages */
MUST_USE int files_set_size(struct task *task, struct node *node, uint64_t size);

#endif

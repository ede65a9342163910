/* SPDX-License-Identifier: MIT */
/* A client of file servers, for tests: a call is a function. */
#ifndef TESTS_FS_CLIENT_H
#define TESTS_FS_CLIENT_H

#include <helix/helix.h>
#include <protocols/fs/fs.gen.h>
#include <protocols/transport/client.h>

#define FS_BUFFER_BYTES (4 * FS_LIMITS_MESSAGE_BYTES_MAX)

/* A session. Calls are made one after the other: they share the buffer. */
struct fs_client {
	struct transport_client client;
	struct bragi_exchange exchange;
	uint8_t *buffer;
	struct fs_node root;
};

/* Contents of a file, mapped for as long as a test needs them. */
struct fs_mapped {
	hel_handle memory;
	uint8_t *bytes;
	uint64_t size; /* that is mapped */
};

/** fs_client_init() - calls on a lane, which is taken */
MUST_USE int fs_client_init(struct fs_client *client, hel_handle lane);

/**
 * fs_client_init_again() - the same lane, for calls of another task
 * @client: only its buffer is its own: to be freed
 */
MUST_USE int fs_client_init_again(struct fs_client *client, const struct fs_client *other);

/** fs_client_deinit() - the lane is closed */
void fs_client_deinit(struct fs_client *client);

/** fs_volume_find() - wait for the volume of that name; @volume is initialised */
MUST_USE int fs_volume_find(struct task *task, struct fs_client *volume, const char *name);

/** fs_info() - what the volume is; texts are borrowed until the next call */
MUST_USE int fs_info(struct task *task, struct fs_client *volume, struct fs_info_reply *out_info);

/** fs_rescan() - have the table of partitions of its disk read again */
MUST_USE int fs_rescan(struct task *task, struct fs_client *volume);

/** fs_watch() - wait until the volume's size is another one, or it is gone */
MUST_USE int fs_watch(struct task *task, struct fs_client *volume, uint64_t size_bytes);

/** fs_mount() - mount it: @session is initialised */
MUST_USE int fs_mount(struct task *task, struct fs_client *volume, struct fs_client *session,
	const char *type, bool is_read_only);

/** fs_open() - open it as it is */
MUST_USE int fs_open(
	struct task *task, struct fs_client *volume, struct fs_client *session, bool is_writable);

/** fs_unmount() - end a session, whose lane is closed */
MUST_USE int fs_unmount(struct task *task, struct fs_client *session);

MUST_USE int fs_lookup(struct task *task, struct fs_client *session, uint64_t directory,
	const char *name, struct fs_node *out_node);
/** fs_walk() - look up a path from the root; nodes on the way are forgotten */
MUST_USE int fs_walk(
	struct task *task, struct fs_client *session, const char *path, struct fs_node *out_node);
/** fs_create() - @target: of a symbolic link, else NULL */
MUST_USE int fs_create(struct task *task, struct fs_client *session, uint64_t directory,
	const char *name, uint32_t mode, const char *target, struct fs_node *out_node);
MUST_USE int fs_unlink(struct task *task, struct fs_client *session, uint64_t directory,
	const char *name, uint64_t node, bool is_directory);

/** fs_unlink_known() - a file, with so many references to its node */
MUST_USE int fs_unlink_known(struct task *task, struct fs_client *session, uint64_t directory,
	const char *name, uint64_t node, uint32_t n_references);
MUST_USE int fs_link(struct task *task, struct fs_client *session, uint64_t directory,
	const char *name, uint64_t node);
MUST_USE int fs_rename(struct task *task, struct fs_client *session, uint64_t from,
	const char *from_name, uint64_t to, const char *to_name, uint32_t flags);
MUST_USE int fs_forget(
	struct task *task, struct fs_client *session, uint64_t node, uint64_t n_references);
MUST_USE int fs_get_attributes(struct task *task, struct fs_client *session, uint64_t node,
	struct fs_attributes *out_attributes);
MUST_USE int fs_set_size(
	struct task *task, struct fs_client *session, uint64_t node, uint64_t size);
MUST_USE int fs_reserve(struct task *task, struct fs_client *session, uint64_t node,
	uint64_t offset, uint64_t length, uint64_t size);
MUST_USE int fs_allocate(struct task *task, struct fs_client *session, uint64_t node,
	enum fs_allocate_mode mode, uint64_t offset, uint64_t length);
MUST_USE int fs_transfer(struct task *task, struct fs_client *session, uint64_t node, bool is_write,
	uint64_t offset, uint64_t length, hel_handle memory);
/** fs_open_direct() - of the root; the caller's: the event */
MUST_USE int fs_open_direct(struct task *task, struct fs_client *session, bool is_writable,
	hel_handle memory, uint64_t *out_id, hel_handle *out_event);
MUST_USE int fs_close_direct(struct task *task, struct fs_client *session, uint64_t id);
/** fs_lend_direct() - @loan: stays the caller's; HEL_NULL: none */
MUST_USE int fs_lend_direct(struct task *task, struct fs_client *session, uint64_t id,
	uint32_t number, hel_handle loan);
MUST_USE int fs_sync_node(struct task *task, struct fs_client *session, uint64_t node);
MUST_USE int fs_sync(struct task *task, struct fs_client *session);

/** fs_read_directory() - entries from a cookie on; borrowed until the next call */
MUST_USE int fs_read_directory(struct task *task, struct fs_client *session, uint64_t directory,
	uint64_t *cookie, struct bragi_bytes *out_entries);

/** fs_map() - map @size bytes of a node's contents */
MUST_USE int fs_map(struct task *task, struct fs_client *session, uint64_t node, uint64_t size,
	bool is_writable, struct fs_mapped *out_mapped);

/** fs_unmap() - give that back */
void fs_unmap(struct fs_mapped *mapped);

#endif

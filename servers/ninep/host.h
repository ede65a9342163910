/* SPDX-License-Identifier: MIT */
/*
 * What is asked of the host, a function for each message: see wire.h. All suspend, and return 0,
 * FS_ERROR_HOST - errno, or as call_run().
 */
#ifndef NINEP_HOST_H
#define NINEP_HOST_H

#include "channel.h"

/** host_attach() - begin anew: no fids but @fid, the root */
MUST_USE int host_attach(struct task *task, struct channel *channel, uint32_t fid, const char *tree,
	uint32_t message_bytes);

/**
 * host_walk() - a fid of what has that name in a directory
 * @name: NULL: of the same file once more
 * @out_fid: the caller's
 */
MUST_USE int host_walk(struct task *task, struct channel *channel, uint32_t fid,
	const struct wire_text *name, uint32_t *out_fid);

/** host_clunk() - a fid is not needed any more; harmless with CHANNEL_NO_FID */
void host_clunk(struct task *task, struct channel *channel, uint32_t fid);

MUST_USE int host_get_attributes(struct task *task, struct channel *channel, uint32_t fid,
	struct wire_attributes *out_attributes);

struct host_change {
	uint32_t what; /* of wire_set */
	uint32_t mode, uid, gid;
	uint64_t size;
	struct wire_time atime, mtime;
};

MUST_USE int host_set_attributes(
	struct task *task, struct channel *channel, uint32_t fid, const struct host_change *change);

/** host_open() - @fid becomes one that is open; of wire_open */
MUST_USE int host_open(struct task *task, struct channel *channel, uint32_t fid, uint32_t flags);

struct host_new {
	uint32_t directory; /* fid */
	struct wire_text name, target;
	uint32_t mode, gid;
	uint32_t major, minor;
};

/** host_create() - a regular file; new->directory becomes its fid, open to read and write */
MUST_USE int host_create(struct task *task, struct channel *channel, const struct host_new *new,
	struct wire_qid *out_qid);
MUST_USE int host_make_directory(
	struct task *task, struct channel *channel, const struct host_new *new);
MUST_USE int host_make_link(struct task *task, struct channel *channel, const struct host_new *new);
MUST_USE int host_make_special(
	struct task *task, struct channel *channel, const struct host_new *new);

MUST_USE int host_link(struct task *task, struct channel *channel, uint32_t directory, uint32_t fid,
	const struct wire_text *name);
MUST_USE int host_unlink(struct task *task, struct channel *channel, uint32_t directory,
	const struct wire_text *name, bool is_directory);

struct host_place {
	uint32_t directory;
	struct wire_text name;
};

MUST_USE int host_rename(struct task *task, struct channel *channel, const struct host_place *from,
	const struct host_place *to);

/** host_read_link() - @target has room for @size bytes */
MUST_USE int host_read_link(struct task *task, struct channel *channel, uint32_t fid, char *target,
	size_t size, size_t *out_length);

MUST_USE int host_sync(struct task *task, struct channel *channel, uint32_t fid, bool data_only);
MUST_USE int host_statistics(struct task *task, struct channel *channel, uint32_t fid,
	struct wire_statistics *out_statistics);

/**
 * host_walk_xattr() - a fid to read an extended attribute by
 * @name: empty: the names of all
 */
MUST_USE int host_walk_xattr(struct task *task, struct channel *channel, uint32_t fid,
	const struct wire_text *name, uint32_t *out_fid, uint64_t *out_size);

/** host_create_xattr() - @fid becomes one by which the attribute is written; size 0 removes it */
MUST_USE int host_create_xattr(struct task *task, struct channel *channel, uint32_t fid,
	const struct wire_text *name, uint64_t size, uint32_t flags);

/** host_finish() - host_clunk() of one whose end may fail */
MUST_USE int host_finish(struct task *task, struct channel *channel, uint32_t fid);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * What file servers of tests with one volume, which is opened as it is, have in common: the
 * device that posix makes of it, and how a call comes to its handler.
 */
#ifndef POSIX_TESTS_BLOCK_SERVER_H
#define POSIX_TESTS_BLOCK_SERVER_H

#include <posix/server/fs/block.h>
#include <protocols/fs/fs.gen.h>

struct bragi_client;
struct bragi_exchange;

/**
 * block_server_add() - a device of 512-byte blocks, with that name and disk
 *
 * @flags: of the volume
 */
struct block *block_server_add(const char *name, uint64_t size_bytes, uint32_t flags);

/** block_server_tell() - answer `open`: a session, and the node that is the volume */
int block_server_tell(
	struct bragi_call *call, uint64_t size_bytes, struct fs_open_reply *out_reply);

/** block_server_answer() - have the handler of a call answer it; exactly one of both is given */
void block_server_answer(struct bragi_exchange *exchange, const struct fs_volume_ops *volume_ops,
	const struct fs_session_ops *session_ops);

/** block_server_forget() - a handler of `forget` that does not count */
int block_server_forget(struct bragi_call *call, const struct fs_forget_request *request,
	struct fs_forget_reply *out_reply);

#endif

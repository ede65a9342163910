/* SPDX-License-Identifier: MIT */
/*
 * Direct transfers of a process that shares memory with us (protocols/fs/direct.h).
 *
 *	            its bit is taken, the slot copied and checked
 *	SUBMITTED ---------------------------------------------------> quick: a request to the disk
 *	    |                                                            |    (no task)
 *	    | wrong                           pages, or somebody,        |
 *	    |                                 in the way: WAITING, then  |
 *	    v                                 a task moves it            v
 *	   DONE <---------------------------------------------------- it has been moved
 *
 * Quick is what needs no wait before the disk is asked: no page of the range is in memory, the
 * contents' lock is free and nothing under way is in the way. While it is under way it holds the
 * lock and is a range like any other (contents.h), so whoever comes meanwhile waits for it. All
 * else goes the way of `transfer`, by one of DIRECT_TASKS tasks.
 *
 * The memory is shared with a process that may do anything to it. It cannot be resized, so it
 * cannot be taken from below us. A slot is copied before it is looked at, and what is under way is
 * known here (`under_way`), not there.
 *
 * The bytes are in that memory, in units, or in a loan of the process (loan.h). To a transfer that
 * is the same: a buffer of attached memory, which is never mapped here. What is wrong with a loan
 * the driver says, when it would transfer.
 *
 *	OPEN --close, end of the session--> CLOSING --nothing under way--> freed
 */
#ifndef FS_DIRECT_H
#define FS_DIRECT_H

#include "contents.h"
#include "session.h"

#include <protocols/fs/direct.h>

/** DIRECT_TASKS - that move what is not quick, for all sessions */
#define DIRECT_TASKS       32
/** DIRECT_SESSION_MAX - of one session; each keeps FS_DIRECT_SIZE bytes in place */
#define DIRECT_SESSION_MAX 64
/** DIRECT_MAX - of all sessions */
#define DIRECT_MAX         128

/**
 * direct_open() - serve a process
 * @call: of open_direct: the memory came with it; the event goes with its reply
 * @contents: of the session; stay until direct_close_all()
 *
 * Return: 0, -ERR_BAD_HANDLE, -ERR_NO_RIGHTS, -ERR_UNSUPPORTED (a kind of memory that may shrink),
 * -ERR_OUT_OF_BOUNDS (it is too small), -ERR_NO_SPACE (too many), -ERR_NO_MEMORY, what the driver
 * says.
 */
MUST_USE int direct_open(
	struct bragi_call *call, struct contents *contents, bool is_writable, uint64_t *out_id);

/** direct_close_all() - the session ends: nothing is begun any more, and nothing is under way */
void direct_close_all(struct task *task, struct session *session);

#endif

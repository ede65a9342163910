/* SPDX-License-Identifier: MIT */
/* Robust locks of threads that others have ended. */
#ifndef POSIX_ROBUST_H
#define POSIX_ROBUST_H

#include <posix/server/process/process-internal.h>

/**
 * robust_leave() - mark the locks that a thread leaves behind, and wake who waits for them
 * @thread: runs no more; its memory is still there
 *
 * Return: whether that is done; otherwise thread_check_gone() is called when it is.
 */
bool robust_leave(struct thread *thread);

#endif

/* SPDX-License-Identifier: MIT */
/* What a poll that comes in parts leaves with its thread. */
#ifndef POSIX_FILE_POLL_H
#define POSIX_FILE_POLL_H

#include <posix/server/process/process.h>

/** poll_forget_parts() - the thread goes: give back the files that it keeps in @thread->polled */
void poll_forget_parts(struct thread *thread);

#endif

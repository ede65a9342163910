/* SPDX-License-Identifier: MIT */
/* Polls of Linux' asynchronous I/O. */
#ifndef POSIX_FILE_AIO_POLL_H
#define POSIX_FILE_AIO_POLL_H

#include <posix/server/process/process.h>

/** aio_polls_release() - the process ends, or runs another program: its polls are forgotten */
void aio_polls_release(struct process *process);

#endif

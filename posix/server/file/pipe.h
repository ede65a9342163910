/* SPDX-License-Identifier: MIT */
/*
 * Pipes and FIFOs: a queue of bytes between writers and readers.
 *
 * It holds at most the pipe's size (64 KiB, F_SETPIPE_SZ), and takes memory only for what is in
 * it. Writes of at most PIPE_BYTES_ATOMIC bytes are never split. A pipe belongs to an inode: one
 * without a name for pipe(), one in the tree for a FIFO, where it exists while somebody has it
 * open.
 */
#ifndef POSIX_FILE_PIPE_H
#define POSIX_FILE_PIPE_H

#include <posix/server/file/file.h>

/** PIPE_BYTES_ATOMIC - PIPE_BUF of Linux */
#define PIPE_BYTES_ATOMIC 4096

int64_t pipe_get_size(const struct file *file);
/**
 * pipe_set_size() - F_SETPIPE_SZ: the new size, -LINUX_EBUSY, -LINUX_EPERM, -LINUX_EBADF (no pipe)
 */
int64_t pipe_set_size(struct request *request, struct file *file, uint32_t size);

#endif

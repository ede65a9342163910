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

/*
 * How many pages the pipes of one user may have room for, as fs.pipe-user-pages-soft says: pipes
 * beyond that are made with room for two pages, and cannot be made larger. Not for administrators.
 */
constexpr uint64_t PIPE_USER_PAGES_SOFT = 16384;
constexpr uint64_t PIPE_PAGE_SIZE = 4096;

/** PIPE_BYTES_ATOMIC - PIPE_BUF of Linux */
#define PIPE_BYTES_ATOMIC 4096

/** file_is_pipe() - whether @file is an end of a pipe or FIFO, which the functions below ask for */
bool file_is_pipe(const struct file *file);

/**
 * pipe_await_bytes() - what a read waits for
 * @is_waiting: whether the call may park, whatever the flags of the file say
 *
 * Return: 1 if there are bytes, 0 at the end, REQUEST_PARK, -LINUX_EAGAIN, -LINUX_ENOMEM.
 */
int64_t pipe_await_bytes(struct file *file, struct request *request, bool is_waiting);
/** pipe_await_room() - what a write waits for: 1, REQUEST_PARK, -LINUX_EPIPE, as above */
int64_t pipe_await_room(struct file *file, struct request *request, bool is_waiting);

size_t pipe_n_bytes(const struct file *file);
size_t pipe_n_room(const struct file *file);
/** pipe_peek() - copy the first bytes, which stay; returns how many */
size_t pipe_peek(const struct file *file, void *buffer, size_t size);
/** pipe_drop() - the first bytes have been read */
void pipe_drop(struct file *file, size_t size);
/** pipe_append_bytes() - there is room: @size or -LINUX_ENOMEM */
int64_t pipe_append_bytes(struct file *file, const void *bytes, size_t size);

int64_t pipe_get_size(const struct file *file);
/**
 * pipe_set_size() - F_SETPIPE_SZ: the new size, -LINUX_EBUSY, -LINUX_EPERM, -LINUX_EBADF (no pipe)
 */
int64_t pipe_set_size(struct request *request, struct file *file, uint32_t size);

#endif

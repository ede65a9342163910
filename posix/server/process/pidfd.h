/* SPDX-License-Identifier: MIT */
/*
 * Descriptors of processes.
 *
 * A pidfd means one process for ever, also when its number has become another's. All of one
 * process share a struct pidfd_subject, which the first makes and which outlives the process.
 */
#ifndef POSIX_PIDFD_H
#define POSIX_PIDFD_H

#include <posix/server/file/file.h>
#include <posix/server/process/process.h>

/**
 * pidfd_create() - an open file that means @process
 * @flags: LINUX_O_NONBLOCK or 0
 *
 * Return: 0, -LINUX_ENOMEM, -LINUX_ENFILE.
 */
int64_t pidfd_create(const struct process *maker, struct process *process, uint32_t flags,
	struct file **out_file);

/**
 * pidfd_process() - whom a file means
 * @out_process: running or a zombie; NULL if it was reaped
 *
 * Return: 0, -LINUX_EBADF if the file is no pidfd.
 */
int64_t pidfd_process(const struct file *file, struct process **out_process);

/** pidfd_print() - its lines in /proc/PID/fdinfo; 0 for other files; returns bytes as snprintf() */
size_t pidfd_print(const struct file *file, char *buffer, size_t size);

/** pidfd_tell_end() - @process has become a zombie: its descriptors are readable from now on */
void pidfd_tell_end(struct process *process);

/** pidfd_forget() - @process is about to be freed */
void pidfd_forget(struct process *process);

#endif

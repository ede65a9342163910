/* SPDX-License-Identifier: MIT */
/*
 * Pseudo-terminals: a terminal (the slave, /dev/pts/N) whose device is another file (the master,
 * from /dev/ptmx).
 *
 * What programs write to the slave can be read from the master, and what is written to the master
 * is received by the slave's line discipline. The master's close hangs the slave up.
 */
#ifndef POSIX_TTY_PTY_H
#define POSIX_TTY_PTY_H

#include <posix/server/file/file.h>

struct path;
struct super;

bool pty_is_slave_number(uint64_t rdev);
int64_t pty_open_slave(uint64_t rdev, struct file *file, struct request *request);

/** pty_init() - /dev/ptmx and the file system devpts; 0 or -LINUX_ENOMEM */
int64_t pty_init(void);
/** devpts_path() - where /dev/pts/@name is mounted; referenced. -LINUX_ENOENT if it is not */
int64_t devpts_path(const char *name, struct path *out_path);
/** devpts_super() - the one file system that every mount of devpts shows */
struct super *devpts_super(void);
int64_t devpts_mount_create(const char *source, const char *options, struct super **out_super);

#endif

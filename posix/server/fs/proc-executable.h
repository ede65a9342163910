/* SPDX-License-Identifier: MIT */
/* The one thing procfs needs of a process that its public description does not have. */
#ifndef POSIX_FS_PROC_EXECUTABLE_H
#define POSIX_FS_PROC_EXECUTABLE_H

#include <posix/server/vfs/vfs.h>

/** process_executable() - the program that @process runs, referenced; false if there is none */
bool process_executable(const struct process *process, struct path *out_path);

#endif

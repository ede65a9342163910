/* SPDX-License-Identifier: MIT */
/* eventfd, for those who tell it something. */
#ifndef POSIX_FILE_EVENTFD_H
#define POSIX_FILE_EVENTFD_H

#include <posix/server/file/file.h>

bool file_is_eventfd(const struct file *file);

/** eventfd_add() - raise the counter of @file, an eventfd, up to its maximum */
void eventfd_add(struct file *file, uint64_t value);

#endif

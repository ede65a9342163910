/* SPDX-License-Identifier: MIT */
/* Seals of memory files. */
#ifndef POSIX_SEALS_H
#define POSIX_SEALS_H

#include <posix/server/file/file.h>
#include <posix/server/request.h>

/**
 * seals_add() - F_ADD_SEALS
 * @request: fcntl's, whose state[1] and release are free to use
 *
 * Return: 0, REQUEST_PARK, -LINUX_EINVAL (no such seals, or the file has none), -LINUX_EPERM (not
 * open to write, or sealed against seals), -LINUX_EBUSY (it is mapped to be written to).
 */
int64_t seals_add(struct request *request, struct file *file, uint32_t seals);

/** seals_get() - F_GET_SEALS; -LINUX_EINVAL */
int64_t seals_get(struct file *file);

#endif

/* SPDX-License-Identifier: MIT */
/* What is on a volume, read from its server. */
#ifndef POSIX_FS_BLOCK_LOOK_H
#define POSIX_FS_BLOCK_LOOK_H

#include <posix/server/fs/block-probe.h>
#include <posix/server/fs/volume.h>

struct task;

/**
 * block_look() - read the start of a volume, past all caches, and see what is on it
 * @volume: referenced by the caller
 *
 * Suspends. Return: 0 (there may be nothing that is known), -ERR_X, enum fs_error.
 */
MUST_USE int block_look(struct task *task, struct volume *volume, struct block_probe *out_probe);

#endif

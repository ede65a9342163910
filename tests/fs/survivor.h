/* SPDX-License-Identifier: MIT */
/* Files that were synced are there when the server has been killed. */
#ifndef TESTS_FS_SURVIVOR_H
#define TESTS_FS_SURVIVOR_H

#include "fs-client.h"

/**
 * survive() - write files and sync them until the server has ended @n_ends times
 * @volume: of that name; found again after each end
 *
 * After each end all files must have what was synced. Return: whether they had.
 */
bool survive(struct task *task, struct fs_client *volume, const char *name, uint32_t n_ends);

#endif

/* SPDX-License-Identifier: MIT */
/* Random changes of one file, compared with a model. */
#ifndef TESTS_FS_EXERCISER_H
#define TESTS_FS_EXERCISER_H

#include "fs-client.h"

/**
 * exercise() - make @n_operations random changes of a new file of that name
 *
 * The log has the seed, and what went wrong. Return: whether all was as it should be.
 */
bool exercise(struct task *task, struct fs_client *session, const char *name, uint64_t seed,
	uint32_t n_operations);

#endif

/* SPDX-License-Identifier: MIT */
/* Requests that say anything. */
#ifndef TESTS_FS_GARBAGE_H
#define TESTS_FS_GARBAGE_H

#include "fs-client.h"

/**
 * send_garbage() - make requests of random contents, in a folder of that name
 *
 * What they change is in the folder. Return: whether the server still answers.
 */
bool send_garbage(struct task *task, struct fs_client *session, const char *name, uint64_t seed,
	uint32_t n_requests);

#endif

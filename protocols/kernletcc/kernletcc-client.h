/* SPDX-License-Identifier: MIT */
/* What drivers want from kernletcc: a kernlet for an object file. */
#ifndef PROTOCOLS_KERNLETCC_KERNLETCC_CLIENT_H
#define PROTOCOLS_KERNLETCC_KERNLETCC_CLIENT_H

#include <helix/helix.h>

/** KERNLETCC_MESSAGE_SIZE - bytes of a message with its terminator */
#define KERNLETCC_MESSAGE_SIZE 257

/**
 * kernletcc_compile() - make a kernlet of an object file
 * @kernletcc: our lane to the server, borrowed
 * @elf: the file
 * @out_kernlet: the caller's, and charged to its universe
 * @out_message: KERNLETCC_MESSAGE_SIZE bytes: what is wrong, with -ERR_ILLEGAL_ARGS
 *
 * Return: 0, -ERR_ILLEGAL_ARGS (no valid kernlet), -ERR_NO_MEMORY, what the transport says.
 */
MUST_USE int kernletcc_compile(struct task *task, hel_handle kernletcc, const void *elf,
	size_t size, hel_handle *out_kernlet, char *out_message);

#endif

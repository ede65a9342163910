/* SPDX-License-Identifier: MIT */
/*
 * Mount options of the file system type 9p, as Linux has them. What is taken, and what of that
 * makes a difference, is said in docs/internals/ninep.md; what is unknown or cannot be is refused.
 */
#ifndef NINEP_OPTIONS_H
#define NINEP_OPTIONS_H

#include <base/types.h>

/** OPTIONS_MESSAGE_BYTES - of a message, at most: what one request of the device can describe */
#define OPTIONS_MESSAGE_BYTES (125 * 4096 + 24)
#define OPTIONS_TREE_SIZE     64

struct mount_options {
	uint32_t message_bytes;
	char tree[OPTIONS_TREE_SIZE]; /* which of the host's: aname */
};

/** mount_options_parse() - @length bytes with commas; 0, -ERR_ILLEGAL_ARGS */
MUST_USE int mount_options_parse(
	const char *text, size_t length, struct mount_options *out_options);

#endif

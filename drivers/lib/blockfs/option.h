/* SPDX-License-Identifier: MIT */
/* Mount options: words with commas between them, some with a number. */
#ifndef BLOCKFS_OPTION_H
#define BLOCKFS_OPTION_H

#include <drivers/lib/blockfs/blockfs.h>

/** option_take_fn - act upon one option, which is not empty; false: it is unknown, or no good */
typedef bool (*option_take_fn)(struct blockfs_name option, void *context);

/** options_parse() - take one after the other; false if one was not taken */
bool options_parse(struct blockfs_name text, option_take_fn take, void *context);

/** option_is() - whether it is exactly @text */
bool option_is(struct blockfs_name option, const char *text);

/** option_is_among() - whether it is exactly one of @texts */
bool option_is_among(struct blockfs_name option, const char *const *texts, size_t n_texts);

/**
 * option_number() - whether it is @name, such as "uid=", with a number of 32 bits behind
 * @base: 8 or 10
 * @out_value: written if so
 */
bool option_number(
	struct blockfs_name option, const char *name, unsigned base, uint32_t *out_value);

#endif

/* SPDX-License-Identifier: MIT */
/* Names in UTF-16, as FAT and Joliet have them, for programs, which have them in UTF-8. */
#ifndef BLOCKFS_UTF16_H
#define BLOCKFS_UTF16_H

#include <base/types.h>

/** utf8_put() - encode a character; the number of bytes, up to 4 */
size_t utf8_put(uint32_t code, char *out);

/**
 * utf16_decode() - a name
 * @out_name: terminated
 *
 * What can be in no name of a program becomes '?'.
 * Return: its length; 0 if it has no room or is none ("", ".", "..").
 */
size_t utf16_decode(const uint16_t *units, size_t n_units, char *out_name, size_t size);

#endif

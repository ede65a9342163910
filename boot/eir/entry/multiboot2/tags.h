/* SPDX-License-Identifier: MIT */
/* The information of Multiboot 2: tags, each with its type and size. */
#ifndef EIR_ENTRY_MULTIBOOT2_TAGS_H
#define EIR_ENTRY_MULTIBOOT2_TAGS_H

#include <base/types.h>
#include <eir/core/source.h>

/**
 * tags_read() - take what eir needs out of the tags
 * @info: the information as the loader gave it; nothing in it is believed
 * @size_max: bytes that may be read at @info
 * @source: filled in; the command line stays where it is
 *
 * Tags that eir does not know are passed over.
 *
 * Return: NULL, or what is wrong
 */
MUST_USE const char *tags_read(const void *info, size_t size_max, struct boot_source *source);

#endif

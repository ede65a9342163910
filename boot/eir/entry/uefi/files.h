/* SPDX-License-Identifier: MIT */
/* Files of the partition that eir was started from; only before boot services are left. */
#ifndef EIR_ENTRY_UEFI_FILES_H
#define EIR_ENTRY_UEFI_FILES_H

#include "uefi.h"

/** files_open_root() - the partition's root folder, or NULL */
struct uefi_file *files_open_root(struct uefi_boot_services *boot, uefi_handle image);

/**
 * files_read() - a whole file, in pages of the loader's below 4 GiB, which are never freed
 * @path: with slashes
 *
 * Return: NULL, or what is wrong
 */
MUST_USE const char *files_read(struct uefi_boot_services *boot, struct uefi_file *root,
	const char *path, void **out_data, size_t *out_size);

#endif

/* SPDX-License-Identifier: MIT */
/* The file hati/boot.cfg: lines NAME="VALUE", which GRUB takes for a script. */
#ifndef EIR_ENTRY_UEFI_CONFIG_H
#define EIR_ENTRY_UEFI_CONFIG_H

#include <abi/boot/boot-info.h>
#include <base/types.h>

#define CONFIG_PATH_MAX 128

struct config {
	char initrd[CONFIG_PATH_MAX]; /* a path with slashes, from the root of the partition on */
	char options[BOOT_COMMAND_LINE_MAX];
};

/**
 * config_read() - what the file says
 *
 * A line is a comment that begins with '#', or a name, '=' and a value, which may stand in quotes.
 * Names that eir does not know are passed over; of several lines with one name the last counts.
 *
 * Return: NULL, or what is wrong
 */
MUST_USE const char *config_read(const char *text, size_t size, struct config *out_config);

/**
 * config_path() - a path as UEFI has it: with backslashes, in UTF-16, terminated
 *
 * Return: false: it has other characters than ASCII's, or does not fit
 */
MUST_USE bool config_path(const char *path, uint16_t *out_path, size_t n_max);

#endif

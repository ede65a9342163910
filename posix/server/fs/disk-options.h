/* SPDX-License-Identifier: MIT */
/* Mount options of file systems on disks, beside those that are flags of mount(2). */
#ifndef POSIX_FS_DISK_OPTIONS_H
#define POSIX_FS_DISK_OPTIONS_H

#include <base/types.h>
#include <protocols/fs/fs.gen.h>

constexpr size_t DISK_OPTIONS_SIZE = 256; /* of those that only the type knows */
constexpr size_t DISK_DATA_MODE_SIZE = 16;

struct disk_options {
	bool is_read_only;
	bool skips_journal;
	enum fs_on_error on_error;
	char others[DISK_OPTIONS_SIZE]; /* for the server, with commas */
	char data_mode[DISK_DATA_MODE_SIZE]; /* data=..., which is among the others */
};

/**
 * disk_options_parse() - understand @text
 * @type: of the file system
 * @out_options: is_read_only is set already
 *
 * Return: 0, -LINUX_EINVAL: an option that Linux would not know either, or that is impossible.
 */
int64_t disk_options_parse(const char *type, const char *text, struct disk_options *out_options);

#endif

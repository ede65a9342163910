/* SPDX-License-Identifier: MIT */
/* Types of file systems that this server can mount. */
#ifndef FS_TYPE_H
#define FS_TYPE_H

#include <bragi-rt/bragi-rt.h>
#include <drivers/lib/blockfs/blockfs.h>

/* A type. A further one is a line of the table in type.c. */
struct fs_type {
	const char *name; /* as Linux calls it */
	int (*mount)(struct task *task, const struct blockfs_mount_options *options,
		struct blockfs **out_fs);
	/* Options that need nothing to be done: they say what is so anyway. Ends with NULL. */
	const char *const *harmless;
	bool has_data_modes; /* data=journal, ... */
	enum blockfs_ext_kind ext_kind;
	/* Further options, which the mount is given; NULL: there are none. */
	bool (*accepts)(struct blockfs_name options);
};

/** fs_type_find() - the type of that name, NULL if there is none */
const struct fs_type *fs_type_find(struct bragi_string name);

/* What options of a mount say. */
struct fs_type_options {
	uint32_t tick_seconds; /* commit=N: how much a power cut loses at most */
	enum blockfs_data_mode data_mode;
};

/**
 * fs_type_parse() - read the options of a mount
 * @options: with commas between them
 *
 * Return: 0, -ERR_ILLEGAL_ARGS: one means nothing, or what this server cannot do.
 */
MUST_USE int fs_type_parse(const struct fs_type *type, struct bragi_string options,
	struct fs_type_options *out_options);

#endif

/* SPDX-License-Identifier: MIT */
/* The table of types: see type.h. */
#include "type.h"

#include <base/errors.h>
#include <base/string.h>

#define TICK_SECONDS     5
#define TICK_SECONDS_MAX 3600

static const char *const ext4_harmless[] = {
	"acl",
	"barrier",
	"barrier=1",
	"block_validity",
	"data=ordered",
	"data=writeback", /* which promises less */
	"delalloc",
	"nodiscard",
	"noquota",
	"user_xattr",
	NULL,
};

static const struct fs_type types[] = {
	{ "ext4", blockfs_ext4_mount, ext4_harmless, NULL },
	{ "ext3", blockfs_ext4_mount, ext4_harmless, NULL },
	{ "ext2", blockfs_ext4_mount, ext4_harmless, NULL },
	{ "vfat", blockfs_fat_mount, NULL, blockfs_fat_accepts },
	{ "iso9660", blockfs_iso9660_mount, NULL, blockfs_iso9660_accepts },
};

const struct fs_type *fs_type_find(struct bragi_string name)
{
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		if (bragi_string_equals(name, types[i].name)) {
			return &types[i];
		}
	}
	return NULL;
}

static bool is_harmless(const struct fs_type *type, struct bragi_string option)
{
	for (const char *const *harmless = type->harmless; *harmless != NULL; harmless++) {
		if (bragi_string_equals(option, *harmless)) {
			return true;
		}
	}
	return false;
}

/* `commit=N`, in seconds; 0 stands for the usual time, as in Linux. */
static bool parse_commit(struct bragi_string option, struct fs_type_options *options)
{
	static const char key[] = "commit=";
	uint32_t at = sizeof(key) - 1;
	uint32_t seconds = 0;

	if (option.length <= at || memcmp(option.text, key, at) != 0) {
		return false;
	}
	for (; at < option.length; at++) {
		char digit = option.text[at];

		if (digit < '0' || digit > '9' || seconds > TICK_SECONDS_MAX) {
			return false;
		}
		seconds = seconds * 10 + (uint32_t)(digit - '0');
	}
	options->tick_seconds = seconds == 0 ? TICK_SECONDS : seconds;
	return seconds <= TICK_SECONDS_MAX;
}

int fs_type_parse(const struct fs_type *type, struct bragi_string options,
	struct fs_type_options *out_options)
{
	uint32_t begin = 0;

	*out_options = (struct fs_type_options){ .tick_seconds = TICK_SECONDS };
	if (type->accepts != NULL) {
		return type->accepts((struct blockfs_name){ options.text, options.length })
			? 0
			: -ERR_ILLEGAL_ARGS;
	}
	for (uint32_t end = 0; end <= options.length; end++) {
		if (end < options.length && options.text[end] != ',') {
			continue;
		}
		const struct bragi_string option = {
			.text = options.text + begin,
			.length = end - begin,
		};

		if (option.length > 0 && !parse_commit(option, out_options) &&
			!is_harmless(type, option)) {
			return -ERR_ILLEGAL_ARGS;
		}
		begin = end + 1;
	}
	return 0;
}

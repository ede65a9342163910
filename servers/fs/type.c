/* SPDX-License-Identifier: MIT */
/* The table of types: see type.h. */
#include "type.h"

#include <base/errors.h>
#include <base/string.h>
#include <drivers/lib/blockfs/option.h>

#define TICK_SECONDS     5
#define TICK_SECONDS_MAX 3600

static const char *const ext4_harmless[] = {
	"acl",
	"barrier",
	"barrier=1",
	"block_validity",
	"delalloc",
	"nodiscard",
	"noquota",
	"user_xattr",
	NULL,
};

static const struct {
	const char *text;
	enum blockfs_data_mode mode;
} data_modes[] = {
	{ "data=journal", BLOCKFS_DATA_JOURNAL }, { "data=ordered", BLOCKFS_DATA_ORDERED },
	{ "data=writeback", BLOCKFS_DATA_ORDERED }, /* which promises less */
};

static const struct fs_type types[] = {
	{ "ext4", blockfs_ext4_mount, ext4_harmless, true, BLOCKFS_EXT4, NULL },
	{ "ext3", blockfs_ext4_mount, ext4_harmless, true, BLOCKFS_EXT3, NULL },
	{ "ext2", blockfs_ext4_mount, ext4_harmless, false, BLOCKFS_EXT2, NULL },
	{ "vfat", blockfs_fat_mount, NULL, false, BLOCKFS_EXT4, blockfs_fat_accepts },
	{ "iso9660", blockfs_iso9660_mount, NULL, false, BLOCKFS_EXT4, blockfs_iso9660_accepts },
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

struct parsing {
	const struct fs_type *type;
	struct fs_type_options *options;
};

static bool is_harmless(const struct fs_type *type, struct blockfs_name option)
{
	size_t n_texts = 0;

	while (type->harmless[n_texts] != NULL) {
		n_texts++;
	}
	return option_is_among(option, type->harmless, n_texts);
}

static bool take_option(struct blockfs_name option, void *context)
{
	const struct parsing *parsing = context;
	uint32_t seconds;

	for (size_t i = 0; parsing->type->has_data_modes && i < ARRAY_SIZE(data_modes); i++) {
		if (option_is_among(option, &data_modes[i].text, 1)) {
			parsing->options->data_mode = data_modes[i].mode;
			return true;
		}
	}
	if (!option_number(option, "commit=", 10, &seconds)) {
		return is_harmless(parsing->type, option);
	}
	/* 0 stands for the usual time, as in Linux */
	parsing->options->tick_seconds = seconds == 0 ? TICK_SECONDS : seconds;
	return seconds <= TICK_SECONDS_MAX;
}

int fs_type_parse(const struct fs_type *type, struct bragi_string options,
	struct fs_type_options *out_options)
{
	const struct blockfs_name text = { options.text, options.length };
	struct parsing parsing = { type, out_options };

	*out_options = (struct fs_type_options){ .tick_seconds = TICK_SECONDS };
	bool is_known = type->accepts != NULL ? type->accepts(text)
					      : options_parse(text, take_option, &parsing);

	return is_known ? 0 : -ERR_ILLEGAL_ARGS;
}

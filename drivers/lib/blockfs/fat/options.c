/* SPDX-License-Identifier: MIT */
/* Options of a mount, as Linux' vfat calls them. */
#include <base/string.h>
#include <drivers/lib/blockfs/fat/fat.h>
#include <drivers/lib/blockfs/option.h>

/* What is so anyway. */
static const char *const harmless[] = {
	"check=n",
	"check=normal",
	"check=r",
	"check=relaxed",
	"codepage=437",
	"errors=remount-ro",
	"iocharset=utf8",
	"numtail",
	"shortname=mixed",
	"tz=UTC",
	"utf8",
	"utf8=1",
};

static bool take_option(struct blockfs_name option, void *context)
{
	struct fat_options *options = context;
	uint32_t mask;

	if (option_is_among(option, harmless, ARRAY_SIZE(harmless))) {
		return true;
	}
	if (option_is(option, "quiet")) {
		options->is_quiet = true;
		return true;
	}
	if (option_number(option, "umask=", 8, &mask)) {
		options->file_mask = options->directory_mask = mask & 0777;
		return true;
	}
	if (option_number(option, "fmask=", 8, &mask)) {
		options->file_mask = mask & 0777;
		return true;
	}
	if (option_number(option, "dmask=", 8, &mask)) {
		options->directory_mask = mask & 0777;
		return true;
	}
	return option_number(option, "uid=", 10, &options->uid) ||
		option_number(option, "gid=", 10, &options->gid);
}

bool fat_options_parse(struct blockfs_name text, struct fat_options *out_options)
{
	*out_options = (struct fat_options){ .file_mask = 0022, .directory_mask = 0022 };
	return options_parse(text, take_option, out_options);
}

bool blockfs_fat_accepts(struct blockfs_name options)
{
	struct fat_options parsed;

	return fat_options_parse(options, &parsed);
}

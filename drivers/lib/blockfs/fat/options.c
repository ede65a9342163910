/* SPDX-License-Identifier: MIT */
/* Options of a mount, as Linux' vfat calls them. */
#include <base/string.h>
#include <drivers/lib/blockfs/fat/fat.h>

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

static bool is_text(struct blockfs_name option, const char *text)
{
	return option.length == strlen(text) && memcmp(option.text, text, option.length) == 0;
}

static bool take_number(
	struct blockfs_name option, const char *name, unsigned base, uint32_t *out_value)
{
	size_t length = strlen(name);
	uint64_t value;

	if (option.length <= length || memcmp(option.text, name, length) != 0 ||
		!parse_u64_span(option.text + length, option.length - length, base, &value) ||
		value > UINT32_MAX) {
		return false;
	}
	*out_value = (uint32_t)value;
	return true;
}

static bool take_option(struct blockfs_name option, struct fat_options *options)
{
	uint32_t mask;

	for (size_t i = 0; i < ARRAY_SIZE(harmless); i++) {
		if (is_text(option, harmless[i])) {
			return true;
		}
	}
	if (is_text(option, "quiet")) {
		options->is_quiet = true;
		return true;
	}
	if (take_number(option, "umask=", 8, &mask)) {
		options->file_mask = options->directory_mask = mask & 0777;
		return true;
	}
	if (take_number(option, "fmask=", 8, &mask)) {
		options->file_mask = mask & 0777;
		return true;
	}
	if (take_number(option, "dmask=", 8, &mask)) {
		options->directory_mask = mask & 0777;
		return true;
	}
	return take_number(option, "uid=", 10, &options->uid) ||
		take_number(option, "gid=", 10, &options->gid);
}

bool fat_options_parse(struct blockfs_name text, struct fat_options *out_options)
{
	size_t begin = 0;

	*out_options = (struct fat_options){ .file_mask = 0022, .directory_mask = 0022 };
	for (size_t end = 0; end <= text.length; end++) {
		if (end == text.length || text.text[end] == ',') {
			if (end > begin &&
				!take_option(
					(struct blockfs_name){ text.text + begin, end - begin },
					out_options)) {
				return false;
			}
			begin = end + 1;
		}
	}
	return true;
}

bool blockfs_fat_accepts(struct blockfs_name options)
{
	struct fat_options parsed;

	return fat_options_parse(options, &parsed);
}

/* SPDX-License-Identifier: MIT */
/* Mount options: see options.h. */
#include "options.h"

#include <base/errors.h>
#include <base/string.h>
#include <drivers/lib/blockfs/option.h>

#define MESSAGE_BYTES_MIN 4096

/*
 * What is so anyway: what is asked each time is more than any kind of cache promises, permissions
 * are looked at in the client, and the host's rights are those of who runs it.
 */
static const char *const harmless[] = {
	"trans=virtio",
	"version=9p2000.L",
	"cache=none",
	"cache=mmap",
	"cache=loose",
	"cache=fscache",
	"cache=readahead",
	"access=user",
	"access=client",
	"access=any",
};

/* Whose value may be anything, or any number: all here is root's. */
static const char uname[] = "uname=", aname[] = "aname=";
static const char *const numbers[] = { "access=", "dfltuid=", "dfltgid=" };

static bool option_begins(struct blockfs_name option, const char *name)
{
	size_t length = strlen(name);

	return option.length >= length && memcmp(option.text, name, length) == 0;
}

static bool take_tree(struct mount_options *options, struct blockfs_name option)
{
	size_t length = option.length - strlen(aname);

	if (length >= sizeof(options->tree)) {
		return false;
	}
	memcpy(options->tree, option.text + strlen(aname), length);
	options->tree[length] = '\0';
	return true;
}

static bool take_option(struct blockfs_name option, void *context)
{
	struct mount_options *options = context;
	uint32_t number;

	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		if (option_number(option, numbers[i], 10, &number)) {
			return true;
		}
	}
	if (option_number(option, "msize=", 10, &number)) {
		options->message_bytes = (uint32_t)min_u64(number, OPTIONS_MESSAGE_BYTES);
		return number >= MESSAGE_BYTES_MIN;
	}
	if (option_begins(option, aname)) {
		return take_tree(options, option);
	}
	return option_begins(option, uname) ||
		option_is_among(option, harmless, ARRAY_SIZE(harmless));
}

int mount_options_parse(const char *text, size_t length, struct mount_options *out_options)
{
	const struct blockfs_name words = { text, length };

	*out_options = (struct mount_options){ .message_bytes = OPTIONS_MESSAGE_BYTES };
	return options_parse(words, take_option, out_options) ? 0 : -ERR_ILLEGAL_ARGS;
}

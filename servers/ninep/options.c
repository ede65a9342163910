/* SPDX-License-Identifier: MIT */
/* Mount options: see options.h. */
#include "options.h"

#include "wire.h"

#include <base/errors.h>
#include <base/string.h>

#define MESSAGE_BYTES_MIN 4096

static bool text_is(const struct wire_text *text, const char *wanted)
{
	return text->length == strlen(wanted) && memcmp(text->text, wanted, text->length) == 0;
}

static bool is_one_of(const struct wire_text *text, const char *const *words, size_t n_words)
{
	for (size_t i = 0; i < n_words; i++) {
		if (text_is(text, words[i])) {
			return true;
		}
	}
	return false;
}

static bool number_of(const struct wire_text *text, uint32_t *out_number)
{
	uint64_t number = 0;

	for (size_t i = 0; i < text->length; i++) {
		char digit = text->text[i];

		if (digit < '0' || digit > '9') {
			return false;
		}
		number = number * 10 + (uint64_t)(digit - '0');
		if (number > UINT32_MAX) {
			return false;
		}
	}
	*out_number = (uint32_t)number;
	return text->length > 0;
}

/* What is asked each time is more than any kind of cache promises. */
static const char *const caches[] = { "none", "mmap", "loose", "fscache", "readahead" };
/* Permissions are looked at in the client, and the host's rights are those of who runs it. */
static const char *const accesses[] = { "user", "client", "any" };

static bool take_value(
	struct mount_options *options, const struct wire_text *name, const struct wire_text *value)
{
	uint32_t number;

	if (text_is(name, "trans")) {
		return text_is(value, "virtio");
	}
	if (text_is(name, "version")) {
		return text_is(value, "9p2000.L");
	}
	if (text_is(name, "cache")) {
		return is_one_of(value, caches, ARRAY_SIZE(caches));
	}
	if (text_is(name, "access")) {
		return number_of(value, &number) ||
			is_one_of(value, accesses, ARRAY_SIZE(accesses));
	}
	if (text_is(name, "msize")) {
		if (!number_of(value, &number) || number < MESSAGE_BYTES_MIN) {
			return false;
		}
		options->message_bytes = (uint32_t)min_u64(number, OPTIONS_MESSAGE_BYTES);
		return true;
	}
	if (text_is(name, "aname") && value->length < sizeof(options->tree)) {
		memcpy(options->tree, value->text, value->length);
		options->tree[value->length] = '\0';
		return true;
	}
	/* who the host is told that we are, and who has no owner: all here is root's */
	return text_is(name, "uname") ||
		((text_is(name, "dfltuid") || text_is(name, "dfltgid")) &&
			number_of(value, &number));
}

int options_parse(const char *text, size_t length, struct mount_options *out_options)
{
	*out_options = (struct mount_options){ .message_bytes = OPTIONS_MESSAGE_BYTES };
	for (size_t at = 0; at < length;) {
		const char *comma = memchr(text + at, ',', length - at);
		size_t end = comma == NULL ? length : (size_t)(comma - text);
		const char *equals = memchr(text + at, '=', end - at);

		if (equals == NULL) {
			if (end > at) {
				return -ERR_ILLEGAL_ARGS;
			}
		} else {
			const struct wire_text name = { text + at, (size_t)(equals - text) - at };
			const struct wire_text value = { equals + 1,
				end - (size_t)(equals + 1 - text) };

			if (!take_value(out_options, &name, &value)) {
				return -ERR_ILLEGAL_ARGS;
			}
		}
		at = end + 1;
	}
	return 0;
}

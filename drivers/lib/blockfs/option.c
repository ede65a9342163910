/* SPDX-License-Identifier: MIT */
/* Mount options: see option.h. */
#include <base/string.h>
#include <drivers/lib/blockfs/option.h>

bool options_parse(struct blockfs_name text, option_take_fn take, void *context)
{
	size_t begin = 0;

	if (text.length == 0) {
		return true; /* an empty name may have no address to count from */
	}
	for (size_t end = 0; end <= text.length; end++) {
		if (end < text.length && text.text[end] != ',') {
			continue;
		}
		const struct blockfs_name option = { text.text + begin, end - begin };

		if (option.length > 0 && !take(option, context)) {
			return false;
		}
		begin = end + 1;
	}
	return true;
}

bool option_is(struct blockfs_name option, const char *text)
{
	return option.length == strlen(text) && memcmp(option.text, text, option.length) == 0;
}

bool option_is_among(struct blockfs_name option, const char *const *texts, size_t n_texts)
{
	for (size_t i = 0; i < n_texts; i++) {
		if (option_is(option, texts[i])) {
			return true;
		}
	}
	return false;
}

bool option_number(struct blockfs_name option, const char *name, unsigned base, uint32_t *out_value)
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

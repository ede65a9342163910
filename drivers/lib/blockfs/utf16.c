/* SPDX-License-Identifier: MIT */
/* Encodings of names: see utf16.h. */
#include <drivers/lib/blockfs/utf16.h>

size_t utf8_put(uint32_t code, char *out)
{
	size_t n = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
	static const uint8_t heads[] = { 0, 0, 0xc0, 0xe0, 0xf0 };

	for (size_t i = n; i-- > 1; code >>= 6) {
		out[i] = (char)(0x80 | (code & 0x3f));
	}
	out[0] = (char)(heads[n] | code);
	return n;
}

static bool is_high_surrogate(uint32_t unit)
{
	return (unit & 0xfc00) == 0xd800;
}

static bool is_low_surrogate(uint32_t unit)
{
	return (unit & 0xfc00) == 0xdc00;
}

size_t utf16_decode(const uint16_t *units, size_t n_units, char *out_name, size_t size)
{
	size_t length = 0;

	for (size_t i = 0; i < n_units; i++) {
		uint32_t code = units[i];

		if (is_high_surrogate(code) && i + 1 < n_units && is_low_surrogate(units[i + 1])) {
			code = 0x10000 + ((code & 0x3ff) << 10) + (units[++i] & 0x3ffu);
		} else if ((code & 0xf800) == 0xd800 || code == '/' || code == 0) {
			code = '?'; /* what can be in no name of a program */
		}
		if (length + 4 >= size) {
			char bytes[4];

			if (length + utf8_put(code, bytes) >= size) {
				return 0;
			}
		}
		length += utf8_put(code, out_name + length);
	}
	out_name[length] = 0;
	return (length == 1 && out_name[0] == '.') ||
			(length == 2 && out_name[0] == '.' && out_name[1] == '.')
		? 0
		: length;
}

/* SPDX-License-Identifier: MIT */
/* String helpers beyond the C library's: see string.h. */
#include <base/assert.h>
#include <base/string.h>

bool str_copy(char *out_buffer, size_t size, const char *string)
{
	ASSERT(size > 0);
	size_t length = strnlen(string, size);
	bool is_cut = length == size;
	size_t n_copied = is_cut ? size - 1 : length;

	memcpy(out_buffer, string, n_copied);
	out_buffer[n_copied] = '\0';
	return is_cut;
}

bool str_starts_with(const char *string, const char *prefix)
{
	return strncmp(string, prefix, strlen(prefix)) == 0;
}

/* The value of a digit in any base up to 16; 16 for anything else. */
static unsigned digit_value(char digit)
{
	if (digit >= '0' && digit <= '9') {
		return (unsigned)(digit - '0');
	}
	char lower = (char)(digit | 0x20);

	if (lower >= 'a' && lower <= 'f') {
		return (unsigned)(lower - 'a') + 10;
	}
	return 16;
}

/* The base a prefix like "0x" stands for, 0 if there is none. */
static unsigned prefix_base(const char *digits, size_t size)
{
	if (size < 2 || digits[0] != '0') {
		return 0;
	}
	switch (digits[1] | 0x20) {
	case 'x': return 16;
	case 'o': return 8;
	case 'b': return 2;
	default: return 0;
	}
}

bool parse_u64_span(const char *digits, size_t size, unsigned base, uint64_t *out_value)
{
	unsigned prefix = prefix_base(digits, size);
	uint64_t value = 0;

	if (prefix != 0 && (base == 0 || (base == 16 && prefix == 16))) {
		base = prefix;
		digits += 2;
		size -= 2;
	} else if (base == 0) {
		base = 10;
	}
	if (size == 0) {
		return false;
	}
	for (size_t i = 0; i < size; i++) {
		unsigned digit = digit_value(digits[i]);

		if (digit >= base || __builtin_mul_overflow(value, (uint64_t)base, &value) ||
			__builtin_add_overflow(value, (uint64_t)digit, &value)) {
			return false;
		}
	}
	*out_value = value;
	return true;
}

bool parse_u64(const char *string, unsigned base, uint64_t *out_value)
{
	return parse_u64_span(string, strlen(string), base, out_value);
}

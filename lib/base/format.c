/* SPDX-License-Identifier: MIT */
/*
 * Formatted text: see format.h.
 *
 * Each conversion is parsed into a `format_spec`; numbers are built into a small buffer from the
 * right, and every conversion ends in format_field(), which pads.
 */
#include <base/format.h>
#include <base/string.h>

struct format_output {
	format_sink_fn sink;
	void *context;
	size_t n_bytes;
};

struct format_spec {
	bool is_left;
	bool is_zero_padded;
	bool is_alternate;
	char plus;         /* sign of positive numbers: '+', ' ' or 0 */
	size_t width;
	bool has_precision;
	size_t precision;
	size_t value_size; /* of the integer argument, in bytes */
	char conversion;
};

/* One converted value: a prefix (sign, 0x), zeros, then text. */
struct format_value {
	const char *prefix;
	size_t n_zeros;
	const char *text;
	size_t size;
};

static void format_emit(struct format_output *output, const char *text, size_t size)
{
	if (size > 0) {
		output->sink(output->context, text, size);
		output->n_bytes += size;
	}
}

static void format_repeat(struct format_output *output, char character, size_t count)
{
	char block[16];

	memset(block, character, sizeof(block));
	while (count > 0) {
		size_t n_now = min_size(count, sizeof(block));

		format_emit(output, block, n_now);
		count -= n_now;
	}
}

static void format_field(struct format_output *output, const struct format_spec *spec,
	const struct format_value *value)
{
	size_t prefix_size = strlen(value->prefix);
	size_t size = prefix_size + value->n_zeros + value->size;
	size_t n_padding = spec->width > size ? spec->width - size : 0;

	if (!spec->is_left) {
		format_repeat(output, ' ', n_padding);
	}
	format_emit(output, value->prefix, prefix_size);
	format_repeat(output, '0', value->n_zeros);
	format_emit(output, value->text, value->size);
	if (spec->is_left) {
		format_repeat(output, ' ', n_padding);
	}
}

/* Print a magnitude with the given base, prefix and the zeros that precision or padding ask for. */
static void format_number(struct format_output *output, const struct format_spec *spec,
	uint64_t magnitude, unsigned base, const char *prefix)
{
	const char *digits = spec->conversion == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
	char buffer[24];
	size_t start = sizeof(buffer);

	for (uint64_t rest = magnitude; rest > 0; rest /= base) {
		buffer[--start] = digits[rest % base];
	}
	size_t n_digits = sizeof(buffer) - start;
	size_t n_wanted = spec->has_precision ? spec->precision : 1;
	size_t prefix_size = strlen(prefix);

	if (spec->conversion == 'o' && spec->is_alternate) {
		n_wanted = max_size(n_wanted, n_digits + 1);
	}
	if (spec->is_zero_padded && !spec->is_left && !spec->has_precision &&
		spec->width > prefix_size) {
		n_wanted = max_size(n_wanted, spec->width - prefix_size);
	}
	format_field(output, spec,
		&(struct format_value){
			.prefix = prefix,
			.n_zeros = n_wanted > n_digits ? n_wanted - n_digits : 0,
			.text = buffer + start,
			.size = n_digits,
		});
}

static void format_signed(
	struct format_output *output, const struct format_spec *spec, int64_t value)
{
	const char *prefix = spec->plus == '+' ? "+" : spec->plus == ' ' ? " " : "";

	if (value < 0) {
		format_number(output, spec, -(uint64_t)value, 10, "-");
	} else {
		format_number(output, spec, (uint64_t)value, 10, prefix);
	}
}

static void format_unsigned(
	struct format_output *output, const struct format_spec *spec, uint64_t value)
{
	bool has_prefix = spec->is_alternate && value != 0;

	switch (spec->conversion) {
	case 'x': format_number(output, spec, value, 16, has_prefix ? "0x" : ""); break;
	case 'X': format_number(output, spec, value, 16, has_prefix ? "0X" : ""); break;
	case 'o': format_number(output, spec, value, 8, ""); break;
	default: format_number(output, spec, value, 10, ""); break;
	}
}

static void format_string(
	struct format_output *output, const struct format_spec *spec, const char *string)
{
	const char *text = string != NULL ? string : "(null)";
	size_t size_max = spec->has_precision ? spec->precision : SIZE_MAX;

	format_field(output, spec,
		&(struct format_value){
			.prefix = "",
			.text = text,
			.size = strnlen(text, size_max),
		});
}

/* A decimal number at *format, which moves past it; absurd ones saturate. */
static size_t format_parse_count(const char **format)
{
	size_t count = 0;

	for (; **format >= '0' && **format <= '9'; (*format)++) {
		count = min_size(count * 10 + (size_t)(**format - '0'), 1 << 20);
	}
	return count;
}

static void format_parse_flags(const char **format, struct format_spec *spec)
{
	for (;; (*format)++) {
		switch (**format) {
		case '-': spec->is_left = true; break;
		case '0': spec->is_zero_padded = true; break;
		case '#': spec->is_alternate = true; break;
		case '+': spec->plus = '+'; break;
		case ' ': spec->plus = spec->plus == '+' ? '+' : ' '; break;
		default: return;
		}
	}
}

/* The length modifier at *format decides how many bytes an integer argument has. */
static void format_parse_length(const char **format, struct format_spec *spec)
{
	spec->value_size = sizeof(int);
	switch (**format) {
	case 'h':
		(*format)++;
		spec->value_size = sizeof(short);
		if (**format == 'h') {
			(*format)++;
			spec->value_size = sizeof(char);
		}
		break;
	case 'l':
		(*format)++;
		spec->value_size = sizeof(long);
		if (**format == 'l') {
			(*format)++;
			spec->value_size = sizeof(long long);
		}
		break;
	case 'z':
	case 't':
	case 'j':
		(*format)++;
		spec->value_size = sizeof(uint64_t);
		break;
	default: break;
	}
}

/* An argument list in a structure, so that functions can take from it in turn on every ABI. */
struct format_arguments {
	va_list list;
};

static void format_parse_width(
	const char **format, struct format_spec *spec, struct format_arguments *arguments)
{
	if (**format != '*') {
		spec->width = format_parse_count(format);
		return;
	}
	int width = va_arg(arguments->list, int);

	(*format)++;
	spec->is_left = spec->is_left || width < 0;
	spec->width = width < 0 ? -(size_t)width : (size_t)width;
}

static void format_parse_precision(
	const char **format, struct format_spec *spec, struct format_arguments *arguments)
{
	if (**format != '.') {
		return;
	}
	(*format)++;
	spec->has_precision = true;
	if (**format != '*') {
		spec->precision = format_parse_count(format);
		return;
	}
	int precision = va_arg(arguments->list, int);

	(*format)++;
	spec->has_precision = precision >= 0;
	spec->precision = precision >= 0 ? (size_t)precision : 0;
}

static int64_t format_take_signed(
	const struct format_spec *spec, struct format_arguments *arguments)
{
	switch (spec->value_size) {
	case sizeof(int64_t): return va_arg(arguments->list, int64_t);
	case sizeof(short): return (short)va_arg(arguments->list, int);
	case sizeof(char): return (signed char)va_arg(arguments->list, int);
	default: return va_arg(arguments->list, int);
	}
}

static uint64_t format_take_unsigned(
	const struct format_spec *spec, struct format_arguments *arguments)
{
	uint64_t value = (uint64_t)format_take_signed(spec, arguments);

	return spec->value_size < 8 ? value & (((uint64_t)1 << (8 * spec->value_size)) - 1) : value;
}

/* Print one argument; false if the conversion is unknown. */
static bool format_convert(
	struct format_output *output, struct format_spec *spec, struct format_arguments *arguments)
{
	char character;

	switch (spec->conversion) {
	case 'd':
	case 'i': format_signed(output, spec, format_take_signed(spec, arguments)); return true;
	case 'u':
	case 'x':
	case 'X':
	case 'o': format_unsigned(output, spec, format_take_unsigned(spec, arguments)); return true;
	case 'p':
		format_number(output, spec, (uintptr_t)va_arg(arguments->list, void *), 16, "0x");
		return true;
	case 's': format_string(output, spec, va_arg(arguments->list, const char *)); return true;
	case 'c':
		character = (char)va_arg(arguments->list, int);
		format_field(output, spec,
			&(struct format_value){
				.prefix = "",
				.text = &character,
				.size = 1,
			});
		return true;
	case '%': format_emit(output, "%", 1); return true;
	default: return false;
	}
}

size_t format_sink(format_sink_fn sink, void *context, const char *format, va_list arguments)
{
	struct format_output output = { .sink = sink, .context = context };
	struct format_arguments rest;

	va_copy(rest.list, arguments);
	while (*format != '\0') {
		const char *start = format;

		if (*format != '%') {
			while (*format != '\0' && *format != '%') {
				format++;
			}
			format_emit(&output, start, (size_t)(format - start));
			continue;
		}
		struct format_spec spec = { 0 };

		format++;
		format_parse_flags(&format, &spec);
		format_parse_width(&format, &spec, &rest);
		format_parse_precision(&format, &spec, &rest);
		format_parse_length(&format, &spec);
		spec.conversion = *format;
		format += spec.conversion != '\0';
		if (!format_convert(&output, &spec, &rest)) {
			format_emit(&output, start, (size_t)(format - start));
		}
	}
	va_end(rest.list);
	return output.n_bytes;
}

size_t format_sink_text(format_sink_fn sink, void *context, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	size_t n_bytes = format_sink(sink, context, format, arguments);

	va_end(arguments);
	return n_bytes;
}

struct format_buffer {
	char *data;
	size_t size; /* room for text, without the terminator */
	size_t used;
};

static void format_buffer_sink(void *context, const char *text, size_t size)
{
	struct format_buffer *buffer = context;
	size_t n_bytes = min_size(size, buffer->size - buffer->used);

	memcpy(buffer->data + buffer->used, text, n_bytes);
	buffer->used += n_bytes;
}

static void format_count_sink(UNUSED void *context, UNUSED const char *text, UNUSED size_t size)
{
}

size_t vformat_to(char *out_buffer, size_t size, const char *format, va_list arguments)
{
	if (size == 0) {
		return format_sink(format_count_sink, NULL, format, arguments);
	}
	struct format_buffer buffer = { .data = out_buffer, .size = size - 1 };
	size_t n_bytes = format_sink(format_buffer_sink, &buffer, format, arguments);

	out_buffer[buffer.used] = '\0';
	return n_bytes;
}

size_t format_to(char *out_buffer, size_t size, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	size_t n_bytes = vformat_to(out_buffer, size, format, arguments);

	va_end(arguments);
	return n_bytes;
}

/* SPDX-License-Identifier: MIT */
/*
 * Formatted text without a C library.
 *
 * A subset of printf: %d %i %u %x %X %o %c %s %p %%, the lengths hh h l ll z t j, the flags - + 0 #
 * and space, width and precision as numbers or `*`. No floating point, no %n. An unknown conversion
 * is printed as it stands and consumes no argument.
 */
#ifndef BASE_FORMAT_H
#define BASE_FORMAT_H

#include <base/types.h>

/** format_sink_fn - takes the next @size bytes of output; they are not terminated */
typedef void (*format_sink_fn)(void *context, const char *text, size_t size);

/**
 * format_sink() - format and hand the text to @sink piece by piece
 * @context: passed to @sink
 *
 * Return: the number of bytes produced.
 */
size_t format_sink(format_sink_fn sink, void *context, const char *format, va_list arguments)
	PRINTF_LIKE(3, 0);

/** format_sink_text() - format_sink() with the arguments themselves */
size_t format_sink_text(format_sink_fn sink, void *context, const char *format, ...)
	PRINTF_LIKE(3, 4);

/**
 * format_to() - format into a buffer, cut to fit and always terminated
 * @size: of @out_buffer; 0 only counts
 *
 * Return: the length of the whole text, without terminator, even where it was cut.
 */
size_t format_to(char *out_buffer, size_t size, const char *format, ...) PRINTF_LIKE(3, 4);

/** vformat_to() - format_to() with an argument list */
size_t vformat_to(char *out_buffer, size_t size, const char *format, va_list arguments)
	PRINTF_LIKE(3, 0);

#endif

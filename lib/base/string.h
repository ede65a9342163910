/* SPDX-License-Identifier: MIT */
/*
 * Memory and string functions.
 *
 * Freestanding programs compile memory.c and c-string.c, which define the C library's functions of
 * these names (the compiler calls some of them by itself). Host programs leave both files out and
 * use their libc. The unit test of these files compiles them with BASE_STRING_PREFIXED, which
 * renames the functions to base_memcpy() and so on, so that both versions exist side by side.
 */
#ifndef BASE_STRING_H
#define BASE_STRING_H

#include <base/types.h>

#ifdef BASE_STRING_PREFIXED
#define memcpy  base_memcpy
#define memmove base_memmove
#define memset  base_memset
#define memcmp  base_memcmp
#define memchr  base_memchr
#define strlen  base_strlen
#define strnlen base_strnlen
#define strcmp  base_strcmp
#define strncmp base_strncmp
#define strchr  base_strchr
#define strrchr base_strrchr
#define strstr  base_strstr
#endif

void *memcpy(void *restrict out_to, const void *restrict from, size_t size);
void *memmove(void *out_to, const void *from, size_t size);
void *memset(void *out_to, int byte, size_t size);
int memcmp(const void *a, const void *b, size_t size);
void *memchr(const void *data, int byte, size_t size);
size_t strlen(const char *string);
size_t strnlen(const char *string, size_t size_max);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t size_max);
char *strchr(const char *string, int character);
char *strrchr(const char *string, int character);
char *strstr(const char *string, const char *part);

/*
 * A freestanding compiler does not know what functions of these names do: told so, it moves a few
 * bytes of a known size without a call.
 */
#if !__STDC_HOSTED__ && !defined(BASE_STRING_PREFIXED)
#define memcpy(to, from, size)  __builtin_memcpy(to, from, size)
#define memmove(to, from, size) __builtin_memmove(to, from, size)
#define memset(to, byte, size)  __builtin_memset(to, byte, size)
#endif

/**
 * str_copy() - copy a string into a buffer of @size bytes, always terminated
 * @size: not 0
 *
 * Return: whether the string was cut to fit.
 */
bool str_copy(char *out_buffer, size_t size, const char *string);

/** str_equal() - whether two strings have the same bytes */
static inline bool str_equal(const char *a, const char *b)
{
	return strcmp(a, b) == 0;
}

/** str_starts_with() - whether @string begins with @prefix */
bool str_starts_with(const char *string, const char *prefix);

/**
 * parse_u64() - read an unsigned number that fills the whole string
 * @base: 8, 10, 16, or 0 to go by the prefix (0x, 0o or 0b, otherwise decimal)
 * @out_value: written on success only
 *
 * With base 16 a 0x prefix is allowed. No sign, no spaces.
 * Return: true, or false if the string is no such number or it does not fit.
 */
MUST_USE bool parse_u64(const char *string, unsigned base, uint64_t *out_value);

/** parse_u64_span() - parse_u64() for @size bytes without a terminator */
MUST_USE bool parse_u64_span(const char *digits, size_t size, unsigned base, uint64_t *out_value);

#endif

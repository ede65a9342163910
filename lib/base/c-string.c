/* SPDX-License-Identifier: MIT */
/* The C library's string functions for freestanding programs. */
#include <base/string.h>

size_t strlen(const char *string)
{
	return strnlen(string, SIZE_MAX);
}

size_t strnlen(const char *string, size_t size_max)
{
	size_t size = 0;

	while (size < size_max && string[size] != '\0') {
		size++;
		__asm__ volatile(""); /* keeps this from becoming a call to strlen() */
	}
	return size;
}

int strcmp(const char *a, const char *b)
{
	return strncmp(a, b, SIZE_MAX);
}

int strncmp(const char *a, const char *b, size_t size_max)
{
	for (size_t i = 0; i < size_max; i++) {
		uint8_t left = (uint8_t)a[i];
		uint8_t right = (uint8_t)b[i];

		if (left != right || left == 0) {
			return left - right;
		}
	}
	return 0;
}

char *strchr(const char *string, int character)
{
	for (;; string++) {
		if (*string == (char)character) {
			return (char *)(uintptr_t)string;
		}
		if (*string == '\0') {
			return NULL;
		}
	}
}

char *strrchr(const char *string, int character)
{
	const char *found = NULL;

	for (;; string++) {
		if (*string == (char)character) {
			found = string;
		}
		if (*string == '\0') {
			return (char *)(uintptr_t)found;
		}
	}
}

char *strstr(const char *string, const char *part)
{
	size_t part_size = strlen(part);

	for (;; string++) {
		if (strncmp(string, part, part_size) == 0) {
			return (char *)(uintptr_t)string;
		}
		if (*string == '\0') {
			return NULL;
		}
	}
}

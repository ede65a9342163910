/* SPDX-License-Identifier: MIT */
/* What ACPICA wants of a C library and lib/base does not have: see acpi/platform/aclinux.h. */
#include <acpi/platform/aclinux.h>

char *acpica_copy(char *restrict to, const char *restrict from)
{
	memcpy(to, from, strlen(from) + 1);
	return to;
}

char *strncpy(char *restrict to, const char *restrict from, size_t size)
{
	size_t length = strnlen(from, size);

	memcpy(to, from, length);
	memset(to + length, 0, size - length);
	return to;
}

char *acpica_append(char *restrict to, const char *restrict from)
{
	acpica_copy(to + strlen(to), from);
	return to;
}

char *strncat(char *restrict to, const char *restrict from, size_t size)
{
	size_t length = strnlen(from, size);
	char *end = to + strlen(to);

	memcpy(end, from, length);
	end[length] = '\0';
	return to;
}

int isupper(int c)
{
	return c >= 'A' && c <= 'Z';
}

int isalpha(int c)
{
	return isupper(c) || (c >= 'a' && c <= 'z');
}

int isdigit(int c)
{
	return c >= '0' && c <= '9';
}

int isprint(int c)
{
	return c >= ' ' && c <= '~';
}

int isspace(int c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

int isxdigit(int c)
{
	return isdigit(c) || (toupper(c) >= 'A' && toupper(c) <= 'F');
}

int tolower(int c)
{
	return isupper(c) ? c - 'A' + 'a' : c;
}

int toupper(int c)
{
	return c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c;
}

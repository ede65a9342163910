/* SPDX-License-Identifier: MIT */
/*
 * What ACPICA takes for its host: in the place of the header of the same name in its sources, which
 * is for Linux. There is no C library but lib/base and libc.c.
 */
#ifndef ACPI_PLATFORM_ACLINUX_H
#define ACPI_PLATFORM_ACLINUX_H

#include <base/types.h>
#include <base/string.h>

#include <stdarg.h>

#define ACPI_USE_SYSTEM_CLIBRARY
#define ACPI_USE_DO_WHILE_0
#define ACPI_IGNORE_PACKAGE_RESOLUTION_ERRORS
#define ACPI_PCI_CONFIGURED
#define ACPI_USE_LOCAL_CACHE
#define ACPI_MUTEX_TYPE ACPI_BINARY_SEMAPHORE

#define ACPI_MACHINE_WIDTH        64
#define COMPILER_DEPENDENT_INT64  long
#define COMPILER_DEPENDENT_UINT64 unsigned long
#define ACPI_FLUSH_CPU_CACHE()

#define __init
#define __iomem
#define __cdecl

/* ACPICA's own */
int vsnprintf(char *out_text, unsigned long size, const char *format, va_list arguments);

/* libc.c; nobody but ACPICA is to copy texts whose size it does not know */
#define strcpy acpica_copy
#define strcat acpica_append
char *acpica_copy(char *restrict to, const char *restrict from);
char *acpica_append(char *restrict to, const char *restrict from);
char *strncpy(char *restrict to, const char *restrict from, size_t size);
char *strncat(char *restrict to, const char *restrict from, size_t size);
int isalpha(int c);
int isdigit(int c);
int isprint(int c);
int isspace(int c);
int isupper(int c);
int isxdigit(int c);
int tolower(int c);
int toupper(int c);

#endif

/* SPDX-License-Identifier: MIT */
/* Text into a buffer that may be too small, for /proc. */
#ifndef POSIX_PRINT_H
#define POSIX_PRINT_H

#include <base/format.h>
#include <base/types.h>

struct printer {
	char *buffer;
	size_t size;
	size_t used; /* size: not all of it did fit */
};

/** print() - append; what does not fit is lost */
void print(struct printer *printer, const char *format, ...) PRINTF_LIKE(2, 3);

#endif

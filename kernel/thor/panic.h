/* SPDX-License-Identifier: MIT */
/* The kernel log and the end of the world.  CONTRACT. */
#ifndef THOR_PANIC_H
#define THOR_PANIC_H

#include <base/types.h>

void klog(const char *format, ...) __attribute__((format(printf, 1, 2)));	/* one line, newline added; ring and early console */
NORETURN void panic(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif

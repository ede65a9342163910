/* SPDX-License-Identifier: MIT */
/* The kernel log and the end of the world.  CONTRACT. */
#ifndef THOR_PANIC_H
#define THOR_PANIC_H

#include <base/types.h>

void klog(const char *format, ...)
	__attribute__((format(printf, 1, 2))); /* one line, newline added; ring and early console */
NORETURN void panic(const char *format, ...) __attribute__((format(printf, 1, 2)));

struct arch_context;

/**
 * panic_at() - panic() for a fault of the kernel itself: prints the registers in @context and
 * unwinds from there
 */
NORETURN void panic_at(const struct arch_context *context, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/** panic_is_under_way() - some CPU is reporting a panic */
bool panic_is_under_way(void);

/**
 * panic_set_slide() - how far the image was moved from where it was linked, for who reads
 * backtraces
 */
void panic_set_slide(uint64_t slide);

#endif

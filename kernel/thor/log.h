/* SPDX-License-Identifier: MIT */
/* The kernel's log: a ring of text that user mode can read, copied to the early console. */
#ifndef THOR_LOG_H
#define THOR_LOG_H

#include <base/types.h>

struct screen;

constexpr size_t LOG_SIZE_BYTES = 64 * 1024;

/** log_write() - one line with time stamp; @text need not be terminated and may hold anything */
void log_write(const char *text, size_t size);

/** log_vwrite() - log_write() of formatted text */
void log_vwrite(const char *format, va_list arguments) PRINTF_LIKE(1, 0);

/**
 * log_read() - copy text out of the ring
 * @position: where to begin, counted in bytes since the boot; moved behind what was copied, and
 *            before that to the oldest byte there is if that one is younger
 * @size: of @out_buffer
 *
 * Return: bytes copied; 0: nothing new.
 */
size_t log_read(uint64_t *position, char *out_buffer, size_t size);

/**
 * log_set_screen() - show what is in the ring, and all that comes, on a screen, too
 * @screen: the log's from now on
 */
void log_set_screen(struct screen *screen);

/** log_break_lock() - from now on log without the lock: its holder may never go on */
void log_break_lock(void);

#endif

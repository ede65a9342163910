/* SPDX-License-Identifier: MIT */
/*
 * The kernel's log.
 *
 * Text goes to the ring and the console piece by piece as it is formatted, under one lock per line.
 */
#include <thor/log.h>

#include <base/format.h>
#include <base/string.h>
#include <thor/arch.h>
#include <thor/panic.h>
#include <thor/screen/screen.h>
#include <thor/spinlock.h>

static struct spinlock log_lock = { .rank = LOCK_RANK_LOG };
static _Atomic bool log_is_lock_broken;

/* guarded by log_lock */
static char log_ring[LOG_SIZE_BYTES];
static uint64_t log_end; /* bytes ever written */
static struct screen *log_screen; /* or NULL */

static void log_acquire(void)
{
	if (!atomic_load_explicit(&log_is_lock_broken, memory_order_relaxed)) {
		spinlock_acquire(&log_lock);
	}
}

static void log_release(void)
{
	if (!atomic_load_explicit(&log_is_lock_broken, memory_order_relaxed)) {
		spinlock_release(&log_lock);
	}
}

void log_break_lock(void)
{
	atomic_store_explicit(&log_is_lock_broken, true, memory_order_relaxed);
}

static void log_put(UNUSED void *context, const char *text, size_t size)
{
	for (size_t done = 0; done < size;) {
		size_t at = log_end % LOG_SIZE_BYTES;
		size_t n = min_size(size - done, LOG_SIZE_BYTES - at);

		memcpy(&log_ring[at], &text[done], n);
		log_end += n;
		done += n;
	}
	arch_early_write(text, size);
	if (log_screen != NULL) {
		screen_write(log_screen, text, size);
	}
}

static void log_put_time(void)
{
	uint64_t now_us = arch_clock_ns() / 1000;
	char text[32];
	size_t size = format_to(text, sizeof(text), "[%5llu.%06llu] ",
		(unsigned long long)(now_us / 1000000), (unsigned long long)(now_us % 1000000));

	log_put(NULL, text, size);
}

void log_write(const char *text, size_t size)
{
	log_acquire();
	log_put_time();
	log_put(NULL, text, size);
	log_put(NULL, "\n", 1);
	log_release();
}

void log_vwrite(const char *format, va_list arguments)
{
	log_acquire();
	log_put_time();
	format_sink(log_put, NULL, format, arguments);
	log_put(NULL, "\n", 1);
	log_release();
}

void klog(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	log_vwrite(format, arguments);
	va_end(arguments);
}

void log_set_screen(struct screen *screen)
{
	log_acquire();
	for (uint64_t at = log_end - min_u64(log_end, LOG_SIZE_BYTES); at < log_end; at++) {
		screen_write(screen, &log_ring[at % LOG_SIZE_BYTES], 1);
	}
	log_screen = screen;
	log_release();
}

size_t log_read(uint64_t *position, char *out_buffer, size_t size)
{
	size_t done = 0;

	log_acquire();
	if (log_end > LOG_SIZE_BYTES && *position < log_end - LOG_SIZE_BYTES) {
		*position = log_end - LOG_SIZE_BYTES;
	}
	while (done < size && *position < log_end) {
		size_t at = *position % LOG_SIZE_BYTES;
		size_t n = min_size(size - done, LOG_SIZE_BYTES - at);

		n = min_size(n, log_end - *position);
		memcpy(&out_buffer[done], &log_ring[at], n);
		done += n;
		*position += n;
	}
	log_release();
	return done;
}

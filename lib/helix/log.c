/* SPDX-License-Identifier: MIT */
/* The log of native programs: see log.h. */
#include <helix/lock.h>
#include <helix/log.h>
#include <helix/start.h>

#include <base/string.h>
#include <hel/hel-calls.h>

static hel_handle log_authority;
static const char *log_name = "?";
static size_t log_prefix_size;
static struct helix_lock log_lock; /* of the line */
static char
	log_line[HEL_LOG_MAX]; /* begins with the prefix; not on the stack: tasks have small ones */

void helix_log_init(hel_handle authority, const char *name)
{
	log_authority = authority;
	log_name = name;
	format_to(log_line, sizeof(log_line) / 2, "%s: ", name);
	log_prefix_size = strlen(log_line);
}

const char *helix_log_name(void)
{
	return log_name;
}

static void log_write(enum hel_log_level level, const char *format, va_list arguments)
{
	size_t room = sizeof(log_line) - log_prefix_size;

	helix_lock_take(&log_lock);
	size_t size = vformat_to(log_line + log_prefix_size, room, format, arguments);

	hel_log(log_authority, level, log_line, log_prefix_size + min_size(size, room - 1));
	helix_lock_release(&log_lock);
}

void helix_log(enum hel_log_level level, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	log_write(level, format, arguments);
	va_end(arguments);
}

NORETURN void helix_fatal(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	log_write(HEL_LOG_ERROR, format, arguments);
	va_end(arguments);
	helix_exit();
}

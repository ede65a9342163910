/* SPDX-License-Identifier: MIT */
/*
 * The log of native programs: one line per message to the kernel's log, through the handle "log".
 *
 * A message is "object verb values": `helix_log(HEL_LOG_INFO, "port %u opened, %zu bytes queued",
 * ...)`. The program's name is put before it. Without a "log" handle messages are lost, nothing
 * else happens. Programs log; libraries return errors.
 */
#ifndef HELIX_LOG_H
#define HELIX_LOG_H

#include <abi/hel/hel.h>
#include <base/format.h>

/** helix_log() - write one line, without newline; cut at HEL_LOG_MAX bytes */
void helix_log(enum hel_log_level level, const char *format, ...) PRINTF_LIKE(2, 3);

/**
 * helix_log_init() - for the start-up code: messages go to @authority and begin with @name
 * @name: borrowed for ever
 */
void helix_log_init(hel_handle authority, const char *name);

/** helix_log_name() - what messages begin with */
const char *helix_log_name(void);

/** helix_fatal() - log a line and end the program: it cannot go on */
NORETURN void helix_fatal(const char *format, ...) PRINTF_LIKE(1, 2);

#endif

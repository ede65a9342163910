/* SPDX-License-Identifier: MIT */
/* The console: the terminal /dev/hvc0, which is /dev/console, too. */
#ifndef POSIX_TTY_CONSOLE_H
#define POSIX_TTY_CONSOLE_H

#include <base/types.h>

/** console_init() - make the terminal and its nodes; it works as soon as a device is attached */
int64_t console_init(void);

#endif

/* SPDX-License-Identifier: MIT */
/* Open terminals. */
#ifndef POSIX_TTY_TTY_FILE_H
#define POSIX_TTY_TTY_FILE_H

#include <posix/server/tty/tty.h>

/** tty_file_init() - make @file an open @tty, which is referenced */
void tty_file_init(struct file *file, struct tty *tty);

#endif

/* SPDX-License-Identifier: MIT */
/* The loop that the tasks of channels run on. */
#ifndef POSIX_TTY_CHANNEL_LOOP_H
#define POSIX_TTY_CHANNEL_LOOP_H

struct loop;

/** posix_loop() - the loop of all that belongs to no process (turn.h) */
struct loop *posix_loop(void);

#endif

/* SPDX-License-Identifier: MIT */
/* timer_create and its family, and timerfd where others need to know of it. */
#ifndef POSIX_POSIX_TIMER_H
#define POSIX_POSIX_TIMER_H

#include <posix/server/process/process-internal.h>
#include <posix/server/time/expiry.h>

/** posix_timers_release() - delete all timers of the process */
void posix_timers_release(struct process *process);

/** timerfds_follow_clock() - the wall clock was set: for those that are to be cancelled then */
void timerfds_follow_clock(void);

#endif

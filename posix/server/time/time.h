/* SPDX-License-Identifier: MIT */
/* Timers of processes and the clocks behind them. */
#ifndef POSIX_TIME_H
#define POSIX_TIME_H

#include <posix/server/process/process-internal.h>

constexpr uint64_t NS_PER_S = 1000000000;

/** process_timers_init() - no timer runs */
void process_timers_init(struct process *process);
/** process_timers_release() - stop and free all timers: the process is gone */
void process_timers_release(struct process *process);
/** process_timers_exec() - POSIX timers do not survive exec, the interval timer does */
void process_timers_exec(struct process *process);

/** clock_init() - find out what time it is */
void clock_init(void);
/** clock_realtime_offset_ns() - what the wall clock is ahead of the monotonic one */
int64_t clock_realtime_offset_ns(void);
/**
 * clock_set_realtime() - change the wall clock, and everything that waits for it
 *
 * Return: 0; -LINUX_EINVAL: it would have been negative at the start; -LINUX_EPERM: we have no
 * right to.
 */
int64_t clock_set_realtime(uint64_t realtime_ns);

/* kernel statistics, through whatever handle svrctl gave us; -ERR_NO_RIGHTS without one */
int kernel_stats_get(struct hel_kernel_stats *out_stats);

/** load_init() - begin to sample the load average */
void load_init(void);
/** load_average() - 1, 5, 15 minutes in 16.16 fixed point */
void load_average(uint64_t out_loads[3]);

#endif

/* SPDX-License-Identifier: MIT */
/* ITIMER_VIRTUAL and ITIMER_PROF: timers on the processor time that a process uses. */
#ifndef POSIX_CPU_TIMER_H
#define POSIX_CPU_TIMER_H

#include <posix/server/process/process-internal.h>

/** cpu_timer_init() - not armed; @signal is sent when it expires */
void cpu_timer_init(struct cpu_timer *timer, struct process *process, int signal);

/** cpu_timer_set() - expire when the process has used @value_ns more, 0: never */
void cpu_timer_set(struct cpu_timer *timer, uint64_t value_ns, uint64_t interval_ns);

/** cpu_timer_left() - nanoseconds of processor time, 0: not armed */
uint64_t cpu_timer_left(const struct cpu_timer *timer);

#endif

/* SPDX-License-Identifier: MIT */
/* Clocks of processor time, and timers on them. */
#ifndef POSIX_CPU_TIMER_H
#define POSIX_CPU_TIMER_H

#include <posix/server/process/process-internal.h>

/* ---- clocks: cpu-clock.c ---- */

/** cpu_clock_of_process() - of all its threads; @is_user: without the kernel's time */
void cpu_clock_of_process(const struct process *process, bool is_user, struct cpu_clock *out_clock);

/** cpu_clock_find() - the clock that has the number @clock for @caller; false: none */
bool cpu_clock_find(struct thread *caller, int32_t clock, struct cpu_clock *out_clock);

/** cpu_clock_thread() - whose clock it is, borrowed; NULL: a process', or the thread is gone */
struct thread *cpu_clock_thread(const struct cpu_clock *clock);
/** cpu_clock_process() - likewise */
struct process *cpu_clock_process(const struct cpu_clock *clock);

/** cpu_clock_read() - nanoseconds of processor time; false: its process or thread is gone */
bool cpu_clock_read(const struct cpu_clock *clock, uint64_t *out_ns);

/* ---- timers: cpu-timer.c ---- */

/**
 * cpu_timer_init() - not set
 * @expired: called in the loop, with how many times it has expired; may set or free the timer
 */
void cpu_timer_init(
	struct cpu_timer *timer, void (*expired)(struct cpu_timer *timer, uint64_t n_expired));

/**
 * cpu_timer_set() - expire when @clock has come to @due_ns, then each @interval_ns, 0: once
 *
 * What is due already expires in the loop's next round. When the process or thread ends it never
 * expires.
 *
 * Return: false if that is gone; then the timer is not set.
 */
bool cpu_timer_set(struct cpu_timer *timer, const struct cpu_clock *clock, uint64_t due_ns,
	uint64_t interval_ns);
void cpu_timer_stop(struct cpu_timer *timer);

/** cpu_timer_left() - nanoseconds of processor time until it expires, at least 1; 0: not set */
uint64_t cpu_timer_left(const struct cpu_timer *timer);
static inline bool cpu_timer_is_set(const struct cpu_timer *timer)
{
	return timer->due_ns != 0;
}

/* ---- limits: cpu-limit.c ---- */

/**
 * cpu_limit_follow() - RLIMIT_CPU of @process has changed, or it has inherited one
 *
 * Return: 0, -LINUX_ENOMEM.
 */
int cpu_limit_follow(struct process *process);
/** cpu_limit_release() - the process is gone */
void cpu_limit_release(struct process *process);

/* ---- limits of real-time threads: rt-limit.c ---- */

/**
 * rt_limit_follow() - RLIMIT_RTTIME of @process has changed, or it has inherited one
 *
 * Return: 0, -LINUX_ENOMEM.
 */
int rt_limit_follow(struct process *process);
/** rt_limit_watch() - how a thread is scheduled has changed */
void rt_limit_watch(struct thread *thread);
/** rt_limit_release() - the process is gone */
void rt_limit_release(struct process *process);

#endif

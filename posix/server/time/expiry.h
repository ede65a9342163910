/* SPDX-License-Identifier: MIT */
/* Moments that something waits for: of timers, timerfds and calls with a deadline. */
#ifndef POSIX_EXPIRY_H
#define POSIX_EXPIRY_H

#include <abi/linux/time.h>
#include <async/timer.h>
#include <base/list.h>

/*
 * An expiry that may repeat: what the program set, on the monotonic clock. One that was set to a
 * moment of the wall clock moves when that clock is set.
 */
struct expiry {
	struct timer timer;
	uint64_t interval_ns;
	struct list_node wall_node; /* linked while it follows the wall clock */
	uint64_t wall_ns; /* then the moment */
};

/** timespec_decode() - in nanoseconds, saturating; false: not a time */
bool timespec_decode(const struct linux_timespec *time, uint64_t *out_ns);
struct linux_timespec timespec_encode(uint64_t ns);

/** expiry_init() - not set; @expired is called in the loop and calls expiry_renew() */
void expiry_init(struct expiry *expiry, void (*expired)(struct timer *timer));
/**
 * expiry_set() - start or stop
 * @clock: of absolute times
 *
 * Return: 0 or -LINUX_EINVAL.
 */
int64_t expiry_set(
	struct expiry *expiry, int clock, bool is_absolute, const struct linux_itimerspec *spec);
void expiry_get(const struct expiry *expiry, struct linux_itimerspec *out_spec);
void expiry_stop(struct expiry *expiry);
/**
 * expiry_renew() - in the timer's function: arm it again if it repeats; how many times it has
 * expired
 */
uint64_t expiry_renew(struct expiry *expiry);

/** expiries_follow_clock() - the wall clock was set */
void expiries_follow_clock(void);

#endif

/* SPDX-License-Identifier: MIT */
/* Clocks and timers, as on Linux. */
#ifndef ABI_LINUX_TIME_H
#define ABI_LINUX_TIME_H

#include <abi/linux/stat.h>

enum linux_clock : int {
	LINUX_CLOCK_REALTIME = 0,
	LINUX_CLOCK_MONOTONIC = 1,
	LINUX_CLOCK_PROCESS_CPUTIME_ID = 2,
	LINUX_CLOCK_THREAD_CPUTIME_ID = 3,
	LINUX_CLOCK_MONOTONIC_RAW = 4,
	LINUX_CLOCK_REALTIME_COARSE = 5,
	LINUX_CLOCK_MONOTONIC_COARSE = 6,
	LINUX_CLOCK_BOOTTIME = 7,
	LINUX_CLOCK_REALTIME_ALARM = 8,
	LINUX_CLOCK_BOOTTIME_ALARM = 9,
	LINUX_CLOCK_TAI = 11,
};

constexpr uint32_t LINUX_TIMER_ABSTIME = 1;
constexpr uint32_t LINUX_TFD_TIMER_CANCEL_ON_SET = 2;

enum linux_itimer : uint32_t {
	LINUX_ITIMER_REAL = 0,
	LINUX_ITIMER_VIRTUAL = 1,
	LINUX_ITIMER_PROF = 2,
};

struct linux_itimerval {
	struct linux_timeval interval, value;
};

struct linux_itimerspec {
	struct linux_timespec interval, value;
};

constexpr uint64_t LINUX_CLOCK_TICKS = 100; /* per second: times(2), /proc */

#endif

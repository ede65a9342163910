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

struct linux_timezone {
	int32_t minutes_west, daylight_saving;
};

struct linux_itimerval {
	struct linux_timeval interval, value;
};

struct linux_itimerspec {
	struct linux_timespec interval, value;
};

struct linux_timex {
	uint32_t modes;
	int64_t offset, frequency, error_max, error_estimated;
	int32_t status;
	int64_t constant, precision, tolerance;
	struct linux_timeval time; /* nanoseconds with ADJ_NANO */
	int64_t tick_us;
	int64_t pulse_frequency, pulse_jitter;
	int32_t pulse_shift;
	int64_t pulse_stability, n_jitter, n_calibrations, n_errors, n_stability;
	int32_t tai_offset, unused[11];
};
static_assert(sizeof(struct linux_timex) == 208);

enum linux_timex_modes : uint32_t {
	LINUX_ADJ_SETOFFSET = 0x0100,
	LINUX_ADJ_NANO = 0x2000,
	LINUX_ADJ_OFFSET_SINGLESHOT = 0x8001, /* adjtime() */
	LINUX_ADJ_OFFSET_SS_READ = 0xa001,
};

constexpr int32_t LINUX_STA_UNSYNC = 0x40;
constexpr int64_t LINUX_TIME_ERROR = 5; /* the clock is not synchronised */

constexpr uint64_t LINUX_CLOCK_TICKS = 100; /* per second: times(2), /proc */

#endif

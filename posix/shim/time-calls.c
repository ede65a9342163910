/* SPDX-License-Identifier: MIT */
/*
 * Clocks and sleeping. Reading the time is a computation over the clock page; sleeping is a drive
 * with a deadline.
 */
#include <hel/hel-calls.h>

#include "calls.h"

constexpr uint64_t NS_PER_S = 1000000000;

enum linux_clock : uint64_t {
	CLOCK_REALTIME = 0,
	CLOCK_MONOTONIC = 1,
	CLOCK_PROCESS_CPUTIME = 2,
	CLOCK_THREAD_CPUTIME = 3,
	CLOCK_MONOTONIC_RAW = 4,
	CLOCK_REALTIME_COARSE = 5,
	CLOCK_MONOTONIC_COARSE = 6,
	CLOCK_BOOTTIME = 7,
	CLOCK_REALTIME_ALARM = 8,
	CLOCK_BOOTTIME_ALARM = 9,
	CLOCK_TAI = 11,
};

int shim_get_timespec(uint64_t address, uint64_t *out_ns)
{
	struct linux_timespec time;

	if (shim_get(&time, address, sizeof(time))) {
		return -LINUX_EFAULT;
	}
	if (time.seconds < 0 || time.nanoseconds < 0 || time.nanoseconds >= (int64_t)NS_PER_S) {
		return -LINUX_EINVAL;
	}
	if ((uint64_t)time.seconds > INT64_MAX / NS_PER_S - 1) {
		*out_ns = INT64_MAX;
		return 0;
	}
	*out_ns = (uint64_t)time.seconds * NS_PER_S + (uint64_t)time.nanoseconds;
	return 0;
}

int shim_put_timespec(uint64_t address, uint64_t ns)
{
	struct linux_timespec time = { (int64_t)(ns / NS_PER_S), (int64_t)(ns % NS_PER_S) };

	return shim_put(address, &time, sizeof(time));
}

uint64_t shim_deadline_after(uint64_t ns)
{
	uint64_t now = shim_clock_ns();

	return ns > HEL_DEADLINE_NEVER - 1 - now ? HEL_DEADLINE_NEVER - 1 : now + ns;
}

static bool is_realtime(uint64_t clock)
{
	return clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE ||
		clock == CLOCK_REALTIME_ALARM || clock == CLOCK_TAI;
}

static bool is_monotonic(uint64_t clock)
{
	return clock == CLOCK_MONOTONIC || clock == CLOCK_MONOTONIC_RAW ||
		clock == CLOCK_MONOTONIC_COARSE || clock == CLOCK_BOOTTIME ||
		clock == CLOCK_BOOTTIME_ALARM;
}

/* Clocks that nobody can sleep on. */
static bool is_only_read(uint64_t clock)
{
	return clock == CLOCK_THREAD_CPUTIME || clock == CLOCK_MONOTONIC_RAW ||
		clock == CLOCK_REALTIME_COARSE || clock == CLOCK_MONOTONIC_COARSE;
}

static uint64_t realtime_ns(void)
{
	return shim_clock_ns() + (uint64_t)shim_realtime_offset_ns();
}

int64_t shim_clock_gettime(SHIM_ARGS)
{
	SHIM_UNUSED;
	if (is_monotonic(a0)) {
		return shim_put_timespec(a1, shim_clock_ns());
	}
	if (is_realtime(a0)) {
		return shim_put_timespec(a1, realtime_ns());
	}
	if (a0 == CLOCK_PROCESS_CPUTIME || a0 == CLOCK_THREAD_CPUTIME || (int32_t)a0 < 0) {
		int64_t ns = shim_request(POSIX_CPU_CLOCK, a0, 0, 0, 0, 0, 0);

		return ns < 0 ? ns : shim_put_timespec(a1, (uint64_t)ns);
	}
	return -LINUX_EINVAL;
}

int64_t shim_clock_getres(SHIM_ARGS)
{
	SHIM_UNUSED;
	if (a0 > CLOCK_TAI && (int32_t)a0 >= 0) {
		return -LINUX_EINVAL;
	}
	return a1 ? shim_put_timespec(a1, 1) : 0;
}

int64_t shim_gettimeofday(SHIM_ARGS)
{
	uint64_t ns = realtime_ns();
	int64_t time[2] = { (int64_t)(ns / NS_PER_S), (int64_t)(ns % NS_PER_S / 1000) };

	SHIM_UNUSED;
	if (a0 && shim_put(a0, time, sizeof(time))) {
		return -LINUX_EFAULT;
	}
	if (!a1) {
		return 0;
	}
	int64_t zone = shim_request(POSIX_TIMEZONE, 0, 0, 0, 0, 0, 0);
	int32_t parts[2] = { (int32_t)(uint32_t)zone - 900, (int32_t)(zone >> 32) };

	return zone < 0 ? zone : shim_put(a1, parts, sizeof(parts));
}

int64_t shim_time(SHIM_ARGS)
{
	int64_t seconds = (int64_t)(realtime_ns() / NS_PER_S);

	SHIM_UNUSED;
	if (a0 && shim_put(a0, &seconds, sizeof(seconds))) {
		return -LINUX_EFAULT;
	}
	return seconds;
}

/* In restart_args[1], otherwise a clock of processor time: nobody can sleep on this one. */
constexpr uint64_t RESTART_MONOTONIC = CLOCK_THREAD_CPUTIME;

/* Relative sleeps that a signal interrupts go on by restart_syscall when no handler ran. */
static int64_t sleep_relative(uint64_t deadline_ns, uint64_t remaining_address)
{
	struct posix_thread_page *page = shim_thread();
	uint64_t now;

	if (!shim_sleep_until((struct shim_deadline){ .ns = deadline_ns })) {
		return 0;
	}
	now = shim_clock_ns();
	if (remaining_address &&
		shim_put_timespec(remaining_address, deadline_ns > now ? deadline_ns - now : 0)) {
		return -LINUX_EFAULT;
	}
	page->restart_deadline_ns = deadline_ns;
	page->restart_args[0] = remaining_address;
	page->restart_args[1] = RESTART_MONOTONIC;
	return -LINUX_ERESTART_RESTARTBLOCK;
}

/*
 * Sleeps until a clock of processor time says due_ns. With is_relative it goes on as above, and the
 * time that remains is told.
 */
static int64_t sleep_on_cpu_clock(
	uint64_t clock, uint64_t due_ns, bool is_relative, uint64_t remaining_address)
{
	struct posix_thread_page *page = shim_thread();
	int64_t result = shim_request(POSIX_CPU_SLEEP, clock, due_ns, 0, 0, 0, 0);

	if (result != -LINUX_ERESTARTSYS) {
		return result;
	}
	if (!is_relative) {
		return -LINUX_ERESTARTNOHAND;
	}
	if (remaining_address) {
		int64_t now = shim_request(POSIX_CPU_CLOCK, clock, 0, 0, 0, 0, 0);

		if (shim_put_timespec(remaining_address,
			    now >= 0 && (uint64_t)now < due_ns ? due_ns - (uint64_t)now : 0)) {
			return -LINUX_EFAULT;
		}
	}
	page->restart_deadline_ns = due_ns;
	page->restart_args[0] = remaining_address;
	page->restart_args[1] = clock;
	return -LINUX_ERESTART_RESTARTBLOCK;
}

int64_t shim_restart_syscall(SHIM_ARGS)
{
	struct posix_thread_page *page = shim_thread();

	SHIM_UNUSED;
	if (page->restart_args[1] != RESTART_MONOTONIC) {
		return sleep_on_cpu_clock(page->restart_args[1], page->restart_deadline_ns, true,
			page->restart_args[0]);
	}
	return sleep_relative(page->restart_deadline_ns, page->restart_args[0]);
}

int64_t shim_nanosleep(SHIM_ARGS)
{
	uint64_t ns;
	int error = shim_get_timespec(a0, &ns);

	SHIM_UNUSED;
	return error ? error : sleep_relative(shim_deadline_after(ns), a1);
}

static int64_t cpu_nanosleep(
	uint64_t clock, bool is_absolute, uint64_t ns, uint64_t remaining_address)
{
	int64_t now = is_absolute ? 0 : shim_request(POSIX_CPU_CLOCK, clock, 0, 0, 0, 0, 0);

	return now < 0
		? now
		: sleep_on_cpu_clock(clock, (uint64_t)now + ns, !is_absolute, remaining_address);
}

int64_t shim_clock_nanosleep(SHIM_ARGS)
{
	constexpr uint64_t TIMER_ABSTIME = 1;
	bool is_cpu = a0 == CLOCK_PROCESS_CPUTIME || (int32_t)a0 < 0;
	uint64_t ns;
	int error;

	SHIM_UNUSED;
	if (!is_realtime(a0) && !is_monotonic(a0) && a0 != CLOCK_THREAD_CPUTIME && !is_cpu) {
		return -LINUX_EINVAL;
	}
	if (is_only_read(a0)) {
		return -LINUX_EOPNOTSUPP;
	}
	error = shim_get_timespec(a2, &ns);
	if (error) {
		return error;
	}
	if (is_cpu) {
		return cpu_nanosleep((uint32_t)a0, a1 & TIMER_ABSTIME, ns, a3);
	}
	if (!(a1 & TIMER_ABSTIME)) {
		return sleep_relative(shim_deadline_after(ns), a3);
	}
	struct shim_deadline deadline = { ns, is_realtime(a0) };

	return shim_sleep_until(deadline) ? -LINUX_ERESTARTNOHAND : 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * Clocks and the load average.
 *
 * The monotonic clock is the kernel's. The wall clock is an offset to it, which stands in the clock
 * page; whoever has the handle "clock" may change it, as hw does when it has read the machine's
 * clock. As long as nobody has, we set a fixed date.
 *
 * Everything that waits for a moment of the wall clock has turned it into one of the monotonic
 * clock. So when we change the offset, our timers are turned into it anew, and all threads are
 * kicked, because they may sleep in the shim: who finds no signal then looks at the time again.
 */
#include <abi/linux/time.h>
#include <async/loop.h>
#include <base/errors.h>
#include <helix/await.h>
#include <helix/memory.h>
#include <helix/start.h>
#include <posix/server/file/handlers.h>
#include <posix/server/file/views.h>
#include <posix/server/time/cpu-timer.h>
#include <posix/server/time/posix-timer.h>
#include <posix/server/time/time.h>

constexpr int64_t BOOT_REALTIME_NS = 1767225600 * (int64_t)NS_PER_S; /* 2026-01-01 00:00:00 UTC */

/* As Linux: what is later would come to an end of 64 bits of nanoseconds within 30 years. */
constexpr int64_t REALTIME_SECONDS_MAX = INT64_MAX / (int64_t)NS_PER_S - 30 * 365 * 86400l;
constexpr int ZONE_MINUTES_MAX = 15 * 60;

static const struct hel_clock_page *clock_page;
static struct linux_timezone zone;

uint64_t clock_monotonic_ns(void)
{
	return helix_now_ns();
}

int64_t clock_realtime_offset_ns(void)
{
	return clock_page != NULL
		? __atomic_load_n(&clock_page->realtime_offset_ns, __ATOMIC_RELAXED)
		: BOOT_REALTIME_NS;
}

uint64_t clock_realtime_ns(void)
{
	return clock_monotonic_ns() + (uint64_t)clock_realtime_offset_ns();
}

static int set_offset(int64_t offset_ns)
{
	hel_handle authority = helix_start_handle("clock");

	return authority == HEL_NULL ? -ERR_NO_RIGHTS
				     : hel_clock_set_realtime(authority, offset_ns);
}

void clock_init(void)
{
	hel_handle memory;
	void *page;

	if (hel_clock_page(&memory) == 0 &&
		helix_map(memory, 0, HEL_PAGE_SIZE, HEL_MAP_READ, &page) == 0) {
		clock_page = page;
	}
	if (clock_realtime_offset_ns() == 0) {
		(void)set_offset(BOOT_REALTIME_NS); /* else it is 1970, which is a time, too */
	}
}

static void kick_all(void)
{
	for (struct process *process = process_first(); process != NULL;
		process = process_next(process)) {
		LIST_FOR_EACH(thread, &process->threads, struct thread, process_node) {
			if (thread->internal->is_started && !thread->internal->is_dying) {
				hel_thread_kick(thread->internal->thread);
			}
		}
	}
}

int64_t clock_set_realtime(uint64_t realtime_ns)
{
	int64_t offset_ns = (int64_t)(realtime_ns - clock_monotonic_ns());

	if (offset_ns < 0) {
		return -LINUX_EINVAL; /* before the start would be before 1970 */
	}
	/* what is due for a new atime depends on the time; writes were made by the old one */
	views_all_changed();
	if (set_offset(offset_ns) != 0) {
		return -LINUX_EPERM;
	}
	expiries_follow_clock();
	timerfds_follow_clock();
	kick_all();
	return 0;
}

/* Whether a program may set the clock, to that time (NULL: only the zone). */
static int64_t check_set(const struct process *process, const struct linux_timespec *time)
{
	if (time != NULL &&
		(time->seconds < 0 || time->seconds > REALTIME_SECONDS_MAX ||
			time->nanoseconds < 0 || time->nanoseconds >= (int64_t)NS_PER_S)) {
		return -LINUX_EINVAL;
	}
	return process_has(process, LINUX_CAP_SYS_TIME) ? 0 : -LINUX_EPERM;
}

static int64_t set(const struct linux_timespec *time)
{
	return clock_set_realtime((uint64_t)time->seconds * NS_PER_S + (uint64_t)time->nanoseconds);
}

int64_t posix_clock_settime(struct request *request)
{
	const struct linux_timespec *time = request_in(request, 1, NULL);
	int32_t clock = (int32_t)request->args[0];

	if (clock != LINUX_CLOCK_REALTIME && clock >= 0) {
		return -LINUX_EINVAL;
	}
	if (time == NULL) {
		return -LINUX_EFAULT;
	}
	if (clock < 0) {
		struct cpu_clock cpu_clock;

		return cpu_clock_find(request->thread, clock, &cpu_clock) ? -LINUX_EPERM
									  : -LINUX_EINVAL;
	}
	int64_t error = check_set(request->process, time);

	return error != 0 ? error : set(time);
}

/* The zone means nothing to the clock; gettimeofday() tells it. */
int64_t posix_settimeofday(struct request *request)
{
	const struct linux_timeval *timeval = request_in(request, 0, NULL);
	const struct linux_timezone *new_zone = request_in(request, 1, NULL);
	struct linux_timespec time = { 0 };

	if (timeval != NULL) {
		time.seconds = timeval->seconds;
		if (timeval->microseconds < 0 || timeval->microseconds >= 1000000) {
			return -LINUX_EINVAL;
		}
		time.nanoseconds = timeval->microseconds * 1000;
	}
	int64_t error = check_set(request->process, timeval != NULL ? &time : NULL);

	if (error == 0 && new_zone != NULL) {
		if (new_zone->minutes_west > ZONE_MINUTES_MAX ||
			new_zone->minutes_west < -ZONE_MINUTES_MAX) {
			return -LINUX_EINVAL;
		}
		zone = *new_zone;
	}
	return error == 0 && timeval != NULL ? set(&time) : error;
}

int64_t posix_timezone(UNUSED struct request *request)
{
	return (int64_t)(uint32_t)zone.daylight_saving << 32 |
		(uint32_t)(zone.minutes_west + ZONE_MINUTES_MAX);
}

/* ---- adjtimex -------------------------------------------------------------------------------- */

/* Steps the wall clock by an offset that may be negative. */
static int64_t step_clock(const struct linux_timex *timex)
{
	int64_t parts_max = (timex->modes & LINUX_ADJ_NANO) != 0 ? (int64_t)NS_PER_S : 1000000;
	int64_t parts = timex->time.microseconds, now = (int64_t)clock_realtime_ns(), offset;

	if (parts < 0 || parts >= parts_max) {
		return -LINUX_EINVAL;
	}
	if (__builtin_mul_overflow(timex->time.seconds, (int64_t)NS_PER_S, &offset) ||
		__builtin_add_overflow(offset, parts * ((int64_t)NS_PER_S / parts_max), &offset) ||
		__builtin_add_overflow(now, offset, &now) || now < 0) {
		return -LINUX_EINVAL;
	}
	return clock_set_realtime((uint64_t)now);
}

/* Nobody disciplines the clock: it can be stepped, but has no rate that could be changed. */
static int64_t adjust_clock(struct request *request, unsigned argument)
{
	struct linux_timex *timex = request_out(request, argument, NULL);
	int64_t error = 0;

	if (timex == NULL) {
		return -LINUX_EFAULT;
	}
	uint32_t modes = timex->modes;

	if (modes != 0 && modes != LINUX_ADJ_OFFSET_SS_READ) {
		if (!process_has(request->process, LINUX_CAP_SYS_TIME)) {
			return -LINUX_EPERM;
		}
		if ((modes & ~(uint32_t)LINUX_ADJ_NANO) == LINUX_ADJ_SETOFFSET) {
			error = step_clock(timex);
		} else if (modes != LINUX_ADJ_OFFSET_SINGLESHOT || timex->offset != 0) {
			unimplemented_count(request->number);
			error = -LINUX_EOPNOTSUPP;
		}
	}
	if (error != 0) {
		return error;
	}
	uint64_t now_ns = clock_realtime_ns();

	*timex = (struct linux_timex){
		.modes = modes,
		.error_max = 16000000,
		.error_estimated = 16000000,
		.status = LINUX_STA_UNSYNC,
		.constant = 2,
		.precision = 1,
		.tolerance = 32768000,
		.time = { (int64_t)(now_ns / NS_PER_S), (int64_t)(now_ns % NS_PER_S / 1000) },
		.tick_us = 10000,
	};
	return LINUX_TIME_ERROR;
}

int64_t posix_adjtimex(struct request *request)
{
	return adjust_clock(request, 0);
}

int64_t posix_clock_adjtime(struct request *request)
{
	int32_t clock = (int32_t)request->args[0];

	if (clock == LINUX_CLOCK_REALTIME) {
		return adjust_clock(request, 1);
	}
	return clock < 0 || clock > LINUX_CLOCK_TAI ? -LINUX_EINVAL : -LINUX_EOPNOTSUPP;
}

int kernel_stats_get(struct hel_kernel_stats *out_stats)
{
	hel_handle authority = helix_start_handle("statistics");

	return authority == HEL_NULL ? -ERR_NO_RIGHTS : hel_kernel_stats(authority, out_stats);
}

/* ---- load average ---------------------------------------------------------------------------- */

constexpr uint64_t LOAD_PERIOD_NS = 5 * NS_PER_S;
constexpr uint64_t LOAD_ONE = 1 << 16;
/* exp(-5 s / 1, 5, 15 min) in 16.16. */
static const uint64_t load_decay[3] = { 60297, 64452, 65173 };

static uint64_t loads[3];
static struct timer load_timer;

/* Threads that run or could. */
static uint64_t count_running(void)
{
	uint64_t n_running = 0;

	for (struct process *process = process_first(); process != NULL;
		process = process_next(process)) {
		LIST_FOR_EACH(thread, &process->threads, struct thread, process_node) {
			struct hel_thread_stats stats;

			if (hel_thread_stats(thread->internal->thread, &stats) == 0 &&
				(stats.state == 1 || stats.state == 2)) {
				n_running++;
			}
		}
	}
	return n_running;
}

static void load_sample(struct timer *timer)
{
	uint64_t running = count_running() * LOAD_ONE;

	for (unsigned i = 0; i < 3; i++) {
		loads[i] = (loads[i] * load_decay[i] + running * (LOAD_ONE - load_decay[i])) >> 16;
	}
	timer_arm(posix_loop(), timer, clock_monotonic_ns() + LOAD_PERIOD_NS);
}

void load_init(void)
{
	timer_init(&load_timer, load_sample);
	timer_arm(posix_loop(), &load_timer, clock_monotonic_ns() + LOAD_PERIOD_NS);
}

void load_average(uint64_t out_loads[3])
{
	for (unsigned i = 0; i < 3; i++) {
		out_loads[i] = loads[i];
	}
}

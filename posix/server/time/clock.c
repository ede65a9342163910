/* SPDX-License-Identifier: MIT */
/*
 * Clocks and the load average.
 *
 * The monotonic clock is the kernel's. The wall clock is an offset to it: the clock page's, which
 * whoever keeps the time writes, or, as long as nobody does, our own: a fixed date at boot.
 */
#include <abi/linux/time.h>
#include <async/loop.h>
#include <base/errors.h>
#include <helix/await.h>
#include <helix/memory.h>
#include <helix/start.h>
#include <posix/server/file/handlers.h>
#include <posix/server/file/views.h>
#include <posix/server/time/time.h>

constexpr int64_t BOOT_REALTIME_NS = 1767225600 * (int64_t)NS_PER_S; /* 2026-01-01 00:00:00 UTC */

static const struct hel_clock_page *clock_page;
static int64_t own_offset_ns = BOOT_REALTIME_NS;

uint64_t clock_monotonic_ns(void)
{
	return helix_now_ns();
}

static int64_t realtime_offset_ns(void)
{
	int64_t offset = clock_page != NULL ? clock_page->realtime_offset_ns : 0;

	return offset != 0 ? offset : own_offset_ns;
}

uint64_t clock_realtime_ns(void)
{
	return clock_monotonic_ns() + (uint64_t)realtime_offset_ns();
}

void clock_init(void)
{
	hel_handle memory;
	void *page;

	if (hel_clock_page(&memory) == 0 &&
		helix_map(memory, 0, HEL_PAGE_SIZE, HEL_MAP_READ, &page) == 0) {
		clock_page = page;
	}
}

int64_t clock_set_realtime(uint64_t realtime_ns)
{
	if (clock_page != NULL && clock_page->realtime_offset_ns != 0) {
		unimplemented_count(227);
		return -LINUX_EPERM; /* the clock is kept by another server */
	}
	own_offset_ns = (int64_t)(realtime_ns - clock_monotonic_ns());
	return 0;
}

int64_t posix_clock_settime(struct request *request)
{
	const struct linux_timespec *time = request_in(request, 1, NULL);

	if ((int)request->args[0] != LINUX_CLOCK_REALTIME) {
		return -LINUX_EINVAL;
	}
	if (time == NULL) {
		return -LINUX_EFAULT;
	}
	if (time->seconds < 0 || time->nanoseconds < 0 || time->nanoseconds >= (int64_t)NS_PER_S) {
		return -LINUX_EINVAL;
	}
	if (!process_has(request->process, LINUX_CAP_SYS_TIME)) {
		return -LINUX_EPERM;
	}
	views_all_changed(); /* what is due for a new atime depends on the time */
	return clock_set_realtime((uint64_t)time->seconds * NS_PER_S + (uint64_t)time->nanoseconds);
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
	views_all_changed();
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

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

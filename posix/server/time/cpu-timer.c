/* SPDX-License-Identifier: MIT */
/*
 * Timers on processor time.
 *
 * The kernel has none, so a timer looks again and again how much its clock says: first when
 * that can be enough at the earliest, with all its threads running. As long as nothing is used
 * the pauses double, so that a process that sleeps costs little; then it can be so much late.
 *
 * What a thread uses that runs undisturbed is only counted when its processor next comes to the
 * scheduler. So before each look the threads that run are kicked, and given a moment:
 *
 *	looks -- threads run: kick them --> settles -- SETTLE_NS --> looks: expired, or a pause
 */
#include <async/loop.h>
#include <helix/start.h>
#include <posix/server/time/cpu-timer.h>
#include <posix/server/time/time.h>

constexpr uint64_t SETTLE_NS = 200000;
constexpr uint64_t PAUSE_MIN_NS = 1000000;
constexpr uint64_t PAUSE_MAX_NS = 64000000;

/* Makes the kernel count what runs; true if something does. */
static bool kick_clock(const struct cpu_clock *clock)
{
	struct thread *only = cpu_clock_thread(clock);
	const struct process *process = cpu_clock_process(clock);
	bool is_any = only != NULL && thread_kick_if_running(only);

	if (process != NULL) {
		LIST_FOR_EACH(thread, &process->threads, struct thread, process_node) {
			is_any |= thread_kick_if_running(thread);
		}
	}
	return is_any;
}

/* How many threads make it go, 0: it will not go any more. */
static uint32_t n_threads_of(const struct cpu_clock *clock)
{
	const struct thread *thread = cpu_clock_thread(clock);
	const struct process *process = cpu_clock_process(clock);

	if (thread != NULL) {
		return thread->internal->is_dying ? 0 : 1;
	}
	if (process == NULL || !process_is_alive(process)) {
		return 0;
	}
	return process->internal->n_threads > 0 ? process->internal->n_threads : 1; /* to come */
}

static void look_in(struct cpu_timer *timer, uint64_t ns)
{
	timer_arm(posix_loop(), &timer->timer, clock_monotonic_ns() + ns);
}

/* The earliest moment at which it can be due. */
static void look_later(struct cpu_timer *timer, uint64_t now_ns)
{
	uint64_t n_running = n_threads_of(&timer->clock);
	uint64_t left_ns = timer->due_ns - now_ns;

	if (n_running == 0) {
		timer->due_ns = 0;
		return;
	}
	n_running = min_u64(n_running, helix_start()->n_cpus);
	timer->pause_ns = now_ns == timer->seen_ns ? min_u64(timer->pause_ns * 2, PAUSE_MAX_NS)
						   : PAUSE_MIN_NS;
	timer->seen_ns = now_ns;
	look_in(timer, max_u64(left_ns / n_running, timer->pause_ns));
}

static void expire(struct cpu_timer *timer, uint64_t now_ns)
{
	uint64_t n_expired = 1;

	if (timer->interval_ns != 0) {
		n_expired += (now_ns - timer->due_ns) / timer->interval_ns;
		timer->due_ns += n_expired * timer->interval_ns;
		look_later(timer, now_ns);
	} else {
		timer->due_ns = 0;
	}
	timer->expired(timer, n_expired);
}

static void look(struct timer *loop_timer)
{
	struct cpu_timer *timer = container_of(loop_timer, struct cpu_timer, timer);
	uint64_t now_ns;

	if (!timer->is_settling && kick_clock(&timer->clock)) {
		timer->is_settling = true;
		look_in(timer, SETTLE_NS);
		return;
	}
	timer->is_settling = false;
	if (!cpu_clock_read(&timer->clock, &now_ns)) {
		timer->due_ns = 0;
	} else if (now_ns >= timer->due_ns) {
		expire(timer, now_ns);
	} else {
		look_later(timer, now_ns);
	}
}

void cpu_timer_init(
	struct cpu_timer *timer, void (*expired)(struct cpu_timer *timer, uint64_t n_expired))
{
	*timer = (struct cpu_timer){ .expired = expired };
	timer_init(&timer->timer, look);
}

void cpu_timer_stop(struct cpu_timer *timer)
{
	timer_disarm(posix_loop(), &timer->timer);
	timer->is_settling = false;
	timer->due_ns = 0;
}

bool cpu_timer_set(struct cpu_timer *timer, const struct cpu_clock *clock, uint64_t due_ns,
	uint64_t interval_ns)
{
	uint64_t now_ns;

	cpu_timer_stop(timer);
	if (!cpu_clock_read(clock, &now_ns) || n_threads_of(clock) == 0) {
		return false;
	}
	timer->clock = *clock;
	timer->interval_ns = interval_ns;
	timer->due_ns = due_ns;
	timer->seen_ns = now_ns;
	timer->pause_ns = PAUSE_MIN_NS / 2;
	if (now_ns < due_ns) {
		look_later(timer, now_ns);
	} else {
		look_in(timer, 0);
	}
	return true;
}

uint64_t cpu_timer_left(const struct cpu_timer *timer)
{
	uint64_t now_ns;

	if (!cpu_timer_is_set(timer) || !cpu_clock_read(&timer->clock, &now_ns)) {
		return 0;
	}
	return timer->due_ns > now_ns ? timer->due_ns - now_ns : 1;
}

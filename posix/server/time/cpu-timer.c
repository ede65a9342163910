/* SPDX-License-Identifier: MIT */
/*
 * Timers on processor time.
 *
 * The kernel has none, so a timer looks again and again how much the process has used: first when
 * it can have used enough at the earliest, with all its threads running. As long as nothing is used
 * the pauses double, so that a process that sleeps costs little; then it can be so much late.
 *
 * What a thread uses that runs undisturbed is only counted when its processor next comes to the
 * scheduler. So before each look the threads that run are kicked, and given a moment:
 *
 *	looks -- threads run: kick them --> settles -- SETTLE_NS --> looks: expired, or a pause
 */
#include <async/loop.h>
#include <helix/start.h>
#include <posix/server/signal/signal.h>
#include <posix/server/time/cpu-timer.h>
#include <posix/server/time/time.h>

constexpr uint64_t SETTLE_NS = 200000;
constexpr uint64_t PAUSE_MIN_NS = 1000000;
constexpr uint64_t PAUSE_MAX_NS = 64000000;

static uint64_t used_ns(const struct cpu_timer *timer)
{
	struct usage usage;

	process_usage(timer->process, &usage);
	return timer->signal == LINUX_SIGPROF ? usage.user_ns + usage.kernel_ns : usage.user_ns;
}

/* Makes the kernel count what runs; true if something does. */
static bool kick_running(const struct process *process)
{
	bool is_any = false;

	LIST_FOR_EACH(thread, &process->threads, struct thread, process_node) {
		is_any |= thread_kick_if_running(thread);
	}
	return is_any;
}

static void look_in(struct cpu_timer *timer, uint64_t ns)
{
	timer_arm(posix_loop(), &timer->timer, clock_monotonic_ns() + ns);
}

/* The earliest moment at which it can be due. */
static void look_later(struct cpu_timer *timer, uint64_t now_used_ns)
{
	uint64_t n_running = timer->process->internal->n_threads;
	uint64_t left_ns = timer->due_ns - now_used_ns;

	n_running = n_running < 1 ? 1 : min_u64(n_running, helix_start()->n_cpus);
	timer->pause_ns = now_used_ns == timer->seen_ns ? min_u64(timer->pause_ns * 2, PAUSE_MAX_NS)
							: PAUSE_MIN_NS;
	timer->seen_ns = now_used_ns;
	look_in(timer, max_u64(left_ns / n_running, timer->pause_ns));
}

static void expire(struct cpu_timer *timer, uint64_t now_used_ns)
{
	if (timer->interval_ns != 0) {
		uint64_t n_missed = (now_used_ns - timer->due_ns) / timer->interval_ns;

		timer->due_ns += (n_missed + 1) * timer->interval_ns;
		look_later(timer, now_used_ns);
	}
	signal_send_process(timer->process,
		&(struct signal_info){ .signal = timer->signal, .code = LINUX_SI_KERNEL });
}

static void look(struct timer *loop_timer)
{
	struct cpu_timer *timer = container_of(loop_timer, struct cpu_timer, timer);
	uint64_t now_used_ns;

	if (!timer->is_settling && kick_running(timer->process)) {
		timer->is_settling = true;
		look_in(timer, SETTLE_NS);
		return;
	}
	timer->is_settling = false;
	now_used_ns = used_ns(timer);
	if (now_used_ns >= timer->due_ns) {
		expire(timer, now_used_ns);
	} else {
		look_later(timer, now_used_ns);
	}
}

void cpu_timer_init(struct cpu_timer *timer, struct process *process, int signal)
{
	*timer = (struct cpu_timer){ .process = process, .signal = signal };
	timer_init(&timer->timer, look);
}

void cpu_timer_set(struct cpu_timer *timer, uint64_t value_ns, uint64_t interval_ns)
{
	uint64_t now_used_ns;

	timer_disarm(posix_loop(), &timer->timer);
	timer->is_settling = false;
	timer->interval_ns = interval_ns;
	if (value_ns == 0) {
		return;
	}
	now_used_ns = used_ns(timer);
	timer->due_ns = now_used_ns + value_ns;
	timer->seen_ns = now_used_ns;
	timer->pause_ns = PAUSE_MIN_NS / 2;
	look_later(timer, now_used_ns);
}

uint64_t cpu_timer_left(const struct cpu_timer *timer)
{
	uint64_t now_used_ns;

	if (!timer_is_armed(&timer->timer)) {
		return 0;
	}
	now_used_ns = used_ns(timer);
	return timer->due_ns > now_used_ns ? timer->due_ns - now_used_ns : 1000;
}

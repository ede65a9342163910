/* SPDX-License-Identifier: MIT */
/*
 * RLIMIT_CPU: SIGXCPU at the soft limit and at each second behind it, SIGKILL at the hard one.
 *
 * As in Linux the soft limit itself rises by a second with each signal, which getrlimit() tells.
 */
#include <helix/memory.h>
#include <posix/server/signal/signal.h>
#include <posix/server/time/cpu-timer.h>
#include <posix/server/time/time.h>

constexpr uint64_t SECONDS_MAX = UINT64_MAX / NS_PER_S - 1;

struct cpu_limit {
	struct cpu_timer timer;
	struct process *process;
};

/* A limit in nanoseconds; what a clock cannot come to is no limit. */
static uint64_t limit_ns(uint64_t seconds)
{
	return seconds > SECONDS_MAX ? UINT64_MAX : seconds * NS_PER_S;
}

static void await_next(struct cpu_limit *limit)
{
	const uint64_t *seconds = limit->process->limits[LIMIT_CPU];
	uint64_t due_ns = min_u64(limit_ns(seconds[0]), limit_ns(seconds[1]));
	struct cpu_clock clock;

	cpu_clock_of_process(limit->process, false, &clock);
	if (due_ns == UINT64_MAX) {
		cpu_timer_stop(&limit->timer);
	} else {
		(void)cpu_timer_set(&limit->timer, &clock, max_u64(due_ns, 1), 0);
	}
}

static void expire(struct cpu_timer *timer, UNUSED uint64_t n_expired)
{
	struct cpu_limit *limit = container_of(timer, struct cpu_limit, timer);
	struct process *process = limit->process;
	uint64_t *seconds = process->limits[LIMIT_CPU], used_ns = 0;

	(void)cpu_clock_read(&timer->clock, &used_ns);
	if (used_ns >= limit_ns(seconds[1])) {
		signal_send_process(process,
			&(struct signal_info){ .signal = LINUX_SIGKILL, .code = LINUX_SI_KERNEL });
		return;
	}
	if (used_ns >= limit_ns(seconds[0])) {
		signal_send_process(process,
			&(struct signal_info){ .signal = LINUX_SIGXCPU, .code = LINUX_SI_KERNEL });
		seconds[0]++;
		process_publish(process);
	}
	await_next(limit);
}

int cpu_limit_follow(struct process *process)
{
	const uint64_t *seconds = process->limits[LIMIT_CPU];
	struct cpu_limit *limit = process->internal->cpu_limit;

	if (limit == NULL) {
		if (limit_ns(seconds[0]) == UINT64_MAX && limit_ns(seconds[1]) == UINT64_MAX) {
			return 0;
		}
		limit = helix_calloc(1, sizeof(*limit));
		if (limit == NULL) {
			return -LINUX_ENOMEM;
		}
		cpu_timer_init(&limit->timer, expire);
		limit->process = process;
		process->internal->cpu_limit = limit;
	}
	await_next(limit);
	return 0;
}

void cpu_limit_release(struct process *process)
{
	struct cpu_limit *limit = process->internal->cpu_limit;

	if (limit != NULL) {
		cpu_timer_stop(&limit->timer);
		process->internal->cpu_limit = NULL;
		helix_free(limit);
	}
}

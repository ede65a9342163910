/* SPDX-License-Identifier: MIT */
/*
 * RLIMIT_RTTIME: how long a real-time thread may run without waiting for anything: SIGXCPU at the
 * soft limit and at each second behind it, SIGKILL at the hard one.
 *
 * The kernel counts what a thread uses, and how often it has waited. So a process with such a limit
 * and real-time threads is looked at, as early as one of them can have come to the limit, but at
 * most once in PAUSE_MIN_NS and at least once in PAUSE_MAX_NS; a thread that has waited since the
 * last look begins anew. As with timers on processor time, threads that run are kicked first, and
 * looked at SETTLE_NS later.
 *
 * A request to posix is a wait, as it is not on Linux. That of the thread that takes the SIGXCPU is
 * left out of account, so that the hard limit is met by who catches the signal and runs on.
 */
#include <abi/linux/sched.h>
#include <async/loop.h>
#include <helix/memory.h>
#include <posix/server/signal/signal.h>
#include <posix/server/time/cpu-timer.h>
#include <posix/server/time/time.h>

constexpr uint64_t SETTLE_NS = 200'000;
constexpr uint64_t PAUSE_MIN_NS = 1'000'000;
constexpr uint64_t PAUSE_MAX_NS = 16'000'000;
constexpr uint64_t NS_PER_US = 1000;
constexpr uint64_t US_PER_S = 1'000'000;
constexpr uint64_t MICROSECONDS_MAX = UINT64_MAX / NS_PER_US - 1;
constexpr uint8_t WAITS_OF_SIGNAL = 2; /* taking it, and returning */

struct rt_limit {
	struct timer timer;
	struct process *process;
	bool is_settling;
};

/* A limit in nanoseconds; what no clock can come to is none. */
static uint64_t limit_ns(uint64_t microseconds)
{
	return microseconds > MICROSECONDS_MAX ? UINT64_MAX : microseconds * NS_PER_US;
}

/* When something is to be done at the latest, UINT64_MAX: never. */
static uint64_t next_limit_ns(const struct process *process)
{
	const uint64_t *limits = process->limits[LIMIT_RTTIME];

	return min_u64(limit_ns(limits[0]), limit_ns(limits[1]));
}

static bool is_watched(const struct thread *thread)
{
	uint8_t policy = thread->internal->scheduling.policy;

	return policy == LINUX_SCHED_FIFO || policy == LINUX_SCHED_RR;
}

static void look_in(struct rt_limit *limit, uint64_t ns)
{
	timer_arm(posix_loop(), &limit->timer, clock_monotonic_ns() + ns);
}

/* Makes the kernel count what runs; true if something does. */
static bool kick_threads(const struct process *process)
{
	bool is_any = false;

	LIST_FOR_EACH(thread, &process->threads, struct thread, process_node) {
		is_any |= is_watched(thread) && thread_kick_if_running(thread);
	}
	return is_any;
}

/* How long it has run since it was last seen to wait. */
static uint64_t stretch_of(struct thread *thread)
{
	struct rt_stretch *stretch = &thread->internal->rt_stretch;
	struct usage usage;

	thread_usage(thread, &usage);
	uint64_t used_ns = usage.user_ns + usage.kernel_ns;
	uint64_t n_waits = usage.n_waits - stretch->n_waits;

	if (n_waits > stretch->n_ignored) {
		stretch->start_ns = used_ns;
	}
	if (n_waits > 0) {
		stretch->n_waits = usage.n_waits;
		stretch->n_ignored = 0;
	}
	return used_ns - stretch->start_ns;
}

/* The longest stretch of a thread; false: none is real-time. */
static bool find_longest(struct process *process, uint64_t *out_ns)
{
	bool is_any = false;

	*out_ns = 0;
	LIST_FOR_EACH(thread, &process->threads, struct thread, process_node) {
		if (is_watched(thread)) {
			*out_ns = max_u64(*out_ns, stretch_of(thread));
			is_any = true;
		}
	}
	return is_any;
}

static void send(struct process *process, uint32_t signal)
{
	signal_send_process(
		process, &(struct signal_info){ .signal = signal, .code = LINUX_SI_KERNEL });
}

/* The soft limit is met: it rises, as on Linux, and getrlimit() tells that. */
static void exceed(struct process *process)
{
	process->limits[LIMIT_RTTIME][0] += US_PER_S;
	process_publish(process);
	LIST_FOR_EACH(thread, &process->threads, struct thread, process_node) {
		thread->internal->rt_stretch.n_ignored = WAITS_OF_SIGNAL;
	}
}

static void look(struct timer *timer)
{
	struct rt_limit *limit = container_of(timer, struct rt_limit, timer);
	struct process *process = limit->process;
	uint64_t longest_ns;

	if (!limit->is_settling && kick_threads(process)) {
		limit->is_settling = true;
		look_in(limit, SETTLE_NS);
		return;
	}
	limit->is_settling = false;
	if (!find_longest(process, &longest_ns) || next_limit_ns(process) == UINT64_MAX) {
		return;
	}
	/* A signal may end the process, so it comes last. */
	if (longest_ns >= limit_ns(process->limits[LIMIT_RTTIME][1])) {
		send(process, LINUX_SIGKILL);
		return;
	}
	bool is_exceeded = longest_ns >= limit_ns(process->limits[LIMIT_RTTIME][0]);

	if (is_exceeded) {
		exceed(process);
	}
	uint64_t next_ns = next_limit_ns(process);
	uint64_t left_ns = next_ns > longest_ns ? next_ns - longest_ns : 0;

	look_in(limit, max_u64(min_u64(left_ns, PAUSE_MAX_NS), PAUSE_MIN_NS));
	if (is_exceeded) {
		send(process, LINUX_SIGXCPU);
	}
}

void rt_limit_watch(struct thread *thread)
{
	struct rt_limit *limit = thread->process->internal->rt_limit;

	if (limit != NULL && is_watched(thread) && !timer_is_armed(&limit->timer)) {
		look_in(limit, 0);
	}
}

int rt_limit_follow(struct process *process)
{
	struct rt_limit *limit = process->internal->rt_limit;

	if (limit == NULL) {
		if (next_limit_ns(process) == UINT64_MAX) {
			return 0;
		}
		limit = helix_calloc(1, sizeof(*limit));
		if (limit == NULL) {
			return -LINUX_ENOMEM;
		}
		timer_init(&limit->timer, look);
		limit->process = process;
		process->internal->rt_limit = limit;
	}
	limit->is_settling = false;
	timer_disarm(posix_loop(), &limit->timer);
	look_in(limit, 0);
	return 0;
}

void rt_limit_release(struct process *process)
{
	struct rt_limit *limit = process->internal->rt_limit;

	if (limit != NULL) {
		timer_disarm(posix_loop(), &limit->timer);
		process->internal->rt_limit = NULL;
		helix_free(limit);
	}
}

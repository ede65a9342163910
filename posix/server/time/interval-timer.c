/* SPDX-License-Identifier: MIT */
/*
 * alarm, setitimer, getitimer.
 *
 * ITIMER_REAL is a timer of the loop; the two that count processor time are cpu-timer.c's.
 */
#include <abi/linux/time.h>
#include <async/loop.h>
#include <posix/server/file/handlers.h>
#include <posix/server/signal/signal.h>
#include <posix/server/time/cpu-timer.h>
#include <posix/server/time/posix-timer.h>
#include <posix/server/time/time.h>

constexpr uint64_t SECONDS_MAX = INT64_MAX / NS_PER_S - 1;

static void fire(struct timer *timer)
{
	struct interval_timer *alarm = container_of(timer, struct interval_timer, timer);

	if (alarm->interval_ns != 0) {
		uint64_t now_ns = clock_monotonic_ns();
		uint64_t next_ns = timer->deadline_ns + alarm->interval_ns;

		timer_arm(posix_loop(), timer,
			next_ns > now_ns ? next_ns : now_ns + alarm->interval_ns);
	}
	signal_send_process(alarm->process,
		&(struct signal_info){ .signal = LINUX_SIGALRM, .code = LINUX_SI_KERNEL });
}

static void disarm(struct interval_timer *alarm)
{
	if (timer_is_armed(&alarm->timer)) {
		timer_disarm(posix_loop(), &alarm->timer);
	}
}

static void send(struct process_internal *internal, int signal)
{
	signal_send_process(process_of(internal),
		&(struct signal_info){ .signal = signal, .code = LINUX_SI_KERNEL });
}

static void expire_virtual(struct cpu_timer *timer, UNUSED uint64_t n_expired)
{
	send(container_of(timer, struct process_internal, virtual_timer), LINUX_SIGVTALRM);
}

static void expire_profile(struct cpu_timer *timer, UNUSED uint64_t n_expired)
{
	send(container_of(timer, struct process_internal, profile_timer), LINUX_SIGPROF);
}

void process_timers_init(struct process *process)
{
	timer_init(&process->internal->alarm.timer, fire);
	process->internal->alarm.process = process;
	cpu_timer_init(&process->internal->virtual_timer, expire_virtual);
	cpu_timer_init(&process->internal->profile_timer, expire_profile);
}

void process_timers_release(struct process *process)
{
	disarm(&process->internal->alarm);
	process->internal->alarm.interval_ns = 0;
	cpu_timer_stop(&process->internal->virtual_timer);
	cpu_timer_stop(&process->internal->profile_timer);
	cpu_limit_release(process);
	rt_limit_release(process);
	posix_timers_release(process);
}

void process_timers_exec(struct process *process)
{
	posix_timers_release(process);
}

static uint64_t remaining_ns(const struct interval_timer *alarm)
{
	uint64_t now_ns = clock_monotonic_ns();

	if (!timer_is_armed(&alarm->timer)) {
		return 0;
	}
	return alarm->timer.deadline_ns > now_ns ? alarm->timer.deadline_ns - now_ns : 1000;
}

static void set(struct interval_timer *alarm, uint64_t value_ns, uint64_t interval_ns)
{
	disarm(alarm);
	alarm->interval_ns = interval_ns;
	if (value_ns != 0) {
		timer_arm(posix_loop(), &alarm->timer, clock_monotonic_ns() + value_ns);
	}
}

int64_t posix_alarm(struct request *request)
{
	struct interval_timer *alarm = &request->process->internal->alarm;
	uint64_t left_ns = remaining_ns(alarm);
	uint64_t left = left_ns == 0 ? 0 : max_u64((left_ns + NS_PER_S / 2) / NS_PER_S, 1);

	set(alarm, (request->args[0] & UINT32_MAX) * NS_PER_S, 0);
	return (int64_t)left;
}

/* ---- itimers --------------------------------------------------------------------------------- */

static bool decode(const struct linux_timeval *time, uint64_t *out_ns)
{
	if (time->seconds < 0 || time->microseconds < 0 || time->microseconds >= 1000000) {
		return false;
	}
	*out_ns = min_u64((uint64_t)time->seconds, SECONDS_MAX) * NS_PER_S +
		(uint64_t)time->microseconds * 1000;
	return true;
}

static struct linux_timeval encode(uint64_t ns)
{
	return (struct linux_timeval){ (int64_t)(ns / NS_PER_S), (int64_t)(ns % NS_PER_S / 1000) };
}

static uint64_t round_up_to_us(uint64_t ns)
{
	return ns + (999 - (ns + 999) % 1000);
}

/* The CPU timer that @which means, NULL: none. */
static struct cpu_timer *find_cpu_timer(const struct request *request)
{
	struct process_internal *internal = request->process->internal;

	switch ((uint32_t)request->args[0]) {
	case LINUX_ITIMER_VIRTUAL: return &internal->virtual_timer;
	case LINUX_ITIMER_PROF: return &internal->profile_timer;
	default: return NULL;
	}
}

static bool is_timer(const struct request *request)
{
	return (uint32_t)request->args[0] <= LINUX_ITIMER_PROF;
}

static void put(const struct request *request, struct linux_itimerval *out)
{
	const struct interval_timer *alarm = &request->process->internal->alarm;
	const struct cpu_timer *timer = find_cpu_timer(request);

	if (out == NULL) {
		return;
	}
	if (timer != NULL) {
		out->interval = encode(timer->interval_ns);
		/* what is left must not look like nothing */
		out->value = encode(round_up_to_us(cpu_timer_left(timer)));
	} else {
		out->interval = encode(alarm->interval_ns);
		out->value = encode(remaining_ns(alarm));
	}
}

int64_t posix_getitimer(struct request *request)
{
	if (!is_timer(request)) {
		return -LINUX_EINVAL;
	}
	put(request, request_out(request, 1, NULL));
	return 0;
}

static void set_cpu(
	struct process *process, struct cpu_timer *timer, uint64_t value_ns, uint64_t interval_ns)
{
	bool is_user = timer == &process->internal->virtual_timer;
	struct cpu_clock clock;
	uint64_t now_ns;

	cpu_clock_of_process(process, is_user, &clock);
	if (value_ns != 0 && cpu_clock_read(&clock, &now_ns)) {
		(void)cpu_timer_set(timer, &clock, now_ns + value_ns, interval_ns);
	} else {
		cpu_timer_stop(timer);
		timer->interval_ns = interval_ns;
	}
}

int64_t posix_setitimer(struct request *request)
{
	const struct linux_itimerval *new = request_in(request, 1, NULL);
	struct cpu_timer *timer = find_cpu_timer(request);
	uint64_t value_ns = 0, interval_ns = 0;

	if (!is_timer(request)) {
		return -LINUX_EINVAL;
	}
	if (new != NULL &&
		(!decode(&new->value, &value_ns) || !decode(&new->interval, &interval_ns))) {
		return -LINUX_EINVAL;
	}
	put(request, request_out(request, 2, NULL));
	if (timer != NULL) {
		set_cpu(request->process, timer, value_ns, interval_ns);
	} else {
		set(&request->process->internal->alarm, value_ns, interval_ns);
	}
	return 0;
}

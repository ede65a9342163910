/* SPDX-License-Identifier: MIT */
/*
 * alarm, setitimer, getitimer.
 *
 * ITIMER_REAL is a timer of the loop. The two that count processor time are not there yet: EINVAL,
 * counted.
 */
#include <abi/linux/time.h>
#include <async/loop.h>
#include <posix/server/file/handlers.h>
#include <posix/server/signal/signal.h>
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

void process_timers_init(struct process *process)
{
	timer_init(&process->internal->alarm.timer, fire);
	process->internal->alarm.process = process;
}

void process_timers_release(struct process *process)
{
	disarm(&process->internal->alarm);
	process->internal->alarm.interval_ns = 0;
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

static void put(const struct interval_timer *alarm, struct linux_itimerval *out)
{
	if (out != NULL) {
		out->interval = encode(alarm->interval_ns);
		out->value = encode(remaining_ns(alarm));
	}
}

static int64_t check_which(struct request *request)
{
	uint32_t which = (uint32_t)request->args[0];

	if (which == LINUX_ITIMER_VIRTUAL || which == LINUX_ITIMER_PROF) {
		unimplemented_count(request->number);
	}
	return which == LINUX_ITIMER_REAL ? 0 : -LINUX_EINVAL;
}

int64_t posix_getitimer(struct request *request)
{
	int64_t error = check_which(request);

	if (error == 0) {
		put(&request->process->internal->alarm, request_out(request, 1, NULL));
	}
	return error;
}

int64_t posix_setitimer(struct request *request)
{
	struct interval_timer *alarm = &request->process->internal->alarm;
	const struct linux_itimerval *new = request_in(request, 1, NULL);
	uint64_t value_ns = 0, interval_ns = 0;
	int64_t error = check_which(request);

	if (error != 0) {
		return error;
	}
	if (new != NULL &&
		(!decode(&new->value, &value_ns) || !decode(&new->interval, &interval_ns))) {
		return -LINUX_EINVAL;
	}
	put(alarm, request_out(request, 2, NULL));
	set(alarm, value_ns, interval_ns);
	return 0;
}

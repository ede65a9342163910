/* SPDX-License-Identifier: MIT */
/*
 * POSIX timers: timer_create, timer_settime, timer_gettime, timer_getoverrun, timer_delete.
 *
 * Times are kept on the monotonic clock; an absolute wall-clock time is converted when it is set,
 * so a later change of the wall clock does not move it.
 */
#include <abi/linux/signal.h>
#include <async/loop.h>
#include <helix/memory.h>
#include <posix/server/file/handlers.h>
#include <posix/server/signal/signal.h>
#include <posix/server/time/posix-timer.h>
#include <posix/server/time/time.h>

constexpr uint32_t TIMERS_MAX = 256; /* of one process */
constexpr uint64_t SECONDS_MAX = INT64_MAX / NS_PER_S - 1;

struct posix_timer {
	struct list_node node;
	struct process *process;
	struct expiry expiry;
	uint32_t id;
	int clock;
	int notify, signal;
	uint32_t thread_id;
	uint64_t value;
	uint64_t overrun, last_overrun;
};

/* ---- expiries -------------------------------------------------------------------------------- */

bool timespec_decode(const struct linux_timespec *time, uint64_t *out_ns)
{
	if (time->seconds < 0 || time->nanoseconds < 0 || time->nanoseconds >= (int64_t)NS_PER_S) {
		return false;
	}
	*out_ns = min_u64((uint64_t)time->seconds, SECONDS_MAX) * NS_PER_S +
		(uint64_t)time->nanoseconds;
	return true;
}

struct linux_timespec timespec_encode(uint64_t ns)
{
	return (struct linux_timespec){ (int64_t)(ns / NS_PER_S), (int64_t)(ns % NS_PER_S) };
}

void expiry_stop(struct expiry *expiry)
{
	if (timer_is_armed(&expiry->timer)) {
		timer_disarm(posix_loop(), &expiry->timer);
	}
}

static bool is_wall_clock(int clock)
{
	return clock == LINUX_CLOCK_REALTIME || clock == LINUX_CLOCK_REALTIME_ALARM ||
		clock == LINUX_CLOCK_TAI;
}

int64_t expiry_set(
	struct expiry *expiry, int clock, bool is_absolute, const struct linux_itimerspec *spec)
{
	uint64_t value_ns, interval_ns, now_ns = clock_monotonic_ns();

	if (!timespec_decode(&spec->value, &value_ns) ||
		!timespec_decode(&spec->interval, &interval_ns)) {
		return -LINUX_EINVAL;
	}
	expiry_stop(expiry);
	expiry->interval_ns = interval_ns;
	if (value_ns == 0) {
		return 0;
	}
	if (is_absolute && is_wall_clock(clock)) {
		uint64_t offset = clock_realtime_ns() - now_ns;

		value_ns = value_ns > offset ? value_ns - offset : 1;
	} else if (!is_absolute) {
		value_ns += now_ns;
	}
	timer_arm(posix_loop(), &expiry->timer, value_ns);
	return 0;
}

void expiry_get(const struct expiry *expiry, struct linux_itimerspec *out_spec)
{
	uint64_t now_ns = clock_monotonic_ns(), left_ns = 0;

	if (timer_is_armed(&expiry->timer)) {
		left_ns =
			expiry->timer.deadline_ns > now_ns ? expiry->timer.deadline_ns - now_ns : 1;
	}
	out_spec->value = timespec_encode(left_ns);
	out_spec->interval = timespec_encode(expiry->interval_ns);
}

uint64_t expiry_renew(struct expiry *expiry)
{
	uint64_t now_ns = clock_monotonic_ns(), deadline_ns = expiry->timer.deadline_ns,
		 n_expired = 1;

	if (expiry->interval_ns == 0) {
		return 1;
	}
	if (now_ns > deadline_ns) {
		n_expired += (now_ns - deadline_ns) / expiry->interval_ns;
	}
	timer_arm(posix_loop(), &expiry->timer, deadline_ns + n_expired * expiry->interval_ns);
	return n_expired;
}

/* ---- timers ---------------------------------------------------------------------------------- */

static bool is_signal_pending(const struct posix_timer *timer)
{
	const struct signal_pending *pending = &timer->process->internal->pending;

	signal_settle(timer->process, NULL);
	for (const struct pending_signal *entry = signal_pending_first(pending, timer->signal);
		entry != NULL; entry = signal_pending_next(entry)) {
		if (entry->info.code == LINUX_SI_TIMER && entry->info.pid == timer->id) {
			return true;
		}
	}
	return false;
}

static void notify(struct posix_timer *timer)
{
	/* The queue's layout of SI_TIMER: id, overrun, value. */
	struct signal_info info = {
		.signal = timer->signal,
		.code = LINUX_SI_TIMER,
		.pid = timer->id,
		.uid = (uint32_t)timer->last_overrun,
		.value = timer->value,
	};

	if (timer->notify == LINUX_SIGEV_THREAD_ID) {
		struct thread *thread = thread_find(timer->thread_id);

		if (thread != NULL && thread->process == timer->process) {
			(void)signal_send_thread(thread, &info);
		}
	} else if (timer->notify == LINUX_SIGEV_SIGNAL) {
		signal_send_process(timer->process, &info);
	}
}

static void fire(struct timer *loop_timer)
{
	struct posix_timer *timer = container_of(loop_timer, struct posix_timer, expiry.timer);
	uint64_t n_expired = expiry_renew(&timer->expiry);

	if (is_signal_pending(timer)) {
		timer->overrun += n_expired;
		return;
	}
	timer->last_overrun = timer->overrun + n_expired - 1;
	timer->overrun = 0;
	notify(timer);
}

static void delete(struct posix_timer *timer)
{
	expiry_stop(&timer->expiry);
	list_remove(&timer->node);
	helix_free(timer);
}

void posix_timers_release(struct process *process)
{
	LIST_FOR_EACH_SAFE(timer, &process->internal->timers, struct posix_timer, node) {
		delete (timer);
	}
}

static struct posix_timer *find(struct request *request)
{
	LIST_FOR_EACH(timer, &request->process->internal->timers, struct posix_timer, node) {
		if (timer->id == (uint32_t)request->args[0]) {
			return timer;
		}
	}
	return NULL;
}

static int64_t check_event(struct request *request, const struct linux_sigevent *event)
{
	struct thread *thread;

	switch (event->notify) {
	case LINUX_SIGEV_NONE: return 0;
	case LINUX_SIGEV_THREAD_ID:
		thread = thread_find((uint32_t)event->thread_id);
		if (thread == NULL || thread->process != request->process) {
			return -LINUX_EINVAL;
		}
		[[fallthrough]];
	case LINUX_SIGEV_SIGNAL:
		return event->signal < 1 || event->signal > (int)LINUX_NSIG ? -LINUX_EINVAL : 0;
	default: return -LINUX_EINVAL;
	}
}

static bool is_supported_clock(int clock)
{
	return clock == LINUX_CLOCK_REALTIME || clock == LINUX_CLOCK_MONOTONIC ||
		clock == LINUX_CLOCK_BOOTTIME || clock == LINUX_CLOCK_REALTIME_ALARM ||
		clock == LINUX_CLOCK_BOOTTIME_ALARM || clock == LINUX_CLOCK_TAI;
}

int64_t posix_timer_create(struct request *request)
{
	struct process_internal *internal = request->process->internal;
	const struct linux_sigevent *event = request_in(request, 1, NULL);
	struct linux_sigevent usual = { .signal = LINUX_SIGALRM, .notify = LINUX_SIGEV_SIGNAL };
	uint32_t *out_id = request_out(request, 2, NULL);
	struct posix_timer *timer;
	int64_t error;

	if (!is_supported_clock((int)request->args[0])) {
		unimplemented_count(request->number);
		return -LINUX_EINVAL;
	}
	if (out_id == NULL) {
		return -LINUX_EFAULT;
	}
	usual.value = internal->next_timer_id;
	event = event != NULL ? event : &usual;
	error = check_event(request, event);
	if (error != 0) {
		return error;
	}
	if (list_size(&internal->timers) >= TIMERS_MAX) {
		return -LINUX_EAGAIN;
	}
	timer = helix_calloc(1, sizeof(*timer));
	if (timer == NULL) {
		return -LINUX_EAGAIN;
	}
	timer_init(&timer->expiry.timer, fire);
	timer->process = request->process;
	timer->id = internal->next_timer_id++;
	timer->clock = (int)request->args[0];
	timer->notify = event->notify;
	timer->signal = event->signal;
	timer->thread_id = (uint32_t)event->thread_id;
	timer->value = event->value;
	list_push_back(&internal->timers, &timer->node);
	*out_id = timer->id;
	return 0;
}

int64_t posix_timer_settime(struct request *request)
{
	struct posix_timer *timer = find(request);
	const struct linux_itimerspec *spec = request_in(request, 2, NULL);
	struct linux_itimerspec *old = request_out(request, 3, NULL);

	if (timer == NULL || spec == NULL) {
		return -LINUX_EINVAL;
	}
	if (old != NULL) {
		expiry_get(&timer->expiry, old);
	}
	timer->overrun = 0;
	return expiry_set(
		&timer->expiry, timer->clock, (request->args[1] & LINUX_TIMER_ABSTIME) != 0, spec);
}

int64_t posix_timer_gettime(struct request *request)
{
	struct posix_timer *timer = find(request);
	struct linux_itimerspec *out = request_out(request, 1, NULL);

	if (timer == NULL) {
		return -LINUX_EINVAL;
	}
	if (out == NULL) {
		return -LINUX_EFAULT;
	}
	expiry_get(&timer->expiry, out);
	return 0;
}

int64_t posix_timer_getoverrun(struct request *request)
{
	struct posix_timer *timer = find(request);

	return timer != NULL ? (int64_t)min_u64(timer->last_overrun, INT32_MAX) : -LINUX_EINVAL;
}

int64_t posix_timer_delete(struct request *request)
{
	struct posix_timer *timer = find(request);

	if (timer == NULL) {
		return -LINUX_EINVAL;
	}
	delete (timer);
	return 0;
}

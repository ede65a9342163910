/* SPDX-License-Identifier: MIT */
/*
 * POSIX timers: timer_create, timer_settime, timer_gettime, timer_getoverrun, timer_delete.
 *
 * Those on processor time are cpu-timer.c's, the others expiries.
 */
#include <abi/linux/signal.h>
#include <async/loop.h>
#include <helix/memory.h>
#include <posix/server/file/handlers.h>
#include <posix/server/signal/signal.h>
#include <posix/server/time/cpu-timer.h>
#include <posix/server/time/posix-timer.h>
#include <posix/server/time/time.h>

constexpr uint32_t TIMERS_MAX = 256; /* of one process */

struct posix_timer {
	struct list_node node;
	struct process *process;
	struct expiry expiry;
	struct cpu_timer cpu_timer; /* in place of expiry, if the clock is one of processor time */
	struct cpu_clock cpu_clock;
	bool is_cpu;
	uint32_t id;
	int clock;
	int notify, signal;
	uint32_t thread_id;
	uint64_t value;
	uint64_t overrun, last_overrun;
};

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

static void expire(struct posix_timer *timer, uint64_t n_expired)
{
	if (is_signal_pending(timer)) {
		timer->overrun += n_expired;
		return;
	}
	timer->last_overrun = timer->overrun + n_expired - 1;
	timer->overrun = 0;
	notify(timer);
}

static void fire(struct timer *loop_timer)
{
	struct posix_timer *timer = container_of(loop_timer, struct posix_timer, expiry.timer);

	expire(timer, expiry_renew(&timer->expiry));
}

static void fire_cpu(struct cpu_timer *timer, uint64_t n_expired)
{
	expire(container_of(timer, struct posix_timer, cpu_timer), n_expired);
}

static void delete(struct posix_timer *timer)
{
	cpu_timer_stop(&timer->cpu_timer);
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
	struct cpu_clock cpu_clock = { 0 };
	int32_t clock = (int32_t)request->args[0];
	bool is_cpu = cpu_clock_find(request->thread, clock, &cpu_clock);
	struct posix_timer *timer;
	int64_t error;

	if (!is_cpu && !is_supported_clock(clock)) {
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
	expiry_init(&timer->expiry, fire);
	cpu_timer_init(&timer->cpu_timer, fire_cpu);
	timer->cpu_clock = cpu_clock;
	timer->is_cpu = is_cpu;
	timer->process = request->process;
	timer->id = internal->next_timer_id++;
	timer->clock = clock;
	timer->notify = event->notify;
	timer->signal = event->signal;
	timer->thread_id = (uint32_t)event->thread_id;
	timer->value = event->value;
	list_push_back(&internal->timers, &timer->node);
	*out_id = timer->id;
	return 0;
}

static int64_t set_cpu(
	struct posix_timer *timer, bool is_absolute, const struct linux_itimerspec *spec)
{
	uint64_t value_ns, interval_ns, now_ns;

	if (!timespec_decode(&spec->value, &value_ns) ||
		!timespec_decode(&spec->interval, &interval_ns)) {
		return -LINUX_EINVAL;
	}
	if (!cpu_clock_read(&timer->cpu_clock, &now_ns)) {
		return -LINUX_ESRCH;
	}
	if (value_ns == 0) {
		cpu_timer_stop(&timer->cpu_timer);
		timer->cpu_timer.interval_ns = interval_ns;
		return 0;
	}
	value_ns += is_absolute ? 0 : now_ns;
	return cpu_timer_set(&timer->cpu_timer, &timer->cpu_clock, value_ns, interval_ns)
		? 0
		: -LINUX_ESRCH;
}

static void get(const struct posix_timer *timer, struct linux_itimerspec *out_spec)
{
	if (!timer->is_cpu) {
		expiry_get(&timer->expiry, out_spec);
		return;
	}
	out_spec->value = timespec_encode(cpu_timer_left(&timer->cpu_timer));
	out_spec->interval = timespec_encode(timer->cpu_timer.interval_ns);
}

int64_t posix_timer_settime(struct request *request)
{
	struct posix_timer *timer = find(request);
	const struct linux_itimerspec *spec = request_in(request, 2, NULL);
	struct linux_itimerspec *old = request_out(request, 3, NULL);

	if (timer == NULL || spec == NULL) {
		return -LINUX_EINVAL;
	}
	bool is_absolute = (request->args[1] & LINUX_TIMER_ABSTIME) != 0;

	if (old != NULL) {
		get(timer, old);
	}
	timer->overrun = 0;
	return timer->is_cpu ? set_cpu(timer, is_absolute, spec)
			     : expiry_set(&timer->expiry, timer->clock, is_absolute, spec);
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
	get(timer, out);
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

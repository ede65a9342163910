/* SPDX-License-Identifier: MIT */
/*
 * SCHED_DEADLINE: a thread gets its *runtime* in each *period*, before all others, if it wants it.
 *
 *	            set
 *	             v     its runtime is used up
 *	          PROMISED ----------------------> SPENT
 *	             ^        the next period         |
 *	             +--------------------------------+
 *
 * While it is promised time a thread has a priority above those of SCHED_FIFO; afterwards that of
 * SCHED_IDLE, so that it only gets what nobody else wants. All that is reserved together is less
 * than what the processors have, so it can be given; among several such threads that are ready at
 * a time thor shares evenly and does not take the earliest deadline first.
 *
 * The kernel has no timers on processor time. So posix looks how much was used: as early as it can
 * be too much, but at most once in PAUSE_MIN_NS, and ever less often while the thread does not
 * run. What a thread uses that runs undisturbed is only counted when its processor next comes to
 * the scheduler; therefore it is kicked, and looked at SETTLE_NS later.
 */
#include <async/loop.h>
#include <helix/memory.h>
#include <helix/start.h>
#include <posix/server/file/handlers.h>
#include <posix/server/process/deadline.h>
#include <posix/server/process/usage.h>
#include <posix/server/signal/signal.h>

constexpr uint64_t RUNTIME_MIN_NS = 1024;
constexpr uint64_t PERIOD_MIN_NS = 100'000;
constexpr uint64_t PERIOD_MAX_NS = UINT64_C(4194304) * 1000;

/* Of a processor's time, in units of 1 / SHARE_ONE: 95 % may be reserved, as on Linux. */
constexpr uint64_t SHARE_ONE = 1 << 20;
constexpr uint64_t SHARE_MAX = SHARE_ONE * 95 / 100;

constexpr uint64_t PAUSE_MIN_NS = 1'000'000;
constexpr uint64_t PAUSE_MAX_NS = 64'000'000;
constexpr uint64_t SETTLE_NS = 200'000;

struct deadline {
	struct thread *thread;
	struct timer timer; /* when to look */
	uint64_t runtime_ns, deadline_ns, period_ns;
	uint64_t flags;
	uint64_t share;
	uint64_t period_end_ns;
	uint64_t start_ns; /* processor time that the thread had used when the period began */
	uint64_t seen_ns;  /* and when we looked last */
	uint64_t pause_ns;
	struct wait_queue begins; /* the next period does, or the reservation has ended */
	bool is_spent;
	bool is_settling;
};

static uint64_t shares; /* that are reserved */

bool deadline_is_spent(const struct deadline *deadline)
{
	return deadline->is_spent;
}

static uint64_t used_ns(const struct thread *thread)
{
	struct usage usage;

	thread_usage(thread, &usage);
	return usage.user_ns + usage.kernel_ns;
}

/* ---- periods --------------------------------------------------------------------------------- */

static void look_in(struct deadline *deadline, uint64_t ns)
{
	timer_arm(posix_loop(), &deadline->timer, clock_monotonic_ns() + ns);
}

static void begin_period(struct deadline *deadline, uint64_t now_ns, uint64_t now_used_ns)
{
	uint64_t n_missed = (now_ns - deadline->period_end_ns) / deadline->period_ns;

	deadline->period_end_ns += (n_missed + 1) * deadline->period_ns;
	deadline->start_ns = now_used_ns;
	deadline->is_spent = false;
}

static void look_later(struct deadline *deadline, uint64_t now_ns, uint64_t now_used_ns)
{
	uint64_t used = now_used_ns - deadline->start_ns;

	if (deadline->is_spent) {
		look_in(deadline, deadline->period_end_ns - now_ns);
		return;
	}
	deadline->pause_ns = now_used_ns == deadline->seen_ns
		? min_u64(deadline->pause_ns * 2, PAUSE_MAX_NS)
		: PAUSE_MIN_NS;
	deadline->seen_ns = now_used_ns;
	look_in(deadline, max_u64(deadline->runtime_ns - used, deadline->pause_ns));
}

static void look(struct timer *timer)
{
	struct deadline *deadline = container_of(timer, struct deadline, timer);
	struct thread *thread = deadline->thread;
	bool was_spent = deadline->is_spent;

	if (!was_spent && !deadline->is_settling && thread_kick_if_running(thread)) {
		deadline->is_settling = true;
		look_in(deadline, SETTLE_NS);
		return;
	}
	deadline->is_settling = false;
	uint64_t now_ns = clock_monotonic_ns();
	uint64_t now_used_ns = used_ns(thread);

	if (now_ns >= deadline->period_end_ns) {
		begin_period(deadline, now_ns, now_used_ns);
	} else if (now_used_ns - deadline->start_ns >= deadline->runtime_ns) {
		deadline->is_spent = true;
	}
	if (deadline->is_spent != was_spent) {
		thread_schedule(thread);
	}
	if (!deadline->is_spent) {
		wait_queue_wake(&deadline->begins);
	}
	look_later(deadline, now_ns, now_used_ns);
	/* Last, for it may end the process, and the reservation with it. */
	if (deadline->is_spent && !was_spent &&
		(deadline->flags & LINUX_SCHED_FLAG_DL_OVERRUN) != 0) {
		signal_send_thread(thread,
			&(struct signal_info){ .signal = LINUX_SIGXCPU, .code = LINUX_SI_KERNEL });
	}
}

/* The shim asks when the thread yields. */
static void publish(struct thread *thread)
{
	if (thread->internal->page != NULL) {
		atomic_store(&thread->internal->page->yields_to_posix,
			thread->internal->scheduling.deadline != NULL);
	}
}

/* ---- what is reserved ------------------------------------------------------------------------ */

static uint64_t period_of(const struct linux_sched_attr *attributes)
{
	return attributes->period_ns != 0 ? attributes->period_ns : attributes->deadline_ns;
}

int64_t deadline_check(const struct linux_sched_attr *attributes)
{
	uint64_t period_ns = period_of(attributes);

	if (attributes->runtime_ns < RUNTIME_MIN_NS ||
		attributes->runtime_ns > attributes->deadline_ns ||
		attributes->deadline_ns > period_ns || period_ns < PERIOD_MIN_NS ||
		period_ns > PERIOD_MAX_NS) {
		return -LINUX_EINVAL;
	}
	return 0;
}

int64_t deadline_set(struct thread *thread, const struct linux_sched_attr *attributes)
{
	struct deadline *deadline = thread->internal->scheduling.deadline;
	uint64_t period_ns = period_of(attributes);
	uint64_t share = attributes->runtime_ns * SHARE_ONE / period_ns;
	uint64_t others = shares - (deadline != NULL ? deadline->share : 0);

	if (others + share > SHARE_MAX * helix_start()->n_cpus) {
		return -LINUX_EBUSY;
	}
	if (deadline == NULL) {
		deadline = helix_malloc(sizeof(*deadline));
		if (deadline == NULL) {
			return -LINUX_ENOMEM;
		}
		*deadline = (struct deadline){ .thread = thread };
		timer_init(&deadline->timer, look);
		wait_queue_init(&deadline->begins);
		thread->internal->scheduling.deadline = deadline;
	}
	timer_disarm(posix_loop(), &deadline->timer);
	shares = others + share;
	deadline->share = share;
	deadline->runtime_ns = attributes->runtime_ns;
	deadline->deadline_ns = attributes->deadline_ns;
	deadline->period_ns = period_ns;
	deadline->flags = attributes->flags & LINUX_SCHED_FLAG_DL;
	deadline->is_spent = false;
	deadline->is_settling = false;
	deadline->start_ns = used_ns(thread);
	deadline->seen_ns = deadline->start_ns;
	deadline->pause_ns = PAUSE_MIN_NS / 2;
	uint64_t now_ns = clock_monotonic_ns();

	deadline->period_end_ns = now_ns + period_ns;
	publish(thread);
	look_later(deadline, now_ns, deadline->start_ns);
	return 0;
}

void deadline_describe(const struct thread *thread, struct linux_sched_attr *attributes)
{
	const struct deadline *deadline = thread->internal->scheduling.deadline;

	if (deadline != NULL) {
		attributes->flags |= deadline->flags;
		attributes->runtime_ns = deadline->runtime_ns;
		attributes->deadline_ns = deadline->deadline_ns;
		attributes->period_ns = deadline->period_ns;
	}
}

void deadline_move(struct thread *from, struct thread *to)
{
	struct deadline *deadline = from->internal->scheduling.deadline;

	from->internal->scheduling.deadline = NULL;
	to->internal->scheduling.deadline = deadline;
	if (deadline != NULL) {
		deadline->thread = to;
		deadline->start_ns = used_ns(to);
		deadline->seen_ns = deadline->start_ns;
		publish(to);
	}
}

void deadline_end(struct thread *thread)
{
	struct deadline *deadline = thread->internal->scheduling.deadline;

	if (deadline == NULL) {
		return;
	}
	thread->internal->scheduling.deadline = NULL;
	timer_disarm(posix_loop(), &deadline->timer);
	shares -= deadline->share;
	wait_queue_wake(&deadline->begins);
	wait_queue_deinit(&deadline->begins);
	publish(thread);
	helix_free(deadline);
}

/* ---- sched_yield ----------------------------------------------------------------------------- */

/*
 * What is left of the runtime is given up, and the thread waits for the next period. As on Linux no
 * signal shortens that.
 */
int64_t posix_deadline_yield(struct request *request)
{
	struct thread *thread = request->thread;
	struct deadline *deadline = thread->internal->scheduling.deadline;
	uint64_t now_ns = clock_monotonic_ns();

	if (deadline == NULL || (!request->is_first_attempt && !deadline->is_spent)) {
		return 0;
	}
	if (request->is_first_attempt) {
		if (now_ns >= deadline->period_end_ns) {
			begin_period(deadline, now_ns, used_ns(thread));
		}
		deadline->is_spent = true;
		deadline->is_settling = false;
		thread_schedule(thread);
		timer_disarm(posix_loop(), &deadline->timer);
		look_later(deadline, now_ns, used_ns(thread));
	}
	request_park_as_killable(request);
	return request_wait_on(request, &deadline->begins) == 0 ? REQUEST_PARK : 0;
}

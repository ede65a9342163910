/* SPDX-License-Identifier: MIT */
/*
 * sched_*: how threads are scheduled, and what that is in the kernel's priorities.
 *
 * thor has few priorities, and a greater one goes first, always; among equals all get the same
 * share.
 *
 *	7		posix, while there are urgent threads
 *	2 ... 6		SCHED_FIFO and SCHED_RR, by their priority of 1 ... 99
 *	1		a negative nice value
 *	0		everybody else, and every server
 *	-1 ... -7	a positive nice value
 *	-8		SCHED_IDLE
 *
 * Threads above 0 are urgent: they may keep all processors busy. posix is then above them, so that
 * their alarms go off and somebody can end them. That is why posix counts them.
 *
 * Threads of the same real-time priority take turns also if they are SCHED_FIFO.
 */
#include <abi/linux/resource.h>
#include <abi/linux/sched.h>
#include <abi/linux/time.h>
#include <base/string.h>
#include <hel/hel-calls.h>
#include <posix/server/file/handlers.h>
#include <posix/server/process/process-internal.h>

constexpr int PRIORITY_POSIX = 7;
constexpr int PRIORITY_REAL_TIME = 2; /* of the least of them */
constexpr uint32_t N_PRIORITIES_REAL_TIME = 5;
constexpr int PRIORITY_PREFERRED = 1;
constexpr int PRIORITY_NICE = -7; /* of the nicest */
constexpr int PRIORITY_IDLE = -8;
constexpr uint32_t REAL_TIME_MAX = 99;

/* What is told as the time slice of a thread: thor's granularity, and Linux' of SCHED_RR. */
constexpr int64_t SLICE_FAIR_NS = 4000000;
constexpr int64_t SLICE_ROUND_ROBIN_NS = 100000000;

static bool is_real_time(uint32_t policy)
{
	return policy == LINUX_SCHED_FIFO || policy == LINUX_SCHED_RR;
}

static bool is_policy(uint32_t policy)
{
	return is_real_time(policy) || policy == LINUX_SCHED_OTHER || policy == LINUX_SCHED_BATCH ||
		policy == LINUX_SCHED_IDLE;
}

/* ---- the kernel's priorities ----------------------------------------------------------------- */

static int kernel_priority(const struct thread_scheduling *scheduling, int nice)
{
	if (is_real_time(scheduling->policy)) {
		return PRIORITY_REAL_TIME +
			(int)((scheduling->priority - 1u) * N_PRIORITIES_REAL_TIME / REAL_TIME_MAX);
	}
	if (scheduling->policy == LINUX_SCHED_IDLE) {
		return PRIORITY_IDLE;
	}
	if (nice < 0) {
		return PRIORITY_PREFERRED;
	}
	return -nice > PRIORITY_NICE ? -nice : PRIORITY_NICE;
}

static void count_urgent(int n)
{
	static uint32_t n_urgent;
	bool was_calm = n_urgent == 0;

	n_urgent += (uint32_t)n;
	if (was_calm != (n_urgent == 0)) {
		hel_thread_set_priority(HEL_THIS, was_calm ? PRIORITY_POSIX : 0);
	}
}

static void set_kernel_priority(struct thread *thread, int priority)
{
	struct thread_scheduling *scheduling = &thread->internal->scheduling;

	if (scheduling->kernel_priority == priority) {
		return;
	}
	if ((priority > 0) != (scheduling->kernel_priority > 0)) {
		count_urgent(priority > 0 ? 1 : -1);
	}
	scheduling->kernel_priority = (int8_t)priority;
	hel_thread_set_priority(thread->internal->thread, priority);
}

void thread_schedule(struct thread *thread)
{
	set_kernel_priority(thread,
		kernel_priority(&thread->internal->scheduling, thread->process->internal->nice));
}

void thread_schedule_end(struct thread *thread)
{
	if (thread->internal->scheduling.kernel_priority > 0) {
		count_urgent(-1);
	}
	thread->internal->scheduling.kernel_priority = 0;
}

void thread_schedule_as(struct thread *thread, const struct thread *parent, bool is_clone)
{
	const struct thread_scheduling *from = &parent->internal->scheduling;
	struct thread_scheduling *to = &thread->internal->scheduling;

	to->resets_on_fork = from->resets_on_fork && !is_clone;
	if (is_clone && from->resets_on_fork && is_real_time(from->policy)) {
		return;
	}
	to->policy = from->policy;
	to->priority = from->priority;
}

/* ---- what is asked for ----------------------------------------------------------------------- */

struct wanted {
	uint32_t policy;
	uint32_t priority;
	bool resets_on_fork;
};

/* The thread that a call means, 0 being the caller's; NULL: none. */
static struct thread *find_target(struct request *request, uint64_t pid)
{
	return (uint32_t)pid == 0 ? request->thread : thread_find((uint32_t)pid);
}

static bool is_owner(const struct process *caller, const struct process *target)
{
	return caller->credentials.euid == target->credentials.euid ||
		caller->credentials.euid == target->credentials.uid;
}

/* What somebody without privileges may do: anything that makes the thread matter less. */
static int64_t check_permission(
	const struct process *caller, const struct thread *target, const struct wanted *wanted)
{
	const struct thread_scheduling *now = &target->internal->scheduling;
	uint64_t limit = target->process->limits[LIMIT_RTPRIO][0];
	uint64_t limit_nice = target->process->limits[LIMIT_NICE][0];

	if (process_has(caller, LINUX_CAP_SYS_NICE)) {
		return 0;
	}
	if (!is_owner(caller, target->process) ||
		(now->resets_on_fork && !wanted->resets_on_fork)) {
		return -LINUX_EPERM;
	}
	if (is_real_time(wanted->policy) &&
		((wanted->policy != now->policy && limit == 0) ||
			(wanted->priority > now->priority && wanted->priority > limit))) {
		return -LINUX_EPERM;
	}
	if (now->policy == LINUX_SCHED_IDLE && wanted->policy != LINUX_SCHED_IDLE &&
		(int64_t)limit_nice < 20 - target->process->internal->nice) {
		return -LINUX_EPERM;
	}
	return 0;
}

static int64_t set_scheduling(
	struct request *request, struct thread *target, const struct wanted *wanted)
{
	struct thread_scheduling *scheduling;
	bool has_priority = wanted->priority >= 1 && wanted->priority <= REAL_TIME_MAX;
	int64_t error;

	if (!is_policy(wanted->policy) ||
		(is_real_time(wanted->policy) ? !has_priority : wanted->priority != 0)) {
		return -LINUX_EINVAL;
	}
	error = check_permission(request->process, target, wanted);
	if (error != 0) {
		return error;
	}
	scheduling = &target->internal->scheduling;
	scheduling->policy = (uint8_t)wanted->policy;
	scheduling->priority = (uint8_t)wanted->priority;
	scheduling->resets_on_fork = wanted->resets_on_fork;
	thread_schedule(target);
	return 0;
}

static int64_t set_by_parameter(
	struct request *request, const int32_t *priority, const uint32_t *policy)
{
	struct thread *target = find_target(request, request->args[0]);
	const struct thread_scheduling *now;
	struct wanted wanted;

	if (priority == NULL || (int32_t)request->args[0] < 0 ||
		(policy != NULL && (int32_t)*policy < 0)) {
		return -LINUX_EINVAL;
	}
	if (target == NULL) {
		return -LINUX_ESRCH;
	}
	now = &target->internal->scheduling;
	wanted = (struct wanted){ now->policy, (uint32_t)*priority, now->resets_on_fork };
	if (policy != NULL) {
		wanted.policy = *policy & ~(uint32_t)LINUX_SCHED_RESET_ON_FORK;
		wanted.resets_on_fork = (*policy & LINUX_SCHED_RESET_ON_FORK) != 0;
	}
	return set_scheduling(request, target, &wanted);
}

int64_t posix_sched_setparam(struct request *request)
{
	return set_by_parameter(request, request_in(request, 1, NULL), NULL);
}

int64_t posix_sched_setscheduler(struct request *request)
{
	uint32_t policy = (uint32_t)request->args[1];

	return set_by_parameter(request, request_in(request, 2, NULL), &policy);
}

int64_t posix_sched_getscheduler(struct request *request)
{
	const struct thread *target = find_target(request, request->args[0]);
	const struct thread_scheduling *now;

	if ((int32_t)request->args[0] < 0) {
		return -LINUX_EINVAL;
	}
	if (target == NULL) {
		return -LINUX_ESRCH;
	}
	now = &target->internal->scheduling;
	return now->policy | (now->resets_on_fork ? LINUX_SCHED_RESET_ON_FORK : 0);
}

int64_t posix_sched_getparam(struct request *request)
{
	const struct thread *target = find_target(request, request->args[0]);
	int32_t *out = request_out(request, 1, NULL);

	if ((int32_t)request->args[0] < 0 || out == NULL) {
		return -LINUX_EINVAL;
	}
	if (target == NULL) {
		return -LINUX_ESRCH;
	}
	*out = target->internal->scheduling.priority;
	return 0;
}

static int64_t priority_bound(const struct request *request, int64_t real_time)
{
	uint32_t policy = (uint32_t)request->args[0];

	if (is_real_time(policy)) {
		return real_time;
	}
	return is_policy(policy) || policy == LINUX_SCHED_DEADLINE ? 0 : -LINUX_EINVAL;
}

int64_t posix_sched_get_priority_max(struct request *request)
{
	return priority_bound(request, REAL_TIME_MAX);
}

int64_t posix_sched_get_priority_min(struct request *request)
{
	return priority_bound(request, 1);
}

int64_t posix_sched_rr_get_interval(struct request *request)
{
	const struct thread *target = find_target(request, request->args[0]);
	struct linux_timespec *out = request_out(request, 1, NULL);

	if ((int32_t)request->args[0] < 0) {
		return -LINUX_EINVAL;
	}
	if (target == NULL) {
		return -LINUX_ESRCH;
	}
	if (out == NULL) {
		return -LINUX_EFAULT;
	}
	*out = (struct linux_timespec){ .nanoseconds = SLICE_FAIR_NS };
	switch (target->internal->scheduling.policy) {
	case LINUX_SCHED_FIFO: out->nanoseconds = 0; break;
	case LINUX_SCHED_RR: out->nanoseconds = SLICE_ROUND_ROBIN_NS; break;
	default: break;
	}
	return 0;
}

/* ---- attributes ------------------------------------------------------------------------------ */

/* The caller's structure may be larger or smaller; this is its first version. */
static int64_t check_attributes(struct request *request, const struct linux_sched_attr *attributes)
{
	if (attributes == NULL || (int32_t)request->args[0] < 0 || request->args[2] != 0) {
		return -LINUX_EINVAL;
	}
	if (attributes->size != 0 && attributes->size < sizeof(*attributes)) {
		return -LINUX_E2BIG;
	}
	if ((attributes->flags & ~(uint64_t)LINUX_SCHED_FLAG_ALL) != 0) {
		return -LINUX_EINVAL;
	}
	if ((attributes->flags & LINUX_SCHED_FLAG_CLAMP) != 0) {
		return -LINUX_EOPNOTSUPP;
	}
	if (attributes->policy == LINUX_SCHED_DEADLINE) {
		unimplemented_count(request->number);
		return -LINUX_EINVAL;
	}
	return 0;
}

int64_t posix_sched_setattr(struct request *request)
{
	const struct linux_sched_attr *attributes = request_in(request, 1, NULL);
	struct thread *target = find_target(request, request->args[0]);
	int64_t error = check_attributes(request, attributes);
	struct wanted wanted;

	if (error != 0) {
		return error;
	}
	if (target == NULL) {
		return -LINUX_ESRCH;
	}
	wanted = (struct wanted){ attributes->policy, attributes->priority,
		(attributes->flags & LINUX_SCHED_FLAG_RESET_ON_FORK) != 0 };
	if ((attributes->flags & LINUX_SCHED_FLAG_KEEP_POLICY) != 0) {
		wanted.policy = target->internal->scheduling.policy;
	}
	if ((attributes->flags & LINUX_SCHED_FLAG_KEEP_PARAMS) != 0) {
		wanted.priority = target->internal->scheduling.priority;
	}
	error = set_scheduling(request, target, &wanted);
	if (error == 0 && !is_real_time(wanted.policy) &&
		(attributes->flags & LINUX_SCHED_FLAG_KEEP_PARAMS) == 0) {
		error = process_set_nice(request->process, target->process, attributes->nice);
	}
	return error;
}

int64_t posix_sched_getattr(struct request *request)
{
	const struct thread *target = find_target(request, request->args[0]);
	const struct thread_scheduling *now;
	struct linux_sched_attr attributes = { .size = sizeof(attributes) };
	void *out = request_out(request, 1, NULL);

	if (out == NULL || (int32_t)request->args[0] < 0 || request->args[3] != 0 ||
		request->args[2] < sizeof(attributes) || request->args[2] > HEL_PAGE_SIZE) {
		return -LINUX_EINVAL;
	}
	if (target == NULL) {
		return -LINUX_ESRCH;
	}
	now = &target->internal->scheduling;
	attributes.policy = now->policy;
	attributes.flags = now->resets_on_fork ? LINUX_SCHED_FLAG_RESET_ON_FORK : 0;
	attributes.priority = now->priority;
	attributes.nice = is_real_time(now->policy) ? 0 : target->process->internal->nice;
	memcpy(out, &attributes, sizeof(attributes));
	request_set_out_size(request, sizeof(attributes));
	return 0;
}

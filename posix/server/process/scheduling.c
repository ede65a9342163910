/* SPDX-License-Identifier: MIT */
/*
 * sched_*: how threads are scheduled, and what that is in the kernel's priorities.
 *
 * thor has few priorities, and a greater one goes first, always; among equals all get the same
 * share.
 *
 *	7		posix, while there are urgent threads
 *	6		SCHED_DEADLINE, while it has time left of its period (deadline.c)
 *	2 ... 5		SCHED_FIFO and SCHED_RR, by their priority of 1 ... 99
 *	1		a negative nice value
 *	0		everybody else, and every server
 *	-1 ... -7	a positive nice value
 *	-8		SCHED_IDLE, and SCHED_DEADLINE that has had its time
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
#include <helix/start.h>
#include <posix/server/file/handlers.h>
#include <posix/server/process/deadline.h>
#include <posix/server/process/process-internal.h>
#include <posix/server/time/cpu-timer.h>

constexpr int PRIORITY_POSIX = 7;
constexpr int PRIORITY_REAL_TIME = 2; /* of the least of them */
constexpr uint32_t N_PRIORITIES_REAL_TIME = 4;
constexpr int PRIORITY_DEADLINE = 6;
constexpr int PRIORITY_PREFERRED = 1;
constexpr int PRIORITY_NICE = -7; /* of the nicest */
constexpr int PRIORITY_IDLE = -8;
constexpr uint32_t REAL_TIME_MAX = 99;
constexpr int NICE_VALUES = 40;

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
		policy == LINUX_SCHED_IDLE || policy == LINUX_SCHED_DEADLINE;
}

/* ---- the kernel's priorities ----------------------------------------------------------------- */

static int kernel_priority(const struct thread_scheduling *scheduling, int nice)
{
	if (is_real_time(scheduling->policy)) {
		return PRIORITY_REAL_TIME +
			(int)((scheduling->priority - 1u) * N_PRIORITIES_REAL_TIME / REAL_TIME_MAX);
	}
	if (scheduling->deadline != NULL) {
		return deadline_is_spent(scheduling->deadline) ? PRIORITY_IDLE : PRIORITY_DEADLINE;
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
		turns_set_priority(was_calm ? PRIORITY_POSIX : 0);
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
	rt_limit_watch(thread);
}

void thread_schedule_end(struct thread *thread)
{
	if (thread->internal->scheduling.kernel_priority > 0) {
		count_urgent(-1);
	}
	thread->internal->scheduling.kernel_priority = 0;
	deadline_end(thread);
}

bool thread_may_be_copied(const struct thread *thread)
{
	const struct thread_scheduling *scheduling = &thread->internal->scheduling;

	return scheduling->policy != LINUX_SCHED_DEADLINE || scheduling->resets_on_fork;
}

void thread_schedule_as(struct thread *thread, const struct thread *parent, bool is_clone)
{
	const struct thread_scheduling *from = &parent->internal->scheduling;
	struct thread_scheduling *to = &thread->internal->scheduling;

	to->affinity = from->affinity;
	to->resets_on_fork = from->resets_on_fork && !is_clone;
	if (is_clone && from->resets_on_fork &&
		(is_real_time(from->policy) || from->policy == LINUX_SCHED_DEADLINE)) {
		return;
	}
	to->policy = from->policy;
	to->priority = from->priority;
}

int thread_precedence(const struct thread *thread)
{
	const struct thread_scheduling *scheduling = &thread->internal->scheduling;

	if (scheduling->deadline != NULL) {
		return INT32_MAX;
	}
	return is_real_time(scheduling->policy) ? NICE_VALUES + scheduling->priority
						: -thread->process->internal->nice;
}

/* ---- affinity -------------------------------------------------------------------------------- */

static uint64_t online_mask(void)
{
	uint32_t n_cpus = helix_start()->n_cpus;

	return n_cpus >= 64 ? ~(uint64_t)0 : ((uint64_t)1 << n_cpus) - 1;
}

uint64_t thread_affinity(const struct thread *thread)
{
	uint64_t affinity = thread->internal->scheduling.affinity;

	return affinity != 0 ? affinity & online_mask() : online_mask();
}

/* ---- what is asked for ----------------------------------------------------------------------- */

struct wanted {
	uint32_t policy;
	uint32_t priority;
	bool resets_on_fork;
	const struct linux_sched_attr *times; /* of SCHED_DEADLINE; NULL: none were given */
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
	if (wanted->policy == LINUX_SCHED_DEADLINE) {
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

static int64_t check_wanted(const struct wanted *wanted)
{
	bool has_priority = wanted->priority >= 1 && wanted->priority <= REAL_TIME_MAX;

	if (!is_policy(wanted->policy) ||
		(is_real_time(wanted->policy) ? !has_priority : wanted->priority != 0)) {
		return -LINUX_EINVAL;
	}
	if (wanted->policy != LINUX_SCHED_DEADLINE) {
		return 0;
	}
	return wanted->times != NULL ? deadline_check(wanted->times) : -LINUX_EINVAL;
}

/* Time can be reserved by a thread that may run everywhere. */
static int64_t reserve(struct thread *target, const struct wanted *wanted)
{
	if (wanted->policy != LINUX_SCHED_DEADLINE) {
		deadline_end(target);
		return 0;
	}
	return thread_affinity(target) == online_mask() ? deadline_set(target, wanted->times)
							: -LINUX_EPERM;
}

static int64_t set_scheduling(
	struct request *request, struct thread *target, const struct wanted *wanted)
{
	struct thread_scheduling *scheduling;
	int64_t error = check_wanted(wanted);

	if (error == 0) {
		error = check_permission(request->process, target, wanted);
	}
	if (error == 0) {
		error = reserve(target, wanted);
	}
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
	wanted = (struct wanted){
		.policy = now->policy,
		.priority = (uint32_t)*priority,
		.resets_on_fork = now->resets_on_fork,
	};
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
	return is_policy(policy) ? 0 : -LINUX_EINVAL;
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
	case LINUX_SCHED_DEADLINE:
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
	return 0;
}

int64_t posix_sched_setattr(struct request *request)
{
	const struct linux_sched_attr *attributes = request_in(request, 1, NULL);
	struct thread *target = find_target(request, request->args[0]);
	int64_t error = check_attributes(request, attributes);
	struct linux_sched_attr times = {};
	struct wanted wanted;

	if (error != 0) {
		return error;
	}
	if (target == NULL) {
		return -LINUX_ESRCH;
	}
	wanted = (struct wanted){
		.policy = attributes->policy,
		.priority = attributes->priority,
		.resets_on_fork = (attributes->flags & LINUX_SCHED_FLAG_RESET_ON_FORK) != 0,
		.times = attributes,
	};
	if ((attributes->flags & LINUX_SCHED_FLAG_KEEP_POLICY) != 0) {
		wanted.policy = target->internal->scheduling.policy;
	}
	if ((attributes->flags & LINUX_SCHED_FLAG_KEEP_PARAMS) != 0) {
		wanted.priority = target->internal->scheduling.priority;
		deadline_describe(target, &times);
		wanted.times = &times;
	}
	error = set_scheduling(request, target, &wanted);
	if (error == 0 && !is_real_time(wanted.policy) && wanted.policy != LINUX_SCHED_DEADLINE &&
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
	deadline_describe(target, &attributes);
	memcpy(out, &attributes, sizeof(attributes));
	request_set_out_size(request, sizeof(attributes));
	return 0;
}

/* ---- affinity, asked for --------------------------------------------------------------------- */

int64_t posix_sched_getaffinity(struct request *request)
{
	const struct thread *target = find_target(request, request->args[0]);
	uint64_t mask, size = request->args[1];
	void *out;

	if (size < sizeof(mask) || size % sizeof(mask) != 0) {
		return -LINUX_EINVAL;
	}
	if (target == NULL) {
		return -LINUX_ESRCH;
	}
	out = request_out(request, 2, NULL);
	if (out == NULL) {
		return -LINUX_EFAULT;
	}
	mask = thread_affinity(target);
	memcpy(out, &mask, sizeof(mask));
	request_set_out_size(request, sizeof(mask));
	return sizeof(mask);
}

int64_t posix_sched_setaffinity(struct request *request)
{
	struct thread *target = find_target(request, request->args[0]);
	uint64_t mask = 0;
	size_t size;
	const void *in = request_in(request, 2, &size);

	if (in == NULL) {
		return -LINUX_EFAULT;
	}
	if (target == NULL) {
		return -LINUX_ESRCH;
	}
	if (!is_owner(request->process, target->process) &&
		!process_has(request->process, LINUX_CAP_SYS_NICE)) {
		return -LINUX_EPERM;
	}
	memcpy(&mask, in, min_size(size, sizeof(mask)));
	mask &= online_mask();
	if (mask == 0) {
		return -LINUX_EINVAL;
	}
	if (target->internal->scheduling.deadline != NULL && mask != online_mask()) {
		return -LINUX_EBUSY;
	}
	target->internal->scheduling.affinity = mask;
	hel_thread_set_affinity(target->internal->thread, mask);
	return 0;
}

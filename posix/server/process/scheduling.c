/* SPDX-License-Identifier: MIT */
/*
 * sched_*: how threads are scheduled, and what that is in the kernel's priorities and weights.
 *
 * thor has few priorities, and a greater one goes first, always; equals share a CPU by their
 * weights.
 *
 *	7		posix, while there are urgent threads
 *	6		SCHED_DEADLINE, while it has time left of its period (deadline.c)
 *	2 ... 5		SCHED_FIFO and SCHED_RR, by their priority of 1 ... 99
 *	0		everybody else, and every server
 *	-8		SCHED_DEADLINE that has had its time
 *
 * Threads above 0 are urgent: they may keep all processors busy. posix is then above them, so that
 * their alarms go off and somebody can end them. That is why posix counts them.
 *
 * A nice value is a weight: each step is worth 1.25 times the share. SCHED_IDLE has a weight below
 * all of them; SCHED_BATCH is SCHED_OTHER, for waking up is no advantage here. As long as there are
 * threads with negative nice values posix weighs as much as the heaviest of them, or their own
 * calls, and those of others, would wait for it too long.
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
constexpr int PRIORITY_SPENT = -8;
constexpr uint32_t REAL_TIME_MAX = 99;
constexpr int NICE_VALUES = 40;

/* By nice value from NICE_MIN to NICE_MAX, as Linux has them; HEL_WEIGHT_DEFAULT is that of 0. */
static const uint32_t weights[] = { 88761, 71755, 56483, 46273, 36291, 29154, 23254, 18705, 14949,
	11916, 9548, 7620, 6100, 4904, 3906, 3121, 2501, 1991, 1586, 1277, 1024, 820, 655, 526, 423,
	335, 272, 215, 172, 137, 110, 87, 70, 56, 45, 36, 29, 23, 18, 15 };
static_assert(ARRAY_SIZE(weights) == NICE_MAX - NICE_MIN + 1);
constexpr uint32_t WEIGHT_IDLE = 3;

/* What is told as the time slice of a thread: thor's granularity, and Linux' of SCHED_RR. */
constexpr int64_t SLICE_FAIR_NS = 4000000;
constexpr int64_t SLICE_ROUND_ROBIN_NS = 100000000;

static bool is_real_time(uint32_t policy)
{
	return policy == LINUX_SCHED_FIFO || policy == LINUX_SCHED_RR;
}

/* Those for which the nice value is set with the policy. */
static bool has_nice(uint32_t policy)
{
	return policy == LINUX_SCHED_OTHER || policy == LINUX_SCHED_BATCH;
}

static bool is_policy(uint32_t policy)
{
	return is_real_time(policy) || policy == LINUX_SCHED_OTHER || policy == LINUX_SCHED_BATCH ||
		policy == LINUX_SCHED_IDLE || policy == LINUX_SCHED_DEADLINE;
}

/* ---- the kernel's priorities and weights ----------------------------------------------------- */

static int kernel_priority(const struct thread_scheduling *scheduling)
{
	if (is_real_time(scheduling->policy)) {
		return PRIORITY_REAL_TIME +
			(int)((scheduling->priority - 1u) * N_PRIORITIES_REAL_TIME / REAL_TIME_MAX);
	}
	if (scheduling->deadline != NULL) {
		return deadline_is_spent(scheduling->deadline) ? PRIORITY_SPENT : PRIORITY_DEADLINE;
	}
	return 0;
}

static int kernel_nice(const struct thread_scheduling *scheduling)
{
	switch (scheduling->policy) {
	case LINUX_SCHED_OTHER:
	case LINUX_SCHED_BATCH: return scheduling->nice;
	case LINUX_SCHED_IDLE: return NICE_IDLE;
	default: return 0;
	}
}

static uint32_t weight_of(int nice)
{
	return nice == NICE_IDLE ? WEIGHT_IDLE : weights[nice - NICE_MIN];
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

/* A thread's nice value for the kernel changes; 0: it has none before, or afterwards. */
static void count_heavy(int before, int after)
{
	static uint32_t n_heavy[-NICE_MIN];
	static int heaviest;
	int nice = NICE_MIN;

	if (before < 0) {
		n_heavy[before - NICE_MIN]--;
	}
	if (after < 0) {
		n_heavy[after - NICE_MIN]++;
	}
	while (nice < 0 && n_heavy[nice - NICE_MIN] == 0) {
		nice++;
	}
	if (nice != heaviest) {
		heaviest = nice;
		turns_set_weight(weight_of(nice));
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

static void set_kernel_nice(struct thread *thread, int nice)
{
	struct thread_scheduling *scheduling = &thread->internal->scheduling;

	if (scheduling->kernel_nice == nice) {
		return;
	}
	count_heavy(scheduling->kernel_nice, nice);
	scheduling->kernel_nice = (int8_t)nice;
	hel_thread_set_weight(thread->internal->thread, weight_of(nice));
}

void thread_schedule(struct thread *thread)
{
	set_kernel_priority(thread, kernel_priority(&thread->internal->scheduling));
	set_kernel_nice(thread, kernel_nice(&thread->internal->scheduling));
	rt_limit_watch(thread);
}

void thread_schedule_end(struct thread *thread)
{
	struct thread_scheduling *scheduling = &thread->internal->scheduling;

	if (scheduling->kernel_priority > 0) {
		count_urgent(-1);
	}
	count_heavy(scheduling->kernel_nice, 0);
	scheduling->kernel_priority = 0;
	scheduling->kernel_nice = 0;
	deadline_end(thread);
	if (thread->tid == thread->process->pid) {
		thread->process->internal->last_scheduling = *scheduling;
	}
}

struct thread_scheduling *process_scheduling(struct process *process)
{
	struct thread *thread = thread_find(process->pid);

	return thread != NULL ? &thread->internal->scheduling : &process->internal->last_scheduling;
}

bool process_allows_nice(const struct process *target, int nice)
{
	return target->limits[LIMIT_NICE][0] >= (uint64_t)(20 - nice);
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
	bool resets = is_clone && from->resets_on_fork;

	to->affinity = from->affinity;
	to->io_priority = from->io_priority;
	to->resets_on_fork = from->resets_on_fork && !is_clone;
	if (resets && (is_real_time(from->policy) || from->policy == LINUX_SCHED_DEADLINE)) {
		return;
	}
	to->policy = from->policy;
	to->priority = from->priority;
	to->nice = resets && from->nice < 0 ? 0 : from->nice;
}

int thread_precedence(const struct thread *thread)
{
	const struct thread_scheduling *scheduling = &thread->internal->scheduling;

	if (scheduling->deadline != NULL) {
		return INT32_MAX;
	}
	return is_real_time(scheduling->policy) ? NICE_VALUES + scheduling->priority
						: -scheduling->nice;
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
	int nice; /* counts for SCHED_OTHER and SCHED_BATCH */
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
		!process_allows_nice(target->process, now->nice)) {
		return -LINUX_EPERM;
	}
	if (has_nice(wanted->policy) && wanted->nice < now->nice &&
		!process_allows_nice(target->process, wanted->nice)) {
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
	if (has_nice(wanted->policy)) {
		scheduling->nice = (int8_t)wanted->nice;
	}
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
		.nice = now->nice,
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
		.nice = attributes->nice < NICE_MIN   ? NICE_MIN
			: attributes->nice > NICE_MAX ? NICE_MAX
						      : attributes->nice,
		.resets_on_fork = (attributes->flags & LINUX_SCHED_FLAG_RESET_ON_FORK) != 0,
		.times = attributes,
	};
	if ((attributes->flags & LINUX_SCHED_FLAG_KEEP_POLICY) != 0) {
		wanted.policy = target->internal->scheduling.policy;
	}
	if ((attributes->flags & LINUX_SCHED_FLAG_KEEP_PARAMS) != 0) {
		wanted.priority = target->internal->scheduling.priority;
		wanted.nice = target->internal->scheduling.nice;
		deadline_describe(target, &times);
		wanted.times = &times;
	}
	return set_scheduling(request, target, &wanted);
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
	attributes.nice = has_nice(now->policy) || now->policy == LINUX_SCHED_IDLE ? now->nice : 0;
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

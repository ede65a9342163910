/* SPDX-License-Identifier: MIT */
/* prlimit64 and priorities. */
#include <abi/linux/resource.h>
#include <abi/linux/sched.h>
#include <base/string.h>
#include <helix/start.h>
#include <posix/server/file/handlers.h>
#include <posix/server/process/process-internal.h>
#include <posix/server/time/cpu-timer.h>

constexpr uint64_t NOFILE_MAX = 1048576;
constexpr int NICE_MIN = -20, NICE_MAX = 19;

/* The target of a call that takes a pid, 0 being the caller; NULL: none. */
static struct process *find_target(struct request *request, uint32_t pid)
{
	struct process *process = pid == 0 ? request->process : process_find(pid);

	if (process == NULL) {
		struct thread *thread = thread_find(pid);

		process = thread != NULL ? thread->process : NULL;
	}
	return process;
}

static bool may_change(const struct process *caller, const struct process *target)
{
	return caller == target || process_has(caller, LINUX_CAP_SYS_RESOURCE) ||
		(caller->credentials.uid == target->credentials.uid &&
			caller->credentials.uid == target->credentials.euid);
}

static int64_t set_limit(struct process *caller, struct process *target, uint32_t which,
	const struct linux_rlimit64 *limit)
{
	uint64_t *now = target->limits[which];

	if (limit->current > limit->maximum) {
		return -LINUX_EINVAL;
	}
	if (limit->maximum > now[1] && !process_has(caller, LINUX_CAP_SYS_RESOURCE)) {
		return -LINUX_EPERM;
	}
	if (which == LIMIT_NOFILE && limit->maximum > NOFILE_MAX) {
		return -LINUX_EPERM;
	}
	uint64_t before[2] = { now[0], now[1] };

	now[0] = limit->current;
	now[1] = limit->maximum;
	if (process_is_alive(target) &&
		((which == LIMIT_CPU && cpu_limit_follow(target) != 0) ||
			(which == LIMIT_RTTIME && rt_limit_follow(target) != 0))) {
		now[0] = before[0];
		now[1] = before[1];
		return -LINUX_ENOMEM;
	}
	process_publish(target);
	return 0;
}

int64_t posix_prlimit64(struct request *request)
{
	struct process *target = find_target(request, (uint32_t)request->args[0]);
	uint32_t which = (uint32_t)request->args[1];
	const struct linux_rlimit64 *new = request_in(request, 2, NULL);
	struct linux_rlimit64 *old = request_out(request, 3, NULL);

	if (which >= LIMIT_COUNT) {
		return -LINUX_EINVAL;
	}
	if (target == NULL) {
		return -LINUX_ESRCH;
	}
	if (!may_change(request->process, target)) {
		return -LINUX_EPERM;
	}
	if (old != NULL) {
		*old = (struct linux_rlimit64){ target->limits[which][0],
			target->limits[which][1] };
	}
	return new != NULL ? set_limit(request->process, target, which, new) : 0;
}

/* ---- priorities ------------------------------------------------------------------------------ */

static bool is_meant(const struct request *request, uint32_t which, const struct process *process)
{
	uint32_t who = (uint32_t)request->args[1];
	const struct process *caller = request->process;

	switch (which) {
	case LINUX_PRIO_PROCESS: return process->pid == (who != 0 ? who : caller->pid);
	case LINUX_PRIO_PGRP:
		return process->group != NULL &&
			process->group->pgid == (who != 0 ? who : caller->group->pgid);
	default: return process->credentials.uid == (who != 0 ? who : caller->credentials.uid);
	}
}

int64_t posix_getpriority(struct request *request)
{
	int64_t result = -LINUX_ESRCH;

	if ((uint32_t)request->args[0] > LINUX_PRIO_USER) {
		return -LINUX_EINVAL;
	}
	for (struct process *process = process_first(); process != NULL;
		process = process_next(process)) {
		/* The raw call answers 20 - nice, so that it is never negative. */
		if (is_meant(request, (uint32_t)request->args[0], process) &&
			20 - process->internal->nice > result) {
			result = 20 - process->internal->nice;
		}
	}
	return result;
}

int64_t process_set_nice(struct process *caller, struct process *target, int nice)
{
	nice = nice < NICE_MIN ? NICE_MIN : nice > NICE_MAX ? NICE_MAX : nice;
	if (!process_has(caller, LINUX_CAP_SYS_NICE)) {
		if (caller->credentials.euid != target->credentials.uid &&
			caller->credentials.euid != target->credentials.euid) {
			return -LINUX_EPERM;
		}
		if (nice < target->internal->nice) {
			return -LINUX_EACCES;
		}
	}
	target->internal->nice = nice;
	LIST_FOR_EACH(thread, &target->threads, struct thread, process_node) {
		thread_schedule(thread);
	}
	return 0;
}

int64_t posix_setpriority(struct request *request)
{
	int nice = (int)request->args[2];
	int64_t result = -LINUX_ESRCH;

	if ((uint32_t)request->args[0] > LINUX_PRIO_USER) {
		return -LINUX_EINVAL;
	}
	for (struct process *process = process_first(); process != NULL;
		process = process_next(process)) {
		if (is_meant(request, (uint32_t)request->args[0], process)) {
			int64_t one = process_set_nice(request->process, process, nice);

			result = one != 0 || result == -LINUX_ESRCH ? one : result;
		}
	}
	return result;
}

/* ---- priorities of input and output ---------------------------------------------------------- */

constexpr uint32_t IO_CLASS_NONE = 0, IO_CLASS_REAL_TIME = 1, IO_CLASS_BEST_EFFORT = 2,
		   IO_CLASS_IDLE = 3;
constexpr uint32_t IO_CLASS_SHIFT = 13, IO_LEVEL_MASK = 0x1fff, IO_LEVELS = 8;

static int64_t check_io_priority(const struct process *process, uint32_t priority)
{
	uint32_t class = priority >> IO_CLASS_SHIFT, level = priority & IO_LEVEL_MASK;

	switch (class) {
	case IO_CLASS_REAL_TIME:
		if (!process_has(process, LINUX_CAP_SYS_ADMIN) &&
			!process_has(process, LINUX_CAP_SYS_NICE)) {
			return -LINUX_EPERM;
		}
		return level < IO_LEVELS ? 0 : -LINUX_EINVAL;
	case IO_CLASS_BEST_EFFORT: return level < IO_LEVELS ? 0 : -LINUX_EINVAL;
	case IO_CLASS_IDLE: return 0;
	case IO_CLASS_NONE: return level == 0 ? 0 : -LINUX_EINVAL;
	default: return -LINUX_EINVAL;
	}
}

static bool may_set_io_priority(const struct process *caller, const struct process *target)
{
	return target->credentials.uid == caller->credentials.uid ||
		target->credentials.uid == caller->credentials.euid ||
		process_has(caller, LINUX_CAP_SYS_NICE);
}

/* Kept and told; nothing of this machine's files waits for a disk. */
int64_t posix_ioprio_set(struct request *request)
{
	uint32_t which = (uint32_t)request->args[0] - 1, priority = (uint32_t)request->args[2];
	int64_t result = -LINUX_ESRCH;
	int64_t error = check_io_priority(request->process, priority);

	if (error != 0 || which > LINUX_PRIO_USER) {
		return error != 0 ? error : -LINUX_EINVAL;
	}
	for (struct process *process = process_first(); process != NULL;
		process = process_next(process)) {
		if (!is_meant(request, which, process)) {
			continue;
		}
		if (!may_set_io_priority(request->process, process)) {
			return -LINUX_EPERM;
		}
		process->internal->io_priority = (uint16_t)priority;
		result = 0;
	}
	return result;
}

static uint32_t io_priority_of(const struct process *process)
{
	const struct process_internal *internal = process->internal;

	return internal->io_priority != 0
		? internal->io_priority
		: IO_CLASS_BEST_EFFORT << IO_CLASS_SHIFT | (uint32_t)(internal->nice + 20) / 5;
}

int64_t posix_ioprio_get(struct request *request)
{
	uint32_t which = (uint32_t)request->args[0] - 1;
	int64_t result = -LINUX_ESRCH;

	if (which > LINUX_PRIO_USER) {
		return -LINUX_EINVAL;
	}
	for (struct process *process = process_first(); process != NULL;
		process = process_next(process)) {
		if (is_meant(request, which, process) &&
			(result < 0 || io_priority_of(process) < result)) {
			result = io_priority_of(process);
		}
	}
	return result;
}

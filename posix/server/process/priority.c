/* SPDX-License-Identifier: MIT */
/*
 * getpriority, setpriority and ioprio_*: of one thread, or all of a group or a user.
 *
 * A nice value is a thread's own. A process whose first thread has ended, or that is a zombie,
 * still has what that one had (process_scheduling()), and can be named by its number.
 */
#include <abi/linux/resource.h>
#include <abi/linux/sched.h>
#include <posix/server/file/handlers.h>
#include <posix/server/process/process-internal.h>

/* ---- who is meant ---------------------------------------------------------------------------- */

/* What a call is about: done for each thread that it means, until one is not 0. */
struct each {
	int64_t (*act)(struct each *each);
	const struct process *caller;
	int value; /* of the call */
	int64_t result;
	/* whom it is done for */
	struct process *process;
	struct thread_scheduling *scheduling;
	struct thread *thread; /* NULL: it has ended, and was the first of its process */
};

static int64_t act_on_thread(struct each *each, struct thread *thread)
{
	each->process = thread->process;
	each->scheduling = &thread->internal->scheduling;
	each->thread = thread;
	return each->act(each);
}

static int64_t act_on_ended(struct each *each, struct process *process)
{
	each->process = process;
	each->scheduling = &process->internal->last_scheduling;
	each->thread = NULL;
	return each->act(each);
}

static int64_t act_on_process(struct each *each, struct process *process)
{
	int64_t error = 0;

	if (thread_find(process->pid) == NULL) {
		error = act_on_ended(each, process);
	}
	LIST_FOR_EACH(thread, &process->threads, struct thread, process_node) {
		if (error != 0) {
			break;
		}
		error = act_on_thread(each, thread);
	}
	return error;
}

static int64_t act_on_one(struct each *each, struct request *request, uint32_t who)
{
	struct thread *thread = who != 0 ? thread_find(who) : request->thread;
	struct process *process = who != 0 ? process_find(who) : NULL;

	if (thread != NULL) {
		return act_on_thread(each, thread);
	}
	return process != NULL ? act_on_ended(each, process) : 0;
}

static int64_t act_on_group(struct each *each, struct request *request, uint32_t who)
{
	struct process_group *group = who != 0 ? process_group_find(who) : request->process->group;
	int64_t error = 0;

	if (group == NULL) {
		return 0;
	}
	LIST_FOR_EACH(process, &group->members, struct process, group_node) {
		if (error != 0) {
			break;
		}
		error = act_on_process(each, process);
	}
	return error;
}

static int64_t act_on_user(struct each *each, struct request *request, uint32_t who)
{
	uint32_t uid = who != 0 ? who : request->process->credentials.uid;
	int64_t error = 0;

	for (struct process *process = process_first(); process != NULL && error == 0;
		process = process_next(process)) {
		if (process->credentials.uid == uid) {
			error = act_on_process(each, process);
		}
	}
	return error;
}

/* @which: LINUX_PRIO_*. Return: what stopped it, or the result, which is -LINUX_ESRCH at first. */
static int64_t act_on_all(struct each *each, struct request *request, uint32_t which, uint32_t who)
{
	int64_t error;

	each->caller = request->process;
	each->result = -LINUX_ESRCH;
	switch (which) {
	case LINUX_PRIO_PROCESS: error = act_on_one(each, request, who); break;
	case LINUX_PRIO_PGRP: error = act_on_group(each, request, who); break;
	case LINUX_PRIO_USER: error = act_on_user(each, request, who); break;
	default: return -LINUX_EINVAL;
	}
	return error != 0 ? error : each->result;
}

/* ---- nice values ----------------------------------------------------------------------------- */

/* The raw call answers 20 - nice, so that it is never negative; of several, the least nice. */
static int64_t look_at_nice(struct each *each)
{
	if (20 - each->scheduling->nice > each->result) {
		each->result = 20 - each->scheduling->nice;
	}
	return 0;
}

int64_t posix_getpriority(struct request *request)
{
	return act_on_all(&(struct each){ .act = look_at_nice }, request,
		(uint32_t)request->args[0], (uint32_t)request->args[1]);
}

static int64_t check_nice(const struct each *each)
{
	const struct credentials *target = &each->process->credentials;
	uint32_t euid = each->caller->credentials.euid;

	if (process_has(each->caller, LINUX_CAP_SYS_NICE)) {
		return 0;
	}
	if (euid != target->uid && euid != target->euid) {
		return -LINUX_EPERM;
	}
	return each->value >= each->scheduling->nice ||
			process_allows_nice(each->process, each->value)
		? 0
		: -LINUX_EACCES;
}

/* One refusal does not keep the others from it, but is what is answered. */
static int64_t set_nice(struct each *each)
{
	int64_t error = check_nice(each);

	if (error != 0 || each->result == -LINUX_ESRCH) {
		each->result = error;
	}
	if (error == 0) {
		each->scheduling->nice = (int8_t)each->value;
		if (each->thread != NULL) {
			thread_schedule(each->thread);
		}
	}
	return 0;
}

int64_t posix_setpriority(struct request *request)
{
	int nice = (int)request->args[2];
	struct each each = {
		.act = set_nice,
		.value = nice < NICE_MIN  ? NICE_MIN
			: nice > NICE_MAX ? NICE_MAX
					  : nice,
	};

	return act_on_all(&each, request, (uint32_t)request->args[0], (uint32_t)request->args[1]);
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
static int64_t set_io_priority(struct each *each)
{
	if (!may_set_io_priority(each->caller, each->process)) {
		return -LINUX_EPERM;
	}
	each->scheduling->io_priority = (uint16_t)each->value;
	each->result = 0;
	return 0;
}

int64_t posix_ioprio_set(struct request *request)
{
	struct each each = { .act = set_io_priority, .value = (int)request->args[2] };
	int64_t error = check_io_priority(request->process, (uint32_t)each.value);

	return error != 0 ? error
			  : act_on_all(&each, request, (uint32_t)request->args[0] - 1,
				    (uint32_t)request->args[1]);
}

/* Of several, the most urgent. */
static int64_t look_at_io_priority(struct each *each)
{
	const struct thread_scheduling *scheduling = each->scheduling;
	uint32_t by_nice = (uint32_t)(scheduling->nice - NICE_MIN) / 5;
	int64_t priority = scheduling->io_priority != 0
		? scheduling->io_priority
		: IO_CLASS_BEST_EFFORT << IO_CLASS_SHIFT | by_nice;

	if (each->result < 0 || priority < each->result) {
		each->result = priority;
	}
	return 0;
}

int64_t posix_ioprio_get(struct request *request)
{
	return act_on_all(&(struct each){ .act = look_at_io_priority }, request,
		(uint32_t)request->args[0] - 1, (uint32_t)request->args[1]);
}

/* SPDX-License-Identifier: MIT */
/* prlimit64. */
#include <abi/linux/resource.h>
#include <base/string.h>
#include <helix/start.h>
#include <posix/server/file/handlers.h>
#include <posix/server/file/views.h>
#include <posix/server/process/process-internal.h>
#include <posix/server/time/cpu-timer.h>

constexpr uint64_t NOFILE_MAX = 1048576;

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

	if (which == LIMIT_FSIZE) {
		views_all_changed(); /* those that may be written to, up to the limit */
	}

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

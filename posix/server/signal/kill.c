/* SPDX-License-Identifier: MIT */
/* kill, tkill, tgkill: who may signal whom. */
#include <posix/server/file/handlers.h>
#include <posix/server/signal/signal.h>

static bool may_signal(const struct process *from, const struct process *to, int signal)
{
	const struct credentials *mine = &from->credentials, *theirs = &to->credentials;

	if (from == to || process_is_privileged(from)) {
		return true;
	}
	if (mine->euid == theirs->suid || mine->euid == theirs->uid || mine->uid == theirs->suid ||
		mine->uid == theirs->uid) {
		return true;
	}
	return signal == LINUX_SIGCONT && from->group->session == to->group->session;
}

static struct signal_info info_of(const struct request *request, int signal, int code)
{
	return (struct signal_info){
		.signal = signal,
		.code = code,
		.pid = request->process->pid,
		.uid = request->process->credentials.uid,
	};
}

static int64_t kill_process(struct request *request, struct process *process, int signal)
{
	struct signal_info info = info_of(request, signal, LINUX_SI_USER);

	if (!may_signal(request->process, process, signal)) {
		return -LINUX_EPERM;
	}
	return signal == 0 ? 0 : signal_send_process_checked(process, &info);
}

static int64_t kill_group(struct request *request, uint32_t pgid, int signal)
{
	struct process_group *group = process_group_find(pgid);
	int64_t result = -LINUX_ESRCH;

	if (group == NULL) {
		return result;
	}
	group->references++;
	LIST_FOR_EACH(process, &group->members, struct process, group_node) {
		int64_t one = kill_process(request, process, signal);

		if (one == 0 || result != 0) {
			result = one;
		}
	}
	process_group_unref(group);
	return result;
}

static int64_t kill_all(struct request *request, int signal)
{
	int64_t result = -LINUX_ESRCH;

	for (struct process *process = process_first(); process != NULL;
		process = process_next(process)) {
		if (process == process_init() || process == request->process) {
			continue;
		}
		int64_t one = kill_process(request, process, signal);

		if (one != -LINUX_EPERM) {
			result = one;
		} else if (result == -LINUX_ESRCH) {
			result = -LINUX_EPERM;
		}
	}
	return result;
}

/* The caller may be dead by its own signal: then there is nobody to answer. */
static int64_t finish(const struct request *request, int64_t result)
{
	return process_is_alive(request->process) ? result : REQUEST_NO_REPLY;
}

int64_t posix_kill(struct request *request)
{
	int32_t pid = (int32_t)request->args[0];
	int signal = (int)request->args[1];
	struct process *process;

	if (signal < 0 || signal > (int)LINUX_NSIG) {
		return -LINUX_EINVAL;
	}
	if (pid == -1) {
		return finish(request, kill_all(request, signal));
	}
	if (pid == INT32_MIN) {
		return -LINUX_ESRCH;
	}
	if (pid <= 0) {
		uint32_t pgid = pid == 0 ? request->process->group->pgid : (uint32_t)-pid;

		return finish(request, kill_group(request, pgid, signal));
	}
	process = process_find((uint32_t)pid);
	if (process == NULL) {
		struct thread *thread = thread_find((uint32_t)pid);

		process = thread != NULL ? thread->process : NULL;
	}
	return process == NULL ? -LINUX_ESRCH
			       : finish(request, kill_process(request, process, signal));
}

static int64_t kill_thread(struct request *request, int32_t pid, int32_t tid, int signal)
{
	struct signal_info info = info_of(request, signal, LINUX_SI_TKILL);
	struct thread *thread;

	if (tid <= 0 || signal < 0 || signal > (int)LINUX_NSIG) {
		return -LINUX_EINVAL;
	}
	thread = thread_find((uint32_t)tid);
	if (thread == NULL || (pid != 0 && thread->process->pid != (uint32_t)pid)) {
		return -LINUX_ESRCH;
	}
	if (!may_signal(request->process, thread->process, signal)) {
		return -LINUX_EPERM;
	}
	return signal == 0 ? 0 : finish(request, signal_send_thread(thread, &info));
}

int64_t posix_tkill(struct request *request)
{
	return kill_thread(request, 0, (int32_t)request->args[0], (int)request->args[1]);
}

int64_t posix_tgkill(struct request *request)
{
	if ((int32_t)request->args[0] <= 0) {
		return -LINUX_EINVAL;
	}
	return kill_thread(request, (int32_t)request->args[0], (int32_t)request->args[1],
		(int)request->args[2]);
}

/* SPDX-License-Identifier: MIT */
/*
 * kill, tkill, tgkill and their forms with information: who may signal whom. As in Linux the target
 * is looked up before the signal's number is checked.
 */
#include <base/string.h>
#include <posix/server/file/access.h>
#include <posix/server/file/handlers.h>
#include <posix/server/fs/procfs.h>
#include <posix/server/process/pidfd.h>
#include <posix/server/signal/signal.h>

static bool may_signal(const struct process *from, const struct process *to, int signal)
{
	const struct credentials *mine = &from->credentials, *theirs = &to->credentials;

	if (from == to || process_has(from, LINUX_CAP_KILL)) {
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

static int64_t check(const struct request *request, const struct process *process, int signal)
{
	if (signal < 0 || signal > (int)LINUX_NSIG) {
		return -LINUX_EINVAL;
	}
	return may_signal(request->process, process, signal) ? 0 : -LINUX_EPERM;
}

static int64_t send_process(
	struct request *request, struct process *process, const struct signal_info *info)
{
	int64_t error = check(request, process, info->signal);

	return error != 0 || info->signal == 0 ? error : signal_send_process_checked(process, info);
}

static int64_t kill_process(struct request *request, struct process *process, int signal)
{
	struct signal_info info = info_of(request, signal, LINUX_SI_USER);

	return send_process(request, process, &info);
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

static void send_owned(
	struct process *process, uint32_t setter_uid, uint32_t setter_euid, int signal)
{
	const struct credentials *theirs = &process->credentials;

	if (setter_euid == 0 || setter_euid == theirs->suid || setter_euid == theirs->uid ||
		setter_uid == theirs->suid || setter_uid == theirs->uid) {
		signal_send_process(process,
			&(struct signal_info){ .signal = signal, .code = LINUX_SI_KERNEL });
	}
}

void signal_send_owner(int64_t pid, uint32_t setter_uid, uint32_t setter_euid, int signal)
{
	struct process *process = pid > 0 ? process_find((uint32_t)pid) : NULL;
	struct process_group *group = pid < 0 ? process_group_find((uint32_t)-pid) : NULL;

	if (process != NULL) {
		send_owned(process, setter_uid, setter_euid, signal);
	}
	if (group == NULL) {
		return;
	}
	group->references++;
	LIST_FOR_EACH(member, &group->members, struct process, group_node) {
		send_owned(member, setter_uid, setter_euid, signal);
	}
	process_group_unref(group);
}

/* The caller may be dead by its own signal: then there is nobody to answer. */
static int64_t finish(const struct request *request, int64_t result)
{
	return process_is_alive(request->process) ? result : REQUEST_NO_REPLY;
}

/* A thread's number stands for its process. */
static struct process *find_process(int32_t pid)
{
	struct process *process = pid > 0 ? process_find((uint32_t)pid) : NULL;
	struct thread *thread = pid > 0 && process == NULL ? thread_find((uint32_t)pid) : NULL;

	return thread != NULL ? thread->process : process;
}

int64_t posix_kill(struct request *request)
{
	int32_t pid = (int32_t)request->args[0];
	int signal = (int)request->args[1];
	struct process *process;

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
	process = find_process(pid);
	return process == NULL ? -LINUX_ESRCH
			       : finish(request, kill_process(request, process, signal));
}

/* @pid: 0 if it does not matter whose thread it is */
static int64_t send_thread(
	struct request *request, int32_t pid, int32_t tid, const struct signal_info *info)
{
	struct thread *thread = thread_find((uint32_t)tid);
	int64_t error;

	if (thread == NULL || (pid != 0 && thread->process->pid != (uint32_t)pid)) {
		return -LINUX_ESRCH;
	}
	error = check(request, thread->process, info->signal);
	return error != 0 || info->signal == 0 ? error
					       : finish(request, signal_send_thread(thread, info));
}

int64_t posix_tkill(struct request *request)
{
	int32_t tid = (int32_t)request->args[0];
	struct signal_info info = info_of(request, (int)request->args[1], LINUX_SI_TKILL);

	return tid <= 0 ? -LINUX_EINVAL : send_thread(request, 0, tid, &info);
}

int64_t posix_tgkill(struct request *request)
{
	int32_t pid = (int32_t)request->args[0], tid = (int32_t)request->args[1];
	struct signal_info info = info_of(request, (int)request->args[2], LINUX_SI_TKILL);

	return pid <= 0 || tid <= 0 ? -LINUX_EINVAL : send_thread(request, pid, tid, &info);
}

/* ---- with information ------------------------------------------------------------------------ */

/*
 * @tid: of the thread that may say anything in it, which is the caller; others may not say that the
 * kernel or tgkill sent it
 */
static int64_t read_info(
	struct request *request, unsigned argument, int32_t tid, struct signal_info *out_info)
{
	size_t size;
	const uint8_t *bytes = request_in(request, argument, &size);
	struct linux_siginfo siginfo;

	if (bytes == NULL || size < sizeof(siginfo)) {
		return -LINUX_EFAULT;
	}
	memcpy(&siginfo, bytes, sizeof(siginfo));
	*out_info = (struct signal_info){
		.signal = (int)request->args[argument - 1],
		.code = siginfo.code,
		.pid = siginfo.sender.pid,
		.uid = siginfo.sender.uid,
		.value = siginfo.sender.value,
		.is_raw = true,
	};
	memcpy(out_info->raw, bytes, sizeof(out_info->raw));
	if ((siginfo.code >= 0 || siginfo.code == LINUX_SI_TKILL) &&
		request->thread->tid != (uint32_t)tid) {
		return -LINUX_EPERM;
	}
	return 0;
}

int64_t posix_rt_sigqueueinfo(struct request *request)
{
	int32_t pid = (int32_t)request->args[0];
	struct process *process = find_process(pid);
	struct signal_info info;
	int64_t error = read_info(request, 2, pid, &info);

	if (error != 0) {
		return error;
	}
	return process == NULL ? -LINUX_ESRCH
			       : finish(request, send_process(request, process, &info));
}

int64_t posix_rt_tgsigqueueinfo(struct request *request)
{
	int32_t pid = (int32_t)request->args[0], tid = (int32_t)request->args[1];
	struct signal_info info;
	int64_t error = read_info(request, 3, tid, &info);

	if (pid <= 0 || tid <= 0) {
		return -LINUX_EINVAL;
	}
	return error != 0 ? error : send_thread(request, pid, tid, &info);
}

/* Whom a descriptor means: of a process, or of its folder in /proc. */
static int64_t find_by_fd(struct request *request, uint64_t fd, struct process **out_process)
{
	struct file *file = file_of_fd(request, fd);

	if (file == NULL) {
		return -LINUX_EBADF;
	}
	return proc_folder_process(file, out_process) ? 0 : pidfd_process(file, out_process);
}

/* Without information it is as by kill(). */
int64_t posix_pidfd_send_signal(struct request *request)
{
	struct signal_info info = info_of(request, (int)request->args[1], LINUX_SI_USER);
	struct process *process;

	if ((uint32_t)request->args[3] != 0) {
		return -LINUX_EINVAL;
	}
	int64_t error = find_by_fd(request, request->args[0], &process);

	if (error == 0 && (request->null_mask & 1u << 2) == 0) {
		error = read_info(request, 2, process == NULL ? 0 : (int32_t)process->pid, &info);
		if (((struct linux_siginfo *)info.raw)->signal != info.signal) {
			error = -LINUX_EINVAL;
		}
	}
	if (error != 0) {
		return error;
	}
	return process == NULL ? -LINUX_ESRCH
			       : finish(request, send_process(request, process, &info));
}

/* SPDX-License-Identifier: MIT */
/* Descriptors of processes, and the calls that take them; see pidfd.h. */
#include <abi/linux/poll.h>
#include <base/format.h>
#include <helix/memory.h>
#include <posix/server/file/access.h>
#include <posix/server/file/handlers.h>
#include <posix/server/process/pidfd.h>
#include <posix/server/process/process-internal.h>
#include <posix/server/trace/trace.h>

struct pidfd_subject {
	uint32_t references; /* of open files, and one of the process until it is freed */
	struct process *process; /* NULL: reaped */
	struct wait_queue ended;
};

static void subject_unref(struct pidfd_subject *subject)
{
	if (--subject->references == 0) {
		helix_free(subject);
	}
}

static uint32_t pidfd_poll(
	struct file *file, void (*queue_of)(void *context, struct wait_queue *queue), void *context)
{
	struct pidfd_subject *subject = file->data;

	if (queue_of != NULL) {
		queue_of(context, &subject->ended);
	}
	return subject->process == NULL || subject->process->internal->state == PROCESS_ZOMBIE
		? LINUX_POLLIN | LINUX_POLLRDNORM
		: 0;
}

static void pidfd_release(struct file *file)
{
	subject_unref(file->data);
}

static const struct file_ops pidfd_file_ops = {
	FILE_OPS_DEFAULT,
	.name = "pidfd",
	.poll = pidfd_poll,
	.release = pidfd_release,
};

/* ---- processes ------------------------------------------------------------------------------- */

static struct pidfd_subject *subject_of(struct process *process)
{
	struct process_internal *internal = process->internal;

	if (internal->pidfds == NULL) {
		internal->pidfds = helix_malloc(sizeof(*internal->pidfds));
		if (internal->pidfds != NULL) {
			*internal->pidfds =
				(struct pidfd_subject){ .references = 1, .process = process };
			wait_queue_init(&internal->pidfds->ended);
		}
	}
	return internal->pidfds;
}

void pidfd_tell_end(struct process *process)
{
	if (process->internal->pidfds != NULL) {
		wait_queue_wake(&process->internal->pidfds->ended);
	}
}

void pidfd_forget(struct process *process)
{
	struct pidfd_subject *subject = process->internal->pidfds;

	if (subject != NULL) {
		process->internal->pidfds = NULL;
		subject->process = NULL;
		wait_queue_wake(&subject->ended);
		subject_unref(subject);
	}
}

/* ---- files ----------------------------------------------------------------------------------- */

int64_t pidfd_create(const struct process *maker, struct process *process, uint32_t flags,
	struct file **out_file)
{
	struct pidfd_subject *subject = subject_of(process);

	if (subject == NULL) {
		return -LINUX_ENOMEM;
	}
	int64_t error = file_create_anonymous(
		maker, &pidfd_file_ops, "[pidfd]", subject, LINUX_O_RDWR | flags, out_file);

	if (error == 0) {
		subject->references++;
	}
	return error;
}

int64_t pidfd_process(const struct file *file, struct process **out_process)
{
	if (file->ops != &pidfd_file_ops) {
		return -LINUX_EBADF;
	}
	*out_process = ((struct pidfd_subject *)file->data)->process;
	return 0;
}

size_t pidfd_print(const struct file *file, char *buffer, size_t size)
{
	struct process *process;

	if (pidfd_process(file, &process) != 0) {
		return 0;
	}
	int pid = process == NULL ? -1 : (int)process->pid;

	return format_to(buffer, size, "Pid:\t%d\nNSpid:\t%d\n", pid, pid);
}

/* ---- calls ----------------------------------------------------------------------------------- */

int64_t posix_pidfd_open(struct request *request)
{
	int32_t pid = (int32_t)request->args[0];
	uint32_t flags = (uint32_t)request->args[1];
	struct file *file;

	if ((flags & ~(uint32_t)LINUX_O_NONBLOCK) != 0 || pid <= 0) {
		return -LINUX_EINVAL;
	}
	struct process *process = process_find((uint32_t)pid);

	if (process == NULL) {
		return thread_find((uint32_t)pid) != NULL ? -LINUX_EINVAL : -LINUX_ESRCH;
	}
	int64_t error = pidfd_create(request->process, process, flags, &file);

	return error < 0 ? error : file_install(request, file, true);
}

int64_t posix_pidfd_getfd(struct request *request)
{
	struct file *pidfd = file_of_fd(request, request->args[0]);
	struct process *subject;

	if ((uint32_t)request->args[2] != 0) {
		return -LINUX_EINVAL;
	}
	int64_t error = pidfd == NULL ? -LINUX_EBADF : pidfd_process(pidfd, &subject);

	if (error < 0) {
		return error;
	}
	if (subject == NULL || subject->files == NULL) {
		return -LINUX_ESRCH;
	}
	if (!trace_may_access(request->process, subject, false)) {
		return -LINUX_EPERM;
	}
	struct file *file = fd_table_get(subject->files, (int)request->args[1]);

	if (file == NULL) {
		return -LINUX_EBADF;
	}
	file_ref(file);
	return file_install(request, file, true);
}

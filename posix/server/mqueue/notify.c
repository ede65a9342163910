/* SPDX-License-Identifier: MIT */
/*
 * mq_notify(): one process can ask to be told, once, when a message comes to the empty queue and no
 * receiver waits for it.
 *
 * It is told by a signal, by nothing (then it only keeps others from asking), or by a cookie of its
 * own that is sent to a netlink socket. That is how C libraries make SIGEV_THREAD: a thread of
 * theirs reads that socket. The cookie also tells that nothing will come any more; its room in the
 * socket is taken when the process asks, so that it cannot get lost.
 *
 * A request to be told ends with the message, when the process withdraws it, and when it closes a
 * descriptor of the queue, whichever: so it never survives its process, unless that shares its
 * descriptors with one that goes on. It does survive exec if a descriptor does, but that program
 * did not ask, and is not sent a signal.
 */
#include <abi/linux/errno.h>
#include <base/string.h>
#include <posix/server/file/access.h>
#include <posix/server/file/handlers.h>
#include <posix/server/mqueue/mqueue.h>
#include <posix/server/mqueue/program-memory.h>
#include <posix/server/process/process-internal.h>
#include <posix/server/socket/netlink.h>

static bool is_subject(
	const struct mqueue_notification *notification, const struct process *process)
{
	return notification->pid == process->pid &&
		notification->start_ns == process->internal->start_ns;
}

static void say(struct mqueue_notification *notification, enum linux_notify_reason reason)
{
	if (notification->notice == NULL) {
		return;
	}
	notification->cookie[LINUX_NOTIFY_COOKIE_SIZE - 1] = reason;
	netlink_notice_send(notification->notice, notification->cookie);
	notification->notice = NULL;
}

void mqueue_notify_forget(struct mqueue *queue)
{
	say(&queue->notification, LINUX_NOTIFY_REMOVED);
	queue->notification = (struct mqueue_notification){ 0 };
}

bool mqueue_notify_end(struct mqueue *queue, const struct process *process)
{
	if (!is_subject(&queue->notification, process)) {
		return false;
	}
	mqueue_notify_forget(queue);
	return true;
}

/* ---- telling --------------------------------------------------------------------------------- */

static void send_signal(
	const struct mqueue_notification *notification, const struct process *sender)
{
	struct process *process = process_find(notification->pid);

	if (process == NULL || !is_subject(notification, process) ||
		process->internal->mm == NULL ||
		process->internal->mm->serial != notification->mm_serial) {
		return;
	}
	signal_send_process(process,
		&(struct signal_info){
			.signal = notification->signal,
			.code = LINUX_SI_MESGQ,
			.pid = sender->pid,
			.uid = sender->credentials.uid,
			.value = notification->value,
		});
}

void mqueue_notify(struct mqueue *queue, const struct process *sender)
{
	struct mqueue_notification *notification = &queue->notification;

	if (notification->pid == 0) {
		return;
	}
	/* signal 0 is legal, and none */
	if (notification->notify == LINUX_SIGEV_SIGNAL && notification->signal != 0) {
		send_signal(notification, sender);
	}
	say(notification, LINUX_NOTIFY_WOKENUP);
	*notification = (struct mqueue_notification){ 0 };
}

/* ---- asking ---------------------------------------------------------------------------------- */

static int64_t check_event(const struct linux_sigevent *event)
{
	switch (event->notify) {
	case LINUX_SIGEV_NONE:
	case LINUX_SIGEV_THREAD: return 0;
	case LINUX_SIGEV_SIGNAL:
		return event->signal < 0 || event->signal > (int)LINUX_NSIG ? -LINUX_EINVAL : 0;
	default: return -LINUX_EINVAL;
	}
}

/* The socket that an event names, and what will be sent there. May park. */
static int64_t prepare_notice(struct request *request, const struct linux_sigevent *event,
	struct netlink_notice **out_notice)
{
	struct file *file = file_of_call(request, (uint32_t)event->signal);

	if (file == NULL) {
		return -LINUX_EBADF;
	}
	return file_end_call(request, file,
		netlink_notice_create(request, file, LINUX_NOTIFY_COOKIE_SIZE, out_notice));
}

static int64_t find_queue(struct request *request, struct mqueue **out_queue)
{
	struct file *file = file_of_fd(request, request->args[0]);

	if (file == NULL || file->ops != &mqueue_file_ops) {
		return -LINUX_EBADF;
	}
	*out_queue = mqueue_of(file->inode);
	return 0;
}

static int64_t withdraw(struct request *request)
{
	struct mqueue *queue;
	int64_t error = find_queue(request, &queue);

	if (error == 0 && mqueue_notify_end(queue, request->process)) {
		mqueue_touch_accessed(queue);
	}
	return error;
}

static int64_t ask(struct request *request, const struct linux_sigevent *event,
	struct netlink_notice *notice, const uint8_t *cookie)
{
	const struct process *process = request->process;
	struct mqueue *queue;
	int64_t error = find_queue(request, &queue);

	if (error == 0 && queue->notification.pid != 0) {
		error = -LINUX_EBUSY;
	}
	if (error < 0) {
		return error;
	}
	queue->notification = (struct mqueue_notification){
		.pid = process->pid,
		.start_ns = process->internal->start_ns,
		.mm_serial = process->internal->mm->serial,
		.notify = event->notify,
		.signal = event->signal,
		.value = event->value,
		.notice = notice,
	};
	if (notice != NULL) {
		memcpy(queue->notification.cookie, cookie, LINUX_NOTIFY_COOKIE_SIZE);
	}
	mqueue_touch_accessed(queue);
	return 0;
}

int64_t posix_mq_notify(struct request *request)
{
	const struct linux_sigevent *event = request_in(request, 1, NULL);
	uint8_t cookie[LINUX_NOTIFY_COOKIE_SIZE];
	struct netlink_notice *notice = NULL;

	if (event == NULL) {
		return withdraw(request);
	}
	int64_t result = check_event(event);

	if (result == 0 && event->notify == LINUX_SIGEV_THREAD) {
		result = program_read(request, event->value, cookie, sizeof(cookie));
		if (result == 0) {
			result = prepare_notice(request, event, &notice);
		}
	}
	if (result != 0) {
		return result;
	}
	result = ask(request, event, notice, cookie);
	if (result < 0) {
		netlink_notice_discard(notice);
	}
	return result;
}

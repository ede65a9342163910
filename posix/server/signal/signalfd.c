/* SPDX-License-Identifier: MIT */
/*
 * signalfd: pending signals as a file.
 *
 * The file is only a mask. Whoever reads or polls it takes, or is told of, what is pending for
 * itself, whoever made the file, so the hook that polls asks whose call this is. Who waits does so
 * on its process' queue of arriving signals; an epoll on the queue of the process that has added
 * the file to it, as on Linux, until that process is gone.
 */
#include <abi/linux/fcntl.h>
#include <abi/linux/poll.h>
#include <base/string.h>
#include <helix/memory.h>
#include <posix/server/file/access.h>
#include <posix/server/file/handlers.h>
#include <posix/server/signal/signal.h>

struct signalfd {
	uint64_t mask; /* signal n is bit n - 1 */
};

static const struct file_ops signalfd_file_ops;

static struct signalfd *signalfd_of(const struct file *file)
{
	return file->data;
}

static bool signalfd_is_due(const struct signalfd *signalfd, struct thread *thread)
{
	signal_settle(thread->process, thread);
	return (signal_due(thread) & signalfd->mask) != 0;
}

static void signalfd_encode(
	const struct signal_info *info, struct linux_signalfd_siginfo *out_signal)
{
	struct posix_signal_info encoded;
	struct linux_siginfo siginfo;

	signal_info_encode(info, &encoded);
	memcpy(&siginfo, &encoded, sizeof(siginfo));
	*out_signal = (struct linux_signalfd_siginfo){
		.signal = (uint32_t)siginfo.signal,
		.error = siginfo.error,
		.code = siginfo.code,
	};
	if (signal_is_fault(siginfo.signal, siginfo.code)) {
		out_signal->address = siginfo.fault.address;
	} else if (siginfo.signal == LINUX_SIGCHLD && siginfo.code > 0) {
		out_signal->pid = siginfo.child.pid;
		out_signal->uid = siginfo.child.uid;
		out_signal->status = siginfo.child.status;
		out_signal->user_ticks = (uint64_t)siginfo.child.user_ticks;
		out_signal->system_ticks = (uint64_t)siginfo.child.system_ticks;
	} else if (siginfo.code == LINUX_SI_TIMER) {
		out_signal->timer_id = (uint32_t)siginfo.timer.timer_id;
		out_signal->overrun = (uint32_t)siginfo.timer.overrun;
		out_signal->value = siginfo.timer.value;
		out_signal->int_value = (int32_t)(uint32_t)siginfo.timer.value;
	} else {
		out_signal->pid = siginfo.sender.pid;
		out_signal->uid = siginfo.sender.uid;
		if (siginfo.code != LINUX_SI_USER && siginfo.code != LINUX_SI_TKILL &&
			siginfo.code != LINUX_SI_KERNEL) {
			out_signal->value = siginfo.sender.value;
			out_signal->int_value = (int32_t)(uint32_t)siginfo.sender.value;
		}
	}
}

static int64_t signalfd_read(struct file *file, struct request *request, void *buffer, size_t size,
	UNUSED uint64_t *offset)
{
	const struct signalfd *signalfd = signalfd_of(file);
	struct linux_signalfd_siginfo *out = buffer;
	size_t room = size / sizeof(*out), n = 0;
	struct signal_info info;

	if (room == 0) {
		return -LINUX_EINVAL;
	}
	while (n < room && signal_take(request->thread, signalfd->mask, &info)) {
		signalfd_encode(&info, &out[n]);
		n++;
	}
	if (n == 0) {
		return file_wait(file, request, &request->process->internal->signal_wait);
	}
	signal_publish_for(request->thread);
	return (int64_t)(n * sizeof(*out));
}

/* A reader that waits holds no buffer. */
static int64_t signalfd_read_bulk(
	struct file *file, struct request *request, size_t size, uint64_t *offset)
{
	if (size < sizeof(struct linux_signalfd_siginfo)) {
		return -LINUX_EINVAL;
	}
	if (!signalfd_is_due(signalfd_of(file), request->thread)) {
		return file_wait(file, request, &request->process->internal->signal_wait);
	}
	void *buffer = request_bulk_buffer(request, size);

	return buffer == NULL ? -LINUX_ENOMEM : signalfd_read(file, request, buffer, size, offset);
}

static uint32_t signalfd_poll(
	struct file *file, void (*queue_of)(void *context, struct wait_queue *queue), void *context)
{
	struct request *request = request_current();

	if (request == NULL) {
		return 0;
	}
	if (queue_of != NULL) {
		queue_of(context, &request->process->internal->signal_wait);
	}
	return signalfd_is_due(signalfd_of(file), request->thread) ? LINUX_POLLIN | LINUX_POLLRDNORM
								   : 0;
}

static void signalfd_release(struct file *file)
{
	helix_free(file->data);
}

static const struct file_ops signalfd_file_ops = {
	FILE_OPS_DEFAULT,
	.name = "signalfd",
	.read = signalfd_read,
	.read_bulk = signalfd_read_bulk,
	.poll = signalfd_poll,
	.release = signalfd_release,
};

static int64_t signalfd_change(struct request *request, uint64_t mask)
{
	struct file *file = file_of_fd(request, request->args[0]);

	if (file == NULL) {
		return -LINUX_EBADF;
	}
	if (file->ops != &signalfd_file_ops) {
		return -LINUX_EINVAL;
	}
	signalfd_of(file)->mask = mask;
	wait_queue_wake(&request->process->internal->signal_wait);
	return (int64_t)request->args[0];
}

static int64_t signalfd_create(struct request *request, uint64_t mask, uint32_t flags)
{
	struct signalfd *signalfd = helix_malloc(sizeof(*signalfd));
	struct file *file;

	if (signalfd == NULL) {
		return -LINUX_ENOMEM;
	}
	signalfd->mask = mask;
	int64_t error = file_create_anonymous(request->process, &signalfd_file_ops, "[signalfd]",
		signalfd, LINUX_O_RDWR | (flags & LINUX_O_NONBLOCK), &file);

	if (error < 0) {
		helix_free(signalfd);
		return error;
	}
	return file_install(request, file, (flags & LINUX_O_CLOEXEC) != 0);
}

static int64_t signalfd_set(struct request *request, uint32_t flags)
{
	size_t size;
	const void *in = request_in(request, 1, &size);
	uint64_t mask;

	if (request->args[2] != sizeof(mask) ||
		(flags & ~(uint32_t)(LINUX_O_CLOEXEC | LINUX_O_NONBLOCK)) != 0) {
		return -LINUX_EINVAL;
	}
	if (in == NULL || size < sizeof(mask)) {
		return -LINUX_EFAULT;
	}
	memcpy(&mask, in, sizeof(mask));
	mask &= ~SIGNAL_MASK_UNBLOCKABLE;
	return (int32_t)request->args[0] == -1 ? signalfd_create(request, mask, flags)
					       : signalfd_change(request, mask);
}

int64_t posix_signalfd(struct request *request)
{
	return signalfd_set(request, 0);
}

int64_t posix_signalfd4(struct request *request)
{
	return signalfd_set(request, (uint32_t)request->args[3]);
}

/* SPDX-License-Identifier: MIT */
/*
 * timerfd: a timer that is read and polled like a file. One that is to be cancelled when the wall
 * clock is set counts that as an expiry, and tells of it by -LINUX_ECANCELED, once.
 */
#include <base/string.h>
#include <helix/memory.h>
#include <posix/server/file/access.h>
#include <posix/server/file/handlers.h>
#include <abi/linux/poll.h>
#include <posix/server/time/posix-timer.h>

struct timerfd {
	struct expiry expiry;
	int clock;
	uint64_t n_expired; /* since the last read */
	struct wait_queue changed;
	struct list_node cancel_node; /* linked while it is to be cancelled */
	bool is_canceled; /* and nobody knows yet */
};

static struct list to_cancel = LIST_INIT(to_cancel);

static void fire(struct timer *timer)
{
	struct timerfd *timerfd = container_of(timer, struct timerfd, expiry.timer);

	timerfd->n_expired += expiry_renew(&timerfd->expiry);
	wait_queue_wake(&timerfd->changed);
}

static void clear_expired(struct timerfd *timerfd)
{
	if (timerfd->n_expired != 0) {
		timerfd->n_expired = 0;
		wait_queue_wake(&timerfd->changed);
	}
}

void timerfds_follow_clock(void)
{
	LIST_FOR_EACH(timerfd, &to_cancel, struct timerfd, cancel_node) {
		timerfd->is_canceled = true;
		timerfd->n_expired++;
		wait_queue_wake(&timerfd->changed);
	}
}

/* Whether it was cancelled; from then on it is known. */
static bool take_cancel(struct timerfd *timerfd)
{
	bool is_canceled = timerfd->is_canceled;

	timerfd->is_canceled = false;
	return is_canceled && list_node_is_linked(&timerfd->cancel_node);
}

static int64_t timerfd_read(struct file *file, struct request *request, void *buffer, size_t size,
	UNUSED uint64_t *offset)
{
	struct timerfd *timerfd = file->data;

	if (size < sizeof(timerfd->n_expired)) {
		return -LINUX_EINVAL;
	}
	if (timerfd->n_expired == 0) {
		return file_wait(file, request, &timerfd->changed);
	}
	if (take_cancel(timerfd)) {
		clear_expired(timerfd);
		return -LINUX_ECANCELED;
	}
	memcpy(buffer, &timerfd->n_expired, sizeof(timerfd->n_expired));
	clear_expired(timerfd);
	return sizeof(timerfd->n_expired);
}

static int64_t timerfd_read_bulk(
	struct file *file, struct request *request, size_t size, uint64_t *offset)
{
	void *buffer = request_bulk_buffer(request, sizeof(uint64_t));

	return buffer == NULL ? -LINUX_ENOMEM : timerfd_read(file, request, buffer, size, offset);
}

static uint32_t timerfd_poll(
	struct file *file, void (*queue_of)(void *context, struct wait_queue *queue), void *context)
{
	struct timerfd *timerfd = file->data;

	if (queue_of != NULL) {
		queue_of(context, &timerfd->changed);
	}
	return timerfd->n_expired > 0 ? LINUX_POLLIN | LINUX_POLLRDNORM : 0;
}

static void timerfd_release(struct file *file)
{
	struct timerfd *timerfd = file->data;

	expiry_stop(&timerfd->expiry);
	list_remove(&timerfd->cancel_node);
	helix_free(timerfd);
}

static const struct file_ops timerfd_file_ops = {
	FILE_OPS_DEFAULT,
	.name = "timerfd",
	.announces_falls = true,
	.read = timerfd_read,
	.read_bulk = timerfd_read_bulk,
	.poll = timerfd_poll,
	.release = timerfd_release,
};

int64_t posix_timerfd_create(struct request *request)
{
	int clock = (int)request->args[0];
	uint32_t flags = (uint32_t)request->args[1];
	struct timerfd *timerfd;
	struct file *file;
	int64_t error;

	if ((clock != LINUX_CLOCK_REALTIME && clock != LINUX_CLOCK_MONOTONIC &&
		    clock != LINUX_CLOCK_BOOTTIME && clock != LINUX_CLOCK_REALTIME_ALARM &&
		    clock != LINUX_CLOCK_BOOTTIME_ALARM) ||
		(flags & ~(uint32_t)(LINUX_O_CLOEXEC | LINUX_O_NONBLOCK)) != 0) {
		return -LINUX_EINVAL;
	}
	timerfd = helix_calloc(1, sizeof(*timerfd));
	if (timerfd == NULL) {
		return -LINUX_ENOMEM;
	}
	expiry_init(&timerfd->expiry, fire);
	list_node_init(&timerfd->cancel_node);
	timerfd->clock = clock;
	wait_queue_init(&timerfd->changed);
	error = file_create_anonymous(request->process, &timerfd_file_ops, "[timerfd]", timerfd,
		LINUX_O_RDWR | (flags & LINUX_O_NONBLOCK), &file);
	if (error < 0) {
		helix_free(timerfd);
		return error;
	}
	return file_install(request, file, (flags & LINUX_O_CLOEXEC) != 0);
}

static int64_t find(struct request *request, struct timerfd **out_timerfd)
{
	struct file *file = file_of_fd(request, request->args[0]);

	if (file == NULL) {
		return -LINUX_EBADF;
	}
	if (file->ops != &timerfd_file_ops) {
		return -LINUX_EINVAL;
	}
	*out_timerfd = file->data;
	return 0;
}

static void set_cancel(struct timerfd *timerfd, uint32_t flags)
{
	bool is_wall = timerfd->clock == LINUX_CLOCK_REALTIME ||
		timerfd->clock == LINUX_CLOCK_REALTIME_ALARM;

	if (!is_wall || flags != (LINUX_TIMER_ABSTIME | LINUX_TFD_TIMER_CANCEL_ON_SET)) {
		list_remove(&timerfd->cancel_node);
	} else if (!list_node_is_linked(&timerfd->cancel_node)) {
		list_push_back(&to_cancel, &timerfd->cancel_node);
	}
}

int64_t posix_timerfd_settime(struct request *request)
{
	const struct linux_itimerspec *spec = request_in(request, 2, NULL);
	struct linux_itimerspec *old = request_out(request, 3, NULL);
	uint32_t flags = (uint32_t)request->args[1];
	struct timerfd *timerfd;
	int64_t error = find(request, &timerfd);

	if (error == 0 && spec == NULL) {
		error = -LINUX_EFAULT;
	}
	if (error == 0 && (flags & ~(LINUX_TIMER_ABSTIME | LINUX_TFD_TIMER_CANCEL_ON_SET)) != 0) {
		error = -LINUX_EINVAL;
	}
	if (error != 0) {
		return error;
	}
	if (old != NULL) {
		expiry_get(&timerfd->expiry, old);
	}
	error = expiry_set(
		&timerfd->expiry, timerfd->clock, (flags & LINUX_TIMER_ABSTIME) != 0, spec);
	if (error != 0) {
		return error;
	}
	clear_expired(timerfd);
	set_cancel(timerfd, flags);
	return timer_is_armed(&timerfd->expiry.timer) && take_cancel(timerfd) ? -LINUX_ECANCELED
									      : 0;
}

int64_t posix_timerfd_gettime(struct request *request)
{
	struct linux_itimerspec *out = request_out(request, 1, NULL);
	struct timerfd *timerfd;
	int64_t error = find(request, &timerfd);

	if (error == 0 && out == NULL) {
		error = -LINUX_EFAULT;
	}
	if (error == 0) {
		expiry_get(&timerfd->expiry, out);
	}
	return error;
}

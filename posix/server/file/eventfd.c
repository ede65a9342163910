/* SPDX-License-Identifier: MIT */
/* eventfd: a counter that can be waited for. */
#include <abi/linux/errno.h>
#include <abi/linux/poll.h>
#include <base/string.h>
#include <helix/memory.h>
#include <posix/server/file/access.h>
#include <posix/server/file/eventfd.h>
#include <posix/server/file/handlers.h>

constexpr uint64_t EVENTFD_MAX = UINT64_MAX - 1;

struct eventfd {
	uint64_t count;
	bool is_semaphore;
	struct wait_queue changed;
};

static int64_t eventfd_read(struct file *file, struct request *request, void *buffer, size_t size,
	UNUSED uint64_t *offset)
{
	struct eventfd *eventfd = file->data;

	if (size < sizeof(uint64_t)) {
		return -LINUX_EINVAL;
	}
	if (eventfd->count == 0) {
		return file_wait(file, request, &eventfd->changed);
	}
	uint64_t value = eventfd->is_semaphore ? 1 : eventfd->count;

	eventfd->count -= value;
	memcpy(buffer, &value, sizeof(value));
	wait_queue_wake(&eventfd->changed);
	return sizeof(value);
}

static int64_t eventfd_read_bulk(
	struct file *file, struct request *request, size_t size, uint64_t *offset)
{
	void *buffer = request_bulk_buffer(request, sizeof(uint64_t));

	return buffer == NULL ? -LINUX_ENOMEM : eventfd_read(file, request, buffer, size, offset);
}

static int64_t eventfd_write(struct file *file, struct request *request, const void *buffer,
	size_t size, UNUSED uint64_t *offset)
{
	struct eventfd *eventfd = file->data;
	uint64_t value;

	if (size < sizeof(value)) {
		return -LINUX_EINVAL;
	}
	memcpy(&value, buffer, sizeof(value));
	if (value == UINT64_MAX) {
		return -LINUX_EINVAL;
	}
	if (value > EVENTFD_MAX - eventfd->count) {
		return file_wait(file, request, &eventfd->changed);
	}
	eventfd->count += value;
	wait_queue_wake(&eventfd->changed);
	return sizeof(value);
}

static uint32_t eventfd_poll(
	struct file *file, void (*queue_of)(void *context, struct wait_queue *queue), void *context)
{
	struct eventfd *eventfd = file->data;

	if (queue_of != NULL) {
		queue_of(context, &eventfd->changed);
	}
	return (eventfd->count > 0 ? LINUX_POLLIN | LINUX_POLLRDNORM : 0) |
		(eventfd->count < EVENTFD_MAX ? LINUX_POLLOUT | LINUX_POLLWRNORM : 0);
}

static void eventfd_release(struct file *file)
{
	helix_free(file->data);
}

static const struct file_ops eventfd_file_ops = {
	FILE_OPS_DEFAULT,
	.name = "eventfd",
	.announces_falls = true,
	.read = eventfd_read,
	.read_bulk = eventfd_read_bulk,
	.write = eventfd_write,
	.poll = eventfd_poll,
	.release = eventfd_release,
};

bool file_is_eventfd(const struct file *file)
{
	return file->ops == &eventfd_file_ops;
}

void eventfd_add(struct file *file, uint64_t value)
{
	struct eventfd *eventfd = file->data;

	eventfd->count += min_u64(value, EVENTFD_MAX - eventfd->count);
	wait_queue_wake(&eventfd->changed);
}

int64_t posix_eventfd2(struct request *request)
{
	uint32_t flags = (uint32_t)request->args[1];
	struct file *file;

	if (flags & ~(LINUX_EFD_SEMAPHORE | LINUX_O_CLOEXEC | LINUX_O_NONBLOCK)) {
		return -LINUX_EINVAL;
	}
	struct eventfd *eventfd = helix_malloc(sizeof(*eventfd));

	if (eventfd == NULL) {
		return -LINUX_ENOMEM;
	}
	*eventfd = (struct eventfd){
		.count = (uint32_t)request->args[0],
		.is_semaphore = (flags & LINUX_EFD_SEMAPHORE) != 0,
	};
	wait_queue_init(&eventfd->changed);
	int64_t error = file_create_anonymous(request->process, &eventfd_file_ops, "[eventfd]",
		eventfd, LINUX_O_RDWR | (flags & LINUX_O_NONBLOCK), &file);

	if (error < 0) {
		helix_free(eventfd);
		return error;
	}
	return file_install(request, file, (flags & LINUX_O_CLOEXEC) != 0);
}

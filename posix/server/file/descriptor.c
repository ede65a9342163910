/* SPDX-License-Identifier: MIT */
/* Calls about descriptors: close, dup, ranges. */
#include <abi/linux/errno.h>
#include <posix/server/file/access.h>
#include <posix/server/file/handlers.h>
#include <posix/server/process/process.h>

int64_t posix_close(struct request *request)
{
	return fd_table_close(
		request->process->files, (int)(uint32_t)request->args[0], request->process);
}

static uint64_t descriptor_limit(const struct request *request)
{
	return request->process->limits[LIMIT_NOFILE][0];
}

static int64_t descriptor_dup_to(struct request *request, uint32_t flags, bool may_be_same)
{
	struct process *process = request->process;
	int from = (int)(uint32_t)request->args[0];
	int to = (int)(uint32_t)request->args[1];
	struct file *file = fd_table_get(process->files, from);

	if (flags & ~LINUX_O_CLOEXEC) {
		return -LINUX_EINVAL;
	}
	if (from == to && !may_be_same) {
		return -LINUX_EINVAL;
	}
	if (file == NULL) {
		return -LINUX_EBADF;
	}
	if (from == to) {
		return to;
	}
	return fd_table_put(process->files, to, file, (flags & LINUX_O_CLOEXEC) != 0,
		descriptor_limit(request), process);
}

int64_t posix_dup(struct request *request)
{
	struct process *process = request->process;
	struct file *file = fd_table_get(process->files, (int)(uint32_t)request->args[0]);

	if (file == NULL) {
		return -LINUX_EBADF;
	}
	return fd_table_add(process->files, file, 0, false, descriptor_limit(request));
}

int64_t posix_dup2(struct request *request)
{
	return descriptor_dup_to(request, 0, true);
}

int64_t posix_dup3(struct request *request)
{
	return descriptor_dup_to(request, (uint32_t)request->args[2], false);
}

/* CLOSE_RANGE_UNSHARE: a table of one's own first, if it is shared. */
int64_t descriptor_unshare(struct process *process)
{
	if (!fd_table_is_shared(process->files)) {
		return 0;
	}
	struct fd_table *copy = fd_table_copy(process->files);

	if (copy == NULL) {
		return -LINUX_ENOMEM;
	}
	fd_table_unref(process->files, process);
	process->files = copy;
	return 0;
}

int64_t posix_close_range(struct request *request)
{
	struct process *process = request->process;
	uint32_t first = (uint32_t)request->args[0];
	uint32_t last = (uint32_t)request->args[1];
	uint32_t flags = (uint32_t)request->args[2];

	if ((flags & ~(LINUX_CLOSE_RANGE_UNSHARE | LINUX_CLOSE_RANGE_CLOEXEC)) || first > last) {
		return -LINUX_EINVAL;
	}
	if (flags & LINUX_CLOSE_RANGE_UNSHARE) {
		int64_t error = descriptor_unshare(process);

		if (error < 0) {
			return error;
		}
	}
	for (int fd = first > INT32_MAX ? -1 : fd_table_next(process->files, (int)first);
		fd >= 0 && (uint32_t)fd <= last; fd = fd_table_next(process->files, fd + 1)) {
		if (flags & LINUX_CLOSE_RANGE_CLOEXEC) {
			fd_table_set_cloexec(process->files, fd, true);
		} else {
			fd_table_close(process->files, fd, process);
		}
	}
	return 0;
}

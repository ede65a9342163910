/* SPDX-License-Identifier: MIT */
/* fcntl and ioctl. */
#include <abi/linux/errno.h>
#include <abi/linux/termios.h>
#include <base/string.h>
#include <posix/server/file/access.h>
#include <posix/server/file/handlers.h>
#include <posix/server/file/lock.h>
#include <posix/server/file/pipe.h>
#include <posix/server/file/seals.h>
#include <posix/server/file/views.h>
#include <posix/server/process/process.h>
#include <posix/server/vfs/inode.h>

static int64_t control_duplicate(struct request *request, struct file *file, bool is_cloexec)
{
	struct process *process = request->process;
	uint64_t limit = process->limits[LIMIT_NOFILE][0];
	uint64_t from = request->args[2];

	if (from >= limit || from > INT32_MAX) {
		return -LINUX_EINVAL;
	}
	return fd_table_add(process->files, file, (int)from, is_cloexec, limit);
}

/* The flags of an open file that F_SETFL may change. */
static int64_t control_set_flags(struct file *file, uint32_t flags)
{
	uint32_t mask = LINUX_O_APPEND | LINUX_O_NONBLOCK | LINUX_O_NOATIME | LINUX_O_DIRECT |
		LINUX_O_ASYNC;

	views_inode_changed(file->inode); /* O_NOATIME */
	file->flags = (file->flags & ~mask) | (flags & mask);
	return 0;
}

static void set_owner(const struct request *request, struct file *file, int64_t pid)
{
	file->owner_pid = (uint64_t)pid;
	file->owner_setter_uid = request->process->credentials.uid;
	file->owner_setter_euid = request->process->credentials.euid;
}

void file_signal_owner(const struct file *file, int signal)
{
	if (file->owner_pid != 0) {
		signal_send_owner((int64_t)file->owner_pid, file->owner_setter_uid,
			file->owner_setter_euid, signal);
	}
}

static int64_t control_owner_ex(struct request *request, struct file *file, bool is_set)
{
	struct linux_owner_ex owner = { 0 };
	size_t size;

	if (is_set) {
		const void *in = request_in(request, 2, &size);

		if (in == NULL || size < sizeof(owner)) {
			return -LINUX_EINVAL;
		}
		memcpy(&owner, in, sizeof(owner));
		if (owner.type < LINUX_F_OWNER_TID || owner.type > LINUX_F_OWNER_PGRP) {
			return -LINUX_EINVAL;
		}
		int64_t pid = owner.type == LINUX_F_OWNER_PGRP ? -(int64_t)owner.pid : owner.pid;

		set_owner(request, file, pid);
		return 0;
	}
	void *out = request_out(request, 2, &size);

	if (out == NULL || size < sizeof(owner)) {
		return -LINUX_ENOMEM;
	}
	int64_t pid = (int64_t)file->owner_pid;

	owner.type = pid < 0 ? LINUX_F_OWNER_PGRP : LINUX_F_OWNER_PID;
	owner.pid = (int32_t)(pid < 0 ? -pid : pid);
	memcpy(out, &owner, sizeof(owner));
	return 0;
}

static int64_t control_descriptor(struct request *request, int fd, uint32_t command)
{
	struct fd_table *table = request->process->files;

	if (command == LINUX_F_SETFD) {
		fd_table_set_cloexec(table, fd, (request->args[2] & LINUX_FD_CLOEXEC) != 0);
		return 0;
	}
	return fd_table_is_cloexec(table, fd) ? LINUX_FD_CLOEXEC : 0;
}

/* Signals about changes in a folder: only that there are to be none can be had. */
static int64_t control_notify(uint32_t events)
{
	if ((events & ~(uint32_t)LINUX_DN_MULTISHOT) == 0) {
		return 0;
	}
	unimplemented_count(72);
	return -LINUX_EINVAL;
}

static int64_t control_file(struct request *request, struct file *file, uint32_t command)
{
	uint32_t value = (uint32_t)request->args[2];

	switch (command) {
	case LINUX_F_SETFL: return control_set_flags(file, value);
	case LINUX_F_GETLK:
	case LINUX_F_SETLK:
	case LINUX_F_SETLKW:
	case LINUX_F_OFD_GETLK:
	case LINUX_F_OFD_SETLK:
	case LINUX_F_OFD_SETLKW: return lock_control(request, file, command);
	case LINUX_F_SETOWN: set_owner(request, file, (int32_t)value); return 0;
	case LINUX_F_GETOWN: return (int64_t)file->owner_pid;
	case LINUX_F_SETOWN_EX: return control_owner_ex(request, file, true);
	case LINUX_F_GETOWN_EX: return control_owner_ex(request, file, false);
	case LINUX_F_GETSIG: return 0;
	case LINUX_F_GETLEASE: return LINUX_F_UNLCK; /* nobody gets one: F_SETLEASE is EINVAL */
	case LINUX_F_NOTIFY: return control_notify(value);
	case LINUX_F_SETPIPE_SZ: return pipe_set_size(request, file, value);
	case LINUX_F_GETPIPE_SZ: return pipe_get_size(file);
	case LINUX_F_ADD_SEALS: return seals_add(request, file, value);
	case LINUX_F_GET_SEALS: return seals_get(file);
	default: return -LINUX_EINVAL;
	}
}

int64_t posix_fcntl(struct request *request)
{
	int fd = (int)(uint32_t)request->args[0];
	uint32_t command = (uint32_t)request->args[1];
	struct file *file = (struct file *)request->state[0];

	if (file == NULL) {
		file = fd_table_get(request->process->files, fd);
	}
	if (file == NULL) {
		return -LINUX_EBADF;
	}
	switch (command) {
	case LINUX_F_DUPFD: return control_duplicate(request, file, false);
	case LINUX_F_DUPFD_CLOEXEC: return control_duplicate(request, file, true);
	case LINUX_F_GETFD:
	case LINUX_F_SETFD: return control_descriptor(request, fd, command);
	case LINUX_F_GETFL: return file->flags;
	default: break;
	}
	if (file->flags & LINUX_O_PATH) {
		return -LINUX_EBADF;
	}
	return control_file(request, file, command);
}

/* ---- ioctl --------------------------------------------------------------------------------- */

/* The ioctls of every file. True if it was one of them. */
static bool control_ioctl_generic(struct request *request, struct file *file, const void *in,
	size_t in_size, int64_t *out_result)
{
	int fd = (int)(uint32_t)request->args[0];
	int32_t value = 0;

	if (in_size >= sizeof(value)) {
		memcpy(&value, in, sizeof(value));
	}
	*out_result = 0;
	switch ((uint32_t)request->args[1]) {
	case LINUX_FIOCLEX: fd_table_set_cloexec(request->process->files, fd, true); return true;
	case LINUX_FIONCLEX: fd_table_set_cloexec(request->process->files, fd, false); return true;
	case LINUX_FIONBIO:
		file->flags = value != 0 ? file->flags | LINUX_O_NONBLOCK
					 : file->flags & ~(uint32_t)LINUX_O_NONBLOCK;
		return true;
	case LINUX_FIOASYNC:
		file->flags = value != 0 ? file->flags | LINUX_O_ASYNC
					 : file->flags & ~(uint32_t)LINUX_O_ASYNC;
		return true;
	default: return false;
	}
}

int64_t posix_ioctl(struct request *request)
{
	struct file *file = file_of_call(request, request->args[0]);
	alignas(8) uint8_t buffer[POSIX_IOCTL_MAX] = { 0 };
	size_t in_size;
	const void *in = request_in(request, 2, &in_size);
	size_t out_size = (size_t)request->args[4];
	int64_t result;

	if (file == NULL) {
		return -LINUX_EBADF;
	}
	if (in_size > sizeof(buffer) || out_size > sizeof(buffer)) {
		return -LINUX_EINVAL;
	}
	if (in_size > 0) {
		memcpy(buffer, in, in_size);
	}
	if (control_ioctl_generic(request, file, in, in_size, &result)) {
		return result;
	}
	result = file->ops->ioctl(file, request, (uint32_t)request->args[1], request->args[2],
		buffer, max_size(in_size, out_size));
	if (result >= 0 && out_size > 0) {
		void *out = request_out(request, 2, NULL);

		if (out == NULL) {
			return -LINUX_ENOMEM;
		}
		memcpy(out, buffer, out_size);
	}
	return file_end_call(request, file, result);
}

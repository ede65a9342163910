/* SPDX-License-Identifier: MIT */
/* semctl, msgctl and shmctl: one request for all, decoded before a kind sees it. */
#ifndef POSIX_IPC_CONTROL_H
#define POSIX_IPC_CONTROL_H

#include <posix/server/ipc/ipc.h>

struct linux_timespec;

struct ipc_control {
	struct request *request;
	struct process *process;
	uint32_t command;
	int32_t id; /* or a place in the table, or nothing */
	uint64_t value; /* of the argument that is else a pointer */
	const void *in; /* NULL: the pointer was null */
	size_t in_size;
	void *out; /* as large as the command's structure, if that has one */
	size_t out_size;
	int64_t error; /* why ipc_control_find() found nothing */
};

/**
 * ipc_control_find() - the object a command is about, if the caller may do that to it
 *
 * Return: borrowed; NULL if the command is about none, or with control->error: -LINUX_EINVAL,
 * -LINUX_EACCES, -LINUX_EPERM, -LINUX_EFAULT.
 */
struct ipc_object *ipc_control_find(struct ipc_control *control, const struct ipc_table *table);

int64_t semaphores_control(struct ipc_control *control, uint32_t index);
int64_t messages_control(struct ipc_control *control);
int64_t shared_memory_control(struct ipc_control *control);

#endif

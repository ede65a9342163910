/* SPDX-License-Identifier: MIT */
/*
 * System V IPC: the calls whose arguments depend on a command, or whose sizes leave something out.
 */
#include <abi/linux/ipc.h>

#include "calls.h"

constexpr uint64_t MESSAGE_TEXT_MAX = 8192;

/* Sends a command: what its structure holds goes in or comes out. */
static int64_t control(uint64_t call_number, uint64_t id, uint64_t index, uint64_t command,
	uint64_t argument, uint64_t in_size, uint64_t out_size)
{
	struct shim_call call;

	if (!shim_is_user_range(argument, in_size > out_size ? in_size : out_size)) {
		return -LINUX_EFAULT;
	}
	shim_call_init(&call, POSIX_IPC_CONTROL);
	call.header.args[0] = call_number;
	call.header.args[1] = id;
	call.header.args[2] = index;
	call.header.args[3] = command;
	call.header.args[4] = argument;
	call.header.args[5] = out_size;
	if (in_size != 0) {
		shim_call_in_user(&call, argument, in_size);
	}
	if (out_size != 0) {
		shim_call_out_user(&call, argument, out_size);
	}
	return shim_call_run(&call);
}

/* How many values SETALL takes; GETALL, too, tells by this how much it may write. */
static int64_t count_semaphores(uint64_t number, uint64_t id)
{
	return shim_request(POSIX_IPC_CONTROL, number, id, 0, POSIX_SEMAPHORES_COUNT, 0, 0);
}

int64_t shim_semctl(SHIM_ARGS)
{
	int64_t n_semaphores;

	SHIM_UNUSED;
	switch ((uint32_t)a2) {
	case LINUX_IPC_SET: return control(number, a0, 0, a2, a3, sizeof(struct linux_semid_ds), 0);
	case LINUX_IPC_STAT:
	case LINUX_SEM_STAT:
	case LINUX_SEM_STAT_ANY:
		return control(number, a0, 0, a2, a3, 0, sizeof(struct linux_semid_ds));
	case LINUX_IPC_INFO:
	case LINUX_SEM_INFO: return control(number, a0, 0, a2, a3, 0, sizeof(struct linux_seminfo));
	case LINUX_GETALL:
	case LINUX_SETALL:
		n_semaphores = count_semaphores(number, a0);
		if (n_semaphores < 0) {
			return n_semaphores;
		}
		return a2 == LINUX_SETALL ? control(number, a0, 0, a2, a3,
						    (uint64_t)n_semaphores * sizeof(uint16_t), 0)
					  : control(number, a0, 0, a2, a3, 0,
						    (uint64_t)n_semaphores * sizeof(uint16_t));
	case POSIX_SEMAPHORES_COUNT: return -LINUX_EINVAL; /* the shim's own */
	default: /* the argument is a number, or nothing */
		return shim_request(POSIX_IPC_CONTROL, number, a0, a1, a2, a3, 0);
	}
}

int64_t shim_msgctl(SHIM_ARGS)
{
	SHIM_UNUSED;
	switch ((uint32_t)a1) {
	case LINUX_IPC_SET: return control(number, a0, 0, a1, a2, sizeof(struct linux_msqid_ds), 0);
	case LINUX_IPC_STAT:
	case LINUX_MSG_STAT:
	case LINUX_MSG_STAT_ANY:
		return control(number, a0, 0, a1, a2, 0, sizeof(struct linux_msqid_ds));
	case LINUX_IPC_INFO:
	case LINUX_MSG_INFO: return control(number, a0, 0, a1, a2, 0, sizeof(struct linux_msginfo));
	default: return control(number, a0, 0, a1, 0, 0, 0);
	}
}

int64_t shim_shmctl(SHIM_ARGS)
{
	SHIM_UNUSED;
	switch ((uint32_t)a1) {
	case LINUX_IPC_SET: return control(number, a0, 0, a1, a2, sizeof(struct linux_shmid_ds), 0);
	case LINUX_IPC_STAT:
	case LINUX_SHM_STAT:
	case LINUX_SHM_STAT_ANY:
		return control(number, a0, 0, a1, a2, 0, sizeof(struct linux_shmid_ds));
	case LINUX_IPC_INFO:
		return control(number, a0, 0, a1, a2, 0, sizeof(struct linux_shminfo64));
	case LINUX_SHM_INFO:
		return control(number, a0, 0, a1, a2, 0, sizeof(struct linux_shm_info));
	default: return control(number, a0, 0, a1, 0, 0, 0);
	}
}

/* The size that programs give is that of the text; the type stands before it. */
int64_t shim_msgsnd(SHIM_ARGS)
{
	if (a2 > MESSAGE_TEXT_MAX) {
		return -LINUX_EINVAL;
	}
	return shim_forward(a0, a1, a2 + sizeof(int64_t), a3, a4, a5, number);
}

int64_t shim_msgrcv(SHIM_ARGS)
{
	if (a2 > INT64_MAX) {
		return -LINUX_EINVAL;
	}
	if (a2 > MESSAGE_TEXT_MAX) {
		a2 = MESSAGE_TEXT_MAX; /* no message is longer */
	}
	int64_t size = shim_forward(a0, a1, a2 + sizeof(int64_t), a3, a4, a5, number);

	return size < 0 ? size : size - (int64_t)sizeof(int64_t);
}

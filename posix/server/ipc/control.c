/* SPDX-License-Identifier: MIT */
/* What commands of semctl, msgctl and shmctl have in common; see control.h. */
#include <posix/server/file/handlers.h>
#include <posix/server/ipc/control.h>

/* The STAT commands of a kind: by place, without asking for a permission by place. */
struct kind {
	uint32_t number; /* of the call */
	uint32_t stat, stat_any;
	size_t in_size, out_size; /* of the structures that IPC_SET and IPC_STAT take */
};

static const struct kind kinds[] = {
	{ 66, LINUX_SEM_STAT, LINUX_SEM_STAT_ANY, sizeof(struct linux_semid_ds),
		sizeof(struct linux_semid_ds) },
	{ 71, LINUX_MSG_STAT, LINUX_MSG_STAT_ANY, sizeof(struct linux_msqid_ds),
		sizeof(struct linux_msqid_ds) },
	{ 31, LINUX_SHM_STAT, LINUX_SHM_STAT_ANY, sizeof(struct linux_shmid_ds),
		sizeof(struct linux_shmid_ds) },
};

static const struct kind *kind_of(const struct ipc_control *control)
{
	uint32_t number = (uint32_t)control->request->args[0];

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (kinds[i].number == number) {
			return &kinds[i];
		}
	}
	return NULL;
}

static int64_t check_access(
	const struct ipc_control *control, const struct kind *kind, const struct ipc_object *object)
{
	if (control->command == LINUX_IPC_RMID || control->command == LINUX_IPC_SET) {
		if (!ipc_owns(control->process, object)) {
			return -LINUX_EPERM;
		}
		return control->command == LINUX_IPC_SET && control->in_size < kind->in_size
			? -LINUX_EFAULT
			: 0;
	}
	if (control->command == LINUX_IPC_STAT || control->command == kind->stat ||
		control->command == kind->stat_any) {
		if (control->command != kind->stat_any &&
			!ipc_may(control->process, object, IPC_READ)) {
			return -LINUX_EACCES;
		}
		return control->out == NULL || control->out_size < kind->out_size ? -LINUX_EFAULT
										  : 0;
	}
	return 0;
}

struct ipc_object *ipc_control_find(struct ipc_control *control, const struct ipc_table *table)
{
	const struct kind *kind = kind_of(control);
	bool is_place = control->command == kind->stat || control->command == kind->stat_any;
	struct ipc_object *object = control->id < 0 ? NULL
		: is_place                          ? ipc_at(table, (uint32_t)control->id)
						    : ipc_find(table, control->id);

	control->error = object == NULL ? -LINUX_EINVAL : check_access(control, kind, object);
	return control->error == 0 ? object : NULL;
}

int64_t posix_ipc_control(struct request *request)
{
	struct ipc_control control = {
		.request = request,
		.process = request->process,
		.id = (int32_t)request->args[1],
		.command = (uint32_t)request->args[3],
		.value = request->args[4],
	};

	control.in = request_in(request, 0, &control.in_size);
	if (request->args[5] != 0) {
		control.out = request_out(request, 0, &control.out_size);
	}
	switch ((uint32_t)request->args[0]) {
	case 31: return shared_memory_control(&control);
	case 66: return semaphores_control(&control, (uint32_t)request->args[2]);
	case 71: return messages_control(&control);
	default: return -LINUX_EINVAL;
	}
}

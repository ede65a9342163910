/* SPDX-License-Identifier: MIT */
/*
 * System V semaphores.
 *
 * A call's operations happen all or not at all. One that cannot go on waits at the semaphore that
 * stopped it, is counted there (for GETNCNT, GETZCNT), and tries everything again when that
 * semaphore has changed.
 *
 * SEM_UNDO: a process has one record per set of what its end will add to each semaphore. It is on
 * the lists of both, and goes with whichever goes first.
 */
#include <abi/linux/time.h>
#include <base/format.h>
#include <base/string.h>
#include <helix/memory.h>
#include <posix/server/file/handlers.h>
#include <posix/server/ipc/control.h>
#include <posix/server/ipc/ipc.h>
#include <posix/server/process/process-internal.h>
#include <posix/server/time/time.h>

constexpr int VALUE_MAX = 32767;

struct semaphore {
	int value;
	uint32_t pid; /* who changed it last */
	uint32_t n_wait_more, n_wait_zero;
	struct wait_queue changed;
};

struct semaphore_set {
	struct ipc_object object;
	int64_t operation_time;
	struct list undos;
	uint32_t n_semaphores;
	struct semaphore semaphores[];
};

struct semaphore_undo {
	struct tree_node process_node; /* in the process' undos, by set */
	struct process *process;
	struct list_node set_node;
	struct semaphore_set *set;
	int16_t changes[]; /* as many as the set has semaphores */
};

static struct ipc_table sets;
static uint32_t n_all_semaphores;

static struct semaphore_set *set_of(struct ipc_object *object)
{
	return object != NULL ? container_of(object, struct semaphore_set, object) : NULL;
}

/* ---- semget ---------------------------------------------------------------------------------- */

static struct semaphore_set *set_create(uint32_t n_semaphores)
{
	struct semaphore_set *set =
		helix_calloc(1, sizeof(*set) + n_semaphores * sizeof(set->semaphores[0]));

	if (set != NULL) {
		set->n_semaphores = n_semaphores;
		list_init(&set->undos);
		for (uint32_t i = 0; i < n_semaphores; i++) {
			wait_queue_init(&set->semaphores[i].changed);
		}
	}
	return set;
}

int64_t posix_semget(struct request *request)
{
	int32_t key = (int32_t)request->args[0], n_semaphores = (int32_t)request->args[1];
	uint32_t flags = (uint32_t)request->args[2];
	struct ipc_object *object;

	if (n_semaphores < 0 || (uint32_t)n_semaphores > SEMAPHORES_PER_SET_MAX) {
		return -LINUX_EINVAL;
	}
	int64_t error =
		ipc_lookup(&sets, request->process, key, flags, SEMAPHORE_SETS_MAX, &object);

	if (error < 0) {
		return error;
	}
	if (object == NULL) {
		struct semaphore_set *set;

		if (n_semaphores == 0) {
			return -LINUX_EINVAL;
		}
		set = set_create((uint32_t)n_semaphores);
		if (set == NULL) {
			return -LINUX_ENOMEM;
		}
		ipc_add(&sets, request->process, key, flags, &set->object);
		n_all_semaphores += set->n_semaphores;
		return set->object.id;
	}
	return (uint32_t)n_semaphores > set_of(object)->n_semaphores ? -LINUX_EINVAL : object->id;
}

/* ---- undoing --------------------------------------------------------------------------------- */

static int compare_set(const void *key, const struct tree_node *node)
{
	int32_t id = *(const int32_t *)key;
	int32_t other =
		container_of(node, const struct semaphore_undo, process_node)->set->object.id;

	return id < other ? -1 : id > other;
}

static int compare_undos(const struct tree_node *a, const struct tree_node *b)
{
	return compare_set(
		&container_of(a, const struct semaphore_undo, process_node)->set->object.id, b);
}

static struct semaphore_undo *undo_find(
	const struct process *process, const struct semaphore_set *set)
{
	return TREE_ENTRY(
		tree_find(&process->internal->semaphore_undos, &set->object.id, compare_set),
		struct semaphore_undo, process_node);
}

static struct semaphore_undo *undo_get(struct process *process, struct semaphore_set *set)
{
	struct semaphore_undo *undo = undo_find(process, set);

	if (undo != NULL) {
		return undo;
	}
	undo = helix_calloc(1, sizeof(*undo) + set->n_semaphores * sizeof(undo->changes[0]));
	if (undo != NULL) {
		undo->set = set;
		undo->process = process;
		tree_insert(
			&process->internal->semaphore_undos, &undo->process_node, compare_undos);
		list_push_back(&set->undos, &undo->set_node);
	}
	return undo;
}

static void undo_free(struct semaphore_undo *undo)
{
	tree_remove(&undo->process->internal->semaphore_undos, &undo->process_node);
	list_remove(&undo->set_node);
	helix_free(undo);
}

/* The values that a command sets are nobody's to undo. */
static void forget_undo(struct semaphore_set *set, uint32_t first, uint32_t end)
{
	LIST_FOR_EACH(undo, &set->undos, struct semaphore_undo, set_node) {
		for (uint32_t i = first; i < end; i++) {
			undo->changes[i] = 0;
		}
	}
}

void semaphores_process_ended(struct process *process)
{
	struct tree_node *node;

	while ((node = tree_first(&process->internal->semaphore_undos)) != NULL) {
		struct semaphore_undo *undo =
			container_of(node, struct semaphore_undo, process_node);
		struct semaphore_set *set = undo->set;

		for (uint32_t i = 0; i < set->n_semaphores; i++) {
			struct semaphore *semaphore = &set->semaphores[i];
			int value = semaphore->value + undo->changes[i];

			if (undo->changes[i] == 0) {
				continue;
			}
			semaphore->value = value < 0 ? 0 : value > VALUE_MAX ? VALUE_MAX : value;
			semaphore->pid = process->pid;
			wait_queue_wake(&semaphore->changed);
		}
		set->operation_time = ipc_now();
		undo_free(undo);
	}
}

/* ---- semop ----------------------------------------------------------------------------------- */

struct operations {
	const struct linux_sembuf *all;
	uint32_t n;
	bool changes, undoes;
};

static int64_t operations_decode(
	struct request *request, const struct semaphore_set *set, struct operations *out_operations)
{
	size_t size;
	struct operations operations = { .all = request_in(request, 1, &size) };

	if (operations.all == NULL) {
		return -LINUX_EFAULT;
	}
	operations.n = (uint32_t)(size / sizeof(*operations.all));
	for (uint32_t i = 0; i < operations.n; i++) {
		const struct linux_sembuf *operation = &operations.all[i];

		if (operation->number >= set->n_semaphores) {
			return -LINUX_EFBIG;
		}
		operations.changes |= operation->change != 0;
		operations.undoes |= (operation->flags & (int)LINUX_SEM_UNDO) != 0;
	}
	*out_operations = operations;
	return ipc_may(request->process, &set->object, operations.changes ? IPC_WRITE : IPC_READ)
		? 0
		: -LINUX_EACCES;
}

/* What to add to the undo record; false if it would no longer fit. */
static bool undo_fits(const struct semaphore_undo *undo, const struct linux_sembuf *operation)
{
	int change = undo->changes[operation->number] - operation->change;

	return change >= -VALUE_MAX - 1 && change <= VALUE_MAX;
}

static void undo_note(
	struct semaphore_undo *undo, const struct linux_sembuf *operation, int direction)
{
	if (undo != NULL && (operation->flags & (int)LINUX_SEM_UNDO) != 0) {
		undo->changes[operation->number] =
			(int16_t)(undo->changes[operation->number] - direction * operation->change);
	}
}

/*
 * Does the operations in order. If one cannot be done, takes back those before it and says which:
 * -LINUX_EAGAIN if it can wait, -LINUX_ERANGE if it never will be.
 */
static int64_t operations_try(struct semaphore_set *set, const struct operations *operations,
	struct semaphore_undo *undo, uint32_t *out_stopped)
{
	int64_t result = 0;
	uint32_t i = 0;

	for (; i < operations->n; i++) {
		const struct linux_sembuf *operation = &operations->all[i];
		struct semaphore *semaphore = &set->semaphores[operation->number];
		int value = semaphore->value + operation->change;

		if (value < 0 || (operation->change == 0 && value != 0)) {
			result = -LINUX_EAGAIN;
		} else if (value > VALUE_MAX ||
			((operation->flags & (int)LINUX_SEM_UNDO) != 0 &&
				!undo_fits(undo, operation))) {
			result = -LINUX_ERANGE;
		}
		if (result != 0) {
			break;
		}
		semaphore->value = value;
		undo_note(undo, operation, 1);
	}
	*out_stopped = i;
	for (; result != 0 && i > 0; i--) {
		const struct linux_sembuf *operation = &operations->all[i - 1];

		set->semaphores[operation->number].value -= operation->change;
		undo_note(undo, operation, -1);
	}
	return result;
}

static void operations_done(
	struct process *process, struct semaphore_set *set, const struct operations *operations)
{
	set->operation_time = ipc_now();
	for (uint32_t i = 0; i < operations->n; i++) {
		struct semaphore *semaphore = &set->semaphores[operations->all[i].number];

		semaphore->pid = process->pid;
		if (operations->all[i].change != 0) {
			wait_queue_wake(&semaphore->changed);
		}
	}
}

/*
 * A request that waits: state[0] is 1 + the semaphore's index, state[1] whether it waits for zero,
 * state[2] the set's number.
 */
static uint32_t *waiters_of(struct request *request)
{
	struct semaphore_set *set = set_of(ipc_find(&sets, (int32_t)request->state[2]));

	if (set == NULL || request->state[0] == 0) {
		return NULL;
	}
	struct semaphore *semaphore = &set->semaphores[request->state[0] - 1];

	return request->state[1] != 0 ? &semaphore->n_wait_zero : &semaphore->n_wait_more;
}

static void waits_no_more(struct request *request)
{
	uint32_t *n_waiters = waiters_of(request);

	if (n_waiters != NULL) {
		(*n_waiters)--;
	}
	request->state[0] = 0;
}

static int64_t wait_for(
	struct request *request, struct semaphore_set *set, const struct linux_sembuf *operation)
{
	request->state[0] = 1 + (uint64_t)operation->number;
	request->state[1] = operation->change == 0;
	request->state[2] = (uint64_t)set->object.id;
	request->release = waits_no_more;
	request->interrupted_result = -LINUX_EINTR;
	(*waiters_of(request))++;
	return request_wait_on(request, &set->semaphores[operation->number].changed) != 0
		? -LINUX_ENOMEM
		: REQUEST_PARK;
}

static int64_t semaphores_operate(struct request *request)
{
	struct semaphore_set *set = set_of(ipc_find(&sets, (int32_t)request->args[0]));
	struct operations operations;
	struct semaphore_undo *undo = NULL;
	uint32_t stopped;

	if (set == NULL) {
		return request->is_first_attempt ? -LINUX_EINVAL : -LINUX_EIDRM;
	}
	waits_no_more(request);
	int64_t result = operations_decode(request, set, &operations);

	if (result != 0) {
		return result;
	}
	if (operations.undoes) {
		undo = undo_get(request->process, set);
		if (undo == NULL) {
			return -LINUX_ENOMEM;
		}
	}
	result = operations_try(set, &operations, undo, &stopped);
	if (result == 0) {
		operations_done(request->process, set, &operations);
		return 0;
	}
	if (result == -LINUX_EAGAIN && !request->is_timed_out &&
		(operations.all[stopped].flags & (int)LINUX_IPC_NOWAIT) == 0) {
		return wait_for(request, set, &operations.all[stopped]);
	}
	return result;
}

static int64_t check_count(const struct request *request)
{
	uint64_t n = (uint32_t)request->args[2];

	if (n == 0 || (int32_t)request->args[0] < 0) {
		return -LINUX_EINVAL;
	}
	return n > SEMAPHORE_OPERATIONS_MAX ? -LINUX_E2BIG : 0;
}

int64_t posix_semop(struct request *request)
{
	int64_t error = check_count(request);

	return error != 0 ? error : semaphores_operate(request);
}

static int64_t set_timeout(struct request *request, const struct linux_timespec *timeout)
{
	uint64_t now_ns = clock_monotonic_ns();

	if (timeout->seconds < 0 || timeout->nanoseconds < 0 ||
		timeout->nanoseconds >= (int64_t)NS_PER_S) {
		return -LINUX_EINVAL;
	}
	if ((uint64_t)timeout->seconds < (INT64_MAX - now_ns) / NS_PER_S) {
		request->deadline_ns = now_ns + (uint64_t)timeout->seconds * NS_PER_S +
			(uint64_t)timeout->nanoseconds;
	}
	return 0;
}

int64_t posix_semtimedop(struct request *request)
{
	const struct linux_timespec *timeout = request_in(request, 3, NULL);
	int64_t error = check_count(request);

	if (error != 0) {
		return error;
	}
	if (timeout != NULL && request->is_first_attempt) {
		error = set_timeout(request, timeout);
	}
	return error != 0 ? error : semaphores_operate(request);
}

/* ---- semctl ---------------------------------------------------------------------------------- */

static void set_destroy(struct semaphore_set *set)
{
	ipc_remove(&sets, &set->object);
	n_all_semaphores -= set->n_semaphores;
	LIST_FOR_EACH_SAFE(undo, &set->undos, struct semaphore_undo, set_node) {
		undo_free(undo);
	}
	/* Who waits finds it gone, and touches nothing of it. */
	for (uint32_t i = 0; i < set->n_semaphores; i++) {
		wait_queue_wake(&set->semaphores[i].changed);
	}
	helix_free(set);
}

static int64_t semaphore_set_value(
	struct ipc_control *control, struct semaphore_set *set, uint32_t index, int value)
{
	if (value < 0 || value > VALUE_MAX) {
		return -LINUX_ERANGE;
	}
	set->semaphores[index].value = value;
	set->semaphores[index].pid = control->process->pid;
	set->object.change_time = ipc_now();
	wait_queue_wake(&set->semaphores[index].changed);
	return 0;
}

static int64_t set_one(
	struct ipc_control *control, struct semaphore_set *set, uint32_t index, int value)
{
	int64_t error = semaphore_set_value(control, set, index, value);

	if (error == 0) {
		forget_undo(set, index, index + 1);
	}
	return error;
}

static int64_t get_all(struct ipc_control *control, struct semaphore_set *set)
{
	uint16_t *values = control->out;
	size_t size = set->n_semaphores * sizeof(*values);

	if (control->out_size < size) {
		return -LINUX_EFAULT;
	}
	for (uint32_t i = 0; i < set->n_semaphores; i++) {
		values[i] = (uint16_t)set->semaphores[i].value;
	}
	request_set_out_size(control->request, size);
	return 0;
}

static int64_t set_all(struct ipc_control *control, struct semaphore_set *set)
{
	const uint16_t *values = control->in;

	if (control->in_size < set->n_semaphores * sizeof(*values)) {
		return -LINUX_EFAULT;
	}
	for (uint32_t i = 0; i < set->n_semaphores; i++) {
		if (values[i] > VALUE_MAX) {
			return -LINUX_ERANGE;
		}
	}
	forget_undo(set, 0, set->n_semaphores);
	for (uint32_t i = 0; i < set->n_semaphores; i++) {
		(void)semaphore_set_value(control, set, i, values[i]);
	}
	return 0;
}

static int64_t control_semaphore(
	struct ipc_control *control, struct semaphore_set *set, uint32_t index)
{
	bool is_change = control->command == LINUX_SETVAL || control->command == LINUX_SETALL;
	bool is_all = control->command == LINUX_SETALL || control->command == LINUX_GETALL;

	if (!ipc_may(control->process, &set->object, is_change ? IPC_WRITE : IPC_READ)) {
		return -LINUX_EACCES;
	}
	if (!is_all && index >= set->n_semaphores) {
		return -LINUX_EINVAL;
	}
	switch (control->command) {
	case LINUX_GETVAL: return set->semaphores[index].value;
	case LINUX_GETPID: return set->semaphores[index].pid;
	case LINUX_GETNCNT: return set->semaphores[index].n_wait_more;
	case LINUX_GETZCNT: return set->semaphores[index].n_wait_zero;
	case LINUX_GETALL: return get_all(control, set);
	case LINUX_SETALL: return set_all(control, set);
	default: return set_one(control, set, index, (int32_t)control->value);
	}
}

static int64_t tell_limits(struct ipc_control *control, bool is_use)
{
	*(struct linux_seminfo *)control->out = (struct linux_seminfo){
		.map = SEMAPHORES_MAX,
		.sets_max = SEMAPHORE_SETS_MAX,
		.semaphores_max = SEMAPHORES_MAX,
		.undos_max = SEMAPHORES_MAX,
		.per_set_max = SEMAPHORES_PER_SET_MAX,
		.per_call_max = SEMAPHORE_OPERATIONS_MAX,
		.undo_entries = SEMAPHORE_OPERATIONS_MAX,
		.undo_size = is_use ? (int32_t)sets.n_objects : 20,
		.value_max = VALUE_MAX,
		.adjustment_max = is_use ? (int32_t)n_all_semaphores : VALUE_MAX,
	};
	return ipc_last_index(&sets);
}

static void set_encode(const struct semaphore_set *set, struct linux_semid_ds *out)
{
	*out = (struct linux_semid_ds){
		.operation_time = set->operation_time,
		.change_time = set->object.change_time,
		.n_semaphores = set->n_semaphores,
	};
	ipc_encode(&set->object, &out->perm);
}

int64_t semaphores_control(struct ipc_control *control, uint32_t index)
{
	struct semaphore_set *set = set_of(ipc_control_find(control, &sets));

	switch (control->command) {
	case LINUX_IPC_INFO:
	case LINUX_SEM_INFO:
		if (control->out_size < sizeof(struct linux_seminfo)) {
			return -LINUX_EFAULT;
		}
		return tell_limits(control, control->command == LINUX_SEM_INFO);
	case LINUX_IPC_STAT:
	case LINUX_SEM_STAT:
	case LINUX_SEM_STAT_ANY:
		if (set == NULL) {
			return control->error;
		}
		set_encode(set, control->out);
		return control->command == LINUX_IPC_STAT ? 0 : set->object.id;
	case POSIX_SEMAPHORES_COUNT: return set != NULL ? set->n_semaphores : control->error;
	case LINUX_IPC_RMID:
	case LINUX_IPC_SET:
		if (set == NULL) {
			return control->error;
		}
		if (control->command == LINUX_IPC_RMID) {
			set_destroy(set);
			return 0;
		}
		return ipc_set(&set->object, control->in);
	case LINUX_GETVAL:
	case LINUX_GETPID:
	case LINUX_GETNCNT:
	case LINUX_GETZCNT:
	case LINUX_GETALL:
	case LINUX_SETVAL:
	case LINUX_SETALL:
		return set != NULL ? control_semaphore(control, set, index) : control->error;
	default: return -LINUX_EINVAL;
	}
}

/* ---- /proc/sysvipc --------------------------------------------------------------------------- */

size_t semaphores_print(uint64_t *cursor, char *buffer, size_t size)
{
	static const char heading[] =
		"       key      semid perms      nsems   uid   gid  cuid  cgid      otime      "
		"ctime\n";

	if (*cursor == 0) {
		*cursor = 1;
		return format_to(buffer, size, "%s", heading);
	}
	const struct ipc_object *object = ipc_next(&sets, cursor);

	if (object == NULL) {
		return 0;
	}
	const struct semaphore_set *set = container_of(object, struct semaphore_set, object);

	return format_to(buffer, size, "%10d %10d  %4o %10u %5u %5u %5u %5u %10lld %10lld\n",
		object->key, object->id, object->mode, set->n_semaphores, object->uid, object->gid,
		object->cuid, object->cgid, (long long)set->operation_time,
		(long long)object->change_time);
}

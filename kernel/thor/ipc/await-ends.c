/* SPDX-License-Identifier: MIT */
/*
 * Awaiting the ends of objects: see await-ends.h.
 *
 * Who waits is on one list. Whenever a CPU has done with its deferred objects it looks whether
 * anybody waits; so does the submitter when it has put itself there. Each of the two writes its
 * side before it reads the other one's (sequentially consistent), so one of them sees both. The
 * lock decides who takes the operation.
 */
#include <thor/ipc/await-ends.h>

#include <thor/ipc/queue.h>
#include <thor/memory/memory.h>

struct await_ends {
	struct operation operation;
	uint64_t since_ns; /* what ended before that is awaited */
	bool is_armed; /* guarded by await_ends_lock: on the list */
};

_Atomic bool await_ends_wanted; /* written under await_ends_lock: the list is not empty */
static struct spinlock await_ends_lock = { .rank = LOCK_RANK_EVENT };
/* Operations by wait_node; guarded by await_ends_lock. */
static struct list await_ends_waiting = LIST_INIT(await_ends_waiting);

static struct await_ends *await_ends_of(struct operation *operation)
{
	return container_of(operation, struct await_ends, operation);
}

/* The lock is held. */
static void await_ends_take(struct operation *operation)
{
	await_ends_of(operation)->is_armed = false;
	list_remove(&operation->wait_node);
	atomic_store(&await_ends_wanted, !list_is_empty(&await_ends_waiting));
}

static void await_ends_cancel(struct operation *operation)
{
	spinlock_acquire(&await_ends_lock);
	bool is_ours = await_ends_of(operation)->is_armed;

	if (is_ours) {
		await_ends_take(operation);
	}
	spinlock_release(&await_ends_lock);
	if (is_ours) {
		operation_complete(operation, operation_cancel_error(operation));
	}
}

static void await_ends_destroy(struct operation *operation)
{
	operation_free(operation);
}

static const struct operation_class await_ends_class = {
	.name = "await-ends",
	.cancel = await_ends_cancel,
	.result_size = operation_no_result,
	.write_result = operation_write_nothing,
	.destroy = await_ends_destroy,
};

/* The first one that need not wait any more, taken off the list; NULL: none. */
static struct operation *await_ends_pop(void)
{
	struct operation *found = NULL;

	spinlock_acquire(&await_ends_lock);
	LIST_FOR_EACH(operation, &await_ends_waiting, struct operation, wait_node) {
		if (!object_is_reaping(await_ends_of(operation)->since_ns)) {
			found = operation;
			break;
		}
	}
	if (found != NULL) {
		await_ends_take(found);
	}
	spinlock_release(&await_ends_lock);
	return found;
}

void await_ends_check(void)
{
	struct operation *operation;

	while ((operation = await_ends_pop()) != NULL) {
		operation_complete(operation, 0);
	}
}

int await_ends_submit(struct queue *queue, const struct hel_record *record)
{
	struct await_ends *await = operation_allocate(sizeof(*await));

	if (await == NULL) {
		return -ERR_NO_MEMORY;
	}
	operation_init(&await->operation, &await_ends_class, queue, record);
	await->since_ns = arch_clock_ns();
	spinlock_acquire(&await_ends_lock);
	await->is_armed = true;
	list_push_back(&await_ends_waiting, &await->operation.wait_node);
	atomic_store(&await_ends_wanted, true);
	spinlock_release(&await_ends_lock);
	await_ends_check();
	return 0;
}

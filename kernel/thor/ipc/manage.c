/* SPDX-License-Identifier: MIT */
/*
 * The operations of managed memory: requests to its manager, and fences. See memory/managed.h.
 *
 * An operation is on a list of the object, whose lock decides who takes it off: a cancel, or
 * managed_service(), which runs as work whenever something may have happened.
 */
#include <thor/ipc/manage.h>

#include <base/string.h>
#include <thor/ipc/queue.h>
#include <thor/memory/managed.h>
#include <thor/object/universe.h>
#include <thor/sched/thread.h>

struct manage_operation {
	struct operation operation;
	struct memory *backing; /* referenced; NULL if it was refused */
	bool is_armed; /* guarded by its lock: on a list of the object */
	struct hel_manage_result request; /* MANAGE: valid when complete without error */
	uint64_t round; /* FENCE: to wait for */
};

static struct manage_operation *manage_of(const struct operation *operation)
{
	return container_of(operation, struct manage_operation, operation);
}

/* The object is locked. */
static void manage_link(struct manage_operation *manage, struct list *list)
{
	manage->is_armed = true;
	list_push_back(list, &manage->operation.wait_node);
}

static void manage_unlink(struct operation *operation)
{
	manage_of(operation)->is_armed = false;
	list_remove(&operation->wait_node);
}

static void manage_cancel(struct operation *operation)
{
	struct memory *backing = manage_of(operation)->backing;

	if (backing == NULL) {
		return;
	}
	spinlock_acquire(&backing->lock);
	bool is_ours = manage_of(operation)->is_armed;

	/* One that is complete may be on its queue's list, by the same node. */
	if (is_ours) {
		manage_unlink(operation);
	}
	spinlock_release(&backing->lock);
	if (is_ours) {
		operation_complete(operation, operation_cancel_error(operation));
	}
}

static uint32_t manage_result_size(const struct operation *operation)
{
	return operation->error == 0 ? sizeof(struct hel_manage_result) : 0;
}

static void manage_write_result(const struct operation *operation, void *out_result)
{
	if (operation->error == 0) {
		memcpy(out_result, &manage_of(operation)->request,
			sizeof(struct hel_manage_result));
	}
}

static void manage_destroy(struct operation *operation)
{
	struct manage_operation *manage = manage_of(operation);

	object_unref(manage->backing != NULL ? &manage->backing->object : NULL);
	operation_free(operation);
}

static const struct operation_class manage_class = {
	.name = "manage",
	.cancel = manage_cancel,
	.result_size = manage_result_size,
	.write_result = manage_write_result,
	.destroy = manage_destroy,
};

static const struct operation_class fence_class = {
	.name = "fence",
	.cancel = manage_cancel,
	.result_size = operation_no_result,
	.write_result = operation_write_nothing,
	.destroy = manage_destroy,
};

/* ---- service ----------------------------------------------------------------------- */

static void manage_complete_all(struct list *operations)
{
	for (;;) {
		struct operation *operation =
			LIST_POP_FRONT(operations, struct operation, wait_node);

		if (operation == NULL) {
			return;
		}
		operation_complete(operation, operation->error);
	}
}

/* The errors of completed fences: an error is told once, to all that end together. */
static int managed_take_error(struct managed *managed)
{
	int error = managed->is_dead ? -ERR_IO : managed->write_error;

	managed->write_error = 0;
	return error;
}

static void managed_take_fences(struct managed *managed, struct list *out_complete)
{
	int error = 0;
	bool has_error = false;

	LIST_FOR_EACH_SAFE(operation, &managed->fences, struct operation, wait_node) {
		if (!managed->is_dead &&
			!managed__is_fence_over(managed, manage_of(operation)->round)) {
			continue;
		}
		if (!has_error) {
			error = managed_take_error(managed);
			has_error = true;
		}
		operation->error = error;
		manage_unlink(operation);
		list_push_back(out_complete, &operation->wait_node);
	}
}

static void managed_take_requests(struct managed *managed, struct list *out_complete)
{
	while (!list_is_empty(&managed->requests)) {
		struct operation *operation =
			LIST_FIRST(&managed->requests, struct operation, wait_node);

		if (managed->is_dead) {
			operation->error = -ERR_CANCELLED;
		} else if (!managed__next_request(managed, &manage_of(operation)->request)) {
			return;
		}
		manage_unlink(operation);
		list_push_back(out_complete, &operation->wait_node);
	}
}

void managed_service(struct work *work)
{
	struct managed *managed = container_of(work, struct managed, work);
	struct memory *backing = managed->backing;
	struct list complete;

	list_init(&complete);
	spinlock_acquire(&backing->lock);
	managed->is_work_posted = false;
	managed_take_requests(managed, &complete);
	managed_take_fences(managed, &complete);
	if (managed__bury(managed)) {
		managed__kick(managed);
	}
	spinlock_release(&backing->lock);
	manage_complete_all(&complete);
	object_unref(&backing->object);
}

/* ---- submission -------------------------------------------------------------------- */

static int manage_create(struct queue *queue, const struct hel_record *record,
	const struct operation_class *class, struct manage_operation **out_manage)
{
	struct manage_operation *manage = operation_allocate(sizeof(*manage));

	if (manage == NULL) {
		return -ERR_NO_MEMORY;
	}
	operation_init(&manage->operation, class, queue, record);
	*out_manage = manage;
	return 0;
}

/* The backing of managed memory that a record names by one of its two objects. */
static int manage_find(struct manage_operation *manage, struct thread *submitter, hel_handle handle,
	uint32_t rights, enum hel_memory_kind kind)
{
	struct object *object;
	int error = operation_lookup(
		&manage->operation, submitter->universe, handle, HEL_TYPE_MEMORY, rights, &object);

	if (error != 0) {
		return error;
	}
	struct memory *memory = (struct memory *)object;

	if (memory->kind != kind) {
		object_unref(object);
		return -ERR_ILLEGAL_ARGS;
	}
	manage->backing = memory;
	if (kind == HEL_MEMORY_MANAGED) {
		manage->backing = memory->source;
		object_ref(&memory->source->object);
		object_unref(object);
	}
	return 0;
}

int manage_submit(struct queue *queue, struct thread *submitter, const struct hel_record *record)
{
	const struct hel_manage_record *request = (const struct hel_manage_record *)record;
	struct manage_operation *manage;

	if (manage_create(queue, record, &manage_class, &manage) != 0) {
		return -ERR_NO_MEMORY;
	}
	int error = manage_find(
		manage, submitter, request->backing, HEL_RIGHT_MANAGE, HEL_MEMORY_BACKING);

	if (error != 0) {
		operation_complete(&manage->operation, error);
		return 0;
	}
	struct managed *managed = manage->backing->managed;

	spinlock_acquire(&manage->backing->lock);
	manage_link(manage, &managed->requests);
	managed__kick(managed);
	spinlock_release(&manage->backing->lock);
	return 0;
}

/* Wait for the write-back of what is dirty; 0: there is nothing, or an error to tell at once. */
static int fence_arm(struct manage_operation *fence, uint64_t first, uint64_t end)
{
	struct memory *backing = fence->backing;
	struct managed *managed = backing->managed;
	int result = THREAD_WAIT_RESTART;

	spinlock_acquire(&backing->lock);
	if (managed->is_dead || !managed__has_unclean(managed, first, end)) {
		result = managed_take_error(managed);
	} else {
		fence->round = managed__begin_fence(managed);
		manage_link(fence, &managed->fences);
		managed__kick(managed);
	}
	spinlock_release(&backing->lock);
	return result;
}

int fence_submit(struct queue *queue, struct thread *submitter, const struct hel_record *record)
{
	const struct hel_fence_record *request = (const struct hel_fence_record *)record;
	struct manage_operation *fence;

	if (manage_create(queue, record, &fence_class, &fence) != 0) {
		return -ERR_NO_MEMORY;
	}
	int error =
		manage_find(fence, submitter, request->frontal, HEL_RIGHT_READ, HEL_MEMORY_MANAGED);

	if (error == 0 &&
		(!is_aligned(request->offset | request->length, HEL_PAGE_SIZE) ||
			request->offset > MEMORY_SIZE_MAX || request->length > MEMORY_SIZE_MAX)) {
		error = -ERR_ILLEGAL_ARGS;
	}
	if (error == 0) {
		error = fence_arm(fence, request->offset / HEL_PAGE_SIZE,
			(request->offset + request->length) / HEL_PAGE_SIZE);
	}
	if (error != THREAD_WAIT_RESTART) {
		operation_complete(&fence->operation, error);
	}
	return 0;
}

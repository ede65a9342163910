/* SPDX-License-Identifier: MIT */
/* Managed memory: see managed.h. */
#include <helix/managed.h>

#include <base/errors.h>

/* ---- requests -------------------------------------------------------------------------------- */

static bool manage_submit(struct helix_operation *operation, struct hel_queue_client *queue)
{
	struct hel_manage_record *record =
		hel_queue_reserve(queue, HEL_SUBMIT_MANAGE, sizeof(*record), (uint64_t)operation);

	if (record == NULL) {
		return false;
	}
	record->backing = container_of(operation, struct helix_manage_op, operation)->backing;
	return true;
}

static int manage_complete(struct helix_operation *operation, const struct hel_element *element)
{
	struct helix_manage_op *manage = container_of(operation, struct helix_manage_op, operation);
	int error = element->error;

	if (error == 0) {
		manage->request = *(const struct hel_manage_result *)(element + 1);
	}
	helix_loop_release(helix_loop_of(operation->op.loop), element);
	return error;
}

static const struct helix_operation_class manage_class = {
	.op =
		{
			.name = "manage",
			.start = helix_operation_start,
			.cancel = helix_operation_cancel,
		},
	.submit = manage_submit,
	.complete = manage_complete,
};

void helix_manage_op_init(struct helix_manage_op *manage, hel_handle backing)
{
	op_init(&manage->operation.op, &manage_class.op);
	manage->backing = backing;
}

int helix_manage(struct task *task, hel_handle backing, struct hel_manage_result *out_request)
{
	struct helix_manage_op manage;

	helix_manage_op_init(&manage, backing);
	int error = await(task, &manage.operation.op);

	if (error == 0) {
		*out_request = manage.request;
	}
	return error;
}

/* ---- ranges ---------------------------------------------------------------------------------- */

static int range_complete(struct helix_operation *operation, const struct hel_element *element)
{
	int error = element->error;

	helix_loop_release(helix_loop_of(operation->op.loop), element);
	return error;
}

static bool fence_submit(struct helix_operation *operation, struct hel_queue_client *queue)
{
	const struct helix_range_op *fence =
		container_of(operation, struct helix_range_op, operation);
	struct hel_fence_record *record =
		hel_queue_reserve(queue, HEL_SUBMIT_FENCE, sizeof(*record), (uint64_t)operation);

	if (record == NULL) {
		return false;
	}
	record->frontal = fence->memory;
	record->offset = fence->offset;
	record->length = fence->length;
	return true;
}

static const struct helix_operation_class fence_class = {
	.op =
		{
			.name = "fence",
			.start = helix_operation_start,
			.cancel = helix_operation_cancel,
		},
	.submit = fence_submit,
	.complete = range_complete,
};

void helix_fence_op_init(
	struct helix_range_op *fence, hel_handle frontal, uint64_t offset, uint64_t length)
{
	op_init(&fence->operation.op, &fence_class.op);
	fence->memory = frontal;
	fence->offset = offset;
	fence->length = length;
	fence->flags = 0;
}

int helix_fence(struct task *task, hel_handle frontal, uint64_t offset, uint64_t length)
{
	struct helix_range_op fence;

	helix_fence_op_init(&fence, frontal, offset, length);
	return await(task, &fence.operation.op);
}

static bool lock_submit(struct helix_operation *operation, struct hel_queue_client *queue)
{
	const struct helix_range_op *lock =
		container_of(operation, struct helix_range_op, operation);
	struct hel_lock_record *record = hel_queue_reserve(
		queue, HEL_SUBMIT_LOCK_MEMORY, sizeof(*record), (uint64_t)operation);

	if (record == NULL) {
		return false;
	}
	record->memory = lock->memory;
	record->offset = lock->offset;
	record->length = lock->length;
	record->flags = lock->flags;
	return true;
}

static const struct helix_operation_class lock_class = {
	.op =
		{
			.name = "lock-memory",
			.start = helix_operation_start,
			.cancel = helix_operation_cancel,
		},
	.submit = lock_submit,
	.complete = range_complete,
};

void helix_lock_op_init(struct helix_range_op *lock, hel_handle memory, uint64_t offset,
	uint64_t length, uint64_t flags)
{
	op_init(&lock->operation.op, &lock_class.op);
	lock->memory = memory;
	lock->offset = offset;
	lock->length = length;
	lock->flags = flags;
}

int helix_lock(
	struct task *task, hel_handle memory, uint64_t offset, uint64_t length, uint64_t flags)
{
	struct helix_range_op lock;

	helix_lock_op_init(&lock, memory, offset, length, flags);
	return await(task, &lock.operation.op);
}

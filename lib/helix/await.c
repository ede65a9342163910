/* SPDX-License-Identifier: MIT */
/* Waits for events, the clock, ends and threads: see await.h. */
#include <helix/await.h>
#include <helix/memory.h>

#include <base/errors.h>

/* ---- events ---------------------------------------------------------------------------------- */

static bool event_submit(struct helix_operation *operation, struct hel_queue_client *queue)
{
	const struct helix_event_op *wait =
		container_of(operation, struct helix_event_op, operation);
	struct hel_await_event_record *record = hel_queue_reserve(
		queue, HEL_SUBMIT_AWAIT_EVENT, sizeof(*record), (uint64_t)operation);

	if (record == NULL) {
		return false;
	}
	record->event = wait->event;
	record->sequence = wait->sequence;
	return true;
}

static int event_complete(struct helix_operation *operation, const struct hel_element *element)
{
	struct helix_event_op *wait = container_of(operation, struct helix_event_op, operation);
	const struct hel_event_result *result = (const struct hel_event_result *)(element + 1);
	int error = element->error;

	if (error == 0) {
		wait->sequence = result->sequence;
		wait->bits = result->bits;
	}
	helix_loop_release(helix_loop_of(operation->op.loop), element);
	return error;
}

static const struct helix_operation_class event_class = {
	.op =
		{
			.name = "event",
			.start = helix_operation_start,
			.cancel = helix_operation_cancel,
		},
	.submit = event_submit,
	.complete = event_complete,
};

void helix_event_op_init(struct helix_event_op *wait, hel_handle event, uint64_t sequence)
{
	op_init(&wait->operation.op, &event_class.op);
	wait->event = event;
	wait->sequence = sequence;
	wait->bits = 0;
}

int helix_await_event(struct task *task, hel_handle event, uint64_t *sequence, uint32_t *out_bits)
{
	struct helix_event_op wait;

	helix_event_op_init(&wait, event, *sequence);
	int error = await(task, &wait.operation.op);

	if (error == 0) {
		*sequence = wait.sequence;
		if (out_bits != NULL) {
			*out_bits = wait.bits;
		}
	}
	return error;
}

/* ---- the clock ------------------------------------------------------------------------------- */

static bool clock_submit(struct helix_operation *operation, struct hel_queue_client *queue)
{
	struct hel_await_clock_record *record = hel_queue_reserve(
		queue, HEL_SUBMIT_AWAIT_CLOCK, sizeof(*record), (uint64_t)operation);

	if (record == NULL) {
		return false;
	}
	record->deadline_ns =
		container_of(operation, struct helix_clock_op, operation)->deadline_ns;
	return true;
}

static int clock_complete(struct helix_operation *operation, const struct hel_element *element)
{
	int error = element->error;

	helix_loop_release(helix_loop_of(operation->op.loop), element);
	return error;
}

static const struct helix_operation_class clock_class = {
	.op =
		{
			.name = "clock",
			.start = helix_operation_start,
			.cancel = helix_operation_cancel,
		},
	.submit = clock_submit,
	.complete = clock_complete,
};

void helix_clock_op_init(struct helix_clock_op *wait, uint64_t deadline_ns)
{
	op_init(&wait->operation.op, &clock_class.op);
	wait->deadline_ns = deadline_ns;
}

int helix_await_clock(struct task *task, uint64_t deadline_ns)
{
	struct helix_clock_op wait;

	helix_clock_op_init(&wait, deadline_ns);
	return await(task, &wait.operation.op);
}

/* ---- ends ------------------------------------------------------------------------------------ */

static bool ends_submit(struct helix_operation *operation, struct hel_queue_client *queue)
{
	return hel_queue_reserve(queue, HEL_SUBMIT_AWAIT_ENDS, sizeof(struct hel_record),
		       (uint64_t)operation) != NULL;
}

static int ends_complete(struct helix_operation *operation, const struct hel_element *element)
{
	int error = element->error;

	helix_loop_release(helix_loop_of(operation->op.loop), element);
	return error;
}

static const struct helix_operation_class ends_class = {
	.op =
		{
			.name = "ends",
			.start = helix_operation_start,
			.cancel = helix_operation_cancel,
		},
	.submit = ends_submit,
	.complete = ends_complete,
};

void helix_ends_op_init(struct helix_ends_op *wait)
{
	op_init(&wait->operation.op, &ends_class.op);
}

/* ---- threads --------------------------------------------------------------------------------- */

static bool observe_submit(struct helix_operation *operation, struct hel_queue_client *queue)
{
	const struct helix_observe_op *wait =
		container_of(operation, struct helix_observe_op, operation);
	struct hel_observe_record *record =
		hel_queue_reserve(queue, HEL_SUBMIT_OBSERVE, sizeof(*record), (uint64_t)operation);

	if (record == NULL) {
		return false;
	}
	record->thread = wait->thread;
	record->sequence = wait->sequence;
	return true;
}

static int observe_complete(struct helix_operation *operation, const struct hel_element *element)
{
	struct helix_observe_op *wait = container_of(operation, struct helix_observe_op, operation);
	int error = element->error;

	if (error == 0) {
		wait->result = *(const struct hel_observe_result *)(element + 1);
		wait->sequence = wait->result.sequence;
	}
	helix_loop_release(helix_loop_of(operation->op.loop), element);
	return error;
}

static const struct helix_operation_class observe_class = {
	.op =
		{
			.name = "observe",
			.start = helix_operation_start,
			.cancel = helix_operation_cancel,
		},
	.submit = observe_submit,
	.complete = observe_complete,
};

void helix_observe_op_init(struct helix_observe_op *wait, hel_handle thread, uint64_t sequence)
{
	op_init(&wait->operation.op, &observe_class.op);
	wait->thread = thread;
	wait->sequence = sequence;
	wait->result = (struct hel_observe_result){};
}

int helix_observe(struct task *task, hel_handle thread, uint64_t *sequence,
	struct hel_observe_result *out_result)
{
	struct helix_observe_op wait;

	helix_observe_op_init(&wait, thread, *sequence);
	int error = await(task, &wait.operation.op);

	if (error == 0) {
		*sequence = wait.sequence;
		*out_result = wait.result;
	}
	return error;
}

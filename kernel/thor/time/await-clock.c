/* SPDX-License-Identifier: MIT */
/*
 * Awaiting the clock: see await-clock.h. The timer decides who takes the operation: expiry or
 * cancel.
 */
#include <thor/time/await-clock.h>

#include <thor/ipc/queue.h>
#include <thor/memory/memory.h>
#include <thor/time/timer-heap.h>

struct await_clock {
	struct operation operation;
	struct timer timer;
};

static struct await_clock *await_clock_of(struct operation *operation)
{
	return container_of(operation, struct await_clock, operation);
}

static void await_clock_cancel(struct operation *operation)
{
	if (timer_cancel(&await_clock_of(operation)->timer)) {
		operation_complete(operation, -ERR_CANCELLED);
	}
}

static void await_clock_destroy(struct operation *operation)
{
	operation_free(operation);
}

static const struct operation_class await_clock_class = {
	.name = "await-clock",
	.cancel = await_clock_cancel,
	.result_size = operation_no_result,
	.write_result = operation_write_nothing,
	.destroy = await_clock_destroy,
};

static void await_clock_expired(struct timer *timer)
{
	operation_complete(&container_of(timer, struct await_clock, timer)->operation, 0);
}

int await_clock_submit(struct queue *queue, const struct hel_record *record)
{
	const struct hel_await_clock_record *request =
		(const struct hel_await_clock_record *)record;
	struct await_clock *await = operation_allocate(sizeof(*await));

	if (await == NULL) {
		return -ERR_NO_MEMORY;
	}
	timer_init(&await->timer, NULL, await_clock_expired);
	operation_init(&await->operation, &await_clock_class, queue, record);
	if (request->deadline_ns <= arch_clock_ns()) {
		operation_complete(&await->operation, 0);
	} else {
		timer_arm(&await->timer, request->deadline_ns);
	}
	return 0;
}

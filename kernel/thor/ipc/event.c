/* SPDX-License-Identifier: MIT */
/* Events: see event.h. */
#include <thor/ipc/event.h>

#include <base/string.h>
#include <thor/ipc/queue.h>
#include <thor/irq/irq.h>
#include <thor/memory/memory.h>
#include <thor/object/grant.h>
#include <thor/object/universe.h>
#include <thor/sched/thread.h>

struct await_event {
	struct operation operation;
	struct object *object; /* referenced: what `source` is part of */
	struct event_source *source;
	bool is_armed;                  /* guarded by the source's lock: in its list */
	struct hel_event_result result; /* written by who took the operation */
};

static struct await_event *await_event_of(const struct operation *operation)
{
	return container_of(operation, struct await_event, operation);
}

static void await_event_cancel(struct operation *operation)
{
	struct event_source *source = await_event_of(operation)->source;
	bool is_ours = false;

	if (source == NULL) {
		return;
	}
	spinlock_acquire(&source->lock);
	if (await_event_of(operation)->is_armed) {
		await_event_of(operation)->is_armed = false;
		list_remove(&operation->wait_node);
		is_ours = true;
	}
	spinlock_release(&source->lock);
	if (is_ours) {
		operation_complete(operation, operation_cancel_error(operation));
	}
}

static uint32_t await_event_result_size(const struct operation *operation)
{
	return operation->error == 0 ? sizeof(struct hel_event_result) : 0;
}

static void await_event_write_result(const struct operation *operation, void *out_result)
{
	if (operation->error == 0) {
		memcpy(out_result, &await_event_of(operation)->result,
			sizeof(struct hel_event_result));
	}
}

static void await_event_destroy(struct operation *operation)
{
	struct await_event *await = await_event_of(operation);

	object_unref(await->object);
	operation_free(operation);
}

static const struct operation_class await_event_class = {
	.name = "await-event",
	.cancel = await_event_cancel,
	.result_size = await_event_result_size,
	.write_result = await_event_write_result,
	.destroy = await_event_destroy,
};

/* ---- sources */

void event_source_init(struct event_source *source, uint32_t bits)
{
	spinlock_init(&source->lock, LOCK_RANK_EVENT);
	source->sequence = bits != 0;
	source->bits = bits;
	list_init(&source->waiters);
}

void event_source_raise(struct event_source *source, uint32_t bits)
{
	struct list fired;

	list_init(&fired);
	spinlock_acquire(&source->lock);
	source->bits |= bits;
	source->sequence++;
	LIST_FOR_EACH(operation, &source->waiters, struct operation, wait_node) {
		struct await_event *await = await_event_of(operation);

		await->is_armed = false;
		await->result.sequence = source->sequence;
		await->result.bits = source->bits;
	}
	if (!list_is_empty(&source->waiters)) {
		source->bits = 0;
		list_append_all(&fired, &source->waiters);
	}
	spinlock_release(&source->lock);
	for (;;) {
		struct operation *operation = LIST_POP_FRONT(&fired, struct operation, wait_node);

		if (operation == NULL) {
			return;
		}
		operation_complete(operation, 0);
	}
}

static void event_source_await(
	struct event_source *source, struct await_event *await, uint64_t sequence)
{
	bool is_done = false;

	spinlock_acquire(&source->lock);
	if (source->sequence != sequence) {
		await->result.sequence = source->sequence;
		await->result.bits = source->bits;
		source->bits = 0;
		is_done = true;
	} else {
		await->is_armed = true;
		list_push_back(&source->waiters, &await->operation.wait_node);
	}
	spinlock_release(&source->lock);
	if (is_done) {
		operation_complete(&await->operation, 0);
	}
}

/* ---- event objects */

static void event_destroy(struct object *object)
{
	object_free(object);
}

static const struct object_class event_class = {
	.type = HEL_TYPE_EVENT,
	.name = "event",
	.rights = HEL_RIGHT_WAIT | HEL_RIGHT_SIGNAL | HEL_RIGHT_DERIVE,
	.destroy = event_destroy,
	.abandon = object_abandon_nothing,
};

int event_create(uint32_t bits, struct event **out_event)
{
	struct event *event = object_create(&event_class, sizeof(*event));

	if (event == NULL) {
		return -ERR_NO_MEMORY;
	}
	event_source_init(&event->source, bits);
	*out_event = event;
	return 0;
}

/* Find the event or interrupt to wait for. */
static int event_find_source(
	struct await_event *await, struct universe *universe, hel_handle handle)
{
	struct event_source *source = NULL;
	struct descriptor descriptor;
	int error = universe_find(universe, handle, &descriptor);

	if (error != 0) {
		return error;
	}
	if (descriptor.object->class->type == HEL_TYPE_EVENT) {
		source = &event_of(descriptor.object)->source;
	} else if (descriptor.object->class->type == HEL_TYPE_IRQ) {
		source = &irq_of(descriptor.object)->source;
	} else {
		error = -ERR_BAD_TYPE;
	}
	if (error == 0 && (descriptor.rights & HEL_RIGHT_WAIT) == 0) {
		error = -ERR_NO_RIGHTS;
	}
	if (error == 0 && unlikely(descriptor.grant != NULL)) {
		error = operation_use_grant(&await->operation, grant_ref(descriptor.grant));
	}
	if (error == 0) {
		await->object = descriptor.object;
		object_ref(await->object);
		await->source = source;
	}
	descriptor_release(&descriptor);
	return error;
}

int event_submit(struct queue *queue, struct thread *submitter, const struct hel_record *record)
{
	const struct hel_await_event_record *request =
		(const struct hel_await_event_record *)record;
	struct await_event *await = operation_allocate(sizeof(*await));

	if (await == NULL) {
		return -ERR_NO_MEMORY;
	}
	operation_init(&await->operation, &await_event_class, queue, record);
	int error = event_find_source(await, submitter->universe, request->event);

	if (error != 0) {
		operation_complete(&await->operation, error);
	} else {
		event_source_await(await->source, await, request->sequence);
	}
	return 0;
}

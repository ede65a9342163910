/* SPDX-License-Identifier: MIT */
/* Observation of threads: see observe.h. */
#include <thor/sched/observe.h>

#include <base/string.h>
#include <thor/ipc/queue.h>
#include <thor/memory/memory.h>
#include <thor/object/universe.h>
#include <thor/panic.h>
#include <thor/trace/trace.h>

struct observe_operation {
	struct operation operation;
	struct thread *thread;            /* referenced */
	struct hel_observe_result result; /* written by who took the operation */
};

static struct observe_operation *observe_of(const struct operation *operation)
{
	return container_of(operation, struct observe_operation, operation);
}

static void observe_cancel(struct operation *operation)
{
	struct thread *thread = observe_of(operation)->thread;
	bool is_ours = false;

	if (thread == NULL) {
		return;
	}
	spinlock_acquire(&thread->observe_lock);
	if (thread->observer == operation) {
		thread->observer = NULL;
		is_ours = true;
	}
	spinlock_release(&thread->observe_lock);
	if (is_ours) {
		operation_complete(operation, operation_cancel_error(operation));
	}
}

static uint32_t observe_result_size(const struct operation *operation)
{
	return operation->error == 0 ? sizeof(struct hel_observe_result) : 0;
}

static void observe_write_result(const struct operation *operation, void *out_result)
{
	if (operation->error == 0) {
		memcpy(out_result, &observe_of(operation)->result,
			sizeof(struct hel_observe_result));
	}
}

static void observe_destroy(struct operation *operation)
{
	struct observe_operation *observe = observe_of(operation);

	if (observe->thread != NULL) {
		object_unref(&observe->thread->object);
	}
	operation_free(operation);
}

static const struct operation_class observe_class = {
	.name = "observe",
	.cancel = observe_cancel,
	.result_size = observe_result_size,
	.write_result = observe_write_result,
	.destroy = observe_destroy,
};

static void observe_fill_locked(struct thread *thread, struct operation *operation)
{
	observe_of(operation)->result = (struct hel_observe_result){
		.sequence = thread->observation.sequence,
		.observation = thread->observation.kind,
		.vector = thread->observation.fault.vector,
		.error_code = thread->observation.fault.error_code,
		.address = thread->observation.fault.address,
		.ip = thread->observation.ip,
		.reason = thread->observation.fault.reason,
	};
}

static void observe_log_unobserved(struct thread *thread)
{
	if (thread->observation.kind == HEL_OBSERVE_FAULT) {
		klog("thread %p: nobody observes its fault: vector %u, error %#lx, address %#lx, "
		     "ip %#lx",
			(void *)thread, thread->observation.fault.vector,
			(unsigned long)thread->observation.fault.error_code,
			(unsigned long)thread->observation.fault.address,
			(unsigned long)thread->observation.ip);
	} else if (thread->observation.kind == HEL_OBSERVE_BAD_CALL) {
		klog("thread %p: nobody observes its foreign call at ip %#lx", (void *)thread,
			(unsigned long)thread->observation.ip);
	}
}

void observe_record(struct thread *thread, enum thread_state state, enum hel_observation kind,
	const struct hel_fault *fault)
{
	TRACE(SCHEDULING, STOP, kind, thread->object.identity, fault != NULL ? fault->vector : 0);
	spinlock_acquire(&thread->observe_lock);
	struct operation *operation = thread->observer;

	thread->observer = NULL;
	thread->observation.sequence++;
	thread->observation.kind = kind;
	thread->observation.fault = fault != NULL ? *fault : (struct hel_fault){};
	thread->observation.ip = arch_context_ip(&thread->arch);
	if (operation != NULL) {
		observe_fill_locked(thread, operation);
	} else {
		observe_log_unobserved(thread);
	}
	atomic_store(&thread->state, state);
	spinlock_release(&thread->observe_lock);
	if (operation != NULL) {
		operation_complete(operation, 0);
	}
}

/*
 * Either arms the operation or says with which error (0: with the result) it is complete; RESTART
 * stands for armed.
 */
static int observe_arm(struct thread *thread, struct operation *operation, uint64_t sequence)
{
	int error = THREAD_WAIT_RESTART;

	spinlock_acquire(&thread->observe_lock);
	if (thread->observation.sequence != sequence) {
		observe_fill_locked(thread, operation);
		error = 0;
	} else if (atomic_load(&thread->state) == THREAD_TERMINATED) {
		error = -ERR_THREAD_TERMINATED;
	} else if (thread->observer != NULL) {
		error = -ERR_BUSY;
	} else {
		thread->observer = operation;
	}
	spinlock_release(&thread->observe_lock);
	return error;
}

int observe_submit(struct queue *queue, struct thread *submitter, const struct hel_record *record)
{
	const struct hel_observe_record *request = (const struct hel_observe_record *)record;
	struct observe_operation *observe = operation_allocate(sizeof(*observe));
	struct object *object;

	if (observe == NULL) {
		return -ERR_NO_MEMORY;
	}
	operation_init(&observe->operation, &observe_class, queue, record);
	int error = operation_lookup(&observe->operation, submitter->universe, request->thread,
		HEL_TYPE_THREAD, HEL_RIGHT_WAIT, &object);

	if (error == 0) {
		observe->thread = thread_of(object);
		error = observe_arm(observe->thread, &observe->operation, request->sequence);
	}
	if (error != THREAD_WAIT_RESTART) {
		operation_complete(&observe->operation, error);
	}
	return 0;
}

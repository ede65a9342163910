/* SPDX-License-Identifier: MIT */
/* hel calls on queues, streams, events, interrupts and futexes. */
#include <thor/ipc/event.h>
#include <thor/ipc/futex.h>
#include <thor/ipc/queue.h>
#include <thor/ipc/stream.h>
#include <thor/memory/memory.h>
#include <thor/object/grant.h>
#include <thor/sched/sched.h>
#include <thor/syscall/call.h>
#include <thor/trace/trace.h>

int call_queue_create(struct call *call)
{
	struct hel_queue_params params;
	struct object *kept = call_take_object(call);
	struct queue *queue = kept != NULL ? queue_of(kept) : NULL;
	int error = 0;

	if (queue == NULL) {
		error = arch_copy_from_user(&params, call_argument(call, 0), sizeof(params));
		if (error == 0) {
			error = queue_create(&params, &queue);
		}
		if (error != 0) {
			return error;
		}
	}
	do {
		error = queue_fill_slice(queue);
	} while (call_goes_on(call, 1, &error));
	if (error == CALL_RESTART) {
		call_keep_object(call, &queue->object);
		return error;
	}
	if (error != 0) {
		object_unref(&queue->object);
		return error;
	}
	return call_return_object(call, &queue->object);
}

static int drive(struct call *call, struct queue *queue)
{
	uint64_t flags = call_argument(call, 1);
	uint32_t seen = (uint32_t)call_argument(call, 2);
	bool is_blocked = false;

	if ((flags & ~(uint64_t)HEL_DRIVE_WAIT) != 0) {
		return -ERR_ILLEGAL_ARGS;
	}
	int result = queue_submit(queue, call->thread);

	if (result == 0 && (flags & HEL_DRIVE_WAIT) != 0) {
		TRACE(IPC, DRIVE, queue->object.identity, call_argument(call, 3), 0);
		sched_expect_wait(arch_this_cpu());
		result = queue_wait(queue, call->thread, seen, call_argument(call, 3), &is_blocked);
	}
	if (is_blocked) {
		return CALL_BLOCKED;
	}
	call->value = atomic_load_explicit(&queue->n_completions, memory_order_acquire);
	return result;
}

int call_drive(struct call *call)
{
	struct thread *thread = call->thread;
	struct object *object;
	struct grant *grant;
	int result = handle_cache_lookup(&thread->handles.queue, thread->universe,
		call_argument(call, 0), HEL_TYPE_QUEUE, HEL_RIGHT_INVOKE, &object, &grant);

	if (unlikely(result != 0)) {
		return result;
	}
	result = drive(call, queue_of(object));
	if (unlikely(grant != NULL)) {
		/* It may have been revoked before the thread could be seen to wait. */
		if (grant_is_revoked(grant)) {
			queue_disturb(queue_of(object));
		}
		grant_unref(grant);
	}
	if (result != CALL_BLOCKED) {
		object_unref(object);
	}
	return result;
}

int call_queue_alert(struct call *call)
{
	struct object *object;
	int error = call_lookup(call, 0, HEL_TYPE_QUEUE, HEL_RIGHT_SIGNAL, &object);

	if (error == 0) {
		queue_alert(queue_of(object));
		object_unref(object);
	}
	return error;
}

/* Descriptors for both lanes of a stream whose references the caller has; on error none. */
static int stream_attach(
	struct call *call, struct stream *stream, struct hel_stream_lanes *out_lanes)
{
	struct universe *universe = call->thread->universe;
	int error = universe_attach(
		universe, &stream->lanes[0].object, HEL_RIGHTS_ALL, &out_lanes->lane[0]);

	if (error != 0) {
		return error;
	}
	error = universe_attach(
		universe, &stream->lanes[1].object, HEL_RIGHTS_ALL, &out_lanes->lane[1]);
	if (error != 0) {
		(void)universe_close(universe, out_lanes->lane[0]);
	}
	return error;
}

int call_stream_create(struct call *call)
{
	struct hel_stream_lanes lanes;
	struct stream *stream;
	int error = stream_create(&stream);

	if (error != 0) {
		return error;
	}
	error = stream_attach(call, stream, &lanes);
	if (error == 0) {
		error = arch_copy_to_user(call_argument(call, 0), &lanes, sizeof(lanes));
		if (error != 0) {
			(void)universe_close(call->thread->universe, lanes.lane[0]);
			(void)universe_close(call->thread->universe, lanes.lane[1]);
		}
	}
	struct lane *first = &stream->lanes[0];
	struct lane *second = &stream->lanes[1];

	object_unref(&first->object);
	object_unref(&second->object);
	return error;
}

int call_lane_shutdown(struct call *call)
{
	struct object *object;
	int error = call_lookup(call, 0, HEL_TYPE_LANE, HEL_RIGHT_INVOKE, &object);

	if (error == 0) {
		lane_close(lane_of(object));
		object_unref(object);
	}
	return error;
}

int call_event_create(struct call *call)
{
	struct event *event = NULL;
	int error = event_create((uint32_t)call_argument(call, 0), &event);

	return error != 0 ? error : call_return_object(call, &event->object);
}

int call_event_raise(struct call *call)
{
	struct object *object;
	int error = call_lookup(call, 0, HEL_TYPE_EVENT, HEL_RIGHT_SIGNAL, &object);

	if (error == 0) {
		event_source_raise(&event_of(object)->source, (uint32_t)call_argument(call, 1));
		object_unref(object);
	}
	return error;
}

int call_futex_wait(struct call *call)
{
	bool is_blocked;
	int result =
		futex_wait(call->thread, call_argument(call, 0), (uint32_t)call_argument(call, 1),
			call_argument(call, 2), (uint32_t)call_argument(call, 3), &is_blocked);

	return is_blocked ? CALL_BLOCKED : result;
}

int call_futex_name(struct call *call)
{
	struct object *object;
	uint64_t number = call_argument(call, 1);
	int error = call_lookup(call, 0, HEL_TYPE_THREAD, HEL_RIGHT_MANAGE, &object);

	if (error != 0) {
		return error;
	}
	if (number > HEL_LOCK_OWNER) {
		error = -ERR_ILLEGAL_ARGS;
	} else {
		futex_name(thread_of(object), call->thread->universe, (uint32_t)number);
	}
	object_unref(object);
	return error;
}

int call_futex_lock(struct call *call)
{
	bool is_blocked;
	int result = futex_lock(call->thread, call_argument(call, 0),
		(uint32_t)call_argument(call, 1), call_argument(call, 2), &is_blocked);

	return is_blocked ? CALL_BLOCKED : result;
}

int call_futex_wait_requeue(struct call *call)
{
	struct futex_wait_requeue request = {
		.address = call_argument(call, 0),
		.expected = (uint32_t)call_argument(call, 1),
		.deadline_ns = call_argument(call, 2),
		.lock = call_argument(call, 3),
	};
	bool is_blocked;
	int result = futex_wait_requeue(call->thread, &request, &is_blocked);

	return is_blocked ? CALL_BLOCKED : result;
}

int call_futex_requeue_lock(struct call *call)
{
	struct futex_requeue_lock request = {
		.from = call_argument(call, 0),
		.expected = (uint32_t)call_argument(call, 1),
		.lock = call_argument(call, 2),
		.lock_expected = (uint32_t)call_argument(call, 3),
		.n_max = (uint32_t)call_argument(call, 4),
	};
	uint32_t n_threads = 0;
	int error = futex_requeue_lock(call->thread, &request, &n_threads);

	call->value = n_threads;
	return error;
}

int call_futex_unlock(struct call *call)
{
	return futex_unlock(call->thread, call_argument(call, 0));
}

int call_futex_wake(struct call *call)
{
	uint32_t n_woken = 0;
	int error = futex_wake(call->thread->space, call_argument(call, 0),
		(uint32_t)call_argument(call, 1), (uint32_t)call_argument(call, 2), &n_woken);

	call->value = n_woken;
	return error;
}

int call_futex_wake_in(struct call *call)
{
	uint32_t n_woken = 0;
	struct space *space;
	int error = call_find_space(call, call_argument(call, 0), HEL_RIGHT_READ, &space);

	if (error != 0) {
		return error;
	}
	error = futex_wake(space, call_argument(call, 1), (uint32_t)call_argument(call, 2),
		(uint32_t)call_argument(call, 3), &n_woken);
	object_unref((struct object *)space);
	call->value = n_woken;
	return error;
}

int call_futex_requeue(struct call *call)
{
	struct futex_requeue request = {
		.from = call_argument(call, 0),
		.expected = call_argument(call, 1),
		.to = call_argument(call, 2),
		.n_wake = (uint32_t)call_argument(call, 3),
		.n_requeue = (uint32_t)call_argument(call, 4),
	};
	uint32_t n_threads = 0;
	int error = futex_requeue(call->thread->space, &request, &n_threads);

	call->value = n_threads;
	return error;
}

/* SPDX-License-Identifier: MIT */
/*
 * Parking: requests that wait, without a stack, until a wait queue is woken, a deadline passes or a
 * signal comes.
 *
 * A woken request is taken off all its queues at once and put on the ready list of the loop whose
 * thread wakes it; one operation of that loop runs all ready requests later in the same turn. So no
 * handler ever runs inside somebody else's wait_queue_wake().
 */
#include <async/loop.h>
#include <base/assert.h>
#include <helix/memory.h>
#include <posix/server/request-internal.h>
#include <posix/server/task.h>

constexpr uint32_t WAIT_CHUNK_ENTRIES = 6;

struct wait_chunk {
	struct wait_chunk *next;
	uint32_t n_entries;
	struct wait_entry entries[WAIT_CHUNK_ENTRIES];
};

/* ---- wait queues ----------------------------------------------------------------------------- */

void wait_queue_init(struct wait_queue *queue)
{
	list_init(&queue->entries);
}

void wait_queue_wake(struct wait_queue *queue)
{
	struct list woken;

	/* Entries that a wake function adds are for the next time. */
	list_init(&woken);
	list_append_all(&woken, &queue->entries);
	for (;;) {
		struct wait_entry *entry = LIST_FIRST(&woken, struct wait_entry, node);

		if (entry == NULL) {
			return;
		}
		list_remove(&entry->node);
		list_push_back(&queue->entries, &entry->node);
		entry->wake(entry);
	}
}

void wait_queue_deinit(struct wait_queue *queue)
{
	LIST_FOR_EACH_SAFE(entry, &queue->entries, struct wait_entry, node) {
		wait_entry_remove(entry);
	}
}

void wait_entry_add(struct wait_entry *entry, struct wait_queue *queue)
{
	entry->queue = queue;
	list_push_back(&queue->entries, &entry->node);
}

void wait_entry_remove(struct wait_entry *entry)
{
	if (entry->queue != NULL) {
		list_remove(&entry->node);
		entry->queue = NULL;
	}
}

/* ---- the ready list -------------------------------------------------------------------------- */

static void run_ready(struct op *op);

static enum op_result ready_op_start(struct op *op)
{
	(void)op;
	return OP_PENDING;
}

static const struct op_class ready_class = { .name = "ready requests", .start = ready_op_start };

static void request_make_ready(struct request *request)
{
	struct request_internal *internal = request->internal;
	struct turn *turn = turn_current();

	request_leave_waits(request);
	internal->phase = REQUEST_READY;
	list_push_back(&turn->ready, &internal->ready_node);
	if (!op_is_pending(&turn->ready_op)) {
		op_init(&turn->ready_op, &ready_class);
		(void)!op_start(&turn->ready_op, turn->loop, run_ready, turn);
		op_complete(&turn->ready_op, 0);
	}
}

static void run_ready(struct op *op)
{
	struct turn *turn = op->owner;
	struct list now;

	list_init(&now);
	list_append_all(&now, &turn->ready);
	for (;;) {
		struct request_internal *internal =
			LIST_POP_FRONT(&now, struct request_internal, ready_node);

		if (internal == NULL) {
			return;
		}
		request_run(internal->request);
	}
}

static void request_woken(struct wait_entry *entry)
{
	request_make_ready(entry->owner);
}

static void request_timer_fired(struct timer *timer)
{
	struct request_internal *internal = container_of(timer, struct request_internal, timer);

	internal->request->is_timed_out = true;
	request_make_ready(internal->request);
}

/* ---- parking --------------------------------------------------------------------------------- */

void request_init(struct request *request, struct request_internal *internal, struct thread *thread,
	struct loop *loop)
{
	request->thread = thread;
	request->internal = internal;
	internal->request = request;
	internal->loop = loop;
	internal->phase = REQUEST_IDLE;
	list_node_init(&internal->ready_node);
	timer_init(&internal->timer, request_timer_fired);
}

static struct wait_entry *next_wait_entry(struct request_internal *internal)
{
	struct wait_chunk *chunk = internal->more_waits;

	if (internal->n_waits < REQUEST_WAITS_INLINE) {
		return &internal->waits[internal->n_waits++];
	}
	if (chunk == NULL || chunk->n_entries == WAIT_CHUNK_ENTRIES) {
		chunk = helix_malloc(sizeof(*chunk));
		if (chunk == NULL) {
			return NULL;
		}
		chunk->next = internal->more_waits;
		chunk->n_entries = 0;
		internal->more_waits = chunk;
	}
	return &chunk->entries[chunk->n_entries++];
}

int64_t request_wait_on(struct request *request, struct wait_queue *queue)
{
	struct wait_entry *entry = next_wait_entry(request->internal);

	if (entry == NULL) {
		return -LINUX_ENOMEM;
	}
	*entry = (struct wait_entry){ .wake = request_woken, .owner = request };
	wait_entry_add(entry, queue);
	return 0;
}

void request_leave_waits(struct request *request)
{
	struct request_internal *internal = request->internal;
	struct wait_chunk *chunk = internal->more_waits;

	for (uint32_t i = 0; i < internal->n_waits; i++) {
		wait_entry_remove(&internal->waits[i]);
	}
	internal->n_waits = 0;
	internal->more_waits = NULL;
	while (chunk != NULL) {
		struct wait_chunk *next = chunk->next;

		for (uint32_t i = 0; i < chunk->n_entries; i++) {
			wait_entry_remove(&chunk->entries[i]);
		}
		helix_free(chunk);
		chunk = next;
	}
	if (timer_is_armed(&internal->timer)) {
		turn_touch(internal->loop);
		timer_disarm(internal->loop, &internal->timer);
	}
}

static void request_finish(struct request *request, int64_t result)
{
	struct request_internal *internal = request->internal;
	void (*release)(struct request *request) = request->release;

	request_leave_waits(request);
	list_remove(&internal->ready_node);
	internal->phase = REQUEST_IDLE;
	request->release = NULL;
	if (release != NULL) {
		release(request);
	}
	if (result == REQUEST_NO_REPLY) {
		request_drop(request);
	} else {
		request_reply(request, result);
	}
}

bool request_is_interrupted(struct request *request)
{
	return !request->internal->is_uninterruptible && request_signal_is_due(request->thread);
}

void request_park_as_killable(struct request *request)
{
	request->internal->is_uninterruptible = true;
}

static void request_park(struct request *request)
{
	struct request_internal *internal = request->internal;

	if (request->is_timed_out) {
		/*
		 * The handler was told and has no answer: it waits for ever, which we do not let
		 * it.
		 */
		request_finish(request, -LINUX_EAGAIN);
		return;
	}
	if (request_is_interrupted(request)) {
		request_finish(request, request->interrupted_result);
		return;
	}
	if (request_keep_payload(request) != 0) {
		request_finish(request, -LINUX_ENOMEM);
		return;
	}
	request_forget_empty_bulk(request);
	internal->phase = REQUEST_PARKED;
	if (request->deadline_ns != HEL_DEADLINE_NEVER) {
		turn_touch(internal->loop);
		timer_arm(internal->loop, &internal->timer, request->deadline_ns);
	}
}

struct request *request_current(void)
{
	return turn_current()->running;
}

int64_t request_call(struct request *request)
{
	struct request_internal *internal = request->internal;
	struct turn *turn = turn_current();
	int64_t result;

	turn->running = request;
	turn->n_attempts++;
	result = internal->row->handler(request);
	turn_current()->running = NULL;
	return result;
}

static void request_conclude(struct request *request, int64_t result)
{
	request->is_first_attempt = false;
	if (result == REQUEST_PARK) {
		request_park(request);
	} else {
		request_finish(request, result);
	}
}

/* The handler has to wait for another server. */
static int64_t request_go_on_in_task(struct request *request)
{
	struct wait_queue *queue;
	int64_t error;

	if (!request_task_may_begin(request, &queue)) {
		error = request_wait_on(request, queue);
		return error < 0 ? error : REQUEST_PARK;
	}
	error = request_begin_task(request);
	if (error == 0) {
		request_task_began(request->thread);
	}
	return error;
}

void request_run(struct request *request)
{
	struct request_internal *internal = request->internal;
	int64_t result;

	ASSERT(internal->phase != REQUEST_PARKED);
	internal->phase = REQUEST_RUNNING;
	result = request_call(request);
	if (unlikely(result == REQUEST_TASK)) {
		result = request_go_on_in_task(request);
		if (result == 0) {
			return;
		}
	}
	request_conclude(request, result);
}

void request_end_task(struct request *request, int64_t result)
{
	struct thread *thread = request->thread;

	ASSERT(result != REQUEST_TASK);
	request->internal->phase = REQUEST_RUNNING;
	request_conclude(request, request_is_unwanted(thread) ? REQUEST_NO_REPLY : result);
	request_task_ended(thread);
}

bool request_interrupt(struct request *request)
{
	struct request_internal *internal = request->internal;

	if (internal->phase != REQUEST_PARKED || internal->is_uninterruptible) {
		return false;
	}
	request_finish(request, request->interrupted_result);
	return true;
}

void request_abandon(struct request *request)
{
	struct request_internal *internal = request->internal;

	if (internal->phase == REQUEST_PARKED || internal->phase == REQUEST_READY) {
		request_finish(request, REQUEST_NO_REPLY);
	}
}

/* SPDX-License-Identifier: MIT */
/* The dispatcher of requests: see request.h. */
#include <async/request.h>
#include <base/assert.h>
#include <base/errors.h>

static void request_attempt(struct request *request);

static struct wait_op *request_wait_at(struct request *request, uint32_t index)
{
	return index == 0 ? &request->parking.wait : &request->more_waits[index - 1];
}

static void request_reply(struct request *request)
{
	request->state = REQUEST_STATE_FINISHED;
	request->sink->reply(request, request->error);
}

/* All wait operations are back: do what the state asks for. */
static void request_proceed(struct request *request)
{
	if (request->state == REQUEST_STATE_FINISHING) {
		request_reply(request);
	} else {
		request_attempt(request);
	}
}

/* Take back the wait operations, then proceed in @state. */
static void request_take_back_waits(struct request *request, enum request_state state)
{
	request->state = (uint8_t)state;
	for (uint32_t i = 0; i < request->n_armed; i++) {
		op_cancel(&request_wait_at(request, i)->op);
	}
	if (request->n_waits == 0) {
		request_proceed(request);
	}
}

static void request_wait_done(struct op *op)
{
	struct request *request = op->owner;

	request->n_waits--;
	if (request->state == REQUEST_STATE_PARKED) {
		request_take_back_waits(request, REQUEST_STATE_WOKEN);
	} else if (request->n_waits == 0) {
		request_proceed(request);
	}
}

/* The request is to end with @reason, unless its last attempt has a result. */
static void request_leave(struct request *request, int reason)
{
	timer_disarm(request->loop, &request->parking.timer);
	request->error = reason;
	request_take_back_waits(request, REQUEST_STATE_LEAVING);
}

static void request_timer_fire(struct timer *timer)
{
	struct request *request = container_of(timer, struct request, parking.timer);

	if (request->state == REQUEST_STATE_PARKED || request->state == REQUEST_STATE_WOKEN) {
		request_leave(request, -ERR_TIMED_OUT);
	}
}

/* The attempt parked: wait for its queues, or not. */
static void request_park(struct request *request, bool is_last)
{
	ASSERT(request->class->kind == REQUEST_ATTEMPT);
	if (is_last || request->error != 0) { /* cancelled before, or from inside the attempt */
		request_take_back_waits(request, REQUEST_STATE_FINISHING);
		return;
	}
	if (request->is_nonblocking) {
		request->error = -ERR_AGAIN;
		request_take_back_waits(request, REQUEST_STATE_FINISHING);
		return;
	}
	ASSERT(request->n_waits > 0 || request->deadline_ns != 0);
	request->state = REQUEST_STATE_PARKED;
	if (request->deadline_ns != 0 && !timer_is_armed(&request->parking.timer)) {
		timer_arm(request->loop, &request->parking.timer, request->deadline_ns);
	}
}

static void request_attempt(struct request *request)
{
	bool is_last = request->state == REQUEST_STATE_LEAVING;

	ASSERT(request->n_waits == 0);
	request->n_armed = 0;
	if (!is_last) {
		request->state = REQUEST_STATE_RUNNING;
	}
	int result = request->class->attempt(request);

	if (result == REQUEST_PARK) {
		request_park(request, is_last);
		return;
	}
	timer_disarm(request->loop, &request->parking.timer);
	request->error = result;
	request_take_back_waits(request, REQUEST_STATE_FINISHING);
}

int request_wait_on(struct request *request, struct wait_queue *queue)
{
	if (request->state == REQUEST_STATE_LEAVING || request->is_nonblocking) {
		return 0; /* it will not park */
	}
	ASSERT(request->state == REQUEST_STATE_RUNNING);
	if (request->n_armed > request->n_more_waits_max) {
		return -ERR_NO_SPACE;
	}
	struct wait_op *wait = request_wait_at(request, request->n_armed++);

	wait_op_init(wait, queue);
	enum op_result result = op_start(&wait->op, request->loop, request_wait_done, request);

	ASSERT(result == OP_PENDING);
	request->n_waits++;
	return 0;
}

static int request_run_task(struct task *task, void *argument)
{
	struct request *request = argument;

	if (request->deadline_ns != 0) {
		scope_set_deadline(&task->root, request->deadline_ns);
	}
	request->error = request->class->run(task, request);
	task->job = NULL; /* the reply gives the request's memory away */
	request_reply(request);
	return 0;
}

void request_init(struct request *request, struct loop *loop, const struct request_class *class,
	const struct request_sink *sink)
{
	*request = (struct request){ .class = class, .sink = sink, .loop = loop };
	if (class->kind == REQUEST_TASK) {
		job_init(&request->job, class->name, request_run_task, request);
	} else {
		timer_init(&request->parking.timer, request_timer_fire);
	}
}

void request_submit(struct request *request)
{
	ASSERT(request->state == REQUEST_STATE_IDLE);
	request->state = REQUEST_STATE_RUNNING;
	if (request->class->kind == REQUEST_TASK) {
		job_submit(request->loop, &request->job);
	} else {
		request_attempt(request);
	}
}

void request_cancel(struct request *request, int reason)
{
	ASSERT(reason < 0);
	if (request->class->kind == REQUEST_TASK) {
		if (request->state == REQUEST_STATE_RUNNING) {
			job_cancel(&request->job, reason);
		}
		return;
	}
	switch (request->state) {
	case REQUEST_STATE_RUNNING: request->error = reason; break;
	case REQUEST_STATE_PARKED:
	case REQUEST_STATE_WOKEN: request_leave(request, reason); break;
	default: break;
	}
}

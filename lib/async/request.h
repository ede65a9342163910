/* SPDX-License-Identifier: MIT */
/*
 * Requests: calls of clients, each answered exactly once by the dispatcher.
 *
 * Every request has a class, a row of its server's table, which says what kind of handler it has:
 *
 * - immediate: `attempt` never waits.
 * - attempt: `attempt` does the work if it can; else it names what it waits for with
 *   request_wait_on() and returns REQUEST_PARK. The request then holds no stack, for hours if need
 *   be, and the dispatcher repeats the attempt when a queue is woken. Non-blocking calls, timeouts
 *   and interruption are the dispatcher's business: the attempt knows nothing of them.
 * - task: `run` may await; for bounded waits only.
 *
 * Arguments are decoded and checked before the request is submitted. A handler returns its result;
 * request->result carries a value beside it. The dispatcher then calls `reply` once.
 *
 *          submit               PARK                 a queue is woken
 *    IDLE --------> RUNNING ----------------> PARKED ------------------> WOKEN, then RUNNING again
 *                     | result                  | cancel, timeout          | cancel
 *                     v                         v                          |
 *                  FINISHING <-------------- LEAVING <---------------------+
 *                     |         last attempt
 *                     v
 *                  FINISHED, reply()
 *
 * WOKEN, LEAVING and FINISHING wait until all wait operations have finished; they are on their way.
 * The last attempt makes sure that a wake-up given to a leaving request is not lost: what it could
 * take, it takes.
 */
#ifndef ASYNC_REQUEST_H
#define ASYNC_REQUEST_H

#include <async/sync.h>
#include <async/task.h>

struct request;

/** REQUEST_PARK - result of an attempt: nothing to do yet, repeat me when I am woken */
#define REQUEST_PARK 1

enum request_kind {
	REQUEST_IMMEDIATE,
	REQUEST_ATTEMPT,
	REQUEST_TASK,
};

struct request_class {
	const char *name;
	enum request_kind kind;
	/* Immediate and attempt: 0, -ERR_X, or REQUEST_PARK. Leaves no trace when it parks. */
	int (*attempt)(struct request *request);
	/* Task: 0 or -ERR_X. */
	int (*run)(struct task *task, struct request *request);
};

/* Where answers go: one per kind of client connection. */
struct request_sink {
	/* Send the one reply. The request's memory is the sink's: it may free it here. */
	void (*reply)(struct request *request, int error);
};

enum request_state {
	REQUEST_STATE_IDLE,
	REQUEST_STATE_RUNNING,
	REQUEST_STATE_PARKED,
	REQUEST_STATE_WOKEN,
	REQUEST_STATE_LEAVING,
	REQUEST_STATE_FINISHING,
	REQUEST_STATE_FINISHED,
};

struct request {
	const struct request_class *class;
	const struct request_sink *sink;
	struct loop *loop;
	void *object;          /* what the call is about; referenced by the submitter */
	int64_t result;        /* value of success */
	bool is_nonblocking;   /* instead of parking, finish with -ERR_AGAIN */
	uint64_t deadline_ns;  /* of parking: then finish with -ERR_TIMED_OUT; 0: none */

	/* dispatcher's */
	uint8_t state;    /* enum request_state */
	int error;        /* the reply, or the reason of a cancel */
	uint32_t n_waits; /* operations in flight */
	uint32_t n_armed; /* operations used by the last attempt */
	uint32_t n_more_waits_max;
	struct wait_op *more_waits; /* for a call on many objects (poll); borrowed array */
	union {
		struct job job; /* of kind task */
		struct {
			struct wait_op wait;
			struct timer timer;
		} parking; /* of kind attempt */
	};
};
static_assert(sizeof(struct request) <= 256, "there may be a hundred thousand of them");

/** request_init() - prepare a request; set object, is_nonblocking, deadline_ns afterwards */
void request_init(struct request *request, struct loop *loop, const struct request_class *class,
	const struct request_sink *sink);

/**
 * request_submit() - serve the request
 * @request: initialised; the dispatcher's until reply() is called, which may be before this returns
 *
 * Immediate and attempt handlers are called from inside.
 */
void request_submit(struct request *request);

/**
 * request_wait_on() - for attempts about to park: repeat me when @queue is woken
 *
 * One queue, or as many as there are `more_waits` plus one. Return: 0 or -ERR_NO_SPACE.
 */
int request_wait_on(struct request *request, struct wait_queue *queue);

/**
 * request_cancel() - finish a parked or running request soon, with @reason unless it has a result
 */
void request_cancel(struct request *request, int reason);

/** request_finish() - for handlers: `return request_finish(request, value)` on success */
static inline int request_finish(struct request *request, int64_t result)
{
	request->result = result;
	return 0;
}

#endif

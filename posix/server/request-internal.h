/* SPDX-License-Identifier: MIT */
/*
 * Requests as the dispatcher sees them: rows of the table, decoded payload, parking.
 *
 *             lane_serve()            handler: PARK              woken
 *      IDLE ----------------> RUNNING -------------> PARKED -----------------> READY -> RUNNING
 *       ^                        | result              | signal, thread's death
 *       +---- reply sent --------+---------------------+
 *
 * Each thread has one request, embedded in its fixed state, because a thread waits for its one
 * reply. What a parked request costs beyond that is its payload and output when they do not fit the
 * embedded buffers, and wait entries beyond the first two.
 */
#ifndef POSIX_REQUEST_INTERNAL_H
#define POSIX_REQUEST_INTERNAL_H

#include <async/timer.h>
#include <posix/server/request.h>
#include <posix/server/turn.h>

constexpr uint32_t REQUEST_ARGUMENTS = 6;
constexpr uint32_t REQUEST_PAYLOAD_INLINE = 192; /* longer payload is in a buffer of its own */
constexpr uint32_t REQUEST_OUT_INLINE = 160;  /* output that is kept in the request */
constexpr uint32_t REQUEST_WAITS_INLINE = 2;
constexpr uint32_t REQUEST_OUT_MAX = POSIX_REPLY_MAX;

/* ---- the table ------------------------------------------------------------------------------- */

enum argument_kind : uint8_t {
	ARGUMENT_NONE,
	ARGUMENT_VALUE, /* those behind it have data */
	ARGUMENT_PATH,
	ARGUMENT_IN,
	ARGUMENT_OUT,
	ARGUMENT_INOUT,
	ARGUMENT_BULK_IN,
	ARGUMENT_BULK_OUT,
};

constexpr uint8_t ARGUMENT_FIXED = 0xff;

struct argument {
	enum argument_kind kind;
	uint8_t count; /* the argument that holds the count, or ARGUMENT_FIXED */
	uint16_t unit; /* bytes, or bytes per count */
};

/*
 * Linux calls have a description per argument. Internal requests (is_raw) have one undivided
 * payload, which every index of request_in() names, and at most one piece of output, described by
 * arguments[0] and sent if the handler asked for it.
 */
struct call_row {
	const char *name; /* NULL: no such call */
	request_fn handler; /* NULL: not implemented */
	bool is_raw;
	struct argument arguments[REQUEST_ARGUMENTS];
};

/* The row of a request number, NULL if there is none. */
const struct call_row *call_find(uint32_t number);

/* ---- requests -------------------------------------------------------------------------------- */

enum request_phase : uint8_t {
	REQUEST_IDLE,
	REQUEST_RUNNING,
	REQUEST_PARKED,
	REQUEST_READY,
	REQUEST_IN_TASK, /* its handler runs in a task, or is about to; see task.h */
};

struct wait_chunk;
struct request_task;

struct request_internal {
	struct request *request;
	struct loop *loop; /* the home of its process: where it arrives and has its timer */
	const struct call_row *row;
	enum request_phase phase;
	bool is_uninterruptible; /* only the thread's death ends it */
	bool has_out; /* raw rows: the handler asked for the output */
	bool has_out_size;
	bool wants_bulk_reply; /* POSIX_REQUEST_BULK_OUT */
	uint32_t sequence;

	/* payload: where the data of argument i begin, and their size */
	const uint8_t *payload;
	uint32_t payload_size;
	uint32_t in_offset[REQUEST_ARGUMENTS], in_size[REQUEST_ARGUMENTS];

	/* output */
	uint8_t *out;
	uint32_t out_total;
	uint32_t out_offset[REQUEST_ARGUMENTS], out_size[REQUEST_ARGUMENTS];
	uint32_t out_valid; /* with has_out_size: of the last piece */
	const void *bulk;
	size_t bulk_size, bulk_max;
	void (*bulk_done)(void *context);
	void *bulk_context;
	bool has_bulk_size;

	/* memory that goes when the request ends */
	void *payload_block, *out_block, *bulk_block;

	/* parking */
	struct wait_entry waits[REQUEST_WAITS_INLINE];
	uint32_t n_waits;
	struct wait_chunk *more_waits;
	struct timer timer;
	struct list_node ready_node;
	struct request_task *task; /* NULL: none */

	alignas(8) uint8_t payload_inline[REQUEST_PAYLOAD_INLINE];
	alignas(8) uint8_t out_inline[REQUEST_OUT_INLINE];
};

/* ---- decode.c: no side effects but memory ---------------------------------------------------- */

/**
 * request_decode() - check a message and describe its pieces
 * @request: its thread and process are set, everything else is written here
 * @header: as it came
 * @payload: @size bytes, which must be what the header says
 *
 * Copies the payload if it is short; else payload is borrowed, see request_keep_payload().
 *
 * Return: 0; -LINUX_E... that is the call's answer (the message is well-formed, its contents are
 * not); 1: garbage that no shim sends.
 */
int request_decode(struct request *request, const struct posix_request *header, const void *payload,
	size_t size);

/** request_keep_payload() - make a borrowed payload the request's own; 0 or -LINUX_ENOMEM */
int request_keep_payload(struct request *request);

/** request_forget_empty_bulk() - it parks: give back a buffer that nothing was put into */
void request_forget_empty_bulk(struct request *request);

/** request_drop() - give back all memory of a request that has ended */
void request_drop(struct request *request);

/* ---- park.c ---------------------------------------------------------------------------------- */

/** request_init() - prepare a thread's request, which will arrive on @loop */
void request_init(struct request *request, struct request_internal *internal, struct thread *thread,
	struct loop *loop);

/** request_leave_waits() - off all queues, timer disarmed */
void request_leave_waits(struct request *request);

/** request_run() - call the handler, again if need be, and act upon what it says */
void request_run(struct request *request);

/** request_call() - call the handler; what it says */
int64_t request_call(struct request *request);

/** request_end_task() - the task is over in which the handler said @result */
void request_end_task(struct request *request, int64_t result);

/** request_park_as_killable() - for the handler: signals must not end this wait */
void request_park_as_killable(struct request *request);

/**
 * request_interrupt() - a signal came: end a parked request; false if there is none or it must not
 * end
 */
bool request_interrupt(struct request *request);

/** request_abandon() - the thread is dying: nobody will be answered */
void request_abandon(struct request *request);

/* ---- what park.c needs of others (fakes in unit tests) --------------------------------------- */

/** request_reply() - send the one reply (lane.c) */
void request_reply(struct request *request, int64_t result);

/** request_is_unwanted() - the thread is dying: nobody waits for an answer */
bool request_is_unwanted(const struct thread *thread);

/** request_task_began() - the thread has a request in a task now, and is kept as long as it has */
void request_task_began(struct thread *thread);

/** request_task_ended() - it has none any more; may free the thread with its request */
void request_task_ended(struct thread *thread);

/** request_task_may_begin() - false: an exec waits for the process' tasks, and wakes the queue */
bool request_task_may_begin(struct request *request, struct wait_queue **out_queue);

/** request_signal_is_due() - whether a signal would interrupt the thread's wait now (signal/) */
bool request_signal_is_due(struct thread *thread);

#endif

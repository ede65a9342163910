/* SPDX-License-Identifier: MIT */
/*
 * Requests: one Linux call of one thread, from its arrival to its reply. CONTRACT between the parts
 * of posix.
 *
 * A handler gets the request with all its input decoded and checked for size. It returns a result
 * >= 0, a negative LINUX errno (-LINUX_ENOENT, from <abi/linux/errno.h>), a restart code, or
 * REQUEST_PARK. The dispatcher sends the one reply.
 *
 * Parking: a handler that would have to wait calls request_wait_on() for each wait queue that may
 * change its fate (or sets request->deadline_ns), and returns REQUEST_PARK. When one of the queues
 * is woken the dispatcher removes the request from all of them and calls the handler again, from
 * the start, later in the same loop turn. Signals, timeouts and the death of the thread are the
 * dispatcher's business: an interrupted request is answered with request->interrupted_result
 * (default
 * -LINUX_ERESTARTSYS); a timed-out one gets its handler called once more with request->is_timed_out
 * set. A handler keeps what it must remember between attempts in request->state (zero at the first
 * attempt) and sets request->release if that needs undoing when the request ends in whatever way.
 *
 * One thread of posix has the turn (turn.h): what lies between two waits is atomic.
 */
#ifndef POSIX_REQUEST_H
#define POSIX_REQUEST_H

#include <abi/linux/errno.h>
#include <base/list.h>
#include <base/types.h>
#include <protocols/posix/wire.h>

struct request;
struct thread;
struct process;

constexpr int64_t REQUEST_PARK = INT64_MIN;
/* exec succeeded, thread exits: nobody to answer */
constexpr int64_t REQUEST_NO_REPLY = INT64_MIN + 1;

typedef int64_t (*request_fn)(struct request *request);

struct wait_queue {
	struct list entries;
};

struct wait_entry {
	struct list_node node;
	struct wait_queue *queue; /* NULL: not waiting */
	void (*wake)(struct wait_entry *entry); /* may remove the entry; must not free the queue */
	void *owner;
};

void wait_queue_init(struct wait_queue *queue);
void wait_queue_wake(struct wait_queue *queue); /* calls wake of every entry */
void wait_queue_deinit(struct wait_queue *queue); /* it goes: whoever still waits is not woken */
void wait_entry_add(struct wait_entry *entry, struct wait_queue *queue);
void wait_entry_remove(struct wait_entry *entry); /* harmless when not waiting */

struct request {
	struct thread *thread; /* whose call; stays valid until the reply */
	struct process *process; /* thread->process */
	uint32_t number;
	uint32_t flags; /* enum posix_request_flags */
	uint64_t args[6];
	uint32_t null_mask;
	uint64_t deadline_ns; /* HEL_DEADLINE_NEVER, or when to stop waiting */
	int64_t interrupted_result;
	bool is_timed_out;
	bool is_first_attempt;
	uint64_t state[6];
	void (*release)(struct request *request); /* NULL: nothing to undo */
	/* dispatcher's: buffers, wait entries, ops */
	struct request_internal *internal;
};

/*
 * Internal requests (internal-calls.def) have one payload and one piece of output, which every
 * index i names; request_path(request, i) is the i-th of the padded strings that their payload
 * consists of.
 */
/* Input of argument i: borrowed, *out_size bytes; NULL if the pointer was null. */
const void *request_in(struct request *request, unsigned i, size_t *out_size);
/*
 * The heap block that holds exactly the input at `data`, if that has one of its own: it is the
 * caller's then, and request_in() must not be used any more. NULL: the bytes must be copied.
 */
void *request_take_block(struct request *request, const void *data, size_t size);
/* A PATH argument: NUL-terminated, at most POSIX_PATH_MAX with NUL. */
const char *request_path(struct request *request, unsigned i);
/*
 * Where the output of argument i goes, zeroed (INOUT: with the input), of the size asked for; NULL
 * if the pointer was null.
 */
void *request_out(struct request *request, unsigned i, size_t *out_size);
/*
 * For who parks, and has put nothing there that must stay: gives back what request_out() got if it
 * is a block of its own. The next attempt asks again.
 */
void request_forget_out(struct request *request);
/*
 * BULK_OUT: answer with `size` bytes at data, which must stay valid and unchanged until `done` is
 * called (after the reply went; may be NULL for data that live as long as posix).  At most the size
 * asked for.  For data in a temporary buffer: request_bulk_copy.
 */
void request_bulk(struct request *request, const void *data, size_t size,
	void (*done)(void *context), void *context);
/*
 * BULK_OUT: a buffer owned by the request, of the size asked for (at most POSIX_BULK_MAX); NULL: no
 * memory. While the request is parked it is kept only if request_bulk() has named it.
 */
void *request_bulk_buffer(struct request *request, size_t size);
/*
 * The number of bytes of the last OUT_N or BULK_OUT that are valid (defaults to result for
 * BULK_OUT).
 */
void request_set_out_size(struct request *request, size_t size);
/* Park helper; 0 or -LINUX_ENOMEM.  Any number of queues. */
int64_t request_wait_on(struct request *request, struct wait_queue *queue);
/*
 * Whose handler runs, for hooks that get no request and depend on who asks (signalfd's poll); NULL
 * outside of handlers.
 */
struct request *request_current(void);
/* True if a signal would interrupt it now (for handlers that loop). */
bool request_is_interrupted(struct request *request);

/*
 * ---- the table: rows come from calls.def and the internal requests; handlers are called
 * posix_<name>. A row without a handler (weak symbol) answers -LINUX_ENOSYS and is counted in
 * /proc/hati/unimplemented. ----------------
 */
void unimplemented_count(uint32_t number);
/* Writes "number name count\n" lines for /proc/hati/unimplemented; returns bytes. */
size_t unimplemented_print(char *buffer, size_t size);

uint64_t clock_monotonic_ns(void);
uint64_t clock_realtime_ns(void);

#endif

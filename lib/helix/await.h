/* SPDX-License-Identifier: MIT */
/*
 * Waiting for events, interrupts, the clock and other threads, as operations and for tasks.
 *
 * Each struct embeds a helix_operation: await(task, &x.operation.op) or op_start() with a done
 * function.
 */
#ifndef HELIX_AWAIT_H
#define HELIX_AWAIT_H

#include <helix/loop.h>

/* ---- events and interrupts ------------------------------------------------------------------- */

struct helix_event_op {
	struct helix_operation operation;
	hel_handle event; /* an event or irq, needs WAIT */
	uint64_t sequence; /* the last one seen; the new one when finished with 0 */
	uint32_t bits; /* result: the flags that were set and are now cleared */
};

/** helix_event_op_init() - wait until the sequence of @event differs from @sequence, 0 at first */
void helix_event_op_init(struct helix_event_op *wait, hel_handle event, uint64_t sequence);

/**
 * helix_await_event() - wait for an event or interrupt
 * @sequence: the last one seen, 0 at first; updated
 * @out_bits: may be NULL
 */
MUST_USE int helix_await_event(
	struct task *task, hel_handle event, uint64_t *sequence, uint32_t *out_bits);

/* ---- the clock ------------------------------------------------------------------------------- */

/* A timer of the kernel. Prefer timer_op (async/timer.h): it needs no kernel entry of its own. */
struct helix_clock_op {
	struct helix_operation operation;
	uint64_t deadline_ns;
};

/** helix_clock_op_init() - finished with 0 when the monotonic clock has reached @deadline_ns */
void helix_clock_op_init(struct helix_clock_op *wait, uint64_t deadline_ns);

/** helix_await_clock() - wait for a time */
MUST_USE int helix_await_clock(struct task *task, uint64_t deadline_ns);

/** helix_now_ns() - monotonic time, from the clock page if it is mapped, else by a call */
uint64_t helix_now_ns(void);

/* ---- ends ------------------------------------------------------------------------------------ */

struct helix_ends_op {
	struct helix_operation operation;
};

/** helix_ends_op_init() - finished with 0 when what ended before it has given everything back */
void helix_ends_op_init(struct helix_ends_op *wait);

/* ---- threads --------------------------------------------------------------------------------- */

struct helix_observe_op {
	struct helix_operation operation;
	hel_handle thread; /* needs WAIT */
	uint64_t sequence; /* of the last observation, 0 at first; updated */
	struct hel_observe_result result; /* valid when finished with 0 */
};

/**
 * helix_observe_op_init() - wait for the next observation of @thread after @sequence, 0 at first
 */
void helix_observe_op_init(struct helix_observe_op *wait, hel_handle thread, uint64_t sequence);

/** helix_observe() - wait for the next observation of a thread; @sequence is updated */
MUST_USE int helix_observe(struct task *task, hel_handle thread, uint64_t *sequence,
	struct hel_observe_result *out_result);

#endif

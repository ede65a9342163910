/* SPDX-License-Identifier: MIT */
/* What a traced thread does at the points where it may stop: docs/internals/ptrace.md. */
#ifndef POSIX_SHIM_TRACE_H
#define POSIX_SHIM_TRACE_H

#include "shim.h"

constexpr uint64_t SHIM_NO_CALL = ~0ull; /* the number of no system call */

struct shim_trace_point {
	enum posix_trace_point point;
	uint64_t values[4]; /* see enum posix_trace_point */
};

/* Loads this thread's debug registers. */
void shim_load_debug(const struct hel_debug_registers *registers);
/*
 * Tells posix where the thread is, which lets the tracer look at it and change it, and waits until
 * it is to go on. `regs` and `number`, of the call that the thread comes from, are those to go on
 * with afterwards; out_info is filled if the result is a signal to deliver. 0: none.
 */
int64_t shim_trace_report(struct hel_registers *regs, uint64_t *number,
	const struct shim_trace_point *point, struct posix_signal_info *out_info);

/* Whether the way back to the program must be the one that sets the trap flag. */
bool shim_is_stepped(const struct hel_registers *regs);
/* The thread leaves by that way. */
void shim_begin_step(const struct hel_registers *regs);
/* It is back: takes the flag out of the program's; true if the tracer and not the program set it */
bool shim_end_step(struct hel_registers *regs);
/*
 * Asks what becomes of the call *number of a restricted thread, which its tracer may change; the
 * number of the call to make, SHIM_NO_CALL for none: then regs->rax is the result.
 */
uint64_t shim_filter_call(struct hel_registers *regs, uint64_t *number);
/* After clone: reports what posix said is due, and waits for a vforked child. */
void shim_trace_cloned(const struct hel_registers *regs, uint64_t number, int64_t tid);

#endif

/* SPDX-License-Identifier: MIT */
/* Switching the trace, and its rings. */
#ifndef THOR_TRACE_CONTROL_H
#define THOR_TRACE_CONTROL_H

#include <base/types.h>

struct memory;

/**
 * trace_control() - make rings and say what is traced
 * @mask: of enum hel_trace_category
 * @n_events: slots of each CPU's new ring; 0: keep those there are, or give them up if @mask is 0
 * @sample_ns: with HEL_TRACE_SAMPLES, else 0
 *
 * Context: no locks. Return: 0, -ERR_ILLEGAL_ARGS, -ERR_ILLEGAL_STATE (no rings), -ERR_NO_MEMORY,
 * -ERR_UNSUPPORTED (no samples on this machine);
 * THREAD_WAIT_RESTART: call it again with the same arguments after others had their turn.
 */
MUST_USE int trace_control(uint64_t mask, uint64_t n_events, uint64_t sample_ns);

/**
 * trace_ring() - the memory of a CPU's ring, referenced
 *
 * Return: 0, -ERR_OUT_OF_BOUNDS (no such CPU), -ERR_ILLEGAL_STATE (no rings).
 */
MUST_USE int trace_ring(uint64_t cpu_index, struct memory **out_memory);

#endif

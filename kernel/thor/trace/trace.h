/* SPDX-License-Identifier: MIT */
/*
 * The trace: what happens on each CPU, as a ring of events that user mode reads. See
 * docs/internals/trace.md; the format is <abi/hel/trace.h>.
 *
 * TRACE() marks a place where something happens. While its category is off that is one instruction
 * that does nothing; switching a category on writes a jump there (arch_trace_is_on()), while all
 * CPUs are held. So the arguments are evaluated only when somebody looks, and must have no effect.
 *
 * A ring has one writer, its CPU, which runs thor with interrupts off. A non-maskable interrupt may
 * write an event in the middle of another one: a slot is taken by one instruction, and each slot
 * tells by itself whether it is complete.
 */
#ifndef THOR_TRACE_TRACE_H
#define THOR_TRACE_TRACE_H

#include <abi/hel/trace.h>
#include <base/types.h>
#include <thor/arch/trace.h>

/* Of one CPU, which alone changes it. */
struct trace_cpu {
	struct hel_trace_ring *ring; /* in the direct map; NULL: nothing is written */
	struct hel_trace_event *events;
	uint64_t base_ticks;
	uint64_t index_mask;
};

/** TRACE() - write an event of @kind_ with its three words if @category_ is on */
#define TRACE(category_, kind_, a_, b_, c_) \
	do { \
		if (unlikely(arch_trace_is_on(HEL_TRACE_##category_))) { \
			trace_write(HEL_TRACE_##kind_, (uint64_t)(a_), (uint64_t)(b_), \
				(uint64_t)(c_)); \
		} \
	} while (0)

/** trace_write() - append an event to this CPU's ring; any context, also in an NMI; no locks */
__attribute__((cold, noinline, preserve_most)) void trace_write(
	enum hel_trace_kind kind, uint64_t a, uint64_t b, uint64_t c);

#endif

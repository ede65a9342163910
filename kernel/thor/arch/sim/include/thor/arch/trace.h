/* SPDX-License-Identifier: MIT */
/* sim: the trace is a variable that is looked at; its clock is the virtual one. */
#ifndef THOR_ARCH_TRACE_H
#define THOR_ARCH_TRACE_H

#include <abi/hel/errors.h>
#include <base/types.h>

extern uint32_t sim_trace_mask;
extern uint64_t sim_time_ns;

static inline bool arch_trace_is_on(uint32_t category)
{
	return (sim_trace_mask & category) != 0;
}

static inline void arch_trace_switch(uint32_t mask)
{
	sim_trace_mask = mask;
}

static inline int arch_sample_start(UNUSED uint64_t period_ns)
{
	return -ERR_UNSUPPORTED;
}

static inline void arch_sample_stop(void)
{
}

static inline uint64_t arch_trace_ticks(void)
{
	return sim_time_ns;
}

static inline uint64_t arch_trace_take(uint64_t *word)
{
	return (*word)++;
}

#endif

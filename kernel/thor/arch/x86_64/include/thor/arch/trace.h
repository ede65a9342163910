/* SPDX-License-Identifier: MIT */
/*
 * x86-64: what the trace costs where it is off, a no-operation of five bytes, and its clock.
 *
 * Each place is noted in a section, with the address to jump to and its category;
 * arch_trace_switch() turns the no-operation into a jump and back (trace.c).
 */
#ifndef THOR_ARCH_TRACE_H
#define THOR_ARCH_TRACE_H

#include <base/types.h>

/** arch_trace_is_on() - whether @category, a constant, is traced; costs a no-operation or a jump */
static inline __attribute__((always_inline)) bool arch_trace_is_on(uint32_t category)
{
	__asm__ goto("771:	.byte 0x0f, 0x1f, 0x44, 0x00, 0x00\n"
		     "	.pushsection .trace_sites, \"a\", @progbits\n"
		     "	.long 771b - ., %l[on] - ., %c0\n"
		     "	.popsection"
		:
		: "i"(category)
		:
		: on);
	return false;
on:
	return true;
}

/** arch_trace_switch() - trace the categories in @mask; by one CPU at a time */
void arch_trace_switch(uint32_t mask);

/**
 * arch_sample_start() - from now on write a sample of each CPU every @period_ns, about
 *
 * Context: by one CPU at a time. Return: 0, -ERR_UNSUPPORTED.
 */
MUST_USE int arch_sample_start(uint64_t period_ns);

/** arch_sample_stop() - no more samples; harmless if there are none */
void arch_sample_stop(void);

/** arch_trace_ticks() - the clock of events */
static inline uint64_t arch_trace_ticks(void)
{
	uint32_t low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return (uint64_t)high << 32 | low;
}

/** arch_trace_take() - add one to a word that only this CPU and its NMIs change; the old value */
static inline uint64_t arch_trace_take(uint64_t *word)
{
	uint64_t value = 1;

	__asm__ volatile("xaddq %0, %1" : "+r"(value), "+m"(*word) : : "cc");
	return value;
}

#endif

/* SPDX-License-Identifier: MIT */
/* Want of memory that will pass: see shortage.c. */
#ifndef THOR_SCHED_SHORTAGE_H
#define THOR_SCHED_SHORTAGE_H

#include <thor/cpu.h>
#include <thor/sched/thread.h>

/**
 * shortage_will_pass() - what the current thread was doing failed for want of memory: whether it
 * shall do that again from the beginning, because memory may be coming back
 *
 * False after an attempt that began when nothing was coming that had been dropped before the first
 * of the attempts that follow one another. A call that was paused starts afresh.
 * Context: on the way out of the kernel, no locks held.
 */
bool shortage_will_pass(struct thread *thread);

/** shortage_end() - an access was possible, after such attempts or without any */
static inline void shortage_end(struct thread *thread)
{
	if (unlikely((thread->entry & THREAD_ENTRY_SHORT) != 0)) {
		thread->entry &= (uint8_t)~THREAD_ENTRY_SHORT;
	}
}

/** shortage_note() - the kernel could not copy from or to user memory for want of a page */
static inline void shortage_note(void)
{
	struct cpu *cpu = arch_this_cpu();

	cpu->short_call = cpu->n_calls;
}

/** shortage_is_noted() - whether that was in the call that this CPU is making */
static inline bool shortage_is_noted(void)
{
	const struct cpu *cpu = arch_this_cpu();

	return cpu->short_call == cpu->n_calls;
}

#endif

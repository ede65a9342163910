/* SPDX-License-Identifier: MIT */
/*
 * Work that a CPU does on its way out of the kernel, when no lock is held: what somebody found out
 * under a lock and may not act on there.
 *
 * A piece of work is embedded in what it is about, so posting it neither allocates nor fails. It
 * runs on the CPU that posted it, in order. Whoever posts it sees to it that it is not posted
 * twice and that it lives until it runs.
 */
#ifndef THOR_SCHED_WORK_H
#define THOR_SCHED_WORK_H

#include <base/types.h>

struct cpu;

struct work {
	struct work *next; /* on the CPU's list */
	void (*run)(struct work *work); /* no locks held; may post it again or free it */
};

/** work_init() - a piece of work that is not posted */
static inline void work_init(struct work *work, void (*run)(struct work *work))
{
	work->next = NULL;
	work->run = run;
}

/** work_post() - let it run on this CPU's way out of the kernel; any locks may be held */
void work_post(struct work *work);

/**
 * work_do() - run up to @budget pieces of work; called by the scheduler
 * @since_ns: when all that is due was begun, see sched_should_pause()
 *
 * Return: whether there are more.
 */
bool work_do(struct cpu *cpu, unsigned budget, uint64_t since_ns);

#endif

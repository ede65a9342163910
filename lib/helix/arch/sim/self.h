/* SPDX-License-Identifier: MIT */
/* The running thread, as unit tests tell it. */
#ifndef HELIX_ARCH_SIM_SELF_H
#define HELIX_ARCH_SIM_SELF_H

struct helix_thread;

/** helix_self_of_test - set by each thread of a test */
extern _Thread_local struct helix_thread *helix_self_of_test;

/** helix_self() - the calling thread */
static inline struct helix_thread *helix_self(void)
{
	return helix_self_of_test;
}

/** helix_relax() - between two looks at what another thread will change */
static inline void helix_relax(void)
{
	__asm__ volatile("" : : : "memory");
}

#endif

/* SPDX-License-Identifier: MIT */
/* The running thread; fs points to its struct helix_thread, whose first word is its own address. */
#ifndef HELIX_ARCH_X86_64_SELF_H
#define HELIX_ARCH_X86_64_SELF_H

struct helix_thread;

/** helix_self() - of threads that helix_threads_run() has made, and only there */
static inline struct helix_thread *helix_self(void)
{
	struct helix_thread *self;

	__asm__("movq %%fs:0, %0" : "=r"(self));
	return self;
}

/** helix_relax() - between two looks at what another processor will change */
static inline void helix_relax(void)
{
	__asm__ volatile("pause" : : : "memory");
}

#endif

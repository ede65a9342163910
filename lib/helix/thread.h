/* SPDX-License-Identifier: MIT */
/*
 * Programs with several threads.
 *
 * The first thread makes the others, tells them what to do, and from then on only looks after them:
 * when one of them ends or faults the program ends, as it would with its only thread. So whoever
 * watches the program needs to watch one thread. What the program's threads share among themselves
 * is its own business; memory.h, log.h and start.h may be used by all of them at any time, a loop
 * (loop.h) by one at a time.
 */
#ifndef HELIX_THREAD_H
#define HELIX_THREAD_H

#include <helix/await.h>
#include <helix/lock.h>

#if defined(HATI_HOST)
#include <helix/arch/sim/self.h>
#elif defined(__x86_64__)
#include <helix/arch/x86_64/self.h>
#endif

struct helix_thread {
	struct helix_thread *self; /* first: helix_self() */
	void (*run)(struct helix_thread *thread); /* it does not return */
	hel_handle handle;
	uint32_t index;
	struct helix_observe_op observe;
};

/**
 * helix_threads_run() - make @n threads, let each call @run, and look after them
 * @threads: the caller's, and what it points to, for ever
 *
 * Context: the first thread, before there are others.
 */
NORETURN void helix_threads_run(
	struct helix_thread **threads, uint32_t n, void (*run)(struct helix_thread *thread));

#endif

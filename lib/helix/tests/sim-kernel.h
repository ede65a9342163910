/* SPDX-License-Identifier: MIT */
/*
 * A small kernel for unit tests: the hel calls that programs on one loop make, in one host process.
 *
 * It knows queues, streams with all actions, events and the clock, and is written from the ABI's
 * headers, not from thor. Client and server are tasks of the same loop. Time is virtual: when a
 * program waits and nothing can happen before its deadline, the clock jumps there; when nothing
 * can happen at all, the test has failed.
 */
#ifndef HELIX_TESTS_SIM_KERNEL_H
#define HELIX_TESTS_SIM_KERNEL_H

#include <hel/hel-calls.h>

/** sim_kernel_handles() - handles that are open, for leak checks */
size_t sim_kernel_handles(void);

/** sim_kernel_drives() - hel_drive() calls so far */
size_t sim_kernel_drives(void);

/** sim_kernel_timed_waits() - those of them that had to wait, with a deadline */
size_t sim_kernel_timed_waits(void);

/** sim_kernel_alerts() - HEL_SUBMIT_ALERT records so far */
size_t sim_kernel_alerts(void);

/**
 * sim_kernel_deadlocked() - called when nothing can happen any more; supplied by the test, does
 * not return
 */
void sim_kernel_deadlocked(void);

#endif

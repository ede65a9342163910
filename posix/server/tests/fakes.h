/* SPDX-License-Identifier: MIT */
/* What unit tests of posix put in the place of the kernel, the runtime and the file side. */
#ifndef POSIX_TESTS_FAKES_H
#define POSIX_TESTS_FAKES_H

#include <posix/server/process/process-internal.h>

/** fake_now_ns - what the clock says */
extern uint64_t fake_now_ns;

/** fake_realtime_offset_ns - what the wall clock is ahead of it */
extern int64_t fake_realtime_offset_ns;

/**
 * fake_n_steps - how many pieces of straight code were run so far, what tests of scaling compare
 *
 * Unit tests are compiled so that each basic block says that it runs.
 */
extern uint64_t fake_n_steps;

/** fake_run_loop() - deliver what is ready, and timers that have expired, until nothing is left */
void fake_run_loop(void);

/**
 * fake_have_tasks() - from now on the loop is @test_loop, with tasks, and times of its own
 * @test_loop: NULL: the loop without tasks again, which has nothing pending
 */
struct test_loop;
void fake_have_tasks(struct test_loop *test_loop);

/** fake_n_blocks - blocks of helix_malloc() that were not freed; fake_n_bytes - what is in them */
extern size_t fake_n_blocks, fake_n_bytes;
/** fake_fail_allocation - the so-manieth helix_malloc() from now fails; 0: none */
extern size_t fake_fail_allocation;

#endif

/* SPDX-License-Identifier: MIT */
/*
 * A loop for tests on the host: virtual time, reproducible disorder.
 *
 * Time stands still while anything can run and then jumps to the next timer; a test of an hour
 * takes no time. With a seed, ready operations are delivered in random order, and with
 * `cancel_one_in` a suspending task's outermost scope is cancelled now and then. test_loop_run()
 * returns when nothing can happen any more; what still waits then waits for ever.
 */
#ifndef ASYNC_TEST_LOOP_H
#define ASYNC_TEST_LOOP_H

#include <async/loop.h>
#include <base/random.h>

struct test_loop {
	struct loop loop;
	struct async_platform platform;
	struct random random;
	uint64_t now_ns;
	uint64_t cancel_one_in; /* 0: never; may be changed at any time */
	uint64_t n_injected;
	struct loop_config config;
};

struct test_loop_options {
	uint64_t seed;          /* 0: FIFO order */
	size_t n_tasks_max;     /* 0: 64 */
	uint64_t cancel_one_in; /* inject a cancel at one in so many suspensions; needs a seed */
};

/** test_loop_init() - make a loop at time 1 s; aborts if the host has no memory */
void test_loop_init(struct test_loop *test_loop, const struct test_loop_options *options);

/** test_loop_deinit() - release everything; no task may be alive */
void test_loop_deinit(struct test_loop *test_loop);

/** test_loop_run() - run until nothing can happen any more or loop_stop() is called */
void test_loop_run(struct test_loop *test_loop);

#endif

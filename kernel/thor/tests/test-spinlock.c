/* SPDX-License-Identifier: MIT */
/*
 * The order of locks, as debug builds check it. A panic ends the process: each case has its own.
 */
#include "support.h"

#include <thor/spinlock.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static struct spinlock low, high, other_high;

static void init(void)
{
	fixture_begin(2, 4, 1);
	spinlock_init(&low, LOCK_RANK_STREAM);
	spinlock_init(&high, LOCK_RANK_QUEUE);
	spinlock_init(&other_high, LOCK_RANK_QUEUE);
}

/* Whether @body panics. */
static bool panics(void (*body)(void))
{
	fflush(stdout);
	pid_t child = fork();

	if (child == 0) {
		int nowhere = open("/dev/null", O_WRONLY);

		dup2(nowhere, STDOUT_FILENO);
		body();
		_exit(0);
	}
	int status = 0;

	CHECK_EQ(waitpid(child, &status, 0), child);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void take_in_order(void)
{
	spinlock_acquire(&low);
	spinlock_acquire(&high);
	spinlock_release(&low);
	spinlock_release(&high);
	spinlock_acquire_pair(&high, &other_high);
	spinlock_release(&high);
	spinlock_release(&other_high);
	spinlock_acquire(&high);
	/* Nobody waits for a lock that is only tried. */
	if (spinlock_try_acquire(&low)) {
		spinlock_release(&low);
	}
	spinlock_release(&high);
	spinlock_check_none_held();
}

static void take_out_of_order(void)
{
	spinlock_acquire(&high);
	spinlock_acquire(&low);
}

static void take_equal_ranks(void)
{
	spinlock_acquire(&high);
	spinlock_acquire(&other_high);
}

static void take_below_one_that_was_tried(void)
{
	spinlock_acquire(&high);
	if (spinlock_try_acquire(&low)) {
		spinlock_acquire(&other_high);
	}
}

static void take_twice(void)
{
	spinlock_acquire(&low);
	spinlock_acquire(&low);
}

static void release_what_another_cpu_holds(void)
{
	spinlock_acquire(&low);
	sim_switch_cpu(1);
	spinlock_release(&low);
}

static void leave_with_a_lock(void)
{
	spinlock_acquire(&low);
	spinlock_check_none_held();
}

TEST(locks_in_order_are_fine)
{
	init();
	CHECK(!panics(take_in_order));
	take_in_order();
	CHECK(fixture_end());
}

TEST(locks_out_of_order_panic)
{
	init();
	CHECK(panics(take_out_of_order));
	CHECK(panics(take_equal_ranks));
	CHECK(panics(take_below_one_that_was_tried));
	CHECK(panics(take_twice));
	CHECK(fixture_end());
}

TEST(locks_are_released_by_their_holder)
{
	init();
	CHECK(panics(release_what_another_cpu_holds));
	CHECK(panics(leave_with_a_lock));
	CHECK(fixture_end());
}

TEST(locks_know_their_holder)
{
	init();
	CHECK(!spinlock_is_held(&low));
	spinlock_acquire(&low);
	CHECK(spinlock_is_held(&low));
	sim_switch_cpu(1);
	CHECK(!spinlock_is_held(&low));
	sim_switch_cpu(0);
	spinlock_release(&low);
	CHECK(fixture_end());
}

TEST_MAIN()

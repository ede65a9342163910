/* SPDX-License-Identifier: MIT */
/* ITIMER_VIRTUAL and ITIMER_PROF: timers on the processor time that a process uses. */
#include "check.h"

#include <pthread.h>
#include <sys/time.h>
#include <time.h>

static volatile sig_atomic_t n_signals;

static void count(int signal)
{
	(void)signal;
	n_signals++;
}

static int set(int which, long value_us, long interval_us)
{
	struct itimerval time = { .it_value.tv_usec = value_us,
		.it_interval.tv_usec = interval_us };

	return setitimer(which, &time, NULL);
}

static long used_us(void)
{
	struct timespec used;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
	return used.tv_sec * 1000000 + used.tv_nsec / 1000;
}

/* Without a system call, on a processor that nothing interrupts. */
static void burn_until(int n)
{
	while (n_signals < n) {
	}
}

CASE(expires_while_busy)
{
	static const int which[] = { ITIMER_VIRTUAL, ITIMER_PROF };
	static const int signals[] = { SIGVTALRM, SIGPROF };
	struct itimerval left;

	for (int i = 0; i < 2; i++) {
		long start_us = used_us();

		n_signals = 0;
		signal(signals[i], count);
		CHECK_EQ(set(which[i], 50000, 0), 0);
		burn_until(1);
		/* not the least early, and not by much more than a tick of Linux */
		CHECK(used_us() - start_us >= 40000);
		CHECK_EQ(getitimer(which[i], &left), 0);
		CHECK(left.it_value.tv_sec == 0 && left.it_value.tv_usec == 0);
	}
}

CASE(repeats)
{
	struct itimerval old;

	signal(SIGPROF, count);
	CHECK_EQ(set(ITIMER_PROF, 10000, 10000), 0);
	burn_until(3);
	CHECK_EQ(setitimer(ITIMER_PROF, &(struct itimerval){ 0 }, &old), 0);
	CHECK_EQ(old.it_interval.tv_usec, 10000);
	CHECK(old.it_value.tv_usec > 0 && old.it_value.tv_usec <= 14000);
}

CASE(sleeping_is_not_counted)
{
	struct itimerval left;

	signal(SIGPROF, count);
	CHECK_EQ(set(ITIMER_PROF, 500000, 0), 0);
	usleep(30000);
	CHECK_EQ(getitimer(ITIMER_PROF, &left), 0);
	CHECK(left.it_value.tv_usec > 400000);
	CHECK_EQ(n_signals, 0);
}

CASE(ends_who_does_not_handle_it)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		set(ITIMER_VIRTUAL, 20000, 0);
		burn_until(1);
	}
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGVTALRM);
}

CASE(children_do_not_inherit)
{
	int status;

	CHECK_EQ(set(ITIMER_PROF, 900000, 0), 0);
	if (fork() == 0) {
		struct itimerval left;

		getitimer(ITIMER_PROF, &left);
		_exit(left.it_value.tv_usec != 0);
	}
	wait(&status);
	CHECK_EQ(status, 0);
}

static void *burn(void *argument)
{
	burn_until(1);
	return argument;
}

CASE(all_threads_count)
{
	pthread_t thread;

	signal(SIGPROF, count);
	CHECK_EQ(pthread_create(&thread, NULL, burn, NULL), 0);
	CHECK_EQ(set(ITIMER_PROF, 30000, 0), 0);
	CHECK_EQ(pthread_join(thread, NULL), 0);
	CHECK_EQ(n_signals, 1);
}

CASE(wrong_arguments)
{
	CHECK_ERRNO(set(3, 1000, 0), EINVAL);
	CHECK_ERRNO(set(ITIMER_PROF, 1000000, 0), EINVAL);
	CHECK_ERRNO(set(ITIMER_PROF, -1, 0), EINVAL);
}

CASES_MAIN()

/* SPDX-License-Identifier: MIT */
/* Timers on processor time: itimers, timer_create, clock_nanosleep, RLIMIT_CPU. */
#include "check.h"

#include <pthread.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/syscall.h>
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
		/* Linux counts ticks, all of one for who runs then: on a busy machine too many */
		CHECK(used_us() - start_us >= 5000);
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

/* ---- timer_create ---- */

static timer_t timer_on(clockid_t clock, int signal)
{
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = signal };
	timer_t timer = NULL;

	CHECK_EQ(timer_create(clock, &event, &timer), 0);
	return timer;
}

static struct itimerspec spec_of(long long value_ns, long long interval_ns)
{
	return (struct itimerspec){
		.it_value = { value_ns / 1000000000, value_ns % 1000000000 },
		.it_interval = { interval_ns / 1000000000, interval_ns % 1000000000 },
	};
}

static long long clock_ns(clockid_t clock)
{
	struct timespec now;

	CHECK_EQ(clock_gettime(clock, &now), 0);
	return now.tv_sec * 1000000000ll + now.tv_nsec;
}

CASE(timers_expire_while_busy)
{
	clockid_t clocks[4] = { CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID };

	CHECK_EQ(clock_getcpuclockid(getpid(), &clocks[2]), 0);
	CHECK_EQ(pthread_getcpuclockid(pthread_self(), &clocks[3]), 0);
	for (int i = 0; i < 4; i++) {
		struct itimerspec spec = spec_of(30000000, 0), left;
		timer_t timer = timer_on(clocks[i], SIGUSR1);
		long long start_ns = clock_ns(clocks[i]);

		n_signals = 0;
		signal(SIGUSR1, count);
		CHECK_EQ(timer_gettime(timer, &left), 0);
		CHECK_EQ(left.it_value.tv_nsec, 0);
		CHECK_EQ(timer_settime(timer, 0, &spec, NULL), 0);
		CHECK_EQ(timer_gettime(timer, &left), 0);
		CHECK(left.it_value.tv_nsec > 0 && left.it_value.tv_nsec <= 30000000);
		burn_until(1);
		CHECK(clock_ns(clocks[i]) - start_ns >= 30000000);

		n_signals = 0; /* what is over already */
		spec = spec_of(start_ns > 0 ? start_ns : 1, 0);
		CHECK_EQ(timer_settime(timer, TIMER_ABSTIME, &spec, NULL), 0);
		burn_until(1);
		CHECK_EQ(timer_delete(timer), 0);
	}
}

CASE(timers_repeat_and_sleep)
{
	struct itimerspec spec = spec_of(10000000, 10000000), old;
	timer_t timer = timer_on(CLOCK_PROCESS_CPUTIME_ID, SIGUSR1);

	signal(SIGUSR1, count);
	CHECK_EQ(timer_settime(timer, 0, &spec, NULL), 0);
	burn_until(3);
	CHECK(timer_getoverrun(timer) >= 0);
	spec = spec_of(500000000, 0);
	CHECK_EQ(timer_settime(timer, 0, &spec, &old), 0);
	CHECK_EQ(old.it_interval.tv_nsec, 10000000);
	n_signals = 0;
	usleep(30000);
	CHECK_EQ(timer_gettime(timer, &old), 0);
	CHECK(old.it_value.tv_nsec > 400000000);
	CHECK_EQ(n_signals, 0);
}

static int gate[2];

static pid_t burner(void)
{
	pid_t child;

	CHECK_EQ(pipe(gate), 0);
	child = fork();
	if (child == 0) {
		char byte;

		close(gate[1]);
		read(gate[0], &byte, 1);
		burn_until(1);
	}
	return child;
}

CASE(clocks_of_other_processes)
{
	struct itimerspec spec;
	pid_t child = burner();
	clockid_t clock;
	timer_t timer;

	CHECK_EQ(clock_getcpuclockid(child, &clock), 0);
	timer = timer_on(clock, SIGUSR1);
	signal(SIGUSR1, count);
	spec = spec_of(clock_ns(clock) + 20000000, 0);
	CHECK_EQ(write(gate[1], "", 1), 1);
	CHECK_EQ(clock_nanosleep(clock, TIMER_ABSTIME, &spec.it_value, NULL), 0);
	CHECK(clock_ns(clock) >= spec.it_value.tv_sec * 1000000000ll + spec.it_value.tv_nsec);
	spec = spec_of(20000000, 0);
	CHECK_EQ(timer_settime(timer, 0, &spec, NULL), 0);
	while (n_signals == 0) {
		usleep(1000);
	}
	kill(child, SIGKILL);
	CHECK_EQ(waitpid(child, NULL, 0), child);
	CHECK_ERRNO(timer_settime(timer, 0, &spec, NULL), ESRCH);
	CHECK_EQ(timer_delete(timer), 0);
	CHECK_ERRNO(timer_create(clock, NULL, &timer), EINVAL);
	CHECK_EQ(clock_nanosleep(clock, 0, &spec.it_value, NULL), EINVAL);
}

/* ---- clock_nanosleep ---- */

static void *use_time(void *is_over)
{
	while (!*(volatile bool *)is_over) {
	}
	return NULL;
}

static void on_signal(int number)
{
	(void)number;
}

CASE(sleeps_while_others_are_busy)
{
	static bool is_over;
	struct timespec time = { .tv_nsec = 30000000 }, left = { 0 };
	pthread_t thread;
	clockid_t clock;

	CHECK_EQ(pthread_create(&thread, NULL, use_time, &is_over), 0);
	long long start_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID);

	CHECK_EQ(clock_nanosleep(CLOCK_PROCESS_CPUTIME_ID, 0, &time, NULL), 0);
	CHECK(clock_ns(CLOCK_PROCESS_CPUTIME_ID) - start_ns >= 30000000);
	CHECK_EQ(pthread_getcpuclockid(thread, &clock), 0);
	start_ns = clock_ns(clock);
	CHECK_EQ(clock_nanosleep(clock, 0, &time, NULL), 0);
	CHECK(clock_ns(clock) - start_ns >= 30000000);
	is_over = true;
	CHECK_EQ(pthread_join(thread, NULL), 0);

	/* by itself it does not come to an end */
	time = (struct timespec){ .tv_sec = 100 };
	sigaction(SIGALRM, &(struct sigaction){ .sa_handler = on_signal }, NULL);
	setitimer(ITIMER_REAL, &(struct itimerval){ .it_value.tv_usec = 20000 }, NULL);
	CHECK_EQ(clock_nanosleep(CLOCK_PROCESS_CPUTIME_ID, 0, &time, &left), EINTR);
	CHECK(left.tv_sec >= 99 && left.tv_sec <= 100);
}

CASE(clocks_without_sleep)
{
	static const int clocks[] = { CLOCK_THREAD_CPUTIME_ID, CLOCK_MONOTONIC_RAW,
		CLOCK_REALTIME_COARSE, CLOCK_MONOTONIC_COARSE };
	struct timespec time = { 0 };

	for (int i = 0; i < 4; i++) {
		CHECK_ERRNO(syscall(SYS_clock_nanosleep, clocks[i], 0, &time, NULL), EOPNOTSUPP);
	}
	CHECK_ERRNO(syscall(SYS_clock_nanosleep, -2 /* own */, 0, &time, NULL), EINVAL);
	CHECK_ERRNO(syscall(SYS_clock_nanosleep, 77, 0, &time, NULL), EINVAL);
	CHECK_ERRNO(syscall(SYS_clock_nanosleep, CLOCK_PROCESS_CPUTIME_ID, 0, 1, NULL), EFAULT);
}

/* ---- RLIMIT_CPU ---- */

static void limit(rlim_t soft, rlim_t hard)
{
	CHECK_EQ(setrlimit(RLIMIT_CPU, &(struct rlimit){ soft, hard }), 0);
}

static int status_of_burner(rlim_t soft, rlim_t hard)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		limit(soft, hard);
		if (fork() == 0) { /* children inherit it, from the start */
			burn_until(1);
		}
		wait(&status);
		signal(WTERMSIG(status), SIG_DFL);
		kill(getpid(), WIFSIGNALED(status) ? WTERMSIG(status) : 0);
		_exit(0);
	}
	CHECK_EQ(waitpid(child, &status, 0), child);
	return WIFSIGNALED(status) ? WTERMSIG(status) : -status;
}

CASE(limit_of_processor_time)
{
	struct rlimit now;

	CHECK_EQ(status_of_burner(0, RLIM_INFINITY), SIGXCPU);
	CHECK_EQ(status_of_burner(0, 0), SIGKILL);

	/* who handles it has another second */
	signal(SIGXCPU, count);
	limit(0, RLIM_INFINITY);
	burn_until(1);
	CHECK_EQ(getrlimit(RLIMIT_CPU, &now), 0);
	CHECK_EQ(now.rlim_cur, 1);
	CHECK_EQ(now.rlim_max, RLIM_INFINITY);
	n_signals = 0;
	limit(used_us() / 1000000 + 100, RLIM_INFINITY);
	usleep(30000);
	CHECK_EQ(n_signals, 0);
}

CASES_MAIN()

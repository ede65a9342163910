/* SPDX-License-Identifier: MIT */
/* How threads are scheduled: policies, priorities, and that a busy urgent thread can be ended. */
#include "check.h"

#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>

#define RESET_ON_FORK 0x40000000

struct attributes {
	unsigned size, policy;
	unsigned long flags;
	int nice;
	unsigned priority;
	unsigned long runtime, deadline, period;
};

static int set(int policy, int priority)
{
	struct sched_param parameter = { .sched_priority = priority };

	return sched_setscheduler(0, policy, &parameter);
}

CASE(policies_have_bounds)
{
	CHECK_EQ(sched_get_priority_min(SCHED_FIFO), 1);
	CHECK_EQ(sched_get_priority_max(SCHED_RR), 99);
	CHECK_EQ(sched_get_priority_max(SCHED_OTHER), 0);
	CHECK_EQ(sched_get_priority_max(SCHED_IDLE), 0);
	CHECK_EQ(sched_get_priority_min(6), 0);
	CHECK_ERRNO(sched_get_priority_max(4), EINVAL);
	CHECK_ERRNO(sched_get_priority_min(-1), EINVAL);
}

CASE(policy_is_kept)
{
	struct sched_param parameter;
	struct timespec slice;

	CHECK_EQ(sched_getscheduler(0), SCHED_OTHER);
	CHECK_EQ(set(SCHED_RR, 7), 0);
	CHECK_EQ(sched_getscheduler(getpid()), SCHED_RR);
	CHECK_EQ(sched_getparam(0, &parameter), 0);
	CHECK_EQ(parameter.sched_priority, 7);
	parameter.sched_priority = 9;
	CHECK_EQ(sched_setparam(0, &parameter), 0);
	CHECK_EQ(sched_rr_get_interval(0, &slice), 0);
	CHECK(slice.tv_sec == 0 && slice.tv_nsec > 0);
	CHECK_EQ(set(SCHED_FIFO | RESET_ON_FORK, 9), 0);
	CHECK_EQ(sched_getscheduler(0), SCHED_FIFO | RESET_ON_FORK);
	CHECK_EQ(sched_rr_get_interval(0, &slice), 0);
	CHECK_EQ(slice.tv_nsec, 0);
	CHECK_EQ(set(SCHED_BATCH, 0), 0);
	CHECK_EQ(set(SCHED_IDLE, 0), 0);
	CHECK_EQ(set(SCHED_OTHER, 0), 0);
}

CASE(wrong_arguments)
{
	struct sched_param parameter = { 0 };

	CHECK_ERRNO(set(SCHED_OTHER, 1), EINVAL);
	CHECK_ERRNO(set(SCHED_FIFO, 0), EINVAL);
	CHECK_ERRNO(set(SCHED_FIFO, 100), EINVAL);
	CHECK_ERRNO(set(4, 0), EINVAL);
	CHECK_ERRNO(set(-1, 0), EINVAL);
	CHECK_ERRNO(syscall(SYS_sched_setscheduler, 0, 0, NULL), EINVAL);
	CHECK_ERRNO(syscall(SYS_sched_setscheduler, 0, 0, 8), EFAULT);
	CHECK_ERRNO(sched_setscheduler(-1, 0, &parameter), EINVAL);
	CHECK_ERRNO(sched_getscheduler(-1), EINVAL);
	CHECK_ERRNO(sched_getscheduler(0x3ffffff), ESRCH);
	CHECK_ERRNO(syscall(SYS_sched_getparam, 0, NULL), EINVAL);
	CHECK_ERRNO(syscall(SYS_sched_getparam, 0x3ffffff, &parameter), ESRCH);
}

CASE(children_inherit)
{
	int status;

	CHECK_EQ(set(SCHED_RR, 5), 0);
	if (fork() == 0) {
		_exit(sched_getscheduler(0));
	}
	wait(&status);
	CHECK_EQ(WEXITSTATUS(status), SCHED_RR);
	CHECK_EQ(set(SCHED_RR | RESET_ON_FORK, 5), 0);
	if (fork() == 0) {
		_exit(sched_getscheduler(0));
	}
	wait(&status);
	CHECK_EQ(WEXITSTATUS(status), SCHED_OTHER);
}

CASE(exec_keeps_it)
{
	struct sched_param parameter;
	int status;

	if (fork() == 0) {
		parameter.sched_priority = 33;
		sched_setscheduler(0, SCHED_RR, &parameter);
		fclose(stdout);
		execl("/proc/self/exe", "t", "rr_33", NULL);
		_exit(9);
	}
	wait(&status);
	CHECK_EQ(status, 0);
}

/* What exec_keeps_it runs; by itself it has nothing to say. */
CASE(rr_33)
{
	struct sched_param parameter;

	if (sched_getscheduler(0) == SCHED_RR) {
		CHECK_EQ(sched_getparam(0, &parameter), 0);
		CHECK_EQ(parameter.sched_priority, 33);
	}
}

static void *thread_policy(void *argument)
{
	struct sched_param parameter = { .sched_priority = 3 };

	(void)argument;
	if (sched_getscheduler(0) != SCHED_OTHER) {
		return NULL;
	}
	sched_setscheduler(0, SCHED_FIFO, &parameter);
	return (void *)(long)(sched_getscheduler(getpid()) == SCHED_OTHER);
}

CASE(threads_have_their_own)
{
	pthread_t thread;
	void *result;

	CHECK_EQ(pthread_create(&thread, NULL, thread_policy, NULL), 0);
	CHECK_EQ(pthread_join(thread, &result), 0);
	CHECK(result != NULL);
	CHECK_EQ(sched_getscheduler(0), SCHED_OTHER);
}

CASE(others_than_root_need_a_limit)
{
	CHECK_EQ(set(SCHED_RR, 20), 0);
	CHECK_EQ(setuid(65534), 0);
	CHECK_ERRNO(set(SCHED_RR, 21), EPERM);
	CHECK_EQ(set(SCHED_RR, 8), 0);
	CHECK_ERRNO(set(SCHED_RR, 9), EPERM);
	CHECK_ERRNO(set(SCHED_FIFO, 1), EPERM);
	CHECK_EQ(set(SCHED_OTHER | RESET_ON_FORK, 0), 0);
	CHECK_ERRNO(set(SCHED_OTHER, 0), EPERM);
	CHECK_EQ(set(SCHED_IDLE | RESET_ON_FORK, 0), 0);
	CHECK_ERRNO(set(SCHED_OTHER | RESET_ON_FORK, 0), EPERM);
	CHECK_ERRNO(sched_setscheduler(1, SCHED_OTHER, &(struct sched_param){ 0 }), EPERM);
}

static long set_deadline(long runtime_ns, long deadline_ns, long period_ns, long flags)
{
	const struct attributes attributes = {
		.size = sizeof(attributes),
		.policy = 6,
		.flags = (unsigned long)flags,
		.runtime = (unsigned long)runtime_ns,
		.deadline = (unsigned long)deadline_ns,
		.period = (unsigned long)period_ns,
	};

	return syscall(SYS_sched_setattr, 0, &attributes, 0);
}

CASE(deadline_policy_has_times)
{
	struct attributes attributes = { 0 };
	struct timespec slice;

	CHECK_ERRNO(set(6, 0), EINVAL); /* without times */
	CHECK_ERRNO(set_deadline(2000000, 1000000, 3000000, 0), EINVAL);
	CHECK_ERRNO(set_deadline(1000000, 3000000, 2000000, 0), EINVAL);
	CHECK_ERRNO(set_deadline(1000, 1000000, 1000000, 0), EINVAL);
	CHECK_ERRNO(set_deadline(2000, 4000, 4000, 0), EINVAL);
	CHECK_ERRNO(set_deadline(2000, 5000000000, 5000000000, 0), EINVAL);
	CHECK_EQ(set_deadline(1000000, 10000000, 0, 0), 0);
	CHECK_EQ(sched_getscheduler(0), 6);
	CHECK_EQ(syscall(SYS_sched_getattr, 0, &attributes, sizeof(attributes), 0), 0);
	CHECK_EQ(attributes.policy, 6);
	CHECK_EQ(attributes.runtime, 1000000);
	CHECK_EQ(attributes.deadline, 10000000);
	CHECK_EQ(attributes.period, 10000000);
	CHECK_EQ(sched_rr_get_interval(0, &slice), 0);
	CHECK_EQ(slice.tv_nsec, 0);
	CHECK_ERRNO(fork(), EAGAIN);
	CHECK_EQ(set_deadline(2000000, 5000000, 20000000, 1), 0);
	CHECK_EQ(sched_getscheduler(0), 6 | RESET_ON_FORK);
	pid_t child = fork();
	int status;

	if (child == 0) {
		_exit(sched_getscheduler(0));
	}
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_EQ(status, 0); /* SCHED_OTHER */
	CHECK_EQ(set(SCHED_OTHER, 0), 0);
	CHECK_EQ(sched_getscheduler(0), SCHED_OTHER);
}

CASE(deadline_is_for_root)
{
	CHECK_EQ(setuid(65534), 0);
	CHECK_ERRNO(set_deadline(1000000, 10000000, 0, 0), EPERM);
}

/* What all want together must be there; a thread that ends gives back what it had. */
CASE(deadline_time_is_limited)
{
	int n_cpus = (int)sysconf(_SC_NPROCESSORS_ONLN), n = 0, ends[2];
	pid_t children[65];
	char byte;

	CHECK(n_cpus <= 64);
	CHECK_EQ(pipe(ends), 0);
	for (int i = 0; i < n_cpus + 1; i++) {
		children[i] = fork();
		if (children[i] == 0) {
			bool is_granted = set_deadline(90000000, 100000000, 0, 0) == 0;

			byte = is_granted ? 'y' : errno == EBUSY ? 'n' : '?';
			CHECK_EQ(write(ends[1], &byte, 1), 1);
			pause();
		}
	}
	for (int i = 0; i < n_cpus + 1; i++) {
		CHECK_EQ(read(ends[0], &byte, 1), 1);
		CHECK(byte != '?');
		n += byte == 'y';
	}
	CHECK(n >= 1 && n <= n_cpus);
	for (int i = 0; i < n_cpus + 1; i++) {
		kill(children[i], SIGKILL);
		CHECK_EQ(waitpid(children[i], NULL, 0), children[i]);
	}
	CHECK_EQ(set_deadline(90000000, 100000000, 0, 0), 0);
}

static void note_overrun(int signal)
{
	(void)signal;
	_exit(0);
}

/* It may use its time, and is told when it uses more. */
CASE(deadline_overrun_is_told)
{
	signal(SIGXCPU, note_overrun);
	CHECK_EQ(set_deadline(5000000, 1000000000, 0, 4), 0);
	for (;;) {
	}
}

CASE(deadline_overrun_ends_who_has_no_handler)
{
	int status;
	pid_t child = fork();

	if (child == 0) {
		set_deadline(5000000, 1000000000, 0, 4);
		for (;;) {
		}
	}
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGXCPU);
	CHECK_EQ(set_deadline(5000000, 1000000000, 0, 0), 0);
}

static void *wait_for_byte(void *argument)
{
	char byte;

	return (void *)read(*(int *)argument, &byte, 1);
}

static long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static volatile int n_alarms;

static void note_alarm(int signal)
{
	(void)signal;
	n_alarms++;
}

/* Who yields waits for the next period, and no signal shortens that. */
CASE(deadline_is_given_up)
{
	CHECK_EQ(set_deadline(5000000, 20000000, 100000000, 0), 0);
	long start = now_ms();

	CHECK_EQ(sched_yield(), 0);
	long first = now_ms();

	CHECK_EQ(sched_yield(), 0);
	CHECK_EQ(sched_yield(), 0);
	long last = now_ms();

	CHECK(first - start <= 150);
	CHECK(last - first >= 150);
	CHECK(last - start <= 600);
	signal(SIGALRM, note_alarm);
	CHECK_EQ(set_deadline(5000000, 20000000, 300000000, 0), 0);
	sched_yield();
	ualarm(20000, 0);
	start = now_ms();
	sched_yield();
	CHECK(now_ms() - start >= 200);
	CHECK_EQ(n_alarms, 1);
}

/* ---- RLIMIT_RTTIME --------------------------------------------------------------------------- */

static void limit_stretch(rlim_t soft_ms, rlim_t hard_ms)
{
	const struct rlimit limit = { soft_ms * 1000, hard_ms * 1000 };

	setrlimit(RLIMIT_RTTIME, &limit);
}

/* Without a system call. */
static void spin_ms(long ms)
{
	long end = now_ms() + ms;

	while (now_ms() < end) {
	}
}

static volatile int *n_exceeded;

static void note_exceeded(int signal)
{
	(void)signal;
	++*n_exceeded;
}

static int status_of(pid_t child)
{
	int status = -1;

	waitpid(child, &status, 0);
	return status;
}

CASE(real_time_is_limited)
{
	n_exceeded = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t child = fork();

	if (child == 0) {
		limit_stretch(50, 5000);
		set(SCHED_FIFO, 1);
		spin_ms(10000);
		_exit(1);
	}
	int status = status_of(child);

	CHECK(WIFSIGNALED(status));
	CHECK_EQ(WTERMSIG(status), SIGXCPU);
	child = fork();
	if (child == 0) {
		signal(SIGXCPU, note_exceeded);
		set(SCHED_RR, 1);
		limit_stretch(50, 200);
		spin_ms(10000);
		_exit(1);
	}
	status = status_of(child);
	CHECK(WIFSIGNALED(status));
	CHECK_EQ(WTERMSIG(status), SIGKILL);
	CHECK_EQ(*n_exceeded, 1);
}

/* The soft limit rises with each signal. */
CASE(real_time_limit_rises)
{
	struct rlimit limit;

	n_exceeded = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	signal(SIGXCPU, note_exceeded);
	limit_stretch(50, RLIM_INFINITY / 1000);
	set(SCHED_FIFO, 1);
	while (*n_exceeded == 0) {
	}
	CHECK_EQ(getrlimit(RLIMIT_RTTIME, &limit), 0);
	CHECK_EQ(limit.rlim_cur, 1050000);
}

/* Who waits in between, and who is not real-time, has no such limit. */
CASE(real_time_may_wait)
{
	n_exceeded = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	signal(SIGXCPU, note_exceeded);
	limit_stretch(100, 100000);
	spin_ms(300);
	CHECK_EQ(*n_exceeded, 0);
	set(SCHED_FIFO, 1);
	for (int i = 0; i < 8; i++) {
		usleep(1000);
		spin_ms(50);
	}
	CHECK_EQ(*n_exceeded, 0);
	set(SCHED_OTHER, 0);
	spin_ms(300);
	CHECK_EQ(*n_exceeded, 0);
}

CASE(affinity_is_the_threads_own)
{
	cpu_set_t all, one;
	pthread_t thread;
	int ends[2];

	CHECK_EQ(pipe(ends), 0);
	CHECK_EQ(sched_getaffinity(0, sizeof(all), &all), 0);
	CHECK_EQ(pthread_create(&thread, NULL, wait_for_byte, &ends[0]), 0);
	CPU_ZERO(&one);
	CPU_SET(0, &one);
	CHECK_EQ(sched_setaffinity(0, sizeof(one), &one), 0);
	CHECK_EQ(sched_getaffinity(0, sizeof(one), &one), 0);
	CHECK_EQ(CPU_COUNT(&one), 1);
	CHECK_EQ(pthread_getaffinity_np(thread, sizeof(one), &one), 0);
	CHECK_EQ(CPU_COUNT(&one), CPU_COUNT(&all));
	CHECK_EQ(write(ends[1], "", 1), 1);
	CHECK_EQ(pthread_join(thread, NULL), 0);
	CPU_ZERO(&one);
	CHECK_ERRNO(sched_setaffinity(0, sizeof(one), &one), EINVAL);
}

CASE(attributes)
{
	struct attributes attributes = {
		.size = sizeof(attributes), .policy = SCHED_RR, .flags = 1, .priority = 8
	};

	CHECK_EQ(syscall(SYS_sched_setattr, 0, &attributes, 0), 0);
	memset(&attributes, 0, sizeof(attributes));
	CHECK_EQ(syscall(SYS_sched_getattr, 0, &attributes, sizeof(attributes), 0), 0);
	CHECK_EQ(attributes.policy, SCHED_RR);
	CHECK_EQ(attributes.priority, 8);
	CHECK_EQ(attributes.flags, 1);
	attributes = (struct attributes){ .size = sizeof(attributes), .nice = 4 };
	CHECK_EQ(syscall(SYS_sched_setattr, 0, &attributes, 0), 0);
	CHECK_EQ(getpriority(PRIO_PROCESS, 0), 4);
	CHECK_ERRNO(syscall(SYS_sched_setattr, 0, &attributes, 1), EINVAL);
	CHECK_ERRNO(syscall(SYS_sched_setattr, 0, NULL, 0), EINVAL);
	attributes.size = 20;
	CHECK_ERRNO(syscall(SYS_sched_setattr, 0, &attributes, 0), E2BIG);
	CHECK_ERRNO(syscall(SYS_sched_getattr, 0, &attributes, 47, 0), EINVAL);
	CHECK_ERRNO(syscall(SYS_sched_getattr, 0x3ffffff, &attributes, 48, 0), ESRCH);
}

static void *burn(void *argument)
{
	for (;;) {
	}
	return argument;
}

/* More busy urgent threads than processors: the alarm still ends them. */
CASE(urgent_threads_are_ended)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		pthread_t threads[4];

		set(SCHED_RR, 50);
		for (int i = 0; i < 4; i++) {
			pthread_create(&threads[i], NULL, burn, NULL);
		}
		ualarm(50000, 0);
		burn(NULL);
	}
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM);
}

CASES_MAIN()

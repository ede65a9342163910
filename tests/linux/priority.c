/* SPDX-License-Identifier: MIT */
/* Nice values: whose they are, who may change them, what they are worth. */
#include "check.h"

#include <pthread.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>

#define RESET_ON_FORK 0x40000000
#define OTHER_USER    54321

struct attributes {
	unsigned size, policy;
	unsigned long flags;
	int nice;
	unsigned priority;
	unsigned long runtime, deadline, period;
};

static pid_t own_tid(void)
{
	return (pid_t)syscall(SYS_gettid);
}

static int nice_of(pid_t who)
{
	return getpriority(PRIO_PROCESS, (id_t)who);
}

static int set_policy(int policy, int priority)
{
	struct sched_param parameter = { .sched_priority = priority };

	return sched_setscheduler(0, policy, &parameter);
}

static int set_attributes(unsigned policy, int nice, unsigned long flags)
{
	const struct attributes attributes = {
		.size = sizeof(attributes), .policy = policy, .flags = flags, .nice = nice
	};

	return (int)syscall(SYS_sched_setattr, 0, &attributes, 0);
}

/* Fields 18 and 19 of a stat file. */
static void read_stat(const char *path, int *out_priority, int *out_nice)
{
	FILE *file = fopen(path, "r");
	char line[1024];

	CHECK(file != NULL);
	CHECK(fgets(line, sizeof(line), file) != NULL);
	fclose(file);
	CHECK_EQ(sscanf(strrchr(line, ')') + 1,
			 " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %d %d",
			 out_priority, out_nice),
		2);
}

/* A thread that tells its number and stays until the pipe is closed. */
struct stayer {
	pthread_t thread;
	_Atomic pid_t tid;
	int ends[2];
};

static void *stay(void *argument)
{
	struct stayer *stayer = argument;
	char byte;

	stayer->tid = own_tid();
	return (void *)read(stayer->ends[0], &byte, 1);
}

static void start_stayer(struct stayer *stayer)
{
	stayer->tid = 0;
	CHECK_EQ(pipe(stayer->ends), 0);
	CHECK_EQ(pthread_create(&stayer->thread, NULL, stay, stayer), 0);
	while (stayer->tid == 0) {
		sched_yield();
	}
}

static void end_stayer(struct stayer *stayer)
{
	close(stayer->ends[1]);
	CHECK_EQ(pthread_join(stayer->thread, NULL), 0);
	close(stayer->ends[0]);
}

/* ---- whose they are -------------------------------------------------------------------------- */

CASE(it_is_the_threads_own)
{
	struct stayer stayer;
	int priority, value;
	char path[64];

	start_stayer(&stayer);
	CHECK_EQ(setpriority(PRIO_PROCESS, (id_t)stayer.tid, 5), 0);
	CHECK_EQ(nice_of(stayer.tid), 5);
	CHECK_EQ(nice_of(0), 0);
	CHECK_EQ(nice_of(getpid()), 0);
	CHECK_EQ(setpriority(PRIO_PROCESS, 0, 2), 0);
	CHECK_EQ(nice_of(getpid()), 2);
	CHECK_EQ(nice_of(stayer.tid), 5);
	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", stayer.tid);
	read_stat(path, &priority, &value);
	CHECK_EQ(priority, 25);
	CHECK_EQ(value, 5);
	read_stat("/proc/self/stat", &priority, &value);
	CHECK_EQ(priority, 22);
	CHECK_EQ(value, 2);
	end_stayer(&stayer);
}

static void *be_nicer(void *argument)
{
	errno = 0;
	(void)argument;
	return (void *)(long)(nice(3) == 3 && nice(40) == 19 && nice_of(0) == 19);
}

CASE(nice_is_of_the_caller)
{
	pthread_t thread;
	void *result;

	CHECK_EQ(pthread_create(&thread, NULL, be_nicer, NULL), 0);
	CHECK_EQ(pthread_join(thread, &result), 0);
	CHECK(result != NULL);
	CHECK_EQ(nice_of(0), 0);
	CHECK_EQ(nice(-30), -20);
	CHECK_EQ(nice(25), 5);
}

static int child_nice(void)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		_exit(nice_of(0) + 20);
	}
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK(WIFEXITED(status));
	return WEXITSTATUS(status) - 20;
}

static void *fork_from_here(void *argument)
{
	(void)argument;
	setpriority(PRIO_PROCESS, 0, 9);
	return (void *)(long)child_nice();
}

CASE(makers_hand_it_on)
{
	struct stayer stayer;
	pthread_t thread;
	void *result;

	CHECK_EQ(setpriority(PRIO_PROCESS, 0, 4), 0);
	CHECK_EQ(child_nice(), 4);
	start_stayer(&stayer);
	CHECK_EQ(nice_of(stayer.tid), 4);
	end_stayer(&stayer);
	CHECK_EQ(pthread_create(&thread, NULL, fork_from_here, NULL), 0);
	CHECK_EQ(pthread_join(thread, &result), 0);
	CHECK_EQ((long)result, 9);
	CHECK_EQ(child_nice(), 4);
}

CASE(exec_keeps_it)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		setpriority(PRIO_PROCESS, 0, 13);
		fclose(stdout);
		execl("/proc/self/exe", "t", "nice_13", NULL);
		_exit(9);
	}
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_EQ(status, 0);
}

/* What exec_keeps_it runs; by itself it has nothing to say. */
CASE(nice_13)
{
	CHECK(nice_of(0) == 13 || nice_of(0) == 0);
}

CASE(reset_on_fork)
{
	CHECK_EQ(set_attributes(SCHED_OTHER, -3, 1), 0);
	CHECK_EQ(nice_of(0), -3);
	CHECK_EQ(child_nice(), 0);
	CHECK_EQ(set_attributes(SCHED_BATCH, 3, 1), 0);
	CHECK_EQ(child_nice(), 3);
	CHECK_EQ(set_policy(SCHED_RR | RESET_ON_FORK, 5), 0);
	CHECK_EQ(nice_of(0), 3);
	CHECK_EQ(child_nice(), 0);
	CHECK_EQ(set_attributes(SCHED_OTHER, -3, 0), 0);
	CHECK_EQ(child_nice(), -3);
}

/* ---- of several ------------------------------------------------------------------------------ */

CASE(groups_and_users_are_all_their_threads)
{
	struct stayer stayer;
	pid_t child = fork();
	int status;

	if (child == 0) {
		CHECK_EQ(setpgid(0, 0), 0);
		CHECK_EQ(setuid(OTHER_USER), 0);
		start_stayer(&stayer);
		CHECK_EQ(setpriority(PRIO_PGRP, 0, 6), 0);
		CHECK_EQ(nice_of(0), 6);
		CHECK_EQ(nice_of(stayer.tid), 6);
		CHECK_EQ(setpriority(PRIO_PROCESS, (id_t)stayer.tid, 8), 0);
		CHECK_EQ(getpriority(PRIO_PGRP, 0), 6);
		CHECK_EQ(setpriority(PRIO_USER, OTHER_USER, 11), 0);
		CHECK_EQ(nice_of(0), 11);
		CHECK_EQ(nice_of(stayer.tid), 11);
		CHECK_EQ(setpriority(PRIO_PROCESS, 0, 12), 0);
		CHECK_EQ(getpriority(PRIO_USER, 0), 11);
		end_stayer(&stayer);
		_exit(0);
	}
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_EQ(status, 0);
	CHECK_EQ(nice_of(0), 0);
}

CASE(wrong_arguments)
{
	CHECK_ERRNO(setpriority(3, 0, 0), EINVAL);
	CHECK_ERRNO(setpriority(-1, 0, 0), EINVAL);
	CHECK_ERRNO(getpriority(3, 0), EINVAL);
	CHECK_ERRNO(setpriority(PRIO_PROCESS, 0x3ffffff, 0), ESRCH);
	CHECK_ERRNO(getpriority(PRIO_PGRP, 0x3ffffff), ESRCH);
	CHECK_ERRNO(getpriority(PRIO_USER, OTHER_USER + 1), ESRCH);
	CHECK_EQ(setpriority(PRIO_PROCESS, 0, 100), 0);
	CHECK_EQ(nice_of(0), 19);
	CHECK_EQ(setpriority(PRIO_PROCESS, 0, -100), 0);
	CHECK_EQ(nice_of(0), -20);
}

/* ---- first threads that have ended ----------------------------------------------------------- */

static int told[2], held[2];

static void *outlive(void *argument)
{
	char byte;

	pthread_join(*(pthread_t *)argument, NULL);
	CHECK_EQ(write(told[1], "", 1), 1);
	CHECK_EQ(read(held[0], &byte, 1), 0);
	_exit(nice_of(0) == 0 ? nice_of(getpid()) : 99);
}

CASE(it_outlives_the_first_thread)
{
	int status;
	char byte;

	CHECK_EQ(pipe(told), 0);
	CHECK_EQ(pipe(held), 0);
	pid_t child = fork();

	if (child == 0) {
		pthread_t first = pthread_self(), other;

		close(held[1]);
		CHECK_EQ(pthread_create(&other, NULL, outlive, &first), 0);
		CHECK_EQ(setpriority(PRIO_PROCESS, 0, 7), 0);
		pthread_exit(NULL);
	}
	CHECK_EQ(read(told[0], &byte, 1), 1);
	CHECK_EQ(nice_of(child), 7);
	CHECK_EQ(setpriority(PRIO_PROCESS, (id_t)child, 8), 0);
	CHECK_EQ(nice_of(child), 8);
	close(held[1]);
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK(WIFEXITED(status));
	CHECK_EQ(WEXITSTATUS(status), 8);
}

CASE(zombies_still_have_it)
{
	siginfo_t info;
	pid_t child = fork();

	if (child == 0) {
		setpriority(PRIO_PROCESS, 0, 3);
		_exit(0);
	}
	CHECK_EQ(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT), 0);
	CHECK_EQ(nice_of(child), 3);
	CHECK_EQ(waitpid(child, NULL, 0), child);
	CHECK_ERRNO(nice_of(child), ESRCH);
}

/* ---- who may --------------------------------------------------------------------------------- */

/* Not where root is without CAP_SYS_RESOURCE, as in many a container. */
static bool set_limit(rlim_t value)
{
	const struct rlimit limit = { value, value };

	if (prctl(PR_CAPBSET_READ, 24) == 0) {
		return false;
	}
	CHECK_EQ(setrlimit(RLIMIT_NICE, &limit), 0);
	return true;
}

CASE(less_nice_needs_a_limit)
{
	const struct rlimit none = { 0, 0 };

	if (!set_limit(20 + 5)) {
		return;
	}
	CHECK_EQ(setuid(OTHER_USER), 0);
	CHECK_EQ(setpriority(PRIO_PROCESS, 0, 10), 0);
	CHECK_EQ(setpriority(PRIO_PROCESS, 0, -5), 0);
	CHECK_ERRNO(setpriority(PRIO_PROCESS, 0, -6), EACCES);
	CHECK_ERRNO(set_attributes(SCHED_OTHER, -6, 0), EPERM);
	CHECK_EQ(set_attributes(SCHED_OTHER, -4, 0), 0);
	CHECK_EQ(nice_of(0), -4);
	CHECK_EQ(setrlimit(RLIMIT_NICE, &none), 0);
	CHECK_ERRNO(setpriority(PRIO_PROCESS, 0, -5), EACCES);
	CHECK_EQ(setpriority(PRIO_PROCESS, 0, -4), 0);
	CHECK_ERRNO(setpriority(PRIO_PROCESS, 1, 19), EPERM);
	CHECK_EQ(set_policy(SCHED_IDLE, 0), 0);
	CHECK_ERRNO(set_policy(SCHED_OTHER, 0), EPERM);
}

CASE(no_limit_is_none)
{
	if (!set_limit(RLIM_INFINITY)) {
		return;
	}
	CHECK_EQ(setuid(OTHER_USER), 0);
	CHECK_EQ(setpriority(PRIO_PROCESS, 0, -20), 0);
	CHECK_EQ(set_policy(SCHED_IDLE, 0), 0);
	CHECK_EQ(set_policy(SCHED_OTHER, 0), 0);
}

/* ---- with policies --------------------------------------------------------------------------- */

CASE(policies_keep_it)
{
	struct attributes attributes;
	int priority, value;

	CHECK_EQ(setpriority(PRIO_PROCESS, 0, 7), 0);
	CHECK_EQ(set_policy(SCHED_FIFO, 20), 0);
	CHECK_EQ(nice_of(0), 7);
	read_stat("/proc/self/stat", &priority, &value);
	CHECK_EQ(priority, -21);
	CHECK_EQ(value, 7);
	CHECK_EQ(syscall(SYS_sched_getattr, 0, &attributes, sizeof(attributes), 0), 0);
	CHECK_EQ(attributes.nice, 0);
	CHECK_EQ(set_policy(SCHED_BATCH, 0), 0);
	CHECK_EQ(nice_of(0), 7);
	CHECK_EQ(syscall(SYS_sched_getattr, 0, &attributes, sizeof(attributes), 0), 0);
	CHECK_EQ(attributes.nice, 7);
	CHECK_EQ(set_attributes(SCHED_OTHER, 3, 0x10), 0); /* SCHED_FLAG_KEEP_PARAMS */
	CHECK_EQ(nice_of(0), 7);
	CHECK_EQ(set_policy(SCHED_IDLE, 0), 0);
	CHECK_EQ(nice_of(0), 7);
	CHECK_EQ(set_attributes(SCHED_OTHER, 100, 0), 0);
	CHECK_EQ(nice_of(0), 19);
}

CASE(io_priority_is_the_threads_own)
{
	struct stayer stayer;

	start_stayer(&stayer);
	CHECK_EQ(syscall(SYS_ioprio_set, 1, stayer.tid, 2 << 13 | 6), 0);
	CHECK_EQ(syscall(SYS_ioprio_get, 1, stayer.tid), 2 << 13 | 6);
	CHECK(syscall(SYS_ioprio_get, 1, 0) != (2 << 13 | 6));
	end_stayer(&stayer);
}

/* ---- what they are worth --------------------------------------------------------------------- */

struct burner {
	pthread_t thread;
	int policy, nice;
	_Atomic bool is_ready;
};

static _Atomic bool is_over;
static _Atomic int n_ready;

static void *burn(void *argument)
{
	const struct burner *burner = argument;

	if (set_policy(burner->policy, 0) != 0 || setpriority(PRIO_PROCESS, 0, burner->nice) != 0) {
		return argument;
	}
	n_ready++;
	while (!is_over) {
	}
	return NULL;
}

static long used_us(const struct burner *burner)
{
	struct timespec time;
	clockid_t clock;

	CHECK_EQ(pthread_getcpuclockid(burner->thread, &clock), 0);
	CHECK_EQ(clock_gettime(clock, &time), 0);
	return time.tv_sec * 1000000 + time.tv_nsec / 1000;
}

/*
 * Two busy threads on one processor: whether the first one gets at least @min and at most @max
 * times as much as the second one. They run until the second one has had @least_us, or longer if
 * that has not come out until then: who takes a whole machine away for a while takes it from
 * either, and it evens out.
 */
static bool is_worth(struct burner burners[2], long least_us, long min, long max)
{
	long start_us[2], got_us[2];
	bool is_right;
	void *result;
	cpu_set_t one;

	is_over = false;
	n_ready = 0;
	CPU_ZERO(&one);
	CPU_SET(0, &one);
	CHECK_EQ(sched_setaffinity(0, sizeof(one), &one), 0);
	CHECK_EQ(setpriority(PRIO_PROCESS, 0, -20), 0);
	for (int i = 0; i < 2; i++) {
		CHECK_EQ(pthread_create(&burners[i].thread, NULL, burn, &burners[i]), 0);
	}
	while (n_ready < 2) {
		usleep(1000);
	}
	for (int i = 0; i < 2; i++) {
		start_us[i] = used_us(&burners[i]);
	}
	do {
		usleep(5000);
		for (int i = 0; i < 2; i++) {
			got_us[i] = used_us(&burners[i]) - start_us[i];
		}
		is_right = got_us[0] >= min * got_us[1] && got_us[0] <= max * got_us[1];
	} while (got_us[1] < least_us || (!is_right && got_us[1] < 20 * least_us));
	is_over = true;
	for (int i = 0; i < 2; i++) {
		CHECK_EQ(pthread_join(burners[i].thread, &result), 0);
		CHECK(result == NULL);
	}
	return is_right;
}

/* 1024 to 335: 3.06 */
CASE(nicer_threads_get_less)
{
	struct burner burners[2] = { { .nice = 0 }, { .nice = 5 } };

	CHECK(is_worth(burners, 100000, 2, 4));
}

/* 1024 to 15: 68 */
CASE(the_nicest_goes_on)
{
	struct burner burners[2] = { { .nice = 0 }, { .nice = 19 } };

	CHECK(is_worth(burners, 5000, 20, 200));
}

/* 15 to 3 */
CASE(idle_goes_on)
{
	struct burner burners[2] = { { .nice = 19 }, { .policy = SCHED_IDLE, .nice = -20 } };

	CHECK(is_worth(burners, 50000, 3, 8));
}

static void *burn_for_ever(void *argument)
{
	for (;;) {
	}
	return argument;
}

/* More busy threads than processors that weigh as much as can be: the alarm still ends them. */
CASE(heavy_threads_are_ended)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		pthread_t threads[4];

		setpriority(PRIO_PROCESS, 0, -20);
		for (int i = 0; i < 4; i++) {
			pthread_create(&threads[i], NULL, burn_for_ever, NULL);
		}
		ualarm(50000, 0);
		burn_for_ever(NULL);
	}
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM);
}

CASES_MAIN()

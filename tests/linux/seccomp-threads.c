/* SPDX-License-Identifier: MIT */
/* seccomp and threads: whose filters are whose, TSYNC, the end of one thread. */
#include "seccomp.h"

#include <pthread.h>

static pthread_barrier_t barrier;

static void meet(void)
{
	pthread_barrier_wait(&barrier);
}

static long getpgrp_error(void)
{
	errno = 0;
	return syscall(SYS_getpgrp) == -1 ? errno : 0;
}

/* What a thread finds at three moments. */
struct finding {
	long errors[3];
	pid_t tid;
	const struct sock_filter *own; /* NULL: it installs nothing */
};

static void *look_three_times(void *argument)
{
	struct finding *finding = argument;

	finding->tid = (pid_t)syscall(SYS_gettid);
	if (finding->own) {
		install(0, finding->own, 4);
	}
	for (int i = 0; i < 3; i++) {
		meet();
		finding->errors[i] = getpgrp_error();
		meet();
	}
	return NULL;
}

CASE(a_filter_is_one_threads)
{
	struct finding finding = { 0 };
	pthread_t thread;

	no_new_privileges();
	pthread_barrier_init(&barrier, NULL, 2);
	CHECK_EQ(pthread_create(&thread, NULL, look_three_times, &finding), 0);
	CHECK_EQ(INSTALL(0, FILTER_CALL(SYS_getpgrp, SECCOMP_RET_ERRNO | 9)), 0);
	meet();
	meet();
	/* and all of them get this one */
	CHECK_EQ(INSTALL(SECCOMP_FILTER_FLAG_TSYNC,
			 FILTER_CALL(SYS_getppid, SECCOMP_RET_ERRNO | 10)),
		0);
	meet();
	meet();
	meet();
	meet();
	pthread_join(thread, NULL);
	CHECK_EQ(finding.errors[0], 0);
	CHECK_EQ(finding.errors[1], 9);
	CHECK_EQ(finding.errors[2], 9);
	CHECK_EQ(getpgrp_error(), 9);
}

CASE(threads_inherit_filters)
{
	struct finding finding = { 0 };
	pthread_t thread;

	no_new_privileges();
	pthread_barrier_init(&barrier, NULL, 2);
	CHECK_EQ(INSTALL(0, FILTER_CALL(SYS_getpgrp, SECCOMP_RET_ERRNO | 9)), 0);
	CHECK_EQ(pthread_create(&thread, NULL, look_three_times, &finding), 0);
	for (int i = 0; i < 6; i++) {
		meet();
	}
	pthread_join(thread, NULL);
	CHECK_EQ(finding.errors[0], 9);
}

CASE(threads_with_filters_of_their_own_are_not_synchronised)
{
	static const struct sock_filter own[] = FILTER_CALL(SYS_getpgrp, SECCOMP_RET_ERRNO | 11);
	struct finding finding = { .own = own };
	pthread_t thread;

	no_new_privileges();
	pthread_barrier_init(&barrier, NULL, 2);
	CHECK_EQ(pthread_create(&thread, NULL, look_three_times, &finding), 0);
	meet();
	meet();
	CHECK_EQ(finding.errors[0], 11);
	CHECK_EQ(INSTALL(SECCOMP_FILTER_FLAG_TSYNC,
			 FILTER_CALL(SYS_getppid, SECCOMP_RET_ERRNO | 10)),
		finding.tid);
	CHECK_ERRNO(INSTALL(SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_TSYNC_ESRCH,
			    FILTER_CALL(SYS_getppid, SECCOMP_RET_ERRNO | 10)),
		ESRCH);
	CHECK_EQ(prctl(PR_GET_SECCOMP), 0);
	CHECK(syscall(SYS_getppid) > 0);
	for (int i = 0; i < 4; i++) {
		meet();
	}
	pthread_join(thread, NULL);
	CHECK_EQ(finding.errors[2], 11);
}

/* A call that is under way when filters come is not theirs; the next one is. */
static int pipes[2];
static long read_result, second_error;

static void *read_and_look(void *unused)
{
	char byte;

	(void)unused;
	meet();
	read_result = read(pipes[0], &byte, 1);
	errno = 0;
	second_error = read(pipes[0], &byte, 1) == -1 ? errno : 0;
	return NULL;
}

CASE(a_call_under_way_goes_on)
{
	pthread_t thread;

	CHECK_EQ(pipe(pipes), 0);
	no_new_privileges();
	pthread_barrier_init(&barrier, NULL, 2);
	CHECK_EQ(pthread_create(&thread, NULL, read_and_look, NULL), 0);
	meet();
	usleep(50000);
	CHECK_EQ(INSTALL(SECCOMP_FILTER_FLAG_TSYNC, FILTER_CALL(SYS_read, SECCOMP_RET_ERRNO | 9)),
		0);
	CHECK_EQ(write(pipes[1], "x", 1), 1);
	pthread_join(thread, NULL);
	CHECK_EQ(read_result, 1);
	CHECK_EQ(second_error, 9);
}

/* Threads that call without end while filters come: no call goes wrong. */
static volatile bool is_over;
static volatile long n_wrong;

static void *call_without_end(void *unused)
{
	char bytes[16];
	int zero = *(int *)unused;

	while (!is_over) {
		if (read(zero, bytes, sizeof(bytes)) != sizeof(bytes) || getppid() <= 0 ||
			getpgid(0) < 0 || lseek(zero, 0, SEEK_CUR) != 0) {
			__atomic_add_fetch(&n_wrong, 1, __ATOMIC_RELAXED);
		}
	}
	return NULL;
}

CASE(filters_come_while_others_call)
{
	pthread_t threads[3];
	FILE *zero = fopen("/dev/zero", "r");
	int fd = zero ? fileno(zero) : -1;

	CHECK(fd >= 0);
	no_new_privileges();
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(pthread_create(&threads[i], NULL, call_without_end, &fd), 0);
	}
	for (int i = 0; i < 20; i++) {
		usleep(1000);
		CHECK_EQ(INSTALL(SECCOMP_FILTER_FLAG_TSYNC,
				 FILTER_ARGUMENT(i % 2 ? SYS_read : SYS_getpgid, 0, 99,
					 SECCOMP_RET_ERRNO | 9)),
			0);
	}
	is_over = true;
	for (int i = 0; i < 3; i++) {
		pthread_join(threads[i], NULL);
	}
	CHECK_EQ(n_wrong, 0);
}

/* ---- the end of one thread ------------------------------------------------------------------- */

static void *die_of_a_filter(void *unused)
{
	(void)unused;
	INSTALL(0, FILTER_CALL(SYS_getpgrp, SECCOMP_RET_KILL_THREAD));
	syscall(SYS_getpgrp);
	return NULL;
}

static void *die_of_strict_mode(void *unused)
{
	(void)unused;
	prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT, 0, 0, 0);
	syscall(SYS_getpgrp);
	return NULL;
}

CASE(one_thread_is_killed)
{
	pthread_t thread;

	no_new_privileges();
	CHECK_EQ(pthread_create(&thread, NULL, die_of_a_filter, NULL), 0);
	CHECK_EQ(pthread_join(thread, NULL), 0);
	CHECK_EQ(getpgrp_error(), 0);
	CHECK_EQ(pthread_create(&thread, NULL, die_of_strict_mode, NULL), 0);
	CHECK_EQ(pthread_join(thread, NULL), 0);
	CHECK_EQ(prctl(PR_GET_SECCOMP), 0);
}

static void *kill_all(void *unused)
{
	(void)unused;
	INSTALL(0, FILTER_CALL(SYS_getpgrp, SECCOMP_RET_KILL_PROCESS));
	syscall(SYS_getpgrp);
	return NULL;
}

static int killed_by_a_thread(void)
{
	pthread_t thread;

	pthread_create(&thread, NULL, kill_all, NULL);
	pthread_join(thread, NULL);
	return 1;
}

CASE(all_threads_are_killed)
{
	CHECK_KILLED(killed_by_a_thread, SIGSYS);
}

CASES_MAIN()

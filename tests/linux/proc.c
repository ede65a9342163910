/* SPDX-License-Identifier: MIT */
/* What /proc says of processes and threads, and what can be written to it. */
#include "check.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define NOBODY 65534

static char text[65536];

/* The whole text of a file; "" if it cannot be read. */
static const char *read_text(const char *path)
{
	int fd = open(path, O_RDONLY);
	ssize_t n, used = 0;

	text[0] = '\0';
	if (fd < 0) {
		return text;
	}
	while ((n = read(fd, text + used, sizeof(text) - 1 - (size_t)used)) > 0) {
		used += n;
	}
	text[used] = '\0';
	close(fd);
	return text;
}

static int write_text(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY);
	ssize_t n = fd < 0 ? -1 : write(fd, value, strlen(value));
	int error = errno;

	close(fd);
	errno = error;
	return n == (ssize_t)strlen(value) ? 0 : -1;
}

/* ---- threads --------------------------------------------------------------------------------- */

static pthread_barrier_t barrier;
static pid_t tid_of_other;

static void *other_thread(void *unused)
{
	tid_of_other = (pid_t)syscall(SYS_gettid);
	prctl(PR_SET_NAME, "worker with a long name");
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	return unused;
}

CASE(a_thread_has_its_own_name)
{
	char path[64], name[17] = "";
	pthread_t thread;

	prctl(PR_SET_NAME, "leader");
	pthread_barrier_init(&barrier, NULL, 2);
	CHECK_EQ(pthread_create(&thread, NULL, other_thread, NULL), 0);
	pthread_barrier_wait(&barrier);
	CHECK(!strcmp(read_text("/proc/self/comm"), "leader\n"));
	snprintf(path, sizeof(path), "/proc/self/task/%d/comm", tid_of_other);
	CHECK(!strcmp(read_text(path), "worker with a l\n"));
	CHECK_EQ(write_text(path, "odd\n"), 0); /* the end of line is part of it */
	CHECK(!strcmp(read_text(path), "odd\n\n"));
	CHECK_EQ(write_text(path, "renamed"), 0);
	CHECK(!strcmp(read_text(path), "renamed\n"));
	CHECK_EQ(prctl(PR_GET_NAME, name), 0);
	CHECK(!strcmp(name, "leader"));
	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid_of_other);
	snprintf(name, sizeof(name), "%d (renamed", tid_of_other);
	CHECK(!strncmp(read_text(path), name, strlen(name)));
	snprintf(path, sizeof(path), "/proc/self/task/%d/status", tid_of_other);
	CHECK(strstr(read_text(path), "Name:\trenamed\n"));
	snprintf(path, sizeof(path), "\nPid:\t%d\n", tid_of_other);
	CHECK(strstr(text, path));
	snprintf(path, sizeof(path), "\nTgid:\t%d\n", getpid());
	CHECK(strstr(text, path));
	pthread_barrier_wait(&barrier);
	pthread_join(thread, NULL);
}

static void *forking_thread(void *out_pid)
{
	prctl(PR_SET_NAME, "forker");
	pid_t pid = fork();

	if (pid == 0) {
		_exit(strcmp(read_text("/proc/self/comm"), "forker\n") != 0);
	}
	*(pid_t *)out_pid = pid;
	return NULL;
}

CASE(a_child_has_the_name_of_the_thread_that_forked)
{
	pthread_t thread;
	int status;
	pid_t pid;

	CHECK_EQ(pthread_create(&thread, NULL, forking_thread, &pid), 0);
	pthread_join(thread, NULL);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
}

/* ---- who is ended when memory is ------------------------------------------------------------- */

CASE(oom_score_adj_is_checked_and_inherited)
{
	const char *path = "/proc/self/oom_score_adj";
	int status;

	CHECK_EQ(write_text(path, "500\n"), 0);
	CHECK(!strcmp(read_text(path), "500\n"));
	CHECK_EQ(write_text(path, "3"), 0);
	CHECK(!strcmp(read_text(path), "3\n"));
	CHECK(write_text(path, "1001") < 0 && errno == EINVAL);
	CHECK(write_text(path, "-1001") < 0 && errno == EINVAL);
	CHECK(write_text(path, "many") < 0 && errno == EINVAL);
	pid_t pid = fork();

	if (pid == 0) {
		_exit(strcmp(read_text(path), "3\n") != 0);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	CHECK(read_text("/proc/self/oom_score")[0] != '\0');
}

CASE(oom_score_adj_is_not_lowered_without_privilege)
{
	const char *path = "/proc/self/oom_score_adj";

	CHECK_EQ(write_text(path, "100"), 0);
	CHECK_EQ(setresuid(NOBODY, NOBODY, NOBODY), 0);
	prctl(PR_SET_DUMPABLE, 1);
	CHECK_EQ(write_text(path, "300"), 0);
	CHECK_EQ(write_text(path, "100"), 0);
	CHECK(write_text(path, "-1") < 0 && errno == EACCES);
}

CASES_MAIN()

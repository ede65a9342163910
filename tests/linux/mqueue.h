/* SPDX-License-Identifier: MIT */
/* What the tests of POSIX message queues share. */
#ifndef TESTS_LINUX_MQUEUE_H
#define TESTS_LINUX_MQUEUE_H

#include "check.h"

#include <fcntl.h>
#include <mqueue.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

#define NOBODY 65534

/* Writes to /proc/sys/fs/mqueue; what that says. */
static int set_limit(const char *name, const char *value)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/sys/fs/mqueue/%s", name);
	fd = open(path, O_WRONLY);
	CHECK(fd >= 0);
	ssize_t n = write(fd, value, strlen(value));
	int error = errno;

	close(fd);
	errno = error;
	return n == (ssize_t)strlen(value) ? 0 : -1;
}

/* Queues that nobody else sees, which go with the case; on Hati there is one space of names. */
static void own_queues(void)
{
	if (access("/proc/hati", F_OK) != 0) {
		CHECK_EQ(unshare(CLONE_NEWIPC), 0);
		return;
	}
	CHECK_EQ(set_limit("queues_max", "256"), 0);
	CHECK_EQ(set_limit("msg_max", "10"), 0);
	CHECK_EQ(set_limit("msgsize_max", "8192"), 0);
	CHECK_EQ(set_limit("msg_default", "10"), 0);
	CHECK_EQ(set_limit("msgsize_default", "8192"), 0);
}

/* A queue without a name. */
__attribute__((unused)) static mqd_t nameless(int flags, long n_messages_max, long size_max)
{
	struct mq_attr attributes = { .mq_maxmsg = n_messages_max, .mq_msgsize = size_max };
	char name[32];

	snprintf(name, sizeof(name), "/nameless-%d", getpid());
	mqd_t queue = mq_open(name, O_CREAT | O_EXCL | flags, 0600, &attributes);

	CHECK(queue >= 0);
	CHECK_EQ(mq_unlink(name), 0);
	return queue;
}

/* Sends a text, which must succeed. */
__attribute__((unused)) static void put(mqd_t queue, const char *text, unsigned priority)
{
	CHECK_EQ(mq_send(queue, text, strlen(text), priority), 0);
}

/* Receives that text of that priority, which must be there. */
#define CHECK_GET(queue_, text_, priority_) \
	do { \
		char check_bytes_[8192] = ""; \
		unsigned check_priority_ = ~0u; \
		CHECK_EQ(mq_receive(queue_, check_bytes_, sizeof(check_bytes_), &check_priority_), \
			strlen(text_)); \
		CHECK(strcmp(check_bytes_, text_) == 0); \
		CHECK_EQ(check_priority_, priority_); \
	} while (0)

__attribute__((unused)) static long n_messages(mqd_t queue)
{
	struct mq_attr attributes;

	return mq_getattr(queue, &attributes) ? -1 : attributes.mq_curmsgs;
}

/* A moment of the wall clock, in milliseconds from now. */
__attribute__((unused)) static struct timespec in_ms(long ms)
{
	struct timespec then;

	clock_gettime(CLOCK_REALTIME, &then);
	then.tv_sec += ms / 1000;
	then.tv_nsec += ms % 1000 * 1000000;
	if (then.tv_nsec >= 1000000000) {
		then.tv_sec++;
		then.tv_nsec -= 1000000000;
	}
	return then;
}

/* Waits until a thread of that process sleeps, which is in a call that waits. */
__attribute__((unused)) static void await_thread(pid_t pid, pid_t tid)
{
	char path[64], text[512];

	snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", pid, tid);
	for (;;) {
		int fd = open(path, O_RDONLY);
		ssize_t n = read(fd, text, sizeof(text) - 1);

		close(fd);
		CHECK(n > 0);
		text[n] = '\0';
		if (strrchr(text, ')')[2] == 'S') {
			return;
		}
		usleep(1000);
	}
}

__attribute__((unused)) static void await_sleep(pid_t pid)
{
	await_thread(pid, pid);
}

/* Waits for a child and gives what it exited with, or -1. */
__attribute__((unused)) static int exit_code(pid_t child)
{
	int status;

	return waitpid(child, &status, 0) == child && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

#endif

/* SPDX-License-Identifier: MIT */
/* seccomp: calls that somebody else answers. */
#include "seccomp.h"

#include <poll.h>
#include <pthread.h>
#include <sys/ioctl.h>

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1u << 5)
#endif

static int listener = -1;
static unsigned extra_flags;
static pthread_barrier_t barrier;
static volatile pid_t caller_tid;
static volatile long results[4];
static volatile int errors[4];

static void call(int i)
{
	errno = 0;
	results[i] = syscall(SYS_getpgid, 11, 22, 33);
	errors[i] = errno;
}

/* Restricts itself, and leaves the listener to the others; then so many calls. */
static void *call_so_often(void *argument)
{
	caller_tid = (pid_t)syscall(SYS_gettid);
	listener = (int)INSTALL(SECCOMP_FILTER_FLAG_NEW_LISTENER | extra_flags,
		FILTER_CALL(SYS_getpgid, SECCOMP_RET_USER_NOTIF));
	pthread_barrier_wait(&barrier);
	for (long i = 0; i < (long)argument; i++) {
		call((int)i);
	}
	return NULL;
}

static pthread_t start_caller(long n_calls)
{
	pthread_t thread;

	no_new_privileges();
	pthread_barrier_init(&barrier, NULL, 2);
	CHECK_EQ(pthread_create(&thread, NULL, call_so_often, (void *)n_calls), 0);
	pthread_barrier_wait(&barrier);
	CHECK(listener >= 0);
	return thread;
}

static struct seccomp_notif receive(void)
{
	struct seccomp_notif notification = { 0 };

	CHECK_EQ(ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &notification), 0);
	return notification;
}

static void answer(uint64_t id, long value, int error, uint32_t flags)
{
	struct seccomp_notif_resp response = {
		.id = id, .val = value, .error = error, .flags = flags
	};

	CHECK_EQ(ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response), 0);
}

static short events_of(int fd)
{
	struct pollfd entry = { .fd = fd, .events = POLLIN | POLLOUT };

	CHECK(poll(&entry, 1, 0) >= 0);
	return entry.revents;
}

CASE(flags)
{
	uint32_t action = SECCOMP_RET_USER_NOTIF;

	no_new_privileges();
	CHECK_EQ(syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action), 0);
	CHECK_ERRNO(INSTALL(SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_TSYNC,
			    { RETURN(SECCOMP_RET_ALLOW) }),
		EINVAL);
	CHECK_ERRNO(INSTALL(SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, { RETURN(SECCOMP_RET_ALLOW) }),
		EINVAL);
	int fd = (int)INSTALL(SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_TSYNC |
			SECCOMP_FILTER_FLAG_TSYNC_ESRCH,
		{ RETURN(SECCOMP_RET_ALLOW) });
	CHECK(fd >= 0);
	/* one listener at a time */
	CHECK_ERRNO(
		INSTALL(SECCOMP_FILTER_FLAG_NEW_LISTENER, { RETURN(SECCOMP_RET_ALLOW) }), EBUSY);
	CHECK_EQ(close(fd), 0);
	CHECK_EQ(INSTALL(SECCOMP_FILTER_FLAG_NEW_LISTENER, { RETURN(SECCOMP_RET_ALLOW) }), fd);
}

CASE(answers)
{
	pthread_t thread = start_caller(3);
	struct seccomp_notif notification = receive();

	CHECK_EQ(notification.pid, caller_tid);
	CHECK_EQ(notification.flags, 0);
	CHECK_EQ(notification.data.nr, SYS_getpgid);
	CHECK_EQ(notification.data.arch, AUDIT_ARCH_X86_64);
	CHECK_EQ(notification.data.args[0], 11);
	CHECK_EQ(notification.data.args[2], 33);
	CHECK_EQ(ioctl(listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &notification.id), 0);
	answer(notification.id, 4711, 0, 0);
	uint64_t first = notification.id;
	notification = receive();
	CHECK(notification.id != first);
	CHECK_ERRNO(ioctl(listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &first), ENOENT);
	answer(notification.id, 0, -77, 0);
	notification = receive();
	answer(notification.id, 0, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE);
	pthread_join(thread, NULL);
	CHECK_EQ(results[0], 4711);
	CHECK_EQ(results[1], -1);
	CHECK_EQ(errors[1], 77);
	CHECK_EQ(results[2], -1); /* there is no process 11 */
	CHECK_EQ(errors[2], ESRCH);
}

CASE(wrong_answers)
{
	pthread_t thread = start_caller(1);
	struct seccomp_notif notification = { .flags = 1 };
	struct seccomp_notif_resp response = { .id = 12345 };

	CHECK_ERRNO(ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &notification), EINVAL);
	CHECK_ERRNO(ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response), ENOENT);
	notification = receive();
	response.id = notification.id;
	response.flags = 2;
	CHECK_ERRNO(ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response), EINVAL);
	response.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
	response.val = 1;
	CHECK_ERRNO(ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response), EINVAL);
	CHECK_ERRNO(ioctl(listener, 0x5401, &response), EINVAL);
	answer(notification.id, 1, 0, 0);
	pthread_join(thread, NULL);
	CHECK_EQ(results[0], 1);
}

CASE(what_poll_tells)
{
	pthread_t thread = start_caller(1);
	struct pollfd entry = { .fd = listener, .events = POLLIN };

	CHECK_EQ(poll(&entry, 1, 10000), 1);
	CHECK_EQ(events_of(listener), POLLIN);
	struct seccomp_notif notification = receive();
	CHECK_EQ(events_of(listener), POLLOUT);
	answer(notification.id, 0, 0, 0);
	pthread_join(thread, NULL);
	/* nobody has the filter any more */
	entry.events = 0;
	CHECK_EQ(poll(&entry, 1, 10000), 1);
	CHECK_EQ(entry.revents, POLLHUP);
}

CASE(a_listener_that_is_closed)
{
	pthread_t thread = start_caller(2);

	receive();
	CHECK_EQ(close(listener), 0);
	pthread_join(thread, NULL);
	CHECK_EQ(results[0], -1);
	CHECK_EQ(errors[0], ENOSYS);
	CHECK_EQ(results[1], -1);
	CHECK_EQ(errors[1], ENOSYS);
}

static volatile int n_signals;

static void count_signal(int signal)
{
	(void)signal;
	n_signals++;
}

CASE(a_signal_ends_the_wait)
{
	struct sigaction action = { .sa_handler = count_signal };

	CHECK_EQ(sigaction(SIGUSR1, &action, NULL), 0);
	pthread_t thread = start_caller(1);
	struct seccomp_notif notification = receive();
	struct seccomp_notif_resp response = { .id = notification.id };

	pthread_kill(thread, SIGUSR1);
	pthread_join(thread, NULL);
	CHECK_EQ(n_signals, 1);
	CHECK_EQ(results[0], -1);
	CHECK_EQ(errors[0], EINTR);
	CHECK_ERRNO(ioctl(listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &notification.id), ENOENT);
	CHECK_ERRNO(ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response), ENOENT);
}

CASE(a_call_that_was_received_waits_for_its_answer)
{
	struct sigaction action = { .sa_handler = count_signal };

	CHECK_EQ(sigaction(SIGUSR1, &action, NULL), 0);
	extra_flags = SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
	pthread_t thread = start_caller(1);
	struct seccomp_notif notification = receive();

	pthread_kill(thread, SIGUSR1);
	usleep(20000);
	CHECK_EQ(n_signals, 0);
	answer(notification.id, 5, 0, 0);
	pthread_join(thread, NULL);
	CHECK_EQ(n_signals, 1);
	CHECK_EQ(results[0], 5);
}

CASE(children_are_told_of_too)
{
	int status;

	no_new_privileges();
	listener = (int)INSTALL(
		SECCOMP_FILTER_FLAG_NEW_LISTENER, FILTER_CALL(SYS_getpgid, SECCOMP_RET_USER_NOTIF));
	CHECK(listener >= 0);
	pid_t child = fork();
	if (child == 0) {
		_exit((int)syscall(SYS_getpgid, 0));
	}
	struct seccomp_notif notification = receive();
	CHECK_EQ(notification.pid, child);
	answer(notification.id, 9, 0, 0);
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_EQ(status, 9 << 8);
	/* one that is killed while it waits */
	child = fork();
	if (child == 0) {
		_exit((int)syscall(SYS_getpgid, 0));
	}
	notification = receive();
	kill(child, SIGKILL);
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_ERRNO(ioctl(listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &notification.id), ENOENT);
}

CASES_MAIN()

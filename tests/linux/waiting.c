/* SPDX-License-Identifier: MIT */
/* Waiting for more descriptors at once than one request between shim and posix carries. */
#include "check.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <time.h>

#define N 1000

static struct pollfd fds[N];
static struct epoll_event events[N];

static long elapsed_ms(const struct timespec *begin)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (now.tv_sec - begin->tv_sec) * 1000 + (now.tv_nsec - begin->tv_nsec) / 1000000;
}

/* A child that does `count` after a moment. */
static pid_t add_later(int fd)
{
	pid_t child = fork();

	if (child == 0) {
		usleep(20000);
		_exit(eventfd_write(fd, 1) != 0);
	}
	return child;
}

/* All records are of `silent` but one. */
static void fill(int silent, int i, int fd)
{
	for (int k = 0; k < N; k++) {
		fds[k] = (struct pollfd){ .fd = silent, .events = POLLIN, .revents = 99 };
	}
	fds[i].fd = fd;
}

CASE(poll_of_many_tells)
{
	int silent = eventfd(0, 0), loud = eventfd(1, 0);

	fill(silent, 3, loud);
	fds[N - 1].fd = loud;
	fds[700].fd = 1023;
	CHECK_EQ(poll(fds, N, -1), 3);
	CHECK_EQ(fds[3].revents, POLLIN);
	CHECK_EQ(fds[N - 1].revents, POLLIN);
	CHECK_EQ(fds[700].revents, POLLNVAL);
	CHECK_EQ(fds[4].revents, 0);
	CHECK_EQ(fds[701].revents, 0);
}

CASE(poll_of_many_waits)
{
	static const int places[] = { 0, 447, 448, 900, N - 1 };
	int silent = eventfd(0, 0), fd = eventfd(0, 0);
	eventfd_t value;

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		fill(silent, places[i], fd);
		fds[500].fd = fd;
		pid_t child = add_later(fd);

		CHECK_EQ(poll(fds, N, -1), 2);
		CHECK_EQ(fds[places[i]].revents, POLLIN);
		CHECK_EQ(fds[500].revents, POLLIN);
		CHECK_EQ(eventfd_read(fd, &value), 0);
		CHECK_EQ(waitpid(child, NULL, 0), child);
	}
}

CASE(poll_of_many_times_out)
{
	struct timespec begin;
	int silent = eventfd(0, 0);

	fill(silent, 0, -1);
	CHECK_EQ(poll(fds, N, 0), 0);
	clock_gettime(CLOCK_MONOTONIC, &begin);
	CHECK_EQ(poll(fds, N, 30), 0);
	CHECK(elapsed_ms(&begin) >= 29);
	CHECK_EQ(fds[5].revents, 0);
}

static void note(int signal)
{
	(void)signal;
}

CASE(poll_of_many_is_interrupted)
{
	struct sigaction action = { .sa_handler = note, .sa_flags = SA_RESTART };
	int silent = eventfd(0, 0);
	pid_t child, parent = getpid();

	sigaction(SIGUSR1, &action, NULL);
	fill(silent, 0, silent);
	child = fork();
	if (child == 0) {
		usleep(20000);
		_exit(kill(parent, SIGUSR1) != 0);
	}
	CHECK_ERRNO(poll(fds, N, -1), EINTR);
	CHECK_EQ(waitpid(child, NULL, 0), child);
	/* nothing is left of it */
	CHECK_EQ(poll(fds, N, 0), 0);
}

CASE(poll_of_more_than_the_limit)
{
	struct rlimit limit;

	CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = 600;
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
	fill(0, 0, 0);
	CHECK_ERRNO(poll(fds, 601, 0), EINVAL);
	for (int i = 0; i < 600; i++) {
		fds[i].fd = -1;
	}
	CHECK_EQ(poll(fds, 600, 0), 0);
	CHECK_ERRNO(poll((struct pollfd *)8, 500, 0), EFAULT);
}

CASE(select_of_many)
{
	int silent = eventfd(0, 0), fd = eventfd(0, 0), i;
	struct timeval time = { 0, 30000 };
	struct timespec begin;
	eventfd_t value;
	fd_set in;

	FD_ZERO(&in);
	for (i = 10; i < 1000; i++) {
		CHECK_EQ(dup2(i == 300 || i == 999 ? fd : silent, i), i);
		FD_SET(i, &in);
	}
	clock_gettime(CLOCK_MONOTONIC, &begin);
	CHECK_EQ(select(1000, &in, NULL, NULL, &time), 0);
	CHECK(elapsed_ms(&begin) >= 29);
	for (i = 10; i < 1000; i++) {
		CHECK(!FD_ISSET(i, &in));
		FD_SET(i, &in);
	}
	pid_t child = add_later(fd);

	CHECK_EQ(select(1000, &in, NULL, NULL, NULL), 2);
	CHECK(FD_ISSET(300, &in) && FD_ISSET(999, &in) && !FD_ISSET(10, &in));
	CHECK_EQ(waitpid(child, NULL, 0), child);
	CHECK_EQ(eventfd_read(fd, &value), 0);
	close(400);
	for (i = 10; i < 1000; i++) {
		FD_SET(i, &in);
	}
	CHECK_ERRNO(select(1000, &in, NULL, NULL, NULL), EBADF);
}

CASE(select_waits_only_for_what_is_asked)
{
	struct timeval time = { 0, 30000 };
	struct timespec begin;
	fd_set set;
	int ends[2];

	CHECK_EQ(pipe(ends), 0);
	close(ends[1]);
	FD_ZERO(&set);
	FD_SET(ends[0], &set);
	clock_gettime(CLOCK_MONOTONIC, &begin);
	CHECK_EQ(select(ends[0] + 1, NULL, NULL, &set, &time), 0);
	CHECK(elapsed_ms(&begin) >= 29);
	FD_SET(ends[0], &set);
	CHECK_EQ(select(ends[0] + 1, &set, NULL, NULL, NULL), 1);
}

CASE(epoll_tells_many_at_once)
{
	int epoll = epoll_create1(0), loud = eventfd(1, 0);
	static bool told[N];

	for (int i = 10; i < N; i++) {
		struct epoll_event event = { .events = EPOLLIN, .data.u32 = (uint32_t)i };

		CHECK_EQ(dup2(loud, i), i);
		CHECK_EQ(epoll_ctl(epoll, EPOLL_CTL_ADD, i, &event), 0);
	}
	for (int round = 0; round < 2; round++) {
		memset(told, 0, sizeof(told));
		CHECK_EQ(epoll_wait(epoll, events, N, -1), N - 10);
		for (int i = 0; i < N - 10; i++) {
			CHECK(events[i].data.u32 >= 10 && events[i].data.u32 < N);
			CHECK(!told[events[i].data.u32]);
			told[events[i].data.u32] = true;
		}
	}
	CHECK_EQ(epoll_wait(epoll, events, 600, -1), 600);
}

static void note_signal(int signal)
{
	(void)signal;
}

/* epoll_pwait2(): nanoseconds, and a mask that lets a pending signal in. */
CASE(epoll_waits_for_nanoseconds)
{
	struct timespec begin, timeout = { .tv_nsec = 30000000 };
	sigset_t usr1, none;
	int epoll = epoll_create1(0);

	clock_gettime(CLOCK_MONOTONIC, &begin);
	CHECK_EQ(epoll_pwait2(epoll, events, 1, &timeout, NULL), 0);
	CHECK(elapsed_ms(&begin) >= 29);
	timeout.tv_nsec = 1000000000;
	CHECK_ERRNO(epoll_pwait2(epoll, events, 1, &timeout, NULL), EINVAL);
	CHECK_ERRNO(epoll_pwait2(epoll, events, 0, NULL, NULL), EINVAL);
	sigemptyset(&none);
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	signal(SIGUSR1, note_signal);
	sigprocmask(SIG_BLOCK, &usr1, NULL);
	raise(SIGUSR1);
	CHECK_ERRNO(epoll_pwait2(epoll, events, 1, NULL, &none), EINTR);
}

CASES_MAIN()

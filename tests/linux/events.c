/* SPDX-License-Identifier: MIT */
/*
 * epoll_wait() again and again: a system that answers it from what it remembers must notice each
 * change of what is ready, in both directions.
 */
#include "check.h"

#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>

enum { WARM = 24 };

static char buffer[16];

static void watch(int epoll, int fd, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.fd = fd };

	CHECK_EQ(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event), 0);
}

/* What is ready now, seen often. */
static int ready(int epoll, struct epoll_event *events)
{
	int n_events = epoll_wait(epoll, events, 8, 0);

	for (int i = 0; i < WARM; i++) {
		CHECK_EQ(epoll_wait(epoll, events, 8, 0), n_events);
	}
	return n_events;
}

CASE(epoll_sees_what_is_drained)
{
	int epoll = epoll_create1(0), event = eventfd(0, EFD_NONBLOCK), pipes[2];
	struct epoll_event events[8];
	uint64_t count = 1;

	CHECK_EQ(pipe(pipes), 0);
	watch(epoll, event, EPOLLIN);
	watch(epoll, pipes[0], EPOLLIN);
	CHECK_EQ(ready(epoll, events), 0);
	for (int i = 0; i < 20; i++) {
		CHECK_EQ(write(event, &count, 8), 8);
		CHECK_EQ(ready(epoll, events), 1);
		CHECK_EQ(events[0].data.fd, event);
		CHECK_EQ(events[0].events, EPOLLIN);
		CHECK_EQ(write(pipes[1], "xy", 2), 2);
		CHECK_EQ(ready(epoll, events), 2);
		CHECK_EQ(read(pipes[0], buffer, 1), 1);
		CHECK_EQ(ready(epoll, events), 2);
		CHECK_EQ(read(event, &count, 8), 8);
		CHECK_EQ(epoll_wait(epoll, events, 8, -1), 1);
		CHECK_EQ(events[0].data.fd, pipes[0]);
		CHECK_EQ(ready(epoll, events), 1);
		CHECK_EQ(read(pipes[0], buffer, 1), 1);
		CHECK_EQ(epoll_wait(epoll, events, 8, 1), 0);
		CHECK_EQ(ready(epoll, events), 0);
	}
	CHECK_EQ(close(pipes[1]), 0);
	CHECK_EQ(epoll_wait(epoll, events, 8, -1), 1);
	CHECK_EQ(events[0].events, EPOLLHUP);
	CHECK_EQ(ready(epoll, events), 1);
	CHECK_EQ(close(pipes[0]), 0);
	CHECK_EQ(epoll_wait(epoll, events, 8, 0), 0);
}

CASE(epoll_sees_what_another_process_does)
{
	int epoll = epoll_create1(0), event = eventfd(1, EFD_NONBLOCK), status;
	struct epoll_event events[8];
	uint64_t count;
	pid_t pid;

	watch(epoll, event, EPOLLIN);
	CHECK_EQ(ready(epoll, events), 1);
	pid = fork();
	if (pid == 0) {
		_exit(ready(epoll, events) == 1 && read(event, &count, 8) == 8 &&
					epoll_wait(epoll, events, 8, 0) == 0
				? 0
				: 1);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	CHECK_EQ(epoll_wait(epoll, events, 8, 0), 0);
	CHECK_EQ(ready(epoll, events), 0);
	pid = fork();
	if (pid == 0) {
		count = 5;
		_exit(write(event, &count, 8) == 8 ? 0 : 1);
	}
	CHECK_EQ(epoll_wait(epoll, events, 8, -1), 1);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
}

CASE(epoll_sees_changes_of_its_set)
{
	int epoll = epoll_create1(0), a = eventfd(1, 0), b = eventfd(1, 0);
	struct epoll_event events[8], event = { .events = EPOLLIN, .data.u64 = 77 };

	watch(epoll, a, EPOLLIN);
	CHECK_EQ(ready(epoll, events), 1);
	watch(epoll, b, EPOLLIN);
	CHECK_EQ(ready(epoll, events), 2);
	CHECK_EQ(epoll_ctl(epoll, EPOLL_CTL_DEL, a, NULL), 0);
	CHECK_EQ(ready(epoll, events), 1);
	CHECK_EQ(events[0].data.fd, b);
	CHECK_EQ(epoll_ctl(epoll, EPOLL_CTL_MOD, b, &event), 0);
	CHECK_EQ(ready(epoll, events), 1);
	CHECK_EQ(events[0].data.u64, 77);
	event.events = EPOLLIN | EPOLLOUT;
	CHECK_EQ(epoll_ctl(epoll, EPOLL_CTL_MOD, b, &event), 0);
	CHECK_EQ(ready(epoll, events), 1);
	CHECK_EQ(events[0].events, EPOLLIN | EPOLLOUT);
	event.events = 0;
	CHECK_EQ(epoll_ctl(epoll, EPOLL_CTL_MOD, b, &event), 0);
	CHECK_EQ(ready(epoll, events), 0);
	event.events = EPOLLIN | EPOLLONESHOT;
	CHECK_EQ(epoll_ctl(epoll, EPOLL_CTL_MOD, b, &event), 0);
	CHECK_EQ(epoll_wait(epoll, events, 8, 0), 1);
	CHECK_EQ(epoll_wait(epoll, events, 8, 0), 0);
	event.events = EPOLLIN | EPOLLET;
	CHECK_EQ(epoll_ctl(epoll, EPOLL_CTL_MOD, b, &event), 0);
	CHECK_EQ(epoll_wait(epoll, events, 8, 0), 1);
	CHECK_EQ(ready(epoll, events), 0);
	CHECK_ERRNO(epoll_wait(epoll, events, 0, 0), EINVAL);
	CHECK_ERRNO(epoll_wait(epoll, events, -1, 0), EINVAL);
	CHECK_EQ(close(epoll), 0);
	CHECK_ERRNO(epoll_wait(epoll, events, 8, 0), EBADF);
}

CASE(epoll_gives_all_their_turn)
{
	int epoll = epoll_create1(0), n_times[3] = { 0 };
	struct epoll_event events[8];

	for (int i = 0; i < 3; i++) {
		struct epoll_event event = { .events = EPOLLIN, .data.u32 = (uint32_t)i };

		CHECK_EQ(epoll_ctl(epoll, EPOLL_CTL_ADD, eventfd(1, 0), &event), 0);
	}
	CHECK_EQ(ready(epoll, events), 3);
	for (int i = 0; i < 30; i++) {
		CHECK_EQ(epoll_wait(epoll, events, 1, 0), 1);
		n_times[events[0].data.u32]++;
	}
	CHECK_EQ(n_times[0], 10);
	CHECK_EQ(n_times[1], 10);
	CHECK_ERRNO(epoll_wait(epoll, (struct epoll_event *)8, 8, 0), EFAULT);
	CHECK_EQ(epoll_wait(epoll, events, 8, 0), 3);
}

static int control(int epoll, int operation, int fd, uint32_t events)
{
	struct epoll_event event = { .events = events };

	return epoll_ctl(epoll, operation, fd, &event);
}

CASE(epoll_watches_exclusively)
{
	int epoll = epoll_create1(0), inner = epoll_create1(0), fd = eventfd(1, 0);

	CHECK_ERRNO(control(epoll, EPOLL_CTL_ADD, inner, EPOLLIN | EPOLLEXCLUSIVE), EINVAL);
	CHECK_EQ(control(epoll, EPOLL_CTL_ADD, inner, EPOLLIN), 0);
	CHECK_ERRNO(
		control(epoll, EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLONESHOT | EPOLLEXCLUSIVE), EINVAL);
	CHECK_ERRNO(control(epoll, EPOLL_CTL_ADD, fd, EPOLLPRI | EPOLLEXCLUSIVE), EINVAL);
	CHECK_EQ(control(epoll, EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLET | EPOLLEXCLUSIVE), 0);
	CHECK_ERRNO(control(epoll, EPOLL_CTL_ADD, fd, EPOLLIN), EEXIST);
	CHECK_ERRNO(control(epoll, EPOLL_CTL_MOD, fd, EPOLLIN), EINVAL);
	CHECK_EQ(control(epoll, EPOLL_CTL_DEL, fd, EPOLLEXCLUSIVE), 0);
	CHECK_EQ(control(epoll, EPOLL_CTL_ADD, fd, EPOLLIN), 0);
	CHECK_ERRNO(control(epoll, EPOLL_CTL_MOD, fd, EPOLLIN | EPOLLEXCLUSIVE), EINVAL);
}

CASE(epoll_of_timers_and_of_epolls)
{
	int epoll = epoll_create1(0), inner = epoll_create1(0), event = eventfd(0, 0);
	int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
	struct itimerspec time = { .it_value.tv_nsec = 1000000 };
	struct epoll_event events[8];
	uint64_t count = 1;

	watch(epoll, timer, EPOLLIN);
	watch(epoll, inner, EPOLLIN);
	watch(inner, event, EPOLLIN);
	CHECK_EQ(ready(epoll, events), 0);
	CHECK_EQ(timerfd_settime(timer, 0, &time, NULL), 0);
	while (epoll_wait(epoll, events, 8, 0) == 0) {
	}
	CHECK_EQ(ready(epoll, events), 1);
	CHECK_EQ(events[0].data.fd, timer);
	CHECK_EQ(write(event, &count, 8), 8);
	CHECK_EQ(ready(epoll, events), 2);
	CHECK_EQ(read(timer, &count, 8), 8);
	CHECK_EQ(epoll_wait(epoll, events, 8, 0), 1);
	CHECK_EQ(events[0].data.fd, inner);
	CHECK_EQ(ready(inner, events), 1);
	CHECK_EQ(ready(epoll, events), 1);
	CHECK_EQ(read(event, &count, 8), 8);
	CHECK_EQ(epoll_wait(epoll, events, 8, 0), 0);
	CHECK_EQ(timerfd_settime(timer, 0, &time, NULL), 0);
	CHECK_EQ(epoll_wait(epoll, events, 8, -1), 1);
	CHECK_EQ(ready(epoll, events), 1);
	time.it_value.tv_sec = 1000;
	CHECK_EQ(timerfd_settime(timer, 0, &time, NULL), 0);
	CHECK_EQ(epoll_wait(epoll, events, 8, 0), 0);
}

CASES_MAIN()

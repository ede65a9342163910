/* SPDX-License-Identifier: MIT */
/* Pipes, FIFOs and waiting for descriptors. */
#include "check.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <time.h>

static int ends[2];
static char buffer[1 << 20];

CASE(nonblocking_and_capacity)
{
	long n = 0;

	CHECK_EQ(pipe2(ends, O_NONBLOCK), 0);
	CHECK_ERRNO(read(ends[0], buffer, 1), EAGAIN);
	while (write(ends[1], buffer, 4096) == 4096) {
		n += 4096;
	}
	CHECK_EQ(errno, EAGAIN);
	CHECK_EQ(n, 65536);
	CHECK_EQ(read(ends[0], buffer, 5000), 5000);
	int available;
	CHECK_EQ(ioctl(ends[0], FIONREAD, &available), 0);
	CHECK_EQ(available, 65536 - 5000);
	CHECK_EQ(fcntl(ends[0], F_GETPIPE_SZ), 65536);
}

CASE(short_writes_are_atomic)
{
	CHECK_EQ(pipe2(ends, O_NONBLOCK), 0);
	CHECK_EQ(write(ends[1], buffer, 61440), 61440);
	CHECK_EQ(write(ends[1], buffer, 4096), 4096);
	CHECK_EQ(read(ends[0], buffer, 4096), 4096);
	CHECK_EQ(write(ends[1], buffer, 4096), 4096);
	CHECK_ERRNO(write(ends[1], buffer, 4096), EAGAIN);
}

CASE(large_transfer_arrives_in_order)
{
	pid_t child;
	unsigned long sum = 0, expected = 0;
	ssize_t n;
	int status;

	for (size_t i = 0; i < sizeof(buffer); i++) {
		buffer[i] = (char)(i * 13 + i / 1000);
		expected = expected * 31 + (unsigned char)buffer[i];
	}
	CHECK_EQ(pipe(ends), 0);
	child = fork();
	if (child == 0) {
		close(ends[0]);
		_exit(write(ends[1], buffer, sizeof(buffer)) == (ssize_t)sizeof(buffer) ? 0 : 1);
	}
	close(ends[1]);
	while ((n = read(ends[0], buffer, 70000)) > 0) {
		for (ssize_t i = 0; i < n; i++) {
			sum = sum * 31 + (unsigned char)buffer[i];
		}
	}
	CHECK_EQ(n, 0);
	CHECK_EQ(sum, expected);
	waitpid(child, &status, 0);
	CHECK_EQ(status, 0);
}

CASE(reader_wakes_when_writer_closes)
{
	pid_t child;

	CHECK_EQ(pipe(ends), 0);
	child = fork();
	if (child == 0) {
		usleep(20000);
		_exit(0);
	}
	close(ends[1]);
	CHECK_EQ(read(ends[0], buffer, 1), 0);
	waitpid(child, NULL, 0);
}

CASE(fifo_meets)
{
	char path[] = "/tmp/fifo-XXXXXX";
	pid_t child;
	int fd;

	close(mkstemp(path));
	unlink(path);
	CHECK_EQ(mkfifo(path, 0600), 0);
	CHECK_ERRNO(open(path, O_WRONLY | O_NONBLOCK), ENXIO);
	child = fork();
	if (child == 0) {
		fd = open(path, O_WRONLY);
		_exit(write(fd, "through", 7) == 7 ? 0 : 1);
	}
	fd = open(path, O_RDONLY);
	CHECK(fd >= 0);
	CHECK_EQ(read(fd, buffer, 100), 7);
	CHECK_EQ(read(fd, buffer, 100), 0);
	waitpid(child, NULL, 0);
	unlink(path);
}

CASE(poll_tells)
{
	struct pollfd fds[3];

	CHECK_EQ(pipe(ends), 0);
	fds[0] = (struct pollfd){ .fd = ends[0], .events = POLLIN };
	fds[1] = (struct pollfd){ .fd = ends[1], .events = POLLOUT };
	fds[2] = (struct pollfd){ .fd = 900, .events = POLLIN };
	CHECK_EQ(poll(fds, 2, 0), 1);
	CHECK_EQ(fds[0].revents, 0);
	CHECK_EQ(fds[1].revents, POLLOUT);
	CHECK_EQ(write(ends[1], "x", 1), 1);
	CHECK_EQ(poll(fds, 3, -1), 3);
	CHECK_EQ(fds[0].revents, POLLIN);
	CHECK_EQ(fds[2].revents, POLLNVAL);
	close(ends[1]);
	CHECK_EQ(poll(fds, 1, 0), 1);
	CHECK_EQ(fds[0].revents, POLLIN | POLLHUP);
	fds[0].fd = -1;
	CHECK_EQ(poll(fds, 1, 10), 0);
}

CASE(poll_waits_and_times_out)
{
	struct timespec begin, end;
	struct pollfd fd;
	pid_t child;

	CHECK_EQ(pipe(ends), 0);
	fd = (struct pollfd){ .fd = ends[0], .events = POLLIN };
	clock_gettime(CLOCK_MONOTONIC, &begin);
	CHECK_EQ(poll(&fd, 1, 30), 0);
	clock_gettime(CLOCK_MONOTONIC, &end);
	CHECK((end.tv_sec - begin.tv_sec) * 1000 + (end.tv_nsec - begin.tv_nsec) / 1000000 >= 29);
	child = fork();
	if (child == 0) {
		usleep(20000);
		_exit(write(ends[1], "x", 1) != 1);
	}
	CHECK_EQ(poll(&fd, 1, 5000), 1);
	CHECK_EQ(fd.revents, POLLIN);
	waitpid(child, NULL, 0);
}

CASE(select_tells)
{
	struct timeval time = { 0, 0 };
	fd_set in, out;

	CHECK_EQ(pipe(ends), 0);
	FD_ZERO(&in);
	FD_ZERO(&out);
	FD_SET(ends[0], &in);
	FD_SET(ends[1], &out);
	CHECK_EQ(select(ends[1] + 1, &in, &out, NULL, &time), 1);
	CHECK(!FD_ISSET(ends[0], &in) && FD_ISSET(ends[1], &out));
	CHECK_EQ(write(ends[1], "x", 1), 1);
	FD_SET(ends[0], &in);
	CHECK_EQ(select(ends[1] + 1, &in, &out, NULL, NULL), 2);
	FD_ZERO(&in);
	FD_SET(60, &in);
	CHECK_ERRNO(select(61, &in, NULL, NULL, &time), EBADF);
	time.tv_usec = 10000;
	CHECK_EQ(select(0, NULL, NULL, NULL, &time), 0);
}

CASE(epoll_levels_and_edges)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u64 = 77 }, got[4];
	int epoll = epoll_create1(0);

	CHECK(epoll >= 0);
	CHECK_EQ(pipe(ends), 0);
	CHECK_EQ(epoll_ctl(epoll, EPOLL_CTL_ADD, ends[0], &event), 0);
	CHECK_ERRNO(epoll_ctl(epoll, EPOLL_CTL_ADD, ends[0], &event), EEXIST);
	CHECK_EQ(epoll_wait(epoll, got, 4, 0), 0);
	CHECK_EQ(write(ends[1], "xy", 2), 2);
	CHECK_EQ(epoll_wait(epoll, got, 4, -1), 1);
	CHECK_EQ(got[0].data.u64, 77);
	CHECK_EQ(epoll_wait(epoll, got, 4, -1), 1);
	event.events = EPOLLIN | EPOLLET;
	CHECK_EQ(epoll_ctl(epoll, EPOLL_CTL_MOD, ends[0], &event), 0);
	CHECK_EQ(epoll_wait(epoll, got, 4, 0), 1);
	CHECK_EQ(epoll_wait(epoll, got, 4, 0), 0);
	CHECK_EQ(write(ends[1], "z", 1), 1);
	CHECK_EQ(epoll_wait(epoll, got, 4, 0), 1);
	CHECK_EQ(epoll_ctl(epoll, EPOLL_CTL_DEL, ends[0], NULL), 0);
	CHECK_ERRNO(epoll_ctl(epoll, EPOLL_CTL_DEL, ends[0], NULL), ENOENT);
	CHECK_ERRNO(epoll_wait(ends[0], got, 4, 0), EINVAL);
}

CASE(eventfd_counts)
{
	uint64_t value = 5;
	int fd = eventfd(3, EFD_NONBLOCK);

	CHECK_EQ(write(fd, &value, 8), 8);
	CHECK_EQ(read(fd, &value, 8), 8);
	CHECK_EQ(value, 8);
	CHECK_ERRNO(read(fd, &value, 8), EAGAIN);
	CHECK_ERRNO(read(fd, &value, 4), EINVAL);
	fd = eventfd(2, EFD_SEMAPHORE);
	CHECK_EQ(read(fd, &value, 8), 8);
	CHECK_EQ(value, 1);
}

CASE(timerfd_expires)
{
	struct itimerspec set = { .it_value = { 0, 10000000 }, .it_interval = { 0, 10000000 } };
	uint64_t n;
	int fd = timerfd_create(CLOCK_MONOTONIC, 0);

	CHECK_EQ(timerfd_settime(fd, 0, &set, NULL), 0);
	CHECK_EQ(read(fd, &n, 8), 8);
	CHECK(n >= 1);
	usleep(50000);
	CHECK_EQ(read(fd, &n, 8), 8);
	CHECK(n >= 3);
}

CASE(eight_pipelines_at_once)
{
	pid_t children[16];

	for (int i = 0; i < 8; i++) {
		CHECK_EQ(pipe(ends), 0);
		children[2 * i] = fork();
		if (children[2 * i] == 0) {
			for (int k = 0; k < 200; k++) {
				(void)!write(ends[1], buffer, 3000);
			}
			_exit(0);
		}
		children[2 * i + 1] = fork();
		if (children[2 * i + 1] == 0) {
			long total = 0;
			ssize_t n;

			close(ends[1]);
			while ((n = read(ends[0], buffer, 65536)) > 0) {
				total += n;
			}
			_exit(total == 600000 ? 0 : 1);
		}
		close(ends[0]);
		close(ends[1]);
	}
	for (int i = 0; i < 16; i++) {
		int status;

		CHECK_EQ(waitpid(children[i], &status, 0), children[i]);
		CHECK_EQ(status, 0);
	}
}
CASES_MAIN()

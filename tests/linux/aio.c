/* SPDX-License-Identifier: MIT */
/* Linux' asynchronous I/O, through the system calls. */
#include "check.h"

#include <fcntl.h>
#include <linux/aio_abi.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>

static long setup(unsigned n, aio_context_t *context)
{
	return syscall(SYS_io_setup, n, context);
}

static long submit(aio_context_t context, long n, struct iocb **controls)
{
	return syscall(SYS_io_submit, context, n, controls);
}

static long events_of(aio_context_t context, long min, long max, struct io_event *events, long ns)
{
	struct timespec timeout = { .tv_nsec = ns };

	return syscall(SYS_io_getevents, context, min, max, events, ns < 0 ? NULL : &timeout);
}

static int temporary(void)
{
	char name[] = "aio-XXXXXX";
	int fd = mkstemp(name);

	unlink(name);
	return fd;
}

static struct iocb control(int command, int fd, const void *buffer, size_t size, long offset)
{
	return (struct iocb){
		.aio_lio_opcode = (uint16_t)command,
		.aio_fildes = (uint32_t)fd,
		.aio_buf = (uintptr_t)buffer,
		.aio_nbytes = size,
		.aio_offset = offset,
		.aio_data = 0x1234,
	};
}

CASE(writes_and_reads)
{
	aio_context_t context = 0;
	char out[8192], in[8192] = "";
	struct iovec pieces[2] = { { in, 100 }, { in + 100, sizeof(in) - 100 } };
	struct io_event events[4];
	int fd = temporary();
	struct iocb a = control(IOCB_CMD_PWRITE, fd, out, sizeof(out), 0);
	struct iocb b = control(IOCB_CMD_FSYNC, fd, NULL, 0, 0);
	struct iocb c = control(IOCB_CMD_PREADV, fd, pieces, 2, 0);
	struct iocb d = control(IOCB_CMD_PREAD, fd, in, 10, sizeof(out) - 4);
	struct iocb *all[] = { &a, &b, &c };

	memset(out, 'x', sizeof(out));
	CHECK_EQ(setup(8, &context), 0);
	CHECK(context != 0);
	CHECK_EQ(submit(context, 1, all), 1);
	CHECK_EQ(events_of(context, 1, 4, events, -1), 1);
	CHECK_EQ(events[0].data, 0x1234);
	CHECK_EQ(events[0].obj, (uintptr_t)&a);
	CHECK_EQ(events[0].res, sizeof(out));
	CHECK_EQ(submit(context, 2, all + 1), 2);
	CHECK_EQ(events_of(context, 2, 4, events, -1), 2);
	for (int i = 0; i < 2; i++) {
		CHECK_EQ(events[i].res, events[i].obj == (uintptr_t)&b ? 0 : (long)sizeof(in));
	}
	CHECK_EQ(memcmp(in, out, sizeof(in)), 0);
	all[0] = &d;
	CHECK_EQ(submit(context, 1, all), 1);
	CHECK_EQ(events_of(context, 1, 1, events, -1), 1);
	CHECK_EQ(events[0].res, 4); /* short, at the end */
	CHECK_EQ(syscall(SYS_io_destroy, context), 0);
	CHECK_ERRNO(syscall(SYS_io_destroy, context), EINVAL);
}

CASE(results_wait_in_a_ring)
{
	aio_context_t context = 0;
	struct io_event event;
	int fd = temporary();
	char byte = 'x';

	CHECK_EQ(setup(3, &context), 0);
	for (int round = 0; round < 500; round++) {
		struct iocb one = control(IOCB_CMD_PWRITE, fd, &byte, 1, round);
		struct iocb *all[] = { &one };

		one.aio_data = (uint64_t)round;
		CHECK_EQ(submit(context, 1, all), 1);
		if (round >= 2) {
			CHECK_EQ(events_of(context, 1, 1, &event, 0), 1);
			CHECK_EQ(event.data, round - 2);
		}
	}
	CHECK_EQ(events_of(context, 0, 1, &event, 0), 1);
	CHECK_EQ(events_of(context, 0, 1, &event, 0), 1);
	CHECK_EQ(events_of(context, 0, 1, &event, 0), 0);
}

/* No more than there is room for. */
CASE(a_full_ring_refuses)
{
	aio_context_t context = 0;
	static struct iocb controls[4096];
	static struct iocb *all[4096];
	static struct io_event events[4096];
	int fd = temporary();
	long n = 0, more;
	char byte = 'x';

	CHECK_EQ(setup(2, &context), 0);
	for (int i = 0; i < 4096; i++) {
		controls[i] = control(IOCB_CMD_PWRITE, fd, &byte, 1, i);
		all[i] = &controls[i];
	}
	do {
		more = submit(context, 1, all + n);
		n += more > 0;
	} while (more > 0 && n < 4096);
	CHECK(n >= 2 && n < 4096);
	CHECK_ERRNO(submit(context, 1, all), EAGAIN);
	CHECK_EQ(events_of(context, n, n, events, 0), n);
	CHECK_EQ(submit(context, 1, all), 1);
}

CASE(eventfd_is_told)
{
	aio_context_t context = 0;
	int fd = temporary(), event = eventfd(0, EFD_NONBLOCK);
	struct iocb one = control(IOCB_CMD_PWRITE, fd, "text", 4, 0);
	struct iocb *all[] = { &one };
	uint64_t value = 0;

	one.aio_flags = IOCB_FLAG_RESFD;
	one.aio_resfd = (uint32_t)event;
	CHECK_EQ(setup(8, &context), 0);
	CHECK_EQ(submit(context, 1, all), 1);
	while (read(event, &value, sizeof(value)) < 0) {
		CHECK_EQ(errno, EAGAIN);
	}
	CHECK_EQ(value, 1);
	one.aio_resfd = (uint32_t)fd;
	CHECK_ERRNO(submit(context, 1, all), EINVAL);
}

CASE(wrong_arguments)
{
	aio_context_t context = 0, other = 1;
	struct io_event event;
	int fd = temporary();
	char byte = 'x';
	struct iocb one = control(IOCB_CMD_PWRITE, -1, &byte, 1, 0);
	struct iocb two = control(IOCB_CMD_PWRITE, fd, &byte, 1, 0);
	struct iocb *all[] = { &two, &one, NULL };

	CHECK_ERRNO(setup(0, &context), EINVAL);
	CHECK_ERRNO(setup(8, &other), EINVAL);
	CHECK_ERRNO(setup(8, NULL), EFAULT);
	CHECK_ERRNO(submit(context, 1, all), EINVAL);
	CHECK_EQ(setup(8, &context), 0);
	CHECK_EQ(submit(context, 0, all), 0);
	CHECK_ERRNO(submit(context, -1, all), EINVAL);
	CHECK_ERRNO(submit(context, 1, all + 1), EBADF);
	CHECK_ERRNO(submit(context, 1, all + 2), EFAULT);
	CHECK_EQ(submit(context, 3, all), 1); /* up to the wrong one */
	two.aio_lio_opcode = 99;
	CHECK_ERRNO(submit(context, 1, all), EINVAL);
	two = control(IOCB_CMD_PREAD, open("/dev/null", O_WRONLY), &byte, 1, 0);
	CHECK_ERRNO(submit(context, 1, all), EBADF);
	CHECK_ERRNO(events_of(context, 2, 1, &event, 0), EINVAL);
	CHECK_ERRNO(events_of(context, -1, 1, &event, 0), EINVAL);
	CHECK_ERRNO(events_of(context + 4096 * 512, 0, 1, &event, 0), EINVAL);
	CHECK_ERRNO(syscall(SYS_io_cancel, context, &two, &event), EINVAL);
}

static void note_signal(int signal)
{
	(void)signal;
}

CASE(waiting_ends)
{
	aio_context_t context = 0;
	struct io_event event;
	struct timespec begin, end;

	CHECK_EQ(setup(8, &context), 0);
	clock_gettime(CLOCK_MONOTONIC, &begin);
	CHECK_EQ(events_of(context, 1, 1, &event, 30000000), 0);
	clock_gettime(CLOCK_MONOTONIC, &end);
	CHECK((end.tv_sec - begin.tv_sec) * 1000 + (end.tv_nsec - begin.tv_nsec) / 1000000 >= 29);
	struct sigaction action = { .sa_handler = note_signal };

	sigaction(SIGALRM, &action, NULL);
	ualarm(20000, 0);
	CHECK_ERRNO(events_of(context, 1, 1, &event, -1), EINTR);
	alarm(CHECK_SECONDS);
}

static void *submit_later(void *argument)
{
	int fd = temporary();
	struct iocb one = control(IOCB_CMD_PWRITE, fd, "text", 4, 0);
	struct iocb *all[] = { &one };

	usleep(20000);
	submit(*(aio_context_t *)argument, 1, all);
	return NULL;
}

CASE(another_thread_submits)
{
	aio_context_t context = 0;
	struct io_event event;
	pthread_t thread;

	CHECK_EQ(setup(8, &context), 0);
	CHECK_EQ(pthread_create(&thread, NULL, submit_later, &context), 0);
	CHECK_EQ(events_of(context, 1, 1, &event, -1), 1);
	CHECK_EQ(event.res, 4);
	CHECK_EQ(pthread_join(thread, NULL), 0);
}

/* ---- polls ----------------------------------------------------------------------------------- */

static struct iocb poll_of(int fd, int events)
{
	return control(IOCB_CMD_POLL, fd, (void *)(uintptr_t)events, 0, 0);
}

CASE(polls_end_when_files_are_ready)
{
	aio_context_t context = 0;
	struct io_event events[4];
	int fds[2];
	char byte = 'x';

	CHECK_EQ(pipe(fds), 0);
	struct iocb in = poll_of(fds[0], POLLIN), out = poll_of(fds[1], POLLOUT);
	struct iocb *all[] = { &in, &out };

	CHECK_EQ(setup(8, &context), 0);
	CHECK_EQ(submit(context, 2, all), 2);
	CHECK_EQ(events_of(context, 1, 4, events, -1), 1);
	CHECK_EQ(events[0].obj, (uintptr_t)&out);
	CHECK_EQ(events[0].data, 0x1234);
	CHECK_EQ(events[0].res, POLLOUT);
	CHECK_EQ(events_of(context, 1, 4, events, 10000000), 0);
	CHECK_EQ(write(fds[1], &byte, 1), 1);
	CHECK_EQ(events_of(context, 1, 4, events, -1), 1);
	CHECK_EQ(events[0].obj, (uintptr_t)&in);
	CHECK(events[0].res & POLLIN);
	/* Once only. */
	CHECK_EQ(write(fds[1], &byte, 1), 1);
	CHECK_EQ(events_of(context, 1, 4, events, 10000000), 0);
	/* Hang-ups are told unasked; the file is held when its descriptor is closed. */
	CHECK_EQ(read(fds[0], &byte, 1) + read(fds[0], &byte, 1), 2);
	CHECK_EQ(submit(context, 1, all), 1);
	CHECK_EQ(close(fds[0]), 0);
	CHECK_EQ(events_of(context, 1, 4, events, 10000000), 0);
	CHECK_EQ(write(fds[1], &byte, 1), 1);
	CHECK_EQ(events_of(context, 1, 4, events, -1), 1);
	CHECK(events[0].res & POLLIN);
}

static void *write_later(void *argument)
{
	usleep(20000);
	write(*(int *)argument, "x", 1);
	return NULL;
}

CASE(polls_wake_who_waits)
{
	aio_context_t context = 0;
	struct io_event event;
	pthread_t thread;
	int fds[2];

	CHECK_EQ(pipe(fds), 0);
	struct iocb in = poll_of(fds[0], POLLIN);
	struct iocb *all[] = { &in };

	CHECK_EQ(setup(8, &context), 0);
	CHECK_EQ(submit(context, 1, all), 1);
	CHECK_EQ(pthread_create(&thread, NULL, write_later, &fds[1]), 0);
	CHECK_EQ(events_of(context, 1, 1, &event, -1), 1);
	CHECK(event.res & POLLIN);
	CHECK_EQ(pthread_join(thread, NULL), 0);
}

/* Who looks into the ring by himself, as libaio does, sees the event without a call. */
CASE(polls_are_seen_in_the_ring)
{
	aio_context_t context = 0;
	pthread_t thread;
	int fds[2];

	CHECK_EQ(pipe(fds), 0);
	struct iocb in = poll_of(fds[0], POLLIN);
	struct iocb *all[] = { &in };

	CHECK_EQ(setup(8, &context), 0);
	CHECK_EQ(submit(context, 1, all), 1);
	const volatile uint32_t *ring = (const volatile uint32_t *)context;

	CHECK_EQ(pthread_create(&thread, NULL, write_later, &fds[1]), 0);
	while (ring[3] == ring[2]) {
	}
	CHECK_EQ(ring[3], 1);
	CHECK_EQ(pthread_join(thread, NULL), 0);
}

CASE(polls_tell_an_eventfd)
{
	aio_context_t context = 0;
	int fds[2], event = eventfd(0, EFD_NONBLOCK);
	struct io_event events[2];
	uint64_t value = 0;
	pthread_t thread;

	CHECK_EQ(pipe(fds), 0);
	struct iocb in = poll_of(fds[0], POLLIN), ready = poll_of(fds[1], POLLOUT);
	struct iocb *all[] = { &in, &ready };
	struct pollfd waiting = { .fd = event, .events = POLLIN };

	in.aio_flags = ready.aio_flags = IOCB_FLAG_RESFD;
	in.aio_resfd = ready.aio_resfd = (uint32_t)event;
	CHECK_EQ(setup(8, &context), 0);
	CHECK_EQ(submit(context, 2, all), 2);
	CHECK_EQ(poll(&waiting, 1, -1), 1);
	CHECK_EQ(read(event, &value, sizeof(value)), 8);
	CHECK_EQ(value, 1);
	CHECK_EQ(pthread_create(&thread, NULL, write_later, &fds[1]), 0);
	CHECK_EQ(poll(&waiting, 1, -1), 1);
	CHECK_EQ(read(event, &value, sizeof(value)), 8);
	CHECK_EQ(events_of(context, 2, 2, events, -1), 2);
	CHECK_EQ(pthread_join(thread, NULL), 0);
}

CASE(polls_are_cancelled)
{
	aio_context_t context = 0;
	struct io_event event;
	int fds[2];

	CHECK_EQ(pipe(fds), 0);
	struct iocb in = poll_of(fds[0], POLLIN);
	struct iocb *all[] = { &in };

	CHECK_EQ(setup(1, &context), 0);
	CHECK_EQ(submit(context, 1, all), 1);
	CHECK_ERRNO(syscall(SYS_io_cancel, context, &in, &event), EINPROGRESS);
	CHECK_EQ(events_of(context, 1, 1, &event, -1), 1);
	CHECK_EQ(event.obj, (uintptr_t)&in);
	CHECK_EQ(event.res, 0);
	CHECK_ERRNO(syscall(SYS_io_cancel, context, &in, &event), EINVAL);
	CHECK_EQ(submit(context, 1, all), 1);
	CHECK_EQ(syscall(SYS_io_destroy, context), 0);
	CHECK_EQ(write(fds[1], "x", 1), 1);
	CHECK_ERRNO(events_of(context, 0, 1, &event, 0), EINVAL);
}

CASE(polls_are_checked)
{
	aio_context_t context = 0;
	int fd = temporary(), fds[2];

	CHECK_EQ(pipe(fds), 0);
	struct iocb one = poll_of(fd, POLLIN);
	struct iocb *all[] = { &one };

	CHECK_EQ(setup(8, &context), 0);
	CHECK_EQ(submit(context, 1, all), 1); /* always ready */
	one = poll_of(fd, POLLPRI); /* and never so */
	CHECK_ERRNO(submit(context, 1, all), EINVAL);
	one = poll_of(-1, POLLIN);
	CHECK_ERRNO(submit(context, 1, all), EBADF);
	one = poll_of(fds[0], 0x10000);
	CHECK_ERRNO(submit(context, 1, all), EINVAL);
	one = poll_of(fds[0], POLLIN);
	one.aio_offset = 1;
	CHECK_ERRNO(submit(context, 1, all), EINVAL);
	one = poll_of(fds[0], POLLIN);
	one.aio_nbytes = 1;
	CHECK_ERRNO(submit(context, 1, all), EINVAL);
}

CASES_MAIN()

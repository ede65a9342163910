/* SPDX-License-Identifier: MIT */
/* signalfd: pending signals as a file. */
#include "check.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <time.h>

static sigset_t set;
static struct signalfd_siginfo infos[4];

static int open_for(int first, int second, int flags)
{
	sigemptyset(&set);
	sigaddset(&set, first);
	sigaddset(&set, second);
	CHECK_EQ(sigprocmask(SIG_BLOCK, &set, NULL), 0);
	int fd = signalfd(-1, &set, flags);

	CHECK(fd >= 0);
	return fd;
}

CASE(tells_who_sent_what)
{
	int fd = open_for(SIGUSR1, SIGRTMIN, SFD_NONBLOCK | SFD_CLOEXEC);
	union sigval value = { .sival_int = 4711 };

	CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	CHECK_ERRNO(read(fd, infos, sizeof(infos)), EAGAIN);
	CHECK_ERRNO(read(fd, infos, 127), EINVAL);
	CHECK_EQ(kill(getpid(), SIGUSR1), 0);
	CHECK_EQ(sigqueue(getpid(), SIGRTMIN, value), 0);
	CHECK_EQ(sigqueue(getpid(), SIGRTMIN, value), 0);
	CHECK_EQ(read(fd, infos, sizeof(infos)), 3 * 128);
	CHECK_EQ(infos[0].ssi_signo, SIGUSR1);
	CHECK_EQ(infos[0].ssi_code, SI_USER);
	CHECK_EQ(infos[0].ssi_pid, getpid());
	CHECK_EQ(infos[0].ssi_uid, getuid());
	CHECK_EQ(infos[0].ssi_int, 0);
	CHECK_EQ(infos[1].ssi_signo, SIGRTMIN);
	CHECK_EQ(infos[1].ssi_code, SI_QUEUE);
	CHECK_EQ(infos[1].ssi_int, 4711);
	CHECK_EQ(infos[1].ssi_ptr, (unsigned long)value.sival_ptr);
	CHECK_EQ(infos[2].ssi_signo, SIGRTMIN);
	CHECK_ERRNO(read(fd, infos, sizeof(infos)), EAGAIN);
	sigset_t pending;

	CHECK_EQ(sigpending(&pending), 0);
	CHECK(!sigismember(&pending, SIGUSR1) && !sigismember(&pending, SIGRTMIN));
	CHECK_ERRNO(write(fd, infos, 128), EINVAL);
}

CASE(tells_of_children)
{
	int fd = open_for(SIGCHLD, SIGUSR1, 0);
	pid_t child = fork();

	if (child == 0) {
		_exit(7);
	}
	CHECK_EQ(read(fd, infos, sizeof(infos)), 128);
	CHECK_EQ(infos[0].ssi_signo, SIGCHLD);
	CHECK_EQ(infos[0].ssi_code, CLD_EXITED);
	CHECK_EQ(infos[0].ssi_pid, child);
	CHECK_EQ(infos[0].ssi_status, 7);
	CHECK_EQ(waitpid(child, NULL, 0), child);
}

static pid_t send_later(int signal)
{
	pid_t child = fork();

	if (child == 0) {
		usleep(20000);
		_exit(kill(getppid(), signal) != 0);
	}
	return child;
}

CASE(readers_and_pollers_wait)
{
	int fd = open_for(SIGUSR1, SIGUSR2, 0);
	struct pollfd poller = { .fd = fd, .events = POLLIN };
	pid_t child = send_later(SIGUSR1);

	CHECK_EQ(read(fd, infos, 128), 128);
	CHECK_EQ(infos[0].ssi_pid, child);
	CHECK_EQ(waitpid(child, NULL, 0), child);
	CHECK_EQ(poll(&poller, 1, 0), 0);
	child = send_later(SIGUSR2);
	CHECK_EQ(poll(&poller, 1, -1), 1);
	CHECK_EQ(poller.revents, POLLIN);
	CHECK_EQ(read(fd, infos, 128), 128);
	CHECK_EQ(infos[0].ssi_signo, SIGUSR2);
	CHECK_EQ(poll(&poller, 1, 0), 0);
	CHECK_EQ(waitpid(child, NULL, 0), child);
}

CASE(epoll_tells)
{
	int fd = open_for(SIGUSR1, SIGUSR2, 0), epoll = epoll_create1(0);
	struct epoll_event event = { .events = EPOLLIN, .data.u32 = 5 }, got;

	CHECK_EQ(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event), 0);
	CHECK_EQ(epoll_wait(epoll, &got, 1, 0), 0);
	pid_t child = send_later(SIGUSR1);

	CHECK_EQ(epoll_wait(epoll, &got, 1, -1), 1);
	CHECK_EQ(got.data.u32, 5);
	CHECK_EQ(epoll_wait(epoll, &got, 1, -1), 1);
	CHECK_EQ(read(fd, infos, 128), 128);
	CHECK_EQ(epoll_wait(epoll, &got, 1, 0), 0);
	CHECK_EQ(waitpid(child, NULL, 0), child);
}

/* The process that has added it to an epoll goes, the epoll stays. */
CASE(epoll_outlives_who_watched)
{
	int fd = open_for(SIGUSR1, SIGUSR2, 0), epoll = epoll_create1(0);
	struct epoll_event event = { .events = EPOLLIN }, got;
	pid_t child = fork();

	if (child == 0) {
		_exit(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0);
	}
	CHECK_EQ(waitpid(child, NULL, 0), child);
	CHECK_EQ(kill(getpid(), SIGUSR1), 0);
	CHECK(epoll_wait(epoll, &got, 1, 10) >= 0);
	CHECK_EQ(epoll_ctl(epoll, EPOLL_CTL_DEL, fd, NULL), 0);
}

/* It is the reader's signals that are read. */
CASE(belongs_to_who_reads)
{
	int fd = open_for(SIGUSR1, SIGUSR2, SFD_NONBLOCK), status;
	pid_t child;

	CHECK_EQ(kill(getpid(), SIGUSR1), 0);
	child = fork();
	if (child == 0) {
		if (read(fd, infos, 128) != -1 || errno != EAGAIN) {
			_exit(1);
		}
		kill(getpid(), SIGUSR2);
		_exit(read(fd, infos, 256) != 128 || infos[0].ssi_signo != SIGUSR2);
	}
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_EQ(status, 0);
	CHECK_EQ(read(fd, infos, 256), 128);
	CHECK_EQ(infos[0].ssi_signo, SIGUSR1);
}

CASE(mask_can_be_changed)
{
	int fd = open_for(SIGUSR1, SIGUSR2, SFD_NONBLOCK);

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	CHECK_EQ(kill(getpid(), SIGUSR1), 0);
	CHECK_EQ(signalfd(fd, &set, 0), fd);
	CHECK_ERRNO(read(fd, infos, 128), EAGAIN);
	CHECK_EQ(kill(getpid(), SIGUSR2), 0);
	CHECK_EQ(read(fd, infos, sizeof(infos)), 128);
	CHECK_EQ(infos[0].ssi_signo, SIGUSR2);
}

CASE(bad_arguments)
{
	unsigned long mask = 0;

	CHECK_ERRNO(syscall(SYS_signalfd4, -1, &mask, 8, 1), EINVAL);
	CHECK_ERRNO(syscall(SYS_signalfd4, -1, &mask, 7, 0), EINVAL);
	CHECK_ERRNO(syscall(SYS_signalfd4, -1, 8, 8, 0), EFAULT);
	CHECK_ERRNO(syscall(SYS_signalfd4, 900, &mask, 8, 0), EBADF);
	CHECK_ERRNO(syscall(SYS_signalfd4, 0, &mask, 8, 0), EINVAL);
	int fd = (int)syscall(SYS_signalfd, -1, &mask, 8);

	CHECK(fd >= 0);
	CHECK_EQ(fcntl(fd, F_GETFL), O_RDWR);
}

/* Another thread's own signals are not ours. */
static void *read_own(void *argument)
{
	int fd = *(int *)argument;

	pthread_kill(pthread_self(), SIGUSR2);
	return (void *)(long)(read(fd, infos, sizeof(infos)) == 128 &&
		infos[0].ssi_signo == SIGUSR2 && infos[0].ssi_code == SI_TKILL);
}

CASE(threads_read_their_own)
{
	int fd = open_for(SIGUSR1, SIGUSR2, SFD_NONBLOCK);
	pthread_t thread;
	void *result;

	CHECK_EQ(pthread_kill(pthread_self(), SIGUSR1), 0);
	CHECK_EQ(pthread_create(&thread, NULL, read_own, &fd), 0);
	CHECK_EQ(pthread_join(thread, &result), 0);
	CHECK(result != NULL);
	CHECK_EQ(read(fd, infos, sizeof(infos)), 128);
	CHECK_EQ(infos[0].ssi_signo, SIGUSR1);
}

CASES_MAIN()

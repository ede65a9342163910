/* SPDX-License-Identifier: MIT */
/* Descriptors of processes: open, poll, send_signal, getfd, waitid, clone. */
#include "check.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#ifndef P_PIDFD
#define P_PIDFD 3
#endif
#define NOBODY 65534

static int pidfd_of(pid_t pid, unsigned flags)
{
	return (int)syscall(SYS_pidfd_open, pid, flags);
}

static long send(int pidfd, int number, siginfo_t *info, unsigned flags)
{
	return syscall(SYS_pidfd_send_signal, pidfd, number, info, flags);
}

static long get_fd(int pidfd, int fd, unsigned flags)
{
	return syscall(SYS_pidfd_getfd, pidfd, fd, flags);
}

static bool is_readable(int fd, int timeout_ms)
{
	struct pollfd one = { .fd = fd, .events = POLLIN | POLLRDNORM };

	return poll(&one, 1, timeout_ms) == 1 && (one.revents & POLLIN);
}

/* A child that waits for a signal. */
static pid_t sleeper(void)
{
	pid_t child = fork();

	while (child == 0) {
		pause();
	}
	return child;
}

CASE(opened)
{
	char name[64], target[64] = "";
	pid_t child = sleeper();
	int pidfd = pidfd_of(child, 0);

	CHECK(pidfd >= 0);
	CHECK_EQ(fcntl(pidfd, F_GETFD), FD_CLOEXEC);
	CHECK_EQ(fcntl(pidfd, F_GETFL) & O_NONBLOCK, 0);
	CHECK_EQ(fcntl(pidfd_of(child, O_NONBLOCK), F_GETFL) & O_NONBLOCK, O_NONBLOCK);
	snprintf(name, sizeof(name), "/proc/self/fd/%d", pidfd);
	CHECK(readlink(name, target, sizeof(target) - 1) > 0);
	CHECK(strstr(target, "pidfd"));
	CHECK_ERRNO(read(pidfd, target, 1), EINVAL);
	CHECK_ERRNO(write(pidfd, target, 1), EINVAL);
	CHECK_ERRNO(pidfd_of(child, O_CLOEXEC), EINVAL);
	CHECK_ERRNO(pidfd_of(0, 0), EINVAL);
	CHECK_ERRNO(pidfd_of(-1, 0), EINVAL);
	CHECK_ERRNO(pidfd_of(0x7fffffff, 0), ESRCH);
	CHECK_EQ(send(pidfd, SIGKILL, NULL, 0), 0);
	CHECK_EQ(waitpid(child, NULL, 0), child);
	CHECK_ERRNO(pidfd_of(child, 0), ESRCH);
}

CASE(describes_itself)
{
	char name[64], line[100];
	pid_t child = sleeper(), told = 0;
	int pidfd = pidfd_of(child, 0);

	snprintf(name, sizeof(name), "/proc/self/fdinfo/%d", pidfd);
	for (int alive = 1; alive >= 0; alive--) {
		FILE *info = fopen(name, "r");

		CHECK(info != NULL);
		told = 0;
		while (fgets(line, sizeof(line), info)) {
			sscanf(line, "Pid: %d", &told);
		}
		CHECK_EQ(told, alive ? child : -1);
		fclose(info);
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
	}
}

CASE(readable_from_the_end_on)
{
	struct epoll_event event = { .events = EPOLLIN }, got;
	pid_t child = sleeper();
	int pidfd = pidfd_of(child, 0), other = pidfd_of(child, 0), epoll = epoll_create1(0);

	CHECK_EQ(epoll_ctl(epoll, EPOLL_CTL_ADD, other, &event), 0);
	CHECK(!is_readable(pidfd, 0));
	CHECK_EQ(epoll_wait(epoll, &got, 1, 0), 0);
	CHECK_EQ(kill(child, SIGTERM), 0);
	CHECK(is_readable(pidfd, -1));
	CHECK_EQ(epoll_wait(epoll, &got, 1, -1), 1);
	CHECK_EQ(waitpid(child, NULL, 0), child);
	CHECK(is_readable(pidfd, 0));
	CHECK(is_readable(other, 0));
}

CASE(signals)
{
	siginfo_t info = { .si_signo = SIGUSR1, .si_code = SI_QUEUE, .si_int = 42 };
	sigset_t set;
	pid_t child;
	int self = pidfd_of(getpid(), 0);

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	CHECK_EQ(sigprocmask(SIG_BLOCK, &set, NULL), 0);
	CHECK_EQ(send(self, 0, NULL, 0), 0);
	CHECK_EQ(send(self, SIGUSR1, NULL, 0), 0);
	CHECK_EQ(sigwaitinfo(&set, &info), SIGUSR1);
	CHECK_EQ(info.si_code, SI_USER);
	CHECK_EQ(info.si_pid, getpid());
	info.si_code = SI_QUEUE;
	info.si_int = 43;
	CHECK_EQ(send(self, SIGUSR1, &info, 0), 0);
	memset(&info, 0, sizeof(info));
	CHECK_EQ(sigwaitinfo(&set, &info), SIGUSR1);
	CHECK_EQ(info.si_int, 43);
	CHECK_ERRNO(send(self, SIGUSR2, &info, 0), EINVAL);
	CHECK_ERRNO(send(self, 65, NULL, 0), EINVAL);
	CHECK_ERRNO(send(self, SIGUSR1, NULL, 0x80000000), EINVAL);
	CHECK_ERRNO(send(self, SIGUSR1, (siginfo_t *)1, 0), EFAULT);
	CHECK_ERRNO(send(0, 0, NULL, 0), EBADF);
	CHECK_ERRNO(send(-1, 0, NULL, 0), EBADF);

	child = sleeper();
	int other = pidfd_of(child, 0);
	info.si_code = SI_USER;
	CHECK_ERRNO(send(other, SIGUSR1, &info, 0), EPERM);
	CHECK_EQ(send(other, SIGKILL, NULL, 0), 0);
	CHECK(is_readable(other, -1));
	CHECK_EQ(send(other, SIGKILL, NULL, 0), 0);
	CHECK_EQ(waitpid(child, NULL, 0), child);
	CHECK_ERRNO(send(other, 0, NULL, 0), ESRCH);
	CHECK_EQ(setreuid(NOBODY, NOBODY), 0);
	CHECK_ERRNO(send(pidfd_of(getppid(), 0), 0, NULL, 0), EPERM);
}

CASE(waits)
{
	siginfo_t info = { 0 };
	pid_t child = sleeper();
	int pidfd = pidfd_of(child, 0), nonblocking = pidfd_of(child, O_NONBLOCK);

	CHECK_EQ(waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED | WNOHANG), 0);
	CHECK_EQ(info.si_pid, 0);
	CHECK_ERRNO(waitid(P_PIDFD, (id_t)nonblocking, &info, WEXITED), EAGAIN);
	CHECK_EQ(waitid(P_PIDFD, (id_t)nonblocking, &info, WEXITED | WNOHANG), 0);
	CHECK_ERRNO(waitid(P_PIDFD, 0, &info, WEXITED), EBADF);
	CHECK_ERRNO(waitid(P_PIDFD, 1000, &info, WEXITED), EBADF);
	CHECK_ERRNO(waitid(P_PIDFD, (id_t)pidfd_of(getpid(), 0), &info, WEXITED), ECHILD);
	CHECK_EQ(send(pidfd, SIGSTOP, NULL, 0), 0);
	CHECK_EQ(waitid(P_PIDFD, (id_t)pidfd, &info, WSTOPPED), 0);
	CHECK_EQ(info.si_code, CLD_STOPPED);
	CHECK_EQ(send(pidfd, SIGKILL, NULL, 0), 0);
	CHECK_EQ(waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED | WNOWAIT), 0);
	CHECK_EQ(info.si_pid, child);
	CHECK_EQ(info.si_status, SIGKILL);
	CHECK_EQ(waitid(P_PIDFD, (id_t)nonblocking, &info, WEXITED), 0);
	CHECK_ERRNO(waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED), ECHILD);
}

CASE(gets_descriptors)
{
	int ends[2];
	pid_t child;
	char byte;

	CHECK_EQ(pipe(ends), 0);
	child = fork();
	if (child == 0) {
		dup2(ends[1], 100);
		(void)!write(100, "1", 1);
		for (;;) {
			pause();
		}
	}
	CHECK_EQ(read(ends[0], &byte, 1), 1);
	int pidfd = pidfd_of(child, 0);
	int fd = (int)get_fd(pidfd, 100, 0);
	CHECK(fd >= 0);
	CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	CHECK_EQ(write(fd, "2", 1), 1);
	CHECK_EQ(read(ends[0], &byte, 1), 1);
	CHECK_EQ(byte, '2');
	CHECK_ERRNO(get_fd(pidfd, 101, 0), EBADF);
	CHECK_ERRNO(get_fd(pidfd, 100, 1), EINVAL);
	CHECK_ERRNO(get_fd(ends[0], 100, 0), EBADF);
	CHECK_EQ(setresuid(NOBODY, NOBODY, 0), 0);
	CHECK_ERRNO(get_fd(pidfd, 100, 0), EPERM);
	CHECK_EQ(setresuid(0, 0, 0), 0);
	CHECK_EQ(send(pidfd, SIGKILL, NULL, 0), 0);
	CHECK_EQ(waitpid(child, NULL, 0), child);
	CHECK_ERRNO(get_fd(pidfd, 100, 0), ESRCH);
}

/* A folder of /proc is as good as a descriptor, for signals and nothing else. */
CASE(signals_by_a_folder_of_proc)
{
	char name[64];
	pid_t child = sleeper();
	siginfo_t info;

	snprintf(name, sizeof(name), "/proc/%d", child);
	int folder = open(name, O_RDONLY | O_DIRECTORY), path = open(name, O_PATH);
	int below = openat(folder, "fd", O_RDONLY | O_DIRECTORY);

	snprintf(name, sizeof(name), "task/%d", child);
	int task = openat(folder, name, O_RDONLY | O_DIRECTORY);
	int proc = open("/proc", O_RDONLY | O_DIRECTORY);

	CHECK(folder >= 0 && path >= 0 && below >= 0 && task >= 0 && proc >= 0);
	CHECK_EQ(send(folder, 0, NULL, 0), 0);
	CHECK_ERRNO(send(path, 0, NULL, 0), EBADF);
	CHECK_ERRNO(send(below, 0, NULL, 0), EBADF);
	CHECK_ERRNO(send(task, 0, NULL, 0), EBADF);
	CHECK_ERRNO(send(proc, 0, NULL, 0), EBADF);
	CHECK_ERRNO(get_fd(folder, 0, 0), EBADF);
	CHECK_ERRNO(waitid(P_PIDFD, (id_t)folder, &info, WEXITED), EBADF);
	CHECK_EQ(send(folder, SIGKILL, NULL, 0), 0);
	CHECK_EQ(waitpid(child, NULL, 0), child);
	CHECK_ERRNO(send(folder, 0, NULL, 0), ESRCH);
	close(folder);
	close(path);
	close(below);
	close(task);
	close(proc);
}

/* The number that the next descriptor gets. */
static int next_fd(void)
{
	int fd = dup(0);

	close(fd);
	return fd;
}

CASE(given_by_clone)
{
	int pidfd = -1, next = next_fd(), *shared;
	pid_t child = (pid_t)syscall(SYS_clone, CLONE_PIDFD | SIGCHLD, 0, &pidfd, 0, 0);

	if (child == 0) {
		_exit(pidfd == -1 && fcntl(next, F_GETFD) < 0 ? 7 : 8);
	}
	CHECK_EQ(pidfd, next);
	CHECK_EQ(fcntl(pidfd, F_GETFD), FD_CLOEXEC);
	siginfo_t info = { 0 };
	CHECK_EQ(waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED), 0);
	CHECK_EQ(info.si_pid, child);
	CHECK_EQ(info.si_status, 7);
	close(pidfd);

	shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct clone_args args = {
		.flags = CLONE_PIDFD | CLONE_PARENT_SETTID | CLONE_FILES,
		.pidfd = (uintptr_t)&shared[0],
		.parent_tid = (uintptr_t)&shared[1],
		.exit_signal = SIGCHLD,
	};
	child = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	if (child == 0) {
		_exit(fcntl(next, F_GETFD) == FD_CLOEXEC ? 7 : 8);
	}
	CHECK_EQ(shared[0], next);
	CHECK_EQ(shared[1], child);
	CHECK_EQ(waitid(P_PIDFD, (id_t)next, &info, WEXITED), 0);
	CHECK_EQ(info.si_status, 7);
	close(next);
}

/* A clone that fails leaves neither a child nor a descriptor. */
CASE(refused_by_clone)
{
	int pidfd, next = next_fd();

	CHECK_ERRNO(
		syscall(SYS_clone, CLONE_PIDFD | CLONE_PARENT_SETTID | SIGCHLD, 0, &pidfd, 0, 0),
		EINVAL);
	CHECK_ERRNO(syscall(SYS_clone, CLONE_PIDFD | CLONE_DETACHED | SIGCHLD, 0, &pidfd, 0, 0),
		EINVAL);
	CHECK_ERRNO(syscall(SYS_clone, CLONE_PIDFD | SIGCHLD, 0, 1, 0, 0), EFAULT);
	CHECK_ERRNO(waitpid(-1, NULL, 0), ECHILD);
	CHECK_EQ(next_fd(), next);
}

CASES_MAIN()

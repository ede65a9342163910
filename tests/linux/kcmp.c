/* SPDX-License-Identifier: MIT */
/* kcmp: what two processes share. */
#include "check.h"

#include <fcntl.h>
#include <linux/kcmp.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/syscall.h>

#define NOBODY 65534

static long compare(pid_t first, pid_t second, int type, uint64_t a, uint64_t b)
{
	return syscall(SYS_kcmp, first, second, type, a, b);
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

static void end(pid_t child)
{
	CHECK_EQ(kill(child, SIGKILL), 0);
	CHECK_EQ(waitpid(child, NULL, 0), child);
}

CASE(kcmp_orders_open_files)
{
	pid_t self = getpid();
	int a = open("/dev/null", O_RDONLY), b = open("/dev/null", O_RDONLY), c = dup(a);

	CHECK_EQ(compare(self, self, KCMP_FILE, (uint64_t)a, (uint64_t)c), 0);
	long below = compare(self, self, KCMP_FILE, (uint64_t)a, (uint64_t)b);

	CHECK(below == 1 || below == 2);
	CHECK_EQ(compare(self, self, KCMP_FILE, (uint64_t)b, (uint64_t)a), 3 - below);
	CHECK_EQ(compare(self, self, KCMP_FILE, (uint64_t)b, (uint64_t)c), 3 - below);
	CHECK_ERRNO(compare(self, self, KCMP_FILE, (uint64_t)a, 1000), EBADF);
	CHECK_ERRNO(compare(self, self, KCMP_FILE, UINT32_MAX, (uint64_t)a), EBADF);
}

CASE(kcmp_knows_what_fork_shares)
{
	int fd = open("/dev/null", O_RDONLY);
	pid_t self = getpid(), child = sleeper();

	CHECK_EQ(compare(self, child, KCMP_FILE, (uint64_t)fd, (uint64_t)fd), 0);
	CHECK(compare(self, child, KCMP_VM, 0, 0) > 0);
	CHECK(compare(self, child, KCMP_FILES, 0, 0) > 0);
	CHECK(compare(self, child, KCMP_FS, 0, 0) > 0);
	CHECK(compare(self, child, KCMP_SIGHAND, 0, 0) > 0);
	CHECK_EQ(compare(self, child, KCMP_SYSVSEM, 0, 0), 0);
	CHECK_EQ(compare(self, self, KCMP_VM, 0, 0), 0);
	CHECK_EQ(compare(child, child, KCMP_FILES, 0, 0), 0);
	end(child);
}

static int wait_for_end(void *argument)
{
	(void)argument;
	for (;;) {
		pause();
	}
	return 0;
}

CASE(kcmp_knows_what_clone_shares)
{
	static char stack[65536] __attribute__((aligned(16)));
	pid_t self = getpid(),
	      child = clone(wait_for_end, stack + sizeof(stack),
		      CLONE_VM | CLONE_FILES | CLONE_FS | SIGCHLD, NULL);

	CHECK(child > 0);
	CHECK_EQ(compare(self, child, KCMP_VM, 0, 0), 0);
	CHECK_EQ(compare(self, child, KCMP_FILES, 0, 0), 0);
	CHECK_EQ(compare(self, child, KCMP_FS, 0, 0), 0);
	CHECK(compare(self, child, KCMP_SIGHAND, 0, 0) > 0);
	end(child);
}

static void *compare_with_leader(void *argument)
{
	pid_t self = getpid(), thread = (pid_t)syscall(SYS_gettid);
	long *sum = argument;

	for (int type = KCMP_VM; type <= KCMP_SIGHAND; type++) {
		*sum += compare(self, thread, type, 0, 0);
	}
	return NULL;
}

CASE(kcmp_knows_threads)
{
	long sum = 0;
	pthread_t thread;

	CHECK_EQ(pthread_create(&thread, NULL, compare_with_leader, &sum), 0);
	CHECK_EQ(pthread_join(thread, NULL), 0);
	CHECK_EQ(sum, 0);
}

CASE(kcmp_finds_what_epoll_watches)
{
	struct epoll_event event = { .events = EPOLLIN };
	pid_t self = getpid();
	int pipes[2], epoll = epoll_create1(0);

	CHECK_EQ(pipe(pipes), 0);
	CHECK_EQ(epoll_ctl(epoll, EPOLL_CTL_ADD, pipes[0], &event), 0);
	/* The number goes to another file; epoll still knows the first one by it. */
	int kept = dup(pipes[0]);

	CHECK_EQ(dup2(pipes[1], pipes[0]), pipes[0]);
	CHECK_EQ(epoll_ctl(epoll, EPOLL_CTL_ADD, pipes[0], &event), 0);
	struct kcmp_epoll_slot slot = { .efd = (uint32_t)epoll, .tfd = (uint32_t)pipes[0] };
	long n_kept = 0, n_new = 0;

	for (slot.toff = 0; slot.toff < 2; slot.toff++) {
		n_kept +=
			compare(self, self, KCMP_EPOLL_TFD, (uint64_t)kept, (uintptr_t)&slot) == 0;
		n_new += compare(self, self, KCMP_EPOLL_TFD, (uint64_t)pipes[1],
				 (uintptr_t)&slot) == 0;
	}
	CHECK_EQ(n_kept, 1);
	CHECK_EQ(n_new, 1);
	CHECK_ERRNO(compare(self, self, KCMP_EPOLL_TFD, (uint64_t)kept, (uintptr_t)&slot), ENOENT);
	slot.efd = (uint32_t)kept;
	CHECK_ERRNO(compare(self, self, KCMP_EPOLL_TFD, (uint64_t)kept, (uintptr_t)&slot), EINVAL);
	slot.efd = 1000;
	CHECK_ERRNO(compare(self, self, KCMP_EPOLL_TFD, (uint64_t)kept, (uintptr_t)&slot), EBADF);
	CHECK_ERRNO(compare(self, self, KCMP_EPOLL_TFD, (uint64_t)kept, 8), EFAULT);
}

CASE(kcmp_refuses)
{
	pid_t self = getpid();

	CHECK_ERRNO(compare(self, self, 8, 0, 0), EINVAL);
	CHECK_ERRNO(compare(self, self, -1, 0, 0), EINVAL);
	CHECK_ERRNO(compare(0, self, KCMP_VM, 0, 0), ESRCH);
	CHECK_ERRNO(compare(self, 1 << 23, KCMP_VM, 0, 0), ESRCH);
}

CASE(kcmp_asks_who_may_look)
{
	pid_t child = sleeper(), user = getuid() == 0 ? fork() : -1;
	int status = 0;

	if (user == 0) {
		bool is_refused = setresuid(NOBODY, NOBODY, NOBODY) == 0 &&
			compare(getpid(), child, KCMP_VM, 0, 0) == -1 && errno == EPERM &&
			compare(child, getpid(), 8, 0, 0) == -1 && errno == EPERM;

		_exit(is_refused && compare(getpid(), getpid(), KCMP_VM, 0, 0) == 0 ? 0 : 1);
	}
	if (user > 0) {
		CHECK_EQ(waitpid(user, &status, 0), user);
	}
	end(child);
	CHECK_EQ(status, 0);
}

CASES_MAIN()

/* SPDX-License-Identifier: MIT */
/* What one user may have of things that are counted for each user, and other limits. */
#include "check.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/resource.h>

/* Nobody else is this user. */
enum { USER = 54321 };

static void become_user(void)
{
	CHECK_EQ(setgid(USER), 0);
	CHECK_EQ(setuid(USER), 0);
}

static long number_in(const char *path)
{
	char text[64] = { 0 };
	int fd = open(path, O_RDONLY);

	CHECK(fd >= 0 && read(fd, text, sizeof(text) - 1) > 0);
	close(fd);
	return strtol(text, NULL, 10);
}

/* ---- signals --------------------------------------------------------------------------------- */

CASE(queued_signals_are_counted_for_the_user)
{
	struct rlimit limit = { .rlim_cur = 20, .rlim_max = 20 };
	sigset_t all;
	int status;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	CHECK_EQ(setrlimit(RLIMIT_SIGPENDING, &limit), 0);
	become_user();
	for (int i = 0; i < 20; i++) {
		CHECK_EQ(sigqueue(getpid(), SIGRTMIN + i % 3, (union sigval){ .sival_int = i }), 0);
	}
	CHECK_ERRNO(sigqueue(getpid(), SIGRTMIN, (union sigval){ 0 }), EAGAIN);
	pid_t child = fork();

	if (child == 0) {
		bool is_full =
			sigqueue(getpid(), SIGRTMIN, (union sigval){ 0 }) == -1 && errno == EAGAIN;

		/* kill() always works */
		_exit(is_full && kill(getpid(), SIGUSR1) == 0 ? 0 : 1);
	}
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_EQ(status, 0);
	/* the lowest number first, and of one number what came first */
	sigset_t real_time;
	siginfo_t info;
	int last = -1;

	sigemptyset(&real_time);
	for (int i = 0; i < 3; i++) {
		sigaddset(&real_time, SIGRTMIN + i);
	}
	for (int i = 0; i < 20; i++) {
		CHECK_EQ(sigwaitinfo(&real_time, &info), SIGRTMIN + (i < 7 ? 0 : i < 14 ? 1 : 2));
		CHECK_EQ(info.si_value.sival_int % 3, info.si_signo - SIGRTMIN);
		last = i == 7 || i == 14 ? -1 : last;
		CHECK(info.si_value.sival_int > last);
		last = info.si_value.sival_int;
	}
	CHECK_EQ(sigqueue(getpid(), SIGRTMIN, (union sigval){ 0 }), 0);
}

/* ---- epoll ----------------------------------------------------------------------------------- */

static int watch(int epoll, int fd)
{
	struct epoll_event event = { .events = EPOLLIN };

	return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

/* A wake-up would have to go each of them. */
CASE(ways_through_epolls_are_limited)
{
	int epolls[4], leaf = eventfd(0, 0);

	for (int i = 0; i < 4; i++) {
		epolls[i] = epoll_create1(0);
		for (int k = 0; i > 0 && k < 30; k++) {
			CHECK_EQ(watch(epolls[i], dup(epolls[i - 1])), 0);
		}
	}
	CHECK_ERRNO(watch(epolls[0], leaf), EINVAL);
	CHECK_ERRNO(watch(epolls[1], leaf), EINVAL);
	CHECK_EQ(watch(epolls[2], leaf), 0);
	CHECK_ERRNO(watch(epolls[2], leaf), EEXIST);
}

CASE(epolls_are_not_nested_without_end)
{
	int epolls[8];
	int i = 0;

	epolls[0] = epoll_create1(0);
	CHECK_EQ(watch(epolls[0], eventfd(0, 0)), 0);
	for (i = 1; i < 8; i++) {
		epolls[i] = epoll_create1(0);
		if (watch(epolls[i], epolls[i - 1]) != 0) {
			break;
		}
	}
	CHECK(i < 8);
	CHECK(errno == ELOOP || errno == EINVAL);
	CHECK_ERRNO(watch(epolls[0], epolls[2]), ELOOP);
}

/* ---- pipes, inotify, what /proc says --------------------------------------------------------- */

CASE(pipes_beyond_the_users_pages_are_small)
{
	long n_pages = number_in("/proc/sys/fs/pipe-user-pages-soft");
	struct rlimit limit = { .rlim_cur = 8192, .rlim_max = 8192 };
	int ends[2] = { -1, -1 };

	CHECK(n_pages > 0);
	if (n_pages > 16384) {
		return;
	}
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
	become_user();
	for (long i = 0; i < n_pages / 16; i++) {
		CHECK_EQ(pipe(ends), 0);
		CHECK_EQ(fcntl(ends[0], F_GETPIPE_SZ), 65536);
	}
	CHECK_EQ(pipe(ends), 0);
	CHECK(fcntl(ends[0], F_GETPIPE_SZ) <= 8192);
	CHECK_ERRNO(fcntl(ends[0], F_SETPIPE_SZ, 1 << 20), EPERM);
	CHECK_EQ(fcntl(ends[0], F_SETPIPE_SZ, 4096), 4096);
	CHECK_EQ(write(ends[1], "x", 1), 1);
}

CASE(a_user_has_so_many_inotify_instances)
{
	long n_max = number_in("/proc/sys/fs/inotify/max_user_instances");

	become_user();
	for (long i = 0; i < n_max && i < 1000; i++) {
		CHECK(inotify_init1(0) >= 0);
	}
	if (n_max <= 1000) {
		CHECK_ERRNO(inotify_init1(0), EMFILE);
	}
}

CASE(limits_are_shown)
{
	CHECK(number_in("/proc/sys/fs/file-max") >= 8192);
	CHECK(number_in("/proc/sys/fs/file-nr") > 0);
	CHECK(number_in("/proc/sys/fs/epoll/max_user_watches") > 1000);
	CHECK(number_in("/proc/sys/fs/inotify/max_user_watches") >= 8192);
	CHECK_EQ(number_in("/proc/sys/fs/pipe-user-pages-hard"), 0);
}

/* ---- waiting --------------------------------------------------------------------------------- */

CASE(many_children_are_waited_for)
{
	enum { N_CHILDREN = 300 };
	static pid_t children[N_CHILDREN];
	int status, ends[2];

	CHECK_EQ(pipe(ends), 0);
	for (int i = 0; i < N_CHILDREN; i++) {
		children[i] = fork();
		CHECK(children[i] >= 0);
		if (children[i] == 0) {
			char byte;

			close(ends[1]);
			_exit(read(ends[0], &byte, 1) == 0 ? i % 100 : 101);
		}
	}
	CHECK_EQ(waitpid(-1, &status, WNOHANG), 0);
	CHECK_EQ(kill(children[150], SIGKILL), 0);
	CHECK_EQ(waitpid(-1, &status, 0), children[150]);
	CHECK_ERRNO(waitpid(children[150], &status, 0), ECHILD);
	close(ends[1]);
	CHECK_EQ(waitpid(children[77], &status, 0), children[77]);
	CHECK_EQ(WEXITSTATUS(status), 77);
	for (int i = 0; i < N_CHILDREN - 2; i++) {
		CHECK(waitpid(i % 2 == 0 ? -1 : 0, &status, 0) > 0);
	}
	CHECK_ERRNO(waitpid(-1, &status, 0), ECHILD);
}

CASES_MAIN()

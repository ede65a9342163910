/* SPDX-License-Identifier: MIT */
/* The signal that a process' end is to its parent: chosen at clone, and when it changes. */
#include "check.h"

#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static volatile sig_atomic_t n_children, n_users;

static void count_signal(int signal)
{
	if (signal == SIGCHLD) {
		n_children++;
	} else {
		n_users++;
	}
}

static void count_signals(void)
{
	signal(SIGCHLD, count_signal);
	signal(SIGUSR1, count_signal);
}

/* fork() with any flags and exit signal. */
static pid_t clone_with(unsigned long flags)
{
	return (pid_t)syscall(SYS_clone, flags, 0, 0, 0, 0);
}

/* Waits for one that ends with 0. */
static void reap(pid_t child, int options)
{
	int status = -1;

	while (waitpid(child, &status, options) != child && errno == EINTR) {
	}
	CHECK_EQ(status, 0);
}

/* A child, made with `signal`, makes a sibling and asks for `sibling_signal`: that one's pid. */
static pid_t make_sibling(int signal, int sibling_signal)
{
	pid_t sibling = 0;
	int ends[2];

	CHECK_EQ(pipe(ends), 0);
	pid_t child = clone_with((unsigned long)signal);

	if (child == 0) {
		sibling = clone_with(CLONE_PARENT | (unsigned long)sibling_signal);
		if (sibling == 0) {
			_exit(0);
		}
		_exit(write(ends[1], &sibling, sizeof(sibling)) != sizeof(sibling));
	}
	reap(child, __WALL);
	CHECK_EQ(read(ends[0], &sibling, sizeof(sibling)), (ssize_t)sizeof(sibling));
	close(ends[0]);
	close(ends[1]);
	return sibling;
}

/* Whoever makes a sibling may not send its parent any signal it likes. */
CASE(sibling_has_the_exit_signal_of_its_maker)
{
	count_signals();
	reap(make_sibling(SIGCHLD, SIGUSR1), 0);
	CHECK(n_children >= 1);
	CHECK_EQ(n_users, 0);
}

CASE(sibling_of_a_clone_is_a_clone)
{
	count_signals();
	pid_t sibling = make_sibling(SIGUSR1, SIGCHLD);

	CHECK_ERRNO(waitpid(sibling, NULL, 0), ECHILD);
	reap(sibling, __WCLONE);
	CHECK_EQ(n_children, 0);
	CHECK(n_users >= 1);
}

CASE(exec_makes_it_SIGCHLD)
{
	char *const arguments[] = { "sh", "-c", "exit 0", NULL };

	count_signals();
	pid_t child = clone_with(SIGUSR1);

	if (child == 0) {
		execv("/bin/sh", arguments);
		_exit(1);
	}
	siginfo_t info = { 0 };

	while (waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT | __WALL) != 0) {
		CHECK_EQ(errno, EINTR);
	}
	reap(child, 0);
	CHECK_EQ(n_children, 1);
	CHECK_EQ(n_users, 0);
}

CASE(clone_without_exit_signal_ends_silently)
{
	count_signals();
	pid_t child = clone_with(0);

	if (child == 0) {
		_exit(0);
	}
	CHECK_ERRNO(waitpid(child, NULL, 0), ECHILD);
	reap(child, __WALL);
	CHECK_EQ(n_children + n_users, 0);
}

CASES_MAIN()

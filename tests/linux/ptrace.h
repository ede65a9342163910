/* SPDX-License-Identifier: MIT */
/* What the tests of ptrace share: a tracee that stops, and asking about it. */
#ifndef TESTS_LINUX_PTRACE_H
#define TESTS_LINUX_PTRACE_H

#include "check.h"

#include <elf.h>
#include <fcntl.h>
#include <linux/ptrace.h>
#include <pthread.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>

__attribute__((unused)) static long trace(
	long request, pid_t pid, unsigned long address, unsigned long data)
{
	return syscall(SYS_ptrace, request, pid, address, data);
}

__attribute__((unused)) static int wait_status(pid_t pid)
{
	int status = -1;

	return waitpid(pid, &status, __WALL) == pid ? status : -1;
}

__attribute__((unused)) static int stopped(int signal)
{
	return signal << 8 | 0x7f;
}

__attribute__((unused)) static int stopped_event(int event)
{
	return event << 16 | SIGTRAP << 8 | 0x7f;
}

#define SYSCALL_STOP stopped(SIGTRAP | 0x80)

__attribute__((unused)) static struct user_regs_struct registers_of(pid_t pid)
{
	struct user_regs_struct registers;

	CHECK_EQ(trace(PTRACE_GETREGS, pid, 0, (long)&registers), 0);
	return registers;
}

__attribute__((unused)) static siginfo_t siginfo_of(pid_t pid)
{
	siginfo_t info;

	CHECK_EQ(trace(PTRACE_GETSIGINFO, pid, 0, (long)&info), 0);
	return info;
}

/* A child that stops at once and then runs @run. */
__attribute__((unused)) static pid_t start(void (*run)(void))
{
	pid_t child = fork();

	if (child == 0) {
		trace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		run();
		_exit(7);
	}
	CHECK(child > 0);
	CHECK_EQ(wait_status(child), stopped(SIGSTOP));
	return child;
}

__attribute__((unused)) static pid_t start_with(void (*run)(void), long options)
{
	pid_t child = start(run);

	CHECK_EQ(trace(PTRACE_SETOPTIONS, child, 0, options), 0);
	return child;
}

__attribute__((unused)) static void go(pid_t pid, long request, long signal)
{
	CHECK_EQ(trace(request, pid, 0, signal), 0);
}

__attribute__((unused)) static void check_exits(pid_t child, int code)
{
	go(child, PTRACE_CONT, 0);
	CHECK_EQ(wait_status(child), code << 8);
	CHECK_ERRNO(waitpid(child, NULL, __WALL), ECHILD);
}

__attribute__((unused)) static void run_nothing(void)
{
}

__attribute__((unused)) static void run_getppid(void)
{
	syscall(SYS_getppid);
}

__attribute__((unused)) static struct ptrace_syscall_info syscall_info_of(pid_t pid, long size)
{
	struct ptrace_syscall_info info;

	memset(&info, 0, sizeof(info));
	CHECK_EQ(trace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), (long)&info), size);
	return info;
}

/* Until the tracee is about to make the call, from where it makes none. */
__attribute__((unused)) static void next_entry(pid_t child, long number)
{
	for (;;) {
		struct ptrace_syscall_info info;

		go(child, PTRACE_SYSCALL, 0);
		CHECK_EQ(wait_status(child), SYSCALL_STOP);
		info = syscall_info_of(child, offsetof(struct ptrace_syscall_info, entry.args[6]));
		if (info.entry.nr == (unsigned long)number) {
			return;
		}
		go(child, PTRACE_SYSCALL, 0);
		CHECK_EQ(wait_status(child), SYSCALL_STOP);
	}
}

#endif

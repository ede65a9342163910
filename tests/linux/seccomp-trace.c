/* SPDX-License-Identifier: MIT */
/* seccomp and ptrace: tracers that filters ask. */
#include "seccomp.h"
#include "ptrace.h"

/* A stopped tracee that goes on to do that; its exit status is what it returns. */
static pid_t start_filtered(long (*act)(void), long options)
{
	pid_t child = fork();

	CHECK(child >= 0);
	if (child == 0) {
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		trace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		syscall(SYS_exit_group, act());
	}
	CHECK_EQ(wait_status(child), stopped(SIGSTOP));
	CHECK_EQ(trace(PTRACE_SETOPTIONS, child, 0, options | PTRACE_O_EXITKILL), 0);
	CHECK_EQ(trace(PTRACE_CONT, child, 0, 0), 0);
	return child;
}

static long ask_tracer(void)
{
	INSTALL(0, FILTER_CALL(SYS_getpgrp, SECCOMP_RET_TRACE | 0x77));
	return syscall(SYS_getpgrp, 1, 2, 3, 4, 5, 6) == getpgid(0) ? 3 : 1;
}

static unsigned long message_of(pid_t pid)
{
	unsigned long message = 0;

	CHECK_EQ(trace(PTRACE_GETEVENTMSG, pid, 0, (long)&message), 0);
	return message;
}

CASE(the_tracer_sees_the_call)
{
	pid_t child = start_filtered(ask_tracer, PTRACE_O_TRACESECCOMP);
	struct ptrace_syscall_info info;

	CHECK_EQ(wait_status(child), stopped_event(PTRACE_EVENT_SECCOMP));
	CHECK_EQ(message_of(child), 0x77);
	struct user_regs_struct registers = registers_of(child);
	CHECK_EQ(registers.orig_rax, SYS_getpgrp);
	CHECK_EQ(registers.rdi, 1);
	CHECK_EQ(registers.r9, 6);
	CHECK_EQ((long)registers.rax, -ENOSYS);
	CHECK(trace(PTRACE_GET_SYSCALL_INFO, child, sizeof(info), (long)&info) >= 84);
	CHECK_EQ(info.op, PTRACE_SYSCALL_INFO_SECCOMP);
	CHECK_EQ(info.seccomp.nr, SYS_getpgrp);
	CHECK_EQ(info.seccomp.args[2], 3);
	CHECK_EQ(info.seccomp.ret_data, 0x77);
	CHECK_EQ(trace(PTRACE_CONT, child, 0, 0), 0);
	CHECK_EQ(wait_status(child), 3 << 8);
}

static long skipped(void)
{
	INSTALL(0, FILTER_CALL(SYS_getpgrp, SECCOMP_RET_TRACE));
	return syscall(SYS_getpgrp) == 4711 ? 4 : 1;
}

CASE(the_tracer_answers)
{
	pid_t child = start_filtered(skipped, PTRACE_O_TRACESECCOMP);

	CHECK_EQ(wait_status(child), stopped_event(PTRACE_EVENT_SECCOMP));
	struct user_regs_struct registers = registers_of(child);
	registers.orig_rax = -1;
	registers.rax = 4711;
	CHECK_EQ(trace(PTRACE_SETREGS, child, 0, (long)&registers), 0);
	CHECK_EQ(trace(PTRACE_CONT, child, 0, 0), 0);
	CHECK_EQ(wait_status(child), 4 << 8);
}

static long changed(void)
{
	INSTALL(0, FILTER_CALL(SYS_getppid, SECCOMP_RET_ERRNO | 9));
	INSTALL(0, FILTER_CALL(SYS_getpgrp, SECCOMP_RET_TRACE));
	if (syscall(SYS_getpgrp) != getpid()) {
		return 1;
	}
	return syscall(SYS_getpgrp) == -1 && errno == 9 ? 5 : 2;
}

/* Another call, which the filters see, too. */
CASE(the_tracer_changes_the_call)
{
	pid_t child = start_filtered(changed, PTRACE_O_TRACESECCOMP);

	CHECK_EQ(wait_status(child), stopped_event(PTRACE_EVENT_SECCOMP));
	struct user_regs_struct registers = registers_of(child);
	registers.orig_rax = SYS_getpid;
	CHECK_EQ(trace(PTRACE_SETREGS, child, 0, (long)&registers), 0);
	CHECK_EQ(trace(PTRACE_CONT, child, 0, 0), 0);
	CHECK_EQ(wait_status(child), stopped_event(PTRACE_EVENT_SECCOMP));
	registers = registers_of(child);
	registers.orig_rax = SYS_getppid;
	CHECK_EQ(trace(PTRACE_SETREGS, child, 0, (long)&registers), 0);
	CHECK_EQ(trace(PTRACE_CONT, child, 0, 0), 0);
	CHECK_EQ(wait_status(child), 5 << 8);
}

static long asks_twice(void)
{
	INSTALL(0, FILTER_CALL(SYS_getpgrp, SECCOMP_RET_TRACE));
	syscall(SYS_getpgrp);
	syscall(SYS_getpgrp);
	return 6;
}

CASE(entry_event_exit)
{
	pid_t child = start_filtered(asks_twice, PTRACE_O_TRACESECCOMP | PTRACE_O_TRACESYSGOOD);

	CHECK_EQ(wait_status(child), stopped_event(PTRACE_EVENT_SECCOMP));
	CHECK_EQ(trace(PTRACE_SYSCALL, child, 0, 0), 0);
	CHECK_EQ(wait_status(child), SYSCALL_STOP); /* the exit */
	CHECK((long)registers_of(child).rax >= 0);
	CHECK_EQ(trace(PTRACE_SYSCALL, child, 0, 0), 0);
	CHECK_EQ(wait_status(child), SYSCALL_STOP); /* the next entry */
	CHECK_EQ(trace(PTRACE_SYSCALL, child, 0, 0), 0);
	CHECK_EQ(wait_status(child), stopped_event(PTRACE_EVENT_SECCOMP));
	CHECK_EQ(trace(PTRACE_SYSCALL, child, 0, 0), 0);
	CHECK_EQ(wait_status(child), SYSCALL_STOP);
	CHECK_EQ(trace(PTRACE_CONT, child, 0, 0), 0);
	CHECK_EQ(wait_status(child), 6 << 8);
}

static long nobody_asked(void)
{
	INSTALL(0, FILTER_CALL(SYS_getpgrp, SECCOMP_RET_TRACE));
	return syscall(SYS_getpgrp) == -1 && errno == ENOSYS ? 7 : 1;
}

CASE(a_tracer_without_the_option_is_not_asked)
{
	pid_t child = start_filtered(nobody_asked, 0);

	CHECK_EQ(wait_status(child), 7 << 8);
}

static long trapped(void)
{
	INSTALL(0, FILTER_CALL(SYS_getpgrp, SECCOMP_RET_TRAP | 8));
	return syscall(SYS_getpgrp) == SYS_getpgrp ? 8 : 1;
}

CASE(the_tracer_sees_the_signal_of_a_trap)
{
	pid_t child = start_filtered(trapped, 0);

	CHECK_EQ(wait_status(child), stopped(SIGSYS));
	siginfo_t info = siginfo_of(child);
	CHECK_EQ(info.si_code, 1 /* SYS_SECCOMP */);
	CHECK_EQ(info.si_errno, 8);
	CHECK_EQ(info.si_syscall, SYS_getpgrp);
	CHECK_EQ(registers_of(child).rax, SYS_getpgrp);
	CHECK_EQ(trace(PTRACE_CONT, child, 0, 0), 0);
	CHECK_EQ(wait_status(child), 8 << 8);
}

static long filtered_errno(void)
{
	INSTALL(0, FILTER_CALL(SYS_getpgrp, SECCOMP_RET_ERRNO | 9));
	raise(SIGSTOP);
	return syscall(SYS_getpgrp) == -1 && errno == 9 ? 9 : 1;
}

CASE(both_stops_of_a_call_that_is_not_made)
{
	pid_t child = start_filtered(filtered_errno, PTRACE_O_TRACESYSGOOD);
	struct user_regs_struct registers;

	CHECK_EQ(wait_status(child), stopped(SIGSTOP));
	do {
		CHECK_EQ(trace(PTRACE_SYSCALL, child, 0, 0), 0);
		CHECK_EQ(wait_status(child), SYSCALL_STOP);
		registers = registers_of(child);
	} while (registers.orig_rax != SYS_getpgrp);
	CHECK_EQ(trace(PTRACE_SYSCALL, child, 0, 0), 0);
	CHECK_EQ(wait_status(child), SYSCALL_STOP);
	CHECK_EQ((long)registers_of(child).rax, -9);
	CHECK_EQ(trace(PTRACE_CONT, child, 0, 0), 0);
	CHECK_EQ(wait_status(child), 9 << 8);
}

CASES_MAIN()
